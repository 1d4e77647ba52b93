//! What a history consists of.

use serde::{Deserialize, Serialize};

/// A whole history, in the order in which its parts were recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Its first line.
    pub header: Header,
    /// Requests, by the end of their answer.
    pub events: Vec<Event>,
    /// Messages that reached the provider.
    pub deliveries: Vec<Delivery>,
    /// What was done to the servers meanwhile. For the reader; the checker does not ask.
    pub faults: Vec<Fault>,
}

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    History(Header),
    /// A request.
    Event(Box<Event>),
    /// A message that reached the provider.
    Delivery(Delivery),
    /// Something that was done to the servers.
    Fault(Fault),
}

/// What a history is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// What was tried.
    pub name: String,
    /// The nodes that were up at the end. On each of them every acknowledged write must have been read back.
    pub nodes: Vec<String>,
}

/// One request, from its sending to its answer or to the moment its sender gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Who sent it.
    pub client: String,
    /// The node it was sent to.
    pub node: String,
    /// What it asked for.
    pub operation: Operation,
    /// SHA-256 of the body that was sent, in hex.
    pub bytes: String,
    /// Microseconds from the recorder's start to its sending, by one monotonic clock for the whole history.
    pub began_us: u64,
    /// By the same clock: when the answer was complete, or the sender gave up.
    pub ended_us: u64,
    /// What came back.
    pub outcome: Outcome,
}

/// What a request asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// An account for a contact.
    CreateUser {
        /// The contact.
        contact: String,
    },
    /// A code to a contact.
    Init {
        /// The contact.
        contact: String,
        /// How long the code was asked to live, milliseconds.
        lifetime_ms: u64,
    },
    /// A guess at a code.
    Verify {
        /// The attempt, as `Init` was answered.
        otp: String,
        /// Whether it was the code that had been delivered.
        right: bool,
    },
    /// A session, by the token that a right guess was answered with.
    Login {
        /// SHA-256 of the token, in hex.
        token: String,
        /// The session's public key.
        key: String,
        /// The user's organization.
        organization: String,
    },
    /// Reads an activity back. Changes nothing.
    ReadActivity {
        /// The activity.
        activity: String,
    },
    /// Asks who the bearer of a session key is. Changes nothing.
    Whoami {
        /// The session's public key.
        key: String,
    },
}

impl Operation {
    /// The name it has in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateUser { .. } => "create_user",
            Self::Init { .. } => "init",
            Self::Verify { .. } => "verify",
            Self::Login { .. } => "login",
            Self::ReadActivity { .. } => "read_activity",
            Self::Whoami { .. } => "whoami",
        }
    }

    /// Whether it changes nothing, so that the same bytes may be answered differently at different times.
    pub fn is_query(&self) -> bool {
        match self {
            Self::CreateUser { .. } | Self::Init { .. } | Self::Verify { .. } | Self::Login { .. } => false,
            Self::ReadActivity { .. } | Self::Whoami { .. } => true,
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Status 200.
    Acknowledged(Ids),
    /// A status from 400 to 499: it had no effect but, for a guess, the try it cost.
    Refused {
        /// The status.
        status: u16,
        /// The `message` member.
        message: String,
    },
    /// 503: it may or may not have had an effect.
    Unavailable,
    /// No answer, or not the whole of it: it may or may not have had an effect.
    Lost,
    /// Any other status.
    Failed {
        /// The status.
        status: u16,
    },
}

impl Outcome {
    /// The name it has in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Acknowledged(_) => "acknowledged",
            Self::Refused { .. } => "refused",
            Self::Unavailable => "unavailable",
            Self::Lost => "lost",
            Self::Failed { .. } => "failed",
        }
    }
}

/// What an acknowledgement named. Secrets are recorded as their SHA-256 in hex.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// The activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// SHA-256 of the whole activity object, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The attempt that an `Init` made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otp: Option<String>,
    /// SHA-256 of the token that a right guess gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// SHA-256 of the session that a login gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The organization that was made, or that a session belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// A message that the provider took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Where it went.
    pub contact: String,
    /// The attempt whose code it carries.
    pub otp: String,
    /// When, by the recorder's clock.
    pub at_us: u64,
}

/// Something that was done to the servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When, by the recorder's clock.
    pub at_us: u64,
    /// What.
    pub what: String,
}
