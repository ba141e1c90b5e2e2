//! Rows in the binary format of prepared statements.

use injixo_core::model::Timestamp;
use injixo_core::zone::LocalTime;
use injixo_core::{Error, ErrorKind, Result};

use super::definition::Definition;
use super::long;
use super::wire::{Failure, Refusal, Wire, end, first_packet, lenenc_bytes};
use crate::driver::{Kind, Rows};
use crate::exact;
use crate::value::{Cell, cut, days};

/// Takes rows out of the answer to a statement.
pub(super) struct Fields {
    fields: Vec<Field>,
    /// How many bytes say which values are NULL.
    nulls: usize,
}

/// What the bytes of a value are, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Text,
    Decimal,
    Length,
    Local,
    Instant,
    /// What is not of the column's kind.
    Odd(Layout),
}

/// How long a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Bytes(usize),
    /// One byte says it.
    Short,
    /// A number of a length of its own says it.
    Long,
}

/// How far a block was taken.
pub(super) struct Taken {
    pub(super) length: usize,
    pub(super) rows: usize,
    /// How the answer ended, if it did.
    pub(super) end: Option<std::result::Result<(), Refusal>>,
}

const ODD: Cell<'static> = Cell::Odd("a value that is not of the column's type");

impl Layout {
    /// That of a type.
    fn of(code: u8) -> Option<Self> {
        match code {
            0x06 => Some(Self::Bytes(0)),
            0x01 => Some(Self::Bytes(1)),
            0x02 | 0x0D => Some(Self::Bytes(2)),
            0x03 | 0x04 | 0x09 => Some(Self::Bytes(4)),
            0x05 | 0x08 => Some(Self::Bytes(8)),
            0x07 | 0x0A | 0x0B | 0x0C => Some(Self::Short),
            0x00 | 0x0F | 0x10 | 0xF5..=0xFF => Some(Self::Long),
            _ => None,
        }
    }
}

impl Field {
    fn of(kind: Kind, definition: &Definition) -> Option<Self> {
        let layout = Layout::of(definition.code)?;
        let field = match (kind, definition.code, definition.is_unsigned()) {
            (Kind::Int, 0x01, false) => Self::I8,
            (Kind::Int, 0x01, true) => Self::U8,
            (Kind::Int, 0x02 | 0x0D, false) => Self::I16,
            (Kind::Int, 0x02 | 0x0D, true) => Self::U16,
            (Kind::Int, 0x03 | 0x09, false) => Self::I32,
            (Kind::Int, 0x03 | 0x09, true) => Self::U32,
            (Kind::Int, 0x08, false) => Self::I64,
            (Kind::Int, 0x08, true) => Self::U64,
            (Kind::Float, 0x04, _) => Self::F32,
            (Kind::Float, 0x05, _) => Self::F64,
            (Kind::Local, 0x07 | 0x0A | 0x0C, _) => Self::Local,
            (Kind::Instant, 0x07 | 0x0A | 0x0C, _) => Self::Instant,
            (Kind::Text | Kind::Other, ..) if layout == Layout::Long => Self::Text,
            (Kind::Decimal, ..) if layout == Layout::Long => Self::Decimal,
            (Kind::Length, ..) if layout == Layout::Long => Self::Length,
            _ => Self::Odd(layout),
        };
        Some(field)
    }

    const fn layout(self) -> Layout {
        match self {
            Self::I8 | Self::U8 => Layout::Bytes(1),
            Self::I16 | Self::U16 => Layout::Bytes(2),
            Self::I32 | Self::U32 | Self::F32 => Layout::Bytes(4),
            Self::I64 | Self::U64 | Self::F64 => Layout::Bytes(8),
            Self::Local | Self::Instant => Layout::Short,
            Self::Text | Self::Decimal | Self::Length => Layout::Long,
            Self::Odd(layout) => layout,
        }
    }

    /// Takes the first value; what stands behind it.
    #[inline]
    fn take<'b>(self, bytes: &'b [u8], cell: &mut Cell<'b>) -> Option<&'b [u8]> {
        macro_rules! fixed {
            ($type:ty, $cell:expr) => {{
                let (value, rest) = bytes.split_first_chunk()?;
                *cell = $cell(<$type>::from_le_bytes(*value));
                Some(rest)
            }};
        }
        match self {
            Self::I8 => fixed!(i8, |value| Cell::Int(i64::from(value))),
            Self::U8 => fixed!(u8, |value| Cell::Int(i64::from(value))),
            Self::I16 => fixed!(i16, |value| Cell::Int(i64::from(value))),
            Self::U16 => fixed!(u16, |value| Cell::Int(i64::from(value))),
            Self::I32 => fixed!(i32, |value| Cell::Int(i64::from(value))),
            Self::U32 => fixed!(u32, |value| Cell::Int(i64::from(value))),
            Self::I64 => fixed!(i64, Cell::Int),
            Self::U64 => fixed!(u64, |value| exact::of_millionths(i128::from(value) * 1_000_000)),
            Self::F32 => fixed!(f32, |value| Cell::Float(f64::from(value))),
            Self::F64 => fixed!(f64, Cell::Float),
            Self::Text | Self::Decimal | Self::Length => {
                let (value, rest) = lenenc_bytes(bytes)?;
                let text = std::str::from_utf8(value).ok();
                let value = match self {
                    Self::Text => text.map(|text| Cell::Text(cut(text))),
                    Self::Decimal => text.and_then(exact::decimal),
                    _ => text.and_then(exact::length),
                };
                *cell = value.unwrap_or(ODD);
                Some(rest)
            }
            Self::Local | Self::Instant => {
                let (length, rest) = bytes.split_first()?;
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                *cell = match millis(value) {
                    // The zero date stands for none.
                    Some(None) => Cell::Null,
                    Some(Some(millis)) if self == Self::Local => Cell::Local(LocalTime::from_millis(millis)),
                    Some(Some(millis)) => Cell::Instant(Timestamp::from_millis(millis)),
                    None => Cell::Odd("a date without a month or a day"),
                };
                Some(rest)
            }
            Self::Odd(layout) => {
                *cell = ODD;
                match layout {
                    Layout::Bytes(length) => bytes.get(length..),
                    Layout::Short => bytes.split_first().and_then(|(length, rest)| rest.get(usize::from(*length)..)),
                    Layout::Long => lenenc_bytes(bytes).map(|(_, rest)| rest),
                }
            }
        }
    }
}

