//! Digests: the fingerprint of an activity, and the plain SHA-256 and HMACs that other crates need.

use std::io::{self, Read};

use aws_lc_rs::{digest, hmac};
use subtle::ConstantTimeEq;

use crate::op;

/// The fingerprint of an activity: `sha256:` and the lower-case hex of SHA-256 over the exact request body
/// (`fingerprints.json`).
pub fn activity_fingerprint(body: &[u8]) -> String {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    text.push_str(&hex::encode(sha256(body)));
    text
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// SHA-256 of all that `reader` still holds, read in pieces: for what is too long for memory. Fails as the reader does.
pub fn sha256_of_reader(mut reader: impl Read) -> io::Result<[u8; 32]> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => context.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Ok(out)
}

/// HMAC-SHA-256 (RFC 2104) of `data` under `key`.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    hmac_parts(&hmac::Key::new(hmac::HMAC_SHA256, key), &[data])
}

/// HMAC-SHA-1 (RFC 2104) of `data` under `key`, for callers of ours that sign so and offer nothing else. What is known of
/// SHA-1's collisions does not touch the HMAC; still, nothing new is built on it.
pub fn hmac_sha1(key: &[u8], data: &[u8]) -> [u8; 20] {
    op!("hmac");
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), data);
    let mut out = [0; 20];
    out.copy_from_slice(mac.as_ref());
    out
}

/// Whether two codes of authentication are the same, in a time that does not tell where they differ.
pub fn same_mac(expected: &[u8], given: &[u8]) -> bool {
    expected.ct_eq(given).into()
}

/// HMAC-SHA-256 over the concatenation of `parts`.
pub(crate) fn hmac_parts(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    op!("hmac");
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_in_pieces_is_that_of_the_whole() {
        let data = vec![7; 200_000];
        assert_eq!(sha256_of_reader(data.as_slice()).unwrap(), sha256(&data));
        assert_eq!(sha256_of_reader(&b""[..]).unwrap(), sha256(b""));
    }

    /// RFC 4231, test cases 1 and 2.
    #[test]
    fn hmac_agrees_with_rfc_4231() {
        assert_eq!(
            hex::encode(hmac_sha256(&[0x0b; 20], b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// RFC 2202, test cases 1 and 2.
    #[test]
    fn hmac_sha1_agrees_with_rfc_2202() {
        assert_eq!(
            hex::encode(hmac_sha1(&[0x0b; 20], b"Hi There")),
            "b617318655057264e28bc0b6fb378c8ef146be00"
        );
        assert_eq!(
            hex::encode(hmac_sha1(b"Jefe", b"what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
    }

    #[test]
    fn macs_are_the_same_only_byte_for_byte() {
        let mac = hmac_sha1(b"Jefe", b"what do ya want for nothing?");
        assert!(same_mac(&mac, &mac));
        assert!(!same_mac(&mac, &mac[..19]));
        let mut other = mac;
        other[19] ^= 1;
        assert!(!same_mac(&mac, &other));
    }
}
