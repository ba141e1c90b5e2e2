//! How a driver is told where the database is, and what a session is set to before anything is read.

use injixo_core::{Error, ErrorKind, Result};
use odbc_api::{ConnectionOptions, Environment, environment};

use super::errors::failed;
use crate::config::Connection;
use crate::dialect::{Dialect, Family, Places};
use crate::odbc_string::{self, escaped};

/// An open connection that can only read, within a transaction that is never committed.
pub(super) fn open(config: &Connection) -> Result<(odbc_api::Connection<'static>, Dialect)> {
    let environment = environment().map_err(|error| failed(config, None, &error))?;
    let options = ConnectionOptions { login_timeout_sec: u32::try_from(config.request_secs).ok(), packet_size: None };
    let connection = environment.connect_with_connection_string(&string(config), options);
    let connection = connection.map_err(|error| not_opened(config, environment, &error))?;
    match set_up(config, &connection) {
        Ok(dialect) => Ok((connection, dialect)),
        Err(error) => {
            close(connection);
            Err(error)
        }
    }
}

/// Rolls back and disconnects.
pub(super) fn close(connection: odbc_api::Connection<'static>) {
    // A connection that was lost can do neither.
    let _ = connection.rollback();
    let mut handle = connection.into_handle();
    if handle.disconnect().is_err() {
        // The handle of a connection that cannot be ended cannot be freed.
        std::mem::forget(handle);
    }
}

fn set_up(config: &Connection, connection: &odbc_api::Connection<'_>) -> Result<Dialect> {
    let failed = |family, error: odbc_api::Error| failed(config, family, &error);
    let name = connection.database_management_system_name().map_err(|error| failed(None, error))?;
    let family = family(&name)?;
    let in_family = |error| failed(Some(family), error);
    for statement in before(family, config.request_secs) {
        let is_optional = statement.starts_with("SET SESSION max_");
        match connection.execute(&statement, (), None) {
            Ok(_) => {}
            // MariaDB has the one limit, MySQL the other.
            Err(_) if is_optional => {}
            Err(error) => return Err(in_family(error)),
        }
    }
    connection.set_autocommit(false).map_err(in_family)?;
    for statement in first(family) {
        connection.execute(statement, (), None).map_err(in_family)?;
    }
    Ok(Dialect { family, places: Places::Casts })
}

/// Which database it is, by the name that its driver gives it.
fn family(name: &str) -> Result<Family> {
    let lower = name.to_lowercase();
    let families = [
        ("postgres", Family::Postgres),
        ("mysql", Family::MySql),
        ("mariadb", Family::MySql),
        ("sqlite", Family::Sqlite),
        ("sql server", Family::SqlServer),
        ("oracle", Family::Oracle),
    ];
    families.into_iter().find(|(part, _)| lower.contains(part)).map(|(_, family)| family).ok_or_else(|| {
        let message = format!(
            "the driver says that the database is {name:?}, whose SQL is not known here: PostgreSQL, MySQL, MariaDB, SQLite, \
             Microsoft SQL Server and Oracle can be read"
        );
        Error::new(ErrorKind::ConfigInvalid, message)
    })
}

/// What is run before the transaction begins.
fn before(family: Family, secs: u64) -> Vec<String> {
    let fixed = |statements: &[&str]| statements.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    match family {
        Family::Postgres => {
            let mut all = fixed(&[
                "SET standard_conforming_strings = on",
                "SET TIME ZONE 'UTC'",
                "SET DateStyle = 'ISO'",
                "SET extra_float_digits = 3",
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            ]);
            all.push(format!("SET statement_timeout = {}", secs * 1_000));
            all
        }
        Family::MySql => {
            let mut all = fixed(&[
                "SET SESSION time_zone = '+00:00'",
                // Backslashes mean what they mean to the check of the query.
                "SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')",
                "SET SESSION TRANSACTION READ ONLY",
            ]);
            all.push(format!("SET SESSION max_statement_time = {secs}"));
            all.push(format!("SET SESSION max_execution_time = {}", secs * 1_000));
            all
        }
        Family::Sqlite => fixed(&["PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF"]),
        Family::SqlServer => {
            let mut all = fixed(&["SET XACT_ABORT ON", "SET QUOTED_IDENTIFIER ON"]);
            all.push(format!("SET LOCK_TIMEOUT {}", secs * 1_000));
            all
        }
        Family::Oracle => fixed(&[
            "ALTER SESSION SET TIME_ZONE = 'UTC'",
            "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,'",
            "ALTER SESSION SET NLS_COMP = BINARY",
        ]),
    }
}

