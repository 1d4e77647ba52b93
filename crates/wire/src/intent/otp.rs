//! Codes sent and guessed: init_otp, init_otp_auth, verify_otp (protocol 02, section 2).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EmailCustomizationParams, EmailCustomizationParamsV2, MessageOptions, SmsCustomizationParams};
use crate::schema;
use crate::text::seconds;
use crate::{Contact, ContactError, DecimalText, OtpId, OtpType, Refusal};

/// Default and greatest lifetime of a code, seconds.
pub const OTP_LIFETIME: (u32, u32) = (300, 600);
/// Default and greatest lifetime of a verification token, seconds.
pub const TOKEN_LIFETIME: (u32, u32) = (3600, 86_400);
/// Default code length; 6 to 9 are allowed.
pub const OTP_LENGTH: u8 = 9;

/// `ClientSignature` (protocol 05, section 10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSignatureParams {
    /// The key in the verification token.
    #[schemars(with = "schema::CompressedKey")]
    pub public_key: String,
    /// `CLIENT_SIGNATURE_SCHEME_API_P256`
    #[schemars(with = "schema::ClientScheme")]
    pub scheme: String,
    /// The exact text that was signed.
    pub message: String,
    /// r and s, hex.
    #[schemars(with = "schema::RawSignature")]
    pub signature: String,
}

/// Which flow an attempt belongs to; flows do not cross (G-OTP-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtpFlavour {
    /// INIT_OTP and V2, completed by VERIFY_OTP.
    Legacy,
    /// INIT_OTP_V3, completed by VERIFY_OTP_V2 with an encrypted bundle.
    Encrypted,
    /// INIT_OTP_AUTH, completed by OTP_AUTH.
    Auth,
}

/// A request for a code, whatever its version.
#[derive(Debug, Clone, PartialEq)]
pub struct InitOtp {
    /// Which flow it starts.
    pub flavour: OtpFlavour,
    /// Where the code goes.
    pub contact: Contact,
    /// 6 to 9.
    pub length: u8,
    /// Letters and digits, or digits only.
    pub alphanumeric: bool,
    /// 1 to 600 seconds.
    pub lifetime_s: u32,
    /// Message customization.
    pub options: MessageOptions,
    /// Opaque value of the caller that limits apply to.
    pub user_identifier: Option<String>,
}

macro_rules! init_otp_struct {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// `OTP_TYPE_EMAIL` or `OTP_TYPE_SMS`
            pub otp_type: OtpType,
            /// Address or E.164 number.
            pub contact: String,
            $($(#[$fdoc])* pub $field: $ty,)*
            /// SMS text.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub sms_customization: Option<SmsCustomizationParams>,
            /// Opaque value that limits apply to.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<schema::UserIdentifier>")]
            pub user_identifier: Option<String>,
            /// From address.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<schema::Email>")]
            pub send_from_email_address: Option<String>,
            /// From display name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<schema::LabelText>")]
            pub send_from_email_sender_name: Option<String>,
            /// Reply-To address.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<schema::Email>")]
            pub reply_to_email_address: Option<String>,
            /// Language of the message: a BCP 47 tag, or several as in `Accept-Language`. Not in the published API.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<schema::Languages>")]
            pub locale: Option<String>,
        }
    };
}

init_otp_struct! {
    /// `InitOtpIntent`
    InitOtpIntent {
        /// 6 to 9.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<schema::CodeLength>")]
        otp_length: Option<u32>,
        /// Email customization with `appName`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email_customization: Option<EmailCustomizationParams>,
        /// Letters and digits; default true.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alphanumeric: Option<bool>,
        /// Code lifetime.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<schema::CodeSeconds>")]
        expiration_seconds: Option<DecimalText>,
    }
}

init_otp_struct! {
    /// `InitOtpIntentV2`, `InitOtpIntentV3` and `InitOtpAuthIntentV3`, which have the same members.
    InitOtpIntentV2 {
        /// Shown in the message and its subject.
        #[schemars(with = "schema::LabelText")]
        app_name: String,
        /// 6 to 9.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<schema::CodeLength>")]
        otp_length: Option<u32>,
        /// Email customization without `appName`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email_customization: Option<EmailCustomizationParamsV2>,
        /// Letters and digits; default true.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alphanumeric: Option<bool>,
        /// Code lifetime.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<schema::CodeSeconds>")]
        expiration_seconds: Option<DecimalText>,
    }
}

