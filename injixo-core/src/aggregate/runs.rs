//! Sums by interval, for time-ordered input and for any other.

use super::arena::{Arena, Item, List, both, two};

/// The sum of one interval while it grows.
pub(crate) trait Cell: Item {
    /// When the interval starts, in seconds since 1970.
    fn start(&self) -> u32;

    /// The sum of both where they are of one interval, else the `other`; `None` where a sum does not fit. Which of both it is can
    /// hardly be foretold: better not branch on it.
    fn joined(&self, other: &Self, is_same: bool) -> Option<Self>;

    /// What the cell holds beside its start, in few bits; `None` where that is too much.
    fn packed(&self) -> Option<u32> {
        None
    }

    /// The cell of that start that was [packed](Self::packed) so.
    fn unpacked(start: u32, packed: u32) -> Option<Self> {
        _ = (start, packed);
        None
    }
}

/// Cells by the start of their interval.
///
/// In time order a fact falls into the newest interval, or begins one: that costs a compare. While facts come a little out of
/// order, a few of the newest cells are looked through. Where that finds nothing time and again, cells are only appended, packed if
/// they can be; they are sorted and put together when they are many, and at the end. So no order needs a map or an allocation per
/// fact, each fact is sorted once, and memory stays within a factor of the number of intervals.
#[derive(Debug)]
pub(crate) struct Runs<C> {
    /// The newest cell, later than all others that are sorted; none while there are some that are not.
    newest: Option<C>,
    cells: List<C>,
    /// Of so many cells, each starts later than the one before it; of all of them while there is none out of order.
    sorted: Option<usize>,
    /// Cells in any order, their start in the upper half.
    packed: List<u64>,
    merge_at: usize,
    /// How much more often looking through the newest cells was in vain than not.
    in_vain: u32,
}

const NEWEST: usize = 8;
const SMALLEST_MERGE: usize = 16_384;
/// From here on facts come in no order at all.
const ANY_ORDER: u32 = 64;

impl<C: Cell> Runs<C> {
    pub(crate) fn new() -> Self {
        let (cells, packed) = (List::new(), List::new());
        Self { newest: None, cells, sorted: None, packed, merge_at: SMALLEST_MERGE, in_vain: 0 }
    }

    /// Adds to the sum of an interval; `false` where it does not fit: then nothing was added.
    #[inline]
    #[must_use]
    pub(crate) fn add(&mut self, cell: C, arena: &mut Arena) -> bool {
        let Some(newest) = &mut self.newest else { return self.add_out_of_order(cell, arena) };
        if newest.start() > cell.start() {
            return self.add_out_of_order(cell, arena);
        }
        let is_same = newest.start() == cell.start();
        let Some(sum) = newest.joined(&cell, is_same) else { return false };
        self.cells.push_if(*newest, !is_same, arena);
        *newest = sum;
        true
    }

    #[inline(never)]
    fn add_out_of_order(&mut self, cell: C, arena: &mut Arena) -> bool {
        if self.newest.is_none() && self.sorted.is_none() {
            self.newest = Some(cell);
            return true;
        }
        if self.in_vain < ANY_ORDER {
            let newest = self.cells.newest_mut(NEWEST, arena).rchunks_exact_mut(C::WORDS);
            let mut held = newest.map(|words| (C::read(words), words));
            if let Some((held, words)) = held.find(|(held, _)| held.start() == cell.start()) {
                self.in_vain = self.in_vain.saturating_sub(1);
                return held.joined(&cell, true).map(|joined| joined.write(words)).is_some();
            }
            self.in_vain += 1;
        } else if let Some(packed) = cell.packed() {
            if self.packed.is_full() && !self.make_room(arena) {
                return false;
            }
            self.packed.push(two(cell.start(), packed), arena);
            return true;
        }
        if self.cells.is_full() {
            if !self.make_room(arena) {
                return false;
            }
            if self.newest.is_some_and(|newest| newest.start() <= cell.start()) {
                return self.add(cell, arena);
            }
        }
        if let Some(newest) = self.newest.take() {
            self.cells.push(newest, arena);
            self.sorted = Some(self.cells.len());
        }
        self.cells.push(cell, arena);
        true
    }

    /// The sums, one per interval, sorted by start; `Err` with all cells where two of them do not fit into one.
    pub(crate) fn finish(mut self, arena: &mut Arena) -> Result<List<C>, Vec<C>> {
        if !self.merge(arena) {
            return Err(self.into_cells(arena));
        }
        if let Some(newest) = self.newest {
            self.cells.push(newest, arena);
        }
        self.cells.close(arena);
        Ok(self.cells)
    }

