//! Agent statuses from the tables of Stat Server, which know agents and states by number only.

use async_trait::async_trait;
use injixo_connector_sql::database::{Cell, Dialect, Edge, Rejects, Rows, Statement};
use injixo_core::connector::{Outcome, StatusWriter};
use injixo_core::model::{Rule, Timestamp, Window};
use injixo_core::{Error, ErrorKind, Result};

use super::config::{EngageConfig, StatusRules};
use super::mart::{Names, find, push_range};
use super::people::People;

pub(crate) const STATUS: &str = "STATUS";

pub(crate) async fn read(config: &EngageConfig, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
    let names = Names::new(config.schema.as_deref(), &config.prefix);
    let Some((mut session, names, _)) = find(&config.connection, &names, STATUS).await? else {
        let message = "the tables of neither Info Mart (SM_RES_STATE_FACT, …) nor Stat Server (STATUS, …) are there, or the \
                       user may not read them: correct connection.database, schema and prefix, or grant SELECT on them";
        return Err(Error::new(ErrorKind::ConfigInvalid, message));
    };
    let people = People::read(config).await?;
    let select = statuses_of(session.dialect(), &names, window, config.statuses.longest_secs);
    let rejects = Rejects::new("statuses", window);
    let mut taking = Taking { window, rules: &config.statuses, people, out, rejects };
    session.read(&select, &mut taking).await?;
    Ok(Outcome::complete())
}

/// The states that begin in a window or reach into it.
pub(crate) fn statuses_of(dialect: Dialect, names: &Names, window: Window, longest: u32) -> Statement {
    let secs = |at: Timestamp| at.millis().div_euclid(1_000);
    let from = secs(window.from());
    let mut select = Statement::new(dialect);
    select.push(&format!("SELECT s.AGENTDBID, s.STATUS, s.STARTTIME, s.ENDTIME FROM {} s WHERE ", names.table(STATUS)));
    let to = secs(Timestamp::from_millis(window.to().millis() + 999));
    push_range(&mut select, "s.STARTTIME", from - i64::from(longest), to);
    for condition in [" AND (s.STARTTIME >= ", " OR s.ENDTIME IS NULL OR s.ENDTIME = 0 OR s.ENDTIME > "] {
        select.push(condition);
        select.push_value(Edge::Secs(from));
    }
    select.push(")");
    select
}

/// Makes spans of rows.
struct Taking<'o, 'w> {
    window: Window,
    rules: &'o StatusRules,
    people: People,
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
        let whole = |at: usize| cells.get(at).and_then(|cell| cell.whole());
        let agent = whole(0).ok_or(("AGENTDBID", Rule::Required, 0))?;
        let number = whole(1).ok_or(("STATUS", Rule::Required, 1))?;
        let start = whole(2).ok_or(("STARTTIME", Rule::Required, 2))?;
        let start = Timestamp::from_millis(start.saturating_mul(1_000));
        let end = whole(3).filter(|end| *end != 0).map(|end| Timestamp::from_millis(end.saturating_mul(1_000)));
        if end.is_some_and(|end| end < start) {
            return Err(("ENDTIME", Rule::EndBeforeStart, 3));
        }
        let is_over = end.is_some_and(|end| end <= self.window.from() || end == start);
        // Nobody is at a place without an agent.
        if agent <= 0 || is_over || start >= self.window.to() || self.rules.logged_out.contains(&number) {
            return Ok(());
        }
        let number = number.to_string();
        let status = self.rules.numbers.get(&number).unwrap_or(&number);
        match self.people.name(Some(agent)) {
            Some(name) => self.out.span(name, status, start, end),
            None => self.out.span(&agent.to_string(), status, start, end),
        }
        Ok(())
    }
}
