//! Reads contact data and agent statuses from CSV exports.
//!
//! A [`Schema`] says how the files of an integration are to be read; [`Csv`] is the connector that reads them.
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `sql-mapping` | contact data by a user's `SELECT` over the file, on an SQLite that can reach nothing else | no |

mod datetime;
mod encoding;
mod fixed;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
#[cfg(feature = "sql-mapping")]
mod mapped;
mod names;
mod plain;
mod plan;
mod reader;
mod records;
mod schema;
mod source;
mod spacing;
#[cfg(feature = "sql-mapping")]
mod sql;
mod value;

pub use crate::inspect::{Proposal, inspect};
pub use crate::schema::Schema;
pub use crate::source::Csv;
