//! How an account is reached, and what its reports mean.

use injixo_core::http::HttpSettings;
use injixo_core::zone::Zone;
use injixo_core::{Error, ErrorKind, Result, Secret};
use serde::Deserialize;

/// How an account of Five9 is read. Every key is explained in `sample.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Five9Config {
    /// A user with the roles ADMIN and REPORTING, and for real time SUPERVISOR, that nobody else signs in with.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Where the account lives.
    pub region: Region,
    /// What makes the queues.
    #[serde(default)]
    pub grouping: Grouping,
    /// The zone in which reports are written, if not that of the region. Inferred for every region but the United States.
    #[serde(default)]
    pub report_zone: Option<Zone>,
    /// When a contact counts. Inferred.
    #[serde(default)]
    pub counts_at: CountsAt,
    /// Whether `TALK TIME` holds `HOLD TIME` already. Inferred: it does not.
    #[serde(default)]
    pub talk_contains_hold: bool,
    /// The order in which a report's range is sent.
    #[serde(default)]
    pub range_order: RangeOrder,
    /// The report of calls, if it is called otherwise.
    #[serde(default)]
    pub calls: Option<Report>,
    /// The report of agent states, if it is called otherwise.
    #[serde(default)]
    pub agent_states: Option<Report>,
    /// How many rows a report holds at most: one with as many is taken to be cut off.
    #[serde(default = "report_rows")]
    pub report_rows: u32,
    /// How long the longest call with all its transfers lasts, in seconds: four hours unless set. So far around a window is
    /// read.
    #[serde(default = "longest_call")]
    pub longest_call_secs: u32,
    /// How long the longest state of an agent lasts, in seconds: twelve hours unless set. It is written when it has ended.
    #[serde(default = "longest_state")]
    pub longest_state_secs: u32,
    /// The address of the account's services, if not that of the region.
    #[serde(default)]
    pub url: Option<String>,
    /// How the account is reached over the network.
    #[serde(default)]
    pub http: HttpSettings,
}

fn report_rows() -> u32 {
    50_000
}

fn longest_call() -> u32 {
    4 * 3_600
}

fn longest_state() -> u32 {
    12 * 3_600
}

/// Where an account lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Region {
    /// United States.
    Us,
    /// United Kingdom.
    Uk,
    /// The Netherlands.
    Eu,
    /// Frankfurt.
    De,
    /// Canada.
    Ca,
    /// India.
    In,
}

impl Region {
    fn host(self) -> &'static str {
        match self {
            Self::Us => "api.five9.com",
            Self::Uk | Self::Eu => "api.five9.eu",
            Self::De => "api.eu.five9.com",
            Self::Ca => "api.five9.ca",
            Self::In => "api.in.five9.com",
        }
    }

    /// The vendor's documents contradict each other outside the United States.
    fn zone(self) -> &'static str {
        match self {
            Self::Us => "America/Los_Angeles",
            Self::Uk => "Europe/London",
            Self::Eu | Self::De | Self::Ca => "Etc/GMT",
            Self::In => "Asia/Kolkata",
        }
    }
}

/// What makes the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Grouping {
    /// The campaign of a call, from the standard report.
    #[default]
    Campaign,
    /// The skill, from a report of the customer's own: the standard one with the column `SKILL`.
    Skill,
}

/// When a contact counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CountsAt {
    /// When it entered the queue: `IVR TIME` after `TIMESTAMP`.
    #[default]
    Queue,
    /// When the call began: `TIMESTAMP`.
    Call,
}

/// The order in which a report's range is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RangeOrder {
    /// As the vendor's description of the service demands.
    #[default]
    EndFirst,
    /// As many programs do.
    StartFirst,
}

/// Where a report is found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Report {
    /// Its folder, exactly, in the language of the user.
    pub folder: String,
    /// Its name, exactly.
    pub name: String,
}

impl Report {
    /// A report of that name in that folder.
    pub fn new(folder: impl Into<String>, name: impl Into<String>) -> Self {
        Self { folder: folder.into(), name: name.into() }
    }
}

impl Five9Config {
    /// The user of an account, everything else as by default.
    pub fn new(user: impl Into<String>, password: Secret, region: Region) -> Self {
        Self {
            user: user.into(),
            password,
            region,
            grouping: Grouping::default(),
            report_zone: None,
            counts_at: CountsAt::default(),
            talk_contains_hold: false,
            range_order: RangeOrder::default(),
            calls: None,
            agent_states: None,
            report_rows: report_rows(),
            longest_call_secs: longest_call(),
            longest_state_secs: longest_state(),
            url: None,
            http: HttpSettings::default(),
        }
    }

    /// Every mistake at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        for (name, text) in [("user", self.user.as_str()), ("password", self.password.expose())] {
            if text.is_empty() {
                wrong.push(format!("{name}: is empty"));
            }
        }
        if self.report_rows < 2 {
            wrong.push("report_rows: expected 2 at least".to_owned());
        }
        if self.url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            wrong.push("url: expected https://…".to_owned());
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ConfigInvalid, format!("five9: {}", wrong.join("; "))))
    }

    pub(crate) fn base(&self) -> String {
        let of_region = || format!("https://{}", self.region.host());
        self.url.as_ref().map_or_else(of_region, |url| url.trim_end_matches('/').to_owned())
    }

    pub(crate) fn zone(&self) -> Result<Zone> {
        match &self.report_zone {
            Some(zone) => Ok(zone.clone()),
            None => Zone::new(self.region.zone()),
        }
    }

    pub(crate) fn calls_report(&self) -> Report {
        self.calls.clone().unwrap_or_else(|| match self.grouping {
            Grouping::Campaign => Report::new("Call Log Reports", "Call Log"),
            Grouping::Skill => Report::new("Shared Reports (injixo)", "Call Log with Skills"),
        })
    }

    pub(crate) fn states_report(&self) -> Report {
        self.agent_states.clone().unwrap_or_else(|| Report::new("Agent Reports", "Agent State Details"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration() {
        let config: Five9Config = toml::from_str(include_str!("../sample.toml")).unwrap();
        config.check().unwrap();
        assert_eq!(config.base(), "https://api.five9.eu");
        assert_eq!(config.calls_report(), Report::new("Shared Reports (injixo)", "Call Log with Skills"));
        assert_eq!(config.zone().unwrap().name(), "Europe/London");
    }

    #[test]
    fn every_mistake_is_named_and_no_secret() {
        let text = "user = ''\npassword = ''\nregion = 'us'\nurl = 'x'\nreport_rows = 0";
        let error = toml::from_str::<Five9Config>(text).unwrap().check().unwrap_err().to_string();
        for part in ["user: is empty", "password: is empty", "url: expected", "report_rows: expected"] {
            assert!(error.contains(part), "{error}");
        }
        let config = Five9Config::new("wfm", Secret::new("hunter2"), Region::Us);
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.zone().unwrap().name(), "America/Los_Angeles");
    }
}
