//! `webauthn.json`: the registrations, and everything that can be changed about them.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey, VerificationAlgorithm};
use base64::engine::general_purpose::{STANDARD as PLAIN, URL_SAFE, URL_SAFE_NO_PAD};
use ciborium::cbor;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

/// The four arguments, decoded.
#[derive(Debug, Clone)]
struct Presented {
    challenge: Vec<u8>,
    credential_id: Vec<u8>,
    client_data: Vec<u8>,
    attestation_object: Vec<u8>,
}

impl Presented {
    fn from_vector(registration: &Json) -> Self {
        let params = &registration["authenticatorParamsV2"];
        let decoded = |value: &Json| URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap();
        Self {
            challenge: decoded(&params["challenge"]),
            credential_id: decoded(&params["attestation"]["credentialId"]),
            client_data: decoded(&params["attestation"]["clientDataJson"]),
            attestation_object: decoded(&params["attestation"]["attestationObject"]),
        }
    }

    fn verify(&self) -> Result<Registration, RegistrationError> {
        self.verify_as(&URL_SAFE_NO_PAD)
    }

    fn verify_as(&self, engine: &GeneralPurpose) -> Result<Registration, RegistrationError> {
        verify_registration(
            &engine.encode(&self.challenge),
            &engine.encode(&self.credential_id),
            &engine.encode(&self.client_data),
            &engine.encode(&self.attestation_object),
        )
    }

    fn with_client_data(&self, text: impl Into<String>) -> Self {
        Self { client_data: text.into().into_bytes(), ..self.clone() }
    }

    fn with_object(&self, attestation_object: Vec<u8>) -> Self {
        Self { attestation_object, ..self.clone() }
    }

    fn with_data(&self, data: Vec<u8>) -> Self {
        let object = cbor!({"fmt" => "none", "attStmt" => {}, "authData" => Value::Bytes(data)}).unwrap();
        self.with_object(encode(&object))
    }

    /// As presented, with another COSE key, and `after` behind it.
    fn with_key(&self, key: &[u8], after: &[u8]) -> Self {
        let mut data = self.data();
        data.truncate(self.key_offset());
        data.extend([key, after].concat());
        self.with_data(data)
    }

    fn data(&self) -> Vec<u8> {
        read_attestation_object(&self.attestation_object).unwrap().1
    }

    fn key_offset(&self) -> usize {
        ID_OFFSET + self.credential_id.len()
    }

    fn key(&self) -> Vec<(Value, Value)> {
        let data = self.data();
        read_cbor(&mut &data[self.key_offset()..]).unwrap().into_map().unwrap()
    }
}

const FLAGS_OFFSET: usize = 32;
const ID_OFFSET: usize = 37 + 16 + 2;

fn vectors() -> Json {
    serde_json::from_str(include_str!("../../../../testdata/vectors/webauthn.json")).unwrap()
}

fn registrations() -> Vec<Presented> {
    let list = vectors()["registrations"].as_array().unwrap().iter().map(Presented::from_vector).collect();
    assert_eq!(Vec::len(&list), 2);
    list
}

fn es256() -> Presented {
    registrations().remove(0)
}

fn rs256() -> Presented {
    registrations().remove(1)
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The key with the value of one label replaced, or the label removed.
fn edited(presented: &Presented, label: i64, value: Option<Value>) -> Presented {
    let mut key = presented.key();
    let at = key.iter().position(|(name, _)| *name == label.into()).expect("the label is in the key");
    match value {
        Some(value) => key[at].1 = value,
        None => drop(key.remove(at)),
    }
    presented.with_key(&encode(&Value::Map(key)), &[])
}

#[test]
fn the_published_registrations_are_valid_in_every_base64() {
    for registration in vectors()["registrations"].as_array().unwrap() {
        let presented = Presented::from_vector(registration);
        let decoded = &registration["decoded"];
        let verified = presented.verify().unwrap();
        assert_eq!(Json::from(verified.algorithm), decoded["alg"]);
        assert_eq!(Json::from(hex::encode(&verified.credential_id)), decoded["credentialIdHex"]);
        assert_eq!(Json::from(verified.aaguid.simple().to_string()), decoded["aaguidHex"]);
        if verified.algorithm == ES256 {
            assert_eq!(Json::from(hex::encode(&verified.public_key)), decoded["publicKeyUncompressed"]);
        }
        let rp_id_hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"localhost");
        assert_eq!(verified.rp_id_hash, rp_id_hash.as_ref());
        assert_eq!(verified.attestation_format, "none");
        assert_eq!(verified.sign_count, 0);
        assert_eq!(verified.origin, "http://localhost:3000");
        for engine in [&URL_SAFE, &PLAIN, &base64::engine::general_purpose::STANDARD_NO_PAD] {
            assert_eq!(presented.verify_as(engine).as_ref(), Ok(&verified));
        }
    }
}

