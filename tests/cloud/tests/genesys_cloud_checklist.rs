//! What can go wrong with Genesys Cloud, and what its public documents leave open: everything happens at least once, and comes out as
//! the ledger says. [`CHECKLIST`] says which test looks at what.

use std::sync::Arc;

use injixo_connectors::genesys::cloud::{GenesysCloud, GenesysCloudConfig};
use injixo_core::connector::{Connector, Context};
use injixo_core::{ErrorKind, Secret};
use injixo_test_cloud::{Hasty, assert_covered, assert_same, contacts, statuses, window};
use vendor_standin::faults::{Effect, RetryAfter, Rule, When};
use vendor_standin::genesys_cloud::Settings;
use vendor_standin::ledger::{Precision, Simulation, truth};
use vendor_standin::time::{self, DAY, Ms};
use vendor_standin::{Clock, GenesysCloudStandin};

/// What a stand-in for Genesys Cloud must be able to do wrong or otherwise, and the tests in which it does.
const CHECKLIST: [(&str, &[&str]); 22] = [
    ("a wrong secret: 400 or 401", &["a_wrong_secret_by_either_status", "genesys_cloud"]),
    ("an expired token: 401 once", &["faults_that_pass", "a_token_that_ends_takes_one_renewal"]),
    ("429 with Retry-After after so many calls", &["faults_that_pass"]),
    ("504 once", &["faults_that_pass"]),
    ("jobs: QUEUED, PENDING, FULFILLED", &["a_day_of_genesys_cloud"]),
    ("jobs: FAILED, EXPIRED, CANCELLED", &["jobs_that_end_otherwise", "genesys_cloud"]),
    ("results in more than one page", &["a_day_of_genesys_cloud"]),
    ("a short page, then a full one", &["a_day_of_genesys_cloud"]),
    ("an empty object for an empty list", &["a_day_on_which_nothing_was"]),
    ("an interval that is too long: 400", &["longer_than_a_query_takes"]),
    ("a missing permission: 403", &["genesys_cloud_says_which_right_is_missing"]),
    ("a call across midnight in UTC", &["calls_across_midnight_and_across_quarters"]),
    ("a handle time in a later interval", &["calls_across_midnight_and_across_quarters"]),
    ("a last presence that is open", &["up_to_now"]),
    ("being on queue, cut by four routing states", &["a_day_of_genesys_cloud"]),
    ("heartbeats, and a connection that is silent", &["genesys_cloud_whose_connection_goes_silent"]),
    ("socket_closing", &["genesys_cloud_whose_connection_goes_silent"]),
    ("events twice and out of order", &["genesys_cloud"]),
    ("a queue that was deleted", &["genesys_cloud"]),
    ("a user who is inactive", &["a_day_of_genesys_cloud"]),
    ("a presence that was deactivated", &["a_day_of_genesys_cloud"]),
    ("more than a thousand users", &["genesys_cloud_with_more_users_than_a_channel_takes"]),
];

#[test]
fn the_checklist_is_covered() {
    let sources = [
        include_str!("genesys_cloud_checklist.rs"),
        include_str!("windows.rs"),
        include_str!("months.rs"),
        include_str!("real_time.rs"),
        include_str!("conformance.rs"),
    ];
    assert_covered(&CHECKLIST, &sources);
}

/// An organisation and three days of it; the last one is over.
struct Trial {
    standin: GenesysCloudStandin,
    clock: Clock,
    first: Ms,
}

impl Trial {
    async fn new(change: impl FnOnce(&mut Settings, &mut Simulation)) -> Self {
        let first = time::parse("2024-03-29T00:00:00Z").unwrap();
        let mut settings = Settings::default();
        let mut simulation = Simulation {
            precision: Precision::Millis,
            is_mixed: true,
            contacts_a_day: 300,
            agents: 8,
            ..Simulation::new(9, first, 3)
        };
        change(&mut settings, &mut simulation);
        let clock = Clock::simulated(first + 4 * DAY);
        let standin = GenesysCloudStandin::start(settings, simulation.ledger(), clock.clone()).await.unwrap();
        Self { standin, clock, first }
    }

    fn strike(&self, on: &str, when: When, effect: Effect) {
        self.standin.world().faults.add(Rule::new(on, when, effect));
    }

    fn connector(&self, change: impl FnOnce(&mut GenesysCloudConfig)) -> GenesysCloud {
        let settings = self.standin.settings();
        let secret = Secret::new(&settings.client_secret);
        let mut config = GenesysCloudConfig::new(&settings.client_id, secret, "eu-central-1");
        (config.api_url, config.login_url) = (Some(self.standin.url()), Some(self.standin.url()));
        config.on_queue_detail = true;
        (config.jobs_after_days, config.sums_days) = (1_000, 1_000);
        change(&mut config);
        GenesysCloud::new(config).unwrap()
    }

    fn cx(&self) -> Context {
        Context::new(Arc::new(Hasty(self.clock.clone())))
    }

    /// Contacts and statuses from `from` to `to`, against the ledger.
    async fn judge(&self, (from, to): (Ms, Ms)) {
        let now = self.clock.now();
        let window = window(from, to);
        let found = contacts(&self.connector(|_| {}), &self.cx(), window).await.unwrap();
        assert_same(&found, &self.standin.contact_table(from, to, now));
        let found = statuses(self.connector(|_| {}), Hasty(self.clock.clone()), window).await.unwrap();
        assert_same(&found, &truth::status_time_table(&self.standin.told(now), from, to, now));
        assert_eq!(self.standin.world().log.violations(), Default::default());
    }

