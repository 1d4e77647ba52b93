//! Sessions and keys that the server makes, links by e-mail, and session profiles (protocol 02, sections 2 and 2c).

use serde::{Deserialize, Serialize};

use super::policies::{MAX_EXPRESSION, MAX_NOTES};
use super::{EmailCustomizationParams, MessageOptions, SmsCustomizationParams};
use crate::schema;
use crate::text::{Label, Text};
use crate::{Contact, DecimalText, Refusal, UserId};

wire_struct! {
    /// `EmailAuthCustomizationParams`
    #[derive(PartialEq)]
    EmailAuthCustomizationParams {
        /// Shown in the message and its subject.
        #[schemars(with = "schema::LabelText")]
        app_name: String,
    } optional {
        /// PNG over https.
        #[schemars(with = "Option<schema::HttpsUrl>")]
        logo_url: String,
        /// URL with `%s` for the bundle.
        #[schemars(with = "Option<schema::MagicLink>")]
        magic_link_template: String,
        /// Text of a JSON object of strings.
        #[schemars(with = "Option<schema::JsonText>")]
        template_variables: String,
        /// Id of a stored template.
        #[schemars(with = "Option<schema::Id>")]
        template_id: String,
    }
}

impl From<EmailAuthCustomizationParams> for EmailCustomizationParams {
    fn from(p: EmailAuthCustomizationParams) -> Self {
        Self {
            app_name: Some(p.app_name),
            logo_url: p.logo_url,
            magic_link_template: p.magic_link_template,
            template_variables: p.template_variables,
            template_id: p.template_id,
        }
    }
}

wire_struct! {
    /// `EmailAuthIntent` and `EmailAuthIntentV2`, which have the same members.
    EmailAuthIntent {
        /// A user's address in the organization.
        #[schemars(with = "schema::Email")]
        email: String,
        /// Key the bundle is encrypted to, uncompressed P-256 hex.
        #[schemars(with = "schema::TargetKey")]
        target_public_key: String,
    } optional {
        /// Label of the new key.
        api_key_name: Label,
        /// Key lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// E-mail customization with `appName`.
        email_customization: EmailCustomizationParams,
        /// Removes the user's other keys of that type first.
        invalidate_existing: bool,
        /// From address.
        #[schemars(with = "Option<schema::Email>")]
        send_from_email_address: String,
        /// From display name.
        #[schemars(with = "Option<schema::LabelText>")]
        send_from_email_sender_name: String,
        /// Reply-To address.
        #[schemars(with = "Option<schema::Email>")]
        reply_to_email_address: String,
        /// Language of the message: a BCP 47 tag, or several as in `Accept-Language`. Not in the published API.
        #[schemars(with = "Option<schema::Languages>")]
        locale: String,
    }
}

wire_struct! {
    /// `EmailAuthIntentV3`
    EmailAuthIntentV3 {
        /// A user's address in the organization.
        #[schemars(with = "schema::Email")]
        email: String,
        /// Key the bundle is encrypted to, uncompressed P-256 hex.
        #[schemars(with = "schema::TargetKey")]
        target_public_key: String,
        /// E-mail customization; `appName` is required.
        email_customization: EmailAuthCustomizationParams,
    } optional {
        /// Label of the new key.
        api_key_name: Label,
        /// Key lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// Removes the user's other keys of that type first.
        invalidate_existing: bool,
        /// From address.
        #[schemars(with = "Option<schema::Email>")]
        send_from_email_address: String,
        /// From display name.
        #[schemars(with = "Option<schema::LabelText>")]
        send_from_email_sender_name: String,
        /// Reply-To address.
        #[schemars(with = "Option<schema::Email>")]
        reply_to_email_address: String,
        /// Language of the message: a BCP 47 tag, or several as in `Accept-Language`. Not in the published API.
        #[schemars(with = "Option<schema::Languages>")]
        locale: String,
    }
}

