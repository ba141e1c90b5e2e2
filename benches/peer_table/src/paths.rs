//! The paths, their peers and targets, and the table that comes of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::measure::Took;
use crate::{Failure, Setting, output, sdk, took, workspace};

/// The engines that a user would pick. The others, pandas and SQLite, are far behind and would take most of the time.
const FAST: [&str; 4] = ["duckdb", "polars-streaming", "polars", "datafusion"];

/// From so many rows on a file counts as large.
const LARGE: u64 = 10_000_000;

/// A task of the SDK and of its peers.
struct Case {
    letter: &'static str,
    name: &'static str,
    task: &'static str,
    /// Where the files are, in the folder.
    files: &'static str,
    /// How many times faster than the best peer, for files of up to, and of ten million rows.
    targets: (f64, f64),
}

const fn path(
    letter: &'static str,
    name: &'static str,
    task: &'static str,
    files: &'static str,
    targets: (f64, f64),
) -> Case {
    Case { letter, name, task, files, targets }
}

const PATHS: [Case; 12] = [
    path("A", "A", "A", "", (3.5, 4.0)),
    path("A", "A shuffled", "A", "shuffled", (3.0, 3.0)),
    path("B", "B", "B15", "", (3.5, 4.0)),
    path("B", "B shuffled", "B15", "shuffled", (3.5, 3.5)),
    path("C", "C", "C", "", (3.5, 3.5)),
    path("C", "C in memory", "Cmem", "", (4.0, 4.0)),
    path("C", "C in memory, shuffled", "Cmem", "shuffled", (3.5, 3.5)),
    path("D", "D 30 minutes", "D30", "", (10.0, 8.0)),
    path("D", "D 60 minutes", "D60", "", (10.0, 8.0)),
    path("D", "D 30 minutes, unsorted", "D30u", "", (2.0, 2.0)),
    path("D", "D 60 minutes, unsorted", "D60u", "", (2.0, 2.0)),
    path("G", "G", "G", "", (2.0, 2.0)),
];

/// Several runs of one program.
#[derive(Default)]
struct Runs {
    took: Vec<Took>,
    check: Value,
}

impl Runs {
    fn median(&self, of: impl Fn(&Took) -> f64) -> f64 {
        let mut all: Vec<f64> = self.took.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn cpu(&self) -> f64 {
        self.median(|took| took.cpu)
    }

    fn wall(&self) -> f64 {
        self.median(|took| took.wall)
    }

    fn peak(&self) -> f64 {
        self.median(|took| took.peak)
    }
}

/// Prints the lines of the paths with these letters; whether all results agree.
pub(crate) fn table(setting: &Setting, letters: &[&str]) -> Result<bool, Failure> {
    if let Some(unknown) = letters.iter().find(|letter| !["A", "B", "C", "D", "G", "P", "S", "T"].contains(letter)) {
        return Err(format!("there is no path {unknown}").into());
    }
    let rows = rows_of(&setting.folder.join("contacts.csv"))?;
    println!("path | rows | SDK, CPU s | peer, CPU s | peer | ratio | target | | SDK, MiB | peer, MiB");
    let mut lines = Lines { setting, rows, agree: true, of_sdk: BTreeMap::new() };
    for path in PATHS.iter().filter(|path| letters.contains(&path.letter)) {
        lines.path(path)?;
    }
    if letters.contains(&"P") {
        lines.whole_program()?;
    }
    if letters.contains(&"T") {
        for (name, task) in [("A", "A"), ("B", "B15"), ("C", "C")] {
            lines.two_threads(name, task)?;
        }
    }
    // What this process holds for it would count as the memory of those that it starts: last.
    if letters.contains(&"S") {
        lines.store()?;
    }
    Ok(lines.agree)
}

fn rows_of(file: &Path) -> Result<u64, Failure> {
    // In small pieces: what this process ever held would count as the memory of those that it starts.
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_path(file)?;
    let (mut record, mut rows) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    Ok(rows)
}

struct Lines<'s> {
    setting: &'s Setting,
    rows: u64,
    agree: bool,
    /// What the SDK took, by the name of the path.
    of_sdk: BTreeMap<&'static str, (f64, f64)>,
}

