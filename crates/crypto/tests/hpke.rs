//! `hpke.json` and `rfc9180.json`; the intermediate values are checked beside the key schedule itself.

mod support;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable};
use proptest::prelude::*;
use support::{agreement_key, bytes, load, public_key, text, visit};
use vestibule_crypto::bundle::{BundleError, open_credential_bundle, seal_credential_bundle};
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::hpke::{OpenError, TURNKEY_INFO, open, open_turnkey, seal, seal_turnkey, turnkey_aad};
use vestibule_crypto::p256::AgreementKey;

#[test]
fn the_first_message_of_rfc_9180_is_reproduced() {
    let file = load("rfc9180.json");
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 1);
    for case in cases {
        let receiver = agreement_key(text(case, "skRm"));
        assert_eq!(receiver.public_key().uncompressed()[..], bytes(case, "pkRm"));
        let ephemeral = agreement_key(text(case, "skEm"));
        let first = &case["encryptions"][0];
        let (info, aad, plaintext) = (bytes(case, "info"), bytes(first, "aad"), bytes(first, "pt"));
        let (encapped, ciphertext) = seal(receiver.public_key(), ephemeral, &info, &aad, &plaintext);
        assert_eq!(encapped[..], bytes(case, "enc"));
        assert_eq!(ciphertext, bytes(first, "ct"));
        assert_eq!(
            open(&receiver, &encapped, &info, &aad, &ciphertext).expect("own message").as_slice(),
            plaintext
        );
        // A single-shot receiver knows sequence number 0 alone.
        let second = &case["encryptions"][1];
        let opened = open(&receiver, &encapped, &info, &bytes(second, "aad"), &bytes(second, "ct"));
        assert_eq!(opened, Err(OpenError));
    }
}

#[test]
fn the_messages_of_the_published_sdk_are_reproduced() {
    let file = load("hpke.json");
    visit(&file["deterministic"], &[], |name, case| {
        let receiver = agreement_key(text(&case["receiver"], "privateKey"));
        let ephemeral = agreement_key(text(&case["ephemeral"], "privateKey"));
        let plaintext = bytes(case, "plaintextHex");
        assert_eq!(text(case, "infoUtf8").as_bytes(), TURNKEY_INFO);
        let aad = turnkey_aad(ephemeral.public_key().uncompressed(), receiver.public_key());
        assert_eq!(aad[..], bytes(case, "aadHex"), "{name}");
        let compressed = ephemeral.public_key().to_hex();
        assert_eq!(compressed, text(case, "compressedEncapHex"));

        let (encapped, ciphertext) = seal(receiver.public_key(), ephemeral, TURNKEY_INFO, &aad, &plaintext);
        assert_eq!(ciphertext, bytes(case, "ciphertextAndTagHex"), "{name}");
        assert_eq!(hex::encode(encapped), text(&case["formatHpkeBuf"], "encappedPublic"));
        assert_eq!(hex::encode(&ciphertext), text(&case["formatHpkeBuf"], "ciphertext"));
        let bundle = [hex::decode(compressed).expect("hex"), ciphertext.clone()].concat();
        assert_eq!(
            bs58::encode(bundle).with_check().into_string(),
            text(case, "bundleBase58check"),
            "{name}"
        );
        assert_eq!(
            open_turnkey(&receiver, &encapped, &ciphertext).expect("own message").as_slice(),
            plaintext
        );
    });
}

#[test]
fn every_credential_bundle_is_judged_as_the_vectors_say() {
    let file = load("hpke.json");
    visit(&file["credentialBundles"], &[], |name, case| {
        let receiver = match case["targetPrivateKey"].as_str() {
            Some(private) => agreement_key(private),
            // The file names the seed of this receiver instead of its private key.
            None => {
                assert!(name.ends_with("(ikm 0x11*32)"), "{name}");
                let (private, _) = Kem::derive_keypair(&[0x11; 32]);
                agreement_key(&hex::encode(private.to_bytes()))
            }
        };
        if let Some(public) = case["targetPublicKey"].as_str() {
            assert_eq!(receiver.public_key().to_uncompressed_hex(), public, "{name}");
        }
        let opened = open_credential_bundle(&receiver, text(case, "credentialBundle"));
        match case["expect"].as_str() {
            None => {
                let expected =
                    case["expectPlaintextHex"].as_str().unwrap_or_else(|| text(case, "sdkDecrypt"));
                assert_eq!(
                    hex::encode(*opened.unwrap_or_else(|error| panic!("{name}: {error}"))),
                    expected,
                    "{name}"
                );
                if let Some(public) = case["credentialPublicKey"].as_str() {
                    assert_eq!(agreement_key(expected).public_key().to_hex(), public);
                }
            }
            Some("decrypt error") => assert_eq!(opened, Err(BundleError::Sealed), "{name}"),
            Some("decode error" | "too short") => assert_eq!(opened, Err(BundleError::Malformed), "{name}"),
            Some(other) => panic!("{name}: unexpected outcome {other}"),
        }
    });
}

