//! Facts, and what was read.

use std::collections::{BTreeMap, HashSet};

use injixo_model::Window;

use super::statement::{Bulk, ROWS_PER_STATEMENT, alike, list, values};
use super::{Driver, Row};
use crate::error::Result;
use crate::store::{ChunkRange, Covered, Layer, RangeKind, RangeRecord, StoredChunk, StreamId, trimmed};

pub(super) async fn chunks<D: Driver>(db: &mut D, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>> {
    let mut found = Vec::new();
    let ranges: Vec<&ChunkRange> = ranges.iter().filter(|range| range.from <= range.to).collect();
    if let [range] = ranges.as_slice() {
        let statement = "SELECT day, facts FROM chunk
            WHERE subject = $1 AND layer = $2 AND day BETWEEN $3 AND $4 ORDER BY day";
        let values = values![range.subject, range.layer as i64, range.from, range.to];
        for row in db.query(statement.into(), values).await? {
            let (subject, layer) = (range.subject, range.layer);
            found.push(StoredChunk { subject, layer, day: row.number(0)?, bytes: row.bytes(1)? });
        }
        return Ok(found);
    }
    for ranges in ranges.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("WITH asked (number, subject, layer, from_, to_) AS (VALUES ");
        for (number, range) in (0_i64..).zip(ranges) {
            statement.row(values![number, range.subject, range.layer as i64, range.from, range.to]);
        }
        // Ranges that hold nothing, so that the statement recurs.
        for _ in ranges.len()..ranges.len().next_power_of_two().min(ROWS_PER_STATEMENT) {
            statement.row(values![-1_i64, 0_i64, 0_i64, 0_i64, -1_i64]);
        }
        // CROSS JOIN keeps SQLite from looking at every chunk for each range.
        let (statement, values) = statement.end_alike(
            ") SELECT asked.number, chunk.day, chunk.facts FROM asked CROSS JOIN chunk
            WHERE chunk.subject = asked.subject AND chunk.layer = asked.layer
            AND chunk.day BETWEEN asked.from_ AND asked.to_",
        );
        let mut rows = Vec::new();
        for row in db.query(statement, values).await? {
            rows.push((row.number::<usize>(0)?, row.number::<i32>(1)?, row.bytes(2)?));
        }
        rows.sort_unstable_by_key(|(number, day, _)| (*number, *day));
        found.extend(rows.into_iter().filter_map(|(number, day, bytes)| {
            let ChunkRange { subject, layer, .. } = **ranges.get(number)?;
            Some(StoredChunk { subject, layer, day, bytes })
        }));
    }
    Ok(found)
}

pub(super) async fn neighbours<D: Driver>(
    db: &mut D,
    subject: u32,
    layer: Layer,
    day: i32,
) -> Result<(Option<i32>, Option<i32>)> {
    let statement = "SELECT (SELECT max(day) FROM chunk WHERE subject = $1 AND layer = $2 AND day < $3),
        (SELECT min(day) FROM chunk WHERE subject = $1 AND layer = $2 AND day > $3)";
    let rows = db.query(statement.into(), values![subject, layer as i64, day]).await?;
    let Some(row) = rows.first() else { return Ok((None, None)) };
    let day = |column| row.opt_int(column)?.map(i32::try_from).transpose().map_err(super::corrupt);
    Ok((day(0)?, day(1)?))
}

pub(super) async fn put_chunks<D: Driver>(db: &mut D, chunks: &[StoredChunk]) -> Result<()> {
    let key = |chunk: &StoredChunk| (chunk.day, chunk.subject, chunk.layer);
    let latest: BTreeMap<_, &StoredChunk> = chunks.iter().map(|chunk| (key(chunk), chunk)).collect();
    let (kept, removed): (Vec<_>, Vec<_>) = latest.into_values().partition(|chunk| !chunk.bytes.is_empty());
    for chunks in alike(&kept) {
        let mut statement = Bulk::new(match D::PLACES_CHUNKS {
            true => "INSERT INTO chunk (subject, layer, day, facts, place) VALUES ",
            false => "INSERT INTO chunk (subject, layer, day, facts) VALUES ",
        });
        for chunk in chunks {
            let StoredChunk { subject, layer, day, bytes } = chunk;
            let place = D::PLACES_CHUNKS.then(|| place(chunk).into());
            statement.row(values![*subject, *layer as i64, *day, bytes.clone()].into_iter().chain(place).collect());
        }
        let (statement, values) = statement.end_alike(match D::PLACES_CHUNKS {
            true => " ON CONFLICT (place) DO UPDATE SET facts = excluded.facts",
            false => " ON CONFLICT (subject, layer, day) DO UPDATE SET facts = excluded.facts",
        });
        db.execute(statement, values).await?;
    }
    for chunks in removed.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("WITH gone (subject, layer, day) AS (VALUES ");
        for chunk in chunks {
            statement.row(values![chunk.subject, chunk.layer as i64, chunk.day]);
        }
        // SQLite looks at every chunk where the list itself stands behind IN.
        let (statement, values) =
            statement.end(") DELETE FROM chunk WHERE (subject, layer, day) IN (SELECT subject, layer, day FROM gone)");
        db.execute(statement, values).await?;
    }
    Ok(())
}

