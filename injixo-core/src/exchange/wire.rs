//! A part as JSON: what it looks like, and what is wrong with one that cannot be applied.
//!
//! Rows are arrays, so that a contact takes some thirty bytes: counts in millionths, times in milliseconds, starts from the begin
//! of their UTC day, values that are not known null, or left out at the end. Whoever reads a part believes nothing of it.

use std::fmt;
use std::marker::PhantomData;

use injixo_model::{Channel, Contact, ContactId, IntervalRow, Measures, Millis, Quantity, Span, Timed, Timestamp};
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::place::Key;
use crate::connector::Stream;
use crate::facts::{Day, Side};

/// The version of parts that this one writes and reads.
pub(super) const VERSION: u32 = 1;

/// The longest name that is taken.
pub(super) const LONGEST_NAME: usize = 4_096;

/// The longest time that a row may carry; longer than any source may say.
const LONGEST: i64 = 4_102_444_800_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    pub(super) version: u32,
    /// The store of the sender.
    pub(super) sender: String,
    /// What the receiver must have got before; empty for nothing.
    pub(super) after: String,
    /// How far it is with this part.
    pub(super) reached: String,
    /// Whether everything is stated anew from here on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) begins: bool,
    /// Between which chunks it states all that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) whole: Option<Whole>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) statuses: Vec<StatusOf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) queues: Vec<QueueOf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) agents: Vec<AgentOf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) coverage: Vec<CoveredOf>,
}

/// From behind `after` (from the first chunk of all without it) up to and with `upto` (to the last one without it).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) after: Option<Key>,
    pub(super) upto: Option<Key>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StatusOf {
    pub(super) id: String,
    pub(super) first: i64,
    pub(super) last: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueOf {
    pub(super) id: String,
    #[serde(with = "channel")]
    pub(super) channel: Channel,
    /// The length of its ready-made rows, zero for a queue of contacts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) row_minutes: u32,
    pub(super) first: i64,
    pub(super) last: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<(i64, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) days: Vec<QueueDay>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct QueueDay {
    pub(super) day: Day,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) contacts: Vec<Wire<Contact>>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) rows: Vec<Wire<IntervalRow>>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) sides: Vec<SideOf<Contact>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reach: Vec<(i64, i64)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AgentOf {
    pub(super) id: String,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) longest: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) days: Vec<AgentDay>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AgentDay {
    pub(super) day: Day,
    /// Whether the live source said it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) live: bool,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) spans: Vec<Wire<Span>>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) sides: Vec<SideOf<Span>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reach: Vec<(i64, i64)>,
}

/// One side of a cut instant.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "Wire<F>: Serialize + for<'a> Deserialize<'a>")]
pub(super) struct SideOf<F> {
    pub(super) at: i64,
    pub(super) side: Side,
    pub(super) facts: Vec<Wire<F>>,
}

/// What is covered for one subject, or for all of a stream.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CoveredOf {
    #[serde(with = "stream")]
    pub(super) stream: Stream,
    /// The place of the queue or agent in the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<usize>,
    /// From, to, and when it was read.
    pub(super) windows: Vec<(i64, i64, i64)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

mod channel {
    use super::*;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over")]
    pub(super) fn serialize<S: Serializer>(channel: &Channel, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(channel.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Channel, D::Error> {
        String::deserialize(from)?.parse().map_err(|_| serde::de::Error::custom("an unknown channel"))
    }
}

mod stream {
    use super::*;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over")]
    pub(super) fn serialize<S: Serializer>(stream: &Stream, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if *stream == Stream::Contacts { "contacts" } else { "statuses" })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Stream, D::Error> {
        match String::deserialize(from)?.as_str() {
            "contacts" => Ok(Stream::Contacts),
            "statuses" => Ok(Stream::Statuses),
            _ => Err(serde::de::Error::custom("an unknown stream")),
        }
    }
}

/// A fact as a row, with all times from the begin of its day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<F>(pub(super) F);

/// A row: numbers, some of them unknown, and a text at the end.
type Numbers = ([Option<i64>; MOST_NUMBERS], Option<u64>);

const MOST_NUMBERS: usize = 10;

/// A fact that can be a row.
pub(super) trait AsRow: Sized {
    /// How many numbers it has at most, and whether an identifier may follow.
    const NUMBERS: usize;
    const HAS_ID: bool = false;

    fn numbers(&self) -> Numbers;

    /// What the numbers say, if they can be a fact.
    fn read(numbers: Numbers) -> Option<Self>;
}

impl<F: AsRow> Serialize for Wire<F> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (numbers, id) = self.0.numbers();
        let known = numbers.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let length = if id.is_some() { F::NUMBERS } else { known };
        let mut row = to.serialize_seq(Some(length + usize::from(id.is_some())))?;
        for number in &numbers[..length] {
            row.serialize_element(number)?;
        }
        if let Some(id) = id {
            row.serialize_element(&format_args!("{id:016x}"))?;
        }
        row.end()
    }
}

