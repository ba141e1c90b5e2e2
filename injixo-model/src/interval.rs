//! Interval lengths, ready-made interval rows and the measures that intervals carry.

use std::fmt;

use crate::{Millis, ModelError, Quantity, Timestamp};

/// The length of an interval: a multiple of 15 minutes that divides the day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntervalLength(u16);

impl IntervalLength {
    /// A quarter of an hour.
    pub const MINUTES_15: Self = Self(15);
    /// Half an hour.
    pub const MINUTES_30: Self = Self(30);
    /// An hour.
    pub const MINUTES_60: Self = Self(60);
    /// A whole day.
    pub const DAY: Self = Self(1_440);

    /// The length of so many minutes.
    ///
    /// # Errors
    ///
    /// [`ModelError::IntervalLength`] unless `minutes` is a multiple of 15 that divides 1,440.
    pub fn from_minutes(minutes: u32) -> Result<Self, ModelError> {
        match u16::try_from(minutes) {
            Ok(whole) if whole > 0 && whole.is_multiple_of(15) && 1_440 % whole == 0 => Ok(Self(whole)),
            _ => Err(ModelError::IntervalLength(minutes)),
        }
    }

    /// The number of minutes.
    pub const fn minutes(self) -> u32 {
        self.0 as u32
    }

    /// The length as a duration.
    pub const fn millis(self) -> Millis {
        Millis::from_mins(self.0 as i64)
    }

    /// Whether intervals of `other` can be put together to intervals of this length.
    pub const fn is_multiple_of(self, other: Self) -> bool {
        self.0.is_multiple_of(other.0)
    }
}

impl fmt::Display for IntervalLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} minutes", self.0)
    }
}

impl fmt::Debug for IntervalLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}min", self.0)
    }
}

/// A sum of time and the number of contacts for which it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timed {
    /// The time of all of them together.
    pub total: Millis,
    /// How many contacts it was measured for. Zero means that nothing was measured, not that it took no time.
    pub number: Quantity,
}

impl Timed {
    /// The time per contact, rounded to the nearest millisecond; `None` where none was measured.
    pub fn average(self) -> Option<Millis> {
        let number = i128::from(self.number.micros());
        if number <= 0 {
            return None;
        }
        let scaled = i128::from(self.total.get()) * i128::from(Quantity::ONE.micros());
        i64::try_from((scaled * 2 + number) / (number * 2)).ok().map(Millis::new)
    }

    /// The sum of two.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { total: self.total.plus(other.total), number: self.number.plus(other.number) }
    }
}

/// What an interval carries. Adding measures is exact and does not depend on the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Measures {
    /// Contacts offered.
    pub offered: Quantity,
    /// Contacts handled. More than offered is legal: a contact may be handled in a later interval.
    pub handled: Quantity,
    /// Handle time of the handled contacts.
    pub handle_time: Timed,
    /// Wait of the answered contacts.
    pub wait_time: Timed,
    /// Contacts abandoned; `None` where any part of the source did not say.
    pub abandoned: Option<Quantity>,
    /// Contacts answered within the source's threshold; `None` where any part of the source did not say.
    pub within_service_level: Option<Quantity>,
}

impl Measures {
    /// Average handle time, rounded to the nearest millisecond; `None` where none was measured.
    pub fn aht(&self) -> Option<Millis> {
        self.handle_time.average()
    }

    /// The average speed of answer; `None` where none was measured.
    pub fn speed_of_answer(&self) -> Option<Millis> {
        self.wait_time.average()
    }

    /// The sum of two. What is unknown on one side is unknown in the sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let both = |a: Option<Quantity>, b: Option<Quantity>| Some(a?.plus(b?));
        Self {
            offered: self.offered.plus(other.offered),
            handled: self.handled.plus(other.handled),
            handle_time: self.handle_time.plus(other.handle_time),
            wait_time: self.wait_time.plus(other.wait_time),
            abandoned: both(self.abandoned, other.abandoned),
            within_service_level: both(self.within_service_level, other.within_service_level),
        }
    }
}

/// A ready-made row of a source that sums up by itself: one queue, one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntervalRow {
    /// When the interval starts.
    pub start: Timestamp,
    /// How long it really lasts; shorter than the nominal length where a clock change cuts it.
    pub length: Millis,
    /// What was counted in it.
    pub measures: Measures,
}

impl IntervalRow {
    /// When the interval ends.
    pub fn end(&self) -> Timestamp {
        self.start.after(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lengths_that_tile_the_day_exist() {
        for minutes in [15, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1_440] {
            assert!(IntervalLength::from_minutes(minutes).is_ok(), "{minutes}");
        }
        for minutes in [0, 1, 5, 10, 20, 75, 100, 1_455, 65_551] {
            assert_eq!(IntervalLength::from_minutes(minutes), Err(ModelError::IntervalLength(minutes)));
        }
    }

    #[test]
    fn averages_round_to_the_nearest_millisecond() {
        let timed = |total, number| Timed { total: Millis::new(total), number: Quantity::whole(number) };
        assert_eq!(timed(3_220_000, 14).average(), Some(Millis::from_secs(230)));
        assert_eq!(timed(10, 3).average(), Some(Millis::new(3)));
        assert_eq!(timed(11, 3).average(), Some(Millis::new(4)));
        assert_eq!(timed(5, 2).average(), Some(Millis::new(3)));
        assert_eq!(timed(0, 0).average(), None);
    }

    #[test]
    fn unknown_absorbs_known() {
        let known = Measures { abandoned: Some(Quantity::ONE), ..Measures::default() };
        assert_eq!(known.plus(&known).abandoned, Some(Quantity::whole(2)));
        assert_eq!(known.plus(&Measures::default()).abandoned, None);
    }
}
