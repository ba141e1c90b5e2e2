//! Wall-clock times to instants.

use injixo_model::{Rule, Timestamp};
use serde::{Deserialize, Serialize};

use super::{FAR, LocalTime, Segment, Zone};

/// The instants that a wall-clock time may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// It occurs once.
    Unique(Timestamp),
    /// The clock was put forward over it.
    Gap {
        /// Moved forward by the size of the gap.
        forward: Timestamp,
        /// Moved back by the size of the gap.
        backward: Timestamp,
    },
    /// The clock was put back over it, so that it occurs twice.
    Fold {
        /// The first time.
        earlier: Timestamp,
        /// The second time.
        later: Timestamp,
    },
}

/// What to do with a local time that the clock skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapPolicy {
    /// It moves forward by the size of the gap.
    #[default]
    Forward,
    /// The row is rejected.
    Reject,
}

/// What to do with a local time that the clock repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldPolicy {
    /// The first of the two; the end of a span that would then lie before its start is the second.
    #[default]
    Auto,
    /// Strictly the first of the two; a span that would then end before its start is rejected.
    Earlier,
    /// The second of the two; the start of a span that would then lie behind its end is the first.
    Later,
    /// The row is rejected.
    Reject,
    /// By the order of the rows: the first pass through the repeated stretch is the first, from the first step back within
    /// it on it is the second, until a row from before the stretch begins a new pass.
    InOrder,
}

impl Zone {
    /// The instants that `local` may stand for.
    pub fn resolve(&self, local: LocalTime) -> Resolved {
        let segments = self.segments();
        let near = segments.partition_point(|segment| segment.from <= local.0 - FAR).saturating_sub(1);
        let (mut earlier, mut later) = (None, None);
        for (index, segment) in segments.iter().enumerate().skip(near) {
            if segment.from != i64::MIN && segment.from > local.0 + FAR {
                break;
            }
            let instant = local.0 - segment.offset;
            let until = segments.get(index + 1).map_or(i64::MAX, |next| next.from);
            if segment.from <= instant && instant < until {
                let instant = Timestamp::from_millis(instant);
                (earlier, later) = (earlier.or(Some(instant)), Some(instant));
            }
        }
        match (earlier, later) {
            (Some(earlier), Some(later)) if earlier == later => Resolved::Unique(earlier),
            (Some(earlier), Some(later)) => Resolved::Fold { earlier, later },
            _ => self.gap(local, near),
        }
    }

    fn gap(&self, local: LocalTime, near: usize) -> Resolved {
        let is_skipped = |pair: &&[Segment]| {
            let [before, after] = pair else { return false };
            after.from + before.offset <= local.0 && local.0 < after.from + after.offset
        };
        let (before, after) = match self.segments()[near..].windows(2).find(is_skipped) {
            Some([before, after]) => (before.offset, after.offset),
            _ => (0, 0),
        };
        let at = |offset: i64| Timestamp::from_millis(local.0 - offset);
        Resolved::Gap { forward: at(before), backward: at(after) }
    }
}

/// Turns the wall-clock times of one source into instants, row by row.
///
/// Far from a clock change a time costs two compares and a subtraction.
#[derive(Debug, Clone)]
pub struct Resolver {
    zone: Zone,
    gap: GapPolicy,
    fold: FoldPolicy,
    /// Stretches that were met, by where in time they were met.
    plain: Box<[Plain; STRETCHES]>,
    pass: Option<Pass>,
}

/// Local times from `from` to before `to` are unique and lie `offset` before UTC.
#[derive(Debug, Clone, Copy, Default)]
struct Plain {
    from: i64,
    to: i64,
    offset: i64,
}

/// So many stretches are remembered, one for each [`STRETCH`] of time and then from the beginning again.
const STRETCHES: usize = 512;
/// Two to the power of so many milliseconds, six days.
const STRETCH: u32 = 29;

/// How far the rows have come in a repeated stretch of local time.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// The difference of both readings, and the clock change between them.
    change: Timestamp,
    last: LocalTime,
    is_second: bool,
}

