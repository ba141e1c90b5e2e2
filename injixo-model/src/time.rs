//! Instants and durations in whole milliseconds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::ModelError;

/// An instant in UTC, in whole milliseconds since 1970.
///
/// The finest unit that any source delivers and that the store keeps. Converts to and from [`chrono::DateTime<Utc>`];
/// finer fractions are cut off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant that sources may name: 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// The first instant that sources may no longer name: 2100-01-01T00:00:00Z. Dates beyond are mistakes.
    pub const MAX: Self = Self(4_102_444_800_000);

    /// The instant so many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The instant so many seconds after 1970-01-01T00:00:00Z.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whether a source may name this instant, see [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
    pub fn is_supported(self) -> bool {
        (Self::MIN..Self::MAX).contains(&self)
    }

    /// The instant `duration` later.
    #[must_use]
    pub const fn after(self, duration: Millis) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// The instant `duration` earlier.
    #[must_use]
    pub const fn before(self, duration: Millis) -> Self {
        Self(self.0.saturating_sub(duration.0))
    }

    /// The time from `earlier` to this instant, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0).max(0))
    }

    /// The instant as chrono writes it.
    ///
    /// # Panics
    ///
    /// Never for an instant that [is supported](Self::is_supported); others are cut to the range of chrono.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(value: DateTime<Utc>) -> Self {
        Self(value.timestamp_millis())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(value: Timestamp) -> Self {
        value.to_utc()
    }
}

impl FromStr for Timestamp {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        DateTime::parse_from_rfc3339(text)
            .map(|instant| Self::from(instant.with_timezone(&Utc)))
            .map_err(|_| ModelError::Timestamp(text.chars().take(40).collect()))
    }
}

/// RFC 3339 in UTC, with milliseconds only where there are any: `2024-03-31T00:45:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.0 % 1_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        f.pad(&self.to_utc().to_rfc3339_opts(digits, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A duration in whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Millis(i64);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many milliseconds.
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// So many seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// So many minutes.
    pub const fn from_mins(mins: i64) -> Self {
        Self(mins.saturating_mul(60_000))
    }

    /// The number of milliseconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum; stops at the largest value instead of wrapping, which keeps sums independent of their order.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<Duration> for Millis {
    fn from(value: Duration) -> Self {
        Self(i64::try_from(value.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<Millis> for Duration {
    fn from(value: Millis) -> Self {
        Self::from_millis(u64::try_from(value.0).unwrap_or(0))
    }
}

/// Seconds without trailing zeros: `230`, `0.5`.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&fixed(self.0, 3))
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}s")
    }
}

/// A fixed-point number as text, without trailing zeros.
pub(crate) fn fixed(value: i64, digits: u32) -> String {
    let scale = 10_u64.pow(digits);
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = (magnitude / scale, magnitude % scale);
    let sign = if value < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:0width$}", width = digits as usize);
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(feature = "serde")]
mod serde_impl {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::Timestamp;

    impl Serialize for Timestamp {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Timestamp {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_and_print_in_rfc_3339() {
        let instant: Timestamp = "2024-03-31T02:45:00+02:00".parse().unwrap();
        assert_eq!(instant.to_string(), "2024-03-31T00:45:00Z");
        assert_eq!(instant.after(Millis::new(7)).to_string(), "2024-03-31T00:45:00.007Z");
        assert_eq!(Timestamp::MAX.to_string(), "2100-01-01T00:00:00Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn durations_print_without_trailing_zeros() {
        for (millis, text) in [(0, "0"), (230_000, "230"), (500, "0.5"), (1_050, "1.05"), (-1_500, "-1.5")] {
            assert_eq!(Millis::new(millis).to_string(), text);
        }
    }

    #[test]
    fn only_the_supported_years_are_supported() {
        assert!(Timestamp::MIN.is_supported());
        assert!(!Timestamp::MAX.is_supported());
        assert!(!Timestamp::from_millis(-1).is_supported());
        assert!(Timestamp::MAX.before(Millis::new(1)).is_supported());
    }
}
