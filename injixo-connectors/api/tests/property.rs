//! Any rows, good and bad, against a model that knows only what was meant.

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use crate::support::{CONTACTS, Host};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Missing(usize),
    WrongType(usize),
    Twice(usize),
    NoObject,
    Negative,
    TooLong,
    Huge,
    Channel,
    Instant,
    Early,
    Late,
}

/// The fields in the order in which they are judged.
const FIELDS: [&str; 7] = [
    "properties",
    "properties.offered",
    "properties.handled",
    "properties.duration",
    "queueIdentifier",
    "timestamp",
    "channel",
];

#[derive(Debug, Clone)]
struct Row {
    queue: usize,
    is_named: bool,
    millis: i64,
    style: usize,
    offered: bool,
    handled: bool,
    start: i64,
    zone: usize,
    flaw: Flaw,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let flaw = prop_oneof![
        12 => Just(Flaw::None),
        2 => (0..7_usize).prop_map(Flaw::Missing),
        2 => (0..7_usize).prop_map(Flaw::WrongType),
        2 => (0..7_usize).prop_map(Flaw::Twice),
        1 => prop::sample::select(vec![
            Flaw::NoObject, Flaw::Negative, Flaw::TooLong, Flaw::Huge, Flaw::Channel, Flaw::Instant, Flaw::Early, Flaw::Late,
        ]),
    ];
    let row = (
        0..3_usize,
        any::<bool>(),
        0..31_622_400_001_i64,
        0..4_usize,
        any::<[bool; 2]>(),
        0..4_102_444_800_i64,
        0..4_usize,
        flaw,
    );
    let row = row.prop_map(|(queue, is_named, millis, style, [offered, handled], start, zone, flaw)| Row {
        queue,
        is_named,
        millis,
        style,
        offered,
        handled,
        start,
        zone,
        flaw,
    });
    prop::collection::vec(row, 1..12)
}

