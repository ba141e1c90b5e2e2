//! Permits under a [`Budget`]: who may ask an external system now.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use injixo_model::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use super::Budget;
use crate::error::Result;

/// Grants permits to whoever asks a system during a read.
#[async_trait]
pub(crate) trait Permitter: Debug + Send + Sync {
    /// Asks for permits.
    async fn permit(&self, budget: &Budget, cost: u32, now: Timestamp) -> Result<Permit>;

    /// The system asked to be left alone for so long.
    async fn hold_off(&self, budget: &Budget, length: Millis, now: Timestamp) -> Result<()>;
}

/// Grants permits to one process: for reads outside a runtime.
#[derive(Debug, Default)]
pub(crate) struct LocalPermits {
    credentials: Mutex<HashMap<String, Credential>>,
}

#[async_trait]
impl Permitter for LocalPermits {
    async fn permit(&self, budget: &Budget, cost: u32, now: Timestamp) -> Result<Permit> {
        let mut credentials = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(credentials.entry(budget.key.clone()).or_default().take(budget, cost, 100, now, None))
    }

    async fn hold_off(&self, budget: &Budget, length: Millis, now: Timestamp) -> Result<()> {
        let mut credentials = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        credentials.entry(budget.key.clone()).or_default().hold_off(now.after(length));
        Ok(())
    }
}

/// What is remembered of a credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Credential {
    /// When permits were granted, in milliseconds, and how many.
    pub(crate) granted: Vec<(i64, u32)>,
    /// Who reads now, and until when that is believed.
    pub(crate) running: Vec<(String, i64)>,
    /// The system asked to be left alone until then.
    pub(crate) not_before: i64,
    /// Sign-in was refused with these credentials.
    pub(crate) refused: Option<String>,
}

/// What came of asking for permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Permit {
    Granted,
    /// Ask again then.
    Wait(Timestamp),
    /// The credentials were refused: nothing is asked until they are changed.
    Refused(String),
}

/// Who reads, where the number of reads at once is bounded, and until when that is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) who: &'a str,
    pub(crate) until: Timestamp,
}

/// How long a permit counts: its time, and a little more, since what is asked may arrive later than it was permitted.
fn counts_for(per: Millis) -> i64 {
    per.get() + (per.get() / 10).min(1_000)
}

impl Credential {
    /// Takes `cost` permits, of which `share` of a hundred are open to this kind of work.
    pub(crate) fn take(
        &mut self,
        budget: &Budget,
        cost: u32,
        share: u64,
        now: Timestamp,
        reader: Option<Reader<'_>>,
    ) -> Permit {
        let at = now.millis();
        if let Some(refused) = &self.refused {
            return Permit::Refused(refused.clone());
        }
        let longest = budget.permits.iter().map(|permits| counts_for(permits.per)).max().unwrap_or(0);
        self.granted.retain(|granted| granted.0 > at - longest);
        self.merge_old(at, budget, longest);
        self.running.retain(|running| running.1 > at && reader.is_none_or(|reader| running.0 != reader.who));
        let mut wait = self.not_before.max(at);
        for permits in &budget.permits {
            let allowed = (u64::from(permits.number) * share / 100).max(u64::from(cost));
            let per = counts_for(permits.per);
            let mut used: u64 =
                self.granted.iter().filter(|granted| granted.0 > at - per).map(|granted| u64::from(granted.1)).sum();
            for granted in self.granted.iter().filter(|granted| granted.0 > at - per) {
                if used + u64::from(cost) <= allowed {
                    break;
                }
                used -= u64::from(granted.1);
                wait = wait.max(granted.0 + per);
            }
        }
        if reader.is_some() && budget.at_once.is_some_and(|most| self.running.len() >= most as usize) {
            let free = self.running.iter().map(|running| running.1).min().unwrap_or(at);
            wait = wait.max(free.min(at + MOMENT.get()));
        }
        if wait > at {
            return Permit::Wait(Timestamp::from_millis(wait));
        }
        self.granted.push((at, cost));
        if let (Some(reader), Some(_)) = (reader, budget.at_once) {
            self.running.push((reader.who.to_owned(), reader.until.millis()));
        }
        Permit::Granted
    }

    /// The system asked to be left alone until then.
    pub(crate) fn hold_off(&mut self, until: Timestamp) {
        self.not_before = self.not_before.max(until.millis());
    }

    /// Joins permits that only the longer periods still count. Each counts as late as the latest that it was joined with, so
    /// that no stretch ever holds more than it may.
    fn merge_old(&mut self, at: i64, budget: &Budget, longest: i64) {
        if self.granted.len() <= MANY_PERMITS {
            return;
        }
        let shortest = budget.permits.iter().map(|permits| counts_for(permits.per)).min().unwrap_or(0);
        let grain = longest / MANY_PERMITS as i64 * 2;
        let mut kept: Vec<(i64, u32)> = Vec::with_capacity(self.granted.len());
        for &(granted, number) in &self.granted {
            match kept.last_mut() {
                Some(last) if granted <= at - shortest && granted.div_euclid(grain) == last.0.div_euclid(grain) => {
                    *last = (granted, last.1 + number);
                }
                _ => kept.push((granted, number)),
            }
        }
        self.granted = kept;
    }
}

