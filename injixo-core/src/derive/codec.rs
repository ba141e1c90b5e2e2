//! Differences as bytes of the change feed.

use injixo_model::{IntervalRow, Measures, Millis, Span, Timestamp};

use super::{IntervalDiff, TimelineDiff};
use crate::facts::{Corrupt, Day, Fact, put, put_measures, put_signed, take, take_measures, take_signed};

/// Written before entries named the days of their facts.
const WITHOUT_DAYS: u8 = 1;
const VERSION: u8 = 2;
/// Intervals in fewer bytes.
const PACKED: u8 = 3;

/// A day whose facts were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FactDay {
    /// Whether the live source said them.
    pub(crate) is_live: bool,
    pub(crate) day: Day,
}

/// Begins an entry with the days whose facts changed, each named by one entry of a commit.
fn begin(version: u8, days: &[FactDay]) -> Vec<u8> {
    let mut out = vec![version];
    put(days.len() as u64, &mut out);
    let mut last = 0;
    for FactDay { is_live, day } in days {
        put_signed(i64::from(*day) - last, &mut out);
        out.push(u8::from(*is_live));
        last = i64::from(*day);
    }
    out
}

/// The version of an entry, the days that it begins with, and what is behind them.
fn open(bytes: &[u8]) -> Result<(u8, Vec<FactDay>, &[u8]), Corrupt> {
    let (&version, mut bytes) = bytes.split_first().ok_or(Corrupt)?;
    let mut days = Vec::new();
    match version {
        WITHOUT_DAYS => return Ok((version, days, bytes)),
        VERSION | PACKED => {}
        _ => return Err(Corrupt),
    }
    let mut last = 0_i64;
    for _ in 0..take(&mut bytes)? {
        last = last.checked_add(take_signed(&mut bytes)?).ok_or(Corrupt)?;
        let (&is_live, rest) = bytes.split_first().filter(|(flag, _)| **flag <= 1).ok_or(Corrupt)?;
        bytes = rest;
        days.push(FactDay { is_live: is_live == 1, day: Day::try_from(last).map_err(|_| Corrupt)? });
    }
    Ok((version, days, bytes))
}

/// Packs nothing but the days whose facts changed.
pub(crate) fn encode_days(days: &[FactDay]) -> Vec<u8> {
    begin(VERSION, days)
}

/// The days whose facts changed, as an entry about intervals, a timeline or facts names them.
pub(crate) fn decode_days(bytes: &[u8]) -> Result<Vec<FactDay>, Corrupt> {
    open(bytes).map(|(_, days, _)| days)
}

fn put_instant(last: &mut Timestamp, at: Timestamp, out: &mut Vec<u8>) {
    put_signed(at.millis().wrapping_sub(last.millis()), out);
    *last = at;
}

fn take_instant(last: &mut Timestamp, bytes: &mut &[u8]) -> Result<Timestamp, Corrupt> {
    *last = Timestamp::from_millis(last.millis().checked_add(take_signed(bytes)?).ok_or(Corrupt)?);
    Ok(*last)
}

/// What an interval says of itself beside its measures, as bits.
const HAS_BEFORE: u8 = 1;
const HAS_AFTER: u8 = 2;
/// It starts where the last one ended and is as long.
const FOLLOWS: u8 = 4;

/// Packs differences of one queue, with the days whose facts they come from.
pub(crate) fn encode_intervals(changed: &[IntervalDiff], days: &[FactDay]) -> Vec<u8> {
    let mut out = begin(PACKED, days);
    let is_whole = |millis: i64| millis % 1_000 == 0;
    let times =
        |measures: Measures| is_whole(measures.handle_time.total.get()) && is_whole(measures.wait_time.total.get());
    let all_whole = |diff: &IntervalDiff| {
        is_whole(diff.start.millis())
            && is_whole(diff.end.millis())
            && [diff.before, diff.after].into_iter().flatten().all(times)
    };
    let unit = if changed.iter().all(all_whole) { 1_000 } else { 1 };
    out.push(u8::from(unit == 1_000));
    out.reserve(changed.len() * 8);
    let (mut last, mut length) = (Timestamp::from_millis(0), Millis::ZERO);
    for IntervalDiff { start, end, before, after } in changed {
        let follows = *start == last && end.since(*start) == length;
        let flag = |is_so: bool, bit: u8| if is_so { bit } else { 0 };
        out.push(flag(before.is_some(), HAS_BEFORE) | flag(after.is_some(), HAS_AFTER) | flag(follows, FOLLOWS));
        if !follows {
            length = end.since(*start);
            put_signed(start.millis().wrapping_sub(last.millis()) / unit, &mut out);
            put_signed(length.get() / unit, &mut out);
        }
        last = *end;
        for measures in [before, after].into_iter().flatten() {
            put_measures(measures, unit, &mut out);
        }
    }
    out
}

