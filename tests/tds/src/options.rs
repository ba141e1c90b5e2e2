//! What a test asks for, and what it learns.

use std::path::PathBuf;

/// What the server says of TLS before a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// The server has none; a client that wants it leaves.
    #[default]
    NotSupported,
    /// The server has it: a client that does not ask for more has its login in TLS and the rest plain.
    Offered,
    /// A client without it is refused.
    Required,
}

/// Someone who may log in.
#[derive(Debug, Clone)]
pub struct User {
    pub(crate) name: String,
    pub(crate) password: String,
    /// The tables that may be read; `None` is all.
    pub(crate) tables: Option<Vec<String>>,
    pub(crate) writes: bool,
}

impl User {
    /// A user who reads all tables and writes none.
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned(), tables: None, writes: false }
    }

    /// May read these tables only.
    pub fn reads(mut self, tables: &[&str]) -> Self {
        self.tables = Some(tables.iter().map(|table| (*table).to_owned()).collect());
        self
    }

    /// May change all tables, make and drop them.
    pub fn writes(mut self) -> Self {
        self.writes = true;
        self
    }
}

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) port: u16,
    pub(crate) browser_port: u16,
    pub(crate) instance: String,
    pub(crate) file: Option<PathBuf>,
    pub(crate) users: Vec<User>,
    pub(crate) databases: Vec<String>,
    pub(crate) schemas: Vec<String>,
    pub(crate) encryption: Encryption,
}

impl Default for Options {
    /// A free port, the user `sa` with the password `Secret-1` who may do anything, the databases `master` and
    /// `contacts`, no TLS.
    fn default() -> Self {
        Self {
            port: 0,
            browser_port: 0,
            instance: "STANDIN".into(),
            file: None,
            users: vec![User::new("sa", "Secret-1").writes()],
            databases: vec!["master".into(), "contacts".into()],
            schemas: Vec::new(),
            encryption: Encryption::NotSupported,
        }
    }
}

impl Options {
    /// Listens on this port of the loopback.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Answers questions for instances on this UDP port; a real server has 1434.
    pub fn browser_port(mut self, port: u16) -> Self {
        self.browser_port = port;
        self
    }

    /// The name of the instance; `STANDIN` unless told.
    pub fn instance(mut self, name: &str) -> Self {
        name.clone_into(&mut self.instance);
        self
    }

    /// Holds the tables in this file of SQLite, which stays.
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// One more user; of two with one name the later one is it.
    pub fn user(mut self, user: User) -> Self {
        self.users.retain(|other| !other.name.eq_ignore_ascii_case(&user.name));
        self.users.push(user);
        self
    }

    /// One more name under which the one database is known.
    pub fn database(mut self, name: &str) -> Self {
        self.databases.push(name.to_owned());
        self
    }

    /// One more schema, with tables of its own: `name.table`. All else is in `dbo`.
    pub fn schema(mut self, name: &str) -> Self {
        self.schemas.push(name.to_owned());
        self
    }

    /// What the server says of TLS.
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }
}

/// What a client said when it logged in, whether or not it was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// How the program calls itself.
    pub application: String,
    /// How the client calls its machine.
    pub host: String,
    /// The database that it asked for; empty where it left that to the server.
    pub database: String,
    /// Whether it said that it only reads: `ApplicationIntent=ReadOnly`.
    pub read_only: bool,
    /// Whether the login came in TLS.
    pub tls: bool,
    /// Whether what follows the login is in TLS.
    pub all_tls: bool,
    /// The version of the protocol.
    pub version: crate::Version,
    /// The size of packets that it asked for.
    pub packet_size: u32,
    /// Whether it was let in.
    pub accepted: bool,
}
