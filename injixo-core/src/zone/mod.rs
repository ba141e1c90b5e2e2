//! Local time to UTC and back, on the tz data that comes with the library.
//!
//! Pure: no I/O, no clock. A [`Zone`] holds the offsets of its zone as a table, made once; everything else is arithmetic on
//! whole milliseconds. [`Resolver`] turns wall-clock times into instants by a policy for the hour that the clock skips and
//! the one that it repeats; [`Grid`] cuts time into intervals that follow the wall clock.

mod grid;
mod resolve;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use injixo_model::{Timestamp, Window};
use jiff::tz::TimeZoneDatabase;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub(crate) use self::grid::Stretch;
pub use self::grid::{Grid, GridCursor};
pub use self::resolve::{FoldPolicy, GapPolicy, Resolved, Resolver};
use crate::error::{Error, ErrorKind, Result};

/// A time zone by its IANA name. Cheap to clone.
///
/// ```
/// use injixo_core::zone::{LocalTime, Resolved, Zone};
///
/// let berlin = Zone::new("Europe/Berlin")?;
/// let half_past_two: LocalTime = "2024-03-31T02:30:00".parse()?;
/// let Resolved::Gap { forward, .. } = berlin.resolve(half_past_two) else { panic!("the clock skips it") };
/// assert_eq!(forward.to_string(), "2024-03-31T01:30:00Z");
/// # Ok::<(), injixo_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Zone {
    table: Arc<Table>,
}

#[derive(Debug)]
struct Table {
    name: String,
    segments: Vec<Segment>,
}

/// From `from` on, local time is UTC plus `offset`; both in milliseconds. The first segment begins before all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    from: i64,
    offset: i64,
}

const DAY: i64 = 86_400_000;
/// More than any two offsets of one zone differ.
const FAR: i64 = 26 * 3_600_000;

impl Zone {
    /// The zone of that IANA name.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for an unknown name, with the nearest known one.
    pub fn new(name: &str) -> Result<Self> {
        let database = TimeZoneDatabase::bundled();
        let zone = database.get(name).map_err(|_| unknown(name))?;
        let first = jiff::Timestamp::UNIX_EPOCH;
        let mut segments = vec![Segment { from: i64::MIN, offset: i64::from(zone.to_offset(first).seconds()) * 1_000 }];
        for change in zone.following(first) {
            let from = change.timestamp().as_second() * 1_000;
            if from > Timestamp::MAX.millis() + 366 * DAY {
                break;
            }
            let offset = i64::from(change.offset().seconds()) * 1_000;
            if segments.last().is_some_and(|last| last.offset != offset) {
                segments.push(Segment { from, offset });
            }
        }
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { table: Arc::new(Table { name, segments }) })
    }

    /// UTC.
    pub fn utc() -> Self {
        let segments = vec![Segment { from: i64::MIN, offset: 0 }];
        Self { table: Arc::new(Table { name: "UTC".to_owned(), segments }) }
    }

    /// The names of all zones, sorted.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
        names.sort();
        names
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// What the wall clock shows at `instant`.
    pub fn to_local(&self, instant: Timestamp) -> LocalTime {
        let segment = self.segments()[self.segment_at(instant.millis())];
        LocalTime(instant.millis() + segment.offset)
    }

    /// The local calendar day of `instant`, counted from 1970-01-01.
    ///
    /// A day begins when the wall clock first shows its midnight, or skips it; it stays that day if the clock is then put
    /// back over midnight.
    pub fn day(&self, instant: Timestamp) -> i32 {
        let day = to_day(self.to_local(instant).0.div_euclid(DAY));
        if self.day_start(day + 1) <= instant { day + 1 } else { day }
    }

    /// From the first instant of a local day to that of the next; `None` for a day that the zone skipped.
    pub fn day_window(&self, day: i32) -> Option<Window> {
        Window::new(self.day_start(day), self.day_start(day + 1)).ok()
    }

    /// The first instant at which the wall clock shows the day's midnight or is past it.
    fn day_start(&self, day: i32) -> Timestamp {
        match self.resolve(LocalTime(i64::from(day) * DAY)) {
            Resolved::Unique(instant) | Resolved::Fold { earlier: instant, .. } => instant,
            Resolved::Gap { forward, .. } => {
                let after = self.segments()[self.segment_at(forward.millis())];
                Timestamp::from_millis(after.from)
            }
        }
    }

    /// `window`, grown so that neither edge cuts a repeated stretch of local time, or the stretch into which a skipped one
    /// moves.
    #[must_use]
    pub fn widen(&self, window: Window) -> Window {
        let (mut from, mut to) = (window.from(), window.to());
        loop {
            let (lower, upper) = (self.uncut(from).0, self.uncut(to).1);
            if (lower, upper) == (from, to) {
                return Window::new(from, to).unwrap_or(window);
            }
            (from, to) = (lower, upper);
        }
    }

    /// The stretch around a clock change that `edge` lies strictly inside, or `edge` twice.
    fn uncut(&self, edge: Timestamp) -> (Timestamp, Timestamp) {
        // A change moves the clock by less than FAR: only those near the edge can reach it.
        let near =
            self.segment_at(edge.millis().saturating_sub(FAR))..=self.segment_at(edge.millis().saturating_add(FAR));
        for pair in self.segments().get(near).unwrap_or_default().windows(2) {
            let shift = pair[1].offset - pair[0].offset;
            let (first, last) = (pair[1].from.min(pair[1].from + shift), pair[1].from + shift.abs());
            if first < edge.millis() && edge.millis() < last {
                return (Timestamp::from_millis(first), Timestamp::from_millis(last));
            }
        }
        (edge, edge)
    }

    fn segments(&self) -> &[Segment] {
        &self.table.segments
    }

    fn segment_at(&self, millis: i64) -> usize {
        self.segments().partition_point(|segment| segment.from <= millis).saturating_sub(1)
    }
}

