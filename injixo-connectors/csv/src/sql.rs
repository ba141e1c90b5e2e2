//! A user's `SELECT` over one file, on an in-memory SQLite that can reach nothing else.
//!
//! The rows of the file are loaded into the table `uploaded_file`; then the database is locked and exactly one statement is
//! prepared. It may read that table and call functions; files, other databases, extensions and settings are out of its
//! reach, and so is running for ever. What SQLite's own build lacks and users write (`FLOOR` and the like) is added.

use std::time::{Duration, Instant};

use injixo_core::{Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, params_from_iter};

/// How much a query may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long it may run.
    pub(crate) time: Duration,
    /// How many pages of 4 KiB the file and what SQLite keeps beside it may fill.
    pub(crate) pages: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), pages: 512 * 1_024 }
    }
}

/// The table of one file, before the query runs.
#[derive(Debug)]
pub(crate) struct Upload {
    database: Connection,
    columns: usize,
    bounds: Bounds,
}

/// The columns of a result, in the order of [`Row`].
pub(crate) const COLUMNS: [&str; 7] = ["queue", "timestamp", "offered", "handled", "channel", "duration", "aht"];

/// A row of the result, by [`COLUMNS`]; `None` where the query has no such column.
pub(crate) type Row = [Option<Value>; COLUMNS.len()];

impl Upload {
    /// An empty table with these columns.
    pub(crate) fn new(header: &[String], bounds: Bounds) -> Result<Self> {
        let database = Connection::open_in_memory().map_err(|error| unexpected(&error))?;
        database
            .execute_batch(&format!("PRAGMA page_size = 4096; PRAGMA max_page_count = {};", bounds.pages))
            .map_err(|error| unexpected(&error))?;
        let names = unique(header);
        let columns: Vec<String> = names.iter().map(|name| format!("{} TEXT", identifier(name))).collect();
        database.execute_batch(&format!("CREATE TABLE uploaded_file ({});", columns.join(", "))).map_err(|error| {
            let message = format!("the header cannot become a table: {error}");
            Error::new(ErrorKind::DataInvalid, message).with("columns", header.len())
        })?;
        database.execute_batch("BEGIN").map_err(|error| unexpected(&error))?;
        Ok(Self { database, columns: names.len(), bounds })
    }

    /// Adds a row; fields that are missing at its end are empty.
    pub(crate) fn insert(&self, fields: &[String]) -> Result<()> {
        let places = vec!["?"; self.columns].join(", ");
        let statement = format!("INSERT INTO uploaded_file VALUES ({places})");
        let mut insert = self.database.prepare_cached(&statement).map_err(|error| unexpected(&error))?;
        let fields = (0..self.columns).map(|index| fields.get(index).map_or("", String::as_str));
        insert.execute(params_from_iter(fields)).map(drop).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory) => {
                let message = "the file is too large for the SQL mapping: map its columns instead, or split it";
                Error::new(ErrorKind::DataInvalid, message)
            }
            _ => unexpected(&error),
        })
    }

    /// Runs the query and hands its rows over; `false` from `each` ends it.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when the query is wrong or wants what it may not have, `Timeout` when it runs for too long.
    pub(crate) fn run(self, query: &str, wanted: &[&str], each: &mut dyn FnMut(Row) -> bool) -> Result<()> {
        self.database.execute_batch("COMMIT").map_err(|error| unexpected(&error))?;
        add_functions(&self.database).map_err(|error| unexpected(&error))?;
        lock(&self.database, self.bounds.time).map_err(|error| unexpected(&error))?;
        let failed = |error: rusqlite::Error| refused(&error, self.bounds.time);
        if query.contains('\0') {
            return Err(wrong("it holds a NUL character"));
        }
        // More than one statement is an error of `prepare` only where the second one compiles; a remainder is looked for.
        let mut statement = self.database.prepare(query).map_err(failed)?;
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(wrong("it is no SELECT: the query may only read the table uploaded_file"));
        }
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let places = COLUMNS.map(|column| names.iter().position(|name| name == column));
        let missing: Vec<&str> =
            wanted.iter().copied().filter(|column| !names.iter().any(|name| name == column)).collect();
        if !missing.is_empty() {
            let message = format!("the result lacks {}; it has: {}", missing.join(", "), names.join(", "));
            return Err(wrong(&message));
        }
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let value = |place: Option<usize>| place.map(|place| row.get_ref(place).map_or(Value::Null, owned));
            if !each(places.map(value)) {
                break;
            }
        }
        Ok(())
    }
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// Header names that differ from each other: an empty one becomes a letter, a repeated one is numbered. SQLite takes names
/// that differ in case alone for the same.
fn unique(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        let plain: String = name.chars().filter(|c| *c != '\0').collect();
        let plain = if plain.trim().is_empty() { crate::plan::letters(index) } else { plain };
        let is_taken = |name: &str| names.iter().any(|held| held.eq_ignore_ascii_case(name));
        let numbered = (2_u32..).map(|number| format!("{plain}_{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !is_taken(name));
        names.push(free.unwrap_or(plain));
    }
    names
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Takes everything away from the query but reading the table and calling functions.
fn lock(database: &Connection, time: Duration) -> rusqlite::Result<()> {
    database.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    ] {
        database.set_db_config(setting, value)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LENGTH, 1_000_000),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 64_000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
        (Limit::SQLITE_LIMIT_VDBE_OP, 50_000),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 500),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        database.set_limit(limit, value)?;
    }
    let deadline = Instant::now() + time;
    database.progress_handler(500, Some(move || Instant::now() >= deadline))?;
    database.authorizer(Some(|context: AuthContext<'_>| authorize(&context)))
}

const FORBIDDEN: [&str; 7] =
    ["load_extension", "randomblob", "zeroblob", "readfile", "writefile", "edit", "fts3_tokenizer"];

fn authorize(context: &AuthContext<'_>) -> Authorization {
    let is_allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name: "uploaded_file", .. } => context.database_name.is_none_or(|name| name == "main"),
        // `count(*)` over a common table expression reads no column of no database.
        AuthAction::Read { column_name: "", .. } => context.database_name.is_none(),
        AuthAction::Function { function_name } => {
            !FORBIDDEN.iter().any(|name| name.eq_ignore_ascii_case(function_name))
        }
        _ => false,
    };
    if is_allowed { Authorization::Allow } else { Authorization::Deny }
}

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

