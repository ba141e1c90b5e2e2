//! Dates, times of day and timestamps, in the formats that exports have.
//!
//! A [`Format`] is compiled from its text once per file and reads the bytes of a field into a [`Parsed`], without
//! allocating. What a column is for, its [`Role`], is compiled in: the date in a column of times (spreadsheets write
//! 30/12/1899 there) is only checked for its shape, like the end of a range.
//!
//! | token | reads |
//! | --- | --- |
//! | `D` `M` `h` `m` `s` | day, month, hour, minute, second in one or two digits |
//! | `DD` `MM` `hh` `mm` `ss` | the same in exactly two digits |
//! | `YYYY`, `YY` | the year; of two digits, 70 to 99 are 1970 to 1999, the others 2000 to 2069 |
//! | `MMM`, `MMMM` | the English name of the month, short or in full, in any case |
//! | `A` | `AM`, `PM`, `a.m.`, `p.m.` in any case; the hour then goes from 1 to 12 |
//! | `f` | a fraction of the second, one or more digits, cut to milliseconds |
//! | `X` | the distance from UTC: `Z`, `+01:00`, `+0100`, `+01` |
//! | anything else | itself |
//!
//! The **first** of several equal components counts, a further one is only checked for its shape: `hh:mm-hh:mm` reads the
//! start of a range. Blanks around a value do not matter. Instead of tokens, a format may be one of four names:
//!
//! | name | reads |
//! | --- | --- |
//! | `iso8601` | a date, or date and time with `T` or a blank between them; `-` and `:`, seconds, a fraction with point or comma and a distance from UTC may be there or not. In a column of times also a time alone |
//! | `unix`, `unix_ms` | seconds or milliseconds since 1970 in UTC, a fraction is cut to milliseconds; timestamps only |
//! | `spreadsheet` | days since 1899-12-30, the time being the fraction, rounded to milliseconds; point or comma |
//!
//! `24:00` is the next midnight. So is exactly 1 in a column of spreadsheet times, which is what `24:00` is stored as; above
//! 1 only the fraction counts, as in a cell that holds date and time.

use std::fmt;

use injixo_core::model::{Rule, Timestamp};

use crate::encoding::Encoding;
use crate::value::Decimal;

const DAY_MILLIS: u32 = 86_400_000;
/// The first day that a date may not name, 2100-01-01, in days since 1970-01-01.
const END_OF_DATES: i32 = 47_482;
/// No clock on earth differs more from UTC than this many seconds.
const MAX_OFFSET: i32 = 18 * 3_600;

/// What a column is for, and so what is read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The date; the time is in another column.
    Date,
    /// The time of day; the date is in another column.
    Time,
    /// Both.
    Timestamp,
}

impl Role {
    const fn has_date(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp)
    }

    const fn has_time(self) -> bool {
        matches!(self, Self::Time | Self::Timestamp)
    }
}

/// What a field says: a date, a time or both, as the [`Role`] of its format demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Days since 1970-01-01, before 2100.
    pub(crate) date: Option<i32>,
    /// Milliseconds since midnight; 86,400,000 is the next midnight.
    pub(crate) time: Option<u32>,
    /// How many seconds the clock that shows this time is ahead of UTC; at most 18 hours either way.
    pub(crate) offset: Option<i32>,
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// What a clock in the time zone of the source shows, in milliseconds since it showed 1970-01-01T00:00.
    Local(i64),
    /// An instant, whatever the time zone of the source.
    Instant(Timestamp),
}

impl Parsed {
    /// The moment, from a timestamp.
    ///
    /// # Errors
    ///
    /// [`DateError::NoTime`] without a time of day, [`DateError::OutOfRange`] for a moment before 1970 or after 2099.
    pub(crate) fn moment(self) -> Result<Moment, DateError> {
        let date = self.date.ok_or(DateError::Syntax)?;
        let time = self.time.ok_or(DateError::NoTime)?;
        let local = i64::from(date) * i64::from(DAY_MILLIS) + i64::from(time);
        let instant = Timestamp::from_millis(local - i64::from(self.offset.unwrap_or(0)) * 1_000);
        if !instant.is_supported() {
            return Err(DateError::OutOfRange);
        }
        Ok(if self.offset.is_some() { Moment::Instant(instant) } else { Moment::Local(local) })
    }

