//! How SQL is written for each kind of database, and statements that hold values without pasting them.

use std::fmt::Write as _;

use crate::driver::{Column, Kind};
use crate::query::{Brackets, Lexis, Query};
use crate::value::LONGEST_TEXT;
use crate::window::Edge;

/// The kinds of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
    /// Microsoft SQL Server.
    SqlServer,
    /// Oracle.
    Oracle,
}

/// Where the values of a statement stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// In the text: literals that are made from numbers.
    Literals,
    /// `?`
    Marks,
    /// `@P1`, `@P2`, …
    Numbers,
}

/// How SQL is written for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The kind of SQL.
    pub family: Family,
    /// Where values stand.
    pub places: Places,
}

/// A statement with what stands in the place of its parameters, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub(crate) dialect: Dialect,
    pub(crate) text: String,
    pub(crate) values: Vec<Edge>,
}

impl Dialect {
    /// PostgreSQL by `COPY`, which takes no parameters.
    pub const POSTGRES: Self = Self { family: Family::Postgres, places: Places::Literals };
    /// MySQL and MariaDB.
    pub const MYSQL: Self = Self { family: Family::MySql, places: Places::Marks };
    /// SQLite.
    pub const SQLITE: Self = Self { family: Family::Sqlite, places: Places::Marks };

    /// A name in quotes.
    #[must_use]
    pub fn quoted(self, name: &str) -> String {
        match self.family {
            Family::MySql => format!("`{}`", name.replace('`', "``")),
            Family::SqlServer => format!("[{}]", name.replace(']', "]]")),
            Family::Postgres | Family::Sqlite | Family::Oracle => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// How texts, names and comments are written.
    pub(crate) fn lexis(self) -> Lexis {
        let plain = Lexis {
            backslash_escapes: false,
            dollar_quotes: false,
            backticks_and_hashes: false,
            brackets: Brackets::None,
            nested_comments: false,
            q_quotes: false,
            is_outermost_only: false,
        };
        match self.family {
            Family::Postgres => Lexis { dollar_quotes: true, nested_comments: true, ..plain },
            Family::MySql => Lexis { backslash_escapes: true, backticks_and_hashes: true, ..plain },
            Family::Sqlite => Lexis { brackets: Brackets::Plain, ..plain },
            Family::SqlServer => {
                Lexis { brackets: Brackets::Doubled, nested_comments: true, is_outermost_only: true, ..plain }
            }
            Family::Oracle => Lexis { q_quotes: true, ..plain },
        }
    }

    /// Writes a column of the table `q` into the list of a `SELECT`, so that its values come as its kind says, no longer than
    /// needed.
    pub(crate) fn selected(self, column: &Column) -> String {
        let name = format!("q.{}", self.quoted(&column.name));
        let cut = LONGEST_TEXT + 1;
        let is_text = matches!(column.kind, Kind::Text | Kind::Other);
        match self.family {
            // Blanks at the end of CHAR(n) say nothing; the cast takes them away.
            Family::Postgres if is_text => format!("left(CAST({name} AS text), {cut})"),
            Family::MySql if is_text => format!("LEFT(CAST({name} AS CHAR), {cut})"),
            // Numbers and times of day as texts, the one exactly, the other also beyond a day.
            Family::MySql if matches!(column.kind, Kind::Decimal | Kind::Length) => format!("CAST({name} AS CHAR)"),
            Family::MySql if column.type_name == "BIT" => format!("CAST({name} AS UNSIGNED)"),
            Family::MySql if column.type_name == "YEAR" => format!("CAST({name} AS SIGNED)"),
            // Only what is too long is cut, so that all else keeps its type. To count or cut the characters of a text SQLite holds
            // all of it in this process, but not to tell how many bytes it has: of those that are too long in any case just that
            // is asked, in as many characters as are too long.
            Family::Sqlite => {
                let bytes = format!("octet_length({name})");
                format!(
                    "iif({bytes} > {most}, substr({bytes} || ' bytes' || printf('%{cut}s', ''), 1, {cut}), iif(length({name}) > \
                     {LONGEST_TEXT}, substr({name}, 1, {cut}), {name}))",
                    most = 4 * cut
                )
            }
            Family::SqlServer if is_text => format!("LEFT(CAST({name} AS nvarchar(max)), {cut})"),
            Family::Oracle if is_text => format!("SUBSTR({name}, 1, {cut})"),
            _ => name,
        }
    }

    /// `SELECT list FROM (query) q`
    pub(crate) fn select(self, list: &str, query: &Query) -> Statement {
        let (before, query) = query.parts();
        Statement { text: format!("{before}SELECT {list} FROM ({query}) q"), ..Statement::new(self) }
    }
}

impl Statement {
    /// An empty statement.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new(), values: Vec::new() }
    }

    /// Adds text, which holds nothing that came from outside but names that were checked.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a value: a place for it, or a literal that is made from a number.
    pub fn push_value(&mut self, edge: Edge) {
        let text = &mut self.text;
        match self.dialect.places {
            Places::Literals => {
                // Writing to a text does not fail.
                let _ = match edge {
                    Edge::Local(local) => write!(text, "TIMESTAMP '{local}'"),
                    Edge::Instant(instant) => write!(text, "TIMESTAMPTZ '{instant}'"),
                    Edge::Secs(secs) => write!(text, "{secs}"),
                    Edge::Text(edge) => {
                        write!(text, "'{}'", edge.replace(|c: char| !"0123456789-:. T".contains(c), ""))
                    }
                };
                return;
            }
            Places::Marks => text.push('?'),
            Places::Numbers => {
                let _ = write!(text, "@P{}", self.values.len() + 1);
            }
        }
        self.values.push(edge);
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands in its places, in their order.
    #[must_use]
    pub fn values(&self) -> &[Edge] {
        &self.values
    }

    /// The first rows of it only.
    #[must_use]
    pub(crate) fn limited(mut self, rows: u32) -> Self {
        match self.dialect.family {
            Family::SqlServer => {
                let _ = write!(self.text, " ORDER BY (SELECT NULL) OFFSET 0 ROWS FETCH NEXT {rows} ROWS ONLY");
            }
            Family::Oracle => self.text = format!("SELECT * FROM ({}) WHERE ROWNUM <= {rows}", self.text),
            Family::Postgres | Family::MySql | Family::Sqlite => {
                let _ = write!(self.text, " LIMIT {rows}");
            }
        }
        self
    }

    /// The same rows, with these of its columns.
    #[must_use]
    pub(crate) fn of(self, columns: &[Column]) -> Self {
        let list: Vec<String> = columns.iter().map(|column| self.dialect.selected(column)).collect();
        let text = format!("SELECT {} FROM ({}\n) q", list.join(", "), self.text);
        Self { text, ..self }
    }
}
