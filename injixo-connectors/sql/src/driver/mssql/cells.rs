//! What the values of SQL Server mean.

use injixo_core::model::{Millis, Timestamp};
use injixo_core::zone::LocalTime;
use tiberius::ColumnData;
use tiberius::time::{DateTime2, Time};

use crate::exact;
use crate::value::{Cell, cut};

const DAY: i64 = 86_400_000;
/// Days from 0001-01-01 and from 1900-01-01 to 1970-01-01.
const SINCE_1: i64 = 719_162;
const SINCE_1900: i64 = 25_567;

/// A value; all types that are not here are selected as texts.
pub(super) fn decode<'r>(data: &'r ColumnData<'static>) -> Cell<'r> {
    let cell = match data {
        ColumnData::U8(value) => value.map(|value| Cell::Int(i64::from(value))),
        ColumnData::I16(value) => value.map(|value| Cell::Int(i64::from(value))),
        ColumnData::I32(value) => value.map(|value| Cell::Int(i64::from(value))),
        ColumnData::I64(value) => value.map(Cell::Int),
        ColumnData::F32(value) => value.map(|value| Cell::Float(f64::from(value))),
        ColumnData::F64(value) => value.map(Cell::Float),
        ColumnData::Bit(value) => value.map(Cell::Bool),
        ColumnData::String(text) => text.as_ref().map(|text| self::text(text)),
        ColumnData::Numeric(value) => value.map(|value| exact::scaled(value.value(), value.scale())),
        // In parts of 1/300 s.
        ColumnData::DateTime(value) => value.map(|value| {
            let millis = (i64::from(value.seconds_fragments()) * 10 + 1) / 3;
            local((i64::from(value.days()) - SINCE_1900) * DAY + millis)
        }),
        // In minutes.
        ColumnData::SmallDateTime(value) => value.map(|value| {
            let millis = i64::from(value.seconds_fragments()) * 60_000;
            local((i64::from(value.days()) - SINCE_1900) * DAY + millis)
        }),
        ColumnData::Date(value) => value.map(|value| local((i64::from(value.days()) - SINCE_1) * DAY)),
        ColumnData::Time(value) => value.map(|value| Cell::Length(Millis::new(millis(value)))),
        ColumnData::DateTime2(value) => value.map(|value| local(since_1970(value))),
        // The time beside an offset is in UTC.
        ColumnData::DateTimeOffset(value) => {
            value.map(|value| Cell::Instant(Timestamp::from_millis(since_1970(value.datetime2()))))
        }
        ColumnData::Guid(_) | ColumnData::Binary(_) | ColumnData::Xml(_) => {
            Some(Cell::Odd("a value that cannot be read"))
        }
    };
    cell.unwrap_or(Cell::Null)
}

fn text(text: &str) -> Cell<'_> {
    let first = cut(text);
    // The driver writes this in place of halves of characters. One at the end of a long text was cut there.
    if !first.is_ascii() && first.contains('\u{FFFD}') {
        Cell::Odd("a text that is not Unicode")
    } else {
        Cell::Text(first)
    }
}

fn local(millis: i64) -> Cell<'static> {
    Cell::Local(LocalTime::from_millis(millis))
}

fn since_1970(value: DateTime2) -> i64 {
    (i64::from(value.date().days()) - SINCE_1) * DAY + millis(value.time())
}

/// Milliseconds of a time of day, which is counted in parts of a second; there are fewer than `2 ^ 40` of them.
fn millis(time: Time) -> i64 {
    let parts = i64::try_from(time.increments()).unwrap_or(0);
    match u32::from(time.scale()) {
        scale @ 0..=3 => parts.saturating_mul(10_i64.pow(3 - scale)),
        scale => parts / 10_i64.pow(scale.min(18) - 3),
    }
}

#[cfg(test)]
mod tests {
    use tiberius::numeric::Numeric;
    use tiberius::time::{Date, DateTime, DateTimeOffset, SmallDateTime};

    use super::*;

    #[test]
    fn times_are_exact_to_the_millisecond() {
        let at = |data: ColumnData<'static>| format!("{:?}", decode(&data));
        // 2024-03-31 is day 45,380 since 1900 and day 738,975 since the year 1.
        let noon = 12 * 3_600;
        assert_eq!(
            at(ColumnData::DateTime(Some(DateTime::new(45_380, noon * 300 + 1)))),
            "Local(2024-03-31T12:00:00.003)"
        );
        assert_eq!(
            at(ColumnData::DateTime(Some(DateTime::new(45_380, noon * 300 + 2)))),
            "Local(2024-03-31T12:00:00.007)"
        );
        assert_eq!(at(ColumnData::DateTime(Some(DateTime::new(-1, 0)))), "Local(1899-12-31T00:00:00)");
        assert_eq!(at(ColumnData::SmallDateTime(Some(SmallDateTime::new(45_380, 721)))), "Local(2024-03-31T12:01:00)");
        assert_eq!(at(ColumnData::Date(Some(Date::new(738_975)))), "Local(2024-03-31T00:00:00)");
        let time = Time::new(432_001_239_999, 7);
        let datetime2 = DateTime2::new(Date::new(738_975), time);
        assert_eq!(at(ColumnData::DateTime2(Some(datetime2))), "Local(2024-03-31T12:00:00.123)");
        let offset = DateTimeOffset::new(datetime2, 330);
        assert_eq!(at(ColumnData::DateTimeOffset(Some(offset))), "Instant(2024-03-31T12:00:00.123Z)");
        assert_eq!(at(ColumnData::Time(Some(Time::new(43_200, 0)))), "Length(43200s)");
        assert_eq!(at(ColumnData::DateTime2(None)), "Null");
    }

    #[test]
    fn decimals_are_exact() {
        let number = |value, scale| {
            let data = ColumnData::Numeric(Some(Numeric::new_with_scale(value, scale)));
            format!("{:?}", decode(&data))
        };
        assert_eq!(number(9_223_372_036_854_775_807, 0), "Int(9223372036854775807)");
        assert_eq!(number(-25, 2), "Micros(-250000)");
        assert_eq!(number(5, 7), "Micros(1)");
        assert_eq!(number(-5, 7), "Micros(-1)");
        assert_eq!(number(4, 7), "Int(0)");
        assert_eq!(number(i128::MAX, 0), "Odd(\"a number that is too large\")");
    }
}
