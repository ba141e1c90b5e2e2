//! Stand-ins for the databases of contact centres, for tests: SQL text for tables and rows, and a ledger that says what a
//! reader should make of them.
//!
//! Nothing here is shared with a connector, no constant and no arithmetic, so that both can only agree by being right.
//! The package opens no connection: the caller executes the statements.
//!
//! - [`engage`] stands in for Genesys Engage, [`sikom`] for Sikom. Each has tables (`schema`), a few rows that can be
//!   checked by hand (`sample`) and a generator (`World`) that makes as many rows as wanted from a seed.
//! - A [`ledger`] holds the contacts and states that the rows tell of, with sums by quarter of an hour and spans.
//! - [`Step`]s change the database and the ledger alike, as time does: after-call work that comes late, rows that are
//!   closed, names that change, new contacts.
//! - [`Dialect`] and [`Names`] say for which database the text is, and how its tables are called.
//!
//! ```
//! use injixo_test_databases::ledger::Rules;
//! use injixo_test_databases::{Dialect, Names, Size, engage};
//!
//! let world = engage::World::new(1, Size { days: 2, ..Size::default() });
//! let (dialect, names) = (Dialect::Postgres, Names::default());
//! let mut script = engage::schema(dialect, &names);
//! script.extend(world.load(dialect, &names));
//! let mut ledger = world.ledger();
//! let before = ledger.quarters(Rules::default());
//! for step in world.steps(4) {
//!     script.extend(step.sql(dialect, &names));
//!     step.apply(&mut ledger);
//! }
//! assert_ne!(ledger.quarters(Rules::default()), before);
//! ```

pub mod civil;
mod dialect;
pub mod engage;
pub mod ledger;
mod random;
mod sample;
pub mod sikom;
mod size;
mod sql;
mod step;

pub use dialect::{Case, Dialect, Names};
pub use sample::Sample;
pub use size::Size;
pub use step::{Step, StepKind};
