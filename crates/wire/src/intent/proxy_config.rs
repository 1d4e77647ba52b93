//! Settings of the auth proxy (protocol 02 section 2c, protocol 04 section 2).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    EmailCustomizationParams, MessageOptions, OTP_LENGTH, OTP_LIFETIME, SmsCustomizationParams,
    TOKEN_LIFETIME,
};
use crate::schema;
use crate::text::label;
use crate::{Contact, Refusal, TemplateId};

/// `WalletKitSettingsParams`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletKitSettingsParams {
    /// google, apple, facebook, x, discord
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled_social_providers: Option<Vec<String>>,
    /// Provider to client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_client_ids: Option<BTreeMap<String, String>>,
    /// URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_redirect_url: Option<String>,
}

/// `UpdateAuthProxyConfigIntent`: absent members stay as they are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateAuthProxyConfigIntent {
    /// Exact origins, or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<String>>,
    /// See [`AUTH_METHODS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<schema::AuthMethod>>")]
    pub allowed_auth_methods: Option<Vec<String>>,
    /// From address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Email>")]
    pub send_from_email_address: Option<String>,
    /// Reply-To address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Email>")]
    pub reply_to_email_address: Option<String>,
    /// Template of e-mail authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Id>")]
    pub email_auth_template_id: Option<String>,
    /// Template of codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Id>")]
    pub otp_template_id: Option<String>,
    /// Email customization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_customization_params: Option<EmailCustomizationParams>,
    /// SMS customization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_customization_params: Option<SmsCustomizationParams>,
    /// Settings of the wallet kit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_kit_settings: Option<WalletKitSettingsParams>,
    /// Code lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::CodeSecondsNumber>")]
    pub otp_expiration_seconds: Option<u32>,
    /// Token lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::TokenSecondsNumber>")]
    pub verification_token_expiration_seconds: Option<u32>,
    /// Session lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::SecondsNumber>")]
    pub session_expiration_seconds: Option<u32>,
    /// Code alphabet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otp_alphanumeric: Option<bool>,
    /// 6 to 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::CodeLength>")]
    pub otp_length: Option<u32>,
    /// From display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::LabelText>")]
    pub send_from_email_sender_name: Option<String>,
    /// Whether account look-ups by contact need a verification token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_token_required_for_get_account_pii: Option<bool>,
    /// OAuth client ids allowed to link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub social_linking_client_ids: Option<Vec<String>>,
    /// Whether a captcha is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captcha_enabled: Option<bool>,
}

/// The values of `allowedAuthMethods`, which clients see as `enabledProviders`.
pub const AUTH_METHODS: &[&str] =
    &["email", "sms", "passkey", "wallet", "google", "apple", "x", "discord", "facebook"];

/// A checked change of settings.
#[derive(Debug, Clone)]
pub struct UpdateAuthProxyConfig {
    change: UpdateAuthProxyConfigIntent,
}

/// The settings of one auth proxy, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxySettings {
    /// Exact origins, or `*`.
    pub allowed_origins: Vec<String>,
    /// Becomes `enabledProviders`.
    pub allowed_auth_methods: Vec<String>,
    /// From address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_from_email_address: Option<String>,
    /// From display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_from_email_sender_name: Option<String>,
    /// Reply-To address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to_email_address: Option<String>,
    /// Template of e-mail authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_auth_template_id: Option<String>,
    /// Template of codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otp_template_id: Option<String>,
    /// Email customization.
    pub email_customization_params: EmailCustomizationParams,
    /// SMS customization.
    pub sms_customization_params: SmsCustomizationParams,
    /// Settings of the wallet kit.
    pub wallet_kit_settings: WalletKitSettingsParams,
    /// Code lifetime, seconds.
    pub otp_expiration_seconds: u32,
    /// Token lifetime, seconds.
    pub verification_token_expiration_seconds: u32,
    /// Session lifetime, seconds.
    pub session_expiration_seconds: u32,
    /// Code alphabet.
    pub otp_alphanumeric: bool,
    /// 6 to 9.
    pub otp_length: u32,
    /// Whether account look-ups by contact need a verification token.
    pub verification_token_required_for_get_account_pii: bool,
    /// OAuth client ids allowed to link.
    pub social_linking_client_ids: Vec<String>,
    /// Whether a captcha is required.
    pub captcha_enabled: bool,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            allowed_origins: vec!["*".to_owned()],
            allowed_auth_methods: vec!["email".to_owned(), "sms".to_owned()],
            send_from_email_address: None,
            send_from_email_sender_name: None,
            reply_to_email_address: None,
            email_auth_template_id: None,
            otp_template_id: None,
            email_customization_params: EmailCustomizationParams::default(),
            sms_customization_params: SmsCustomizationParams::default(),
            wallet_kit_settings: WalletKitSettingsParams::default(),
            otp_expiration_seconds: OTP_LIFETIME.0,
            verification_token_expiration_seconds: TOKEN_LIFETIME.0,
            session_expiration_seconds: 900,
            otp_alphanumeric: true,
            otp_length: u32::from(OTP_LENGTH),
            verification_token_required_for_get_account_pii: false,
            social_linking_client_ids: Vec::new(),
            captcha_enabled: false,
        }
    }
}

fn within(value: Option<u32>, max: u32, refusal: &'static str) -> Result<(), Refusal> {
    if value.is_some_and(|n| n == 0 || n > max) { Err(Refusal::InvalidField(refusal)) } else { Ok(()) }
}