#[test]
fn a_credential_bundle_opens_for_its_receiver_alone() {
    let entropy = SeededEntropy::new(5);
    let [receiver, other] = [(); 2].map(|()| AgreementKey::generate(&entropy));
    let bundle = seal_credential_bundle(receiver.public_key(), &[9; 32], &entropy);
    assert_eq!(*open_credential_bundle(&receiver, &bundle).expect("own bundle"), [9; 32]);
    assert_eq!(open_credential_bundle(&other, &bundle), Err(BundleError::Sealed));
    assert_ne!(
        bundle,
        seal_credential_bundle(receiver.public_key(), &[9; 32], &entropy),
        "a fresh key each time"
    );
    assert_eq!(open_credential_bundle(&receiver, &"1".repeat(5000)), Err(BundleError::Malformed));
}

#[test]
fn encapsulated_keys_off_the_curve_or_in_another_form_are_refused() {
    let entropy = SeededEntropy::new(6);
    let receiver = AgreementKey::generate(&entropy);
    let (encapped, ciphertext) = seal_turnkey(receiver.public_key(), &entropy, b"text");
    let refused =
        |encapped: &[u8], ciphertext: &[u8]| open_turnkey(&receiver, encapped, ciphertext) == Err(OpenError);
    let compressed = public_key(&hex::encode(encapped)).compressed().to_vec();
    assert!(refused(&compressed, &ciphertext));
    let mut altered = encapped;
    altered[64] ^= 1;
    assert!(refused(&altered, &ciphertext));
    altered = encapped;
    altered[0] = 6 | (encapped[64] & 1);
    assert!(refused(&altered, &ciphertext));
    for length in 0..ciphertext.len() {
        assert!(refused(&encapped, &ciphertext[..length]), "{length}");
    }
}

type Kem = hpke::kem::DhP256HkdfSha256;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_pure_rust_implementation_opens_what_is_sealed_here(
        seed: u64,
        info in prop::collection::vec(any::<u8>(), 0..80),
        aad in prop::collection::vec(any::<u8>(), 0..200),
        plaintext in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let entropy = SeededEntropy::new(seed);
        let receiver = AgreementKey::generate(&entropy);
        let ephemeral = AgreementKey::generate(&entropy);
        let (encapped, ciphertext) = seal(receiver.public_key(), ephemeral, &info, &aad, &plaintext);

        let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(&receiver.secret_bytes()[..]).expect("private key");
        let encapped = <Kem as hpke::Kem>::EncappedKey::from_bytes(&encapped).expect("encapsulated key");
        let opened = hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
            &OpModeR::Base, &private, &encapped, &info, &ciphertext, &aad,
        );
        prop_assert_eq!(opened.expect("opens"), plaintext);
    }

    #[test]
    fn what_the_pure_rust_implementation_seals_is_opened_here(
        seed: [u8; 32],
        info in prop::collection::vec(any::<u8>(), 0..80),
        aad in prop::collection::vec(any::<u8>(), 0..200),
        plaintext in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let (private, public) = Kem::derive_keypair(&seed);
        let (encapped, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem>(
            &OpModeS::Base, &public, &info, &plaintext, &aad,
        ).expect("seals");
        let receiver = AgreementKey::from_bytes(private.to_bytes().as_slice().try_into().expect("32 bytes")).expect("key");
        prop_assert_eq!(receiver.public_key().uncompressed().to_vec(), public.to_bytes().to_vec());
        let opened = open(&receiver, &encapped.to_bytes(), &info, &aad, &ciphertext).expect("opens");
        prop_assert_eq!(opened.as_slice(), plaintext);
    }
}
