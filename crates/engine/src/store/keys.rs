//! What the table of the server's own keys takes, and how everything sealed is found.

use uuid::Uuid;
use vestibule_crypto::keyset::{KeyRole, KeyState};

/// A change of the key table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyWrite {
    /// A new key. Guard: none has its id.
    Insert(NewServerKey),
    /// Changes the state of a key. Guard: its version is still the one that was read.
    SetState {
        /// The key.
        id: String,
        /// The state it gets.
        state: KeyState,
        /// As read.
        version: i64,
    },
    /// Raises the version of a key that another one may give way to. Guard: it is active, it has begun by the store's time,
    /// and its version is still the one that was read.
    RelyOn {
        /// The key.
        id: String,
        /// As read.
        version: i64,
    },
    /// Replaces the sealed part of a key. Guard: its version is still the one that was read.
    Reseal {
        /// The key.
        id: String,
        /// Its secret, sealed anew.
        sealed: Vec<u8>,
        /// As read.
        version: i64,
    },
    /// Forgets a key. Guard: its version is still the one that was read.
    Delete {
        /// The key.
        id: String,
        /// As read.
        version: i64,
    },
}

/// A key of the server to be stored; its times follow the store's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServerKey {
    /// Unique among all keys of the server.
    pub id: String,
    /// What it is for.
    pub role: KeyRole,
    /// Whether it is in use.
    pub state: KeyState,
    /// How long from the store's time on until it may sign or hash, milliseconds; `None` for a key that could from the
    /// beginning, and so gives way to every other.
    pub activates_in_ms: Option<i64>,
    /// See [`crate::model::ServerKey::sealed`].
    pub sealed: Vec<u8>,
}

/// The kinds of places, beside the key table, in which something is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedPlace {
    /// The key to which the code of an attempt is encrypted.
    OtpTarget,
    /// Secrets in the result of an activity.
    ActivitySecrets,
    /// The text of a message that waits.
    Message,
    /// The key of an auth proxy's service user.
    ProxyKey,
}

impl SealedPlace {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OtpTarget, Self::ActivitySecrets, Self::Message, Self::ProxyKey];
}

/// Names a row of a [`SealedPlace`], in the order of a walk: tenant and id of an attempt, organization and id of an
/// activity or an auth proxy config, id and tenant of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealedRow(pub Uuid, pub Uuid);

impl SealedRow {
    /// Before all rows: where a walk begins.
    pub const START: Self = Self(Uuid::nil(), Uuid::nil());
}

/// A row of a [`SealedPlace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Which.
    pub row: SealedRow,
    /// What is sealed; `None` where it was destroyed, or never was.
    pub sealed: Option<Vec<u8>>,
}

/// Replaces a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reseal {
    /// In which table.
    pub place: SealedPlace,
    /// In which row.
    pub row: SealedRow,
    /// As read. A value that has changed or gone since is left alone.
    pub was: Vec<u8>,
    /// The same, sealed anew.
    pub becomes: Vec<u8>,
}
