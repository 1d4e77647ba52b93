use reqwest::header::HeaderMap;

use super::*;
use crate::channel::{Fault, Retry};

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn receipts(token: &str) -> TwilioReceipts {
    TwilioReceipts::new(ACCOUNT, Secret::new(token.to_owned()))
}

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-twilio-signature", signature.parse().unwrap());
    headers
}

/// The worked example of Twilio's security documentation.
#[test]
fn the_signature_is_that_of_twilios_example() {
    let parameters = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ];
    let parameters: Vec<_> = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mac = receipts("12345").signature("https://mycompany.com/myapp.php?foo=1&bar=2", &parameters);
    assert_eq!(STANDARD.encode(mac), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

const URL: &str = "https://login.example.com/receipts/twilio";

fn body(status: &str, code: &str) -> String {
    format!(
        "SmsSid=SM1234&SmsStatus={status}&MessageStatus={status}&To=%2B15551234567&MessageSid=SM1234&\
         AccountSid={ACCOUNT}&From=%2B15557654321&ApiVersion=2010-04-01{code}"
    )
}

fn signed(body: &str, url: &str) -> HeaderMap {
    headers(&STANDARD.encode(receipts("token").signature(url, &form_decoded(body.as_bytes()))))
}

async fn read(body: &str) -> Result<Vec<Receipt>, ReceiptRefused> {
    let headers = signed(body, URL);
    let request = ReceiptRequest { url: URL, headers: &headers, body: body.as_bytes(), client: None };
    receipts("token").read(&request, 1000).await
}

#[tokio::test]
async fn a_callback_tells_what_became_of_a_message() {
    for (status, code, expected) in [
        ("queued", "", None),
        ("sending", "", None),
        ("sent", "", None),
        ("delivered", "", Some((Fate::Delivered, None))),
        (
            "undelivered",
            "&ErrorCode=30003",
            Some((Fate::Bounced { permanent: false }, Some("twilio; 30003"))),
        ),
        ("undelivered", "&ErrorCode=30005", Some((Fate::Bounced { permanent: true }, Some("twilio; 30005")))),
        ("undelivered", "&ErrorCode=30006", Some((Fate::Bounced { permanent: true }, Some("twilio; 30006")))),
        ("undelivered", "&ErrorCode=30007", Some((Fate::Failed, Some("twilio; 30007")))),
        ("failed", "&ErrorCode=21610", Some((Fate::Bounced { permanent: true }, Some("twilio; 21610")))),
        ("failed", "&ErrorCode=30450", Some((Fate::Failed, Some("twilio; 30450")))),
        ("failed", "&ErrorCode=", Some((Fate::Failed, None))),
    ] {
        let expected = expected.map(|(fate, diagnostic)| Receipt {
            provider_message_id: "SM1234".to_owned(),
            fate,
            diagnostic: diagnostic.map(str::to_owned),
            at: None,
            ours: None,
        });
        assert_eq!(read(&body(status, code)).await, Ok(expected.into_iter().collect()), "{status} {code}");
    }
}

/// What a callback to this URL about a message to this number says of ours.
async fn named(url: &str, to: &str) -> Option<Ours> {
    let body = body("delivered", "").replace("To=%2B15551234567", to);
    let headers = signed(&body, url);
    let request = ReceiptRequest { url, headers: &headers, body: body.as_bytes(), client: None };
    receipts("token").read(&request, 1000).await.unwrap().remove(0).ours
}

#[tokio::test]
async fn a_callback_names_our_message_by_its_url_and_recipient() {
    const ID: &str = "0199a7c4-5d6e-7000-8000-3f2a1b0c9d8e";
    let ours = Ours {
        message_id: MessageId(ID.parse().unwrap()),
        channel: OtpType::Sms,
        contact_key: ContactKey::of(&Contact::phone("+15551234567").unwrap()),
    };
    let to = "To=%2B15551234567";
    assert_eq!(named(&format!("{URL}?message={ID}"), to).await, Some(ours));
    assert_eq!(named(&format!("{URL}?x=1&message={ID}"), to).await, Some(ours));
    for (url, to) in [
        (URL.to_owned(), to),
        (format!("{URL}?message="), to),
        (format!("{URL}?message=5"), to),
        (format!("{URL}?messages={ID}"), to),
        (format!("{URL}?message={ID}"), "To="),
        (format!("{URL}?message={ID}"), "To=whatsapp%3A%2B15551234567"),
    ] {
        assert_eq!(named(&url, to).await, None, "{url} {to}");
    }
}

#[tokio::test]
async fn a_callback_about_another_message_than_the_signed_one_is_refused() {
    let body = body("delivered", "");
    let headers = signed(&body, &format!("{URL}?message=0199a7c4-5d6e-7000-8000-3f2a1b0c9d8e"));
    for url in [URL.to_owned(), format!("{URL}?message=0199a7c4-5d6e-7000-8000-3f2a1b0c9d8f")] {
        let request = ReceiptRequest { url: &url, headers: &headers, body: body.as_bytes(), client: None };
        assert_eq!(receipts("token").read(&request, 1000).await, Err(ReceiptRefused::Signature), "{url}");
    }
}

#[tokio::test]
async fn what_twilio_did_not_sign_is_refused() {
    let body = body("delivered", "");
    let good = signed(&body, URL);
    let other_url = "https://login.example.com/receipts/twilio?x=1";
    let altered = body.replace("delivered", "failed");
    let mut twice = good.clone();
    twice.append("x-twilio-signature", good["x-twilio-signature"].clone());
    for (number, (url, headers, body)) in [
        (URL, HeaderMap::new(), body.as_str()),
        (URL, headers(""), &body),
        (URL, headers("not base64!"), &body),
        (URL, twice, &body),
        (other_url, good.clone(), &body),
        (URL, good.clone(), &altered),
        (URL, good.clone(), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let request = ReceiptRequest { url, headers: &headers, body: body.as_bytes(), client: None };
        assert_eq!(receipts("token").read(&request, 1000).await, Err(ReceiptRefused::Signature), "{number}");
    }
    let request = ReceiptRequest { url: URL, headers: &good, body: body.as_bytes(), client: None };
    assert_eq!(receipts("other").read(&request, 1000).await, Err(ReceiptRefused::Signature));
    assert!(receipts("token").read(&request, 1000).await.is_ok());
}

#[tokio::test]
async fn a_callback_of_another_account_or_without_a_message_is_refused() {
    let other = body("delivered", "").replace(ACCOUNT, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    assert_eq!(read(&other).await, Err(ReceiptRefused::Signature));
    assert_eq!(
        read(&format!("AccountSid={ACCOUNT}")).await,
        Err(ReceiptRefused::malformed("MessageSid", "missing"))
    );
}

#[tokio::test]
async fn the_port_of_a_url_may_be_written_or_left_out() {
    let body = body("delivered", "");
    for (called, signed_url) in [
        ("https://login.example.com:8443/r?a=b", "https://login.example.com/r?a=b"),
        ("https://login.example.com/r", "https://login.example.com:443/r"),
        ("http://login.example.com/r", "http://login.example.com:80/r"),
    ] {
        let headers = signed(&body, signed_url);
        let request = ReceiptRequest { url: called, headers: &headers, body: body.as_bytes(), client: None };
        assert!(receipts("token").read(&request, 1000).await.is_ok(), "{called}");
    }
}

#[test]
fn no_code_is_judged_twice() {
    let mut codes: Vec<_> = ERRORS.iter().map(|(code, _)| code).collect();
    codes.sort();
    let before = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), before);
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, error_type: None, body: body.into() }
}

