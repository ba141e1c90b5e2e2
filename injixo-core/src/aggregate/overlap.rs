//! The overlap rule: at any instant the shortest span that covers it counts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use injixo_model::{Millis, Span, Timestamp};

/// The spans of one agent as one timeline without overlaps.
///
/// At any instant the shortest span that covers it counts; a span without an end is the longest; of equal ones the later
/// start counts, then the one given last. A span of no length takes no time. Stretches of the same status that touch are
/// one. The last stretch has no end while the agent's last status has none.
///
/// `spans` may come in any order; of equal starts the order in which they are given is that in which they were stated.
pub fn timeline(spans: &[Span]) -> Vec<Span> {
    stretches(&with_ends(spans))
}

/// The timeline of spans whose ends are settled, sorted by start.
pub(crate) fn stretches(spans: &[Ended]) -> Vec<Span> {
    let mut pieces: Vec<Span> = Vec::new();
    let mut active: BinaryHeap<Rank> = BinaryHeap::new();
    let mut next = 0;
    let mut now = spans.first().map_or(Timestamp::MIN, |span| span.span.start);
    loop {
        while next < spans.len() && spans[next].span.start <= now {
            let span = &spans[next];
            let length = span.end.since(span.span.start);
            let start = span.span.start;
            active.push(Rank {
                order: (Reverse(span.is_open), Reverse(length), start, next),
                end: span.end,
                status: span.span.status,
            });
            next += 1;
        }
        while active.peek().is_some_and(|top| top.end <= now) {
            active.pop();
        }
        let upcoming = spans.get(next).map_or(FOREVER, |span| span.span.start);
        let Some(top) = active.peek() else {
            if upcoming == FOREVER {
                return pieces;
            }
            now = upcoming;
            continue;
        };
        let to = top.end.min(upcoming);
        let end = (to != FOREVER).then_some(to);
        match pieces.last_mut() {
            Some(last) if last.end == Some(now) && last.status == top.status => last.end = end,
            _ => pieces.push(Span { start: now, status: top.status, end }),
        }
        if to == FOREVER {
            return pieces;
        }
        now = to;
    }
}

/// The spans of one agent with the ends that later rows give them; overlaps stay.
///
/// A span without an end lasts until the agent's next later start; only the agent's last may stay without one. The same
/// start and status is the same span.
pub fn ended(spans: &[Span]) -> Vec<Span> {
    let ended = with_ends(spans).into_iter();
    ended.map(|Ended { span, end, .. }| Span { end: (end != FOREVER).then_some(end), ..span }).collect()
}

/// The end of a span that has none yet.
pub(crate) const FOREVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// A span with the end that it has by its own word or by a later row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) span: Span,
    pub(crate) end: Timestamp,
    pub(crate) is_open: bool,
}

/// What decides between spans that cover an instant: closed before open, then shorter, later start, given last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    order: (Reverse<bool>, Reverse<Millis>, Timestamp, usize),
    end: Timestamp,
    status: u32,
}

