//! Reads contact data and agent statuses from CSV exports.

#![expect(unexpected_cfgs, reason = "cargo-fuzz sets `fuzzing`")]

mod datetime;
mod encoding;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod value;
