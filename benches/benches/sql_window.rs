//! What a window of a PostgreSQL database costs, beside `psql`'s binary COPY of the same query, in one run.
//!
//! Run with: `cargo bench -p injixo-benches --bench sql_window -- [ROWS]`; needs the Debian package postgresql. Each figure is the
//! median of five; the connector's goes up to and including finished intervals.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use injixo_connectors::core::connector::{ConnectorFactory, Context};
use injixo_connectors::core::model::{Timestamp, Window};
use injixo_connectors::core::read_intervals;
use injixo_connectors::sql::Sql;
use injixo_test_servers::{Parts, PostgresServer, programs};

type Failure = Box<dyn std::error::Error>;

const BEGIN: i64 = 1_709_251_200;
const RUNS: usize = 5;

fn psql(url: &str, statement: &str) -> Result<(), Failure> {
    let mut command = Command::new(programs().join("psql"));
    let done = command.args(["-X", "-q", "-d", url, "-c", statement]).stdout(Stdio::null()).status()?;
    if done.success() { Ok(()) } else { Err("psql failed".into()) }
}

/// The processor time of this process so far.
fn cpu() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |split| split.1).split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() -> Result<(), Failure> {
    let rows: i64 = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let server = PostgresServer::new();
    let url = server.database();
    // Thirty days, 75 queues.
    psql(
        &url,
        &format!(
            "CREATE TABLE calls AS SELECT (i * 7 % 75)::int AS queue, 'Queue ' || i * 7 % 75 AS name,
             TIMESTAMP 'epoch' + interval '1 second' * ({BEGIN} + i * 2592000 / {rows}) AS at, (i % 10 > 0)::int AS answered,
             (40 + i % 300)::int AS secs FROM generate_series(0::bigint, {rows} - 1) i; ANALYZE calls"
        ),
    )?;
    let query =
        "SELECT queue AS queueidentifier, name AS queuename, at AS timestamp, answered, secs AS duration FROM calls";
    let Parts { user, host, port, database, .. } = Parts::of(&url);
    let config = format!(
        "time_zone = 'UTC'\ncontacts.query = '{query}'\n[connection]\nadapter = 'postgres'\nhost = '{host}'\nport = {port}\n\
         user = '{user}'\ndatabase = '{database}'"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let window = Window::new(Timestamp::from_secs(BEGIN), Timestamp::from_secs(BEGIN + 2_592_000))?;
    let (mut copies, mut reads, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=RUNS {
        let begun = Instant::now();
        psql(&url, &format!("COPY ({query}) TO STDOUT (FORMAT binary)"))?;
        copies.push(begun.elapsed());

        let connector = Sql::build(toml::from_str(&config)?)?;
        let (begun, cpu_before) = (Instant::now(), cpu()?);
        let (intervals, report) = runtime.block_on(read_intervals(&connector, window, &Context::default(), |_| {}))?;
        assert_eq!(i64::try_from(report.imported), Ok(rows));
        assert!(!intervals.is_empty());
        reads.push(begun.elapsed());
        cpus.push(cpu()? - cpu_before);
    }
    // The first of each only warms up.
    let (copy, read, cpu) = (median(copies.split_off(1)), median(reads.split_off(1)), median(cpus.split_off(1)));
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let millions = rows as f64 / 1e6;
    println!("{rows} rows");
    println!("psql, binary COPY: {copy:.3} s");
    println!("connector, to intervals: {read:.3} s, {:.2} of the rate of psql", copy / read);
    println!("connector's processor time: {:.3} s per million rows", cpu / millions);
    Ok(())
}
