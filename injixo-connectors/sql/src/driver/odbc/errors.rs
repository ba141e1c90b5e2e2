//! Errors of drivers as ours: what to do about them, without what might be secret.

use injixo_core::{Error, ErrorKind};

use super::super::timed_out;
use crate::config::Connection;
use crate::dialect::Family;
use crate::odbc_string::{self, PASSWORD};

/// The SQLSTATE.
pub(super) fn state(error: &odbc_api::Error) -> String {
    match error {
        odbc_api::Error::Diagnostics { record, .. } => record.state.as_str().to_owned(),
        odbc_api::Error::InvalidRowArraySize { record, .. } => record.state.as_str().to_owned(),
        _ => String::new(),
    }
}

/// What the driver says, unchanged.
pub(super) fn text(error: &odbc_api::Error) -> String {
    match error {
        odbc_api::Error::Diagnostics { record, .. } => {
            let text = record.to_string();
            text.split_once("Message: ").map_or_else(|| text.clone(), |(_, message)| message.to_owned())
        }
        error => error.to_string(),
    }
}

/// The number by which the database knows the error.
fn native(error: &odbc_api::Error) -> i32 {
    match error {
        odbc_api::Error::Diagnostics { record, .. } => record.native_error,
        _ => 0,
    }
}

/// What the driver says, without passwords and connection strings.
fn cause(config: &Connection, error: &odbc_api::Error) -> String {
    let mut text = text(error);
    let string = config.connection_string.as_ref().map(|string| string.expose().to_owned());
    let mut hidden: Vec<String> = config.password.iter().map(|password| password.expose().to_owned()).collect();
    hidden.extend(string.iter().flat_map(|string| odbc_string::pairs(string)).filter_map(|(key, value)| {
        let is_secret = PASSWORD.contains(&key.as_str()) || key.contains("secret") || key.contains("token");
        is_secret.then_some(value)
    }));
    hidden.extend(string);
    // Longer ones first: one may hold the other.
    hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[REDACTED]").replace(&secret.replace('}', "}}"), "[REDACTED]");
    }
    text.trim_end().to_owned()
}

const UNAUTHENTICATED: (ErrorKind, &str) =
    (ErrorKind::Unauthenticated, "the database refused the user or the password: correct them");
const NO_DATABASE: (ErrorKind, &str) =
    (ErrorKind::NotFound, "there is no such database: correct the connection string or the data source");
const DENIED: (ErrorKind, &str) = (ErrorKind::PermissionDenied, "the user may not read this: grant SELECT on it");
const WRITES: (ErrorKind, &str) = (ErrorKind::ConfigInvalid, "the query wants to write: only reading is allowed");
const NAMES: (ErrorKind, &str) = (ErrorKind::ConfigInvalid, "the query names something that is not in the database");
const SYNTAX: (ErrorKind, &str) = (ErrorKind::ConfigInvalid, "the database does not understand the query: correct it");
const VALUE: (ErrorKind, &str) = (ErrorKind::DataInvalid, "the query cannot compute or convert a value of this window");
const LOST: (ErrorKind, &str) =
    (ErrorKind::Unavailable, "the connection to the database was lost, or it lacks resources: it is tried again");
const UNREACHABLE: (ErrorKind, &str) = (
    ErrorKind::Unavailable,
    "the database cannot be reached, or the connection was lost: check the server, the port and the firewall",
);
const REFUSED: (ErrorKind, &str) = (ErrorKind::Unexpected, "the database refused the query");

/// An error of a driver as one of ours.
pub(super) fn failed(config: &Connection, family: Option<Family>, error: &odbc_api::Error) -> Error {
    let (state, native, text) = (state(error), native(error), text(error));
    if matches!(state.as_str(), "HYT00" | "HYT01" | "57014" | "S1T00") {
        return timed_out(config);
    }
    let found = match family {
        Some(Family::MySql) => by_mysql(native),
        Some(Family::Sqlite) => by_sqlite(native, &text),
        Some(Family::SqlServer) => by_sql_server(native),
        // Before it is known the driver says in words what it cannot say by a state.
        None => by_words(&text).or_else(|| by_mysql(native)).or_else(|| by_sql_server(native)),
        Some(Family::Postgres) => by_words(&text),
        Some(Family::Oracle) => None,
    };
    match found.or_else(|| by_state(&state)) {
        Some(None) => timed_out(config),
        Some(Some((kind, message))) => Error::new(kind, message).with("cause", cause(config, error)),
        None => Error::new(REFUSED.0, REFUSED.1).with("cause", cause(config, error)).with("state", state),
    }
}

