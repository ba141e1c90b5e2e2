//! Reads contact data and agent statuses from CSV exports.

mod datetime;
mod encoding;
mod value;
