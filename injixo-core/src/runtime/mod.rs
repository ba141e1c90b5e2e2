//! What a host holds in its hands: integrations over a store, imports on their own and by hand, and everything to be read.
//!
//! A [`Runtime`] imports when it is told to; [`Runtime::start`] makes it import on its own. Any number of processes may do so on
//! one store: each piece of work (the newest data of a stream, its back-fill, following the live source) is claimed for a time,
//! and a commit of whoever lost his claim meanwhile is refused.

mod budget;
mod changes;
mod control;
mod deliveries;
mod follow;
mod integration;
pub(crate) mod keys;
mod lane;
mod mapping;
pub(crate) mod query;
mod receive;
mod service;
mod status;
mod windows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use injixo_model::{Millis, RejectedRow, Timestamp};
use tokio::sync::{Notify, watch};

use self::budget::StorePermits;
pub use self::changes::{Change, Changes, Stretch, What};
pub use self::follow::{Live, LiveUpdate};
pub use self::integration::Integration;
pub use self::keys::Sender;
pub use self::mapping::{Activity, Doing, Mapping, PersonId, PersonStretch, Unmapped};
pub use self::query::{
    AgentTimeline, Fill, IntegrationRef, IntervalQuery, IntervalReader, QueueInfo, StatusQuery, TimelineQuery,
};
pub use self::service::Service;
pub use self::status::{BackFill, BlockedWindow, Health, IntegrationStatus, LaneStatus};
use crate::clock::{Clock, SystemClock};
use crate::connector::{Connector, Context, Registry};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Why;
use crate::secret::{Secrets, SystemSecrets};
use crate::store::{ImportRecord, IntegrationRecord, Lane, Store};

/// Integrations over one store. Cheap to clone.
///
/// ```
/// use injixo_core::{MemoryStore, Runtime};
///
/// let runtime = Runtime::new(MemoryStore::new());
/// assert_eq!(format!("{runtime:?}"), "Runtime { .. }");
/// ```
#[derive(Clone)]
pub struct Runtime {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    registry: Registry,
    secrets: Arc<dyn Secrets>,
    lease: Millis,
    back_fills: u32,
    shared: Arc<Shared>,
}

/// What the clones of a runtime share.
#[derive(Default)]
struct Shared {
    connectors: Mutex<HashMap<u32, Built>>,
    /// How to cancel the work that goes on in this process.
    working: Mutex<HashMap<(u32, Lane), watch::Sender<bool>>>,
    boards: Mutex<HashMap<u32, Arc<follow::Board>>>,
    /// Integrations whose connectors only other processes have, and until when that is believed.
    foreign: Mutex<BTreeMap<u32, Timestamp>>,
    /// Something became due sooner than it was planned.
    wake: Notify,
    /// Something was committed.
    committed: watch::Sender<u64>,
    keys: keys::KnownKeys,
    inbox: receive::Inbox,
}

/// A connector at hand.
#[derive(Clone)]
struct Built {
    connector: Arc<dyn Connector>,
    /// The generation of the integration from whose configuration it was built; `None` where the host handed it over.
    generation: Option<u64>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Shared {
    fn connectors(&self) -> MutexGuard<'_, HashMap<u32, Built>> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> MutexGuard<'_, HashMap<(u32, Lane), watch::Sender<bool>>> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn boards(&self) -> MutexGuard<'_, HashMap<u32, Arc<follow::Board>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The integrations that this process cannot work on.
    fn foreign(&self, now: Timestamp) -> BTreeSet<u32> {
        let mut foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        foreign.retain(|_, until| *until > now);
        foreign.keys().copied().collect()
    }

    /// Notes that this process cannot work on an integration.
    fn is_foreign(&self, integration: u32, until: Timestamp) {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).insert(integration, until);
    }

    /// Keeps the connector of an integration at hand.
    fn hand_over(&self, integration: u32, built: Built) {
        self.connectors().insert(integration, built);
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).remove(&integration);
    }

    /// Ends the work on an integration that goes on in this process.
    fn cancel(&self, integration: u32) {
        for (_, cancel) in self.working().iter().filter(|(key, _)| key.0 == integration) {
            cancel.send_replace(true);
        }
    }
}

