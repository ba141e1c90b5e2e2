//! The Configuration Web Services: transport, reports, limits.

use std::sync::atomic::{AtomicU16, Ordering};

use vendor_standin::faults::{Effect, RetryAfter, Rule, When};
use vendor_standin::five9::{AboveLimit, Grouping, Segments, SessionRows, Settings, StartsAt};
use vendor_standin::ledger::truth::{contact_table, status_table};
use vendor_standin::ledger::{Agent, AgentState, Ledger, Pass, PassResult, Queue, Role, Simulation, State};
use vendor_standin::time::{DAY, HOUR, MINUTE, Ms, SECOND, at};
use vendor_standin::zone::Zone;
use vendor_standin::{Clock, Five9Standin};

use crate::support::{agents, answered, contact, handling, pacific, two_calls};

pub(crate) const ADMIN: &str = "/wsadmin/v13/AdminWebService";
const NAMESPACE: &str = "http://service.admin.ws.five9.com/";

/// A stand-in with a client.
pub(crate) struct Desk {
    pub(crate) standin: Five9Standin,
    pub(crate) clock: Clock,
    http: reqwest::Client,
    last_status: AtomicU16,
}

impl Desk {
    pub(crate) async fn new(settings: Settings, ledger: Ledger, now: Ms) -> Self {
        Self::on(settings, ledger, Clock::simulated(now)).await
    }

    pub(crate) async fn on(settings: Settings, ledger: Ledger, clock: Clock) -> Self {
        let standin = Five9Standin::start(settings, ledger, clock.clone()).await.unwrap();
        Self { standin, clock, http: reqwest::Client::new(), last_status: AtomicU16::new(0) }
    }

    pub(crate) async fn post(&self, path: &str, namespace: &str, operation: &str, children: &str) -> String {
        let body = format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:ser=\"{namespace}\">\
             <soapenv:Header/><soapenv:Body><ser:{operation}>{children}</ser:{operation}></soapenv:Body></soapenv:Envelope>"
        );
        let settings = self.standin.settings();
        let request = self.http.post(format!("{}{path}", self.standin.url()));
        let request = request.basic_auth(&settings.user, Some(&settings.password));
        let request = request.header("content-type", "text/xml;charset=UTF-8").header("soapaction", "\"\"");
        let answer = request.body(body).send().await.unwrap();
        self.last_status.store(answer.status().as_u16(), Ordering::Relaxed);
        answer.text().await.unwrap_or_else(|_| "(the connection ended)".to_owned())
    }

    /// What an operation returns, or the name of the fault.
    pub(crate) async fn call(&self, operation: &str, children: &str) -> String {
        told(&self.post(ADMIN, NAMESPACE, operation, children).await)
    }

    fn status(&self) -> u16 {
        self.last_status.load(Ordering::Relaxed)
    }

    async fn run(&self, folder: &str, report: &str, start: Ms, end: Ms) -> String {
        let time = |at| vendor_standin::time::iso_millis(at);
        let children = format!(
            "<folderName>{folder}</folderName><reportName>{report}</reportName><criteria><time><end>{}</end>\
             <start>{}</start></time></criteria>",
            time(end),
            time(start)
        );
        self.call("runReport", &children).await
    }

    pub(crate) async fn csv(&self, folder: &str, report: &str, start: Ms, end: Ms) -> String {
        let identifier = self.run(folder, report, start, end).await;
        let named = format!("<identifier>{identifier}</identifier>");
        while self.call("isReportRunning", &format!("{named}<timeout>5</timeout>")).await == "true" {}
        self.call("getReportResultCsv", &named).await
    }

    async fn calls(&self) -> String {
        self.csv("Call Log Reports", "Call Log", pacific("09:45:00"), pacific("10:00:00")).await
    }
}

/// The text of the first `return`, unescaped, or the name of the fault, or what else was answered.
pub(crate) fn told(text: &str) -> String {
    if let Some((_, rest)) = text.split_once("<detail><ns2:") {
        return rest.split([' ', '>']).next().unwrap().to_owned();
    }
    if let Some((_, rest)) = text.split_once("<faultstring>") {
        return rest.split('<').next().unwrap().to_owned();
    }
    let Some((_, rest)) = text.split_once("<return>") else { return text.to_owned() };
    let content = rest.rsplit_once("</return>").map_or(rest, |(content, _)| content);
    content.replace("&lt;", "<").replace("&gt;", ">").replace("&#xD;", "\r").replace("&amp;", "&")
}

