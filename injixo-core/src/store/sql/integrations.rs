//! Integrations, what they name, and what that stands for.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use injixo_model::{Channel, Millis, Timestamp};

use super::statement::{Bulk, ROWS_PER_STATEMENT, values};
use super::{Driver, Row, Sql, corrupt};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    IntegrationRecord, IntegrationState, MappedKind, MappingRecord, Subject, SubjectKind, last_named, name_taken,
};

const COLUMNS: &str = "id, name, connector, zone, config, policy, state, generation, added_at, stopped_at";

fn record(row: &impl Row) -> Result<IntegrationRecord> {
    Ok(IntegrationRecord {
        id: row.number(0)?,
        name: row.text(1)?,
        connector: row.text(2)?,
        zone: row.text(3)?,
        config: row.opt_text(4)?,
        policy: row.text(5)?,
        state: row.choice(6, &[IntegrationState::Active, IntegrationState::Paused, IntegrationState::Deleted])?,
        generation: row.number(7)?,
        added_at: row.instant(8)?,
        stopped_at: row.opt_instant(9)?,
    })
}

pub(super) async fn all<D: Driver>(db: &mut D) -> Result<Vec<IntegrationRecord>> {
    let statement = Sql::recurring(format!("SELECT {COLUMNS} FROM integration ORDER BY id"));
    db.query(statement, Vec::new()).await?.iter().map(record).collect()
}

pub(super) async fn named<D: Driver>(db: &mut D, name: &str) -> Result<Option<IntegrationRecord>> {
    let statement = Sql::recurring(format!("SELECT {COLUMNS} FROM integration WHERE name = $1"));
    let rows = db.query(statement, values![name]).await?;
    Ok(last_named(rows.iter().map(record).collect::<Result<Vec<_>>>()?))
}

pub(super) async fn by_id<D: Driver>(db: &mut D, id: u32, lock: &str) -> Result<Option<IntegrationRecord>> {
    let statement = Sql::recurring(format!("SELECT {COLUMNS} FROM integration WHERE id = $1{lock}"));
    db.query(statement, values![id]).await?.first().map(record).transpose()
}

