//! What the crates leave to the application: encrypting a code, client signatures, checking tokens.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey, signature::Signer as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use turnkey_client::TurnkeyP256ApiKey;
use turnkey_client::generated::ClientSignature;
use turnkey_client::generated::immutable::common::v1::ClientSignatureScheme;
use turnkey_enclave_encrypt::P256Public;
use turnkey_enclave_encrypt::server::EnclaveEncryptServer;

/// The compressed public key in hex, as the API takes it.
pub fn public_hex(key: &TurnkeyP256ApiKey) -> String {
    hex::encode(key.compressed_public_key())
}

/// The `encryptedOtpBundle` for a code, made with the crate's own HPKE.
///
/// The crate has no function for one-time passwords. Its `auth_encrypt` seals with the same suite, `info` and associated
/// data, and only writes the outcome in another form, which is taken apart here.
pub fn encrypt_code(code: &str, target_bundle: &str, public_key: &str, signer: &str) -> Result<String> {
    let bundle: Value = serde_json::from_str(target_bundle)?;
    ensure!(bundle["enclaveQuorumPublic"] == signer, "the bundle names another signer");
    let data = hex::decode(bundle["data"].as_str().context("data is text")?)?;
    let signature = hex::decode(bundle["dataSignature"].as_str().context("dataSignature is text")?)?;
    verifying_key(signer)?.verify(&data, &Signature::from_der(&signature)?)?;
    let data: Value = serde_json::from_slice(&data)?;
    let target: P256Public =
        hex::decode(data["targetPublic"].as_str().context("targetPublic is text")?)?.try_into()?;
    let plaintext = json!({ "otp_code": code, "public_key": public_key }).to_string();
    let sealed = EnclaveEncryptServer::auth_encrypt(&target, plaintext.as_bytes())?;
    let sealed = bs58::decode(sealed).with_check(None).into_vec()?;
    let (encapped, ciphertext) = sealed.split_at_checked(33).context("the encapsulated key is 33 bytes")?;
    let encapped = VerifyingKey::from_sec1_bytes(encapped)?.to_encoded_point(false);
    Ok(json!({ "encappedPublic": hex::encode(encapped), "ciphertext": hex::encode(ciphertext) }).to_string())
}

/// The proof that the caller holds the key inside the verification token.
pub fn login_signature(key: &TurnkeyP256ApiKey, verification_token: &str) -> Result<ClientSignature> {
    client_signature(
        key,
        verification_token,
        "login",
        json!({ "publicKey": public_hex(key) }),
        "USAGE_TYPE_LOGIN",
    )
}

/// The proof for a sign-up whose root user has no credential yet; `contact` is `email` or `phoneNumber` and its value.
pub fn sign_up_signature(
    key: &TurnkeyP256ApiKey,
    verification_token: &str,
    contact: (&str, &str),
) -> Result<ClientSignature> {
    let mut usage = json!({ "apiKeys": [], "authenticators": [], "oauthProviders": [] });
    usage[contact.0] = contact.1.into();
    client_signature(key, verification_token, "signupV2", usage, "USAGE_TYPE_SIGNUP")
}

fn client_signature(
    key: &TurnkeyP256ApiKey,
    verification_token: &str,
    usage: &str,
    value: Value,
    kind: &str,
) -> Result<ClientSignature> {
    let token_id = claims(verification_token)?["id"].clone();
    let message = json!({ usage: value, "tokenId": token_id, "type": kind }).to_string();
    let signature: Signature = SigningKey::from_slice(&key.private_key())?.sign(message.as_bytes());
    Ok(ClientSignature {
        public_key: public_hex(key),
        scheme: ClientSignatureScheme::ApiP256,
        message,
        signature: hex::encode(signature.to_bytes()),
    })
}

/// The claims of a token, unverified.
pub fn claims(jwt: &str) -> Result<Value> {
    let payload = jwt.split('.').nth(1).context("a JWT has three parts")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

/// Fails unless the bundle signer signed this verification token, an ordinary ES256 JWT.
pub fn verify_token(jwt: &str, signer: &str) -> Result<()> {
    let (signed, signature) = jwt.rsplit_once('.').context("a JWT has three parts")?;
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature)?)?;
    Ok(verifying_key(signer)?.verify(signed.as_bytes(), &signature)?)
}

/// Fails unless the session signer signed this session: ECDSA over SHA-256 of SHA-256 of header and payload.
pub fn verify_session(jwt: &str, signer: &str) -> Result<()> {
    let (signed, signature) = jwt.rsplit_once('.').context("a JWT has three parts")?;
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature)?)?;
    let digest = Sha256::digest(Sha256::digest(signed));
    Ok(verifying_key(signer)?.verify_prehash(&digest, &signature)?)
}

fn verifying_key(hex_key: &str) -> Result<VerifyingKey> {
    Ok(VerifyingKey::from_sec1_bytes(&hex::decode(hex_key)?)?)
}
