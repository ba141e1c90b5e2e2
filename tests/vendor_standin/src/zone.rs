//! The zones in which vendors write local times, by rules written out by hand.
//!
//! On purpose not the zone code or the zone data of the SDK: two hands that write the same rule check each other. The rules hold
//! from 2007 on.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use crate::time::{HOUR, Ms, utc};

/// A zone with its daylight saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// No offset, no daylight saving.
    Utc,
    /// `America/Los_Angeles`: UTC−8, daylight saving from the second Sunday of March to the first of November, at 2 o'clock.
    Pacific,
    /// `Europe/London`: UTC+0, daylight saving from the last Sunday of March to that of October, at 1 o'clock UTC.
    London,
    /// `Europe/Berlin`: UTC+1, the same Sundays.
    Berlin,
}

impl Zone {
    /// Reads an IANA name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "UTC" | "GMT" => Some(Self::Utc),
            "America/Los_Angeles" => Some(Self::Pacific),
            "Europe/London" => Some(Self::London),
            "Europe/Berlin" => Some(Self::Berlin),
            _ => None,
        }
    }

    /// What is added to UTC at an instant.
    pub fn offset(self, at: Ms) -> Ms {
        let standard = match self {
            Self::Pacific => -8 * HOUR,
            Self::Utc | Self::London => 0,
            Self::Berlin => HOUR,
        };
        let in_summer = self.summer(utc(at).year()).is_some_and(|(from, to)| (from..to).contains(&at));
        standard + if in_summer { HOUR } else { 0 }
    }

    /// The instants between which a year has daylight saving.
    pub fn summer(self, year: i32) -> Option<(Ms, Ms)> {
        match self {
            Self::Utc => None,
            Self::Pacific => Some((sunday(year, 3, 2) + 10 * HOUR, sunday(year, 11, 1) + 9 * HOUR)),
            Self::London | Self::Berlin => Some((last_sunday(year, 3) + HOUR, last_sunday(year, 10) + HOUR)),
        }
    }

    /// What the clock on the wall shows at an instant.
    pub fn local(self, at: Ms) -> NaiveDateTime {
        utc(at + self.offset(at)).naive_utc()
    }

    /// The first instant at which the clock on the wall shows a time; for one that it leaves out, as if it had not yet been put
    /// forward.
    pub fn instant(self, local: NaiveDateTime) -> Ms {
        let plain = local.and_utc().timestamp_millis();
        let offsets = [plain - 12 * HOUR, plain + 12 * HOUR].map(|near| self.offset(near));
        let larger = offsets[0].max(offsets[1]);
        let smaller = offsets[0].min(offsets[1]);
        if self.local(plain - larger) == local { plain - larger } else { plain - smaller }
    }

    /// The instant at which a day begins.
    pub fn midnight(self, day: NaiveDate) -> Ms {
        self.instant(day.and_time(NaiveTime::MIN))
    }
}

/// Midnight UTC of the nth Sunday of a month.
fn sunday(year: i32, month: u32, nth: u8) -> Ms {
    start(NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, nth))
}

/// Midnight UTC of the last Sunday of a month with 31 days.
fn last_sunday(year: i32, month: u32) -> Ms {
    let last = NaiveDate::from_ymd_opt(year, month, 31);
    start(last.map(|last| last - chrono::Days::new(u64::from(last.weekday().num_days_from_sunday()))))
}

fn start(day: Option<NaiveDate>) -> Ms {
    day.map_or(0, |day| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{SECOND, at};

    #[test]
    fn known_transitions() {
        let known = [
            (Zone::Pacific, "2024-03-10T10:00:00Z", -8, -7),
            (Zone::Pacific, "2024-11-03T09:00:00Z", -7, -8),
            (Zone::Pacific, "2026-03-08T10:00:00Z", -8, -7),
            (Zone::Pacific, "2026-11-01T09:00:00Z", -7, -8),
            (Zone::Pacific, "2027-03-14T10:00:00Z", -8, -7),
            (Zone::London, "2024-03-31T01:00:00Z", 0, 1),
            (Zone::London, "2024-10-27T01:00:00Z", 1, 0),
            (Zone::Berlin, "2025-03-30T01:00:00Z", 1, 2),
            (Zone::Berlin, "2026-10-25T01:00:00Z", 2, 1),
            (Zone::Berlin, "2027-10-31T01:00:00Z", 2, 1),
        ];
        for (zone, instant, before, after) in known {
            let instant = at(instant);
            let offsets = [zone.offset(instant - SECOND) / HOUR, zone.offset(instant) / HOUR];
            assert_eq!(offsets, [before, after], "{zone:?} {}", utc(instant));
        }
    }

    #[test]
    fn local_times_read_back() {
        let read = |zone: Zone, text: &str| crate::time::rfc3339(zone.instant(crate::time::parse_naive(text).unwrap()));
        assert_eq!(read(Zone::Pacific, "2024-03-05T09:46:10"), "2024-03-05T17:46:10Z");
        assert_eq!(read(Zone::Pacific, "2024-07-05T09:46:10"), "2024-07-05T16:46:10Z");
        assert_eq!(read(Zone::Pacific, "2024-11-03T01:30:00"), "2024-11-03T08:30:00Z", "the first of two");
        assert_eq!(read(Zone::Pacific, "2024-03-10T02:30:00"), "2024-03-10T10:30:00Z", "one that is left out");
        assert_eq!(read(Zone::Berlin, "2024-10-27T02:30:00"), "2024-10-27T00:30:00Z", "the first of two");
        assert_eq!(read(Zone::Utc, "2024-10-27T02:30:00"), "2024-10-27T02:30:00Z");
    }
}
