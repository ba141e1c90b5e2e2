//! How soon a change of state is heard, with five hundred agents, on paused time; and that nothing stays wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use injixo_connectors::genesys::cloud as genesys;
use injixo_connectors::{five9, vonage};
use injixo_core::connector::{AgentNow, Connector};
use injixo_core::http::Transport;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::{Clock as _, LiveUpdate, MemoryStore, Policy, Runtime, Secret};
use injixo_test_cloud::{InProcess, Paused};
use vendor_standin::faults::{Effect, Rule, When};
use vendor_standin::ledger::truth::Told;
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{self, MINUTE, Ms};
use vendor_standin::{Clock, Five9Standin, GenesysCloudStandin, VonageStandin, genesys_cloud};

/// A Tuesday on which people work.
fn begin() -> Ms {
    time::parse("2024-06-04T17:00:00Z").unwrap()
}

fn simulation(precision: Precision) -> Simulation {
    let first = time::parse("2024-06-03T07:00:00Z").unwrap();
    Simulation { agents: 500, contacts_a_day: 15_000, precision, ..Simulation::new(5, first, 2) }
}

/// Ten minutes of real time: how long after their beginning states were heard, and what everyone did in the end by what was
/// heard.
async fn listen(clock: Paused, connector: impl Connector) -> (Vec<i64>, BTreeMap<String, AgentNow>) {
    let runtime = Runtime::new(MemoryStore::new()).clock(clock);
    runtime.add_with("vendor", connector, Policy::new().back_fill(Millis::ZERO)).await.unwrap();
    let service = runtime.start();
    let mut board = runtime.live("vendor").await.unwrap();
    let (mut lags, mut agents) = (Vec::new(), BTreeMap::new());
    let over = clock.sleep_until(Timestamp::from_millis(begin() + 10 * MINUTE));
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            () = &mut over => break,
            update = board.next() => match update {
                LiveUpdate::Snapshot(all) => agents.extend(all.into_iter().map(|now| (now.agent.clone(), now))),
                LiveUpdate::Change(now) => {
                    lags.push(clock.now().millis() - now.since.millis());
                    agents.insert(now.agent.clone(), now);
                }
                LiveUpdate::Lagged(missed) => panic!("{missed} missed"),
            },
        }
    }
    service.shutdown().await;
    lags.sort_unstable();
    (lags, agents)
}

/// The halfway and the last but one in a hundred.
fn percentiles(lags: &[i64]) -> (i64, i64) {
    (lags[lags.len() / 2], lags[lags.len() * 99 / 100])
}

