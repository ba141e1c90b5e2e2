//! What a host may do to an integration. Every change raises its generation, so that work which began before is refused.

use std::sync::Arc;

use injixo_model::{Millis, Timestamp, Window};

use super::lane::{LaneState, lanes_of, policy_of, stream_of};
use super::windows::{Noted, asked};
use super::{Built, Integration, Runtime, budget, query};
use crate::connector::{CheckReport, Connector, Stream};
use crate::derive::{QueueState, encode_queue};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Policy, QUARTER, Why, ceil, floor};
use crate::store::{
    FeedEntry, FeedKind, IntegrationRecord, IntegrationState, Lane, RangeKind, RangeRecord, StreamId, SubjectKind,
    Transaction, WorkRecord,
};

/// How far back agent statuses are imported on resuming.
const STATUSES_ON_RESUME: Millis = Millis::from_mins(1_440);

impl Runtime {
    /// Adds an integration that is run by the default [`Policy`], or opens the one of that name.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with everything that the check found wrong, and when the name belongs to an integration with another kind of
    /// connector; whatever the store reports.
    pub async fn add(&self, name: &str, connector: impl Connector) -> Result<Integration> {
        self.add_with(name, connector, Policy::new()).await
    }

    /// Adds an integration that is run by `policy`, after checking its connection, or opens the one of that name, which keeps its
    /// own policy. The connector is not kept in the store: hand it over again after each start.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add), and when the policy contradicts itself.
    pub async fn add_with(&self, name: &str, connector: impl Connector, policy: Policy) -> Result<Integration> {
        self.enroll(name, Arc::new(connector), None, &policy).await
    }

    /// Adds an integration or opens the one of that name.
    async fn enroll(
        &self,
        name: &str,
        connector: Arc<dyn Connector>,
        config: Option<&str>,
        policy: &Policy,
    ) -> Result<Integration> {
        match self.try_to_enroll(name, &connector, config, policy).await {
            // Another process took the name at the same moment: now it can be opened.
            Err(error) if error.kind() == ErrorKind::ConfigInvalid && self.is_taken(name).await? => {
                self.try_to_enroll(name, &connector, config, policy).await
            }
            enrolled => enrolled,
        }
    }

    async fn is_taken(&self, name: &str) -> Result<bool> {
        let known = self.store.read().await?.integration(name).await?;
        Ok(known.is_some_and(|known| known.state != IntegrationState::Deleted))
    }

    /// Adds an integration with a connector of that kind and configuration, both of which are kept, or opens the one of that name.
    /// The configuration names its secrets (`env:NAME`, `file:PATH`, or as the host's [`Secrets`](crate::Secrets) say).
    ///
    /// # Errors
    ///
    /// As for [`add_with`](Self::add_with); `ConfigInvalid` for a wrong configuration and for one that holds a secret.
    pub async fn add_configured(&self, name: &str, kind: &str, config: &str, policy: Policy) -> Result<Integration> {
        let known = self.store.read().await?.integration(name).await?;
        let known = known.filter(|known| known.state != IntegrationState::Deleted && known.connector == kind);
        // One that is known keeps its configuration, which may have been edited.
        let kept = known.and_then(|known| known.config);
        let config = kept.as_deref().unwrap_or(config);
        let connector = self.registry.build_named(kind, config, &*self.secrets).await?;
        self.enroll(name, connector, Some(config), &policy).await
    }

