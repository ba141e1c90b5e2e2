//! The other values of a field: counts, durations and channels.
//!
//! Bytes in, exact values out, nothing allocated. Blanks around a value do not matter; an empty field is no value, the
//! reader looks for it before.

use injixo_core::model::{Channel, Millis, Quantity, QuantityError, Rule};

use crate::datetime::{Cursor, Fault, Format, FormatError, Role, trim};
use crate::encoding::Encoding;

/// Why a field is no count, duration or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueError {
    /// No [`Quantity`], and no flag.
    Quantity(QuantityError),
    /// No duration.
    Duration(DurationError),
    /// None of the six channels.
    Channel,
}

impl ValueError {
    /// The rule that a row with such a field violates.
    pub(crate) const fn rule(self) -> Rule {
        match self {
            Self::Quantity(_) => Rule::Quantity,
            Self::Duration(_) => Rule::Duration,
            Self::Channel => Rule::Channel,
        }
    }
}

/// Why a field is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DurationError {
    /// It does not have the format.
    Syntax,
    /// It has the format, but 60 or more minutes of an hour or seconds of a minute.
    Impossible,
    /// Below zero.
    Negative,
    /// Above [`MAX_DURATION`].
    TooLarge,
}

impl From<DurationError> for ValueError {
    fn from(error: DurationError) -> Self {
        Self::Duration(error)
    }
}

/// The longest duration that a row may carry: 366 days.
pub(crate) const MAX_DURATION: Millis = Millis::from_mins(366 * 24 * 60);

/// Reads a count: a whole number, a decimal with a point, or a flag for one contact (`Y` and `N`, `yes` and `no`, `true`
/// and `false`, in any case).
///
/// # Errors
///
/// [`ValueError::Quantity`] for anything else.
pub(crate) fn count(value: &[u8]) -> Result<Quantity, ValueError> {
    let value = trim(value);
    let is = |words: [&str; 3]| words.into_iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    match Quantity::parse(value) {
        Ok(count) => Ok(count),
        Err(_) if is(["y", "yes", "true"]) => Ok(Quantity::ONE),
        Err(_) if is(["n", "no", "false"]) => Ok(Quantity::ZERO),
        Err(error) => Err(ValueError::Quantity(error)),
    }
}

/// Reads a channel in its wire spelling.
///
/// # Errors
///
/// [`ValueError::Channel`] for anything else; case matters.
pub(crate) fn channel(value: &[u8]) -> Result<Channel, ValueError> {
    let value = trim(value);
    Channel::ALL.into_iter().find(|channel| channel.as_str().as_bytes() == value).ok_or(ValueError::Channel)
}

/// The handle time of `handled` contacts of `aht` each, to the nearest millisecond. `None` where no [`Millis`] holds it.
pub(crate) fn total(aht: Millis, handled: Quantity) -> Option<Millis> {
    let one = i128::from(Quantity::ONE.micros());
    let product = i128::from(aht.get()) * i128::from(handled.micros());
    let nearest = (product + one / 2).div_euclid(one);
    i64::try_from(nearest).ok().map(Millis::new)
}

/// How a duration is written.
///
/// | format | reads |
/// | --- | --- |
/// | none | a number of seconds, or `h:mm:ss` |
/// | `seconds`, `milliseconds`, `minutes` | a whole number or a decimal with a point |
/// | `spreadsheet` | a fraction of a day, with point or comma |
/// | `h:mm:ss`, `mm:ss`, `h:mm`, … | tokens as in a time of day. The first takes any number of digits and any value, the others stay below 60; seconds may have a fraction |
/// | `hh:mm:ss A`, … | a time of day, which is how spreadsheets print a duration: `12:02:23 AM` is 143 seconds |
///
/// Everything is rounded to the nearest millisecond.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DurationFormat(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    SecondsOrClock,
    Unit(u64),
    Spreadsheet,
    Elapsed(Elapsed<Box<[Part]>>),
    TimeOfDay(Format),
}

impl DurationFormat {
    /// Compiles `text` for a column of a file in `encoding`. Without a format there is [`default`](Self::default).
    ///
    /// # Errors
    ///
    /// [`FormatError`] for a text that is neither a name nor made of tokens from larger to smaller.
    pub(crate) fn compile(text: &str, encoding: Encoding) -> Result<Self, FormatError> {
        let text = text.trim_matches([' ', '\t']);
        let kind = match text.to_ascii_lowercase().as_str() {
            "seconds" => Kind::Unit(1_000),
            "milliseconds" => Kind::Unit(1),
            "minutes" => Kind::Unit(60_000),
            "spreadsheet" => Kind::Spreadsheet,
            _ if text.contains('A') => Kind::TimeOfDay(Format::compile(text, Role::Time, encoding)?),
            _ => Kind::Elapsed(Elapsed::compile(text, encoding).map_err(|fault| FormatError::new(text, fault))?),
        };
        Ok(Self(kind))
    }

