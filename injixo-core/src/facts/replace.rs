//! What a statement replaces.

use std::collections::BTreeMap;

use injixo_model::{IntervalRow, Millis, Timestamp, Window};

use super::chunk::{Chunk, Side};
use super::codec::Fact;
use super::{Day, cut_by_day};

/// The chunks of one subject by day; whatever a statement touches must have been loaded.
pub(crate) type Chunks<F> = BTreeMap<Day, Chunk<F>>;

/// For which time a list speaks about one subject.
#[derive(Debug, Clone)]
pub(crate) struct ListScope {
    /// The list's first instant, over all its subjects.
    pub(crate) first: Timestamp,
    /// The list's last instant, over all its subjects.
    pub(crate) last: Timestamp,
    /// The local days on which the list names the subject.
    pub(crate) days: Vec<Window>,
}

impl ListScope {
    /// The stretches for which the list speaks, cut at UTC midnights.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (Day, Window)> {
        let whole = Window::new(self.first, self.last.after(INSTANT));
        let pieces = self.days.iter().filter_map(move |day| whole.clone().ok()?.intersection(*day));
        pieces.flat_map(cut_by_day)
    }
}

const INSTANT: Millis = Millis::new(1);

/// Applies what a list from `first` to `last` says about one subject in a [piece](ListScope::pieces) of its scope; `facts` are sorted by
/// start and hold all of the piece.
pub(crate) fn apply_piece<F: Fact>(
    chunk: &mut Chunk<F>,
    (first, last): (Timestamp, Timestamp),
    piece: Window,
    facts: &[F],
) {
    if let Ok(between) = Window::new(piece.from().max(first.after(INSTANT)), piece.to().min(last)) {
        chunk.replace(between, within(facts, between));
        chunk.reach_across(between);
    }
    let sides: &[(Timestamp, Side)] = match first == last {
        true => &[(first, Side::Only)],
        false => &[(first, Side::Begins), (last, Side::Ends)],
    };
    for (at, side) in sides.iter().copied().filter(|(at, _)| piece.contains(*at)) {
        let instant = Window::new(at, at.after(INSTANT)).ok();
        chunk.set_side(at, side, instant.map_or(&[], |instant| within(facts, instant)));
    }
}

/// Applies what a list says about one subject; `facts` are sorted by start and lie within the scope.
#[cfg(test)]
fn apply_list<F: Fact>(chunks: &mut Chunks<F>, scope: &ListScope, facts: &[F]) {
    for (day, piece) in scope.pieces() {
        apply_piece(chunks.entry(day).or_insert_with(Chunk::new), (scope.first, scope.last), piece, facts);
    }
}

/// Applies a complete answer about one subject over `window`. Facts that start before it (spans that reach into it) update what
/// they are the same as; where `newer` says that a later read has spoken, they add nothing.
pub(crate) fn apply_window<F: Fact>(
    chunks: &mut Chunks<F>,
    window: Window,
    facts: &[F],
    newer: impl Fn(Timestamp) -> bool,
) {
    for (day, piece) in cut_by_day(window) {
        let chunk = chunks.entry(day).or_insert_with(Chunk::new);
        chunk.replace(piece, within(facts, piece));
    }
    for fact in facts.iter().take_while(|fact| fact.start() < window.from()) {
        let chunk = chunks.entry(super::day_of(fact.start())).or_insert_with(Chunk::new);
        if !newer(fact.start()) || chunk.holds(fact) {
            let _ = chunk.upsert(*fact);
        }
    }
}

