//! The types of columns and how COLMETADATA describes them.

use crate::wire::{count16, count32};

/// The version of the protocol that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// SQL Server 2000.
    V7_1,
    /// SQL Server 2005.
    V7_2,
    /// SQL Server 2008.
    V7_3,
    /// SQL Server 2012 and later.
    V7_4,
}

/// `SQL_Latin1_General_CP1_CI_AS`.
pub(crate) const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0x00, 0x34];
pub(crate) const COLLATION_NAME: &str = "SQL_Latin1_General_CP1_CI_AS";

/// The type of a column, a parameter or an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Real,
    Float,
    Decimal { precision: u8, scale: u8, numeric: bool },
    Money,
    SmallMoney,
    Char(u16),
    VarChar(u16),
    VarCharMax,
    NChar(u16),
    NVarChar(u16),
    NVarCharMax,
    Text,
    NText,
    Image,
    Date,
    Time(u8),
    DateTime,
    SmallDateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    Guid,
    Binary(u16),
    VarBinary(u16),
    VarBinaryMax,
}

impl Type {
    /// The type that a declaration names: `nvarchar(20)`. A second word `text` lets the database hold digits as they
    /// are: `decimal text(38,10)`.
    pub(crate) fn parse(declared: &str) -> Option<Self> {
        let lower = declared.to_ascii_lowercase();
        let lower = lower.trim_matches(['"', '[', ']', ' ']);
        let (name, arguments) = match lower.split_once('(') {
            None => (lower, ""),
            Some((name, rest)) => (name, rest.trim_end_matches([')', ' '])),
        };
        let name = name.trim();
        let name = name.strip_suffix(" text").unwrap_or(name).trim().trim_matches(['"', '[', ']']);
        let mut arguments = arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty());
        let first = arguments.next();
        let second = arguments.next();
        let is_max = matches!(first, Some("max" | "-1"));
        let length = |limit: u16| match first {
            None => Some(1),
            Some(text) => text.parse::<u16>().ok().filter(|length| (1..=limit).contains(length)),
        };
        let scale = || match first {
            None => Some(7),
            Some(text) => text.parse::<u8>().ok().filter(|scale| *scale <= 7),
        };
        Some(match name {
            "bit" => Self::Bit,
            "tinyint" => Self::TinyInt,
            "smallint" => Self::SmallInt,
            "int" | "integer" => Self::Int,
            "bigint" => Self::BigInt,
            "real" => Self::Real,
            "float" | "double precision" => match first.map(str::parse::<u8>) {
                Some(Ok(digits)) if digits <= 24 => Self::Real,
                _ => Self::Float,
            },
            "decimal" | "dec" | "numeric" => {
                let precision = first.map_or(Ok(18), str::parse).ok().filter(|digits| (1..=38).contains(digits))?;
                let scale = second.map_or(Ok(0), str::parse).ok().filter(|digits| *digits <= precision)?;
                Self::Decimal { precision, scale, numeric: name == "numeric" }
            }
            "money" => Self::Money,
            "smallmoney" => Self::SmallMoney,
            "char" | "character" => Self::Char(length(8000)?),
            "varchar" if is_max => Self::VarCharMax,
            "varchar" => Self::VarChar(length(8000)?),
            "nchar" => Self::NChar(length(4000)?),
            "nvarchar" if is_max => Self::NVarCharMax,
            "nvarchar" => Self::NVarChar(length(4000)?),
            "sysname" => Self::NVarChar(128),
            "text" => Self::Text,
            "ntext" => Self::NText,
            "image" => Self::Image,
            "date" => Self::Date,
            "time" => Self::Time(scale()?),
            "datetime" => Self::DateTime,
            "smalldatetime" => Self::SmallDateTime,
            "datetime2" => Self::DateTime2(scale()?),
            "datetimeoffset" => Self::DateTimeOffset(scale()?),
            "uniqueidentifier" => Self::Guid,
            "binary" => Self::Binary(length(8000)?),
            "varbinary" if is_max => Self::VarBinaryMax,
            "varbinary" => Self::VarBinary(length(8000)?),
            _ => return None,
        })
    }

    /// The type with its arguments: `system_type_name`.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Bit => "bit".into(),
            Self::TinyInt => "tinyint".into(),
            Self::SmallInt => "smallint".into(),
            Self::Int => "int".into(),
            Self::BigInt => "bigint".into(),
            Self::Real => "real".into(),
            Self::Float => "float".into(),
            Self::Decimal { precision, scale, numeric } => {
                format!("{}({precision},{scale})", if numeric { "numeric" } else { "decimal" })
            }
            Self::Money => "money".into(),
            Self::SmallMoney => "smallmoney".into(),
            Self::Char(length) => format!("char({length})"),
            Self::VarChar(length) => format!("varchar({length})"),
            Self::VarCharMax => "varchar(max)".into(),
            Self::NChar(length) => format!("nchar({length})"),
            Self::NVarChar(length) => format!("nvarchar({length})"),
            Self::NVarCharMax => "nvarchar(max)".into(),
            Self::Text => "text".into(),
            Self::NText => "ntext".into(),
            Self::Image => "image".into(),
            Self::Date => "date".into(),
            Self::Time(scale) => format!("time({scale})"),
            Self::DateTime => "datetime".into(),
            Self::SmallDateTime => "smalldatetime".into(),
            Self::DateTime2(scale) => format!("datetime2({scale})"),
            Self::DateTimeOffset(scale) => format!("datetimeoffset({scale})"),
            Self::Guid => "uniqueidentifier".into(),
            Self::Binary(length) => format!("binary({length})"),
            Self::VarBinary(length) => format!("varbinary({length})"),
            Self::VarBinaryMax => "varbinary(max)".into(),
        }
    }

    /// What a client of an older version is sent in its place.
    pub(crate) fn for_version(self, version: Version) -> Self {
        if version < Version::V7_3 {
            match self {
                Self::Date => return Self::NVarChar(10),
                Self::Time(_) => return Self::NVarChar(16),
                Self::DateTime2(_) => return Self::NVarChar(27),
                Self::DateTimeOffset(_) => return Self::NVarChar(34),
                _ => {}
            }
        }
        match self {
            Self::VarCharMax if version < Version::V7_2 => Self::Text,
            Self::NVarCharMax if version < Version::V7_2 => Self::NText,
            Self::VarBinaryMax if version < Version::V7_2 => Self::Image,
            other => other,
        }
    }

    /// Whether a column that is never NULL has a form without a length before each value.
    pub(crate) fn has_fixed_form(self) -> bool {
        use Type::{BigInt, Bit, DateTime, Float, Int, Money, Real, SmallDateTime, SmallInt, SmallMoney, TinyInt};
        matches!(
            self,
            Bit | TinyInt | SmallInt | Int | BigInt | Real | Float | Money | SmallMoney | DateTime | SmallDateTime
        )
    }

    /// Whether a value is sent as a text pointer and a long value.
    pub(crate) fn is_long(self) -> bool {
        matches!(self, Self::Text | Self::NText | Self::Image)
    }

    /// The code of the type and, for numbers and the like, the bytes of a value: fixed form, nullable form, bytes.
    fn codes(self) -> (u8, u8, u8) {
        match self {
            Self::Bit => (0x32, 0x68, 1),
            Self::TinyInt => (0x30, 0x26, 1),
            Self::SmallInt => (0x34, 0x26, 2),
            Self::Int => (0x38, 0x26, 4),
            Self::BigInt => (0x7F, 0x26, 8),
            Self::Real => (0x3B, 0x6D, 4),
            Self::Float => (0x3E, 0x6D, 8),
            Self::Money => (0x3C, 0x6E, 8),
            Self::SmallMoney => (0x7A, 0x6E, 4),
            Self::DateTime => (0x3D, 0x6F, 8),
            Self::SmallDateTime => (0x3A, 0x6F, 4),
            Self::Decimal { precision, numeric, .. } => {
                (0, if numeric { 0x6C } else { 0x6A }, decimal_bytes(precision))
            }
            Self::Char(_) => (0, 0xAF, 0),
            Self::VarChar(_) | Self::VarCharMax => (0, 0xA7, 0),
            Self::NChar(_) => (0, 0xEF, 0),
            Self::NVarChar(_) | Self::NVarCharMax => (0, 0xE7, 0),
            Self::Text => (0, 0x23, 0),
            Self::NText => (0, 0x63, 0),
            Self::Image => (0, 0x22, 0),
            Self::Date => (0, 0x28, 3),
            Self::Time(scale) => (0, 0x29, time_bytes(scale)),
            Self::DateTime2(scale) => (0, 0x2A, time_bytes(scale) + 3),
            Self::DateTimeOffset(scale) => (0, 0x2B, time_bytes(scale) + 5),
            Self::Guid => (0, 0x24, 16),
            Self::Binary(_) => (0, 0xAD, 0),
            Self::VarBinary(_) | Self::VarBinaryMax => (0, 0xA5, 0),
        }
    }

    /// The TYPE_INFO of a column or of a returned value.
    pub(crate) fn put_info(self, nullable: bool, out: &mut Vec<u8>) {
        let (fixed, variable, bytes) = self.codes();
        if !nullable && self.has_fixed_form() {
            out.push(fixed);
            return;
        }
        out.push(variable);
        match self {
            Self::Date => {}
            Self::Time(scale) | Self::DateTime2(scale) | Self::DateTimeOffset(scale) => out.push(scale),
            Self::Decimal { precision, scale, .. } => out.extend([bytes, precision, scale]),
            Self::Char(length) | Self::VarChar(length) => {
                out.extend(length.to_le_bytes());
                out.extend(COLLATION);
            }
            Self::NChar(length) | Self::NVarChar(length) => {
                out.extend((length * 2).to_le_bytes());
                out.extend(COLLATION);
            }
            Self::VarCharMax | Self::NVarCharMax => {
                out.extend(u16::MAX.to_le_bytes());
                out.extend(COLLATION);
            }
            Self::Binary(length) | Self::VarBinary(length) => out.extend(length.to_le_bytes()),
            Self::VarBinaryMax => out.extend(u16::MAX.to_le_bytes()),
            Self::Text | Self::NText => {
                let longest: u32 = if self == Self::Text { 0x7FFF_FFFF } else { 0x7FFF_FFFE };
                out.extend(longest.to_le_bytes());
                out.extend(COLLATION);
            }
            Self::Image => out.extend(0x7FFF_FFFF_u32.to_le_bytes()),
            _ => out.push(bytes),
        }
    }

    /// What `sp_describe_first_result_set` says of a type: `system_type_id`, `max_length`, `precision`, `scale`,
    /// whether it has a collation, `tds_type_id` and `tds_length`.
    pub(crate) fn described(self) -> Described {
        let (fixed, variable, bytes) = self.codes();
        let tds = if fixed != 0 { variable } else { self.codes().1 };
        let (id, length, precision, scale): (i64, i64, u8, u8) = match self {
            Self::Bit => (104, 1, 1, 0),
            Self::TinyInt => (48, 1, 3, 0),
            Self::SmallInt => (52, 2, 5, 0),
            Self::Int => (56, 4, 10, 0),
            Self::BigInt => (127, 8, 19, 0),
            Self::Real => (59, 4, 24, 0),
            Self::Float => (62, 8, 53, 0),
            Self::Decimal { precision, scale, numeric } => {
                (if numeric { 108 } else { 106 }, i64::from(bytes), precision, scale)
            }
            Self::Money => (60, 8, 19, 4),
            Self::SmallMoney => (122, 4, 10, 4),
            Self::Char(length) => (175, i64::from(length), 0, 0),
            Self::VarChar(length) => (167, i64::from(length), 0, 0),
            Self::VarCharMax => (167, -1, 0, 0),
            Self::NChar(length) => (239, i64::from(length) * 2, 0, 0),
            Self::NVarChar(length) => (231, i64::from(length) * 2, 0, 0),
            Self::NVarCharMax => (231, -1, 0, 0),
            Self::Text => (35, 16, 0, 0),
            Self::NText => (99, 16, 0, 0),
            Self::Image => (34, 16, 0, 0),
            Self::Date => (40, 3, 10, 0),
            Self::Time(scale) => (41, i64::from(bytes), if scale == 0 { 8 } else { 9 + scale }, scale),
            Self::DateTime => (61, 8, 23, 3),
            Self::SmallDateTime => (58, 4, 16, 0),
            Self::DateTime2(scale) => (42, i64::from(bytes), if scale == 0 { 19 } else { 20 + scale }, scale),
            Self::DateTimeOffset(scale) => (43, i64::from(bytes), if scale == 0 { 26 } else { 27 + scale }, scale),
            Self::Guid => (36, 16, 0, 0),
            Self::Binary(length) => (173, i64::from(length), 0, 0),
            Self::VarBinary(length) => (165, i64::from(length), 0, 0),
            Self::VarBinaryMax => (165, -1, 0, 0),
        };
        Described { id, length, precision, scale, has_collation: self.is_text(), tds_id: i64::from(tds) }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Char(_)
                | Self::VarChar(_)
                | Self::VarCharMax
                | Self::NChar(_)
                | Self::NVarChar(_)
                | Self::NVarCharMax
                | Self::Text
                | Self::NText
        )
    }
}