#[test]
fn the_registered_keys_verify_the_published_assertions() {
    let vectors = vectors();
    let cases: [(_, &dyn VerificationAlgorithm, _); 2] = [
        ("ES256 valid, counter 7", &ECDSA_P256_SHA256_ASN1, es256()),
        ("RS256 valid", &RSA_PKCS1_2048_8192_SHA256, rs256()),
    ];
    for (name, algorithm, presented) in cases {
        let assertions = vectors["assertions"].as_array().unwrap();
        let stamp = &assertions.iter().find(|case| case["name"] == name).expect(name)["stamp"];
        let member = |name: &str| URL_SAFE_NO_PAD.decode(stamp[name].as_str().unwrap()).unwrap();
        let client_data = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &member("clientDataJson"));
        let message = [&member("authenticatorData"), client_data.as_ref()].concat();
        let key = presented.verify().unwrap().public_key;
        UnparsedPublicKey::new(algorithm, key).verify(&message, &member("signature")).expect(name);
    }
}

#[test]
fn what_is_not_base64_is_refused() {
    let Presented { challenge, credential_id, client_data, attestation_object } = es256();
    let good = [challenge, credential_id, client_data, attestation_object].map(|b| URL_SAFE_NO_PAD.encode(b));
    let verify = |texts: &[String; 4]| verify_registration(&texts[0], &texts[1], &texts[2], &texts[3]);
    assert!(verify(&good).is_ok());
    for i in 0..4 {
        let refused = |text: String| {
            let mut texts = good.clone();
            texts[i] = text;
            verify(&texts).unwrap_err()
        };
        assert_eq!(refused(String::new()), RegistrationError::Encoding);
        assert_eq!(refused(format!("{} ", good[i])), RegistrationError::Encoding);
        assert_eq!(refused(format!("{}=A", good[i])), RegistrationError::Encoding);
        assert_eq!(refused("+_+_".to_owned()), RegistrationError::Encoding);
        assert_eq!(refused("A".repeat(MAX_TEXT + 1)), RegistrationError::TooLong);
        assert_ne!(refused("A".repeat(MAX_TEXT)), RegistrationError::TooLong);
    }
}

#[test]
fn another_challenge_or_credential_id_is_refused() {
    for presented in registrations() {
        let changes: [fn(&mut Vec<u8>); 3] = [|b| b[0] ^= 1, |b| b.push(0), |b| b.truncate(31)];
        for change in changes {
            let mut other = presented.clone();
            change(&mut other.challenge);
            assert_eq!(other.verify(), Err(RegistrationError::Challenge));
            let mut other = presented.clone();
            change(&mut other.credential_id);
            assert_eq!(other.verify(), Err(RegistrationError::CredentialId));
        }
    }
}

#[test]
fn a_credential_id_of_more_than_1023_bytes_is_refused() {
    let with_id = |length: u16| {
        let presented = es256();
        let mut data = presented.data();
        let id = vec![7; length.into()];
        data.splice(ID_OFFSET - 2..presented.key_offset(), [&length.to_be_bytes(), &id[..]].concat());
        Presented { credential_id: id, ..presented.with_data(data) }.verify().map(|r| r.credential_id.len())
    };
    assert_eq!(with_id(1), Ok(1));
    assert_eq!(with_id(1023), Ok(1023));
    assert_eq!(with_id(1024), Err(RegistrationError::CredentialId));
}

