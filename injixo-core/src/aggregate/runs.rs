//! Sums by interval, for time-ordered input and for any other.

/// The sum of one interval while it grows.
pub(crate) trait Cell: Copy {
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
#[derive(Debug, Clone)]
pub(crate) struct Runs<C> {
    cells: Vec<C>,
    /// Of so many cells, each starts later than the one before it; of all of them while there is none out of order.
    sorted: Option<usize>,
    /// Cells in any order, their start in the upper half.
    packed: Vec<u64>,
    merge_at: usize,
    /// How much more often looking through the newest cells was in vain than not.
    in_vain: u32,
}

const NEWEST: usize = 8;
const SMALLEST_MERGE: usize = 8_192;
/// From here on facts come in no order at all.
const ANY_ORDER: u32 = 64;
/// Room for so many cells is made at first.
const FEWEST: usize = 64;

impl<C: Cell> Runs<C> {
    pub(crate) const fn new() -> Self {
        Self { cells: Vec::new(), sorted: None, packed: Vec::new(), merge_at: SMALLEST_MERGE, in_vain: 0 }
    }

    /// Adds to the sum of an interval; `false` where it does not fit: then nothing was added.
    #[inline]
    #[must_use]
    pub(crate) fn add(&mut self, cell: C) -> bool {
        let Some(last) = self.cells.last() else {
            self.cells.reserve(FEWEST);
            self.cells.push(cell);
            return true;
        };
        if self.sorted.is_some() || last.start() > cell.start() {
            return self.add_out_of_order(cell);
        }
        let is_same = last.start() == cell.start();
        let Some(sum) = last.joined(&cell, is_same) else { return false };
        let kept = self.cells.len() - usize::from(is_same);
        if kept == self.cells.capacity() {
            // Making room may have put cells behind the last one.
            return self.make_room() && self.add(cell);
        }
        self.cells.truncate(kept);
        self.cells.push(sum);
        true
    }

    fn add_out_of_order(&mut self, cell: C) -> bool {
        if self.in_vain < ANY_ORDER {
            let newest = self.cells.len().saturating_sub(NEWEST);
            if let Some(sum) = self.cells[newest..].iter_mut().rev().find(|held| held.start() == cell.start()) {
                self.in_vain = self.in_vain.saturating_sub(1);
                return sum.joined(&cell, true).map(|joined| *sum = joined).is_some();
            }
            self.in_vain += 1;
        } else if let Some(packed) = cell.packed() {
            if self.packed.len() == self.packed.capacity() && !self.make_room() {
                return false;
            }
            self.packed.push(u64::from(cell.start()) << 32 | u64::from(packed));
            return true;
        }
        if self.cells.len() == self.cells.capacity() && !self.make_room() {
            return false;
        }
        self.sorted.get_or_insert(self.cells.len());
        self.cells.push(cell);
        true
    }

    /// The sums, one per interval, sorted by start; `Err` with all cells where two of them do not fit into one.
    pub(crate) fn finish(mut self) -> Result<Vec<C>, Vec<C>> {
        if self.merge() { Ok(self.cells) } else { Err(self.into_cells()) }
    }

    /// All cells as they are, for sums of another width.
    pub(crate) fn into_cells(mut self) -> Vec<C> {
        self.cells.extend(self.packed.iter().filter_map(|packed| unpacked::<C>(*packed)));
        self.cells
    }

    #[cold]
    fn make_room(&mut self) -> bool {
        let is_loose = self.sorted.is_some() || !self.packed.is_empty();
        if is_loose && self.cells.len() + self.packed.len() >= self.merge_at {
            if !self.merge() {
                return false;
            }
            self.merge_at = (self.cells.len() * 2).max(SMALLEST_MERGE);
        }
        // What is reserved and not written to takes no memory.
        if self.cells.len() == self.cells.capacity() {
            self.cells.reserve(self.cells.len());
        }
        if self.packed.len() == self.packed.capacity() && self.in_vain >= ANY_ORDER {
            self.packed.reserve(self.packed.len().max(SMALLEST_MERGE / 2));
        }
        true
    }

