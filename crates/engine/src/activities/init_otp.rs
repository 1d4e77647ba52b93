//! INIT_OTP and INIT_OTP_AUTH: sends a code (protocol 02 section 2, D-3).

use vestibule_crypto::bundle::target_bundle;
use vestibule_crypto::otp_code;
use vestibule_crypto::p256::AgreementKey;
use vestibule_crypto::seal::place;
use vestibule_crypto::secret::Secret;
use vestibule_wire::{FeatureName, InitOtp, OrganizationId, OtpFlavour, OtpId, OtpType};

use super::message::{self, Message};
use super::{Context, Decided, Decision, Effect, result};
use crate::limits::{self, Question, Sending};
use crate::model::{ContactKey, IdentifierKey, MessagePurpose, Otp};
use crate::settings::Settings;
use crate::store::{ChangeSet, ContactHolder, IntentKeys, TakeSend, Write};

pub(super) fn keys(intent: &InitOtp, organization: OrganizationId, settings: &Settings) -> IntentKeys {
    let contact = ContactKey::of(&intent.contact);
    let identifier = intent.user_identifier.as_deref().map(|id| IdentifierKey::of(organization, id));
    IntentKeys {
        identifier: identifier.map(|identifier| (contact, identifier)),
        // Whether somebody of the tenant has proved the number, for the guard against pumping.
        verified_contact: (intent.contact.kind() == OtpType::Sms).then_some(contact),
        counters: limits::scopes(settings, &intent.contact, identifier),
        ..message::keys(&intent.contact, &intent.options)
    }
}

pub(super) fn decide(cx: &Context<'_>, intent: &InitOtp) -> Result<Decided, Decided> {
    let facts = cx.facts;
    let organization = &cx.caller.target;
    let kind = intent.contact.kind();
    let feature = match kind {
        OtpType::Email => FeatureName::OtpEmailAuth,
        OtpType::Sms => FeatureName::SmsAuth,
    };
    message::check_channel(cx, kind, feature, &intent.options)?;
    let template_id = message::template(cx, kind, &intent.options)?;
    let user_id = match intent.flavour {
        OtpFlavour::Legacy | OtpFlavour::Encrypted => None,
        OtpFlavour::Auth => Some(message::only_holder(cx, kind)?.user.id),
    };
    message::check_reachable(cx, kind)?;
    let contact = ContactKey::of(&intent.contact);
    let trusted = facts.trusted_identifier || presents_own_key(cx);
    let identifier = intent.user_identifier.as_deref().map(|id| IdentifierKey::of(organization.id, id));
    let question = Question {
        settings: cx.settings,
        facts,
        organization,
        contact: &intent.contact,
        identifier,
        trusted,
        visit: &cx.visit,
    };
    let sending =
        limits::sending(&question).map_err(|refused| Decided::refused(refused.refusal, refused.limited))?;
    let Sending { allowance, identifier_window_ms, counts, hold_ms, withheld, limited, .. } = sending;

    let id = OtpId(cx.id());
    let lifetime_ms = i64::from(intent.lifetime_s) * 1000;
    let sandbox = cx.settings.sandbox && is_sandbox(intent);
    let code = if sandbox {
        Secret::new("000000".to_owned())
    } else {
        otp_code::generate(cx.entropy, intent.alphanumeric, intent.length)
    };
    let target = (intent.flavour == OtpFlavour::Encrypted).then(|| AgreementKey::generate(cx.entropy));

    let table = &cx.settings.limits;
    let mut changes = ChangeSet::new();
    changes.push(Write::TakeSend(TakeSend {
        tenant: organization.tenant(),
        contact,
        otp: id,
        lifetime_ms,
        slot: allowance.slot,
        replaces: allowance.replaces,
        reserved: allowance.reserved,
        window_ms: allowance.window_ms,
        sends: table.contact_sends.count,
        seen_failures: facts.contact_limits.failures,
    }));
    if let (Some(identifier), Some(window_ms)) = (identifier, identifier_window_ms) {
        changes.push(Write::TakeIdentifierSend {
            tenant: organization.tenant(),
            identifier,
            window_ms,
            sends: table.identifier_sends.count,
        });
    }
    if let Some(otp) = allowance.replaces {
        changes.push(Write::RetireOtp { otp, tenant: organization.tenant() });
    }
    let code_key = cx.keys.code_key(facts.now);
    changes.push(Write::InsertOtp(Box::new(Otp {
        organization_id: organization.id,
        tenant_id: organization.tenant(),
        id,
        flavour: intent.flavour,
        otp_type: intent.contact.kind(),
        contact: intent.contact.given().to_owned(),
        contact_key: contact,
        identifier_key: identifier,
        code_key_id: code_key.id().to_owned(),
        code_hash: code_key.hash(id.as_bytes(), code.expose()),
        user_id,
        target_key: target.as_ref().map(|key| seal_target(cx, id, key)),
        attempts_left: limits::GUESSES,
        expires_at: facts.now + lifetime_ms,
        consumed_at: None,
        created_at: facts.now,
    })));
    if !sandbox {
        changes.push(message::enqueue(
            cx,
            Message {
                purpose: MessagePurpose::Code,
                contact: &intent.contact,
                secret: code.expose(),
                options: &intent.options,
                template_id,
                lifetime_s: intent.lifetime_s,
                patience_s: intent.lifetime_s,
                otp_id: id,
                hold_ms,
                withheld,
            },
        ));
        changes.writes.extend(counts);
    }

    let mut members = result! { "otpId": id.to_string() };
    if let Some(key) = &target {
        let bundle = target_bundle(
            cx.keys.bundle_signer(facts.now),
            key.public_key(),
            &organization.id.to_string(),
            &id.to_string(),
        );
        members.insert("otpEncryptionTargetBundle".to_owned(), bundle.into());
    }
    Ok(Decided { decision: Decision::Complete(Effect { result: members, changes }), limited })
}

/// Whether the caller has proved the contact before and stamps with a key of its own: it may use the reserve of sends.
/// A contact that was only claimed at sign-up gives no such right.
fn presents_own_key(cx: &Context<'_>) -> bool {
    let caller = cx.caller;
    let own = |h: &ContactHolder| h.verified && h.user.id == caller.record.user.id;
    caller.at_home() && cx.facts.contact_in_target.iter().any(own)
}

/// The hosted service's sandbox (protocol 02 section 2, G-OTP-3).
fn is_sandbox(intent: &InitOtp) -> bool {
    let contact = match intent.contact.kind() {
        OtpType::Email => "user@example.com",
        OtpType::Sms => "+19999999999",
    };
    intent.contact.normalised() == contact && !intent.alphanumeric && intent.length == 6
}

/// Where the target key of an attempt is sealed to.
pub(crate) fn target_place(id: OtpId) -> Vec<u8> {
    place("otps", "target_key", id.as_bytes())
}

fn seal_target(cx: &Context<'_>, id: OtpId, key: &AgreementKey) -> Vec<u8> {
    // The public half beside the secret spares a scalar multiplication when the bundle comes back.
    let mut pair = key.secret_bytes().to_vec();
    pair.extend_from_slice(key.public_key().uncompressed());
    let sealed = cx.keys.sealing_key().seal(cx.entropy, &target_place(id), &pair);
    zeroize::Zeroize::zeroize(&mut pair);
    sealed
}
