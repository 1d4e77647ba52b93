//! What a caller may change in a message: the customization parameters and their checks (protocol 02 section 6, D-7).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema;
use crate::text::label;
use crate::{Contact, Locale, Refusal, TemplateId, preferences};

/// `EmailCustomizationParams`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailCustomizationParams {
    /// Shown in the message and its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::LabelText>")]
    pub app_name: Option<String>,
    /// PNG over https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::HttpsUrl>")]
    pub logo_url: Option<String>,
    /// URL with `%s` for the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::MagicLink>")]
    pub magic_link_template: Option<String>,
    /// Text of a JSON object of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::JsonText>")]
    pub template_variables: Option<String>,
    /// Id of a stored template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Id>")]
    pub template_id: Option<String>,
}

/// `EmailCustomizationParamsV2`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailCustomizationParamsV2 {
    /// PNG over https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::HttpsUrl>")]
    pub logo_url: Option<String>,
    /// URL with `%s` for the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::MagicLink>")]
    pub magic_link_template: Option<String>,
    /// Text of a JSON object of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::JsonText>")]
    pub template_variables: Option<String>,
    /// Id of a stored template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Id>")]
    pub template_id: Option<String>,
}

/// `SmsCustomizationParams`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SmsCustomizationParams {
    /// Text with `{{.OtpCode}}` for the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::SmsTemplate>")]
    pub template: Option<String>,
}

/// How the message looks and who it seems to come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessageOptions {
    /// Name of the app, when given.
    pub app_name: Option<String>,
    /// https URL of a logo; whether plain http to loopback passes is the operator's setting (D-7).
    pub logo_url: Option<String>,
    /// URL with one or more `%s`.
    pub magic_link_template: Option<String>,
    /// Variables for `{{ index .TemplateVariables "k" }}`.
    pub template_variables: BTreeMap<String, String>,
    /// A stored template.
    pub template_id: Option<TemplateId>,
    /// Languages for the message, the most wanted first.
    pub locales: Vec<Locale>,
    /// SMS text that contains the code's placeholder.
    pub sms_template: Option<String>,
    /// From address; used only on an allowed domain.
    pub send_from: Option<String>,
    /// From display name.
    pub sender_name: Option<String>,
    /// Reply-To address; used only on an allowed domain.
    pub reply_to: Option<String>,
}

impl MessageOptions {
    /// Checks customization parameters (protocol 02 section 6, D-7, G-OTP-6).
    pub fn from_params(
        email: EmailCustomizationParams,
        sms: SmsCustomizationParams,
    ) -> Result<Self, Refusal> {
        if let Some(name) = &email.app_name {
            label(name, "appName is not a label")?;
        }
        if let Some(template) = &email.magic_link_template {
            check_magic_link(template)?;
        }
        if let Some(url) = &email.logo_url {
            check_logo(url)?;
        }
        if let Some(template) = &sms.template
            && (template.len() > 1024 || !mentions_code(template))
        {
            return Err(Refusal::InvalidSmsTemplate);
        }
        let template_id = match &email.template_id {
            Some(id) => Some(id.parse().map_err(|_| Refusal::UnknownTemplate)?),
            None => None,
        };
        let template_variables = match &email.template_variables {
            Some(text) => template_variables(text)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            app_name: email.app_name,
            logo_url: email.logo_url,
            magic_link_template: email.magic_link_template,
            template_variables,
            template_id,
            sms_template: sms.template,
            ..Self::default()
        })
    }

    /// Sets the app name where one is given at the top level.
    pub fn with_app_name(mut self, name: Option<String>) -> Result<Self, Refusal> {
        if let Some(name) = name {
            label(&name, "appName is not a label")?;
            self.app_name = Some(name);
        }
        Ok(self)
    }

    /// Sets the languages of a hint: a language tag, or several as in `Accept-Language`.
    pub fn with_locale(mut self, hint: Option<&str>) -> Self {
        self.locales = hint.map(preferences).unwrap_or_default();
        self
    }

    /// Sets the sender members after checking their form.
    pub fn with_sender(
        mut self,
        from: Option<String>,
        name: Option<String>,
        reply_to: Option<String>,
    ) -> Result<Self, Refusal> {
        for address in from.iter().chain(&reply_to) {
            Contact::email(address).map_err(|_| Refusal::InvalidEmail)?;
        }
        if let Some(name) = &name {
            label(name, "sendFromEmailSenderName is not a label")?;
        }
        self.send_from = from;
        self.sender_name = name;
        self.reply_to = reply_to;
        Ok(self)
    }
}

