//! Where messages go.

mod inbox;
mod smtp;
mod webhook;

use async_trait::async_trait;
use vestibule_engine::model::{MessagePurpose, Millis};
use vestibule_wire::{MessageId, OtpId};

pub use inbox::{Inbox, InboxMessage};
pub use smtp::{SmtpChannel, SmtpConfigError, SmtpCredentials, SmtpSecurity, SmtpSettings};
pub use webhook::{SmsWebhookChannel, WebhookConfigError, WebhookSecret};

use crate::render::Rendered;

/// One message on its way. `Debug` shows neither contact nor code nor text.
#[derive(Clone)]
pub struct Delivery {
    /// Id of the message, the same on every try: channels hand it on so that a receiver can drop repetitions.
    pub message_id: MessageId,
    /// The attempt whose code it carries; an id of its own where it carries a bundle.
    pub otp_id: OtpId,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// When the message was made.
    pub created_at: Millis,
    /// When what it carries dies, or nobody waits for it any more.
    pub expires_at: Millis,
    /// This try's time.
    pub now: Millis,
    /// What it is for.
    pub purpose: MessagePurpose,
    /// The code or bundle alone, for the inbox of development.
    pub code: String,
    /// What to send.
    pub message: Rendered,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("message_id", &self.message_id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// Whether another try can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The fault may pass: connections, time-outs, refusals for now.
    Later,
    /// The message was refused for good.
    Never,
}

/// The message was not handed over. The text is of a fixed vocabulary with status codes: no contact, code, address of
/// the provider, or words of its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    /// Whether another try can help.
    pub retry: Retry,
    /// What happened.
    pub text: String,
    /// The code of the mail server's answer, where it gave one.
    pub smtp_code: Option<u16>,
}

impl SendError {
    /// A fault that may pass.
    pub fn later(text: impl Into<String>) -> Self {
        Self { retry: Retry::Later, text: text.into(), smtp_code: None }
    }

    /// A refusal for good.
    pub fn never(text: impl Into<String>) -> Self {
        Self { retry: Retry::Never, text: text.into(), smtp_code: None }
    }
}

/// Hands messages to somebody who brings them to people.
#[async_trait]
pub trait Channel: Send + Sync {
    /// A short name for logs and metrics: `smtp`, `sms-webhook`, `inbox`.
    fn name(&self) -> &'static str;

    /// Sends one message. `Ok` means that the provider answers for it from here on. Dropping the future abandons the
    /// try; whether the message went out is then unknown.
    async fn send(&self, delivery: &Delivery) -> Result<(), SendError>;
}

/// Whether a host is this machine: the only place where messages may go without TLS.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
