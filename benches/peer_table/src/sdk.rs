//! What is measured of the SDK: one task in a process of its own, by the public API.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use injixo_connectors::core::aggregate::{Aggregator, IntervalTable, Overlap, StatusTable};
use injixo_connectors::core::connector::{Connector, Context, Delivery, RowSink, RowWriter};
use injixo_connectors::core::model::{
    Channel, ContactBatch, IntervalBatch, IntervalLength, IntervalRow, RejectedRow, StatusBatch,
};
use injixo_connectors::core::zone::{Grid, Zone};
use injixo_connectors::core::{self, ImportReport, read_file_intervals, read_file_statuses};
use injixo_connectors::csv::{Csv, Schema};
use nix::sys::resource::UsageWho;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::measure::{Took, time};

pub(crate) const ZONE: &str = "Europe/Berlin";

pub(crate) const CONTACTS: &str =
    "data = 'contacts'\ntime_zone = 'Europe/Berlin'\nfold = 'earlier'\n[columns]\nqueue = 'Queue'
date = { column = 'Date', format = 'DD/MM/YYYY' }\ntime = { column = 'Time', format = 'hh:mm:ss' }
offered = 'Offered'\nhandled = 'Answered'\nduration = 'Duration'\nchannel = 'Channel'\n";

pub(crate) const STATUSES: &str =
    "data = 'agent-status'\ntime_zone = 'Europe/Berlin'\nfold = 'earlier'\n[columns]\nagent = 'AgentID'
activity = 'Activity'\nstart_timestamp = { column = 'Start', format = 'YYYY-MM-DD hh:mm:ss' }
end_timestamp = { column = 'End', format = 'YYYY-MM-DD hh:mm:ss' }\n";

pub(crate) const GENERAL: &str = "data = 'contacts'\ntime_zone = 'Europe/Berlin'\nfold = 'earlier'\nencoding = 'windows-1252'\n[columns]
queue = 'Queue'\ndate = { column = 'Day', format = ['DD/MM/YYYY', 'YYYY-MM-DD'] }\ntime = { column = 'Clock', format = 'hh:mm:ss' }
offered = 'Offered'\nhandled = 'Answered'\nduration = 'Seconds'\nchannel = 'Channel'\n";

fn csv(schema: &str) -> Result<Csv, Failure> {
    Ok(Csv::new(schema.parse::<Schema>()?))
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(work))
}

/// Runs a task on the files of `folder` by so many threads; what it took, and the checksum of what it gave if asked for.
pub(crate) fn run(task: &str, folder: &Path, check: bool, threads: usize) -> Result<(Took, Option<Value>), Failure> {
    let contacts = folder.join("contacts.csv");
    let own = UsageWho::RUSAGE_SELF;
    let every = |minutes| IntervalLength::from_minutes(minutes);
    match task {
        "A" => of_file(CONTACTS, &contacts, check, threads),
        "G" => of_file(GENERAL, &folder.join("general/general.csv"), check, threads),
        "loop" => {
            let (took, rows) = time(own, || bare_loop(&contacts));
            Ok((took, check.then_some(json!({ "rows": rows? }))))
        }
        "B15" => {
            let shares = shares(block_on(contacts_of(&contacts))??, threads);
            let sum =
                |batch: &ContactBatch| Aggregator::new(IntervalLength::MINUTES_15, &zone()).contacts([batch]).finish();
            let all = || {
                let mut tables = in_threads(&shares, sum).into_iter();
                let first = tables.next().ok_or("no share")?;
                tables.try_fold(first, |whole, table| whole.plus(&table)).map_err(Failure::from)
            };
            let (took, table) = time(own, || black_box(all()));
            let table = table?;
            Ok((took, check.then(|| checksum_of_intervals(&table))))
        }
        "C" => {
            let connector = csv(STATUSES)?;
            let read = async {
                let statuses = folder.join("statuses.csv");
                let cx = Context::default().on_threads(threads);
                let (spans, report) = read_file_statuses(&connector, statuses, &cx, |_| {}).await?;
                Ok((spans.times(&grid(), Overlap::Both, None, |_| true), report))
            };
            let (took, read) = time(own, || block_on(read));
            let (table, _): (_, ImportReport) = read?.map_err(|error: core::Error| error)?;
            Ok((took, check.then(|| checksum_of_statuses(&table))))
        }
        "Cmem" | "Ctimeline" => {
            let batch = block_on(statuses_of(&folder.join("statuses.csv")))??;
            let overlap = if task == "Cmem" { Overlap::Both } else { Overlap::Shortest };
            let sum = || {
                let mut spans = core::aggregate::StatusAggregator::new();
                spans.add(&batch);
                spans.times(&grid(), overlap, None, |_| true)
            };
            let (took, table) = time(own, || black_box(sum()));
            Ok((took, check.then(|| checksum_of_statuses(&table))))
        }
        "D30" | "D60" => {
            let quarters = quarters(&contacts)?;
            let length = every(task[1..].parse()?)?;
            let (took, table) = time(own, || black_box(quarters.roll_up(length)));
            let table = table?;
            Ok((took, check.then(|| with_input(checksum_of_intervals(&table), quarters.len()))))
        }
        "D30u" | "D60u" => {
            let batch = unsorted(&quarters(&contacts)?);
            let length = every(task[1..3].parse()?)?;
            let sum = || {
                let mut sums = Aggregator::new(length, &zone());
                sums.add_interval_rows(&batch).map(|()| sums.finish())
            };
            let (took, table) = time(own, || black_box(sum()));
            let table = table?;
            Ok((took, check.then(|| with_input(checksum_of_intervals(&table), batch.len()))))
        }
        _ => Err(format!("there is no task {task}").into()),
    }
}

