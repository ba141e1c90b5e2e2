//! What a window of a database costs up to and including finished intervals, beside what others need for its bare rows, in one run:
//! `psql`'s binary COPY and `connectorx` for PostgreSQL; for every other database the loop of its driver, or of `sqlx` for MySQL, that
//! only touches each value, and the usual driver of Python.
//!
//! Run with: `cargo bench -p injixo-benches --bench sql_window -- [ROWS] [--only KIND] [--runs N] [--python PATH]`; needs the Debian
//! packages that `scripts/test databases` installs. Everything runs in turn, each in a process of its own that measures itself
//! from connecting to the last row; figures are medians.
//!
//! SQL Server's place is taken by the stand-in of the tests, which is slow: there only processor time says anything.

mod bare;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use injixo_connectors::core::connector::{ConnectorFactory, Context};
use injixo_connectors::core::model::{Measures, Timestamp, Window};
use injixo_connectors::core::read_intervals;
use injixo_connectors::sql::Sql;
use injixo_test_servers::{MariaDbServer, Parts, PostgresServer, programs};
use injixo_test_tds::{Options, TdsServer, User};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The window: thirty days, in which rows of 75 queues lie in order.
const BEGIN: i64 = 1_709_251_200;
const END: i64 = BEGIN + 2_592_000;

const KINDS: [&str; 6] = ["postgres", "mysql", "sqlite", "mssql", "odbc-postgres", "odbc-mysql"];
const PACKAGES: [&str; 7] = ["connectorx", "psycopg[binary]", "pymysql", "pyodbc", "python-tds", "pyarrow", "pandas"];
const CHILD: &str = "INJIXO_BENCH_CHILD";

/// What one run cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    /// Processor time, where the process tells it.
    cpu: f64,
    peak_kib: u64,
}

/// A database that holds the rows.
struct Source {
    kind: &'static str,
    parts: Option<Parts>,
    file: PathBuf,
}

impl Source {
    /// What all but the window is told to a child, as arguments.
    fn arguments(&self) -> Vec<String> {
        let Parts { user, password, host, port, database } = self.parts.clone().unwrap_or_else(|| Parts {
            user: String::new(),
            password: String::new(),
            host: String::new(),
            port: 0,
            database: String::new(),
        });
        let file = self.file.display().to_string();
        vec![self.kind.to_owned(), host, port.to_string(), user, password, database, file]
    }
}

fn main() -> Result<(), Failure> {
    if let Ok(what) = std::env::var(CHILD) {
        return child(&what);
    }
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let mut option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.remove(at);
        (at < args.len()).then(|| args.remove(at))
    };
    let (only, runs, python) = (option("--only"), option("--runs"), option("--python"));
    let runs: usize = runs.map_or(Ok(5), |runs| runs.parse())?;
    let rows: u64 = args.first().map_or(Ok(1_000_000), |rows| rows.parse())?;
    let python = python.map_or_else(environment, |path| Ok(PathBuf::from(path)))?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("peers.py");
    std::fs::write(&script, include_str!("peers.py"))?;
    println!("{rows} rows, medians of {runs} runs in turn");
    for kind in KINDS.into_iter().filter(|kind| only.as_deref().is_none_or(|only| only == *kind)) {
        compare(kind, rows, runs, folder.path(), (&python, &script))?;
    }
    Ok(())
}

/// An environment of Python with the drivers.
fn environment() -> Result<PathBuf, Failure> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench-python");
    let python = venv.join("bin/python");
    if !python.is_file() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"];
    succeed(Command::new(&python).args(pip).args(PACKAGES))?;
    Ok(python)
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}

