//! Where a number lies: its country, and the block of numbers it belongs to.

use vestibule_wire::{Contact, OtpType};

/// Digits at the end of a number that a prefix never reaches: a block has at least ten thousand numbers.
const SUBSCRIBER_DIGITS: usize = 4;

/// The country of a number by its code, `DE`, or its calling code, `+881`, where that belongs to no country; `None` for an
/// e-mail address.
pub fn country(contact: &Contact) -> Option<String> {
    number(contact)?;
    contact.country().map_or_else(|| calling_code(contact), |country| Some(country.to_string()))
}

/// The calling code of a number, `+49`; `None` for an e-mail address, and for a number whose code is none.
pub(super) fn calling_code(contact: &Contact) -> Option<String> {
    contact.calling_code().map(|code| format!("+{code}"))
}

/// The first digits of a number, at most so many, `+4930123`; `None` for an e-mail address.
pub fn prefix(contact: &Contact, digits: u32) -> Option<&str> {
    let number = number(contact)?;
    let length = (digits as usize).min(number.len() - 1 - SUBSCRIBER_DIGITS);
    number.get(..=length)
}

fn number(contact: &Contact) -> Option<&str> {
    // Parsed once: a plus and 7 to 15 digits.
    (contact.kind() == OtpType::Sms).then(|| contact.normalised())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(text: &str) -> Contact {
        Contact::phone(text).expect("a number")
    }

    #[test]
    fn the_country_is_that_of_the_numbering_plan_or_the_calling_code() {
        for (number, code) in [("+14155552671", "US"), ("+18765551234", "JM"), ("+49301234567", "DE")] {
            assert_eq!(country(&phone(number)).as_deref(), Some(code));
        }
        let satellite = Contact::stored(OtpType::Sms, "+881612345678").expect("a number");
        assert_eq!(country(&satellite).as_deref(), Some("+881"));
        assert_eq!(country(&Contact::email("a@b.example").expect("an address")), None);
    }

    #[test]
    fn a_prefix_leaves_the_last_four_digits_open() {
        assert_eq!(prefix(&phone("+14155552671"), 7), Some("+1415555"));
        assert_eq!(prefix(&phone("+3545812345"), 7), Some("+354581"));
        assert_eq!(prefix(&phone("+3545812345"), 12), Some("+354581"));
        assert_eq!(prefix(&Contact::email("a@b.example").expect("an address"), 7), None);
    }
}
