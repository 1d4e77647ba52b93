//! Who may do what, and where.

use axum::http::Method;
use serde_json::json;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::{ActivityType, OrganizationId};

use crate::reference::{Reference, versions};

#[tokio::test]
async fn a_parent_may_run_logins_in_its_sub_organizations_and_nothing_else() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let target = account.organization_id;
    let reference = Reference::load();
    for (activity, definition) in versions(&reference) {
        server.clock.advance_s(600);
        let mut parameters = reference.object(&definition, false);
        if matches!(activity.kind(), "INIT_OTP" | "INIT_OTP_AUTH" | "EMAIL_AUTH" | "INIT_USER_EMAIL_RECOVERY")
        {
            let member = if activity.kind().starts_with("INIT_OTP") { "contact" } else { "email" };
            parameters[member] = json!("user@acme.example");
        }
        let reply = server.submit(&server.tenant.key, activity, target, parameters).await;
        let (_, code, message) = reply.refusal();
        let parents_own = activity.parents_only();
        let votes = activity.kind().ends_with("_ACTIVITY");
        let allowed = activity.parent_may_target();
        if votes {
            assert_eq!(reply.refusal().0, 404, "{}: {}", activity.name(), reply.body);
            continue;
        }
        match (allowed, parents_own) {
            (true, _) => {
                assert_ne!(code, "ORGANIZATION_MISMATCH", "{}: {}", activity.name(), reply.body);
                assert_ne!(reply.status, 403, "{}: {}", activity.name(), reply.body);
            }
            (false, true) => assert_eq!(code, "INVALID_ACTIVITY_CALLER", "{}", activity.name()),
            (false, false) => {
                assert_eq!(code, "ORGANIZATION_MISMATCH", "{}: {}", activity.name(), reply.body);
                assert!(message.contains(&format!("(\"{target}\")")), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn a_sub_organization_makes_no_organizations() {
    let server = TestServer::start().await;
    let (account, key) = server.logged_in("user@acme.example").await;
    let parameters = json!({
        "subOrganizationName": "x", "rootQuorumThreshold": 1,
        "rootUsers": [{ "userName": "u", "userEmail": "u@x.example", "apiKeys": [], "authenticators": [], "oauthProviders": [] }],
    });
    let at_home = server
        .submit(&key, ActivityType::CreateSubOrganizationV8, account.organization_id, parameters.clone())
        .await;
    assert_eq!(
        at_home.refusal(),
        (400, "INVALID_ACTIVITY_CALLER", "this activity cannot be called by sub-organizations")
    );
    let above = server
        .submit(&key, ActivityType::CreateSubOrganizationV8, server.tenant.organization_id, parameters)
        .await;
    assert_eq!(above.refusal().1, "PUBLIC_KEY_NOT_FOUND");
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let other = server.another_tenant().await;
    for target in [account.organization_id, server.tenant.organization_id] {
        for name in vestibule_wire::query::QUERIES.iter().copied() {
            let reply = server.query(&other.key, name, target, json!({})).await;
            assert_eq!((reply.refusal().0, reply.refusal().1), (401, "PUBLIC_KEY_NOT_FOUND"), "{name}");
        }
        let init = server
            .submit(&other.key, ActivityType::InitOtpV3, target, server.init_email("user@acme.example"))
            .await;
        assert_eq!(init.refusal().0, 401);
    }
    let elsewhere = server.query(&session, "whoami", other.organization_id, json!({})).await;
    assert_eq!(elsewhere.refusal().1, "PUBLIC_KEY_NOT_FOUND");
    // A token of one tenant opens nothing in another.
    let verified = server.verify("user@acme.example").await;
    let foreign = server
        .submit(
            &other.key,
            ActivityType::OtpLoginV2,
            other.organization_id,
            json!({
                "verificationToken": verified.token,
                "publicKey": verified.key.public_key().to_hex(),
                "clientSignature": verified.login_signature(&verified.key),
            }),
        )
        .await;
    assert_eq!(foreign.refusal().2, "invalid verification token");
}

#[tokio::test]
async fn a_parent_reads_its_sub_organizations() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let user = json!({ "userId": account.user_id });
    for key in [&server.tenant.key, &session] {
        let reply = server.query(key, "get_user", account.organization_id, user.clone()).await;
        assert_eq!(reply.body["user"]["userName"], "user@acme.example", "{}", reply.body);
        let configs = server.query(key, "get_organization_configs", account.organization_id, json!({})).await;
        assert_eq!(
            configs.body["configs"]["quorum"],
            json!({ "threshold": 1, "userIds": [account.user_id] })
        );
    }
    let reply = server.query(&server.tenant.key, "whoami", account.organization_id, json!({})).await;
    assert_eq!(reply.body["userId"], json!(server.tenant.user_id));
    assert_eq!(reply.body["organizationId"], json!(account.organization_id), "the target stays");
}

#[tokio::test]
async fn stamps_that_prove_nothing_are_refused_in_the_documented_words() {
    let server = TestServer::start().await;
    let body = json!({ "organizationId": server.tenant.organization_id }).to_string();
    let stamp = ApiStamp::make(&server.tenant.key, body.as_bytes());
    let ask = async |headers: &[(&str, &str)], body: &str| {
        server.send(Method::POST, "/public/v1/query/whoami", headers, body.to_owned()).await
    };
    assert_eq!(ask(&[("x-stamp", &stamp)], &body).await.status, 200);
    assert_eq!(
        ask(&[], &body).await.refusal(),
        (401, "SIGNATURE_MISSING", "no valid authentication signature found for request")
    );
    let other_bytes = format!("{body} ");
    assert_eq!(
        ask(&[("x-stamp", &stamp)], &other_bytes).await.refusal(),
        (401, "SIGNATURE_INVALID", "could not verify api key signature")
    );
    assert_eq!(
        ask(&[("x-stamp", "nonsense")], &body).await.refusal(),
        (401, "SIGNATURE_INVALID", "malformed activity stamp")
    );
    let two = [("x-stamp", stamp.as_str()), ("x-session", "y")];
    assert_eq!(ask(&two, &body).await.refusal(), (401, "SIGNATURE_INVALID", "malformed activity stamp"));
    assert_eq!(
        ask(&[("x-session", "y")], &body).await.refusal(),
        (401, "UNAUTHENTICATED", "invalid or expired session")
    );
    let stranger = ApiStamp::make(&client_key(&server), body.as_bytes());
    let unknown = ask(&[("x-stamp", &stranger)], &body).await;
    assert!(
        unknown.refusal().2.starts_with("could not find public key in organization organizationId="),
        "{}",
        unknown.body
    );
    let nowhere: OrganizationId = "00000000-0000-7000-8000-000000000000".parse().expect("a UUID");
    let reply = server.query(&server.tenant.key, "whoami", nowhere, json!({})).await;
    assert_eq!(reply.refusal(), (404, "ORGANIZATION_NOT_FOUND", "no organization found with the given ID"));
    let unstamped = server.send(Method::POST, "/public/v1/submit/init_otp", &[], body.clone()).await;
    assert_eq!(unstamped.refusal().1, "SIGNATURE_MISSING");
    let below = server.create_user("user@acme.example").await;
    let reply = server.query(&client_key(&server), "whoami", below.organization_id, json!({})).await;
    let message = reply.refusal().2;
    assert!(
        message.contains("could not find public key in organization or its parent organization"),
        "{message}"
    );
    assert!(
        message.contains(&format!("parentOrganizationId={}", server.tenant.organization_id)),
        "{message}"
    );
}

#[tokio::test]
async fn one_key_in_two_sub_organizations_is_told_apart_only_by_name() {
    let server = TestServer::start().await;
    let key = client_key(&server);
    let mut organizations = Vec::new();
    for n in 0..2 {
        let parameters = json!({
            "subOrganizationName": format!("s{n}"), "rootQuorumThreshold": 1,
            "rootUsers": [{ "userName": "u", "authenticators": [], "oauthProviders": [],
                "apiKeys": [{ "apiKeyName": "k", "publicKey": key.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }] }],
        });
        let id =
            server.backend(ActivityType::CreateSubOrganizationV8, parameters).await.text("subOrganizationId");
        organizations.push(id.parse::<OrganizationId>().expect("a UUID"));
    }
    let by_parent = server.query(&key, "whoami", server.tenant.organization_id, json!({})).await;
    assert_eq!(
        by_parent.refusal(),
        (401, "CREDENTIAL_CONFLICT", "more than one suborg associated with a public key")
    );
    for id in organizations {
        assert_eq!(server.query(&key, "whoami", id, json!({})).await.body["organizationId"], json!(id));
    }
}

#[tokio::test]
async fn other_requests_do_not_resolve_a_parent_id() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let parent = server.tenant.organization_id;
    let query = server.query(&session, "get_user", parent, json!({ "userId": account.user_id })).await;
    assert_eq!(query.refusal().1, "PUBLIC_KEY_NOT_FOUND");
    let activity = server
        .submit(&session, ActivityType::InitOtpV3, parent, server.init_email("user@acme.example"))
        .await;
    assert_eq!(activity.refusal().1, "PUBLIC_KEY_NOT_FOUND");
    let key = client_key(&server);
    let parameters = json!({ "publicKey": key.public_key().to_hex() });
    let login = server.submit(&session, ActivityType::StampLogin, parent, parameters).await;
    assert_eq!(login.body["activity"]["organizationId"], json!(account.organization_id), "{}", login.body);
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_with_all_its_sub_organizations() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let parent = server.tenant.organization_id;
    server.engine.set_suspended(parent, true).await.expect("suspended");
    let refused = (403, "API_OPERATIONS_DISABLED", "this organization has been suspended");
    assert_eq!(server.query(&server.tenant.key, "whoami", parent, json!({})).await.refusal(), refused);
    assert_eq!(server.query(&session, "whoami", account.organization_id, json!({})).await.refusal(), refused);
    let init = server.backend(ActivityType::InitOtpV3, server.init_email("user@acme.example")).await;
    assert_eq!(init.refusal(), refused);
    assert_eq!(server.proxy("wallet_kit_config", json!({})).await.refusal(), refused);
    server.engine.set_suspended(parent, false).await.expect("resumed");
    assert_eq!(server.query(&session, "whoami", account.organization_id, json!({})).await.status, 200);
}
