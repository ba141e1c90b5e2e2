use crate::{Timestamp, Window};

/// An agent's status from one instant to another, as the source recorded it.
///
/// The agent and the status are indexes into a dictionary (a batch's, or the store's). Spans of one agent may overlap;
/// what counts at an instant is decided when a timeline is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// When the status began. The span belongs to this instant.
    pub start: Timestamp,
    /// The status, as an index into the dictionary that comes with the span.
    pub status: u32,
    /// When the status ended; `None` where the source did not say. Then it lasts until the agent's next later start.
    pub end: Option<Timestamp>,
}

impl Span {
    /// The time that the span covers, `None` while it has no end or no length.
    pub fn window(&self) -> Option<Window> {
        Window::new(self.start, self.end?).ok()
    }
}
