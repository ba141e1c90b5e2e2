//! The conformance suite: what every connector does, judged from outside.
//!
//! One call per source, in a plain `#[test]`, against a stand-in for the external system:
//!
//! ```no_run
//! # use injixo_core::connector::{CheckReport, Connector, ConnectorInfo, Context};
//! # #[derive(Debug)]
//! # struct Acme;
//! # #[async_trait::async_trait]
//! # impl Connector for Acme {
//! #     fn info(&self) -> ConnectorInfo { ConnectorInfo::new("acme", "Acme") }
//! #     async fn check(&self, _: &Context) -> injixo_core::Result<CheckReport> { Ok(CheckReport::ok()) }
//! # }
//! # impl Acme { fn against(_: &str) -> Self { Acme } }
//! # fn stand_in() -> &'static str { "" }
//! use injixo_core::testkit;
//!
//! testkit::contacts(|| Acme::against(stand_in()));
//! ```
//!
//! It panics with a report when a check fails, and prints the report otherwise: which checks passed, and which could not
//! be judged and why. What the kit cannot know is told to a [`Suite`]: the time in which the stand-in has data, what it
//! holds, its credentials, and stand-ins that are at fault in a known way.
//!
//! ```no_run
//! # use injixo_core::connector::{CheckReport, Connector, ConnectorInfo, Context};
//! # #[derive(Debug)]
//! # struct Acme;
//! # #[async_trait::async_trait]
//! # impl Connector for Acme {
//! #     fn info(&self) -> ConnectorInfo { ConnectorInfo::new("acme", "Acme") }
//! #     async fn check(&self, _: &Context) -> injixo_core::Result<CheckReport> { Ok(CheckReport::ok()) }
//! # }
//! # impl Acme { fn against(_: &str) -> Self { Acme } }
//! # fn stand_in() -> &'static str { "" }
//! # fn refusing() -> &'static str { "" }
//! # fn capped() -> &'static str { "" }
//! use injixo_core::testkit::{Fault, Suite};
//! use injixo_core::zone::Zone;
//!
//! Suite::contacts(|| Acme::against(stand_in()))
//!     .zone(Zone::new("Europe/Berlin")?)
//!     .secret("hunter2")
//!     .with(Fault::WrongCredentials, || Acme::against(refusing()))
//!     .with(Fault::RowCap, || Acme::against(capped()))
//!     .run();
//! # Ok::<(), injixo_core::Error>(())
//! ```
//!
//! [`CHECKS`] lists the checks; `docs/connector-spec.md` says which rule each of them proves.

mod clock;
mod deliveries;
mod fact;
mod faults;
mod read;
mod report;
mod secrets;
mod windows;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use injixo_model::{Millis, Timestamp, Window};
use tracing::instrument::WithSubscriber;

pub use self::clock::TestClock;
pub use self::fact::Fact;
use self::read::Kit;
pub use self::report::{CHECKS, Check, Judgement, Report, Verdict};
use self::secrets::Ear;
use crate::clock::{Clock, SystemClock};
use crate::connector::{Connector, Context};
use crate::zone::Zone;

/// Runs the suite for [contact sources](crate::connector::ContactSource).
///
/// # Panics
///
/// With the report, when a check fails.
#[track_caller]
pub fn contacts<C: Connector>(make: impl Fn() -> C) {
    Suite::contacts(make).run();
}

/// Runs the suite for [status sources](crate::connector::StatusSource).
///
/// # Panics
///
/// With the report, when a check fails.
#[track_caller]
pub fn statuses<C: Connector>(make: impl Fn() -> C) {
    Suite::statuses(make).run();
}

/// Runs the suite for [delivery sources](crate::connector::DeliverySource).
///
/// # Panics
///
/// With the report, when a check fails.
#[track_caller]
pub fn deliveries<C: Connector>(make: impl Fn() -> C) {
    Suite::deliveries(make).run();
}

/// In which way a stand-in is at fault. Otherwise it holds what the good one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// It refuses the credentials.
    WrongCredentials,
    /// Nothing answers.
    Unreachable,
    /// It asks to wait, always.
    RateLimited,
    /// It answers what its interface does not allow.
    BrokenAnswer,
    /// It takes the request and never answers.
    Hangs,
    /// It answers with fewer rows than there are: its cap.
    RowCap,
    /// It answers one page twice, the way pages shift while rows are added.
    RepeatedPage,
    /// It leaves out one page.
    MissingPage,
    /// It leaves out rows at the end of a page.
    ShortPage,
}

type Make<'a> = Box<dyn Fn() -> Arc<dyn Connector> + 'a>;

/// The suite for one source, with what its author tells the kit.
#[must_use = "a suite judges nothing until it is run"]
pub struct Suite<'a> {
    suite: u8,
    make: Make<'a>,
    window: Option<Window>,
    truth: Option<Vec<Fact>>,
    faults: Vec<(Fault, Make<'a>)>,
    secrets: Vec<String>,
    zones: Vec<Zone>,
    files: Vec<PathBuf>,
    now: Option<Timestamp>,
    patience: Duration,
    hang: Duration,
}

impl fmt::Debug for Suite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<Fault> = self.faults.iter().map(|(fault, _)| *fault).collect();
        f.debug_struct("Suite").field("between", &self.window).field("faults", &faults).finish_non_exhaustive()
    }
}

fn boxed<'a, C: Connector>(make: impl Fn() -> C + 'a) -> Make<'a> {
    Box::new(move || Arc::new(make()))
}

