//! Functions of T-SQL that the database underneath is given.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};

use crate::civil::{self, DAY, Moment, SECOND};
use crate::error::{Outcome, SqlError};
use crate::types::Type;
use crate::values;

/// Registers all of them.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let add = |name: &str, arguments: i32, function: fn(&Context<'_>) -> Outcome<Value>| {
        connection.create_scalar_function(name, arguments, flags, move |context| {
            function(context).map_err(|error| Error::UserFunctionError(Box::new(Marked(error.marked()))))
        })
    };
    add("tds_cast", 4, cast)?;
    add("tds_left", 2, |context| part(context, |letters, count| (0, count.min(letters))))?;
    add("tds_right", 2, |context| part(context, |letters, count| (letters - count.min(letters), letters)))?;
    add("tds_len", 1, |context| {
        Ok(text_or_null(context, 0).map_or(Value::Null, |text| {
            Value::Integer(i64::try_from(text.trim_end_matches(' ').encode_utf16().count()).unwrap_or(i64::MAX))
        }))
    })?;
    add("tds_datalength", 1, |context| {
        Ok(text_or_null(context, 0).map_or(Value::Null, |text| {
            Value::Integer(i64::try_from(text.encode_utf16().count() * 2).unwrap_or(i64::MAX))
        }))
    })?;
    add("tds_substring", 3, |context| {
        let (Some(text), Some(start), Some(count)) = (text_or_null(context, 0), number(context, 1), number(context, 2))
        else {
            return Ok(Value::Null);
        };
        let letters: Vec<u16> = text.encode_utf16().collect();
        let at = |index: i64| usize::try_from(index.max(0)).unwrap_or(usize::MAX).min(letters.len());
        let (from, to) = (at(start - 1), at(start.saturating_add(count.max(0)) - 1));
        Ok(Value::Text(String::from_utf16_lossy(&letters[from..to.max(from)])))
    })?;
    add("tds_switchoffset", 2, |context| {
        let (Some(from), Some(to)) = (moment(context, 0)?, text_or_null(context, 1)) else { return Ok(Value::Null) };
        let wrong = || SqlError::new(9812, 16, "The timezone provided to builtin function switchoffset is invalid.", 1);
        let to =
            civil::parse(&format!("1900-01-01 00:00:00 {to}")).and_then(|moment| moment.offset).ok_or_else(wrong)?;
        let by = i64::from(to - from.offset.unwrap_or(0)) * 60 * civil::SECOND;
        let moved = Moment::from_total(from.total() + by, Some(to));
        Ok(moved.map_or(Value::Null, |moment| Value::Text(moment.text())))
    })?;
    add("tds_deeper", 2, |context| {
        let (depth, limit) = (number(context, 0).unwrap_or(0), number(context, 1).unwrap_or(0));
        if depth >= limit {
            let message = format!(
                "The statement terminated. The maximum recursion {limit} has been exhausted before statement completion."
            );
            return Err(SqlError::new(530, 16, message, 1));
        }
        Ok(Value::Integer(depth + 1))
    })?;
    add("tds_datediff", 3, |context| {
        let part = text_or_null(context, 0).unwrap_or_default();
        let (Some(from), Some(to)) = (moment(context, 1)?, moment(context, 2)?) else {
            return Ok(Value::Null);
        };
        let count = passed(&part, to)? - passed(&part, from)?;
        if i32::try_from(count).is_err() {
            let message = "The datediff function resulted in an overflow. The number of dateparts separating two \
                date/time instances is too large. Try to use datediff with a less precise datepart.";
            return Err(SqlError::new(535, 16, message, 1));
        }
        Ok(Value::Integer(count))
    })?;
    add("tds_dateadd", 3, |context| {
        let part = text_or_null(context, 0).unwrap_or_default();
        let (Some(count), Some(moment)) = (number(context, 1), moment(context, 2)?) else {
            return Ok(Value::Null);
        };
        later(&part, count, moment).map(|moment| Value::Text(moment.text()))
    })?;
    add("tds_datepart", 2, |context| {
        let part = text_or_null(context, 0).unwrap_or_default();
        moment(context, 1)?.map_or(Ok(Value::Null), |moment| piece(&part, moment).map(Value::Integer))
    })?;
    add("tds_year", 1, |context| {
        Ok(moment(context, 0)?.map_or(Value::Null, |m| Value::Integer(civil::civil(m.day).0)))
    })?;
    add("tds_month", 1, |context| {
        Ok(moment(context, 0)?.map_or(Value::Null, |m| Value::Integer(civil::civil(m.day).1)))
    })?;
    add("tds_day", 1, |context| Ok(moment(context, 0)?.map_or(Value::Null, |m| Value::Integer(civil::civil(m.day).2))))
}

