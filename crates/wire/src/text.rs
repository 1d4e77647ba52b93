//! Small validated texts and numbers shared by intents.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::Refusal;

/// A decimal number that travels as text (uint64 in the published schema); a JSON integer is accepted too (G-ENV-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DecimalText(pub String);

impl DecimalText {
    /// The number, when it is one: digits only, no sign, within 64 bits.
    pub fn number(&self) -> Option<u64> {
        let digits = !self.0.is_empty() && self.0.len() <= 19 && self.0.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| self.0.parse().ok()).flatten()
    }
}

impl<'de> Deserialize<'de> for DecimalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = DecimalText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number as text")
            }

            fn visit_str<E>(self, v: &str) -> Result<DecimalText, E> {
                Ok(DecimalText(v.to_owned()))
            }

            fn visit_u64<E>(self, v: u64) -> Result<DecimalText, E> {
                Ok(DecimalText(v.to_string()))
            }

            fn visit_i64<E: Error>(self, v: i64) -> Result<DecimalText, E> {
                Ok(DecimalText(v.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Checks a label: 1 to 256 bytes without control characters (G-LIM-1).
pub fn label(text: &str, refusal: &'static str) -> Result<(), Refusal> {
    if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(Refusal::InvalidField(refusal));
    }
    Ok(())
}

/// Reads a lifetime in seconds that must lie in `1..=max`; `default` when absent.
pub fn seconds(
    text: Option<&DecimalText>,
    default: u32,
    max: u32,
    refusal: &'static str,
) -> Result<u32, Refusal> {
    let Some(text) = text else { return Ok(default) };
    match text.number() {
        Some(n) if (1..=u64::from(max)).contains(&n) => Ok(n as u32),
        _ => Err(Refusal::InvalidField(refusal)),
    }
}
