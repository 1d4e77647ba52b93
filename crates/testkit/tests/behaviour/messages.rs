//! What an INIT says about its message reaches the outbox, in every version that has the member.

use serde_json::json;
use vestibule_engine::NewTemplate;
use vestibule_testkit::TestServer;
use vestibule_wire::{ActivityType, OtpType};

#[tokio::test]
async fn every_customization_member_reaches_the_message_in_every_version_that_has_it() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let template = server
        .engine
        .add_template(NewTemplate {
            organization_id: server.tenant.organization_id,
            name: "t".to_owned(),
            subject: "{{.OtpCode}}".to_owned(),
            html: "{{.OtpCode}}".to_owned(),
            text: None,
            locale: None,
            sms: None,
        })
        .await
        .expect("stored");
    let inner = |app_name: bool| {
        let mut custom = json!({
            "logoUrl": "https://app.example/l.png",
            "magicLinkTemplate": "https://app.example/?c=%s",
            "templateVariables": "{\"k\":\"v\"}",
            "templateId": template.id,
        });
        if app_name {
            custom["appName"] = json!("Named");
        }
        custom
    };
    for (activity, app_name_inside) in [
        (ActivityType::InitOtp, true),
        (ActivityType::InitOtpV2, false),
        (ActivityType::InitOtpV3, false),
        (ActivityType::InitOtpAuth, true),
        (ActivityType::InitOtpAuthV2, true),
        (ActivityType::InitOtpAuthV3, false),
    ] {
        server.clock.advance_s(600);
        let mut parameters = json!({
            "otpType": "OTP_TYPE_EMAIL", "contact": "User@acme.example",
            "emailCustomization": inner(app_name_inside),
            "sendFromEmailAddress": "otp@app.example", "sendFromEmailSenderName": "App", "replyToEmailAddress": "help@app.example",
        });
        if !app_name_inside {
            parameters["appName"] = json!("Named");
        }
        let target = if activity.kind() == "INIT_OTP" {
            server.tenant.organization_id
        } else {
            account.organization_id
        };
        server.submit(&server.tenant.key, activity, target, parameters).await.text("otpId");
        let sent = server.messages(OtpType::Email, "user@acme.example").await.pop().expect("a message");
        assert_eq!(sent.to, "User@acme.example", "delivered to the given spelling");
        assert_eq!(sent.app_name, "Named", "{}", activity.name());
        assert_eq!(sent.logo_url.as_deref(), Some("https://app.example/l.png"));
        assert_eq!(sent.magic_link_template.as_deref(), Some("https://app.example/?c=%s"));
        assert_eq!(sent.template_variables.get("k").map(String::as_str), Some("v"));
        assert_eq!(sent.template_id, Some(template.id));
        assert_eq!(sent.send_from.as_deref(), Some("otp@app.example"));
        assert_eq!(sent.sender_name.as_deref(), Some("App"));
        assert_eq!(sent.reply_to.as_deref(), Some("help@app.example"));
    }
    let sms = json!({
        "otpType": "OTP_TYPE_SMS", "contact": "+14155552671", "appName": "Acme",
        "smsCustomization": { "template": "Code: {{ .OtpCode }}" },
    });
    server.backend(ActivityType::InitOtpV3, sms).await.text("otpId");
    let sent = server.messages(OtpType::Sms, "+14155552671").await.pop().expect("a message");
    assert_eq!(sent.sms_template.as_deref(), Some("Code: {{ .OtpCode }}"));
}

#[tokio::test]
async fn without_a_template_id_the_most_recent_template_is_used() {
    let server = TestServer::start().await;
    let organization_id = server.tenant.organization_id;
    let template = async |name: &str| {
        server.clock.advance_ms(1);
        let template = NewTemplate {
            organization_id,
            name: name.to_owned(),
            subject: "s".to_owned(),
            html: "{{.OtpCode}}".to_owned(),
            text: None,
            locale: None,
            sms: None,
        };
        server.engine.add_template(template).await.expect("stored").id
    };
    let used = async |email: &str| {
        server.backend(ActivityType::InitOtpV3, server.init_email(email)).await.text("otpId");
        server.messages(OtpType::Email, email).await.pop().expect("a message").template_id
    };
    assert_eq!(used("a@acme.example").await, None);
    let first = template("first").await;
    assert_eq!(used("b@acme.example").await, Some(first));
    let second = template("second").await;
    assert_eq!(used("c@acme.example").await, Some(second));
    server.engine.remove_template(organization_id, second).await.expect("removed");
    assert_eq!(used("d@acme.example").await, Some(first));
    let mut parameters = server.init_email("e@acme.example");
    parameters["emailCustomization"] = json!({ "templateId": second });
    let gone = server.backend(ActivityType::InitOtpV3, parameters).await;
    assert_eq!(gone.refusal(), (400, "REQUEST_INVALID", "failed to get email template contents"));
}

