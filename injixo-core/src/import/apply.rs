//! The one transaction of an import: facts in its scope, coverage, rejected rows and the log.

use std::collections::{BTreeMap, BTreeSet};

use injixo_model::{
    Channel, Contact, Coverage, IntervalLength, IntervalRow, Millis, RejectedRow, Span, Timestamp, Window,
};

use super::job::{Job, Scope};
use super::subjects::Subjects;
use super::{FactCounts, ImportReport, NamedDays, Rejections, SeenStatus, Staged, StagedFacts, Target};
use crate::connector::{Context, Form};
use crate::derive::{QueueState, encode_days, encode_queue};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Day;
use crate::plan::{QUARTER, floor};
use crate::store::{Covered, FeedKind, ImportRecord, IntegrationState, Lane, SubjectKind, Transaction};
use crate::zone::{Grid, Zone};

/// For what a read speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Speaks {
    /// For what it names, from its first to its last row.
    List,
    /// For everything in a window; whether an answer without a single fact removes what is stored.
    Window(Window, bool),
}

/// Under what a commit is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Guard {
    /// The generation of the integration under which the work began; any without it.
    pub(crate) generation: Option<u64>,
    /// The work that is being done, with its fencing number.
    pub(crate) lease: Option<(Lane, u64)>,
}

impl Guard {
    /// Holds the integration until the end of the transaction, or refuses work that is no longer wanted.
    pub(crate) async fn hold(self, transaction: &mut dyn Transaction, integration: u32) -> Result<()> {
        let refused = |message: &str| Err(Error::new(ErrorKind::Cancelled, message));
        let Some(held) = transaction.lock_integration(integration).await? else {
            return refused("the integration is not in the store any more");
        };
        match held.state {
            IntegrationState::Active => {}
            IntegrationState::Paused => return refused("the integration is paused: resume it to import"),
            IntegrationState::Deleted => return refused("the integration was deleted: add it again to import"),
        }
        if self.generation.is_some_and(|generation| generation != held.generation) {
            return refused("the integration was changed meanwhile");
        }
        if let Some((lane, fence)) = self.lease {
            let work = transaction.lock_work(integration, lane).await?;
            if work.is_none_or(|work| work.fence != fence) {
                return refused("another process has taken over meanwhile");
            }
        }
        Ok(())
    }
}

