//! What a user says about a database and how it is to be read.

use std::path::PathBuf;
use std::time::Duration;

use injixo_core::model::{IntervalLength, Millis};
use injixo_core::zone::{FoldPolicy, GapPolicy, Zone};
use injixo_core::{Error, ErrorKind, Result, Secret};
use serde::Deserialize;

use crate::odbc_string;

/// How a database is read. Every key is explained in `sample.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SqlConfig {
    /// Where the database is, and who reads it.
    pub connection: Connection,
    /// The zone in which date-times without a zone are recorded.
    pub time_zone: Zone,
    /// What to do with a local time that the clock skipped.
    #[serde(default)]
    pub gap: GapPolicy,
    /// What to do with a local time that the clock repeated.
    #[serde(default)]
    pub fold: FoldPolicy,
    /// Contact data.
    #[serde(default)]
    pub contacts: Option<ContactsQuery>,
    /// Agent statuses.
    #[serde(default)]
    pub statuses: Option<StatusesQuery>,
    /// Whether the row count and the first ten rows of each request are logged. Off by default.
    #[serde(default)]
    pub verbose: bool,
}

/// Where a database is, and who reads it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Connection {
    /// Which database it is.
    pub adapter: Adapter,
    /// The host; `localhost` by default.
    #[serde(default = "localhost")]
    pub host: String,
    /// The port; by default that of the database.
    #[serde(default)]
    pub port: Option<u16>,
    /// The name of the database.
    #[serde(default)]
    pub database: String,
    /// The user. He needs to read, nothing else.
    #[serde(default)]
    pub user: String,
    /// The password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The file of an SQLite database.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The named instance of SQL Server, whose port the browser service knows.
    #[serde(default)]
    pub instance: Option<String>,
    /// What an ODBC driver is told: `Driver=…;Server=…`. It may hold a password, therefore it is never shown.
    #[serde(default)]
    pub connection_string: Option<Secret>,
    /// The data source of ODBC.
    #[serde(default)]
    pub dsn: Option<String>,
    /// Whether the connection is encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// A file with the certificates of the authorities that are trusted besides the usual ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long a request may take, in seconds; 300 by default.
    #[serde(default = "request_secs")]
    pub request_secs: u64,
}

fn localhost() -> String {
    "localhost".to_owned()
}

const fn request_secs() -> u64 {
    300
}

/// The kinds of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Adapter {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// A file of SQLite.
    Sqlite,
    /// Microsoft SQL Server.
    Mssql,
    /// Any of them by a driver of ODBC.
    Odbc,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Tls {
    /// Where the server can, without looking at its certificate.
    #[default]
    Prefer,
    /// Always, by a certificate for this host from an authority that is trusted.
    Require,
    /// Never.
    Off,
}

/// A query for contact data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContactsQuery {
    /// The `SELECT`.
    pub query: String,
    /// Whether a row is a contact or an interval.
    #[serde(default)]
    pub layout: Layout,
    /// How long intervals are, in minutes: 15, 30 or 60. Rows of the interval layout need it.
    #[serde(default)]
    pub interval_minutes: Option<u32>,
    /// How long after its start a row may still be written or changed, in seconds: a quarter of an hour by default, since a contact
    /// is often recorded when it ends.
    #[serde(default = "late_secs")]
    pub late_secs: u32,
}

const fn late_secs() -> u32 {
    900
}

/// What a row of contact data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Layout {
    /// One contact.
    #[default]
    Contacts,
    /// The sums of an interval.
    Intervals,
}

/// A query for agent statuses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StatusesQuery {
    /// The `SELECT`.
    pub query: String,
    /// Whether what agents do now is asked for as well.
    #[serde(default)]
    pub real_time: bool,
    /// How often that is asked for, in seconds; 10 by default.
    #[serde(default = "poll_secs")]
    pub poll_secs: u32,
    /// How long a status lasts at most, in seconds; a day by default. A status that began earlier is not looked for when it ends.
    #[serde(default = "longest_secs")]
    pub longest_secs: u32,
}

const fn poll_secs() -> u32 {
    10
}

const fn longest_secs() -> u32 {
    86_400
}

