//! What providers tell afterwards: that a message arrived, bounced, or was complained of.
//!
//! Promise: a [`Receipt`] was signed by the provider it is read for, recently, and has no contact in it.

use std::net::IpAddr;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use vestibule_engine::model::{ContactKey, Millis};
use vestibule_wire::{MessageId, OtpType};

/// How far the time a receipt was signed at may lie from now, where the signature covers one: what Standard Webhooks
/// recommends.
pub const TOLERANCE_MS: Millis = 5 * 60 * 1000;

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct ReceiptRequest<'a> {
    /// The whole URL as the provider calls it, scheme, host and query included: some sign it.
    pub url: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The raw body, which signatures are over.
    pub body: &'a [u8],
    /// Who sent it, as far as that is known.
    pub client: Option<IpAddr>,
}

impl ReceiptRequest<'_> {
    /// The value of a header that is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }
}

/// What became of a message after its provider took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrived, as far as the provider can know.
    Delivered,
    /// It is late; the provider goes on trying.
    Delayed,
    /// It came back from the recipient's side.
    Bounced {
        /// Whether the address is bad for good, so that nothing more should be sent there for a while.
        permanent: bool,
    },
    /// Its recipient called it spam.
    Complained,
    /// The provider gave it up for reasons of its own, which tell nothing of the address.
    Failed,
}

/// One thing a provider tells of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The id the provider gave when it took the message.
    pub provider_message_id: String,
    /// What became of it.
    pub fate: Fate,
    /// Numbers and codes alone, as `smtp; 550 5.1.1` or `twilio; 30005`: words like to repeat the address.
    pub diagnostic: Option<String>,
    /// When, where the provider says so.
    pub at: Option<Millis>,
    /// The message by what we call it, where the provider was given that and the receipt says it again: then it is found
    /// although nobody has recorded yet, or never will, what the provider calls it.
    pub ours: Option<Ours>,
}

/// A message as we call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ours {
    /// The message.
    pub message_id: MessageId,
    /// How it went.
    pub channel: OtpType,
    /// The look-up form of its recipient.
    pub contact_key: ContactKey,
}

/// Why a request is no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptRefused {
    /// It lacks a signature, or has one that the provider did not make.
    #[error("the receipt is not signed by the provider")]
    Signature,
    /// The signature is right and too old: somebody may be repeating what he overheard.
    #[error("the receipt was signed too long ago")]
    Stale,
    /// Signed, and not what the provider's documentation says. Nothing that was sent is in it.
    #[error("the receipt cannot be read: {member}: {problem}")]
    Malformed {
        /// What of it, by its name in the provider's documentation.
        member: &'static str,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// It cannot be verified at the moment; the provider is asked to come again.
    #[error("the receipt cannot be verified at the moment")]
    Unverifiable,
}

impl ReceiptRefused {
    /// Of a request whose signature holds, and of no other.
    pub fn malformed(member: &'static str, problem: &'static str) -> Self {
        Self::Malformed { member, problem }
    }
}

/// Reads what a provider tells.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Verifies a request and reads what it tells: nothing, where it tells of a stage that does not matter. Reading one
    /// twice gives the same: whoever keeps receipts must not count repetitions.
    async fn read(&self, request: &ReceiptRequest<'_>, now: Millis) -> Result<Vec<Receipt>, ReceiptRefused>;
}

/// `smtp; ` and the numbers a mail server's answer begins with: the code, the enhanced code (RFC 3463), or both. None
/// where it begins with neither.
pub(super) fn smtp_diagnostic(text: &str) -> Option<String> {
    let text = text.trim_start();
    let answer = match text.split_once(';') {
        Some((kind, rest)) if kind.trim().eq_ignore_ascii_case("smtp") => rest,
        _ => text,
    };
    let mut words = answer.split([' ', '-', '\t']).filter(|word| !word.is_empty());
    let is_code = |word: &str| word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
    let first = words.next()?;
    let (code, second) = if is_code(first) { (Some(first), words.next()) } else { (None, Some(first)) };
    let enhanced = second.filter(|word| EnhancedCode::parse(word).is_some());
    match (code, enhanced) {
        (Some(code), Some(enhanced)) => Some(format!("smtp; {code} {enhanced}")),
        (Some(code), None) => Some(format!("smtp; {code}")),
        (None, Some(enhanced)) => Some(format!("smtp; {enhanced}")),
        (None, None) => None,
    }
}

/// An enhanced status code of mail systems (RFC 3463): class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnhancedCode {
    /// 2, 4 or 5.
    pub(super) class: u8,
    /// What it is about.
    pub(super) subject: u16,
    /// What precisely.
    pub(super) detail: u16,
}

impl std::fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { class, subject, detail } = self;
        write!(f, "{class}.{subject}.{detail}")
    }
}

impl EnhancedCode {
    /// Reads one alone, as `5.1.1`.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('.');
        let mut number = |digits: usize| {
            let part = parts.next()?;
            let fits = (1..=digits).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let class = u8::try_from(class).ok().filter(|class| [2, 4, 5].contains(class))?;
        parts.next().is_none().then_some(Self { class, subject, detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_counts_when_it_is_there_once() {
        let mut headers = HeaderMap::new();
        headers.append("x-signature", "one".parse().unwrap());
        let request =
            ReceiptRequest { url: "https://login.example.com/", headers: &headers, body: b"", client: None };
        assert_eq!(request.header("X-Signature"), Some("one"));
        assert_eq!(request.header("x-other"), None);
        headers.append("x-signature", "two".parse().unwrap());
        let request =
            ReceiptRequest { url: "https://login.example.com/", headers: &headers, body: b"", client: None };
        assert_eq!(request.header("X-Signature"), None);
    }

    #[test]
    fn of_a_mail_servers_answer_only_numbers_are_kept() {
        for (text, kept) in [
            ("smtp; 550 5.1.1 <ann@example.com> user unknown", Some("smtp; 550 5.1.1")),
            ("smtp;550-5.7.1 blocked", Some("smtp; 550 5.7.1")),
            ("550 no such user", Some("smtp; 550")),
            ("5.4.7 expired", Some("smtp; 5.4.7")),
            ("X-Notes; no such user ann@example.com", None),
            ("ann@example.com", None),
            ("", None),
            ("smtp; ", None),
            ("5500 5.1.1", None),
        ] {
            assert_eq!(smtp_diagnostic(text).as_deref(), kept, "{text}");
        }
    }

    #[test]
    fn enhanced_codes_have_three_parts_and_a_known_class() {
        let code = |class, subject, detail| Some(EnhancedCode { class, subject, detail });
        assert_eq!(EnhancedCode::parse("5.1.1"), code(5, 1, 1));
        assert_eq!(EnhancedCode::parse("4.7.650"), code(4, 7, 650));
        for text in ["5.1", "5.1.1.1", "3.1.1", "55.1.1", "5.1.", "5.1.1234", "5.+1.1", "a.b.c", ""] {
            assert_eq!(EnhancedCode::parse(text), None, "{text}");
        }
    }
}
