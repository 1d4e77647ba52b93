//! SMS through Twilio's Programmable Messaging (the `Messages` resource of API version 2010-04-01), and its status callbacks.
//!
//! Twilio has no idempotency key for messages: a try whose answer was lost may reach the recipient twice, with the same code.
//! A message that waits at Twilio when its code dies is not sent any more (`ValidityPeriod`).

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::Deserialize;
use vestibule_crypto::fingerprint::{hmac_sha1, same_mac};
use vestibule_crypto::secret::Secret;
use vestibule_engine::model::{ContactKey, Millis};
use vestibule_wire::{Contact, MessageId, OtpType};

use super::client::{
    Answer, ProviderConfigError, Refusal, ask, client, endpoint, form_decoded, form_encoded,
};
use super::receipt::{Fate, Ours, Receipt, ReceiptRefused, ReceiptRequest, Receipts};
use super::{Accepted, Channel, Delivery, SendError};

/// Where Twilio is.
const ENDPOINT: &str = "https://api.twilio.com";
/// Our id of a message in the URL that Twilio calls with its status.
const MESSAGE: &str = "message";
/// Seconds a message may wait at Twilio, as it allows.
const VALIDITY_S: (i64, i64) = (1, 36_000);

/// What Twilio's error codes come to, from its error and warning dictionary. Codes that are not here are judged by the
/// status of their answer, and are never held against the recipient.
const ERRORS: &[(u32, Refusal)] = &[
    // The account and what it may do.
    (20003, Refusal::Account), // authentication failed
    (20005, Refusal::Account), // account not active
    (20006, Refusal::Account), // access denied
    (20008, Refusal::Account), // test credentials
    (20403, Refusal::Account), // forbidden
    (20404, Refusal::Account), // no such account
    (21212, Refusal::Account), // invalid From
    (21219, Refusal::NotHere), // trial account, number not verified
    (21603, Refusal::Account), // From missing
    (21606, Refusal::Account), // From is no number of this account that sends SMS
    (21607, Refusal::Account), // invalid From
    (21608, Refusal::NotHere), // trial account, number not verified
    (21609, Refusal::Account), // invalid StatusCallback
    (21659, Refusal::Account), // From is no number of Twilio
    (21660, Refusal::Account), // From belongs to another account
    (21661, Refusal::Account), // From cannot send SMS
    (21701, Refusal::Account), // no such messaging service
    (21703, Refusal::Account), // the messaging service has no number
    (21704, Refusal::Account), // the messaging service has no sender
    (21705, Refusal::Account), // invalid messaging service
    (30002, Refusal::Account), // account suspended
    // How much.
    (20429, Refusal::Busy),    // too many requests
    (20500, Refusal::Busy),    // internal error
    (20503, Refusal::Busy),    // unavailable
    (21611, Refusal::Account), // the sender's queue is full
    (30001, Refusal::Account), // queue overflow
    (30022, Refusal::Account), // over the rate the carrier allows
    // This recipient, from here.
    (21408, Refusal::NotHere), // the region is not enabled
    (21612, Refusal::NotHere), // no route from this sender
    (21618, Refusal::NotHere), // the text cannot be sent
    (30004, Refusal::NotHere), // blocked
    (30007, Refusal::NotHere), // filtered by the carrier
    // This recipient, from anywhere.
    (21211, Refusal::Recipient), // invalid number
    (21217, Refusal::Recipient), // invalid number
    (21401, Refusal::Recipient), // invalid number
    (21407, Refusal::Recipient), // a number that takes no SMS
    (21610, Refusal::Recipient), // the recipient said STOP
    (21614, Refusal::Recipient), // not a mobile number
    (30005, Refusal::Recipient), // unknown number
    (30006, Refusal::Recipient), // a landline, or a carrier that cannot be reached
    // This message, from anywhere.
    (21602, Refusal::Message), // no text
    (21604, Refusal::Message), // no recipient
    (21617, Refusal::Message), // text too long
    (21619, Refusal::Message), // no text
    (30450, Refusal::Message), // Twilio takes it for SMS pumping: others are not to be asked
];

/// A user of the account's API that is not the account itself.
#[derive(Debug, Clone)]
pub struct TwilioApiKey {
    /// `SK` and 32 hex digits.
    pub sid: String,
    /// Its secret.
    pub secret: Secret<String>,
}

/// Who the messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TwilioSender {
    /// A number in E.164, a short code, or an alphanumeric sender id.
    From(String),
    /// A messaging service, which chooses: `MG` and 32 hex digits.
    MessagingService(String),
}

impl TwilioSender {
    /// A messaging service where `text` is the sid of one, else a sender by itself: no sender id is as long as a sid.
    pub fn parse(text: &str) -> Self {
        if is_sid(text, "MG") { Self::MessagingService(text.to_owned()) } else { Self::From(text.to_owned()) }
    }
}

