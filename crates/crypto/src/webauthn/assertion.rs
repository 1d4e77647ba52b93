//! `X-Stamp-Webauthn`: a request signed by a passkey.

use std::borrow::Cow;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use serde::Deserialize;

use super::{ClientData, ES256, MAX_CREDENTIAL_ID, RS256, USER_PRESENT, USER_VERIFIED, decode, take};
use crate::fingerprint::sha256;
use crate::op;
use crate::p256::PublicKey;
use crate::stamp::StampError;

/// The largest `X-Stamp-Webauthn` header value, in bytes (G-STAMP-3).
pub const MAX_ASSERTION: usize = 8192;

/// A passkey stamp that could be read; nothing of it is proved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Which passkey, 1 to 1023 bytes.
    pub credential_id: Vec<u8>,
    /// The signature's bytes, not yet looked at.
    pub signature: Vec<u8>,
    authenticator_data: Vec<u8>,
    client_data: Vec<u8>,
}

/// What a verified assertion says. Whether this relying party and origin are welcome is the caller's to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asserted {
    /// SHA-256 of the relying party's id.
    pub rp_id_hash: [u8; 32],
    /// The origin that the client reported, verbatim.
    pub origin: String,
    /// Whether the client reported that a page of another origin embedded the one that asked.
    pub cross_origin: bool,
    /// Whether the authenticator verified its user, not merely met somebody.
    pub user_verified: bool,
    /// The signature counter; 0 when the authenticator keeps none (G-WA-3).
    pub sign_count: u32,
}

/// Why an assertion does not sign a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The client data is no JSON object with the texts `type`, `challenge` and `origin`, each once.
    #[error("malformed client data")]
    ClientData,
    /// The client data is of another ceremony: its `type` is not `webauthn.get`.
    #[error("not the client data of an assertion")]
    Ceremony,
    /// The challenge is not the hex text of the body's hash.
    #[error("the challenge is of another request")]
    Challenge,
    /// The authenticator data has fewer than 37 bytes.
    #[error("malformed authenticator data")]
    AuthenticatorData,
    /// The flag UP is not set.
    #[error("no user was present")]
    UserNotPresent,
    /// The signature is not of this key over these data.
    #[error("bad signature")]
    Signature,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionJson<'a> {
    #[serde(borrow)]
    authenticator_data: Cow<'a, str>,
    #[serde(borrow)]
    client_data_json: Cow<'a, str>,
    #[serde(borrow)]
    credential_id: Cow<'a, str>,
    #[serde(borrow)]
    signature: Cow<'a, str>,
}

impl Assertion {
    /// Reads a header value: a JSON object as SDKs send it, or its base64. Its members are base64url or standard base64,
    /// with or without padding; unknown members are ignored, a repeated member is refused.
    pub fn parse(header: &str) -> Result<Self, StampError> {
        match header.len() {
            0 => return Err(StampError::Empty),
            length if length > MAX_ASSERTION => return Err(StampError::TooLong),
            _ => {}
        }
        let decoded = |text: &str| decode(text).map_err(|_| StampError::Malformed);
        let json = match header.trim_start().starts_with('{') {
            true => Cow::Borrowed(header.as_bytes()),
            false => Cow::Owned(decoded(header)?),
        };
        let stamp: AssertionJson<'_> = serde_json::from_slice(&json).map_err(|_| StampError::Malformed)?;
        let credential_id = decoded(&stamp.credential_id)?;
        if credential_id.len() > MAX_CREDENTIAL_ID {
            return Err(StampError::Malformed);
        }
        Ok(Self {
            credential_id,
            signature: decoded(&stamp.signature)?,
            authenticator_data: decoded(&stamp.authenticator_data)?,
            client_data: decoded(&stamp.client_data_json)?,
        })
    }

    /// Verifies that the passkey with this key signed `body`, the raw request body.
    ///
    /// `public_key` and `algorithm` are those of the [`Registration`](super::Registration). The challenge is the 64
    /// characters of the body's SHA-256 in lower-case hex, not the hash itself.
    pub fn verify(&self, public_key: &[u8], algorithm: i32, body: &[u8]) -> Result<Asserted, AssertionError> {
        let client_data: ClientData =
            serde_json::from_slice(&self.client_data).map_err(|_| AssertionError::ClientData)?;
        if client_data.ceremony != "webauthn.get" {
            return Err(AssertionError::Ceremony);
        }
        let challenge = hex::encode(sha256(body));
        if decode(&client_data.challenge).as_deref() != Ok(challenge.as_bytes()) {
            return Err(AssertionError::Challenge);
        }
        const SHORT: AssertionError = AssertionError::AuthenticatorData;
        let mut data = self.authenticator_data.as_slice();
        let rp_id_hash = take(&mut data).ok_or(SHORT)?;
        let [flags] = take(&mut data).ok_or(SHORT)?;
        let sign_count = u32::from_be_bytes(take(&mut data).ok_or(SHORT)?);
        if flags & USER_PRESENT == 0 {
            return Err(AssertionError::UserNotPresent);
        }
        let signed = [self.authenticator_data.as_slice(), &sha256(&self.client_data)].concat();
        let verified = match algorithm {
            ES256 => PublicKey::from_sec1(public_key)
                .is_ok_and(|key| key.verify_der(&signed, &self.signature).is_ok()),
            RS256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key).is_ok_and(|key| {
                op!("rsa_verify");
                key.verify_sig(&signed, &self.signature).is_ok()
            }),
            _ => false,
        };
        match verified {
            true => Ok(Asserted {
                rp_id_hash,
                origin: client_data.origin,
                cross_origin: client_data.cross_origin.unwrap_or_default(),
                user_verified: flags & USER_VERIFIED != 0,
                sign_count,
            }),
            false => Err(AssertionError::Signature),
        }
    }
}
