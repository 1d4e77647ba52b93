//! The server's own keys: those that seal come from a file, those that sign and hash from a table that every node reads.
//!
//! A role may have several active keys, so that a new one can take over: the one that began last signs or hashes, the
//! others still verify. A retired signer verifies nothing, but stays published; a retired sealing or code key still
//! opens and compares what was stored under its id.

mod file;
mod key;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::otp_code::CodeKey;
use crate::p256::{PublicKey, SigningKey};
use crate::seal::{SealError, SealingKey};
use crate::webhook::WebhookKey;

pub use file::KeyFile;
pub use key::{Key, SealedKey};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyRole {
    /// `bundle-signer`: signs target bundles and V2 verification tokens (05, section 13 a).
    BundleSigner,
    /// `session-signer`: signs session tokens (05, section 13 b).
    SessionSigner,
    /// `legacy-token-signer`: signs legacy verification tokens (05, section 13 c).
    LegacyTokenSigner,
    /// `code-hmac`: hashes one-time codes.
    CodeHmac,
    /// `sealing-key`: seals at rest, the other keys among what it seals. Never in the database.
    SealingKey,
    /// `token-signer`: signs ordinary tokens for backends. Databases and key files from before it was there get one.
    TokenSigner,
    /// `webhook-signer`: signs webhook deliveries (05, section 13 d). Ed25519; made where there is none, like the former.
    WebhookSigner,
}

impl KeyRole {
    /// Every role; a key set has at least one active key of each.
    pub const ALL: [Self; 7] = [
        Self::BundleSigner,
        Self::SessionSigner,
        Self::LegacyTokenSigner,
        Self::CodeHmac,
        Self::TokenSigner,
        Self::WebhookSigner,
        Self::SealingKey,
    ];

    /// The name in documents and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BundleSigner => "bundle-signer",
            Self::SessionSigner => "session-signer",
            Self::LegacyTokenSigner => "legacy-token-signer",
            Self::CodeHmac => "code-hmac",
            Self::SealingKey => "sealing-key",
            Self::TokenSigner => "token-signer",
            Self::WebhookSigner => "webhook-signer",
        }
    }

    /// Whether a server makes the first key of this role by itself where there is none: whoever relies on such a key reads
    /// it from the server, so that nothing is lost that was made with another one.
    pub fn is_made_when_absent(self) -> bool {
        match self {
            Self::TokenSigner | Self::WebhookSigner => true,
            Self::BundleSigner
            | Self::SessionSigner
            | Self::LegacyTokenSigner
            | Self::CodeHmac
            | Self::SealingKey => false,
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a key is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// In use: it verifies, and may sign or seal.
    Active,
    /// No longer in use, kept for what was made with it.
    Retired,
}

impl KeyState {
    /// The name in documents and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Retired].into_iter().find(|state| state.as_str() == name)
    }
}

/// Why keys were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not the JSON document, an unknown member or role, or another version.
    #[error("the key set is not a valid document (line {line}, column {column})")]
    Malformed {
        /// Line of the first error, from 1.
        line: usize,
        /// Column of the first error, from 1.
        column: usize,
    },
    /// The document's `version` is not one this program reads.
    #[error("the key set has version {0}; this program reads version 1")]
    Version(u32),
    /// The secret is not 64 hex characters, or is no private key of the curve.
    #[error("the secret of key {0:?} is not a valid key of 64 hex characters")]
    Secret(String),
    /// The id is empty, longer than 64 bytes, or has other characters than letters, digits, `-`, `_` and `.`.
    #[error("the key id {0:?} is not 1 to 64 letters, digits, '-', '_' or '.'")]
    Id(String),
    /// Two keys share an id.
    #[error("two keys have the id {0:?}")]
    DuplicateId(String),
    /// A role has no active key.
    #[error("the key set has no active key with role {0}")]
    MissingRole(KeyRole),
}

/// The server's keys. At least one active key of every role is present.
pub struct KeySet {
    keys: Vec<Arc<Key>>,
}

