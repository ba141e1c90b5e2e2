//! The receiver: settings, routes, and the way of one request.

mod commits;

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use axum::routing::any;
use futures::StreamExt;
use injixo_core::model::Millis;
use injixo_core::{Runtime, Sender};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::answer::{Refusal, answer, row_errors};
use crate::limits::{Memory, RateLimit, Rates, Taken};
use crate::wire::{self, BodyError, Resource};

/// How requests come to the server into which the receiver is mounted.
///
/// A host that knows it of each request puts this value among the request's extensions; that counts for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrives {
    /// Encrypted: the server itself ends TLS.
    Encrypted,
    /// Through a proxy, and in no other way: the proxy ends TLS and says so by `x-forwarded-proto: https`.
    ByProxy,
    /// In plain, and is answered `not_found`.
    Plain,
    /// In plain within one machine, for trying it out: is taken all the same.
    Loopback,
}

/// What becomes of the good rows of a request that holds bad ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadRows {
    /// They are kept; the answer names the bad ones.
    #[default]
    KeepGood,
    /// The request is refused as a whole.
    RefuseAll,
}

/// Takes contact events, agent statuses, and the commits of other stores by the injixo API, for a host that mounts it in its server.
///
/// See the [crate](crate) for an example.
pub struct Receiver {
    runtime: Runtime,
    arrives: Arrives,
    bad_rows: BadRows,
    rate: RateLimit,
    most_bytes: usize,
    most_rows: u64,
    most_part_bytes: usize,
    most_in_flight: usize,
    body_timeout: Duration,
    known_as: HashMap<u64, u32>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("arrives", &self.arrives).finish_non_exhaustive()
    }
}

impl Receiver {
    /// Keeps what it receives with `runtime`.
    pub fn new(runtime: &Runtime, arrives: Arrives) -> Self {
        Self {
            runtime: runtime.clone(),
            arrives,
            bad_rows: BadRows::default(),
            rate: RateLimit::default(),
            most_bytes: 4 << 20,
            most_rows: 10_000,
            most_part_bytes: 8 << 20,
            most_in_flight: 64 << 20,
            body_timeout: Duration::from_secs(30),
            known_as: HashMap::new(),
        }
    }

    /// The same with other rules for requests that hold bad rows.
    #[must_use]
    pub fn bad_rows(mut self, rule: BadRows) -> Self {
        self.bad_rows = rule;
        self
    }

    /// The same with so many requests for each key.
    #[must_use]
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate = limit;
        self
    }

    /// The same with bodies of so many bytes at most, packed as well as unpacked; 4 MiB by default.
    #[must_use]
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// The same with parts of another store's commits of so many bytes at most, packed as well as unpacked; 8 MiB by default. A
    /// sender must be able to state a day of its largest queue in one part: some thirty bytes for each contact.
    #[must_use]
    pub fn most_part_bytes(mut self, bytes: usize) -> Self {
        self.most_part_bytes = bytes;
        self
    }

    /// The same with so many rows in a request at most; 10,000 by default.
    #[must_use]
    pub fn most_rows(mut self, rows: u64) -> Self {
        self.most_rows = rows;
        self
    }

    /// The same with so much memory for the bodies of all requests that are being read, 64 MiB by default. Requests beyond are
    /// asked to come again.
    #[must_use]
    pub fn most_in_flight(mut self, bytes: usize) -> Self {
        self.most_in_flight = bytes;
        self
    }

    /// The same with so much time for a body to arrive; 30 seconds by default.
    #[must_use]
    pub fn body_timeout(mut self, time: Duration) -> Self {
        self.body_timeout = time;
        self
    }

    /// The same with another number under which senders know an integration (`integrationConfigurationId`) besides its number in
    /// the store: so they need not change it when they come from elsewhere.
    #[must_use]
    pub fn known_as(mut self, configuration: u64, integration: u32) -> Self {
        self.known_as.insert(configuration, integration);
        self
    }

    /// The routes below `/external-systems`, to be merged into those of the host.
    pub fn router(self) -> Router {
        let shared = Arc::new(Shared {
            rates: Rates::new(self.rate),
            memory: Memory::new(self.most_in_flight),
            parts: Semaphore::new(commits::AT_ONCE),
            receiver: self,
        });
        Router::new()
            .route("/external-systems/contact-events", any(contact_events))
            .route("/external-systems/agent-statuses", any(agent_statuses))
            .route("/external-systems/v1/commits", any(commits::commits))
            .route("/external-systems/openapi.json", any(openapi))
            .route("/external-systems", any(not_found))
            .route("/external-systems/", any(not_found))
            .route("/external-systems/{*rest}", any(commits::elsewhere))
            .with_state(shared)
    }
}

/// What the handlers share.
struct Shared {
    receiver: Receiver,
    rates: Rates,
    memory: Arc<Memory>,
    /// How many parts of commits may be applied at once.
    parts: Semaphore,
}

/// The description of the API in the form of OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Answers any request as those to wrong paths are answered.
pub async fn not_found() -> Response<Body> {
    Refusal::not_found().into_response()
}

