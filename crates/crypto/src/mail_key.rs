//! The key that signs outgoing mail: RSA (RFC 6376) or Ed25519 (RFC 8463), from a PEM file as OpenSSL writes it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKey;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::fingerprint::sha256;
use crate::op;

/// Why a key cannot sign mail; the text says what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailKeyError {
    /// No private key in PEM, or one that is encrypted.
    #[error(
        "not an unencrypted private key in PEM; it begins with BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY"
    )]
    Pem,
    /// Neither RSA of 2048 to 8192 bits nor Ed25519.
    #[error("mail is signed with an RSA key of at least 2048 bits or an Ed25519 key")]
    Kind,
}

enum Inner {
    Rsa(Box<RsaKey>),
    Ed25519(Ed25519KeyPair),
}

/// A private key for signatures of mail. `Debug` tells its kind alone.
pub struct MailKey(Inner);

impl std::fmt::Debug for MailKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MailKey").field(&self.algorithm()).finish()
    }
}

impl MailKey {
    /// Reads the first private key of a PEM text: PKCS #8 of either kind, or PKCS #1 for RSA.
    pub fn from_pem(pem: &str) -> Result<Self, MailKeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| MailKeyError::Pem)?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs1(key) => RsaKey::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => {
                if let Ok(key) = Ed25519KeyPair::from_pkcs8(key.secret_pkcs8_der()) {
                    return Ok(Self(Inner::Ed25519(key)));
                }
                RsaKey::from_pkcs8(key.secret_pkcs8_der())
            }
            _ => return Err(MailKeyError::Kind),
        };
        let rsa = rsa.map_err(|_| MailKeyError::Kind)?;
        Ok(Self(Inner::Rsa(Box::new(rsa))))
    }

    /// The algorithm as the tag `a=` names it.
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            Inner::Rsa(_) => "rsa-sha256",
            Inner::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// Signs the headers of a mail, in the form they are signed in. RSA signs them with RSASSA-PKCS1-v1_5 and SHA-256;
    /// Ed25519 signs their SHA-256 digest (RFC 8463, section 3).
    pub fn sign(&self, headers: &[u8]) -> Vec<u8> {
        match &self.0 {
            Inner::Rsa(key) => {
                op!("rsa_sign");
                let mut signature = vec![0; key.public_modulus_len()];
                // The padding of this scheme is fixed; the library takes a source of randomness and does not use it.
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), headers, &mut signature)
                    .expect("an RSA key of at least 2048 bits signs any SHA-256 digest");
                signature
            }
            Inner::Ed25519(key) => {
                op!("eddsa_sign");
                key.sign(&sha256(headers)).as_ref().to_vec()
            }
        }
    }

    /// The public key as the tag `p=` of the DNS record holds it, before base64: SubjectPublicKeyInfo for RSA, the 32
    /// bytes alone for Ed25519.
    pub fn public_key(&self) -> Vec<u8> {
        match &self.0 {
            Inner::Rsa(key) => {
                use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
                let der: PublicKeyX509Der<'_> =
                    key.public_key().as_der().expect("a public key can be written");
                der.as_ref().to_vec()
            }
            Inner::Ed25519(key) => key.public_key().as_ref().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    // Made with OpenSSL: `genpkey`, and `rsa -traditional` for the same key in its older form.
    const RSA: &str = include_str!("../tests/mail_key/rsa.pem");
    const RSA_TRADITIONAL: &str = include_str!("../tests/mail_key/rsa-traditional.pem");
    const ED25519_KEY: &str = include_str!("../tests/mail_key/ed25519.pem");

    #[test]
    fn keys_are_read_in_every_form_openssl_writes_and_sign_what_verifies() {
        let [new, old] = [RSA, RSA_TRADITIONAL].map(|pem| MailKey::from_pem(pem).unwrap());
        assert_eq!((new.algorithm(), old.algorithm()), ("rsa-sha256", "rsa-sha256"));
        let signature = new.sign(b"from:a@b.example");
        assert_eq!(signature, old.sign(b"from:a@b.example"), "PKCS #1 signatures have no randomness");
        assert_eq!(new.public_key(), old.public_key());
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, new.public_key())
            .verify(b"from:a@b.example", &signature)
            .unwrap();

        let key = MailKey::from_pem(ED25519_KEY).unwrap();
        assert_eq!((key.algorithm(), key.public_key().len()), ("ed25519-sha256", 32));
        let signature = key.sign(b"from:a@b.example");
        UnparsedPublicKey::new(&ED25519, key.public_key())
            .verify(&sha256(b"from:a@b.example"), &signature)
            .unwrap();
    }

    #[test]
    fn keys_that_cannot_sign_mail_are_refused_with_what_to_change() {
        let small = include_str!("../tests/mail_key/rsa-1024.pem");
        let curve = include_str!("../tests/mail_key/p256.pem");
        let encrypted = include_str!("../tests/mail_key/encrypted.pem");
        for (pem, expected) in [
            ("", MailKeyError::Pem),
            ("secret", MailKeyError::Pem),
            (encrypted, MailKeyError::Pem),
            (small, MailKeyError::Kind),
            (curve, MailKeyError::Kind),
        ] {
            assert_eq!(MailKey::from_pem(pem).unwrap_err(), expected, "{pem}");
        }
    }

    #[test]
    fn debug_output_has_no_key() {
        let key = MailKey::from_pem(ED25519_KEY).unwrap();
        assert_eq!(format!("{key:?}"), "MailKey(\"ed25519-sha256\")");
    }
}
