//! Reads contacts and agent statuses of Vonage Contact Center (formerly NewVoiceMedia) by its Insights Stats API.
//!
//! A contact is one pass of an interaction through one queue (`/stats/queue-times`); its handle time is what agents then did of
//! it (`/stats/interactions`). Agent statuses come from `/stats/wfm/agent-states`, history and real time alike. External agents
//! are the agent ids of Vonage.
//!
//! What the vendor's public documentation leaves open is a setting with a default that is marked as inferred: see
//! [`VonageConfig`]. **The connector was never run against a live account.**

mod client;
mod config;
mod connector;
mod contacts;
mod error;
mod live;
mod statuses;
mod wire;

pub use crate::config::{EventOffsets, Grouping, QueueType, Region, VonageConfig};
pub use crate::connector::Vonage;
