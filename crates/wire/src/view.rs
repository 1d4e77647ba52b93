//! Objects of answers (protocol 00 section 5, protocol 03 section 3). Lists are always present; unset texts are left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod definitions;

pub use definitions::*;

use crate::schema;
use crate::{ActivityId, ApiKeyId, AuthenticatorId, Feature, OrganizationId, TagId, UserId, VoteId};

/// `Timestamp`: seconds and nanoseconds as decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timestamp {
    /// Epoch seconds.
    pub seconds: String,
    /// Nanoseconds within the second.
    pub nanos: String,
}

impl Timestamp {
    /// From epoch milliseconds.
    pub fn from_millis(ms: i64) -> Self {
        Self {
            seconds: ms.div_euclid(1000).to_string(),
            nanos: (ms.rem_euclid(1000) * 1_000_000).to_string(),
        }
    }
}

/// `ActivityStatus`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActivityStatus {
    /// Done.
    #[serde(rename = "ACTIVITY_STATUS_COMPLETED")]
    Completed,
    /// Execution failed after it was approved.
    #[serde(rename = "ACTIVITY_STATUS_FAILED")]
    Failed,
    /// Waiting for votes.
    #[serde(rename = "ACTIVITY_STATUS_CONSENSUS_NEEDED")]
    ConsensusNeeded,
    /// Voted down.
    #[serde(rename = "ACTIVITY_STATUS_REJECTED")]
    Rejected,
    /// Waiting for further credentials of a voter.
    #[serde(rename = "ACTIVITY_STATUS_AUTHENTICATORS_NEEDED")]
    AuthenticatorsNeeded,
    /// Accepted in the schema's filters; never produced.
    #[serde(rename = "ACTIVITY_STATUS_CREATED")]
    Created,
    /// Accepted in the schema's filters; never produced.
    #[serde(rename = "ACTIVITY_STATUS_PENDING")]
    Pending,
}

/// `Activity`
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// UUID.
    pub id: ActivityId,
    /// The organization acted on; a sub-organization that a parent id was resolved to (G-ENV-6).
    pub organization_id: OrganizationId,
    /// Status.
    pub status: ActivityStatus,
    /// The type submitted.
    #[serde(rename = "type")]
    #[schemars(with = "schema::ActivityTypeName")]
    pub activity_type: String,
    /// As submitted.
    pub timestamp_ms: String,
    /// One member, named by the type.
    #[schemars(schema_with = "schema::intent")]
    pub intent: Value,
    /// One member on success, else `{}`.
    #[schemars(schema_with = "schema::result")]
    pub result: Value,
    /// The submitter's approval first.
    pub votes: Vec<Vote>,
    /// Always empty (G-PROOF-1).
    pub app_proofs: [(); 0],
    /// `sha256:` and hex.
    pub fingerprint: String,
    /// Whether the caller may still approve.
    pub can_approve: bool,
    /// Whether the caller may still reject.
    pub can_reject: bool,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// `google.rpc.Status`, when it failed.
    pub failure: Option<Failure>,
}

/// `google.rpc.Status`
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Failure {
    /// gRPC code.
    pub code: i32,
    /// Text.
    pub message: String,
    /// Always empty.
    pub details: [(); 0],
}

/// The body of every error.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody<'a> {
    /// gRPC code.
    pub code: u8,
    /// Text; see the list of all of them.
    pub message: String,
    /// More about it; may be empty.
    pub details: Vec<Value>,
    /// Empty when there is none.
    pub turnkey_error_code: &'a str,
}

/// `Vote`
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    /// UUID.
    pub id: VoteId,
    /// The voter.
    pub user_id: UserId,
    /// The voter in full.
    pub user: User,
    /// The activity voted on.
    pub activity_id: ActivityId,
    /// For or against.
    pub selection: VoteSelection,
    /// The body the voter signed; empty where it carried a secret (D-11).
    pub message: String,
    /// The voter's key, hex.
    pub public_key: String,
    /// The stamp's signature, hex.
    pub signature: String,
    /// The stamp's scheme.
    pub scheme: String,
    /// When.
    pub created_at: Timestamp,
}

