use std::io::{self, Write};

use injixo_connectors::core::model::Timestamp;

/// Writes a field of a CSV file, quoted where RFC 4180 demands it.
///
/// # Errors
///
/// Those of the writer.
pub fn field(out: &mut impl Write, text: &str) -> io::Result<()> {
    if !text.contains(['"', ',', '\n', '\r']) {
        return out.write_all(text.as_bytes());
    }
    out.write_all(quoted(text).as_bytes())
}

/// A text in quotes, its own quotes doubled.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Whether the reader of our output has gone, which is his right.
pub fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// Writes instants as their `Display` does, the date being written once for as long as it stays.
#[derive(Debug, Default)]
pub(crate) struct Instants {
    /// The day since 1970, and its text up to the `T`.
    day: Option<(i64, String)>,
}

const DAY: i64 = 86_400_000;

impl Instants {
    pub(crate) fn write(&mut self, out: &mut impl Write, at: Timestamp) -> io::Result<()> {
        let (day, within) = (at.millis().div_euclid(DAY), at.millis().rem_euclid(DAY));
        if within % 1_000 != 0 {
            return write!(out, "{at}");
        }
        if self.day.as_ref().is_none_or(|held| held.0 != day) {
            let text = Timestamp::from_millis(day * DAY).to_string();
            self.day = Some((day, text.trim_end_matches("00:00:00Z").to_owned()));
        }
        let date = self.day.as_ref().map_or("", |held| held.1.as_str());
        let second = within / 1_000;
        let digit = |number: i64| b'0' + u8::try_from(number % 10).unwrap_or(0);
        let two = |number: i64| [digit(number / 10), digit(number)];
        let ([h, i], [m, n], [s, t]) = (two(second / 3_600), two(second / 60 % 60), two(second % 60));
        out.write_all(date.as_bytes())?;
        out.write_all(&[h, i, b':', m, n, b':', s, t, b'Z'])
    }
}

/// Writes a number with its fraction of `unit`s, a power of ten: as `Quantity` and `Millis` show themselves.
pub(crate) fn write_number(out: &mut impl Write, number: i64, unit: i64) -> io::Result<()> {
    if number < 0 || number % unit != 0 {
        let digits = unit.ilog10() as usize;
        let (magnitude, unit) = (number.unsigned_abs(), unit.unsigned_abs());
        let sign = if number < 0 { "-" } else { "" };
        let fraction = format!("{:0digits$}", magnitude % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        return write!(out, "{sign}{}{point}{fraction}", magnitude / unit);
    }
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), number / unit);
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            return out.write_all(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use injixo_connectors::core::model::{Millis, Quantity};

    use super::*;

    #[test]
    fn instants_and_numbers_are_written_as_they_show_themselves() {
        let mut instants = Instants::default();
        for at in [0, 86_399_000, 86_399_001, 951_782_400_000, 951_782_400_000 + 3_723_000, 4_102_444_799_999] {
            let (at, mut text) = (Timestamp::from_millis(at), Vec::new());
            instants.write(&mut text, at).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), at.to_string());
        }
        for number in [0, 1, 999, 1_000, 1_500, 1_000_000, 10_250_000, -1, -1_500, i64::MAX, i64::MIN] {
            let text = |unit| {
                let mut text = Vec::new();
                write_number(&mut text, number, unit).unwrap();
                String::from_utf8(text).unwrap()
            };
            assert_eq!(text(1_000), Millis::new(number).to_string());
            assert_eq!(text(1_000_000), Quantity::from_micros(number).to_string());
        }
    }
}