const EXAMPLE: &str = "\
CALL ID,TIMESTAMP,CAMPAIGN,CALL TYPE,AGENT,AGENT NAME,DISPOSITION,ANI,CUSTOMER NAME,DNIS,CALL TIME,BILL TIME (ROUNDED),COST,IVR TIME,QUEUE WAIT TIME,RING TIME,TALK TIME,HOLD TIME,PARK TIME,AFTER CALL WORK TIME,TRANSFERS,CONFERENCES,HOLDS,ABANDONED,RECORDINGS
4711,\"Tue, 05 Mar 2024 09:46:10\",Hotline,Inbound,amy@example.test,Amy Ash,Solved,5550100,,5550199,00:04:40,00:05:00,0.10,00:00:20,00:00:35,00:00:05,00:03:00,00:00:10,00:00:00,00:00:30,1,0,1,0,
4712,\"Tue, 05 Mar 2024 09:47:02\",Hotline,Inbound,[None],,Abandon,5550101,,5550199,00:01:05,00:01:30,0.03,00:00:15,00:00:50,00:00:00,00:00:00,00:00:00,00:00:00,00:00:00,0,0,0,1,
4711,\"Tue, 05 Mar 2024 09:50:20\",Hotline,Inbound,bob@example.test,Bob Bay,Solved,5550100,,5550199,00:02:00,00:02:00,0.04,00:00:00,00:00:10,00:00:04,00:01:30,00:00:00,00:00:00,00:00:16,0,0,0,0,
";

#[tokio::test]
async fn the_worked_example_of_the_call_log() {
    let desk = Desk::new(Settings::default(), two_calls(), pacific("12:00:00")).await;
    assert_eq!(desk.calls().await, EXAMPLE);
    assert_eq!(desk.standin.world().log.violations().len(), 0);
    let windows = Settings { line_end: "\r\n".to_owned(), ..Settings::default() };
    let desk = Desk::new(windows, two_calls(), pacific("12:00:00")).await;
    assert_eq!(desk.calls().await, EXAMPLE.replace('\n', "\r\n"));
    for (zone, hour) in [(Zone::Utc, "17"), (Zone::London, "17"), (Zone::Berlin, "18")] {
        let desk = Desk::new(Settings { zone, ..Settings::default() }, two_calls(), pacific("12:00:00")).await;
        assert_eq!(desk.calls().await, EXAMPLE.replace(" 09:", &format!(" {hour}:")));
    }
}

