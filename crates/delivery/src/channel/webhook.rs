//! SMS through a signed HTTP request to a service of the operator's, which knows the provider.
//!
//! The request follows the Standard Webhooks form: headers `webhook-id`, `webhook-timestamp` and `webhook-signature`;
//! the signature is `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`. What became of a message comes back in the
//! same form. `docs/messages.md` has the contract.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule_crypto::fingerprint::{hmac_sha256, same_mac};
use vestibule_crypto::secret::Secret;
use vestibule_engine::model::Millis;
use vestibule_wire::{MessageId, OtpId, OtpType};
use zeroize::Zeroize;

use super::client::{self, Refusal};
use super::receipt::{Fate, Receipt, ReceiptRefused, ReceiptRequest, Receipts, TOLERANCE_MS};
use super::{Accepted, Channel, Delivery, SendError, is_loopback};

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

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
        let mut text = format!("{id}.{timestamp}.").into_bytes();
        text.extend_from_slice(body);
        hmac_sha256(self.0.expose(), &text)
    }

    /// The value of `webhook-signature` for a request.
    fn sign(&self, id: MessageId, timestamp: i64, body: &str) -> String {
        let mac = self.mac(&id.to_string(), &timestamp.to_string(), body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac))
    }

    /// Whether one of the signatures of a request, which blanks divide, was made with this secret.
    fn verifies(&self, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
        let expected = self.mac(id, timestamp, body);
        let given = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        given.into_iter().any(|mac| same_mac(&expected, &mac))
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
        let client = client::client(&url, timeout).map_err(|e| WebhookConfigError::Client(e.to_string()))?;
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
        let sms = delivery.sms()?;
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
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", delivery.message_id.to_string())
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.secret.sign(delivery.message_id, timestamp, &body))
            .body(body);
        let status = client::ask(request, "the SMS webhook").await?.status;
        if (200..300).contains(&status) {
            return Ok(Accepted { provider_message_id: Some(delivery.message_id.to_string()) });
        }
        Err(refusal(status).error(format!("the SMS webhook answered {status}")))
    }
}

/// What a status says, as the contract has it.
fn refusal(status: u16) -> Refusal {
    match status {
        // The same request, badly understood or well: it will not be another one the next time.
        400 | 413 | 422 => Refusal::Message,
        410 => Refusal::Recipient,
        408 | 425 | 429 | 500.. => Refusal::Busy,
        // Redirects too: they would carry the code elsewhere.
        _ => Refusal::Account,
    }
}

/// Reads what the service tells of messages later, signed as requests to it are.
pub struct WebhookReceipts(WebhookSecret);

impl WebhookReceipts {
    /// With the secret both sides know.
    pub fn new(secret: WebhookSecret) -> Self {
        Self(secret)
    }
}

/// What became of a message.
struct Told {
    message_id: MessageId,
    status: Status,
    /// Of a bounce: whether the number is bad for good.
    permanent: bool,
    /// The service's own code for it.
    code: Option<String>,
    /// When it became so.
    at_ms: Option<Millis>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Delivered,
    Delayed,
    Bounced,
    Complained,
    Failed,
}

impl Told {
    /// Member by member, so that the one that cannot be read can be named.
    fn read(body: &[u8]) -> Result<Self, ReceiptRefused> {
        let members: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| ReceiptRefused::malformed("receipt", "not a JSON object"))?;
        let missing = |member| ReceiptRefused::malformed(member, "missing");
        Ok(Self {
            message_id: member(&members, "messageId", "not the id of a message")?
                .ok_or(missing("messageId"))?,
            status: member(&members, "status", "not delivered, delayed, bounced, complained or failed")?
                .ok_or(missing("status"))?,
            permanent: member(&members, "permanent", "not true or false")?.unwrap_or_default(),
            code: member(&members, "code", "not a string")?,
            at_ms: member(&members, "atMs", "not a whole number of milliseconds")?,
        })
    }
}