impl Resolver {
    /// Resolves times of `zone` by these policies.
    pub fn new(zone: &Zone, gap: GapPolicy, fold: FoldPolicy) -> Self {
        let plain = Box::new([Plain::default(); STRETCHES]);
        Self { zone: zone.clone(), gap, fold, plain, pass: None }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The instant of a wall-clock time.
    ///
    /// # Errors
    ///
    /// [`Rule::Gap`] and [`Rule::Fold`] where the policy rejects, [`Rule::DateRange`] outside the supported years.
    #[inline]
    pub fn instant(&mut self, local: LocalTime) -> Result<Timestamp, Rule> {
        match self.plain(local) {
            Some(instant) => Ok(instant),
            None => self.instant_by_policy(local),
        }
    }

    /// The instant of a local time in a stretch that was met before.
    #[inline]
    fn plain(&self, local: LocalTime) -> Option<Timestamp> {
        let Plain { from, to, offset } = self.plain[place(local.0)];
        (from <= local.0 && local.0 < to).then_some(Timestamp::from_millis(local.0 - offset))
    }

    /// The instants of the start and the end of a span.
    ///
    /// # Errors
    ///
    /// As for [`instant`](Self::instant); [`Rule::EndBeforeStart`] when no reading that the policy allows puts the end
    /// behind the start.
    pub fn span(&mut self, start: LocalTime, end: LocalTime) -> Result<(Timestamp, Timestamp), Rule> {
        let begins = self.instant(start)?;
        match self.end_of(begins, end) {
            Err(Rule::EndBeforeStart) if self.fold == FoldPolicy::Later => {
                let ends = self.instant(end)?;
                match self.zone.resolve(start) {
                    Resolved::Fold { earlier, .. } if earlier <= ends => Ok((earlier, ends)),
                    _ => Err(Rule::EndBeforeStart),
                }
            }
            ends => Ok((begins, ends?)),
        }
    }

    /// The instant of the end of a span whose start is known.
    ///
    /// # Errors
    ///
    /// As for [`span`](Self::span).
    #[inline]
    pub fn end_of(&mut self, start: Timestamp, end: LocalTime) -> Result<Timestamp, Rule> {
        match self.plain(end) {
            Some(plain) if start <= plain => Ok(plain),
            _ => self.end_by_policy(start, end),
        }
    }

    fn end_by_policy(&mut self, start: Timestamp, end: LocalTime) -> Result<Timestamp, Rule> {
        let ends = match (self.fold, self.zone.resolve(end)) {
            // The end of a span says nothing about the order of the rows.
            (FoldPolicy::InOrder, Resolved::Fold { earlier, later }) => {
                if earlier < start {
                    later
                } else {
                    earlier
                }
            }
            _ => self.instant(end)?,
        };
        if start <= ends {
            return Ok(ends);
        }
        match (self.fold, self.zone.resolve(end)) {
            (FoldPolicy::Auto, Resolved::Fold { later, .. }) if start <= later => Ok(later),
            _ => Err(Rule::EndBeforeStart),
        }
    }

    #[cold]
    fn instant_by_policy(&mut self, local: LocalTime) -> Result<Timestamp, Rule> {
        let instant = match self.zone.resolve(local) {
            Resolved::Unique(instant) => {
                self.remember(local, instant);
                if self.pass.is_some_and(|pass| instant < pass.change) {
                    self.pass = None;
                }
                instant
            }
            Resolved::Gap { forward, .. } => match self.gap {
                GapPolicy::Forward => forward,
                GapPolicy::Reject => return Err(Rule::Gap),
            },
            Resolved::Fold { earlier, later } => match self.fold {
                FoldPolicy::Auto | FoldPolicy::Earlier => earlier,
                FoldPolicy::Later => later,
                FoldPolicy::Reject => return Err(Rule::Fold),
                FoldPolicy::InOrder => {
                    if self.is_second_pass(local, later) {
                        later
                    } else {
                        earlier
                    }
                }
            },
        };
        if instant.is_supported() { Ok(instant) } else { Err(Rule::DateRange) }
    }

    fn is_second_pass(&mut self, local: LocalTime, later: Timestamp) -> bool {
        // Times of a repeated stretch must not come from the cache: each of them moves the pass on.
        let change = self.zone.segments()[self.zone.segment_at(later.millis())].from;
        let change = Timestamp::from_millis(change);
        let before = self.pass.filter(|pass| pass.change == change);
        let is_second = before.is_some_and(|pass| pass.is_second || local < pass.last);
        if self.pass.is_none() {
            // A time from before ends the pass, which a stretch that was met would hide.
            self.plain.fill(Plain::default());
        }
        self.pass = Some(Pass { change, last: local, is_second });
        is_second
    }

    /// Remembers the stretch around `instant` that is far from any clock change.
    fn remember(&mut self, local: LocalTime, instant: Timestamp) {
        let index = self.zone.segment_at(instant.millis());
        let segment = self.zone.segments()[index];
        let until = self.zone.segments().get(index + 1).map_or(i64::MAX, |next| next.from);
        let from = segment.from.saturating_add(segment.offset).saturating_add(FAR);
        let to = until.saturating_add(segment.offset.min(0)).saturating_sub(FAR);
        let bounded = |at: i64| at.clamp(Timestamp::MIN.millis() + FAR, Timestamp::MAX.millis() - FAR);
        // A pass through a repeated stretch ends when a time from before it is seen, which the cache would hide.
        if self.pass.is_none() {
            self.plain[place(local.0)] = Plain { from: bounded(from), to: bounded(to), offset: segment.offset };
        }
    }
}

#[inline]
fn place(local: i64) -> usize {
    // What is negative is unique nowhere near: it finds no stretch, wherever it looks.
    usize::try_from(local >> STRETCH).unwrap_or(0) % STRETCHES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn local(text: &str) -> LocalTime {
        text.parse().unwrap()
    }

    fn utc(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn resolver(zone: &str, gap: GapPolicy, fold: FoldPolicy) -> Resolver {
        Resolver::new(&Zone::new(zone).unwrap(), gap, fold)
    }

    macro_rules! instants {
        ($($name:ident: $zone:literal, $gap:ident, $fold:ident, $local:literal => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                let expected: Result<&str, Rule> = $expected;
                let mut resolver = resolver($zone, GapPolicy::$gap, FoldPolicy::$fold);
                assert_eq!(resolver.instant(local($local)), expected.map(utc));
            })*
        };
    }

    instants! {
        a_skipped_time_moves_forward: "Europe/Berlin", Forward, Auto, "2024-03-31T02:30:00" => Ok("2024-03-31T01:30:00Z");
        a_skipped_time_is_rejected: "Europe/Berlin", Reject, Auto, "2024-03-31T02:30:00" => Err(Rule::Gap);
        the_first_skipped_instant: "Europe/Berlin", Forward, Auto, "2024-03-31T02:00:00" => Ok("2024-03-31T01:00:00Z");
        the_first_instant_behind_the_gap: "Europe/Berlin", Reject, Auto, "2024-03-31T03:00:00" => Ok("2024-03-31T01:00:00Z");
        the_last_instant_before_the_gap: "Europe/Berlin", Reject, Auto, "2024-03-31T01:59:59" => Ok("2024-03-31T00:59:59Z");
        a_repeated_time_is_the_first: "Europe/Berlin", Forward, Auto, "2024-10-27T02:30:00" => Ok("2024-10-27T00:30:00Z");
        strictly_the_first: "Europe/Berlin", Forward, Earlier, "2024-10-27T02:30:00" => Ok("2024-10-27T00:30:00Z");
        the_second_on_demand: "Europe/Berlin", Forward, Later, "2024-10-27T02:30:00" => Ok("2024-10-27T01:30:00Z");
        a_repeated_time_is_rejected: "Europe/Berlin", Forward, Reject, "2024-10-27T02:59:59" => Err(Rule::Fold);
        three_is_unique_again: "Europe/Berlin", Forward, Reject, "2024-10-27T03:00:00" => Ok("2024-10-27T02:00:00Z");
        half_an_hour_is_skipped: "Australia/Lord_Howe", Forward, Auto, "2024-10-06T02:15:00" => Ok("2024-10-05T15:45:00Z");
        half_an_hour_is_repeated: "Australia/Lord_Howe", Forward, Later, "2024-04-07T01:45:00" => Ok("2024-04-06T15:15:00Z");
        half_an_hour_is_repeated_first: "Australia/Lord_Howe", Forward, Auto, "2024-04-07T01:45:00" => Ok("2024-04-06T14:45:00Z");
        a_skipped_day_moves_forward: "Pacific/Apia", Forward, Auto, "2011-12-30T12:00:00" => Ok("2011-12-30T22:00:00Z");
        kathmandu: "Asia/Kathmandu", Reject, Reject, "2024-03-31T02:30:00" => Ok("2024-03-30T20:45:00Z");
        two_hours_in_troll: "Antarctica/Troll", Forward, Auto, "2024-03-31T02:30:00" => Ok("2024-03-31T02:30:00Z");
        winter_is_the_odd_one_in_dublin: "Europe/Dublin", Forward, Later, "2024-10-27T01:30:00" => Ok("2024-10-27T01:30:00Z");
        before_1970: "UTC", Forward, Auto, "1969-12-31T23:59:59" => Err(Rule::DateRange);
        from_2100_on: "UTC", Forward, Auto, "2100-01-01T00:00:00" => Err(Rule::DateRange);
        an_offset_with_seconds: "Africa/Monrovia", Forward, Auto, "1971-06-01T00:00:00" => Ok("1971-06-01T00:44:30Z");
    }

    macro_rules! spans {
        ($($name:ident: $fold:ident, $from:literal, $to:literal => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                let expected: Result<(&str, &str), Rule> = $expected;
                let mut resolver = resolver("Europe/Berlin", GapPolicy::Forward, FoldPolicy::$fold);
                let found = resolver.span(local($from), local($to));
                assert_eq!(found, expected.map(|(from, to)| (utc(from), utc(to))));
            })*
        };
    }

