//! Where messages go.

mod aws;
mod client;
mod dkim;
mod inbox;
mod mail;
pub mod receipt;
mod ses;
mod smtp;
mod smtp_answer;
mod sns;
mod sns_certificates;
mod sns_message;
mod twilio;
mod webhook;

use std::time::Duration;

use async_trait::async_trait;
use vestibule_engine::model::{MessagePurpose, Millis};
use vestibule_wire::{MessageId, OtpId, OtpType};

pub use aws::AwsSettings;
pub use client::ProviderConfigError;
pub use dkim::{Dkim, DkimConfigError, DkimSettings};
pub use inbox::{Inbox, InboxMessage};
pub use ses::{SesChannel, SesReceipts, SesSettings};
pub use smtp::{SmtpChannel, SmtpConfigError, SmtpCredentials, SmtpSecurity, SmtpSettings};
pub use sns::{SnsChannel, SnsIndia, SnsSettings};
pub use sns_message::SnsMessages;
pub use twilio::{TwilioApiKey, TwilioChannel, TwilioReceipts, TwilioSender, TwilioSettings};
pub use webhook::{SmsWebhookChannel, WebhookConfigError, WebhookReceipts, WebhookSecret};

use crate::render::{Rendered, RenderedEmail, RenderedSms};

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
    /// How long this try may take, all in all. It is cut off then; channels that have several ways to go divide it.
    pub time: Duration,
    /// What it is for.
    pub purpose: MessagePurpose,
    /// The code or bundle alone, for the inbox of development.
    pub code: String,
    /// What to send.
    pub message: Rendered,
}

impl Delivery {
    /// The e-mail, for a channel that sends nothing else.
    fn email(&self) -> Result<&RenderedEmail, SendError> {
        match &self.message {
            Rendered::Email(email) => Ok(email),
            Rendered::Sms(_) => Err(SendError::never("this channel sends e-mails only")),
        }
    }

    /// The SMS, for a channel that sends nothing else.
    fn sms(&self) -> Result<&RenderedSms, SendError> {
        match &self.message {
            Rendered::Sms(sms) => Ok(sms),
            Rendered::Email(_) => Err(SendError::never("this channel sends SMS only")),
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("message_id", &self.message_id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// A provider took a message and answers for it from here on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The name under which the provider tells of the message later (its receipts), where it has one.
    pub provider_message_id: Option<String>,
}

/// Who can still send a message that was not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The fault may pass: connections, time-outs, refusals for now. Another provider of the route is asked at once where
    /// there is one; this one may be asked again.
    Later,
    /// This provider will not send it (a refused log-in, an unpaid account, a country it does not serve); another may.
    NextProvider,
    /// Nobody will: the message was refused for good.
    Never,
}

/// Whose fault it is that a message was not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The provider's, or the operator's account there: other messages will fare the same. Counts towards the provider's
    /// circuit breaker.
    Provider,
    /// The provider's, which let the time that it was given pass. Counts, too, and a provider that does this to all that
    /// are under way there at once is left alone sooner.
    Silence,
    /// The message's: its size, its text, its sender; or the recipient's for now (greylisting, a full mailbox).
    Message,
    /// The recipient's for good: there is no such address or number, or it can take no such message. Together with
    /// [`Retry::Never`] the contact is suppressed for a while.
    Recipient,
    /// Nobody's: others were before it, or its time was too short to tell. Says nothing of the provider.
    Nobody,
}

/// The message was not handed over. The text is of a fixed vocabulary with status codes: no contact, code, address of
/// the provider, or words of its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    /// Who can still send it.
    pub retry: Retry,
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened.
    pub text: String,
    /// The code of the mail server's answer, where it gave one.
    pub smtp_code: Option<u16>,
}

impl SendError {
    /// A fault of the provider that may pass.
    pub fn later(text: impl Into<String>) -> Self {
        Self { retry: Retry::Later, fault: Fault::Provider, text: text.into(), smtp_code: None }
    }

    /// A provider that let its time pass.
    pub fn unanswered(text: impl Into<String>) -> Self {
        Self { fault: Fault::Silence, ..Self::later(text) }
    }

    /// A fault of the provider, or of the operator's account there, that will not pass by itself.
    pub fn next_provider(text: impl Into<String>) -> Self {
        Self { retry: Retry::NextProvider, ..Self::later(text) }
    }

    /// A refusal of the message for good.
    pub fn never(text: impl Into<String>) -> Self {
        Self { retry: Retry::Never, fault: Fault::Message, ..Self::later(text) }
    }

    /// A refusal for good because nobody can be reached there.
    pub fn unreachable(text: impl Into<String>) -> Self {
        Self { fault: Fault::Recipient, ..Self::never(text) }
    }

    /// The same, where other messages may fare better.
    #[must_use]
    pub fn of_this_message(self) -> Self {
        Self { fault: Fault::Message, ..self }
    }

    /// The same, where it says nothing of the provider.
    #[must_use]
    pub fn of_nobody(self) -> Self {
        Self { fault: Fault::Nobody, ..self }
    }
}

/// Hands messages to somebody who brings them to people.
#[async_trait]
pub trait Channel: Send + Sync {
    /// What kind of provider it is, for logs: `smtp`, `sms-webhook`, `inbox`.
    fn name(&self) -> &'static str;

    /// Whether it carries messages of this kind.
    fn carries(&self, kind: OtpType) -> bool;

    /// How many messages it can have under way at once, where it knows: more would only wait within it.
    fn at_once(&self) -> Option<u32> {
        None
    }

    /// Sends one message. `Ok` means that the provider answers for it from here on. Dropping the future abandons the
    /// try; whether the message went out is then unknown.
    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError>;
}

/// Whether a host is this machine: the only place where messages may go without TLS.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
