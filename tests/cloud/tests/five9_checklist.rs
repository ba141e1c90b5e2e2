//! What can go wrong with Five9, and what its public documents leave open: everything happens at least once, and comes out as the
//! ledger says. [`CHECKLIST`] says which test looks at what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use injixo_connectors::five9::{CountsAt, Five9, Five9Config, Grouping, RangeOrder, Region, Report};
use injixo_core::connector::{Connector, Context};
use injixo_core::http::Transport;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::zone::Zone;
use injixo_core::{Clock as _, Error, ErrorKind, LiveUpdate, MemoryStore, Policy, Runtime, Secret};
use injixo_test_cloud::{InProcess, Paused, assert_covered, assert_same, contacts, statuses, window};
use vendor_standin::faults::{Effect, RetryAfter, Rule, When};
use vendor_standin::five9::{AboveLimit, SessionRows, Settings, StartsAt, StateSince};
use vendor_standin::ledger::{Simulation, State, truth};
use vendor_standin::time::{self, DAY, HOUR, MINUTE, Ms};
use vendor_standin::{Clock, Five9Standin};

/// What a stand-in for Five9 must be able to do wrong or otherwise, and the tests in which it does.
const CHECKLIST: [(&str, &[&str]); 33] = [
    ("1: 401 with wrong credentials", &["a_wrong_password_stops_everything"]),
    ("1: 401 without any", &["sign_in_paths_and_envelopes"]),
    ("1: 404 for another path", &["another_path"]),
    ("1: faults with HTTP 500", &["faults_that_pass"]),
    ("2: an unknown folder or report", &["a_report_that_is_not_there"]),
    ("2: no range, start after end", &["reports_are_refused_by_name"]),
    ("3: a report that runs for long", &["reports_that_take_long"]),
    ("3: UnknownIdentifierFault", &["a_report_that_is_forgotten"]),
    ("3: how long a poll is held", &["a_long_poll_ends_when_something_changes_and_keeps_no_report_waiting"]),
    ("4: ResultIsNotReadyFault", &["faults_that_pass"]),
    ("4: no rows but the headers", &["a_day_on_which_nobody_called"]),
    ("4: cut off at the limit", &["reports_that_are_cut_off"]),
    ("4: refused above the limit", &["reports_that_are_refused_above_the_limit"]),
    ("4: in the zone of the data centre", &["zones_of_data_centres"]),
    ("5: limits of each operation by the clock", &["limits_that_are_learnt"]),
    ("5: OperationsLimitExceededFault", &["faults_that_pass"]),
    ("6: UserAlreadyLoggedInFault", &["faults_that_pass", "one_request_at_a_time"]),
    ("7: a session that ends, by itself or by another", &["statistics_that_break_off"]),
    ("7: an update without a change", &["statistics_in_every_form"]),
    ("7: agents that come and go", &["statistics_in_every_form"]),
    ("7: UnknownTimestampFault", &["statistics_that_break_off"]),
    ("8: renamed and missing columns", &["columns_that_are_missing"]),
    ("8: columns in another order, and more of them", &["columns_in_another_order"]),
    ("8: quoted commas, umlauts, ampersands", &["groupings"]),
    ("8: [None] and [Deleted]", &["deleted_names_and_empty_cells"]),
    ("8: empty lengths", &["deleted_names_and_empty_cells"]),
    ("8: the clock is put back", &["groupings", "zones_of_data_centres"]),
    ("8: the clock is put forward", &["the_clock_is_put_forward"]),
    ("8: several rows of a call", &["groupings"]),
    ("3: start before end, or end before start", &["ranges_in_both_orders"]),
    ("3: lines that end in either way", &["lines_that_end_in_either_way"]),
    ("7: talk with or without hold", &["talk_with_or_without_hold"]),
    ("7: when a contact counts", &["contacts_count_when_they_enter_the_queue_or_when_they_begin"]),
];

#[test]
fn the_checklist_is_covered() {
    let sources = [
        include_str!("five9_checklist.rs"),
        include_str!("../../vendor_standin/tests/it/five9.rs"),
        include_str!("../../vendor_standin/tests/it/five9_statistics.rs"),
    ];
    assert_covered(&CHECKLIST, &sources);
}

fn at(text: &str) -> Ms {
    time::parse(text).unwrap()
}

/// An account and four days of it, over which the clock is put back.
struct Trial {
    standin: Five9Standin,
    transport: Arc<dyn Transport>,
    clock: Paused,
    first: Ms,
}

