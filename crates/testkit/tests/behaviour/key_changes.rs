//! Keys that change while servers run: rotation, retirement, and the re-wrap of everything sealed.

use serde_json::{Value, json};
use vestibule_crypto::keyset::{KeyFile, KeyRole};
use vestibule_crypto::p256::PublicKey;
use vestibule_crypto::token::{self, SessionJwt};
use vestibule_engine::keys::{self, KeyTableError};
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType;

use super::key_files::{document, file, with};

const ACTIVATION_S: i64 = 60;

/// Ids and states of the published keys of a role.
async fn published(server: &TestServer, role: &str) -> Vec<(String, String)> {
    let reply = server.send(axum::http::Method::GET, "/.well-known/vestibule/keys", &[], "").await;
    let keys = reply.body["keys"].as_array().expect("keys").clone();
    let text = |key: &Value, name: &str| key[name].as_str().expect("text").to_owned();
    keys.iter().filter(|key| key["role"] == role).map(|key| (text(key, "id"), text(key, "state"))).collect()
}

/// Whose signature a session carries, of the published keys that are active.
async fn signer_of(server: &TestServer, session: &str) -> Option<PublicKey> {
    let keys = server.key_set();
    let found = keys.public_keys(KeyRole::SessionSigner).find(|key| SessionJwt::verify(session, key).is_ok());
    found.cloned()
}

async fn session(server: &TestServer, email: &str) -> String {
    let account = server.create_user(email).await;
    let verified = server.verify(email).await;
    server.login(&account, &verified).await.text("session")
}

async fn node(server: &TestServer) -> TestServer {
    let same = KeyFile::from_json(server.keys.file().to_json().expose()).expect("own document");
    server.another_node(same).await.expect("the database knows these keys")
}

#[tokio::test]
async fn a_rotated_key_signs_once_every_node_had_time_to_learn_of_it() {
    let server = TestServer::start().await;
    let other = node(&server).await;
    let old = server.session_signer();
    let before = session(&server, "one@acme.example").await;

    let made = server.engine.rotate_key(KeyRole::SessionSigner, None).await.expect("a new key");
    assert!(!made.in_charge && made.activates_at == server.clock.now() + ACTIVATION_S * 1000, "{made:?}");
    assert_eq!(published(&server, "session-signer").await.len(), 2, "published at once");
    assert_eq!(published(&other, "session-signer").await.len(), 1, "not yet looked");
    assert!(other.engine.refresh_keys().await.expect("the table"), "something is new");
    assert!(!other.engine.refresh_keys().await.expect("the table"), "nothing is new");
    assert_eq!(published(&other, "session-signer").await, published(&server, "session-signer").await);

    server.clock.advance_s(ACTIVATION_S - 1);
    for (node, email) in [(&server, "two@acme.example"), (&other, "three@acme.example")] {
        let session = session(node, email).await;
        assert_eq!(signer_of(node, &session).await, Some(old.clone()));
    }
    // The store's time decides, whenever a node looked last.
    server.clock.advance_s(1);
    let new = server.session_signer();
    assert_ne!(new, old);
    for (node, email) in [(&server, "four@acme.example"), (&other, "five@acme.example")] {
        let session = session(node, email).await;
        assert_eq!(signer_of(node, &session).await, Some(new.clone()));
    }
    assert_eq!(signer_of(&other, &before).await, Some(old), "old sessions stay valid");
}

