//! The SDK beside other engines on the same files, in one run.
//!
//! Run with: `cargo run --release -p peer_table -- DIR [--python PATH] [--paths A,B,…] [--runs N]`
//!
//! `DIR` was written by `benches/peers/generate.py`. Each path is run by the SDK and by its peers in turn, each run in a process of its
//! own on one processor, timed alike: the task alone, or the whole process where the path is one. All
//! must give the same result; if not, the program ends with 1. Path T is A, B and C on two threads, by the clock on the wall.

mod measure;
mod paths;
mod sdk;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use injixo_workspace::Args;
use serde_json::Value;

use crate::measure::Took;

const USAGE: &str = "usage: peer_table DIR [--python PATH] [--paths A,B,C,D,G,P,S,T] [--runs N]";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all results agree.
fn run() -> Result<bool, Failure> {
    let mut args = Args::of_program();
    if let Some(task) = args.value("--one")? {
        return one(&task, &args.rest()?);
    }
    if args.flag("--measure") {
        return of_process(&args.rest()?);
    }
    let (python, paths) = (args.value("--python")?, args.value("--paths")?);
    let runs = args.value("--runs")?.map_or(Ok(5), |runs| runs.parse::<usize>())?.max(1);
    let rest = args.rest()?;
    let [folder] = rest.as_slice() else { return Err(USAGE.into()) };
    let folder = Path::new(folder);
    if !folder.join("contacts.csv").is_file() {
        return Err(
            format!("{} holds no contacts.csv: make it with benches/peers/generate.py", folder.display()).into()
        );
    }
    let paths = paths.unwrap_or_else(|| "A,B,C,D,G,P,S,T".to_owned());
    let python = match python {
        Some(python) => PathBuf::from(python),
        None => found_or_made(folder)?,
    };
    let setting = Setting { folder: std::fs::canonicalize(folder)?, python, runs };
    setting.script("prepare.py", &[&setting.folder.to_string_lossy()])?;
    paths::table(&setting, &paths.split(',').map(str::trim).collect::<Vec<_>>())
}

/// Runs one task in this process: `TASK,CHECK,THREADS` of a folder.
fn one(task: &str, rest: &[String]) -> Result<bool, Failure> {
    let parts: Vec<&str> = task.split(',').collect();
    let ([task, check, threads], [folder]) = (parts.as_slice(), rest) else { return Err(USAGE.into()) };
    let threads = threads.parse()?;
    measure::pin(threads);
    let (took, check) = sdk::run(task, Path::new(folder), *check == "1", threads)?;
    println!("{}", took.to_json(&check.unwrap_or_default()));
    Ok(true)
}

/// Runs a program on one processor and says what it took; its output goes where ours goes.
fn of_process(command: &[String]) -> Result<bool, Failure> {
    let [program, rest @ ..] = command else { return Err(USAGE.into()) };
    measure::pin(1);
    let mut command = Command::new(program);
    command.args(rest).stdout(std::process::Stdio::null());
    let (took, status) = measure::time(nix::sys::resource::UsageWho::RUSAGE_CHILDREN, || command.status());
    println!("{}", took.to_json(&status?.code().into()));
    Ok(true)
}

/// What all runs have in common.
struct Setting {
    folder: PathBuf,
    python: PathBuf,
    runs: usize,
}

impl Setting {
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(peers().join(script));
        command
    }

    fn script(&self, script: &str, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        output(self.command(script).args(arguments))
    }
}

/// The folder of the peers' scripts.
fn peers() -> PathBuf {
    workspace().join("benches/peers")
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a command prints.
fn output(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let said: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("{command:?} ended with {}: {}", output.status, said.join("\n")).into())
}

/// What a command took, which prints that as JSON, and the checksum of its result.
fn took(command: &mut Command) -> Result<(Took, Value), Failure> {
    let printed: Value = serde_json::from_slice(&output(command)?)?;
    let took = Took::of_json(&printed).ok_or("a run said nothing of its time")?;
    Ok((took, printed["check"].clone()))
}

/// The environment beside the folder, else one of our own.
fn found_or_made(folder: &Path) -> Result<PathBuf, Failure> {
    let beside = folder.join("../venv/bin/python");
    if beside.is_file() {
        return Ok(std::path::absolute(beside)?);
    }
    let own = std::path::absolute(workspace().join("target/peers-python"))?;
    let python = own.join("bin/python");
    if !python.is_file() {
        eprintln!("making an environment of Python in {}", own.display());
        output(Command::new("python3").args(["-m", "venv"]).arg(&own))?;
    }
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"];
    output(Command::new(&python).args(pip).arg(peers().join("requirements.txt")))?;
    Ok(python)
}