#[tokio::test]
async fn the_worked_example_of_the_agent_states() {
    let mut ledger = Ledger::new(agents(), Vec::new());
    let states = [
        (State::Session, "", "08:00:00", "16:00:00"),
        (State::NotReady, "Team Meeting", "08:00:00", "08:15:00"),
        (State::Ready, "", "08:15:00", "08:35:00"),
        (State::OnCall, "", "08:35:00", "08:40:00"),
        (State::Hold, "", "08:37:00", "08:38:00"),
        (State::Wrap, "", "08:40:00", "08:41:00"),
        (State::Ready, "", "08:41:00", "23:00:00"),
    ];
    for (state, reason, start, end) in states {
        let (start, end) = (pacific(start), Some(pacific(end)));
        ledger.add_state(AgentState { agent: 0, state, reason: reason.to_owned(), start, end, contact: None });
    }
    let desk = Desk::new(Settings::default(), ledger.clone(), pacific("08:45:00")).await;
    let csv = desk.csv("Agent Reports", "Agent State Details", pacific("08:00:00"), pacific("09:00:00")).await;
    let expected = "\
AGENT,DATE,TIME,STATE,REASON CODE,AGENT STATE TIME
amy@example.test,2024/03/05,08:00:00,Login,,00:00:00
amy@example.test,2024/03/05,08:00:00,Not Ready,Team Meeting,00:15:00
amy@example.test,2024/03/05,08:15:00,Ready,,00:20:00
amy@example.test,2024/03/05,08:35:00,On Call,,00:05:00
amy@example.test,2024/03/05,08:37:00,On Hold,,00:01:00
amy@example.test,2024/03/05,08:40:00,After Call Work,,00:01:00
";
    assert_eq!(csv, expected);
    let table = status_table(
        &desk.standin.told(desk.clock.now()),
        pacific("08:00:00"),
        pacific("08:40:00"),
        pacific("08:45:00"),
    );
    let expected = "\
agent,activity,start,end
amy@example.test,Not Ready: Team Meeting,2024-03-05T16:00:00Z,2024-03-05T16:15:00Z
amy@example.test,On Call,2024-03-05T16:35:00Z,2024-03-05T16:37:00Z
amy@example.test,On Call,2024-03-05T16:38:00Z,2024-03-05T16:40:00Z
amy@example.test,On Hold,2024-03-05T16:37:00Z,2024-03-05T16:38:00Z
amy@example.test,Ready,2024-03-05T16:15:00Z,2024-03-05T16:35:00Z
";
    assert_eq!(table, expected);
    let whole = Settings { session_rows: SessionRows::Whole, ..Settings::default() };
    let desk = Desk::new(whole, ledger, pacific("16:30:00")).await;
    let csv = desk.csv("Agent Reports", "Agent State Details", pacific("08:00:00"), pacific("09:00:00")).await;
    assert!(csv.contains("08:00:00,Login,,08:00:00\n"), "{csv}");
}

#[tokio::test]
async fn the_truth_of_the_example_by_hand() {
    let table = |desk: &Desk, now: Ms| contact_table(&desk.standin.counted(now), 0, pacific("12:00:00"));
    let desk = Desk::new(Settings::default(), two_calls(), pacific("12:00:00")).await;
    let head = "queue,channel,start,offered,handled,handle_time\n";
    // 180 + 10 + 30 and, in the same campaign, 90 + 16.
    assert_eq!(table(&desk, pacific("12:00:00")), format!("{head}Hotline,calls,2024-03-05T17:45:00Z,2,1,326\n"));
    // The second segment is over at 09:52:20, the first, with its after-call work, at 09:50:50.
    assert_eq!(table(&desk, pacific("09:52:19")), format!("{head}Hotline,calls,2024-03-05T17:45:00Z,2,1,220\n"));
    assert_eq!(table(&desk, pacific("09:50:49")), format!("{head}Hotline,calls,2024-03-05T17:45:00Z,1,0,0\n"));
    let each = Settings { segments: Segments::Each, starts_at: StartsAt::Row, ..Settings::default() };
    let desk = Desk::new(each, two_calls(), pacific("12:00:00")).await;
    assert_eq!(table(&desk, pacific("12:00:00")), format!("{head}Hotline,calls,2024-03-05T17:45:00Z,3,2,326\n"));
    let skill = Settings { grouping: Grouping::Skill, ..Settings::default() };
    let desk = Desk::new(skill, two_calls(), pacific("12:00:00")).await;
    let expected = "Hotline,calls,2024-03-05T17:45:00Z,2,1,220\nSecond,calls,2024-03-05T17:45:00Z,1,1,106\n";
    assert_eq!(table(&desk, pacific("12:00:00")), format!("{head}{expected}"));
    let url = format!("{}/_ledger/contacts?from=2024-03-05T17:00:00Z&to=2024-03-05T18:00:00Z", desk.standin.url());
    assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), format!("{head}{expected}"));
}

