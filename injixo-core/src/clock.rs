//! The one source of time.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use injixo_model::{Millis, Timestamp};

/// What the engine asks for the time and waits on, so that years can pass in a test within seconds.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Returns when `at` has come, at once if it has already.
    async fn sleep_until(&self, at: Timestamp);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest single sleep: a clock that was set is noticed within it.
const NAP: Millis = Millis::from_secs(60);

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now());
            if left == Millis::ZERO {
                return;
            }
            tokio::time::sleep(Duration::from(left.min(NAP))).await;
        }
    }
}
