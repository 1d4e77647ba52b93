//! HPKE (RFC 9180): base mode, single shot, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (protocol 05, section 3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::op;
use crate::p256::{AgreementKey, PublicKey};

/// The `info` of every HPKE message in this protocol.
pub const TURNKEY_INFO: &[u8] = b"turnkey_hpke";

/// DHKEM(P-256, HKDF-SHA256) (RFC 9180, section 7.1).
pub const KEM_ID: u16 = 0x0010;

/// HKDF-SHA256 (RFC 9180, section 7.2).
pub const KDF_ID: u16 = 0x0001;

/// AES-256-GCM (RFC 9180, section 7.3).
pub const AEAD_ID: u16 = 0x0002;

/// The length of the authentication tag behind every ciphertext, in bytes.
pub const TAG_LEN: usize = 16;

/// `"KEM" || I2OSP(kem_id, 2)` (RFC 9180, section 4.1).
const KEM_SUITE: &[u8] = b"KEM\x00\x10";

/// `"HPKE" || I2OSP(kem_id, 2) || I2OSP(kdf_id, 2) || I2OSP(aead_id, 2)` (RFC 9180, section 5.1).
const HPKE_SUITE: &[u8] = b"HPKE\x00\x10\x00\x01\x00\x02";

/// The message cannot be opened: a bad encapsulated key, a wrong receiver, or altered text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be opened")]
pub struct OpenError;

/// Seals `plaintext` to `receiver`: `SealBase` of RFC 9180, section 6.1.
///
/// Takes the ephemeral key by value because it must serve once. Returns the encapsulated key (65 bytes, uncompressed)
/// and the ciphertext with its tag.
pub fn seal(
    receiver: &PublicKey,
    ephemeral: AgreementKey,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> ([u8; 65], Vec<u8>) {
    let encapped = *ephemeral.public_key().uncompressed();
    let keys = ephemeral
        .agree(receiver.uncompressed(), |dh| Schedule::new(dh, &encapped, receiver.uncompressed(), info))
        .expect("a PublicKey is on the curve");
    op!("aead_seal");
    let mut text = Vec::with_capacity(plaintext.len() + TAG_LEN);
    text.extend_from_slice(plaintext);
    let tag = keys
        .cipher()
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(keys.nonce), Aad::from(aad), &mut text)
        .expect("the text is shorter than the limit of AES-GCM");
    text.extend_from_slice(tag.as_ref());
    (encapped, text)
}

/// Opens a message to `private`: `OpenBase` of RFC 9180, section 6.1. `encapped` is 65 bytes, uncompressed.
pub fn open(
    private: &AgreementKey,
    encapped: &[u8],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let encapped: &[u8; 65] = encapped.try_into().map_err(|_| OpenError)?;
    if encapped[0] != 4 || ciphertext.len() < TAG_LEN {
        return Err(OpenError);
    }
    let receiver = private.public_key().uncompressed();
    let keys =
        private.agree(encapped, |dh| Schedule::new(dh, encapped, receiver, info)).map_err(|_| OpenError)?;
    op!("aead_open");
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let length = keys
        .cipher()
        .open_in_place(Nonce::assume_unique_for_key(keys.nonce), Aad::from(aad), &mut text)
        .map_err(|_| OpenError)?
        .len();
    text.truncate(length);
    Ok(text)
}

/// Seals as this protocol does: `info` [`TURNKEY_INFO`], associated data [`turnkey_aad`], a fresh ephemeral key.
pub fn seal_turnkey(receiver: &PublicKey, entropy: &dyn Entropy, plaintext: &[u8]) -> ([u8; 65], Vec<u8>) {
    let ephemeral = AgreementKey::generate(entropy);
    let aad = turnkey_aad(ephemeral.public_key().uncompressed(), receiver);
    seal(receiver, ephemeral, TURNKEY_INFO, &aad, plaintext)
}

/// Opens what [`seal_turnkey`] sealed. `encapped` is 65 bytes, uncompressed.
pub fn open_turnkey(
    private: &AgreementKey,
    encapped: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let encapped: &[u8; 65] = encapped.try_into().map_err(|_| OpenError)?;
    open(private, encapped, TURNKEY_INFO, &turnkey_aad(encapped, private.public_key()), ciphertext)
}

/// The associated data of this protocol: encapsulated key, then receiver key, both uncompressed (05, section 4).
pub fn turnkey_aad(encapped: &[u8; 65], receiver: &PublicKey) -> [u8; 130] {
    concat(encapped, receiver.uncompressed())
}

fn concat(first: &[u8; 65], second: &[u8; 65]) -> [u8; 130] {
    let mut both = [0; 130];
    both[..65].copy_from_slice(first);
    both[65..].copy_from_slice(second);
    both
}

/// The keys of one message, with the intermediate values the published vectors state.
struct Schedule {
    key: Zeroizing<[u8; 32]>,
    nonce: [u8; 12],
    #[cfg(test)]
    intermediate: tests::Intermediate,
}

