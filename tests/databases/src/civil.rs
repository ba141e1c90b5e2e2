//! Days, dates and the wall clock of Berlin, written out by hand so that nothing here shares a mistake with what it tests.
//!
//! All times are whole seconds. A *wall* time is what a clock on the wall shows, as the seconds it would be since 1970
//! in UTC.

/// The days since 1970 of a date.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year, month and day of days since 1970.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// `2024-03-01 09:01:00`.
pub fn text(wall: i64) -> String {
    let (year, month, day) = date_of(wall.div_euclid(86_400));
    let second = wall.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The instant at which the clocks change in a month: its last Sunday, 01:00 UTC.
fn change(year: i64, month: i64) -> i64 {
    // Day 3 since 1970 was a Sunday. March and October have 31 days.
    let last = days_of(year, month, 31);
    (last - (last - 3).rem_euclid(7)) * 86_400 + 3600
}

/// The instants of a year at which clocks go forward, and back.
pub fn changes(year: i64) -> (i64, i64) {
    (change(year, 3), change(year, 10))
}

/// What a wall clock in Berlin shows at an instant.
pub fn berlin_wall(instant: i64) -> i64 {
    let (year, _, _) = date_of(instant.div_euclid(86_400));
    let (forward, back) = changes(year);
    instant + if (forward..back).contains(&instant) { 7200 } else { 3600 }
}

/// The instants at which a wall clock in Berlin shows a time: the earlier and the later, which mostly are the same.
///
/// Clocks skip an hour in March: no clock shows its times, and they are moved forward by that hour.
pub fn berlin_instants(wall: i64) -> (i64, i64) {
    let (summer, winter) = (wall - 7200, wall - 3600);
    match (berlin_wall(summer) == wall, berlin_wall(winter) == wall) {
        (true, true) => (summer, winter),
        (true, false) => (summer, summer),
        (false, _) => (winter, winter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree() {
        assert_eq!(days_of(1970, 1, 1), 0);
        assert_eq!(days_of(2024, 3, 1), 19_783);
        for days in -30_000..60_000 {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(text(1_709_280_000), "2024-03-01 08:00:00");
        assert_eq!(text(days_of(1900, 1, 1) * 86_400), "1900-01-01 00:00:00");
    }

    #[test]
    fn clocks_change_on_the_known_days() {
        let known = [(2023, 26, 29), (2024, 31, 27), (2025, 30, 26), (2026, 29, 25)];
        for (year, march, october) in known {
            let (forward, back) = changes(year);
            assert_eq!(forward, days_of(year, 3, march) * 86_400 + 3600);
            assert_eq!(back, days_of(year, 10, october) * 86_400 + 3600);
        }
    }

    #[test]
    fn the_hour_in_october_has_two_instants_and_the_one_in_march_none() {
        let (forward, back) = changes(2024);
        assert_eq!(text(berlin_wall(forward - 1)), "2024-03-31 01:59:59");
        assert_eq!(text(berlin_wall(forward)), "2024-03-31 03:00:00");
        assert_eq!(berlin_instants(berlin_wall(forward) - 1800), (forward + 1800, forward + 1800));
        assert_eq!(text(berlin_wall(back - 1)), "2024-10-27 02:59:59");
        assert_eq!(text(berlin_wall(back)), "2024-10-27 02:00:00");
        assert_eq!(berlin_instants(berlin_wall(back)), (back - 3600, back));
        assert_eq!(berlin_instants(berlin_wall(back + 3600)), (back + 3600, back + 3600));
        assert_eq!(berlin_instants(berlin_wall(back - 3601)), (back - 3601, back - 3601));
    }
}
