//! The mapping: which tables and columns hold what.

use std::collections::BTreeMap;

use injixo_connector_sql::Connection;
use injixo_core::model::{Channel, Millis};
use injixo_core::zone::{FoldPolicy, GapPolicy, LocalTime, Zone};
use injixo_core::{Error, ErrorKind, Result};
use serde::Deserialize;

/// How a database of Sikom is read. Every key is explained in `sample.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SikomConfig {
    /// The database, and who reads it.
    pub connection: Connection,
    /// The zone in which times without a zone are recorded.
    pub time_zone: Zone,
    /// What times without a zone are.
    #[serde(default)]
    pub times: Times,
    /// What to do with a local time that the clock skipped.
    #[serde(default)]
    pub gap: GapPolicy,
    /// What to do with a local time that the clock repeated.
    #[serde(default)]
    pub fold: FoldPolicy,
    /// Dates that stand for none.
    #[serde(default)]
    pub null_dates: Vec<String>,
    /// Calls and other contacts.
    #[serde(default)]
    pub contacts: Option<Contacts>,
    /// The queues by which contacts came.
    #[serde(default)]
    pub queues: Option<Queues>,
    /// The statuses of agents.
    #[serde(default)]
    pub agent_status: Option<AgentStatus>,
    /// The agents.
    #[serde(default)]
    pub agents: Option<List>,
    /// What statuses are called.
    #[serde(default)]
    pub statuses: Option<List>,
    /// What agents do now.
    #[serde(default)]
    pub real_time: Option<RealTime>,
}

/// What times without a zone are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Times {
    /// Those of the wall clock in `time_zone`.
    #[default]
    Local,
    /// Those of UTC.
    Utc,
}

/// The table of contacts: a row for each pass of a contact through a queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Contacts {
    /// The table.
    pub table: String,
    /// The column that names the queue.
    pub queue_id: String,
    /// The column with the arrival in the queue; a row without was never in one.
    pub arrived: String,
    /// The column with the answer; a row without was not handled.
    pub answered: String,
    /// The column with the end of the conversation.
    pub ended: String,
    /// The column with the end of the work after it.
    #[serde(default)]
    pub wrap_ended: Option<String>,
    /// The column with the length of the work after it.
    #[serde(default)]
    pub wrap_seconds: Option<String>,
    /// The column that says which way a contact went, with the values of those that came in.
    #[serde(default)]
    pub direction: Option<Values>,
    /// The column that says how a contact ended, with the values of those that were abandoned.
    #[serde(default)]
    pub result: Option<Values>,
    /// How long after its arrival a row may still be written or changed, in seconds; a day by default.
    #[serde(default = "day_secs")]
    pub late_secs: u32,
}

/// A column, and the values in it that mean something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Values {
    /// The column.
    pub column: String,
    /// Those of contacts that came in.
    #[serde(default)]
    pub inbound: Vec<String>,
    /// Those of contacts that were given up by the customer.
    #[serde(default)]
    pub abandoned: Vec<String>,
    /// Those of contacts that do not count.
    #[serde(default)]
    pub ignore: Vec<String>,
}

/// A table of names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct List {
    /// The table.
    pub table: String,
    /// The column by which rows name an entry.
    pub id: String,
    /// The column with its name.
    pub name: String,
}

/// The table of queues.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Queues {
    /// The table.
    pub table: String,
    /// The column by which rows name a queue.
    pub id: String,
    /// The column with its name.
    pub name: String,
    /// The column that says which channel it is of; without one all are calls.
    #[serde(default)]
    pub channel: Option<String>,
    /// The channel of each value in that column.
    #[serde(default)]
    pub channels: BTreeMap<String, Channel>,
}

/// The table of agent statuses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AgentStatus {
    /// How its rows say when a status ended.
    #[serde(default)]
    pub span: Spans,
    /// The table.
    pub table: String,
    /// The column that names the agent.
    pub agent_id: String,
    /// The column that names the status.
    pub status_id: String,
    /// The column with the start.
    pub start: String,
    /// The column with the end.
    #[serde(default)]
    pub end: Option<String>,
    /// The column with the length, in seconds.
    #[serde(default)]
    pub seconds: Option<String>,
    /// What names a status to the planner.
    #[serde(default)]
    pub identity: Identity,
    /// The statuses of those who are logged off.
    #[serde(default)]
    pub logged_off: Vec<String>,
    /// Rows that are those of the agent as a whole.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// How long a status lasts at most, in seconds; a day by default.
    #[serde(default = "day_secs")]
    pub longest_secs: u32,
}

