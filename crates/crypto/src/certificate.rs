//! Signatures by a certificate's RSA key, for callers that publish one (X.509, RFC 5280).
//!
//! Promise: a [`CertificateKey`] verifies what its certificate's key signed while the certificate is valid. Who issued the
//! certificate is not judged here: the caller got it from a place it trusts.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
};
use x509_cert::Certificate;
use x509_cert::der::{DecodePem, Encode};

use crate::op;
use crate::p256::BadSignature;

/// Why a certificate cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not one certificate in PEM.
    #[error("not a certificate in PEM")]
    Malformed,
    /// No RSA key, or one of fewer than 2048 or more than 8192 bits.
    #[error("the certificate's key is no RSA key of 2048 to 8192 bits")]
    Key,
}

/// Which digest a signature is over; both are RSASSA-PKCS1-v1_5 (RFC 8017).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaDigest {
    /// SHA-1, for callers that sign so by default.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The RSA key of a certificate, with the time it is valid in.
#[derive(Debug, Clone)]
pub struct CertificateKey {
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
    /// Seconds since the epoch, both included.
    valid: (u64, u64),
}

impl CertificateKey {
    /// Reads the first certificate of a PEM text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let certificate = Certificate::from_pem(pem).map_err(|_| CertificateError::Malformed)?;
        let inner = &certificate.tbs_certificate;
        let key = inner.subject_public_key_info.to_der().map_err(|_| CertificateError::Malformed)?;
        let parsed = |algorithm| ParsedPublicKey::new(algorithm, &key).map_err(|_| CertificateError::Key);
        Ok(Self {
            sha1: parsed(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)?,
            sha256: parsed(&RSA_PKCS1_2048_8192_SHA256)?,
            valid: (
                inner.validity.not_before.to_unix_duration().as_secs(),
                inner.validity.not_after.to_unix_duration().as_secs(),
            ),
        })
    }

    /// Whether the certificate is valid at a time, in milliseconds since the epoch.
    pub fn is_valid_at(&self, now_ms: i64) -> bool {
        let (from, until) = self.valid;
        u64::try_from(now_ms.div_euclid(1000)).is_ok_and(|now| (from..=until).contains(&now))
    }

    /// Verifies a signature over `message` itself.
    pub fn verify(&self, digest: RsaDigest, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let key = match digest {
            RsaDigest::Sha1 => &self.sha1,
            RsaDigest::Sha256 => &self.sha256,
        };
        op!("rsa_verify");
        key.verify_sig(message, signature).map_err(|_| BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    // A self-signed certificate; the signatures are made with OpenSSL, `dgst -sha1 -sign` and `dgst -sha256 -sign`.
    const PEM: &[u8] = include_bytes!("../tests/certificate/certificate.pem");
    const SHA1: &str = include_str!("../tests/certificate/sha1.b64");
    const SHA256: &str = include_str!("../tests/certificate/sha256.b64");
    const MESSAGE: &[u8] = b"signed by OpenSSL";

    fn signature(text: &str) -> Vec<u8> {
        STANDARD.decode(text.replace('\n', "")).unwrap()
    }

    #[test]
    fn signatures_of_both_digests_verify_and_no_others() {
        let key = CertificateKey::from_pem(PEM).unwrap();
        key.verify(RsaDigest::Sha1, MESSAGE, &signature(SHA1)).unwrap();
        key.verify(RsaDigest::Sha256, MESSAGE, &signature(SHA256)).unwrap();
        for (digest, message, signature) in [
            (RsaDigest::Sha256, MESSAGE, signature(SHA1)),
            (RsaDigest::Sha1, MESSAGE, signature(SHA256)),
            (RsaDigest::Sha256, &b"signed by OpenSSL?"[..], signature(SHA256)),
            (RsaDigest::Sha256, MESSAGE, Vec::new()),
            (RsaDigest::Sha256, MESSAGE, vec![0; 256]),
        ] {
            assert_eq!(key.verify(digest, message, &signature), Err(BadSignature));
        }
    }

    #[test]
    fn a_certificate_is_valid_between_its_dates_alone() {
        let key = CertificateKey::from_pem(PEM).unwrap();
        // 2026-01-01 and 2126-01-01, both at midnight.
        let (from, until) = (1_767_225_600_000, 4_922_899_200_000);
        assert!(key.is_valid_at(from));
        assert!(key.is_valid_at(until));
        assert!(!key.is_valid_at(from - 1));
        assert!(!key.is_valid_at(until + 1000));
        assert!(!key.is_valid_at(-1));
    }

    #[test]
    fn what_is_no_certificate_with_an_rsa_key_is_refused() {
        for pem in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &PEM[..200]]
        {
            assert_eq!(CertificateKey::from_pem(pem).unwrap_err(), CertificateError::Malformed);
        }
        let other_curve = include_bytes!("../tests/certificate/p256.pem");
        assert_eq!(CertificateKey::from_pem(other_curve).unwrap_err(), CertificateError::Key);
    }
}
