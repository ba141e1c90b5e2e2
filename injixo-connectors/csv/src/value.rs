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

    /// How many milliseconds one of a whole number stands for; `None` where digits alone are no duration.
    pub(crate) const fn unit_of_digits(&self) -> Option<u64> {
        match self.0 {
            Kind::SecondsOrClock => Some(SECOND),
            Kind::Unit(unit) => Some(unit),
            Kind::Spreadsheet | Kind::Elapsed(_) | Kind::TimeOfDay(_) => None,
        }
    }

    /// Whether hours, minutes and seconds with colons between them are a duration.
    pub(crate) fn is_clock(&self) -> bool {
        match &self.0 {
            Kind::SecondsOrClock => true,
            Kind::Elapsed(elapsed) => *elapsed.parts == CLOCK.parts,
            Kind::Unit(_) | Kind::Spreadsheet | Kind::TimeOfDay(_) => false,
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn duration(format: &str, value: &[u8]) -> Result<i64, DurationError> {
        let format = match format {
            "" => DurationFormat::default(),
            text => DurationFormat::compile(text, Encoding::Utf8).unwrap_or_else(|error| panic!("{error}")),
        };
        match format.parse(value) {
            Ok(duration) => Ok(duration.get()),
            Err(ValueError::Duration(error)) => Err(error),
            Err(error) => panic!("{error:?} for a duration"),
        }
    }

    /// A format, a value and its milliseconds.
    macro_rules! lasts {
        ($($name:ident, $format:literal, $value:literal => $millis:expr;)*) => {$(
            #[test]
            fn $name() {
                assert_eq!(duration($format, $value.as_bytes()), Ok($millis));
            }
        )*};
    }

    lasts! {
        whole_seconds, "", "230" => 230_000;
        no_time_at_all, "", "0" => 0;
        seconds_with_a_point, "", "124.6" => 124_600;
        seconds_rounded_up, "", "0.0005" => 1;
        seconds_rounded_down, "", "0.00049999999999999999999999" => 0;
        point_first, "", ".5" => 500;
        plus_sign, "", "+7" => 7_000;
        negative_zero, "", "-0" => 0;
        blanks_around, "", " 230\t" => 230_000;
        clock_without_leading_zero, "", "0:02:23" => 143_000;
        clock_with_leading_zero, "", "00:02:23" => 143_000;
        clock_beyond_a_day, "", "100:00:01" => 360_001_000;
        clock_with_a_fraction, "", "0:00:59.9996" => 60_000;
        clock_with_a_comma, "", "0:00:01,25" => 1_250;
        longest, "", "31622400" => 31_622_400_000;
        longest_by_clock, "", "8784:00:00" => 31_622_400_000;
        named_seconds, "seconds", "1.5" => 1_500;
        named_milliseconds, "milliseconds", "1500" => 1_500;
        named_milliseconds_rounded, "milliseconds", "1500.5" => 1_501;
        named_minutes, "Minutes", "2.5" => 150_000;
        third_of_a_minute, "minutes", "0.3333333333333333" => 20_000;
        fraction_of_a_day, "spreadsheet", "0.00165509259259259" => 143_000;
        fraction_of_a_day_with_comma, "spreadsheet", "0,5" => 43_200_000;
        small_fraction_of_a_day, "spreadsheet", "1.15740740740741E-05" => 1_000;
        days, "spreadsheet", "1.5" => 129_600_000;
        explicit_clock, "h:mm:ss", "0:11:32" => 692_000;
        explicit_clock_of_two_digits, "hh:mm:ss", "123:00:07" => 442_807_000;
        explicit_clock_with_a_fraction, "h:mm:ss", "0:00:01.5" => 1_500;
        explicit_fraction, "h:mm:ss.f", "0:00:01.5" => 1_500;
        minutes_and_seconds, "mm:ss", "02:23" => 143_000;
        minutes_beyond_an_hour, "mm:ss", "125:30" => 7_530_000;
        minutes_and_short_seconds, "m:s", "2:3" => 123_000;
        hours_and_minutes, "h:mm", "1:30" => 5_400_000;
        units_beyond_the_tokens, "h Std. mm'", "1 Std. 30'" => 5_400_000;
        after_midnight_means_elapsed, "hh:mm:ss A", "12:02:23 AM" => 143_000;
        after_midnight_of_one_letter, "h:mm:ss A", "1:00:00 am" => 3_600_000;
        after_noon_means_elapsed, "h:mm:ss A", "12:00:01 PM" => 43_201_000;
    }

    /// A format, a value that it does not read, and why.
    macro_rules! refuses {
        ($($name:ident, $format:literal, $value:literal => $error:ident;)*) => {$(
            #[test]
            fn $name() {
                assert_eq!(duration($format, $value.as_bytes()), Err(DurationError::$error));
            }
        )*};
    }

    refuses! {
        nothing, "", "" => Syntax;
        text, "", "n/a" => Syntax;
        point_alone, "", "." => Syntax;
        decimal_comma, "", "1,5" => Syntax;
        exponent, "", "1e3" => Syntax;
        two_signs, "", "--1" => Syntax;
        minutes_and_seconds_unasked, "", "02:23" => Syntax;
        clock_with_short_minutes, "", "0:2:23" => Syntax;
        clock_without_hours, "", ":02:23" => Syntax;
        clock_with_more, "", "0:02:23:00" => Syntax;
        clock_with_a_point_alone, "", "0:02:23." => Syntax;
        clock_where_seconds_are_asked, "seconds", "0:02:23" => Syntax;
        seconds_where_a_clock_is_asked, "h:mm:ss", "143" => Syntax;
        hours_where_minutes_are_asked, "mm:ss", "0:02:23" => Syntax;
        fraction_missing, "h:mm:ss.f", "0:02:23" => Syntax;
        half_day_missing, "h:mm:ss A", "0:02:23" => Syntax;
        sixty_minutes, "", "0:60:00" => Impossible;
        sixty_seconds, "", "0:00:60" => Impossible;
        sixty_seconds_by_format, "m:s", "1:60" => Impossible;
        negative, "", "-1" => Negative;
        negative_fraction, "", "-0.5" => Negative;
        negative_clock, "", "-0:00:01" => Negative;
        negative_day, "spreadsheet", "-0.5" => Negative;
        one_millisecond_too_long, "milliseconds", "31622400001" => TooLarge;
        one_second_too_long, "", "8784:00:01" => TooLarge;
        endless, "", "99999999999999999999999999999999" => TooLarge;
        endless_clock, "", "99999999999999999999999999999999:00:00" => TooLarge;
        endless_days, "spreadsheet", "99999999999999999999,9" => TooLarge;
    }

    #[test]
    fn formats_that_cannot_be_say_why() {
        let fault = |text: &str, encoding| DurationFormat::compile(text, encoding).unwrap_err();
        for (text, expected) in [
            ("", Fault::NoDurationToken),
            ("-:-", Fault::NoDurationToken),
            ("ss:mm", Fault::NoDurationThere('m')),
            ("hh:ss", Fault::NoDurationThere('s')),
            ("mm:mm", Fault::NoDurationThere('m')),
            ("h:MM:ss", Fault::NoDurationThere('M')),
            ("DD/MM/YYYY", Fault::NoDurationThere('D')),
            ("f", Fault::NoDurationThere('f')),
            ("hhh:mm", Fault::UnknownToken("hhh".to_owned())),
            ("mm:ss A", Fault::NoHour),
            ("h→mm", Fault::Unencodable('→', Encoding::Windows1252)),
        ] {
            assert_eq!(fault(text, Encoding::Windows1252), FormatError::new(text, expected));
        }
        let advice = fault("h:MM", Encoding::Utf8).to_string();
        assert!(advice.starts_with("format \"h:MM\": `M` is out of place"), "{advice}");
    }

    #[test]
    fn counts_are_numbers_or_flags() {
        for (value, expected) in [
            ("15", Ok(15_000_000)),
            (" 0.5 ", Ok(500_000)),
            ("Y", Ok(1_000_000)),
            ("n", Ok(0)),
            ("Yes", Ok(1_000_000)),
            ("NO", Ok(0)),
            ("TRUE", Ok(1_000_000)),
            ("False\t", Ok(0)),
            ("", Err(QuantityError::Syntax)),
            ("yep", Err(QuantityError::Syntax)),
            ("1,5", Err(QuantityError::Syntax)),
            ("-1", Err(QuantityError::Negative)),
            ("1000000001", Err(QuantityError::TooLarge)),
        ] {
            let expected = expected.map(Quantity::from_micros).map_err(ValueError::Quantity);
            assert_eq!(count(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn channels_have_their_wire_spelling() {
        for channel_ in Channel::ALL {
            assert_eq!(channel(channel_.as_str().as_bytes()), Ok(channel_));
        }
        assert_eq!(channel(b" calls "), Ok(Channel::Calls));
        for value in ["", "Calls", "call", "social media", "fax"] {
            assert_eq!(channel(value.as_bytes()), Err(ValueError::Channel), "{value:?}");
        }
        assert_eq!(channel(b"\xFF"), Err(ValueError::Channel));
    }

    #[test]
    fn errors_become_rules() {
        assert_eq!(count(b"x").unwrap_err().rule(), Rule::Quantity);
        assert_eq!(channel(b"x").unwrap_err().rule(), Rule::Channel);
        for value in ["x", "-1", "0:60:00", "8784:00:01"] {
            assert_eq!(
                DurationFormat::default().parse(value.as_bytes()).unwrap_err().rule(),
                Rule::Duration,
                "{value}"
            );
        }
    }

    #[test]
    fn handle_time_is_the_aht_times_the_handled() {
        let quantity = |text: &str| Quantity::parse(text.as_bytes()).unwrap();
        for (aht, handled, expected) in [
            (230_000, "14", 3_220_000),
            (230_000, "0", 0),
            (0, "14", 0),
            (1, "0.5", 1),
            (1, "0.499999", 0),
            (100_001, "0.333333", 33_334),
            (31_622_400_000, "1000000", 31_622_400_000_000_000),
        ] {
            assert_eq!(total(Millis::new(aht), quantity(handled)), Some(Millis::new(expected)), "{aht} × {handled}");
        }
        assert_eq!(total(MAX_DURATION, Quantity::MAX), None);
    }

    /// Hours, minutes, seconds and milliseconds, as a person takes them apart.
    fn components(millis: u64) -> (u64, u64, u64, u64) {
        (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60, millis % 1_000)
    }

    proptest! {
        #[test]
        fn printed_durations_read_back(millis in 0_u64..=31_622_400_000) {
            let (hours, minutes, seconds, fraction) = components(millis);
            let all_minutes = hours * 60 + minutes;
            let expected = Ok(i64::try_from(millis).unwrap());
            let days = u128::from(millis) * 10_u128.pow(15) / 86_400_000;
            let day = 10_u128.pow(15);
            for (format, value) in [
                ("", format!("{hours}:{minutes:02}:{seconds:02}.{fraction:03}")),
                ("", format!("{}.{fraction:03}", millis / 1_000)),
                ("seconds", Millis::new(i64::try_from(millis).unwrap()).to_string()),
                ("milliseconds", millis.to_string()),
                ("hh:mm:ss", format!("{hours:02}:{minutes:02}:{seconds:02},{fraction:03}")),
                ("hh:mm:ss.f", format!("{hours:02}:{minutes:02}:{seconds:02}.{fraction:03}000")),
                ("h-m-s.f", format!("{hours}-{minutes}-{seconds}.{fraction:03}")),
                ("mm:ss", format!("{all_minutes:02}:{seconds:02}.{fraction:03}")),
                ("spreadsheet", format!("{}.{:015}", days / day, days % day)),
            ] {
                prop_assert_eq!(duration(format, value.as_bytes()), expected, "{} reads {}", format, value);
            }
        }

        #[test]
        fn decimals_are_the_quotient_of_their_digits(whole in 0_u64..400, fraction in "[0-9]{1,17}", exponent in 0_u32..12) {
            let text = format!("{whole}.{fraction}E-{exponent:02}");
            let numerator: u128 = format!("{whole}{fraction}").parse().unwrap();
            let places = u32::try_from(fraction.len()).unwrap() + exponent;
            let expected = numerator * 86_400_000 / 10_u128.pow(places);
            let number = Decimal::parse_scientific(text.as_bytes()).unwrap();
            let cut = number.times_cut(86_400_000);
            // Beyond eighteen places digits are cut, which can only make it less, and by no more than the last one.
            prop_assert!(u128::from(cut) == expected || (places > 18 && u128::from(cut) + 1 == expected), "{text}: {cut}");
            prop_assert!(number.times_rounded(86_400_000) - cut <= 1);
        }

        #[test]
        fn handle_time_is_within_half_a_millisecond(aht in 0_i64..31_622_400_000, micros in 0_i64..1_000_000_000_000) {
            if let Some(total) = total(Millis::new(aht), Quantity::from_micros(micros)) {
                let error = i128::from(total.get()) * 1_000_000 - i128::from(aht) * i128::from(micros);
                prop_assert!((-499_999..=500_000).contains(&error), "{error}");
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            text in "([hmsAf]{1,2}|.){0,7}|seconds|milliseconds|minutes|spreadsheet",
            value in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "[-+0-9:.,E]{0,30}".prop_map(String::into_bytes)],
        ) {
            let formats = [Ok(DurationFormat::default()), DurationFormat::compile(&text, Encoding::Utf8)];
            for format in formats.into_iter().flatten() {
                if let Ok(duration) = format.parse(&value) {
                    prop_assert!((Millis::ZERO..=MAX_DURATION).contains(&duration));
                }
            }
            let _ = (count(&value), channel(&value));
        }
    }
}