impl Fields {
    /// Of columns of these kinds, as the server says that they come; `None` where it sends what is not known.
    pub(super) fn of(kinds: impl ExactSizeIterator<Item = Kind>, definitions: &[Definition]) -> Option<Self> {
        if kinds.len() != definitions.len() {
            return None;
        }
        let fields = kinds.zip(definitions).map(|(kind, definition)| Field::of(kind, definition));
        // Two bits are not used.
        Some(Self { nulls: (definitions.len() + 2).div_ceil(8), fields: fields.collect::<Option<_>>()? })
    }

    /// Takes all packets of a block that are whole.
    pub(super) fn take(&self, block: &[u8], rows: &mut dyn Rows) -> Result<Taken> {
        let mut taken = Taken { length: 0, rows: 0, end: None };
        let mut cells = vec![Cell::Null; self.fields.len()];
        while let Some((packet, length)) = first_packet(&block[taken.length..]) {
            taken.length += length;
            if let Some((0, row)) = packet.split_first() {
                self.row(row, &mut cells).ok_or_else(garbled)?;
                rows.row(&cells)?;
                taken.rows += 1;
            } else {
                taken.end = Some(end(packet).ok_or_else(garbled)?);
                break;
            }
        }
        Ok(taken)
    }

    /// Takes a row that is not held whole.
    pub(super) async fn long_row(&self, wire: &mut Wire) -> std::result::Result<Vec<u8>, Failure> {
        let layouts = self.fields.iter().map(|field| field.layout());
        long::row(&mut wire.stream, self.nulls, layouts).await
    }

    /// Hands over such a row.
    pub(super) fn take_long(&self, row: &[u8], rows: &mut dyn Rows) -> Result<()> {
        let mut cells = vec![Cell::Null; self.fields.len()];
        self.row(row, &mut cells).ok_or_else(garbled)?;
        rows.row(&cells)
    }

    #[inline]
    fn row<'b>(&self, row: &'b [u8], cells: &mut [Cell<'b>]) -> Option<()> {
        let (nulls, mut rest) = row.split_at_checked(self.nulls)?;
        let has_nulls = nulls.iter().any(|byte| *byte != 0);
        for (at, (cell, field)) in cells.iter_mut().zip(&self.fields).enumerate() {
            if has_nulls && is_null(nulls, at) {
                *cell = Cell::Null;
            } else {
                rest = field.take(rest, cell)?;
            }
        }
        rest.is_empty().then_some(())
    }
}

#[inline]
pub(super) fn is_null(nulls: &[u8], at: usize) -> bool {
    nulls.get((at + 2) / 8).is_some_and(|byte| byte >> ((at + 2) % 8) & 1 == 1)
}

pub(super) fn garbled() -> Error {
    Error::new(ErrorKind::Protocol, "the server does not answer as MySQL does: check host and port")
}

/// Milliseconds since 1970: year, month and day, hour, minute and second, millionths, as far as they are not zero. `None` inside for
/// the zero date.
#[inline]
fn millis(value: &[u8]) -> Option<Option<i64>> {
    let Some((&[a, b, month, day], time)) = value.split_first_chunk::<4>() else {
        return value.is_empty().then_some(None);
    };
    let year = u16::from_le_bytes([a, b]);
    if (year, month, day) == (0, 0, 0) {
        return Some(None);
    }
    let (hour, minute, second, micros) = match *time {
        [] => (0, 0, 0, 0),
        [hour, minute, second] => (hour, minute, second, 0),
        [hour, minute, second, a, b, c, d] => (hour, minute, second, u32::from_le_bytes([a, b, c, d])),
        _ => return None,
    };
    if day > 28 && day > last_day(year, month) || day == 0 || !(1..=12).contains(&month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 || micros > 999_999 {
        return None;
    }
    let days = days(year.into(), month.into(), day.into());
    let secs = ((days * 24 + i64::from(hour)) * 60 + i64::from(minute)) * 60 + i64::from(second);
    Some(Some(secs * 1_000 + i64::from(micros / 1_000)))
}

fn last_day(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && !year.is_multiple_of(100) || month == 2 && year.is_multiple_of(400) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests;
