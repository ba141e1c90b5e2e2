//! Genesys Cloud: sign-in, limits, refusals, aggregates, conversations and jobs.

use reqwest::Method;
use serde_json::{Value, json};
use vendor_standin::Clock;
use vendor_standin::faults::{Effect, RetryAfter, Rule, When};
use vendor_standin::genesys_cloud::{GenesysCloudStandin, Settings};
use vendor_standin::ledger::{Direction, Handling, Ledger, Pass, PassResult, Queue, Role};
use vendor_standin::time::{DAY, HOUR, Ms, SECOND, at};

use crate::support::{agents, answered, contact, handling};

pub(crate) const AGGREGATES: &str = "/api/v2/analytics/conversations/aggregates/query";
const DETAILS: &str = "/api/v2/analytics/conversations/details/query";
const JOBS: &str = "/api/v2/analytics/conversations/details/jobs";

/// An instant on 2024-03-01 in UTC.
pub(crate) fn on(time: &str) -> Ms {
    at(&format!("2024-03-01T{time}Z"))
}

pub(crate) fn plain() -> Settings {
    Settings { lag: 0, has_short_ids: true, ..Settings::default() }
}

pub(crate) struct Desk {
    pub(crate) standin: GenesysCloudStandin,
    pub(crate) clock: Clock,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

impl Desk {
    pub(crate) async fn new(settings: Settings, ledger: Ledger, now: Ms) -> Self {
        let clock = Clock::simulated(now);
        let standin = GenesysCloudStandin::start(settings, ledger, clock.clone()).await.unwrap();
        let mut desk = Self { standin, clock, http: reqwest::Client::new(), token: String::new() };
        desk.sign_in().await;
        desk
    }