    /// All cells as they are, for sums of another width.
    pub(crate) fn into_cells(mut self, arena: &mut Arena) -> Vec<C> {
        let mut cells: Vec<C> = self.cells.iter(arena).chain(self.newest).collect();
        cells.extend(self.packed.iter(arena).filter_map(unpacked::<C>));
        self.cells.clear(arena);
        self.packed.clear(arena);
        cells
    }

    #[cold]
    fn make_room(&mut self, arena: &mut Arena) -> bool {
        let (cells, packed) = (self.cells.len(), self.packed.len());
        if (self.sorted.is_some() || packed > 0) && cells + packed >= self.merge_at {
            if !self.merge(arena) {
                return false;
            }
            self.merge_at = (self.cells.len() * 4).max(SMALLEST_MERGE);
        }
        true
    }

    /// Puts everything in order, and what falls into one interval together; `false` where a sum does not fit: then all is as it was.
    fn merge(&mut self, arena: &mut Arena) -> bool {
        if let Some(sorted) = self.sorted {
            let held = self.take_cells(arena);
            let (before, rest) = held.split_at(sorted * C::WORDS);
            let mut order = std::mem::take(&mut arena.keys);
            sort_places::<C>(rest, &mut order, &mut arena.sorted);
            let place = |key: &u64| both(*key)[1] as usize * C::WORDS;
            let rest = order.iter().map(|key| C::read(&rest[place(key)..place(key) + C::WORDS]));
            let is_merged = self.put_together(before, rest, arena);
            if is_merged {
                self.sorted = None;
                self.newest = self.cells.pop(arena);
            } else {
                self.cells.extend_from_words(&held, arena);
            }
            (arena.keys, arena.held) = (order, held);
            if !is_merged {
                return false;
            }
        }
        if self.packed.len() == 0 {
            self.in_vain /= 2;
            return true;
        }
        if let Some(newest) = self.newest.take() {
            self.cells.push(newest, arena);
        }
        let held = self.take_cells(arena);
        let mut packed = std::mem::take(&mut arena.keys);
        packed.clear();
        self.packed.words(arena).for_each(|words| packed.extend_from_slice(words));
        self.packed.clear(arena);
        let unit = Unit::of(packed.iter().map(|packed| both(*packed)[0]));
        packed.iter_mut().for_each(|packed| *packed = unit.numbered(*packed));
        sort_by_upper_half(&mut packed, &mut arena.sorted);
        let others = packed.iter().filter_map(|packed| unpacked(unit.started(*packed)));
        let is_merged = self.put_together(&held, others, arena);
        if !is_merged {
            self.cells.extend_from_words(&held, arena);
            packed.iter_mut().for_each(|packed| *packed = unit.started(*packed));
            self.packed.extend_from_words(&packed, arena);
        }
        self.newest = self.cells.pop(arena);
        (arena.keys, arena.held) = (packed, held);
        is_merged
    }

    /// Takes the cells out, as words; others may have their memory.
    fn take_cells(&mut self, arena: &mut Arena) -> Vec<u64> {
        let mut held = std::mem::take(&mut arena.held);
        held.clear();
        self.cells.words(arena).for_each(|words| held.extend_from_slice(words));
        self.cells.clear(arena);
        held
    }

    /// Fills the empty list with both, which are sorted, one cell per interval; `false` where a sum does not fit: then it stays empty.
    fn put_together(&mut self, held: &[u64], others: impl Iterator<Item = C>, arena: &mut Arena) -> bool {
        let mut held = held.chunks_exact(C::WORDS).map(C::read);
        let mut in_order = InOrder { earlier: held.next(), held, other: None, others };
        in_order.other = in_order.others.next();
        let Some(mut sum) = in_order.next() else { return true };
        // Whether a cell belongs to the sum that is growing can hardly be foretold, so that nothing branches on it.
        let (mut some, mut at) = ([0; SOME], 0);
        for cell in in_order {
            if at + C::WORDS > SOME {
                self.cells.extend_from_words(&some[..at], arena);
                at = 0;
            }
            let is_same = sum.start() == cell.start();
            sum.write(&mut some[at..at + C::WORDS]);
            at += C::WORDS * usize::from(!is_same);
            let Some(joined) = sum.joined(&cell, is_same) else {
                self.cells.clear(arena);
                return false;
            };
            sum = joined;
        }
        self.cells.extend_from_words(&some[..at], arena);
        self.cells.push(sum, arena);
        true
    }
}

