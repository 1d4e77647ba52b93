//! Policies (protocol 02, section 2c). Their expressions are texts here; the engine compiles them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PolicyId;
use crate::text::{Label, List, Text};

/// The most bytes of an expression.
pub const MAX_EXPRESSION: usize = 8192;
/// The most bytes of notes.
pub const MAX_NOTES: usize = 4096;

/// `Effect`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Effect {
    /// `EFFECT_ALLOW`
    #[serde(rename = "EFFECT_ALLOW")]
    Allow,
    /// `EFFECT_DENY`
    #[serde(rename = "EFFECT_DENY")]
    Deny,
}

impl Effect {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "EFFECT_ALLOW",
            Self::Deny => "EFFECT_DENY",
        }
    }
}

wire_struct! {
    /// `CreatePolicyIntentV3`
    #[schemars(extend("anyOf" = [{ "required": ["condition"] }, { "required": ["consensus"] }]))]
    CreatePolicyIntentV3 {
        /// Label, unique in the organization.
        policy_name: Label,
        /// `EFFECT_ALLOW` or `EFFECT_DENY`
        effect: Effect,
    } optional {
        /// Boolean expression over `activity`; absent: it always applies.
        condition: Text<MAX_EXPRESSION>,
        /// Boolean expression over `approvers` and `credentials`; absent: the caller suffices.
        consensus: Text<MAX_EXPRESSION>,
        /// Free text.
        notes: Text<MAX_NOTES>,
        /// Boolean expression over `time`; absent: at all times.
        time: Text<MAX_EXPRESSION>,
    }
}

/// A policy to be made.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// Label, unique in the organization.
    pub name: String,
    /// What it does where it applies.
    pub effect: Effect,
    /// Expression, not empty.
    pub condition: Option<String>,
    /// Expression, not empty.
    pub consensus: Option<String>,
    /// Expression, not empty.
    pub time: Option<String>,
    /// May be empty.
    pub notes: String,
}

impl From<CreatePolicyIntentV3> for NewPolicy {
    fn from(i: CreatePolicyIntentV3) -> Self {
        Self {
            name: i.policy_name.into(),
            effect: i.effect,
            condition: i.condition.map(Into::into),
            consensus: i.consensus.map(Into::into),
            time: i.time.map(Into::into),
            notes: i.notes.map(Into::into).unwrap_or_default(),
        }
    }
}

wire_struct! {
    /// `CreatePoliciesIntent`
    CreatePoliciesIntent {
        /// One or more.
        policies: List<CreatePolicyIntentV3, 1>,
    } optional {}
}

/// Policies to be made, all or none.
#[derive(Debug, Clone)]
pub struct CreatePolicies {
    /// At least one, in the order of the result.
    pub policies: Vec<NewPolicy>,
    /// Whether the result is that of `create_policy`, with one id.
    pub single: bool,
}

impl From<CreatePolicyIntentV3> for CreatePolicies {
    fn from(i: CreatePolicyIntentV3) -> Self {
        Self { policies: vec![i.into()], single: true }
    }
}

impl From<CreatePoliciesIntent> for CreatePolicies {
    fn from(i: CreatePoliciesIntent) -> Self {
        Self { policies: i.policies.into_vec().into_iter().map(Into::into).collect(), single: false }
    }
}

wire_struct! {
    /// `UpdatePolicyIntent`: absent members stay as they are.
    UpdatePolicyIntent {
        /// The policy.
        policy_id: PolicyId,
    } optional {
        /// Label, unique in the organization.
        policy_name: Label,
        /// `EFFECT_ALLOW` or `EFFECT_DENY`
        policy_effect: Effect,
        /// Boolean expression over `activity`.
        policy_condition: Text<MAX_EXPRESSION>,
        /// Boolean expression over `approvers` and `credentials`.
        policy_consensus: Text<MAX_EXPRESSION>,
        /// Free text.
        policy_notes: Text<MAX_NOTES>,
    }
}

wire_struct! {
    /// `UpdatePolicyIntentV2`: absent members stay as they are.
    UpdatePolicyIntentV2 {
        /// The policy.
        policy_id: PolicyId,
    } optional {
        /// Label, unique in the organization.
        policy_name: Label,
        /// `EFFECT_ALLOW` or `EFFECT_DENY`
        policy_effect: Effect,
        /// Boolean expression over `activity`.
        policy_condition: Text<MAX_EXPRESSION>,
        /// Boolean expression over `approvers` and `credentials`.
        policy_consensus: Text<MAX_EXPRESSION>,
        /// Free text.
        policy_notes: Text<MAX_NOTES>,
        /// Boolean expression over `time`.
        time: Text<MAX_EXPRESSION>,
    }
}

/// A change of a policy; `None` leaves a member as it is.
#[derive(Debug, Clone)]
pub struct UpdatePolicy {
    /// The policy.
    pub id: PolicyId,
    /// Label, unique in the organization.
    pub name: Option<String>,
    /// What it does where it applies.
    pub effect: Option<Effect>,
    /// Expression, not empty.
    pub condition: Option<String>,
    /// Expression, not empty.
    pub consensus: Option<String>,
    /// Expression, not empty.
    pub time: Option<String>,
    /// Not empty.
    pub notes: Option<String>,
}

impl From<UpdatePolicyIntentV2> for UpdatePolicy {
    fn from(i: UpdatePolicyIntentV2) -> Self {
        Self {
            id: i.policy_id,
            name: i.policy_name.map(Into::into),
            effect: i.policy_effect,
            condition: i.policy_condition.map(Into::into),
            consensus: i.policy_consensus.map(Into::into),
            time: i.time.map(Into::into),
            notes: i.policy_notes.map(Into::into),
        }
    }
}

impl From<UpdatePolicyIntent> for UpdatePolicy {
    fn from(i: UpdatePolicyIntent) -> Self {
        UpdatePolicyIntentV2 {
            policy_id: i.policy_id,
            policy_name: i.policy_name,
            policy_effect: i.policy_effect,
            policy_condition: i.policy_condition,
            policy_consensus: i.policy_consensus,
            policy_notes: i.policy_notes,
            time: None,
        }
        .into()
    }
}

wire_struct! {
    /// `DeletePolicyIntent`
    DeletePolicyIntent {
        /// The policy.
        policy_id: PolicyId,
    } optional {}
}

wire_struct! {
    /// `DeletePoliciesIntent`
    DeletePoliciesIntent {
        /// One or more policies.
        policy_ids: List<PolicyId, 1>,
    } optional {}
}

/// Policies to delete, all or none.
#[derive(Debug, Clone)]
pub struct DeletePolicies {
    /// At least one, each once.
    pub ids: Vec<PolicyId>,
    /// Whether the result is that of `delete_policy`, with one id.
    pub single: bool,
}

impl From<DeletePolicyIntent> for DeletePolicies {
    fn from(i: DeletePolicyIntent) -> Self {
        Self { ids: vec![i.policy_id], single: true }
    }
}

impl From<DeletePoliciesIntent> for DeletePolicies {
    fn from(i: DeletePoliciesIntent) -> Self {
        Self { ids: i.policy_ids.into_unique(), single: false }
    }
}
