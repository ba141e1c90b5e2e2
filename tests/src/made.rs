//! An external system whose facts follow from their place in time, read by a process of its own that may be killed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connectors::core::connector::{
    Budget, CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, Outcome,
    StatusSource, StatusWriter,
};
use injixo_connectors::core::model::{Channel, Millis, Timestamp, Window};
use injixo_connectors::core::{LookBack, Policy, Result};

use crate::quarters;

const QUEUES: [&str; 3] = ["Sales", "Service", "Support"];
const STATUSES: [&str; 3] = ["Ready", "On Call", "Break"];
const AGENTS: [&str; 3] = ["amy", "bob", "cho"];

/// Between two contacts, and between two status changes of an agent, in seconds.
const CONTACT: i64 = 97;
const STATUS: i64 = 1_009;

/// Holds a contact every 97 seconds and, of each agent, a status every 1,009 seconds; nothing outside its time.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its first second.
    pub from: i64,
    /// The second after its last one.
    pub to: i64,
    /// How long the contacts last, in seconds: tells what one process read from what another did.
    pub duration: i64,
    /// What its credentials allow.
    pub budget: Option<Budget>,
    /// Whether it has statuses besides contacts.
    pub with_statuses: bool,
    /// Told of each read before it is answered.
    pub reads: Reads,
}

/// What is done before a read is answered.
#[derive(Clone)]
pub struct Reads(pub Arc<dyn Fn(Window) -> futures::future::BoxFuture<'static, ()> + Send + Sync>);

impl std::fmt::Debug for Reads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reads")
    }
}

impl Made {
    /// Holds facts from one second to another.
    pub fn new(from: i64, to: i64) -> Self {
        let reads = Reads(Arc::new(|_| Box::pin(std::future::ready(()))));
        Self { from, to, duration: 60, budget: None, with_statuses: true, reads }
    }

    /// The seconds of `window` in which a fact may start, in steps.
    fn steps(&self, window: Window, step: i64) -> impl Iterator<Item = i64> + use<> {
        let from = (window.from().millis() / 1_000).max(self.from);
        let to = (window.to().millis() / 1_000).min(self.to);
        (from.div_euclid(step)..=to.div_euclid(step)).map(move |k| k * step).filter(move |at| (from..to).contains(at))
    }

    /// How a policy must be for nothing to be read but once, `days` back.
    pub fn policy(days: i64) -> Policy {
        let quarter = Millis::from_mins(15);
        let mut policy = Policy::new()
            .back_fill(Millis::from_mins(1_440 * days))
            .look_back([LookBack::new(quarter, quarter)])
            .reconcile([LookBack::new(quarter, quarter)]);
        policy.longest_window = Millis::from_mins(1_440);
        policy
    }

    /// The quarter hours of its contacts, added up naively, as [`quarters`] writes them.
    pub fn expected_quarters(&self) -> String {
        let all = (self.from.div_euclid(CONTACT)..=self.to.div_euclid(CONTACT)).map(|k| k * CONTACT);
        let inside = all.filter(|at| (self.from..self.to).contains(at));
        crate::naive_quarters(inside.map(|at| (queue(at), at, self.duration)))
    }

    /// How many contacts start in some seconds.
    pub fn contacts_in(&self, from: i64, to: i64) -> u64 {
        let (from, to) = (from.max(self.from), to.min(self.to));
        (from..to).filter(|at| at % CONTACT == 0).count() as u64
    }
}

fn queue(at: i64) -> &'static str {
    QUEUES[usize::try_from(at / CONTACT % 3).unwrap_or(0)]
}

#[async_trait]
impl Connector for Made {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("made", "Made up")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn budget(&self) -> Option<Budget> {
        self.budget.clone()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        self.with_statuses.then(|| Arc::new(self.clone()) as _)
    }
}

#[async_trait]
impl ContactSource for Made {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        (self.reads.0)(window).await;
        for at in self.steps(window, CONTACT) {
            let duration = Millis::from_secs(self.duration);
            out.contact(queue(at), Channel::Calls, Timestamp::from_secs(at)).handled(true).handle_time(duration);
            out.flush().await?;
        }
        Ok(Outcome::complete())
    }
}

#[async_trait]
impl StatusSource for Made {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        (self.reads.0)(window).await;
        for at in self.steps(window, STATUS) {
            for (agent, name) in AGENTS.iter().enumerate() {
                let status = STATUSES[(usize::try_from(at / STATUS).unwrap_or(0) + agent) % 3];
                let end = Timestamp::from_secs(at + STATUS);
                out.span(name, status, Timestamp::from_secs(at), end);
            }
        }
        Ok(Outcome::complete())
    }
}

/// What a store holds of an integration: quarter hours, and stretches of timelines.
///
/// # Panics
///
/// If it cannot be read.
pub async fn contents(runtime: &injixo_connectors::core::Runtime, integration: &str) -> (String, String) {
    let mut timelines = String::new();
    for timeline in runtime.timelines(integration).await.unwrap_or_else(|error| panic!("{error}")) {
        for stretch in timeline.stretches {
            let end = stretch.to.map_or_else(String::new, |end| end.to_string());
            let _ = writeln!(timelines, "{} {} {} {end}", timeline.agent, stretch.status, stretch.from);
        }
    }
    (quarters(runtime, integration).await, timelines)
}

/// What a reader knows who followed the change feed from its beginning: the quarter hours as [`quarters`] writes them.
///
/// # Panics
///
/// If the feed cannot be read.
pub async fn followed(runtime: &injixo_connectors::core::Runtime) -> String {
    use injixo_connectors::core::What;
    let mut known = BTreeMap::new();
    let mut changes = runtime.changes(0).await.unwrap_or_else(|error| panic!("{error}"));
    let mut last = 0;
    while let Some(change) = changes.try_next().await.unwrap_or_else(|error| panic!("{error}")) {
        assert!(change.revision > last, "revisions rise");
        last = change.revision;
        if let What::Interval { queue, start, before, after, .. } = change.what {
            let held = match after {
                Some(after) => known.insert((queue.id.clone(), start), after),
                None => known.remove(&(queue.id.clone(), start)),
            };
            assert_eq!(held, before, "{} {start}", queue.id);
        }
    }
    let mut lines = String::new();
    for ((queue, start), measures) in known {
        let time = measures.handle_time.total;
        let _ = writeln!(lines, "{queue} {start} {} {} {time}", measures.offered, measures.handled);
    }
    lines
}
