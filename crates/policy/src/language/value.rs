//! Values that expressions compute with.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use ethnum::U256;
use jiff::Timestamp;

use super::time::CronSpan;
use crate::facts::{ActivityFacts, Approver, CredentialFacts};

/// An integer from -2^127 to 2^256 - 1: what a signed 128-bit and an unsigned 256-bit integer hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integer {
    negative: bool,
    magnitude: U256,
}

impl Integer {
    /// Decimal digits; `None` where they exceed the range.
    pub(super) fn parse(negative: bool, digits: &str) -> Option<Self> {
        let magnitude = U256::from_str_radix(digits, 10).ok()?;
        if negative && magnitude > U256::ONE << 127 {
            return None;
        }
        Some(Self { negative: negative && magnitude != U256::ZERO, magnitude })
    }

    /// As an index, if it can be one.
    pub(super) fn as_index(self) -> Option<usize> {
        if self.negative { None } else { usize::try_from(self.magnitude).ok() }
    }
}

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        Self { negative: value < 0, magnitude: U256::from(value.unsigned_abs()) }
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude.cmp(&other.magnitude),
            (true, true) => other.magnitude.cmp(&self.magnitude),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        self.magnitude.fmt(f)
    }
}

/// What an expression evaluates to. Borrows from the expression and from the facts.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Bool(bool),
    Integer(Integer),
    Text(Cow<'a, str>),
    Time(Timestamp),
    Span(&'a CronSpan),
    List(Rc<[Value<'a>]>),
    Activity(&'a ActivityFacts),
    Params(&'a crate::facts::Params),
    User(&'a Approver),
    Credential(&'a CredentialFacts),
    /// The root `time`.
    Clock(Timestamp),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn texts(texts: &'a [String]) -> Self {
        Self::List(texts.iter().map(|text| Self::text(text)).collect())
    }

    /// Order of two values of one comparable type; `None` for all others.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_hold_128_bits_signed_and_256_bits_unsigned() {
        let largest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let smallest = "170141183460469231731687303715884105728";
        let parse = |negative, digits: &str| Integer::parse(negative, digits);
        assert_eq!(parse(false, largest).map(|i| i.to_string()), Some(largest.to_owned()));
        assert_eq!(parse(true, smallest).map(|i| i.to_string()), Some(format!("-{smallest}")));
        assert_eq!(
            parse(false, "115792089237316195423570985008687907853269984665640564039457584007913129639936"),
            None
        );
        assert_eq!(parse(true, "170141183460469231731687303715884105729"), None);
        assert_eq!(parse(true, "0"), parse(false, "0"));
    }

    #[test]
    fn integers_are_ordered_across_zero() {
        let ordered = [Integer::from(i64::MIN), Integer::from(-2), Integer::from(0), Integer::from(7)];
        assert!(ordered.is_sorted_by(|a, b| a < b));
        assert_eq!(Integer::from(-1).as_index(), None);
        assert_eq!(Integer::from(3).as_index(), Some(3));
    }
}
