//! Everything that can stamp a request, made with other libraries than the server's where there is a choice.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};
use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::ApiStamp;

/// Who stamps requests.
pub trait Signer: Sync {
    /// The header that authenticates a body, and its value.
    fn stamp(&self, body: &[u8]) -> (&'static str, String);
}

impl Signer for SigningKey {
    fn stamp(&self, body: &[u8]) -> (&'static str, String) {
        ("x-stamp", ApiStamp::make(self, body))
    }
}

/// A session that `X-Session` carries.
impl Signer for str {
    fn stamp(&self, _body: &[u8]) -> (&'static str, String) {
        ("x-session", self.to_owned())
    }
}

fn api_stamp(public_key: &str, scheme: &str, signature: &[u8]) -> (&'static str, String) {
    let stamp = json!({ "publicKey": public_key, "scheme": scheme, "signature": hex::encode(signature) });
    ("x-stamp", URL_SAFE_NO_PAD.encode(stamp.to_string()))
}

/// A key on secp256k1, which signs as EIP-191 says.
#[derive(Clone)]
pub struct WalletKey {
    key: k256::ecdsa::SigningKey,
    eip191: bool,
}

impl WalletKey {
    /// A wallet with this secret.
    ///
    /// # Panics
    /// When it is no private key of the curve.
    pub fn new(secret: [u8; 32]) -> Self {
        let key = k256::ecdsa::SigningKey::from_slice(&secret).expect("a private key");
        Self { key, eip191: true }
    }

    /// The same key, signing SHA-256 as the SDK for Rust does.
    pub fn plain(&self) -> Self {
        Self { eip191: false, ..self.clone() }
    }

    /// The compressed point, hex.
    pub fn public_key(&self) -> String {
        hex::encode(self.key.verifying_key().to_sec1_point(true))
    }
}

impl Signer for WalletKey {
    fn stamp(&self, body: &[u8]) -> (&'static str, String) {
        let (scheme, digest) = match self.eip191 {
            true => {
                let prefix = format!("\u{19}Ethereum Signed Message:\n{}", body.len());
                let digest = Keccak256::new().chain_update(prefix).chain_update(body).finalize();
                ("SIGNATURE_SCHEME_TK_API_SECP256K1_EIP191", digest.into())
            }
            false => ("SIGNATURE_SCHEME_TK_API_SECP256K1", sha256(body)),
        };
        let signature: k256::ecdsa::Signature = self.key.sign_prehash(&digest).expect("a digest is signed");
        api_stamp(&self.public_key(), scheme, signature.to_der().as_bytes())
    }
}

/// A key of Ed25519.
#[derive(Clone)]
pub struct Ed25519Key(ed25519_dalek::SigningKey);

impl Ed25519Key {
    /// The key of a seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The public key, hex.
    pub fn public_key(&self) -> String {
        hex::encode(self.0.verifying_key().to_bytes())
    }
}

impl Signer for Ed25519Key {
    fn stamp(&self, body: &[u8]) -> (&'static str, String) {
        use ed25519_dalek::Signer as _;
        api_stamp(&self.public_key(), "SIGNATURE_SCHEME_TK_API_ED25519", &self.0.sign(body).to_bytes())
    }
}

/// A passkey and the browser around it. What its fields say, it reports and signs.
#[derive(Clone)]
pub struct Passkey {
    /// Signs.
    pub key: SigningKey,
    /// What the server knows it by.
    pub credential_id: Vec<u8>,
    /// The relying party.
    pub rp_id: String,
    /// Where the page was loaded from.
    pub origin: String,
    /// Whether that page was embedded in another origin's.
    pub cross_origin: bool,
    /// Flags of the authenticator data: 1 for presence, 4 for verification of the user.
    pub flags: u8,
    /// The signature counter.
    pub sign_count: u32,
}

impl Passkey {
    /// A passkey of `https://acme.example` that verifies its user and does not count.
    pub fn new(key: SigningKey) -> Self {
        let credential_id = sha256(key.public_key().compressed()).to_vec();
        let (rp_id, origin) = ("acme.example".to_owned(), "https://acme.example".to_owned());
        Self { key, credential_id, rp_id, origin, cross_origin: false, flags: 1 | 4, sign_count: 0 }
    }

    /// The credential id as clients write it.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.credential_id)
    }

    fn client_data(&self, ceremony: &str, challenge: &[u8]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        json!({
            "type": ceremony, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin,
        })
        .to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        [sha256(self.rp_id.as_bytes()).as_slice(), &[flags], &self.sign_count.to_be_bytes()].concat()
    }

    /// `AuthenticatorParamsV2` with which it registers.
    pub fn registration(&self, name: &str) -> Value {
        let point = self.key.public_key().uncompressed();
        let id_length = u16::try_from(self.credential_id.len()).expect("a credential id is short");
        // The COSE key {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
        let cose =
            [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", &point[1..33], b"\x22\x58\x20", &point[33..]];
        let data = [
            self.data(self.flags | 0x40),
            vec![0; 16],
            id_length.to_be_bytes().to_vec(),
            self.credential_id.clone(),
            cose.concat(),
        ]
        .concat();
        // {"fmt": "none", "attStmt": {}, "authData": data}, the length of the data in two bytes.
        let length = u16::try_from(data.len()).expect("the data are short").to_be_bytes();
        let object =
            [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".as_slice(), &length, &data].concat();
        let challenge = b"a challenge of the client";
        json!({
            "authenticatorName": name,
            "challenge": URL_SAFE_NO_PAD.encode(challenge),
            "attestation": {
                "credentialId": self.id(),
                "clientDataJson": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", challenge)),
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "transports": ["AUTHENTICATOR_TRANSPORT_HYBRID"],
            },
        })
    }
}

impl Signer for Passkey {
    fn stamp(&self, body: &[u8]) -> (&'static str, String) {
        let client_data = self.client_data("webauthn.get", hex::encode(sha256(body)).as_bytes());
        let data = self.data(self.flags);
        let signed = [data.as_slice(), &sha256(client_data.as_bytes())].concat();
        let stamp = json!({
            "authenticatorData": URL_SAFE_NO_PAD.encode(&data),
            "clientDataJson": URL_SAFE_NO_PAD.encode(client_data),
            "credentialId": self.id(),
            "signature": URL_SAFE_NO_PAD.encode(self.key.sign_der(&signed)),
        });
        ("x-stamp-webauthn", stamp.to_string())
    }
}
