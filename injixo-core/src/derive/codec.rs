//! Differences as bytes of the change feed.

use injixo_model::{IntervalRow, Millis, Span, Timestamp};

use super::{IntervalDiff, TimelineDiff};
use crate::facts::{Corrupt, Fact, put, put_signed, take, take_signed};

const VERSION: u8 = 1;

fn open(bytes: &[u8]) -> Result<&[u8], Corrupt> {
    bytes.split_first().filter(|(version, _)| **version == VERSION).map(|(_, rest)| rest).ok_or(Corrupt)
}

fn put_instant(last: &mut Timestamp, at: Timestamp, out: &mut Vec<u8>) {
    put_signed(at.millis().wrapping_sub(last.millis()), out);
    *last = at;
}

fn take_instant(last: &mut Timestamp, bytes: &mut &[u8]) -> Result<Timestamp, Corrupt> {
    *last = Timestamp::from_millis(last.millis().checked_add(take_signed(bytes)?).ok_or(Corrupt)?);
    Ok(*last)
}

/// Packs differences of one queue.
pub(crate) fn encode_intervals(changed: &[IntervalDiff]) -> Vec<u8> {
    let mut out = vec![VERSION];
    let mut last = Timestamp::MIN;
    for diff in changed {
        put_instant(&mut last, diff.start, &mut out);
        out.push(u8::from(diff.before.is_some()) | u8::from(diff.after.is_some()) << 1);
        let length = diff.end.since(diff.start);
        put_signed(length.get(), &mut out);
        for measures in [diff.before, diff.after].into_iter().flatten() {
            IntervalRow { start: diff.start, length: Millis::ZERO, measures }.write(1, &mut out);
        }
    }
    out
}

/// What [`encode_intervals`] packed.
pub(crate) fn decode_intervals(bytes: &[u8]) -> Result<Vec<IntervalDiff>, Corrupt> {
    let mut bytes = open(bytes)?;
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

/// Packs differences of the timeline of one agent.
pub(crate) fn encode_timeline(changed: &[TimelineDiff]) -> Vec<u8> {
    let mut out = vec![VERSION];
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
    let mut bytes = open(bytes)?;
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
        assert_eq!(decode_intervals(&encode_intervals(&changed)), Ok(changed.to_vec()));
        assert_eq!(decode_intervals(&[]), Err(Corrupt));
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
        assert_eq!(decode_timeline(&encode_timeline(&changed)), Ok(changed.to_vec()));
        let bytes = encode_timeline(&changed);
        for cut in 0..bytes.len() {
            // A cut entry may read as a shorter one, but never past its bytes.
            let _ = decode_timeline(&bytes[..cut]);
        }
    }
}
