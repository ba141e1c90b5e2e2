//! A stand-in for the databases of Genesys Engage: Info Mart, the configuration database and the tables of Stat Server.
//!
//! [`schema`] makes the tables, [`sample`] a few rows with known sums, [`World`] as many as are wanted, with a ledger of
//! what they tell and steps that change both. Times are UTC in seconds since 1970. What a [`Contact`] is by the usual
//! rules: a completed pass through a virtual queue of an inbound interaction in the role `RECEIVED` that was not
//! cleared; it was handled if the answer came by an agent, for the customer talk, hold and after-call work of the target.
//!
//! [`Contact`]: crate::ledger::Contact

mod agents;
mod calls;
mod dimensions;
mod rows;
mod sample;
mod steps;
mod tables;
mod world;

pub use sample::sample;
pub use world::World;

use crate::dialect::{Dialect, Names};

/// One of the databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Info Mart: facts and dimensions.
    InfoMart,
    /// The configuration database: people.
    Configuration,
    /// What Stat Server writes: logins, statuses and passes through queues by number only.
    StatServer,
}

/// The statements that make the tables of all parts in one database.
pub fn schema(dialect: Dialect, names: &Names) -> Vec<String> {
    tables_of(None, dialect, names)
}

/// The statements that make the tables of one part.
pub fn schema_of(part: Part, dialect: Dialect, names: &Names) -> Vec<String> {
    tables_of(Some(part), dialect, names)
}

fn tables_of(part: Option<Part>, dialect: Dialect, names: &Names) -> Vec<String> {
    let tables = tables::TABLES.iter().filter(|table| part.is_none() || table.part == part);
    names.create_schema(dialect).into_iter().chain(tables.flat_map(|table| table.create(dialect, names))).collect()
}
