//! The Statistics Web Services: a session, a snapshot, and the changes since.
//!
//! A timestamp stands for the view of that instant; an update is the difference between two views, in the columns that the
//! snapshot was asked for. Agents are the rows, their user names the keys.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::soap::{Children, Fault, element};
use super::{Service, StateSince, lock};
use crate::ledger::State;
use crate::time::{Ms, SECOND};
use crate::zone::Zone;

const COLUMNS: [&str; 9] = [
    "Username",
    "Full Name",
    "State",
    "State Since",
    "State Duration",
    "Reason Code",
    "Campaign Name",
    "Call Type",
    "Media Availability",
];

const TYPES: [&str; 8] = [
    "AgentState",
    "AgentStatistics",
    "ACDStatus",
    "CampaignState",
    "OutboundCampaignManager",
    "OutboundCampaignStatistics",
    "InboundCampaignStatistics",
    "AutodialCampaignStatistics",
];

const SETTINGS: [&str; 7] =
    ["appType", "forceLogoutSession", "idleTimeOut", "rollingPeriod", "shiftStart", "statisticsRange", "timeZone"];

/// How many timestamps can be asked about, the latest.
const REMEMBERED: usize = 16;

/// A session of the one user.
#[derive(Debug)]
pub(super) struct Session {
    idle_time_out: Ms,
    last_used: Ms,
    columns: Vec<&'static str>,
    timestamps: Vec<Ms>,
}

/// A view: for each agent the cells by column.
type View = BTreeMap<String, BTreeMap<&'static str, String>>;

/// A request for changes, read.
#[derive(Debug)]
pub(super) struct AskedUpdate {
    since: Ms,
    timeout: Ms,
    columns: Vec<&'static str>,
}

impl Service {
    pub(super) fn set_session(&self, wrapper: Node<'_, '_>) -> Result<String, Fault> {
        let asked = Children::of(wrapper, &["viewSettings"])?;
        let asked =
            asked.node("viewSettings").ok_or_else(|| Fault::new("MissedArgumentFault", "viewSettings is needed"))?;
        let asked = Children::of(asked, &SETTINGS)?;
        let idle = asked.number("idleTimeOut")?.unwrap_or(180);
        if !(60..=1800).contains(&idle) {
            return Err(Fault::new("IncorrectArgumentFault", "idleTimeOut is from 60 to 1800"));
        }
        self.count("QueryStatistics")?;
        let mut session = lock(&self.session);
        let is_alive = session.as_ref().is_some_and(|session| session.is_alive(self.now()));
        if is_alive && asked.text("forceLogoutSession") != Some("true") {
            return Err(Fault::new("UserAlreadyLoggedInFault", "User is already logged in"));
        }
        *session = Some(Session {
            idle_time_out: idle * SECOND,
            last_used: self.now(),
            columns: Vec::new(),
            timestamps: Vec::new(),
        });
        let mut text = "<return>".to_owned();
        for name in SETTINGS {
            if let Some(value) = asked.text(name) {
                element(&mut text, name, value);
            }
        }
        text.push_str("</return>");
        Ok(text)
    }

    /// Does something with the session, which lives on.
    fn with_session<T>(&self, with: impl FnOnce(&mut Session) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut session = lock(&self.session);
        let now = self.now();
        let alive = session.as_mut().filter(|session| session.is_alive(now));
        let alive = alive.ok_or_else(|| Fault::new("SessionNotInitializedFault", "Session is not initialized"))?;
        alive.last_used = now;
        with(alive)
    }

    pub(super) fn column_names(&self, wrapper: Node<'_, '_>) -> Result<String, Fault> {
        statistic_type(&Children::of(wrapper, &["statisticType"])?)?;
        self.with_session(|_| Ok(format!("<return>{}</return>", values(COLUMNS.into_iter()))))
    }

