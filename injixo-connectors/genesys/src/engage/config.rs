//! What a user says about the databases of Genesys Engage.

use std::collections::BTreeMap;

use injixo_connector_sql::Connection;
use injixo_core::model::{Channel, Millis};
use injixo_core::{Error, ErrorKind, Result};
use serde::Deserialize;

/// How Genesys Engage is read. Every key is explained in `sample.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EngageConfig {
    /// The server; its `database` is the ETL database.
    pub connection: Connection,
    /// The schema of its tables; by default that of the user.
    #[serde(default)]
    pub schema: Option<String>,
    /// Letters before the name of each table of the ETL database.
    #[serde(default)]
    pub prefix: String,
    /// Which tables are read.
    #[serde(default)]
    pub profile: Profile,
    /// The configuration database, on the same server; the ETL database by default.
    #[serde(default)]
    pub configuration_database: Option<String>,
    /// The schema of its tables; by default that of the user, in the ETL database `schema`.
    #[serde(default)]
    pub configuration_schema: Option<String>,
    /// What counts as a contact.
    #[serde(default)]
    pub contacts: ContactRules,
    /// Which statuses are read.
    #[serde(default)]
    pub statuses: StatusRules,
}

/// Which tables are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// Those of Info Mart where they are there, else those of Stat Server.
    #[default]
    Auto,
    /// Those of Info Mart.
    InfoMart,
    /// Those of Stat Server, which tell of agent statuses only.
    StatServer,
}

/// What counts as a contact, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ContactRules {
    /// The channel of each media type that is read, by its code.
    pub channels: BTreeMap<String, Channel>,
    /// The codes of the interaction types that are read.
    pub interactions: Vec<String>,
    /// The codes of the roles in which a pass through a queue is a contact.
    pub roles: Vec<String>,
    /// The subtypes of the queues that are read.
    pub queues: Vec<String>,
    /// The codes of the reasons (or results) by which a pass ends with an agent.
    pub answered: Vec<String>,
    /// The codes of the reasons (or results) by which a pass ends with a customer who gave up.
    pub abandoned: Vec<String>,
    /// The codes of the results that make a pass count for nothing.
    pub ignored: Vec<String>,
    /// Whether contacts that were given up at once count.
    pub short_abandons: bool,
    /// Which times are handle time.
    pub handle_time: HandleTime,
    /// How long after its start a row may still be written or changed, in seconds.
    pub late_secs: u32,
}

/// Which times of an agent are handle time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandleTime {
    /// Talk, hold and after-call work with the customer.
    #[default]
    Customer,
    /// All talk, hold and after-call work, consultations included.
    All,
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&text| text.to_owned()).collect()
}

impl Default for ContactRules {
    fn default() -> Self {
        let channels = [("VOICE", Channel::Calls), ("EMAIL", Channel::Emails), ("CHAT", Channel::Chats)];
        Self {
            channels: channels.into_iter().map(|(code, channel)| (code.to_owned(), channel)).collect(),
            interactions: texts(&["INBOUND"]),
            roles: texts(&["RECEIVED"]),
            queues: texts(&["VirtualQueue"]),
            answered: texts(&["ANSWEREDBYAGENT"]),
            abandoned: texts(&["ABANDONEDWHILEQUEUED", "ABANDONEDWHILERINGING"]),
            ignored: texts(&["CLEARED"]),
            short_abandons: true,
            handle_time: HandleTime::default(),
            late_secs: 86_400,
        }
    }
}

/// Which statuses are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct StatusRules {
    /// Whether they are read.
    pub import: bool,
    /// The code of the media type whose states are those of the agent.
    pub media: String,
    /// Whether the reason of a state is part of its name.
    pub reasons: bool,
    /// How long a state lasts at most, in seconds.
    pub longest_secs: u32,
    /// What Stat Server calls its states.
    pub numbers: BTreeMap<String, String>,
    /// The numbers of Stat Server's states that are none.
    pub logged_out: Vec<i64>,
}

