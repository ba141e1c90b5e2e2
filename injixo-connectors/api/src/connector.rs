use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{CheckReport, Connector, ConnectorFactory, ConnectorInfo, Context};

use crate::config::ApiConfig;

/// An integration that is not read: what it holds is sent by the customer's own program.
///
/// It has no sources. Adding it to a [`Runtime`](injixo_core::Runtime) gives it a number, a life (pause, resume, delete) and a
/// key for its sender.
#[derive(Debug, Clone, Default)]
pub struct Api {}

impl Api {
    /// The connector.
    pub const fn new() -> Self {
        Self {}
    }
}

impl ConnectorFactory for Api {
    const KIND: &'static str = "api";
    type Config = ApiConfig;

    fn build(_: ApiConfig) -> Result<Self> {
        Ok(Self::new())
    }
}

#[async_trait]
impl Connector for Api {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "injixo API")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok().note("nothing is read: the customer's own program sends"))
    }
}
