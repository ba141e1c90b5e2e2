//! The one transaction of an import: facts in its scope, coverage, rejected rows and the log.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Channel, Contact, IntervalLength, IntervalRow, Millis, Span, Timestamp, Window};

use super::stage::Sorted;
use super::{FactCounts, ImportReport, NamedDays, Staged, StagedFacts, Target};
use crate::connector::{Context, Form};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Change, Chunk, Corrupt, Day, Fact, ListScope, apply_list, apply_rows, apply_window, day_of};
use crate::store::{ChunkRange, Covered, ImportRecord, Layer, StoredChunk, Subject, SubjectKind, Transaction};
use crate::zone::{Grid, Zone};

/// For what a read speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Speaks {
    /// For what it names, from its first to its last row.
    List,
    /// For everything in a window.
    Window(Window),
}

/// How many chunks are read and written together.
const CHUNKS_AT_ONCE: usize = 512;

/// Applies what was staged; `None` when the delivery turns out to be known by now.
pub(crate) async fn commit(
    target: &Target<'_>,
    mut record: ImportRecord,
    staged: Staged<'_>,
    speaks: Speaks,
    cx: &Context,
    is_known: &(dyn Fn(Option<(ImportRecord, bool)>) -> bool + Sync),
) -> Result<Option<ImportReport>> {
    let Staged { form, zone, facts, names, statuses, mut days, first_last, first_rejected, rejected_by_rule, .. } =
        staged;
    let mut transaction = target.store.write().await?;
    if !record.key.is_empty() && is_known(transaction.last_import(record.stream, &record.key).await?) {
        return Ok(None);
    }
    days.iter_mut().for_each(NamedDays::settle);
    let kind = if form == Form::Statuses { SubjectKind::Agent } else { SubjectKind::Queue };
    let mut subjects = Subjects::load(&mut *transaction, target.integration, kind).await?;
    let ids = subjects.resolve(&mut *transaction, target.integration, &names, form).await?;
    let mut job = Job { transaction: &mut *transaction, change: Change::default(), out: Vec::new() };
    match (facts, speaks) {
        (_, Speaks::Window(_)) if record.imported == 0 => {}
        (StagedFacts::Contacts(stage), Speaks::List) => {
            let scope = Scope { first_last, days: &days, zone: &zone };
            job.lists::<Contact>(stage.finish()?, &scope, &ids, &mut subjects).await?;
        }
        (StagedFacts::Statuses(stage), Speaks::List) => {
            let status_ids = status_ids(job.transaction, target.integration, &statuses).await?;
            let scope = Scope { first_last, days: &days, zone: &zone };
            let sorted = stage.finish()?;
            job.statuses(sorted, &status_ids, &scope, &ids, &mut subjects).await?;
        }
        (StagedFacts::Rows(stage), Speaks::List) => job.rows(stage.finish()?, &ids, &mut subjects).await?,
        (StagedFacts::Contacts(stage), Speaks::Window(window)) => {
            job.window::<Contact>(stage.finish()?, window, &ids, &mut subjects, |fact| fact).await?;
        }
        (StagedFacts::Rows(stage), Speaks::Window(window)) => {
            job.window::<IntervalRow>(stage.finish()?, window, &ids, &mut subjects, |fact| fact).await?;
        }
        (StagedFacts::Statuses(stage), Speaks::Window(window)) => {
            let status_ids = status_ids(job.transaction, target.integration, &statuses).await?;
            let rename = |span: Span| Span { status: status_ids[span.status as usize], ..span };
            job.window::<Span>(stage.finish()?, window, &ids, &mut subjects, rename).await?;
        }
    }
    job.flush().await?;
    let change = job.change;
    subjects.save(&mut *transaction).await?;

    let spoken = match speaks {
        Speaks::Window(window) => Some(window),
        Speaks::List => first_last.and_then(|(first, last)| Window::new(first, last.after(Millis::new(1))).ok()),
    };
    if let Some(spoken) = spoken {
        let covered = coverage(speaks, spoken, form, &zone, &ids, record.applied_at);
        transaction.put_coverage(record.stream, &covered).await?;
    }
    record.window = spoken;
    (record.added, record.replaced, record.gone) = (change.added, change.replaced, change.gone);
    release_superseded(&mut *transaction, &record, &ids, speaks).await?;
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

/// Rows that were bad once are let go when a later import speaks for all that theirs spoke for.
async fn release_superseded(
    transaction: &mut dyn Transaction,
    record: &ImportRecord,
    ids: &[u32],
    speaks: Speaks,
) -> Result<()> {
    let Some(window) = record.window else { return Ok(()) };
    let is_superseded = |old: &ImportRecord| {
        let names_all = matches!(speaks, Speaks::Window(_)) || old.subjects.iter().all(|subject| ids.contains(subject));
        let spans = old.window.is_none_or(|old| window.from() <= old.from() && old.to() <= window.to());
        old.stream == record.stream && names_all && spans
    };
    let quarantine = transaction.quarantine(record.stream.integration).await?;
    let old: Vec<u64> =
        quarantine.iter().filter(|(import, _)| is_superseded(import)).map(|(import, _)| import.id).collect();
    transaction.release_rejected(&old).await
}

/// What an import covers, for filling: a list the queues that it names, outwards to whole intervals; a window everything.
fn coverage(speaks: Speaks, spoken: Window, form: Form, zone: &Zone, ids: &[u32], read_at: Timestamp) -> Vec<Covered> {
    if let Speaks::Window(window) = speaks {
        return vec![Covered { subject: None, window, read_at }];
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

async fn status_ids(transaction: &mut dyn Transaction, integration: u32, names: &[String]) -> Result<Vec<u32>> {
    let mut statuses = Subjects::load(transaction, integration, SubjectKind::Status).await?;
    let names: Vec<(String, Channel)> = names.iter().map(|name| (name.clone(), Channel::Calls)).collect();
    statuses.resolve(transaction, integration, &names, Form::Statuses).await
}

/// The known subjects of one kind.
struct Subjects {
    kind: SubjectKind,
    known: HashMap<(String, Channel), u32>,
    by_id: BTreeMap<u32, (Subject, bool)>,
}

impl Subjects {
    async fn load(transaction: &mut dyn Transaction, integration: u32, kind: SubjectKind) -> Result<Self> {
        let subjects = transaction.subjects(integration, kind).await?;
        let known = subjects.iter().map(|subject| ((subject.external.clone(), subject.channel), subject.id)).collect();
        let by_id = subjects.into_iter().map(|subject| (subject.id, (subject, false))).collect();
        Ok(Self { kind, known, by_id })
    }

    /// The ids of the named subjects, which are added where they are new.
    async fn resolve(
        &mut self,
        transaction: &mut dyn Transaction,
        integration: u32,
        names: &[(String, Channel)],
        form: Form,
    ) -> Result<Vec<u32>> {
        let row_minutes = match form {
            Form::IntervalRows { length, .. } => length.minutes(),
            Form::Contacts | Form::Statuses => 0,
        };
        let new: Vec<Subject> = names
            .iter()
            .filter(|name| !self.known.contains_key(*name))
            .map(|(external, channel)| Subject {
                id: 0,
                kind: self.kind,
                external: external.clone(),
                channel: *channel,
                row_minutes,
                first: Timestamp::MAX,
                last: Timestamp::MIN,
                longest: Millis::ZERO,
                names: Vec::new(),
            })
            .collect();
        let ids = transaction.add_subjects(integration, &new).await?;
        for (id, subject) in ids.into_iter().zip(new) {
            self.known.insert((subject.external.clone(), subject.channel), id);
            self.by_id.insert(id, (Subject { id, ..subject }, false));
        }
        let mut resolved = Vec::with_capacity(names.len());
        for name in names {
            let id = self.known.get(name).copied().unwrap_or(0);
            let is_kind = self.by_id.get(&id).is_some_and(|(held, _)| (held.row_minutes == 0) == (row_minutes == 0));
            if !is_kind {
                let message = "the queue got another kind of data while this import was read: import again";
                return Err(Error::new(ErrorKind::Unavailable, message).with("queue", &name.0));
            }
            resolved.push(id);
        }
        Ok(resolved)
    }

    fn saw(&mut self, id: u32, at: Timestamp) {
        if let Some((subject, is_changed)) = self.by_id.get_mut(&id)
            && !(subject.first <= at && at <= subject.last)
        {
            (subject.first, subject.last) = (subject.first.min(at), subject.last.max(at));
            *is_changed = true;
        }
    }

    async fn save(self, transaction: &mut dyn Transaction) -> Result<()> {
        let changed = self.by_id.into_values().filter(|(_, is_changed)| *is_changed);
        let changed: Vec<Subject> = changed.map(|(subject, _)| subject).collect();
        transaction.update_subjects(&changed).await
    }
}

/// For which days a list speaks about each of its subjects.
struct Scope<'a> {
    first_last: Option<(Timestamp, Timestamp)>,
    days: &'a [NamedDays],
    zone: &'a Zone,
}

impl Scope<'_> {
    fn of(&self, subject: usize) -> Option<ListScope> {
        let (first, last) = self.first_last?;
        let days = self.days.get(subject)?.days.iter().filter_map(|day| self.zone.day_window(*day)).collect();
        Some(ListScope { first, last, days })
    }
}

struct Job<'a> {
    transaction: &'a mut dyn Transaction,
    change: Change,
    out: Vec<StoredChunk>,
}