/// A batch as so many of them, one after another.
fn shares(batch: ContactBatch, shares: usize) -> Vec<ContactBatch> {
    if shares == 1 {
        return vec![batch];
    }
    let share = |from: usize| {
        let mut some = ContactBatch::new();
        batch.queues().iter().for_each(|queue| _ = some.add_queue(queue.clone()));
        let rows = from..batch.len().min(from + batch.len().div_ceil(shares));
        rows.for_each(|row| some.push(batch.rows()[row].queue, &batch.contact(row)));
        some
    };
    (0..batch.len()).step_by(batch.len().div_ceil(shares)).map(share).collect()
}

/// What `work` says of each share, each on a thread of its own but the first.
fn in_threads<S: Sync, T: Send>(shares: &[S], work: impl Fn(&S) -> T + Sync) -> Vec<T> {
    let Some((first, others)) = shares.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = others.iter().map(|share| scope.spawn(move || work(share))).collect();
        let first = work(first);
        let joined = others.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panic!("a thread panicked")));
        std::iter::once(first).chain(joined).collect()
    })
}

fn zone() -> Zone {
    Zone::new(ZONE).unwrap_or_else(|error| panic!("{error}"))
}

fn grid() -> Grid {
    Grid::new(&zone(), IntervalLength::MINUTES_15)
}

fn of_file(schema: &str, file: &Path, check: bool, threads: usize) -> Result<(Took, Option<Value>), Failure> {
    let connector = csv(schema)?;
    let mut rejected = Vec::new();
    let (took, read) = time(UsageWho::RUSAGE_SELF, || {
        block_on(read_file_intervals(&connector, file, &Context::default().on_threads(threads), |row| {
            rejected.push((row.line, row.column.clone()));
        }))
    });
    let (table, _) = read??;
    let checksum = check.then(|| {
        let mut checksum = checksum_of_intervals(&table);
        checksum["rejected"] = json!(rejected);
        checksum
    });
    Ok((took, checksum))
}

/// The csv crate's loop over all records, which converts nothing.
fn bare_loop(file: &Path) -> Result<u64, Failure> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').buffer_capacity(1 << 18).from_path(file)?;
    let (mut record, mut rows) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record)? {
        black_box(&record);
        rows += 1;
    }
    Ok(rows)
}

/// Collects everything that is read in one batch.
#[derive(Default)]
struct Collected {
    contacts: ContactBatch,
    statuses: StatusBatch,
}

impl RowSink for Collected {
    fn contacts(&mut self, batch: &ContactBatch) -> core::Result<()> {
        for queue in &batch.queues()[self.contacts.queues().len()..] {
            self.contacts.add_queue(queue.clone());
        }
        (0..batch.len()).for_each(|row| self.contacts.push(batch.rows()[row].queue, &batch.contact(row)));
        Ok(())
    }

