//! The values of rows as databases send them, and what they mean in each column.

use injixo_core::model::{Channel, Millis, Quantity, QuantityError, Rule, Timestamp};
use injixo_core::zone::{LocalTime, Resolver};

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A decimal in millionths.
    Micros(i64),
    /// A floating point number.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// Yes or no.
    Bool(bool),
    /// A date with a time, without a zone.
    Local(LocalTime),
    /// A date with a time and a zone.
    Instant(Timestamp),
    /// A time of day, or an interval.
    Length(Millis),
    /// What cannot be read as any of these, and what it is.
    Odd(&'static str),
}

/// More characters than this are no name of anything.
pub(crate) const LONGEST_TEXT: usize = 1_000;

/// The first characters of a text: as many as show that it is too long.
#[inline]
pub(crate) fn cut(text: &str) -> &str {
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    text.char_indices().nth(LONGEST_TEXT + 1).map_or(text, |(end, _)| &text[..end])
}

impl std::fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Micros(value) => write!(f, "{}", Quantity::from_micros(*value)),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Local(value) => write!(f, "{value}"),
            Self::Instant(value) => write!(f, "{value}"),
            Self::Length(value) => write!(f, "{value} s"),
            Self::Odd(what) => f.write_str(what),
        }
    }
}

impl<'a> Cell<'a> {
    /// What names a queue, an agent or an activity; numbers as they are written. `None` for NULL.
    ///
    /// # Errors
    ///
    /// The rule that is broken: too long, empty, or nothing that names something.
    #[inline]
    pub fn name(self, digits: &'a mut String) -> Result<Option<&'a str>, Rule> {
        match self {
            Self::Null => Ok(None),
            Self::Text("") => Err(Rule::Required),
            Self::Text(text) if text.len() > LONGEST_TEXT && text.chars().nth(LONGEST_TEXT).is_some() => {
                Err(Rule::TooLong)
            }
            Self::Text(text) if has_nul(text.as_bytes()) => Err(Rule::Nul),
            Self::Text(text) => Ok(Some(text)),
            Self::Int(value) => {
                write_whole(value, digits);
                Ok(Some(digits))
            }
            Self::Micros(_) | Self::Bool(_) => {
                use std::fmt::Write;
                digits.clear();
                // Writing to a text does not fail.
                let _ = write!(digits, "{self}");
                Ok(Some(digits))
            }
            Self::Float(_) | Self::Local(_) | Self::Instant(_) | Self::Length(_) | Self::Odd(_) => Err(Rule::Required),
        }
    }

    /// How many contacts; `None` for NULL.
    ///
    /// # Errors
    ///
    /// `Quantity` where it is no count.
    #[inline]
    pub fn count(self) -> Result<Option<Quantity>, Rule> {
        let micros = match self {
            Self::Null => return Ok(None),
            Self::Int(value) => value.saturating_mul(Quantity::ONE.micros()),
            Self::Micros(value) => value,
            Self::Float(value) => whole(value * 1e6).ok_or(Rule::Quantity)?,
            Self::Bool(value) => i64::from(value) * Quantity::ONE.micros(),
            Self::Text(text) => match Quantity::parse(text.trim().as_bytes()) {
                Ok(count) => count.micros(),
                Err(QuantityError::Syntax | QuantityError::Negative | QuantityError::TooLarge | _) => {
                    return Err(Rule::Quantity);
                }
            },
            Self::Local(_) | Self::Instant(_) | Self::Length(_) | Self::Odd(_) => return Err(Rule::Quantity),
        };
        let count = Quantity::from_micros(micros);
        if (Quantity::ZERO..=Quantity::MAX).contains(&count) { Ok(Some(count)) } else { Err(Rule::Quantity) }
    }

    /// How long something took, in seconds or as a time; `None` for NULL.
    ///
    /// # Errors
    ///
    /// `Duration` where it is no length of time.
    #[inline]
    pub fn duration(self) -> Result<Option<Millis>, Rule> {
        let millis = match self {
            Self::Null => return Ok(None),
            Self::Int(value) => value.saturating_mul(1_000),
            Self::Micros(value) => value.saturating_add(500).div_euclid(1_000),
            Self::Float(value) => whole(value * 1e3).ok_or(Rule::Duration)?,
            Self::Length(value) => value.get(),
            Self::Text(text) => text_duration(text.trim()).ok_or(Rule::Duration)?,
            Self::Bool(_) | Self::Local(_) | Self::Instant(_) | Self::Odd(_) => return Err(Rule::Duration),
        };
        if (0..=LONGEST_MILLIS).contains(&millis) { Ok(Some(Millis::new(millis))) } else { Err(Rule::Duration) }
    }

    /// When something was; `None` for NULL. Numbers are seconds since 1970.
    ///
    /// # Errors
    ///
    /// `Date` where it is no time, `DateRange` where it lies too far away.
    #[inline]
    pub fn time(self) -> Result<Option<Moment>, Rule> {
        let moment = match self {
            Self::Null => return Ok(None),
            Self::Local(local) => Moment::Local(local),
            Self::Instant(instant) => Moment::Instant(instant),
            Self::Int(secs) => Moment::Instant(Timestamp::from_millis(secs.saturating_mul(1_000))),
            Self::Micros(micros) => Moment::Instant(Timestamp::from_millis(micros.div_euclid(1_000))),
            Self::Float(secs) => {
                let millis = whole((secs * 1e3).floor()).ok_or(Rule::Date)?;
                Moment::Instant(Timestamp::from_millis(millis))
            }
            Self::Text(text) => Moment::parse(text.trim()).ok_or(Rule::Date)?.0,
            Self::Bool(_) | Self::Length(_) | Self::Odd(_) => return Err(Rule::Date),
        };
        match moment {
            Moment::Instant(instant) if !instant.is_supported() => Err(Rule::DateRange),
            moment => Ok(Some(moment)),
        }
    }

    /// A whole number, as keys and flags are; `None` for NULL and for what is none.
    #[must_use]
    #[inline]
    pub fn whole(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bool(value) => Some(i64::from(value)),
            Self::Micros(value) if value % 1_000_000 == 0 => Some(value / 1_000_000),
            Self::Float(value) => whole(value).filter(|_| value.fract() == 0.0),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A text without the blanks behind it; `None` for NULL, for an empty one, and for what is none.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text.trim_end()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The channel; `None` for NULL.
    ///
    /// # Errors
    ///
    /// `Channel` where it names none.
    #[inline]
    pub fn channel(self) -> Result<Option<Channel>, Rule> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => text.trim().to_ascii_lowercase().parse().map(Some).map_err(|_| Rule::Channel),
            _ => Err(Rule::Channel),
        }
    }
}

