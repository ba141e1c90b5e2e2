//! What the connectors send, judged by schemas that were written from the vendors' documents: envelopes by `xmllint`, everything
//! else by Python's `jsonschema`. Neither knows anything of the connectors or the stand-ins.

use std::collections::BTreeSet;
use std::sync::Arc;

use injixo_connectors::{five9, vonage};
use injixo_core::connector::{Connector, Context};
use injixo_core::http::Transport;
use injixo_core::model::Millis;
use injixo_core::{Clock as _, MemoryStore, Policy, Runtime, Secret};
use injixo_test_cloud::record::{Recorder, Refused, Sent, judge_envelopes, judge_requests};
use injixo_test_cloud::{InProcess, Paused, contacts, window};
use vendor_standin::faults::{Effect, Rule, When};
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{self, DAY, MINUTE, Ms};
use vendor_standin::{Clock, Five9Standin, VonageStandin};

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
