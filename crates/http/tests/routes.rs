//! Every route, enumerated: unauthenticated, from another organization, malformed, encoded, too large, with a wrong
//! method. A route of a new kind does not compile here until it has its cases.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{Answer, app, send, uncounted};
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_http::routes::{self, Route, Surface};
use vestibule_http::{App, MAX_BODY};
use vestibule_testkit::TestServer;
use vestibule_wire::{ActivityType, OrganizationId, proxy, query};

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];

/// Bodies that are no JSON object as the protocol has it (D-6).
fn malformed_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let organization = uuid::Uuid::nil();
    vec![
        ("cut off", br#"{"organizationId":""#.to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"body\"".to_vec()),
        ("null", b"null".to_vec()),
        ("two values", b"{}{}".to_vec()),
        ("invalid UTF-8", b"{\"organizationId\":\"\xff\xfe\"}".to_vec()),
        ("a lone surrogate", br#"{"organizationId":"\ud800"}"#.to_vec()),
        (
            "a duplicate key",
            format!(r#"{{"organizationId":"{organization}","organizationId":"{organization}"}}"#).into(),
        ),
        ("a hidden duplicate", br#"{"a":{"b":1,"\u0062":2}}"#.to_vec()),
        ("deep lists", format!(r#"{{"a":{}{}}}"#, "[".repeat(64), "]".repeat(64)).into()),
        ("very deep objects", format!("{}1{}", r#"{"a":"#.repeat(50_000), "}".repeat(50_000)).into()),
        ("an endless number", format!(r#"{{"a":{}}}"#, "9".repeat(100_000)).into_bytes()[..50_000].to_vec()),
        ("zero bytes", vec![0; 1000]),
    ]
}

fn api_routes() -> impl Iterator<Item = &'static Route> {
    routes::all().filter(|route| match route.surface {
        Surface::Submit | Surface::Query | Surface::Proxy | Surface::Token | Surface::Receipts => true,
        Surface::Keys
        | Surface::Jwks
        | Surface::WebhookJwks
        | Surface::Docs
        | Surface::Health
        | Surface::Ready => false,
    })
}

/// A body whose outer form is right for the route.
fn sound_body(server: &TestServer, route: &Route, organization: OrganizationId) -> String {
    match route.surface {
        Surface::Submit => {
            let activity = ActivityType::ALL.iter().find(|activity| activity.path() == route.name).unwrap();
            server.activity(*activity, organization, &json!({}))
        }
        Surface::Query => json!({ "organizationId": organization }).to_string(),
        Surface::Token => {
            let now = server.clock.now().to_string();
            json!({ "organizationId": organization, "audience": "api", "timestampMs": now }).to_string()
        }
        Surface::Proxy | Surface::Receipts => "{}".to_owned(),
        Surface::Keys
        | Surface::Jwks
        | Surface::WebhookJwks
        | Surface::Docs
        | Surface::Health
        | Surface::Ready => String::new(),
    }
}

async fn stamped(app: &App, key: &SigningKey, path: &str, body: &[u8]) -> Answer {
    let stamp = ApiStamp::make(key, body);
    send(app, Method::POST, path, &[("x-stamp", &stamp)], body.to_vec()).await
}

/// Posts a body with whatever the route wants as proof of the caller.
async fn authenticated(app: &App, server: &TestServer, route: &Route, body: &[u8]) -> Answer {
    match route.surface {
        Surface::Proxy => {
            let id = [("x-auth-proxy-config-id", server.tenant.proxy_config.as_str())];
            send(app, Method::POST, &route.path, &id, body.to_vec()).await
        }
        _ => stamped(app, &server.tenant.key, &route.path, body).await,
    }
}

#[test]
fn the_table_holds_every_name_of_the_contract() {
    for activity in ActivityType::ALL {
        let route = routes::find(&format!("/public/v1/submit/{}", activity.path()));
        assert!(route.is_some(), "{activity:?}");
    }
    for name in query::QUERIES {
        assert!(routes::find(&format!("/public/v1/query/{name}")).is_some(), "{name}");
    }
    for name in proxy::ENDPOINTS {
        assert!(routes::find(&format!("/v1/{name}")).is_some(), "{name}");
    }
}

#[tokio::test]
async fn no_route_answers_an_unauthenticated_request() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    for route in api_routes() {
        let body = sound_body(&server, route, server.tenant.organization_id);
        let answer = send(&app, Method::POST, &route.path, &[], body.clone()).await;
        match route.surface {
            Surface::Submit | Surface::Query | Surface::Token => {
                answer.is_error(401, 16);
                assert_eq!(answer.json()["turnkeyErrorCode"], "SIGNATURE_MISSING", "{}", route.path);
            }
            Surface::Receipts => {
                answer.is_error(401, 16);
                assert_eq!(answer.json()["message"], "could not verify the receipt", "{}", route.path);
            }
            _ => {
                answer.is_error(400, 3);
                assert_eq!(answer.json()["message"], "invalid auth proxy config id", "{}", route.path);
            }
        }
        for (header, value) in
            [("x-stamp", "e30"), ("x-stamp-webauthn", "{}"), ("x-stamp-attested", "e30"), ("x-session", "s")]
        {
            let answer = send(&app, Method::POST, &route.path, &[(header, value)], body.clone()).await;
            match (route.surface, header) {
                (Surface::Proxy, _) => answer.is_error(400, 3),
                (Surface::Query | Surface::Token, "x-stamp-attested") => answer.is_error(403, 7),
                _ => answer.is_error(401, 16),
            }
        }
    }
}

#[tokio::test]
async fn no_route_answers_a_caller_of_another_organization() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let other = server.another_tenant().await;
    for route in api_routes() {
        let body = sound_body(&server, route, server.tenant.organization_id);
        match route.surface {
            Surface::Proxy => {
                let unknown = uuid::Uuid::from_u128(1).to_string();
                let id = [("x-auth-proxy-config-id", unknown.as_str())];
                send(&app, Method::POST, &route.path, &id, body).await.is_error(404, 5);
            }
            Surface::Receipts => {
                stamped(&app, &other.key, &route.path, body.as_bytes()).await.is_error(401, 16);
            }
            _ => {
                let answer = stamped(&app, &other.key, &route.path, body.as_bytes()).await;
                answer.is_error(401, 16);
                assert_eq!(answer.json()["turnkeyErrorCode"], "PUBLIC_KEY_NOT_FOUND", "{}", route.path);
            }
        }
    }
}

#[tokio::test]
async fn every_route_refuses_malformed_bodies_with_a_documented_error() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    for route in api_routes() {
        for (what, body) in malformed_bodies() {
            let answer = authenticated(&app, &server, route, &body).await;
            match (route.surface, route.name) {
                // There is no OAuth here, whatever the body says.
                (Surface::Proxy, "oauth_login" | "oauth2_authenticate") => answer.is_error(403, 7),
                // Whatever is wrong with a receipt, the answer is one.
                (Surface::Receipts, _) => answer.is_error(401, 16),
                (_, name) => {
                    assert_eq!(answer.status, 400, "{what} on {name}: {answer:?}");
                    answer.is_error(400, 3);
                    assert_eq!(answer.json()["message"], "bad request body", "{what} on {name}");
                }
            }
            // Without proof of a caller it is a refusal all the same, of whichever kind comes first.
            let answer = send(&app, Method::POST, &route.path, &[], body).await;
            assert!((400..500).contains(&answer.status), "{what} on {}: {answer:?}", route.path);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn members_of_wrong_types_are_never_a_fault_of_the_server() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let organization = json!(server.tenant.organization_id);
    for route in api_routes() {
        for wrong in [json!(1), json!([]), json!({}), json!("x"), json!(true), json!(1e300)] {
            let body = match route.surface {
                Surface::Submit => {
                    let sound = sound_body(&server, route, server.tenant.organization_id);
                    let mut body: Value = serde_json::from_str(&sound).unwrap();
                    body["parameters"] = wrong.clone();
                    body
                }
                Surface::Query => json!({
                    "organizationId": organization, "userId": wrong, "activityId": wrong, "apiKeyId": wrong,
                    "paginationOptions": wrong, "filterType": wrong, "filterByStatus": wrong, "filterByType": wrong,
                }),
                _ => json!({
                    "otpType": wrong, "contact": wrong, "otpId": wrong, "otpCode": wrong, "filterType": wrong,
                    "verificationToken": wrong, "publicKey": wrong, "apiKeys": wrong, "authenticators": wrong,
                }),
            };
            let answer = authenticated(&app, &server, route, body.to_string().as_bytes()).await;
            assert!(answer.status < 500, "{body} on {}: {answer:?}", route.path);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn every_route_refuses_encoded_and_oversized_bodies() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let config = server.tenant.proxy_config.as_str();
    for route in api_routes() {
        for encoding in ["gzip", "br", "GZIP", "identity, gzip"] {
            let headers = [("content-encoding", encoding), ("x-auth-proxy-config-id", config)];
            send(&app, Method::POST, &route.path, &headers, "{}").await.is_error(415, 3);
        }
        let headers = [("content-encoding", "identity"), ("x-auth-proxy-config-id", config)];
        let answer = send(&app, Method::POST, &route.path, &headers, "{}").await;
        assert_ne!(answer.status, 415, "{}", route.path);
        send(&app, Method::POST, &route.path, &headers, vec![b' '; MAX_BODY + 1]).await.is_error(413, 3);
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let mut body = json!({ "organizationId": server.tenant.organization_id }).to_string();
    body.push_str(&" ".repeat(MAX_BODY - body.len()));
    let answer = stamped(&app, &server.tenant.key, "/public/v1/query/whoami", body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn every_route_refuses_other_methods_in_json() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    for route in routes::all() {
        let (right, allow) = match route.surface {
            Surface::Submit | Surface::Query | Surface::Proxy | Surface::Token => {
                (vec![Method::POST], "POST, OPTIONS")
            }
            Surface::Receipts => (vec![Method::POST], "POST"),
            Surface::Keys | Surface::Jwks | Surface::WebhookJwks => {
                (vec![Method::GET, Method::HEAD], "GET, HEAD, OPTIONS")
            }
            Surface::Docs | Surface::Health | Surface::Ready => {
                (vec![Method::GET, Method::HEAD], "GET, HEAD")
            }
        };
        for method in METHODS.into_iter().chain([Method::POST]).filter(|method| !right.contains(method)) {
            let answer = send(&app, method, &route.path, &[], "").await;
            answer.is_error(405, 12);
            assert_eq!(answer.header("allow"), Some(allow), "{}", route.path);
        }
    }
}

#[tokio::test]
async fn paths_that_do_not_exist_are_not_found_in_json() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    for path in [
        "/",
        "/public/v1/submit/",
        "/public/v1/submit/init_otp/",
        "/public/v1/submit/INIT_OTP",
        "/public/v1/submit/init%5Fotp",
        "/public/v1/submit/whoami",
        "/public/v1/query/init_otp",
        "/public/v1/submit//init_otp",
        "/v1/nothing",
        "/v1/",
        "/dev/messages",
        "/dev/clock",
        "/assets/app.js",
        "/metrics",
        "/.well-known/vestibule",
        "/admin",
        "/openapi/",
        "/openapi/docs.js",
        "/docs/",
        "/docs/index.html",
        "/vestibule/v1/receipts",
        "/vestibule/v1/receipts/",
        "/vestibule/v1/receipts/ses/more",
    ] {
        for method in [Method::GET, Method::POST] {
            send(&app, method, path, &[], "{}").await.is_error(404, 5);
        }
    }
}

#[tokio::test]
async fn leading_slashes_count_as_one() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let body = json!({ "organizationId": server.tenant.organization_id }).to_string();
    for path in ["/public/v1/query/whoami", "//public/v1/query/whoami", "////public/v1/query/whoami"] {
        let answer = stamped(&app, &server.tenant.key, path, body.as_bytes()).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
        assert_eq!(answer.json()["userId"], json!(server.tenant.user_id));
    }
}

#[tokio::test]
async fn a_stamp_header_that_comes_twice_or_is_no_text_is_malformed() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let body = json!({ "organizationId": server.tenant.organization_id }).to_string();
    let stamp = ApiStamp::make(&server.tenant.key, body.as_bytes());
    let path = "/public/v1/query/whoami";
    for headers in [
        [("x-stamp", stamp.as_str()), ("x-stamp", stamp.as_str())],
        [("x-stamp", stamp.as_str()), ("x-stamp-webauthn", "{}")],
        [("x-stamp", stamp.as_str()), ("x-session", "s")],
    ] {
        let answer = send(&app, Method::POST, path, &headers, body.clone()).await;
        answer.is_error(401, 16);
        assert_eq!(answer.json()["message"], "malformed activity stamp");
    }
    let request = axum::http::Request::post(path).header("x-stamp", &b"\xff\xfe"[..]);
    let response = app.handle(None, request.body(axum::body::Body::from(body)).unwrap()).await;
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn the_keys_and_the_state_of_the_server_are_for_everybody() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let keys = send(&app, Method::GET, "/.well-known/vestibule/keys", &[], "").await;
    assert_eq!((keys.status, keys.header("content-type")), (200, Some("application/json")));
    assert_eq!(keys.json(), server.key_set().public_document());
    assert_eq!(keys.header("access-control-allow-origin"), Some("*"));
    let webhooks = send(&app, Method::GET, "/public/v1/discovery/webhooks/jwks", &[], "").await;
    assert_eq!((webhooks.status, webhooks.header("content-type")), (200, Some("application/json")));
    assert_eq!(webhooks.json(), server.engine.webhook_jwks());
    assert_eq!(webhooks.json()["keys"].as_array().map(Vec::len), Some(1));
    let cached = "public, max-age=86400, s-maxage=86400, stale-if-error=604800";
    assert_eq!(webhooks.header("cache-control"), Some(cached));
    assert_eq!(webhooks.header("access-control-allow-origin"), Some("*"));
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = send(&app, Method::GET, path, &[], "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": status })), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn the_descriptions_and_their_page_are_for_everybody() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    for (path, routes) in [("/openapi/public.json", "/public/v1/"), ("/openapi/proxy.json", "/v1/")] {
        let answer = send(&app, Method::GET, path, &[], "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let described: Vec<String> = answer.json()["paths"].as_object().unwrap().keys().cloned().collect();
        let mut served: Vec<&str> = routes::all().map(|route| route.path.as_str()).collect();
        served.retain(|path| path.starts_with(routes));
        assert_eq!(described.len(), served.len(), "{path}");
        assert!(described.iter().all(|path| served.contains(&path.as_str())), "{described:?}");
        let tag = answer.header("etag").unwrap().to_owned();
        let again = send(&app, Method::GET, path, &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())));
    }
    let page = send(&app, Method::GET, "/docs", &[], "").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn a_request_keeps_its_own_id_when_that_is_sane_and_gets_one_otherwise() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let own = send(&app, Method::GET, "/healthz", &[("x-request-id", "trace-1.a_B")], "").await;
    assert_eq!(own.header("x-request-id"), Some("trace-1.a_B"));
    let mut made = Vec::new();
    let long = "x".repeat(65);
    for own in ["", "two words", "a\"b", "a/b", &long] {
        let answer = send(&app, Method::GET, "/nothing", &[("x-request-id", own)], "").await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id != own && id.len() > 8, "{own}: {id}");
        made.push(id);
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 5, "each has its own");
}
