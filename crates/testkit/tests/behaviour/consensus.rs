//! Votes: root quorums above one, consensus policies, approvals and rejections.

use serde_json::json;
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType as A;

use crate::company::{Person, hire, policy, quorum, reply_text, status, sub_organization, vote};

const DAY_S: i64 = 24 * 60 * 60;

async fn sub_organizations(server: &TestServer) -> usize {
    let reply =
        server.query(&server.tenant.key, "list_suborgs", server.tenant.organization_id, json!({})).await;
    reply.body["organizationIds"].as_array().expect("ids").len()
}

fn root(server: &TestServer) -> Person {
    Person { id: server.tenant.user_id, key: server.tenant.key.clone() }
}

#[tokio::test]
async fn two_of_three_root_users_make_a_sub_organization() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    quorum(&server, 2, &people).await;

    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    assert_eq!((proposed.status, status(&proposed).as_str()), (200, "CONSENSUS_NEEDED"));
    let activity = &proposed.body["activity"];
    assert_eq!(activity["result"], json!({}));
    assert_eq!((&activity["canApprove"], &activity["canReject"]), (&json!(false), &json!(false)));
    assert_eq!(activity["votes"].as_array().map(Vec::len), Some(1));
    assert_eq!(sub_organizations(&server).await, 0);

    let id = reply_text(&proposed, "id");
    let organization = server.tenant.organization_id;
    let seen = server.query(&people[0].key, "get_activity", organization, json!({ "activityId": id })).await;
    assert_eq!(seen.body["activity"]["canApprove"], true);

    let done = vote(&server, &people[0], A::ApproveActivity, &proposed).await;
    assert!(done.result()["subOrganizationId"].is_string(), "{}", done.body);
    assert_eq!(reply_text(&done, "id"), id);
    let votes = done.body["activity"]["votes"].as_array().expect("votes").clone();
    let voters: Vec<_> = votes.iter().map(|vote| vote["userId"].as_str().expect("a text")).collect();
    assert_eq!(voters, [server.tenant.user_id.to_string(), people[0].id.to_string()]);
    assert!(votes[1]["message"].as_str().expect("a text").contains("APPROVE_ACTIVITY"));
    assert_eq!(votes[1]["user"]["userName"], "ada");
    assert_eq!(sub_organizations(&server).await, 1);

    let late = vote(&server, &people[1], A::ApproveActivity, &proposed).await;
    assert_eq!(late.refusal().0, 404, "{}", late.body);
    assert!(late.refusal().2.starts_with("No activity found with fingerprint."));
}

#[tokio::test]
async fn the_same_bytes_in_another_members_hands_are_an_approval() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    quorum(&server, 2, &people).await;
    let body =
        server.activity(A::CreateSubOrganizationV8, server.tenant.organization_id, &sub_organization());
    let path = "/public/v1/submit/create_sub_organization";
    let first = server.post(&server.tenant.key, path, &body).await;
    let again = server.post(&server.tenant.key, path, &body).await;
    assert_eq!((status(&first), status(&again)), ("CONSENSUS_NEEDED".into(), "CONSENSUS_NEEDED".into()));
    let done = server.post(&people[0].key, path, &body).await;
    assert_eq!(status(&done), "COMPLETED");
    assert_eq!(reply_text(&done, "id"), reply_text(&first, "id"));
    for key in [&server.tenant.key, &people[0].key, &people[1].key] {
        assert_eq!(status(&server.post(key, path, &body).await), "COMPLETED");
    }
    assert_eq!(sub_organizations(&server).await, 1);
}

#[tokio::test]
async fn of_twenty_approvals_at_once_the_activity_is_carried_out_once() {
    let server = TestServer::start().await;
    let names: Vec<String> = (0..20).map(|n| format!("approver {n}")).collect();
    let people = hire(&server, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    quorum(&server, 11, &people).await;
    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    let votes = people.iter().map(|person| vote(&server, person, A::ApproveActivity, &proposed));
    let replies = futures_util::future::join_all(votes).await;
    let completed = replies.iter().filter(|r| r.status == 200 && status(r) == "COMPLETED").count();
    let waiting = replies.iter().filter(|r| r.status == 200 && status(r) == "CONSENSUS_NEEDED").count();
    let late = replies.iter().filter(|r| r.status == 404).count();
    assert_eq!((completed, waiting, late), (1, 9, 10));
    assert_eq!(sub_organizations(&server).await, 1);
}

#[tokio::test]
async fn a_rejection_that_leaves_too_few_ends_it() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    quorum(&server, 2, &people).await;
    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    let first = vote(&server, &people[0], A::RejectActivity, &proposed).await;
    assert_eq!(status(&first), "CONSENSUS_NEEDED");
    let second = vote(&server, &people[1], A::RejectActivity, &proposed).await;
    assert_eq!(status(&second), "REJECTED");
    let votes = second.body["activity"]["votes"].as_array().expect("votes").clone();
    assert_eq!(votes[2]["selection"], "VOTE_SELECTION_REJECTED");
    assert_eq!(sub_organizations(&server).await, 0);
    let proposer = vote(&server, &root(&server), A::ApproveActivity, &proposed).await;
    assert_eq!(status(&proposer), "REJECTED", "a vote that was cast is answered with the activity as it is");
}