#[tokio::test]
async fn bad_customization_is_refused_in_the_documented_words() {
    let server = TestServer::start().await;
    for (name, value, message) in [
        ("magicLinkTemplate", "https://app.example/", "invalid magic link template"),
        ("magicLinkTemplate", "javascript:%s", "invalid magic link template"),
        ("logoUrl", "http://app.example/l.png", "invalid logo url"),
        ("logoUrl", "http://localhost/l.png", "invalid logo url"),
        ("templateVariables", "[]", "failed to unmarshal template variables"),
        ("templateId", "nonsense", "failed to get email template contents"),
    ] {
        let mut parameters = server.init_email("user@acme.example");
        parameters["emailCustomization"] = json!({ name: value });
        let reply = server.backend(ActivityType::InitOtpV3, parameters).await;
        assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", message), "{name}={value}");
    }
    let mut sms = server.init_email("user@acme.example");
    sms["smsCustomization"] = json!({ "template": "no code" });
    assert_eq!(server.backend(ActivityType::InitOtpV3, sms).await.refusal().2, "invalid sms template");
    let mut injected = server.init_email("user@acme.example");
    injected["appName"] = json!("Acme\r\nBcc: x@y.example");
    assert_eq!(
        server.backend(ActivityType::InitOtpV3, injected).await.refusal().2,
        "invalid request body: appName is not a label"
    );
    let reply = server.backend(ActivityType::InitOtpV3, server.init_email("a@b.c\r\nBcc: x@y.z")).await;
    assert_eq!(reply.refusal(), (400, "INVALID_EMAIL", "invalid email address"));
}

#[tokio::test]
async fn a_template_of_the_proxy_serves_email_leaves_sms_alone_and_may_go() {
    let server = TestServer::start().await;
    let organization_id = server.tenant.organization_id;
    let unknown = json!({ "otpTemplateId": "00000000-0000-7000-8000-000000000000" });
    let refused = server.backend(ActivityType::UpdateAuthProxyConfig, unknown).await;
    assert_eq!(refused.refusal().2, "failed to get email template contents");
    let template = NewTemplate {
        organization_id,
        name: "t".to_owned(),
        subject: "s".to_owned(),
        html: "{{.OtpCode}}".to_owned(),
        text: None,
        locale: None,
        sms: None,
    };
    let id = server.engine.add_template(template).await.expect("stored").id;
    server.backend(ActivityType::UpdateAuthProxyConfig, json!({ "otpTemplateId": id })).await.result();
    let send = async |kind: &str, contact: &str| {
        let reply = server.proxy("otp_init_v2", json!({ "otpType": kind, "contact": contact })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        server.messages(kind.parse().expect("a kind"), contact).await.pop().expect("a message").template_id
    };
    assert_eq!(send("OTP_TYPE_EMAIL", "a@acme.example").await, Some(id));
    assert_eq!(send("OTP_TYPE_SMS", "+14155552671").await, None);
    server.engine.remove_template(organization_id, id).await.expect("removed");
    assert_eq!(send("OTP_TYPE_EMAIL", "b@acme.example").await, None);
}

fn tags(payload: &vestibule_engine::model::MessagePayload) -> Vec<String> {
    payload.locales.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_language_asked_for_and_then_the_organizations_reach_every_message() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let tenant = server.tenant.organization_id;
    server.engine.set_locale(tenant, "pt-BR".parse().ok()).await.expect("set");
    let target =
        vestibule_crypto::p256::AgreementKey::generate(&*server.entropy).public_key().to_uncompressed_hex();
    let code = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "user@acme.example", "appName": "Acme", "locale": "de-AT, fr;q=0.5" });
    let key = json!({
        "email": "user@acme.example", "targetPublicKey": target, "locale": "de-AT, fr;q=0.5",
        "emailCustomization": { "appName": "Acme" },
    });
    for (activity, organization, parameters) in [
        (ActivityType::InitOtp, tenant, &code),
        (ActivityType::InitOtpV2, tenant, &code),
        (ActivityType::InitOtpV3, tenant, &code),
        (ActivityType::InitOtpAuth, account.organization_id, &code),
        (ActivityType::InitOtpAuthV2, account.organization_id, &code),
        (ActivityType::InitOtpAuthV3, account.organization_id, &code),
        (ActivityType::EmailAuth, account.organization_id, &key),
        (ActivityType::EmailAuthV2, account.organization_id, &key),
        (ActivityType::EmailAuthV3, account.organization_id, &key),
        (ActivityType::InitUserEmailRecovery, account.organization_id, &key),
        (ActivityType::InitUserEmailRecoveryV2, account.organization_id, &key),
    ] {
        server.clock.advance_s(600);
        let reply = server.submit(&server.tenant.key, activity, organization, parameters.clone()).await;
        assert_eq!(reply.status, 200, "{}: {}", activity.name(), reply.body);
        let sent = server.messages(OtpType::Email, "user@acme.example").await.pop().expect("a message");
        assert_eq!(tags(&sent), ["de-AT", "fr", "pt-BR"], "{}", activity.name());
    }
}

