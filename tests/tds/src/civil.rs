//! Dates and times of day as numbers and as the one text that the database holds.
//!
//! A moment is held as `2024-03-31 12:00:00.25`: no zeros at the end of the fraction, no point without digits. So the
//! order of the texts is the order of the moments.

/// Ticks of 100 ns in a second.
pub(crate) const SECOND: i64 = 10_000_000;
/// Ticks in a day.
pub(crate) const DAY: i64 = 86_400 * SECOND;
/// The day number of 1900-01-01, counted from 0001-01-01.
pub(crate) const YEAR_1900: i64 = 693_595;
/// The day number of 9999-12-31.
pub(crate) const LAST_DAY: i64 = 3_652_058;

/// A day (from 0001-01-01), ticks since midnight, and the minutes that the clock is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) day: i64,
    pub(crate) ticks: i64,
    pub(crate) offset: Option<i16>,
}

/// Days from 0001-01-01 in the Gregorian calendar.
pub(crate) fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 306
}

/// Year, month and day of a day number.
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 306;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

pub(crate) fn month_length(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    day_number(next_year, next, 1) - day_number(year, month, 1)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `2024-03-31` or `20240331`.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    if !text.is_ascii() {
        return None;
    }
    let (year, month, day) = match text.len() {
        10 if text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-' => (&text[..4], &text[5..7], &text[8..]),
        8 => (&text[..4], &text[4..6], &text[6..]),
        _ => return None,
    };
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let exists = year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= month_length(year, month);
    exists.then(|| day_number(year, month, day))
}

/// `12:00`, `12:00:00` or `12:00:00.1234567`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (second, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
            if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let nanoseconds: i64 = format!("{fraction:0<9}").parse().ok()?;
            (digits(second, 2)?, (nanoseconds + 50) / 100)
        }
    };
    let exists = hour < 24 && minute < 60 && second < 60;
    exists.then(|| (hour * 3600 + minute * 60 + second) * SECOND + fraction).filter(|ticks| *ticks < DAY)
}

/// A date, a time of day, or both with a `T` or a space between, with or without an offset.
pub(crate) fn parse(text: &str) -> Option<Moment> {
    let text = text.trim();
    let (text, offset) = split_offset(text)?;
    if let Some(ticks) = parse_time(text) {
        return Some(Moment { day: YEAR_1900, ticks, offset });
    }
    let Some(split) = text.find([' ', 'T']) else {
        return Some(Moment { day: parse_date(text)?, ticks: 0, offset });
    };
    Some(Moment { day: parse_date(&text[..split])?, ticks: parse_time(text[split + 1..].trim_start())?, offset })
}

fn split_offset(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest.trim_end(), Some(0)));
    }
    let Some(start) = text.len().checked_sub(6).filter(|start| text.is_char_boundary(*start)) else {
        return Some((text, None));
    };
    let (rest, offset) = text.split_at(start);
    let sign = match offset.as_bytes()[0] {
        b'+' => 1,
        b'-' if offset.as_bytes()[3] == b':' => -1,
        _ => return Some((text, None)),
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let minutes = digits(hours, 2)? * 60 + digits(minutes, 2)?;
    let minutes = i16::try_from(sign * minutes).ok().filter(|minutes| (-840..=840).contains(minutes))?;
    Some((rest.trim_end(), Some(minutes)))
}

pub(crate) fn format_date(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

pub(crate) fn format_time(ticks: i64) -> String {
    let seconds = ticks / SECOND;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = ticks % SECOND;
    if fraction != 0 {
        text.push_str(format!(".{fraction:07}").trim_end_matches('0'));
    }
    text
}

impl Moment {
    /// As the database holds it.
    pub(crate) fn text(&self) -> String {
        let text = format!("{} {}", format_date(self.day), format_time(self.ticks));
        match self.offset {
            None => text,
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                format!("{text} {sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        }
    }

    /// Ticks since 0001-01-01.
    pub(crate) fn total(&self) -> i64 {
        self.day * DAY + self.ticks
    }

    pub(crate) fn from_total(total: i64, offset: Option<i16>) -> Option<Self> {
        let day = total.div_euclid(DAY);
        (0..=LAST_DAY).contains(&day).then(|| Self { day, ticks: total.rem_euclid(DAY), offset })
    }

    /// Rounded to so many digits of a second.
    pub(crate) fn rounded(&self, scale: u8) -> Option<Self> {
        let unit = 10_i64.pow(7 - u32::from(scale.min(7)));
        let total = (self.total() + unit / 2).div_euclid(unit) * unit;
        // The last moment there is does not become the next year.
        Self::from_total(total, self.offset)
            .or_else(|| Self::from_total(self.total().div_euclid(unit) * unit, self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_the_first_of_the_first_year() {
        assert_eq!(day_number(1, 1, 1), 0);
        assert_eq!(day_number(1900, 1, 1), YEAR_1900);
        assert_eq!(day_number(9999, 12, 31), LAST_DAY);
        for day in (0..=LAST_DAY).step_by(37) {
            let (year, month, of_month) = civil(day);
            assert_eq!(day_number(year, month, of_month), day);
        }
    }

    #[test]
    fn texts_of_moments_are_read_and_written() {
        let moment = parse("2024-03-31T12:00:00.2500000").expect("a moment");
        assert_eq!(moment.text(), "2024-03-31 12:00:00.25");
        assert_eq!(parse("2024-03-31 12:00:00.25 -03:30").expect("a moment").offset, Some(-210));
        assert_eq!(parse("20240331").expect("a day").text(), "2024-03-31 00:00:00");
        assert_eq!(parse("2024-03-31").expect("a day").offset, None);
        for text in ["2024-02-30", "24:00:00", "2024-01-01 12", "", "x", "2024-01-01 10:00:00+15:00"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let end = parse("9999-12-31 23:59:59.9999999").expect("a moment");
        assert_eq!(end.rounded(3).expect("a moment").text(), "9999-12-31 23:59:59.999");
    }
}