#[tokio::test]
async fn an_approval_lasts_a_day() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    quorum(&server, 2, &people).await;
    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    server.clock.advance_s(DAY_S);
    let alone = vote(&server, &people[0], A::ApproveActivity, &proposed).await;
    assert_eq!(status(&alone), "CONSENSUS_NEEDED", "the proposer's own approval is a day old");
    let renewed = vote(&server, &people[1], A::ApproveActivity, &proposed).await;
    assert_eq!(status(&renewed), "COMPLETED");
}

#[tokio::test]
async fn whoever_does_not_matter_cannot_vote() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace", "linus"]).await;
    quorum(&server, 2, &people[..2]).await;
    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    for activity in [A::ApproveActivity, A::RejectActivity] {
        let refused = vote(&server, &people[2], activity, &proposed).await;
        assert_eq!(refused.refusal(), (403, "REQUEST_NOT_AUTHORIZED", "request not authorized"));
    }
    let nothing = server
        .backend(A::ApproveActivity, json!({ "fingerprint": format!("sha256:{}", "0".repeat(64)) }))
        .await;
    assert_eq!(nothing.refusal().0, 404);
}

#[tokio::test]
async fn a_policy_asks_for_the_approval_of_a_tag() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace", "linus"]).await;
    let tagged =
        server.backend(A::CreateUserTag, json!({ "userTagName": "leads", "userIds": [people[1].id] })).await;
    let tag = tagged.text("userTagId");
    policy(
        &server,
        "leads approve organizations",
        json!({
            "condition": "activity.kind == 'CREATE_SUB_ORGANIZATION'",
            "consensus": format!("approvers.any(u, u.tags.contains('{tag}'))"),
        }),
    )
    .await;
    let organization = server.tenant.organization_id;
    let proposed =
        server.submit(&people[0].key, A::CreateSubOrganizationV8, organization, sub_organization()).await;
    assert_eq!(status(&proposed), "CONSENSUS_NEEDED");
    assert_eq!(vote(&server, &people[2], A::ApproveActivity, &proposed).await.refusal().0, 403);
    let done = vote(&server, &people[1], A::ApproveActivity, &proposed).await;
    assert_eq!(status(&done), "COMPLETED");
    let by_lead =
        server.submit(&people[1].key, A::CreateSubOrganizationV8, organization, sub_organization()).await;
    assert_eq!(status(&by_lead), "COMPLETED");

    let evaluations = server
        .query(
            &people[2].key,
            "get_policy_evaluations",
            organization,
            json!({ "activityId": reply_text(&proposed, "id") }),
        )
        .await;
    let first = &evaluations.body["policyEvaluations"][0];
    assert_eq!(
        first["policyEvaluations"][0]["outcome"], "OUTCOME_REQUIRES_CONSENSUS",
        "{}",
        evaluations.body
    );
    assert_eq!(first["voteId"], proposed.body["activity"]["votes"][0]["id"]);
}

#[tokio::test]
async fn what_fails_after_the_last_approval_is_told_in_the_activity() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    let doomed = hire(&server, &["linus"]).await;
    quorum(&server, 2, &people).await;
    let parameters = json!({ "userIds": [doomed[0].id] });
    let one = server.backend(A::DeleteUsers, parameters.clone()).await;
    let two = server.backend(A::DeleteUsers, parameters).await;
    assert_eq!(status(&vote(&server, &people[0], A::ApproveActivity, &one).await), "COMPLETED");
    let failed = vote(&server, &people[0], A::ApproveActivity, &two).await;
    assert_eq!(status(&failed), "FAILED");
    let failure = &failed.body["activity"]["failure"];
    assert_eq!(failure["code"], 5);
    assert!(failure["message"].as_str().expect("a text").starts_with("unable to find user"), "{failure}");
    assert_eq!(failed.body["activity"]["result"], json!({}));
}

#[tokio::test]
async fn a_code_does_not_wait_for_votes() {
    let server = TestServer::start().await;
    let (otp_id, bundle) = server.init("user@acme.example").await;
    let code = server.code("user@acme.example").await;
    let people = hire(&server, &["ada"]).await;
    quorum(&server, 2, &people).await;
    let guess = server.guess(&otp_id, &bundle, &code, &people[0].key);
    let refused = server.backend(A::VerifyOtpV2, guess).await;
    assert_eq!(refused.refusal().0, 403, "{}", refused.body);
}

