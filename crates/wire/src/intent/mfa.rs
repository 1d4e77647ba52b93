//! MFA policies of users (protocol 02, sections 2c and 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policies::{MAX_EXPRESSION, MAX_NOTES};
use crate::text::{Label, List, Text};
use crate::{MethodId, MfaPolicyId, UserId};

/// `AuthenticationType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AuthenticationType {
    /// A code by e-mail, shown by an attested stamp.
    #[serde(rename = "AUTHENTICATION_TYPE_EMAIL_OTP")]
    EmailOtp,
    /// A code by SMS, shown by an attested stamp.
    #[serde(rename = "AUTHENTICATION_TYPE_SMS_OTP")]
    SmsOtp,
    /// A passkey.
    #[serde(rename = "AUTHENTICATION_TYPE_PASSKEY")]
    Passkey,
    /// An API key.
    #[serde(rename = "AUTHENTICATION_TYPE_API_KEY")]
    ApiKey,
    /// An OAuth identity.
    #[serde(rename = "AUTHENTICATION_TYPE_OAUTH")]
    Oauth,
    /// A session key.
    #[serde(rename = "AUTHENTICATION_TYPE_SESSION")]
    Session,
}

wire_struct! {
    /// `AuthenticationMethod` and `AuthenticationMethodParams`
    #[derive(PartialEq, Eq)]
    AuthenticationMethod {
        /// `AUTHENTICATION_TYPE_*`
        #[serde(rename = "type")]
        kind: AuthenticationType,
    } optional {
        /// Narrows it to one credential; for a session to one profile, the nil UUID being the default session.
        id: MethodId,
    }
}

wire_struct! {
    /// `RequiredAuthenticationMethod` and `RequiredAuthenticationMethodParams`
    #[derive(PartialEq, Eq)]
    RequiredAuthenticationMethod {
        /// One of these suffices.
        any: List<AuthenticationMethod, 1>,
    } optional {}
}

wire_struct! {
    /// `CreateMfaPolicyIntent`
    CreateMfaPolicyIntent {
        /// The user it is for.
        user_id: UserId,
        /// Label.
        mfa_policy_name: Label,
        /// Boolean expression over `activity`.
        condition: Text<MAX_EXPRESSION>,
        /// Every entry must be met.
        #[schemars(length(max = 10))]
        required_authentication_methods: List<RequiredAuthenticationMethod, 1>,
        /// Lower is evaluated first.
        #[schemars(range(min = i64::MIN, max = i64::MAX))]
        order: i64,
    } optional {
        /// Free text.
        notes: Text<MAX_NOTES>,
    }
}

/// An MFA policy to be made.
#[derive(Debug, Clone)]
pub struct NewMfaPolicy {
    /// The user it is for.
    pub user_id: UserId,
    /// Label.
    pub name: String,
    /// Expression, not empty.
    pub condition: String,
    /// At least one; every entry must be met.
    pub required: Vec<RequiredAuthenticationMethod>,
    /// Lower is evaluated first.
    pub order: i64,
    /// Not empty.
    pub notes: Option<String>,
}

impl From<CreateMfaPolicyIntent> for NewMfaPolicy {
    fn from(i: CreateMfaPolicyIntent) -> Self {
        Self {
            user_id: i.user_id,
            name: i.mfa_policy_name.into(),
            condition: i.condition.into(),
            required: i.required_authentication_methods.into_vec(),
            order: i.order,
            notes: i.notes.map(Into::into),
        }
    }
}

wire_struct! {
    /// `UpdateMfaPolicyIntent`: absent members stay as they are.
    UpdateMfaPolicyIntent {
        /// The user it is for.
        user_id: UserId,
        /// The policy.
        mfa_policy_id: MfaPolicyId,
    } optional {
        /// Label.
        mfa_policy_name: Label,
        /// Boolean expression over `activity`.
        condition: Text<MAX_EXPRESSION>,
        /// Replaces all; every entry must be met.
        #[schemars(length(max = 10))]
        required_authentication_methods: List<RequiredAuthenticationMethod, 1>,
        /// Lower is evaluated first.
        #[schemars(range(min = i64::MIN, max = i64::MAX))]
        order: i64,
        /// Free text.
        notes: Text<MAX_NOTES>,
    }
}

/// A change of an MFA policy; `None` leaves a member as it is.
#[derive(Debug, Clone)]
pub struct UpdateMfaPolicy {
    /// The user it is for.
    pub user_id: UserId,
    /// The policy.
    pub id: MfaPolicyId,
    /// Label.
    pub name: Option<String>,
    /// Expression, not empty.
    pub condition: Option<String>,
    /// At least one; every entry must be met.
    pub required: Option<Vec<RequiredAuthenticationMethod>>,
    /// Lower is evaluated first.
    pub order: Option<i64>,
    /// Not empty.
    pub notes: Option<String>,
}

impl From<UpdateMfaPolicyIntent> for UpdateMfaPolicy {
    fn from(i: UpdateMfaPolicyIntent) -> Self {
        Self {
            user_id: i.user_id,
            id: i.mfa_policy_id,
            name: i.mfa_policy_name.map(Into::into),
            condition: i.condition.map(Into::into),
            required: i.required_authentication_methods.map(List::into_vec),
            order: i.order,
            notes: i.notes.map(Into::into),
        }
    }
}

wire_struct! {
    /// `DeleteMfaPolicyIntent`
    DeleteMfaPolicyIntent {
        /// The user it is for.
        user_id: UserId,
        /// The policy.
        mfa_policy_id: MfaPolicyId,
    } optional {}
}

/// An MFA policy to delete.
#[derive(Debug, Clone, Copy)]
pub struct DeleteMfaPolicy {
    /// The user it is for.
    pub user_id: UserId,
    /// The policy.
    pub id: MfaPolicyId,
}

impl From<DeleteMfaPolicyIntent> for DeleteMfaPolicy {
    fn from(i: DeleteMfaPolicyIntent) -> Self {
        Self { user_id: i.user_id, id: i.mfa_policy_id }
    }
}
