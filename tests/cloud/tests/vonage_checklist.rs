//! What can go wrong with Vonage, and what its public documents leave open: everything happens at least once, and comes out as the
//! ledger says. [`CHECKLIST`] says which test looks at what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use injixo_connectors::vonage::{EventOffsets, Grouping, QueueType, Region, Vonage, VonageConfig};
use injixo_core::connector::{Connector, Context};
use injixo_core::http::Transport;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::{Clock as _, Error, ErrorKind, LiveUpdate, MemoryStore, Policy, Runtime, Secret};
use injixo_test_cloud::{InProcess, Paused, assert_covered, assert_same, contacts, status_times, statuses, window};
use vendor_standin::faults::{Effect, RetryAfter, Rule, When};
use vendor_standin::ledger::{AgentState, Precision, Simulation, State, truth};
use vendor_standin::time::{self, DAY, HOUR, MINUTE, Ms, SECOND};
use vendor_standin::vonage::{EventOffsets as Offsets, Grouping as Groups, Holds, Settings};
use vendor_standin::{Clock, VonageStandin};

/// What a stand-in for Vonage must be able to do wrong or otherwise, and the tests in which it does.
const CHECKLIST: [(&str, &[&str]); 30] = [
    ("1: sign-in by a form", &["groupings"]),
    ("1: sign-in by Basic", &["tokens"]),
    ("1: tokens that end soon", &["tokens_that_end_soon"]),
    ("1: a wrong secret", &["a_wrong_secret_stops_everything"]),
    ("1: a bad grant type, no scope, an unknown one", &["tokens"]),
    ("1: a server in trouble", &["faults_that_pass"]),
    ("1: Bearer and bearer", &["tokens_that_end_soon"]),
    ("2: 400 without a version in Accept", &["what_every_call_needs"]),
    ("2: 401 without a token", &["what_every_call_needs"]),
    ("2: 401 with a token that has ended", &["a_token_that_ends_between_two_pages"]),
    ("2: 401 with a token that lacks the scope", &["a_client_without_the_scope"]),
    ("2: 400 over 31 days, or without start", &["what_every_call_needs"]),
    ("3: pages of 25, the last one part full", &["pages_of_any_size"]),
    ("3: nothing, and pageCount 0", &["a_day_on_which_nobody_called"]),
    ("3: upTo", &["what_is_not_processed_yet_is_not_taken"]),
    ("4: include in three meanings", &["include_has_three_meanings"]),
    ("4: an item that comes again in a later window", &["live_in_every_form"]),
    ("5: earlier states are rewritten", &["live_in_every_form"]),
    ("5: a state that goes on", &["live_in_every_form"]),
    ("5: unknown states and descriptions", &["states_that_nobody_knows"]),
    ("5: logged out overnight, over days", &["longer_than_a_number_of_32_bits"]),
    ("6: Answered, Abandoned, Breakout", &["breakouts_count_or_do_not"]),
    ("6: one interaction in two queues", &["groupings"]),
    ("6: call backs, and virtual queues", &["virtual_queues"]),
    ("7: 429 with and without Retry-After", &["faults_that_pass"]),
    ("7: 503 and 504", &["faults_that_pass"]),
    ("8: either family of addresses", &["either_family_of_addresses"]),
    ("8: more than 2^31 ms", &["longer_than_a_number_of_32_bits"]),
    ("8: names with commas, umlauts, ampersands", &["groupings"]),
    ("5: offsets of events from either beginning", &["offsets_of_events_from_either_beginning"]),
];

#[test]
fn the_checklist_is_covered() {
    let sources = [include_str!("vonage_checklist.rs"), include_str!("../../vendor_standin/tests/it/vonage.rs")];
    assert_covered(&CHECKLIST, &sources);
}

fn at(text: &str) -> Ms {
    time::parse(text).unwrap()
}

/// An account and five days of it.
struct Trial {
    standin: VonageStandin,
    transport: Arc<dyn Transport>,
    clock: Paused,
    first: Ms,
}

