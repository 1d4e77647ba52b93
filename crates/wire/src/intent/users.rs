//! Users made, changed and deleted (protocol 02, section 2b).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials::api_keys;
use super::oauth::providers;
use super::{
    ApiKeyParams, ApiKeyParamsV2, AuthenticatorParams, AuthenticatorParamsV2, NewApiKey, NewOauthProvider,
    OauthProviderParams, OauthProviderParamsV2,
};
use crate::schema;
use crate::text::{Label, List};
use crate::{Contact, OtpType, Refusal, TagId, UserId};

/// `AccessType`, of the first version of `create_users`; it has no effect here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessType {
    /// `ACCESS_TYPE_WEB`
    #[serde(rename = "ACCESS_TYPE_WEB")]
    Web,
    /// `ACCESS_TYPE_API`
    #[serde(rename = "ACCESS_TYPE_API")]
    Api,
    /// `ACCESS_TYPE_ALL`
    #[serde(rename = "ACCESS_TYPE_ALL")]
    All,
}

/// A user to be made, whatever the version.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Label.
    pub name: String,
    /// Parsed address.
    pub email: Option<Contact>,
    /// Parsed number.
    pub phone: Option<Contact>,
    /// API keys.
    pub api_keys: Vec<NewApiKey>,
    /// Passkeys; the engine verifies each registration.
    pub authenticators: Vec<AuthenticatorParamsV2>,
    /// OAuth identities.
    pub oauth_providers: Vec<NewOauthProvider>,
    /// Tags, each once.
    pub tags: Vec<TagId>,
}

