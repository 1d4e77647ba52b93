//! Limits on sends and failures, and the way through them for a returning user.

use futures_util::future::join_all;
use serde_json::json;
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::{ActivityType, OtpType};

const TOO_MANY: (u16, &str, &str) =
    (400, "MAX_OTP_INITIATED", "Max number of OTPs have been initiated please wait and try again");

/// Spends up to three tries of one fresh code, as an attacker would.
async fn fail_a_code(server: &TestServer, email: &str) -> u16 {
    let reply = server.backend(ActivityType::InitOtpV2, server.init_email(email)).await;
    if reply.status != 200 {
        assert_eq!(reply.refusal(), TOO_MANY);
        return 0;
    }
    let mut spent = 0;
    for n in 0..3 {
        let guess = json!({ "otpId": reply.text("otpId"), "otpCode": format!("OOOO{n}") });
        let refused = server.backend(ActivityType::VerifyOtp, guess).await;
        assert_eq!(refused.refusal().2, "Invalid OTP code");
        spent += 1;
    }
    spent
}

#[tokio::test]
async fn a_contact_gets_three_codes_in_three_minutes_however_they_are_asked_for() {
    let server = TestServer::start().await;
    for spelling in ["user@acme.example", " User@Acme.Example", "USER@ACME.EXAMPLE"] {
        server.backend(ActivityType::InitOtpV3, server.init_email(spelling)).await.text("otpId");
    }
    let fourth = server.backend(ActivityType::InitOtpV3, server.init_email("user@acme.example")).await;
    assert_eq!(fourth.refusal(), TOO_MANY);
    assert_eq!(
        fourth.headers.get("retry-after").map(|v| v.as_bytes()),
        Some(b"300".as_slice()),
        "codes still live"
    );
    let by_proxy = server
        .proxy("otp_init_v2", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "user@acme.example" }))
        .await;
    assert_eq!(by_proxy.refusal(), TOO_MANY);
    assert_eq!(server.messages(OtpType::Email, "user@acme.example").await.len(), 3);
    server.backend(ActivityType::InitOtpV3, server.init_email("other@acme.example")).await.text("otpId");
}

#[tokio::test]
async fn fifty_sends_at_once_are_three() {
    let server = TestServer::start().await;
    let sends = (0..50).map(|n| {
        let mut parameters = server.init_email("user@acme.example");
        parameters["appName"] = json!(format!("App {n}"));
        server.backend(ActivityType::InitOtpV3, parameters)
    });
    let replies = join_all(sends).await;
    assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 3);
    assert!(replies.iter().filter(|r| r.status != 200).all(|r| r.refusal() == TOO_MANY));
    assert_eq!(server.messages(OtpType::Email, "user@acme.example").await.len(), 3);
}

#[tokio::test]
async fn the_window_slides_and_used_codes_make_room() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    for _ in 0..3 {
        server.verify(email).await;
    }
    let fourth = server.backend(ActivityType::InitOtpV3, server.init_email(email)).await;
    assert_eq!(fourth.refusal(), TOO_MANY, "used codes still count as sends");
    server.clock.advance_s(180);
    server.verify(email).await;
}

#[tokio::test]
async fn an_identifier_gets_three_codes_in_three_minutes_over_all_contacts() {
    let server = TestServer::start().await;
    let send = async |email: &str, identifier: &str| {
        let mut parameters = server.init_email(email);
        parameters["userIdentifier"] = json!(identifier);
        server.backend(ActivityType::InitOtpV3, parameters).await
    };
    for n in 0..3 {
        send(&format!("user{n}@acme.example"), "203.0.113.7").await.text("otpId");
    }
    assert_eq!(send("user3@acme.example", "203.0.113.7").await.refusal(), TOO_MANY);
    send("user3@acme.example", "203.0.113.8").await.text("otpId");
    server.clock.advance_s(180);
    send("user4@acme.example", "203.0.113.7").await.text("otpId");
}

