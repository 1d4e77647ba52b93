//! The key set document: what it takes, what it refuses, what it shows.

use serde_json::{Value, json};
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::keyset::{Key, KeyFile, KeyRole, KeySet, KeySetError, KeyState, SealedKey};
use vestibule_crypto::p256::PublicKey;
use vestibule_crypto::seal::{SealError, SealingKey};

fn document(seed: u64) -> Value {
    serde_json::from_str(KeyFile::generate(&SeededEntropy::new(seed)).to_json().expose()).expect("JSON")
}

fn parse(document: &Value) -> Result<KeySet, KeySetError> {
    KeySet::from_json(&document.to_string())
}

fn fingerprint_of(document: &Value) -> String {
    KeyFile::from_json(&document.to_string()).expect("valid").fingerprint()
}

#[test]
fn a_generated_set_survives_the_round_trip() {
    let file = KeyFile::generate(&SeededEntropy::new(1));
    let text = file.to_json();
    let read = KeyFile::from_json(text.expose()).expect("own document");
    assert_eq!(read.to_json().expose(), text.expose());
    assert_eq!(read.fingerprint(), file.fingerprint());
    let (set, back) = (KeySet::of_file(&file).expect("complete"), KeySet::of_file(&read).expect("complete"));
    assert_eq!(set, back);
    assert_eq!(back.bundle_signer(0).public_key(), set.bundle_signer(0).public_key());
    assert_eq!(back.code_key(0).hash(&[0; 16], "000000"), set.code_key(0).hash(&[0; 16], "000000"));
    let sealed = set.sealing_key().seal(&SeededEntropy::new(2), b"place", b"text");
    assert_eq!(back.open(b"place", &sealed).expect("same key").as_slice(), b"text");
}

