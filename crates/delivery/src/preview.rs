//! Messages as they would look: for authors of templates, the page of `dev`, and the pictures in the documentation.

use std::collections::BTreeMap;

use uuid::Uuid;
use vestibule_engine::model::{MessagePayload, MessagePurpose, Template};
use vestibule_wire::{Locale, OrganizationId, OtpType, TemplateId};

use crate::render::{Rendering, render};
use crate::settings::MessageSettings;
use crate::template::Draft;

/// The app that samples come from, where nobody names another.
pub const APP_NAME: &str = "Example Shop";
/// The code of samples: as long as any.
pub const CODE: &str = "7G3K9QW2X";
/// The bundle of samples.
const BUNDLE: &str = "w99a5xV6A75TfoAUkZn869fVyDYvgVsKrawMALZXmrauZd8hEv66EkPU1Z42CUaHESQjcA5bqd8dynTGBMLWB9ewtXWPEVbZvocB4Tw2K1vQVp7uwjf";

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleMessage {
    /// A code by e-mail.
    CodeEmail,
    /// A key for a log-in by e-mail.
    LoginEmail,
    /// A key for a recovery by e-mail.
    RecoveryEmail,
    /// A code by SMS.
    CodeSms,
}

impl SampleMessage {
    /// All of them.
    pub const ALL: &[Self] = &[Self::CodeEmail, Self::LoginEmail, Self::RecoveryEmail, Self::CodeSms];

    /// A short name for commands and addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::CodeEmail => "code",
            Self::LoginEmail => "login",
            Self::RecoveryEmail => "recovery",
            Self::CodeSms => "sms",
        }
    }

    /// The message of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|message| message.name() == name)
    }

    /// Where it goes.
    pub fn channel(self) -> OtpType {
        match self {
            Self::CodeEmail | Self::LoginEmail | Self::RecoveryEmail => OtpType::Email,
            Self::CodeSms => OtpType::Sms,
        }
    }
}

/// Colours a reader prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// What a sample says.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Which message.
    pub message: SampleMessage,
    /// Its languages, the most wanted first.
    pub locales: &'a [Locale],
    /// The app's name.
    pub app_name: &'a str,
    /// URL of a logo.
    pub logo_url: Option<&'a str>,
    /// URL with `%s`.
    pub magic_link_template: Option<&'a str>,
}

impl Sample<'_> {
    /// An SMS in English.
    pub fn sms() -> Self {
        Self {
            message: SampleMessage::CodeSms,
            locales: &[],
            app_name: APP_NAME,
            logo_url: None,
            magic_link_template: None,
        }
    }

    /// The message as a channel would send it. Variables of a template are shown by their names.
    pub fn render(&self, template: Option<&Template>, settings: &MessageSettings) -> Rendering {
        render(self.message.channel(), &self.payload(template), template, settings)
    }

    pub(crate) fn payload(&self, template: Option<&Template>) -> MessagePayload {
        let (purpose, code, lifetime_s) = match self.message {
            SampleMessage::CodeEmail | SampleMessage::CodeSms => (MessagePurpose::Code, CODE, 300),
            SampleMessage::LoginEmail => (MessagePurpose::SignInBundle, BUNDLE, 900),
            SampleMessage::RecoveryEmail => (MessagePurpose::RecoveryBundle, BUNDLE, 900),
        };
        let to = match self.message.channel() {
            OtpType::Email => "ada@example.com",
            OtpType::Sms => "+15551234567",
        };
        MessagePayload {
            purpose,
            to: to.to_owned(),
            code: code.to_owned(),
            lifetime_s,
            app_name: self.app_name.to_owned(),
            logo_url: self.logo_url.map(str::to_owned),
            magic_link_template: self.magic_link_template.map(str::to_owned),
            template_variables: template.map(named_variables).unwrap_or_default(),
            template_id: None,
            locales: self.locales.to_vec(),
            sms_template: None,
            send_from: None,
            sender_name: None,
            reply_to: None,
        }
    }
}

/// Every variable of a template under its own name.
fn named_variables(template: &Template) -> BTreeMap<String, String> {
    let sources =
        [Some(&template.subject), Some(&template.html), template.text.as_ref(), template.sms.as_ref()];
    let names = sources.into_iter().flatten().flat_map(|source| crate::template::variables(source));
    names.map(|name| (name.clone(), name)).collect()
}

/// A template that is not stored, as if it were.
pub fn draft(draft: &Draft<'_>) -> Template {
    let Draft { locale, subject, html, text, sms } = *draft;
    Template {
        organization_id: OrganizationId(Uuid::nil()),
        id: TemplateId(Uuid::nil()),
        name: String::new(),
        locale: locale.cloned(),
        subject: subject.unwrap_or_default().to_owned(),
        html: html.unwrap_or_default().to_owned(),
        text: text.map(str::to_owned),
        sms: sms.map(str::to_owned),
        created_at: 0,
    }
}

/// HTML as somebody sees it who prefers these colours, whatever the program that shows it prefers.
pub fn in_scheme(html: &str, scheme: Scheme) -> String {
    let (name, light, dark) = match scheme {
        Scheme::Light => ("light", "all", "not all"),
        Scheme::Dark => ("dark", "not all", "all"),
    };
    html.replace("(prefers-color-scheme: light)", light)
        .replace("(prefers-color-scheme:light)", light)
        .replace("(prefers-color-scheme: dark)", dark)
        .replace("(prefers-color-scheme:dark)", dark)
        .replace("color-scheme: light dark", &format!("color-scheme: {name}"))
        .replace("color-schemes: light dark", &format!("color-schemes: {name}"))
        .replace("content=\"light dark\"", &format!("content=\"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{LANGUAGES, Rendered};

    fn settings() -> MessageSettings {
        MessageSettings::new("a@b.example").unwrap()
    }

    #[test]
    fn every_message_has_a_sample_in_every_language() {
        for message in SampleMessage::ALL {
            assert_eq!(SampleMessage::named(message.name()), Some(*message));
            for language in LANGUAGES {
                let locales = [language.tag.parse().unwrap()];
                let sample = Sample { message: *message, locales: &locales, ..Sample::sms() };
                let rendering = sample.render(None, &settings());
                assert_eq!(rendering.fault, None);
                assert_eq!(rendering.message.channel(), message.channel());
            }
        }
        assert_eq!(SampleMessage::named("other"), None);
    }

    #[test]
    fn a_template_is_shown_with_the_names_of_its_variables() {
        let template = draft(&Draft {
            subject: Some("For {{ index .TemplateVariables \"first\" }}"),
            html: Some("<p>{{ .OtpCode }} {{ index .TemplateVariables `last` }}</p>"),
            ..Draft::default()
        });
        let sample = Sample { message: SampleMessage::CodeEmail, ..Sample::sms() };
        let Rendered::Email(email) = sample.render(Some(&template), &settings()).message else {
            panic!("an e-mail was asked for")
        };
        assert_eq!((email.subject.as_str(), email.html.as_str()), ("For first", "<p>7G3K9QW2X last</p>"));
    }

    #[test]
    fn one_scheme_is_left() {
        let sample = Sample { message: SampleMessage::CodeEmail, ..Sample::sms() };
        let Rendered::Email(email) = sample.render(None, &settings()).message else {
            panic!("an e-mail was asked for")
        };
        let (light, dark) = (in_scheme(&email.html, Scheme::Light), in_scheme(&email.html, Scheme::Dark));
        assert!(light.contains("@media not all {") && dark.contains("@media all {"));
        for html in [light, dark] {
            assert!(!html.contains("prefers-color-scheme") && !html.contains("light dark"), "{html}");
        }
    }
}
