//! Reads contacts and agent statuses of Sikom from its database, by a mapping of tables.
//!
//! Nothing public says what a database of Sikom is like: neither the engine, nor a table, nor a status. So the connector knows no
//! table; its configuration names the tables and columns, and `sample.toml` is a template with invented names, to be filled in
//! with those of the customer's system. **It was never run against a database of a real Sikom.**
//!
//! [`Sikom`] is the connector, [`SikomConfig`] the mapping. Times are those of the wall clock without an offset, as a rule.

mod config;
mod connector;
mod contacts;
mod lists;
mod query;
#[cfg(test)]
mod statements;
mod statuses;

pub use crate::config::{
    AgentStatus, Contacts, Identity, List, Queues, RealTime, Scope, SikomConfig, Spans, Times, Values,
};
pub use crate::connector::Sikom;
