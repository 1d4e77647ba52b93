//! What the activities share that send somebody a message.

use vestibule_wire::{
    Contact, FeatureName, Locale, MessageId, MessageOptions, OtpId, OtpType, Refusal, TemplateId, choose,
    is_loopback_http, preferences,
};

use super::Context;
use crate::model::{ContactKey, MessagePayload, MessagePurpose, OutboxMessage};
use crate::outbox;
use crate::store::{ContactHolder, IntentKeys, TemplateKey, Write};

/// What is to be known of a contact that a message goes to.
pub(super) fn keys(contact: &Contact, options: &MessageOptions) -> IntentKeys {
    let key = ContactKey::of(contact);
    IntentKeys {
        contact_limits: Some(key),
        contact_in_target: Some(key),
        template: match contact.kind() {
            OtpType::Email => Some(options.template_id.map_or(TemplateKey::All, TemplateKey::Id)),
            OtpType::Sms if options.sms_template.is_some() => None,
            // The template that is named may be one of e-mail alone, and another one the organization's for SMS.
            OtpType::Sms => Some(TemplateKey::All),
        },
        ..Default::default()
    }
}

/// Whether a message of this kind may go out: the organization has the feature, and the server the channel.
pub(super) fn check_channel(
    cx: &Context<'_>,
    kind: OtpType,
    feature: FeatureName,
    options: &MessageOptions,
) -> Result<(), Refusal> {
    if !cx.caller.target.has(feature) {
        return Err(Refusal::NotAuthorized);
    }
    match kind {
        OtpType::Email if !cx.settings.email_enabled => return Err(Refusal::EmailSendingDisabled),
        OtpType::Sms if !cx.settings.sms_enabled => return Err(Refusal::NotAuthorized),
        OtpType::Email | OtpType::Sms => {}
    }
    if !cx.settings.development && options.logo_url.as_deref().is_some_and(is_loopback_http) {
        return Err(Refusal::InvalidLogoUrl);
    }
    Ok(())
}

/// Whether the contact is left alone for a while, because a message to it came back or was called spam. The answer is the same
/// whether or not anybody has the contact.
pub(super) fn check_reachable(cx: &Context<'_>, kind: OtpType) -> Result<(), Refusal> {
    let suppressed = cx.facts.contact_limits.suppression.is_some_and(|it| it.until > cx.facts.now);
    match kind {
        OtpType::Email if suppressed => Err(Refusal::UnreachableEmail),
        OtpType::Sms if suppressed => Err(Refusal::UnreachablePhone),
        OtpType::Email | OtpType::Sms => Ok(()),
    }
}

/// The stored template of a message: the one that the request names, else the most recent one in the first language of the chain that
/// has one, else the most recent one that is marked with no language, else the most recent English one.
pub(super) fn template(
    cx: &Context<'_>,
    kind: OtpType,
    options: &MessageOptions,
) -> Result<Option<TemplateId>, Refusal> {
    let offers = cx.facts.templates.iter().filter(|offer| offer.serves(kind));
    if let Some(named) = options.template_id {
        match offers.clone().find(|offer| offer.id == named) {
            Some(offer) => return Ok(Some(offer.id)),
            None if kind == OtpType::Email => return Err(Refusal::UnknownTemplate),
            None => {}
        }
    }
    let marked = offers.clone().filter_map(|offer| Some((offer.locale.as_ref()?, offer.id)));
    let unmarked = || offers.clone().find(|offer| offer.locale.is_none()).map(|offer| offer.id);
    let english = || choose(&preferences(LAST_LANGUAGE), marked.clone());
    Ok(choose(&locales(cx, options), marked.clone()).or_else(unmarked).or_else(english))
}

/// Ends every chain of languages.
const LAST_LANGUAGE: &str = "en";

/// The languages of a message, the most wanted first: what was asked for, then the organization's.
fn locales(cx: &Context<'_>, options: &MessageOptions) -> Vec<Locale> {
    let tenant = cx.facts.parent.as_ref().unwrap_or(&cx.caller.target);
    options.locales.iter().chain(&tenant.locale).cloned().collect()
}

/// The one user of the target that has the contact.
pub(super) fn only_holder<'a>(cx: &Context<'a>, kind: OtpType) -> Result<&'a ContactHolder, Refusal> {
    match cx.facts.contact_in_target.as_slice() {
        [] => Err(Refusal::ContactNotFound { kind, organization: cx.caller.target.id }),
        [holder] => Ok(holder),
        [_, _, ..] => Err(Refusal::AmbiguousContact),
    }
}

/// A message to be queued.
pub(super) struct Message<'a> {
    pub(super) purpose: MessagePurpose,
    pub(super) contact: &'a Contact,
    /// The code, or the bundle.
    pub(super) secret: &'a str,
    pub(super) options: &'a MessageOptions,
    pub(super) template_id: Option<TemplateId>,
    /// How long the secret lives, seconds.
    pub(super) lifetime_s: u32,
    /// How long it is worth sending, seconds.
    pub(super) patience_s: u32,
    /// The attempt it belongs to.
    pub(super) otp_id: OtpId,
    /// How much later it goes out, milliseconds.
    pub(super) hold_ms: i64,
    /// Whether it never goes out, though everything else is as if it did.
    pub(super) withheld: bool,
}

/// Queues a message.
pub(super) fn enqueue(cx: &Context<'_>, message: Message<'_>) -> Write {
    let Message {
        purpose,
        contact,
        secret,
        options,
        template_id,
        lifetime_s,
        patience_s,
        otp_id,
        hold_ms,
        withheld,
    } = message;
    let facts = cx.facts;
    let tenant_name = || facts.parent.as_ref().unwrap_or(&cx.caller.target).name.clone();
    let payload = MessagePayload {
        purpose,
        to: contact.delivery().to_owned(),
        code: secret.to_owned(),
        lifetime_s,
        app_name: options.app_name.clone().unwrap_or_else(tenant_name),
        logo_url: options.logo_url.clone(),
        magic_link_template: options.magic_link_template.clone(),
        template_variables: options.template_variables.clone(),
        template_id,
        locales: locales(cx, options),
        sms_template: options.sms_template.clone(),
        send_from: options.send_from.clone(),
        sender_name: options.sender_name.clone(),
        reply_to: options.reply_to.clone(),
    };
    let id = MessageId(cx.id());
    let patience_ms = i64::from(patience_s) * 1000;
    // Whoever waits for a code must have time left to type it.
    let due_at = facts.now + hold_ms.clamp(0, patience_ms / 2);
    // What is over when it is due is never claimed: a message that is withheld leaves the same rows behind.
    let expires_at = if withheld { facts.now } else { facts.now + patience_ms };
    Write::Enqueue(Box::new(OutboxMessage {
        id,
        organization_id: cx.caller.target.id,
        tenant_id: cx.caller.tenant(),
        otp_id,
        channel: contact.kind(),
        payload: outbox::seal(cx.keys, cx.entropy, id, &payload),
        attempts: 0,
        due_at: due_at.min(expires_at),
        expires_at,
        created_at: facts.now,
    }))
}
