//! The tools and the page of `vestibule dev`.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use axum::http::{Method, Request};
use futures_util::{StreamExt, stream};
use serde_json::json;
use support::{Answer, app, send, uncounted};
use tokio::sync::broadcast;
use uuid::Uuid;
use vestibule_http::App;
use vestibule_http::dev::{
    ClockReading, DevClock, DevConfig, DevSurface, Inbox, InboxMessage, InboxStream, Preview, PreviewList,
    PreviewMessage, PreviewRequest, Previews,
};
use vestibule_testkit::TestServer;
use vestibule_wire::{OtpId, OtpType, Refusal};

const HOST: (&str, &str) = ("host", "127.0.0.1:7007");
const PATHS: [(Method, &str); 8] = [
    (Method::GET, "/dev/messages"),
    (Method::GET, "/dev/messages/m-1/html"),
    (Method::GET, "/dev/events"),
    (Method::GET, "/dev/config"),
    (Method::POST, "/dev/clock"),
    (Method::GET, "/dev/previews"),
    (Method::GET, "/dev/preview?message=code"),
    (Method::GET, "/dev/preview/html?message=code"),
];

/// Says what it was asked for.
struct Samples;

#[async_trait]
impl Previews for Samples {
    async fn list(&self) -> Result<PreviewList, Refusal> {
        let messages = vec![PreviewMessage { name: "code", channel: OtpType::Email }];
        Ok(PreviewList { messages, languages: Vec::new(), templates: Vec::new() })
    }

    async fn show(&self, request: &PreviewRequest) -> Result<Preview, Refusal> {
        if request.message != "code" {
            return Err(Refusal::UnknownPath);
        }
        let asked = format!("{request:?}");
        let html = request.template.is_none().then(|| format!("<script>1</script>{asked}"));
        Ok(Preview { subject: None, text: asked, html, segments: None, fault: None })
    }
}

struct Messages {
    kept: Vec<InboxMessage>,
    news: broadcast::Sender<InboxMessage>,
}

impl Inbox for Messages {
    fn messages(&self, to: Option<&str>) -> Vec<InboxMessage> {
        self.kept.iter().filter(|message| to.is_none_or(|to| message.to == to)).cloned().collect()
    }

    fn subscribe(&self) -> InboxStream {
        let news = self.news.subscribe();
        Box::pin(stream::unfold(news, async |mut news| news.recv().await.ok().map(|message| (message, news))))
    }
}

#[derive(Default)]
struct Clock(AtomicU64);

#[async_trait]
impl DevClock for Clock {
    async fn advance(&self, seconds: u64) -> Result<ClockReading, Refusal> {
        let offset = self.0.fetch_add(seconds, Ordering::Relaxed) + seconds;
        let offset_seconds = i64::try_from(offset).map_err(|_| Refusal::BadRequestBody)?;
        Ok(ClockReading { now_ms: 1_000 + offset_seconds * 1000, offset_seconds })
    }
}

fn email(id: &str, to: &str) -> InboxMessage {
    InboxMessage {
        id: id.into(),
        channel: "email",
        to: to.into(),
        from: Some("Acme <no-reply@acme.example>".into()),
        subject: Some("Your code".into()),
        text: "Your code is 7G3K9QW2X".into(),
        html: Some("<p onclick=alert(1)>7G3K9QW2X</p>".into()),
        otp_code: Some("7G3K9QW2X".into()),
        credential_bundle: None,
        otp_id: Some(OtpId(Uuid::from_u128(9))),
        created_at: "2027-01-15T08:00:00.000Z".into(),
    }
}

fn sms(id: &str, to: &str) -> InboxMessage {
    InboxMessage { channel: "sms", from: None, subject: None, html: None, ..email(id, to) }
}

async fn dev() -> (TestServer, App, broadcast::Sender<InboxMessage>) {
    let server = TestServer::start().await;
    let news = broadcast::Sender::new(8);
    let inbox =
        Messages { kept: vec![sms("m-2", "+15550100"), email("m-1", "ann@example.com")], news: news.clone() };
    let organization_id = server.tenant.organization_id;
    let auth_proxy_config_id = server.tenant.proxy_config.parse().unwrap();
    let surface = DevSurface {
        inbox: Arc::new(inbox),
        clock: Arc::new(Clock::default()),
        previews: Arc::new(Samples),
        config: Box::new(move || DevConfig {
            organization_id,
            auth_proxy_config_id,
            bundle_signer_public_key: "04aa".into(),
            session_signer_public_key: "04bb".into(),
            url: "http://127.0.0.1:7007".into(),
        }),
        listen: "127.0.0.1:7007".parse().unwrap(),
    };
    let app = app(&server, uncounted(), Some(surface));
    (server, app, news)
}

