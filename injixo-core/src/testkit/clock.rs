//! A clock that stands until it is set, or until somebody sleeps.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_model::{Millis, Timestamp};
use tokio::sync::watch;

use crate::clock::Clock;

/// A clock that shows what it was set to; whoever sleeps wakes when it is set far enough. Clones show the same.
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
    now: Arc<watch::Sender<Timestamp>>,
    is_hasty: bool,
}

impl TestClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(now)), is_hasty: false }
    }

    /// The same clock, on which nobody waits: whoever sleeps sets it.
    #[must_use]
    pub fn hasty(mut self) -> Self {
        self.is_hasty = true;
        self
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
    }

    /// Puts it forward.
    pub fn advance(&self, by: Millis) {
        self.now.send_modify(|now| *now = now.after(by));
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    /// Returns once it was set to `at` or later; at once where nobody waits.
    async fn sleep_until(&self, at: Timestamp) {
        if self.is_hasty {
            self.now.send_modify(|now| *now = at.max(*now));
            tokio::task::yield_now().await;
            return;
        }
        // The sender is held here, so waiting ends only when it is that late.
        let _ = self.now.subscribe().wait_for(|now| *now >= at).await;
    }
}
