//! Windows of a source, in any split and order, on both stores; and what an answer may not do.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connectors::core::aggregate::timeline;
use injixo_connectors::core::connector::{
    CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, Outcome, StatusSource,
    StatusWriter,
};
use injixo_connectors::core::model::{Channel, Millis, Timestamp, Window};
use injixo_connectors::core::{ErrorKind, MemoryStore, Result, Runtime, SqliteStore};
use injixo_tests::{naive_quarters, quarters};
use proptest::prelude::*;

const QUEUES: [&str; 3] = ["Sales", "Service", "Support"];
const AGENTS: [&str; 2] = ["amy", "bob"];
const STATUSES: [&str; 3] = ["Ready", "On Call", "Break"];
const BEGIN: i64 = 1_716_796_800;

/// A system that answers from a list.
#[derive(Debug, Clone, Default)]
struct Listed {
    contacts: Vec<(usize, i64, i64)>,
    /// Agent, status, start and end.
    spans: Vec<(usize, usize, i64, Option<i64>)>,
    outcome: Option<Outcome>,
}

#[async_trait]
impl Connector for Listed {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("listed", "A list")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ContactSource for Listed {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        for &(queue, start, duration) in &self.contacts {
            // More than what starts in the window: the writer leaves the rest out.
            if (start - window.from().millis() / 1_000).abs() < 100_000 {
                let duration = Millis::from_secs(duration);
                out.contact(QUEUES[queue], Channel::Calls, Timestamp::from_secs(start))
                    .handled(true)
                    .handle_time(duration);
            }
            out.flush().await?;
        }
        Ok(self.outcome.unwrap_or(Outcome::complete()))
    }
}

#[async_trait]
impl StatusSource for Listed {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    /// What overlaps the window, as far as it is known at its end: a span that goes on has no end yet.
    async fn read(&self, _: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        for &(agent, status, start, end) in &self.spans {
            let (start, end) = (Timestamp::from_secs(start), end.map(Timestamp::from_secs));
            let reaches = start < window.to() && end.is_none_or(|end| end >= window.from());
            if reaches {
                out.span(AGENTS[agent], STATUSES[status], start, end.filter(|end| *end < window.to()));
            }
        }
        Ok(self.outcome.unwrap_or(Outcome::complete()))
    }
}

