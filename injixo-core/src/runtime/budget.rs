//! Who may ask an external system now: permits per credential, counted in the store for all integrations and processes.

use injixo_model::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use crate::connector::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Why;
use crate::store::Store;

/// What is remembered of a credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Credential {
    /// When permits were granted, in milliseconds, and how many.
    granted: Vec<(i64, u32)>,
    /// Who reads now, and until when that is believed.
    running: Vec<(String, i64)>,
    /// The system asked to be left alone until then.
    not_before: i64,
    /// Sign-in was refused with these credentials.
    refused: Option<String>,
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

/// Of a hundred permits, how many work of that kind may take: the rest is left for what is worth more.
fn share(why: Why) -> u64 {
    match why {
        Why::Newest | Why::Asked => 100,
        Why::Gap => 90,
        Why::LookBack => 80,
        Why::BackFill => 50,
    }
}

/// How long a permit counts: its time, and a little more, since what is asked may arrive later than it was permitted.
fn counts_for(per: Millis) -> i64 {
    per.get() + (per.get() / 10).min(1_000)
}

impl Credential {
    fn take(&mut self, budget: &Budget, cost: u32, why: Why, who: &str, now: Timestamp, until: Timestamp) -> Permit {
        let at = now.millis();
        if let Some(refused) = &self.refused {
            return Permit::Refused(refused.clone());
        }
        let longest = budget.permits.iter().map(|permits| counts_for(permits.per)).max().unwrap_or(0);
        self.granted.retain(|granted| granted.0 > at - longest);
        self.running.retain(|running| running.1 > at && running.0 != who);
        let mut wait = self.not_before.max(at);
        for permits in &budget.permits {
            let allowed = (u64::from(permits.number) * share(why) / 100).max(u64::from(cost));
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
        if budget.at_once.is_some_and(|most| self.running.len() >= most as usize) {
            let free = self.running.iter().map(|running| running.1).min().unwrap_or(at);
            wait = wait.max(free.min(at + MOMENT.get()));
        }
        if wait > at {
            return Permit::Wait(Timestamp::from_millis(wait));
        }
        self.granted.push((at, cost));
        if budget.at_once.is_some() {
            self.running.push((who.to_owned(), until.millis()));
        }
        Permit::Granted
    }
}

/// How soon to ask again for one of the reads at once.
const MOMENT: Millis = Millis::from_secs(1);

/// Asks for the permits of one read.
pub(crate) async fn permit(
    store: &dyn Store,
    budget: &Budget,
    cost: u32,
    why: Why,
    who: &str,
    (now, patience): (Timestamp, Millis),
) -> Result<Permit> {
    if let Some(permits) = budget.permits.iter().find(|permits| permits.number < cost) {
        let message = format!("one read takes {cost} permits, the budget has {} at most", permits.number);
        return Err(Error::new(ErrorKind::ConfigInvalid, message));
    }
    let mut transaction = store.write().await?;
    let mut credential = load(transaction.lock_credential(&budget.key).await?);
    let now = transaction.now().await?.unwrap_or(now);
    let permit = credential.take(budget, cost, why, who, now, now.after(patience));
    if permit == Permit::Granted {
        transaction.put_credential(&budget.key, &save(&credential)).await?;
        transaction.commit().await?;
    }
    Ok(permit)
}

/// Changes what is remembered of a credential.
async fn change(store: &dyn Store, key: &str, change: impl FnOnce(&mut Credential) + Send) -> Result<()> {
    let mut transaction = store.write().await?;
    let held = load(transaction.lock_credential(key).await?);
    let mut credential = held.clone();
    change(&mut credential);
    if credential == held {
        return Ok(());
    }
    transaction.put_credential(key, &save(&credential)).await?;
    transaction.commit().await
}

/// A read has ended.
pub(crate) async fn release(store: &dyn Store, budget: &Budget, who: &str) -> Result<()> {
    if budget.at_once.is_none() {
        return Ok(());
    }
    change(store, &budget.key, |credential| credential.running.retain(|running| running.0 != who)).await
}

/// The system asked to be left alone until then.
pub(crate) async fn hold_off(store: &dyn Store, budget: &Budget, until: Timestamp) -> Result<()> {
    change(store, &budget.key, |credential| credential.not_before = credential.not_before.max(until.millis())).await
}

/// Somebody corrected something: what the system said before does not count any more.
pub(crate) async fn forgive(store: &dyn Store, budget: &Budget) -> Result<()> {
    change(store, &budget.key, |credential| (credential.refused, credential.not_before) = (None, 0)).await
}

/// Sign-in was refused, with the reason.
pub(crate) async fn refuse(store: &dyn Store, budget: &Budget, reason: String) -> Result<()> {
    change(store, &budget.key, |credential| credential.refused = Some(reason)).await
}

fn load(state: Option<String>) -> Credential {
    state.and_then(|state| serde_json::from_str(&state).ok()).unwrap_or_default()
}

fn save(credential: &Credential) -> String {
    serde_json::to_string(credential).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn take(credential: &mut Credential, budget: &Budget, why: Why, now: i64) -> Permit {
        credential.take(budget, 1, why, "a", at(now), at(now + 600))
    }

    #[test]
    fn waits_until_the_oldest_permit_is_a_minute_and_a_second_old() {
        let budget = Budget::new(["acme", "amy"]).permits(2, Millis::from_secs(60));
        let mut credential = Credential::default();
        assert_eq!(take(&mut credential, &budget, Why::Newest, 0), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, Why::Newest, 10), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, Why::Newest, 20), Permit::Wait(at(61)));
        assert_eq!(take(&mut credential, &budget, Why::Newest, 61), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, Why::Newest, 62), Permit::Wait(at(71)));
    }

    #[test]
    fn back_fill_leaves_half_for_what_is_worth_more() {
        let budget = Budget::new(["acme"]).permits(4, Millis::from_secs(60));
        let mut credential = Credential::default();
        assert_eq!(take(&mut credential, &budget, Why::BackFill, 0), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, Why::BackFill, 1), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, Why::BackFill, 2), Permit::Wait(at(61)));
        assert_eq!(take(&mut credential, &budget, Why::LookBack, 2), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, Why::LookBack, 3), Permit::Wait(at(61)));
        assert_eq!(take(&mut credential, &budget, Why::Newest, 3), Permit::Granted);
        assert_eq!(take(&mut credential, &budget, Why::Newest, 4), Permit::Wait(at(61)));
    }

    #[test]
    fn one_at_a_time_means_one_at_a_time() {
        let budget = Budget::new(["acme"]).at_once(1);
        let mut credential = Credential::default();
        assert_eq!(credential.take(&budget, 1, Why::Newest, "a", at(0), at(600)), Permit::Granted);
        assert_eq!(credential.take(&budget, 1, Why::Newest, "b", at(5), at(600)), Permit::Wait(at(6)));
        // Whoever died while reading is forgotten in the end.
        assert_eq!(credential.take(&budget, 1, Why::Newest, "b", at(600), at(900)), Permit::Granted);
    }

    #[test]
    fn refused_credentials_are_not_used() {
        let budget = Budget::new(["acme"]).permits(4, Millis::from_secs(60));
        let mut credential = Credential { refused: Some("wrong password".to_owned()), ..Credential::default() };
        assert_eq!(take(&mut credential, &budget, Why::Newest, 0), Permit::Refused("wrong password".to_owned()));
        let mut credential = Credential { not_before: 5_000, ..Credential::default() };
        assert_eq!(take(&mut credential, &budget, Why::Newest, 0), Permit::Wait(at(5)));
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
        fn no_stretch_ever_holds_more(steps in prop::collection::vec((0..40_i64, 0..5_usize, 1..3_u32), 1..120)) {
            let whys = [Why::Newest, Why::Asked, Why::Gap, Why::LookBack, Why::BackFill];
            let budget = Budget::new(["acme"]).permits(4, Millis::from_secs(60)).permits(20, Millis::from_secs(600));
            let mut credential = Credential::default();
            let (mut now, mut granted) = (0, Vec::new());
            for (step, why, cost) in steps {
                now += step;
                match credential.take(&budget, cost, whys[why], "a", at(now), at(now)) {
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
