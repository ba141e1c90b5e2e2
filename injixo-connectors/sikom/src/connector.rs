//! The connector: a mapped database, and what is read from it.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_connector_sql::database::{Bound, Cell, Rows, Session, Wanted};
use injixo_core::Result;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, Context, LiveSource, StatusSource,
};
use injixo_core::model::{Millis, Timestamp, Window};
use injixo_core::zone::Zone;

use crate::config::SikomConfig;
use crate::contacts::{self, Contacts};
use crate::lists::{identifier, names, queues};
use crate::query;
use crate::statuses::{self, Live, Statuses};

/// Reads contacts and agent statuses from a database of Sikom, by a mapping of its tables.
#[derive(Debug, Clone)]
pub struct Sikom {
    config: Arc<SikomConfig>,
}

impl Sikom {
    /// Reads a database by a mapping.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with everything that is wrong in the configuration, as far as it shows without asking the database.
    pub fn new(config: SikomConfig) -> Result<Self> {
        config.check()?;
        Ok(Self { config: Arc::new(config) })
    }

    /// Counts the rows of the last week of a query, and those whose identifiers are in the lists.
    async fn look(
        &self,
        now: Timestamp,
        query: &str,
        wanted: &[Wanted],
        time: usize,
        lists: Vec<Lists>,
    ) -> Result<String> {
        let mut session = Session::open(&self.config.connection).await?;
        let bound = Bound::new(&mut session, query, wanted, time).await?;
        let window = Window::new(now.before(WEEK), now)?;
        let statement = bound.statement(session.dialect(), window, &self.config.zone(), time, None);
        let slow = session.looks_at_all(&statement).await?;
        let mut seen = Seen { bound: &bound, count: 0, lists };
        bound.read(&mut session, &statement, &mut seen).await?;
        let Seen { count, lists, .. } = seen;
        let mut text = format!("{count} rows in the last seven days");
        for list in lists.iter().filter(|_| count > 0) {
            text += &format!(", {} of them with a known {}", list.known, list.what);
        }
        if let Some(slow) = slow {
            text +=
                &format!("; slow: the database looks at all rows for each window ({slow}): add an index on the start");
        }
        Ok(text)
    }
}

const WEEK: Millis = Millis::from_mins(7 * 24 * 60);

/// The identifiers of a list, and how many rows named one of them.
struct Lists {
    what: &'static str,
    column: usize,
    identifiers: Vec<String>,
    known: u64,
}

struct Seen<'b> {
    bound: &'b Bound,
    count: u64,
    lists: Vec<Lists>,
}

#[async_trait]
impl Rows for Seen<'_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.count += 1;
        for list in &mut self.lists {
            let named = identifier(self.bound.cell(cells, list.column));
            list.known += u64::from(named.is_some_and(|named| list.identifiers.binary_search(&named).is_ok()));
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn list(what: &'static str, column: usize, identifiers: impl IntoIterator<Item = String>) -> Lists {
    let mut identifiers: Vec<String> = identifiers.into_iter().collect();
    identifiers.sort_unstable();
    Lists { what, column, identifiers, known: 0 }
}

impl ConnectorFactory for Sikom {
    const KIND: &'static str = "sikom";
    type Config = SikomConfig;

    fn build(config: SikomConfig) -> Result<Self> {
        Self::new(config)
    }
}

#[async_trait]
impl Connector for Sikom {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Sikom")
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        let config = &self.config;
        let mut report = CheckReport::ok();
        let mut session = match Session::open(&config.connection).await {
            Ok(session) => session,
            Err(error) => return Ok(report.problem(error.to_string())),
        };
        let dialect = session.dialect();
        let mut lists = [Vec::new(), Vec::new()];
        for (what, found) in [
            ("queues", queues(&mut session, config).await.map(|found| found.into_keys().collect::<Vec<_>>())),
            ("agents", keys(config.agents.as_ref(), config).await),
            ("statuses", keys(config.statuses.as_ref(), config).await),
        ] {
            match found {
                Ok(found) if what == "queues" => lists[0].push(list("queue", 0, found)),
                Ok(found) if what == "agents" => lists[1].push(list("agent", 0, found)),
                Ok(found) => lists[1].push(list("status", 1, found)),
                Err(error) => report = report.problem(format!("{what}: {error}")),
            }
        }
        let [contact_lists, status_lists] = lists;
        let contacts = config.contacts.as_ref().map(|mapping| {
            ("contacts", query::contacts(dialect, mapping), &contacts::WANTED[..], contacts::ARRIVED, contact_lists)
        });
        let statuses = config.agent_status.as_ref().map(|mapping| {
            let query = query::statuses(dialect, mapping, &mapping.table);
            ("agent_status", query, &statuses::WANTED[..], statuses::STARTED, status_lists)
        });
        for (what, query, wanted, time, lists) in contacts.into_iter().chain(statuses) {
            let lists = lists.into_iter().filter(|list| !list.identifiers.is_empty()).collect();
            report = match self.look(cx.now(), &query, wanted, time, lists).await {
                Ok(text) => report.note(format!("{what}: {text}")),
                Err(error) => report.problem(format!("{what}: {error}")),
            };
        }
        Ok(report)
    }

    fn zone(&self) -> Zone {
        self.config.time_zone.clone()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        self.config.contacts.is_some().then(|| Arc::new(Contacts(Arc::clone(&self.config))) as _)
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        self.config.agent_status.is_some().then(|| Arc::new(Statuses(Arc::clone(&self.config))) as _)
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        let real_time = self.config.real_time.clone()?;
        Some(Arc::new(Live { statuses: Statuses(Arc::clone(&self.config)), real_time }))
    }
}

/// The identifiers of a list. A session is of no use after an error, so that each list has one of its own.
async fn keys(list: Option<&crate::config::List>, config: &SikomConfig) -> Result<Vec<String>> {
    let mut session = Session::open(&config.connection).await?;
    Ok(names(&mut session, list).await?.into_keys().collect())
}