/// Whether one of the bytes is zero; eight of them at a time.
#[inline]
fn has_nul(bytes: &[u8]) -> bool {
    let has = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080 != 0
    };
    match bytes.last_chunk::<8>() {
        None => bytes.contains(&0),
        Some(last) => bytes.as_chunks::<8>().0.iter().any(has) || has(last),
    }
}

/// Writes a whole number: identifiers are numbers in many tables, and a queue is named by each row.
#[inline]
fn write_whole(value: i64, out: &mut String) {
    let mut digits = [0_u8; 20];
    let (mut at, mut rest) = (digits.len(), value.unsigned_abs());
    loop {
        at -= 1;
        // A digit.
        digits[at] = b'0' + (rest % 10).to_le_bytes()[0];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.clear();
    if value < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// 366 days, which is what a row may carry at most.
const LONGEST_MILLIS: i64 = 366 * 86_400_000;

/// The nearest whole number, where there is one that can be kept.
#[inline]
fn whole(value: f64) -> Option<i64> {
    let rounded = value.round();
    #[expect(clippy::cast_possible_truncation, reason = "it lies far within the range")]
    (rounded.abs() < 9e15).then_some(rounded as i64)
}

/// Seconds, with a fraction at most, or `h:mm:ss` and `mm:ss`, as milliseconds.
fn text_duration(text: &str) -> Option<i64> {
    let seconds = |text: &str| Quantity::parse(text.as_bytes()).ok().map(|secs| (secs.micros() + 500) / 1_000);
    let mut parts = text.rsplitn(3, ':');
    let last = seconds(parts.next()?)?;
    let mut sum = last;
    for unit in [60_000, 3_600_000] {
        let Some(part) = parts.next() else { break };
        if last >= 60_000 || part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        sum = part.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(sum)?;
    }
    Some(sum)
}

/// An instant, or what a wall clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// What a wall clock showed.
    Local(LocalTime),
    /// An instant.
    Instant(Timestamp),
}

/// How a text writes times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Between the date and the time.
    pub separator: char,
    /// Whether an offset stands behind it.
    pub has_offset: bool,
}

