//! Small validated texts and numbers shared by intents.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::Refusal;
use crate::ids::NOT_A_UUID;

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

impl JsonSchema for DecimalText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DecimalText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,19}$" })
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

const NOT_A_LABEL: &str = "a label has 1 to 256 bytes and no control characters";
const TOO_LONG: &str = "the text is too long";
const TOO_MANY: &str = "a list has more than 100 entries";
const EMPTY_LIST: &str = "the list is empty";

/// All that the types of this crate say of a member whose JSON type is right and whose value is not.
pub(crate) const PROBLEMS: &[&str] = &[NOT_A_UUID, NOT_A_LABEL, TOO_LONG, TOO_MANY, EMPTY_LIST];

/// The most bytes of a label.
pub const MAX_LABEL: usize = 256;
/// The most entries of a list in a request.
pub const MAX_LIST: usize = 100;

/// A name that people gave: 1 to 256 bytes without control characters (G-LIM-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Label(String);

impl JsonSchema for Label {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        crate::schema::LabelText::json_schema(generator)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if is_label(&text) { Ok(Self(text)) } else { Err(D::Error::custom(NOT_A_LABEL)) }
    }
}

/// A text of at most `MAX` bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX })
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() <= MAX { Ok(Self(text)) } else { Err(D::Error::custom(TOO_LONG)) }
    }
}

/// A list of `MIN` (0 or 1) to [`MAX_LIST`] entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T, const MIN: usize = 0>(Vec<T>);

impl<T: JsonSchema, const MIN: usize> JsonSchema for List<T, MIN> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List{MIN}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": items, "minItems": MIN, "maxItems": MAX_LIST })
    }
}

impl<T, const MIN: usize> List<T, MIN> {
    /// One entry after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The entries.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }

    /// The entries, each once, in the order of their first mention.
    pub fn into_unique(self) -> Vec<T>
    where
        T: PartialEq,
    {
        let mut unique = Vec::with_capacity(self.0.len());
        for item in self.0 {
            if !unique.contains(&item) {
                unique.push(item);
            }
        }
        unique
    }
}

impl<'de, T: Deserialize<'de>, const MIN: usize> Deserialize<'de> for List<T, MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::<T>::deserialize(deserializer)?;
        match items.len() {
            n if n < MIN => Err(D::Error::custom(EMPTY_LIST)),
            n if n > MAX_LIST => Err(D::Error::custom(TOO_MANY)),
            _ => Ok(Self(items)),
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Checks a label: 1 to 256 bytes without control characters (G-LIM-1).
pub fn label(text: &str, refusal: &'static str) -> Result<(), Refusal> {
    if is_label(text) { Ok(()) } else { Err(Refusal::InvalidField(refusal)) }
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
