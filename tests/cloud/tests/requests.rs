//! What the connectors send, judged by schemas that were written from the vendors' documents: envelopes by `xmllint`, everything
//! else by Python's `jsonschema`. Neither knows anything of the connectors or the stand-ins.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use injixo_connectors::{five9, genesys, vonage};
use injixo_core::connector::{Connector, Context};
use injixo_core::http::Transport;
use injixo_core::model::Millis;
use injixo_core::{Clock as _, LiveUpdate, MemoryStore, Policy, Runtime, Secret};
use injixo_test_cloud::record::{Recorder, Refused, Sent, Wire, judge_envelopes, judge_requests};
use injixo_test_cloud::{Hasty, InProcess, Paused, contacts, window};
use vendor_standin::faults::{Effect, Rule, When};
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{self, DAY, MINUTE, Ms};
use vendor_standin::{Clock, Five9Standin, GenesysCloudStandin, VonageStandin};

fn at(text: &str) -> Ms {
    time::parse(text).unwrap()
}

/// Nobody refuses anything.
#[track_caller]
fn assert_taken(refused: &Refused, sent: &[Sent]) {
    let shown: Vec<_> = refused.iter().take(5).map(|(number, why)| (why, &sent[*number])).collect();
    assert!(refused.is_empty(), "{} of {} refused: {shown:#?}", refused.len(), sent.len());
}

/// Checks the connection, then runs an integration that back-fills two days and follows what agents do for twenty minutes.
async fn live_through(clock: Paused, connector: impl Connector) {
    let cx = Context::new(Arc::new(clock));
    let report = connector.check(&cx).await.unwrap();
    assert!(report.problems.is_empty(), "{report:?}");
    let runtime = Runtime::new(MemoryStore::new()).clock(clock);
    let policy = Policy::new().back_fill(Millis::from_mins(2 * 1_440)).reference_time(Millis::from_mins(5));
    runtime.add_with("vendor", connector, policy).await.unwrap();
    let service = runtime.start();
    clock.sleep_until(clock.now().after(Millis::from_mins(20))).await;
    service.shutdown().await;
}

/// What a connector to Five9 sends in its life, with a session that ends in the middle.
async fn sent_to_five9(change: impl FnOnce(&mut five9::Five9Config)) -> Vec<Sent> {
    // The clock is put back on 3 November.
    let begin = at("2024-11-04T18:00:00Z");
    let simulation = Simulation { contacts_a_day: 60, agents: 4, ..Simulation::new(3, begin - 3 * DAY, 4) };
    let shown = Clock::simulated(begin);
    let settings = vendor_standin::five9::Settings { takes_start_first: true, ..Default::default() };
    let standin = Five9Standin::start(settings, simulation.ledger(), shown.clone()).await.unwrap();
    standin.world().faults.add(Rule::new("getStatisticsUpdate", When::Nth(20), Effect::Expire));
    let clock = Paused::at(begin);
    let recorder = Recorder::over(InProcess::new(standin.router(), clock, shown));
    let settings = standin.settings();
    let mut config = five9::Five9Config::new(&settings.user, Secret::new(&settings.password), five9::Region::Us);
    config.url = Some(standin.url());
    config.longest_call_secs = 3_600;
    change(&mut config);
    let transport: Arc<dyn Transport> = Arc::<Recorder>::clone(&recorder);
    live_through(clock, five9::Five9::over(config, transport).unwrap()).await;
    assert_eq!(standin.world().log.violations(), Default::default());
    recorder.sent()
}

/// The operations that were called.
fn operations(sent: &[Sent]) -> Vec<&str> {
    let name = |sent: &'_ Sent| {
        let begin = sent.body.find("<ser:").unwrap() + 5;
        begin..begin + sent.body[begin..].find('>').unwrap()
    };
    sent.iter().map(|sent| &sent.body[name(sent)]).collect::<BTreeSet<_>>().into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn five9() {
    let mut all = sent_to_five9(|config| config.grouping = five9::Grouping::Campaign).await;
    let documented = [
        "getCallCountersState",
        "getReportResultCsv",
        "getStatistics",
        "getStatisticsUpdate",
        "isReportRunning",
        "runReport",
        "setSessionParameters",
    ];
    assert_eq!(operations(&all), documented);
    // Reports that are cut off are read in halves. Names with what XML would take for its own.
    all.extend(
        sent_to_five9(|config| {
            config.grouping = five9::Grouping::Skill;
            config.report_rows = 20;
        })
        .await,
    );
    all.extend(
        sent_to_five9(|config| config.report_zone = Some(injixo_core::zone::Zone::new("Etc/GMT").unwrap())).await,
    );
    println!("{} requests", all.len());
    assert_taken(&judge_envelopes(&all), &all);
    assert_taken(&judge_requests("five9", &all), &all);
}

