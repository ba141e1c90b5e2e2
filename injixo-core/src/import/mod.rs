//! One delivery or one window, from its source into the store: applied whole or not at all.

mod agents;
mod apply;
mod arrive;
mod direct;
mod events;
mod job;
mod live;
mod parts;
mod receive;
mod report;
mod stage;
mod subjects;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use injixo_model::{ContactBatch, IntervalBatch, QueueKey, RejectedRow, Rule, Span, StatusBatch, Timestamp, Window};

pub(crate) use self::agents::timeline_within;
pub(crate) use self::apply::{Guard, announce, corrupt};
pub(crate) use self::arrive::arrived;
pub(crate) use self::direct::{not_yet, truncated};
pub use self::direct::{read_file_intervals, read_file_statuses, read_intervals};
pub use self::events::{Events, Receipt};
pub(crate) use self::job::{Derives, Job};
pub(crate) use self::live::{keep_live, last_said};
pub(crate) use self::receive::{Request, receive, refusal};
pub use self::report::{FactCounts, ImportReport};
use self::stage::Stage;
pub(crate) use self::subjects::Subjects;
pub(crate) use self::window::{Answer, Read, WindowSource, read_window};
use crate::connector::{Context, Delivery, DeliverySource, Form, RowSink, RowWriter, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ImportRecord, Store, StreamId, SubjectKind};
use crate::zone::Zone;

/// What an import needs to know about its integration.
#[derive(Debug, Clone)]
pub(crate) struct Target<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) integration: u32,
    pub(crate) zone: Zone,
    pub(crate) guard: Guard,
}

/// How often a known delivery is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// A known key is never applied again: folders.
    Never,
    /// A known key is passed over only while nothing else was applied since: files named by hand.
    AfterOthers,
}

/// Reads a delivery and applies it.
pub(crate) async fn import_delivery(
    target: &Target<'_>,
    source: &Arc<dyn DeliverySource>,
    delivery: &Delivery,
    repeat: Repeat,
    cx: &Context,
    watch: &mut (dyn FnMut(&RejectedRow) + Send),
) -> Result<ImportReport> {
    let began = cx.now();
    let form = source.form();
    let stream = StreamId { integration: target.integration, stream: form.stream() };
    let mut transaction = target.store.read().await?;
    if is_known(transaction.last_import(stream, &delivery.key).await?, delivery, repeat) {
        return Ok(unchanged(delivery, form.stream()));
    }
    let refused = refused_queues(&transaction.subjects(target.integration, SubjectKind::Queue).await?, form);
    drop(transaction);

    let mut staged = Staged::new(form, &target.zone, refused, watch);
    let mut writer = RowWriter::new(cx, &mut staged);
    source.read(cx, delivery, &mut writer).await.map_err(|error| error.with("file", &delivery.name))?;
    let (counts, warnings) = writer.finish_with_warnings()?;
    if counts.good == 0 && counts.rejected > 0 {
        let message = staged.rejections.nothing_good();
        return Err(Error::new(ErrorKind::DataInvalid, message).with("file", &delivery.name));
    }
    let record = ImportRecord {
        id: 0,
        stream,
        key: delivery.key.clone(),
        settings: delivery.settings.clone(),
        name: delivery.name.clone(),
        applied_at: began,
        window: None,
        subjects: Vec::new(),
        again: false,
        imported: counts.good,
        rejected: counts.rejected,
        skipped: counts.skipped,
        added: 0,
        replaced: 0,
        gone: 0,
    };
    let known = |last| is_known(last, delivery, repeat);
    let applied = apply::commit(target, record, staged, apply::Speaks::List, cx, &known).await?;
    Ok(applied.map_or_else(|| unchanged(delivery, form.stream()), |report| report.with_warnings(warnings)))
}

fn is_known(last: Option<(ImportRecord, bool)>, delivery: &Delivery, repeat: Repeat) -> bool {
    last.is_some_and(|(last, is_newest)| match repeat {
        Repeat::Never => !last.again,
        Repeat::AfterOthers => is_newest && last.settings == delivery.settings,
    })
}

fn unchanged(delivery: &Delivery, stream: Stream) -> ImportReport {
    ImportReport { is_unchanged: true, ..ImportReport::empty(delivery.name.clone(), stream) }
}

