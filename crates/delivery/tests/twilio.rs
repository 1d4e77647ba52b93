//! The Twilio channel against the answers of Twilio's published API description.

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
    Accepted, Channel, Delivery, Fault, Retry, SendError, TwilioApiKey, TwilioChannel, TwilioSender,
    TwilioSettings,
};
use vestibule_wire::OtpType;

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn settings(api: &Api) -> TwilioSettings {
    TwilioSettings {
        account_sid: ACCOUNT.to_owned(),
        auth_token: Secret::new("auth token".to_owned()),
        api_key: None,
        sender: TwilioSender::From("+15557122661".to_owned()),
        status_callback: None,
        endpoint: Some(api.url.clone()),
        timeout: Duration::from_secs(5),
    }
}

fn taken() -> Answer {
    Answer::new(201, include_str!("fixtures/twilio/message.json"))
}

/// An error as the API answers it.
fn error(status: u16, code: u32) -> Answer {
    Answer::new(
        status,
        format!(
            r#"{{"code": {code}, "message": "The 'To' number +15551234567 is not valid.", "more_info": "https://www.twilio.com/docs/errors/{code}", "status": {status}}}"#
        ),
    )
}

fn sms() -> Delivery {
    delivery(OtpType::Sms, &payload("+15551234567"))
}

fn authorization(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_message_is_created_with_its_sender_text_and_lifetime() {
    let api = Api::start(taken()).await;
    let sent = TwilioChannel::new(&settings(&api)).unwrap().send(&sms()).await;
    let sid = Some("SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned());
    assert_eq!(sent, Ok(Accepted { provider_message_id: sid }));
    let asked = api.last();
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.path, format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    assert_eq!(asked.headers["authorization"], authorization(ACCOUNT, "auth token"));
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    let text = format!("Shop: your code is {CODE}. It expires in 5 minutes.");
    let expected = [
        ("To", "+15551234567"),
        ("Body", &text),
        // What is left of 300 seconds after 40 ms.
        ("ValidityPeriod", "299"),
        ("From", "+15557122661"),
    ];
    assert_eq!(form(&asked.body), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn an_api_key_logs_in_a_messaging_service_sends_and_a_callback_is_asked_for() {
    let api = Api::start(taken()).await;
    let key = "SKbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    let service = "MGcccccccccccccccccccccccccccccccc";
    let url = "https://login.example.com/receipts/twilio";
    for (url, joint) in [(url.to_owned(), '?'), (format!("{url}?x=1"), '&')] {
        let settings = TwilioSettings {
            api_key: Some(TwilioApiKey { sid: key.to_owned(), secret: Secret::new("key secret".to_owned()) }),
            sender: TwilioSender::MessagingService(service.to_owned()),
            status_callback: Some(url.clone()),
            ..settings(&api)
        };
        let sms = sms();
        TwilioChannel::new(&settings).unwrap().send(&sms).await.unwrap();
        let asked = api.last();
        assert_eq!(asked.headers["authorization"], authorization(key, "key secret"));
        let form = form(&asked.body);
        let value = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        assert_eq!((value("MessagingServiceSid"), value("From")), (Some(service), None));
        let named = format!("{url}{joint}message={}", sms.message_id);
        assert_eq!(value("StatusCallback"), Some(named.as_str()));
    }
}

#[tokio::test]
async fn error_codes_decide_who_can_still_send_and_whose_fault_it_is() {
    let api = Api::start(taken()).await;
    let channel = TwilioChannel::new(&settings(&api)).unwrap();
    for (status, code, retry, fault) in [
        (401, 20003, Retry::NextProvider, Fault::Provider),
        (429, 20429, Retry::Later, Fault::Provider),
        (503, 20503, Retry::Later, Fault::Provider),
        (400, 21211, Retry::Never, Fault::Recipient),
        (400, 21614, Retry::Never, Fault::Recipient),
        (400, 21610, Retry::Never, Fault::Recipient),
        (400, 21408, Retry::NextProvider, Fault::Message),
        (400, 21612, Retry::NextProvider, Fault::Message),
        (400, 21606, Retry::NextProvider, Fault::Provider),
        (429, 21611, Retry::NextProvider, Fault::Provider),
        (400, 21617, Retry::Never, Fault::Message),
        (403, 30450, Retry::Never, Fault::Message),
        (400, 99999, Retry::NextProvider, Fault::Message),
    ] {
        api.answer(error(status, code));
        let text = format!("Twilio answered {status} with error {code}");
        let expected = SendError { retry, fault, text, smtp_code: None };
        assert_eq!(channel.send(&sms()).await, Err(expected));
    }
}

#[tokio::test]
async fn silence_absence_and_redirects_send_nothing_and_tell_no_address() {
    let api = Api::start(Answer::new(307, "").with("location", "http://127.0.0.1:9/")).await;
    let refused = TwilioChannel::new(&settings(&api)).unwrap().send(&sms()).await.unwrap_err();
    assert_eq!((refused.retry, refused.text.as_str()), (Retry::NextProvider, "Twilio answered 307"));
    assert_eq!(api.count(), 1);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TwilioSettings {
        endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        timeout: Duration::from_millis(50),
        ..settings(&api)
    };
    // It accepts and never answers.
    let silent = TwilioChannel::new(&gone).unwrap().send(&sms()).await.unwrap_err();
    assert_eq!(silent, SendError::unanswered("Twilio did not answer in time"));
    drop(listener);
    let absent = TwilioChannel::new(&gone).unwrap().send(&sms()).await.unwrap_err();
    assert_eq!(absent, SendError::later("Twilio refused the connection"));
}

#[tokio::test]
async fn an_email_is_refused() {
    let api = Api::start(taken()).await;
    let channel = TwilioChannel::new(&settings(&api)).unwrap();
    assert!(channel.carries(OtpType::Sms) && !channel.carries(OtpType::Email));
    let email = delivery(OtpType::Email, &payload("a@b.example"));
    assert_eq!(channel.send(&email).await, Err(SendError::never("this channel sends SMS only")));
    assert_eq!(api.count(), 0);
}