#[test]
fn codes_that_are_not_known_are_judged_by_their_status() {
    let refused = judge(&answer(400, r#"{"code": 29999, "status": 400}"#)).unwrap_err();
    assert_eq!((refused.retry, refused.fault), (Retry::NextProvider, Fault::Message));
    assert_eq!(refused.text, "Twilio answered 400 with error 29999");
    for body in ["", "<html>", "{}", r#"{"code": "x"}"#] {
        let refused = judge(&answer(503, body)).unwrap_err();
        assert_eq!((refused.retry, refused.text.as_str()), (Retry::Later, "Twilio answered 503"), "{body}");
    }
}

#[test]
fn an_accepted_message_whose_answer_cannot_be_read_is_not_sent_again() {
    assert_eq!(judge(&answer(201, "cut off")), Ok(Accepted { provider_message_id: None }));
}

fn settings() -> TwilioSettings {
    TwilioSettings {
        account_sid: ACCOUNT.to_owned(),
        auth_token: Secret::new("token".to_owned()),
        api_key: None,
        sender: TwilioSender::From("+15557654321".to_owned()),
        status_callback: None,
        endpoint: None,
        timeout: Duration::from_secs(1),
    }
}

#[test]
fn a_sender_is_a_messaging_service_where_it_is_the_sid_of_one() {
    let service = "MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_eq!(TwilioSender::parse(service), TwilioSender::MessagingService(service.to_owned()));
    for sender in ["+15557654321", "12345", "Shop", "MGM Resorts", ACCOUNT] {
        assert_eq!(TwilioSender::parse(sender), TwilioSender::From(sender.to_owned()));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let problem = |settings: TwilioSettings| TwilioChannel::new(&settings).err().map(|e| e.to_string());
    assert_eq!(problem(settings()), None);
    let service = |sid: &str| TwilioSender::MessagingService(sid.to_owned());
    let key =
        |sid: &str| Some(TwilioApiKey { sid: sid.to_owned(), secret: Secret::new("secret".to_owned()) });
    for (settings, word) in [
        (TwilioSettings { account_sid: "AC1".to_owned(), ..settings() }, "account sid"),
        (TwilioSettings { account_sid: format!("{}/", &ACCOUNT[..33]), ..settings() }, "account sid"),
        (TwilioSettings { auth_token: Secret::new(String::new()), ..settings() }, "auth token"),
        (TwilioSettings { sender: service("MG1"), ..settings() }, "messaging service"),
        (TwilioSettings { sender: TwilioSender::From(String::new()), ..settings() }, "sender"),
        (TwilioSettings { api_key: key("SK1"), ..settings() }, "API key"),
        (TwilioSettings { status_callback: Some("/receipts".to_owned()), ..settings() }, "status callbacks"),
        (TwilioSettings { endpoint: Some("http://api.twilio.com".to_owned()), ..settings() }, "unprotected"),
    ] {
        let problem = problem(settings).unwrap();
        assert!(problem.contains(word), "{problem}");
    }
    assert!(!format!("{:?}", settings()).contains("\"token\""));
}