impl Job<'_> {
    async fn lists<F: Fact>(
        &mut self,
        mut facts: Sorted<F>,
        scope: &Scope<'_>,
        ids: &[u32],
        subjects: &mut Subjects,
    ) -> Result<()> {
        for (index, &id) in ids.iter().enumerate() {
            self.list(&mut facts, index, id, scope, subjects, |fact| fact).await?;
        }
        Ok(())
    }

    async fn statuses(
        &mut self,
        mut facts: Sorted<Span>,
        status_ids: &[u32],
        scope: &Scope<'_>,
        ids: &[u32],
        subjects: &mut Subjects,
    ) -> Result<()> {
        let rename = |span: Span| Span { status: status_ids[span.status as usize], ..span };
        for (index, &id) in ids.iter().enumerate() {
            self.list(&mut facts, index, id, scope, subjects, rename).await?;
        }
        Ok(())
    }

    /// Applies what a list says about one subject, some days at a time.
    async fn list<F: Fact>(
        &mut self,
        facts: &mut Sorted<F>,
        index: usize,
        id: u32,
        scope: &Scope<'_>,
        subjects: &mut Subjects,
        rename: impl Fn(F) -> F,
    ) -> Result<()> {
        let Some(whole) = scope.of(index) else { return Ok(()) };
        let mut by_day: BTreeMap<Day, Vec<Window>> = BTreeMap::new();
        for (day, piece) in whole.pieces() {
            by_day.entry(day).or_default().push(piece);
        }
        let days: Vec<(Day, Vec<Window>)> = by_day.into_iter().collect();
        for days in days.chunks(CHUNKS_AT_ONCE) {
            let Some(((from, _), (to, _))) = days.first().zip(days.last()) else { continue };
            let range = ChunkRange { subject: id, layer: Layer::History, from: *from, to: *to };
            let mut held = self.load::<F>(&[range]).await?;
            for (day, pieces) in days {
                let mut new = Vec::new();
                while facts.peek().is_some_and(|next| next.0 as usize == index && day_of(next.1) == *day) {
                    new.extend(facts.next()?.map(|(_, fact)| rename(fact)));
                }
                for at in [new.first(), new.last()].into_iter().flatten().map(Fact::start) {
                    subjects.saw(id, at);
                }
                let (before, chunk) = held.remove(&(id, *day)).unwrap_or_else(|| (Vec::new(), Chunk::new()));
                let scope = ListScope { first: whole.first, last: whole.last, days: pieces.clone() };
                let old = chunk.facts();
                let mut chunks = BTreeMap::from([(*day, chunk)]);
                apply_list(&mut chunks, &scope, &new);
                self.put(id, chunks, &old, &BTreeMap::from([(*day, before)]), new.len()).await?;
            }
        }
        Ok(())
    }

    /// Applies ready-made rows, some days at a time.
    async fn rows(&mut self, mut facts: Sorted<IntervalRow>, ids: &[u32], subjects: &mut Subjects) -> Result<()> {
        while let Some((index, start)) = facts.peek() {
            let id = ids[index as usize];
            let first_day = day_of(start);
            let mut rows = Vec::new();
            let is_near = |day: Day| day - first_day < 32;
            while facts.peek().is_some_and(|next| next.0 == index && is_near(day_of(next.1))) {
                rows.extend(facts.next()?.map(|(_, row)| row));
            }
            for at in [rows.first(), rows.last()].into_iter().flatten().map(Fact::start) {
                subjects.saw(id, at);
            }
            let last_day = rows.last().map_or(first_day, |row| day_of(row.end()));
            let held = self
                .load::<IntervalRow>(&[ChunkRange {
                    subject: id,
                    layer: Layer::History,
                    from: first_day - 1,
                    to: last_day + 1,
                }])
                .await?;
            let (mut chunks, mut before, mut old) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
            for ((_, day), (bytes, chunk)) in held {
                old.extend(chunk.facts());
                before.insert(day, bytes);
                chunks.insert(day, chunk);
            }
            apply_rows(&mut chunks, &rows);
            self.put(id, chunks, &old, &before, rows.len()).await?;
        }
        Ok(())
    }

    /// Applies a complete answer over a window: for every known subject and every new one.
    async fn window<F: Fact>(
        &mut self,
        mut facts: Sorted<F>,
        window: Window,
        ids: &[u32],
        subjects: &mut Subjects,
        rename: impl Fn(F) -> F,
    ) -> Result<()> {
        let mut new: BTreeMap<u32, Vec<F>> = subjects.by_id.keys().map(|id| (*id, Vec::new())).collect();
        while let Some((index, fact)) = facts.next()? {
            let id = ids[index as usize];
            subjects.saw(id, fact.start());
            new.entry(id).or_default().push(rename(fact));
        }
        for (id, facts) in new {
            let first = facts.first().map_or(window.from(), |fact| fact.start().min(window.from()));
            let range = ChunkRange { subject: id, layer: Layer::History, from: day_of(first), to: day_of(window.to()) };
            let held = self.load::<F>(&[range]).await?;
            let (mut chunks, mut before, mut old) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
            for ((_, day), (bytes, chunk)) in held {
                old.extend(chunk.facts());
                before.insert(day, bytes);
                chunks.insert(day, chunk);
            }
            apply_window(&mut chunks, window, &facts);
            self.put(id, chunks, &old, &before, facts.len()).await?;
        }
        Ok(())
    }

    async fn load<F: Fact>(&mut self, ranges: &[ChunkRange]) -> Result<Held<F>> {
        let mut held = HashMap::new();
        for StoredChunk { subject, day, bytes, .. } in self.transaction.chunks(ranges).await? {
            let chunk = Chunk::decode(day, &bytes).map_err(|Corrupt| corrupt(subject, day))?;
            held.insert((subject, day), (bytes, chunk));
        }
        Ok(held)
    }

    /// Notes what changed of one subject by so many stated facts, and writes the chunks that did.
    async fn put<F: Fact>(
        &mut self,
        subject: u32,
        chunks: BTreeMap<Day, Chunk<F>>,
        old: &[F],
        before: &BTreeMap<Day, Vec<u8>>,
        stated: usize,
    ) -> Result<()> {
        let mut new = Vec::new();
        for (day, chunk) in chunks {
            new.extend(chunk.facts());
            let mut bytes = Vec::new();
            if !chunk.is_empty() {
                chunk.encode(day, &mut bytes);
            }
            if before.get(&day).map_or(&[][..], Vec::as_slice) != bytes.as_slice() {
                self.out.push(StoredChunk { subject, layer: Layer::History, day, bytes });
            }
        }
        let change = Change::between(old, &new);
        let unchanged = (stated as u64).saturating_sub(change.added + change.replaced);
        self.change = self.change.plus(Change { unchanged, ..change });
        if self.out.len() >= CHUNKS_AT_ONCE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let out = std::mem::take(&mut self.out);
        self.transaction.put_chunks(&out).await
    }
}

type Held<F> = HashMap<(u32, Day), (Vec<u8>, Chunk<F>)>;

pub(crate) fn corrupt(subject: u32, day: Day) -> Error {
    let message = "the store holds facts that cannot be read: restore it from a backup";
    Error::new(ErrorKind::DataInvalid, message).with("subject", subject).with("day", day)
}
