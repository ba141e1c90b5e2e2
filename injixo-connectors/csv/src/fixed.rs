//! Eight bytes at a time: finding ends, reading digits, and formats in which every value is equally long.

use crate::datetime::{Parsed, Role, days, time_of_day};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Eight bytes from `at` on; `None` where there are fewer.
#[inline]
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// A byte, eight times.
pub(crate) const fn eight(byte: u8) -> u64 {
    ONES * byte as u64
}

/// Marks the bytes of `word` that are zero; marks behind the first one mean nothing.
#[inline]
pub(crate) const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Marks the bytes of `word` that are above nine.
#[inline]
const fn above_nine(word: u64) -> u64 {
    (((word & !HIGH) + eight(0x76)) | word) & HIGH
}

/// Which byte the first mark stands at.
#[inline]
pub(crate) const fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// Where the first of two bytes stands from `at` on; each is given [eight times](eight). `None` where it does not come before the
/// last bytes.
#[inline]
pub(crate) fn find(bytes: &[u8], mut at: usize, a: u64, b: u64) -> Option<usize> {
    loop {
        let word = word(bytes, at)?;
        let marks = zeros(word ^ a) | zeros(word ^ b);
        if marks != 0 {
            return Some(at + first(marks));
        }
        at += 8;
    }
}

/// The number that up to seven digits from `at` on make, and where they end.
#[inline]
pub(crate) fn digits(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let word = word(bytes, at)? ^ eight(b'0');
    let marks = above_nine(word);
    let count = first(marks);
    if marks == 0 || count == 0 {
        return None;
    }
    // Zeros in front, so that eight digits are left.
    let digits = word << (64 - 8 * count);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    let number = (fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF;
    Some((number, at + count))
}

/// How many words a format may take.
const WORDS: usize = 3;

/// A format of digits in known places and literals between them.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    width: usize,
    /// What stands where: the literal, or `0` for a digit.
    pattern: [u64; WORDS],
    /// All bits of each byte that is a digit.
    digits: [u64; WORDS],
    /// All bits of each byte that belongs to the value.
    inside: [u64; WORDS],
    /// All bits of each byte that belongs to the date.
    dated: [u64; WORDS],
    places: Places,
    role: Role,
    /// The last date, as it stood there, and its day.
    last: [u64; WORDS],
    day: Option<i32>,
    /// The last value of a date alone, as it stood there: most rows repeat it.
    value: [u64; WORDS],
}

/// Where the first digit of each component stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) year: Option<u8>,
    /// The year of a century has two digits.
    pub(crate) short_year: bool,
    pub(crate) month: Option<u8>,
    pub(crate) day: Option<u8>,
    pub(crate) hour: Option<u8>,
    pub(crate) minute: Option<u8>,
    pub(crate) second: Option<u8>,
}

impl Fixed {
    /// A format of `bytes`, of which `None` is any digit; `None` where it is too long.
    pub(crate) fn new(bytes: &[Option<u8>], places: Places, role: Role) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > WORDS * 8 {
            return None;
        }
        let mut fixed = Self {
            width: bytes.len(),
            pattern: [0; WORDS],
            digits: [0; WORDS],
            inside: [0; WORDS],
            dated: [0; WORDS],
            places,
            role,
            last: [0; WORDS],
            day: None,
            value: [0; WORDS],
        };
        for (at, byte) in bytes.iter().enumerate() {
            let (word, shift) = (at / 8, at % 8 * 8);
            fixed.pattern[word] |= u64::from(byte.unwrap_or(b'0')) << shift;
            fixed.inside[word] |= 0xFF << shift;
            if byte.is_none() {
                fixed.digits[word] |= 0xFF << shift;
            }
        }
        let year = if places.short_year { 2 } else { 4 };
        for (place, length) in [(places.year, year), (places.month, 2), (places.day, 2)] {
            for at in place.into_iter().flat_map(|place| usize::from(place)..usize::from(place) + length) {
                fixed.dated[at / 8] |= 0xFF << (at % 8 * 8);
            }
        }
        Some(fixed)
    }

    /// How long a value is.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// Whether `byte` may stand in a value as something else than a digit.
    pub(crate) fn has_literal(&self, byte: u8) -> bool {
        (0..self.width).any(|at| {
            let of = |words: &[u64; WORDS]| (words[at / 8] >> (at % 8 * 8)).to_le_bytes()[0];
            of(&self.digits) == 0 && of(&self.pattern) == byte
        })
    }

    /// Reads the value at `at` into `parsed`; `None` where none of this format stands there, or one that is no date or time. What
    /// follows it must be looked at by the caller.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &[u8], at: usize, parsed: &mut Parsed) -> Option<()> {
        match self.width {
            ..=8 => self.read_words::<1>(bytes, at, parsed),
            9..=16 => self.read_words::<2>(bytes, at, parsed),
            _ => self.read_words::<3>(bytes, at, parsed),
        }
    }

    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "of several arrays; iterators over them are not unrolled")]
    fn read_words<const N: usize>(&mut self, bytes: &[u8], at: usize, parsed: &mut Parsed) -> Option<()> {
        let mut words = [0; N];
        for index in 0..N {
            words[index] = word(bytes, at + index * 8)? & self.inside[index];
        }
        let is_date = self.role == Role::Date;
        if is_date && self.day.is_some() && differs::<N>(&words, &self.value) == 0 {
            parsed.date = self.day;
            return Some(());
        }
        let value = words;
        let mut wrong = 0;
        for index in 0..N {
            words[index] ^= self.pattern[index];
            wrong |= words[index] & !self.digits[index] | above_nine(words[index]);
        }
        if wrong != 0 {
            return None;
        }
        // Each byte and the next one as a number of two digits.
        let mut pairs = [0; N];
        for index in 0..N {
            let next = if index + 1 < N { words[index + 1] << 56 } else { 0 };
            pairs[index] = words[index] * 10 + (words[index] >> 8 | next);
        }
        let two = |place: u8| i32::from((pairs[usize::from(place / 8) % N] >> (place % 8 * 8)).to_le_bytes()[0]);
        if let Some(hour) = self.places.hour
            && !is_date
        {
            let or_zero = |place: Option<u8>| place.map_or(0, two);
            let time = time_of_day(two(hour), or_zero(self.places.minute), or_zero(self.places.second), 0);
            parsed.time = Some(time.ok()?);
            parsed.offset = None;
        }
        if self.role != Role::Time {
            let mut dated = words;
            for index in 0..N {
                dated[index] &= self.dated[index];
            }
            if self.day.is_none() || differs::<N>(&dated, &self.last) != 0 {
                self.day = Some(self.day(two)?);
                self.last[..N].copy_from_slice(&dated);
            }
            if is_date {
                self.value[..N].copy_from_slice(&value);
            }
            parsed.date = self.day;
        }
        Some(())
    }

    #[inline(never)]
    fn day(&self, two: impl Fn(u8) -> i32) -> Option<i32> {
        let Places { year: Some(year), month: Some(month), day: Some(day), .. } = self.places else { return None };
        let year = match (self.places.short_year, two(year)) {
            (false, century) => century * 100 + two(year + 2),
            (true, year) => year + if year < 70 { 2000 } else { 1900 },
        };
        days(year, two(month), two(day)).ok()
    }
}