    spans! {
        an_end_before_its_start_takes_the_other_reading: Auto, "2024-10-27T02:50:00", "2024-10-27T02:10:00"
            => Ok(("2024-10-27T00:50:00Z", "2024-10-27T01:10:00Z"));
        strictly_it_is_rejected: Earlier, "2024-10-27T02:50:00", "2024-10-27T02:10:00" => Err(Rule::EndBeforeStart);
        the_start_takes_the_other_reading: Later, "2024-10-27T02:50:00", "2024-10-27T02:10:00"
            => Ok(("2024-10-27T00:50:00Z", "2024-10-27T01:10:00Z"));
        both_in_the_first_pass: Auto, "2024-10-27T02:10:00", "2024-10-27T02:50:00"
            => Ok(("2024-10-27T00:10:00Z", "2024-10-27T00:50:00Z"));
        no_length_is_fine: Earlier, "2024-10-27T02:10:00", "2024-10-27T02:10:00"
            => Ok(("2024-10-27T00:10:00Z", "2024-10-27T00:10:00Z"));
        backwards_on_any_other_day: Auto, "2024-10-28T02:50:00", "2024-10-28T02:10:00" => Err(Rule::EndBeforeStart);
        across_the_gap: Auto, "2024-03-31T01:50:00", "2024-03-31T03:10:00"
            => Ok(("2024-03-31T00:50:00Z", "2024-03-31T01:10:00Z"));
        an_end_in_order: InOrder, "2024-10-27T02:50:00", "2024-10-27T02:10:00"
            => Ok(("2024-10-27T00:50:00Z", "2024-10-27T01:10:00Z"));
    }

