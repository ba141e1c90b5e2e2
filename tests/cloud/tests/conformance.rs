//! Every connector passes the conformance suite against its stand-in.

use std::time::Duration;

use injixo_connectors::genesys::cloud as genesys;
use injixo_connectors::{five9, vonage};
use injixo_core::Secret;
use injixo_core::model::Timestamp;
use injixo_core::testkit::{Fault, Suite};
use injixo_core::zone::Zone;
use injixo_test_cloud::{Served, window};
use vendor_standin::faults::{Effect, Rule, When};
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{self, DAY, HOUR, Ms};
use vendor_standin::{Clock, Five9Standin, GenesysCloudStandin, VonageStandin, World};

fn at(text: &str) -> Ms {
    time::parse(text).unwrap()
}

/// What a stand-in does wrong, and to which requests.
fn faulty(world: &World, fault: Fault, on: &str) {
    let effect = match fault {
        Fault::RateLimited => Effect::Limit,
        Fault::BrokenAnswer => Effect::Status {
            status: 200,
            body: "{\"results\": 42, \"userDetails\": 42}".to_owned(),
            retry_after: vendor_standin::faults::RetryAfter::Unsaid,
        },
        Fault::Hangs => Effect::Slow { bytes: 1, pause: Duration::from_secs(3_600) },
        _ => return,
    };
    world.faults.add(Rule::new(on, When::Always, effect));
}

/// A port on which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

const FAULTS: [Fault; 3] = [Fault::RateLimited, Fault::BrokenAnswer, Fault::Hangs];

fn five9_config(url: &str, standin: &Five9Standin) -> five9::Five9Config {
    let settings = standin.settings();
    let mut config = five9::Five9Config::new(&settings.user, Secret::new(&settings.password), five9::Region::Us);
    config.url = Some(url.to_owned());
    config
}

#[test]
fn five9() {
    let first = at("2024-11-02T07:00:00Z");
    let serve = |fault: Option<Fault>, cap: usize| {
        let mut settings = vendor_standin::five9::Settings { csv_limit: cap, ..Default::default() };
        // How much may be asked is looked at elsewhere: the suite's clock is not that of the stand-in.
        settings.limits = settings.limits.into_keys().map(|operation| (operation, [1_000_000; 3])).collect();
        let simulation = Simulation { contacts_a_day: 60, agents: 4, ..Simulation::new(7, first, 3) };
        Served::new(async move {
            let standin = Five9Standin::start(settings, simulation.ledger(), Clock::simulated(first + 4 * DAY)).await;
            let standin = standin.unwrap();
            if let Some(fault) = fault {
                faulty(standin.world(), fault, "/wsadmin");
            }
            standin
        })
    };
    let good = serve(None, 50_000);
    let faulty = FAULTS.map(|fault| (fault, serve(Some(fault), 50_000)));
    let capped = serve(None, 40);
    let make = |standin: &Five9Standin| {
        let config = five9_config(&standin.url(), standin);
        move || five9::Five9::new(config.clone()).unwrap()
    };
    let wrong = move |mut config: five9::Five9Config| {
        config.password = Secret::new("wrong");
        five9::Five9::new(config).unwrap()
    };
    let of_cap = |standin: &Five9Standin| {
        let mut config = five9_config(&standin.url(), standin);
        config.report_rows = 40;
        config.longest_call_secs = 3_600;
        move || five9::Five9::new(config.clone()).unwrap()
    };
    for is_contacts in [true, false] {
        let mut suite = if is_contacts { Suite::contacts(make(&good)) } else { Suite::statuses(make(&good)) };
        suite = suite
            .between(window(first + DAY, first + 2 * DAY + HOUR))
            .now(Timestamp::from_millis(first + 4 * DAY))
            .zone(Zone::new("America/Los_Angeles").unwrap())
            .secret(&good.settings().password)
            .with(Fault::WrongCredentials, || wrong(five9_config(&good.url(), &good)))
            .with(Fault::Unreachable, || five9::Five9::new(five9_config(&nobody(), &good)).unwrap())
            .with(Fault::RowCap, of_cap(&capped));
        for (fault, standin) in &faulty {
            suite = suite.with(*fault, make(standin));
        }
        suite.run();
    }
}

fn vonage_config(url: &str, standin: &VonageStandin) -> vonage::VonageConfig {
    let settings = standin.settings();
    let secret = Secret::new(&settings.client_secret);
    let mut config = vonage::VonageConfig::new(&settings.client_id, secret, vonage::Region::Emea);
    config.api_url = Some(url.to_owned());
    config.token_url = Some(format!("{url}/Auth/connect/token"));
    config
}

