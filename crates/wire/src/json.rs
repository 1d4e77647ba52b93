//! Strict JSON: what `serde_json` lets pass and the protocol does not (GAPS D-5, D-6).

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep arrays and objects may nest (D-6).
pub const MAX_DEPTH: usize = 64;

/// The greatest number up to which every integer is a double.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Parses a body: UTF-8, no duplicate keys, at most [`MAX_DEPTH`] levels, nothing behind the value.
///
/// Object members that are `null` or `""` are left out, because an absent, a null and an empty optional member mean
/// the same (D-5, protocol 00 section 4).
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut value = parse_with_empty(bytes)?;
    drop_empty(&mut value);
    Ok(value)
}

/// As [`parse`], with the members that are `""`: for the activities in which that means something.
pub(crate) fn parse_with_empty(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Leaves out object members that are `""`, at every level.
pub(crate) fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| member != "");
            members.values_mut().for_each(drop_empty);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    /// `30.0` is 30, as JSON has one kind of number.
    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        if v.fract() == 0.0 && v.abs() <= MAX_EXACT {
            return Ok(Value::Number((v as i64).into()));
        }
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        let mut absent: HashSet<String> = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if members.contains_key(&key) || absent.contains(&key) {
                return Err(A::Error::custom("duplicate key"));
            }
            match value {
                Value::Null => drop(absent.insert(key)),
                value => {
                    members.insert(key, value);
                }
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_key_of_one_name_is_refused_even_when_empty() {
        assert!(parse(br#"{"a":1,"a":1}"#).is_err());
        assert!(parse(br#"{"a":null,"a":1}"#).is_err());
        assert!(parse(br#"{"a":1,"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn empty_and_null_members_are_absent_at_every_level() {
        let value = parse(br#"{"a":"","b":null,"c":{"d":"","e":["",null]}}"#).expect("valid");
        assert_eq!(value.to_string(), r#"{"c":{"e":["",null]}}"#);
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        let value = parse(br#"{"a":30.0,"b":1e2,"c":-0.0,"d":1.5,"e":1e300}"#).expect("valid");
        assert_eq!(value.to_string(), r#"{"a":30,"b":100,"c":0,"d":1.5,"e":1e+300}"#);
    }

    #[test]
    fn nesting_stops_at_the_limit() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn trailing_text_and_bad_utf8_are_refused() {
        assert!(parse(b"{} x").is_err());
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse(b"").is_err());
    }
}