/// Fills a database and has everybody read it in turn.
fn compare(
    kind: &'static str,
    rows: u64,
    runs: usize,
    folder: &Path,
    (python, script): (&Path, &Path),
) -> Result<(), Failure> {
    let span = END - BEGIN;
    let seconds = |time: &str| time.replace("{n}", &format!("({BEGIN} + i * {span} / {rows})"));
    let columns = |time: &str| {
        format!(
            "i * 7 % 75 AS queue, {{name}} AS name, {} AS at, {{answered}} AS answered, 40 + i % 300 AS secs",
            seconds(time)
        )
    };
    // They end with this function.
    let (mut postgres, mut mariadb, mut tds) = (None, None, None);
    let mut source = Source { kind, parts: None, file: folder.join("calls.db") };
    match kind {
        "postgres" | "odbc-postgres" => {
            let server = postgres.insert(PostgresServer::new());
            let url = server.database();
            let columns = columns("TIMESTAMP 'epoch' + interval '1 second' * {n}")
                .replace("{name}", "'Queue ' || i * 7 % 75")
                .replace("i * 7 % 75 AS queue", "(i * 7 % 75)::int AS queue")
                .replace("{answered}", "(i % 10 > 0)::int")
                .replace("40 + i % 300", "(40 + i % 300)::int");
            let table = format!("CREATE TABLE calls AS SELECT {columns} FROM generate_series(0::bigint, {rows} - 1) i");
            succeed(psql(&url).args(["-c", &table, "-c", "ANALYZE calls"]))?;
            source.parts = Some(Parts::of(&url));
        }
        "mysql" | "odbc-mysql" => {
            let server = mariadb.insert(MariaDbServer::new());
            let parts = Parts::of(&server.database());
            let columns = columns("FROM_UNIXTIME({n} DIV 1)")
                .replace(&format!("* {span} / {rows}"), &format!("* {span} DIV {rows}"))
                .replace("{name}", "CONCAT('Queue ', i * 7 % 75)")
                .replace("i * 7 % 75 AS queue", "CAST(i * 7 % 75 AS INT) AS queue")
                .replace("{answered}", "CAST(i % 10 > 0 AS INT)")
                .replace("40 + i % 300", "CAST(40 + i % 300 AS INT)");
            let table = format!(
                "SET time_zone = '+00:00'; CREATE TABLE calls AS SELECT {columns} FROM (SELECT seq AS i FROM seq_0_to_{}) s",
                rows - 1
            );
            succeed(
                Command::new("mariadb")
                    .args(["--no-defaults", "-h", &parts.host, "-P", &parts.port.to_string(), "-u", &parts.user])
                    .args([&format!("--password={}", parts.password), &parts.database, "-e", &table]),
            )?;
            source.parts = Some(parts);
        }
        "sqlite" => bare::fill_sqlite(&source.file, BEGIN, span, rows)?,
        "mssql" => {
            let server = tds.insert(TdsServer::start(Options::default().user(User::new("reader", "secret"))));
            server.execute(
                "CREATE TABLE calls (queue INTEGER, name VARCHAR(40), at DATETIME2(0), answered INTEGER, secs INTEGER)",
            );
            let mut row = 0;
            while row < rows {
                let mut insert = String::from("INSERT INTO calls VALUES ");
                let to = (row + 500).min(rows);
                for i in row..to {
                    let at = Timestamp::from_secs(BEGIN + i64::try_from(i)? * span / i64::try_from(rows)?).to_string();
                    let comma = if i + 1 < to { ", " } else { "" };
                    let at = at.trim_end_matches('Z');
                    let answered = u8::from(i % 10 > 0);
                    write!(insert, "({0}, 'Queue {0}', '{at}', {answered}, {1}){comma}", i * 7 % 75, 40 + i % 300)?;
                }
                server.execute(&insert);
                row = to;
            }
            source.parts = Some(Parts {
                user: "reader".to_owned(),
                password: "secret".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: server.port(),
                database: "contacts".to_owned(),
            });
        }
        _ => return Err(format!("{kind} is not known").into()),
    }
    let peers: &[&str] = match kind {
        "postgres" => &["psql", "connectorx", "psycopg"],
        "mysql" => &["bare", "pymysql"],
        "sqlite" => &["bare", "sqlite3"],
        "mssql" => &["bare", "python-tds"],
        _ => &["bare", "pyodbc"],
    };
    let mut costs: Vec<(&str, Vec<Cost>)> =
        [&["injixo"], peers].concat().into_iter().map(|who| (who, Vec::new())).collect();
    // The first of each only warms up.
    for run in 0..=runs {
        for (who, costs) in &mut costs {
            let cost = match *who {
                "psql" => copied(source.parts.as_ref())?,
                "injixo" | "bare" => {
                    let mut command = Command::new(std::env::current_exe()?);
                    measured(command.env(CHILD, *who).args(source.arguments()).arg(rows.to_string()))?
                }
                _ => {
                    let mut command = Command::new(python);
                    measured(command.arg(script).arg(who).args(source.arguments()).arg(rows.to_string()))?
                }
            };
            if run > 0 {
                costs.push(cost);
            }
        }
    }
    report(kind, rows, &costs);
    Ok(())
}

