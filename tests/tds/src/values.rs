//! Values of the database as the bytes that a column's type asks for.

use rusqlite::types::ValueRef;

use crate::civil::{self, Moment};
use crate::error::{Outcome, SqlError};
use crate::types::{Type, Version, decimal_bytes, put_parts, time_bytes};
use crate::wire::{count16, count32, narrow, wide};

/// Writes a value with its length, or NULL. `fixed` is the form without a length, for columns that are never NULL.
pub(crate) fn put(kind: Type, version: Version, fixed: bool, value: ValueRef<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let sent = kind.for_version(version);
    if matches!(value, ValueRef::Null) {
        if fixed {
            return Err(SqlError::beyond("NULL in a column that is declared NOT NULL", 1));
        }
        put_null(sent, out);
        return Ok(());
    }
    if sent != kind && matches!(kind, Type::Date | Type::Time(_) | Type::DateTime2(_) | Type::DateTimeOffset(_)) {
        return put_sized(sent, &wide(&padded_text(kind, value)?), out);
    }
    let start = out.len();
    if !fixed && has_byte_length(kind) {
        out.push(0);
    }
    match kind {
        Type::Bit => out.push(u8::from(integer(value, kind)? != 0)),
        Type::TinyInt => out.push(u8::try_from(integer(value, kind)?).map_err(|_| overflow(kind))?),
        Type::SmallInt => out.extend(i16::try_from(integer(value, kind)?).map_err(|_| overflow(kind))?.to_le_bytes()),
        Type::Int => out.extend(i32::try_from(integer(value, kind)?).map_err(|_| overflow(kind))?.to_le_bytes()),
        Type::BigInt => out.extend(integer(value, kind)?.to_le_bytes()),
        Type::Real => {
            #[expect(clippy::cast_possible_truncation, reason = "a real holds the nearest number")]
            let near = float(value)? as f32;
            out.extend(near.to_le_bytes());
        }
        Type::Float => out.extend(float(value)?.to_le_bytes()),
        Type::Decimal { precision, scale, .. } => put_decimal(decimal(value, precision, scale)?, precision, out),
        Type::Money => {
            let amount = i64::try_from(decimal(value, 19, 4)?).map_err(|_| overflow(kind))?.to_le_bytes();
            out.extend(&amount[4..]);
            out.extend(&amount[..4]);
        }
        Type::SmallMoney => {
            out.extend(i32::try_from(decimal(value, 10, 4)?).map_err(|_| overflow(kind))?.to_le_bytes());
        }
        Type::Date => put_day(moment(value)?.day, out),
        Type::Time(scale) => {
            let moment = Moment { day: 1, ..moment(value)? };
            // A time of day that is rounded up to midnight wraps around.
            let ticks = moment.rounded(scale).map_or(0, |rounded| rounded.ticks);
            put_time(ticks, scale, out);
        }
        Type::DateTime => put_datetime(moment(value)?, out)?,
        Type::SmallDateTime => {
            let total = moment(value)?.total() + 30 * civil::SECOND;
            let day = u16::try_from(total.div_euclid(civil::DAY) - civil::YEAR_1900).map_err(|_| overflow(kind))?;
            let minute = u16::try_from(total.rem_euclid(civil::DAY) / (60 * civil::SECOND)).unwrap_or_default();
            out.extend(day.to_le_bytes());
            out.extend(minute.to_le_bytes());
        }
        Type::DateTime2(scale) => {
            let moment = moment(value)?.rounded(scale).ok_or_else(|| overflow(kind))?;
            put_time(moment.ticks, scale, out);
            put_day(moment.day, out);
        }
        Type::DateTimeOffset(scale) => {
            let moment = moment(value)?.rounded(scale).ok_or_else(|| overflow(kind))?;
            let offset = moment.offset.unwrap_or(0);
            let utc = moment.total() - i64::from(offset) * 60 * civil::SECOND;
            let utc = Moment::from_total(utc, None).ok_or_else(|| overflow(kind))?;
            put_time(utc.ticks, scale, out);
            put_day(utc.day, out);
            out.extend(offset.to_le_bytes());
        }
        Type::Guid => out.extend(guid(value)?),
        Type::Char(length) => return put_sized(sent, &fitted(narrow(&text(value)), length, b" "), out),
        Type::NChar(length) => return put_sized(sent, &fitted(wide(&text(value)), length * 2, b" \0"), out),
        Type::VarChar(_) | Type::VarCharMax | Type::Text => return put_sized(sent, &narrow(&text(value)), out),
        Type::NVarChar(_) | Type::NVarCharMax | Type::NText => return put_sized(sent, &wide(&text(value)), out),
        Type::Binary(length) => return put_sized(sent, &fitted(bytes(value), length, b"\0"), out),
        Type::VarBinary(_) | Type::VarBinaryMax | Type::Image => return put_sized(sent, &bytes(value), out),
    }
    if !fixed {
        out[start] = u8::try_from(out.len() - start - 1).unwrap_or_default();
    }
    Ok(())
}