#[tokio::test]
async fn a_parents_quorum_votes_on_what_it_does_in_a_sub_organization() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let people = hire(&server, &["ada"]).await;
    quorum(&server, 2, &people).await;
    let target = account.organization_id;
    let init = server.init_email("user@acme.example");
    let proposed = server.submit(&server.tenant.key, A::InitOtpV3, target, init).await;
    assert_eq!(status(&proposed), "CONSENSUS_NEEDED");
    let done = vote(&server, &people[0], A::ApproveActivity, &proposed).await;
    assert!(done.result()["otpId"].is_string());
    assert_eq!(done.result()["otpEncryptionTargetBundle"], "", "secrets are the proposer's");
    let own = server
        .query(
            &server.tenant.key,
            "get_activity",
            target,
            json!({ "activityId": reply_text(&proposed, "id") }),
        )
        .await;
    assert_ne!(own.result()["otpEncryptionTargetBundle"], "");
    assert!(!server.code("user@acme.example").await.is_empty());
}

#[tokio::test]
async fn an_approval_ends_with_the_key_that_gave_it() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    quorum(&server, 3, &people).await;
    let organization = server.tenant.organization_id;
    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    assert_eq!(status(&vote(&server, &people[0], A::ApproveActivity, &proposed).await), "CONSENSUS_NEEDED");

    let fresh = client_key(&server);
    let key = json!({
        "apiKeyName": "k", "publicKey": fresh.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256",
    });
    let add = json!({ "userId": people[0].id, "apiKeys": [key] });
    server.submit(&people[0].key, A::CreateApiKeysV2, organization, add).await.result();
    let keys = server.query(&fresh, "get_api_keys", organization, json!({ "userId": people[0].id })).await;
    let given = people[0].key.public_key().to_hex();
    let mut all = keys.body["apiKeys"].as_array().expect("keys").iter();
    let stolen = all.find(|key| key["credential"]["publicKey"] == given.as_str()).expect("the first key");
    let gone = json!({ "userId": people[0].id, "apiKeyIds": [stolen["apiKeyId"]] });
    server.submit(&fresh, A::DeleteApiKeys, organization, gone).await.result();

    assert_eq!(status(&vote(&server, &people[1], A::ApproveActivity, &proposed).await), "CONSENSUS_NEEDED");
    let renewed = Person { id: people[0].id, key: fresh };
    assert_eq!(status(&vote(&server, &renewed, A::ApproveActivity, &proposed).await), "COMPLETED");
}

#[tokio::test]
async fn a_scoped_session_does_not_vote_by_sending_the_bytes_again() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada"]).await;
    quorum(&server, 2, &people).await;
    let organization = server.tenant.organization_id;
    let profile = json!({ "sessionProfileName": "logins", "scope": "activity.resource == 'AUTH'" });
    let made = server.backend(A::CreateSessionProfile, profile).await;
    let profile = vote(&server, &people[0], A::ApproveActivity, &made).await.text("sessionProfileId");
    let scoped = client_key(&server);
    let login = json!({ "publicKey": scoped.public_key().to_hex(), "sessionProfileId": profile });
    server.submit(&people[0].key, A::StampLogin, organization, login).await.text("session");

    let body = server.activity(A::CreateSubOrganizationV8, organization, &sub_organization());
    let path = "/public/v1/submit/create_sub_organization";
    server.post(&server.tenant.key, path, &body).await;
    assert_eq!(status(&server.post(&scoped, path, &body).await), "CONSENSUS_NEEDED");
    assert_eq!(sub_organizations(&server).await, 0);
    assert_eq!(status(&server.post(&people[0].key, path, &body).await), "COMPLETED");
}

#[tokio::test]
async fn the_user_of_the_auth_proxy_is_deleted_with_the_proxy_alone() {
    let server = TestServer::start().await;
    let organization = server.tenant.organization_id;
    let users = server.query(&server.tenant.key, "list_users", organization, json!({})).await;
    let mut all = users.body["users"].as_array().expect("users").iter();
    let proxy = all.find(|user| user["userName"] == "Auth Proxy").expect("the proxy's user");
    let refused = server.backend(A::DeleteUsers, json!({ "userIds": [proxy["userId"]] })).await;
    assert_eq!(refused.refusal().0, 400);
    assert_eq!(status(&server.backend(A::DisableAuthProxy, json!({})).await), "COMPLETED");
    server.backend(A::EnableAuthProxy, json!({})).await.text("userId");
}