impl Moment {
    /// The instant, by the zone of the database.
    ///
    /// # Errors
    ///
    /// What the policies for the change of the clock reject.
    #[inline]
    pub fn instant(self, resolver: &mut Resolver) -> Result<Timestamp, Rule> {
        match self {
            Self::Local(local) => resolver.instant(local),
            Self::Instant(instant) => Ok(instant),
        }
    }

    /// The instant as the end of a span that starts at `start`.
    ///
    /// # Errors
    ///
    /// `EndBeforeStart`, and what the policies for the change of the clock reject.
    pub fn end_of(self, start: Timestamp, resolver: &mut Resolver) -> Result<Timestamp, Rule> {
        match self {
            Self::Local(local) => resolver.end_of(start, local),
            Self::Instant(instant) if instant < start => Err(Rule::EndBeforeStart),
            Self::Instant(instant) => Ok(instant),
        }
    }

    /// `2024-03-31 02:30:00`, with `T` in the middle, without seconds, with a fraction, with `Z` or an offset behind it, or a
    /// date alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, TextStyle)> {
        if let Some(local) = usual(text.as_bytes()) {
            return Some((
                Self::Local(local),
                TextStyle { separator: char::from(text.as_bytes()[10]), has_offset: false },
            ));
        }
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = bytes.get(from..to)?;
            digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
        };
        let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
        if !is(4, b'-') || !is(7, b'-') {
            return None;
        }
        let date = chrono::NaiveDate::from_ymd_opt(
            i32::try_from(number(0, 4)?).ok()?,
            u32::try_from(number(5, 7)?).ok()?,
            u32::try_from(number(8, 10)?).ok()?,
        )?;
        let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
        if bytes.len() == 10 {
            let style = TextStyle { separator: ' ', has_offset: false };
            return Some((Self::Local(LocalTime::from_millis(midnight)), style));
        }
        let separator = if is(10, b'T') { 'T' } else { ' ' };
        if !is(10, b'T') && !is(10, b' ') {
            return None;
        }
        let (hour, minute) = (number(11, 13)?, number(14, 16)?);
        if !is(13, b':') || hour > 23 || minute > 59 {
            return None;
        }
        let mut at = 16;
        let mut millis = midnight + hour * 3_600_000 + minute * 60_000;
        if is(at, b':') {
            let second = number(17, 19)?;
            if second > 59 {
                return None;
            }
            millis += second * 1_000;
            at = 19;
            if is(at, b'.') {
                let digits = bytes[20..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                let fraction = bytes[20..20 + digits].iter().chain(b"000").take(3);
                millis += fraction.fold(0, |n, d| n * 10 + i64::from(d - b'0'));
                at = 20 + digits;
            }
        }
        let offset = text.get(at..)?.trim_start();
        if offset.is_empty() {
            return Some((Self::Local(LocalTime::from_millis(millis)), TextStyle { separator, has_offset: false }));
        }
        let instant = Timestamp::from_millis(millis - parse_offset(offset)?);
        Some((Self::Instant(instant), TextStyle { separator, has_offset: true }))
    }
}

