//! What a database holds, in figures that do not depend on the order of rows or on the store: rows and a checksum per
//! table.
//!
//! Promise: equal contents have equal figures, and contents that differ in any byte of any row differ in the checksum
//! of its table. A checksum is the sum, modulo 2^256, of the SHA-256 of each row in a fixed encoding.

use std::fmt;

use vestibule_crypto::fingerprint::sha256;

use crate::value::Cell;

/// The figures of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableContents {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// The sum of its rows' digests.
    pub checksum: Checksum,
}

impl TableContents {
    /// A table without rows.
    pub fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), rows: 0, checksum: Checksum::default() }
    }

    /// Counts one row, given as its cells in the table's order of columns. `scratch` is overwritten; it spares an
    /// allocation per row.
    pub fn add<'c>(&mut self, cells: impl IntoIterator<Item = Cell<'c>>, scratch: &mut Vec<u8>) {
        scratch.clear();
        for cell in cells {
            encode(cell, scratch);
        }
        self.rows += 1;
        self.checksum.add(&sha256(scratch));
    }
}

/// Kind, length and bytes: no two rows have one encoding.
fn encode(cell: Cell<'_>, out: &mut Vec<u8>) {
    let (kind, bytes): (u8, &[u8]) = match &cell {
        Cell::Null => (0, &[]),
        Cell::Int(value) => (1, &value.to_be_bytes()),
        Cell::Text(value) => (2, value.as_bytes()),
        Cell::Bytes(value) => (3, value),
    };
    out.push(kind);
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A sum of SHA-256 digests, each read as a big-endian number. Shown as 64 hex digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The sum that [`fmt::Display`] shows so; nothing for another text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut sum = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (index, byte) in sum.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(sum))
    }

    fn add(&mut self, digest: &[u8; 32]) {
        let mut carry = 0;
        for (sum, addend) in self.0.iter_mut().zip(digest).rev() {
            let total = u16::from(*sum) + u16::from(*addend) + carry;
            [_, *sum] = total.to_be_bytes();
            carry = total >> 8;
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&[Cell<'_>]]) -> TableContents {
        let mut contents = TableContents::empty("t");
        for row in rows {
            contents.add(row.iter().copied(), &mut Vec::new());
        }
        contents
    }

    #[test]
    fn the_order_of_rows_does_not_count() {
        let (one, two) = (&[Cell::Int(1), Cell::Null][..], &[Cell::Text("ä"), Cell::Bytes(b"\0")][..]);
        assert_eq!(of(&[one, two]), of(&[two, one]));
        assert_ne!(of(&[one, two]), of(&[one, one]));
    }

    #[test]
    fn rows_that_differ_in_anything_have_other_checksums() {
        let rows: [&[Cell<'_>]; 10] = [
            &[],
            &[Cell::Null],
            &[Cell::Null, Cell::Null],
            &[Cell::Text("")],
            &[Cell::Bytes(b"")],
            &[Cell::Text("ab"), Cell::Text("c")],
            &[Cell::Text("a"), Cell::Text("bc")],
            &[Cell::Bytes(b"ab"), Cell::Text("c")],
            &[Cell::Int(1)],
            &[Cell::Bytes(&[0, 0, 0, 0, 0, 0, 0, 1])],
        ];
        for (index, one) in rows.iter().enumerate() {
            for other in &rows[..index] {
                assert_ne!(of(&[one]).checksum, of(&[other]).checksum, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_sum_carries_and_reads_back() {
        let mut sum = Checksum([0xff; 32]);
        let mut one = [0; 32];
        one[31] = 2;
        sum.add(&one);
        assert_eq!(sum, Checksum([&[0; 31][..], &[1]].concat().try_into().unwrap()));
        assert_eq!(Checksum::parse(&sum.to_string()), Some(sum));
        assert_eq!(Checksum::parse("00"), None);
        assert_eq!(Checksum::parse(&"zz".repeat(32)), None);
    }
}