/// Whether a Go-style template contains the code: `{{.OtpCode}}` with optional blanks.
pub fn mentions_code(template: &str) -> bool {
    template.split("{{").skip(1).any(|part| part.split("}}").next().is_some_and(|e| e.trim() == ".OtpCode"))
}

fn check_magic_link(template: &str) -> Result<(), Refusal> {
    let scheme = template.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let well_formed = scheme.len() < template.len()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let runs_code = matches!(scheme.as_str(), "javascript" | "data" | "vbscript" | "file" | "blob" | "about");
    let clean = template.len() <= 2048 && !template.chars().any(|c| c.is_control() || c.is_whitespace());
    if well_formed && !runs_code && clean && template.contains("%s") {
        Ok(())
    } else {
        Err(Refusal::InvalidMagicLinkTemplate)
    }
}

fn check_logo(url: &str) -> Result<(), Refusal> {
    let clean = url.len() <= 2048
        && !url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"' || c == '<');
    let https = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if clean && (https || is_loopback_http(url)) { Ok(()) } else { Err(Refusal::InvalidLogoUrl) }
}

/// Whether a URL is plain http to this machine, which only development allows (D-7).
pub fn is_loopback_http(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn template_variables(text: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(text) else {
        return Err(Refusal::InvalidTemplateVariables);
    };
    members
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(value) => Ok((key, value)),
            _ => Err(Refusal::InvalidTemplateVariables),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_links_take_app_schemes_and_refuse_schemes_that_run_code() {
        for good in [
            "https://app.example/?c=%s",
            "http://localhost:3000/%s",
            "myapp://login/%s",
            "com.example.app:/%s",
        ] {
            assert_eq!(check_magic_link(good), Ok(()), "{good}");
        }
        for bad in [
            "https://app.example/",
            "javascript:alert('%s')",
            "JavaScript:%s",
            "data:text/html,%s",
            "%s",
            "/%s",
            "https://a b/%s",
        ] {
            assert_eq!(check_magic_link(bad), Err(Refusal::InvalidMagicLinkTemplate), "{bad}");
        }
    }

    #[test]
    fn logos_come_over_https_or_from_this_machine() {
        for good in ["https://app.example/l.png", "http://localhost:3000/l.png", "http://127.0.0.1/l.png"] {
            assert_eq!(check_logo(good), Ok(()), "{good}");
        }
        for bad in [
            "http://app.example/l.png",
            "https://",
            "data:image/png;base64,",
            "https://a/\"onload=",
            "http://127.0.0.1.evil.example/x",
        ] {
            assert_eq!(check_logo(bad), Err(Refusal::InvalidLogoUrl), "{bad}");
        }
    }

    #[test]
    fn an_sms_template_must_carry_the_code() {
        assert!(mentions_code("Code {{.OtpCode}}"));
        assert!(mentions_code("Code {{ .OtpCode }}."));
        for bad in ["Code", "{.OtpCode}", "{{.OtpCodes}}", "{{OtpCode}}"] {
            assert!(!mentions_code(bad), "{bad}");
        }
    }

    #[test]
    fn template_variables_are_an_object_of_strings() {
        assert_eq!(
            template_variables(r#"{"k":"v"}"#),
            Ok(BTreeMap::from([("k".to_owned(), "v".to_owned())]))
        );
        for bad in ["", "[]", r#"{"k":1}"#, "{"] {
            assert_eq!(template_variables(bad), Err(Refusal::InvalidTemplateVariables), "{bad}");
        }
    }
}
