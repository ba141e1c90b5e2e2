//! Integrations that run for weeks, with everything that happens to them, against an oracle that knows all facts.
//!
//! A seed decides everything: `INJIXO_SIMULATION_SEED=17 cargo test -p injixo-core --test simulation one_seed -- --nocapture`.

mod faulty;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use injixo_core::aggregate::timeline;
use injixo_core::connector::Stream;
use injixo_core::model::{Coverage, Millis, Span, Timestamp, Window};
use injixo_core::store::{ImportRecord, RangeKind, Store, StreamId};
use injixo_core::zone::Zone;
use injixo_core::{Changes, Clock, LookBack, MemoryStore, Policy, Runtime, Service, What};

use crate::faulty::{Bug, Faults, FaultyStore};
use crate::support::SimClock;
use crate::world::*;

/// How large a world is.
#[derive(Debug, Clone, Copy)]
struct Size {
    integrations: usize,
    back_fill_days: i64,
    live_days: i64,
}

const SMALL: Size = Size { integrations: 2, back_fill_days: 40, live_days: 12 };
const LARGE: Size = Size { integrations: 20, back_fill_days: 1_096, live_days: 42 };

/// The last days, in which nothing happens any more, so that everything is read that is to be read.
const QUIET: i64 = 4 * DAY;

/// What the script does to one integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Pause,
    Resume,
    Edit,
    ImportNow,
    BackFill(i64),
    Restart,
    Heal,
    Check,
}

struct World {
    size: Size,
    begin: i64,
    end: i64,
    random: Random,
    systems: Vec<System>,
    /// When, to which integration, what.
    script: Vec<(i64, usize, Act)>,
    policies: Vec<Policy>,
    /// Waived stretches of statuses, as the rule gives them, not yet reduced by what was covered.
    waived: Vec<Vec<(i64, i64)>>,
    /// The oldest instant that was asked for.
    asked: Vec<i64>,
}

const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "America/St_Johns"];

fn quarter(at: i64) -> i64 {
    at.div_euclid(15 * MINUTE) * 15 * MINUTE
}

