//! The import log and the quarantine.

use std::collections::BTreeMap;
use std::str::FromStr;

use injixo_model::{RejectedRow, Rule};

use super::statement::{Bulk, ROWS_PER_STATEMENT, list, values};
use super::{Driver, Row, Sql, Value, corrupt};
use crate::error::Result;
use crate::store::{ImportRecord, ImportedSince, StreamId};

const COLUMNS: &str = "id, integration, stream, key, settings, name, applied_at, from_, to_, subjects, again_,
    imported, rejected, skipped, added, replaced, gone";

fn import(row: &impl Row) -> Result<ImportRecord> {
    let subjects = row.bytes(9)?;
    Ok(ImportRecord {
        id: row.number(0)?,
        stream: StreamId { integration: row.number(1)?, stream: row.stream(2)? },
        key: row.text(3)?,
        settings: row.text(4)?,
        name: row.text(5)?,
        applied_at: row.instant(6)?,
        window: row.opt_window(7)?,
        subjects: subjects.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
        again: row.int(10)? != 0,
        imported: row.number(11)?,
        rejected: row.number(12)?,
        skipped: row.number(13)?,
        added: row.number(14)?,
        replaced: row.number(15)?,
        gone: row.number(16)?,
    })
}

pub(super) async fn last_import<D: Driver>(
    db: &mut D,
    stream: StreamId,
    key: &str,
) -> Result<Option<(ImportRecord, bool)>> {
    let statement = Sql::recurring(format!(
        "SELECT {COLUMNS}, (SELECT max(id) FROM import WHERE integration = $1 AND stream = $2)
        FROM import WHERE integration = $1 AND stream = $2 AND key = $3 ORDER BY id DESC LIMIT 1"
    ));
    let rows = db.query(statement, values![stream.integration, stream.stream as i64, key]).await?;
    let with_newest = |row: &D::Row| {
        let import = import(row)?;
        let is_newest = import.id == row.number::<u64>(17)?;
        Ok((import, is_newest))
    };
    rows.first().map(with_newest).transpose()
}

pub(super) async fn imports<D: Driver>(db: &mut D, integration: u32, limit: u32) -> Result<Vec<ImportRecord>> {
    let statement = format!("SELECT {COLUMNS} FROM import WHERE integration = $1 ORDER BY id DESC LIMIT $2");
    let rows = db.query(Sql::recurring(statement), values![integration, limit]).await?;
    rows.iter().map(import).collect()
}

pub(super) async fn imported_since<D: Driver>(db: &mut D, integration: u32, after: u64) -> Result<Vec<ImportedSince>> {
    let statement = "SELECT stream, min(from_), max(to_), max(id) FROM import
        WHERE integration = $1 AND id > $2 GROUP BY stream ORDER BY stream";
    let since = |row: &D::Row| {
        let stream = StreamId { integration, stream: row.stream(0)? };
        Ok(ImportedSince { stream, window: row.opt_window(1)?, last: row.number(3)? })
    };
    db.query(statement.into(), values![integration, after]).await?.iter().map(since).collect()
}

pub(super) async fn add_import<D: Driver>(db: &mut D, import: &ImportRecord) -> Result<u64> {
    let mut statement = Bulk::new(INSERT);
    statement.row(columns(import));
    let (statement, values) = statement.end(" RETURNING id");
    let statement = Sql::recurring(statement.text.into_owned());
    let rows = db.query(statement, values).await?;
    rows.first().ok_or_else(|| corrupt("the import log did not number a line"))?.number(0)
}

const INSERT: &str = "INSERT INTO import (integration, stream, key, settings, name, applied_at, from_, to_, subjects,
    again_, imported, rejected, skipped, added, replaced, gone) VALUES ";

fn columns(import: &ImportRecord) -> Vec<Value> {
    let subjects: Vec<u8> = import.subjects.iter().flat_map(|subject| subject.to_le_bytes()).collect();
    values![
        import.stream.integration,
        import.stream.stream as i64,
        &import.key,
        &import.settings,
        &import.name,
        import.applied_at,
        import.window.map(|window| window.from()),
        import.window.map(|window| window.to()),
        subjects,
        import.again,
        import.imported,
        import.rejected,
        import.skipped,
        import.added,
        import.replaced,
        import.gone,
    ]
}

pub(super) async fn add_imports<D: Driver>(db: &mut D, imports: &[ImportRecord]) -> Result<()> {
    for imports in imports.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new(INSERT);
        imports.iter().for_each(|import| statement.row(columns(import)));
        let (statement, values) = statement.end("");
        db.execute(statement, values).await?;
    }
    Ok(())
}

