//! What the types of SQL Server are, whatever driver reads them.

use super::Kind;

/// A type by its name, with its length or without: `decimal(19,0)`.
pub(super) fn kind(type_name: &str) -> Kind {
    match type_name.split('(').next().unwrap_or_default() {
        "tinyint" | "smallint" | "int" | "bigint" => Kind::Int,
        "decimal" | "numeric" | "money" | "smallmoney" => Kind::Decimal,
        "float" | "real" => Kind::Float,
        "bit" => Kind::Bool,
        "char" | "varchar" | "text" | "nchar" | "nvarchar" | "ntext" | "sysname" => Kind::Text,
        "date" | "datetime" | "smalldatetime" | "datetime2" => Kind::Local,
        "datetimeoffset" => Kind::Instant,
        "time" => Kind::Length,
        _ => Kind::Other,
    }
}