    fn asked(&self, path: &str) -> usize {
        self.standin.world().log.asked().iter().filter(|asked| asked.path.ends_with(path)).count()
    }
}

#[tokio::test]
async fn faults_that_pass() {
    let trial = Trial::new(|_, _| {}).await;
    let status = |status, retry_after| Effect::Status { status, body: "{}".to_owned(), retry_after };
    for path in ["/api/v2/analytics/conversations/aggregates/query", "/api/v2/analytics/users/details/query"] {
        trial.strike(path, When::Nth(1), status(504, RetryAfter::Unsaid));
        trial.strike(path, When::Nth(2), status(429, RetryAfter::Seconds(1)));
        trial.strike(path, When::Nth(3), Effect::Limit);
        trial.strike(path, When::Nth(4), status(502, RetryAfter::Date(3)));
    }
    trial.strike("/api/v2/users", When::Nth(2), status(504, RetryAfter::Unsaid));
    trial.strike("/oauth/token", When::Nth(1), status(503, RetryAfter::Unsaid));
    trial.judge((trial.first + DAY, trial.first + 2 * DAY)).await;
}

#[tokio::test]
async fn a_token_that_ends_takes_one_renewal() {
    let trial = Trial::new(|_, _| {}).await;
    trial.strike("/api/v2/routing/queues", When::Nth(1), Effect::Expire);
    let day = window(trial.first + DAY, trial.first + 2 * DAY);
    contacts(&trial.connector(|_| {}), &trial.cx(), day).await.unwrap();
    assert_eq!(trial.asked("/oauth/token"), 2);
}

#[tokio::test]
async fn a_wrong_secret_by_either_status() {
    for status in [400, 401] {
        let trial = Trial::new(|settings, _| settings.wrong_secret_status = status).await;
        let connector = trial.connector(|config| config.client_secret = Secret::new("wrong"));
        let day = window(trial.first, trial.first + DAY);
        let error = contacts(&connector, &trial.cx(), day).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{status}: {error}");
        let report = connector.check(&trial.cx()).await.unwrap();
        assert_eq!(report.problems.len(), 1, "{status}: {report:?}");
    }
}

#[tokio::test]
async fn jobs_that_end_otherwise() {
    for state in ["FAILED", "EXPIRED", "CANCELLED"] {
        let trial = Trial::new(|settings, _| settings.jobs_lag = 0).await;
        let by_jobs = || trial.connector(|config| (config.jobs_after_days, config.sums_days) = (0, 0));
        trial.strike("conversations/details/jobs/status", When::Nth(2), Effect::Fault(state.to_owned()));
        let day = window(trial.first + DAY, trial.first + 2 * DAY);
        let error = contacts(&by_jobs(), &trial.cx(), day).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains(state), "{error}");
        // The next job is another one.
        let found = contacts(&by_jobs(), &trial.cx(), day).await.unwrap();
        let truth = trial.standin.contact_table(trial.first + DAY, trial.first + 2 * DAY, trial.clock.now());
        assert_same(&found, &truth);
    }
}

#[tokio::test]
async fn a_day_on_which_nothing_was() {
    let trial = Trial::new(|_, _| {}).await;
    // Long before anybody worked.
    let (from, to) = (trial.first - 9 * DAY, trial.first - 8 * DAY);
    let found = contacts(&trial.connector(|_| {}), &trial.cx(), window(from, to)).await.unwrap();
    assert_eq!(found.lines().count(), 1, "{found}");
    trial.judge((from, to)).await;
}

/// What one query may not ask for is asked for in several.
#[tokio::test]
async fn longer_than_a_query_takes() {
    let trial = Trial::new(|_, _| {}).await;
    trial.judge((trial.first - 6 * DAY, trial.first + 3 * DAY)).await;
}

#[tokio::test]
async fn calls_across_midnight_and_across_quarters() {
    let trial = Trial::new(|_, simulation| simulation.contacts_a_day = 3_000).await;
    let midnight = trial.first + 2 * DAY;
    let (over_midnight, over_quarters) = {
        let ledger = trial.standin.world().ledger();
        let contacts: Vec<_> = ledger.contacts_at(trial.clock.now()).map(|on| on.value).collect();
        let quarter = |at: Ms| at.div_euclid(900_000);
        (
            contacts.iter().filter(|contact| contact.start < midnight && contact.end() > midnight).count(),
            contacts.iter().filter(|contact| quarter(contact.start) != quarter(contact.end())).count(),
        )
    };
    assert!(over_midnight > 0 && over_quarters > 100, "{over_midnight}, {over_quarters}");
    trial.judge((midnight - DAY, midnight)).await;
    trial.judge((midnight, midnight + DAY)).await;
}

/// In the middle of a day the last presence of everyone is open.
#[tokio::test]
async fn up_to_now() {
    let trial = Trial::new(|settings, _| settings.lag = 0).await;
    let now = trial.first + DAY + 17 * 3_600_000;
    trial.clock.set(now);
    let (from, to) = (trial.first + DAY, now);
    let open = trial.standin.told(now).iter().filter(|told| told.end.is_none()).count();
    assert!(open > 3, "{open}");
    let connector = trial.connector(|_| {});
    let found = statuses(connector, Hasty(trial.clock.clone()), window(from, to)).await.unwrap();
    assert_same(&found, &truth::status_time_table(&trial.standin.told(now), from, to, now));
}