#[tokio::test]
async fn sign_in_paths_and_envelopes() {
    let desk = Desk::new(Settings::default(), two_calls(), pacific("12:00:00")).await;
    let http = reqwest::Client::new();
    let url = format!("{}{ADMIN}", desk.standin.url());
    let plain = http.post(&url).body("").send().await.unwrap().status();
    let wrong = http.post(&url).basic_auth("wfm@example.test", Some("wrong")).body("").send().await.unwrap().status();
    assert_eq!([plain.as_u16(), wrong.as_u16()], [401, 401]);
    desk.post("/wsadmin/Other", NAMESPACE, "getSkills", "").await;
    assert_eq!(desk.status(), 404);
    assert_eq!(
        told(&desk.post("/wsadmin/AdminWebService", NAMESPACE, "getVCCConfiguration", "").await),
        "<domainId>1234</domainId><domainName>Example & Söhne</domainName>"
    );
    let old = "http://service.admin.ws.five9.com/v2/";
    assert!(desk.post("/wsadmin/v2/AdminWebService", old, "getSkills", "").await.contains("<name>Hotline</name>"));
    let told = desk.call("getSkills", "").await;
    assert_eq!(told, "<id>11</id><name>Hotline</name></return><return><id>12</id><name>Second</name>");
    let strict = [
        told_of(&desk, "http://other/", "getSkills", "").await,
        told_of(&desk, NAMESPACE, "getSkills", "<ser:skillNamePattern/>").await,
        told_of(&desk, NAMESPACE, "runReport", "<reportName>a</reportName><folderName>b</folderName>").await,
        told_of(&desk, NAMESPACE, "runReports", "").await,
    ];
    assert!(
        strict.iter().all(|told| told.starts_with("Unmarshalling Error") || told.contains("is not known")),
        "{strict:?}"
    );
    assert_eq!(desk.status(), 500);
}

async fn told_of(desk: &Desk, namespace: &str, operation: &str, children: &str) -> String {
    told(&desk.post(ADMIN, namespace, operation, children).await)
}

#[tokio::test]
async fn reports_are_refused_by_name() {
    let desk = Desk::new(Settings::default(), two_calls(), pacific("12:00:00")).await;
    let (start, end) = (pacific("09:00:00"), pacific("10:00:00"));
    assert_eq!(desk.run("Call Log Reports", "Call log", start, end).await, "ReportNotFoundFault");
    assert_eq!(desk.run("Call Log Reports", "Call Log", end, start).await, "IncorrectArgumentFault");
    let names = "<folderName>Call Log Reports</folderName><reportName>Call Log</reportName>";
    assert_eq!(desk.call("runReport", &format!("{names}<criteria/>")).await, "MissedArgumentFault");
    let start_first =
        "<criteria><time><start>2024-03-05T09:45:00.000</start><end>2024-03-05T10:00:00.000</end></time></criteria>";
    assert!(desk.call("runReport", &format!("{names}{start_first}")).await.starts_with("Unmarshalling Error"));
    let filter = |name: &str| {
        format!(
            "{names}<criteria><reportObjects><objectNames>{name}</objectNames><objectType>Skill</objectType></reportObjects>\
             <time><end>2024-03-05T10:00:00.000</end><start>2024-03-05T09:45:00.000</start></time></criteria>"
        )
    };
    assert_eq!(desk.call("runReport", &filter("Nobody")).await, "ObjectNotFoundFault");
    let identifier = format!("<identifier>{}</identifier>", desk.call("runReport", &filter("Second")).await);
    assert_eq!(desk.call("getReportResultCsv", &identifier).await, "ResultIsNotReadyFault");
    let running = format!("{identifier}<timeout>5</timeout>");
    let polls = [desk.call("isReportRunning", &running).await, desk.call("isReportRunning", &running).await];
    assert_eq!(polls, ["true", "true"]);
    assert_eq!(desk.call("isReportRunning", &running).await, "false");
    let csv = desk.call("getReportResultCsv", &identifier).await;
    assert_eq!(csv.lines().skip(1).map(|line| &line[..4]).collect::<Vec<_>>(), ["4711"]);
    let cells = desk.call("getReportResult", &identifier).await;
    assert!(
        cells.starts_with("<header><values><data>CALL ID</data>")
            && cells.contains("<records><values><data>4711</data>")
    );
    let other = "<identifier>00</identifier><timeout>0</timeout>";
    assert_eq!(desk.call("isReportRunning", other).await, "UnknownIdentifierFault");
    assert!(desk.call("isReportRunning", &identifier).await.starts_with("MissedArgumentFault"));
    desk.clock.advance(HOUR);
    assert_eq!(desk.call("getReportResultCsv", &identifier).await, "UnknownIdentifierFault");
    let takes = Settings { takes_start_first: true, ..Settings::default() };
    let desk = Desk::new(takes, two_calls(), pacific("12:00:00")).await;
    assert_eq!(desk.call("runReport", &format!("{names}{start_first}")).await.len(), 16);
    let empties = Settings { empties_zero_offset: true, gives_half_results: true, ..Settings::default() };
    let desk = Desk::new(empties, two_calls(), pacific("12:00:00")).await;
    let zero = "<criteria><time><end>2024-03-05T23:00:00.000+00:00</end><start>2024-03-05T00:00:00.000+00:00</start></time></criteria>";
    let identifier = desk.call("runReport", &format!("{names}{zero}")).await;
    let csv = desk.call("getReportResultCsv", &format!("<identifier>{identifier}</identifier>")).await;
    assert_eq!(csv, EXAMPLE.lines().next().unwrap().to_owned() + "\n");
}

