//! Users, their tags and contacts, and what the root quorum decides about an organization.

use serde_json::{Value, json};
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType as A;

use crate::company::{hire, quorum, with_key};

async fn user(server: &TestServer, id: impl ToString) -> Value {
    let reply = server
        .query(
            &server.tenant.key,
            "get_user",
            server.tenant.organization_id,
            json!({ "userId": id.to_string() }),
        )
        .await;
    reply.body["user"].clone()
}

#[tokio::test]
async fn users_of_every_version_are_made_with_what_they_bring() {
    let server = TestServer::start().await;
    let key = || client_key(&server).public_key().to_hex();
    let old = |name: &str| {
        json!({
            "userName": name, "userEmail": "Ada@Acme.example", "authenticators": [], "userTags": [],
            "apiKeys": [{ "apiKeyName": "k", "publicKey": key() }],
        })
    };
    let mut first = old("one");
    first["accessType"] = json!("ACCESS_TYPE_ALL");
    let ids =
        |reply: vestibule_testkit::Reply| reply.result()["userIds"][0].as_str().expect("an id").to_owned();
    let one = ids(server.backend(A::CreateUsers, json!({ "users": [first] })).await);
    let two = ids(server.backend(A::CreateUsersV2, json!({ "users": [old("two")] })).await);
    let mut third = with_key("three", &client_key(&server));
    third["userPhoneNumber"] = json!("+14155550123");
    let three = ids(server.backend(A::CreateUsersV3, json!({ "users": [third] })).await);
    let mut fourth = with_key("four", &client_key(&server));
    fourth["oauthProviders"] = json!([{ "providerName": "p", "oidcClaims": { "iss": "https://i.example", "sub": "1", "aud": "a" } }]);
    let four = ids(server.backend(A::CreateUsersV4, json!({ "users": [fourth] })).await);
    let robot = json!({ "userName": "robot", "userTags": [], "apiKeys": [{ "apiKeyName": "k", "publicKey": key() }] });
    let five = ids(server.backend(A::CreateApiOnlyUsers, json!({ "apiOnlyUsers": [robot] })).await);
    for id in [&one, &two] {
        assert_eq!(user(&server, id).await["userEmail"], "Ada@Acme.example");
    }
    assert_eq!(user(&server, &three).await["userPhoneNumber"], "+14155550123");
    assert_eq!(user(&server, &four).await["oauthProviders"][0]["issuer"], "https://i.example");
    assert_eq!(user(&server, &five).await["apiKeys"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_user_without_a_way_in_is_not_made() {
    let server = TestServer::start().await;
    let mut expiring = with_key("ada", &client_key(&server));
    expiring["apiKeys"][0]["expirationSeconds"] = json!("900");
    let bare = json!({
        "userName": "ada", "userEmail": "a@x.example", "apiKeys": [], "authenticators": [], "oauthProviders": [], "userTags": [],
    });
    for wrong in [expiring, bare] {
        let reply = server.backend(A::CreateUsersV4, json!({ "users": [wrong] })).await;
        assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", "user missing valid credential: ada"));
    }
}

#[tokio::test]
async fn a_hundred_users_are_the_most_even_at_once() {
    let server = TestServer::start().await;
    let before = {
        let reply =
            server.query(&server.tenant.key, "list_users", server.tenant.organization_id, json!({})).await;
        reply.body["users"].as_array().expect("users").len()
    };
    let many = |count: usize| -> Value {
        let users: Vec<_> = (0..count).map(|_| with_key("u", &client_key(&server))).collect();
        json!({ "users": users })
    };
    server.backend(A::CreateUsersV4, many(97 - before)).await.result();
    let rest = (0..8).map(|_| server.backend(A::CreateUsersV4, many(1)));
    let replies = futures_util::future::join_all(rest).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 3);
    let refused = replies.iter().find(|reply| reply.status != 200).expect("some are refused");
    assert_eq!(refused.refusal(), (429, "", "organization has exceeded maximum users"));
}

#[tokio::test]
async fn tags_are_given_taken_and_deleted() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    let organization = server.tenant.organization_id;
    let tag = server
        .backend(A::CreateUserTag, json!({ "userTagName": "leads", "userIds": [people[0].id] }))
        .await
        .text("userTagId");
    let again = server.backend(A::CreateUserTag, json!({ "userTagName": "leads", "userIds": [] })).await;
    assert_eq!(again.refusal().2, "user tag label must be unique");
    assert_eq!(user(&server, people[0].id).await["userTags"], json!([tag]));
    let change = json!({
        "userTagId": tag, "newUserTagName": "heads", "addUserIds": [people[1].id], "removeUserIds": [people[0].id],
    });
    server.backend(A::UpdateUserTag, change).await.result();
    assert_eq!(user(&server, people[0].id).await["userTags"], json!([]));
    assert_eq!(user(&server, people[1].id).await["userTags"], json!([tag]));
    let listed = server.query(&people[0].key, "list_user_tags", organization, json!({})).await;
    assert_eq!(listed.body["userTags"][0]["tagName"], "heads", "{}", listed.body);
    assert_eq!(listed.body["userTags"][0]["tagType"], "TAG_TYPE_USER");
    let gone = server.backend(A::DeleteUserTags, json!({ "userTagIds": [tag] })).await;
    assert_eq!(gone.result()["userIds"], json!([people[1].id]));
    assert_eq!(user(&server, people[1].id).await["userTags"], json!([]));
    let unknown = json!({ "userId": people[0].id, "userTagIds": [tag] });
    assert_eq!(server.backend(A::UpdateUser, unknown).await.refusal().0, 404);
}

#[tokio::test]
async fn a_new_address_is_unverified_until_a_code_proves_it() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("old@acme.example").await;
    let organization = account.organization_id;
    let verified = |email: &'static str| {
        let filter = json!({ "filterType": "EMAIL", "filterValue": email });
        async {
            let found = server
                .query(&server.tenant.key, "list_verified_suborgs", server.tenant.organization_id, filter)
                .await;
            found.body["organizationIds"].as_array().expect("ids").len()
        }
    };
    assert_eq!(verified("old@acme.example").await, 1);
    let plain = json!({ "userId": account.user_id, "userEmail": "new@acme.example" });
    server.submit(&session, A::UpdateUserEmail, organization, plain).await.result();
    assert_eq!((verified("old@acme.example").await, verified("new@acme.example").await), (0, 0));

    let proof = server.verify("new@acme.example").await;
    let wrong = json!({
        "userId": account.user_id, "userEmail": "other@acme.example", "verificationToken": proof.token,
    });
    let refused = server.submit(&session, A::UpdateUserEmail, organization, wrong).await;
    assert_eq!(refused.refusal().0, 400, "{}", refused.body);
    let proved = json!({
        "userId": account.user_id, "userEmail": "new@acme.example", "verificationToken": proof.token,
    });
    server.submit(&session, A::UpdateUserEmail, organization, proved).await.result();
    assert_eq!(verified("new@acme.example").await, 1);

    let removed = json!({ "userId": account.user_id, "userEmail": "" });
    let last = server.submit(&session, A::UpdateUserEmail, organization, removed.clone()).await;
    assert!(last.refusal().2.starts_with("user missing valid credential"), "{}", last.body);
    let phone = json!({ "userId": account.user_id, "userPhoneNumber": "+1 415 555 0123" });
    server.submit(&session, A::UpdateUserPhoneNumber, organization, phone).await.result();
    server.submit(&session, A::UpdateUserEmail, organization, removed).await.result();
    assert_eq!(verified("new@acme.example").await, 0);
}

