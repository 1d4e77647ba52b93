//! EMAIL_AUTH, INIT_USER_EMAIL_RECOVERY and CREATE_READ_WRITE_SESSION: keys that the server makes and only their user's
//! client can open; and what is told of the mails.

use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_crypto::bundle::open_credential_bundle;
use vestibule_crypto::p256::{AgreementKey, SigningKey};
use vestibule_delivery::MessageSettings;
use vestibule_delivery::channel::Inbox;
use vestibule_delivery::routing::Routing;
use vestibule_delivery::worker::{Worker, WorkerParts, WorkerSettings};
use vestibule_engine::model::MessagePurpose;
use vestibule_engine::{Clock, Settings};
use vestibule_testkit::{Account, Passkey, Reply, TestServer, client_key};
use vestibule_wire::{ActivityType as A, OrganizationId, OtpType};

const EMAIL: &str = "ann@acme.example";

fn target(server: &TestServer) -> AgreementKey {
    AgreementKey::generate(&*server.entropy)
}

/// Parameters of any version of EMAIL_AUTH and of the recovery.
fn by_mail(email: &str, target: &AgreementKey) -> Value {
    json!({
        "email": email, "targetPublicKey": target.public_key().to_uncompressed_hex(),
        "emailCustomization": { "appName": "Shop" },
    })
}

/// By the parent's backend, on the user's organization.
async fn ask(server: &TestServer, account: &Account, activity: A, parameters: Value) -> Reply {
    server.submit(&server.tenant.key, activity, account.organization_id, parameters).await
}

fn opened(target: &AgreementKey, bundle: &str) -> SigningKey {
    let secret = open_credential_bundle(target, bundle).expect("a bundle for this target");
    SigningKey::from_bytes(&secret).expect("a key")
}

/// The key that was last mailed to an address.
async fn mailed(server: &TestServer, target: &AgreementKey, email: &str) -> SigningKey {
    opened(target, &server.code(email).await)
}

async fn whoami(server: &TestServer, key: &SigningKey, organization: OrganizationId) -> u16 {
    server.query(key, "whoami", organization, json!({})).await.status
}