/// More permits than this are joined where no short period counts them any more.
const MANY_PERMITS: usize = 256;

/// How soon to ask again for one of the reads at once.
const MOMENT: Millis = Millis::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    const NEWEST: u64 = 100;
    const LOOK_BACK: u64 = 80;
    const BACK_FILL: u64 = 50;

    fn take(credential: &mut Credential, budget: &Budget, share: u64, now: i64) -> Permit {
        credential.take(budget, 1, share, at(now), None)
    }

    fn read(credential: &mut Credential, budget: &Budget, who: &str, now: i64, until: i64) -> Permit {
        credential.take(budget, 1, NEWEST, at(now), Some(Reader { who, until: at(until) }))
    }

    #[test]
    fn waits_until_the_oldest_permit_is_a_minute_and_a_second_old() {
        let budget = Budget::new(["acme", "amy"]).permits(2, Millis::from_secs(60));
        let mut credential = Credential::default();
        assert_eq!(take(&mut credential, &budget, NEWEST, 0), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, NEWEST, 10), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, NEWEST, 20), Permit::Wait(at(61)));
        assert_eq!(take(&mut credential, &budget, NEWEST, 61), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, NEWEST, 62), Permit::Wait(at(71)));
    }

    #[test]
    fn back_fill_leaves_half_for_what_is_worth_more() {
        let budget = Budget::new(["acme"]).permits(4, Millis::from_secs(60));
        let mut credential = Credential::default();
        assert_eq!(take(&mut credential, &budget, BACK_FILL, 0), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, BACK_FILL, 1), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, BACK_FILL, 2), Permit::Wait(at(61)));
        assert_eq!(take(&mut credential, &budget, LOOK_BACK, 2), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, LOOK_BACK, 3), Permit::Wait(at(61)));
        assert_eq!(take(&mut credential, &budget, NEWEST, 3), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, NEWEST, 4), Permit::Wait(at(61)));
    }

    #[test]
    fn one_at_a_time_means_one_at_a_time() {
        let budget = Budget::new(["acme"]).at_once(1);
        let mut credential = Credential::default();
        assert_eq!(read(&mut credential, &budget, "a", 0, 600), Permit::Granted);
        assert_eq!(read(&mut credential, &budget, "b", 5, 600), Permit::Wait(at(6)));
        // Whoever died while reading is forgotten in the end.
        assert_eq!(read(&mut credential, &budget, "b", 600, 900), Permit::Granted);
    }

    #[test]
    fn refused_credentials_are_not_used() {
        let budget = Budget::new(["acme"]).permits(4, Millis::from_secs(60));
        let mut credential = Credential { refused: Some("wrong password".to_owned()), ..Credential::default() };
        assert_eq!(take(&mut credential, &budget, NEWEST, 0), Permit::Refused("wrong password".to_owned()));
        let mut credential = Credential { not_before: 5_000, ..Credential::default() };
        assert_eq!(take(&mut credential, &budget, NEWEST, 0), Permit::Wait(at(5)));
    }

    #[test]
    fn the_key_of_a_budget_tells_no_name() {
        let budget = Budget::new(["acme", "amy"]);
        assert!(!budget.key.contains("amy") && budget.key.len() == 64);
        assert_ne!(budget.key, Budget::new(["acmea", "my"]).key);
    }

    proptest! {
        /// Whoever comes when, and waits as told: no stretch of a minute or an hour ever holds more.
        #[test]
        fn no_stretch_ever_holds_more(steps in prop::collection::vec((0..40_i64, 0..4_usize, 1..3_u32), 1..700)) {
            let shares = [NEWEST, 90, LOOK_BACK, BACK_FILL];
            let budget = Budget::new(["acme"]).permits(4, Millis::from_secs(60)).permits(20, Millis::from_secs(600));
            let mut credential = Credential::default();
            let (mut now, mut granted) = (0, Vec::new());
            for (step, share, cost) in steps {
                now += step;
                match credential.take(&budget, cost, shares[share], at(now), None) {
                    Permit::Granted => granted.push((now, cost)),
                    Permit::Wait(until) => prop_assert!(until > at(now) && until <= at(now + 601)),
                    Permit::Refused(_) => prop_assert!(false),
                }
            }
            for (length, most) in [(60, 4), (600, 20)] {
                for &(from, _) in &granted {
                    let held: u32 = granted.iter().filter(|(at, _)| (from..from + length).contains(at)).map(|(_, cost)| cost).sum();
                    prop_assert!(held <= most, "{held} in {length} s from {from}: {granted:?}");
                }
            }
        }
    }
}
