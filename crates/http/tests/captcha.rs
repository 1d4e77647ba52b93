//! Captchas of the auth proxy, against a stand-in of the providers' "siteverify" on this machine.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::routing::post;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::uncounted;
use tokio::net::TcpListener;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::secret::Secret;
use vestibule_engine::limits::Limit;
use vestibule_engine::{CaptchaProvider, CaptchaWidget, Settings};
use vestibule_http::{AddressLimits, App, AppState, Captcha, CaptchaSettings, RequestLimits};
use vestibule_testkit::{TestServer, Verified, client_key};
use vestibule_wire::{ActivityType, OtpType};

use CaptchaProvider::{Hcaptcha, Recaptcha, Turnstile};

const PROVIDERS: [CaptchaProvider; 3] = [Turnstile, Hcaptcha, Recaptcha];

/// What the stand-in was asked, as forms.
type Asked = Arc<Mutex<Vec<String>>>;

/// A provider that answers by the token, remembers what it was asked, and takes every token once.
async fn provider(asked: Asked) -> String {
    async fn verify(State(asked): State<Asked>, form: String) -> (StatusCode, String) {
        let token = form.split('&').find_map(|pair| pair.strip_prefix("response=")).unwrap().to_owned();
        let seen = {
            let mut asked = asked.lock().unwrap();
            asked.push(form);
            asked
                .iter()
                .filter(|form| form.contains(&format!("response={token}&")) || form.ends_with(&token))
                .count()
        };
        let refused = |code: &str| json!({ "success": false, "error-codes": [code] });
        let confirmed = |host: &str| {
            json!({
                "success": true, "challenge_ts": "2027-01-15T08:00:00Z", "hostname": host, "action": "login",
                "score": 0.9, "error-codes": [],
            })
        };
        match token.as_str() {
            "slow" => std::future::pending().await,
            "down" => (StatusCode::SERVICE_UNAVAILABLE, "<html>sorry</html>".to_owned()),
            "busy" => (StatusCode::TOO_MANY_REQUESTS, "slow down".to_owned()),
            "puzzled" => (StatusCode::BAD_REQUEST, "<html>what?</html>".to_owned()),
            "down-json" => (StatusCode::BAD_GATEWAY, confirmed("app.example.com").to_string()),
            "garbled" => (StatusCode::OK, "{\"success\":".to_owned()),
            "huge" => (StatusCode::OK, " ".repeat(100_000) + &confirmed("app.example.com").to_string()),
            "moved" => (StatusCode::FOUND, confirmed("app.example.com").to_string()),
            "internal" => (StatusCode::OK, refused("internal-error").to_string()),
            "secretless" => (StatusCode::BAD_REQUEST, refused("invalid-input-secret").to_string()),
            "forged" => (StatusCode::OK, refused("invalid-input-response").to_string()),
            "elsewhere" => (StatusCode::OK, confirmed("evil.example").to_string()),
            _ if seen > 1 => (StatusCode::OK, refused("timeout-or-duplicate").to_string()),
            _ => (StatusCode::OK, confirmed("app.example.com").to_string()),
        }
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
    let router = Router::new().route("/siteverify", post(verify)).with_state(asked);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

struct Site {
    server: TestServer,
    app: App,
    asked: Asked,
    config: String,
}

/// An auth proxy that asks for captchas, unless `enabled` says otherwise.
async fn site_with(
    of: CaptchaProvider,
    enabled: bool,
    limits: RequestLimits,
    change: impl FnOnce(&mut CaptchaSettings),
) -> Site {
    let widget = CaptchaWidget { provider: of, site_key: "site-key".to_owned() };
    let settings = Settings { captcha: Some(widget), account_requires_token: false, ..Settings::default() };
    let server = TestServer::with(settings).await;
    let asked = Asked::default();
    let mut settings = CaptchaSettings {
        provider: of,
        secret: Secret::new("the-secret".to_owned()),
        verify_url: Some(provider(Arc::clone(&asked)).await),
        hostnames: Vec::new(),
        action: None,
        min_score: None,
        send_address: true,
        timeout: Duration::from_secs(5),
        pass_when_unavailable: false,
    };
    change(&mut settings);
    let app = App::new(AppState {
        engine: server.engine.clone(),
        keys: server.keys.clone(),
        store: server.store.clone(),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits,
        receipts: None,
        captcha: Some(Captcha::new(settings).unwrap()),
        dev: None,
    });
    let change = json!({ "captchaEnabled": enabled, "allowedAuthMethods": ["email", "sms", "wallet"] });
    let updated = server.backend(ActivityType::UpdateAuthProxyConfig, change).await;
    assert_eq!(updated.status, 200, "{}", updated.body);
    let config = server.tenant.proxy_config.clone();
    Site { server, app, asked, config }
}

async fn site(of: CaptchaProvider) -> Site {
    site_with(of, true, uncounted(), |_| {}).await
}

struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    fn refusal(&self) -> (u16, i64, &str) {
        (self.status, self.body["code"].as_i64().unwrap_or(-1), self.body["message"].as_str().unwrap_or(""))
    }
}

const MISSING: (u16, i64, &str) = (400, 3, "missing captcha token (X-Captcha-Token header)");
const FAILED: (u16, i64, &str) = (403, 7, "captcha verification failed, please try again");
const AWAY: (u16, i64, &str) = (503, 14, "the captcha could not be verified at the moment, please try again");

impl Site {
    async fn send(&self, method: Method, name: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send_from(Some(IpAddr::from([192, 0, 2, 7])), method, name, headers, body).await
    }

    async fn send_from(
        &self,
        peer: Option<IpAddr>,
        method: Method,
        name: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1/{name}"))
            .header("x-auth-proxy-config-id", &self.config);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.app.handle(peer, request.body(Body::from(body.to_string())).unwrap()).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// A call that asks for a code.
    async fn init(&self, name: &str, token: Option<&str>, email: &str) -> Answer {
        let headers: Vec<_> = token.map(|token| ("x-captcha-token", token)).into_iter().collect();
        let body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email });
        self.send(Method::POST, name, &headers, &body).await
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn codes_sent(&self, email: &str) -> usize {
        self.server.messages(OtpType::Email, email).await.len()
    }

    /// A sign-up by a wallet, without a proved contact.
    async fn wallet_signup(&self, name: &str, token: Option<&str>, more: Value) -> Answer {
        let key = client_key(&self.server).public_key().to_hex();
        let mut body = json!({
            "userName": "Ann", "authenticators": [], "oauthProviders": [],
            "apiKeys": [{ "apiKeyName": "w", "publicKey": key, "curveType": "API_KEY_CURVE_P256" }],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let headers: Vec<_> = token.map(|token| ("x-captcha-token", token)).into_iter().collect();
        self.send(Method::POST, name, &headers, &body).await
    }
}

#[tokio::test]
async fn a_confirmed_token_lets_a_call_pass_once_with_every_provider() {
    for provider in PROVIDERS {
        let site = site(provider).await;
        let answer = site.init("otp_init_v2", Some("good-1"), "ann@acme.example").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body["otpId"].is_string());
        let form = site.asked.lock().unwrap()[0].clone();
        assert_eq!(form, "secret=the-secret&response=good-1&remoteip=192.0.2.7");
        let again = site.init("otp_init_v2", Some("good-1"), "ann@acme.example").await;
        assert_eq!(again.refusal(), FAILED);
        assert_eq!(site.codes_sent("ann@acme.example").await, 1);
    }
}

#[tokio::test]
async fn whatever_is_no_confirmation_is_refused_with_every_provider_and_sends_nothing() {
    for provider in PROVIDERS {
        let hostnames = |settings: &mut CaptchaSettings| {
            settings.hostnames = vec!["app.example.com".to_owned()];
            settings.timeout = Duration::from_millis(200);
        };
        let site = site_with(provider, true, uncounted(), hostnames).await;
        for (token, refusal) in [
            (None, MISSING),
            (Some(""), MISSING),
            (Some("  "), MISSING),
            (Some("forged"), FAILED),
            (Some("elsewhere"), FAILED),
            (Some("slow"), AWAY),
            (Some("down"), AWAY),
            (Some("down-json"), AWAY),
            (Some("busy"), AWAY),
            (Some("puzzled"), FAILED),
            (Some("garbled"), AWAY),
            (Some("huge"), AWAY),
            (Some("moved"), AWAY),
            (Some("internal"), AWAY),
            (Some("secretless"), AWAY),
            (Some("x".repeat(if provider == Turnstile { 2049 } else { 8193 }).as_str()), FAILED),
        ] {
            for name in ["otp_init", "otp_init_v2"] {
                let answer = site.init(name, token, "ann@acme.example").await;
                assert_eq!(answer.refusal(), refusal, "{provider:?} {name} {token:?}");
            }
        }
        assert_eq!(site.codes_sent("ann@acme.example").await, 0, "{provider:?}");
        assert_eq!(site.init("otp_init", Some("good"), "ann@acme.example").await.status, 200);
    }
}

#[tokio::test]
async fn an_operator_may_let_calls_pass_while_the_provider_is_away_and_then_alone() {
    let open = |settings: &mut CaptchaSettings| {
        settings.pass_when_unavailable = true;
        settings.timeout = Duration::from_millis(200);
    };
    let site = site_with(Turnstile, true, uncounted(), open).await;
    for (n, token) in ["slow", "down", "down-json", "busy"].into_iter().enumerate() {
        let answer = site.init("otp_init_v2", Some(token), &format!("ann{n}@acme.example")).await;
        assert_eq!(answer.status, 200, "{token}: {}", answer.body);
    }
    for (token, refusal) in [
        (None, MISSING),
        (Some("forged"), FAILED),
        (Some("puzzled"), FAILED),
        (Some("garbled"), AWAY),
        (Some("internal"), AWAY),
        (Some("secretless"), AWAY),
    ] {
        assert_eq!(site.init("otp_init_v2", token, "bob@acme.example").await.refusal(), refusal, "{token:?}");
    }
}

#[tokio::test]
async fn sign_ups_need_a_token_unless_their_contact_is_proved() {
    let site = site(Turnstile).await;
    for name in ["signup", "signup_v2"] {
        assert_eq!(site.wallet_signup(name, None, json!({})).await.refusal(), MISSING, "{name}");
        // What counts as absent elsewhere proves nothing here.
        let empty = json!({ "verificationToken": "" });
        assert_eq!(site.wallet_signup(name, None, empty).await.refusal(), MISSING, "{name}");
        let null = json!({ "verificationToken": null });
        assert_eq!(site.wallet_signup(name, None, null).await.refusal(), MISSING, "{name}");
        let made_up = site.wallet_signup(name, None, json!({ "verificationToken": "a.b.c" })).await;
        assert_eq!(made_up.refusal().2, "invalid verification token", "{name}");
        let signed = site.wallet_signup(name, Some(&format!("good-{name}")), json!({})).await;
        assert_eq!(signed.status, 200, "{name}: {}", signed.body);
    }
    assert_eq!(site.asked(), 2);

    let email = "new@acme.example";
    let init = site.init("otp_init_v2", Some("good-otp"), email).await;
    let text = |name: &str| init.body[name].as_str().unwrap().to_owned();
    let key = client_key(&site.server);
    let code = site.server.code(email).await;
    let guess = site.server.guess(&text("otpId"), &text("otpEncryptionTargetBundle"), &code, &key);
    let verified = site.send(Method::POST, "otp_verify_v2", &[], &guess).await;
    let token = verified.body["verificationToken"].as_str().unwrap().to_owned();
    let body = site.server.signup_body(email, &Verified { token, key });
    let signed = site.send(Method::POST, "signup_v2", &[], &body).await;
    assert_eq!(signed.status, 200, "{}", signed.body);
    assert_eq!(site.asked(), 3, "only the code took a token");
}

#[tokio::test]
async fn no_other_door_leads_past_the_captcha() {
    let site = site(Turnstile).await;
    let body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "ann@acme.example" });
    let two = [("x-captcha-token", "good-1"), ("x-captcha-token", "good-2")];
    assert_eq!(site.send(Method::POST, "otp_init_v2", &two, &body).await.refusal(), FAILED);
    let same = [("x-captcha-token", "good-1"), ("X-Captcha-Token", "good-1")];
    assert_eq!(site.send(Method::POST, "otp_init_v2", &same, &body).await.refusal(), FAILED);
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(site.send(method.clone(), "otp_init_v2", &[], &body).await.status, 405, "{method}");
    }
    let preflight = site.send(Method::OPTIONS, "otp_init_v2", &[], &body).await;
    assert_eq!((preflight.status, preflight.body), (204, Value::Null));
    for path in ["/otp_init_v2", "otp_init_v2/", "OTP_INIT_V2", "otp_init_v2?x-captcha-token=good-1"] {
        assert_ne!(site.send(Method::POST, path, &[], &body).await.status, 200, "{path}");
    }
    for sneaky in [
        json!({ "captchaToken": "good-1" }),
        json!({ "captchaEnabled": false }),
        json!({ "x-captcha-token": "g" }),
    ] {
        let mut sneaky_body = body.clone();
        sneaky_body.as_object_mut().unwrap().extend(sneaky.as_object().unwrap().clone());
        assert_eq!(
            site.send(Method::POST, "otp_init_v2", &[], &sneaky_body).await.refusal(),
            MISSING,
            "{sneaky}"
        );
    }
    assert_eq!((site.asked(), site.codes_sent("ann@acme.example").await), (0, 0));
}