/// What was heard last is what is true, but for what happened within the last moments.
fn judge(agents: &BTreeMap<String, AgentNow>, told: &[Told], end: Ms, moments: Ms) {
    let mut now: BTreeMap<&str, &Told> = BTreeMap::new();
    for state in told.iter().filter(|state| state.start <= end && state.end.is_none_or(|to| to > end)) {
        let held = now.entry(&state.agent).or_insert(state);
        if state.start >= held.start {
            *held = state;
        }
    }
    let settled: Vec<_> = now.values().filter(|state| state.start < end - moments).collect();
    assert!(settled.len() > 100, "{}", settled.len());
    for state in settled {
        let heard = agents.get(&state.agent).and_then(|agent| agent.status.as_deref());
        assert_eq!(heard, Some(state.status.as_str()), "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn five9() {
    let shown = Clock::simulated(begin());
    let standin = Five9Standin::start(Default::default(), simulation(Precision::Seconds).ledger(), shown.clone());
    let standin = standin.await.unwrap();
    let clock = Paused::at(begin());
    let transport: Arc<dyn Transport> = InProcess::new(standin.router(), clock, shown);
    let settings = standin.settings();
    let mut config = five9::Five9Config::new(&settings.user, Secret::new(&settings.password), five9::Region::Us);
    config.url = Some(standin.url());
    let (lags, agents) = listen(clock, five9::Five9::over(config, transport).unwrap()).await;
    let (half, most) = percentiles(&lags);
    println!("five9: {} changes of {} agents, p50 {half} ms, p99 {most} ms", lags.len(), agents.len());
    assert!(lags.len() > 200);
    // Asked every four seconds.
    assert!(most <= 5_000, "p99 {most} ms");
    assert_eq!(standin.world().log.violations(), Default::default());
}

#[tokio::test(start_paused = true)]
async fn vonage() {
    let shown = Clock::simulated(begin());
    let standin = VonageStandin::start(Default::default(), simulation(Precision::Millis).ledger(), shown.clone());
    let standin = standin.await.unwrap();
    let clock = Paused::at(begin());
    let transport: Arc<dyn Transport> = InProcess::new(standin.router(), clock, shown);
    let settings = standin.settings();
    let (id, secret, lag) = (settings.client_id.clone(), Secret::new(&settings.client_secret), settings.lag);
    let mut config = vonage::VonageConfig::new(id, secret, vonage::Region::Emea);
    config.api_url = Some(standin.url());
    config.token_url = Some(format!("{}/Auth/connect/token", standin.url()));
    let (lags, agents) = listen(clock, vonage::Vonage::over(config, transport).unwrap()).await;
    let (half, most) = percentiles(&lags);
    println!("vonage: {} changes of {} agents, p50 {half} ms, p99 {most} ms", lags.len(), agents.len());
    assert!(lags.len() > 200);
    // Polled every ten seconds; what the vendor takes to process a state comes on top.
    assert!(most <= 11_000 + lag, "p99 {most} ms");
    let end = begin() + 10 * MINUTE;
    let mut told = standin.told(end);
    // Whom the directory does not hold any more nobody is told of.
    let is_there =
        |number: &str| standin.world().ledger().agents.iter().any(|agent| agent.number == number && !agent.is_removed);
    told.retain(|state| is_there(&state.agent));
    judge(&agents, &told, end, MINUTE);
}

/// An organisation, and a connector that asks it within the process.
async fn genesys(
    simulation: &Simulation,
    settings: genesys_cloud::Settings,
    look: Duration,
) -> (GenesysCloudStandin, Paused, genesys::GenesysCloud) {
    let shown = Clock::simulated(begin());
    let settings = genesys_cloud::Settings { socket_look: look, ..settings };
    let standin = GenesysCloudStandin::start(settings, simulation.ledger(), shown.clone()).await.unwrap();
    let clock = Paused::at(begin());
    let transport = InProcess::new(standin.router(), clock, shown);
    transport.ticking(look);
    let settings = standin.settings();
    let secret = Secret::new(&settings.client_secret);
    let mut config = genesys::GenesysCloudConfig::new(&settings.client_id, secret, "eu-central-1");
    (config.api_url, config.login_url) = (Some(standin.url()), Some(standin.url()));
    config.on_queue_detail = true;
    let connector = genesys::GenesysCloud::over(config, transport).unwrap();
    (standin, clock, connector)
}

#[tokio::test(start_paused = true)]
async fn genesys_cloud() {
    let (standin, clock, connector) =
        genesys(&simulation(Precision::Millis), Default::default(), Duration::from_millis(200)).await;
    // Whatever else a connection does: each event twice, and the one before it once more.
    standin.world().faults.add(Rule::new("socket", When::Always, Effect::Fault("duplicate,out-of-order".to_owned())));
    let (lags, agents) = listen(clock, connector).await;
    let (half, most) = percentiles(&lags);
    println!("genesys-cloud: {} changes of {} agents, p50 {half} ms, p99 {most} ms", lags.len(), agents.len());
    assert!(lags.len() > 200);
    // Pushed; the stand-in looks five times a second.
    assert!(most <= 1_000, "p99 {most} ms");
    let end = begin() + 10 * MINUTE;
    judge(&agents, &active(&standin, end), end, 2_000);
    assert_eq!(standin.world().log.violations(), Default::default());
}

/// The states of those who are in the directory of those that are active.
fn active(standin: &GenesysCloudStandin, end: Ms) -> Vec<Told> {
    let mut told = standin.told(end);
    let removed: Vec<String> = {
        let ledger = standin.world().ledger();
        ledger.agents.iter().filter(|agent| agent.is_removed).map(|agent| agent.user.clone()).collect()
    };
    told.retain(|state| !removed.contains(&state.agent));
    told
}

/// A channel takes a thousand topics.
#[tokio::test(start_paused = true)]
async fn genesys_cloud_with_more_users_than_a_channel_takes() {
    let simulation = Simulation { agents: 2_100, contacts_a_day: 10_000, ..simulation(Precision::Millis) };
    let (standin, clock, connector) = genesys(&simulation, Default::default(), Duration::from_secs(2)).await;
    let connected = async {
        clock.sleep_until(Timestamp::from_millis(begin() + 5 * MINUTE)).await;
        standin.connected().values().map(Vec::len).collect::<Vec<_>>()
    };
    let ((_, agents), topics) = tokio::join!(listen(clock, connector), connected);
    assert_eq!(topics.iter().sum::<usize>(), agents.len());
    assert!(agents.len() > 2_000 && topics.len() == 3 && topics.iter().all(|topics| *topics <= 1_000), "{topics:?}");
    let end = begin() + 10 * MINUTE;
    judge(&agents, &active(&standin, end), end, 10_000);
    assert_eq!(standin.world().log.violations(), Default::default());
}

/// A connection that goes silent, one that is cut, one that the system closes with notice, a token that ends: nothing stays wrong,
/// and no channel is wasted.
#[tokio::test(start_paused = true)]
async fn genesys_cloud_whose_connection_goes_silent() {
    let simulation = simulation(Precision::Millis);
    let (standin, clock, connector) = genesys(&simulation, Default::default(), Duration::from_millis(500)).await;
    let sockets = |standin: &GenesysCloudStandin| {
        let asked = standin.world().log.asked();
        asked.iter().filter(|asked| asked.operation == "socket").map(|asked| asked.at).collect::<Vec<_>>()
    };
    let minute = |number: i64| clock.sleep_until(Timestamp::from_millis(begin() + number * MINUTE));
    let trouble = async {
        minute(1).await;
        standin.silence(true);
        minute(3).await;
        // Within a hundred seconds it was noticed, and connected to again: in vain.
        let again: Vec<Ms> = sockets(&standin).into_iter().filter(|at| *at > begin() + MINUTE).collect();
        assert!(again.first().is_some_and(|at| *at <= begin() + MINUTE + 100_000), "{again:?}");
        standin.silence(false);
        minute(4).await;
        standin.announce_closing();
        minute(5).await;
        // Long before the system closed the connection there was another.
        assert!(sockets(&standin).iter().any(|at| (0..30_000).contains(&(at - begin() - 4 * MINUTE))));
        minute(6).await;
        standin.end_tokens();
        let broken = Effect::Cut(3);
        standin.world().faults.add(Rule::new("socket", When::First(3), broken));
        standin.announce_closing();
    };
    let ((lags, agents), ()) = tokio::join!(listen(clock, connector), trouble);
    let end = begin() + 10 * MINUTE;
    println!("genesys-cloud in trouble: {} changes, connected {} times", lags.len(), sockets(&standin).len());
    let settled = active(&standin, end);
    judge(&agents, &settled, end, 10_000);
    let channels = standin.world().log.asked();
    let channels = channels.iter().filter(|asked| asked.method == "POST" && asked.path.ends_with("/channels")).count();
    assert!(channels <= 4, "{channels} channels");
    assert_eq!(standin.world().log.violations(), Default::default());
}
