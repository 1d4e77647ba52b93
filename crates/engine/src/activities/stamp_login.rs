//! STAMP_LOGIN: whoever can stamp gets a session (protocol 02 section 2).

use vestibule_wire::{Contact, OtpType, Refusal, SessionRequest, StampLogin};

use super::session::grant;
use super::{Context, Effect, result};
use crate::caller::Via;
use crate::model::{Authentication, ContactKey, Owner, User};
use crate::store::{ChangeSet, Write};

pub(super) fn decide(cx: &Context<'_>, intent: &StampLogin) -> Result<Effect, Refusal> {
    let user = &cx.caller.record.user;
    let key =
        intent.session.public_key.as_ref().ok_or_else(|| Refusal::MissingField("publicKey".to_owned()))?;
    let key = cx.public_key(key)?;
    let owner = Owner { organization_id: user.organization_id, tenant_id: user.tenant_id, user_id: user.id };
    let mut changes = ChangeSet::new();
    if matches!(cx.caller.via, Via::ApiKey | Via::Passkey) {
        reset_failures(user, &mut changes);
    }
    let request = SessionRequest { session_profile_id: profile(cx, intent)?, ..intent.session.clone() };
    let session = grant(cx, &owner, &request, &key, authentication(cx), &mut changes)?;
    Ok(Effect { result: result! { "session": session }, changes })
}

/// The profile of the new session. A session under a profile hands it on: asking for none, or for another, would shed it.
fn profile(cx: &Context<'_>, intent: &StampLogin) -> Result<Option<String>, Refusal> {
    let asked = intent.session.session_profile_id.clone();
    let own = cx.caller.credential.as_ref().and_then(|credential| credential.session_profile_id);
    match (own.map(|id| id.to_string()), asked) {
        (None, asked) => Ok(asked),
        (Some(own), None) => Ok(Some(own)),
        (Some(own), Some(asked)) if own.eq_ignore_ascii_case(&asked) => Ok(Some(own)),
        (Some(_), Some(_)) => Err(Refusal::NotAuthorized),
    }
}

/// A session key that asks for another one, or for more time, hands on how its user authenticated.
pub(super) fn authentication(cx: &Context<'_>) -> Authentication {
    let stamped = cx.caller.credential.as_ref();
    let inherited = stamped.and_then(|credential| credential.authentication.clone());
    let at = match cx.caller.via {
        Via::Attested { at, .. } => at,
        Via::ApiKey | Via::Passkey | Via::Session | Via::Proxy => cx.facts.now,
    };
    inherited.unwrap_or_else(|| Authentication { at, method: cx.caller.method().kind })
}

/// Another credential of the user ends the failures counted against its contacts (NIST SP 800-63B).
fn reset_failures(user: &User, changes: &mut ChangeSet) {
    let email = user.email.as_deref().and_then(|text| Contact::stored(OtpType::Email, text).ok());
    let phone = user.phone.as_deref().and_then(|text| Contact::stored(OtpType::Sms, text).ok());
    for contact in email.iter().chain(&phone) {
        changes.push(Write::ClearOwnFailures {
            tenant: user.tenant_id,
            contact: ContactKey::of(contact),
            organization: user.organization_id,
            user: user.id,
        });
    }
}
