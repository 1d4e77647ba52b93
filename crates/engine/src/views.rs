//! From rows to the objects of answers, and the secrets that only the submitter sees (D-2, D-11).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use vestibule_wire::view::{self, ActivityStatus, CredentialType, Timestamp};
use vestibule_wire::{
    ActivityType, ApiKeyId, AuthenticatorId, OauthProviderId, PolicyId, SessionProfileId, TagId,
};

use crate::model::{
    ActivityRecord, Credential, Definition, EvaluationRecord, MfaPolicy, Millis, OauthIdentity, PolicyBody,
    SessionProfileBody, UserRecord,
};

/// Members that carry a code: `""` everywhere, from the first answer on (D-2).
const CODES: &[&str] = &["otpCode", "encryptedOtpBundle"];
/// Members that carry a token, a session or a bundle: sealed, shown to the submitter only (D-11).
const SEALED: &[&str] =
    &["verificationToken", "session", "credentialBundle", "otpEncryptionTargetBundle", "oidcToken"];

/// What is taken out of an activity before it is stored in clear.
#[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Secrets {
    /// Members of the intent.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) intent: Map<String, Value>,
    /// Members of the result.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) result: Map<String, Value>,
    /// The signed body, when it holds such a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

impl Secrets {
    pub(crate) fn is_empty(&self) -> bool {
        self.intent.is_empty() && self.result.is_empty() && self.message.is_none()
    }

    /// Takes the secrets out of an intent, leaving `""`; tells what may be kept of the signed body, and whether it carries
    /// a code.
    pub(crate) fn take(intent: &mut Map<String, Value>, message: String) -> (Self, String, bool) {
        let mut carries_code = false;
        for name in CODES {
            if let Some(value) = intent.get_mut(*name) {
                carries_code = true;
                *value = Value::String(String::new());
            }
        }
        let mut secrets = Self { intent: take_sealed(intent), ..Self::default() };
        // Members that this version ignores stand in the signed body all the same.
        let names = |list: &[&str]| list.iter().any(|name| message.contains(&format!("\"{name}\"")));
        if carries_code || names(CODES) {
            return (secrets, String::new(), true);
        }
        if secrets.intent.is_empty() && !names(SEALED) {
            return (secrets, message, false);
        }
        secrets.message = Some(message);
        (secrets, String::new(), false)
    }

    /// Takes the secrets out of a result, leaving `""`.
    pub(crate) fn take_result(&mut self, result: &mut Map<String, Value>) {
        self.result = take_sealed(result);
    }
}

/// Takes the members that hold a secret, at whatever depth, leaving `""` in its place.
fn take_sealed(members: &mut Map<String, Value>) -> Map<String, Value> {
    let mut taken = Map::new();
    for (name, value) in members {
        let given = value.clone();
        if redact(name, value) {
            taken.insert(name.clone(), given);
        }
    }
    taken
}