impl Lines<'_> {
    fn path(&mut self, path: &Case) -> Result<(), Failure> {
        let folder = self.setting.folder.join(path.files);
        let mut all: Vec<(&str, Runs)> = ["SDK"].into_iter().chain(FAST).map(|name| (name, Runs::default())).collect();
        let mut extra = Runs::default();
        for run in 0..self.setting.runs {
            for (name, runs) in &mut all {
                let (took, check) = match *name {
                    "SDK" => self.sdk(path.task, &folder, run == 0, 1)?,
                    peer => self.peer(path.task, peer, &folder, run == 0, 1)?,
                };
                runs.took.push(took);
                if run == 0 {
                    runs.check = check;
                }
            }
            // What the SDK is compared with besides.
            let beside = match path.name {
                "A" => Some("loop"),
                "C in memory" => Some("Ctimeline"),
                _ => None,
            };
            if let Some(task) = beside {
                extra.took.push(self.sdk(task, &folder, false, 1)?.0);
            }
        }
        let rows = if path.letter == "D" { all[0].1.check["input"].as_u64().unwrap_or(0) } else { self.rows };
        self.hashes(path.name, &all);
        let target = if self.rows >= LARGE { path.targets.1 } else { path.targets.0 };
        self.line(path.name, rows, &all, target)?;
        let (cpu, peak) = (all[0].1.cpu(), all[0].1.peak());
        self.of_sdk.insert(path.name, (cpu, peak));
        match path.name {
            "A" => {
                let lowest = all[1..].iter().map(|(_, runs)| runs.peak()).fold(f64::INFINITY, f64::min);
                print_line(
                    "A, the csv crate's bare loop",
                    rows,
                    cpu,
                    extra.cpu(),
                    "csv",
                    (extra.cpu() / cpu, 0.8),
                    (peak, extra.peak()),
                );
                let share = (peak / lowest, 0.5);
                println!(
                    "A, peak memory | {rows} | | | least of all peers | {:.2} | <= {:.2} | {} | {peak:.0} | {lowest:.0}",
                    share.0,
                    share.1,
                    met(share.0 <= share.1)
                );
            }
            "A shuffled" => self.share("A shuffled, beside A", rows, cpu, "A", 1.4),
            "C in memory" => {
                let share = extra.cpu() / cpu;
                println!(
                    "C, timeline in memory | {rows} | {:.4} | {cpu:.4} | C in memory | {share:.2} | <= 1.50 | {} | {:.0} | {peak:.0}",
                    extra.cpu(),
                    met(share <= 1.5),
                    extra.peak()
                );
            }
            "G" => self.rejects(&all[0].1.check)?,
            _ => {}
        }
        Ok(())
    }

    fn share(&self, name: &str, rows: u64, cpu: f64, of: &str, most: f64) {
        let Some((other, _)) = self.of_sdk.get(of) else { return };
        let share = cpu / other;
        println!(
            "{name} | {rows} | {cpu:.4} | {other:.4} | {of} | {share:.2} | <= {most:.2} | {} | |",
            met(share <= most)
        );
    }

    /// Whether the rejected rows of the general file are those that were spoilt.
    fn rejects(&mut self, check: &Value) -> Result<(), Failure> {
        let expected = fs::read_to_string(self.setting.folder.join("general/rejects.csv"))?;
        let expected: Vec<String> = expected.lines().skip(1).map(str::to_owned).collect();
        let rejected = check["rejected"].as_array().cloned().unwrap_or_default();
        let found: Vec<String> =
            rejected.iter().map(|row| format!("{},{}", row[0], row[1].as_str().unwrap_or(""))).collect();
        let agree = found == expected;
        self.agree &= agree;
        let word = if agree { "as spoilt" } else { "DISAGREE" };
        println!("# G: {} rejected rows of {}: {word}", found.len(), expected.len());
        Ok(())
    }

    fn sdk(&self, task: &str, folder: &Path, check: bool, threads: usize) -> Result<(Took, Value), Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        took(command.arg("--one").arg(format!("{task},{},{threads}", u8::from(check))).arg(folder))
    }

    fn peer(
        &self,
        task: &str,
        peer: &str,
        folder: &Path,
        check: bool,
        threads: usize,
    ) -> Result<(Took, Value), Failure> {
        let mut command = self.setting.command("peers.py");
        command.arg(folder).arg("--one").arg(format!("{task},{peer},{threads},{}", u8::from(check)));
        took(&mut pinned(&command, threads))
    }

    /// T: the wall times of a path on two threads, beside one thread and beside the peers.
    fn two_threads(&mut self, name: &str, task: &str) -> Result<(), Failure> {
        let folder = &self.setting.folder;
        let mut all: Vec<(&str, Runs)> = ["SDK"].into_iter().chain(FAST).map(|name| (name, Runs::default())).collect();
        let mut alone = Runs::default();
        for run in 0..self.setting.runs {
            for (name, runs) in &mut all {
                let (took, check) = match *name {
                    "SDK" => self.sdk(task, folder, run == 0, 2)?,
                    peer => self.peer(task, peer, folder, run == 0, 2)?,
                };
                runs.took.push(took);
                if run == 0 {
                    runs.check = check;
                }
                if *name == "SDK" {
                    alone.took.push(self.sdk(task, folder, false, 1)?.0);
                }
            }
        }
        self.hashes(&format!("{name} on two threads"), &all);
        let best = all[1..].iter().min_by(|a, b| a.1.wall().total_cmp(&b.1.wall())).ok_or("no peer")?;
        let (wall, one, peer) = (all[0].1.wall(), alone.wall(), best.1.wall());
        let peaks = (all[0].1.peak(), best.1.peak());
        let beside_one = format!("T: {name} on two threads, wall, beside one");
        print_line(&beside_one, self.rows, wall, one, "one thread", (one / wall, 1.7), (peaks.0, alone.peak()));
        let beside_peers = format!("T: {name} on two threads, wall");
        print_line(&beside_peers, self.rows, wall, peer, best.0, (peer / wall, 3.0), peaks);
        Ok(())
    }

    fn hashes(&mut self, name: &str, all: &[(&str, Runs)]) {
        let hash =
            |runs: &Runs| runs.check["sha256"].as_str().unwrap_or("nothing").chars().take(12).collect::<String>();
        let own = hash(&all[0].1);
        let others: Vec<String> = all[1..]
            .iter()
            .filter(|(_, runs)| hash(runs) != own)
            .map(|(peer, runs)| format!("{peer} {}", hash(runs)))
            .collect();
        if others.is_empty() {
            println!("# {name}: all agree on {own}");
        } else {
            self.agree = false;
            println!("# {name}: DISAGREE: SDK {own}, {}", others.join(", "));
        }
    }

    fn line(&self, name: &str, rows: u64, all: &[(&str, Runs)], target: f64) -> Result<(), Failure> {
        let best = all[1..].iter().min_by(|a, b| a.1.cpu().total_cmp(&b.1.cpu())).ok_or("no peer")?;
        let (cpu, peer) = (all[0].1.cpu(), best.1.cpu());
        print_line(name, rows, cpu, peer, best.0, (peer / cpu, target), (all[0].1.peak(), best.1.peak()));
        Ok(())
    }

    /// P: programs from start to exit.
    fn whole_program(&mut self) -> Result<(), Failure> {
        let (program, work) = (Program::built()?, tempfile::tempdir()?);
        let schema = work.path().join("contacts.toml");
        fs::write(&schema, sdk::CONTACTS)?;
        let (contacts, scripts) =
            (self.setting.folder.join("contacts.csv"), ["duckdb", "polars-streaming", "polars", "datafusion"]);
        let mut all: Vec<(&str, Runs)> =
            ["SDK"].into_iter().chain(scripts).map(|name| (name, Runs::default())).collect();
        for run in 0..self.setting.runs {
            for (name, runs) in &mut all {
                let out = work.path().join(format!("{name}.csv"));
                let (taken, _) = match *name {
                    "SDK" => {
                        let command = r#"exec "$0" --schema "$1" "$2" > "$3" 2> /dev/null"#;
                        let shell = ["sh".into(), "-c".into(), command.into(), program.0.clone().into_os_string()];
                        let arguments = [&schema, &contacts, &out].map(|path| path.clone().into_os_string());
                        measured(shell.into_iter().chain(arguments))?
                    }
                    peer => {
                        let script = crate::peers().join("script.py");
                        let command = [&self.setting.python, &script, &self.setting.folder, &out]
                            .map(|path| path.clone().into_os_string());
                        measured(command.into_iter().chain([peer.into()]))?
                    }
                };
                runs.took.push(taken);
                if run == 0 {
                    runs.check = checksum_of_file(&out)?;
                }
            }
        }
        self.hashes("P", &all);
        self.line("P", self.rows, &all, 3.5)
    }

    /// S: a file into a database that is synced.
    fn store(&mut self) -> Result<(), Failure> {
        let (program, work) = (Program::built()?, tempfile::tempdir_in(&self.setting.folder)?);
        let (schema, spoilt) = (work.path().join("contacts.toml"), work.path().join("contacts.csv"));
        fs::write(&schema, sdk::CONTACTS)?;
        let bad = with_bad_lines(&self.setting.folder.join("contacts.csv"), &spoilt)?;
        let mut all: Vec<(&str, Runs)> = ["SDK", "duckdb", "sqlite", "dlt"].map(|name| (name, Runs::default())).into();
        let mut again = Runs::default();
        let sdk = |store: &Path, file: &Path| {
            let arguments = [
                "--schema".into(),
                schema.clone(),
                "--store".into(),
                store.to_owned(),
                "--quiet".into(),
                file.to_owned(),
            ];
            [program.0.clone()].into_iter().chain(arguments).map(PathBuf::into_os_string)
        };
        for run in 0..self.setting.runs {
            for (name, runs) in &mut all {
                // The slow ones are not worth as many runs.
                if run > 2 && matches!(*name, "sqlite" | "dlt") {
                    continue;
                }
                let store = work.path().join(format!("{name}.db"));
                if *name == "SDK" {
                    for ending in ["", "-wal", "-shm"] {
                        let _ = fs::remove_file(format!("{}{ending}", store.display()));
                    }
                    runs.took.push(measured(sdk(&store, &spoilt))?.0);
                    again.took.push(measured(sdk(&store, &spoilt))?.0);
                } else {
                    let script = crate::peers().join("load.py");
                    let command = [&self.setting.python, &script, &self.setting.folder, &store]
                        .map(|path| path.clone().into_os_string());
                    runs.took.push(measured(command.into_iter().chain([(*name).into()]))?.0);
                    if run == 0 {
                        let folder = self.setting.folder.to_string_lossy();
                        let printed =
                            self.setting.script("load.py", &[&folder, &store.to_string_lossy(), *name, "--check"])?;
                        runs.check = serde_json::from_slice(&printed)?;
                    }
                }
            }
        }
        all[0].1.check = self.check_of_store(&program, &schema, &work.path().join("SDK.db"), &spoilt, &bad)?;
        self.hashes("S", &all[..3]);
        let cpu = all[0].1.cpu();
        for ((peer, runs), target) in all[1..].iter().zip([1.0, 3.0, 14.0]) {
            let name = format!("S, {peer}");
            print_line(
                &name,
                self.rows,
                cpu,
                runs.cpu(),
                peer,
                (runs.cpu() / cpu, target),
                (all[0].1.peak(), runs.peak()),
            );
        }
        let (share, peak) = (again.cpu() / cpu, all[0].1.peak());
        println!(
            "S, the same file again | {} | {:.4} | {cpu:.4} | the first time | {share:.3} | <= 0.10 | {} | {:.0} | {peak:.0}",
            self.rows,
            again.cpu(),
            met(share <= 0.1),
            again.peak()
        );
        println!(
            "S, peak memory | {} | | | | {peak:.0} MiB | <= 64 MiB | {} | {peak:.0} |",
            self.rows,
            met(peak <= 64.0)
        );
        Ok(())
    }

    /// The checksum of what a store holds; the bad lines must be named.
    fn check_of_store(
        &mut self,
        program: &Program,
        schema: &Path,
        store: &Path,
        file: &Path,
        bad: &[u64],
    ) -> Result<Value, Failure> {
        let rejects = store.with_extension("rejects");
        let mut command = Command::new(&program.0);
        command.arg("--schema").arg(schema).arg("--store").arg(store.with_extension("second")).arg("--quiet");
        let second = command.arg("--rejects").arg(&rejects).arg(file).output()?;
        let named = fs::read_to_string(&rejects)?;
        let named: Vec<u64> = named.lines().skip(1).filter_map(|line| line.split(',').nth(1)?.parse().ok()).collect();
        let agree = named == bad && second.status.code() == Some(3);
        self.agree &= agree;
        println!("# S: bad lines {bad:?}: {}", if agree { "named, all others in" } else { "DISAGREE" });
        let out = store.with_extension("out");
        let mut command = Command::new(&program.0);
        let printed = output(command.arg("--schema").arg(schema).arg("--store").arg(store).arg(empty(file)?))?;
        fs::write(&out, printed)?;
        checksum_of_file(&out)
    }
}