impl<'de, F: AsRow> Deserialize<'de> for Wire<F> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Row<F>(PhantomData<F>);
        impl<'de, F: AsRow> Visitor<'de> for Row<F> {
            type Value = F;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row of whole numbers that is a fact")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<F, A::Error> {
                use serde::de::Error;
                let mut numbers = [None; MOST_NUMBERS];
                let mut is_whole = true;
                for number in &mut numbers[..F::NUMBERS] {
                    match row.next_element::<Option<i64>>()? {
                        Some(value) => *number = value,
                        None => {
                            is_whole = false;
                            break;
                        }
                    }
                }
                let id = if is_whole && F::HAS_ID { row.next_element::<Option<String>>()?.flatten() } else { None };
                let id = match id {
                    Some(id) if id.len() == 16 => {
                        Some(u64::from_str_radix(&id, 16).map_err(|_| A::Error::custom("a wrong identifier"))?)
                    }
                    Some(_) => return Err(A::Error::custom("a wrong identifier")),
                    None => None,
                };
                if is_whole && row.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom("a row is too long"));
                }
                F::read((numbers, id)).ok_or_else(|| A::Error::custom("a row is no fact"))
            }
        }
        from.deserialize_seq(Row(PhantomData)).map(Wire)
    }
}

fn instant(at: Timestamp) -> Option<i64> {
    Some(at.millis())
}

/// Checks a time that passed.
fn time(millis: i64) -> Option<Millis> {
    (0..=LONGEST).contains(&millis).then_some(Millis::new(millis))
}

fn count(micros: i64) -> Option<Quantity> {
    (0..=Quantity::MAX.micros()).contains(&micros).then_some(Quantity::from_micros(micros))
}

/// A value that may be unknown, but not wrong.
fn maybe<T>(number: Option<i64>, read: impl Fn(i64) -> Option<T>) -> Option<Option<T>> {
    number.map_or(Some(None), |number| read(number).map(Some))
}

impl AsRow for Contact {
    const NUMBERS: usize = 7;
    const HAS_ID: bool = true;

    fn numbers(&self) -> Numbers {
        let mut numbers = [None; MOST_NUMBERS];
        let micros = |count: Quantity| count.micros();
        numbers[..7].copy_from_slice(&[
            instant(self.start),
            Some(self.offered.micros()),
            Some(self.handled.micros()),
            self.duration.map(Millis::get),
            self.wait.map(Millis::get),
            self.abandoned.map(micros),
            self.within_service_level.map(micros),
        ]);
        (numbers, self.id.map(|id| id.0))
    }

    fn read((numbers, id): Numbers) -> Option<Self> {
        let [start, offered, handled, duration, wait, abandoned, within, ..] = numbers;
        Some(Self {
            start: Timestamp::from_millis(start?),
            offered: count(offered?)?,
            handled: count(handled?)?,
            duration: maybe(duration, time)?,
            wait: maybe(wait, time)?,
            abandoned: maybe(abandoned, count)?,
            within_service_level: maybe(within, count)?,
            id: id.map(ContactId),
        })
    }
}

impl AsRow for IntervalRow {
    const NUMBERS: usize = 10;

    fn numbers(&self) -> Numbers {
        let Measures { offered, handled, handle_time, wait_time, abandoned, within_service_level } = self.measures;
        let numbers = [
            instant(self.start),
            Some(self.length.get()),
            Some(offered.micros()),
            Some(handled.micros()),
            Some(handle_time.total.get()),
            Some(handle_time.number.micros()),
            Some(wait_time.total.get()),
            Some(wait_time.number.micros()),
            abandoned.map(Quantity::micros),
            within_service_level.map(Quantity::micros),
        ];
        (numbers, None)
    }

    fn read((numbers, _): Numbers) -> Option<Self> {
        let [start, length, offered, handled, handling, handlings, waiting, waits, abandoned, within] = numbers;
        let timed = |total: Option<i64>, number: Option<i64>| {
            Some(Timed { total: time(total.unwrap_or(0))?, number: count(number.unwrap_or(0))? })
        };
        let length = time(length?)?;
        if length == Millis::ZERO || length > Millis::from_mins(1_440) {
            return None;
        }
        Some(Self {
            start: Timestamp::from_millis(start?),
            length,
            measures: Measures {
                offered: count(offered?)?,
                handled: count(handled?)?,
                handle_time: timed(handling, handlings)?,
                wait_time: timed(waiting, waits)?,
                abandoned: maybe(abandoned, count)?,
                within_service_level: maybe(within, count)?,
            },
        })
    }
}

/// The place of a status in a part, plus one; none is zero.
impl AsRow for Span {
    const NUMBERS: usize = 3;

    fn numbers(&self) -> Numbers {
        let mut numbers = [None; MOST_NUMBERS];
        let status = self.status.checked_sub(1).map(i64::from);
        numbers[..3].copy_from_slice(&[instant(self.start), status, self.end.map(Timestamp::millis)]);
        (numbers, None)
    }

    fn read((numbers, _): Numbers) -> Option<Self> {
        let [start, status, end, ..] = numbers;
        let start = start?;
        let status = maybe(status, |status| u32::try_from(status).ok()?.checked_add(1))?.unwrap_or(0);
        let end = maybe(end, |end| (start..=LONGEST).contains(&end).then_some(Timestamp::from_millis(end)))?;
        Some(Self { start: Timestamp::from_millis(start), status, end })
    }
}