#[test]
fn the_fingerprint_changes_with_every_key_and_with_nothing_else() {
    let original = document(1);
    let fingerprint = fingerprint_of(&original);
    assert_eq!(fingerprint.len(), 64);
    for index in 0..KeyRole::ALL.len() {
        let mut replaced = original.clone();
        replaced["keys"][index]["secret"] = document(2)["keys"][index]["secret"].clone();
        assert_ne!(fingerprint_of(&replaced), fingerprint, "secret {index}");
        let mut renamed = original.clone();
        renamed["keys"][index]["id"] = "renamed".into();
        assert_ne!(fingerprint_of(&renamed), fingerprint, "id {index}");
    }
    let mut added = original.clone();
    added["keys"].as_array_mut().expect("keys").push(document(2)["keys"][0].clone());
    assert_ne!(fingerprint_of(&added), fingerprint);

    let mut reordered = original;
    reordered["keys"].as_array_mut().expect("keys").reverse();
    assert_eq!(fingerprint_of(&reordered), fingerprint);
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
    keys.last_mut().expect("the third")["state"] = "retired".into();
    let set = parse(&changed).expect("valid");

    let signers: Vec<&PublicKey> = set.public_keys(KeyRole::BundleSigner).collect();
    assert_eq!(signers.len(), 2);
    assert_eq!(signers[0], set.bundle_signer(0).public_key(), "the first active key signs");
    assert_eq!(set.public_keys(KeyRole::SealingKey).count(), 0, "a symmetric key has no public half");
    assert!(set.signer(KeyRole::CodeHmac, 0).is_none());

    let published = set.public_document();
    let published = published["keys"].as_array().expect("keys");
    let states: Vec<(&Value, &Value)> = published.iter().map(|key| (&key["role"], &key["state"])).collect();
    let json = |role: &str, state: &str| (json!(role), json!(state));
    let expected = [
        json("bundle-signer", "active"),
        json("session-signer", "active"),
        json("legacy-token-signer", "active"),
        json("token-signer", "active"),
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
    let place = |role| KeyRole::ALL.into_iter().position(|known| known == role).expect("a role");
    let (code, sealing) = (place(KeyRole::CodeHmac), place(KeyRole::SealingKey));
    let (old_code, old_sealing) = (keys[code].clone(), keys[sealing].clone());
    keys[code]["state"] = "retired".into();
    keys[sealing]["state"] = "retired".into();
    keys.extend([document(2)["keys"][code].clone(), document(2)["keys"][sealing].clone()]);
    let set = parse(&changed).expect("valid");

    let old = parse(&document(1)).expect("valid");
    let sealed = old.sealing_key().seal(&SeededEntropy::new(3), b"place", b"text");
    assert_ne!(set.sealing_key().id(), old_sealing["id"].as_str().expect("text"));
    assert_eq!(set.open(b"place", &sealed).expect("retired key").as_slice(), b"text");
    assert_eq!(set.open(b"elsewhere", &sealed), Err(SealError::NotAuthentic));
    let stranger = SealingKey::new("stranger", &[1; 32]).seal(&SeededEntropy::new(3), b"place", b"text");
    assert_eq!(set.open(b"place", &stranger), Err(SealError::UnknownKey));

    let stored = old.code_key(0).hash(&[0; 16], "000000");
    let by_id = set.code_key_by_id(old_code["id"].as_str().expect("text")).expect("retired key");
    assert!(by_id.matches(&[0; 16], "000000", &stored));
    assert!(!set.code_key(0).matches(&[0; 16], "000000", &stored));
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

/// What the key table would hold of `key` from `activates_at` on.
fn row(file: &KeyFile, key: &Key, state: KeyState, activates_at: i64) -> Result<Option<Key>, SealError> {
    let sealed = key.sealed(file.sealing_key(), &SeededEntropy::new(9));
    let (id, role) = (key.id(), key.role());
    file.open_key(&SealedKey { id, role, state, activates_at, changed_at: 0, sealed: &sealed })
}

/// The keys of a file that belong into the table, all active from the beginning.
fn table(file: &KeyFile) -> Vec<Key> {
    file.keys().filter_map(|key| row(file, key, KeyState::Active, 0).expect("own key")).collect()
}

#[test]
fn a_file_with_sealing_keys_alone_is_completed_by_the_table() {
    let full = KeyFile::generate(&SeededEntropy::new(1));
    let mut document = document(1);
    document["keys"].as_array_mut().expect("keys").retain(|key| key["role"] == "sealing-key");
    let bare = KeyFile::from_json(&document.to_string()).expect("a sealing key is enough");
    assert_eq!(KeySet::of_file(&bare), Err(KeySetError::MissingRole(KeyRole::BundleSigner)));
    let set = KeySet::join(&bare, table(&full)).expect("complete");
    assert_eq!(set, KeySet::of_file(&full).expect("complete"));
    let few: Vec<Key> = table(&full).into_iter().filter(|key| key.role() != KeyRole::CodeHmac).collect();
    assert_eq!(KeySet::join(&full, few), Err(KeySetError::MissingRole(KeyRole::CodeHmac)));

    document["keys"][0]["state"] = "retired".into();
    let refused = KeyFile::from_json(&document.to_string()).map(|_| ());
    assert_eq!(refused, Err(KeySetError::MissingRole(KeyRole::SealingKey)));
}

#[test]
fn a_key_signs_from_its_time_on_and_verifies_before() {
    let file = KeyFile::generate(&SeededEntropy::new(1));
    let next = Key::generate(KeyRole::SessionSigner, &SeededEntropy::new(2));
    let with = |state, activates_at| {
        let mut keys = table(&file);
        keys.push(row(&file, &next, state, activates_at).expect("own key").expect("no sealing key"));
        KeySet::join(&file, keys).expect("complete")
    };
    let old = KeySet::of_file(&file).expect("complete").session_signer(0).public_key().clone();
    let set = with(KeyState::Active, 1000);
    assert_eq!(set.session_signer(999).public_key(), &old);
    assert_ne!(set.session_signer(1000).public_key(), &old);
    assert!(set.is_in_charge(next.id(), 1000) && !set.is_in_charge(next.id(), 999));
    assert_eq!(set.public_keys(KeyRole::SessionSigner).count(), 2);
    assert_eq!(set.public_document()["keys"].as_array().map(Vec::len), Some(5));
    assert_eq!(with(KeyState::Retired, 1000).session_signer(2000).public_key(), &old);
    assert_ne!(set, with(KeyState::Active, 1001));

    // Where no key of a role has begun, the one that comes first signs.
    let later: Vec<Key> =
        file.keys().filter_map(|key| row(&file, key, KeyState::Active, 5000).expect("own key")).collect();
    assert_eq!(KeySet::join(&file, later).expect("complete").session_signer(0).public_key(), &old);
}

#[test]
fn a_row_opens_under_its_own_name_and_its_own_sealing_key_alone() {
    let file = KeyFile::generate(&SeededEntropy::new(1));
    let key = Key::generate(KeyRole::CodeHmac, &SeededEntropy::new(2));
    let sealed = key.sealed(file.sealing_key(), &SeededEntropy::new(3));
    let (state, activates_at) = (KeyState::Active, 0);
    let as_row = |id, role| SealedKey { id, role, state, activates_at, changed_at: 0, sealed: &sealed };
    let opened = file.open_key(&as_row(key.id(), key.role())).expect("own key").expect("no sealing key");
    assert!(opened.is_twin(&key));
    let refused = |row: SealedKey<'_>| file.open_key(&row).map(|_| ()).expect_err("another place");
    assert_eq!(refused(as_row("other", KeyRole::CodeHmac)), SealError::NotAuthentic);
    assert_eq!(refused(as_row(key.id(), KeyRole::BundleSigner)), SealError::NotAuthentic);
    let stranger = KeyFile::generate(&SeededEntropy::new(4));
    let unknown = stranger.open_key(&as_row(key.id(), key.role())).map(|_| ());
    assert_eq!(unknown, Err(SealError::UnknownKey));

    // A sealing key leaves a probe and nothing of itself.
    let sealing = file.keys().find(|key| key.role() == KeyRole::SealingKey).expect("one");
    assert!(matches!(row(&file, sealing, KeyState::Active, 0), Ok(None)));
    assert!(row(&stranger, sealing, KeyState::Active, 0).is_err());
}

#[test]
fn a_value_is_sealed_anew_once_for_its_place() {
    let entropy = SeededEntropy::new(5);
    let old = KeyFile::generate(&SeededEntropy::new(1));
    let sealed = old.sealing_key().seal(&entropy, b"place", b"text");
    assert_eq!(old.reseal(&entropy, b"place", &sealed), Ok(None));

    let mut both = document(2);
    let one = document(1);
    let mut keys = one["keys"].as_array().expect("keys").iter();
    let mut last = keys.find(|key| key["role"] == "sealing-key").expect("a sealing key").clone();
    last["state"] = "retired".into();
    both["keys"].as_array_mut().expect("keys").push(last);
    let both = KeyFile::from_json(&both.to_string()).expect("valid");
    let anew = both.reseal(&entropy, b"place", &sealed).expect("openable").expect("under the old key");
    let new = KeySet::generate(&SeededEntropy::new(2));
    assert_eq!(new.open(b"place", &anew).expect("under the new key").as_slice(), b"text");
    assert_eq!(both.reseal(&entropy, b"place", &anew), Ok(None));
    assert_eq!(both.reseal(&entropy, b"elsewhere", &sealed), Err(SealError::NotAuthentic));
    let stranger = KeyFile::generate(&SeededEntropy::new(3));
    assert_eq!(stranger.reseal(&entropy, b"place", &sealed), Err(SealError::UnknownKey));
}

#[test]
fn a_webhook_key_is_published_until_what_it_signed_is_over() {
    let file = KeyFile::generate(&SeededEntropy::new(1));
    let old = file.keys().find(|key| key.role() == KeyRole::WebhookSigner).expect("one of every role");
    let row_of = |key: &Key, state, activates_at, changed_at| {
        let sealed = key.sealed(file.sealing_key(), &SeededEntropy::new(9));
        let row =
            SealedKey { id: key.id(), role: key.role(), state, activates_at, changed_at, sealed: &sealed };
        file.open_key(&row).expect("own key").expect("no sealing key")
    };
    let new = Key::generate(KeyRole::WebhookSigner, &SeededEntropy::new(2));
    let others = || table(&file).into_iter().filter(|key| key.role() != KeyRole::WebhookSigner);
    let set = |rows: Vec<Key>| KeySet::join(&file, others().chain(rows).collect()).expect("complete");
    let ids = |set: &KeySet, now| {
        let jwks = set.webhook_jwks(now, 50);
        let keys = jwks["keys"].as_array().expect("keys").clone();
        keys.iter().map(|key| key["kid"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let both = [old.id(), new.id()];

    // A key that is still to begin is published, and does not sign.
    let rotated = set(vec![row_of(old, KeyState::Active, 0, 0), row_of(&new, KeyState::Active, 100, 0)]);
    assert_eq!(ids(&rotated, 0), both);
    assert_eq!((rotated.webhook_signer(99).0, rotated.webhook_signer(100).0), (old.id(), new.id()));
    // One that was retired stays for as long as its signatures may be under way.
    let retired = set(vec![row_of(old, KeyState::Retired, 0, 200), row_of(&new, KeyState::Active, 100, 0)]);
    assert_eq!(
        (ids(&retired, 200), ids(&retired, 249)),
        (both.map(str::to_owned).into(), both.map(str::to_owned).into())
    );
    assert_eq!(ids(&retired, 250), [new.id()]);
    // It is not among the keys of the other curve.
    let published = retired.public_document().to_string();
    assert!(!published.contains(old.id()) && !published.contains(new.id()));
}
