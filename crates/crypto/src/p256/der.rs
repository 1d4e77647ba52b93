//! The two encodings of an ECDSA signature, and low S.

use std::cmp::Ordering;

/// The order of the base point (SP 800-186, section 3.2.1.3), big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Half the order, rounded down: the largest S that is low.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// `r` and `s` as 32-byte big-endian numbers. Their range is the verifier's business.
#[derive(Clone, Copy)]
pub(crate) struct EcdsaSignature {
    r: [u8; 32],
    s: [u8; 32],
}

/// A minimal DER encoding on the stack.
pub(crate) struct Der {
    bytes: [u8; 72],
    len: usize,
}

impl AsRef<[u8]> for Der {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl EcdsaSignature {
    pub(crate) fn from_raw(raw: &[u8]) -> Option<Self> {
        let (r, s) = <&[u8; 64]>::try_from(raw).ok()?.split_at(32);
        Some(Self { r: r.try_into().ok()?, s: s.try_into().ok()? })
    }

    /// Reads short-form DER; leading zero bytes are tolerated, negative numbers and trailing bytes are not.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let [0x30, length, body @ ..] = der else { return None };
        if usize::from(*length) != body.len() {
            return None;
        }
        let (r, rest) = read_integer(body)?;
        let (s, rest) = read_integer(rest)?;
        rest.is_empty().then_some(Self { r, s })
    }

    pub(crate) fn to_raw(self) -> [u8; 64] {
        let mut raw = [0; 64];
        raw[..32].copy_from_slice(&self.r);
        raw[32..].copy_from_slice(&self.s);
        raw
    }

    pub(crate) fn to_der(self) -> Der {
        let mut der = Der { bytes: [0; 72], len: 2 };
        for number in [&self.r, &self.s] {
            let start = number.iter().position(|byte| *byte != 0).unwrap_or(31);
            let digits = &number[start..];
            let sign = usize::from(digits[0] >> 7);
            der.bytes[der.len] = 0x02;
            der.bytes[der.len + 1] = (digits.len() + sign) as u8;
            der.len += 2 + sign;
            der.bytes[der.len..der.len + digits.len()].copy_from_slice(digits);
            der.len += digits.len();
        }
        der.bytes[0] = 0x30;
        der.bytes[1] = (der.len - 2) as u8;
        der
    }

    /// The equivalent signature with `s` at most half the order. Signatures are public, so this need not be constant time.
    pub(crate) fn low_s(self) -> Self {
        match self.s.cmp(&HALF_ORDER) {
            Ordering::Less | Ordering::Equal => self,
            Ordering::Greater => Self { r: self.r, s: subtract(&ORDER, &self.s) },
        }
    }
}

fn read_integer(input: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, length, rest @ ..] = input else { return None };
    let length = usize::from(*length);
    if !(1..=33).contains(&length) || length > rest.len() {
        return None;
    }
    let (number, rest) = rest.split_at(length);
    if number[0] & 0x80 != 0 {
        return None;
    }
    let number = if length == 33 { number.strip_prefix(&[0])? } else { number };
    let mut out = [0; 32];
    out[32 - number.len()..].copy_from_slice(number);
    Some((out, rest))
}

/// `a - b` for `a >= b`, big-endian.
fn subtract(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = false;
    for index in (0..32).rev() {
        let (partial, first) = a[index].overflowing_sub(b[index]);
        let (digit, second) = partial.overflowing_sub(u8::from(borrow));
        out[index] = digit;
        borrow = first || second;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_order_doubled_is_the_order_less_one() {
        let rest = subtract(&subtract(&ORDER, &HALF_ORDER), &HALF_ORDER);
        assert_eq!(rest[..31], [0; 31]);
        assert_eq!(rest[31], 1);
    }

    #[test]
    fn der_is_minimal_and_reads_back() {
        for (r, s) in [(1, 0x7f), (0x80, 0xff), (0, 0)] {
            let mut raw = [0; 64];
            (raw[31], raw[63]) = (r, s);
            let der = EcdsaSignature::from_raw(&raw).expect("64 bytes").to_der();
            let back = EcdsaSignature::from_der(der.as_ref()).expect("own encoding");
            assert_eq!(back.to_raw(), raw);
            assert_eq!(der.as_ref().len(), 8 + usize::from(r >> 7) + usize::from(s >> 7));
        }
        let longest = EcdsaSignature::from_raw(&[0xff; 64]).expect("64 bytes").to_der();
        assert_eq!(longest.as_ref().len(), 72);
    }

    #[test]
    fn encodings_outside_the_tolerance_are_refused() {
        let refused: [&[u8]; 10] = [
            b"",
            &[0x30, 0x00],
            &[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x00],
            &[0x30, 0x07, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x00],
            &[0x30, 0x81, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01],
            &[0x30, 0x06, 0x02, 0x01, 0x81, 0x02, 0x01, 0x01],
            &[0x30, 0x05, 0x02, 0x00, 0x02, 0x01, 0x01],
            &[0x31, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01],
            &[0x30, 0x06, 0x02, 0x01, 0x01, 0x03, 0x01, 0x01],
            &[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x02, 0x01],
        ];
        for der in refused {
            assert!(EcdsaSignature::from_der(der).is_none(), "{der:02x?}");
        }
        let mut long = vec![0x30, 0x27, 0x02, 0x22];
        long.extend([0; 33]);
        long.extend([1, 0x02, 0x01, 0x01]);
        assert!(EcdsaSignature::from_der(&long).is_none(), "34 bytes are too many even when they are zero");
    }
}