async fn key_names(server: &TestServer, account: &Account) -> Vec<String> {
    let keys = server.query(&server.tenant.key, "get_api_keys", account.organization_id, json!({})).await;
    let keys = keys.body["apiKeys"].as_array().expect("a list").clone();
    keys.iter().map(|key| key["apiKeyName"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_key_by_mail_logs_its_user_in() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    for activity in [A::EmailAuth, A::EmailAuthV2, A::EmailAuthV3] {
        server.clock.advance_s(60);
        let target = target(&server);
        let reply = ask(&server, &account, activity, by_mail("Ann@acme.example", &target)).await;
        let result = &reply.body["activity"]["result"]["emailAuthResult"];
        assert_eq!(result["userId"], json!(account.user_id), "{}", reply.body);
        assert_eq!(
            result.as_object().map(|members| members.len()),
            Some(2),
            "the bundle is in the mail alone"
        );
        let sent = server.messages(OtpType::Email, EMAIL).await.pop().expect("a message");
        assert_eq!((sent.purpose, sent.to.as_str()), (MessagePurpose::SignInBundle, "Ann@acme.example"));
        assert_eq!((sent.app_name.as_str(), sent.lifetime_s), ("Shop", 900));
        assert!(!reply.body.to_string().contains(&sent.code));
        let key = opened(&target, &sent.code);
        let me = server.query(&key, "whoami", account.organization_id, json!({})).await;
        assert_eq!(me.body["userId"], json!(account.user_id), "{}", me.body);
        // The client does not know its organization yet.
        let parent = server.tenant.organization_id;
        assert_eq!(whoami(&server, &key, parent).await, 200);
        let shown = server
            .query(&key, "get_api_key", account.organization_id, json!({ "apiKeyId": result["apiKeyId"] }))
            .await;
        let shown = &shown.body["apiKey"];
        assert_eq!(shown["credential"]["type"], "CREDENTIAL_TYPE_EMAIL_AUTH_KEY_P256");
        assert_eq!(shown["apiKeyName"], json!(format!("Email Auth - {}", server.clock.now())));
        assert_eq!(shown["expirationSeconds"], "900");
        // It logs in like any other key of the user.
        let session = client_key(&server);
        let login = json!({ "publicKey": session.public_key().to_hex() });
        server.submit(&key, A::StampLogin, parent, login).await.text("session");
    }
    server.clock.advance_s(900);
    assert_eq!(key_names(&server, &account).await, Vec::<String>::new(), "all have expired");
}

#[tokio::test]
async fn a_mailed_key_is_named_and_lives_as_asked_and_may_end_the_others() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    let first = target(&server);
    ask(&server, &account, A::EmailAuthV3, by_mail(EMAIL, &first)).await.result();
    let first = mailed(&server, &first, EMAIL).await;
    let session = target(&server);
    let session = json!({ "targetPublicKey": session.public_key().to_uncompressed_hex(), "email": EMAIL });
    ask(&server, &account, A::CreateReadWriteSession, session).await.result();
    let second = target(&server);
    let mut parameters = by_mail(EMAIL, &second);
    parameters["apiKeyName"] = json!("phone");
    parameters["expirationSeconds"] = json!("3600");
    parameters["invalidateExisting"] = json!(true);
    ask(&server, &account, A::EmailAuthV3, parameters).await.result();
    let second = mailed(&server, &second, EMAIL).await;
    assert_eq!(whoami(&server, &first, account.organization_id).await, 401);
    let mut names = key_names(&server, &account).await;
    names.sort();
    assert_eq!(names, [format!("Read Write Session - {}", server.clock.now()), "phone".to_owned()]);
    server.clock.advance_s(3599);
    assert_eq!(whoami(&server, &second, account.organization_id).await, 200);
    server.clock.advance_s(1);
    assert_eq!(whoami(&server, &second, account.organization_id).await, 401);
}

#[tokio::test]
async fn a_recovery_key_registers_a_passkey_and_is_gone() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    for activity in [A::InitUserEmailRecovery, A::InitUserEmailRecoveryV2] {
        server.clock.advance_s(600);
        let target = target(&server);
        let reply = ask(&server, &account, activity, by_mail(EMAIL, &target)).await;
        let result = &reply.body["activity"]["result"]["initUserEmailRecoveryResult"];
        assert_eq!(*result, json!({ "userId": account.user_id }), "{}", reply.body);
        let sent = server.messages(OtpType::Email, EMAIL).await.pop().expect("a message");
        assert_eq!(sent.purpose, MessagePurpose::RecoveryBundle);
        let key = opened(&target, &sent.code);
        let own = account.organization_id;
        assert_eq!(whoami(&server, &key, own).await, 200);
        let login = json!({ "publicKey": client_key(&server).public_key().to_hex() });
        let refused = server.submit(&key, A::StampLogin, own, login).await;
        assert_eq!(refused.status, 403, "{}", refused.body);
        let session = json!({ "targetPublicKey": target.public_key().to_uncompressed_hex() });
        let refused = server.submit(&key, A::CreateReadWriteSessionV2, own, session).await;
        assert_eq!(refused.status, 403, "{}", refused.body);
        let passkey = Passkey::new(client_key(&server));
        let recover =
            json!({ "userId": account.user_id, "authenticator": passkey.registration("new phone") });
        let done = server.submit(&key, A::RecoverUser, own, recover).await;
        assert_eq!(done.result()["authenticatorId"].as_array().map(Vec::len), Some(1));
        assert_eq!(whoami(&server, &key, own).await, 401, "the key has served");
        assert_eq!(server.query(&passkey, "whoami", own, json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn a_recovery_key_asks_for_nothing_but_itself_and_activities() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    let target = target(&server);
    let reply = ask(&server, &account, A::InitUserEmailRecoveryV2, by_mail(EMAIL, &target)).await;
    let activity = json!({ "activityId": reply.body["activity"]["id"] });
    let key = mailed(&server, &target, EMAIL).await;
    let status = async |name: &str, members: Value| {
        server.query(&key, name, account.organization_id, members).await.status
    };
    assert_eq!(status("whoami", json!({})).await, 200);
    assert_eq!(status("get_activity", activity).await, 200);
    assert_eq!(status("list_users", json!({})).await, 403);
    assert_eq!(status("get_api_keys", json!({})).await, 403);
}

#[tokio::test]
async fn a_session_by_mail_address_user_or_caller_is_handed_back_in_a_bundle() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in(EMAIL).await;
    let own = account.organization_id;
    let target = target(&server);
    let with = |members: Value| {
        let mut parameters = json!({ "targetPublicKey": target.public_key().to_uncompressed_hex() });
        parameters
            .as_object_mut()
            .expect("an object")
            .extend(members.as_object().expect("an object").clone());
        parameters
    };
    let backend = &server.tenant.key;
    let parent = server.tenant.organization_id;
    for (by, activity, organization, members) in [
        (backend, A::CreateReadWriteSession, own, json!({ "email": "Ann@Acme.example" })),
        (backend, A::CreateReadWriteSessionV2, own, json!({ "userId": account.user_id })),
        (&session, A::CreateReadWriteSessionV2, own, json!({})),
        // A client that does not know its organization names the parent.
        (&session, A::CreateReadWriteSessionV2, parent, json!({ "userId": account.user_id })),
    ] {
        let reply = server.submit(by, activity, organization, with(members)).await;
        let result_key = match activity {
            A::CreateReadWriteSession => "createReadWriteSessionResult",
            _ => "createReadWriteSessionResultV2",
        };
        let result = &reply.body["activity"]["result"][result_key];
        assert_eq!(result["organizationId"], json!(own), "{}", reply.body);
        assert_eq!(result["organizationName"], "user");
        assert_eq!((&result["userId"], &result["username"]), (&json!(account.user_id), &json!(EMAIL)));
        let key = opened(&target, &reply.text("credentialBundle"));
        assert_eq!(whoami(&server, &key, own).await, 200);
        let shown = server.query(&key, "get_api_key", own, json!({ "apiKeyId": result["apiKeyId"] })).await;
        assert_eq!(shown.body["apiKey"]["credential"]["type"], "CREDENTIAL_TYPE_READ_WRITE_SESSION_KEY_P256");
        // The bundle is its submitter's alone.
        let id = json!({ "activityId": reply.body["activity"]["id"] });
        let read = async |key: &SigningKey| {
            let read = server.query(key, "get_activity", own, id.clone()).await;
            read.body["activity"]["result"][result_key]["credentialBundle"].clone()
        };
        let submitted = result["credentialBundle"].clone();
        let by_backend = std::ptr::eq(by, backend);
        assert_eq!(read(backend).await, if by_backend { submitted.clone() } else { json!("") });
        assert_eq!(read(&session).await, if by_backend { json!("") } else { submitted });
    }
    let ended = server
        .submit(&session, A::CreateReadWriteSessionV2, own, with(json!({ "invalidateExisting": true })))
        .await;
    ended.result();
    let names = key_names(&server, &account).await;
    assert_eq!(names.iter().filter(|name| name.starts_with("Read Write Session")).count(), 1, "{names:?}");
    assert!(
        server.messages(OtpType::Email, EMAIL).await.iter().all(|sent| sent.purpose == MessagePurpose::Code)
    );
}

#[tokio::test]
async fn a_parent_that_names_no_user_gets_no_session_in_a_sub_organization() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    let key = target(&server).public_key().to_uncompressed_hex();
    let reply = ask(&server, &account, A::CreateReadWriteSessionV2, json!({ "targetPublicKey": key })).await;
    let (own, user) = (account.organization_id, server.tenant.user_id);
    assert_eq!(
        reply.refusal(),
        (404, "", format!("unable to find user {user} in organization {own}").as_str())
    );
    let stranger = json!({ "targetPublicKey": key, "userId": "00000000-0000-7000-8000-000000000000" });
    let reply = ask(&server, &account, A::CreateReadWriteSessionV2, stranger).await;
    assert_eq!(reply.status, 404, "{}", reply.body);
    // On the parent itself the caller is the parent's.
    server
        .backend(A::CreateReadWriteSessionV2, json!({ "targetPublicKey": key }))
        .await
        .text("credentialBundle");
}

#[tokio::test]
async fn an_unknown_address_a_bad_key_and_a_bad_lifetime_are_refused_and_mail_nothing() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    let target = target(&server);
    for activity in [A::EmailAuthV3, A::InitUserEmailRecoveryV2] {
        let unknown = ask(&server, &account, activity, by_mail("nobody@acme.example", &target)).await;
        assert_eq!(unknown.status, 404, "{}", unknown.body);
        assert!(unknown.refusal().2.starts_with("unable to find user"), "{}", unknown.body);
        for (member, value) in [
            ("targetPublicKey", json!("04abcd")),
            ("expirationSeconds", json!("0")),
            ("expirationSeconds", json!("2592001")),
            ("email", json!("no address")),
            ("emailCustomization", json!({})),
            ("emailCustomization", json!({ "appName": "Shop", "magicLinkTemplate": "https://app.example/" })),
            (
                "emailCustomization",
                json!({ "appName": "Shop", "templateId": "00000000-0000-7000-8000-000000000000" }),
            ),
        ] {
            let mut parameters = by_mail(EMAIL, &target);
            parameters[member] = value;
            let refused = ask(&server, &account, activity, parameters).await;
            assert_eq!(refused.status, 400, "{member}: {}", refused.body);
        }
    }
    let session = json!({ "targetPublicKey": target.public_key().to_hex(), "email": "nobody@acme.example" });
    assert_eq!(ask(&server, &account, A::CreateReadWriteSession, session).await.status, 404);
    assert!(server.messages(OtpType::Email, EMAIL).await.is_empty());
    assert!(server.messages(OtpType::Email, "nobody@acme.example").await.is_empty());
    assert_eq!(key_names(&server, &account).await, Vec::<String>::new());
    // Refusals cost no send.
    for _ in 0..3 {
        ask(&server, &account, A::EmailAuthV3, by_mail(EMAIL, &target)).await.result();
    }
}

