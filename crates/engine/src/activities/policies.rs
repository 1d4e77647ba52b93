//! CREATE_POLICY, CREATE_POLICIES, UPDATE_POLICY, DELETE_POLICY and DELETE_POLICIES (protocol 02 section 2c).
//!
//! Expressions are compiled here, so that a policy that is stored is one that can be evaluated.

use serde_json::Value;
use vestibule_policy::judgement::{InvalidPolicy, Policy};
use vestibule_wire::{Counted, Expression, Labelled};
use vestibule_wire::{CreatePolicies, DeletePolicies, PolicyId, Refusal, UpdatePolicy};

use super::credentials::hold_organization;
use super::definitions::{define, invalid, redefine, undefine};
use super::{Context, Effect, result};
use crate::limits;
use crate::model::{DefinitionKind, PolicyBody};
use crate::store::{ChangeSet, IntentKeys};

pub(super) fn keys() -> IntentKeys {
    IntentKeys { definitions: vec![DefinitionKind::Policy], ..Default::default() }
}

pub(super) fn create(cx: &Context<'_>, intent: &CreatePolicies) -> Result<Effect, Refusal> {
    if cx.facts.definitions.len() + intent.policies.len() > limits::POLICIES {
        return Err(Refusal::TooMany(Counted::Policies));
    }
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    let mut ids: Vec<Value> = Vec::with_capacity(intent.policies.len());
    for (index, policy) in intent.policies.iter().enumerate() {
        let says = PolicyBody {
            effect: policy.effect,
            condition: policy.condition.clone().unwrap_or_default(),
            consensus: policy.consensus.clone().unwrap_or_default(),
            time: policy.time.clone(),
            notes: policy.notes.clone(),
        };
        check(&says)?;
        if intent.policies[..index].iter().any(|other| other.name == policy.name) {
            return Err(Refusal::LabelTaken(Labelled::Policy));
        }
        let id = PolicyId(cx.id());
        changes.push(define(cx, DefinitionKind::Policy, id.0, &policy.name, &says, Labelled::Policy)?);
        ids.push(id.to_string().into());
    }
    let result = match ids.pop() {
        Some(id) if intent.single => result! { "policyId": id },
        last => {
            ids.extend(last);
            result! { "policyIds": ids }
        }
    };
    Ok(Effect { result, changes })
}

pub(super) fn update(cx: &Context<'_>, intent: &UpdatePolicy) -> Result<Effect, Refusal> {
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    let name = intent.name.as_deref();
    changes.push(redefine(cx, "policy", intent.id.0, name, Labelled::Policy, |mut says: PolicyBody| {
        if let Some(effect) = intent.effect {
            says.effect = effect;
        }
        for (given, kept) in [
            (&intent.condition, &mut says.condition),
            (&intent.consensus, &mut says.consensus),
            (&intent.notes, &mut says.notes),
        ] {
            if let Some(given) = given {
                kept.clone_from(given);
            }
        }
        if intent.time.is_some() {
            says.time.clone_from(&intent.time);
        }
        check(&says)?;
        Ok(says)
    })?);
    Ok(Effect { result: result! { "policyId": intent.id.to_string() }, changes })
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeletePolicies) -> Result<Effect, Refusal> {
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    for id in &intent.ids {
        changes.push(undefine(cx, DefinitionKind::Policy, "policy", id.0)?);
    }
    let ids: Vec<Value> = intent.ids.iter().map(|id| id.to_string().into()).collect();
    let result = match ids.first() {
        Some(id) if intent.single => result! { "policyId": id.clone() },
        _ => result! { "policyIds": ids },
    };
    Ok(Effect { result, changes })
}

/// Refuses expressions that could not be evaluated, and a policy that neither names an activity nor approvers.
fn check(says: &PolicyBody) -> Result<(), Refusal> {
    let PolicyBody { effect, condition, consensus, time, notes: _ } = says;
    if condition.trim().is_empty() && consensus.trim().is_empty() {
        return Err(Refusal::InvalidField("a policy needs a condition or a consensus"));
    }
    let nil = PolicyId(uuid::Uuid::nil());
    match Policy::compile(nil, String::new(), *effect, condition, consensus, time.as_deref()) {
        Ok(_) => Ok(()),
        Err(InvalidPolicy::Condition(error)) => Err(invalid(Expression::PolicyCondition, &error)),
        Err(InvalidPolicy::Consensus(error)) => Err(invalid(Expression::PolicyConsensus, &error)),
        Err(InvalidPolicy::Time(error)) => Err(invalid(Expression::PolicyTime, &error)),
    }
}
