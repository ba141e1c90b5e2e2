//! Decimals and lengths of time out of texts, exactly.

use injixo_core::model::Millis;

use crate::value::Cell;

const TOO_LARGE: Cell<'static> = Cell::Odd("a number that is too large");

/// A number of millionths: a whole number where nothing stands behind the point, so that nothing large is lost.
pub(crate) fn of_millionths(micros: i128) -> Cell<'static> {
    if micros % 1_000_000 == 0 {
        return i64::try_from(micros / 1_000_000).map_or(TOO_LARGE, Cell::Int);
    }
    i64::try_from(micros).map_or(TOO_LARGE, Cell::Micros)
}

/// A number in the places behind the point that `scale` says, rounded to the millionth.
pub(crate) fn scaled(value: i128, scale: u8) -> Cell<'static> {
    if scale <= 6 {
        let power = 10_i128.pow(6 - u32::from(scale));
        return value.checked_mul(power).map_or(TOO_LARGE, of_millionths);
    }
    let power = 10_i128.pow(u32::from(scale.min(38)) - 6);
    let half = if value < 0 { -(power / 2) } else { power / 2 };
    value.checked_add(half).map_or(TOO_LARGE, |value| of_millionths(value / power))
}

/// `-123.25`, `.5`, to the millionth; `None` where it is no decimal.
pub(crate) fn decimal(text: &str) -> Option<Cell<'static>> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    // More digits than this are too large in any case.
    if whole.len() > 25 {
        return Some(TOO_LARGE);
    }
    let digit = |sum: i128, byte: u8| sum * 10 + i128::from(byte - b'0');
    let rounded = fraction.as_bytes().get(6).is_some_and(|byte| *byte >= b'5');
    let fraction = fraction.bytes().chain(*b"000000").take(6);
    let micros = whole.bytes().chain(fraction).fold(0, digit) + i128::from(rounded);
    Some(of_millionths(if negative { -micros } else { micros }))
}

/// `-hhh:mm:ss.ffffff`
pub(crate) fn length(text: &str) -> Option<Cell<'static>> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let length = Cell::Text(rest).duration().ok()??;
    Some(Cell::Length(if negative { Millis::new(-length.get()) } else { length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, cell) in [
            ("12.5", Cell::Micros(12_500_000)),
            ("-0.25", Cell::Micros(-250_000)),
            (".5", Cell::Micros(500_000)),
            ("+7", Cell::Int(7)),
            ("7.", Cell::Int(7)),
            ("7.000", Cell::Int(7)),
            ("0.0000004", Cell::Int(0)),
            ("0.0000005", Cell::Micros(1)),
            ("-0.0000005", Cell::Micros(-1)),
            ("1711850400.123", Cell::Micros(1_711_850_400_123_000)),
            ("9223372036854775807", Cell::Int(i64::MAX)),
            ("-9223372036854775808.0", Cell::Int(i64::MIN)),
            ("0009999999999999999999", TOO_LARGE),
            ("9223372036854775808", TOO_LARGE),
            ("9223372036854.775808", TOO_LARGE),
            ("9223372036854.775807", Cell::Micros(i64::MAX)),
            ("99999999999999999999999999999999999999999999999999", TOO_LARGE),
        ] {
            assert_eq!(decimal(text), Some(cell), "{text}");
        }
        for text in ["", "-", ".", "x", "1e5", "1 2", "1.2.3", "--1", "NaN"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_day_have_signs_and_pass_a_day() {
        assert_eq!(length("100:00:00.500000"), Some(Cell::Length(Millis::new(360_000_500))));
        assert_eq!(length("-00:00:01"), Some(Cell::Length(Millis::new(-1_000))));
        assert_eq!(length("00:00:61"), None);
    }
}
