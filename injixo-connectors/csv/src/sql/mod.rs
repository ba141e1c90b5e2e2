//! The SQL mapping: a user's `SELECT` over the table `uploaded_file`.
//!
//! The file is loaded into an in-memory SQLite, the database is locked, then one statement is compiled and run. The query is
//! the user's and is trusted with nothing: it reads that one table, calls functions from a list, and ends in time.
//!
//! - What it may reach is decided while it is compiled, by the authorizer ([`Guard::decide`]): a list of what is allowed, so
//!   that whatever a later SQLite adds is refused. The settings of [`Mapping::lock`] are the second wall behind it.
//! - How long it runs is decided by the progress handler. SQLite asks it between steps of its program, never inside a
//!   function; a function whose cost grows with the product of its arguments therefore has a replacement in [`functions`].
//! - How much memory it takes is bounded for the table by pages, for a text by length. What a query sorts or keeps is not
//!   counted by SQLite per connection, so the growth of the whole process stands in for it where the system tells (Linux).
//!   A host that runs strangers' queries should run them in a child process with a limit of its own.

mod functions;

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use injixo_core::{Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, ErrorCode, OpenFlags, Row, Statement, ffi, params_from_iter};

/// The table that the query reads.
const TABLE: &str = "uploaded_file";

/// How many columns SQLite takes in a table.
const MAX_COLUMNS: usize = 2_000;

/// The longest row, and the longest text that a query may build if the file's rows are that long.
const MAX_LENGTH: usize = 1_000_000;

/// The longest query, in bytes.
const MAX_SQL: usize = 64 * 1024;

/// How many times a query may say `SELECT`. SQLite compiles nested ones, in parentheses or by the names of a `WITH`, by
/// calling itself: a few thousand end the stack, which ends the process.
const MAX_SELECTS: usize = 200;

/// The longest pattern of `LIKE` and `GLOB`, in bytes.
const MAX_PATTERN: usize = 500;

/// After how many steps SQLite asks whether to go on. With 10 000 a heavy row overruns its time by a second.
const STEPS: i32 = 500;

/// How often a running query looks at the memory of the process.
const MEMORY_CHECK: Duration = Duration::from_millis(20);

/// What a query may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SqlLimits {
    /// The wall time of the query, without that of whoever takes its rows.
    pub(crate) time: Duration,
    /// The size of the loaded file; a running query may take as much once more.
    pub(crate) bytes: u64,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), bytes: 2 << 30 }
    }
}

/// The layout that decides which columns a result has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlKind {
    /// One row per contact: `duration` is required.
    ContactBased,
    /// One row per queue and interval: `aht` is optional.
    IntervalBased,
}

/// A value of a result as SQLite has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SqlValue<'r> {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text.
    Text(&'r str),
    /// Bytes that are no text: a blob, or a cast of one that is not UTF-8.
    Blob(&'r [u8]),
}

/// One row of the result, by the fixed names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SqlRow<'r> {
    pub(crate) queue: SqlValue<'r>,
    pub(crate) timestamp: SqlValue<'r>,
    pub(crate) offered: SqlValue<'r>,
    pub(crate) handled: SqlValue<'r>,
    /// Of interval rows, if the query has it.
    pub(crate) aht: Option<SqlValue<'r>>,
    /// Of contacts.
    pub(crate) duration: Option<SqlValue<'r>>,
    pub(crate) channel: SqlValue<'r>,
}

/// A user's `SELECT` over the table `uploaded_file`, compiled and run on an in-memory SQLite that can reach nothing else.
#[derive(Debug)]
pub(crate) struct Mapping {
    db: Connection,
    insert: String,
    columns: usize,
    longest: usize,
    limits: SqlLimits,
    guard: Arc<Guard>,
}

impl Mapping {
    /// A new database with the table `uploaded_file`, whose columns are the header's, all text.
    ///
    /// An empty name becomes the letters of its place (`A`, `B`, … `AA`); a name that stood before, whatever its case, gets a
    /// suffix: `Date`, `Date_2`.
    ///
    /// # Errors
    ///
    /// `DataInvalid` if the header is empty, has more than 2,000 columns or a NUL byte.
    pub(crate) fn new(header: &[String], limits: &SqlLimits) -> Result<Self> {
        let names = column_names(header)?;
        let guard = Arc::new(Guard::default());
        let db = open(&names, limits, &guard).map_err(defect)?;
        let places = vec!["?"; names.len()].join(",");
        let insert = format!("INSERT INTO {TABLE} VALUES ({places})");
        Ok(Self { db, insert, columns: names.len(), longest: 0, limits: *limits, guard })
    }