async fn openapi(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    if !shared.is_encrypted(&request) || ![Method::GET, Method::HEAD].contains(request.method()) {
        return not_found().await;
    }
    let mut response = Response::new(Body::from(OPENAPI));
    let json = axum::http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn contact_events(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    shared.answer(request, Resource::ContactEvents).await
}

async fn agent_statuses(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    shared.answer(request, Resource::AgentStatuses).await
}

/// How a request names itself.
struct Named {
    key: String,
    /// A checksum of the body, unpacked.
    content: String,
    repeats_within: Option<Millis>,
}

/// For how long a body without an `Idempotency-Key` is told from its repeats.
const REPEATS_WITHIN: Millis = Millis::from_mins(24 * 60);

/// What is read and thrown away of a body that is refused, so that the sender sees the answer.
const DRAINED: usize = 8 << 20;

/// How long that may take.
const DRAINED_FOR: Duration = Duration::from_secs(5);

/// From which size on a body is unpacked and understood on a thread that may be busy.
const LARGE: usize = 128 << 10;

impl Shared {
    fn is_encrypted(&self, request: &Request<Body>) -> bool {
        let says_https = |headers: &HeaderMap| {
            let mut said = headers
                .get_all("x-forwarded-proto")
                .iter()
                .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
                .peekable();
            said.peek().is_some() && said.all(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
        };
        match request.extensions().get().copied().unwrap_or(self.receiver.arrives) {
            Arrives::Encrypted | Arrives::Loopback => true,
            Arrives::ByProxy => says_https(request.headers()),
            Arrives::Plain => false,
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Body>, resource: Resource) -> Response<Body> {
        let is_encrypted = self.is_encrypted(&request);
        let (head, mut body) = request.into_parts();
        let taken = async {
            if !is_encrypted {
                return Err(Refusal::not_found());
            }
            if head.method != Method::POST {
                let message = "only POST is possible here";
                return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message));
            }
            self.take(&head.headers, &mut body, resource).await
        };
        match taken.await {
            Ok(response) => response,
            Err(refusal) => {
                if refusal.status != StatusCode::REQUEST_TIMEOUT {
                    drain(body).await;
                }
                refusal.into_response()
            }
        }
    }

    async fn take(
        self: &Arc<Self>,
        headers: &HeaderMap,
        body: &mut Body,
        resource: Resource,
    ) -> Result<Response<Body>, Refusal> {
        let sender = self.let_in(headers).await?;
        let is_packed = is_packed(headers)?;
        let key = idempotency_key(headers)?;
        let (bytes, mut memory) = self.read(headers, body, self.receiver.most_bytes).await?;
        if is_packed && !memory.more(self.receiver.most_bytes) {
            return Err(Refusal::busy());
        }
        let (this, is_large) = (Arc::clone(self), is_packed || bytes.len() > LARGE);
        let understand = move || {
            let bytes = if is_packed { unpack(&bytes, this.receiver.most_bytes)? } else { bytes };
            let content = blake3::hash(&bytes).to_hex().to_string();
            let named = match key {
                Some(key) => Named { key: format!("key {key}"), content, repeats_within: None },
                None => Named { key: format!("body {content}"), content, repeats_within: Some(REPEATS_WITHIN) },
            };
            let read = wire::read(&bytes, resource, &named.key, this.receiver.most_rows).map_err(refusal_of_body)?;
            drop(memory);
            Ok::<_, Refusal>((named, read))
        };
        let (named, read) = if is_large {
            let lost = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the body could not be read");
            tokio::task::spawn_blocking(understand).await.map_err(lost)??
        } else {
            understand()?
        };
        self.keep(&sender, resource, named, read).await
    }

    /// Who sends, if he may for now.
    async fn let_in(&self, headers: &HeaderMap) -> Result<Sender, Refusal> {
        let sender = self.sender(headers).await?;
        self.rates.take(sender.integration(), Instant::now()).map_err(|wait| {
            let message = "the key has made more requests than it may: wait as told";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).retry_after(wait)
        })?;
        Ok(sender)
    }

    async fn sender(&self, headers: &HeaderMap) -> Result<Sender, Refusal> {
        let refused = |message| Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(shown), None) = (shown.next(), shown.next()) else {
            return Err(refused("expected the header Authorization: Bearer <key>, once"));
        };
        let key = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
        let key = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
        let key = key.ok_or_else(|| refused("expected the header Authorization: Bearer <key>, once"))?;
        Ok(self.receiver.runtime.sender(key).await?)
    }

    /// Reads a body whole, within its bounds of size and time.
    async fn read(&self, headers: &HeaderMap, body: &mut Body, most: usize) -> Result<(Vec<u8>, Taken), Refusal> {
        let too_large = || Refusal::too_large(format!("a body has at most {most} bytes: send less at once"));
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > most as u64) {
            return Err(too_large());
        }
        let mut memory = self.memory.none();
        let read = async {
            let mut bytes = Vec::new();
            let mut stream = std::mem::replace(body, Body::empty()).into_data_stream();
            while let Some(piece) = stream.next().await {
                let piece =
                    piece.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "incomplete", "the body broke off"))?;
                if bytes.len() + piece.len() > most {
                    *body = Body::from_stream(stream);
                    return Err(too_large());
                }
                if !memory.more(piece.len()) {
                    *body = Body::from_stream(stream);
                    return Err(Refusal::busy());
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes)
        };
        let bytes = tokio::time::timeout(self.receiver.body_timeout, read)
            .await
            .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time"))??;
        Ok((bytes, memory))
    }

    async fn keep(
        &self,
        sender: &Sender,
        resource: Resource,
        named: Named,
        read: wire::Body,
    ) -> Result<Response<Body>, Refusal> {
        let integration = sender.integration();
        let known_as = self.receiver.known_as.get(&read.configuration).copied();
        if known_as.map_or(read.configuration, u64::from) != u64::from(integration) {
            let message = "the key is not that of the integration with this integrationConfigurationId";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "wrong_integration", message));
        }
        let wire::Body { received, events, errors, external_system, .. } = read;
        let accepted = events.len() as u64;
        let rejected = received - accepted;
        let bad = |message: &str| Refusal {
            details: Some(
                json!({ "received": received, "accepted": 0, "rejected": rejected, "errors": row_errors(&errors) }),
            ),
            ..Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_rows", message)
        };
        if received == 0 {
            let body = json!({ "received": 0, "accepted": 0, "rejected": 0, "repeated": false, "errors": [] });
            return Ok(answer(StatusCode::ACCEPTED, &body));
        }
        if accepted == 0 {
            return Err(bad("not one row is good: nothing was kept"));
        }
        if rejected > 0 && self.receiver.bad_rows == BadRows::RefuseAll {
            return Err(bad("some rows are bad: nothing was kept, also of the good ones"));
        }
        let name = match external_system {
            Some(system) => format!("{} of {system}", resource.name()),
            None => resource.name().to_owned(),
        };
        let events = events.named(name).content(named.content);
        let events = match named.repeats_within {
            Some(time) => events.repeats_within(time),
            None => events,
        };
        let receipt = self.receiver.runtime.receive(sender, events).await?;
        tracing::debug!(
            integration,
            accepted = receipt.accepted,
            rejected = receipt.rejected,
            repeated = receipt.is_repeat,
            "received"
        );
        let mut errors = errors;
        errors.extend(receipt.refused.iter().map(|row| wire::RowError {
            index: row.line.saturating_sub(1),
            field: "queueIdentifier",
            rule: row.rule,
            message: row.rule.advice(),
            excerpt: row.excerpt.clone(),
        }));
        errors.truncate(wire::MOST_ERRORS);
        let mut body = json!({
            "received": receipt.accepted + receipt.rejected,
            "accepted": receipt.accepted,
            "rejected": receipt.rejected,
            "repeated": receipt.is_repeat,
            "errors": if receipt.is_repeat { json!([]) } else { row_errors(&errors) },
        });
        if receipt.is_other_content {
            body["warning"] = json!("the Idempotency-Key was used before for another body: this one was not kept");
        }
        Ok(answer(StatusCode::ACCEPTED, &body))
    }
}

