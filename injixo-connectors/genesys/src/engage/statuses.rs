//! Agent statuses: states of agents on one medium, with the reasons laid over them.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connector_sql::database::{Cell, Dialect, Edge, Rejects, Rows, Statement};
use injixo_core::Result;
use injixo_core::connector::{Context, Limits, Outcome, StatusSource, StatusWriter};
use injixo_core::model::{Millis, Rule, Timestamp, Window};

use super::config::{EngageConfig, Profile};
use super::mart::{
    Mart, Names, PARTITION, REASONS, ResourceKind, STATES, keys_of, no_code, no_mart, partition, partition_behind,
    push_one_of, push_range,
};
use super::people::People;
use super::stat_server;

/// Reads statuses.
#[derive(Debug)]
pub(crate) struct Statuses(pub(crate) Arc<EngageConfig>);

#[async_trait]
impl StatusSource for Statuses {
    fn limits(&self) -> Limits {
        // The reasons of a window are held in memory.
        Limits::new().longest_window(Millis::from_mins(25 * 60))
    }

    async fn read(&self, _: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let config = &self.0;
        if config.profile != Profile::StatServer
            && let Some(mart) = Mart::open(config).await?
        {
            return read(config, mart, window, out).await;
        }
        if config.profile == Profile::InfoMart {
            return Err(no_mart());
        }
        stat_server::read(config, window, out).await
    }
}

async fn read(config: &EngageConfig, mut mart: Mart, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
    let rules = &config.statuses;
    let outcome = match mart.loaded(config).await? {
        Some(until) if until < window.to() => Outcome::complete_until(until.max(window.from())),
        _ => Outcome::complete(),
    };
    let codes = mart.codes("MEDIA_TYPE", "MEDIA_TYPE_KEY", ["MEDIA_NAME_CODE"]).await?;
    let media = keys_of(&codes, |[code]| *code == rules.media);
    if media.is_empty() {
        return Err(no_code("statuses.media", &codes));
    }
    let codes = mart.codes("RESOURCE_STATE", "RESOURCE_STATE_KEY", ["STATE_NAME_CODE"]).await?;
    let agents = mart.resources(ResourceKind::Agent).await?;
    let people = People::read(config).await?;
    // The configuration database has the name by which a user logs in; the mart's own is the second best.
    let agents = agents.into_iter().map(|(key, agent)| {
        let name = people.name(agent.dbid).map_or(agent.name, ToOwned::to_owned);
        (key, name)
    });
    let agents: HashMap<i64, String> = agents.filter(|(_, name)| !name.is_empty()).collect();
    let mut reasons: HashMap<i64, Vec<Reason>> = HashMap::new();
    if rules.reasons {
        let columns = ["HARDWARE_REASON", "SOFTWARE_REASON_VALUE"];
        let names = mart.codes("RESOURCE_STATE_REASON", "RESOURCE_STATE_REASON_KEY", columns).await?;
        let select = reasons_of(mart.dialect(), &mart.names, window, rules.longest_secs, &media);
        let each = |cells: &[Cell<'_>]| {
            let [state, key, start, end, active] = cells else { return };
            let name =
                key.whole().and_then(|key| names.get(&key)).map(|names| names.iter().find(|name| !name.is_empty()));
            if let (Some(state), Some(Some(name)), Some(start)) = (state.whole(), name, start.whole()) {
                let end = end.whole().filter(|_| active.whole() != Some(1)).map(Timestamp::from_secs);
                let reason = Reason { name: name.clone(), start: Timestamp::from_secs(start), end };
                reasons.entry(state).or_default().push(reason);
            }
        };
        mart.session.each(&select, each).await?;
        reasons.values_mut().for_each(|reasons| reasons.sort_by_key(|reason| reason.start));
    }
    let select = states_of(mart.dialect(), &mart.names, window, rules.longest_secs, &media);
    let codes = codes.into_iter().map(|(key, [code])| (key, code)).collect();
    let rejects = Rejects::new("statuses", window);
    let mut taking = Taking { window, codes, agents, reasons, out, rejects };
    mart.session.read(&select, &mut taking).await?;
    Ok(outcome)
}

