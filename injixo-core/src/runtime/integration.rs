//! One integration in the hands of its host.

use std::path::Path;
use std::sync::Arc;

use injixo_model::{RejectedRow, Window};

use super::Runtime;
use crate::connector::{Connector, Context, Progress};
use crate::error::{Error, ErrorKind, Result};
use crate::import::{self, Guard, ImportReport, Read, Repeat, Target, WindowSource};
use crate::zone::Zone;

/// One integration of a host: imports now, and whatever its connector can do.
#[derive(Debug, Clone)]
pub struct Integration {
    pub(super) runtime: Runtime,
    pub(super) id: u32,
    pub(super) zone: Zone,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) cx: Context,
}

impl Integration {
    /// The number of the integration in its store, which stays the same whatever it is called.
    pub fn id(&self) -> u32 {
        self.id
    }

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
        // What is edited while this is read refuses what is read.
        let record = self.runtime.store.read().await?.integration_by_id(self.id).await?;
        let guard = Guard { generation: record.map(|record| record.generation), lease: None };
        let target = Target { guard, ..self.target() };
        let began = self.runtime.now().await?;
        match import::read_window(&target, &source, window, began, &self.cx).await? {
            Read::Complete(answer) => answer.commit(&target, false, &self.cx).await,
            Read::Truncated => Err(import::truncated(window)),
            Read::NotYet => Err(import::not_yet(window)),
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
