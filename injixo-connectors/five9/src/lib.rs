//! Reads contacts and agent statuses of Five9 by its SOAP services.
//!
//! Contacts come from a report of the call log, run for a range of time (by *campaign* the standard report `Call Log`, by *skill* the
//! customer's own `Call Log with Skills`), statuses from the report `Agent State Details`, what agents do now from the
//! Statistics Web Services. External agents are the user names of Five9.
//!
//! Rows of one call that follow one another in the same queue are one contact. Five9 allows so many reports a minute, hour and
//! day: the account's limits are read and kept to.
//!
//! What the vendor's public documentation leaves open is a setting with a default that is marked as inferred: see
//! [`Five9Config`]. **The connector was never run against a live account.**

mod client;
mod config;
mod connector;
mod contacts;
mod error;
mod limits;
mod live;
mod report;
mod statuses;
mod table;
mod xml;
mod zone;

pub use crate::config::{CountsAt, Five9Config, Grouping, RangeOrder, Region, Report};
pub use crate::connector::Five9;
