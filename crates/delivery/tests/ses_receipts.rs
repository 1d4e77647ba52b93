//! Events of Amazon SES through Amazon SNS, signed as SNS signs them, with SNS itself on loopback.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

#[path = "support/api.rs"]
mod api;

use std::sync::Arc;
use std::time::Duration;

use api::{Answer, Api};
use axum::Router;
use axum::http::{HeaderMap, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::Notify;
use vestibule_crypto::mail_key::MailKey;
use vestibule_delivery::channel::receipt::{Fate, Receipt, ReceiptRefused, ReceiptRequest, Receipts};
use vestibule_delivery::channel::{SesReceipts, SnsMessages};
use vestibule_engine::model::Millis;

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:ses-events";
/// 20 seconds after the fixtures' time.
const NOW: Millis = 1_782_916_074_000;
const CERTIFICATE: &str = include_str!("../../crypto/tests/certificate/certificate.pem");
const CERTIFICATE_PATH: &str = "/SimpleNotificationService-60eadc530605d63b8e62a523676ef735.pem";

async fn sns() -> (Api, SesReceipts) {
    let api = Api::start(Answer::new(200, CERTIFICATE)).await;
    let messages = SnsMessages::new(TOPIC, Some(&api.url), Duration::from_secs(5)).unwrap();
    (api, SesReceipts::new(messages))
}

async fn read(receipts: &SesReceipts, post: &Value, now: Millis) -> Result<Vec<Receipt>, ReceiptRefused> {
    read_from(receipts, post, now, 1).await
}

/// As sent from `192.0.2.sender`.
async fn read_from(
    receipts: &SesReceipts,
    post: &Value,
    now: Millis,
    sender: u8,
) -> Result<Vec<Receipt>, ReceiptRefused> {
    let body = serde_json::to_vec(post).unwrap();
    let headers = HeaderMap::new();
    let request = ReceiptRequest {
        url: "https://login.example.com/receipts/ses",
        headers: &headers,
        body: &body,
        client: Some([192, 0, 2, sender].into()),
    };
    receipts.read(&request, now).await
}

/// What OpenSSL signed.
fn fixture(text: &str, api: &Api) -> Value {
    serde_json::from_str(&text.replace("ORIGIN", &api.url)).unwrap()
}

fn v1(api: &Api) -> Value {
    fixture(include_str!("fixtures/sns/notification-v1.json"), api)
}

fn v2(api: &Api) -> Value {
    fixture(include_str!("fixtures/sns/notification-v2.json"), api)
}

/// Signs a post with the key of the certificate, as version 2 does.
fn signed(mut post: Value, names: &[&str]) -> Value {
    let text: String =
        names.iter().map(|name| format!("{name}\n{}\n", post[*name].as_str().unwrap())).collect();
    let key = MailKey::from_pem(include_str!("../../crypto/tests/certificate/key.pem")).unwrap();
    post["Signature"] = STANDARD.encode(key.sign(text.as_bytes())).into();
    post
}

const CONFIRMATION: &[&str] =
    &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
const NOTIFICATION: &[&str] = &["Message", "MessageId", "Timestamp", "TopicArn", "Type"];

fn confirmation(api: &Api) -> Value {
    json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": format!("{}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37", api.url),
        "Timestamp": "2026-07-01T14:27:34.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": format!("{}{CERTIFICATE_PATH}", api.url),
    })
}

fn notification(api: &Api, message: &str) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": "2026-07-01T14:27:34.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": format!("{}{CERTIFICATE_PATH}", api.url),
    })
}

#[tokio::test]
async fn an_event_signed_in_either_version_is_read_and_the_certificate_fetched_once() {
    let (api, receipts) = sns().await;
    let expected = Receipt {
        provider_message_id: "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000".to_owned(),
        fate: Fate::Bounced { permanent: true },
        diagnostic: Some("smtp; 550 5.1.1".to_owned()),
        at: Some(1_782_916_053_669),
        ours: None,
    };
    for post in [v1(&api), v2(&api), v1(&api)] {
        assert_eq!(read(&receipts, &post, NOW).await, Ok(vec![expected.clone()]));
    }
    assert_eq!((api.count(), api.last().path.as_str()), (1, CERTIFICATE_PATH));
}

