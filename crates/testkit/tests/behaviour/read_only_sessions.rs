//! Read-only sessions: they ask as their user, do nothing, and end with the hour, the user or the organization.

use serde_json::json;
use vestibule_testkit::{Account, Reply, TestServer, client_key};
use vestibule_wire::{ActivityType, OrganizationId};

const OVER: (u16, &str, &str) = (401, "UNAUTHENTICATED", "invalid or expired session");

async fn ask(server: &TestServer, session: &str, query: &str, organization: OrganizationId) -> Reply {
    let mut body = json!({ "organizationId": organization });
    if query == "get_user" {
        body["userId"] = json!(server.tenant.user_id);
    }
    let headers = [("x-session", session)];
    let path = format!("/public/v1/query/{query}");
    server.send(axum::http::Method::POST, &path, &headers, body.to_string()).await
}

/// A user of a sub-organization with a read-only session.
async fn with_session(server: &TestServer, email: &str) -> (Account, String) {
    let (account, key) = server.logged_in(email).await;
    let reply =
        server.submit(&key, ActivityType::CreateReadOnlySession, account.organization_id, json!({})).await;
    (account, reply.text("session"))
}

#[tokio::test]
async fn a_read_only_session_asks_as_its_user_until_the_key_that_asked_for_it_ends() {
    let server = TestServer::start().await;
    let (account, key) = server.logged_in("user@acme.example").await;
    let own = account.organization_id;
    let reply = server.submit(&key, ActivityType::CreateReadOnlySession, own, json!({})).await;
    let result = reply.result();
    assert_eq!(result["organizationId"], json!(own));
    assert_eq!(result["userId"], json!(account.user_id));
    assert_eq!(
        (&result["organizationName"], &result["username"]),
        (&json!("user"), &json!("user@acme.example"))
    );
    assert_eq!(result["sessionExpiry"], json!((server.clock.now() / 1000 + 900).to_string()));
    let session = reply.text("session");

    // By its own id, or by the parent's where that is enough to know who asks.
    for named in [own, server.tenant.organization_id] {
        let whoami = ask(&server, &session, "whoami", named).await;
        assert_eq!(whoami.body["userId"], json!(account.user_id), "{}", whoami.body);
        assert_eq!(whoami.body["organizationId"], json!(own));
    }
    assert_eq!(
        ask(&server, &session, "list_users", own).await.body["users"][0]["userId"],
        json!(account.user_id)
    );
    assert_eq!(ask(&server, &session, "list_users", server.tenant.organization_id).await.refusal(), OVER);

    server.clock.advance_s(899);
    assert_eq!(ask(&server, &session, "whoami", own).await.status, 200);
    server.clock.advance_s(1);
    assert_eq!(ask(&server, &session, "whoami", own).await.refusal(), OVER);
}

#[tokio::test]
async fn a_parents_read_only_session_reads_its_sub_organizations() {
    let server = TestServer::start().await;
    let session = server.backend(ActivityType::CreateReadOnlySession, json!({})).await.text("session");
    let account = server.create_user("user@acme.example").await;
    let users = ask(&server, &session, "list_users", account.organization_id).await;
    assert_eq!(users.body["users"][0]["userId"], json!(account.user_id), "{}", users.body);
    let whoami = ask(&server, &session, "whoami", account.organization_id).await;
    assert_eq!(whoami.body["userId"], json!(server.tenant.user_id));
}

#[tokio::test]
async fn it_does_nothing_and_reaches_nobody_else() {
    let server = TestServer::start().await;
    let (account, session) = with_session(&server, "user@acme.example").await;
    let body = server.activity(ActivityType::CreateReadOnlySession, account.organization_id, &json!({}));
    let headers = [("x-session", session.as_str())];
    let path = "/public/v1/submit/create_read_only_session";
    let reply = server.send(axum::http::Method::POST, path, &headers, body).await;
    assert_eq!(reply.refusal(), OVER);

    let neighbour = server.create_user("neighbour@acme.example").await;
    let stranger = server.another_tenant().await;
    for organization in [neighbour.organization_id, stranger.organization_id] {
        for query in ["whoami", "list_users"] {
            assert_eq!(ask(&server, &session, query, organization).await.refusal(), OVER, "{query}");
        }
    }
}

#[tokio::test]
async fn no_other_text_is_a_session() {
    let server = TestServer::start().await;
    let (account, session) = with_session(&server, "user@acme.example").await;
    let own = account.organization_id;
    let altered = |index: usize| {
        let mut bytes = session.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    for index in (0..session.len()).step_by(7) {
        assert_eq!(ask(&server, &altered(index), "whoami", own).await.refusal(), OVER, "{index}");
    }
    let long = "A".repeat(4096);
    for text in ["", "nonsense", &session[..session.len() - 4], &format!("{session}AAAA"), &long] {
        assert_eq!(ask(&server, text, "whoami", own).await.refusal(), OVER, "{text}");
    }
}

#[tokio::test]
async fn it_ends_where_the_organization_is_suspended() {
    let server = TestServer::start().await;
    let (account, session) = with_session(&server, "user@acme.example").await;
    server.engine.set_suspended(server.tenant.organization_id, true).await.expect("suspended");
    let reply = ask(&server, &session, "whoami", account.organization_id).await;
    assert_eq!(reply.refusal().1, "API_OPERATIONS_DISABLED");
}

#[tokio::test]
async fn it_ends_with_its_user() {
    let server = TestServer::start().await;
    let key = client_key(&server);
    let user = json!({
        "userName": "short", "userTags": [], "authenticators": [], "oauthProviders": [],
        "apiKeys": [{ "apiKeyName": "k", "publicKey": key.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }],
    });
    let created = server.backend(ActivityType::CreateUsersV4, json!({ "users": [user] })).await;
    let parent = server.tenant.organization_id;
    let session =
        server.submit(&key, ActivityType::CreateReadOnlySession, parent, json!({})).await.text("session");
    assert_eq!(ask(&server, &session, "whoami", parent).await.body["username"], "short");
    let gone = json!({ "userIds": created.result()["userIds"] });
    server.backend(ActivityType::DeleteUsers, gone).await.result();
    assert_eq!(ask(&server, &session, "whoami", parent).await.refusal(), OVER);
}

#[tokio::test]
async fn the_session_is_shown_to_whoever_made_it_alone() {
    let server = TestServer::start().await;
    let (account, key) = server.logged_in("user@acme.example").await;
    let own = account.organization_id;
    let body = server.activity(ActivityType::CreateReadOnlySession, own, &json!({}));
    let path = "/public/v1/submit/create_read_only_session";
    let first = server.post(&key, path, &body).await;
    let again = server.post(&key, path, &body).await;
    assert_eq!(first.body, again.body);
    let id = json!({ "activityId": first.body["activity"]["id"] });
    let seen = server.query(&server.tenant.key, "get_activity", own, id).await;
    assert_eq!(seen.result()["session"], "");
    assert_eq!(seen.result()["userId"], json!(account.user_id));
}