#[tokio::test]
async fn a_token_is_not_spent_on_a_call_that_would_be_refused_anyway() {
    let site = site(Turnstile).await;
    let token = [("x-captcha-token", "good")];
    for (body, message) in [
        (json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "no address" }), "invalid email address"),
        (json!({ "otpType": "OTP_TYPE_SMS", "contact": "+1 555" }), "invalid phone number"),
        (
            json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "" }),
            "invalid request body: missing field `contact`",
        ),
        (json!({ "otpType": "OTP_TYPE_EMAIL" }), "invalid request body: missing field `contact`"),
        (json!([]), "bad request body"),
    ] {
        assert_eq!(
            site.send(Method::POST, "otp_init_v2", &token, &body).await.refusal().2,
            message,
            "{body}"
        );
    }
    let keyless = json!({ "userName": "Ann", "apiKeys": [], "authenticators": [], "oauthProviders": [] });
    assert_eq!(site.send(Method::POST, "signup_v2", &token, &keyless).await.status, 400);
    assert_eq!(site.asked(), 0);

    let one = RequestLimits {
        addresses: AddressLimits { requests: Limit::refuse(2, 2000), ..AddressLimits::default() },
        ..RequestLimits::default()
    };
    let site = site_with(Turnstile, true, one, |_| {}).await;
    for n in 0..4 {
        site.init("otp_init_v2", Some(&format!("good-{n}")), &format!("ann{n}@acme.example")).await;
    }
    assert_eq!(site.asked(), 2, "what the limit of the address refused asked nobody");
}

