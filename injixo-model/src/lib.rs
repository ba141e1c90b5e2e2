//! What contact-centre data *means*, as pure values: no I/O, no clock, no runtime.
//!
//! A **fact** is what a source said: a [`Contact`], an [`IntervalRow`] that it had already summed up, or a [`Span`] of
//! an agent's status. A fact belongs to the instant at which it starts. Everything else (intervals, timelines, AHT) is
//! derived from facts by `injixo-core`.
//!
//! | you look for | it is |
//! | --- | --- |
//! | an instant, a duration, a count | [`Timestamp`], [`Millis`], [`Quantity`]: whole milliseconds and fixed point, so that sums are exact and order-free |
//! | what a queue is | [`QueueKey`], [`Channel`] |
//! | what was offered and handled | [`Contact`], [`IntervalRow`], [`Measures`] |
//! | who did what when | [`Span`] |
//! | which time was read | [`Window`], [`Coverage`] |
//! | where a contact counts | [`Attribution`], [`IntervalLength`] |
//! | what was wrong with a row | [`RejectedRow`] |
//! | many facts at once | [`ContactBatch`], [`IntervalBatch`], [`StatusBatch`]: names once, rows of small integers |
//!
//! ```
//! use injixo_model::{Contact, Millis, Timestamp};
//!
//! let start: Timestamp = "2024-03-31T00:45:00Z".parse()?;
//! let contact = Contact::offered(start).handled(Millis::from_secs(230));
//! assert_eq!(contact.handle_time(), Some(Millis::from_secs(230)));
//! # Ok::<(), injixo_model::ModelError>(())
//! ```
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `serde` | `Serialize` and `Deserialize` for the small values | no |

mod attribution;
mod batch;
mod channel;
mod contact;
mod coverage;
mod error;
mod interval;
mod quantity;
mod queue;
mod rejected;
mod status;
mod time;
mod window;

pub use crate::attribution::Attribution;
pub use crate::batch::{ContactBatch, ContactRow, IntervalBatch, StatusBatch};
pub use crate::channel::Channel;
pub use crate::contact::{Contact, ContactId};
pub use crate::coverage::Coverage;
pub use crate::error::ModelError;
pub use crate::interval::{IntervalLength, IntervalRow, Measures, Timed};
pub use crate::quantity::{Quantity, QuantityError};
pub use crate::queue::QueueKey;
pub use crate::rejected::{RejectedRow, Rule};
pub use crate::status::Span;
pub use crate::time::{Millis, Timestamp};
pub use crate::window::Window;
