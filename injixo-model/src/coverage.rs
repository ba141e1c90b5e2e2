//! Which time was read.
//!
//! *Missing is not zero*: an interval without a fact is zero only where coverage says that the source was asked for it.

use std::fmt;

use crate::{Timestamp, Window};

/// A set of instants, kept as windows that are sorted and neither overlap nor touch.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Coverage {
    windows: Vec<Window>,
}

impl Coverage {
    /// Nothing covered.
    pub const fn new() -> Self {
        Self { windows: Vec::new() }
    }

    /// The covered windows, sorted, with a gap between any two.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Whether nothing is covered.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Whether `instant` is covered.
    pub fn contains(&self, instant: Timestamp) -> bool {
        let after = self.windows.partition_point(|window| window.from() <= instant);
        after > 0 && instant < self.windows[after - 1].to()
    }

    /// Whether all of `window` is covered.
    pub fn covers(&self, window: Window) -> bool {
        let after = self.windows.partition_point(|held| held.from() <= window.from());
        after > 0 && window.to() <= self.windows[after - 1].to()
    }

    /// Adds `window`.
    pub fn insert(&mut self, window: Window) {
        // Most come in order.
        if self.windows.last().is_none_or(|last| last.to() < window.from()) {
            self.windows.push(window);
            return;
        }
        let first = self.windows.partition_point(|held| held.to() < window.from());
        let past = self.windows.partition_point(|held| held.from() <= window.to());
        let (mut from, mut to) = (window.from(), window.to());
        if first < past {
            from = from.min(self.windows[first].from());
            to = to.max(self.windows[past - 1].to());
        }
        let merged = Window::new(from, to).into_iter();
        self.windows.splice(first..past, merged);
    }

    /// Takes `window` away.
    pub fn remove(&mut self, window: Window) {
        let first = self.windows.partition_point(|held| held.to() <= window.from());
        let past = self.windows.partition_point(|held| held.from() < window.to());
        if first >= past {
            return;
        }
        let left = Window::new(self.windows[first].from(), window.from());
        let right = Window::new(window.to(), self.windows[past - 1].to());
        self.windows.splice(first..past, left.into_iter().chain(right));
    }

    /// Everything that this or `other` covers.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.extend(other.windows.iter().copied());
        all
    }

    /// Everything that this covers and `other` does not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        for &window in &other.windows {
            rest.remove(window);
        }
        rest
    }

    /// Everything in `window` that is covered.
    #[must_use]
    pub fn within(&self, window: Window) -> Self {
        let first = self.windows.partition_point(|held| held.to() <= window.from());
        let inside = self.windows[first..].iter().map_while(|held| held.intersection(window));
        Self { windows: inside.collect() }
    }

    /// Everything in `window` that is not covered.
    #[must_use]
    pub fn gaps(&self, window: Window) -> Self {
        Self::from_iter([window]).difference(&self.within(window))
    }
}

impl Extend<Window> for Coverage {
    fn extend<I: IntoIterator<Item = Window>>(&mut self, windows: I) {
        for window in windows {
            self.insert(window);
        }
    }
}

impl FromIterator<Window> for Coverage {
    fn from_iter<I: IntoIterator<Item = Window>>(windows: I) -> Self {
        let mut coverage = Self::new();
        coverage.extend(windows);
        coverage
    }
}

impl fmt::Debug for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.windows).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap()
    }

    fn coverage(windows: &[(i64, i64)]) -> Coverage {
        windows.iter().map(|&(from, to)| window(from, to)).collect()
    }

    #[test]
    fn touching_windows_become_one() {
        assert_eq!(coverage(&[(0, 5), (5, 9)]).windows(), [window(0, 9)]);
        assert_eq!(coverage(&[(5, 9), (0, 5)]).windows(), [window(0, 9)]);
        assert_eq!(coverage(&[(0, 4), (5, 9)]).windows().len(), 2);
        assert_eq!(coverage(&[(0, 1), (2, 3), (4, 5), (1, 4)]).windows(), [window(0, 5)]);
    }

    #[test]
    fn removing_cuts_on_both_sides() {
        let mut held = coverage(&[(0, 10), (20, 30)]);
        held.remove(window(5, 25));
        assert_eq!(held.windows(), [window(0, 5), window(25, 30)]);
        held.remove(window(5, 25));
        assert_eq!(held.windows(), [window(0, 5), window(25, 30)]);
        held.remove(window(0, 5));
        assert_eq!(held.windows(), [window(25, 30)]);
    }

    #[test]
    fn gaps_are_what_is_missing_of_a_window() {
        let held = coverage(&[(0, 10), (20, 30)]);
        assert_eq!(held.gaps(window(5, 40)).windows(), [window(10, 20), window(30, 40)]);
        assert!(held.gaps(window(20, 30)).is_empty());
        assert!(held.covers(window(20, 30)) && !held.covers(window(20, 31)) && !held.covers(window(9, 21)));
        assert!(!coverage(&[(5, 9)]).covers(window(0, 3)) && !Coverage::new().covers(window(0, 3)));
    }

    #[test]
    fn nothing_is_empty_and_something_shows_its_windows() {
        assert!(Coverage::new().is_empty() && !coverage(&[(0, 1_000)]).is_empty());
        assert_eq!(format!("{:?}", coverage(&[(0, 1_000)])), "[[1970-01-01T00:00:00Z, 1970-01-01T00:00:01Z)]");
    }

    fn any_windows() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((0..40_i64, 1..10_i64).prop_map(|(from, length)| (from, from + length)), 0..12)
    }

    proptest! {
        /// Against a set of single instants.
        #[test]
        fn behaves_as_a_set_of_instants(a in any_windows(), b in any_windows(), cut in (0..40_i64, 1..20_i64)) {
            let bits = |windows: &[(i64, i64)]| -> Vec<bool> {
                (0..64).map(|at| windows.iter().any(|&(from, to)| from <= at && at < to)).collect()
            };
            let (x, y, cut) = (coverage(&a), coverage(&b), window(cut.0, cut.0 + cut.1));
            for at in 0..64 {
                let instant = Timestamp::from_millis(at);
                let index = usize::try_from(at).unwrap();
                let (in_a, in_b) = (bits(&a)[index], bits(&b)[index]);
                prop_assert_eq!(x.contains(instant), in_a);
                prop_assert_eq!(x.union(&y).contains(instant), in_a || in_b);
                prop_assert_eq!(x.difference(&y).contains(instant), in_a && !in_b);
                prop_assert_eq!(x.within(cut).contains(instant), in_a && cut.contains(instant));
                prop_assert_eq!(x.gaps(cut).contains(instant), !in_a && cut.contains(instant));
            }
            for set in [&x, &x.union(&y), &x.difference(&y), &x.within(cut), &x.gaps(cut)] {
                prop_assert!(set.windows().windows(2).all(|pair| pair[0].to() < pair[1].from()), "{:?}", set);
            }
        }
    }
}
