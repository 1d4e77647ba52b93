//! CREATE_OAUTH_PROVIDERS and DELETE_OAUTH_PROVIDERS: identities that are kept as data (G-OAUTH-1).
//!
//! Nobody logs in with one here. The claims of a token are taken as they stand, because no issuer's keys are asked for;
//! what they say is therefore shown, and found, but never trusted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use vestibule_wire::{
    CreateOauthProviders, DeleteOauthProviders, NewOauthProvider, OauthProviderId, OidcClaims, Refusal,
};

use super::credentials::{add, remove, touch, user};
use super::{Context, Effect, result};
use crate::model::{Credential, OauthIdentity, Owner};
use crate::store::{ChangeSet, IntentKeys};

/// The longest `iss`, `sub` or `aud`.
const MAX_CLAIM: usize = 1024;

pub(super) fn create_keys(intent: &CreateOauthProviders) -> IntentKeys {
    let identities = intent.providers.iter().filter_map(|provider| identity(provider).ok());
    IntentKeys {
        user: Some(intent.user_id),
        existing_credentials: identities.map(|identity| identity.lookup()).collect(),
        ..Default::default()
    }
}

pub(super) fn create(cx: &Context<'_>, intent: &CreateOauthProviders) -> Result<Effect, Refusal> {
    // A parent may only link social identities whose token an issuer vouches for, which is not checked here.
    if !cx.caller.at_home() {
        return Err(Refusal::OauthNotEnabled);
    }
    let record = user(cx, intent.user_id)?;
    let owner = Owner::of(&record.user);
    let mut added = Vec::with_capacity(intent.providers.len());
    for provider in &intent.providers {
        added.push(new_credential(cx, owner, provider)?);
    }
    let ids: Vec<Value> = added.iter().map(|c| OauthProviderId(c.id).to_string().into()).collect();
    let mut changes = ChangeSet::new();
    changes.push(touch(record));
    add(&record.credentials, added, &mut cx.taken(), &mut changes)?;
    Ok(Effect { result: result! { "providerIds": ids }, changes })
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteOauthProviders) -> Result<Effect, Refusal> {
    let record = user(cx, intent.user_id)?;
    let organization = record.user.organization_id;
    let ids: Vec<_> = intent.ids.iter().map(|id| id.0).collect();
    let missing =
        |id: uuid::Uuid| Refusal::NotFound { kind: "oauth provider", id: id.to_string(), organization };
    let changes = remove(cx, record, &ids, |credential| credential.oauth.is_some(), missing)?;
    let ids: Vec<Value> = intent.ids.iter().map(|id| id.to_string().into()).collect();
    Ok(Effect { result: result! { "providerIds": ids }, changes })
}

/// Makes the row of an identity.
pub(super) fn new_credential(
    cx: &Context<'_>,
    owner: Owner,
    provider: &NewOauthProvider,
) -> Result<Credential, Refusal> {
    let identity = identity(provider)?;
    Ok(Credential {
        lookup: identity.lookup(),
        oauth: Some(identity),
        ..Credential::of_key(
            owner,
            cx.id(),
            vestibule_wire::view::CredentialType::OauthIdentity,
            provider.name.clone(),
            Vec::new(),
            None,
            cx.facts.now,
        )
    })
}

fn identity(provider: &NewOauthProvider) -> Result<OauthIdentity, Refusal> {
    match &provider.identity {
        vestibule_wire::OauthIdentity::Token(token) => token_identity(token).ok_or(Refusal::InvalidOidcToken),
        vestibule_wire::OauthIdentity::Claims(OidcClaims { iss, sub, aud }) => {
            bounded(iss.to_string(), sub.to_string(), aud.to_string()).ok_or(Refusal::InvalidOidcToken)
        }
    }
}

/// The identity that a compact JWT claims; its signature is not looked at.
pub(crate) fn token_identity(token: &str) -> Option<OauthIdentity> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Several(Vec<String>),
    }
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
        sub: String,
        aud: Audience,
    }
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let Claims { iss, sub, aud } = serde_json::from_slice(&bytes).ok()?;
    let aud = match aud {
        Audience::One(aud) => aud,
        Audience::Several(list) => <[String; 1]>::try_from(list).ok()?.into_iter().next()?,
    };
    bounded(iss, sub, aud)
}

fn bounded(issuer: String, subject: String, audience: String) -> Option<OauthIdentity> {
    let fits = [&issuer, &subject, &audience].iter().all(|claim| (1..=MAX_CLAIM).contains(&claim.len()));
    fits.then_some(OauthIdentity { issuer, subject, audience })
}
