//! Genesys Cloud: what agents did and do, and the directory.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vendor_standin::genesys_cloud::{AgentField, Settings};
use vendor_standin::ledger::truth::status_table;
use vendor_standin::ledger::{Agent, AgentState, Ledger, Pass, PassResult, Queue, State};
use vendor_standin::time::{DAY, Ms};

use crate::genesys_cloud::{Desk, contains, on, one_hour, plain};
use crate::support::{agents, answered, contact};

pub(crate) const USERS: &str = "/api/v2/analytics/users/details/query";

pub(crate) fn state(agent: usize, state: State, reason: &str, start: Ms, end: Option<Ms>) -> AgentState {
    AgentState { agent, state, reason: reason.to_owned(), start, end, contact: None }
}

/// The morning of the example: ready, a call, ready, a meal.
pub(crate) fn a_morning() -> Ledger {
    let mut ledger = Ledger::new(agents(), vec![Queue::calls("Sales")]);
    let mut call = contact(1, on("08:01:00"));
    call.passes.push(answered(0, on("08:01:02"), 10, 0, [10, 250, 0, 58]));
    ledger.add_contact(call);
    let busy =
        |kind, from: &str, to: &str| AgentState { contact: Some(1), ..state(0, kind, "", on(from), Some(on(to))) };
    ledger.add_state(state(0, State::LoggedOut, "", on("00:00:00") - 3 * DAY, Some(on("07:58:00"))));
    ledger.add_state(state(0, State::Session, "", on("07:58:00"), None));
    ledger.add_state(state(0, State::Ready, "", on("07:58:00"), Some(on("08:01:12"))));
    ledger.add_state(busy(State::Ringing, "08:01:12", "08:01:22"));
    ledger.add_state(busy(State::OnCall, "08:01:22", "08:05:32"));
    ledger.add_state(busy(State::Wrap, "08:05:32", "08:06:30"));
    ledger.add_state(state(0, State::Ready, "", on("08:06:30"), Some(on("10:00:00"))));
    ledger.add_state(state(0, State::NotReady, "Meal", on("10:00:00"), None));
    ledger
}

#[tokio::test]
async fn the_example_of_users() {
    let example = json!({"userDetails": [{"userId": "u-1",
        "primaryPresence": [
            {"startTime": "2024-03-01T07:58:00.000Z", "endTime": "2024-03-01T10:00:00.000Z", "systemPresence": "ON_QUEUE",
             "organizationPresenceId": "op-1"},
            {"startTime": "2024-03-01T10:00:00.000Z", "systemPresence": "MEAL", "organizationPresenceId": "op-7"}],
        "routingStatus": [
            {"startTime": "2024-03-01T07:58:00.000Z", "endTime": "2024-03-01T08:01:12.000Z", "routingStatus": "IDLE"},
            {"startTime": "2024-03-01T08:01:12.000Z", "endTime": "2024-03-01T08:06:30.000Z", "routingStatus": "INTERACTING"}]}]});
    let desk = Desk::new(Settings { has_short_pages: false, ..plain() }, a_morning(), on("12:00:00")).await;
    let day = json!({"interval": "2024-03-01T07:00:00Z/2024-03-01T12:00:00Z"});
    let (status, answer) = desk.post(USERS, &day).await;
    assert_eq!((status, &answer["totalHits"]), (200, &json!(1)));
    assert!(contains(&answer, &example), "{answer:#}");
    let meal = answer["userDetails"][0]["primaryPresence"].as_array().unwrap().last().unwrap();
    assert!(meal.get("endTime").is_none(), "it goes on");
    let body = |filters: &str, dimension: &str, value: &str| {
        let predicates = json!([{"dimension": dimension, "value": value}]);
        let mut body = json!({"interval": "2024-02-10T00:00:00Z/2024-03-02T00:00:00Z"});
        body[filters] = json!([{"type": "or", "predicates": predicates}]);
        body
    };
    // With a filter up to 31 days.
    assert_eq!(desk.post(USERS, &body("userFilters", "userId", "u-2")).await, (200, json!({"totalHits": 0})));
    let (_, answer) = desk.post(USERS, &body("presenceFilters", "systemPresence", "MEAL")).await;
    let found = answer["userDetails"].as_array().unwrap().iter().find_map(|user| user.get("primaryPresence"));
    assert_eq!(found.map(|list| list.as_array().unwrap().len()), Some(1));
    assert_eq!(desk.post(USERS, &body("userFilters", "queueId", "q-1")).await.0, 400);
}

