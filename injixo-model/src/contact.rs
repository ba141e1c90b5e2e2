use crate::{Millis, Quantity, Timestamp};

/// One pass of a contact through one queue, as the source recorded it.
///
/// Segments and agents within a pass add up to one contact; a transfer to another queue is another contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// When it entered the queue. The contact belongs to this instant, however long it lasts.
    pub start: Timestamp,
    /// How much of a contact was offered: 1, unless the source shares contacts out.
    pub offered: Quantity,
    /// How much of it was handled (answered): 0 or 1, or a decimal.
    pub handled: Quantity,
    /// How long it was worked on, as the source says, handled or not; `None` where the source does not know.
    pub duration: Option<Millis>,
    /// How long it waited until it was answered.
    pub wait: Option<Millis>,
    /// How much of it was abandoned; `None` where the source does not say.
    pub abandoned: Option<Quantity>,
    /// How much of it was answered within the source's service-level threshold; `None` where the source does not say.
    pub within_service_level: Option<Quantity>,
    /// What tells this contact from an equal one.
    pub id: Option<ContactId>,
}

/// A digest of whatever identifies a contact at its source (a call id, a request key).
///
/// Where two deliveries meet, contacts that are equal in everything are one contact unless their ids differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(pub u64);

impl Contact {
    /// One contact offered at `start` and not handled.
    #[inline]
    pub const fn offered(start: Timestamp) -> Self {
        Self {
            start,
            offered: Quantity::ONE,
            handled: Quantity::ZERO,
            duration: None,
            wait: None,
            abandoned: None,
            within_service_level: None,
            id: None,
        }
    }

    /// The same contact, handled in `duration`.
    #[must_use]
    #[inline]
    pub const fn handled(mut self, duration: Millis) -> Self {
        self.handled = Quantity::ONE;
        self.duration = Some(duration);
        self
    }

    /// The same contact, answered after `wait`.
    #[must_use]
    #[inline]
    pub const fn answered_after(mut self, wait: Millis) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Its handle time: the duration if it was handled, else `None`. What an unhandled contact took is not handle time.
    pub fn handle_time(&self) -> Option<Millis> {
        if self.handled.is_zero() { None } else { self.duration }
    }

    /// When it was over: its start, wait and handle time together, an unknown part being none.
    pub fn end(&self) -> Timestamp {
        self.answered().after(self.handle_time().unwrap_or_default())
    }

    /// When it was answered: its start plus its wait, an unknown wait being none.
    pub fn answered(&self) -> Timestamp {
        self.start.after(self.wait.unwrap_or_default())
    }
}
