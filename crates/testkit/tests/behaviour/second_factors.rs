//! MFA policies, and sessions that know how and how long ago their user authenticated.

use axum::http::Method;
use serde_json::{Value, json};
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::AttestedStamp;
use vestibule_engine::Settings;
use vestibule_testkit::{Account, Reply, TestServer, Verified, client_key};
use vestibule_wire::ActivityType as A;

use crate::company::{fingerprint, hire, quorum, reply_text, status, sub_organization, vote};

/// A user that must show a code by email for everything that changes its keys.
async fn guarded(server: &TestServer, email: &str) -> (Account, SigningKey, String) {
    let (account, session) = server.logged_in(email).await;
    let parameters = json!({
        "userId": account.user_id, "mfaPolicyName": "codes for keys", "order": 1,
        "condition": "activity.resource == 'CREDENTIAL'",
        "requiredAuthenticationMethods": [
            { "any": [{ "type": "AUTHENTICATION_TYPE_SESSION" }] },
            { "any": [{ "type": "AUTHENTICATION_TYPE_EMAIL_OTP" }] },
        ],
    });
    let made = server.submit(&session, A::CreateMfaPolicy, account.organization_id, parameters).await;
    let id = made.text("mfaPolicyId");
    (account, session, id)
}

fn new_key(server: &TestServer, account: &Account) -> Value {
    json!({
        "userId": account.user_id,
        "apiKeys": [{
            "apiKeyName": "k", "publicKey": client_key(server).public_key().to_hex(),
            "curveType": "API_KEY_CURVE_P256",
        }],
    })
}

async fn approve_with_code(server: &TestServer, verified: &Verified, on: &Reply) -> Reply {
    let organization = reply_text(on, "organizationId").parse().expect("an organization");
    let body = server.activity(A::ApproveActivity, organization, &fingerprint(on));
    let stamp = AttestedStamp::make(&verified.key, &verified.token, body.as_bytes());
    let headers = [("x-stamp-attested", stamp.as_str())];
    server.send(Method::POST, "/public/v1/submit/approve_activity", &headers, body).await
}

#[tokio::test]
async fn an_mfa_policy_demands_a_code_before_a_key_is_made() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (account, session, policy) = guarded(&server, email).await;
    let organization = account.organization_id;
    let asked = server.submit(&session, A::CreateApiKeysV2, organization, new_key(&server, &account)).await;
    assert_eq!(status(&asked), "AUTHENTICATORS_NEEDED");
    assert_eq!(asked.body["activity"]["result"], json!({}));

    let progress =
        |id: String| server.query(&session, "get_mfa_status", organization, json!({ "activityId": id }));
    let waiting = progress(reply_text(&asked, "id")).await;
    let first = &waiting.body["mfaStatuses"][0];
    assert_eq!(
        (&first["mfaPolicyId"], &first["satisfied"]),
        (&json!(policy), &json!(false)),
        "{}",
        waiting.body
    );
    assert_eq!(first["satisfiedMethods"].as_array().map(Vec::len), Some(1));
    assert_eq!(first["requiredMethods"].as_array().map(Vec::len), Some(2));

    let same = server.submit(&session, A::ApproveActivity, organization, fingerprint(&asked)).await;
    assert_eq!(status(&same), "AUTHENTICATORS_NEEDED", "the same credential adds nothing");
    let verified = server.verify(email).await;
    let done = approve_with_code(&server, &verified, &asked).await;
    assert_eq!(status(&done), "COMPLETED");
    assert_eq!(done.result()["apiKeyIds"].as_array().map(Vec::len), Some(1));
    let votes = done.body["activity"]["votes"].as_array().expect("votes").clone();
    assert_eq!(votes[1]["scheme"], "SIGNATURE_SCHEME_TK_ATTESTED_P256");
    let met = progress(reply_text(&asked, "id")).await;
    assert_eq!(met.body["mfaStatuses"][0]["satisfied"], true, "{}", met.body);
}

#[tokio::test]
async fn somebody_elses_code_satisfies_nothing() {
    let server = TestServer::start().await;
    let (account, session, _) = guarded(&server, "user@acme.example").await;
    server.logged_in("mallory@acme.example").await;
    let asked = server
        .submit(&session, A::CreateApiKeysV2, account.organization_id, new_key(&server, &account))
        .await;
    let verified = server.verify("mallory@acme.example").await;
    let refused = approve_with_code(&server, &verified, &asked).await;
    assert_eq!(refused.refusal().1, "PUBLIC_KEY_NOT_FOUND", "{}", refused.body);
}