impl SqlConfig {
    /// Everything that contradicts itself.
    pub(crate) fn check(&self) -> Result<()> {
        let mut mistakes: Vec<String> = self.connection.mistakes().into_iter().map(str::to_owned).collect();
        let mut must = |holds: bool, mistake: &str| {
            if !holds {
                mistakes.push(mistake.to_owned());
            }
        };
        must(
            self.contacts.is_some() || self.statuses.is_some(),
            "contacts, statuses: there is neither; give a query for at least one of them",
        );
        if let Some(contacts) = &self.contacts {
            let length = contacts.interval_minutes;
            must(
                length.is_none_or(|minutes| matches!(minutes, 15 | 30 | 60)),
                "contacts.interval_minutes: expected 15, 30 or 60",
            );
            must(
                (contacts.layout == Layout::Intervals) == length.is_some(),
                "contacts.interval_minutes: needed for layout = \"intervals\", and for no other",
            );
        }
        if let Some(statuses) = &self.statuses {
            must((1..=3_600).contains(&statuses.poll_secs), "statuses.poll_secs: expected 1 to 3600");
            must((60..=2_678_400).contains(&statuses.longest_secs), "statuses.longest_secs: expected 60 to 2678400");
        }
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ConfigInvalid, mistakes.join("; ")))
    }
}

impl Connection {
    /// Whether it contradicts itself.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with everything that is wrong.
    pub fn check(&self) -> Result<()> {
        let mistakes = self.mistakes();
        if mistakes.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::ConfigInvalid, mistakes.join("; "))) }
    }

    fn mistakes(&self) -> Vec<&'static str> {
        let (is_file, is_odbc) = (self.adapter == Adapter::Sqlite, self.adapter == Adapter::Odbc);
        let is_server = !is_file && !is_odbc;
        let is_elsewhere = self.host != localhost() || self.port.is_some() || !self.database.is_empty();
        let (string, dsn) = (self.connection_string.as_ref(), self.dsn.as_ref());
        let string_has = |keys: &[&str]| string.is_some_and(|string| odbc_string::has(string.expose(), keys));
        let rules = [
            (
                is_file == self.file.is_some(),
                "connection.file: the file of an SQLite database with adapter = \"sqlite\", for no other adapter",
            ),
            (!is_server || !self.database.is_empty(), "connection.database: missing: the name of the database"),
            (!is_server || !self.user.is_empty(), "connection.user: missing: the user who reads"),
            ((1..=3_600).contains(&self.request_secs), "connection.request_secs: expected 1 to 3600"),
            (
                self.adapter == Adapter::Mssql || self.instance.is_none(),
                "connection.instance: for adapter = \"mssql\" only",
            ),
            (
                self.instance.is_none() || self.port.is_none(),
                "connection.port, instance: leave one of them: a named instance has the port that its server names",
            ),
            (
                is_odbc || (string.is_none() && dsn.is_none()),
                "connection.connection_string, dsn: for adapter = \"odbc\" only",
            ),
            (
                !is_odbc || string.is_some() != dsn.is_some(),
                "connection.connection_string, dsn: exactly one of them is needed for adapter = \"odbc\"",
            ),
            (
                !is_odbc || !is_elsewhere,
                "connection.host, port, database: with adapter = \"odbc\" they stand in the connection string or the data \
                 source",
            ),
            (
                !is_odbc || (self.tls == Tls::Prefer && self.ca_file.is_none()),
                "connection.tls, ca_file: with adapter = \"odbc\" the driver encrypts: say it in the connection string or the \
                 data source",
            ),
            (
                self.user.is_empty() || !string_has(odbc_string::USER),
                "connection.user: the connection string names a user as well: leave one of them",
            ),
            (
                self.password.is_none() || !string_has(odbc_string::PASSWORD),
                "connection.password: the connection string holds a password as well: leave one of them",
            ),
        ];
        rules.into_iter().filter(|(holds, _)| !holds).map(|(_, mistake)| mistake).collect()
    }

    pub(crate) fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_secs)
    }
}

impl ContactsQuery {
    pub(crate) fn late(&self) -> Millis {
        Millis::from_secs(i64::from(self.late_secs))
    }

    pub(crate) fn length(&self) -> Option<IntervalLength> {
        self.interval_minutes.and_then(|minutes| IntervalLength::from_minutes(minutes).ok())
    }
}

