//! Agent statuses, and what agents do now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connector_sql::database::{Bound, Cell, Reach, Rejects, Rows, Session, Wanted};
use injixo_core::connector::{AgentNow, Context, Limits, LiveSource, LiveWriter, Outcome, StatusSource, StatusWriter};
use injixo_core::model::{Millis, RejectedRow, Rule, Timestamp, Window};
use injixo_core::zone::{LocalTime, Resolver};
use injixo_core::{Error, ErrorKind, Result};

use crate::config::{AgentStatus, Identity, RealTime, SikomConfig, Spans};
use crate::contacts::moment;
use crate::lists::names;
use crate::query;

const AGENT: usize = 0;
const STATUS: usize = 1;
pub(crate) const STARTED: usize = 2;
pub(crate) const ENDED: usize = 3;
const SECONDS: usize = 4;
const SCOPE: usize = 5;

const fn wanted(name: &'static str, is_required: bool) -> Wanted {
    Wanted { name, is_required }
}

pub(crate) const WANTED: [Wanted; 6] = [
    wanted("agent_id", true),
    wanted("status_id", true),
    wanted("started", true),
    wanted("ended", false),
    wanted("seconds", false),
    wanted("scope", false),
];

/// Reads statuses.
#[derive(Debug)]
pub(crate) struct Statuses(pub(crate) Arc<SikomConfig>);

/// Takes the spans of rows.
#[async_trait]
trait Take: Send {
    fn span(&mut self, span: Row<'_>);

    fn reject(&mut self, row: &RejectedRow) -> Result<()>;

    async fn flush(&mut self) -> Result<()>;
}

/// A row that was understood.
struct Row<'a> {
    agent: &'a str,
    status: &'a str,
    is_logged_off: bool,
    start: Timestamp,
    end: Option<Timestamp>,
}

impl Statuses {
    /// Reads the spans of a table that start in a window or reach into it.
    async fn spans(&self, window: Window, reach: Millis, table: &str, take: &mut dyn Take) -> Result<()> {
        let config = &self.0;
        let mapping = mapping(config)?;
        let mut session = Session::open(&config.connection).await?;
        let agents = names(&mut session, config.agents.as_ref()).await?;
        let names = names(&mut session, config.statuses.as_ref()).await?;
        let text = query::statuses(session.dialect(), mapping, table);
        let bound = Bound::new(&mut session, &text, &WANTED, STARTED).await?;
        // Without ends a span reaches as far as the next row, which the engine knows.
        let reach = match mapping.span {
            Spans::StartOnly => None,
            Spans::StartEnd | Spans::StartDuration => {
                let end = (mapping.span == Spans::StartEnd).then_some(ENDED);
                let window = Window::new(window.from().before(reach), window.to())?;
                Some(Reach { window, end, has_null_dates: !config.null_dates.is_empty() })
            }
        };
        let zone = config.zone();
        let statement = bound.statement(session.dialect(), window, &zone, STARTED, reach.as_ref());
        let mut taking = Taking {
            bound: &bound,
            mapping,
            resolver: Resolver::new(&zone, config.gap, config.fold),
            null_dates: config.null_dates(),
            agents,
            names,
            window,
            take,
            rejects: Rejects::new("statuses", window),
            texts: Default::default(),
        };
        bound.read(&mut session, &statement, &mut taking).await
    }
}

fn mapping(config: &SikomConfig) -> Result<&AgentStatus> {
    let missing = || Error::new(ErrorKind::Unexpected, "there is no mapping for statuses");
    config.agent_status.as_ref().ok_or_else(missing)
}

#[async_trait]
impl StatusSource for Statuses {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let mapping = mapping(&self.0)?;
        self.spans(window, mapping.longest(), &mapping.table, &mut History(out)).await?;
        Ok(Outcome::complete())
    }
}

struct History<'o, 'w>(&'o mut StatusWriter<'w>);

#[async_trait]
impl Take for History<'_, '_> {
    fn span(&mut self, span: Row<'_>) {
        self.0.span(span.agent, span.status, span.start, span.end);
    }

    fn reject(&mut self, row: &RejectedRow) -> Result<()> {
        self.0.reject(row)
    }

    async fn flush(&mut self) -> Result<()> {
        self.0.flush().await
    }
}

