//! Weeks of back-fill (ninety days with `INJIXO_TEST_LONG=1`) and days of real time per vendor, on paused time, with everything
//! that goes wrong: the store ends equal to the ledger.

use std::sync::Arc;
use std::time::Duration;

use injixo_connectors::genesys::cloud as genesys;
use injixo_connectors::{five9, vonage};
use injixo_core::connector::Connector;
use injixo_core::http::Transport;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::{Clock as _, LiveUpdate, MemoryStore, Policy, Runtime, Secret};
use injixo_test_cloud::{InProcess, Paused, assert_same, status_times, stored_contacts, window};
use vendor_standin::faults::{Effect, RetryAfter, Rule, When};
use vendor_standin::ledger::truth::{self, Counted, Told};
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{self, DAY, HOUR, Ms};
use vendor_standin::{Clock, Five9Standin, GenesysCloudStandin, VonageStandin, World};

/// How many days there are before the integration begins; the clock changes among them.
fn days() -> u32 {
    if std::env::var("INJIXO_TEST_LONG").is_ok_and(|long| long == "1") { 90 } else { 21 }
}

fn at(text: &str) -> Ms {
    time::parse(text).unwrap()
}

/// Throttling, bursts of trouble, slow bodies, cut connections, sign-ins that end in the middle.
fn everything(world: &World, on: &str) {
    let trouble = |status, retry_after| Effect::Status { status, body: "{}".to_owned(), retry_after };
    let chance = |per_mille, seed| When::Chance { per_mille, seed };
    for (when, effect) in [
        (chance(15, 1), trouble(503, RetryAfter::Unsaid)),
        (chance(10, 2), trouble(429, RetryAfter::Seconds(7))),
        (chance(5, 3), trouble(429, RetryAfter::Date(20))),
        (chance(5, 4), trouble(500, RetryAfter::Unsaid)),
        (chance(20, 5), Effect::Cut(200)),
        (chance(10, 6), Effect::Slow { bytes: 2_000, pause: Duration::from_millis(400) }),
        (chance(15, 7), Effect::Expire),
        (chance(5, 8), Effect::Limit),
    ] {
        world.faults.add(Rule::new(on, when, effect));
    }
}

/// Runs an integration, with that much history before it; returns the runtime, when it ended, and what was heard live: agent, status,
/// since when, and when that was heard.
async fn run(
    clock: Paused,
    connector: impl Connector,
    end: Ms,
) -> (Runtime, Vec<(String, Option<String>, Timestamp, Timestamp)>) {
    let runtime = Runtime::new(MemoryStore::new()).clock(clock);
    let policy =
        Policy::new().back_fill(Millis::from_mins(1_440 * i64::from(days()))).reference_time(Millis::from_mins(5));
    runtime.add_with("vendor", connector, policy).await.unwrap();
    let service = runtime.start();
    let mut board = runtime.live("vendor").await.unwrap();
    let mut heard = Vec::new();
    let over = clock.sleep_until(Timestamp::from_millis(end));
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            () = &mut over => break,
            update = board.next() => match update {
                LiveUpdate::Snapshot(agents) => {
                    heard.extend(agents.into_iter().map(|now| (now.agent, now.status, now.since, clock.now())));
                }
                LiveUpdate::Change(now) => heard.push((now.agent, now.status, now.since, clock.now())),
                LiveUpdate::Lagged(missed) => panic!("{missed} missed"),
            },
        }
    }
    let status = runtime.status().await.unwrap();
    service.shutdown().await;
    println!("{status:?}");
    (runtime, heard)
}

/// Everything that was due is there, and equal to the ledger.
async fn judge(runtime: &Runtime, (counted, told): (Vec<Counted>, Vec<Told>), (from, to): (Ms, Ms), now: Ms) {
    let window = window(from, to);
    assert_same(&stored_contacts(runtime, "vendor", window).await, &truth::contact_table(&counted, from, to));
    let found = status_times(runtime, "vendor", window, Timestamp::from_millis(now)).await;
    assert_same(&found, &truth::status_time_table(&told, from, to, now));
}

/// Contacts are edited up to forty hours late, which the look-back of three days finds within a day.
const SETTLED: Ms = 66 * HOUR;

