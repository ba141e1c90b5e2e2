//! A connector for a system of one's own, whole, and a host that imports a window with it.
//!
//! Run with: `cargo run --release --example custom_connector`

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connectors::core::connector::{
    CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, Outcome,
};
use injixo_connectors::core::model::{Channel, Millis, Timestamp, Window};
use injixo_connectors::core::{MemoryStore, Result, Runtime, connector::Registry};
use serde::Deserialize;

/// How the system is reached; a real one would have an address and a key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcmeConfig {
    /// The queue to read.
    queue: String,
}

#[derive(Debug, Clone)]
struct Acme {
    config: AcmeConfig,
}

impl ConnectorFactory for Acme {
    const KIND: &'static str = "acme";
    type Config = AcmeConfig;

    fn build(config: AcmeConfig) -> Result<Self> {
        Ok(Self { config })
    }
}

#[async_trait]
impl Connector for Acme {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "Acme Contact Centre")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ContactSource for Acme {
    fn limits(&self) -> Limits {
        Limits::new().writes_late(Millis::from_mins(10))
    }

    /// A call every seven minutes, every fifth of them abandoned: what a real connector asks its system for.
    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let every = Millis::from_mins(7).get();
        let first = (window.from().millis() + every - 1) / every;
        for call in first.. {
            let started = Timestamp::from_millis(call * every);
            if !window.contains(started) {
                break;
            }
            let wait = (call % 5 != 0).then_some(Millis::from_secs(call % 60));
            let talk = wait.map(|_| Millis::from_secs(120 + call % 90));
            out.contact(&self.config.queue, Channel::Calls, started).answered_after(wait).handle_time(talk);
            out.flush().await?;
        }
        Ok(Outcome::complete())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    // A registry builds connectors from configuration; an unknown kind or a wrong key is an error that says so.
    let registry = injixo_connectors::all().with::<Acme>();
    eprintln!("known connectors: {}", Registry::kinds(&registry).collect::<Vec<_>>().join(", "));
    registry.build("acme", "queue = \"Hotline\"")?;

    let runtime = Runtime::new(MemoryStore::new());
    let acme = runtime.add("Acme", Acme::build(AcmeConfig { queue: "Hotline".to_owned() })?).await?;
    let from: Timestamp = "2024-05-01T08:00:00Z".parse()?;
    eprintln!("{}", acme.import_contacts(Window::new(from, from.after(Millis::from_mins(60)))?).await?);
    for interval in runtime.intervals("Acme").await? {
        let measures = interval.measures;
        println!(
            "{} {} offered, {} handled, AHT {}, answered after {}",
            interval.start,
            measures.offered,
            measures.handled,
            measures.aht().unwrap_or_default(),
            measures.speed_of_answer().unwrap_or_default()
        );
    }
    Ok(())
}