    #[test]
    fn the_order_of_rows_tells_the_passes_apart() {
        let mut resolver = resolver("Europe/Berlin", GapPolicy::Forward, FoldPolicy::InOrder);
        let mut read = |clock: &str| resolver.instant(local(&format!("2024-10-{clock}:00"))).unwrap().to_string();
        for _queue in 0..2 {
            assert_eq!(read("20T10:00"), "2024-10-20T08:00:00Z");
            assert_eq!(read("27T01:50"), "2024-10-26T23:50:00Z");
            assert_eq!(read("27T02:10"), "2024-10-27T00:10:00Z");
            assert_eq!(read("27T02:10"), "2024-10-27T00:10:00Z");
            assert_eq!(read("27T02:50"), "2024-10-27T00:50:00Z");
            assert_eq!(read("27T02:05"), "2024-10-27T01:05:00Z");
            assert_eq!(read("27T02:55"), "2024-10-27T01:55:00Z");
            assert_eq!(read("27T03:05"), "2024-10-27T02:05:00Z");
            assert_eq!(read("30T03:05"), "2024-10-30T02:05:00Z");
        }
    }

    #[test]
    fn a_row_from_before_ends_the_pass_although_its_stretch_was_met() {
        let mut resolver = resolver("Europe/Berlin", GapPolicy::Forward, FoldPolicy::InOrder);
        let mut at = |text: &str| resolver.instant(local(text)).unwrap().to_string();
        assert_eq!(at("2024-10-20T12:00:00"), "2024-10-20T10:00:00Z");
        assert_eq!(at("2024-10-27T02:50:00"), "2024-10-27T00:50:00Z");
        assert_eq!(at("2024-10-27T02:10:00"), "2024-10-27T01:10:00Z");
        assert_eq!(at("2024-10-20T12:00:01"), "2024-10-20T10:00:01Z");
        assert_eq!(at("2024-10-27T02:20:00"), "2024-10-27T00:20:00Z");
    }

