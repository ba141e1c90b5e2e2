//! Turns CSV exports into a table of intervals, or of agent statuses.
//!
//! Run with: `cargo run --release --example csv_to_intervals -- --schema schema.toml FILE...`
//!
//! Results go to standard output, messages to standard error. Ends with 0 when everything was imported, 1 when something
//! failed, 3 when rows were rejected.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use injixo_connectors::core::aggregate::Overlap;
use injixo_connectors::core::connector::Progress;
use injixo_connectors::core::model::{IntervalLength, RejectedRow, Timestamp};
use injixo_connectors::core::zone::{FoldPolicy, GapPolicy, Grid, LocalTime, Resolver, Zone};
use injixo_connectors::core::{Integration, MemoryStore, Runtime, SqliteStore};
use injixo_connectors::csv::{self, Csv, Schema};
use injixo_workspace::{
    Args, Rejects, StatusTimes, TableError, is_broken_pipe, write_intervals, write_status_times, write_timeline,
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

async fn import(options: &Options, runtime: Runtime) -> Result<ExitCode, Failure> {
    let name = if options.schema.is_agent_status() { "agent status" } else { "contacts" };
    let integration = runtime.add(name, Csv::new(options.schema.clone())).await?;
    let integration = integration.watched_by(progress());
    let mut rejects = options.rejects.as_ref().map(|path| Rejects::create(path)).transpose()?;
    let (mut failed, mut rejected) = (0, 0);
    for file in &options.files {
        match import_file(&integration, file, &mut rejects).await {
            Ok(count) => rejected += count,
            Err(error) => {
                failed += 1;
                eprintln!("error: {file}: {error}");
            }
        }
    }
    if let Some(rejects) = rejects {
        rejects.finish()?;
    }
    if !options.is_quiet && (failed < options.files.len() || options.store.is_some()) {
        write_table(options, &runtime, name).await?;
    }
    Ok(match (failed, rejected) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    })
}

async fn import_file(integration: &Integration, file: &str, rejects: &mut Option<Rejects>) -> Result<u64, Failure> {
    let mut broken = None;
    let watch = |row: &RejectedRow| {
        let written = rejects.as_mut().map_or(Ok(()), |rejects| rejects.write(file, row));
        broken = broken.take().or(written.err());
    };
    let report = integration.import_file_watching(file, watch).await;
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    if let Some(error) = broken {
        return Err(format!("the file for rejected rows cannot be written: {error}").into());
    }
    let report = report?;
    eprintln!("{report}");
    for row in report.first_rejected.iter().take(5) {
        eprintln!("  {row}");
    }
    if report.rejected > 5 {
        eprintln!("  and {} more", report.rejected - 5);
    }
    Ok(report.rejected)
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
            let times = StatusTimes {
                grid: Grid::new(schema.zone(), interval.unwrap_or(IntervalLength::MINUTES_15)),
                overlap: options.overlap,
                as_of: options.as_of,
                logged_off: schema.logged_off().iter().cloned().collect(),
                window: None,
            };
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