impl World {
    fn new(seed: u64, size: Size) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
        // The clock changes fall into the weeks of live running: spring or autumn 2024.
        let first_day = if random.chance(50) { 1_709_251_200_000 } else { 1_728_518_400_000 };
        let near = (size.live_days - 10).max(1);
        let begin = first_day + (21 - near.min(21)) * DAY / 2 + random.below(DAY);
        // Whatever was due a moment before is done by then.
        let end = quarter(begin + size.live_days * DAY + QUIET) + 13 * MINUTE;
        let mut world = Self {
            size,
            begin,
            end,
            random,
            systems: Vec::new(),
            script: Vec::new(),
            policies: Vec::new(),
            waived: Vec::new(),
            asked: Vec::new(),
        };
        for index in 0..size.integrations {
            world.add(index);
        }
        world.script.sort_by_key(|act| (act.0, act.1));
        world
    }

    fn add(&mut self, index: usize) {
        let every = [15, 15, 30, 60][usize::try_from(self.random.below(4)).unwrap()];
        let offset = self.random.below(10) * MINUTE;
        let mut policy = Policy::new()
            .every(Millis::from_mins(every))
            .reference_time(Millis::new(offset))
            .back_fill(Millis::new(self.size.back_fill_days * DAY));
        policy.patience = Millis::from_mins(10);
        // With imports of half an hour contacts are looked back to more often than by default.
        if every == 30 {
            let short = LookBack::new(Millis::from_mins(90), Millis::from_mins(15));
            policy = policy.look_back([short, LookBack::new(Millis::new(3 * DAY), Millis::new(DAY))]);
        }
        let zone = Zone::new(ZONES[usize::try_from(self.random.below(6)).unwrap()]).unwrap();
        let mut ledger = Ledger { faults: true, ..Ledger::default() };
        let troubles = self.script_of(index);
        let quiet = |at: i64| troubles.iter().all(|(from, to)| at + 27 * HOUR < *from || at > *to + HOUR);
        let first = self.begin - (self.size.back_fill_days + 20) * DAY;
        let last = self.end - 2 * DAY;
        self.calls(&mut ledger, first, last, &quiet);
        self.states(&mut ledger, first, last, &quiet);
        if self.random.chance(40) {
            ledger.poison = Some(self.begin - self.random.below(self.size.back_fill_days * DAY));
        }
        let cap = usize::try_from(self.random.between(40, 400)).unwrap();
        let random = Arc::new(Mutex::new(Random(self.random.next())));
        ledger.outages.extend(troubles.iter().filter(|trouble| trouble.1 - trouble.0 < 2 * HOUR));
        self.systems.push(System { ledger: Arc::new(Mutex::new(ledger)), random, zone, cap });
        self.policies.push(policy);
    }

    /// Plans pauses, outages and the rest; returns the times of trouble, in which no correction is sure to be seen.
    fn script_of(&mut self, index: usize) -> Vec<(i64, i64)> {
        let (mut troubles, mut at) = (Vec::new(), self.begin + HOUR + self.random.below(DAY));
        let last = self.end - QUIET;
        let mut waived = Vec::new();
        self.asked.push(i64::MAX);
        while at < last - 6 * HOUR {
            match self.random.below(8) {
                0 | 1 => {
                    let length = if self.random.chance(50) {
                        self.random.between(HOUR, 20 * HOUR)
                    } else {
                        self.random.between(26 * HOUR, 3 * DAY)
                    };
                    // Just when imports begin, so that one goes on.
                    let from = quarter(at) + self.random.below(12 * MINUTE);
                    let to = (from + length).min(last - HOUR);
                    self.script.push((from, index, Act::Pause));
                    self.script.push((to, index, Act::Resume));
                    waived.push((from, to));
                    troubles.push((from, to));
                    at = to;
                }
                2 => troubles.push((at, at + self.random.below(2 * HOUR))),
                3 => self.script.push((at, index, Act::Edit)),
                4 => self.script.push((at, index, Act::ImportNow)),
                5 => {
                    let from = self.begin - self.random.below((self.size.back_fill_days + 10) * DAY);
                    self.script.push((at, index, Act::BackFill(from)));
                }
                6 => self.script.push((at, index, Act::Restart)),
                _ => self.script.push((at, index, Act::Check)),
            }
            at += self.random.between(HOUR, 3 * DAY);
        }
        self.script.push((self.end - QUIET + HOUR, index, Act::Heal));
        self.waived.push(waived);
        troubles
    }

    fn calls(&mut self, ledger: &mut Ledger, first: i64, last: i64, quiet: &impl Fn(i64) -> bool) {
        let mut at = first;
        let mut number = 0;
        while at < last {
            at += self.random.between(MINUTE / 2, 6 * HOUR);
            let call = Call {
                queue: usize::try_from(self.random.below(3)).unwrap(),
                duration: self.random.below(20 * MINUTE) / 1_000 * 1_000,
            };
            let recorded = at + call.duration + self.random.below(LATE - 21 * MINUTE);
            let mut versions = vec![(recorded, Some(call))];
            // The long look-back goes back three days, once a day.
            let corrected = recorded + self.random.below(40 * HOUR);
            if self.random.chance(10)
                && corrected > self.begin
                && corrected < self.end - QUIET
                && quiet(corrected)
                && quiet(at)
            {
                let changed = match self.random.below(3) {
                    0 => None,
                    1 => Some(Call { queue: (call.queue + 1) % 3, ..call }),
                    _ => Some(Call { duration: call.duration + 60_000, ..call }),
                };
                versions.push((corrected, changed));
            }
            number += 1;
            ledger.calls.insert((at, number), Versions(versions));
        }
    }

    fn states(&mut self, ledger: &mut Ledger, first: i64, last: i64, quiet: &impl Fn(i64) -> bool) {
        let mut number = 0;
        for agent in 0..AGENTS.len() {
            let mut at = first + self.random.below(DAY);
            while at < last {
                let length = if self.random.chance(10) {
                    self.random.between(8 * HOUR, 40 * HOUR)
                } else {
                    self.random.between(MINUTE, 5 * HOUR)
                };
                let end = at + length;
                let status = usize::try_from(self.random.below(4)).unwrap();
                let open = State { agent, status, end: None };
                let closed = State { end: Some(end), ..open };
                let mut versions = vec![(at, Some(open)), (end, Some(closed))];
                let corrected = end + self.random.below(20 * HOUR);
                let is_reached = corrected < at + 21 * HOUR && corrected > self.begin && corrected < self.end - QUIET;
                if self.random.chance(10) && is_reached && quiet(corrected) && quiet(at) {
                    let changed = match self.random.below(3) {
                        0 => None,
                        1 => Some(State { status: (status + 1) % 4, ..closed }),
                        _ => Some(State { end: Some(end - length / 2), ..closed }),
                    };
                    versions.push((corrected, changed));
                }
                number += 1;
                ledger.states.insert((at, number), Versions(versions));
                at = end + if self.random.chance(30) { self.random.below(HOUR) } else { 0 };
            }
        }
    }
}

