//! What a store costs that holds three years of 75 series, 7.9 million intervals: its size, and reading from it and importing into it.
//!
//! Run with: `cargo run --release -p full_store -- DIR [--years N]`
//!
//! The store is filled through the SDK's public functions, in windows of a month; a plain table of SQLite gets the same intervals. The
//! files stay in `DIR` until the next run. Times are processor time, medians of runs that take turns. The program ends with 1 where sums
//! differ, or an import writes what it need not.

mod centre;
mod measure;
mod plain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use injixo_connectors::core::aggregate::Interval;
use injixo_connectors::core::connector::Context;
use injixo_connectors::core::model::{Millis, Timestamp, Window};
use injixo_connectors::core::{Integration, Runtime, SqliteStore, read_file_intervals, read_intervals};
use injixo_connectors::csv::{Csv, Schema};
use injixo_workspace::Args;

use crate::centre::{Centre, SCHEMA, SERIES, series, zone};
use crate::measure::{long, median, of};
use crate::plain::Plain;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    measure::pin();
    let run = || {
        let mut args = Args::of_program();
        let years = args.value("--years")?.map_or(Ok(3), |years| years.parse::<i32>())?;
        let rest = args.rest()?;
        let [folder] = rest.as_slice() else { return Err("usage: full_store DIR [--years N]".into()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(Path::new(folder), years))
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err::<_, Failure>(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What intervals come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    rows: u64,
    offered: i64,
    handled: i64,
    handle_secs: i64,
}

impl Sums {
    pub(crate) fn plus(self, offered: i64, handled: i64, handle_secs: i64) -> Self {
        Self {
            rows: self.rows + 1,
            offered: self.offered + offered,
            handled: self.handled + handled,
            handle_secs: self.handle_secs + handle_secs,
        }
    }

    fn of(intervals: &[Interval]) -> Self {
        intervals.iter().fold(Self::default(), |sums, interval| {
            let measures = interval.measures;
            let whole = |count: injixo_connectors::core::model::Quantity| count.micros() / 1_000_000;
            sums.plus(whole(measures.offered), whole(measures.handled), measures.handle_time.total.get() / 1_000)
        })
    }
}

/// Where the files are, and whether all was right so far.
struct Bench {
    folder: PathBuf,
    is_right: bool,
}

impl Bench {
    fn bar(&self, what: &str, own: (f64, &str), other: (f64, &str), bar: f64) {
        let word = if own.0 <= other.0 * bar { "met" } else { "missed" };
        println!("{} <= {bar:.2} | {word}", line(what, own, other));
    }

    /// A fresh path in the folder.
    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{ending}", path.display()));
        }
        path
    }

    fn holds(&mut self, what: &str, is_so: bool) {
        self.is_right &= is_so;
        println!("# {what}: {}", if is_so { "yes" } else { "NO" });
    }
}

fn line(what: &str, own: (f64, &str), other: (f64, &str)) -> String {
    format!("{what} | {:.3} {} | {:.3} {} | {:.2} |", own.0, own.1, other.0, other.1, own.0 / other.0)
}

fn at(day: i32) -> Result<Timestamp, Failure> {
    Ok(zone().day_window(day).ok_or("no such day")?.from())
}

/// 2022-01-01.
const FIRST_DAY: i32 = 18_993;