/// A member; none where it is absent or null.
fn member<T: DeserializeOwned>(
    members: &Map<String, Value>,
    name: &'static str,
    problem: &'static str,
) -> Result<Option<T>, ReceiptRefused> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|_| ReceiptRefused::malformed(name, problem)),
    }
}

#[async_trait]
impl Receipts for WebhookReceipts {
    async fn read(&self, request: &ReceiptRequest<'_>, now: Millis) -> Result<Vec<Receipt>, ReceiptRefused> {
        let header = |name| request.header(name).ok_or(ReceiptRefused::Signature);
        let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
        if !self.0.verifies(id, timestamp, request.body, header("webhook-signature")?) {
            return Err(ReceiptRefused::Signature);
        }
        let at: Millis = timestamp
            .parse()
            .map_err(|_| ReceiptRefused::malformed("webhook-timestamp", "not a number of seconds"))?;
        if at.saturating_mul(1000).abs_diff(now) > TOLERANCE_MS.unsigned_abs() {
            return Err(ReceiptRefused::Stale);
        }
        let Told { message_id, status, permanent, code, at_ms } = Told::read(request.body)?;
        let fate = match status {
            Status::Delivered => Fate::Delivered,
            Status::Delayed => Fate::Delayed,
            Status::Bounced => Fate::Bounced { permanent },
            Status::Complained => Fate::Complained,
            Status::Failed => Fate::Failed,
        };
        // A code, and no words, which might repeat the number. What became of the message counts without it.
        let plain = |code: &String| {
            (1..=32).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                && code.bytes().filter(u8::is_ascii_digit).count() <= 6
        };
        Ok(vec![Receipt {
            provider_message_id: message_id.to_string(),
            fate,
            diagnostic: code.filter(plain).map(|code| format!("webhook; {code}")),
            at: at_ms,
            ours: None,
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standard_webhooks_example() {
        // The worked example of the Standard Webhooks reference libraries: prefixed secret, fixed id, time and body.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, timestamp, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b"{\"test\": 2432232314}");
        let expected = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(STANDARD.encode(secret.mac(id, timestamp, body)), expected);
        assert!(secret.verifies(id, timestamp, body, &format!("v1a,AAAA v1,AAAA v1,{expected}")));
        assert!(!secret.verifies(id, timestamp, body, &format!("v2,{expected}")));
        assert!(!secret.verifies(id, "1614265331", body, &format!("v1,{expected}")));
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
    fn answers_are_told_apart_by_who_can_still_send_and_whose_fault_it_is() {
        for (status, expected) in [
            (429, Refusal::Busy),
            (408, Refusal::Busy),
            (500, Refusal::Busy),
            (503, Refusal::Busy),
            (302, Refusal::Account),
            (401, Refusal::Account),
            (404, Refusal::Account),
            (400, Refusal::Message),
            (422, Refusal::Message),
            (410, Refusal::Recipient),
        ] {
            assert_eq!(refusal(status), expected, "{status}");
        }
    }

    const ID: &str = "01980000-0000-7000-8000-000000000001";
    const NOW: Millis = 1_782_916_051_261;

    fn secret() -> WebhookSecret {
        WebhookSecret::parse(&format!("whsec_{}", STANDARD.encode([7; 32]))).unwrap()
    }

    async fn read(body: &str, at_s: i64, signature: Option<&str>) -> Result<Vec<Receipt>, ReceiptRefused> {
        let secret = secret();
        let made = format!("v1,{}", STANDARD.encode(secret.mac("msg_1", &at_s.to_string(), body.as_bytes())));
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("webhook-id", "msg_1".parse().unwrap());
        headers.insert("webhook-timestamp", at_s.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.unwrap_or(&made).parse().unwrap());
        let request = ReceiptRequest {
            url: "https://x.example/",
            headers: &headers,
            body: body.as_bytes(),
            client: None,
        };
        WebhookReceipts::new(secret).read(&request, NOW).await
    }

    #[tokio::test]
    async fn a_signed_receipt_tells_what_became_of_a_message() {
        let told = |rest: &str| format!("{{\"messageId\":\"{ID}\",{rest}}}");
        for (rest, fate, diagnostic, at) in [
            ("\"status\":\"delivered\"", Fate::Delivered, None, None),
            ("\"status\":\"delayed\",\"atMs\":5", Fate::Delayed, None, Some(5)),
            ("\"status\":\"bounced\"", Fate::Bounced { permanent: false }, None, None),
            (
                "\"status\":\"bounced\",\"permanent\":true,\"code\":\"EC-12\"",
                Fate::Bounced { permanent: true },
                Some("webhook; EC-12"),
                None,
            ),
            ("\"status\":\"complained\",\"more\":1", Fate::Complained, None, None),
            ("\"status\":\"failed\",\"code\":\"no +15551234567\"", Fate::Failed, None, None),
            ("\"status\":\"failed\",\"code\":\"15551234567\"", Fate::Failed, None, None),
        ] {
            let expected = Receipt {
                provider_message_id: ID.to_owned(),
                fate,
                diagnostic: diagnostic.map(str::to_owned),
                at,
                ours: None,
            };
            assert_eq!(read(&told(rest), NOW / 1000, None).await, Ok(vec![expected]), "{rest}");
        }
    }

    #[tokio::test]
    async fn receipts_that_are_unsigned_old_or_of_another_form_are_refused() {
        let body = format!("{{\"messageId\":\"{ID}\",\"status\":\"delivered\"}}");
        for signature in ["", "v1,", "v1,AAAA", "v1a,AAAA"] {
            assert_eq!(read(&body, NOW / 1000, Some(signature)).await, Err(ReceiptRefused::Signature));
        }
        for at_s in [NOW / 1000 - 301, NOW / 1000 + 302, 0, i64::MAX, i64::MIN] {
            assert_eq!(read(&body, at_s, None).await, Err(ReceiptRefused::Stale), "{at_s}");
        }
        assert!(read(&body, NOW / 1000 - 299, None).await.is_ok());
        // Our own request, sent back by somebody who overheard it, is signed with the same secret and no receipt.
        let own = format!("{{\"messageId\":\"{ID}\",\"otpId\":\"{ID}\",\"to\":\"+1\",\"attempt\":1}}");
        let missing = Err(ReceiptRefused::malformed("status", "missing"));
        assert_eq!(read(&own, NOW / 1000, None).await, missing);
    }

    #[tokio::test]
    async fn of_a_signed_receipt_that_cannot_be_read_the_member_is_named_and_of_an_unsigned_one_nothing() {
        let told = |rest: &str| format!("{{\"messageId\":\"{ID}\",{rest}}}");
        for (body, member) in [
            (String::new(), "receipt"),
            ("[]".to_owned(), "receipt"),
            ("{}".to_owned(), "messageId"),
            ("{\"messageId\":\"m-1\",\"status\":\"delivered\"}".to_owned(), "messageId"),
            (told("\"at\":1"), "status"),
            (told("\"status\":\"weird\""), "status"),
            (told("\"status\":{\"delivered\":null,\"x\":1}"), "status"),
            (told("\"status\":\"bounced\",\"permanent\":\"yes\""), "permanent"),
            (told("\"status\":\"bounced\",\"code\":30005"), "code"),
            (told("\"status\":\"bounced\",\"atMs\":\"2026-07-01\""), "atMs"),
            (told("\"status\":\"bounced\",\"atMs\":1.5"), "atMs"),
        ] {
            let refused = read(&body, NOW / 1000, None).await.unwrap_err();
            assert!(
                matches!(refused, ReceiptRefused::Malformed { member: named, .. } if named == member),
                "{body} {refused}"
            );
            assert!(!refused.to_string().contains("weird"), "{refused}");
            let unsigned = read(&body, NOW / 1000, Some("v1,AAAA")).await;
            assert_eq!(unsigned, Err(ReceiptRefused::Signature), "{body}");
            let old = read(&body, NOW / 1000 - 301, None).await;
            assert_eq!(old, Err(ReceiptRefused::Stale), "{body}");
        }
    }
}