impl<'a> Suite<'a> {
    /// The suite for the contact source of the connector that `make` builds against a good stand-in.
    pub fn contacts<C: Connector>(make: impl Fn() -> C + 'a) -> Self {
        Self::new(report::CONTACTS, boxed(make))
    }

    /// The suite for the status source of the connector that `make` builds against a good stand-in.
    pub fn statuses<C: Connector>(make: impl Fn() -> C + 'a) -> Self {
        Self::new(report::STATUSES, boxed(make))
    }

    /// The suite for the delivery source of the connector that `make` builds.
    pub fn deliveries<C: Connector>(make: impl Fn() -> C + 'a) -> Self {
        Self::new(report::DELIVERIES, boxed(make))
    }

    fn new(suite: u8, make: Make<'a>) -> Self {
        Self {
            suite,
            make,
            window: None,
            truth: None,
            faults: Vec::new(),
            secrets: Vec::new(),
            zones: Vec::new(),
            files: Vec::new(),
            now: None,
            patience: Duration::from_secs(30),
            hang: Duration::from_millis(300),
        }
    }

    /// The same with the time in which the stand-in has data. By default the kit looks for it, backwards from now.
    pub fn between(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// The same with everything that the stand-in holds in that time.
    pub fn truth(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.truth = Some(facts.into_iter().collect());
        self
    }

    /// The same with a connector against a stand-in that is at fault in that way.
    pub fn with<C: Connector>(mut self, fault: Fault, make: impl Fn() -> C + 'a) -> Self {
        self.faults.push((fault, boxed(make)));
        self
    }

    /// The same with a credential that must not show up anywhere.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// The same with the source's zone, whose clock changes are looked at; by default those of Europe/Berlin and
    /// America/New_York.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zones.push(zone);
        self
    }

    /// The same with a file that a delivery source is asked for by its path.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// The same with the time that the connector's clock shows. By default the end of the data, where its time is given,
    /// else the machine's.
    pub fn now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The same with the longest time that one call may take; by default 30 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs the checks, prints the report and hands it out, for an author who looks at what could not be judged.
    ///
    /// # Panics
    ///
    /// With the report, when a check fails.
    #[track_caller]
    pub fn run(self) -> Report {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime for the suite: {error}"));
        let ear = Ear::new(&self.secrets);
        // Tasks that the connector spawns run on this thread too.
        let heard = tracing::subscriber::set_default(ear.clone());
        let report = runtime.block_on(self.judge(ear));
        drop(heard);
        assert!(report.is_passed(), "{report}");
        println!("{report}");
        report
    }

    /// Runs the checks, on a runtime of Tokio with time enabled.
    ///
    /// Events of tasks that the connector spawns are not searched for secrets here; [`run`](Self::run) does that.
    pub async fn report(self) -> Report {
        let ear = Ear::new(&self.secrets);
        self.judge(ear.clone()).with_subscriber(ear).await
    }

    async fn judge(self, ear: Ear) -> Report {
        let connector = (self.make)();
        let own = connector.zone();
        let knows_zone = !self.zones.is_empty() || self.suite == report::DELIVERIES || own != Zone::utc();
        let zones = if !self.zones.is_empty() {
            self.zones.clone()
        } else if knows_zone {
            vec![own]
        } else {
            ["Europe/Berlin", "America/New_York"].iter().filter_map(|name| Zone::new(name).ok()).collect()
        };
        // A connector may wait before it tries again.
        let clock = TestClock::at(self.start()).hasty();
        let cx = Context::new(Arc::new(clock));
        let kit = Kit { cx, ear, zones, knows_zone, patience: self.patience };
        let name = match self.suite {
            report::CONTACTS => "contacts",
            report::STATUSES => "statuses",
            _ => "deliveries",
        };
        let mut report = Report::new(format!("{} {name}", connector.info().kind), self.suite);
        kit.ear.hear_debug("Debug of the connector", &connector);
        kit.ear.hear_debug("its info", &connector.info());
        report.set(&report::CHECK_PASSES, check_passes(&kit, &*connector).await);
        if self.suite == report::DELIVERIES {
            deliveries::judge(&self, &kit, &connector, &mut report).await;
        } else {
            windows::judge(&self, &kit, &connector, &mut report).await;
        }
        report.set(&report::SECRETS, kit.ear.judge());
        report.fill("there was nothing to judge it by");
        report
    }

    /// What the clock shows.
    fn start(&self) -> Timestamp {
        self.now.unwrap_or_else(|| match self.data_window() {
            Some(window) => window.to().after(Millis::from_mins(24 * 60)),
            None => SystemClock.now(),
        })
    }

    /// The time of the data, as far as the author tells.
    fn data_window(&self) -> Option<Window> {
        let truth = self.truth.as_ref().filter(|truth| !truth.is_empty());
        self.window.or_else(|| {
            let starts = truth?.iter().map(|fact| fact.start().millis());
            let ends = truth?.iter().map(|fact| fact.end().unwrap_or(fact.start()).millis());
            let (first, last) = (starts.min()?, ends.max()?);
            windows::quarters_around(first, last)
        })
    }

    fn with_fault(&self, fault: Fault) -> Option<&Make<'a>> {
        self.faults.iter().rev().find(|(known, _)| *known == fault).map(|(_, make)| make)
    }
}

async fn check_passes(kit: &Kit, connector: &dyn Connector) -> Judgement {
    let expected = "a report without problems";
    match kit.ask(connector.check(&kit.cx)).await {
        Ok(report) => {
            kit.ear.hear_debug("the report of check", &report);
            Judgement::of((!report.problems.is_empty()).then(|| report.problems.join("; ")), expected)
        }
        Err(error) => Judgement::failed(expected, format!("{error:?}")),
    }
}
