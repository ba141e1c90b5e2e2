//! Intervals that follow the wall clock of a zone.

use std::sync::Arc;

use injixo_model::{IntervalLength, Timestamp, Window};

use super::Zone;

/// The intervals of one length on the wall clock of one zone. Cheap to clone.
///
/// An interval never spans an offset change that is not a multiple of its length: it is cut there.
///
/// ```
/// use injixo_core::model::IntervalLength;
/// use injixo_core::zone::{Grid, Zone};
///
/// let grid = Grid::new(&Zone::new("Asia/Kathmandu")?, IntervalLength::MINUTES_60);
/// assert_eq!(grid.floor("2024-03-31T02:00:00Z".parse()?).to_string(), "2024-03-31T01:15:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Grid {
    zone: Zone,
    length: IntervalLength,
    /// From when on intervals begin at which remainder; changes by multiples of the length are none.
    parts: Arc<[Part]>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    from: i64,
    offset: i64,
}

impl PartialEq for Grid {
    fn eq(&self, other: &Self) -> bool {
        self.zone == other.zone && self.length == other.length
    }
}

impl Eq for Grid {}

impl Grid {
    /// The intervals of `length` on the wall clock of `zone`.
    pub fn new(zone: &Zone, length: IntervalLength) -> Self {
        let millis = length.millis().get();
        let mut parts: Vec<Part> = Vec::new();
        for segment in zone.segments() {
            if parts.last().is_none_or(|part| (segment.offset - part.offset) % millis != 0) {
                parts.push(Part { from: segment.from, offset: segment.offset });
            }
        }
        Self { zone: zone.clone(), length, parts: parts.into() }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The length of an interval that no clock change cuts.
    pub fn length(&self) -> IntervalLength {
        self.length
    }

    /// The start of the interval that holds `instant`.
    pub fn floor(&self, instant: Timestamp) -> Timestamp {
        self.cursor().floor(instant)
    }

    /// The interval that holds `instant`.
    pub fn interval(&self, instant: Timestamp) -> Window {
        self.cursor().interval(instant)
    }

    /// Whether an interval starts at `instant`.
    pub fn is_start(&self, instant: Timestamp) -> bool {
        self.floor(instant) == instant
    }

    /// The same for many instants: stays where the last one was.
    pub fn cursor(&self) -> GridCursor {
        let millis = self.length.millis().get();
        GridCursor {
            parts: Arc::clone(&self.parts),
            length: millis,
            from: 0,
            to: 0,
            offset: 0,
            seconds: Stretch::default(),
        }
    }
}

/// Finds the intervals of many instants. Near the last one it costs two compares and a remainder.
#[derive(Debug, Clone)]
pub struct GridCursor {
    parts: Arc<[Part]>,
    length: i64,
    from: i64,
    to: i64,
    offset: i64,
    /// The same in seconds, for instants from 1970 on.
    seconds: Stretch,
}

/// Time in which intervals follow each other without a cut, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stretch {
    length: u32,
    from: u32,
    to: u32,
    /// How far the wall clock is ahead, but for whole intervals.
    ahead: u32,
    /// Two to the power of 64, divided by the length and rounded up: multiplying is quicker than dividing, and as exact for 32 bits.
    per_length: u64,
}

impl Stretch {
    /// Where it ends.
    pub(crate) const fn to(&self) -> u32 {
        self.to
    }

    /// The start of the interval that holds an instant of it.
    #[inline]
    pub(crate) fn floor(&self, second: u32) -> u32 {
        second.saturating_sub(self.within(second)).max(self.from)
    }

    /// How far an instant is behind the start of its interval, as it were without cuts.
    #[inline]
    fn within(&self, second: u32) -> u32 {
        // Supported instants end long before the numbers do.
        let local = second.wrapping_add(self.ahead);
        let whole = (u128::from(local) * u128::from(self.per_length)) >> 64;
        local.wrapping_sub(u32::try_from(whole).unwrap_or(0).wrapping_mul(self.length))
    }
}

impl GridCursor {
    /// The start of the interval that holds an instant, both in whole seconds since 1970.
    #[inline]
    pub(crate) fn floor_seconds(&mut self, second: u32) -> u32 {
        self.stretch(second).floor(second)
    }

    /// The stretch that holds an instant.
    #[inline]
    pub(crate) fn stretch(&mut self, second: u32) -> Stretch {
        if !(self.seconds.from <= second && second < self.seconds.to) {
            self.seek_seconds(second);
        }
        self.seconds
    }

    /// The interval that holds an instant, its end being the start of the next one.
    #[inline]
    pub(crate) fn interval_seconds(&mut self, second: u32) -> (u32, u32) {
        let stretch = self.stretch(second);
        let whole = second.saturating_add(stretch.length - stretch.within(second));
        (stretch.floor(second), whole.min(stretch.to))
    }