/// What [`encode_intervals`] packed, now or in an earlier version.
pub(crate) fn decode_intervals(bytes: &[u8]) -> Result<Vec<IntervalDiff>, Corrupt> {
    let (version, _, bytes) = open(bytes)?;
    if version == PACKED { decode_packed(bytes) } else { decode_plain(bytes) }
}

fn decode_packed(bytes: &[u8]) -> Result<Vec<IntervalDiff>, Corrupt> {
    let (&is_whole, mut bytes) = bytes.split_first().filter(|(flag, _)| **flag <= 1).ok_or(Corrupt)?;
    let unit = if is_whole == 1 { 1_000 } else { 1 };
    let times = |bytes: &mut &[u8]| take_signed(bytes)?.checked_mul(unit).map(Millis::new).ok_or(Corrupt);
    let after =
        |at: Timestamp, time: Millis| at.millis().checked_add(time.get()).map(Timestamp::from_millis).ok_or(Corrupt);
    let (mut changed, mut last, mut length) = (Vec::new(), Timestamp::from_millis(0), Millis::ZERO);
    while let Some((&flags, rest)) = bytes.split_first() {
        bytes = rest;
        let mut start = last;
        if flags & FOLLOWS == 0 {
            start = after(last, times(&mut bytes)?)?;
            length = times(&mut bytes)?;
        }
        last = after(start, length)?;
        let mut side = |bit: u8| (flags & bit != 0).then(|| take_measures(unit, &mut bytes)).transpose();
        let (before, after) = (side(HAS_BEFORE)?, side(HAS_AFTER)?);
        changed.push(IntervalDiff { start, end: last, before, after });
    }
    Ok(changed)
}

fn decode_plain(mut bytes: &[u8]) -> Result<Vec<IntervalDiff>, Corrupt> {
    let (mut changed, mut last) = (Vec::new(), Timestamp::MIN);
    while !bytes.is_empty() {
        let start = take_instant(&mut last, &mut bytes)?;
        let (&flags, rest) = bytes.split_first().ok_or(Corrupt)?;
        bytes = rest;
        let end = start.after(Millis::new(take_signed(&mut bytes)?));
        let mut side = |is_there: bool| {
            let row = is_there.then(|| IntervalRow::read(start, 1, &mut bytes)).transpose()?;
            Ok(row.map(|row| row.measures))
        };
        let before = side(flags & 1 != 0)?;
        let after = side(flags & 2 != 0)?;
        changed.push(IntervalDiff { start, end, before, after });
    }
    Ok(changed)
}

/// Packs differences of the timeline of one agent, with the days whose facts they come from.
pub(crate) fn encode_timeline(changed: &[TimelineDiff], days: &[FactDay]) -> Vec<u8> {
    let mut out = begin(VERSION, days);
    let mut last = Timestamp::MIN;
    for diff in changed {
        put_instant(&mut last, diff.from, &mut out);
        put(diff.to.map_or(0, |to| to.since(diff.from).get().unsigned_abs()), &mut out);
        for pieces in [&diff.before, &diff.after] {
            put(pieces.len() as u64, &mut out);
            let mut at = diff.from;
            for piece in pieces {
                put_instant(&mut at, piece.start, &mut out);
                piece.write(1, &mut out);
            }
        }
    }
    out
}

/// What [`encode_timeline`] packed.
pub(crate) fn decode_timeline(bytes: &[u8]) -> Result<Vec<TimelineDiff>, Corrupt> {
    let (_, _, mut bytes) = open(bytes)?;
    let (mut changed, mut last) = (Vec::new(), Timestamp::MIN);
    while !bytes.is_empty() {
        let from = take_instant(&mut last, &mut bytes)?;
        let length = i64::try_from(take(&mut bytes)?).map_err(|_| Corrupt)?;
        let mut pieces = || {
            let (mut at, mut pieces) = (from, Vec::new());
            for _ in 0..take(&mut bytes)? {
                let start = take_instant(&mut at, &mut bytes)?;
                pieces.push(Span::read(start, 1, &mut bytes)?);
            }
            Ok(pieces)
        };
        let (before, after) = (pieces()?, pieces()?);
        changed.push(TimelineDiff { from, to: (length > 0).then(|| from.after(Millis::new(length))), before, after });
    }
    Ok(changed)
}

