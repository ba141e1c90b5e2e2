//! A stand-in for Vonage Contact Center: tokens, the Insights Stats API and the directory of users, all under one address.
//!
//! Paths: `/Auth/connect/token`, `/stats/queue-times`, `/stats/interactions` (also `/{guid}` and `/ongoing`),
//! `/stats/wfm/agent-states`, `/stats/agent-activities` (also `/presence` and `/interactions`), `/stats/agent-status`,
//! `/useradmin/users`. What the public documentation leaves open is chosen by [`Settings`].
//!
//! Everything is shown as it was [`Settings::lag`] ago: `upTo` never lies behind that instant.

mod activities;
mod interactions;
mod pages;
mod queues;
mod states;
mod token;
mod users;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

use self::token::Tokens;
use crate::clock::Clock;
use crate::faults::Effect;
use crate::ledger::truth::{Counted, Naming, Told};
use crate::ledger::{Channel, Contact, Ledger};
use crate::serve::{Answer, Request, Server, Vendor, World};
use crate::time::{MINUTE, Ms};
use crate::{json, time};

/// From where the offset of an event in a channel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOffsets {
    /// From the start of the interaction.
    FromInteraction,
    /// From the start of the channel.
    FromChannel,
}

/// How holds appear among the events of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// `Connected` ends where `Hold` begins, and comes again after it.
    Between,
    /// `Connected` goes on during `Hold`.
    Inside,
    /// There is only `Connected`, which contains them.
    Unlisted,
}

/// What gives a contact its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// The queue's name.
    Queue,
    /// The service dialled.
    Service,
    /// The interaction plan.
    Plan,
    /// The reporting group.
    ReportingGroup,
    /// The skills presented, with a comma between them.
    Skills,
}

/// What is wrong with the pages of a list, whose total is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Nothing.
    Whole,
    /// The first is given twice, the way pages move while rows are added before them.
    Repeated,
    /// The second is left out.
    Missing,
    /// Each but the last lacks its last row.
    Short,
}

/// Everything about the account and the service that can be chosen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What the client may ask for.
    pub scopes: Vec<String>,
    /// For how many seconds a token is good.
    pub expires_in: Ms,
    /// `Bearer`, or `bearer`.
    pub token_type: String,
    /// How long it takes until what happened is shown.
    pub lag: Ms,
    /// How much longer it takes until an agent is shown as busy; until then the state before goes on, and is rewritten.
    pub rewrite_delay: Ms,
    /// Whether an item is in the window of its last processing only; else in that of each.
    pub processed_is_latest: bool,
    /// From where events count.
    pub event_offsets: EventOffsets,
    /// How holds appear.
    pub holds: Holds,
    /// Whether channels have short ids that repeat between interactions.
    pub has_short_channel_ids: bool,
    /// Whether contacts queued for a call back are in a `Virtual` queue.
    pub has_virtual_callbacks: bool,
    /// Whether the presence has the customer's text as its name and the category as its description.
    pub swaps_presence: bool,
    /// Reasons whose states have names of their own: reason to state and description.
    pub odd_states: BTreeMap<String, (String, String)>,
    /// What is wrong with the pages of what lies in a range.
    pub pages: Pages,
    /// How many requests to the API are let through a minute; none: any number.
    pub requests_a_minute: Option<usize>,
    /// The truth: what makes a queue.
    pub grouping: Grouping,
    /// The truth: whether a contact counts as offered in a queue out of which a rule moved it.
    pub counts_breakouts: bool,
    /// The truth: whether contacts in virtual queues count.
    pub counts_virtual: bool,
    /// The truth: the name of a status, from state and description.
    pub naming: Naming,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: "demo-id".to_owned(),
            client_secret: "demo+secret/&=".to_owned(),
            scopes: ["stats", "users:read"].map(str::to_owned).to_vec(),
            expires_in: 7_200,
            token_type: "Bearer".to_owned(),
            lag: 2_000,
            rewrite_delay: 0,
            processed_is_latest: false,
            event_offsets: EventOffsets::FromInteraction,
            holds: Holds::Between,
            has_short_channel_ids: false,
            has_virtual_callbacks: true,
            swaps_presence: false,
            odd_states: BTreeMap::new(),
            pages: Pages::Whole,
            requests_a_minute: None,
            grouping: Grouping::Queue,
            counts_breakouts: true,
            counts_virtual: false,
            naming: Naming::Joined(": ".to_owned()),
        }
    }
}

/// A running stand-in; it ends when it is dropped.
#[derive(Debug)]
pub struct VonageStandin {
    server: Server,
    service: Arc<Service>,
}

impl VonageStandin {
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
        let world = World::new(ledger, clock);
        let service = Arc::new(Service { settings, world, tokens: Mutex::default(), recent: Mutex::default() });
        let vendor: Arc<dyn Vendor> = Arc::<Service>::clone(&service);
        Ok(Self { server: Server::start(listen, vendor).await?, service })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// `http://127.0.0.1:…`: the base of the token endpoint and of the API.
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

    /// The contacts that a correct import at `now` knows.
    pub fn counted(&self, now: Ms) -> Vec<Counted> {
        Vendor::counted(self.service.as_ref(), now, None).unwrap_or_default()
    }

    /// The states that a correct import at `now` knows.
    pub fn told(&self, now: Ms) -> Vec<Told> {
        Vendor::told(self.service.as_ref(), now)
    }

    /// Ends all tokens.
    pub fn end_tokens(&self) {
        lock(&self.service.tokens).clear();
    }
}

