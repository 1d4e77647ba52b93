//! CREATE_USERS, CREATE_API_ONLY_USERS, UPDATE_USER, UPDATE_USER_NAME, UPDATE_USER_EMAIL, UPDATE_USER_PHONE_NUMBER and
//! DELETE_USERS (protocol 02 section 2b, G-USER-1, G-USER-3).

use serde_json::Value;
use vestibule_crypto::token;
use vestibule_wire::Counted;
use vestibule_wire::{
    Contact, CreateUsers, DeleteUsers, NewUser, OtpType, Refusal, TagId, TokenId, UpdateContact, UpdateUser,
    UserId,
};

use super::credentials::{add_credentials, hold_organization, is_way_in, user};
use super::otp_login::issued_token;
use super::{Context, Effect, result};
use crate::limits;
use crate::model::{ContactKey, DefinitionKind, Owner, User};
use crate::store::{ChangeSet, IntentKeys, Write};

pub(super) fn create_keys() -> IntentKeys {
    IntentKeys { users: true, definitions: vec![DefinitionKind::UserTag], ..Default::default() }
}

pub(super) fn create(cx: &Context<'_>, intent: &CreateUsers) -> Result<Effect, Refusal> {
    let target = &cx.caller.target;
    if cx.facts.users.len() + intent.users.len() > limits::USERS {
        return Err(Refusal::TooMany(Counted::Users));
    }
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    let mut taken: Vec<Vec<u8>> =
        cx.facts.users.iter().flat_map(|u| &u.credentials).map(|c| c.lookup.clone()).collect();
    let mut ids: Vec<Value> = Vec::with_capacity(intent.users.len());
    for new in &intent.users {
        let id = UserId(cx.id());
        let owner = Owner { organization_id: target.id, tenant_id: target.tenant(), user_id: id };
        add(cx, owner, new, &mut taken, &mut changes)?;
        ids.push(id.to_string().into());
    }
    Ok(Effect { result: result! { "userIds": ids }, changes })
}

fn add(
    cx: &Context<'_>,
    owner: Owner,
    new: &NewUser,
    taken: &mut Vec<Vec<u8>>,
    changes: &mut ChangeSet,
) -> Result<(), Refusal> {
    let durable = new.api_keys.iter().any(|key| key.expiration.is_none()) || !new.authenticators.is_empty();
    if !durable {
        return Err(Refusal::MissingCredential(new.name.clone()));
    }
    check_tags(cx, &new.tags)?;
    let row = User::new(owner, new.name.clone(), new.email.as_ref(), new.phone.as_ref(), cx.facts.now);
    changes.push(Write::InsertUser(Box::new(User { tags: new.tags.clone(), ..row })));
    for contact in new.email.iter().chain(&new.phone) {
        changes.push(insert_contact(owner, contact));
    }
    add_credentials(cx, owner, &new.api_keys, &new.authenticators, &new.oauth_providers, taken, changes)
}

fn insert_contact(owner: Owner, contact: &Contact) -> Write {
    Write::InsertContact {
        tenant: owner.tenant_id,
        contact: ContactKey::of(contact),
        organization: owner.organization_id,
        user: owner.user_id,
        verified_at: None,
    }
}

/// Tags must be the organization's own. `facts.definitions` holds its tags.
fn check_tags(cx: &Context<'_>, tags: &[TagId]) -> Result<(), Refusal> {
    let organization = cx.caller.target.id;
    let known = |tag: &&TagId| cx.facts.definitions.iter().any(|d| d.id == tag.0);
    match tags.iter().find(|tag| !known(tag)) {
        None => Ok(()),
        Some(tag) => Err(Refusal::NotFound { kind: "user tag", id: tag.to_string(), organization }),
    }
}

pub(super) fn update_keys(intent: &UpdateUser) -> IntentKeys {
    let definitions = if intent.tags.is_some() { vec![DefinitionKind::UserTag] } else { Vec::new() };
    IntentKeys { user: Some(intent.user_id), definitions, ..Default::default() }
}

pub(super) fn update(cx: &Context<'_>, intent: &UpdateUser) -> Result<Effect, Refusal> {
    let before = &user(cx, intent.user_id)?.user;
    let mut after = before.clone();
    let mut changes = ChangeSet::new();
    if let Some(name) = &intent.name {
        after.name.clone_from(name);
    }
    if let Some(tags) = &intent.tags {
        check_tags(cx, tags)?;
        after.tags.clone_from(tags);
        // A tag that goes meanwhile takes its users' version along only if they have it already.
        changes.push(hold_organization(cx));
    }
    for (contact, kind) in [(&intent.email, OtpType::Email), (&intent.phone, OtpType::Sms)] {
        if let Some(contact) = contact {
            set_contact(&mut after, kind, Some(contact), &mut changes);
        }
    }
    changes.push(Write::UpdateUser(Box::new(after)));
    Ok(Effect { result: result! { "userId": intent.user_id.to_string() }, changes })
}

