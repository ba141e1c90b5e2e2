//! Looking for what has arrived.

use std::sync::Arc;

use injixo_model::Timestamp;

use super::Runtime;
use super::lane::{LaneState, policy_of};
use crate::connector::Connector;
use crate::error::{Error, ErrorKind, Result};
use crate::import::{self, Guard, Repeat, Target};
use crate::plan::Why;
use crate::store::{IntegrationRecord, WorkRecord};

/// How many deliveries that could not be imported are remembered.
const MOST_FAILED: usize = 1_000;

impl Runtime {
    /// Imports what has arrived and is new; returns when to look again. A delivery that cannot be imported does not keep the
    /// others from arriving, and is not tried again until it or its settings change.
    pub(super) async fn look_through(
        &self,
        work: &WorkRecord,
        state: &mut LaneState,
        record: &IntegrationRecord,
        connector: &Arc<dyn Connector>,
    ) -> Result<Timestamp> {
        let policy = policy_of(record);
        let next = self.now().await?.after(policy.folder);
        let Some(source) = connector.deliveries() else { return Ok(Timestamp::MAX) };
        let cx = self.context(Some(Why::Newest));
        let guard = Guard { generation: Some(record.generation), lease: Some((work.lane, work.fence)) };
        let target = Target { store: &*self.store, integration: record.id, zone: connector.zone(), guard };
        let arrived = self.patiently(policy.patience, source.scan(&cx)).await?;
        state.failed.retain(|key, _| arrived.iter().any(|delivery| delivery.key == *key));
        let mut first_error = None;
        for delivery in arrived {
            if state.failed.get(&delivery.key).is_some_and(|(settings, _)| *settings == delivery.settings) {
                continue;
            }
            let mut ignore = |_: &injixo_model::RejectedRow| {};
            match import::import_delivery(&target, &source, &delivery, Repeat::Never, &cx, &mut ignore).await {
                Ok(report) => {
                    state.failed.remove(&delivery.key);
                    if !report.is_unchanged {
                        self.committed();
                        tracing::debug!(integration = %record.name, %report, "imported");
                    }
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) if error.is_retryable() => first_error = Some(first_error.unwrap_or(error)),
                Err(error) => {
                    tracing::warn!(integration = %record.name, %error, "a delivery cannot be imported");
                    if state.failed.len() < MOST_FAILED {
                        state.failed.insert(delivery.key, (delivery.settings, error.to_string()));
                    }
                }
            }
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        state.succeeded(self.now().await?);
        if let Some((_, (_, error))) = state.failed.first_key_value() {
            // Named in the status, without keeping anything from going on.
            let error = Error::new(ErrorKind::DataInvalid, error.clone());
            let at = self.now().await?.millis();
            let (kind, message) = (error.kind().to_string(), error.to_string());
            state.error = Some(super::lane::LaneError { at, kind, message });
        }
        Ok(next)
    }
}