/// The queues of an integration that hold another kind of data than `form`, with the rule that says so.
fn refused_queues(queues: &[crate::store::Subject], form: Form) -> HashMap<QueueKey, Rule> {
    let refused = queues.iter().filter_map(|queue| {
        let rule = match form {
            Form::Contacts if queue.row_minutes == 0 => return None,
            Form::IntervalRows { length, .. } if queue.row_minutes > 0 => {
                if length.minutes() <= queue.row_minutes {
                    return None;
                }
                Rule::QueueLength
            }
            _ => Rule::QueueKind,
        };
        Some((QueueKey::new(queue.external.clone(), queue.channel), rule))
    });
    refused.collect()
}

/// How many rejected rows quarantine keeps of one import; the report counts all of them.
const MOST_REJECTED: usize = 10_000;

/// Everything that a read delivered.
pub(crate) struct Staged<'w> {
    form: Form,
    zone: Zone,
    refused: HashMap<QueueKey, Rule>,
    rejections: Rejections<'w>,
    facts: StagedFacts,
    names: Vec<(String, injixo_model::Channel)>,
    statuses: Vec<SeenStatus>,
    /// What queues were called, from the first to the last fact that says so.
    called: Vec<(u32, String, Timestamp, Timestamp)>,
    days: Vec<NamedDays>,
    first_last: Option<(Timestamp, Timestamp)>,
}

/// The rows that were rejected.
pub(crate) struct Rejections<'w> {
    watch: Box<dyn FnMut(&RejectedRow) + Send + 'w>,
    first: Vec<RejectedRow>,
    by_rule: BTreeMap<Rule, u64>,
}

impl<'w> Rejections<'w> {
    fn new(watch: impl FnMut(&RejectedRow) + Send + 'w) -> Self {
        Self { watch: Box::new(watch), first: Vec::new(), by_rule: BTreeMap::new() }
    }

    fn add(&mut self, row: &RejectedRow) {
        (self.watch)(row);
        *self.by_rule.entry(row.rule).or_default() += 1;
        if self.first.len() < MOST_REJECTED {
            self.first.push(row.clone());
        }
    }

    fn nothing_good(&self) -> String {
        let first = self.first.first().map_or(String::new(), ToString::to_string);
        format!("not one row could be read, so nothing was imported; the first: {first}")
    }
}

fn wrong_kind() -> Error {
    Error::new(ErrorKind::Unexpected, "the source wrote another kind of rows than it announced")
}

enum StagedFacts {
    Contacts(Stage<injixo_model::Contact>),
    Rows(Stage<injixo_model::IntervalRow>),
    Statuses(Stage<Span>),
}

/// A status that was named, with its first and last start.
#[derive(Clone)]
struct SeenStatus {
    name: String,
    starts: Option<(Timestamp, Timestamp)>,
}

impl SeenStatus {
    fn saw(&mut self, at: Timestamp) {
        let (first, last) = self.starts.unwrap_or((at, at));
        self.starts = Some((first.min(at), last.max(at)));
    }
}

/// The local days on which a subject is named, the last one with its window.
#[derive(Debug, Clone, Default)]
struct NamedDays {
    days: Vec<i32>,
    last: Option<Window>,
}

impl NamedDays {
    #[inline]
    fn name(&mut self, zone: &Zone, at: Timestamp) {
        if self.last.is_none_or(|day| !day.contains(at)) {
            self.name_new(zone, at);
        }
    }

    #[cold]
    fn name_new(&mut self, zone: &Zone, at: Timestamp) {
        let day = zone.day(at);
        self.last = zone.day_window(day);
        self.days.push(day);
        if self.days.len() > 4_000 && self.days.len() == self.days.capacity() {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.days.sort_unstable();
        self.days.dedup();
    }
}

impl<'w> Staged<'w> {
    fn new(
        form: Form,
        zone: &Zone,
        refused: HashMap<QueueKey, Rule>,
        watch: impl FnMut(&RejectedRow) + Send + 'w,
    ) -> Self {
        let facts = match form {
            Form::Contacts => StagedFacts::Contacts(Stage::new()),
            Form::IntervalRows { .. } => StagedFacts::Rows(Stage::new()),
            Form::Statuses => StagedFacts::Statuses(Stage::new()),
        };
        Self {
            form,
            zone: zone.clone(),
            refused,
            rejections: Rejections::new(watch),
            facts,
            names: Vec::new(),
            statuses: Vec::new(),
            called: Vec::new(),
            days: Vec::new(),
            first_last: None,
        }
    }

