//! CREATE_API_KEYS and DELETE_API_KEYS (protocol 02 section 2b, G-CRED-1).

use serde_json::Value;
use vestibule_crypto::other_curves::{ed25519_point, secp256k1_point};
use vestibule_crypto::p256::InvalidKey;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{ApiKeyCurve, ApiKeyId, CreateApiKeys, DeleteApiKeys, NewApiKey, Refusal, UserId};

use super::session::lifetime;
use super::{Context, Effect, result};
use crate::limits;
use crate::model::{Credential, Owner, UserRecord};
use crate::store::{ChangeSet, IntentKeys, Write};

pub(super) fn create_keys(intent: &CreateApiKeys) -> IntentKeys {
    IntentKeys {
        user: Some(intent.user_id),
        existing_credentials: intent
            .keys
            .iter()
            .filter_map(|key| hex::decode(&key.public_key).ok())
            .collect(),
        ..Default::default()
    }
}

pub(super) fn create(cx: &Context<'_>, intent: &CreateApiKeys) -> Result<Effect, Refusal> {
    let record = user(cx, intent.user_id)?;
    let organization = record.user.organization_id;
    let mut changes = ChangeSet::new();
    changes.push(touch(record));
    let mut ids: Vec<Value> = Vec::new();
    let owner =
        Owner { organization_id: organization, tenant_id: record.user.tenant_id, user_id: intent.user_id };
    let mut added: Vec<Credential> = Vec::new();
    for key in &intent.keys {
        let credential = new_credential(cx, owner, key)?;
        let known = cx.facts.existing_credentials.iter().chain(&added);
        if known.into_iter().any(|c| c.lookup == credential.lookup) {
            return Err(Refusal::PublicKeyExists);
        }
        ids.push(ApiKeyId(credential.id).to_string().into());
        added.push(credential);
    }
    let long_lived = record.credentials.iter().chain(&added).filter(|c| is_long_lived_key(c)).count();
    if long_lived > limits::LONG_LIVED_KEYS {
        return Err(Refusal::TooManyLongLivedKeys(intent.user_id));
    }
    let newest = added.iter().rfind(|c| c.expires_at.is_some()).map(|c| c.lookup.clone());
    for credential in added {
        changes.push(Write::InsertCredential(Box::new(credential)));
    }
    if let Some(except) = newest {
        changes.push(Write::TrimExpiringKeys {
            organization,
            user: intent.user_id,
            keep: limits::EXPIRING_KEYS,
            except,
        });
    }
    Ok(Effect { result: result! { "apiKeyIds": ids }, changes })
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteApiKeys) -> Result<Effect, Refusal> {
    let record = user(cx, intent.user_id)?;
    let organization = record.user.organization_id;
    let doomed = |c: &Credential| intent.ids.contains(&ApiKeyId(c.id));
    let mut takes_durable = false;
    for id in &intent.ids {
        let key = record
            .credentials
            .iter()
            .find(|c| c.id == id.0 && c.kind != CredentialType::WebauthnAuthenticator);
        let Some(key) = key else {
            return Err(Refusal::NotFound { kind: "api key", id: id.to_string(), organization });
        };
        takes_durable |= key.expires_at.is_none();
    }
    let keeps_durable =
        record.credentials.iter().any(|c| c.expires_at.is_none() && !doomed(c)) || keeps_contact(cx, record);
    if takes_durable && !keeps_durable {
        return Err(Refusal::MissingCredential(intent.user_id.to_string()));
    }
    let mut changes = ChangeSet::new();
    changes.push(touch(record));
    for id in &intent.ids {
        changes.push(Write::DeleteCredential { organization, user: intent.user_id, id: id.0 });
    }
    let ids: Vec<Value> = intent.ids.iter().map(|id| id.to_string().into()).collect();
    Ok(Effect { result: result! { "apiKeyIds": ids }, changes })
}

/// Root users of sub-organizations can always come back through their contact (G-USER-1).
fn keeps_contact(cx: &Context<'_>, record: &UserRecord) -> bool {
    let target = &cx.caller.target;
    target.parent_id.is_some()
        && target.quorum.user_ids.contains(&record.user.id)
        && (record.user.email.is_some() || record.user.phone.is_some())
}

fn user<'a>(cx: &Context<'a>, id: UserId) -> Result<&'a UserRecord, Refusal> {
    let organization = cx.caller.target.id;
    cx.facts.user.as_ref().ok_or_else(|| Refusal::NotFound { kind: "user", id: id.to_string(), organization })
}

/// Two changes of one user's durable credentials never pass each other: limits and the rule of the last credential
/// were judged on what was read.
fn touch(record: &UserRecord) -> Write {
    Write::TouchUser {
        organization: record.user.organization_id,
        user: record.user.id,
        version: record.user.version,
    }
}

fn is_long_lived_key(credential: &Credential) -> bool {
    credential.expires_at.is_none() && credential.kind != CredentialType::WebauthnAuthenticator
}

fn valid(point: Result<Vec<u8>, InvalidKey>) -> Result<Vec<u8>, Refusal> {
    point.map_err(|_| Refusal::InvalidPublicKey)
}

/// Makes the row of an API key of a request.
pub(super) fn new_credential(cx: &Context<'_>, owner: Owner, key: &NewApiKey) -> Result<Credential, Refusal> {
    let (kind, public_key) = match key.curve {
        ApiKeyCurve::P256 => {
            (CredentialType::ApiKeyP256, cx.public_key(&key.public_key)?.compressed().to_vec())
        }
        ApiKeyCurve::Secp256k1 => (CredentialType::ApiKeySecp256k1, valid(secp256k1_point(&key.public_key))?),
        ApiKeyCurve::Ed25519 => (CredentialType::ApiKeyEd25519, valid(ed25519_point(&key.public_key))?),
    };
    let expiration_seconds = match &key.expiration {
        None => None,
        Some(text) => Some(lifetime(cx, Some(text), 0)?),
    };
    Ok(Credential::of_key(
        owner,
        cx.id(),
        kind,
        key.name.clone(),
        public_key,
        expiration_seconds,
        cx.facts.now,
    ))
}
