//! Reads contact data and agent statuses from databases by a user's `SELECT`.
//!
//! [`Sql`] is the connector, [`SqlConfig`] says where the database is and which queries bring its data. A query is read window by
//! window, as a derived table with a condition on its time column; whatever it holds, it can only read.
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `postgres` | PostgreSQL | no |
//! | `mysql` | MySQL and MariaDB | no |
//! | `sqlite` | files of SQLite | no |
//! | `mssql` | Microsoft SQL Server | no |
//! | `odbc` | PostgreSQL, MySQL, MariaDB, SQLite, Microsoft SQL Server and Oracle by a driver of ODBC; links `libodbc` | no |
//! | `testkit` | sessions without a database, for tests of connectors | no |

#![cfg_attr(
    not(all(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "mssql", feature = "odbc")),
    allow(dead_code, reason = "what only the drivers use that are left out")
)]

mod config;
mod connector;
mod contacts;
pub mod database;
mod dialect;
mod driver;
mod exact;
mod odbc_string;
mod query;
mod read;
mod rejected;
#[cfg(test)]
mod statements;
mod statuses;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod value;
mod verbose;
mod window;

pub use crate::config::{Adapter, Connection, ContactsQuery, Layout, SqlConfig, StatusesQuery, Tls};
pub use crate::connector::Sql;
