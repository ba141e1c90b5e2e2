//! Which chunks come next, and what they hold.

use std::collections::{BTreeMap, BTreeSet};

use injixo_model::{Contact, IntervalRow, Span};

use super::place::{Key, Place, digest};
use crate::derive::decode_days;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Chunk, Corrupt, Day, Fact, day_of};
use crate::import::{arrived, corrupt};
use crate::store::{ChunkRange, FeedEntry, FeedKind, Layer, Subject, SubjectKind, Transaction};

/// The facts of a subject that start on one day; nothing for a day without any.
pub(super) enum Facts {
    Contacts(Chunk<Contact>),
    Rows(Chunk<IntervalRow>),
    Spans(Chunk<Span>),
}

impl Facts {
    /// Roughly how many bytes they take in a part.
    pub(super) fn bytes(&self) -> usize {
        fn count<F: Fact>(chunk: &Chunk<F>) -> usize {
            chunk.settled().len() + chunk.sides().map(|side| side.2.len() + 1).sum::<usize>()
        }
        let rows = match self {
            Self::Contacts(chunk) => count(chunk) * 56 + chunk.reach().windows().len() * 20,
            Self::Rows(chunk) => count(chunk) * 80,
            Self::Spans(chunk) => count(chunk) * 28 + chunk.reach().windows().len() * 20,
        };
        rows + 40
    }
}

/// Queues and agents of an integration by their numbers.
pub(super) struct Known {
    pub(super) by_id: BTreeMap<u32, Subject>,
}

impl Known {
    pub(super) async fn load(transaction: &mut dyn Transaction, integration: u32) -> Result<Self> {
        let mut by_id = BTreeMap::new();
        for kind in [SubjectKind::Queue, SubjectKind::Agent] {
            by_id.extend(transaction.subjects(integration, kind).await?.into_iter().map(|held| (held.id, held)));
        }
        Ok(Self { by_id })
    }
}

/// A chunk of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub(super) subject: u32,
    pub(super) live: bool,
    pub(super) day: Day,
}

/// What one step found.
#[derive(Default)]
pub(super) struct Step {
    /// Subjects that are named, with or without days.
    pub(super) subjects: BTreeSet<u32>,
    pub(super) days: BTreeMap<Named, Option<Facts>>,
    pub(super) bytes: usize,
    /// Where it began and ended, while everything is stated once.
    pub(super) whole: Option<(Option<Key>, Option<Key>)>,
}

/// How much one step takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) bytes: usize,
    pub(super) days: usize,
}

const ENTRIES_AT_ONCE: u32 = 128;
const DAYS_AT_ONCE: usize = 32;

/// Around the first and the last fact there may be days that only say that lists reached across them.
pub(super) const BESIDE: Day = 3;

/// States everything in its order, from `place` on; `place` is then behind it.
pub(super) async fn state_all(
    transaction: &mut dyn Transaction,
    known: &Known,
    place: &mut Place,
    bound: Bound,
) -> Result<Step> {
    let from = place.stating.clone().flatten();
    let mut step = Step { whole: Some((from.clone(), None)), ..Step::default() };
    let mut subjects: Vec<&Subject> = known.by_id.values().collect();
    subjects.sort_by_cached_key(|subject| Key::of(subject, false, Day::MIN));
    for subject in subjects {
        if from.as_ref().is_some_and(|from| Key::of(subject, true, Day::MAX) <= *from) {
            continue;
        }
        step.subjects.insert(subject.id);
        for live in [false, true] {
            if live && subject.kind == SubjectKind::Queue {
                continue;
            }
            let (mut day, last) = (day_of(subject.first) - BESIDE, day_of(subject.last) + BESIDE);
            if let Some(from) = from.as_ref().filter(|from| Key::of(subject, live, day) <= **from) {
                if Key::of(subject, live, last) <= *from {
                    continue;
                }
                day = day.max(from.day + 1);
            }
            while day <= last {
                let to = last.min(day + 31);
                let named: Vec<Named> = (day..=to).map(|day| Named { subject: subject.id, live, day }).collect();
                for (named, facts) in load(transaction, known, &named).await? {
                    let Some(facts) = facts else { continue };
                    step.bytes += facts.bytes();
                    step.days.insert(named, Some(facts));
                    if step.bytes >= bound.bytes || step.days.len() >= bound.days {
                        let upto = Key::of(subject, live, named.day);
                        step.whole = Some((from, Some(upto.clone())));
                        place.stating = Some(Some(upto));
                        return Ok(step);
                    }
                }
                day = to + 1;
            }
        }
    }
    place.stating = None;
    Ok(step)
}

