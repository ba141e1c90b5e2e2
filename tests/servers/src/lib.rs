//! Throw-away servers for tests.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The environment variable with the URL of a PostgreSQL server to use in place of one of our own.
pub const POSTGRES_VARIABLE: &str = "INJIXO_TEST_POSTGRES";

const MISSING: &str = "install the Debian package postgresql, or set INJIXO_TEST_POSTGRES";

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The URL of a new, empty PostgreSQL database.
///
/// It is on the server that `INJIXO_TEST_POSTGRES` names, whose user must be allowed to make databases, else on one that
/// this process starts at its first call and that ends with it.
pub fn postgres() -> String {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    match std::env::var(POSTGRES_VARIABLE) {
        Ok(url) => new_database(Path::new("psql"), &url),
        Err(_) => SERVER.get_or_init(PostgresServer::new).database(),
    }
}

/// A PostgreSQL server of one's own, with a folder that is removed with it.
///
/// It ends when it is dropped or this process ends, also when that is killed.
#[derive(Debug)]
pub struct PostgresServer {
    supervisor: Mutex<Supervisor>,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

#[derive(Debug)]
struct Supervisor {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// What a command answers.
    fn tell(&mut self, command: &str) -> bool {
        let commands = self.commands.as_mut().expect("the supervisor listens");
        writeln!(commands, "{command}").expect("the supervisor listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the supervisor answers");
        answer.trim() == "yes"
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

impl Default for PostgresServer {
    fn default() -> Self {
        Self::new()
    }
}

impl PostgresServer {
    /// Starts a server.
    pub fn new() -> Self {
        let programs = programs();
        let folder = folder();
        let user = user();
        if let Some((_, uid)) = &user {
            chown(&folder, Some(*uid), None).expect("the folder can be given to the server's user");
        }
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("supervise.sh"), "sh"]).arg(&folder).arg(&programs);
        match &user {
            Some((user, _)) => {
                command.args(["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"]);
            }
            None => {
                command.arg("env");
            }
        }
        // Keys pressed for the tests are not for it: it learns of the end by the end of its input.
        command.process_group(0).current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sh runs");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("its output is piped"));
        let supervisor = Mutex::new(Supervisor { child, commands, answers });
        let mut server = Self { supervisor, programs, folder, port: 0 };
        assert!(server.tell("init"), "initdb failed:\n{}", server.log());
        for _ in 0..10 {
            server.port = free_port();
            if server.try_start() {
                return server;
            }
        }
        panic!("postgres does not start:\n{}", server.log());
    }

    /// The URL of the database `postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        new_database(&self.programs.join("psql"), &self.url())
    }

    /// Stops the server; its connections end at once.
    pub fn stop(&self) {
        self.tell("stop");
    }

    /// Starts the server again, at the same address and with the same databases.
    pub fn start(&self) {
        assert!(self.try_start(), "postgres does not start again:\n{}", self.log());
    }

    fn tell(&self, command: &str) -> bool {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).tell(command)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Whether the server answers; it does not where its port is taken.
    fn try_start(&self) -> bool {
        self.tell(&format!("start {}", self.port));
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if !self.tell("alive") {
                return false;
            }
            // Another server may have the port.
            let folder = psql(&self.programs.join("psql"), &self.url(), "SHOW data_directory");
            if folder.is_ok_and(|folder| Path::new(folder.trim()) == self.folder.join("data")) {
                return true;
            }
            pause();
        }
        panic!("postgres does not answer:\n{}", self.log());
    }
}

#[expect(clippy::disallowed_methods, reason = "another program is waited for, whose time is the real one")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

fn new_database(program: &Path, url: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", unique(), NUMBER.fetch_add(1, Ordering::Relaxed));
    if let Err(error) = psql(program, url, &format!("CREATE DATABASE {name}")) {
        panic!("no database can be made for a test: {error}");
    }
    let (address, parameters) = url.split_once('?').map_or((url, None), |(address, rest)| (address, Some(rest)));
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/').map_or(address.len(), |at| start + at);
    let parameters = parameters.map(|rest| format!("?{rest}")).unwrap_or_default();
    format!("{}/{name}{parameters}", &address[..end])
}

/// The result of a statement, or what psql complains about.
fn psql(program: &Path, url: &str, statement: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(["-X", "-A", "-t", "-q", "-w", "-d", url, "-c", statement]).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("psql: {error}: {MISSING}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The folder of the server's programs: the one in `PATH`, else the newest that Debian has installed.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).find(|folder| has_programs(folder));
    let debian = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        let number = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
        let versions = versions.map(|entry| entry.path()).filter(|folder| has_programs(&folder.join("bin")));
        versions.max_by_key(number).map(|folder| folder.join("bin"))
    };
    in_path.or_else(debian).expect(MISSING)
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file())
}

/// Root may not run the server: then the user who does, with its number.
fn user() -> Option<(&'static str, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    Some(("postgres", id(&["-u", "postgres"]).expect(MISSING)))
}

/// A new folder that only its owner may enter.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("injixo-postgres-{}", unique()));
    std::fs::create_dir(&folder).expect("a temporary folder can be made");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("its rights can be set");
    folder
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

/// What no other process and no other call gets.
#[expect(clippy::disallowed_methods, reason = "a number that does not recur")]
fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}_{}_{}", std::process::id(), since.as_nanos(), NUMBER.fetch_add(1, Ordering::Relaxed))
}
