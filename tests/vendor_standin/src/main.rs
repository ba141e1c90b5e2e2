//! Serves a stand-in for a vendor, with days of history and a present that goes on.
//!
//! ```text
//! vendor_standin five9|vonage|genesys-cloud [--listen 127.0.0.1:0] [--seed 1] [--days 7] [--agents 16]
//!     [--contacts 300] [--faults]
//! ```
//!
//! The one line on standard output is `VENDOR url=http://HOST:PORT NAME=VALUE …`: parts between spaces, no spaces in values; the names
//! are `user` and `password` for Five9, `client_id` and `client_secret` for Vonage and Genesys Cloud. The truth is at `/_ledger/contacts`,
//! `/_ledger/statuses` and `/_ledger/status-times` with `from=…&to=…`, RFC 3339 instants, and perhaps `now=…`.
//!
//! The future is made with the history and ends three days after the start.

use std::any::Any;
use std::net::SocketAddr;
use std::process::ExitCode;

use futures::future::BoxFuture;
use vendor_standin::clock::Clock;
use vendor_standin::faults::{Effect, Faults, RetryAfter, Rule, When};
use vendor_standin::five9::{self, Five9Standin};
use vendor_standin::genesys_cloud::GenesysCloudStandin;
use vendor_standin::ledger::{Ledger, Precision, Simulation};
use vendor_standin::vonage::{self, VonageStandin};
use vendor_standin::zone::Zone;

const USAGE: &str = "\
usage: vendor_standin five9|vonage|genesys-cloud [OPTIONS]

  --listen ADDR   where to listen (default: 127.0.0.1:0, any free port)
  --seed N        which contact centre (default: 1)
  --days N        how many days of history (default: 7)
  --agents N      how many agents (default: 16)
  --contacts N    how many contacts arrive each day (default: 300)
  --faults        answers some requests wrongly, by chance

Prints one line: VENDOR url=http://HOST:PORT NAME=VALUE ...
  five9 url=... user=... password=...
  vonage url=... client_id=... client_secret=...
  genesys-cloud url=... client_id=... client_secret=...
The truth: GET /_ledger/contacts, /_ledger/statuses, /_ledger/status-times
  with ?from=2024-03-05T09:00:00Z&to=2024-03-05T10:00:00Z";

/// How long the made future lasts.
const FUTURE_DAYS: u32 = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Options {
    listen: SocketAddr,
    seed: u64,
    days: u32,
    agents: usize,
    contacts: u32,
    has_faults: bool,
}

/// A stand-in that serves: the line about it, and what ends it when dropped.
struct Serving {
    line: String,
    _standin: Box<dyn Any + Send>,
}

type Start = fn(Options) -> BoxFuture<'static, Result<Serving, Failure>>;

const VENDORS: [(&str, Start); 3] = [
    ("five9", |options| Box::pin(five9(options))),
    ("vonage", |options| Box::pin(vonage(options))),
    ("genesys-cloud", |options| Box::pin(genesys_cloud(options))),
];

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
    let mut args = std::env::args().skip(1);
    let vendor = args.next().unwrap_or_default();
    if vendor == "--help" {
        println!("{USAGE}");
        return Ok(());
    }
    let (_, start) = VENDORS.into_iter().find(|(name, _)| *name == vendor).ok_or(USAGE)?;
    let serving = start(options(args)?).await?;
    println!("{}", serving.line);
    std::future::pending().await
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut options = Options { listen, seed: 1, days: 7, agents: 16, contacts: 300, has_faults: false };
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--listen" => options.listen = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--days" => options.days = value()?.parse()?,
            "--agents" => options.agents = value()?.parse()?,
            "--contacts" => options.contacts = value()?.parse()?,
            "--faults" => options.has_faults = true,
            _ => return Err(format!("{name} is no option\n{USAGE}").into()),
        }
    }
    Ok(options)
}

fn ledger(options: &Options, zone: Zone, change: impl FnOnce(&mut Simulation)) -> Ledger {
    let today = zone.local(Clock::real().now()).date();
    let first_day = zone.midnight(today - chrono::Days::new(u64::from(options.days)));
    let mut simulation = Simulation::new(options.seed, first_day, options.days + FUTURE_DAYS);
    simulation.zone = zone;
    (simulation.agents, simulation.contacts_a_day) = (options.agents, options.contacts);
    change(&mut simulation);
    simulation.ledger()
}

async fn five9(options: Options) -> Result<Serving, Failure> {
    let settings = five9::Settings::default();
    let ledger = ledger(&options, settings.zone, |_| {});
    let standin = Five9Standin::start_on(options.listen, settings, ledger, Clock::real()).await?;
    if options.has_faults {
        add_faults(&standin.world().faults, options.seed, "ServiceUnavailableFault");
    }
    let (url, settings) = (standin.url(), standin.settings());
    let line = format!("five9 url={url} user={} password={}", settings.user, settings.password);
    Ok(Serving { line, _standin: Box::new(standin) })
}

async fn vonage(options: Options) -> Result<Serving, Failure> {
    let settings = vonage::Settings { rewrite_delay: 20_000, ..vonage::Settings::default() };
    let ledger = ledger(&options, Zone::Berlin, |simulation| {
        simulation.precision = Precision::Millis;
        simulation.is_mixed = true;
    });
    let standin = VonageStandin::start_on(options.listen, settings, ledger, Clock::real()).await?;
    if options.has_faults {
        add_faults(&standin.world().faults, options.seed, "");
    }
    let (url, settings) = (standin.url(), standin.settings());
    let line = format!("vonage url={url} client_id={} client_secret={}", settings.client_id, settings.client_secret);
    Ok(Serving { line, _standin: Box::new(standin) })
}

async fn genesys_cloud(options: Options) -> Result<Serving, Failure> {
    let ledger = ledger(&options, Zone::Berlin, |simulation| {
        simulation.precision = Precision::Millis;
        simulation.is_mixed = true;
    });
    let standin = GenesysCloudStandin::start_on(options.listen, Default::default(), ledger, Clock::real()).await?;
    if options.has_faults {
        add_faults(&standin.world().faults, options.seed, "");
    }
    let (url, settings) = (standin.url(), standin.settings());
    let (id, secret) = (&settings.client_id, &settings.client_secret);
    let line = format!("genesys-cloud url={url} client_id={id} client_secret={secret}");
    Ok(Serving { line, _standin: Box::new(standin) })
}

/// A moderate set of faults.
fn add_faults(faults: &Faults, seed: u64, unavailable: &str) {
    let outage = Effect::Fault(unavailable.to_owned());
    faults.add(Rule::new("", When::Burst { every: 100, length: 3 }, outage));
    let status = |status, retry_after| Effect::Status { status, body: String::new(), retry_after };
    let all = [
        (10, status(429, RetryAfter::Seconds(2))),
        (5, status(429, RetryAfter::Date(3))),
        (5, status(429, RetryAfter::Unsaid)),
        (10, status(504, RetryAfter::Unsaid)),
        (10, Effect::Cut(700)),
        (10, Effect::Slow { bytes: 200, pause: std::time::Duration::from_millis(50) }),
        (5, Effect::Expire),
    ];
    for (number, (per_mille, effect)) in all.into_iter().enumerate() {
        let seed = seed.wrapping_mul(31).wrapping_add(number as u64);
        faults.add(Rule::new("", When::Chance { per_mille, seed }, effect));
    }
}
