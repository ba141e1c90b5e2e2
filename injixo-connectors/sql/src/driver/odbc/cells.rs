//! Blocks of rows, and what the texts in them mean.

use injixo_core::Result;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::zone::LocalTime;
use odbc_api::buffers::{ColumnBuffer, ColumnarBuffer, Slice, TextColumn, TextColumnSlice};

use super::super::{Column, Kind, Rows};
use crate::dialect::{Dialect, Family};
use crate::exact::{decimal, length};
use crate::value::{Cell, LONGEST_TEXT, Moment, cut};

/// What a thread hands over.
pub(super) enum Block {
    Rows(Texts),
    /// There are no more rows.
    End,
}

/// Rows whose fields are texts.
pub(super) struct Texts {
    rows: usize,
    text: String,
    /// By row.
    fields: Vec<Field>,
    /// Where bytes are put together.
    bytes: Vec<u8>,
}

/// Where a field lies in the text.
#[derive(Debug, Clone, Copy)]
enum Field {
    Null,
    Text {
        from: usize,
        to: usize,
    },
    /// It is not whole.
    Cut {
        from: usize,
        to: usize,
    },
    NotUnicode,
}

/// The buffers into which a driver writes rows.
pub(super) type Buffer<Unit> = ColumnarBuffer<TextColumn<Unit>>;

/// So many bytes the buffers of a session take at most, however long its texts may be.
const MOST_BYTES: usize = 1 << 20;
const MOST_ROWS: usize = 1_000;

/// What texts of a driver are made of.
pub(super) trait Unit: Copy + Default {
    /// How many of them a character takes at most.
    const MOST: usize;

    /// The value as a digit to base 16.
    fn digit(self) -> Option<u8>;

    /// Adds what they spell; without those of a character at the end that is not whole, where the text was cut.
    fn spell(units: &[Self], is_cut: bool, text: &mut String) -> bool;
}

impl Unit for u16 {
    const MOST: usize = 2;

    fn digit(self) -> Option<u8> {
        u8::try_from(self).ok().and_then(u8::digit)
    }

    fn spell(units: &[Self], is_cut: bool, text: &mut String) -> bool {
        let units = match units {
            [whole @ .., 0xD800..=0xDBFF] if is_cut => whole,
            units => units,
        };
        for character in char::decode_utf16(units.iter().copied()) {
            let Ok(character) = character else { return false };
            text.push(character);
        }
        true
    }
}

impl Unit for u8 {
    const MOST: usize = 4;

    fn digit(self) -> Option<u8> {
        char::from(self).to_digit(16).and_then(|digit| Self::try_from(digit).ok())
    }

    fn spell(units: &[Self], is_cut: bool, text: &mut String) -> bool {
        let spelt = std::str::from_utf8(units);
        let whole = match &spelt {
            Ok(_) => units,
            Err(error) if is_cut && error.error_len().is_none() => &units[..error.valid_up_to()],
            Err(_) => return false,
        };
        std::str::from_utf8(whole).map(|whole| text.push_str(whole)).is_ok()
    }
}

/// Buffers for columns of these kinds.
pub(super) fn buffer<U: Unit>(dialect: Dialect, columns: &[Column]) -> Buffer<U>
where
    TextColumn<U>: ColumnBuffer,
{
    let units: Vec<usize> = columns.iter().map(|column| width::<U>(dialect, column.kind)).collect();
    let row: usize = units.iter().map(|units| size_of::<U>() * (units + 1) + size_of::<isize>()).sum();
    let rows = (MOST_BYTES / row.max(1)).clamp(1, MOST_ROWS);
    let columns = units.into_iter().zip(1..).map(|(units, number)| (number, TextColumn::new(rows, units)));
    Buffer::new(columns.collect())
}

/// Whether the bytes of a value come as digits to base 16.
pub(super) fn is_hex(dialect: Dialect, kind: Kind) -> bool {
    dialect.family == Family::MySql && matches!(kind, Kind::Text | Kind::Other)
}

/// How many units a value may take.
fn width<U: Unit>(dialect: Dialect, kind: Kind) -> usize {
    // Before each value of SQLite stands a letter.
    let longest = U::MOST * (LONGEST_TEXT + 1) + 1;
    match kind {
        _ if is_hex(dialect, kind) => 8 * (LONGEST_TEXT + 1),
        Kind::Text | Kind::Other => longest,
        _ if dialect.family == Family::Sqlite => longest,
        _ => 80,
    }
}

impl Texts {
    pub(super) fn of<U: Unit + 'static>(buffer: &Buffer<U>, hex: &[bool]) -> Self
    where
        TextColumn<U>: ColumnBuffer,
        for<'b> TextColumn<U>: Slice<Slice<'b> = TextColumnSlice<'b, U>>,
    {
        let (rows, columns) = (buffer.num_rows(), buffer.num_cols());
        let mut block =
            Self { rows, text: String::new(), fields: Vec::with_capacity(rows * columns), bytes: Vec::new() };
        for row in 0..rows {
            for number in 0..columns {
                let column = buffer.column(number);
                let field = match column.get(row) {
                    None => Field::Null,
                    Some(digits) if hex.get(number) == Some(&true) => block.push_hex(digits),
                    // SQL Server counts halves of characters where it cuts.
                    Some(units) => {
                        let is_cut = units.len() >= column.max_len().min(U::MOST * (LONGEST_TEXT + 1));
                        block.push(units, is_cut)
                    }
                };
                block.fields.push(field);
            }
        }
        block
    }

