//! Objects of answers (protocol 00 section 5, protocol 03 section 3). Lists are always present; unset texts are left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema;
use crate::{
    ActivityId, ApiKeyId, AuthenticationMethod, AuthenticatorId, Effect, EmailEventId, Feature, MfaPolicyId,
    OauthProviderId, OrganizationId, PolicyEvaluationId, PolicyId, RequiredAuthenticationMethod,
    SessionProfileId, TagId, UserId, VoteId, WebhookEndpointId, WebhookSubscriptionParams,
};

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
    OauthIdentity => "";
}

/// `OauthProvider`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OauthProvider {
    /// UUID.
    pub provider_id: OauthProviderId,
    /// Label.
    pub provider_name: String,
    /// iss
    pub issuer: String,
    /// aud
    pub audience: String,
    /// sub
    pub subject: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// `Policy`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// UUID.
    pub policy_id: PolicyId,
    /// Label, unique in the organization.
    pub policy_name: String,
    /// What it does where it applies.
    pub effect: Effect,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Free text; may be empty.
    pub notes: String,
    /// Expression; empty when there is none.
    pub consensus: String,
    /// Expression; empty when there is none.
    pub condition: String,
    /// Expression; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// `TagType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TagType {
    /// A tag of users; there are no others here.
    #[serde(rename = "TAG_TYPE_USER")]
    User,
}

/// `v1.Tag`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// UUID.
    pub tag_id: TagId,
    /// Label, unique in the organization.
    pub tag_name: String,
    /// `TAG_TYPE_USER`
    pub tag_type: TagType,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// `Outcome`: what one policy comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// It allows.
    #[serde(rename = "OUTCOME_ALLOW")]
    Allow,
    /// It denies.
    #[serde(rename = "OUTCOME_DENY_EXPLICIT")]
    DenyExplicit,
    /// It does not apply.
    #[serde(rename = "OUTCOME_DENY_IMPLICIT")]
    DenyImplicit,
    /// It applies, and more approvals are needed.
    #[serde(rename = "OUTCOME_REQUIRES_CONSENSUS")]
    RequiresConsensus,
    /// It applies, and rejections keep its consensus from being reached.
    #[serde(rename = "OUTCOME_REJECTED")]
    Rejected,
    /// It cannot be evaluated.
    #[serde(rename = "OUTCOME_ERROR")]
    Error,
    /// It applies, and an approver must show further credentials.
    #[serde(rename = "OUTCOME_REQUIRES_AUTHENTICATORS")]
    RequiresAuthenticators,
    /// It does not apply at this time.
    #[serde(rename = "OUTCOME_TIME_INACTIVE")]
    TimeInactive,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Allow,
        Self::DenyExplicit,
        Self::DenyImplicit,
        Self::RequiresConsensus,
        Self::Rejected,
        Self::Error,
        Self::RequiresAuthenticators,
        Self::TimeInactive,
    ];

    /// `OUTCOME_...`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "OUTCOME_ALLOW",
            Self::DenyExplicit => "OUTCOME_DENY_EXPLICIT",
            Self::DenyImplicit => "OUTCOME_DENY_IMPLICIT",
            Self::RequiresConsensus => "OUTCOME_REQUIRES_CONSENSUS",
            Self::Rejected => "OUTCOME_REJECTED",
            Self::Error => "OUTCOME_ERROR",
            Self::RequiresAuthenticators => "OUTCOME_REQUIRES_AUTHENTICATORS",
            Self::TimeInactive => "OUTCOME_TIME_INACTIVE",
        }
    }
}

/// `common.v1.PolicyEvaluation`: what one policy came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResult {
    /// The policy.
    pub policy_id: PolicyId,
    /// What it came to.
    pub outcome: Outcome,
    /// Why; a member of this server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `activity.v1.PolicyEvaluation`: what all policies came to when a vote was cast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEvaluation {
    /// UUID.
    pub id: PolicyEvaluationId,
    /// The activity voted on.
    pub activity_id: ActivityId,
    /// Where it was proposed.
    pub organization_id: OrganizationId,
    /// The vote.
    pub vote_id: VoteId,
    /// One entry for each policy.
    pub policy_evaluations: Vec<PolicyResult>,
    /// When.
    pub created_at: Timestamp,
}

/// What can become of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EmailEventType {
    /// It was handed to the mail server.
    Send,
    /// It arrived.
    Delivery,
    /// It was refused for good.
    Bounce,
    /// It is tried again later.
    DeliveryDelay,
    /// Its recipient complained.
    Complaint,
}

/// `EmailEvent`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailEvent {
    /// UUID.
    pub id: EmailEventId,
    /// The organization that sent it.
    pub organization_id: OrganizationId,
    /// The message's own id.
    pub message_id: String,
    /// What became of it.
    pub event_type: EmailEventType,
    /// Sender.
    pub from_address: String,
    /// Recipient.
    pub to_address: String,
    /// Sender pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender_tenant: Option<String>,
    /// Epoch milliseconds.
    pub timestamp: String,
    /// Epoch milliseconds, unlike every other `createdAt`.
    pub created_at: String,
    /// More about it.
    pub details: EmailEventDetails,
}

/// `EmailEventDetails`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailEventDetails {
    /// Kind of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_type: Option<String>,
    /// Finer kind of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_sub_type: Option<String>,
    /// SMTP diagnostic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostic_code: Option<String>,
    /// SMTP answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_smtp_response: Option<String>,
    /// Milliseconds from sending to delivery, decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_processing_time_millis: Option<String>,
    /// Kind of the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_delay_type: Option<String>,
    /// Kind of the complaint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint_feedback_type: Option<String>,
}

/// `SessionProfile`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionProfile {
    /// UUID.
    pub session_profile_id: SessionProfileId,
    /// Label; the `session_type` of sessions with this profile.
    pub session_profile_name: String,
    /// Expression, evaluated on every activity.
    pub scope: String,
    /// The most that a session lasts, decimal text; absent when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// `MfaPolicy`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaPolicy {
    /// UUID.
    pub mfa_policy_id: MfaPolicyId,
    /// Label.
    pub mfa_policy_name: String,
    /// Expression over `activity`.
    pub condition: String,
    /// Every entry must be met.
    pub required_authentication_methods: Vec<RequiredAuthenticationMethod>,
    /// Lower is evaluated first.
    pub order: i64,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// `MfaStatus`: how far one approver is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaStatus {
    /// The policy enforced.
    pub mfa_policy_id: MfaPolicyId,
    /// The approver.
    pub user_id: UserId,
    /// Whether every entry is met.
    pub satisfied: bool,
    /// What was shown so far.
    pub satisfied_methods: Vec<AuthenticationMethod>,
    /// Every entry must be met.
    pub required_methods: Vec<RequiredAuthenticationMethod>,
}

/// `WebhookEndpointData`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointData {
    /// UUID.
    pub endpoint_id: WebhookEndpointId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// https URL.
    pub url: String,
    /// Label.
    pub name: String,
    /// Whether it is told anything.
    pub is_active: bool,
    /// What it is told of.
    pub subscriptions: Vec<WebhookSubscriptionParams>,
}
