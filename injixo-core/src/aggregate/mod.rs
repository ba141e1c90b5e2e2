//! Facts to intervals, and spans to timelines.
//!
//! Pure: no I/O, no clock, no store. Facts may arrive in any order and in any pieces and are only added up; what a later
//! import replaces was decided before, fact by fact. Sums are whole milliseconds and fixed-point counts, so that they do
//! not depend on the order. An interval without a fact stays absent: *missing is not zero*.
//!
//! ```
//! use injixo_core::aggregate::Aggregator;
//! use injixo_core::model::{Channel, Contact, ContactBatch, IntervalLength, Millis, QueueKey};
//! use injixo_core::zone::Zone;
//!
//! let mut batch = ContactBatch::new();
//! let hotline = batch.add_queue(QueueKey::new("Hotline", Channel::Calls));
//! for (start, seconds) in [("2024-03-31T00:47:00Z", 100), ("2024-03-31T00:59:59Z", 60)] {
//!     batch.push(hotline, &Contact::offered(start.parse()?).handled(Millis::from_secs(seconds)));
//! }
//! let zone = Zone::new("Europe/Berlin")?;
//! let table = Aggregator::new(IntervalLength::MINUTES_15, &zone).contacts([&batch]).finish();
//! let interval = table.rows().next().unwrap();
//! assert_eq!(interval.start.to_string(), "2024-03-31T00:45:00Z");
//! assert_eq!(interval.measures.aht(), Some(Millis::from_secs(80)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arena;
mod cells;
mod contacts;
mod overlap;
mod runs;
mod statuses;

pub use contacts::{Aggregator, Interval, IntervalTable};
pub(crate) use overlap::{Ended, FOREVER, stretches, with_ends};
pub use overlap::{ended, timeline};
pub use statuses::{AgentSpans, Overlap, StatusAggregator, StatusTable, StatusTime, status_times};

pub(crate) use cells::Series;
