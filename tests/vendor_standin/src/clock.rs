//! The stand-in's present: that of the machine, or one that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::Ms;

/// Says what time it is. Clones share it.
///
/// Under a simulated clock nothing waits: long polls answer at once.
#[derive(Debug, Clone)]
pub struct Clock(Inner);

#[derive(Debug, Clone)]
enum Inner {
    Real,
    Simulated(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn real() -> Self {
        Self(Inner::Real)
    }

    /// A clock that stands at an instant until it is set.
    pub fn simulated(at: Ms) -> Self {
        Self(Inner::Simulated(Arc::new(AtomicI64::new(at))))
    }

    /// The present.
    pub fn now(&self) -> Ms {
        match &self.0 {
            Inner::Real => real_now(),
            Inner::Simulated(at) => at.load(Ordering::SeqCst),
        }
    }

    /// Whether the clock is a simulated one.
    pub fn is_simulated(&self) -> bool {
        matches!(self.0, Inner::Simulated(_))
    }

    /// Sets a simulated clock; the machine's clock is not touched.
    pub fn set(&self, at: Ms) {
        if let Inner::Simulated(clock) = &self.0 {
            clock.store(at, Ordering::SeqCst);
        }
    }

    /// Puts a simulated clock forward.
    pub fn advance(&self, by: Ms) {
        self.set(self.now() + by);
    }

    /// Waits until an instant by the machine's clock; under a simulated one returns at once.
    pub(crate) async fn wait_until(&self, at: Ms) {
        let left = at - self.now();
        if let (Inner::Real, Ok(left)) = (&self.0, u64::try_from(left)) {
            tokio::time::sleep(Duration::from_millis(left)).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that the stand-ins ask")]
fn real_now() -> Ms {
    chrono::Utc::now().timestamp_millis()
}
