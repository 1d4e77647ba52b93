//! Message templates of organizations.

use vestibule_wire::{Locale, OrganizationId, OtpType, TemplateId};

use super::Millis;

/// A message template stored for an organization.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The parent it belongs to.
    pub organization_id: OrganizationId,
    /// Id.
    pub id: TemplateId,
    /// Label.
    pub name: String,
    /// Its language; absent in one for everybody whose language has no other.
    pub locale: Option<Locale>,
    /// Subject, a template itself. Empty, as `html` then is, in a template for SMS alone.
    pub subject: String,
    /// HTML body.
    pub html: String,
    /// Text body; the built-in one when absent.
    pub text: Option<String>,
    /// Text of an SMS; absent in a template for e-mail alone.
    pub sms: Option<String>,
    /// When it was made.
    pub created_at: Millis,
}

impl Template {
    /// What there is of it for the choice among templates.
    pub fn offer(&self) -> TemplateOffer {
        let Self { id, locale, subject, sms, organization_id: _, name: _, html: _, text: _, created_at: _ } =
            self;
        TemplateOffer { id: *id, locale: locale.clone(), email: !subject.is_empty(), sms: sms.is_some() }
    }
}

/// A template as the choice among those of an organization sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateOffer {
    /// Id.
    pub id: TemplateId,
    /// Its language.
    pub locale: Option<Locale>,
    /// Whether it has an e-mail.
    pub email: bool,
    /// Whether it has an SMS.
    pub sms: bool,
}

impl TemplateOffer {
    /// Whether it has a message for this channel.
    pub fn serves(&self, channel: OtpType) -> bool {
        match channel {
            OtpType::Email => self.email,
            OtpType::Sms => self.sms,
        }
    }
}
