//! What a host holds in its hands: integrations over a store, imports and queries.

mod query;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use injixo_model::{RejectedRow, Window};

pub use self::query::{Fill, IntervalQuery, IntervalReader, QueueInfo, StatusQuery};
use crate::clock::{Clock, SystemClock};
use crate::connector::{CheckReport, Connector, Context, Progress};
use crate::error::{Error, ErrorKind, Result};
use crate::import::{self, Guard, ImportReport, Read, Repeat, Target, WindowSource};
use crate::store::{ImportRecord, IntegrationRecord, IntegrationState, Store};
use crate::zone::Zone;

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
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Runtime {
    /// Works on `store` by the clock of the machine.
    pub fn new(store: impl Store) -> Self {
        Self { store: Arc::new(store), clock: Arc::new(SystemClock) }
    }

    /// The same by another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds an integration, or opens the one of that name, after checking its connection.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with everything that the check found wrong; whatever the store reports.
    pub async fn add(&self, name: &str, connector: impl Connector) -> Result<Integration> {
        let connector: Arc<dyn Connector> = Arc::new(connector);
        let cx = Context::new(Arc::clone(&self.clock));
        let CheckReport { problems, .. } = connector.check(&cx).await?;
        if !problems.is_empty() {
            return Err(Error::new(ErrorKind::ConfigInvalid, problems.join("; ")).with("integration", name));
        }
        let zone = connector.deliveries().map_or_else(Zone::utc, |deliveries| deliveries.zone());
        let mut transaction = self.store.write().await?;
        let kind = connector.info().kind;
        let known = transaction.integration(name).await?;
        let id = match known {
            Some(known) if known.connector == kind && known.zone == zone.name() => known.id,
            known => {
                let record = IntegrationRecord {
                    id: known.map_or(0, |known| known.id),
                    name: name.to_owned(),
                    connector: kind.to_owned(),
                    zone: zone.name().to_owned(),
                    config: None,
                    policy: String::new(),
                    state: IntegrationState::Active,
                    generation: 1,
                    added_at: self.clock.now(),
                    stopped_at: None,
                };
                let id = transaction.put_integration(&record).await?;
                transaction.commit().await?;
                id
            }
        };
        Ok(Integration { runtime: self.clone(), id, zone, connector, cx })
    }

    /// The intervals of an integration, to be narrowed down and awaited.
    pub fn intervals(&self, integration: &str) -> IntervalQuery {
        IntervalQuery::new(Arc::clone(&self.store), integration)
    }

    /// The agent statuses of an integration, to be narrowed down and awaited.
    pub fn statuses(&self, integration: &str) -> StatusQuery {
        StatusQuery::new(Arc::clone(&self.store), integration)
    }

    /// The queues of an integration, sorted by name and channel.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn queues(&self, integration: &str) -> Result<Vec<QueueInfo>> {
        query::queues(&*self.store, integration).await
    }

    /// The rejected rows of an integration that no later import has superseded, by import.
    ///
    /// # Errors
    ///
    /// As for [`queues`](Self::queues).
    pub async fn quarantine(&self, integration: &str) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
        let mut transaction = self.store.read().await?;
        let id = query::integration(&mut *transaction, integration).await?.id;
        transaction.quarantine(id).await
    }

    /// The newest imports of an integration, newest first.
    ///
    /// # Errors
    ///
    /// As for [`queues`](Self::queues).
    pub async fn imports(&self, integration: &str, limit: u32) -> Result<Vec<ImportRecord>> {
        let mut transaction = self.store.read().await?;
        let id = query::integration(&mut *transaction, integration).await?.id;
        transaction.imports(id, limit).await
    }
}

/// One integration of a host: imports now, and whatever its connector can do.
#[derive(Debug, Clone)]
pub struct Integration {
    runtime: Runtime,
    id: u32,
    zone: Zone,
    connector: Arc<dyn Connector>,
    cx: Context,
}

