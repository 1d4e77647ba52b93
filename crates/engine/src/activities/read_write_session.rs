//! CREATE_READ_WRITE_SESSION: a session key that the server makes, for the caller or a user it may speak for (protocol 02
//! section 2, protocol 05 section 5).

use vestibule_wire::view::CredentialType;
use vestibule_wire::{CreateReadWriteSession, OtpType, Refusal, SessionOf, UserId};

use super::made_keys::{NewKey, make_key};
use super::session::{DEFAULT_LIFETIME_S, lifetime, within_age};
use super::stamp_login::authentication;
use super::{Context, Effect, message, result};
use crate::model::{ContactKey, Owner, SessionProfileBody, User};
use crate::store::{ChangeSet, IntentKeys};

pub(super) fn keys(intent: &CreateReadWriteSession) -> IntentKeys {
    match &intent.of {
        SessionOf::Email(email) => {
            IntentKeys { contact_in_target: Some(ContactKey::of(email)), ..Default::default() }
        }
        SessionOf::User(user) => IntentKeys { user: Some(*user), ..Default::default() },
        SessionOf::Caller => IntentKeys::default(),
    }
}

pub(super) fn decide(cx: &Context<'_>, intent: &CreateReadWriteSession) -> Result<Effect, Refusal> {
    let target = cx.public_key(&intent.target_public_key)?;
    let lifetime_s = lifetime(cx, intent.expiration.as_ref(), DEFAULT_LIFETIME_S)?;
    let user = user(cx, intent)?;
    let organization = &cx.caller.target;
    // Whoever makes a session hands on how old its own log-in is, and to itself what it may do; a session under a profile makes
    // none for others, who would not be under it.
    let authentication = authentication(cx);
    let session_profile_id =
        cx.caller.credential.as_ref().and_then(|credential| credential.session_profile_id);
    let mut lifetime_s = within_age(cx, lifetime_s, authentication.at)?;
    if let Some(id) = session_profile_id {
        let profile = cx.facts.session_profile.as_ref().filter(|definition| definition.id == id);
        let says = profile.and_then(|definition| definition.read::<SessionProfileBody>());
        match says {
            Some(says) if user.id == cx.caller.record.user.id => {
                lifetime_s = lifetime_s.min(says.expiration_seconds.unwrap_or(lifetime_s));
            }
            _ => return Err(Refusal::NotAuthorized),
        }
    }
    let mut changes = ChangeSet::new();
    let (id, bundle) = make_key(
        cx,
        NewKey {
            owner: Owner {
                organization_id: user.organization_id,
                tenant_id: user.tenant_id,
                user_id: user.id,
            },
            kind: CredentialType::ReadWriteSessionKeyP256,
            name: intent
                .api_key_name
                .clone()
                .unwrap_or_else(|| format!("Read Write Session - {}", cx.facts.now)),
            lifetime_s,
            invalidate_existing: intent.invalidate_existing,
            target: &target,
            authentication,
            session_profile_id,
        },
        &mut changes,
    );
    let members = result! {
        "organizationId": organization.id.to_string(),
        "organizationName": organization.name.clone(),
        "userId": user.id.to_string(),
        "username": user.name.clone(),
        "apiKeyId": id.to_string(),
        "credentialBundle": bundle,
    };
    Ok(Effect { result: members, changes })
}

/// Whose session it is: always a user of the organization acted on.
fn user<'a>(cx: &Context<'a>, intent: &CreateReadWriteSession) -> Result<&'a User, Refusal> {
    let missing = |id: UserId| Refusal::NotFound {
        kind: "user",
        id: id.to_string(),
        organization: cx.caller.target.id,
    };
    match &intent.of {
        SessionOf::Email(_) => Ok(&message::only_holder(cx, OtpType::Email)?.user),
        SessionOf::User(id) => cx.facts.user.as_ref().map(|record| &record.user).ok_or_else(|| missing(*id)),
        SessionOf::Caller if cx.caller.at_home() => Ok(&cx.caller.record.user),
        SessionOf::Caller => Err(missing(cx.caller.record.user.id)),
    }
}
