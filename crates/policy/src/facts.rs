//! What expressions are evaluated on: the activity at hand, and who approved it with which credential.

use vestibule_wire::UserId;

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