/// Applies ready-made rows of one queue, each of which speaks for its own interval; rows for the same interval add up.
pub(crate) fn apply_rows(chunks: &mut Chunks<IntervalRow>, rows: &[IntervalRow]) {
    let mut rows = rows.to_vec();
    IntervalRow::settle(&mut rows);
    for row in &rows {
        let Ok(interval) = Window::new(row.start, row.end()) else { continue };
        let longest = Millis::from_mins(1_440);
        let Ok(reach) = Window::new(interval.from().before(longest), interval.to()) else { continue };
        for (day, piece) in cut_by_day(reach) {
            if let Some(chunk) = chunks.get_mut(&day) {
                chunk.remove_overlapping(piece, interval);
            }
        }
    }
    for row in rows {
        let chunk = chunks.entry(super::day_of(row.start)).or_insert_with(Chunk::new);
        chunk.insert(row);
    }
}

impl Chunk<IntervalRow> {
    fn remove_overlapping(&mut self, starting_in: Window, interval: Window) {
        self.retain(starting_in, |row| row.start >= interval.to() || row.end() <= interval.from());
    }
}

/// The facts of a sorted list that start in `window`.
fn within<F: Fact>(facts: &[F], window: Window) -> &[F] {
    let from = facts.partition_point(|fact| fact.start() < window.from());
    let to = facts.partition_point(|fact| fact.start() < window.to());
    &facts[from..to]
}

/// How the facts of a subject differ before and after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Change {
    pub(crate) added: u64,
    pub(crate) replaced: u64,
    pub(crate) gone: u64,
    pub(crate) unchanged: u64,
}

impl Change {
    /// Compares facts sorted by start. A fact of the same start in place of another is a replacement.
    pub(crate) fn between<F: Fact>(before: &[F], after: &[F]) -> Self {
        if before.is_empty() || after.is_empty() {
            return Self { added: after.len() as u64, gone: before.len() as u64, ..Self::default() };
        }
        let same = same_begin(before, after);
        let mut change = Self { unchanged: same as u64, ..Self::default() };
        let (mut old, mut new) = (&before[same..], &after[same..]);
        while let Some(at) = [old.first(), new.first()].into_iter().flatten().map(Fact::start).min() {
            let split = |facts: &[F]| facts.partition_point(|fact| fact.start() <= at);
            let (mut a, mut b) = (old[..split(old)].to_vec(), new[..split(new)].to_vec());
            (old, new) = (&old[a.len()..], &new[b.len()..]);
            a.sort_unstable();
            b.sort_unstable();
            let common = common(&a, &b);
            let (a, b) = (a.len() as u64 - common, b.len() as u64 - common);
            change.unchanged += common;
            change.replaced += a.min(b);
            change.added += b.saturating_sub(a);
            change.gone += a.saturating_sub(b);
        }
        change
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            added: self.added + other.added,
            replaced: self.replaced + other.replaced,
            gone: self.gone + other.gone,
            unchanged: self.unchanged + other.unchanged,
        }
    }
}

/// How many facts, sorted by start, two lists have in common at their begin: all of a start, or none.
pub(crate) fn same_begin<F: Fact>(a: &[F], b: &[F]) -> usize {
    let mut same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let goes_on = |facts: &[F], at: usize| {
        facts.get(at).zip(facts.get(at - 1)).is_some_and(|(next, last)| next.start() == last.start())
    };
    while same > 0 && (goes_on(a, same) || goes_on(b, same)) {
        same -= 1;
    }
    same
}

