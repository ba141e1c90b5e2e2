//! What all stand-ins share: a server on a port, the log, the faults and the pages with the truth.
//!
//! `/_ledger/contacts`, `/_ledger/statuses` and `/_ledger/status-times` with `from`, `to` and perhaps `now` (RFC 3339) answer
//! with the truth tables, contacts also with a `grouping` other than that of the settings. They are no part of the vendor: neither logged nor struck by faults.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use futures::future::BoxFuture;
use futures::stream;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::faults::{Effect, Faults, RetryAfter};
use crate::ledger::Ledger;
use crate::ledger::truth::{self, Counted, Told};
use crate::log::{Asked, Log};
use crate::time::{self, Ms, SECOND};

/// What a stand-in shows and by what it is steered.
#[derive(Debug)]
pub struct World {
    ledger: RwLock<Ledger>,
    /// The present.
    pub clock: Clock,
    /// What goes wrong.
    pub faults: Faults,
    /// What was asked.
    pub log: Log,
}

impl World {
    pub(crate) fn new(ledger: Ledger, clock: Clock) -> Self {
        Self { ledger: RwLock::new(ledger), clock, faults: Faults::default(), log: Log::default() }
    }

    /// The truth.
    pub fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the truth.
    pub fn edit(&self, edit: impl FnOnce(&mut Ledger)) {
        edit(&mut self.ledger.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A request, read whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query_text: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) at: Ms,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// User and password of `Authorization: Basic`.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        use base64::Engine;
        let code = self.header("authorization").strip_prefix("Basic ")?;
        let text = base64::engine::general_purpose::STANDARD.decode(code.trim()).ok()?;
        let text = String::from_utf8(text).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }
}

/// An answer before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, "application/json; charset=utf-8", body)
    }
}

/// A vendor behind the server.
pub(crate) trait Vendor: Send + Sync + 'static {
    fn world(&self) -> &World;

    /// The name of the operation where the path does not give it.
    fn operation(&self, request: &Request) -> String;

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answer>;

    /// Plays [`Effect::Fault`], [`Effect::Limit`] or [`Effect::Expire`]; without an answer the request goes its usual way.
    fn play(&self, request: &Request, effect: &Effect) -> Option<Answer>;

    /// The contacts that a correct import at `now` knows; `grouping` names what makes a queue, none if that is not known.
    fn counted(&self, now: Ms, grouping: Option<&str>) -> Option<Vec<Counted>>;

    /// The states that a correct import at `now` knows.
    fn told(&self, now: Ms) -> Vec<Told>;

    /// A truth table of the vendor's own, by its name.
    fn table(&self, _name: &str, _range: (Ms, Ms), _now: Ms) -> Option<String> {
        None
    }

    /// The answer to a request for a socket, none for any other request.
    fn connect<'a>(&'a self, _parts: &'a mut Parts) -> BoxFuture<'a, Option<Response<Body>>> {
        Box::pin(std::future::ready(None))
    }
}

/// A server that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) router: axum::Router,
    _end: oneshot::Sender<()>,
}

impl Server {
    pub(crate) async fn start(listen: SocketAddr, vendor: Arc<dyn Vendor>) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let addr = listener.local_addr()?;
        let (end, ended) = oneshot::channel::<()>();
        let answer = move |request: axum::extract::Request| {
            let vendor = Arc::clone(&vendor);
            async move { answer(vendor, request).await }
        };
        let router = axum::Router::new().fallback(answer);
        let served = router.clone();
        tokio::spawn(async move {
            let ended = async {
                let _ = ended.await;
            };
            let _ = axum::serve(listener, served).with_graceful_shutdown(ended).await;
        });
        Ok(Self { addr, router, _end: end })
    }
}

