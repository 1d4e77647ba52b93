//! CREATE_USER_TAG, UPDATE_USER_TAG and DELETE_USER_TAGS (protocol 02 section 2b). A tag is a name; users carry its id.

use serde_json::Value;
use vestibule_wire::{Counted, Labelled};
use vestibule_wire::{CreateUserTag, DeleteUserTags, Refusal, TagId, UpdateUserTag, UserId};

use super::credentials::hold_organization;
use super::definitions::{define, redefine, undefine};
use super::{Context, Effect, result};
use crate::limits;
use crate::model::{DefinitionKind, User, UserTagBody};
use crate::store::{ChangeSet, IntentKeys, Write};

pub(super) fn keys() -> IntentKeys {
    IntentKeys { users: true, definitions: vec![DefinitionKind::UserTag], ..Default::default() }
}

pub(super) fn create(cx: &Context<'_>, intent: &CreateUserTag) -> Result<Effect, Refusal> {
    let target = &cx.caller.target;
    let most = if target.parent_id.is_some() { limits::TAGS_OF_SUB_ORGANIZATION } else { limits::TAGS };
    if cx.facts.definitions.len() >= most {
        return Err(Refusal::TooMany(Counted::Tags));
    }
    let id = TagId(cx.id());
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    changes.push(define(
        cx,
        DefinitionKind::UserTag,
        id.0,
        &intent.name,
        &UserTagBody {},
        Labelled::UserTag,
    )?);
    for user in &intent.user_ids {
        retag(cx, *user, &mut changes, |tags| add(tags, id))?;
    }
    let user_ids: Vec<Value> = intent.user_ids.iter().map(|id| id.to_string().into()).collect();
    Ok(Effect { result: result! { "userTagId": id.to_string(), "userIds": user_ids }, changes })
}

pub(super) fn update(cx: &Context<'_>, intent: &UpdateUserTag) -> Result<Effect, Refusal> {
    let id = intent.id;
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    changes.push(redefine::<UserTagBody>(
        cx,
        "user tag",
        id.0,
        intent.name.as_deref(),
        Labelled::UserTag,
        Ok,
    )?);
    let named: Vec<UserId> = intent.add.iter().chain(&intent.remove).copied().collect();
    let mut done: Vec<UserId> = Vec::new();
    for user in named {
        if done.contains(&user) {
            continue;
        }
        done.push(user);
        let (adds, removes) = (intent.add.contains(&user), intent.remove.contains(&user));
        retag(cx, user, &mut changes, |tags| {
            if adds {
                add(tags, id);
            }
            if removes {
                tags.retain(|tag| *tag != id);
            }
        })?;
    }
    Ok(Effect { result: result! { "userTagId": id.to_string() }, changes })
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteUserTags) -> Result<Effect, Refusal> {
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    for id in &intent.ids {
        changes.push(undefine(cx, DefinitionKind::UserTag, "user tag", id.0)?);
    }
    let mut losers: Vec<Value> = Vec::new();
    for record in &cx.facts.users {
        let user = &record.user;
        if user.tags.iter().any(|tag| intent.ids.contains(tag)) {
            losers.push(user.id.to_string().into());
            retag(cx, user.id, &mut changes, |tags| tags.retain(|tag| !intent.ids.contains(tag)))?;
        }
    }
    let ids: Vec<Value> = intent.ids.iter().map(|id| id.to_string().into()).collect();
    Ok(Effect { result: result! { "userTagIds": ids, "userIds": losers }, changes })
}

fn add(tags: &mut Vec<TagId>, tag: TagId) {
    if !tags.contains(&tag) {
        tags.push(tag);
    }
}

/// Changes the tags of a user, if that makes a difference.
fn retag(
    cx: &Context<'_>,
    id: UserId,
    changes: &mut ChangeSet,
    change: impl FnOnce(&mut Vec<TagId>),
) -> Result<(), Refusal> {
    let organization = cx.caller.target.id;
    let record = cx.facts.users.iter().find(|record| record.user.id == id);
    let before =
        record.ok_or_else(|| Refusal::NotFound { kind: "user", id: id.to_string(), organization })?;
    let mut tags = before.user.tags.clone();
    change(&mut tags);
    if tags != before.user.tags {
        changes.push(Write::UpdateUser(Box::new(User { tags, ..before.user.clone() })));
    }
    Ok(())
}
