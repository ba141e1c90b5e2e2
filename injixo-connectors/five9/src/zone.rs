//! The wall clock of the reports: they give no offset, so a report never reaches over the end of a repeated hour.

use injixo_core::model::{Timestamp, Window};
use injixo_core::zone::{LocalTime, Resolved, Zone};

/// The parts of a range in each of which every local time occurs once, in order.
///
/// Five9 takes a range with offsets, so that of the two passes through a repeated hour each can be asked for by itself.
pub(crate) fn parts(zone: &Zone, range: Window) -> Vec<Window> {
    let mut parts = Vec::new();
    let mut from = range.from();
    while from < range.to() {
        let part = first_part(zone, from, range.to());
        parts.extend(Window::new(from, part));
        from = part;
    }
    parts
}

/// The clock is put back at most once in so long.
const APART: i64 = 86_400_000;

fn first_part(zone: &Zone, from: Timestamp, to: Timestamp) -> Timestamp {
    let offset = |at: Timestamp| zone.to_local(at).millis() - at.millis();
    let mut earlier = from;
    while earlier < to {
        let later = to.min(Timestamp::from_millis(earlier.millis() + APART));
        if offset(later) < offset(earlier) {
            // Somewhere between the two: the first instant with the new offset.
            let (mut before, mut after) = (earlier.millis(), later.millis());
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if offset(Timestamp::from_millis(middle)) < offset(earlier) { after = middle } else { before = middle }
            }
            return Timestamp::from_millis(after);
        }
        earlier = later;
    }
    to
}

/// The instant that a local time stands for in a part; one outside it if there is none.
pub(crate) fn instant(zone: &Zone, part: Window, local: LocalTime) -> Timestamp {
    match zone.resolve(local) {
        Resolved::Unique(at) => at,
        Resolved::Gap { forward, .. } => forward,
        Resolved::Fold { earlier, later } => {
            if part.contains(later) {
                later
            } else {
                earlier
            }
        }
    }
}

/// An instant as a report's range takes it: with its offset.
pub(crate) fn text(zone: &Zone, at: Timestamp) -> String {
    let local = zone.to_local(at);
    let offset = (local.millis() - at.millis()) / 60_000;
    let wall = chrono::NaiveDateTime::from(local).format("%Y-%m-%dT%H:%M:%S%.3f");
    match offset {
        // An offset of +00:00 was seen to give nothing.
        0 => format!("{wall}Z"),
        _ => format!("{wall}{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_pass_through_the_repeated_hour_is_asked_for_by_itself() {
        let zone = Zone::new("America/Los_Angeles").unwrap();
        let night = Window::new(at("2024-11-03T04:00:00Z"), at("2024-11-03T16:00:00Z")).unwrap();
        let parts = parts(&zone, night);
        let texts: Vec<_> = parts.iter().map(|part| (text(&zone, part.from()), text(&zone, part.to()))).collect();
        let texts: Vec<_> = texts.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        assert_eq!(
            texts,
            [
                ("2024-11-02T21:00:00.000-07:00", "2024-11-03T01:00:00.000-08:00"),
                ("2024-11-03T01:00:00.000-08:00", "2024-11-03T08:00:00.000-08:00"),
            ]
        );
        let half_past: LocalTime = "2024-11-03T01:30:00".parse().unwrap();
        assert_eq!(instant(&zone, parts[0], half_past), at("2024-11-03T08:30:00Z"));
        assert_eq!(instant(&zone, parts[1], half_past), at("2024-11-03T09:30:00Z"));
    }

    #[test]
    fn other_ranges_are_one_part() {
        for name in ["America/Los_Angeles", "Etc/GMT", "Europe/London"] {
            let zone = Zone::new(name).unwrap();
            let spring = Window::new(at("2024-03-09T00:00:00Z"), at("2024-04-02T00:00:00Z")).unwrap();
            assert_eq!(parts(&zone, spring), [spring], "{name}");
        }
        assert_eq!(text(&Zone::new("Europe/London").unwrap(), at("2024-01-05T10:00:00Z")), "2024-01-05T10:00:00.000Z");
        assert_eq!(
            text(&Zone::new("Asia/Kolkata").unwrap(), at("2024-01-05T10:00:00Z")),
            "2024-01-05T15:30:00.000+05:30"
        );
    }
}