#[tokio::test]
async fn a_hint_that_is_none_costs_no_login() {
    let server = TestServer::start().await;
    for hint in ["", "*", "klingon-language-of-stars", "\u{202e}", &"de,".repeat(2000)] {
        let contact = format!("{}@acme.example", uuid::Uuid::from_u128(hint.len() as u128));
        let mut parameters = server.init_email(&contact);
        parameters["locale"] = json!(hint);
        let reply = server.backend(ActivityType::InitOtpV3, parameters).await;
        assert_eq!(reply.status, 200, "{hint}: {}", reply.body);
        let sent = server.messages(OtpType::Email, &contact).await.pop().expect("a message");
        assert_eq!(tags(&sent), Vec::<String>::new());
    }
    let mut parameters = server.init_email("user@acme.example");
    parameters["locale"] = json!(["de"]);
    assert_eq!(server.backend(ActivityType::InitOtpV3, parameters).await.status, 400, "a list is no text");
}

#[tokio::test]
async fn a_browser_gets_its_own_language_unless_the_page_asks_for_another() {
    let server = TestServer::start().await;
    server.engine.set_locale(server.tenant.organization_id, "it".parse().ok()).await.expect("set");
    let config = server.tenant.proxy_config.clone();
    let asked = async |contact: &str, languages: Option<&str>, locale: Option<&str>| {
        let mut body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": contact });
        if let Some(locale) = locale {
            body["locale"] = json!(locale);
        }
        let mut headers = vec![("x-auth-proxy-config-id", config.as_str())];
        headers.extend(languages.map(|languages| ("accept-language", languages)));
        let path = "/v1/otp_init_v2";
        let reply = server.send(axum::http::Method::POST, path, &headers, body.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        tags(&server.messages(OtpType::Email, contact).await.pop().expect("a message"))
    };
    let browser = "tr-TR,tr;q=0.9,en-US;q=0.8,en;q=0.7";
    assert_eq!(asked("a@acme.example", Some(browser), None).await, ["tr-TR", "tr", "en-US", "en", "it"]);
    assert_eq!(asked("b@acme.example", Some(browser), Some("ja")).await, ["ja", "it"]);
    assert_eq!(asked("c@acme.example", Some(browser), Some("nonsense!")).await[0], "tr-TR");
    assert_eq!(asked("d@acme.example", Some("*"), None).await, ["it"]);
    assert_eq!(asked("e@acme.example", None, None).await, ["it"]);
}

#[tokio::test]
async fn the_template_follows_the_language_and_the_channel() {
    let server = TestServer::start().await;
    let organization_id = server.tenant.organization_id;
    let add = async |locale: Option<&str>, email: bool, sms: bool| {
        server.clock.advance_ms(1);
        let template = NewTemplate {
            organization_id,
            name: "t".to_owned(),
            locale: locale.map(|tag| tag.parse().expect("a tag")),
            subject: if email { "s".to_owned() } else { String::new() },
            html: if email { "{{.OtpCode}}".to_owned() } else { String::new() },
            text: None,
            sms: sms.then(|| "{{ .OtpCode }}".to_owned()),
        };
        server.engine.add_template(template).await.expect("stored").id
    };
    let number = std::sync::atomic::AtomicU32::new(0);
    let used = async |kind: &str, locale: &str, template: Option<vestibule_wire::TemplateId>| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let contact = match kind {
            "OTP_TYPE_SMS" => format!("+1415555{:04}", 1000 + number),
            _ => format!("u{number}@acme.example"),
        };
        let mut parameters =
            json!({ "otpType": kind, "contact": contact, "appName": "Acme", "locale": locale });
        if let Some(template) = template {
            parameters["emailCustomization"] = json!({ "templateId": template });
        }
        let reply = server.backend(ActivityType::InitOtpV3, parameters).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        server.messages(kind.parse().expect("a kind"), &contact).await.pop().expect("a message").template_id
    };
    let (email, sms) = ("OTP_TYPE_EMAIL", "OTP_TYPE_SMS");
    let english = add(Some("en"), true, false).await;
    // Without another, the last link of every chain.
    assert_eq!(used(email, "ja", None).await, Some(english));
    let plain = add(None, true, true).await;
    let german = add(Some("de"), true, false).await;
    let brazilian = add(Some("pt-BR"), true, true).await;

    assert_eq!(used(email, "de-AT, en", None).await, Some(german));
    assert_eq!(used(email, "ja, pt;q=0.5", None).await, Some(brazilian));
    assert_eq!(used(email, "ja", None).await, Some(plain), "the one for everybody else");
    assert_eq!(used(email, "en-GB", None).await, Some(english));
    assert_eq!(used(email, "ja", Some(german)).await, Some(german), "a named one whatever the language");
    assert_eq!(used(sms, "de", None).await, Some(plain), "the German one has no SMS");
    assert_eq!(used(sms, "pt-BR", None).await, Some(brazilian));
    assert_eq!(
        used(sms, "de", Some(german)).await,
        Some(plain),
        "an e-mail template that is named leaves SMS alone"
    );
    assert_eq!(used(sms, "de", Some(brazilian)).await, Some(brazilian));

    server.engine.set_locale(organization_id, "de".parse().ok()).await.expect("set");
    assert_eq!(used(email, "ja", None).await, Some(german), "the organization's language before no language");

    let sms_alone = add(Some("fr"), false, true).await;
    assert_eq!(used(email, "fr", None).await, Some(german));
    assert_eq!(used(sms, "fr", None).await, Some(sms_alone));
    let mut parameters = server.init_email("named@acme.example");
    parameters["emailCustomization"] = json!({ "templateId": sms_alone });
    let refused = server.backend(ActivityType::InitOtpV3, parameters).await;
    assert_eq!(refused.refusal().2, "failed to get email template contents", "it has no e-mail");

    // A caller's own text takes the place of every stored one.
    let own = json!({
        "otpType": sms, "contact": "+14155559999", "appName": "Acme", "locale": "pt-BR",
        "smsCustomization": { "template": "{{.OtpCode}}" },
    });
    server.backend(ActivityType::InitOtpV3, own).await.text("otpId");
    let sent = server.messages(OtpType::Sms, "+14155559999").await.pop().expect("a message");
    assert_eq!((sent.template_id, sent.sms_template.as_deref()), (None, Some("{{.OtpCode}}")));
}

