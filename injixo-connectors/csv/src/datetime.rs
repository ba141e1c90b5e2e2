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
use crate::fixed::{Fixed, Places};
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

    /// The formats, from the first on, in which every value is equally long: what one of them reads is what [`parse`](Self::parse)
    /// says.
    pub(crate) fn fixed(&self) -> Vec<Fixed> {
        let mut all = Vec::new();
        for format in &self.0 {
            let fixed = format.fixed();
            let is_any_value = matches!(format.kind, Kind::Steps(_)) && !fixed.is_empty();
            all.extend(fixed);
            if !is_any_value {
                break;
            }
        }
        all
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
}

/// [`Formats`] that remember the last value: the rows of an export come by day, so that most dates repeat the one before.
#[derive(Debug, Clone)]
pub(crate) struct LastSeen {
    formats: Formats,
    value: [u8; Self::CAPACITY],
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

    /// The formats.
    pub(crate) fn formats(&self) -> &Formats {
        &self.formats
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

    /// The same for values that are all equally long; several where some values of the format are, none where it has no such.
    fn fixed(&self) -> Vec<Fixed> {
        let steps = match (&self.kind, self.role) {
            (Kind::Steps(steps), _) => return steps.fixed(self.role).into_iter().collect(),
            (Kind::Iso8601, Role::Date) => &["YYYY-MM-DD"][..],
            (Kind::Iso8601, Role::Time) => &["hh:mm:ss"],
            (Kind::Iso8601, Role::Timestamp) => &["YYYY-MM-DDThh:mm:ss", "YYYY-MM-DD hh:mm:ss"],
            (Kind::Unix { .. } | Kind::Spreadsheet, _) => &[],
        };
        let compiled = steps.iter().filter_map(|text| Self::compile(text, self.role, Encoding::Utf8).ok());
        compiled.flat_map(|format| format.fixed()).collect()
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

    /// The same for values that are all equally long, unless there are others.
    fn fixed(&self, role: Role) -> Option<Fixed> {
        if self.twelve_hours || self.offset {
            return None;
        }
        let (mut bytes, mut places) = (Vec::new(), Places::default());
        for &step in &self.steps {
            let at = u8::try_from(bytes.len()).ok()?;
            let (slot, digits) = match step {
                Step::Literal(byte) => {
                    bytes.push(Some(byte));
                    continue;
                }
                Step::Two(slot) => (slot, 2),
                Step::YearOfTwo(slot) => {
                    places.short_year |= slot == Slot::Year;
                    (slot, 2)
                }
                Step::YearOfFour(slot) => (slot, 4),
                Step::OneOrTwo(_) | Step::MonthName(_) | Step::HalfDay(_) | Step::Fraction(_) | Step::Offset(_) => {
                    return None;
                }
            };
            bytes.extend(std::iter::repeat_n(None, digits));
            match slot {
                Slot::Year => places.year = Some(at),
                Slot::Month => places.month = Some(at),
                Slot::Day => places.day = Some(at),
                Slot::Hour => places.hour = Some(at),
                Slot::Minute => places.minute = Some(at),
                Slot::Second => places.second = Some(at),
                Slot::Millis | Slot::HalfDay | Slot::Offset | Slot::Ignored => {}
            }
        }
        Fixed::new(&bytes, places, role)
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
    }
    let (mut time, mut offset) = (None, None);
    if time_alone || cursor.skip(b" Tt") {
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
pub(crate) fn days(year: i32, month: i32, day: i32) -> Result<i32, DateError> {
    /// Days before each month and in it, outside leap years.
    const MONTHS: [(i32, i32); 12] = [
        (0, 31),
        (31, 28),
        (59, 31),
        (90, 30),
        (120, 31),
        (151, 30),
        (181, 31),
        (212, 31),
        (243, 30),
        (273, 31),
        (304, 30),
        (334, 31),
    ];
    let index = usize::try_from(month - 1).unwrap_or(usize::MAX);
    let Some(&(before_month, length)) = MONTHS.get(index) else { return Err(DateError::Impossible) };
    // Where dates come in no order, a month is hard to foretell: nothing branches on it.
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if day < 1 || day > length + i32::from(leap & (month == 2)) {
        return Err(DateError::Impossible);
    }
    if !(1970..2100).contains(&year) {
        return Err(DateError::OutOfRange);
    }
    // From 1970 to 2099 every fourth year is a leap year, the year 2000 included; 1972 was the first.
    let leap_days = (year - 1969) / 4 + i32::from(leap & (month > 2));
    Ok((year - 1970) * 365 + leap_days + before_month + day - 1)
}

/// Milliseconds since midnight.
pub(crate) fn time_of_day(hour: i32, minute: i32, second: i32, millis: i32) -> Result<u32, DateError> {
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
        let in_full = self.0.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
        let length = if in_full { name.len() } else { short.len() };
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
    use proptest::prelude::*;

    use super::*;

    fn format(text: &str, role: Role) -> Format {
        Format::compile(text, role, Encoding::Utf8).unwrap_or_else(|error| panic!("{error}"))
    }

    fn date(date: NaiveDate) -> Option<i32> {
        i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
    }

    fn time(time: NaiveTime) -> Option<u32> {
        Some(time.num_seconds_from_midnight() * 1_000 + time.nanosecond() / 1_000_000)
    }

    /// What chrono makes of an expectation: a date, a time, both with `T`, all with a distance from UTC after it.
    fn expected(text: &str) -> (Role, Parsed) {
        let (text, next_midnight) = (text.replace("24:00:00", "00:00:00"), text.contains("24:00:00"));
        let midnight = |time| if next_midnight { Some(86_400_000) } else { time };
        if let Ok(day) = text.parse::<NaiveDate>() {
            (Role::Date, Parsed { date: date(day), time: None, offset: None })
        } else if let Ok(clock) = text.parse::<NaiveTime>() {
            (Role::Time, Parsed { date: None, time: midnight(time(clock)), offset: None })
        } else if let Ok(both) = text.parse::<NaiveDateTime>() {
            (Role::Timestamp, Parsed { date: date(both.date()), time: midnight(time(both.time())), offset: None })
        } else {
            let both: DateTime<FixedOffset> = text.parse().unwrap();
            let (local, offset) = (both.naive_local(), Some(both.offset().local_minus_utc()));
            (Role::Timestamp, Parsed { date: date(local.date()), time: midnight(time(local.time())), offset })
        }
    }

    /// A format, a value, and the date, time or timestamp that it is.
    macro_rules! parses {
        ($($name:ident, $format:literal, $value:expr => $expected:literal;)*) => {$(
            #[test]
            fn $name() {
                let (role, expected) = expected($expected);
                assert_eq!(format($format, role).parse($value.as_ref()), Ok(expected));
            }
        )*};
    }

    parses! {
        // The examples of the product's documentation.
        day_first_two_digit_year, "D/M,YY", "13/1,22" => "2022-01-13";
        run_together_with_time, "DDMMYY hh-mm", "010122 09-15" => "2022-01-01T09:15:00";
        day_month_year_with_slashes, "DD/MM/YYYY", "25/05/2020" => "2020-05-25";
        hours_and_minutes, "hh:mm", "08:15" => "08:15:00";
        sql_timestamp, "YYYY-MM-DD hh:mm:ss", "2022-04-22 08:34:29" => "2022-04-22T08:34:29";
        // The forms of real exports.
        iso_date, "YYYY-MM-DD", "2021-02-03" => "2021-02-03";
        dotted_date, "DD.MM.YYYY", "03.02.2021" => "2021-02-03";
        short_month_name, "D-MMM-YY", "3-Feb-21" => "2021-02-03";
        hour_without_leading_zero, "h:mm", "9:07" => "09:07:00";
        hour_of_two_digits_by_one_letter, "h:mm", "17:07" => "17:07:00";
        month_first_without_leading_zeros, "M/D/YY", "2/13/25" => "2025-02-13";
        start_of_a_range, "hh:mm-hh:mm", "08:45-09:00" => "08:45:00";
        start_of_a_range_with_blanks, "hh:mm - hh:mm", "23:45 - 24:00" => "23:45:00";
        day_first_timestamp_hour_unpadded, "D/M/YY h:mm:ss", "4/11/25 7:05:09" => "2025-11-04T07:05:09";
        year_first_with_slashes, "YYYY/MM/DD", "2025/02/14" => "2025-02-14";
        day_fraction_of_a_second_grid, "spreadsheet", "0.38400462962963" => "09:12:58";
        // Components.
        one_letter_reads_leading_zeros_too, "D.M.YYYY", "03.02.2021" => "2021-02-03";
        month_name_in_full, "D MMMM YYYY", "3 September 2021" => "2021-09-03";
        month_name_in_any_case, "DD-MMM-YYYY", "03-sEP-2021" => "2021-09-03";
        full_name_where_the_short_is_asked, "MMM D, YYYY", "March 7, 2024" => "2024-03-07";
        short_name_where_the_full_is_asked, "MMMM D, YYYY", "Mar 7, 2024" => "2024-03-07";
        may_is_both, "D MMM YY", "1 May 24" => "2024-05-01";
        month_name_before_a_letter, "MMMTYYYYTDD", "SepT2024T01" => "2024-09-01";
        midnight_in_twelve_hours, "h:mm:ss A", "12:02:23 AM" => "00:02:23";
        noon_in_twelve_hours, "hh:mm A", "12:00 pm" => "12:00:00";
        morning_in_twelve_hours, "h:mm A", "1:05 a.m." => "01:05:00";
        evening_in_twelve_hours, "h:mmA", "11:59P.M." => "23:59:00";
        half_day_before_the_hour, "A h:mm", "PM 3:30" => "15:30:00";
        range_in_twelve_hours, "h:mm A - h:mm A", "11:45 AM - 12:00 PM" => "11:45:00";
        fraction_of_one_digit, "hh:mm:ss.f", "08:15:01.5" => "08:15:01.500";
        fraction_cut_to_milliseconds, "hh:mm:ss,f", "08:15:01,9999999" => "08:15:01.999";
        fraction_letter_repeated, "hh:mm:ss.fff", "08:15:01.042" => "08:15:01.042";
        offset_with_colon, "YYYY-MM-DD hh:mm X", "2024-03-31 02:45 +01:00" => "2024-03-31T02:45:00+01:00";
        offset_without_colon, "YYYY-MM-DD hh:mmX", "2024-03-31 02:45-0530" => "2024-03-31T02:45:00-05:30";
        offset_of_hours, "YYYY-MM-DD hh:mmX", "2024-03-31 02:45+14" => "2024-03-31T02:45:00+14:00";
        offset_zulu, "YYYY-MM-DD hh:mmX", "2024-03-31 02:45Z" => "2024-03-31T02:45:00Z";
        year_69_is_2069, "DDMMYY", "010169" => "2069-01-01";
        year_70_is_1970, "DDMMYY", "010170" => "1970-01-01";
        year_99_is_1999, "DDMMYY", "311299" => "1999-12-31";
        year_00_is_2000, "DDMMYY", "290200" => "2000-02-29";
        first_day, "YYYYMMDD", "19700101" => "1970-01-01";
        last_day, "YYYYMMDD", "20991231" => "2099-12-31";
        leap_day, "YYYYMMDD", "20240229" => "2024-02-29";
        hour_alone, "YYYY-MM-DD hh", "2024-03-31 05" => "2024-03-31T05:00:00";
        twenty_four_is_the_next_midnight, "hh:mm", "24:00" => "24:00:00";
        twenty_four_with_a_date, "YYYY-MM-DD h:mm:ss", "2024-03-31 24:00:00" => "2024-03-31T24:00:00";
        blanks_around, "DD/MM/YYYY", " \t25/05/2020  " => "2020-05-25";
        blanks_around_the_format, " DD/MM/YYYY ", "25/05/2020" => "2020-05-25";
        letters_as_separators, "YYYY-MM-DDThh:mm:ssZ", "2021-12-06T10:34:22Z" => "2021-12-06T10:34:22";
        separators_beyond_ascii, "YYYY年M月D日", "2024年3月7日" => "2024-03-07";
        // What a column is not for is only checked for its shape.
        date_of_a_spreadsheet_time, "DD/MM/YYYY hh:mm", "30/12/1899 08:15" => "08:15:00";
        time_in_a_column_of_dates, "YYYY-MM-DD hh:mm:ss", "2024-03-31 99:99:99" => "2024-03-31";
        end_of_a_range_of_dates, "DD/MM/YYYY-DD/MM/YYYY", "25/05/2020-99/99/9999" => "2020-05-25";
        // Named formats.
        iso8601_date, "iso8601", "2024-03-31" => "2024-03-31";
        iso8601_basic_date, "ISO8601", "20240331" => "2024-03-31";
        iso8601_date_with_a_time, "iso8601", "2024-03-31T02:45:00Z" => "2024-03-31";
        iso8601_without_seconds, "iso8601", "2024-03-31T02:45" => "2024-03-31T02:45:00";
        iso8601_with_a_blank, "iso8601", "2024-03-31 02:45:07" => "2024-03-31T02:45:07";
        iso8601_small_t_and_z, "iso8601", "2024-03-31t02:45:07z" => "2024-03-31T02:45:07Z";
        iso8601_fraction_with_comma, "iso8601", "2024-03-31T02:45:07,25" => "2024-03-31T02:45:07.250";
        iso8601_fraction_and_offset, "iso8601", "2024-03-31T02:45:07.0009+02:00" => "2024-03-31T02:45:07+02:00";
        iso8601_basic, "iso8601", "20240331T024507" => "2024-03-31T02:45:07";
        iso8601_basic_without_seconds, "iso8601", "20240331T0245-0330" => "2024-03-31T02:45:00-03:30";
        iso8601_offset_after_a_blank, "iso8601", "2024-03-31 02:45:07.000 +01:00" => "2024-03-31T02:45:07+01:00";
        iso8601_next_midnight, "iso8601", "2024-03-31T24:00:00" => "2024-03-31T24:00:00";
        iso8601_time_alone, "iso8601", "02:45:07.5" => "02:45:07.500";
        iso8601_time_of_a_timestamp, "iso8601", "1899-12-30T02:45:07" => "02:45:07";
        unix_seconds, "unix", "1711849500" => "2024-03-31T01:45:00Z";
        unix_fraction, "unix", "1711849500.1239" => "2024-03-31T01:45:00.123Z";
        unix_epoch, "unix", "0" => "1970-01-01T00:00:00Z";
        unix_milliseconds, "unix_ms", "1711849500042" => "2024-03-31T01:45:00.042Z";
        unix_last_millisecond, "unix_ms", "4102444799999" => "2099-12-31T23:59:59.999Z";
        // 2021-01-01 is day 44197 in every spreadsheet.
        spreadsheet_date, "spreadsheet", "44197" => "2021-01-01";
        spreadsheet_date_of_a_timestamp, "spreadsheet", "44197.75" => "2021-01-01";
        spreadsheet_timestamp, "spreadsheet", "44197.75" => "2021-01-01T18:00:00";
        spreadsheet_timestamp_with_comma, "spreadsheet", "44197,38400462963" => "2021-01-01T09:12:58";
        spreadsheet_whole_timestamp, "spreadsheet", "44197" => "2021-01-01T00:00:00";
        spreadsheet_time_of_a_timestamp, "spreadsheet", "44197.75" => "18:00:00";
        spreadsheet_midnight, "spreadsheet", "0" => "00:00:00";
        spreadsheet_next_midnight, "spreadsheet", "1" => "24:00:00";
        spreadsheet_nearly_next_midnight, "spreadsheet", "0.99999999999" => "24:00:00";
        spreadsheet_first_second, "spreadsheet", "1.15741E-05" => "00:00:01";
        spreadsheet_rounds_up_to_the_next_day, "spreadsheet", "44196.999999999999" => "2021-01-01T00:00:00";
        spreadsheet_nine_digits_shown, "spreadsheet", "0.384004630" => "09:12:58";
        spreadsheet_first_day, "spreadsheet", "25569" => "1970-01-01";
        spreadsheet_last_day, "spreadsheet", "73050.999" => "2099-12-31";
    }

    /// A role, a format and a value that it does not read.
    macro_rules! refuses {
        ($($name:ident, $role:ident, $format:literal, $value:expr => $error:ident;)*) => {$(
            #[test]
            fn $name() {
                assert_eq!(format($format, Role::$role).parse($value.as_ref()), Err(DateError::$error));
            }
        )*};
    }

    refuses! {
        nothing, Date, "DD/MM/YYYY", "" => Syntax;
        blanks_alone, Date, "DD/MM/YYYY", " \t " => Syntax;
        two_letters_want_two_digits, Date, "DD/MM/YYYY", "5/05/2020" => Syntax;
        one_letter_wants_at_most_two_digits, Time, "h:mm", "009:15" => Syntax;
        four_letters_want_four_digits, Date, "DD/MM/YYYY", "25/05/20" => Syntax;
        another_separator, Date, "DD/MM/YYYY", "25.05.2020" => Syntax;
        something_behind, Date, "DD/MM/YYYY", "25/05/2020 " .to_owned() + "x" => Syntax;
        time_behind_a_date, Date, "DD/MM/YYYY", "25/05/2020 08:00" => Syntax;
        range_without_its_end, Time, "hh:mm-hh:mm", "08:00" => Syntax;
        range_with_a_misshapen_end, Time, "hh:mm-hh:mm", "08:00-8:15" => Syntax;
        month_that_does_not_exist_by_name, Date, "D-MMM-YY", "1-Foo-21" => Syntax;
        month_name_cut_short, Date, "D-MMM-YY", "1-Ja" => Syntax;
        month_name_run_on, Date, "D-MMM-YY", "1-Janu-21" => Syntax;
        half_day_that_is_none, Time, "h:mm A", "8:15 XM" => Syntax;
        half_day_missing, Time, "h:mm A", "8:15" => Syntax;
        fraction_without_digits, Time, "hh:mm:ss.f", "08:15:00." => Syntax;
        offset_without_sign, Timestamp, "iso8601", "2024-03-31T02:45:00 01:00" => Syntax;
        offset_beyond_any_zone, Timestamp, "iso8601", "2024-03-31T02:45:00+18:01" => Syntax;
        offset_of_sixty_minutes, Timestamp, "iso8601", "2024-03-31T02:45:00+01:60" => Syntax;
        digits_of_another_script, Date, "DD/MM/YYYY", "٢٥/05/2020" => Syntax;
        no_break_space_in_latin_1, Date, "DD/MM/YYYY", b"\xA025/05/2020" => Syntax;
        // Fields that have their format, but cannot be.
        thirty_first_of_february, Date, "DD/MM/YYYY", "31/02/2020" => Impossible;
        thirty_first_of_april, Date, "DD/MM/YYYY", "31/04/2020" => Impossible;
        leap_day_of_another_year, Date, "DD/MM/YYYY", "29/02/2023" => Impossible;
        day_zero, Date, "DD/MM/YYYY", "00/05/2020" => Impossible;
        month_zero, Date, "DD/MM/YYYY", "25/00/2020" => Impossible;
        month_thirteen, Date, "DD/MM/YYYY", "05/25/2020" => Impossible;
        hour_twenty_five, Time, "hh:mm", "25:00" => Impossible;
        minute_sixty, Time, "hh:mm", "08:60" => Impossible;
        second_sixty, Time, "hh:mm:ss", "23:59:60" => Impossible;
        minute_past_twenty_four, Time, "hh:mm", "24:01" => Impossible;
        millisecond_past_twenty_four, Time, "hh:mm:ss.f", "24:00:00.001" => Impossible;
        hour_zero_of_twelve, Time, "h:mm A", "0:15 AM" => Impossible;
        hour_thirteen_of_twelve, Time, "h:mm A", "13:15 PM" => Impossible;
        iso8601_second_sixty, Timestamp, "iso8601", "2016-12-31T23:59:60Z" => Impossible;
        iso8601_second_of_february, Timestamp, "iso8601", "2024-02-30T08:00:00" => Impossible;
        negative_spreadsheet_time, Time, "spreadsheet", "-0.5" => Impossible;
        spreadsheet_time_beyond_all_dates, Time, "spreadsheet", "2958466.5" => Impossible;
        // Years.
        year_1969, Date, "DD/MM/YYYY", "31/12/1969" => OutOfRange;
        year_2100, Date, "DD/MM/YYYY", "01/01/2100" => OutOfRange;
        year_0000, Date, "DD/MM/YYYY", "01/01/0000" => OutOfRange;
        year_9999_for_open_ends, Timestamp, "iso8601", "9999-12-31T23:59:59" => OutOfRange;
        unix_before_1970, Timestamp, "unix", "-1" => OutOfRange;
        unix_milliseconds_read_as_seconds, Timestamp, "unix", "1711849500042" => OutOfRange;
        unix_endless, Timestamp, "unix", "99999999999999999999999999" => OutOfRange;
        unix_first_second_of_2100, Timestamp, "unix", "4102444800" => OutOfRange;
        spreadsheet_1969, Date, "spreadsheet", "25568.99" => OutOfRange;
        spreadsheet_2100, Date, "spreadsheet", "73051" => OutOfRange;
        spreadsheet_rounds_up_to_2100, Timestamp, "spreadsheet", "73050.9999999999" => OutOfRange;
        spreadsheet_fraction_as_a_timestamp, Timestamp, "spreadsheet", "0.5" => OutOfRange;
        spreadsheet_negative_date, Date, "spreadsheet", "-44197" => OutOfRange;
        // Named formats.
        iso8601_without_a_time, Timestamp, "iso8601", "2024-03-31" => NoTime;
        iso8601_date_in_a_column_of_times, Time, "iso8601", "2024-03-31" => NoTime;
        iso8601_time_without_a_date, Timestamp, "iso8601", "02:45:00" => Syntax;
        iso8601_separator_without_a_time, Timestamp, "iso8601", "2024-03-31T" => Syntax;
        iso8601_hour_alone, Timestamp, "iso8601", "2024-03-31T02" => Syntax;
        iso8601_half_extended, Date, "iso8601", "2024-0331" => Syntax;
        iso8601_trailing_separator, Timestamp, "iso8601", "2024-03-31T02:45:" => Syntax;
        unix_exponent, Timestamp, "unix", "1.7E+09" => Syntax;
        unix_text, Timestamp, "unix", "now" => Syntax;
        spreadsheet_large_exponent_has_lost_its_day, Timestamp, "spreadsheet", "4.42E+04" => Syntax;
        spreadsheet_thousands, Timestamp, "spreadsheet", "44.197,75" => Syntax;
        spreadsheet_point_alone, Time, "spreadsheet", "." => Syntax;
    }

    /// A role, a format that cannot be, and the reason.
    macro_rules! faults {
        ($($name:ident, $role:ident, $format:literal => $fault:expr;)*) => {$(
            #[test]
            fn $name() {
                let error = Format::compile($format, Role::$role, Encoding::Iso8859_1).unwrap_err();
                assert_eq!(error, FormatError::new($format, $fault));
            }
        )*};
    }

    faults! {
        empty_format, Date, "" => Fault::NoToken;
        literals_alone, Timestamp, "9/9 to 9" => Fault::NoToken;
        misspelled_name, Date, "iso-8601" => Fault::NoDay;
        small_letters_for_the_date, Timestamp, "yyyy-MM-dd hh:mm" => Fault::NoDay;
        small_letters_for_the_year, Date, "DD/MM/yyyy" => Fault::NoYear;
        small_letters_for_the_month, Date, "DD/mm/YYYY" => Fault::NoMonth;
        capitals_for_the_hour, Time, "HH:mm" => Fault::NoHour;
        capitals_for_the_minute, Time, "hh:MM" => Fault::MonthForMinute;
        capitals_for_the_minute_of_a_timestamp, Timestamp, "DD/MM/YYYY hh:MM:ss" => Fault::MonthForMinute;
        seconds_without_minutes, Time, "hh ss" => Fault::NoMinute;
        timestamp_without_a_time, Timestamp, "DD/MM/YYYY" => Fault::NoHour;
        minutes_and_seconds_are_no_time_of_day, Time, "mm:ss" => Fault::NoHour;
        half_day_without_an_hour, Date, "DD/MM/YYYY A" => Fault::HalfDayWithoutHour;
        fraction_before_the_second, Time, "hh:mm.f" => Fault::FractionWithoutSecond;
        year_of_one_letter, Date, "DD/MM/Y" => Fault::UnknownToken("Y".to_owned());
        year_of_five_letters, Date, "DD/MM/YYYYY" => Fault::UnknownToken("YYYYY".to_owned());
        hour_of_three_letters, Time, "hhh:mm" => Fault::UnknownToken("hhh".to_owned());
        conversion_specifiers, Date, "%d.%m.%Y" => Fault::UnknownToken("Y".to_owned());
        unix_as_a_date, Date, "unix" => Fault::TimestampsOnly("unix");
        unix_ms_as_a_time, Time, "unix_ms" => Fault::TimestampsOnly("unix_ms");
        separator_that_the_encoding_lacks, Date, "D→M→YYYY" => Fault::Unencodable('→', Encoding::Iso8859_1);
    }

    #[test]
    fn faults_say_what_to_write() {
        let error = Format::compile("HH:mm", Role::Time, Encoding::Utf8).unwrap_err();
        let expected = "format \"HH:mm\": no hour, so no time of day: write `h` or `hh`, in small letters";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn separators_are_those_of_the_encoding() {
        let format = Format::compile("D·M·YYYY", Role::Date, Encoding::Iso8859_1).unwrap();
        assert_eq!(format.parse(b"25\xB75\xB72020"), Ok(expected("2020-05-25").1));
        assert_eq!(format.parse("25·5·2020".as_bytes()), Err(DateError::Syntax));
    }

    fn instant(text: &str) -> Result<Moment, DateError> {
        Ok(Moment::Instant(text.parse().unwrap()))
    }

    #[test]
    fn timestamps_are_local_unless_they_name_their_offset() {
        let read = |value: &str| format("iso8601", Role::Timestamp).parse(value.as_bytes())?.moment();
        let local = 1_711_853_100_000; // what a clock in UTC shows at this instant: date -ud 2024-03-31T02:45 +%s000
        assert_eq!(read("2024-03-31T02:45"), Ok(Moment::Local(local)));
        assert_eq!(read("2024-03-31T02:45+02:00"), instant("2024-03-31T00:45:00Z"));
        assert_eq!(read("2024-03-31T02:45-05:30"), instant("2024-03-31T08:15:00Z"));
        assert_eq!(read("2024-03-31T24:00Z"), instant("2024-04-01T00:00:00Z"));
        assert_eq!(read("2099-12-31T24:00"), Err(DateError::OutOfRange));
        assert_eq!(read("1970-01-01T00:59+01:00"), Err(DateError::OutOfRange));
        assert_eq!(read("2099-12-31T23:00-01:00"), Err(DateError::OutOfRange));
    }

    #[test]
    fn dates_and_times_of_two_columns_meet() {
        let day = format("iso8601", Role::Date).parse(b"2024-03-31T00:00:00Z").unwrap();
        let at = |text, value: &str| day.at(format(text, Role::Time).parse(value.as_bytes()).unwrap());
        assert_eq!(at("hh:mm", "02:45"), Ok(Moment::Local(1_711_853_100_000)));
        assert_eq!(at("hh:mm", "24:00"), Ok(Moment::Local(1_711_929_600_000)));
        assert_eq!(at("spreadsheet", "0.125"), Ok(Moment::Local(1_711_854_000_000)));
        assert_eq!(at("hh:mmX", "02:45+02"), instant("2024-03-31T00:45:00Z"));
        assert_eq!(day.at(day), Err(DateError::NoTime));
        assert_eq!(day.moment(), Err(DateError::NoTime));
    }

    #[test]
    fn one_spreadsheet_cell_in_both_columns_is_the_timestamp() {
        for cell in ["44197", "44197.75", "44196.9999999999999", "44197.000000001", "44197,99999"] {
            let read = |role| format("spreadsheet", role).parse(cell.as_bytes()).unwrap();
            assert_eq!(read(Role::Date).at(read(Role::Time)), read(Role::Timestamp).moment(), "{cell}");
        }
    }

    #[test]
    fn the_first_format_that_reads_a_value_counts() {
        let formats = Formats::compile(["D/M/YYYY", "M/D/YYYY", "YYYY-MM-DD"], Role::Date, Encoding::Utf8).unwrap();
        for (value, day) in [
            ("25/5/2020", "2020-05-25"),
            ("5/25/2020", "2020-05-25"),
            ("4/5/2020", "2020-05-04"),
            ("2020-05-04", "2020-05-04"),
        ] {
            assert_eq!(formats.parse(value.as_bytes()), Ok(expected(day).1), "{value}");
        }
        assert_eq!(formats.parse(b"5.4.2020"), Err(DateError::Syntax));
        assert_eq!(formats.parse(b"31/31/2020"), Err(DateError::Impossible));
        assert_eq!(formats.parse(b"1/5/1960"), Err(DateError::OutOfRange));
        assert!(Formats::compile([], Role::Date, Encoding::Utf8).is_err());
        assert!(Formats::compile(["D/M/YYYY", "?"], Role::Date, Encoding::Utf8).is_err());
    }

    #[test]
    fn errors_become_rules() {
        for (error, rule) in [
            (DateError::Syntax, Rule::Date),
            (DateError::NoTime, Rule::Date),
            (DateError::Impossible, Rule::Date),
            (DateError::OutOfRange, Rule::DateRange),
        ] {
            assert_eq!(error.rule(), rule);
        }
    }

    #[test]
    fn every_day_of_the_calendar_is_that_of_chrono() {
        let format = format("YYYYMMDD", Role::Date);
        let first = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let (mut read, mut possible) = (0, 0);
        for day in 0..i32::MAX {
            let date = first + Days::new(u64::try_from(day).unwrap());
            if date.year() == 2100 {
                break;
            }
            assert_eq!(format.parse(date.format("%Y%m%d").to_string().as_bytes()).unwrap().date, Some(day), "{date}");
            read += 1;
        }
        for year in 1970..2100 {
            for (month, day) in (1..=12).flat_map(|month| (1..=31).map(move |day| (month, day))) {
                let text = format!("{year}{month:02}{day:02}");
                let exists = NaiveDate::from_ymd_opt(year, month, day).is_some();
                assert_eq!(format.parse(text.as_bytes()).is_ok(), exists, "{text}");
                possible += i32::from(exists);
            }
        }
        assert_eq!((read, possible), (47_482, 47_482));
    }

    /// A token, how chrono prints it, whether it may stand right before a digit.
    type Token = (&'static str, &'static str);

    fn one_of(tokens: &'static [Token]) -> impl Strategy<Value = Token> {
        prop::sample::select(tokens)
    }

    prop_compose! {
        /// A format and its twin for chrono, of a date and a time in any order, with separators that end numbers.
        fn timestamps()(
            mut date in (
                one_of(&[("D", "%-d"), ("DD", "%d")]),
                one_of(&[("M", "%-m"), ("MM", "%m"), ("MMM", "%b"), ("MMMM", "%B"), ("MMM", "%B"), ("MMMM", "%b")]),
                Just(("YYYY", "%Y")),
            ).prop_map(|(day, month, year)| vec![day, month, year]).prop_shuffle(),
            hour in one_of(&[("h", "%-H"), ("hh", "%H"), ("A h", "%p %-I"), ("a.hh A", "a.%I %P")]),
            minute in one_of(&[("m", "%-M"), ("mm", "%M")]),
            second in one_of(&[("s", "%-S"), ("ss", "%S")]),
            rest in one_of(&[(".f", "%.3f"), (",f X", ",%3f %:z"), (".fX", "%.9f%z"), (".f - h:mm", "%.6f - %-H:%M")]),
            date_first in any::<bool>(),
            separators in prop::collection::vec(prop::sample::select(&["/", "-", ".", " ", ":", "T", "|", " / ", "年"][..]), 6),
        ) -> (String, String) {
            let mut time = vec![hour, minute, second];
            if date_first {
                date.append(&mut time);
            } else {
                time.append(&mut date);
                date = time;
            }
            let (mut ours, mut chronos) = (String::new(), String::new());
            for ((token, specifier), separator) in date.iter().zip(&separators) {
                // A fraction belongs right behind the second.
                let tail = if token.starts_with('s') { rest } else { ("", "") };
                ours.extend([token, tail.0, separator]);
                chronos.extend([specifier, tail.1, separator]);
            }
            // No blank is left at the end, which would be trimmed.
            ours.push('.');
            chronos.push('.');
            (ours, chronos)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_chrono_prints_reads_back(
            (ours, chronos) in timestamps(),
            millis in 0_i64..4_102_444_800_000,
            offset_minutes in -18 * 60..=18 * 60_i32,
        ) {
            let offset = FixedOffset::east_opt(offset_minutes * 60).unwrap();
            let local = DateTime::from_timestamp_millis(millis).unwrap().naive_utc();
            let printed = local.and_local_timezone(offset).unwrap().format(&chronos).to_string();
            let parsed = format(&ours, Role::Timestamp).parse(printed.as_bytes());
            let offset = ours.contains('X').then_some(offset_minutes * 60);
            let expected = Parsed { date: date(local.date()), time: time(local.time()), offset };
            prop_assert_eq!(parsed, Ok(expected), "{} reads {}", ours, printed);
        }

        #[test]
        fn what_chrono_prints_in_iso_8601_reads_back(millis in 0_i64..4_102_444_800_000) {
            let instant = DateTime::from_timestamp_millis(millis).unwrap();
            let moment = Ok(Moment::Instant(Timestamp::from_millis(millis)));
            let read = |name, text: String| format(name, Role::Timestamp).parse(text.as_bytes())?.moment();
            prop_assert_eq!(read("iso8601", instant.to_rfc3339()), moment);
            prop_assert_eq!(read("iso8601", instant.format("%Y%m%dT%H%M%S%.3fZ").to_string()), moment);
            prop_assert_eq!(read("unix", instant.format("%s%.3f").to_string()), moment);
            prop_assert_eq!(read("unix_ms", millis.to_string()), moment);
        }

        #[test]
        fn spreadsheet_numbers_are_exact_to_the_millisecond(millis in 0_i64..4_102_444_800_000) {
            let serial = (i128::from(millis) + 25_569 * 86_400_000) * 10_i128.pow(12) / 86_400_000;
            let text = format!("{}.{:012}", serial / 10_i128.pow(12), serial % 10_i128.pow(12));
            let parsed = format("spreadsheet", Role::Timestamp).parse(text.as_bytes());
            prop_assert_eq!(parsed.and_then(Parsed::moment), Ok(Moment::Local(millis)), "{}", text);
        }

        #[test]
        fn the_last_value_changes_nothing(values in prop::collection::vec("[0-3]?[0-9]/[01]?[0-9]/20[0-9]{2,40}|", 1..20)) {
            let formats = Formats::compile(["DD/MM/YYYY", "M/D/YYYY"], Role::Date, Encoding::Utf8).unwrap();
            let mut last_seen = LastSeen::new(formats.clone());
            for value in values.iter().flat_map(|value| [value, value]) {
                prop_assert_eq!(last_seen.parse(value.as_bytes()), formats.parse(value.as_bytes()));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            text in "([DMYhmsAfX]{1,4}|.){0,9}|iso8601|unix|unix_ms|spreadsheet",
            value in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "[-+0-9:./TZ ]{0,30}".prop_map(String::into_bytes)],
        ) {
            for role in [Role::Date, Role::Time, Role::Timestamp] {
                if let Ok(format) = Format::compile(&text, role, Encoding::Utf8)
                    && let Ok(parsed) = format.parse(&value)
                {
                    prop_assert_eq!((parsed.date.is_some(), parsed.time.is_some()), (role.has_date(), role.has_time()));
                    prop_assert!(parsed.date.is_none_or(|date| (0..END_OF_DATES).contains(&date)));
                    prop_assert!(parsed.time.is_none_or(|time| time <= DAY_MILLIS));
                }
            }
        }
    }
}
