//! What providers tell afterwards: that a message arrived, bounced, or was complained of.
//!
//! Promise: a [`Receipt`] was signed by the provider it is read for, recently, and has no contact in it.

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use vestibule_engine::model::Millis;

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
    /// When, as the provider says, else when it was told.
    pub at: Millis,
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
    /// Signed, and not what the provider's documentation says.
    #[error("the receipt cannot be read")]
    Malformed,
    /// It cannot be verified at the moment; the provider is asked to come again.
    #[error("the receipt cannot be verified at the moment")]
    Unverifiable,
}

/// Reads what a provider tells.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Verifies a request and reads what it tells: nothing, where it tells of a stage that does not matter. Reading one
    /// twice gives the same: whoever keeps receipts must not count repetitions.
    async fn read(&self, request: &ReceiptRequest<'_>, now: Millis) -> Result<Vec<Receipt>, ReceiptRefused>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_counts_when_it_is_there_once() {
        let mut headers = HeaderMap::new();
        headers.append("x-signature", "one".parse().unwrap());
        let request = ReceiptRequest { url: "https://login.example.com/", headers: &headers, body: b"" };
        assert_eq!(request.header("X-Signature"), Some("one"));
        assert_eq!(request.header("x-other"), None);
        headers.append("x-signature", "two".parse().unwrap());
        let request = ReceiptRequest { url: "https://login.example.com/", headers: &headers, body: b"" };
        assert_eq!(request.header("X-Signature"), None);
    }
}