/// What readers know of a queue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct QueueState {
    /// Its name, where it has one besides its identifier.
    pub(crate) name: Option<String>,
    /// Whether its integration still imports.
    pub(crate) is_active: bool,
}

/// Packs what a queue was (unless it is new) and is.
pub(crate) fn encode_queue(before: Option<&QueueState>, after: &QueueState) -> Vec<u8> {
    serde_json::to_vec(&(before, after)).unwrap_or_default()
}

/// What [`encode_queue`] packed.
pub(crate) fn decode_queue(bytes: &[u8]) -> Result<(Option<QueueState>, QueueState), Corrupt> {
    serde_json::from_slice(bytes).map_err(|_| Corrupt)
}

#[cfg(test)]
mod tests {
    use injixo_model::{Measures, Quantity, Timed};

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    /// An instant as the first one of an entry of version 2.
    fn old_instant(millis: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_instant(&mut Timestamp::MIN.clone(), Timestamp::from_millis(millis), &mut bytes);
        bytes
    }

    #[test]
    fn differences_read_back() {
        let measures = Measures {
            offered: Quantity::whole(3),
            handled: Quantity::ONE,
            handle_time: Timed { total: Millis::new(1_234), number: Quantity::ONE },
            ..Measures::default()
        };
        let changed = [
            IntervalDiff { start: at(900), end: at(1_800), before: None, after: Some(measures) },
            IntervalDiff { start: at(90_000), end: at(90_900), before: Some(measures), after: None },
            IntervalDiff { start: at(1_800), end: at(2_700), before: Some(measures), after: Some(Measures::default()) },
        ];
        let days = [(false, 19_800), (true, 19_800), (false, 19_799)].map(|(is_live, day)| FactDay { is_live, day });
        let bytes = encode_intervals(&changed, &days);
        assert_eq!(decode_intervals(&bytes), Ok(changed.to_vec()));
        assert_eq!(decode_days(&bytes), Ok(days.to_vec()));
        assert_eq!(decode_days(&encode_days(&days)), Ok(days.to_vec()));
        assert_eq!(decode_days(&[WITHOUT_DAYS, 9]), Ok(Vec::new()));
        for cut in 0..bytes.len() {
            let _ = decode_days(&bytes[..cut]);
        }
        for cut in 0..bytes.len() {
            let _ = decode_intervals(&bytes[..cut]);
        }
        assert_eq!(decode_intervals(&[]), Err(Corrupt));
        // Two that follow one another, in whole seconds: what they take is counted by hand.
        let whole = Measures { offered: Quantity::whole(3), ..Measures::default() };
        let row = |start| IntervalDiff { start: at(start), end: at(start + 900), before: None, after: Some(whole) };
        let bytes = encode_intervals(&[row(0), row(900), row(2_700)], &[]);
        assert_eq!(decode_intervals(&bytes), Ok(vec![row(0), row(900), row(2_700)]));
        // Version, no days, the unit; bits, start, length (2), measures; bits, measures; bits, start (2), length (2), measures.
        assert_eq!(bytes.len(), 3 + (4 + 3) + (1 + 3) + (5 + 3));
        // As it was written before: from the begin of time, in milliseconds.
        let old = [&[2, 0][..], &old_instant(900_000), &[2, 0xC0, 0xEE, 0x6D, 0b1011, 0, 6, 0]].concat();
        assert_eq!(decode_intervals(&old), Ok(vec![row(900)]));
        let span = |start, status, end: Option<i64>| Span { start: at(start), status, end: end.map(at) };
        let changed = [
            TimelineDiff {
                from: at(10),
                to: Some(at(20)),
                before: vec![],
                after: vec![span(10, 1, Some(15)), span(16, 2, Some(20))],
            },
            TimelineDiff { from: at(30), to: None, before: vec![span(30, 4, None)], after: vec![] },
        ];
        let bytes = encode_timeline(&changed, &days);
        assert_eq!(decode_timeline(&bytes), Ok(changed.to_vec()));
        assert_eq!(decode_days(&bytes), Ok(days.to_vec()));
        for cut in 0..bytes.len() {
            // A cut entry may read as a shorter one, but never past its bytes.
            let _ = decode_timeline(&bytes[..cut]);
        }
    }
}
