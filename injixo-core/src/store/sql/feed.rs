//! The feed: entries are written early under the number of a batch, and get their revisions at the commit.
//!
//! Only then, and as its last act, a transaction takes the counter, so that revisions become visible in their order and
//! nobody waits for the counter for longer than a commit takes.

use injixo_model::Timestamp;

use super::statement::{Bulk, alike, values};
use super::{Driver, Row, corrupt};
use crate::error::Result;
use crate::store::{FeedEntry, FeedKind};

/// What a transaction has added to the feed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    number: Option<i64>,
    changes: i64,
}

impl Batch {
    pub(super) async fn add<D: Driver>(&mut self, db: &mut D, entries: &[FeedEntry]) -> Result<()> {
        let entries: Vec<&FeedEntry> = entries.iter().filter(|entry| entry.count > 0).collect();
        for entries in alike(&entries) {
            let batch = match self.number {
                Some(number) => number,
                None => {
                    let rows = db.query(D::NEXT_BATCH.into(), Vec::new()).await?;
                    rows.first().ok_or_else(|| corrupt("the batches of the feed cannot be numbered"))?.int(0)?
                }
            };
            self.number = Some(batch);
            let mut statement =
                Bulk::new("INSERT INTO feed_entry (batch, end_, count, at, integration, subject, kind, bytes) VALUES ");
            for entry in entries {
                self.changes += i64::from(entry.count);
                statement.row(values![
                    batch,
                    self.changes,
                    entry.count,
                    entry.at,
                    entry.integration,
                    entry.subject,
                    entry.kind as i64,
                    entry.bytes.clone(),
                ]);
            }
            let (statement, values) = statement.end_alike("");
            db.execute(statement, values).await?;
        }
        Ok(())
    }

    /// Gives the entries their revisions; nothing but the commit may follow.
    pub(super) async fn publish<D: Driver>(self, db: &mut D) -> Result<()> {
        let Some(batch) = self.number else { return Ok(()) };
        let statement = "UPDATE feed_counter SET last = last + $1 RETURNING last";
        let rows = db.query(statement.into(), values![self.changes]).await?;
        let last = rows.first().ok_or_else(|| corrupt("the counter of the feed is missing"))?.int(0)?;
        let statement = "INSERT INTO feed_batch (last, first, batch) VALUES ($1, $2, $3)";
        db.execute(statement.into(), values![last, last - self.changes + 1, batch]).await?;
        Ok(())
    }
}

pub(super) async fn entries<D: Driver>(db: &mut D, after: u64, limit: u32) -> Result<Vec<FeedEntry>> {
    // An entry holds the revisions up to `feed_batch.first + end_ - 1`.
    let statement = "SELECT b.first + e.end_ - e.count, e.count, e.at, e.integration, e.subject, e.kind, e.bytes
        FROM feed_batch b JOIN feed_entry e ON e.batch = b.batch
        WHERE b.last > $1 AND e.end_ > $1 - b.first + 1 ORDER BY b.last, e.end_ LIMIT $2";
    let entry = |row: &D::Row| {
        Ok(FeedEntry {
            revision: row.number(0)?,
            count: row.number(1)?,
            at: Timestamp::from_millis(row.int(2)?),
            integration: row.number(3)?,
            subject: row.number(4)?,
            kind: row.choice(5, &[FeedKind::Queue, FeedKind::Intervals, FeedKind::Timeline, FeedKind::Facts])?,
            bytes: row.bytes(6)?,
        })
    };
    db.query(statement.into(), values![after, limit]).await?.iter().map(entry).collect()
}

pub(super) async fn last_revision<D: Driver>(db: &mut D) -> Result<u64> {
    let rows = db.query("SELECT max(last) FROM feed_batch".into(), Vec::new()).await?;
    let last = rows.first().map_or(Ok(None), |row| row.opt_int(0))?;
    Ok(last.map_or(0, i64::unsigned_abs))
}