/// What an error is; `None` inside for no answer in time.
type Found = Option<Option<(ErrorKind, &'static str)>>;

fn by_state(state: &str) -> Found {
    Some(Some(match state {
        "3D000" => NO_DATABASE,
        "42501" => DENIED,
        "25006" => WRITES,
        "42S02" | "42S22" | "42S12" | "42P01" | "42703" | "42883" | "3F000" => NAMES,
        "57P01" | "57P02" | "57P03" | "53300" => LOST,
        "IM001" | "HYC00" => (ErrorKind::ConfigInvalid, "the ODBC driver is too old for this: install a newer one"),
        state if state.starts_with("28") => UNAUTHENTICATED,
        state if state.starts_with("08") => UNREACHABLE,
        state if ["53", "58", "40", "57"].iter().any(|class| state.starts_with(class)) => LOST,
        state if state.starts_with("22") => VALUE,
        state if ["42", "37", "0A"].iter().any(|class| state.starts_with(class)) => SYNTAX,
        _ => return None,
    }))
}

/// Drivers of PostgreSQL give `08001` whatever the reason.
fn by_words(text: &str) -> Found {
    let has = |words: &str| text.contains(words);
    let is_nobody = has("role \"") && has("does not exist");
    if is_nobody || has("password authentication failed") || has("no password supplied") || has("no pg_hba.conf entry")
    {
        return Some(Some(UNAUTHENTICATED));
    }
    if has("database \"") && has("does not exist") {
        return Some(Some(NO_DATABASE));
    }
    if has("canceling statement due to statement timeout") {
        return Some(None);
    }
    // Whatever state is given for it.
    let is_lost = ["server closed the connection", "connection to server", "Connection refused", "could not receive"];
    is_lost.iter().any(|words| has(words)).then_some(Some(UNREACHABLE))
}

fn by_mysql(number: i32) -> Found {
    Some(Some(match number {
        1045 | 1698 => UNAUTHENTICATED,
        1044 | 1142 | 1143 | 1227 | 1370 => DENIED,
        1049 => NO_DATABASE,
        1792 | 1290 | 1836 => WRITES,
        1969 | 3024 | 1317 => return Some(None),
        1146 | 1054 | 1305 | 1109 => NAMES,
        1064 | 1149 | 1060 | 1248 | 1052 | 1222 | 1234 => SYNTAX,
        2002 | 2003 | 2005 => UNREACHABLE,
        1040
        | 1053
        | 1077
        | 1158..=1161
        | 1203
        | 1205
        | 1213
        | 1226
        | 1927
        | 2006
        | 2012
        | 2013
        | 2026
        | 2027
        | 2055 => LOST,
        _ => return None,
    }))
}

fn by_sqlite(number: i32, text: &str) -> Found {
    let has = |words: &str| text.contains(words);
    // The primary result code is the low byte.
    Some(Some(match number & 0xFF {
        _ if has("no such table") || has("no such column") || has("no such function") => {
            (ErrorKind::ConfigInvalid, "the query names something that is not there")
        }
        _ if has("syntax error") || has("incomplete input") => SYNTAX,
        5 | 6 => (ErrorKind::Unavailable, "the file is locked by another program: it is tried again"),
        8 => WRITES,
        9 => return Some(None),
        11 | 26 => (ErrorKind::DataInvalid, "the file is damaged or no SQLite database: correct it"),
        14 => (ErrorKind::NotFound, "the file cannot be opened: correct it, or allow reading it"),
        _ => return None,
    }))
}

fn by_sql_server(number: i32) -> Found {
    Some(Some(match number {
        18456 | 18452 => UNAUTHENTICATED,
        229 | 230 | 916 => DENIED,
        4060 => NO_DATABASE,
        208 | 207 | 195 | 4121 => NAMES,
        1222 => return Some(None),
        1205 | 233 | 10053 | 10054 => LOST,
        241 | 242 | 245 | 8114 | 8115 | 8134 => VALUE,
        _ => return None,
    }))
}