async fn answer(vendor: Arc<dyn Vendor>, request: axum::extract::Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if let Some(response) = vendor.connect(&mut parts).await {
        return response;
    }
    let Ok(body) = axum::body::to_bytes(body, 1 << 24).await else {
        return send(Answer::new(400, "text/plain", "the body cannot be read"), None, 0);
    };
    let query_text = parts.uri.query().unwrap_or("").to_owned();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: form(&query_text),
        query_text,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        at: vendor.world().clock.now(),
    };
    if request.path.starts_with("/_ledger/") {
        return send(truth(vendor.as_ref(), &request), None, request.at);
    }
    let operation = vendor.operation(&request);
    let effect = vendor.world().faults.strike(&request.path, &operation);
    let played = match &effect {
        None | Some(Effect::Cut(_) | Effect::Slow { .. }) => None,
        Some(Effect::Status { status, body, retry_after }) => {
            Some(status_answer(*status, body, *retry_after, request.at))
        }
        Some(effect) => vendor.play(&request, effect),
    };
    let answer = match played {
        Some(answer) => answer,
        None => vendor.answer(&request).await,
    };
    vendor.world().log.answered(Asked {
        at: request.at,
        method: request.method,
        path: request.path,
        query: request.query_text,
        operation,
        status: answer.status,
        fault: effect.as_ref().map(|effect| format!("{effect:?}")),
    });
    send(answer, effect.as_ref(), vendor.world().clock.now())
}

fn status_answer(status: u16, body: &str, retry_after: RetryAfter, now: Ms) -> Answer {
    let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
    let mut answer = Answer::new(status, kind, body);
    match retry_after {
        RetryAfter::Unsaid => {}
        RetryAfter::Seconds(seconds) => answer.headers.push(("retry-after", seconds.to_string())),
        RetryAfter::Date(seconds) => {
            answer.headers.push(("retry-after", http_date(now + Ms::from(seconds) * SECOND)));
        }
    }
    answer
}

fn http_date(at: Ms) -> String {
    time::utc(at).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn send(answer: Answer, effect: Option<&Effect>, now: Ms) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status).header("date", http_date(now));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let length = answer.body.len();
    let bytes = Bytes::from(answer.body);
    let body = match effect {
        Some(Effect::Cut(at)) => pieces(vec![bytes.slice(..length.min(*at))], Duration::ZERO, true),
        Some(Effect::Slow { bytes: size, pause }) => {
            let size = (*size).max(1);
            let starts = (0..length).step_by(size);
            pieces(starts.map(|start| bytes.slice(start..length.min(start + size))).collect(), *pause, false)
        }
        _ => Body::from(bytes),
    };
    let response = response.header("content-length", length).body(body);
    response.unwrap_or_else(|error| Response::new(Body::from(error.to_string())))
}

/// A body that is sent in pieces, and perhaps breaks off after them.
fn pieces(pieces: Vec<Bytes>, pause: Duration, breaks: bool) -> Body {
    let ends = breaks.then(|| Err(io::Error::other("cut")));
    let pieces = pieces.into_iter().map(Ok).chain(ends);
    Body::from_stream(stream::unfold((pieces, true), move |(mut pieces, is_first)| async move {
        let piece = pieces.next()?;
        // What was sent so far goes out before the next piece, or the end.
        let pause = if breaks { Duration::from_millis(20) } else { pause };
        if !is_first {
            tokio::time::sleep(pause).await;
        }
        Some((piece, (pieces, false)))
    }))
}

fn truth(vendor: &dyn Vendor, request: &Request) -> Answer {
    let instant = |name: &str| request.query.get(name).and_then(|text| time::parse(&text.replace(' ', "+")));
    let now = instant("now").unwrap_or(request.at);
    let (Some(from), Some(to)) = (instant("from"), instant("to")) else {
        return Answer::new(400, "text/plain", "from and to are needed, as 2024-03-05T09:00:00Z\n");
    };
    let own = request.path.strip_prefix("/_ledger/").and_then(|name| vendor.table(name, (from, to), now));
    let table = match request.path.as_str() {
        _ if own.is_some() => own.unwrap_or_default(),
        "/_ledger/contacts" => match vendor.counted(now, request.query.get("grouping").map(String::as_str)) {
            Some(counted) => truth::contact_table(&counted, from, to),
            None => return Answer::new(400, "text/plain", "there is no such grouping\n"),
        },
        "/_ledger/statuses" => truth::status_table(&vendor.told(now), from, to, now),
        "/_ledger/status-times" => truth::status_time_table(&vendor.told(now), from, to, now),
        _ => return Answer::new(404, "text/plain", "there are contacts, statuses and status-times\n"),
    };
    Answer::new(200, "text/csv; charset=utf-8", table)
}

/// Reads a query or a form; of repeated names the last counts.
pub(crate) fn form(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &tail[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = form("a=1%2B2&b=x+y&%C3%BC=%2&c");
        let pairs: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "1+2"), ("b", "x y"), ("c", ""), ("ü", "%2")]);
    }
}
