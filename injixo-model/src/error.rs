use thiserror::Error;

use crate::Timestamp;

/// What was wrong with a value that should have become part of the model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A channel that is none of the six.
    #[error("unknown channel {0:?}, expected one of calls, chats, emails, social_media, documents, cases")]
    UnknownChannel(String),
    /// An interval length that does not divide the day into quarter hours.
    #[error(
        "an interval of {0} minutes is not possible: use a multiple of 15 that divides a day, such as 15, 30 or 60"
    )]
    IntervalLength(u32),
    /// A window that ends before it starts or is empty.
    #[error("a window must end after it starts, this one goes from {from} to {to}")]
    EmptyWindow {
        /// Where it was to start.
        from: Timestamp,
        /// Where it was to end.
        to: Timestamp,
    },
    /// A text that is no instant in UTC.
    #[error("{0:?} is no instant: expected a form like 2024-03-31T00:45:00Z")]
    Timestamp(String),
    /// An attribution that does not exist.
    #[error("unknown attribution {0:?}, expected started, ended, spread, delivered or mixed")]
    Attribution(String),
}