    #[test]
    fn spans_in_order_move_on_by_their_starts_alone() {
        let mut resolver = resolver("Europe/Berlin", GapPolicy::Forward, FoldPolicy::InOrder);
        let mut read = |from: &str, to: &str| {
            let at = |clock: &str| local(&format!("2024-10-27T{clock}:00"));
            resolver.span(at(from), at(to)).map(|(from, to)| (from.to_string(), to.to_string()))
        };
        let both = |from: &str, to: &str| Ok((format!("2024-10-27T{from}:00Z"), format!("2024-10-27T{to}:00Z")));
        assert_eq!(read("02:10", "02:50"), both("00:10", "00:50"));
        assert_eq!(read("02:30", "02:40"), both("00:30", "00:40"));
        assert_eq!(read("02:35", "02:35"), both("00:35", "00:35"));
        assert_eq!(read("02:20", "02:25"), both("01:20", "01:25"));
        assert_eq!(read("02:50", "02:20"), Err(Rule::EndBeforeStart));
        assert_eq!(read("03:05", "03:06"), both("02:05", "02:06"));
        assert_eq!(read("02:20", "02:25"), both("01:20", "01:25"));
    }

    #[test]
    fn the_cache_ends_where_the_supported_years_end() {
        for zone in ["UTC", "Europe/Berlin", "Asia/Kathmandu"] {
            let mut resolver = resolver(zone, GapPolicy::Forward, FoldPolicy::Auto);
            for _ in 0..2 {
                for inside in
                    ["1970-01-04T00:00:00", "1970-01-02T06:00:00", "2099-12-28T00:00:00", "2099-12-31T12:00:00"]
                {
                    assert!(resolver.instant(local(inside)).is_ok(), "{zone} {inside}");
                }
                assert_eq!(resolver.instant(local("2100-01-01T12:00:00")), Err(Rule::DateRange), "{zone}");
                assert!(resolver.instant(local("1970-01-04T00:00:00")).is_ok());
                assert_eq!(resolver.instant(local("1969-12-31T12:00:00")), Err(Rule::DateRange), "{zone}");
            }
        }
    }

    #[test]
    fn no_policy_turns_a_span_round() {
        let at = |clock: &str| local(&format!("2024-10-27T{clock}:00"));
        for (fold, from, to) in [
            (FoldPolicy::Auto, "04:00", "02:30"),
            (FoldPolicy::Auto, "02:30", "01:30"),
            (FoldPolicy::Later, "02:50", "01:50"),
            (FoldPolicy::Later, "04:00", "02:30"),
            (FoldPolicy::InOrder, "04:00", "02:30"),
        ] {
            let found = resolver("Europe/Berlin", GapPolicy::Forward, fold).span(at(from), at(to));
            assert_eq!(found, Err(Rule::EndBeforeStart), "{fold:?} {from} {to}");
        }
    }

    const ZONES: [&str; 8] = [
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Antarctica/Troll",
        "America/Havana",
    ];

    proptest! {
        #[test]
        fn every_instant_is_one_of_the_readings_of_its_wall_clock(zone in 0..ZONES.len(), millis in 0..4_102_000_000_000_i64) {
            let zone = Zone::new(ZONES[zone]).unwrap();
            let instant = Timestamp::from_millis(millis);
            match zone.resolve(zone.to_local(instant)) {
                Resolved::Unique(only) => prop_assert_eq!(only, instant),
                Resolved::Fold { earlier, later } => prop_assert!(instant == earlier || instant == later),
                Resolved::Gap { .. } => prop_assert!(false, "a wall clock never shows a skipped time"),
            }
        }

        /// Around clock changes and far from them, in any order.
        #[test]
        fn the_cache_changes_nothing(zone in 0..ZONES.len(), steps in prop::collection::vec((0..140_usize, -100_i64..100), 1..40)) {
            let zone = Zone::new(ZONES[zone]).unwrap();
            let mut cached = Resolver::new(&zone, GapPolicy::Forward, FoldPolicy::Auto);
            for (change, quarters) in steps {
                let near = zone.segments()[change % zone.segments().len()].from.max(0);
                let local = LocalTime(near + quarters * 1_000_000);
                let fresh = Resolver::new(&zone, GapPolicy::Forward, FoldPolicy::Auto).instant(local);
                prop_assert_eq!(cached.instant(local), fresh);
            }
        }
    }
}