    fn interval_rows(&mut self, _: &IntervalBatch) -> core::Result<()> {
        Ok(())
    }

    fn statuses(&mut self, batch: &StatusBatch) -> core::Result<()> {
        for agent in &batch.agents()[self.statuses.agents().len()..] {
            self.statuses.add_agent(agent.clone());
        }
        for status in &batch.statuses()[self.statuses.statuses().len()..] {
            self.statuses.add_status(status.clone());
        }
        batch.rows().iter().for_each(|(agent, span)| self.statuses.push(*agent, *span));
        Ok(())
    }

    fn rejected(&mut self, _: &RejectedRow) -> core::Result<()> {
        Ok(())
    }
}

async fn collected(schema: &str, file: &Path) -> Result<Collected, Failure> {
    let (connector, cx, mut all) = (csv(schema)?, Context::default(), Collected::default());
    let Some(source) = connector.deliveries() else { return Err("no files".into()) };
    let delivery = Delivery { key: String::new(), name: String::new(), settings: String::new(), location: file.into() };
    let mut writer = RowWriter::new(&cx, &mut all);
    source.read(&cx, &delivery, &mut writer).await?;
    writer.finish()?;
    Ok(all)
}

async fn contacts_of(file: &Path) -> Result<ContactBatch, Failure> {
    Ok(collected(CONTACTS, file).await?.contacts)
}

async fn statuses_of(file: &Path) -> Result<StatusBatch, Failure> {
    Ok(collected(STATUSES, file).await?.statuses)
}

fn quarters(file: &Path) -> Result<IntervalTable, Failure> {
    let (connector, cx) = (csv(CONTACTS)?, Context::default());
    Ok(block_on(read_file_intervals(&connector, file, &cx, |_| {}))??.0)
}

/// The rows of a table in no order.
fn unsorted(table: &IntervalTable) -> IntervalBatch {
    let mut batch = IntervalBatch::new();
    let mut rows = Vec::with_capacity(table.len());
    for (queue, cells) in table.queues() {
        let queue = batch.add_queue(queue.clone());
        let length = IntervalLength::MINUTES_15.millis();
        rows.extend(cells.map(|(start, measures)| (queue, IntervalRow { start, length, measures })));
    }
    // A fixed shuffle, the same in each run.
    let mut seed = 1_u64;
    for index in (1..rows.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = (seed >> 33) % (index as u64 + 1);
        rows.swap(index, usize::try_from(other).unwrap_or(0));
    }
    rows.into_iter().for_each(|(queue, row)| batch.push(queue, row));
    batch
}

fn with_input(mut check: Value, rows: usize) -> Value {
    check["input"] = json!(rows);
    check
}

fn hash(text: &str, rows: usize) -> Value {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    json!({ "rows": rows, "sha256": hex })
}

/// Sorted lines of `queue;channel;t;offered;handled;handle_time`.
fn checksum_of_intervals(table: &IntervalTable) -> Value {
    let mut series: BTreeMap<(&str, &str), _> = BTreeMap::new();
    for (queue, cells) in table.queues() {
        series.insert((queue.id.as_str(), Channel::as_str(queue.channel)), cells);
    }
    let mut text = String::new();
    for ((queue, channel), cells) in series {
        for (start, measures) in cells {
            let (at, time) = (start.millis() / 1_000, measures.handle_time.total.get() / 1_000);
            let _ = writeln!(text, "{queue};{channel};{at};{};{};{time}", measures.offered, measures.handled);
        }
    }
    hash(&text, table.len())
}

/// Lines of `agent;activity;t;seconds`, sorted by the agent as a number.
fn checksum_of_statuses(table: &StatusTable) -> Value {
    let mut agents: Vec<_> = table.agents().collect();
    agents.sort_by_key(|(agent, _)| agent.parse::<u64>().unwrap_or(0));
    let mut text = String::new();
    for (agent, times) in agents {
        for time in times {
            let activity = &table.statuses()[time.status as usize];
            let (at, seconds) = (time.start.millis() / 1_000, time.time.get() / 1_000);
            let _ = writeln!(text, "{agent};{activity};{at};{seconds}");
        }
    }
    hash(&text, table.len())
}