/// So many words go to a list at once.
const SOME: usize = 480;

/// Two sorted lists of cells as one.
struct InOrder<C, H, O> {
    earlier: Option<C>,
    held: H,
    other: Option<C>,
    others: O,
}

impl<C: Cell, H: Iterator<Item = C>, O: Iterator<Item = C>> Iterator for InOrder<C, H, O> {
    type Item = C;

    #[inline]
    fn next(&mut self) -> Option<C> {
        let is_earlier = |held: &C| self.other.is_none_or(|other| held.start() <= other.start());
        match self.earlier.filter(is_earlier) {
            Some(held) => {
                self.earlier = self.held.next();
                Some(held)
            }
            None => std::mem::replace(&mut self.other, self.others.next()),
        }
    }
}

fn unpacked<C: Cell>(packed: u64) -> Option<C> {
    let [start, rest] = both(packed);
    C::unpacked(start, rest)
}

/// So many bits of a key are sorted by in one pass.
const DIGIT: u32 = 9;
const DIGITS: usize = 1 << DIGIT;
/// Fewer cells are sorted by comparing.
const FEW: usize = 256;

/// Intervals almost always start a multiple of a quarter of an hour apart; the zone may cut one at any second. How starts become small
/// numbers in the same order.
#[derive(Debug, Clone, Copy)]
struct Unit {
    first: u32,
    is_quarter: bool,
}

impl Unit {
    fn of(starts: impl Iterator<Item = u32> + Clone) -> Self {
        let first = starts.clone().min().unwrap_or(0);
        Self { first, is_quarter: starts.fold(true, |all, start| all & (start - first).is_multiple_of(900)) }
    }

    #[inline]
    fn number(self, start: u32) -> u32 {
        if self.is_quarter { (start - self.first) / 900 } else { start - self.first }
    }

    /// A packed cell with the number of its start.
    #[inline]
    fn numbered(self, packed: u64) -> u64 {
        let [start, rest] = both(packed);
        two(self.number(start), rest)
    }

    /// The same with the start again.
    #[inline]
    fn started(self, packed: u64) -> u64 {
        let [number, rest] = both(packed);
        let start = self.first + if self.is_quarter { number * 900 } else { number };
        two(start, rest)
    }
}

/// Fills `places` with the places of cells in the lower halves, in the order of their starts; of equal starts in that of their places.
fn sort_places<C: Cell>(cells: &[u64], places: &mut Vec<u64>, scratch: &mut Vec<u64>) {
    let starts = cells.chunks_exact(C::WORDS).map(|words| C::read(words).start());
    let unit = Unit::of(starts.clone());
    places.clear();
    places.extend((0_u64..).zip(starts).map(|(place, start)| u64::from(unit.number(start)) << 32 | place));
    sort_by_upper_half(places, scratch);
}

