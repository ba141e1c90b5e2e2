//! Imports a window of contacts of a database, and says what came of it and how much memory it took.
//!
//! `window_child CONFIG FROM TO`

use injixo_connectors::core::connector::ConnectorFactory;
use injixo_connectors::core::model::{Timestamp, Window};
use injixo_connectors::core::{MemoryStore, Runtime};
use injixo_connectors::sql::Sql;

/// The most memory that this process had so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_else(|error| panic!("{error}"));
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no peak in {status}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run().await {
        panic!("{error}");
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [config, from, to] = &args[..] else { return Err("usage: window_child CONFIG FROM TO".into()) };
    let connector = Sql::build(toml::from_str(&std::fs::read_to_string(config)?)?)?;
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add("db", connector).await?;
    let before = peak();
    let window = Window::new(from.parse::<Timestamp>()?, to.parse::<Timestamp>()?)?;
    let report = integration.import_contacts(window).await?;
    println!("grown by {} KiB", peak() - before);
    for row in report.first_rejected {
        println!("rejected {} {}", row.column, row.rule.as_str());
    }
    print!("{}", injixo_tests::quarters(&runtime, "db").await);
    Ok(())
}