fn refusal_of_body(error: BodyError) -> Refusal {
    match error {
        BodyError::Malformed(message) => Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", message),
        BodyError::TooManyRows => Refusal::too_large("a request has too many rows: send fewer at once"),
    }
}

/// Whether a body is packed by gzip.
fn is_packed(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let encoding = encodings.next().map(|encoding| encoding.as_bytes().trim_ascii().to_ascii_lowercase());
    match (encoding.as_deref(), encodings.next()) {
        (None | Some(b"" | b"identity"), None) => Ok(false),
        (Some(b"gzip" | b"x-gzip"), None) => Ok(true),
        _ => {
            let message = "the body is packed in an unknown way: send it as it is, or by gzip";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message))
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()) && keys.next().is_none());
    let message = "Idempotency-Key: expected 1 to 255 characters of ASCII, once";
    key.map(|key| Some(key.to_owned())).ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "invalid_header", message))
}

/// What a packed body holds, if that is no more than `most`.
pub(crate) fn unpack(bytes: &[u8], most: usize) -> Result<Vec<u8>, Refusal> {
    let mut unpacked = Vec::new();
    let read = flate2::bufread::MultiGzDecoder::new(bytes).take(most as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > most {
        return Err(Refusal::too_large(format!(
            "a body has at most {most} bytes when it is unpacked: send less at once"
        )));
    }
    read.map_err(|_| {
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", "the body is not packed by gzip, or broken")
    })?;
    Ok(unpacked)
}

/// Reads and throws away what is left of a body, within bounds.
async fn drain(body: Body) {
    let read = async {
        let (mut stream, mut left) = (body.into_data_stream(), DRAINED);
        while let Some(Ok(piece)) = stream.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    // However far it came.
    let _ = tokio::time::timeout(DRAINED_FOR, read).await;
}
