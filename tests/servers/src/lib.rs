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
        Ok(url) => new_database(&Client::Postgres("psql".into()), &url),
        Err(_) => SERVER.get_or_init(PostgresServer::new).database(),
    }
}

/// The environment variable with the URL of a MariaDB or MySQL server to use in place of one of our own.
pub const MARIADB_VARIABLE: &str = "INJIXO_TEST_MARIADB";

/// The URL of a new, empty MariaDB database: `mysql://root@127.0.0.1:3306/test_1`.
///
/// It is on the server that `INJIXO_TEST_MARIADB` names, whose user must be allowed to make databases, else on one that this
/// process starts at its first call and that ends with it.
pub fn mariadb() -> String {
    static SERVER: OnceLock<MariaDbServer> = OnceLock::new();
    match std::env::var(MARIADB_VARIABLE) {
        Ok(url) => new_database(&Client::MariaDb, &url),
        Err(_) => SERVER.get_or_init(MariaDbServer::new).database(),
    }
}

/// A PostgreSQL server of one's own, with a folder that is removed with it.
///
/// It ends when it is dropped or this process ends, also when that is killed.
#[derive(Debug)]
pub struct PostgresServer(Server);

/// A MariaDB server of one's own, with a folder that is removed with it. Its time zone is an unusual one.
///
/// It ends when it is dropped or this process ends, also when that is killed.
#[derive(Debug)]
pub struct MariaDbServer(Server);

#[derive(Debug)]
struct Server {
    supervisor: Mutex<Supervisor>,
    client: Client,
    folder: PathBuf,
    port: u16,
}

/// What runs a statement on a server.
#[derive(Debug)]
enum Client {
    /// `psql`, wherever it is.
    Postgres(PathBuf),
    MariaDb,
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
        let client = Client::Postgres(programs.join("psql"));
        Self(Server::new("postgres", &programs, "postgres", client, &[], &[]))
    }

    /// Starts a server that takes encrypted connections only, with that certificate and key in PEM.
    pub fn encrypted_only(certificate: &str, key: &str) -> Self {
        let programs = programs();
        let client = Client::Postgres(programs.join("psql"));
        let files =
            [("server.pem", certificate), ("server.key", key), ("hba.conf", "hostssl all all 127.0.0.1/32 trust\n")];
        let settings = ["ssl=on", "ssl_cert_file={}/server.pem", "ssl_key_file={}/server.key", "hba_file={}/hba.conf"];
        let arguments = settings.map(|setting| format!("--{setting}"));
        Self(Server::new("postgres", &programs, "postgres", client, &files, &arguments))
    }

    /// Starts a server that asks the users `plain`, `md5` and `scram` for a password, each in its way.
    pub fn asking_for_passwords() -> Self {
        let programs = programs();
        let client = Client::Postgres(programs.join("psql"));
        let lines = "host all plain 127.0.0.1/32 password\nhost all md5 127.0.0.1/32 md5\n\
                     host all scram 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        Self(Server::new(
            "postgres",
            &programs,
            "postgres",
            client,
            &[("hba.conf", lines)],
            &["--hba_file={}/hba.conf".to_owned()],
        ))
    }

    /// The URL of the database `postgres`.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        new_database(&self.0.client, &self.url())
    }

    /// Stops the server; its connections end at once.
    pub fn stop(&self) {
        self.0.tell("stop");
    }

    /// Starts the server again, at the same address and with the same databases.
    pub fn start(&self) {
        assert!(self.0.try_start(), "postgres does not start again:\n{}", self.0.log());
    }
}

impl Default for MariaDbServer {
    fn default() -> Self {
        Self::new()
    }
}

impl MariaDbServer {
    /// Starts a server.
    pub fn new() -> Self {
        Self::with(&[], &["--skip-ssl".to_owned()])
    }

    /// Starts a server that takes encrypted connections only, with that certificate and key in PEM.
    pub fn encrypted_only(certificate: &str, key: &str) -> Self {
        let files = [("server.pem", certificate), ("server.key", key)];
        let settings = ["ssl-cert={}/server.pem", "ssl-key={}/server.key", "require-secure-transport=ON"];
        Self::with(&files, &settings.map(|setting| format!("--{setting}")))
    }

    fn with(files: &[(&str, &str)], arguments: &[String]) -> Self {
        let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/libexec"];
        let programs = places.iter().map(Path::new).find(|folder| folder.join("mariadbd").is_file());
        let programs = programs.expect("install the Debian package mariadb-server, or set INJIXO_TEST_MARIADB");
        Self(Server::new("mariadb", programs, "mysql", Client::MariaDb, files, arguments))
    }

    /// The URL of the server, without a database.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        new_database(&self.0.client, &self.url())
    }

    /// Stops the server; its connections end at once.
    pub fn stop(&self) {
        self.0.tell("stop");
    }

    /// Starts the server again, at the same address and with the same databases.
    pub fn start(&self) {
        assert!(self.0.try_start(), "mariadb does not start again:\n{}", self.0.log());
    }
}

