//! Reads one window with any connector and prints what it holds, without a store.
//!
//! Run with: `cargo run --release -p import_window -- --config FILE.toml --data contacts --from 2024-03-01T00:00:00Z --to …`
//!
//! The file names the connector (`connector = "sql"`) and holds its keys, which its `sample.toml` explains. Results go to standard
//! output, messages to standard error. Ends with 0 when everything was read, 1 when something failed, 3 when rows were rejected.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

use injixo_connectors::core::aggregate::Overlap;
use injixo_connectors::core::connector::{Connector, Context};
use injixo_connectors::core::model::{IntervalLength, Timestamp, Window};
use injixo_connectors::core::zone::Grid;
use injixo_connectors::core::{Fill, MemoryStore, Runtime};
use injixo_workspace::{
    Args, Rejects, StatusTimes, TableError, connector_from_file, is_broken_pipe, write_intervals, write_status_times,
};

const USAGE: &str = "\
usage: import_window --config FILE.toml --data contacts|statuses --from TIME --to TIME [OPTIONS]
       import_window --config FILE.toml --check

  --data contacts|statuses   what is read
  --from, --to TIME          the window, as 2024-03-01T00:00:00Z; the end does not belong to it
  --interval 15|30|60        length of the intervals (default: 15, or that of the rows)
  --rejects FILE             writes the rejected rows
  --check                    looks whether the system can be read, and shows the first rows";

type Failure = Box<dyn std::error::Error + Send + Sync>;

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
    let config = args.value("--config")?.ok_or(USAGE)?;
    let connector = connector_from_file(&injixo_connectors::all(), &config).await?;
    if args.flag("--check") {
        return nothing_else(args).map_or_else(Err, |()| Ok(())).and(check(&connector).await);
    }
    let data = args.value("--data")?.ok_or(USAGE)?;
    let mut time = |name: &str| -> Result<Timestamp, Failure> {
        let text = args.value(name)?.ok_or(USAGE)?;
        text.parse().map_err(|_| format!("{name} {text:?} is no time: expected one like 2024-03-01T00:00:00Z").into())
    };
    let window = Window::new(time("--from")?, time("--to")?)?;
    let interval = match args.value("--interval")?.as_deref() {
        None => None,
        Some(minutes @ ("15" | "30" | "60")) => Some(IntervalLength::from_minutes(minutes.parse()?)?),
        Some(other) => return Err(format!("--interval {other} is not possible, expected 15, 30 or 60").into()),
    };
    let rejects = args.value("--rejects")?;
    nothing_else(args)?;
    read(connector, &data, window, interval, rejects).await
}

fn nothing_else(args: Args) -> Result<(), Failure> {
    match args.rest()?.first() {
        None => Ok(()),
        Some(other) => Err(format!("{other:?} is not understood\n{USAGE}").into()),
    }
}

async fn check(connector: &Arc<dyn Connector>) -> Result<ExitCode, Failure> {
    let report = connector.check(&Context::default()).await?;
    report.notes.iter().for_each(|note| println!("{note}"));
    report.problems.iter().for_each(|problem| eprintln!("error: {problem}"));
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn read(
    connector: Arc<dyn Connector>,
    data: &str,
    window: Window,
    interval: Option<IntervalLength>,
    rejects: Option<String>,
) -> Result<ExitCode, Failure> {
    let (name, zone) = (connector.info().kind, connector.zone());
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add(name, connector).await?;
    let report = match data {
        "contacts" => integration.import_contacts(window).await?,
        "statuses" => integration.import_statuses(window).await?,
        other => return Err(format!("--data {other} is not possible, expected contacts or statuses").into()),
    };
    eprintln!("{report}");
    if let Some(path) = rejects {
        let mut file = Rejects::create(&path)?;
        report.first_rejected.iter().try_for_each(|row| file.write(&row.source, row))?;
        file.finish()?;
    }
    for row in report.first_rejected.iter().take(5) {
        eprintln!("  {row}");
    }
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = if data == "contacts" {
        write_intervals(&runtime, name, (interval, Fill::Empty, &zone), Some(window), &mut out).await
    } else {
        let complete_to = report.window.map_or(window.to(), |window| window.to());
        let times = StatusTimes {
            grid: Grid::new(&zone, interval.unwrap_or(IntervalLength::MINUTES_15)),
            overlap: Overlap::Shortest,
            as_of: Some(complete_to),
            logged_off: BTreeSet::new(),
            window: Some(window),
        };
        write_status_times(&runtime, name, &times, &mut out).await
    };
    match written {
        Ok(()) => {}
        Err(TableError::Io(error)) => return Err(error.into()),
        Err(error) => return Err(error.into()),
    }
    out.flush()?;
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
