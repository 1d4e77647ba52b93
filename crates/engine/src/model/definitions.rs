//! What an organization and its users define: policies, session profiles, tags, MFA policies.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vestibule_wire::{
    AuthenticationMethod, AuthenticationType, Effect, MfaPolicyId, OrganizationId,
    RequiredAuthenticationMethod,
};

use super::Millis;

/// What a [`Definition`] defines. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefinitionKind {
    /// A policy; its body is a [`PolicyBody`].
    Policy = 1,
    /// A session profile; its body is a [`SessionProfileBody`].
    SessionProfile = 2,
    /// A user tag; its body is [`UserTagBody`].
    UserTag = 3,
}

impl DefinitionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Policy, Self::SessionProfile, Self::UserTag];

    /// How it is stored.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// Reads what is stored.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// One thing an organization defines for itself. Its name is unique among those of its kind there. Changes are guarded by
/// the organization's version, so that limits and names may be judged on what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Which kind.
    pub kind: DefinitionKind,
    /// Id.
    pub id: Uuid,
    /// Label.
    pub name: String,
    /// JSON; see [`DefinitionKind`].
    pub body: String,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

impl Definition {
    /// Reads the body; `None` where it is not that of the kind.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.body).ok()
    }
}

/// JSON of a body.
pub fn body<T: Serialize>(body: &T) -> String {
    // Texts, numbers and lists of them.
    serde_json::to_string(body).expect("a definition is representable in JSON")
}

/// What a policy says (protocol 02, section 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyBody {
    /// What it does where it applies.
    pub effect: Effect,
    /// Boolean expression over the activity; `""` always holds.
    pub condition: String,
    /// Boolean expression over the approvers; `""` is the single caller.
    pub consensus: String,
    /// Boolean expression over the time; absent always holds.
    pub time: Option<String>,
    /// Free text.
    pub notes: String,
}

/// What a session profile says (protocol 02, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionProfileBody {
    /// Boolean expression evaluated for each activity of the session.
    pub scope: String,
    /// Ceiling of the session's lifetime.
    pub expiration_seconds: Option<u32>,
    /// Free text.
    pub notes: Option<String>,
}

/// A user tag has a name and no more; users carry the tags' ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTagBody {}

/// An MFA policy of a user (protocol 02, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaPolicy {
    /// Id.
    pub id: MfaPolicyId,
    /// Label.
    pub name: String,
    /// Boolean expression over the activity.
    pub condition: String,
    /// All of these must be met, each by any of its methods.
    pub required: Vec<RequiredAuthenticationMethod>,
    /// Lower ones are looked at first.
    pub order: i64,
    /// Free text.
    pub notes: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

/// How a voter authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// Which way.
    #[serde(rename = "type")]
    pub kind: AuthenticationType,
    /// The credential; of a session its profile, or the nil UUID.
    pub id: Option<Uuid>,
}

impl Method {
    /// Whether it meets a demand of an MFA policy.
    pub fn meets(&self, demand: &AuthenticationMethod) -> bool {
        self.kind == demand.kind && demand.id.is_none_or(|id| self.id == Some(id.0))
    }
}

/// When and how the user of a session authenticated; refreshing keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// When.
    pub at: Millis,
    /// How.
    pub method: AuthenticationType,
}

/// An OAuth identity of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthIdentity {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`
    pub audience: String,
}

impl OauthIdentity {
    /// The look-up bytes of its credential: a hash over all three.
    pub fn lookup(&self) -> Vec<u8> {
        let text = serde_json::json!([self.issuer, self.subject, self.audience]).to_string();
        vestibule_crypto::fingerprint::sha256(text.as_bytes()).to_vec()
    }
}
