//! The SMS webhook channel against an HTTP server on loopback that checks signatures as the documentation says.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

#[path = "support/smtp_server.rs"]
mod smtp_server;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smtp_server::{Script, SmtpServer};
use support::{CODE, LIFETIME, START, delivery, payload};
use vestibule_crypto::fingerprint::hmac_sha256;
use vestibule_delivery::channel::{Accepted, Channel, Retry, SendError, SmsWebhookChannel, WebhookSecret};
use vestibule_wire::OtpType;

const KEY: [u8; 32] = [7; 32];

fn secret() -> WebhookSecret {
    WebhookSecret::parse(&format!("whsec_{}", STANDARD.encode(KEY))).unwrap()
}

type Requests = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Answers the first requests in turn, then with 200; returns its address and what it got.
async fn serve(answers: Vec<Response>) -> (String, Requests) {
    let requests = Requests::default();
    let (seen, answers) = (Arc::clone(&requests), Arc::new(Mutex::new(answers)));
    let app = Router::new()
        .route(
            "/secret-path/send",
            post(move |headers: HeaderMap, body: Bytes| {
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                async move {
                    seen.lock().unwrap().push((headers, body));
                    let mut answers = answers.lock().unwrap();
                    if answers.is_empty() { StatusCode::OK.into_response() } else { answers.remove(0) }
                }
            }),
        )
        .route("/never", post(std::future::pending::<StatusCode>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), requests)
}

fn channel(url: &str, timeout: Duration) -> SmsWebhookChannel {
    SmsWebhookChannel::new(url, secret(), timeout).unwrap()
}

/// The check of the documentation: constant parts aside, what every receiver does.
fn verified(headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let mut signed = format!("{}.{}.", text("webhook-id"), text("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(body);
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&KEY, &signed)));
    text("webhook-signature").split(' ').any(|signature| signature == expected)
}

#[tokio::test]
async fn a_request_carries_the_message_and_a_signature_that_verifies() {
    let (url, requests) = serve(Vec::new()).await;
    let sms = delivery(OtpType::Sms, &payload("+15551234567"));
    channel(&format!("{url}/secret-path/send"), Duration::from_secs(5)).send(&sms).await.unwrap();
    let requests = requests.lock().unwrap();
    let (headers, body) = &requests[0];
    assert!(verified(headers, body));
    let mut altered = body.to_vec();
    altered[10] ^= 1;
    assert!(!verified(headers, &altered));
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["webhook-id"].to_str().unwrap(), sms.message_id.to_string());
    assert_eq!(headers["webhook-timestamp"].to_str().unwrap(), (START / 1000).to_string());
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(body).unwrap(),
        serde_json::json!({
            "messageId": sms.message_id.to_string(),
            "otpId": sms.otp_id.to_string(),
            "to": "+15551234567",
            "text": format!("Shop: your code is {CODE}. It expires in 5 minutes."),
            "attempt": 1,
            "expiresAtMs": START + LIFETIME,
        })
    );
}

#[test]
fn the_example_of_the_documentation_verifies() {
    let page = include_str!("../../../docs/messages.md");
    assert!(page.contains(&format!("whsec_{}", STANDARD.encode(KEY))), "the page names the example's secret");
    let example = page.split("```http\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    let (head, body) = example.split_once("\n\n").unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        headers.insert(axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    assert!(verified(&headers, body.as_bytes()));
}

#[tokio::test]
async fn answers_decide_whether_it_is_tried_again() {
    let answers = [429, 503, 400].map(|status| StatusCode::from_u16(status).unwrap().into_response());
    let (url, requests) = serve(answers.into()).await;
    let channel = channel(&format!("{url}/secret-path/send"), Duration::from_secs(5));
    let sms = delivery(OtpType::Sms, &payload("+15551234567"));
    for expected in [
        Err(SendError::later("the SMS webhook answered 429")),
        Err(SendError::later("the SMS webhook answered 503")),
        Err(SendError::never("the SMS webhook answered 400")),
        Ok(Accepted { provider_message_id: Some(sms.message_id.to_string()) }),
    ] {
        assert_eq!(channel.send(&sms).await, expected);
    }
    let requests = requests.lock().unwrap();
    let mut ids: Vec<_> = requests.iter().map(|(headers, _)| headers["webhook-id"].clone()).collect();
    ids.dedup();
    assert_eq!((requests.len(), ids.len()), (4, 1), "one id for all tries");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let hits = Arc::new(AtomicUsize::new(0));
    let elsewhere = Arc::clone(&hits);
    let app = Router::new().fallback(move || {
        elsewhere.fetch_add(1, Ordering::SeqCst);
        async { StatusCode::OK }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let (url, _) = serve(vec![Redirect::temporary(&target).into_response()]).await;
    let sms = delivery(OtpType::Sms, &payload("+15551234567"));
    let refused = channel(&format!("{url}/secret-path/send"), Duration::from_secs(5)).send(&sms).await;
    assert_eq!(refused, Err(SendError::next_provider("the SMS webhook answered 307")));
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn silence_and_absence_may_be_tried_again_and_errors_do_not_tell_the_url() {
    let (url, _) = serve(Vec::new()).await;
    let sms = delivery(OtpType::Sms, &payload("+15551234567"));
    let silent = channel(&format!("{url}/never"), Duration::from_millis(50)).send(&sms).await.unwrap_err();
    assert_eq!(silent, SendError::unanswered("the SMS webhook did not answer in time"));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}/secret-path/send", listener.local_addr().unwrap());
    drop(listener);
    let absent = channel(&gone, Duration::from_secs(5)).send(&sms).await.unwrap_err();
    assert_eq!(absent, SendError::later("the SMS webhook refused the connection"));
    assert_eq!(absent.retry, Retry::Later);

    let script = Script { implicit_tls: true, ..Script::default() };
    let strange = SmtpServer::start(script).await;
    let strange_url = format!("https://localhost:{}/", strange.address.port());
    let untrusted = channel(&strange_url, Duration::from_secs(5)).send(&sms).await.unwrap_err();
    assert_eq!(untrusted, SendError::later("the SMS webhook's certificate is not trusted"));
    let plain_url = url.replace("http:", "https:");
    let plain = channel(&plain_url, Duration::from_secs(5)).send(&sms).await.unwrap_err();
    assert_eq!(plain, SendError::later("the TLS handshake with the SMS webhook failed"));
}

#[tokio::test]
async fn an_email_is_refused() {
    let channel = channel("http://127.0.0.1:9/", Duration::from_secs(5));
    let email = delivery(OtpType::Email, &payload("a@b.example"));
    assert_eq!(channel.send(&email).await, Err(SendError::never("this channel sends SMS only")));
}
