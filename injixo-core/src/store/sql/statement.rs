//! Statements with their parameters, and the rows that they return.

use std::borrow::Cow;

use injixo_model::{Timestamp, Window};

use super::corrupt;
use crate::connector::Stream;
use crate::error::Result;

/// How many rows one statement writes: few enough for the bound on parameters, enough to spare the statements' own cost.
pub(super) const ROWS_PER_STATEMENT: usize = 400;

/// The text of a statement.
#[derive(Debug)]
pub(in crate::store) struct Sql {
    /// What to run, with parameters `$1`, `$2`, ….
    pub(in crate::store) text: Cow<'static, str>,
    /// Whether it recurs word for word, so that it is worth being remembered by the database.
    pub(in crate::store) recurs: bool,
}

impl Sql {
    /// A text that was put together and recurs all the same.
    pub(super) fn recurring(text: String) -> Self {
        Self { text: text.into(), recurs: true }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self { text: text.into(), recurs: true }
    }
}

/// A parameter of a statement.
#[derive(Debug)]
pub(in crate::store) enum Value {
    /// A number.
    Int(i64),
    /// A number, or nothing.
    OptInt(Option<i64>),
    /// A text.
    Text(String),
    /// A text, or nothing.
    OptText(Option<String>),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.millis())
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(value: Option<Timestamp>) -> Self {
        Self::OptInt(value.map(Timestamp::millis))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::OptInt(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Option<&String>> for Value {
    fn from(value: Option<&String>) -> Self {
        Self::OptText(value.cloned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// The parameters of a statement: `values![id, name]`.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(crate::store::sql::Value::from($value)),*] };
}
pub(super) use values;

/// A row of a result, read by position.
pub(in crate::store) trait Row {
    fn opt_int(&self, column: usize) -> Result<Option<i64>>;
    fn opt_text(&self, column: usize) -> Result<Option<String>>;
    fn bytes(&self, column: usize) -> Result<Vec<u8>>;

    fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| corrupt("a number is missing"))
    }

    fn text(&self, column: usize) -> Result<String> {
        self.opt_text(column)?.ok_or_else(|| corrupt("a text is missing"))
    }

    fn number<N: TryFrom<i64, Error: std::fmt::Display>>(&self, column: usize) -> Result<N> {
        self.int(column)?.try_into().map_err(corrupt)
    }

    fn instant(&self, column: usize) -> Result<Timestamp> {
        self.int(column).map(Timestamp::from_millis)
    }

    fn opt_instant(&self, column: usize) -> Result<Option<Timestamp>> {
        Ok(self.opt_int(column)?.map(Timestamp::from_millis))
    }

    /// A window that begins in `column` and ends in the next one.
    fn window(&self, column: usize) -> Result<Window> {
        Window::new(self.instant(column)?, self.instant(column + 1)?).map_err(corrupt)
    }

    /// A window, or nothing.
    fn opt_window(&self, column: usize) -> Result<Option<Window>> {
        match (self.opt_int(column)?, self.opt_int(column + 1)?) {
            (Some(_), Some(_)) => self.window(column).map(Some),
            _ => Ok(None),
        }
    }

    /// One of `choices`, kept as its position.
    fn choice<T: Copy>(&self, column: usize, choices: &[T]) -> Result<T> {
        let index: usize = self.number(column)?;
        choices.get(index).copied().ok_or_else(|| corrupt(format!("{index} is none of {} choices", choices.len())))
    }

    fn stream(&self, column: usize) -> Result<Stream> {
        self.choice(column, &[Stream::Contacts, Stream::Statuses])
    }
}

/// A statement with a list of rows: `… VALUES ($1, $2), ($3, $4) …`.
#[derive(Debug)]
pub(super) struct Bulk {
    text: String,
    values: Vec<Value>,
    rows: usize,
}

impl Bulk {
    /// Begins with everything before the rows.
    pub(super) fn new(head: impl Into<String>) -> Self {
        Self { text: head.into(), values: Vec::new(), rows: 0 }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, values: Vec<Value>) {
        self.add(values, |text, _, parameter| {
            text.push('$');
            push_number(text, parameter);
        });
    }

    /// Adds a row whose values are made of the parameters: `shape` gets the column's position and its parameter.
    pub(super) fn row_as(&mut self, values: Vec<Value>, shape: impl Fn(usize, String) -> String) {
        self.add(values, |text, column, parameter| text.push_str(&shape(column, format!("${parameter}"))));
    }

    fn add(&mut self, values: Vec<Value>, write: impl Fn(&mut String, usize, usize)) {
        self.text.push_str(if self.rows == 0 { "(" } else { ", (" });
        self.rows += 1;
        for (column, value) in values.into_iter().enumerate() {
            if column > 0 {
                self.text.push_str(", ");
            }
            self.values.push(value);
            write(&mut self.text, column, self.values.len());
        }
        self.text.push(')');
    }

    /// Ends a statement of a number of rows that recurs.
    pub(super) fn end_alike(self, tail: &str) -> (Sql, Vec<Value>) {
        let (sql, values) = self.end(tail);
        (Sql { recurs: true, ..sql }, values)
    }

    /// Ends with everything behind the rows.
    pub(super) fn end(mut self, tail: &str) -> (Sql, Vec<Value>) {
        self.text.push_str(tail);
        // Many full statements are alike, each of the last ones is different.
        (Sql { text: self.text.into(), recurs: self.rows == ROWS_PER_STATEMENT }, self.values)
    }
}

/// Rows in parts for statements of which there are few, so that they recur: full ones, then powers of two.
pub(super) fn alike<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let length = match rest.len() {
            0 => return None,
            ROWS_PER_STATEMENT.. => ROWS_PER_STATEMENT,
            length => 1 << length.ilog2(),
        };
        let (part, others) = rest.split_at(length);
        rest = others;
        Some(part)
    })
}

/// Writes a number without the formatter, which takes a good part of the time of a statement with many rows.
fn push_number(text: &mut String, number: usize) {
    if number > 9 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or(0)));
}

/// `($1, $2, …)` of numbers.
pub(super) fn list<T: Copy + Into<Value>>(head: &str, items: &[T], tail: &str) -> (Sql, Vec<Value>) {
    let mut statement = Bulk::new(head);
    statement.row(items.iter().map(|item| (*item).into()).collect());
    statement.end(tail)
}
