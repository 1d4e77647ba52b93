//! Passkeys: what a client presents when it registers one, and when it stamps with one (protocol 01, section 2; W3C Web
//! Authentication Level 3, sections 5.8.1, 6.1 and 6.5).
//!
//! Promise: a [`Registration`] is well formed throughout, and its key is one that assertions can be verified with; an
//! [`Asserted`] was signed by that key over the request's very bytes. Attestation statements are read past, never verified (GAPS G-WA-4), so nothing here says which device made the key.
//! The relying party and the origin are reported, not judged: the caller holds the policy (G-WA-2).

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ciborium::Value;
use coset::iana::{self, EnumI64};
use coset::{AsCborValue, CoseError, CoseKey, Label};
use serde::Deserialize;
use uuid::Uuid;

use crate::p256::PublicKey;

mod assertion;
#[cfg(test)]
mod tests;

pub use assertion::{Asserted, Assertion, AssertionError, MAX_ASSERTION};

/// The largest accepted text of each kind, in characters. A TPM attestation, the largest in use, has some 8000.
pub const MAX_TEXT: usize = 64 * 1024;

/// The COSE algorithm of ECDSA on P-256 with SHA-256 (RFC 9053, section 2.1).
pub const ES256: i32 = -7;

/// The COSE algorithm of RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8812, section 2).
pub const RS256: i32 = -257;

/// The longest credential id, in bytes (Web Authentication, section 7.1).
const MAX_CREDENTIAL_ID: usize = 1023;

/// The longest name of an attestation statement format, in characters (Web Authentication, section 8.1).
const MAX_FORMAT: usize = 32;

/// The deepest CBOR nesting; attestation statements use four levels, and every level costs stack.
const MAX_DEPTH: usize = 16;

/// The most entries of one CBOR map; attestation statements use seven. Bounds the search for duplicates.
const MAX_ENTRIES: usize = 64;

/// Flags of the authenticator data (Web Authentication, section 6.1).
const USER_PRESENT: u8 = 1 << 0;
const USER_VERIFIED: u8 = 1 << 2;
const ATTESTED_CREDENTIAL: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// A passkey as its authenticator described it at registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The credential id, 1 to 1023 bytes.
    pub credential_id: Vec<u8>,
    /// For [`ES256`] the uncompressed SEC1 point, 65 bytes; for [`RS256`] the DER SubjectPublicKeyInfo (G-QRY-4).
    pub public_key: Vec<u8>,
    /// The COSE algorithm: [`ES256`] or [`RS256`].
    pub algorithm: i32,
    /// SHA-256 of the relying party's id: what every assertion must repeat (G-WA-2).
    pub rp_id_hash: [u8; 32],
    /// The model of the authenticator; nil when it does not say.
    pub aaguid: Uuid,
    /// The name of the attestation statement format, 1 to 32 characters; usually `none`.
    pub attestation_format: String,
    /// The signature counter; 0 when the authenticator keeps none (G-WA-3).
    pub sign_count: u32,
    /// The origin that the client reported, verbatim: `https://...`, or `android:apk-key-hash:...` from an Android app.
    pub origin: String,
    /// Whether the client reported that a page of another origin embedded the one that asked.
    pub cross_origin: bool,
    /// Whether the authenticator verified its user, by a PIN or a fingerprint say, not merely met somebody.
    pub user_verified: bool,
}

/// Why a registration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// A text exceeds [`MAX_TEXT`].
    #[error("registration too long")]
    TooLong,
    /// A text is neither base64url nor standard base64, or is empty.
    #[error("not base64")]
    Encoding,
    /// The client data is no JSON object with the texts `type`, `challenge` and `origin`, each once.
    #[error("malformed client data")]
    ClientData,
    /// The client data is of another ceremony: its `type` is not `webauthn.create`.
    #[error("not the client data of a registration")]
    Ceremony,
    /// The challenge in the client data is not the one given.
    #[error("the client data answers another challenge")]
    Challenge,
    /// The attestation object is not one CBOR map with `fmt`, `attStmt` and `authData` of their types, has trailing
    /// bytes, or a map in it has a duplicate key.
    #[error("malformed attestation object")]
    AttestationObject,
    /// The authenticator data is cut short, has trailing bytes, or its extensions are not one CBOR map.
    #[error("malformed authenticator data")]
    AuthenticatorData,
    /// The flag UP is not set.
    #[error("no user was present")]
    UserNotPresent,
    /// The flag AT is not set: there is no credential.
    #[error("no attested credential")]
    NoCredential,
    /// The credential id in the authenticator data is not the one given, or is longer than 1023 bytes.
    #[error("the credential id does not match")]
    CredentialId,
    /// Key type and algorithm are neither EC2 with [`ES256`] nor RSA with [`RS256`].
    #[error("unsupported public key algorithm")]
    Algorithm,
    /// The COSE key is malformed, or the key is none that signatures can be verified with: a point off the curve, an
    /// RSA modulus of fewer than 2048 or more than 4096 bits, or an exponent that is even or out of range.
    #[error("invalid public key")]
    PublicKey,
}