impl Trial {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let first = at("2024-03-29T00:00:00Z");
        let simulation = Simulation {
            precision: Precision::Millis,
            is_mixed: true,
            contacts_a_day: 150,
            agents: 8,
            ..Simulation::new(7, first, 6)
        };
        let now = first + 4 * DAY + 15 * HOUR;
        let shown = Clock::simulated(now);
        let standin = VonageStandin::start(settings, simulation.ledger(), shown.clone()).await.unwrap();
        let clock = Paused::at(now);
        let transport: Arc<dyn Transport> = InProcess::new(standin.router(), clock, shown);
        Self { standin, transport, clock, first }
    }

    fn strike(&self, on: &str, when: When, effect: Effect) {
        self.standin.world().faults.add(Rule::new(on, when, effect));
    }

    fn connector(&self, change: impl FnOnce(&mut VonageConfig)) -> Vonage {
        let settings = self.standin.settings();
        let secret = Secret::new(&settings.client_secret);
        let mut config = VonageConfig::new(&settings.client_id, secret, Region::Emea);
        config.api_url = Some(self.standin.url());
        config.token_url = Some(format!("{}/Auth/connect/token", self.standin.url()));
        change(&mut config);
        Vonage::over(config, Arc::clone(&self.transport)).unwrap()
    }

    fn cx(&self) -> Context {
        Context::new(Arc::new(self.clock))
    }

    /// The contacts of a day by a single read.
    async fn contacts(&self, connector: &Vonage) -> Result<String, Error> {
        contacts(connector, &self.cx(), window(self.first + DAY, self.first + 2 * DAY)).await
    }

    async fn assert_contacts(&self, change: impl Fn(&mut VonageConfig)) -> String {
        let found = self.contacts(&self.connector(&change)).await.unwrap();
        let (from, to) = (self.first + DAY, self.first + 2 * DAY);
        assert_same(&found, &truth::contact_table(&self.standin.counted(self.clock.now().millis()), from, to));
        found
    }

    async fn assert_statuses(&self) -> String {
        let (from, to) = (self.first + DAY, self.first + 2 * DAY);
        let found = statuses(self.connector(|_| {}), self.clock, window(from, to)).await.unwrap();
        let now = self.clock.now().millis();
        assert_same(&found, &truth::status_time_table(&self.standin.told(now), from, to, now));
        found
    }

    fn struck(&self) -> usize {
        self.standin.world().log.asked().iter().filter(|asked| asked.fault.is_some()).count()
    }

    fn count(&self, status: u16) -> usize {
        self.standin.world().log.asked().iter().filter(|asked| asked.status == status).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_stops_everything() {
    let trial = Trial::new(|_| {}).await;
    let wrong = trial.connector(|config| config.client_secret = Secret::new("wrong"));
    let error = trial.contacts(&wrong).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unauthenticated, false));
    assert!(error.to_string().contains("check the client's id and secret"), "{error}");
    assert!(!wrong.check(&trial.cx()).await.unwrap().problems.is_empty());
    assert_eq!((trial.count(401), trial.standin.world().log.asked().len()), (2, 2), "asked again in vain");
}

#[tokio::test(start_paused = true)]
async fn a_client_without_the_scope() {
    let trial = Trial::new(|settings| settings.scopes = vec!["users:read".to_owned()]).await;
    let error = trial.contacts(&trial.connector(|_| {})).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false));
    assert!(error.to_string().contains("scope stats"), "{error}");
    assert_eq!(trial.count(401), 1, "another token would lack it as well");
}

