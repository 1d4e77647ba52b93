//! JSON whose base64url holds neither `-` nor `_` (protocol 05, section 8.1).

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Writes compact JSON in which `>`, `?`, `~`, U+007F and everything beyond ASCII are `\uXXXX` escapes.
///
/// A six-bit group is 62 or 63 when it is `11111x`. The first two groups of a triple take their leading bits from the
/// top of a byte, the third needs the top bit of the next byte: neither occurs in ASCII. The fourth is the low six bits
/// of a byte, which are `11111x` in exactly these four characters.
pub(super) fn to_ascii_vec(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(384);
    value
        .serialize(&mut Serializer::with_formatter(&mut out, AsciiFormatter))
        .expect("claims are plain members");
    out
}

struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let hazardous = |c: char| matches!(c, '>' | '?' | '~' | '\u{7f}') || !c.is_ascii();
        let mut rest = fragment;
        while let Some(index) = rest.find(hazardous) {
            let (plain, tail) = rest.split_at(index);
            writer.write_all(plain.as_bytes())?;
            let mut chars = tail.chars();
            let mut units = [0; 2];
            for unit in chars.next().map_or(&[][..], |c| c.encode_utf16(&mut units)) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
