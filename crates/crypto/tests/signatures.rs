//! ECDSA against the pure-Rust implementation, and the properties no vector can show.

mod support;

use p256::ecdsa::signature::{Signer, Verifier};
use proptest::prelude::*;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::p256::{AgreementKey, BadSignature, InvalidKey, PublicKey, SigningKey};

struct Pair {
    ours: SigningKey,
    theirs: p256::ecdsa::SigningKey,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let ours = SigningKey::generate(&SeededEntropy::new(seed));
        let theirs = p256::ecdsa::SigningKey::from_slice(&ours.secret_bytes()[..]).expect("a private key");
        Self { ours, theirs }
    }
}

/// The order of the curve, for keys just outside its range.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

#[test]
fn private_keys_outside_the_range_are_refused() {
    let below = ORDER.replace("632551", "632550");
    for text in [ORDER, &"ff".repeat(32), &"00".repeat(32), "", "0g", &"11".repeat(33), &"11".repeat(31)] {
        assert_eq!(SigningKey::from_hex(text).map(|_| ()), Err(InvalidKey), "{text}");
        assert_eq!(AgreementKey::from_hex(text).map(|_| ()), Err(InvalidKey), "{text}");
    }
    assert!(SigningKey::from_hex(&below).is_ok());
    assert!(AgreementKey::from_hex(&below).is_ok());
}

/// The one deliberate difference from the other implementation: x = 0 is on the curve.
#[test]
fn zeros_in_place_of_a_key_are_refused() {
    for tag in [2, 3] {
        let mut zeros = vec![0; 33];
        zeros[0] = tag;
        let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(&zeros).expect("a point");
        assert_eq!(PublicKey::from_sec1(&zeros), Err(InvalidKey));
        assert_eq!(PublicKey::from_sec1(theirs.to_sec1_point(false).as_bytes()), Err(InvalidKey));
    }
}

#[test]
fn halves_of_different_keys_are_not_one_key() {
    let entropy = SeededEntropy::new(1);
    let [one, two] = [(); 2].map(|()| AgreementKey::generate(&entropy));
    let rebuilt = AgreementKey::from_parts(&one.secret_bytes(), one.public_key()).expect("one key");
    assert_eq!(rebuilt.secret_bytes(), one.secret_bytes());
    assert_eq!(AgreementKey::from_parts(&one.secret_bytes(), two.public_key()).map(|_| ()), Err(InvalidKey));
}

#[test]
fn keys_do_not_print_their_secrets() {
    let signing = SigningKey::generate(&SeededEntropy::new(1));
    let agreement = AgreementKey::from_bytes(&signing.secret_bytes()).expect("the same scalar");
    assert_eq!(agreement.public_key(), signing.public_key());
    for printed in [format!("{signing:?}"), format!("{agreement:#?}")] {
        assert!(printed.contains("[redacted]"), "{printed}");
        assert!(!printed.contains(&hex::encode(&signing.secret_bytes()[..4])), "{printed}");
        assert!(!printed.contains(&signing.public_key().to_hex()), "{printed}");
    }
}