    /// Appends a row of the file; missing trailing fields are empty.
    ///
    /// # Errors
    ///
    /// `DataInvalid` if the row is too long or has more fields than the header, or if the file grows beyond the bound.
    pub(crate) fn insert(&mut self, row: &[&str]) -> Result<()> {
        if row.len() > self.columns {
            let message = "the row has more fields than the header: check the separator and quotes in this line";
            return Err(Error::new(ErrorKind::DataInvalid, message));
        }
        let padding = iter::repeat_n(&"", self.columns - row.len());
        let mut statement = self.db.prepare_cached(&self.insert).map_err(defect)?;
        let inserted = statement.execute(params_from_iter(row.iter().chain(padding)));
        inserted.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory) => {
                let size = mebibytes(self.limits.bytes);
                let message = format!("the file is too large for a query, it takes more than {size}: split it");
                Error::new(ErrorKind::DataInvalid, message)
            }
            Some(ErrorCode::TooBig) => {
                let message = format!("the row is longer than {MAX_LENGTH} bytes: check for a missing line end");
                Error::new(ErrorKind::DataInvalid, message)
            }
            _ => defect(error),
        })?;
        self.longest = self.longest.max(row.iter().map(|field| field.len()).sum());
        Ok(())
    }

    /// Locks the database, compiles the query and hands each row of its result to `each`, numbered from 1.
    ///
    /// Returns the names of the result's columns that mean nothing for this kind: worth a warning, since a misspelt `aht` is
    /// among them.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if the query is not one `SELECT` that keeps to the table, lacks a column, or fails on the data;
    /// `Timeout` if it runs too long; whatever `each` returns.
    pub(crate) fn run(
        self,
        sql: &str,
        kind: SqlKind,
        each: &mut dyn FnMut(u64, SqlRow<'_>) -> Result<()>,
    ) -> Result<Vec<String>> {
        if let Some(place) = sql.find('\0') {
            return Err(invalid("the query holds a NUL byte: delete it").with("position", position(sql, place)));
        }
        // Those in texts and comments count as well: nobody can hide one.
        if sql.to_ascii_lowercase().matches("select").count() > MAX_SELECTS {
            return Err(invalid(format!("the query has more than {MAX_SELECTS} SELECTs: shorten it")));
        }
        self.lock().map_err(defect)?;
        let mut statement = self.compile(sql)?;
        let columns = ResultColumns::of(&statement, kind)?;
        let mut rows = statement.query([]).map_err(|error| self.query_error(sql, error))?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(|error| self.query_error(sql, error).with("row", number + 1))? {
            number += 1;
            let taken = Instant::now();
            each(number, columns.pick(row)?)?;
            self.guard.state().deadline += taken.elapsed();
        }
        Ok(columns.unknown)
    }

    /// Ends the loading: from here on the database is only read, by queries that keep to the list.
    fn lock(&self) -> rusqlite::Result<()> {
        let db = &self.db;
        db.execute_batch("COMMIT; PRAGMA query_only = ON;")?;
        // Whoever has short rows needs no long texts. Short ones keep each call of a function short.
        let length = (64 * 1024 + 4 * self.longest).min(MAX_LENGTH);
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LENGTH, length),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
            (Limit::SQLITE_LIMIT_VDBE_OP, 50_000),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            db.set_limit(limit, i32::try_from(most).unwrap_or(i32::MAX))?;
        }
        for (setting, value) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
            // Or a misspelt "Column Name" is a text without a word.
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        ] {
            db.set_db_config(setting, value)?;
        }
        self.guard.start(&self.limits);
        let guard = Arc::clone(&self.guard);
        db.progress_handler(STEPS, Some(move || guard.is_over()))?;
        let guard = Arc::clone(&self.guard);
        db.authorizer(Some(move |context: AuthContext<'_>| guard.decide(&context)))
    }

    /// Compiles the query, which must be one statement that only reads.
    fn compile(&self, sql: &str) -> Result<Statement<'_>> {
        let one = "write one SELECT over the table uploaded_file";
        // Not `prepare`: it looks for a second statement by calling itself, once per statement, and ends the stack.
        let mut statements = Batch::new(&self.db, sql);
        let first = statements.next().map_err(|error| self.query_error(sql, error))?;
        let statement = first.ok_or_else(|| invalid(format!("the query is empty: {one}")))?;
        // What cannot be compiled is not blank either.
        if !matches!(statements.next(), Ok(None)) {
            return Err(invalid(format!("the query has more than one statement: {one}, nothing behind its `;`")));
        }
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(invalid(format!("the query does not only read: {one}")));
        }
        Ok(statement)
    }

    fn query_error(&self, sql: &str, error: rusqlite::Error) -> Error {
        let state = self.guard.state();
        match (&state.stop, &state.refused) {
            (Some(Stop::Time), _) => {
                let time = self.limits.time;
                let message = format!("the query ran longer than {time:?}: simplify it, or import smaller files");
                return Error::new(ErrorKind::Timeout, message).permanent();
            }
            (Some(Stop::Memory), _) => {
                let size = mebibytes(self.limits.bytes);
                return invalid(format!(
                    "the query takes more than {size} of memory: check its joins, or import smaller files"
                ));
            }
            (None, Some(refused)) => {
                return invalid(format!(
                    "the query may only read the table uploaded_file and call plain functions: {refused} is not allowed"
                ));
            }
            (None, None) => {}
        }
        match error {
            rusqlite::Error::SqlInputError { msg, offset, .. } => {
                let error = invalid(format!("the query is not valid: {msg}"));
                // Without an offset SQLite says -1.
                match usize::try_from(offset) {
                    Ok(offset) => error.with("position", position(sql, offset)),
                    Err(_) => error,
                }
            }
            error if error.sqlite_error_code() == Some(ErrorCode::TooBig) => {
                invalid("the query is too long, or builds a text or row that is too long: shorten it")
            }
            rusqlite::Error::SqliteFailure(_, Some(message)) => invalid(format!("the query fails: {message}")),
            error => invalid("the query fails").caused_by(error),
        }
    }
}

/// A database with the empty table, inside a transaction that [`Mapping::lock`] ends.
fn open(names: &[String], limits: &SqlLimits, guard: &Arc<Guard>) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI no name is an address.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_in_memory_with_flags(flags)?;
    let page = 4096;
    let pages = (limits.bytes / page).clamp(1, u64::from(u32::MAX) - 1);
    // Without temp_store a large sort writes files. Nothing is ever rolled back: on an error the database is dropped.
    db.execute_batch(&format!(
        "PRAGMA page_size = {page}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA auto_vacuum = NONE; PRAGMA mmap_size = 0;"
    ))?;
    functions::register(&db, guard)?;
    guard.state().modules = db
        .prepare("SELECT lower(name) FROM pragma_module_list")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let columns: Vec<String> = names.iter().map(|name| format!("\"{}\" TEXT", name.replace('"', "\"\""))).collect();
    db.execute_batch(&format!("BEGIN; CREATE TABLE {TABLE} ({});", columns.join(",")))?;
    // After the table: a large header may take more pages than a small bound has.
    db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(MAX_LENGTH).unwrap_or(i32::MAX))?;
    Ok(db)
}

/// Names that SQLite can tell apart, which it does without regard to the case of ASCII letters.
fn column_names(header: &[String]) -> Result<Vec<String>> {
    let wrong = |message: String| Err(Error::new(ErrorKind::DataInvalid, message));
    if header.is_empty() {
        return wrong("the file has no columns: check the header row".to_owned());
    }
    if header.len() > MAX_COLUMNS {
        let count = header.len();
        return wrong(format!(
            "the file has {count} columns, a query takes at most {MAX_COLUMNS}: check the separator"
        ));
    }
    if let Some(place) = header.iter().position(|name| name.contains('\0')) {
        let letters = crate::plan::letters(place);
        return wrong(format!("column {letters} has a NUL byte in its name: the file is damaged or not a text file"));
    }
    let given: HashSet<String> = header.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut suffixes: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::with_capacity(header.len());
    for (place, name) in header.iter().enumerate() {
        let base = if name.is_empty() { crate::plan::letters(place) } else { name.clone() };
        let key = base.to_ascii_lowercase();
        let is_free = !taken.contains(&key) && (!name.is_empty() || !given.contains(&key));
        let unique = if is_free {
            base
        } else {
            let suffix = suffixes.entry(key).or_insert(1);
            loop {
                *suffix += 1;
                let tried = format!("{base}_{suffix}");
                let key = tried.to_ascii_lowercase();
                if !taken.contains(&key) && !given.contains(&key) {
                    break tried;
                }
            }
        };
        taken.insert(unique.to_ascii_lowercase());
        names.push(unique);
    }
    Ok(names)
}

/// Where in the result the fields stand.
struct ResultColumns {
    queue: usize,
    timestamp: usize,
    offered: usize,
    handled: usize,
    aht: Option<usize>,
    duration: Option<usize>,
    channel: usize,
    unknown: Vec<String>,
}