macro_rules! user_params {
    (
        $(#[$doc:meta])* $name:ident, keys: $key:ty
        $(, access: $access:ident)? $(, authenticators: $auth:ty)? $(, oauth: $oauth:ty)? $(, phone: $phone:ident)?
    ) => {
        wire_struct! {
            $(#[$doc])*
            $name {
                /// Label.
                user_name: Label,
                $(
                    /// Read, without effect.
                    $access: AccessType,
                )?
                /// API keys.
                api_keys: List<$key>,
                $(
                    /// Passkeys.
                    authenticators: List<$auth>,
                )?
                $(
                    /// OAuth identities.
                    oauth_providers: List<$oauth>,
                )?
                /// Tags.
                user_tags: List<TagId>,
            } optional {
                /// Address.
                #[schemars(with = "Option<schema::Email>")]
                user_email: String,
                $(
                    /// E.164 number.
                    #[schemars(with = "Option<schema::Phone>")]
                    $phone: String,
                )?
            }
        }

        impl TryFrom<$name> for NewUser {
            type Error = Refusal;

            fn try_from(p: $name) -> Result<Self, Refusal> {
                #[allow(unused_mut)]
                let mut user = NewUser {
                    name: p.user_name.into(),
                    email: p.user_email.as_deref().map(Contact::email).transpose()?,
                    phone: None,
                    api_keys: api_keys(p.api_keys.into_vec())?,
                    authenticators: Vec::new(),
                    oauth_providers: Vec::new(),
                    tags: p.user_tags.into_unique(),
                };
                $(
                    let given: List<$auth> = p.authenticators;
                    user.authenticators = given.into_vec().into_iter().map(Into::into).collect();
                )?
                $(
                    let given: List<$oauth> = p.oauth_providers;
                    user.oauth_providers = providers(given.into_vec())?;
                )?
                $(user.phone = p.$phone.as_deref().map(Contact::phone).transpose()?;)?
                Ok(user)
            }
        }
    };
}

user_params!(
    /// `UserParams`
    UserParams, keys: ApiKeyParams, access: access_type, authenticators: AuthenticatorParams
);
user_params!(
    /// `UserParamsV2`
    UserParamsV2, keys: ApiKeyParams, authenticators: AuthenticatorParamsV2
);
user_params!(
    /// `UserParamsV3`
    UserParamsV3, keys: ApiKeyParamsV2, authenticators: AuthenticatorParamsV2, oauth: OauthProviderParams,
    phone: user_phone_number
);
user_params!(
    /// `UserParamsV4`
    UserParamsV4, keys: ApiKeyParamsV2, authenticators: AuthenticatorParamsV2, oauth: OauthProviderParamsV2,
    phone: user_phone_number
);
user_params!(
    /// `ApiOnlyUserParams`
    ApiOnlyUserParams, keys: ApiKeyParams
);

/// Users to be made.
#[derive(Debug, Clone)]
pub struct CreateUsers {
    /// At least one, in the order of the result.
    pub users: Vec<NewUser>,
}

macro_rules! create_users {
    ($(#[$doc:meta])* $name:ident, $field:ident: $user:ty) => {
        wire_struct! {
            $(#[$doc])*
            $name {
                /// One or more.
                $field: List<$user, 1>,
            } optional {}
        }

        impl TryFrom<$name> for CreateUsers {
            type Error = Refusal;

            fn try_from(i: $name) -> Result<Self, Refusal> {
                let users = i.$field.into_vec().into_iter().map(NewUser::try_from).collect::<Result<_, _>>()?;
                Ok(Self { users })
            }
        }
    };
}

create_users!(
    /// `CreateUsersIntent`
    CreateUsersIntent, users: UserParams
);
create_users!(
    /// `CreateUsersIntentV2`
    CreateUsersIntentV2, users: UserParamsV2
);
create_users!(
    /// `CreateUsersIntentV3`
    CreateUsersIntentV3, users: UserParamsV3
);
create_users!(
    /// `CreateUsersIntentV4`
    CreateUsersIntentV4, users: UserParamsV4
);
create_users!(
    /// `CreateApiOnlyUsersIntent`
    CreateApiOnlyUsersIntent, api_only_users: ApiOnlyUserParams
);

wire_struct! {
    /// `UpdateUserIntent`: absent members stay as they are.
    UpdateUserIntent {
        /// The user.
        user_id: UserId,
    } optional {
        /// Label.
        user_name: Label,
        /// Address; unverified from then on.
        #[schemars(with = "Option<schema::Email>")]
        user_email: String,
        /// Replaces all tags.
        user_tag_ids: List<TagId>,
        /// E.164 number; unverified from then on.
        #[schemars(with = "Option<schema::Phone>")]
        user_phone_number: String,
    }
}

wire_struct! {
    /// `UpdateUserNameIntent`
    UpdateUserNameIntent {
        /// The user.
        user_id: UserId,
        /// Label.
        user_name: Label,
    } optional {}
}

/// A change of a user; `None` leaves a member as it is.
#[derive(Debug, Clone)]
pub struct UpdateUser {
    /// The user.
    pub user_id: UserId,
    /// Label.
    pub name: Option<String>,
    /// Address; unverified from then on.
    pub email: Option<Contact>,
    /// Number; unverified from then on.
    pub phone: Option<Contact>,
    /// All tags, each once.
    pub tags: Option<Vec<TagId>>,
}

impl TryFrom<UpdateUserIntent> for UpdateUser {
    type Error = Refusal;

    fn try_from(i: UpdateUserIntent) -> Result<Self, Refusal> {
        Ok(Self {
            user_id: i.user_id,
            name: i.user_name.map(Into::into),
            email: i.user_email.as_deref().map(Contact::email).transpose()?,
            phone: i.user_phone_number.as_deref().map(Contact::phone).transpose()?,
            tags: i.user_tag_ids.map(List::into_unique),
        })
    }
}

impl From<UpdateUserNameIntent> for UpdateUser {
    fn from(i: UpdateUserNameIntent) -> Self {
        Self { user_id: i.user_id, name: Some(i.user_name.into()), email: None, phone: None, tags: None }
    }
}

wire_struct! {
    /// `UpdateUserEmailIntent`
    UpdateUserEmailIntent {
        /// The user.
        user_id: UserId,
        /// New address; an empty text removes it.
        #[schemars(with = "schema::EmailOrNone")]
        user_email: String,
    } optional {
        /// Proves the new address, which is then verified at once.
        verification_token: String,
    }
}

wire_struct! {
    /// `UpdateUserPhoneNumberIntent`
    UpdateUserPhoneNumberIntent {
        /// The user.
        user_id: UserId,
        /// New E.164 number; an empty text removes it.
        #[schemars(with = "schema::PhoneOrNone")]
        user_phone_number: String,
    } optional {
        /// Proves the new number, which is then verified at once.
        verification_token: String,
    }
}

/// A new e-mail address or telephone number of a user, or none.
#[derive(Clone)]
pub struct UpdateContact {
    /// The user.
    pub user_id: UserId,
    /// Which of the two.
    pub kind: OtpType,
    /// `None` removes it.
    pub contact: Option<Contact>,
    /// Proves the contact, which is then verified at once.
    pub verification_token: Option<String>,
}

/// Tokens do not appear in logs.
impl std::fmt::Debug for UpdateContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpdateContact")
            .field("user_id", &self.user_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

fn update_contact(
    user_id: UserId,
    kind: OtpType,
    text: &str,
    verification_token: Option<String>,
) -> Result<UpdateContact, Refusal> {
    let contact = if text.is_empty() { None } else { Some(Contact::parse(kind, text)?) };
    Ok(UpdateContact { user_id, kind, contact, verification_token })
}

impl TryFrom<UpdateUserEmailIntent> for UpdateContact {
    type Error = Refusal;

    fn try_from(i: UpdateUserEmailIntent) -> Result<Self, Refusal> {
        update_contact(i.user_id, OtpType::Email, &i.user_email, i.verification_token)
    }
}

impl TryFrom<UpdateUserPhoneNumberIntent> for UpdateContact {
    type Error = Refusal;

    fn try_from(i: UpdateUserPhoneNumberIntent) -> Result<Self, Refusal> {
        update_contact(i.user_id, OtpType::Sms, &i.user_phone_number, i.verification_token)
    }
}

wire_struct! {
    /// `DeleteUsersIntent`
    DeleteUsersIntent {
        /// One or more users.
        user_ids: List<UserId, 1>,
    } optional {}
}

/// Users to delete, with their credentials.
#[derive(Debug, Clone)]
pub struct DeleteUsers {
    /// At least one, each once.
    pub ids: Vec<UserId>,
}

impl From<DeleteUsersIntent> for DeleteUsers {
    fn from(i: DeleteUsersIntent) -> Self {
        Self { ids: i.user_ids.into_unique() }
    }
}
