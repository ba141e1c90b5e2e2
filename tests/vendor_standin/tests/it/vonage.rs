//! Tokens, the Insights Stats API and the directory of users.

use serde_json::{Value, json};
use vendor_standin::faults::{Effect, RetryAfter, Rule, When};
use vendor_standin::ledger::truth::{contact_table, status_table};
use vendor_standin::ledger::{AgentState, Channel, Ledger, Pass, PassResult, Queue, State};
use vendor_standin::time::{DAY, HOUR, Ms, SECOND, iso_millis};
use vendor_standin::vonage::{EventOffsets, Grouping, Holds, Settings};
use vendor_standin::{Clock, VonageStandin};

use crate::support::{agents, answered, contact, on};

const V3: &str = "application/vnd.newvoicemedia.v3+json";

pub(crate) struct Desk {
    pub(crate) standin: VonageStandin,
    pub(crate) clock: Clock,
    http: reqwest::Client,
}

impl Desk {
    pub(crate) async fn new(settings: Settings, ledger: Ledger, now: Ms) -> Self {
        let clock = Clock::simulated(now);
        let standin = VonageStandin::start(settings, ledger, clock.clone()).await.unwrap();
        Self { standin, clock, http: reqwest::Client::new() }
    }

    async fn ask_token(&self, form: &str, basic: Option<(&str, &str)>) -> (u16, Value) {
        let request = self.http.post(format!("{}/Auth/connect/token", self.standin.url()));
        let request = match basic {
            Some((id, secret)) => request.basic_auth(id, Some(secret)),
            None => request,
        };
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn token(&self, scope: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id=demo-id&client_secret=demo%2Bsecret%2F%26%3D&scope={scope}"
        );
        let (status, body) = self.ask_token(&form, None).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    async fn send(&self, path: &str, token: Option<&str>, accept: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(format!("{}{path}", self.standin.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let token = self.token("stats%20users:read").await;
        let accept = if path.starts_with("/stats") { V3 } else { "application/vnd.newvoicemedia.v4+json" };
        let answer = self.send(path, Some(&token), Some(accept)).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{body}");
        body["items"].as_array().unwrap().clone()
    }
}

/// The interaction of the worked example.
fn example() -> Ledger {
    let queue = Queue { service: "Hotline".to_owned(), plan: "Hotline plan".to_owned(), ..Queue::calls("Sales") };
    let mut ledger = Ledger::new(agents(), vec![queue, Queue::calls("Müller, \"A\" & B")]);
    let mut call = contact(1, on("09:46:10"));
    call.called = "44205550199".to_owned();
    call.caller = "44205550100".to_owned();
    call.passes.push(answered(0, on("09:46:30"), 35, 0, [5, 160, 0, 30]));
    ledger.add_contact(call);
    ledger
}

const INTERACTION: &str = r#"
{"guid":"015c0f2e-0001","conversationGuid":"c-1","status":"Completed","medium":"Phone","mediumManager":"VCC",
 "start":"2024-03-05T09:46:10.000Z","duration":250000,"direction":"Inbound","serviceName":"Hotline","connectTo":"44205550199",
 "connectFrom":"44205550100","categorizedAt":"2024-03-05T09:50:22.000Z","outcome":"Handled by agent",
 "interactionPlanMapping":{"addressName":"Main","mappingName":"Day","interactionPlanName":"Hotline plan","reportingGroup":"Sales"},
 "channels":[
  {"guid":"ch-1","offset":0,"duration":250000,"endReason":"Released","integrationType":null,
   "party":{"id":null,"role":"External","touchpoint":"44205550100"},
   "events":[{"type":"Queue","offset":20000,"name":"Sales","duration":35000,"properties":{"interactionPlan":"Hotline plan","presentedSkills":["sales"]}}]},
  {"guid":"ch-2","offset":55000,"duration":195000,"endReason":"Released","integrationType":null,
   "party":{"id":"1001","role":"Agent","touchpoint":"44205550111"},
   "events":[{"type":"Ringing","offset":55000,"name":null,"duration":5000,"properties":null},
             {"type":"Connected","offset":60000,"name":null,"duration":160000,"properties":null},
             {"type":"Wrap","offset":220000,"name":null,"duration":30000,"properties":null}]}]}"#;

const QUEUE_TIMES: &str = r#"
{"items":[{"start":"2024-03-05T09:46:30.000Z","interactionGuid":"015c0f2e-0001","medium":"Phone","mediumManager":"VCC",
 "interactionPlan":"Hotline plan","queue":"Sales","type":"ACD","presentedSkills":["sales"],"category":"Answered","reason":"Delivered",
 "duration":35000,"targets":{"targetTimeToAnswer":20000},"party":{"role":"External"}}],
 "meta":{"page":1,"count":1,"pageCount":1,"totalCount":1},"upTo":"2024-03-05T10:00:00.000Z"}"#;

/// A document as it is sent: without the blanks of the page it stands on.
fn on_one_line(text: &str) -> String {
    text.lines().map(str::trim_start).collect()
}

#[tokio::test]
async fn the_worked_examples() {
    let settings = Settings { has_short_channel_ids: true, ..Settings::default() };
    let desk = Desk::new(settings, example(), on("12:00:00")).await;
    let token = desk.token("stats").await;
    let get = async |path: &str| desk.send(path, Some(&token), Some(V3)).await.text().await.unwrap();
    assert_eq!(get("/stats/interactions/015c0f2e-0001").await, on_one_line(INTERACTION));
    let range = "start=2024-03-05T09:00:00.000Z&end=2024-03-05T10:00:00.000Z";
    assert_eq!(get(&format!("/stats/queue-times?{range}")).await, on_one_line(QUEUE_TIMES));
    let list = get(&format!("/stats/interactions?{range}&include=Processed&page=1&limit=500")).await;
    let meta = r#"],"meta":{"page":1,"count":1,"pageCount":1,"totalCount":1},"upTo":"2024-03-05T10:00:00.000Z"}"#;
    assert_eq!(list, format!("{{\"items\":[{}{meta}", on_one_line(INTERACTION)));
    let table = contact_table(&desk.standin.counted(on("12:00:00")), on("09:00:00"), on("12:00:00"));
    assert_eq!(table, "queue,channel,start,offered,handled,handle_time\nSales,calls,2024-03-05T09:45:00Z,1,1,190\n");
}

#[tokio::test]
async fn tokens() {
    let desk = Desk::new(Settings { expires_in: 60, ..Settings::default() }, example(), on("12:00:00")).await;
    let error = |status: u16, error: &str, text: &str| (status, json!({"error": error, "error_description": text}));
    let client = "client_id=demo-id&client_secret=demo%2Bsecret%2F%26%3D";
    let grant = "grant_type=client_credentials";
    let told = desk.ask_token(&format!("grant_type=password&{client}&scope=stats"), None).await;
    assert_eq!(told, error(400, "unsupported_grant_type", "Invalid grant_type"));
    let told = desk.ask_token(&format!("{grant}&{client}"), None).await;
    assert_eq!(told, error(400, "invalid_scope", "You must specify a scope"));
    let told = desk.ask_token(&format!("{grant}&{client}&scope=xyz"), None).await;
    assert_eq!(told, error(400, "invalid_scope", "\"xyz\" is an invalid scope"));
    let told = desk.ask_token(&format!("{grant}&client_id=demo-id&client_secret=no&scope=stats"), None).await;
    assert_eq!((told.0, &told.1["error"]), (401, &json!("invalid_client")));
    let told = desk.ask_token(&format!("{grant}&scope=stats"), Some(("demo-id", "demo+secret/&="))).await;
    assert_eq!((told.0, &told.1["expires_in"], &told.1["token_type"]), (200, &json!(60), &json!("Bearer")));
    assert_eq!(desk.standin.world().log.count("/Auth/connect/token"), 5);
}

#[tokio::test]
async fn what_every_call_needs() {
    let desk = Desk::new(Settings { expires_in: 60, ..Settings::default() }, example(), on("12:00:00")).await;
    let path = "/stats/queue-times?start=2024-03-05T09:00:00Z";
    let token = desk.token("stats").await;
    let told = async |token: Option<&str>, accept: Option<&str>, path: &str| {
        let answer = desk.send(path, token, accept).await;
        let (status, body): (_, Value) = (answer.status().as_u16(), answer.json().await.unwrap());
        let text = body["error_description"].as_str().or(body["message"].as_str()).unwrap_or("").to_owned();
        (status, text)
    };
    let is = |status: u16, text: &str| (status, text.to_owned());
    assert_eq!(told(None, Some(V3), path).await, is(401, "The access token is missing"));
    assert_eq!(told(Some("no"), Some(V3), path).await, is(401, "The access token is invalid or has expired"));
    assert_eq!(told(Some(&token), Some(V3), "/useradmin/users").await, is(401, "Unauthorized"));
    assert_eq!(told(Some(&token), None, path).await, is(400, "Invalid Accept header!"));
    let v9 = "application/vnd.newvoicemedia.v9+json";
    assert_eq!(told(Some(&token), Some(v9), path).await, is(400, "Invalid api-version! Valid values: 2,3"));
    assert_eq!(told(Some(&token), Some(V3), "/stats/queue-times").await, is(400, "\"start\" is required"));
    let long = "/stats/queue-times?start=2024-01-01T09:00:00Z";
    assert_eq!(told(Some(&token), Some(V3), long).await, is(400, "Request window size limit exceeded 31 days"));
    assert_eq!(told(Some(&token), Some(V3), "/stats/interactions/no").await.0, 404);
    assert_eq!(told(Some(&token), Some(V3), path).await, is(200, ""));
    desk.clock.advance(60 * SECOND);
    assert_eq!(told(Some(&token), Some(V3), path).await, is(401, "The access token is invalid or has expired"));
}

#[tokio::test]
async fn pages() {
    let mut ledger = example();
    for number in 2..=60 {
        let mut call = contact(number, on("10:00:00") + number as Ms * SECOND);
        call.passes.push(Pass::new(Some(0), call.start, 5 * SECOND, PassResult::Abandoned));
        ledger.add_contact(call);
    }
    let desk = Desk::new(Settings::default(), ledger, on("12:00:00")).await;
    let page = async |page: u32, more: &str| {
        desk.get(&format!("/stats/queue-times?start=2024-03-05T00:00:00Z&page={page}{more}")).await.1
    };
    let last = page(3, "").await;
    assert_eq!(last["meta"], json!({"page": 3, "count": 10, "pageCount": 3, "totalCount": 60}));
    assert_eq!(last["upTo"], json!("2024-03-05T11:59:58.000Z"));
    assert_eq!(page(1, "").await["items"].as_array().unwrap().len(), 25);
    let empty = page(1, "&end=2024-03-05T01:00:00Z").await;
    assert_eq!(empty["meta"], json!({"page": 1, "count": 0, "pageCount": 0, "totalCount": 0}));
    assert_eq!(page(2, "&limit=50").await["meta"]["count"], json!(10));
    assert_eq!(desk.get("/stats/queue-times?start=2024-03-05T00:00:00Z&limit=5001").await.0, 400);
    // Without an end, what is processed meanwhile moves the pages.
    let processed = "&include=Processed&limit=50";
    let first = page(1, processed).await["items"][49].clone();
    let mut early = contact(99, on("09:00:00"));
    early.passes.push(Pass::new(Some(0), early.start, SECOND, PassResult::Abandoned));
    desk.standin.world().edit(|ledger| {
        ledger.add_late_contact(early, on("12:00:01"));
    });
    desk.clock.advance(10 * SECOND);
    assert_eq!(page(2, processed).await["items"][0], first);
}

#[tokio::test]
async fn include_has_three_meanings() {
    let mut ledger = example();
    let mut edited = ledger.contacts_at(0).next().unwrap().value.clone();
    edited.passes[0].handlings[0].wrap += SECOND;
    ledger.revise_contact(0, on("11:00:00"), Some(edited));
    let desk = Desk::new(Settings { lag: 0, ..Settings::default() }, ledger.clone(), on("12:00:00")).await;
    let durations = async |desk: &Desk, start: &str, end: &str, include: &str| {
        let path = format!("/stats/interactions?start=2024-03-05T{start}Z&end=2024-03-05T{end}Z&include={include}");
        let items = desk.items(&path).await;
        items.iter().map(|item| item["duration"].as_i64()).collect::<Vec<_>>()
    };
    desk.clock.set(on("09:47:00"));
    assert_eq!(durations(&desk, "09:46:00", "09:47:00", "Processed").await, [None], "it is going on");
    desk.clock.set(on("10:30:00"));
    assert_eq!(durations(&desk, "09:47:00", "10:00:00", "Started").await, []);
    assert_eq!(durations(&desk, "09:47:00", "10:00:00", "StartedOrEnded").await, [Some(250_000)]);
    assert_eq!(durations(&desk, "09:47:00", "10:00:00", "Processed").await, [Some(250_000)]);
    assert_eq!(durations(&desk, "10:55:00", "11:05:00", "Processed").await, []);
    desk.clock.set(on("12:00:00"));
    assert_eq!(durations(&desk, "10:55:00", "11:05:00", "Processed").await, [Some(251_000)], "it comes again, changed");
    assert_eq!(durations(&desk, "09:47:00", "10:00:00", "Processed").await, [Some(251_000)], "as it is now");
    let latest = Settings { lag: 0, processed_is_latest: true, ..Settings::default() };
    let desk = Desk::new(latest, ledger, on("10:30:00")).await;
    assert_eq!(durations(&desk, "09:46:00", "09:48:00", "Processed").await, []);
}

fn states() -> Ledger {
    let mut ledger = example();
    let states = [
        (0, State::LoggedOut, "", on("08:55:00") - 40 * DAY, on("08:55:00"), None),
        (0, State::Session, "", on("08:55:00"), on("17:00:00"), None),
        (0, State::Ready, "", on("08:55:00"), on("09:46:10"), None),
        (0, State::Ringing, "", on("09:46:10"), on("09:46:15"), Some(1)),
        (0, State::OnCall, "", on("09:46:15"), on("09:49:10"), Some(1)),
        (0, State::Hold, "", on("09:47:00"), on("09:48:00"), Some(1)),
        (0, State::Wrap, "", on("09:49:10"), on("09:49:40"), Some(1)),
        (0, State::NotReady, "Lunch", on("09:49:40"), on("10:20:00"), None),
        (0, State::NotReady, "Strange", on("10:20:00"), on("10:30:00"), None),
        (0, State::LoggedOut, "", on("10:30:00"), on("23:00:00"), None),
        (1, State::LoggedOut, "", on("01:00:00"), on("23:00:00"), None),
    ];
    for (agent, state, reason, start, end, contact) in states {
        ledger.add_state(AgentState { agent, state, reason: reason.to_owned(), start, end: Some(end), contact });
    }
    ledger
}

#[tokio::test]
async fn agent_states_as_in_the_worked_example() {
    let odd = [("Strange".to_owned(), ("Quarantine".to_owned(), "Out & about".to_owned()))].into();
    let settings = Settings { lag: 0, odd_states: odd, ..Settings::default() };
    let desk = Desk::new(settings, states(), on("09:50:01") + 120).await;
    let path = "/stats/wfm/agent-states?start=2024-03-05T08:55:00.000Z&agentId=1001&limit=5000&page=1";
    let (_, body) = desk.get(path).await;
    let expected = json!({"items":[
     {"agentId":"1001","start":"2024-03-05T08:55:00.000Z","duration":3_070_000,"state":"Ready","description":"Ready"},
     {"agentId":"1001","start":"2024-03-05T09:46:10.000Z","duration":180_000,"state":"Busy","description":"Live"},
     {"agentId":"1001","start":"2024-03-05T09:49:10.000Z","duration":30_000,"state":"Wrap","description":"Live"},
     {"agentId":"1001","start":"2024-03-05T09:49:40.000Z","duration":null,"state":"Away","description":"Lunch"}],
     "meta":{"page":1,"count":4,"pageCount":1,"totalCount":4},"upTo":"2024-03-05T09:50:01.120Z"});
    assert_eq!(body, expected);
    let table = status_table(&desk.standin.told(desk.clock.now()), on("09:49:00"), on("09:52:00"), desk.clock.now());
    let expected = "agent,activity,start,end\n\
        1001,Away: Lunch,2024-03-05T09:49:40Z,\n\
        1001,Busy: Live,2024-03-05T09:49:00Z,2024-03-05T09:49:10Z\n\
        1001,Wrap: Live,2024-03-05T09:49:10Z,2024-03-05T09:49:40Z\n\
        1002,LoggedOut: Logged Out,2024-03-05T09:49:00Z,\n";
    assert_eq!(table, expected);
    desk.clock.set(on("11:00:00"));
    let last = desk.items(&path.replace("08:55", "10:00")).await;
    assert_eq!(last[0]["state"], json!("Quarantine"));
    assert_eq!(last[1]["duration"], Value::Null, "logged out until tomorrow");
    let ended = "/stats/wfm/agent-states?start=2024-03-05T08:00:00Z&end=2024-03-05T09:00:00Z&include=StartedOrEnded";
    let night = desk.items(ended).await;
    assert_eq!(night[0]["duration"], json!(40 * DAY), "more than 32 bits hold");
    assert_eq!(night[0]["start"], json!(iso_millis(on("08:55:00") - 40 * DAY)));
}

#[tokio::test]
async fn busy_rewrites_what_was_there() {
    let settings = Settings { lag: 0, rewrite_delay: 20 * SECOND, ..Settings::default() };
    let desk = Desk::new(settings, states(), on("09:46:20")).await;
    let get = async |start: &str, include: &str| {
        let path = format!("/stats/wfm/agent-states?start=2024-03-05T{start}Z&include={include}&agentId=1001");
        let items = desk.items(&path).await;
        items
            .iter()
            .map(|item| (item["state"].as_str().unwrap().to_owned(), item["duration"].as_i64()))
            .collect::<Vec<_>>()
    };
    let ready = "Ready".to_owned();
    assert_eq!(get("08:55:00", "Started").await, [(ready.clone(), None)]);
    desk.clock.set(on("09:46:31"));
    assert_eq!(get("09:46:20", "Started").await, [], "it began before what was complete");
    let again = [(ready, Some(3_070_000)), ("Busy".to_owned(), None)];
    assert_eq!(get("09:46:20", "Processed").await, again);
}

#[tokio::test]
async fn the_present_of_agents() {
    let desk = Desk::new(Settings { lag: 0, ..Settings::default() }, states(), on("09:46:12")).await;
    let items = desk.items("/stats/agent-status").await;
    assert_eq!(items[0]["presence"]["name"], json!("Ready"));
    let interaction = json!([{"guid": "015c0f2e-0001", "channelGuid": "015c0f2e-0001-ch-2", "since": "2024-03-05T09:46:10.000Z",
        "medium": "Phone", "mediumManager": "VCC", "direction": "Inbound", "state": "Ringing", "reason": null}]);
    assert_eq!((&items[0]["interaction"], &items[0]["workload"]["calls"]), (&interaction, &json!(1)));
    desk.clock.set(on("09:50:01"));
    let expected = json!({"agentId":"1001","presence":{"since":"2024-03-05T09:49:40.000Z","name":"Away","description":"Lunch","eligibleForRouting":false},
        "workload":{"since":"2024-03-05T09:49:40.000Z","calls":0,"semiLive":0,"nonLive":0},"interaction":[]});
    assert_eq!(desk.items("/stats/agent-status").await[0], expected);
    let presence = desk.items("/stats/agent-activities/presence?start=2024-03-05T09:49:00Z").await;
    let expected = json!({"agentId":"1001","type":"Presence","category":"Away","name":"Lunch","eligibleForRouting":false,
        "start":"2024-03-05T09:49:40.000Z","status":"Ongoing","duration":null,"reason":null,"interaction":null,"channel":null,"workload":null});
    assert_eq!(presence, [expected]);
    let work = desk.items("/stats/agent-activities?type=Interaction&start=2024-03-05T09:00:00Z").await;
    let categories: Vec<_> = work.iter().map(|item| item["category"].as_str().unwrap()).collect();
    assert_eq!(categories, ["Ringing", "Connected", "Wrap"]);
    let ongoing = desk.items("/stats/interactions/ongoing").await;
    assert_eq!((ongoing.len(), &ongoing[0]["status"], &ongoing[0]["duration"]), (1, &json!("Ongoing"), &Value::Null));
    desk.clock.set(on("09:51:00"));
    assert_eq!(desk.items("/stats/interactions/ongoing").await, [] as [Value; 0]);
}

#[tokio::test]
async fn queues_of_all_kinds() {
    let mut ledger = example();
    let mut moved = contact(2, on("10:00:00"));
    moved.passes.push(Pass::new(Some(0), on("10:00:10"), 30 * SECOND, PassResult::BrokeOut("NoAgentsBreakout")));
    let mut second = answered(1, on("10:00:40"), 20, 0, [3, 61, 9, 7]);
    second.handlings[0].talk += 5;
    moved.passes.push(second);
    ledger.add_contact(moved);
    let mut back = contact(3, on("10:01:00"));
    back.passes.push(Pass { is_callback: true, ..answered(0, on("10:01:10"), 900, 1, [2, 50, 0, 5]) });
    ledger.add_contact(back);
    let mut case = contact(4, on("10:02:00") - 26 * DAY);
    case.channel = Channel::Cases;
    case.passes.push(answered(1, case.start, 26 * 86_400, 1, [0, 50, 0, 5]));
    ledger.add_contact(case);
    let desk = Desk::new(Settings::default(), ledger.clone(), on("12:00:00")).await;
    let told = async |more: &str| {
        let path = format!("/stats/queue-times?start=2024-03-05T10:00:00Z&include=StartedOrEnded{more}");
        let items = desk.items(&path).await;
        let text = |item: &Value, name: &str| item[name].as_str().unwrap_or("-").to_owned();
        items
            .iter()
            .map(|item| ["queue", "category", "type", "medium"].map(|name| text(item, name)).join("|"))
            .collect::<Vec<_>>()
    };
    let own = "Müller, \"A\" & B";
    let acd = [
        format!("{own}|Answered|ACD|Case"),
        "Sales|Breakout|ACD|Phone".to_owned(),
        format!("{own}|Answered|ACD|Phone"),
    ];
    assert_eq!(told("").await, acd);
    assert_eq!(told("&queueType=Virtual").await, ["Sales|Answered|Virtual|Phone Callback"]);
    assert_eq!(told("&queueType=All&queues=Other,Sales").await.len(), 2);
    let (_, case) = desk.get("/stats/interactions/015c0f2e-0004").await;
    assert!(case["duration"].as_i64().unwrap() > i64::from(i32::MAX));
    let (_, back) = desk.get("/stats/interactions/015c0f2e-0003").await;
    assert_eq!(back["channels"].as_array().unwrap().len(), 1, "a call back has no handling");
    let table = |settings: Settings| {
        let ledger = ledger.clone();
        async move {
            let desk = Desk::new(settings, ledger, on("12:00:00")).await;
            contact_table(&desk.standin.counted(on("12:00:00")), on("10:00:00"), on("10:15:00"))
        }
    };
    let head = "queue,channel,start,offered,handled,handle_time\n";
    let quoted = "\"Müller, \"\"A\"\" & B\",calls,2024-03-05T10:00:00Z,1,1,77.005\n";
    assert_eq!(table(Settings::default()).await, format!("{head}{quoted}Sales,calls,2024-03-05T10:00:00Z,1,0,0\n"));
    let other = Settings { counts_breakouts: false, counts_virtual: true, ..Settings::default() };
    assert_eq!(table(other).await, format!("{head}{quoted}Sales,calls,2024-03-05T10:00:00Z,1,1,\n"));
    let plan = table(Settings { grouping: Grouping::Plan, ..Settings::default() }).await;
    assert!(plan.contains("\nHotline plan,calls,"), "{plan}");
}

#[tokio::test]
async fn holds_and_offsets_by_setting() {
    let mut ledger = example();
    let mut call = contact(5, on("10:00:00"));
    call.passes.push(answered(0, on("10:00:10"), 10, 0, [5, 60, 20, 0]));
    ledger.add_contact(call);
    let events = |event_offsets, holds| {
        let ledger = ledger.clone();
        async move {
            let desk =
                Desk::new(Settings { event_offsets, holds, ..Settings::default() }, ledger, on("12:00:00")).await;
            let (_, call) = desk.get("/stats/interactions/015c0f2e-0005").await;
            let events = call["channels"][1]["events"].as_array().unwrap().clone();
            let events = events
                .iter()
                .map(|event| format!("{} {}+{}", event["type"].as_str().unwrap(), event["offset"], event["duration"]));
            events.collect::<Vec<_>>().join(", ")
        }
    };
    let between = "Ringing 20000+5000, Connected 25000+30000, Hold 55000+20000, Connected 75000+30000";
    assert_eq!(events(EventOffsets::FromInteraction, Holds::Between).await, between);
    let inside = "Ringing 0+5000, Connected 5000+80000, Hold 35000+20000";
    assert_eq!(events(EventOffsets::FromChannel, Holds::Inside).await, inside);
    assert_eq!(events(EventOffsets::FromChannel, Holds::Unlisted).await, "Ringing 0+5000, Connected 5000+80000");
}

#[tokio::test]
async fn users() {
    let mut ledger = example();
    ledger.agents[1].is_removed = true;
    let desk = Desk::new(Settings::default(), ledger, on("12:00:00")).await;
    let (_, body) = desk.get("/useradmin/users").await;
    let expected = json!({"users":[{"userId":"u-1001","username":"amy@example.test","name":"Amy Ash","email":"amy@example.test","active":true,"locked":false,
     "userAccountConfiguration":{"role":"Agent","actAsAgent":true,"agentConfiguration":{"agentDisplayId":"1001"}}}],
     "meta":{"page":1,"count":1,"pageCount":1,"totalCount":1}});
    assert_eq!(body, expected);
    assert_eq!(desk.get("/useradmin/users?include=All&limit=1&page=2").await.1["users"][0]["active"], json!(false));
}

#[tokio::test]
async fn faults_and_rates() {
    let settings = Settings { requests_a_minute: Some(4), ..Settings::default() };
    let desk = Desk::new(settings, example(), on("12:00:00")).await;
    let token = desk.token("stats").await;
    let faults = &desk.standin.world().faults;
    let status = |status, retry_after| Effect::Status { status, body: String::new(), retry_after };
    faults.add(Rule::new("/stats/queue-times", When::Nth(1), status(429, RetryAfter::Seconds(7))));
    faults.add(Rule::new("/stats/queue-times", When::Nth(2), status(429, RetryAfter::Date(90))));
    faults.add(Rule::new("/stats/queue-times", When::Nth(3), status(503, RetryAfter::Unsaid)));
    faults.add(Rule::new("/stats/queue-times", When::Nth(4), Effect::Cut(50)));
    faults.add(Rule::new("/stats/queue-times", When::Nth(6), Effect::Expire));
    let path = "/stats/queue-times?start=2024-03-05T09:00:00Z";
    let ask = async || {
        let answer = desk.send(path, Some(&token), Some(V3)).await;
        let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), retry, answer.text().await.is_ok())
    };
    assert_eq!(ask().await, (429, Some("7".to_owned()), true));
    assert_eq!(ask().await, (429, Some("Tue, 05 Mar 2024 12:01:30 GMT".to_owned()), true));
    assert_eq!(ask().await, (503, None, true));
    assert_eq!(ask().await, (200, None, false));
    assert_eq!(ask().await, (200, None, true));
    assert_eq!(ask().await, (401, None, true), "the token ended between two pages");
    assert_eq!(desk.get(path).await.0, 200);
    assert_eq!(desk.get(path).await.0, 429);
    assert_eq!(desk.standin.world().log.violations()["requests a minute"], 1);
    desk.clock.advance(HOUR);
    assert_eq!(desk.get(path).await.0, 200);
}
