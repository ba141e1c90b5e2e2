//! JSON in two steps: first where the values are, then what each of them is. So a value that is wrong spoils its row and no other.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How deep values may be nested.
const DEEPEST: usize = 32;

/// Whether values are nested deeper than anybody needs. Says so of texts that are no JSON, too.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEEPEST {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Why a value is not what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is of another type.
    Type,
    /// A field of it occurs twice.
    Twice(usize),
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The values of the named fields of an object; fields with other names are passed over, null is no value.
pub(crate) fn object<'a, const N: usize>(
    raw: &'a RawValue,
    names: [&'static str; N],
) -> Result<[Option<&'a RawValue>; N], Wrong> {
    struct Fields<const N: usize>([&'static str; N]);
    impl<'a, const N: usize> Visitor<'a> for Fields<N> {
        type Value = Result<[Option<&'a RawValue>; N], Wrong>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut found, mut twice) = ([None; N], None);
            while let Some(Name(name)) = map.next_key()? {
                let value: &RawValue = map.next_value()?;
                let Some(index) = self.0.iter().position(|wanted| *wanted == name) else { continue };
                if found[index].replace(value).is_some() {
                    twice = twice.or(Some(index));
                }
            }
            let values = found.map(|value| value.filter(|value| value.get() != "null"));
            Ok(twice.map_or(Ok(values), |index| Err(Wrong::Twice(index))))
        }
    }
    serde_json::Deserializer::from_str(raw.get()).deserialize_map(Fields(names)).unwrap_or(Err(Wrong::Type))
}

/// Hands the elements of an array over, one by one; says how many there are. It stops when `each` says so.
pub(crate) fn each_element<'a>(raw: &'a RawValue, each: impl FnMut(&'a RawValue) -> bool) -> Result<u64, Wrong> {
    struct Elements<F>(F);
    impl<'a, F: FnMut(&'a RawValue) -> bool> Visitor<'a> for Elements<F> {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'a>>(mut self, mut elements: A) -> Result<u64, A::Error> {
            let mut count = 0;
            while let Some(element) = elements.next_element()? {
                count += 1;
                if !(self.0)(element) {
                    while elements.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                    break;
                }
            }
            Ok(count)
        }
    }
    impl<'a, F: FnMut(&'a RawValue) -> bool> DeserializeSeed<'a> for Elements<F> {
        type Value = u64;

        fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<u64, D::Error> {
            deserializer.deserialize_seq(self)
        }
    }
    Elements(each).deserialize(&mut serde_json::Deserializer::from_str(raw.get())).map_err(|_| Wrong::Type)
}

/// A text.
pub(crate) fn text(raw: &RawValue) -> Result<Cow<'_, str>, Wrong> {
    let inner = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(Wrong::Type)?;
    if inner.contains('\\') {
        return serde_json::from_str(raw.get()).map(Cow::Owned).map_err(|_| Wrong::Type);
    }
    Ok(Cow::Borrowed(inner))
}

/// True or false.
pub(crate) fn boolean(raw: &RawValue) -> Result<bool, Wrong> {
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::Type),
    }
}

/// A whole number that is not negative.
pub(crate) fn number(raw: &RawValue) -> Result<u64, Wrong> {
    raw.get().parse().map_err(|_| Wrong::Type)
}

/// Thousandths of a number, rounded; `None` where it is negative or has more than twelve digits before the point.
pub(crate) fn thousandths(raw: &RawValue) -> Result<Option<i64>, Wrong> {
    let text = raw.get();
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err(Wrong::Type);
    }
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_huge = exponent.trim_start_matches(['+', '-']).trim_start_matches('0').len() > 8;
    let exponent: i64 = match exponent.parse() {
        Ok(exponent) if !is_huge => exponent,
        _ => {
            if exponent.starts_with('-') {
                -100_000_000
            } else {
                100_000_000
            }
        }
    };
    let mut digits = whole
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| i64::from(byte - b'0'))
        .enumerate()
        .skip_while(|(_, digit)| *digit == 0)
        .peekable();
    let Some(&(leading, _)) = digits.peek() else { return Ok(Some(0)) };
    if is_negative {
        return Ok(None);
    }
    // How many of the digits make whole thousandths.
    let taken = i64::try_from(whole.len())
        .unwrap_or(i64::MAX)
        .saturating_add(exponent)
        .saturating_add(3)
        .saturating_sub(i64::try_from(leading).unwrap_or(i64::MAX));
    if taken > 15 {
        return Ok(None);
    }
    let mut value = 0_i64;
    for _ in 0..taken {
        value = value * 10 + digits.next().map_or(0, |(_, digit)| digit);
    }
    let is_rounded_up = taken >= 0 && digits.next().is_some_and(|(_, digit)| digit >= 5);
    Ok(Some(value + i64::from(is_rounded_up)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_exact() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("124.6", Some(124_600)),
            ("0.1", Some(100)),
            ("0.0004", Some(0)),
            ("0.0005", Some(1)),
            ("0.00049", Some(0)),
            ("0.0995", Some(100)),
            ("1e3", Some(1_000_000)),
            ("1E+2", Some(100_000)),
            ("12e-1", Some(1_200)),
            ("5e-4", Some(1)),
            ("5e-5", Some(0)),
            ("9e-400", Some(0)),
            ("1e-99999999999999999999", Some(0)),
            ("999999999999.9994", Some(999_999_999_999_999)),
            ("1000000000000", None),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("0e99999999999999999999", Some(0)),
            ("-0.001", None),
            ("-1e400", None),
        ] {
            assert_eq!(thousandths(&raw(text)), Ok(expected), "{text}");
        }
        for text in ["\"1\"", "true", "[1]", "{}"] {
            assert_eq!(thousandths(&raw(text)), Err(Wrong::Type), "{text}");
        }
    }

    #[test]
    fn depth_counts_outside_of_texts() {
        assert!(!is_too_deep(&format!("\"{}\"", "[".repeat(99))));
        assert!(!is_too_deep(&format!("\"\\\"{}\"", "[".repeat(99))));
        assert!(!is_too_deep(&"[]".repeat(99)));
        assert!(!is_too_deep(&"[".repeat(32)));
        assert!(is_too_deep(&"[".repeat(33)));
        assert!(is_too_deep(&format!("\"\\\\\"{}", "{".repeat(33))));
    }
}