#[test]
fn client_data_must_be_of_this_registration() {
    let presented = es256();
    let challenge = URL_SAFE_NO_PAD.encode(&presented.challenge);
    let refused = |text: String| presented.with_client_data(text).verify().unwrap_err();
    let object = |ceremony: &str, challenge: &str| {
        format!(r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"https://a.example"}}"#)
    };

    let good = object("webauthn.create", &challenge);
    assert_eq!(presented.with_client_data(good.clone()).verify().unwrap().origin, "https://a.example");
    assert_eq!(refused(object("webauthn.get", &challenge)), RegistrationError::Ceremony);
    assert_eq!(refused(object("webauthn.create", "AAAA")), RegistrationError::Challenge);
    assert_eq!(refused(object("webauthn.create", "")), RegistrationError::Challenge);
    assert_eq!(refused(object("webauthn.create", "!")), RegistrationError::Challenge);

    let members = serde_json::from_str::<serde_json::Map<String, Json>>(&good).unwrap();
    for name in members.keys() {
        let mut missing = members.clone();
        missing.remove(name);
        assert_eq!(refused(Json::from(missing).to_string()), RegistrationError::ClientData, "{name}");
        let mut number = members.clone();
        number.insert(name.clone(), 1.into());
        assert_eq!(refused(Json::from(number).to_string()), RegistrationError::ClientData, "{name}");
        let twice = format!(r#"{{"{name}":{},{}"#, members[name], &good[1..]);
        assert_eq!(refused(twice), RegistrationError::ClientData, "{name}");
    }
    for text in ["null", "[]", "{", "\u{feff}{}"] {
        assert_eq!(refused(text.to_owned()), RegistrationError::ClientData, "{text}");
    }
    assert_eq!(refused(format!("{good}x")), RegistrationError::ClientData);
}

#[test]
fn the_attestation_object_is_one_map_of_three_members() {
    let presented = es256();
    let data = Value::Bytes(presented.data());
    let verify = |object: &Value| presented.with_object(encode(object)).verify();
    let entries = cbor!({"fmt" => "none", "attStmt" => {}, "authData" => data}).unwrap().into_map().unwrap();
    assert!(verify(&Value::Map(entries.clone())).is_ok());

    let mut wrong = vec![Value::Null, cbor!([]).unwrap(), cbor!({}).unwrap()];
    for i in 0..entries.len() {
        let mut missing = entries.clone();
        missing.remove(i);
        let mut mistyped = entries.clone();
        mistyped[i].1 = 1.into();
        let mut twice = entries.clone();
        twice.push(entries[i].clone());
        wrong.extend([missing, mistyped, twice].map(Value::Map));
    }
    let (packed, statement_twice) = (cbor!({"alg" => -7, "sig" => 1}).unwrap(), [0xa2, 1, 0, 1, 0]);
    let nested: Value = ciborium::from_reader(&statement_twice[..]).unwrap();
    for statement in [nested.clone(), cbor!({"x5c" => [[nested]]}).unwrap(), cbor!({1.5 => 1}).unwrap()] {
        let mut changed = entries.clone();
        changed[1].1 = statement;
        wrong.push(Value::Map(changed));
    }
    for name in ["", "a b", "a\"b", "a\\b", "é", &"a".repeat(33)] {
        let mut changed = entries.clone();
        changed[0].1 = name.into();
        wrong.push(Value::Map(changed));
    }
    for object in wrong {
        assert_eq!(verify(&object), Err(RegistrationError::AttestationObject), "{object:?}");
    }

    let mut other_format = entries;
    (other_format[0].1, other_format[1].1) = ("packed".into(), packed);
    assert_eq!(verify(&Value::Map(other_format)).unwrap().attestation_format, "packed");
}