/// The mathematical functions that SQLite has only where it is built with them. Whole numbers stay whole, as there.
fn add_functions(database: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let rounding: [(&str, OfOne); 4] =
        [("floor", f64::floor), ("ceil", f64::ceil), ("ceiling", f64::ceil), ("trunc", f64::trunc)];
    for (name, function) in rounding {
        database.create_scalar_function(name, 1, flags, move |context| {
            Ok(match number(context.get_raw(0)) {
                Some(Number::Whole(whole)) => Value::Integer(whole),
                Some(Number::Real(real)) => Value::Real(function(real)),
                None => Value::Null,
            })
        })?;
    }
    let one: [(&str, OfOne); 8] = [
        ("sqrt", f64::sqrt),
        ("exp", f64::exp),
        ("ln", f64::ln),
        ("log", f64::log10),
        ("log10", f64::log10),
        ("log2", f64::log2),
        ("radians", f64::to_radians),
        ("degrees", f64::to_degrees),
    ];
    for (name, function) in one {
        database.create_scalar_function(name, 1, flags, move |context| {
            Ok(number(context.get_raw(0)).map(|x| function(x.real())).filter(|y| y.is_finite()))
        })?;
    }
    let two: [(&str, OfTwo); 4] =
        [("pow", f64::powf), ("power", f64::powf), ("mod", |x, y| x % y), ("log", |base, x| x.ln() / base.ln())];
    for (name, function) in two {
        database.create_scalar_function(name, 2, flags, move |context| {
            let numbers = number(context.get_raw(0)).zip(number(context.get_raw(1)));
            Ok(numbers.map(|(x, y)| function(x.real(), y.real())).filter(|z| z.is_finite()))
        })?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Real(f64),
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "SQLite's mathematical functions calculate in floating point")]
    const fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

/// A number, or a text that looks like one all through.
fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Integer(whole) => Some(Number::Whole(whole)),
        ValueRef::Real(real) => Some(Number::Real(real)),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).ok()?.trim();
            let real = || text.parse().ok().filter(|real: &f64| real.is_finite()).map(Number::Real);
            text.parse().map(Number::Whole).ok().or_else(real)
        }
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("sql: {what}"))
}

fn unexpected(error: &rusqlite::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the SQL mapping could not be prepared").with("cause", error)
}

