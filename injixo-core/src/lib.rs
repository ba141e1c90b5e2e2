//! The engine: connector contract, time zones, aggregation, imports and stores for contact-centre data.
//!
//! A **host** opens a store, makes a [`Runtime`] of it, adds integrations, imports and reads intervals and timelines. A
//! **partner** implements [`Connector`](connector::Connector) with `injixo-core` and `injixo-model` alone. Whoever only
//! wants sums uses [`aggregate`] without a store.
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `sqlite` | a store in one SQLite file | no |
//! | `postgres` | a store in a PostgreSQL database | no |

pub mod aggregate;
pub mod connector;
pub mod store;
pub mod zone;

mod clock;
mod error;
mod facts;
mod import;
mod runtime;
mod secret;

pub use injixo_model as model;

pub use crate::clock::{Clock, SystemClock};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::import::{FactCounts, ImportReport};
pub use crate::runtime::{Fill, Integration, IntervalQuery, IntervalReader, QueueInfo, Runtime, StatusQuery};
pub use crate::secret::Secret;
pub use crate::store::MemoryStore;
#[cfg(feature = "postgres")]
pub use crate::store::PostgresStore;
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteStore;
