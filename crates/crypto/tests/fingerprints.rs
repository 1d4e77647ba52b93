//! `fingerprints.json`.

mod support;

use support::{load, text};
use vestibule_crypto::fingerprint::activity_fingerprint;

#[test]
fn every_fingerprint_is_that_of_the_published_sdk() {
    let file = load("fingerprints.json");
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 4);
    for case in cases {
        assert_eq!(activity_fingerprint(text(case, "body").as_bytes()), text(case, "fingerprint"));
    }
}