    /// The moment, from this date and the `time` of another column.
    ///
    /// # Errors
    ///
    /// As for [`moment`](Self::moment).
    pub(crate) fn at(self, time: Self) -> Result<Moment, DateError> {
        Self { date: self.date, ..time }.moment()
    }
}

/// Why a field is no date or time. Ordered by how far reading came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DateError {
    /// It does not have the format.
    Syntax,
    /// It is a date without a time of day.
    NoTime,
    /// It has the format, but there is no such date or time: 31 February, 25:00.
    Impossible,
    /// Before 1970 or after 2099.
    OutOfRange,
}

impl DateError {
    /// The rule that a row with such a field violates.
    pub(crate) const fn rule(self) -> Rule {
        match self {
            Self::Syntax | Self::NoTime | Self::Impossible => Rule::Date,
            Self::OutOfRange => Rule::DateRange,
        }
    }
}

/// Several formats, tried in their order: the first that reads a value counts.
///
/// Nothing is remembered between values, so that no value depends on those before it: with `D/M/YYYY` and `M/D/YYYY`,
/// 5/4/2024 is in April wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formats(Box<[Format]>);

impl Formats {
    /// Compiles `formats` for a column of a file in `encoding`.
    ///
    /// # Errors
    ///
    /// [`FormatError`] for the first that is wrong, and for none at all.
    pub(crate) fn compile<'t>(
        formats: impl IntoIterator<Item = &'t str>,
        role: Role,
        encoding: Encoding,
    ) -> Result<Self, FormatError> {
        let formats: Result<Box<[Format]>, _> =
            formats.into_iter().map(|text| Format::compile(text, role, encoding)).collect();
        let formats = formats?;
        if formats.is_empty() { Err(FormatError::new("", Fault::NoToken)) } else { Ok(Self(formats)) }
    }

    /// Reads `value` by the first format that fits.
    ///
    /// # Errors
    ///
    /// If none fits, the [`DateError`] of the format that came furthest.
    pub(crate) fn parse(&self, value: &[u8]) -> Result<Parsed, DateError> {
        let mut furthest = DateError::Syntax;
        for format in &self.0 {
            match format.parse(value) {
                Ok(parsed) => return Ok(parsed),
                Err(error) => furthest = furthest.max(error),
            }
        }
        Err(furthest)
    }

    /// What the values may hold, by any of the formats.
    pub(crate) fn carries(&self) -> Carries {
        let offset = self.0.iter().any(|format| format.carries().offset);
        Carries { offset, ..self.0[0].carries() }
    }
}

/// [`Formats`] that remember the last value: the rows of an export come by day, so that most dates repeat the one before.
#[derive(Debug, Clone)]
pub(crate) struct LastSeen {
    formats: Formats,
    value: [u8; LastSeen::CAPACITY],
    len: usize,
    parsed: Result<Parsed, DateError>,
}

impl LastSeen {
    /// Longer values are read anew each time.
    const CAPACITY: usize = 32;

    pub(crate) fn new(formats: Formats) -> Self {
        let parsed = formats.parse(b"");
        Self { formats, value: [0; Self::CAPACITY], len: 0, parsed }
    }

    /// Reads `value` exactly as [`Formats::parse`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Formats::parse`].
    pub(crate) fn parse(&mut self, value: &[u8]) -> Result<Parsed, DateError> {
        if value == &self.value[..self.len] {
            return self.parsed;
        }
        let parsed = self.formats.parse(value);
        if let Some(kept) = self.value.get_mut(..value.len()) {
            kept.copy_from_slice(value);
            self.len = value.len();
            self.parsed = parsed;
        }
        parsed
    }
}

/// What the values of a format hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carries {
    /// Each holds a date.
    pub(crate) date: bool,
    /// Each holds a time of day.
    pub(crate) time: bool,
    /// Some may hold their distance from UTC.
    pub(crate) offset: bool,
}

/// How a date, a time or a timestamp is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    role: Role,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Iso8601,
    Unix { unit_millis: u64 },
    Spreadsheet,
    Steps(Steps),
}

