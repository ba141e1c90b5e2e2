//! The database underneath: its connections, rights, and what its errors are for a client.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ErrorCode, Result};

use crate::error::SqlError;
use crate::options::User;
use crate::server::{Control, Inner, lock};
use crate::translate::Translated;

/// A connection of the database with the schemas and functions.
pub(crate) fn open(inner: &Inner) -> Result<Connection> {
    let connection = Connection::open(&inner.file)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;")?;
    for schema in &inner.options.schemas {
        let file = inner.folder.path().join(format!("{schema}.db"));
        let file = file.to_string_lossy().into_owned();
        connection.execute("ATTACH ? AS ?", [file.as_str(), schema.as_str()])?;
        connection.execute_batch(&format!("PRAGMA \"{schema}\".journal_mode = WAL"))?;
    }
    crate::functions::register(&connection)?;
    Ok(connection)
}

/// What an authorization found, for the error to tell.
pub(crate) type Denied = Arc<Mutex<Option<(&'static str, String)>>>;

/// A connection for a client: with its rights, and stopped when the client wants it.
pub(crate) fn open_for(
    inner: &Inner,
    user: &User,
    control: &Arc<Control>,
    deadline: &Arc<Mutex<Option<Instant>>>,
) -> Result<(Connection, Denied)> {
    let connection = open(inner)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    let denied = Denied::default();
    let (found, user) = (Arc::clone(&denied), user.clone());
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        let (permission, table) = match context.action {
            AuthAction::Read { table_name, .. } => ("SELECT", table_name),
            AuthAction::Insert { table_name } => ("INSERT", table_name),
            AuthAction::Update { table_name, .. } => ("UPDATE", table_name),
            AuthAction::Delete { table_name } => ("DELETE", table_name),
            AuthAction::CreateTable { table_name }
            | AuthAction::CreateView { view_name: table_name }
            | AuthAction::DropTable { table_name }
            | AuthAction::DropView { view_name: table_name } => ("ALTER", table_name),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::Pragma { .. } => ("CONTROL", "pragma"),
            _ => return Authorization::Allow,
        };
        let is_own = context.database_name == Some("temp") || table.starts_with("sqlite_");
        // Who may read a view may read through it.
        let is_known = |name: &str, tables: &[String]| tables.iter().any(|known| known.eq_ignore_ascii_case(name));
        let may_read = || match &user.tables {
            None => true,
            Some(tables) => is_known(table, tables) || context.accessor.is_some_and(|view| is_known(view, tables)),
        };
        if is_own
            || (permission == "SELECT" && (may_read() || table.is_empty()))
            || (permission != "SELECT" && user.writes)
        {
            return Authorization::Allow;
        }
        lock(&found).get_or_insert_with(|| (permission, table.to_owned()));
        Authorization::Deny
    }))?;
    let (control, deadline) = (Arc::clone(control), Arc::clone(deadline));
    connection.progress_handler(
        2000,
        Some(move || {
            control.cancel.load(Ordering::SeqCst)
                || control.gone.load(Ordering::SeqCst)
                || lock(&deadline).is_some_and(|deadline| Instant::now() >= deadline)
        }),
    )?;
    Ok((connection, denied))
}

/// What an error of the database is for the client.
pub(crate) fn error(error: &rusqlite::Error, denied: &Denied, translated: &Translated, database: &str) -> SqlError {
    let line = translated.line;
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    if let Some((permission, table)) = lock(denied).take() {
        if permission == "ALTER" || permission == "CONTROL" {
            let message = format!("CREATE TABLE permission denied in database '{database}'.");
            return SqlError::new(262, 14, message, line);
        }
        let message = format!(
            "The {permission} permission was denied on the object '{table}', database '{database}', schema 'dbo'."
        );
        return SqlError { state: 5, ..SqlError::new(229, 14, message, line) };
    }
    if let Some(error) = SqlError::from_marked(&text, line) {
        return error;
    }
    let after = |prefix: &str| text.strip_prefix(prefix).map(str::trim);
    let code = error.sqlite_error_code();
    if code == Some(ErrorCode::OperationInterrupted) {
        return SqlError::new(0, 11, "The request was stopped.", line);
    }
    if matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) {
        return SqlError { state: 45, ..SqlError::new(1222, 16, "Lock request time out period exceeded.", line) };
    }
    if let Some(table) = after("no such table: ") {
        let table = table.rsplit('.').next().unwrap_or(table);
        let written = translated.paths.get(&table.to_ascii_lowercase()).map_or(table, String::as_str);
        return SqlError::new(208, 16, format!("Invalid object name '{written}'."), line);
    }
    if let Some(column) = after("no such column: ").or_else(|| text.split(" has no column named ").nth(1)) {
        let column = column.split(" - ").next().unwrap_or(column).trim_matches('"');
        let (table, name) = column.rsplit_once('.').unwrap_or(("", column));
        let is_known = table.is_empty() || translated.names.contains(&table.to_ascii_lowercase());
        return if is_known {
            SqlError::new(207, 16, format!("Invalid column name '{name}'."), line)
        } else {
            SqlError::new(4104, 16, format!("The multi-part identifier \"{column}\" could not be bound."), line)
        };
    }
    if let Some(column) = after("ambiguous column name: ") {
        let name = column.rsplit('.').next().unwrap_or(column);
        return SqlError::new(209, 16, format!("Ambiguous column name '{name}'."), line);
    }
    if let Some(function) = after("no such function: ") {
        return SqlError::new(195, 15, format!("'{function}' is not a recognized built-in function name."), line);
    }
    if let Some(rest) = text.strip_prefix("near \"") {
        let near = rest.split("\": ").next().unwrap_or(rest).trim_matches('"');
        return SqlError::near(near, line);
    }
    if let Some(function) = after("wrong number of arguments to function ") {
        let message = format!("The {} function requires another number of arguments.", function.trim_end_matches("()"));
        return SqlError::new(174, 15, message, line);
    }
    if text.contains("incomplete input") || text.contains("unrecognized token") || text.contains("syntax error") {
        let last = translated.sql.rsplit(' ').next().unwrap_or_default().trim_matches('"');
        return SqlError::new(102, 15, format!("Incorrect syntax near '{last}'."), line);
    }
    if text.contains("do not have the same number of result columns") {
        let message = "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of \
            expressions in their target lists.";
        return SqlError::new(205, 16, message, line);
    }
    if let Some(key) = after("UNIQUE constraint failed: ") {
        let message = format!("Violation of UNIQUE KEY constraint. Cannot insert duplicate key in object '{key}'.");
        return SqlError::new(2627, 14, message, line);
    }
    if let Some(column) = after("NOT NULL constraint failed: ") {
        let message = format!("Cannot insert the value NULL into column '{column}'; column does not allow nulls.");
        return SqlError::new(515, 16, message, line);
    }
    if let Some(table) = text.strip_suffix(" already exists") {
        let table = table.rsplit(' ').next().unwrap_or(table).trim_matches('"');
        let message = format!("There is already an object named '{table}' in the database.");
        return SqlError::new(2714, 16, message, line);
    }
    SqlError::new(50_000, 16, format!("The stand-in cannot run this: {text}"), line)
}
