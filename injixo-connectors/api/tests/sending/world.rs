//! External systems whose facts are changed at random, and which are read.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Form, Limits, LiveSource, LiveWriter,
    Outcome, StatusSource, StatusWriter,
};
use injixo_core::model::{
    Attribution, Channel, IntervalLength, IntervalRow, Measures, Millis, Quantity, Timed, Timestamp, Window,
};
use tokio::sync::{broadcast, mpsc};

use crate::clock::Random;

pub(crate) const DAY: i64 = 86_400_000;
/// The first instant of the facts: 2024-05-20.
pub(crate) const FIRST: i64 = 19_863 * DAY;
pub(crate) const DAYS: i64 = 4;
pub(crate) const QUEUES: [&str; 3] = ["Sales", "Support", "Zürich \"2\""];
pub(crate) const AGENTS: [&str; 3] = ["amy", "bob", "cho"];
pub(crate) const STATUSES: [&str; 3] = ["Ready", "On Call", "Break"];

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Call {
    pub(crate) start: i64,
    pub(crate) handled: bool,
    pub(crate) duration: Option<i64>,
    pub(crate) wait: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Did {
    pub(crate) start: i64,
    pub(crate) status: usize,
    pub(crate) end: Option<i64>,
}

/// What an external system holds now.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) calls: Vec<(usize, Call)>,
    pub(crate) rows: BTreeMap<(usize, i64), (i64, i64)>,
    pub(crate) did: Vec<(usize, Did)>,
    pub(crate) names: BTreeMap<usize, String>,
}

pub(crate) fn instant(random: &mut Random) -> i64 {
    // Whole seconds and not, and often the same.
    let second = FIRST + random.below(DAYS * 86_400) * 1_000;
    match random.below(4) {
        0 => second / 7_200_000 * 7_200_000,
        1 => second + random.below(1_000),
        _ => second,
    }
}

impl Held {
    pub(crate) fn change(&mut self, random: &mut Random) {
        for _ in 0..=random.below(8) {
            let queue = usize::try_from(random.below(3)).unwrap();
            let duration = (!random.chance(15)).then(|| random.below(600) * 500);
            let handled = random.chance(70);
            // What has a wait was answered.
            let wait = (handled && random.chance(30)).then(|| random.below(99) * 1_000);
            let call = Call { start: instant(random), handled, duration, wait };
            match random.below(10) {
                0..5 => self.calls.push((queue, call)),
                5 => drop(take(&mut self.calls, random)),
                6 => {
                    // A start that moves inside of its quarter hour: nothing that readers see.
                    if let Some((queue, call)) = take(&mut self.calls, random) {
                        let start = call.start / 900_000 * 900_000 + random.below(900) * 1_000;
                        self.calls.push((queue, Call { start, ..call }));
                    }
                }
                7 => {
                    if let Some((queue, held)) = take(&mut self.calls, random) {
                        self.calls.push((queue, Call { duration, ..held }));
                    }
                }
                8 => {
                    if let Some((_, call)) = take(&mut self.calls, random) {
                        self.calls.push((queue, call));
                    }
                }
                _ => drop(self.names.insert(queue, format!("Queue {} / {}", queue, random.below(3)))),
            }
            let interval = instant(random) / 1_800_000 * 1_800_000;
            if random.chance(70) {
                self.rows.insert((queue, interval), (random.below(30), random.below(9_000)));
            } else if let Some(key) = self.rows.keys().next().copied() {
                self.rows.remove(&key);
            }
            let agent = queue;
            let start = instant(random);
            let status = usize::try_from(random.below(3)).unwrap();
            let end = random.chance(70).then(|| start + random.below(40_000) * 1_000);
            match random.below(6) {
                0..3 => self.did.push((agent, Did { start, status, end })),
                3 => drop(take(&mut self.did, random)),
                _ => {
                    if let Some((agent, held)) = take(&mut self.did, random) {
                        let end = Some(held.start + random.below(90_000) * 1_000);
                        self.did.push((agent, Did { end, ..held }));
                    }
                }
            }
        }
        self.did.sort_by_key(|(agent, did)| (*agent, did.start, did.status));
        self.did.dedup_by_key(|(agent, did)| (*agent, did.start, did.status));
    }
}

