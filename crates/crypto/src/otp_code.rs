//! One-time codes: drawn uniformly, stored only as a keyed hash, compared in constant time (protocol 05, section 9).

use std::fmt;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, array};
use crate::fingerprint::hmac_parts;
use crate::secret::Secret;

/// The symbols of an alphanumeric code: what bech32 and Crockford's Base32 have in common, upper case (G-OTP-1).
pub const ALPHANUMERIC: &[u8; 30] = b"023456789ACDEFGHJKMNPQRSTVWXYZ";

/// The symbols of a numeric code.
pub const NUMERIC: &[u8; 10] = b"0123456789";

/// Draws a code of `length` symbols, each uniform by rejection sampling. Leading zeros are kept: a code is text.
pub fn generate(entropy: &dyn Entropy, alphanumeric: bool, length: u8) -> Secret<String> {
    let alphabet: &[u8] = if alphanumeric { ALPHANUMERIC } else { NUMERIC };
    // The largest multiple of the alphabet's size that fits a byte; bytes beyond it would favour the first symbols.
    let limit = 256 - 256 % alphabet.len();
    let length = usize::from(length);
    let mut code = String::with_capacity(length);
    while code.len() < length {
        let bytes: Zeroizing<[u8; 16]> = Zeroizing::new(array(entropy));
        let symbols = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < limit);
        code.extend(
            symbols.take(length - code.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])),
        );
    }
    Secret::new(code)
}

/// A submitted code as it is compared: ASCII white space around it removed, upper case.
pub fn normalise(code: &str) -> String {
    code.trim_ascii().to_ascii_uppercase()
}

/// The server key under which codes are hashed, with the id that is stored beside each hash.
#[derive(Clone)]
pub struct CodeKey {
    id: String,
    key: hmac::Key,
}

impl CodeKey {
    /// A key named `id`.
    pub fn new(id: impl Into<String>, secret: &[u8; 32]) -> Self {
        Self { id: id.into(), key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// The name of this key, stored with each hash so that keys can be replaced.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA-256 over a label, the attempt's id and the normalised code. The id makes equal codes of two attempts
    /// differ.
    pub fn hash(&self, otp_id: &[u8; 16], code: &str) -> [u8; 32] {
        let code = Zeroizing::new(normalise(code));
        hmac_parts(&self.key, &[b"vestibule-otp-code-v1", otp_id, code.as_bytes()])
    }

    /// Whether `stored` is the hash of `code` for this attempt. Takes the same time for every code of one length.
    pub fn matches(&self, otp_id: &[u8; 16], code: &str, stored: &[u8]) -> bool {
        self.hash(otp_id, code).ct_eq(stored).into()
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeKey({:?}, [redacted])", self.id)
    }
}
