//! What the tests of cloud connectors share: two clocks, a transport that leads straight into a stand-in, and tables to compare.

pub mod net;
pub mod record;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use futures::StreamExt;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use injixo_core::connector::{Connector, Context};
use injixo_core::http::{Answer, Connection, Request, Transport};
use injixo_core::model::{IntervalLength, Timestamp, Window};
use injixo_core::zone::{Grid, Zone};
use injixo_core::{Clock, Error, ErrorKind, Fill, MemoryStore, Result, Runtime, read_intervals};
use injixo_workspace::{StatusTimes, write_interval_table, write_intervals, write_status_times};
use tower::ServiceExt;
use vendor_standin::time::{DAY, Ms};

/// A clock on which nobody waits: whoever sleeps moves it, and with it the stand-in's.
#[derive(Debug, Clone)]
pub struct Hasty(pub vendor_standin::Clock);

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now())
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.0.set(at.millis().max(self.0.now()));
        tokio::task::yield_now().await;
    }
}

/// The paused time of a test's runtime, which goes on when everybody waits.
#[derive(Debug, Clone, Copy)]
pub struct Paused {
    base: i64,
    begun: tokio::time::Instant,
}

impl Paused {
    /// Shows `base` now.
    pub fn at(base: Ms) -> Self {
        Self { base, begun: tokio::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.base + i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, at: Timestamp) {
        let after = u64::try_from(at.millis() - self.base).unwrap_or(0).min(10 * 366 * 86_400_000);
        tokio::time::sleep_until(self.begun + std::time::Duration::from_millis(after)).await;
    }
}

/// Leads requests into a stand-in without a network, so that paused time stands while they are answered.
#[derive(Debug, Clone)]
pub struct InProcess {
    router: Router,
    clock: Paused,
    shown: vendor_standin::Clock,
}

impl InProcess {
    /// Has the stand-in's clock follow ever so often, also while nothing is asked: for sockets, on which the stand-in speaks first.
    pub fn ticking(&self, every: std::time::Duration) {
        let (clock, shown) = (self.clock, self.shown.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                shown.set(clock.now().millis());
            }
        });
    }

    /// Into the stand-in behind `router`, whose clock `shown` follows `clock`.
    pub fn new(router: Router, clock: Paused, shown: vendor_standin::Clock) -> Arc<Self> {
        Arc::new(Self { router, clock, shown })
    }

    fn sent(&self, request: &Request) -> Result<axum::http::Request<Body>> {
        let mut sent = axum::http::Request::builder().method(request.method()).uri(request.url());
        // As a client of the network would add it.
        let host = request.url().split('/').nth(2).unwrap_or_default();
        for (name, value) in [("host", host)].into_iter().chain(request.headers()) {
            sent = sent.header(name, value);
        }
        let wrong = |error: axum::http::Error| Error::new(ErrorKind::Unexpected, error.to_string());
        sent.body(Body::from(request.content().clone())).map_err(wrong)
    }
}

fn headers(headers: &axum::http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: &Request) -> Result<Answer> {
        self.shown.set(self.clock.now().millis());
        let Ok(response) = self.router.clone().oneshot(self.sent(request)?).await;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: headers(response.headers()),
            body: response
                .into_body()
                .into_data_stream()
                .map(|piece| piece.map_err(|_| Error::new(ErrorKind::Unavailable, "the connection was lost")))
                .boxed(),
        })
    }

    async fn upgrade(&self, request: &Request) -> Result<(Answer, Connection)> {
        self.shown.set(self.clock.now().millis());
        let lost = |error: hyper::Error| Error::new(ErrorKind::Unavailable, error.to_string());
        let (here, there) = tokio::io::duplex(1 << 16);
        let serve = TowerToHyperService::new(self.router.clone());
        let serve = server::Builder::new().serve_connection(TokioIo::new(there), serve).with_upgrades();
        tokio::spawn(serve);
        let (mut sender, connection) = client::handshake(TokioIo::new(here)).await.map_err(lost)?;
        tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(self.sent(request)?).await.map_err(lost)?;
        let head = Answer {
            status: response.status().as_u16(),
            headers: headers(response.headers()),
            body: futures::stream::empty().boxed(),
        };
        if head.status != 101 {
            return Err(Error::new(ErrorKind::Protocol, format!("the system keeps to HTTP (HTTP {})", head.status)));
        }
        Ok((head, Connection::new(TokioIo::new(hyper::upgrade::on(response).await.map_err(lost)?))))
    }
}

