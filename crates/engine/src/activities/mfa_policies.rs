//! CREATE_MFA_POLICY, UPDATE_MFA_POLICY and DELETE_MFA_POLICY (protocol 02 sections 2c and 5).

use vestibule_wire::{Counted, Expression, Labelled};
use vestibule_wire::{
    DeleteMfaPolicy, MfaPolicyId, NewMfaPolicy, Refusal, RequiredAuthenticationMethod, UpdateMfaPolicy,
};

use super::credentials::user;
use super::definitions::check_condition;
use super::{Context, Effect, result};
use crate::limits;
use crate::model::{MfaPolicy, User};
use crate::store::{ChangeSet, Write};

pub(super) fn create(cx: &Context<'_>, intent: &NewMfaPolicy) -> Result<Effect, Refusal> {
    let mut after = user(cx, intent.user_id)?.user.clone();
    if after.mfa_policies.len() >= limits::MFA_POLICIES {
        return Err(Refusal::TooMany(Counted::MfaPolicies));
    }
    check_condition(&intent.condition, Expression::MfaCondition)?;
    check_name(&after, &intent.name, None)?;
    check_required(&intent.required)?;
    let id = MfaPolicyId(cx.id());
    after.mfa_policies.push(MfaPolicy {
        id,
        name: intent.name.clone(),
        condition: intent.condition.clone(),
        required: intent.required.clone(),
        order: intent.order,
        notes: intent.notes.clone(),
        created_at: cx.facts.now,
        updated_at: cx.facts.now,
    });
    Ok(done(after, id))
}

pub(super) fn update(cx: &Context<'_>, intent: &UpdateMfaPolicy) -> Result<Effect, Refusal> {
    let mut after = user(cx, intent.user_id)?.user.clone();
    if let Some(condition) = &intent.condition {
        check_condition(condition, Expression::MfaCondition)?;
    }
    if let Some(name) = &intent.name {
        check_name(&after, name, Some(intent.id))?;
    }
    let policy = after.mfa_policies.iter_mut().find(|policy| policy.id == intent.id);
    let policy = policy.ok_or_else(|| missing(cx, intent.id))?;
    for (given, kept) in [(&intent.name, &mut policy.name), (&intent.condition, &mut policy.condition)] {
        if let Some(given) = given {
            kept.clone_from(given);
        }
    }
    if let Some(required) = &intent.required {
        check_required(required)?;
        policy.required.clone_from(required);
    }
    if let Some(order) = intent.order {
        policy.order = order;
    }
    if intent.notes.is_some() {
        policy.notes.clone_from(&intent.notes);
    }
    policy.updated_at = cx.facts.now;
    Ok(done(after, intent.id))
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteMfaPolicy) -> Result<Effect, Refusal> {
    let mut after = user(cx, intent.user_id)?.user.clone();
    let before = after.mfa_policies.len();
    after.mfa_policies.retain(|policy| policy.id != intent.id);
    if after.mfa_policies.len() == before {
        return Err(missing(cx, intent.id));
    }
    Ok(done(after, intent.id))
}

fn check_name(user: &User, name: &str, except: Option<MfaPolicyId>) -> Result<(), Refusal> {
    let taken = user.mfa_policies.iter().any(|policy| policy.name == name && Some(policy.id) != except);
    if taken { Err(Refusal::LabelTaken(Labelled::MfaPolicy)) } else { Ok(()) }
}

/// A user's row is read with each of its requests, and shown with its votes.
fn check_required(required: &[RequiredAuthenticationMethod]) -> Result<(), Refusal> {
    let most = limits::MFA_METHODS;
    if required.len() > most || required.iter().any(|entry| entry.any.iter().len() > most) {
        return Err(Refusal::InvalidField("requiredAuthenticationMethods has more than 10 entries"));
    }
    Ok(())
}

fn missing(cx: &Context<'_>, id: MfaPolicyId) -> Refusal {
    Refusal::NotFound { kind: "mfa policy", id: id.to_string(), organization: cx.caller.target.id }
}

/// Policies are kept in the order in which they are looked at; among equals the older one comes first.
fn done(mut after: User, id: MfaPolicyId) -> Effect {
    after.mfa_policies.sort_by_key(|policy| (policy.order, policy.id));
    let mut changes = ChangeSet::new();
    changes.push(Write::UpdateUser(Box::new(after)));
    Effect { result: result! { "mfaPolicyId": id.to_string() }, changes }
}
