//! VERIFY_OTP: a right code becomes a verification token (protocol 02 section 2, protocol 05 section 8).

use vestibule_crypto::entropy::uuid_v7;
use vestibule_crypto::token::{self, LegacyVerificationToken, VerificationToken};
use vestibule_wire::{Guess, OtpFlavour, TokenId, VerifyOtp};

use super::{Context, Decision, Effect, guess, result};
use crate::model::Token;
use crate::store::Write;

pub(super) fn decide(cx: &Context<'_>, intent: &VerifyOtp) -> Decision {
    let (flavour, clear_key) = match &intent.guess {
        Guess::Clear { public_key, .. } => (OtpFlavour::Legacy, public_key.as_deref()),
        Guess::Encrypted(_) => (OtpFlavour::Encrypted, None),
    };
    // A malformed key is the caller's mistake, told before the guess is looked at.
    let clear_key = match clear_key.map(|key| cx.public_key(key)).transpose() {
        Ok(key) => key,
        Err(refusal) => return Err(refusal).into(),
    };
    let proof = match guess::judge(cx, intent.otp_id, &intent.guess, flavour) {
        Ok(proof) => proof,
        Err(decision) => return decision,
    };
    let otp = proof.otp;
    let id = uuid_v7(cx.entropy, cx.facts.now);
    let expires_at = cx.facts.now + i64::from(intent.token_lifetime_s) * 1000;
    let public_key = proof.bundled_key.or(clear_key).map(|key| key.to_hex());
    let text = match (flavour, &public_key) {
        (OtpFlavour::Encrypted, Some(public_key)) => VerificationToken {
            id,
            contact: otp.contact.clone(),
            verification_type: otp.otp_type,
            organization_id: otp.organization_id.0,
            public_key: public_key.clone(),
            expires_at_ms: expires_at,
        }
        .issue(cx.keys.bundle_signer(cx.facts.now)),
        _ => LegacyVerificationToken {
            id,
            contact: otp.contact.clone(),
            verification_type: otp.otp_type,
            public_key: public_key.clone(),
            expires_at_ms: expires_at,
        }
        .issue(cx.keys.legacy_token_signer(cx.facts.now)),
    };
    let mut changes = guess::settle(cx, otp);
    changes.push(Write::InsertToken(Box::new(Token {
        tenant_id: otp.tenant_id,
        id: TokenId(id),
        organization_id: otp.organization_id,
        hash: token::hash(&text),
        legacy: flavour != OtpFlavour::Encrypted,
        otp_type: otp.otp_type,
        contact: otp.contact.clone(),
        contact_key: otp.contact_key,
        public_key,
        expires_at,
        signed_up_at: None,
    })));
    Decision::Complete(Effect { result: result! { "verificationToken": text }, changes })
}
