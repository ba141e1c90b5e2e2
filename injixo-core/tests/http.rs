//! The HTTP client against a server that does as it is told, byte by byte.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use injixo_core::connector::{Budget, Context};
use injixo_core::http::{HttpClient, HttpSettings, Reply, Request, Retry, SignIn};
use injixo_core::model::{Millis, Timestamp};
use injixo_core::testkit::TestClock;
use injixo_core::{Clock, ErrorKind, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn hasty() -> (TestClock, Context) {
    let clock = TestClock::at("2024-03-05T09:00:00Z".parse().unwrap()).hasty();
    (clock.clone(), Context::new(Arc::new(clock)))
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
struct Seen {
    head: String,
    body: String,
    at: Timestamp,
}

impl Seen {
    fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").filter(|header| header.0.eq_ignore_ascii_case(name)).is_some();
        self.head.lines().find(|line| of(line)).and_then(|line| line.split_once(": ")).map(|header| header.1)
    }
}

/// What the server does about a request: the bytes that it answers, after which it closes the connection, or nothing at all.
enum Does {
    Answers(Vec<u8>),
    Hangs(Vec<u8>),
}

fn answer(status: &str, headers: &str, body: &str) -> Does {
    Does::Answers(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes())
}

struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Does with the request of that number, from 0, what `does` says.
    async fn new(clock: TestClock, does: impl Fn(usize, &Seen) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, does) = (Arc::clone(&seen), Arc::new(does));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, does, clock) = (Arc::clone(&log), Arc::clone(&does), clock.clone());
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let request = loop {
                        let mut piece = [0; 4096];
                        let read = stream.read(&mut piece).await.unwrap_or(0);
                        bytes.extend_from_slice(&piece[..read]);
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        if let Some((head, body)) = text.split_once("\r\n\r\n") {
                            let seen = Seen { head: head.to_owned(), body: body.to_owned(), at: clock.now() };
                            let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
                            if body.len() >= length {
                                break seen;
                            }
                        }
                        if read == 0 {
                            return;
                        }
                    };
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        log.len() - 1
                    };
                    match does(number, &request) {
                        Does::Answers(bytes) => stream.write_all(&bytes).await.unwrap_or_default(),
                        Does::Hangs(bytes) => {
                            stream.write_all(&bytes).await.unwrap_or_default();
                            std::future::pending().await
                        }
                    }
                });
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn paths(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.path().to_owned()).collect()
    }
}

fn client() -> HttpClient {
    HttpClient::new(&HttpSettings::default()).unwrap()
}

#[tokio::test]
async fn trouble_cut_answers_and_requests_to_wait_are_survived() {
    let (clock, cx) = hasty();
    let server = Server::new(clock, |number, _| match number {
        0 => answer("503 Service Unavailable", "", ""),
        1 => answer("429 Too Many Requests", "retry-after: 7\r\n", ""),
        2 => Does::Answers(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n[1, 2".to_vec()),
        3 => Does::Answers(b"HTTP/1.1 200 OK\r\n\r\n[1, 2".to_vec()),
        4 => Does::Answers(Vec::new()),
        _ => answer("200 OK", "", "[1, 2, 3]"),
    })
    .await;
    let client = client();
    let request = Request::get(format!("{}/numbers", server.url)).query("from", "a b");
    // Five attempts were not enough.
    let error = client.send(&cx, &request, Reply::json::<Vec<u8>>).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("/numbers") && error.to_string().contains("attempts: 5"), "{error}");
    assert_eq!(client.send(&cx, &request, Reply::json::<Vec<u8>>).await.unwrap(), [1, 2, 3]);
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.path() == "/numbers?from=a%20b"), "{seen:?}");
    let waited = seen[2].at.since(seen[1].at);
    assert!(waited >= Millis::from_secs(7) && waited <= Millis::from_secs(8), "{waited}");
}

#[tokio::test]
async fn who_asks_for_more_than_a_minute_is_left_alone() {
    let (clock, cx) = hasty();
    let server = Server::new(clock, |_, _| answer("429 Too Many Requests", "retry-after: 300\r\n", "")).await;
    let error = client().send(&cx, &Request::get(&server.url), Reply::ok).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(300))));
    assert_eq!(server.seen().len(), 1);
    // With a budget the others that share it wait as well.
    let budget = Budget::new(["acme"]);
    let limited = client().budget(budget.clone());
    limited.send(&cx, &Request::get(&server.url), Reply::ok).await.unwrap_err();
    let held = limited.send(&cx, &Request::get(&server.url), Reply::ok).await.unwrap_err();
    assert_eq!(held.kind(), ErrorKind::RateLimited);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_answer_is_bounded_in_time_and_size() {
    let (clock, cx) = hasty();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&[b'0'; 10_000_000]).unwrap();
    let bomb = gzip.finish().unwrap();
    assert!(bomb.len() < 20_000);
    let server = Server::new(clock, move |_, seen| match seen.path() {
        "/silent" => Does::Hangs(Vec::new()),
        "/slow" => Does::Hangs(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n[1, 2".to_vec()),
        "/moved" => answer("302 Found", "location: /long\r\n", ""),
        "/bomb" => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
            Does::Answers([head.as_bytes(), &bomb].concat())
        }
        _ => answer("200 OK", "", &"0".repeat(1_001)),
    })
    .await;
    let mut settings = HttpSettings::default();
    settings.request_secs = 1;
    let client = HttpClient::new(&settings).unwrap().retry(Retry::never()).most_bytes(1_000);
    for (path, kind) in [
        ("/silent", ErrorKind::Timeout),
        ("/slow", ErrorKind::Timeout),
        ("/moved", ErrorKind::Protocol),
        ("/long", ErrorKind::Protocol),
        ("/bomb", ErrorKind::Protocol),
    ] {
        let request = Request::get(format!("{}{path}", server.url));
        let error = client.send(&cx, &request, Reply::ok).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{path}: {error}");
    }
    assert_eq!(server.paths(), ["/silent", "/slow", "/moved", "/long", "/bomb"]);
}

