//! The tables of Info Mart: how they are called here, and what its dimensions hold.

use std::collections::HashMap;
use std::fmt::Write as _;

use injixo_connector_sql::database::{Dialect, Edge, Family, Session, Statement};
use injixo_core::model::Timestamp;
use injixo_core::{Error, ErrorKind, Result};

use super::config::EngageConfig;

/// How tables are called. Names are never quoted: each database folds them as it likes.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    before: String,
    is_lower: bool,
}

impl Names {
    pub(crate) fn new(schema: Option<&str>, prefix: &str) -> Self {
        let schema = schema.filter(|schema| !schema.is_empty());
        Self { before: schema.map_or_else(String::new, |schema| format!("{schema}.")) + prefix, is_lower: false }
    }

    pub(crate) fn table(&self, name: &str) -> String {
        let name = if self.is_lower { name.to_ascii_lowercase() } else { name.to_owned() };
        format!("{}{name}", self.before)
    }

    /// The names in lower case, for databases that tell tables apart by it.
    pub(crate) fn lower(&self) -> Self {
        Self { before: self.before.clone(), is_lower: true }
    }
}

/// The upper-case names of a table's columns, or `None` if there is no such table. After that a session is of no use.
pub(crate) async fn columns(session: &mut Session, table: &str) -> Result<Option<Vec<String>>> {
    let mut statement = Statement::new(session.dialect());
    statement.push(&format!("SELECT * FROM {table}"));
    match session.columns(&statement).await {
        Ok(columns) => Ok(Some(columns.into_iter().map(|column| column.name.to_ascii_uppercase()).collect())),
        Err(error) if matches!(error.kind(), ErrorKind::ConfigInvalid | ErrorKind::PermissionDenied) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds tables as they are called here: a session that works, the names, and the columns of the table that was looked for.
pub(crate) async fn find(
    connection: &injixo_connector_sql::Connection,
    names: &Names,
    table: &str,
) -> Result<Option<(Session, Names, Vec<String>)>> {
    for names in [names.clone(), names.lower()] {
        let mut session = Session::open(connection).await?;
        if let Some(columns) = columns(&mut session, &names.table(table)).await? {
            return Ok(Some((session, names, columns)));
        }
        if session.dialect().family != Family::MySql {
            break;
        }
    }
    Ok(None)
}

/// A session with Info Mart.
#[derive(Debug)]
pub(crate) struct Mart {
    pub(crate) session: Session,
    pub(crate) names: Names,
    /// Whether a pass names the partition of the row that received it.
    pub(crate) has_target_partition: bool,
}

pub(crate) const PASSES: &str = "MEDIATION_SEGMENT_FACT";
pub(crate) const HANDLINGS: &str = "INTERACTION_RESOURCE_FACT";
pub(crate) const STATES: &str = "SM_RES_STATE_FACT";
pub(crate) const REASONS: &str = "SM_RES_STATE_REASON_FACT";
const AUDITS: &str = "CTL_AUDIT_LOG";

/// How long partitions are, in seconds.
pub(crate) const PARTITION: i64 = 900;

impl Mart {
    /// Opens it; `None` if its tables are not there.
    pub(crate) async fn open(config: &EngageConfig) -> Result<Option<Self>> {
        let names = Names::new(config.schema.as_deref(), &config.prefix);
        let Some((session, names, columns)) = find(&config.connection, &names, PASSES).await? else { return Ok(None) };
        let has_target_partition = columns.iter().any(|column| column == "TARGET_IXN_RESOURCE_SDT_KEY");
        Ok(Some(Self { session, names, has_target_partition }))
    }

    pub(crate) fn table(&self, name: &str) -> String {
        self.names.table(name)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    /// Up to when the mart is loaded; `None` without the control tables, or if they are empty.
    pub(crate) async fn loaded(&mut self, config: &EngageConfig) -> Result<Option<Timestamp>> {
        let select = loaded(self.dialect(), &self.names);
        let mut until = None;
        match self.session.each(&select, |cells| until = cells.first().and_then(|cell| cell.whole())).await {
            Ok(()) => Ok(until.map(Timestamp::from_secs)),
            // The user need not have the right to read them.
            Err(error) if matches!(error.kind(), ErrorKind::ConfigInvalid | ErrorKind::PermissionDenied) => {
                self.session = Session::open(&config.connection).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The codes of a dimension by its keys.
    pub(crate) async fn codes<const N: usize>(
        &mut self,
        table: &str,
        key: &str,
        columns: [&str; N],
    ) -> Result<HashMap<i64, [String; N]>> {
        let select = dimension(self.dialect(), &self.names, table, key, &columns);
        let mut codes = HashMap::new();
        let each = |cells: &[injixo_connector_sql::database::Cell<'_>]| {
            if let Some((key, rest)) = cells.split_first()
                && let Some(key) = key.whole()
            {
                let code = |at: usize| rest.get(at).and_then(|cell| cell.text()).unwrap_or_default().to_owned();
                codes.insert(key, std::array::from_fn(code));
            }
        };
        self.session.each(&select, each).await?;
        Ok(codes)
    }

    /// The queues or agents by their keys. A row that was replaced by a later one stays, so that several keys are one resource.
    pub(crate) async fn resources(&mut self, kind: ResourceKind) -> Result<HashMap<i64, Resource>> {
        let select = resources(self.dialect(), &self.names, kind);
        let mut resources = HashMap::new();
        let each = |cells: &[injixo_connector_sql::database::Cell<'_>]| {
            let [key, dbid, name, subtype] = cells else { return };
            if let Some(key) = key.whole() {
                let text = |cell: &injixo_connector_sql::database::Cell<'_>| cell.text().unwrap_or_default().to_owned();
                let dbid = dbid.whole().filter(|dbid| *dbid > 0);
                resources.insert(key, Resource { dbid, name: text(name), subtype: text(subtype) });
            }
        };
        self.session.each(&select, each).await?;
        Ok(resources)
    }
}

/// What of `RESOURCE_` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    Queue,
    Agent,
}

/// A queue or an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Its number in the configuration database.
    pub(crate) dbid: Option<i64>,
    pub(crate) name: String,
    pub(crate) subtype: String,
}

pub(crate) fn loaded(dialect: Dialect, names: &Names) -> Statement {
    let mut select = Statement::new(dialect);
    select.push(&format!("SELECT MAX(a.MAX_CHUNK_TS) AS MAX_CHUNK_TS FROM {} a", names.table(AUDITS)));
    select
}

pub(crate) fn dimension(dialect: Dialect, names: &Names, table: &str, key: &str, columns: &[&str]) -> Statement {
    let mut select = Statement::new(dialect);
    select.push(&format!("SELECT d.{key}"));
    for column in columns {
        select.push(&format!(", d.{column}"));
    }
    select.push(&format!(" FROM {} d", names.table(table)));
    select
}

pub(crate) fn resources(dialect: Dialect, names: &Names, kind: ResourceKind) -> Statement {
    let code = match kind {
        ResourceKind::Queue => "QUEUE",
        ResourceKind::Agent => "AGENT",
    };
    let mut select = Statement::new(dialect);
    select.push(&format!(
        "SELECT r.RESOURCE_KEY, r.RESOURCE_CFG_DBID, r.RESOURCE_NAME, r.RESOURCE_SUBTYPE FROM {} r WHERE \
         r.RESOURCE_TYPE_CODE = '{code}'",
        names.table("RESOURCE_")
    ));
    select
}

/// What was written behind an audit key: the newest key, and the partitions in which something was written.
pub(crate) fn audits(dialect: Dialect, names: &Names, behind: Option<i64>) -> Statement {
    let mut select = Statement::new(dialect);
    select.push(&format!(
        "SELECT MAX(a.AUDIT_KEY) AS AUDIT_KEY, MIN(a.MIN_START_DATE_TIME_KEY) AS FROM_KEY, \
         MAX(a.MAX_START_DATE_TIME_KEY) AS TO_KEY FROM {} a",
        names.table(AUDITS)
    ));
    if let Some(behind) = behind {
        select.push(" WHERE a.AUDIT_KEY > ");
        select.push_value(Edge::Secs(behind));
    }
    select
}

/// `column >= from AND column < to`
pub(crate) fn push_range(statement: &mut Statement, column: &str, from: i64, to: i64) {
    statement.push(&format!("{column} >= "));
    statement.push_value(Edge::Secs(from));
    statement.push(&format!(" AND {column} < "));
    statement.push_value(Edge::Secs(to));
}

/// ` AND column IN (…)`
pub(crate) fn push_one_of(statement: &mut Statement, column: &str, keys: &[i64]) {
    let mut list = String::new();
    for (at, key) in keys.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a text does not fail.
        let _ = write!(list, "{comma}{key}");
    }
    statement.push(&format!(" AND {column} IN ({list})"));
}

/// The keys whose codes are as wanted, in their order.
pub(crate) fn keys_of<const N: usize>(
    codes: &HashMap<i64, [String; N]>,
    is_wanted: impl Fn(&[String; N]) -> bool,
) -> Vec<i64> {
    let mut keys: Vec<i64> = codes.iter().filter(|(_, code)| is_wanted(code)).map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys
}

/// The partition that holds an instant.
pub(crate) fn partition(at: Timestamp) -> i64 {
    let secs = at.millis().div_euclid(1_000);
    secs - secs.rem_euclid(PARTITION)
}

/// The partition behind all that hold instants before one.
pub(crate) fn partition_behind(to: Timestamp) -> i64 {
    partition(Timestamp::from_millis(to.millis() - 1)) + PARTITION
}

/// The tables of Info Mart are not there.
pub(crate) fn no_mart() -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "the tables of Info Mart (MEDIATION_SEGMENT_FACT, …) are not there, or the user may not read them: correct \
         connection.database, schema and prefix, or grant SELECT on them",
    )
}

/// None of the codes that a key of the configuration names is in the dimension.
pub(crate) fn no_code(key: &str, codes: &HashMap<i64, [String; 1]>) -> Error {
    let mut known: Vec<&str> = codes.values().map(|[code]| code.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let message = format!("{key}: none of these is in the database; there are {}", known.join(", "));
    Error::new(ErrorKind::ConfigInvalid, message)
}