wire_struct! {
    /// `InitUserEmailRecoveryIntent`
    InitUserEmailRecoveryIntent {
        /// A user's address in the organization.
        #[schemars(with = "schema::Email")]
        email: String,
        /// Key the bundle is encrypted to, uncompressed P-256 hex.
        #[schemars(with = "schema::TargetKey")]
        target_public_key: String,
    } optional {
        /// Key lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// E-mail customization with `appName`.
        email_customization: EmailCustomizationParams,
        /// From address.
        #[schemars(with = "Option<schema::Email>")]
        send_from_email_address: String,
        /// From display name.
        #[schemars(with = "Option<schema::LabelText>")]
        send_from_email_sender_name: String,
        /// Reply-To address.
        #[schemars(with = "Option<schema::Email>")]
        reply_to_email_address: String,
        /// Language of the message: a BCP 47 tag, or several as in `Accept-Language`. Not in the published API.
        #[schemars(with = "Option<schema::Languages>")]
        locale: String,
    }
}

wire_struct! {
    /// `InitUserEmailRecoveryIntentV2`
    InitUserEmailRecoveryIntentV2 {
        /// A user's address in the organization.
        #[schemars(with = "schema::Email")]
        email: String,
        /// Key the bundle is encrypted to, uncompressed P-256 hex.
        #[schemars(with = "schema::TargetKey")]
        target_public_key: String,
        /// E-mail customization; `appName` is required.
        email_customization: EmailAuthCustomizationParams,
    } optional {
        /// Key lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// From address.
        #[schemars(with = "Option<schema::Email>")]
        send_from_email_address: String,
        /// From display name.
        #[schemars(with = "Option<schema::LabelText>")]
        send_from_email_sender_name: String,
        /// Reply-To address.
        #[schemars(with = "Option<schema::Email>")]
        reply_to_email_address: String,
        /// Language of the message: a BCP 47 tag, or several as in `Accept-Language`. Not in the published API.
        #[schemars(with = "Option<schema::Languages>")]
        locale: String,
    }
}

/// A key to be made and sent to its user by e-mail, for a login or for a recovery.
#[derive(Debug, Clone)]
pub struct EmailAuth {
    /// A user's address in the organization.
    pub email: Contact,
    /// Key the bundle is encrypted to, hex; the engine checks that it is a point.
    pub target_public_key: String,
    /// Label of the new key.
    pub api_key_name: Option<String>,
    /// As given; the operator's limit applies (D-8).
    pub expiration: Option<DecimalText>,
    /// Message customization.
    pub options: MessageOptions,
    /// Removes the user's other keys of that type first.
    pub invalidate_existing: bool,
    /// `INIT_USER_EMAIL_RECOVERY`: the key may do nothing but recover its user.
    pub recovery: bool,
}

macro_rules! email_auth {
    ($name:ident, $customization:expr, recovery: $recovery:literal $(, login: $key_name:ident $invalidate:ident)?) => {
        impl TryFrom<$name> for EmailAuth {
            type Error = Refusal;

            fn try_from(i: $name) -> Result<Self, Refusal> {
                let customization: Option<EmailCustomizationParams> = $customization(i.email_customization);
                #[allow(unused_mut)]
                let mut request = Self {
                    email: Contact::email(&i.email)?,
                    target_public_key: i.target_public_key,
                    api_key_name: None,
                    expiration: i.expiration_seconds,
                    options: MessageOptions::from_params(
                        customization.unwrap_or_default(),
                        SmsCustomizationParams::default(),
                    )?
                    .with_locale(i.locale.as_deref())
                    .with_sender(
                        i.send_from_email_address,
                        i.send_from_email_sender_name,
                        i.reply_to_email_address,
                    )?,
                    invalidate_existing: false,
                    recovery: $recovery,
                };
                $(
                    request.api_key_name = i.$key_name.map(Into::into);
                    request.invalidate_existing = i.$invalidate.unwrap_or(false);
                )?
                Ok(request)
            }
        }
    };
}

email_auth!(EmailAuthIntent, |given| given, recovery: false, login: api_key_name invalidate_existing);
email_auth!(EmailAuthIntentV3, |given: EmailAuthCustomizationParams| Some(given.into()), recovery: false, login: api_key_name invalidate_existing);
email_auth!(InitUserEmailRecoveryIntent, |given| given, recovery: true);
email_auth!(InitUserEmailRecoveryIntentV2, |given: EmailAuthCustomizationParams| Some(given.into()), recovery: true);

