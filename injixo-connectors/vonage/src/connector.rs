use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::connector::{
    Budget, CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, Context, LiveSource, StatusSource,
};
use injixo_core::http::{HttpClient, Transport};
use injixo_core::model::Millis;
use injixo_core::{ErrorKind, Result};

use crate::client::{Client, instant};
use crate::config::VonageConfig;
use crate::contacts::Contacts;
use crate::live::Live;
use crate::statuses::{self, Statuses};

/// An account of Vonage Contact Center.
///
/// ```
/// use injixo_connector_vonage::{Region, Vonage, VonageConfig};
/// use injixo_core::Secret;
///
/// let vonage = Vonage::new(VonageConfig::new("wfm", Secret::new("hunter2"), Region::Emea))?;
/// # Ok::<(), injixo_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Vonage {
    config: Arc<VonageConfig>,
    client: Client,
}

impl Vonage {
    /// A connector for that account.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with every mistake in the configuration.
    pub fn new(config: VonageConfig) -> Result<Self> {
        let http = HttpClient::new(&config.http)?;
        Self::with(config, http)
    }

    /// The same over another transport than the network: a recording, a stand-in within the process.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn over(config: VonageConfig, transport: Arc<dyn Transport>) -> Result<Self> {
        Self::with(config, HttpClient::over(transport))
    }

    fn with(config: VonageConfig, http: HttpClient) -> Result<Self> {
        config.check()?;
        let client = Client::new(&config, http);
        Ok(Self { config: Arc::new(config), client })
    }
}

impl ConnectorFactory for Vonage {
    const KIND: &'static str = "vonage";
    type Config = VonageConfig;

    fn build(config: VonageConfig) -> Result<Self> {
        Self::new(config)
    }
}

#[async_trait]
impl Connector for Vonage {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Vonage Contact Center")
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        let mut report = CheckReport::ok();
        let now = cx.now();
        for (path, what) in [("/stats/queue-times", "contacts"), (statuses::PATH, "agent states")] {
            let request = self.client.request(path).query("start", instant(now.before(Millis::from_mins(60))));
            match self.client.rows(cx, &request.query("end", instant(now))).await {
                Ok(rows) => report = report.note(format!("{} {what} in the last hour", rows.items.len())),
                Err(error) => {
                    report = report.problem(format!("{what}: {error}"));
                    if error.kind() == ErrorKind::Unauthenticated {
                        break;
                    }
                }
            }
        }
        Ok(report)
    }

    /// The limit is shared by everything that asks, so one read goes on at a time.
    fn budget(&self) -> Option<Budget> {
        Some(Budget::new(["vonage", &self.config.token(), &self.config.client_id]).at_once(1))
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(Contacts { client: self.client.clone(), config: Arc::clone(&self.config) }))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        Some(Arc::new(Statuses { client: self.client.clone(), config: Arc::clone(&self.config) }))
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        Some(Arc::new(Live { client: self.client.clone(), config: Arc::clone(&self.config) }))
    }
}