#[tokio::test(start_paused = true)]
async fn five9() {
    // The clock is put back on 3 November.
    let begin = at("2024-11-10T08:00:00Z");
    let first = begin - Ms::from(days()) * DAY;
    let end = begin + 5 * DAY;
    let simulation =
        Simulation { contacts_a_day: 60, agents: 6, edits_per_mille: 30, ..Simulation::new(11, first, days() + 6) };
    let shown = Clock::simulated(begin);
    let standin = Five9Standin::start(Default::default(), simulation.ledger(), shown.clone()).await.unwrap();
    everything(standin.world(), "/");
    let clock = Paused::at(begin);
    let transport: Arc<dyn Transport> = InProcess::new(standin.router(), clock, shown);
    let settings = standin.settings();
    let mut config = five9::Five9Config::new(&settings.user, Secret::new(&settings.password), five9::Region::Us);
    config.url = Some(standin.url());
    config.longest_call_secs = 2 * 3_600;
    let (runtime, heard) = run(clock, five9::Five9::over(config, transport).unwrap(), end).await;
    assert_eq!(standin.world().log.violations(), Default::default());
    println!("{} requests, {} live", standin.world().log.asked().len(), heard.len());
    judge(&runtime, (standin.counted(end), standin.told(end)), (first, end - SETTLED), end).await;
}

#[tokio::test(start_paused = true)]
async fn vonage() {
    let begin = at("2024-04-10T00:00:00Z");
    let first = begin - Ms::from(days()) * DAY;
    let end = begin + 5 * DAY;
    let simulation = Simulation {
        contacts_a_day: 60,
        agents: 6,
        edits_per_mille: 30,
        precision: Precision::Millis,
        is_mixed: true,
        ..Simulation::new(12, first, days() + 6)
    };
    let shown = Clock::simulated(begin);
    let settings =
        vendor_standin::vonage::Settings { rewrite_delay: 20_000, requests_a_minute: Some(100), ..Default::default() };
    let standin = VonageStandin::start(settings, simulation.ledger(), shown.clone()).await.unwrap();
    everything(standin.world(), "/");
    let clock = Paused::at(begin);
    let transport: Arc<dyn Transport> = InProcess::new(standin.router(), clock, shown);
    let settings = standin.settings();
    let secret = Secret::new(&settings.client_secret);
    let mut config = vonage::VonageConfig::new(&settings.client_id, secret, vonage::Region::Emea);
    config.api_url = Some(standin.url());
    config.token_url = Some(format!("{}/Auth/connect/token", standin.url()));
    config.poll_secs = 60;
    let (runtime, heard) = run(clock, vonage::Vonage::over(config, transport).unwrap(), end).await;
    assert_eq!(standin.world().log.violations(), Default::default());
    println!("{} requests, {} live", standin.world().log.asked().len(), heard.len());
    judge(&runtime, (standin.counted(end), standin.told(end)), (first, end - SETTLED), end).await;
}

#[tokio::test(start_paused = true)]
async fn genesys_cloud() {
    let begin = at("2024-04-10T00:00:00Z");
    let first = begin - Ms::from(days()) * DAY;
    let end = begin + 5 * DAY;
    let simulation = Simulation {
        contacts_a_day: 60,
        agents: 6,
        edits_per_mille: 30,
        precision: Precision::Millis,
        is_mixed: true,
        ..Simulation::new(13, first, days() + 6)
    };
    let shown = Clock::simulated(begin);
    let settings = vendor_standin::genesys_cloud::Settings {
        requests_a_minute: 180,
        routing_skew: 7,
        unexpanded: Some(4),
        deleted_queues: [1].into(),
        socket_look: Duration::from_secs(5),
        ..Default::default()
    };
    let standin = GenesysCloudStandin::start(settings, simulation.ledger(), shown.clone()).await.unwrap();
    everything(standin.world(), "/");
    for (fault, nth) in [("FAILED", 7), ("EXPIRED", 12), ("CANCELLED", 17)] {
        for about in ["conversations", "users"] {
            let (on, effect) = (format!("{about}/details/jobs/status"), Effect::Fault(fault.to_owned()));
            standin.world().faults.add(Rule::new(&on, When::Nth(nth), effect));
        }
    }
    let clock = Paused::at(begin);
    let transport = InProcess::new(standin.router(), clock, shown);
    transport.ticking(Duration::from_secs(5));
    let settings = standin.settings();
    let secret = Secret::new(&settings.client_secret);
    let mut config = genesys::GenesysCloudConfig::new(&settings.client_id, secret, "eu-central-1");
    (config.api_url, config.login_url) = (Some(standin.url()), Some(standin.url()));
    config.on_queue_detail = true;
    // What is older is read by jobs.
    (config.jobs_after_days, config.sums_days) = (3, 10);
    let (runtime, heard) = run(clock, genesys::GenesysCloud::over(config, transport).unwrap(), end).await;
    assert_eq!(standin.world().log.violations(), Default::default());
    println!("{} requests, {} live", standin.world().log.asked().len(), heard.len());
    let window = window(first, end - SETTLED);
    let found = stored_contacts(&runtime, "vendor", window).await;
    assert_same(&found, &standin.contact_table(first, end - SETTLED, end));
    let found = status_times(&runtime, "vendor", window, Timestamp::from_millis(end)).await;
    assert_same(&found, &truth::status_time_table(&standin.told(end), first, end - SETTLED, end));
}