/// How rows say when a status ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Spans {
    /// By its end.
    #[default]
    StartEnd,
    /// By its length.
    StartDuration,
    /// Not at all: the agent's next row ends it.
    StartOnly,
}

/// What names a status to the planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Identity {
    /// Its name; its number where it has none.
    #[default]
    Name,
    /// Its number.
    Number,
}

/// Which rows are those of the agent as a whole, where others are those of a single queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scope {
    /// The column that names the queue; where it is NULL the row is the agent's.
    pub column: String,
}

/// What agents do now.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RealTime {
    /// A table of the current statuses with the columns of `agent_status`; by default that table itself.
    #[serde(default)]
    pub table: Option<String>,
    /// How often it is asked, in seconds; 10 by default.
    #[serde(default = "poll_secs")]
    pub poll_secs: u32,
    /// A status that began longer ago than this is taken for one that was never closed, in seconds; 14 hours by default.
    #[serde(default = "open_secs")]
    pub longest_open_secs: u32,
}

const fn day_secs() -> u32 {
    86_400
}

const fn poll_secs() -> u32 {
    10
}

const fn open_secs() -> u32 {
    50_400
}

impl SikomConfig {
    pub(crate) fn check(&self) -> Result<()> {
        let mut mistakes = Vec::new();
        if let Err(error) = self.connection.check() {
            mistakes.push(error.message().to_owned());
        }
        let mut must = |holds: bool, mistake: String| {
            if !holds {
                mistakes.push(mistake);
            }
        };
        for (key, name) in self.names() {
            must(is_name(name), format!("{key}: expected letters, digits, _, $ and dots, found {name:?}"));
        }
        for date in &self.null_dates {
            let message = format!("null_dates: {date:?} is no time like 1900-01-01T00:00:00");
            must(date.parse::<LocalTime>().is_ok(), message);
        }
        let has_data = self.contacts.is_some() || self.agent_status.is_some();
        must(has_data, "contacts, agent_status: there is neither; name the table of at least one of them".to_owned());
        if let Some(contacts) = &self.contacts {
            must(
                contacts.wrap_ended.is_none() || contacts.wrap_seconds.is_none(),
                "contacts.wrap_ended, contacts.wrap_seconds: only one of them".to_owned(),
            );
            must(
                contacts.direction.as_ref().is_none_or(|direction| !direction.inbound.is_empty()),
                "contacts.direction.inbound: empty, so nothing would be read; leave out the direction to read all"
                    .to_owned(),
            );
        }
        if let Some(queues) = &self.queues {
            must(
                queues.channel.is_some() != queues.channels.is_empty(),
                "queues.channel, queues.channels: the column and its values, both or neither".to_owned(),
            );
        }
        if let Some(status) = &self.agent_status {
            must(
                (status.span == Spans::StartEnd) == status.end.is_some(),
                "agent_status.end: for span = \"start_end\"".to_owned(),
            );
            must(
                (status.span == Spans::StartDuration) == status.seconds.is_some(),
                "agent_status.seconds: for span = \"start_duration\"".to_owned(),
            );
            must(
                (60..=2_678_400).contains(&status.longest_secs),
                "agent_status.longest_secs: expected 60 to 2678400".to_owned(),
            );
        }
        if let Some(live) = &self.real_time {
            must(self.agent_status.is_some(), "real_time: needs agent_status".to_owned());
            must((1..=3_600).contains(&live.poll_secs), "real_time.poll_secs: expected 1 to 3600".to_owned());
            must(
                (60..=2_678_400).contains(&live.longest_open_secs),
                "real_time.longest_open_secs: expected 60 to 2678400".to_owned(),
            );
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::ConfigInvalid, mistakes.join("; "))) }
    }

    /// All that becomes part of a statement.
    fn names(&self) -> Vec<(&'static str, &str)> {
        let mut names: Vec<(&'static str, Option<&str>)> = Vec::new();
        if let Some(contacts) = &self.contacts {
            names.extend([
                ("contacts.table", Some(contacts.table.as_str())),
                ("contacts.queue_id", Some(&contacts.queue_id)),
                ("contacts.arrived", Some(&contacts.arrived)),
                ("contacts.answered", Some(&contacts.answered)),
                ("contacts.ended", Some(&contacts.ended)),
                ("contacts.wrap_ended", contacts.wrap_ended.as_deref()),
                ("contacts.wrap_seconds", contacts.wrap_seconds.as_deref()),
                ("contacts.direction.column", contacts.direction.as_ref().map(|values| values.column.as_str())),
                ("contacts.result.column", contacts.result.as_ref().map(|values| values.column.as_str())),
            ]);
        }
        if let Some(queues) = &self.queues {
            names.extend([
                ("queues.table", Some(queues.table.as_str())),
                ("queues.id", Some(&queues.id)),
                ("queues.name", Some(&queues.name)),
                ("queues.channel", queues.channel.as_deref()),
            ]);
        }
        if let Some(status) = &self.agent_status {
            names.extend([
                ("agent_status.table", Some(status.table.as_str())),
                ("agent_status.agent_id", Some(&status.agent_id)),
                ("agent_status.status_id", Some(&status.status_id)),
                ("agent_status.start", Some(&status.start)),
                ("agent_status.end", status.end.as_deref()),
                ("agent_status.seconds", status.seconds.as_deref()),
                ("agent_status.scope.column", status.scope.as_ref().map(|scope| scope.column.as_str())),
            ]);
        }
        for (keys, list) in [
            (["agents.table", "agents.id", "agents.name"], &self.agents),
            (["statuses.table", "statuses.id", "statuses.name"], &self.statuses),
        ] {
            let Some(list) = list else { continue };
            names.extend(keys.into_iter().zip([&list.table, &list.id, &list.name].map(|name| Some(name.as_str()))));
        }
        names.push(("real_time.table", self.real_time.as_ref().and_then(|live| live.table.as_deref())));
        names.into_iter().filter_map(|(key, name)| Some((key, name?))).collect()
    }

    /// The zone of times that have none.
    pub(crate) fn zone(&self) -> Zone {
        match self.times {
            Times::Local => self.time_zone.clone(),
            Times::Utc => Zone::utc(),
        }
    }

    pub(crate) fn null_dates(&self) -> Vec<LocalTime> {
        self.null_dates.iter().filter_map(|date| date.parse().ok()).collect()
    }
}

