//! Sums by interval, for time-ordered input and for any other.

/// What can be added up.
pub(crate) trait Additive: Copy {
    fn add(&mut self, other: Self);
}

/// Sums by the start of their interval, in seconds since 1970.
///
/// In time order a fact falls into one of the newest intervals, which are looked through. Whatever does not is appended
/// and merged later, so that no order needs a map or an allocation per fact, and memory stays within a factor of the
/// number of intervals.
#[derive(Debug, Clone)]
pub(crate) struct Runs<V> {
    cells: Vec<(u32, V)>,
    is_sorted: bool,
    merge_at: usize,
}

const NEWEST: usize = 8;
const SMALLEST_MERGE: usize = 4_096;

impl<V: Additive> Runs<V> {
    pub(crate) const fn new() -> Self {
        Self { cells: Vec::new(), is_sorted: true, merge_at: SMALLEST_MERGE }
    }

    #[inline]
    pub(crate) fn add(&mut self, start: u32, value: V) {
        let newest = self.cells.len().saturating_sub(NEWEST);
        if let Some((_, sum)) = self.cells[newest..].iter_mut().rev().find(|(held, _)| *held == start) {
            sum.add(value);
            return;
        }
        if self.cells.len() == self.cells.capacity() {
            self.make_room();
        }
        self.is_sorted &= self.cells.last().is_none_or(|(last, _)| *last < start);
        self.cells.push((start, value));
    }

    /// The sums, one per interval, sorted by start.
    pub(crate) fn finish(mut self) -> Vec<(u32, V)> {
        self.merge();
        self.cells
    }

    #[cold]
    fn make_room(&mut self) {
        if !self.is_sorted && self.cells.len() >= self.merge_at {
            self.merge();
            self.merge_at = (self.cells.len() * 2).max(SMALLEST_MERGE);
        }
        // A quarter more instead of twice as much: the sums are the largest thing in memory.
        self.cells.reserve_exact((self.cells.len() / 4).max(64));
    }

    fn merge(&mut self) {
        if self.is_sorted {
            return;
        }
        self.cells.sort_unstable_by_key(|(start, _)| *start);
        self.cells.dedup_by(|(start, value), (held, sum)| {
            let is_same = start == held;
            if is_same {
                sum.add(*value);
            }
            is_same
        });
        self.is_sorted = true;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Additive for u64 {
        fn add(&mut self, other: Self) {
            *self += other;
        }
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order(
            mut facts in prop::collection::vec((0..3_000_u32, 0..9_u64), 0..20_000),
            ordered: bool,
        ) {
            if ordered {
                facts.sort_unstable();
            }
            let (mut runs, mut naive) = (Runs::new(), BTreeMap::new());
            for &(start, value) in &facts {
                runs.add(start, value);
                *naive.entry(start).or_insert(0) += value;
            }
            prop_assert_eq!(runs.finish(), naive.into_iter().collect::<Vec<_>>());
        }
    }
}