fn has_byte_length(kind: Type) -> bool {
    !kind.is_text() && !matches!(kind, Type::Image | Type::Binary(_) | Type::VarBinary(_) | Type::VarBinaryMax)
}

fn put_null(kind: Type, out: &mut Vec<u8>) {
    match kind {
        Type::VarCharMax | Type::NVarCharMax | Type::VarBinaryMax => out.extend(u64::MAX.to_le_bytes()),
        kind if has_byte_length(kind) || kind.is_long() => out.push(0),
        _ => out.extend(u16::MAX.to_le_bytes()),
    }
}

/// A text or bytes, cut where the type has no more room.
fn put_sized(kind: Type, value: &[u8], out: &mut Vec<u8>) -> Outcome<()> {
    let limit = match kind {
        Type::Char(length) | Type::VarChar(length) | Type::Binary(length) | Type::VarBinary(length) => length,
        Type::NChar(length) | Type::NVarChar(length) => length * 2,
        Type::VarCharMax | Type::NVarCharMax | Type::VarBinaryMax => {
            put_parts(value, out);
            return Ok(());
        }
        _ => {
            out.push(16);
            out.extend([0x2A; 16]);
            out.extend([0; 8]);
            out.extend(count32(value.len()).to_le_bytes());
            out.extend(value);
            return Ok(());
        }
    };
    if value.len() > usize::from(limit) {
        let message = format!("A stored value of {} bytes does not fit in {}.", value.len(), kind.name());
        return Err(SqlError::new(8152, 16, message, 1));
    }
    out.extend(count16(value.len()).to_le_bytes());
    out.extend(value);
    Ok(())
}

fn fitted(mut value: Vec<u8>, length: u16, filler: &[u8]) -> Vec<u8> {
    while value.len() < usize::from(length) {
        value.extend(filler);
    }
    value
}

fn overflow(kind: Type) -> SqlError {
    SqlError::new(8115, 16, format!("Arithmetic overflow error converting expression to data type {}.", kind.name()), 1)
}

fn unfit(value: ValueRef<'_>, kind: &str) -> SqlError {
    let message = format!("Conversion failed when converting the value '{}' to data type {kind}.", text(value));
    SqlError::new(245, 16, message, 1)
}

/// The text of a value.
pub(crate) fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => crate::wire::from_narrow(bytes),
    }
}

fn bytes(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Blob(bytes) => bytes.to_vec(),
        other => text(other).into_bytes(),
    }
}

fn integer(value: ValueRef<'_>, kind: Type) -> Outcome<i64> {
    match value {
        ValueRef::Integer(number) => Ok(number),
        ValueRef::Real(number) => {
            let whole = number.trunc();
            if whole.abs() < 9.2e18 {
                format!("{whole:.0}").parse().map_err(|_| overflow(kind))
            } else {
                Err(overflow(kind))
            }
        }
        other => text(other).trim().parse().map_err(|_| unfit(value, &kind.name())),
    }
}

fn float(value: ValueRef<'_>) -> Outcome<f64> {
    match value {
        ValueRef::Real(number) => Ok(number),
        other => text(other).trim().parse().map_err(|_| unfit(value, "float")),
    }
}

