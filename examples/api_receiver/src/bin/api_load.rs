//! Sends as fast as the receiver answers, and says how fast that was.
//!
//! Run with: `cargo run --release -p api_receiver --bin api_load -- --address URL --key KEY --integration NUMBER`

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use api_receiver::load::Connection;
use injixo_connectors::core::model::Timestamp;
use injixo_connectors::core::{Clock, SystemClock};
use injixo_workspace::Args;

const USAGE: &str = "\
usage: api_load --address URL --key KEY --integration NUMBER [OPTIONS]

  --certificate FILE     what to trust, for https
  --connections N        how many senders at once (default: 48)
  --seconds N            for how long (default: 20)
  --batch N              rows in a request (default: 100)
  --queues N             queues, or agents (default: 50)
  --spread SECONDS       how far back rows start, evenly (default: 3600)
  --statuses             sends agent statuses in place of contacts
  --pid NUMBER           the receiver's process, whose memory is to be told";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is sent.
#[derive(Debug, Clone)]
struct Load {
    path: &'static str,
    integration: u64,
    batch: u64,
    queues: u64,
    spread: i64,
    statuses: bool,
}

impl Load {
    /// A body that no other one equals.
    fn body(&self, number: u64, now: i64) -> String {
        let mut rows = String::with_capacity(usize::try_from(self.batch).unwrap_or(100) * 220);
        for row in 0..self.batch {
            let salt = (number * self.batch + row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 17;
            let queue = salt % self.queues;
            let back = i64::try_from(salt / 64 % 1_000_000_000).unwrap_or(0) % (self.spread * 1_000);
            let start = Timestamp::from_millis((now - back) / 1_000 * 1_000);
            let comma = if row == 0 { "" } else { "," };
            let secs = salt / 1_000 % 600;
            // Writing into a text does not fail.
            let _ = if self.statuses {
                let activity = salt / 7 % 12;
                write!(
                    rows,
                    r#"{comma}{{"agentIdentifier":"agent{queue}@example.com","activityIdentifier":"activity {activity}","startTime":"{start}"}}"#
                )
            } else {
                write!(
                    rows,
                    r#"{comma}{{"properties":{{"offered":true,"handled":true,"duration":{secs}.5}},"queueName":"Queue {queue}","queueIdentifier":"q{queue}","timestamp":"{start}","channel":"calls"}}"#
                )
            };
        }
        format!(
            r#"{{"data":[{rows}],"meta":{{"integrationConfigurationId":{},"externalSystem":"load {number}"}}}}"#,
            self.integration
        )
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let mut args = Args::of_program();
    if args.flag("--help") {
        println!("{USAGE}");
        return Ok(());
    }
    let address = args.value("--address")?.ok_or(USAGE)?;
    let key = args.value("--key")?.ok_or(USAGE)?;
    let certificate = args.value("--certificate")?;
    let mut number = |name: &str, default: u64| -> Result<u64, Failure> {
        args.value(name)?.map_or(Ok(default), |value| {
            value.parse().map_err(|_| format!("{name} {value:?}: expected a number").into())
        })
    };
    let (integration, connections, seconds) =
        (number("--integration", 1)?, number("--connections", 48)?, number("--seconds", 20)?);
    let (batch, queues, spread, pid) =
        (number("--batch", 100)?, number("--queues", 50)?, number("--spread", 3_600)?, number("--pid", 0)?);
    let statuses = args.flag("--statuses");
    args.rest()?;
    let path = if statuses { "/external-systems/agent-statuses" } else { "/external-systems/contact-events" };
    let load =
        Load { path, integration, batch, queues: queues.max(1), spread: i64::try_from(spread)?.max(1), statuses };

    let numbers = Arc::new(AtomicU64::new(u64::try_from(SystemClock.now().millis())? << 20));
    let end = Instant::now() + Duration::from_secs(seconds);
    let begun = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(&address, certificate.as_deref(), &key).await?;
        let (load, numbers) = (load.clone(), Arc::clone(&numbers));
        senders.push(tokio::spawn(async move {
            let (mut took, mut other) = (Vec::new(), Vec::new());
            while Instant::now() < end {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let body = load.body(number, SystemClock.now().millis());
                let sent = Instant::now();
                let answer = connection.post(load.path, None, &body).await?;
                match answer.status {
                    202 => took.push(sent.elapsed()),
                    _ => other.push(answer),
                }
            }
            Ok::<_, std::io::Error>((took, other))
        }));
    }
    let (mut took, mut other) = (Vec::new(), Vec::new());
    for sender in senders {
        let (mine, others) = sender.await??;
        took.extend(mine);
        other.extend(others);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: usize| {
        took.get((took.len() * share / 1_000).min(took.len().saturating_sub(1)))
            .map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    let requests = u32::try_from(took.len())?;
    let rows = f64::from(requests) * f64::from(u32::try_from(batch)?);
    println!(
        "{:.0} requests/s, {:.0} rows/s, {rows} rows in {elapsed:.1} s",
        f64::from(requests) / elapsed,
        rows / elapsed
    );
    println!(
        "answered after: median {:.0} ms, p90 {:.0} ms, p99 {:.0} ms, longest {:.0} ms",
        at(500),
        at(900),
        at(990),
        at(1_000)
    );
    if let Some(first) = other.first() {
        println!("{} answered otherwise, the first {}: {}", other.len(), first.status, first.body);
    }
    if pid > 0 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        for line in status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS")) {
            println!("{}", line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    Ok(())
}
