//! CREATE_READ_ONLY_SESSION: whoever can stamp may ask without stamping for a while (protocol 02 section 2).

use vestibule_wire::Refusal;

use super::session::within_age;
use super::stamp_login::authentication;
use super::{Context, Effect, result};
use crate::read_only::{LIFETIME_S, ReadOnlySession};
use crate::store::ChangeSet;

pub(super) fn decide(cx: &Context<'_>) -> Result<Effect, Refusal> {
    let (home, user) = (&cx.caller.home, &cx.caller.record.user);
    // No longer than any session may last, and than the credential that asks.
    let lifetime_s = within_age(cx, LIFETIME_S.min(cx.settings.max_session_s), authentication(cx).at)?;
    let stamped = cx.caller.credential.as_ref().and_then(|credential| credential.expires_at);
    let expires_at_s =
        (cx.facts.now / 1000 + i64::from(lifetime_s)).min(stamped.map_or(i64::MAX, |at| at / 1000));
    let session = ReadOnlySession { organization: home.id, user: user.id, expires_at: expires_at_s * 1000 };
    let result = result! {
        "organizationId": home.id.to_string(),
        "organizationName": home.name.clone(),
        "userId": user.id.to_string(),
        "username": user.name.clone(),
        "session": session.seal(cx.keys, cx.entropy),
        "sessionExpiry": expires_at_s.to_string(),
    };
    Ok(Effect { result, changes: ChangeSet::new() })
}