    /// Reads `value`, which must be all in this format but for blanks around it.
    ///
    /// # Errors
    ///
    /// [`ValueError::Duration`] says what is wrong.
    pub(crate) fn parse(&self, value: &[u8]) -> Result<Millis, ValueError> {
        let value = trim(value);
        let (negative, magnitude) = match value {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, value),
        };
        if matches!(magnitude, [b'-' | b'+', ..]) {
            return Err(DurationError::Syntax.into());
        }
        let millis = self.magnitude(magnitude)?;
        if negative && millis > 0 {
            return Err(DurationError::Negative.into());
        }
        let duration = Millis::new(i64::try_from(millis).unwrap_or(i64::MAX));
        if duration > MAX_DURATION { Err(DurationError::TooLarge.into()) } else { Ok(duration) }
    }

    fn magnitude(&self, value: &[u8]) -> Result<u64, DurationError> {
        let number = |unit: u64| Decimal::parse(value, b".").map(|number| number.times_rounded(unit));
        match &self.0 {
            Kind::SecondsOrClock if value.contains(&b':') => CLOCK.parse(value),
            Kind::SecondsOrClock => number(1_000).ok_or(DurationError::Syntax),
            Kind::Unit(unit) => number(*unit).ok_or(DurationError::Syntax),
            Kind::Spreadsheet => {
                Decimal::parse_scientific(value).map(|days| days.times_rounded(DAY_MILLIS)).ok_or(DurationError::Syntax)
            }
            Kind::Elapsed(elapsed) => elapsed.parse(value),
            Kind::TimeOfDay(format) => {
                let time = format.parse(value).ok().and_then(|parsed| parsed.time);
                time.map(u64::from).ok_or(DurationError::Syntax)
            }
        }
    }
}

const DAY_MILLIS: u64 = 86_400_000;
const HOUR: u64 = 3_600_000;
const MINUTE: u64 = 60_000;
const SECOND: u64 = 1_000;

/// `h:mm:ss`, with any number of hours and maybe a fraction.
const CLOCK: Elapsed<[Part; 5]> = Elapsed {
    parts: [Part::Leading(HOUR), Part::Literal(b':'), Part::Two(MINUTE), Part::Literal(b':'), Part::Two(SECOND)],
    fraction: true,
};

/// A duration of several components, compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Elapsed<P> {
    parts: P,
    /// Whether a fraction may follow.
    fraction: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(u8),
    /// The largest component: one or more digits.
    Leading(u64),
    Two(u64),
    OneOrTwo(u64),
    /// Digits after the point.
    Fraction,
}

impl Elapsed<Box<[Part]>> {
    fn compile(text: &str, encoding: Encoding) -> Result<Self, Fault> {
        let mut parts = Vec::new();
        let mut unit = None;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let run = rest.len() - rest.trim_start_matches(first).len();
            let is_token = matches!(first, 'D' | 'M' | 'Y' | 'h' | 'm' | 's' | 'f' | 'X');
            let token = if is_token { &rest[..run] } else { &rest[..first.len_utf8()] };
            let (larger, next) = match token {
                "h" | "hh" => (None, HOUR),
                "m" | "mm" => (Some(HOUR), MINUTE),
                "s" | "ss" => (Some(MINUTE), SECOND),
                _ if first == 'f' => (Some(SECOND), 1),
                _ if is_token && matches!(first, 'h' | 'm' | 's') => return Err(Fault::UnknownToken(token.to_owned())),
                _ if is_token => return Err(Fault::NoDurationThere(first)),
                literal => {
                    let bytes = encoding.encode(literal).ok_or(Fault::Unencodable(first, encoding))?;
                    parts.extend(bytes.into_iter().map(Part::Literal));
                    rest = &rest[token.len()..];
                    continue;
                }
            };
            // Each component is of the unit below the one before it; the first may be any, but for a fraction.
            if (unit.is_some() && unit != larger) || (unit.is_none() && first == 'f') {
                return Err(Fault::NoDurationThere(first));
            }
            parts.push(match (unit, run) {
                _ if first == 'f' => Part::Fraction,
                (None, _) => Part::Leading(next),
                (Some(_), 1) => Part::OneOrTwo(next),
                (Some(_), _) => Part::Two(next),
            });
            unit = Some(next);
            rest = &rest[token.len()..];
        }
        if unit.is_none() {
            return Err(Fault::NoDurationToken);
        }
        let last = parts.last();
        let fraction = matches!(last, Some(Part::Leading(SECOND) | Part::Two(SECOND) | Part::OneOrTwo(SECOND)));
        Ok(Self { parts: parts.into(), fraction })
    }
}

impl<P: AsRef<[Part]>> Elapsed<P> {
    fn parse(&self, value: &[u8]) -> Result<u64, DurationError> {
        let mut cursor = Cursor(value);
        let (millis, below_60) = self.read(&mut cursor).ok_or(DurationError::Syntax)?;
        if !cursor.is_empty() {
            return Err(DurationError::Syntax);
        }
        if below_60 { Ok(millis) } else { Err(DurationError::Impossible) }
    }