#[tokio::test]
async fn what_was_begun_under_the_old_keys_ends_well_under_the_new_ones() {
    let server = TestServer::start().await;
    let other = node(&server).await;
    let account = server.create_user("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;
    let (otp_id, bundle) = server.init("user@acme.example").await;
    let code = server.code("user@acme.example").await;
    let key = client_key(&server);
    let guess = server.guess(&otp_id, &bundle, &code, &key);
    let old_signer = server.bundle_signer();

    for role in [KeyRole::BundleSigner, KeyRole::LegacyTokenSigner, KeyRole::CodeHmac] {
        server.engine.rotate_key(role, None).await.expect("a new key");
    }
    other.engine.refresh_keys().await.expect("the table");
    server.clock.advance_s(ACTIVATION_S);
    assert_ne!(server.bundle_signer(), old_signer);

    // A code hashed under the old key, on a node that hashes under the new one.
    let reply = other.backend(ActivityType::VerifyOtpV2, guess).await;
    let token = reply.text("verificationToken");
    token::verify(&token, &server.bundle_signer()).expect("signed by the new key");
    server.login(&account, &verified).await.text("session");
    let again = other.verify("user@acme.example").await;
    other.login(&account, &again).await.text("session");
}

#[tokio::test]
async fn a_key_is_retired_after_its_successor_has_begun() {
    let server = TestServer::start().await;
    let other = node(&server).await;
    let refused = |refusal: vestibule_wire::Refusal| refusal.to_string();
    let old = published(&server, "session-signer").await.remove(0).0;
    let only = refused(server.engine.retire_key(&old).await.expect_err("the only one"));
    assert!(only.contains("keys rotate"), "{only}");
    let unknown = refused(server.engine.retire_key("nobody").await.expect_err("unknown"));
    assert!(unknown.contains("keys list"), "{unknown}");
    let sealing = server.keys.file().sealing_key().id().to_owned();
    server.engine.retire_key(&sealing).await.expect_err("sealing keys are not retired here");
    server.engine.rotate_key(KeyRole::SealingKey, None).await.expect_err("nor made");

    let new = server.engine.rotate_key(KeyRole::SessionSigner, None).await.expect("a new key");
    let early = refused(server.engine.retire_key(&old).await.expect_err("too early"));
    assert!(early.contains("has not begun"), "{early}");
    let session = session(&server, "user@acme.example").await;
    server.clock.advance_s(ACTIVATION_S);
    server.engine.retire_key(&old).await.expect("retired");
    server.engine.retire_key(&old).await.expect("already so");
    assert_eq!(signer_of(&server, &session).await, None, "no active key vouches for it");
    assert!(signer_of(&other, &session).await.is_some(), "until the node looks");
    other.engine.refresh_keys().await.expect("the table");
    assert_eq!(signer_of(&other, &session).await, None);
    let states = published(&other, "session-signer").await;
    assert_eq!(states, [(old, "retired".to_owned()), (new.id.clone(), "active".to_owned())]);
    server.engine.retire_key(&new.id).await.expect_err("the only one again");

    let listed = server.engine.list_keys().await.expect("the store answers");
    let in_charge: Vec<KeyRole> = listed.iter().filter(|key| key.in_charge).map(|key| key.role).collect();
    assert_eq!(in_charge.len(), KeyRole::ALL.len(), "one of each role: {listed:?}");
}

#[tokio::test]
async fn a_key_may_be_published_long_before_it_signs_but_never_too_late_for_the_other_nodes() {
    let server = TestServer::start().await;
    for (after_ms, begins_s) in [(0, ACTIVATION_S), (86_400_000, 86_400)] {
        let made = server.engine.rotate_key(KeyRole::BundleSigner, Some(after_ms)).await.expect("a new key");
        assert_eq!(made.activates_at, server.clock.now() + begins_s * 1000);
    }
    assert_eq!(published(&server, "bundle-signer").await.len(), 3);
}

/// Two generations of sealing keys: the server's own file, one that puts a new key first, one without the old key.
fn generations(server: &TestServer) -> (KeyFile, KeyFile) {
    let old = document(server.keys.file());
    let next = document(&KeyFile::generate(&vestibule_crypto::entropy::SeededEntropy::new(99)));
    let new = next["keys"].as_array().expect("keys").iter().find(|key| key["role"] == "sealing-key").cloned();
    let new = new.expect("a sealing key");
    let both = with(&old, |keys| {
        keys.iter_mut().for_each(|key| {
            if key["role"] == "sealing-key" {
                key["state"] = json!("retired");
            }
        });
        keys.insert(0, new.clone());
    });
    (file(&both), file(&json!({ "version": 1, "keys": [new] })))
}

#[tokio::test]
async fn after_a_rewrap_the_old_sealing_key_is_not_needed() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;
    // A secret to be replayed, a live code with a target, and a message that nobody has sent yet.
    let parameters = json!({
        "verificationToken": verified.token,
        "publicKey": verified.key.public_key().to_hex(),
        "clientSignature": verified.login_signature(&verified.key),
    });
    let body = server.activity(ActivityType::OtpLoginV2, account.organization_id, &parameters);
    let login = server.post(&server.tenant.key, "/public/v1/submit/otp_login", &body).await;
    let (otp_id, bundle) = server.init("user@acme.example").await;

    let (both, bare) = generations(&server);
    let early = server.another_node(file(&document(&bare))).await.map(|_| ()).expect_err("all would be lost");
    assert!(matches!(early, KeyTableError::LacksSealingKeys(_)), "{early}");
    let unknown =
        server.another_node(file(&document(&both))).await.map(|_| ()).expect_err("not accepted yet");
    assert!(matches!(unknown, KeyTableError::NewSealingKey(_)), "{unknown}");
    let entropy = &*server.entropy;
    assert!(keys::accept(&*server.store, &both, entropy, 0, false).await.expect("accepted"));
    assert!(!keys::accept(&*server.store, &both, entropy, 0, false).await.expect("nothing to do"));
    let middle = server.another_node(both).await.expect("known");

    let old_id = server.keys.file().sealing_key().id().to_owned();
    let done = middle.engine.rewrap().await.expect("moved");
    assert_eq!((done.sealing_key.as_str(), &done.superseded), (bare.sealing_key().id(), &vec![old_id]));
    let moved = [done.keys, done.otp_targets, done.messages, done.proxy_keys, done.unreadable];
    assert_eq!(moved, [6, 1, 1, 1, 0], "{done:?}");
    assert!(done.activities > 3, "{done:?}");
    let again = middle.engine.rewrap().await.expect("nothing left");
    assert_eq!((again.activities, again.keys, again.superseded.len()), (0, 0, 0));

    let last = server.another_node(bare).await.expect("the old key is not missed");
    let code = last.code("user@acme.example").await;
    let key = client_key(&last);
    let verify = last.backend(ActivityType::VerifyOtpV2, last.guess(&otp_id, &bundle, &code, &key)).await;
    verify.text("verificationToken");
    let replayed = last.post(&last.tenant.key, "/public/v1/submit/otp_login", &body).await;
    assert_eq!(replayed.body, login.body);
    let proxied = last
        .proxy("otp_init_v2", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "new@acme.example" }))
        .await;
    assert_eq!(proxied.status, 200, "{}", proxied.body);
    let anew = last.verify("user@acme.example").await;
    last.login(&account, &anew).await.text("session");

    let gone =
        server.another_node(file(&document(server.keys.file()))).await.map(|_| ()).expect_err("superseded");
    assert!(matches!(gone, KeyTableError::LacksSealingKeys(_)), "{gone}");
}

