//! The change feed: what readers see differently, revision by revision.

use std::collections::{HashMap, VecDeque};

use injixo_model::{Measures, Millis, QueueKey, Span, Timestamp};
use tokio::sync::watch;

use super::Runtime;
use crate::derive::{decode_intervals, decode_queue, decode_timeline};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Corrupt;
use crate::store::{FeedEntry, FeedKind, Subject, SubjectKind};

/// A change of what readers see.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Its number, greater than that of every change before. Whoever has seen it goes on with [`Runtime::changes`] from here.
    pub revision: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The number of the integration.
    pub integration: u32,
    /// What changed.
    pub what: What,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A queue appeared, has another name, or became inactive with its integration.
    Queue {
        /// The queue.
        queue: QueueKey,
        /// Its name, where it has one besides its identifier.
        name: Option<String>,
        /// Whether its integration still imports.
        is_active: bool,
    },
    /// An interval of a queue: a quarter hour, or as long as its ready-made rows are. Contacts count where they started.
    Interval {
        /// The queue.
        queue: QueueKey,
        /// When the interval starts.
        start: Timestamp,
        /// When it ends.
        end: Timestamp,
        /// What it carried; `None` if there was no fact.
        before: Option<Measures>,
        /// What it carries; `None` if there is no fact any more.
        after: Option<Measures>,
    },
    /// A stretch of the timeline of an agent.
    Timeline {
        /// The external agent.
        agent: String,
        /// Where the stretch begins.
        from: Timestamp,
        /// Where it ends; `None` for all that follows.
        to: Option<Timestamp>,
        /// What the timeline showed there, cut at the edges of the stretch.
        before: Vec<Stretch>,
        /// What it shows there.
        after: Vec<Stretch>,
    },
}

/// A part of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends; `None` while that is not known.
    pub to: Option<Timestamp>,
    /// The external status.
    pub status: String,
}

/// The change feed from some revision on.
#[derive(Debug)]
pub struct Changes {
    runtime: Runtime,
    after: u64,
    waiting: VecDeque<Change>,
    names: Names,
    committed: watch::Receiver<u64>,
}

/// How many entries are read together.
const ENTRIES_AT_ONCE: u32 = 64;

/// How long it may take until a change that another process committed is seen.
const LOOK: Millis = Millis::from_secs(1);

impl Runtime {
    /// The changes after the revision that was seen last; zero for all that there ever was.
    ///
    /// Whoever applies every change to what he knows ends with what the store holds.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a revision that the store has not reached: it belongs to another store.
    pub async fn changes(&self, after: u64) -> Result<Changes> {
        let last = self.revision().await?;
        if after > last {
            let message =
                format!("revision {after} is not in this store, whose last one is {last}: start again from 0");
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        }
        let committed = self.shared.committed.subscribe();
        Ok(Changes { runtime: self.clone(), after, waiting: VecDeque::new(), names: Names::default(), committed })
    }

    /// The last revision of the change feed.
    ///
    /// # Errors
    ///
    /// Whatever the store reports.
    pub async fn revision(&self) -> Result<u64> {
        self.store.read().await?.last_revision().await
    }
}

impl Changes {
    /// The next change; waits for it.
    ///
    /// # Errors
    ///
    /// Whatever the store reports; calling it again goes on where it was.
    pub async fn next(&mut self) -> Result<Change> {
        loop {
            self.committed.borrow_and_update();
            if let Some(change) = self.try_next().await? {
                return Ok(change);
            }
            let look = self.runtime.clock.sleep_until(self.runtime.clock.now().after(LOOK));
            tokio::select! {
                biased;
                // The sender lives as long as the runtime, which is held here.
                _ = self.committed.changed() => {}
                () = look => {}
            }
        }
    }

    /// The next change, if there is one by now.
    ///
    /// # Errors
    ///
    /// Whatever the store reports; calling it again goes on where it was.
    pub async fn try_next(&mut self) -> Result<Option<Change>> {
        // Entries may hold nothing that readers see.
        while self.waiting.is_empty() && self.read().await? {}
        let next = self.waiting.pop_front();
        if let Some(next) = &next {
            self.after = next.revision;
        }
        Ok(next)
    }

