//! A name for every request: the caller's own, or one made here. It stands in the log lines and in the answer.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use vestibule_engine::Entropy;

/// `X-Request-Id`
pub const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are not taken over.
const MAX_LENGTH: usize = 64;

/// Makes names that differ within a process by a counter, and between processes by a random start.
pub struct RequestIds {
    prefix: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Draws the random start.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut prefix = [0; 4];
        entropy.fill(&mut prefix);
        Self { prefix: u32::from_be_bytes(prefix), next: AtomicU64::new(1) }
    }

    /// The name of a request: its own when that is 1 to 64 letters, digits, `-`, `_` or `.`, else a new one.
    pub fn of(&self, request: &HeaderMap) -> HeaderValue {
        match request.get(NAME) {
            Some(own) if is_sane(own.as_bytes()) => own.clone(),
            _ => {
                let count = self.next.fetch_add(1, Ordering::Relaxed);
                let name = format!("{:08x}-{count:x}", self.prefix);
                HeaderValue::try_from(name).unwrap_or_else(|_| HeaderValue::from(count))
            }
        }
    }
}

fn is_sane(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_LENGTH).contains(&name.len()) && name.iter().all(plain)
}