async fn get(app: &App, path: &str) -> Answer {
    send(app, Method::GET, path, &[HOST], "").await
}

#[tokio::test]
async fn messages_are_listed_with_their_documented_members() {
    let (_server, app, _) = dev().await;
    let all = get(&app, "/dev/messages").await;
    assert_eq!((all.status, all.header("content-type")), (200, Some("application/json")));
    let messages = all.json()["messages"].clone();
    assert_eq!(messages[0]["id"], "m-2");
    assert_eq!(
        messages[1],
        json!({
            "id": "m-1", "channel": "email", "to": "ann@example.com", "from": "Acme <no-reply@acme.example>",
            "subject": "Your code", "text": "Your code is 7G3K9QW2X", "html": "<p onclick=alert(1)>7G3K9QW2X</p>",
            "otpCode": "7G3K9QW2X", "credentialBundle": null,
            "otpId": Uuid::from_u128(9).to_string(), "createdAt": "2027-01-15T08:00:00.000Z",
        })
    );
    let one = get(&app, "/dev/messages?to=%2B15550100").await;
    assert_eq!(one.json()["messages"].as_array().unwrap().len(), 1);
    assert_eq!(one.json()["messages"][0]["to"], "+15550100");
    assert_eq!(get(&app, "//dev/messages?to=nobody@example.com").await.json(), json!({ "messages": [] }));
}

