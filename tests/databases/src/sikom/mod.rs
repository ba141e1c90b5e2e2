//! A stand-in for a database of Sikom. Nothing public says what that is like: all tables and columns are invented.
//!
//! [`schema`] makes the tables, [`sample`] a few rows with known sums, [`World`] as many as are wanted, with a ledger of
//! what they tell and steps that change both. Times are those of the wall clock in Berlin, without an offset; the ledger
//! has the true instants, and [`by_wall_clock`] what a reader of the rows can make of them. A contact is a leg of an
//! inbound call that came into a queue; it was handled if it was answered, from the answer to the end and the work after.

mod agents;
mod calls;
mod sample;
mod steps;
mod tables;
mod wall;
mod world;

pub use sample::sample;
pub use wall::by_wall_clock;
pub use world::World;

use crate::dialect::{Dialect, Names};

/// The statements that make the tables.
pub fn schema(dialect: Dialect, names: &Names) -> Vec<String> {
    let tables = tables::TABLES.iter();
    names.create_schema(dialect).into_iter().chain(tables.flat_map(|table| table.create(dialect, names))).collect()
}
