//! Who works on what, and what is remembered for credentials.

use std::collections::{BTreeMap, BTreeSet};

use injixo_model::Timestamp;

use super::statement::{Bulk, ROWS_PER_STATEMENT, Value, values};
use super::{Driver, Row, Sql};
use crate::error::Result;
use crate::store::{Lane, Lease, WorkRecord};

const COLUMNS: &str = "integration, lane, due, owner, lease_until, fence, from_, to_, state";

const LANES: [Lane; 6] =
    [Lane::Live, Lane::Deliveries, Lane::Contacts, Lane::Statuses, Lane::ContactsBackfill, Lane::StatusesBackfill];

fn record(row: &impl Row) -> Result<WorkRecord> {
    let lease = match (row.opt_text(3)?, row.opt_instant(4)?) {
        (Some(owner), Some(until)) => Some(Lease { owner, until }),
        _ => None,
    };
    Ok(WorkRecord {
        integration: row.number(0)?,
        lane: row.choice(1, &LANES)?,
        due: row.instant(2)?,
        lease,
        fence: row.number(5)?,
        window: row.opt_window(6)?,
        state: row.text(8)?,
    })
}

/// When the work is due and nobody holds it any more.
fn claimable(work: &WorkRecord) -> Timestamp {
    work.lease.as_ref().map_or(work.due, |lease| work.due.max(lease.until))
}

pub(super) async fn work<D: Driver>(db: &mut D, integration: Option<u32>) -> Result<Vec<WorkRecord>> {
    let (condition, values) = match integration {
        Some(id) => (" WHERE integration = $1", values![id]),
        None => ("", Vec::new()),
    };
    let statement = format!("SELECT {COLUMNS} FROM work{condition} ORDER BY integration, lane");
    db.query(Sql::recurring(statement), values).await?.iter().map(record).collect()
}

pub(super) async fn lock_work<D: Driver>(db: &mut D, integration: u32, lane: Lane) -> Result<Option<WorkRecord>> {
    let lock = db.row_lock();
    let statement = format!("SELECT {COLUMNS} FROM work WHERE integration = $1 AND lane = $2{lock}");
    let rows = db.query(Sql::recurring(statement), values![integration, lane as i64]).await?;
    rows.first().map(record).transpose()
}

pub(super) async fn put_work<D: Driver>(db: &mut D, work: &[WorkRecord]) -> Result<()> {
    let latest: BTreeMap<(u32, Lane), &WorkRecord> =
        work.iter().map(|work| ((work.integration, work.lane), work)).collect();
    let latest: Vec<&WorkRecord> = latest.into_values().collect();
    for work in latest.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new(
            "INSERT INTO work (integration, lane, due, owner, lease_until, fence, from_, to_, state, claimable) VALUES ",
        );
        for work in work {
            statement.row(values![
                work.integration,
                work.lane as i64,
                work.due,
                work.lease.as_ref().map(|lease| &lease.owner),
                work.lease.as_ref().map(|lease| lease.until),
                work.fence,
                work.window.map(|window| window.from()),
                work.window.map(|window| window.to()),
                &work.state,
                claimable(work),
            ]);
        }
        let (statement, values) = statement.end(
            " ON CONFLICT (integration, lane) DO UPDATE SET due = excluded.due, owner = excluded.owner,
            lease_until = excluded.lease_until, fence = excluded.fence, from_ = excluded.from_, to_ = excluded.to_,
            state = excluded.state, claimable = excluded.claimable",
        );
        db.execute(statement, values).await?;
    }
    Ok(())
}

/// Lanes, and integrations that do not count.
type Wanted<'a> = (&'a [Lane], &'a BTreeSet<u32>);