/// A file with a header alone, beside another: imported into a store it changes nothing.
fn empty(file: &Path) -> Result<PathBuf, Failure> {
    let text = fs::read_to_string(file)?;
    let empty = file.with_extension("empty");
    fs::write(&empty, format!("{}\n", text.lines().next().unwrap_or("")))?;
    Ok(empty)
}

/// Copies a file with three bad lines among the others; their numbers.
fn with_bad_lines(from: &Path, to: &Path) -> Result<Vec<u64>, Failure> {
    let text = fs::read_to_string(from)?;
    let count = text.lines().count() as u64;
    let bad = [count / 5, count / 2, count / 5 * 4];
    let (mut spoilt, mut line) = (String::with_capacity(text.len() + 200), 0);
    for row in text.lines() {
        line += 1;
        if bad.contains(&line) {
            spoilt.push_str("Nobody;31/02/2023;12:00:00;1;1;60;calls\n");
            line += 1;
        }
        let _ = writeln!(spoilt, "{row}");
    }
    fs::write(to, &spoilt)?;
    let is_bad = |(number, row): (u64, &str)| row.starts_with("Nobody;31/02").then_some(number);
    Ok((1..).zip(spoilt.lines()).filter_map(is_bad).collect())
}

/// The program `csv_to_intervals`.
struct Program(PathBuf);

