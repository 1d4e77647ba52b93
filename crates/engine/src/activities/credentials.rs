//! What the activities on users and their credentials share: rows of new credentials, limits, and the rule that a user
//! keeps a way in (G-USER-1, G-CRED-1).

use vestibule_crypto::other_curves::{ed25519_point, secp256k1_point};
use vestibule_crypto::p256::InvalidKey;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{ApiKeyCurve, AuthenticatorParamsV2, NewApiKey, NewOauthProvider, Refusal, UserId};

use super::session::lifetime;
use super::{Context, oauth_providers};
use crate::limits;
use crate::model::{Credential, Owner, UserRecord};
use crate::passkeys;
use crate::store::{ChangeSet, Write};

/// The user an intent is about, loaded for it.
pub(super) fn user<'a>(cx: &Context<'a>, id: UserId) -> Result<&'a UserRecord, Refusal> {
    let organization = cx.caller.target.id;
    cx.facts.user.as_ref().ok_or_else(|| Refusal::NotFound { kind: "user", id: id.to_string(), organization })
}

/// Two changes of one user's durable credentials never pass each other: limits and the rule of the last credential
/// were judged on what was read.
pub(super) fn touch(record: &UserRecord) -> Write {
    Write::TouchUser {
        organization: record.user.organization_id,
        user: record.user.id,
        version: record.user.version,
    }
}

/// Two changes that were judged on all users or definitions of one organization never pass each other.
pub(super) fn hold_organization(cx: &Context<'_>) -> Write {
    Write::UpdateOrganization(Box::new(cx.caller.target.clone()))
}

/// Adds the credentials of a user that has none yet. `taken` are look-up bytes that the organization has, and gets.
pub(super) fn add_credentials(
    cx: &Context<'_>,
    owner: Owner,
    api_keys: &[NewApiKey],
    authenticators: &[AuthenticatorParamsV2],
    providers: &[NewOauthProvider],
    taken: &mut Vec<Vec<u8>>,
    changes: &mut ChangeSet,
) -> Result<(), Refusal> {
    let mut added: Vec<Credential> = Vec::new();
    for key in api_keys {
        added.push(new_api_key(cx, owner, key)?);
    }
    for authenticator in authenticators {
        added.push(passkeys::new_credential(cx, owner, authenticator)?);
    }
    for provider in providers {
        added.push(oauth_providers::new_credential(cx, owner, provider)?);
    }
    add(&[], added, taken, changes)
}

/// Adds credentials to a user that has `existing` ones, within the limits.
pub(super) fn add(
    existing: &[Credential],
    added: Vec<Credential>,
    taken: &mut Vec<Vec<u8>>,
    changes: &mut ChangeSet,
) -> Result<(), Refusal> {
    for credential in &added {
        if taken.contains(&credential.lookup) {
            return Err(if credential.oauth.is_some() {
                Refusal::OauthProviderExists
            } else {
                Refusal::PublicKeyExists
            });
        }
        taken.push(credential.lookup.clone());
    }
    let Some(owner) = added.first().map(|c| (c.organization_id, c.user_id)) else { return Ok(()) };
    let (organization, user) = owner;
    let count = |counts: fn(&Credential) -> bool| existing.iter().chain(&added).filter(|c| counts(c)).count();
    if count(is_long_lived_key) > limits::LONG_LIVED_KEYS {
        return Err(Refusal::TooManyLongLivedKeys(user));
    }
    if count(|c| c.passkey.is_some()) > limits::AUTHENTICATORS {
        return Err(Refusal::TooManyAuthenticators(user));
    }
    if count(|c| c.oauth.is_some()) > limits::OAUTH_PROVIDERS {
        return Err(Refusal::TooManyOauthProviders(user));
    }
    let newest = added.iter().rfind(|c| c.expires_at.is_some()).map(|c| c.lookup.clone());
    for credential in added {
        changes.push(Write::InsertCredential(Box::new(credential)));
    }
    if let Some(except) = newest {
        changes.push(Write::TrimExpiringKeys { organization, user, keep: limits::EXPIRING_KEYS, except });
    }
    Ok(())
}

/// Takes credentials from a user: those with these ids, of which each must be one that `is` tells. Refused where the user
/// would have no way in left.
pub(super) fn remove(
    cx: &Context<'_>,
    record: &UserRecord,
    ids: &[uuid::Uuid],
    is: impl Fn(&Credential) -> bool,
    missing: impl Fn(uuid::Uuid) -> Refusal,
) -> Result<ChangeSet, Refusal> {
    let mut takes_durable = false;
    for id in ids {
        let found = record.credentials.iter().find(|c| c.id == *id && is(c)).ok_or_else(|| missing(*id))?;
        takes_durable |= is_way_in(found);
    }
    let stays = |c: &&Credential| is_way_in(c) && !ids.contains(&c.id);
    if takes_durable && !record.credentials.iter().any(|c| stays(&c)) && !keeps_contact(cx, record) {
        return Err(Refusal::MissingCredential(record.user.id.to_string()));
    }
    let mut changes = ChangeSet::new();
    changes.push(touch(record));
    let (organization, user) = (record.user.organization_id, record.user.id);
    changes.writes.extend(ids.iter().map(|id| Write::DeleteCredential { organization, user, id: *id }));
    Ok(changes)
}

/// Root users of sub-organizations can always come back through their contact (G-USER-1).
fn keeps_contact(cx: &Context<'_>, record: &UserRecord) -> bool {
    let target = &cx.caller.target;
    target.parent_id.is_some()
        && target.quorum.user_ids.contains(&record.user.id)
        && (record.user.email.is_some() || record.user.phone.is_some())
}

fn is_long_lived_key(credential: &Credential) -> bool {
    credential.expires_at.is_none() && is_api_key(credential)
}

/// Whether its user can come back with it at any time: not with a session, and not with an OAuth identity, with which
/// nobody gets in here.
pub(super) fn is_way_in(credential: &Credential) -> bool {
    credential.expires_at.is_none() && credential.oauth.is_none()
}

/// Whether a stamp of an API or session key is made with it.
pub(super) fn is_api_key(credential: &Credential) -> bool {
    credential.passkey.is_none() && credential.oauth.is_none()
}

fn valid(point: Result<Vec<u8>, InvalidKey>) -> Result<Vec<u8>, Refusal> {
    point.map_err(|_| Refusal::InvalidPublicKey)
}

/// Makes the row of an API key of a request.
pub(super) fn new_api_key(cx: &Context<'_>, owner: Owner, key: &NewApiKey) -> Result<Credential, Refusal> {
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
