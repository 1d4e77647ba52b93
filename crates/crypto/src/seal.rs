//! Sealing at rest: AES-256-GCM bound to the place a value is stored in.
//!
//! Layout of sealed bytes: version (1 byte, `1`), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext,
//! tag (16 bytes). The associated data is everything before the nonce, then the caller's: moving a sealed value to
//! another row, or naming another key, makes it unreadable. Nonces are random: one key may seal 2^32 values
//! (SP 800-38D, section 8.3).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::entropy::{Entropy, array};
use crate::op;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// Why a sealed value could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not the layout of this module.
    #[error("malformed sealed value")]
    Malformed,
    /// Sealed under a key that is not here.
    #[error("sealed under an unknown key")]
    UnknownKey,
    /// Altered, or moved from the place it was sealed for.
    #[error("the sealed value is not authentic")]
    NotAuthentic,
}

/// A key for sealing at rest, with the id written into what it seals.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
}

impl SealingKey {
    /// A key named `id`, which is at most 255 bytes.
    ///
    /// # Panics
    /// When `id` is longer.
    pub fn new(id: impl Into<String>, secret: &[u8; 32]) -> Self {
        let id = id.into();
        assert!(id.len() <= 255, "a key id has at most 255 bytes");
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).expect("the key has 32 bytes"));
        Self { id, key }
    }

    /// The name of this key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals `plaintext` for the place that `aad` names, see [`place`].
    pub fn seal(&self, entropy: &dyn Entropy, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        op!("aead_seal");
        let header = 2 + self.id.len();
        let mut sealed = Vec::with_capacity(header + NONCE_LEN + plaintext.len() + TAG_LEN);
        sealed.extend([VERSION, self.id.len() as u8]);
        sealed.extend_from_slice(self.id.as_bytes());
        let aad = bind(&sealed, aad);
        let nonce: [u8; NONCE_LEN] = array(entropy);
        sealed.extend(nonce);
        sealed.extend_from_slice(plaintext);
        let text = &mut sealed[header + NONCE_LEN..];
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
            .expect("the text is shorter than the limit of AES-GCM");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`SealingKey::seal`] sealed under this key for the same place.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let id = sealed_key_id(sealed)?;
        if id != self.id {
            return Err(SealError::UnknownKey);
        }
        op!("aead_open");
        let (header, rest) = sealed.split_at(2 + id.len());
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Malformed)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bind(header, aad)), &mut text)
            .map_err(|_| SealError::NotAuthentic)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({:?}, [redacted])", self.id)
    }
}

/// The id of the key that sealed these bytes.
pub fn sealed_key_id(sealed: &[u8]) -> Result<&str, SealError> {
    let [VERSION, length, rest @ ..] = sealed else { return Err(SealError::Malformed) };
    let id = rest.get(..usize::from(*length)).ok_or(SealError::Malformed)?;
    std::str::from_utf8(id).map_err(|_| SealError::Malformed)
}

/// The associated data for a value in `column` of the row `row` of `table`: unambiguous, since text is length-prefixed.
pub fn place(table: &str, column: &str, row: &[u8]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(8 + table.len() + column.len() + row.len());
    for text in [table, column] {
        aad.extend((text.len() as u32).to_be_bytes());
        aad.extend_from_slice(text.as_bytes());
    }
    aad.extend_from_slice(row);
    aad
}

fn bind(header: &[u8], aad: &[u8]) -> Vec<u8> {
    [header, aad].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_sealed_value_opens_only_under_its_key_and_in_its_place() {
        let entropy = SeededEntropy::new(1);
        let key = SealingKey::new("sealing-1", &[7; 32]);
        let here = place("otp_attempts", "target_private", &[1; 16]);
        let sealed = key.seal(&entropy, &here, b"secret");
        assert_eq!(sealed_key_id(&sealed), Ok("sealing-1"));
        assert_eq!(key.open(&here, &sealed).expect("own seal").as_slice(), b"secret");
        assert_ne!(sealed, key.seal(&entropy, &here, b"secret"), "nonces differ");

        let elsewhere = place("otp_attempts", "target_private", &[2; 16]);
        assert_eq!(key.open(&elsewhere, &sealed), Err(SealError::NotAuthentic));
        assert_eq!(SealingKey::new("sealing-1", &[8; 32]).open(&here, &sealed), Err(SealError::NotAuthentic));
        assert_eq!(SealingKey::new("sealing-2", &[7; 32]).open(&here, &sealed), Err(SealError::UnknownKey));
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let key = SealingKey::new("k", &[7; 32]);
        let sealed = key.seal(&SeededEntropy::new(1), b"place", b"secret");
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(key.open(b"place", &altered).is_err(), "byte {index}");
            assert!(key.open(b"place", &sealed[..index]).is_err(), "length {index}");
        }
    }

    #[test]
    fn places_do_not_run_into_each_other() {
        assert_ne!(place("ab", "c", b"d"), place("a", "bc", b"d"));
        assert_ne!(place("a", "b", b"cd"), place("a", "bc", b"d"));
    }
}