impl ResultColumns {
    fn of(statement: &Statement<'_>, kind: SqlKind) -> Result<Self> {
        let names = statement.column_names();
        let contacts = kind == SqlKind::ContactBased;
        let find = |field: &str| names.iter().position(|name| *name == field);
        let required = ["queue", "timestamp", "offered", "handled", "channel"];
        let missing: Vec<&str> =
            required.into_iter().chain(contacts.then_some("duration")).filter(|field| find(field).is_none()).collect();
        let optional = if contacts { "duration" } else { "aht" };
        let is_field = |name: &str| required.contains(&name) || name == optional;
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let message =
                format!("the result lacks {missing}: name the columns in lower case, as in `\"Skill\" AS queue`");
            return Err(invalid(message).with("columns", shortened(&names.join(", "))));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| is_field(name) && !seen.insert(**name)) {
            return Err(invalid(format!("the result has the column {twice} twice: leave one")));
        }
        // Found above, all of them.
        let place = |field: &str| find(field).unwrap_or_default();
        Ok(Self {
            queue: place("queue"),
            timestamp: place("timestamp"),
            offered: place("offered"),
            handled: place("handled"),
            aht: find("aht").filter(|_| !contacts),
            duration: find("duration").filter(|_| contacts),
            channel: place("channel"),
            unknown: names.iter().filter(|name| !is_field(name)).map(|name| (*name).to_owned()).collect(),
        })
    }

    fn pick<'r>(&self, row: &'r Row<'_>) -> Result<SqlRow<'r>> {
        let value = |place: usize| row.get_ref(place).map(SqlValue::from).map_err(defect);
        Ok(SqlRow {
            queue: value(self.queue)?,
            timestamp: value(self.timestamp)?,
            offered: value(self.offered)?,
            handled: value(self.handled)?,
            aht: self.aht.map(value).transpose()?,
            duration: self.duration.map(value).transpose()?,
            channel: value(self.channel)?,
        })
    }
}

