//! The facts of one subject that start on one UTC day.

use injixo_model::{Coverage, Millis, Timestamp, Window};

use super::codec::{Corrupt, Fact, put, take};
use super::replace::Change;
use super::{Day, day_start};

/// Which part of a cut instant a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// The list ends there: it may lack what its successor holds.
    Ends,
    /// The list begins there: it may lack what its predecessor holds.
    Begins,
    /// The list holds nothing but that instant.
    Only,
}

/// Facts sorted by start, the sides of cut instants, and the time that lists have reached across.
#[derive(Debug, Clone)]
pub(crate) struct Chunk<F> {
    settled: Vec<F>,
    /// Sorted by instant; of one instant the side stated last comes last.
    edges: Vec<Edge<F>>,
    reach: Coverage,
    /// Whether it may hold something else than the bytes from which it was decoded.
    is_touched: bool,
}

impl<F: PartialEq> PartialEq for Chunk<F> {
    fn eq(&self, other: &Self) -> bool {
        (&self.settled, &self.edges, &self.reach) == (&other.settled, &other.edges, &other.reach)
    }
}

impl<F: Eq> Eq for Chunk<F> {}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge<F> {
    at: Timestamp,
    side: Side,
    facts: Vec<F>,
}

const VERSION: u8 = 0x10;

impl<F: Fact> Chunk<F> {
    pub(crate) const fn new() -> Self {
        Self { settled: Vec::new(), edges: Vec::new(), reach: Coverage::new(), is_touched: true }
    }

    /// Holds facts that are sorted by start.
    pub(crate) const fn of(settled: Vec<F>) -> Self {
        Self { settled, edges: Vec::new(), reach: Coverage::new(), is_touched: true }
    }

    /// Holds what another chunk held: facts sorted by start, sides with their facts, and the time reached across.
    pub(crate) fn assembled(settled: Vec<F>, sides: Vec<(Timestamp, Side, Vec<F>)>, reach: Coverage) -> Self {
        let edges = sides.into_iter().map(|(at, side, facts)| Edge { at, side, facts }).collect();
        Self { settled, edges, reach, is_touched: true }
    }

    /// The facts of no cut instant, sorted by start.
    pub(crate) fn settled(&self) -> &[F] {
        &self.settled
    }

    /// The sides of cut instants, sorted by instant, in the order in which they were stated.
    pub(crate) fn sides(&self) -> impl Iterator<Item = (Timestamp, Side, &[F])> {
        self.edges.iter().map(|edge| (edge.at, edge.side, edge.facts.as_slice()))
    }

    /// The time that lists have reached across.
    pub(crate) const fn reach(&self) -> &Coverage {
        &self.reach
    }

    /// Whether it may differ from what it was decoded from.
    pub(crate) const fn is_touched(&self) -> bool {
        self.is_touched
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.edges.is_empty() && self.reach.is_empty()
    }

    /// Every fact that holds, sorted by start; of equal starts in the order in which they were stated.
    pub(crate) fn facts(&self) -> Vec<F> {
        self.with_sides(self.settled.clone())
    }

    /// The same, when nothing else is wanted of it.
    pub(crate) fn into_facts(mut self) -> Vec<F> {
        let settled = std::mem::take(&mut self.settled);
        self.with_sides(settled)
    }

    fn with_sides(&self, mut facts: Vec<F>) -> Vec<F> {
        let mut rest = self.edges.as_slice();
        while let Some(first) = rest.first() {
            let sides = rest.partition_point(|edge| edge.at <= first.at);
            let met = rest[..sides].iter().fold(Vec::new(), |met, edge| F::meet(&met, &edge.facts));
            let at = facts.partition_point(|fact| fact.start() <= first.at);
            facts.splice(at..at, met);
            rest = &rest[sides..];
        }
        facts
    }

    /// Takes out the facts that start in `window`.
    pub(crate) fn take_out(&mut self, window: Window) -> Vec<F> {
        self.is_touched = true;
        let mut old: Vec<F> = self.settled.drain(range_of(&self.settled, window)).collect();
        let edges = self.edges.extract_if(.., |edge| window.contains(edge.at));
        old.extend(edges.flat_map(|edge| edge.facts));
        old.sort_by_key(Fact::start);
        old
    }