#[tokio::test]
async fn what_sns_did_not_sign_for_this_topic_is_refused() {
    let (api, receipts) = sns().await;
    let good = v2(&api);
    let with = |name: &str, value: Value| {
        let mut post = good.clone();
        post[name] = value;
        post
    };
    let without = |name: &str| {
        let mut post = good.clone();
        post.as_object_mut().unwrap().remove(name);
        post
    };
    let bounce = include_str!("fixtures/ses/bounce.json");
    let mut refused = vec![
        with("Message", bounce.replace("Permanent", "Transient").into()),
        with("MessageId", "other".into()),
        with("Subject", "other".into()),
        without("Subject"),
        with("Timestamp", "2026-07-01T14:27:35.000Z".into()),
        with("Type", "SubscriptionConfirmation".into()),
        with("Type", "Other".into()),
        with("SignatureVersion", "1".into()),
        with("SignatureVersion", "3".into()),
        with("Signature", "".into()),
        with("Signature", "not base64!".into()),
        with("Signature", STANDARD.encode([0; 256]).into()),
        without("Signature"),
        // Signed by SNS, for somebody else's topic.
        signed(with("TopicArn", format!("{TOPIC}2").into()), NOTIFICATION),
        // The raw form, which is not signed at all.
        serde_json::from_str(bounce).unwrap(),
        json!([]),
    ];
    refused.push(without("SigningCertURL"));
    for (number, post) in refused.into_iter().enumerate() {
        assert_eq!(read(&receipts, &post, NOW).await, Err(ReceiptRefused::Signature), "{number}: {post}");
    }
    assert!(read(&receipts, &good, NOW).await.is_ok());
}

#[tokio::test]
async fn a_certificate_comes_from_sns_alone() {
    let (api, receipts) = sns().await;
    let elsewhere = Api::start(Answer::new(200, CERTIFICATE)).await;
    for url in [
        format!("{}{CERTIFICATE_PATH}", elsewhere.url),
        format!("https://sns.eu-central-1.amazonaws.com.evil.example{CERTIFICATE_PATH}"),
        format!("{}/other.pem", api.url),
        format!("{}/SimpleNotificationService-a/../../b.pem", api.url),
        format!("{}{CERTIFICATE_PATH}?x=1", api.url),
        format!("{}{CERTIFICATE_PATH}#x", api.url),
        format!("{}{CERTIFICATE_PATH}", api.url.replace("http://", "http://user@")),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        let mut post = v2(&api);
        post["SigningCertURL"] = url.clone().into();
        assert_eq!(read(&receipts, &post, NOW).await, Err(ReceiptRefused::Signature), "{url}");
    }
    assert_eq!((api.count(), elsewhere.count()), (0, 0), "nobody was asked");
}

#[tokio::test]
async fn forged_messages_make_only_a_few_requests_a_minute() {
    let (api, receipts) = sns().await;
    api.answer(Answer::new(503, ""));
    for number in 0..40 {
        let mut post = v2(&api);
        post["SigningCertURL"] = format!("{}/SimpleNotificationService-{number}.pem", api.url).into();
        assert_eq!(read(&receipts, &post, NOW).await, Err(ReceiptRefused::Unverifiable));
    }
    assert_eq!(api.count(), 6);
    api.answer(Answer::new(200, CERTIFICATE));
    assert!(read(&receipts, &v2(&api), NOW + 61_000).await.is_ok(), "a minute later it is fetched");
}

/// A post that names a certificate of this number.
fn naming(api: &Api, number: usize) -> Value {
    let mut post = v2(api);
    post["SigningCertURL"] = format!("{}/SimpleNotificationService-{number}.pem", api.url).into();
    post
}