/// Applies what was staged; `None` when the delivery turns out to be known by now.
pub(crate) async fn commit(
    target: &Target<'_>,
    mut record: ImportRecord,
    staged: Staged<'_>,
    speaks: Speaks,
    cx: &Context,
    is_known: &(dyn Fn(Option<(ImportRecord, bool)>) -> bool + Sync),
) -> Result<Option<ImportReport>> {
    let Staged { form, zone, facts, names, statuses, called, mut days, first_last, rejections, .. } = staged;
    let Rejections { first: first_rejected, by_rule: rejected_by_rule, .. } = rejections;
    let mut transaction = target.store.write().await?;
    target.guard.hold(&mut *transaction, target.integration).await?;
    if !record.key.is_empty() && is_known(transaction.last_import(record.stream, &record.key).await?) {
        return Ok(None);
    }
    days.iter_mut().for_each(NamedDays::settle);
    let kind = if form == Form::Statuses { SubjectKind::Agent } else { SubjectKind::Queue };
    let mut subjects = Subjects::load(&mut *transaction, target.integration, kind).await?;
    let ids = subjects.resolve(&mut *transaction, target.integration, &names, form).await?;
    let status_ids = status_ids(&mut *transaction, target.integration, &statuses).await?;
    if let Speaks::Window(window, _) = speaks {
        let held = transaction.coverage(record.stream, None, window).await?;
        if held.iter().any(|held| held.subject.is_none() && held.read_at > record.applied_at) {
            let message = "a later read of this time was quicker: nothing of this one was imported";
            return Err(Error::new(ErrorKind::Unavailable, message).with("window", window));
        }
    }
    let newer = read_since(&mut *transaction, &record, first_last.map(|edges| edges.0), speaks).await?;
    let keeps = matches!(speaks, Speaks::Window(_, false)) && record.imported == 0;
    let before = subjects.current_names();
    subjects.called(called.into_iter().map(|(queue, name, first, last)| (ids[queue as usize], name, first, last)));
    let mut job = Job::new(&mut *transaction, target.integration, &zone, record.applied_at);
    if kind == SubjectKind::Queue {
        announce(&mut job, &subjects, &before);
    }
    let rename = |span: &mut Span| span.status = status_ids[span.status as usize];
    let scope = Scope { first_last, days: &days, zone: &zone };
    match (facts, speaks) {
        _ if keeps => {}
        (StagedFacts::Contacts(stage), Speaks::List) => {
            job.lists::<Contact>(stage.finish()?, &scope, &ids, &mut subjects).await?;
        }
        (StagedFacts::Statuses(stage), Speaks::List) => {
            job.statuses(stage.finish()?, &status_ids, &scope, &ids, &mut subjects).await?;
        }
        (StagedFacts::Rows(stage), Speaks::List) => job.rows(stage.finish()?, &ids, &mut subjects).await?,
        (StagedFacts::Contacts(stage), Speaks::Window(window, _)) => {
            job.window::<Contact>(stage.finish()?, window, &newer, &ids, &mut subjects, |_| {}).await?;
        }
        (StagedFacts::Rows(stage), Speaks::Window(window, _)) => {
            job.window::<IntervalRow>(stage.finish()?, window, &newer, &ids, &mut subjects, |_| {}).await?;
        }
        (StagedFacts::Statuses(stage), Speaks::Window(window, _)) => {
            job.window::<Span>(stage.finish()?, window, &newer, &ids, &mut subjects, rename).await?;
        }
    }
    let change = job.finish().await?;
    subjects.save(&mut *transaction).await?;

    let spoken = match speaks {
        Speaks::Window(window, _) => Some(window),
        Speaks::List => first_last.and_then(|(first, last)| Window::new(first, last.after(Millis::new(1))).ok()),
    };
    if let Some(spoken) = spoken {
        let covered = coverage(speaks, spoken, form, &zone, &ids, record.applied_at);
        transaction.put_coverage(record.stream, &covered).await?;
    }
    record.window = spoken;
    (record.added, record.replaced, record.gone) = (change.added, change.replaced, change.gone);
    release_superseded(&mut *transaction, &record, &ids, speaks, &first_rejected).await?;
    if !first_rejected.is_empty() {
        record.subjects.clone_from(&ids);
    }
    let id = transaction.add_import(&record).await?;
    if !first_rejected.is_empty() {
        transaction.add_rejected(id, &first_rejected).await?;
    }
    transaction.commit().await?;
    Ok(Some(ImportReport {
        imported: record.imported,
        rejected: record.rejected,
        skipped: record.skipped,
        rejected_by_rule,
        first_rejected,
        facts: FactCounts {
            added: change.added,
            replaced: change.replaced,
            gone: change.gone,
            unchanged: change.unchanged,
        },
        subjects: ids.len() as u64,
        window: spoken,
        elapsed: cx.now().since(record.applied_at).into(),
        ..ImportReport::empty(record.name, record.stream.stream)
    }))
}

/// Tells readers which queues are new, and which are called otherwise than before.
pub(crate) fn announce(job: &mut Job<'_>, queues: &Subjects, before: &BTreeMap<u32, Option<String>>) {
    let state = |name: Option<&String>| QueueState { name: name.cloned(), is_active: true };
    let added: BTreeSet<u32> = queues.added().iter().copied().collect();
    for (id, name) in queues.current_names() {
        if added.contains(&id) {
            job.enter(id, FeedKind::Queue, 1, encode_queue(None, &state(name.as_ref())));
        } else if before.get(&id) != Some(&name) {
            let old = state(before.get(&id).and_then(Option::as_ref));
            job.enter(id, FeedKind::Queue, 1, encode_queue(Some(&old), &state(name.as_ref())));
        } else if queues.renamed().contains(&id) {
            // It is called as before: only those are told who want to know what it was called when.
            job.enter(id, FeedKind::Facts, 1, encode_days(&[]));
        }
    }
}

