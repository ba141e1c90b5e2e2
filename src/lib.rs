//! What the light examples share: reading a command line, writing tables, drawing.

mod args;
mod chart;
mod table;

pub use crate::args::Args;
pub use crate::chart::chart;
pub use crate::table::{field, is_broken_pipe, quoted};
