//! Every zone and every clock change from 2000 to 2037 against Python's zoneinfo.
//!
//! `scripts/zone_oracle.py` writes the reference and says at its top what the words in it mean. Nothing in it comes from the
//! implementation under test, nor from its copy of the tz data.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use injixo_core::model::{IntervalLength, Millis, Timestamp, Window};
use injixo_core::zone::{FoldPolicy, GapPolicy, Grid, LocalTime, Resolved, Resolver, Zone};

const VARIABLE: &str = "INJIXO_ZONE_REFERENCE";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const LENGTHS: [IntervalLength; 3] =
    [IntervalLength::MINUTES_15, IntervalLength::MINUTES_30, IntervalLength::MINUTES_60];

/// What zoneinfo said.
struct Reference {
    tz_data: String,
    /// One letter for each local time of the row around a transition.
    readings: HashMap<usize, String>,
    /// Contacts by the minutes from the transition to the start of their interval.
    counts: HashMap<usize, BTreeMap<i64, u64>>,
    groups: Vec<Group>,
}

/// Zones with the same transitions.
struct Group {
    names: Vec<String>,
    offset: Millis,
    changes: Vec<Change>,
}

struct Change {
    at: Timestamp,
    before: Millis,
    after: Millis,
    readings: usize,
    counts: [usize; 3],
    days: Vec<(i32, Timestamp)>,
}

impl Change {
    /// The first and the last local time of the row around it.
    fn local_stretch(&self) -> (i64, i64) {
        let (before, after) = (self.before.get(), self.after.get());
        (self.at.millis() + before.min(after) - 2 * HOUR, self.at.millis() + before.max(after) + 2 * HOUR)
    }
}

impl Reference {
    fn load() -> Self {
        let path = std::env::var(VARIABLE).unwrap_or_else(|_| {
            panic!("{VARIABLE} names no file: run ./scripts/test zones, or see the top of scripts/zone_oracle.py")
        });
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let (mut readings, mut counts) = (HashMap::new(), HashMap::new());
        let (mut tz_data, mut groups) = (String::new(), Vec::<Group>::new());
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[0] {
                "tzdata" => words[1].clone_into(&mut tz_data),
                "readings" => {
                    let runs = words[2..].iter().map(|word| pair(word, '*'));
                    readings.insert(number(words[1]), runs.map(|(code, times)| code.repeat(number(times))).collect());
                }
                "counts" => {
                    counts.insert(number(words[1]), intervals(number(words[2]), &words[3..]));
                }
                "zones" => {
                    let names = words[1..].iter().map(|&name| name.to_owned()).collect();
                    groups.push(Group { names, offset: Millis::ZERO, changes: Vec::new() });
                }
                "offset" => groups.last_mut().expect("zones come first").offset = Millis::from_secs(number(words[1])),
                "at" => {
                    let at = Timestamp::from_secs(number(words[1]));
                    let day = |word: &&str| {
                        let (day, minutes) = pair(word, '+');
                        (number(day), at.after(Millis::from_mins(number(minutes))))
                    };
                    groups.last_mut().expect("zones come first").changes.push(Change {
                        at,
                        before: Millis::from_secs(number(words[2])),
                        after: Millis::from_secs(number(words[3])),
                        readings: number(words[4]),
                        counts: [number(words[5]), number(words[6]), number(words[7])],
                        days: words[8..].iter().map(day).collect(),
                    });
                }
                other => panic!("unknown word {other:?} in the reference"),
            }
        }
        Self { tz_data, readings, counts, groups }
    }
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word:?} in the reference is no number"))
}

fn pair(word: &str, separator: char) -> (&str, &str) {
    word.split_once(separator).unwrap_or_else(|| panic!("no {separator:?} in {word:?} of the reference"))
}

