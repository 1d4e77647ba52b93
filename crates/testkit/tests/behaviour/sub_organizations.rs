//! CREATE_SUB_ORGANIZATION in all its versions, and what is read back.

use serde_json::{Value, json};
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::{ActivityType, OrganizationId};

fn versions() -> [(ActivityType, &'static str); 5] {
    [
        (ActivityType::CreateSubOrganizationV4, "createSubOrganizationResultV4"),
        (ActivityType::CreateSubOrganizationV5, "createSubOrganizationResultV5"),
        (ActivityType::CreateSubOrganizationV6, "createSubOrganizationResultV6"),
        (ActivityType::CreateSubOrganizationV7, "createSubOrganizationResultV7"),
        (ActivityType::CreateSubOrganizationV8, "createSubOrganizationResultV8"),
    ]
}

fn organization(users: Value) -> Value {
    json!({ "subOrganizationName": "s", "rootUsers": users, "rootQuorumThreshold": 1 })
}

fn user(email: &str) -> Value {
    json!({ "userName": "u", "userEmail": email, "apiKeys": [], "authenticators": [], "oauthProviders": [] })
}

#[tokio::test]
async fn every_version_makes_an_organization_with_the_members_it_knows() {
    let server = TestServer::start().await;
    for (activity, key) in versions() {
        let api_key = client_key(&server);
        let parameters = json!({
            "subOrganizationName": activity.name(),
            "rootUsers": [
                { "userName": "first", "userEmail": "a@x.example", "userPhoneNumber": "+14155552671",
                  "apiKeys": [{ "apiKeyName": "k", "publicKey": api_key.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }],
                  "authenticators": [], "oauthProviders": [] },
                { "userName": "second", "userEmail": "b@x.example", "apiKeys": [], "authenticators": [], "oauthProviders": [] },
            ],
            "rootQuorumThreshold": 1, "disableEmailRecovery": true, "disableSmsAuth": true, "wallet": null,
        });
        let reply = server.backend(activity, parameters).await;
        let result = &reply.body["activity"]["result"][key];
        let id: OrganizationId =
            result["subOrganizationId"].as_str().and_then(|t| t.parse().ok()).expect("an id");
        assert_eq!(result["rootUserIds"].as_array().map(Vec::len), Some(2));
        assert!(result.get("wallet").is_none());
        let users = server.query(&api_key, "list_users", id, json!({})).await;
        let first = users.body["users"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|u| u["userId"] == result["rootUserIds"][0])
            .expect("in order")
            .clone();
        assert_eq!(first["userName"], "first");
        let knows_phones =
            matches!(activity, ActivityType::CreateSubOrganizationV7 | ActivityType::CreateSubOrganizationV8);
        assert_eq!(first.get("userPhoneNumber").is_some(), knows_phones, "{first}");
        for list in ["authenticators", "userTags", "oauthProviders", "mfaPolicies"] {
            assert_eq!(first[list], json!([]), "{list}");
        }
        let configs = server.query(&api_key, "get_organization_configs", id, json!({})).await;
        let features = configs.body["configs"]["features"].to_string();
        assert!(
            features.contains("FEATURE_NAME_OTP_EMAIL_AUTH")
                && !features.contains("FEATURE_NAME_EMAIL_RECOVERY")
        );
        assert_eq!(features.contains("FEATURE_NAME_SMS_AUTH"), !knows_phones, "{features}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_the_documented_words() {
    let server = TestServer::start().await;
    let with = |name: &str, value: Value| {
        let mut parameters = organization(json!([user("a@x.example")]));
        parameters[name] = value;
        parameters
    };
    let nobody = json!({ "userName": "nobody", "apiKeys": [], "authenticators": [], "oauthProviders": [] });
    let mut oauth = user("a@x.example");
    oauth["oauthProviders"] = json!([{ "providerName": "p", "oidcToken": "t" }]);
    let mut bad_email = user("not an address");
    bad_email["userName"] = json!("u");
    let mut bad_phone = user("a@x.example");
    bad_phone["userPhoneNumber"] = json!("123");
    let no_name =
        json!({ "userEmail": "a@x.example", "apiKeys": [], "authenticators": [], "oauthProviders": [] });
    let many: Vec<Value> = (0..101).map(|n| user(&format!("u{n}@x.example"))).collect();
    for (parameters, code, message) in [
        (
            with("wallet", json!({ "walletName": "w", "accounts": [] })),
            "REQUEST_INVALID",
            "wallets are not supported by this server",
        ),
        (
            with("rootQuorumThreshold", json!(0)),
            "REQUEST_INVALID",
            "quorum threshold must be non-zero integer",
        ),
        (
            with("rootQuorumThreshold", json!(2)),
            "REQUEST_INVALID",
            "quorum threshold must be non-zero integer",
        ),
        (organization(json!([])), "REQUEST_INVALID", "quorum users missing"),
        (organization(json!([nobody])), "REQUEST_INVALID", "user missing valid credential: nobody"),
        (organization(json!([oauth])), "REQUEST_INVALID", "OAuth is not enabled"),
        (organization(json!([bad_email])), "INVALID_EMAIL", "invalid email address"),
        (organization(json!([bad_phone])), "REQUEST_INVALID", "invalid phone number"),
        (organization(json!([no_name])), "REQUEST_INVALID", "invalid request body: missing field `userName`"),
        (
            organization(json!(many)),
            "REQUEST_INVALID",
            "invalid request body: rootUsers has more than 100 users",
        ),
        (
            with("subOrganizationName", json!("a\u{7}b")),
            "REQUEST_INVALID",
            "invalid request body: subOrganizationName is not a label",
        ),
        (with("verificationToken", json!("nonsense")), "REQUEST_INVALID", "invalid verification token"),
    ] {
        let reply = server.backend(ActivityType::CreateSubOrganizationV7, parameters).await;
        assert_eq!(reply.refusal(), (400, code, message));
    }
}

#[tokio::test]
async fn a_new_user_keeps_ten_expiring_keys() {
    let server = TestServer::start().await;
    let keys: Vec<Value> = (0..30)
        .map(|n| {
            let key = client_key(&server).public_key().to_hex();
            json!({ "apiKeyName": format!("k{n}"), "publicKey": key, "curveType": "API_KEY_CURVE_P256", "expirationSeconds": "600" })
        })
        .collect();
    let mut with_keys = user("a@x.example");
    with_keys["apiKeys"] = json!(keys);
    let reply = server.backend(ActivityType::CreateSubOrganizationV8, organization(json!([with_keys]))).await;
    let id: OrganizationId = reply.text("subOrganizationId").parse().expect("a UUID");
    let listed = server.query(&server.tenant.key, "get_api_keys", id, json!({})).await;
    assert_eq!(listed.body["apiKeys"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn a_token_proves_one_root_users_contact_and_signs_up_once() {
    let server = TestServer::start().await;
    let verified = server.verify("user@acme.example").await;
    let signature = vestibule_crypto::client_signature::ClientSignature::make(
        &verified.key,
        json!({ "signupV2": { "email": "user@acme.example" }, "tokenId": verified.token_id(), "type": "USAGE_TYPE_SIGNUP" }).to_string(),
    );
    let mut parameters = organization(json!([user("user@acme.example"), user("second@acme.example")]));
    parameters["verificationToken"] = json!(verified.token);
    parameters["clientSignature"] = serde_json::to_value(signature).expect("JSON");
    let id: OrganizationId = server
        .backend(ActivityType::CreateSubOrganizationV8, parameters.clone())
        .await
        .text("subOrganizationId")
        .parse()
        .expect("a UUID");
    let parent = server.tenant.organization_id;
    let listed = async |email: &str| {
        let filter = json!({ "filterType": "EMAIL", "filterValue": email });
        server.query(&server.tenant.key, "list_verified_suborgs", parent, filter).await.body
    };
    assert_eq!(listed("user@acme.example").await, json!({ "organizationIds": [id] }));
    assert_eq!(listed("second@acme.example").await, json!({ "organizationIds": [] }));
    server.clock.advance_ms(1);
    let again = server.backend(ActivityType::CreateSubOrganizationV8, parameters).await;
    assert_eq!(again.refusal().2, "verification token has already been used to sign up");
}

#[tokio::test]
async fn a_registered_passkey_is_stored_and_shown() {
    let server = TestServer::start().await;
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../testdata/vectors/webauthn.json")).expect("JSON");
    for registration in vectors["registrations"].as_array().expect("a list") {
        let params = registration["authenticatorParamsV2"].clone();
        let users =
            json!([{ "userName": "u", "apiKeys": [], "authenticators": [params], "oauthProviders": [] }]);
        let reply = server.backend(ActivityType::CreateSubOrganizationV8, organization(users.clone())).await;
        let id: OrganizationId = reply.text("subOrganizationId").parse().expect("a UUID");
        let listed = server.query(&server.tenant.key, "list_users", id, json!({})).await;
        let shown = &listed.body["users"][0]["authenticators"][0];
        assert_eq!(shown["credentialId"], params["attestation"]["credentialId"]);
        assert_eq!(shown["credential"]["type"], "CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR");
        assert_eq!(shown["attestationType"], "none");
        let filter =
            json!({ "filterType": "CREDENTIAL_ID", "filterValue": params["attestation"]["credentialId"] });
        let found =
            server.query(&server.tenant.key, "list_suborgs", server.tenant.organization_id, filter).await;
        assert_eq!(found.body, json!({ "organizationIds": [id] }));
        let mut tampered = users;
        tampered[0]["authenticators"][0]["challenge"] = json!("AAAA");
        let refused = server.backend(ActivityType::CreateSubOrganizationV8, organization(tampered)).await;
        assert_eq!(refused.refusal().2, "invalid authenticator attestation");
    }
}

#[tokio::test]
async fn sub_organizations_are_listed_newest_first_in_pages() {
    let server = TestServer::start().await;
    let mut ids: Vec<Value> = Vec::new();
    for n in 0..25 {
        server.clock.advance_ms(1);
        let mut parameters = organization(json!([user(&format!("u{n}@x.example"))]));
        parameters["subOrganizationName"] = json!(format!("name {n}"));
        ids.insert(
            0,
            json!(
                server
                    .backend(ActivityType::CreateSubOrganizationV7, parameters)
                    .await
                    .text("subOrganizationId")
            ),
        );
    }
    let parent = server.tenant.organization_id;
    let list = async |members: Value| server.query(&server.tenant.key, "list_suborgs", parent, members).await;
    assert_eq!(list(json!({})).await.body["organizationIds"], json!(ids[..10]));
    let page = json!({ "paginationOptions": { "limit": "100", "before": "", "after": ids[19] } });
    assert_eq!(list(page).await.body["organizationIds"], json!(ids[20..]));
    let page = json!({ "paginationOptions": { "limit": "3", "before": ids[10] } });
    assert_eq!(list(page).await.body["organizationIds"], json!(ids[7..10]));
    let named = json!({ "filterType": "NAME", "filterValue": "name 7" });
    assert_eq!(list(named).await.body["organizationIds"], json!([ids[17]]));
    let by_user =
        json!({ "filterType": "USERNAME", "filterValue": "u", "paginationOptions": { "limit": "100" } });
    assert_eq!(list(by_user).await.body["organizationIds"].as_array().map(Vec::len), Some(25));
    for bad in [
        json!({ "paginationOptions": { "limit": "101" } }),
        json!({ "paginationOptions": { "limit": "0" } }),
        json!({ "paginationOptions": { "before": ids[0], "after": ids[1] } }),
        json!({ "filterType": "EMAIL" }),
        json!({ "filterType": "NONE", "filterValue": "x" }),
    ] {
        assert_eq!(
            (list(bad.clone()).await.refusal().0, list(bad.clone()).await.refusal().1),
            (400, "REQUEST_INVALID"),
            "{bad}"
        );
    }
    for nothing in ["OIDC_TOKEN", "WALLET_ACCOUNT_ADDRESS"] {
        let filter = json!({ "filterType": nothing, "filterValue": "x" });
        assert_eq!(list(filter).await.body, json!({ "organizationIds": [] }));
    }
}