    fn name_queues(&mut self, queues: &[QueueKey]) {
        let new = queues.iter().skip(self.names.len()).map(|queue| (queue.id.clone(), queue.channel));
        self.names.extend(new);
        self.days.resize_with(self.names.len(), NamedDays::default);
    }
}

/// Which days of which subjects are named, and from when to when.
struct Noted<'n> {
    zone: &'n Zone,
    days: &'n mut [NamedDays],
    first_last: Option<(Timestamp, Timestamp)>,
}

impl Noted<'_> {
    #[inline]
    fn note(&mut self, subject: u32, at: Timestamp) {
        self.days[subject as usize].name(self.zone, at);
        let (first, last) = self.first_last.unwrap_or((at, at));
        self.first_last = Some((first.min(at), last.max(at)));
    }
}

impl RowSink for Staged<'_> {
    fn contacts(&mut self, batch: &ContactBatch) -> Result<()> {
        self.name_queues(batch.queues());
        let StagedFacts::Contacts(stage) = &mut self.facts else { return Err(wrong_kind()) };
        let mut noted = Noted { zone: &self.zone, days: &mut self.days, first_last: self.first_last };
        for (index, row) in batch.rows().iter().enumerate() {
            noted.note(row.queue, row.start);
            stage.push(row.queue, &batch.contact(index))?;
        }
        self.first_last = noted.first_last;
        Ok(())
    }

    fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
        self.name_queues(batch.queues());
        let StagedFacts::Rows(stage) = &mut self.facts else { return Err(wrong_kind()) };
        let mut noted = Noted { zone: &self.zone, days: &mut self.days, first_last: self.first_last };
        for (queue, row) in batch.rows() {
            noted.note(*queue, row.start);
            stage.push(*queue, row)?;
        }
        self.first_last = noted.first_last;
        Ok(())
    }

    fn statuses(&mut self, batch: &StatusBatch) -> Result<()> {
        let new = batch.agents().iter().skip(self.names.len());
        self.names.extend(new.map(|agent| (agent.clone(), injixo_model::Channel::Calls)));
        let new = batch.statuses().iter().skip(self.statuses.len());
        self.statuses.extend(new.map(|name| SeenStatus { name: name.clone(), starts: None }));
        self.days.resize_with(self.names.len(), NamedDays::default);
        let StagedFacts::Statuses(stage) = &mut self.facts else { return Err(wrong_kind()) };
        let mut noted = Noted { zone: &self.zone, days: &mut self.days, first_last: self.first_last };
        for (agent, span) in batch.rows() {
            noted.note(*agent, span.start);
            self.statuses[span.status as usize].saw(span.start);
            stage.push(*agent, span)?;
        }
        self.first_last = noted.first_last;
        Ok(())
    }

    fn rejected(&mut self, row: &RejectedRow) -> Result<()> {
        self.rejections.add(row);
        Ok(())
    }

    fn queue_named(&mut self, queue: u32, name: &str, first: Timestamp, last: Timestamp) -> Result<()> {
        self.called.push((queue, name.to_owned(), first, last));
        Ok(())
    }

    fn refuses(&self, queue: &QueueKey) -> Option<Rule> {
        self.refused.get(queue).copied()
    }
}

impl ImportReport {
    fn empty(name: String, stream: Stream) -> Self {
        Self {
            name,
            stream,
            is_unchanged: false,
            imported: 0,
            rejected: 0,
            skipped: 0,
            rejected_by_rule: BTreeMap::new(),
            first_rejected: Vec::new(),
            facts: FactCounts::default(),
            subjects: 0,
            window: None,
            warnings: Vec::new(),
            elapsed: std::time::Duration::ZERO,
        }
    }

    fn with_warnings(mut self, mut warnings: Vec<String>) -> Self {
        self.warnings.append(&mut warnings);
        self
    }
}
