//! A stand-in for Five9: the Configuration Web Services with their reports, and the Statistics Web Services.
//!
//! Paths: `/wsadmin/AdminWebService`, `/wsadmin/v13/AdminWebService` (other versions have a namespace of their own) and
//! `/wssupervisor/SupervisorWebService`, also with a version; `GET …?wsdl` gives the descriptions of the services. Sign-in is HTTP
//! Basic. What the public documentation leaves open is chosen by [`Settings`].
//!
//! A report shows what the ledger has on record when it is *run*; later edits do not reach it.

mod columns;
mod directory;
mod limits;
mod reports;
mod rows;
mod settings;
mod soap;
mod statistics;
mod wsdl;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

pub use self::settings::{AboveLimit, Grouping, Segments, SessionRows, Settings, StartsAt, StateSince};

use self::limits::Counters;
use self::reports::Report;
use self::soap::{ADMIN, Children, Fault, SUPERVISOR};
use self::statistics::Session;
use crate::clock::Clock;
use crate::faults::Effect;
use crate::ledger::Ledger;
use crate::ledger::truth::{Counted, Told};
use crate::rng::Rng;
use crate::serve::{Answer, Request, Server, Vendor, World};
use crate::time::Ms;

/// A running stand-in; it ends when it is dropped.
#[derive(Debug)]
pub struct Five9Standin {
    server: Server,
    service: Arc<Service>,
}

impl Five9Standin {
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
        let service = Arc::new(Service {
            settings,
            world: World::new(ledger, clock),
            counters: Mutex::default(),
            reports: Mutex::default(),
            session: Mutex::default(),
            identifiers: Mutex::new(Rng::new(0xF1E9)),
            is_closed: AtomicBool::new(false),
            running: [AtomicUsize::new(0), AtomicUsize::new(0)],
        });
        let vendor: Arc<dyn Vendor> = Arc::<Service>::clone(&service);
        Ok(Self { server: Server::start(listen, vendor).await?, service })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// `http://127.0.0.1:…`
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

    /// What was chosen, with user name and password.
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

    /// Ends the session as another sign-in does: the next request is refused, and the statistics start again.
    pub fn end_session(&self) {
        self.service.end_session();
    }
}

#[derive(Debug)]
struct Service {
    settings: Settings,
    world: World,
    counters: Mutex<Counters>,
    reports: Mutex<BTreeMap<String, Report>>,
    session: Mutex<Option<Session>>,
    identifiers: Mutex<Rng>,
    is_closed: AtomicBool,
    /// The requests in work, of the statistics and of the configuration.
    running: [AtomicUsize; 2],
}

/// One of the two services, by the path.
struct Door {
    namespace: String,
    is_admin: bool,
}

