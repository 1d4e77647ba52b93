//! What every vector test needs: the files, their keys, and a count of the cases seen.
#![allow(dead_code, reason = "each test binary uses a part")]

use serde_json::Value;
use vestibule_crypto::p256::{AgreementKey, PublicKey, SigningKey};

/// Reads a file of `testdata/vectors`.
pub fn load(name: &str) -> Value {
    let path = format!("{}/../../testdata/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no text member {member} in {value}"))
}

pub fn bytes(value: &Value, member: &str) -> Vec<u8> {
    hex::decode(text(value, member)).expect("hex")
}

pub fn public_key(hex: &str) -> PublicKey {
    PublicKey::from_hex(hex).expect("public key")
}

pub fn signing_key(key: &Value) -> SigningKey {
    SigningKey::from_hex(text(key, "privateKey")).expect("private key")
}

pub fn agreement_key(hex: &str) -> AgreementKey {
    AgreementKey::from_hex(hex).expect("private key")
}

/// Runs `check` on every case of the list, except those that `pending` names with the capability they wait for, and
/// fails when a pending name is in no case or a case has no name.
pub fn visit(list: &Value, pending: &[(&str, &str)], mut check: impl FnMut(&str, &Value)) {
    let cases = list.as_array().expect("a list of cases");
    let (mut visited, mut skipped) = (0, 0);
    for case in cases {
        let name = text(case, "name");
        if pending.iter().any(|(waiting, _)| *waiting == name) {
            skipped += 1;
            continue;
        }
        check(name, case);
        visited += 1;
    }
    assert_eq!(skipped, pending.len(), "every pending case is in the file once");
    assert_eq!(visited + skipped, cases.len());
    assert!(visited > 0);
}
