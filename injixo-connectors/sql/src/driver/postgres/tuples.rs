//! Rows in the binary format of `COPY`.

use injixo_core::model::{Millis, Timestamp};
use injixo_core::zone::LocalTime;
use injixo_core::{Error, ErrorKind, Result};

use super::wire::{Refusal, first_message, refusal};
use crate::driver::{Column, Kind, Rows};
use crate::exact;
use crate::value::{Cell, cut};

/// Takes rows out of the answer to a `COPY`.
pub(super) struct Tuples {
    fields: Vec<Field>,
    /// What is not taken yet of the data: a row that did not come whole in one message.
    rest: Vec<u8>,
    has_header: bool,
    has_trailer: bool,
    refused: Option<Refusal>,
}

/// What the bytes of a column are.
#[derive(Debug, Clone, Copy)]
struct Field {
    kind: Kind,
    /// A number without a sign.
    is_oid: bool,
}

/// How far a block was taken.
pub(super) struct Taken {
    pub(super) length: usize,
    pub(super) rows: usize,
    /// Whether it was the last one of the answer.
    pub(super) is_last: bool,
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// 2000-01-01, from which PostgreSQL counts, in milliseconds.
const EPOCH: i64 = 946_684_800_000;

impl Tuples {
    pub(super) fn new(columns: &[Column]) -> Self {
        let field = |column: &Column| Field { kind: column.kind, is_oid: column.type_name == "OID" };
        let fields = columns.iter().map(field).collect();
        Self { fields, rest: Vec::new(), has_header: false, has_trailer: false, refused: None }
    }

    /// Takes all messages of a block that are whole.
    pub(super) fn take(&mut self, block: &[u8], rows: &mut dyn Rows) -> Result<Taken> {
        let mut taken = Taken { length: 0, rows: 0, is_last: false };
        let mut cells = [Cell::Null; MOST_COLUMNS];
        while let Some((message, length)) = first_message(&block[taken.length..]).map_err(|_| garbled())? {
            taken.length += length;
            match message.tag {
                b'd' if self.has_header && self.rest.is_empty() => {
                    taken.rows += self.data(message.body, &mut cells, rows)?;
                }
                b'd' => taken.rows += self.pieces(message.body, rows)?,
                b'E' => self.refused = Some(refusal(message.body)),
                b'Z' => {
                    taken.is_last = true;
                    break;
                }
                // The begin and the end of the data, settings, notices.
                b'H' | b'c' | b'C' | b'S' | b'N' | b'A' => {}
                _ => return Err(garbled()),
            }
        }
        Ok(taken)
    }

    /// Takes the rows of a message, and keeps what is not whole.
    #[inline]
    fn data<'b>(&mut self, body: &'b [u8], cells: &mut [Cell<'b>; MOST_COLUMNS], rows: &mut dyn Rows) -> Result<usize> {
        let Some(cells) = cells.get_mut(..self.fields.len()) else { return Err(garbled()) };
        let (mut at, mut count) = (0, 0);
        while at < body.len() {
            let Some(length) = self.tuple(&body[at..], cells)? else { break };
            at += length;
            if !self.has_trailer {
                rows.row(cells)?;
                count += 1;
            }
        }
        self.rest.extend_from_slice(&body[at..]);
        Ok(count)
    }

    /// The same where the message goes on with what came before it.
    #[cold]
    fn pieces(&mut self, body: &[u8], rows: &mut dyn Rows) -> Result<usize> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(body);
        let mut data = all.as_slice();
        if !self.has_header {
            let Some((header, rest)) = data.split_first_chunk::<19>() else {
                self.rest = all;
                return Ok(0);
            };
            if !header.starts_with(SIGNATURE) || int4(&header[15..]) != Some(0) {
                return Err(garbled());
            }
            self.has_header = true;
            data = rest;
        }
        self.data(data, &mut [Cell::Null; MOST_COLUMNS], rows)
    }

    /// Takes a row whose message was not held whole.
    pub(super) fn long_row(&mut self, row: &[u8], rows: &mut dyn Rows) -> Result<()> {
        if !self.has_header || !self.rest.is_empty() {
            return Err(garbled());
        }
        self.data(row, &mut [Cell::Null; MOST_COLUMNS], rows).map(|_| ())
    }