/// As identifiers, escaped in different ways.
const QUEUES: [(&str, &str); 3] = [("\"q\"", "q"), (r#""\u0071 \"2\"""#, "q \"2\""), ("\"Zürich\\\\\"", "Zürich\\")];
const ZONES: [(&str, i64); 4] = [("Z", 0), ("+00:00", 0), ("+05:45", 20_700), ("-03:30", -12_600)];

impl Row {
    fn duration(&self) -> String {
        let (secs, rest) = (self.millis / 1_000, self.millis % 1_000);
        match (self.flaw, self.style) {
            (Flaw::Negative, _) => format!("-{secs}.5"),
            (Flaw::TooLong, _) => "31622400.0006".to_owned(),
            (Flaw::Huge, _) => "1e400".to_owned(),
            (_, 0) => format!("{secs}.{rest:03}"),
            (_, 1) => format!("{}e-3", self.millis),
            (_, 2) => format!("{secs}.{rest:03}00004"),
            _ => format!("0.{:020}E+20", i128::from(self.millis)).replace("E+20", "E17"),
        }
    }

    fn timestamp(&self) -> String {
        let (suffix, offset) = ZONES[self.zone];
        let local = chrono(self.start + offset);
        match self.flaw {
            Flaw::Instant => format!("\"{} {suffix}\"", local.replace('T', "at")),
            Flaw::Early => "\"1969-12-31T23:59:59.999Z\"".to_owned(),
            Flaw::Late => "\"2100-01-01T00:00:00Z\"".to_owned(),
            _ => format!("\"{local}{suffix}\""),
        }
    }

    fn text(&self) -> String {
        if self.flaw == Flaw::NoObject {
            return "[]".to_owned();
        }
        let channel = if self.flaw == Flaw::Channel { "\"calls \"" } else { "\"calls\"" };
        let properties = self.object(&[
            (1, "offered", self.offered.to_string()),
            (2, "handled", self.handled.to_string()),
            (3, "duration", self.duration()),
        ]);
        let mut fields = vec![
            (0, "properties", properties),
            (4, "queueIdentifier", QUEUES[self.queue].0.to_owned()),
            (5, "timestamp", self.timestamp()),
            (6, "channel", channel.to_owned()),
        ];
        // Without an identifier the name is the identifier: to miss it is no flaw then.
        if self.is_named && self.flaw != Flaw::Missing(4) {
            fields.push((99, "queueName", "\"A name\"".to_owned()));
        }
        let by = self.style % fields.len();
        fields.rotate_left(by);
        self.object(&fields)
    }

    fn object(&self, fields: &[(usize, &str, String)]) -> String {
        let mut parts = Vec::new();
        for (number, name, value) in fields {
            let value = if self.flaw == Flaw::WrongType(*number) { "[true]" } else { value };
            if self.flaw != Flaw::Missing(*number) {
                parts.push(format!("\"{name}\" : {value}"));
            }
            if self.flaw == Flaw::Twice(*number) {
                parts.insert(0, format!("\"{name}\":{value}"));
            }
        }
        format!("{{{}}}", parts.join(",\n"))
    }

    fn error(&self) -> Option<(&'static str, &'static str)> {
        Some(match self.flaw {
            Flaw::None => return None,
            Flaw::Missing(field) => (FIELDS[field], "required"),
            Flaw::WrongType(field) => (FIELDS[field], "type"),
            Flaw::Twice(field) => (FIELDS[field], "twice"),
            Flaw::NoObject => ("", "type"),
            Flaw::Negative | Flaw::TooLong | Flaw::Huge => ("properties.duration", "duration"),
            Flaw::Channel => ("channel", "channel"),
            Flaw::Instant => ("timestamp", "date"),
            Flaw::Early | Flaw::Late => ("timestamp", "date_range"),
        })
    }
}

/// Seconds since 1970 as a date and a time, by the calendar alone.
fn chrono(secs: i64) -> String {
    let (mut day, time) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while day < 0 {
        year -= 1;
        day += if is_leap(year) { 366 } else { 365 };
    }
    while day >= if is_leap(year) { 366 } else { 365 } {
        day -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}", day + 1, time / 3_600, time / 60 % 60, time % 60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_is_kept_is_what_was_meant(rows in rows()) {
        let texts: Vec<String> = rows.iter().map(Row::text).collect();
        let body = format!("{{\"meta\":{{\"integrationConfigurationId\":1}},\"data\":[{}]}}", texts.join(" , "));
        let mut expected: BTreeMap<(String, i64), [i64; 3]> = BTreeMap::new();
        let mut errors = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            match row.error() {
                Some((field, rule)) => errors.push(json!([index, field, rule])),
                None => {
                    let cell = expected.entry((QUEUES[row.queue].1.to_owned(), row.start / 900 * 900)).or_default();
                    cell[0] += i64::from(row.offered);
                    cell[1] += i64::from(row.handled);
                    cell[2] += if row.handled { row.millis } else { 0 };
                }
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (answer, found) = runtime.block_on(async {
            let host = Host::new().await;
            let answer = host.post(CONTACTS, &[], body.clone()).await;
            let mut found = BTreeMap::new();
            for row in host.runtime.intervals("API").await.unwrap() {
                let m = row.measures;
                let counts = [m.offered.micros() / 1_000_000, m.handled.micros() / 1_000_000, m.handle_time.total.get()];
                found.insert((row.queue.id, row.start.millis() / 1_000), counts);
            }
            (answer, found)
        });
        let good = rows.len() - errors.len();
        prop_assert_eq!(answer.status.as_u16(), if good > 0 { 202 } else { 422 }, "{} {}", body, answer.text);
        prop_assert_eq!(answer.counts(), (rows.len() as u64, good as u64, errors.len() as u64, false));
        let told: Vec<_> = answer.json()["errors"].as_array().unwrap().iter()
            .map(|error| json!([error["index"], error["field"], error["rule"]])).collect();
        prop_assert_eq!(told, errors, "{}", body);
        prop_assert_eq!(found, expected, "{}", body);
    }
}
