//! How an account is reached, and what its data means.

use std::collections::BTreeMap;

use injixo_core::http::HttpSettings;
use injixo_core::model::Channel;
use injixo_core::{Error, ErrorKind, Result, Secret};
use serde::Deserialize;

/// How an account of Vonage Contact Center is read. Every key is explained in `sample.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VonageConfig {
    /// The id of the client that was made for this integration, with the scope `stats`.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where the account lives.
    pub region: Region,
    /// What makes the queues. Inferred: the documentation does not say which field the product's strategies read.
    #[serde(default)]
    pub grouping: Grouping,
    /// Which kind of queues to read.
    #[serde(default)]
    pub queue_type: QueueType,
    /// Whether an interaction that a rule moved out of a queue counts as offered there; where it is queued again, it counts there
    /// too. Inferred: it does.
    #[serde(default = "yes")]
    pub count_breakouts: bool,
    /// From where the offsets of events count. Inferred.
    #[serde(default)]
    pub event_offsets: EventOffsets,
    /// The channel of media that are not known to the connector, or belong elsewhere: `Fax = "documents"`.
    #[serde(default)]
    pub media: BTreeMap<String, Channel>,
    /// How long after its start an interaction may still change, in seconds: four hours unless set.
    #[serde(default = "longest_interaction")]
    pub longest_interaction_secs: u32,
    /// How often agents are asked for in real time, in seconds: ten unless set. Vonage answers anew every five.
    #[serde(default = "poll")]
    pub poll_secs: u32,
    /// How many requests a minute are sent at most, real time included. Inferred: Vonage names no number; all programs of the
    /// account share its limit.
    #[serde(default = "requests")]
    pub requests_per_minute: u32,
    /// How many rows a page holds. Inferred: the vendor's samples ask for up to 5,000.
    #[serde(default = "page_size")]
    pub page_size: u32,
    /// The address of the API, if not that of the region.
    #[serde(default)]
    pub api_url: Option<String>,
    /// The address that gives tokens, if not that of the region.
    #[serde(default)]
    pub token_url: Option<String>,
    /// How the account is reached over the network.
    #[serde(default)]
    pub http: HttpSettings,
}

fn longest_interaction() -> u32 {
    4 * 3_600
}

fn yes() -> bool {
    true
}

fn poll() -> u32 {
    10
}

fn requests() -> u32 {
    100
}

fn page_size() -> u32 {
    5_000
}

/// Where an account lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Region {
    /// Europe, Middle East and Africa.
    Emea,
    /// North America.
    Nam,
    /// Asia and the Pacific.
    Apac,
}

impl Region {
    fn name(self) -> &'static str {
        match self {
            Self::Emea => "emea",
            Self::Nam => "nam",
            Self::Apac => "apac",
        }
    }
}

/// What makes the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Grouping {
    /// The queue that the interaction waited in.
    #[default]
    Queue,
    /// The service that was dialled.
    Service,
    /// The interaction plan.
    InteractionPlan,
    /// The reporting group of the plan.
    ReportingGroup,
    /// The skills that were asked for, with a comma between them.
    Skill,
}

/// Which kind of queues to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QueueType {
    /// Those that agents are served from.
    #[default]
    Acd,
    /// Virtual ones, in which callers wait for a call back.
    Virtual,
    /// Both.
    All,
}

impl QueueType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Acd => "ACD",
            Self::Virtual => "Virtual",
            Self::All => "All",
        }
    }
}

/// From where the offsets of events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventOffsets {
    /// From the start of the interaction.
    #[default]
    Interaction,
    /// From the start of the channel that they belong to.
    Channel,
}

impl VonageConfig {
    /// The client of an account, everything else as by default.
    pub fn new(client_id: impl Into<String>, client_secret: Secret, region: Region) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret,
            region,
            grouping: Grouping::default(),
            queue_type: QueueType::default(),
            count_breakouts: true,
            event_offsets: EventOffsets::default(),
            media: BTreeMap::new(),
            longest_interaction_secs: longest_interaction(),
            poll_secs: poll(),
            requests_per_minute: requests(),
            page_size: page_size(),
            api_url: None,
            token_url: None,
            http: HttpSettings::default(),
        }
    }

    /// Every mistake at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut least = |name: &str, value: u32, least: u32| {
            if value < least {
                wrong.push(format!("{name}: expected {least} at least"));
            }
        };
        least("poll_secs", self.poll_secs, 1);
        least("requests_per_minute", self.requests_per_minute, 1);
        least("page_size", self.page_size, 1);
        if self.client_id.is_empty() {
            wrong.push("client_id: is empty".to_owned());
        }
        if self.client_secret.expose().is_empty() {
            wrong.push("client_secret: is empty".to_owned());
        }
        for (name, url) in [("api_url", &self.api_url), ("token_url", &self.token_url)] {
            if url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
                wrong.push(format!("{name}: expected https://…"));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ConfigInvalid, format!("vonage: {}", wrong.join("; "))))
    }

    pub(crate) fn api(&self) -> String {
        let of_region = || format!("https://{}.api.cc.vonage.com", self.region.name());
        self.api_url.as_ref().map_or_else(of_region, |url| url.trim_end_matches('/').to_owned())
    }

    pub(crate) fn token(&self) -> String {
        let of_region = || format!("https://{}.cc.vonage.com/Auth/connect/token", self.region.name());
        self.token_url.clone().unwrap_or_else(of_region)
    }

    /// The channel of a medium; `None` for one that nobody named.
    pub(crate) fn channel(&self, medium: &str) -> Option<Channel> {
        let named = self.media.iter().find(|named| named.0.eq_ignore_ascii_case(medium)).map(|named| *named.1);
        named.or_else(|| match medium.to_ascii_lowercase().as_str() {
            "phone" | "phone callback" | "voicemail" | "video" => Some(Channel::Calls),
            "chat" | "web chat" | "sms" | "message" => Some(Channel::Chats),
            "email" => Some(Channel::Emails),
            "case" => Some(Channel::Cases),
            "social" | "facebook" | "twitter" | "whatsapp" => Some(Channel::SocialMedia),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration() {
        let config: VonageConfig = toml::from_str(include_str!("../sample.toml")).unwrap();
        config.check().unwrap();
        assert_eq!(config.api(), "https://emea.api.cc.vonage.com");
        assert_eq!(config.token(), "https://emea.cc.vonage.com/Auth/connect/token");
    }

    #[test]
    fn every_mistake_is_named_and_no_secret() {
        let text = "client_id = ''\nclient_secret = ''\nregion = 'nam'\npoll_secs = 0\napi_url = 'ftp://a'";
        let error = toml::from_str::<VonageConfig>(text).unwrap().check().unwrap_err().to_string();
        for part in
            ["client_id: is empty", "client_secret: is empty", "poll_secs: expected 1", "api_url: expected https"]
        {
            assert!(error.contains(part), "{error}");
        }
        let config = VonageConfig::new("id", Secret::new("hunter2"), Region::Nam);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn media_are_known_or_named() {
        let mut config = VonageConfig::new("id", Secret::new("s"), Region::Nam);
        config.media.insert("Fax".to_owned(), Channel::Documents);
        config.media.insert("SMS".to_owned(), Channel::SocialMedia);
        for (medium, channel) in [
            ("Phone", Some(Channel::Calls)),
            ("phone callback", Some(Channel::Calls)),
            ("Email", Some(Channel::Emails)),
            ("fax", Some(Channel::Documents)),
            ("sms", Some(Channel::SocialMedia)),
            ("Telepathy", None),
        ] {
            assert_eq!(config.channel(medium), channel, "{medium}");
        }
    }
}