    /// The length of the first row, if it is there whole, and its cells.
    #[inline]
    fn tuple<'b>(&mut self, bytes: &'b [u8], cells: &mut [Cell<'b>]) -> Result<Option<usize>> {
        let Some(fields) = bytes.first_chunk::<2>() else { return Ok(None) };
        let fields = i16::from_be_bytes(*fields);
        if fields == -1 && !self.has_trailer {
            self.has_trailer = true;
            return Ok(Some(2));
        }
        if usize::try_from(fields).ok() != Some(cells.len()) || self.has_trailer {
            return Err(garbled());
        }
        let mut rest = &bytes[2..];
        for (cell, field) in cells.iter_mut().zip(&self.fields) {
            if let Some((value, behind)) = fixed(*field, rest) {
                *cell = value;
                rest = behind;
                continue;
            }
            let Some((length, behind)) = rest.split_first_chunk::<4>() else { return Ok(None) };
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                *cell = Cell::Null;
                rest = behind;
                continue;
            };
            let Some((value, behind)) = behind.split_at_checked(length) else { return Ok(None) };
            *cell = decode(*field, value);
            rest = behind;
        }
        Ok(Some(bytes.len() - rest.len()))
    }

    /// Whether all data came, unless the server refused it.
    pub(super) fn finish(self) -> std::result::Result<Result<()>, Refusal> {
        match self.refused {
            Some(refusal) => Err(refusal),
            None if self.has_trailer && self.rest.is_empty() => Ok(Ok(())),
            None => Ok(Err(garbled())),
        }
    }
}

/// More columns are never asked for.
const MOST_COLUMNS: usize = 16;

pub(super) fn garbled() -> Error {
    Error::new(ErrorKind::Protocol, "the server does not answer as PostgreSQL does: check host and port")
}

fn int4(bytes: &[u8]) -> Option<i32> {
    bytes.get(..4)?.try_into().ok().map(i32::from_be_bytes)
}

fn int8(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_be_bytes)
}

/// The most frequent fields of a fixed length, with that length before them.
#[inline]
fn fixed(field: Field, bytes: &[u8]) -> Option<(Cell<'static>, &[u8])> {
    match field.kind {
        Kind::Int if !field.is_oid => {
            let (&[a, b, c, d, value @ ..], rest) = bytes.split_first_chunk::<8>()?;
            ([a, b, c, d] == [0, 0, 0, 4]).then(|| (Cell::Int(i64::from(i32::from_be_bytes(value))), rest))
        }
        Kind::Local | Kind::Instant => {
            let (&[a, b, c, d, value @ ..], rest) = bytes.split_first_chunk::<12>()?;
            if [a, b, c, d] != [0, 0, 0, 8] {
                return None;
            }
            let micros = Some(i64::from_be_bytes(value)).filter(|micros| *micros != i64::MAX && *micros != i64::MIN)?;
            let millis = micros.div_euclid(1_000).saturating_add(EPOCH);
            let cell = match field.kind {
                Kind::Local => Cell::Local(LocalTime::from_millis(millis)),
                _ => Cell::Instant(Timestamp::from_millis(millis)),
            };
            Some((cell, rest))
        }
        _ => None,
    }
}