impl Format {
    /// The formats that have a name.
    pub(crate) const NAMES: [&'static str; 4] = ["iso8601", "unix", "unix_ms", "spreadsheet"];

    /// Compiles `text` for a column of a file in `encoding`.
    ///
    /// # Errors
    ///
    /// [`FormatError`] for a text without tokens, with a token that does not exist, or without what `role` needs: day,
    /// month and year for a date, the hour for a time.
    pub(crate) fn compile(text: &str, role: Role, encoding: Encoding) -> Result<Self, FormatError> {
        let text = text.trim_matches([' ', '\t']);
        let name = Self::NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(text));
        let kind = match name {
            Some("iso8601") => Kind::Iso8601,
            Some("spreadsheet") => Kind::Spreadsheet,
            Some(name) if role != Role::Timestamp => return Err(FormatError::new(text, Fault::TimestampsOnly(name))),
            Some(name) => Kind::Unix { unit_millis: if name == "unix" { 1_000 } else { 1 } },
            None => {
                Kind::Steps(Compiler::new(role, encoding).compile(text).map_err(|fault| FormatError::new(text, fault))?)
            }
        };
        Ok(Self { role, kind })
    }

    /// What the values hold.
    pub(crate) fn carries(&self) -> Carries {
        let offset = match &self.kind {
            Kind::Iso8601 => self.role.has_time(),
            Kind::Unix { .. } => true,
            Kind::Spreadsheet => false,
            Kind::Steps(steps) => steps.offset,
        };
        Carries { date: self.role.has_date(), time: self.role.has_time(), offset }
    }

    /// Reads `value`, which must be all in this format but for blanks around it.
    ///
    /// # Errors
    ///
    /// [`DateError`] says what is wrong.
    pub(crate) fn parse(&self, value: &[u8]) -> Result<Parsed, DateError> {
        let value = trim(value);
        match &self.kind {
            Kind::Steps(steps) => steps.parse(value, self.role),
            Kind::Iso8601 => iso8601(value, self.role),
            Kind::Unix { unit_millis } => unix(value, *unit_millis),
            Kind::Spreadsheet => spreadsheet(value, self.role),
        }
    }
}

/// A [`Format`] that cannot be, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormatError {
    format: String,
    fault: Fault,
}

impl FormatError {
    pub(crate) fn new(format: &str, fault: Fault) -> Self {
        Self { format: format.to_owned(), fault }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "format {:?}: {}", self.format, self.fault)
    }
}

impl std::error::Error for FormatError {}

/// What is wrong with a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    NoToken,
    UnknownToken(String),
    NoDay,
    NoMonth,
    NoYear,
    NoHour,
    NoMinute,
    MonthForMinute,
    HalfDayWithoutHour,
    FractionWithoutSecond,
    TimestampsOnly(&'static str),
    Unencodable(char, Encoding),
    NoDurationToken,
    NoDurationThere(char),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoToken => {
                "nothing to read: expected tokens as in `DD/MM/YYYY` or `hh:mm:ss`, or one of iso8601, unix, unix_ms, \
                 spreadsheet"
            }
            Self::UnknownToken(token) => {
                return write!(
                    f,
                    "unknown token `{token}`: expected D, DD, M, MM, MMM, MMMM, YY, YYYY, h, hh, m, mm, s, ss, A, f or X"
                );
            }
            Self::NoDay => "no day: write `D` or `DD`, in capitals",
            Self::NoMonth => "no month: write `M`, `MM` or `MMM`, in capitals",
            Self::NoYear => "no year: write `YY` or `YYYY`, in capitals",
            Self::NoHour => "no hour, so no time of day: write `h` or `hh`, in small letters",
            Self::NoMinute => "seconds without minutes: write `m` or `mm` for the minute, in small letters",
            Self::MonthForMinute => "hours without minutes, and `M` is the month: write `m` or `mm` for the minute",
            Self::HalfDayWithoutHour => "`A` is for AM and PM and needs an hour: write `h` or `hh`",
            Self::FractionWithoutSecond => "`f` is the fraction of a second and comes after it: write `ss.f`",
            Self::TimestampsOnly(name) => {
                return write!(f, "`{name}` holds date and time in one: map the column as the timestamp");
            }
            Self::Unencodable(c, encoding) => return write!(f, "{encoding} has no character {c:?}"),
            Self::NoDurationToken => {
                "nothing to read: expected one of seconds, milliseconds, minutes, spreadsheet, or tokens as in `h:mm:ss`, \
                 `mm:ss` or `hh:mm:ss A`"
            }
            Self::NoDurationThere(token) => {
                return write!(
                    f,
                    "`{token}` is out of place: a duration has hours, minutes and seconds in this order, as in `h:mm:ss` or \
                     `mm:ss.f`"
                );
            }
        };
        f.write_str(text)
    }
}

