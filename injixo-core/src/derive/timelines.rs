//! The timeline of one agent, made from what history and the live source say, before and after.
//!
//! On the past history outranks live: a live span that overlaps a history span of the same status gives way to it, elsewhere
//! live fills what history leaves empty. A history span without an end lasts until the live source says something else.

use std::collections::HashMap;

use injixo_model::{Span, Timestamp};

use crate::aggregate::{Ended, FOREVER, stretches, with_ends};

/// What a live source says of an agent who has no status any more. No status of a store has this number.
pub(crate) const NO_STATUS: u32 = 0;

/// The timeline of one agent; spans may overlap and come in any order.
pub(crate) fn layered(history: &[Span], live: &[Span]) -> Vec<Span> {
    let mut history = with_ends(history);
    let mut live = with_ends(live);
    if live.is_empty() {
        return stretches(&history);
    }
    end_open(&mut history, &live);
    let by_status = Reach::of(&history);
    live.retain(|span| span.span.status == NO_STATUS || !by_status.overlaps(span));
    let past = stretches(&history);
    let mut pieces = Vec::with_capacity(past.len());
    let mut rest = past.as_slice();
    for piece in stretches(&live).into_iter().filter(|piece| piece.status != NO_STATUS) {
        let end = piece.end.unwrap_or(FOREVER);
        let mut from = piece.start;
        // What lies before the piece, and then what it leaves free.
        while let Some(held) = rest.first().filter(|held| held.start < end) {
            let held_end = held.end.unwrap_or(FOREVER);
            if held_end > from && from < held.start {
                pieces.push(Span { start: from, end: Some(held.start), ..piece });
            }
            if held_end > end {
                from = from.max(held_end);
                break;
            }
            from = from.max(held_end);
            pieces.push(*held);
            rest = &rest[1..];
        }
        if from < end {
            pieces.push(Span { start: from, ..piece });
        }
    }
    pieces.extend_from_slice(rest);
    pieces.sort_by_key(|piece| piece.start);
    join(pieces)
}

/// Ends the open spans of history where the live source next says something else.
fn end_open(history: &mut [Ended], live: &[Ended]) {
    let Some(start) = history.iter().filter(|span| span.end == FOREVER).map(|span| span.span.start).max() else {
        return;
    };
    let is_open = |span: &Ended| span.end == FOREVER && span.span.start == start;
    let statuses: Vec<u32> = history.iter().filter(|span| is_open(span)).map(|span| span.span.status).collect();
    let other = |span: &&Ended| span.span.start > start && !statuses.contains(&span.span.status);
    if let Some(end) = live.iter().filter(other).map(|span| span.span.start).min() {
        history.iter_mut().filter(|span| is_open(span)).for_each(|span| span.end = end);
    }
}

/// Where history speaks of each status: starts, with the latest end of all spans up to there.
struct Reach {
    by_status: HashMap<u32, Vec<(Timestamp, Timestamp)>>,
}

impl Reach {
    fn of(history: &[Ended]) -> Self {
        let mut by_status: HashMap<u32, Vec<(Timestamp, Timestamp)>> = HashMap::new();
        for span in history {
            let of_status = by_status.entry(span.span.status).or_default();
            let end = of_status.last().map_or(span.end, |last| last.1.max(span.end));
            of_status.push((span.span.start, end));
        }
        Self { by_status }
    }

    fn overlaps(&self, span: &Ended) -> bool {
        let Some(of_status) = self.by_status.get(&span.span.status) else { return false };
        let before = of_status.partition_point(|held| held.0 < span.end);
        before > 0 && of_status[before - 1].1 > span.span.start
    }
}

fn join(pieces: Vec<Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.status == piece.status && last.end == Some(piece.start) => last.end = piece.end,
            _ => joined.push(piece),
        }
    }
    joined
}

/// A stretch of a timeline that is not what it was; `to` is `None` for all that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimelineDiff {
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
    pub(crate) before: Vec<Span>,
    pub(crate) after: Vec<Span>,
}

/// What a timeline shows within `[from, to)`.
pub(crate) fn cut(pieces: &[Span], from: Timestamp, to: Timestamp) -> Vec<Span> {
    let first = pieces.partition_point(|piece| piece.end.is_some_and(|end| end <= from));
    let inside = pieces[first..].iter().take_while(|piece| piece.start < to);
    inside
        .map(|piece| {
            let end = piece.end.unwrap_or(FOREVER).min(to);
            Span { start: piece.start.max(from), end: (end < FOREVER).then_some(end), ..*piece }
        })
        .collect()
}

