//! OAuth identities and logins (protocol 02, section 2b; G-OAUTH-1).

use serde::{Deserialize, Serialize};

use super::{OauthProviderParams, OauthProviderParamsV2, OidcClaims};
use crate::schema;
use crate::text::{Label, List, label};
use crate::{DecimalText, OauthProviderId, Refusal, UserId};

/// An OAuth identity to be stored.
#[derive(Debug, Clone)]
pub struct NewOauthProvider {
    /// Label.
    pub name: String,
    /// What says whose identity it is.
    pub identity: OauthIdentity,
}

/// How an OAuth identity is named.
#[derive(Clone)]
pub enum OauthIdentity {
    /// Compact JWT of the provider.
    Token(String),
    /// Claims, which count only beside a verified token.
    Claims(OidcClaims),
}

/// Tokens do not appear in logs.
impl std::fmt::Debug for OauthIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OauthIdentity([redacted])")
    }
}

impl TryFrom<OauthProviderParams> for NewOauthProvider {
    type Error = Refusal;

    fn try_from(p: OauthProviderParams) -> Result<Self, Refusal> {
        label(&p.provider_name, "providerName is not a label")?;
        Ok(Self { name: p.provider_name, identity: OauthIdentity::Token(p.oidc_token) })
    }
}

impl TryFrom<OauthProviderParamsV2> for NewOauthProvider {
    type Error = Refusal;

    fn try_from(p: OauthProviderParamsV2) -> Result<Self, Refusal> {
        label(&p.provider_name, "providerName is not a label")?;
        let identity = match (p.oidc_token, p.oidc_claims) {
            (Some(token), None) => OauthIdentity::Token(token),
            (None, Some(claims)) => OauthIdentity::Claims(claims),
            (None, None) | (Some(_), Some(_)) => {
                return Err(Refusal::InvalidField("an OAuth provider has either oidcToken or oidcClaims"));
            }
        };
        Ok(Self { name: p.provider_name, identity })
    }
}

wire_struct! {
    /// `CreateOauthProvidersIntent`
    CreateOauthProvidersIntent {
        /// Their user.
        user_id: UserId,
        /// One or more identities.
        oauth_providers: List<OauthProviderParams, 1>,
    } optional {}
}

wire_struct! {
    /// `CreateOauthProvidersIntentV2`
    CreateOauthProvidersIntentV2 {
        /// Their user.
        user_id: UserId,
        /// One or more identities.
        oauth_providers: List<OauthProviderParamsV2, 1>,
    } optional {}
}

/// OAuth identities to add to a user.
#[derive(Debug, Clone)]
pub struct CreateOauthProviders {
    /// Their user.
    pub user_id: UserId,
    /// At least one.
    pub providers: Vec<NewOauthProvider>,
}

pub(super) fn providers<P>(params: Vec<P>) -> Result<Vec<NewOauthProvider>, Refusal>
where
    NewOauthProvider: TryFrom<P, Error = Refusal>,
{
    params.into_iter().map(NewOauthProvider::try_from).collect()
}

impl TryFrom<CreateOauthProvidersIntent> for CreateOauthProviders {
    type Error = Refusal;

    fn try_from(i: CreateOauthProvidersIntent) -> Result<Self, Refusal> {
        Ok(Self { user_id: i.user_id, providers: providers(i.oauth_providers.into_vec())? })
    }
}

impl TryFrom<CreateOauthProvidersIntentV2> for CreateOauthProviders {
    type Error = Refusal;

    fn try_from(i: CreateOauthProvidersIntentV2) -> Result<Self, Refusal> {
        Ok(Self { user_id: i.user_id, providers: providers(i.oauth_providers.into_vec())? })
    }
}

wire_struct! {
    /// `DeleteOauthProvidersIntent`
    DeleteOauthProvidersIntent {
        /// Their user.
        user_id: UserId,
        /// One or more identities.
        provider_ids: List<OauthProviderId, 1>,
    } optional {}
}

/// OAuth identities to take from a user.
#[derive(Debug, Clone)]
pub struct DeleteOauthProviders {
    /// Their user.
    pub user_id: UserId,
    /// At least one, each once.
    pub ids: Vec<OauthProviderId>,
}

impl From<DeleteOauthProvidersIntent> for DeleteOauthProviders {
    fn from(i: DeleteOauthProvidersIntent) -> Self {
        Self { user_id: i.user_id, ids: i.provider_ids.into_unique() }
    }
}

wire_struct! {
    /// `OauthIntent`
    OauthIntent {
        /// Compact JWT of the provider.
        oidc_token: String,
        /// Key the credential bundle is encrypted to, hex.
        #[schemars(with = "schema::TargetKey")]
        target_public_key: String,
    } optional {
        /// Label of the new key.
        api_key_name: Label,
        /// Key lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// Removes the user's other keys of that type first.
        invalidate_existing: bool,
    }
}

wire_struct! {
    /// `OauthLoginIntent`
    OauthLoginIntent {
        /// Compact JWT of the provider.
        oidc_token: String,
        /// The session key, hex.
        #[schemars(with = "schema::CompressedKey")]
        public_key: String,
    } optional {
        /// Session lifetime.
        #[schemars(with = "Option<schema::Seconds>")]
        expiration_seconds: DecimalText,
        /// Removes the user's other session keys first.
        invalidate_existing: bool,
        /// A session profile.
        #[schemars(with = "Option<schema::Id>")]
        session_profile_id: String,
    }
}

wire_struct! {
    /// `Oauth2AuthenticateIntent`
    Oauth2AuthenticateIntent {
        /// Which stored client of an OAuth 2.0 provider.
        oauth2_credential_id: String,
        /// Authorization code.
        auth_code: String,
        /// As used in the redirect.
        redirect_uri: String,
        /// PKCE verifier.
        code_verifier: String,
        /// Hex SHA-256 of the session public key.
        nonce: String,
    } optional {
        /// P-256 key for the encrypted provider token.
        bearer_token_target_public_key: String,
    }
}
