//! What the columns of a result are.

use odbc_api::{DataType, Error, ResultSetMetadata};

use super::super::{Column, Kind, sql_server};
use super::session::Session;
use crate::dialect::{Family, Statement};

/// The columns of a statement that was prepared, as the driver describes them.
pub(super) fn described(family: Family, prepared: &mut impl ResultSetMetadata) -> Result<Vec<Column>, Error> {
    let count = u16::try_from(prepared.num_result_cols()?).unwrap_or(0);
    let mut columns = Vec::with_capacity(usize::from(count));
    for number in 1..=count {
        let name = prepared.col_name(number)?;
        let data_type = prepared.col_data_type(number)?;
        // Each value of SQLite has a type of its own; times are compared as the first of them is written.
        let kind = if family == Family::Sqlite { Kind::Text } else { kind(family, data_type) };
        columns.push(Column { name, kind, type_name: type_name(data_type) });
    }
    Ok(columns)
}

fn kind(family: Family, data_type: DataType) -> Kind {
    match data_type {
        DataType::TinyInt | DataType::SmallInt | DataType::Integer | DataType::BigInt => Kind::Int,
        DataType::Numeric { .. } | DataType::Decimal { .. } => Kind::Decimal,
        DataType::Float { .. } | DataType::Real | DataType::Double => Kind::Float,
        DataType::Bit if family == Family::MySql => Kind::Int,
        DataType::Bit => Kind::Bool,
        DataType::Date | DataType::Timestamp { .. } => Kind::Local,
        DataType::Time { .. } => Kind::Length,
        DataType::Char { .. }
        | DataType::WChar { .. }
        | DataType::Varchar { .. }
        | DataType::WVarchar { .. }
        | DataType::LongVarchar { .. }
        | DataType::WLongVarchar { .. } => Kind::Text,
        _ => Kind::Other,
    }
}

fn type_name(data_type: DataType) -> String {
    let name = format!("{data_type:?}");
    name.split([' ', '{', '(']).next().unwrap_or_default().to_uppercase()
}

