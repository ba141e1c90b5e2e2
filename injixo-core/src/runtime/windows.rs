//! One task of a stream: planned, read piece by piece, committed piece by piece.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use injixo_model::{Coverage, Millis, Timestamp, Window};

use super::Runtime;
use super::budget;
use super::lane::{LONGEST_WAIT, LaneState, begin_of, is_back_fill, policy_of, stream_of, stream_policy};
use crate::connector::{Budget, Connector, Context, Limits, Permit, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange;
use crate::import::{self, Answer, Guard, Read, Target, WindowSource};
use crate::plan::{
    LONG_REQUEST, Plan, Policy, QUARTER, Situation, StreamPolicy, Task, Why, ceil, compacted, halves, last_piece,
};
use crate::store::{
    Covered, IntegrationRecord, IntegrationState, Lane, RangeKind, RangeRecord, StreamId, Transaction, WorkRecord,
};
use crate::zone::Zone;

/// A task with all that is needed to do it.
pub(super) struct Job {
    record: IntegrationRecord,
    source: WindowSource,
    connector: Arc<dyn Connector>,
    limits: Limits,
    policy: Policy,
    longest: Millis,
    zone: Zone,
    task: Task,
    /// When the next import is scheduled.
    next: Timestamp,
    work: WorkRecord,
}

/// How a task ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything was imported.
    Done,
    /// The source does not hold this part of it yet.
    NotYet(Coverage),
    /// There is no permit before then.
    NoPermit(Timestamp),
}

/// What a stream's coverage says, and what else is noted of it.
pub(super) struct Noted {
    pub(super) covered: Vec<Covered>,
    pub(super) waived: Coverage,
    pub(super) blocked: Vec<RangeRecord>,
    pub(super) asked: Vec<(u64, Window, Timestamp)>,
}

impl Noted {
    pub(super) async fn load(transaction: &mut dyn Transaction, stream: StreamId) -> Result<Self> {
        let always = Window::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX))?;
        let covered = transaction.coverage(stream, None, always).await?;
        let (mut waived, mut blocked, mut asked) = (Coverage::new(), Vec::new(), Vec::new());
        for range in transaction.ranges(stream).await? {
            match range.kind {
                RangeKind::Waived => waived.insert(range.window),
                RangeKind::Blocked => blocked.push(range),
                RangeKind::Asked => asked.push((range.id, range.window, range.at)),
            }
        }
        Ok(Self { covered, waived, blocked, asked })
    }

    pub(super) fn blocked(&self) -> Coverage {
        self.blocked.iter().map(|range| range.window).collect()
    }
}

/// More stretches than this are joined where that loses nothing.
const MANY_STRETCHES: usize = 256;

/// An answer with fewer rows than this lets windows grow.
const FEW_ROWS: u64 = 50_000;

const DAY: Millis = Millis::from_mins(1_440);

impl Runtime {
    /// Plans the next task of claimed work and notes its window, or says when to plan again.
    pub(super) async fn next_task(
        &self,
        work: &mut WorkRecord,
        state: &mut LaneState,
        record: &IntegrationRecord,
        connector: &Arc<dyn Connector>,
    ) -> Result<Result<Job, Timestamp>> {
        let stream = stream_of(work.lane);
        let source = match stream {
            Stream::Contacts => connector.contacts().map(WindowSource::Contacts),
            Stream::Statuses => connector.statuses().map(WindowSource::Statuses),
        };
        let Some(source) = source else { return Ok(Err(Timestamp::MAX)) };
        let (limits, zone, policy) = (source.limits(), connector.zone(), policy_of(record));
        let by_stream = stream_policy(&policy, &limits, stream);
        if !is_back_fill(work.lane) && !std::mem::replace(&mut state.was_asked, true) {
            match self.ask_for_changes(record, connector, stream, policy.patience).await {
                // What changed is not worth more than what is new.
                Err(error) if error.is_retryable() && error.kind() != ErrorKind::Cancelled => {
                    tracing::warn!(%error, "the external system does not say what changed");
                }
                asked => asked?,
            }
        }
        let id = StreamId { integration: record.id, stream };
        let mut transaction = self.store.write().await?;
        let guard = Guard { generation: Some(record.generation), lease: Some((work.lane, work.fence)) };
        guard.hold(&mut *transaction, record.id).await?;
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        let mut noted = Noted::load(&mut *transaction, id).await?;
        if noted.covered.len() > MANY_STRETCHES {
            noted.covered = self.compact(&mut *transaction, id, &noted, &by_stream, now).await?;
        }
        let others = transaction.work(Some(record.id)).await?;
        let busy: Coverage = others
            .into_iter()
            .filter(|other| other.lane != work.lane && stream_of(other.lane) == stream)
            // Also one whose lease has run out may still commit as long as nobody else has claimed it.
            .filter(|other| other.lease.is_some())
            .filter_map(|other| other.window)
            .chain(state.not_yet.windows().iter().copied())
            .collect();
        let plan = plan(record, work, state, &noted, &busy, (&policy, &by_stream, &zone), now);
        transaction.remove_ranges(&plan.done).await?;
        let Some(task) = plan.task else {
            if !plan.done.is_empty() {
                transaction.commit().await?;
            }
            return Ok(Err(plan.next));
        };
        work.window = Some(task.window);
        transaction.put_work(std::slice::from_ref(work)).await?;
        transaction.commit().await?;
        let (longest, next) = (by_stream.longest, plan.next);
        let (record, connector, work) = (record.clone(), Arc::clone(connector), work.clone());
        Ok(Ok(Job { record, source, connector, limits, policy, longest, zone, task, next, work }))
    }