fn take<T>(of: &mut Vec<T>, random: &mut Random) -> Option<T> {
    if of.is_empty() {
        return None;
    }
    let index = usize::try_from(random.below(i64::try_from(of.len()).unwrap())).unwrap();
    Some(of.swap_remove(index))
}

/// What is read of an external system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Calls,
    Rows,
}

#[derive(Debug, Clone)]
pub(crate) struct System {
    pub(crate) sort: Sort,
    pub(crate) held: Arc<Mutex<Held>>,
}

#[async_trait]
impl Connector for System {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(if self.sort == Sort::Rows { "rows" } else { "calls" }, "Made up")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        (self.sort == Sort::Calls).then(|| Arc::new(self.clone()) as Arc<dyn StatusSource>)
    }
}

#[async_trait]
impl ContactSource for System {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    fn form(&self) -> Form {
        match self.sort {
            Sort::Calls => Form::Contacts,
            Sort::Rows => {
                Form::IntervalRows { length: IntervalLength::MINUTES_30, attribution: Attribution::AsDelivered }
            }
        }
    }

    async fn read(&self, _: &Context, _: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let held = self.held.lock().unwrap();
        if self.sort == Sort::Rows {
            for ((queue, start), (offered, secs)) in &held.rows {
                let measures = Measures {
                    offered: Quantity::whole(*offered),
                    handled: Quantity::whole(*offered),
                    handle_time: Timed { total: Millis::from_secs(*secs), number: Quantity::whole(*offered) },
                    ..Measures::default()
                };
                let row =
                    IntervalRow { start: Timestamp::from_millis(*start), length: Millis::from_mins(30), measures };
                out.interval_row(QUEUES[*queue], Channel::Chats, row);
            }
            return Ok(Outcome::complete());
        }
        for (queue, call) in &held.calls {
            let start = Timestamp::from_millis(call.start);
            let draft = out.contact(QUEUES[*queue], Channel::Calls, start).handled(call.handled);
            let draft = match call.wait {
                Some(wait) => draft.answered_after(Millis::new(wait)),
                None => draft,
            };
            draft.handle_time(call.duration.map(Millis::new));
            if let Some(name) = held.names.get(queue) {
                out.queue_name(QUEUES[*queue], Channel::Calls, name, start)?;
            }
        }
        Ok(Outcome::complete())
    }
}

#[async_trait]
impl StatusSource for System {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        for (agent, did) in &self.held.lock().unwrap().did {
            let reaches = did.end.is_none_or(|end| end > window.from().millis());
            if did.start >= window.from().millis() || reaches {
                let end = did.end.map(Timestamp::from_millis);
                out.span(AGENTS[*agent], STATUSES[did.status], Timestamp::from_millis(did.start), end);
            }
        }
        Ok(Outcome::complete())
    }
}

/// Something that a live source says.
pub(crate) type Word = (String, Option<String>, Timestamp);

/// Follows agents.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) words: broadcast::Sender<Word>,
    pub(crate) listens: mpsc::Sender<()>,
}

#[async_trait]
impl Connector for Live {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("live", "Made up")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl LiveSource for Live {
    async fn follow(&self, _: &Context, out: &mut LiveWriter) -> Result<()> {
        let mut words = self.words.subscribe();
        out.snapshot(Timestamp::from_millis(FIRST), Vec::new()).await?;
        let _ = self.listens.send(()).await;
        while let Ok((agent, status, since)) = words.recv().await {
            out.change(&agent, status.as_deref(), since).await?;
        }
        Ok(())
    }
}
