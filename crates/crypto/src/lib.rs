//! Everything Vestibule does with keys: stamps, HPKE, bundles, tokens, and sealing at rest.
//!
//! Promise: no other crate names the cryptographic library; a secret never reaches `Debug`, `Display`, a log line or an
//! error; every signature made here is low-S (GAPS D-16); and all randomness arrives through [`entropy::Entropy`],
//! except ECDSA nonces, which the library draws itself.
//!
//! Each primitive emits one `trace` event with target `vestibule::crypto` and a field `op` (`ecdsa_verify`,
//! `eddsa_verify`, `rsa_verify`, `ecdsa_sign`, `eddsa_sign`, `rsa_sign`, `ecdh`, `keygen`, `aead_seal`, `aead_open`, `hmac`), so that a test can show that two requests cost
//! the same operations.

pub mod bundle;
pub mod certificate;
pub mod client_signature;
pub mod entropy;
pub mod fingerprint;
pub mod hpke;
pub mod keyset;
pub mod mail_key;
pub mod other_curves;
pub mod otp_code;
pub mod p256;
pub mod seal;
pub mod secret;
pub mod stamp;
pub mod token;
pub mod webauthn;
pub mod webhook;

/// Records one primitive operation; see the crate documentation.
macro_rules! op {
    ($name:literal) => {
        ::tracing::trace!(target: "vestibule::crypto", op = $name)
    };
}
pub(crate) use op;
