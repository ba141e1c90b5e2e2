//! How much is taken: requests per key, and memory for bodies.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many requests a sender may make.
///
/// A sender may be quick for a moment: up to ten seconds' worth of requests come at once, or the number of `burst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    per_minute: u32,
    burst: u32,
}

impl RateLimit {
    /// So many requests a minute; at least one.
    pub const fn per_minute(requests: u32) -> Self {
        let per_minute = if requests == 0 { 1 } else { requests };
        let burst = per_minute / 6;
        Self { per_minute, burst: if burst == 0 { 1 } else { burst } }
    }

    /// The same with so many at once; at least one.
    #[must_use]
    pub const fn burst(mut self, requests: u32) -> Self {
        self.burst = if requests == 0 { 1 } else { requests };
        self
    }
}

impl Default for RateLimit {
    /// 120,000 a minute.
    fn default() -> Self {
        Self::per_minute(120_000)
    }
}

/// What is left to each sender.
#[derive(Debug)]
pub(crate) struct Rates {
    limit: RateLimit,
    /// When the allowance of an integration would be whole again.
    whole_at: Mutex<HashMap<u32, Instant>>,
}

impl Rates {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, whole_at: Mutex::default() }
    }

    /// Takes one request of a sender, or says how long it must wait.
    pub(crate) fn take(&self, integration: u32, now: Instant) -> Result<(), Duration> {
        let one = Duration::from_secs(60) / self.limit.per_minute;
        let all = one * self.limit.burst;
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        let at = whole_at.entry(integration).or_insert(now);
        let then = (*at).max(now) + one;
        let used = then.duration_since(now);
        if used > all {
            return Err(used - all);
        }
        *at = then;
        Ok(())
    }
}

/// The memory that bodies take until they are understood.
#[derive(Debug)]
pub(crate) struct Memory {
    most: usize,
    taken: AtomicUsize,
}

/// Memory that is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0) })
    }

    pub(crate) fn none(self: &Arc<Self>) -> Taken {
        Taken { memory: Arc::clone(self), bytes: 0 }
    }

    #[cfg(test)]
    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Taken {
    /// Takes more, if there is as much.
    pub(crate) fn more(&mut self, bytes: usize) -> bool {
        let add = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.memory.most);
        let is_free = self.memory.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        self.bytes += if is_free { bytes } else { 0 };
        is_free
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.memory.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_waits_as_told_is_let_in() {
        let rates = Rates::new(RateLimit::per_minute(60).burst(3));
        let mut now = Instant::now();
        for _ in 0..3 {
            assert_eq!(rates.take(1, now), Ok(()));
        }
        let wait = rates.take(1, now).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert_eq!(rates.take(2, now), Ok(()), "others have their own");
        now += wait;
        assert_eq!(rates.take(1, now), Ok(()));
        assert!(rates.take(1, now).is_err());
        now += Duration::from_secs(900);
        assert_eq!((0..9).take_while(|_| rates.take(1, now).is_ok()).count(), 3, "no more than a burst is saved");
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let memory = Memory::new(10);
        let (mut a, mut b) = (memory.none(), memory.none());
        assert!(a.more(6) && b.more(4) && !a.more(1) && !b.more(usize::MAX));
        drop(a);
        assert!(b.more(6) && !b.more(1));
        drop(b);
        assert_eq!(memory.taken(), 0);
    }
}