    async fn try_to_enroll(
        &self,
        name: &str,
        connector: &Arc<dyn Connector>,
        config: Option<&str>,
        policy: &Policy,
    ) -> Result<Integration> {
        if name.trim().is_empty() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "an integration needs a name"));
        }
        policy.check()?;
        let kind = connector.info().kind;
        let known = self.store.read().await?.integration(name).await?;
        let known = known.filter(|known| known.state != IntegrationState::Deleted);
        if let Some(known) = &known
            && known.connector != kind
        {
            return Err(of_another_kind(name, &known.connector, kind));
        }
        if known.is_none() {
            self.check(name, &**connector).await?;
        }
        let zone = connector.zone();
        let mut transaction = self.store.write().await?;
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        // Another process may have been quicker.
        let known = transaction.integration(name).await?;
        let known = known.filter(|known| known.state != IntegrationState::Deleted);
        // As it is once nobody else changes it.
        let known = match known {
            Some(known) => transaction.lock_integration(known.id).await?,
            None => None,
        };
        let mut is_changed = known.as_ref().is_none_or(|known| known.zone != zone.name());
        let is_known = known.is_some();
        let mut record = known.unwrap_or_else(|| IntegrationRecord {
            id: 0,
            name: name.to_owned(),
            connector: kind.to_owned(),
            zone: String::new(),
            config: config.map(ToOwned::to_owned),
            policy: serde_json::to_string(policy).unwrap_or_default(),
            state: IntegrationState::Active,
            generation: 1,
            added_at: now,
            stopped_at: None,
        });
        if is_changed {
            zone.name().clone_into(&mut record.zone);
            record.generation += u64::from(is_known);
            record.id = transaction.put_integration(&record).await?;
        }
        let due = if record.state == IntegrationState::Active { now } else { Timestamp::MAX };
        is_changed |= add_lanes(&mut *transaction, &record, &**connector, due).await?;
        if is_changed {
            transaction.commit().await?;
        }
        let generation = record.config.is_some().then_some(record.generation);
        let built = Built { connector: Arc::clone(connector), generation };
        self.shared.hand_over(record.id, built);
        self.shared.wake.notify_one();
        let connector = Arc::clone(connector);
        Ok(Integration { runtime: self.clone(), id: record.id, zone, connector, cx: self.context(Some(Why::Asked)) })
    }

    async fn check(&self, name: &str, connector: &dyn Connector) -> Result<()> {
        let CheckReport { problems, .. } = connector.check(&self.context(Some(Why::Asked))).await?;
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ConfigInvalid, problems.join("; ")).with("integration", name))
    }

    /// Stops importing. What goes on is cancelled; files and requests wait.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn pause(&self, integration: &str) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held(&mut *transaction, integration).await?;
        if record.state == IntegrationState::Paused {
            return Ok(());
        }
        let paused = IntegrationRecord { state: IntegrationState::Paused, stopped_at: Some(now), ..record };
        self.change(transaction, paused, Timestamp::MAX, false).await
    }

    /// Goes on importing: what was missed of contacts completely, of agent statuses 24 hours back.
    ///
    /// # Errors
    ///
    /// As for [`pause`](Self::pause).
    pub async fn resume(&self, integration: &str) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held(&mut *transaction, integration).await?;
        let Some(stopped) = record.stopped_at.filter(|_| record.state == IntegrationState::Paused) else {
            return Ok(());
        };
        let policy = policy_of(&record);
        let missed = floor(stopped.before(policy.reference_time), policy.every);
        let waived = Window::new(missed, ceil(now.before(STATUSES_ON_RESUME), QUARTER));
        if let Ok(waived) = waived {
            let stream = StreamId { integration: record.id, stream: Stream::Statuses };
            let covered = transaction.coverage(stream, None, waived).await?;
            let covered: injixo_model::Coverage = covered.into_iter().map(|held| held.window).collect();
            let note = "missed while paused, more than 24 hours before resuming";
            let ranges: Vec<RangeRecord> = covered
                .gaps(waived)
                .windows()
                .iter()
                .map(|&window| RangeRecord {
                    id: 0,
                    stream,
                    kind: RangeKind::Waived,
                    window,
                    at: now,
                    note: note.to_owned(),
                })
                .collect();
            transaction.add_ranges(&ranges).await?;
        }
        let active = IntegrationRecord { state: IntegrationState::Active, stopped_at: None, ..record };
        self.change(transaction, active, now, true).await
    }

    /// Gives an integration another connector of the same kind: other credentials, another query. It takes effect at the next
    /// import; what was imported stays.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add); `NotFound` for an unknown integration.
    pub async fn edit(&self, integration: &str, connector: impl Connector) -> Result<()> {
        self.replace(integration, Arc::new(connector), None).await
    }

    /// Gives an integration another configuration, see [`edit`](Self::edit).
    ///
    /// # Errors
    ///
    /// As for [`add_configured`](Self::add_configured); `NotFound` for an unknown integration.
    pub async fn edit_configured(&self, integration: &str, config: &str) -> Result<()> {
        let record = query::integration(&mut *self.store.read().await?, integration).await?;
        let connector = self.registry.build_named(&record.connector, config, &*self.secrets).await?;
        self.replace(integration, connector, Some(config)).await
    }

    async fn replace(&self, integration: &str, connector: Arc<dyn Connector>, config: Option<&str>) -> Result<()> {
        let kind = connector.info().kind;
        let known = query::integration(&mut *self.store.read().await?, integration).await?;
        if known.connector != kind {
            return Err(of_another_kind(integration, &known.connector, kind));
        }
        self.check(integration, &*connector).await?;
        self.forgive(&*connector).await?;
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held(&mut *transaction, integration).await?;
        unblock(&mut *transaction, record.id, now).await?;
        let due = if record.state == IntegrationState::Active { now } else { Timestamp::MAX };
        add_lanes(&mut *transaction, &record, &*connector, due).await?;
        let edited = IntegrationRecord {
            zone: connector.zone().name().to_owned(),
            config: config.map(ToOwned::to_owned),
            ..record
        };
        let generation = config.is_some().then_some(edited.generation + 1);
        self.shared.hand_over(edited.id, Built { connector, generation });
        self.change(transaction, edited, due, true).await
    }

    /// Runs an integration by another policy from now on.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when the policy contradicts itself; `NotFound` for an unknown integration.
    pub async fn set_policy(&self, integration: &str, policy: &Policy) -> Result<()> {
        policy.check()?;
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held(&mut *transaction, integration).await?;
        let due = if record.state == IntegrationState::Active { now } else { Timestamp::MAX };
        let policy = serde_json::to_string(policy).unwrap_or_default();
        self.change(transaction, IntegrationRecord { policy, ..record }, due, false).await
    }

    /// Deletes an integration for good. Its data and queues stay readable under its name until another one of that name is added,
    /// and always under its number; its queues become inactive.
    ///
    /// # Errors
    ///
    /// As for [`pause`](Self::pause).
    pub async fn delete(&self, integration: &str) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held(&mut *transaction, integration).await?;
        let queues = transaction.subjects(record.id, SubjectKind::Queue).await?;
        let ended: Vec<FeedEntry> = queues
            .into_iter()
            .map(|queue| {
                let name = queue.names.last().map(|(_, name)| name.clone());
                let before = QueueState { name: name.clone(), is_active: true };
                FeedEntry {
                    revision: 0,
                    count: 1,
                    at: now,
                    integration: record.id,
                    subject: queue.id,
                    kind: FeedKind::Queue,
                    bytes: encode_queue(Some(&before), &QueueState { name, is_active: false }),
                }
            })
            .collect();
        transaction.add_feed(&ended).await?;
        let deleted = IntegrationRecord { state: IntegrationState::Deleted, stopped_at: Some(now), ..record };
        let id = deleted.id;
        self.change(transaction, deleted, Timestamp::MAX, false).await?;
        self.shared.connectors().remove(&id);
        Ok(())
    }

    /// Imports now what the schedule would import later.
    ///
    /// # Errors
    ///
    /// `Cancelled` for an integration that is paused; otherwise as for [`pause`](Self::pause).
    pub async fn import_now(&self, integration: &str) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held_active(&mut *transaction, integration).await?;
        let every = policy_of(&record).every;
        let end = floor(now, QUARTER);
        self.ask(&mut *transaction, &record, end.before(every), end, now, "import now").await?;
        self.due_now(transaction, record.id, now, true).await
    }

    /// Reads everything from `from` on again, also what was waived or given up.
    ///
    /// # Errors
    ///
    /// As for [`import_now`](Self::import_now); `ConfigInvalid` when `from` lies in the future.
    pub async fn back_fill(&self, integration: &str, from: Timestamp) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held_active(&mut *transaction, integration).await?;
        let end = floor(now, QUARTER);
        let Ok(window) = Window::new(floor(from, QUARTER), end) else {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!("{from} is not in the past: nothing to read again"),
            ));
        };
        for stream in self.streams(&mut *transaction, &record).await? {
            let freed: Vec<RangeRecord> = transaction
                .ranges(stream)
                .await?
                .into_iter()
                .filter(|range| range.kind != RangeKind::Asked && range.window.intersection(window).is_some())
                .collect();
            let ids: Vec<u64> = freed.iter().map(|range| range.id).collect();
            transaction.remove_ranges(&ids).await?;
            let before: Vec<RangeRecord> = freed
                .into_iter()
                .filter_map(|range| {
                    let window = Window::new(range.window.from(), range.window.to().min(window.from())).ok()?;
                    Some(RangeRecord { id: 0, window, ..range })
                })
                .collect();
            transaction.add_ranges(&before).await?;
        }
        self.ask(&mut *transaction, &record, window.from(), window.to(), now, "back-fill again").await?;
        self.due_now(transaction, record.id, now, false).await
    }

    /// Tries again what waits, is blocked or was given up.
    ///
    /// # Errors
    ///
    /// As for [`import_now`](Self::import_now).
    pub async fn try_again(&self, integration: &str) -> Result<()> {
        let record = query::integration(&mut *self.store.read().await?, integration).await?;
        if let Ok(connector) = self.connector(&record).await {
            self.forgive(&*connector).await?;
        }
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held_active(&mut *transaction, integration).await?;
        unblock(&mut *transaction, record.id, now).await?;
        self.due_now(transaction, record.id, now, true).await
    }

    /// Reads the windows and files again whose rows are in quarantine, after whatever was wrong with them was corrected. What is
    /// good by then leaves quarantine.
    ///
    /// # Errors
    ///
    /// As for [`import_now`](Self::import_now).
    pub async fn replay_quarantine(&self, integration: &str) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let (record, now) = self.held_active(&mut *transaction, integration).await?;
        for stream in [Stream::Contacts, Stream::Statuses] {
            let id = StreamId { integration: record.id, stream };
            let (windows, deliveries): (Vec<_>, Vec<_>) =
                transaction.quarantined(id).await?.into_iter().partition(|import| import.key.is_empty());
            let windows: Vec<RangeRecord> =
                windows.iter().filter_map(|import| asked(id, import.window?, now, "replay quarantine")).collect();
            transaction.add_ranges(&windows).await?;
            let deliveries: Vec<u64> = deliveries.iter().map(|import| import.id).collect();
            transaction.set_again(&deliveries, true).await?;
        }
        self.due_now(transaction, record.id, now, true).await
    }

    /// The integration of that name, held until the end of the transaction, and the time.
    async fn held(&self, transaction: &mut dyn Transaction, name: &str) -> Result<(IntegrationRecord, Timestamp)> {
        let id = query::integration(transaction, name).await?.id;
        let record = transaction.lock_integration(id).await?;
        let record = record.filter(|record| record.state != IntegrationState::Deleted).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the integration {name:?} was deleted: add it again"))
        })?;
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        Ok((record, now))
    }

    async fn held_active(
        &self,
        transaction: &mut dyn Transaction,
        name: &str,
    ) -> Result<(IntegrationRecord, Timestamp)> {
        let (record, now) = self.held(transaction, name).await?;
        if record.state == IntegrationState::Paused {
            let message = format!("the integration {name:?} is paused: resume it first");
            return Err(Error::new(ErrorKind::Cancelled, message));
        }
        Ok((record, now))
    }

    /// Keeps a changed integration under the next generation, ends what goes on, and makes its work due.
    async fn change(
        &self,
        mut transaction: Box<dyn Transaction>,
        record: IntegrationRecord,
        due: Timestamp,
        is_forgiven: bool,
    ) -> Result<()> {
        let record = IntegrationRecord { generation: record.generation + 1, ..record };
        transaction.put_integration(&record).await?;
        let mut work = transaction.work(Some(record.id)).await?;
        for work in &mut work {
            let held = transaction.lock_work(work.integration, work.lane).await?;
            *work = restarted(held.unwrap_or_else(|| work.clone()), due, is_forgiven);
            work.lease = None;
            work.window = None;
            work.fence += 1;
        }
        transaction.put_work(&work).await?;
        transaction.commit().await?;
        self.shared.cancel(record.id);
        self.shared.wake.notify_one();
        self.committed();
        Ok(())
    }

    /// Makes the work of an integration due, without ending what goes on.
    async fn due_now(
        &self,
        mut transaction: Box<dyn Transaction>,
        integration: u32,
        now: Timestamp,
        is_forgiven: bool,
    ) -> Result<()> {
        let mut due = Vec::new();
        for work in transaction.work(Some(integration)).await? {
            if let Some(work) = transaction.lock_work(work.integration, work.lane).await? {
                due.push(restarted(work, now, is_forgiven));
            }
        }
        transaction.put_work(&due).await?;
        transaction.commit().await?;
        self.shared.wake.notify_one();
        Ok(())
    }

    /// The streams of an integration that are read by windows.
    async fn streams(&self, transaction: &mut dyn Transaction, record: &IntegrationRecord) -> Result<Vec<StreamId>> {
        let work = transaction.work(Some(record.id)).await?;
        let by_windows = work.iter().filter(|work| matches!(work.lane, Lane::Contacts | Lane::Statuses));
        Ok(by_windows.map(|work| StreamId { integration: record.id, stream: stream_of(work.lane) }).collect())
    }

    async fn ask(
        &self,
        transaction: &mut dyn Transaction,
        record: &IntegrationRecord,
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
        note: &str,
    ) -> Result<()> {
        let Ok(window) = Window::new(from, to) else { return Ok(()) };
        let mut ranges = Vec::new();
        for stream in self.streams(transaction, record).await? {
            // Of what was asked for already only the latest request counts.
            let same: Vec<u64> = transaction
                .ranges(stream)
                .await?
                .into_iter()
                .filter(|range| range.kind == RangeKind::Asked && range.note == note)
                .filter(|range| range.window.intersection(window) == Some(range.window))
                .map(|range| range.id)
                .collect();
            transaction.remove_ranges(&same).await?;
            ranges.extend(asked(stream, window, now, note));
        }
        transaction.add_ranges(&ranges).await
    }

    /// Lets the credentials of a connector be tried again.
    async fn forgive(&self, connector: &dyn Connector) -> Result<()> {
        match connector.budget() {
            Some(budget) => budget::forgive(&*self.store, &budget).await,
            None => Ok(()),
        }
    }
}