#[tokio::test]
async fn calls_that_send_nothing_and_proxies_without_captchas_need_no_token() {
    let site = site(Turnstile).await;
    for (name, body) in [
        ("wallet_kit_config", json!({})),
        ("wallet_kit_client_params", json!({})),
        ("account", json!({ "filterType": "EMAIL", "filterValue": "ann@acme.example" })),
    ] {
        assert_eq!(site.send(Method::POST, name, &[], &body).await.status, 200, "{name}");
    }
    let open = site_with(Turnstile, false, uncounted(), |_| {}).await;
    assert_eq!(open.init("otp_init_v2", None, "ann@acme.example").await.status, 200);
    assert_eq!(open.init("otp_init_v2", Some("forged"), "ann@acme.example").await.status, 200);
    assert_eq!(open.wallet_signup("signup_v2", None, json!({})).await.status, 200);
    assert_eq!((site.asked(), open.asked()), (0, 0));
    let params = open.send(Method::POST, "wallet_kit_client_params", &[], &json!({})).await;
    assert_eq!(params.body, json!({}), "nobody is told of a captcha that is not asked for");
}

#[tokio::test]
async fn clients_are_told_the_site_key() {
    for (provider, params) in [
        (Turnstile, json!({ "turnstileSiteKey": "site-key" })),
        (Hcaptcha, json!({ "captchaProvider": "hcaptcha", "captchaSiteKey": "site-key" })),
        (Recaptcha, json!({ "captchaProvider": "recaptcha", "captchaSiteKey": "site-key" })),
    ] {
        let site = site(provider).await;
        let told = site.send(Method::POST, "wallet_kit_client_params", &[], &json!({})).await;
        assert_eq!((told.status, told.body), (200, params));
    }
}

