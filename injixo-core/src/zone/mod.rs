//! Local time to UTC and back.
