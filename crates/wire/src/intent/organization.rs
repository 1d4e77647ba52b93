//! create_sub_organization, V4 to V8 (protocol 02, section 2b).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::credentials::api_keys;
use super::{ApiKeyParams, ApiKeyParamsV2, ClientSignatureParams, NewApiKey};
use crate::schema;
use crate::text::{MAX_LIST, label};
use crate::{Contact, Refusal};

/// `Attestation`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// base64url of the raw credential id.
    pub credential_id: String,
    /// base64url
    pub client_data_json: String,
    /// base64url CBOR
    pub attestation_object: String,
    /// `AUTHENTICATOR_TRANSPORT_*`
    #[schemars(with = "Vec<schema::Transport>")]
    pub transports: Vec<String>,
}

/// `AuthenticatorParamsV2`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticatorParamsV2 {
    /// Label.
    #[schemars(with = "schema::LabelText")]
    pub authenticator_name: String,
    /// base64url of the registration challenge.
    #[schemars(with = "schema::Challenge")]
    pub challenge: String,
    /// What the authenticator answered.
    pub attestation: Attestation,
}

/// `OauthProviderParams`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OauthProviderParams {
    /// Label.
    #[schemars(with = "schema::LabelText")]
    pub provider_name: String,
    /// Compact JWT of the provider.
    pub oidc_token: String,
}

/// `OidcClaims`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OidcClaims {
    /// Issuer.
    pub iss: String,
    /// Subject.
    pub sub: String,
    /// Audience.
    pub aud: String,
}

/// `OauthProviderParamsV2`: either a token or claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = [{ "required": ["oidcToken"] }, { "required": ["oidcClaims"] }]))]
pub struct OauthProviderParamsV2 {
    /// Label.
    #[schemars(with = "schema::LabelText")]
    pub provider_name: String,
    /// Compact JWT of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_token: Option<String>,
    /// Claims instead of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_claims: Option<OidcClaims>,
}

/// A root user of a new organization, whatever the version.
#[derive(Debug, Clone)]
pub struct NewRootUser {
    /// Label.
    pub name: String,
    /// Parsed address.
    pub email: Option<Contact>,
    /// Parsed number.
    pub phone: Option<Contact>,
    /// API keys.
    pub api_keys: Vec<NewApiKey>,
    /// Passkeys.
    pub authenticators: Vec<AuthenticatorParamsV2>,
    /// How many OAuth providers were given; this server takes none (G-OAUTH-1).
    pub oauth_providers: usize,
    /// What a client signs of it, exactly as given (protocol 05, section 10).
    pub signed: SignedMembers,
}

/// The members of a root user that a sign-up message repeats.
#[derive(Debug, Clone, Default)]
pub struct SignedMembers {
    /// `userEmail`, untrimmed.
    pub email: Option<String>,
    /// `userPhoneNumber`, as typed.
    pub phone_number: Option<String>,
    /// `apiKeys`
    pub api_keys: Value,
    /// `authenticators`
    pub authenticators: Value,
    /// `oauthProviders`
    pub oauth_providers: Value,
}

/// A sub-organization to be made.
#[derive(Debug, Clone)]
pub struct CreateSubOrganization {
    /// Label.
    pub name: String,
    /// 1 to 100.
    pub root_users: Vec<NewRootUser>,
    /// 1 to the number of root users.
    pub threshold: u32,
    /// Features left out.
    pub disabled: DisabledFeatures,
    /// Proof of one root user's contact.
    pub verification_token: Option<String>,
    /// Proof by the token's key.
    pub client_signature: Option<ClientSignatureParams>,
    /// V8: V2 tokens only, `signupV2` messages.
    pub strict: bool,
}

/// Which of the default features a new organization does not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DisabledFeatures {
    /// FEATURE_NAME_EMAIL_RECOVERY
    pub email_recovery: bool,
    /// FEATURE_NAME_EMAIL_AUTH
    pub email_auth: bool,
    /// FEATURE_NAME_SMS_AUTH
    pub sms_auth: bool,
    /// FEATURE_NAME_OTP_EMAIL_AUTH
    pub otp_email_auth: bool,
}

macro_rules! root_user_params {
    ($name:ident, keys: $key:ty $(, oauth: $oauth:ty)? $(, phone: $phone:ident)?) => {
        #[doc = concat!("`", stringify!($name), "`")]
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Label.
            #[schemars(with = "schema::LabelText")]
            pub user_name: String,
            /// Address.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<schema::Email>")]
            pub user_email: Option<String>,
            $(
                /// E.164 number.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schemars(with = "Option<schema::Phone>")]
                pub $phone: Option<String>,
            )?
            /// API keys.
            pub api_keys: Vec<$key>,
            /// Passkeys.
            pub authenticators: Vec<AuthenticatorParamsV2>,
            $(
                /// OAuth identities.
                pub oauth_providers: Vec<$oauth>,
            )?
        }

        impl TryFrom<$name> for NewRootUser {
            type Error = Refusal;

            fn try_from(p: $name) -> Result<Self, Refusal> {
                label(&p.user_name, "userName is not a label")?;
                if p.authenticators.len() > MAX_LIST {
                    return Err(Refusal::InvalidField("a list has more than 100 entries"));
                }
                let list = |value: Result<Value, serde_json::Error>| value.map_err(|_| Refusal::BadRequestBody);
                #[allow(unused_mut)]
                let mut user = NewRootUser {
                    name: p.user_name,
                    email: p.user_email.as_deref().map(Contact::email).transpose()?,
                    phone: None,
                    signed: SignedMembers {
                        email: p.user_email.clone(),
                        phone_number: None,
                        api_keys: list(serde_json::to_value(&p.api_keys))?,
                        authenticators: list(serde_json::to_value(&p.authenticators))?,
                        oauth_providers: Value::Array(Vec::new()),
                    },
                    api_keys: api_keys(p.api_keys)?,
                    authenticators: p.authenticators,
                    oauth_providers: 0,
                };
                $(
                    user.phone = p.$phone.as_deref().map(Contact::phone).transpose()?;
                    user.signed.phone_number = p.$phone;
                )?
                $(
                    let providers: Vec<$oauth> = p.oauth_providers;
                    user.oauth_providers = providers.len();
                    user.signed.oauth_providers = list(serde_json::to_value(&providers))?;
                )?
                Ok(user)
            }
        }
    };
}