#[derive(Debug)]
struct Marked(String);

impl std::fmt::Display for Marked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Marked {}

fn text_or_null(context: &Context<'_>, index: usize) -> Option<String> {
    match context.get_raw(index) {
        ValueRef::Null => None,
        value => Some(values::text(value)),
    }
}

fn number(context: &Context<'_>, index: usize) -> Option<i64> {
    match context.get_raw(index) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number),
        #[expect(clippy::cast_possible_truncation, reason = "a fraction is cut, as the server does")]
        ValueRef::Real(number) => Some(number as i64),
        value => values::text(value).trim().parse().ok(),
    }
}

fn moment(context: &Context<'_>, index: usize) -> Outcome<Option<Moment>> {
    match context.get_raw(index) {
        ValueRef::Null => Ok(None),
        // A number is days after 1900-01-01.
        ValueRef::Integer(days) => {
            Ok(Moment::from_total(civil::YEAR_1900.saturating_add(days).saturating_mul(DAY), None))
        }
        value => values::moment(value).map(Some),
    }
}

fn part(context: &Context<'_>, range: fn(usize, usize) -> (usize, usize)) -> Outcome<Value> {
    let (Some(text), Some(count)) = (text_or_null(context, 0), number(context, 1)) else {
        return Ok(Value::Null);
    };
    let message = "Invalid length parameter passed to the LEFT or SUBSTRING function.";
    let count = usize::try_from(count).map_err(|_| SqlError::new(537, 16, message, 1))?;
    let letters: Vec<u16> = text.encode_utf16().collect();
    let (from, to) = range(letters.len(), count);
    Ok(Value::Text(String::from_utf16_lossy(&letters[from..to])))
}

fn unknown_part(part: &str, function: &str) -> SqlError {
    SqlError::new(155, 15, format!("'{part}' is not a recognized {function} option."), 1)
}

/// Ticks of a part of fixed length.
fn ticks(part: &str) -> Option<i64> {
    Some(match part {
        "week" | "wk" | "ww" => 7 * DAY,
        "day" | "dd" | "d" | "dayofyear" => DAY,
        "hour" | "hh" => 3600 * SECOND,
        "minute" | "mi" | "n" => 60 * SECOND,
        "second" | "ss" | "s" => SECOND,
        "millisecond" | "ms" => SECOND / 1000,
        "microsecond" | "mcs" => SECOND / 1_000_000,
        _ => return None,
    })
}

/// Months of a part that has whole ones.
fn months(part: &str) -> Option<i64> {
    Some(match part {
        "year" | "yy" | "yyyy" => 12,
        "quarter" | "qq" | "q" => 3,
        "month" | "mm" | "m" => 1,
        _ => return None,
    })
}

/// How many boundaries of a part lie before a moment.
fn passed(part: &str, moment: Moment) -> Outcome<i64> {
    let utc = moment.total() - i64::from(moment.offset.unwrap_or(0)) * 60 * SECOND;
    if let Some(months) = months(part) {
        let (year, month, _) = civil::civil(moment.day);
        return Ok((year * 12 + month - 1).div_euclid(months));
    }
    if matches!(part, "week" | "wk" | "ww") {
        // Weeks begin on Sundays; 0001-01-01 was a Monday.
        return Ok((utc.div_euclid(DAY) + 1).div_euclid(7));
    }
    ticks(part).map(|ticks| utc.div_euclid(ticks)).ok_or_else(|| unknown_part(part, "datediff"))
}