fn report(kind: &str, rows: u64, costs: &[(&str, Vec<Cost>)]) {
    println!("{kind}:");
    let all = |costs: &[Cost]| Cost {
        wall: median(costs.iter().map(|cost| cost.wall)),
        cpu: median(costs.iter().map(|cost| cost.cpu)),
        peak_kib: costs.iter().map(|cost| cost.peak_kib).max().unwrap_or(0),
    };
    let Some((_, ours)) = costs.first().map(|(who, costs)| (who, all(costs))) else { return };
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_million = 1e6 / rows as f64;
    for (who, costs) in costs {
        let Cost { wall, cpu, peak_kib } = all(costs);
        let (peak, cpu_of_ours) = (peak_kib / 1024, ours.cpu / cpu);
        print!("  {who:<10} {wall:>7.3} s");
        if cpu > 0.0 {
            print!(", {:.3} s of processor time per million rows, peak {peak} MiB", cpu * per_million);
        }
        if *who != "injixo" {
            print!("; injixo: {:.2} of its rate", wall / ours.wall);
            if cpu > 0.0 {
                print!(", {cpu_of_ours:.2} of its processor time");
            }
        }
        println!();
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn psql(url: &str) -> Command {
    // The program itself: what Debian has in PATH is a script that looks for it.
    let mut command = Command::new(programs().join("psql"));
    command.args(["-X", "-q", "-d", url]);
    command
}

/// What a query of `kind` reads.
fn query(kind: &str) -> &'static str {
    match kind {
        "mysql" | "odbc-mysql" => {
            "SELECT queue AS queueidentifier, name AS queuename, at AS `timestamp`, answered, secs AS duration FROM calls"
        }
        "mssql" => {
            "SELECT queue AS queueidentifier, name AS queuename, at AS [timestamp], answered, secs AS duration FROM calls"
        }
        _ => {
            "SELECT queue AS queueidentifier, name AS queuename, at AS \"timestamp\", answered, secs AS duration FROM calls"
        }
    }
}

/// The copy of the whole query to nowhere.
fn copied(parts: Option<&Parts>) -> Result<Cost, Failure> {
    let Some(Parts { user, host, port, database, .. }) = parts else { return Err("no server".into()) };
    let began = Instant::now();
    let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", query("postgres"));
    succeed(psql(&format!("postgres://{user}@{host}:{port}/{database}")).args(["-c", &copy]))?;
    Ok(Cost { wall: began.elapsed().as_secs_f64(), cpu: 0.0, peak_kib: 0 })
}

/// What a child says that it cost.
fn measured(command: &mut Command) -> Result<Cost, Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace();
    let (Some(wall), Some(cpu), Some(peak)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return Err(format!("{command:?} failed").into());
    };
    Ok(Cost { wall: wall.parse()?, cpu: cpu.parse()?, peak_kib: peak.parse()? })
}

/// Reads in this process and says what it cost.
fn child(what: &str) -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [kind, host, port, user, password, database, file, rows] = &args[..] else { return Err("arguments".into()) };
    let rows: u64 = rows.parse()?;
    let parts = Parts {
        user: user.clone(),
        password: password.clone(),
        host: host.clone(),
        port: port.parse()?,
        database: database.clone(),
    };
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (began, cpu_before) = (Instant::now(), cpu()?);
    if what == "bare" {
        let found = tokio.block_on(bare::read(kind, &parts, Path::new(file), query(kind)))?;
        assert_eq!(found, rows);
    } else {
        let connector = Sql::build(toml::from_str(&config(kind, &parts, file))?)?;
        let window = Window::new(Timestamp::from_secs(BEGIN), Timestamp::from_secs(END))?;
        let (intervals, report) = tokio.block_on(read_intervals(&connector, window, &Context::default(), |_| {}))?;
        assert_eq!((report.imported, report.rejected), (rows, 0));
        let size = intervals.len() * size_of::<(Timestamp, Measures)>() / 1024;
        if std::env::var_os("INJIXO_BENCH_OUTPUT").is_some() {
            eprintln!("  output: {} intervals, {} MiB", intervals.len(), size / 1024);
        }
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), (cpu()? - cpu_before).as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|kib| kib.split_whitespace().next());
    println!("{wall} {cpu} {}", peak.unwrap_or("0"));
    Ok(())
}

fn config(kind: &str, parts: &Parts, file: &str) -> String {
    let Parts { user, password, host, port, database } = parts;
    let server =
        format!("host = '{host}'\nport = {port}\nuser = '{user}'\npassword = '{password}'\ndatabase = '{database}'");
    let connection = match kind {
        "sqlite" => format!("adapter = 'sqlite'\nfile = '{file}'"),
        "mssql" => format!("adapter = 'mssql'\ntls = 'off'\n{server}"),
        "odbc-postgres" | "odbc-mysql" => {
            format!("adapter = 'odbc'\nconnection_string = '{}'", bare::connection_string(kind, parts))
        }
        adapter => format!("adapter = '{adapter}'\n{server}"),
    };
    let query = query(kind);
    format!("time_zone = 'UTC'\ncontacts.query = '''{query}'''\n[connection]\n{connection}\n")
}

/// The processor time of this process so far, its ended threads included.
fn cpu() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |split| split.1).split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
