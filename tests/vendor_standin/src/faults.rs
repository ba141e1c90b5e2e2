//! Faults as data: which requests are answered wrongly, and how.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::rng::Rng;

/// A fault and the requests it strikes.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The beginning of a path, or the whole name of an operation; empty: every request.
    pub on: String,
    /// Which of these requests.
    pub when: When,
    /// What happens to them.
    pub effect: Effect,
}

impl Rule {
    /// A rule.
    pub fn new(on: &str, when: When, effect: Effect) -> Self {
        Self { on: on.to_owned(), when, effect }
    }
}

/// Which of the requests that a rule is about are struck, counted from the setting of the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// The nth, from 1.
    Nth(u64),
    /// The first so many.
    First(u64),
    /// Each whose number divides by this.
    Every(u64),
    /// The last `length` of every `every`: an outage that comes again.
    Burst {
        /// How often.
        every: u64,
        /// How long.
        length: u64,
    },
    /// So many in a thousand, by chance.
    Chance {
        /// Of a thousand.
        per_mille: u64,
        /// Where chance starts.
        seed: u64,
    },
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Another status, without the request being looked at.
    Status {
        /// The status.
        status: u16,
        /// The body.
        body: String,
        /// When to come again.
        retry_after: RetryAfter,
    },
    /// A fault of the vendor by its name: `ServiceUnavailableFault`. Vendors without such names answer 503.
    Fault(String),
    /// The right answer, whose connection ends after so many bytes of the body.
    Cut(usize),
    /// The right answer, so many bytes at a time.
    Slow {
        /// How many bytes.
        bytes: usize,
        /// How long between them, by the clock of the machine.
        pause: Duration,
    },
    /// The sign-in ends before the request is looked at: a token, or a session.
    Expire,
    /// As if a limit had been passed. Not a violation.
    Limit,
}

/// The header of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// None.
    Unsaid,
    /// A number of seconds.
    Seconds(u32),
    /// A date so many seconds from now.
    Date(u32),
}

/// The rules in force; the first that strikes counts.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<(Rule, u64, Rng)>>);

impl Faults {
    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        let seed = if let When::Chance { seed, .. } = rule.when { seed } else { 0 };
        self.rules().push((rule, 0, Rng::new(seed)));
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.rules().clear();
    }

    pub(crate) fn strike(&self, path: &str, operation: &str) -> Option<Effect> {
        let mut struck = None;
        for (rule, count, rng) in self.rules().iter_mut() {
            if !path.starts_with(&rule.on) && operation != rule.on {
                continue;
            }
            *count += 1;
            let strikes = match rule.when {
                When::Always => true,
                When::Nth(nth) => *count == nth,
                When::First(first) => *count <= first,
                When::Every(every) => count.is_multiple_of(every),
                When::Burst { every, length } => (*count - 1) % every.max(1) >= every.saturating_sub(length),
                When::Chance { per_mille, .. } => rng.chance(per_mille),
            };
            if strikes && struck.is_none() {
                struck = Some(rule.effect.clone());
            }
        }
        struck
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<(Rule, u64, Rng)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_come_again() {
        let faults = Faults::default();
        faults.add(Rule::new("", When::Burst { every: 4, length: 2 }, Effect::Limit));
        let struck: Vec<bool> = (0..6).map(|_| faults.strike("/", "").is_some()).collect();
        assert_eq!(struck, [false, false, true, true, false, false]);
    }

    #[test]
    fn rules_count_their_own_requests() {
        let faults = Faults::default();
        faults.add(Rule::new("/stats", When::Every(2), Effect::Limit));
        faults.add(Rule::new("runReport", When::Nth(1), Effect::Expire));
        let strikes = [("/stats/a", ""), ("/x", "runReport"), ("/stats/b", ""), ("/x", "runReport"), ("/stats", "")];
        let struck = strikes.map(|(path, operation)| faults.strike(path, operation));
        assert_eq!(struck, [None, Some(Effect::Expire), Some(Effect::Limit), None, None]);
    }
}