fn refused(error: &rusqlite::Error, time: Duration) -> Error {
    let rule = "the query may only read the table uploaded_file";
    match (error.sqlite_error_code(), error) {
        (Some(ErrorCode::OperationInterrupted), _) => {
            let message =
                format!("sql: the query ran for more than {} s and was ended: make it simpler", time.as_secs_f32());
            Error::new(ErrorKind::Timeout, message).permanent()
        }
        (Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly), _) => {
            wrong(&format!("not allowed: {rule} ({error})"))
        }
        (Some(ErrorCode::OutOfMemory | ErrorCode::TooBig | ErrorCode::DiskFull), _) => {
            wrong(&format!("the query needs too much memory: make it simpler ({error})"))
        }
        (_, rusqlite::Error::MultipleStatement) => wrong("more than one statement: leave one SELECT"),
        _ => wrong(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(bounds: Bounds) -> Upload {
        let header = ["Queue", "Date of call", "Time", "In", "Out", "Seconds"].map(str::to_owned);
        let upload = Upload::new(&header, bounds).unwrap();
        for row in [
            ["Sales", "2024-05-01", "08:00:00", "2", "1", "90.5"],
            ["Support", "2024-05-01", "08:15:00", "3", "3", "7"],
        ] {
            upload.insert(&row.map(str::to_owned)).unwrap();
        }
        upload
    }

    /// The first column of the result, as `queue`.
    fn values(expression: &str) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        let mut each = |row: Row| {
            values.extend(row[0].clone());
            true
        };
        let bounds = Bounds { time: Duration::from_millis(300), ..Bounds::default() };
        upload(bounds).run(expression, &["queue"], &mut each)?;
        Ok(values)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn what_users_write_works() {
        for (query, first) in [
            ("SELECT Queue AS queue FROM uploaded_file", text("Sales")),
            ("SELECT \"Date of call\" || ' ' || Time AS queue FROM uploaded_file", text("2024-05-01 08:00:00")),
            ("SELECT In_ AS queue FROM (SELECT \"In\" - \"Out\" AS In_ FROM uploaded_file)", Value::Integer(1)),
            (
                "SELECT CASE WHEN Queue = 'Sales' THEN 'calls' ELSE 'chats' END AS queue FROM uploaded_file",
                text("calls"),
            ),
            ("SELECT CAST(Seconds AS INTEGER) AS queue FROM uploaded_file", Value::Integer(90)),
            ("SELECT SUBSTR(Queue, 1, 2) AS queue FROM uploaded_file", text("Sa")),
            ("SELECT FLOOR(Seconds) AS queue FROM uploaded_file", Value::Real(90.0)),
            ("SELECT FLOOR(\"In\") AS queue FROM uploaded_file", Value::Integer(2)),
            ("SELECT floor('x') AS queue FROM uploaded_file", Value::Null),
            ("SELECT POW(2, 3) AS queue", Value::Real(8.0)),
            ("SELECT MOD(7, 4) AS queue", Value::Real(3.0)),
            ("SELECT DATE('now') > '2000-01-01' AS queue", Value::Integer(1)),
            ("SELECT SUM(\"In\") AS queue FROM uploaded_file GROUP BY \"Date of call\"", Value::Real(5.0)),
            ("WITH x AS (SELECT * FROM uploaded_file) SELECT count(*) AS queue FROM x", Value::Integer(2)),
            (
                "SELECT lag(Queue) OVER (ORDER BY Queue DESC) AS queue FROM uploaded_file ORDER BY 1 DESC",
                text("Support"),
            ),
            ("SELECT Queue AS queue FROM uploaded_file UNION ALL SELECT 'b'", text("Sales")),
            ("SELECT Queue AS queue FROM uploaded_file; -- the end", text("Sales")),
            ("SELECT printf('%100000000d', 1) AS queue", Value::Null),
        ] {
            let found = values(query).unwrap_or_else(|error| panic!("{query}: {error}"));
            // Sums of text columns are real where SQLite says so and whole elsewhere: compare as numbers.
            let same = match (&found[0], &first) {
                (Value::Integer(a), Value::Real(b)) => (*a as f64 - b).abs() < 1e-9,
                (a, b) => a == b,
            };
            assert!(same, "{query}: {:?} instead of {first:?}", found[0]);
        }
    }

    #[test]
    fn what_harms_is_refused() {
        let deep = format!("SELECT {}1{} AS queue", "(1+".repeat(300), ")".repeat(300));
        let long = format!("SELECT '{}' AS queue", "x".repeat(70_000));
        let union = format!("SELECT 1 AS queue{}", " UNION ALL SELECT 1".repeat(60));
        for query in [
            "ATTACH DATABASE '/tmp/x.db' AS x",
            "ATTACH ':memory:' AS x",
            "PRAGMA database_list",
            "PRAGMA writable_schema = ON",
            "SELECT load_extension('x') AS queue",
            "SELECT readfile('/etc/passwd') AS queue",
            "SELECT writefile('/tmp/x', 'y') AS queue",
            "SELECT sql AS queue FROM sqlite_master",
            "SELECT name AS queue FROM sqlite_schema",
            "SELECT name AS queue FROM pragma_table_info('uploaded_file')",
            "SELECT file AS queue FROM pragma_database_list",
            "VACUUM INTO '/tmp/x.db'",
            "DELETE FROM uploaded_file",
            "UPDATE uploaded_file SET Queue = 'x'",
            "INSERT INTO uploaded_file (Queue) VALUES ('x')",
            "INSERT INTO uploaded_file (Queue) VALUES ('x') RETURNING Queue AS queue",
            "WITH x AS (SELECT 1) DELETE FROM uploaded_file RETURNING Queue AS queue",
            "CREATE TABLE x (y)",
            "CREATE TEMP TABLE x (y)",
            "CREATE VIEW x AS SELECT 1",
            "DROP TABLE uploaded_file",
            "BEGIN",
            "COMMIT",
            "SELECT Queue AS queue FROM uploaded_file; DELETE FROM uploaded_file",
            "SELECT Queue AS queue FROM uploaded_file; /* x */ SELECT 1",
            "SELECT zeroblob(100000000) AS queue",
            "SELECT randomblob(100000000) AS queue",
            "SELECT replace(hex(printf('%900000d', 1)), '2', 'xxxxxxxx') AS queue",
            "SELECT \"Queu\" AS queue FROM uploaded_file",
            "SELECT nothing AS queue FROM uploaded_file",
            "SELECT Queue AS Queue FROM uploaded_file",
            "SELEC Queue",
            "",
            "-- nothing",
            "SELECT 1 AS queue\0",
            "EXPLAIN SELECT Queue AS queue FROM uploaded_file",
            &deep,
            &long,
            &union,
        ] {
            let found = values(query);
            assert!(found.is_err(), "{query} gave {found:?}");
            assert_eq!(found.unwrap_err().kind(), ErrorKind::ConfigInvalid, "{query}");
        }
    }

    #[test]
    fn what_runs_for_ever_is_ended() {
        for query in [
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT max(n) AS queue FROM x",
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x LIMIT 30000) SELECT count(*) AS queue FROM x a, x b, x c",
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT sum(length(hex(printf('%100000d', n)))) AS queue FROM x",
        ] {
            let begin = Instant::now();
            assert_eq!(values(query).unwrap_err().kind(), ErrorKind::Timeout, "{query}");
            assert!(begin.elapsed() < Duration::from_secs(10), "{query} took {:?}", begin.elapsed());
        }
    }

    #[test]
    fn a_file_beyond_the_bound_is_refused() {
        let upload = Upload::new(&["a".to_owned()], Bounds { pages: 64, ..Bounds::default() }).unwrap();
        let wide = ["x".repeat(4_000)];
        let full = (0..200).map(|_| upload.insert(&wide)).find_map(Result::err);
        assert!(full.unwrap().to_string().contains("too large for the SQL mapping"));
    }

    #[test]
    fn hostile_headers_stay_names() {
        let header = ["a\"); DROP TABLE uploaded_file; --", "[b]", "", "A", "a", "c\0d"].map(str::to_owned);
        assert_eq!(unique(&header)[2..], ["C", "A", "a_2", "cd"].map(str::to_owned));
        let upload = Upload::new(&header, Bounds::default()).unwrap();
        upload.insert(&["1".to_owned()]).unwrap();
        let mut seen = Vec::new();
        let query = "SELECT \"a\"\"); DROP TABLE uploaded_file; --\" AS queue FROM uploaded_file";
        upload
            .run(query, &["queue"], &mut |row| {
                seen.extend(row[0].clone());
                true
            })
            .unwrap();
        assert_eq!(seen, [text("1")]);
        let many: Vec<String> = (0..3_000).map(|index| index.to_string()).collect();
        assert_eq!(Upload::new(&many, Bounds::default()).unwrap_err().kind(), ErrorKind::DataInvalid);
    }

    #[test]
    fn a_missing_result_column_is_named() {
        let error = upload(Bounds::default()).run("SELECT 1 AS queue, 2 AS x", &["queue", "offered"], &mut |_| true);
        assert_eq!(error.unwrap_err().to_string(), "sql: the result lacks offered; it has: queue, x");
    }
}