#[tokio::test]
async fn activities_outside_of_an_mfa_policys_condition_pass() {
    let server = TestServer::start().await;
    let (account, session, policy) = guarded(&server, "user@acme.example").await;
    let organization = account.organization_id;
    let rename = json!({ "userId": account.user_id, "userName": "Ada" });
    assert_eq!(status(&server.submit(&session, A::UpdateUserName, organization, rename).await), "COMPLETED");
    let ids = json!({ "userId": account.user_id, "mfaPolicyId": policy });
    let found = server.query(&session, "get_mfa_policy", organization, ids.clone()).await;
    assert_eq!(found.body["mfaPolicy"]["mfaPolicyName"], "codes for keys", "{}", found.body);
    let user = server.query(&session, "get_user", organization, json!({ "userId": account.user_id })).await;
    assert_eq!(user.body["user"]["mfaPolicies"][0]["mfaPolicyId"], policy);

    // Its own policies are met before a user changes them, whatever their conditions.
    let laxer = json!({
        "userId": account.user_id, "mfaPolicyName": "none", "order": 0, "condition": "true",
        "requiredAuthenticationMethods": [{ "any": [{ "type": "AUTHENTICATION_TYPE_SESSION" }] }],
    });
    let shed = server.submit(&session, A::CreateMfaPolicy, organization, laxer).await;
    assert_eq!(status(&shed), "AUTHENTICATORS_NEEDED");
    let verified = server.verify("user@acme.example").await;
    let mut change = ids.clone();
    change["order"] = json!(7);
    let asked = server.submit(&session, A::UpdateMfaPolicy, organization, change).await;
    assert_eq!(status(&asked), "AUTHENTICATORS_NEEDED");
    assert_eq!(status(&approve_with_code(&server, &verified, &asked).await), "COMPLETED");
    let listed =
        server.query(&session, "get_mfa_policies", organization, json!({ "userId": account.user_id })).await;
    assert_eq!(listed.body["mfaPolicies"][0]["order"], 7, "{}", listed.body);
    let asked = server.submit(&session, A::DeleteMfaPolicy, organization, ids.clone()).await;
    assert_eq!(status(&approve_with_code(&server, &verified, &asked).await), "COMPLETED");
    let made = server.submit(&session, A::CreateApiKeysV2, organization, new_key(&server, &account)).await;
    assert_eq!(status(&made), "COMPLETED");
    assert_eq!(server.query(&session, "get_mfa_policy", organization, ids).await.status, 404);
}

#[tokio::test]
async fn the_proposers_factors_come_before_the_votes() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    quorum(&server, 2, &people).await;
    let organization = server.tenant.organization_id;
    let second = client_key(&server);
    let parameters = json!({
        "userId": people[0].id, "mfaPolicyName": "two keys", "order": 1,
        "condition": "activity.kind == 'CREATE_SUB_ORGANIZATION'",
        "requiredAuthenticationMethods": [{ "any": [{ "type": "AUTHENTICATION_TYPE_SESSION" }] }],
    });
    let made = server.submit(&people[0].key, A::CreateMfaPolicy, organization, parameters).await;
    assert_eq!(status(&made), "COMPLETED", "{}", made.body);
    let login = json!({ "publicKey": second.public_key().to_hex() });
    server.submit(&people[0].key, A::StampLogin, organization, login).await.text("session");

    let asked =
        server.submit(&people[0].key, A::CreateSubOrganizationV8, organization, sub_organization()).await;
    assert_eq!(status(&asked), "AUTHENTICATORS_NEEDED");
    assert_eq!(vote(&server, &people[1], A::ApproveActivity, &asked).await.refusal().0, 403);
    let shown = server.submit(&second, A::ApproveActivity, organization, fingerprint(&asked)).await;
    assert_eq!(status(&shown), "CONSENSUS_NEEDED");
    assert_eq!(status(&vote(&server, &people[1], A::ApproveActivity, &asked).await), "COMPLETED");
}