#[tokio::test]
async fn pages_are_short_and_what_spans_days_comes_twice() {
    let people = (0..1_200).map(|number| Agent::new(&number.to_string(), &format!("a{number}"), "A", "B")).collect();
    let mut ledger = Ledger::new(people, Vec::new());
    for agent in 0..1_200 {
        ledger.add_state(state(agent, State::NotReady, "Lunch", on("22:00:00"), Some(on("02:00:00") + DAY)));
    }
    let desk = Desk::new(plain(), ledger, on("12:00:00") + DAY).await;
    let mut lengths = Vec::new();
    let (mut records, mut distinct) = (0, BTreeSet::new());
    for page in 1.. {
        let body = json!({"interval": "2024-03-01T00:00:00Z/2024-03-03T00:00:00Z",
            "paging": {"pageSize": 100, "pageNumber": page}});
        let (_, answer) = desk.post(USERS, &body).await;
        let users = answer["userDetails"].as_array().cloned().unwrap_or_default();
        assert_eq!(answer["totalHits"], 2_409, "2400, and the rows by which pages are short");
        lengths.push(users.len());
        records += users.len();
        distinct.extend(users.iter().map(Value::to_string));
        if users.is_empty() {
            break;
        }
    }
    assert_eq!((&lengths[..4], lengths.iter().filter(|length| **length == 99).count()), (&[99, 100, 100, 99][..], 8));
    assert_eq!((records, distinct.len()), (2_400, 1_200));
    // One row a page: never an empty page while others follow.
    let body =
        json!({"interval": "2024-03-01T00:00:00Z/2024-03-03T00:00:00Z", "paging": {"pageSize": 1, "pageNumber": 2400}});
    assert_eq!(desk.post(USERS, &body).await.1["userDetails"].as_array().unwrap().len(), 1);
    let mut listed = 0;
    for page in 1..=3 {
        let (_, answer) = desk.get(&format!("/api/v2/users?pageSize=500&pageNumber={page}&expand=presence")).await;
        assert_eq!((&answer["total"], &answer["pageCount"]), (&json!(1_200), &json!(3)));
        assert_eq!(answer.get("nextUri").is_some(), page < 3);
        listed += answer["entities"].as_array().unwrap().len();
    }
    assert_eq!(listed, 1_200);
}

