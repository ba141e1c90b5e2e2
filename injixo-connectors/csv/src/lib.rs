//! Reads contact data and agent statuses from CSV exports.

mod datetime;
mod encoding;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod value;