#[test]
fn nesting_and_map_sizes_are_bounded() {
    let presented = es256();
    let verify = |statement: Vec<u8>| {
        let data = encode(&Value::Bytes(presented.data()));
        let object = [b"\xa3cfmtdnonegattStmt", &statement[..], b"hauthData", &data].concat();
        presented.with_object(object).verify()
    };
    let nested = |depth| [b"\xa1\x01".repeat(depth), vec![0xa0]].concat();
    let wide = |keys: u8| [0xb8, keys].into_iter().chain((0..keys).flat_map(|i| [0x18, i, 0])).collect();
    assert!(verify(nested(4)).is_ok());
    assert!(verify(wide(64)).is_ok());
    for statement in
        [nested(MAX_DEPTH), nested(10_000), wide(65), b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff".into()]
    {
        assert_eq!(verify(statement), Err(RegistrationError::AttestationObject));
    }
}

#[test]
fn truncated_or_extended_objects_are_refused() {
    for presented in registrations() {
        let object = &presented.attestation_object;
        for length in 1..object.len() {
            let cut = presented.with_object(object[..length].to_vec());
            assert_eq!(cut.verify(), Err(RegistrationError::AttestationObject), "{length}");
        }
        let longer = presented.with_object([&object[..], &[0]].concat());
        assert_eq!(longer.verify(), Err(RegistrationError::AttestationObject));

        let data = presented.data();
        for length in 0..data.len() {
            let expected = match length {
                _ if length < presented.key_offset() => RegistrationError::AuthenticatorData,
                _ => RegistrationError::PublicKey,
            };
            assert_eq!(presented.with_data(data[..length].to_vec()).verify(), Err(expected), "{length}");
        }
        let longer = presented.with_data([&data[..], &[0]].concat());
        assert_eq!(longer.verify(), Err(RegistrationError::AuthenticatorData));
    }
}

#[test]
fn presence_and_a_credential_are_required_and_extensions_are_one_map() {
    let presented = es256();
    let verify = |set: u8, clear: u8, after: &[u8]| {
        let mut data = presented.data();
        data[FLAGS_OFFSET] = (data[FLAGS_OFFSET] | set) & !clear;
        data.extend(after);
        presented.with_data(data).verify().map(drop)
    };
    let verified_and_backed_up = 0b0001_1100;
    assert_eq!(verify(0, verified_and_backed_up, &[]), Ok(()));
    assert_eq!(verify(0, USER_PRESENT, &[]), Err(RegistrationError::UserNotPresent));
    assert_eq!(verify(0, ATTESTED_CREDENTIAL, &[]), Err(RegistrationError::NoCredential));
    assert_eq!(verify(EXTENSIONS, 0, b"\xa1kcredProtect\x02"), Ok(()));
    for after in [&b""[..], b"\x00", b"\x80", b"\xa0\x00", b"\xa0\xa0", b"\xa2\x01\x00\x01\x00", b"\xa1\x01"]
    {
        assert_eq!(verify(EXTENSIONS, 0, after), Err(RegistrationError::AuthenticatorData), "{after:?}");
    }
    assert_eq!(verify(0, 0, b"\xa0"), Err(RegistrationError::AuthenticatorData));
}

#[test]
fn cose_keys_that_are_not_p256_points_are_refused() {
    const CRV: i64 = -1;
    const X: i64 = -2;
    const Y: i64 = -3;
    let presented = es256();
    let bytes = |length| Some(Value::Bytes(vec![1; length]));
    let cases = [
        (1, None, RegistrationError::PublicKey),
        (1, Some(1.into()), RegistrationError::Algorithm),
        (1, Some(3.into()), RegistrationError::Algorithm),
        (1, Some(99.into()), RegistrationError::Algorithm),
        (3, None, RegistrationError::Algorithm),
        (3, Some((-8).into()), RegistrationError::Algorithm),
        (3, Some((-257).into()), RegistrationError::Algorithm),
        (3, Some((-9999).into()), RegistrationError::Algorithm),
        (3, Some(Value::Null), RegistrationError::PublicKey),
        (CRV, None, RegistrationError::PublicKey),
        (CRV, Some(2.into()), RegistrationError::PublicKey),
        (X, None, RegistrationError::PublicKey),
        (X, bytes(32), RegistrationError::PublicKey),
        (X, bytes(31), RegistrationError::PublicKey),
        (X, bytes(33), RegistrationError::PublicKey),
        (Y, None, RegistrationError::PublicKey),
        (Y, bytes(32), RegistrationError::PublicKey),
        (Y, bytes(0), RegistrationError::PublicKey),
        (Y, Some(true.into()), RegistrationError::PublicKey),
    ];
    for (label, value, expected) in cases {
        let case = format!("{label} {value:?}");
        assert_eq!(edited(&presented, label, value).verify(), Err(expected), "{case}");
    }

    let key = presented.key();
    for entry in &key {
        let twice = Value::Map([&key[..], std::slice::from_ref(entry)].concat());
        let refused = presented.with_key(&encode(&twice), &[]).verify();
        assert_eq!(refused, Err(RegistrationError::PublicKey), "{entry:?}");
    }
    assert_eq!(presented.with_key(&[0], &[]).verify(), Err(RegistrationError::PublicKey));
}

#[test]
fn rsa_keys_out_of_range_are_refused() {
    const N: i64 = -1;
    const E: i64 = -2;
    let presented = rs256();
    let number = |bits: usize| {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] = 0xff >> (bytes.len() * 8 - bits);
        bytes
    };
    let verify =
        |label, bytes: Vec<u8>| edited(&presented, label, Some(Value::Bytes(bytes))).verify().map(drop);
    let even = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() &= 0xfe;
        bytes
    };
    let padded = |bytes: Vec<u8>| [vec![0], bytes].concat();

    for good in [2048, 2049, 3072, 4096] {
        assert_eq!(verify(N, number(good)), Ok(()), "{good}");
    }
    for good in [vec![1, 0, 1], number(33)] {
        assert_eq!(verify(E, good.clone()), Ok(()), "{good:?}");
    }
    let moduli = [vec![], number(1024), number(2047), number(4097), even(number(2048)), padded(number(2048))];
    let exponents =
        [vec![], vec![1], vec![3], number(16), number(34), even(number(17)), padded(vec![1, 0, 1])];
    for (label, values) in [(N, &moduli[..]), (E, &exponents)] {
        for value in values {
            assert_eq!(verify(label, value.clone()), Err(RegistrationError::PublicKey), "{label} {value:?}");
        }
        assert_eq!(edited(&presented, label, None).verify(), Err(RegistrationError::PublicKey));
    }
    assert_eq!(edited(&presented, 3, Some((-7).into())).verify(), Err(RegistrationError::Algorithm));
    assert_eq!(edited(&presented, 3, Some((-258).into())).verify(), Err(RegistrationError::Algorithm));
    assert_eq!(edited(&presented, 1, Some(2.into())).verify(), Err(RegistrationError::Algorithm));
}