async fn run(folder: &Path, years: i32) -> Result<bool, Failure> {
    fs::create_dir_all(folder)?;
    let mut bench = Bench { folder: folder.to_owned(), is_right: true };
    // Windows of about a month.
    let end = FIRST_DAY + 365 * years + i32::from(years > 2);
    let edges: Vec<i32> = (FIRST_DAY..end).step_by(30).chain([end]).collect();
    let months: Result<Vec<Window>, Failure> =
        edges.windows(2).map(|two| Ok(Window::new(at(two[0])?, at(two[1])?)?)).collect();
    let months = months?;
    let new_day = Window::new(at(end)?, at(end + 1)?)?;

    let path = bench.path("store.db");
    let store = SqliteStore::open(&path).await?;
    let runtime = Runtime::new(store.clone());
    let rows = runtime.add("Rows", Centre::Rows).await?;
    fill(&rows, &months).await?;
    let size = plain::size(&path)?;
    let plain_path = bench.path("plain.db");
    let (cpu, wall, plain) = long(async { Plain::filled(&plain_path, &months) }).await;
    let plain = plain?;
    let plain_size = plain::size(&plain_path)?;
    println!("# plain table of the same intervals: {wall:.1} s, {cpu:.1} s of processor time");
    println!("what | store | beside it | ratio | bar |");
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    bench.bar("file", (mib(size), "MiB"), (mib(plain_size), "MiB"), 0.5);
    reading(&mut bench, &runtime, &plain, &months).await?;

    let contacts = runtime.add("Contacts", Centre::Contacts).await?;
    fill(&contacts, &months).await?;
    println!("# with the contacts: {:.0} MiB", mib(plain::size(&path)?));
    let small = Runtime::new(SqliteStore::open(bench.path("small.db")).await?);
    for (what, connector) in [("rows", Centre::Rows), ("contacts", Centre::Contacts)] {
        let full = if what == "rows" { &rows } else { &contacts };
        let empty = small.add(what, connector).await?;
        newest(&mut bench, what, full, &empty, new_day).await?;
    }
    for (what, connector) in [("rows", Centre::Rows), ("contacts", Centre::Contacts)] {
        let integration = if what == "rows" { &rows } else { &contacts };
        again_by_window(&mut bench, what, integration, &connector, new_day, &path).await?;
    }
    again_by_file(&mut bench, &runtime, new_day, &path).await?;
    Ok(bench.is_right)
}

async fn fill(integration: &Integration, months: &[Window]) -> Result<(), Failure> {
    let import = async {
        let mut imported = 0;
        for month in months {
            imported += integration.import_contacts(*month).await?.imported;
        }
        Ok::<_, Failure>(imported)
    };
    let (cpu, wall, imported) = long(import).await;
    let imported = imported?;
    println!("# filled with {imported} in {} windows: {wall:.1} s, {cpu:.1} s of processor time", months.len());
    Ok(())
}

/// A month of each queue in turn, and a day of all queues, spread over the whole time.
async fn reading(bench: &mut Bench, runtime: &Runtime, plain: &Plain, months: &[Window]) -> Result<(), Failure> {
    let (mut own, mut other, mut is_same) = (Vec::new(), Vec::new(), true);
    for run in 0..4 * SERIES {
        let (index, month) = (run * 7 % SERIES, months[usize::try_from(run * 5)? % (months.len() - 1)]);
        let (name, _) = series(index);
        let (took, read) = of(runtime.intervals("Rows").queue(&name).window(month)).await;
        own.push(took);
        let read = read?;
        let (took, rows) = of(async { plain.of_queue(index, month) }).await;
        other.push(took);
        is_same &= Sums::of(&read) == plain::sums(&rows?) && !read.is_empty();
    }
    let (own, other) = (median(&own), median(&other));
    bench.bar("a month of one queue", (own, "ms"), (other, "ms"), 1.0);
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for run in 0..150 {
        let month = months[usize::try_from(run * 5)? % (months.len() - 1)];
        let day = zone().day_window(zone().day(month.from()) + run * 11 % 30).ok_or("no such day")?;
        let (took, read) = of(runtime.intervals("Rows").window(day)).await;
        own.push(took);
        let read = read?;
        let (took, rows) = of(async { plain.of_all(day) }).await;
        other.push(took);
        is_same &= Sums::of(&read) == plain::sums(&rows?) && !read.is_empty();
    }
    let (own, other) = (median(&own), median(&other));
    bench.bar("a day of all queues", (own, "ms"), (other, "ms"), 1.0);
    bench.holds("all sums are equal", is_same);
    Ok(())
}

/// Quarter by quarter of a new day into the full store and into one that holds nothing else.
async fn newest(
    bench: &mut Bench,
    what: &str,
    full: &Integration,
    small: &Integration,
    day: Window,
) -> Result<(), Failure> {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for (run, start) in centre::quarters(day).enumerate() {
        let quarter =
            Window::new(Timestamp::from_secs(start), Timestamp::from_secs(start).after(Millis::from_mins(15)))?;
        let mut both = [(full, &mut own), (small, &mut other)];
        if run % 2 == 1 {
            both.reverse();
        }
        let mut counts = Vec::new();
        for (integration, times) in both {
            let (took, report) = of(integration.import_contacts(quarter)).await;
            times.push(took);
            counts.push(report?.facts.added);
        }
        if counts[0] != counts[1] {
            return Err("the stores did not take the same".into());
        }
    }
    let (own, other) = (median(&own), median(&other));
    bench.bar(&format!("the newest quarter of an hour, {what}"), (own, "ms"), (other, "ms"), 1.5);
    Ok(())
}