/// A field, of a length that its type must have.
#[inline]
fn decode(column: Field, field: &[u8]) -> Cell<'_> {
    let odd = Cell::Odd("a value that is not of the column's type");
    let cell = match (column.kind, field.len()) {
        (Kind::Int, 2) => Some(Cell::Int(i64::from(i16::from_be_bytes([field[0], field[1]])))),
        (Kind::Int, 4) => int4(field).map(|value| {
            // An OID has no sign.
            let unsigned = i64::from(value.cast_unsigned());
            Cell::Int(if column.is_oid { unsigned } else { i64::from(value) })
        }),
        (Kind::Int, 8) => int8(field).map(Cell::Int),
        (Kind::Float, 4) => int4(field).map(|bits| Cell::Float(f64::from(f32::from_bits(bits.cast_unsigned())))),
        (Kind::Float, 8) => int8(field).map(|bits| Cell::Float(f64::from_bits(bits.cast_unsigned()))),
        (Kind::Bool, 1) => Some(Cell::Bool(field[0] != 0)),
        (Kind::Text | Kind::Other, _) => {
            let text = std::str::from_utf8(field).map(|text| Cell::Text(cut(text)));
            Some(text.unwrap_or(Cell::Odd("a text that is not Unicode")))
        }
        // A date: infinite ones are the largest and the smallest.
        (Kind::Local, 4) => int4(field).map(|days| {
            let is_infinite = days == i32::MAX || days == i32::MIN;
            let millis = i64::from(days) * 86_400_000 + EPOCH;
            if is_infinite { Cell::Odd("infinity") } else { Cell::Local(LocalTime::from_millis(millis)) }
        }),
        (Kind::Local, 8) => {
            millis(field).map(|at| at.map_or(Cell::Odd("infinity"), |at| Cell::Local(LocalTime::from_millis(at))))
        }
        (Kind::Instant, 8) => {
            millis(field).map(|at| at.map_or(Cell::Odd("infinity"), |at| Cell::Instant(Timestamp::from_millis(at))))
        }
        (Kind::Length, 8) => int8(field).map(|micros| Cell::Length(Millis::new(micros.div_euclid(1_000)))),
        (Kind::Length, 16) => int8(&field[..8]).map(|micros| {
            let (days, months) = (int4(&field[8..]).unwrap_or(0), int4(&field[12..]).unwrap_or(0));
            let length = Millis::new(micros.div_euclid(1_000).saturating_add(i64::from(days) * 86_400_000));
            if months == 0 { Cell::Length(length) } else { Cell::Odd("an interval with months") }
        }),
        (Kind::Decimal, _) => numeric(field),
        _ => None,
    };
    cell.unwrap_or(odd)
}

/// Milliseconds since 1970; `None` inside for infinity.
fn millis(field: &[u8]) -> Option<Option<i64>> {
    let micros = int8(field)?;
    Some((micros != i64::MAX && micros != i64::MIN).then(|| micros.div_euclid(1_000).saturating_add(EPOCH)))
}

