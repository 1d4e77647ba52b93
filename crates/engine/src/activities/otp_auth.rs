//! OTP_AUTH: a right code becomes an API key that the server makes (protocol 02 section 2, protocol 05 section 5).

use vestibule_wire::view::CredentialType;
use vestibule_wire::{AuthenticationType, OtpAuth, OtpFlavour, OtpType, Refusal};

use super::made_keys::{NewKey, make_key};
use super::session::{DEFAULT_LIFETIME_S, lifetime, within_age};
use super::{Context, Decision, Effect, guess, result};
use crate::model::{Authentication, Owner};
use crate::store::Write;

pub(super) fn decide(cx: &Context<'_>, intent: &OtpAuth) -> Decision {
    // What is wrong with the request itself is told before the guess is looked at.
    let checked =
        intent.target_public_key.as_deref().map(|key| cx.public_key(key)).transpose().and_then(|target| {
            let lifetime_s = lifetime(cx, intent.expiration.as_ref(), DEFAULT_LIFETIME_S)?;
            Ok((target, within_age(cx, lifetime_s, cx.facts.now)?))
        });
    let (target, lifetime_s) = match checked {
        Ok(checked) => checked,
        Err(refusal) => return Err(refusal).into(),
    };
    let proof = match guess::judge(cx, intent.otp_id, &intent.guess, OtpFlavour::Auth) {
        Ok(proof) => proof,
        Err(decision) => return decision,
    };
    let otp = proof.otp;
    let Some(user_id) = otp.user_id else { return Err(Refusal::InvalidOtpCode).into() };
    let mut changes = guess::settle(cx, otp);
    changes.push(Write::VerifyContact {
        tenant: otp.tenant_id,
        contact: otp.contact_key,
        organization: otp.organization_id,
        user: user_id,
    });
    let mut members = result! { "userId": user_id.to_string() };
    if let Some(target) = target {
        let now = cx.facts.now;
        let method = match otp.otp_type {
            OtpType::Email => AuthenticationType::EmailOtp,
            OtpType::Sms => AuthenticationType::SmsOtp,
        };
        let new = NewKey {
            owner: Owner { organization_id: otp.organization_id, tenant_id: otp.tenant_id, user_id },
            kind: CredentialType::OtpAuthKeyP256,
            name: intent.api_key_name.clone().unwrap_or_else(|| format!("OTP Auth - {now}")),
            lifetime_s,
            invalidate_existing: intent.invalidate_existing,
            target: &target,
            authentication: Authentication { at: now, method },
            session_profile_id: None,
        };
        let (id, bundle) = make_key(cx, new, &mut changes);
        members.insert("apiKeyId".to_owned(), id.to_string().into());
        members.insert("credentialBundle".to_owned(), bundle.into());
    }
    Decision::Complete(Effect { result: members, changes })
}