    async fn ask_token(&self, id: &str, secret: &str) -> (u16, Value) {
        let request = self.http.post(format!("{}/oauth/token", self.standin.url())).basic_auth(id, Some(secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("grant_type=client_credentials").send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn sign_in(&mut self) {
        let settings = self.standin.settings();
        let (status, body) = self.ask_token(&settings.client_id, &settings.client_secret).await;
        assert_eq!((status, &body["token_type"]), (200, &json!("bearer")));
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Response {
        let request = self.http.request(method, format!("{}{path}", self.standin.url())).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.send(Method::POST, path, Some(body)).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.send(Method::GET, path, None).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// Whether all that an example shows is in what was answered.
pub(crate) fn contains(answer: &Value, example: &Value) -> bool {
    match (answer, example) {
        (Value::Object(answer), Value::Object(example)) => {
            example.iter().all(|(name, part)| answer.get(name).is_some_and(|whole| contains(whole, part)))
        }
        (Value::Array(answer), Value::Array(example)) => {
            example.iter().all(|part| answer.iter().any(|whole| contains(whole, part)))
        }
        _ => answer == example,
    }
}

pub(crate) fn one_hour(body: &Value) -> Value {
    let mut whole = json!({"interval": "2024-03-01T08:00:00Z/2024-03-01T09:00:00Z"});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    whole
}

/// The call of the example of conversation details.
fn one_call() -> Ledger {
    let mut ledger = Ledger::new(agents(), vec![Queue::calls("Sales"), Queue::calls("Billing")]);
    let mut call = contact(1, on("08:01:00"));
    let mut pass = answered(0, on("08:01:10"), 15, 0, [0, 245, 0, 60]);
    pass.handlings[0].disposition = "1".to_owned();
    call.passes.push(pass);
    ledger.add_contact(call);
    ledger
}

/// The calls of the example of aggregates.
fn a_quarter() -> Ledger {
    let mut ledger = Ledger::new(agents(), vec![Queue { target: 30 * SECOND, ..Queue::calls("Sales") }]);
    let waits = [21, 2, 8, 8, 8, 8, 8, 8, 8, 6];
    let handles = [60, 400, 280, 280, 280, 280, 280, 280, 290, 300];
    for (turn, (wait, handle)) in (0_i64..).zip(waits.into_iter().zip(handles)) {
        // The last one is still talked to when the quarter ends.
        let start = if turn == 9 { on("08:12:00") } else { on("08:00:10") + turn * 10 * SECOND };
        let mut call = contact(turn.unsigned_abs(), start);
        call.passes.push(answered(0, start, wait, 0, [0, handle - 30, 0, 30]));
        ledger.add_contact(call);
    }
    for (id, wait) in [(10, 20), (11, 44)] {
        let mut call = contact(id, on("08:03:00"));
        call.passes.push(Pass::new(Some(0), on("08:03:00"), wait * SECOND, PassResult::Abandoned));
        ledger.add_contact(call);
    }
    ledger
}

#[tokio::test]
async fn tokens() {
    let desk = Desk::new(Settings { expires_in: 600, ..plain() }, one_call(), on("12:00:00")).await;
    let secret = desk.standin.settings().client_secret.clone();
    let id = desk.standin.settings().client_id.clone();
    assert_eq!(desk.ask_token(&id, &secret).await.1["expires_in"], 600);
    let (status, body) = desk.ask_token(&id, "wrong").await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    assert_eq!(desk.ask_token("wrong", &secret).await.0, 400);
    let queues = "/api/v2/routing/queues";
    assert_eq!(desk.get(queues).await.0, 200);
    desk.clock.advance(600 * SECOND);
    let answer = desk.send(Method::GET, queues, None).await;
    let id = answer.headers()["ININ-Correlation-Id"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["status"], &body["code"]), (&json!(401), &json!("bad.credentials")));
    assert_eq!(body["contextId"], json!(id));
    let answer = desk.http.get(format!("{}{queues}", desk.standin.url())).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn limits_and_faults() {
    let settings =
        Settings { requests_a_minute: 4, denied: ["analytics:userDetail:view".to_owned()].into(), ..plain() };
    let mut desk = Desk::new(settings, one_call(), on("12:00:00")).await;
    let (status, body) = desk.post("/api/v2/analytics/users/details/query", &json!({})).await;
    assert_eq!((status, &body["code"]), (403, &json!("missing.permissions")));
    assert_eq!(body["missingPermissions"], json!(["analytics:userDetail:view"]));
    assert_eq!(body["messageParams"]["permissions"], "analytics:userDetail:view");
    let queues = "/api/v2/routing/queues";
    let world = desk.standin.world();
    world.faults.add(Rule::new(queues, When::Nth(1), Effect::Expire));
    let late = Effect::Status { status: 504, body: String::new(), retry_after: RetryAfter::Unsaid };
    world.faults.add(Rule::new(queues, When::Nth(2), late));
    world.faults.add(Rule::new(queues, When::Nth(3), Effect::Limit));
    assert_eq!(desk.get(queues).await.0, 401);
    desk.sign_in().await;
    assert_eq!(desk.send(Method::GET, queues, None).await.status(), 504);
    let answer = desk.send(Method::GET, queues, None).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert!(desk.standin.world().log.violations().is_empty(), "a fault is no violation");
    desk.clock.advance(SECOND);
    for count in 1..=4 {
        let answer = desk.send(Method::GET, queues, None).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["inin-ratelimit-count"].to_str().unwrap(), count.to_string());
        desk.clock.advance(10 * SECOND);
    }
    let answer = desk.send(Method::GET, queues, None).await;
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((header("retry-after"), header("inin-ratelimit-reset")), ("20".to_owned(), "20".to_owned()));
    assert_eq!(header("inin-ratelimit-allowed"), "4");
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "too.many.requests.retry.after");
    assert_eq!(desk.standin.world().log.violations()["client.credentials.token.rate.per.minute"], 1);
    desk.clock.advance(20 * SECOND);
    assert_eq!(desk.get(queues).await.0, 200);
}

#[tokio::test]
async fn bad_requests() {
    let desk = Desk::new(plain(), one_call(), on("12:00:00")).await;
    let refused = [
        (AGGREGATES, one_hour(&json!({"groupby": ["queueId"]}))),
        (AGGREGATES, one_hour(&json!({"metrics": ["nothing"]}))),
        (AGGREGATES, one_hour(&json!({"granularity": "PT7M"}))),
        (AGGREGATES, one_hour(&json!({"filter": {"type": "and", "predicates": [{"dimension": "queue"}]}}))),
        (AGGREGATES, one_hour(&json!({"filter": {"type": "and", "predicate": []}}))),
        (AGGREGATES, json!({"interval": "2024-03-01T08:00:00Z"})),
        (AGGREGATES, json!({"interval": "2024-03-01T00:00:00Z/2024-03-02T00:15:00Z", "granularity": "PT15M"})),
        (DETAILS, one_hour(&json!({"paging": {"pageSize": 101}}))),
        (DETAILS, one_hour(&json!({"paging": {"pageSize": 10, "cursor": "x"}}))),
        (JOBS, one_hour(&json!({"paging": {"pageSize": 10}}))),
        ("/api/v2/analytics/users/details/query", json!({"interval": "2024-03-01T00:00:00Z/2024-03-08T00:01:00Z"})),
    ];
    for (path, body) in refused {
        let (status, answer) = desk.post(path, &body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("bad.request")), "{path} {body}");
    }
    assert_eq!(desk.standin.world().log.violations()["interval"], 2);
    let large = one_hour(&json!({"metrics": ["x".repeat(512_000)]}));
    assert_eq!(desk.post(AGGREGATES, &large).await.0, 413);
    assert_eq!(desk.get(AGGREGATES).await.0, 405);
    assert_eq!(desk.get("/api/v2/nothing").await.0, 404);
}

#[tokio::test]
async fn the_example_of_aggregates() {
    let settings = Settings { counts_abandoned_over_sla: true, ..plain() };
    let desk = Desk::new(settings, a_quarter(), on("12:00:00")).await;
    let body = one_hour(&json!({
        "granularity": "PT15M", "groupBy": ["queueId", "mediaType"],
        "filter": {"type": "and", "predicates": [
            {"dimension": "queueId", "operator": "exists"}, {"dimension": "originatingDirection", "value": "inbound"}]},
        "metrics": ["nOffered", "tAnswered", "tAbandon", "tHandle", "nOverSla", "oServiceLevel", "tFlowOut"],
    }));
    let (status, mut answer) = desk.post(AGGREGATES, &body).await;
    assert_eq!(status, 200);
    let level = &mut answer["results"][0]["data"][0]["metrics"][5]["stats"]["ratio"];
    assert!((level.as_f64().unwrap() - 0.833).abs() < 0.001);
    *level = json!(0.83);
    assert_eq!(
        answer,
        json!({"results": [{"group": {"queueId": "q-1", "mediaType": "voice"}, "data": [
            {"interval": "2024-03-01T08:00:00.000Z/2024-03-01T08:15:00.000Z", "metrics": [
                {"metric": "nOffered", "stats": {"count": 12}},
                {"metric": "tAnswered", "stats": {"count": 10, "sum": 85_000, "min": 2_000, "max": 21_000}},
                {"metric": "tAbandon", "stats": {"count": 2, "sum": 64_000, "min": 20_000, "max": 44_000}},
                {"metric": "tHandle", "stats": {"count": 9, "sum": 2_430_000, "min": 60_000, "max": 400_000}},
                {"metric": "nOverSla", "stats": {"count": 1}},
                {"metric": "oServiceLevel", "stats": {"ratio": 0.83, "numerator": 10, "denominator": 12, "target": 0.8}}]},
            // The handle time of the last call falls where its after-call work ends.
            {"interval": "2024-03-01T08:15:00.000Z/2024-03-01T08:30:00.000Z", "metrics": [
                {"metric": "tHandle", "stats": {"count": 1, "sum": 300_000, "min": 300_000, "max": 300_000}}]}]}]})
    );
    let nobody = json!({"type": "and", "predicates": [{"dimension": "queueId", "value": "q-9"}]});
    assert_eq!(desk.post(AGGREGATES, &one_hour(&json!({"filter": nobody}))).await, (200, json!({})));
    let full = Desk::new(Settings { omits_empty: false, ..plain() }, a_quarter(), on("12:00:00")).await;
    assert_eq!(full.post(AGGREGATES, &one_hour(&json!({"filter": nobody}))).await, (200, json!({"results": []})));
    // Half-hours, and nothing of what is still to come.
    desk.clock.set(on("08:02:00"));
    let body = one_hour(&json!({"granularity": "PT30M", "groupBy": ["mediaType"], "metrics": ["nOffered", "tHandle"]}));
    let interval = "2024-03-01T08:00:00.000Z/2024-03-01T08:30:00.000Z";
    let metrics = json!([{"metric": "nOffered", "stats": {"count": 9}},
        {"metric": "tHandle", "stats": {"count": 1, "sum": 60_000, "min": 60_000, "max": 60_000}}]);
    let expected =
        json!({"results": [{"group": {"mediaType": "voice"}, "data": [{"interval": interval, "metrics": metrics}]}]});
    assert_eq!(desk.post(AGGREGATES, &body).await.1, expected);
}

#[tokio::test]
async fn the_example_of_conversations() {
    let example = json!({"conversationId": "c-1", "conversationStart": "2024-03-01T08:01:00.000Z",
        "conversationEnd": "2024-03-01T08:06:30.000Z", "originatingDirection": "inbound", "divisionIds": ["d-1"],
        "participants": [
            {"participantId": "p-2", "purpose": "acd", "sessions": [
                {"sessionId": "s-2", "mediaType": "voice", "direction": "inbound",
                 "metrics": [{"name": "nOffered", "value": 1, "emitDate": "2024-03-01T08:01:10.000Z"},
                             {"name": "tAcd", "value": 15_000, "emitDate": "2024-03-01T08:01:25.000Z"}],
                 "segments": [{"segmentStart": "2024-03-01T08:01:10.000Z", "segmentEnd": "2024-03-01T08:01:25.000Z",
                               "segmentType": "interact", "queueId": "q-1", "disconnectType": "transfer"}]}]},
            {"participantId": "p-3", "purpose": "agent", "userId": "u-1", "sessions": [
                {"sessionId": "s-3", "mediaType": "voice",
                 "metrics": [{"name": "tAnswered", "value": 15_000, "emitDate": "2024-03-01T08:01:25.000Z"},
                             {"name": "tHandle", "value": 305_000, "emitDate": "2024-03-01T08:06:30.000Z"}],
                 "segments": [{"segmentStart": "2024-03-01T08:01:25.000Z", "segmentEnd": "2024-03-01T08:05:30.000Z",
                               "segmentType": "interact", "queueId": "q-1"},
                              {"segmentStart": "2024-03-01T08:05:30.000Z", "segmentEnd": "2024-03-01T08:06:30.000Z",
                               "segmentType": "wrapup", "queueId": "q-1", "wrapUpCode": "w-1"}]}]}]});
    let desk = Desk::new(plain(), one_call(), on("12:00:00")).await;
    let (status, answer) = desk.post(DETAILS, &one_hour(&json!({"order": "asc"}))).await;
    assert_eq!((status, &answer["totalHits"]), (200, &json!(1)));
    assert!(contains(&answer["conversations"][0], &example), "{answer:#}");
    let filter = |name: &str, value: &str| {
        let predicates = json!([{"type": "dimension", "dimension": name, "operator": "matches", "value": value}]);
        one_hour(&json!({"segmentFilters": [{"type": "or", "predicates": predicates}]}))
    };
    assert_eq!(desk.post(DETAILS, &filter("userId", "u-1")).await.1["totalHits"], 1);
    assert_eq!(desk.post(DETAILS, &filter("queueId", "q-2")).await, (200, json!({"totalHits": 0})));
    // While it goes on, it has no end, and what is still to come is not there.
    desk.clock.set(on("08:05:40"));
    let (_, answer) = desk.post(DETAILS, &one_hour(&json!({}))).await;
    let call = &answer["conversations"][0];
    assert!(call.get("conversationEnd").is_none() && !answer.to_string().contains("tHandle"), "{answer:#}");
    let wrap = json!({"segmentStart": "2024-03-01T08:05:30.000Z", "segmentType": "wrapup", "queueId": "q-1"});
    assert_eq!(call["participants"].as_array().unwrap().last().unwrap()["sessions"][0]["segments"][1], wrap);
}

#[tokio::test]
async fn a_call_across_midnight_belongs_to_the_day_of_its_start() {
    let mut ledger = Ledger::new(agents(), vec![Queue::calls("Sales")]);
    for (id, start) in [(1, on("23:59:00")), (2, on("23:59:00") + DAY), (3, on("00:10:00") + DAY)] {
        let mut call = contact(id, start);
        call.passes.push(answered(0, start, 10, 0, [0, 300, 0, 0]));
        ledger.add_contact(call);
    }
    let desk = Desk::new(plain(), ledger, on("12:00:00") + 2 * DAY).await;
    let second_day = json!({"interval": "2024-03-02T00:00:00Z/2024-03-02T01:00:00Z"});
    let ids = |answer: &Value| {
        let all = answer["conversations"].as_array().into_iter().flatten();
        all.map(|one| one["conversationId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&desk.post(DETAILS, &second_day).await.1), ["c-3"]);
    // Jobs return what overlaps, unless they are told to match the day.
    for (by_day, expected) in [(false, vec!["c-1", "c-3"]), (true, vec!["c-3"])] {
        let mut body = second_day.clone();
        body["startOfDayIntervalMatching"] = json!(by_day);
        let (status, job) = desk.post(JOBS, &body).await;
        assert_eq!(status, 202);
        let job = format!("{JOBS}/{}", job["jobId"].as_str().unwrap());
        for _ in 0..3 {
            desk.get(&job).await;
        }
        assert_eq!(ids(&desk.get(&format!("{job}/results")).await.1), expected);
    }
}

#[tokio::test]
async fn jobs() {
    let mut ledger = a_quarter();
    let mut late = contact(99, on("11:00:00"));
    late.passes.push(Pass::new(Some(0), on("11:00:00"), SECOND, PassResult::Abandoned));
    ledger.add_contact(late);
    let settings = Settings { jobs_lag: 2 * HOUR, results_page: 7, ..plain() };
    let desk = Desk::new(settings, ledger, on("12:00:30")).await;
    let available = json!({"dataAvailabilityDate": "2024-03-01T10:00:00.000Z"});
    assert_eq!(desk.get(&format!("{JOBS}/availability")).await, (200, available));
    let day = json!({"interval": "2024-03-01T00:00:00Z/2024-03-02T00:00:00Z"});
    let submit = async || desk.post(JOBS, &day).await.1["jobId"].as_str().unwrap().to_owned();
    let job = format!("{JOBS}/{}", submit().await);
    assert_eq!(desk.get(&format!("{job}/results")).await.0, 400, "not yet");
    for state in ["QUEUED", "PENDING", "FULFILLED", "FULFILLED"] {
        let (_, answer) = desk.get(&job).await;
        assert_eq!(answer["state"], state);
        assert_eq!(answer.get("completionDate").is_some(), state == "FULFILLED");
    }
    let (_, first) = desk.get(&format!("{job}/results")).await;
    assert_eq!(first["conversations"].as_array().unwrap().len(), 7);
    assert_eq!(first["dataAvailabilityDate"], "2024-03-01T10:00:00.000Z");
    let customer = &first["conversations"][0]["participants"][0];
    assert_eq!(customer["attributes"]["note"].as_str().unwrap().len(), 1_024);
    let (_, second) = desk.get(&format!("{job}/results?cursor={}", first["cursor"].as_str().unwrap())).await;
    assert_eq!(second["conversations"].as_array().unwrap().len(), 5, "what came after is not available yet");
    assert!(second.get("cursor").is_none());
    assert_eq!(desk.send(Method::DELETE, &job, None).await.status(), 204);
    assert_eq!(desk.get(&job).await.0, 404);
    for end in ["FAILED", "EXPIRED"] {
        let faults = &desk.standin.world().faults;
        faults.clear();
        let rule = Rule::new("conversations/details/jobs/status", When::Nth(2), Effect::Fault(end.to_owned()));
        faults.add(rule);
        let job = format!("{JOBS}/{}", submit().await);
        let states = [desk.get(&job).await.1, desk.get(&job).await.1, desk.get(&job).await.1];
        assert_eq!(states.each_ref().map(|answer| answer["state"].as_str().unwrap()), ["QUEUED", end, end]);
        assert_eq!(states[2].get("errorMessage").is_some(), end == "FAILED");
        assert_eq!(desk.get(&format!("{job}/results")).await.0, 410);
    }
}

#[tokio::test]
async fn the_truth_by_hand() {
    let mut ledger = Ledger::new(agents(), vec![Queue::calls("Sales, \"A\""), Queue::calls("Second")]);
    // Rings over the border of a quarter, is handed to another agent, then to another queue over the next border.
    let mut call = contact(1, on("08:14:00"));
    let mut pass = answered(0, on("08:14:30"), 25, 0, [10, 60, 0, 20]);
    pass.handlings.push(Handling { role: Role::Transfer, ..handling(1, on("08:16:05"), [5, 100, 10, 780]) });
    call.passes.push(pass);
    call.passes.push(Pass::new(Some(1), on("08:29:50"), 15 * SECOND, PassResult::Abandoned));
    ledger.add_contact(call);
    let mut moved = contact(2, on("08:00:00"));
    moved.passes.push(Pass::new(Some(0), on("08:00:05"), 5 * SECOND, PassResult::BrokeOut("rule")));
    moved.passes.push(answered(1, on("08:00:10"), 8, 1, [2, 30, 0, 0]));
    ledger.add_contact(moved);
    let mut dialled = contact(3, on("08:05:00"));
    dialled.direction = Direction::Outbound;
    dialled.passes.push(Pass { queue: None, result: PassResult::Outside, ..answered(0, on("08:05:00"), 0, 0, [9; 4]) });
    ledger.add_contact(dialled);
    let desk = Desk::new(plain(), ledger, on("12:00:00")).await;
    let get = async |table: &str| {
        let range = "from=2024-03-01T08:00:00Z&to=2024-03-01T09:00:00Z";
        let url = format!("{}/_ledger/{table}?{range}", desk.standin.url());
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    let expected = "queue,channel,start,offered,handled,handle_time\n\
        q-1,calls,2024-03-01T08:00:00Z,2,0,0\n\
        q-1,calls,2024-03-01T08:15:00Z,0,1,80\n\
        q-1,calls,2024-03-01T08:30:00Z,0,0,890\n\
        q-2,calls,2024-03-01T08:00:00Z,1,1,30\n\
        q-2,calls,2024-03-01T08:15:00Z,1,0,0\n\
        q-2,calls,2024-03-01T08:30:00Z,0,0,0\n";
    assert_eq!(get("contacts").await, expected);
    assert_eq!(desk.standin.contact_table(on("08:00:00"), on("09:00:00"), on("12:00:00")), expected);
    let name = "\"Sales, \"\"A\"\"\"";
    let expected = format!(
        "queue,name,channel,start,offered,handled,handle_time,handle_number,abandoned,wait_time,wait_number,\
         within_service_level\n\
         q-1,{name},calls,2024-03-01T08:00:00Z,2,0,0,0,0,0,0,0\n\
         q-1,{name},calls,2024-03-01T08:15:00Z,0,1,80,1,0,35,1,0\n\
         q-1,{name},calls,2024-03-01T08:30:00Z,0,0,890,1,0,0,0,0\n\
         q-2,Second,calls,2024-03-01T08:00:00Z,1,1,30,1,0,10,1,1\n\
         q-2,Second,calls,2024-03-01T08:15:00Z,1,0,0,0,0,0,0,0\n\
         q-2,Second,calls,2024-03-01T08:30:00Z,0,0,0,0,1,0,0,0\n"
    );
    assert_eq!(get("measures").await, expected);
    // As of an instant: what has not happened does not count.
    let early = desk.standin.contact_table(on("08:00:00"), on("09:00:00"), on("08:16:04"));
    assert!(early.contains("q-1,calls,2024-03-01T08:15:00Z,0,1,\n"), "handled, and no handle time yet: {early}");
    assert_eq!(desk.standin.measured(on("08:16:30")).len(), 3);
}
