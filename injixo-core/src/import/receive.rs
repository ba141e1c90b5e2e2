//! Requests that arrived at about the same time, in one transaction: each with its own key, each applied once.

use std::collections::{BTreeMap, HashMap, HashSet};

use injixo_model::{Channel, Contact, ContactId, Millis, RejectedRow, Rule, Span, Timestamp, Window};

use super::apply::{announce, status_ids};
use super::events::{Events, Receipt, Rows};
use super::job::Job;
use super::subjects::Subjects;
use crate::connector::{Form, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::is_filled_by_parts;
use crate::facts::Change;
use crate::runtime::keys::{Sender, digest_of};
use crate::store::{ImportRecord, IntegrationRecord, IntegrationState, Store, StreamId, SubjectKind, Transaction};
use crate::zone::Zone;

/// A request and who sends it.
pub(crate) struct Request {
    pub(crate) sender: Sender,
    pub(crate) events: Events,
}

/// What came of each request.
type Answers = Vec<Option<Result<Receipt>>>;

/// How long a sender is asked to wait while an integration is paused.
const WHILE_PAUSED: std::time::Duration = std::time::Duration::from_secs(60);

/// Applies requests and answers each: all that are applied are in the store for good when this returns.
pub(crate) async fn receive(store: &dyn Store, now: Timestamp, requests: &[Request]) -> Result<Answers> {
    let mut answers: Answers = requests.iter().map(|_| None).collect();
    let mut transaction = store.write().await?;
    let now = transaction.now().await?.unwrap_or(now);
    let mut by_integration: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, request) in requests.iter().enumerate() {
        by_integration.entry(request.sender.integration()).or_default().push(index);
    }
    let mut is_changed = false;
    // In the order of their numbers, so that processes that hold several integrations do not wait for each other.
    for (id, indices) in by_integration {
        let record = transaction.lock_integration(id).await?;
        let digest = digest_of(&mut *transaction, id).await?;
        let mut wanted = Vec::new();
        for index in indices {
            let sender = &requests[index].sender;
            match refusal(record.as_ref(), sender.digest().is_some_and(|shown| Some(*shown) != digest)) {
                Some(refusal) => answers[index] = Some(Err(refusal)),
                None => wanted.push((index, &requests[index].events)),
            }
        }
        if !wanted.is_empty() && is_filled_by_parts(&mut *transaction, id).await? {
            for (index, _) in wanted.drain(..) {
                let message = "another store tells all that the integration holds: it takes no single events";
                answers[index] = Some(Err(Error::new(ErrorKind::Unsupported, message)));
            }
        }
        let Some(record) = record.filter(|_| !wanted.is_empty()) else { continue };
        for stream in [Stream::Contacts, Stream::Statuses] {
            let wanted: Vec<_> = wanted.iter().filter(|(_, events)| events.stream() == stream).copied().collect();
            if !wanted.is_empty() {
                let mut group =
                    Group { transaction: &mut *transaction, record: &record, stream, now, answers: &mut answers };
                is_changed |= group.apply(&wanted).await?;
            }
        }
    }
    if is_changed {
        transaction.commit().await?;
    }
    Ok(answers)
}

/// Why requests for an integration are not taken.
pub(crate) fn refusal(record: Option<&IntegrationRecord>, is_old_key: bool) -> Option<Error> {
    let state = record.map(|record| record.state);
    match state {
        None => Some(Error::new(ErrorKind::NotFound, "the integration is not in the store any more")),
        Some(IntegrationState::Deleted) => {
            Some(Error::new(ErrorKind::NotFound, "the integration was deleted: it takes nothing any more"))
        }
        // A new key has taken the place of this one.
        Some(_) if is_old_key => Some(Sender::refused()),
        Some(IntegrationState::Paused) => {
            let message = "the integration is paused: try again later";
            Some(Error::new(ErrorKind::Unavailable, message).retry_in(WHILE_PAUSED))
        }
        Some(IntegrationState::Active) => None,
    }
}