/// Stretches from, to, status.
type Pieces = Vec<(i64, i64, String)>;

/// What a reader knows who only follows the change feed.
#[derive(Debug, Default)]
struct Follower {
    revision: u64,
    intervals: BTreeMap<(u32, String, Timestamp), (i64, i64)>,
    timelines: BTreeMap<(u32, String), Pieces>,
    complaints: Vec<String>,
}

const FOREVER: i64 = i64::MAX;

impl Follower {
    async fn catch_up(&mut self, runtime: &Runtime) {
        let mut changes: Changes = runtime.changes(self.revision).await.unwrap();
        while let Some(change) = changes.try_next().await.unwrap() {
            if change.revision <= self.revision {
                self.complaints.push(format!("revision {} after {}", change.revision, self.revision));
            }
            self.revision = change.revision;
            let id = change.integration;
            match change.what {
                What::Interval { queue, start, before, after, .. } => {
                    let sums = |measures: injixo_core::model::Measures| {
                        (measures.offered.micros() / 1_000_000, measures.handle_time.total.get())
                    };
                    let key = (id, queue.id, start);
                    let held = match after {
                        Some(after) => self.intervals.insert(key.clone(), sums(after)),
                        None => self.intervals.remove(&key),
                    };
                    if held != before.map(sums) {
                        self.complaints.push(format!("{key:?} was {held:?}, the feed says {before:?}"));
                    }
                    if before == after {
                        self.complaints.push(format!("{key:?} did not change"));
                    }
                }
                What::Timeline { agent, from, to, before, after } => {
                    let (from, to) = (from.millis(), to.map_or(FOREVER, Timestamp::millis));
                    let plain = |stretches: Vec<injixo_core::Stretch>| -> Vec<(i64, i64, String)> {
                        let plain = stretches.into_iter();
                        plain.map(|s| (s.from.millis(), s.to.map_or(FOREVER, Timestamp::millis), s.status)).collect()
                    };
                    let held = self.timelines.entry((id, agent.clone())).or_default();
                    // All that touches the stretch, from there on cut or joined.
                    let first = held.partition_point(|s| s.1 < from);
                    let last = held.partition_point(|s| s.0 <= to);
                    let near: Pieces = held[first..last].to_vec();
                    let inside = near.iter().filter(|s| s.0 < to && s.1 > from);
                    let shown: Pieces = inside.map(|s| (s.0.max(from), s.1.min(to), s.2.clone())).collect();
                    let before = plain(before);
                    if shown != before {
                        self.complaints
                            .push(format!("{agent} {from}..{to} showed {shown:?}, the feed says {before:?}"));
                    }
                    let mut pieces: Pieces = plain(after);
                    for s in near {
                        pieces.push((s.0, s.1.min(from), s.2.clone()));
                        pieces.push((s.0.max(to), s.1, s.2));
                    }
                    pieces.retain(|s| s.0 < s.1);
                    pieces.sort();
                    let mut joined: Pieces = Vec::with_capacity(pieces.len());
                    for piece in pieces {
                        match joined.last_mut() {
                            Some(last) if last.1 == piece.0 && last.2 == piece.2 => last.1 = piece.1,
                            _ => joined.push(piece),
                        }
                    }
                    held.splice(first..last, joined);
                }
                _ => {}
            }
        }
    }
}

