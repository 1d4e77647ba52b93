//! What browsers may ask and read (protocol 00 section 2, protocol 04 section 1), and what an address may do.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod support;

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use support::{Answer, app, send, send_from, uncounted};
use vestibule_crypto::stamp::ApiStamp;
use vestibule_engine::limits::Limit;
use vestibule_http::{AddressLimits, RequestLimits};
use vestibule_testkit::TestServer;
use vestibule_wire::ActivityType;

const APP: &str = "https://app.example.com";
const CONFIG: &str = "/v1/wallet_kit_config";
const WHOAMI: &str = "/public/v1/query/whoami";

fn lists(answer: &Answer, header: &str) -> Vec<String> {
    let value = answer.header(header).unwrap_or_default();
    value.split(',').map(|part| part.trim().to_lowercase()).filter(|part| !part.is_empty()).collect()
}

/// Lets only [`APP`] use the tenant's auth proxy.
async fn only_the_app(server: &TestServer) {
    let updated =
        server.backend(ActivityType::UpdateAuthProxyConfig, json!({ "allowedOrigins": [APP] })).await;
    assert_eq!(updated.status, 200, "{:?}", updated.body);
}

#[tokio::test]
async fn a_preflight_of_the_public_api_is_answered_for_any_origin() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    for path in
        [WHOAMI, "/public/v1/submit/init_otp", "//public/v1/submit/init_otp", "/public/v1/submit/nothing"]
    {
        let headers = [("origin", APP), ("access-control-request-method", "POST")];
        let answer = send(&app, Method::OPTIONS, path, &headers, "").await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(lists(&answer, "access-control-allow-methods"), ["post", "get", "options"]);
        let allowed = lists(&answer, "access-control-allow-headers");
        for header in [
            "content-type",
            "x-stamp",
            "x-stamp-webauthn",
            "x-stamp-attested",
            "x-session",
            "x-client-version",
        ] {
            assert!(allowed.iter().any(|name| name == header), "{header}");
        }
    }
}

#[tokio::test]
async fn a_preflight_of_the_proxy_echoes_the_origin() {
    let server = TestServer::start().await;
    only_the_app(&server).await;
    let app = app(&server, uncounted(), None);
    for path in [CONFIG, "/v1/otp_init_v2", "/v1/nothing"] {
        for origin in [APP, "http://localhost:3000"] {
            let answer = send(&app, Method::OPTIONS, path, &[("origin", origin)], "").await;
            assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("vary"), Some("Origin"));
            assert_eq!(answer.header("access-control-max-age"), Some("600"));
            assert_eq!(lists(&answer, "access-control-allow-methods"), ["post", "options"]);
            let allowed = lists(&answer, "access-control-allow-headers");
            for header in ["content-type", "x-auth-proxy-config-id", "x-captcha-token", "x-client-version"] {
                assert!(allowed.iter().any(|name| name == header), "{header}");
            }
        }
    }
}

#[tokio::test]
async fn errors_can_be_read_across_origins_too() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    for path in [WHOAMI, "/public/v1/submit/init_otp", "/public/v1/submit/nothing"] {
        let answer = send(&app, Method::POST, path, &[("origin", APP)], "{").await;
        assert!(answer.status >= 400);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    let config = server.tenant.proxy_config.as_str();
    for (path, headers, status) in [
        ("/v1/nothing", vec![], 404),
        (CONFIG, vec![], 400),
        (CONFIG, vec![("x-auth-proxy-config-id", "not-an-id")], 400),
        (CONFIG, vec![("x-auth-proxy-config-id", "018f0000-0000-7000-8000-000000000000")], 404),
        ("/v1/otp_init_v2", vec![("x-auth-proxy-config-id", config)], 400),
        ("/v1/otp_init_v2", vec![("x-auth-proxy-config-id", config), ("content-encoding", "gzip")], 415),
    ] {
        let headers = [vec![("origin", APP)], headers].concat();
        let answer = send(&app, Method::POST, path, &headers, "{}").await;
        assert_eq!(answer.status, status, "{path} {headers:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{path} {headers:?}");
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn the_proxy_serves_the_origins_of_its_config_and_callers_without_one() {
    let server = TestServer::start().await;
    only_the_app(&server).await;
    let app = app(&server, uncounted(), None);
    let config = ("x-auth-proxy-config-id", server.tenant.proxy_config.as_str());

    let allowed = send(&app, Method::POST, CONFIG, &[config, ("origin", APP)], "").await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), Some(APP));
    assert_eq!(allowed.header("vary"), Some("Origin"));
    assert_eq!(allowed.header("content-type"), Some("application/json"));

    let native = send(&app, Method::POST, CONFIG, &[config], "").await;
    assert_eq!((native.status, native.header("access-control-allow-origin")), (200, None));

    for origin in ["https://app.example.com.example.net", "http://app.example.com", "null"] {
        let refused = send(&app, Method::POST, CONFIG, &[config, ("origin", origin)], "").await;
        refused.is_error(403, 7);
        assert_eq!(refused.header("access-control-allow-origin"), None);
        assert_eq!(refused.header("vary"), Some("Origin"));
    }
}

