//! `otp_bundles.json`: target bundles, and what clients send back.

mod support;

use proptest::prelude::*;
use support::{agreement_key, load, public_key, signing_key, text, visit};
use vestibule_crypto::bundle::{BundleError, OtpBundle, open_otp_bundle, seal_otp_bundle, target_bundle};
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::p256::{AgreementKey, SigningKey};

/// The key that `@turnkey/crypto` pins; used when a client gives no override.
const PINNED: &str = "046b4f88421f76b6ba418afc2ea1d8ced671337d7db6b80478a60d8531bf8f17fa9a512f0fef96fc0c9b4cd9dff70b34992e520ce04c79d931f6ff6296b547d201";

const CODE: &str = "7G3K9QW2X";

#[test]
fn every_target_bundle_is_judged_as_the_vectors_say() {
    let file = load("otp_bundles.json");
    let target = agreement_key(text(&file["otpTargetKey"], "privateKey"));
    let client = text(&file["clientKey"], "publicKeyCompressed");
    let entropy = SeededEntropy::new(1);
    visit(&file["targetBundles"], &[], |name, case| {
        let signer = public_key(case["signerOverride"].as_str().unwrap_or(PINNED));
        let sealed =
            seal_otp_bundle(text(case, "otpEncryptionTargetBundle"), &signer, CODE, client, &entropy);
        let expected = match name {
            "no override given: pinned key refuses it"
            | "signed and labelled by another key"
            | "enclaveQuorumPublic in upper case (string compare fails)" => Err(BundleError::Signer),
            "signed by another key but claims the right one" | "dataSignature raw r||s" => {
                Err(BundleError::Signature)
            }
            // JavaScript takes this, Go and Swift do not.
            "compressed enclaveQuorumPublic with compressed override" => Err(BundleError::Signer),
            // JavaScript makes a bundle of this that nobody can open.
            "compressed targetPublic" => Err(BundleError::Content),
            _ => Ok(()),
        };
        assert_eq!(sealed.as_ref().map(|_| ()).map_err(|error| *error), expected, "{name}");
        // What the SDK made of the same bundle opens, and so does what was made here.
        let from_sdk = case["sdkResult"]["encryptedOtpBundle"].as_str();
        let unknown_target = name.contains("unknown target private key");
        let made_here = sealed.as_deref().ok();
        let compressed = "compressed targetPublic";
        for bundle in
            [from_sdk, made_here].into_iter().flatten().filter(|_| !unknown_target && name != compressed)
        {
            assert_content(
                &open_otp_bundle(&target, bundle).unwrap_or_else(|error| panic!("{name}: {error}")),
                CODE,
                client,
            );
        }
    });
}

#[test]
fn every_encrypted_bundle_opens() {
    let file = load("otp_bundles.json");
    let cases = file["encryptedBundles"].as_array().expect("cases");
    assert_eq!(cases.len(), 3);
    for case in cases {
        let target = agreement_key(text(case, "targetPrivateKey"));
        let opened = open_otp_bundle(&target, text(case, "encryptedOtpBundle")).expect("opens");
        assert_content(&opened, text(case, "otpCode"), text(case, "publicKey"));
    }
}

#[test]
fn every_malformed_bundle_is_refused() {
    let file = load("otp_bundles.json");
    let target = agreement_key(text(&file["otpTargetKey"], "privateKey"));
    visit(&file["malformedEncryptedBundles"], &[], |name, case| {
        let expected = match name {
            "not JSON" | "missing ciphertext" | "encappedPublic compressed" => BundleError::Malformed,
            "tampered ciphertext" | "encappedPublic not on curve" | "encrypted to another target" => {
                BundleError::Sealed
            }
            "plaintext not JSON" | "plaintext without public_key" | "public_key not a P-256 point" => {
                BundleError::Content
            }
            _ => panic!("{name}: unexpected case"),
        };
        let opened = open_otp_bundle(&target, text(case, "encryptedOtpBundle"));
        assert_eq!(opened.map(|_| ()), Err(expected), "{name}");
    });
}

#[test]
fn a_target_bundle_has_the_exact_text_form() {
    let file = load("otp_bundles.json");
    let signer = signing_key(&file["serverSigningKey"]);
    let target = agreement_key(text(&file["otpTargetKey"], "privateKey"));
    let organization = "7ff189fb-df7d-452e-8540-57632e380b77";
    let bundle =
        target_bundle(&signer, target.public_key(), organization, "8fc1d445-9fb8-475d-aeb7-8e9d9f8f90a5");

    let data = format!(
        r#"{{"targetPublic":"{}","organizationId":"{organization}","otpId":"8fc1d445-9fb8-475d-aeb7-8e9d9f8f90a5"}}"#,
        text(&file["otpTargetKey"], "publicKeyUncompressed")
    );
    let start = format!(r#"{{"version":"v1.0.0","data":"{}","dataSignature":""#, hex::encode(&data));
    let end = format!(
        r#"","enclaveQuorumPublic":"{}"}}"#,
        text(&file["serverSigningKey"], "publicKeyUncompressed")
    );
    let signature =
        bundle.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end)).expect("the exact text form");
    let signature = hex::decode(signature).expect("hex");
    assert_eq!(signer.public_key().verify_der(data.as_bytes(), &signature), Ok(()));
}

#[test]
fn an_opened_bundle_does_not_print_its_code() {
    let file = load("otp_bundles.json");
    let case = &file["encryptedBundles"][0];
    let opened =
        open_otp_bundle(&agreement_key(text(case, "targetPrivateKey")), text(case, "encryptedOtpBundle"));
    let printed = format!("{opened:?}");
    assert!(printed.contains("[redacted]") && !printed.contains(text(case, "otpCode")), "{printed}");
}

fn assert_content(bundle: &OtpBundle, code: &str, public_key: &str) {
    assert_eq!(bundle.otp_code.expose(), code);
    assert_eq!(bundle.public_key.to_hex(), public_key);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_code_survives_the_round_trip(seed: u64, code in "\\PC{0,40}") {
        let entropy = SeededEntropy::new(seed);
        let signer = SigningKey::generate(&entropy);
        let target = AgreementKey::generate(&entropy);
        let client = SigningKey::generate(&entropy).public_key().to_hex();
        let bundle = target_bundle(&signer, target.public_key(), "organization", "otp");
        let sealed = seal_otp_bundle(&bundle, signer.public_key(), &code, &client, &entropy).expect("seals");
        assert_content(&open_otp_bundle(&target, &sealed).expect("opens"), &code, &client);
    }

    #[test]
    fn no_text_makes_opening_panic(text in "\\PC{0,200}", hex in "(04)?[0-9a-f]{0,140}") {
        let target = AgreementKey::generate(&SeededEntropy::new(1));
        prop_assert!(open_otp_bundle(&target, &text).is_err());
        let bundle = format!(r#"{{"encappedPublic":"{hex}","ciphertext":"{hex}"}}"#);
        prop_assert!(open_otp_bundle(&target, &bundle).is_err());
    }
}