/// Follows the feed up to `until` at most, from `place` on; `place` is then behind what was followed.
pub(super) async fn follow(
    transaction: &mut dyn Transaction,
    known: &Known,
    integration: u32,
    place: &mut Place,
    until: u64,
    bound: Bound,
) -> Result<Step> {
    let mut step = Step::default();
    // The last place behind which another commit begins.
    let mut edge: Option<(Place, BTreeSet<Named>, BTreeSet<u32>)> = None;
    let mut last_at = None;
    while place.revision < until {
        let entries = transaction.feed(place.revision, ENTRIES_AT_ONCE).await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries.iter().filter(|entry| entry.revision <= until) {
            if entry.integration != integration || !known.by_id.contains_key(&entry.subject) {
                pass(place, entry);
                continue;
            }
            if last_at.is_some_and(|at| at != entry.at) && place.days == 0 && !step.subjects.is_empty() {
                edge = Some((place.clone(), step.days.keys().copied().collect(), step.subjects.clone()));
            }
            last_at = Some(entry.at);
            step.subjects.insert(entry.subject);
            let all = named_by(entry)?;
            while place.days < all.len() {
                let next = &all[place.days..all.len().min(place.days + DAYS_AT_ONCE)];
                let new: Vec<Named> = next.iter().filter(|named| !step.days.contains_key(named)).copied().collect();
                let mut loaded: BTreeMap<Named, Option<Facts>> =
                    load(transaction, known, &new).await?.into_iter().collect();
                for named in next {
                    if let Some(facts) = loaded.remove(named) {
                        step.bytes += facts.as_ref().map_or(40, Facts::bytes);
                        step.days.insert(*named, facts);
                    }
                    place.days += 1;
                    if place.days < all.len() && is_full(&step, bound) {
                        return Ok(cut(step, place, edge));
                    }
                }
            }
            pass(place, entry);
            if is_full(&step, bound) {
                return Ok(cut(step, place, edge));
            }
        }
    }
    Ok(step)
}

fn is_full(step: &Step, bound: Bound) -> bool {
    step.bytes >= bound.bytes || step.days.len() >= bound.days
}

fn pass(place: &mut Place, entry: &FeedEntry) {
    place.revision = entry.revision + u64::from(entry.count) - 1;
    place.check = digest(entry);
    place.days = 0;
}

/// Ends a step that is full where its last whole commit ends, if it holds one.
fn cut(mut step: Step, place: &mut Place, edge: Option<(Place, BTreeSet<Named>, BTreeSet<u32>)>) -> Step {
    if let Some((before, days, subjects)) = edge {
        *place = before;
        step.days.retain(|named, _| days.contains(named));
        step.subjects = subjects;
    }
    step
}

fn named_by(entry: &FeedEntry) -> Result<Vec<Named>> {
    if entry.kind == FeedKind::Queue {
        return Ok(Vec::new());
    }
    let days = decode_days(&entry.bytes).map_err(|Corrupt| {
        let message = "the change feed holds something that cannot be read: restore the store from a backup";
        Error::new(ErrorKind::DataInvalid, message).with("revision", entry.revision)
    })?;
    let named = |day: crate::derive::FactDay| Named { subject: entry.subject, live: day.is_live, day: day.day };
    Ok(days.into_iter().map(named).collect())
}

/// What chunks hold now, what arrived one by one included.
pub(super) async fn load(
    transaction: &mut dyn Transaction,
    known: &Known,
    named: &[Named],
) -> Result<Vec<(Named, Option<Facts>)>> {
    let layer = |named: &Named| if named.live { Layer::Live } else { Layer::History };
    let range = |named: &Named, layer| ChunkRange { subject: named.subject, layer, from: named.day, to: named.day };
    let ranges: Vec<ChunkRange> = named.iter().map(|named| range(named, layer(named))).collect();
    let mut held = BTreeMap::new();
    for chunk in transaction.chunks(&ranges).await? {
        held.insert((chunk.subject, chunk.layer == Layer::Live, chunk.day), chunk.bytes);
    }
    let of_contacts = |named: &&Named| {
        known.by_id.get(&named.subject).is_some_and(|held| held.kind == SubjectKind::Queue && held.row_minutes == 0)
    };
    let sums: Vec<ChunkRange> = named.iter().filter(of_contacts).map(|named| range(named, Layer::Sums)).collect();
    let mut has_sums = BTreeSet::new();
    if !sums.is_empty() {
        has_sums.extend(transaction.chunks(&sums).await?.into_iter().map(|chunk| (chunk.subject, chunk.day)));
    }
    let mut found = Vec::with_capacity(named.len());
    for named in named {
        let bytes = held.get(&(named.subject, named.live, named.day));
        let has_arrived = has_sums.contains(&(named.subject, named.day));
        let subject = known.by_id.get(&named.subject).filter(|_| bytes.is_some() || has_arrived);
        let Some(subject) = subject else {
            found.push((*named, None));
            continue;
        };
        let facts = match (subject.kind, subject.row_minutes) {
            (SubjectKind::Queue, 0) => {
                let mut chunk = decode::<Contact>(named, bytes)?;
                if has_arrived {
                    chunk.add(&arrived(transaction, named.subject, named.day, named.day).await?);
                }
                Facts::Contacts(chunk)
            }
            (SubjectKind::Queue, _) => Facts::Rows(decode(named, bytes)?),
            _ => Facts::Spans(decode(named, bytes)?),
        };
        found.push((*named, Some(facts)));
    }
    Ok(found)
}

fn decode<F: Fact>(named: &Named, bytes: Option<&Vec<u8>>) -> Result<Chunk<F>> {
    let Some(bytes) = bytes else { return Ok(Chunk::new()) };
    Chunk::decode(named.day, bytes).map_err(|Corrupt| corrupt(named.subject, named.day))
}