/// Where SQLite keeps a chunk: those of one day together.
fn place(chunk: &StoredChunk) -> i64 {
    i64::from(chunk.day) << 36 | i64::from(chunk.subject) << 4 | chunk.layer as i64
}

pub(super) async fn coverage<D: Driver>(
    db: &mut D,
    stream: StreamId,
    subject: Option<u32>,
    window: Window,
) -> Result<Vec<Covered>> {
    // Stretches of one subject do not overlap: only the last one before the window may reach into it.
    let statement = "SELECT from_, to_, read_at FROM coverage
        WHERE integration = $1 AND stream = $2 AND subject = $3 AND from_ < $5 AND to_ > $4
        AND from_ >= coalesce((SELECT max(from_) FROM coverage
            WHERE integration = $1 AND stream = $2 AND subject = $3 AND from_ <= $4), $4)
        ORDER BY from_";
    let mut found = Vec::new();
    for subject in [None].into_iter().chain(subject.map(Some)) {
        let StreamId { integration, stream } = stream;
        let values = values![integration, stream as i64, subject.unwrap_or(0), window.from(), window.to()];
        for row in db.query(statement.into(), values).await? {
            found.push(Covered { subject, window: row.window(0)?, read_at: row.instant(2)? });
        }
    }
    Ok(found)
}

pub(super) async fn coverage_of_all<D: Driver>(db: &mut D, stream: StreamId, window: Window) -> Result<Vec<Covered>> {
    let statement = "SELECT from_, to_, read_at, subject FROM coverage
        WHERE integration = $1 AND stream = $2 AND from_ < $4 AND to_ > $3 ORDER BY subject, from_";
    let values = values![stream.integration, stream.stream as i64, window.from(), window.to()];
    let covered = |row: &D::Row| {
        let subject: u32 = row.number(3)?;
        Ok(Covered { subject: (subject > 0).then_some(subject), window: row.window(0)?, read_at: row.instant(2)? })
    };
    db.query(statement.into(), values).await?.iter().map(covered).collect()
}

pub(super) async fn clear_coverage<D: Driver>(db: &mut D, stream: StreamId) -> Result<()> {
    let statement = "DELETE FROM coverage WHERE integration = $1 AND stream = $2";
    db.execute(statement.into(), values![stream.integration, stream.stream as i64]).await?;
    Ok(())
}

pub(super) async fn put_coverage<D: Driver>(db: &mut D, stream: StreamId, covered: &[Covered]) -> Result<()> {
    let mut rest = covered;
    while !rest.is_empty() {
        // What is said about one subject goes one after another, all others together.
        let mut subjects = HashSet::new();
        let together = rest.iter().take(ROWS_PER_STATEMENT).take_while(|newer| subjects.insert(newer.subject)).count();
        let (some, others) = rest.split_at(together);
        put_coverage_of_each(db, stream, some).await?;
        rest = others;
    }
    Ok(())
}

