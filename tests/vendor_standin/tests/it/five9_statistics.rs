//! The Statistics Web Services.

use vendor_standin::Clock;
use vendor_standin::five9::{Settings, StateSince};
use vendor_standin::ledger::{AgentState, Ledger, State};
use vendor_standin::time::{MINUTE, Ms, SECOND};

use crate::five9::{Desk, told};
use crate::support::{agents, pacific};

const PATH: &str = "/wssupervisor/v14/SupervisorWebService";
const NAMESPACE: &str = "http://service.supervisor.ws.five9.com/";
const SETTINGS: &str = "<viewSettings><forceLogoutSession>true</forceLogoutSession><idleTimeOut>600</idleTimeOut>\
    <rollingPeriod>Minutes30</rollingPeriod><shiftStart>28800000</shiftStart><statisticsRange>CurrentDay</statisticsRange>\
    <timeZone>0</timeZone></viewSettings>";
const COLUMNS: &str = "<statisticType>AgentState</statisticType><columnNames><values><data>Username</data><data>State</data>\
    <data>Reason Code</data><data>State Since</data></values></columnNames>";

fn ledger() -> Ledger {
    let mut ledger = Ledger::new(agents(), Vec::new());
    let states = [
        (0, State::NotReady, "Lunch", "10:05:00", "10:06:08"),
        (0, State::Ready, "", "10:06:08", "13:00:00"),
        (1, State::LoggedOut, "", "01:00:00", "10:08:00"),
        (1, State::Ready, "", "10:08:00", "10:09:00"),
        (1, State::LoggedOut, "", "10:09:00", "23:00:00"),
    ];
    for (agent, state, reason, start, end) in states {
        let (start, end) = (pacific(start), Some(pacific(end)));
        ledger.add_state(AgentState { agent, state, reason: reason.to_owned(), start, end, contact: None });
    }
    ledger
}

async fn call(desk: &Desk, operation: &str, children: &str) -> String {
    told(&desk.post(PATH, NAMESPACE, operation, children).await)
}

async fn update(desk: &Desk, since: Ms) -> String {
    let children = format!(
        "<statisticType>AgentState</statisticType><previousTimestamp>{since}</previousTimestamp>\
         <longPollingTimeout>5000</longPollingTimeout>"
    );
    call(desk, "getStatisticsUpdate", &children).await
}

#[tokio::test]
async fn a_snapshot_and_its_changes() {
    let start = pacific("10:06:00");
    let desk = Desk::new(Settings { lists_logged_out: false, ..Settings::default() }, ledger(), start).await;
    assert_eq!(call(&desk, "getStatistics", COLUMNS).await, "SessionNotInitializedFault");
    let set = call(&desk, "setSessionParameters", SETTINGS).await;
    assert!(set.starts_with("<forceLogoutSession>true</forceLogoutSession><idleTimeOut>600</idleTimeOut>"), "{set}");
    assert_eq!(update(&desk, start).await, "StatisticsNotRequestedFault");
    let snapshot = call(&desk, "getStatistics", COLUMNS).await;
    let expected = format!(
        "<columns><values><data>Username</data><data>State</data><data>Reason Code</data><data>State Since</data></values></columns>\
         <rows><values><data>amy@example.test</data><data>Not Ready</data><data>Lunch</data><data>{}</data></values></rows>\
         <timestamp>{start}</timestamp><type>AgentState</type>",
        pacific("10:05:00")
    );
    assert_eq!(snapshot, expected);
    assert_eq!(update(&desk, start + 1).await, "UnknownTimestampFault");
    let nothing = update(&desk, start).await;
    assert!(nothing.contains("<ns2:getStatisticsUpdateResponse") && !nothing.contains("return"), "{nothing}");
    desk.clock.advance(8 * SECOND);
    let changes = update(&desk, start).await;
    let change = |column: &str, value: &str| {
        format!(
            "<dataUpdate><columnName>{column}</columnName><columnValue>{value}</columnValue>\
             <objectName>amy@example.test</objectName></dataUpdate>"
        )
    };
    let (now, since) = (desk.clock.now(), pacific("10:06:08").to_string());
    let expected = [change("State", "Ready"), change("Reason Code", ""), change("State Since", &since)].concat();
    let tail = format!(
        "<lastTimestamp>{now}</lastTimestamp><previousTimestamp>{start}</previousTimestamp><type>AgentState</type>"
    );
    assert_eq!(changes, expected + &tail);
    desk.clock.set(pacific("10:08:30"));
    assert!(
        update(&desk, now)
            .await
            .starts_with("<addedObjects><values><data>bob@example.test</data></values></addedObjects>")
    );
    let before = desk.clock.now();
    desk.clock.set(pacific("10:09:30"));
    assert!(update(&desk, before).await.contains("<deletedObjects><values><data>bob@example.test</data></values>"));
    desk.clock.advance(10 * MINUTE);
    assert_eq!(update(&desk, before).await, "SessionNotInitializedFault", "the session was idle for too long");
}