impl StatusesQuery {
    pub(crate) fn longest(&self) -> Millis {
        Millis::from_secs(i64::from(self.longest_secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the key by which programs choose a connector.
    fn sample() -> String {
        let sample = include_str!("../sample.toml");
        assert!(sample.contains("\nconnector = \"sql\"\n"));
        sample.replacen("\nconnector = \"sql\"\n", "\n", 1)
    }

    #[test]
    fn the_sample_is_a_configuration() {
        let config: SqlConfig = toml::from_str(&sample()).unwrap();
        config.check().unwrap();
        assert!(!format!("{config:?}").contains("ACD_PASSWORD"), "{config:?}");
    }

    #[test]
    fn every_key_is_in_the_sample() {
        let sample = sample();
        // What a key would be called that is not known is told with those that are.
        for (at, table) in [
            ("", "nonsense = 1\n"),
            ("[connection]\n", "nonsense = 1\n"),
            ("[contacts]\n", "nonsense = 1\n"),
            ("[statuses]\n", "nonsense = 1\n"),
        ] {
            let text = if at.is_empty() {
                format!("{table}{sample}")
            } else {
                sample.replacen(at, &format!("{at}{table}"), 1)
            };
            let error = toml::from_str::<SqlConfig>(&text).unwrap_err().to_string();
            let known = error.split("expected one of").nth(1).unwrap_or_else(|| panic!("{error}"));
            for key in known.split('`').skip(1).step_by(2) {
                let is_there = sample.lines().any(|line| {
                    let line = line.trim_start_matches("# ").trim_start();
                    line.starts_with(&format!("{key} =")) || line == format!("[{key}]")
                });
                assert!(is_there, "{at}{key}");
            }
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "time_zone = 'UTC'\ncontacts = { query = 'SELECT 1', layout = 'intervals' }\n\
            [connection]\nadapter = 'postgres'\nfile = 'x'\nrequest_secs = 0";
        let error = toml::from_str::<SqlConfig>(text).unwrap().check().unwrap_err().to_string();
        for mistake in ["connection.file", "connection.database", "connection.user", "request_secs", "interval_minutes"]
        {
            assert!(error.contains(mistake), "{mistake}: {error}");
        }
    }

    #[test]
    fn what_contradicts_a_connection_string_is_told() {
        let mistakes = |connection: &str| {
            let text = format!("time_zone = 'UTC'\ncontacts = {{ query = 'SELECT 1' }}\n[connection]\n{connection}");
            let config = toml::from_str::<SqlConfig>(&text).unwrap();
            let shown = format!("{config:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
            config.check().map_err(|error| error.message().to_owned())
        };
        for fine in [
            "adapter = 'odbc'\nconnection_string = 'Driver=X;Server=Y;PWD=hunter2'\nuser = 'reader'",
            "adapter = 'odbc'\nconnection_string = 'Driver=X;Description={UID=a;}'\nuser = 'reader'\npassword = 'hunter2'",
            "adapter = 'odbc'\ndsn = 'ACD'\nuser = 'reader'\npassword = 'hunter2'",
            "adapter = 'mssql'\nhost = 'acd'\ninstance = 'WFM'\ndatabase = 'acd'\nuser = 'reader'",
        ] {
            assert_eq!(mistakes(fine), Ok(()), "{fine}");
        }
        for (wrong, key) in [
            ("adapter = 'odbc'", "connection.connection_string, dsn: exactly one"),
            (
                "adapter = 'odbc'\ndsn = 'A'\nconnection_string = 'Driver=X'",
                "connection.connection_string, dsn: exactly one",
            ),
            ("adapter = 'odbc'\ndsn = 'A'\nhost = 'acd'", "connection.host, port, database"),
            ("adapter = 'odbc'\ndsn = 'A'\nport = 1", "connection.host, port, database"),
            ("adapter = 'odbc'\ndsn = 'A'\ndatabase = 'acd'", "connection.host, port, database"),
            ("adapter = 'odbc'\ndsn = 'A'\nfile = 'x'", "connection.file"),
            ("adapter = 'odbc'\ndsn = 'A'\ntls = 'require'", "connection.tls, ca_file"),
            ("adapter = 'odbc'\ndsn = 'A'\ninstance = 'WFM'", "connection.instance: for"),
            ("adapter = 'odbc'\nconnection_string = 'Driver=X; uid = a'\nuser = 'b'", "connection.user"),
            (
                "adapter = 'odbc'\nconnection_string = 'Driver=X;Pwd={hunter2}'\npassword = 'hunter2'",
                "connection.password",
            ),
            ("adapter = 'postgres'\ndsn = 'A'\ndatabase = 'a'\nuser = 'b'", "connection.connection_string, dsn: for"),
            ("adapter = 'mssql'\ninstance = 'WFM'\nport = 1\ndatabase = 'a'\nuser = 'b'", "connection.port, instance"),
        ] {
            let found = mistakes(wrong).unwrap_err();
            assert!(found.starts_with(key) && !found.contains(';'), "{wrong}: {found}");
            assert!(!found.contains("hunter2"), "{found}");
        }
    }
}