    async fn compact(
        &self,
        transaction: &mut dyn Transaction,
        stream: StreamId,
        noted: &Noted,
        policy: &StreamPolicy,
        now: Timestamp,
    ) -> Result<Vec<Covered>> {
        // What is still to be read again must keep when it was read.
        let deepest = policy.look_backs.iter().map(|look_back| look_back.depth).max().unwrap_or(Millis::ZERO);
        let first_asked = noted.asked.iter().map(|asked| asked.1.from()).min().unwrap_or(Timestamp::MAX);
        let before = now.before(deepest).before(DAY).min(first_asked);
        let fewer = compacted(&noted.covered, policy.late.max(policy.offset), before);
        if fewer.len() < noted.covered.len() {
            let is_new = |piece: &&Covered| {
                let held = noted.covered.binary_search_by_key(&piece.window.from(), |held| held.window.from());
                held.ok().map(|index| &noted.covered[index]) != Some(*piece)
            };
            let joined: Vec<Covered> = fewer.iter().filter(is_new).copied().collect();
            transaction.put_coverage(stream, &joined).await?;
            exchange::note_joined(transaction, stream.integration, &joined).await?;
        }
        Ok(fewer)
    }

    /// Asks a source that can say what changed since its mark, and notes that to be read again.
    async fn ask_for_changes(
        &self,
        record: &IntegrationRecord,
        connector: &Arc<dyn Connector>,
        stream: Stream,
        patience: Millis,
    ) -> Result<()> {
        let Some(source) = connector.changes(stream) else { return Ok(()) };
        let id = StreamId { integration: record.id, stream };
        let mark = self.store.read().await?.mark(id).await?;
        let cx = self.context(Some(Why::Newest));
        let changed = self.patiently(patience, source.changes(&cx, mark.as_deref())).await?;
        if mark.as_deref() == Some(changed.mark.as_str()) && changed.windows.is_empty() {
            return Ok(());
        }
        let mut transaction = self.store.write().await?;
        Guard { generation: Some(record.generation), lease: None }.hold(&mut *transaction, record.id).await?;
        let at = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        let touched: Vec<RangeRecord> =
            changed.windows.into_iter().filter_map(|window| asked(id, window, at, "changed in the source")).collect();
        transaction.add_ranges(&touched).await?;
        transaction.put_mark(id, &changed.mark).await?;
        if touched.iter().any(|range| range.window.duration() > LONG_REQUEST) {
            // The lane of back-filling reads it, which may have had nothing to do.
            let lane = if stream == Stream::Contacts { Lane::ContactsBackfill } else { Lane::StatusesBackfill };
            if let Some(held) = transaction.lock_work(record.id, lane).await? {
                transaction.put_work(&[WorkRecord { due: held.due.min(at), ..held }]).await?;
            }
        }
        transaction.commit().await?;
        self.shared.wake.notify_one();
        Ok(())
    }

