//! Permits per credential, counted in the store for all integrations and processes.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_model::{Millis, Timestamp};

use crate::connector::{Budget, Credential, Permit, Permitter, Reader};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Why;
use crate::store::Store;

/// Of a hundred permits, how many work of that kind may take: the rest is left for what is worth more.
fn share(why: Why) -> u64 {
    match why {
        Why::Newest | Why::Asked => 100,
        Why::Gap => 90,
        Why::LookBack => 80,
        Why::BackFill => 50,
    }
}

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
    let reader = Reader { who, until: now.after(patience) };
    let permit = credential.take(budget, cost, share(why), now, Some(reader));
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
    change(store, &budget.key, |credential| credential.hold_off(until)).await
}

/// Somebody corrected something: what the system said before does not count any more.
pub(crate) async fn forgive(store: &dyn Store, budget: &Budget) -> Result<()> {
    change(store, &budget.key, |credential| (credential.refused, credential.not_before) = (None, 0)).await
}

/// Sign-in was refused, with the reason.
pub(crate) async fn refuse(store: &dyn Store, budget: &Budget, reason: String) -> Result<()> {
    change(store, &budget.key, |credential| credential.refused = Some(reason)).await
}

/// Of a hundred requests, how many may be for anything but what agents do now.
const LEFT_BY_LIVE: u64 = 85;

/// Permits for what is asked during a read, with the share of the budget that this kind of work has.
#[derive(Debug)]
pub(super) struct StorePermits {
    store: Arc<dyn Store>,
    share: u64,
}

impl StorePermits {
    /// For a task that is done for that reason; without one for what agents do now, which comes first.
    pub(super) fn new(store: Arc<dyn Store>, why: Option<Why>) -> Self {
        Self { store, share: why.map_or(100, |why| share(why) * LEFT_BY_LIVE / 100) }
    }
}

#[async_trait]
impl Permitter for StorePermits {
    async fn permit(&self, budget: &Budget, cost: u32, now: Timestamp) -> Result<Permit> {
        let mut transaction = self.store.write().await?;
        let mut credential = load(transaction.lock_credential(&budget.key).await?);
        let now = transaction.now().await?.unwrap_or(now);
        let permit = credential.take(budget, cost, self.share, now, None);
        if permit == Permit::Granted {
            transaction.put_credential(&budget.key, &save(&credential)).await?;
            transaction.commit().await?;
        }
        Ok(permit)
    }

    async fn hold_off(&self, budget: &Budget, length: Millis, now: Timestamp) -> Result<()> {
        let now = self.store.read().await?.now().await?.unwrap_or(now);
        hold_off(&*self.store, budget, now.after(length)).await
    }
}

fn load(state: Option<String>) -> Credential {
    state.and_then(|state| serde_json::from_str(&state).ok()).unwrap_or_default()
}

fn save(credential: &Credential) -> String {
    serde_json::to_string(credential).unwrap_or_default()
}
