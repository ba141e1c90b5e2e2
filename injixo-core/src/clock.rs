//! The one source of time.

use std::fmt::Debug;

use injixo_model::Timestamp;

/// What the engine asks for the time, so that it can be simulated.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }
}
