//! Tables, rows and the SQL text they become.
//!
//! A row is a list of values in the order of its table's columns. Rows of one table are gathered into statements of
//! many rows; what is gathered is bounded, so that a script of any length can be made.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::iter;

use crate::civil;
use crate::dialect::{Dialect, Names};
use crate::engage::Part;

/// How many rows one statement inserts.
const ROWS: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Big,
    Numeric(u8),
    Text(u16),
    Timestamp,
}

impl Kind {
    fn name(self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Self::Integer, Dialect::MySql) => "int".to_owned(),
            (Self::Integer, _) => "integer".to_owned(),
            (Self::Big, _) => "bigint".to_owned(),
            (Self::Numeric(digits), Dialect::MySql) => format!("decimal({digits})"),
            (Self::Numeric(digits), _) => format!("numeric({digits})"),
            (Self::Text(length), _) => format!("varchar({length})"),
            (Self::Timestamp, Dialect::Postgres) => "timestamp".to_owned(),
            (Self::Timestamp, _) => "datetime".to_owned(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Column {
    name: &'static str,
    kind: Kind,
    later: bool,
}

/// A column that was always there.
pub(crate) const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, later: false }
}

/// A column that a later release of the product added.
pub(crate) const fn later(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, later: true }
}

#[derive(Debug)]
pub(crate) struct Table {
    /// The database of Genesys Engage that has it; Sikom has but one.
    pub(crate) part: Option<Part>,
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    pub(crate) key: &'static [&'static str],
    pub(crate) indexes: &'static [&'static str],
}

impl Table {
    pub(crate) fn create(&self, dialect: Dialect, names: &Names) -> Vec<String> {
        let mut text = format!("CREATE TABLE {} (", names.table(self.name));
        for column in self.columns.iter().filter(|column| !column.later || names.has_later_columns()) {
            let not_null = if self.key.contains(&column.name) { " NOT NULL" } else { "" };
            let _ = write!(text, "{} {}{not_null}, ", names.cased(column.name), column.kind.name(dialect));
        }
        if self.key.is_empty() {
            text.truncate(text.len() - ", ".len());
        } else {
            let key: Vec<String> = self.key.iter().map(|column| names.cased(column)).collect();
            let _ = write!(text, "PRIMARY KEY ({})", key.join(", "));
        }
        text.push(')');
        if dialect == Dialect::MySql {
            text.push_str(" CHARACTER SET utf8mb4");
        }
        let mut statements = vec![text];
        for column in self.indexes {
            let index = format!("{}_{}", names.bare(self.name).trim_end_matches('_'), names.cased(column));
            statements.push(format!("CREATE INDEX {index} ON {} ({})", names.table(self.name), names.cased(column)));
        }
        statements
    }

    fn insert(&self, names: &Names) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .filter(|column| !column.later || names.has_later_columns())
            .map(|column| names.cased(column.name))
            .collect();
        format!("INSERT INTO {} ({}) VALUES ", names.table(self.name), columns.join(", "))
    }

    fn values(&self, dialect: Dialect, names: &Names, row: &[Value], text: &mut String) {
        assert_eq!(row.len(), self.columns.len(), "a row of {}: {row:?}", self.name);
        text.push('(');
        let mut first = true;
        for (column, value) in self.columns.iter().zip(row) {
            if column.later && !names.has_later_columns() {
                continue;
            }
            if !first {
                text.push_str(", ");
            }
            first = false;
            value.write(dialect, text);
        }
        text.push(')');
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(Cow<'static, str>),
    /// A date and time without a zone, as the seconds it would be since 1970 in UTC.
    Wall(i64),
}

impl Value {
    fn write(&self, dialect: Dialect, text: &mut String) {
        match self {
            Self::Null => text.push_str("NULL"),
            Self::Int(number) => {
                let _ = write!(text, "{number}");
            }
            Self::Text(value) => {
                text.push('\'');
                for letter in value.chars() {
                    match letter {
                        '\'' => text.push_str("''"),
                        '\\' if dialect == Dialect::MySql => text.push_str("\\\\"),
                        letter => text.push(letter),
                    }
                }
                text.push('\'');
            }
            Self::Wall(seconds) => {
                let _ = write!(text, "'{}'", civil::text(*seconds));
            }
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).expect("identifiers stay far below the largest number"))
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row from values of any kind.
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Value::from($value)),*] };
}
pub(crate) use row;