#[derive(Debug)]
struct Service {
    settings: Settings,
    world: World,
    tokens: Mutex<Tokens>,
    /// When the requests of the last minute came.
    recent: Mutex<VecDeque<Ms>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer that says no.
fn refused(status: u16, message: &str) -> Answer {
    Answer::json(status, json::object(&[("message", json::text(message))]))
}

impl Service {
    /// The instant as of which everything is shown.
    fn seen(&self, now: Ms) -> Ms {
        now - self.settings.lag
    }

    fn respond(&self, request: &Request) -> Answer {
        let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let scope = match path.as_slice() {
            ["Auth", "connect", "token"] => return self.token(request),
            ["stats", ..] => "stats",
            ["useradmin", "users"] => "users:read",
            _ => return refused(404, "Not Found"),
        };
        if request.method != "GET" {
            return refused(405, "Method Not Allowed");
        }
        if let Err(answer) = self.pass_rate(request.at).and_then(|()| self.pass_token(request, scope)) {
            return answer;
        }
        let versions: &[&str] = if scope == "stats" { &["2", "3"] } else { &["4"] };
        if let Err(answer) = pass_version(request.header("accept"), versions) {
            return answer;
        }
        let answer = match path.as_slice() {
            ["stats", "queue-times"] => self.queue_times(request),
            ["stats", "interactions"] => self.interactions(request),
            ["stats", "interactions", "ongoing"] => self.ongoing(request),
            ["stats", "interactions", guid] => self.interaction(request, guid),
            ["stats", "wfm", "agent-states"] => self.agent_states(request),
            ["stats", "agent-activities"] => self.activities(request, request.query.get("type").map(String::as_str)),
            ["stats", "agent-activities", "presence"] => self.activities(request, Some("Presence")),
            ["stats", "agent-activities", "interactions"] => self.activities(request, Some("Interaction")),
            ["stats", "agent-status"] => self.agent_status(request),
            ["useradmin", "users"] => self.users(request),
            _ => Err(refused(404, "Not Found")),
        };
        let mut answer = answer.unwrap_or_else(|refusal| refusal);
        answer.headers.push(("cache-control", "max-age=5, must-revalidate, private".to_owned()));
        answer
    }

    fn pass_rate(&self, now: Ms) -> Result<(), Answer> {
        let Some(limit) = self.settings.requests_a_minute else { return Ok(()) };
        let mut recent = lock(&self.recent);
        recent.retain(|at| *at > now - MINUTE);
        if recent.len() >= limit {
            self.world.log.violated("requests a minute");
            return Err(refused(429, "Too Many Requests"));
        }
        recent.push_back(now);
        Ok(())
    }
}

fn pass_version(accept: &str, versions: &[&str]) -> Result<(), Answer> {
    let bad = |message: &str| {
        let error =
            [("statusCode", "400".to_owned()), ("error", json::text("Bad Request")), ("message", json::text(message))];
        Answer::json(400, json::object(&error))
    };
    let version = accept
        .split(',')
        .find_map(|kind| kind.trim().strip_prefix("application/vnd.newvoicemedia.v")?.strip_suffix("+json"));
    match version {
        None => Err(bad("Invalid Accept header!")),
        Some(version) if versions.contains(&version) => Ok(()),
        Some(_) => Err(bad(&format!("Invalid api-version! Valid values: {}", versions.join(",")))),
    }
}

impl Vendor for Service {
    fn world(&self) -> &World {
        &self.world
    }

    fn operation(&self, _: &Request) -> String {
        String::new()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answer> {
        Box::pin(async { self.respond(request) })
    }

    fn play(&self, _: &Request, effect: &Effect) -> Option<Answer> {
        match effect {
            Effect::Limit => Some(refused(429, "Too Many Requests")),
            Effect::Expire => {
                lock(&self.tokens).clear();
                None
            }
            _ => Some(Answer::new(503, "text/html", "<h1>Service Unavailable</h1>")),
        }
    }

    fn counted(&self, now: Ms, grouping: Option<&str>) -> Option<Vec<Counted>> {
        let grouping = match grouping {
            None => self.settings.grouping,
            Some("queue") => Grouping::Queue,
            Some("service") => Grouping::Service,
            Some("plan") => Grouping::Plan,
            Some("reporting_group") => Grouping::ReportingGroup,
            Some("skills") => Grouping::Skills,
            Some(_) => return None,
        };
        Some(queues::counted(&self.world.ledger(), &self.settings, grouping, self.seen(now)))
    }

    fn told(&self, now: Ms) -> Vec<Told> {
        states::told(&self.world.ledger(), &self.settings, self.seen(now))
    }
}

/// The medium and what manages it.
fn medium(contact: &Contact) -> (&'static str, &'static str) {
    let is_callback = contact.passes.iter().any(|pass| pass.is_callback);
    match contact.channel {
        Channel::Calls if is_callback => ("Phone Callback", "VCC"),
        Channel::Calls => ("Phone", "VCC"),
        Channel::Chats => ("Chat", "VCC"),
        Channel::Emails => ("Email", "VCC"),
        Channel::Cases => ("Case", "Salesforce"),
    }
}

fn direction(contact: &Contact) -> &'static str {
    match contact.direction {
        crate::ledger::Direction::Inbound => "Inbound",
        crate::ledger::Direction::Outbound => "Outbound",
        crate::ledger::Direction::Internal => "Internal",
    }
}

/// The text of an instant.
fn date(at: Ms) -> String {
    json::text(&time::iso_millis(at))
}

/// The length from one instant to another, once that has come.
fn length(from: Ms, to: Ms, seen: Ms) -> String {
    json::or_null((to <= seen).then_some(to - from), |length| length.to_string())
}