impl AgentStatus {
    pub(crate) fn longest(&self) -> Millis {
        Millis::from_secs(i64::from(self.longest_secs))
    }
}

/// Whether a text is a name in parts, each of which can be put in quotes.
fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        include_str!("../sample.toml").replacen("\nconnector = \"sikom\"\n", "\n", 1)
    }

    #[test]
    fn the_sample_is_a_configuration_with_every_key() {
        toml::from_str::<SikomConfig>(&sample()).unwrap().check().unwrap();
        for table in
            ["", "[contacts]\n", "[queues]\n", "[agent_status]\n", "[agents]\n", "[statuses]\n", "[real_time]\n"]
        {
            let text = match table {
                "" => format!("nonsense = 1\n{}", sample()),
                table => sample().replacen(table, &format!("{table}nonsense = 1\n"), 1),
            };
            let error = toml::from_str::<SikomConfig>(&text).unwrap_err().to_string();
            let known = error.split("expected one of").nth(1).or_else(|| error.split("expected").nth(1));
            for key in known.unwrap_or_else(|| panic!("{error}")).split('`').skip(1).step_by(2) {
                let is_there = |line: &str| {
                    let line = line.trim_start_matches("# ");
                    let table = table.trim_matches(|c| "[]\n".contains(c));
                    line.starts_with(&format!("{key} ="))
                        || line == format!("[{key}]")
                        || line == format!("[{table}.{key}]")
                };
                assert!(sample().lines().any(is_there), "{table}{key}");
            }
        }
    }

    #[test]
    fn nothing_but_names_becomes_part_of_a_statement() {
        let text = sample().replace("\"acd_call\"", "\"acd_call; DROP TABLE b\"").replace("\"t_queue\"", "\"t)\"");
        let text =
            text.replace("1900-01-01T00:00:00", "never").replace("wrap_ended = \"t_wrap_end\"", "wrap_seconds = \"\"");
        let error = toml::from_str::<SikomConfig>(&text).unwrap().check().unwrap_err().to_string();
        for mistake in ["contacts.table", "contacts.arrived", "null_dates", "contacts.wrap_seconds"] {
            assert!(error.contains(mistake), "{mistake}: {error}");
        }
    }
}