#[tokio::test]
async fn the_language_asked_for_is_kept_with_the_activity_and_changes_nothing_else() {
    let server = TestServer::start().await;
    let mut parameters = server.init_email("user@acme.example");
    parameters["locale"] = json!("de");
    let reply = server.backend(ActivityType::InitOtpV3, parameters).await;
    assert_eq!(reply.body["activity"]["intent"]["initOtpIntentV3"]["locale"], "de");
    let plain = server.backend(ActivityType::InitOtpV3, server.init_email("other@acme.example")).await;
    assert!(plain.body["activity"]["intent"]["initOtpIntentV3"].get("locale").is_none());
}

#[tokio::test]
async fn sender_members_are_checked_for_their_form_in_the_documented_words() {
    let server = TestServer::start().await;
    for (name, value, expected) in [
        ("sendFromEmailAddress", "App <otp@app.example>", (400, "INVALID_EMAIL", "invalid email address")),
        (
            "sendFromEmailAddress",
            "otp@app.example\r\nBcc: x@y.z",
            (400, "INVALID_EMAIL", "invalid email address"),
        ),
        ("replyToEmailAddress", "help", (400, "INVALID_EMAIL", "invalid email address")),
        (
            "sendFromEmailSenderName",
            "App\r\nBcc: x@y.z",
            (400, "REQUEST_INVALID", "invalid request body: sendFromEmailSenderName is not a label"),
        ),
    ] {
        let mut parameters = server.init_email("user@acme.example");
        parameters[name] = json!(value);
        let reply = server.backend(ActivityType::InitOtpV3, parameters).await;
        assert_eq!(reply.refusal(), expected, "{name}={value}");
    }
}