fn door(path: &str) -> Option<Door> {
    let (base, service, path) = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "wsadmin", rest @ ..] => (ADMIN, "AdminWebService", rest.to_vec()),
        ["", "wssupervisor", rest @ ..] => (SUPERVISOR, "SupervisorWebService", rest.to_vec()),
        _ => return None,
    };
    let is_admin = base == ADMIN;
    let namespace = match path.as_slice() {
        [name] if *name == service => base.to_owned(),
        [version, name] if *name == service => match version.strip_prefix('v') {
            Some("13") => base.to_owned(),
            Some(number) if is_admin && number.starts_with(|first: char| first.is_ascii_digit()) => {
                format!("{base}{version}/")
            }
            Some(number) if number.starts_with(|first: char| first.is_ascii_digit()) => base.to_owned(),
            _ => return None,
        },
        _ => return None,
    };
    Some(Door { namespace, is_admin })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    fn now(&self) -> Ms {
        self.world.clock.now()
    }

    fn end_session(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        *lock(&self.session) = None;
    }

    fn count(&self, kind: &'static str) -> Result<(), Fault> {
        let at = (self.now(), self.settings.zone);
        lock(&self.counters).count(kind, &self.settings.limits, at, &self.world.log)
    }

    async fn respond(&self, request: &Request) -> Answer {
        let Some(door) = door(&request.path) else { return Answer::new(404, "text/html", "<h1>Not Found</h1>") };
        let Settings { user, password, .. } = &self.settings;
        if request.basic().is_none_or(|(given, secret)| given != *user || secret != *password) {
            let mut answer = Answer::new(401, "text/html", "<h1>Unauthorized</h1>");
            answer.headers.push(("www-authenticate", "Basic realm=\"Five9\"".to_owned()));
            return answer;
        }
        match request.method.as_str() {
            "GET" if request.query.contains_key("wsdl") => {
                let address = format!("http://{}{}", request.header("host"), request.path);
                return Answer::new(
                    200,
                    "text/xml;charset=UTF-8",
                    wsdl::text(door.is_admin, &door.namespace, &address),
                );
            }
            "POST" => {}
            _ => return Answer::new(405, "text/html", "<h1>Method Not Allowed</h1>"),
        }
        if !request.header("content-type").starts_with("text/xml") {
            return Answer::new(415, "text/html", "<h1>Unsupported Media Type</h1>");
        }
        let running = &self.running[usize::from(door.is_admin && !self.settings.services_exclude_each_other)];
        let _guard = Guard::new(running);
        if running.load(Ordering::SeqCst) > 1 {
            self.world.log.violated("one request at a time");
            if self.settings.is_one_at_a_time {
                let fault = Fault::new("UserAlreadyLoggedInFault", "User is already logged in");
                return fault.answer(&door.namespace);
            }
        }
        match self.operate(request, &door).await {
            Ok(answer) => answer,
            Err(fault) => fault.answer(&door.namespace),
        }
    }

    async fn operate(&self, request: &Request, door: &Door) -> Result<Answer, Fault> {
        // What is read from the document does not outlive this block: it cannot be held while waiting.
        let wait = {
            let document = soap::document(&request.body)?;
            let wrapper = soap::wrapper(&document, &door.namespace)?;
            let operation = wrapper.tag_name().name();
            if self.is_closed.swap(false, Ordering::SeqCst) {
                let name = if door.is_admin { "AdminSessionClosedFault" } else { "SessionClosedFault" };
                return Err(Fault::new(name, "Session was closed"));
            }
            let done = |returns: String| Ok(soap::answer(&door.namespace, operation, &returns));
            if !door.is_admin {
                match operation {
                    "setSessionParameters" => return done(self.set_session(wrapper)?),
                    "getColumnNames" => return done(self.column_names(wrapper)?),
                    "getStatistics" => return done(self.statistics(wrapper)?),
                    "getStatisticsUpdate" => Wait::Update(self.ask_update(wrapper)?),
                    _ => return Err(unknown(operation)),
                }
            } else {
                match operation {
                    "runReport" => return done(self.run_report(wrapper)?),
                    "isReportRunning" => Wait::Report(self.ask_running(wrapper)?),
                    "getReportResult" => return done(self.result(wrapper)?),
                    "getReportResultCsv" => return done(self.result_csv(wrapper)?),
                    "getCallCountersState" => {
                        Children::of(wrapper, &[])?;
                        return done(self.counters_state());
                    }
                    "closeSession" => {
                        Children::of(wrapper, &[])?;
                        *lock(&self.session) = None;
                        return done(String::new());
                    }
                    _ => return done(self.directory(operation, wrapper)?.ok_or_else(|| unknown(operation))?),
                }
            }
        };
        let (operation, returns) = match wait {
            Wait::Report((is_running, timeout)) => {
                if is_running {
                    let until = self.now() + timeout.min(self.settings.longest_poll);
                    self.world.clock.wait_until(until).await;
                }
                ("isReportRunning", format!("<return>{is_running}</return>"))
            }
            Wait::Update(ask) => ("getStatisticsUpdate", self.update(ask).await),
        };
        Ok(soap::answer(&door.namespace, operation, &returns))
    }

    fn counters_state(&self) -> String {
        let mut text = String::new();
        let state = lock(&self.counters).state(&self.settings.limits, self.now(), self.settings.zone);
        for (timeout, kinds) in state {
            text.push_str("<return>");
            for (kind, limit, value) in kinds {
                text.push_str("<callCounterStates>");
                soap::element(&mut text, "limit", &limit.to_string());
                soap::element(&mut text, "operationType", kind);
                soap::element(&mut text, "value", &value.to_string());
                text.push_str("</callCounterStates>");
            }
            soap::element(&mut text, "timeout", &timeout.to_string());
            text.push_str("</return>");
        }
        text
    }
}

enum Wait {
    Report((bool, Ms)),
    Update(statistics::AskedUpdate),
}

fn unknown(operation: &str) -> Fault {
    Fault { name: String::new(), fields: Vec::new(), text: format!("Operation {operation} is not known") }
}

/// A request in work.
struct Guard<'a>(&'a AtomicUsize);

impl<'a> Guard<'a> {
    fn new(running: &'a AtomicUsize) -> Self {
        running.fetch_add(1, Ordering::SeqCst);
        Self(running)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Vendor for Service {
    fn world(&self) -> &World {
        &self.world
    }

    fn operation(&self, request: &Request) -> String {
        soap::operation(&request.body)
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answer> {
        Box::pin(self.respond(request))
    }

    fn play(&self, request: &Request, effect: &Effect) -> Option<Answer> {
        let namespace = door(&request.path).map_or(ADMIN.to_owned(), |door| door.namespace);
        let fault = match effect {
            Effect::Fault(name) => Fault::new(name, "Refused by a fault of the stand-in"),
            Effect::Limit => limits::exceeded(limits::kind(&soap::operation(&request.body)), 0),
            Effect::Expire => {
                self.end_session();
                return None;
            }
            _ => return None,
        };
        Some(fault.answer(&namespace))
    }

    fn counted(&self, now: Ms, grouping: Option<&str>) -> Option<Vec<Counted>> {
        let grouping = match grouping {
            None => self.settings.grouping,
            Some("campaign") => Grouping::Campaign,
            Some("skill") => Grouping::Skill,
            Some(_) => return None,
        };
        let rows = rows::calls(&self.world.ledger(), &self.settings, now);
        Some(rows::counted(&rows, &self.settings, grouping))
    }

    fn told(&self, now: Ms) -> Vec<Told> {
        rows::told(&rows::states(&self.world.ledger(), &self.settings, now), &self.settings)
    }
}
