//! When to try again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use chrono::DateTime;
use injixo_model::{Millis, Timestamp};

use crate::error::Error;

/// How often and how patiently a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// How often a request is sent at most.
    pub attempts: u32,
    /// The wait before the second attempt; each further one is twice as long.
    pub first_wait: Duration,
    /// The longest wait. A system that asks for more is left alone: the error says until when.
    pub longest_wait: Duration,
}

impl Default for Retry {
    /// Five attempts, after one second and its doubles up to a minute.
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) }
    }
}

impl Retry {
    /// Every request is sent once.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// How long to wait after attempt number `attempt`, which failed with `error`; `None` to give up.
    pub(super) fn wait(&self, attempt: u32, error: &Error) -> Option<Duration> {
        if !error.is_retryable() || attempt >= self.attempts || error.permit_at().is_some() {
            return None;
        }
        if let Some(asked) = error.retry_after() {
            return (asked <= self.longest_wait).then(|| asked + jitter(asked / 10));
        }
        let wait = self.first_wait.saturating_mul(1 << attempt.min(20).saturating_sub(1)).min(self.longest_wait);
        Some(wait / 2 + jitter(wait / 2))
    }
}

/// A random length up to `most`, so that many who failed together do not come again together.
fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    most.mul_f64(random as f64 / (1_u64 << 53) as f64)
}

/// What a header `Retry-After` asks for: a number of seconds, or a date.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(secs) = value.parse::<u64>() {
        return Some(Duration::from_secs(secs));
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?;
    let left = Timestamp::from_millis(until.timestamp_millis()).since(now);
    Some(left.max(Millis::ZERO).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn waits_double_and_vary_up_to_the_longest() {
        let retry = Retry { attempts: 9, ..Retry::default() };
        let error = Error::new(ErrorKind::Unavailable, "gone");
        for (attempt, most) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60)] {
            let wait = retry.wait(attempt, &error).unwrap();
            assert!(wait >= Duration::from_secs(most) / 2 && wait <= Duration::from_secs(most), "{attempt}: {wait:?}");
        }
        assert_eq!(retry.wait(9, &error), None);
        let waits: Vec<_> = (0..20).map(|_| retry.wait(8, &error)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]), "without jitter: {waits:?}");
    }

    #[test]
    fn what_the_system_asks_for_counts() {
        let retry = Retry::default();
        let asked = |secs| Error::new(ErrorKind::RateLimited, "wait").retry_in(Duration::from_secs(secs));
        let wait = retry.wait(1, &asked(20)).unwrap();
        assert!(wait >= Duration::from_secs(20) && wait <= Duration::from_secs(22), "{wait:?}");
        assert_eq!(retry.wait(1, &asked(61)), None);
        assert_eq!(retry.wait(1, &Error::new(ErrorKind::Protocol, "odd")), None);
    }

    #[test]
    fn a_date_in_the_past_asks_for_nothing() {
        let now = Timestamp::from_secs(784_111_800);
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after(" 3 ", now), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("-3", now), None);
    }
}