    #[cold]
    fn seek_seconds(&mut self, second: u32) {
        self.seek(i64::from(second) * 1_000);
        let seconds = |millis: i64| u32::try_from(millis.max(0) / 1_000).unwrap_or(u32::MAX);
        let length = seconds(self.length).max(1);
        self.seconds = Stretch {
            length,
            from: seconds(self.from),
            to: seconds(self.to),
            ahead: seconds(self.offset.rem_euclid(self.length)),
            per_length: u64::MAX / u64::from(length) + 1,
        };
    }

    /// The start of the interval that holds `instant`.
    #[inline]
    pub fn floor(&mut self, instant: Timestamp) -> Timestamp {
        let start = self.whole(instant.millis());
        Timestamp::from_millis(start.max(self.from))
    }

    /// The interval that holds `instant`.
    pub fn interval(&mut self, instant: Timestamp) -> Window {
        let start = self.whole(instant.millis());
        let from = Timestamp::from_millis(start.max(self.from));
        let to = Timestamp::from_millis((start + self.length).min(self.to));
        // Both edges enclose the instant, so that the window is never empty.
        Window::new(from, to).unwrap_or_else(|_| unreachable!("an interval that holds an instant is not empty"))
    }

    /// Whether an interval starts at `instant`.
    pub fn is_start(&mut self, instant: Timestamp) -> bool {
        self.floor(instant) == instant
    }

    /// The start of the interval as it were without cuts.
    #[inline]
    fn whole(&mut self, millis: i64) -> i64 {
        if !(self.from <= millis && millis < self.to) {
            self.seek(millis);
        }
        millis - (millis + self.offset).rem_euclid(self.length)
    }

    #[cold]
    fn seek(&mut self, millis: i64) {
        let next = self.parts.partition_point(|part| part.from <= millis);
        let part = self.parts[next.saturating_sub(1)];
        (self.from, self.offset) = (part.from, part.offset);
        self.to = self.parts.get(next).map_or(i64::MAX, |next| next.from);
    }
}

#[cfg(test)]
mod tests {
    use injixo_model::Millis;
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn grid(zone: &str, minutes: u32) -> Grid {
        Grid::new(&Zone::new(zone).unwrap(), IntervalLength::from_minutes(minutes).unwrap())
    }

    macro_rules! intervals {
        ($($name:ident: $zone:literal, $minutes:literal, $at:literal => $from:literal, $to:literal;)*) => {
            $(#[test]
            fn $name() {
                let expected = Window::new(utc($from), utc($to)).unwrap();
                assert_eq!(grid($zone, $minutes).interval(utc($at)), expected);
            })*
        };
    }

    intervals! {
        berlin_quarter: "Europe/Berlin", 15, "2024-03-31T00:59:59.999Z" => "2024-03-31T00:45:00Z", "2024-03-31T01:00:00Z";
        berlin_hour_after_the_gap: "Europe/Berlin", 60, "2024-03-31T01:30:00Z" => "2024-03-31T01:00:00Z", "2024-03-31T02:00:00Z";
        kathmandu_hour: "Asia/Kathmandu", 60, "2024-03-31T02:14:59Z" => "2024-03-31T01:15:00Z", "2024-03-31T02:15:00Z";
        kathmandu_half_hour: "Asia/Kathmandu", 30, "2024-03-31T02:00:00Z" => "2024-03-31T01:45:00Z", "2024-03-31T02:15:00Z";
        kathmandu_quarter: "Asia/Kathmandu", 15, "2024-03-31T02:00:00Z" => "2024-03-31T02:00:00Z", "2024-03-31T02:15:00Z";
        st_johns_hour: "America/St_Johns", 60, "2024-07-01T02:00:00Z" => "2024-07-01T01:30:00Z", "2024-07-01T02:30:00Z";
        // Lord Howe, forward: 02:00 (+10:30) becomes 02:30 (+11) at 15:30Z.
        lord_howe_hour_before_the_gap: "Australia/Lord_Howe", 60, "2024-10-05T15:00:00Z" => "2024-10-05T14:30:00Z", "2024-10-05T15:30:00Z";
        lord_howe_half_an_hour_after_the_gap: "Australia/Lord_Howe", 60, "2024-10-05T15:45:00Z" => "2024-10-05T15:30:00Z", "2024-10-05T16:00:00Z";
        lord_howe_hours_go_on: "Australia/Lord_Howe", 60, "2024-10-05T16:00:00Z" => "2024-10-05T16:00:00Z", "2024-10-05T17:00:00Z";
        lord_howe_half_hours_are_not_cut: "Australia/Lord_Howe", 30, "2024-10-05T15:45:00Z" => "2024-10-05T15:30:00Z", "2024-10-05T16:00:00Z";
        // Back: 02:00 (+11) becomes 01:30 (+10:30) at 15:00Z.
        lord_howe_hour_before_the_fold: "Australia/Lord_Howe", 60, "2024-04-06T14:59:00Z" => "2024-04-06T14:00:00Z", "2024-04-06T15:00:00Z";
        lord_howe_half_an_hour_after_the_fold: "Australia/Lord_Howe", 60, "2024-04-06T15:00:00Z" => "2024-04-06T15:00:00Z", "2024-04-06T15:30:00Z";
        a_day_is_cut_by_an_hour: "Europe/Berlin", 1440, "2024-03-31T12:00:00Z" => "2024-03-31T01:00:00Z", "2024-03-31T22:00:00Z";
        caracas_moved_by_half_an_hour: "America/Caracas", 60, "2016-05-01T07:10:00Z" => "2016-05-01T07:00:00Z", "2016-05-01T08:00:00Z";
        caracas_before_that: "America/Caracas", 60, "2016-05-01T06:45:00Z" => "2016-05-01T06:30:00Z", "2016-05-01T07:00:00Z";
        pyongyang_moved_by_half_an_hour: "Asia/Pyongyang", 60, "2018-05-04T14:45:00Z" => "2018-05-04T14:30:00Z", "2018-05-04T15:00:00Z";
    }

