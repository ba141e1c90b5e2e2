//! Importing on its own: claims what is due, lets it be done, and keeps its claims alive.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use injixo_model::{Coverage, Millis, Timestamp};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

use super::Runtime;
use super::lane::{LaneState, Next, is_back_fill};
use super::windows::{Ended, is_active};
use crate::connector::Connector;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::QUARTER;
use crate::store::{IntegrationRecord, Lane, Lease, WorkRecord};

/// A runtime that imports on its own until it is shut down or dropped.
#[derive(Debug)]
pub struct Service {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Service {
    /// Ends all work (what is being committed is committed, everything else is given back) and returns when it has ended.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take() {
            // A panic of the task was reported by the runtime already.
            let _ = task.await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Lanes whose work is claimed together, and how much of it goes on at once.
struct Group {
    lanes: &'static [Lane],
    at_once: u32,
}

/// Live data never waits behind anything, current data not behind back-filling.
const LIVE: &[Lane] = &[Lane::Live];
const CURRENT: &[Lane] = &[Lane::Deliveries, Lane::Contacts, Lane::Statuses];
const BACK_FILL: &[Lane] = &[Lane::ContactsBackfill, Lane::StatusesBackfill];

const LIVE_AT_ONCE: u32 = 100_000;
const CURRENT_AT_ONCE: u32 = 256;

/// How soon a source is asked again for the newest data.
const SOON: Millis = Millis::from_mins(1);

/// How soon a source is asked again for what it did not hold yet: a past that it lacks may be years.
fn patience_with(lane: Lane) -> Millis {
    if is_back_fill(lane) { QUARTER } else { SOON }
}

/// What is waited for when a source lags.
const NOT_YET: &str = "the external system does not hold the newest data yet";

/// How many tasks of one piece of work are done before others get their turn.
const TURN: u32 = 16;

impl Runtime {
    /// Imports on its own from now on: whatever is due of all active integrations whose connectors this process knows.
    pub fn start(&self) -> Service {
        let (stop, stopped) = watch::channel(false);
        let scheduler = Scheduler { runtime: self.clone(), owner: owner(), stopped, jobs: JoinSet::new() };
        let task = tokio::spawn(scheduler.run());
        Service { stop, task: Some(task) }
    }
}

/// What tells this run of this process from all others.
fn owner() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", std::process::id())
}

struct Scheduler {
    runtime: Runtime,
    owner: String,
    stopped: watch::Receiver<bool>,
    jobs: JoinSet<(Lane, u32)>,
}

impl Scheduler {
    async fn run(mut self) {
        let groups = [
            Group { lanes: LIVE, at_once: LIVE_AT_ONCE },
            Group { lanes: CURRENT, at_once: CURRENT_AT_ONCE },
            Group { lanes: BACK_FILL, at_once: self.runtime.back_fills },
        ];
        let mut running = [0_u32; 3];
        let mut extend_at = Timestamp::MIN;
        while !*self.stopped.borrow() {
            let look = self.look(&groups, &mut running, &mut extend_at).await;
            let next = look.unwrap_or_else(|error| {
                tracing::warn!(%error, "the store cannot be used for the moment");
                self.runtime.clock.now().after(Millis::from_secs(1))
            });
            let wake = self.runtime.shared.wake.notified();
            tokio::select! {
                biased;
                _ = self.stopped.changed() => {}
                Some(ended) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    forget(ended, &groups, &mut running);
                    while let Some(ended) = self.jobs.join_next().now_or_never().flatten() {
                        forget(ended, &groups, &mut running);
                    }
                }
                () = wake => {}
                () = self.runtime.clock.sleep_until(next) => {}
            }
        }
        for (_, cancel) in self.runtime.shared.working().iter() {
            cancel.send_replace(true);
        }
        while self.jobs.join_next().await.is_some() {}
    }

