//! The engine: connector contract, time zones, aggregation, imports and stores for contact-centre data.
//!
//! A **host** opens a store, makes a [`Runtime`] of it, adds integrations, imports and reads intervals and timelines. A
//! **partner** implements [`Connector`](connector::Connector) with `injixo-core` and `injixo-model` alone. Whoever only
//! wants sums uses [`aggregate`], or [`read_intervals`] of a window and [`read_file_intervals`], without a store.
//!
//! # A host that runs for years
//!
//! ```no_run
//! # async fn example(connector: impl injixo_core::connector::Connector) -> injixo_core::Result<()> {
//! use injixo_core::model::Millis;
//! use injixo_core::{Activity, MemoryStore, Policy, Runtime};
//!
//! let runtime = Runtime::new(MemoryStore::new());
//! let policy = Policy::new().reference_time(Millis::from_mins(5));
//! runtime.add_with("Hotline", connector, policy).await?;       // or opens the one of that name; checks
//! let service = runtime.start();                               // imports on its own from now on
//!
//! let mut changes = runtime.changes(0).await?;                 // or the revision that was seen last
//! println!("{:?}", changes.next().await?);                     // a correction three weeks back comes like a new quarter hour
//! let mut board = runtime.live("Hotline").await?;              // first everyone as of now, then each change
//! println!("{:?}", board.next().await);
//! runtime.pause("Hotline").await?;                             // and resume: what was missed is fetched
//! println!("{:?}", runtime.status().await?);                   // current, behind, waiting until T, blocked: and why
//! runtime.mapping("Hotline").activity("Lunch", Activity(7)).await?; // history shows it at once
//! service.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `sqlite` | a store in one SQLite file | no |
//! | `testkit` | the conformance suite that a connector passes | no |
//! | `http` | asking systems over HTTP: what connectors of cloud systems need | no |
//! | `postgres` | a store in a PostgreSQL database | no |

pub mod aggregate;
pub mod connector;
#[cfg(feature = "http")]
pub mod http;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod zone;

mod clock;
mod derive;
mod error;
pub mod exchange;
mod facts;
mod import;
mod live;
mod plan;
mod runtime;
mod secret;

pub use injixo_model as model;

pub use crate::clock::{Clock, SystemClock};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::import::{
    Events, FactCounts, ImportReport, Receipt, read_file_intervals, read_file_statuses, read_intervals,
};
pub use crate::plan::{LookBack, Policy, Why};
pub use crate::runtime::{
    Activity, AgentTimeline, BackFill, BlockedWindow, Change, Changes, Doing, Fill, Health, Integration,
    IntegrationRef, IntegrationStatus, IntervalQuery, IntervalReader, LaneStatus, Live, LiveUpdate, Mapping, PersonId,
    PersonStretch, QueueInfo, Runtime, Sender, Service, StatusQuery, Stretch, TimelineQuery, Unmapped, What,
};
pub use crate::secret::{Secret, Secrets, SystemSecrets};
pub use crate::store::MemoryStore;
#[cfg(feature = "postgres")]
pub use crate::store::PostgresStore;
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteStore;