impl Default for StatusRules {
    fn default() -> Self {
        // The numbers of Stat Server's states are inferred.
        let numbers = [
            (4, "WaitForNextCall"),
            (5, "OffHook"),
            (6, "CallDialing"),
            (7, "CallRinging"),
            (8, "NotReadyForNextCall"),
            (9, "AfterCallWork"),
            (13, "CallOnHold"),
            (18, "CallUnknown"),
            (19, "CallConsult"),
            (20, "CallInternal"),
            (21, "CallOutbound"),
            (22, "CallInbound"),
        ];
        Self {
            import: true,
            media: "VOICE".to_owned(),
            reasons: true,
            longest_secs: 14_400,
            numbers: numbers.into_iter().map(|(number, name)| (number.to_string(), name.to_owned())).collect(),
            logged_out: vec![23],
        }
    }
}

impl EngageConfig {
    pub(crate) fn check(&self) -> Result<()> {
        let mut mistakes = Vec::new();
        if let Err(error) = self.connection.check() {
            mistakes.push(error.message().to_owned());
        }
        let names = [
            ("schema", self.schema.as_deref()),
            ("prefix", Some(self.prefix.as_str())),
            ("configuration_schema", self.configuration_schema.as_deref()),
        ];
        for (key, name) in names {
            if name.is_some_and(|name| !is_name(name)) {
                mistakes.push(format!("{key}: expected letters, digits, _, $ and dots"));
            }
        }
        let contacts = &self.contacts;
        for (key, is_empty) in [
            ("contacts.channels", contacts.channels.is_empty()),
            ("contacts.interactions", contacts.interactions.is_empty()),
            ("contacts.roles", contacts.roles.is_empty()),
            ("contacts.queues", contacts.queues.is_empty()),
        ] {
            if is_empty {
                mistakes.push(format!("{key}: empty, so nothing would be read; leave it out for the usual"));
            }
        }
        if !(60..=2_678_400).contains(&self.statuses.longest_secs) {
            mistakes.push("statuses.longest_secs: expected 60 to 2678400".to_owned());
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::ConfigInvalid, mistakes.join("; "))) }
    }
}

impl ContactRules {
    pub(crate) fn late(&self) -> Millis {
        Millis::from_secs(i64::from(self.late_secs))
    }
}

/// Whether a text can stand in SQL as a name that is not quoted.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        include_str!("sample.toml").replacen("\nconnector = \"genesys-engage\"\n", "\n", 1)
    }

    #[test]
    fn the_sample_holds_every_key_and_the_defaults() {
        let config: EngageConfig = toml::from_str(&sample()).unwrap();
        config.check().unwrap();
        assert_eq!(format!("{:?}", config.contacts), format!("{:?}", ContactRules::default()));
        assert_eq!(format!("{:?}", config.statuses), format!("{:?}", StatusRules::default()));
        for table in ["", "[contacts]\n", "[statuses]\n"] {
            let text = match table {
                "" => format!("nonsense = 1\n{}", sample()),
                table => sample().replacen(table, &format!("{table}nonsense = 1\n"), 1),
            };
            let error = toml::from_str::<EngageConfig>(&text).unwrap_err().to_string();
            let known = error.split("expected one of").nth(1).unwrap_or_else(|| panic!("{error}"));
            for key in known.split('`').skip(1).step_by(2) {
                let is_there = |line: &str| {
                    let line = line.trim_start_matches("# ");
                    line.starts_with(&format!("{key} =")) || line == format!("[{key}]")
                };
                assert!(sample().lines().any(is_there), "{table}{key}");
            }
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "schema = 'a; DROP TABLE b'\nprefix = '-- '\ncontacts.roles = []\nstatuses.longest_secs = 1\n\
            [connection]\nadapter = 'sqlite'";
        let error = toml::from_str::<EngageConfig>(text).unwrap().check().unwrap_err().to_string();
        for mistake in ["schema", "prefix", "contacts.roles", "statuses.longest_secs", "connection.file"] {
            assert!(error.contains(mistake), "{mistake}: {error}");
        }
    }
}