/// A window.
///
/// # Panics
///
/// If it is none.
pub fn window(from: Ms, to: Ms) -> Window {
    Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).expect("a window")
}

/// The contacts of a window by a single read, as a table.
///
/// # Errors
///
/// Those of the read.
///
/// # Panics
///
/// If rows were rejected.
pub async fn contacts(connector: &dyn Connector, cx: &Context, window: Window) -> Result<String> {
    let (table, report) = read_intervals(connector, window, cx, |row| panic!("{row}")).await?;
    assert_eq!(report.rejected, 0, "{report}");
    let mut out = Vec::new();
    write_interval_table(&table, Some(window), &mut out).expect("memory");
    Ok(String::from_utf8(out).expect("text"))
}

/// How long agents were in which status, by a single read, as a table.
///
/// # Errors
///
/// Those of the read.
pub async fn statuses(connector: impl Connector, clock: impl Clock, window: Window) -> Result<String> {
    let now = clock.now();
    let runtime = Runtime::new(MemoryStore::new()).clock(clock);
    let integration = runtime.add("one", connector).await?;
    // What began before the window.
    integration.import_statuses(self::window(window.from().millis() - 31 * DAY, window.from().millis())).await?;
    let report = integration.import_statuses(window).await?;
    assert_eq!(report.rejected, 0, "{report}");
    Ok(status_times(&runtime, "one", window, now).await)
}

/// What a runtime holds of the contacts of an integration, as a table.
///
/// # Panics
///
/// If the store cannot be read.
pub async fn stored_contacts(runtime: &Runtime, name: &str, window: Window) -> String {
    let mut out = Vec::new();
    let how = (Some(IntervalLength::MINUTES_15), Fill::Empty, &Zone::utc());
    write_intervals(runtime, name, how, Some(window), &mut out).await.expect("a table");
    String::from_utf8(out).expect("text")
}

/// What a runtime holds of the statuses of an integration, as a table.
///
/// # Panics
///
/// If the store cannot be read.
pub async fn status_times(runtime: &Runtime, name: &str, window: Window, now: Timestamp) -> String {
    let times = StatusTimes {
        grid: Grid::new(&Zone::utc(), IntervalLength::MINUTES_15),
        overlap: injixo_core::aggregate::Overlap::Shortest,
        as_of: Some(now),
        logged_off: Default::default(),
        window: Some(window),
    };
    let mut out = Vec::new();
    write_status_times(runtime, name, &times, &mut out).await.expect("a table");
    String::from_utf8(out).expect("text")
}

/// Fails with the first lines that differ.
///
/// # Panics
///
/// If the tables differ.
#[track_caller]
pub fn assert_same(found: &str, truth: &str) {
    let (found, truth): (Vec<&str>, Vec<&str>) = (found.lines().collect(), truth.lines().collect());
    let (mut found_sorted, mut truth_sorted) = (found.clone(), truth.clone());
    found_sorted.sort_unstable();
    truth_sorted.sort_unstable();
    if found_sorted == truth_sorted {
        return;
    }
    let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<std::collections::BTreeSet<_>>();
    let (found_set, truth_set) = (set(&found), set(&truth));
    let more: Vec<&String> = found_set.difference(&truth_set).take(12).collect();
    let less: Vec<&String> = truth_set.difference(&found_set).take(12).collect();
    panic!("{} lines found, {} true\nfound only: {more:#?}\ntrue only: {less:#?}", found.len(), truth.len());
}

/// Every entry of a checklist names tests, and there are such tests in the sources.
///
/// # Panics
///
/// If one is missing.
#[track_caller]
pub fn assert_covered(checklist: &[(&str, &[&str])], sources: &[&str]) {
    for (what, tests) in checklist {
        assert!(!tests.is_empty(), "{what} has no test");
        for test in *tests {
            let is_there = |source: &&str| source.contains(&format!("async fn {test}()"));
            assert!(sources.iter().any(is_there), "{what}: there is no test {test}");
        }
    }
}

/// A stand-in on a runtime of its own, for tests that have none.
#[derive(Debug)]
pub struct Served<S> {
    standin: S,
    _runtime: tokio::runtime::Runtime,
}

impl<S: Send + 'static> Served<S> {
    /// Starts what `start` makes.
    ///
    /// # Panics
    ///
    /// If there is no runtime to be had.
    pub fn new(start: impl Future<Output = S> + Send + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        Self { standin: runtime.block_on(start), _runtime: runtime }
    }
}

impl<S> std::ops::Deref for Served<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.standin
    }
}
