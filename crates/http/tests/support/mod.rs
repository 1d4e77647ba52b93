//! The surface with chosen limits and tools, over the engine and store of a test server.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_http::dev::DevSurface;
use vestibule_http::{AddressLimits, App, AppState, RequestLimits};
use vestibule_testkit::TestServer;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The documented shape of errors, with this status and code.
    #[track_caller]
    pub fn is_error(&self, status: u16, code: u8) {
        let shown = format!("{self:?}");
        assert_eq!(self.status, status, "{shown}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{shown}");
        let body = self.json();
        assert_eq!(body["code"], code, "{shown}");
        assert!(body["message"].is_string() && body["details"].is_array(), "{shown}");
        assert!(body["turnkeyErrorCode"].is_string(), "{shown}");
    }
}

/// Limits that count no addresses.
pub fn uncounted() -> RequestLimits {
    RequestLimits {
        addresses: AddressLimits { enabled: false, ..AddressLimits::default() },
        ..RequestLimits::default()
    }
}

/// The surface over a test server's engine.
pub fn app(server: &TestServer, limits: RequestLimits, dev: Option<DevSurface>) -> App {
    App::new(AppState {
        engine: server.engine.clone(),
        keys: server.keys.clone(),
        store: server.store.clone(),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits,
        receipts: None,
        captcha: None,
        dev,
    })
}

/// A request without a peer address.
pub async fn send(
    app: &App,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    send_from(app, None, method, path, headers, body).await
}

/// A request from `peer`.
pub async fn send_from(
    app: &App,
    peer: Option<&str>,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer = peer.map(|text| text.parse::<IpAddr>().expect("an address"));
    let response = app.handle(peer, request.body(body.into()).expect("a request")).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}