/// See [`Type::described`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described {
    pub(crate) id: i64,
    pub(crate) length: i64,
    pub(crate) precision: u8,
    pub(crate) scale: u8,
    pub(crate) has_collation: bool,
    pub(crate) tds_id: i64,
}

/// The bytes of a decimal of so many digits, with that of its sign.
pub(crate) fn decimal_bytes(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// The bytes of a time of day with so many digits of a second.
pub(crate) fn time_bytes(scale: u8) -> u8 {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

/// A column of a result.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) nullable: bool,
    /// Where it comes from, as long values name it.
    pub(crate) table: String,
}

/// The COLMETADATA token.
pub(crate) fn put_columns(columns: &[Column], version: Version, out: &mut Vec<u8>) {
    out.push(0x81);
    out.extend(count16(columns.len()).to_le_bytes());
    for column in columns {
        let kind = column.kind.for_version(version);
        if version >= Version::V7_2 {
            out.extend([0; 4]);
        } else {
            out.extend([0; 2]);
        }
        out.extend([u8::from(column.nullable) | 0x08, 0]);
        kind.put_info(column.nullable, out);
        if kind.is_long() {
            if version >= Version::V7_2 {
                out.push(1);
            }
            crate::wire::put_long_text(out, &column.table);
        }
        crate::wire::put_short_text(out, &column.name);
    }
}

/// A value in parts of known length, or not known before.
pub(crate) fn put_parts(value: &[u8], out: &mut Vec<u8>) {
    // Both forms are sent by real servers; the long ones here do not tell their length before.
    const PART: usize = 3000;
    if value.len() > PART {
        out.extend((u64::MAX - 1).to_le_bytes());
    } else {
        out.extend(u64::from(count32(value.len())).to_le_bytes());
    }
    for part in value.chunks(PART) {
        out.extend(count32(part.len()).to_le_bytes());
        out.extend(part);
    }
    out.extend([0; 4]);
}
