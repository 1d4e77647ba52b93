//! CREATE_AUTHENTICATORS, DELETE_AUTHENTICATORS and RECOVER_USER (protocol 02 sections 2 and 2b, G-REC-1).

use serde_json::Value;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{
    AuthenticatorId, AuthenticatorParamsV2, CreateAuthenticators, DeleteAuthenticators, RecoverUser, Refusal,
    UserId,
};

use super::credentials::{add, remove, touch, user};
use super::{Context, Effect, result};
use crate::model::{Credential, Owner};
use crate::passkeys;
use crate::store::{ChangeSet, IntentKeys, Write};

fn keys<'a>(user: UserId, authenticators: impl Iterator<Item = &'a AuthenticatorParamsV2>) -> IntentKeys {
    IntentKeys {
        user: Some(user),
        existing_credentials: authenticators.filter_map(passkeys::credential_id).collect(),
        ..Default::default()
    }
}

pub(super) fn create_keys(intent: &CreateAuthenticators) -> IntentKeys {
    keys(intent.user_id, intent.authenticators.iter())
}

pub(super) fn create(cx: &Context<'_>, intent: &CreateAuthenticators) -> Result<Effect, Refusal> {
    let (ids, changes) = register(cx, intent.user_id, &intent.authenticators)?;
    Ok(Effect { result: result! { "authenticatorIds": ids }, changes })
}

fn register(
    cx: &Context<'_>,
    user_id: UserId,
    authenticators: &[AuthenticatorParamsV2],
) -> Result<(Vec<Value>, ChangeSet), Refusal> {
    let record = user(cx, user_id)?;
    let owner = Owner::of(&record.user);
    let mut added = Vec::with_capacity(authenticators.len());
    for authenticator in authenticators {
        added.push(passkeys::new_credential(cx, owner, authenticator)?);
    }
    let ids: Vec<Value> = added.iter().map(|c| AuthenticatorId(c.id).to_string().into()).collect();
    let mut changes = ChangeSet::new();
    changes.push(touch(record));
    add(&record.credentials, added, &mut cx.taken(), &mut changes)?;
    Ok((ids, changes))
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteAuthenticators) -> Result<Effect, Refusal> {
    let record = user(cx, intent.user_id)?;
    let ids: Vec<_> = intent.ids.iter().map(|id| id.0).collect();
    let is_passkey = |credential: &Credential| credential.passkey.is_some();
    let changes = remove(cx, record, &ids, is_passkey, |_| Refusal::AuthenticatorNotFound)?;
    let ids: Vec<Value> = intent.ids.iter().map(|id| id.to_string().into()).collect();
    Ok(Effect { result: result! { "authenticatorIds": ids }, changes })
}

pub(super) fn recover_keys(intent: &RecoverUser) -> IntentKeys {
    keys(intent.user_id, std::iter::once(&intent.authenticator))
}

/// Only for oneself; the key that did it has served.
pub(super) fn recover(cx: &Context<'_>, intent: &RecoverUser) -> Result<Effect, Refusal> {
    let caller = &cx.caller.record.user;
    if intent.user_id != caller.id || !cx.caller.at_home() {
        return Err(Refusal::NotAuthorized);
    }
    let (ids, mut changes) = register(cx, intent.user_id, std::slice::from_ref(&intent.authenticator))?;
    changes.push(Write::DeleteCredentialsOfType {
        organization: caller.organization_id,
        user: caller.id,
        kind: CredentialType::RecoverUserKeyP256,
        except: Vec::new(),
    });
    Ok(Effect { result: result! { "authenticatorId": ids }, changes })
}