#[tokio::test]
async fn limits_are_counted_by_the_clock() {
    let desk = Desk::new(Settings::default(), two_calls(), pacific("12:00:50")).await;
    let run = || desk.run("Call Log Reports", "Call Log", 0, 0);
    for _ in 0..16 {
        assert_eq!(run().await.len(), 16);
    }
    assert_eq!(run().await, "OperationsLimitExceededFault");
    let state = desk.call("getCallCountersState", "").await;
    assert!(
        state.contains("<limit>16</limit><operationType>ReportRequest</operationType><value>16</value>"),
        "{state}"
    );
    assert!(state.contains("<timeout>60</timeout>") && state.contains("<timeout>86400</timeout>"));
    assert_eq!(
        desk.standin.world().log.violations().into_iter().collect::<Vec<_>>(),
        [("ReportRequest".to_owned(), 1)]
    );
    desk.clock.advance(10 * SECOND);
    assert_eq!(run().await.len(), 16);
    for minute in 0..7 {
        desk.clock.set(pacific("12:02:00") + minute * MINUTE);
        for _ in 0..16 {
            run().await;
        }
    }
    // 17 + 103 in this hour.
    assert_eq!(run().await, "OperationsLimitExceededFault");
    desk.clock.set(pacific("13:00:00"));
    assert_eq!(run().await.len(), 16);
}

#[tokio::test]
async fn one_request_at_a_time() {
    let settings = Settings { longest_poll: 300, ..Settings::default() };
    let desk = Desk::on(settings, two_calls(), Clock::real()).await;
    let identifier = desk.run("Call Log Reports", "Call Log", 0, 0).await;
    let poll = format!("<identifier>{identifier}</identifier><timeout>5</timeout>");
    let (one, other) =
        futures::future::join(desk.call("isReportRunning", &poll), desk.call("isReportRunning", &poll)).await;
    let mut told = [one, other];
    told.sort();
    assert_eq!(told, ["UserAlreadyLoggedInFault", "true"]);
    assert_eq!(desk.standin.world().log.violations()["one request at a time"], 1);
}

#[tokio::test]
async fn row_limits_and_columns() {
    let limited = Settings { csv_limit: 2, ..Settings::default() };
    let desk = Desk::new(limited.clone(), two_calls(), pacific("12:00:00")).await;
    assert_eq!(desk.calls().await.lines().count(), 3);
    let desk =
        Desk::new(Settings { above_limit: AboveLimit::Fault, ..limited }, two_calls(), pacific("12:00:00")).await;
    assert_eq!(desk.calls().await, "ServerFault");
    let mut ledger = two_calls();
    ledger.queues[1] = Queue { campaign: "Hotline".to_owned(), ..Queue::calls("Zwölf, \"drei\" & <vier>") };
    ledger.agents[1] = Agent { is_removed: true, ..ledger.agents[1].clone() };
    let mut menus = contact(4713, pacific("09:55:00"));
    menus.passes.push(Pass::new(None, menus.start, 12 * SECOND, PassResult::Outside));
    ledger.add_contact(menus);
    let columns = ["TALK TIME", "SKILL", "MY OWN", "AGENT", "HOLD TIME", "IVR TIME", "ABANDONED", "CALL TYPE"];
    let columns: Vec<String> = columns.map(str::to_owned).to_vec();
    let settings = Settings {
        skill_columns: columns,
        renamed: [("AGENT".to_owned(), "USER".to_owned())].into(),
        talk_contains_hold: true,
        blank_zero_durations: true,
        not_abandoned: String::new(),
        deleted: vec!["Hotline".to_owned()],
        ..Settings::default()
    };
    let desk = Desk::new(settings, ledger, pacific("12:00:00")).await;
    let range = (pacific("09:00:00"), pacific("10:00:00"));
    let csv = desk.csv("Shared Reports (injixo)", "Call Log with Skills", range.0, range.1).await;
    let expected = "\
TALK TIME,SKILL,MY OWN,USER,HOLD TIME,IVR TIME,ABANDONED,CALL TYPE
00:03:10,[Deleted],,amy@example.test,00:00:10,00:00:20,,Inbound
,[Deleted],,[None],,00:00:15,1,Inbound
00:01:30,\"Zwölf, \"\"drei\"\" & <vier>\",,[Deleted],,,,Inbound
,[None],,[None],,00:00:12,,Inbound
";
    assert_eq!(csv, expected);
}