/// How to reach Twilio.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// The account's auth token. Logs in where there is no API key, and signs status callbacks.
    pub auth_token: Secret<String>,
    /// Logs in instead of the account.
    pub api_key: Option<TwilioApiKey>,
    /// Who the messages come from.
    pub sender: TwilioSender,
    /// Where Twilio tells what became of a message: the public URL of [`TwilioReceipts`], to which each message adds its id.
    /// None: it tells nothing.
    pub status_callback: Option<String>,
    /// Another address of the API, for a region of Twilio's or for tests.
    pub endpoint: Option<String>,
    /// Limit of a whole request.
    pub timeout: Duration,
}

/// Sends SMS through Twilio.
pub struct TwilioChannel {
    client: reqwest::Client,
    url: Url,
    user: String,
    password: Secret<String>,
    sender: TwilioSender,
    status_callback: Option<String>,
}

/// Whether `text` is a sid: two letters of its kind and 32 hex digits.
fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl TwilioChannel {
    /// Sets it up; connects only when there is something to send.
    pub fn new(settings: &TwilioSettings) -> Result<Self, ProviderConfigError> {
        use ProviderConfigError::Setting;
        if !is_sid(&settings.account_sid, "AC") {
            return Err(Setting("Twilio's account sid is AC and 32 hex digits"));
        }
        if settings.auth_token.expose().is_empty() {
            return Err(Setting("Twilio's auth token is empty"));
        }
        match &settings.sender {
            TwilioSender::MessagingService(sid) if !is_sid(sid, "MG") => {
                return Err(Setting("the sid of Twilio's messaging service is MG and 32 hex digits"));
            }
            TwilioSender::From(from) if from.is_empty() || from.chars().any(char::is_control) => {
                return Err(Setting("Twilio's sender is a number such as +15551234567 or a sender id"));
            }
            _ => {}
        }
        let (user, password) = match &settings.api_key {
            Some(key) if !is_sid(&key.sid, "SK") => {
                return Err(Setting("the sid of Twilio's API key is SK and 32 hex digits"));
            }
            Some(key) => (key.sid.clone(), key.secret.clone()),
            None => (settings.account_sid.clone(), settings.auth_token.clone()),
        };
        if let Some(url) = &settings.status_callback {
            let url = Url::parse(url).ok().filter(|url| url.host_str().is_some());
            if !url.is_some_and(|url| ["https", "http"].contains(&url.scheme())) {
                return Err(ProviderConfigError::Url("the URL for Twilio's status callbacks"));
            }
        }
        let base = endpoint(settings.endpoint.as_deref().unwrap_or(ENDPOINT), "Twilio's endpoint")?;
        let path = format!("2010-04-01/Accounts/{}/Messages.json", settings.account_sid);
        let url = base.join(&path).map_err(|_| ProviderConfigError::Url("Twilio's endpoint"))?;
        Ok(Self {
            client: client(&url, settings.timeout)?,
            url,
            user,
            password,
            sender: settings.sender.clone(),
            status_callback: settings.status_callback.clone(),
        })
    }
}

/// The part of the `Message` resource that matters.
#[derive(Deserialize)]
struct Message {
    sid: String,
}

/// An error of the API.
#[derive(Deserialize)]
struct ApiError {
    code: Option<u32>,
}

#[async_trait]
impl Channel for TwilioChannel {
    fn name(&self) -> &'static str {
        "twilio"
    }

    fn carries(&self, kind: OtpType) -> bool {
        kind == OtpType::Sms
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let sms = delivery.sms()?;
        let left_s = (delivery.expires_at - delivery.now).div_euclid(1000);
        let validity = left_s.clamp(VALIDITY_S.0, VALIDITY_S.1).to_string();
        let mut form = vec![("To", sms.to.as_str()), ("Body", &sms.text), ("ValidityPeriod", &validity)];
        form.push(match &self.sender {
            TwilioSender::From(from) => ("From", from),
            TwilioSender::MessagingService(sid) => ("MessagingServiceSid", sid),
        });
        let callback = self.status_callback.as_ref().map(|url| {
            // As it was written: Twilio signs what it is given, and we verify what we are called by.
            let joint = if url.contains('?') { '&' } else { '?' };
            format!("{url}{joint}{MESSAGE}={}", delivery.message_id)
        });
        if let Some(url) = &callback {
            form.push(("StatusCallback", url));
        }
        let request = self
            .client
            .post(self.url.clone())
            .basic_auth(&self.user, Some(self.password.expose()))
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form_encoded(form));
        judge(&ask(request, "Twilio").await?)
    }
}

fn judge(answer: &Answer) -> Result<Accepted, SendError> {
    if answer.is_success() {
        let message: Option<Message> = serde_json::from_slice(&answer.body).ok();
        return Ok(Accepted { provider_message_id: message.map(|message| message.sid) });
    }
    let error: Option<ApiError> = serde_json::from_slice(&answer.body).ok();
    let Some(code) = error.and_then(|error| error.code) else {
        return Err(Refusal::of_status(answer.status).error(format!("Twilio answered {}", answer.status)));
    };
    let refusal = refusal(code).unwrap_or(Refusal::of_status(answer.status));
    Err(refusal.error(format!("Twilio answered {} with error {code}", answer.status)))
}

