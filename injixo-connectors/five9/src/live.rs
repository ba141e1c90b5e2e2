//! What agents do now, from the Statistics Web Services: everyone at first, then each change.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use injixo_core::connector::{AgentNow, Context, LiveSource, LiveWriter};
use injixo_core::model::{Millis, Timestamp};
use injixo_core::zone::{LocalTime, Resolved, Zone};
use injixo_core::{Error, ErrorKind, Result};

use crate::client::{Client, Service};
use crate::limits::Counted;
use crate::statuses::status;
use crate::xml::{Children, Element};

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) client: Client,
    pub(crate) zone: Zone,
}

/// How long Five9 holds a call when nothing changes; it asks for five seconds at least.
const HOLD: Duration = Duration::from_secs(5);

/// How long after each other changes are asked for at least: 30 times a minute, 24,000 a day. Whoever asks as fast as there are
/// changes has asked for a minute's worth within half of it, and is blind for the other.
const UPDATES_APART: Millis = Millis::from_secs(4);

/// How often everyone may be asked for: 240 times a day.
const SNAPSHOTS_APART: Millis = Millis::from_secs(390);

/// How often everyone is asked for anew, so that nothing stays wrong.
const ANEW: Millis = Millis::from_mins(30);

/// By name, so that new columns do not shift the values.
const COLUMNS: [&str; 4] = ["Username", "State", "Reason Code", "State Since"];

/// What is known of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    state: String,
    reason: String,
    since: String,
}

impl Known {
    /// Takes a value; the names of columns vary in updates.
    fn set(&mut self, column: &str, value: &str) -> bool {
        let name: String = column.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let field = match name.as_str() {
            "state" => &mut self.state,
            "reasoncode" | "reason" => &mut self.reason,
            "statesince" => &mut self.since,
            _ => return false,
        };
        let is_new = field != value;
        value.clone_into(field);
        is_new
    }

    fn told(&self, agent: &str, zone: &Zone, now: Timestamp) -> AgentNow {
        let since = instant(&self.since, zone).filter(|since| *since <= now).unwrap_or(now);
        let status = (!self.state.is_empty()).then(|| status(&self.state, &self.reason));
        AgentNow { agent: agent.to_owned(), status, since }
    }
}

/// An instant in milliseconds since 1970, or on the wall clock of the account.
fn instant(text: &str, zone: &Zone) -> Option<Timestamp> {
    if let Ok(millis) = text.parse() {
        return Some(Timestamp::from_millis(millis));
    }
    let local = LocalTime::from(NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()?);
    Some(match zone.resolve(local) {
        Resolved::Unique(at) | Resolved::Gap { forward: at, .. } => at,
        // It has just begun: the first pass, unless that is over by now.
        Resolved::Fold { earlier, .. } => earlier,
    })
}

#[async_trait]
impl LiveSource for Live {
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()> {
        self.begin(cx).await?;
        let (mut agents, mut mark) = self.everyone(cx, out).await?;
        let mut asked = cx.now();
        let mut is_asked_for = false;
        loop {
            let age = cx.now().since(asked);
            if age >= ANEW || (is_asked_for && age >= SNAPSHOTS_APART) {
                asked = cx.now();
                is_asked_for = false;
                (agents, mark) = self.everyone(cx, out).await?;
            }
            let next = cx.now().after(UPDATES_APART);
            let Some(update) = self.update(cx, &mark).await? else {
                cx.sleep(next).await;
                continue;
            };
            match update.text_of("lastTimestamp") {
                "" => {}
                last => last.clone_into(&mut mark),
            }
            is_asked_for |= self.changed(cx, &update, &mut agents, out).await?;
            cx.sleep(next).await;
        }
    }
}

impl Live {
    async fn begin(&self, cx: &Context) -> Result<()> {
        let settings = Children::default()
            .text("forceLogoutSession", "true")
            .text("idleTimeOut", "600")
            .text("rollingPeriod", "Minutes30")
            .text("shiftStart", "28800000")
            .text("statisticsRange", "CurrentDay")
            .text("timeZone", "0");
        let children = Children::default().within("viewSettings", &settings);
        let operation = (Service::Statistics, "setSessionParameters");
        self.client.call(cx, operation, &children, Some(Counted::QueryStatistics), Duration::ZERO).await.map(|_| ())
    }

