//! Bundles: how a private key or a code travels encrypted between server and client (protocol 05, sections 5 to 7).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::hpke;
use crate::p256::{AgreementKey, PublicKey, SigningKey};
use crate::secret::Secret;

/// The largest bundle text read, in bytes; real ones are below 900.
pub const MAX_BUNDLE: usize = 4096;

/// The `version` member of a target bundle (G-OTP-10).
const TARGET_VERSION: &str = "v1.0.0";

/// Why a bundle was refused. To a client all of these are one answer (05, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not the text form of the bundle, a member missing, or too long.
    #[error("malformed bundle")]
    Malformed,
    /// Sealed to another key, or altered.
    #[error("the bundle cannot be opened")]
    Sealed,
    /// The plaintext is not what the bundle should carry.
    #[error("unexpected bundle content")]
    Content,
    /// A target bundle by another signer than expected.
    #[error("the bundle names another signer")]
    Signer,
    /// A target bundle whose signature does not verify.
    #[error("the bundle's signature does not verify")]
    Signature,
}

impl From<hpke::OpenError> for BundleError {
    fn from(_: hpke::OpenError) -> Self {
        Self::Sealed
    }
}

/// Seals the private scalar of a new API key to `receiver`, the request's `targetPublicKey`.
///
/// The text is base58check of the compressed encapsulated key (33 bytes), the ciphertext and its tag (05, section 5).
pub fn seal_credential_bundle(receiver: &PublicKey, secret: &[u8; 32], entropy: &dyn Entropy) -> String {
    let (encapped, ciphertext) = hpke::seal_turnkey(receiver, entropy, secret);
    let mut bytes = Vec::with_capacity(33 + ciphertext.len());
    bytes.push(2 | (encapped[64] & 1));
    bytes.extend_from_slice(&encapped[1..33]);
    bytes.extend_from_slice(&ciphertext);
    bs58::encode(bytes).with_check().into_string()
}

/// Opens what [`seal_credential_bundle`] made: the client's side. Returns the private scalar.
pub fn open_credential_bundle(
    private: &AgreementKey,
    bundle: &str,
) -> Result<Zeroizing<[u8; 32]>, BundleError> {
    if bundle.len() > MAX_BUNDLE {
        return Err(BundleError::Malformed);
    }
    let bytes = bs58::decode(bundle).with_check(None).into_vec().map_err(|_| BundleError::Malformed)?;
    let (encapped, ciphertext) = bytes.split_at_checked(33).ok_or(BundleError::Malformed)?;
    if ciphertext.len() < hpke::TAG_LEN {
        return Err(BundleError::Malformed);
    }
    let encapped = PublicKey::from_sec1(encapped).map_err(|_| BundleError::Malformed)?;
    let plaintext = hpke::open_turnkey(private, encapped.uncompressed(), ciphertext)?;
    let mut secret = Zeroizing::new([0; 32]);
    if plaintext.len() != secret.len() {
        return Err(BundleError::Content);
    }
    secret.copy_from_slice(&plaintext);
    Ok(secret)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetBundle<'a> {
    #[serde(skip_deserializing)]
    version: &'a str,
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    data_signature: Cow<'a, str>,
    #[serde(borrow)]
    enclave_quorum_public: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetData<'a> {
    target_public: &'a str,
    organization_id: &'a str,
    otp_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetDataRead<'a> {
    #[serde(borrow)]
    target_public: Cow<'a, str>,
}

/// Makes the `otpEncryptionTargetBundle` of one attempt: its key `target`, signed by the bundle signer (05, section 6).
///
/// All keys are 65-byte uncompressed lower-case hex; with any other form some SDK fails or, worse, does not. The
/// signature is DER over the bytes of the data.
pub fn target_bundle(signer: &SigningKey, target: &PublicKey, organization_id: &str, otp_id: &str) -> String {
    let target_public = target.to_uncompressed_hex();
    let data = serde_json::to_vec(&TargetData { target_public: &target_public, organization_id, otp_id })
        .expect("plain text members");
    let bundle = TargetBundle {
        version: TARGET_VERSION,
        data: hex::encode(&data).into(),
        data_signature: hex::encode(signer.sign_der(&data)).into(),
        enclave_quorum_public: signer.public_key().to_uncompressed_hex().into(),
    };
    serde_json::to_string(&bundle).expect("plain text members")
}

