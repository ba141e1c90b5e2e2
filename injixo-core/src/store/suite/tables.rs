//! The tables for readers that use SQL.

use injixo_model::{Measures, Quantity, Span, Timed};
use proptest::prelude::*;

use super::*;

/// A statement that returns lines of text.
#[async_trait]
trait Lines: Send {
    async fn lines(&mut self, statement: &'static str) -> Vec<String>;
}

#[cfg(feature = "sqlite")]
#[async_trait]
impl Lines for sqlx::SqliteConnection {
    async fn lines(&mut self, statement: &'static str) -> Vec<String> {
        sqlx::query_scalar(statement).fetch_all(self).await.unwrap()
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl Lines for sqlx::PgConnection {
    async fn lines(&mut self, statement: &'static str) -> Vec<String> {
        sqlx::query_scalar(statement).fetch_all(self).await.unwrap()
    }
}

fn measures(offered: i64) -> Measures {
    let timed = |total, number| Timed { total: Millis::new(total), number: Quantity::from_micros(number) };
    Measures {
        offered: Quantity::from_micros(offered),
        handled: Quantity::whole(2),
        handle_time: timed(1_500, 2_000_000),
        wait_time: timed(7, 500_000),
        abandoned: Some(Quantity::ZERO),
        within_service_level: None,
    }
}

/// What a reader finds in the views.
async fn views_show_what_was_put(
    store: &dyn Store,
    reader: &mut dyn Lines,
    intervals: &'static str,
    timelines: &'static str,
) {
    let mut write = store.write().await.unwrap();
    assert!(write.keeps_tables());
    let id = write.put_integration(&integration("Sales")).await.unwrap();
    let named = |kind, external| Subject {
        names: vec![(at(1), "Old".to_owned()), (at(2), "New".to_owned())],
        ..subject(kind, external)
    };
    let subjects = [
        named(SubjectKind::Queue, "q"),
        named(SubjectKind::Agent, "agent"),
        Subject { names: Vec::new(), ..subject(SubjectKind::Status, "ready") },
        Subject { names: Vec::new(), ..subject(SubjectKind::Status, "busy") },
    ];
    let ids = write.add_subjects(id, &subjects).await.unwrap();
    let start = 1_711_845_900_000; // 2024-03-31T00:45:00Z
    let interval = |number: i64, measures| TableChange::Interval {
        queue: ids[0],
        start: at(start + number * 900_000),
        end: at(start + (number + 1) * 900_000),
        measures,
    };
    let timeline = |from, to: Option<i64>, pieces: &[(i64, Option<i64>, u32)]| TableChange::Timeline {
        agent: ids[1],
        from: at(from),
        to: to.map(at),
        pieces: pieces
            .iter()
            .map(|(from, to, status)| Span { start: at(*from), end: to.map(at), status: *status })
            .collect(),
    };
    write
        .put_tables(&[
            interval(0, Some(measures(1))),
            interval(0, Some(measures(1_250_000))),
            interval(1, Some(measures(3_000_000))),
            interval(2, Some(measures(3_000_000))),
            timeline(start, None, &[(start, Some(start + 1), ids[2]), (start + 1, None, ids[3])]),
        ])
        .await
        .unwrap();
    write.commit().await.unwrap();
    let mut write = store.write().await.unwrap();
    write
        .put_tables(&[
            interval(2, None),
            timeline(start + 1, Some(start + 60_000), &[(start + 1, Some(start + 60_000), ids[2])]),
        ])
        .await
        .unwrap();
    write.commit().await.unwrap();
    let first = "Sales|q|New|chats|2024-03-31T00:45:00.000Z|2024-03-31T01:00:00.000Z|1.25|2|1500|2|7|0.5|0|";
    let second = "Sales|q|New|chats|2024-03-31T01:00:00.000Z|2024-03-31T01:15:00.000Z|3|2|1500|2|7|0.5|0|";
    assert_eq!(reader.lines(intervals).await, [first, second]);
    let ready = "Sales|agent|New|ready|ready|2024-03-31T00:45:00.000Z|2024-03-31T00:46:00.000Z";
    let busy = "Sales|agent|New|busy|busy|2024-03-31T00:46:00.000Z|";
    assert_eq!(reader.lines(timelines).await, [ready, busy]);
}

/// Instants 0 to 29 of two agents, and 30 for all that follow.
type Model = [[Option<u32>; 31]; 2];

fn rows(model: &Model) -> Vec<String> {
    let mut rows = Vec::new();
    for (agent, statuses) in model.iter().enumerate() {
        let mut start = 0;
        for end in 1..=statuses.len() {
            if end == statuses.len() || statuses[end] != statuses[start] {
                let shown = if end == statuses.len() { String::new() } else { format!("{end}") };
                rows.extend(statuses[start].map(|status| format!("{}|{start}|{shown}|{status}", agent + 1)));
                start = end;
            }
        }
    }
    rows
}

/// An agent, a stretch, and what each instant of it shows.
type Step = (usize, usize, Option<usize>, [Option<u32>; 31]);

fn step() -> impl Strategy<Value = Step> {
    let shown = prop::collection::vec(prop::option::of(1_u32..3), 11);
    (0_usize..2, 0_usize..30, prop::option::of(1_usize..20), shown).prop_map(|(agent, from, length, shown)| {
        let to = length.map(|length| (from + length).min(30));
        (agent, from, to, std::array::from_fn(|instant| shown[instant / 3]))
    })
}

async fn follow(
    store: &dyn Store,
    reader: &mut dyn Lines,
    statement: &'static str,
    steps: &[Vec<Step>],
) -> Result<(), TestCaseError> {
    let mut model: Model = [[None; 31]; 2];
    for steps in steps {
        let mut changes = Vec::new();
        for (agent, from, to, shown) in steps {
            let mut pieces = Vec::new();
            for instant in *from..to.unwrap_or(31) {
                model[*agent][instant] = shown[instant];
                let end = (instant < 30).then(|| at(i64::try_from(instant).unwrap() + 1));
                let start = at(i64::try_from(instant).unwrap());
                pieces.extend(shown[instant].map(|status| Span { start, end, status }));
            }
            let instant = |instant: usize| at(i64::try_from(instant).unwrap());
            let agent = u32::try_from(*agent).unwrap() + 1;
            changes.push(TableChange::Timeline { agent, from: instant(*from), to: to.map(instant), pieces });
        }
        let mut write = store.write().await.unwrap();
        write.put_tables(&changes).await.unwrap();
        write.commit().await.unwrap();
        prop_assert_eq!(reader.lines(statement).await, rows(&model));
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step(), 1..4), 1..8)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use sqlx::{Connection, SqliteConnection};

    use super::*;

    async fn store() -> (tempfile::TempDir, SqliteStore, SqliteConnection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open_with_tables(&path).await.unwrap();
        let reader = SqliteConnection::connect(&format!("sqlite://{}?mode=ro", path.display())).await.unwrap();
        (folder, store, reader)
    }

    #[tokio::test]
    async fn views_show_what_was_put() {
        let (_folder, store, mut reader) = store().await;
        let intervals = "SELECT concat_ws('|', integration, queue, queue_name, channel, interval_start, interval_end,
            printf('%g', offered), printf('%g', handled), handle_time_ms, printf('%g', handle_time_contacts),
            wait_time_ms, printf('%g', wait_time_contacts), printf('%g', abandoned),
            coalesce(within_service_level, '')) FROM intervals ORDER BY interval_start";
        let timelines = "SELECT concat_ws('|', integration, agent, agent_name, status, status_name, status_start,
            coalesce(status_end, '')) FROM timelines ORDER BY status_start";
        super::views_show_what_was_put(&store, &mut reader, intervals, timelines).await;
    }