/// Where a number is put. What nobody needs goes to `Ignored`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millis,
    HalfDay,
    Offset,
    Ignored,
}

const SLOTS: usize = Slot::Ignored as usize + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Literal(u8),
    Two(Slot),
    OneOrTwo(Slot),
    YearOfTwo(Slot),
    YearOfFour(Slot),
    MonthName(Slot),
    HalfDay(Slot),
    Fraction(Slot),
    Offset(Slot),
}

/// A format of tokens, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Steps {
    steps: Box<[Step]>,
    twelve_hours: bool,
    offset: bool,
}

impl Steps {
    fn parse(&self, value: &[u8], role: Role) -> Result<Parsed, DateError> {
        let mut slots = [0_i32; SLOTS];
        self.read(value, &mut slots).ok_or(DateError::Syntax)?;
        let [year, month, day, mut hour, minute, second, millis, half_day, offset, _] = slots;
        let date = if role.has_date() { Some(days(year, month, day)?) } else { None };
        let time = if role.has_time() {
            if self.twelve_hours {
                if !(1..=12).contains(&hour) {
                    return Err(DateError::Impossible);
                }
                hour = hour % 12 + 12 * half_day;
            }
            Some(time_of_day(hour, minute, second, millis)?)
        } else {
            None
        };
        Ok(Parsed { date, time, offset: self.offset.then_some(offset) })
    }

    fn read(&self, value: &[u8], slots: &mut [i32; SLOTS]) -> Option<()> {
        let mut cursor = Cursor(value);
        for &step in &self.steps {
            let (slot, number) = match step {
                Step::Literal(byte) => {
                    cursor.literal(byte)?;
                    continue;
                }
                Step::Two(slot) => (slot, cursor.two()?),
                Step::OneOrTwo(slot) => (slot, cursor.one_or_two()?),
                Step::YearOfTwo(slot) => (slot, cursor.two().map(|year| year + if year < 70 { 2000 } else { 1900 })?),
                Step::YearOfFour(slot) => (slot, cursor.four()?),
                Step::MonthName(slot) => (slot, cursor.month_name()?),
                Step::HalfDay(slot) => (slot, cursor.half_day()?),
                Step::Fraction(slot) => (slot, cursor.fraction_millis()?),
                Step::Offset(slot) => (slot, cursor.offset()?),
            };
            slots[slot as usize] = number;
        }
        cursor.is_empty().then_some(())
    }
}

/// Turns the text of a format into steps.
struct Compiler {
    role: Role,
    encoding: Encoding,
    steps: Vec<Step>,
    seen: [u8; SLOTS],
}

impl Compiler {
    fn new(role: Role, encoding: Encoding) -> Self {
        Self { role, encoding, steps: Vec::new(), seen: [0; SLOTS] }
    }

