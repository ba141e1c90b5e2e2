//! What changed in Info Mart, by the audit keys of its loads.
//!
//! After-call work changes the row of the agent, not that of the queue, and e-mails change for days. The log of the loads says in
//! which partitions a load wrote; the facts of those say which passes and states it touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connector_sql::database::{Dialect, Edge, Statement};
use injixo_core::connector::{ChangeSource, Changed, Context, Stream};
use injixo_core::model::{Timestamp, Window};
use injixo_core::{ErrorKind, Result};

use super::config::{EngageConfig, Profile};
use super::mart::{HANDLINGS, Mart, Names, PARTITION, PASSES, REASONS, STATES, audits, push_range};

/// Says which partitions changed.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) config: Arc<EngageConfig>,
    pub(crate) stream: Stream,
}

/// Nothing public says that a load with a higher key is seen after one with a lower: loads of the last hour are looked at again.
const OVERLAP: i64 = 3_600;

#[async_trait]
impl ChangeSource for Changes {
    async fn changes(&self, _: &Context, mark: Option<&str>) -> Result<Changed> {
        let none = |mark: Option<&str>| Changed { windows: Vec::new(), mark: mark.unwrap_or_default().to_owned() };
        if self.config.profile == Profile::StatServer {
            return Ok(none(mark));
        }
        let Some(mut mart) = Mart::open(&self.config).await? else { return Ok(none(mark)) };
        let behind = mark.and_then(|mark| mark.parse::<i64>().ok());
        let mut log = [None; 3];
        let select = audits(mart.dialect(), &mart.names, behind);
        let read = mart.session.each(&select, |cells| {
            log = std::array::from_fn(|at| cells.get(at).and_then(|cell| cell.whole()));
        });
        match read.await {
            Ok(()) => {}
            // Without the control tables, what changed is found by looking back.
            Err(error) if matches!(error.kind(), ErrorKind::ConfigInvalid | ErrorKind::PermissionDenied) => {
                return Ok(none(mark));
            }
            Err(error) => return Err(error),
        }
        let [Some(newest), Some(first), Some(last)] = log else { return Ok(none(mark)) };
        let settled = self.settled(&mut mart, newest).await?;
        let next = settled.max(behind.unwrap_or(0)).to_string();
        let Some(behind) = behind else { return Ok(Changed { windows: Vec::new(), mark: next }) };
        let mut partitions = BTreeSet::new();
        for touched in touched(self.stream) {
            let select =
                touched.statement(mart.dialect(), &mart.names, (first, last.saturating_add(PARTITION)), behind);
            mart.session.each(&select, |cells| partitions.extend(cells.first().and_then(|cell| cell.whole()))).await?;
        }
        Ok(Changed { windows: windows(partitions)?, mark: next })
    }
}

impl Changes {
    /// The newest key that is older than the overlap, where the log says when its rows were written.
    async fn settled(&self, mart: &mut Mart, newest: i64) -> Result<i64> {
        let mut settled = None;
        let select = settled_audit(mart.dialect(), &mart.names);
        let read = mart.session.each(&select, |cells| settled = cells.first().and_then(|cell| cell.whole())).await;
        match read {
            Ok(()) => Ok(settled.unwrap_or(0)),
            // Older releases do not have the column.
            Err(error) if error.kind() == ErrorKind::ConfigInvalid => {
                if let Some(again) = Mart::open(&self.config).await? {
                    *mart = again;
                }
                Ok(newest)
            }
            Err(error) => Err(error),
        }
    }
}

/// The newest key of the log that is an hour older than its newest row.
pub(crate) fn settled_audit(dialect: Dialect, names: &Names) -> Statement {
    let log = names.table("CTL_AUDIT_LOG");
    let mut select = Statement::new(dialect);
    select.push(&format!(
        "SELECT MAX(a.AUDIT_KEY) AS AUDIT_KEY FROM {log} a WHERE a.CREATED_TS <= (SELECT MAX(b.CREATED_TS) FROM {log} b) - \
         {OVERLAP}"
    ));
    select
}

/// Which partitions of facts changed with which rows.
pub(crate) struct Touched {
    /// The table whose rows were written.
    written: &'static str,
    /// The table whose partitions are asked for and the columns by which they belong together, where it is another one.
    facts: Option<(&'static str, &'static str, &'static str)>,
}

pub(crate) fn touched(stream: Stream) -> [Touched; 2] {
    match stream {
        Stream::Contacts => [
            Touched { written: PASSES, facts: None },
            Touched { written: HANDLINGS, facts: Some((PASSES, "TARGET_IXN_RESOURCE_ID", "INTERACTION_RESOURCE_ID")) },
        ],
        Stream::Statuses => [
            Touched { written: STATES, facts: None },
            Touched { written: REASONS, facts: Some((STATES, "SM_RES_STATE_FACT_KEY", "SM_RES_STATE_FACT_KEY")) },
        ],
    }
}

impl Touched {
    pub(crate) fn statement(&self, dialect: Dialect, names: &Names, (from, to): (i64, i64), behind: i64) -> Statement {
        let written = names.table(self.written);
        let mut select = Statement::new(dialect);
        match self.facts {
            None => select.push(&format!("SELECT DISTINCT w.START_DATE_TIME_KEY FROM {written} w WHERE ")),
            Some((facts, key, written_key)) => select.push(&format!(
                "SELECT DISTINCT f.START_DATE_TIME_KEY FROM {written} w JOIN {} f ON f.{key} = w.{written_key} WHERE ",
                names.table(facts)
            )),
        }
        push_range(&mut select, "w.START_DATE_TIME_KEY", from, to);
        for condition in [" AND (w.CREATE_AUDIT_KEY > ", " OR w.UPDATE_AUDIT_KEY > "] {
            select.push(condition);
            select.push_value(Edge::Secs(behind));
        }
        select.push(")");
        select
    }
}

/// Partitions as windows, those side by side as one.
fn windows(partitions: BTreeSet<i64>) -> Result<Vec<Window>> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for partition in partitions {
        match runs.last_mut() {
            Some(run) if run.1 == partition => run.1 += PARTITION,
            _ => runs.push((partition, partition + PARTITION)),
        }
    }
    let window = |(from, to)| Ok(Window::new(Timestamp::from_secs(from), Timestamp::from_secs(to))?);
    runs.into_iter().map(window).collect()
}