#[tokio::test]
async fn snapshots_are_limited_to_two_a_minute() {
    let desk = Desk::new(Settings::default(), ledger(), pacific("10:06:00")).await;
    call(&desk, "setSessionParameters", SETTINGS).await;
    assert!(call(&desk, "getStatistics", COLUMNS).await.contains("Logged Out"));
    assert_eq!(call(&desk, "getStatistics", COLUMNS).await, "OperationsLimitExceededFault");
    assert_eq!(desk.standin.world().log.violations()["QueryStatistics"], 1);
    desk.clock.advance(MINUTE);
    assert!(call(&desk, "getStatistics", COLUMNS).await.contains("Logged Out"));
    assert_eq!(call(&desk, "getStatistics", &COLUMNS.replace("Reason", "No")).await, "UnknownColumnFault");
    desk.standin.end_session();
    assert_eq!(call(&desk, "getStatistics", COLUMNS).await, "SessionClosedFault");
    assert_eq!(call(&desk, "getStatistics", COLUMNS).await, "SessionNotInitializedFault");
}

#[tokio::test]
async fn other_ways_to_write_it() {
    let settings = Settings { state_since: StateSince::PacificText, has_internal_names: true, ..Settings::default() };
    let desk = Desk::new(settings, ledger(), pacific("10:06:00")).await;
    call(&desk, "setSessionParameters", SETTINGS).await;
    assert!(call(&desk, "getStatistics", COLUMNS).await.contains("<data>2024-03-05 10:05:00</data>"));
    let since = desk.clock.now();
    desk.clock.advance(10 * SECOND);
    assert!(
        update(&desk, since).await.contains("<columnName>stateSince</columnName><columnValue>2024-03-05 10:06:08<")
    );
}

#[tokio::test]
async fn a_long_poll_ends_when_something_changes_and_keeps_no_report_waiting() {
    let now = Clock::real().now();
    let mut ledger = Ledger::new(agents(), Vec::new());
    for (state, start, end) in [(State::Ready, now - MINUTE, now + 500), (State::Wrap, now + 500, now + MINUTE)] {
        let end = Some(end);
        ledger.add_state(AgentState { agent: 0, state, reason: String::new(), start, end, contact: None });
    }
    let desk = Desk::on(Settings::default(), ledger, Clock::real()).await;
    call(&desk, "setSessionParameters", SETTINGS).await;
    let snapshot = call(&desk, "getStatistics", COLUMNS).await;
    let since = snapshot.split_once("<timestamp>").unwrap().1.split('<').next().unwrap().parse().unwrap();
    let (changes, account) = futures::future::join(update(&desk, since), desk.call("getVCCConfiguration", "")).await;
    assert!(changes.contains("After Call Work") && account.contains("1234"), "{changes} {account}");
    assert!(desk.clock.now() - now < 4_000);
    assert_eq!(desk.standin.world().log.violations().len(), 0);
}