root_user_params!(RootUserParams, keys: ApiKeyParams);
root_user_params!(RootUserParamsV2, keys: ApiKeyParams, oauth: OauthProviderParams);
root_user_params!(RootUserParamsV3, keys: ApiKeyParamsV2, oauth: OauthProviderParams);
root_user_params!(RootUserParamsV4, keys: ApiKeyParamsV2, oauth: OauthProviderParams, phone: user_phone_number);
root_user_params!(RootUserParamsV5, keys: ApiKeyParamsV2, oauth: OauthProviderParamsV2, phone: user_phone_number);

macro_rules! create_sub_organization {
    ($name:ident, $user:ty, strict: $strict:literal $(, with: $($extra:ident: $extra_ty:ty),*)?) => {
        #[doc = concat!("`", stringify!($name), "`")]
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Label.
            #[schemars(with = "schema::LabelText")]
            pub sub_organization_name: String,
            /// One or more.
            #[schemars(length(min = 1, max = 100))]
            pub root_users: Vec<$user>,
            /// How many of them must approve.
            #[schemars(with = "schema::Threshold")]
            pub root_quorum_threshold: u32,
            /// Outside this product.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(skip)]
            pub wallet: Option<Value>,
            /// Leaves out FEATURE_NAME_EMAIL_RECOVERY.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub disable_email_recovery: Option<bool>,
            /// Leaves out FEATURE_NAME_EMAIL_AUTH.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub disable_email_auth: Option<bool>,
            $($(
                /// See protocol 02, section 2b.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $extra: Option<$extra_ty>,
            )*)?
        }

        impl TryFrom<$name> for CreateSubOrganization {
            type Error = Refusal;

            fn try_from(i: $name) -> Result<Self, Refusal> {
                if i.wallet.is_some() {
                    return Err(Refusal::WalletsUnsupported);
                }
                #[allow(unused_mut)]
                let mut organization = CreateSubOrganization::base(
                    i.sub_organization_name,
                    i.root_users.into_iter().map(NewRootUser::try_from).collect::<Result<_, _>>()?,
                    i.root_quorum_threshold,
                    $strict,
                )?;
                organization.disabled.email_recovery = i.disable_email_recovery.unwrap_or(false);
                organization.disabled.email_auth = i.disable_email_auth.unwrap_or(false);
                $(organization.add($(i.$extra),*);)?
                Ok(organization)
            }
        }
    };
}

create_sub_organization!(CreateSubOrganizationIntentV4, RootUserParams, strict: false);
create_sub_organization!(CreateSubOrganizationIntentV5, RootUserParamsV2, strict: false);
create_sub_organization!(CreateSubOrganizationIntentV6, RootUserParamsV3, strict: false);
create_sub_organization!(CreateSubOrganizationIntentV7, RootUserParamsV4, strict: false,
    with: disable_sms_auth: bool, disable_otp_email_auth: bool, verification_token: String,
    client_signature: ClientSignatureParams);
create_sub_organization!(CreateSubOrganizationIntentV8, RootUserParamsV5, strict: true,
    with: disable_sms_auth: bool, disable_otp_email_auth: bool, verification_token: String,
    client_signature: ClientSignatureParams);

impl CreateSubOrganization {
    fn base(
        name: String,
        root_users: Vec<NewRootUser>,
        threshold: u32,
        strict: bool,
    ) -> Result<Self, Refusal> {
        label(&name, "subOrganizationName is not a label")?;
        if root_users.is_empty() {
            return Err(Refusal::MissingQuorumUsers);
        }
        if root_users.len() > 100 {
            return Err(Refusal::InvalidField("rootUsers has more than 100 users"));
        }
        if threshold == 0 || threshold as usize > root_users.len() {
            return Err(Refusal::InvalidQuorumThreshold);
        }
        Ok(Self {
            name,
            root_users,
            threshold,
            disabled: DisabledFeatures::default(),
            verification_token: None,
            client_signature: None,
            strict,
        })
    }

    fn add(
        &mut self,
        disable_sms_auth: Option<bool>,
        disable_otp_email_auth: Option<bool>,
        verification_token: Option<String>,
        client_signature: Option<ClientSignatureParams>,
    ) {
        self.disabled.sms_auth = disable_sms_auth.unwrap_or(false);
        self.disabled.otp_email_auth = disable_otp_email_auth.unwrap_or(false);
        self.verification_token = verification_token;
        self.client_signature = client_signature;
    }
}
