use std::fmt;
use std::sync::Arc;

use injixo_model::Timestamp;

use crate::clock::{Clock, SystemClock};

/// What a connector may use while it works: the clock, and whoever watches the progress.
#[derive(Clone)]
pub struct Context {
    clock: Arc<dyn Clock>,
    watcher: Option<Arc<Watcher>>,
}

type Watcher = dyn Fn(&Progress) + Send + Sync;

/// How far a read has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Rows read so far.
    pub rows: u64,
    /// Rows rejected so far.
    pub rejected: u64,
    /// How much of the source was read, in whatever unit `total` has.
    pub done: u64,
    /// How much there is to read, zero where that is not known.
    pub total: u64,
}

impl Default for Context {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl Context {
    /// A context with that clock, watched by nobody.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, watcher: None }
    }

    /// The same, with `watcher` called after each batch.
    #[must_use]
    pub fn watched_by(mut self, watcher: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns when `at` has come.
    pub async fn sleep(&self, at: Timestamp) {
        self.clock.sleep_until(at).await;
    }

    pub(crate) fn report(&self, progress: &Progress) {
        if let Some(watcher) = &self.watcher {
            watcher(progress);
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("clock", &self.clock).finish_non_exhaustive()
    }
}