impl Program {
    fn built() -> Result<Self, Failure> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        let arguments = ["build", "-q", "--release", "--locked", "--example", "csv_to_intervals"];
        output(command.args(arguments).current_dir(workspace()))?;
        let own = std::env::current_exe()?;
        let folder = own.parent().ok_or("this program lies nowhere")?;
        Ok(Self(folder.join("examples/csv_to_intervals")))
    }
}

fn measured(command: impl Iterator<Item = std::ffi::OsString>) -> Result<(Took, Value), Failure> {
    let mut own = Command::new(std::env::current_exe()?);
    own.arg("--measure").arg("--").args(command);
    let (taken, code) = took(&mut pinned(&own, 1))?;
    // 3 says that rows were rejected.
    if code == 0 || code == 3 { Ok((taken, code)) } else { Err(format!("a program ended with {code}").into()) }
}

/// The command, kept on so many processors and told to use as many threads.
fn pinned(command: &Command, threads: usize) -> Command {
    let mut pinned = Command::new("taskset");
    let processors: Vec<String> = (0..threads).map(|processor| processor.to_string()).collect();
    pinned.args(["-c", &processors.join(",")]).arg(command.get_program()).args(command.get_args());
    for name in ["POLARS_MAX_THREADS", "TOKIO_WORKER_THREADS", "OMP_NUM_THREADS"] {
        pinned.env(name, threads.to_string());
    }
    pinned
}

