//! Imports three sample exports into a store, prints intervals and statuses, and draws them.
//!
//! Run with: `cargo run --release --example quickstart`
//!
//! Run it again: nothing has changed, so nothing is imported, and the table is the same.

use std::error::Error;
use std::fs;
use std::path::Path;

use injixo_connectors::core::aggregate::{Interval, Overlap, status_times};
use injixo_connectors::core::model::{IntervalLength, Timestamp};
use injixo_connectors::core::zone::{Grid, LocalTime, Zone};
use injixo_connectors::core::{Runtime, SqliteStore};
use injixo_connectors::csv::{Csv, Schema};
use injixo_workspace::chart;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/quickstart");
    fs::create_dir_all(&results)?;
    let runtime = Runtime::new(SqliteStore::open(results.join("store.db")).await?);

    for (name, sample) in [("Sales", "contacts"), ("Chat", "intervals"), ("Agents", "statuses")] {
        let schema = Schema::from_file(samples.join(format!("{sample}.toml")))?;
        let integration = runtime.add(name, Csv::new(schema)).await?;
        eprintln!("{}", integration.import_file(samples.join(format!("{sample}.csv"))).await?);
    }

    // That Sunday has 23 hours: the clock is put forward at two.
    let zone = Zone::new("Europe/Berlin")?;
    let day = "2024-03-31";
    let intervals =
        runtime.intervals("Sales").queue("Hotline").day(day, zone.name())?.every(IntervalLength::MINUTES_30).await?;
    println!("Hotline on {day}, by half hours ({zone})\n");
    print_intervals(&intervals, &zone);

    let chats = runtime.intervals("Chat").every(IntervalLength::MINUTES_60).await?;
    println!("\nChat support, by hours\n");
    print_intervals(&chats, &zone);

    println!("\nTime per agent and activity on 2024-03-30\n");
    print_statuses(&runtime, &zone).await?;

    let file = results.join("intervals.svg");
    let picture = runtime.intervals("Sales").queue("Hotline").day("2024-04-01", zone.name())?.await?;
    fs::write(&file, chart("Hotline on 2024-04-01, by quarter hours", &picture, |at| clock(at.start, &zone)))?;
    eprintln!("\nchart: {}", file.display());
    Ok(())
}

fn print_intervals(intervals: &[Interval], zone: &Zone) {
    println!("{:<8}{:>8}{:>8}{:>8}", "from", "offered", "handled", "AHT");
    for interval in intervals {
        let measures = interval.measures;
        let aht = measures.aht().map_or("–".to_owned(), |aht| format!("{:.0}", aht.get() as f64 / 1e3));
        println!("{:<8}{:>8}{:>8}{aht:>8}", clock(interval.start, zone), measures.offered, measures.handled);
    }
}

async fn print_statuses(runtime: &Runtime, zone: &Zone) -> Result<(), Box<dyn Error>> {
    let (agents, names) = runtime.statuses("Agents").await?;
    let grid = Grid::new(zone, IntervalLength::DAY);
    println!("{:<8}{:<10}{:>8}", "agent", "activity", "hours");
    for agent in agents {
        for time in status_times(&agent.spans, &grid, Overlap::Shortest, None, |status| names[&status] != "1002") {
            println!("{:<8}{:<10}{:>8.2}", agent.agent, names[&time.status], time.time.get() as f64 / 3.6e6);
        }
    }
    Ok(())
}

/// What the wall clock shows.
fn clock(at: Timestamp, zone: &Zone) -> String {
    let local: LocalTime = zone.to_local(at);
    local.to_string().chars().skip(11).take(5).collect()
}
