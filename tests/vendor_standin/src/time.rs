//! Instants as whole milliseconds since 1970 in UTC, and the texts of them.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

/// Milliseconds: since 1970-01-01T00:00:00Z, or of a duration.
pub type Ms = i64;

/// A second.
pub const SECOND: Ms = 1_000;
/// A minute.
pub const MINUTE: Ms = 60 * SECOND;
/// An hour.
pub const HOUR: Ms = 60 * MINUTE;
/// 24 hours.
pub const DAY: Ms = 24 * HOUR;

/// The calendar's view of an instant, in UTC.
///
/// # Panics
///
/// When the instant is some hundred thousand years away.
pub fn utc(at: Ms) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).expect("an instant within the calendar")
}

/// `2024-03-05T13:00:35Z`, with milliseconds only where there are some.
pub fn rfc3339(at: Ms) -> String {
    utc(at).to_rfc3339_opts(if at % SECOND == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis }, true)
}

/// `2024-03-05T13:00:35.205Z`, always with milliseconds.
pub fn iso_millis(at: Ms) -> String {
    utc(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads an instant with an offset, as RFC 3339 writes it.
pub fn parse(text: &str) -> Option<Ms> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}

/// Reads a date and time without an offset: `2024-03-05T13:00:35.205`.
pub fn parse_naive(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()
}

/// The instant that a text names which is known to be right.
///
/// # Panics
///
/// When it is not.
pub fn at(text: &str) -> Ms {
    parse(text).unwrap_or_else(|| panic!("{text:?} is no instant"))
}

/// `HH:MM:SS` of a duration, cut to seconds; hours may pass 24.
pub fn hms(duration: Ms) -> String {
    let seconds = duration.div_euclid(SECOND);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Seconds with up to three digits behind the point and no zeros at the end.
pub fn seconds(duration: Ms) -> String {
    let (whole, rest) = (duration / SECOND, duration % SECOND);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(rfc3339(at("2024-03-05T13:00:35+01:00")), "2024-03-05T12:00:35Z");
        assert_eq!(rfc3339(at("2024-03-05T13:00:35.205Z")), "2024-03-05T13:00:35.205Z");
        assert_eq!(iso_millis(at("2024-03-05T13:00:35Z")), "2024-03-05T13:00:35.000Z");
        assert_eq!(hms(25 * HOUR + 61 * SECOND + 999), "25:01:01");
        assert_eq!([seconds(5_000), seconds(5_050), seconds(7)], ["5", "5.05", "0.007"]);
    }
}