#[tokio::test]
async fn the_root_quorum_names_users_that_exist_and_keeps_enough_of_them() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    for (parameters, told) in [
        (json!({ "threshold": 0, "userIds": [people[0].id] }), "quorum threshold must be non-zero integer"),
        (json!({ "threshold": 1, "userIds": [] }), "quorum users missing"),
    ] {
        assert_eq!(server.backend(A::UpdateRootQuorum, parameters).await.refusal().2, told);
    }
    let stranger = json!({ "threshold": 1, "userIds": [server.tenant.organization_id] });
    assert_eq!(server.backend(A::UpdateRootQuorum, stranger).await.refusal().0, 404);
    quorum(&server, 1, &people).await;
    let all = json!({ "userIds": [server.tenant.user_id, people[0].id, people[1].id] });
    let refused = server.backend(A::DeleteUsers, all).await;
    assert_eq!(refused.refusal().2, "root quorum would fall below its threshold");
    server.backend(A::DeleteUsers, json!({ "userIds": [people[0].id] })).await.result();
    let configs = server
        .query(&server.tenant.key, "get_organization_configs", server.tenant.organization_id, json!({}))
        .await;
    assert_eq!(
        configs.body["configs"]["quorum"]["userIds"],
        json!([server.tenant.user_id, people[1].id]),
        "a deleted user is no root user"
    );
    let gone = server.query(&people[0].key, "whoami", server.tenant.organization_id, json!({})).await;
    assert_eq!(gone.refusal().1, "PUBLIC_KEY_NOT_FOUND");
}