    /// Claims and begins what is due; returns when to look again.
    async fn look(
        &mut self,
        groups: &[Group; 3],
        running: &mut [u32; 3],
        extend_at: &mut Timestamp,
    ) -> Result<Timestamp> {
        let local = self.runtime.clock.now();
        // The longest pause between two looks at what is due: other processes may have changed it.
        let look = Millis::new(self.runtime.lease.get() / 4);
        if local >= *extend_at {
            self.extend().await?;
            *extend_at = local.after(look);
        }
        let mut next = local.after(look).min(*extend_at);
        let foreign = self.runtime.shared.foreign(local);
        let mut reading = self.runtime.store.read().await?;
        let now = reading.now().await?.unwrap_or(local);
        let mut due = [None; 3];
        for (group, due) in groups.iter().zip(&mut due) {
            *due = reading.next_claim(group.lanes, &foreign).await?;
        }
        drop(reading);
        for ((group, running), due) in groups.iter().zip(running).zip(due) {
            let free = group.at_once.saturating_sub(*running);
            let Some(due) = due.filter(|_| free > 0) else { continue };
            if due > now {
                next = next.min(local.after(due.since(now)));
                continue;
            }
            let mut transaction = self.runtime.store.write().await?;
            let now = transaction.now().await?.unwrap_or(local);
            let lease = Lease { owner: self.owner.clone(), until: now.after(self.runtime.lease) };
            let claimed = transaction.claim(group.lanes, &foreign, &lease, now, free.min(64)).await?;
            transaction.commit().await?;
            if !claimed.is_empty() {
                next = local;
            }
            for work in claimed {
                *running += 1;
                let (key, runtime) = ((work.lane, work.integration), self.runtime.clone());
                let (cancel, cancelled) = watch::channel(false);
                self.runtime.shared.working().insert((work.integration, work.lane), cancel);
                let span = tracing::info_span!("work", integration = work.integration, lane = ?work.lane);
                let job = async move {
                    runtime.work(work, cancelled).await;
                    key
                };
                self.jobs.spawn(job.instrument(span));
            }
        }
        Ok(next)
    }

    /// Keeps the claims alive, and ends work on integrations that another process has changed.
    async fn extend(&self) -> Result<()> {
        let mut transaction = self.runtime.store.write().await?;
        let now = transaction.now().await?.unwrap_or_else(|| self.runtime.clock.now());
        let lease = Lease { owner: self.owner.clone(), until: now.after(self.runtime.lease) };
        let held: BTreeSet<(u32, Lane)> = transaction.extend_leases(&lease).await?.into_iter().collect();
        let working: BTreeSet<(u32, Lane)> = self.runtime.shared.working().keys().copied().collect();
        // What is ours and not being done was not given back when it ended: it is free at once.
        for &(integration, lane) in held.difference(&working) {
            if let Some(work) = transaction.lock_work(integration, lane).await?
                && work.lease.as_ref().is_some_and(|lease| lease.owner == self.owner)
            {
                let due = work.due.min(now);
                transaction.put_work(&[WorkRecord { due, lease: None, window: None, ..work }]).await?;
            }
        }
        transaction.commit().await?;
        for key in working.difference(&held) {
            if let Some(cancel) = self.runtime.shared.working().get(key) {
                cancel.send_replace(true);
            }
        }
        Ok(())
    }
}

fn forget(ended: Result<(Lane, u32), tokio::task::JoinError>, groups: &[Group; 3], running: &mut [u32; 3]) {
    // Work that panicked is claimed again when its lease has run out.
    let lane = ended.map(|(lane, _)| lane);
    for (group, running) in groups.iter().zip(running) {
        if lane.as_ref().is_ok_and(|lane| group.lanes.contains(lane)) {
            *running = running.saturating_sub(1);
        }
    }
}

/// What a step comes to whose connector panicked.
#[expect(clippy::needless_pass_by_value, reason = "it is thrown away here")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Result<After> {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let message = format!("the connector has a defect, it panicked: {}", said.unwrap_or("no message"));
    Err(Error::new(ErrorKind::Unexpected, message))
}

/// What comes after some work.
enum After {
    /// Plan again at once.
    Again,
    /// Give the work back until then.
    Rest(Timestamp),
}

impl Runtime {
    /// Does claimed work until there is nothing to do, others are to have their turn, or it is cancelled.
    async fn work(&self, mut work: WorkRecord, mut cancelled: watch::Receiver<bool>) {
        let key = (work.integration, work.lane);
        let mut state = LaneState::of(&work);
        let mut due = None;
        for _ in 0..TURN {
            let step = tokio::select! {
                biased;
                _ = cancelled.wait_for(|cancelled| *cancelled) => None,
                step = AssertUnwindSafe(self.step(&mut work, &mut state)).catch_unwind() => Some(step.unwrap_or_else(panicked)),
            };
            due = match step {
                None => break,
                Some(Ok(After::Again)) => continue,
                Some(Ok(After::Rest(until))) => Some(until),
                Some(Err(error)) if error.kind() == ErrorKind::Cancelled => break,
                Some(Err(error)) => Some(self.failed(&work, &mut state, &error).await),
            };
            break;
        }
        if let Err(error) = self.give_back(&work, &state, due).await {
            // It is ours and not being done: it is freed when leases are extended, or when its own runs out.
            tracing::warn!(%error, "work could not be given back");
        }
        self.shared.working().remove(&key);
    }