#[test]
fn a_web_key_has_the_coordinates_of_the_point() {
    use base64::Engine;
    let key = SigningKey::generate(&SeededEntropy::new(1));
    let jwk = key.public_key().jwk("id-1");
    let coordinate = |name: &str| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(jwk[name].as_str().expect("text"))
            .expect("base64url")
    };
    assert_eq!([vec![4], coordinate("x"), coordinate("y")].concat(), key.public_key().uncompressed());
    assert_eq!((&jwk["kty"], &jwk["crv"], &jwk["kid"]), (&"EC".into(), &"P-256".into(), &"id-1".into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn public_keys_agree_in_every_form(seed: u64) {
        let pair = Pair::new(seed);
        let theirs = pair.theirs.verifying_key();
        let ours = pair.ours.public_key();
        prop_assert_eq!(ours.compressed().to_vec(), theirs.to_sec1_point(true).as_bytes().to_vec());
        prop_assert_eq!(ours.uncompressed().to_vec(), theirs.to_sec1_point(false).as_bytes().to_vec());
        for text in [ours.to_hex(), ours.to_uncompressed_hex(), ours.to_hex().to_uppercase()] {
            let parsed = PublicKey::from_hex(&text).expect("a valid key");
            prop_assert_eq!(&parsed, ours);
            prop_assert_eq!(parsed.uncompressed(), ours.uncompressed());
        }
    }

    #[test]
    fn points_are_judged_as_the_pure_rust_implementation_does(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..70),
            (2_u8..=3, any::<[u8; 32]>()).prop_map(|(tag, x)| [vec![tag], x.to_vec()].concat()),
        ],
    ) {
        let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(&bytes);
        prop_assert_eq!(PublicKey::from_sec1(&bytes).is_ok(), theirs.is_ok());
    }

    #[test]
    fn signatures_made_here_verify_there_and_are_low_s(seed: u64, message in prop::collection::vec(any::<u8>(), 0..300)) {
        let pair = Pair::new(seed);
        let raw = p256::ecdsa::Signature::from_slice(&pair.ours.sign_raw(&message)).expect("in range");
        let der = p256::ecdsa::Signature::from_der(&pair.ours.sign_der(&message)).expect("strict DER");
        for signature in [raw, der] {
            prop_assert!(pair.theirs.verifying_key().verify(&message, &signature).is_ok());
            prop_assert_eq!(signature.normalize_s(), signature, "low S");
        }
    }

    #[test]
    fn signatures_made_there_verify_here_with_either_s(seed: u64, message in prop::collection::vec(any::<u8>(), 0..300)) {
        let pair = Pair::new(seed);
        let key = pair.ours.public_key();
        let low: p256::ecdsa::Signature = pair.theirs.sign(&message);
        let (r, s) = low.normalize_s().split_scalars();
        let high = p256::ecdsa::Signature::from_scalars(r, -*s).expect("in range");
        for signature in [low, high] {
            prop_assert_eq!(key.verify_der(&message, signature.to_der().as_bytes()), Ok(()));
            prop_assert_eq!(key.verify_raw(&message, &signature.to_bytes()), Ok(()));
            let mut other = message.clone();
            other.push(0);
            prop_assert_eq!(key.verify_raw(&other, &signature.to_bytes()), Err(BadSignature));
        }
    }

    #[test]
    fn altered_or_padded_encodings_are_judged_by_the_tolerance_alone(seed: u64, index in 0_usize..72, bit in 0_u8..8) {
        let pair = Pair::new(seed);
        let key = pair.ours.public_key();
        let der = pair.ours.sign_der(b"message");
        let mut trailing = der.clone();
        trailing.push(0);
        prop_assert_eq!(key.verify_der(b"message", &trailing), Err(BadSignature));
        prop_assert_eq!(key.verify_der(b"message", &der[..index.min(der.len() - 1)]), Err(BadSignature));
        let mut altered = der.clone();
        let index = index % der.len();
        altered[index] ^= 1 << bit;
        prop_assert_eq!(key.verify_der(b"message", &altered), Err(BadSignature));

        let raw = pair.ours.sign_raw(b"message");
        prop_assert_eq!(key.verify_raw(b"message", &raw[..63]), Err(BadSignature));
        prop_assert_eq!(key.verify_der(b"message", &raw), Err(BadSignature));
        prop_assert_eq!(key.verify_raw(b"message", &der), Err(BadSignature));
    }

    #[test]
    fn integers_may_carry_leading_zeros_up_to_33_bytes(seed: u64, pad_r in 0_usize..4, pad_s in 0_usize..4) {
        let pair = Pair::new(seed);
        let message = b"message";
        let signature = p256::ecdsa::Signature::from_der(&pair.ours.sign_der(message)).expect("strict DER");
        let integer = |bytes: &[u8], padding: usize| {
            let minimal: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
            let sign = usize::from(minimal[0] >> 7);
            let number = [vec![0; padding + sign], minimal].concat();
            (number.len(), [vec![0x02, number.len() as u8], number].concat())
        };
        let (r, s) = signature.split_bytes();
        let ((r_len, r), (s_len, s)) = (integer(&r, pad_r), integer(&s, pad_s));
        let der = [vec![0x30, (r.len() + s.len()) as u8], r, s].concat();
        let expected = if r_len <= 33 && s_len <= 33 { Ok(()) } else { Err(BadSignature) };
        prop_assert_eq!(pair.ours.public_key().verify_der(message, &der), expected);
    }
}