#[tokio::test]
async fn an_organization_is_renamed_by_its_root_quorum_alone() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada"]).await;
    let organization = server.tenant.organization_id;
    let name = json!({ "organizationName": "Globex" });
    let refused = server.submit(&people[0].key, A::UpdateOrganizationName, organization, name.clone()).await;
    assert_eq!(refused.refusal().0, 403);
    let done = server.backend(A::UpdateOrganizationName, name).await;
    assert_eq!(done.text("organizationName"), "Globex");
    let me = server.query(&people[0].key, "whoami", organization, json!({})).await;
    assert_eq!(me.body["organizationName"], "Globex");
}

#[tokio::test]
async fn a_sub_organization_is_deleted_by_its_own_root_user_and_its_address_is_free_again() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let organization = account.organization_id;
    let by_parent =
        server.submit(&server.tenant.key, A::DeleteSubOrganization, organization, json!({})).await;
    assert_eq!(by_parent.refusal().1, "ORGANIZATION_MISMATCH");
    let body =
        server.activity(A::DeleteSubOrganization, organization, &json!({ "deleteWithoutExport": true }));
    let done = server.post(&session, "/public/v1/submit/delete_sub_organization", &body).await;
    assert_eq!(done.text("subOrganizationUuid"), organization.to_string());
    let after = server.query(&session, "whoami", organization, json!({})).await;
    assert_eq!(after.refusal().1, "ORGANIZATION_NOT_FOUND");
    let parent = server
        .submit(&server.tenant.key, A::DeleteSubOrganization, server.tenant.organization_id, json!({}))
        .await;
    assert_eq!(parent.refusal().0, 403);
    server.clock.advance_s(600);
    server.logged_in("user@acme.example").await;
}

#[tokio::test]
async fn oauth_identities_are_kept_as_data() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    let organization = server.tenant.organization_id;
    let claims = json!({ "iss": "https://i.example", "sub": "42", "aud": "app" });
    let add = |user: &crate::company::Person| json!({ "userId": user.id, "oauthProviders": [{ "providerName": "i", "oidcClaims": claims }] });
    let made = server.submit(&people[0].key, A::CreateOauthProvidersV2, organization, add(&people[0])).await;
    let id = made.result()["providerIds"][0].clone();
    let twice = server.submit(&people[1].key, A::CreateOauthProvidersV2, organization, add(&people[1])).await;
    assert_eq!(twice.refusal().1, "OAUTH_PROVIDER_ALREADY_EXISTS", "{}", twice.body);
    let listed = server.query(&people[0].key, "get_oauth_providers", organization, json!({})).await;
    assert_eq!(listed.body["oauthProviders"][0]["subject"], "42", "{}", listed.body);
    let found = user(&server, people[0].id).await;
    assert_eq!(found["apiKeys"].as_array().map(Vec::len), Some(1), "an identity is no key: {found}");
    let gone = json!({ "userId": people[0].id, "providerIds": [id] });
    server.submit(&people[0].key, A::DeleteOauthProviders, organization, gone).await.result();
    let left = server.query(&people[0].key, "get_oauth_providers", organization, json!({})).await;
    assert_eq!(left.body["oauthProviders"], json!([]));
}