#[tokio::test]
async fn segments_of_transfers_conferences_consultations_and_call_backs() {
    let mut ledger = Ledger::new(agents(), vec![Queue::calls("Hotline")]);
    for (number, role) in [Role::Transfer, Role::Conference, Role::Consult].into_iter().enumerate() {
        let start = pacific("09:46:00") + number as Ms * MINUTE;
        let mut call = contact(number as u64, start);
        let mut pass = answered(0, start, 10, 0, [2, 100, 20, 5]);
        let at = if role == Role::Transfer { pass.handlings[0].released() } else { pass.handlings[0].held() };
        pass.handlings.push(vendor_standin::ledger::Handling { role, ..handling(1, at, [3, 40, 0, 0]) });
        call.passes.push(pass);
        ledger.add_contact(call);
    }
    let mut back = contact(9, pacific("09:50:00"));
    back.passes.push(Pass { is_callback: true, ..answered(0, pacific("09:50:00"), 600, 0, [2, 0, 0, 7]) });
    ledger.add_contact(back);
    let columns =
        ["CALL ID", "TIMESTAMP", "CALL TYPE", "AGENT", "SKILL", "QUEUE CALLBACK WAIT TIME", "TRANSFERS", "CONFERENCES"];
    let settings = Settings {
        skill_columns: columns.map(str::to_owned).to_vec(),
        grouping: Grouping::Skill,
        ..Settings::default()
    };
    let desk = Desk::new(settings, ledger, pacific("12:00:00")).await;
    let csv =
        desk.csv("Shared Reports (injixo)", "Call Log with Skills", pacific("09:00:00"), pacific("11:00:00")).await;
    let expected = "\
CALL ID,TIMESTAMP,CALL TYPE,AGENT,SKILL,QUEUE CALLBACK WAIT TIME,TRANSFERS,CONFERENCES
0,\"Tue, 05 Mar 2024 09:46:00\",Inbound,amy@example.test,Hotline,00:00:00,1,0
1,\"Tue, 05 Mar 2024 09:47:00\",Inbound,amy@example.test,Hotline,00:00:00,0,1
2,\"Tue, 05 Mar 2024 09:48:00\",Inbound,amy@example.test,Hotline,00:00:00,0,0
1,\"Tue, 05 Mar 2024 09:48:02\",Inbound,bob@example.test,Hotline,00:00:00,0,0
0,\"Tue, 05 Mar 2024 09:48:12\",Inbound,bob@example.test,Hotline,00:00:00,0,0
2,\"Tue, 05 Mar 2024 09:49:02\",Internal,bob@example.test,[None],00:00:00,0,0
9,\"Tue, 05 Mar 2024 09:50:00\",Queue Callback,amy@example.test,Hotline,00:10:00,0,0
";
    assert_eq!(csv, expected);
    let table = contact_table(&desk.standin.counted(desk.clock.now()), 0, pacific("12:00:00"));
    // Three times 125, twice 40; a call back without talk is not handled.
    assert!(table.ends_with("\nHotline,calls,2024-03-05T17:45:00Z,4,3,455\n"), "{table}");
}

