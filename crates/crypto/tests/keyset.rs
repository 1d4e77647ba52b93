//! The key set document: what it takes, what it refuses, what it shows.

use serde_json::{Value, json};
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::keyset::{KeyRole, KeySet, KeySetError};
use vestibule_crypto::p256::PublicKey;
use vestibule_crypto::seal::{SealError, SealingKey};

fn document(seed: u64) -> Value {
    serde_json::from_str(KeySet::generate(&SeededEntropy::new(seed)).to_json().expose()).expect("JSON")
}

fn parse(document: &Value) -> Result<KeySet, KeySetError> {
    KeySet::from_json(&document.to_string())
}

#[test]
fn a_generated_set_survives_the_round_trip() {
    let set = KeySet::generate(&SeededEntropy::new(1));
    let text = set.to_json();
    let back = KeySet::from_json(text.expose()).expect("own document");
    assert_eq!(back.to_json().expose(), text.expose());
    assert_eq!(back.fingerprint(), set.fingerprint());
    assert_eq!(back.bundle_signer().public_key(), set.bundle_signer().public_key());
    assert_eq!(back.code_key().hash(&[0; 16], "000000"), set.code_key().hash(&[0; 16], "000000"));
    let sealed = set.sealing_key().seal(&SeededEntropy::new(2), b"place", b"text");
    assert_eq!(back.open(b"place", &sealed).expect("same key").as_slice(), b"text");
}

#[test]
fn the_fingerprint_changes_with_every_key_and_with_nothing_else() {
    let original = document(1);
    let fingerprint = parse(&original).expect("valid").fingerprint();
    assert_eq!(fingerprint.len(), 64);
    for index in 0..5 {
        let mut replaced = original.clone();
        replaced["keys"][index]["secret"] = document(2)["keys"][index]["secret"].clone();
        assert_ne!(parse(&replaced).expect("valid").fingerprint(), fingerprint, "secret {index}");
        let mut renamed = original.clone();
        renamed["keys"][index]["id"] = "renamed".into();
        assert_ne!(parse(&renamed).expect("valid").fingerprint(), fingerprint, "id {index}");
    }
    let mut added = original.clone();
    added["keys"].as_array_mut().expect("keys").push(document(2)["keys"][0].clone());
    assert_ne!(parse(&added).expect("valid").fingerprint(), fingerprint);

    let mut reordered = original;
    reordered["keys"].as_array_mut().expect("keys").reverse();
    assert_eq!(parse(&reordered).expect("valid").fingerprint(), fingerprint);
}

#[test]
fn faults_are_named_and_no_secret_is_shown() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = document(1);
        change(&mut changed);
        parse(&changed).map(|_| ()).expect_err("a fault")
    };
    let id = document(1)["keys"][0]["id"].as_str().expect("text").to_owned();
    for (role, index) in KeyRole::ALL.into_iter().zip(0_usize..) {
        let missing = with(&|set| drop(set["keys"].as_array_mut().expect("keys").remove(index)));
        assert_eq!(missing, KeySetError::MissingRole(role));
        assert!(missing.to_string().contains(role.as_str()));
        assert_eq!(
            with(&|set| set["keys"][index]["state"] = "retired".into()),
            KeySetError::MissingRole(role)
        );
    }
    assert_eq!(with(&|set| set["keys"][1]["id"] = id.as_str().into()), KeySetError::DuplicateId(id.clone()));
    assert_eq!(with(&|set| set["version"] = 2.into()), KeySetError::Version(2));
    for id in ["", "a b", &"a".repeat(65), "ä"] {
        assert_eq!(with(&|set| set["keys"][0]["id"] = id.into()), KeySetError::Id(id.to_owned()));
    }
    let zero = "00".repeat(32);
    for secret in ["", "12", "xx", "deadbeefsecret", zero.as_str()] {
        let error = with(&|set| set["keys"][0]["secret"] = secret.into());
        assert_eq!(error, KeySetError::Secret(id.clone()));
        assert!(secret.len() < 8 || !error.to_string().contains(secret));
    }
    let malformed = |error: &KeySetError| matches!(error, KeySetError::Malformed { .. });
    assert!(malformed(&with(&|set| set["comment"] = "x".into())), "an unknown member");
    assert!(malformed(&with(&|set| set["keys"][0]["comment"] = "x".into())), "an unknown member of a key");
    assert!(malformed(&with(&|set| set["keys"][0]["role"] = "webhook".into())), "an unknown role");
    assert!(malformed(&with(&|set| set["keys"][0]["state"] = "lost".into())), "an unknown state");
    let leaky = with(&|set| set["keys"][0]["role"] = "deadbeefsecret".into()).to_string();
    assert!(!leaky.contains("deadbeef"), "a secret in the wrong member is not repeated: {leaky}");
}

