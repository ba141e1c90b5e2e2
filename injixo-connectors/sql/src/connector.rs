//! The connector: a database, and what is read from it.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, Context, LiveSource, StatusSource,
};
use injixo_core::model::{Millis, Window};
use injixo_core::zone::{FoldPolicy, GapPolicy, Resolver, Zone};
use injixo_core::{Error, ErrorKind, Result};

use crate::config::SqlConfig;
use crate::contacts::{self, Contacts};
use crate::database::Session;
use crate::driver::{self, Rows};
use crate::query::Query;
use crate::read::{Bound, Wanted};
use crate::statuses::{self, Statuses};
use crate::value::Cell;
use crate::verbose::line;

/// Reads contact data and agent statuses from a database by a user's queries.
#[derive(Debug, Clone)]
pub struct Sql {
    shared: Arc<Shared>,
    config: Arc<SqlConfig>,
}

/// What all sources of one database share.
#[derive(Debug)]
pub(crate) struct Shared {
    connection: crate::config::Connection,
    pub(crate) zone: Zone,
    gap: GapPolicy,
    fold: FoldPolicy,
    pub(crate) contacts: Option<String>,
    pub(crate) statuses: Option<String>,
    pub(crate) verbose: bool,
}

impl Shared {
    pub(crate) async fn open(&self) -> Result<Session> {
        Session::open(&self.connection).await
    }

    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::new(&self.zone, self.gap, self.fold)
    }
}

impl Sql {
    /// Reads a database.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with everything that is wrong in the configuration, as far as it shows without asking the database.
    pub fn new(config: SqlConfig) -> Result<Self> {
        config.check()?;
        driver::check_built(config.connection.adapter)?;
        let check = |text: Option<&String>, key: &str| {
            let (Some(text), Some(dialect)) = (text, driver::dialect(config.connection.adapter)) else { return Ok(()) };
            let checked = Query::new(text, dialect.lexis());
            checked
                .map(drop)
                .map_err(|error| Error::new(ErrorKind::ConfigInvalid, format!("{key}: {}", error.message())))
        };
        let contacts = config.contacts.as_ref().map(|contacts| &contacts.query);
        let statuses = config.statuses.as_ref().map(|statuses| &statuses.query);
        check(contacts, "contacts.query")?;
        check(statuses, "statuses.query")?;
        let shared = Shared {
            connection: config.connection.clone(),
            zone: config.time_zone.clone(),
            gap: config.gap,
            fold: config.fold,
            contacts: contacts.cloned(),
            statuses: statuses.cloned(),
            verbose: config.verbose,
        };
        Ok(Self { shared: Arc::new(shared), config: Arc::new(config) })
    }

    fn statuses_source(&self) -> Option<Statuses> {
        let query = self.config.statuses.as_ref()?;
        Some(Statuses {
            shared: Arc::clone(&self.shared),
            longest: query.longest(),
            poll: Millis::from_secs(i64::from(query.poll_secs)),
        })
    }

    /// Runs a query for a short window, and looks whether a long one would take long.
    async fn try_query(
        &self,
        cx: &Context,
        session: &mut Session,
        query: &str,
        (wanted, time): (&[Wanted], usize),
    ) -> Result<(Vec<String>, Option<String>)> {
        let bound = Bound::new(session, query, wanted, time).await?;
        let now = cx.now();
        let window = Window::new(now.before(SHORT), now.after(Millis::new(1)))?;
        let statement = bound.statement(session.dialect(), window, &self.shared.zone, time, None);
        let slow = session.looks_at_all(&statement).await?;
        let mut first = First::default();
        session.run(&statement.limited(3), &bound.columns, &mut first).await?;
        let names: Vec<&str> = bound.columns.iter().map(|column| column.name.as_str()).collect();
        let mut lines = vec![names.join(" | ")];
        if first.0.is_empty() {
            lines.push("no rows in the last hour".to_owned());
        }
        lines.append(&mut first.0);
        Ok((lines, slow))
    }
}

/// The window of a check.
const SHORT: Millis = Millis::from_mins(60);

#[derive(Default)]
struct First(Vec<String>);

#[async_trait]
impl Rows for First {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.0.push(line(cells));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl ConnectorFactory for Sql {
    const KIND: &'static str = "sql";
    type Config = SqlConfig;

    fn build(config: SqlConfig) -> Result<Self> {
        Self::new(config)
    }
}

#[async_trait]
impl Connector for Sql {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Database")
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        let mut report = CheckReport::ok();
        let mut session = match self.shared.open().await {
            Ok(session) => session,
            Err(error) => return Ok(report.problem(error.to_string())),
        };
        let form = self.contacts().map(|source| source.form());
        let contacts = self
            .shared
            .contacts
            .as_ref()
            .zip(form)
            .map(|(query, form)| ("contacts", query.as_str(), (contacts::wanted(form), contacts::TIME)));
        let statuses =
            self.shared.statuses.as_deref().map(|query| ("statuses", query, (&statuses::WANTED[..], statuses::START)));
        for (what, query, wanted) in contacts.into_iter().chain(statuses) {
            match self.try_query(cx, &mut session, query, wanted).await {
                Ok((lines, slow)) => {
                    report = lines.into_iter().fold(report, |report, line| report.note(format!("{what}: {line}")));
                    if let Some(slow) = slow {
                        report = report.note(format!(
                            "{what}: slow: the database looks at all rows for each window ({slow}): add an index on the \
                             time column, and compare that column itself, not an expression"
                        ));
                    }
                }
                Err(error) => {
                    report = report.problem(format!("{what}: {error}"));
                    // A session may be of no use after an error.
                    session = match self.shared.open().await {
                        Ok(session) => session,
                        Err(_) => return Ok(report),
                    };
                }
            }
        }
        Ok(report)
    }

    fn zone(&self) -> Zone {
        self.shared.zone.clone()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        let query = self.config.contacts.as_ref()?;
        let (shared, form) = (Arc::clone(&self.shared), Contacts::form(query.length()));
        Some(Arc::new(Contacts { shared, form, late: query.late() }))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        self.statuses_source().map(|source| Arc::new(source) as _)
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        let is_asked = self.config.statuses.as_ref().is_some_and(|statuses| statuses.real_time);
        self.statuses_source().filter(|_| is_asked).map(|source| Arc::new(source) as _)
    }
}