#[tokio::test]
async fn an_organization_without_the_feature_and_a_server_without_mail_send_no_keys() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    let (_, session) = server.logged_in("bob@acme.example").await;
    let target = target(&server);
    for (activity, feature) in [
        (A::EmailAuthV3, "FEATURE_NAME_EMAIL_AUTH"),
        (A::InitUserEmailRecoveryV2, "FEATURE_NAME_EMAIL_RECOVERY"),
    ] {
        let (account, session) = server.logged_in(&format!("{}@acme.example", feature.to_lowercase())).await;
        let email = format!("{}@acme.example", feature.to_lowercase());
        let off = json!({ "name": feature });
        server.submit(&session, A::RemoveOrganizationFeature, account.organization_id, off).await.result();
        let refused = ask(&server, &account, activity, by_mail(&email, &target)).await;
        assert_eq!(refused.status, 403, "{}", refused.body);
        let on = json!({ "name": feature, "value": "" });
        server.submit(&session, A::SetOrganizationFeature, account.organization_id, on).await.result();
        ask(&server, &account, activity, by_mail(&email, &target)).await.result();
    }
    drop(session);
    // A parent has mailed keys, and no recovery, until it asks for it.
    let parent = server.backend(A::InitUserEmailRecoveryV2, by_mail(EMAIL, &target)).await;
    assert_eq!(parent.status, 403, "{}", parent.body);
    assert_eq!(ask(&server, &account, A::EmailAuthV3, by_mail(EMAIL, &target)).await.status, 200);
    let silent = TestServer::with(Settings { email_enabled: false, ..Settings::default() }).await;
    let account = silent.create_user(EMAIL).await;
    for activity in [A::EmailAuthV3, A::InitUserEmailRecoveryV2] {
        let refused = ask(&silent, &account, activity, by_mail(EMAIL, &target)).await;
        assert_eq!(refused.refusal().2, "email sending is disabled", "{}", refused.body);
    }
}