impl Server {
    /// With files in its folder, and further arguments in which `{}` is that folder.
    fn new(
        kind: &str,
        programs: &Path,
        user: &'static str,
        client: Client,
        files: &[(&str, &str)],
        arguments: &[String],
    ) -> Self {
        let folder = folder(kind);
        let user = user_for(user);
        if let Some((_, uid)) = &user {
            chown(&folder, Some(*uid), None).expect("the folder can be given to the server's user");
        }
        let arguments = arguments.join("\n").replace("{}", &folder.display().to_string());
        for (name, text) in files.iter().copied().chain([("arguments", arguments.as_str())]) {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file can be written");
            // A server takes no key that others may read.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its rights can be set");
            if let Some((_, uid)) = &user {
                chown(&path, Some(*uid), None).expect("the file can be given to the server's user");
            }
        }
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("supervise.sh"), "sh", kind]).arg(&folder).arg(programs);
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
        let mut server = Self { supervisor, client, folder, port: 0 };
        assert!(server.tell("init"), "the files of {kind} cannot be made:\n{}", server.log());
        for _ in 0..10 {
            server.port = free_port();
            if server.try_start() {
                return server;
            }
        }
        panic!("{kind} does not start:\n{}", server.log());
    }

    fn url(&self) -> String {
        match self.client {
            Client::Postgres(_) => format!("postgres://postgres@127.0.0.1:{}/postgres", self.port),
            Client::MariaDb => format!("mysql://root@127.0.0.1:{}/mysql", self.port),
        }
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
            let statement = match self.client {
                Client::Postgres(_) => "SHOW data_directory",
                Client::MariaDb => "SELECT @@datadir",
            };
            let folder = self.client.run(&self.url(), statement);
            if folder.is_ok_and(|folder| Path::new(folder.trim().trim_end_matches('/')) == self.folder.join("data")) {
                return true;
            }
            pause();
        }
        panic!("the server does not answer:\n{}", self.log());
    }
}

#[expect(clippy::disallowed_methods, reason = "another program is waited for, whose time is the real one")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

fn new_database(client: &Client, url: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", unique(), NUMBER.fetch_add(1, Ordering::Relaxed));
    if let Err(error) = client.run(url, &format!("CREATE DATABASE {name}")) {
        panic!("no database can be made for a test: {error}");
    }
    let (address, parameters) = url.split_once('?').map_or((url, None), |(address, rest)| (address, Some(rest)));
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/').map_or(address.len(), |at| start + at);
    let parameters = parameters.map(|rest| format!("?{rest}")).unwrap_or_default();
    format!("{}/{name}{parameters}", &address[..end])
}

impl Client {
    /// The result of a statement, or what the program complains about.
    fn run(&self, url: &str, statement: &str) -> Result<String, String> {
        let (mut command, missing) = match self {
            Self::Postgres(program) => {
                let mut command = Command::new(program);
                command.args(["-X", "-A", "-t", "-q", "-w", "-d", url, "-c", statement]);
                (command, MISSING)
            }
            Self::MariaDb => {
                let parts = Parts::of(url);
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names"]);
                // Where the server can; whose certificate it is does not matter here.
                command.args(["--ssl", "--skip-ssl-verify-server-cert"]);
                command.arg(format!("--host={}", parts.host)).arg(format!("--port={}", parts.port));
                command.arg(format!("--user={}", parts.user)).args(["--execute", statement]);
                if !parts.password.is_empty() {
                    command.env("MYSQL_PWD", parts.password);
                }
                (command, "install the Debian package mariadb-client, or set INJIXO_TEST_MARIADB")
            }
        };
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{error}: {missing}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// The parts of the URL of a test's database, whose names and password need no percent-encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The user.
    pub user: String,
    /// The password, empty without one.
    pub password: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
}

impl Parts {
    /// Takes a URL apart.
    ///
    /// # Panics
    ///
    /// If it is no such URL.
    pub fn of(url: &str) -> Self {
        let (_, rest) = url.split_once("://").expect("a URL");
        let (user, rest) = rest.rsplit_once('@').expect("a user");
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = address.rsplit_once(':').expect("a port");
        let database = database.split('?').next().unwrap_or_default();
        let text = str::to_owned;
        Self {
            user: text(user),
            password: text(password),
            host: text(host),
            port: port.parse().expect("a port"),
            database: text(database),
        }
    }
}

/// The folder of PostgreSQL's programs: the one in `PATH`, else the newest that Debian has installed.
pub fn programs() -> PathBuf {
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
fn user_for(user: &'static str) -> Option<(&'static str, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    Some((user, id(&["-u", user]).expect("the Debian package of the server makes its user")))
}

/// A new folder that only its owner may enter.
fn folder(kind: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("injixo-{kind}-{}", unique()));
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
