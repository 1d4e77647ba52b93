//! Parsed public keys of returning callers.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use super::{InvalidKey, PublicKey, compress, decode_hex};

const SHARDS: usize = 16;

/// Remembers parsed keys, so that a returning key costs no decompression and no check of the curve.
///
/// Bounded: each shard holds two generations; when the young one is full it becomes the old one and the old one is
/// forgotten. A key in use moves back to the young generation.
pub struct KeyCache {
    shards: Vec<Mutex<Shard>>,
    generation: usize,
}

#[derive(Default)]
struct Shard {
    young: HashMap<[u8; 33], PublicKey>,
    old: HashMap<[u8; 33], PublicKey>,
}

impl KeyCache {
    /// A cache of at most `capacity` keys, rounded up to a multiple of 32.
    pub fn new(capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, generation: capacity.div_ceil(2 * SHARDS).max(1) }
    }

    /// The key written as SEC1 hex, compressed or uncompressed, in either case.
    pub fn get_hex(&self, text: &str) -> Result<PublicKey, InvalidKey> {
        let mut buffer = [0; 65];
        self.get(decode_hex(text, &mut buffer)?)
    }

    /// The key with these SEC1 bytes, compressed or uncompressed.
    pub fn get(&self, bytes: &[u8]) -> Result<PublicKey, InvalidKey> {
        let compressed = match (<[u8; 33]>::try_from(bytes), <&[u8; 65]>::try_from(bytes)) {
            (Ok(compressed), _) => compressed,
            (_, Ok(uncompressed)) => compress(uncompressed),
            _ => return Err(InvalidKey),
        };
        // The lowest bytes of x are as good as random for every honest key.
        let shard = &self.shards[usize::from(compressed[32]) % SHARDS];
        let known = shard.lock().unwrap_or_else(PoisonError::into_inner).get(&compressed, self.generation);
        match known {
            Some(key) if bytes.len() == 33 || bytes == key.uncompressed() => Ok(key),
            Some(_) => Err(InvalidKey),
            None => {
                let key = PublicKey::from_sec1(bytes)?;
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.insert(compressed, key.clone(), self.generation);
                Ok(key)
            }
        }
    }

    /// Remembers a key that was parsed elsewhere and will soon return, such as the one a login registers.
    pub fn insert(&self, key: PublicKey) {
        let shard = &self.shards[usize::from(key.compressed()[32]) % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.insert(*key.compressed(), key, self.generation);
    }

    /// The number of keys remembered.
    pub fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    /// True when nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shard {
    fn get(&mut self, compressed: &[u8; 33], generation: usize) -> Option<PublicKey> {
        if let Some(key) = self.young.get(compressed) {
            return Some(key.clone());
        }
        let key = self.old.remove(compressed)?;
        self.insert(*compressed, key.clone(), generation);
        Some(key)
    }

    fn insert(&mut self, compressed: [u8; 33], key: PublicKey, generation: usize) {
        if self.young.len() >= generation {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(compressed, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;
    use crate::p256::AgreementKey;

    #[test]
    fn a_returning_key_is_not_parsed_again_and_the_cache_stays_bounded() {
        let cache = KeyCache::new(64);
        let entropy = SeededEntropy::new(3);
        let first = AgreementKey::generate(&entropy).public_key().clone();
        let cached = cache.get(first.compressed()).expect("valid");
        assert!(std::sync::Arc::ptr_eq(
            &cached.0,
            &cache.get_hex(&first.to_hex().to_uppercase()).expect("valid").0
        ));
        assert!(std::sync::Arc::ptr_eq(
            &cached.0,
            &cache.get_hex(&first.to_uncompressed_hex()).expect("valid").0
        ));
        for _ in 0..300 {
            let other = AgreementKey::generate(&entropy).public_key().clone();
            assert_eq!(cache.get(other.compressed()).expect("valid"), other);
            assert_eq!(cache.get(first.compressed()).expect("valid"), first);
        }
        assert!(cache.len() <= 64, "{}", cache.len());
    }

    #[test]
    fn a_key_parsed_elsewhere_is_remembered() {
        let cache = KeyCache::new(8);
        assert!(cache.is_empty());
        let key = AgreementKey::generate(&SeededEntropy::new(5)).public_key().clone();
        cache.insert(key.clone());
        assert!(std::sync::Arc::ptr_eq(&key.0, &cache.get(key.compressed()).expect("valid").0));
    }

    #[test]
    fn a_wrong_y_is_refused_even_when_x_is_known() {
        let cache = KeyCache::new(8);
        let key = AgreementKey::generate(&SeededEntropy::new(4)).public_key().clone();
        cache.get(key.compressed()).expect("valid");
        let mut wrong = *key.uncompressed();
        wrong[40] ^= 1;
        assert_eq!(cache.get(&wrong), Err(InvalidKey));
        wrong = *key.uncompressed();
        wrong[0] = 6;
        assert_eq!(cache.get(&wrong), Err(InvalidKey));
    }
}
