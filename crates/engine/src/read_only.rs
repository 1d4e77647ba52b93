//! Read-only sessions: a text that lets its holder ask as one user for an hour (protocol 01 section 4, G-SESS-4).
//!
//! Promise: nothing is stored. The text is sealed, so nobody makes or reads one without the server's keys; and its user
//! is looked up at each use, so that it ends with the user, and where an organization is suspended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::seal::place;
use vestibule_wire::{OrganizationId, UserId};

use crate::model::Millis;

/// How long a session lives, seconds.
pub(crate) const LIFETIME_S: u32 = 3600;

/// The longest text that is looked at; ours have some 300 characters.
const MAX_TEXT: usize = 1024;

/// Whose session it is, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadOnlySession {
    /// Where the user lives.
    pub(crate) organization: OrganizationId,
    /// Who asks with it.
    pub(crate) user: UserId,
    /// From when on it is over.
    pub(crate) expires_at: Millis,
}

impl ReadOnlySession {
    /// The text for `X-Session`.
    pub(crate) fn seal(&self, keys: &KeySet, entropy: &dyn Entropy) -> String {
        let text = serde_json::to_vec(self).expect("ids and a number are JSON");
        URL_SAFE_NO_PAD.encode(keys.sealing_key().seal(entropy, &sealed_for(), &text))
    }

    /// Reads a text of [`ReadOnlySession::seal`]; `None` for every other. Whether it is over is for the caller.
    pub(crate) fn open(text: &str, keys: &KeySet) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&keys.open(&sealed_for(), &sealed).ok()?).ok()
    }
}

/// No row of the database: what is sealed there opens nowhere else.
fn sealed_for() -> Vec<u8> {
    place("x-session", "read-only", &[])
}
