use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::connector::{
    Budget, CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, Context, LiveSource, StatusSource,
};
use injixo_core::http::{HttpClient, Transport};
use injixo_core::model::{Millis, Window};
use injixo_core::zone::Zone;
use injixo_core::{ErrorKind, Result};

use crate::client::Client;
use crate::config::{Five9Config, Grouping};
use crate::contacts::Contacts;
use crate::live::Live;
use crate::report::Reports;
use crate::statuses::Statuses;

/// An account of Five9.
///
/// ```
/// use injixo_connector_five9::{Five9, Five9Config, Region};
/// use injixo_core::Secret;
///
/// let five9 = Five9::new(Five9Config::new("wfm@example.com", Secret::new("hunter2"), Region::Us))?;
/// # Ok::<(), injixo_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Five9 {
    config: Arc<Five9Config>,
    client: Client,
    zone: Zone,
}

impl Five9 {
    /// A connector for that account.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with every mistake in the configuration.
    pub fn new(config: Five9Config) -> Result<Self> {
        let http = HttpClient::new(&config.http)?;
        Self::with(config, http)
    }

    /// The same over another transport than the network: a recording, a stand-in within the process.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn over(config: Five9Config, transport: Arc<dyn Transport>) -> Result<Self> {
        Self::with(config, HttpClient::over(transport))
    }

    fn with(config: Five9Config, http: HttpClient) -> Result<Self> {
        config.check()?;
        let (client, zone) = (Client::new(&config, http)?, config.zone()?);
        Ok(Self { config: Arc::new(config), client, zone })
    }

    fn reports(&self) -> Reports {
        Reports { client: self.client.clone(), config: Arc::clone(&self.config), zone: self.zone.clone() }
    }
}

impl ConnectorFactory for Five9 {
    const KIND: &'static str = "five9";
    type Config = Five9Config;

    fn build(config: Five9Config) -> Result<Self> {
        Self::new(config)
    }
}

#[async_trait]
impl Connector for Five9 {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Five9")
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        let mut report = CheckReport::ok();
        let now = cx.now();
        let hour = Window::new(now.before(Millis::from_mins(60)), now)?;
        let key = match self.config.grouping {
            Grouping::Campaign => "CAMPAIGN",
            Grouping::Skill => "SKILL",
        };
        let wanted = [
            (self.config.calls_report(), ["CALL ID", "TIMESTAMP", key, "TALK TIME"]),
            (self.config.states_report(), ["AGENT", "STATE", "AGENT STATE TIME", "AGENT"]),
        ];
        for (wanted, columns) in wanted {
            let read = self.reports().read(cx, &wanted, hour).await;
            let checked = read.and_then(|parts| {
                let mut rows = 0;
                for part in parts.unwrap_or_default() {
                    part.table.columns(columns)?;
                    rows += part.table.len();
                }
                Ok(rows)
            });
            match checked {
                Ok(rows) => report = report.note(format!("{:?}: {rows} rows in the last hour", wanted.name)),
                Err(error) => {
                    report = report.problem(format!("report {:?} in folder {:?}: {error}", wanted.name, wanted.folder));
                    if error.kind() == ErrorKind::Unauthenticated {
                        break;
                    }
                }
            }
        }
        Ok(report)
    }

    /// The zone of the reports.
    fn zone(&self) -> Zone {
        self.zone.clone()
    }

    /// Five9 takes one request of a user at a time.
    fn budget(&self) -> Option<Budget> {
        Some(Budget::new(["five9", &self.config.base(), &self.config.user]).at_once(1))
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(Contacts(self.reports())))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        Some(Arc::new(Statuses(self.reports())))
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        Some(Arc::new(Live { client: self.client.clone(), zone: self.zone.clone() }))
    }
}