const TIMES: usize = 31;

/// Which tables differ.
fn changed(before: &[(String, u64)], after: &[(String, u64)]) -> Vec<String> {
    before.iter().zip(after).filter(|(a, b)| a != b).map(|(a, _)| a.0.clone()).collect()
}

/// A day that is unchanged, read by its window again, beside the same read without a store.
async fn again_by_window(
    bench: &mut Bench,
    what: &str,
    integration: &Integration,
    connector: &Centre,
    day: Window,
    path: &Path,
) -> Result<(), Failure> {
    let before = plain::dump(path)?;
    let (mut own, mut other, mut is_unchanged, mut imported) = (Vec::new(), Vec::new(), true, 0);
    for _ in 0..TIMES {
        let (took, report) = of(integration.import_contacts(day)).await;
        let report = report?;
        (imported, is_unchanged) = (report.imported, is_unchanged && report.facts.unchanged == report.imported);
        own.push(took);
        let cx = Context::default();
        let (took, read) = of(read_intervals(connector, day, &cx, |_| {})).await;
        other.push(took);
        is_unchanged &= read?.1.imported == imported;
    }
    let (own, other) = (median(&own), median(&other));
    // Nothing is parsed on the other side: the source makes its rows up. So there is no bar.
    // The source makes its rows up, so that nothing is parsed by which a bar could be set.
    println!(
        "{}",
        line(&format!("an unchanged day again by its window, {imported} {what}"), (own, "ms"), (other, "ms"))
    );
    let tables = changed(&before, &plain::dump(path)?);
    bench.holds(
        &format!("only coverage and log were written ({})", tables.join(", ")),
        is_unchanged && only_log(&tables),
    );
    Ok(())
}

fn only_log(tables: &[String]) -> bool {
    tables.iter().all(|table| ["coverage", "import", "sqlite_sequence"].contains(&table.as_str()))
}

/// A day that is unchanged, delivered again in a file, beside reading the file without a store. Two days take turns, since a file that is
/// what came last is passed over.
async fn again_by_file(bench: &mut Bench, runtime: &Runtime, day: Window, path: &Path) -> Result<(), Failure> {
    let schema: Schema = SCHEMA.parse()?;
    let connector = Csv::new(schema.clone());
    let integration = runtime.add("Files", Csv::new(schema)).await?;
    let mut files = Vec::new();
    for back in [0, 7] {
        let from = zone().day(day.from()) - back;
        let file = bench.folder.join(format!("contacts-{back}.csv"));
        fs::write(&file, centre::file(Window::new(at(from)?, at(from + 1)?)?))?;
        integration.import_file(&file).await?;
        files.push(file);
    }
    let before = plain::dump(path)?;
    let (mut own, mut other, mut is_unchanged, mut imported) = (Vec::new(), Vec::new(), true, 0);
    for run in 0..TIMES * 2 {
        let file = &files[run % 2];
        let (took, report) = of(integration.import_file(file)).await;
        let report = report?;
        is_unchanged &= report.facts.unchanged == report.imported && !report.is_unchanged;
        let cx = Context::default();
        let (parse, read) = of(read_file_intervals(&connector, file, &cx, |_| {})).await;
        is_unchanged &= read?.1.imported == report.imported;
        if run % 2 == 0 {
            imported = report.imported;
            own.push(took);
            other.push(parse);
        }
    }
    let (own, other) = (median(&own), median(&other));
    let name = format!("an unchanged day again in a file, {imported} contacts");
    bench.bar(&name, (own, "ms"), (other, "ms"), 1.5);
    let tables = changed(&before, &plain::dump(path)?);
    bench.holds(
        &format!("only coverage and log were written ({})", tables.join(", ")),
        is_unchanged && only_log(&tables),
    );
    Ok(())
}