impl KeySet {
    /// Makes one active key for every role, with ids that name the role and eight random hex characters.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self { keys: KeyFile::generate(entropy).keys }
    }

    /// Reads a document that holds keys of every role.
    pub fn from_json(text: &str) -> Result<Self, KeySetError> {
        Self::of_file(&KeyFile::from_json(text)?)
    }

    /// The keys of a file alone, which must have every role.
    pub fn of_file(file: &KeyFile) -> Result<Self, KeySetError> {
        Self::checked(file.keys.clone())
    }

    /// Whether a file has every role but those of which a server makes the first key by itself.
    pub fn check_file(file: &KeyFile) -> Result<(), KeySetError> {
        let active = |role| file.keys().any(|key| key.role() == role && key.state() == KeyState::Active);
        match KeyRole::ALL.into_iter().find(|role| !role.is_made_when_absent() && !active(*role)) {
            Some(role) => Err(KeySetError::MissingRole(role)),
            None => Ok(()),
        }
    }

    /// The sealing keys of `file`, and the keys of the table, which are in the order in which they are published. Other
    /// keys of the file do not count.
    pub fn join(file: &KeyFile, table: Vec<Key>) -> Result<Self, KeySetError> {
        let mut keys: Vec<Arc<Key>> = table.into_iter().map(Arc::new).collect();
        keys.extend(file.keys.iter().filter(|key| key.role() == KeyRole::SealingKey).map(Arc::clone));
        Self::checked(keys)
    }

    fn checked(keys: Vec<Arc<Key>>) -> Result<Self, KeySetError> {
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.id() == key.id()) {
                return Err(KeySetError::DuplicateId(key.id().to_owned()));
            }
        }
        let set = Self { keys };
        match KeyRole::ALL.into_iter().find(|role| set.active(*role).next().is_none()) {
            Some(role) => Err(KeySetError::MissingRole(role)),
            None => Ok(set),
        }
    }

    /// The public keys of the signers, for `GET /.well-known/vestibule/keys`.
    ///
    /// `{"keys":[{"id","role","state","uncompressedHex","jwk"}]}`; retired keys stay in it, and a key that is still to
    /// begin is in it as active, so that verifiers know it before it signs.
    pub fn public_document(&self) -> Value {
        public_document(&self.keys)
    }

    /// The key that signs target bundles and V2 verification tokens at `now`, epoch milliseconds of the store.
    pub fn bundle_signer(&self, now: i64) -> &SigningKey {
        self.signer(KeyRole::BundleSigner, now).expect("every role has an active key")
    }

    /// The key that signs session tokens at `now`, epoch milliseconds of the store.
    pub fn session_signer(&self, now: i64) -> &SigningKey {
        self.signer(KeyRole::SessionSigner, now).expect("every role has an active key")
    }

    /// The key that signs legacy verification tokens at `now`, epoch milliseconds of the store.
    pub fn legacy_token_signer(&self, now: i64) -> &SigningKey {
        self.signer(KeyRole::LegacyTokenSigner, now).expect("every role has an active key")
    }

    /// The key that signs ordinary tokens at `now`, epoch milliseconds of the store, under its name in [`KeySet::jwks`].
    pub fn token_signer(&self, now: i64) -> (&str, &SigningKey) {
        let key = self.in_charge(KeyRole::TokenSigner, now);
        (key.id(), key.signer().expect("a key of this role signs"))
    }

    /// The JSON Web Key Set (RFC 7517, section 5) of the keys that ordinary tokens may be signed with: all that are not
    /// retired, those that are still to begin included.
    pub fn jwks(&self) -> Value {
        let jwk = |key: &Key| {
            let mut jwk = key.signer()?.public_key().jwk(key.id());
            jwk["alg"] = json!("ES256");
            Some(jwk)
        };
        json!({ "keys": self.active(KeyRole::TokenSigner).filter_map(jwk).collect::<Vec<_>>() })
    }

    /// The key that signs webhook deliveries at `now`, epoch milliseconds of the store, under its name in
    /// [`KeySet::webhook_jwks`].
    pub fn webhook_signer(&self, now: i64) -> (&str, &WebhookKey) {
        let key = self.in_charge(KeyRole::WebhookSigner, now);
        (key.id(), key.webhook().expect("a key of this role signs deliveries"))
    }

    /// The JSON Web Key Set of the keys that webhook deliveries may be signed with at `now`: all that are not retired, those
    /// that are still to begin included, and those that were retired less than `grace_ms` ago.
    pub fn webhook_jwks(&self, now: i64, grace_ms: i64) -> Value {
        let wanted = |key: &&Key| {
            key.role() == KeyRole::WebhookSigner
                && (key.state() == KeyState::Active || key.changed_at().saturating_add(grace_ms) > now)
        };
        let keys = self.keys.iter().map(Arc::as_ref).filter(wanted);
        json!({ "keys": keys.filter_map(|key| Some(key.webhook()?.jwk(key.id()))).collect::<Vec<_>>() })
    }

    /// The key that signs in `role` at `now`, epoch milliseconds of the store; none for a role that does not sign with P-256.
    pub fn signer(&self, role: KeyRole, now: i64) -> Option<&SigningKey> {
        self.in_charge(role, now).signer()
    }

    /// The key under which new codes are hashed at `now`, epoch milliseconds of the store.
    pub fn code_key(&self, now: i64) -> &CodeKey {
        self.in_charge(KeyRole::CodeHmac, now).code().expect("a key of this role hashes codes")
    }

    /// The public keys of `role` that are not retired, those that are still to begin included. Tokens carry no key id:
    /// try each.
    pub fn public_keys(&self, role: KeyRole) -> impl Iterator<Item = &PublicKey> {
        self.active(role).filter_map(|key| key.signer().map(SigningKey::public_key))
    }

    /// The code key named `id`, retired or not.
    pub fn code_key_by_id(&self, id: &str) -> Option<&CodeKey> {
        self.keys.iter().filter_map(|key| key.code()).find(|key| key.id() == id)
    }

    /// The key under which new values are sealed.
    pub fn sealing_key(&self) -> &SealingKey {
        sealing_key(&self.keys).expect("every role has an active key")
    }

    /// Opens a sealed value with the sealing key it names, retired or not.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        file::open(&self.keys, aad, sealed)
    }

    /// What the key named `id` would be at `now`: whether it is the one that signs, hashes or seals.
    pub fn is_in_charge(&self, id: &str, now: i64) -> bool {
        KeyRole::ALL.into_iter().any(|role| self.in_charge(role, now).id() == id)
    }

    /// The active key of a role that began last; of several that began at once, the first. Where all are still to
    /// begin, the one that begins first: somebody must sign.
    fn in_charge(&self, role: KeyRole, now: i64) -> &Key {
        let begun = self.active(role).filter(|key| key.activates_at() <= now);
        begun
            .reduce(|best, key| if key.activates_at() > best.activates_at() { key } else { best })
            .or_else(|| self.active(role).min_by_key(|key| key.activates_at()))
            .expect("every role has an active key")
    }

    fn active(&self, role: KeyRole) -> impl Iterator<Item = &Key> {
        let keys = self.keys.iter().map(Arc::as_ref);
        keys.filter(move |key| key.role() == role && key.state() == KeyState::Active)
    }
}

/// The same keys in the same states, whatever else differs.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len() && self.keys.iter().zip(&other.keys).all(|(a, b)| a.is_same(b))
    }
}

/// Names and states only.
impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

fn sealing_key(keys: &[Arc<Key>]) -> Option<&SealingKey> {
    keys.iter().filter(|key| key.state() == KeyState::Active).find_map(|key| key.sealing())
}

fn public_document(keys: &[Arc<Key>]) -> Value {
    let keys: Vec<Value> = keys
        .iter()
        .filter_map(|key| {
            let public = key.signer()?.public_key();
            Some(json!({
                "id": key.id(),
                "role": key.role(),
                "state": key.state(),
                "uncompressedHex": public.to_uncompressed_hex(),
                "jwk": public.jwk(key.id()),
            }))
        })
        .collect();
    json!({ "keys": keys })
}