init_otp_struct! {
    /// `InitOtpAuthIntent`
    InitOtpAuthIntent {
        /// Email customization with `appName`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email_customization: Option<EmailCustomizationParams>,
    }
}

init_otp_struct! {
    /// `InitOtpAuthIntentV2`
    InitOtpAuthIntentV2 {
        /// 6 to 9.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<schema::CodeLength>")]
        otp_length: Option<u32>,
        /// Email customization with `appName`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email_customization: Option<EmailCustomizationParams>,
        /// Letters and digits; default true.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alphanumeric: Option<bool>,
    }
}

/// The members in which the versions differ, as one value.
struct Differing {
    app_name: Option<String>,
    otp_length: Option<u32>,
    email: Option<EmailCustomizationParams>,
    alphanumeric: Option<bool>,
    expiration_seconds: Option<DecimalText>,
}

/// The members that all versions have.
struct Shared {
    otp_type: OtpType,
    contact: String,
    sms: Option<SmsCustomizationParams>,
    user_identifier: Option<String>,
    send_from: Option<String>,
    sender_name: Option<String>,
    reply_to: Option<String>,
    locale: Option<String>,
}

macro_rules! shared {
    ($intent:ident) => {
        Shared {
            otp_type: $intent.otp_type,
            contact: $intent.contact,
            sms: $intent.sms_customization,
            user_identifier: $intent.user_identifier,
            send_from: $intent.send_from_email_address,
            sender_name: $intent.send_from_email_sender_name,
            reply_to: $intent.reply_to_email_address,
            locale: $intent.locale,
        }
    };
}

impl TryFrom<InitOtpIntent> for InitOtp {
    type Error = Refusal;

    fn try_from(i: InitOtpIntent) -> Result<Self, Refusal> {
        let differing = Differing {
            app_name: None,
            otp_length: i.otp_length,
            email: i.email_customization.clone(),
            alphanumeric: i.alphanumeric,
            expiration_seconds: i.expiration_seconds.clone(),
        };
        init_otp(OtpFlavour::Legacy, shared!(i), differing)
    }
}

impl InitOtpIntentV2 {
    /// Reads the members for one of the three types that share this form.
    pub fn into_domain(self, flavour: OtpFlavour) -> Result<InitOtp, Refusal> {
        let i = self;
        let email = i.email_customization.as_ref().map(|e| EmailCustomizationParams {
            app_name: None,
            logo_url: e.logo_url.clone(),
            magic_link_template: e.magic_link_template.clone(),
            template_variables: e.template_variables.clone(),
            template_id: e.template_id.clone(),
        });
        let differing = Differing {
            app_name: Some(i.app_name.clone()),
            otp_length: i.otp_length,
            email,
            alphanumeric: i.alphanumeric,
            expiration_seconds: i.expiration_seconds.clone(),
        };
        init_otp(flavour, shared!(i), differing)
    }
}

impl TryFrom<InitOtpAuthIntent> for InitOtp {
    type Error = Refusal;

    fn try_from(i: InitOtpAuthIntent) -> Result<Self, Refusal> {
        let differing = Differing {
            app_name: None,
            otp_length: None,
            email: i.email_customization.clone(),
            alphanumeric: None,
            expiration_seconds: None,
        };
        init_otp(OtpFlavour::Auth, shared!(i), differing)
    }
}

impl TryFrom<InitOtpAuthIntentV2> for InitOtp {
    type Error = Refusal;

    fn try_from(i: InitOtpAuthIntentV2) -> Result<Self, Refusal> {
        let differing = Differing {
            app_name: None,
            otp_length: i.otp_length,
            email: i.email_customization.clone(),
            alphanumeric: i.alphanumeric,
            expiration_seconds: None,
        };
        init_otp(OtpFlavour::Auth, shared!(i), differing)
    }
}

