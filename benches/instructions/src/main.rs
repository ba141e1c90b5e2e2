//! The hot loops, each run once on data made for it, so that their instructions can be counted.
//!
//! `instructions` names the tasks; `instructions TASK` runs one and prints how many rows it took. Under
//! `valgrind --tool=callgrind --toggle-collect='instructions::measured*'` nothing but the loop is counted. `scripts/test speed` does
//! that for all of them.

mod data;

use std::hint::black_box;
use std::process::ExitCode;

use injixo_connectors::core::aggregate::{Aggregator, IntervalTable, Overlap, StatusAggregator, StatusTable};
use injixo_connectors::core::connector::Context;
use injixo_connectors::core::model::{ContactBatch, IntervalLength};
use injixo_connectors::core::zone::{Grid, Zone};
use injixo_connectors::core::{ImportReport, read_file_intervals, read_file_statuses};
use injixo_connectors::csv::{Csv, Schema};

use crate::data::{ROWS, ROWS_PER_REJECT};

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
    let mut args = std::env::args().skip(1);
    let Some(task) = args.next() else {
        TASKS.iter().for_each(|task| println!("{task}"));
        return ExitCode::SUCCESS;
    };
    match run(&task) {
        Ok(rows) => {
            println!("{rows}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {task}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is counted: this function and all that it calls.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// Runs a task; how many rows it took.
fn run(task: &str) -> Result<usize, Failure> {
    match task {
        "contacts_csv" => contacts_of_file(CONTACTS, &data::csv_of(&data::contacts()), 0),
        "contacts_csv_shuffled" => contacts_of_file(CONTACTS, &data::csv_of(&data::shuffled(data::contacts())), 0),
        "contacts_csv_general" => {
            contacts_of_file(GENERAL, &data::general_csv_of(&data::contacts()), ROWS / ROWS_PER_REJECT)
        }
        "contacts_memory" => contacts_of_batch(&data::batch_of(&data::contacts())),
        "contacts_memory_shuffled" => contacts_of_batch(&data::batch_of(&data::shuffled(data::contacts()))),
        "statuses_csv" => statuses_of_file(),
        "statuses_memory" => statuses_of_batch(Overlap::Both),
        "timeline_memory" => statuses_of_batch(Overlap::Shortest),
        "roll_up" => {
            let quarters = sum(&data::batch_of(&data::contacts()))?;
            let length = IntervalLength::from_minutes(30)?;
            let halves = measured(|| quarters.roll_up(length))?;
            expect(offered(&halves), ROWS)?;
            Ok(quarters.len())
        }
        "interval_rows_unsorted" => {
            let batch = data::unsorted(&sum(&data::batch_of(&data::contacts()))?);
            let (length, zone) = (IntervalLength::from_minutes(30)?, zone()?);
            let halves = measured(|| {
                let mut sums = Aggregator::new(length, &zone);
                sums.add_interval_rows(&batch).map(|()| sums.finish())
            })?;
            expect(offered(&halves), ROWS)?;
            Ok(batch.len())
        }
        _ => Err("there is no such task".into()),
    }
}

fn contacts_of_file(schema: &str, text: &[u8], rejected: usize) -> Result<usize, Failure> {
    let (connector, file, context) = (Csv::new(schema.parse::<Schema>()?), file_of(text)?, Context::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (table, report) =
        measured(|| runtime.block_on(read_file_intervals(&connector, file.path(), &context, |_| {})))?;
    expect_read(&report, rejected)?;
    expect(offered(&table), ROWS - rejected)?;
    Ok(ROWS)
}

fn contacts_of_batch(batch: &ContactBatch) -> Result<usize, Failure> {
    let zone = zone()?;
    let table = measured(|| Aggregator::new(IntervalLength::MINUTES_15, &zone).contacts([batch]).finish());
    expect(offered(&table), ROWS)?;
    Ok(ROWS)
}

fn statuses_of_file() -> Result<usize, Failure> {
    let (connector, file) = (Csv::new(STATUSES.parse::<Schema>()?), file_of(&data::status_csv_of(&data::statuses()))?);
    let (context, grid) = (Context::default(), grid()?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let read = async {
        let (spans, report) = read_file_statuses(&connector, file.path(), &context, |_| {}).await?;
        Ok::<_, Failure>((spans.times(&grid, Overlap::Both, None, |_| true), report))
    };
    let (table, report) = measured(|| runtime.block_on(read))?;
    expect_read(&report, 0)?;
    expect_times(&table)
}

fn statuses_of_batch(overlap: Overlap) -> Result<usize, Failure> {
    let (batch, grid) = (data::status_batch_of(&data::statuses()), grid()?);
    let table = measured(|| {
        let mut spans = StatusAggregator::new();
        spans.add(&batch);
        spans.times(&grid, overlap, None, |_| true)
    });
    expect_times(&table)
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

fn file_of(text: &[u8]) -> Result<tempfile::NamedTempFile, Failure> {
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

fn expect_read(report: &ImportReport, rejected: usize) -> Result<(), Failure> {
    expect(usize::try_from(report.rejected)?, rejected)?;
    expect(usize::try_from(report.imported)?, ROWS - rejected)
}

fn expect_times(table: &StatusTable) -> Result<usize, Failure> {
    if table.len() < ROWS / 2 {
        return Err(format!("{} times of {ROWS} statuses", table.len()).into());
    }
    Ok(ROWS)
}
