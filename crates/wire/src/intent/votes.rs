//! Votes on activities (protocol 02, section 2c).

use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::schema;

wire_struct! {
    /// `ApproveActivityIntent` and `RejectActivityIntent`
    VoteIntent {
        /// `sha256:` and 64 hex digits: the fingerprint of the activity voted on.
        #[schemars(with = "schema::Fingerprint")]
        fingerprint: String,
    } optional {}
}

/// A vote on an activity of the same organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// SHA-256 of the body that proposed the activity.
    pub fingerprint: [u8; 32],
    /// For or against.
    pub approve: bool,
}

impl Vote {
    /// Reads a vote. A text that is no fingerprint is one that no activity has.
    pub fn parse(intent: &VoteIntent, approve: bool) -> Result<Self, Refusal> {
        let fingerprint = intent.fingerprint.strip_prefix("sha256:").and_then(hex32);
        Ok(Self { fingerprint: fingerprint.ok_or(Refusal::FingerprintNotFound)?, approve })
    }
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|n| n as u8);
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(text: &str) -> Result<Vote, Refusal> {
        Vote::parse(&VoteIntent { fingerprint: text.to_owned() }, true)
    }

    #[test]
    fn a_fingerprint_is_sha256_and_64_hex_digits() {
        let read = vote(&format!("sha256:{}f0", "0a".repeat(31))).expect("a fingerprint");
        assert_eq!((read.fingerprint[0], read.fingerprint[31]), (0x0a, 0xf0));
        let long = format!("sha256:{}", "0".repeat(65));
        for wrong in ["sha256:", "0a", &"0".repeat(64), &long, &format!("sha256:{}", "é".repeat(32))] {
            assert_eq!(vote(wrong), Err(Refusal::FingerprintNotFound), "{wrong}");
        }
    }
}
