//! STAMP_LOGIN: whoever can stamp gets a session (protocol 02 section 2).

use vestibule_wire::{Contact, Refusal, StampLogin};

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
    let session = grant(cx, &owner, &intent.session, &key, authentication(cx), &mut changes)?;
    Ok(Effect { result: result! { "session": session }, changes })
}

/// A session key that asks for another one, or for more time, hands on how its user authenticated.
fn authentication(cx: &Context<'_>) -> Authentication {
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
    let email = user.email.as_deref().and_then(|text| Contact::email(text).ok());
    let phone = user.phone.as_deref().and_then(|text| Contact::phone(text).ok());
    for contact in email.iter().chain(&phone) {
        changes.push(Write::ClearOwnFailures {
            tenant: user.tenant_id,
            contact: ContactKey::of(contact),
            organization: user.organization_id,
            user: user.id,
        });
    }
}
