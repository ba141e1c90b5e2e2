//! The same intervals in a plain table of SQLite, as compact and as quick as such a table gets.
//!
//! Queues and channels are numbers, instants and times whole seconds, so that a row takes 23 bytes and its entry in the index 15. It is
//! written in the order in which the SDK gets the rows: month by month, queue by queue, so that the rows of a queue lie together.

use std::path::Path;

use injixo_connectors::core::model::Window;
use rusqlite::{Connection, Result, params};

use crate::centre::{Counted, SERIES, counted, quarters, series};
use crate::{Failure, Sums};

/// A row as a reader gets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) queue: u32,
    pub(crate) channel: u8,
    pub(crate) start: i64,
    pub(crate) counted: Counted,
}

pub(crate) struct Plain(Connection);

impl Plain {
    pub(crate) fn filled(path: &Path, months: &[Window]) -> Result<Self> {
        let mut db = Connection::open(path)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL;
            CREATE TABLE queue (id INTEGER PRIMARY KEY, name TEXT NOT NULL, channel TEXT NOT NULL);
            CREATE TABLE interval (queue INTEGER NOT NULL, channel INTEGER NOT NULL, start INTEGER NOT NULL,
                offered INTEGER NOT NULL, handled INTEGER NOT NULL, handle_time INTEGER NOT NULL);
            CREATE INDEX interval_by_queue ON interval (queue, start);",
        )?;
        for index in 0..SERIES {
            let (name, channel) = series(index);
            let statement = "INSERT INTO queue (id, name, channel) VALUES (?, ?, ?)";
            db.execute(statement, params![index.cast_signed() + 1, name, channel.as_str()])?;
        }
        for month in months {
            let transaction = db.transaction()?;
            {
                let mut insert = transaction.prepare_cached("INSERT INTO interval VALUES (?, ?, ?, ?, ?, ?)")?;
                for index in 0..SERIES {
                    let channel = series(index).1 as u8;
                    for start in quarters(*month) {
                        let Counted { offered, handled, handle_secs } = counted(index, start);
                        let queue = index.cast_signed() + 1;
                        insert.execute(params![queue, channel, start, offered, handled, handle_secs])?;
                    }
                }
            }
            transaction.commit()?;
        }
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(Self(db))
    }

    /// One queue in a window.
    pub(crate) fn of_queue(&self, index: u64, window: Window) -> Result<Vec<Row>> {
        let statement = "SELECT queue, channel, start, offered, handled, handle_time FROM interval
            WHERE queue = ? AND start >= ? AND start < ? ORDER BY start";
        let mut statement = self.0.prepare_cached(statement)?;
        let (from, to) = (window.from().millis() / 1_000, window.to().millis() / 1_000);
        statement.query_map(params![index.cast_signed() + 1, from, to], row)?.collect()
    }

    /// All queues in a window, each looked up by the index.
    pub(crate) fn of_all(&self, window: Window) -> Result<Vec<Row>> {
        let statement = "SELECT i.queue, i.channel, i.start, i.offered, i.handled, i.handle_time
            FROM queue q CROSS JOIN interval i ON i.queue = q.id
            WHERE i.start >= ? AND i.start < ? ORDER BY q.id, i.start";
        let mut statement = self.0.prepare_cached(statement)?;
        let (from, to) = (window.from().millis() / 1_000, window.to().millis() / 1_000);
        statement.query_map(params![from, to], row)?.collect()
    }
}

fn row(row: &rusqlite::Row<'_>) -> Result<Row> {
    Ok(Row {
        queue: row.get(0)?,
        channel: row.get(1)?,
        start: row.get(2)?,
        counted: Counted { offered: row.get(3)?, handled: row.get(4)?, handle_secs: row.get(5)? },
    })
}

pub(crate) fn sums(rows: &[Row]) -> Sums {
    rows.iter().fold(Sums::default(), |sums, row| {
        debug_assert!(row.queue > 0 && row.channel < 6 && row.start > 0);
        let Counted { offered, handled, handle_secs } = row.counted;
        sums.plus(offered.into(), handled.into(), handle_secs.into())
    })
}

/// The tables of a store with a digest of all their rows.
pub(crate) fn dump(store: &Path) -> Result<Vec<(String, u64)>, Failure> {
    use std::hash::{DefaultHasher, Hasher as _};

    let db = Connection::open_with_flags(store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
    let mut tables = Vec::new();
    for name in names {
        let mut statement = db.prepare(&format!("SELECT * FROM \"{name}\""))?;
        let columns = statement.column_count();
        let (mut rows, mut digest) = (statement.query([])?, DefaultHasher::new());
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                use rusqlite::types::ValueRef::{Blob, Integer, Null, Real, Text};
                match row.get_ref(column)? {
                    Null => digest.write_u8(0),
                    Integer(number) => digest.write_i64(number),
                    Real(number) => digest.write_u64(number.to_bits()),
                    Text(bytes) | Blob(bytes) => {
                        digest.write_usize(bytes.len());
                        digest.write(bytes);
                    }
                }
            }
        }
        tables.push((name, digest.finish()));
    }
    Ok(tables)
}

/// Writes what is in the write-ahead log into the file itself, and says how long the file is.
pub(crate) fn size(store: &Path) -> Result<u64, Failure> {
    let db = Connection::open(store)?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(std::fs::metadata(store)?.len())
}