impl TryFrom<UpdateAuthProxyConfigIntent> for UpdateAuthProxyConfig {
    type Error = Refusal;

    fn try_from(change: UpdateAuthProxyConfigIntent) -> Result<Self, Refusal> {
        within(
            change.otp_expiration_seconds,
            OTP_LIFETIME.1,
            "otpExpirationSeconds must be between 1 and 600",
        )?;
        within(
            change.verification_token_expiration_seconds,
            TOKEN_LIFETIME.1,
            "verificationTokenExpirationSeconds must be between 1 and 86400",
        )?;
        within(change.session_expiration_seconds, u32::MAX, "sessionExpirationSeconds must be positive")?;
        if change.otp_length.is_some_and(|n| !(6..=9).contains(&n)) {
            return Err(Refusal::InvalidField("otpLength must be between 6 and 9"));
        }
        let methods = change.allowed_auth_methods.iter().flatten();
        if methods.into_iter().any(|m| !AUTH_METHODS.contains(&m.as_str())) {
            return Err(Refusal::InvalidField("allowedAuthMethods names an unknown method"));
        }
        let bounded = |list: &Option<Vec<String>>| list.iter().flatten().all(|text| text.len() <= 512);
        let lists =
            [&change.allowed_origins, &change.allowed_auth_methods, &change.social_linking_client_ids];
        if lists.iter().any(|list| list.as_ref().is_some_and(|l| l.len() > 100) || !bounded(list)) {
            return Err(Refusal::InvalidField("a list has more than 100 entries, or one of over 512 bytes"));
        }
        if serde_json::to_vec(&change.wallet_kit_settings).is_ok_and(|text| text.len() > 16_384) {
            return Err(Refusal::InvalidField("walletKitSettings is too long"));
        }
        for origin in change.allowed_origins.iter().flatten() {
            if origin != "*" && !is_origin(origin) {
                return Err(Refusal::InvalidField(
                    "allowedOrigins must be `*` or origins like https://app.example",
                ));
            }
        }
        for address in change.send_from_email_address.iter().chain(&change.reply_to_email_address) {
            Contact::email(address)?;
        }
        if let Some(name) = &change.send_from_email_sender_name {
            label(name, "sendFromEmailSenderName is not a label")?;
        }
        for id in change.otp_template_id.iter().chain(&change.email_auth_template_id) {
            id.parse::<TemplateId>().map_err(|_| Refusal::UnknownTemplate)?;
        }
        MessageOptions::from_params(
            change.email_customization_params.clone().unwrap_or_default(),
            change.sms_customization_params.clone().unwrap_or_default(),
        )?;
        Ok(Self { change })
    }
}

fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, authority)| {
        !scheme.is_empty()
            && !authority.is_empty()
            && !authority.contains(['/', '?', '#', '*', '@'])
            && text.bytes().all(|b| b.is_ascii_graphic())
    })
}

impl UpdateAuthProxyConfig {
    /// The session lifetime asked for, to be held against the operator's limit.
    pub fn session_expiration_seconds(&self) -> Option<u32> {
        self.change.session_expiration_seconds
    }

    /// The stored templates it names.
    pub fn templates(&self) -> impl Iterator<Item = TemplateId> {
        let c = &self.change;
        let custom = c.email_customization_params.as_ref().and_then(|e| e.template_id.as_ref());
        let named = c.otp_template_id.iter().chain(&c.email_auth_template_id).chain(custom);
        named.filter_map(|id| id.parse().ok())
    }

    /// Applies the change; absent members stay.
    pub fn apply(&self, settings: &mut ProxySettings) {
        fn set<T: Clone>(target: &mut T, change: &Option<T>) {
            if let Some(value) = change {
                *target = value.clone();
            }
        }
        fn set_some<T: Clone>(target: &mut Option<T>, change: &Option<T>) {
            if change.is_some() {
                target.clone_from(change);
            }
        }
        let c = &self.change;
        set(&mut settings.allowed_origins, &c.allowed_origins);
        set(&mut settings.allowed_auth_methods, &c.allowed_auth_methods);
        set_some(&mut settings.send_from_email_address, &c.send_from_email_address);
        set_some(&mut settings.send_from_email_sender_name, &c.send_from_email_sender_name);
        set_some(&mut settings.reply_to_email_address, &c.reply_to_email_address);
        set_some(&mut settings.email_auth_template_id, &c.email_auth_template_id);
        set_some(&mut settings.otp_template_id, &c.otp_template_id);
        set(&mut settings.email_customization_params, &c.email_customization_params);
        set(&mut settings.sms_customization_params, &c.sms_customization_params);
        set(&mut settings.wallet_kit_settings, &c.wallet_kit_settings);
        set(&mut settings.otp_expiration_seconds, &c.otp_expiration_seconds);
        set(&mut settings.verification_token_expiration_seconds, &c.verification_token_expiration_seconds);
        set(&mut settings.session_expiration_seconds, &c.session_expiration_seconds);
        set(&mut settings.otp_alphanumeric, &c.otp_alphanumeric);
        set(&mut settings.otp_length, &c.otp_length);
        set(
            &mut settings.verification_token_required_for_get_account_pii,
            &c.verification_token_required_for_get_account_pii,
        );
        set(&mut settings.social_linking_client_ids, &c.social_linking_client_ids);
        set(&mut settings.captcha_enabled, &c.captcha_enabled);
    }
}
