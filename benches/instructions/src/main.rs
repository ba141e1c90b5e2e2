//! The hot loops, each run once on data made for it, so that their instructions can be counted and their time and memory measured.
//!
//! `instructions` names the tasks; `instructions TASK [ROWS]` runs one and prints how many rows it took. Under
//! `valgrind --tool=callgrind --toggle-collect='instructions::measured*'` nothing but the loop is counted. `scripts/test speed` does
//! that for all of them. `instructions --time [ROWS,…]` runs all of them with a hundred thousand, a million and ten million rows, or
//! with as many as are named, each in a process of its own, and prints time and peak memory.

mod data;

use std::hint::black_box;
use std::process::ExitCode;

use injixo_connectors::core::aggregate::{Aggregator, IntervalTable, Overlap, StatusAggregator, StatusTable};
use injixo_connectors::core::connector::Context;
use injixo_connectors::core::model::{ContactBatch, IntervalLength};
use injixo_connectors::core::zone::{Grid, Zone};
use injixo_connectors::core::{ImportReport, read_file_intervals, read_file_statuses};
use injixo_connectors::csv::{Csv, Schema};

use crate::data::ROWS_PER_REJECT;

/// So many that what is done once per file, and what differs by the random seeds of hash tables, does not count.
const ROWS: usize = 100_000;

const TASKS: [&str; 10] = [
    "contacts_csv",
    "contacts_csv_shuffled",
    "contacts_csv_general",
    "contacts_memory",
    "contacts_memory_shuffled",
    "statuses_csv",
    "statuses_memory",
    "timeline_memory",
    "roll_up",
    "interval_rows_unsorted",
];

const CONTACTS: &str = "data = 'contacts'\ntime_zone = 'Europe/Berlin'\nfold = 'earlier'\n[columns]\nqueue = 'Queue'
date = { column = 'Date', format = 'DD/MM/YYYY' }\ntime = { column = 'Time', format = 'hh:mm:ss' }
offered = 'Offered'\nhandled = 'Answered'\nduration = 'Duration'\nchannel = 'Channel'\n";

const GENERAL: &str = "data = 'contacts'\ntime_zone = 'Europe/Berlin'\nfold = 'earlier'\nencoding = 'windows-1252'
[columns]\nqueue = 'Queue'\ndate = { column = 'Day', format = ['DD/MM/YYYY', 'YYYY-MM-DD'] }
time = { column = 'Clock', format = 'hh:mm:ss' }\noffered = 'Offered'\nhandled = 'Answered'\nduration = 'Seconds'
channel = 'Channel'\n";