fn to_day(day: i64) -> i32 {
    // Supported instants lie within far fewer days.
    i32::try_from(day).unwrap_or_default()
}

fn unknown(name: &str) -> Error {
    let lower = name.to_lowercase();
    let near = Zone::names().into_iter().min_by_key(|known| distance(&known.to_lowercase(), &lower));
    let hint = near.filter(|known| distance(&known.to_lowercase(), &lower) <= 3);
    let hint = hint.map_or(String::new(), |known| format!(", did you mean {known}?"));
    let shown: String = name.chars().take(60).collect();
    let message = format!("unknown time zone {shown:?}: expected an IANA name such as Europe/Berlin{hint}");
    Error::new(ErrorKind::ConfigInvalid, message)
}

/// How many single changes lead from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(60).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// What a wall clock shows: milliseconds since 1970-01-01T00:00 on that clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime(i64);

impl LocalTime {
    /// So many milliseconds after 1970-01-01T00:00 on the wall clock.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00 on the wall clock.
    pub const fn millis(self) -> i64 {
        self.0
    }
}

impl From<NaiveDateTime> for LocalTime {
    fn from(value: NaiveDateTime) -> Self {
        Self(value.and_utc().timestamp_millis())
    }
}

impl From<LocalTime> for NaiveDateTime {
    fn from(value: LocalTime) -> Self {
        DateTime::from_timestamp_millis(value.0).unwrap_or_default().naive_utc()
    }
}

impl FromStr for LocalTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse::<NaiveDateTime>().map(Self::from).map_err(|_| {
            let message = format!("{text:?} is no local time: expected one like 2024-03-31T02:30:00");
            Error::new(ErrorKind::DataInvalid, message)
        })
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:?}", NaiveDateTime::from(*self)))
    }
}

