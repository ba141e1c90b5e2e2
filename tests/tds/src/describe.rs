//! The columns of a result before its rows.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Statement};

use crate::query::UNNAMED;
use crate::translate::Translated;
use crate::types::{COLLATION_NAME, Column, Type};

/// The columns of a statement. Where neither a table nor the text tells the type, the first row does.
pub(crate) fn columns(
    connection: &Connection,
    statement: &Statement<'_>,
    translated: &Translated,
    first: &dyn Fn(usize) -> Option<Type>,
) -> Vec<Column> {
    let declared: Vec<Option<Type>> =
        statement.columns().iter().map(|column| column.decl_type().and_then(Type::parse)).collect();
    let origins = statement.columns_with_metadata();
    let mut columns = Vec::new();
    for (index, origin) in origins.iter().enumerate() {
        let told = if translated.columns.len() == origins.len() { translated.columns[index] } else { None };
        let kind = declared[index].or(told).or_else(|| first(index)).unwrap_or(Type::NVarChar(4000));
        let mut nullable = true;
        if let (Some(table), Some(name)) = (origin.table_name(), origin.origin_name())
            && let Ok((_, _, not_null, key, _)) = connection.column_metadata(origin.database_name(), table, name)
        {
            // What comes through a view may be NULL by a join in it.
            let is_direct = translated.paths.contains_key(&table.to_ascii_lowercase());
            nullable = !(not_null || key) || translated.may_be_null || !is_direct;
        }
        let name = if origin.name() == UNNAMED { "" } else { origin.name() };
        let table = origin.table_name().unwrap_or_default().to_owned();
        columns.push(Column { name: name.to_owned(), kind, nullable, table });
    }
    columns
}

/// The type of an expression by its first value.
pub(crate) fn type_of_value(value: ValueRef<'_>) -> Option<Type> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) if i32::try_from(number).is_ok() => Some(Type::Int),
        ValueRef::Integer(_) => Some(Type::BigInt),
        ValueRef::Real(_) => Some(Type::Float),
        ValueRef::Text(text) if text.len() > 4000 => Some(Type::NVarCharMax),
        ValueRef::Text(_) => Some(Type::NVarChar(4000)),
        ValueRef::Blob(bytes) if bytes.len() > 8000 => Some(Type::VarBinaryMax),
        ValueRef::Blob(_) => Some(Type::VarBinary(8000)),
    }
}

/// The columns of `sp_describe_first_result_set`: name, type, whether it may be NULL.
const DESCRIBED: [(&str, Type, bool); 39] = [
    ("is_hidden", Type::Bit, false),
    ("column_ordinal", Type::Int, false),
    ("name", Type::NVarChar(128), true),
    ("is_nullable", Type::Bit, false),
    ("system_type_id", Type::Int, false),
    ("system_type_name", Type::NVarChar(256), true),
    ("max_length", Type::SmallInt, false),
    ("precision", Type::TinyInt, false),
    ("scale", Type::TinyInt, false),
    ("collation_name", Type::NVarChar(128), true),
    ("user_type_id", Type::Int, true),
    ("user_type_database", Type::NVarChar(128), true),
    ("user_type_schema", Type::NVarChar(128), true),
    ("user_type_name", Type::NVarChar(128), true),
    ("assembly_qualified_type_name", Type::NVarChar(4000), true),
    ("xml_collection_id", Type::Int, true),
    ("xml_collection_database", Type::NVarChar(128), true),
    ("xml_collection_schema", Type::NVarChar(128), true),
    ("xml_collection_name", Type::NVarChar(128), true),
    ("is_xml_document", Type::Bit, false),
    ("is_case_sensitive", Type::Bit, false),
    ("is_fixed_length_clr_type", Type::Bit, false),
    ("source_server", Type::NVarChar(128), true),
    ("source_database", Type::NVarChar(128), true),
    ("source_schema", Type::NVarChar(128), true),
    ("source_table", Type::NVarChar(128), true),
    ("source_column", Type::NVarChar(128), true),
    ("is_identity_column", Type::Bit, true),
    ("is_part_of_unique_key", Type::Bit, true),
    ("is_updateable", Type::Bit, true),
    ("is_computed_column", Type::Bit, true),
    ("is_sparse_column_set", Type::Bit, true),
    ("ordinal_in_order_by_list", Type::SmallInt, true),
    ("order_by_list_length", Type::SmallInt, true),
    ("order_by_is_descending", Type::SmallInt, true),
    ("tds_type_id", Type::Int, false),
    ("tds_length", Type::Int, false),
    ("tds_collation_id", Type::Int, true),
    ("tds_collation_sort_id", Type::TinyInt, true),
];

/// Columns and rows of `sp_describe_first_result_set` for the columns of a query.
pub(crate) fn described(columns: &[Column]) -> (Vec<Column>, Vec<Vec<Value>>) {
    let shape = DESCRIBED.iter().map(|(name, kind, nullable)| Column {
        name: (*name).to_owned(),
        kind: *kind,
        nullable: *nullable,
        table: String::new(),
    });
    let mut rows = Vec::new();
    for (ordinal, column) in (1_i64..).zip(columns) {
        let about = column.kind.described();
        let text = |text: &str| Value::Text(text.to_owned());
        let flag = |is: bool| Value::Integer(i64::from(is));
        let collation = if about.has_collation { text(COLLATION_NAME) } else { Value::Null };
        let mut row = vec![
            flag(false),
            Value::Integer(ordinal),
            if column.name.is_empty() { Value::Null } else { text(&column.name) },
            flag(column.nullable),
            Value::Integer(about.id),
            text(&column.kind.name()),
            Value::Integer(about.length),
            Value::Integer(i64::from(about.precision)),
            Value::Integer(i64::from(about.scale)),
            collation,
        ];
        row.resize(19, Value::Null);
        row.extend([flag(false), flag(false), flag(false)]);
        row.resize(27, Value::Null);
        row.extend([flag(false), flag(false), flag(true), flag(false), flag(false)]);
        row.resize(35, Value::Null);
        let (tds_id, length) = (about.tds_id, if about.length < 0 { 65_535 } else { about.length });
        row.extend([Value::Integer(tds_id), Value::Integer(length)]);
        row.extend(if about.has_collation {
            [Value::Integer(13_632_521), Value::Integer(52)]
        } else {
            [Value::Null, Value::Null]
        });
        rows.push(row);
    }
    (shape.collect(), rows)
}
