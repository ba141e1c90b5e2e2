//! The connector: the databases of Genesys Engage, and what is read from them.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_connector_sql::database::Session;
use injixo_core::Result;
use injixo_core::connector::{
    ChangeSource, CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, Context, StatusSource, Stream,
};

use super::changes::Changes;
use super::config::{EngageConfig, Profile};
use super::contacts::Contacts;
use super::mart::{HANDLINGS, Mart, Names, REASONS, ResourceKind, STATES, columns, find, no_mart};
use super::people::People;
use super::stat_server::STATUS;
use super::statuses::Statuses;

/// Reads contacts and agent statuses from the databases of Genesys Engage.
#[derive(Debug, Clone)]
pub struct Engage {
    config: Arc<EngageConfig>,
}

impl Engage {
    /// Reads these databases.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with everything that is wrong in the configuration, as far as it shows without asking the database.
    pub fn new(config: EngageConfig) -> Result<Self> {
        config.check()?;
        Ok(Self { config: Arc::new(config) })
    }

    async fn look(&self, mut report: CheckReport) -> Result<CheckReport> {
        let config = &self.config;
        let mart = if config.profile == Profile::StatServer { None } else { Mart::open(config).await? };
        let Some(mut mart) = mart else {
            if config.profile == Profile::InfoMart {
                return Ok(report.problem(no_mart().message()));
            }
            let names = Names::new(config.schema.as_deref(), &config.prefix);
            return Ok(match find(&config.connection, &names, STATUS).await? {
                None => report.problem(no_mart().message()),
                Some(_) => report.note(
                    "the tables of Stat Server are there, those of Info Mart are not: agent statuses are imported, contacts \
                     are not, since Stat Server does not say publicly which of them were answered",
                ),
            });
        };
        report = report.note("the tables of Info Mart are there");
        for table in [HANDLINGS, STATES, REASONS] {
            let table = mart.table(table);
            if columns(&mut mart.session, &table).await?.is_none() {
                report = report.problem(format!("the table {table} is not there, or the user may not read it"));
                mart.session = Session::open(&config.connection).await?;
            }
        }
        report = match mart.loaded(config).await? {
            Some(until) => report.note(format!("loaded up to {until}")),
            None => report.note(
                "CTL_AUDIT_LOG cannot be read or is empty: what changes late is found by looking back only; grant SELECT on it",
            ),
        };
        let queues = mart.resources(ResourceKind::Queue).await?;
        let is_read = |subtype: &String| config.contacts.queues.contains(subtype);
        let read = queues.values().filter(|queue| is_read(&queue.subtype)).count();
        report = report.note(format!("{read} of {} queues are read", queues.len()));
        if read == 0 {
            let mut subtypes: Vec<&str> = queues.values().map(|queue| queue.subtype.as_str()).collect();
            subtypes.sort_unstable();
            subtypes.dedup();
            report =
                report.problem(format!("contacts.queues: no queue is of these; there are {}", subtypes.join(", ")));
        }
        let people = People::read(config).await?;
        let agents = mart.resources(ResourceKind::Agent).await?;
        let named = agents.values().filter(|agent| people.name(agent.dbid).is_some()).count();
        Ok(if people.are_known {
            report.note(format!("the configuration database has the user names of {named} of {} agents", agents.len()))
        } else {
            report.note("there is no configuration database (cfg_person): agents are called as in Info Mart")
        })
    }
}

impl ConnectorFactory for Engage {
    const KIND: &'static str = "genesys-engage";
    type Config = EngageConfig;

    fn build(config: EngageConfig) -> Result<Self> {
        Self::new(config)
    }
}

#[async_trait]
impl Connector for Engage {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Genesys Engage")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        let report = CheckReport::ok();
        match self.look(report.clone()).await {
            Ok(report) => Ok(report),
            Err(error) => Ok(report.problem(error.to_string())),
        }
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        (self.config.profile != Profile::StatServer).then(|| Arc::new(Contacts(Arc::clone(&self.config))) as _)
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        self.config.statuses.import.then(|| Arc::new(Statuses(Arc::clone(&self.config))) as _)
    }

    fn changes(&self, stream: Stream) -> Option<Arc<dyn ChangeSource>> {
        let changes = Changes { config: Arc::clone(&self.config), stream };
        (self.config.profile != Profile::StatServer).then(|| Arc::new(changes) as _)
    }
}