/// The content of an `encryptedOtpBundle`.
#[derive(Debug)]
pub struct OtpBundle {
    /// The code as the user typed it; not normalised.
    pub otp_code: Secret<String>,
    /// The client's fresh key, which the verification token will name.
    pub public_key: PublicKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncryptedBundle<'a> {
    #[serde(borrow)]
    encapped_public: Cow<'a, str>,
    #[serde(borrow)]
    ciphertext: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct OtpPlaintext<'a> {
    #[serde(borrow)]
    otp_code: Cow<'a, str>,
    #[serde(borrow)]
    public_key: Cow<'a, str>,
}

impl Drop for OtpPlaintext<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(code) = &mut self.otp_code {
            code.zeroize();
        }
    }
}

/// Opens an `encryptedOtpBundle` with the attempt's private key (05, section 7).
///
/// Members may come in any order and unknown ones are ignored; the encapsulated key must be uncompressed.
pub fn open_otp_bundle(target_private: &AgreementKey, text: &str) -> Result<OtpBundle, BundleError> {
    if text.len() > MAX_BUNDLE {
        return Err(BundleError::Malformed);
    }
    let bundle: EncryptedBundle<'_> = serde_json::from_str(text).map_err(|_| BundleError::Malformed)?;
    let mut encapped = [0; 65];
    hex::decode_to_slice(&*bundle.encapped_public, &mut encapped).map_err(|_| BundleError::Malformed)?;
    let ciphertext = hex::decode(&*bundle.ciphertext).map_err(|_| BundleError::Malformed)?;
    let plaintext = hpke::open_turnkey(target_private, &encapped, &ciphertext)?;
    let content: OtpPlaintext<'_> = serde_json::from_slice(&plaintext).map_err(|_| BundleError::Content)?;
    Ok(OtpBundle {
        public_key: PublicKey::from_hex(&content.public_key).map_err(|_| BundleError::Content)?,
        otp_code: Secret::new(content.otp_code.clone().into_owned()),
    })
}

/// Makes the `encryptedOtpBundle` for `code` and `public_key_hex`: the client's side of sections 6 and 7.
///
/// First checks the target bundle as SDKs do: signer by string comparison, DER signature, `targetPublic` present. Asks
/// more than the most lenient of them: the signer and the target must be uncompressed lower-case hex, since a client
/// that sends to a compressed target produces a bundle nobody can open.
pub fn seal_otp_bundle(
    target_bundle: &str,
    expected_signer: &PublicKey,
    code: &str,
    public_key_hex: &str,
    entropy: &dyn Entropy,
) -> Result<String, BundleError> {
    let bundle: TargetBundle<'_> = serde_json::from_str(target_bundle).map_err(|_| BundleError::Malformed)?;
    if bundle.enclave_quorum_public != expected_signer.to_uncompressed_hex() {
        return Err(BundleError::Signer);
    }
    let data = hex::decode(&*bundle.data).map_err(|_| BundleError::Malformed)?;
    let signature = hex::decode(&*bundle.data_signature).map_err(|_| BundleError::Malformed)?;
    expected_signer.verify_der(&data, &signature).map_err(|_| BundleError::Signature)?;
    let data: TargetDataRead<'_> = serde_json::from_slice(&data).map_err(|_| BundleError::Content)?;
    let target = PublicKey::from_hex(&data.target_public).map_err(|_| BundleError::Content)?;
    if data.target_public != target.to_uncompressed_hex() {
        return Err(BundleError::Content);
    }
    let content = OtpPlaintext { otp_code: code.into(), public_key: public_key_hex.into() };
    let plaintext = Zeroizing::new(serde_json::to_vec(&content).expect("plain text members"));
    let (encapped, ciphertext) = hpke::seal_turnkey(&target, entropy, &plaintext);
    let sealed = EncryptedBundle {
        encapped_public: hex::encode(encapped).into(),
        ciphertext: hex::encode(ciphertext).into(),
    };
    Ok(serde_json::to_string(&sealed).expect("plain text members"))
}
