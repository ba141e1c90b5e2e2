//! A clock that stands until it is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use injixo_model::{Millis, Timestamp};

use crate::clock::Clock;

/// A clock that shows what it was set to. Clones show the same.
///
/// ```
/// use injixo_core::Clock;
/// use injixo_core::model::Millis;
/// use injixo_core::testkit::TestClock;
///
/// let clock = TestClock::at("2024-05-27T08:00:00Z".parse()?);
/// clock.advance(Millis::from_mins(15));
/// assert_eq!(clock.now().to_string(), "2024-05-27T08:15:00Z");
/// # Ok::<(), injixo_core::model::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TestClock {
    now: Arc<AtomicI64>,
}

impl TestClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(AtomicI64::new(now.millis())) }
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.millis(), Ordering::SeqCst);
    }

    /// Puts it forward.
    pub fn advance(&self, by: Millis) {
        self.now.fetch_add(by.get(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }
}