/// Zero where the words are those of `held`.
#[inline]
fn differs<const N: usize>(words: &[u64; N], held: &[u64; WORDS]) -> u64 {
    let mut differs = 0;
    for index in 0..N {
        differs |= words[index] ^ held[index];
    }
    differs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datetime::Formats;
    use crate::encoding::Encoding;

    fn read(fixed: &mut Fixed, padded: &[u8], length: usize) -> Option<Parsed> {
        let mut parsed = Parsed { date: None, time: None, offset: Some(7) };
        if fixed.role == Role::Date {
            parsed.offset = None;
        }
        fixed.read(padded, 0, &mut parsed).filter(|()| length == fixed.width()).map(|()| parsed)
    }

    proptest! {
        #[test]
        fn finds_what_a_search_finds(text in "[a-c;\n\0\u{80}]{0,40}", at in 0..40_usize) {
            let mut bytes = text.into_bytes();
            let expected = bytes.iter().enumerate().skip(at).find(|(_, byte)| [b';', b'\n'].contains(byte)).map(|found| found.0);
            bytes.extend([b'x'; 16]);
            prop_assert_eq!(find(&bytes, at, eight(b';'), eight(b'\n')), expected);
        }

        #[test]
        fn digits_are_the_number_that_they_write(text in "[0-9]{0,9}[^0-9]{1,9}") {
            let bytes = text.as_bytes();
            let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let expected = (1..8).contains(&count) && bytes.len() >= 8;
            let expected = expected.then(|| (text[..count].parse().unwrap(), count));
            prop_assert_eq!(digits(bytes, 0), expected);
        }

        /// A value by itself and among others says the same, whatever was read before.
        #[test]
        fn says_what_the_format_says(
            format in prop::sample::select(vec![
                "DD/MM/YYYY", "YYYY-MM-DD hh:mm:ss", "YYYY-MM-DD hh:mm", "DD.MM.YY", "YYYYMMDDhhmmss", "hh:mm:ss", "hh:mm", "mm/hh", "hh",
                "hh:mm-hh:mm", "YYYY-MM-DDThh:mm:ss", "DD.MM.YYYY hh.mm.ss Uhr", "MM/DD/YYYY hh:mm:ss MM",
            ]),
            values in prop::collection::vec(
                prop_oneof!["[0-9]{2}[/.:-][0-9]{2}[/.:-]([0-9]{2}){1,2}", "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]([T ][012][0-9]:[0-6][0-9](:[0-6][0-9])?)?",
                    "[0-9]{8,14}", "[012][0-9]([:/-][0-6][0-9]){0,3}", "[0-9T:. /-]{0,26}"],
                1..8,
            ),
        ) {
            for role in [Role::Date, Role::Time, Role::Timestamp] {
                let Ok(formats) = Formats::compile([format], role, Encoding::Utf8) else { continue };
                let mut fixed = formats.fixed();
                for value in values.iter().map(|value| value.as_bytes()).chain([b"24:00".as_slice(), b"24:00:00"]) {
                    let padded = [value, b";;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;".as_slice()].concat();
                    let read = fixed.iter_mut().find_map(|fixed| read(fixed, &padded, value.len()));
                    let expected = formats.parse(value);
                    prop_assert_eq!(read, expected.ok(), "{} reads {:?}", format, String::from_utf8_lossy(value));
                }
            }
        }

        #[test]
        fn of_iso_values_it_says_nothing_else(value in "20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][012][0-9]:[0-6][0-9]:[0-6][0-9]([Z.+]|)") {
            let formats = Formats::compile(["iso8601"], Role::Timestamp, Encoding::Utf8).unwrap();
            let padded = [value.as_bytes(), b";;;;;;;;;;;;;;;;".as_slice()].concat();
            let read = formats.fixed().iter_mut().find_map(|fixed| read(fixed, &padded, value.len()));
            if value.len() == 19 {
                prop_assert_eq!(read, formats.parse(value.as_bytes()).ok());
            } else {
                prop_assert_eq!(read, None);
            }
        }
    }
}