wire_struct! {
    /// `CreateReadWriteSessionIntent`
    CreateReadWriteSessionIntent {
        /// Key the bundle is encrypted to, uncompressed P-256 hex.
        #[schemars(with = "schema::TargetKey")]
        target_public_key: String,
        /// A user's address in the organization.
        #[schemars(with = "schema::Email")]
        email: String,
    } optional {
        /// Label of the new key.
        api_key_name: Label,
        /// Key lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
    }
}

wire_struct! {
    /// `CreateReadWriteSessionIntentV2`
    CreateReadWriteSessionIntentV2 {
        /// Key the bundle is encrypted to, uncompressed P-256 hex.
        #[schemars(with = "schema::TargetKey")]
        target_public_key: String,
    } optional {
        /// The session's user; absent: the caller.
        user_id: UserId,
        /// Label of the new key.
        api_key_name: Label,
        /// Key lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// Removes the user's other keys of that type first.
        invalidate_existing: bool,
    }
}

/// Whose session it will be.
#[derive(Debug, Clone)]
pub enum SessionOf {
    /// The user of the organization with this address.
    Email(Contact),
    /// This user.
    User(UserId),
    /// Whoever asks.
    Caller,
}

/// A session key to be made by the server.
#[derive(Debug, Clone)]
pub struct CreateReadWriteSession {
    /// Whose session.
    pub of: SessionOf,
    /// Key the bundle is encrypted to, hex; the engine checks that it is a point.
    pub target_public_key: String,
    /// Label of the new key.
    pub api_key_name: Option<String>,
    /// As given; the operator's limit applies (D-8).
    pub expiration: Option<DecimalText>,
    /// Removes the user's other keys of that type first.
    pub invalidate_existing: bool,
}

impl TryFrom<CreateReadWriteSessionIntent> for CreateReadWriteSession {
    type Error = Refusal;

    fn try_from(i: CreateReadWriteSessionIntent) -> Result<Self, Refusal> {
        Ok(Self {
            of: SessionOf::Email(Contact::email(&i.email)?),
            target_public_key: i.target_public_key,
            api_key_name: i.api_key_name.map(Into::into),
            expiration: i.expiration_seconds,
            invalidate_existing: false,
        })
    }
}

impl From<CreateReadWriteSessionIntentV2> for CreateReadWriteSession {
    fn from(i: CreateReadWriteSessionIntentV2) -> Self {
        Self {
            of: i.user_id.map_or(SessionOf::Caller, SessionOf::User),
            target_public_key: i.target_public_key,
            api_key_name: i.api_key_name.map(Into::into),
            expiration: i.expiration_seconds,
            invalidate_existing: i.invalidate_existing.unwrap_or(false),
        }
    }
}

wire_struct! {
    /// `CreateSessionProfileIntent`
    CreateSessionProfileIntent {
        /// Label; becomes the `session_type` of sessions with this profile.
        session_profile_name: Label,
        /// Boolean expression over `activity`, evaluated on every activity.
        scope: Text<MAX_EXPRESSION>,
    } optional {
        /// The most that a session with this profile lasts.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// Free text.
        notes: Text<MAX_NOTES>,
    }
}

/// A session profile to be made; it never changes.
#[derive(Debug, Clone)]
pub struct CreateSessionProfile {
    /// Label, none of the names of standard sessions (G-SESS-5).
    pub name: String,
    /// Expression, not empty.
    pub scope: String,
    /// As given; the operator's limit applies (D-8).
    pub expiration: Option<DecimalText>,
    /// Not empty.
    pub notes: Option<String>,
}

impl TryFrom<CreateSessionProfileIntent> for CreateSessionProfile {
    type Error = Refusal;

    fn try_from(i: CreateSessionProfileIntent) -> Result<Self, Refusal> {
        let name = String::from(i.session_profile_name);
        if name.starts_with("SESSION_TYPE_") {
            return Err(Refusal::InvalidField("sessionProfileName must not begin with SESSION_TYPE_"));
        }
        Ok(Self {
            name,
            scope: i.scope.into(),
            expiration: i.expiration_seconds,
            notes: i.notes.map(Into::into),
        })
    }
}
