//! INIT_OTP and INIT_OTP_AUTH: sends a code (protocol 02 section 2, D-3).

use vestibule_crypto::bundle::target_bundle;
use vestibule_crypto::otp_code;
use vestibule_crypto::p256::AgreementKey;
use vestibule_crypto::seal::place;
use vestibule_crypto::secret::Secret;
use vestibule_wire::{
    FeatureName, InitOtp, MessageId, OrganizationId, OtpFlavour, OtpId, OtpType, Refusal, is_loopback_http,
};

use super::{Context, Effect, result};
use crate::limits;
use crate::model::{ContactKey, IdentifierKey, MessagePayload, Otp, OutboxMessage};
use crate::outbox;
use crate::store::{ChangeSet, ContactHolder, IntentKeys, TakeSend, TemplateKey, Write};

pub(super) fn keys(intent: &InitOtp, organization: OrganizationId) -> IntentKeys {
    let contact = ContactKey::of(&intent.contact);
    let email = intent.contact.kind() == OtpType::Email;
    IntentKeys {
        contact_limits: Some(contact),
        identifier: intent
            .user_identifier
            .as_deref()
            .map(|id| (contact, IdentifierKey::of(organization, id))),
        contact_in_target: Some(contact),
        template: email.then(|| intent.options.template_id.map_or(TemplateKey::Latest, TemplateKey::Id)),
        ..Default::default()
    }
}

pub(super) fn decide(cx: &Context<'_>, intent: &InitOtp) -> Result<Effect, Refusal> {
    let facts = cx.facts;
    let organization = &cx.caller.target;
    check_channel(cx, intent)?;
    let template_id = match (&facts.template, intent.options.template_id) {
        (Some(template), _) => Some(template.id),
        (None, Some(_)) if intent.contact.kind() == OtpType::Email => return Err(Refusal::UnknownTemplate),
        // Stored templates are those of e-mail; a text message has its own member.
        (None, _) => None,
    };
    let user_id = match intent.flavour {
        OtpFlavour::Legacy | OtpFlavour::Encrypted => None,
        OtpFlavour::Auth => match facts.contact_in_target.as_slice() {
            [] => {
                return Err(Refusal::ContactNotFound {
                    kind: intent.contact.kind(),
                    organization: organization.id,
                });
            }
            [holder] => Some(holder.user.id),
            [_, _, ..] => return Err(Refusal::AmbiguousContact),
        },
    };
    let contact = ContactKey::of(&intent.contact);
    let trusted = facts.trusted_identifier || presents_own_key(cx);
    let allowance = limits::send(&facts.contact_limits, facts.now, trusted)?;
    let identifier = intent.user_identifier.as_deref().map(|id| IdentifierKey::of(organization.id, id));
    // The reserve is for those whom a flood shuts out, and floods can carry their identifier.
    if identifier.is_some() && !allowance.reserved {
        limits::identifier(&facts.identifier_limits, facts.now)?;
    }

    let id = OtpId(cx.id());
    let lifetime_ms = i64::from(intent.lifetime_s) * 1000;
    let sandbox = cx.settings.sandbox && is_sandbox(intent);
    let code = if sandbox {
        Secret::new("000000".to_owned())
    } else {
        otp_code::generate(cx.entropy, intent.alphanumeric, intent.length)
    };
    let target = (intent.flavour == OtpFlavour::Encrypted).then(|| AgreementKey::generate(cx.entropy));

    let mut changes = ChangeSet::new();
    changes.push(Write::TakeSend(TakeSend {
        tenant: organization.tenant(),
        contact,
        otp: id,
        lifetime_ms,
        slot: allowance.slot,
        replaces: allowance.replaces,
        reserved: allowance.reserved,
        window_ms: limits::WINDOW_MS,
        seen_failures: facts.contact_limits.failures,
    }));
    if let Some(identifier) = identifier.filter(|_| !allowance.reserved) {
        changes.push(Write::TakeIdentifierSend {
            tenant: organization.tenant(),
            identifier,
            window_ms: limits::WINDOW_MS,
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
        changes.push(enqueue(cx, intent, id, code.expose(), template_id));
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
    Ok(Effect { result: members, changes })
}

fn check_channel(cx: &Context<'_>, intent: &InitOtp) -> Result<(), Refusal> {
    let (feature, configured) = match intent.contact.kind() {
        OtpType::Email => (FeatureName::OtpEmailAuth, cx.settings.email_enabled),
        OtpType::Sms => (FeatureName::SmsAuth, cx.settings.sms_enabled),
    };
    if !cx.caller.target.has(feature) {
        return Err(Refusal::NotAuthorized);
    }
    if !configured {
        return Err(match intent.contact.kind() {
            OtpType::Email => Refusal::EmailSendingDisabled,
            OtpType::Sms => Refusal::NotAuthorized,
        });
    }
    if !cx.settings.development && intent.options.logo_url.as_deref().is_some_and(is_loopback_http) {
        return Err(Refusal::InvalidLogoUrl);
    }
    Ok(())
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

fn enqueue(
    cx: &Context<'_>,
    intent: &InitOtp,
    otp_id: OtpId,
    code: &str,
    template_id: Option<vestibule_wire::TemplateId>,
) -> Write {
    let facts = cx.facts;
    let options = &intent.options;
    let tenant_name = || facts.parent.as_ref().unwrap_or(&cx.caller.target).name.clone();
    let payload = MessagePayload {
        to: intent.contact.delivery().to_owned(),
        code: code.to_owned(),
        lifetime_s: intent.lifetime_s,
        app_name: options.app_name.clone().unwrap_or_else(tenant_name),
        logo_url: options.logo_url.clone(),
        magic_link_template: options.magic_link_template.clone(),
        template_variables: options.template_variables.clone(),
        template_id,
        sms_template: options.sms_template.clone(),
        send_from: options.send_from.clone(),
        sender_name: options.sender_name.clone(),
        reply_to: options.reply_to.clone(),
    };
    let id = MessageId(cx.id());
    Write::Enqueue(Box::new(OutboxMessage {
        id,
        organization_id: cx.caller.target.id,
        tenant_id: cx.caller.tenant(),
        otp_id,
        channel: intent.contact.kind(),
        payload: outbox::seal(cx.keys, cx.entropy, id, &payload),
        attempts: 0,
        due_at: facts.now,
        expires_at: facts.now + i64::from(intent.lifetime_s) * 1000,
        created_at: facts.now,
    }))
}
