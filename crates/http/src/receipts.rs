//! `POST /vestibule/v1/receipts/{provider}`: what providers tell of messages they took.
//!
//! Promise: whatever is not signed by the provider that the path names gets one answer, the same for a provider that does not
//! exist; it changes nothing and counts against the address it came from.

use std::net::IpAddr;

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::json;
use vestibule_wire::Refusal;

use crate::answer;

/// The path up to the provider's name.
pub(crate) const PREFIX: &str = "/vestibule/v1/receipts/";

/// A request that may be a receipt.
pub struct IncomingReceipt<'a> {
    /// The provider that the path names.
    pub provider: &'a str,
    /// The whole URL as the provider called it: some sign it.
    pub url: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body as it came.
    pub body: &'a [u8],
    /// Who sent it: behind trusted proxies, whom they say they speak for.
    pub client: Option<IpAddr>,
}

/// Takes receipts.
#[async_trait]
pub trait ReceiptDoor: Send + Sync {
    /// Verifies a request and keeps what it tells. Refuses with [`Refusal::ReceiptRefused`] whatever the provider did not sign,
    /// with [`Refusal::InvalidMember`] what it signed and cannot be read, and with [`Refusal::Unavailable`] what is to be sent
    /// again later.
    async fn take(&self, receipt: IncomingReceipt<'_>) -> Result<(), Refusal>;
}

/// Where receipts come in.
pub struct ReceiptSurface {
    /// Scheme and host by which providers know this server; absent: https and the host that the request names.
    pub public_url: Option<String>,
    /// Who takes them.
    pub door: Box<dyn ReceiptDoor>,
}

impl ReceiptSurface {
    pub(crate) async fn answer(
        &self,
        head: &Parts,
        path: &str,
        body: &[u8],
        client: Option<IpAddr>,
    ) -> Result<Response, Refusal> {
        let provider = path.strip_prefix(PREFIX).ok_or(Refusal::UnknownPath)?;
        let url = self.url(head, path);
        let receipt = IncomingReceipt { provider, url: &url, headers: &head.headers, body, client };
        self.door.take(receipt).await?;
        answer::json(&json!({}))
    }

    /// A forged host in the request makes a URL that nobody signed.
    fn url(&self, head: &Parts, path: &str) -> String {
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        match &self.public_url {
            Some(base) => format!("{base}{path}{query}"),
            None => {
                let named = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
                format!("https://{}{path}{query}", named.unwrap_or_default())
            }
        }
    }
}