    /// Replaces what starts in `window` by `facts`, which all start in it and are sorted by start.
    pub(crate) fn replace(&mut self, window: Window, facts: &[F]) {
        let has_edges = self.edges.iter().any(|edge| window.contains(edge.at));
        let is_same = |new: &[F]| !has_edges && self.settled[range_of(&self.settled, window)] == *new;
        if is_same(facts) {
            return;
        }
        let mut new = facts.to_vec();
        F::settle(&mut new);
        if is_same(&new) {
            return;
        }
        if self.settled.is_empty() && self.edges.is_empty() {
            self.is_touched = true;
            self.settled = new;
            return;
        }
        let old = self.take_out(window);
        F::inherit(&mut new, &old);
        let at = self.settled.partition_point(|fact| fact.start() < window.from());
        self.settled.splice(at..at, new);
    }

    /// Notes that a list reached across `window`, so that lists cut inside it leave it alone.
    pub(crate) fn reach_across(&mut self, window: Window) {
        if !self.reach.covers(window) {
            self.is_touched = true;
            self.reach.insert(window);
        }
    }

    /// States one side of the instant `at`, unless a list has reached across it.
    pub(crate) fn set_side(&mut self, at: Timestamp, side: Side, facts: &[F]) {
        let is_settled = self.reach.contains(at) || self.settled.binary_search_by_key(&at, Fact::start).is_ok();
        if is_settled {
            return;
        }
        let mut new = facts.to_vec();
        F::settle(&mut new);
        let of_instant = self.edges.iter().rposition(|edge| edge.at == at);
        if let Some(held) = self.edges.iter().position(|edge| edge.at == at && edge.side == side) {
            F::inherit(&mut new, &self.edges[held].facts);
            // What was stated last already stays so.
            if self.edges[held].facts == new && of_instant == Some(held) {
                return;
            }
            self.edges.remove(held);
            self.is_touched = true;
        }
        if !new.is_empty() {
            self.is_touched = true;
            let place = self.edges.partition_point(|edge| edge.at <= at);
            self.edges.insert(place, Edge { at, side, facts: new });
        }
    }

    /// Keeps only those facts starting in `window` for which `keep` says so.
    pub(crate) fn retain(&mut self, window: Window, keep: impl Fn(&F) -> bool) {
        self.is_touched = true;
        self.settled.retain(|fact| !window.contains(fact.start()) || keep(fact));
    }

    /// Adds a fact behind those of the same start.
    pub(crate) fn insert(&mut self, fact: F) {
        self.is_touched = true;
        let place = self.settled.partition_point(|held| held.start() <= fact.start());
        self.settled.insert(place, fact);
    }

    /// Adds facts behind those of the same start, whatever is there already.
    pub(crate) fn add(&mut self, facts: &[F]) {
        self.is_touched = true;
        self.settled.extend_from_slice(facts);
        self.settled.sort_by_key(Fact::start);
    }

    /// Whether it holds the fact that is the same as this one (see [`Fact::meet`]).
    pub(crate) fn holds(&self, fact: &F) -> bool {
        let held: Vec<F> = self.facts().into_iter().filter(|held| held.start() == fact.start()).collect();
        F::meet(&held, &[*fact]).len() == held.len()
    }

    /// Adds one fact, or updates the one that is the same (see [`Fact::meet`]).
    pub(crate) fn upsert(&mut self, fact: F) -> Change {
        let at = Window::new(fact.start(), fact.start().after(Millis::new(1)));
        let held: Vec<F> = at.map(|at| self.take_out(at)).unwrap_or_default();
        let met = F::meet(&held, &[fact]);
        let change = match met.len() > held.len() {
            true => Change { added: 1, ..Change::default() },
            false if met.iter().all(|fact| held.contains(fact)) => Change { unchanged: 1, ..Change::default() },
            false => Change { replaced: 1, ..Change::default() },
        };
        let place = self.settled.partition_point(|held| held.start() < fact.start());
        self.settled.splice(place..place, met);
        change
    }

