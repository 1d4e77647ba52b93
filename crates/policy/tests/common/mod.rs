//! Facts and names that the tests of this crate share.
#![allow(dead_code)]

use vestibule_policy::facts::{ActivityFacts, Approver, CredentialFacts, Params};
use vestibule_policy::judgement::{Ballot, Member, Policy};
use vestibule_wire::{Effect, PolicyId, UserId};

pub fn user_id(n: u128) -> UserId {
    UserId::from_bytes(n.to_be_bytes())
}

pub fn otp_login() -> ActivityFacts {
    ActivityFacts {
        activity_type: "ACTIVITY_TYPE_OTP_LOGIN_V2",
        kind: "OTP_LOGIN",
        resource: "AUTH",
        action: "CREATE",
        params: Params { session_profile_id: Some("profile".to_owned()), ..Params::default() },
    }
}

pub fn delete_users(ids: &[&str]) -> ActivityFacts {
    ActivityFacts {
        activity_type: "ACTIVITY_TYPE_DELETE_USERS",
        kind: "DELETE_USERS",
        resource: "USER",
        action: "DELETE",
        params: Params {
            user_ids: Some(ids.iter().map(|id| (*id).to_owned()).collect()),
            ..Params::default()
        },
    }
}

pub fn approver(n: u128, tags: &[&str]) -> Approver {
    Approver {
        id: user_id(n),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        email: format!("user{n}@example.com"),
        alias: format!("User {n}"),
    }
}

pub fn api_key(n: u128) -> CredentialFacts {
    CredentialFacts {
        id: format!("key-{n}"),
        user_id: user_id(n),
        credential_type: "CREDENTIAL_TYPE_API_KEY_P256".to_owned(),
        credential_id: String::new(),
        public_key: format!("02{n:064x}"),
    }
}

pub fn passkey(n: u128) -> CredentialFacts {
    CredentialFacts {
        id: format!("passkey-{n}"),
        user_id: user_id(n),
        credential_type: "CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR".to_owned(),
        credential_id: format!("cred-{n}"),
        public_key: format!("04{n:0128x}"),
    }
}

/// A member with these credentials.
pub fn member(n: u128, tags: &[&str], credentials: Vec<CredentialFacts>) -> Member {
    Member { user: approver(n, tags), credentials }
}

/// The approval of a member with its first credential.
pub fn ballot(member: &Member) -> Ballot {
    Ballot { user: member.user.clone(), credential: member.credentials.first().cloned() }
}

pub fn allow(n: u128, condition: &str, consensus: &str) -> Policy {
    policy(n, Effect::Allow, condition, consensus, None)
}

pub fn deny(n: u128, condition: &str, consensus: &str) -> Policy {
    policy(n, Effect::Deny, condition, consensus, None)
}

pub fn policy(n: u128, effect: Effect, condition: &str, consensus: &str, time: Option<&str>) -> Policy {
    let id = PolicyId::from_bytes(n.to_be_bytes());
    Policy::compile(id, format!("policy {n}"), effect, condition, consensus, time)
        .expect("the policy compiles")
}
