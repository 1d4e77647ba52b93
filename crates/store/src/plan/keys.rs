//! Writes to the key table, and to whatever is sealed.

use vestibule_crypto::keyset::KeyState;
use vestibule_engine::model::Millis;
use vestibule_engine::store::{KeyWrite, NewServerKey, Reseal, SealedPlace, SealedRow};

use super::{Step, any, one, params};
use crate::statements::Statement as S;

/// The name of a write.
pub(super) fn name(write: &KeyWrite) -> &'static str {
    match write {
        KeyWrite::Insert(_) => "ServerKey::Insert",
        KeyWrite::SetState { .. } => "ServerKey::SetState",
        KeyWrite::RelyOn { .. } => "ServerKey::RelyOn",
        KeyWrite::Reseal { .. } => "ServerKey::Reseal",
        KeyWrite::Delete { .. } => "ServerKey::Delete",
    }
}

pub(super) fn step(write: &KeyWrite, now: Millis) -> Step<'_> {
    match write {
        KeyWrite::Insert(key) => insert(key, now),
        KeyWrite::SetState { id, state, version } => {
            one(S::SetServerKeyState, params![state.as_str(), now, id, *version])
        }
        KeyWrite::RelyOn { id, version } => {
            one(S::RelyOnServerKey, params![KeyState::Active.as_str(), now, id, *version])
        }
        KeyWrite::Reseal { id, sealed, version } => {
            one(S::ResealServerKey, params![sealed, now, id, *version])
        }
        KeyWrite::Delete { id, version } => one(S::DeleteServerKey, params![id, *version]),
    }
}

fn insert(key: &NewServerKey, now: Millis) -> Step<'_> {
    let NewServerKey { id, role, state, activates_in_ms, sealed } = key;
    let activates_at = activates_in_ms.map_or(0, |wait| now.saturating_add(wait));
    one(S::InsertServerKey, params![id, role.as_str(), state.as_str(), activates_at, sealed, now, now, 0_i64])
}

pub(super) fn reseal(reseal: &Reseal) -> Step<'_> {
    let Reseal { place, row: SealedRow(first, second), was, becomes } = reseal;
    let statement = match place {
        SealedPlace::OtpTarget => S::ResealOtpTarget,
        SealedPlace::ActivitySecrets => S::ResealActivitySecrets,
        SealedPlace::Message => S::ResealMessage,
        SealedPlace::ProxyKey => S::ResealProxyKey,
    };
    any(statement, params![becomes, first.as_bytes(), second.as_bytes(), was])
}

/// The walk over a kind of place: `$1` and `$2` the row it goes on behind, `$3` how many rows.
pub fn walk(place: SealedPlace) -> S {
    match place {
        SealedPlace::OtpTarget => S::WalkOtpTargets,
        SealedPlace::ActivitySecrets => S::WalkActivitySecrets,
        SealedPlace::Message => S::WalkMessages,
        SealedPlace::ProxyKey => S::WalkProxyKeys,
    }
}