    async fn failed(&self, work: &WorkRecord, state: &mut LaneState, error: &Error) -> Timestamp {
        let labels = [("integration", work.integration.to_string()), ("lane", format!("{:?}", work.lane))];
        metrics::counter!("injixo_failures_total", &labels).increment(1);
        let now = self.now().await.unwrap_or_else(|_| self.clock.now());
        match state.failed(error, work, now) {
            Next::At(at) => {
                tracing::warn!(%error, until = %at, "failed, trying again");
                at
            }
            Next::Blocked => {
                tracing::error!(%error, "failed, waiting for somebody to correct it");
                Timestamp::MAX
            }
        }
    }

    async fn step(&self, work: &mut WorkRecord, state: &mut LaneState) -> Result<After> {
        let record = self.store.read().await?.integration_by_id(work.integration).await?;
        let Some(record) = record.filter(is_active) else { return Ok(After::Rest(Timestamp::MAX)) };
        let connector = match self.connector(&record).await {
            Ok(connector) => connector,
            Err(error) if record.config.is_none() => {
                // Another process may have it: then it is not to wait because of this one.
                state.waits_for = Some(error.to_string());
                self.shared.is_foreign(record.id, self.clock.now().after(SOON));
                return Ok(After::Rest(work.due));
            }
            Err(error) => return Err(error),
        };
        match work.lane {
            Lane::Live => self.follow(work, state, &record, &connector).await.map(|()| After::Rest(Timestamp::MAX)),
            Lane::Deliveries => self.look_through(work, state, &record, &connector).await.map(After::Rest),
            _ => self.window(work, state, &record, &connector).await,
        }
    }

    async fn window(
        &self,
        work: &mut WorkRecord,
        state: &mut LaneState,
        record: &IntegrationRecord,
        connector: &Arc<dyn Connector>,
    ) -> Result<After> {
        let job = match self.next_task(work, state, record, connector).await? {
            Ok(job) => job,
            Err(next) => {
                let now = self.now().await?;
                state.succeeded(now);
                if std::mem::take(&mut state.not_yet).is_empty() {
                    return Ok(After::Rest(next));
                }
                state.waits_for = Some(NOT_YET.to_owned());
                return Ok(After::Rest(next.min(now.after(patience_with(work.lane)))));
            }
        };
        tracing::debug!(window = %job.task().window, why = ?job.task().why, "reading");
        let ended = job.run(self, state).await?;
        let next = job.next();
        let now = self.now().await?;
        match ended {
            Ended::Done => {
                state.succeeded(now);
                Ok(After::Again)
            }
            Ended::NotYet(lacking) => {
                state.succeeded(now);
                let is_known = lacking.windows().iter().all(|window| state.not_yet.covers(*window));
                state.not_yet.extend(lacking.windows().iter().copied());
                if is_known {
                    // A repeated hour is read whole, so that what is lacking of it was asked for again.
                    state.not_yet = Coverage::new();
                    state.waits_for = Some(NOT_YET.to_owned());
                    return Ok(After::Rest(now.after(patience_with(work.lane))));
                }
                // Whatever else is due is done first.
                Ok(After::Again)
            }
            Ended::NoPermit(until) => {
                state.waits_for = Some(format!("the budget of the external system: next permit at {until}"));
                // A new import may have a permit before.
                Ok(After::Rest(until.min(next)))
            }
        }
    }

    /// Gives work back unless somebody else has it by now; without an instant it is due at once.
    async fn give_back(&self, work: &WorkRecord, state: &LaneState, due: Option<Timestamp>) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let Some(held) = transaction.lock_work(work.integration, work.lane).await? else { return Ok(()) };
        if held.fence != work.fence {
            return Ok(());
        }
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        let due = due.unwrap_or(now);
        // Something may have been asked for while the work went on.
        let due = if held.due == work.due { due } else { due.min(held.due) };
        let given = WorkRecord { due, lease: None, window: None, state: state.to_json(), ..held };
        transaction.put_work(&[given]).await?;
        transaction.commit().await
    }
}
