//! One day of each vendor by a single read, over a real connection, against the ledger.

use std::sync::Arc;

use injixo_connectors::genesys::cloud as genesys;
use injixo_connectors::{five9, vonage};
use injixo_core::connector::{Connector, Context};
use injixo_core::{ErrorKind, MemoryStore, Runtime, Secret};
use injixo_test_cloud::{Hasty, assert_same, contacts, statuses, window};
use vendor_standin::ledger::{Precision, Simulation, truth};
use vendor_standin::time::{self, DAY, HOUR, Ms};
use vendor_standin::{Clock, Five9Standin, GenesysCloudStandin, VonageStandin, genesys_cloud};

fn at(text: &str) -> Ms {
    time::parse(text).unwrap()
}

fn five9(standin: &Five9Standin) -> five9::Five9 {
    let settings = standin.settings();
    let mut config = five9::Five9Config::new(&settings.user, Secret::new(&settings.password), five9::Region::Us);
    config.url = Some(standin.url());
    five9::Five9::new(config).unwrap()
}

fn vonage(standin: &VonageStandin) -> vonage::Vonage {
    let settings = standin.settings();
    let secret = Secret::new(&settings.client_secret);
    let mut config = vonage::VonageConfig::new(&settings.client_id, secret, vonage::Region::Emea);
    config.api_url = Some(standin.url());
    config.token_url = Some(format!("{}/Auth/connect/token", standin.url()));
    vonage::Vonage::new(config).unwrap()
}

fn genesys_config(standin: &GenesysCloudStandin) -> genesys::GenesysCloudConfig {
    let settings = standin.settings();
    let secret = Secret::new(&settings.client_secret);
    let mut config = genesys::GenesysCloudConfig::new(&settings.client_id, secret, "eu-central-1");
    config.api_url = Some(standin.url());
    config.login_url = Some(standin.url());
    config.on_queue_detail = settings.is_detailed;
    config.agent = match settings.agent_field {
        genesys_cloud::AgentField::Email => genesys::AgentField::Email,
        genesys_cloud::AgentField::Name => genesys::AgentField::Name,
        _ => genesys::AgentField::Username,
    };
    config
}

#[tokio::test]
async fn a_day_of_five9() {
    // The clock is put back in California at 09:00 UTC.
    let first = at("2024-11-02T07:00:00Z");
    let ledger = Simulation::new(7, first, 3).ledger();
    let clock = Clock::simulated(first + 4 * DAY);
    let standin = Five9Standin::start(Default::default(), ledger, clock.clone()).await.unwrap();
    let cx = Context::new(Arc::new(Hasty(clock.clone())));
    let (from, to) = (first + DAY, first + 2 * DAY + HOUR);
    let now = clock.now();
    let found = contacts(&five9(&standin), &cx, window(from, to)).await.unwrap();
    assert_same(&found, &truth::contact_table(&standin.counted(now), from, to));
    let found = statuses(five9(&standin), Hasty(clock), window(from, to)).await.unwrap();
    assert_same(&found, &truth::status_time_table(&standin.told(now), from, to, now));
}

#[tokio::test]
async fn a_day_of_vonage() {
    let first = at("2024-03-30T00:00:00Z");
    let simulation = Simulation { precision: Precision::Millis, is_mixed: true, ..Simulation::new(7, first, 3) };
    let clock = Clock::simulated(first + 4 * DAY);
    let standin = VonageStandin::start(Default::default(), simulation.ledger(), clock.clone()).await.unwrap();
    let cx = Context::new(Arc::new(Hasty(clock.clone())));
    let (from, to) = (first + DAY, first + 2 * DAY);
    let now = clock.now();
    let found = contacts(&vonage(&standin), &cx, window(from, to)).await.unwrap();
    assert_same(&found, &truth::contact_table(&standin.counted(now), from, to));
    let found = statuses(vonage(&standin), Hasty(clock), window(from, to)).await.unwrap();
    assert_same(&found, &truth::status_time_table(&standin.told(now), from, to, now));
}

/// A day by queries and by jobs, by whatever names agents, with and without what they do while on queue.
#[tokio::test]
async fn a_day_of_genesys_cloud() {
    use genesys_cloud::AgentField::{Email, Name, Username};
    for (agent_field, is_detailed, are_jobs) in
        [(Username, true, false), (Email, false, true), (Name, true, true), (Username, false, false)]
    {
        let first = at("2024-03-30T00:00:00Z");
        let mut simulation =
            Simulation { precision: Precision::Millis, is_mixed: true, ..Simulation::new(7, first, 3) };
        simulation.agents = match (agent_field, is_detailed) {
            // Of more of them, several have the same name.
            (Name, _) => 4,
            // Their statuses are several pages, some of them short.
            (_, false) => 130,
            _ => simulation.agents,
        };
        let clock = Clock::simulated(first + 4 * DAY);
        let settings = genesys_cloud::Settings {
            agent_field,
            is_detailed,
            routing_skew: if are_jobs { 7 } else { 0 },
            chats_are_messages: are_jobs,
            has_short_ids: are_jobs,
            results_page: 7,
            unexpanded: Some(3),
            ..Default::default()
        };
        let standin = GenesysCloudStandin::start(settings, simulation.ledger(), clock.clone()).await.unwrap();
        let mut config = genesys_config(&standin);
        let days = if are_jobs { 0 } else { 1_000 };
        (config.jobs_after_days, config.sums_days) = (days, days);
        let connector = || genesys::GenesysCloud::new(config.clone()).unwrap();
        let (from, to) = (first + DAY, first + 2 * DAY);
        let now = clock.now();
        let found =
            contacts(&connector(), &Context::new(Arc::new(Hasty(clock.clone()))), window(from, to)).await.unwrap();
        assert_same(&found, &standin.contact_table(from, to, now));
        let found = statuses(connector(), Hasty(clock), window(from, to)).await.unwrap();
        assert_same(&found, &truth::status_time_table(&standin.told(now), from, to, now));
        let asked = standin.world().log.asked();
        assert_eq!(are_jobs, asked.iter().any(|asked| asked.operation.ends_with("jobs/results")));
        assert_eq!(standin.world().log.violations(), Default::default());
    }
}

/// A right that the client's roles lack is named, by the check and by the read that needs it.
#[tokio::test]
async fn genesys_cloud_says_which_right_is_missing() {
    let first = at("2024-03-30T00:00:00Z");
    for (right, needs_contacts) in [
        ("analytics:conversationAggregate:view", true),
        ("analytics:userDetail:view", false),
        ("directory:user:view", false),
        ("presence:presenceDefinition:view", false),
        ("routing:queue:view", false),
    ] {
        let clock = Clock::simulated(first + 2 * DAY);
        let settings = genesys_cloud::Settings { denied: [right.to_owned()].into(), ..Default::default() };
        let ledger = Simulation::new(7, first, 1).ledger();
        let standin = GenesysCloudStandin::start(settings, ledger, clock.clone()).await.unwrap();
        let connector = genesys::GenesysCloud::new(genesys_config(&standin)).unwrap();
        let cx = Context::new(Arc::new(Hasty(clock.clone())));
        let problems = connector.check(&cx).await.unwrap().problems.join("; ");
        assert!(problems.contains(right), "{right}: {problems}");
        if needs_contacts {
            let error = contacts(&connector, &cx, window(first, first + DAY)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains(right), "{error}");
        }
        let runtime = Runtime::new(MemoryStore::new()).clock(Hasty(clock));
        let error = runtime.add("one", connector).await.unwrap_err();
        assert!(error.to_string().contains(right), "{error}");
    }
}
