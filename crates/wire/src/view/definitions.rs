//! What organizations and users define for themselves, and what became of it: policies, tags, session profiles, MFA,
//! OAuth identities, webhook endpoints, e-mails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::{
    ActivityId, AuthenticationMethod, Effect, EmailEventId, MfaPolicyId, OauthProviderId, OrganizationId,
    PolicyEvaluationId, PolicyId, RequiredAuthenticationMethod, SessionProfileId, TagId, UserId, VoteId,
    WebhookEndpointId, WebhookSubscriptionParams,
};

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

/// `WebhookJwks`: a JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WebhookJwks {
    /// Those that sign, and those that did so lately.
    pub keys: Vec<WebhookJwk>,
}

/// `WebhookJwk`: a public key of Ed25519 (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WebhookJwk {
    /// What `X-Turnkey-Signature-Key-Id` says.
    pub kid: String,
    /// `OKP`
    pub kty: String,
    /// `Ed25519`
    pub crv: String,
    /// `EdDSA`
    pub alg: String,
    /// `sig`
    #[serde(rename = "use")]
    pub key_use: String,
    /// base64url of 32 bytes.
    pub x: String,
    /// `ed25519`
    pub turnkey_signature_algorithm: String,
    /// `v1`
    pub turnkey_signature_version: String,
}
