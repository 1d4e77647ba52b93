//! E-mail through Amazon SES (`SendEmail` of API version 2), and the events it publishes to a topic of Amazon SNS.
//!
//! SES has no idempotency key: a try whose answer was lost may reach the recipient twice, with the same code. It puts a
//! `Message-ID` and a `Date` of its own in the place of ours, and signs with the DKIM key that it holds for the domain; our keys
//! would sign what it then changes, so they do not take part here.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use vestibule_engine::model::Millis;
use vestibule_wire::OtpType;

use super::aws::{AwsClient, AwsSettings};
use super::client::{Answer, ProviderConfigError, Refusal};
use super::mail;
use super::receipt::{Fate, Receipt, ReceiptRefused, ReceiptRequest, Receipts, smtp_diagnostic};
use super::sns_message::SnsMessages;
use super::{Accepted, Channel, Delivery, SendError};

/// What the errors of `SendEmail` come to. None is held against the recipient: `MessageRejected` also means a sandbox, and of an
/// address that does not exist SES tells later, by an event.
const ERRORS: &[(&str, Refusal)] = &[
    ("TooManyRequestsException", Refusal::Busy),
    ("LimitExceededException", Refusal::Account), // the day's quota
    ("AccountSuspendedException", Refusal::Account),
    ("SendingPausedException", Refusal::Account),
    ("MailFromDomainNotVerifiedException", Refusal::Account),
    ("NotFoundException", Refusal::Account), // no such configuration set
    ("MessageRejected", Refusal::NotHere),
    ("BadRequestException", Refusal::NotHere),
];

/// How to send through SES.
#[derive(Debug, Clone)]
pub struct SesSettings {
    /// Where it is, and who asks.
    pub aws: AwsSettings,
    /// The configuration set whose events are published. None: that of the sending identity, if it has one.
    pub configuration_set: Option<String>,
}

/// Sends e-mails through SES.
pub struct SesChannel {
    aws: AwsClient,
    configuration_set: Option<String>,
}

impl SesChannel {
    /// Sets it up; connects only when there is something to send.
    pub fn new(settings: &SesSettings) -> Result<Self, ProviderConfigError> {
        let name = |name: &str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if settings.configuration_set.as_deref().is_some_and(|set| !name(set)) {
            return Err(ProviderConfigError::Setting(
                "a configuration set of SES has a name of at most 64 letters, digits, _ and -",
            ));
        }
        let aws = AwsClient::new(&settings.aws, "email", "ses", "Amazon SES")?;
        Ok(Self { aws, configuration_set: settings.configuration_set.clone() })
    }
}

/// The body of `SendEmail`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail<'a> {
    from_email_address: &'a str,
    destination: Destination<'a>,
    content: Content,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration_set_name: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination<'a> {
    to_addresses: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    raw: RawMessage,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RawMessage {
    /// Base64 of the message.
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    message_id: String,
}

/// Where the header does not name an error, older parts of the API name it in the body.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "__type", alias = "code")]
    code: String,
}

#[async_trait]
impl Channel for SesChannel {
    fn name(&self) -> &'static str {
        "ses"
    }

    fn carries(&self, kind: OtpType) -> bool {
        kind == OtpType::Email
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let email = delivery.email()?;
        let (envelope, message) = mail::build(delivery, email)?;
        let cannot = || SendError::never("the message cannot be composed");
        let from = envelope.from().ok_or_else(cannot)?.to_string();
        let to: Vec<String> = envelope.to().iter().map(ToString::to_string).collect();
        let body = serde_json::to_vec(&SendEmail {
            from_email_address: &from,
            destination: Destination { to_addresses: to.iter().map(String::as_str).collect() },
            content: Content { raw: RawMessage { data: STANDARD.encode(message) } },
            configuration_set_name: self.configuration_set.as_deref(),
        })
        .map_err(|_| cannot())?;
        let answer =
            self.aws.post("v2/email/outbound-emails", "application/json", body, delivery.now).await?;
        self.judge(&answer)
    }
}