impl Trial {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        Self::from(at("2024-11-02T07:00:00Z"), change).await
    }

    async fn from(first: Ms, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let simulation = Simulation { contacts_a_day: 80, agents: 12, ..Simulation::new(7, first, 5) };
        let shown = Clock::simulated(first + 4 * DAY);
        let standin = Five9Standin::start(settings, simulation.ledger(), shown.clone()).await.unwrap();
        let clock = Paused::at(first + 4 * DAY);
        let transport: Arc<dyn Transport> = InProcess::new(standin.router(), clock, shown);
        Self { standin, transport, clock, first }
    }

    fn strike(&self, on: &str, when: When, effect: Effect) {
        self.standin.world().faults.add(Rule::new(on, when, effect));
    }

    fn connector(&self, change: impl FnOnce(&mut Five9Config)) -> Five9 {
        let settings = self.standin.settings();
        let mut config = Five9Config::new(&settings.user, Secret::new(&settings.password), Region::Us);
        config.url = Some(self.standin.url());
        config.longest_call_secs = 2 * 3_600;
        change(&mut config);
        Five9::over(config, Arc::clone(&self.transport)).unwrap()
    }

    fn cx(&self) -> Context {
        Context::new(Arc::new(self.clock))
    }

    /// The contacts of the day with the change of the clock, by a single read.
    async fn contacts(&self, connector: &Five9) -> Result<String, Error> {
        contacts(connector, &self.cx(), window(self.first + DAY, self.first + 2 * DAY + HOUR)).await
    }

    /// What a connector reads is what the ledger says, and no limit was passed. Returns the contacts.
    async fn assert_ledger(&self, change: impl Fn(&mut Five9Config)) -> String {
        let (from, to) = (self.first + DAY, self.first + 2 * DAY + HOUR);
        let found = self.contacts(&self.connector(&change)).await.unwrap();
        let now = self.clock.now().millis();
        assert_same(&found, &truth::contact_table(&self.standin.counted(now), from, to));
        let told = statuses(self.connector(&change), self.clock, window(from, to)).await.unwrap();
        let now = self.clock.now().millis();
        assert_same(&told, &truth::status_time_table(&self.standin.told(now), from, to, now));
        assert_eq!(self.standin.world().log.violations(), BTreeMap::new());
        found
    }

    /// How many requests were answered with that status, or by that fault.
    fn count(&self, what: &str) -> usize {
        let asked = self.standin.world().log.asked();
        let is_it = |fault: Option<&str>, status: u16| {
            status.to_string() == what || fault.is_some_and(|fault| fault.contains(what))
        };
        asked.iter().filter(|asked| is_it(asked.fault.as_deref(), asked.status)).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_stops_everything() {
    let trial = Trial::new(|_| {}).await;
    let wrong = trial.connector(|config| config.password = Secret::new("wrong"));
    let error = trial.contacts(&wrong).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unauthenticated, false));
    let report = wrong.check(&trial.cx()).await.unwrap();
    assert!(report.problems[0].contains("check user, password and region"), "{report:?}");
    assert_eq!((trial.count("401"), trial.standin.world().log.asked().len()), (2, 2), "asked again in vain");
}

