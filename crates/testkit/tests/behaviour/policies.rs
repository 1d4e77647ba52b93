//! Policies: what people who are not of the root quorum may do.

use serde_json::json;
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType as A;

use crate::company::{hire, policy, status, sub_organization};

/// The published policy of a backend that signs users in and does nothing else (protocol 02, section 1).
const OTP_BACKEND: &str = "(activity.resource == 'AUTH' && activity.action == 'CREATE') || \
    (activity.resource == 'OTP' && activity.action == 'CREATE') || \
    (activity.resource == 'OTP' && activity.action == 'VERIFY') || \
    (activity.resource == 'ORGANIZATION' && activity.action == 'CREATE')";

const DENIED: &str = "You don't have sufficient permissions to take this action. Please add a policy granting this user permissions.";

#[tokio::test]
async fn a_user_without_policies_is_refused_with_an_explanation_for_its_colleagues_alone() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada"]).await;
    let organization = server.tenant.organization_id;
    let id = policy(&server, "tags only", json!({ "condition": "activity.kind == 'CREATE_USER_TAG'" })).await;
    let body = server.activity(A::InitOtpV3, organization, &server.init_email("user@acme.example"));
    let refused = server.post(&people[0].key, "/public/v1/submit/init_otp", &body).await;
    assert_eq!(refused.refusal(), (403, "", DENIED));
    assert_eq!(refused.body["code"], 7);
    let told = &refused.body["details"][0];
    assert_eq!(told["@type"], "type.googleapis.com/errors.v1.PolicyEnginePermissionError");
    assert_eq!(told["message"], "No policies evaluated to outcome: Allow");
    assert_eq!(told["policyEvaluations"], json!([{ "policyId": id, "outcome": "OUTCOME_DENY_IMPLICIT" }]));
    assert!(!refused.body.to_string().contains("reason"));
    let again = server.post(&people[0].key, "/public/v1/submit/init_otp", &body).await;
    assert_eq!((again.status, &again.body), (403, &refused.body), "the same bytes get the same refusal");

    let listed = server
        .query(
            &people[0].key,
            "list_activities",
            organization,
            json!({ "filterByStatus": ["ACTIVITY_STATUS_REJECTED"] }),
        )
        .await;
    let activity = &listed.body["activities"][0];
    assert_eq!(activity["failure"]["code"], 7, "{}", listed.body);
    let evaluations = server
        .query(
            &people[0].key,
            "get_policy_evaluations",
            organization,
            json!({ "activityId": activity["id"] }),
        )
        .await;
    let why = &evaluations.body["policyEvaluations"][0]["policyEvaluations"][0];
    assert_eq!(why["policyId"], id);
    assert!(why["reason"].as_str().expect("a reason").contains("condition"), "{why}");
}

#[tokio::test]
async fn the_published_policy_lets_a_backend_sign_users_in_and_no_more() {
    let server = TestServer::start().await;
    let people = hire(&server, &["backend"]).await;
    policy(
        &server,
        "otp",
        json!({
            "condition": OTP_BACKEND,
            "consensus": format!("approvers.any(user, user.id == '{}')", people[0].id),
        }),
    )
    .await;
    let organization = server.tenant.organization_id;
    let init = server.init_email("user@acme.example");
    let key = &people[0].key;
    assert_eq!(status(&server.submit(key, A::InitOtpV3, organization, init).await), "COMPLETED");
    let made = server.submit(key, A::CreateSubOrganizationV8, organization, sub_organization()).await;
    assert_eq!(status(&made), "COMPLETED");
    for (activity, parameters) in [
        (A::CreateUserTag, json!({ "userTagName": "t", "userIds": [] })),
        (
            A::CreatePolicyV3,
            json!({ "policyName": "all", "effect": "EFFECT_ALLOW", "condition": "true", "notes": "" }),
        ),
        (A::UpdateRootQuorum, json!({ "threshold": 1, "userIds": [people[0].id] })),
        (A::DeleteUsers, json!({ "userIds": [server.tenant.user_id] })),
    ] {
        let refused = server.submit(key, activity, organization, parameters).await;
        assert_eq!((refused.refusal().0, refused.refusal().2), (403, DENIED), "{}", activity.name());
    }
}

#[tokio::test]
async fn a_denial_beats_an_allowance_and_an_implicit_right() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada"]).await;
    let organization = server.tenant.organization_id;
    policy(&server, "all", json!({ "condition": "activity.action == 'CREATE'" })).await;
    let tag = |name: &str| json!({ "userTagName": name, "userIds": [] });
    let allowed = server.submit(&people[0].key, A::CreateUserTag, organization, tag("a")).await;
    assert_eq!(status(&allowed), "COMPLETED");
    policy(
        &server,
        "no tags",
        json!({ "effect": "EFFECT_DENY", "condition": "activity.kind == 'CREATE_USER_TAG'" }),
    )
    .await;
    let denied = server.submit(&people[0].key, A::CreateUserTag, organization, tag("b")).await;
    let mut outcomes: Vec<_> = denied.body["details"][0]["policyEvaluations"]
        .as_array()
        .expect("outcomes")
        .iter()
        .map(|e| e["outcome"].as_str().expect("a text").to_owned())
        .collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["OUTCOME_ALLOW", "OUTCOME_DENY_EXPLICIT"]);

    let key = || {
        json!({ "userId": people[0].id, "apiKeys": [{
            "apiKeyName": "k", "publicKey": client_key(&server).public_key().to_hex(), "curveType": "API_KEY_CURVE_P256",
        }] })
    };
    let own = server.submit(&people[0].key, A::CreateApiKeysV2, organization, key()).await;
    assert_eq!(status(&own), "COMPLETED", "users manage their credentials");
    policy(
        &server,
        "no keys",
        json!({ "effect": "EFFECT_DENY", "condition": "activity.resource == 'CREDENTIAL'" }),
    )
    .await;
    assert_eq!(server.submit(&people[0].key, A::CreateApiKeysV2, organization, key()).await.refusal().0, 403);
}