    /// Puts everything in order, and what falls into one interval together.
    fn merge(&mut self) -> bool {
        if let Some(sorted) = self.sorted {
            let (held, rest) = self.cells.split_at(sorted);
            let order = sorted_by_start(rest);
            let Some(merged) = merged(held, order.iter().map(|index| rest[*index as usize])) else { return false };
            self.cells = merged;
            self.sorted = None;
        }
        if !self.packed.is_empty() {
            sort_packed(&mut self.packed);
            let packed = self.packed.iter().filter_map(|packed| unpacked(*packed));
            let Some(merged) = merged(&self.cells, packed) else { return false };
            self.cells = merged;
            self.packed.clear();
        } else {
            self.in_vain /= 2;
        }
        true
    }
}

fn unpacked<C: Cell>(packed: u64) -> Option<C> {
    let [start, rest] = halves(packed);
    C::unpacked(start, rest)
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
const fn halves(packed: u64) -> [u32; 2] {
    [(packed >> 32) as u32, packed as u32]
}

/// Two sorted lists as one, with one cell per interval; `None` where a sum does not fit.
fn merged<C: Cell>(held: &[C], others: impl Iterator<Item = C>) -> Option<Vec<C>> {
    // What is reserved and not written to takes no memory.
    let mut merged: Vec<C> = Vec::with_capacity(held.len() + others.size_hint().1.unwrap_or(0));
    let mut held = held.iter().peekable();
    for cell in others {
        while let Some(earlier) = held.next_if(|held| held.start() <= cell.start()) {
            merged.push(*earlier);
        }
        let Some(last) = merged.last() else {
            merged.push(cell);
            continue;
        };
        let is_same = last.start() == cell.start();
        let sum = last.joined(&cell, is_same)?;
        merged.truncate(merged.len() - usize::from(is_same));
        merged.push(sum);
    }
    merged.extend(held);
    Some(merged)
}

/// So many bits of a key are sorted by in one pass.
const DIGIT: u32 = 9;
const DIGITS: usize = 1 << DIGIT;
/// Fewer cells are sorted by comparing.
const FEW: usize = 256;

/// Intervals almost always start a multiple of a quarter of an hour apart; the zone may cut one at any second. The first start, and in
/// which unit all others lie behind it.
fn unit_of(mut starts: impl Iterator<Item = u32> + Clone) -> (u32, u32) {
    let first = starts.clone().min().unwrap_or(0);
    (first, if starts.all(|start| (start - first).is_multiple_of(900)) { 900 } else { 1 })
}

/// The places of cells in the order of their starts; of equal starts in that of their places.
fn sorted_by_start<C: Cell>(cells: &[C]) -> Vec<u32> {
    let (first, unit) = unit_of(cells.iter().map(Cell::start));
    // Memory ends long before places do.
    let place = |index: usize| u64::try_from(index).unwrap_or(u64::MAX);
    let key = |cell: &C| u64::from((cell.start() - first) / unit) << 32;
    let mut keys: Vec<u64> = cells.iter().enumerate().map(|(index, cell)| key(cell) | place(index)).collect();
    sort_by_upper_half(&mut keys);
    keys.into_iter().map(|key| halves(key)[1]).collect()
}

/// Sorts packed cells by their start.
fn sort_packed(packed: &mut Vec<u64>) {
    let (first, unit) = unit_of(packed.iter().map(|packed| halves(*packed)[0]));
    let of = |[start, rest]: [u32; 2]| u64::from(start) << 32 | u64::from(rest);
    packed.iter_mut().for_each(|packed| {
        let [start, rest] = halves(*packed);
        *packed = of([(start - first) / unit, rest]);
    });
    sort_by_upper_half(packed);
    packed.iter_mut().for_each(|packed| {
        let [key, rest] = halves(*packed);
        *packed = of([key * unit + first, rest]);
    });
}

/// Sorts by the upper half, digit by digit from the lowest; equal ones stay in their order.
fn sort_by_upper_half(keys: &mut Vec<u64>) {
    if keys.len() < FEW {
        keys.sort_by_key(|key| key >> 32);
        return;
    }
    let mut sorted = vec![0; keys.len()];
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
            sorted[*at as usize] = key;
            *at += 1;
        }
        std::mem::swap(keys, &mut sorted);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Sum(u32, u64);

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
        let mut runs = Runs::new();
        for &(start, value) in facts {
            assert!(runs.add(Sum(start, value)));
        }
        runs.finish().unwrap()
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
        let mut runs = Runs::new();
        for step in 0..200_000_u32 {
            assert!(runs.add(Sum(step.wrapping_mul(2_654_435_761) % 500 * 900, 1)));
        }
        let (cells, packed) = (runs.cells.capacity(), runs.packed.capacity());
        assert!(cells + packed <= 4 * SMALLEST_MERGE, "{cells} {packed}");
        assert_eq!(runs.finish().unwrap().len(), 500);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_told_and_nothing_is_lost() {
        let mut runs = Runs::new();
        for start in [900, 0, 1_800, 0, 900] {
            assert!(runs.add(Sum(start, 400_000)));
        }
        // The cells of 0 are too far apart to be put together at once.
        for start in (2_700..20_000).step_by(900) {
            assert!(runs.add(Sum(start, 1)));
        }
        assert!(runs.add(Sum(0, 400_000)));
        let cells = runs.finish().unwrap_err();
        assert_eq!(cells.iter().filter(|cell| cell.0 == 0).map(|cell| cell.1).sum::<u64>(), 1_200_000);
    }
}
