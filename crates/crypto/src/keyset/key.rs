//! One key, and its row in the key table.

use std::fmt;

use zeroize::Zeroizing;

use super::{KeyRole, KeySetError, KeyState};
use crate::entropy::{Entropy, array};
use crate::fingerprint::sha256;
use crate::otp_code::CodeKey;
use crate::p256::SigningKey;
use crate::seal::{SealingKey, place};
use crate::webhook::WebhookKey;

/// What a sealing key seals to be known again: the table must not hold its secret, not even sealed.
const PROBE: &[u8] = b"probe";

/// A key with its name, role and state.
pub struct Key {
    id: String,
    role: KeyRole,
    state: KeyState,
    activates_at: i64,
    changed_at: i64,
    secret: Zeroizing<[u8; 32]>,
    material: Material,
}

enum Material {
    Signer(SigningKey),
    Webhook(Box<WebhookKey>),
    Code(Box<CodeKey>),
    Sealing(SealingKey),
}

/// A row of the key table. What stands in `sealed` opens in this row and under this id and role alone.
#[derive(Debug, Clone, Copy)]
pub struct SealedKey<'a> {
    /// Unique among all keys.
    pub id: &'a str,
    /// What it is for.
    pub role: KeyRole,
    /// Whether it is in use.
    pub state: KeyState,
    /// From when on it may sign or hash, epoch milliseconds of the store.
    pub activates_at: i64,
    /// When the row last changed: of a retired key, not before it was retired.
    pub changed_at: i64,
    /// What [`Key::sealed`] made.
    pub sealed: &'a [u8],
}

impl SealedKey<'_> {
    /// The associated data of its sealed part.
    pub fn place(&self) -> Vec<u8> {
        row_place(self.role, self.id)
    }
}

fn row_place(role: KeyRole, id: &str) -> Vec<u8> {
    place("server_keys", "sealed", format!("{role}/{id}").as_bytes())
}

impl Key {
    pub(super) fn new(
        id: String,
        role: KeyRole,
        state: KeyState,
        activates_at: i64,
        secret: Zeroizing<[u8; 32]>,
    ) -> Result<Self, KeySetError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=64).contains(&id.len()) || !id.bytes().all(allowed) {
            return Err(KeySetError::Id(id));
        }
        let material = match role {
            KeyRole::BundleSigner
            | KeyRole::SessionSigner
            | KeyRole::LegacyTokenSigner
            | KeyRole::TokenSigner => Material::Signer(
                SigningKey::from_bytes(&secret).map_err(|_| KeySetError::Secret(id.clone()))?,
            ),
            KeyRole::WebhookSigner => {
                let key = WebhookKey::from_seed(&secret).map_err(|_| KeySetError::Secret(id.clone()))?;
                Material::Webhook(Box::new(key))
            }
            KeyRole::CodeHmac => Material::Code(Box::new(CodeKey::new(&id, &secret))),
            KeyRole::SealingKey => Material::Sealing(SealingKey::new(&id, &secret)),
        };
        Ok(Self { id, role, state, activates_at, changed_at: 0, secret, material })
    }

    /// Makes an active key, with an id that names the role and eight random hex characters.
    pub fn generate(role: KeyRole, entropy: &dyn Entropy) -> Self {
        Self::named(role, None, entropy)
    }

    /// Makes an active key, with an id that names the role and says the same for the same `occasion`: of two that are made
    /// at once, a table takes one.
    pub fn generate_for(role: KeyRole, occasion: &[u8], entropy: &dyn Entropy) -> Self {
        let [a, b, c, d, ..] = sha256(occasion);
        Self::named(role, Some([a, b, c, d]), entropy)
    }

    fn named(role: KeyRole, number: Option<[u8; 4]>, entropy: &dyn Entropy) -> Self {
        let secret = match role {
            KeyRole::BundleSigner
            | KeyRole::SessionSigner
            | KeyRole::LegacyTokenSigner
            | KeyRole::TokenSigner => SigningKey::generate(entropy).secret_bytes(),
            KeyRole::CodeHmac | KeyRole::SealingKey | KeyRole::WebhookSigner => {
                Zeroizing::new(array(entropy))
            }
        };
        let number = number.unwrap_or_else(|| array(entropy));
        let id = format!("{role}-{}", hex::encode(number));
        Self::new(id, role, KeyState::Active, 0, secret).expect("a new key is valid")
    }

    /// Its name, unique within a set.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is for.
    pub fn role(&self) -> KeyRole {
        self.role
    }

    /// Whether it is in use.
    pub fn state(&self) -> KeyState {
        self.state
    }

    /// From when on it may sign or hash, epoch milliseconds of the store; 0 for keys of a file.
    pub fn activates_at(&self) -> i64 {
        self.activates_at
    }

    /// Its secret, sealed for its row of the key table. A sealing key seals a probe under itself instead, which shows
    /// later whether that key is at hand.
    pub fn sealed(&self, under: &SealingKey, entropy: &dyn Entropy) -> Vec<u8> {
        let aad = row_place(self.role, &self.id);
        match self.sealing() {
            Some(key) => key.seal(entropy, &aad, PROBE),
            None => under.seal(entropy, &aad, &*self.secret),
        }
    }

    /// The key of a row whose sealed part was opened.
    pub(super) fn of_row(row: &SealedKey<'_>, opened: &[u8]) -> Option<Self> {
        let secret = Zeroizing::new(<[u8; 32]>::try_from(opened).ok()?);
        let key = Self::new(row.id.to_owned(), row.role, row.state, row.activates_at, secret).ok()?;
        Some(Self { changed_at: row.changed_at, ..key })
    }

    /// When its row last changed, epoch milliseconds of the store; 0 for keys of a file.
    pub(super) fn changed_at(&self) -> i64 {
        self.changed_at
    }

    /// Whether this is what the row of a sealing key holds.
    pub(super) fn is_probe(opened: &[u8]) -> bool {
        opened == PROBE
    }

    /// Whether two keys are one under one name, in whatever state.
    pub fn is_twin(&self, other: &Self) -> bool {
        self.id == other.id && self.role == other.role && self.hash() == other.hash()
    }

    /// Whether two keys are one, in the same state.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_twin(other) && self.state == other.state && self.activates_at == other.activates_at
    }

    /// Tells keys apart without showing them.
    pub(super) fn hash(&self) -> [u8; 32] {
        let material = Zeroizing::new([b"vestibule-key-v1".as_slice(), &*self.secret].concat());
        sha256(&material)
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(super) fn signer(&self) -> Option<&SigningKey> {
        match &self.material {
            Material::Signer(key) => Some(key),
            Material::Webhook(_) | Material::Code(_) | Material::Sealing(_) => None,
        }
    }

    pub(super) fn webhook(&self) -> Option<&WebhookKey> {
        match &self.material {
            Material::Webhook(key) => Some(key),
            Material::Signer(_) | Material::Code(_) | Material::Sealing(_) => None,
        }
    }

    pub(super) fn code(&self) -> Option<&CodeKey> {
        match &self.material {
            Material::Code(key) => Some(key),
            Material::Signer(_) | Material::Webhook(_) | Material::Sealing(_) => None,
        }
    }

    pub(super) fn sealing(&self) -> Option<&SealingKey> {
        match &self.material {
            Material::Sealing(key) => Some(key),
            Material::Signer(_) | Material::Webhook(_) | Material::Code(_) => None,
        }
    }
}

/// Name and state only.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, role, state, activates_at, changed_at: _, secret: _, material: _ } = self;
        f.debug_tuple("Key").field(id).field(role).field(state).field(activates_at).finish()
    }
}