/// How two timelines differ within `[from, to)`: as few stretches as there are, each as short as can be.
pub(crate) fn difference_of(before: &[Span], after: &[Span], from: Timestamp, to: Timestamp) -> Vec<TimelineDiff> {
    let (before, after) = (cut(before, from, to), cut(after, from, to));
    let ends = |pieces: &[Span]| -> Vec<Timestamp> {
        pieces.iter().flat_map(|piece| [piece.start, piece.end.unwrap_or(to)]).collect()
    };
    let mut edges = [ends(&before), ends(&after)].concat();
    edges.sort_unstable();
    edges.dedup();
    let mut changed: Vec<(Timestamp, Timestamp)> = Vec::new();
    let (mut old, mut new) = (Shown::of(&before), Shown::of(&after));
    for pair in edges.windows(2) {
        if old.at(pair[0]) == new.at(pair[0]) {
            continue;
        }
        match changed.last_mut() {
            Some(last) if last.1 == pair[0] => last.1 = pair[1],
            _ => changed.push((pair[0], pair[1])),
        }
    }
    let stretch = |(from, to): (Timestamp, Timestamp)| TimelineDiff {
        from,
        to: (to < FOREVER).then_some(to),
        before: cut(&before, from, to),
        after: cut(&after, from, to),
    };
    changed.into_iter().map(stretch).collect()
}

/// What a timeline shows at one instant after another.
struct Shown<'p> {
    rest: &'p [Span],
}

impl<'p> Shown<'p> {
    fn of(rest: &'p [Span]) -> Self {
        Self { rest }
    }

    fn at(&mut self, at: Timestamp) -> Option<u32> {
        while self.rest.first().is_some_and(|piece| piece.end.is_some_and(|end| end <= at)) {
            self.rest = &self.rest[1..];
        }
        self.rest.first().filter(|piece| piece.start <= at).map(|piece| piece.status)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn spans(given: &[(u32, i64, i64)]) -> Vec<Span> {
        let end = |end: i64| (end >= 0).then(|| at(end));
        given.iter().map(|&(status, start, to)| Span { start: at(start), status, end: end(to) }).collect()
    }

    const READY: u32 = 1;
    const CALL: u32 = 2;
    const BREAK: u32 = 3;
    const OPEN: i64 = -1;

    macro_rules! layers {
        ($($name:ident: $history:expr, $live:expr => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                assert_eq!(layered(&spans(&$history), &spans(&$live)), spans(&$expected));
            })*
        };
    }

    layers! {
        live_alone_lasts_until_its_next_word: [], [(READY, 0, OPEN), (CALL, 10, OPEN)] => [(READY, 0, 10), (CALL, 10, OPEN)];
        the_same_status_in_history_takes_the_place_of_live:
            [(CALL, 4, 310), (READY, 310, OPEN)], [(CALL, 5, OPEN), (READY, 312, OPEN)]
            => [(CALL, 4, 310), (READY, 310, OPEN)];
        live_stays_where_history_is_empty:
            [(CALL, 0, 100)], [(CALL, 1, OPEN), (BREAK, 120, OPEN)] => [(CALL, 0, 100), (BREAK, 120, OPEN)];
        an_open_span_ends_where_live_says_something_else:
            [(READY, 0, OPEN)], [(READY, 0, OPEN), (BREAK, 50, OPEN)] => [(READY, 0, 50), (BREAK, 50, OPEN)];
        history_outranks_another_status_of_live:
            [(READY, 0, 100)], [(CALL, 20, OPEN), (BREAK, 60, OPEN)] => [(READY, 0, 100), (BREAK, 100, OPEN)];
        a_snapshot_without_the_agent_ends_what_was_open:
            [(READY, 0, OPEN)], [(NO_STATUS, 40, OPEN)] => [(READY, 0, 40)];
        an_older_word_fills_the_past:
            [], [(READY, 0, OPEN), (NO_STATUS, 100, OPEN), (BREAK, 30, OPEN)] => [(READY, 0, 30), (BREAK, 30, 100)];
        live_fills_between_two_stretches_of_history:
            [(READY, 0, 10), (READY, 20, 30)], [(CALL, 5, 25)] => [(READY, 0, 10), (CALL, 10, 20), (READY, 20, 30)];
        live_goes_on_after_history_that_begins_in_it:
            [(READY, 10, 20)], [(CALL, 0, 40)] => [(CALL, 0, 10), (READY, 10, 20), (CALL, 20, 40)];
    }

