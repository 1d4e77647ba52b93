//! What providers with an HTTP API have in common: where they are, how long they may take, and what a refusal comes to.
//!
//! Promise: a message leaves this machine over https alone; redirects are not followed, since they would carry it elsewhere;
//! of an answer at most [`MAX_ANSWER`] bytes are read; no error has the URL, which may have a secret in it, or the provider's
//! words, which may have the recipient in them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{RequestBuilder, Url, redirect};

use super::{SendError, is_loopback};
use crate::cause::{Cause, NoName};

/// Bytes of an answer that are read.
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// Why a provider could not be set up; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderConfigError {
    /// No absolute URL, or with a name, password, query or fragment in it.
    #[error("{0} is no absolute URL such as https://api.example.com, without a user name, query or fragment")]
    Url(&'static str),
    /// Not https, to another machine.
    #[error(
        "messages would travel unprotected to {0}; use https, which only a service on this machine may do without"
    )]
    Unprotected(&'static str),
    /// A setting that the provider cannot work with.
    #[error("{0}")]
    Setting(&'static str),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// The address of an API: https, or http to this machine. Always with a path that ends in `/`.
pub(super) fn endpoint(text: &str, name: &'static str) -> Result<Url, ProviderConfigError> {
    let mut url = Url::parse(text).map_err(|_| ProviderConfigError::Url(name))?;
    let host = url.host_str().ok_or(ProviderConfigError::Url(name))?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(ProviderConfigError::Url(name));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => return Err(ProviderConfigError::Unprotected(name)),
        _ => return Err(ProviderConfigError::Url(name)),
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Whether a URL is on this machine.
pub(super) fn is_local(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback)
}

/// Asks the system, and says so where a name has no address.
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NoName)?;
            let found: Vec<_> = found.collect();
            if found.is_empty() {
                return Err(NoName.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// A client for one provider. `timeout` limits a whole request.
pub(super) fn client(url: &Url, timeout: Duration) -> Result<reqwest::Client, ProviderConfigError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .timeout(timeout)
        .pool_max_idle_per_host(4)
        .dns_resolver(Arc::new(Names));
    if is_local(url) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| ProviderConfigError::Client(e.to_string()))
}

/// What a provider answered.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The header that names an error in AWS's APIs.
    pub(super) error_type: Option<String>,
    /// The body, cut off at [`MAX_ANSWER`] bytes.
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends a request and reads the answer. `name` stands for the provider in errors.
pub(super) async fn ask(request: RequestBuilder, name: &str) -> Result<Answer, SendError> {
    let mut response = request.send().await.map_err(|e| failed(&e, name))?;
    let status = response.status().as_u16();
    let error_type = response.headers().get("x-amzn-errortype").and_then(|v| v.to_str().ok());
    let error_type = error_type.map(str::to_owned);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() < MAX_ANSWER => {
                let room = MAX_ANSWER - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(_) => break,
            // The provider took the message, and its name for it is lost: sending again would double it.
            Err(_) if (200..300).contains(&status) => break,
            Err(error) => return Err(failed(&error, name)),
        }
    }
    Ok(Answer { status, error_type, body })
}

/// The error's own text has the URL.
fn failed(error: &reqwest::Error, name: &str) -> SendError {
    if error.is_timeout() {
        return SendError::unanswered(format!("{name} did not answer in time"));
    }
    SendError::later(if let Some(cause) = Cause::of(error) {
        cause.text(name)
    } else if error.is_connect() {
        format!("the connection to {name} failed")
    } else {
        format!("the request to {name} failed")
    })
}

/// Names and values as a form is posted.
pub(super) fn form_encoded<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    // A URL knows how forms are written.
    let mut url = Url::parse("http://localhost/").expect("the URL is valid");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// The names and values of a posted form, in their order.
pub(super) fn form_decoded(body: &[u8]) -> Vec<(String, String)> {
    let mut url = Url::parse("http://localhost/").expect("the URL is valid");
    url.set_query(Some(&String::from_utf8_lossy(body)));
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// What a provider's error code comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The provider is busy or ill: this passes.
    Busy,
    /// This message, or this recipient, for now.
    NotNow,
    /// The account, its credentials or its settings: this provider will take no message until somebody changes them.
    Account,
    /// This provider will not bring this message to this recipient; another may.
    NotHere,
    /// The message is one nobody should send.
    Message,
    /// The recipient cannot be reached by anybody, or does not want to be.
    Recipient,
}