    fn compile(mut self, text: &str) -> Result<Steps, Fault> {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let run = rest.len() - rest.trim_start_matches(first).len();
            let token = if is_token(first) { &rest[..run] } else { &rest[..first.len_utf8()] };
            self.push(token, first)?;
            rest = &rest[token.len()..];
        }
        self.check()?;
        let offset = self.role.has_time() && self.has(Slot::Offset);
        Ok(Steps { twelve_hours: self.has(Slot::HalfDay), offset, steps: self.steps.into() })
    }

    fn push(&mut self, token: &str, first: char) -> Result<(), Fault> {
        let step = match token {
            "D" => Step::OneOrTwo(self.slot(Slot::Day)),
            "DD" => Step::Two(self.slot(Slot::Day)),
            "M" => Step::OneOrTwo(self.slot(Slot::Month)),
            "MM" => Step::Two(self.slot(Slot::Month)),
            "MMM" | "MMMM" => Step::MonthName(self.slot(Slot::Month)),
            "YY" => Step::YearOfTwo(self.slot(Slot::Year)),
            "YYYY" => Step::YearOfFour(self.slot(Slot::Year)),
            "h" => Step::OneOrTwo(self.slot(Slot::Hour)),
            "hh" => Step::Two(self.slot(Slot::Hour)),
            "m" => Step::OneOrTwo(self.slot(Slot::Minute)),
            "mm" => Step::Two(self.slot(Slot::Minute)),
            "s" => Step::OneOrTwo(self.slot(Slot::Second)),
            "ss" => Step::Two(self.slot(Slot::Second)),
            "A" => Step::HalfDay(self.slot(Slot::HalfDay)),
            "X" => Step::Offset(self.slot(Slot::Offset)),
            // Others write as many as there are digits: `ss.fff`.
            _ if first == 'f' => {
                if !self.has(Slot::Second) {
                    return Err(Fault::FractionWithoutSecond);
                }
                Step::Fraction(self.slot(Slot::Millis))
            }
            _ if is_token(first) => return Err(Fault::UnknownToken(token.to_owned())),
            literal => {
                let bytes = self.encoding.encode(literal).ok_or(Fault::Unencodable(first, self.encoding))?;
                self.steps.extend(bytes.into_iter().map(Step::Literal));
                return Ok(());
            }
        };
        self.steps.push(step);
        Ok(())
    }

    /// Where the next component of this kind goes.
    fn slot(&mut self, slot: Slot) -> Slot {
        let seen = &mut self.seen[slot as usize];
        *seen = seen.saturating_add(1);
        let wanted = match slot {
            Slot::Year | Slot::Month | Slot::Day => self.role.has_date(),
            _ => self.role.has_time(),
        };
        if wanted && *seen == 1 { slot } else { Slot::Ignored }
    }

    fn has(&self, slot: Slot) -> bool {
        self.seen[slot as usize] > 0
    }

    fn check(&self) -> Result<(), Fault> {
        let (date, time) = (self.role.has_date(), self.role.has_time());
        if self.seen == [0; SLOTS] {
            return Err(Fault::NoToken);
        }
        if date && !self.has(Slot::Day) {
            return Err(Fault::NoDay);
        }
        if date && !self.has(Slot::Month) {
            return Err(Fault::NoMonth);
        }
        if date && !self.has(Slot::Year) {
            return Err(Fault::NoYear);
        }
        if time && !self.has(Slot::Hour) {
            return Err(Fault::NoHour);
        }
        // `hh:MM` would read without complaint, every time being at the full hour.
        let month_too_many = self.seen[Slot::Month as usize] > self.seen[Slot::Day as usize];
        if time && !self.has(Slot::Minute) && month_too_many {
            return Err(Fault::MonthForMinute);
        }
        if time && !self.has(Slot::Minute) && self.has(Slot::Second) {
            return Err(Fault::NoMinute);
        }
        if self.has(Slot::HalfDay) && !self.has(Slot::Hour) {
            return Err(Fault::HalfDayWithoutHour);
        }
        Ok(())
    }
}

const fn is_token(c: char) -> bool {
    matches!(c, 'D' | 'M' | 'Y' | 'h' | 'm' | 's' | 'A' | 'f' | 'X')
}

