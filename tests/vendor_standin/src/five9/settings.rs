//! What can be chosen: the account, what the public documentation leaves open, and how the truth counts.

use std::collections::BTreeMap;

use super::{columns, limits};
use crate::ledger::truth::Naming;
use crate::time::{HOUR, Ms, SECOND};
use crate::zone::Zone;

/// What key gives a row of the call log its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// `CAMPAIGN`.
    Campaign,
    /// `SKILL`.
    Skill,
}

/// Whether rows of one call that follow one another in one queue are one contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    /// They are one.
    Joined,
    /// Each is one.
    Each,
}

/// The instant at which a contact counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartsAt {
    /// `TIMESTAMP` and `IVR TIME` after it: when the queue was entered.
    Queue,
    /// `TIMESTAMP`.
    Row,
}

/// What the rows `Login` and `Logout` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionRows {
    /// Events of no length.
    Instants,
    /// `Login` lasts for the session, `Logout` until the next.
    Whole,
}

/// What happens when a report has more rows than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AboveLimit {
    /// The rest is missing, and nothing says so.
    Cut,
    /// The result is refused.
    Fault,
}

/// How `State Since` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateSince {
    /// Milliseconds since 1970.
    Millis,
    /// `YYYY-MM-DD HH:MM:SS` in Pacific time.
    PacificText,
}

/// Everything about the account and the service that can be chosen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// The zone of the data centre, in which reports are written.
    pub zone: Zone,
    /// The truth: which key makes a queue.
    pub grouping: Grouping,
    /// The truth: what makes a contact.
    pub segments: Segments,
    /// The truth: where a contact counts.
    pub starts_at: StartsAt,
    /// The truth: the name of a status.
    pub naming: Naming,
    /// Whether `TALK TIME` contains `HOLD TIME`.
    pub talk_contains_hold: bool,
    /// The columns of `Call Log`. Columns that are not known are empty.
    pub call_columns: Vec<String>,
    /// The columns of `Call Log with Skills`; empty: there is no such report.
    pub skill_columns: Vec<String>,
    /// The columns of `Agent State Details`.
    pub state_columns: Vec<String>,
    /// Headers that are shown under another name.
    pub renamed: BTreeMap<String, String>,
    /// What `SKILL` holds without a skill: `[None]`, or nothing.
    pub no_skill: String,
    /// Campaigns and skills that were deleted since.
    pub deleted: Vec<String>,
    /// What `ABANDONED` holds for a call that was not: `0`, or nothing.
    pub not_abandoned: String,
    /// Whether durations of zero are empty.
    pub blank_zero_durations: bool,
    /// What `Login` and `Logout` are.
    pub session_rows: SessionRows,
    /// What ends a line of CSV.
    pub line_end: String,
    /// How often `isReportRunning` says that the report still runs.
    pub report_polls: u32,
    /// For how long at most `isReportRunning` holds a request, by the clock of the machine.
    pub longest_poll: Ms,
    /// Whether a result that is asked for too early is half a result instead of a fault.
    pub gives_half_results: bool,
    /// For how long a result can be had.
    pub report_life: Ms,
    /// How many rows a CSV result has at most.
    pub csv_limit: usize,
    /// How many rows `getReportResult` has at most.
    pub record_limit: usize,
    /// What happens above these.
    pub above_limit: AboveLimit,
    /// Whether `start` may stand before `end` in the criteria, against the schema.
    pub takes_start_first: bool,
    /// Whether a range given with an offset of zero has an empty result.
    pub empties_zero_offset: bool,
    /// Whether a user may have one request at a time only, at each of the two services.
    pub is_one_at_a_time: bool,
    /// Whether it is one at both together.
    pub services_exclude_each_other: bool,
    /// What each kind of operation may per minute, hour and day.
    pub limits: BTreeMap<&'static str, [u64; 3]>,
    /// How `State Since` is written.
    pub state_since: StateSince,
    /// Whether agents that are logged out are in the statistics; if not, they come and go.
    pub lists_logged_out: bool,
    /// Whether updates name columns as `stateSince` instead of `State Since`.
    pub has_internal_names: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let owned = |columns: &[&str]| columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>();
        let mut skill_columns = owned(&columns::CALL_LOG);
        skill_columns.push("SKILL".to_owned());
        Self {
            user: "wfm@example.test".to_owned(),
            password: "s3cret:<&>".to_owned(),
            zone: Zone::Pacific,
            grouping: Grouping::Campaign,
            segments: Segments::Joined,
            starts_at: StartsAt::Queue,
            naming: Naming::Joined(": ".to_owned()),
            talk_contains_hold: false,
            call_columns: owned(&columns::CALL_LOG),
            skill_columns,
            state_columns: owned(&columns::AGENT_STATES),
            renamed: BTreeMap::new(),
            no_skill: "[None]".to_owned(),
            deleted: Vec::new(),
            not_abandoned: "0".to_owned(),
            blank_zero_durations: false,
            session_rows: SessionRows::Instants,
            line_end: "\n".to_owned(),
            report_polls: 2,
            longest_poll: SECOND,
            gives_half_results: false,
            report_life: HOUR,
            csv_limit: 50_000,
            record_limit: 5_000,
            above_limit: AboveLimit::Cut,
            takes_start_first: false,
            empties_zero_offset: false,
            is_one_at_a_time: true,
            services_exclude_each_other: false,
            limits: limits::DEFAULTS.into_iter().collect(),
            state_since: StateSince::Millis,
            lists_logged_out: true,
            has_internal_names: false,
        }
    }
}
