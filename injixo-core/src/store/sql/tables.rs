//! The tables for people and tools that read with SQL.

use std::collections::BTreeMap;

use injixo_model::{Measures, Span, Timestamp};

use super::splice::{Stretch, splice};
use super::statement::{Bulk, ROWS_PER_STATEMENT, values};
use super::{Driver, Row};
use crate::error::Result;
use crate::store::TableChange;

/// Changes of the timeline of one agent, in their order.
type Changes<'a> = Vec<(Timestamp, Option<Timestamp>, &'a [Span])>;

pub(super) async fn put<D: Driver>(db: &mut D, changes: &[TableChange]) -> Result<()> {
    let mut intervals = BTreeMap::new();
    let mut timelines: BTreeMap<u32, Changes<'_>> = BTreeMap::new();
    for change in changes {
        match change {
            TableChange::Interval { queue, start, end, measures } => {
                intervals.insert((*queue, *start), (*end, *measures));
            }
            TableChange::Timeline { agent, from, to, pieces } => {
                timelines.entry(*agent).or_default().push((bounded(*from), to.map(bounded), pieces));
            }
        }
    }
    let intervals: Vec<_> = intervals.into_iter().collect();
    let (kept, gone): (Vec<_>, Vec<_>) = intervals.iter().partition(|(_, (_, measures))| measures.is_some());
    for rows in gone.chunks(ROWS_PER_STATEMENT) {
        let keys = rows.iter().map(|((queue, start), _)| (*queue, *start));
        delete(db, ") DELETE FROM bi_interval WHERE (queue, start_) IN (SELECT subject, start_ FROM gone)", keys)
            .await?;
    }
    for rows in kept.chunks(ROWS_PER_STATEMENT) {
        put_intervals(db, rows.iter().filter_map(|(key, (end, measures))| Some((*key, *end, (*measures)?)))).await?;
    }
    let timelines: Vec<(u32, Changes<'_>)> = timelines.into_iter().collect();
    for agents in timelines.chunks(ROWS_PER_STATEMENT) {
        put_timelines(db, agents).await?;
    }
    Ok(())
}

/// The last instant that every database can write as a date.
const LAST: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// The instant within the years that every database can write as a date.
fn bounded(instant: Timestamp) -> Timestamp {
    instant.clamp(Timestamp::from_millis(-62_135_596_800_000), LAST)
}

async fn delete<D: Driver>(
    db: &mut D,
    tail: &'static str,
    keys: impl Iterator<Item = (u32, Timestamp)> + Send,
) -> Result<()> {
    let mut statement = Bulk::new("WITH gone (subject, start_) AS (VALUES ");
    for (subject, start) in keys {
        statement.row_as(values![subject, start], |column, value| if column == 1 { D::instant(&value) } else { value });
    }
    let (statement, values) = statement.end(tail);
    db.execute(statement, values).await?;
    Ok(())
}

async fn put_intervals<D: Driver>(
    db: &mut D,
    rows: impl Iterator<Item = ((u32, Timestamp), Timestamp, Measures)> + Send,
) -> Result<()> {
    let mut statement = Bulk::new(
        "INSERT INTO bi_interval (queue, start_, end_, handle_time_ms, wait_time_ms, offered, handled,
        handle_time_contacts, wait_time_contacts, abandoned, within_service_level) VALUES ",
    );
    for ((queue, start), end, measures) in rows {
        let values = values![
            queue,
            start,
            end,
            measures.handle_time.total.get(),
            measures.wait_time.total.get(),
            measures.offered.micros(),
            measures.handled.micros(),
            measures.handle_time.number.micros(),
            measures.wait_time.number.micros(),
            measures.abandoned.map(|count| count.micros()),
            measures.within_service_level.map(|count| count.micros()),
        ];
        statement.row_as(values, |column, value| match column {
            0 | 3 | 4 => value,
            1 | 2 => D::instant(&value),
            _ => D::count(&value),
        });
    }
    let (statement, values) = statement.end(
        " ON CONFLICT (queue, start_) DO UPDATE SET end_ = excluded.end_, handle_time_ms = excluded.handle_time_ms,
        wait_time_ms = excluded.wait_time_ms, offered = excluded.offered, handled = excluded.handled,
        handle_time_contacts = excluded.handle_time_contacts, wait_time_contacts = excluded.wait_time_contacts,
        abandoned = excluded.abandoned, within_service_level = excluded.within_service_level",
    );
    db.execute(statement, values).await?;
    Ok(())
}