#[tokio::test]
async fn the_html_of_a_message_comes_under_a_policy_that_lets_it_do_nothing() {
    let (_server, app, _) = dev().await;
    let html = get(&app, "/dev/messages/m-1/html").await;
    assert_eq!(html.status, 200);
    assert_eq!(html.body, "<p onclick=alert(1)>7G3K9QW2X</p>");
    assert_eq!(html.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = html.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "style-src 'unsafe-inline'", "sandbox", "frame-ancestors 'self'"] {
        assert!(policy.split("; ").any(|directive| directive == part), "{part}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("allow-"));
    get(&app, "/dev/messages/m-2/html").await.is_error(404, 5);
    get(&app, "/dev/messages/m-3/html").await.is_error(404, 5);
}

#[tokio::test]
async fn arrivals_are_streamed_after_a_first_comment_until_the_server_closes() {
    let (_server, app, news) = dev().await;
    let request = Request::get("/dev/events").header("host", HOST.1).body(axum::body::Body::empty()).unwrap();
    let response = app.handle(None, request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), ": open\n\n");
    news.send(email("m-3", "bob@example.com")).unwrap();
    let event = stream.next().await.unwrap().unwrap();
    let event = std::str::from_utf8(&event).unwrap();
    let data = event.strip_prefix("event: message\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(data).unwrap()["id"], "m-3");
    app.close_streams();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn the_clock_goes_forward_and_says_by_how_much() {
    let (_server, app, _) = dev().await;
    let advance = async |body: &str| send(&app, Method::POST, "/dev/clock", &[HOST], body.to_owned()).await;
    assert_eq!(advance(r#"{"advanceSeconds":0}"#).await.json(), json!({ "now": 1000, "offsetSeconds": 0 }));
    assert_eq!(
        advance(r#"{"advanceSeconds":60}"#).await.json(),
        json!({ "now": 61_000, "offsetSeconds": 60 })
    );
    assert_eq!(advance(r#"{"advanceSeconds":5}"#).await.json()["offsetSeconds"], 65);
    for wrong in [
        "",
        "{}",
        "[]",
        r#"{"advanceSeconds":-1}"#,
        r#"{"advanceSeconds":1.5}"#,
        r#"{"advanceSeconds":"1"}"#,
        r#"{"advanceSeconds":9e18}"#,
        r#"{"advanceSeconds":18446744073709551615}"#,
    ] {
        advance(wrong).await.is_error(400, 3);
    }
    assert_eq!(advance(r#"{"advanceSeconds":0}"#).await.json()["offsetSeconds"], 65);
}

#[tokio::test]
async fn the_settings_are_those_of_the_documented_answer() {
    let (server, app, _) = dev().await;
    assert_eq!(
        get(&app, "/dev/config").await.json(),
        json!({
            "organizationId": server.tenant.organization_id,
            "authProxyConfigId": server.tenant.proxy_config,
            "bundleSignerPublicKey": "04aa",
            "sessionSignerPublicKey": "04bb",
            "url": "http://127.0.0.1:7007",
        })
    );
}

#[tokio::test]
async fn no_other_page_reads_codes_or_moves_the_clock() {
    let (_server, app, _) = dev().await;
    for (method, path) in PATHS {
        for headers in [
            vec![],
            vec![("host", "rebound.example:7007")],
            vec![HOST, ("origin", "https://example.com")],
            vec![HOST, ("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
            vec![HOST, ("origin", "null")],
            vec![HOST, ("sec-fetch-site", "cross-site")],
        ] {
            let body = r#"{"advanceSeconds":1}"#;
            let answer = send(&app, method.clone(), path, &headers, body).await;
            answer.is_error(403, 7);
            assert!(
                !answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")),
                "{path}"
            );
        }
        let own = [HOST, ("origin", "http://127.0.0.1:7007"), ("sec-fetch-site", "same-origin")];
        if path != "/dev/events" {
            let answer = send(&app, method.clone(), path, &own, r#"{"advanceSeconds":0}"#).await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(
                !answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")),
                "{path}"
            );
        }
        let preflight = [HOST, ("origin", "https://example.com"), ("access-control-request-method", "POST")];
        send(&app, Method::OPTIONS, path, &preflight, "").await.is_error(403, 7);
    }
    assert_eq!(
        send(&app, Method::POST, "/dev/clock", &[HOST], r#"{"advanceSeconds":0}"#).await.json()["offsetSeconds"],
        0,
        "no refused request moved the clock"
    );
}

#[tokio::test]
async fn the_page_and_all_it_names_are_served_from_the_program() {
    let (_server, app, _) = dev().await;
    let page = get(&app, "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    for (header, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-cache"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(page.header(header), Some(value));
    }
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    let mut wanted: Vec<String> =
        text.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned).collect();
    assert!(wanted.len() >= 5, "{wanted:?}");
    let mut seen = 0;
    while let Some(path) = wanted.get(seen).cloned() {
        seen += 1;
        let asset = get(&app, &path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
        let kind = asset.header("content-type").unwrap();
        let expected = match path.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(kind, expected, "{path}");
        let text = String::from_utf8(asset.body.to_vec()).unwrap();
        for import in text.split("from \"./").skip(1) {
            let name = format!("/assets/{}", import.split('"').next().unwrap());
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
    }
    get(&app, "/assets/nothing.js").await.is_error(404, 5);
    get(&app, "/assets/..%2Findex.html").await.is_error(404, 5);
    get(&app, "/dev/nothing").await.is_error(404, 5);
    send(&app, Method::POST, "/", &[HOST], "").await.is_error(405, 12);
    send(&app, Method::GET, "/dev/clock", &[HOST], "").await.is_error(405, 12);
}

#[tokio::test]
async fn a_preview_is_shown_as_asked_and_can_do_nothing() {
    let (_server, app, _) = dev().await;
    let listed = get(&app, "/dev/previews").await.json();
    assert_eq!(listed["messages"][0], serde_json::json!({ "name": "code", "channel": "OTP_TYPE_EMAIL" }));
    let query = "message=code&locale=de-AT&scheme=dark&link=true";
    let shown = get(&app, &format!("/dev/preview?{query}")).await.json();
    let text = shown["text"].as_str().unwrap();
    for part in ["de", "AT", "Dark", "link: true"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(shown.get("html").is_none());
    let html = get(&app, &format!("/dev/preview/html?{query}")).await;
    assert_eq!((html.status, html.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = html.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("; sandbox;"), "{policy}");
    assert_eq!(get(&app, "/dev/preview/html?message=other").await.status, 404);
    assert_eq!(get(&app, "/dev/preview?message=code&scheme=blue").await.status, 400);
    assert_eq!(get(&app, "/dev/preview?message=code&locale=%2A").await.status, 400);
    let page = get(&app, "/previews").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().contains("frame-src 'self'"));
}