/// Columns and values of any kind.
macro_rules! fields {
    ($($column:literal: $value:expr),* $(,)?) => { vec![$(($column, $crate::sql::Value::from($value))),*] };
}
pub(crate) use fields;

/// Columns and what they hold.
pub(crate) type Fields = Vec<(&'static str, Value)>;

#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Insert(&'static Table, Vec<Value>),
    Update(&'static Table, Fields, Fields),
}

impl Statement {
    pub(crate) fn part(&self) -> Option<Part> {
        match self {
            Self::Insert(table, _) | Self::Update(table, _, _) => table.part,
        }
    }

    pub(crate) fn sql(&self, dialect: Dialect, names: &Names) -> String {
        match self {
            Self::Insert(table, row) => {
                let mut text = table.insert(names);
                table.values(dialect, names, row, &mut text);
                text
            }
            Self::Update(table, changes, key) => {
                let mut text = format!("UPDATE {}", names.table(table.name));
                for (mut before, between, fields) in [(" SET ", ", ", changes), (" WHERE ", " AND ", key)] {
                    for (column, value) in fields {
                        let known = table.columns.iter().find(|known| known.name == *column);
                        let known = known.unwrap_or_else(|| panic!("{} has {column}", table.name));
                        if known.later && !names.has_later_columns() {
                            continue;
                        }
                        text.push_str(before);
                        before = between;
                        text.push_str(&names.cased(column));
                        text.push_str(" = ");
                        value.write(dialect, &mut text);
                    }
                }
                text
            }
        }
    }
}

/// Gathers rows into statements.
#[derive(Debug)]
pub(crate) struct Batches {
    dialect: Dialect,
    names: Names,
    part: Option<Part>,
    open: Vec<(&'static Table, String, usize)>,
    ready: VecDeque<String>,
}

impl Batches {
    /// Gathers the rows of one part, or of all.
    pub(crate) fn new(dialect: Dialect, names: &Names, part: Option<Part>) -> Self {
        Self { dialect, names: names.clone(), part, open: Vec::new(), ready: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, table: &'static Table, row: &[Value]) {
        if self.part.is_some() && self.part != table.part {
            return;
        }
        let place = self.open.iter().position(|(known, _, _)| std::ptr::eq(*known, table)).unwrap_or_else(|| {
            self.open.push((table, String::new(), 0));
            self.open.len() - 1
        });
        let (_, text, rows) = &mut self.open[place];
        if *rows == 0 {
            text.push_str(&table.insert(&self.names));
        } else {
            text.push_str(",\n");
        }
        table.values(self.dialect, &self.names, row, text);
        *rows += 1;
        if *rows == ROWS {
            *rows = 0;
            self.ready.push_back(std::mem::take(text));
        }
    }

    fn finish(&mut self) {
        self.ready.extend(self.open.drain(..).map(|(_, text, _)| text).filter(|text| !text.is_empty()));
    }
}

/// The statements for the rows that `more` pushes, piece by piece, until it says that there are no more.
pub(crate) fn statements(
    mut batches: Batches,
    mut more: impl FnMut(&mut Batches) -> bool,
) -> impl Iterator<Item = String> {
    let mut running = true;
    iter::from_fn(move || {
        loop {
            if let Some(statement) = batches.ready.pop_front() {
                return Some(statement);
            }
            if !running {
                return None;
            }
            running = more(&mut batches);
            if !running {
                batches.finish();
            }
        }
    })
}
