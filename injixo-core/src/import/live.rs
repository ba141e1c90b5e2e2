//! What a live source said, into the store.

use std::collections::BTreeMap;

use injixo_model::{Channel, Millis, Span, Timestamp};

use super::apply::status_ids;
use super::job::Job;
use super::subjects::Subjects;
use super::{SeenStatus, Target};
use crate::connector::{AgentNow, Form};
use crate::derive::NO_STATUS;
use crate::error::Result;
use crate::facts::{Chunk, Corrupt, day_of};
use crate::import::corrupt;
use crate::store::{ChunkRange, Layer, SubjectKind, Transaction};

/// Keeps what a live source said; in one transaction, under the guard of `target`.
pub(crate) async fn keep_live(target: &Target<'_>, said: &[AgentNow], now: Timestamp) -> Result<()> {
    let mut transaction = target.store.write().await?;
    target.guard.hold(&mut *transaction, target.integration).await?;
    let mut agents = Subjects::load(&mut *transaction, target.integration, SubjectKind::Agent).await?;
    let names: Vec<(String, Channel)> = said.iter().map(|now| (now.agent.clone(), Channel::Calls)).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    agents.resolve(&mut *transaction, target.integration, &distinct, Form::Statuses).await?;
    let ids = agents.resolve(&mut *transaction, target.integration, &names, Form::Statuses).await?;
    let mut seen: BTreeMap<&str, SeenStatus> = BTreeMap::new();
    for (status, now) in said.iter().filter_map(|now| Some((now.status.as_deref()?, now))) {
        let seen = seen.entry(status).or_insert_with(|| SeenStatus { name: status.to_owned(), starts: None });
        seen.saw(now.since);
    }
    let statuses: Vec<SeenStatus> = seen.into_values().collect();
    let status_ids = status_ids(&mut *transaction, target.integration, &statuses).await?;
    let id_of = |status: &Option<String>| {
        let found = status.as_ref().and_then(|name| statuses.binary_search_by(|seen| seen.name.cmp(name)).ok());
        found.map_or(NO_STATUS, |index| status_ids[index])
    };
    let mut by_agent: BTreeMap<u32, Vec<Span>> = BTreeMap::new();
    for (id, now) in ids.iter().zip(said) {
        agents.saw(*id, now.since, Millis::ZERO);
        by_agent.entry(*id).or_default().push(Span { start: now.since, status: id_of(&now.status), end: None });
    }
    let mut job = Job::new(&mut *transaction, target.integration, &target.zone, now);
    job.live(by_agent, &agents).await?;
    job.finish().await?;
    agents.save(&mut *transaction).await?;
    transaction.commit().await
}

/// The last word about each agent that the store holds.
pub(crate) async fn last_said(transaction: &mut dyn Transaction, integration: u32) -> Result<Vec<AgentNow>> {
    let statuses = transaction.subjects(integration, SubjectKind::Status).await?;
    let names: BTreeMap<u32, String> = statuses.into_iter().map(|status| (status.id, status.external)).collect();
    let mut said = Vec::new();
    for agent in transaction.subjects(integration, SubjectKind::Agent).await? {
        let Some(day) = transaction.neighbours(agent.id, Layer::Live, i32::MAX).await?.0 else { continue };
        let range = ChunkRange { subject: agent.id, layer: Layer::Live, from: day, to: day };
        for stored in transaction.chunks(&[range]).await? {
            let chunk = Chunk::<Span>::decode(day, &stored.bytes).map_err(|Corrupt| corrupt(agent.id, day))?;
            if let Some(last) = chunk.facts().last() {
                let status = names.get(&last.status).cloned();
                said.push(AgentNow { agent: agent.external.clone(), status, since: last.start });
            }
        }
    }
    Ok(said)
}

/// Spans by the day on which they start.
pub(super) fn by_day(spans: &[Span]) -> BTreeMap<i32, Vec<Span>> {
    let mut days: BTreeMap<i32, Vec<Span>> = BTreeMap::new();
    spans.iter().for_each(|span| days.entry(day_of(span.start)).or_default().push(*span));
    days
}