#[tokio::test]
async fn the_provider_is_told_the_address_behind_trusted_proxies_or_none_at_all() {
    let trusting = RequestLimits {
        addresses: AddressLimits {
            enabled: false,
            trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
            ..AddressLimits::default()
        },
        ..RequestLimits::default()
    };
    let site = site_with(Turnstile, true, trusting, |_| {}).await;
    let headers = [("x-captcha-token", "good"), ("x-forwarded-for", "203.0.113.9, 2001:db8::5")];
    let body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "ann@acme.example" });
    assert_eq!(site.send(Method::POST, "otp_init_v2", &headers, &body).await.status, 200);
    assert!(site.asked.lock().unwrap()[0].ends_with("&remoteip=2001%3Adb8%3A%3A5"), "{:?}", site.asked);

    let silent = site_with(Turnstile, true, uncounted(), |settings| settings.send_address = false).await;
    assert_eq!(silent.init("otp_init_v2", Some("good"), "ann@acme.example").await.status, 200);
    let unknown = [("x-captcha-token", "good-2")];
    assert_eq!(silent.send_from(None, Method::POST, "otp_init", &unknown, &body).await.status, 200);
    let forms = silent.asked.lock().unwrap().clone();
    assert_eq!(forms, ["secret=the-secret&response=good", "secret=the-secret&response=good-2"]);
}

