//! SMS through a signed HTTP request to a service of the operator's, which knows the provider.
//!
//! The request follows the Standard Webhooks form: headers `webhook-id`, `webhook-timestamp` and `webhook-signature`;
//! the signature is `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`. `docs/messages.md` has the contract.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{StatusCode, Url, redirect};
use serde::Serialize;
use vestibule_crypto::fingerprint::hmac_sha256;
use vestibule_crypto::secret::Secret;
use vestibule_wire::{MessageId, OtpId, OtpType};
use zeroize::Zeroize;

use super::{Accepted, Channel, Delivery, SendError, is_loopback};
use crate::render::Rendered;

/// Why a channel could not be set up; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookConfigError {
    /// No absolute URL, or with a name and password in it.
    #[error(
        "the SMS webhook needs an absolute URL such as https://sms.example.com/send, without a user name or password"
    )]
    Url,
    /// Not https, to another machine.
    #[error(
        "codes would travel unprotected to the SMS webhook; use https, which only a service on this machine may do without"
    )]
    Unprotected,
    /// Not `whsec_` and base64, or not 24 to 64 bytes.
    #[error("the secret of the SMS webhook must be whsec_ followed by the base64 of 24 to 64 random bytes")]
    Secret,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// The secret both sides know: `whsec_` and the base64 of 24 to 64 random bytes.
#[derive(Debug, Clone)]
pub struct WebhookSecret(Secret<Vec<u8>>);

impl WebhookSecret {
    /// Reads the text form; blanks around it do not count.
    pub fn parse(text: &str) -> Result<Self, WebhookConfigError> {
        let encoded = text.trim().strip_prefix("whsec_").ok_or(WebhookConfigError::Secret)?;
        let mut bytes = STANDARD.decode(encoded).map_err(|_| WebhookConfigError::Secret)?;
        if !(24..=64).contains(&bytes.len()) {
            bytes.zeroize();
            return Err(WebhookConfigError::Secret);
        }
        Ok(Self(Secret::new(bytes)))
    }

    /// The value of `webhook-signature` for a request.
    fn sign(&self, id: MessageId, timestamp: i64, body: &str) -> String {
        let mac = hmac_sha256(self.0.expose(), format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac))
    }
}

/// The body of a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    message_id: MessageId,
    otp_id: OtpId,
    to: &'a str,
    text: &'a str,
    attempt: u32,
    expires_at_ms: i64,
}

/// Posts SMS to one URL.
pub struct SmsWebhookChannel {
    client: reqwest::Client,
    url: Url,
    secret: WebhookSecret,
}

impl SmsWebhookChannel {
    /// Sets it up for `https` URLs (`http` on this machine), with one time limit for a whole request. Redirects are
    /// refused: they would carry the code elsewhere.
    pub fn new(url: &str, secret: WebhookSecret, timeout: Duration) -> Result<Self, WebhookConfigError> {
        let url = Url::parse(url).map_err(|_| WebhookConfigError::Url)?;
        let host = url.host_str().ok_or(WebhookConfigError::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebhookConfigError::Url);
        }
        let here = is_loopback(host);
        match url.scheme() {
            "https" => {}
            "http" if here => {}
            "http" => return Err(WebhookConfigError::Unprotected),
            _ => return Err(WebhookConfigError::Url),
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .pool_max_idle_per_host(4);
        if here {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| WebhookConfigError::Client(e.to_string()))?;
        Ok(Self { client, url, secret })
    }
}

#[async_trait]
impl Channel for SmsWebhookChannel {
    fn name(&self) -> &'static str {
        "sms-webhook"
    }

    fn carries(&self, kind: OtpType) -> bool {
        kind == OtpType::Sms
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let Rendered::Sms(sms) = &delivery.message else {
            return Err(SendError::never("this channel sends SMS only"));
        };
        let body = serde_json::to_string(&Body {
            message_id: delivery.message_id,
            otp_id: delivery.otp_id,
            to: &sms.to,
            text: &sms.text,
            attempt: delivery.attempt,
            expires_at_ms: delivery.expires_at,
        })
        .map_err(|_| SendError::never("the message cannot be composed"))?;
        let timestamp = delivery.now.div_euclid(1000);
        let response = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", delivery.message_id.to_string())
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.secret.sign(delivery.message_id, timestamp, &body))
            .body(body)
            .send()
            .await
            .map_err(|e| classify(&e))?;
        judge(response.status()).map(|()| Accepted::default())
    }
}

fn judge(status: StatusCode) -> Result<(), SendError> {
    let text = || format!("the SMS webhook answered {}", status.as_u16());
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(SendError::later(text()))
        }
        status if status.is_server_error() => Err(SendError::later(text())),
        _ => Err(SendError::never(text())),
    }
}

/// The error's own text has the URL, which may have a secret in its path.
fn classify(error: &reqwest::Error) -> SendError {
    SendError::later(if error.is_timeout() {
        "the SMS webhook did not answer in time"
    } else if error.is_connect() {
        "the connection to the SMS webhook failed"
    } else {
        "the request to the SMS webhook failed"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standard_webhooks_example() {
        // The worked example of the Standard Webhooks reference libraries: prefixed secret, fixed id, time and body.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mac =
            hmac_sha256(secret.0.expose(), b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}");
        assert_eq!(STANDARD.encode(mac), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_needs_its_prefix_and_its_length() {
        for text in [
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
            "whsec_".to_owned(),
            "whsec_***".to_owned(),
            format!("whsec_{}", STANDARD.encode([7; 23])),
            format!("whsec_{}", STANDARD.encode([7; 65])),
        ] {
            assert_eq!(WebhookSecret::parse(&text).unwrap_err(), WebhookConfigError::Secret, "{text}");
        }
        let secret = WebhookSecret::parse(&format!(" whsec_{}\n", STANDARD.encode([7; 24]))).unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret([redacted])");
    }

    #[test]
    fn codes_leave_this_machine_over_https_only() {
        let secret = WebhookSecret::parse(&format!("whsec_{}", STANDARD.encode([7; 32]))).unwrap();
        let new = |url: &str| SmsWebhookChannel::new(url, secret.clone(), Duration::from_secs(1)).map(|_| ());
        for url in
            ["https://sms.example.com/send", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:9/"]
        {
            assert_eq!(new(url), Ok(()), "{url}");
        }
        assert_eq!(new("http://sms.example.com/send"), Err(WebhookConfigError::Unprotected));
        assert_eq!(new("http://127.0.0.1.example.com/"), Err(WebhookConfigError::Unprotected));
        for url in ["sms.example.com", "ftp://x.example/", "https://user:pw@x.example/", "/send"] {
            assert_eq!(new(url), Err(WebhookConfigError::Url), "{url}");
        }
    }

    #[test]
    fn answers_are_told_apart_by_whether_another_try_helps() {
        use super::super::Retry;
        for (status, expected) in [
            (200, None),
            (204, None),
            (429, Some(Retry::Later)),
            (408, Some(Retry::Later)),
            (500, Some(Retry::Later)),
            (503, Some(Retry::Later)),
            (302, Some(Retry::Never)),
            (400, Some(Retry::Never)),
            (401, Some(Retry::Never)),
            (422, Some(Retry::Never)),
        ] {
            let outcome = judge(StatusCode::from_u16(status).unwrap());
            assert_eq!(outcome.err().map(|e| e.retry), expected, "{status}");
        }
    }
}