impl Integration {
    /// The same, with `watcher` called as imports go on.
    #[must_use]
    pub fn watched_by(mut self, watcher: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.cx = self.cx.watched_by(watcher);
        self
    }

    /// Imports one file now. A file that is what was imported last, under the same settings, is passed over.
    ///
    /// # Errors
    ///
    /// `Unsupported` when the connector takes no files, `DataInvalid` when the file cannot carry the data or not one row is
    /// good; then nothing is changed.
    pub async fn import_file(&self, path: impl AsRef<Path>) -> Result<ImportReport> {
        self.import_file_watching(path, |_| {}).await
    }

    /// Imports one file now and shows each rejected row to `rejected`.
    ///
    /// # Errors
    ///
    /// As for [`import_file`](Self::import_file).
    pub async fn import_file_watching(
        &self,
        path: impl AsRef<Path>,
        mut rejected: impl FnMut(&RejectedRow) + Send,
    ) -> Result<ImportReport> {
        let source = self.connector.deliveries().ok_or_else(|| self.unsupported("files"))?;
        let delivery = source.file(path.as_ref()).await?;
        import::import_delivery(&self.target(), &source, &delivery, Repeat::AfterOthers, &self.cx, &mut rejected).await
    }

    /// Imports everything that has arrived and is new, oldest first. A delivery that cannot be imported does not keep the
    /// others from arriving.
    ///
    /// # Errors
    ///
    /// `Unsupported` when the connector takes no deliveries; an error when the place of arrival cannot be looked through.
    pub async fn import_arrived(&self) -> Result<Vec<(String, Result<ImportReport>)>> {
        let source = self.connector.deliveries().ok_or_else(|| self.unsupported("deliveries"))?;
        let mut reports = Vec::new();
        for delivery in source.scan(&self.cx).await? {
            let target = self.target();
            let imported =
                import::import_delivery(&target, &source, &delivery, Repeat::Never, &self.cx, &mut |_| {}).await;
            if !imported.as_ref().is_ok_and(|report| report.is_unchanged) {
                reports.push((delivery.name, imported));
            }
        }
        Ok(reports)
    }

    /// Imports one window of contacts or interval rows now.
    ///
    /// # Errors
    ///
    /// `Unsupported` when the connector has none; whatever the source reports. Then nothing is changed.
    pub async fn import_contacts(&self, window: Window) -> Result<ImportReport> {
        let source = self.connector.contacts().ok_or_else(|| self.unsupported("contact data"))?;
        self.import_window(WindowSource::Contacts(source), window).await
    }

    /// Imports one window of agent statuses now.
    ///
    /// # Errors
    ///
    /// As for [`import_contacts`](Self::import_contacts).
    pub async fn import_statuses(&self, window: Window) -> Result<ImportReport> {
        let source = self.connector.statuses().ok_or_else(|| self.unsupported("agent statuses"))?;
        self.import_window(WindowSource::Statuses(source), window).await
    }

    async fn import_window(&self, source: WindowSource, window: Window) -> Result<ImportReport> {
        let target = self.target();
        let named = |message: &str, kind| Error::new(kind, message).with("window", window);
        match import::read_window(&target, &source, window, self.cx.now(), &self.cx).await? {
            Read::Complete(answer) => answer.commit(&target, false, &self.cx).await,
            Read::Truncated => {
                let message = "the external system cut the answer: ask for a shorter window";
                Err(named(message, ErrorKind::DataInvalid))
            }
            Read::NotYet => {
                let message = "the external system holds nothing of this window yet: try again later";
                Err(named(message, ErrorKind::Unavailable))
            }
        }
    }

    fn target(&self) -> Target<'_> {
        Target { store: &*self.runtime.store, integration: self.id, zone: self.zone.clone(), guard: Guard::default() }
    }

    fn unsupported(&self, what: &str) -> Error {
        let message = format!("the connector {} does not read {what} this way", self.connector.info().kind);
        Error::new(ErrorKind::Unsupported, message)
    }
}

/// Names of statuses by their index.
pub(crate) type StatusNames = BTreeMap<u32, String>;
