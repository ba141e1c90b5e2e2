//! Reads contact data and agent statuses from CSV exports.
