//! The document that `keys generate` writes and `serve` reads.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use super::{Key, KeyRole, KeySetError, KeyState, SealedKey, public_document, sealing_key};
use crate::entropy::Entropy;
use crate::fingerprint::sha256;
use crate::seal::{SealError, SealingKey, sealed_key_id};
use crate::secret::Secret;

/// The `version` member of the document.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    keys: Vec<DocumentKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentKey {
    id: String,
    role: KeyRole,
    state: KeyState,
    secret: String,
}

impl Drop for DocumentKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The keys of a file. At least one active sealing key is present: the first in the document seals, the others open.
/// Keys of the other roles may be there for a database that has none yet.
pub struct KeyFile {
    pub(super) keys: Vec<Arc<Key>>,
}

impl KeyFile {
    /// Makes one active key for every role.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self { keys: KeyRole::ALL.map(|role| Arc::new(Key::generate(role, entropy))).into() }
    }

    /// Makes a sealing key alone, to take over from another one.
    pub fn generate_sealing(entropy: &dyn Entropy) -> Self {
        Self { keys: vec![Arc::new(Key::generate(KeyRole::SealingKey, entropy))] }
    }

    /// The document with every secret in it, pretty-printed, with a final newline.
    pub fn to_json(&self) -> Secret<String> {
        let keys = self.keys.iter().map(|key| DocumentKey {
            id: key.id().to_owned(),
            role: key.role(),
            state: key.state(),
            secret: hex::encode(key.secret()),
        });
        let document = Document { version: VERSION, keys: keys.collect() };
        let mut text = serde_json::to_string_pretty(&document).expect("plain text members");
        text.push('\n');
        Secret::new(text)
    }

    /// Reads a document. Errors name the key or role at fault and never show a secret.
    pub fn from_json(text: &str) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_str(text)
            .map_err(|error| KeySetError::Malformed { line: error.line(), column: error.column() })?;
        if document.version != VERSION {
            return Err(KeySetError::Version(document.version));
        }
        let mut keys: Vec<Arc<Key>> = Vec::with_capacity(document.keys.len());
        for key in &document.keys {
            if keys.iter().any(|other| other.id() == key.id) {
                return Err(KeySetError::DuplicateId(key.id.clone()));
            }
            let mut secret = Zeroizing::new([0; 32]);
            hex::decode_to_slice(&key.secret, &mut secret[..])
                .map_err(|_| KeySetError::Secret(key.id.clone()))?;
            keys.push(Arc::new(Key::new(key.id.clone(), key.role, key.state, 0, secret)?));
        }
        match sealing_key(&keys) {
            Some(_) => Ok(Self { keys }),
            None => Err(KeySetError::MissingRole(KeyRole::SealingKey)),
        }
    }

    /// Lower-case hex of SHA-256 over the ids, roles and hashes of all keys, whatever their order and state. It changes
    /// when a key is added, removed or replaced.
    pub fn fingerprint(&self) -> String {
        let line = |key: &Arc<Key>| format!("{} {} {}\n", key.role(), key.id(), hex::encode(key.hash()));
        let mut lines: Vec<String> = self.keys.iter().map(line).collect();
        lines.sort_unstable();
        hex::encode(sha256(lines.concat().as_bytes()))
    }

    /// The public keys of the signers in the file, as [`super::KeySet::public_document`] shows them.
    pub fn public_document(&self) -> Value {
        public_document(&self.keys)
    }

    /// All of its keys, in the order of the document.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().map(Arc::as_ref)
    }

    /// The key under which new values are sealed: the first active one.
    pub fn sealing_key(&self) -> &SealingKey {
        sealing_key(&self.keys).expect("a file has an active sealing key")
    }

    /// Opens a sealed value with the sealing key it names, retired or not.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        open(&self.keys, aad, sealed)
    }

    /// Opens a row of the key table. A sealing key's row yields none: it only shows that the key is in this file.
    pub fn open_key(&self, row: &SealedKey<'_>) -> Result<Option<Key>, SealError> {
        let opened = open(&self.keys, &row.place(), row.sealed)?;
        match row.role {
            KeyRole::SealingKey if Key::is_probe(&opened) => Ok(None),
            KeyRole::SealingKey => Err(SealError::Malformed),
            _ => Key::of_row(row, &opened).map(Some).ok_or(SealError::Malformed),
        }
    }

    /// Seals a value anew for the same place under [`KeyFile::sealing_key`]; none where it is sealed under that key
    /// already.
    pub fn reseal(
        &self,
        entropy: &dyn Entropy,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, SealError> {
        let current = self.sealing_key();
        if sealed_key_id(sealed)? == current.id() {
            return Ok(None);
        }
        Ok(Some(current.seal(entropy, aad, &open(&self.keys, aad, sealed)?)))
    }
}

/// Names and states only.
impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

/// Opens a sealed value with the sealing key it names, retired or not.
pub(super) fn open(keys: &[Arc<Key>], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let id = sealed_key_id(sealed)?;
    let key = keys.iter().filter_map(|key| key.sealing()).find(|key| key.id() == id);
    key.ok_or(SealError::UnknownKey)?.open(aad, sealed)
}
