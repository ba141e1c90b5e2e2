//! Time that passes quickly, and numbers that look random.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use injixo_core::Clock;
use injixo_core::model::Timestamp;

/// A clock on which a second takes as long as five milliseconds of the machine's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quick {
    base: i64,
    begun: Instant,
}

const TIMES: i64 = 200;

impl Quick {
    pub(crate) fn at(base: &str) -> Self {
        let base: Timestamp = base.parse().unwrap();
        Self { base: base.millis(), begun: Instant::now() }
    }
}

#[async_trait]
impl Clock for Quick {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.begun.elapsed().as_micros()).unwrap() * TIMES / 1_000;
        Timestamp::from_millis(self.base + passed)
    }

    async fn sleep_until(&self, at: Timestamp) {
        let left = u64::try_from(at.since(self.now()).get().max(0)).unwrap();
        tokio::time::sleep(Duration::from_micros((left * 1_000 / TIMES.unsigned_abs()).clamp(500, 2_000_000))).await;
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % bound.unsigned_abs()).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(i64::try_from(of.len()).unwrap())).unwrap()]
    }
}