    fn push_hex<U: Unit>(&mut self, digits: &[U]) -> Field {
        let pair = |pair: &[U; 2]| Some(pair[0].digit()? << 4 | pair[1].digit()?);
        let (pairs, rest) = digits.as_chunks::<2>();
        self.bytes.clear();
        self.bytes.extend(pairs.iter().map_while(pair));
        let is_whole = rest.is_empty() && self.bytes.len() == pairs.len();
        let Ok(text) = std::str::from_utf8(&self.bytes) else { return Field::NotUnicode };
        let from = self.text.len();
        self.text.push_str(text);
        let to = self.text.len();
        if is_whole { Field::Text { from, to } } else { Field::NotUnicode }
    }

    fn push<U: Unit>(&mut self, units: &[U], is_cut: bool) -> Field {
        let from = self.text.len();
        if !U::spell(units, is_cut, &mut self.text) {
            self.text.truncate(from);
            return Field::NotUnicode;
        }
        let to = self.text.len();
        if is_cut { Field::Cut { from, to } } else { Field::Text { from, to } }
    }

    /// Hands the rows over.
    pub(super) fn take(&self, dialect: Dialect, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        if columns.is_empty() {
            return (0..self.rows).try_for_each(|_| rows.row(&[]));
        }
        let mut cells = vec![Cell::Null; columns.len()];
        for fields in self.fields.chunks_exact(columns.len()) {
            for ((cell, field), column) in cells.iter_mut().zip(fields).zip(columns) {
                let is_text = matches!(column.kind, Kind::Text | Kind::Other);
                *cell = match *field {
                    Field::Null => Cell::Null,
                    Field::NotUnicode => Cell::Odd("a text that is not Unicode"),
                    Field::Text { from, to } => decode(dialect, column.kind, &self.text[from..to]),
                    // It stays too long for a name.
                    Field::Cut { from, to } if is_text => decode(dialect, column.kind, &self.text[from..to]),
                    Field::Cut { .. } => Cell::Odd("a value that is too long"),
                };
            }
            rows.row(&cells)?;
        }
        Ok(())
    }
}

/// What a text of a column of that kind means.
fn decode(dialect: Dialect, kind: Kind, text: &str) -> Cell<'_> {
    if dialect.family == Family::Sqlite {
        return tagged(text);
    }
    let odd = Cell::Odd("a value that is not of the column's type");
    let moment = || Moment::parse(text.trim()).map(|(moment, _)| moment);
    let cell = match kind {
        Kind::Text | Kind::Other => Some(Cell::Text(cut(text))),
        Kind::Int | Kind::Decimal => decimal(text.trim()),
        Kind::Float => text.trim().parse().ok().map(Cell::Float),
        Kind::Bool => match text {
            "1" | "t" | "true" => Some(Cell::Bool(true)),
            "0" | "f" | "false" => Some(Cell::Bool(false)),
            _ => None,
        },
        Kind::Local => moment().map(|moment| match moment {
            Moment::Local(local) => Cell::Local(local),
            Moment::Instant(instant) => Cell::Instant(instant),
        }),
        // The zone of the session is UTC.
        Kind::Instant => moment().map(|moment| match moment {
            Moment::Local(local) => Cell::Instant(utc(local)),
            Moment::Instant(instant) => Cell::Instant(instant),
        }),
        Kind::Length if text == "months" => Some(Cell::Odd("an interval with months")),
        Kind::Length if text.contains(':') => length(text.trim()),
        Kind::Length => match decimal(text.trim()) {
            Some(Cell::Int(secs)) => Some(Cell::Length(Millis::new(secs.saturating_mul(1_000)))),
            Some(Cell::Micros(micros)) => Some(Cell::Length(Millis::new(micros.div_euclid(1_000)))),
            other => other,
        },
    };
    match cell {
        Some(cell) => cell,
        // The zero date of MySQL stands for none, as in its other driver.
        None if text.starts_with("0000-00-00") => Cell::Null,
        None if kind == Kind::Decimal && (text == "NaN" || text.ends_with("Infinity")) => Cell::Odd("NaN or infinity"),
        // What lies beyond all dates in PostgreSQL.
        None if text.ends_with("infinity") => Cell::Odd("infinity"),
        None => odd,
    }
}

fn utc(local: LocalTime) -> Timestamp {
    Timestamp::from_millis(local.millis())
}

/// A value of SQLite behind the first letter of its type.
fn tagged(text: &str) -> Cell<'_> {
    let unread = Cell::Odd("a value that cannot be read");
    match text.split_at_checked(1) {
        Some(("i", digits)) => digits.parse().map_or(unread, Cell::Int),
        Some(("r", digits)) => digits.parse().map_or(unread, Cell::Float),
        Some(("t", text)) => Cell::Text(cut(text)),
        Some(("b", _)) => Cell::Odd("a BLOB"),
        _ => unread,
    }
}