#[tokio::test]
async fn nobody_takes_the_name_or_address_that_a_consensus_asks_for() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada"]).await;
    let organization = server.tenant.organization_id;
    for (activity, parameters) in [
        (A::UpdateUserName, json!({ "userId": people[0].id, "userName": "Grace" })),
        (A::UpdateUser, json!({ "userId": people[0].id, "userEmail": "cfo@acme.example" })),
        (A::UpdateUserEmail, json!({ "userId": people[0].id, "userEmail": "cfo@acme.example" })),
        (A::UpdateUserPhoneNumber, json!({ "userId": people[0].id, "userPhoneNumber": "+14155550123" })),
    ] {
        let refused = server.submit(&people[0].key, activity, organization, parameters).await;
        assert_eq!((refused.refusal().0, refused.refusal().2), (403, DENIED), "{}", activity.name());
    }
    let proof = server.verify("ada@acme.example").await;
    let proved = json!({
        "userId": people[0].id, "userEmail": "ada@acme.example", "verificationToken": proof.token,
    });
    let own = server.submit(&people[0].key, A::UpdateUserEmail, organization, proved).await;
    assert_eq!(status(&own), "COMPLETED", "what is proved is one's own");
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_refused_when_it_is_made() {
    let server = TestServer::start().await;
    let made = |condition: &'static str, consensus: &'static str| {
        let parameters = json!({
            "policyName": "p", "effect": "EFFECT_ALLOW", "condition": condition, "consensus": consensus, "notes": "",
        });
        server.backend(A::CreatePolicyV3, parameters)
    };
    for (condition, consensus, told) in [
        ("activity.kind = 'X'", "", "invalid policy condition: line 1, column 15"),
        ("activity.kind ==\n  3", "", "invalid policy condition: line 2, column 3"),
        ("eth.tx.to == '0x'", "", "invalid policy condition: line 1, column 1"),
        ("", "approvers.count()", "invalid policy consensus: line 1, column 1"),
    ] {
        let reply = made(condition, consensus).await;
        assert_eq!((reply.refusal().0, reply.refusal().1), (400, "REQUEST_INVALID"), "{condition}");
        assert!(reply.refusal().2.starts_with(told), "{}", reply.refusal().2);
    }
    assert_eq!(made("", "").await.refusal().0, 400);
    made("true", "").await.text("policyId");
    assert_eq!(made("true", "").await.refusal().2, "policy label must be unique");
}

#[tokio::test]
async fn policies_are_changed_listed_and_deleted() {
    let server = TestServer::start().await;
    let organization = server.tenant.organization_id;
    let one = json!({ "policyName": "one", "effect": "EFFECT_ALLOW", "condition": "true", "notes": "first" });
    let two = json!({ "policyName": "two", "effect": "EFFECT_DENY", "consensus": "approvers.count() > 1" });
    let made = server.backend(A::CreatePolicies, json!({ "policies": [one, two] })).await;
    let ids = made.result()["policyIds"].as_array().expect("ids").clone();
    let clash = server.backend(A::UpdatePolicyV2, json!({ "policyId": ids[0], "policyName": "two" })).await;
    assert_eq!(clash.refusal().2, "policy label must be unique");
    let changed = server
        .backend(
            A::UpdatePolicyV2,
            json!({
                "policyId": ids[0], "policyName": "uno", "policyEffect": "EFFECT_DENY",
                "time": "time.now > Timestamp('2020-01-01T00:00:00Z')",
            }),
        )
        .await;
    assert_eq!(changed.body["activity"]["result"]["updatePolicyResultV2"]["policyId"], ids[0]);
    let found =
        server.query(&server.tenant.key, "get_policy", organization, json!({ "policyId": ids[0] })).await;
    let found = &found.body["policy"];
    assert_eq!(
        (&found["policyName"], &found["effect"], &found["condition"], &found["consensus"], &found["notes"]),
        (&json!("uno"), &json!("EFFECT_DENY"), &json!("true"), &json!(""), &json!("first"))
    );
    assert_eq!(found["time"], "time.now > Timestamp('2020-01-01T00:00:00Z')");
    let gone = server.backend(A::DeletePolicy, json!({ "policyId": ids[1] })).await;
    assert_eq!(gone.text("policyId"), ids[1].as_str().expect("an id"));
    assert_eq!(server.backend(A::DeletePolicies, json!({ "policyIds": [ids[1]] })).await.refusal().0, 404);
    let left = server.query(&server.tenant.key, "list_policies", organization, json!({})).await;
    assert_eq!(left.body["policies"].as_array().map(Vec::len), Some(1), "{}", left.body);
}

#[tokio::test]
async fn a_hundred_policies_are_the_most_even_at_once() {
    let server = TestServer::start().await;
    let many = |from: usize, to: usize| {
        let policies: Vec<_> = (from..to)
            .map(|n| json!({ "policyName": format!("p{n}"), "effect": "EFFECT_DENY", "condition": "false", "notes": "" }))
            .collect();
        json!({ "policies": policies })
    };
    server.backend(A::CreatePolicies, many(0, 95)).await.result();
    let rest = (95..105).map(|n| server.backend(A::CreatePolicies, many(n, n + 1)));
    let replies = futures_util::future::join_all(rest).await;
    let made = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(made, 5);
    assert!(
        replies.iter().filter(|r| r.status != 200).all(|r| r.refusal().0 == 429),
        "the others are told why"
    );
}
