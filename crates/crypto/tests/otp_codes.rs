//! `otp_codes.json`, and what the file cannot say: that codes are uniform.

mod support;

use std::collections::HashMap;

use support::{load, text};
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::otp_code::{ALPHANUMERIC, CodeKey, NUMERIC, generate, normalise};

const OTP_ID: [u8; 16] = [7; 16];

#[test]
fn the_alphabets_are_those_of_the_vectors() {
    let file = load("otp_codes.json");
    assert_eq!(text(&file, "intersectionUpper").as_bytes(), ALPHANUMERIC);
    assert_eq!(text(&file, "numericAlphabet").as_bytes(), NUMERIC);
    for symbol in text(&file, "intersectionUpper").chars() {
        assert!(text(&file, "crockfordAlphabet").contains(symbol));
        assert!(text(&file, "bech32Alphabet").contains(symbol.to_ascii_lowercase()));
    }
}

#[test]
fn codes_have_the_asked_length_and_alphabet() {
    let file = load("otp_codes.json");
    let entropy = SeededEntropy::new(1);
    let cases = file["valid"].as_array().expect("cases");
    assert_eq!(cases.len(), 3);
    for case in cases {
        let alphanumeric = case["alphanumeric"].as_bool().expect("alphanumeric");
        let length = u8::try_from(case["length"].as_u64().expect("length")).expect("small");
        let alphabet: &[u8] = if alphanumeric { ALPHANUMERIC } else { NUMERIC };
        let generated = generate(&entropy, alphanumeric, length);
        for code in [text(case, "code"), generated.expose().as_str()] {
            assert_eq!(code.len(), usize::from(length));
            assert!(code.bytes().all(|symbol| alphabet.contains(&symbol)), "{code}");
        }
    }
}

#[test]
fn submitted_codes_match_as_the_vectors_say() {
    let file = load("otp_codes.json");
    let key = CodeKey::new("code-hmac-1", &[3; 32]);
    let cases = file["normalisation"].as_array().expect("cases");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let accept = case["accept"].as_bool().expect("accept");
        let (issued, submitted) = (text(case, "issued"), text(case, "submitted"));
        let stored = key.hash(&OTP_ID, issued);
        assert_eq!(key.matches(&OTP_ID, submitted, &stored), accept, "{submitted:?}");
        assert_eq!(normalise(submitted) == issued, accept);
    }
}

#[test]
fn only_white_space_around_a_code_is_ignored() {
    assert_eq!(normalise("\t ab c\r\n"), "AB C");
    assert_eq!(normalise("\u{a0}abc"), "\u{a0}ABC");
}

#[test]
fn a_hash_belongs_to_one_key_and_one_attempt() {
    let key = CodeKey::new("code-hmac-1", &[3; 32]);
    let stored = key.hash(&OTP_ID, "000000");
    assert!(key.matches(&OTP_ID, "000000", &stored));
    assert!(!key.matches(&[8; 16], "000000", &stored));
    assert!(!CodeKey::new("code-hmac-1", &[4; 32]).matches(&OTP_ID, "000000", &stored));
    assert!(!key.matches(&OTP_ID, "000000", &stored[..31]));
    assert!(!key.matches(&OTP_ID, "000000", &[]));
    assert_eq!(format!("{key:?}"), r#"CodeKey("code-hmac-1", [redacted])"#);
}

/// 2000 draws for each symbol. Plain `byte % 30` would give 16 of the symbols 2109 and the others 1875: chi-squared 200.
#[test]
fn symbols_are_uniform() {
    let entropy = SeededEntropy::new(2);
    for (alphanumeric, symbols) in [(true, 30), (false, 10)] {
        let mut counts: HashMap<u8, i64> = HashMap::new();
        let draws = 2000 * symbols;
        for _ in 0..draws / 10 {
            for symbol in generate(&entropy, alphanumeric, 10).expose().bytes() {
                *counts.entry(symbol).or_default() += 1;
            }
        }
        assert_eq!(counts.len() as i64, symbols);
        let chi_squared: f64 =
            counts.values().map(|count| ((count - 2000) * (count - 2000)) as f64 / 2000.0).sum();
        // The 99.9th percentile of chi-squared with 29 degrees of freedom.
        assert!(chi_squared < 58.3, "{chi_squared}");
    }
}