    /// What a system answers within `patience`.
    pub(super) async fn patiently<T>(&self, patience: Millis, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let is_over = self.clock.sleep_until(self.clock.now().after(patience));
        tokio::select! {
            biased;
            answer = answer => answer,
            () = is_over => {
                let secs = Duration::from(patience).as_secs();
                let message = format!("the external system did not answer within {secs} s");
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }
}

/// A request to read a window again, on the grid.
pub(super) fn asked(stream: StreamId, window: Window, at: Timestamp, note: &str) -> Option<RangeRecord> {
    let window = Window::new(crate::plan::floor(window.from(), QUARTER), ceil(window.to(), QUARTER)).ok()?;
    Some(RangeRecord { id: 0, stream, kind: RangeKind::Asked, window, at, note: note.to_owned() })
}

/// The longest window that a source is asked for in a lane: back-filling begins with a day, until the source has shown more.
fn size_of(lane: Lane, state: &LaneState, longest: Millis) -> Millis {
    let first = if is_back_fill(lane) { DAY } else { longest };
    state.size.map_or(first, Millis::new).min(longest).max(QUARTER.min(longest))
}

fn plan(
    record: &IntegrationRecord,
    work: &WorkRecord,
    state: &mut LaneState,
    noted: &Noted,
    busy: &Coverage,
    (policy, by_stream, zone): (&Policy, &StreamPolicy, &Zone),
    now: Timestamp,
) -> Plan {
    let (from, since) = begin_of(record, policy);
    let size = size_of(work.lane, state, by_stream.longest);
    let blocked = noted.blocked();
    let situation = Situation {
        now,
        policy: by_stream,
        zone,
        from,
        since,
        covered: &noted.covered,
        waived: &noted.waived,
        blocked: &blocked,
        asked: &noted.asked,
        busy,
        size,
        all: OnceCell::new(),
    };
    if !is_back_fill(work.lane) {
        return situation.current();
    }
    let (left, _) = situation.back_fill_left();
    if left == Millis::ZERO {
        state.fill_began = None;
    } else if state.fill_began.is_none_or(|(_, before)| before < left.get()) {
        state.fill_began = Some((now.millis(), left.get()));
    }
    situation.back_fill()
}

impl Job {
    pub(super) fn task(&self) -> Task {
        self.task
    }

    /// When something that is worth more may be due.
    pub(super) fn next(&self) -> Timestamp {
        self.next
    }

    fn target<'a>(&self, runtime: &'a Runtime) -> Target<'a> {
        Target { store: &*runtime.store, integration: self.record.id, zone: self.zone.clone(), guard: self.guard() }
    }

    fn guard(&self) -> Guard {
        Guard { generation: Some(self.record.generation), lease: Some((self.work.lane, self.work.fence)) }
    }

    /// Reads and commits the window of the task, in pieces that the source can answer.
    pub(super) async fn run(&self, runtime: &Runtime, state: &mut LaneState) -> Result<Ended> {
        let cx = runtime.context(Some(self.task.why));
        let budget = self.connector.budget();
        let size = size_of(self.work.lane, state, self.longest);
        let mut pieces = self.pieces(size);
        let (mut empty, mut found, mut most_rows, mut was_cut) = (Vec::new(), false, 0, false);
        let mut lacking = Coverage::new();
        while let Some(piece) = pieces.pop() {
            if let Some(until) = self.wait_for_permit(runtime, budget.as_ref()).await? {
                // What was answered is not asked for again; whether it was emptied on purpose nobody knows.
                for answer in empty {
                    self.commit(runtime, answer, false, &cx).await?;
                }
                return Ok(Ended::NoPermit(until));
            }
            let read = self.read(runtime, piece, &cx).await;
            if let Some(budget) = &budget {
                budget::release(&*runtime.store, budget, &self.who()).await?;
            }
            let read = match read {
                Ok(read) => read,
                Err(error) if error.permit_at().is_some() => {
                    for answer in empty {
                        self.commit(runtime, answer, false, &cx).await?;
                    }
                    return Ok(Ended::NoPermit(error.permit_at().unwrap_or(self.next)));
                }
                Err(error) if is_for_good(&error) => {
                    match halves(piece, DAY, &self.zone) {
                        Some((earlier, later)) => pieces.extend([earlier, later]),
                        None => self.block(runtime, piece, &error).await?,
                    }
                    continue;
                }
                Err(error) => {
                    if error.kind() == ErrorKind::Timeout {
                        state.size = Some((piece.duration().get() / 2).max(QUARTER.get()));
                    }
                    if let (Some(budget), Some(after)) = (&budget, error.retry_after()) {
                        let after = Millis::from(after).min(Millis::new(LONGEST_WAIT));
                        let until = runtime.now().await?.after(after);
                        budget::hold_off(&*runtime.store, budget, until).await?;
                    }
                    if let (Some(budget), ErrorKind::Unauthenticated) = (&budget, error.kind()) {
                        budget::refuse(&*runtime.store, budget, error.to_string()).await?;
                    }
                    if matches!(self.task.why, Why::BackFill | Why::Gap) {
                        // Read for the first time: nothing is there that they could remove.
                        for answer in empty {
                            self.commit(runtime, answer, false, &cx).await?;
                        }
                    }
                    return Err(error);
                }
            };
            match read {
                Read::NotYet => lacking.insert(piece),
                Read::Truncated => {
                    was_cut = true;
                    let Some((earlier, later)) = halves(piece, self.limits.smallest_window, &self.zone) else {
                        let message = "the answer is cut even for the shortest window that the system can be asked for";
                        self.block(runtime, piece, &Error::new(ErrorKind::DataInvalid, message)).await?;
                        continue;
                    };
                    state.size = Some(later.duration().get().max(QUARTER.get()));
                    pieces.extend([earlier, later]);
                }
                Read::Complete(answer) => {
                    lacking.extend(Window::new(answer.window().to(), piece.to()));
                    most_rows = most_rows.max(answer.rows());
                    if answer.is_empty() && !found {
                        // Whether nothing means that all is gone shows when the rest of the window was read.
                        empty.push(answer);
                        continue;
                    }
                    found = true;
                    for answer in empty.drain(..) {
                        self.commit(runtime, answer, true, &cx).await?;
                    }
                    self.commit(runtime, answer, true, &cx).await?;
                }
            }
        }
        for answer in empty {
            self.commit(runtime, answer, self.policy.empty_removes, &cx).await?;
        }
        let was_full = self.task.window.duration() >= size;
        if !lacking.is_empty() {
            return Ok(Ended::NotYet(lacking));
        }
        if !was_cut && was_full && most_rows < FEW_ROWS {
            state.size = Some((size.get() * 2).min(self.longest.get()));
        }
        Ok(Ended::Done)
    }

