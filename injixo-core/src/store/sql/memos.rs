//! What the engine remembers under names.

use std::collections::BTreeMap;

use super::statement::{Bulk, ROWS_PER_STATEMENT, list, values};
use super::{Driver, Row};
use crate::error::Result;

pub(super) async fn memo<D: Driver>(db: &mut D, name: &str) -> Result<Option<Vec<u8>>> {
    let rows = db.query("SELECT value FROM memo WHERE name = $1".into(), values![name]).await?;
    rows.first().map(|row| row.bytes(0)).transpose()
}

pub(super) async fn memos<D: Driver>(
    db: &mut D,
    prefix: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<(String, Vec<u8>)>> {
    let statement = "SELECT name, value FROM memo WHERE name > $1 AND name < $2 ORDER BY name LIMIT $3";
    // Behind all names that begin so.
    let end = format!("{prefix}\u{10FFFF}");
    let rows = db.query(statement.into(), values![after.max(prefix), end, limit]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.bytes(1)?))).collect()
}

pub(super) async fn put_memos<D: Driver>(db: &mut D, memos: &[(String, Option<Vec<u8>>)]) -> Result<()> {
    let latest: BTreeMap<&String, &Option<Vec<u8>>> = memos.iter().map(|(name, value)| (name, value)).collect();
    let (kept, gone): (Vec<_>, Vec<_>) = latest.into_iter().partition(|(_, value)| value.is_some());
    for memos in kept.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("INSERT INTO memo (name, value) VALUES ");
        for (name, value) in memos {
            statement.row(values![*name, value.as_deref().unwrap_or_default().to_vec()]);
        }
        let (statement, values) = statement.end(" ON CONFLICT (name) DO UPDATE SET value = excluded.value");
        db.execute(statement, values).await?;
    }
    let gone: Vec<&String> = gone.into_iter().map(|(name, _)| name).collect();
    for names in gone.chunks(ROWS_PER_STATEMENT) {
        let (statement, values) = list("DELETE FROM memo WHERE name IN ", names, "");
        db.execute(statement, values).await?;
    }
    Ok(())
}
