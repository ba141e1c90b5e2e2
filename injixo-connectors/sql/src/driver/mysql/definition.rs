//! What a server says of a column.

use super::wire::lenenc_bytes;
use crate::driver::{Column, Kind};

/// What a server says of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) name: String,
    /// The number of the type.
    pub(super) code: u8,
    /// How many characters it takes to show a value.
    length: u32,
    flags: u16,
}

const UNSIGNED: u16 = 32;
const BINARY: u16 = 128;
const ENUM: u16 = 256;

impl Definition {
    /// Out of a packet.
    pub(super) fn of(mut body: &[u8]) -> Option<Self> {
        // Catalog, schema, table, its own name, the column, its own name.
        let mut names = [&[][..]; 6];
        for name in &mut names {
            (*name, body) = lenenc_bytes(body)?;
        }
        // The number of bytes that follow, the character set, then these.
        let (&[_, _, _, a, b, c, d, code, flags, more_flags, _], _) = body.split_first_chunk::<11>()?;
        // An expression has no other name.
        let name = if names[4].is_empty() { names[5] } else { names[4] };
        Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            code,
            length: u32::from_le_bytes([a, b, c, d]),
            flags: u16::from_le_bytes([flags, more_flags]),
        })
    }

    pub(super) fn column(self) -> Column {
        let type_name = self.type_name();
        Column { kind: kind(type_name), name: self.name, type_name: type_name.to_owned() }
    }

    pub(super) fn kind(&self) -> Kind {
        kind(self.type_name())
    }

    pub(super) fn is_unsigned(&self) -> bool {
        self.flags & UNSIGNED != 0
    }

    /// What MySQL calls the type.
    fn type_name(&self) -> &'static str {
        let is = |flag: u16| self.flags & flag != 0;
        let either = |flag: u16, with: &'static str, without: &'static str| if is(flag) { with } else { without };
        match self.code {
            0x01 if self.length == 1 => "BOOLEAN",
            0x01 => either(UNSIGNED, "TINYINT UNSIGNED", "TINYINT"),
            0x02 => either(UNSIGNED, "SMALLINT UNSIGNED", "SMALLINT"),
            0x03 => either(UNSIGNED, "INT UNSIGNED", "INT"),
            0x04 => "FLOAT",
            0x05 => "DOUBLE",
            0x06 => "NULL",
            0x07 => "TIMESTAMP",
            0x08 => either(UNSIGNED, "BIGINT UNSIGNED", "BIGINT"),
            0x09 => either(UNSIGNED, "MEDIUMINT UNSIGNED", "MEDIUMINT"),
            0x0A => "DATE",
            0x0B => "TIME",
            0x0C => "DATETIME",
            0x0D => "YEAR",
            0x0F | 0xFD => either(BINARY, "VARBINARY", "VARCHAR"),
            0x10 => "BIT",
            0xF5 => "JSON",
            0x00 | 0xF6 => "DECIMAL",
            0xF7 => "ENUM",
            0xF8 => "SET",
            0xF9 => either(BINARY, "TINYBLOB", "TINYTEXT"),
            0xFA => either(BINARY, "MEDIUMBLOB", "MEDIUMTEXT"),
            0xFB => either(BINARY, "LONGBLOB", "LONGTEXT"),
            0xFC => either(BINARY, "BLOB", "TEXT"),
            0xFE if is(BINARY) => "BINARY",
            0xFE => either(ENUM, "ENUM", "CHAR"),
            0xFF => "GEOMETRY",
            _ => "of an unknown number",
        }
    }
}

fn kind(type_name: &str) -> Kind {
    match type_name {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "TINYINT UNSIGNED"
        | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED" | "YEAR" | "BIT" => Kind::Int,
        "DECIMAL" => Kind::Decimal,
        "FLOAT" | "DOUBLE" => Kind::Float,
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" | "VARBINARY"
        | "BINARY" => Kind::Text,
        "DATETIME" | "DATE" => Kind::Local,
        "TIMESTAMP" => Kind::Instant,
        "TIME" => Kind::Length,
        _ => Kind::Other,
    }
}

/// A definition as a server would send it.
#[cfg(test)]
pub(super) fn packet(name: &str, code: u8, length: u32, flags: u16) -> Vec<u8> {
    let mut body = b"\x03def\0\0\0".to_vec();
    body.push(u8::try_from(name.len()).unwrap());
    body.extend(name.as_bytes());
    body.extend([0, 0x0C, 45, 0]);
    body.extend(length.to_le_bytes());
    body.push(code);
    body.extend(flags.to_le_bytes());
    body.extend([0; 3]);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_taken_apart() {
        for (code, length, flags, type_name, kind) in [
            (0x01, 1, 0, "BOOLEAN", Kind::Int),
            (0x01, 4, UNSIGNED, "TINYINT UNSIGNED", Kind::Int),
            (0x08, 20, 0, "BIGINT", Kind::Int),
            (0xFD, 40, 0, "VARCHAR", Kind::Text),
            (0xFE, 40, BINARY | ENUM, "BINARY", Kind::Text),
            (0xFE, 40, ENUM, "ENUM", Kind::Text),
            (0xFC, 40, BINARY, "BLOB", Kind::Other),
            (0xFC, 40, 0, "TEXT", Kind::Text),
            (0x07, 19, BINARY, "TIMESTAMP", Kind::Instant),
            (0xF2, 0, 0, "of an unknown number", Kind::Other),
        ] {
            let column = Definition::of(&packet("Zoë", code, length, flags)).unwrap().column();
            assert_eq!(column, Column { name: "Zoë".to_owned(), kind, type_name: type_name.to_owned() });
        }
        let whole = packet("c", 1, 1, 0);
        // The last two bytes say nothing.
        for length in 0..whole.len() - 2 {
            assert_eq!(Definition::of(&whole[..length]), None, "{length}");
        }
    }
}
