//! Addresses whose domain is not taken, and numbers that stay findable whatever becomes of numbering plans.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use vestibule_crypto::p256::AgreementKey;
use vestibule_engine::model::ContactKey;
use vestibule_engine::store::{ChangeSet, Write};
use vestibule_engine::{DomainCheck, DomainVerdict};
use vestibule_testkit::{Account, Reply, TestServer, client_key};
use vestibule_wire::{ActivityType as A, Contact, OtpType};

/// Judges by the first label of a domain, and remembers what it was asked.
#[derive(Default)]
struct ByName(Mutex<Vec<Vec<String>>>);

#[async_trait]
impl DomainCheck for ByName {
    async fn judge(&self, domains: &[&str]) -> DomainVerdict {
        self.0.lock().expect("no test panicked").push(domains.iter().map(|d| (*d).to_owned()).collect());
        let verdict = |domain: &&str| match domain.split('.').next() {
            Some("unwanted") => DomainVerdict::Unwanted,
            Some("unreachable") => DomainVerdict::Unreachable,
            _ => DomainVerdict::Accepted,
        };
        domains.iter().map(verdict).max().unwrap_or(DomainVerdict::Accepted)
    }
}

impl ByName {
    fn take(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.0.lock().expect("no test panicked"))
    }
}

async fn judged() -> (TestServer, Arc<ByName>) {
    let server = TestServer::start().await;
    let check = Arc::new(ByName::default());
    server.engine.judge_domains_by(check.clone());
    (server, check)
}

fn root_user(email: &str) -> Value {
    json!({ "userName": "Ann", "userEmail": email, "apiKeys": [], "authenticators": [], "oauthProviders": [] })
}

/// Everything that takes an address, asked with this one.
async fn every_way(server: &TestServer, account: &Account, email: &str) -> Vec<(&'static str, Reply)> {
    let home = account.organization_id;
    let key = &server.tenant.key;
    let target = AgreementKey::generate(&*server.entropy).public_key().to_uncompressed_hex();
    let by_mail =
        json!({ "email": email, "targetPublicKey": target, "emailCustomization": { "appName": "Shop" } });
    let suborg = json!({
        "subOrganizationName": "Home", "rootQuorumThreshold": 1, "rootUsers": [root_user(email)],
    });
    let mut users = root_user(email);
    users["userTags"] = json!([]);
    users["apiKeys"] = json!([{
        "apiKeyName": "k", "publicKey": client_key(server).public_key().to_hex(), "curveType": "API_KEY_CURVE_P256",
    }]);
    let init = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email });
    let wallet = json!([{
        "apiKeyName": "w", "publicKey": client_key(server).public_key().to_hex(), "curveType": "API_KEY_CURVE_P256",
        "expirationSeconds": "600",
    }]);
    vec![
        ("INIT_OTP_V3", server.backend(A::InitOtpV3, server.init_email(email)).await),
        ("INIT_OTP_AUTH_V3", server.submit(key, A::InitOtpAuthV3, home, server.init_email(email)).await),
        ("EMAIL_AUTH_V2", server.submit(key, A::EmailAuthV2, home, by_mail.clone()).await),
        ("INIT_USER_EMAIL_RECOVERY", server.submit(key, A::InitUserEmailRecovery, home, by_mail).await),
        ("CREATE_SUB_ORGANIZATION_V7", server.backend(A::CreateSubOrganizationV7, suborg).await),
        ("CREATE_USERS_V3", server.backend(A::CreateUsersV3, json!({ "users": [users] })).await),
        (
            "UPDATE_USER_EMAIL",
            server
                .backend(A::UpdateUserEmail, json!({ "userId": server.tenant.user_id, "userEmail": email }))
                .await,
        ),
        (
            "UPDATE_USER",
            server
                .backend(A::UpdateUser, json!({ "userId": server.tenant.user_id, "userEmail": email }))
                .await,
        ),
        ("otp_init", server.proxy("otp_init", init.clone()).await),
        ("otp_init_v2", server.proxy("otp_init_v2", init).await),
        (
            "signup",
            server
                .proxy(
                    "signup",
                    json!({ "userEmail": email, "apiKeys": wallet, "authenticators": [], "oauthProviders": [] }),
                )
                .await,
        ),
    ]
}

