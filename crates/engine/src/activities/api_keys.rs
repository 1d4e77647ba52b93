//! CREATE_API_KEYS and DELETE_API_KEYS (protocol 02 section 2b, G-CRED-1).

use serde_json::Value;
use vestibule_wire::{ApiKeyId, CreateApiKeys, DeleteApiKeys, Refusal};

use super::credentials::{add, is_api_key, new_api_key, remove, touch, user};
use super::{Context, Effect, result};
use crate::model::Owner;
use crate::store::{ChangeSet, IntentKeys};

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
    let owner = Owner::of(&record.user);
    let mut added = Vec::with_capacity(intent.keys.len());
    for key in &intent.keys {
        added.push(new_api_key(cx, owner, key)?);
    }
    let ids: Vec<Value> = added.iter().map(|c| ApiKeyId(c.id).to_string().into()).collect();
    let mut changes = ChangeSet::new();
    changes.push(touch(record));
    add(&record.credentials, added, &mut cx.taken(), &mut changes)?;
    Ok(Effect { result: result! { "apiKeyIds": ids }, changes })
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteApiKeys) -> Result<Effect, Refusal> {
    let record = user(cx, intent.user_id)?;
    let organization = record.user.organization_id;
    let ids: Vec<_> = intent.ids.iter().map(|id| id.0).collect();
    let missing = |id: uuid::Uuid| Refusal::NotFound { kind: "api key", id: id.to_string(), organization };
    let changes = remove(cx, record, &ids, is_api_key, missing)?;
    let ids: Vec<Value> = intent.ids.iter().map(|id| id.to_string().into()).collect();
    Ok(Effect { result: result! { "apiKeyIds": ids }, changes })
}