/// How many elements two sorted lists share.
fn common<T: Ord>(a: &[T], b: &[T]) -> u64 {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let order = x.cmp(y);
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
        count += u64::from(order.is_eq());
    }
    count
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use injixo_model::{Contact, Measures, Quantity, Span};
    use proptest::prelude::*;

    use super::super::{day_of, day_start};
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn contact(start: i64, duration: i64) -> Contact {
        Contact::offered(at(start)).handled(Millis::new(duration))
    }

    fn window(from: i64, to: i64) -> Window {
        Window::new(at(from), at(to)).unwrap()
    }

    /// A file about one queue on one day.
    fn file(chunks: &mut Chunks<Contact>, facts: &[Contact]) {
        let starts = || facts.iter().map(|fact| fact.start);
        let (first, last) = (starts().min().unwrap(), starts().max().unwrap());
        let mut sorted = facts.to_vec();
        sorted.sort();
        apply_list(chunks, &ListScope { first, last, days: vec![window(0, 24 * HOUR)] }, &sorted);
    }

    fn held(chunks: &Chunks<Contact>) -> Vec<(i64, i64)> {
        let facts = chunks.values().flat_map(Chunk::facts);
        facts.map(|fact| (fact.start.millis(), fact.duration.unwrap().get())).collect()
    }

    fn packed(chunks: &Chunks<Contact>) -> BTreeMap<Day, Vec<u8>> {
        let pack = |(day, chunk): (&Day, &Chunk<Contact>)| {
            let mut bytes = Vec::new();
            chunk.encode(*day, &mut bytes);
            (*day, bytes)
        };
        chunks.iter().map(pack).collect()
    }

    #[test]
    fn a_file_that_says_the_same_again_touches_nothing() {
        let mut chunks = Chunks::new();
        let facts = [contact(0, 1), contact(8, 2), contact(8, 1), contact(20, 5)];
        file(&mut chunks, &facts);
        let decoded = |(day, bytes): (Day, Vec<u8>)| (day, Chunk::decode(day, &bytes).unwrap());
        chunks = packed(&chunks).into_iter().map(decoded).collect();
        file(&mut chunks, &facts);
        assert!(chunks.values().all(|chunk: &Chunk<Contact>| !chunk.is_touched()));
        file(&mut chunks, &[contact(0, 1), contact(8, 2), contact(20, 5)]);
        assert!(chunks.values().all(Chunk::is_touched));
        assert_eq!(held(&chunks), [(0, 1), (8, 2), (20, 5)]);
    }

    fn after_files(files: &[&[Contact]]) -> Vec<(i64, i64)> {
        let mut chunks = Chunks::new();
        for facts in files {
            file(&mut chunks, facts);
        }
        held(&chunks)
    }

    #[test]
    fn files_cut_inside_a_minute_add_up() {
        let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|duration| contact(7, duration));
        let first = [contact(0, 9), a, b, c];
        let second = [d, e, contact(22, 9)];
        let all = [(0, 9), (7, 1), (7, 2), (7, 3), (7, 4), (7, 5), (22, 9)];
        assert_eq!(after_files(&[&first, &second]), all);
        assert_eq!(after_files(&[&second, &first]), all);
        assert_eq!(after_files(&[&first, &second, &first, &second]), all);
    }

    #[test]
    fn rows_in_both_of_two_touching_files_count_once() {
        let both = [contact(7, 1), contact(7, 1)];
        let first = [contact(0, 9), both[0], both[1]];
        let second = [both[0], both[1], contact(22, 9)];
        assert_eq!(after_files(&[&first, &second]), [(0, 9), (7, 1), (7, 1), (22, 9)]);
    }

    #[test]
    fn a_rolling_file_leaves_the_instant_that_it_may_have_cut() {
        let first = [contact(0, 1), contact(30, 1), contact(30, 2), contact(45, 1), contact(60, 1)];
        let second = [contact(30, 2), contact(45, 7), contact(60, 1), contact(90, 1)];
        assert_eq!(after_files(&[&first, &second]), [(0, 1), (30, 1), (30, 2), (45, 7), (60, 1), (90, 1)]);
    }

    #[test]
    fn a_corrected_file_replaces_its_ends_and_keeps_the_neighbours_side() {
        let before = [contact(0, 1), contact(8, 1)];
        let wrong = [contact(8, 2), contact(9, 1), contact(20, 5)];
        let right = [contact(8, 3), contact(20, 6)];
        assert_eq!(after_files(&[&before, &wrong, &right]), [(0, 1), (8, 1), (8, 3), (20, 6)]);
    }

    #[test]
    fn a_file_of_one_instant_is_replaced_by_its_correction() {
        assert_eq!(after_files(&[&[contact(8, 1)], &[contact(8, 2)]]), [(8, 2)]);
        let around = [contact(0, 1), contact(8, 9), contact(10, 1)];
        assert_eq!(after_files(&[&around, &[contact(8, 2)]]), [(0, 1), (8, 9), (10, 1)]);
    }

    #[test]
    fn days_that_do_not_name_the_subject_are_left_alone() {
        let day = 24 * HOUR;
        let mut chunks = Chunks::new();
        file(&mut chunks, &[contact(5, 1)]);
        let scope = ListScope { first: at(0), last: at(3 * day), days: vec![window(day, 2 * day)] };
        apply_list(&mut chunks, &scope, &[contact(day + 1, 4)]);
        assert_eq!(held(&chunks), [(5, 1), (day + 1, 4)]);
    }

    #[test]
    fn interval_rows_replace_what_they_overlap_and_nothing_else() {
        let row = |minute: i64, length: i64, offered: i64| IntervalRow {
            start: at(minute * 60_000),
            length: Millis::from_mins(length),
            measures: Measures { offered: Quantity::whole(offered), ..Measures::default() },
        };
        let mut chunks = Chunks::new();
        apply_rows(&mut chunks, &[row(0, 15, 1), row(15, 15, 2), row(1_425, 15, 3), row(15, 15, 2)]);
        let offered = |chunks: &Chunks<IntervalRow>| -> Vec<(i64, i64)> {
            let rows = chunks.values().flat_map(Chunk::facts);
            rows.map(|row| (row.start.millis() / 60_000, row.measures.offered.micros() / 1_000_000)).collect()
        };
        assert_eq!(offered(&chunks), [(0, 1), (15, 4), (1_425, 3)]);
        apply_rows(&mut chunks, &[row(15, 15, 9)]);
        assert_eq!(offered(&chunks), [(0, 1), (15, 9), (1_425, 3)]);
        apply_rows(&mut chunks, &[row(0, 30, 7), row(1_410, 60, 8)]);
        assert_eq!(offered(&chunks), [(0, 7), (1_410, 8)]);
        apply_rows(&mut chunks, &[row(1_440, 15, 5)]);
        assert_eq!(offered(&chunks), [(0, 7), (1_440, 5)]);
    }

    #[test]
    fn a_window_replaces_what_starts_in_it_and_updates_what_reaches_into_it() {
        let span = |start: i64, status, end: Option<i64>| Span { start: at(start), status, end: end.map(at) };
        let mut chunks = Chunks::new();
        apply_window(&mut chunks, window(15, 30), &[span(10, 1, Some(25)), span(25, 2, None)], |_| false);
        apply_window(&mut chunks, window(0, 15), &[span(10, 1, None), span(12, 3, Some(13))], |_| false);
        let facts: Vec<Span> = chunks.values().flat_map(Chunk::facts).collect();
        assert_eq!(facts, [span(10, 1, Some(25)), span(12, 3, Some(13)), span(25, 2, None)]);
    }

    #[test]
    fn changes_are_counted_by_start() {
        let before = [contact(0, 1), contact(5, 1), contact(5, 2), contact(9, 1)];
        let after = [contact(0, 1), contact(5, 2), contact(5, 3), contact(7, 1)];
        let change = Change::between(&before, &after);
        assert_eq!(change, Change { added: 1, replaced: 1, gone: 1, unchanged: 2 });
    }

    /// The rule in its plainest form: one cell per instant of a universe of a few instants.
    #[derive(Default)]
    struct Naive {
        reached: BTreeSet<i64>,
        whole: HashMap<i64, Vec<i64>>,
        sides: HashMap<(i64, u8), Vec<i64>>,
    }

    impl Naive {
        fn file(&mut self, facts: &[(i64, i64)], named: &[(i64, i64)]) {
            let first = facts.iter().map(|fact| fact.0).min().unwrap();
            let last = facts.iter().map(|fact| fact.0).max().unwrap();
            for instant in first..=last {
                if !named.iter().any(|(from, to)| (*from..*to).contains(&instant)) {
                    continue;
                }
                let here: Vec<i64> = facts.iter().filter(|fact| fact.0 == instant).map(|fact| fact.1).collect();
                if instant != first && instant != last {
                    self.reached.insert(instant);
                    self.whole.insert(instant, here);
                    (0..3).for_each(|side| drop(self.sides.remove(&(instant, side))));
                } else if !self.reached.contains(&instant) {
                    let side = if first == last { 2 } else { u8::from(instant == first) };
                    self.sides.insert((instant, side), here);
                }
            }
        }

        fn held(&self) -> Vec<(i64, i64)> {
            let mut all = Vec::new();
            for instant in -200..200 {
                for value in 0..10 {
                    let count =
                        |values: Option<&Vec<i64>>| values.map_or(0, |v| v.iter().filter(|x| **x == value).count());
                    let sides = (0..3).map(|side| count(self.sides.get(&(instant, side)))).max().unwrap();
                    let number = sides.max(count(self.whole.get(&instant)));
                    all.extend(std::iter::repeat_n((instant, value), number));
                }
            }
            all
        }
    }

    proptest! {
        /// Files over two "local days" that straddle a UTC midnight, against the naive model; chunks survive their bytes.
        #[test]
        fn lists_do_what_the_naive_model_does(
            files in prop::collection::vec((prop::collection::vec((0..24_i64, 0..4_i64), 1..8), any::<[bool; 3]>()), 1..8)
        ) {
            // Ten instants around midnight: days [-12, -4), [-4, 4), [4, 12) relative to it.
            let midnight = day_start(20_000).millis();
            let days = [(-12, -4), (-4, 4), (4, 12)];
            let (mut naive, mut chunks) = (Naive::default(), Chunks::new());
            for (rows, _) in &files {
                let facts: Vec<(i64, i64)> = rows.iter().map(|(start, duration)| (start - 12, *duration)).collect();
                let named: Vec<(i64, i64)> =
                    days.into_iter().filter(|(from, to)| facts.iter().any(|fact| (*from..*to).contains(&fact.0))).collect();
                naive.file(&facts, &named);
                let starts = || facts.iter().map(|fact| at(midnight + fact.0));
                let scope = ListScope {
                    first: starts().min().unwrap(),
                    last: starts().max().unwrap(),
                    days: named.iter().map(|(from, to)| window(midnight + from, midnight + to)).collect(),
                };
                let mut sorted: Vec<Contact> = facts.iter().map(|fact| contact(midnight + fact.0, fact.1)).collect();
                sorted.sort();
                let before = packed(&chunks);
                apply_list(&mut chunks, &scope, &sorted);
                let after = packed(&chunks);
                for (day, _) in chunks.iter().filter(|(_, chunk)| !chunk.is_touched()) {
                    prop_assert_eq!(before.get(day), after.get(day));
                }
                chunks = chunks
                    .into_iter()
                    .map(|(day, chunk)| {
                        let mut bytes = Vec::new();
                        chunk.encode(day, &mut bytes);
                        (day, Chunk::decode(day, &bytes).unwrap())
                    })
                    .collect();
            }
            let held: Vec<(i64, i64)> = held(&chunks).into_iter().map(|(start, duration)| (start - midnight, duration)).collect();
            prop_assert_eq!(held, naive.held());
            for (day, chunk) in &chunks {
                prop_assert!(chunk.facts().iter().all(|fact| day_of(fact.start) == *day));
            }
        }

        #[test]
        fn damaged_chunks_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Chunk::<Contact>::decode(0, &bytes);
            let _ = Chunk::<Span>::decode(0, &[&[0x13, 1], bytes.as_slice()].concat());
            let _ = Chunk::<IntervalRow>::decode(0, &[&[0x12, 0], bytes.as_slice()].concat());
            let _ = Chunk::<Contact>::decode(0, &[&[0x11, 0], bytes.as_slice()].concat());
        }
    }
}