#[tokio::test]
async fn a_server_without_a_provider_neither_switches_captchas_on_nor_passes_calls_that_need_one() {
    let plain = TestServer::start().await;
    let on = json!({ "captchaEnabled": true });
    let refused = plain.backend(ActivityType::UpdateAuthProxyConfig, on).await;
    assert_eq!(refused.status, 400, "{}", refused.body);

    // A node whose configuration lacks the section, beside one that has it.
    let site = site(Turnstile).await;
    let node = App::new(AppState {
        engine: site.server.engine.clone(),
        keys: site.server.keys.clone(),
        store: site.server.store.clone(),
        entropy: Arc::new(SeededEntropy::new(2)),
        limits: uncounted(),
        receipts: None,
        captcha: None,
        dev: None,
    });
    let node = Site { app: node, ..site };
    assert_eq!(node.init("otp_init_v2", Some("good"), "ann@acme.example").await.refusal(), AWAY);
    assert_eq!(node.wallet_signup("signup_v2", Some("good"), json!({})).await.refusal(), AWAY);
    assert_eq!(node.codes_sent("ann@acme.example").await, 0);
}

#[test]
fn the_secret_goes_to_https_or_to_this_machine_alone() {
    let with = |url: &str| {
        Captcha::new(CaptchaSettings {
            provider: Turnstile,
            secret: Secret::new("s".to_owned()),
            verify_url: Some(url.to_owned()),
            hostnames: Vec::new(),
            action: None,
            min_score: None,
            send_address: true,
            timeout: Duration::from_secs(1),
            pass_when_unavailable: false,
        })
        .is_ok()
    };
    for url in [
        "https://captcha.example.com/siteverify",
        "http://127.0.0.1:1/v",
        "http://[::1]:1/v",
        "http://localhost/v",
    ] {
        assert!(with(url), "{url}");
    }
    for url in [
        "http://captcha.example.com/siteverify",
        "ftp://127.0.0.1/",
        "siteverify",
        "http://127.0.0.1.example.com/",
    ] {
        assert!(!with(url), "{url}");
    }
}