impl Session<'_> {
    /// Finds out what the driver does not tell, without running the statement where that can be.
    pub(super) fn look_closer(&self, statement: &Statement, columns: &mut [Column]) -> Result<(), Error> {
        match self.dialect.family {
            Family::Postgres => self.types_of_postgres(statement, columns),
            Family::MySql => self.zones_of_mysql(statement, columns),
            Family::Oracle => self.zones_of_oracle(statement, columns),
            Family::Sqlite | Family::SqlServer => Ok(()),
        }
    }

    /// SQL Server describes a statement itself, without running it; some drivers describe it only once it was run.
    pub(super) fn described_by_sql_server(&self, statement: &Statement) -> Result<Vec<Column>, Error> {
        // The places of values have a type also without them.
        let text = statement.text.replace("CAST(? AS ", "CAST(NULL AS ").replace('\'', "''");
        let describe = Statement::new(self.dialect);
        let describe = Statement { text: format!("EXEC sp_describe_first_result_set N'{text}'"), ..describe };
        let rows = self.texts(&describe)?;
        // is_hidden, column_ordinal, name, is_nullable, system_type_id, system_type_name, …
        let column = |row: Vec<Option<String>>| {
            let field = |place: usize| row.get(place).cloned().flatten().unwrap_or_default();
            let type_name = field(5);
            let column = Column { name: field(2), kind: sql_server::kind(&type_name), type_name };
            matches!(field(0).as_str(), "" | "0").then_some(column)
        };
        Ok(rows.into_iter().filter_map(column).collect())
    }

    /// Those whose name stands for one column only.
    fn named(columns: &mut [Column], is_asked: impl Fn(&Column) -> bool) -> Vec<&mut Column> {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let is_single = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
        columns.iter_mut().filter(|column| is_asked(column) && is_single(&column.name)).collect()
    }

    /// PostgreSQL names the types itself; for the driver a TIMESTAMPTZ is a TIMESTAMP. The join takes no row of the statement, so
    /// it is not run.
    fn types_of_postgres(&self, statement: &Statement, columns: &mut [Column]) -> Result<(), Error> {
        let asked = Self::named(columns, |_| true);
        if asked.is_empty() {
            return Ok(());
        }
        let types = asked.iter().map(|column| {
            let name = self.dialect.quoted(&column.name);
            format!("CAST(pg_typeof(q.{name}) AS text)")
        });
        let list = types.collect::<Vec<_>>().join(", ");
        let text = format!("SELECT {list} FROM (VALUES (1)) one LEFT JOIN ({}\n) q ON false", statement.text);
        let rows = self.texts(&Statement { text, ..statement.clone() })?;
        let types = rows.into_iter().next().unwrap_or_default();
        for (column, type_name) in asked.into_iter().zip(types) {
            let type_name = type_name.unwrap_or_default();
            column.kind = kind_of_postgres(&type_name);
            column.type_name = type_name;
        }
        Ok(())
    }

    /// The driver does not tell a TIMESTAMP, which is an instant, from a DATETIME. A first value, looked at in two zones, does:
    /// either the one or the other of what it shows stays the same.
    fn zones_of_mysql(&self, statement: &Statement, columns: &mut [Column]) -> Result<(), Error> {
        for column in Self::named(columns, |column| column.type_name == "TIMESTAMP") {
            let name = format!("q.{}", self.dialect.quoted(&column.name));
            let text = format!(
                "SELECT CAST({name} AS CHAR), UNIX_TIMESTAMP({name}) FROM ({}\n) q WHERE {name} > '1970-01-03' LIMIT 1",
                statement.text
            );
            let first = Statement { text, ..statement.clone() };
            let here = self.texts(&first)?;
            self.execute("SET SESSION time_zone = '+12:00'")?;
            let there = self.texts(&first);
            self.execute("SET SESSION time_zone = '+00:00'")?;
            let there = there?;
            let is_same = |field: usize| {
                let [here, there] = [&here, &there].map(|rows| rows.first().and_then(|row| row.get(field)));
                here == there
            };
            (column.kind, column.type_name) = match (is_same(0), is_same(1)) {
                (true, _) => (Kind::Local, "DATETIME".to_owned()),
                (false, true) => (Kind::Instant, "TIMESTAMP".to_owned()),
                (false, false) => (Kind::Other, "DATETIME or TIMESTAMP".to_owned()),
            };
        }
        Ok(())
    }

    /// Oracle's internal number of a type tells whether it has a zone.
    fn zones_of_oracle(&self, statement: &Statement, columns: &mut [Column]) -> Result<(), Error> {
        for column in Self::named(columns, |column| column.kind == Kind::Local) {
            let name = format!("q.{}", self.dialect.quoted(&column.name));
            let text = format!(
                "SELECT SUBSTR(DUMP({name}), 1, 8) FROM ({}\n) q WHERE {name} IS NOT NULL AND ROWNUM = 1",
                statement.text
            );
            let rows = self.texts(&Statement { text, ..statement.clone() })?;
            let dump = rows.into_iter().flatten().flatten().next().unwrap_or_default();
            let number: String = dump.chars().filter(char::is_ascii_digit).collect();
            // TIMESTAMP WITH TIME ZONE and WITH LOCAL TIME ZONE, each in tables and as a value.
            if ["181", "188", "231", "232"].contains(&number.as_str()) {
                column.kind = Kind::Instant;
            }
        }
        Ok(())
    }
}

fn kind_of_postgres(type_name: &str) -> Kind {
    match type_name {
        "smallint" | "integer" | "bigint" | "oid" => Kind::Int,
        "numeric" => Kind::Decimal,
        "real" | "double precision" => Kind::Float,
        "boolean" => Kind::Bool,
        "text" | "character varying" | "character" | "name" | "unknown" | "citext" => Kind::Text,
        "timestamp without time zone" | "date" => Kind::Local,
        "timestamp with time zone" => Kind::Instant,
        "time without time zone" | "interval" => Kind::Length,
        _ => Kind::Other,
    }
}