    /// Reads on; whether there was anything.
    async fn read(&mut self) -> Result<bool> {
        let mut transaction = self.runtime.store.read().await?;
        let entries = transaction.feed(self.after, ENTRIES_AT_ONCE).await?;
        let is_any = !entries.is_empty();
        for entry in entries {
            for kind in kinds(entry.kind) {
                if !self.names.knows(&entry, *kind) {
                    self.names.learn(transaction.subjects(entry.integration, *kind).await?);
                }
            }
            let changes = self.names.changes(&entry)?;
            self.waiting.extend(changes.into_iter().filter(|change| change.revision > self.after));
            if self.waiting.is_empty() {
                self.after = self.after.max(entry.revision + u64::from(entry.count) - 1);
            }
        }
        Ok(is_any)
    }
}

fn kinds(kind: FeedKind) -> &'static [SubjectKind] {
    match kind {
        FeedKind::Queue | FeedKind::Intervals => &[SubjectKind::Queue],
        FeedKind::Timeline => &[SubjectKind::Agent, SubjectKind::Status],
        FeedKind::Facts => &[],
    }
}

/// What the numbers in the feed stand for.
#[derive(Debug, Default)]
struct Names {
    subjects: HashMap<u32, Subject>,
}

impl Names {
    fn learn(&mut self, subjects: Vec<Subject>) {
        self.subjects.extend(subjects.into_iter().map(|subject| (subject.id, subject)));
    }

    fn knows(&self, entry: &FeedEntry, kind: SubjectKind) -> bool {
        if kind != SubjectKind::Status {
            return self.subjects.contains_key(&entry.subject);
        }
        let Ok(changed) = decode_timeline(&entry.bytes) else { return true };
        let pieces = changed.iter().flat_map(|diff| diff.before.iter().chain(&diff.after));
        pieces.into_iter().all(|piece| self.subjects.contains_key(&piece.status))
    }

    fn changes(&self, entry: &FeedEntry) -> Result<Vec<Change>> {
        let corrupt = |_: Corrupt| {
            let message = "the change feed holds something that cannot be read: restore the store from a backup";
            Error::new(ErrorKind::DataInvalid, message).with("revision", entry.revision)
        };
        let subject = self.subjects.get(&entry.subject);
        let queue = || subject.map(|subject| QueueKey::new(subject.external.clone(), subject.channel));
        let unknown = || corrupt(Corrupt);
        let what: Vec<What> = match entry.kind {
            FeedKind::Facts => Vec::new(),
            FeedKind::Queue => {
                let (_, after) = decode_queue(&entry.bytes).map_err(corrupt)?;
                let queue = queue().ok_or_else(unknown)?;
                vec![What::Queue { queue, name: after.name, is_active: after.is_active }]
            }
            FeedKind::Intervals => {
                let queue = queue().ok_or_else(unknown)?;
                let changed = decode_intervals(&entry.bytes).map_err(corrupt)?.into_iter();
                let what = changed.map(|diff| What::Interval {
                    queue: queue.clone(),
                    start: diff.start,
                    end: diff.end,
                    before: diff.before,
                    after: diff.after,
                });
                what.collect()
            }
            FeedKind::Timeline => {
                let agent = subject.ok_or_else(unknown)?.external.clone();
                let changed = decode_timeline(&entry.bytes).map_err(corrupt)?.into_iter();
                let what = changed.map(|diff| What::Timeline {
                    agent: agent.clone(),
                    from: diff.from,
                    to: diff.to,
                    before: self.stretches(&diff.before),
                    after: self.stretches(&diff.after),
                });
                what.collect()
            }
        };
        let revisions = entry.revision..;
        Ok(revisions
            .zip(what)
            .map(|(revision, what)| Change { revision, at: entry.at, integration: entry.integration, what })
            .collect())
    }

    fn stretches(&self, pieces: &[Span]) -> Vec<Stretch> {
        let name = |status: u32| self.subjects.get(&status).map_or_else(String::new, |status| status.external.clone());
        pieces.iter().map(|piece| Stretch { from: piece.start, to: piece.end, status: name(piece.status) }).collect()
    }
}
