//! A stand-in for Genesys Cloud: sign-in, analytics, directory and notifications, all under one address.
//!
//! Paths: `/oauth/token`; below `/api/v2`: `analytics/conversations/aggregates/query`, `analytics/{conversations,users}/details/query` and
//! `…/details/jobs` (also `/availability`, `/{id}`, `/{id}/results`), `users` (also `/{id}`, `/{id}/routingstatus`,
//! `/{id}/presences/purecloud`, `/presences/purecloud/bulk`), `routing/queues` (also `/{id}`), `presence/definitions`,
//! `notifications/channels` (also `/{id}/subscriptions`); and the WebSocket at `/channels/{id}`. What the public documentation leaves open
//! is chosen by [`Settings`].
//!
//! - Ids: users `u-1`, queues `q-1`, presences `op-1`, counted from 1 in the ledger's and the settings' order.
//! - How states of agents show is told in the module `agents`, how contacts show in the module `conversation`.
//! - The analytics show everything as it was [`Settings::lag`] ago, the directory and the notifications as it is.
//! - Every answer has `ININ-Correlation-Id`, and to a good token `inin-ratelimit-*`. A limit that is passed is counted in the log.
//! - Faults by name: `FAILED`, `EXPIRED` and `CANCELLED` end the job that is asked about; `missing.permissions` refuses;
//!   `internal.server.error`, or any other, is an outage. Those of sockets are told in the module `socket`; their operation is `socket`.
//! - Operations whose paths hold ids have names: `conversations/details/jobs/status` and `…/results`, the same for `users`, `user`,
//!   `routingstatus`, `queue`, `subscriptions`, `socket`.
//!
//! `/_ledger/measures` is a truth table with all measures, beside those that every stand-in has.

mod agents;
mod aggregates;
mod auth;
mod body;
mod channels;
mod conversation;
mod details;
mod directory;
mod events;
mod jobs;
mod names;
mod refusal;
mod settings;
mod shape;
mod socket;
mod truth;
mod user_details;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::body::Body;
use axum::http::Response;
use axum::http::request::Parts;
use futures::future::BoxFuture;

use self::auth::{Rate, Tokens};
use self::channels::Channels;
use self::jobs::Jobs;
use self::refusal::Refusal;
pub use self::settings::{AgentField, Presence, Settings};
pub use self::truth::{Measured, Place};
use crate::clock::Clock;
use crate::faults::Effect;
use crate::ledger::Ledger;
use crate::ledger::truth::{Counted, Told};
use crate::serve::{Answer, Request, Server, Vendor, World};
use crate::time::Ms;

/// A running stand-in; it ends when it is dropped.
#[derive(Debug)]
pub struct GenesysCloudStandin {
    server: Server,
    service: Arc<Service>,
}

