//! Randomness is received, never fetched: every maker of keys, nonces, codes and ids takes an [`Entropy`].

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::fingerprint::sha256;

/// A source of uniform random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's generator, through the cryptographic library.
///
/// Panics when the operating system has no randomness to give: no later step could be trusted.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("the operating system supplies randomness");
    }
}

/// A reproducible generator for tests: SHA-256 of seed and counter. Predictable, so never for real keys.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    blocks: AtomicU64,
}

impl SeededEntropy {
    /// A generator whose output depends on `seed` and on the number of bytes drawn before, rounded up to 32.
    pub fn new(seed: u64) -> Self {
        Self { seed, blocks: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        let blocks = out.len().div_ceil(32) as u64;
        let first = self.blocks.fetch_add(blocks, Ordering::Relaxed);
        for (index, chunk) in (first..).zip(out.chunks_mut(32)) {
            let mut input = [0; 16];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..].copy_from_slice(&index.to_be_bytes());
            chunk.copy_from_slice(&sha256(&input)[..chunk.len()]);
        }
    }
}

/// Draws `N` random bytes.
pub fn array<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}

/// A version 7 UUID (RFC 9562 section 5.7): `now_ms` (epoch milliseconds) in front, 74 random bits behind.
pub fn uuid_v7(entropy: &dyn Entropy, now_ms: i64) -> Uuid {
    let millis = u64::try_from(now_ms).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &array(entropy)).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_reproduces_its_bytes_and_no_others() {
        let draw = |seed| {
            let entropy = SeededEntropy::new(seed);
            [array::<40>(&entropy), array::<40>(&entropy)]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let [first, second] = draw(1);
        assert_ne!(first, second);
    }

    #[test]
    fn version_seven_ids_sort_by_time() {
        let entropy = SeededEntropy::new(7);
        let earlier = uuid_v7(&entropy, 1_782_916_051_261);
        let later = uuid_v7(&entropy, 1_782_916_051_262);
        assert!(earlier < later);
        assert_eq!(earlier.get_version_num(), 7);
        assert_eq!(earlier.get_variant(), uuid::Variant::RFC4122);
        assert_ne!(uuid_v7(&entropy, 1), uuid_v7(&entropy, 1));
    }
}
