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