/// `lane IN ($3, $4) AND integration NOT IN ($5)`, behind the values that are there.
fn is_wanted((lanes, except): Wanted<'_>, values: &mut Vec<Value>) -> String {
    let mut list = |all: &mut dyn Iterator<Item = Value>| {
        let places = all.map(|value| {
            values.push(value);
            format!("${}", values.len())
        });
        places.collect::<Vec<_>>().join(", ")
    };
    let lanes = list(&mut lanes.iter().map(|&lane| (lane as i64).into()));
    let except = list(&mut except.iter().map(|&id| id.into()));
    if except.is_empty() {
        format!("lane IN ({lanes})")
    } else {
        format!("lane IN ({lanes}) AND integration NOT IN ({except})")
    }
}

pub(super) async fn claim<D: Driver>(
    db: &mut D,
    wanted: Wanted<'_>,
    lease: &Lease,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<WorkRecord>> {
    if wanted.0.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = values![now, limit];
    let is_wanted = is_wanted(wanted, &mut values);
    let lock = db.free_row_lock();
    let statement = format!(
        "SELECT {COLUMNS} FROM work WHERE {is_wanted} AND claimable <= $1
        ORDER BY claimable, lane, integration LIMIT $2{lock}"
    );
    let rows = db.query(Sql::recurring(statement), values).await?;
    let mut claimed: Vec<WorkRecord> = rows.iter().map(record).collect::<Result<_>>()?;
    for work in &mut claimed {
        work.lease = Some(lease.clone());
        work.fence += 1;
        work.window = None;
    }
    put_work(db, &claimed).await?;
    Ok(claimed)
}

pub(super) async fn next_claim<D: Driver>(db: &mut D, wanted: Wanted<'_>) -> Result<Option<Timestamp>> {
    if wanted.0.is_empty() {
        return Ok(None);
    }
    let mut values = values![Timestamp::MAX];
    let is_wanted = is_wanted(wanted, &mut values);
    let statement = format!("SELECT min(claimable) FROM work WHERE {is_wanted} AND claimable < $1");
    let rows = db.query(Sql::recurring(statement), values).await?;
    rows.first().map_or(Ok(None), |row| row.opt_instant(0))
}

pub(super) async fn extend_leases<D: Driver>(db: &mut D, lease: &Lease) -> Result<Vec<(u32, Lane)>> {
    // Work that is locked is about to be committed or given back: it is not waited for.
    let lock = db.free_row_lock();
    let statement = format!(
        "UPDATE work SET lease_until = $2, claimable = CASE WHEN due > $2 THEN due ELSE $2 END
        WHERE (integration, lane) IN
            (SELECT integration, lane FROM work WHERE owner = $1 ORDER BY integration, lane{lock})"
    );
    db.execute(Sql::recurring(statement), values![&lease.owner, lease.until]).await?;
    let statement = "SELECT integration, lane FROM work WHERE owner = $1 ORDER BY integration, lane";
    let rows = db.query(Sql::recurring(statement.to_owned()), values![&lease.owner]).await?;
    rows.iter().map(|row| Ok((row.number(0)?, row.choice(1, &LANES)?))).collect()
}

pub(super) async fn lock_credential<D: Driver>(db: &mut D, key: &str) -> Result<Option<String>> {
    let lock = db.row_lock();
    if !lock.is_empty() {
        // There is to be something to lock.
        let statement = "INSERT INTO credential (key) VALUES ($1) ON CONFLICT (key) DO NOTHING";
        db.execute(statement.into(), values![key]).await?;
    }
    let statement = Sql::recurring(format!("SELECT state FROM credential WHERE key = $1{lock}"));
    let rows = db.query(statement, values![key]).await?;
    rows.first().map_or(Ok(None), |row| row.opt_text(0))
}

pub(super) async fn put_credential<D: Driver>(db: &mut D, key: &str, state: &str) -> Result<()> {
    let statement = "INSERT INTO credential (key, state) VALUES ($1, $2)
        ON CONFLICT (key) DO UPDATE SET state = excluded.state";
    db.execute(statement.into(), values![key, state]).await?;
    Ok(())
}
