//! Stand-ins for cloud contact-centre vendors: servers that answer as the vendors' public documentation says they do.
//!
//! A [`Ledger`] is the truth about a simulated contact centre: agents, queues, contacts and agent states, with what
//! is edited later. A stand-in shows the ledger the way its vendor would at the present of its [`Clock`], and the ledger's
//! truth tables say what a correct import of it must come to. Where the vendor's documentation is silent, a setting
//! chooses.
//!
//! This package shares no code with the SDK: no wire shapes, no dates, no zones, no constants.

pub mod clock;
pub mod faults;
pub mod five9;
pub mod genesys_cloud;
mod json;
pub mod ledger;
mod log;
mod rng;
mod serve;
pub mod time;
pub mod vonage;
pub mod zone;

pub use clock::Clock;
pub use five9::Five9Standin;
pub use genesys_cloud::GenesysCloudStandin;
pub use ledger::Ledger;
pub use log::{Asked, Log};
pub use serve::World;
pub use vonage::VonageStandin;
