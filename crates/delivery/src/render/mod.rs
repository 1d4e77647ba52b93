//! From what a message says to what is sent.
//!
//! Promise: always a message that shows the code, or the bundle or a link with it. A stored template that is gone, does not parse, or grows too long with
//! its values gives way to the built-in one: a user who waits for a code gets it.

mod email;
mod html;
mod languages;
mod palette;
mod sms;
mod words;

use std::fmt;

use vestibule_engine::model::{MessagePayload, Template};
use vestibule_wire::{Contact, MessageId, OtpType};

pub(crate) use sms::MAX_SEGMENTS;

pub use languages::{Direction, LANGUAGES, Language, Texts};

use crate::settings::MessageSettings;
use crate::template::{TooLong, Values, percent_encode, safe_url};

/// Bytes of one rendered part, at most.
pub(crate) const MAX_PART_BYTES: usize = 512 * 1024;

/// A message as a channel sends it. `Debug` shows neither contact nor text.
#[derive(Clone, PartialEq, Eq)]
pub enum Rendered {
    /// By e-mail.
    Email(RenderedEmail),
    /// By SMS.
    Sms(RenderedSms),
}

/// A display name and an address. Neither has control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Sender {
    /// Display name, not empty.
    pub name: String,
    /// Address as given.
    pub address: String,
}

/// An e-mail with both its bodies.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedEmail {
    /// Who it comes from.
    pub from: Sender,
    /// Where answers go, when not to the sender.
    pub reply_to: Option<String>,
    /// Address as given.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Whole HTML document.
    pub html: String,
    /// The same as plain text.
    pub text: String,
}

/// An SMS.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedSms {
    /// E.164 number.
    pub to: String,
    /// What it says.
    pub text: String,
}

impl RenderedEmail {
    /// The `Message-ID` header, by which logs of mail servers and our own events name it: the same on every try, so that the
    /// last mail server drops a repetition whose first try was not answered.
    pub fn message_id(&self, id: MessageId) -> String {
        let from = Contact::email(&self.from.address).ok();
        let from = from.as_ref().map_or(self.from.address.as_str(), Contact::normalised);
        let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
        format!("<{id}@{domain}>")
    }
}

impl Rendered {
    /// The channel it is meant for.
    pub fn channel(&self) -> OtpType {
        match self {
            Self::Email(_) => OtpType::Email,
            Self::Sms(_) => OtpType::Sms,
        }
    }

    /// Who it goes to: an address as given, or an E.164 number.
    pub fn to(&self) -> &str {
        match self {
            Self::Email(email) => &email.to,
            Self::Sms(sms) => &sms.to,
        }
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email(_) => "Email([redacted])",
            Self::Sms(_) => "Sms([redacted])",
        })
    }
}

impl fmt::Debug for RenderedEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RenderedEmail([redacted])")
    }
}

impl fmt::Debug for RenderedSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RenderedSms([redacted])")
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender([redacted])")
    }
}

/// A message, and what was wrong with a template that could not be used. The fault has no contact, code or value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    /// What to send.
    pub message: Rendered,
    /// Why the built-in text stands where a template was asked for.
    pub fault: Option<String>,
}

/// Renders what `payload` says for `channel`, with the part of `template` that is for it, else with the built-in texts in the first of
/// the payload's languages that there is.
pub fn render(
    channel: OtpType,
    payload: &MessagePayload,
    template: Option<&Template>,
    settings: &MessageSettings,
) -> Rendering {
    match channel {
        OtpType::Email => email::render(payload, template, settings),
        OtpType::Sms => sms::render(payload, template, settings),
    }
}

/// The link of `magicLinkTemplate` with every `%s` replaced by the code; `None` when it is no safe absolute URL.
fn magic_link(payload: &MessagePayload) -> Option<String> {
    let template = payload.magic_link_template.as_deref().filter(|template| template.contains("%s"))?;
    let mut code = String::new();
    percent_encode(&mut code, &payload.code);
    safe_url(&template.replace("%s", &code)).filter(|link| link.len() <= MAX_PART_BYTES / 8)
}

/// The logo, over HTTP alone.
fn logo_url(payload: &MessagePayload) -> Option<String> {
    let url = safe_url(payload.logo_url.as_deref()?)?;
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase())?;
    (["https", "http"].contains(&scheme.as_str()) && url.len() <= MAX_PART_BYTES / 8).then_some(url)
}

/// The language of what a template does not say: its own, else the first of the payload's that there is.
fn texts(payload: &MessagePayload, template: Option<&Template>) -> Texts {
    let own = template.and_then(|template| template.locale.as_ref());
    let chain: Vec<_> = own.into_iter().chain(&payload.locales).cloned().collect();
    Texts::choose(&chain)
}

fn values<'a>(
    payload: &'a MessagePayload,
    app_name: &'a str,
    logo: &'a str,
    link: &'a str,
    texts: Texts,
) -> Values<'a> {
    Values {
        texts,
        purpose: payload.purpose,
        code: &payload.code,
        app_name,
        logo_url: logo,
        magic_link: link,
        lifetime_s: payload.lifetime_s,
        variables: &payload.template_variables,
    }
}

impl From<TooLong> for String {
    fn from(_: TooLong) -> Self {
        format!("longer than {MAX_PART_BYTES} bytes with its values")
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    use std::collections::BTreeMap;

    use uuid::Uuid;
    use vestibule_engine::model::MessagePurpose;
    use vestibule_wire::{OrganizationId, TemplateId};

    use super::*;

    /// What most tests send.
    pub(crate) fn payload(to: &str) -> MessagePayload {
        MessagePayload {
            purpose: MessagePurpose::Code,
            to: to.to_owned(),
            code: "7G3K9QW2X".to_owned(),
            lifetime_s: 300,
            app_name: "Shop".to_owned(),
            logo_url: None,
            magic_link_template: None,
            template_variables: BTreeMap::new(),
            template_id: None,
            locales: Vec::new(),
            sms_template: None,
            send_from: None,
            sender_name: None,
            reply_to: None,
        }
    }

    /// A message that carries a bundle.
    pub(crate) fn bundle(purpose: MessagePurpose) -> MessagePayload {
        let code = "w99a5xV6A75TfoAUkZn869fVyDYvgVsKrawMALZXmrauZd8hEv66EkPU1Z42CUaHESQjcA5bqd8dynTGBMLWB9ewtXWPEVbZvocB4Tw2K1vQVp7uwjf".to_owned();
        MessagePayload { purpose, code, lifetime_s: 900, ..payload("a@b.example") }
    }

    /// The e-mail of a payload, without a fault.
    pub(crate) fn email(payload: &MessagePayload, template: Option<&Template>) -> RenderedEmail {
        let rendering = render(OtpType::Email, payload, template, &settings());
        assert_eq!(rendering.fault, None);
        let Rendered::Email(email) = rendering.message else { panic!("an e-mail was asked for") };
        email
    }

    /// A stored template of e-mail.
    pub(crate) fn template(subject: &str, html: &str, text: Option<&str>) -> Template {
        Template {
            organization_id: OrganizationId(Uuid::nil()),
            id: TemplateId(Uuid::nil()),
            name: "login".to_owned(),
            locale: None,
            subject: subject.to_owned(),
            html: html.to_owned(),
            text: text.map(str::to_owned),
            sms: None,
            created_at: 0,
        }
    }

    pub(crate) fn settings() -> MessageSettings {
        MessageSettings::new("no-reply@mail.example")
            .unwrap()
            .with_allowed_sender_domains(["shop.example"])
            .unwrap()
    }
}