    pub(super) fn statistics(&self, wrapper: Node<'_, '_>) -> Result<String, Fault> {
        let asked = Children::of(wrapper, &["statisticType", "columnNames"])?;
        statistic_type(&asked)?;
        let mut columns = COLUMNS.to_vec();
        if let Some(names) = asked.node("columnNames") {
            let names = Children::of(names, &["values"])?;
            let data = names.node("values").map(|values| Children::of(values, &["data*"])).transpose()?;
            let names: Vec<&str> =
                data.iter().flat_map(|data| data.nodes("data")).filter_map(|name| name.text()).collect();
            let unknown = names.iter().find(|name| !COLUMNS.contains(name));
            if let Some(unknown) = unknown {
                return Err(Fault::new("UnknownColumnFault", format!("Unknown column {unknown}")));
            }
            columns = names.iter().filter_map(|name| COLUMNS.into_iter().find(|column| column == name)).collect();
        }
        self.with_session(|_| Ok(()))?;
        self.count("QueryStatistics")?;
        let now = self.now();
        self.with_session(|session| {
            session.columns.clone_from(&columns);
            session.remember(now);
            Ok(())
        })?;
        let mut text = format!("<return><columns>{}</columns>", values(columns.iter().copied()));
        for cells in self.view(now).values() {
            let row = values(columns.iter().map(|column| cells[column].as_str()));
            text.push_str(&format!("<rows>{row}</rows>"));
        }
        text.push_str(&format!("<timestamp>{now}</timestamp><type>AgentState</type></return>"));
        Ok(text)
    }

    pub(super) fn ask_update(&self, wrapper: Node<'_, '_>) -> Result<AskedUpdate, Fault> {
        let asked = Children::of(wrapper, &["statisticType", "previousTimestamp", "longPollingTimeout"])?;
        statistic_type(&asked)?;
        let missing = || Fault::new("MissedArgumentFault", "previousTimestamp and longPollingTimeout are needed");
        let since = asked.number("previousTimestamp")?.ok_or_else(missing)?;
        let timeout = asked.number("longPollingTimeout")?.ok_or_else(missing)?;
        if timeout < 5_000 {
            return Err(Fault::new("IncorrectArgumentFault", "longPollingTimeout is 5000 or more"));
        }
        let columns = self.with_session(|session| {
            if session.timestamps.is_empty() {
                return Err(Fault::new("StatisticsNotRequestedFault", "getStatistics comes first"));
            }
            if !session.timestamps.contains(&since) {
                return Err(Fault::new("UnknownTimestampFault", format!("Unknown timestamp {since}")));
            }
            Ok(session.columns.clone())
        })?;
        self.count("QueryChangedStatistics")?;
        Ok(AskedUpdate { since, timeout, columns })
    }

    /// The changes, as soon as there are some, or nothing.
    pub(super) async fn update(&self, asked: AskedUpdate) -> String {
        let limit = self.now() + asked.timeout;
        loop {
            let now = self.now();
            let changes = self.changes(&asked, now);
            if let Some(changes) = changes {
                let _ = self.with_session(|session| {
                    session.remember(now);
                    Ok(())
                });
                return changes;
            }
            if now >= limit || self.world.clock.is_simulated() {
                return String::new();
            }
            let next = self.world.ledger().next_state_change(now).unwrap_or(limit);
            self.world.clock.wait_until(next.min(limit)).await;
        }
    }