struct Hosts {
    store: FaultyStore,
    clock: SimClock,
    running: Vec<(Runtime, Option<Service>)>,
}

impl Hosts {
    async fn start(&mut self, host: usize, world: &World) {
        let runtime = Runtime::new(self.store.clone()).clock(self.clock).back_fills(4).lease(Millis::from_mins(10));
        for (index, system) in world.systems.iter().enumerate() {
            // A commit may fail: then it is tried again, as a host would.
            while runtime.add_with(&name(index), system.clone(), world.policies[index].clone()).await.is_err() {}
        }
        let service = runtime.start();
        self.running[host] = (runtime, Some(service));
    }
}

fn name(index: usize) -> String {
    format!("integration {index}")
}

/// Runs a world to its end; returns what is wrong with it.
async fn run(seed: u64, size: Size, bug: Option<Bug>) -> Vec<String> {
    let mut world = World::new(seed, size);
    let clock = SimClock::at(Timestamp::from_millis(world.begin));
    let faults = Faults {
        random: Random(seed ^ 0xfa17),
        percent: 2,
        paused: Vec::new(),
        imported_while_paused: 0,
        logged: Vec::new(),
    };
    let faults = Arc::new(Mutex::new(faults));
    let store = FaultyStore { inner: MemoryStore::new(), faults: Arc::clone(&faults), bug };
    let idle = || (Runtime::new(MemoryStore::new()), None);
    let mut hosts = Hosts { store, clock, running: vec![idle(), idle()] };
    for host in 0..2 {
        hosts.start(host, &world).await;
    }
    let mut follower = Follower::default();
    let script = std::mem::take(&mut world.script);
    if std::env::var("INJIXO_SIMULATION_SHOW").is_ok() {
        println!("{:#?} {:?}", world.policies, world.systems.iter().map(|system| system.cap).collect::<Vec<_>>());
        for (at, index, act) in &script {
            println!("{} {index} {act:?}", Timestamp::from_millis(*at));
        }
        for (index, system) in world.systems.iter().enumerate() {
            for ((start, _), versions) in system.ledger().calls.iter().filter(|(_, versions)| versions.0.len() > 1) {
                let versions: Vec<_> =
                    versions.0.iter().map(|(at, call)| (Timestamp::from_millis(*at), call)).collect();
                println!("{index} call {} {versions:?}", Timestamp::from_millis(*start));
            }
        }
    }
    for (at, index, act) in script {
        clock.sleep_until(Timestamp::from_millis(at)).await;
        let host = usize::try_from(world.random.below(2)).unwrap();
        let runtime = hosts.running[host].0.clone();
        let (name, id) = (name(index), u32::try_from(index + 1).unwrap());
        match act {
            Act::Pause => {
                while runtime.pause(&name).await.is_err() {}
                faults.lock().unwrap().paused.push(id);
            }
            Act::Resume => {
                faults.lock().unwrap().paused.retain(|paused| *paused != id);
                while runtime.resume(&name).await.is_err() {}
            }
            Act::Edit => {
                let system = world.systems[index].clone();
                while runtime.edit(&name, system.clone()).await.is_err() {}
            }
            Act::ImportNow => while runtime.import_now(&name).await.is_err() {},
            Act::BackFill(from) => {
                while runtime.back_fill(&name, Timestamp::from_millis(from)).await.is_err() {}
                world.asked[index] = world.asked[index].min(quarter(from));
                // What was waived is asked for by this.
                for waived in &mut world.waived[index] {
                    if waived.1 <= at && waived.1 > from {
                        *waived = (waived.0, waived.1.min(from));
                    }
                }
            }
            Act::Restart => {
                hosts.running[host].1 = None;
                hosts.start(host, &world).await;
            }
            Act::Heal => {
                world.systems[index].ledger().heal();
                faults.lock().unwrap().percent = 0;
                runtime.try_again(&name).await.unwrap();
            }
            Act::Check => follower.catch_up(&runtime).await,
        }
    }
    clock.sleep_until(Timestamp::from_millis(world.end)).await;
    let runtime = hosts.running[0].0.clone();
    follower.catch_up(&runtime).await;
    let mut wrong = judge(&world, &hosts.store, &runtime, &follower).await;
    for (_, service) in hosts.running {
        if let Some(service) = service {
            service.shutdown().await;
        }
    }
    wrong.extend(judge_log(&world, &hosts.store, &runtime).await);
    let faults = faults.lock().unwrap();
    if let Ok(at) = std::env::var("INJIXO_SIMULATION_SHOW") {
        let logged = faults
            .logged
            .iter()
            .filter(|import| import.window.is_some_and(|window| at.parse().is_ok_and(|at| window.contains(at))));
        logged.for_each(|import| {
            println!("{} {:?} {} {:?}", import.applied_at, import.stream, import.name, import.imported)
        });
    }
    if faults.imported_while_paused > 0 {
        wrong.push(format!("{} imports while paused", faults.imported_while_paused));
    }
    wrong
}

