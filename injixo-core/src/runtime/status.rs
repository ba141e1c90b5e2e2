//! The state of integrations, for people.

use std::cell::OnceCell;

use injixo_model::{Coverage, Millis, Timestamp, Window};

use super::lane::{LaneState, begin_of, is_back_fill, policy_of, stream_of, stream_policy};
use super::windows::Noted;
use super::{IntegrationRef, Runtime, query};
use crate::connector::{Connector, Stream};
use crate::error::Result;
use crate::plan::Situation;
use crate::store::{IntegrationRecord, IntegrationState, Lane, StreamId, Transaction, WorkRecord};
use crate::zone::Zone;

/// The state of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrationStatus {
    /// Its number in the store.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The kind of its connector.
    pub connector: String,
    /// Where it stands in its life.
    pub state: IntegrationState,
    /// Each kind of work on it.
    pub lanes: Vec<LaneStatus>,
    /// How many rows are in quarantine.
    pub quarantined: u64,
}

/// The state of one kind of work on an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStatus {
    /// The kind of work.
    pub lane: Lane,
    /// How it goes.
    pub health: Health,
    /// Up to when everything wanted is imported; `None` where that cannot be said.
    pub complete_to: Option<Timestamp>,
    /// The window that is being read.
    pub reading: Option<Window>,
    /// What was missed and is still to be read.
    pub gaps: Vec<Window>,
    /// What was given up because it cannot be read.
    pub blocked: Vec<BlockedWindow>,
    /// What was given up by rule; asked for, it is read.
    pub waived: Vec<Window>,
    /// How far back-filling has come, in its own lane.
    pub back_fill: Option<BackFill>,
    /// When something was last imported, or found to be up to date.
    pub succeeded_at: Option<Timestamp>,
}

/// How some work goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is as it should be.
    Current,
    /// There is something to be imported yet.
    Behind {
        /// How long it is behind.
        by: Millis,
        /// What it waits for, if it does.
        reason: Option<String>,
    },
    /// It failed and goes on by itself.
    Waiting {
        /// When it tries again.
        until: Timestamp,
        /// What went wrong, and what to do about it.
        error: String,
    },
    /// It failed and waits until somebody corrects it: edit the integration, or have it try again.
    Blocked {
        /// What went wrong, and what to do about it.
        error: String,
    },
    /// It is paused, or the integration is deleted.
    Stopped,
}

/// A window that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedWindow {
    /// The window.
    pub window: Window,
    /// Why.
    pub reason: String,
}

/// How far back-filling has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackFill {
    /// How much is done, in percent, rounded down.
    pub percent: u8,
    /// How long the rest takes at the speed so far; `None` where that is not known yet.
    pub time_left: Option<Millis>,
}

impl Runtime {
    /// The state of every integration in the order in which they were added, deleted ones included.
    ///
    /// # Errors
    ///
    /// Whatever the store reports.
    pub async fn status(&self) -> Result<Vec<IntegrationStatus>> {
        let mut transaction = self.store.read().await?;
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        let mut all = Vec::new();
        for record in transaction.integrations().await? {
            all.push(self.status_at(&mut *transaction, record, now).await?);
        }
        Ok(all)
    }

    /// The state of one integration.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn status_of(&self, integration: impl Into<IntegrationRef> + Send) -> Result<IntegrationStatus> {
        let wanted = integration.into();
        let mut transaction = self.store.read().await?;
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        let record = query::meant(&mut *transaction, &wanted).await?;
        self.status_at(&mut *transaction, record, now).await
    }

    async fn status_at(
        &self,
        transaction: &mut dyn Transaction,
        record: IntegrationRecord,
        now: Timestamp,
    ) -> Result<IntegrationStatus> {
        let connector = self.shared.connectors().get(&record.id).map(|built| built.connector.clone());
        let mut lanes = Vec::new();
        for work in transaction.work(Some(record.id)).await? {
            lanes.push(lane_status(transaction, &record, connector.as_deref(), work, now).await?);
        }
        let mut quarantined = 0;
        for stream in [Stream::Contacts, Stream::Statuses] {
            let imports = transaction.quarantined(StreamId { integration: record.id, stream }).await?;
            quarantined += imports.iter().map(|import| import.rejected).sum::<u64>();
        }
        Ok(IntegrationStatus {
            id: record.id,
            name: record.name,
            connector: record.connector,
            state: record.state,
            lanes,
            quarantined,
        })
    }
}

