//! Genesys Cloud (formerly PureCloud), by its platform API.
//!
//! Contacts are ready-made sums of a queue and quarter of an hour (`analytics/conversations/aggregates`), counted as the vendor
//! delivers them: offered when a contact enters the queue, handled when it is answered, handle time when the work after it ends.
//! Agent statuses are presences (`analytics/users/details`), and on request what agents do while on queue. What agents do now
//! comes over a notification channel.
//!
//! What the vendor's public documentation leaves open is a setting with a default that is marked as inferred: see
//! [`GenesysCloudConfig`]. **The connector was never run against a live organisation.**

mod channels;
mod client;
mod config;
mod connector;
mod contacts;
mod directory;
mod error;
mod live;
mod statuses;
mod wire;

pub use self::config::{AgentField, GenesysCloudConfig};
pub use self::connector::GenesysCloud;
