//! Genesys Engage, read from its databases.
//!
//! Contacts are the passes of interactions through virtual queues, as Info Mart has them; statuses are agent states with the
//! reasons laid over them. What is publicly known of the tables is followed; where nothing is, the configuration decides, and
//! `sample.toml` says which of its defaults are inferred. It was never run against a database of a real Genesys Engage.

mod changes;
mod config;
mod connector;
mod contacts;
mod mart;
mod people;
mod stat_server;
#[cfg(test)]
mod statements;
mod statuses;

pub use self::config::{ContactRules, EngageConfig, HandleTime, Profile, StatusRules};
pub use self::connector::Engage;