#[tokio::test]
async fn invented_names_do_not_keep_the_real_certificate_from_being_fetched() {
    let (api, receipts) = sns().await;
    api.answer(Answer::new(404, ""));
    for sender in 10..30 {
        for number in 0..10 {
            let post = naming(&api, usize::from(sender) * 10 + number);
            assert!(read_from(&receipts, &post, NOW, sender).await.is_err());
        }
    }
    assert!(api.count() < 60, "{}", api.count());
    api.answer(Answer::new(200, CERTIFICATE));
    assert!(read(&receipts, &v2(&api), NOW).await.is_ok(), "in the same minute");
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_asked_for_once_in_a_while() {
    let (api, receipts) = sns().await;
    api.answer(Answer::new(404, ""));
    for sender in 1..40 {
        let refused = read_from(&receipts, &naming(&api, 7), NOW, sender).await;
        assert_eq!(refused, Err(ReceiptRefused::Signature));
    }
    assert_eq!(api.count(), 1);
    api.answer(Answer::new(200, CERTIFICATE));
    assert!(read(&receipts, &naming(&api, 7), NOW + 601_000).await.is_ok(), "it may be there later");
}

#[tokio::test]
async fn nobody_waits_for_the_certificate_of_another() {
    let asked = Arc::new(Notify::new());
    let app = Router::new().fallback({
        let asked = Arc::clone(&asked);
        move |uri: Uri| async move {
            if uri.path() != CERTIFICATE_PATH {
                asked.notify_one();
                std::future::pending::<()>().await;
            }
            CERTIFICATE
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let messages = SnsMessages::new(TOPIC, Some(&url), Duration::from_secs(60)).unwrap();
    let receipts = SesReceipts::new(messages);
    let post = |number: &str| {
        let text = include_str!("fixtures/sns/notification-v2.json").replace("ORIGIN", &url);
        let real = CERTIFICATE_PATH.trim_start_matches("/SimpleNotificationService-");
        serde_json::from_str::<Value>(&text.replace(real, &format!("{number}.pem"))).unwrap()
    };
    let (slow, real) = (post("0"), post(&CERTIFICATE_PATH[27..59]));
    let waiting = read(&receipts, &slow, NOW);
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => panic!("it was answered"),
        () = asked.notified() => {}
    }
    tokio::select! {
        biased;
        answered = read(&receipts, &real, NOW) => assert!(answered.is_ok(), "{answered:?}"),
        _ = &mut waiting => panic!("it was answered"),
    }
}

#[tokio::test]
async fn posts_that_come_together_fetch_their_certificate_once() {
    let (api, receipts) = sns().await;
    let post = v2(&api);
    let all = futures_util::future::join_all((0..20).map(|sender| read_from(&receipts, &post, NOW, sender)));
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(api.count(), 1);
}

#[tokio::test]
async fn what_is_no_certificate_verifies_nothing() {
    let (api, receipts) = sns().await;
    let mut now = NOW;
    for answer in [
        Answer::new(200, "no certificate"),
        Answer::new(404, CERTIFICATE),
        Answer::new(200, include_str!("../../crypto/tests/certificate/p256.pem")),
    ] {
        api.answer(answer);
        assert_eq!(read(&receipts, &v2(&api), now).await, Err(ReceiptRefused::Signature));
        now += 601_000;
    }
    api.answer(Answer::new(307, "").with("location", "http://127.0.0.1:9/"));
    assert_eq!(read(&receipts, &v2(&api), now).await, Err(ReceiptRefused::Unverifiable));
    assert_eq!(api.count(), 4);
}

#[tokio::test]
async fn a_message_of_another_day_is_refused_and_a_certificate_counts_while_it_is_valid() {
    let (api, receipts) = sns().await;
    let day = 24 * 3_600_000;
    assert!(read(&receipts, &v2(&api), NOW + day - 60_000).await.is_ok());
    assert_eq!(read(&receipts, &v2(&api), NOW + day).await, Err(ReceiptRefused::Stale));
    assert_eq!(read(&receipts, &v2(&api), NOW - day).await, Err(ReceiptRefused::Stale));
    // 2127, a year after the certificate ended.
    let late = 4_954_435_200_000;
    assert_eq!(read(&receipts, &v2(&api), late).await, Err(ReceiptRefused::Signature));
}

#[tokio::test]
async fn a_subscription_is_confirmed_for_this_topic_and_at_sns_alone() {
    let (api, receipts) = sns().await;
    let good = signed(confirmation(&api), CONFIRMATION);
    assert_eq!(read(&receipts, &good, NOW).await, Ok(Vec::new()));
    let asked = api.last();
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.path, format!("/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"));

    let before = api.count();
    let elsewhere = Api::start(Answer::new(200, "")).await;
    for url in [
        format!("{}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1", elsewhere.url),
        format!("{}/?Action=Unsubscribe&TopicArn={TOPIC}&Token=1", api.url),
        format!("{}/?Action=ConfirmSubscription&TopicArn={TOPIC}2&Token=1", api.url),
        format!("{}/admin?Action=ConfirmSubscription&TopicArn={TOPIC}", api.url),
    ] {
        let mut post = confirmation(&api);
        post["SubscribeURL"] = url.into();
        let post = signed(post, CONFIRMATION);
        let refused = ReceiptRefused::malformed("SubscribeURL", "does not confirm this topic at SNS");
        assert_eq!(read(&receipts, &post, NOW).await, Err(refused));
    }
    let mut unsigned = good.clone();
    unsigned["Token"] = "other".into();
    assert_eq!(read(&receipts, &unsigned, NOW).await, Err(ReceiptRefused::Signature));
    assert_eq!((api.count(), elsewhere.count()), (before, 0));

    api.answer(Answer::new(500, ""));
    assert_eq!(read(&receipts, &good, NOW).await, Err(ReceiptRefused::Unverifiable), "SNS asks again");
}

#[tokio::test]
async fn the_end_of_a_subscription_tells_of_no_message() {
    let (api, receipts) = sns().await;
    let mut post = confirmation(&api);
    post["Type"] = "UnsubscribeConfirmation".into();
    let post = signed(post, CONFIRMATION);
    assert_eq!(read(&receipts, &post, NOW).await, Ok(Vec::new()));
    assert_eq!(api.count(), 1, "the certificate was fetched, and nothing subscribed anew");
}

#[tokio::test]
async fn a_signed_message_that_is_no_event_is_refused_as_such() {
    let (api, receipts) = sns().await;
    let post = signed(notification(&api, "hello"), NOTIFICATION);
    let refused = ReceiptRefused::malformed("Message", "not an event of SES");
    assert_eq!(read(&receipts, &post, NOW).await, Err(refused));
    let set_up = "Successfully validated SNS topic for Amazon SES event publishing.";
    let post = signed(notification(&api, set_up), NOTIFICATION);
    assert_eq!(read(&receipts, &post, NOW).await, Ok(Vec::new()));
}

#[test]
fn a_topic_is_one_of_sns_and_only_this_machine_takes_its_place() {
    let made =
        |topic: &str, local: Option<&str>| SnsMessages::new(topic, local, Duration::from_secs(1)).is_ok();
    assert!(made(TOPIC, None));
    assert!(made("arn:aws-cn:sns:cn-north-1:123456789012:x", None));
    assert!(made(TOPIC, Some("http://127.0.0.1:4566")));
    for topic in [
        "",
        "arn:aws:sqs:eu-central-1:123456789012:x",
        "arn:aws:sns:eu-central-1.evil.example/:123456789012:x",
        "arn:aws:sns:eu-central-1:1:x",
        "arn:aws:sns:eu-central-1:123456789012:",
        "arn:aws:sns:eu-central-1:123456789012:x:y",
    ] {
        assert!(!made(topic, None), "{topic}");
    }
    for local in ["https://sns.example.com", "http://sns.example.com", "x"] {
        assert!(!made(TOPIC, Some(local)), "{local}");
    }
}
