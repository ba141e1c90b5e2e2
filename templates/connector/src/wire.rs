//! The shapes of the system's answers.

use injixo_core::model::{Channel, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

/// A pass of a contact through a queue.
#[derive(Deserialize)]
pub(crate) struct Pass {
    pub(crate) queue: String,
    #[serde(deserialize_with = "channel")]
    pub(crate) medium: Channel,
    pub(crate) entered: Timestamp,
    pub(crate) wait_secs: Option<i64>,
    pub(crate) work_secs: Option<i64>,
}

fn channel<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Channel, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "voice" => Ok(Channel::Calls),
        "chat" => Ok(Channel::Chats),
        other => Err(D::Error::unknown_variant(other, &["voice", "chat"])),
    }
}

/// What an agent did, from when to when.
#[derive(Deserialize)]
pub(crate) struct Status {
    pub(crate) agent: String,
    pub(crate) status: String,
    pub(crate) since: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// A page of a list. Its rows are read one by one, so that one that is odd does not spoil the others.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Value>,
    /// How many rows and pages the whole answer has.
    pub(crate) total: usize,
    pub(crate) pages: usize,
    /// Whether there are more rows than the system lists.
    pub(crate) is_cut: bool,
    /// Up to when the system knows everything.
    pub(crate) as_of: Timestamp,
}