fn later(part: &str, count: i64, moment: Moment) -> Outcome<Moment> {
    let message = "Adding a value to a 'datetime2' column caused an overflow.";
    let overflow = || SqlError::new(517, 16, message, 1);
    if let Some(months) = months(part) {
        let (year, month, day) = civil::civil(moment.day);
        let total = count.checked_mul(months).and_then(|more| more.checked_add(year * 12 + month - 1));
        let total = total.filter(|total| (12..120_000).contains(total)).ok_or_else(overflow)?;
        let (year, month) = (total / 12, total % 12 + 1);
        let day = day.min(civil::month_length(year, month));
        return Ok(Moment { day: civil::day_number(year, month, day), ..moment });
    }
    let ticks = ticks(part).ok_or_else(|| unknown_part(part, "dateadd"))?;
    let total = count.checked_mul(ticks).and_then(|more| more.checked_add(moment.total()));
    total.and_then(|total| Moment::from_total(total, moment.offset)).ok_or_else(overflow)
}

fn piece(part: &str, moment: Moment) -> Outcome<i64> {
    let (year, month, day) = civil::civil(moment.day);
    Ok(match part {
        "year" | "yy" | "yyyy" => year,
        "quarter" | "qq" | "q" => (month - 1) / 3 + 1,
        "month" | "mm" | "m" => month,
        "day" | "dd" | "d" => day,
        "dayofyear" | "dy" | "y" => moment.day - civil::day_number(year, 1, 1) + 1,
        "weekday" | "dw" | "w" => (moment.day + 1).rem_euclid(7) + 1,
        "hour" | "hh" => moment.ticks / (3600 * SECOND),
        "minute" | "mi" | "n" => moment.ticks / (60 * SECOND) % 60,
        "second" | "ss" | "s" => moment.ticks / SECOND % 60,
        "millisecond" | "ms" => moment.ticks % SECOND / 10_000,
        "tzoffset" | "tz" => i64::from(moment.offset.unwrap_or(0)),
        _ => return Err(unknown_part(part, "datepart")),
    })
}

/// CAST and CONVERT: value, type, style, whether a failure is NULL.
fn cast(context: &Context<'_>) -> Outcome<Value> {
    let value = context.get_raw(0);
    if matches!(value, ValueRef::Null) {
        return Ok(Value::Null);
    }
    let kind = text_or_null(context, 1).and_then(|name| Type::parse(&name)).unwrap_or(Type::NVarCharMax);
    match converted(value, kind, number(context, 2).unwrap_or(0)) {
        Err(_) if number(context, 3) == Some(1) => Ok(Value::Null),
        outcome => outcome,
    }
}

