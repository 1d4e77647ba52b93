//! CREATE_SESSION_PROFILE (protocol 02 sections 2c and 5, G-SESS-5). Profiles never change.

use vestibule_wire::{Counted, Expression, Labelled};
use vestibule_wire::{CreateSessionProfile, Refusal, SessionProfileId};

use super::credentials::hold_organization;
use super::definitions::{check_condition, define};
use super::session::lifetime;
use super::{Context, Effect, result};
use crate::limits;
use crate::model::{DefinitionKind, SessionProfileBody};
use crate::store::{ChangeSet, IntentKeys};

/// The names of the standard types of sessions, which a profile's name stands beside in the session JWT.
const RESERVED: &str = "SESSION_TYPE_";

pub(super) fn keys() -> IntentKeys {
    IntentKeys { definitions: vec![DefinitionKind::SessionProfile], ..Default::default() }
}

pub(super) fn create(cx: &Context<'_>, intent: &CreateSessionProfile) -> Result<Effect, Refusal> {
    if intent.name.starts_with(RESERVED) {
        return Err(Refusal::InvalidField("sessionProfileName is reserved"));
    }
    if cx.facts.definitions.len() >= limits::SESSION_PROFILES {
        return Err(Refusal::TooMany(Counted::SessionProfiles));
    }
    check_condition(&intent.scope, Expression::SessionScope)?;
    let expiration = intent.expiration.as_ref();
    let says = SessionProfileBody {
        scope: intent.scope.clone(),
        expiration_seconds: expiration.map(|text| lifetime(cx, Some(text), 0)).transpose()?,
        notes: intent.notes.clone(),
    };
    let id = SessionProfileId(cx.id());
    let mut changes = ChangeSet::new();
    changes.push(hold_organization(cx));
    let kind = DefinitionKind::SessionProfile;
    changes.push(define(cx, kind, id.0, &intent.name, &says, Labelled::SessionProfile)?);
    Ok(Effect { result: result! { "sessionProfileId": id.to_string() }, changes })
}
