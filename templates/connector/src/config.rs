use std::num::NonZeroU32;

use injixo_core::Secret;
use injixo_core::http::HttpSettings;
use serde::Deserialize;

/// How an account is read. `sample.toml` shows every key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// Where the system answers, without a path.
    pub url: String,
    /// The account, as the addresses of the system name it.
    pub account: String,
    /// The key that was made for this integration.
    pub key: Secret,
    /// How many requests a minute are sent at most.
    pub requests_per_minute: NonZeroU32,
    /// How the system is reached over the network.
    #[serde(default)]
    pub http: HttpSettings,
}