/// The members that matter of the client data (Web Authentication, section 5.8.1). Clients add others at will.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: Option<bool>,
}

/// Checks what a client presents to register a passkey (protocol 01, section 2, "Registration check").
///
/// The four texts are those of `AuthenticatorParamsV2` and its `attestation`, each base64url or standard base64, with or
/// without padding, at most [`MAX_TEXT`] characters. The challenge is compared as bytes, so the two spellings that
/// clients send of it are equal; whether it is fresh is not known here.
pub fn verify_registration(
    challenge: &str,
    credential_id: &str,
    client_data_json: &str,
    attestation_object: &str,
) -> Result<Registration, RegistrationError> {
    let challenge = decode(challenge)?;
    let credential_id = decode(credential_id)?;
    let client_data = decode(client_data_json)?;
    let attestation_object = decode(attestation_object)?;

    let client_data: ClientData =
        serde_json::from_slice(&client_data).map_err(|_| RegistrationError::ClientData)?;
    if client_data.ceremony != "webauthn.create" {
        return Err(RegistrationError::Ceremony);
    }
    if decode(&client_data.challenge) != Ok(challenge) {
        return Err(RegistrationError::Challenge);
    }

    let (attestation_format, authenticator_data) = read_attestation_object(&attestation_object)?;
    let authenticator = AuthenticatorData::read(&authenticator_data)?;
    if authenticator.credential_id != credential_id || credential_id.len() > MAX_CREDENTIAL_ID {
        return Err(RegistrationError::CredentialId);
    }
    let (algorithm, public_key) = read_cose_key(authenticator.cose_key)?;

    Ok(Registration {
        credential_id,
        public_key,
        algorithm,
        rp_id_hash: authenticator.rp_id_hash,
        aaguid: authenticator.aaguid,
        attestation_format,
        sign_count: authenticator.sign_count,
        origin: client_data.origin,
        cross_origin: client_data.cross_origin.unwrap_or_default(),
        user_verified: authenticator.user_verified,
    })
}

/// Decodes a text of a client: either alphabet, but not a mixture of them, with or without padding.
pub fn decode(text: &str) -> Result<Vec<u8>, RegistrationError> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
    const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);

    if text.len() > MAX_TEXT {
        return Err(RegistrationError::TooLong);
    }
    let engine = if text.contains(['+', '/']) { PLAIN } else { URL };
    match engine.decode(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(RegistrationError::Encoding),
    }
}

/// The statement format and the authenticator data of an attestation object (Web Authentication, section 6.5.4).
///
/// Members beyond the three are passed over: authenticators answer with some of their own (CTAP 2.1, section 6.1).
fn read_attestation_object(mut bytes: &[u8]) -> Result<(String, Vec<u8>), RegistrationError> {
    let (mut format, mut has_statement, mut data) = (None, false, None);
    let Some(Value::Map(entries)) = read_cbor(&mut bytes) else {
        return Err(RegistrationError::AttestationObject);
    };
    for (key, value) in entries {
        match (key.as_text(), value) {
            (Some("fmt"), Value::Text(value)) if is_format_name(&value) => format = Some(value),
            (Some("attStmt"), Value::Map(_)) => has_statement = true,
            (Some("authData"), Value::Bytes(value)) => data = Some(value),
            _ => {}
        }
    }
    match (format, data) {
        (Some(format), Some(data)) if has_statement && bytes.is_empty() => Ok((format, data)),
        _ => Err(RegistrationError::AttestationObject),
    }
}

/// Whether `name` can name an attestation statement format (Web Authentication, section 8.1).
fn is_format_name(name: &str) -> bool {
    (1..=MAX_FORMAT).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_graphic() && c != b'"' && c != b'\\')
}

/// The authenticator data of a registration (Web Authentication, sections 6.1 and 6.5.1).
struct AuthenticatorData<'a> {
    rp_id_hash: [u8; 32],
    user_verified: bool,
    sign_count: u32,
    aaguid: Uuid,
    credential_id: &'a [u8],
    cose_key: Value,
}

impl<'a> AuthenticatorData<'a> {
    fn read(mut data: &'a [u8]) -> Result<Self, RegistrationError> {
        const SHORT: RegistrationError = RegistrationError::AuthenticatorData;
        let rp_id_hash = take(&mut data).ok_or(SHORT)?;
        let [flags] = take(&mut data).ok_or(SHORT)?;
        let sign_count = u32::from_be_bytes(take(&mut data).ok_or(SHORT)?);
        if flags & USER_PRESENT == 0 {
            return Err(RegistrationError::UserNotPresent);
        }
        if flags & ATTESTED_CREDENTIAL == 0 {
            return Err(RegistrationError::NoCredential);
        }
        let aaguid = Uuid::from_bytes(take(&mut data).ok_or(SHORT)?);
        let length = u16::from_be_bytes(take(&mut data).ok_or(SHORT)?);
        let (credential_id, mut data) = data.split_at_checked(length.into()).ok_or(SHORT)?;
        let cose_key = read_cbor(&mut data).ok_or(RegistrationError::PublicKey)?;
        if flags & EXTENSIONS != 0 && !matches!(read_cbor(&mut data), Some(Value::Map(_))) {
            return Err(RegistrationError::AuthenticatorData);
        }
        if !data.is_empty() {
            return Err(RegistrationError::AuthenticatorData);
        }
        let user_verified = flags & USER_VERIFIED != 0;
        Ok(Self { rp_id_hash, user_verified, sign_count, aaguid, credential_id, cose_key })
    }
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = data.split_first_chunk()?;
    *data = rest;
    Some(*taken)
}