async fn lane_status(
    transaction: &mut dyn Transaction,
    record: &IntegrationRecord,
    connector: Option<&dyn Connector>,
    work: WorkRecord,
    now: Timestamp,
) -> Result<LaneStatus> {
    let state = LaneState::of(&work);
    let held = work.lease.as_ref().is_some_and(|lease| lease.until > now);
    let mut status = LaneStatus {
        lane: work.lane,
        health: Health::Current,
        complete_to: None,
        reading: work.window.filter(|_| held),
        gaps: Vec::new(),
        blocked: Vec::new(),
        waived: Vec::new(),
        back_fill: None,
        succeeded_at: state.succeeded_at.map(Timestamp::from_millis),
    };
    let mut behind = Millis::ZERO;
    let stream = stream_of(work.lane);
    let limits = match (work.lane, connector) {
        (Lane::Contacts | Lane::ContactsBackfill, Some(connector)) => {
            connector.contacts().map(|source| source.limits())
        }
        (Lane::Statuses | Lane::StatusesBackfill, Some(connector)) => {
            connector.statuses().map(|source| source.limits())
        }
        _ => None,
    };
    if let Some(limits) = limits {
        let policy = policy_of(record);
        let by_stream = stream_policy(&policy, &limits, stream);
        let noted = Noted::load(transaction, StreamId { integration: record.id, stream }).await?;
        let (from, since) = begin_of(record, &policy);
        let blocked = noted.blocked();
        let situation = Situation {
            now: record.stopped_at.unwrap_or(now),
            policy: &by_stream,
            zone: &connector.map_or_else(Zone::utc, Connector::zone),
            from,
            since,
            covered: &noted.covered,
            waived: &noted.waived,
            blocked: &blocked,
            asked: &noted.asked,
            busy: &Coverage::new(),
            size: by_stream.longest,
            all: OnceCell::new(),
        };
        if is_back_fill(work.lane) {
            let (left, total) = situation.back_fill_left();
            let done = Millis::new(total.get() - left.get());
            let percent = if total == Millis::ZERO { 100 } else { done.get() * 100 / total.get() };
            let time_left = state.fill_began.and_then(|(began, left_then)| {
                let (spent, read) = (now.millis() - began, left_then - left.get());
                (read > 0).then(|| {
                    Millis::new(
                        i64::try_from(i128::from(left.get()) * i128::from(spent) / i128::from(read))
                            .unwrap_or(i64::MAX),
                    )
                })
            });
            let time_left = if left == Millis::ZERO { Some(Millis::ZERO) } else { time_left };
            status.back_fill = Some(BackFill { percent: u8::try_from(percent).unwrap_or(100), time_left });
            if left > Millis::ZERO {
                behind = left;
            }
        } else {
            let edge = situation.edge();
            let gaps = situation.gaps();
            status.gaps = gaps.windows().to_vec();
            let first_gap = gaps.windows().first().map_or(edge, |window| window.from());
            status.complete_to = Some(first_gap);
            behind = edge.since(first_gap);
            status.blocked = noted
                .blocked
                .into_iter()
                .map(|range| BlockedWindow { window: range.window, reason: range.note })
                .collect();
            status.waived = noted.waived.windows().to_vec();
        }
    }
    let error = state.error.map(|error| error.message);
    status.health = if record.state != IntegrationState::Active {
        Health::Stopped
    } else if state.is_blocked {
        Health::Blocked { error: error.unwrap_or_default() }
    } else if let Some(error) = error {
        Health::Waiting { until: work.due, error }
    } else if behind > Millis::ZERO || state.waits_for.is_some() {
        Health::Behind { by: behind, reason: state.waits_for }
    } else {
        Health::Current
    };
    Ok(status)
}