impl Schedule {
    /// `ExtractAndExpand` (RFC 9180, section 4.1) and `KeySchedule` in base mode (section 5.1).
    fn new(dh: &[u8], encapped: &[u8; 65], receiver: &[u8; 65], info: &[u8]) -> Self {
        let eae_prk = labeled_extract(KEM_SUITE, &[], b"eae_prk", dh);
        let kem_context = concat(encapped, receiver);
        let shared_secret: Zeroizing<[u8; 32]> =
            Zeroizing::new(labeled_expand(KEM_SUITE, &eae_prk, b"shared_secret", &kem_context));

        let mut context = [0; 65];
        context[1..33].copy_from_slice(&*labeled_extract(HPKE_SUITE, &[], b"psk_id_hash", &[]));
        context[33..].copy_from_slice(&*labeled_extract(HPKE_SUITE, &[], b"info_hash", info));
        let secret = labeled_extract(HPKE_SUITE, &*shared_secret, b"secret", &[]);
        Self {
            key: Zeroizing::new(labeled_expand(HPKE_SUITE, &secret, b"key", &context)),
            nonce: labeled_expand(HPKE_SUITE, &secret, b"base_nonce", &context),
            #[cfg(test)]
            intermediate: tests::Intermediate {
                dh: dh.to_vec(),
                shared_secret: *shared_secret,
                context,
                secret: *secret,
            },
        }
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.key).expect("the key has 32 bytes"))
    }
}

/// `LabeledExtract` (RFC 9180, section 4): HKDF-Extract, which is HMAC with the salt as key.
fn labeled_extract(suite: &[u8], salt: &[u8], label: &[u8], ikm: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
    for part in [b"HPKE-v1", suite, label, ikm] {
        context.update(part);
    }
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// `LabeledExpand` (RFC 9180, section 4).
fn labeled_expand<const L: usize>(suite: &[u8], prk: &[u8; 32], label: &[u8], info: &[u8]) -> [u8; L] {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let length = (L as u16).to_be_bytes();
    let mut out = [0; L];
    Prk::new_less_safe(HKDF_SHA256, prk)
        .expand(&[&length, b"HPKE-v1", suite, label, info], Length(L))
        .and_then(|okm| okm.fill(&mut out))
        .expect("the output is shorter than HKDF's limit");
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    pub(super) struct Intermediate {
        pub(super) dh: Vec<u8>,
        pub(super) shared_secret: [u8; 32],
        pub(super) context: [u8; 65],
        pub(super) secret: [u8; 32],
    }

    fn bytes(value: &Value) -> Vec<u8> {
        hex::decode(value.as_str().expect("text")).expect("hex")
    }

    fn key(value: &Value) -> AgreementKey {
        AgreementKey::from_hex(value.as_str().expect("text")).expect("key")
    }

    fn schedule(ephemeral: &AgreementKey, receiver: &PublicKey, info: &[u8]) -> Schedule {
        let encapped = *ephemeral.public_key().uncompressed();
        ephemeral
            .agree(receiver.uncompressed(), |dh| Schedule::new(dh, &encapped, receiver.uncompressed(), info))
            .expect("on the curve")
    }

    #[test]
    fn the_key_schedule_is_that_of_rfc_9180() {
        let file: Value = serde_json::from_str(include_str!("../../../testdata/vectors/rfc9180.json"))
            .expect("vector file");
        let cases = file["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 1);
        for case in cases {
            let ids = [&case["kem_id"], &case["kdf_id"], &case["aead_id"]].map(|id| id.as_u64());
            assert_eq!(ids, [KEM_ID, KDF_ID, AEAD_ID].map(|id| Some(u64::from(id))));
            let keys = schedule(&key(&case["skEm"]), key(&case["skRm"]).public_key(), &bytes(&case["info"]));
            assert_eq!(keys.intermediate.shared_secret[..], bytes(&case["shared_secret"]));
            assert_eq!(keys.intermediate.context[..], bytes(&case["key_schedule_context"]));
            assert_eq!(keys.intermediate.secret[..], bytes(&case["secret"]));
            assert_eq!(keys.key[..], bytes(&case["key"]));
            assert_eq!(keys.nonce[..], bytes(&case["base_nonce"]));
        }
    }

    #[test]
    fn the_key_schedule_is_that_of_the_published_sdk() {
        let file: Value =
            serde_json::from_str(include_str!("../../../testdata/vectors/hpke.json")).expect("vector file");
        let cases = file["deterministic"].as_array().expect("cases");
        assert_eq!(cases.len(), 3);
        for case in cases {
            let keys = schedule(
                &key(&case["ephemeral"]["privateKey"]),
                key(&case["receiver"]["privateKey"]).public_key(),
                case["infoUtf8"].as_str().expect("text").as_bytes(),
            );
            assert_eq!(keys.intermediate.dh, bytes(&case["dhHex"]));
            assert_eq!(keys.intermediate.shared_secret[..], bytes(&case["kemSharedSecretHex"]));
            assert_eq!(keys.intermediate.context[1..33], bytes(&case["pskIdHashHex"]));
            assert_eq!(keys.intermediate.context[33..], bytes(&case["infoHashHex"]));
            assert_eq!(keys.intermediate.context[..], bytes(&case["keyScheduleContextHex"]));
            assert_eq!(keys.intermediate.secret[..], bytes(&case["secretHex"]));
            assert_eq!(keys.key[..], bytes(&case["aeadKeyHex"]));
            assert_eq!(keys.nonce[..], bytes(&case["aeadNonceHex"]));
        }
    }
}
