//! What is asked. Every request is about another sub-organization, and every answer is checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_wire::ActivityType;

use super::fill::{KnownUser, Site, email, last_namesake, organization_name, user_name};

/// One request.
pub struct Question {
    pub path: String,
    /// What authenticates it.
    pub header: (&'static str, String),
    pub body: String,
    /// What must be in the answer.
    pub expected: String,
}

/// A kind of request.
pub struct Case {
    /// As the report calls it.
    pub name: &'static str,
    pub ask: fn(&Site, &KnownUser) -> Question,
}

/// All of them.
pub const CASES: &[Case] = &[
    Case { name: "list_suborgs", ask: |site, _| page(site, json!({}), site.count - 1) },
    Case {
        name: "list_suborgs, `after` one in the middle",
        ask: |site, user| page(site, json!({ "after": site.organization(user) }), user.place - 1),
    },
    Case {
        name: "list_suborgs, `before` one in the middle",
        ask: |site, user| page(site, json!({ "before": site.organization(user) }), user.place + 1),
    },
    Case { name: "list_suborgs, EMAIL", ask: |site, user| find(site, user, "EMAIL", &email(user.place)) },
    Case {
        name: "list_suborgs, PUBLIC_KEY",
        ask: |site, user| find(site, user, "PUBLIC_KEY", &user.key.public_key().to_hex()),
    },
    Case {
        name: "list_suborgs, CREDENTIAL_ID",
        ask: |site, user| find(site, user, "CREDENTIAL_ID", &URL_SAFE_NO_PAD.encode(user.passkey)),
    },
    Case {
        name: "list_suborgs, NAME",
        ask: |site, user| find(site, user, "NAME", &organization_name(user.place)),
    },
    Case {
        name: "list_suborgs, USERNAME of many",
        ask: |site, user| {
            let members = filter("USERNAME", &user_name(user.place));
            let newest = last_namesake(user.place, site.count);
            of_parent(site, "list_suborgs", members, site.organizations[newest].to_string())
        },
    },
    Case {
        name: "list_verified_suborgs",
        ask: |site, _| {
            // All that came later are to be left out.
            let newest = site.organizations[site.verified - 1];
            let members = json!({ "paginationOptions": { "limit": "100" } });
            of_parent(site, "list_verified_suborgs", members, newest.to_string())
        },
    },
    Case {
        name: "list_verified_suborgs, EMAIL",
        ask: |site, user| {
            let members = filter("EMAIL", &email(user.place));
            of_parent(site, "list_verified_suborgs", members, site.organization(user).to_string())
        },
    },
    Case {
        name: "whoami, the sub-organization's id",
        ask: |site, user| {
            let organization = site.organization(user).to_string();
            stamped(&user.key, "whoami", &organization, json!({}), organization.clone())
        },
    },
    Case {
        name: "whoami, the parent's id",
        ask: |site, user| {
            let found = site.organization(user).to_string();
            stamped(&user.key, "whoami", &site.parent.to_string(), json!({}), found)
        },
    },
    Case {
        name: "account, EMAIL with a token",
        ask: |site, user| {
            let mut members = filter("EMAIL", &email(user.place));
            members["verificationToken"] = json!(user.token);
            account(site, user, &members)
        },
    },
    Case {
        name: "account, PUBLIC_KEY",
        ask: |site, user| account(site, user, &filter("PUBLIC_KEY", &user.key.public_key().to_hex())),
    },
    Case {
        name: "list_activities",
        ask: |site, _| {
            let newest = ActivityType::EnableAuthProxy.name();
            of_parent(site, "list_activities", json!({}), newest.to_owned())
        },
    },
    Case {
        name: "list_activities, one of its type",
        ask: |site, _| {
            let name = ActivityType::EnableAuthProxy.name();
            of_parent(site, "list_activities", json!({ "filterByType": [name] }), name.to_owned())
        },
    },
    Case {
        name: "list_activities, none in this state",
        ask: |site, _| {
            let members = json!({ "filterByStatus": ["ACTIVITY_STATUS_REJECTED"] });
            of_parent(site, "list_activities", members, "[]".to_owned())
        },
    },
];

fn filter(kind: &str, value: &str) -> Value {
    json!({ "filterType": kind, "filterValue": value })
}

/// A full page of sub-organizations; the one at a place is among them.
fn page(site: &Site, mut options: Value, place: usize) -> Question {
    options["limit"] = json!("100");
    let members = json!({ "paginationOptions": options });
    of_parent(site, "list_suborgs", members, site.organizations[place].to_string())
}

/// Looks up the sub-organization of a user.
fn find(site: &Site, user: &KnownUser, kind: &str, value: &str) -> Question {
    of_parent(site, "list_suborgs", filter(kind, value), site.organization(user).to_string())
}

/// A query of the parent's backend.
fn of_parent(site: &Site, query: &str, members: Value, expected: String) -> Question {
    stamped(&site.key, query, &site.parent.to_string(), members, expected)
}

fn stamped(
    key: &SigningKey,
    query: &str,
    organization: &str,
    mut members: Value,
    expected: String,
) -> Question {
    members["organizationId"] = json!(organization);
    let body = members.to_string();
    let path = format!("/public/v1/query/{query}");
    Question { path, header: ("x-stamp", ApiStamp::make(key, body.as_bytes())), body, expected }
}

/// A browser's look-up through the auth proxy.
fn account(site: &Site, user: &KnownUser, members: &Value) -> Question {
    Question {
        path: "/v1/account".to_owned(),
        header: ("x-auth-proxy-config-id", site.proxy_config.clone()),
        body: members.to_string(),
        expected: site.organization(user).to_string(),
    }
}