impl GenesysCloudStandin {
    /// Starts a stand-in on a free port of this machine.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(settings: Settings, ledger: Ledger, clock: Clock) -> io::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), settings, ledger, clock).await
    }

    /// Starts a stand-in on an address.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub async fn start_on(listen: SocketAddr, settings: Settings, ledger: Ledger, clock: Clock) -> io::Result<Self> {
        let service = Arc::new_cyclic(|me| Service {
            me: me.clone(),
            settings,
            world: World::new(ledger, clock),
            tokens: Mutex::default(),
            jobs: Mutex::default(),
            channels: Mutex::default(),
            correlations: AtomicU64::new(0),
            announcements: AtomicU64::new(0),
            silence: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let vendor: Arc<dyn Vendor> = Arc::<Service>::clone(&service);
        Ok(Self { server: Server::start(listen, vendor).await?, service })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// `http://127.0.0.1:…`: the base of the sign-in and of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The same service for calls within the process, without a network.
    pub fn router(&self) -> axum::Router {
        self.server.router.clone()
    }

    /// The ledger, the clock, the faults and the log.
    pub fn world(&self) -> &World {
        &self.service.world
    }

    /// What was chosen, with the client's id and secret.
    pub fn settings(&self) -> &Settings {
        &self.service.settings
    }

    /// What a correct import at `now` knows of the contacts.
    pub fn measured(&self, now: Ms) -> BTreeMap<Place, Measured> {
        truth::measured(&self.world().ledger(), self.settings(), self.service.seen(now))
    }

    /// The same from `from` up to and without `to` as a table: `queue,channel,start,offered,handled,handle_time`.
    pub fn contact_table(&self, from: Ms, to: Ms, now: Ms) -> String {
        truth::contact_table(&self.measured(now), from, to)
    }

    /// The states that a correct import at `now` knows.
    pub fn told(&self, now: Ms) -> Vec<Told> {
        Vendor::told(self.service.as_ref(), now)
    }

    /// Ends all tokens.
    pub fn end_tokens(&self) {
        lock(&self.service.tokens).clear();
    }

    /// Has every socket told that it will be closed in a minute, by the stand-in's clock.
    pub fn announce_closing(&self) {
        self.service.announcements.fetch_add(1, Ordering::SeqCst);
    }

    /// Has the sockets stay open without sending or answering anything, or ends that. What happens meanwhile is lost.
    pub fn silence(&self, is_silent: bool) {
        self.service.silence.store(is_silent, Ordering::SeqCst);
    }

    /// The topics of each channel that has a connection.
    pub fn connected(&self) -> BTreeMap<String, Vec<String>> {
        let channels = lock(&self.service.channels);
        let connected = channels.all.iter().filter(|(_, channel)| channel.connection.is_some());
        connected.map(|(id, channel)| (id.clone(), channel.topics.clone())).collect()
    }
}

impl Drop for GenesysCloudStandin {
    fn drop(&mut self) {
        self.service.ended.store(true, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Service {
    me: Weak<Self>,
    settings: Settings,
    world: World,
    tokens: Mutex<Tokens>,
    jobs: Mutex<Jobs>,
    channels: Mutex<Channels>,
    correlations: AtomicU64,
    announcements: AtomicU64,
    silence: AtomicBool,
    ended: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wrong_method() -> Refusal {
    Refusal::new(405, "method.not.allowed", "The method is not allowed.")
}

impl Service {
    /// The instant as of which the analytics show everything.
    fn seen(&self, now: Ms) -> Ms {
        now - self.settings.lag
    }

    fn announced(&self) -> u64 {
        self.announcements.load(Ordering::SeqCst)
    }

    fn is_silent(&self) -> bool {
        self.silence.load(Ordering::SeqCst)
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn correlation(&self) -> String {
        format!("c0ffee00-0000-4000-8000-{:012x}", self.correlations.fetch_add(1, Ordering::SeqCst))
    }

    /// The answer with the headers that every answer has.
    fn finished(&self, answer: Result<Answer, Refusal>, rate: Option<Rate>) -> Answer {
        let id = self.correlation();
        let mut answer = answer.unwrap_or_else(|refusal| refusal.answer(&id));
        answer.headers.push(("inin-correlation-id", id));
        if let Some(rate) = rate {
            answer.headers.push(("inin-ratelimit-count", rate.count.to_string()));
            answer.headers.push(("inin-ratelimit-allowed", rate.allowed.to_string()));
            answer.headers.push(("inin-ratelimit-reset", rate.reset.to_string()));
        }
        answer
    }

    fn respond(&self, request: &Request) -> Answer {
        if request.path == "/oauth/token" {
            return self.finished(Ok(self.token(request)), None);
        }
        let mut rate = None;
        let answer = self.api(request, &mut rate);
        if let Some((limit, _)) = answer.as_ref().err().and_then(|refusal| refusal.limit) {
            self.world.log.violated(limit);
        }
        self.finished(answer, rate)
    }

    fn api(&self, request: &Request, rate: &mut Option<Rate>) -> Result<Answer, Refusal> {
        let path = segments(&request.path).ok_or_else(Refusal::not_found)?;
        let longest = self.settings.longest_body;
        if request.body.len() > longest {
            let refusal = Refusal::new(413, "request.entity.too.large", format!("More than {longest} bytes."));
            return Err(Refusal { limit: Some(("request.bytes.max", longest)), ..refusal });
        }
        let (token, passed) = self.pass_token(request)?;
        *rate = Some(passed);
        if passed.count > passed.allowed {
            let limit = Some(("client.credentials.token.rate.per.minute", passed.allowed));
            return Err(Refusal { limit, ..Refusal::too_many(passed.reset) });
        }
        if let Some(permission) = permission(&path) {
            self.pass_permission(permission)?;
        }
        let method = if path.ends_with(&["query"]) { "POST" } else { "GET" };
        let is_any = path.contains(&"jobs") || path.first() == Some(&"notifications");
        if !is_any && request.method != method {
            return Err(wrong_method());
        }
        match path.as_slice() {
            ["analytics", "conversations", "aggregates", "query"] => self.aggregates_query(request),
            ["analytics", "conversations", "details", "query"] => self.conversations_query(request),
            ["analytics", "conversations", "details", "jobs", rest @ ..] => {
                self.jobs(request, jobs::About::Conversations, rest)
            }
            ["analytics", "users", "details", "query"] => self.users_query(request),
            ["analytics", "users", "details", "jobs", rest @ ..] => self.jobs(request, jobs::About::Users, rest),
            ["users"] => self.users(request),
            ["users", "presences", "purecloud", "bulk"] => self.presences_bulk(request),
            ["users", id] => self.user(request, id),
            ["users", id, "routingstatus"] => self.routing_status(request, id),
            ["users", id, "presences", "purecloud"] => self.user_presence(request, id),
            ["routing", "queues"] => self.queues(request),
            ["routing", "queues", id] => self.queue(id),
            ["presence", "definitions"] => self.presence_definitions(request),
            ["notifications", "channels", rest @ ..] => self.notifications(request, &token, rest),
            _ => Err(Refusal::not_found()),
        }
    }
}

/// The path below `/api/v2`.
fn segments(path: &str) -> Option<Vec<&str>> {
    Some(path.strip_prefix("/api/v2/")?.trim_end_matches('/').split('/').collect())
}

/// What the client's roles must hold.
fn permission(path: &[&str]) -> Option<&'static str> {
    match path {
        ["analytics", "conversations", "aggregates", ..] => Some("analytics:conversationAggregate:view"),
        ["analytics", "conversations", ..] => Some("analytics:conversationDetail:view"),
        ["analytics", "users", ..] => Some("analytics:userDetail:view"),
        ["users", ..] => Some("directory:user:view"),
        ["routing", "queues", ..] => Some("routing:queue:view"),
        ["presence", ..] => Some("presence:presenceDefinition:view"),
        _ => None,
    }
}

impl Vendor for Service {
    fn world(&self) -> &World {
        &self.world
    }

    fn operation(&self, request: &Request) -> String {
        let path = segments(&request.path).unwrap_or_default();
        match path.as_slice() {
            ["analytics", _, "details", "jobs", "availability"] => String::new(),
            ["analytics", about, "details", "jobs", _] => format!("{about}/details/jobs/status"),
            ["analytics", about, "details", "jobs", _, "results"] => format!("{about}/details/jobs/results"),
            ["users", _] => "user".to_owned(),
            ["users", _, "routingstatus"] => "routingstatus".to_owned(),
            ["routing", "queues", _] => "queue".to_owned(),
            ["notifications", "channels", _, "subscriptions"] => "subscriptions".to_owned(),
            _ => String::new(),
        }
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answer> {
        Box::pin(async { self.respond(request) })
    }

    fn connect<'a>(&'a self, parts: &'a mut Parts) -> BoxFuture<'a, Option<Response<Body>>> {
        Box::pin(async {
            if !parts.uri.path().starts_with("/channels/") {
                return None;
            }
            Some(self.open_socket(parts).await)
        })
    }

    fn play(&self, request: &Request, effect: &Effect) -> Option<Answer> {
        let path = segments(&request.path).unwrap_or_default();
        let refusal = match effect {
            Effect::Expire => {
                lock(&self.tokens).clear();
                return None;
            }
            Effect::Limit => Refusal::too_many(1),
            Effect::Fault(name) => {
                if let ["analytics", _, "details", "jobs", id, ..] = path.as_slice()
                    && lock(&self.jobs).end(id, name)
                {
                    return None;
                }
                match name.as_str() {
                    "missing.permissions" => Refusal::denied(permission(&path).unwrap_or("unknown")),
                    "internal.server.error" => {
                        Refusal::new(500, "internal.server.error", "The server encountered an unexpected condition.")
                    }
                    _ => Refusal::new(503, "service.unavailable", "The service is temporarily unavailable."),
                }
            }
            _ => return None,
        };
        Some(self.finished(Err(refusal), None))
    }

    fn table(&self, name: &str, (from, to): (Ms, Ms), now: Ms) -> Option<String> {
        let measured = || truth::measured(&self.world.ledger(), &self.settings, self.seen(now));
        match name {
            "contacts" => Some(truth::contact_table(&measured(), from, to)),
            "measures" => Some(truth::measure_table(&measured(), from, to)),
            _ => None,
        }
    }

    /// What is counted has no single instant here: see [`Vendor::table`].
    fn counted(&self, _: Ms, _: Option<&str>) -> Option<Vec<Counted>> {
        None
    }

    fn told(&self, now: Ms) -> Vec<Told> {
        truth::told(&self.world.ledger(), &self.settings, self.seen(now))
    }
}