/// A value as another type.
pub(crate) fn converted(value: ValueRef<'_>, kind: Type, style: i64) -> Outcome<Value> {
    // Bytes as their digits, with 0x before them or without.
    if let (ValueRef::Blob(bytes), 1 | 2, true) = (value, style, kind.is_text()) {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let text = if style == 1 { format!("0x{digits}") } else { digits };
        return converted(ValueRef::Text(text.as_bytes()), kind, 0);
    }
    let text = values::text(value);
    let failed = |number: u32| {
        let message =
            format!("Conversion failed when converting the nvarchar value '{text}' to data type {}.", kind.name());
        SqlError::new(number, 16, message, 1)
    };
    let whole = |low: i64, high: i64| -> Outcome<Value> {
        let number = match value {
            ValueRef::Integer(number) => number,
            #[expect(clippy::cast_possible_truncation, reason = "a fraction is cut, as the server does")]
            ValueRef::Real(number) => number as i64,
            _ => text.trim().parse().map_err(|_| failed(245))?,
        };
        if (low..=high).contains(&number) {
            return Ok(Value::Integer(number));
        }
        let message = format!("Arithmetic overflow error converting expression to data type {}.", kind.name());
        Err(SqlError::new(8115, 16, message, 1))
    };
    let cut = |length: u16| Ok(Value::Text(styled(&text, style).chars().take(usize::from(length)).collect()));
    match kind {
        Type::Bit => Ok(Value::Integer(i64::from(!matches!(text.trim(), "0" | "0.0" | "false")))),
        Type::TinyInt => whole(0, 255),
        Type::SmallInt => whole(i64::from(i16::MIN), i64::from(i16::MAX)),
        Type::Int => whole(i64::from(i32::MIN), i64::from(i32::MAX)),
        Type::BigInt => whole(i64::MIN, i64::MAX),
        Type::Real | Type::Float => text.trim().parse().map(Value::Real).map_err(|_| failed(8114)),
        Type::Decimal { precision, scale, .. } => decimal(value, precision, scale),
        Type::Money => decimal(value, 19, 4),
        Type::SmallMoney => decimal(value, 10, 4),
        Type::Char(length) | Type::VarChar(length) | Type::NChar(length) | Type::NVarChar(length) => cut(length),
        Type::VarCharMax | Type::NVarCharMax | Type::Text | Type::NText => Ok(Value::Text(styled(&text, style))),
        Type::Date => Ok(Value::Text(civil::format_date(values::moment(value)?.day))),
        Type::Time(scale) => {
            let moment = values::moment(value)?.rounded(scale);
            Ok(moment.map_or(Value::Null, |moment| Value::Text(civil::format_time(moment.ticks))))
        }
        Type::DateTime | Type::SmallDateTime | Type::DateTime2(_) | Type::DateTimeOffset(_) => {
            let moment = values::moment(value)?;
            let scale = match kind {
                Type::DateTime2(scale) | Type::DateTimeOffset(scale) => scale,
                Type::SmallDateTime => 0,
                _ => 3,
            };
            let offset = if matches!(kind, Type::DateTimeOffset(_)) { moment.offset.or(Some(0)) } else { None };
            let moment = Moment { offset, ..moment }.rounded(scale);
            Ok(moment.map_or(Value::Null, |moment| Value::Text(moment.text())))
        }
        Type::Guid => Ok(Value::Text(text.to_ascii_uppercase())),
        Type::Binary(_) | Type::VarBinary(_) | Type::VarBinaryMax | Type::Image => Ok(match value {
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
            _ => Value::Blob(text.into_bytes()),
        }),
    }
}

/// A decimal as the database holds it: a number, or its digits where they are too many.
pub(crate) fn decimal(value: ValueRef<'_>, precision: u8, scale: u8) -> Outcome<Value> {
    let number = values::decimal(value, precision, scale).map_err(|error| SqlError { number: 8114, ..error })?;
    let text = decimal_text(number, scale);
    Ok(match text.parse() {
        _ if scale == 0 => text.parse().map_or(Value::Text(text), Value::Integer),
        Ok(real) if text.len() <= 15 => Value::Real(real),
        _ => Value::Text(text),
    })
}

pub(crate) fn decimal_text(number: i128, scale: u8) -> String {
    if scale == 0 {
        return number.to_string();
    }
    let sign = if number < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// A moment as a text in the form that a style asks for.
fn styled(text: &str, style: i64) -> String {
    let Some(moment) = civil::parse(text).filter(|_| style != 0 && text.len() >= 10) else {
        return text.to_owned();
    };
    let date = civil::format_date(moment.day);
    let time = civil::format_time(moment.ticks / SECOND * SECOND);
    let milliseconds = moment.ticks % SECOND / 10_000;
    match style {
        23 => date,
        112 => date.replace('-', ""),
        108 => time,
        20 | 120 => format!("{date} {time}"),
        21 | 121 => format!("{date} {time}.{milliseconds:03}"),
        126 if milliseconds == 0 => format!("{date}T{time}"),
        126 => format!("{date}T{time}.{milliseconds:03}"),
        _ => text.to_owned(),
    }
}
