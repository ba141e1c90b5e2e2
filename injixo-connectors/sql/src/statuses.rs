//! Agent statuses of a query, and what agents do now.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::connector::{AgentNow, Context, Limits, LiveSource, LiveWriter, Outcome, StatusSource, StatusWriter};
use injixo_core::model::{Millis, Rule, Timestamp, Window};
use injixo_core::zone::Resolver;
use injixo_core::{Error, ErrorKind, Result};

use crate::connector::Shared;
use crate::driver::Rows;
use crate::read::{Bound, Reach, Wanted};
use crate::rejected::Rejects;
use crate::value::Cell;
use crate::verbose::Shown;

const AGENT: usize = 0;
const ACTIVITY: usize = 1;
pub(crate) const START: usize = 2;
pub(crate) const END: usize = 3;

/// The columns of agent statuses.
pub(crate) const WANTED: [Wanted; 4] = [
    Wanted { name: "agentidentifier", is_required: true },
    Wanted { name: "activity", is_required: true },
    Wanted { name: "starttime", is_required: true },
    Wanted { name: "endtime", is_required: false },
];

/// Reads agent statuses.
#[derive(Debug, Clone)]
pub(crate) struct Statuses {
    pub(crate) shared: Arc<Shared>,
    /// How long a status lasts at most.
    pub(crate) longest: Millis,
    /// How often it is asked what agents do now.
    pub(crate) poll: Millis,
}

/// Takes the spans of rows.
#[async_trait]
trait Spans: Send {
    fn span(&mut self, agent: &str, activity: &str, start: Timestamp, end: Option<Timestamp>);

    fn reject(&mut self, row: &injixo_core::model::RejectedRow) -> Result<()>;

    async fn flush(&mut self) -> Result<()>;
}

impl Statuses {
    /// Reads the spans that start in a window or reach into it.
    async fn spans(&self, window: Window, spans: &mut dyn Spans) -> Result<()> {
        let shared = &self.shared;
        let Some(query) = &shared.statuses else {
            return Err(Error::new(ErrorKind::Unexpected, "there is no query for statuses"));
        };
        let mut session = shared.open().await?;
        let bound = Bound::new(&mut session, query, &WANTED, START).await?;
        // Without ends a span reaches as far as the next row, which the engine knows.
        let reach = bound.has(END).then_some(()).and_then(|()| {
            let window = Window::new(window.from().before(self.longest), window.to()).ok()?;
            Some(Reach { window, end: Some(END), has_null_dates: false })
        });
        let statement = bound.statement(session.dialect(), window, &shared.zone, START, reach.as_ref());
        let mut taking = Taking {
            bound: &bound,
            resolver: shared.resolver(),
            window,
            spans,
            rejects: Rejects::new("statuses", window),
            texts: Default::default(),
            shown: Shown::new(shared.verbose, "statuses", window),
        };
        bound.read(&mut session, &statement, &mut taking).await?;
        taking.shown.finish();
        Ok(())
    }
}

#[async_trait]
impl StatusSource for Statuses {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        self.spans(window, &mut History(out)).await?;
        Ok(Outcome::complete())
    }
}

struct History<'o, 'w>(&'o mut StatusWriter<'w>);

#[async_trait]
impl Spans for History<'_, '_> {
    fn span(&mut self, agent: &str, activity: &str, start: Timestamp, end: Option<Timestamp>) {
        self.0.span(agent, activity, start, end);
    }

    fn reject(&mut self, row: &injixo_core::model::RejectedRow) -> Result<()> {
        self.0.reject(row)
    }

    async fn flush(&mut self) -> Result<()> {
        self.0.flush().await
    }
}

/// Makes spans of rows.
struct Taking<'s, 'b> {
    bound: &'b Bound,
    resolver: Resolver,
    window: Window,
    spans: &'s mut dyn Spans,
    rejects: Rejects,
    /// Where numbers that name something are written.
    texts: [String; 2],
    shown: Shown,
}

#[async_trait]
impl Rows for Taking<'_, '_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.shown.row(cells);
        self.rejects.advance();
        match self.fact(cells) {
            Ok(()) => Ok(()),
            Err((wanted, rule)) => {
                let value = self.bound.cell(cells, wanted);
                self.spans.reject(&self.rejects.row(WANTED[wanted].name, rule, value))
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.spans.flush().await
    }
}

impl Taking<'_, '_> {
    fn fact(&mut self, cells: &[Cell<'_>]) -> Result<(), (usize, Rule)> {
        let Self { bound, resolver, window, spans, texts, .. } = self;
        let wrong = |wanted: usize| move |rule: Rule| (wanted, rule);
        let time = |wanted: usize| bound.cell(cells, wanted).time().map_err(wrong(wanted));
        let start = time(START)?.ok_or((START, Rule::Required))?;
        let start = start.instant(resolver).map_err(wrong(START))?;
        if start >= window.to() {
            return Ok(());
        }
        let end = time(END)?.map(|end| end.end_of(start, resolver)).transpose().map_err(wrong(END))?;
        // It was over before the window began: the database was asked for more than the window.
        if start < window.from() && end.is_some_and(|end| end <= window.from()) {
            return Ok(());
        }
        let [first, second] = texts;
        let agent = bound.cell(cells, AGENT).name(first).map_err(wrong(AGENT))?.ok_or((AGENT, Rule::Required))?;
        let activity = bound.cell(cells, ACTIVITY).name(second).map_err(wrong(ACTIVITY))?;
        spans.span(agent, activity.ok_or((ACTIVITY, Rule::Required))?, start, end);
        Ok(())
    }
}

/// The last span of each agent that has begun by an instant.
struct Latest {
    now: Timestamp,
    agents: BTreeMap<String, (Timestamp, Option<Timestamp>, String)>,
}

#[async_trait]
impl Spans for Latest {
    fn span(&mut self, agent: &str, activity: &str, start: Timestamp, end: Option<Timestamp>) {
        if start > self.now {
            return;
        }
        let is_later = self.agents.get(agent).is_none_or(|held| held.0 <= start);
        if is_later {
            self.agents.insert(agent.to_owned(), (start, end, activity.to_owned()));
        }
    }

    fn reject(&mut self, _: &injixo_core::model::RejectedRow) -> Result<()> {
        // It is rejected by name when the window is imported.
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl LiveSource for Statuses {
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()> {
        loop {
            let now = cx.now();
            let until = now.after(Millis::new(1));
            let window = Window::new(now.before(self.longest), until).map_err(Error::from)?;
            let mut latest = Latest { now, agents: BTreeMap::new() };
            self.spans(window, &mut latest).await?;
            let doing = latest.agents.into_iter().filter(|(_, span)| span.1.is_none_or(|end| end > now));
            let agents = doing.map(|(agent, (since, _, status))| AgentNow { agent, status: Some(status), since });
            out.snapshot(now, agents.collect()).await?;
            cx.sleep(now.after(self.poll)).await;
        }
    }
}