    /// Everyone, and the mark to ask for changes from.
    async fn everyone(&self, cx: &Context, out: &mut LiveWriter) -> Result<(BTreeMap<String, Known>, String)> {
        let values = COLUMNS.iter().fold(Children::default(), |values, column| values.text("data", column));
        let names = Children::default().within("values", &values);
        let children = Children::default().text("statisticType", "AgentState").within("columnNames", &names);
        let operation = (Service::Statistics, "getStatistics");
        let answer = self.client.call(cx, operation, &children, Some(Counted::QueryStatistics), Duration::ZERO).await?;
        let odd = |what: &str| Error::new(ErrorKind::Protocol, format!("statistics of Five9 without {what}"));
        let returned = answer.child("return").ok_or_else(|| odd("an answer"))?;
        let columns = returned.child("columns").map(values_of).unwrap_or_default();
        let user = columns.iter().position(|column| column == COLUMNS[0]).ok_or_else(|| odd("the column Username"))?;
        if !columns.iter().any(|column| column == "State") {
            return Err(odd("the column State"));
        }
        let mut agents = BTreeMap::new();
        for row in returned.all("rows") {
            let values = values_of(row);
            let Some(agent) = values.get(user).filter(|agent| !agent.is_empty()) else { continue };
            let mut known = Known::default();
            for (column, value) in columns.iter().zip(&values) {
                known.set(column, value);
            }
            agents.insert(agent.clone(), known);
        }
        let now = cx.now();
        let as_of = instant(returned.text_of("timestamp"), &self.zone).unwrap_or(now).min(now);
        let told = agents.iter().map(|(agent, known)| known.told(agent, &self.zone, now)).collect();
        out.snapshot(as_of, told).await?;
        Ok((agents, returned.text_of("timestamp").to_owned()))
    }

    /// What changed since the mark; nothing when nothing did.
    async fn update(&self, cx: &Context, mark: &str) -> Result<Option<Element>> {
        let children = Children::default()
            .text("statisticType", "AgentState")
            .text("previousTimestamp", mark)
            .text("longPollingTimeout", &HOLD.as_millis().to_string());
        let operation = (Service::Statistics, "getStatisticsUpdate");
        let answer = self.client.call(cx, operation, &children, Some(Counted::QueryChangedStatistics), HOLD).await?;
        Ok(answer.children.into_iter().find(|child| child.name == "return"))
    }

    /// Tells what changed; returns whether everyone must be asked for to know all of it.
    async fn changed(
        &self,
        cx: &Context,
        update: &Element,
        agents: &mut BTreeMap<String, Known>,
        out: &mut LiveWriter,
    ) -> Result<bool> {
        let now = cx.now();
        for gone in update.all("deletedObjects").flat_map(values_of) {
            if agents.remove(&gone).is_some() {
                out.change(&gone, None, now).await?;
            }
        }
        let mut changed = BTreeMap::new();
        for data in update.all("dataUpdate") {
            let (agent, column) = (data.text_of("objectName"), data.text_of("columnName"));
            if agent.is_empty() {
                continue;
            }
            let known = agents.entry(agent.to_owned()).or_default();
            if known.set(column, data.text_of("columnValue")) {
                let column = column.to_lowercase();
                let is_since = changed.entry(agent.to_owned()).or_insert(false);
                *is_since |= column.contains("since");
            }
        }
        for (agent, has_since) in changed {
            let Some(known) = agents.get_mut(&agent) else { continue };
            if !has_since {
                // A new state without a time begins now; an old time would be that of the state before.
                known.since = now.millis().to_string();
            }
            let told = known.told(&agent, &self.zone, now);
            out.change(&told.agent, told.status.as_deref(), told.since).await?;
        }
        let added: Vec<String> = update.all("addedObjects").flat_map(values_of).collect();
        Ok(added.iter().any(|agent| !agents.contains_key(agent)))
    }
}

/// The values of a row.
fn values_of(row: &Element) -> Vec<String> {
    let values = row.child("values").map_or(&row.children, |values| &values.children);
    values.iter().filter(|child| child.name == "data").map(|child| child.text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_since_an_instant_or_a_wall_clock_time() {
        let zone = Zone::new("America/Los_Angeles").unwrap();
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(instant("1709633100000", &zone), at("2024-03-05T10:05:00Z"));
        assert_eq!(instant("2024-03-05 02:05:00", &zone), at("2024-03-05T10:05:00Z"));
        assert_eq!(instant("", &zone), None);
    }

    #[test]
    fn columns_are_known_by_either_name() {
        let mut known = Known::default();
        assert!(
            known.set("State", "Not Ready") && known.set("reasonCode", "Lunch") && !known.set("averageWrapTime", "1")
        );
        assert!(!known.set("State", "Not Ready"));
        let now = Timestamp::from_secs(1_709_633_100);
        let told = known.told("amy", &Zone::utc(), now);
        assert_eq!((told.status.as_deref(), told.since), (Some("Not Ready: Lunch"), now));
    }
}
