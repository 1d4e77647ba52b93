//! Who messages come from, parsed once when the server starts.

use std::collections::BTreeMap;

use vestibule_wire::{Contact, OrganizationId};

/// Why a setting was refused; the text says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The default From or Reply-To is no address.
    #[error("{0:?} is not an e-mail address; write it as name@example.com, without a display name")]
    Address(String),
    /// An allowed sender domain or the SMS origin is no domain.
    #[error("{0:?} is not a domain name; write it as mail.example.com, without a scheme, path or '@'")]
    Domain(String),
    /// The default display name is empty, over 256 bytes, or has control characters.
    #[error("the sender name must have 1 to 256 bytes and no control characters")]
    SenderName,
}

/// Senders and origin of messages; only [`MessageSettings::new`] and the `with_` methods make one, so it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSettings {
    pub(crate) from_address: String,
    pub(crate) from_name: String,
    pub(crate) reply_to: Option<String>,
    allowed_sender_domains: Vec<String>,
    pub(crate) sms_origin: Option<String>,
}

impl MessageSettings {
    /// Sends from `from_address` under the display name `Notifications` (02, section 2), allows no other sender, and
    /// has no SMS origin.
    pub fn new(from_address: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            from_address: address(from_address)?,
            from_name: "Notifications".to_owned(),
            reply_to: None,
            allowed_sender_domains: Vec::new(),
            sms_origin: None,
        })
    }

    /// Another default display name: 1 to 256 bytes without control characters.
    pub fn with_from_name(mut self, name: &str) -> Result<Self, SettingsError> {
        let name = name.trim();
        if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
            return Err(SettingsError::SenderName);
        }
        self.from_name = name.to_owned();
        Ok(self)
    }

    /// Where answers to messages from the default sender go.
    pub fn with_reply_to(mut self, reply_to: &str) -> Result<Self, SettingsError> {
        self.reply_to = Some(address(reply_to)?);
        Ok(self)
    }

    /// Domains whose addresses callers may name in `sendFromEmailAddress` and `replyToEmailAddress`. Each stands for
    /// itself alone, not for its subdomains. Replaces the former list.
    pub fn with_allowed_sender_domains<I>(mut self, domains: I) -> Result<Self, SettingsError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.allowed_sender_domains =
            domains.into_iter().map(|d| domain(d.as_ref())).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// The web origin that codes sent by SMS belong to: adds the last line `@domain #CODE` to each of them.
    pub fn with_sms_origin(mut self, origin: &str) -> Result<Self, SettingsError> {
        self.sms_origin = Some(domain(origin)?);
        Ok(self)
    }

    /// Codes sent by SMS belong to no web origin.
    pub fn without_sms_origin(mut self) -> Self {
        self.sms_origin = None;
        self
    }

    /// Whether a caller may send as this address.
    pub(crate) fn allows(&self, address: &str) -> bool {
        let Ok(contact) = Contact::email(address) else { return false };
        contact
            .normalised()
            .rsplit_once('@')
            .is_some_and(|(_, domain)| self.allowed_sender_domains.iter().any(|allowed| allowed == domain))
    }
}

/// Whose messages come from where: each parent organization has its own settings, or those of all. What is sent for one is never
/// rendered with another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTable {
    all: MessageSettings,
    organizations: BTreeMap<OrganizationId, MessageSettings>,
}

impl From<MessageSettings> for MessageTable {
    /// The same for all.
    fn from(all: MessageSettings) -> Self {
        Self { all, organizations: BTreeMap::new() }
    }
}

impl MessageTable {
    /// What one parent organization has, in the place of what all have.
    #[must_use]
    pub fn with(mut self, organization: OrganizationId, settings: MessageSettings) -> Self {
        self.organizations.insert(organization, settings);
        self
    }

    /// What counts for the messages of a parent organization and of its sub-organizations.
    pub fn of(&self, tenant: OrganizationId) -> &MessageSettings {
        self.organizations.get(&tenant).unwrap_or(&self.all)
    }
}

fn address(text: &str) -> Result<String, SettingsError> {
    let contact = Contact::email(text).map_err(|_| SettingsError::Address(text.to_owned()))?;
    contact.given().parse::<lettre::Address>().map_err(|_| SettingsError::Address(text.to_owned()))?;
    Ok(contact.given().to_owned())
}

/// Lower case with A-labels, as contacts are compared.
fn domain(text: &str) -> Result<String, SettingsError> {
    let refused = || SettingsError::Domain(text.to_owned());
    let text = text.trim();
    if text.contains(['@', '/', ':', ' ']) {
        return Err(refused());
    }
    let contact = Contact::email(&format!("a@{text}")).map_err(|_| refused())?;
    contact.normalised().strip_prefix("a@").map(str::to_owned).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_allowed_by_its_whole_domain_alone() {
        let settings = MessageSettings::new("no-reply@mail.example")
            .unwrap()
            .with_allowed_sender_domains(["App.Example", "bücher.example"])
            .unwrap();
        for allowed in ["a@app.example", "A.b@APP.EXAMPLE", "x@bücher.example", "x@xn--bcher-kva.example"] {
            assert!(settings.allows(allowed), "{allowed}");
        }
        for refused in [
            "a@sub.app.example",
            "a@app.example.evil.test",
            "a@evilapp.example",
            "a@mail.example",
            "a@evil.test\r\nBcc: b@app.example",
            "app.example",
            "",
        ] {
            assert!(!settings.allows(refused), "{refused}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_what_to_write() {
        assert!(matches!(MessageSettings::new("App <a@b.example>"), Err(SettingsError::Address(_))));
        let settings = MessageSettings::new("a@b.example").unwrap();
        for origin in ["https://app.example", "app.example/login", "a@app.example", ""] {
            assert!(
                matches!(settings.clone().with_sms_origin(origin), Err(SettingsError::Domain(_))),
                "{origin}"
            );
        }
        assert_eq!(settings.clone().with_from_name("A\r\nBcc: x"), Err(SettingsError::SenderName));
        assert_eq!(settings.with_from_name(" Shop ").unwrap().from_name, "Shop");
    }
}
