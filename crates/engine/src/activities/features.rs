//! SET_ORGANIZATION_FEATURE and REMOVE_ORGANIZATION_FEATURE (protocol 02, section 2b).

use serde_json::Value;
use vestibule_wire::{Feature, FeatureName, Refusal, RemoveOrganizationFeature, SetOrganizationFeature};

use super::{Context, Effect, result};
use crate::model::Organization;
use crate::store::{ChangeSet, Write};

pub(super) fn set(cx: &Context<'_>, intent: &SetOrganizationFeature) -> Result<Effect, Refusal> {
    replace(cx, with(&cx.caller.target.features, &intent.feature))
}

pub(super) fn remove(cx: &Context<'_>, intent: &RemoveOrganizationFeature) -> Result<Effect, Refusal> {
    replace(cx, without(&cx.caller.target.features, intent.name))
}

/// The features with one set or changed.
pub(super) fn with(features: &[Feature], feature: &Feature) -> Vec<Feature> {
    let mut features = features.to_vec();
    match features.iter_mut().find(|f| f.name == feature.name) {
        Some(known) => known.value.clone_from(&feature.value),
        None => features.push(feature.clone()),
    }
    features
}

/// The features without one.
pub(super) fn without(features: &[Feature], name: FeatureName) -> Vec<Feature> {
    features.iter().filter(|f| f.name != name).cloned().collect()
}

/// The write that replaces the target's features.
pub(super) fn write(cx: &Context<'_>, features: Vec<Feature>) -> Write {
    let target = &cx.caller.target;
    Write::UpdateOrganization(Box::new(Organization { features, ..target.clone() }))
}

fn replace(cx: &Context<'_>, features: Vec<Feature>) -> Result<Effect, Refusal> {
    let list: Vec<Value> = features.iter().filter_map(|f| serde_json::to_value(f).ok()).collect();
    let mut changes = ChangeSet::new();
    changes.push(write(cx, features));
    Ok(Effect { result: result! { "features": list }, changes })
}