#[test]
fn vonage() {
    let first = at("2024-03-30T00:00:00Z");
    let serve = |fault: Option<Fault>| {
        let simulation = Simulation {
            precision: Precision::Millis,
            is_mixed: true,
            contacts_a_day: 60,
            agents: 4,
            ..Simulation::new(7, first, 3)
        };
        Served::new(async move {
            let clock = Clock::simulated(first + 4 * DAY);
            let standin = VonageStandin::start(Default::default(), simulation.ledger(), clock).await.unwrap();
            if let Some(fault) = fault {
                faulty(standin.world(), fault, "/stats");
            }
            standin
        })
    };
    let good = serve(None);
    let faulty = FAULTS.map(|fault| (fault, serve(Some(fault))));
    let make = |standin: &VonageStandin| {
        let mut config = vonage_config(&standin.url(), standin);
        config.page_size = 10;
        move || vonage::Vonage::new(config.clone()).unwrap()
    };
    let wrong = || {
        let mut config = vonage_config(&good.url(), &good);
        config.client_secret = Secret::new("wrong");
        vonage::Vonage::new(config).unwrap()
    };
    for is_contacts in [true, false] {
        let mut suite = if is_contacts { Suite::contacts(make(&good)) } else { Suite::statuses(make(&good)) };
        suite = suite
            .between(window(first + DAY, first + 2 * DAY))
            .now(Timestamp::from_millis(first + 4 * DAY))
            .secret(&good.settings().client_secret)
            .with(Fault::WrongCredentials, wrong)
            .with(Fault::Unreachable, || vonage::Vonage::new(vonage_config(&nobody(), &good)).unwrap());
        for (fault, standin) in &faulty {
            suite = suite.with(*fault, make(standin));
        }
        suite.run();
    }
}

#[test]
fn genesys_cloud() {
    let first = at("2024-03-30T00:00:00Z");
    let serve = |fault: Option<Fault>| {
        let simulation = Simulation {
            precision: Precision::Millis,
            is_mixed: true,
            contacts_a_day: 60,
            agents: 4,
            ..Simulation::new(7, first, 3)
        };
        // How much may be asked is looked at elsewhere: the suite's clock is not that of the stand-in.
        let settings = vendor_standin::genesys_cloud::Settings { requests_a_minute: 1_000_000, ..Default::default() };
        Served::new(async move {
            let clock = Clock::simulated(first + 4 * DAY);
            let standin = GenesysCloudStandin::start(settings, simulation.ledger(), clock).await.unwrap();
            if let Some(fault) = fault {
                faulty(standin.world(), fault, "/api/v2/analytics/");
            }
            standin
        })
    };
    let good = serve(None);
    let faulty = FAULTS.map(|fault| (fault, serve(Some(fault))));
    // Sums and statuses by queries, and both by jobs.
    for are_jobs in [false, true] {
        let config = |url: &str, standin: &GenesysCloudStandin| {
            let settings = standin.settings();
            let secret = Secret::new(&settings.client_secret);
            let mut config = genesys::GenesysCloudConfig::new(&settings.client_id, secret, "eu-central-1");
            (config.api_url, config.login_url) = (Some(url.to_owned()), Some(url.to_owned()));
            config.on_queue_detail = true;
            if are_jobs {
                (config.jobs_after_days, config.sums_days) = (0, 0);
            }
            config
        };
        let make = |standin: &GenesysCloudStandin| {
            let config = config(&standin.url(), standin);
            move || genesys::GenesysCloud::new(config.clone()).unwrap()
        };
        let wrong = || {
            let mut config = config(&good.url(), &good);
            config.client_secret = Secret::new("wrong");
            genesys::GenesysCloud::new(config).unwrap()
        };
        for is_contacts in [true, false] {
            let mut suite = if is_contacts { Suite::contacts(make(&good)) } else { Suite::statuses(make(&good)) };
            suite = suite
                .between(window(first + DAY, first + 2 * DAY))
                .now(Timestamp::from_millis(first + 4 * DAY))
                .secret(&good.settings().client_secret)
                .with(Fault::WrongCredentials, wrong)
                .with(Fault::Unreachable, || genesys::GenesysCloud::new(config(&nobody(), &good)).unwrap());
            for (fault, standin) in &faulty {
                suite = suite.with(*fault, make(standin));
            }
            suite.run();
        }
    }
}