fn refusal(code: u32) -> Option<Refusal> {
    ERRORS.iter().find(|(known, _)| *known == code).map(|(_, refusal)| *refusal)
}

/// Reads Twilio's status callbacks (`X-Twilio-Signature`).
///
/// The signature covers no time: a callback can be repeated by whoever overheard it, and says the same then.
pub struct TwilioReceipts {
    account_sid: String,
    auth_token: Secret<String>,
}

impl TwilioReceipts {
    /// With the account and the auth token that sign the callbacks; an API key does not.
    pub fn new(account_sid: &str, auth_token: Secret<String>) -> Self {
        Self { account_sid: account_sid.to_owned(), auth_token }
    }

    /// HMAC-SHA-1 over the URL and the parameters in the order of their names, each name followed by its value.
    fn signature(&self, url: &str, parameters: &[(String, String)]) -> [u8; 20] {
        let mut sorted: Vec<_> = parameters.iter().collect();
        sorted.sort();
        sorted.dedup();
        let mut text = url.to_owned();
        for (name, value) in sorted {
            text.push_str(name);
            text.push_str(value);
        }
        hmac_sha1(self.auth_token.expose().as_bytes(), text.as_bytes())
    }
}

#[async_trait]
impl Receipts for TwilioReceipts {
    async fn read(&self, request: &ReceiptRequest<'_>, _: Millis) -> Result<Vec<Receipt>, ReceiptRefused> {
        let given = request.header("x-twilio-signature").ok_or(ReceiptRefused::Signature)?;
        let given = STANDARD.decode(given).map_err(|_| ReceiptRefused::Signature)?;
        let parameters = form_decoded(request.body);
        // Twilio writes the port of a URL that has one or leaves it out, as its libraries know.
        let signed = urls(request.url).any(|url| same_mac(&self.signature(&url, &parameters), &given));
        if !signed {
            return Err(ReceiptRefused::Signature);
        }
        let value = |name: &str| {
            let found = parameters.iter().find(|(n, v)| n == name && !v.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        if value("AccountSid").is_some_and(|sid| sid != self.account_sid) {
            return Err(ReceiptRefused::Signature);
        }
        let missing = |member| ReceiptRefused::malformed(member, "missing");
        let sid = value("MessageSid").or(value("SmsSid")).ok_or(missing("MessageSid"))?;
        let status = value("MessageStatus").or(value("SmsStatus")).ok_or(missing("MessageStatus"))?;
        let code: Option<u32> = value("ErrorCode").and_then(|code| code.parse().ok());
        let Some(fate) = fate(status, code) else { return Ok(Vec::new()) };
        Ok(vec![Receipt {
            provider_message_id: sid.to_owned(),
            fate,
            diagnostic: code.map(|code| format!("twilio; {code}")),
            // The callback has no time that can be relied on: `RawDlrDoneDate` knows neither seconds nor zone.
            at: None,
            ours: value("To").and_then(|to| ours(request.url, to)),
        }])
    }
}

/// The message that a signed URL names.
fn ours(url: &str, to: &str) -> Option<Ours> {
    let url = Url::parse(url).ok()?;
    let (_, id) = url.query_pairs().find(|(name, _)| name == MESSAGE)?;
    let contact = Contact::phone(to).ok()?;
    Some(Ours {
        message_id: MessageId(id.parse().ok()?),
        channel: contact.kind(),
        contact_key: ContactKey::of(&contact),
    })
}

/// What a status tells; nothing while the message is on its way.
fn fate(status: &str, code: Option<u32>) -> Option<Fate> {
    match status {
        "delivered" | "read" => Some(Fate::Delivered),
        "undelivered" | "failed" => Some(match code {
            // The handset is off or out of reach: it may be there for the next message.
            Some(30003) => Fate::Bounced { permanent: false },
            Some(code) if refusal(code) == Some(Refusal::Recipient) => Fate::Bounced { permanent: true },
            _ => Fate::Failed,
        }),
        _ => None,
    }
}

/// A URL as it is, with the port of its scheme, and without a port.
fn urls(url: &str) -> impl Iterator<Item = String> {
    let variants = url.split_once("://").map(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let port_at = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let host = port_at.map_or(authority, |at| &authority[..at]);
        let port = if scheme == "https" { 443 } else { 80 };
        let with = match port_at {
            Some(_) => url.to_owned(),
            None => format!("{scheme}://{host}:{port}{path}"),
        };
        [with, format!("{scheme}://{host}{path}")]
    });
    std::iter::once(url.to_owned()).chain(variants.into_iter().flatten())
}

#[cfg(test)]
mod tests;