/// What an agent gave as the reason of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason {
    name: String,
    start: Timestamp,
    end: Option<Timestamp>,
}

/// The states that begin in a window or reach into it.
pub(crate) fn states_of(dialect: Dialect, names: &Names, window: Window, longest: u32, media: &[i64]) -> Statement {
    let mut select = Statement::new(dialect);
    select.push(&format!(
        "SELECT s.SM_RES_STATE_FACT_KEY, s.RESOURCE_KEY, s.RESOURCE_STATE_KEY, s.START_TS, s.END_TS, s.ACTIVE_FLAG FROM {} \
         s WHERE ",
        names.table(STATES)
    ));
    push_reach(&mut select, "s", window, longest);
    push_one_of(&mut select, "s.MEDIA_TYPE_KEY", media);
    select
}

/// The reasons of those states: a state that was found may have one that began later.
pub(crate) fn reasons_of(dialect: Dialect, names: &Names, window: Window, longest: u32, media: &[i64]) -> Statement {
    let mut select = Statement::new(dialect);
    select.push(&format!(
        "SELECT f.SM_RES_STATE_FACT_KEY, f.RESOURCE_STATE_REASON_KEY, f.START_TS, f.END_TS, f.ACTIVE_FLAG FROM {} f WHERE ",
        names.table(REASONS)
    ));
    let first = partition(window.from()) - i64::from(longest) - PARTITION;
    // The state that begins last in the window may give its reason as long after it as states last.
    let last = partition_behind(window.to()) + i64::from(longest) + PARTITION;
    push_range(&mut select, "f.START_DATE_TIME_KEY", first, last);
    push_one_of(&mut select, "f.MEDIA_TYPE_KEY", media);
    select
}

fn push_reach(select: &mut Statement, table: &str, window: Window, longest: u32) {
    let first = partition(window.from()) - i64::from(longest) - PARTITION;
    push_range(select, &format!("{table}.START_DATE_TIME_KEY"), first, partition_behind(window.to()));
    // What `END_TS` holds in an active row is not known, so that only the flag is believed.
    let from = window.from().millis().div_euclid(1_000);
    for condition in
        [format!(" AND ({table}.START_TS >= "), format!(" OR {table}.ACTIVE_FLAG = 1 OR {table}.END_TS > ")]
    {
        select.push(&condition);
        select.push_value(Edge::Secs(from));
    }
    select.push(")");
}

/// Makes spans of rows.
struct Taking<'o, 'w> {
    window: Window,
    codes: HashMap<i64, String>,
    agents: HashMap<i64, String>,
    reasons: HashMap<i64, Vec<Reason>>,
    out: &'o mut StatusWriter<'w>,
    rejects: Rejects,
}

#[async_trait]
impl Rows for Taking<'_, '_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.rejects.advance();
        match self.state(cells) {
            Ok(()) => Ok(()),
            Err((column, rule, at)) => {
                let value = cells.get(at).copied().unwrap_or(Cell::Null);
                self.out.reject(&self.rejects.row(column, rule, value))
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.out.flush().await
    }
}