#[tokio::test]
async fn a_node_that_still_seals_under_the_old_key_keeps_it_from_being_dropped() {
    let server = TestServer::start().await;
    let (both, bare) = generations(&server);
    keys::accept(&*server.store, &both, &*server.entropy, 0, false).await.expect("accepted");
    let (also, last) = (file(&document(&both)), file(&document(&bare)));
    let middle = server.another_node(both).await.expect("known");
    // Its file has both keys, and puts the old one first.
    let mut late = document(&also);
    late["keys"].as_array_mut().expect("keys").reverse();
    late["keys"].as_array_mut().expect("keys").iter_mut().for_each(|key| key["state"] = json!("active"));
    let late = server.another_node(file(&late)).await.expect("known");
    assert_eq!(late.keys.file().sealing_key().id(), server.keys.file().sealing_key().id());

    middle.engine.rewrap().await.expect("moved");
    late.init("user@acme.example").await;
    late.engine.refresh_keys().await.expect("the table");
    let refused = server.another_node(bare).await.map(|_| ()).expect_err("something needs the old key");
    assert!(matches!(refused, KeyTableError::LacksSealingKeys(_)), "{refused}");
    let done = middle.engine.rewrap().await.expect("moved");
    assert_eq!((done.messages, done.superseded.len()), (1, 1), "{done:?}");
    let last = server.another_node(last).await.expect("now it may go");
    assert!(last.code("user@acme.example").await.len() >= 6);
}

#[tokio::test]
async fn a_value_that_no_key_opens_is_counted_and_left() {
    let server = TestServer::start().await;
    server.init("user@acme.example").await;
    let stranger = KeyFile::generate(&vestibule_crypto::entropy::SeededEntropy::new(5));
    let accepted = keys::accept(&*server.store, &stranger, &*server.entropy, 0, false).await;
    assert!(matches!(accepted, Err(KeyTableError::LacksSealingKeys(_))), "{accepted:?}");
    keys::accept(&*server.store, &stranger, &*server.entropy, 0, true).await.expect("the loss is accepted");
    let anew = server.another_node(stranger).await.expect("known");
    let done = anew.engine.rewrap().await.expect("looked through");
    assert_eq!((done.messages, done.otp_targets, done.proxy_keys), (0, 0, 0));
    assert!(done.unreadable >= 3, "{done:?}");
    // Whoever stamps with a key of its own goes on.
    anew.clock.advance_s(600);
    let account = anew.create_user("new@acme.example").await;
    let verified = anew.verify("new@acme.example").await;
    anew.login(&account, &verified).await.text("session");
}
