use std::fmt;

use crate::Channel;

/// What identifies a queue within its integration: the external identifier and the channel.
///
/// A source that knows no identifier uses the queue's name. Identifiers are compared exactly: case and spaces matter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct QueueKey {
    /// The source's identifier of the queue.
    pub id: String,
    /// The channel; the same identifier on two channels means two queues.
    pub channel: Channel,
}

impl QueueKey {
    /// The queue `id` of `channel`.
    pub fn new(id: impl Into<String>, channel: Channel) -> Self {
        Self { id: id.into(), channel }
    }
}

impl fmt::Display for QueueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.channel)
    }
}

impl fmt::Debug for QueueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.id, self.channel)
    }
}
