//! What expressions are evaluated on: the activity at hand, and who approved it with which credential.

use vestibule_wire::{ActivityType, Intent, UserId};

/// The root `activity` of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityFacts {
    /// The full type as submitted, `ACTIVITY_TYPE_OTP_LOGIN_V2`.
    pub activity_type: &'static str,
    /// The name without prefix and version, `OTP_LOGIN`.
    pub kind: &'static str,
    /// `AUTH`, `OTP`, ...; the empty string for activities that have none (protocol 02, section 1.1).
    pub resource: &'static str,
    /// `CREATE`, `VERIFY`, `UPDATE` or `DELETE`; the empty string where there is no resource.
    pub action: &'static str,
    /// The published parameters that this activity has.
    pub params: Params,
}

impl ActivityFacts {
    /// The facts about an activity of this type with these parameters.
    pub fn of(activity_type: ActivityType, params: Params) -> Self {
        let (resource, action) = match activity_type.resource_action() {
            Some((resource, action)) => (resource.as_str(), action.as_str()),
            None => ("", ""),
        };
        Self { activity_type: activity_type.name(), kind: activity_type.kind(), resource, action, params }
    }

    /// The facts about an activity as it was submitted.
    pub fn about(activity_type: ActivityType, intent: &Intent) -> Self {
        Self::of(activity_type, Params::about(activity_type, intent))
    }
}

/// `activity.params`: the published fields. `None`: this activity does not have it, and naming it is an evaluation error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    /// Users that DELETE_USERS names.
    pub user_ids: Option<Vec<String>>,
    /// The user whose API keys are created or deleted.
    pub user_id: Option<String>,
    /// Keys that DELETE_API_KEYS names.
    pub api_key_ids: Option<Vec<String>>,
    /// The code length that INIT_OTP_AUTH asks for.
    pub otp_length: Option<i64>,
    /// The session profile that a login asks for.
    pub session_profile_id: Option<String>,
    /// The webhook endpoint that is updated or deleted.
    pub endpoint_id: Option<String>,
}

impl Params {
    /// The published parameters of an activity (protocol 02, section 1.1). One that the request left out is absent, but for
    /// a code length, which has a default.
    pub fn about(activity_type: ActivityType, intent: &Intent) -> Self {
        let mut params = Self::default();
        match intent {
            Intent::DeleteUsers(users) => {
                params.user_ids = Some(users.ids.iter().map(ToString::to_string).collect());
            }
            Intent::CreateApiKeys(keys) => params.user_id = Some(keys.user_id.to_string()),
            Intent::DeleteApiKeys(keys) => {
                params.user_id = Some(keys.user_id.to_string());
                params.api_key_ids = Some(keys.ids.iter().map(ToString::to_string).collect());
            }
            Intent::InitOtp(otp)
                if matches!(activity_type, ActivityType::InitOtpAuthV2 | ActivityType::InitOtpAuthV3) =>
            {
                params.otp_length = Some(i64::from(otp.length));
            }
            Intent::OtpLogin(login) => {
                params.session_profile_id.clone_from(&login.session.session_profile_id)
            }
            Intent::StampLogin(login) => {
                params.session_profile_id.clone_from(&login.session.session_profile_id)
            }
            Intent::UpdateWebhookEndpoint(endpoint) => params.endpoint_id = Some(endpoint.id.to_string()),
            Intent::DeleteWebhookEndpoint(endpoint) => params.endpoint_id = Some(endpoint.id.to_string()),
            _ => {}
        }
        params
    }
}

/// A `User` of the consensus language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// Compared as lower-case text.
    pub id: UserId,
    /// Ids of the user's tags, lower case.
    pub tags: Vec<String>,
    /// The e-mail address, or the empty string.
    pub email: String,
    /// The user's name.
    pub alias: String,
}

/// A `Credential` of the consensus language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFacts {
    /// Id of the API key or authenticator, lower case.
    pub id: String,
    /// Whose it is.
    pub user_id: UserId,
    /// `CREDENTIAL_TYPE_...`.
    pub credential_type: String,
    /// A passkey's credential id, base64url; the empty string for every other credential.
    pub credential_id: String,
    /// Hexadecimal.
    pub public_key: String,
}

/// Who approved, and with what: the roots `approvers` and `credentials` of a consensus.
#[derive(Debug, Clone, Default)]
pub struct Approvals<'a> {
    /// Each user once.
    pub approvers: Vec<&'a Approver>,
    /// Each credential once.
    pub credentials: Vec<&'a CredentialFacts>,
}