/// What the transaction begins with.
fn first(family: Family) -> &'static [&'static str] {
    match family {
        Family::MySql => &["START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"],
        Family::Oracle => &["SET TRANSACTION READ ONLY"],
        Family::Postgres | Family::Sqlite | Family::SqlServer => &[],
    }
}

/// The connection string with everything that belongs into it.
pub(super) fn string(config: &Connection) -> String {
    let mut text = match (&config.connection_string, &config.dsn) {
        (Some(string), _) => string.expose().trim().trim_end_matches(';').to_owned(),
        (None, dsn) => format!("DSN={}", escaped(dsn.as_deref().unwrap_or_default())),
    };
    let mut push = |key: &str, value: &str| text.push_str(&format!(";{key}={}", escaped(value)));
    if !config.user.is_empty() {
        push("UID", &config.user);
    }
    if let Some(password) = config.password.as_ref().filter(|password| !password.expose().is_empty()) {
        push("PWD", password.expose());
    }
    // By default these drivers fetch a result whole before they hand over its first row.
    let driver = odbc_string::value(&text, &["driver"]).unwrap_or_default().to_lowercase();
    let options: &[(&str, &str)] = if driver.contains("postgres") || driver.contains("psqlodbc") {
        &[("UseDeclareFetch", "1"), ("Fetch", "1000")]
    } else if driver.contains("maria") || driver.contains("libmaodbc") {
        &[("NO_CACHE", "1"), ("FORWARDONLY", "1")]
    } else {
        &[]
    };
    for (key, value) in options {
        if !odbc_string::has(&text, &[&key.to_lowercase()]) {
            text.push_str(&format!(";{key}={value}"));
        }
    }
    text
}

/// A driver or a data source that is not there is told with those that are.
fn not_opened(config: &Connection, environment: &Environment, error: &odbc_api::Error) -> Error {
    let state = super::errors::state(error);
    let is_missing = matches!(state.as_str(), "IM002" | "IM003" | "IM004" | "IM005")
        || (state == "01000" && super::errors::text(error).contains("lib"));
    if !is_missing {
        return failed(config, None, error);
    }
    let drivers = environment.drivers().unwrap_or_default().into_iter().map(|driver| driver.description);
    let sources = environment.data_sources().unwrap_or_default().into_iter().map(|source| source.server_name);
    let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let message = format!(
        "the ODBC driver or data source is not installed: correct it, or install it; installed are the drivers {} and the data \
         sources {}",
        list(drivers.collect()),
        list(sources.collect())
    );
    Error::new(ErrorKind::ConfigInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Connection {
        toml::from_str(&format!("adapter = 'odbc'\n{text}")).unwrap()
    }

    #[test]
    fn what_a_driver_is_told() {
        for (text, expected) in [
            ("dsn = 'ACD'", "DSN=ACD"),
            ("dsn = 'A;B'\nuser = 'a'\npassword = 'b;}c'", "DSN={A;B};UID=a;PWD={b;}}c}"),
            ("connection_string = ' Driver=X;Server=Y; '\nuser = 'dom\\r'", "Driver=X;Server=Y;UID=dom\\r"),
            (
                "connection_string = 'Driver={PostgreSQL Unicode};FETCH=7'",
                "Driver={PostgreSQL Unicode};FETCH=7;UseDeclareFetch=1",
            ),
            ("connection_string = 'DRIVER=MariaDB Unicode'", "DRIVER=MariaDB Unicode;NO_CACHE=1;FORWARDONLY=1"),
        ] {
            assert_eq!(string(&config(text)), expected);
        }
    }

    #[test]
    fn databases_are_known_by_name() {
        assert_eq!(family("MariaDB").unwrap(), Family::MySql);
        assert_eq!(family("Microsoft SQL Server").unwrap(), Family::SqlServer);
        let error = family("Teradata").unwrap_err();
        assert!(error.kind() == ErrorKind::ConfigInvalid && error.message().contains("\"Teradata\""), "{error}");
    }
}
