//! The server's own keys as one document: what `keys generate` writes, what `serve` reads, what the world may see.
//!
//! A role may have several active keys, so that a new one can take over: the first in the document signs or seals, the
//! others still verify and open. A retired signer verifies nothing, but stays published; a retired sealing or code key
//! still opens and compares what was stored under its id.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::{Entropy, array};
use crate::fingerprint::sha256;
use crate::otp_code::CodeKey;
use crate::p256::{PublicKey, SigningKey};
use crate::seal::{SealError, SealingKey, sealed_key_id};
use crate::secret::Secret;

/// The `version` member of the document.
const VERSION: u32 = 1;

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
    /// `sealing-key`: seals at rest.
    SealingKey,
}

impl KeyRole {
    /// Every role; a key set has at least one active key of each.
    pub const ALL: [Self; 5] =
        [Self::BundleSigner, Self::SessionSigner, Self::LegacyTokenSigner, Self::CodeHmac, Self::SealingKey];

    /// The name in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BundleSigner => "bundle-signer",
            Self::SessionSigner => "session-signer",
            Self::LegacyTokenSigner => "legacy-token-signer",
            Self::CodeHmac => "code-hmac",
            Self::SealingKey => "sealing-key",
        }
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
    /// In use; the first active key of a role is the one that signs or seals.
    Active,
    /// No longer in use, kept for what was made with it.
    Retired,
}

/// Why a key set document was refused.
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

struct Key {
    id: String,
    role: KeyRole,
    state: KeyState,
    secret: Zeroizing<[u8; 32]>,
    material: Material,
}

enum Material {
    Signer(SigningKey),
    Code(Box<CodeKey>),
    Sealing(SealingKey),
}

impl Key {
    fn new(
        id: String,
        role: KeyRole,
        state: KeyState,
        secret: Zeroizing<[u8; 32]>,
    ) -> Result<Self, KeySetError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=64).contains(&id.len()) || !id.bytes().all(allowed) {
            return Err(KeySetError::Id(id));
        }
        let material = match role {
            KeyRole::BundleSigner | KeyRole::SessionSigner | KeyRole::LegacyTokenSigner => Material::Signer(
                SigningKey::from_bytes(&secret).map_err(|_| KeySetError::Secret(id.clone()))?,
            ),
            KeyRole::CodeHmac => Material::Code(Box::new(CodeKey::new(&id, &secret))),
            KeyRole::SealingKey => Material::Sealing(SealingKey::new(&id, &secret)),
        };
        Ok(Self { id, role, state, secret, material })
    }
}