    #[test]
    fn days_with_a_clock_change_have_the_right_number_of_intervals() {
        for (date, expected) in
            [("2024-03-31", [92, 46, 23]), ("2024-10-27", [100, 50, 25]), ("2024-06-01", [96, 48, 24])]
        {
            let berlin = Zone::new("Europe/Berlin").unwrap();
            let noon = utc(&format!("{date}T12:00:00Z"));
            let day = berlin.day_window(berlin.day(noon)).unwrap();
            for (minutes, expected) in [15, 30, 60].into_iter().zip(expected) {
                let grid = grid("Europe/Berlin", minutes);
                let (mut at, mut count) = (day.from(), 0);
                while at < day.to() {
                    at = grid.interval(at).to();
                    count += 1;
                }
                assert_eq!((at, count), (day.to(), expected), "{date} {minutes}");
            }
        }
    }

    #[test]
    fn only_starts_are_starts() {
        let grid = grid("Asia/Kathmandu", 60);
        for (at, is_start) in
            [("2024-03-31T01:15:00Z", true), ("2024-03-31T01:00:00Z", false), ("2024-03-31T01:15:00.001Z", false)]
        {
            assert_eq!((grid.is_start(utc(at)), grid.cursor().is_start(utc(at))), (is_start, is_start), "{at}");
        }
    }

    const ZONES: [&str; 6] = [
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "America/Caracas",
    ];

    proptest! {
        #[test]
        fn seconds_fall_into_the_same_intervals(
            zone in prop::sample::select(vec!["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Africa/Monrovia"]),
            minutes in prop::sample::select(vec![15_u32, 30, 60, 240, 1_440]),
            seconds in prop::collection::vec(prop_oneof![86_400..4_102_444_800_u32, 1_700_000_000..1_720_000_000_u32, 60_000_000..64_000_000_u32], 1..20),
        ) {
            let grid = grid(zone, minutes);
            let mut cursor = grid.cursor();
            for second in seconds {
                let expected = grid.floor(Timestamp::from_secs(i64::from(second)));
                prop_assert_eq!(Timestamp::from_secs(i64::from(cursor.floor_seconds(second))), expected);
                let (from, to) = cursor.interval_seconds(second);
                let interval = grid.interval(expected);
                prop_assert_eq!((i64::from(from), i64::from(to)), (interval.from().millis() / 1_000, interval.to().millis() / 1_000));
            }
        }
    }

    proptest! {
        #[test]
        fn intervals_tile_time(zone in 0..ZONES.len(), minutes in 0..4_usize, start in 0..4_102_000_000_000_i64) {
            let minutes = [15, 30, 60, 1_440][minutes];
            let grid = grid(ZONES[zone], minutes);
            let mut cursor = grid.cursor();
            let mut at = Timestamp::from_millis(start);
            for _ in 0..20 {
                let interval = grid.interval(at);
                prop_assert!(interval.contains(at));
                prop_assert!(interval.duration() <= Millis::from_mins(i64::from(minutes)));
                prop_assert_eq!(cursor.interval(at), interval);
                prop_assert_eq!(grid.floor(interval.from()), interval.from());
                prop_assert_eq!(grid.floor(interval.to().before(Millis::new(1))), interval.from());
                prop_assert!(grid.is_start(interval.to()));
                at = interval.to();
            }
        }

        #[test]
        fn quarters_make_up_half_hours_and_hours(zone in 0..ZONES.len(), at in 0..4_102_000_000_000_i64) {
            let at = Timestamp::from_millis(at);
            let [quarter, half, hour] = [15, 30, 60].map(|minutes| grid(ZONES[zone], minutes).interval(at));
            for (short, long) in [(quarter, half), (half, hour)] {
                prop_assert!(long.from() <= short.from() && short.to() <= long.to());
            }
        }
    }
}