pub(super) async fn last_imports<D: Driver>(db: &mut D, stream: StreamId, keys: &[&str]) -> Result<Vec<ImportRecord>> {
    let mut last: BTreeMap<String, ImportRecord> = BTreeMap::new();
    for keys in keys.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("WITH asked (wanted) AS (VALUES ");
        keys.iter().for_each(|key| statement.row(values![*key]));
        // CROSS JOIN keeps SQLite from looking at every import for each key.
        let (statement, values) = statement.end(&format!(
            ") SELECT {COLUMNS} FROM asked CROSS JOIN import
            WHERE key = wanted AND integration = {} AND stream = {} ORDER BY id",
            stream.integration, stream.stream as i64
        ));
        for row in db.query(statement, values).await? {
            let import = import(&row)?;
            last.insert(import.key.clone(), import);
        }
    }
    Ok(last.into_values().collect())
}

pub(super) async fn set_again<D: Driver>(db: &mut D, imports: &[u64], again: bool) -> Result<()> {
    let head =
        if again { "UPDATE import SET again_ = 1 WHERE id IN " } else { "UPDATE import SET again_ = 0 WHERE id IN " };
    for imports in imports.chunks(ROWS_PER_STATEMENT) {
        let (statement, values) = list(head, imports, "");
        db.execute(statement, values).await?;
    }
    Ok(())
}

pub(super) async fn quarantined<D: Driver>(db: &mut D, stream: StreamId) -> Result<Vec<ImportRecord>> {
    let statement = Sql::recurring(format!(
        "SELECT {COLUMNS} FROM import WHERE integration = $1 AND stream = $2 AND quarantined = 1 ORDER BY id"
    ));
    let rows = db.query(statement, values![stream.integration, stream.stream as i64]).await?;
    rows.iter().map(import).collect()
}

pub(super) async fn quarantine<D: Driver>(
    db: &mut D,
    integration: u32,
) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
    let statement = Sql::recurring(format!("SELECT {COLUMNS} FROM import WHERE integration = $1 AND quarantined = 1"));
    let mut found = Vec::new();
    for row in db.query(statement, values![integration]).await? {
        found.push((import(&row)?, Vec::new()));
    }
    found.sort_unstable_by_key(|(import, _)| import.id);
    let mut rest = found.iter_mut().peekable();
    let statement = "SELECT q.import, q.source, q.line, q.column_, q.rule, q.excerpt
        FROM import JOIN quarantine q ON q.import = import.id
        WHERE import.integration = $1 AND import.quarantined = 1 ORDER BY q.import, q.number";
    for row in db.query(statement.into(), values![integration]).await? {
        let id: u64 = row.number(0)?;
        while rest.next_if(|(import, _)| import.id < id).is_some() {}
        if let Some((_, rows)) = rest.peek_mut().filter(|(import, _)| import.id == id) {
            rows.push(rejected(&row)?);
        }
    }
    Ok(found)
}

fn rejected(row: &impl Row) -> Result<RejectedRow> {
    Ok(RejectedRow {
        source: row.text(1)?,
        line: row.number(2)?,
        column: row.text(3)?,
        rule: Rule::from_str(&row.text(4)?).map_err(corrupt)?,
        excerpt: row.text(5)?,
    })
}

pub(super) async fn add_rejected<D: Driver>(db: &mut D, import: u64, rows: &[RejectedRow]) -> Result<()> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("INSERT INTO quarantine (import, source, line, column_, rule, excerpt) VALUES ");
        for row in rows {
            let RejectedRow { source, line, column, rule, excerpt } = row;
            statement.row(values![import, source, *line, column, rule.as_str(), excerpt]);
        }
        let (statement, values) = statement.end("");
        db.execute(statement, values).await?;
    }
    if !rows.is_empty() {
        db.execute("UPDATE import SET quarantined = 1 WHERE id = $1".into(), values![import]).await?;
    }
    Ok(())
}

pub(super) async fn release_rejected<D: Driver>(db: &mut D, imports: &[u64]) -> Result<()> {
    for imports in imports.chunks(ROWS_PER_STATEMENT) {
        let (statement, values) = list("DELETE FROM quarantine WHERE import IN ", imports, "");
        db.execute(statement, values).await?;
        let (statement, values) = list("UPDATE import SET quarantined = 0 WHERE id IN ", imports, "");
        db.execute(statement, values).await?;
    }
    Ok(())
}