    #[test]
    fn timelines_follow_every_change() {
        let runtime = runtime();
        proptest!(ProptestConfig::with_cases(40), |(steps in steps())| {
            runtime.block_on(async {
                let (_folder, store, mut reader) = store().await;
                let statement = "SELECT concat_ws('|', agent, start_, coalesce(end_, ''), status) FROM bi_timeline
                    ORDER BY agent, start_";
                follow(&store, &mut reader, statement, &steps).await
            })?;
        });
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    use super::*;

    async fn store(url: &str, schema: &str) -> (PostgresStore, PgConnection) {
        let store = PostgresStore::connect_to_schema(url, schema).await.unwrap();
        let mut reader = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("SET search_path = {schema}"))).execute(&mut reader).await.unwrap();
        (store, reader)
    }

    #[tokio::test]
    async fn views_show_what_was_put() {
        let (store, mut reader) = store(&injixo_test_servers::postgres(), "injixo").await;
        let intervals = r#"SELECT concat_ws('|', integration, queue, queue_name, channel,
            to_char(interval_start, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), to_char(interval_end, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            trim_scale(offered), trim_scale(handled), handle_time_ms, trim_scale(handle_time_contacts), wait_time_ms,
            trim_scale(wait_time_contacts), trim_scale(abandoned), coalesce(within_service_level::text, ''))
            FROM intervals ORDER BY interval_start"#;
        let timelines = r#"SELECT concat_ws('|', integration, agent, agent_name, status, status_name,
            to_char(status_start, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            coalesce(to_char(status_end, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '')) FROM timelines ORDER BY status_start"#;
        super::views_show_what_was_put(&store, &mut reader, intervals, timelines).await;
    }

    #[test]
    fn timelines_follow_every_change() {
        let runtime = runtime();
        let url = injixo_test_servers::postgres();
        let number = std::cell::Cell::new(0);
        proptest!(ProptestConfig::with_cases(16), |(steps in steps())| {
            number.set(number.get() + 1);
            let schema = format!("schema_{}", number.get());
            runtime.block_on(async {
                let (store, mut reader) = store(&url, &schema).await;
                let statement = "SELECT concat_ws('|', agent, CAST(extract(epoch FROM start_) * 1000 AS BIGINT),
                    coalesce(CAST(extract(epoch FROM end_) * 1000 AS BIGINT)::text, ''), status) FROM bi_timeline
                    ORDER BY agent, start_";
                let done = follow(&store, &mut reader, statement, &steps).await;
                store.close().await;
                done
            })?;
        });
    }
}
