//! What the programs share: reading a command line, writing tables, drawing.

mod args;
mod chart;
mod config;
mod facts;
mod rejects;
mod table;

pub use crate::args::Args;
pub use crate::chart::chart;
pub use crate::config::connector_from_file;
pub use crate::facts::{
    StatusTimes, TableError, write_interval_table, write_intervals, write_status_table, write_status_times,
    write_timeline,
};
pub use crate::rejects::Rejects;
pub use crate::table::{field, is_broken_pipe, quoted};
