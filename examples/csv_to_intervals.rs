//! Turns CSV exports into a table of intervals, or of agent statuses.
//!
//! Run with: `cargo run --release --example csv_to_intervals -- --schema schema.toml FILE...`
//!
//! Results go to standard output, messages to standard error. Ends with 0 when everything was imported, 1 when something
//! failed, 3 when rows were rejected.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use injixo_connectors::core::aggregate::Overlap;
use injixo_connectors::core::connector::{Context, Progress};
use injixo_connectors::core::model::{IntervalLength, RejectedRow, Timestamp};
use injixo_connectors::core::zone::{FoldPolicy, GapPolicy, Grid, LocalTime, Resolver, Zone};
use injixo_connectors::core::{
    Fill, ImportReport, Integration, MemoryStore, Runtime, SqliteStore, read_file_intervals, read_file_statuses,
};
use injixo_connectors::csv::{self, Csv, Schema};
use injixo_workspace::{
    Args, Rejects, StatusTimes, TableError, is_broken_pipe, write_interval_table, write_intervals, write_status_table,
    write_status_times, write_timeline,
};

const USAGE: &str = "\
usage: csv_to_intervals --schema SCHEMA.toml [OPTIONS] FILE...
       csv_to_intervals inspect FILE

  --interval 15|30|60   length of the intervals (default: 15, or that of the schema)
  --rejects FILE        writes the rejected rows
  --store FILE          imports into this SQLite store and writes what it then holds
  --quiet               writes no table
agent status:
  --timeline            writes the timeline instead of time per interval
  --overlap both        counts overlapping spans whole instead of the shortest
  --as-of TIME          up to when a span without an end counts (2024-03-31T12:00:00Z, or local without Z)";

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Options {
    schema: Schema,
    interval: Option<IntervalLength>,
    rejects: Option<String>,
    store: Option<String>,
    is_quiet: bool,
    is_timeline: bool,
    overlap: Overlap,
    as_of: Option<Timestamp>,
    files: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            if error.downcast_ref::<io::Error>().is_some_and(is_broken_pipe) {
                return ExitCode::SUCCESS;
            }
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let mut args = Args::of_program();
    if args.flag("--help") {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let schema = args.value("--schema")?;
    let Some(schema) = schema else {
        return match args.rest()?.as_slice() {
            [command, file] if command == "inspect" => inspect(file),
            _ => Err(USAGE.into()),
        };
    };
    let options = options(&schema, args)?;
    if options.stands_for_itself() {
        return sum_up(&options).await;
    }
    match &options.store {
        Some(path) => import(&options, Runtime::new(SqliteStore::open(path).await?)).await,
        None => import(&options, Runtime::new(MemoryStore::new())).await,
    }
}

fn inspect(file: &str) -> Result<ExitCode, Failure> {
    let proposal = csv::inspect(file)?;
    print!("{}", proposal.toml());
    eprint!("{}", proposal.preview());
    Ok(ExitCode::SUCCESS)
}

fn options(schema: &str, mut args: Args) -> Result<Options, Failure> {
    let schema = Schema::from_file(schema)?;
    let interval = match args.value("--interval")?.as_deref() {
        None => schema.interval_length(),
        Some(minutes @ ("15" | "30" | "60")) => Some(IntervalLength::from_minutes(minutes.parse()?)?),
        Some(other) => return Err(format!("--interval {other} is not possible, expected 15, 30 or 60").into()),
    };
    if let (Some(asked), Some(own)) = (interval, schema.interval_length())
        && asked < own
    {
        return Err(format!(
            "--interval {} is shorter than the {own} of the schema: ready-made rows cannot be split",
            asked.minutes()
        )
        .into());
    }
    let overlap = match args.value("--overlap")?.as_deref() {
        None | Some("shortest") => Overlap::Shortest,
        Some("both") => Overlap::Both,
        Some(other) => return Err(format!("--overlap {other} is not possible, expected both").into()),
    };
    let as_of = args.value("--as-of")?.map(|text| instant(&text, schema.zone())).transpose()?;
    let (rejects, store) = (args.value("--rejects")?, args.value("--store")?);
    let (is_quiet, is_timeline) = (args.flag("--quiet"), args.flag("--timeline"));
    if !schema.is_agent_status() && (is_timeline || as_of.is_some() || overlap == Overlap::Both) {
        return Err("--timeline, --overlap and --as-of belong to agent status; the schema is for contact data".into());
    }
    let files = args.rest()?;
    if files.is_empty() {
        return Err(format!("no file was named\n{USAGE}").into());
    }
    Ok(Options { schema, interval, rejects, store, is_quiet, is_timeline, overlap, as_of, files })
}

fn instant(text: &str, zone: &Zone) -> Result<Timestamp, Failure> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let bad = || format!("--as-of {text:?} is no time: expected one like 2024-03-31T12:00:00Z");
    let local: LocalTime = text.parse().map_err(|_| bad())?;
    let resolved = Resolver::new(zone, GapPolicy::Forward, FoldPolicy::Auto).instant(local);
    resolved.map_err(|_| bad().into())
}

impl Options {
    /// Whether one file is all that is asked about, so that nothing has to be settled between several.
    fn stands_for_itself(&self) -> bool {
        let is_plain = match self.schema.is_agent_status() {
            true => !self.is_timeline,
            // Ready-made rows replace each other, and what is missing is known to a store.
            false => self.schema.interval_length().is_none() && self.schema.missing() == Fill::Empty,
        };
        self.store.is_none() && self.files.len() == 1 && is_plain
    }

