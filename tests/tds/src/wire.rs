//! Reading of bytes that may be wrong, and texts of two bytes a letter.

use crate::error::{Outcome, SqlError};

/// Bytes of a request, read from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Outcome<&'a [u8]> {
        if count > self.bytes.len() {
            return Err(SqlError::protocol("The request ends too early."));
        }
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Outcome<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Outcome<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Outcome<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Outcome<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A little-endian number of up to eight bytes.
    pub(crate) fn unsigned(&mut self, bytes: usize) -> Outcome<u64> {
        let mut all = [0; 8];
        let taken = self.take(bytes)?;
        all.get_mut(..taken.len()).ok_or_else(|| SqlError::protocol("A number is too long."))?.copy_from_slice(taken);
        Ok(u64::from_le_bytes(all))
    }

    /// A text after its count of letters in one byte.
    pub(crate) fn short_text(&mut self) -> Outcome<String> {
        let letters = usize::from(self.u8()?);
        Ok(text(self.take(letters * 2)?))
    }
}

/// The text of UTF-16 bytes; what is not valid becomes U+FFFD.
pub(crate) fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// UTF-16 bytes of a text.
pub(crate) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A count as two bytes; what is more is cut.
pub(crate) fn count16(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// A count as four bytes; what is more is cut.
pub(crate) fn count32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A text with its count of letters in one byte; cut at 255.
pub(crate) fn put_short_text(out: &mut Vec<u8>, text: &str) {
    let mut letters = wide(text);
    letters.truncate(510);
    out.push(u8::try_from(letters.len() / 2).unwrap_or(u8::MAX));
    out.extend(letters);
}

/// A text with its count of letters in two bytes; cut at 4000.
pub(crate) fn put_long_text(out: &mut Vec<u8>, text: &str) {
    let mut letters = wide(text);
    letters.truncate(8000);
    out.extend(count16(letters.len() / 2).to_le_bytes());
    out.extend(letters);
}

/// The letters of Windows-1252 from 0x80 to 0x9F; 0 where there is none.
const HIGH: [u16; 32] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0, 0,
    0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
];

/// Bytes of a text in Windows-1252, with `?` for what is not in it.
pub(crate) fn narrow(text: &str) -> Vec<u8> {
    let byte = |letter: char| {
        let code = u32::from(letter);
        match u8::try_from(code) {
            Ok(byte) if !(0x80..0xA0).contains(&byte) => byte,
            _ => HIGH.iter().zip(0x80..).find(|(high, _)| u32::from(**high) == code).map_or(b'?', |(_, byte)| byte),
        }
    };
    text.chars().map(byte).collect()
}

/// The text of bytes in Windows-1252.
pub(crate) fn from_narrow(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match HIGH.get(usize::from(*byte).wrapping_sub(0x80)) {
        Some(code) if *code != 0 => char::from_u32(u32::from(*code)).unwrap_or('?'),
        _ => char::from(*byte),
    };
    bytes.iter().map(letter).collect()
}