impl Runtime {
    /// Works on `store` by the clock of the machine.
    pub fn new(store: impl Store) -> Self {
        Self {
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            registry: Registry::new(),
            secrets: Arc::new(SystemSecrets),
            lease: Millis::from_secs(60),
            back_fills: 8,
            shared: Arc::default(),
        }
    }

    /// The same by another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The same, able to build the connectors that configurations name.
    #[must_use]
    pub fn connectors(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// The same with secrets from another place than the environment and files.
    #[must_use]
    pub fn secrets(mut self, secrets: impl Secrets) -> Self {
        self.secrets = Arc::new(secrets);
        self
    }

    /// The same with claims on work that end after `lease` unless they are extended: how long the work of a process that died
    /// waits for another one. A minute by default, a second at least.
    #[must_use]
    pub fn lease(mut self, lease: Millis) -> Self {
        self.lease = lease.max(Millis::from_secs(1));
        self
    }

    /// The same with so many streams back-filled at once; eight by default.
    #[must_use]
    pub fn back_fills(mut self, at_once: u32) -> Self {
        self.back_fills = at_once.max(1);
        self
    }

    /// The rejected rows of an integration that no later import has superseded, by import.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn quarantine(
        &self,
        integration: impl Into<IntegrationRef> + Send,
    ) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
        let wanted = integration.into();
        let mut transaction = self.store.read().await?;
        let id = query::meant(&mut *transaction, &wanted).await?.id;
        transaction.quarantine(id).await
    }

    /// The newest imports of an integration, newest first.
    ///
    /// # Errors
    ///
    /// As for [`quarantine`](Self::quarantine).
    pub async fn imports(
        &self,
        integration: impl Into<IntegrationRef> + Send,
        limit: u32,
    ) -> Result<Vec<ImportRecord>> {
        let wanted = integration.into();
        let mut transaction = self.store.read().await?;
        let id = query::meant(&mut *transaction, &wanted).await?.id;
        transaction.imports(id, limit).await
    }

    /// What a connector may use for work that is done for that reason; without one for what agents do now.
    fn context(&self, why: Option<Why>) -> Context {
        let permits = StorePermits::new(Arc::clone(&self.store), why);
        Context::new(Arc::clone(&self.clock)).permitted_by(Arc::new(permits))
    }

    /// What may be used for work that is no import: the runtime's clock, and permits of its store.
    pub fn plain_context(&self) -> Context {
        self.context(None)
    }

    /// The time by which is planned: the store's, where it has one.
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.store.read().await?.now().await?.unwrap_or_else(|| self.clock.now()))
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn its_clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Changes when this process has committed something.
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.shared.committed.subscribe()
    }

    /// Tells whoever waits for commits that there was one.
    pub(crate) fn committed(&self) {
        self.shared.committed.send_modify(|count| *count += 1);
    }

    /// The connector of an integration, built from its configuration where the host did not hand it over.
    async fn connector(&self, record: &IntegrationRecord) -> Result<Arc<dyn Connector>> {
        let built = self.shared.connectors().get(&record.id).cloned();
        let is_fresh = |built: &Built| match built.generation {
            Some(generation) => generation == record.generation,
            None => record.config.is_none(),
        };
        if let Some(built) = built.filter(is_fresh) {
            return Ok(built.connector);
        }
        let Some(config) = &record.config else {
            let message =
                "the connector was not handed over in this process: add the integration again after each start";
            return Err(Error::new(ErrorKind::ConfigInvalid, message).with("integration", &record.name));
        };
        let connector = self.registry.build_named(&record.connector, config, &*self.secrets).await?;
        let built = Built { connector: Arc::clone(&connector), generation: Some(record.generation) };
        self.shared.hand_over(record.id, built);
        Ok(connector)
    }
}

/// Names of statuses by their index.
pub(crate) type StatusNames = BTreeMap<u32, String>;