/// A number in units of the last digit after the point.
pub(crate) fn decimal(value: ValueRef<'_>, precision: u8, scale: u8) -> Outcome<i128> {
    let written = match value {
        ValueRef::Real(number) => format!("{number:.*}", usize::from(scale)),
        other => text(other),
    };
    let written = written.trim();
    let unsigned = written.trim_start_matches(['-', '+']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
        return Err(unfit(value, "numeric"));
    }
    let too_big = || overflow(Type::Decimal { precision, scale, numeric: true });
    let scale_digits = usize::from(scale);
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(scale_digits).collect();
    let digits = format!("{whole}{kept}");
    let mut number: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| too_big())? };
    if fraction.as_bytes().get(scale_digits).is_some_and(|digit| *digit >= b'5') {
        number += 1;
    }
    if number >= 10_i128.pow(u32::from(precision)) {
        return Err(too_big());
    }
    Ok(if written.starts_with('-') { -number } else { number })
}

fn put_decimal(number: i128, precision: u8, out: &mut Vec<u8>) {
    out.push(u8::from(number >= 0));
    let magnitude = number.unsigned_abs().to_le_bytes();
    out.extend(&magnitude[..usize::from(decimal_bytes(precision)) - 1]);
}

/// The moment that a stored text names.
pub(crate) fn moment(value: ValueRef<'_>) -> Outcome<Moment> {
    let message = "Conversion failed when converting date and/or time from character string.";
    civil::parse(&text(value)).ok_or_else(|| SqlError::new(241, 16, message, 1))
}

fn put_day(day: i64, out: &mut Vec<u8>) {
    out.extend(&day.to_le_bytes()[..3]);
}

fn put_time(ticks: i64, scale: u8, out: &mut Vec<u8>) {
    let units = ticks / 10_i64.pow(7 - u32::from(scale));
    out.extend(&units.to_le_bytes()[..usize::from(time_bytes(scale))]);
}

fn put_datetime(moment: Moment, out: &mut Vec<u8>) -> Outcome<()> {
    // 300 units in a second.
    let mut units = (moment.ticks * 3 + 50_000) / 100_000;
    let mut day = moment.day - civil::YEAR_1900;
    if units >= 86_400 * 300 {
        units = 0;
        day += 1;
    }
    if !(civil::day_number(1753, 1, 1)..=civil::LAST_DAY).contains(&(day + civil::YEAR_1900)) {
        let message =
            "The conversion of a varchar data type to a datetime data type resulted in an out-of-range value.";
        return Err(SqlError::new(242, 16, message, 1));
    }
    out.extend(&day.to_le_bytes()[..4]);
    out.extend(&units.to_le_bytes()[..4]);
    Ok(())
}

/// A date or time with all the digits of its type, as older clients are sent it.
pub(crate) fn padded_text(kind: Type, value: ValueRef<'_>) -> Outcome<String> {
    let moment = moment(value)?;
    let padded = |scale: u8| -> Outcome<(Moment, String)> {
        let rounded = moment.rounded(scale).ok_or_else(|| overflow(kind))?;
        let whole = civil::format_time(rounded.ticks / civil::SECOND * civil::SECOND);
        let fraction = format!("{:07}", rounded.ticks % civil::SECOND);
        let digits = &fraction[..usize::from(scale)];
        Ok((rounded, if scale == 0 { whole } else { format!("{whole}.{digits}") }))
    };
    Ok(match kind {
        Type::Date => civil::format_date(moment.day),
        Type::Time(scale) => padded(scale)?.1,
        Type::DateTimeOffset(scale) => {
            let (rounded, time) = padded(scale)?;
            let offset = rounded.offset.unwrap_or(0);
            let sign = if offset < 0 { '-' } else { '+' };
            let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
            format!("{} {time} {sign}{hours:02}:{minutes:02}", civil::format_date(rounded.day))
        }
        Type::DateTime2(scale) => {
            let (rounded, time) = padded(scale)?;
            format!("{} {time}", civil::format_date(rounded.day))
        }
        _ => moment.text(),
    })
}

/// The bytes of a GUID: its first three parts are little-endian.
fn guid(value: ValueRef<'_>) -> Outcome<[u8; 16]> {
    let written = text(value);
    let fail =
        || SqlError::new(8169, 16, "Conversion failed when converting from a character string to uniqueidentifier.", 1);
    let digits: Vec<u8> = written.bytes().filter(|byte| !matches!(byte, b'-' | b'{' | b'}')).collect();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(fail());
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| fail())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| fail())?;
    }
    swap_guid(&mut bytes);
    Ok(bytes)
}

pub(crate) fn swap_guid(bytes: &mut [u8; 16]) {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
}