/// What the vendor's schema does not allow is refused by ours, so that it says something when it refuses nothing.
#[tokio::test(start_paused = true)]
async fn envelopes_that_five9_would_refuse() {
    // Many programs send the start first, against the schema: a setting for services that take nothing else.
    let all = sent_to_five9(|config| config.range_order = five9::RangeOrder::StartFirst).await;
    let runs: Vec<usize> = (0..all.len()).filter(|number| all[*number].body.contains("<ser:runReport>")).collect();
    let refused: Vec<usize> = judge_envelopes(&all).into_iter().map(|(number, _)| number).collect();
    assert!(!runs.is_empty());
    assert_eq!(refused, runs);
    let all = sent_to_five9(|_| {}).await;
    let first = |operation: &str| all.iter().find(|sent| sent.body.contains(&format!("<ser:{operation}>"))).unwrap();
    let change = |operation: &str, from: &str, to: &str| {
        let sent = first(operation);
        assert!(sent.body.contains(from), "{}", sent.body);
        Sent { body: sent.body.replacen(from, to, 1), ..sent.clone() }
    };
    let mut bad = vec![
        change("runReport", "<criteria>", "<ser:criteria>"),
        change(
            "runReport",
            "xmlns:ser=\"http://service.admin.ws.five9.com/\"",
            "xmlns:ser=\"http://service.admin.ws.five9.com/v2/\"",
        ),
        change("runReport", "<folderName>", "<reportFolder>"),
        change("runReport", "<soapenv:Header/>", ""),
        change("isReportRunning", "<timeout>5</timeout>", ""),
        change("isReportRunning", "<timeout>5</timeout>", "<timeout>soon</timeout>"),
        change("isReportRunning", "</timeout>", "</timeout><more/>"),
        change("getReportResultCsv", "<ser:getReportResultCsv>", "<getReportResultCsv>"),
        change("setSessionParameters", "<idleTimeOut>600</idleTimeOut>", "<idleTimeOut>6000</idleTimeOut>"),
        change("setSessionParameters", "<timeZone>0</timeZone>", ""),
        change("getStatistics", "AgentState", "AgentStates"),
        change("getStatisticsUpdate", "<longPollingTimeout>5000", "<longPollingTimeout>100"),
        change("getStatisticsUpdate", "/soap/envelope/", "/soap/envelopes/"),
        change("getStatisticsUpdate", "</soapenv:Body>", "</soapenv:Body><soapenv:Body/>"),
    ];
    // Tags that do not fit each other are no XML; those above are made whole where only one of a pair was changed.
    for (sent, (from, to)) in [
        (0, ("</criteria>", "</ser:criteria>")),
        (2, ("</folderName>", "</reportFolder>")),
        (7, ("</ser:getReportResultCsv>", "</getReportResultCsv>")),
    ] {
        bad[sent].body = bad[sent].body.replacen(from, to, 1);
    }
    let header = bad.remove(3);
    assert_taken(&judge_envelopes(std::slice::from_ref(&header)), std::slice::from_ref(&header));
    let refused = judge_envelopes(&bad);
    assert_eq!(
        refused.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        (0..bad.len()).collect::<Vec<_>>(),
        "{refused:#?}"
    );
    assert!(refused.iter().all(|(_, why)| why.contains("Schemas validity error")), "{refused:#?}");
    let other = Sent {
        url: first("runReport").url.replace("AdminWebService", "OtherWebService"),
        ..first("runReport").clone()
    };
    let plain =
        Sent { headers: vec![("content-type".to_owned(), "text/xml".to_owned())], ..first("runReport").clone() };
    assert_eq!(judge_requests("five9", &[other, plain]).len(), 2);
}

/// What a connector to Vonage sends in its life.
async fn sent_to_vonage(change: impl FnOnce(&mut vonage::VonageConfig)) -> Vec<Sent> {
    let begin = at("2024-03-31T12:00:00Z");
    let simulation = Simulation {
        contacts_a_day: 600,
        agents: 8,
        precision: Precision::Millis,
        is_mixed: true,
        ..Simulation::new(3, begin - 3 * DAY, 4)
    };
    let shown = Clock::simulated(begin);
    let standin = VonageStandin::start(Default::default(), simulation.ledger(), shown.clone()).await.unwrap();
    // A token that ends early.
    standin.world().faults.add(Rule::new("/stats", When::Nth(30), Effect::Expire));
    let clock = Paused::at(begin);
    let recorder = Recorder::over(InProcess::new(standin.router(), clock, shown));
    let settings = standin.settings();
    let secret = Secret::new(&settings.client_secret);
    let mut config = vonage::VonageConfig::new(&settings.client_id, secret, vonage::Region::Emea);
    config.api_url = Some(standin.url());
    config.token_url = Some(format!("{}/Auth/connect/token", standin.url()));
    change(&mut config);
    let transport: Arc<dyn Transport> = Arc::<Recorder>::clone(&recorder);
    let connector = vonage::Vonage::over(config, transport).unwrap();
    // Interactions that are longer than a window are asked for one by one.
    let cx = Context::new(Arc::new(clock));
    for number in 0..60 {
        let from = begin - 2 * DAY + number * 2 * MINUTE;
        contacts(&connector, &cx, window(from, from + 2 * MINUTE)).await.unwrap();
    }
    live_through(clock, connector).await;
    recorder.sent()
}