/// `VOTE_SELECTION_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VoteSelection {
    /// For.
    #[serde(rename = "VOTE_SELECTION_APPROVED")]
    Approved,
    /// Against.
    #[serde(rename = "VOTE_SELECTION_REJECTED")]
    Rejected,
}

/// `User`
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// UUID.
    pub user_id: UserId,
    /// Label.
    pub user_name: String,
    /// Address as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_email: Option<String>,
    /// E.164 number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_phone_number: Option<String>,
    /// Passkeys.
    pub authenticators: Vec<Authenticator>,
    /// API keys that have not expired.
    pub api_keys: Vec<ApiKey>,
    /// Tag ids.
    pub user_tags: Vec<TagId>,
    /// OAuth identities.
    pub oauth_providers: Vec<OauthProvider>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// MFA policies.
    pub mfa_policies: Vec<MfaPolicy>,
}

/// `ApiKey`
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Key and type.
    pub credential: Credential,
    /// UUID.
    pub api_key_id: ApiKeyId,
    /// Label.
    pub api_key_name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Lifetime from `created_at` on; absent for long-lived keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<String>,
}

/// `Authenticator`
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authenticator {
    /// `AUTHENTICATOR_TRANSPORT_*`
    #[schemars(with = "Vec<schema::Transport>")]
    pub transports: Vec<String>,
    /// Attestation format.
    pub attestation_type: String,
    /// UUID of the model.
    pub aaguid: String,
    /// base64url of the raw credential id.
    pub credential_id: String,
    /// May be empty.
    pub model: String,
    /// Key and type.
    pub credential: Credential,
    /// UUID.
    pub authenticator_id: AuthenticatorId,
    /// Label.
    pub authenticator_name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// `Credential`
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Hex, lower case, compressed.
    pub public_key: String,
    /// `CREDENTIAL_TYPE_*`
    #[serde(rename = "type")]
    #[schemars(with = "CredentialType")]
    pub credential_type: String,
    /// Only on session keys made with a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_profile_id: Option<String>,
}

/// `Config`
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Config {
    /// As stored.
    pub features: Vec<Feature>,
    /// Root quorum.
    pub quorum: Quorum,
}

/// `Quorum`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quorum {
    /// 1 to the number of users.
    pub threshold: u32,
    /// Root users.
    pub user_ids: Vec<UserId>,
}

macro_rules! credential_types {
    ($($(#[$doc:meta])* $variant:ident => $name:literal;)*) => {
        /// `CREDENTIAL_TYPE_*`
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum CredentialType {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl CredentialType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Finds a type by its name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

credential_types! {
    /// A passkey.
    WebauthnAuthenticator => "CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR";
    /// A P-256 API key.
    ApiKeyP256 => "CREDENTIAL_TYPE_API_KEY_P256";
    /// A secp256k1 API key.
    ApiKeySecp256k1 => "CREDENTIAL_TYPE_API_KEY_SECP256K1";
    /// An Ed25519 API key.
    ApiKeyEd25519 => "CREDENTIAL_TYPE_API_KEY_ED25519";
    /// A key made by OTP_AUTH.
    OtpAuthKeyP256 => "CREDENTIAL_TYPE_OTP_AUTH_KEY_P256";
    /// A session key.
    Login => "CREDENTIAL_TYPE_LOGIN";
    /// A key made by INIT_USER_EMAIL_RECOVERY, which can only recover its user.
    RecoverUserKeyP256 => "CREDENTIAL_TYPE_RECOVER_USER_KEY_P256";
    /// A key made by EMAIL_AUTH.
    EmailAuthKeyP256 => "CREDENTIAL_TYPE_EMAIL_AUTH_KEY_P256";
    /// A key made by CREATE_READ_WRITE_SESSION.
    ReadWriteSessionKeyP256 => "CREDENTIAL_TYPE_READ_WRITE_SESSION_KEY_P256";
    /// A key made by OAUTH; never made here (G-OAUTH-1).
    OauthKeyP256 => "CREDENTIAL_TYPE_OAUTH_KEY_P256";
    /// An OAuth identity, which is stored like a credential and is none: it never goes over the wire.
    #[serde(skip)]
    OauthIdentity => "(an OAuth identity)";
}
