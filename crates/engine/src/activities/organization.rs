//! UPDATE_ORGANIZATION_NAME, UPDATE_ROOT_QUORUM and DELETE_SUB_ORGANIZATION (protocol 02 section 2b).

use vestibule_wire::view::Quorum;
use vestibule_wire::{Refusal, UpdateOrganizationName, UpdateRootQuorum};

use super::{Context, Effect, result};
use crate::store::{ChangeSet, IntentKeys, Write};

pub(super) fn rename(cx: &Context<'_>, intent: &UpdateOrganizationName) -> Effect {
    let mut after = cx.caller.target.clone();
    after.name.clone_from(&intent.name);
    let result = result! { "organizationId": after.id.to_string(), "organizationName": after.name.clone() };
    let mut changes = ChangeSet::new();
    changes.push(Write::UpdateOrganization(Box::new(after)));
    Effect { result, changes }
}

pub(super) fn quorum_keys() -> IntentKeys {
    IntentKeys { users: true, ..Default::default() }
}

pub(super) fn quorum(cx: &Context<'_>, intent: &UpdateRootQuorum) -> Result<Effect, Refusal> {
    let mut after = cx.caller.target.clone();
    let organization = after.id;
    for id in &intent.user_ids {
        if !cx.facts.users.iter().any(|record| record.user.id == *id) {
            return Err(Refusal::NotFound { kind: "user", id: id.to_string(), organization });
        }
    }
    after.quorum = Quorum { threshold: intent.threshold, user_ids: intent.user_ids.clone() };
    let mut changes = ChangeSet::new();
    changes.push(Write::UpdateOrganization(Box::new(after)));
    Ok(Effect { result: result! {}, changes })
}

/// All that is in it goes; the activities stay until they are purged.
pub(super) fn delete(cx: &Context<'_>) -> Result<Effect, Refusal> {
    let target = &cx.caller.target;
    if target.parent_id.is_none() {
        return Err(Refusal::NotAuthorized);
    }
    let mut changes = ChangeSet::new();
    changes.push(Write::DeleteOrganization { organization: target.id, version: target.version });
    Ok(Effect { result: result! { "subOrganizationUuid": target.id.to_string() }, changes })
}
