//! What the fuzz targets call; compiled for them alone.

use injixo_core::model::Millis;

use crate::datetime::{Format, Formats, LastSeen, Moment, Role};
use crate::encoding::Encoding;
use crate::value::{DurationFormat, MAX_DURATION};

/// Reads `value` as a date, a time, a timestamp and a duration in `format`.
///
/// # Panics
///
/// If something read lies outside its range, which is what the fuzzer looks for.
pub fn datetime(format: &str, value: &[u8]) {
    for (role, encoding) in
        [(Role::Date, Encoding::Utf8), (Role::Time, Encoding::Windows1252), (Role::Timestamp, Encoding::Iso8859_9)]
    {
        let Ok(compiled) = Format::compile(format, role, encoding) else { continue };
        let parsed = compiled.parse(value);
        let formats = Formats::compile([format], role, encoding);
        let mut last_seen = LastSeen::new(formats.expect("it has compiled before"));
        assert_eq!(last_seen.parse(value), parsed);
        assert_eq!(last_seen.parse(value), parsed);
        let Ok(parsed) = parsed else { continue };
        assert_eq!(parsed.date.is_some(), role != Role::Time);
        assert_eq!(parsed.time.is_some(), role != Role::Date);
        assert!(parsed.date.is_none_or(|date| (0..47_482).contains(&date)), "{parsed:?}");
        assert!(parsed.time.is_none_or(|time| time <= 86_400_000), "{parsed:?}");
        assert!(parsed.offset.is_none_or(|offset| offset.abs() <= 18 * 3_600), "{parsed:?}");
        match parsed.moment() {
            Ok(Moment::Local(millis)) => assert!((0..4_102_444_800_000).contains(&millis), "{parsed:?}"),
            Ok(Moment::Instant(instant)) => assert!(instant.is_supported(), "{parsed:?}"),
            Err(_) => {}
        }
    }
    for compiled in
        [Ok(DurationFormat::default()), DurationFormat::compile(format, Encoding::Utf8)].into_iter().flatten()
    {
        if let Ok(duration) = compiled.parse(value) {
            assert!((Millis::ZERO..=MAX_DURATION).contains(&duration), "{duration:?}");
        }
    }
}
