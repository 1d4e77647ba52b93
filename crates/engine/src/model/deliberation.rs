//! What is kept of votes on an activity, and of what the policies said.

use serde::{Deserialize, Serialize};
use vestibule_wire::view::PolicyResult;
use vestibule_wire::{OrganizationId, PolicyEvaluationId, UserId, VoteId};

use super::{Method, Millis};

/// How an activity came to be allowed, or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deliberation {
    /// Votes in the order in which they came; the submitter's is the first.
    pub ballots: Vec<Ballot>,
    /// What the policies said to each.
    pub evaluations: Vec<EvaluationRecord>,
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// Id of the vote.
    pub vote_id: VoteId,
    /// Where the voter lives.
    pub organization_id: OrganizationId,
    /// The voter.
    pub user_id: UserId,
    /// Approved or rejected.
    pub approve: bool,
    /// How the voter authenticated.
    pub method: Method,
    /// The credential, as policies see it.
    pub credential: BallotCredential,
    /// Stamp key, hex.
    pub public_key: String,
    /// Stamp signature, hex.
    pub signature: String,
    /// Stamp scheme.
    pub scheme: String,
    /// The signed body; `""` in the submitter's, whose body the activity keeps.
    pub message: String,
    /// When.
    pub created_at: Millis,
}

/// The credential of a vote, with the members that a consensus expression can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BallotCredential {
    /// UUID; `""` for attested stamps, which are made with none.
    pub id: String,
    /// `CREDENTIAL_TYPE_*`; `""` likewise.
    #[serde(rename = "type")]
    pub kind: String,
    /// base64url of a passkey's credential id, else `""`.
    pub credential_id: String,
    /// Hex.
    pub public_key: String,
}

/// What every policy said when a vote came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Id of the record.
    pub id: PolicyEvaluationId,
    /// The vote.
    pub vote_id: VoteId,
    /// One per policy.
    pub policies: Vec<PolicyResult>,
    /// When.
    pub created_at: Millis,
}

/// `google.rpc.Status` of an activity that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFailure {
    /// gRPC code.
    pub code: i32,
    /// The text of the refusal.
    pub message: String,
}