    /// The milliseconds, and whether the smaller components are below 60.
    fn read(&self, cursor: &mut Cursor<'_>) -> Option<(u64, bool)> {
        let mut millis = 0_u64;
        let mut below_60 = true;
        for &part in self.parts.as_ref() {
            let (number, unit) = match part {
                Part::Literal(byte) => {
                    cursor.literal(byte)?;
                    continue;
                }
                Part::Leading(unit) => (whole(cursor)?, unit),
                Part::Two(unit) => (u64::try_from(cursor.two()?).ok()?, unit),
                Part::OneOrTwo(unit) => (u64::try_from(cursor.one_or_two()?).ok()?, unit),
                Part::Fraction => (fraction(cursor)?, 1),
            };
            below_60 &= number < 60 || matches!(part, Part::Leading(_) | Part::Fraction);
            millis = millis.saturating_add(number.saturating_mul(unit));
        }
        if self.fraction && cursor.skip(b".,") {
            millis = millis.saturating_add(fraction(cursor)?);
        }
        Some((millis, below_60))
    }
}

/// One or more digits; what no `u64` holds stops at its largest.
fn whole(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut number = digit(cursor)?;
    while let Some(digit) = digit(cursor) {
        number = number.saturating_mul(10).saturating_add(digit);
    }
    Some(number)
}

/// One or more digits after the point, as milliseconds, the fourth one rounding.
fn fraction(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut millis = digit(cursor)? * 100;
    let mut places = 1;
    while let Some(digit) = digit(cursor) {
        places += 1;
        millis += match places {
            2 => digit * 10,
            3 => digit,
            4 => u64::from(digit >= 5),
            _ => 0,
        };
    }
    Some(millis)
}

fn digit(cursor: &mut Cursor<'_>) -> Option<u64> {
    cursor.digit().and_then(|digit| u64::try_from(digit).ok())
}

/// A number with up to eighteen decimal places; further ones are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    /// The digits before the point; what no `u64` holds stops at its largest.
    whole: u64,
    /// The digits after the point, of which there are `places`.
    fraction: u64,
    places: u32,
}

impl Decimal {
    const MAX_PLACES: u32 = 18;

    /// Reads a sign, digits, one of `points` and digits; there must be digits somewhere, all else may be absent.
    pub(crate) fn parse(text: &[u8], points: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(text);
        let negative = cursor.skip(b"-");
        if !negative {
            cursor.skip(b"+");
        }
        let before = whole(&mut cursor);
        let (mut fraction, mut places, mut any) = (0, 0, before.is_some());
        if cursor.skip(points) {
            while let Some(digit) = digit(&mut cursor) {
                any = true;
                if places < Self::MAX_PLACES {
                    fraction = fraction * 10 + digit;
                    places += 1;
                }
            }
        }
        (any && cursor.is_empty()).then_some(Self { negative, whole: before.unwrap_or(0), fraction, places })
    }

    /// Reads a number as spreadsheets print it: with point or comma, and a small one as `1.15741E-05`.
    ///
    /// A positive exponent is refused: so printed, a large number has lost the digits that mattered.
    pub(crate) fn parse_scientific(text: &[u8]) -> Option<Self> {
        const POINTS: &[u8] = b".,";
        let Some(at) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else {
            return Self::parse(text, POINTS);
        };
        let mut number = Self::parse(&text[..at], POINTS)?;
        let mut cursor = Cursor(&text[at + 1..]);
        cursor.literal(b'-')?;
        let exponent = whole(&mut cursor).filter(|_| cursor.is_empty())?;
        for _ in 0..exponent.min(64) {
            number.divide_by_ten();
        }
        Some(number)
    }

    fn divide_by_ten(&mut self) {
        let moved = self.whole % 10;
        self.whole /= 10;
        if self.places == Self::MAX_PLACES {
            self.fraction /= 10;
            self.places -= 1;
        }
        self.fraction += moved * 10_u64.pow(self.places);
        self.places += 1;
    }

    pub(crate) const fn is_zero(&self) -> bool {
        self.whole == 0 && self.fraction == 0
    }

    /// `unit` times the magnitude, to the nearest whole; what no `u64` holds stops at its largest.
    pub(crate) fn times_rounded(&self, unit: u64) -> u64 {
        self.times(unit, true)
    }

    /// `unit` times the magnitude, cut to a whole; what no `u64` holds stops at its largest.
    pub(crate) fn times_cut(&self, unit: u64) -> u64 {
        self.times(unit, false)
    }

    fn times(&self, unit: u64, rounded: bool) -> u64 {
        let whole = self.whole.saturating_mul(unit);
        if self.fraction == 0 {
            return whole;
        }
        let one = 10_u64.pow(self.places);
        let half = if rounded { one / 2 } else { 0 };
        // Wide division is slow, and hardly any number needs it.
        let part = match self.fraction.checked_mul(unit).and_then(|product| product.checked_add(half)) {
            Some(product) => product / one,
            None => {
                let product = u128::from(self.fraction) * u128::from(unit) + u128::from(half);
                u64::try_from(product / u128::from(one)).unwrap_or(u64::MAX)
            }
        };
        whole.saturating_add(part)
    }
}