/// What lies before a window, from its first fact on, and was read by a read that began later than this one.
async fn read_since(
    transaction: &mut dyn Transaction,
    record: &ImportRecord,
    first: Option<Timestamp>,
    speaks: Speaks,
) -> Result<Coverage> {
    let Speaks::Window(window, _) = speaks else { return Ok(Coverage::new()) };
    let before = first.and_then(|first| Window::new(first, window.from()).ok());
    let Some(before) = before else { return Ok(Coverage::new()) };
    let covered = transaction.coverage(record.stream, None, before).await?.into_iter();
    Ok(covered.filter(|held| held.read_at > record.applied_at).map(|held| held.window).collect())
}

/// Rows that were bad once are let go when a later import speaks for all that theirs spoke for.
async fn release_superseded(
    transaction: &mut dyn Transaction,
    record: &ImportRecord,
    ids: &[u32],
    speaks: Speaks,
    rejected: &[RejectedRow],
) -> Result<()> {
    let Some(window) = record.window else { return Ok(()) };
    let is_superseded = |old: &ImportRecord| {
        let names_all =
            matches!(speaks, Speaks::Window(..)) || old.subjects.iter().all(|subject| ids.contains(subject));
        let spans = old.window.is_none_or(|old| window.from() <= old.from() && old.to() <= window.to());
        names_all && spans
    };
    let quarantined = transaction.quarantined(record.stream).await?;
    let mut old: Vec<u64> = quarantined.iter().filter(|import| is_superseded(import)).map(|import| import.id).collect();
    // A row that stays bad is read again by each window that moves on over it: it is one entry.
    let is_near = |old: &ImportRecord| old.window.is_some_and(|old| window.intersection(old).is_some());
    if matches!(speaks, Speaks::Window(..)) && !rejected.is_empty() && quarantined.iter().any(is_near) {
        let same = |row: &RejectedRow| (row.column.clone(), row.rule, row.excerpt.clone());
        let again: BTreeSet<_> = rejected.iter().map(same).collect();
        for (import, rows) in transaction.quarantine(record.stream.integration).await? {
            if import.stream == record.stream && is_near(&import) && rows.iter().all(|row| again.contains(&same(row))) {
                old.push(import.id);
            }
        }
        old.sort_unstable();
        old.dedup();
    }
    transaction.release_rejected(&old).await
}

/// What an import covers, for filling: a list the queues that it names, outwards to whole intervals; a window everything.
fn coverage(speaks: Speaks, spoken: Window, form: Form, zone: &Zone, ids: &[u32], read_at: Timestamp) -> Vec<Covered> {
    if let Speaks::Window(window, _) = speaks {
        // What has not been yet is not covered, whatever was read of it.
        let past = Window::new(window.from(), window.to().min(floor(read_at, QUARTER)));
        return past.into_iter().map(|window| Covered { subject: None, window, read_at }).collect();
    }
    let length = match form {
        Form::IntervalRows { length, .. } => length,
        Form::Contacts | Form::Statuses => IntervalLength::MINUTES_15,
    };
    let grid = Grid::new(zone, length);
    let last = grid.interval(spoken.to().before(Millis::new(1)));
    let Ok(window) = Window::new(grid.floor(spoken.from()), last.to()) else { return Vec::new() };
    ids.iter().map(|&id| Covered { subject: Some(id), window, read_at }).collect()
}

/// The ids of statuses, which are added where they are new; notes when each was seen.
pub(super) async fn status_ids(
    transaction: &mut dyn Transaction,
    integration: u32,
    seen: &[SeenStatus],
) -> Result<Vec<u32>> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let mut statuses = Subjects::load(transaction, integration, SubjectKind::Status).await?;
    let names: Vec<(String, Channel)> = seen.iter().map(|status| (status.name.clone(), Channel::Calls)).collect();
    let ids = statuses.resolve(transaction, integration, &names, Form::Statuses).await?;
    for (id, status) in ids.iter().zip(seen) {
        for at in status.starts.into_iter().flat_map(|(first, last)| [first, last]) {
            statuses.saw(*id, at, Millis::ZERO);
        }
    }
    statuses.save(transaction).await?;
    Ok(ids)
}

pub(crate) fn corrupt(subject: u32, day: Day) -> Error {
    let message = "the store holds facts that cannot be read: restore it from a backup";
    Error::new(ErrorKind::DataInvalid, message).with("subject", subject).with("day", day)
}
