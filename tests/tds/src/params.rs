//! The parameters of procedures: a type and a value each.

use rusqlite::types::Value;

use crate::civil::{Moment, SECOND, YEAR_1900, format_date, format_time};
use crate::error::{Outcome, SqlError};
use crate::functions::decimal_text;
use crate::types::{Type, Version, time_bytes};
use crate::wire::{Reader, from_narrow, text};

/// One parameter of a call.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) value: Value,
}

impl Parameter {
    pub(crate) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(crate) fn int(&self) -> Option<i32> {
        match &self.value {
            Value::Integer(number) => i32::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// Reads the next parameter.
pub(crate) fn read(reader: &mut Reader<'_>, version: Version) -> Outcome<Parameter> {
    let name = reader.short_text()?;
    let _status = reader.u8()?;
    let (kind, value) = typed(reader, version)?;
    Ok(Parameter { name, kind, value })
}

fn wrong(what: &str) -> SqlError {
    SqlError::protocol(&format!("A parameter has {what}."))
}

/// TYPE_INFO and a value.
fn typed(reader: &mut Reader<'_>, version: Version) -> Outcome<(Type, Value)> {
    let code = reader.u8()?;
    match code {
        0x1F => Ok((Type::Int, Value::Null)),
        0x30 => number(reader, 1, code, 1),
        0x32 | 0x34 | 0x38 | 0x3A | 0x3B | 0x3C | 0x3D | 0x3E | 0x7A | 0x7F => {
            let bytes = match code {
                0x32 => 1,
                0x34 => 2,
                0x38 | 0x3A | 0x3B | 0x7A => 4,
                _ => 8,
            };
            number(reader, bytes, code, bytes)
        }
        0x24 | 0x26 | 0x68 | 0x6D | 0x6E | 0x6F => {
            let declared = reader.u8()?;
            let length = reader.u8()?;
            number(reader, length, code, declared)
        }
        0x37 | 0x3F | 0x6A | 0x6C => {
            reader.u8()?;
            let (precision, scale) = (reader.u8()?, reader.u8()?);
            if !(1..=38).contains(&precision) || scale > precision {
                return Err(wrong("an unknown precision"));
            }
            let kind = Type::Decimal { precision, scale, numeric: matches!(code, 0x3F | 0x6C) };
            let length = usize::from(reader.u8()?);
            if length == 0 {
                return Ok((kind, Value::Null));
            }
            let bytes = reader.take(length)?;
            let mut magnitude = [0; 16];
            let digits = magnitude.get_mut(..length - 1).ok_or_else(|| wrong("too many digits"))?;
            digits.copy_from_slice(&bytes[1..]);
            let number = i128::try_from(u128::from_le_bytes(magnitude)).map_err(|_| wrong("too many digits"))?;
            let written = decimal_text(if bytes[0] == 0 { -number } else { number }, scale);
            let value =
                crate::functions::decimal(rusqlite::types::ValueRef::Text(written.as_bytes()), precision, scale)?;
            Ok((kind, value))
        }
        0x28 => {
            let length = usize::from(reader.u8()?);
            moment(Type::Date, reader.take(length)?)
        }
        0x29..=0x2B => {
            let scale = reader.u8()?;
            if scale > 7 {
                return Err(wrong("an unknown scale"));
            }
            let kind = match code {
                0x29 => Type::Time(scale),
                0x2A => Type::DateTime2(scale),
                _ => Type::DateTimeOffset(scale),
            };
            let length = usize::from(reader.u8()?);
            moment(kind, reader.take(length)?)
        }
        0xA5 | 0xAD => {
            let declared = reader.u16()?;
            let bytes = sized(reader, declared)?;
            let kind = match (code, declared) {
                (_, u16::MAX) => Type::VarBinaryMax,
                (0xAD, length) => Type::Binary(length),
                (_, length) => Type::VarBinary(length),
            };
            Ok((kind, bytes.map_or(Value::Null, Value::Blob)))
        }
        0xA7 | 0xAF | 0xE7 | 0xEF => {
            let declared = reader.u16()?;
            reader.take(5)?;
            let bytes = sized(reader, declared)?;
            let kind = match (code, declared) {
                (0xE7 | 0xEF, u16::MAX) => Type::NVarCharMax,
                (0xE7, length) => Type::NVarChar((length / 2).max(1)),
                (0xEF, length) => Type::NChar((length / 2).max(1)),
                (_, u16::MAX) => Type::VarCharMax,
                (0xAF, length) => Type::Char(length),
                (_, length) => Type::VarChar(length),
            };
            let read = |bytes: Vec<u8>| if code >= 0xE7 { text(&bytes) } else { from_narrow(&bytes) };
            Ok((kind, bytes.map_or(Value::Null, |bytes| Value::Text(read(bytes)))))
        }
        0x22 | 0x23 | 0x63 => {
            reader.u32()?;
            if code != 0x22 && version >= Version::V7_1 {
                reader.take(5)?;
            }
            let length = reader.u32()?;
            let kind = match code {
                0x22 => Type::Image,
                0x23 => Type::Text,
                _ => Type::NText,
            };
            if length == u32::MAX {
                return Ok((kind, Value::Null));
            }
            let bytes = reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
            Ok((
                kind,
                match code {
                    0x22 => Value::Blob(bytes.to_vec()),
                    0x23 => Value::Text(from_narrow(bytes)),
                    _ => Value::Text(text(bytes)),
                },
            ))
        }
        _ => Err(wrong(&format!("the type 0x{code:02X}, which the stand-in does not read"))),
    }
}

/// Bytes after a length of two bytes, or in parts.
fn sized(reader: &mut Reader<'_>, declared: u16) -> Outcome<Option<Vec<u8>>> {
    if declared < u16::MAX {
        let length = reader.u16()?;
        return if length == u16::MAX { Ok(None) } else { Ok(Some(reader.take(usize::from(length))?.to_vec())) };
    }
    if reader.u64()? == u64::MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    loop {
        let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(Some(bytes));
        }
        bytes.extend(reader.take(length)?);
    }
}

/// A value of up to eight bytes, or a GUID.
fn number(reader: &mut Reader<'_>, length: u8, code: u8, declared: u8) -> Outcome<(Type, Value)> {
    let kind = match (code, declared) {
        (0x24, _) => Type::Guid,
        (0x32 | 0x68, _) => Type::Bit,
        (0x30, _) | (0x26, 1) => Type::TinyInt,
        (0x34, _) | (0x26, 2) => Type::SmallInt,
        (0x38, _) | (0x26, 4) => Type::Int,
        (0x7F, _) | (0x26, 8) => Type::BigInt,
        (0x3B, _) | (0x6D, 4) => Type::Real,
        (0x3E, _) | (0x6D, 8) => Type::Float,
        (0x3C, _) | (0x6E, 8) => Type::Money,
        (0x7A, _) | (0x6E, 4) => Type::SmallMoney,
        (0x3D, _) | (0x6F, 8) => Type::DateTime,
        (0x3A, _) | (0x6F, 4) => Type::SmallDateTime,
        _ => return Err(wrong("a number of unknown length")),
    };
    let bytes = reader.take(usize::from(length))?;
    if bytes.is_empty() {
        return Ok((kind, Value::Null));
    }
    if kind == Type::Guid {
        let mut guid: [u8; 16] = bytes.try_into().map_err(|_| wrong("a GUID of another length"))?;
        crate::values::swap_guid(&mut guid);
        let hex: String = guid.iter().map(|byte| format!("{byte:02X}")).collect();
        let written = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        return Ok((kind, Value::Text(written)));
    }
    let value = Reader::new(bytes).unsigned(bytes.len())?;
    let all = value.to_le_bytes();
    let [a, b, c, d, ..] = all;
    let low = [a, b, c, d];
    let long = i64::from_le_bytes(all);
    let same_length = u8::try_from(bytes.len()) == Ok(declared);
    if !same_length {
        return Err(wrong("a value of another length than its type"));
    }
    let value = match kind {
        Type::SmallInt => Value::Integer(i64::from(i16::from_le_bytes([a, b]))),
        Type::Int => Value::Integer(i64::from(i32::from_le_bytes(low))),
        Type::Real => Value::Real(f64::from(f32::from_le_bytes(low))),
        Type::Float => Value::Real(f64::from_le_bytes(all)),
        Type::SmallMoney => money(i64::from(i32::from_le_bytes(low)))?,
        Type::Money => {
            let [a, b, c, d, e, f, g, h] = all;
            money(i64::from_le_bytes([e, f, g, h, a, b, c, d]))?
        }
        Type::DateTime => {
            let [_, _, _, _, e, f, g, h] = all;
            let day = i64::from(i32::from_le_bytes(low)) + YEAR_1900;
            // The three hundredth parts are rounded to milliseconds.
            let ticks = (i64::from(u32::from_le_bytes([e, f, g, h])) * 10 + 1) / 3 * 10_000;
            written(day, ticks)?
        }
        Type::SmallDateTime => {
            let day = i64::from(u16::from_le_bytes([a, b])) + YEAR_1900;
            written(day, i64::from(u16::from_le_bytes([c, d])) * 60 * SECOND)?
        }
        _ => Value::Integer(long),
    };
    Ok((kind, value))
}

fn money(amount: i64) -> Outcome<Value> {
    let text = decimal_text(i128::from(amount), 4);
    crate::functions::decimal(rusqlite::types::ValueRef::Text(text.as_bytes()), 19, 4)
}

fn written(day: i64, ticks: i64) -> Outcome<Value> {
    let total = day.saturating_mul(crate::civil::DAY).saturating_add(ticks);
    let moment = Moment::from_total(total, None).ok_or_else(|| wrong("a moment that does not exist"))?;
    Ok(Value::Text(moment.text()))
}

fn moment(kind: Type, bytes: &[u8]) -> Outcome<(Type, Value)> {
    if bytes.is_empty() {
        return Ok((kind, Value::Null));
    }
    let mut reader = Reader::new(bytes);
    let mut ticks = 0;
    if let Type::Time(scale) | Type::DateTime2(scale) | Type::DateTimeOffset(scale) = kind {
        let units = i64::try_from(reader.unsigned(usize::from(time_bytes(scale)))?).unwrap_or(i64::MAX);
        ticks = units.saturating_mul(10_i64.pow(7 - u32::from(scale)));
    }
    if ticks >= crate::civil::DAY {
        return Err(wrong("a time after midnight"));
    }
    if matches!(kind, Type::Time(_)) {
        return Ok((kind, Value::Text(format_time(ticks))));
    }
    let day = i64::try_from(reader.unsigned(3)?).unwrap_or(i64::MAX);
    let moment = Moment::from_total(day.saturating_mul(crate::civil::DAY).saturating_add(ticks), None);
    let moment = moment.ok_or_else(|| wrong("a day that does not exist"))?;
    Ok((
        kind,
        Value::Text(match kind {
            Type::Date => format_date(day),
            Type::DateTimeOffset(_) => {
                let offset = i16::from_le_bytes(reader.array()?);
                let local = moment.total() + i64::from(offset) * 60 * SECOND;
                let local = Moment::from_total(local, Some(offset).filter(|offset| (-840..=840).contains(offset)));
                local.ok_or_else(|| wrong("a moment that does not exist"))?.text()
            }
            _ => moment.text(),
        }),
    ))
}
