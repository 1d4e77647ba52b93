//! An e-mail as it travels (RFC 5322, MIME), for every channel that hands in whole messages.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use vestibule_wire::Contact;

use super::{Delivery, SendError};
use crate::render::RenderedEmail;
use crate::template::clean_line;

/// `Auto-Submitted: auto-generated` (RFC 3834): keeps out-of-office answers away.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// An address whose domain every server understands: internationalised domains as A-labels.
fn address(text: &str) -> Result<Address, SendError> {
    let refused = || SendError::never("an address of the message is malformed");
    let contact = Contact::email(text).map_err(|_| refused())?;
    let (local, _) = contact.given().rsplit_once('@').ok_or_else(refused)?;
    let (_, domain) = contact.normalised().rsplit_once('@').ok_or_else(refused)?;
    Address::new(local, domain).map_err(|_| refused())
}

/// The envelope, and the message with CRLF line ends.
pub(super) fn build(delivery: &Delivery, email: &RenderedEmail) -> Result<(Envelope, Vec<u8>), SendError> {
    let from = address(&email.from.address)?;
    let to = address(&email.to)?;
    let date = u64::try_from(delivery.created_at)
        .ok()
        .and_then(|ms| std::time::UNIX_EPOCH.checked_add(Duration::from_millis(ms)))
        .ok_or_else(|| SendError::never("the message has no valid time"))?;
    let id = email.message_id(delivery.message_id);
    let mut builder = Message::builder()
        .from(Mailbox::new(Some(clean_line(&email.from.name)), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(clean_line(&email.subject))
        .message_id(Some(id))
        .date(date)
        .header(AutoSubmitted);
    if let Some(reply_to) = &email.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address(reply_to)?));
    }
    let message = builder
        .multipart(MultiPart::alternative_plain_html(email.text.clone(), email.html.clone()))
        .map_err(|_| SendError::never("the message cannot be composed"))?;
    let envelope = Envelope::new(Some(from), vec![to])
        .map_err(|_| SendError::never("the message cannot be composed"))?;
    Ok((envelope, message.formatted()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;
    use vestibule_engine::model::MessagePurpose;
    use vestibule_wire::{MessageId, OtpId};

    use super::*;
    use crate::render::{Rendered, Sender};

    proptest! {
        /// Rendering cleans what callers give; this holds even if it did not.
        #[test]
        fn composing_never_panics_and_never_gains_a_header(
            name in any::<String>(),
            subject in any::<String>(),
            text in any::<String>(),
            to in "[a-zA-Z0-9.\"\r\n@<>, é]{1,24}@b.example",
        ) {
            let email = RenderedEmail {
                from: Sender { name, address: "no-reply@mail.example".to_owned() },
                reply_to: None,
                to,
                subject,
                html: text.clone(),
                text,
            };
            let delivery = Delivery {
                message_id: MessageId(Uuid::nil()),
                otp_id: OtpId(Uuid::nil()),
                attempt: 1,
                created_at: 1_782_916_051_261,
                expires_at: 1_782_916_351_261,
                now: 1_782_916_051_261,
                time: Duration::from_secs(10),
                purpose: MessagePurpose::Code,
                code: String::new(),
                message: Rendered::Email(email.clone()),
            };
            let Ok((envelope, message)) = build(&delivery, &email) else { return Ok(()) };
            prop_assert_eq!(envelope.to().len(), 1);
            let message = String::from_utf8_lossy(&message).into_owned();
            let (head, _) = message.split_once("\r\n\r\n").unwrap();
            let names: Vec<_> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            prop_assert_eq!(
                names,
                ["From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"]
            );
        }
    }
}