pub(crate) fn with_ends(spans: &[Span]) -> Vec<Ended> {
    let mut spans = spans.to_vec();
    crate::facts::Fact::settle(&mut spans);
    let mut ended: Vec<Ended> = Vec::with_capacity(spans.len());
    // From the last to the first, so that the next later start is known.
    let mut later = (FOREVER, FOREVER);
    for span in spans.into_iter().rev() {
        if span.start < later.0 {
            later = (span.start, later.0);
        }
        let next_start = later.1;
        let end = span.end.unwrap_or(next_start);
        ended.push(Ended { span, end, is_open: span.end.is_none() });
    }
    ended.reverse();
    ended
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `13:00:05` as seconds of the day.
    fn clock(text: &str) -> Timestamp {
        let parts: Vec<i64> = text.split(':').map(|part| part.parse().unwrap()).collect();
        Timestamp::from_secs(parts[0] * 3_600 + parts[1] * 60 + parts.get(2).copied().unwrap_or(0))
    }

    fn spans(text: &[(u32, &str, &str)]) -> Vec<Span> {
        let end = |end: &str| (!end.is_empty()).then(|| clock(end));
        text.iter().map(|&(status, from, to)| Span { start: clock(from), status, end: end(to) }).collect()
    }

    macro_rules! timelines {
        ($($name:ident: $given:expr => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                assert_eq!(timeline(&spans(&$given)), spans(&$expected));
            })*
        };
    }

    const READY: u32 = 1;
    const CALL: u32 = 2;
    const HOLD: u32 = 3;

    timelines! {
        a_short_ready_beside_a_call:
            [(READY, "13:00:00", "13:00:05"), (CALL, "13:00:00", "13:03:00")]
            => [(READY, "13:00:00", "13:00:05"), (CALL, "13:00:05", "13:03:00")];
        a_hold_inside_a_call:
            [(CALL, "08:35", "08:40"), (HOLD, "08:37", "08:38")]
            => [(CALL, "08:35", "08:37"), (HOLD, "08:37", "08:38"), (CALL, "08:38", "08:40")];
        a_long_ready_beside_a_call_that_begins_in_it:
            [(READY, "13:00", "13:10"), (CALL, "13:08", "13:12")]
            => [(READY, "13:00", "13:08"), (CALL, "13:08", "13:12")];
        start_only_rows_end_at_the_next:
            [(1013, "08:34:29", ""), (1015, "08:34:42", "")]
            => [(1013, "08:34:29", "08:34:42"), (1015, "08:34:42", "")];
        of_equal_starts_the_last_counts:
            [(READY, "08:00", ""), (CALL, "08:00", ""), (HOLD, "08:05", "")]
            => [(CALL, "08:00", "08:05"), (HOLD, "08:05", "")];
        of_equal_lengths_the_later_start_counts:
            [(READY, "08:00", "08:10"), (CALL, "08:05", "08:15")]
            => [(READY, "08:00", "08:05"), (CALL, "08:05", "08:15")];
        an_open_span_goes_on_after_a_closed_one_inside_it:
            [(READY, "08:00", ""), (CALL, "07:50", "08:10")]
            => [(CALL, "07:50", "08:10"), (READY, "08:10", "")];
        an_open_span_is_longer_than_any_closed_one:
            [(READY, "08:00", ""), (CALL, "08:00", "12:00"), (HOLD, "08:30", "08:31")]
            => [(CALL, "08:00", "08:30"), (HOLD, "08:30", "08:31"), (CALL, "08:31", "12:00")];
        no_length_takes_no_time:
            [(READY, "08:00", "08:00"), (CALL, "08:00", "08:01")]
            => [(CALL, "08:00", "08:01")];
        a_stretch_without_status_stays_empty:
            [(READY, "08:00", "08:01"), (READY, "08:02", "08:03")]
            => [(READY, "08:00", "08:01"), (READY, "08:02", "08:03")];
        touching_stretches_of_one_status_are_one:
            [(READY, "08:00", "08:01"), (READY, "08:01", "08:03")]
            => [(READY, "08:00", "08:03")];
        a_day_of_test_with_a_break:
            [(READY, "10:00", "15:00"), (HOLD, "12:00", "12:15")]
            => [(READY, "10:00", "12:00"), (HOLD, "12:00", "12:15"), (READY, "12:15", "15:00")];
    }

    #[test]
    fn ends_come_from_the_next_later_start_and_overlaps_stay() {
        let given = spans(&[(1, "08:00", ""), (2, "08:00", "09:00"), (3, "08:30", ""), (4, "08:30", "")]);
        let expected = [(1, "08:00", "08:30"), (2, "08:00", "09:00"), (3, "08:30", ""), (4, "08:30", "")];
        assert_eq!(ended(&given), spans(&expected));
    }

    fn any_span() -> impl Strategy<Value = Span> {
        (0..40_i64, 0..4_u32, prop::option::weighted(0.8, 0..20_i64)).prop_map(|(start, status, length)| Span {
            start: Timestamp::from_millis(start),
            status,
            end: length.map(|length| Timestamp::from_millis(start + length)),
        })
    }

    proptest! {
        /// Instant by instant, by looking at every span.
        #[test]
        fn each_instant_shows_the_shortest_span_that_covers_it(given in prop::collection::vec(any_span(), 0..12)) {
            // The same start and status is the same span: keep the property test free of that rule.
            let mut given = given;
            let mut seen = std::collections::HashSet::new();
            given.retain(|span| seen.insert((span.start, span.status)));
            let pieces = timeline(&given);
            prop_assert!(pieces.windows(2).all(|pair| pair[0].end.is_some_and(|end| end <= pair[1].start)));
            for millis in 0..80 {
                let at = Timestamp::from_millis(millis);
                let end_of = |span: &Span| {
                    let next = given.iter().map(|other| other.start).filter(|start| *start > span.start).min();
                    span.end.or(next)
                };
                let covering = given.iter().enumerate().filter(|(_, span)| span.start <= at && end_of(span).is_none_or(|end| at < end));
                let best = covering.min_by_key(|(index, span)| {
                    let length = end_of(span).map_or(i64::MAX, |end| end.millis() - span.start.millis());
                    (span.end.is_none(), length, Reverse(span.start), Reverse(*index))
                });
                let shown: Vec<u32> = pieces
                    .iter()
                    .filter(|piece| piece.start <= at && piece.end.is_none_or(|end| at < end))
                    .map(|piece| piece.status)
                    .collect();
                prop_assert_eq!(shown, best.map(|(_, span)| span.status).into_iter().collect::<Vec<_>>(), "at {}", millis);
            }
        }
    }
}
