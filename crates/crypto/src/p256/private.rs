//! Private keys: one type signs, the other agrees. Neither can be printed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use zeroize::Zeroizing;

use super::der::EcdsaSignature;
use super::{InvalidKey, PublicKey};
use crate::entropy::{Entropy, array};
use crate::op;

/// A P-256 key that makes ECDSA signatures with SHA-256. Clones share the key.
#[derive(Clone)]
pub struct SigningKey(Arc<SigningPair>);

struct SigningPair {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new key from `entropy`: one scalar multiplication, and a second one in which the library checks the pair.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        op!("keygen");
        draw(entropy, Self::from_bytes)
    }

    /// Takes a private scalar, big-endian, greater than zero and below the order of the curve.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, InvalidKey> {
        let der = rfc5915(secret, None);
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &der)
            .map_err(|_| InvalidKey)?;
        let public = PublicKey::from_computed(pair.public_key().as_ref())?;
        Ok(Self(Arc::new(SigningPair { pair, public })))
    }

    /// Takes a private scalar as 64 hex characters, the form SDK configurations use.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        Self::from_bytes(&*scalar_from_hex(text)?)
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// Signs SHA-256 of `message`; minimal DER, low S.
    pub fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        self.sign(message).to_der().as_ref().to_vec()
    }

    /// Signs SHA-256 of `message`; raw `r || s`, low S.
    pub fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        self.sign(message).to_raw()
    }

    fn sign(&self, message: &[u8]) -> EcdsaSignature {
        op!("ecdsa_sign");
        let signature = self.0.pair.sign(&SystemRandom::new(), message).expect("a valid key signs");
        EcdsaSignature::from_der(signature.as_ref()).expect("the library writes DER").low_s()
    }

    /// The private scalar, 32 bytes big-endian.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        let scalar: EcPrivateKeyBin<'_> =
            self.0.pair.private_key().as_be_bytes().expect("a valid key has a scalar");
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(scalar.as_ref());
        out
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey([redacted], {:?})", self.0.public)
    }
}

/// A P-256 key for Diffie-Hellman: the receiver of an HPKE message, or the ephemeral key of its sender. Clones share the key.
#[derive(Clone)]
pub struct AgreementKey(Arc<AgreementPair>);

struct AgreementPair {
    private: agreement::PrivateKey,
    public: PublicKey,
}

impl AgreementKey {
    /// Makes a new key from `entropy`.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        op!("keygen");
        draw(entropy, Self::from_bytes)
    }

    /// Takes a private scalar, big-endian, greater than zero and below the order of the curve.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, InvalidKey> {
        let private =
            agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, secret).map_err(|_| InvalidKey)?;
        let computed = private.compute_public_key().map_err(|_| InvalidKey)?;
        let public = PublicKey::from_computed(computed.as_ref())?;
        Ok(Self(Arc::new(AgreementPair { private, public })))
    }

    /// Takes a private scalar with the public key that was stored beside it; cheaper than [`AgreementKey::from_bytes`]
    /// by one scalar multiplication. Halves that do not belong together are refused.
    pub fn from_parts(secret: &[u8; 32], public: &PublicKey) -> Result<Self, InvalidKey> {
        let der = rfc5915(secret, Some(public));
        let private = agreement::PrivateKey::from_private_key_der(&agreement::ECDH_P256, &der)
            .map_err(|_| InvalidKey)?;
        Ok(Self(Arc::new(AgreementPair { private, public: public.clone() })))
    }

    /// Takes a private scalar as 64 hex characters.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        Self::from_bytes(&*scalar_from_hex(text)?)
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// The private scalar, 32 bytes big-endian.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        let scalar: EcPrivateKeyBin<'_> = self.0.private.as_be_bytes().expect("a valid key has a scalar");
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(scalar.as_ref());
        out
    }

    /// Agrees with the uncompressed point `peer` and hands the shared x coordinate (32 bytes) to `derive`.
    ///
    /// A peer that is not on the curve is refused.
    pub(crate) fn agree<R>(&self, peer: &[u8; 65], derive: impl FnOnce(&[u8]) -> R) -> Result<R, InvalidKey> {
        op!("ecdh");
        let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, peer);
        agreement::agree(&self.0.private, peer, InvalidKey, |shared| Ok(derive(shared)))
    }
}

impl fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgreementKey([redacted], {:?})", self.0.public)
    }
}

/// Draws scalars until one is in range: the chance that the first is not is below 2^-32.
fn draw<K>(entropy: &dyn Entropy, make: impl Fn(&[u8; 32]) -> Result<K, InvalidKey>) -> K {
    loop {
        if let Ok(key) = make(&Zeroizing::new(array(entropy))) {
            return key;
        }
    }
}

fn scalar_from_hex(text: &str) -> Result<Zeroizing<[u8; 32]>, InvalidKey> {
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, &mut secret[..]).map_err(|_| InvalidKey)?;
    Ok(secret)
}

/// `ECPrivateKey` of RFC 5915, section 3. With the public key in it the library need not compute it, only compare.
fn rfc5915(secret: &[u8; 32], public: Option<&PublicKey>) -> Zeroizing<Vec<u8>> {
    const PRIME256V1: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let mut der = Zeroizing::new(Vec::with_capacity(121));
    der.extend([0x30, if public.is_some() { 0x77 } else { 0x31 }, 0x02, 0x01, 0x01, 0x04, 0x20]);
    der.extend(secret);
    der.extend(PRIME256V1);
    if let Some(public) = public {
        der.extend([0xa1, 0x44, 0x03, 0x42, 0x00]);
        der.extend(public.uncompressed());
    }
    der
}