/// Puts one stretch of each of some subjects.
async fn put_coverage_of_each<D: Driver>(db: &mut D, stream: StreamId, covered: &[Covered]) -> Result<()> {
    let StreamId { integration, stream } = stream;
    let mut statement = Bulk::new("WITH asked (number, integration, stream, subject, from_, to_) AS (VALUES ");
    for (number, Covered { subject, window, .. }) in (0_i64..).zip(covered) {
        let subject = subject.unwrap_or(0);
        statement.row(values![number, integration, stream as i64, subject, window.from(), window.to()]);
    }
    // Stretches of no integration, so that the statement recurs.
    for _ in covered.len()..covered.len().next_power_of_two().min(ROWS_PER_STATEMENT) {
        statement.row(values![-1_i64, 0_i64, 0_i64, 0_i64, 0_i64, 0_i64]);
    }
    // CROSS JOIN keeps SQLite from looking at every stretch for each of these.
    let (statement, values) = statement.end_alike(
        ") SELECT held.from_, held.to_, held.read_at, asked.number FROM asked CROSS JOIN coverage held
        WHERE held.integration = asked.integration AND held.stream = asked.stream AND held.subject = asked.subject
        AND held.from_ < asked.to_ AND held.to_ > asked.from_
        AND held.from_ >= coalesce((SELECT max(from_) FROM coverage before
            WHERE before.integration = asked.integration AND before.stream = asked.stream
            AND before.subject = asked.subject AND before.from_ <= asked.from_), asked.from_)",
    );
    let mut older: Vec<Vec<Covered>> = vec![Vec::new(); covered.len()];
    for row in db.query(statement, values).await? {
        let number: usize = row.number(3)?;
        let (newer, older) =
            covered.get(number).zip(older.get_mut(number)).ok_or_else(|| super::corrupt("no such stretch"))?;
        older.push(Covered { subject: newer.subject, window: row.window(0)?, read_at: row.instant(2)? });
    }
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (newer, mut older) in covered.iter().zip(older) {
        older.sort_unstable_by_key(|held| held.window.from());
        let mut rest = trimmed(&older, newer);
        rest.push(*newer);
        let begins = |held: &&Covered| rest.iter().all(|kept| kept.window.from() != held.window.from());
        gone.extend(older.iter().filter(begins).copied());
        kept.extend(rest);
    }
    for gone in alike(&gone) {
        let mut statement = Bulk::new("WITH gone (integration, stream, subject, from_) AS (VALUES ");
        for Covered { subject, window, .. } in gone {
            statement.row(values![integration, stream as i64, subject.unwrap_or(0), window.from()]);
        }
        let (statement, values) = statement.end_alike(
            ") DELETE FROM coverage WHERE (integration, stream, subject, from_) IN
            (SELECT integration, stream, subject, from_ FROM gone)",
        );
        db.execute(statement, values).await?;
    }
    for kept in alike(&kept) {
        let mut statement =
            Bulk::new("INSERT INTO coverage (integration, stream, subject, from_, to_, read_at) VALUES ");
        for Covered { subject, window, read_at } in kept {
            let subject = subject.unwrap_or(0);
            statement.row(values![integration, stream as i64, subject, window.from(), window.to(), *read_at]);
        }
        let (statement, values) = statement.end_alike(
            " ON CONFLICT (integration, stream, subject, from_)
            DO UPDATE SET to_ = excluded.to_, read_at = excluded.read_at",
        );
        db.execute(statement, values).await?;
    }
    Ok(())
}

pub(super) async fn ranges<D: Driver>(db: &mut D, stream: StreamId) -> Result<Vec<RangeRecord>> {
    let statement = "SELECT id, kind, from_, to_, at, note FROM range
        WHERE integration = $1 AND stream = $2 ORDER BY id";
    let rows = db.query(statement.into(), values![stream.integration, stream.stream as i64]).await?;
    let range = |row: &D::Row| {
        Ok(RangeRecord {
            id: row.number(0)?,
            stream,
            kind: row.choice(1, &[RangeKind::Waived, RangeKind::Blocked, RangeKind::Asked])?,
            window: row.window(2)?,
            at: row.instant(4)?,
            note: row.text(5)?,
        })
    };
    rows.iter().map(range).collect()
}

pub(super) async fn add_ranges<D: Driver>(db: &mut D, ranges: &[RangeRecord]) -> Result<()> {
    for ranges in ranges.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("INSERT INTO range (integration, stream, kind, from_, to_, at, note) VALUES ");
        for RangeRecord { stream, kind, window, at, note, .. } in ranges {
            let StreamId { integration, stream } = *stream;
            let (from, to) = (window.from(), window.to());
            statement.row(values![integration, stream as i64, *kind as i64, from, to, *at, note]);
        }
        let (statement, values) = statement.end("");
        db.execute(statement, values).await?;
    }
    Ok(())
}

pub(super) async fn remove_ranges<D: Driver>(db: &mut D, ids: &[u64]) -> Result<()> {
    for ids in ids.chunks(ROWS_PER_STATEMENT) {
        let (statement, values) = list("DELETE FROM range WHERE id IN ", ids, "");
        db.execute(statement, values).await?;
    }
    Ok(())
}

pub(super) async fn mark<D: Driver>(db: &mut D, stream: StreamId) -> Result<Option<String>> {
    let statement = "SELECT mark FROM mark WHERE integration = $1 AND stream = $2";
    let rows = db.query(statement.into(), values![stream.integration, stream.stream as i64]).await?;
    rows.first().map(|row| row.text(0)).transpose()
}

pub(super) async fn put_mark<D: Driver>(db: &mut D, stream: StreamId, mark: &str) -> Result<()> {
    let statement = "INSERT INTO mark (integration, stream, mark) VALUES ($1, $2, $3)
        ON CONFLICT (integration, stream) DO UPDATE SET mark = excluded.mark";
    db.execute(statement.into(), values![stream.integration, stream.stream as i64, mark]).await?;
    Ok(())
}