#[tokio::test(start_paused = true)]
async fn another_path() {
    let trial = Trial::new(|_| {}).await;
    let wrong = trial.connector(|config| config.url = Some(format!("{}/moved", trial.standin.url())));
    let error = trial.contacts(&wrong).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable(), trial.count("404")), (ErrorKind::NotFound, false, 1), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_not_there() {
    let trial = Trial::new(|_| {}).await;
    for (folder, name) in [("Call Log Reports", "Call log"), ("Shared Reports", "Call Log")] {
        let wrong = trial.connector(|config| config.calls = Some(Report::new(folder, name)));
        let error = trial.contacts(&wrong).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ConfigInvalid, false));
        assert!(error.to_string().contains("set its folder and name exactly"), "{error}");
        assert!(error.context().any(|context| context == ("fault", "ReportNotFoundFault")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn reports_that_take_long() {
    let trial = Trial::new(|settings| settings.report_polls = 40).await;
    trial.assert_ledger(|_| {}).await;
    let log = &trial.standin.world().log;
    assert_eq!(log.count("isReportRunning"), 41 * log.count("runReport"));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_forgotten() {
    let trial = Trial::new(|_| {}).await;
    trial.strike("isReportRunning", When::Nth(2), Effect::Fault("UnknownIdentifierFault".to_owned()));
    trial.strike("getReportResultCsv", When::Nth(2), Effect::Fault("UnknownIdentifierFault".to_owned()));
    trial.assert_ledger(|_| {}).await;
    assert_eq!(trial.count("UnknownIdentifierFault"), 2);
}

/// Whatever passes by itself changes nothing of what is read.
#[tokio::test(start_paused = true)]
async fn faults_that_pass() {
    let fault = |name: &str| Effect::Fault(name.to_owned());
    let status = |status, retry_after| Effect::Status { status, body: String::new(), retry_after };
    let every = [
        ("runReport", fault("UserAlreadyLoggedInFault")),
        ("runReport", fault("ServiceUnavailableFault")),
        ("runReport", Effect::Limit),
        ("getReportResultCsv", fault("ResultIsNotReadyFault")),
        ("getReportResultCsv", Effect::Cut(900)),
        ("getReportResultCsv", Effect::Slow { bytes: 500, pause: Duration::from_millis(100) }),
        ("isReportRunning", fault("AdminSessionClosedFault")),
        ("isReportRunning", Effect::Expire),
        ("isReportRunning", fault("ServerFault")),
        ("getCallCountersState", fault("SessionClosedFault")),
        ("/wsadmin", status(429, RetryAfter::Unsaid)),
        ("/wsadmin", status(429, RetryAfter::Seconds(9))),
        ("/wsadmin", status(503, RetryAfter::Unsaid)),
    ];
    for (on, effect) in every {
        let trial = Trial::new(|_| {}).await;
        trial.strike(on, When::First(1), effect.clone());
        trial.assert_ledger(|_| {}).await;
        let struck = trial.standin.world().log.asked().iter().filter(|asked| asked.fault.is_some()).count();
        assert_eq!(struck, 1, "{effect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_on_which_nobody_called() {
    let trial = Trial::new(|_| {}).await;
    let before = window(trial.first - 9 * DAY, trial.first - 8 * DAY);
    let found = contacts(&trial.connector(|_| {}), &trial.cx(), before).await.unwrap();
    assert_eq!(found.lines().count(), 1, "{found}");
    assert_eq!(trial.standin.world().log.count("getReportResultCsv"), 1);
}

#[tokio::test(start_paused = true)]
async fn reports_that_are_cut_off() {
    let trial = Trial::new(|settings| {
        settings.csv_limit = 30;
        settings.limits.insert("ReportRequest", [10_000; 3]);
        settings.limits.insert("RetrieveReport", [10_000; 3]);
    })
    .await;
    trial.assert_ledger(|config| config.report_rows = 30).await;
    assert!(trial.standin.world().log.count("runReport") > 10);
}

/// What happens above the limit is not documented. A refusal reads like any trouble: nothing of the window is taken.
#[tokio::test(start_paused = true)]
async fn reports_that_are_refused_above_the_limit() {
    let trial = Trial::new(|settings| {
        settings.csv_limit = 30;
        settings.above_limit = AboveLimit::Fault;
    })
    .await;
    let error = trial.contacts(&trial.connector(|config| config.report_rows = 30)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
}

#[tokio::test(start_paused = true)]
async fn zones_of_data_centres() {
    use vendor_standin::zone::Zone as Shown;
    for (shown, zone) in [(Shown::Utc, "Etc/GMT"), (Shown::London, "Europe/London"), (Shown::Berlin, "Europe/Berlin")] {
        // The clock is put back in Europe at 01:00 UTC on 27 October.
        let trial = Trial::from(at("2024-10-25T22:00:00Z"), |settings| {
            settings.zone = shown;
            // Public programs have seen nothing come back for a range with this offset.
            settings.empties_zero_offset = true;
        })
        .await;
        trial.assert_ledger(|config| config.report_zone = Some(Zone::new(zone).unwrap())).await;
        // A zone that is not that of the reports is noticed, if only by an hour with rows on the wrong side.
        if shown != Shown::London {
            let hour = window(trial.first + DAY + 17 * HOUR, trial.first + DAY + 18 * HOUR);
            let wrong = trial.connector(|config| {
                config.report_zone = Some(Zone::new("Asia/Kolkata").unwrap());
                config.longest_call_secs = 60;
            });
            let error = contacts(&wrong, &trial.cx(), hour).await.unwrap_err();
            assert!(error.to_string().contains("set report_zone"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_put_forward() {
    let trial = Trial::from(at("2024-03-09T08:00:00Z"), |_| {}).await;
    trial.assert_ledger(|_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn limits_that_are_learnt() {
    let trial = Trial::new(|settings| {
        settings.limits.insert("ReportRequest", [3, 60, 300]);
        settings.limits.insert("RetrieveReport", [2, 60, 300]);
        settings.csv_limit = 30;
    })
    .await;
    let begin = trial.clock.now();
    let runtime = Runtime::new(MemoryStore::new()).clock(trial.clock);
    let integration = runtime.add("five9", trial.connector(|config| config.report_rows = 30)).await.unwrap();
    let (from, to) = (trial.first + DAY, trial.first + 2 * DAY);
    let mut left = window(from, to);
    // A read that would have to wait for long ends without having failed; whoever asks again goes on.
    while let Err(error) = integration.import_contacts(left).await {
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
        trial.clock.sleep_until(trial.clock.now().after(Millis::from_mins(1))).await;
        left = window(from, to);
        assert!(trial.clock.now().since(begin) < Millis::from_mins(600), "{error}");
    }
    assert_eq!(trial.standin.world().log.violations(), BTreeMap::new());
    assert!(trial.clock.now().since(begin) > Millis::from_mins(2));
}

#[tokio::test(start_paused = true)]
async fn columns_that_are_missing() {
    for column in ["TALK TIME", "CAMPAIGN", "TIMESTAMP"] {
        let trial = Trial::new(|settings| {
            settings.renamed.insert(column.to_owned(), "Something else".to_owned());
        })
        .await;
        let error = trial.contacts(&trial.connector(|_| {})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(&format!("lacks the columns {column}:")), "{error}");
        let report = trial.connector(|_| {}).check(&trial.cx()).await.unwrap();
        assert!(report.problems.iter().any(|problem| problem.contains(column)), "{report:?}");
    }
    let trial = Trial::new(|settings| settings.skill_columns = Vec::new()).await;
    let error = trial.contacts(&trial.connector(|config| config.grouping = Grouping::Skill)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
}

#[tokio::test(start_paused = true)]
async fn columns_in_another_order() {
    let trial = Trial::new(|settings| {
        for columns in [&mut settings.call_columns, &mut settings.state_columns] {
            columns.reverse();
            columns.insert(1, "OUR OWN".to_owned());
        }
    })
    .await;
    trial.assert_ledger(|_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_names_and_empty_cells() {
    let trial = Trial::new(|settings| {
        settings.deleted = vec!["Hotline".to_owned()];
        settings.blank_zero_durations = true;
        settings.not_abandoned = String::new();
        settings.no_skill = String::new();
        settings.session_rows = SessionRows::Whole;
    })
    .await;
    let found = trial.assert_ledger(|_| {}).await;
    assert!(found.contains("[Deleted]") && !found.contains("[None]"), "{found}");
}

#[tokio::test(start_paused = true)]
async fn groupings() {
    for (shown, grouping, names) in [
        (vendor_standin::five9::Grouping::Campaign, Grouping::Campaign, ["Hotline,", "\"Rück & Co, Nord\","]),
        (vendor_standin::five9::Grouping::Skill, Grouping::Skill, ["Störung,", "\"Billing, \"\"VIP\"\"\","]),
    ] {
        let trial = Trial::new(|settings| settings.grouping = shown).await;
        let found = trial.assert_ledger(|config| config.grouping = grouping).await;
        assert!(names.iter().all(|name| found.contains(&format!("\n{name}"))), "{found}");
    }
}

#[tokio::test(start_paused = true)]
async fn ranges_in_both_orders() {
    let strict = Trial::new(|_| {}).await;
    strict.assert_ledger(|config| config.range_order = RangeOrder::EndFirst).await;
    // Who takes only what its schema allows refuses the other order.
    let wrong = strict.connector(|config| config.range_order = RangeOrder::StartFirst);
    assert_eq!(strict.contacts(&wrong).await.unwrap_err().kind(), ErrorKind::Protocol);
    let lax = Trial::new(|settings| settings.takes_start_first = true).await;
    lax.assert_ledger(|config| config.range_order = RangeOrder::StartFirst).await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_end_in_either_way() {
    let mut found = Vec::new();
    for line_end in ["\n", "\r\n"] {
        let trial = Trial::new(|settings| settings.line_end = line_end.to_owned()).await;
        found.push(trial.assert_ledger(|_| {}).await);
    }
    assert_eq!(found[0], found[1]);
}

/// Both kinds of report with both settings: with the wrong one holds count twice, or not at all.
#[tokio::test(start_paused = true)]
async fn talk_with_or_without_hold() {
    let mut right = Vec::new();
    for contains in [false, true] {
        let trial = Trial::new(|settings| settings.talk_contains_hold = contains).await;
        right.push(trial.assert_ledger(|config| config.talk_contains_hold = contains).await);
        let wrong = trial.contacts(&trial.connector(|config| config.talk_contains_hold = !contains)).await.unwrap();
        assert_ne!(&wrong, right.last().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn contacts_count_when_they_enter_the_queue_or_when_they_begin() {
    for (shown, counts_at) in [(StartsAt::Queue, CountsAt::Queue), (StartsAt::Row, CountsAt::Call)] {
        let trial = Trial::new(|settings| settings.starts_at = shown).await;
        trial.assert_ledger(|config| config.counts_at = counts_at).await;
    }
}

/// What agents do after a quarter of an hour of listening is what the ledger says, but for the last moments.
async fn assert_heard(trial: &Trial) {
    let runtime = Runtime::new(MemoryStore::new()).clock(trial.clock);
    let policy = Policy::new().back_fill(Millis::ZERO);
    runtime.add_with("five9", trial.connector(|_| {}), policy).await.unwrap();
    let service = runtime.start();
    let mut board = runtime.live("five9").await.unwrap();
    let mut agents: BTreeMap<String, Option<String>> = BTreeMap::new();
    let end = trial.clock.now().after(Millis::from_mins(15));
    let over = trial.clock.sleep_until(end);
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            () = &mut over => break,
            update = board.next() => match update {
                LiveUpdate::Snapshot(all) => agents = all.into_iter().map(|now| (now.agent, now.status)).collect(),
                LiveUpdate::Change(now) => { agents.insert(now.agent, now.status); }
                LiveUpdate::Lagged(missed) => panic!("{missed} missed"),
            },
        }
    }
    service.shutdown().await;
    let settled = Timestamp::from_millis(end.millis() - 2 * MINUTE).millis();
    let ledger = trial.standin.world().ledger();
    let mut looked_at = 0;
    for state in ledger.states_at(settled).map(|on| on.value) {
        let covers = state.start < settled && state.end.is_none_or(|to| to > end.millis());
        if !covers || matches!(state.state, State::Session | State::Hold) || ledger.agents[state.agent].is_removed {
            continue;
        }
        let name = match state.state {
            State::Ready => "Ready",
            State::NotReady => "Not Ready",
            State::Ringing => "Ringing",
            State::Wrap => "After Call Work",
            State::LoggedOut => "Logged Out",
            State::OnCall | State::Session | State::Hold => "On Call",
        };
        let name = if state.reason.is_empty() { name.to_owned() } else { format!("{name}: {}", state.reason) };
        let is_listed = state.state != State::LoggedOut || trial.standin.settings().lists_logged_out;
        let heard = agents.get(&ledger.agents[state.agent].user).cloned().flatten();
        assert_eq!(heard, is_listed.then_some(name), "{state:?}");
        looked_at += 1;
    }
    assert!(looked_at > 3, "{looked_at}");
    assert_eq!(trial.standin.world().log.violations(), BTreeMap::new());
}

/// When agents begin to work, and others go home.
const SHIFT: &str = "2024-11-05T15:55:00Z";

async fn live_trial(change: impl FnOnce(&mut Settings)) -> Trial {
    Trial::from(at(SHIFT) - 4 * DAY, change).await
}

#[tokio::test(start_paused = true)]
async fn statistics_in_every_form() {
    for state_since in [StateSince::Millis, StateSince::PacificText] {
        for lists_logged_out in [true, false] {
            let trial = live_trial(|settings| {
                settings.state_since = state_since;
                settings.lists_logged_out = lists_logged_out;
                settings.has_internal_names = !lists_logged_out;
            })
            .await;
            assert_heard(&trial).await;
            // Asked again and again, mostly in vain.
            assert!(trial.standin.world().log.count("getStatisticsUpdate") > 100);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn statistics_that_break_off() {
    let fault = |name: &str| Effect::Fault(name.to_owned());
    for effect in [
        fault("SessionNotInitializedFault"),
        fault("UnknownTimestampFault"),
        fault("StatisticsNotRequestedFault"),
        fault("ServiceUnavailableFault"),
        fault("OperationsLimitExceededFault"),
        Effect::Expire,
        Effect::Cut(20),
    ] {
        let trial = live_trial(|_| {}).await;
        trial.strike("getStatisticsUpdate", When::Nth(25), effect.clone());
        assert_heard(&trial).await;
        assert_eq!(
            trial.standin.world().log.asked().iter().filter(|asked| asked.fault.is_some()).count(),
            1,
            "{effect:?}"
        );
    }
}
