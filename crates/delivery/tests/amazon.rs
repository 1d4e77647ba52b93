//! The channels of Amazon SES and Amazon SNS against the answers of their published API descriptions.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

#[path = "support/api.rs"]
mod api;
mod support;

use std::time::Duration;

use api::{Answer, Api, form};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::{CODE, delivery, payload};
use vestibule_crypto::secret::Secret;
use vestibule_delivery::channel::{
    Accepted, AwsSettings, Channel, Delivery, Fault, Retry, SendError, SesChannel, SesSettings, SnsChannel,
    SnsIndia, SnsSettings,
};
use vestibule_wire::OtpType;

fn aws(api: &Api) -> AwsSettings {
    AwsSettings {
        region: "eu-central-1".to_owned(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session_token: None,
        endpoint: Some(api.url.clone()),
        timeout: Duration::from_secs(5),
    }
}

fn ses(api: &Api) -> SesChannel {
    let configuration_set = Some("codes".to_owned());
    SesChannel::new(&SesSettings { aws: aws(api), configuration_set }).unwrap()
}

fn sns_settings(api: &Api) -> SnsSettings {
    SnsSettings { aws: aws(api), sender_id: None, origination_number: None, india: None }
}

fn email() -> Delivery {
    delivery(OtpType::Email, &payload("Ann@Example.com"))
}

fn sms() -> Delivery {
    delivery(OtpType::Sms, &payload("+15551234567"))
}

fn accepted(id: &str) -> Result<Accepted, SendError> {
    Ok(Accepted { provider_message_id: Some(id.to_owned()) })
}

/// The error of `SendEmail` as its protocol, rest-json, carries it.
fn ses_error(status: u16, code: &str) -> Answer {
    Answer::new(status, r#"{"message":"Ann@Example.com is not verified"}"#).with("x-amzn-ErrorType", code)
}

fn sns_error(status: u16, code: &str, message: &str) -> Answer {
    let body = include_str!("fixtures/sns/error.xml").replace("CODE", code).replace("MESSAGE", message);
    Answer::new(status, body).with("content-type", "text/xml")
}

#[tokio::test]
async fn an_email_is_sent_whole_and_signed_for_its_region() {
    let api = Api::start(Answer::new(200, r#"{"MessageId":"010f0192-1"}"#)).await;
    assert_eq!(ses(&api).send(&email()).await, accepted("010f0192-1"));
    let asked = api.last();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v2/email/outbound-emails"));
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.headers["x-amz-date"], "20260701T142731Z");
    let authorization = asked.headers["authorization"].to_str().unwrap();
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260701/eu-central-1/ses/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=";
    assert!(authorization.starts_with(scope), "{authorization}");
    assert_eq!(asked.headers["host"], api.url.strip_prefix("http://").unwrap(), "the host that was signed");

    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    let raw = STANDARD.decode(body["Content"]["Raw"]["Data"].as_str().unwrap()).unwrap();
    let raw = String::from_utf8(raw).unwrap();
    assert!(
        raw.starts_with("From: Notifications <no-reply@mail.example>\r\nTo: Ann@example.com\r\n"),
        "{raw}"
    );
    assert!(raw.contains("multipart/alternative") && raw.contains(CODE));
    assert_eq!(
        body,
        serde_json::json!({
            "FromEmailAddress": "no-reply@mail.example",
            "Destination": { "ToAddresses": ["Ann@example.com"] },
            "Content": { "Raw": { "Data": STANDARD.encode(&raw) } },
            "ConfigurationSetName": "codes",
        })
    );
}

#[tokio::test]
async fn a_session_token_travels_with_the_signature() {
    let api = Api::start(Answer::new(200, r#"{"MessageId":"1"}"#)).await;
    let aws = AwsSettings { session_token: Some(Secret::new("token".to_owned())), ..aws(&api) };
    let channel = SesChannel::new(&SesSettings { aws, configuration_set: None }).unwrap();
    channel.send(&email()).await.unwrap();
    let asked = api.last();
    assert_eq!(asked.headers["x-amz-security-token"], "token");
    assert!(asked.headers["authorization"].to_str().unwrap().contains("x-amz-security-token"));
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body.get("ConfigurationSetName"), None);
}

#[tokio::test]
async fn errors_of_ses_decide_who_can_still_send() {
    let api = Api::start(Answer::new(200, "")).await;
    let channel = ses(&api);
    for (status, code, retry, fault) in [
        (429, "TooManyRequestsException", Retry::Later, Fault::Provider),
        (400, "LimitExceededException", Retry::NextProvider, Fault::Provider),
        (400, "AccountSuspendedException", Retry::NextProvider, Fault::Provider),
        (400, "SendingPausedException", Retry::NextProvider, Fault::Provider),
        (400, "MessageRejected", Retry::NextProvider, Fault::Message),
        (400, "MailFromDomainNotVerifiedException", Retry::NextProvider, Fault::Provider),
        (404, "NotFoundException", Retry::NextProvider, Fault::Provider),
        (400, "BadRequestException", Retry::NextProvider, Fault::Message),
        (403, "ExpiredTokenException", Retry::NextProvider, Fault::Provider),
        (403, "SignatureDoesNotMatch", Retry::NextProvider, Fault::Provider),
    ] {
        let text = format!("Amazon SES answered {status} with {code}");
        let expected = Err(SendError { retry, fault, text, smtp_code: None });
        api.answer(ses_error(status, code));
        assert_eq!(channel.send(&email()).await, expected);
        // The other forms in which the protocol may name an error.
        api.answer(ses_error(status, &format!("com.amazonaws.sesv2#{code}:http://internal.amazon.com/")));
        assert_eq!(channel.send(&email()).await, expected);
        api.answer(Answer::new(status, format!(r#"{{"__type":"com.amazonaws.sesv2#{code}"}}"#)));
        assert_eq!(channel.send(&email()).await, expected);
    }
    api.answer(Answer::new(502, "<html>bad gateway</html>"));
    assert_eq!(channel.send(&email()).await, Err(SendError::later("Amazon SES answered 502")));
}

#[tokio::test]
async fn an_sms_is_published_as_transactional_with_the_attributes_asked_for() {
    let api = Api::start(Answer::new(200, include_str!("fixtures/sns/published.xml"))).await;
    let settings = SnsSettings {
        sender_id: Some("Shop".to_owned()),
        origination_number: Some("+15557122661".to_owned()),
        india: Some(SnsIndia { entity_id: "1101".to_owned(), template_id: "1107".to_owned() }),
        ..sns_settings(&api)
    };
    let channel = SnsChannel::new(&settings).unwrap();
    assert_eq!(channel.send(&sms()).await, accepted("567910cd-659e-55d4-8ccb-5aaf14679dc0"));
    let asked = api.last();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/"));
    let authorization = asked.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("/20260701/eu-central-1/sns/aws4_request, "), "{authorization}");
    let text = format!("Shop: your code is {CODE}. It expires in 5 minutes.");
    let mut expected = vec![
        ("Action".to_owned(), "Publish".to_owned()),
        ("Version".to_owned(), "2010-03-31".to_owned()),
        ("PhoneNumber".to_owned(), "+15551234567".to_owned()),
        ("Message".to_owned(), text),
    ];
    for (number, (name, value)) in [
        ("AWS.SNS.SMS.SMSType", "Transactional"),
        ("AWS.SNS.SMS.SenderID", "Shop"),
        ("AWS.MM.SMS.OriginationNumber", "+15557122661"),
        ("AWS.MM.SMS.EntityId", "1101"),
        ("AWS.MM.SMS.TemplateId", "1107"),
    ]
    .into_iter()
    .enumerate()
    {
        let entry = format!("MessageAttributes.entry.{}", number + 1);
        expected.push((format!("{entry}.Name"), name.to_owned()));
        expected.push((format!("{entry}.Value.DataType"), "String".to_owned()));
        expected.push((format!("{entry}.Value.StringValue"), value.to_owned()));
    }
    assert_eq!(form(&asked.body), expected);
}

#[tokio::test]
async fn errors_of_sns_decide_who_can_still_send() {
    let api = Api::start(Answer::new(200, "")).await;
    let channel = SnsChannel::new(&sns_settings(&api)).unwrap();
    for (status, code, retry, fault) in [
        (400, "InvalidParameter", Retry::NextProvider, Fault::Message),
        (400, "OptedOut", Retry::Never, Fault::Recipient),
        (429, "Throttled", Retry::Later, Fault::Provider),
        (400, "Throttling", Retry::Later, Fault::Provider),
        (400, "KMSThrottling", Retry::Later, Fault::Provider),
        (400, "KMSDisabled", Retry::NextProvider, Fault::Provider),
        (403, "AuthorizationError", Retry::NextProvider, Fault::Provider),
        (403, "InvalidClientTokenId", Retry::NextProvider, Fault::Provider),
        (500, "InternalError", Retry::Later, Fault::Provider),
    ] {
        api.answer(sns_error(status, code, "Invalid parameter: SenderID"));
        let text = format!("Amazon SNS answered {status} with {code}");
        assert_eq!(channel.send(&sms()).await, Err(SendError { retry, fault, text, smtp_code: None }));
    }
    let words = "Invalid parameter: PhoneNumber Reason: +15551234567 is not valid to publish to";
    api.answer(sns_error(400, "InvalidParameter", words));
    let expected = SendError::unreachable("Amazon SNS answered 400: it takes no such number");
    assert_eq!(channel.send(&sms()).await, Err(expected));
    api.answer(Answer::new(500, "not XML"));
    assert_eq!(channel.send(&sms()).await, Err(SendError::later("Amazon SNS answered 500")));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_after_a_success_sends_no_second_message() {
    let api = Api::start(Answer::new(200, "cut")).await;
    let unnamed = Ok(Accepted { provider_message_id: None });
    assert_eq!(ses(&api).send(&email()).await, unnamed);
    assert_eq!(SnsChannel::new(&sns_settings(&api)).unwrap().send(&sms()).await, unnamed);
}

#[tokio::test]
async fn each_channel_carries_its_own_kind() {
    let api = Api::start(Answer::new(200, "")).await;
    let sns = SnsChannel::new(&sns_settings(&api)).unwrap();
    assert_eq!(ses(&api).send(&sms()).await, Err(SendError::never("this channel sends e-mails only")));
    assert_eq!(sns.send(&email()).await, Err(SendError::never("this channel sends SMS only")));
    assert!(sns.carries(OtpType::Sms) && !sns.carries(OtpType::Email));
    assert!(ses(&api).carries(OtpType::Email) && !ses(&api).carries(OtpType::Sms));
    assert_eq!(api.count(), 0);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let aws = AwsSettings {
        region: "eu-central-1".to_owned(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("secret".to_owned()),
        session_token: None,
        endpoint: None,
        timeout: Duration::from_secs(5),
    };
    let set = |name: &str| SesSettings { aws: aws.clone(), configuration_set: Some(name.to_owned()) };
    assert!(SesChannel::new(&set("codes-1_a")).is_ok());
    for name in ["", "a b", "a/b", &"a".repeat(65)] {
        assert!(SesChannel::new(&set(name)).is_err(), "{name}");
    }
    let sns = SnsSettings { aws, sender_id: None, origination_number: None, india: None };
    for id in ["", "123", "Zu lang fuer", "Größe"] {
        let settings = SnsSettings { sender_id: Some(id.to_owned()), ..sns.clone() };
        assert!(SnsChannel::new(&settings).is_err(), "{id}");
    }
    for number in ["", "+", "+1 555", "one"] {
        let settings = SnsSettings { origination_number: Some(number.to_owned()), ..sns.clone() };
        assert!(SnsChannel::new(&settings).is_err(), "{number}");
    }
    assert!(SnsChannel::new(&sns).is_ok());
}