#[tokio::test]
async fn jobs_about_users() {
    let desk = Desk::new(Settings { results_page: 2, ..plain() }, a_morning(), on("12:00:00") + DAY).await;
    let jobs = "/api/v2/analytics/users/details/jobs";
    let body = json!({"interval": "2024-02-28T00:00:00Z/2024-03-02T00:00:00Z", "order": "asc"});
    let job = format!("{jobs}/{}", desk.post(jobs, &body).await.1["jobId"].as_str().unwrap());
    let mut states = Vec::new();
    for _ in 0..3 {
        states.push(desk.get(&job).await.1["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["QUEUED", "PENDING", "FULFILLED"]);
    let (_, first) = desk.get(&format!("{job}/results?pageSize=2")).await;
    let (_, second) = desk.get(&format!("{job}/results?pageSize=2&cursor={}", first["cursor"].as_str().unwrap())).await;
    let count = |page: &Value| page["userDetails"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second), second.get("cursor")), (2, 1, None));
    assert_eq!(first["userDetails"][0]["primaryPresence"][0], first["userDetails"][1]["primaryPresence"][0]);
    let long = json!({"interval": "2024-02-20T00:00:00Z/2024-03-02T00:00:00Z"});
    assert_eq!(desk.post(jobs, &long).await.0, 400);
    let other = job.replace("/users/", "/conversations/");
    assert_eq!(desk.get(&other).await.0, 404, "that is no job about conversations");
}

#[tokio::test]
async fn on_queue_in_four_ways() {
    let mut ledger = Ledger::new(agents(), vec![Queue::calls("Sales")]);
    let mut dialled = contact(7, on("08:20:00"));
    dialled.passes.push(Pass::new(None, on("08:20:00"), 0, PassResult::Outside));
    ledger.add_contact(dialled);
    let mut call = contact(8, on("08:10:00"));
    call.passes.push(answered(0, on("08:10:00"), 0, 0, [0, 300, 0, 0]));
    ledger.add_contact(call);
    let with = |state: AgentState, contact| AgentState { contact: Some(contact), ..state };
    let part = |kind, reason: &str, from: &str, to: &str| state(0, kind, reason, on(from), Some(on(to)));
    ledger.add_state(part(State::Ready, "", "08:00:00", "08:10:00"));
    ledger.add_state(with(part(State::OnCall, "", "08:10:00", "08:15:00"), 8));
    ledger.add_state(part(State::NotReady, "Not Responding", "08:15:00", "08:20:00"));
    ledger.add_state(with(part(State::OnCall, "", "08:20:00", "08:25:00"), 7));
    ledger.add_state(part(State::NotReady, "Training (corrected)", "08:25:00", "08:40:00"));
    ledger.add_state(state(0, State::LoggedOut, "", on("08:40:00"), None));
    let settings = Settings { routing_skew: 20, ..plain() };
    let desk = Desk::new(settings, ledger.clone(), on("09:00:00")).await;
    let (_, answer) = desk.post(USERS, &one_hour(&json!({}))).await;
    let user = &answer["userDetails"][0];
    let row = |start: &str, end: &str, status: &str| json!({"startTime": format!("2024-03-01T{start}Z"), "endTime": format!("2024-03-01T{end}Z"), "routingStatus": status});
    assert_eq!(
        user["routingStatus"],
        json!([
            row("08:00:00.000", "08:10:00.000", "IDLE"),
            row("08:10:00.000", "08:15:00.000", "INTERACTING"),
            row("08:15:00.000", "08:20:00.000", "NOT_RESPONDING"),
            row("08:20:00.000", "08:25:00.020", "COMMUNICATING"),
            {"startTime": "2024-03-01T08:25:00.020Z", "routingStatus": "OFF_QUEUE"}
        ])
    );
    let presences = user["primaryPresence"].as_array().unwrap();
    let ids: Vec<&str> = presences.iter().map(|one| one["organizationPresenceId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["op-1", "op-14", "op-5"], "the second is deactivated");
    let table = "agent,activity,start,end\n\
        amy@example.test,Offline,2024-03-01T08:40:00Z,\n\
        amy@example.test,On Queue - Communicating,2024-03-01T08:20:00Z,2024-03-01T08:25:00Z\n\
        amy@example.test,On Queue - Idle,2024-03-01T08:00:00Z,2024-03-01T08:10:00Z\n\
        amy@example.test,On Queue - Interacting,2024-03-01T08:10:00Z,2024-03-01T08:15:00Z\n\
        amy@example.test,On Queue - Not Responding,2024-03-01T08:15:00Z,2024-03-01T08:20:00Z\n\
        amy@example.test,Training (corrected),2024-03-01T08:25:00Z,2024-03-01T08:40:00Z\n";
    let now = on("09:00:00");
    assert_eq!(status_table(&desk.standin.told(now), on("08:00:00"), now, now), table);
    let settings = Settings { is_detailed: false, agent_field: AgentField::Name, ..plain() };
    let plain = Desk::new(settings, ledger, now).await;
    let table = "agent,activity,start,end\n\
        Amy Ash,Offline,2024-03-01T08:40:00Z,\n\
        Amy Ash,On Queue,2024-03-01T08:00:00Z,2024-03-01T08:25:00Z\n\
        Amy Ash,Training (corrected),2024-03-01T08:25:00Z,2024-03-01T08:40:00Z\n";
    let url = format!("{}/_ledger/statuses?from=2024-03-01T08:00:00Z&to=2024-03-01T09:00:00Z", plain.standin.url());
    assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), table);
}

#[tokio::test]
async fn the_directory() {
    let mut ledger = a_morning();
    ledger.agents.push(Agent { is_removed: true, ..Agent::new("1003", "zoe", "Zoë", "Ålund") });
    ledger.queues = vec![Queue::calls("Sales"), Queue::calls("Billing"), Queue::calls("Old")];
    let settings = Settings { deleted_queues: BTreeSet::from([2]), unexpanded: Some(2), ..plain() };
    let desk = Desk::new(settings, ledger, on("08:03:00")).await;
    let ids = async |path: &str| -> Vec<String> {
        let (status, answer) = desk.get(path).await;
        assert_eq!(status, 200, "{answer}");
        let all = answer["entities"].as_array().unwrap().iter();
        all.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("/api/v2/users").await, ["u-1", "u-2"]);
    assert_eq!(ids("/api/v2/users?state=inactive").await, ["u-3"]);
    assert_eq!(ids("/api/v2/users?state=any&pageSize=2&pageNumber=2").await, ["u-3"]);
    assert_eq!(ids("/api/v2/users?state=any&id=u-3&id=u-2,u-9").await, ["u-2", "u-3"]);
    assert_eq!(desk.get("/api/v2/users?pageSize=501").await.0, 400);
    let (_, answer) = desk.get("/api/v2/users?expand=presence,routingStatus").await;
    let amy = json!({"id": "u-1", "name": "Amy Ash", "username": "amy@example.test", "email": "1001@mail.example.test",
        "state": "active",
        "routingStatus": {"userId": "u-1", "status": "INTERACTING", "startTime": "2024-03-01T08:01:12.000Z"},
        "presence": {"source": "PURECLOUD", "primary": true, "modifiedDate": "2024-03-01T07:58:00.000Z",
                     "presenceDefinition": {"id": "op-1", "systemPresence": "On Queue"}}});
    assert!(contains(&answer["entities"][0], &amy), "{answer:#}");
    assert!(answer["entities"][1].get("presence").is_none(), "expanding is best effort");
    assert_eq!(desk.get("/api/v2/users/u-3").await.1["state"], "inactive");
    let (_, bulk) = desk.get("/api/v2/users/presences/purecloud/bulk?id=u-1,u-2").await;
    assert_eq!(bulk[0]["presenceDefinition"]["id"], "op-1");
    assert_eq!((&bulk[1]["userId"], &bulk[1]["presenceDefinition"]["id"]), (&json!("u-2"), &json!("op-5")));
    let many = vec!["u-1"; 51].join(",");
    assert_eq!(desk.get(&format!("/api/v2/users/presences/purecloud/bulk?id={many}")).await.0, 400);
    assert_eq!(desk.get("/api/v2/users/u-1/routingstatus").await.1["status"], "INTERACTING");
    assert_eq!(desk.get("/api/v2/users/u-77/routingstatus").await.0, 404);
    // Queues by name, without the deleted one.
    assert_eq!(ids("/api/v2/routing/queues?pageSize=100&pageNumber=1").await, ["q-2", "q-1"]);
    assert_eq!(ids("/api/v2/routing/queues?name=sal*").await, ["q-1"]);
    assert_eq!(desk.get("/api/v2/routing/queues/q-3").await.0, 404);
    let definitions = "/api/v2/presence/definitions";
    assert_eq!(ids(&format!("{definitions}?deactivated=true")).await, ["op-14", "op-15"]);
    let (_, answer) = desk.get(&format!("{definitions}?deactivated=false&localeCode=ALL")).await;
    assert_eq!(answer["total"], 13);
    let first = json!({"id": "op-1", "type": "System", "systemPresence": "OnQueue", "deactivated": false,
        "languageLabels": {"de": "In Warteschlange", "en_US": "On Queue"}});
    assert!(contains(&answer["entities"][0], &first), "{answer:#}");
}
