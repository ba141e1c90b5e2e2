//! What files replace, add and leave alone, through the connector and a store, as a host sees it.

use std::fmt::Write as _;
use std::path::Path;

use injixo_connectors::core::aggregate::timeline;
use injixo_connectors::core::{MemoryStore, Runtime};
use injixo_tests::{CONTACTS, csv, file, naive_quarters, quarters, utc};
use proptest::prelude::*;

/// 2024-05-27T08:00:00Z, a Monday.
const EIGHT: i64 = 1_716_796_800;

type Row<'q> = (&'q str, i64, i64);

/// `("Sales", "8:07", 120)` as a row.
fn row<'q>(queue: &'q str, clock: &str, duration: i64) -> Row<'q> {
    let (hour, minute) = clock.split_once(':').unwrap();
    (queue, EIGHT + (hour.parse::<i64>().unwrap() - 8) * 3_600 + minute.parse::<i64>().unwrap() * 60, duration)
}

fn text(rows: &[Row<'_>]) -> String {
    let mut text = String::from("Queue;When;Handled;Duration\n");
    for (queue, start, duration) in rows {
        let _ = writeln!(text, "{queue};{};1;{duration}", utc(*start));
    }
    text
}

/// The quarter hours after importing files of these rows one after the other.
fn after(files: &[&[Row<'_>]]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(MemoryStore::new());
    block_on(async {
        let integration = runtime.add("calls", csv(CONTACTS)).await.unwrap();
        for (index, rows) in files.iter().enumerate() {
            let path = file(folder.path(), &format!("{index}.csv"), &text(rows));
            integration.import_file(path).await.unwrap();
        }
        quarters(&runtime, "calls").await
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

macro_rules! files {
    ($($name:ident: $files:expr => $expected:expr;)*) => {
        $(#[test]
        fn $name() {
            let files: &[&[Row<'_>]] = &$files;
            let expected: &[Row<'_>] = &$expected;
            assert_eq!(after(files), naive_quarters(expected.iter().copied()));
        })*
    };
}

files! {
    cut_in_the_middle_of_an_interval:
        [&[row("Sales", "8:00", 1), row("Sales", "8:07", 2)], &[row("Sales", "8:08", 4), row("Sales", "8:22", 8)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:07", 2), row("Sales", "8:08", 4), row("Sales", "8:22", 8)];
    cut_inside_a_printed_minute:
        [&[row("Sales", "8:00", 1), row("Sales", "8:07", 2), row("Sales", "8:07", 3)],
         &[row("Sales", "8:07", 5), row("Sales", "8:22", 8)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:07", 2), row("Sales", "8:07", 3), row("Sales", "8:07", 5), row("Sales", "8:22", 8)];
    cut_inside_a_printed_minute_the_other_way_round:
        [&[row("Sales", "8:07", 5), row("Sales", "8:22", 8)],
         &[row("Sales", "8:00", 1), row("Sales", "8:07", 2), row("Sales", "8:07", 3)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:07", 2), row("Sales", "8:07", 3), row("Sales", "8:07", 5), row("Sales", "8:22", 8)];
    the_same_rows_at_both_sides_of_a_cut:
        [&[row("Sales", "8:00", 1), row("Sales", "8:07", 2), row("Sales", "8:07", 2)],
         &[row("Sales", "8:07", 2), row("Sales", "8:07", 2), row("Sales", "8:22", 8)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:07", 2), row("Sales", "8:07", 2), row("Sales", "8:22", 8)];
    overlapping:
        [&[row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "8:50", 3), row("Sales", "9:00", 4)],
         &[row("Sales", "8:30", 2), row("Sales", "8:50", 30), row("Sales", "9:00", 4), row("Sales", "9:30", 5)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "8:50", 30), row("Sales", "9:00", 4), row("Sales", "9:30", 5)];
    growing_through_the_day:
        [&[row("Sales", "8:00", 1), row("Sales", "8:10", 2)],
         &[row("Sales", "8:00", 1), row("Sales", "8:10", 20), row("Sales", "9:10", 3)],
         &[row("Sales", "8:00", 1), row("Sales", "8:10", 20), row("Sales", "9:10", 3), row("Sales", "10:10", 4)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:10", 20), row("Sales", "9:10", 3), row("Sales", "10:10", 4)];
    a_contact_moved_to_another_queue:
        [&[row("Sales", "8:00", 1), row("Support", "8:20", 2), row("Support", "9:40", 3), row("Sales", "10:00", 4)],
         &[row("Sales", "8:00", 1), row("Sales", "8:20", 2), row("Support", "9:40", 3), row("Sales", "10:00", 4)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:20", 2), row("Support", "9:40", 3), row("Sales", "10:00", 4)];
    a_row_gone:
        [&[row("Sales", "8:00", 1), row("Sales", "8:20", 2), row("Sales", "10:00", 4)], &[row("Sales", "8:00", 1), row("Sales", "10:00", 4)]]
        => [row("Sales", "8:00", 1), row("Sales", "10:00", 4)];
    one_file_per_queue:
        [&[row("Sales", "8:00", 1), row("Sales", "9:00", 2)], &[row("Support", "8:00", 3), row("Support", "9:00", 4)],
         &[row("Sales", "8:00", 1), row("Sales", "8:30", 7), row("Sales", "9:00", 2)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:30", 7), row("Sales", "9:00", 2), row("Support", "8:00", 3), row("Support", "9:00", 4)];
    two_histories_in_one_file:
        [&[row("Sales", "8:00", 1), row("Sales", "9:00", 2), row("Support", "9:30", 3)],
         &[("Sales", EIGHT - 366 * 86_400, 5), ("Support", EIGHT + 7_200, 6)]]
        => [("Sales", EIGHT - 366 * 86_400, 5), row("Sales", "8:00", 1), row("Sales", "9:00", 2), ("Support", EIGHT + 7_200, 6)];
    the_same_file_twice:
        [&[row("Sales", "8:00", 1), row("Sales", "9:00", 2)], &[row("Sales", "8:00", 1), row("Sales", "9:00", 2)]]
        => [row("Sales", "8:00", 1), row("Sales", "9:00", 2)];
    restored_after_another_file:
        [&[row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "9:00", 3)],
         &[row("Sales", "8:00", 1), row("Sales", "8:30", 9), row("Sales", "9:00", 3)],
         &[row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "9:00", 3)]]
        => [row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "9:00", 3)];
}

// In the case `two_histories_in_one_file` the last row of the second file is the last instant of the file and lies behind
// 9:30, which it reaches across: Support at 9:30 is corrected away, because the file names Support on that day.

#[test]
fn two_interval_rows_corrected_by_hand() {
    let schema = "
        data = 'contacts'\nlayout = 'interval-based'\ninterval = 30\ntime_zone = 'UTC'
        [columns]\nqueue = 'Queue'\ntimestamp = 'When'\noffered = 'Offered'\nhandled = 'Handled'\naht = 'AHT'
        channel = { value = 'calls' }";
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(MemoryStore::new());
    block_on(async {
        let integration = runtime.add("rows", csv(schema)).await.unwrap();
        let year = "Queue;When;Offered;Handled;AHT\nS;2024-01-15 08:00;5;4;100\nS;2024-03-15 08:30;6;5;100\nS;2024-06-15 09:00;7;6;100\nS;2024-06-15 09:00;1;0;\n";
        let report = integration.import_file(file(folder.path(), "year.csv", year)).await.unwrap();
        assert_eq!((report.imported, report.facts.added), (4, 3));
        let two = "Queue;When;Offered;Handled;AHT\nS;2024-01-15 08:00;50;40;10\nS;2024-06-15 09:00;70;60;10\n";
        let report = integration.import_file(file(folder.path(), "two.csv", two)).await.unwrap();
        assert_eq!((report.facts.added, report.facts.replaced, report.facts.gone), (0, 2, 0));
        assert_eq!(
            quarters_of_half_hours(&runtime).await,
            "2024-01-15T08:00:00Z 50 40 400\n2024-03-15T08:30:00Z 6 5 500\n2024-06-15T09:00:00Z 70 60 600\n"
        );
    });
}

async fn quarters_of_half_hours(runtime: &Runtime) -> String {
    let mut lines = String::new();
    for interval in runtime.intervals("rows").await.unwrap() {
        let measures = interval.measures;
        let _ = writeln!(
            lines,
            "{} {} {} {}",
            interval.start, measures.offered, measures.handled, measures.handle_time.total
        );
    }
    lines
}

#[test]
fn start_only_statuses_end_in_a_later_file_in_either_order() {
    let schema = "
        data = 'agent-status'\ntime_zone = 'UTC'
        [columns]\nagent = 'AgentID'\nactivity = 'AgentActivityID'
        start_date = { column = 'StartDate', format = 'YYYY-MM-DD' }
        start_time = { column = 'StartTime', format = 'hh:mm:ss' }";
    let first =
        "StartDate;StartTime;AgentID;AgentActivityID\n2022-04-22;08:34:29;816;1013;\n2022-04-22;08:34:42;816;1015;\n";
    let second = "StartDate;StartTime;AgentID;AgentActivityID\n2022-04-22;08:50:00;816;1011;\n";
    for files in [[first, second], [second, first]] {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new(MemoryStore::new());
        block_on(async {
            let integration = runtime.add("agents", csv(schema)).await.unwrap();
            for (index, text) in files.iter().enumerate() {
                integration.import_file(file(folder.path(), &format!("{index}.csv"), text)).await.unwrap();
            }
            let (agents, names) = runtime.statuses("agents").await.unwrap();
            let shown: Vec<(String, i64, Option<i64>)> = timeline(&agents[0].spans)
                .iter()
                .map(|piece| {
                    let seconds = piece.end.map(|end| (end.millis() - piece.start.millis()) / 1_000);
                    (names[&piece.status].clone(), piece.start.millis() / 1_000 % 86_400, seconds)
                })
                .collect();
            let clock = |hour: i64, minute: i64, second: i64| hour * 3_600 + minute * 60 + second;
            assert_eq!(
                shown,
                [
                    ("1013".to_owned(), clock(8, 34, 29), Some(13)),
                    ("1015".to_owned(), clock(8, 34, 42), Some(15 * 60 + 18)),
                    ("1011".to_owned(), clock(8, 50, 0), None),
                ]
            );
        });
    }
}

#[test]
fn a_folder_takes_each_content_once_and_waits_until_a_file_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let schema = format!("folder = {{ path = '{}', quiet_secs = 30 }}\n{CONTACTS}", folder.path().display());
    let runtime = Runtime::new(MemoryStore::new());
    block_on(async {
        let integration = runtime.add("calls", csv(&schema)).await.unwrap();
        let write = |name: &str, rows: &[Row<'_>], age: u64| {
            let path = file(folder.path(), name, &text(rows));
            let modified = std::time::SystemTime::UNIX_EPOCH + now() - std::time::Duration::from_secs(age);
            std::fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
        };
        // Found out of order: the older file is applied first, whatever the names say.
        write("a.csv", &[row("Sales", "8:00", 1), row("Sales", "8:30", 20), row("Sales", "9:00", 3)], 60);
        write("b.csv", &[row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "9:00", 3)], 600);
        write("c.csv", &[row("Sales", "10:00", 5)], 0);
        write("notes.txt", &[row("Sales", "11:00", 5)], 600);
        let names = |reports: Vec<(String, injixo_connectors::core::Result<injixo_connectors::core::ImportReport>)>| {
            reports.into_iter().map(|(name, report)| (name, report.unwrap().imported)).collect::<Vec<_>>()
        };
        let first = names(integration.import_arrived().await.unwrap());
        assert_eq!(first, [("b.csv".to_owned(), 3), ("a.csv".to_owned(), 3)]);
        let held = [row("Sales", "8:00", 1), row("Sales", "8:30", 20), row("Sales", "9:00", 3)];
        assert_eq!(quarters(&runtime, "calls").await, naive_quarters(held));
        // The same data under a new name is known; a name used again for new data is not.
        write("d.csv", &[row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "9:00", 3)], 60);
        write("a.csv", &[row("Sales", "12:00", 7)], 60);
        write("c.csv", &[row("Sales", "10:00", 5)], 60);
        let second = names(integration.import_arrived().await.unwrap());
        assert_eq!(second.len(), 2, "{second:?}");
        let held = held.into_iter().chain([row("Sales", "10:00", 5), row("Sales", "12:00", 7)]);
        assert_eq!(quarters(&runtime, "calls").await, naive_quarters(held));
        assert!(integration.import_arrived().await.unwrap().is_empty());
        assert!(Path::new(&folder.path().join("b.csv")).exists(), "files stay where they are");
    });
}

#[expect(clippy::disallowed_methods, reason = "files carry the time of the machine")]
fn now() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap()
}

#[test]
fn a_row_that_was_bad_leaves_quarantine_with_the_file_that_brings_it_right() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(MemoryStore::new());
    block_on(async {
        let integration = runtime.add("calls", csv(CONTACTS)).await.unwrap();
        let whole = text(&[row("Sales", "8:00", 1), row("Sales", "8:30", 2), row("Sales", "9:00", 3)]);
        let half = &whole[..whole.len() - 20];
        let report = integration.import_file(file(folder.path(), "a.csv", half)).await.unwrap();
        assert_eq!((report.imported, report.rejected), (2, 1));
        assert_eq!(runtime.quarantine("calls").await.unwrap().len(), 1);
        integration.import_file(file(folder.path(), "a.csv", &whole)).await.unwrap();
        assert_eq!(runtime.quarantine("calls").await.unwrap().len(), 0);
    });
}

/// A truth in which all starts differ.
fn truth() -> impl Strategy<Value = Vec<(usize, i64, i64)>> {
    let gaps = prop::collection::vec((0..3_usize, 1..2_000_i64, 0..900_i64), 12..60);
    gaps.prop_map(|gaps| {
        let mut at = EIGHT;
        let contact = |(queue, gap, duration): (usize, i64, i64)| {
            at += gap;
            (queue, at, duration)
        };
        gaps.into_iter().map(contact).collect()
    })
}

const QUEUES: [&str; 3] = ["Sales", "Service", "Support"];

fn named(rows: &[(usize, i64, i64)]) -> Vec<Row<'static>> {
    rows.iter().map(|&(queue, start, duration)| (QUEUES[queue], start, duration)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Cut anywhere, overlapping by any amount, in any order, some twice, some for one queue alone: the truth comes out.
    #[test]
    fn files_cut_overlapped_renamed_and_repeated_give_the_truth(
        truth in truth(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..10_usize), 1..6),
        order in any::<u64>(),
        by_queue: bool,
    ) {
        let mut ends: Vec<usize> = cuts.iter().map(|(cut, _)| cut.index(truth.len())).collect();
        ends.sort_unstable();
        ends.push(truth.len());
        let mut files = Vec::new();
        let mut from = 0;
        for (index, &to) in ends.iter().enumerate() {
            let overlap = cuts.get(index).map_or(0, |cut| cut.1);
            let part = &truth[from.min(to)..(to + overlap).min(truth.len())];
            let queues: Vec<Option<usize>> = if by_queue { (0..3).map(Some).collect() } else { vec![None] };
            for queue in queues {
                let rows: Vec<_> = part.iter().copied().filter(|row| queue.is_none_or(|queue| row.0 == queue)).collect();
                if !rows.is_empty() {
                    files.push(named(&rows));
                }
            }
            from = to;
        }
        // A shuffle, and one file again at the end.
        let mut seed = order;
        for index in (1..files.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            files.swap(index, (seed >> 33) as usize % (index + 1));
        }
        files.push(files[0].clone());
        let files: Vec<&[Row<'_>]> = files.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(after(&files), naive_quarters(named(&truth)));
    }

    /// A file grows, then is corrected: rows between its ends change, move to another queue of that day, vanish or appear.
    #[test]
    fn files_grown_and_corrected_give_the_corrected_truth(
        truth in truth(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, 0..3_usize), 0..12),
        sizes in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let mut corrected = truth.clone();
        for (at, edit, queue) in edits {
            let inner = at.index(corrected.len() - 2) + 1;
            match edit {
                0 => corrected[inner].2 += 17,
                1 => corrected[inner].0 = queue,
                2 if corrected.len() > 6 => drop(corrected.remove(inner)),
                _ if corrected[inner - 1].1 + 1 < corrected[inner].1 => {
                    let new = (queue, corrected[inner].1 - 1, 33);
                    corrected.insert(inner, new);
                }
                _ => {}
            }
        }
        // Every queue is named by the corrected file, else it says nothing about it.
        let all_named = truth.iter().all(|row| corrected.iter().any(|other| other.0 == row.0 && other.1 / 86_400 == row.1 / 86_400));
        prop_assume!(all_named);
        let mut sizes: Vec<usize> = sizes.iter().map(|size| size.index(truth.len()) + 1).collect();
        sizes.sort_unstable();
        let mut files: Vec<Vec<Row<'_>>> = sizes.iter().map(|&size| named(&truth[..size])).collect();
        files.push(named(&truth));
        files.push(named(&corrected));
        let files: Vec<&[Row<'_>]> = files.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(after(&files), naive_quarters(named(&corrected)));
    }
}