fn iso8601(value: &[u8], role: Role) -> Result<Parsed, DateError> {
    let mut cursor = Cursor(value);
    let mut date = None;
    let time_alone = role == Role::Time && value.get(2) == Some(&b':');
    if !time_alone {
        date = Some(cursor.iso_date().ok_or(DateError::Syntax)?);
        if !cursor.is_empty() && !cursor.skip(b" Tt") {
            return Err(DateError::Syntax);
        }
    }
    let (mut time, mut offset) = (None, None);
    if time_alone || cursor.0.len() < value.len() && !cursor.is_empty() {
        (time, offset) = cursor.iso_time().map(|(time, offset)| (Some(time), offset)).ok_or(DateError::Syntax)?;
    }
    if !cursor.is_empty() {
        return Err(DateError::Syntax);
    }
    let date = match date {
        Some([year, month, day]) if role.has_date() => Some(days(year, month, day)?),
        _ => None,
    };
    if !role.has_time() {
        return Ok(Parsed { date, time: None, offset: None });
    }
    let [hour, minute, second, millis] = time.ok_or(DateError::NoTime)?;
    Ok(Parsed { date, time: Some(time_of_day(hour, minute, second, millis)?), offset })
}

fn unix(value: &[u8], unit_millis: u64) -> Result<Parsed, DateError> {
    let number = Decimal::parse(value, b".,").ok_or(DateError::Syntax)?;
    let millis = i64::try_from(number.times_cut(unit_millis)).unwrap_or(i64::MAX);
    if (number.negative && !number.is_zero()) || !Timestamp::from_millis(millis).is_supported() {
        return Err(DateError::OutOfRange);
    }
    let day_millis = i64::from(DAY_MILLIS);
    let date = i32::try_from(millis / day_millis).ok();
    let time = u32::try_from(millis % day_millis).ok();
    Ok(Parsed { date, time, offset: Some(0) })
}

fn spreadsheet(value: &[u8], role: Role) -> Result<Parsed, DateError> {
    /// 1970-01-01, counted from 1899-12-30.
    const EPOCH: u64 = 25_569;
    /// 9999-12-31, the last day that spreadsheets know.
    const LAST: u64 = 2_958_465;
    let beyond = if role.has_date() { DateError::OutOfRange } else { DateError::Impossible };
    let number = Decimal::parse_scientific(value).ok_or(DateError::Syntax)?;
    let day_millis = u64::from(DAY_MILLIS);
    let millis = number.times_rounded(day_millis);
    if (number.negative && !number.is_zero()) || millis / day_millis > LAST {
        return Err(beyond);
    }
    let next_midnight = role == Role::Time && millis == day_millis;
    let time = if next_midnight { Ok(DAY_MILLIS) } else { u32::try_from(millis % day_millis) };
    let time = if role.has_time() { time.ok() } else { None };
    let mut date = None;
    if role.has_date() {
        let day = (millis / day_millis).checked_sub(EPOCH).and_then(|day| i32::try_from(day).ok());
        date = Some(day.filter(|day| *day < END_OF_DATES).ok_or(beyond)?);
    }
    Ok(Parsed { date, time, offset: None })
}

/// Days since 1970-01-01.
fn days(year: i32, month: i32, day: i32) -> Result<i32, DateError> {
    const BEFORE_MONTH: [i32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(DateError::Impossible),
    };
    if day < 1 || day > length {
        return Err(DateError::Impossible);
    }
    if !(1970..2100).contains(&year) {
        return Err(DateError::OutOfRange);
    }
    // From 1970 to 2099 every fourth year is a leap year, the year 2000 included; 1972 was the first.
    let leap_days = (year - 1969) / 4 + i32::from(leap && month > 2);
    let before_month = usize::try_from(month - 1).map_or(0, |index| BEFORE_MONTH[index]);
    Ok((year - 1970) * 365 + leap_days + before_month + day - 1)
}

/// Milliseconds since midnight.
fn time_of_day(hour: i32, minute: i32, second: i32, millis: i32) -> Result<u32, DateError> {
    let within_hour = (minute * 60 + second) * 1_000 + millis;
    let possible = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    if !possible || (hour == 24 && within_hour > 0) {
        return Err(DateError::Impossible);
    }
    u32::try_from(hour * 3_600_000 + within_hour).map_err(|_| DateError::Impossible)
}

/// The value without the blanks and tabs around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What is left to read. Every method takes what it reads, or answers `None`.
pub(crate) struct Cursor<'v>(pub(crate) &'v [u8]);

