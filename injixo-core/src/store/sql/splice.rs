//! How a change of a timeline becomes rows: each row is a stretch of one status that cannot be longer.

use injixo_model::{Span, Timestamp};

/// A stretch of a timeline that shows one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start: Timestamp,
    /// `None` while it is still open.
    pub(super) end: Option<Timestamp>,
    pub(super) status: u32,
}

/// An end that comes before every other one where it is known.
fn last(end: Option<Timestamp>) -> Timestamp {
    end.unwrap_or(Timestamp::from_millis(i64::MAX))
}

/// `rows` with what they show in `[from, to)` replaced by `pieces`.
///
/// The rows are sorted and do not overlap; so is the result, in which no row can be joined with the next.
pub(super) fn splice(rows: &[Stretch], from: Timestamp, to: Option<Timestamp>, pieces: &[Span]) -> Vec<Stretch> {
    let cut = |stretch: &Stretch, from: Option<Timestamp>, to: Option<Timestamp>| {
        let start = from.map_or(stretch.start, |from| stretch.start.max(from));
        let end = to.map_or(stretch.end, |to| Some(last(stretch.end).min(to)));
        (start < last(end)).then_some(Stretch { start, end, status: stretch.status })
    };
    let mut all: Vec<Stretch> = rows.iter().filter_map(|row| cut(row, None, Some(from))).collect();
    let middle = all.len();
    let pieces = pieces.iter().map(|piece| Stretch { start: piece.start, end: piece.end, status: piece.status });
    all.extend(pieces.filter_map(|piece| cut(&piece, Some(from), to)));
    if let Some(pieces) = all.get_mut(middle..) {
        pieces.sort_by_key(|piece| piece.start);
    }
    if to.is_some() {
        all.extend(rows.iter().filter_map(|row| cut(row, to, None)));
    }
    let mut joined: Vec<Stretch> = Vec::with_capacity(all.len());
    for next in all {
        match joined.last_mut() {
            Some(previous) if previous.status == next.status && last(previous.end) >= next.start => {
                previous.end = if last(previous.end) < last(next.end) { next.end } else { previous.end };
            }
            _ => joined.push(next),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Instants 0 to 39 one by one, and 40 for all that follow.
    type Model = [Option<u32>; 41];

    fn at(millis: usize) -> Timestamp {
        Timestamp::from_millis(i64::try_from(millis).unwrap())
    }

    fn maximal(model: &Model) -> Vec<Stretch> {
        let mut rows: Vec<Stretch> = Vec::new();
        let mut before = None;
        for (instant, status) in model.iter().enumerate() {
            if *status != before {
                if let Some(open) = rows.last_mut().filter(|row| row.end.is_none()) {
                    open.end = Some(at(instant));
                }
                rows.extend(status.map(|status| Stretch { start: at(instant), end: None, status }));
            }
            before = *status;
        }
        rows
    }

    /// What a stretch shows, as spans of at most `step` instants, cut at its edges.
    fn spans(shown: &Model, from: usize, to: Option<usize>, step: usize) -> Vec<Span> {
        let mut pieces: Vec<Span> = Vec::new();
        for (instant, status) in shown.iter().enumerate().take(to.unwrap_or(41)).skip(from) {
            let Some(status) = *status else { continue };
            let end = if instant == 40 { None } else { Some(at(instant + 1)) };
            match pieces.last_mut() {
                Some(piece) if piece.status == status && piece.end == Some(at(instant)) && instant % step != 0 => {
                    piece.end = end;
                }
                _ => pieces.push(Span { start: at(instant), status, end }),
            }
        }
        pieces
    }

    proptest! {
        #[test]
        fn rows_stay_the_longest_stretches_of_the_whole_timeline(
            changes in prop::collection::vec(
                (prop::array::uniform32(prop::option::of(0_u32..3)), 0_usize..40, prop::option::of(1_usize..20), 1_usize..9),
                1..12,
            ),
        ) {
            let mut model: Model = [None; 41];
            let mut rows = Vec::new();
            for (shown, from, length, step) in changes {
                let to = length.map(|length| (from + length).min(40));
                let mut next: Model = [None; 41];
                for instant in from..to.unwrap_or(41) {
                    next[instant] = shown[(instant / 2) % 32];
                    model[instant] = next[instant];
                }
                rows = splice(&rows, at(from), to.map(at), &spans(&next, from, to, step));
                prop_assert_eq!(&rows, &maximal(&model));
            }
        }
    }

    #[test]
    fn a_change_cuts_and_joins_at_its_edges() {
        let open = Stretch { start: at(0), end: None, status: 1 };
        let cut = splice(&[open], at(10), Some(at(20)), &[Span { start: at(12), end: Some(at(20)), status: 2 }]);
        let stretch = |start, end, status| Stretch { start: at(start), end, status };
        assert_eq!(cut, [stretch(0, Some(at(10)), 1), stretch(12, Some(at(20)), 2), stretch(20, None, 1)]);
        let joined = splice(&cut, at(10), Some(at(20)), &[Span { start: at(10), end: Some(at(20)), status: 1 }]);
        assert_eq!(joined, [open]);
    }
}