/// The checksum of a CSV table `queue,channel,start,offered,handled,handle_time` in the form of the peers.
fn checksum_of_file(file: &Path) -> Result<Value, Failure> {
    let mut reader = csv::Reader::from_path(file)?;
    let mut lines: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut rows = 0_u64;
    for record in reader.records() {
        let record = record?;
        let field = |index: usize| record.get(index).unwrap_or("").to_owned();
        let start: injixo_connectors::core::model::Timestamp = field(2).parse()?;
        let line =
            format!("{};{};{};{};{};{}\n", field(0), field(1), start.millis() / 1_000, field(3), field(4), field(5));
        lines.entry((field(0), field(1))).or_default().push(line);
        rows += 1;
    }
    let text: String = lines.into_values().flatten().collect();
    let digest = Sha256::digest(text.as_bytes());
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(serde_json::json!({ "rows": rows, "sha256": hex }))
}

fn print_line(
    name: &str,
    rows: u64,
    cpu: f64,
    peer: f64,
    peer_name: &str,
    (ratio, target): (f64, f64),
    (own, other): (f64, f64),
) {
    println!(
        "{name} | {rows} | {cpu:.4} | {peer:.4} | {peer_name} | {ratio:.2} | {target:.2} | {} | {own:.0} | {other:.0}",
        met(ratio >= target)
    );
}

const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}
