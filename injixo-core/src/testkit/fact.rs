//! What a source said, row by row, and how two such lists differ.

use std::collections::BTreeMap;
use std::fmt;

use injixo_model::{Channel, Contact, IntervalRow, QueueKey, Timestamp, Window};

/// A fact as a source writes it, with the names in full.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A contact of a queue.
    Contact {
        /// The queue.
        queue: QueueKey,
        /// The contact.
        contact: Contact,
    },
    /// A ready-made row of a queue.
    Row {
        /// The queue.
        queue: QueueKey,
        /// The row.
        row: IntervalRow,
    },
    /// A status of an agent.
    Span {
        /// The external agent.
        agent: String,
        /// When the status began.
        start: Timestamp,
        /// The external status.
        status: String,
        /// When it ended, where that is known.
        end: Option<Timestamp>,
    },
}

impl Fact {
    /// A contact of a queue.
    pub fn contact(queue: &str, channel: Channel, contact: Contact) -> Self {
        Self::Contact { queue: QueueKey::new(queue, channel), contact }
    }

    /// A ready-made row of a queue.
    pub fn row(queue: &str, channel: Channel, row: IntervalRow) -> Self {
        Self::Row { queue: QueueKey::new(queue, channel), row }
    }

    /// A status of an agent.
    pub fn span(agent: &str, status: &str, start: Timestamp, end: impl Into<Option<Timestamp>>) -> Self {
        Self::Span { agent: agent.to_owned(), start, status: status.to_owned(), end: end.into() }
    }

    /// The instant to which it belongs.
    pub fn start(&self) -> Timestamp {
        match self {
            Self::Contact { contact, .. } => contact.start,
            Self::Row { row, .. } => row.start,
            Self::Span { start, .. } => *start,
        }
    }

    /// The end of a span.
    pub(super) fn end(&self) -> Option<Timestamp> {
        if let Self::Span { end, .. } = self { *end } else { None }
    }

    fn with_end(&self, new: Option<Timestamp>) -> Self {
        let mut fact = self.clone();
        if let Self::Span { end, .. } = &mut fact {
            *end = new;
        }
        fact
    }

    /// The same without what tells equal contacts apart.
    fn without_id(&self) -> Self {
        let mut fact = self.clone();
        if let Self::Contact { contact, .. } = &mut fact {
            contact.id = None;
        }
        fact
    }

    const fn has_id(&self) -> bool {
        matches!(self, Self::Contact { contact: Contact { id: Some(_), .. }, .. })
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contact { queue, contact } => {
                write!(f, "contact in {queue} at {}", contact.start)?;
                write!(f, ", offered {}, handled {}", contact.offered, contact.handled)?;
                let times = [("waited", contact.wait), ("lasted", contact.duration)];
                for (name, time) in times.iter().filter_map(|(name, time)| time.map(|time| (name, time))) {
                    write!(f, ", {name} {time} s")?;
                }
                Ok(())
            }
            Self::Row { queue, row } => {
                let measures = row.measures;
                write!(f, "row of {queue} at {}, {} s long", row.start, row.length)?;
                write!(f, ", offered {}, handled {}", measures.offered, measures.handled)
            }
            Self::Span { agent, start, status, end } => {
                write!(f, "{status:?} of agent {agent:?} from {start} ")?;
                match end {
                    Some(end) => write!(f, "to {end}"),
                    None => f.write_str("without an end"),
                }
            }
        }
    }
}

/// How `found` differs from `expected`, as multisets; `None` where it does not.
pub(super) fn difference(expected: &[Fact], found: &[Fact]) -> Option<String> {
    let mut counts: BTreeMap<&Fact, i64> = BTreeMap::new();
    for fact in expected {
        *counts.entry(fact).or_default() += 1;
    }
    for fact in found {
        *counts.entry(fact).or_default() -= 1;
    }
    let missing: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    let extra: Vec<_> = counts.iter().filter(|(_, count)| **count < 0).collect();
    let describe = |what: &str, facts: &[(&&Fact, &i64)]| {
        let (first, _) = facts.first()?;
        let number: i64 = facts.iter().map(|(_, count)| count.abs()).sum();
        Some(format!("{number} {what}, the first: {first}"))
    };
    let parts: Vec<String> =
        [describe("missing", &missing), describe("too many", &extra)].into_iter().flatten().collect();
    let (expected, found) = (expected.len(), found.len());
    (!parts.is_empty()).then(|| format!("{found} facts where there are {expected}: {}", parts.join("; ")))
}

/// How `found` differs from what the author says the stand-in holds. Identifiers count only where the author gives them.
pub(super) fn difference_from_truth(truth: &[Fact], found: &[Fact]) -> Option<String> {
    if truth.iter().any(Fact::has_id) {
        return difference(truth, found);
    }
    let found: Vec<Fact> = found.iter().map(Fact::without_id).collect();
    difference(truth, &found)
}

/// The facts that start in `window`.
pub(super) fn within(facts: &[Fact], window: Window) -> Vec<Fact> {
    facts.iter().filter(|fact| window.contains(fact.start())).cloned().collect()
}

/// Statements about the same span made one, as the engine does: an end once told stays, a later one replaces it.
///
/// Also returns what was told two different ends. Other facts stay as they are.
pub(super) fn settle(statements: Vec<Fact>) -> (Vec<Fact>, Vec<String>) {
    let mut spans: BTreeMap<Fact, Option<Timestamp>> = BTreeMap::new();
    let (mut settled, mut contradictions) = (Vec::new(), Vec::new());
    for fact in statements {
        let Fact::Span { end, .. } = &fact else {
            settled.push(fact);
            continue;
        };
        let known = spans.entry(fact.with_end(None)).or_default();
        if let (Some(one), Some(other)) = (*known, *end)
            && one != other
        {
            contradictions.push(format!("{}: it ends at {one} and at {other}", fact.with_end(None)));
        }
        *known = end.or(*known);
    }
    settled.extend(spans.iter().map(|(span, end)| span.with_end(*end)));
    settled.sort();
    (settled, contradictions)
}

/// The same spans with the ends that the rules give: one without an end lasts until the agent's next later start.
pub(super) fn with_ends(facts: &[Fact]) -> Vec<Fact> {
    let mut starts: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for fact in facts {
        if let Fact::Span { agent, start, .. } = fact {
            starts.entry(agent).or_default().push(*start);
        }
    }
    starts.values_mut().for_each(|starts| starts.sort());
    let ended = |fact: &Fact| match fact {
        Fact::Span { agent, start, end: None, .. } => {
            let next = starts[agent.as_str()].iter().find(|next| *next > start);
            fact.with_end(next.copied())
        }
        _ => fact.clone(),
    };
    facts.iter().map(ended).collect()
}

/// `found` with the ends from `expected` that lie at or behind `to`: what a read before that instant need not know.
pub(super) fn excuse_late_ends(expected: &[Fact], found: &[Fact], to: Timestamp) -> Vec<Fact> {
    let ends: BTreeMap<Fact, Timestamp> =
        expected.iter().filter_map(|fact| Some((fact.with_end(None), fact.end()?))).collect();
    let excused = |fact: &Fact| match fact {
        Fact::Span { end: None, .. } => fact.with_end(ends.get(fact).copied().filter(|end| *end >= to)),
        _ => fact.clone(),
    };
    found.iter().map(excused).collect()
}
