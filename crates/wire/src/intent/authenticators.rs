//! Passkeys added and removed, and recovery (protocol 02, sections 2 and 2b).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Attestation, AuthenticatorParamsV2};
use crate::schema;
use crate::text::{Label, List};
use crate::{AuthenticatorId, Refusal, UserId};

wire_struct! {
    /// `AuthenticatorAttestationResponse`
    AuthenticatorAttestationResponse {
        /// base64url
        client_data_json: String,
        /// base64url CBOR
        attestation_object: String,
    } optional {
        /// `AUTHENTICATOR_TRANSPORT_*`
        #[schemars(with = "Option<Vec<schema::Transport>>")]
        transports: Vec<String>,
        /// `platform` or `cross-platform`
        #[schemars(with = "Option<schema::Attachment>")]
        authenticator_attachment: String,
    }
}

wire_struct! {
    /// `PublicKeyCredentialWithAttestation`
    PublicKeyCredentialWithAttestation {
        /// base64url credential id.
        id: String,
        /// `public-key`
        #[serde(rename = "type")]
        #[schemars(with = "schema::PublicKeyType")]
        credential_type: String,
        /// base64url credential id.
        raw_id: String,
        /// What the authenticator answered.
        response: AuthenticatorAttestationResponse,
        /// Not read.
        client_extension_results: Map<String, Value>,
    } optional {
        /// `platform` or `cross-platform`
        #[schemars(with = "Option<schema::Attachment>")]
        authenticator_attachment: String,
    }
}

wire_struct! {
    /// `AuthenticatorParams`, the browser's own form of a registration.
    AuthenticatorParams {
        /// Label.
        authenticator_name: Label,
        /// The passkey's user; a user that is yet to be made has no id, so that the value is not read there.
        user_id: UserId,
        /// What the browser answered.
        attestation: PublicKeyCredentialWithAttestation,
        /// base64url of the registration challenge.
        #[schemars(with = "schema::Challenge")]
        challenge: String,
    } optional {}
}

impl From<AuthenticatorParams> for AuthenticatorParamsV2 {
    fn from(p: AuthenticatorParams) -> Self {
        let response = p.attestation.response;
        Self {
            authenticator_name: p.authenticator_name.into(),
            challenge: p.challenge,
            attestation: Attestation {
                credential_id: p.attestation.raw_id,
                client_data_json: response.client_data_json,
                attestation_object: response.attestation_object,
                transports: response.transports.unwrap_or_default(),
            },
        }
    }
}

wire_struct! {
    /// `CreateAuthenticatorsIntent`
    CreateAuthenticatorsIntent {
        /// One or more passkeys.
        authenticators: List<AuthenticatorParams, 1>,
        /// Their user.
        user_id: UserId,
    } optional {}
}

wire_struct! {
    /// `CreateAuthenticatorsIntentV2`
    CreateAuthenticatorsIntentV2 {
        /// One or more passkeys.
        authenticators: List<AuthenticatorParamsV2, 1>,
        /// Their user.
        user_id: UserId,
    } optional {}
}

/// Passkeys to add to a user.
#[derive(Debug, Clone)]
pub struct CreateAuthenticators {
    /// Their user.
    pub user_id: UserId,
    /// At least one; the engine verifies each registration.
    pub authenticators: Vec<AuthenticatorParamsV2>,
}

impl TryFrom<CreateAuthenticatorsIntent> for CreateAuthenticators {
    type Error = Refusal;

    fn try_from(i: CreateAuthenticatorsIntent) -> Result<Self, Refusal> {
        let authenticators = i.authenticators.into_vec();
        if authenticators.iter().any(|a| a.user_id != i.user_id) {
            return Err(Refusal::InvalidField("an authenticator names another user"));
        }
        Ok(Self { user_id: i.user_id, authenticators: authenticators.into_iter().map(Into::into).collect() })
    }
}

impl From<CreateAuthenticatorsIntentV2> for CreateAuthenticators {
    fn from(i: CreateAuthenticatorsIntentV2) -> Self {
        Self { user_id: i.user_id, authenticators: i.authenticators.into_vec() }
    }
}

wire_struct! {
    /// `DeleteAuthenticatorsIntent`
    DeleteAuthenticatorsIntent {
        /// Their user.
        user_id: UserId,
        /// One or more passkeys.
        authenticator_ids: List<AuthenticatorId, 1>,
    } optional {}
}

/// Passkeys to take from a user.
#[derive(Debug, Clone)]
pub struct DeleteAuthenticators {
    /// Their user.
    pub user_id: UserId,
    /// At least one, each once.
    pub ids: Vec<AuthenticatorId>,
}

impl From<DeleteAuthenticatorsIntent> for DeleteAuthenticators {
    fn from(i: DeleteAuthenticatorsIntent) -> Self {
        Self { user_id: i.user_id, ids: i.authenticator_ids.into_unique() }
    }
}

wire_struct! {
    /// `RecoverUserIntent`
    RecoverUserIntent {
        /// The new passkey.
        authenticator: AuthenticatorParamsV2,
        /// Its user, who must be the caller.
        user_id: UserId,
    } optional {}
}

/// The end of a recovery: a passkey for the user who holds the recovery key.
#[derive(Debug, Clone)]
pub struct RecoverUser {
    /// Must be the caller.
    pub user_id: UserId,
    /// The new passkey; the engine verifies the registration.
    pub authenticator: AuthenticatorParamsV2,
}

impl From<RecoverUserIntent> for RecoverUser {
    fn from(i: RecoverUserIntent) -> Self {
        Self { user_id: i.user_id, authenticator: i.authenticator }
    }
}