const STATUSES: &str = "data = 'agent-status'\ntime_zone = 'Europe/Berlin'\nfold = 'earlier'\n[columns]
agent = 'AgentID'\nactivity = 'Activity'\nstart_timestamp = { column = 'Start', format = 'YYYY-MM-DD hh:mm:ss' }
end_timestamp = { column = 'End', format = 'YYYY-MM-DD hh:mm:ss' }\n";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [] => {
            TASKS.iter().for_each(|task| println!("{task}"));
            Ok(())
        }
        ["--time"] => timed(&[ROWS, 10 * ROWS, 100 * ROWS]),
        ["--time", sizes] => sizes
            .split(',')
            .map(|size| size.parse().map_err(Failure::from))
            .collect::<Result<Vec<usize>, _>>()
            .and_then(|sizes| timed(&sizes)),
        ["--once", task, rows] => rows.parse().map_err(Failure::from).and_then(|rows| once(task, rows)),
        [task] => run(task, ROWS).map(|rows| println!("{rows}")),
        [task, rows] => {
            let run = rows.parse().map_err(Failure::from).and_then(|rows| run(task, rows));
            run.map(|rows| println!("{rows}"))
        }
        _ => Err("usage: instructions [TASK [ROWS] | --time [ROWS,…]]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what each task takes for each number of rows: the median of processor seconds, and the most memory.
fn timed(sizes: &[usize]) -> Result<(), Failure> {
    println!("task | rows | CPU s | million rows/s | MiB before | MiB at most");
    for &size in sizes {
        let runs = if size > 20 * ROWS { 1 } else { 5 };
        for task in TASKS {
            let mut took: Vec<[f64; 4]> = (0..runs).map(|_| in_process(task, size)).collect::<Result<_, _>>()?;
            took.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let [cpu, rows, before, peak] = took[took.len() / 2];
            println!("{task} | {rows:.0} | {cpu:.4} | {:.2} | {before:.0} | {peak:.0}", rows / cpu / 1e6);
        }
    }
    Ok(())
}

fn in_process(task: &str, rows: usize) -> Result<[f64; 4], Failure> {
    let program = std::env::current_exe()?;
    let output = std::process::Command::new(program).args(["--once", task, &rows.to_string()]).output()?;
    let printed = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let failed = || format!("{task}: {}", String::from_utf8_lossy(&output.stderr));
    numbers.try_into().map_err(|_| failed().into())
}

/// Runs a task and prints processor seconds, rows, and the memory in MiB before it and at most.
fn once(task: &str, rows: usize) -> Result<(), Failure> {
    let rows = run(task, rows)?;
    let took = TOOK.get().ok_or("nothing was measured")?;
    println!("{} {rows} {} {}", took.cpu, took.before, took.peak);
    Ok(())
}

struct Took {
    cpu: f64,
    before: f64,
    peak: f64,
}

static TOOK: std::sync::OnceLock<Took> = std::sync::OnceLock::new();

/// A size that the kernel tells of this process, in MiB.
fn mebibytes(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_or(0.0, |kibibytes: f64| kibibytes / 1_024.0)
}

/// Seconds of processor time of this process.
fn cpu() -> f64 {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID.now();
    clock.map_or(0.0, |time| std::time::Duration::from(time).as_secs_f64())
}

/// What is counted: this function and all that it calls.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// The same with its time and memory.
fn watched<T>(work: impl FnOnce() -> T) -> T {
    // From here on the kernel counts the most memory anew.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (before, start) = (mebibytes("VmRSS:"), cpu());
    let done = measured(work);
    let _ = TOOK.set(Took { cpu: cpu() - start, before, peak: mebibytes("VmHWM:") });
    done
}

/// Runs a task; how many rows it took.
fn run(task: &str, rows: usize) -> Result<usize, Failure> {
    match task {
        "contacts_csv" => contacts_of_file(CONTACTS, data::csv_of(&data::contacts(rows)), 0, rows),
        "contacts_csv_shuffled" => {
            contacts_of_file(CONTACTS, data::csv_of(&data::shuffled(data::contacts(rows))), 0, rows)
        }
        "contacts_csv_general" => {
            contacts_of_file(GENERAL, data::general_csv_of(&data::contacts(rows)), rows / ROWS_PER_REJECT, rows)
        }
        "contacts_memory" => contacts_of_batch(&data::batch_of(&data::contacts(rows)), rows),
        "contacts_memory_shuffled" => contacts_of_batch(&data::batch_of(&data::shuffled(data::contacts(rows))), rows),
        "statuses_csv" => statuses_of_file(rows),
        "statuses_memory" => statuses_of_batch(Overlap::Both, rows),
        "timeline_memory" => statuses_of_batch(Overlap::Shortest, rows),
        "roll_up" => {
            let quarters = sum(&data::batch_of(&data::contacts(rows)))?;
            let length = IntervalLength::from_minutes(30)?;
            let halves = watched(|| quarters.roll_up(length))?;
            expect(offered(&halves), rows)?;
            Ok(quarters.len())
        }
        "interval_rows_unsorted" => {
            let batch = data::unsorted(&sum(&data::batch_of(&data::contacts(rows)))?);
            let (length, zone) = (IntervalLength::from_minutes(30)?, zone()?);
            let halves = watched(|| {
                let mut sums = Aggregator::new(length, &zone);
                sums.add_interval_rows(&batch).map(|()| sums.finish())
            })?;
            expect(offered(&halves), rows)?;
            Ok(batch.len())
        }
        _ => Err("there is no such task".into()),
    }
}

fn contacts_of_file(schema: &str, text: Vec<u8>, rejected: usize, rows: usize) -> Result<usize, Failure> {
    let (connector, file, context) = (Csv::new(schema.parse::<Schema>()?), file_of(text)?, Context::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (table, report) = watched(|| runtime.block_on(read_file_intervals(&connector, file.path(), &context, |_| {})))?;
    expect_read(&report, rejected, rows)?;
    expect(offered(&table), rows - rejected)?;
    Ok(rows)
}

fn contacts_of_batch(batch: &ContactBatch, rows: usize) -> Result<usize, Failure> {
    let zone = zone()?;
    let table = watched(|| Aggregator::new(IntervalLength::MINUTES_15, &zone).contacts([batch]).finish());
    expect(offered(&table), rows)?;
    Ok(rows)
}

fn statuses_of_file(rows: usize) -> Result<usize, Failure> {
    let (connector, file) =
        (Csv::new(STATUSES.parse::<Schema>()?), file_of(data::status_csv_of(&data::statuses(rows)))?);
    let (context, grid) = (Context::default(), grid()?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let read = async {
        let (spans, report) = read_file_statuses(&connector, file.path(), &context, |_| {}).await?;
        Ok::<_, Failure>((spans.times(&grid, Overlap::Both, None, |_| true), report))
    };
    let (table, report) = watched(|| runtime.block_on(read))?;
    // Spans that lie within the hour which a clock change skips end before they start: a few in ten million.
    let rejected = usize::try_from(report.rejected)?;
    expect_read(&report, rejected.min(rows / 100_000), rows)?;
    expect_times(&table, rows)
}

fn statuses_of_batch(overlap: Overlap, rows: usize) -> Result<usize, Failure> {
    let (batch, grid) = (data::status_batch_of(&data::statuses(rows)), grid()?);
    let table = watched(|| {
        let mut spans = StatusAggregator::new();
        spans.add(&batch);
        spans.times(&grid, overlap, None, |_| true)
    });
    expect_times(&table, rows)
}

fn sum(batch: &ContactBatch) -> Result<IntervalTable, Failure> {
    Ok(Aggregator::new(IntervalLength::MINUTES_15, &zone()?).contacts([batch]).finish())
}

fn zone() -> Result<Zone, Failure> {
    Ok(Zone::new("Europe/Berlin")?)
}

fn grid() -> Result<Grid, Failure> {
    Ok(Grid::new(&zone()?, IntervalLength::MINUTES_15))
}

fn file_of(text: Vec<u8>) -> Result<tempfile::NamedTempFile, Failure> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), text)?;
    Ok(file)
}

fn offered(table: &IntervalTable) -> usize {
    let micros: i64 = table.rows().map(|row| row.measures.offered.micros()).sum();
    usize::try_from(micros / 1_000_000).unwrap_or(0)
}

// A loop that leaves rows out would be fast.

fn expect(found: usize, expected: usize) -> Result<(), Failure> {
    if found == expected { Ok(()) } else { Err(format!("{found} instead of {expected} rows").into()) }
}

fn expect_read(report: &ImportReport, rejected: usize, rows: usize) -> Result<(), Failure> {
    expect(usize::try_from(report.rejected)?, rejected)?;
    expect(usize::try_from(report.imported)?, rows - rejected)
}

fn expect_times(table: &StatusTable, rows: usize) -> Result<usize, Failure> {
    if table.len() < rows / 2 {
        return Err(format!("{} times of {rows} statuses", table.len()).into());
    }
    Ok(rows)
}