/// Takes one CBOR item off the front: its depth bounded, every map in it without duplicate keys.
fn read_cbor(bytes: &mut &[u8]) -> Option<Value> {
    let value = ciborium::de::from_reader_with_recursion_limit(&mut *bytes, MAX_DEPTH).ok()?;
    has_unique_keys(&value).then_some(value)
}

/// Whether no map in `value` has a key twice. Keys are integers or text, as in everything authenticators write; others
/// are refused because they need not even equal themselves (NaN).
fn has_unique_keys(value: &Value) -> bool {
    match value {
        Value::Map(entries) => {
            entries.len() <= MAX_ENTRIES
                && entries.iter().enumerate().all(|(i, (key, value))| {
                    (key.is_integer() || key.is_text())
                        && entries[..i].iter().all(|(earlier, _)| earlier != key)
                        && has_unique_keys(value)
                })
        }
        Value::Array(items) => items.iter().all(has_unique_keys),
        Value::Tag(_, value) => has_unique_keys(value),
        _ => true,
    }
}

/// The algorithm and the stored form of a COSE key (RFC 9052, section 7).
fn read_cose_key(key: Value) -> Result<(i32, Vec<u8>), RegistrationError> {
    let key = CoseKey::from_cbor_value(key).map_err(|error| match error {
        CoseError::UnregisteredIanaValue | CoseError::UnregisteredIanaNonPrivateValue => {
            RegistrationError::Algorithm
        }
        _ => RegistrationError::PublicKey,
    })?;
    let kty = |kty| key.kty == coset::KeyType::Assigned(kty);
    let alg = |alg| key.alg == Some(coset::Algorithm::Assigned(alg));
    if kty(iana::KeyType::EC2) && alg(iana::Algorithm::ES256) {
        Ok((ES256, read_p256_key(&key).ok_or(RegistrationError::PublicKey)?))
    } else if kty(iana::KeyType::RSA) && alg(iana::Algorithm::RS256) {
        Ok((RS256, read_rsa_key(&key).ok_or(RegistrationError::PublicKey)?))
    } else {
        Err(RegistrationError::Algorithm)
    }
}

/// The parameter of a COSE key with the given label. There is no second one: the map's keys are unique.
fn parameter(key: &CoseKey, label: impl EnumI64) -> Option<&Value> {
    let label = Label::Int(label.to_i64());
    key.params.iter().find(|(name, _)| *name == label).map(|(_, value)| value)
}

/// The uncompressed point of an EC2 key on P-256 (RFC 9053, section 7.1.1). Web Authentication, section 5.8.5, forbids
/// the compressed form.
fn read_p256_key(key: &CoseKey) -> Option<Vec<u8>> {
    let curve = parameter(key, iana::Ec2KeyParameter::Crv)?.as_integer()?;
    if curve != iana::EllipticCurve::P_256.to_i64().into() {
        return None;
    }
    let x = parameter(key, iana::Ec2KeyParameter::X)?.as_bytes()?;
    let y = parameter(key, iana::Ec2KeyParameter::Y)?.as_bytes()?;
    if x.len() != 32 || y.len() != 32 {
        return None;
    }
    let point = [&[4], x.as_slice(), y].concat();
    PublicKey::from_sec1(&point).is_ok().then_some(point)
}

/// The DER SubjectPublicKeyInfo of an RSA key (RFC 8230, section 4), refused unless it can verify a signature.
fn read_rsa_key(key: &CoseKey) -> Option<Vec<u8>> {
    let n = parameter(key, iana::RsaKeyParameter::N)?.as_bytes()?.as_slice();
    let e = parameter(key, iana::RsaKeyParameter::E)?.as_bytes()?.as_slice();
    // FIPS 186-5, appendix A.1.1, demands an exponent above 2^16; the library computes with at most 33 bits.
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last & 1 == 1);
    if !(2048..=4096).contains(&bits(n)?) || !(17..=33).contains(&bits(e)?) || !odd(n) || !odd(e) {
        return None;
    }
    let components = RsaPublicKeyComponents { n, e };
    let spki = components.as_der().ok()?;
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki.as_ref()).ok()?;
    Some(spki.as_ref().to_vec())
}

/// The number of bits of a big-endian number, or `None` when it has a leading zero byte, which RFC 8230 forbids.
fn bits(number: &[u8]) -> Option<usize> {
    let first = number.first().filter(|first| **first != 0)?;
    Some(number.len() * 8 - first.leading_zeros() as usize)
}