pub(super) async fn put<D: Driver>(db: &mut D, integration: &IntegrationRecord) -> Result<u32> {
    let IntegrationRecord { id, name, connector, zone, config, policy, state, generation, added_at, stopped_at } =
        integration;
    let mut values =
        values![name, connector, zone, config.as_ref(), policy, *state as i64, *generation, *added_at, *stopped_at];
    if *id == 0 {
        let statement = "INSERT INTO integration
            (name, connector, zone, config, policy, state, generation, added_at, stopped_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (name) WHERE state <> 2 DO NOTHING RETURNING id";
        let rows = db.query(statement.into(), values).await?;
        return rows.first().ok_or_else(|| name_taken(name))?.number(0);
    }
    if *state != IntegrationState::Deleted {
        let statement = "SELECT id FROM integration WHERE name = $1 AND state <> 2 AND id <> $2";
        if !db.query(statement.into(), values![name, *id]).await?.is_empty() {
            return Err(name_taken(name));
        }
    }
    let statement = "UPDATE integration SET name = $1, connector = $2, zone = $3, config = $4, policy = $5, state = $6,
        generation = $7, added_at = $8, stopped_at = $9 WHERE id = $10";
    values.push((*id).into());
    if db.execute(statement.into(), values).await? == 0 {
        return Err(Error::new(ErrorKind::Unexpected, "an integration that is not in the store was changed"));
    }
    Ok(*id)
}

pub(super) async fn subjects<D: Driver>(db: &mut D, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>> {
    let statement = "SELECT id, external, channel, row_minutes, first, last, longest, names FROM subject
        WHERE integration = $1 AND kind = $2 ORDER BY id";
    let rows = db.query(statement.into(), values![integration, kind as i64]).await?;
    let subject = |row: &D::Row| {
        Ok(Subject {
            id: row.number(0)?,
            kind,
            external: row.text(1)?,
            channel: Channel::from_str(&row.text(2)?).map_err(corrupt)?,
            row_minutes: row.number(3)?,
            first: row.instant(4)?,
            last: row.instant(5)?,
            longest: Millis::new(row.int(6)?),
            names: names_of(&row.text(7)?)?,
        })
    };
    rows.iter().map(subject).collect()
}

fn names_of(text: &str) -> Result<Vec<(Timestamp, String)>> {
    let names: Vec<(i64, String)> = serde_json::from_str(text).map_err(corrupt)?;
    Ok(names.into_iter().map(|(from, name)| (Timestamp::from_millis(from), name)).collect())
}

/// The names as JSON, and the one that it bears now.
fn names(subject: &Subject) -> Result<(String, String)> {
    let names: Vec<(i64, &str)> = subject.names.iter().map(|(from, name)| (from.millis(), name.as_str())).collect();
    let present = names.last().map_or(subject.external.as_str(), |(_, name)| name);
    Ok((serde_json::to_string(&names).map_err(corrupt)?, present.to_owned()))
}

pub(super) async fn add_subjects<D: Driver>(db: &mut D, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>> {
    let mut ids = Vec::with_capacity(subjects.len());
    for subjects in subjects.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new(
            "INSERT INTO subject
            (integration, kind, external, channel, row_minutes, first, last, longest, names, name) VALUES ",
        );
        for subject in subjects {
            let (names, name) = names(subject)?;
            statement.row(values![
                integration,
                subject.kind as i64,
                &subject.external,
                subject.channel.as_str(),
                subject.row_minutes,
                subject.first,
                subject.last,
                subject.longest.get(),
                names,
                name,
            ]);
        }
        let (statement, values) = statement.end(" RETURNING id, kind, external, channel");
        let rows = db.query(statement, values).await?;
        // The rows may come back in any order.
        let mut by_key = HashMap::with_capacity(rows.len());
        for row in &rows {
            by_key.insert((row.int(1)?, row.text(2)?, row.text(3)?), row.number(0)?);
        }
        for subject in subjects {
            let key = (subject.kind as i64, subject.external.clone(), subject.channel.as_str().to_owned());
            let id = by_key.get(&key).copied();
            ids.push(id.ok_or_else(|| Error::new(ErrorKind::Unexpected, "the store did not number a new subject"))?);
        }
    }
    Ok(ids)
}

pub(super) async fn update_subjects<D: Driver>(db: &mut D, subjects: &[Subject]) -> Result<()> {
    let latest: BTreeMap<u32, &Subject> = subjects.iter().map(|subject| (subject.id, subject)).collect();
    let latest: Vec<&Subject> = latest.into_values().collect();
    for subjects in latest.chunks(ROWS_PER_STATEMENT) {
        let mut statement =
            Bulk::new("WITH changed (id, channel, row_minutes, first, last, longest, names, name) AS (VALUES ");
        for subject in subjects {
            let (names, name) = names(subject)?;
            statement.row(values![
                subject.id,
                subject.channel.as_str(),
                subject.row_minutes,
                subject.first,
                subject.last,
                subject.longest.get(),
                names,
                name,
            ]);
        }
        let (statement, values) = statement.end(
            ") UPDATE subject SET channel = changed.channel, row_minutes = changed.row_minutes, first = changed.first,
            last = changed.last, longest = changed.longest, names = changed.names, name = changed.name
            FROM changed WHERE subject.id = changed.id",
        );
        if db.execute(statement, values).await? != subjects.len() as u64 {
            return Err(Error::new(ErrorKind::Unexpected, "a subject that is not in the store was changed"));
        }
    }
    Ok(())
}

pub(super) async fn mappings<D: Driver>(db: &mut D, integration: u32) -> Result<Vec<MappingRecord>> {
    let statement = "SELECT kind, external, target FROM mapping WHERE integration = $1 ORDER BY kind, external";
    let rows = db.query(statement.into(), values![integration]).await?;
    let mapping = |row: &D::Row| {
        Ok(MappingRecord {
            kind: row.choice(0, &[MappedKind::Agent, MappedKind::Status])?,
            external: row.text(1)?,
            target: row.int(2)?.cast_unsigned(),
        })
    };
    rows.iter().map(mapping).collect()
}

pub(super) async fn put_mappings<D: Driver>(db: &mut D, integration: u32, mappings: &[MappingRecord]) -> Result<()> {
    let latest: BTreeMap<(MappedKind, &str), u64> =
        mappings.iter().map(|mapping| ((mapping.kind, mapping.external.as_str()), mapping.target)).collect();
    let latest: Vec<_> = latest.into_iter().collect();
    for mappings in latest.chunks(ROWS_PER_STATEMENT) {
        let mut statement = Bulk::new("INSERT INTO mapping (integration, kind, external, target) VALUES ");
        for ((kind, external), target) in mappings {
            statement.row(values![integration, *kind as i64, *external, target.cast_signed()]);
        }
        let (statement, values) =
            statement.end(" ON CONFLICT (integration, kind, external) DO UPDATE SET target = excluded.target");
        db.execute(statement, values).await?;
    }
    Ok(())
}

pub(super) async fn remove_mapping<D: Driver>(
    db: &mut D,
    integration: u32,
    kind: MappedKind,
    external: &str,
) -> Result<()> {
    let statement = "DELETE FROM mapping WHERE integration = $1 AND kind = $2 AND external = $3";
    db.execute(statement.into(), values![integration, kind as i64, external]).await?;
    Ok(())
}
