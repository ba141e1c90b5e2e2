use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::connector::{
    Budget, CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, Context, LiveSource, StatusSource,
};
use injixo_core::http::{HttpClient, Transport};
use injixo_core::model::{Millis, Window};
use injixo_core::{ErrorKind, Result};

use super::channels::Channels;
use super::client::Client;
use super::config::GenesysCloudConfig;
use super::contacts::Contacts;
use super::directory::Directory;
use super::live::Live;
use super::statuses::Statuses;

/// An organisation of Genesys Cloud.
///
/// ```
/// use injixo_connector_genesys::cloud::{GenesysCloud, GenesysCloudConfig};
/// use injixo_core::Secret;
///
/// let genesys = GenesysCloud::new(GenesysCloudConfig::new("id", Secret::new("hunter2"), "eu-central-1"))?;
/// # Ok::<(), injixo_core::Error>(())
/// ```
#[derive(Debug)]
pub struct GenesysCloud {
    config: Arc<GenesysCloudConfig>,
    client: Client,
    directory: Directory,
    channels: Channels,
}

impl GenesysCloud {
    /// A connector for that organisation.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with every mistake in the configuration.
    pub fn new(config: GenesysCloudConfig) -> Result<Self> {
        let http = HttpClient::new(&config.http)?;
        Self::with(config, http)
    }

    /// The same over another transport than the network: a recording, a stand-in within the process.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn over(config: GenesysCloudConfig, transport: Arc<dyn Transport>) -> Result<Self> {
        Self::with(config, HttpClient::over(transport))
    }

    fn with(config: GenesysCloudConfig, http: HttpClient) -> Result<Self> {
        config.check()?;
        let client = Client::new(&config, http);
        Ok(Self { config: Arc::new(config), client, directory: Directory::default(), channels: Channels::default() })
    }
}

impl ConnectorFactory for GenesysCloud {
    const KIND: &'static str = "genesys-cloud";
    type Config = GenesysCloudConfig;

    fn build(config: GenesysCloudConfig) -> Result<Self> {
        Self::new(config)
    }
}

#[async_trait]
impl Connector for GenesysCloud {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Genesys Cloud")
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        let mut report = CheckReport::ok();
        let now = cx.now();
        let hour = Window::new(now.before(Millis::from_mins(60)), now)?;
        let queues = self.directory.queues(&self.client, cx).await.map(|queues| format!("{} queues", queues.len()));
        let is_signed_in = !queues.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unauthenticated);
        let mut found = vec![("queues", queues)];
        if is_signed_in {
            let sums = self.client.aggregates(cx, hour).await;
            found.push((
                "contacts",
                sums.map(|sums| format!("contacts of {} queues in the last hour", sums.results.len())),
            ));
            let (client, field) = (&self.client, self.config.agent);
            let presences = self.directory.presences(client, cx).await;
            found.push(("presences", presences.map(|_| "presences have names".to_owned())));
            let users = self.directory.users(client, cx, field, std::iter::empty()).await;
            found.push(("users", users.map(|users| format!("{} users", users.len()))));
            let users = self.client.details(cx, hour).await;
            found.push((
                "agent statuses",
                users.map(|users| format!("statuses of {} users in the last hour", users.len())),
            ));
        }
        for (what, found) in found {
            report = match found {
                Ok(note) => report.note(note),
                Err(error) => report.problem(format!("{what}: {error}")),
            };
        }
        Ok(report)
    }

    fn budget(&self) -> Option<Budget> {
        Some(Budget::new(["genesys-cloud", &self.config.login(), &self.config.client_id]).at_once(2))
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        let (client, directory) = (self.client.clone(), self.directory.clone());
        Some(Arc::new(Contacts { client, directory, config: Arc::clone(&self.config) }))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        let (client, directory) = (self.client.clone(), self.directory.clone());
        Some(Arc::new(Statuses { client, directory, config: Arc::clone(&self.config) }))
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        let (client, directory) = (self.client.clone(), self.directory.clone());
        let (channels, config) = (Arc::clone(&self.channels), Arc::clone(&self.config));
        Some(Arc::new(Live { client, directory, channels, config }))
    }
}
