//! EMAIL_AUTH and INIT_USER_EMAIL_RECOVERY: a key that the server makes, sent to its user by e-mail (protocol 02
//! section 2, protocol 05 section 5, G-FEAT-1).

use vestibule_wire::view::CredentialType;
use vestibule_wire::{AuthenticationType, EmailAuth, FeatureName, OtpId, OtpType};

use super::made_keys::{NewKey, make_key};
use super::message::{self, Message};
use super::session::{DEFAULT_LIFETIME_S, lifetime, within_age};
use super::{Context, Decided, Decision, Effect, result};
use crate::limits::{self, Question, Sending};
use crate::model::{Authentication, ContactKey, MessagePurpose, Owner};
use crate::settings::Settings;
use crate::store::{ChangeSet, IntentKeys, Write};

/// How long a mail is worth sending, seconds: nobody waits longer, even for a key that lives longer.
const PATIENCE_S: u32 = 24 * 60 * 60;

pub(super) fn keys(intent: &EmailAuth, settings: &Settings) -> IntentKeys {
    IntentKeys {
        counters: limits::scopes(settings, &intent.email, None),
        ..message::keys(&intent.email, &intent.options)
    }
}

pub(super) fn decide(cx: &Context<'_>, intent: &EmailAuth) -> Result<Decided, Decided> {
    let kind = OtpType::Email;
    message::check_channel(cx, kind, feature(cx, intent), &intent.options)?;
    let target = cx.public_key(&intent.target_public_key)?;
    let lifetime_s = lifetime(cx, intent.expiration.as_ref(), DEFAULT_LIFETIME_S)?;
    let lifetime_s = within_age(cx, lifetime_s, cx.facts.now)?;
    let template_id = message::template(cx, kind, &intent.options)?;
    let user_id = message::only_holder(cx, kind)?.user.id;
    message::check_reachable(cx, kind)?;
    let organization = &cx.caller.target;
    let question = Question {
        settings: cx.settings,
        facts: cx.facts,
        organization,
        contact: &intent.email,
        identifier: None,
        trusted: false,
        visit: &cx.visit,
    };
    let sending =
        limits::mailing(&question).map_err(|refused| Decided::refused(refused.refusal, refused.limited))?;
    let Sending { allowance, counts, hold_ms, withheld, limited, .. } = sending;
    let (kind, name, purpose) = if intent.recovery {
        (CredentialType::RecoverUserKeyP256, "Email Recovery", MessagePurpose::RecoveryBundle)
    } else {
        (CredentialType::EmailAuthKeyP256, "Email Auth", MessagePurpose::SignInBundle)
    };
    let now = cx.facts.now;
    let mut changes = ChangeSet::new();
    changes.push(Write::TakeMail {
        tenant: organization.tenant(),
        contact: ContactKey::of(&intent.email),
        window_ms: allowance.window_ms,
        sends: cx.settings.limits.contact_sends.count,
    });
    let (id, bundle) = make_key(
        cx,
        NewKey {
            owner: Owner { organization_id: organization.id, tenant_id: organization.tenant(), user_id },
            kind,
            name: intent.api_key_name.clone().unwrap_or_else(|| format!("{name} - {now}")),
            lifetime_s,
            invalidate_existing: intent.invalidate_existing,
            target: &target,
            authentication: Authentication { at: now, method: AuthenticationType::EmailOtp },
            session_profile_id: None,
        },
        &mut changes,
    );
    changes.push(message::enqueue(
        cx,
        Message {
            purpose,
            contact: &intent.email,
            secret: &bundle,
            options: &intent.options,
            template_id,
            lifetime_s,
            patience_s: lifetime_s.min(PATIENCE_S),
            otp_id: OtpId(cx.id()),
            hold_ms,
            withheld,
        },
    ));
    changes.writes.extend(counts);
    let mut members = result! { "userId": user_id.to_string() };
    if !intent.recovery {
        members.insert("apiKeyId".to_owned(), id.to_string().into());
    }
    Ok(Decided { decision: Decision::Complete(Effect { result: members, changes }), limited })
}

/// The switch it needs. An organization that has the older switch for its root users has it for these.
fn feature(cx: &Context<'_>, intent: &EmailAuth) -> FeatureName {
    if !intent.recovery {
        return FeatureName::EmailAuth;
    }
    let organization = &cx.caller.target;
    let root = |user| organization.quorum.user_ids.contains(&user);
    let of_root = cx.facts.contact_in_target.iter().all(|holder| root(holder.user.id));
    if of_root && organization.has(FeatureName::RootUserEmailRecovery) {
        FeatureName::RootUserEmailRecovery
    } else {
        FeatureName::EmailRecovery
    }
}