impl SesChannel {
    fn judge(&self, answer: &Answer) -> Result<Accepted, SendError> {
        if answer.is_success() {
            let sent: Option<Sent> = serde_json::from_slice(&answer.body).ok();
            return Ok(Accepted { provider_message_id: sent.map(|sent| sent.message_id) });
        }
        let named = answer.error_type.clone();
        let named = named.or_else(|| Some(serde_json::from_slice::<ErrorBody>(&answer.body).ok()?.code));
        // `com.amazonaws...#Name:http://...`: the name alone counts.
        let code = named.as_deref().map(|text| {
            let text = text.split(':').next().unwrap_or_default();
            text.rsplit('#').next().unwrap_or_default().trim()
        });
        Err(self.aws.refused(answer.status, code, ERRORS))
    }
}

/// Reads the events that SES publishes to a topic of SNS.
pub struct SesReceipts(SnsMessages);

impl SesReceipts {
    /// For the one topic, verified by `messages`.
    pub fn new(messages: SnsMessages) -> Self {
        Self(messages)
    }
}

/// An event (`eventType`, by a configuration set) or a notification (`notificationType`, by an identity).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(alias = "notificationType")]
    event_type: String,
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Arrival>,
    delivery_delay: Option<Delay>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    /// When it was sent.
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    timestamp: Option<String>,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    status: Option<String>,
    diagnostic_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    timestamp: Option<String>,
    /// What the report is of, where its sender says so (RFC 5965, section 7.3).
    complaint_feedback_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arrival {
    timestamp: Option<String>,
    smtp_response: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delay {
    timestamp: Option<String>,
    #[serde(default)]
    delayed_recipients: Vec<Recipient>,
}

#[async_trait]
impl Receipts for SesReceipts {
    async fn read(&self, request: &ReceiptRequest<'_>, now: Millis) -> Result<Vec<Receipt>, ReceiptRefused> {
        match self.0.read(request, now).await? {
            Some(message) => receipt(&message).map(|receipt| receipt.into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }
}

fn receipt(message: &str) -> Result<Option<Receipt>, ReceiptRefused> {
    // When a topic is set up, SES says so in plain words.
    if message.starts_with("Successfully validated SNS topic") {
        return Ok(None);
    }
    let event: Event = serde_json::from_str(message)
        .map_err(|_| ReceiptRefused::malformed("Message", "not an event of SES"))?;
    let Event { event_type, mail, bounce, complaint, delivery, delivery_delay } = event;
    let missing = |member| ReceiptRefused::malformed(member, "missing");
    let (fate, diagnostic, at) = match event_type.as_str() {
        "Delivery" => {
            let Arrival { timestamp, smtp_response } = delivery.ok_or(missing("delivery"))?;
            (Fate::Delivered, smtp_response.as_deref().and_then(smtp_diagnostic), timestamp)
        }
        "Bounce" => {
            let Bounce { bounce_type, timestamp, bounced_recipients } = bounce.ok_or(missing("bounce"))?;
            let permanent = bounce_type == "Permanent";
            (Fate::Bounced { permanent }, diagnostic(&bounced_recipients), timestamp)
        }
        "DeliveryDelay" => {
            let Delay { timestamp, delayed_recipients } = delivery_delay.ok_or(missing("deliveryDelay"))?;
            (Fate::Delayed, diagnostic(&delayed_recipients), timestamp)
        }
        "Complaint" => {
            let Complaint { timestamp, complaint_feedback_type } = complaint.ok_or(missing("complaint"))?;
            match complaint_feedback_type.as_deref() {
                // Somebody took it out of the spam, or a mail server tells of a signature: nobody complains.
                Some("not-spam" | "auth-failure") => return Ok(None),
                _ => (Fate::Complained, None, timestamp),
            }
        }
        "Reject" | "Rendering Failure" => (Fate::Failed, None, None),
        // Send, which is known, and what the recipient did with it, which is nobody's business.
        _ => return Ok(None),
    };
    let Mail { message_id, timestamp } = mail;
    let at = at.or(timestamp).and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let at = at.map(jiff::Timestamp::as_millisecond);
    Ok(Some(Receipt { provider_message_id: message_id, fate, diagnostic, at, ours: None }))
}

/// Of the mail server's answer; else the status by itself.
fn diagnostic(recipients: &[Recipient]) -> Option<String> {
    let Recipient { status, diagnostic_code } = recipients.first()?;
    let answer = diagnostic_code.as_deref().and_then(smtp_diagnostic);
    answer.or_else(|| status.as_deref().and_then(smtp_diagnostic))
}

#[cfg(test)]
mod tests;
