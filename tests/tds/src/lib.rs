//! A stand-in for a server that speaks TDS, the protocol of SQL Server, for tests.
//!
//! Written from the public text of the protocol, [MS-TDS]. Tables are in SQLite; statements are T-SQL as far as programs
//! use it that read tables, and what SQL Server refuses is refused with its numbers. Columns have the types that they
//! are declared with in SQLite; beside the types of SQL Server, `decimal text(38,10)` lets SQLite keep all digits.
//! Moments are texts as in `2024-03-31 12:00:00.25`, without zeros at the end of the fraction; comparisons of texts are
//! SQLite's, so they heed case and spaces at the end where SQL Server does not.

mod batch;
mod browser;
mod civil;
mod ddl;
mod describe;
mod emit;
mod error;
mod functions;
mod infer;
mod lexer;
mod login;
mod options;
mod packet;
mod params;
mod procedures;
mod query;
mod run;
mod server;
mod session;
mod settings;
mod sqlite;
mod tls;
mod tokens;
mod translate;
mod transport;
mod types;
mod values;
mod wire;
mod with;
mod words;

pub use options::{Encryption, Login, Options, User};
pub use server::TdsServer;
pub use types::Version;
