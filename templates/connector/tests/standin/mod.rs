//! A stand-in for the system: its two lists on a port of this machine, with a ledger of what it holds, and its faults.
//!
//! It knows nothing of the connector: what both understood alike and wrong would prove nothing.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat};
use serde::Deserialize;
use serde_json::{Value, json};

/// The key that the stand-in accepts.
pub const KEY: &str = "k3y-of-acme";

/// Seconds since 1970 of 2024-03-30T06:00:00Z, when the first contact came. The next night clocks go forward in Europe.
pub const FIRST: i64 = 1_711_778_400;
/// Seconds since 1970 of 2024-04-02T00:00:00Z.
pub const AS_OF: i64 = 1_712_016_000;

/// A pass of a contact through a queue, in seconds since 1970 and seconds.
#[derive(Debug, Clone)]
pub struct Contact {
    pub queue: &'static str,
    pub medium: &'static str,
    pub entered: i64,
    pub wait: Option<i64>,
    pub work: Option<i64>,
}

/// What an agent did.
#[derive(Debug, Clone)]
pub struct Status {
    pub agent: &'static str,
    pub status: &'static str,
    pub since: i64,
    pub until: Option<i64>,
}

/// What is wrong with the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    AsksToWait,
    AnswersOddly,
    NeverAnswers,
    RepeatsAPage,
    LeavesOutAPage,
    ShortensAPage,
}

/// What the system holds and does.
#[derive(Debug, Clone)]
pub struct System {
    pub contacts: Vec<Contact>,
    pub statuses: Vec<Status>,
    /// Up to when it knows everything, in seconds since 1970.
    pub as_of: i64,
    /// How many rows it lists for one question, and how many stand on a page.
    pub cap: usize,
    pub page: usize,
    pub fault: Option<Fault>,
}

impl Default for System {
    /// A contact every 31 minutes for two days, every fifth abandoned, every third a chat; three agents with a status for 40 of
    /// every 47 minutes, the last without an end.
    fn default() -> Self {
        let contact = |k: i64| Contact {
            queue: if k % 2 == 0 { "Hotline" } else { "Orders" },
            medium: if k % 3 == 0 { "chat" } else { "voice" },
            entered: FIRST + k * 31 * 60,
            wait: (k % 5 != 4).then_some(10 + k),
            work: (k % 5 != 4).then_some(200 + k),
        };
        let status = |k: i64| {
            let since = FIRST + k / 3 * 47 * 60;
            Status {
                agent: ["anna", "ben", "carla"][k as usize % 3],
                status: ["Available", "Break", "Available", "Logged off"][k as usize / 3 % 4],
                since,
                until: (k < 177).then_some(since + 40 * 60),
            }
        };
        let (contacts, statuses) = ((0..93).map(contact).collect(), (0..180).map(status).collect());
        Self { contacts, statuses, as_of: AS_OF, cap: 10_000, page: 25, fault: None }
    }
}

/// The system, served until it is dropped.
#[derive(Debug)]
pub struct StandIn {
    pub system: Arc<System>,
    /// Where it answers.
    pub url: String,
    _runtime: tokio::runtime::Runtime,
}

impl StandIn {
    /// Serves a system on a free port.
    pub fn serve(system: System) -> Self {
        let system = Arc::new(system);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/demo", get(account)).route("/v1/demo/{list}", get(list));
        let router = router.with_state(Arc::clone(&system));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { system, url, _runtime: runtime }
    }

    /// The configuration of a connector that reads it; `key` is the key or names it.
    pub fn config(&self, key: &str) -> String {
        config(&self.url, key)
    }
}

/// The configuration of a connector that reads the system at `url`.
pub fn config(url: &str, key: &str) -> String {
    format!("url = '{url}'\naccount = 'demo'\nkey = '{key}'\nrequests_per_minute = 300\n")
}

/// What stands in the way of an answer.
async fn refusal(system: &System, headers: &HeaderMap) -> Option<Response> {
    if headers.get("authorization").is_none_or(|given| given != &format!("Bearer {KEY}")) {
        return Some((StatusCode::UNAUTHORIZED, "no such key").into_response());
    }
    match system.fault? {
        Fault::AsksToWait => Some((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "20")]).into_response()),
        Fault::AnswersOddly => Some(Json(json!({"rows": 42})).into_response()),
        Fault::NeverAnswers => std::future::pending().await,
        Fault::RepeatsAPage | Fault::LeavesOutAPage | Fault::ShortensAPage => None,
    }
}

async fn account(State(system): State<Arc<System>>, headers: HeaderMap) -> Response {
    let refusal = refusal(&system, &headers).await;
    refusal.unwrap_or_else(|| Json(json!({"name": "Demo account"})).into_response())
}

#[derive(Deserialize)]
struct Asked {
    from: String,
    to: String,
    page: usize,
}

/// What starts in that time.
fn contacts(system: &System, from: i64, to: i64) -> Vec<Value> {
    let mut rows = Vec::new();
    for (id, Contact { queue, medium, entered, wait, work }) in system.contacts.iter().enumerate() {
        if (from..to).contains(&(entered * 1_000)) {
            let entered = instant(*entered);
            rows.push(json!({
                "id": format!("c-{id}"), "queue": queue, "medium": medium, "entered": entered, "wait_secs": wait, "work_secs": work,
            }));
        }
    }
    rows
}

/// What reaches into that time.
fn statuses(system: &System, from: i64, to: i64) -> Vec<Value> {
    let mut rows = Vec::new();
    for (id, Status { agent, status, since, until }) in system.statuses.iter().enumerate() {
        if since * 1_000 < to && until.is_none_or(|until| from < until * 1_000) {
            let (since, until) = (instant(*since), until.map(instant));
            rows.push(
                json!({"id": format!("s-{id}"), "agent": agent, "status": status, "since": since, "until": until}),
            );
        }
    }
    rows
}

/// One page of a list.
async fn list(
    State(system): State<Arc<System>>,
    Path(list): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&system, &headers).await {
        return refusal;
    }
    let (Some(from), Some(to)) = (millis(&asked.from), millis(&asked.to)) else {
        return (StatusCode::BAD_REQUEST, "from, to: expected an instant").into_response();
    };
    if to - from > 31 * 86_400_000 {
        return (StatusCode::BAD_REQUEST, "from, to: a month at most").into_response();
    }
    let mut rows = match list.as_str() {
        "contacts" => contacts(&system, from, to),
        "statuses" => statuses(&system, from, to),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let is_cut = rows.len() > system.cap;
    rows.truncate(system.cap);
    let total = rows.len();
    let mut pages: Vec<Vec<Value>> = rows.chunks(system.page).map(<[Value]>::to_vec).collect();
    match (system.fault, pages.len()) {
        (Some(Fault::RepeatsAPage), 1..) => pages.insert(1, pages[0].clone()),
        (Some(Fault::LeavesOutAPage), 2..) => drop(pages.remove(1)),
        (Some(Fault::ShortensAPage), 1..) => drop(pages[0].pop()),
        _ => {}
    }
    let rows = asked.page.checked_sub(1).and_then(|page| pages.get(page)).cloned().unwrap_or_default();
    let as_of = instant(system.as_of);
    Json(json!({"rows": rows, "total": total, "pages": pages.len(), "is_cut": is_cut, "as_of": as_of})).into_response()
}

/// Milliseconds since 1970.
fn millis(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.timestamp_millis())
}

fn instant(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap().to_rfc3339_opts(SecondsFormat::Secs, true)
}