/// Compares everything that the store shows with what the rules say of the facts.
async fn judge(world: &World, store: &FaultyStore, runtime: &Runtime, follower: &Follower) -> Vec<String> {
    let mut wrong: Vec<String> =
        follower.complaints.iter().take(3).map(|complaint| format!("feed: {complaint}")).collect();
    for (index, system) in world.systems.iter().enumerate() {
        let id = u32::try_from(index + 1).unwrap();
        let mut complain = |what: String| wrong.push(format!("integration {index} ({}): {what}", system.zone));
        let policy = &world.policies[index];
        let every = policy.every.get();
        let edge = (world.end - policy.reference_time.get()).div_euclid(every) * every;
        let horizon = quarter(world.begin - policy.back_fill.get() + 15 * MINUTE - 1);
        let first = horizon.min(world.asked[index]);
        let wanted = Window::new(Timestamp::from_millis(first), Timestamp::from_millis(edge)).unwrap();
        let mut waived = Coverage::new();
        for &(from, to) in &world.waived[index] {
            let from = (from - policy.reference_time.get()).div_euclid(every) * every;
            let to = quarter(to - DAY + 15 * MINUTE - 1);
            waived.extend(Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)));
        }
        // Coverage, and what stands beside it.
        let mut expected_cover = Vec::new();
        for stream in [Stream::Contacts, Stream::Statuses] {
            let stream_id = StreamId { integration: id, stream };
            let mut reading = store.inner.read().await.unwrap();
            let held = reading.coverage(stream_id, None, wanted_all()).await.unwrap();
            let covered: Coverage = held.iter().map(|held| held.window).collect();
            let ranges = reading.ranges(stream_id).await.unwrap();
            let mut expected = Coverage::from_iter([wanted]);
            if stream == Stream::Statuses {
                // What was covered before the pause stays so, even where the rule would waive it.
                let noted: Coverage =
                    ranges.iter().filter(|range| range.kind == RangeKind::Waived).map(|range| range.window).collect();
                if !noted.difference(&waived).is_empty() {
                    complain(format!("waived {:?} instead of {:?}", noted, waived));
                }
                let given_up = waived.difference(&covered);
                if !given_up.difference(&noted).is_empty() {
                    complain(format!("not noted as waived: {:?}", given_up.difference(&noted)));
                }
                for window in waived.windows() {
                    // At most what one import read before the pause.
                    let read = covered.within(*window);
                    let length: i64 = read.windows().iter().map(|window| window.duration().get()).sum();
                    if length > 0 && world.asked[index] == i64::MAX && length > 2 * HOUR {
                        complain(format!("read although waived: {read:?}"));
                    }
                }
                expected = expected.difference(&given_up);
            }
            if covered != expected {
                complain(format!(
                    "{stream:?} covered too much {:?}, too little {:?}",
                    covered.difference(&expected),
                    expected.difference(&covered)
                ));
            }
            if ranges.iter().any(|range| range.kind != RangeKind::Waived) {
                complain(format!("{stream:?} left over: {ranges:?}"));
            }
            expected_cover.push(covered);
        }
        let (sums, mut spans) = expected_facts(system, id, world.end, &expected_cover);
        let mut held = Sums::new();
        for interval in runtime.intervals(&name(index)).await.unwrap() {
            let measures = interval.measures;
            let sum = (measures.offered.micros() / 1_000_000, measures.handle_time.total.get());
            held.insert((id, interval.queue.id, interval.start), sum);
        }
        if held != sums {
            complain(format!("intervals: {}", first_difference(&held, &sums)));
        }
        let followed: BTreeMap<_, _> =
            follower.intervals.iter().filter(|(key, _)| key.0 == id).map(|(key, sum)| (key.clone(), *sum)).collect();
        if followed != held {
            complain(format!("the feed shows other intervals: {}", first_difference(&followed, &held)));
        }
        // Statuses.
        let (agents, names) = runtime.statuses(&name(index)).await.unwrap();
        let mut timelines = BTreeMap::new();
        for agent in agents {
            let plain =
                |span: &Span| (span.start.millis(), names[&span.status].clone(), span.end.map(Timestamp::millis));
            let expected = spans.remove(&agent.agent).unwrap_or_default();
            // An end that came while nothing was read, in a stretch that was given up, may never have been seen.
            let known_end = |(start, status, end): (i64, String, Option<i64>)| {
                let same = expected.iter().find(|other| (other.0, &other.1) == (start, &status));
                let is_given_up = |end: &i64| waived.contains(Timestamp::from_millis(end - 1));
                let same_end = same.and_then(|other| other.2).filter(is_given_up);
                (start, status, end.or(same_end))
            };
            let found: BTreeSet<_> = agent.spans.iter().map(plain).map(known_end).collect();
            if found != expected {
                let extra = found.difference(&expected).next();
                let lacking = expected.difference(&found).next();
                complain(format!("{}: has {extra:?} too many, lacks {lacking:?}", agent.agent));
            }
            let pieces: Vec<(i64, i64, String)> = timeline(&agent.spans)
                .iter()
                .map(|piece| {
                    let end = piece.end.map_or(FOREVER, Timestamp::millis);
                    (piece.start.millis(), end, names[&piece.status].clone())
                })
                .collect();
            timelines.insert((id, agent.agent.clone()), pieces);
        }
        if !spans.is_empty() {
            complain(format!("agents that the store does not know: {:?}", spans.keys()));
        }
        for (key, pieces) in &timelines {
            let followed = follower.timelines.get(key).cloned().unwrap_or_default();
            if followed != *pieces {
                let differing = followed.iter().zip(pieces).find(|(a, b)| a != b);
                complain(format!("the feed shows another timeline of {}: {differing:?}", key.1));
            }
        }
    }
    wrong
}