/// The paths that were asked for, without what stands for one thing.
fn paths(sent: &[Sent]) -> Vec<String> {
    let is_id = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit()) && part != "v2";
    let path = |sent: &Sent| {
        let parts = sent.path().split('/').map(|part| if is_id(part) { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    sent.iter().map(path).collect::<BTreeSet<_>>().into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn vonage() {
    let mut all = sent_to_vonage(|config| config.page_size = 20).await;
    let asked = [
        "/Auth/connect/token",
        "/stats/agent-status",
        "/stats/interactions",
        "/stats/interactions/{}",
        "/stats/queue-times",
        "/stats/wfm/agent-states",
    ];
    assert_eq!(paths(&all), asked);
    assert!(all.iter().filter(|sent| sent.path() == "/Auth/connect/token").count() > 1);
    all.extend(sent_to_vonage(|config| config.queue_type = vonage::QueueType::All).await);
    println!("{} requests", all.len());
    assert_taken(&judge_requests("vonage", &all), &all);
}

/// Refuses every one of these requests, each of which has one thing wrong.
#[track_caller]
fn assert_all_refused(vendor: &str, bad: &[Sent]) {
    let refused = judge_requests(vendor, bad);
    let numbers: Vec<usize> = refused.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..bad.len()).collect::<Vec<_>>(), "{refused:#?}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_vonage_would_refuse() {
    let all = sent_to_vonage(|_| {}).await;
    let first = |path: &str| all.iter().find(|sent| sent.path() == path).unwrap();
    let change = |path: &str, from: &str, to: &str| {
        let sent = first(path);
        assert!(sent.url.contains(from) || sent.body.contains(from), "{sent:?}");
        Sent { url: sent.url.replacen(from, to, 1), body: sent.body.replacen(from, to, 1), ..sent.clone() }
    };
    let without = |path: &str, name: &str| {
        let mut sent = first(path).clone();
        sent.headers.retain(|header| header.0 != name);
        sent
    };
    let times = "/stats/queue-times";
    let year = &first(times).url[first(times).url.find("start=").unwrap()..][..13];
    assert_all_refused(
        "vonage",
        &[
            change(times, "start=", "startTime="),
            change(times, year, "start=2024-01"),
            change(times, "include=Started", "include=All"),
            change(times, "limit=5000", "limit=5001"),
            change(times, "page=1", "page=0"),
            change(times, "queue-times", "queue-time"),
            change(times, "queueType=ACD", "queueType=ACD&acd=1"),
            without(times, "accept"),
            without(times, "authorization"),
            change("/stats/agent-status", "page=1", "page=1&start=2024-03-05T09%3A00%3A00.000Z"),
            change("/Auth/connect/token", "client_credentials", "password"),
            change("/Auth/connect/token", "scope=stats", "scope=everything"),
            Sent { method: "POST".to_owned(), ..first(times).clone() },
        ],
    );
}

/// What a connector to Genesys Cloud sends in its life, over the network of this machine, as its sockets need one.
async fn sent_to_genesys() -> Vec<Sent> {
    let simulation = |first: Ms, days: u32| Simulation {
        contacts_a_day: 60,
        agents: 60,
        precision: Precision::Millis,
        is_mixed: true,
        ..Simulation::new(3, first, days)
    };
    let config = |standin: &GenesysCloudStandin| {
        let settings = standin.settings();
        let secret = Secret::new(&settings.client_secret);
        let mut config = genesys::cloud::GenesysCloudConfig::new(&settings.client_id, secret, "eu-central-1");
        config.api_url = Some(standin.url());
        config.login_url = Some(standin.url());
        config.on_queue_detail = true;
        config.sums_days = 4;
        config
    };
    let connector = |standin: &GenesysCloudStandin, recorder: &Arc<Recorder>| {
        let transport: Arc<dyn Transport> = Arc::<Recorder>::clone(recorder);
        genesys::cloud::GenesysCloud::over(config(standin), transport).unwrap()
    };
    let recorder = Recorder::over(Arc::new(Wire::default()));
    // History, on a clock on which nobody waits: of yesterday, and of a time that jobs hold.
    let begin = at("2024-03-31T12:00:00Z");
    let clock = Clock::simulated(begin);
    let standin =
        GenesysCloudStandin::start(Default::default(), simulation(begin - 8 * DAY, 8).ledger(), clock.clone());
    let standin = standin.await.unwrap();
    let cx = Context::new(Arc::new(Hasty(clock.clone())));
    let report = connector(&standin, &recorder).check(&cx).await.unwrap();
    assert!(report.problems.is_empty(), "{report:?}");
    let runtime = Runtime::new(MemoryStore::new()).clock(Hasty(clock.clone()));
    let integration = runtime.add("vendor", connector(&standin, &recorder)).await.unwrap();
    for from in [begin - DAY, begin - 6 * DAY] {
        let day = window(from, from + DAY);
        integration.import_contacts(day).await.unwrap();
        integration.import_statuses(day).await.unwrap();
    }
    // The present, until there is a socket and everyone was asked for. Of some the presence has to be asked for by itself.
    let clock = Clock::real();
    let settings = vendor_standin::genesys_cloud::Settings { unexpanded: Some(3), ..Default::default() };
    let standin = GenesysCloudStandin::start(settings, simulation(clock.now() - DAY, 3).ledger(), clock).await.unwrap();
    let runtime = Runtime::new(MemoryStore::new());
    let policy = Policy::new().back_fill(Millis::ZERO);
    runtime.add_with("vendor", connector(&standin, &recorder), policy).await.unwrap();
    let service = runtime.start();
    let mut board = runtime.live("vendor").await.unwrap();
    let heard = async {
        while !matches!(board.next().await, LiveUpdate::Snapshot(agents) if !agents.is_empty()) {}
        while standin.connected().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard).await.expect("a snapshot and a socket");
    service.shutdown().await;
    recorder.sent()
}

#[tokio::test]
async fn genesys_cloud() {
    let all = sent_to_genesys().await;
    println!("{} requests", all.len());
    assert_taken(&judge_requests("genesys-cloud", &all), &all);
    let asked = paths(&all);
    for path in [
        "/oauth/token",
        "/api/v2/analytics/conversations/aggregates/query",
        "/api/v2/analytics/conversations/details/jobs",
        "/api/v2/analytics/conversations/details/jobs/{}/results",
        "/api/v2/analytics/users/details/jobs/availability",
        "/api/v2/analytics/users/details/query",
        "/api/v2/notifications/channels",
        "/api/v2/presence/definitions",
        "/api/v2/routing/queues",
        "/api/v2/users",
        "/api/v2/users/presences/purecloud/bulk",
        "/channels/{}",
    ] {
        assert!(asked.iter().any(|one| one == path), "{path}: {asked:#?}");
    }
    // Each of these has one thing wrong.
    let first = |path: &str| all.iter().find(|sent| sent.path().ends_with(path)).unwrap();
    let change = |path: &str, from: &str, to: &str| {
        let sent = first(path);
        assert!(sent.url.contains(from) || sent.body.contains(from), "{from}: {sent:?}");
        Sent { url: sent.url.replacen(from, to, 1), body: sent.body.replacen(from, to, 1), ..sent.clone() }
    };
    let aggregates = "/conversations/aggregates/query";
    let details = "/users/details/query";
    let start = |path: &str| first(path).body.split("\"interval\":\"").nth(1).unwrap()[..24].to_owned();
    assert_all_refused(
        "genesys-cloud",
        &[
            change(aggregates, "\"granularity\":\"PT15M\"", "\"granularity\":\"15m\""),
            change(aggregates, "nOffered", "nOffer"),
            change(aggregates, "\"operator\":\"exists\"", "\"operator\":\"exist\""),
            change(aggregates, "\"groupBy\"", "\"grouping\""),
            change(aggregates, &start(aggregates), "2024-03-01T00:00:00.000Z"),
            change(aggregates, &start(aggregates), "yesterday"),
            change(details, "\"pageSize\":100", "\"pageSize\":101"),
            change(details, "\"order\":\"asc\"", "\"order\":\"up\""),
            change(details, &start(details), "2024-03-01T00:00:00.000Z"),
            change("/api/v2/users", "pageSize=100", "pageSize=500"),
            change("/api/v2/users", "state=active", "state=everyone"),
            change("/api/v2/presence/definitions", "deactivated=false", "deactivated=false&pageSize=100"),
            change("/api/v2/routing/queues", "/queues", "/queue"),
            change("/api/v2/users/presences/purecloud/bulk", "id=", &format!("id={}", "u-1,".repeat(50))),
            change("/conversations/details/jobs", "\"matches\"", "\"match\""),
            change("/conversations/details/jobs", "conversationStart", "start"),
            change("/oauth/token", "client_credentials", "password"),
            change("/subscriptions", "activity", "activities"),
            Sent { headers: Vec::new(), ..first(aggregates).clone() },
            Sent { method: "GET".to_owned(), ..first(aggregates).clone() },
        ],
    );
}