/// `2024-03-31 02:30:00`, in which most texts are written.
#[inline]
fn usual(text: &[u8]) -> Option<LocalTime> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T', h1, h2, b':', n1, n2, b':', s1, s2] = text else {
        return None;
    };
    let digits = [y1, y2, y3, y4, m1, m2, d1, d2, h1, h2, n1, n2, s1, s2];
    if !digits.iter().fold(true, |all, digit| all & digit.is_ascii_digit()) {
        return None;
    }
    let pair = |tens: u8, ones: u8| i64::from(tens & 15) * 10 + i64::from(ones & 15);
    let (year, month, day) = (pair(y1, y2) * 100 + pair(y3, y4), pair(m1, m2), pair(d1, d2));
    let (hour, minute, second) = (pair(h1, h2), pair(n1, n2), pair(s1, s2));
    // What is no such day is told by the calendar.
    if !(1..=12).contains(&month) || !(1..=28).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(LocalTime::from_millis((((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000))
}

/// How many days a date lies behind 1970-01-01.
#[inline]
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March end with the day that not all of them have.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + day
        - 719_469
}

/// `Z`, `+02`, `+0200` or `+02:00`, in milliseconds.
fn parse_offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z" | "UTC") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600_000 + minutes * 60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline]
    fn name(cell: Cell<'_>) -> Result<Option<String>, Rule> {
        cell.name(&mut String::new()).map(|name| name.map(ToOwned::to_owned))
    }

    #[test]
    fn names_are_texts_and_numbers() {
        assert_eq!(name(Cell::Text(" Hotline ")), Ok(Some(" Hotline ".to_owned())));
        assert_eq!(name(Cell::Int(-7)), Ok(Some("-7".to_owned())));
        assert_eq!(name(Cell::Micros(7_000_000)), Ok(Some("7".to_owned())));
        assert_eq!(name(Cell::Null), Ok(None));
        assert_eq!(name(Cell::Text("")), Err(Rule::Required));
        assert_eq!(name(Cell::Text(&"x".repeat(1_001))), Err(Rule::TooLong));
        assert_eq!(name(Cell::Local(LocalTime::from_millis(0))), Err(Rule::Required));
    }

    #[test]
    fn counts_come_in_every_type() {
        let one = Ok(Some(Quantity::ONE));
        let cells = [Cell::Int(1), Cell::Micros(1_000_000), Cell::Float(1.0), Cell::Bool(true), Cell::Text(" 1 ")];
        for cell in cells {
            assert_eq!(cell.count(), one, "{cell:?}");
        }
        assert_eq!(Cell::Null.count(), Ok(None));
        assert_eq!(Cell::Text("0.5").count(), Ok(Some(Quantity::from_micros(500_000))));
        let wrong = [Cell::Int(-1), Cell::Float(f64::NAN), Cell::Float(1e300), Cell::Text("yes"), Cell::Int(i64::MAX)];
        for cell in wrong {
            assert_eq!(cell.count(), Err(Rule::Quantity), "{cell:?}");
        }
    }

    #[test]
    fn durations_are_seconds_or_times() {
        let cases = [
            (Cell::Int(90), 90_000),
            (Cell::Micros(90_500_000), 90_500),
            (Cell::Float(90.25), 90_250),
            (Cell::Text("90"), 90_000),
            (Cell::Text("90.5"), 90_500),
            (Cell::Text("1:30"), 90_000),
            (Cell::Text("01:00:00"), 3_600_000),
            (Cell::Text("100:00:00"), 360_000_000),
            (Cell::Length(Millis::new(5)), 5),
        ];
        for (cell, millis) in cases {
            assert_eq!(cell.duration(), Ok(Some(Millis::new(millis))), "{cell:?}");
        }
        let wrong =
            [Cell::Int(-1), Cell::Text("1:60"), Cell::Text(":10"), Cell::Text("a"), Cell::Bool(true), Cell::Float(4e7)];
        for cell in wrong {
            assert_eq!(cell.duration(), Err(Rule::Duration), "{cell:?}");
        }
    }

    macro_rules! times {
        ($($name:ident: $text:literal => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                let found = Cell::Text($text).time().map(|time| match time.unwrap() {
                    Moment::Local(local) => local.to_string(),
                    Moment::Instant(instant) => instant.to_string(),
                });
                let expected: Result<&str, Rule> = $expected;
                assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text));
            })*
        };
    }

    times! {
        blank_between: "2024-03-31 02:30:00" => Ok("2024-03-31T02:30:00");
        t_between: "2024-03-31T02:30:15" => Ok("2024-03-31T02:30:15");
        without_seconds: "2024-03-31 02:30" => Ok("2024-03-31T02:30:00");
        with_a_fraction: "2024-03-31 02:30:15.1234567" => Ok("2024-03-31T02:30:15.123");
        with_z: "2024-03-31T02:30:15Z" => Ok("2024-03-31T02:30:15Z");
        with_an_offset: "2024-03-31 02:30:15.5 +02:00" => Ok("2024-03-31T00:30:15.500Z");
        with_a_short_offset: "2024-03-31 02:30:15-05" => Ok("2024-03-31T07:30:15Z");
        date_alone: "2024-03-31" => Ok("2024-03-31T00:00:00");
        no_date: "31.03.2024 02:30" => Err(Rule::Date);
        no_day: "2024-02-30 10:00:00" => Err(Rule::Date);
        no_hour: "2024-02-20 24:00:00" => Err(Rule::Date);
        no_offset: "2024-02-20 10:00:00 CET" => Err(Rule::Date);
        too_early: "1960-02-20T10:00:00Z" => Err(Rule::DateRange);
        letters: "2024-0a-20 10:00:00" => Err(Rule::Date);
        cut: "2024-02-20 1" => Err(Rule::Date);
        not_ascii: "2024-02-20 10:00:0é" => Err(Rule::Date);
    }

    #[test]
    fn usual_times_are_those_of_the_calendar() {
        let mut day = chrono::NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
        let end = chrono::NaiveDate::from_ymd_opt(2_500, 1, 1).unwrap();
        while day < end {
            let time = day.and_hms_opt(23, 58, 59).unwrap();
            let text = time.format("%Y-%m-%d %H:%M:%S").to_string();
            let found = usual(text.as_bytes()).map(LocalTime::millis);
            let expected = (text[8..10] <= *"28").then(|| time.and_utc().timestamp_millis());
            assert_eq!(found, expected, "{text}");
            day = day.succ_opt().unwrap();
        }
    }

    #[test]
    fn a_nul_is_found_wherever_it_stands() {
        for length in 0..40 {
            let mut bytes = vec![0x80; length];
            assert!(!has_nul(&bytes));
            for at in 0..length {
                bytes[at] = 0;
                assert!(has_nul(&bytes), "{at} of {length}");
                bytes[at] = 0x01;
            }
            assert!(!has_nul(&bytes));
        }
    }

    #[test]
    fn whole_numbers_are_written_as_rust_writes_them() {
        let mut digits = "left over".to_owned();
        for value in [0, 7, -7, 10, 999, -1_000, i64::MAX, i64::MIN] {
            write_whole(value, &mut digits);
            assert_eq!(digits, value.to_string());
        }
    }

    #[test]
    fn numbers_are_seconds_since_1970() {
        let instant = |millis| Ok(Some(Moment::Instant(Timestamp::from_millis(millis))));
        assert_eq!(Cell::Int(1_711_850_400).time(), instant(1_711_850_400_000));
        assert_eq!(Cell::Float(1_711_850_400.75).time(), instant(1_711_850_400_750));
        assert_eq!(Cell::Micros(1_711_850_400_250_000).time(), instant(1_711_850_400_250));
        assert_eq!(Cell::Int(-1).time(), Err(Rule::DateRange));
        assert_eq!(Cell::Int(i64::MAX).time(), Err(Rule::DateRange));
    }
}
