use std::fmt;

use crate::{Millis, ModelError, Timestamp};

/// A stretch of time `[from, to)`: `from` belongs to it, `to` does not. Never empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    from: Timestamp,
    to: Timestamp,
}

impl Window {
    /// The window from `from` (inclusive) to `to` (exclusive).
    ///
    /// # Errors
    ///
    /// [`ModelError::EmptyWindow`] when `to` is not after `from`.
    pub fn new(from: impl Into<Timestamp>, to: impl Into<Timestamp>) -> Result<Self, ModelError> {
        let (from, to) = (from.into(), to.into());
        if from < to { Ok(Self { from, to }) } else { Err(ModelError::EmptyWindow { from, to }) }
    }

    /// Its first instant.
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// The instant after its last.
    pub const fn to(self) -> Timestamp {
        self.to
    }

    /// How long it is.
    pub fn duration(self) -> Millis {
        self.to.since(self.from)
    }

    /// Whether `instant` lies in it.
    pub fn contains(self, instant: Timestamp) -> bool {
        self.from <= instant && instant < self.to
    }

    /// What it has in common with `other`, if anything.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.to.min(other.to)).ok()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} – {}", self.from, self.to)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.to)
    }
}
