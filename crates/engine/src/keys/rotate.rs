//! What the operator does with the keys of a running installation.

use serde::{Deserialize, Serialize};
use vestibule_crypto::keyset::{Key, KeyRole, KeyState};
use vestibule_wire::Refusal;

use super::{KeyRing, KeyTableError};
use crate::engine::{Engine, unavailable};
use crate::model::{DELIVERY_LIFETIME_MS, Millis, ServerKey};
use crate::store::{ChangeSet, CommitError, KeyWrite, NewServerKey, Write};

/// How often a retirement is decided anew because another node changed the table.
const ROUNDS: usize = 5;

/// For how long the published keys of webhooks may be kept by those who read them (protocol 03).
const WEBHOOK_KEYS_CACHED_MS: i64 = 24 * 60 * 60 * 1000;

/// A key of the table, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// Its name.
    pub id: String,
    /// What it is for.
    pub role: KeyRole,
    /// Whether it is in use.
    pub state: KeyState,
    /// Whether it is the one that signs, hashes or seals now.
    pub in_charge: bool,
    /// From when on it may, epoch milliseconds.
    pub activates_at: Millis,
    /// When it was made, epoch milliseconds.
    pub created_at: Millis,
}

impl Engine {
    /// The keys this server uses.
    pub fn keys(&self) -> &KeyRing {
        &self.services.keys
    }

    /// The keys that webhook deliveries may be signed with; a retired one for as long as what it signed may be under way.
    pub fn webhook_jwks(&self) -> serde_json::Value {
        let now = self.services.clock.now_ms();
        self.services.keys.current().webhook_jwks(now, DELIVERY_LIFETIME_MS)
    }

    /// Reads the key table again; true where something changed.
    pub async fn refresh_keys(&self) -> Result<bool, KeyTableError> {
        self.services.keys.refresh(&*self.services.store, &*self.services.entropy).await
    }

    /// Makes a new key for a role. It is published and verifies at once, and signs once every node had time to learn of it
    /// ([`crate::Settings::key_activation_ms`]), or `after_ms` milliseconds from now where that is later: those who hold the
    /// old public key alone need time as well. The keys before it stay active. A key for webhooks begins a day later unless
    /// `after_ms` says otherwise, because receivers may keep the published set for that long.
    pub async fn rotate_key(&self, role: KeyRole, after_ms: Option<i64>) -> Result<KeyStatus, Refusal> {
        if role == KeyRole::SealingKey {
            return Err(Refusal::InvalidField(
                "a sealing key is replaced in the key file, and `keys rewrap` moves what is sealed",
            ));
        }
        let otherwise = if role == KeyRole::WebhookSigner { WEBHOOK_KEYS_CACHED_MS } else { 0 };
        let entropy = &*self.services.entropy;
        let key = Key::generate(role, entropy);
        self.change_keys(vec![KeyWrite::Insert(NewServerKey {
            id: key.id().to_owned(),
            role,
            state: KeyState::Active,
            activates_in_ms: Some(self.settings.key_activation_ms.max(after_ms.unwrap_or(otherwise))),
            sealed: key.sealed(self.services.keys.file().sealing_key(), entropy),
        })])
        .await?;
        let made = self.list_keys().await?.into_iter().find(|made| made.id == key.id());
        made.ok_or(Refusal::Unavailable)
    }

    /// Retires a key: what it signed is not valid any more, and its public half stays published as retired. Another
    /// active key of its role must have begun.
    pub async fn retire_key(&self, id: &str) -> Result<(), Refusal> {
        let mut failed: Option<Vec<ServerKey>> = None;
        for _ in 0..ROUNDS {
            let mut rows = self.key_rows().await?;
            rows.sort_by(|a, b| a.id.cmp(&b.id));
            if failed.as_ref() == Some(&rows) {
                return Err(Refusal::InvalidField(
                    "the key that takes over has not begun yet; `keys list` says when it does",
                ));
            }
            let row = rows.iter().find(|row| row.id == id && row.role != KeyRole::SealingKey);
            let row = row.ok_or(Refusal::InvalidField(
                "no signing or code key of the database has this name; `keys list` shows them",
            ))?;
            if row.state == KeyState::Retired {
                return Ok(());
            }
            let others = rows
                .iter()
                .filter(|other| other.role == row.role && other.state == KeyState::Active && other.id != id);
            let heir = others.min_by_key(|other| other.activates_at).ok_or(Refusal::InvalidField(
                "this is the only active key of its role; make another one with `keys rotate` first",
            ))?;
            let retire =
                KeyWrite::SetState { id: row.id.clone(), state: KeyState::Retired, version: row.version };
            let rely = KeyWrite::RelyOn { id: heir.id.clone(), version: heir.version };
            // In the order of names, so that two nodes that retire at once do not wait for each other.
            let writes = if heir.id < row.id { vec![rely, retire] } else { vec![retire, rely] };
            match self.services.store.commit(changes(writes)).await {
                Ok(()) => return self.show_change().await,
                Err(CommitError::Conflict(_)) => failed = Some(rows),
                Err(CommitError::Unavailable(error)) => return Err(unavailable(&error)),
            }
        }
        Err(Refusal::Unavailable)
    }

    /// The keys of the table in the order in which they are published, sealing keys among them by name.
    pub async fn list_keys(&self) -> Result<Vec<KeyStatus>, Refusal> {
        let mut rows = self.key_rows().await?;
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let (keys, now) = (self.services.keys.current(), self.services.clock.now_ms());
        let status = |row: ServerKey| {
            let ServerKey { id, role, state, activates_at, created_at, sealed: _, updated_at: _, version: _ } =
                row;
            KeyStatus { in_charge: keys.is_in_charge(&id, now), id, role, state, activates_at, created_at }
        };
        Ok(rows.into_iter().map(status).collect())
    }

    pub(super) async fn key_rows(&self) -> Result<Vec<ServerKey>, Refusal> {
        self.services.store.server_keys().await.map_err(|error| unavailable(&error))
    }

    async fn change_keys(&self, writes: Vec<KeyWrite>) -> Result<(), Refusal> {
        match self.services.store.commit(changes(writes)).await {
            Ok(()) => self.show_change().await,
            Err(CommitError::Conflict(_)) => Err(Refusal::Unavailable),
            Err(CommitError::Unavailable(error)) => Err(unavailable(&error)),
        }
    }

    /// This node sees at once what it changed; the others see it with their next look.
    async fn show_change(&self) -> Result<(), Refusal> {
        match self.refresh_keys().await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "the keys changed and cannot be read");
                Err(Refusal::Unavailable)
            }
        }
    }
}

fn changes(writes: Vec<KeyWrite>) -> ChangeSet {
    ChangeSet { writes: writes.into_iter().map(Write::ServerKey).collect() }
}