/// The import log: exactly what was committed, each line an answer that the system gave, all of them together what is there.
async fn judge_log(world: &World, store: &FaultyStore, runtime: &Runtime) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, system) in world.systems.iter().enumerate() {
        let id = u32::try_from(index + 1).unwrap();
        let mut complain = |what: String| wrong.push(format!("integration {index}, log: {what}"));
        let mut log = store.inner.read().await.unwrap().imports(id, u32::MAX).await.unwrap();
        log.reverse();
        let line = |import: &ImportRecord| ImportRecord { id: 0, ..import.clone() };
        let held: Vec<ImportRecord> = log.iter().map(line).collect();
        let all = store.faults.lock().unwrap().logged.clone();
        let committed: Vec<ImportRecord> =
            all.iter().filter(|import| import.stream.integration == id).map(line).collect();
        if held != committed {
            complain(format!("{} lines, {} imports were committed", held.len(), committed.len()));
        }
        let given: BTreeSet<(usize, Window, u64)> = system.ledger().answered.iter().copied().collect();
        let (mut facts, mut there) = ([0_i64; 2], [0_i64; 2]);
        for import in &held {
            let stream = usize::from(import.stream.stream == Stream::Statuses);
            if import.window.is_none_or(|window| !given.contains(&(stream, window, import.imported))) {
                complain(format!("the system gave no such answer: {import:?}"));
            }
            facts[stream] += i64::try_from(import.added).unwrap() - i64::try_from(import.gone).unwrap();
        }
        for interval in runtime.intervals(&name(index)).await.unwrap() {
            there[0] += interval.measures.offered.micros() / 1_000_000;
        }
        for agent in runtime.statuses(&name(index)).await.unwrap().0 {
            there[1] += i64::try_from(agent.spans.len()).unwrap();
        }
        if facts != there {
            complain(format!("it adds up to {facts:?} contacts and spans, there are {there:?}"));
        }
    }
    wrong
}