async fn put_timelines<D: Driver>(db: &mut D, agents: &[(u32, Changes<'_>)]) -> Result<()> {
    let mut gone = Vec::new();
    let mut new = Vec::new();
    let mut held = timelines(db, agents).await?;
    for (agent, changes) in agents {
        let before = held.remove(agent).unwrap_or_default();
        let mut rows = before.clone();
        for (from, to, pieces) in changes {
            rows = splice(&rows, *from, *to, pieces);
        }
        let after: BTreeMap<Timestamp, &Stretch> = rows.iter().map(|row| (row.start, row)).collect();
        gone.extend(before.iter().filter(|row| !after.contains_key(&row.start)).map(|row| (*agent, row.start)));
        let before: BTreeMap<Timestamp, &Stretch> = before.iter().map(|row| (row.start, row)).collect();
        new.extend(rows.iter().filter(|row| before.get(&row.start) != Some(row)).map(|row| (*agent, *row)));
    }
    for rows in gone.chunks(ROWS_PER_STATEMENT) {
        delete(
            db,
            ") DELETE FROM bi_timeline WHERE (agent, start_) IN (SELECT subject, start_ FROM gone)",
            rows.iter().copied(),
        )
        .await?;
    }
    for rows in new.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("INSERT INTO bi_timeline (agent, start_, end_, status) VALUES ");
        for (agent, Stretch { start, end, status }) in rows {
            statement.row_as(values![*agent, *start, *end, *status], |column, value| match column {
                1 | 2 => D::instant(&value),
                _ => value,
            });
        }
        let (statement, values) =
            statement.end(" ON CONFLICT (agent, start_) DO UPDATE SET end_ = excluded.end_, status = excluded.status");
        db.execute(statement, values).await?;
    }
    Ok(())
}

/// The rows that the changes may cut or join, for each agent in their order.
async fn timelines<D: Driver>(db: &mut D, agents: &[(u32, Changes<'_>)]) -> Result<BTreeMap<u32, Vec<Stretch>>> {
    let mut statement = Bulk::new("WITH changed (agent, from_, to_) AS (VALUES ");
    for (agent, changes) in agents {
        let from = changes.iter().map(|(from, ..)| *from).min();
        let to = changes.iter().map(|(_, to, _)| to.unwrap_or(LAST)).max();
        statement.row_as(values![*agent, from, to], |column, value| match column {
            1 | 2 => D::instant(&value),
            _ => value,
        });
    }
    // Rows of one agent do not overlap: of those before the change only the last one may reach into it.
    let (start, end) = (D::millis("t.start_"), D::millis("t.end_"));
    let tail = format!(
        ") SELECT t.agent, {start}, {end}, t.status FROM changed c CROSS JOIN bi_timeline t
        WHERE t.agent = c.agent AND t.start_ <= c.to_
        AND t.start_ >= coalesce((SELECT max(b.start_) FROM bi_timeline b
            WHERE b.agent = c.agent AND b.start_ < c.from_), c.from_)
        ORDER BY t.agent, t.start_"
    );
    let (statement, values) = statement.end(&tail);
    let mut held: BTreeMap<u32, Vec<Stretch>> = BTreeMap::new();
    for row in db.query(statement, values).await? {
        let stretch = Stretch { start: row.instant(1)?, end: row.opt_instant(2)?, status: row.number(3)? };
        held.entry(row.number(0)?).or_default().push(stretch);
    }
    Ok(held)
}