/// Whether there was something to redact.
fn redact(name: &str, value: &mut Value) -> bool {
    let mut found = false;
    match value {
        Value::String(text) => {
            found = SEALED.contains(&name) && !text.is_empty();
            if found {
                text.clear();
            }
        }
        Value::Array(items) => {
            for item in items {
                found |= redact(name, item);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                found |= redact(name, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    found
}

/// Builds an activity's object. `secrets` are put back for the submitter; `voters` are the users who voted, as far as they
/// still exist; `now` decides which of their keys live.
pub(crate) fn activity(
    record: &ActivityRecord,
    secrets: Option<Secrets>,
    voters: &[UserRecord],
    may_vote: bool,
    now: Millis,
) -> view::Activity {
    let ActivityRecord {
        organization_id,
        tenant_id: _,
        id,
        fingerprint,
        activity_type,
        status,
        timestamp_ms,
        intent,
        result,
        sealed: _,
        submitter,
        version: _,
        failure,
        deliberation,
        created_at,
        updated_at,
    } = record;
    let secrets = secrets.unwrap_or_default();
    let kind = ActivityType::from_name(activity_type);
    let result = match status {
        ActivityStatus::Completed => keyed(kind.map(ActivityType::result_key), result, secrets.result),
        _ => Value::Object(Map::new()),
    };
    let voter = |id| voters.iter().find(|voter| voter.user.id == id).map(|voter| user(voter, now));
    let first = voter(submitter.user_id).map(|user| view::Vote {
        id: submitter.vote_id,
        user_id: submitter.user_id,
        user,
        activity_id: *id,
        selection: view::VoteSelection::Approved,
        message: secrets.message.unwrap_or_else(|| submitter.message.clone()),
        public_key: submitter.public_key.clone(),
        signature: submitter.signature.clone(),
        scheme: submitter.scheme.clone(),
        created_at: Timestamp::from_millis(*created_at),
    });
    // The first ballot is the submitter's.
    let others = deliberation.iter().flat_map(|deliberation| deliberation.ballots.iter().skip(1));
    let others = others.filter_map(|ballot| {
        Some(view::Vote {
            id: ballot.vote_id,
            user_id: ballot.user_id,
            user: voter(ballot.user_id)?,
            activity_id: *id,
            selection: if ballot.approve {
                view::VoteSelection::Approved
            } else {
                view::VoteSelection::Rejected
            },
            message: ballot.message.clone(),
            public_key: ballot.public_key.clone(),
            signature: ballot.signature.clone(),
            scheme: ballot.scheme.clone(),
            created_at: Timestamp::from_millis(ballot.created_at),
        })
    });
    view::Activity {
        id: *id,
        organization_id: *organization_id,
        status: *status,
        activity_type: activity_type.clone(),
        timestamp_ms: timestamp_ms.to_string(),
        intent: keyed(kind.map(ActivityType::intent_key), intent, secrets.intent),
        result,
        votes: first.into_iter().chain(others).collect(),
        app_proofs: [],
        fingerprint: format!("sha256:{}", hex::encode(fingerprint)),
        can_approve: may_vote,
        can_reject: may_vote,
        created_at: Timestamp::from_millis(*created_at),
        updated_at: Timestamp::from_millis(*updated_at),
        failure: failure.as_ref().map(|failure| view::Failure {
            code: failure.code,
            message: failure.message.clone(),
            details: [],
        }),
    }
}

fn keyed(key: Option<&'static str>, stored: &str, secrets: Map<String, Value>) -> Value {
    let mut members: Map<String, Value> = serde_json::from_str(stored).unwrap_or_default();
    members.extend(secrets);
    let mut object = Map::new();
    if let Some(key) = key {
        object.insert(key.to_owned(), Value::Object(members));
    }
    Value::Object(object)
}

/// Builds a user's object; expired keys are left out (G-QRY-2).
pub(crate) fn user(record: &UserRecord, now: Millis) -> view::User {
    let user = &record.user;
    view::User {
        user_id: user.id,
        user_name: user.name.clone(),
        user_email: user.email.clone(),
        user_phone_number: user.phone.clone(),
        authenticators: authenticators(record),
        api_keys: api_keys(record, now),
        user_tags: user.tags.clone(),
        oauth_providers: oauth_providers(record),
        created_at: Timestamp::from_millis(user.created_at),
        updated_at: Timestamp::from_millis(user.updated_at),
        mfa_policies: user.mfa_policies.iter().map(mfa_policy).collect(),
    }
}

/// The live API keys of a user.
pub(crate) fn api_keys(record: &UserRecord, now: Millis) -> Vec<view::ApiKey> {
    record.credentials.iter().filter(|c| c.live(now)).filter_map(api_key).collect()
}

/// Builds an API key's object; `None` for a passkey and an OAuth identity.
pub(crate) fn api_key(credential: &Credential) -> Option<view::ApiKey> {
    if matches!(credential.kind, CredentialType::WebauthnAuthenticator | CredentialType::OauthIdentity) {
        return None;
    }
    Some(view::ApiKey {
        credential: view_credential(credential),
        api_key_id: ApiKeyId(credential.id),
        api_key_name: credential.name.clone(),
        created_at: Timestamp::from_millis(credential.created_at),
        updated_at: Timestamp::from_millis(credential.updated_at),
        expiration_seconds: credential.expiration_seconds.map(|s| s.to_string()),
    })
}

/// A credential id as clients write it.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The OAuth identities of a user.
pub(crate) fn oauth_providers(record: &UserRecord) -> Vec<view::OauthProvider> {
    let provider = |credential: &Credential| {
        let OauthIdentity { issuer, subject, audience } = credential.oauth.clone()?;
        Some(view::OauthProvider {
            provider_id: OauthProviderId(credential.id),
            provider_name: credential.name.clone(),
            issuer,
            audience,
            subject,
            created_at: Timestamp::from_millis(credential.created_at),
            updated_at: Timestamp::from_millis(credential.updated_at),
        })
    };
    record.credentials.iter().filter_map(provider).collect()
}

/// Builds an MFA policy's object.
pub(crate) fn mfa_policy(policy: &MfaPolicy) -> view::MfaPolicy {
    let MfaPolicy { id, name, condition, required, order, notes, created_at, updated_at } = policy.clone();
    view::MfaPolicy {
        mfa_policy_id: id,
        mfa_policy_name: name,
        condition,
        required_authentication_methods: required,
        order,
        notes,
        created_at: Timestamp::from_millis(created_at),
        updated_at: Timestamp::from_millis(updated_at),
    }
}

/// Builds a policy's object; `None` where the definition is none.
pub(crate) fn policy(definition: &Definition) -> Option<view::Policy> {
    let PolicyBody { effect, condition, consensus, time, notes } = definition.read()?;
    Some(view::Policy {
        policy_id: PolicyId(definition.id),
        policy_name: definition.name.clone(),
        effect,
        created_at: Timestamp::from_millis(definition.created_at),
        updated_at: Timestamp::from_millis(definition.updated_at),
        notes,
        consensus,
        condition,
        time,
    })
}

/// Builds a user tag's object.
pub(crate) fn tag(definition: &Definition) -> view::Tag {
    view::Tag {
        tag_id: TagId(definition.id),
        tag_name: definition.name.clone(),
        tag_type: view::TagType::User,
        created_at: Timestamp::from_millis(definition.created_at),
        updated_at: Timestamp::from_millis(definition.updated_at),
    }
}

/// Builds a session profile's object; `None` where the definition is none.
pub(crate) fn session_profile(definition: &Definition) -> Option<view::SessionProfile> {
    let SessionProfileBody { scope, expiration_seconds, notes } = definition.read()?;
    Some(view::SessionProfile {
        session_profile_id: SessionProfileId(definition.id),
        session_profile_name: definition.name.clone(),
        scope,
        expiration_seconds: expiration_seconds.map(|seconds| seconds.to_string()),
        notes,
        created_at: Timestamp::from_millis(definition.created_at),
        updated_at: Timestamp::from_millis(definition.updated_at),
    })
}

/// What the policies said to the votes on an activity.
pub(crate) fn evaluations(record: &ActivityRecord) -> Vec<view::PolicyEvaluation> {
    let records = record.deliberation.iter().flat_map(|deliberation| deliberation.evaluations.clone());
    let evaluation = |EvaluationRecord { id, vote_id, policies, created_at }| view::PolicyEvaluation {
        id,
        activity_id: record.id,
        organization_id: record.organization_id,
        vote_id,
        policy_evaluations: policies,
        created_at: Timestamp::from_millis(created_at),
    };
    records.map(evaluation).collect()
}

/// The passkeys of a user.
pub(crate) fn authenticators(record: &UserRecord) -> Vec<view::Authenticator> {
    record.credentials.iter().filter_map(authenticator).collect()
}

fn authenticator(credential: &Credential) -> Option<view::Authenticator> {
    let details = credential.passkey.as_ref()?;
    Some(view::Authenticator {
        transports: details.transports.clone(),
        attestation_type: details.attestation_type.clone(),
        aaguid: details.aaguid.clone(),
        credential_id: base64url(&credential.lookup),
        model: String::new(),
        credential: view_credential(credential),
        authenticator_id: AuthenticatorId(credential.id),
        authenticator_name: credential.name.clone(),
        created_at: Timestamp::from_millis(credential.created_at),
        updated_at: Timestamp::from_millis(credential.updated_at),
    })
}

fn view_credential(credential: &Credential) -> view::Credential {
    view::Credential {
        public_key: hex::encode(&credential.public_key),
        credential_type: credential.kind.as_str().to_owned(),
        session_profile_id: credential.session_profile_id.map(|id| id.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).expect("an object")
    }

    #[test]
    fn codes_are_gone_and_tokens_are_set_aside() {
        let mut intent = object(r#"{"otpId":"x","otpCode":"123456"}"#);
        let mut result = object(r#"{"verificationToken":"t"}"#);
        let (mut secrets, message, carries_code) = Secrets::take(&mut intent, "the body".to_owned());
        secrets.take_result(&mut result);
        assert_eq!(Value::from(intent).to_string(), r#"{"otpId":"x","otpCode":""}"#);
        assert_eq!(Value::from(result).to_string(), r#"{"verificationToken":""}"#);
        assert_eq!((message.as_str(), carries_code), ("", true));
        assert_eq!(secrets.message, None);
        assert_eq!(Value::from(secrets.result).to_string(), r#"{"verificationToken":"t"}"#);
    }

    #[test]
    fn a_body_with_a_token_is_set_aside_and_a_plain_one_is_kept() {
        let (secrets, message, carries_code) =
            Secrets::take(&mut object(r#"{"verificationToken":"t"}"#), "body".to_owned());
        assert_eq!((secrets.message.as_deref(), message.as_str(), carries_code), (Some("body"), "", false));
        let (secrets, message, carries_code) =
            Secrets::take(&mut object(r#"{"otpType":"e"}"#), "body".to_owned());
        assert!(secrets.is_empty());
        assert_eq!((message.as_str(), carries_code), ("body", false));
    }
}
