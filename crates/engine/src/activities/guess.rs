//! A guess at a code: the one place that judges it (protocol 02 section 2, G-OTP-4, G-OTP-7, G-OTP-8, D-14).

use vestibule_crypto::bundle::open_otp_bundle;
use vestibule_crypto::otp_code::normalise;
use vestibule_crypto::p256::{AgreementKey, PublicKey};
use vestibule_wire::{Guess, OtpFlavour, OtpId, Refusal};

use super::init_otp::target_place;
use super::{Context, Decision};
use crate::limits;
use crate::model::Otp;
use crate::store::{ChangeSet, Write};

/// A right guess.
pub(super) struct Proof<'a> {
    /// The attempt it settles.
    pub(super) otp: &'a Otp,
    /// The client's key inside an encrypted bundle.
    pub(super) bundled_key: Option<PublicKey>,
}

/// Judges a guess. Whatever is wrong with it, the answer is the same; only a guess at a live attempt of its own flow
/// costs a try, and the same bytes cost it once.
pub(super) fn judge<'a>(
    cx: &Context<'a>,
    id: Option<OtpId>,
    guess: &Guess,
    flavour: OtpFlavour,
) -> Result<Proof<'a>, Decision> {
    let facts = cx.facts;
    let refused = || Decision::Refuse(Refusal::InvalidOtpCode, ChangeSet::new());
    let live = |otp: &&Otp| {
        Some(otp.id) == id
            && otp.flavour == flavour
            && otp.consumed_at.is_none()
            && otp.attempts_left > 0
            && otp.expires_at > facts.now
    };
    let otp = facts.otp.as_ref().filter(live).ok_or_else(refused)?;
    if facts.refused_guess {
        return Err(refused());
    }
    match examine(cx, otp, guess) {
        Some(bundled_key) => Ok(Proof { otp, bundled_key }),
        None => Err(Decision::Refuse(Refusal::InvalidOtpCode, spend(cx, otp))),
    }
}

/// `None` for a wrong guess; else the key that came with it, if any.
#[allow(clippy::option_option)]
fn examine(cx: &Context<'_>, otp: &Otp, guess: &Guess) -> Option<Option<PublicKey>> {
    let right = |code: &str| {
        let key = cx.keys.code_key_by_id(&otp.code_key_id)?;
        key.matches(otp.id.as_bytes(), &normalise(code), &otp.code_hash).then_some(())
    };
    match guess {
        Guess::Clear { code, public_key: _ } => right(code).map(|()| None),
        Guess::Encrypted(text) => {
            let bundle = open_otp_bundle(&target_key(cx, otp)?, text).ok()?;
            right(bundle.otp_code.expose()).map(|()| Some(bundle.public_key))
        }
    }
}

fn target_key(cx: &Context<'_>, otp: &Otp) -> Option<AgreementKey> {
    let pair = cx.keys.open(&target_place(otp.id), otp.target_key.as_deref()?).ok()?;
    let (secret, public) = pair.split_first_chunk::<32>()?;
    AgreementKey::from_parts(secret, &PublicKey::from_sec1(public).ok()?).ok()
}

fn spend(cx: &Context<'_>, otp: &Otp) -> ChangeSet {
    let mut changes = ChangeSet::new();
    changes.push(Write::CountFailure {
        tenant: otp.tenant_id,
        contact: otp.contact_key,
        locked: (otp.attempts_left == 1).then_some(otp.id),
    });
    changes.push(Write::SpendAttempt {
        organization: otp.organization_id,
        otp: otp.id,
        attempts_left: otp.attempts_left,
    });
    changes.push(Write::RememberRefusedGuess {
        organization: otp.organization_id,
        fingerprint: cx.fingerprint,
        otp: otp.id,
        expires_at: otp.expires_at,
    });
    changes.writes.extend(limits::wrong_guess(cx.settings, otp));
    changes
}

/// What a right guess changes: the attempt is consumed, the contact's failures are forgotten, the identifier is known.
pub(super) fn settle(cx: &Context<'_>, otp: &Otp) -> ChangeSet {
    let mut changes = ChangeSet::new();
    changes.push(Write::ClearFailures { tenant: otp.tenant_id, contact: otp.contact_key, otp: Some(otp.id) });
    if let Some(identifier) = otp.identifier_key {
        changes.push(Write::TrustIdentifier { tenant: otp.tenant_id, contact: otp.contact_key, identifier });
    }
    changes.push(Write::ConsumeOtp { organization: otp.organization_id, otp: otp.id });
    changes.writes.extend(limits::settled(cx.settings, otp));
    changes
}