#[tokio::test]
async fn failures_survive_resending_and_a_success_clears_them() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    assert_eq!(fail_a_code(&server, email).await + fail_a_code(&server, email).await, 6);
    let delayed = server.backend(ActivityType::InitOtpV2, server.init_email(email)).await;
    assert_eq!(delayed.refusal(), TOO_MANY, "six failures delay the next send");
    assert_eq!(delayed.headers.get("retry-after").map(|v| v.as_bytes()), Some(b"30".as_slice()));
    server.clock.advance_s(30);
    server.verify(email).await;
    server.clock.advance_s(180);
    // A clean slate: two more failed codes cost no delay before the sixth failure.
    assert_eq!(fail_a_code(&server, email).await, 3);
    server.backend(ActivityType::InitOtpV2, server.init_email(email)).await.text("otpId");
}

#[tokio::test]
async fn failures_never_block_the_verification_of_a_live_code() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (otp_id, bundle) = server.init(email).await;
    let code = server.code(email).await;
    assert_eq!(fail_a_code(&server, email).await + fail_a_code(&server, email).await, 6);
    let key = client_key(&server);
    let reply = server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// Fails codes, an hour apart, until the contact gets no more of them; tells how many failures that took.
async fn exhaust(server: &TestServer, email: &str) -> u16 {
    let mut failures = 0;
    loop {
        server.clock.advance_s(3600);
        // Three codes at once, so that none is sent for which no guesses are left in the budget.
        let mut live = Vec::new();
        for _ in 0..3 {
            let reply = server.backend(ActivityType::InitOtpV2, server.init_email(email)).await;
            if reply.status == 200 {
                live.push(reply.text("otpId"));
            }
        }
        if live.is_empty() {
            return failures;
        }
        for otp_id in live {
            for n in 0..3 {
                let guess = json!({ "otpId": otp_id, "otpCode": format!("OOOO{n}") });
                assert_eq!(
                    server.backend(ActivityType::VerifyOtp, guess).await.refusal().2,
                    "Invalid OTP code"
                );
                failures += 1;
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_failures_end_the_codes_until_the_administrator_resets_the_contact() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let failures = exhaust(&server, email).await;
    assert!((98..=100).contains(&failures), "{failures}");
    server.clock.advance_s(30 * 24 * 3600);
    let refused = server.backend(ActivityType::InitOtpV3, server.init_email(email)).await;
    assert_eq!(refused.refusal(), TOO_MANY);
    assert!(refused.headers.get("retry-after").is_none(), "waiting does not help");
    server
        .engine
        .reset_contact(server.tenant.organization_id, OtpType::Email, " User@acme.example")
        .await
        .expect("the administrator resets it");
    server.verify(email).await;
}

#[tokio::test]
async fn another_credential_of_the_user_resets_the_contact() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (account, session) = server.logged_in(email).await;
    let durable = client_key(&server);
    let key = json!({ "apiKeyName": "k", "publicKey": durable.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" });
    let parameters = json!({ "userId": account.user_id, "apiKeys": [key] });
    server
        .submit(&session, ActivityType::CreateApiKeysV2, account.organization_id, parameters)
        .await
        .result();
    exhaust(&server, email).await;
    server.clock.advance_s(3600);
    assert_eq!(server.backend(ActivityType::InitOtpV3, server.init_email(email)).await.refusal(), TOO_MANY);
    let fresh = client_key(&server);
    let parameters = json!({ "publicKey": fresh.public_key().to_hex() });
    server
        .submit(&durable, ActivityType::StampLogin, account.organization_id, parameters)
        .await
        .text("session");
    server.verify(email).await;
}

#[tokio::test]
async fn a_contact_that_was_only_claimed_gives_no_rights_over_it() {
    let server = TestServer::start().await;
    let victim = "victim@acme.example";
    let impostor = client_key(&server);
    let parameters = json!({
        "subOrganizationName": "s", "rootQuorumThreshold": 1,
        "rootUsers": [{ "userName": "impostor", "userEmail": victim, "authenticators": [], "oauthProviders": [],
            "apiKeys": [{ "apiKeyName": "k", "publicKey": impostor.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }] }],
    });
    let made = server.backend(ActivityType::CreateSubOrganizationV8, parameters).await;
    let organization = made.text("subOrganizationId").parse().expect("a UUID");
    assert_eq!(fail_a_code(&server, victim).await + fail_a_code(&server, victim).await, 6);
    let session = client_key(&server);
    let parameters = json!({ "publicKey": session.public_key().to_hex() });
    server.submit(&impostor, ActivityType::StampLogin, organization, parameters).await.text("session");
    let by_backend = server.backend(ActivityType::InitOtpV3, server.init_email(victim)).await;
    assert_eq!(by_backend.refusal(), TOO_MANY, "the failures still count");
    let by_impostor =
        server.submit(&session, ActivityType::InitOtpV3, organization, server.init_email(victim)).await;
    assert_eq!(by_impostor.refusal(), TOO_MANY, "the reserve is not for claimants");
}

#[tokio::test]
async fn a_flooded_contact_lets_its_returning_user_in_by_session_key() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (account, session) = server.logged_in(email).await;
    server.clock.advance_s(300);
    for _ in 0..3 {
        server.backend(ActivityType::InitOtpV3, server.init_email(email)).await.text("otpId");
    }
    assert_eq!(server.backend(ActivityType::InitOtpV3, server.init_email(email)).await.refusal(), TOO_MANY);

    // Messages of one millisecond come in no order.
    server.clock.advance_ms(1);
    let own = server
        .submit(&session, ActivityType::InitOtpV3, account.organization_id, server.init_email(email))
        .await;
    let (otp_id, bundle) = (own.text("otpId"), own.text("otpEncryptionTargetBundle"));
    let code = server.code(email).await;
    let key = client_key(&server);
    let guess = server.guess(&otp_id, &bundle, &code, &key);
    let proved = server.submit(&session, ActivityType::VerifyOtpV2, account.organization_id, guess).await;
    let verified = vestibule_testkit::Verified { token: proved.text("verificationToken"), key };
    server.login(&account, &verified).await.text("session");
}

#[tokio::test]
async fn a_flooded_contact_lets_its_returning_user_in_by_known_identifier() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let account = server.create_user(email).await;
    let mut parameters = server.init_email(email);
    parameters["userIdentifier"] = json!("device-of-the-user");
    let login = async || {
        let sent = server.backend(ActivityType::InitOtpV3, parameters.clone()).await;
        let code = server.code(email).await;
        let key = client_key(&server);
        let guess = server.guess(&sent.text("otpId"), &sent.text("otpEncryptionTargetBundle"), &code, &key);
        let proved = server.backend(ActivityType::VerifyOtpV2, guess).await;
        let verified = vestibule_testkit::Verified { token: proved.text("verificationToken"), key };
        server.login(&account, &verified).await.text("session");
    };
    login().await;
    server.clock.advance_s(600);
    // The flood: sends, wrong guesses, and identifiers that never succeeded.
    for n in 0..50 {
        let mut flood = server.init_email(email);
        flood["userIdentifier"] = json!(format!("bot {n}"));
        server.backend(ActivityType::InitOtpV3, flood).await;
        fail_a_code(&server, email).await;
    }
    assert_eq!(server.backend(ActivityType::InitOtpV3, server.init_email(email)).await.refusal(), TOO_MANY);
    server.clock.advance_ms(1);
    login().await;
}

#[tokio::test]
async fn sandbox_contacts_take_the_sandbox_code_only_where_switched_on() {
    let off = TestServer::start().await;
    let on = TestServer::with(vestibule_engine::Settings { sandbox: true, ..Default::default() }).await;
    for (server, works) in [(&off, false), (&on, true)] {
        for (kind, contact) in [("OTP_TYPE_EMAIL", "user@example.com"), ("OTP_TYPE_SMS", "+1 999-999-9999")] {
            let parameters = json!({
                "otpType": kind, "contact": contact, "appName": "Acme", "otpLength": 6, "alphanumeric": false,
            });
            let otp_id = server.backend(ActivityType::InitOtpV2, parameters).await.text("otpId");
            let sent = server.messages(kind.parse().expect("a kind"), contact).await;
            assert_eq!(sent.len(), usize::from(!works));
            if works {
                let guess = json!({ "otpId": otp_id, "otpCode": "000000" });
                server.backend(ActivityType::VerifyOtp, guess).await.text("verificationToken");
            }
        }
    }
}

#[tokio::test]
async fn spellings_of_one_mailbox_share_its_sends_and_nothing_else() {
    let server = TestServer::start().await;
    let init = async |email: &str| {
        server.backend(ActivityType::InitOtpV2, server.init_email(email)).await.refusal().0
    };
    for email in ["ada.l@gmail.com", "adal+1@gmail.com", "A.da.L+2@googlemail.com"] {
        assert_eq!(init(email).await, 200, "{email}");
    }
    assert_eq!(init("adal@gmail.com").await, 400, "one mailbox");
    assert_eq!(init("adam@gmail.com").await, 200, "another");
    for n in 0..4 {
        assert_eq!(init(&format!("ada+{n}@acme.example")).await, 200, "a domain whose rules nobody knows");
    }
    server.clock.advance_s(180);
    assert_eq!(init("adal@gmail.com").await, 200);

    // Whoever guesses at one spelling does not delay the codes of another.
    server.clock.advance_s(600);
    for round in 0..3 {
        assert_eq!(fail_a_code(&server, "ada.l@gmail.com").await, if round < 2 { 3 } else { 0 });
    }
    assert_eq!(init("adal@gmail.com").await, 200);
    // Nor does a mailbox pass for another when somebody logs in.
    let account = server.create_user("ada.l@gmail.com").await;
    let found = server
        .query(
            &server.tenant.key,
            "list_suborgs",
            server.tenant.organization_id,
            json!({ "filterType": "EMAIL", "filterValue": "adal@gmail.com" }),
        )
        .await;
    assert_eq!(found.body["organizationIds"], json!([]), "{account:?}", account = account.organization_id);
}

#[tokio::test]
async fn what_is_counted_against_a_contact_is_shown_to_the_operator() {
    let server = TestServer::start().await;
    let email = "ada@acme.example";
    let standing = async || {
        let organization = server.tenant.organization_id;
        server.engine.contact_standing(organization, OtpType::Email, email).await.expect("a standing")
    };
    let init = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email, "appName": "Acme" });
    for _ in 0..2 {
        let sent = server.backend(ActivityType::InitOtpV2, init.clone()).await;
        let live = standing().await;
        assert_eq!((live.live_codes, live.paused_until_ms, live.last_used_ms), (1, None, None));
        for n in 0..3 {
            let guess = json!({ "otpId": sent.text("otpId"), "otpCode": format!("OOOO{n}") });
            assert_eq!(server.backend(ActivityType::VerifyOtp, guess).await.refusal().2, "Invalid OTP code");
        }
    }
    let paused = standing().await;
    assert_eq!((paused.failures, paused.live_codes), (6, 0));
    assert_eq!(paused.paused_until_ms, Some(server.clock.now() + 30_000));
    server.clock.advance_s(30);
    assert_eq!(standing().await.paused_until_ms, None);
    let sent = server.backend(ActivityType::InitOtpV2, init).await;
    let code = server.code(email).await;
    let guess = json!({ "otpId": sent.text("otpId"), "otpCode": code });
    assert_eq!(server.backend(ActivityType::VerifyOtp, guess).await.status, 200);
    let proven = standing().await;
    assert_eq!((proven.failures, proven.last_used_ms), (0, Some(server.clock.now())));
}