#[test]
fn a_second_active_key_verifies_and_a_retired_one_is_only_published() {
    let mut changed = document(1);
    let [second, third] = [2, 3].map(|seed| document(seed)["keys"][0].clone());
    let keys = changed["keys"].as_array_mut().expect("keys");
    keys.push(second.clone());
    keys.push(third.clone());
    keys[6]["state"] = "retired".into();
    let set = parse(&changed).expect("valid");

    let signers: Vec<&PublicKey> = set.public_keys(KeyRole::BundleSigner).collect();
    assert_eq!(signers.len(), 2);
    assert_eq!(signers[0], set.bundle_signer().public_key(), "the first active key signs");
    assert_eq!(set.public_keys(KeyRole::SealingKey).count(), 0, "a symmetric key has no public half");
    assert!(set.signer(KeyRole::CodeHmac).is_none());

    let published = set.public_document();
    let published = published["keys"].as_array().expect("keys");
    let states: Vec<(&Value, &Value)> = published.iter().map(|key| (&key["role"], &key["state"])).collect();
    let json = |role: &str, state: &str| (json!(role), json!(state));
    let expected = [
        json("bundle-signer", "active"),
        json("session-signer", "active"),
        json("legacy-token-signer", "active"),
        json("bundle-signer", "active"),
        json("bundle-signer", "retired"),
    ];
    assert_eq!(states, expected.iter().map(|(role, state)| (role, state)).collect::<Vec<_>>());
    for key in published {
        let members: Vec<&String> = key.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["id", "role", "state", "uncompressedHex", "jwk"]);
        assert_eq!(key["jwk"]["kid"], key["id"]);
        assert_eq!(key["uncompressedHex"].as_str().map(str::len), Some(130));
    }
    let text = set.public_document().to_string();
    for key in changed["keys"].as_array().expect("keys") {
        assert!(!text.contains(key["secret"].as_str().expect("text")));
    }
}

#[test]
fn retired_symmetric_keys_still_open_what_they_sealed() {
    let mut changed = document(1);
    let keys = changed["keys"].as_array_mut().expect("keys");
    let (old_code, old_sealing) = (keys[3].clone(), keys[4].clone());
    keys[3]["state"] = "retired".into();
    keys[4]["state"] = "retired".into();
    keys.extend([document(2)["keys"][3].clone(), document(2)["keys"][4].clone()]);
    let set = parse(&changed).expect("valid");

    let old = parse(&document(1)).expect("valid");
    let sealed = old.sealing_key().seal(&SeededEntropy::new(3), b"place", b"text");
    assert_ne!(set.sealing_key().id(), old_sealing["id"].as_str().expect("text"));
    assert_eq!(set.open(b"place", &sealed).expect("retired key").as_slice(), b"text");
    assert_eq!(set.open(b"elsewhere", &sealed), Err(SealError::NotAuthentic));
    let stranger = SealingKey::new("stranger", &[1; 32]).seal(&SeededEntropy::new(3), b"place", b"text");
    assert_eq!(set.open(b"place", &stranger), Err(SealError::UnknownKey));

    let stored = old.code_key().hash(&[0; 16], "000000");
    let by_id = set.code_key_by_id(old_code["id"].as_str().expect("text")).expect("retired key");
    assert!(by_id.matches(&[0; 16], "000000", &stored));
    assert!(!set.code_key().matches(&[0; 16], "000000", &stored));
    assert!(set.code_key_by_id("stranger").is_none());
}

#[test]
fn a_key_set_prints_names_only() {
    let set = KeySet::generate(&SeededEntropy::new(1));
    let printed = format!("{set:?}");
    assert!(printed.contains("bundle-signer-"), "{printed}");
    for key in document(1)["keys"].as_array().expect("keys") {
        assert!(!printed.contains(key["secret"].as_str().expect("text")));
    }
}