impl Refusal {
    pub(super) fn error(self, text: String) -> SendError {
        match self {
            Self::Busy => SendError::later(text),
            Self::NotNow => SendError::later(text).of_this_message(),
            Self::Account => SendError::next_provider(text),
            Self::NotHere => SendError::next_provider(text).of_this_message(),
            Self::Message => SendError::never(text),
            Self::Recipient => SendError::unreachable(text),
        }
    }

    /// What an HTTP status comes to where the provider gives no code that is known: nothing is held against the recipient.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            408 | 425 | 429 | 500.. => Self::Busy,
            401 | 403 | 404 => Self::Account,
            _ => Self::NotHere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Fault, Retry};

    #[test]
    fn messages_leave_this_machine_over_https_only() {
        for (text, expected) in [
            ("https://api.example.com", Ok("https://api.example.com/")),
            ("https://api.example.com/v1", Ok("https://api.example.com/v1/")),
            ("http://127.0.0.1:4566", Ok("http://127.0.0.1:4566/")),
            ("http://[::1]:9/", Ok("http://[::1]:9/")),
            ("http://api.example.com", Err(ProviderConfigError::Unprotected("x"))),
            ("http://127.0.0.1.example.com", Err(ProviderConfigError::Unprotected("x"))),
            ("api.example.com", Err(ProviderConfigError::Url("x"))),
            ("ftp://api.example.com", Err(ProviderConfigError::Url("x"))),
            ("https://user:pw@api.example.com", Err(ProviderConfigError::Url("x"))),
            ("https://api.example.com/?a=b", Err(ProviderConfigError::Url("x"))),
            ("https://api.example.com/#a", Err(ProviderConfigError::Url("x"))),
        ] {
            assert_eq!(endpoint(text, "x").map(|url| url.to_string()), expected.map(str::to_owned), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told_as_such() {
        let client = reqwest::Client::builder().no_proxy().dns_resolver(Arc::new(Names)).build().unwrap();
        // Longer than a label may be: no name server is asked.
        let url = format!("http://{}.example/", "a".repeat(64));
        let refused = ask(client.get(url), "Twilio").await.map(|_| ()).unwrap_err();
        assert_eq!(refused, SendError::later("the name of Twilio does not resolve"));
    }

    #[test]
    fn forms_are_read_as_they_are_written() {
        let pairs = [("To", "+15551234567"), ("Body", "a b&c=d\n\u{20ac}%41"), ("Empty", "")];
        let text = form_encoded(pairs);
        assert_eq!(text, "To=%2B15551234567&Body=a+b%26c%3Dd%0A%E2%82%AC%2541&Empty=");
        let read = form_decoded(text.as_bytes());
        assert!(read.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(pairs));
    }

    #[test]
    fn each_refusal_says_who_can_still_send_and_whose_fault_it_is() {
        let of = |refusal: Refusal| {
            let SendError { retry, fault, .. } = refusal.error(String::new());
            (retry, fault)
        };
        assert_eq!(of(Refusal::Busy), (Retry::Later, Fault::Provider));
        assert_eq!(of(Refusal::NotNow), (Retry::Later, Fault::Message));
        assert_eq!(of(Refusal::Account), (Retry::NextProvider, Fault::Provider));
        assert_eq!(of(Refusal::NotHere), (Retry::NextProvider, Fault::Message));
        assert_eq!(of(Refusal::Message), (Retry::Never, Fault::Message));
        assert_eq!(of(Refusal::Recipient), (Retry::Never, Fault::Recipient));
    }

    #[test]
    fn a_status_alone_is_never_held_against_the_recipient() {
        for status in 300..600 {
            let refusal = Refusal::of_status(status);
            assert!(!matches!(refusal, Refusal::Recipient | Refusal::Message), "{status}");
        }
        for (status, expected) in [
            (429, Refusal::Busy),
            (503, Refusal::Busy),
            (401, Refusal::Account),
            (404, Refusal::Account),
            (400, Refusal::NotHere),
            (302, Refusal::NotHere),
        ] {
            assert_eq!(Refusal::of_status(status), expected, "{status}");
        }
    }
}
