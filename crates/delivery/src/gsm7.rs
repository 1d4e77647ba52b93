//! How many SMS a text takes (3GPP TS 23.038 section 6.2.1, TS 23.040 section 9.2.3.24.1).

/// How the text of an SMS is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsEncoding {
    /// The GSM 7 bit default alphabet with its extension table: 160 units in one segment, 153 in each of several.
    Gsm7,
    /// UCS-2, where one character is outside that alphabet: 70 units in one segment, 67 in each of several.
    Ucs2,
}

impl SmsEncoding {
    /// Units in a message of one segment, and in each segment of a longer one.
    fn capacity(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }
}

/// What a text costs as SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsSize {
    /// Encoding the whole text needs.
    pub encoding: SmsEncoding,
    /// Septets (GSM-7; characters of the extension table count 2) or UTF-16 code units (UCS-2).
    pub units: usize,
    /// Segments sent, 1 for an empty text.
    pub segments: usize,
}

/// The basic character set, in the order of its table; the escape at 0x1B is left out.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension table; each of these takes an escape and one more septet.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Septets of a character, `None` when it is outside GSM-7.
fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}

/// Encoding, length and number of segments of `text` as SMS. A character is never split between two segments.
pub fn gsm7_segments(text: &str) -> SmsSize {
    let gsm7: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, sizes) = match gsm7 {
        Some(sizes) => (SmsEncoding::Gsm7, sizes),
        None => (SmsEncoding::Ucs2, text.chars().map(char::len_utf16).collect()),
    };
    let units = sizes.iter().sum();
    let (single, part) = encoding.capacity();
    let segments = if units <= single { 1 } else { parts(&sizes, part) };
    SmsSize { encoding, units, segments }
}

fn parts(sizes: &[usize], capacity: usize) -> usize {
    let (mut segments, mut used) = (1, 0);
    for size in sizes {
        if used + size > capacity {
            segments += 1;
            used = 0;
        }
        used += size;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(encoding: SmsEncoding, units: usize, segments: usize) -> SmsSize {
        SmsSize { encoding, units, segments }
    }

    #[test]
    fn the_tables_have_the_size_of_the_standard() {
        // 128 positions without the escape; ten extension characters.
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENSION.chars().count(), 10);
        let mut all: Vec<char> = BASIC.chars().chain(EXTENSION.chars()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 137, "no character is listed twice");
    }

    #[test]
    fn an_extension_character_counts_twice() {
        assert_eq!(gsm7_segments("a€"), size(SmsEncoding::Gsm7, 3, 1));
        assert_eq!(gsm7_segments("{}[]~|\\^"), size(SmsEncoding::Gsm7, 16, 1));
    }

    #[test]
    fn one_character_outside_the_alphabet_turns_the_whole_text_into_ucs2() {
        assert_eq!(gsm7_segments("Müller & Söhne: 123456").encoding, SmsEncoding::Gsm7);
        assert_eq!(gsm7_segments("Żubr: 123456"), size(SmsEncoding::Ucs2, 12, 1));
        assert_eq!(gsm7_segments("`"), size(SmsEncoding::Ucs2, 1, 1));
    }

    #[test]
    fn segments_follow_the_limits_of_single_and_joined_messages() {
        for (text, expected) in [
            (String::new(), size(SmsEncoding::Gsm7, 0, 1)),
            ("a".repeat(160), size(SmsEncoding::Gsm7, 160, 1)),
            ("a".repeat(161), size(SmsEncoding::Gsm7, 161, 2)),
            ("a".repeat(306), size(SmsEncoding::Gsm7, 306, 2)),
            ("a".repeat(307), size(SmsEncoding::Gsm7, 307, 3)),
            ("ж".repeat(70), size(SmsEncoding::Ucs2, 70, 1)),
            ("ж".repeat(71), size(SmsEncoding::Ucs2, 71, 2)),
            ("ж".repeat(135), size(SmsEncoding::Ucs2, 135, 3)),
        ] {
            assert_eq!(gsm7_segments(&text), expected);
        }
    }

    #[test]
    fn a_character_is_not_split_between_segments() {
        // The escape would be septet 153 of the first segment: the pair moves to the next.
        let text = format!("{}€{}", "a".repeat(152), "a".repeat(151));
        assert_eq!(gsm7_segments(&text), size(SmsEncoding::Gsm7, 305, 2));
        let text = format!("{}€{}", "a".repeat(152), "a".repeat(152));
        assert_eq!(gsm7_segments(&text), size(SmsEncoding::Gsm7, 306, 3));
        let emoji = format!("{}😀{}", "a".repeat(66), "a".repeat(66));
        assert_eq!(gsm7_segments(&emoji), size(SmsEncoding::Ucs2, 134, 3));
    }
}