    fn changes(&self, asked: &AskedUpdate, now: Ms) -> Option<String> {
        let (before, after) = (self.view(asked.since), self.view(now));
        let added: Vec<&str> = after.keys().filter(|key| !before.contains_key(*key)).map(String::as_str).collect();
        let removed: Vec<&str> = before.keys().filter(|key| !after.contains_key(*key)).map(String::as_str).collect();
        let mut updates = String::new();
        for (key, cells) in &after {
            let Some(old) = before.get(key) else { continue };
            // The duration changes at every instant; it is no news.
            let watched = asked.columns.iter().filter(|column| **column != "State Duration");
            for column in watched.filter(|column| old[*column] != cells[*column]) {
                updates.push_str("<dataUpdate>");
                element(&mut updates, "columnName", &self.column_label(column));
                element(&mut updates, "columnValue", &cells[column]);
                element(&mut updates, "objectName", key);
                updates.push_str("</dataUpdate>");
            }
        }
        if added.is_empty() && removed.is_empty() && updates.is_empty() {
            return None;
        }
        let keys = |name: &str, keys: &[&str]| match keys {
            [] => String::new(),
            keys => format!("<{name}>{}</{name}>", values(keys.iter().copied())),
        };
        Some(format!(
            "<return>{}{updates}{}<lastTimestamp>{now}</lastTimestamp><previousTimestamp>{}</previousTimestamp>\
             <type>AgentState</type></return>",
            keys("addedObjects", &added),
            keys("deletedObjects", &removed),
            asked.since
        ))
    }

    fn column_label(&self, column: &str) -> String {
        if !self.settings.has_internal_names {
            return column.to_owned();
        }
        let (first, rest) = column.split_at(1);
        first.to_lowercase() + &rest.replace(' ', "")
    }

    fn view(&self, at: Ms) -> View {
        let ledger = self.world.ledger();
        let mut view = View::new();
        for state in ledger.states_at(at).map(|on| on.value) {
            let agent = &ledger.agents[state.agent];
            let covers = state.start <= at && state.end.is_none_or(|end| at < end);
            // A hold is a part of the call, a session no state.
            if !covers || agent.is_removed || matches!(state.state, State::Session | State::Hold) {
                continue;
            }
            if state.state == State::LoggedOut && !self.settings.lists_logged_out {
                continue;
            }
            let name = match state.state {
                State::Ready => "Ready",
                State::NotReady => "Not Ready",
                State::Ringing => "Ringing",
                State::Wrap => "After Call Work",
                State::LoggedOut => "Logged Out",
                _ => "On Call",
            };
            let since = match self.settings.state_since {
                StateSince::Millis => state.start.to_string(),
                StateSince::PacificText => Zone::Pacific.local(state.start).format("%Y-%m-%d %H:%M:%S").to_string(),
            };
            let contact = state.contact.and_then(|id| ledger.contacts_at(at).find(|on| on.value.id == id));
            let campaign = contact.as_ref().map_or(String::new(), |on| on.value.campaign.clone());
            let cells = BTreeMap::from([
                ("Username", agent.user.clone()),
                ("Full Name", agent.full_name()),
                ("State", name.to_owned()),
                ("State Since", since),
                ("State Duration", (at - state.start).to_string()),
                ("Reason Code", state.reason.clone()),
                ("Campaign Name", campaign),
                ("Call Type", if contact.is_some() { "Inbound" } else { "" }.to_owned()),
                ("Media Availability", if state.state == State::LoggedOut { "" } else { "Calls" }.to_owned()),
            ]);
            view.insert(agent.user.clone(), cells);
        }
        view
    }
}

impl Session {
    fn is_alive(&self, now: Ms) -> bool {
        now < self.last_used + self.idle_time_out
    }

    fn remember(&mut self, timestamp: Ms) {
        self.timestamps.push(timestamp);
        let excess = self.timestamps.len().saturating_sub(REMEMBERED);
        self.timestamps.drain(..excess);
    }
}

fn statistic_type(asked: &Children<'_>) -> Result<(), Fault> {
    match asked.text("statisticType") {
        Some("AgentState") => Ok(()),
        Some(other) if TYPES.contains(&other) => {
            Err(Fault::new("ServerFault", format!("the stand-in has no statistics of type {other}")))
        }
        Some(_) => Err(Fault::new("IncorrectArgumentFault", "statisticType is not known")),
        None => Err(Fault::new("MissedArgumentFault", "statisticType is needed")),
    }
}

fn values<'a>(data: impl Iterator<Item = &'a str>) -> String {
    let mut text = "<values>".to_owned();
    for value in data {
        element(&mut text, "data", value);
    }
    text + "</values>"
}
