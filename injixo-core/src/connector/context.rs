use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use injixo_model::{Millis, Timestamp};

use super::Budget;
use super::permits::{LocalPermits, Permit, Permitter};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};

/// What a connector may use while it works: the clock, permits to ask a system, and whoever watches the progress.
#[derive(Clone)]
pub struct Context {
    clock: Arc<dyn Clock>,
    permits: Arc<dyn Permitter>,
    watcher: Option<Arc<Watcher>>,
    threads: usize,
}

/// The longest wait for a permit within a read: those of a minute come within it.
const LONGEST_WAIT: Millis = Millis::from_secs(90);

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
        Self { clock, permits: Arc::new(LocalPermits::default()), watcher: None, threads: 1 }
    }

    /// The same, with permits from elsewhere.
    pub(crate) fn permitted_by(mut self, permits: Arc<dyn Permitter>) -> Self {
        self.permits = permits;
        self
    }

    /// The same, with `watcher` called after each batch.
    #[must_use]
    pub fn watched_by(mut self, watcher: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }

    /// The same, with up to so many threads for one file that is read without a store, and for what is made of it.
    #[must_use]
    pub fn on_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns when `at` has come.
    pub async fn sleep(&self, at: Timestamp) {
        self.clock.sleep_until(at).await;
    }

    /// Returns when `cost` permits under `budget` are free, and takes them. All integrations and processes on one store share
    /// them; outside a runtime this context and its copies do.
    ///
    /// # Errors
    ///
    /// `RateLimited` when they are not free soon; the engine does the rest of the window later. `Unauthenticated` when the
    /// credentials were refused before. Pass the error on.
    pub async fn permit(&self, budget: &Budget, cost: u32) -> Result<()> {
        if let Some(permits) = budget.permits.iter().find(|permits| permits.number < cost) {
            let message = format!("one request takes {cost} permits, the budget has {} at most", permits.number);
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        }
        let asked = self.now();
        loop {
            let now = self.now();
            match self.permits.permit(budget, cost, now).await? {
                Permit::Granted => return Ok(()),
                Permit::Refused(reason) => return Err(Error::new(ErrorKind::Unauthenticated, reason)),
                Permit::Wait(until) if until > asked.after(LONGEST_WAIT) => return Err(Error::no_permit(until, now)),
                Permit::Wait(until) => self.sleep(until.max(now.after(Millis::new(1)))).await,
            }
        }
    }

    /// Tells everyone who asks under `budget` that the system wants to be left alone for so long.
    ///
    /// # Errors
    ///
    /// When it cannot be told; pass the error on.
    pub async fn hold_off(&self, budget: &Budget, length: Millis) -> Result<()> {
        self.permits.hold_off(budget, length, self.now()).await
    }

    /// As many contexts for parts of one read, whose watcher sees their sum.
    pub(crate) fn for_parts(&self, parts: usize) -> Vec<Self> {
        let Some(watcher) = &self.watcher else { return vec![self.clone(); parts] };
        let sums = Arc::new(Mutex::new(vec![Progress::default(); parts]));
        let part = |index: usize| {
            let (watcher, sums) = (Arc::clone(watcher), Arc::clone(&sums));
            self.clone().watched_by(move |progress| {
                let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                sums[index] = *progress;
                let sum = |of: fn(&Progress) -> u64| sums.iter().map(of).sum();
                let total = sums.iter().map(|part| part.total).max().unwrap_or(0);
                let (rows, rejected, done) = (sum(|part| part.rows), sum(|part| part.rejected), sum(|part| part.done));
                watcher(&Progress { rows, rejected, done, total });
            })
        };
        (0..parts).map(part).collect()
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
