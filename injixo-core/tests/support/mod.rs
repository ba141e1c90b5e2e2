//! What tests of the runtime share.

use async_trait::async_trait;
use injixo_core::Clock;
use injixo_core::model::Timestamp;

/// Time as the simulation's runtime knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimClock {
    pub(crate) base: i64,
    pub(crate) begun: tokio::time::Instant,
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.base + i64::try_from(self.begun.elapsed().as_millis()).unwrap())
    }

    async fn sleep_until(&self, at: Timestamp) {
        let after = u64::try_from((at.millis() - self.base).max(0)).unwrap();
        // Nobody waits for longer than a year at once.
        let after = after.min(10 * 366 * 86_400_000);
        tokio::time::sleep_until(self.begun + std::time::Duration::from_millis(after)).await;
    }
}

impl SimClock {
    /// Shows `base` now; goes on with the paused time of the test's runtime.
    pub(crate) fn at(base: Timestamp) -> Self {
        Self { base: base.millis(), begun: tokio::time::Instant::now() }
    }
}