impl Taking<'_, '_> {
    fn state(&mut self, cells: &[Cell<'_>]) -> Result<(), (&'static str, Rule, usize)> {
        let Self { window, codes, agents, reasons, out, .. } = self;
        let whole = |at: usize| cells.get(at).and_then(|cell| cell.whole());
        let start = whole(3).ok_or(("START_TS", Rule::Required, 3))?;
        let start = Timestamp::from_millis(start.saturating_mul(1_000));
        if !start.is_supported() {
            return Err(("START_TS", Rule::DateRange, 3));
        }
        let end = match whole(5) {
            Some(1) => None,
            _ => {
                let end = whole(4).ok_or(("END_TS", Rule::Required, 4))?;
                Some(Timestamp::from_millis(end.saturating_mul(1_000)))
            }
        };
        if end.is_some_and(|end| end < start) {
            return Err(("END_TS", Rule::EndBeforeStart, 4));
        }
        // A resource that is no agent has states too.
        let Some(agent) = whole(1).and_then(|key| agents.get(&key)) else { return Ok(()) };
        let code = whole(2).and_then(|key| codes.get(&key)).filter(|code| !code.is_empty());
        let code = code.ok_or(("RESOURCE_STATE_KEY", Rule::Required, 2))?;
        let reasons = whole(0).and_then(|key| reasons.get(&key)).map_or(&[][..], Vec::as_slice);
        lay_over(start, end, reasons, |from, to, reason| {
            let is_over = to.is_some_and(|to| to <= window.from());
            if from < window.to() && !is_over {
                match reason {
                    Some(reason) => out.span(agent, &format!("{code}:{reason}"), from, to),
                    None => out.span(agent, code, from, to),
                }
            }
        });
        Ok(())
    }
}

/// Cuts a state into what is covered by reasons and what is not; nothing of no length is left.
fn lay_over(
    start: Timestamp,
    end: Option<Timestamp>,
    reasons: &[Reason],
    mut piece: impl FnMut(Timestamp, Option<Timestamp>, Option<&str>),
) {
    let within = |at: Timestamp| end.map_or(at, |end| at.min(end));
    let mut at = start;
    for reason in reasons {
        let from = within(reason.start.max(at));
        let to = reason.end.map(within).or(end);
        if to.is_some_and(|to| to <= from) {
            continue;
        }
        if at < from {
            piece(at, Some(from), None);
        }
        piece(from, to, Some(&reason.name));
        match to {
            Some(to) => at = to,
            None => return,
        }
    }
    if end.is_none_or(|end| at < end) {
        piece(at, end, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(end: Option<i64>, reasons: &[(i64, Option<i64>, &str)]) -> Vec<(i64, Option<i64>, Option<String>)> {
        let at = Timestamp::from_secs;
        let reasons: Vec<Reason> = reasons
            .iter()
            .map(|(from, to, name)| Reason { name: (*name).to_owned(), start: at(*from), end: to.map(at) })
            .collect();
        let mut pieces = Vec::new();
        lay_over(at(10), end.map(at), &reasons, |from, to, reason| {
            pieces.push((from.millis() / 1_000, to.map(|to| to.millis() / 1_000), reason.map(ToOwned::to_owned)));
        });
        pieces
    }

    #[test]
    fn a_reason_covers_a_part_of_a_state() {
        let lunch = || Some("Lunch".to_owned());
        assert_eq!(pieces(Some(40), &[]), [(10, Some(40), None)]);
        assert_eq!(
            pieces(Some(40), &[(20, Some(30), "Lunch")]),
            [(10, Some(20), None), (20, Some(30), lunch()), (30, Some(40), None)]
        );
        assert_eq!(pieces(Some(40), &[(10, Some(40), "Lunch")]), [(10, Some(40), lunch())]);
        // One that goes on ends with its state; one that goes beyond it is cut.
        assert_eq!(pieces(Some(40), &[(20, None, "Lunch")]), [(10, Some(20), None), (20, Some(40), lunch())]);
        assert_eq!(pieces(Some(40), &[(5, Some(90), "Lunch")]), [(10, Some(40), lunch())]);
        assert_eq!(pieces(None, &[(20, None, "Lunch")]), [(10, Some(20), None), (20, None, lunch())]);
        assert_eq!(pieces(None, &[]), [(10, None, None)]);
        // Outside of it, and of no length.
        assert_eq!(pieces(Some(40), &[(40, Some(50), "Lunch"), (20, Some(20), "Lunch")]), [(10, Some(40), None)]);
        assert_eq!(pieces(Some(10), &[(10, None, "Lunch")]), []);
        // Of two at once the first goes on until its end.
        assert_eq!(
            pieces(Some(40), &[(10, Some(25), "Lunch"), (20, Some(30), "Tea")]),
            [(10, Some(25), lunch()), (25, Some(30), Some("Tea".to_owned())), (30, Some(40), None)]
        );
    }
}