const SECRET: &str = "hunter2";

fn sign_in(server: &Server) -> SignIn {
    SignIn::client_credentials(format!("{}/token", server.url), "my id", &Secret::new(SECRET)).scope("stats")
}

fn token(number: usize, secs: u32) -> Does {
    let body = format!(r#"{{"access_token":"t{number}","expires_in":{secs},"token_type":"bearer"}}"#);
    answer("200 OK", "content-type: application/json\r\n", &body)
}

#[tokio::test]
async fn many_who_wait_cause_one_sign_in_and_a_token_is_renewed_before_its_end() {
    let (clock, cx) = hasty();
    let server = Server::new(clock.clone(), |number, seen| match seen.path() {
        "/token" => token(number, 100),
        _ => answer("200 OK", "", "[]"),
    })
    .await;
    let client = client().sign_in(sign_in(&server));
    let request = Request::get(format!("{}/calls", server.url));
    let all = (0..50).map(|_| client.send(&cx, &request, Reply::ok));
    futures::future::try_join_all(all).await.unwrap();
    let tokens = || server.paths().iter().filter(|path| *path == "/token").count();
    assert_eq!((tokens(), server.seen().len()), (1, 51));
    assert_eq!(
        server.seen()[0].body,
        "grant_type=client_credentials&client_id=my%20id&client_secret=hunter2&scope=stats"
    );
    clock.advance(Millis::from_secs(89));
    client.send(&cx, &request, Reply::ok).await.unwrap();
    assert_eq!(tokens(), 1);
    clock.advance(Millis::from_secs(1));
    client.send(&cx, &request, Reply::ok).await.unwrap();
    assert_eq!(tokens(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let (clock, cx) = hasty();
    let server = Server::new(clock, |number, seen| match (seen.path(), seen.header("authorization")) {
        ("/token", _) => token(number, 7_200),
        ("/never", _) | (_, Some("Bearer t0")) => answer("401 Unauthorized", "", "{\"error\":\"invalid_token\"}"),
        _ => answer("200 OK", "", "[]"),
    })
    .await;
    let client = client().sign_in(sign_in(&server));
    let ask = async |path: &str| client.send(&cx, &Request::get(format!("{}{path}", server.url)), Reply::ok).await;
    ask("/calls").await.unwrap();
    assert_eq!(server.paths(), ["/token", "/calls", "/token", "/calls"]);
    // Many are refused together: one renewal.
    let error = ask("/never").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(server.paths()[4..], ["/never", "/token", "/never"]);
}

#[tokio::test]
async fn a_sign_in_that_is_refused_says_what_to_do_and_no_secret() {
    let (clock, cx) = hasty();
    let server = Server::new(clock, |number, _| match number {
        0 => answer("400 Bad Request", "", "{\"error\":\"invalid_client\"}"),
        1 => answer("400 Bad Request", "", "{\"error\":\"invalid_scope\",\"error_description\":\"no\"}"),
        2 => answer("503 Service Unavailable", "", ""),
        3 => token(3, 7_200),
        _ => answer("200 OK", "", "[]"),
    })
    .await;
    let client = client().sign_in(sign_in(&server));
    let request = Request::get(format!("{}/calls", server.url));
    let mut shown = String::new();
    for kind in [ErrorKind::Unauthenticated, ErrorKind::PermissionDenied] {
        let error = client.send(&cx, &request, Reply::ok).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        shown.push_str(&format!("{error} {error:?} {client:?} {request:?}"));
    }
    assert!(!shown.contains(SECRET), "{shown}");
    client.send(&cx, &request, Reply::ok).await.unwrap();
}

#[tokio::test]
async fn no_minute_holds_more_requests_than_the_budget_has() {
    let (clock, cx) = hasty();
    let server = Server::new(clock, |number, _| match number % 7 {
        3 => answer("503 Service Unavailable", "", ""),
        _ => answer("200 OK", "", "[]"),
    })
    .await;
    let budget = Budget::new(["acme", "id"]).permits(10, Millis::from_secs(60));
    let client = client().budget(budget);
    for _ in 0..60 {
        client.send(&cx, &Request::get(&server.url), Reply::ok).await.unwrap();
    }
    let seen: Vec<Timestamp> = server.seen().iter().map(|seen| seen.at).collect();
    assert!(seen.len() > 60);
    for from in &seen {
        let held = seen.iter().filter(|at| *at >= from && at.since(*from) < Millis::from_secs(60)).count();
        assert!(held <= 10, "{held} from {from}");
    }
}

#[tokio::test]
async fn nothing_listens() {
    let (_, cx) = hasty();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let request = Request::get(format!("http://user:{SECRET}@{gone}/calls?key={SECRET}"));
    let error = client().send(&cx, &request, Reply::ok).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}