/// Sums of the contacts by queue and quarter hour.
type Sums = BTreeMap<(u32, String, Timestamp), (i64, i64)>;

/// Spans by agent.
type Spans = BTreeMap<String, BTreeSet<(i64, String, Option<i64>)>>;

/// What the facts say within what is covered, contacts and statuses.
fn expected_facts(system: &System, id: u32, end: i64, covered: &[Coverage]) -> (Sums, Spans) {
    let ledger = system.ledger();
    let mut sums = Sums::new();
    for ((start, _), versions) in &ledger.calls {
        let at = Timestamp::from_millis(*start);
        if let (Some(call), true) = (versions.at(end), covered[0].contains(at)) {
            let key = (id, QUEUES[call.queue].to_owned(), Timestamp::from_millis(quarter(*start)));
            let sum = sums.entry(key).or_default();
            *sum = (sum.0 + 1, sum.1 + call.duration);
        }
    }
    let mut spans = Spans::new();
    for ((start, _), versions) in &ledger.states {
        let Some(state) = versions.at(end) else { continue };
        let to = state.end.unwrap_or(FOREVER).max(start + 1);
        let window = Window::new(Timestamp::from_millis(*start), Timestamp::from_millis(to)).unwrap();
        if !covered[1].within(window).is_empty() {
            let span = (*start, STATUSES[state.status].to_owned(), state.end);
            spans.entry(AGENTS[state.agent].to_owned()).or_default().insert(span);
        }
    }
    (sums, spans)
}

fn wanted_all() -> Window {
    Window::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).unwrap()
}

fn first_difference<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    a: &BTreeMap<K, V>,
    b: &BTreeMap<K, V>,
) -> String {
    let differs = a
        .iter()
        .map(|(key, value)| (key, Some(value), b.get(key)))
        .chain(b.iter().map(|(key, value)| (key, a.get(key), Some(value))));
    let mut all: Vec<_> = differs.filter(|(_, a, b)| a != b).collect();
    all.sort_by(|a, b| a.0.cmp(b.0));
    format!("{} differ, first {:?}", all.len(), all.first())
}

fn simulate(seed: u64, size: Size, bug: Option<Bug>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(seed, size, bug))
}

fn is_long() -> bool {
    std::env::var("INJIXO_TEST_LONG").is_ok_and(|long| long == "1")
}

#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("INJIXO_SIMULATION_SEED") else { return };
    let size = if std::env::var("INJIXO_SIMULATION_LARGE").is_ok() { LARGE } else { SMALL };
    let begun = std::time::Instant::now();
    let wrong = simulate(seed.parse().unwrap(), size, None);
    println!("{:?}", begun.elapsed());
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
}

#[test]
fn small_worlds_end_as_the_oracle_says() {
    let seeds = if is_long() { 2_000 } else { 12 };
    for seed in 0..seeds {
        let wrong = simulate(seed, SMALL, None);
        assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    }
}

/// Six weeks across a clock change; in the long form with 20 integrations and three years of back-fill.
#[test]
fn large_worlds_end_as_the_oracle_says() {
    let (seeds, size) =
        if is_long() { (4, LARGE) } else { (1, Size { integrations: 5, back_fill_days: 200, ..LARGE }) };
    for seed in 0..seeds {
        let wrong = simulate(seed, size, None);
        assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn every_planted_bug_is_found() {
    let finds = |bug: &Bug| (0..SEEDS_PER_BUG).find(|seed| !simulate(*seed, SMALL, Some(*bug)).is_empty());
    let found: Vec<(Bug, Option<u64>)> = Bug::ALL.iter().map(|bug| (*bug, finds(bug))).collect();
    println!("found by the seeds {found:?}");
    let hidden: Vec<Bug> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(bug, _)| *bug).collect();
    assert!(hidden.is_empty(), "not found: {hidden:?}");
}

const SEEDS_PER_BUG: u64 = 40;