/// Makes spans of rows.
struct Taking<'b, 's> {
    bound: &'b Bound,
    mapping: &'b AgentStatus,
    resolver: Resolver,
    null_dates: Vec<LocalTime>,
    agents: HashMap<String, String>,
    names: HashMap<String, String>,
    window: Window,
    take: &'s mut dyn Take,
    rejects: Rejects,
    /// Where numbers that name something are written.
    texts: [String; 2],
}

#[async_trait]
impl Rows for Taking<'_, '_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.rejects.advance();
        match self.span(cells) {
            Ok(()) => Ok(()),
            Err((wanted, rule)) => {
                let value = self.bound.cell(cells, wanted);
                self.take.reject(&self.rejects.row(WANTED[wanted].name, rule, value))
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.take.flush().await
    }
}

impl Taking<'_, '_> {
    fn span(&mut self, cells: &[Cell<'_>]) -> Result<(), (usize, Rule)> {
        let Self { bound, mapping, resolver, null_dates, agents, names, window, take, texts, .. } = self;
        let wrong = |wanted: usize| move |rule: Rule| (wanted, rule);
        let moment = |wanted: usize| moment(bound.cell(cells, wanted), null_dates).map_err(wrong(wanted));
        let start = moment(STARTED)?.ok_or((STARTED, Rule::Required))?;
        let start = start.instant(resolver).map_err(wrong(STARTED))?;
        if start >= window.to() || bound.cell(cells, SCOPE) != Cell::Null {
            return Ok(());
        }
        let end = match mapping.span {
            Spans::StartEnd => {
                moment(ENDED)?.map(|end| end.end_of(start, resolver)).transpose().map_err(wrong(ENDED))?
            }
            Spans::StartDuration => {
                let length = bound.cell(cells, SECONDS).duration().map_err(wrong(SECONDS))?;
                length.map(|length| start.after(length))
            }
            Spans::StartOnly => None,
        };
        // It was over before the window began, or took no time.
        if end.is_some_and(|end| end <= window.from().max(start)) {
            return Ok(());
        }
        let [first, second] = texts;
        let agent =
            bound.cell(cells, AGENT).name(first).map_err(wrong(AGENT))?.ok_or((AGENT, Rule::Required))?.trim_end();
        let status = bound.cell(cells, STATUS).name(second).map_err(wrong(STATUS))?.ok_or((STATUS, Rule::Required))?;
        let status = status.trim_end();
        let name = names.get(status).filter(|_| mapping.identity == Identity::Name);
        take.span(Row {
            agent: agents.get(agent).map_or(agent, String::as_str),
            status: name.map_or(status, String::as_str),
            is_logged_off: mapping.logged_off.iter().any(|known| known == status),
            start,
            end,
        });
        Ok(())
    }
}

/// Says what agents do now, asked again and again.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) statuses: Statuses,
    pub(crate) real_time: RealTime,
}

/// The last span of each agent that has begun by an instant; none for those who are logged off.
struct Latest {
    now: Timestamp,
    agents: BTreeMap<String, (Timestamp, Option<Timestamp>, Option<String>)>,
}

#[async_trait]
impl Take for Latest {
    fn span(&mut self, span: Row<'_>) {
        let is_later = self.agents.get(span.agent).is_none_or(|held| held.0 <= span.start);
        if is_later && span.start <= self.now {
            let status = (!span.is_logged_off).then(|| span.status.to_owned());
            self.agents.insert(span.agent.to_owned(), (span.start, span.end, status));
        }
    }

    fn reject(&mut self, _: &RejectedRow) -> Result<()> {
        // It is rejected by name when the window is imported.
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl LiveSource for Live {
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()> {
        let mapping = mapping(&self.statuses.0)?;
        let table = self.real_time.table.as_deref().unwrap_or(&mapping.table);
        let longest = Millis::from_secs(i64::from(self.real_time.longest_open_secs));
        loop {
            let now = cx.now();
            // A status that began earlier was never closed.
            let window = Window::new(now.before(longest), now.after(Millis::new(1)))?;
            let mut latest = Latest { now, agents: BTreeMap::new() };
            self.statuses.spans(window, Millis::ZERO, table, &mut latest).await?;
            let doing = latest.agents.into_iter().filter(|(_, span)| span.1.is_none_or(|end| end > now));
            let doing =
                doing.filter_map(|(agent, (since, _, status))| Some(AgentNow { agent, status: Some(status?), since }));
            out.snapshot(now, doing.collect()).await?;
            cx.sleep(now.after(Millis::from_secs(i64::from(self.real_time.poll_secs)))).await;
        }
    }
}