#[tokio::test]
async fn every_way_in_refuses_a_domain_that_is_not_taken() {
    let (server, check) = judged().await;
    let methods = json!({ "allowedAuthMethods": ["email", "wallet"] });
    assert_eq!(server.backend(A::UpdateAuthProxyConfig, methods).await.status, 200);
    let account = server.create_user("ann@acme.example").await;
    check.take();
    for (email, refusal) in [
        ("ann@Unwanted.example", (400, "INVALID_EMAIL", "invalid email address")),
        ("ann@unreachable.example", (400, "INVALID_FQDN", "could not reach email")),
    ] {
        for (way, reply) in every_way(&server, &account, email).await {
            assert_eq!(reply.refusal(), refusal, "{way}");
        }
        let asked = check.take();
        assert_eq!(asked.len(), 11, "each once: {asked:?}");
        assert!(asked.iter().all(|domains| domains == &[email[4..].to_lowercase()]), "{asked:?}");
    }
}

#[tokio::test]
async fn known_and_unknown_addresses_are_judged_alike_and_only_for_those_who_may_ask() {
    let (server, check) = judged().await;
    server.logged_in("known@acme.example").await;
    server.clock.advance_s(600);
    check.take();
    for email in ["known@acme.example", "other@acme.example"] {
        let init = server.backend(A::InitOtpV3, server.init_email(email)).await;
        assert_eq!(init.status, 200, "{}", init.body);
        assert_eq!(check.take(), [["acme.example"]]);
    }
    let stranger = client_key(&server);
    let organization = server.tenant.organization_id;
    let refused =
        server.submit(&stranger, A::InitOtpV3, organization, server.init_email("a@unwanted.example"));
    assert_eq!(refused.await.status, 401);
    let body = server.activity(A::InitOtpV3, organization, &server.init_email("new@acme.example"));
    for _ in 0..2 {
        assert_eq!(server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body).await.status, 200);
    }
    let sms = json!({ "otpType": "OTP_TYPE_SMS", "contact": "+14155552671", "appName": "Shop" });
    assert_eq!(server.backend(A::InitOtpV3, sms).await.status, 200);
    assert_eq!(check.take(), [["acme.example"]], "neither a stranger's, nor a repetition, nor a number");
}

#[tokio::test]
async fn an_address_whose_domain_is_taken_no_longer_is_still_found_used_and_given_up() {
    let server = TestServer::start().await;
    let account = server.create_user("ann@unwanted.example").await;
    let check = Arc::new(ByName::default());
    server.engine.judge_domains_by(check.clone());
    let filter = json!({ "filterType": "EMAIL", "filterValue": "ann@unwanted.example" });
    let found = server.query(&server.tenant.key, "list_suborgs", server.tenant.organization_id, filter).await;
    assert_eq!(found.body["organizationIds"], json!([account.organization_id]));
    assert_eq!(check.take().len(), 0);
}

/// A number of a length that its country had when it was stored.
#[tokio::test]
async fn a_number_that_became_impossible_is_still_found_and_given_up() {
    let server = TestServer::start().await;
    let organization = server.tenant.organization_id;
    let refused = json!({ "userId": server.tenant.user_id, "userPhoneNumber": "+1 415 555 267" });
    assert_eq!(server.backend(A::UpdateUserPhoneNumber, refused).await.refusal().2, "invalid phone number");

    let facts = server.store.users(organization).await.expect("the store answers");
    let mut user =
        facts.into_iter().find(|record| record.user.id == server.tenant.user_id).expect("the user").user;
    user.phone = Some("+1415555267".to_owned());
    let mut changes = ChangeSet::new();
    changes.push(Write::InsertContact {
        tenant: organization,
        contact: ContactKey::of(&Contact::stored(OtpType::Sms, "+1415555267").expect("a stored number")),
        organization,
        user: user.id,
        verified_at: None,
    });
    changes.push(Write::UpdateUser(Box::new(user)));
    server.store.commit(changes).await.expect("stored as an older release would have");

    let removed = server
        .backend(A::UpdateUserPhoneNumber, json!({ "userId": server.tenant.user_id, "userPhoneNumber": "" }))
        .await;
    assert_eq!(removed.status, 200, "{}", removed.body);
    let looked = json!({ "filterType": "PHONE_NUMBER", "filterValue": "+1 415 555 267" });
    let none = server.query(&server.tenant.key, "list_suborgs", organization, looked).await;
    assert_eq!((none.status, &none.body["organizationIds"]), (200, &json!([])), "{}", none.body);
}