fn window(from: i64, to: i64) -> Window {
    Window::new(Timestamp::from_secs(BEGIN + from), Timestamp::from_secs(BEGIN + to)).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

async fn timelines(runtime: &Runtime) -> String {
    let mut lines = String::new();
    let (agents, names) = runtime.statuses("listed").await.unwrap();
    for agent in agents {
        for piece in timeline(&agent.spans) {
            let _ = writeln!(lines, "{} {} {} {:?}", agent.agent, names[&piece.status], piece.start, piece.end);
        }
    }
    lines
}

async fn import(runtime: &Runtime, source: &Listed, windows: &[Window]) -> (String, String) {
    let integration = runtime.add("listed", source.clone()).await.unwrap();
    for window in windows {
        integration.import_contacts(*window).await.unwrap();
        integration.import_statuses(*window).await.unwrap();
    }
    (quarters(runtime, "listed").await, timelines(runtime).await)
}

fn contacts() -> impl Strategy<Value = Vec<(usize, i64, i64)>> {
    prop::collection::vec((0..3_usize, 0..14_400_i64, 0..2_000_i64), 1..40)
        .prop_map(|rows| rows.into_iter().map(|(queue, at, duration)| (queue, BEGIN + at, duration)).collect())
}

/// Per agent one status after the other, some of them beside a second one.
fn spans() -> impl Strategy<Value = Vec<(usize, usize, i64, Option<i64>)>> {
    prop::collection::vec((0..2_usize, 0..3_usize, 1..1_500_i64, any::<bool>()), 1..30).prop_map(|rows| {
        let mut at = [BEGIN; 2];
        let mut spans = Vec::new();
        for (agent, status, length, goes_on) in rows {
            let start = at[agent];
            at[agent] += length;
            spans.push((agent, status, start, Some(start + length + if goes_on { 40 } else { 0 })));
        }
        spans
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_split_in_any_order_gives_what_one_window_gives(
        contacts in contacts(),
        spans in spans(),
        cuts in prop::collection::btree_set(1..96_i64, 0..6),
        order in any::<u64>(),
    ) {
        let source = Listed { contacts, spans, outcome: None };
        let mut edges: Vec<i64> = cuts.into_iter().map(|cut| cut * 900).collect();
        edges.insert(0, 0);
        edges.push(96 * 900);
        let mut windows: Vec<Window> = edges.windows(2).map(|edge| window(edge[0], edge[1])).collect();
        let mut seed = order;
        for index in (1..windows.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            windows.swap(index, usize::try_from(seed >> 33).unwrap() % (index + 1));
        }
        let naive = naive_quarters(source.contacts.iter().map(|&(queue, start, duration)| (QUEUES[queue], start, duration)));
        block_on(async {
            let whole = import(&Runtime::new(MemoryStore::new()), &source, &[window(0, 96 * 900)]).await;
            assert_eq!(whole.0, naive);
            let split = import(&Runtime::new(MemoryStore::new()), &source, &windows).await;
            assert_eq!(split, whole);
        });
    }
}

#[test]
fn both_stores_hold_the_same() {
    let source = Listed {
        contacts: vec![(0, BEGIN + 5, 100), (2, BEGIN + 880, 30), (0, BEGIN + 900, 7)],
        spans: vec![(0, 0, BEGIN, Some(BEGIN + 1_200)), (1, 2, BEGIN + 60, None)],
        outcome: None,
    };
    let windows = [window(900, 1_800), window(0, 900), window(0, 1_800)];
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let store = SqliteStore::open(folder.path().join("store.db")).await.unwrap();
        let on_disk = import(&Runtime::new(store), &source, &windows).await;
        assert_eq!(on_disk, import(&Runtime::new(MemoryStore::new()), &source, &windows).await);
        assert_eq!(on_disk.0.lines().count(), 3);
    });
}

#[test]
fn an_unchanged_window_changes_no_fact() {
    let source = Listed { contacts: vec![(0, BEGIN + 5, 100), (1, BEGIN + 6, 100)], ..Listed::default() };
    block_on(async {
        let runtime = Runtime::new(MemoryStore::new());
        let integration = runtime.add("listed", source).await.unwrap();
        let first = integration.import_contacts(window(0, 900)).await.unwrap();
        let second = integration.import_contacts(window(0, 900)).await.unwrap();
        assert_eq!((first.facts.added, second.facts.added, second.facts.unchanged), (2, 0, 2));
    });
}

#[test]
fn what_is_gone_at_the_source_goes_and_an_empty_answer_keeps() {
    let both = Listed { contacts: vec![(0, BEGIN + 5, 100), (1, BEGIN + 6, 100)], ..Listed::default() };
    let one = Listed { contacts: vec![(0, BEGIN + 5, 100)], ..Listed::default() };
    block_on(async {
        let runtime = Runtime::new(MemoryStore::new());
        let import = async |source: &Listed| {
            runtime.add("listed", source.clone()).await.unwrap().import_contacts(window(0, 900)).await.unwrap()
        };
        import(&both).await;
        assert_eq!(import(&one).await.facts.gone, 1);
        let empty = import(&Listed::default()).await;
        assert_eq!((empty.facts.gone, empty.warnings.len()), (0, 1));
        assert_eq!(quarters(&runtime, "listed").await.lines().count(), 1);
    });
}

#[test]
fn an_answer_counts_as_far_as_it_is_complete() {
    let source = Listed { contacts: vec![(0, BEGIN + 5, 100), (0, BEGIN + 905, 100)], ..Listed::default() };
    let until = Outcome::complete_until(Timestamp::from_secs(BEGIN + 1_000));
    block_on(async {
        let runtime = Runtime::new(MemoryStore::new());
        import(&runtime, &source, &[window(0, 1_800)]).await;
        // The next answer ends at 1,000 s, on the grid at 900 s: what lies behind stays as it is.
        let shorter = Listed { contacts: vec![(0, BEGIN + 5, 50)], outcome: Some(until), ..Listed::default() };
        let integration = runtime.add("listed", shorter).await.unwrap();
        let report = integration.import_contacts(window(0, 1_800)).await.unwrap();
        assert_eq!(report.window, Some(window(0, 900)));
        let held = [("Sales", BEGIN + 5, 50), ("Sales", BEGIN + 905, 100)];
        assert_eq!(quarters(&runtime, "listed").await, naive_quarters(held));
    });
}

#[test]
fn a_truncated_answer_changes_nothing() {
    let source =
        Listed { contacts: vec![(0, BEGIN + 5, 100)], outcome: Some(Outcome::truncated()), ..Listed::default() };
    block_on(async {
        let runtime = Runtime::new(MemoryStore::new());
        let integration = runtime.add("listed", source).await.unwrap();
        let error = integration.import_contacts(window(0, 900)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        assert_eq!(quarters(&runtime, "listed").await, "");
    });
}
