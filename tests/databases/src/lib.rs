//! Stand-ins for the databases of contact centres, for tests.

pub mod civil;
mod dialect;
pub mod engage;
pub mod ledger;
mod random;
mod sample;
mod size;
mod sql;
mod step;

pub use dialect::{Case, Dialect, Names};
pub use sample::Sample;
pub use size::Size;
pub use step::{Step, StepKind};