fn limits(burst: u32) -> RequestLimits {
    let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let requests = Limit::refuse(burst, 1000 * burst);
    let addresses = AddressLimits { requests, trusted_proxies, ..AddressLimits::default() };
    RequestLimits { addresses, ..RequestLimits::default() }
}

#[tokio::test]
async fn an_address_that_calls_the_proxy_too_often_is_told_to_wait() {
    let server = TestServer::start().await;
    let app = app(&server, limits(3), None);
    let config = ("x-auth-proxy-config-id", server.tenant.proxy_config.as_str());
    let call =
        async |peer| send_from(&app, Some(peer), Method::POST, CONFIG, &[config, ("origin", APP)], "").await;
    for _ in 0..3 {
        assert_eq!(call("192.0.2.1").await.status, 200);
    }
    let refused = call("192.0.2.1").await;
    refused.is_error(429, 8);
    assert_eq!(refused.json()["turnkeyErrorCode"], "RATE_LIMIT_EXCEEDED");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(refused.header("access-control-allow-origin"), Some(APP), "a browser can read it");
    assert_eq!(call("192.0.2.2").await.status, 200);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_counted_one_by_one() {
    let server = TestServer::start().await;
    let app = app(&server, limits(1), None);
    let config = ("x-auth-proxy-config-id", server.tenant.proxy_config.as_str());
    let call = async |peer, client| {
        let headers = [config, ("x-forwarded-for", client)];
        send_from(&app, Some(peer), Method::POST, CONFIG, &headers, "").await.status
    };
    assert_eq!(call("10.1.1.1", "192.0.2.1").await, 200);
    assert_eq!(call("10.1.1.1", "192.0.2.2").await, 200);
    assert_eq!(call("10.1.1.1", "192.0.2.1").await, 429);
    assert_eq!(call("198.51.100.1", "192.0.2.3").await, 200);
    assert_eq!(call("198.51.100.1", "192.0.2.4").await, 429, "nobody else's word counts");
}

#[tokio::test]
async fn failed_authentication_is_counted_and_stamped_requests_are_not() {
    let server = TestServer::start().await;
    let app = app(&server, limits(2), None);
    let body = json!({ "organizationId": server.tenant.organization_id }).to_string();
    let stamp = ApiStamp::make(&server.tenant.key, body.as_bytes());
    let good = async |peer| {
        send_from(&app, Some(peer), Method::POST, WHOAMI, &[("x-stamp", &stamp)], body.clone()).await.status
    };
    let bad = async |peer| send_from(&app, Some(peer), Method::POST, WHOAMI, &[], body.clone()).await.status;
    for _ in 0..10 {
        assert_eq!(good("192.0.2.1").await, 200);
    }
    assert_eq!((bad("192.0.2.1").await, bad("192.0.2.1").await), (401, 401));
    assert_eq!(bad("192.0.2.1").await, 429);
    assert_eq!(good("192.0.2.2").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_answered_as_unavailable() {
    let server = TestServer::start().await;
    let limits = RequestLimits {
        body_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(30),
        ..uncounted()
    };
    let app = app(&server, limits, None);
    let never =
        axum::body::Body::from_stream(futures_util::stream::pending::<Result<&[u8], std::io::Error>>());
    let answer = send(&app, Method::POST, WHOAMI, &[], never).await;
    answer.is_error(503, 14);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}