/// Requests of one stream of one integration.
struct Group<'a> {
    transaction: &'a mut dyn Transaction,
    record: &'a IntegrationRecord,
    stream: Stream,
    now: Timestamp,
    answers: &'a mut Answers,
}

/// A request that is new.
struct New<'e> {
    index: usize,
    events: &'e Events,
    /// What its contacts are told apart from those of other requests by.
    seed: u64,
    refused: Vec<RejectedRow>,
    change: Change,
    edges: Option<(Timestamp, Timestamp)>,
}

impl New<'_> {
    fn saw(&mut self, start: Timestamp) {
        let (first, last) = self.edges.unwrap_or((start, start));
        self.edges = Some((first.min(start), last.max(start)));
    }

    fn accepted(&self) -> u64 {
        (self.events.len() - self.refused.len()) as u64
    }

    fn rejected(&self) -> u64 {
        self.events.rejected_rows + self.refused.len() as u64
    }
}

impl Group<'_> {
    /// Applies what is new of the requests; whether anything is.
    async fn apply(&mut self, requests: &[(usize, &Events)]) -> Result<bool> {
        let (mut new, repeats) = self.new_ones(requests).await?;
        if !new.is_empty() {
            let zone = Zone::new(&self.record.zone)?;
            match self.stream {
                Stream::Contacts => self.contacts(&mut new, &zone).await?,
                Stream::Statuses => self.statuses(&mut new, &zone).await?,
            }
        }
        self.note(&new).await?;
        let mut by_key = HashMap::new();
        for new in &new {
            let receipt = Receipt {
                accepted: new.accepted(),
                rejected: new.rejected(),
                refused: new.refused.clone(),
                is_repeat: false,
                is_other_content: false,
            };
            by_key.insert(new.events.key.as_str(), (receipt.clone(), new.events.content.as_str()));
            self.answers[new.index] = Some(Ok(receipt));
        }
        for (index, events) in repeats {
            if let Some((receipt, content)) = by_key.get(events.key.as_str()) {
                let is_other_content = *content != events.content;
                self.answers[index] = Some(Ok(Receipt { is_repeat: true, is_other_content, ..receipt.clone() }));
            }
        }
        Ok(!new.is_empty())
    }

    /// The requests whose keys are not known; those with a known one are answered. Besides, those that repeat a new one.
    async fn new_ones<'e>(
        &mut self,
        requests: &[(usize, &'e Events)],
    ) -> Result<(Vec<New<'e>>, Vec<(usize, &'e Events)>)> {
        let stream = StreamId { integration: self.record.id, stream: self.stream };
        let (mut new, mut repeats) = (Vec::new(), Vec::new());
        let asked: Vec<&str> = requests.iter().map(|(_, events)| events.key.as_str()).collect();
        let known = self.transaction.last_imports(stream, &asked).await?.into_iter();
        let known: HashMap<String, ImportRecord> = known.map(|import| (import.key.clone(), import)).collect();
        let mut keys: HashSet<&str> = HashSet::new();
        for &(index, events) in requests {
            if keys.contains(events.key.as_str()) {
                repeats.push((index, events));
                continue;
            }
            let holds = |import: &ImportRecord| {
                events.repeats_within.is_none_or(|time| self.now.since(import.applied_at) < time)
            };
            let mut hash = blake3::Hasher::new();
            hash.update(events.key.as_bytes());
            match known.get(&events.key) {
                Some(import) if holds(import) => {
                    let receipt = Receipt {
                        accepted: import.imported,
                        rejected: import.rejected,
                        refused: Vec::new(),
                        is_repeat: true,
                        is_other_content: import.settings != events.content,
                    };
                    self.answers[index] = Some(Ok(receipt));
                    continue;
                }
                // The same content as long ago is another request.
                Some(import) => _ = hash.update(&import.id.to_le_bytes()),
                None => {}
            }
            let digest = hash.finalize();
            let seed = u64::from_le_bytes(digest.as_bytes().first_chunk().copied().unwrap_or_default());
            keys.insert(events.key.as_str());
            new.push(New { index, events, seed, refused: Vec::new(), change: Change::default(), edges: None });
        }
        Ok((new, repeats))
    }

    async fn contacts(&mut self, requests: &mut [New<'_>], zone: &Zone) -> Result<()> {
        let integration = self.record.id;
        let mut queues = Subjects::load(self.transaction, integration, SubjectKind::Queue).await?;
        let (mut names, mut numbers) = (Vec::new(), HashMap::<&(String, Channel), usize>::new());
        for new in &*requests {
            let Rows::Contacts { queues: named, .. } = &new.events.rows else { continue };
            for name in named.iter().filter(|name| !queues.holds_rows(name)) {
                numbers.entry(name).or_insert_with(|| {
                    names.push(name.clone());
                    names.len() - 1
                });
            }
        }
        let ids = queues.resolve(self.transaction, integration, &names, Form::Contacts).await?;
        let before = queues.current_names();
        let mut facts: Vec<(u32, Contact)> = Vec::new();
        for new in &mut *requests {
            let Rows::Contacts { queues: named, rows } = &new.events.rows else { continue };
            let ids: Vec<Option<u32>> =
                named.iter().map(|name| numbers.get(name).and_then(|number| ids.get(*number)).copied()).collect();
            for (index, (queue, contact)) in (0_u64..).zip(rows) {
                let Some(id) = ids.get(*queue as usize).copied().flatten() else {
                    new.refused.push(of_another_kind(&new.events.name, index, &named[*queue as usize].0));
                    continue;
                };
                new.saw(contact.start);
                facts.push((id, Contact { id: Some(ContactId(new.seed.wrapping_add(index))), ..*contact }));
            }
            let called = new.events.called.iter().filter_map(|(queue, name, first, last)| {
                Some(((*ids.get(*queue as usize)?)?, name.clone(), *first, *last))
            });
            queues.called(called);
            new.change.added = new.accepted();
        }
        facts.sort_by_key(|(id, contact)| (*id, contact.start));
        let mut job = Job::new(self.transaction, integration, zone, self.now);
        announce(&mut job, &queues, &before);
        job.append(&facts, &mut queues).await?;
        job.finish().await?;
        queues.save(self.transaction).await
    }

    async fn statuses(&mut self, requests: &mut [New<'_>], zone: &Zone) -> Result<()> {
        let integration = self.record.id;
        let mut agents = Subjects::load(self.transaction, integration, SubjectKind::Agent).await?;
        let (mut names, mut numbers) = (Vec::new(), HashMap::<&str, usize>::new());
        let mut seen: Vec<super::SeenStatus> = Vec::new();
        let mut places = HashMap::<&str, usize>::new();
        for new in &*requests {
            let Rows::Statuses { agents, statuses, .. } = &new.events.rows else { continue };
            for name in agents {
                numbers.entry(&name.0).or_insert_with(|| {
                    names.push(name.clone());
                    names.len() - 1
                });
            }
            for status in statuses {
                let place = *places.entry(&status.name).or_insert_with(|| {
                    seen.push(super::SeenStatus { name: status.name.clone(), starts: None });
                    seen.len() - 1
                });
                status.starts.into_iter().flat_map(|(first, last)| [first, last]).for_each(|at| seen[place].saw(at));
            }
        }
        let ids = agents.resolve(self.transaction, integration, &names, Form::Statuses).await?;
        let status_ids = status_ids(self.transaction, integration, &seen).await?;
        let mut spans: Vec<(u32, usize, Span)> = Vec::new();
        for (by, new) in requests.iter_mut().enumerate() {
            let Rows::Statuses { agents, statuses, rows } = &new.events.rows else { continue };
            let ids: Vec<u32> = agents.iter().map(|agent| ids[numbers[agent.0.as_str()]]).collect();
            let status_ids: Vec<u32> = statuses.iter().map(|status| status_ids[places[status.name.as_str()]]).collect();
            for (agent, span) in rows {
                new.saw(span.start);
                spans.push((ids[*agent as usize], by, Span { status: status_ids[span.status as usize], ..*span }));
            }
        }
        spans.sort_by_key(|span| span.0);
        let mut changes = vec![Change::default(); requests.len()];
        let mut job = Job::new(self.transaction, integration, zone, self.now);
        job.update(&spans, &mut agents, &mut changes).await?;
        job.finish().await?;
        requests.iter_mut().zip(changes).for_each(|(new, change)| new.change = change);
        agents.save(self.transaction).await
    }

    /// Notes requests in the import log.
    async fn note(&mut self, requests: &[New<'_>]) -> Result<()> {
        let mut records = Vec::with_capacity(requests.len());
        for new in requests {
            let Events { key, name, content, rejected, .. } = new.events;
            let record = ImportRecord {
                id: 0,
                stream: StreamId { integration: self.record.id, stream: self.stream },
                key: key.clone(),
                settings: content.clone(),
                name: name.clone(),
                applied_at: self.now,
                window: new.edges.and_then(|(first, last)| Window::new(first, last.after(Millis::new(1))).ok()),
                subjects: Vec::new(),
                again: false,
                imported: new.accepted(),
                rejected: new.rejected(),
                skipped: 0,
                added: new.change.added,
                replaced: new.change.replaced,
                gone: 0,
            };
            let rejected: Vec<RejectedRow> = rejected.iter().chain(&new.refused).cloned().collect();
            if rejected.is_empty() {
                records.push(record);
            } else {
                let id = self.transaction.add_import(&record).await?;
                self.transaction.add_rejected(id, &rejected).await?;
            }
        }
        self.transaction.add_imports(&records).await
    }
}

fn of_another_kind(source: &str, index: u64, queue: &str) -> RejectedRow {
    RejectedRow {
        source: source.to_owned(),
        line: index + 1,
        column: "queueIdentifier".to_owned(),
        rule: Rule::QueueKind,
        excerpt: RejectedRow::excerpt_of(queue),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::import::arrived;
    use crate::runtime::Runtime;
    use crate::store::MemoryStore;

    /// The identifiers of the contacts that a store keeps of two requests of three equal contacts each.
    async fn kept(keys: [&str; 2]) -> Vec<ContactId> {
        let store = MemoryStore::new();
        let mut write = store.write().await.unwrap();
        let record = IntegrationRecord {
            id: 0,
            name: "API".to_owned(),
            connector: "pushed".to_owned(),
            zone: "UTC".to_owned(),
            config: None,
            policy: "{}".to_owned(),
            state: IntegrationState::Active,
            generation: 1,
            added_at: Timestamp::MIN,
            stopped_at: None,
        };
        let id = write.put_integration(&record).await.unwrap();
        write.commit().await.unwrap();
        let sender = Runtime::new(store.clone()).own_sender(id).await.unwrap();
        let requests = keys.map(|key| {
            let mut events = Events::contacts(key);
            for _ in 0..3 {
                events.contact("q", Channel::Calls, None, Contact::offered(Timestamp::MIN));
            }
            Request { sender: sender.clone(), events }
        });
        let answers = receive(&store, Timestamp::MIN, &requests).await.unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Some(Ok(receipt)) if !receipt.is_repeat)));
        let mut read = store.read().await.unwrap();
        let queue = read.subjects(id, SubjectKind::Queue).await.unwrap()[0].id;
        let contacts = arrived(&mut *read, queue, 0, 0).await.unwrap();
        contacts.iter().map(|contact| contact.id.unwrap()).collect()
    }

    #[tokio::test]
    async fn equal_contacts_are_told_apart_by_request_and_place() {
        let ids = kept(["a", "b"]).await;
        assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (6, 6));
        // The same requests elsewhere have the same ones, others have others.
        assert_eq!(kept(["a", "b"]).await, ids);
        assert!(kept(["c", "d"]).await.iter().all(|id| !ids.contains(id)));
    }
}
