//! What the activities on policies, session profiles and tags share. `facts.definitions` holds all of the kind.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use vestibule_policy::language::{Condition, PolicyError};
use vestibule_wire::Refusal;
use vestibule_wire::{Expression, Labelled};

use super::Context;
use crate::model::{Definition, DefinitionKind, body};
use crate::store::Write;

/// A new definition, whose name must be free.
pub(super) fn define<T: Serialize>(
    cx: &Context<'_>,
    kind: DefinitionKind,
    id: Uuid,
    name: &str,
    says: &T,
    label: Labelled,
) -> Result<Write, Refusal> {
    if cx.facts.definitions.iter().any(|d| d.name == name) {
        return Err(Refusal::LabelTaken(label));
    }
    Ok(Write::PutDefinition(Box::new(Definition {
        organization_id: cx.caller.target.id,
        kind,
        id,
        name: name.to_owned(),
        body: body(says),
        created_at: cx.facts.now,
        updated_at: cx.facts.now,
    })))
}

/// A definition changed, and named anew where a name is given.
pub(super) fn redefine<T: Serialize + DeserializeOwned>(
    cx: &Context<'_>,
    what: &'static str,
    id: Uuid,
    name: Option<&str>,
    label: Labelled,
    change: impl FnOnce(T) -> Result<T, Refusal>,
) -> Result<Write, Refusal> {
    let before = find(cx, what, id)?;
    if let Some(name) = name
        && cx.facts.definitions.iter().any(|d| d.name == name && d.id != id)
    {
        return Err(Refusal::LabelTaken(label));
    }
    let says = before.read().ok_or_else(|| Refusal::Internal(id.to_string()))?;
    Ok(Write::PutDefinition(Box::new(Definition {
        name: name.unwrap_or(&before.name).to_owned(),
        body: body(&change(says)?),
        updated_at: cx.facts.now,
        ..before.clone()
    })))
}

/// Removes a definition that is there.
pub(super) fn undefine(
    cx: &Context<'_>,
    kind: DefinitionKind,
    what: &'static str,
    id: Uuid,
) -> Result<Write, Refusal> {
    let found = find(cx, what, id)?;
    Ok(Write::DeleteDefinition { organization: found.organization_id, kind, id })
}

fn find<'a>(cx: &Context<'a>, what: &'static str, id: Uuid) -> Result<&'a Definition, Refusal> {
    let organization = cx.caller.target.id;
    let found = cx.facts.definitions.iter().find(|d| d.id == id);
    found.ok_or_else(|| Refusal::NotFound { kind: what, id: id.to_string(), organization })
}

/// Checks a condition over the activity.
pub(super) fn check_condition(text: &str, expression: Expression) -> Result<(), Refusal> {
    Condition::compile(text).map(|_| ()).map_err(|error| invalid(expression, &error))
}

/// What is wrong with an expression, and where.
pub(super) fn invalid(expression: Expression, error: &PolicyError) -> Refusal {
    Refusal::InvalidExpression { expression, problem: error.to_string() }
}