    /// The window in pieces of at most `size`, the newest last.
    fn pieces(&self, size: Millis) -> Vec<Window> {
        let mut pieces = Vec::new();
        let mut rest = Some(self.task.window);
        while let Some(window) = rest {
            let piece = last_piece(window, size, &self.zone).intersection(window).unwrap_or(window);
            rest = Window::new(window.from(), piece.from()).ok();
            pieces.push(piece);
        }
        pieces.reverse();
        pieces
    }

    fn who(&self) -> String {
        format!("{}/{:?}", self.record.id, self.work.lane)
    }

    async fn wait_for_permit(&self, runtime: &Runtime, budget: Option<&Budget>) -> Result<Option<Timestamp>> {
        let Some(budget) = budget else { return Ok(None) };
        let times = (runtime.now().await?, self.policy.patience);
        let permits = self.limits.permits;
        match budget::permit(&*runtime.store, budget, permits, self.task.why, &self.who(), times).await? {
            Permit::Granted => Ok(None),
            Permit::Wait(until) => Ok(Some(until)),
            Permit::Refused(reason) => Err(Error::new(ErrorKind::Unauthenticated, reason)),
        }
    }

    async fn read(&self, runtime: &Runtime, piece: Window, cx: &Context) -> Result<Read> {
        let target = self.target(runtime);
        let began = runtime.now().await?;
        let read = import::read_window(&target, &self.source, piece, began, cx);
        runtime.patiently(self.policy.patience, read).await.map_err(|error| error.with("window", piece))
    }

    async fn commit(&self, runtime: &Runtime, answer: Box<Answer>, may_empty: bool, cx: &Context) -> Result<()> {
        let report = answer.commit(&self.target(runtime), may_empty, cx).await?;
        runtime.committed();
        let labels =
            [("integration", self.record.id.to_string()), ("why", super::lane::why_text(self.task.why).to_owned())];
        metrics::counter!("injixo_imports_total", &labels).increment(1);
        metrics::counter!("injixo_rows_imported_total", &labels).increment(report.imported);
        metrics::counter!("injixo_rows_rejected_total", &labels).increment(report.rejected);
        metrics::histogram!("injixo_import_seconds", &labels).record(report.elapsed.as_secs_f64());
        tracing::debug!(integration = %self.record.name, %report, "imported");
        Ok(())
    }

    /// Gives a window up, by name.
    async fn block(&self, runtime: &Runtime, window: Window, error: &Error) -> Result<()> {
        tracing::warn!(integration = %self.record.name, %window, %error, "a window cannot be imported");
        let mut transaction = runtime.store.write().await?;
        self.guard().hold(&mut *transaction, self.record.id).await?;
        let stream = StreamId { integration: self.record.id, stream: self.source.stream() };
        let at = transaction.now().await?.unwrap_or_else(|| runtime.clock.now());
        let range = RangeRecord { id: 0, stream, kind: RangeKind::Blocked, window, at, note: error.to_string() };
        transaction.add_ranges(&[range]).await?;
        transaction.commit().await
    }
}

/// Whether asking the same again cannot help, but the neighbours of the window may be fine.
fn is_for_good(error: &Error) -> bool {
    !error.is_retryable()
        && matches!(error.kind(), ErrorKind::DataInvalid | ErrorKind::Protocol | ErrorKind::Unexpected)
}

/// Whether an integration may be worked on.
pub(super) fn is_active(record: &IntegrationRecord) -> bool {
    record.state == IntegrationState::Active
}