impl fmt::Debug for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use injixo_model::Millis;

    use super::*;

    fn utc(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(zone: &str, date: &str) -> Option<(String, String, i64)> {
        let zone = Zone::new(zone).unwrap();
        let number = to_day(format!("{date}T00:00:00").parse::<LocalTime>().unwrap().0 / DAY);
        let window = zone.day_window(number)?;
        assert_eq!(zone.day(window.from()), number);
        assert_eq!(zone.day(window.to().before(Millis::new(1))), number);
        assert_ne!(zone.day(window.to()), number);
        Some((window.from().to_string(), window.to().to_string(), window.duration().get() / 60_000))
    }

    macro_rules! days {
        ($($name:ident: $zone:literal, $date:literal => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                let expected: Option<(&str, &str, i64)> = $expected;
                assert_eq!(day($zone, $date), expected.map(|(from, to, minutes)| (from.into(), to.into(), minutes)));
            })*
        };
    }

    days! {
        berlin_has_23_hours: "Europe/Berlin", "2024-03-31" => Some(("2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z", 1_380));
        berlin_has_25_hours: "Europe/Berlin", "2024-10-27" => Some(("2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z", 1_500));
        lord_howe_loses_half_an_hour: "Australia/Lord_Howe", "2024-10-06" => Some(("2024-10-05T13:30:00Z", "2024-10-06T13:00:00Z", 1_410));
        kathmandu_is_even: "Asia/Kathmandu", "2024-10-06" => Some(("2024-10-05T18:15:00Z", "2024-10-06T18:15:00Z", 1_440));
        havana_skips_midnight: "America/Havana", "2024-03-10" => Some(("2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z", 1_380));
        apia_skipped_a_day: "Pacific/Apia", "2011-12-30" => None;
        apia_has_the_day_before: "Pacific/Apia", "2011-12-29" => Some(("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", 1_440));
        // At 00:01 the clock goes back to 23:01: the day has begun and goes on.
        st_johns_goes_back_over_midnight: "America/St_Johns", "2010-11-07" => Some(("2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z", 1_500));
    }

    #[test]
    fn a_window_takes_a_repeated_hour_in_whole() {
        let berlin = Zone::new("Europe/Berlin").unwrap();
        let window = |from: &str, to: &str| Window::new(utc(from), utc(to)).unwrap();
        let fold = window("2024-10-27T00:00:00Z", "2024-10-27T02:00:00Z");
        assert_eq!(berlin.widen(window("2024-10-27T00:15:00Z", "2024-10-27T00:30:00Z")), fold);
        assert_eq!(berlin.widen(window("2024-10-27T01:00:00Z", "2024-10-27T01:15:00Z")), fold);
        assert_eq!(berlin.widen(fold), fold);
        let gap = window("2024-03-31T01:00:00Z", "2024-03-31T02:00:00Z");
        assert_eq!(berlin.widen(window("2024-03-31T01:15:00Z", "2024-03-31T01:30:00Z")), gap);
        for whole in [
            window("2024-03-31T00:45:00Z", "2024-03-31T01:00:00Z"),
            window("2024-03-31T02:00:00Z", "2024-03-31T02:15:00Z"),
            window("2024-10-26T23:45:00Z", "2024-10-27T00:00:00Z"),
            window("2024-10-27T02:00:00Z", "2024-10-27T02:15:00Z"),
        ] {
            assert_eq!(berlin.widen(whole), whole);
        }
    }

    #[test]
    fn a_day_that_has_begun_goes_on_when_the_clock_goes_back_over_midnight() {
        // At 02:31Z the clock shows 00:01 and goes back to 23:01 of the day before.
        let st_johns = Zone::new("America/St_Johns").unwrap();
        let number = |date: &str| to_day(format!("{date}T00:00:00").parse::<LocalTime>().unwrap().0 / DAY);
        assert_eq!(st_johns.to_local(utc("2010-11-07T03:00:00Z")).to_string(), "2010-11-06T23:30:00");
        assert_eq!(st_johns.day(utc("2010-11-07T03:00:00Z")), number("2010-11-07"));
        assert_eq!(st_johns.day(utc("2010-11-07T02:29:59Z")), number("2010-11-06"));
    }

    #[test]
    fn offsets_are_known_from_1970_on() {
        let new_york = Zone::new("America/New_York").unwrap();
        assert_eq!(new_york.to_local(utc("1970-01-01T00:00:00Z")).to_string(), "1969-12-31T19:00:00");
        assert_eq!(new_york.to_local(utc("1970-07-01T00:00:00Z")).to_string(), "1970-06-30T20:00:00");
        assert_eq!(new_york.to_local(utc("2099-07-01T00:00:00Z")).to_string(), "2099-06-30T20:00:00");
    }

    #[test]
    fn distances_count_single_changes() {
        for (a, b, changes) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("same", "same", 0), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), changes, "{a} {b}");
        }
    }

    #[test]
    fn unknown_zones_are_named_with_a_hint() {
        let error = Zone::new("Europe/Berlim").unwrap_err();
        assert!(error.to_string().contains("did you mean Europe/Berlin?"), "{error}");
        assert!(Zone::new("Mars/Olympus").unwrap_err().to_string().contains("unknown time zone \"Mars/Olympus\""));
        assert_eq!(Zone::new("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::new("UTC").unwrap(), Zone::utc());
        assert_ne!(Zone::new("Europe/Berlin").unwrap(), Zone::utc());
        assert_eq!(format!("{0} {0:?}", Zone::utc()), "UTC UTC");
    }

    #[test]
    fn local_times_print_and_read_back() {
        let local: LocalTime = "2024-03-31T02:30:00".parse().unwrap();
        assert_eq!(format!("{local} {local:?}"), "2024-03-31T02:30:00 2024-03-31T02:30:00");
        assert_eq!((local.millis(), LocalTime::from_millis(local.millis())), (1_711_852_200_000, local));
        assert_eq!(Zone::new("Asia/Kathmandu").unwrap().to_local(utc("2024-03-30T20:45:00Z")), local);
    }
}