/// Sorts by the upper half, digit by digit from the lowest; equal ones stay in their order.
fn sort_by_upper_half(keys: &mut Vec<u64>, scratch: &mut Vec<u64>) {
    if keys.len() < FEW {
        keys.sort_by_key(|key| key >> 32);
        return;
    }
    scratch.clear();
    scratch.resize(keys.len(), 0);
    let bits = u64::BITS - keys.iter().fold(0, |all, key| all | key).leading_zeros();
    for shift in (32..bits).step_by(DIGIT as usize) {
        let digit = |key: u64| usize::try_from(key >> shift).unwrap_or(0) % DIGITS;
        let mut next = [0_u32; DIGITS];
        keys.iter().for_each(|&key| next[digit(key)] += 1);
        let mut sum = 0;
        for count in &mut next {
            sum += std::mem::replace(count, sum);
        }
        for &key in &*keys {
            let at = &mut next[digit(key)];
            scratch[*at as usize] = key;
            *at += 1;
        }
        std::mem::swap(keys, scratch);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Sum(u32, u64);

    impl Item for Sum {
        const WORDS: usize = 2;

        fn write(&self, words: &mut [u64]) {
            words.copy_from_slice(&[u64::from(self.0), self.1]);
        }

        fn read(words: &[u64]) -> Self {
            Self(u32::try_from(words[0]).unwrap(), words[1])
        }
    }

    impl Cell for Sum {
        fn start(&self) -> u32 {
            self.0
        }

        fn joined(&self, other: &Self, is_same: bool) -> Option<Self> {
            let sum = if is_same { Self(self.0, self.1 + other.1) } else { *other };
            (sum.1 < 1_000_000).then_some(sum)
        }

        fn packed(&self) -> Option<u32> {
            // Some cells can be packed, others not.
            u32::try_from(self.1).ok().filter(|value| value % 3 > 0)
        }

        fn unpacked(start: u32, packed: u32) -> Option<Self> {
            Some(Self(start, u64::from(packed)))
        }
    }

    fn summed(facts: &[(u32, u64)]) -> Vec<Sum> {
        let (mut runs, mut arena) = (Runs::new(), Arena::default());
        for &(start, value) in facts {
            assert!(runs.add(Sum(start, value), &mut arena));
        }
        runs.finish(&mut arena).unwrap().iter(&arena).collect()
    }

    fn naive(facts: &[(u32, u64)]) -> Vec<Sum> {
        let mut sums = BTreeMap::new();
        facts.iter().for_each(|&(start, value)| *sums.entry(start).or_insert(0) += value);
        sums.into_iter().map(|(start, value)| Sum(start, value)).collect()
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order(
            mut facts in prop::collection::vec((0..3_000_u32, 0..9_u64), 0..20_000),
            unit in prop::sample::select(vec![1_u32, 60, 900, 1_000_000]),
            base in 0..1_000_u32,
            order in 0..5,
        ) {
            facts.iter_mut().for_each(|(start, _)| *start = *start * unit + base);
            let len = facts.len();
            match order {
                0 => facts.sort_unstable(),
                // A little out of order, as exports by end are.
                1 => facts.sort_by_key(|(start, value)| u64::from(*start) + value * u64::from(unit)),
                // First the one, then the other.
                2 => facts[..10_000.min(len)].sort_unstable(),
                3 => facts[10_000.min(len)..].sort_unstable(),
                _ => {}
            }
            prop_assert_eq!(summed(&facts), naive(&facts));
        }
    }

    #[test]
    fn order_after_disorder_loses_nothing() {
        // Backwards until cells are packed, some more of them, and then in order beyond all of them.
        let backwards = (0..100).rev().map(|step| (step * 900 + 9_000_000, 1));
        let packed = (0..9_000_u32).map(|step| (step.wrapping_mul(2_654_435_761) % 9_000 * 900, 1));
        let forwards = (0..30_000).map(|step| (step * 900 + 10_000_000, 1));
        let facts: Vec<(u32, u64)> = backwards.chain(packed).chain(forwards).collect();
        assert_eq!(summed(&facts), naive(&facts));
    }

    #[test]
    fn memory_stays_within_a_factor_of_the_intervals() {
        let (mut runs, mut arena) = (Runs::new(), Arena::default());
        for step in 0..200_000_u32 {
            assert!(runs.add(Sum(step.wrapping_mul(2_654_435_761) % 500 * 900, 1), &mut arena));
        }
        assert!(arena.words() <= 8 * SMALLEST_MERGE, "{}", arena.words());
        assert_eq!(runs.finish(&mut arena).unwrap().len(), 500);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_told_and_nothing_is_lost() {
        let (mut runs, mut arena) = (Runs::new(), Arena::default());
        for start in [900, 0, 1_800, 0, 900] {
            assert!(runs.add(Sum(start, 400_000), &mut arena));
        }
        // The cells of 0 are too far apart to be put together at once.
        for start in (2_700..20_000).step_by(900) {
            assert!(runs.add(Sum(start, 1), &mut arena));
        }
        assert!(runs.add(Sum(0, 400_000), &mut arena));
        let cells = runs.finish(&mut arena).unwrap_err();
        assert_eq!(cells.iter().filter(|cell| cell.0 == 0).map(|cell| cell.1).sum::<u64>(), 1_200_000);
    }

    proptest! {
        /// Whatever does not fit, when nothing more fits all that was added is there.
        #[test]
        fn nothing_is_lost_where_sums_do_not_fit(
            facts in prop::collection::vec((0..400_u32, 0..60_000_u64), 0..30_000),
            base in 0..1_000_u32,
        ) {
            let (mut runs, mut arena) = (Runs::new(), Arena::default());
            let mut expected = BTreeMap::new();
            for &(start, value) in &facts {
                let start = base + start * 900;
                if !runs.add(Sum(start, value), &mut arena) {
                    break;
                }
                *expected.entry(start).or_insert(0) += value;
            }
            let cells = match runs.finish(&mut arena) {
                Ok(list) => list.iter(&arena).collect(),
                Err(cells) => cells,
            };
            let mut found = BTreeMap::new();
            cells.iter().for_each(|cell| *found.entry(cell.0).or_insert(0) += cell.1);
            prop_assert_eq!(found, expected);
        }
    }
}
