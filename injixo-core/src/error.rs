//! The one error of the engine and of every connector.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use injixo_model::Timestamp;

/// What a host should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is wrong: correct it.
    ConfigInvalid,
    /// The external system does not know the credentials: correct them.
    Unauthenticated,
    /// The credentials lack a right: grant it.
    PermissionDenied,
    /// The thing asked for does not exist.
    NotFound,
    /// The external system asks to wait, see [`Error::retry_after`].
    RateLimited,
    /// The external system or the store cannot be reached for the moment.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The external system answered something that its interface does not allow.
    Protocol,
    /// The data is wrong: the message says where.
    DataInvalid,
    /// What was asked for is not possible with this connector or store.
    Unsupported,
    /// The work was cancelled.
    Cancelled,
    /// Anything else; most likely a defect.
    Unexpected,
}

impl ErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigInvalid => "configuration invalid",
            Self::Unauthenticated => "sign-in refused",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "not found",
            Self::RateLimited => "rate limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timed out",
            Self::Protocol => "protocol violated",
            Self::DataInvalid => "data invalid",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Unexpected => "unexpected",
        }
    }

    /// Whether trying again without a change may help.
    const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::Timeout | Self::Cancelled)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error with its kind, a message that says what to do, and where it happened.
///
/// ```
/// use injixo_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::PermissionDenied, "login refused: the user needs the roles ADMIN and REPORTING")
///     .with("integration", "Sales");
/// assert_eq!(error.to_string(), "login refused: the user needs the roles ADMIN and REPORTING (integration: Sales)");
/// assert!(!error.is_retryable());
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    retryable: bool,
    retry_after: Option<Duration>,
    permit_at: Option<Timestamp>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; the message is lower case, without a full stop, and says what to do where that is known.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            message: message.into(),
            retryable: kind.is_retryable(),
            retry_after: None,
            permit_at: None,
            context: Vec::new(),
            source: None,
        };
        Self { inner: Box::new(inner) }
    }

    /// The same error with where it happened: `.with("queue", id)`.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.inner.context.push((key, value.to_string()));
        self
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same error, worth trying again after `delay`.
    #[must_use]
    pub fn retry_in(mut self, delay: Duration) -> Self {
        self.inner.retryable = true;
        self.inner.retry_after = Some(delay);
        self
    }

    /// The same error, not worth trying again.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.inner.retryable = false;
        self
    }

    /// The budget of an external system has no permit before then: its turn comes later, and nothing is wrong.
    pub(crate) fn no_permit(until: Timestamp, now: Timestamp) -> Self {
        let message = format!("the budget of the external system: next permit at {until}");
        let mut error = Self::new(ErrorKind::RateLimited, message).retry_in(until.since(now).into());
        error.inner.permit_at = Some(until);
        error
    }

    /// When there is a permit again, for an error that says only that there is none.
    pub(crate) fn permit_at(&self) -> Option<Timestamp> {
        self.inner.permit_at
    }

    /// What the host should do about it.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether trying again without a change may help.
    pub fn is_retryable(&self) -> bool {
        self.inner.retryable
    }

    /// How long the external system asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Where it happened, as pairs of a name and a value.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.inner.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// The message without its context.
    pub fn message(&self) -> &str {
        &self.inner.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        for (index, (key, value)) in self.context().enumerate() {
            write!(f, "{}{key}: {value}", if index == 0 { " (" } else { ", " })?;
        }
        if self.inner.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.inner.kind)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<injixo_model::ModelError> for Error {
    fn from(error: injixo_model::ModelError) -> Self {
        Self::new(ErrorKind::DataInvalid, error.to_string())
    }
}