fn intervals(length: i64, words: &[&str]) -> BTreeMap<i64, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        let (start, rest) = pair(word, '+');
        let (count, times) = pair(rest, '*');
        for index in 0..number::<i64>(times) {
            assert!(counts.insert(number::<i64>(start) + index * length, number(count)).is_none(), "{word} overlaps");
        }
    }
    counts
}

fn each_zone(reference: &Reference, check: impl Fn(&Zone, &Group)) {
    let mut checked = 0;
    for group in &reference.groups {
        for name in &group.names {
            check(&Zone::new(name).unwrap(), group);
            checked += 1;
        }
    }
    assert!(checked > 500, "the reference holds {checked} zones only");
}

#[test]
#[ignore = "needs the zoneinfo reference: ./scripts/test zones"]
fn both_have_the_same_zones() {
    let reference = Reference::load();
    assert_eq!(
        reference.tz_data, "2026.6",
        "the reference is of another release than the tz data of the library, 2026f"
    );
    let theirs: BTreeSet<_> = reference.groups.iter().flat_map(|group| group.names.iter().cloned()).collect();
    assert_eq!(Zone::names().into_iter().collect::<BTreeSet<_>>(), theirs);
}

fn offset(zone: &Zone, at: Timestamp) -> Millis {
    Millis::new(zone.to_local(at).millis() - at.millis())
}

#[test]
#[ignore = "needs the zoneinfo reference: ./scripts/test zones"]
fn clocks_change_at_the_same_instants() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (first, last) = (at("2000-01-01T00:00:00Z"), at("2038-01-01T00:00:00Z"));
    each_zone(&Reference::load(), |zone, group| {
        assert_eq!(offset(zone, first), group.offset, "{zone}");
        let mut changes = group.changes.iter().peekable();
        let mut expected = group.offset;
        let mut now = first;
        // Twice a day, and at the last millisecond before and the first of each change.
        while now < last {
            assert_eq!(offset(zone, now), expected, "{zone} {now}");
            let next = now.after(Millis::from_mins(12 * 60));
            if let Some(change) = changes.next_if(|change| change.at <= next) {
                assert_eq!(
                    offset(zone, change.at.before(Millis::new(1))),
                    change.before,
                    "{zone} before {}",
                    change.at
                );
                expected = change.after;
                now = change.at;
            } else {
                now = next;
            }
        }
        assert!(changes.peek().is_none(), "{zone}");
    });
}

#[test]
#[ignore = "needs the zoneinfo reference: ./scripts/test zones"]
fn local_times_have_the_same_readings() {
    let reference = Reference::load();
    each_zone(&reference, |zone, group| {
        for change in &group.changes {
            let (first, last) = change.local_stretch();
            let quarters = (first..=last).step_by(15 * 60_000);
            let rows = quarters.flat_map(|local| [local - 1_000, local, local + 1_000]);
            let mut codes = reference.readings[&change.readings].chars();
            for local in rows {
                let by = |offset: Millis| Timestamp::from_millis(local - offset.get());
                let expected = match codes.next() {
                    Some('B') => Resolved::Unique(by(change.before)),
                    Some('A') => Resolved::Unique(by(change.after)),
                    Some('F') => Resolved::Fold { earlier: by(change.before), later: by(change.after) },
                    Some('G') => Resolved::Gap { forward: by(change.before), backward: by(change.after) },
                    other => panic!("unknown reading {other:?} in the reference"),
                };
                let local = LocalTime::from_millis(local);
                assert_eq!(zone.resolve(local), expected, "{zone} {local}");
                if let Resolved::Unique(instant) | Resolved::Fold { earlier: instant, .. } = expected {
                    assert_eq!(zone.to_local(instant), local, "{zone} {instant}");
                }
            }
            assert_eq!(codes.next(), None, "{zone} {}: the row is shorter than in the reference", change.at);
        }
    });
}