    pub(crate) fn encode(&self, day: Day, out: &mut Vec<u8>) {
        out.clear();
        let all = || self.settled.iter().chain(self.edges.iter().flat_map(|edge| &edge.facts));
        let whole = |instant: Timestamp| instant.millis() % 1_000 == 0;
        let is_whole = all().all(|fact| whole(fact.start()) && fact.is_whole_seconds());
        let unit = if is_whole { 1_000 } else { 1 };
        out.push(VERSION | F::KIND);
        out.push(u8::from(is_whole));
        let start = day_start(day);
        put(self.reach.windows().len() as u64, out);
        let mut last = start;
        for window in self.reach.windows() {
            put_difference(last, window.from(), 1, out);
            put_difference(window.from(), window.to(), 1, out);
            last = window.to();
        }
        put(self.edges.len() as u64, out);
        for edge in &self.edges {
            put_difference(start, edge.at, unit, out);
            out.push(edge.side as u8);
            write_facts(&edge.facts, edge.at, unit, out);
        }
        write_facts(&self.settled, start, unit, out);
    }

    pub(crate) fn decode(day: Day, mut bytes: &[u8]) -> Result<Self, Corrupt> {
        let (&[version, is_whole], rest) = bytes.split_first_chunk::<2>().ok_or(Corrupt)?;
        if version != VERSION | F::KIND || is_whole > 1 {
            return Err(Corrupt);
        }
        let unit = if is_whole == 1 { 1_000 } else { 1 };
        bytes = rest;
        let mut chunk = Self::new();
        let start = day_start(day);
        let mut last = start;
        for _ in 0..take(&mut bytes)? {
            let from = take_difference(last, 1, &mut bytes)?;
            let to = take_difference(from, 1, &mut bytes)?;
            chunk.reach.insert(Window::new(from, to).map_err(|_| Corrupt)?);
            last = to;
        }
        for _ in 0..take(&mut bytes)? {
            let at = take_difference(start, unit, &mut bytes)?;
            let (&side, rest) = bytes.split_first().ok_or(Corrupt)?;
            bytes = rest;
            let side = [Side::Ends, Side::Begins, Side::Only].get(usize::from(side)).copied().ok_or(Corrupt)?;
            let facts = read_facts(at, unit, &mut bytes)?;
            chunk.edges.push(Edge { at, side, facts });
        }
        chunk.settled = read_facts(start, unit, &mut bytes)?;
        chunk.is_touched = false;
        if bytes.is_empty() { Ok(chunk) } else { Err(Corrupt) }
    }
}

fn range_of<F: Fact>(sorted: &[F], window: Window) -> std::ops::Range<usize> {
    let from = sorted.partition_point(|fact| fact.start() < window.from());
    let to = sorted.partition_point(|fact| fact.start() < window.to());
    from..to
}

fn write_facts<F: Fact>(facts: &[F], mut last: Timestamp, unit: i64, out: &mut Vec<u8>) {
    put(facts.len() as u64, out);
    for fact in facts {
        put_difference(last, fact.start(), unit, out);
        fact.write(unit, out);
        last = fact.start();
    }
}

fn read_facts<F: Fact>(mut last: Timestamp, unit: i64, bytes: &mut &[u8]) -> Result<Vec<F>, Corrupt> {
    let count = take(bytes)?;
    // A fact takes two bytes at least, so that a wrong count cannot ask for memory that the bytes do not back.
    let count = usize::try_from(count).ok().filter(|&count| count <= bytes.len()).ok_or(Corrupt)?;
    let mut facts = Vec::with_capacity(count);
    for _ in 0..count {
        last = take_difference(last, unit, bytes)?;
        facts.push(F::read(last, unit, bytes)?);
    }
    Ok(facts)
}

fn put_difference(from: Timestamp, to: Timestamp, unit: i64, out: &mut Vec<u8>) {
    put(((to.millis() - from.millis()) / unit).unsigned_abs(), out);
}

fn take_difference(from: Timestamp, unit: i64, bytes: &mut &[u8]) -> Result<Timestamp, Corrupt> {
    let difference = i64::try_from(take(bytes)?).ok().and_then(|units| units.checked_mul(unit)).ok_or(Corrupt)?;
    from.millis().checked_add(difference).map(Timestamp::from_millis).ok_or(Corrupt)
}
