//! What the operator sees of requests: one log line and two metrics each, under names of our own.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use support::{app, send, uncounted};
use vestibule_testkit::TestServer;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn a_request_leaves_one_line_with_its_id_and_route_and_nothing_that_the_client_wrote_elsewhere() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let quiet = tracing::subscriber::set_default(subscriber);
    let headers = [
        ("x-request-id", "seen-1"),
        ("x-stamp", "c3RhbXA"),
        ("x-session", "session-text"),
        ("origin", "https://origin.example"),
        ("user-agent", "agent-text"),
    ];
    let body = r#"{"organizationId":"ann@example.com"}"#;
    send(&app, Method::POST, "/public/v1/query/whoami?to=ann@example.com", &headers, body).await;
    send(&app, Method::GET, "/ann@example.com?to=bob@example.com", &[("x-request-id", "seen-2")], "").await;
    drop(quiet);

    let text = lines.text();
    for secret in ["ann@", "bob@", "c3RhbXA", "session-text", "origin.example", "agent-text"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let access: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["target"] == "vestibule::access")
        .collect();
    let seen: Vec<_> = access
        .iter()
        .map(|line| {
            let fields = &line["fields"];
            assert!(fields["milliseconds"].is_number(), "{line}");
            (&line["span"]["id"], &fields["method"], &fields["route"], &fields["status"])
        })
        .map(|(id, method, route, status)| format!("{id} {method} {route} {status}"))
        .collect();
    assert_eq!(seen, [r#""seen-1" "POST" "/public/v1/query/whoami" 401"#, r#""seen-2" "GET" "other" 404"#]);
}

#[test]
fn requests_are_counted_and_timed_by_route_and_status() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let server = TestServer::start().await;
            let app = app(&server, uncounted(), None);
            for _ in 0..3 {
                send(&app, Method::GET, "/healthz", &[], "").await;
            }
            send(&app, Method::POST, "/v1/otp_init_v2", &[], "{}").await;
            for path in ["/one", "/two"] {
                send(&app, Method::GET, path, &[], "").await;
            }
        });
    });
    let text = shown.render();
    for line in [
        r#"vestibule_http_requests_total{route="/healthz",status="200"} 3"#,
        r#"vestibule_http_requests_total{route="/v1/otp_init_v2",status="400"} 1"#,
        r#"vestibule_http_requests_total{route="other",status="404"} 2"#,
        r#"vestibule_http_request_seconds_count{route="/healthz"} 3"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
    }
}
