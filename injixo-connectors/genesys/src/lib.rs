//! Reads contacts and agent statuses from Genesys systems.
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `engage` | Genesys Engage (on-premise, PureEngage), from its databases | no |

#[cfg(feature = "engage")]
pub mod engage;
