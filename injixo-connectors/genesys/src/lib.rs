//! Reads contacts and agent statuses from Genesys systems.
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `cloud` | Genesys Cloud (formerly PureCloud), by its platform API | no |
//! | `engage` | Genesys Engage (on-premise, PureEngage), from its databases | no |

#[cfg(feature = "cloud")]
pub mod cloud;
#[cfg(feature = "engage")]
pub mod engage;
