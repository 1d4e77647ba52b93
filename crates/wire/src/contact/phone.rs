//! Telephone numbers (ITU-T E.164), held against the numbering plans of libphonenumber.
//!
//! The plans only judge: the digits that were typed are the number, so that a newer plan never makes another number of it.
//! They are read once per process, when the first number is.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::enums::Region;
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber};

/// What people write between the digits.
fn is_spacing(c: char) -> bool {
    matches!(
        c,
        ' ' | '-' | '.' | '(' | ')' | '\u{a0}' | '\u{2009}' | '\u{2010}'
            ..='\u{2013}' | '\u{202f}' | '\u{2212}'
    )
}

/// `+` and 7 to 15 digits, the first of which is not zero.
pub(super) fn normalise(given: &str) -> Option<String> {
    let number: String = given.chars().filter(|c| !is_spacing(*c)).collect();
    let digits = number.strip_prefix('+')?;
    let e164 = (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    e164.then_some(number)
}

/// Whether the plan of its calling code has numbers of this length, and none of the digits is a prefix that is dialled within
/// the country alone, as the zero of `+44 (0)20 ...` is.
pub(super) fn is_possible(number: &str) -> bool {
    read(number).is_some_and(|read| {
        // Not the length of a number without its area code, either.
        let length = PHONE_NUMBER_UTIL.is_possible_number_with_reason(&read);
        matches!(length, Ok(NumberLengthType::IsPossible)) && read.to_string() == number
    })
}

pub(super) fn calling_code(number: &str) -> Option<u16> {
    u16::try_from(read(number)?.country_code).ok()
}

pub(super) fn country(number: &str) -> Option<Country> {
    let number = read(number)?;
    let exact = PHONE_NUMBER_UTIL.get_region_for_number(&number);
    exact.or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code)).and_then(Country::of)
}

fn read(number: &str) -> Option<PhoneNumber> {
    PHONE_NUMBER_UTIL.parse(number, None).ok()
}

/// A country by its code of ISO 3166-1, such as `GB`; also `XK` (Kosovo), `AC` and `TA`, which have calling codes but no code
/// of the standard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// The text is no code of a country that has telephone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACountry;

impl Country {
    fn of(region: Region) -> Option<Self> {
        let bytes: [u8; 2] = region.as_region_str().as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// The two capital letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Country {
    type Err = NotACountry;

    fn from_str(text: &str) -> Result<Self, NotACountry> {
        let region = Region::from_code(text).map_err(|_| NotACountry)?;
        let exact = Self::of(region).filter(|country| country.as_str() == text);
        let known = exact.filter(|_| PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some());
        known.ok_or(NotACountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Contact, OtpType};

    fn phone(text: &str) -> Option<String> {
        Contact::phone(text).ok().map(|c| c.normalised().to_owned())
    }

    fn country_of(text: &str) -> Option<String> {
        Contact::stored(OtpType::Sms, text).unwrap().country().map(|country| country.to_string())
    }

    #[test]
    fn numbers_are_compared_in_e164_form() {
        assert_eq!(phone("+1 999-999-9999"), Some("+19999999999".to_owned()));
        assert_eq!(phone("+49 (30) 1234567"), Some("+49301234567".to_owned()));
        assert_eq!(phone("+1\u{a0}415\u{2011}555\u{2013}2671"), Some("+14155552671".to_owned()));
        for text in ["0301234567", "+0301234567", "+1", "+1234567890123456", "+1 555 CALL", "19999999999", ""]
        {
            assert_eq!(phone(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_that_no_country_has_are_refused() {
        for (text, why) in [
            ("+1 555 0100", "the local part of a number alone"),
            ("+1 415 555 267", "too short"),
            ("+1 415 555 26711", "too long"),
            ("+999 123456789", "no such calling code"),
            ("+210 123456789", "no such calling code"),
            ("+44 (0)20 7946 0958", "with the zero that is dialled within the country"),
            ("+49 030 123456", "the same"),
            ("+52 1 222 123 4567", "with the digit that Mexico has given up"),
            ("+47 1234567", "too short"),
        ] {
            assert_eq!(phone(text), None, "{text}: {why}");
            assert!(Contact::stored(OtpType::Sms, text).is_ok(), "{text} is still found where it is known");
        }
    }

    /// Area codes and ranges come into use between two releases: only the length counts.
    #[test]
    fn numbers_that_nobody_has_yet_are_taken() {
        for text in
            ["+19999999999", "+15551234567", "+15550001111", "+13214567890", "+14155550100", "+8612345678901"]
        {
            assert_eq!(phone(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_zero_that_belongs_to_the_number_stays() {
        for text in ["+390612345678", "+2250701234567", "+24101234567"] {
            assert_eq!(phone(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn the_country_is_that_of_the_plan_or_else_the_main_one_of_the_calling_code() {
        for (text, country) in [
            ("+14155552671", Some("US")),
            ("+14165550100", Some("CA")),
            ("+18765550100", Some("JM")),
            ("+15551234567", Some("US")),
            ("+79123456789", Some("RU")),
            ("+77011234567", Some("KZ")),
            ("+442079460958", Some("GB")),
            ("+441534123456", Some("JE")),
            ("+80012345678", None),
            ("+881612345678", None),
            ("+999123456789", None),
        ] {
            assert_eq!(country_of(text).as_deref(), country, "{text}");
        }
        assert_eq!("GB".parse::<Country>().map(|country| country.to_string()), Ok("GB".to_owned()));
        for text in ["gb", "ZZ", "001", "UK", "", "GBR"] {
            assert_eq!(text.parse::<Country>(), Err(NotACountry), "{text}");
        }
    }

    fn examples() -> Vec<PhoneNumber> {
        let regions = PHONE_NUMBER_UTIL.get_supported_regions();
        regions.filter_map(|region| PHONE_NUMBER_UTIL.get_example_number(region).ok()).collect()
    }

    #[test]
    fn the_example_of_every_country_is_taken_and_found_there() {
        let mut seen = 0;
        for region in PHONE_NUMBER_UTIL.get_supported_regions() {
            let Ok(example) = PHONE_NUMBER_UTIL.get_example_number(region) else { continue };
            let text = example.to_string();
            let contact = Contact::phone(&text).unwrap_or_else(|_| panic!("{text} of {region}"));
            assert_eq!(contact.calling_code().map(i32::from), Some(example.country_code));
            // Two pairs of countries share their ranges.
            let found = contact.country().unwrap().to_string();
            let shared = [("MF", "BL"), ("EH", "MA")].contains(&(&region.to_string(), &found));
            assert!(found == region.to_string() || shared, "{text} of {region} is found in {found}");
            seen += 1;
        }
        assert!(seen > 240, "{seen}");
    }

    proptest! {
        /// A false refusal locks somebody out: whatever the plans call valid is taken as it is.
        #[test]
        fn no_number_that_a_plan_calls_valid_is_refused(index in 0usize..1000, digits in 0u64..10_000_000) {
            let examples = examples();
            let mut number = examples[index % examples.len()].clone();
            let keep = number.national_number / 10_000_000 * 10_000_000;
            number.national_number = keep + digits;
            prop_assume!(PHONE_NUMBER_UTIL.is_valid_number(&number));
            let text = number.to_string();
            prop_assert_eq!(phone(&text), Some(text));
        }
    }
}