/// A NUMERIC: digits to base 10,000, the first of which has the weight `10,000 ^ weight`.
fn numeric(field: &[u8]) -> Option<Cell<'static>> {
    let short = |at: usize| Some(i16::from_be_bytes(field.get(at..at + 2)?.try_into().ok()?));
    let (count, weight, sign) = (usize::try_from(short(0)?).ok()?, short(2)?, short(4)?.cast_unsigned());
    if matches!(sign, 0xC000 | 0xD000 | 0xF000) {
        return Some(Cell::Odd("NaN or infinity"));
    }
    let mut micros: i128 = 0;
    let mut round = false;
    for index in 0..count {
        let digit = i128::from(short(8 + 2 * index)?);
        // The power of ten of this digit's ones, in millionths.
        let power = i32::from(weight) * 4 - i32::try_from(index).ok()? * 4 + 6;
        if power > 30 {
            return Some(Cell::Odd("a number that is too large"));
        }
        micros += match power {
            0.. => digit * 10_i128.pow(power.unsigned_abs()),
            -3..0 => {
                let divisor = 10_i128.pow(power.unsigned_abs());
                round = digit % divisor >= divisor / 2;
                digit / divisor
            }
            _ => 0,
        };
    }
    let micros = micros + i128::from(round);
    let micros = if sign == 0x4000 { -micros } else { micros };
    Some(exact::of_millionths(micros))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use proptest::prelude::*;

    use super::*;

    /// The rows as texts.
    #[derive(Default)]
    struct Seen(Vec<String>);

    #[async_trait]
    impl Rows for Seen {
        fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
            self.0.push(format!("{cells:?}"));
            Ok(())
        }

        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn columns() -> Vec<Column> {
        let column = |kind, type_name: &str| Column { name: "c".to_owned(), kind, type_name: type_name.to_owned() };
        vec![
            column(Kind::Int, "INT4"),
            column(Kind::Text, "TEXT"),
            column(Kind::Local, "TIMESTAMP"),
            column(Kind::Int, "OID"),
            column(Kind::Instant, "TIMESTAMPTZ"),
            column(Kind::Int, "INT2"),
        ]
    }

    type Row = (Option<i32>, Option<String>, i64, u32, Option<i64>, i16);

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let near = -5_000_000_000_000_000..5_000_000_000_000_000_i64;
        let text = prop::option::of("[a-zß€🙂]{0,12}");
        let row = (any::<Option<i32>>(), text, near.clone(), any::<u32>(), prop::option::of(near), any::<i16>());
        prop::collection::vec(row, 0..12)
    }

    /// What such rows look like, said in another way.
    fn expected(rows: &[Row]) -> Vec<String> {
        let millis = |micros: &i64| micros.div_euclid(1_000) + EPOCH;
        let cells = |(a, b, c, d, e, f): &Row| {
            [
                a.map_or(Cell::Null, |a| Cell::Int(a.into())),
                b.as_ref().map_or(Cell::Null, |b| Cell::Text(b)),
                Cell::Local(LocalTime::from_millis(millis(c))),
                Cell::Int((*d).into()),
                e.as_ref().map_or(Cell::Null, |e| Cell::Instant(Timestamp::from_millis(millis(e)))),
                Cell::Int((*f).into()),
            ]
            .map(|cell| format!("{cell:?}"))
            .join(", ")
        };
        rows.iter().map(|row| format!("[{}]", cells(row))).collect()
    }

    /// The data of a copy of them.
    fn data(rows: &[Row]) -> Vec<u8> {
        let mut data = [SIGNATURE, &[0; 8]].concat();
        let field = |value: Option<&[u8]>| {
            let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
            [&length.to_be_bytes()[..], value.unwrap_or_default()].concat()
        };
        for (a, b, c, d, e, f) in rows {
            data.extend(6_i16.to_be_bytes());
            data.extend(field(a.map(i32::to_be_bytes).as_ref().map(|a| &a[..])));
            data.extend(field(b.as_ref().map(|b| b.as_bytes())));
            data.extend(field(Some(&c.to_be_bytes())));
            data.extend(field(Some(&d.to_be_bytes())));
            data.extend(field(e.map(i64::to_be_bytes).as_ref().map(|e| &e[..])));
            data.extend(field(Some(&f.to_be_bytes())));
        }
        data.extend((-1_i16).to_be_bytes());
        data
    }

    fn message(tag: u8, body: &[u8], out: &mut Vec<u8>) {
        out.push(tag);
        out.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
        out.extend(body);
    }

    /// Cuts something into pieces whose lengths repeat.
    fn pieces<'d>(mut data: &'d [u8], lengths: &[usize]) -> Vec<&'d [u8]> {
        let mut pieces = Vec::new();
        for length in lengths.iter().cycle() {
            if data.is_empty() {
                break;
            }
            let (piece, rest) = data.split_at((*length).min(data.len()));
            pieces.push(piece);
            data = rest;
        }
        pieces
    }

    proptest! {
        #[test]
        fn rows_come_whole_however_they_are_cut(
            rows in rows(),
            messages in prop::collection::vec(1..90_usize, 1..8),
            blocks in prop::collection::vec(1..70_usize, 1..8),
        ) {
            let mut sent = Vec::new();
            message(b'H', &[1, 0, 6], &mut sent);
            pieces(&data(&rows), &messages).into_iter().for_each(|piece| message(b'd', piece, &mut sent));
            message(b'c', &[], &mut sent);
            message(b'C', b"COPY\0", &mut sent);
            message(b'Z', b"T", &mut sent);
            let (mut tuples, mut seen, mut held, mut count) = (Tuples::new(&columns()), Seen::default(), Vec::new(), 0);
            let mut is_last = false;
            for block in pieces(&sent, &blocks) {
                prop_assert!(!is_last);
                held.extend_from_slice(block);
                let taken = tuples.take(&held, &mut seen).unwrap();
                held.drain(..taken.length);
                count += taken.rows;
                is_last = taken.is_last;
            }
            prop_assert!(is_last && held.is_empty());
            prop_assert_eq!(count, rows.len());
            prop_assert!(tuples.finish().unwrap().is_ok());
            prop_assert_eq!(seen.0, expected(&rows));
        }

        #[test]
        fn data_that_ends_early_is_no_success(rows in rows(), end in any::<prop::sample::Index>()) {
            let whole = data(&rows);
            let mut sent = Vec::new();
            message(b'd', &whole[..end.index(whole.len())], &mut sent);
            message(b'Z', b"T", &mut sent);
            let mut tuples = Tuples::new(&columns());
            let taken = tuples.take(&sent, &mut Seen::default());
            prop_assert!(taken.is_err() || tuples.finish().unwrap().is_err());
        }

        #[test]
        fn no_bytes_are_a_reason_to_panic(
            rows in rows(),
            spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
        ) {
            let mut sent = Vec::new();
            message(b'd', &data(&rows), &mut sent);
            for (at, byte) in spoilt {
                let at = at.index(sent.len());
                sent[at] = byte;
            }
            let mut tuples = Tuples::new(&columns());
            let _ = tuples.take(&sent, &mut Seen::default());
        }
    }

    #[test]
    fn what_a_server_refuses_in_the_middle_is_told() {
        let mut sent = Vec::new();
        message(b'd', &data(&[])[..19], &mut sent);
        message(b'E', b"SERROR\0C57014\0Mtoo slow\0\0", &mut sent);
        message(b'Z', b"E", &mut sent);
        let mut tuples = Tuples::new(&columns());
        assert!(tuples.take(&sent, &mut Seen::default()).unwrap().is_last);
        let refusal = tuples.finish().unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("57014", "too slow"));
    }

    #[test]
    fn infinite_times_are_told() {
        let field = |kind| Field { kind, is_oid: false };
        for kind in [Kind::Local, Kind::Instant] {
            for micros in [i64::MAX, i64::MIN] {
                let bytes = [&8_i32.to_be_bytes()[..], &micros.to_be_bytes()].concat();
                assert!(fixed(field(kind), &bytes).is_none());
                assert_eq!(decode(field(kind), &micros.to_be_bytes()), Cell::Odd("infinity"));
            }
        }
    }

    fn number(weight: i16, sign: u16, digits: &[i16]) -> String {
        let mut bytes = Vec::new();
        let count = i16::try_from(digits.len()).unwrap();
        for short in [count, weight, sign.cast_signed(), 0].iter().chain(digits) {
            bytes.extend(short.to_be_bytes());
        }
        numeric(&bytes).unwrap().to_string()
    }

    #[test]
    fn numerics_are_read_to_the_millionth() {
        assert_eq!(number(0, 0, &[]), "0");
        assert_eq!(number(0, 0, &[42]), "42");
        assert_eq!(number(1, 0, &[1, 5]), "10005");
        assert_eq!(number(0, 0x4000, &[3, 2500]), "-3.25");
        assert_eq!(number(-1, 0, &[5000]), "0.5");
        assert_eq!(number(-2, 0, &[1]), "0");
        assert_eq!(number(-1, 0, &[0, 100]), "0.000001");
        assert_eq!(number(-1, 0, &[0, 50]), "0.000001");
        assert_eq!(number(-1, 0, &[0, 49]), "0");
        assert_eq!(number(2, 0, &[1]), "100000000");
        // Beyond what millionths can hold: an identifier of 19 digits.
        assert_eq!(number(4, 0, &[922, 3372, 368, 5477, 5807]), i64::MAX.to_string());
        assert_eq!(number(4, 0x4000, &[922, 3372, 368, 5477, 5808]), i64::MIN.to_string());
        assert_eq!(number(4, 0, &[922, 3372, 368, 5477, 5808]), "a number that is too large");
        assert_eq!(number(4, 0, &[922, 3372, 368, 5477, 5807, 5000]), "a number that is too large");
        assert_eq!(number(9, 0, &[1]), "a number that is too large");
        assert_eq!(number(0, 0xC000, &[]), "NaN or infinity");
    }
}