fn init_otp(flavour: OtpFlavour, shared: Shared, differing: Differing) -> Result<InitOtp, Refusal> {
    let contact = Contact::parse(shared.otp_type, &shared.contact)?;
    let length = match differing.otp_length {
        None => OTP_LENGTH,
        Some(n @ 6..=9) => n as u8,
        Some(_) => return Err(Refusal::InvalidField("otpLength must be between 6 and 9")),
    };
    let lifetime_s = seconds(
        differing.expiration_seconds.as_ref(),
        OTP_LIFETIME.0,
        OTP_LIFETIME.1,
        "expirationSeconds must be between 1 and 600",
    )?;
    if shared.user_identifier.as_ref().is_some_and(|id| id.len() > 1024) {
        return Err(Refusal::InvalidField("userIdentifier is too long"));
    }
    let email = differing.email.unwrap_or_default();
    let options = MessageOptions::from_params(email, shared.sms.unwrap_or_default())?
        .with_app_name(differing.app_name)?
        .with_locale(shared.locale.as_deref())
        .with_sender(shared.send_from, shared.sender_name, shared.reply_to)?;
    Ok(InitOtp {
        flavour,
        contact,
        length,
        alphanumeric: differing.alphanumeric.unwrap_or(true),
        lifetime_s,
        options,
        user_identifier: shared.user_identifier,
    })
}

impl From<ContactError> for Refusal {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::Email => Self::InvalidEmail,
            ContactError::Phone => Self::InvalidPhone,
        }
    }
}

/// `VerifyOtpIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyOtpIntent {
    /// The attempt.
    pub otp_id: String,
    /// The code in clear text.
    pub otp_code: String,
    /// Token lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::TokenSeconds>")]
    pub expiration_seconds: Option<DecimalText>,
    /// Key to bind into the token, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::CompressedKey>")]
    pub public_key: Option<String>,
}

/// `VerifyOtpIntentV2`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyOtpIntentV2 {
    /// The attempt.
    pub otp_id: String,
    /// JSON text, protocol 05 section 7.
    pub encrypted_otp_bundle: String,
    /// Token lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::TokenSeconds>")]
    pub expiration_seconds: Option<DecimalText>,
}

/// A guess: the code itself, or a bundle that holds it.
#[derive(Clone, PartialEq, Eq)]
pub enum Guess {
    /// VERIFY_OTP and OTP_AUTH.
    Clear {
        /// As typed.
        code: String,
        /// Key to bind, hex.
        public_key: Option<String>,
    },
    /// VERIFY_OTP_V2.
    Encrypted(String),
}

/// Codes do not appear in logs.
impl fmt::Debug for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guess([redacted])")
    }
}

/// An attempt to prove a contact.
#[derive(Debug, Clone)]
pub struct VerifyOtp {
    /// `None` when the text is no UUID; such a guess fails like any wrong one (G-OTP-4).
    pub otp_id: Option<OtpId>,
    /// The guess.
    pub guess: Guess,
    /// 1 to 86400 seconds.
    pub token_lifetime_s: u32,
}

fn token_lifetime(text: Option<&DecimalText>) -> Result<u32, Refusal> {
    seconds(text, TOKEN_LIFETIME.0, TOKEN_LIFETIME.1, "expirationSeconds must be between 1 and 86400")
}

impl TryFrom<VerifyOtpIntent> for VerifyOtp {
    type Error = Refusal;

    fn try_from(i: VerifyOtpIntent) -> Result<Self, Refusal> {
        Ok(Self {
            otp_id: i.otp_id.parse().ok(),
            token_lifetime_s: token_lifetime(i.expiration_seconds.as_ref())?,
            guess: Guess::Clear { code: i.otp_code, public_key: i.public_key },
        })
    }
}

impl TryFrom<VerifyOtpIntentV2> for VerifyOtp {
    type Error = Refusal;

    fn try_from(i: VerifyOtpIntentV2) -> Result<Self, Refusal> {
        Ok(Self {
            otp_id: i.otp_id.parse().ok(),
            token_lifetime_s: token_lifetime(i.expiration_seconds.as_ref())?,
            guess: Guess::Encrypted(i.encrypted_otp_bundle),
        })
    }
}