fn of_another_kind(name: &str, has: &str, given: &str) -> Error {
    let message = format!(
        "the integration {name:?} has a connector of kind {has:?}, not {given:?}: choose another name, or delete it first"
    );
    Error::new(ErrorKind::ConfigInvalid, message)
}

fn restarted(work: WorkRecord, due: Timestamp, is_forgiven: bool) -> WorkRecord {
    let mut state = LaneState::of(&work);
    if is_forgiven {
        state = LaneState { size: state.size, fill_began: state.fill_began, ..LaneState::default() };
    }
    let due = if state.is_blocked { Timestamp::MAX } else { due };
    WorkRecord { due, state: state.to_json(), ..work }
}

/// Adds the work that a connector gives and that is not there yet; says whether there was any.
async fn add_lanes(
    transaction: &mut dyn Transaction,
    record: &IntegrationRecord,
    connector: &dyn Connector,
    due: Timestamp,
) -> Result<bool> {
    let known = transaction.work(Some(record.id)).await?;
    let new: Vec<WorkRecord> = lanes_of(connector)
        .into_iter()
        .filter(|lane| known.iter().all(|work| work.lane != *lane))
        .map(|lane| WorkRecord {
            integration: record.id,
            lane,
            due,
            lease: None,
            fence: 0,
            window: None,
            state: String::new(),
        })
        .collect();
    transaction.put_work(&new).await?;
    Ok(!new.is_empty())
}

/// Has the windows that were given up read again, also where something was read of them before.
async fn unblock(transaction: &mut dyn Transaction, integration: u32, now: Timestamp) -> Result<()> {
    for stream in [Stream::Contacts, Stream::Statuses] {
        let id = StreamId { integration, stream };
        let blocked = Noted::load(transaction, id).await?.blocked;
        let ids: Vec<u64> = blocked.iter().map(|range| range.id).collect();
        transaction.remove_ranges(&ids).await?;
        let again: Vec<RangeRecord> =
            blocked.iter().filter_map(|range| asked(id, range.window, now, "could not be read before")).collect();
        transaction.add_ranges(&again).await?;
    }
    Ok(())
}
