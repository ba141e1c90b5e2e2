//! Receives contact events and agent statuses by the injixo API: the side that a host mounts into its own server.
//!
//! Somebody else's program sends them; the host adds an integration, gives its sender a key, and mounts the router:
//!
//! ```
//! use injixo_connector_api::{Api, Arrives, Receiver};
//! use injixo_core::{MemoryStore, Runtime};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> injixo_core::Result<()> {
//! let runtime = Runtime::new(MemoryStore::new()); // or one of the stores that last
//! let integration = runtime.add("Our ACD", Api::new()).await?;
//! let key = runtime.new_key("Our ACD").await?; // shown once; the one before expires
//! println!("integrationConfigurationId: {}, Authorization: Bearer {}", integration.id(), key.expose());
//! let app: axum::Router = axum::Router::new() // with whatever else the host serves
//!     .merge(Receiver::new(&runtime, Arrives::Encrypted).router());
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! It takes `POST /external-systems/contact-events` and `POST /external-systems/agent-statuses`, and describes itself at
//! `GET /external-systems/openapi.json` ([`OPENAPI`]).
//!
//! # What a sender can rely on
//!
//! - **202 means kept.** The answer comes after the commit. Whatever else it gets, or if it gets no answer, it sends the same
//!   again: with the same `Idempotency-Key`, or the same body within a day, it is a repeat, adds nothing, and is answered as such.
//! - **Rows are judged one by one.** A bad row is named by its index, its field and a rule; the good ones beside it are kept
//!   ([`BadRows`]). A request without a single good row is refused (422) and leaves nothing.
//! - **Contact events add.** Equal events are different contacts, and nothing is said about the time between them. An agent status
//!   with the agent, start and activity of an earlier one is that one, and gives it its end.
//! - **Come again** (503 or 429 with `Retry-After`): the integration is paused, more arrives than can be stored, or the key has
//!   made more requests than [`RateLimit`] allows.
//!
//! # What a host has to know
//!
//! Requests that do not come encrypted are answered 404: [`Arrives`] says how they come. The time within which the head of a
//! request must arrive, and the number of connections, are bounded by the host's server; bodies are bounded here in size, time and
//! memory for all of them together. The router has no fallback of its own: [`not_found`] answers other paths in the same form.

//! # Sending
//!
//! With the feature `send`, `ApiSender` sends what a store holds: to a host that mounts this receiver, as commits, after which both stores
//! are equal; or to injixo itself by the two resources above. The receiver takes commits at `POST /external-systems/v1/commits` and
//! says at the same path where the sender is. An integration takes either commits or single events. Mappings, policies, quarantine
//! and the import log are not sent.

mod answer;
mod config;
mod connector;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod limits;
mod receiver;
#[cfg(feature = "send")]
mod send;
mod wire;

pub use crate::config::ApiConfig;
pub use crate::connector::Api;
pub use crate::limits::RateLimit;
pub use crate::receiver::{Arrives, BadRows, OPENAPI, Receiver, not_found};
#[cfg(feature = "send")]
pub use crate::send::{ApiSender, SendPhase, SendState, Target};
