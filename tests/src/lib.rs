//! What the end-to-end tests share.

pub mod made;
pub mod proxy;
pub mod sources;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use injixo_connectors::core::Runtime;
use injixo_connectors::core::model::IntervalLength;
use injixo_connectors::csv::{Csv, Schema};

/// A contact-based schema in UTC with seconds: `Queue;When;Handled;Duration`.
pub const CONTACTS: &str = "
    data = 'contacts'
    time_zone = 'UTC'
    [columns]
    queue = 'Queue'
    timestamp = 'When'
    offered = { value = 1 }
    handled = 'Handled'
    duration = 'Duration'
    channel = { value = 'calls' }
";

/// A schema.
///
/// # Panics
///
/// If it is wrong.
pub fn schema(text: &str) -> Schema {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The connector of a schema.
pub fn csv(text: &str) -> Csv {
    Csv::new(schema(text))
}

/// Writes a file and returns its path.
///
/// # Panics
///
/// If it cannot be written.
pub fn file(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
    path
}

/// All quarter hours of an integration: `queue start offered handled handle_time` by line.
///
/// # Panics
///
/// If they cannot be read.
pub async fn quarters(runtime: &Runtime, integration: &str) -> String {
    let intervals = runtime.intervals(integration).every(IntervalLength::MINUTES_15).await;
    let mut lines = String::new();
    for interval in intervals.unwrap_or_else(|error| panic!("{error}")) {
        let measures = interval.measures;
        let _ = writeln!(
            lines,
            "{} {} {} {} {}",
            interval.queue.id, interval.start, measures.offered, measures.handled, measures.handle_time.total
        );
    }
    lines
}

/// The quarter hours of contacts (queue, start in seconds since 1970, duration; all handled), added up naively.
pub fn naive_quarters<'q>(contacts: impl IntoIterator<Item = (&'q str, i64, i64)>) -> String {
    let mut sums: BTreeMap<(&str, i64), (i64, i64)> = BTreeMap::new();
    for (queue, start, duration) in contacts {
        let (count, time) = sums.entry((queue, start / 900 * 900)).or_default();
        *count += 1;
        *time += duration;
    }
    let mut lines = String::new();
    for ((queue, start), (count, time)) in sums {
        let _ = writeln!(lines, "{queue} {} {count} {count} {time}", utc(start));
    }
    lines
}

/// `2024-03-31T00:45:00Z` from seconds since 1970, by calendar arithmetic of its own (Howard Hinnant's civil_from_days).
pub fn utc(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

/// A pseudo-random number, the same in each run.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Whether the long form was asked for.
pub fn is_long() -> bool {
    std::env::var("INJIXO_TEST_LONG").is_ok_and(|long| long == "1")
}