/// Nothing signs these bytes, so some changes must be taken at their word; but then they are seen in the result.
#[test]
fn every_flipped_bit_is_refused_or_reported() {
    for presented in registrations() {
        let original = presented.verify().unwrap();
        let object = &presented.attestation_object;
        let flags = object.len() - presented.data().len() + FLAGS_OFFSET;
        for bit in 0..object.len() * 8 {
            let mut flipped = presented.clone();
            flipped.attestation_object[bit / 8] ^= 1 << (bit % 8);
            let unread_flag = bit / 8 == flags && !matches!(bit % 8, 0 | 2 | 6 | 7);
            assert_eq!(flipped.verify().as_ref() == Ok(&original), unread_flag, "bit {bit}");
        }
    }
}

/// One change of some bytes: replaced, inserted or removed.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    (any::<prop::sample::Index>(), 0..4usize, prop::collection::vec(any::<u8>(), 0..4))
}

fn apply(bytes: &mut Vec<u8>, changes: &[(prop::sample::Index, usize, Vec<u8>)]) {
    for (at, removed, inserted) in changes {
        let start = at.index(bytes.len() + 1);
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, inserted.iter().copied());
    }
}

proptest! {
    #[test]
    fn changed_registrations_never_panic_and_never_yield_a_malformed_one(
        rsa: bool,
        client_data in prop::collection::vec(change(), 0..2),
        object in prop::collection::vec(change(), 0..3),
        data in prop::collection::vec(change(), 0..3),
    ) {
        let mut presented = if rsa { rs256() } else { es256() };
        let mut inner = presented.data();
        apply(&mut inner, &data);
        presented = presented.with_data(inner);
        apply(&mut presented.client_data, &client_data);
        apply(&mut presented.attestation_object, &object);
        if let Ok(registration) = presented.verify() {
            prop_assert_eq!(registration.credential_id, presented.credential_id);
            match registration.algorithm {
                ES256 => prop_assert!(PublicKey::from_sec1(&registration.public_key).is_ok()),
                RS256 => prop_assert!(registration.public_key.len() > 256),
                other => prop_assert!(false, "algorithm {}", other),
            }
        }
    }

    #[test]
    fn arbitrary_input_never_panics(
        texts in prop::array::uniform4(".{0,64}"),
        object in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let [challenge, credential_id, client_data, attestation] = &texts;
        prop_assert!(verify_registration(challenge, credential_id, client_data, attestation).is_err());
        let presented = es256();
        prop_assert!(presented.with_object(object.clone()).verify().is_err());
        prop_assert!(presented.with_data(object.clone()).verify().is_err());
        prop_assert!(presented.with_key(&object, &[]).verify().is_err());
    }
}
