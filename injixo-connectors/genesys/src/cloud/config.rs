//! How an organisation is reached, and what its data means.

use std::collections::BTreeMap;

use injixo_core::http::HttpSettings;
use injixo_core::model::Channel;
use injixo_core::{Error, ErrorKind, Result, Secret};
use serde::Deserialize;

/// How an organisation of Genesys Cloud is read. Every key is explained in `sample.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GenesysCloudConfig {
    /// The id (API key) of an OAuth client with the grant *client credentials*.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where the organisation lives, by its AWS region: `eu-central-1`.
    pub region: String,
    /// Whether what agents do while on queue is told apart: idle, interacting, not responding, communicating.
    #[serde(default)]
    pub on_queue_detail: bool,
    /// Which field of a user names the agent. Inferred: the product's help says "user name".
    #[serde(default)]
    pub agent: AgentField,
    /// The channels of media that belong elsewhere than by default, or are not known to the connector: `message = "social_media"`.
    #[serde(default)]
    pub media: BTreeMap<String, Channel>,
    /// How many requests a minute are sent at most. Inferred: the vendor names 300, and 180 were seen.
    #[serde(default = "requests")]
    pub requests_per_minute: u32,
    /// After how many seconds without a word the real-time connection is taken for dead. Inferred: it has a heartbeat about
    /// every thirty.
    #[serde(default = "silence")]
    pub silent_secs: u32,
    /// How many days old statuses must be to be read by jobs, which cost the system less.
    #[serde(default = "jobs_after")]
    pub jobs_after_days: u32,
    /// How many days back the system keeps sums of contacts. What is older is added up from the conversations, by jobs. Inferred:
    /// somebody who uses it says thirteen months.
    #[serde(default = "sums")]
    pub sums_days: u32,
    /// The address of the API, if not that of the region.
    #[serde(default)]
    pub api_url: Option<String>,
    /// The address that gives tokens, if not that of the region.
    #[serde(default)]
    pub login_url: Option<String>,
    /// How the organisation is reached over the network.
    #[serde(default)]
    pub http: HttpSettings,
}

fn requests() -> u32 {
    180
}

fn silence() -> u32 {
    90
}

fn jobs_after() -> u32 {
    3
}

fn sums() -> u32 {
    390
}

/// Which field of a user names the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AgentField {
    /// The name for signing in.
    #[default]
    Username,
    /// The address.
    Email,
    /// The name that others see.
    Name,
}

/// The hosts of the regions, behind `api.` and `login.`.
const REGIONS: [(&str, &str); 18] = [
    ("us-east-1", "mypurecloud.com"),
    ("us-east-2", "use2.us-gov-pure.cloud"),
    ("us-west-2", "usw2.pure.cloud"),
    ("ca-central-1", "cac1.pure.cloud"),
    ("sa-east-1", "sae1.pure.cloud"),
    ("mx-central-1", "mxc1.pure.cloud"),
    ("eu-west-1", "mypurecloud.ie"),
    ("eu-west-2", "euw2.pure.cloud"),
    ("eu-central-1", "mypurecloud.de"),
    ("eu-central-2", "euc2.pure.cloud"),
    ("eusc-de-east-1", "edee1.eusc-pure.cloud"),
    ("me-central-1", "mec1.pure.cloud"),
    ("ap-south-1", "aps1.pure.cloud"),
    ("ap-southeast-1", "apse1.pure.cloud"),
    ("ap-southeast-2", "mypurecloud.com.au"),
    ("ap-northeast-1", "mypurecloud.jp"),
    ("ap-northeast-2", "apne2.pure.cloud"),
    ("ap-northeast-3", "apne3.pure.cloud"),
];

impl GenesysCloudConfig {
    /// The client of an organisation, everything else as by default.
    pub fn new(client_id: impl Into<String>, client_secret: Secret, region: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret,
            region: region.into(),
            on_queue_detail: false,
            agent: AgentField::default(),
            media: BTreeMap::new(),
            requests_per_minute: requests(),
            silent_secs: silence(),
            jobs_after_days: jobs_after(),
            sums_days: sums(),
            api_url: None,
            login_url: None,
            http: HttpSettings::default(),
        }
    }

    /// Every mistake at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        for (name, text) in [("client_id", self.client_id.as_str()), ("client_secret", self.client_secret.expose())] {
            if text.is_empty() {
                wrong.push(format!("{name}: is empty"));
            }
        }
        for (name, value) in [("requests_per_minute", self.requests_per_minute), ("silent_secs", self.silent_secs)] {
            if value == 0 {
                wrong.push(format!("{name}: expected 1 at least"));
            }
        }
        let urls = [("api_url", &self.api_url), ("login_url", &self.login_url)];
        for (name, url) in urls {
            if url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
                wrong.push(format!("{name}: expected https://…"));
            }
        }
        if self.host().is_none() && urls.iter().any(|url| url.1.is_none()) {
            let known: Vec<&str> = REGIONS.iter().map(|region| region.0).collect();
            wrong.push(format!(
                "region: unknown region {:?}, expected one of {}, or api_url and login_url",
                self.region,
                known.join(", ")
            ));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ConfigInvalid, format!("genesys-cloud: {}", wrong.join("; "))))
    }

    fn host(&self) -> Option<&'static str> {
        REGIONS.iter().find(|region| region.0 == self.region).map(|region| region.1)
    }

    fn url(&self, given: Option<&String>, part: &str) -> String {
        let of_region = || format!("https://{part}.{}", self.host().unwrap_or_default());
        given.map_or_else(of_region, |url| url.trim_end_matches('/').to_owned())
    }

    pub(crate) fn api(&self) -> String {
        self.url(self.api_url.as_ref(), "api")
    }

    pub(crate) fn login(&self) -> String {
        self.url(self.login_url.as_ref(), "login")
    }

    /// The channel of a medium; `None` for one that is no contact of a queue or that nobody named.
    pub(crate) fn channel(&self, medium: &str) -> Option<Channel> {
        let named = self.media.iter().find(|named| named.0.eq_ignore_ascii_case(medium)).map(|named| *named.1);
        named.or_else(|| match medium.to_ascii_lowercase().as_str() {
            "voice" | "callback" | "video" => Some(Channel::Calls),
            "chat" | "message" => Some(Channel::Chats),
            "email" => Some(Channel::Emails),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration() {
        let config: GenesysCloudConfig = toml::from_str(include_str!("sample.toml")).unwrap();
        config.check().unwrap();
        assert_eq!(config.api(), "https://api.mypurecloud.de");
        assert_eq!(config.login(), "https://login.mypurecloud.de");
    }

    #[test]
    fn every_mistake_is_named_and_no_secret() {
        let text = "client_id = ''\nclient_secret = ''\nregion = 'moon'\nsilent_secs = 0\napi_url = 'x'";
        let error = toml::from_str::<GenesysCloudConfig>(text).unwrap().check().unwrap_err().to_string();
        for part in ["client_id", "client_secret", "unknown region \"moon\"", "silent_secs", "api_url: expected"] {
            assert!(error.contains(part), "{error}");
        }
        let config = GenesysCloudConfig::new("id", Secret::new("hunter2"), "us-east-1");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
