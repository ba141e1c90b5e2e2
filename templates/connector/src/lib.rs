//! Reads contacts and agent statuses of Acme.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, Outcome,
    StatusSource, StatusWriter,
};
use injixo_core::model::{Millis, Window};

mod client;
mod config;
mod wire;

use client::Client;
pub use config::AcmeConfig;

/// An account of Acme.
#[derive(Debug, Clone)]
pub struct Acme(Client);

impl ConnectorFactory for Acme {
    const KIND: &'static str = "acme";
    type Config = AcmeConfig;

    fn build(config: AcmeConfig) -> Result<Self> {
        Client::new(&config).map(Self)
    }
}

#[async_trait]
impl Connector for Acme {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Acme")
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok().note(format!("signed in to {}", self.0.account(cx).await?)))
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        Some(Arc::new(self.clone()))
    }
}

/// The system answers for a month at most.
const LIMITS: Limits = Limits::new().longest_window(Millis::from_mins(31 * 1_440));

#[async_trait]
impl ContactSource for Acme {
    /// A contact is listed once it has ended, which takes four hours at most.
    fn limits(&self) -> Limits {
        LIMITS.writes_late(Millis::from_mins(240))
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let (rows, rejected, outcome) = self.0.rows::<wire::Pass>(cx, "contacts", window).await?;
        for row in rows {
            out.contact(&row.queue, row.medium, row.entered)
                .answered_after(row.wait_secs.map(Millis::from_secs))
                .handle_time(row.work_secs.map(Millis::from_secs));
            out.flush().await?;
        }
        rejected.iter().try_for_each(|row| out.reject(row))?;
        Ok(outcome)
    }
}

#[async_trait]
impl StatusSource for Acme {
    fn limits(&self) -> Limits {
        LIMITS.writes_late(Millis::from_mins(15))
    }

    /// The list holds what reaches into the window, so that a status that began before it gets its end.
    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let (rows, rejected, outcome) = self.0.rows::<wire::Status>(cx, "statuses", window).await?;
        for row in rows {
            out.span(&row.agent, &row.status, row.since, row.until);
            out.flush().await?;
        }
        rejected.iter().try_for_each(|row| out.reject(row))?;
        Ok(outcome)
    }
}