#[tokio::test]
async fn mailed_keys_and_codes_share_the_sends_of_a_mailbox() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    let target = target(&server);
    server.init(EMAIL).await;
    ask(&server, &account, A::EmailAuthV3, by_mail(EMAIL, &target)).await.result();
    ask(&server, &account, A::InitUserEmailRecoveryV2, by_mail(EMAIL, &target)).await.result();
    for activity in [A::EmailAuthV3, A::InitUserEmailRecoveryV2] {
        let refused = ask(&server, &account, activity, by_mail("ANN@acme.example", &target)).await;
        assert_eq!((refused.status, refused.refusal().1), (400, "MAX_OTP_INITIATED"), "{}", refused.body);
        assert!(refused.headers.get("retry-after").is_some());
    }
    let refused = server.backend(A::InitOtpV3, server.init_email(EMAIL)).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(server.messages(OtpType::Email, EMAIL).await.len(), 3);
    server.clock.advance_s(180);
    // Codes that still live hold nothing up: there is nothing to guess in a bundle.
    for _ in 0..3 {
        ask(&server, &account, A::EmailAuthV3, by_mail(EMAIL, &target)).await.result();
    }
    server.clock.advance_s(180);
    server.init(EMAIL).await;
}

#[tokio::test]
async fn what_became_of_mails_is_listed_by_recipient() {
    let server = TestServer::start().await;
    let account = server.create_user(EMAIL).await;
    let inbox = Arc::new(Inbox::new());
    let worker = Worker::new(WorkerParts {
        id: uuid::Uuid::from_u128(1),
        store: server.store.clone(),
        clock: Arc::clone(&server.clock) as Arc<dyn Clock>,
        keys: server.keys.clone(),
        routing: Routing::single("inbox", inbox.clone()).expect("a route"),
        messages: MessageSettings::new("no-reply@mail.example").expect("an address").into(),
        settings: WorkerSettings::default(),
    });
    let target = target(&server);
    server.init(EMAIL).await;
    worker.drain().await.expect("the store answers");
    server.clock.advance_s(1);
    ask(&server, &account, A::EmailAuthV3, by_mail("Ann@acme.example", &target)).await.result();
    worker.drain().await.expect("the store answers");
    let shown = inbox.list(Some(EMAIL));
    assert_eq!((shown[0].otp_code.as_str(), shown[1].credential_bundle.as_str()), ("", ""));
    assert!(shown[0].text.contains(&shown[0].credential_bundle), "{}", shown[0].text);
    opened(&target, &shown[0].credential_bundle);
    let list = async |organization: OrganizationId, members: Value| {
        let reply = server.query(&server.tenant.key, "list_email_events", organization, members).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["emailEvents"].as_array().expect("a list").clone()
    };
    let (parent, own) = (server.tenant.organization_id, account.organization_id);
    let all = list(parent, json!({ "email": " ANN@acme.example" })).await;
    assert_eq!(all.len(), 2);
    let now = server.clock.now().to_string();
    let newest = json!({
        "id": all[0]["id"], "organizationId": own, "messageId": format!("<{}@mail.example>", shown[0].id),
        "eventType": "Send", "fromAddress": "no-reply@mail.example", "toAddress": "Ann@acme.example",
        "timestamp": now, "createdAt": now, "details": {},
    });
    assert_eq!(all[0], newest);
    assert_eq!(all[1]["organizationId"], json!(parent));
    // A sub-organization sees what it had sent itself.
    assert_eq!(list(own, json!({ "email": EMAIL })).await, [newest]);
    let page = |options: Value| json!({ "email": EMAIL, "paginationOptions": options });
    assert_eq!(list(parent, page(json!({ "limit": "1" }))).await, all[..1]);
    assert_eq!(list(parent, page(json!({ "after": all[0]["id"] }))).await, all[1..]);
    assert_eq!(list(parent, page(json!({ "before": all[1]["id"] }))).await, all[..1]);
    assert_eq!(list(parent, json!({ "email": EMAIL, "eventType": "Send" })).await, all);
    assert_eq!(list(parent, json!({ "email": EMAIL, "eventType": "Bounce" })).await, [] as [Value; 0]);
    assert_eq!(list(parent, json!({ "email": "bob@acme.example" })).await, [] as [Value; 0]);
    let other = server.another_tenant().await;
    let theirs =
        server.query(&other.key, "list_email_events", other.organization_id, json!({ "email": EMAIL })).await;
    assert_eq!(theirs.body, json!({ "emailEvents": [] }));
}
