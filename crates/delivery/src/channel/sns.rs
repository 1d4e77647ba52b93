//! SMS through Amazon SNS (`Publish` to a phone number).
//!
//! SNS has no idempotency key for phone numbers, and tells what became of an SMS in its own logs alone: there are no receipts.

use async_trait::async_trait;
use vestibule_wire::OtpType;

use super::aws::{AwsClient, AwsSettings};
use super::client::{Answer, ProviderConfigError, Refusal, form_encoded};
use super::{Accepted, Channel, Delivery, SendError};

/// What the errors of `Publish` come to. Those of a parameter are told apart further on.
const ERRORS: &[(&str, Refusal)] = &[
    ("AuthorizationError", Refusal::Account),
    ("EndpointDisabled", Refusal::NotHere),
    ("InternalError", Refusal::Busy),
    ("InvalidSecurity", Refusal::Account),
    ("KMSAccessDenied", Refusal::Account),
    ("KMSDisabled", Refusal::Account),
    ("KMSInvalidState", Refusal::Account),
    ("KMSNotFound", Refusal::Account),
    ("KMSOptInRequired", Refusal::Account),
    ("KMSThrottling", Refusal::Busy),
    ("NotFound", Refusal::Account),
    ("OptedOut", Refusal::Recipient),
    ("PlatformApplicationDisabled", Refusal::NotHere),
    ("Throttled", Refusal::Busy),
    ("UserError", Refusal::NotHere), // the sandbox: a number that was not verified
    ("InvalidParameter", Refusal::NotHere),
    ("ParameterValueInvalid", Refusal::NotHere),
    ("ValidationError", Refusal::NotHere),
    ("ValidationException", Refusal::NotHere),
];

/// Errors that are the recipient's fault where they speak of the parameter `PhoneNumber`.
const PARAMETER_ERRORS: &[&str] =
    &["InvalidParameter", "ParameterValueInvalid", "ValidationError", "ValidationException"];

/// How to send through SNS.
#[derive(Debug, Clone)]
pub struct SnsSettings {
    /// Where it is, and who asks.
    pub aws: AwsSettings,
    /// Shown as the sender where the recipient's country allows it: 1 to 11 letters and digits, one letter at least.
    pub sender_id: Option<String>,
    /// A number of the account in E.164 to send from.
    pub origination_number: Option<String>,
    /// India's registers: the ids of the sender and of the text.
    pub india: Option<SnsIndia>,
}

/// What carriers in India want to see.
#[derive(Debug, Clone)]
pub struct SnsIndia {
    /// Id of the sender.
    pub entity_id: String,
    /// Id of the text.
    pub template_id: String,
}

/// Sends SMS through SNS.
pub struct SnsChannel {
    aws: AwsClient,
    /// Names and values of the message's attributes.
    attributes: Vec<(&'static str, String)>,
}

impl SnsChannel {
    /// Sets it up; connects only when there is something to send.
    pub fn new(settings: &SnsSettings) -> Result<Self, ProviderConfigError> {
        use ProviderConfigError::Setting;
        let SnsSettings { aws, sender_id, origination_number, india } = settings;
        let is_sender = |id: &str| {
            (1..=11).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && id.bytes().any(|b| b.is_ascii_alphabetic())
        };
        if sender_id.as_deref().is_some_and(|id| !is_sender(id)) {
            return Err(Setting(
                "the sender id of SNS has 1 to 11 letters, digits and hyphens, and one letter at least",
            ));
        }
        let is_number = |number: &str| {
            let digits = number.strip_prefix('+').unwrap_or(number);
            (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if origination_number.as_deref().is_some_and(|number| !is_number(number)) {
            return Err(Setting("the origination number of SNS is written as +15551234567"));
        }
        let mut attributes = vec![("AWS.SNS.SMS.SMSType", "Transactional".to_owned())];
        attributes.extend(sender_id.clone().map(|id| ("AWS.SNS.SMS.SenderID", id)));
        attributes.extend(origination_number.clone().map(|number| ("AWS.MM.SMS.OriginationNumber", number)));
        if let Some(SnsIndia { entity_id, template_id }) = india {
            attributes.push(("AWS.MM.SMS.EntityId", entity_id.clone()));
            attributes.push(("AWS.MM.SMS.TemplateId", template_id.clone()));
        }
        Ok(Self { aws: AwsClient::new(aws, "sns", "sns", "Amazon SNS")?, attributes })
    }

    fn form(&self, to: &str, text: &str) -> String {
        let mut pairs: Vec<(String, &str)> = vec![
            ("Action".to_owned(), "Publish"),
            ("Version".to_owned(), "2010-03-31"),
            ("PhoneNumber".to_owned(), to),
            ("Message".to_owned(), text),
        ];
        for (number, (name, value)) in self.attributes.iter().enumerate() {
            let entry = format!("MessageAttributes.entry.{}", number + 1);
            pairs.push((format!("{entry}.Name"), name));
            pairs.push((format!("{entry}.Value.DataType"), "String"));
            pairs.push((format!("{entry}.Value.StringValue"), value));
        }
        form_encoded(pairs.iter().map(|(name, value)| (name.as_str(), *value)))
    }

    fn judge(&self, answer: &Answer) -> Result<Accepted, SendError> {
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        let document = roxmltree::Document::parse(text).ok();
        let value = |name: &str| {
            let found = document.as_ref()?.descendants().find(|node| node.tag_name().name() == name)?;
            found.text().map(str::trim)
        };
        if answer.is_success() {
            return Ok(Accepted { provider_message_id: value("MessageId").map(str::to_owned) });
        }
        let code = value("Code");
        let is_number = code.is_some_and(|code| PARAMETER_ERRORS.contains(&code))
            && value("Message").is_some_and(|words| words.contains("PhoneNumber"));
        if is_number {
            let text = format!("Amazon SNS answered {}: it takes no such number", answer.status);
            return Err(Refusal::Recipient.error(text));
        }
        Err(self.aws.refused(answer.status, code, ERRORS))
    }
}

#[async_trait]
impl Channel for SnsChannel {
    fn name(&self) -> &'static str {
        "sns"
    }

    fn carries(&self, kind: OtpType) -> bool {
        kind == OtpType::Sms
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let sms = delivery.sms()?;
        let body = self.form(&sms.to, &sms.text).into_bytes();
        let answer =
            self.aws.post("", "application/x-www-form-urlencoded; charset=utf-8", body, delivery.now).await?;
        self.judge(&answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_published_description_is_judged() {
        let described: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/sns/errors.json")).unwrap();
        for error in described {
            let code = error["code"].as_str().unwrap();
            assert!(ERRORS.iter().any(|(name, _)| *name == code), "{code}");
        }
    }
}
