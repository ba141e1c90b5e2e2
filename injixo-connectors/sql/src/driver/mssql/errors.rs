//! Errors of the driver as ours: what to do about them, without what might be secret.

use injixo_core::{Error, ErrorKind};

use super::{PORT, timed_out, unreachable};
use crate::config::Connection;

/// Whether the server has no encryption.
pub(super) fn is_without_encryption(error: &tiberius::error::Error) -> bool {
    matches!(error, tiberius::error::Error::Protocol(message) if message.contains("encryption level"))
}

pub(super) fn failed(connection: &Connection, error: &tiberius::error::Error) -> Error {
    use ErrorKind::{ConfigInvalid, DataInvalid, NotFound, PermissionDenied, Protocol, Unauthenticated, Unavailable};
    let lost = (Unavailable, "the connection to the database was lost, or it lacks resources: it is tried again");
    let (kind, message) = match error {
        tiberius::error::Error::Io { kind: std::io::ErrorKind::TimedOut, .. } => return timed_out(connection),
        tiberius::error::Error::Io { kind, .. } => {
            let port = connection.port.unwrap_or(PORT);
            return unreachable(connection, port, &std::io::Error::from(*kind));
        }
        error if is_without_encryption(error) => {
            (ConfigInvalid, "the server has no encryption: set connection.tls to off, or set it up there")
        }
        tiberius::error::Error::Tls(_) => (
            ConfigInvalid,
            "no encrypted connection to the database: check its certificate, connection.tls and ca_file",
        ),
        tiberius::error::Error::Routing { .. } => {
            (ConfigInvalid, "the server names another server for readers: set connection.host and port to that one")
        }
        tiberius::error::Error::Conversion(message) if message.contains("browser") => (
            Unavailable,
            "the browser service of the server does not tell the port of this instance: check connection.instance, that the \
             service runs, and that UDP port 1434 is open; or set connection.port",
        ),
        tiberius::error::Error::Server(server) => match server.code() {
            18456 | 18452 | 18470 | 18486 | 18487 | 18488 => {
                (Unauthenticated, "the database refused the user or the password: correct them")
            }
            4060 | 911 => (NotFound, "there is no such database: correct connection.database"),
            229 | 230 | 262 | 297 | 300 | 916 => (PermissionDenied, "the user may not read this: grant SELECT on it"),
            // The answer to an attention, and a lock that others hold.
            3617 | 1222 => return timed_out(connection),
            208 | 207 | 195 | 4121 | 4104 | 2812 => {
                (ConfigInvalid, "the query names something that is not in the database")
            }
            8114 | 8115 | 8134 | 220 | 232 | 241 | 242 | 244 | 245 | 248 | 517 | 535 | 9812..=9819 => {
                (DataInvalid, "the query cannot compute or convert a value of this window")
            }
            596 | 1205 | 3906 | 3980 | 6005 | 17142 | 17830 | 18401 | 40197 | 40501 | 40613 | 49918 => lost,
            701 | 802 | 8645 | 8651 | 10928 | 10929 => lost,
            code if (100..=499).contains(&code)
                || (1000..=1100).contains(&code)
                || (11_500..=11_549).contains(&code) =>
            {
                (ConfigInvalid, "the database does not understand the query: correct it")
            }
            8120 | 8155 | 8156 | 4145 | 10_761 => {
                (ConfigInvalid, "the database does not understand the query: correct it")
            }
            _ => (ErrorKind::Unexpected, "the database refused the query"),
        },
        // An answer that ends in the middle.
        _ => {
            (Protocol, "the server does not answer as SQL Server does, or the connection was cut: check host and port")
        }
    };
    let error = match error {
        tiberius::error::Error::Server(server) => {
            Error::new(kind, message).with("cause", server.message()).with("number", server.code())
        }
        _ => Error::new(kind, message),
    };
    error.with("database", &connection.database)
}
