//! How SQL is written for each kind of database, and statements that hold values without pasting them.

use std::fmt::Write as _;

use crate::driver::{Column, Kind};
use crate::query::{Brackets, Lexis, Query};
use crate::value::LONGEST_TEXT;
use crate::window::Edge;

/// A text of more bytes than this is not looked at in SQLite, which holds all of it in this process.
#[cfg(any(feature = "sqlite", test))]
pub(crate) const HUGE: usize = 1 << 20;

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
    /// `CAST(? AS …)`: where drivers differ in what they take the type of a bare mark to be.
    Casts,
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
    /// Microsoft SQL Server.
    pub const SQL_SERVER: Self = Self { family: Family::SqlServer, places: Places::Numbers };

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
        if self.places == Places::Casts
            && let Some(as_text) = self.selected_as_text(&name, column)
        {
            return as_text;
        }
        match self.family {
            // Long texts are cut as they come: to look at each costs the server a quarter of its time.
            Family::Postgres if self.places == Places::Literals && column.kind == Kind::Text => {
                match column.type_name.as_str() {
                    // Blanks at the end of CHAR(n) say nothing; the cast takes them away.
                    "CHAR" => format!("CAST({name} AS text)"),
                    _ => name,
                }
            }
            Family::Postgres if is_text => format!("left(CAST({name} AS text), {cut})"),
            Family::MySql if is_text => format!("LEFT(CAST({name} AS CHAR), {cut})"),
            // Numbers and times of day as texts, the one exactly, the other also beyond a day.
            Family::MySql if matches!(column.kind, Kind::Decimal | Kind::Length) => format!("CAST({name} AS CHAR)"),
            Family::MySql if column.type_name == "BIT" => format!("CAST({name} AS UNSIGNED)"),
            Family::MySql if column.type_name == "YEAR" => format!("CAST({name} AS SIGNED)"),
            // As digits, which a text can hold.
            Family::SqlServer if is_bytes(&column.type_name) => {
                format!("CONVERT(varchar(1001), CAST({name} AS varbinary(500)), 2)")
            }
            Family::SqlServer if column.type_name.ends_with("money") => format!("CAST({name} AS decimal(19, 4))"),
            // It counts halves of characters. A text with a length comes whole, one without in pieces.
            Family::SqlServer if is_text => {
                let halves = 2 * cut;
                format!("CAST(LEFT(CAST({name} AS nvarchar(max)), {halves}) AS nvarchar({halves}))")
            }
            Family::Oracle if is_text => format!("SUBSTR({name}, 1, {cut})"),
            _ => name,
        }
    }

    /// What is read as text whatever it is: the databases write their values in ways that are known, their ODBC drivers do not.
    fn selected_as_text(self, name: &str, column: &Column) -> Option<String> {
        let text = match (self.family, column.kind) {
            (Family::Postgres, Kind::Text | Kind::Other) => return None,
            // Its driver opens a converter for each value in UTF-16, and takes the locale's characters otherwise: digits are the same
            // in all of them.
            (Family::MySql, Kind::Text | Kind::Other) => {
                format!("HEX(LEFT(CONVERT({name} USING utf8mb4), {}))", LONGEST_TEXT + 1)
            }
            (Family::Postgres, Kind::Length) if column.type_name == "interval" => format!(
                "CASE WHEN date_trunc('month', {name}) = INTERVAL '0' THEN CAST(EXTRACT(EPOCH FROM {name}) AS text) ELSE \
                 'months' END"
            ),
            (Family::Postgres, Kind::Length) => format!("CAST(EXTRACT(EPOCH FROM {name}) AS text)"),
            (Family::Postgres, _) => format!("CAST({name} AS text)"),
            // As a DOUBLE, of which all digits are written.
            (Family::MySql, Kind::Float) => format!("CAST({name} + 0e0 AS CHAR)"),
            // A BIT is a text of one byte otherwise.
            (Family::MySql, Kind::Int) => format!("CAST({name} + 0 AS CHAR)"),
            (Family::MySql, _) => format!("CAST({name} AS CHAR)"),
            // Each value has a type of its own, whose first letter stands before it.
            (Family::Sqlite, _) => {
                format!("substr(typeof({name}), 1, 1) || substr({name}, 1, {})", LONGEST_TEXT + 1)
            }
            (Family::SqlServer, Kind::Local) => format!("CONVERT(nvarchar(40), {name}, 121)"),
            // In UTC, without its offset; all digits, since a time that is rounded up may leave its window.
            (Family::SqlServer, Kind::Instant) => {
                format!("CONVERT(nvarchar(40), CAST(SWITCHOFFSET({name}, '+00:00') AS datetime2(7)), 121)")
            }
            (Family::SqlServer, Kind::Length) => format!("CAST({name} AS nvarchar(40))"),
            (Family::Oracle, Kind::Instant) => {
                format!("TO_CHAR(SYS_EXTRACT_UTC({name}), 'YYYY-MM-DD HH24:MI:SS.FF9') || 'Z'")
            }
            (Family::SqlServer | Family::Oracle, _) => return None,
        };
        Some(text)
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
            Places::Casts => text.push_str(cast(self.dialect.family, &edge)),
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

    /// The values as texts, in the form that [`Places::Casts`] takes.
    pub(crate) fn texts(&self) -> Vec<String> {
        let plain = |text: &str| text.replace('T', " ").trim_end_matches('Z').to_owned();
        let text = |edge: &Edge| match edge {
            Edge::Local(local) => plain(&local.to_string()),
            Edge::Instant(instant) if self.dialect.family == Family::Postgres => instant.to_string(),
            Edge::Instant(instant) if self.dialect.family == Family::SqlServer => {
                format!("{} +00:00", plain(&instant.to_string()))
            }
            Edge::Instant(instant) => plain(&instant.to_string()),
            Edge::Secs(secs) => secs.to_string(),
            Edge::Text(text) => text.clone(),
        };
        self.values.iter().map(text).collect()
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

    /// The same rows of SQLite, with the number of its bytes in the place of a huge text, in as many characters as are too long. To
    /// tell how many bytes a text has SQLite needs not hold it.
    #[cfg(any(feature = "sqlite", test))]
    #[must_use]
    pub(crate) fn guarded(self, columns: &[Column]) -> Self {
        let cut = LONGEST_TEXT + 1;
        let column = |column: &Column| {
            let name = format!("q.{}", self.dialect.quoted(&column.name));
            let bytes = format!("octet_length({name})");
            format!("iif({bytes} > {HUGE}, substr({bytes} || ' bytes' || printf('%{cut}s', ''), 1, {cut}), {name})")
        };
        let list: Vec<String> = columns.iter().map(column).collect();
        let text = format!("SELECT {} FROM ({}\n) q", list.join(", "), self.text);
        Self { text, ..self }
    }

    /// The same rows, with these of its columns.
    #[must_use]
    pub(crate) fn of(self, columns: &[Column]) -> Self {
        let list: Vec<String> = columns.iter().map(|column| self.dialect.selected(column)).collect();
        let text = format!("SELECT {} FROM ({}\n) q", list.join(", "), self.text);
        Self { text, ..self }
    }
}

/// Whether SQL Server calls bytes so.
fn is_bytes(type_name: &str) -> bool {
    ["binary", "varbinary", "image", "timestamp", "rowversion"].iter().any(|start| type_name.starts_with(start))
}

/// A mark for a text that becomes a value of the edge's type.
fn cast(family: Family, edge: &Edge) -> &'static str {
    let has_fraction = |millis: i64| millis % 1_000 != 0;
    match (family, edge) {
        (Family::Postgres, Edge::Local(_)) => "CAST(? AS timestamp)",
        (Family::Postgres, Edge::Instant(_)) => "CAST(? AS timestamptz)",
        (Family::Postgres, Edge::Secs(_)) => "CAST(? AS bigint)",
        (Family::Postgres, Edge::Text(_)) => "CAST(? AS text)",
        // The zone of the session is UTC.
        (Family::MySql, Edge::Local(_) | Edge::Instant(_)) => "CAST(? AS DATETIME(3))",
        (Family::MySql, Edge::Secs(_)) => "CAST(? AS SIGNED)",
        (Family::Sqlite, Edge::Secs(_)) => "CAST(? AS INTEGER)",
        (Family::MySql | Family::Sqlite | Family::Oracle, _) if matches!(edge, Edge::Text(_)) => "?",
        (Family::Sqlite, _) => "?",
        (Family::SqlServer, Edge::Local(_)) => "CAST(? AS datetime2(3))",
        (Family::SqlServer, Edge::Instant(_)) => "CAST(? AS datetimeoffset(3))",
        (Family::SqlServer, Edge::Secs(_)) => "CAST(? AS bigint)",
        (Family::SqlServer, Edge::Text(_)) => "CAST(? AS varchar(40))",
        // A column of the type DATE must not be converted to be compared, else its index is of no use.
        (_, Edge::Local(local)) if has_fraction(local.millis()) => "TO_TIMESTAMP(?, 'YYYY-MM-DD HH24:MI:SS.FF3')",
        (_, Edge::Local(_)) => "TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')",
        (_, Edge::Instant(instant)) if has_fraction(instant.millis()) => {
            "FROM_TZ(TO_TIMESTAMP(?, 'YYYY-MM-DD HH24:MI:SS.FF3'), 'UTC')"
        }
        (_, Edge::Instant(_)) => "FROM_TZ(TO_TIMESTAMP(?, 'YYYY-MM-DD HH24:MI:SS'), 'UTC')",
        (_, Edge::Secs(_)) => "TO_NUMBER(?)",
        (_, Edge::Text(_)) => "?",
    }
}
