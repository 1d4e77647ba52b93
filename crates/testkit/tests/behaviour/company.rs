//! A company on one server: people with scoped rights, votes, second factors.

use serde_json::{Value, json};
use vestibule_crypto::p256::SigningKey;
use vestibule_testkit::{Reply, TestServer, client_key};
use vestibule_wire::{ActivityType as A, OrganizationId, UserId};

/// Somebody with an API key.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub key: SigningKey,
}

/// Parameters of a user with one long-lived P-256 key.
pub fn with_key(name: &str, key: &SigningKey) -> Value {
    json!({
        "userName": name, "authenticators": [], "oauthProviders": [], "userTags": [],
        "apiKeys": [{
            "apiKeyName": "key", "publicKey": key.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256",
        }],
    })
}

/// Adds people to the tenant, in the root user's name.
pub async fn hire(server: &TestServer, names: &[&str]) -> Vec<Person> {
    let keys: Vec<SigningKey> = names.iter().map(|_| client_key(server)).collect();
    let users: Vec<Value> = names.iter().zip(&keys).map(|(name, key)| with_key(name, key)).collect();
    let reply = server.backend(A::CreateUsersV4, json!({ "users": users })).await;
    let ids = reply.result()["userIds"].as_array().expect("ids").clone();
    let person = |(id, key): (&Value, SigningKey)| Person {
        id: id.as_str().expect("a text").parse().expect("an id"),
        key,
    };
    ids.iter().zip(keys).map(person).collect()
}

/// Makes the tenant's root user and these people its root quorum.
pub async fn quorum(server: &TestServer, threshold: u32, people: &[Person]) {
    let mut ids = vec![server.tenant.user_id];
    ids.extend(people.iter().map(|person| person.id));
    server.backend(A::UpdateRootQuorum, json!({ "threshold": threshold, "userIds": ids })).await.result();
}

pub async fn policy(server: &TestServer, name: &str, members: Value) -> String {
    let mut parameters = json!({ "policyName": name, "effect": "EFFECT_ALLOW", "notes": "" });
    for (member, value) in members.as_object().expect("an object") {
        parameters[member] = value.clone();
    }
    server.backend(A::CreatePolicyV3, parameters).await.text("policyId")
}

pub fn sub_organization() -> Value {
    json!({
        "subOrganizationName": "s", "rootQuorumThreshold": 1,
        "rootUsers": [{ "userName": "u", "userEmail": "u@x.example", "apiKeys": [], "authenticators": [], "oauthProviders": [] }],
    })
}

pub fn fingerprint(reply: &Reply) -> Value {
    json!({ "fingerprint": reply.body["activity"]["fingerprint"] })
}

pub async fn vote(server: &TestServer, person: &Person, activity: A, on: &Reply) -> Reply {
    let organization: OrganizationId = reply_text(on, "organizationId").parse().expect("an organization");
    server.submit(&person.key, activity, organization, fingerprint(on)).await
}

pub fn reply_text(reply: &Reply, member: &str) -> String {
    reply.body["activity"][member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {}", reply.body))
        .to_owned()
}

pub fn status(reply: &Reply) -> String {
    reply_text(reply, "status").trim_start_matches("ACTIVITY_STATUS_").to_owned()
}
