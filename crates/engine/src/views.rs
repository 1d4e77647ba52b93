//! From rows to the objects of answers, and the secrets that only the submitter sees (D-2, D-11).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use vestibule_wire::view::{self, CredentialType, Timestamp};
use vestibule_wire::{ActivityType, ApiKeyId, AuthenticatorId};

use crate::model::{ActivityRecord, Credential, Millis, UserRecord};

/// Members that carry a code: `""` everywhere, from the first answer on (D-2).
const CODES: &[&str] = &["otpCode", "encryptedOtpBundle"];
/// Members that carry a token, a session or a bundle: sealed, shown to the submitter only (D-11).
const SEALED: &[&str] = &["verificationToken", "session", "credentialBundle", "otpEncryptionTargetBundle"];

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

    /// Takes the secrets out of intent and result, leaving `""`; tells what may be kept of the signed body.
    pub(crate) fn take(
        intent: &mut Map<String, Value>,
        result: &mut Map<String, Value>,
        message: String,
    ) -> (Self, String) {
        let mut carries_code = false;
        for name in CODES {
            if let Some(value) = intent.get_mut(*name) {
                carries_code = true;
                *value = Value::String(String::new());
            }
        }
        let mut secrets = Self { intent: take_sealed(intent), result: take_sealed(result), message: None };
        // Members that this version ignores stand in the signed body all the same.
        let names = |list: &[&str]| list.iter().any(|name| message.contains(&format!("\"{name}\"")));
        if carries_code || names(CODES) {
            return (secrets, String::new());
        }
        if secrets.intent.is_empty() && !names(SEALED) {
            return (secrets, message);
        }
        secrets.message = Some(message);
        (secrets, String::new())
    }
}

fn take_sealed(members: &mut Map<String, Value>) -> Map<String, Value> {
    let mut taken = Map::new();
    for name in SEALED {
        if let Some(value) = members.get_mut(*name) {
            taken.insert((*name).to_owned(), std::mem::replace(value, Value::String(String::new())));
        }
    }
    taken
}

/// Builds an activity's object. `secrets` are put back for the submitter; `now` decides which keys of the voter live.
pub(crate) fn activity(
    record: &ActivityRecord,
    secrets: Option<Secrets>,
    submitter: Option<&UserRecord>,
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
        submitter: vote,
        version: _,
        failure: _,
        deliberation: _,
        created_at,
        updated_at,
    } = record;
    let secrets = secrets.unwrap_or_default();
    let message = secrets.message.unwrap_or_else(|| vote.message.clone());
    let votes = submitter.map(|user| view::Vote {
        id: vote.vote_id,
        user_id: vote.user_id,
        user: self::user(user, now),
        activity_id: *id,
        selection: view::VoteSelection::Approved,
        message,
        public_key: vote.public_key.clone(),
        signature: vote.signature.clone(),
        scheme: vote.scheme.clone(),
        created_at: Timestamp::from_millis(*created_at),
    });
    let kind = ActivityType::from_name(activity_type);
    view::Activity {
        id: *id,
        organization_id: *organization_id,
        status: *status,
        activity_type: activity_type.clone(),
        timestamp_ms: timestamp_ms.to_string(),
        intent: keyed(kind.map(ActivityType::intent_key), intent, secrets.intent),
        result: keyed(kind.map(ActivityType::result_key), result, secrets.result),
        votes: votes.into_iter().collect(),
        app_proofs: [],
        fingerprint: format!("sha256:{}", hex::encode(fingerprint)),
        can_approve: false,
        can_reject: false,
        created_at: Timestamp::from_millis(*created_at),
        updated_at: Timestamp::from_millis(*updated_at),
        failure: None,
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
        authenticators: record.credentials.iter().filter_map(authenticator).collect(),
        api_keys: api_keys(record, now),
        user_tags: user.tags.clone(),
        oauth_providers: Vec::new(),
        created_at: Timestamp::from_millis(user.created_at),
        updated_at: Timestamp::from_millis(user.updated_at),
        mfa_policies: Vec::new(),
    }
}

/// The live API keys of a user.
pub(crate) fn api_keys(record: &UserRecord, now: Millis) -> Vec<view::ApiKey> {
    record.credentials.iter().filter(|c| c.live(now)).filter_map(api_key).collect()
}

/// Builds an API key's object; `None` for a passkey.
pub(crate) fn api_key(credential: &Credential) -> Option<view::ApiKey> {
    if credential.kind == CredentialType::WebauthnAuthenticator {
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

fn authenticator(credential: &Credential) -> Option<view::Authenticator> {
    let details = credential.passkey.as_ref()?;
    Some(view::Authenticator {
        transports: details.transports.clone(),
        attestation_type: details.attestation_type.clone(),
        aaguid: details.aaguid.clone(),
        credential_id: URL_SAFE_NO_PAD.encode(&credential.lookup),
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
        let (secrets, message) = Secrets::take(&mut intent, &mut result, "the body".to_owned());
        assert_eq!(Value::from(intent).to_string(), r#"{"otpId":"x","otpCode":""}"#);
        assert_eq!(Value::from(result).to_string(), r#"{"verificationToken":""}"#);
        assert_eq!(message, "");
        assert_eq!(secrets.message, None);
        assert_eq!(Value::from(secrets.result).to_string(), r#"{"verificationToken":"t"}"#);
    }

    #[test]
    fn a_body_with_a_token_is_set_aside_and_a_plain_one_is_kept() {
        let (secrets, message) =
            Secrets::take(&mut object(r#"{"verificationToken":"t"}"#), &mut Map::new(), "body".to_owned());
        assert_eq!((secrets.message.as_deref(), message.as_str()), (Some("body"), ""));
        let (secrets, message) =
            Secrets::take(&mut object(r#"{"otpType":"e"}"#), &mut Map::new(), "body".to_owned());
        assert!(secrets.is_empty());
        assert_eq!(message, "body");
    }
}