    fn times(&self) -> StatusTimes {
        StatusTimes {
            grid: Grid::new(self.schema.zone(), self.interval.unwrap_or(IntervalLength::MINUTES_15)),
            overlap: self.overlap,
            as_of: self.as_of,
            logged_off: self.schema.logged_off().iter().cloned().collect(),
            window: None,
        }
    }
}

/// Sums up one file without a store.
async fn sum_up(options: &Options) -> Result<ExitCode, Failure> {
    let (connector, cx) = (Csv::new(options.schema.clone()), Context::default().watched_by(progress()));
    let (file, out) = (&options.files[0], io::stdout().lock());
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut watch = Watch::new(options)?;
    let report = if options.schema.is_agent_status() {
        let read = read_file_statuses(&connector, file, &cx, watch.each(file)).await;
        let Some((spans, report)) = watch.outcome(file, read)? else { return watch.failed() };
        if !options.is_quiet {
            let times = options.times();
            let counts = |status: &str| !times.logged_off.contains(status);
            write_status_table(&spans.times(&times.grid, times.overlap, times.as_of, counts), &mut out)?;
        }
        report
    } else {
        let read = read_file_intervals(&connector, file, &cx, watch.each(file)).await;
        let Some((table, report)) = watch.outcome(file, read)? else { return watch.failed() };
        if !options.is_quiet {
            let longer = options.interval.map(|length| table.roll_up(length)).transpose()?;
            write_interval_table(longer.as_ref().unwrap_or(&table), None, &mut out)?;
        }
        report
    };
    out.flush()?;
    watch.finish()?;
    tell(&report);
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Writes the rejected rows of a file, if asked to.
struct Watch {
    rejects: Option<Rejects>,
    broken: Option<io::Error>,
}

impl Watch {
    fn new(options: &Options) -> Result<Self, Failure> {
        Ok(Self { rejects: options.rejects.as_ref().map(|path| Rejects::create(path)).transpose()?, broken: None })
    }

    fn each<'w>(&'w mut self, file: &'w str) -> impl FnMut(&RejectedRow) + Send + 'w {
        move |row| {
            let written = self.rejects.as_mut().map_or(Ok(()), |rejects| rejects.write(file, row));
            self.broken = self.broken.take().or(written.err());
        }
    }

    /// What was read of a file, `None` where it could not be, which is said.
    fn outcome<T>(
        &mut self,
        file: &str,
        read: Result<T, injixo_connectors::core::Error>,
    ) -> Result<Option<T>, Failure> {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        let broken = |error: io::Error| format!("the file for rejected rows cannot be written: {error}");
        match (self.broken.take(), read) {
            (Some(error), _) => eprintln!("error: {file}: {}", broken(error)),
            (None, Err(error)) => eprintln!("error: {file}: {error}"),
            (None, Ok(read)) => return Ok(Some(read)),
        }
        Ok(None)
    }

    fn failed(self) -> Result<ExitCode, Failure> {
        self.finish()?;
        Ok(ExitCode::FAILURE)
    }

    fn finish(self) -> io::Result<()> {
        self.rejects.map_or(Ok(()), Rejects::finish)
    }
}

/// Says what came of a file.
fn tell(report: &ImportReport) {
    eprintln!("{report}");
    for row in report.first_rejected.iter().take(5) {
        eprintln!("  {row}");
    }
    if report.rejected > 5 {
        eprintln!("  and {} more", report.rejected - 5);
    }
}

async fn import(options: &Options, runtime: Runtime) -> Result<ExitCode, Failure> {
    let name = if options.schema.is_agent_status() { "agent status" } else { "contacts" };
    let integration = runtime.add(name, Csv::new(options.schema.clone())).await?;
    let integration = integration.watched_by(progress());
    let mut watch = Watch::new(options)?;
    let (mut failed, mut rejected) = (0, 0);
    for file in &options.files {
        match import_file(&integration, file, &mut watch).await? {
            Some(count) => rejected += count,
            None => failed += 1,
        }
    }
    watch.finish()?;
    if !options.is_quiet && (failed < options.files.len() || options.store.is_some()) {
        write_table(options, &runtime, name).await?;
    }
    Ok(match (failed, rejected) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    })
}

/// Imports a file; how many rows were rejected, `None` where it could not be imported.
async fn import_file(integration: &Integration, file: &str, watch: &mut Watch) -> Result<Option<u64>, Failure> {
    let read = integration.import_file_watching(file, watch.each(file)).await;
    let report = watch.outcome(file, read)?;
    report.iter().for_each(tell);
    Ok(report.map(|report| report.rejected))
}

fn progress() -> impl Fn(&Progress) + Send + Sync {
    let is_terminal = io::stderr().is_terminal();
    move |progress| {
        if is_terminal && progress.total > 0 {
            eprint!("\r{} rows, {} %", progress.rows, progress.done * 100 / progress.total);
        }
    }
}

async fn write_table(options: &Options, runtime: &Runtime, name: &str) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let (schema, interval) = (&options.schema, options.interval);
    let written = match (schema.is_agent_status(), options.is_timeline) {
        (false, _) => {
            let how = (interval, schema.missing(), schema.zone());
            write_intervals(runtime, name, how, None, &mut out).await
        }
        (true, true) => write_timeline(runtime, name, &mut out).await,
        (true, false) => {
            let times = options.times();
            write_status_times(runtime, name, &times, &mut out).await
        }
    };
    match written {
        Ok(()) => {}
        Err(TableError::Io(error)) => return Err(error.into()),
        Err(error) => return Err(error.into()),
    }
    out.flush()?;
    Ok(())
}