/// Tokens of ten seconds over a slow read.
#[tokio::test(start_paused = true)]
async fn tokens_that_end_soon() {
    for token_type in ["Bearer", "bearer"] {
        let trial = Trial::new(|settings| {
            settings.expires_in = 10;
            token_type.clone_into(&mut settings.token_type);
        })
        .await;
        let slow = Effect::Slow { bytes: 1_000, pause: Duration::from_millis(500) };
        trial.strike("/stats", When::Always, slow);
        trial.assert_contacts(|config| config.page_size = 20).await;
        assert!(trial.standin.world().log.count("/Auth/connect/token") > 3);
        // Each was renewed before its end.
        assert_eq!(trial.count(401), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_between_two_pages() {
    let trial = Trial::new(|_| {}).await;
    trial.strike("/stats/queue-times", When::Nth(3), Effect::Expire);
    trial.assert_contacts(|config| config.page_size = 20).await;
    assert_eq!((trial.struck(), trial.count(401)), (1, 1));
    assert_eq!(trial.standin.world().log.count("/Auth/connect/token"), 2);
}

/// Whatever passes by itself changes nothing of what is read.
#[tokio::test(start_paused = true)]
async fn faults_that_pass() {
    let status = |status, retry_after| Effect::Status { status, body: "{\"message\":\"no\"}".to_owned(), retry_after };
    for (on, effect) in [
        ("/Auth", status(500, RetryAfter::Unsaid)),
        ("/stats", status(429, RetryAfter::Unsaid)),
        ("/stats", status(429, RetryAfter::Seconds(9))),
        ("/stats", status(429, RetryAfter::Date(20))),
        ("/stats", status(503, RetryAfter::Unsaid)),
        ("/stats", status(504, RetryAfter::Unsaid)),
        ("/stats", Effect::Limit),
        ("/stats", Effect::Cut(1_500)),
        ("/stats/interactions", Effect::Slow { bytes: 700, pause: Duration::from_millis(50) }),
        ("/stats/interactions", Effect::Expire),
    ] {
        let trial = Trial::new(|_| {}).await;
        trial.strike(on, When::First(1), effect.clone());
        let begin = trial.clock.now();
        trial.assert_contacts(|_| {}).await;
        trial.assert_statuses().await;
        assert_eq!(trial.struck(), 1, "{effect:?}");
        if let Effect::Status { retry_after: RetryAfter::Seconds(9), .. } = effect {
            assert!(trial.clock.now().since(begin) >= Millis::from_secs(9), "it was asked for nine seconds");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_any_size() {
    let trial = Trial::new(|_| {}).await;
    let mut found = Vec::new();
    for size in [1, 7, 25, 5_000] {
        found.push(trial.assert_contacts(|config| config.page_size = size).await);
    }
    assert!(found.iter().all(|table| *table == found[0] && table.lines().count() > 50));
    // What the vendor refuses, it says.
    let error = trial.contacts(&trial.connector(|config| config.page_size = 5_001)).await.unwrap_err();
    assert_eq!((error.kind(), trial.count(400)), (ErrorKind::Protocol, 1), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_day_on_which_nobody_called() {
    let trial = Trial::new(|_| {}).await;
    let before = window(trial.first - 9 * DAY, trial.first - 8 * DAY);
    let found = contacts(&trial.connector(|_| {}), &trial.cx(), before).await.unwrap();
    assert_eq!(found.lines().count(), 1, "{found}");
    // No interaction is asked for in vain.
    assert_eq!(trial.standin.world().log.count("/stats/interactions"), 0);
}

/// A system that is an hour behind: of the last hour nothing is taken for known.
#[tokio::test(start_paused = true)]
async fn what_is_not_processed_yet_is_not_taken() {
    let trial = Trial::new(|settings| settings.lag = HOUR).await;
    let now = trial.clock.now().millis();
    let runtime = Runtime::new(MemoryStore::new()).clock(trial.clock);
    let integration = runtime.add("vonage", trial.connector(|_| {})).await.unwrap();
    let report = integration.import_contacts(window(now - 3 * HOUR, now)).await.unwrap();
    let until = report.window.map(|window| window.to().millis());
    assert_eq!(until, Some((now - HOUR) / (15 * MINUTE) * (15 * MINUTE)), "{report:?}");
    assert_eq!(report.rejected, 0);
}

#[tokio::test(start_paused = true)]
async fn states_that_nobody_knows() {
    let odd = |state: &str, description: &str| (state.to_owned(), description.to_owned());
    let trial = Trial::new(|settings| {
        let names = [("Lunch", odd("Failed", "Non-Live")), ("Break", odd("Schlummernd", "Kaffee, \"süß\" & mehr"))];
        settings.odd_states = names.into_iter().map(|(reason, state)| (reason.to_owned(), state)).collect();
    })
    .await;
    let found = trial.assert_statuses().await;
    assert!(found.contains("Failed: Non-Live") || found.contains("Schlummernd: Kaffee"), "{found}");
}

#[tokio::test(start_paused = true)]
async fn groupings() {
    for (shown, grouping, name) in [
        (Groups::Queue, Grouping::Queue, "\"Billing, \"\"VIP\"\"\""),
        (Groups::Service, Grouping::Service, "Sales & Orders"),
        (Groups::Plan, Grouping::InteractionPlan, "Störung plan"),
        (Groups::ReportingGroup, Grouping::ReportingGroup, "Sales & Orders"),
        (Groups::Skills, Grouping::Skill, "\"sales & orders,german\""),
    ] {
        let trial = Trial::new(|settings| settings.grouping = shown).await;
        trial.standin.world().edit(|ledger| ledger.queues[0].skills.push("german".to_owned()));
        let found = trial.contacts(&trial.connector(|config| config.grouping = grouping)).await.unwrap();
        assert!(found.contains(&format!("\n{name},")), "{found}");
        trial.assert_contacts(|config| config.grouping = grouping).await;
    }
}

#[tokio::test(start_paused = true)]
async fn breakouts_count_or_do_not() {
    let mut found = Vec::new();
    for counts in [true, false] {
        let trial = Trial::new(|settings| settings.counts_breakouts = counts).await;
        found.push(trial.assert_contacts(|config| config.count_breakouts = counts).await);
    }
    assert_ne!(found[0], found[1]);
}

#[tokio::test(start_paused = true)]
async fn virtual_queues() {
    let mut found = Vec::new();
    for (counts, queue_type) in [(false, QueueType::Acd), (true, QueueType::All)] {
        let trial = Trial::new(|settings| settings.counts_virtual = counts).await;
        found.push(trial.assert_contacts(|config| config.queue_type = queue_type).await);
    }
    assert_ne!(found[0], found[1]);
    // Without them call backs are queued like anybody else.
    let trial = Trial::new(|settings| settings.has_virtual_callbacks = false).await;
    trial.assert_contacts(|_| {}).await;
}

/// Every way in which an event may be told, with the setting that fits. With the other one agents would have worked before the
/// contact came.
#[tokio::test(start_paused = true)]
async fn offsets_of_events_from_either_beginning() {
    for (shown, set) in
        [(Offsets::FromInteraction, EventOffsets::Interaction), (Offsets::FromChannel, EventOffsets::Channel)]
    {
        for holds in [Holds::Between, Holds::Inside, Holds::Unlisted] {
            let trial = Trial::new(|settings| {
                settings.event_offsets = shown;
                settings.holds = holds;
                settings.has_short_channel_ids = holds == Holds::Inside;
            })
            .await;
            let right = trial.assert_contacts(|config| config.event_offsets = set).await;
            if set == EventOffsets::Channel {
                assert_ne!(trial.contacts(&trial.connector(|_| {})).await.unwrap(), right);
            }
        }
    }
}

/// 30 days are more milliseconds than a number of 32 bits holds.
#[tokio::test(start_paused = true)]
async fn longer_than_a_number_of_32_bits() {
    let trial = Trial::new(|_| {}).await;
    let (start, end) = (trial.first - 30 * DAY, trial.first + DAY + 8 * HOUR);
    let number = {
        let mut number = String::new();
        trial.standin.world().edit(|ledger| {
            let agent = ledger.agents.len();
            ledger.agents.push(vendor_standin::ledger::Agent::new("1099", "zoe@example.test", "Zoë", "O'Hara"));
            let state =
                |state, start, end| AgentState { agent, state, reason: String::new(), start, end, contact: None };
            ledger.add_state(state(State::LoggedOut, start, Some(end)));
            ledger.add_state(state(State::Ready, end, None));
            number = ledger.agents[agent].number.clone();
        });
        number
    };
    assert!(end - start > 1 << 31);
    let runtime = Runtime::new(MemoryStore::new()).clock(trial.clock);
    let integration = runtime.add("one", trial.connector(|_| {})).await.unwrap();
    for day in 0..36 {
        let from = start - DAY + day * DAY;
        integration.import_statuses(window(from, from + DAY)).await.unwrap();
    }
    let now = trial.clock.now();
    let day = window(trial.first, trial.first + 2 * DAY);
    let found = status_times(&runtime, "one", day, now).await;
    let own: Vec<&str> = found.lines().filter(|line| line.starts_with(&number)).collect();
    let truth =
        truth::status_time_table(&trial.standin.told(now.millis()), trial.first, trial.first + 2 * DAY, now.millis());
    let own_truth: Vec<&str> = truth.lines().filter(|line| line.starts_with(&number)).collect();
    assert_eq!(own, own_truth);
    assert!(own.iter().filter(|line| line.contains("LoggedOut")).count() == 32 * 4, "{own:?}");
}

/// The older names of the hosts lead to the same services: both parts of an address are settings.
#[tokio::test(start_paused = true)]
async fn either_family_of_addresses() {
    let trial = Trial::new(|_| {}).await;
    let found = trial.assert_contacts(|config| config.api_url = Some(format!("{}/", trial.standin.url()))).await;
    assert!(found.lines().count() > 50);
    let config = |region: &str| {
        let text = format!("client_id = 'a'\nclient_secret = 'b'\nregion = 'nam'\n{region}");
        toml::from_str::<VonageConfig>(&text).unwrap()
    };
    // Whatever is set is asked: nobody listens at these.
    for url in ["api_url = 'http://127.0.0.1:9'", "token_url = 'http://127.0.0.1:9/Auth/connect/token'"] {
        let mut wrong = config(url);
        let settings = trial.standin.settings();
        (wrong.client_id, wrong.client_secret) = (settings.client_id.clone(), Secret::new(&settings.client_secret));
        wrong.http.request_secs = 1;
        let _ = wrong.api_url.get_or_insert_with(|| trial.standin.url());
        let _ = wrong.token_url.get_or_insert_with(|| format!("{}/Auth/connect/token", trial.standin.url()));
        let error = trial.contacts(&Vonage::new(wrong).unwrap()).await.unwrap_err();
        assert!(
            error.context().any(|(name, value)| name == "request" && value.starts_with("http://127.0.0.1:9/")),
            "{error}"
        );
    }
}

/// What agents do after a quarter of an hour of listening is what the ledger says, but for the last moments.
#[tokio::test(start_paused = true)]
async fn live_in_every_form() {
    for (swaps_presence, processed_is_latest, rewrite_delay) in
        [(false, false, 0), (true, false, 20 * SECOND), (false, true, 20 * SECOND)]
    {
        let trial = Trial::new(|settings| {
            settings.swaps_presence = swaps_presence;
            settings.processed_is_latest = processed_is_latest;
            settings.rewrite_delay = rewrite_delay;
        })
        .await;
        let runtime = Runtime::new(MemoryStore::new()).clock(trial.clock);
        let policy = Policy::new().back_fill(Millis::ZERO);
        runtime.add_with("vonage", trial.connector(|_| {}), policy).await.unwrap();
        let service = runtime.start();
        let mut board = runtime.live("vonage").await.unwrap();
        let mut agents: BTreeMap<String, Option<String>> = BTreeMap::new();
        let end = trial.clock.now().after(Millis::from_mins(25));
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
        let told = trial.standin.told(end.millis());
        let settled = Timestamp::from_millis(end.millis() - 2 * MINUTE).millis();
        let mut looked_at = 0;
        for state in told.iter().filter(|state| state.start < settled && state.end.is_none()) {
            let ledger = trial.standin.world().ledger();
            if ledger.agents.iter().any(|agent| agent.number == state.agent && agent.is_removed) {
                continue;
            }
            assert_eq!(agents.get(&state.agent), Some(&Some(state.status.clone())), "{state:?}, {swaps_presence}");
            looked_at += 1;
        }
        assert!(looked_at > 3, "{looked_at}");
    }
}