impl Cursor<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn literal(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == byte).then_some(())
    }

    /// Skips one byte if it is one of `bytes`.
    pub(crate) fn skip(&mut self, bytes: &[u8]) -> bool {
        match self.0 {
            [first, rest @ ..] if bytes.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn digit(&mut self) -> Option<i32> {
        match self.0 {
            [digit @ b'0'..=b'9', rest @ ..] => {
                self.0 = rest;
                Some(i32::from(digit - b'0'))
            }
            _ => None,
        }
    }

    pub(crate) fn two(&mut self) -> Option<i32> {
        Some(self.digit()? * 10 + self.digit()?)
    }

    pub(crate) fn one_or_two(&mut self) -> Option<i32> {
        let first = self.digit()?;
        Some(self.digit().map_or(first, |second| first * 10 + second))
    }

    fn four(&mut self) -> Option<i32> {
        Some(self.two()? * 100 + self.two()?)
    }

    /// One or more digits after the point, cut to three.
    fn fraction_millis(&mut self) -> Option<i32> {
        let mut millis = self.digit()? * 100;
        let mut unit = 10;
        while let Some(digit) = self.digit() {
            millis += digit * unit;
            unit /= 10;
        }
        Some(millis)
    }

    fn month_name(&mut self) -> Option<i32> {
        const NAMES: [&[u8]; 12] = [
            b"january",
            b"february",
            b"march",
            b"april",
            b"may",
            b"june",
            b"july",
            b"august",
            b"september",
            b"october",
            b"november",
            b"december",
        ];
        let short = self.0.get(..3)?;
        let (name, month) = NAMES.into_iter().zip(1..).find(|(name, _)| name[..3].eq_ignore_ascii_case(short))?;
        // British English shortens September to four letters.
        let forms = [name, b"sept".as_slice()];
        let opens = |form: &[u8]| self.0.get(..form.len()).is_some_and(|head| head.eq_ignore_ascii_case(form));
        let length = forms.into_iter().find(|form| opens(form)).map_or(3, <[u8]>::len);
        self.0 = &self.0[length..];
        Some(month)
    }

    /// 0 for the first half of the day, 1 for the second.
    fn half_day(&mut self) -> Option<i32> {
        let (half, rest) = match self.0 {
            [half, b'm' | b'M', rest @ ..] | [half, b'.', b'm' | b'M', b'.', rest @ ..] => (half, rest),
            _ => return None,
        };
        self.0 = rest;
        match half {
            b'a' | b'A' => Some(0),
            b'p' | b'P' => Some(1),
            _ => None,
        }
    }

    /// The distance from UTC in seconds.
    fn offset(&mut self) -> Option<i32> {
        if self.skip(b"Zz") {
            return Some(0);
        }
        let sign = if self.skip(b"-") {
            -1
        } else {
            self.literal(b'+')?;
            1
        };
        let hours = self.two()?;
        let minutes = match self.0 {
            [b':', ..] => {
                self.skip(b":");
                self.two()?
            }
            [b'0'..=b'9', ..] => self.two()?,
            _ => 0,
        };
        let seconds = hours * 3_600 + minutes * 60;
        (minutes < 60 && seconds <= MAX_OFFSET).then_some(sign * seconds)
    }

    /// Year, month and day, as `2024-03-31` or `20240331`.
    fn iso_date(&mut self) -> Option<[i32; 3]> {
        let year = self.four()?;
        let extended = self.skip(b"-");
        let month = self.two()?;
        if extended {
            self.literal(b'-')?;
        }
        Some([year, month, self.two()?])
    }

    /// Hour, minute, second and milliseconds, and the distance from UTC, as `02:45:00.5+01:00` or `024500Z`.
    fn iso_time(&mut self) -> Option<([i32; 4], Option<i32>)> {
        let hour = self.two()?;
        let extended = self.skip(b":");
        let minute = self.two()?;
        let (mut second, mut millis) = (0, 0);
        let has_seconds = if extended { self.skip(b":") } else { matches!(self.0, [b'0'..=b'9', ..]) };
        if has_seconds {
            second = self.two()?;
            if self.skip(b".,") {
                millis = self.fraction_millis()?;
            }
        }
        // Databases leave a blank before the offset.
        self.skip(b" ");
        let offset = if self.is_empty() { None } else { Some(self.offset()?) };
        Some(([hour, minute, second, millis], offset))
    }
}