/// The server's keys. At least one active key of every role is present.
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Makes one active key for every role, with ids that name the role and eight random hex characters.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let keys = KeyRole::ALL.map(|role| {
            let secret = match role {
                KeyRole::BundleSigner | KeyRole::SessionSigner | KeyRole::LegacyTokenSigner => {
                    SigningKey::generate(entropy).secret_bytes()
                }
                KeyRole::CodeHmac | KeyRole::SealingKey => Zeroizing::new(array(entropy)),
            };
            let id = format!("{role}-{}", hex::encode(array::<4>(entropy)));
            Key::new(id, role, KeyState::Active, secret).expect("a new key is valid")
        });
        Self { keys: keys.into() }
    }

    /// The document with every secret in it, pretty-printed, with a final newline.
    pub fn to_json(&self) -> Secret<String> {
        let keys = self.keys.iter().map(|key| DocumentKey {
            id: key.id.clone(),
            role: key.role,
            state: key.state,
            secret: hex::encode(key.secret.as_slice()),
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
        let mut keys: Vec<Key> = Vec::with_capacity(document.keys.len());
        for key in &document.keys {
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeySetError::DuplicateId(key.id.clone()));
            }
            let mut secret = Zeroizing::new([0; 32]);
            hex::decode_to_slice(&key.secret, &mut secret[..])
                .map_err(|_| KeySetError::Secret(key.id.clone()))?;
            keys.push(Key::new(key.id.clone(), key.role, key.state, secret)?);
        }
        let set = Self { keys };
        match KeyRole::ALL.into_iter().find(|role| set.active(*role).next().is_none()) {
            Some(role) => Err(KeySetError::MissingRole(role)),
            None => Ok(set),
        }
    }

    /// Lower-case hex of SHA-256 over the ids, roles and hashes of all keys, whatever their order and state. It changes
    /// when a key is added, removed or replaced.
    pub fn fingerprint(&self) -> String {
        let mut lines: Vec<String> = self
            .keys
            .iter()
            .map(|key| {
                let material = Zeroizing::new([b"vestibule-key-v1".as_slice(), &*key.secret].concat());
                format!("{} {} {}\n", key.role, key.id, hex::encode(sha256(&material)))
            })
            .collect();
        lines.sort_unstable();
        hex::encode(sha256(lines.concat().as_bytes()))
    }

    /// The public keys of the three signers, for `GET /.well-known/vestibule/keys`.
    ///
    /// `{"keys":[{"id","role","state","uncompressedHex","jwk"}]}`; retired keys stay in it.
    pub fn public_document(&self) -> Value {
        let keys: Vec<Value> = self
            .keys
            .iter()
            .filter_map(|key| match &key.material {
                Material::Signer(signer) => Some(json!({
                    "id": key.id,
                    "role": key.role,
                    "state": key.state,
                    "uncompressedHex": signer.public_key().to_uncompressed_hex(),
                    "jwk": signer.public_key().jwk(&key.id),
                })),
                Material::Code(_) | Material::Sealing(_) => None,
            })
            .collect();
        json!({ "keys": keys })
    }

    /// The key that signs target bundles and V2 verification tokens.
    pub fn bundle_signer(&self) -> &SigningKey {
        self.signer(KeyRole::BundleSigner).expect("every role has an active key")
    }

    /// The key that signs session tokens.
    pub fn session_signer(&self) -> &SigningKey {
        self.signer(KeyRole::SessionSigner).expect("every role has an active key")
    }

    /// The key that signs legacy verification tokens.
    pub fn legacy_token_signer(&self) -> &SigningKey {
        self.signer(KeyRole::LegacyTokenSigner).expect("every role has an active key")
    }

    /// The key that signs in `role`; none for a role that does not sign.
    pub fn signer(&self, role: KeyRole) -> Option<&SigningKey> {
        self.active(role).find_map(|key| match &key.material {
            Material::Signer(signer) => Some(signer),
            Material::Code(_) | Material::Sealing(_) => None,
        })
    }

    /// The public keys of `role` that are not retired, the signing one first. Tokens carry no key id: try each.
    pub fn public_keys(&self, role: KeyRole) -> impl Iterator<Item = &PublicKey> {
        self.active(role).filter_map(|key| match &key.material {
            Material::Signer(signer) => Some(signer.public_key()),
            Material::Code(_) | Material::Sealing(_) => None,
        })
    }

    /// The key under which new codes are hashed.
    pub fn code_key(&self) -> &CodeKey {
        let mut keys = self.active(KeyRole::CodeHmac).filter_map(Key::code);
        keys.next().expect("every role has an active key")
    }

    /// The code key named `id`, retired or not.
    pub fn code_key_by_id(&self, id: &str) -> Option<&CodeKey> {
        self.keys.iter().filter_map(Key::code).find(|key| key.id() == id)
    }

    /// The key under which new values are sealed.
    pub fn sealing_key(&self) -> &SealingKey {
        let mut keys = self.active(KeyRole::SealingKey).filter_map(Key::sealing);
        keys.next().expect("every role has an active key")
    }

    /// Opens a sealed value with the sealing key it names, retired or not.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let id = sealed_key_id(sealed)?;
        let key = self.keys.iter().filter_map(Key::sealing).find(|key| key.id() == id);
        key.ok_or(SealError::UnknownKey)?.open(aad, sealed)
    }

    fn active(&self, role: KeyRole) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.role == role && key.state == KeyState::Active)
    }
}

impl Key {
    fn code(&self) -> Option<&CodeKey> {
        match &self.material {
            Material::Code(key) => Some(key),
            Material::Signer(_) | Material::Sealing(_) => None,
        }
    }

    fn sealing(&self) -> Option<&SealingKey> {
        match &self.material {
            Material::Sealing(key) => Some(key),
            Material::Signer(_) | Material::Code(_) => None,
        }
    }
}

/// Names and states only.
impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (&key.id, key.role, key.state))).finish()
    }
}