impl<'r> From<ValueRef<'r>> for SqlValue<'r> {
    fn from(value: ValueRef<'r>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_or(Self::Blob(bytes), Self::Text),
            ValueRef::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

/// What watches a query: the callbacks of SQLite ask it, and it remembers what it answered.
#[derive(Debug, Default)]
struct Guard(Mutex<Watch>);

#[derive(Debug)]
struct Watch {
    deadline: Instant,
    /// When to look at the memory next.
    look: Instant,
    /// How much memory the process may have, where the system tells how much it has.
    memory: Option<u64>,
    /// The tables that SQLite has built in.
    modules: HashSet<String>,
    stop: Option<Stop>,
    /// What the authorizer refused first.
    refused: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Stop {
    Time,
    Memory,
}

impl Default for Watch {
    fn default() -> Self {
        let now = Instant::now();
        Self { deadline: now, look: now, memory: None, modules: HashSet::new(), stop: None, refused: None }
    }
}

impl Guard {
    fn state(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, limits: &SqlLimits) {
        let now = Instant::now();
        let mut state = self.state();
        // A time beyond what a clock can hold is as good as a year.
        state.deadline = now.checked_add(limits.time).unwrap_or(now + Duration::from_secs(366 * 86_400));
        state.look = now;
        state.memory = resident_memory().map(|bytes| bytes.saturating_add(limits.bytes));
    }

    /// Whether the query must end.
    fn is_over(&self) -> bool {
        let mut state = self.state();
        if state.stop.is_some() {
            return true;
        }
        let now = Instant::now();
        if now >= state.deadline {
            state.stop = Some(Stop::Time);
        } else if now >= state.look {
            state.look = now + MEMORY_CHECK;
            let most = state.memory.unwrap_or(u64::MAX);
            if resident_memory().is_some_and(|bytes| bytes > most) {
                state.stop = Some(Stop::Memory);
            }
        }
        state.stop.is_some()
    }

    /// Whether the query may do this: read the table and call the functions of the list, nothing else.
    fn decide(&self, context: &AuthContext<'_>) -> Authorization {
        let mut state = self.state();
        let is_allowed = match context.action {
            AuthAction::Select | AuthAction::Recursive => true,
            AuthAction::Read { table_name, column_name } => match context.database_name {
                // For `count(*)` as the user wrote it.
                Some(database) => database.eq_ignore_ascii_case("main") && table_name.eq_ignore_ascii_case(TABLE),
                // A `count(*)` reads no column. SQLite asks so for the table, for a subquery and for the name of a `WITH`,
                // but for its own tables as well.
                None => column_name.is_empty() && !state.is_built_in(table_name),
            },
            AuthAction::Function { function_name } => functions::is_allowed(function_name),
            _ => false,
        };
        if is_allowed {
            return Authorization::Allow;
        }
        state.refused.get_or_insert_with(|| describe(&context.action));
        Authorization::Deny
    }
}

impl Watch {
    fn is_built_in(&self, table: &str) -> bool {
        let table = table.to_ascii_lowercase();
        // SQLite adds these and the pragmas to its modules when somebody first names them.
        let is_late = ["json_each", "json_tree", "jsonb_each", "jsonb_tree", "carray"].contains(&table.as_str());
        is_late || table.starts_with("pragma_") || table.starts_with("sqlite_") || self.modules.contains(&table)
    }
}

/// What was refused, in words that the author of the query knows.
fn describe(action: &AuthAction<'_>) -> String {
    match action {
        AuthAction::Read { table_name, .. } => format!("the table {}", shortened(table_name)),
        AuthAction::Function { function_name } => format!("the function {}", shortened(function_name)),
        AuthAction::Pragma { pragma_name, .. } => format!("PRAGMA {}", shortened(pragma_name)),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => "another database".to_owned(),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => "a transaction".to_owned(),
        _ => "a change".to_owned(),
    }
}

/// The memory of the process in bytes.
fn resident_memory() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// Where a byte of the query stands, as an editor shows it.
fn position(sql: &str, offset: usize) -> String {
    let before = sql.get(..offset).unwrap_or(sql);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, message)
}

fn defect(error: rusqlite::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the in-memory database failed").caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The queue's file of the examples.
    const HEADER: [&str; 6] = ["Queue Name", "Date", "Time", "Calls", "Answered", "AHT"];
    const ROWS: [[&str; 6]; 3] = [
        ["Sales", "25/05/2020", "08:00", "15", "14", "230"],
        ["Sales", "25/05/2020", "08:15", "16", "15", "210.5"],
        ["Support", "25/05/2020", "08:00", "7", "", "n/a"],
    ];

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn mapping(limits: SqlLimits) -> Mapping {
        let mut mapping = Mapping::new(&owned(&HEADER), &limits).unwrap();
        for row in ROWS {
            mapping.insert(&row).unwrap();
        }
        mapping
    }

    fn shown(value: SqlValue<'_>) -> String {
        match value {
            SqlValue::Null => "NULL".to_owned(),
            SqlValue::Integer(number) => number.to_string(),
            SqlValue::Real(number) => format!("{number:?}"),
            SqlValue::Text(text) => format!("'{text}'"),
            SqlValue::Blob(bytes) => format!("{bytes:?}"),
        }
    }

    /// The result as lines: queue timestamp offered handled aht channel.
    fn run_on(mapping: Mapping, sql: &str) -> Result<String> {
        let mut lines = Vec::new();
        mapping.run(sql, SqlKind::IntervalBased, &mut |number, row| {
            assert_eq!(number, lines.len() as u64 + 1);
            let mut line = Vec::from([row.queue, row.timestamp, row.offered, row.handled].map(shown));
            line.extend(row.aht.map(shown));
            line.push(shown(row.channel));
            lines.push(line.join(" "));
            Ok(())
        })?;
        Ok(lines.join("\n"))
    }

    fn run(sql: &str) -> Result<String> {
        run_on(mapping(SqlLimits::default()), sql)
    }

    /// The value of an expression, as the AHT of one row.
    fn value(expression: &str) -> Result<String> {
        let sql = format!("SELECT '' AS queue, '' timestamp, 0 offered, 0 handled, {expression} AS aht, '' channel");
        let line = run(&sql)?;
        Ok(line.trim_start_matches("'' '' 0 0 ").trim_end_matches(" ''").to_owned())
    }

    #[track_caller]
    fn assert_refused(sql: &str, kind: ErrorKind, words: &str) {
        let limits = SqlLimits { time: Duration::from_millis(300), ..SqlLimits::default() };
        let started = Instant::now();
        let start = &sql[..sql.len().min(200)];
        let error = run_on(mapping(limits), sql).expect_err(start);
        let shown = error.to_string();
        assert_eq!(error.kind(), kind, "{shown} of {start}");
        assert!(shown.contains(words), "{shown:?} lacks {words:?} of {start}");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?} for {start}", started.elapsed());
    }

    macro_rules! queries {
        ($($name:ident, $sql:expr => $lines:expr;)*) => {
            $(#[test] fn $name() { assert_eq!(run($sql).unwrap(), $lines); })*
        };
    }

    /// The end of each query: the columns that it does not try.
    const REST: &str = "handled, 'calls' AS channel FROM uploaded_file";

    queries! {
        plain_columns, "SELECT \"Queue Name\" AS queue, Time AS timestamp, Calls AS offered, Answered AS handled, 'calls' AS channel
            FROM uploaded_file ORDER BY rowid"
            => "'Sales' '08:00' '15' '14' 'calls'\n'Sales' '08:15' '16' '15' 'calls'\n'Support' '08:00' '7' '' 'calls'";
        timestamp_from_pieces, "SELECT \"Queue Name\" AS queue,
            SUBSTR(Date, 7, 4) || '-' || SUBSTR(Date, 4, 2) || '-' || SUBSTR(Date, 1, 2) || ' ' || Time || ':00' AS timestamp,
            CAST(Calls AS INTEGER) AS offered, CAST(Answered AS INTEGER) AS handled, CAST(AHT AS REAL) AS aht, 'calls' AS channel
            FROM uploaded_file WHERE \"Queue Name\" LIKE 'sal%'"
            => "'Sales' '2020-05-25 08:00:00' 15 14 230.0 'calls'\n'Sales' '2020-05-25 08:15:00' 16 15 210.5 'calls'";
        arithmetic_and_case, "SELECT CASE WHEN Calls + 0 > 10 THEN 'Large' ELSE 'Small' END AS queue, '' AS timestamp,
            Calls * 2 AS offered, FLOOR(Calls / 2.0) AS handled, FLOOR(AHT) AS aht, 'calls' AS channel FROM uploaded_file"
            => "'Large' '' 30 7.0 230 'calls'\n'Large' '' 32 8.0 210.0 'calls'\n'Small' '' 14 3.0 NULL 'calls'";
        grouped, "SELECT \"Queue Name\" queue, MIN(Time) timestamp, SUM(Calls) offered, COUNT(*) handled,
            AVG(AHT) aht, 'calls' channel FROM uploaded_file GROUP BY 1 HAVING SUM(Calls) > 10"
            => "'Sales' '08:00' 31 2 220.25 'calls'";
        with, "WITH rows AS (SELECT \"Queue Name\" AS q, Calls + 0 AS c FROM uploaded_file), n AS (SELECT COUNT(*) AS n FROM rows)
            SELECT q AS queue, '' AS timestamp, c AS offered, (SELECT COUNT(*) FROM rows) AS handled, n AS aht, '' AS channel
            FROM rows, n WHERE c > 15"
            => "'Sales' '' 16 3 3 ''";
        recursion_that_ends, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
            SELECT '' AS queue, '' AS timestamp, SUM(i) AS offered, COUNT(*) AS handled, '' AS channel FROM n"
            => "'' '' 6 3 ''";
        windows, "SELECT \"Queue Name\" AS queue, LAG(Time, 1, '-') OVER w AS timestamp, ROW_NUMBER() OVER w AS offered,
            SUM(Calls) OVER w AS handled, '' AS channel FROM uploaded_file WINDOW w AS (PARTITION BY \"Queue Name\" ORDER BY Time)"
            => "'Sales' '-' 1 15 ''\n'Sales' '08:00' 2 31 ''\n'Support' '-' 1 7 ''";
        unions, "SELECT 'A' AS queue, Time AS timestamp, 1 AS offered, 1 AS handled, '' AS channel FROM uploaded_file WHERE Calls = '7'
            UNION ALL SELECT 'B', Time, 2, 2, '' FROM uploaded_file WHERE Calls = '16'"
            => "'A' '08:00' 1 1 ''\n'B' '08:15' 2 2 ''";
        subqueries, &format!("SELECT (SELECT MAX(\"Queue Name\") FROM uploaded_file) AS queue, '' AS timestamp, 1 AS offered, 0 AS {REST}
            WHERE Calls IN (SELECT MIN(Calls) FROM uploaded_file) AND EXISTS (SELECT 1 FROM uploaded_file)")
            => "'Support' '' 1 0 'calls'";
        self_join, "SELECT a.Time AS queue, b.Time AS timestamp, 1 AS offered, 1 AS handled, '' AS channel
            FROM uploaded_file a JOIN uploaded_file AS b USING (\"Queue Name\") WHERE a.Time < b.Time"
            => "'08:00' '08:15' 1 1 ''";
        one_semicolon_and_comments, &format!("-- mine\nSELECT 'a' AS queue, '' AS timestamp, 1 AS offered, 0 AS {REST} LIMIT 1; /* end */ ; -- ;")
            => "'a' '' 1 0 'calls'";
        no_rows, &format!("SELECT 'a' AS queue, '' AS timestamp, 1 AS offered, 0 AS {REST} WHERE 0") => "";
        other_case_of_the_table, "SELECT 'a' AS queue, '' AS timestamp, COUNT(*) AS offered, 0 AS handled, '' AS channel FROM main.Uploaded_File"
            => "'a' '' 3 0 ''";
    }

    #[test]
    fn functions_have_the_types_of_sqlite() {
        for (expression, expected) in [
            ("FLOOR(5)", "5"),
            ("FLOOR('5')", "5"),
            ("FLOOR(' 5 ')", "5"),
            ("FLOOR('5.0')", "5.0"),
            ("FLOOR(-0.5)", "-1.0"),
            ("FLOOR('x')", "NULL"),
            ("FLOOR('5x')", "NULL"),
            ("FLOOR('')", "NULL"),
            ("FLOOR(NULL)", "NULL"),
            ("FLOOR('inf')", "NULL"),
            ("FLOOR(x'35')", "NULL"),
            ("FLOOR('9223372036854775808')", "9.223372036854776e18"),
            ("FLOOR('1e3')", "1000.0"),
            ("CEIL(1.2)", "2.0"),
            ("CEILING('1.2')", "2.0"),
            ("TRUNC(-2.5)", "-2.0"),
            ("SIGN(-2.5)", "-1"),
            ("SQRT(4)", "2.0"),
            ("SQRT(-1)", "NULL"),
            ("EXP('0')", "1.0"),
            ("LN(0)", "NULL"),
            ("LN(1)", "0.0"),
            ("LOG(100)", "2.0"),
            ("LOG10(1000)", "3.0"),
            ("LOG2(8)", "3.0"),
            ("LOG(2, 8)", "3.0"),
            ("LOG(1, 5)", "NULL"),
            ("MOD(7, 3)", "1.0"),
            ("MOD(7, 0)", "NULL"),
            ("POW('2', 3)", "8.0"),
            ("POWER(2, 'x')", "NULL"),
            ("RADIANS(0)", "0.0"),
            ("ROUND(PI(), 2)", "3.14"),
            ("typeof(DATE('now'))", "'text'"),
            ("length(DATE('now'))", "10"),
            ("DATE('2020-05-25', '+1 day')", "'2020-05-26'"),
            ("strftime('%H:%M', '2020-05-25 08:15:00')", "'08:15'"),
            ("CURRENT_TIMESTAMP > '2020'", "1"),
            ("printf('%02d', 7)", "'07'"),
            ("IIF(1 > 2, 'a', 'b')", "'b'"),
            ("json_extract('{\"a\":1}', '$.a')", "1"),
            ("'{\"a\":2}' ->> 'a'", "2"),
            ("group_concat(1)", "'1'"),
            ("CAST(x'ff' AS TEXT)", "[255]"),
        ] {
            assert_eq!(value(expression).unwrap(), expected, "{expression}");
        }
        let today =
            Connection::open_in_memory().unwrap().query_row("SELECT DATE('now')", [], |row| row.get::<_, String>(0));
        assert_eq!(value("DATE('now')").unwrap(), format!("'{}'", today.unwrap()));
    }

    /// The replacements of [`functions`] answer as SQLite's own do, for all short texts of a few letters.
    #[test]
    fn replaced_functions_answer_as_those_of_sqlite() {
        let original = Connection::open_in_memory().unwrap();
        let replaced = Connection::open_in_memory().unwrap();
        let guard = Arc::new(Guard::default());
        guard.start(&SqlLimits::default());
        functions::register(&replaced, &guard).unwrap();
        let strings = |letters: &str, longest: usize| {
            let mut all = vec![String::new()];
            let mut last = all.clone();
            for _ in 0..longest {
                last = last.iter().flat_map(|text| letters.chars().map(move |c| format!("{text}{c}"))).collect();
                all.extend(last.iter().cloned());
            }
            all
        };
        let compare = |sql: &str, firsts: &[String], seconds: &[String]| {
            let (mut ours, mut theirs) = (replaced.prepare(sql).unwrap(), original.prepare(sql).unwrap());
            for first in firsts {
                for second in seconds {
                    let get = |row: &Row<'_>| row.get::<_, rusqlite::types::Value>(0);
                    let ours = ours.query_row([first, second], get).map_err(|error| error.to_string());
                    let theirs = theirs.query_row([first, second], get).map_err(|error| error.to_string());
                    assert_eq!(ours, theirs, "{sql} of {first:?} and {second:?}");
                }
            }
        };
        let texts = strings("aBö", 4);
        compare("SELECT ?1 LIKE ?2", &texts, &strings("ab%_Ö", 4));
        compare("SELECT ?1 LIKE ?2 ESCAPE 'a'", &texts, &strings("ab%_", 4));
        compare("SELECT ?1 LIKE ?2 ESCAPE '%'", &texts, &strings("ab%_", 3));
        compare("SELECT 'ab%' LIKE ?1 ESCAPE ?2", &texts, &strings("a%", 2));
        compare("SELECT ?1 GLOB ?2", &strings("aB", 4), &strings("aB*?", 4));
        compare("SELECT ?1 GLOB ?2", &strings("a-]b", 2), &strings("[]^-ab", 5));
        compare("SELECT instr(?1, ?2)", &texts, &strings("aBö", 2));
        compare("SELECT instr(CAST(?1 AS BLOB), CAST(?2 AS BLOB))", &texts, &strings("aBö", 2));
        compare("SELECT replace(?1, ?2, 'xy')", &texts, &strings("aBö", 2));
        compare("SELECT replace(?1, ?2, NULL)", &texts, &strings("aBö", 1));
        for function in ["trim", "ltrim", "rtrim"] {
            compare(&format!("SELECT {function}(?1, ?2)"), &texts, &strings("aBö", 2));
        }
        // Numbers take the text that SQLite gives them.
        let numbers = [
            "0.1 + 0.2",
            "1e15",
            "1e14",
            "123456789012345678",
            "-1.5",
            "1.0 / 3",
            "2e-4",
            "2e-5",
            "-1e300",
            "9e999",
            "-9e999",
            "0.0",
            "100.0",
            "99999999999999.95",
            "999999999999999.5",
            "5e-324",
            "NULL",
            "x'61'",
        ];
        for number in numbers {
            for sql in [
                format!("SELECT replace({number}, '', '')||''"),
                format!("SELECT trim({number}, 'x')"),
                format!("SELECT {number} LIKE '%0%'"),
                format!("SELECT instr({number}, 0)"),
            ] {
                let get = |row: &Row<'_>| row.get::<_, rusqlite::types::Value>(0);
                let (ours, theirs) = (replaced.query_row(&sql, [], get), original.query_row(&sql, [], get));
                assert_eq!(ours.unwrap(), theirs.unwrap(), "{sql}");
            }
        }
    }

    #[test]
    fn contacts_need_a_duration_and_have_no_aht() {
        let sql = "SELECT '' AS queue, '' AS timestamp, 1 AS offered, 1 AS handled, 100 AS duration, 5 AS aht, 'x' AS channel, 2 AS Aht";
        let mut seen = Vec::new();
        let unknown = mapping(SqlLimits::default()).run(sql, SqlKind::ContactBased, &mut |number, row| {
            seen.push((number, row.duration.map(shown), row.aht.map(shown)));
            Ok(())
        });
        assert_eq!(unknown.unwrap(), ["aht", "Aht"]);
        assert_eq!(seen, [(1, Some("100".to_owned()), None)]);
        let unknown = mapping(SqlLimits::default()).run(sql, SqlKind::IntervalBased, &mut |_, _| Ok(()));
        assert_eq!(unknown.unwrap(), ["duration", "Aht"]);
        let without = mapping(SqlLimits::default()).run(
            &sql.replace("duration", "seconds"),
            SqlKind::ContactBased,
            &mut |_, _| Ok(()),
        );
        assert!(without.unwrap_err().to_string().starts_with("the result lacks duration: "));
    }

    #[test]
    fn errors_of_the_caller_pass() {
        let sql = format!("SELECT 'a' AS queue, '' AS timestamp, 1 AS offered, 0 AS {REST}");
        let mut calls = 0;
        let error = mapping(SqlLimits::default()).run(&sql, SqlKind::IntervalBased, &mut |_, _| {
            calls += 1;
            Err(Error::new(ErrorKind::Cancelled, "stop"))
        });
        assert_eq!((error.unwrap_err().kind(), calls), (ErrorKind::Cancelled, 1));
    }

    #[test]
    fn mistakes_are_explained() {
        for (sql, words) in [
            ("", "the query is empty: write one SELECT over the table uploaded_file"),
            (" ; -- nothing\n", "the query is empty"),
            (
                "SELECT 1 AS queue",
                "the result lacks timestamp, offered, handled, channel: name the columns in lower case, as in `\"Skill\" AS queue` (columns: queue)",
            ),
            ("SELECT 1 AS Queue, 2 AS timestamp, 3 AS offered, 4 AS handled, 5 AS channel", "the result lacks queue: "),
            (
                "SELECT 1 AS queue, 1 AS queue, 2 AS timestamp, 3 AS offered, 4 AS handled, 5 AS channel",
                "the result has the column queue twice",
            ),
            (
                "SELECT\n  Calls AS queue,\n  FROM uploaded_file",
                "the query is not valid: near \"FROM\": syntax error (position: line 3, column 3)",
            ),
            ("SELECT \"Queue Nam\" AS queue FROM uploaded_file", "no such column: \"Queue Nam\""),
            ("SELECT 'ä', Wrong FROM uploaded_file", "no such column: Wrong (position: line 1, column 13)"),
            ("SELECT * FROM uploadedfile", "no such table: uploadedfile"),
            ("SELECT ?1 AS queue", "the query is not valid: variable number"),
            ("SELECT :queue", "too many SQL variables"),
            ("SELECT regexp('a', 'a')", "no such function: regexp"),
            ("SELECT 1; SELECT 2", "the query has more than one statement"),
            ("SELECT 1; garbage", "the query has more than one statement"),
            ("SELECT 1 /* ; */; -- ;\n DROP TABLE uploaded_file", "the query has more than one statement"),
            (
                "SELECT 1\0; DROP TABLE uploaded_file",
                "the query holds a NUL byte: delete it (position: line 1, column 9)",
            ),
            ("VALUES (1, 2, 3, 4, 5)", "the result lacks queue"),
            ("EXPLAIN SELECT 1", "the result lacks queue"),
            (
                "SELECT abs(-9223372036854775808) AS queue, 2 AS timestamp, 3 AS offered, 4 AS handled, 5 AS channel",
                "integer overflow",
            ),
            ("SELECT 'a' LIKE 'b' ESCAPE 'cd'", "the result lacks"),
            (
                "SELECT 1 AS queue, 2 AS timestamp, 3 AS offered, 4 AS handled, 'a' LIKE 'b' ESCAPE 'cd' AS channel",
                "ESCAPE expression must be a single character",
            ),
        ] {
            assert_refused(sql, ErrorKind::ConfigInvalid, words);
        }
    }

    #[test]
    fn a_query_reaches_nothing_but_its_table() {
        let outside = std::env::temp_dir().join(format!("sql-mapping-{}.db", std::process::id()));
        let file = outside.display();
        for (sql, words) in [
            (&*format!("ATTACH '{file}' AS other"), "another database is not allowed"),
            ("ATTACH ':memory:' AS other", "another database is not allowed"),
            ("DETACH main", "another database is not allowed"),
            (&format!("VACUUM INTO '{file}'"), "does not only read"),
            ("VACUUM", "does not only read"),
            ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode is not allowed"),
            ("PRAGMA query_only = OFF", "PRAGMA query_only is not allowed"),
            ("PRAGMA database_list", "PRAGMA database_list is not allowed"),
            ("PRAGMA hard_heap_limit = 1", "PRAGMA hard_heap_limit is not allowed"),
            (&format!("PRAGMA temp_store_directory = '{file}'"), "PRAGMA temp_store_directory is not allowed"),
            ("SELECT * FROM pragma_database_list", "the table pragma_database_list is not allowed"),
            ("SELECT COUNT(*) FROM pragma_database_list", "the table pragma_database_list is not allowed"),
            ("SELECT COUNT(*) FROM pragma_table_info('uploaded_file')", "the table pragma_table_info is not allowed"),
            ("SELECT * FROM pragma_query_only(0)", "not allowed"),
            ("SELECT * FROM sqlite_master", "the table sqlite_master is not allowed"),
            ("SELECT COUNT(*) FROM sqlite_master", "the table sqlite_master is not allowed"),
            ("SELECT COUNT(*) FROM main.sqlite_master", "is not allowed"),
            ("SELECT COUNT(*) FROM sqlite_Schema AS x", "is not allowed"),
            ("SELECT 1 FROM temp.sqlite_master", "is not allowed"),
            ("SELECT sql FROM sqlite_temp_schema", "is not allowed"),
            ("SELECT * FROM json_each('[1]')", "the table json_each is not allowed"),
            ("SELECT COUNT(*) FROM JSON_TREE('[1]')", "is not allowed"),
            ("SELECT * FROM dbstat", "is not allowed"),
            ("SELECT COUNT(*) FROM dbstat", "is not allowed"),
            ("SELECT * FROM fts3tokenize('simple')", "is not allowed"),
            ("SELECT * FROM fts4aux", ""),
            ("SELECT load_extension('evil.so')", "the function load_extension is not allowed"),
            ("SELECT LOAD_EXTENSION('evil.so', 'main')", "the function load_extension is not allowed"),
            ("SELECT fts3_tokenizer('simple')", "the function fts3_tokenizer is not allowed"),
            ("SELECT randomblob(1000000000)", "the function randomblob is not allowed"),
            ("SELECT zeroblob(1000000000)", "the function zeroblob is not allowed"),
            ("SELECT rtreecheck('uploaded_file')", "the function rtreecheck is not allowed"),
            ("SELECT sqlite_compileoption_get(1)", "the function sqlite_compileoption_get is not allowed"),
            ("SELECT sqlite_log(1, 'x')", "not allowed"),
            ("SELECT json_group_array(Calls) FROM uploaded_file", "the function json_group_array is not allowed"),
            ("SELECT readfile('/etc/passwd')", "no such function: readfile"),
            ("SELECT writefile('x', 'y')", "no such function: writefile"),
            ("SELECT edit('x')", "no such function: edit"),
            ("INSERT INTO uploaded_file (Calls) VALUES (1) RETURNING 1", "a change is not allowed"),
            ("INSERT INTO uploaded_file SELECT * FROM uploaded_file", "a change is not allowed"),
            ("REPLACE INTO uploaded_file (Calls) VALUES (1)", "a change is not allowed"),
            ("UPDATE uploaded_file SET Calls = 1 RETURNING Calls AS queue", "a change is not allowed"),
            ("DELETE FROM uploaded_file", "a change is not allowed"),
            ("WITH x AS (SELECT 1) DELETE FROM uploaded_file RETURNING *", "a change is not allowed"),
            ("WITH x AS (DELETE FROM uploaded_file RETURNING *) SELECT * FROM x", "syntax error"),
            ("SELECT * FROM (DELETE FROM uploaded_file)", "syntax error"),
            ("DROP TABLE uploaded_file", "a change is not allowed"),
            ("ALTER TABLE uploaded_file RENAME TO x", "a change is not allowed"),
            ("CREATE TABLE x AS SELECT * FROM uploaded_file", "a change is not allowed"),
            ("CREATE TEMP TABLE x (a)", "a change is not allowed"),
            ("CREATE VIEW x AS SELECT 1", "a change is not allowed"),
            ("CREATE TEMP TRIGGER x AFTER INSERT ON uploaded_file BEGIN SELECT 1; END", "a change is not allowed"),
            ("CREATE INDEX x ON uploaded_file (Calls)", "a change is not allowed"),
            ("CREATE VIRTUAL TABLE x USING fts5(a)", "a change is not allowed"),
            ("REINDEX", "does not only read"),
            ("ANALYZE", "is not allowed"),
            ("BEGIN", "a transaction is not allowed"),
            ("COMMIT", "a transaction is not allowed"),
            ("SAVEPOINT x", "a transaction is not allowed"),
            ("EXPLAIN DROP TABLE uploaded_file", "a change is not allowed"),
            ("SELECT 1; ATTACH ':memory:' AS x", "more than one statement"),
        ] {
            assert_refused(sql, ErrorKind::ConfigInvalid, words);
        }
        assert!(!outside.exists());
    }

    /// The required columns, one of them `expression`.
    fn select(expression: &str, rest: &str) -> String {
        format!("SELECT {expression} AS queue, '' AS timestamp, 1 AS offered, 1 AS handled, '' AS channel {rest}")
    }

    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";

    #[test]
    fn a_query_ends_in_time() {
        let endless = |expression: &str, rest: &str| format!("{ENDLESS} {}", select(expression, rest));
        let joined = (0..24).map(|place| format!("uploaded_file t{place}")).collect::<Vec<_>>().join(",");
        let many = "WITH a(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM a LIMIT 1000)";
        // A straight line without a jump, where SQLite asks nobody.
        let heavy = |call: &str| {
            let calls = vec![call; 1_900.min(60_000 / (call.len() + 1))].join(",");
            let texts = "SELECT printf('%.30000c', 'a') AS a, printf('%.15000c', 'a') || 'b' AS b, Calls AS n FROM uploaded_file";
            format!("WITH t AS MATERIALIZED ({texts}) {}", select("''", &format!(", {calls} FROM t, {joined}")))
        };
        for sql in [
            endless("SUM(i)", "FROM n"),
            endless("i", "FROM n WHERE i < 0"),
            endless("COUNT(*)", "FROM n"),
            endless("string_agg(i, ',')", "FROM n"),
            format!("{many} {}", select("COUNT(*)", "FROM a, a b, a c, a d")),
            select("COUNT(*)", &format!("FROM {joined}")),
            format!("{ENDLESS} {}", select("COUNT(DISTINCT 1)", "FROM n, uploaded_file")),
            heavy("instr(a, b)"),
            heavy("replace(a, b, 'x')"),
            heavy("trim(a, b || n)"),
            heavy("a GLOB '*' || replace(printf('%.99c', 'x'), 'x', '[a-b]') || 'c'"),
            heavy("a LIKE '%' || replace(printf('%.200c', 'x'), 'x', '_a') || 'c'"),
        ] {
            assert_refused(
                &sql,
                ErrorKind::Timeout,
                "the query ran longer than 300ms: simplify it, or import smaller files",
            );
        }
    }

    #[test]
    fn compiling_ends_in_time() {
        // Each name stands for twice the one before.
        let mut sql = "WITH a0 AS (SELECT Calls AS c FROM uploaded_file)".to_owned();
        for step in 1..40 {
            write!(sql, ", a{step} AS (SELECT x.c FROM a{0} x, a{0} y)", step - 1).unwrap();
        }
        let started = Instant::now();
        let limits = SqlLimits { time: Duration::from_millis(300), ..SqlLimits::default() };
        let error = run_on(mapping(limits), &format!("{sql} {}", select("c", "FROM a39"))).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::ConfigInvalid), "{error:?}");
    }

    #[test]
    fn time_of_the_caller_does_not_count() {
        let limits = SqlLimits { time: Duration::from_millis(500), ..SqlLimits::default() };
        let sql = format!("{ENDLESS} {}", select("i", "FROM n LIMIT 5000"));
        let mut rows = 0;
        let busy = mapping(limits).run(&sql, SqlKind::IntervalBased, &mut |number, _| {
            rows = number;
            let started = Instant::now();
            while number == 1 && started.elapsed() < limits.time {}
            Ok(())
        });
        busy.unwrap();
        assert_eq!(rows, 5000);
    }

    #[test]
    fn what_a_query_builds_is_bounded() {
        // A quarter of what a thread of Rust has.
        let small = std::thread::Builder::new().stack_size(512 << 10);
        small.spawn(builds_are_bounded).unwrap().join().unwrap();
    }

    fn builds_are_bounded() {
        // What is too long is NULL for this function.
        assert_eq!(value("printf('%.1000000000c', 'a')").unwrap(), "NULL");
        assert_eq!(value("printf('%2000000d', 1)").unwrap(), "NULL");
        let nested = |depth: usize, start: &str, end: &str| {
            format!("{}SELECT 1 AS queue{}", start.repeat(depth), end.repeat(depth))
        };
        let mut chain = "WITH a0 AS (SELECT Calls FROM uploaded_file)".to_owned();
        for step in 1..=190 {
            write!(chain, ", a{step} AS (SELECT * FROM a{} LIMIT 9)", step - 1).unwrap();
        }
        assert_eq!(value(&format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000))).unwrap(), "1");
        let sum = vec!["1"; 300].join("+");
        let unions = vec!["SELECT 1 AS queue"; 60].join(" UNION ALL ");
        for (sql, words) in [
            (select("replace(printf('%.60000c', 'a'), 'a', printf('%.60000c', 'b'))", ""), "too long"),
            (select("hex(printf('%.60000c', 'a'))", ""), "too long"),
            (select("group_concat(printf('%.60000c', 'a'))", "FROM uploaded_file"), "too long"),
            (
                format!(
                    "WITH RECURSIVE n(t) AS (SELECT 'x' UNION ALL SELECT t || t FROM n) {}",
                    select("MAX(t)", "FROM n")
                ),
                "too long",
            ),
            (select("'a' LIKE printf('%.501c', 'a')", ""), "pattern too complex"),
            (select(&format!("'{}'", "x".repeat(MAX_SQL)), ""), "too long"),
            (select(&format!("{}1{}", "abs(".repeat(300), ")".repeat(300)), ""), "maximum depth"),
            (nested(4_000, "SELECT * FROM (", ")"), "more than 200 SELECTs"),
            (nested(150, "SELECT * FROM (", ")"), "the result lacks"),
            (nested(150, "SELECT * FROM (", " LIMIT 9)"), "the result lacks"),
            (nested(150, "WITH x AS (", ")SELECT * FROM x"), "the result lacks"),
            (nested(150, "WITH x AS MATERIALIZED (", ")SELECT * FROM x"), "the result lacks"),
            (nested(150, "SELECT 1 AS queue UNION ALL SELECT * FROM (", ")"), "more than 200 SELECTs"),
            (nested(150, "SELECT 1 FROM uploaded_file WHERE EXISTS (", ")"), ""),
            (format!("{chain} SELECT * FROM a190"), "the result lacks"),
            (format!("{}VALUES (1){}", "WITH x AS (".repeat(2_700), ")VALUES (1)".repeat(2_700)), "the result lacks"),
            (format!("SELECT * FROM {}uploaded_file{}", "(".repeat(20_000), ")".repeat(20_000)), ""),
            (format!("SELECT {} 1", "NOT ".repeat(15_000)), ""),
            (format!("SELECT {}1{}", "(SELECT ".repeat(7_000), ")".repeat(7_000)), ""),
            (format!("SELECT 1{}", " IN (1".repeat(9_000)), ""),
            (format!("SELECT {}1{}", "CASE WHEN 1 THEN ".repeat(2_500), " END".repeat(2_500)), ""),
            (select(&sum, ""), "Expression tree is too large (maximum depth 200)"),
            (unions, "too many terms in compound SELECT"),
            ("SELECT 1;".repeat(150), "more than one statement"),
            ("VALUES (1);".repeat(5_000), "more than one statement"),
            (";".repeat(60_000), "the query is empty"),
        ] {
            assert_refused(&sql, ErrorKind::ConfigInvalid, words);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_query_keeps_is_bounded() {
        let limits = SqlLimits { time: Duration::from_secs(60), bytes: 64 << 20 };
        let sql = format!("{ENDLESS} {}", select("printf('%50000d', i)", "FROM n ORDER BY 1"));
        let error = run_on(mapping(limits), &sql).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert_eq!(
            error.message(),
            "the query takes more than 64 MiB of memory: check its joins, or import smaller files"
        );
    }

    #[test]
    fn what_a_file_takes_is_bounded() {
        let limits = SqlLimits { bytes: 1 << 20, ..SqlLimits::default() };
        let mut mapping = Mapping::new(&owned(&["a", "b"]), &limits).unwrap();
        let field = "x".repeat(1_000);
        let (inserted, error) =
            (0..).find_map(|count| mapping.insert(&[&field]).err().map(|error| (count, error))).unwrap();
        assert_eq!(error.to_string(), "the file is too large for a query, it takes more than 1 MiB: split it");
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        assert!((700..1_048).contains(&inserted), "{inserted}");
    }

    #[test]
    fn rows_fit_the_header() {
        let mut mapping = Mapping::new(&owned(&["a", "b", "c"]), &SqlLimits::default()).unwrap();
        mapping.insert(&["1"]).unwrap();
        mapping.insert(&[]).unwrap();
        let error = mapping.insert(&["1", "2", "3", "4"]).unwrap_err();
        assert!(error.to_string().starts_with("the row has more fields than the header"), "{error}");
        let error = mapping.insert(&[&"x".repeat(MAX_LENGTH + 1)]).unwrap_err();
        assert!(error.to_string().starts_with("the row is longer than 1000000 bytes"), "{error}");
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        mapping.insert(&[&"y".repeat(MAX_LENGTH - 100), "q'); DROP TABLE uploaded_file; --"]).unwrap();
        let sql = "SELECT length(a) AS queue, b AS timestamp, c AS offered, b IS '' AS handled, '' AS channel FROM uploaded_file";
        let lines = run_on(mapping, sql).unwrap();
        assert_eq!(lines, "1 '' '' 1 ''\n0 '' '' 1 ''\n999900 'q'); DROP TABLE uploaded_file; --' '' 0 ''");
    }

    #[test]
    fn header_names_stay_or_become_distinct() {
        for (header, expected) in [
            (vec!["Queue Name", "Date", "date"], vec!["Queue Name", "Date", "date_2"]),
            (vec!["", "", "a"], vec!["A_2", "B", "a"]),
            (vec!["a", "a", "a", "a_2"], vec!["a", "a_3", "a_4", "a_2"]),
            (vec![" ", "rowid", "select"], vec![" ", "rowid", "select"]),
        ] {
            assert_eq!(column_names(&owned(&header)).unwrap(), expected);
        }
        assert_eq!([0, 25, 26, 51, 52, 701, 702].map(crate::plan::letters), ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }

    #[test]
    fn hostile_header_names_are_names() {
        let names = [
            "a\"b",
            "\"",
            "[x]",
            "`y`",
            "'z'",
            "a); DROP TABLE uploaded_file; --",
            "x TEXT, y",
            "Größe",
            "a\nb",
            "%s?1:v",
            "rowid",
            "\" TEXT DEFAULT (load_extension('x')), \"",
        ];
        for (place, name) in names.iter().enumerate() {
            let mut mapping = Mapping::new(&owned(&names), &SqlLimits::default()).unwrap();
            let row: Vec<String> = (0..names.len()).map(|column| format!("v{column}")).collect();
            mapping.insert(&row.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
            let quoted = format!("\"{}\"", name.replace('"', "\"\""));
            let line = run_on(mapping, &select(&quoted, "FROM uploaded_file")).unwrap();
            assert_eq!(line, format!("'v{place}' '' 1 1 ''"), "{name}");
        }
    }

    #[test]
    fn headers_are_bounded() {
        let wide: Vec<String> = (0..2_001).map(|place| format!("column {place}")).collect();
        let row = vec!["1"; 2_000];
        let mut mapping = Mapping::new(&wide[..2_000], &SqlLimits::default()).unwrap();
        mapping.insert(&row).unwrap();
        assert_eq!(run_on(mapping, &select("\"column 1999\"", "FROM uploaded_file")).unwrap(), "'1' '' 1 1 ''");
        let same = vec!["x".to_owned(); 2_000];
        assert!(Mapping::new(&same, &SqlLimits::default()).is_ok());
        for (header, words) in [
            (wide, "the file has 2001 columns, a query takes at most 2000: check the separator"),
            (vec![], "the file has no columns: check the header row"),
            (owned(&["a", "b\0c"]), "column B has a NUL byte in its name: the file is damaged or not a text file"),
        ] {
            let error = Mapping::new(&header, &SqlLimits::default()).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::DataInvalid, words));
        }
    }

    #[test]
    fn a_mapping_travels_to_another_thread() {
        let sql = select("COUNT(*)", "FROM uploaded_file");
        let mapping = mapping(SqlLimits::default());
        assert_eq!(std::thread::spawn(move || run_on(mapping, &sql)).join().unwrap().unwrap(), "3 '' 1 1 ''");
    }

    /// How long a large file takes; run with `--release -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn measure() {
        let started = Instant::now();
        let mut mapping = Mapping::new(&owned(&HEADER), &SqlLimits::default()).unwrap();
        for number in 0..200_000 {
            let calls = (number % 40).to_string();
            mapping.insert(&["My Inbound Queue", "25/05/2020", "08:15", &calls, "14", "230"]).unwrap();
        }
        println!("insert {:?}", started.elapsed());
        let started = Instant::now();
        let sql = "SELECT \"Queue Name\" AS queue,
            SUBSTR(Date, 7, 4) || '-' || SUBSTR(Date, 4, 2) || '-' || SUBSTR(Date, 1, 2) || ' ' || Time || ':00' AS timestamp,
            CAST(Calls AS INTEGER) AS offered, FLOOR(Answered) AS handled, CAST(AHT AS REAL) AS aht,
            CASE WHEN \"Queue Name\" LIKE '%inbound%' THEN 'calls' ELSE 'chats' END AS channel FROM uploaded_file";
        let mut rows = 0;
        mapping
            .run(sql, SqlKind::IntervalBased, &mut |number, _| {
                rows = number;
                Ok(())
            })
            .unwrap();
        println!("select {:?} of {rows} rows", started.elapsed());
    }
}