    fn any_spans(open: f64) -> impl Strategy<Value = Vec<Span>> {
        let span = (0..60_i64, 1..4_u32, prop::option::weighted(1.0 - open, 1..20_i64));
        let span = span.prop_map(|(start, status, length)| Span {
            start: at(start),
            status,
            end: length.map(|length| at(start + length)),
        });
        prop::collection::vec(span, 0..8).prop_map(|mut spans| {
            spans.sort_by_key(|span| span.start);
            spans
        })
    }

    fn shown(pieces: &[Span], second: i64) -> Option<u32> {
        let covers = |piece: &&Span| piece.start <= at(second) && piece.end.is_none_or(|end| end > at(second));
        pieces.iter().find(covers).map(|piece| piece.status)
    }

    proptest! {
        /// Second by second, from the words of the rule.
        #[test]
        fn each_instant_shows_history_then_live(history in any_spans(0.2), live in any_spans(0.6)) {
            let pieces = layered(&history, &live);
            prop_assert!(pieces.windows(2).all(|pair| pair[0].end.is_some_and(|end| end <= pair[1].start)), "{:?}", pieces);
            let end_of = |span: &Span, spans: &[Span]| {
                let next = spans.iter().map(|other| other.start).filter(|start| *start > span.start).min();
                span.end.or(next).unwrap_or(FOREVER)
            };
            let settle = |spans: &[Span]| { let mut all = spans.to_vec(); crate::facts::Fact::settle(&mut all); all };
            let (history, live) = (settle(&history), settle(&live));
            let mut ends: Vec<Timestamp> = history.iter().map(|span| end_of(span, &history)).collect();
            let open: Vec<usize> = (0..history.len()).filter(|index| ends[*index] == FOREVER).collect();
            let open_statuses: Vec<u32> = open.iter().map(|index| history[*index].status).collect();
            for index in open {
                let says_else = |span: &&Span| span.start > history[index].start && !open_statuses.contains(&span.status);
                ends[index] = live.iter().filter(says_else).map(|span| span.start).min().unwrap_or(FOREVER);
            }
            for second in 0..90 {
                let in_history: Vec<usize> =
                    (0..history.len()).filter(|index| history[*index].start <= at(second) && at(second) < ends[*index]).collect();
                let expected = if in_history.is_empty() {
                    let covering = live.iter().enumerate().filter(|(_, span)| {
                        let end = end_of(span, &live);
                        let meets = |index: &usize| {
                            history[*index].status == span.status && history[*index].start < end && span.start < ends[*index]
                        };
                        span.start <= at(second) && at(second) < end && !(0..history.len()).any(|index| meets(&index))
                    });
                    let best = covering.min_by_key(|(index, span)| {
                        let length = end_of(span, &live).millis().saturating_sub(span.start.millis());
                        (span.end.is_none(), length, std::cmp::Reverse(span.start), std::cmp::Reverse(*index))
                    });
                    best.map(|(_, span)| span.status)
                } else {
                    let best = in_history.into_iter().min_by_key(|index| {
                        let length = ends[*index].millis().saturating_sub(history[*index].start.millis());
                        (history[*index].end.is_none(), length, std::cmp::Reverse(history[*index].start), std::cmp::Reverse(*index))
                    });
                    best.map(|index| history[index].status)
                };
                prop_assert_eq!(shown(&pieces, second), expected, "at {}", second);
            }
        }

        #[test]
        fn a_difference_turns_one_timeline_into_the_other(a in any_spans(0.2), b in any_spans(0.2), edges in (0..40_i64, 1..60_i64)) {
            let (before, after) = (layered(&a, &[]), layered(&b, &[]));
            let (from, to) = (edges.0, edges.0 + edges.1);
            let changed = difference_of(&before, &after, at(from), at(to));
            prop_assert!(changed.windows(2).all(|pair| pair[0].to.unwrap() < pair[1].from), "{:?}", changed);
            for second in 0..100 {
                let inside = changed.iter().find(|stretch| stretch.from <= at(second) && stretch.to.is_none_or(|to| at(second) < to));
                let differs = (from..to).contains(&second) && shown(&before, second) != shown(&after, second);
                prop_assert_eq!(inside.is_some(), differs, "at {}", second);
                if let Some(stretch) = inside {
                    prop_assert_eq!(shown(&stretch.before, second), shown(&before, second));
                    prop_assert_eq!(shown(&stretch.after, second), shown(&after, second));
                }
            }
        }
    }
}