#[test]
#[ignore = "needs the zoneinfo reference: ./scripts/test zones"]
fn days_begin_at_the_same_instants() {
    each_zone(&Reference::load(), |zone, group| {
        for change in &group.changes {
            for pair in change.days.windows(2) {
                let ((day, from), (_, to)) = (pair[0], pair[1]);
                assert_eq!(zone.day_window(day), Window::new(from, to).ok(), "{zone} {day}");
                if from < to {
                    let last = to.before(Millis::new(1));
                    assert_eq!((zone.day(from), zone.day(last)), (day, day), "{zone} {from} {to}");
                }
            }
        }
    });
}

#[test]
#[ignore = "needs the zoneinfo reference: ./scripts/test zones"]
fn no_contact_is_lost_and_none_counts_twice() {
    let reference = Reference::load();
    each_zone(&reference, |zone, group| {
        let mut cursors = LENGTHS.map(|length| Grid::new(zone, length).cursor());
        let mut resolver = Resolver::new(zone, GapPolicy::Forward, FoldPolicy::Auto);
        for change in &group.changes {
            let (first, last) = change.local_stretch();
            let locals = (first..=last).step_by(60_000).map(LocalTime::from_millis);
            let instants: Vec<_> = locals.map(|local| resolver.instant(local).unwrap()).collect();
            for ((cursor, id), length) in cursors.iter_mut().zip(change.counts).zip(LENGTHS) {
                let mut counts = BTreeMap::<i64, u64>::new();
                for instant in &instants {
                    let start = cursor.floor(*instant).millis() - change.at.millis();
                    assert_eq!(start % MINUTE, 0, "{zone} {instant}");
                    *counts.entry(start / MINUTE).or_default() += 1;
                }
                let expected = &reference.counts[&id];
                assert_eq!(counts.values().sum::<u64>(), expected.values().sum::<u64>(), "{zone} {}", change.at);
                assert!(counts == *expected, "{zone} {} {length}: {}", change.at, difference(&counts, expected));
            }
        }
    });
}

fn difference(ours: &BTreeMap<i64, u64>, theirs: &BTreeMap<i64, u64>) -> String {
    let mut text = String::new();
    for start in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let (ours, theirs) = (ours.get(start), theirs.get(start));
        if ours != theirs {
            write!(text, "{start} min: {ours:?} instead of {theirs:?}; ").expect("a string takes all");
        }
    }
    text
}

/// A source that writes a line a minute, through both passes of a repeated hour: read in order, each line comes back to the
/// minute in which it was written, and each interval holds as many as it has minutes.
#[test]
#[ignore = "needs the zoneinfo reference: ./scripts/test zones"]
fn a_file_in_order_comes_back_minute_by_minute() {
    each_zone(&Reference::load(), |zone, group| {
        let grids = LENGTHS.map(|length| Grid::new(zone, length));
        let mut resolver = Resolver::new(zone, GapPolicy::Forward, FoldPolicy::InOrder);
        for change in &group.changes {
            let size = (change.after.get() - change.before.get()).abs();
            let around = Millis::new(2 * HOUR + size);
            let window = Window::new(change.at.before(around), change.at.after(around)).unwrap();
            for instant in minutes(window) {
                let local = zone.to_local(instant);
                assert_eq!(resolver.instant(local), Ok(instant), "{zone} {local}");
            }
            for grid in &grids {
                let mut lines = minutes(window).peekable();
                let mut at = window.from();
                while at < window.to() {
                    let interval = grid.interval(at);
                    at = interval.to();
                    let mut count = 0;
                    while lines.next_if(|instant| interval.contains(*instant)).is_some() {
                        count += 1;
                    }
                    let inside = interval.intersection(window).expect("it overlaps the window");
                    assert_eq!(count * MINUTE, inside.duration().get(), "{zone} {interval}");
                }
                assert_eq!(lines.next(), None, "{grid:?} {}", change.at);
            }
        }
    });
}

fn minutes(window: Window) -> impl Iterator<Item = Timestamp> {
    (window.from().millis()..window.to().millis()).step_by(60_000).map(Timestamp::from_millis)
}