/// Gives a user another contact, or none. It is unverified, even where it is the one it had (G-USER-3).
fn set_contact(user: &mut User, kind: OtpType, contact: Option<&Contact>, changes: &mut ChangeSet) {
    let field = match kind {
        OtpType::Email => &mut user.email,
        OtpType::Sms => &mut user.phone,
    };
    let before = field.take().and_then(|text| Contact::stored(kind, &text).ok());
    *field = contact.map(|contact| match kind {
        OtpType::Email => contact.given().to_owned(),
        OtpType::Sms => contact.normalised().to_owned(),
    });
    let owner = Owner { organization_id: user.organization_id, tenant_id: user.tenant_id, user_id: user.id };
    if let Some(before) = &before {
        changes.push(Write::RemoveContact {
            tenant: owner.tenant_id,
            contact: ContactKey::of(before),
            organization: owner.organization_id,
            user: owner.user_id,
        });
    }
    if let Some(contact) = contact {
        changes.push(insert_contact(owner, contact));
    }
}

pub(super) fn update_contact_keys(intent: &UpdateContact) -> IntentKeys {
    let claims = intent.verification_token.as_deref().and_then(|text| token::peek(text).ok());
    IntentKeys {
        user: Some(intent.user_id),
        token: claims.map(|claims| TokenId(claims.id)),
        ..Default::default()
    }
}

pub(super) fn update_contact(cx: &Context<'_>, intent: &UpdateContact) -> Result<Effect, Refusal> {
    let record = user(cx, intent.user_id)?;
    let target = &cx.caller.target;
    let mut after = record.user.clone();
    let mut changes = ChangeSet::new();
    set_contact(&mut after, intent.kind, intent.contact.as_ref(), &mut changes);
    if let Some(text) = &intent.verification_token {
        let row = issued_token(cx, text, target.id, Some(target.tenant()))?;
        let proves = intent
            .contact
            .as_ref()
            .is_some_and(|contact| row.otp_type == intent.kind && row.contact_key == ContactKey::of(contact));
        if !proves {
            return Err(Refusal::TokenContactMismatch);
        }
        changes.push(Write::VerifyContact {
            tenant: after.tenant_id,
            contact: row.contact_key,
            organization: after.organization_id,
            user: after.id,
        });
    }
    let root = target.parent_id.is_some() && target.quorum.user_ids.contains(&after.id);
    let durable = record.credentials.iter().any(is_way_in);
    if root && !durable && after.email.is_none() && after.phone.is_none() {
        return Err(Refusal::MissingCredential(after.id.to_string()));
    }
    changes.push(Write::UpdateUser(Box::new(after)));
    Ok(Effect { result: result! { "userId": intent.user_id.to_string() }, changes })
}

pub(super) fn delete_keys() -> IntentKeys {
    IntentKeys { users: true, proxy_config: true, ..Default::default() }
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteUsers) -> Result<Effect, Refusal> {
    let target = &cx.caller.target;
    let organization = target.id;
    let quorum = &target.quorum;
    let left = quorum.user_ids.iter().filter(|id| !intent.ids.contains(id)).count();
    if left < quorum.threshold as usize {
        return Err(Refusal::QuorumTooSmall);
    }
    // The auth proxy would be left without its user, and could not even be disabled.
    if cx.facts.proxy_config.as_ref().is_some_and(|config| intent.ids.contains(&config.user_id)) {
        return Err(Refusal::InvalidField("userIds names the user of the auth proxy, which goes with it"));
    }
    let mut changes = ChangeSet::new();
    let mut after = target.clone();
    after.quorum.user_ids.retain(|id| !intent.ids.contains(id));
    changes.push(Write::UpdateOrganization(Box::new(after)));
    let mut ids: Vec<Value> = Vec::with_capacity(intent.ids.len());
    for id in &intent.ids {
        if !cx.facts.users.iter().any(|record| record.user.id == *id) {
            return Err(Refusal::NotFound { kind: "user", id: id.to_string(), organization });
        }
        changes.push(Write::DeleteUser { organization, user: *id });
        ids.push(id.to_string().into());
    }
    Ok(Effect { result: result! { "userIds": ids }, changes })
}