#[tokio::test]
async fn times_are_those_of_the_zone_over_its_changes() {
    let first_day = at("2024-11-02T07:00:00Z");
    let ledger = Simulation::new(3, first_day, 2).ledger();
    let desk = Desk::new(Settings::default(), ledger, first_day + 30 * DAY).await;
    let change = at("2024-11-03T09:00:00Z");
    let csv = desk.csv("Call Log Reports", "Call Log", change - 2 * MINUTE, change + 2 * MINUTE).await;
    let times: Vec<&str> = csv.lines().skip(1).map(|line| &line[line.find('"').unwrap() + 18..][..8]).collect();
    assert!(times.contains(&"01:58:20") && times.contains(&"01:01:40"), "{csv}");
}

#[tokio::test]
async fn late_rows_and_edits_appear_at_their_time() {
    let mut ledger = two_calls();
    let mut late = contact(4714, pacific("09:48:00"));
    late.passes.push(Pass::new(Some(0), late.start, 5 * SECOND, PassResult::Abandoned));
    ledger.add_late_contact(late, pacific("11:00:00"));
    let mut edited = ledger.contacts_at(0).next().unwrap().value.clone();
    edited.passes[0].handlings[0].wrap = 45 * SECOND;
    ledger.revise_contact(0, pacific("11:30:00"), Some(edited));
    let desk = Desk::new(Settings::default(), ledger, pacific("10:59:59")).await;
    assert_eq!(desk.calls().await, EXAMPLE);
    desk.clock.set(pacific("11:00:00"));
    assert_eq!(desk.calls().await.lines().count(), 5);
    desk.clock.set(pacific("11:30:00"));
    assert!(desk.calls().await.contains(",00:00:45,1,0,1,0,"));
}

#[tokio::test]
async fn faults_strike() {
    let desk = Desk::new(Settings::default(), two_calls(), pacific("12:00:00")).await;
    let faults = &desk.standin.world().faults;
    let many = |retry_after| Effect::Status { status: 429, body: String::new(), retry_after };
    let rules = [
        ("getSkills", Effect::Fault("ServiceUnavailableFault".to_owned())),
        ("getCampaigns", Effect::Cut(10)),
        ("getVCCConfiguration", Effect::Slow { bytes: 100, pause: std::time::Duration::from_millis(1) }),
        ("closeSession", Effect::Expire),
        ("getReasonCodeByType", Effect::Limit),
        ("getUsersGeneralInfo", many(RetryAfter::Date(30))),
    ];
    for (on, effect) in rules {
        faults.add(Rule::new(on, When::First(1), effect));
    }
    assert_eq!(desk.call("getSkills", "").await, "ServiceUnavailableFault");
    assert_eq!(desk.call("getCampaigns", "").await, "(the connection ended)");
    assert!(desk.call("getCampaigns", "").await.contains("<name>Hotline</name>"));
    assert!(desk.call("getVCCConfiguration", "").await.contains("1234"));
    assert_eq!(desk.call("closeSession", "").await, "AdminSessionClosedFault");
    assert_eq!(desk.call("getReasonCodeByType", "").await, "OperationsLimitExceededFault");
    desk.call("getUsersGeneralInfo", "").await;
    assert_eq!(desk.status(), 429);
    let log = &desk.standin.world().log;
    assert_eq!((log.count("getCampaigns"), log.violations().len()), (2, 0));
    assert_eq!(log.asked()[0].fault.as_deref(), Some("Fault(\"ServiceUnavailableFault\")"));
}

#[tokio::test]
async fn the_description_has_the_address_in_it() {
    let desk = Desk::new(Settings::default(), two_calls(), pacific("12:00:00")).await;
    let settings = desk.standin.settings();
    let url = format!("{}{ADMIN}?wsdl&user=wfm", desk.standin.url());
    let answer =
        reqwest::Client::new().get(url).basic_auth(&settings.user, Some(&settings.password)).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains(&format!("location=\"{}{ADMIN}\"", desk.standin.url())));
    roxmltree::Document::parse(&text).unwrap();
}