#[tokio::test]
async fn a_session_profile_limits_what_its_sessions_do() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let parameters = json!({
        "sessionProfileName": "names only", "expirationSeconds": "60",
        "scope": "activity.kind == 'UPDATE_USER_NAME'",
    });
    let profile = server.backend(A::CreateSessionProfile, parameters.clone()).await.text("sessionProfileId");
    assert_eq!(
        server.backend(A::CreateSessionProfile, parameters).await.refusal().2,
        "session profile label must be unique"
    );
    let reserved = json!({ "sessionProfileName": "SESSION_TYPE_READ_WRITE", "scope": "true" });
    assert_eq!(server.backend(A::CreateSessionProfile, reserved).await.refusal().0, 400);

    let organization = account.organization_id;
    let scoped = client_key(&server);
    let login = json!({ "publicKey": scoped.public_key().to_hex(), "sessionProfileId": profile, "expirationSeconds": "900" });
    let token = server.submit(&session, A::StampLogin, organization, login).await.text("session");
    let claims = claims(&token);
    assert_eq!(claims["session_type"], "names only");
    assert_eq!(claims["scope"], "activity.kind == 'UPDATE_USER_NAME'");
    assert_eq!(claims["session_profile_id"], profile);
    assert_eq!(claims["exp"], server.clock.now() / 1000 + 60);

    let rename = json!({ "userId": account.user_id, "userName": "Ada" });
    assert_eq!(status(&server.submit(&scoped, A::UpdateUserName, organization, rename).await), "COMPLETED");
    let refused = server.submit(&scoped, A::CreateApiKeysV2, organization, new_key(&server, &account)).await;
    assert_eq!(refused.refusal(), (403, "REQUEST_NOT_AUTHORIZED", "request not authorized"));
    let keys = server.query(&scoped, "get_api_keys", organization, json!({})).await;
    let of_profile = keys.body["apiKeys"]
        .as_array()
        .expect("keys")
        .iter()
        .find(|key| key["credential"]["sessionProfileId"] == profile.as_str());
    assert!(of_profile.is_some(), "{}", keys.body);

    // Refreshing keeps the profile; asking for another one is refused.
    let next = client_key(&server);
    let plain = json!({ "publicKey": next.public_key().to_hex() });
    let other = json!({ "publicKey": next.public_key().to_hex(), "sessionProfileId": account.user_id });
    let wider = json!({ "sessionProfileName": "logins", "scope": "activity.resource == 'AUTH'" });
    let wider = server.backend(A::CreateSessionProfile, wider).await.text("sessionProfileId");
    let under = client_key(&server);
    let login = json!({ "publicKey": under.public_key().to_hex(), "sessionProfileId": wider });
    server.submit(&session, A::StampLogin, organization, login).await.text("session");
    let token = server.submit(&under, A::StampLogin, organization, plain).await.text("session");
    assert_eq!(self::claims(&token)["session_profile_id"], wider);
    assert_eq!(server.submit(&under, A::StampLogin, organization, other).await.refusal().0, 403);

    let found = server
        .query(&session, "get_session_profile", organization, json!({ "sessionProfileId": profile }))
        .await;
    assert_eq!(found.body["sessionProfile"]["expirationSeconds"], "60", "{}", found.body);
    let all = server.query(&session, "get_session_profiles", organization, json!({})).await;
    assert_eq!(all.body["sessionProfiles"].as_array().map(Vec::len), Some(2));
    let unknown = json!({ "publicKey": client_key(&server).public_key().to_hex(), "sessionProfileId": account.user_id });
    assert_eq!(server.submit(&session, A::StampLogin, organization, unknown).await.refusal().0, 404);
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a payload");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

async fn refresh(server: &TestServer, account: &Account, key: &SigningKey) -> Reply {
    let parameters = json!({ "publicKey": key.public_key().to_hex(), "expirationSeconds": "900" });
    server.submit(key, A::StampLogin, account.organization_id, parameters).await
}

#[tokio::test]
async fn refreshing_carries_no_session_beyond_its_greatest_age() {
    let settings =
        Settings { max_session_age_s: Some(1000), account_requires_token: false, ..Settings::default() };
    let server = TestServer::with(settings).await;
    let (account, session) = server.logged_in("user@acme.example").await;
    server.clock.advance_s(600);
    let left = claims(&refresh(&server, &account, &session).await.text("session"));
    assert_eq!(left["exp"], server.clock.now() / 1000 + 400);
    server.clock.advance_s(399);
    refresh(&server, &account, &session).await.text("session");
    server.clock.advance_s(1);
    assert_eq!(refresh(&server, &account, &session).await.refusal().1, "API_KEY_EXPIRED");
}

#[tokio::test]
async fn an_operator_may_demand_a_fresh_code_before_credentials_change() {
    let settings =
        Settings { fresh_authentication_s: Some(300), account_requires_token: false, ..Settings::default() };
    let server = TestServer::with(settings).await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let organization = account.organization_id;
    let made = server.submit(&session, A::CreateApiKeysV2, organization, new_key(&server, &account)).await;
    assert_eq!(status(&made), "COMPLETED");
    server.clock.advance_s(300);
    let stale = server.submit(&session, A::CreateApiKeysV2, organization, new_key(&server, &account)).await;
    assert_eq!((stale.refusal().0, stale.refusal().1), (403, "REQUEST_NOT_AUTHORIZED"), "{}", stale.body);
    let other = json!({ "userId": account.user_id, "userName": "Ada" });
    assert_eq!(status(&server.submit(&session, A::UpdateUserName, organization, other).await), "COMPLETED");
    refresh(&server, &account, &session).await.text("session");
    let refreshed =
        server.submit(&session, A::CreateApiKeysV2, organization, new_key(&server, &account)).await;
    assert_eq!(refreshed.refusal().0, 403, "refreshing is no authentication");
    let verified = server.verify("user@acme.example").await;
    server.login(&account, &verified).await.text("session");
    let fresh =
        server.submit(&verified.key, A::CreateApiKeysV2, organization, new_key(&server, &account)).await;
    assert_eq!(status(&fresh), "COMPLETED");
}
