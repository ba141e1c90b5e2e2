//! The queues, agents and statuses that an import names.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Channel, Millis, Timestamp};

use crate::connector::Form;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Subject, SubjectKind, Transaction};

/// The known subjects of one kind.
pub(crate) struct Subjects {
    kind: SubjectKind,
    known: HashMap<(String, Channel), u32>,
    by_id: BTreeMap<u32, (Subject, bool)>,
    added: Vec<u32>,
}

impl Subjects {
    pub(crate) async fn load(transaction: &mut dyn Transaction, integration: u32, kind: SubjectKind) -> Result<Self> {
        let subjects = transaction.subjects(integration, kind).await?;
        let known = subjects.iter().map(|subject| ((subject.external.clone(), subject.channel), subject.id)).collect();
        let by_id = subjects.into_iter().map(|subject| (subject.id, (subject, false))).collect();
        Ok(Self { kind, known, by_id, added: Vec::new() })
    }

    /// The ids of the named subjects, which are added where they are new.
    pub(crate) async fn resolve(
        &mut self,
        transaction: &mut dyn Transaction,
        integration: u32,
        names: &[(String, Channel)],
        form: Form,
    ) -> Result<Vec<u32>> {
        let row_minutes = match form {
            Form::IntervalRows { length, .. } => length.minutes(),
            Form::Contacts | Form::Statuses => 0,
        };
        let new: Vec<Subject> = names
            .iter()
            .filter(|name| !self.known.contains_key(*name))
            .map(|(external, channel)| Subject {
                id: 0,
                kind: self.kind,
                external: external.clone(),
                channel: *channel,
                row_minutes,
                first: Timestamp::MAX,
                last: Timestamp::MIN,
                longest: Millis::ZERO,
                names: Vec::new(),
            })
            .collect();
        let ids = transaction.add_subjects(integration, &new).await?;
        self.added.extend(&ids);
        for (id, subject) in ids.into_iter().zip(new) {
            self.known.insert((subject.external.clone(), subject.channel), id);
            self.by_id.insert(id, (Subject { id, ..subject }, false));
        }
        let mut resolved = Vec::with_capacity(names.len());
        for name in names {
            let id = self.known.get(name).copied().unwrap_or(0);
            let is_kind = self.by_id.get(&id).is_some_and(|(held, _)| (held.row_minutes == 0) == (row_minutes == 0));
            if !is_kind {
                let message = "the queue got another kind of data while this import was read: import again";
                return Err(Error::new(ErrorKind::Unavailable, message).with("queue", &name.0));
            }
            resolved.push(id);
        }
        Ok(resolved)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.by_id.keys().copied()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Subject> {
        self.by_id.get(&id).map(|(subject, _)| subject)
    }

    /// Those that were added by this import.
    pub(crate) fn added(&self) -> &[u32] {
        &self.added
    }

    /// Notes a fact of a subject: where it starts, and how long it lasts if it is a span with an end.
    pub(crate) fn saw(&mut self, id: u32, at: Timestamp, length: Millis) {
        if let Some((subject, is_changed)) = self.by_id.get_mut(&id)
            && !(subject.first <= at && at <= subject.last && length <= subject.longest)
        {
            (subject.first, subject.last) = (subject.first.min(at), subject.last.max(at));
            subject.longest = subject.longest.max(length);
            *is_changed = true;
        }
    }

    pub(crate) async fn save(self, transaction: &mut dyn Transaction) -> Result<()> {
        let changed = self.by_id.into_values().filter(|(_, is_changed)| *is_changed);
        let changed: Vec<Subject> = changed.map(|(subject, _)| subject).collect();
        transaction.update_subjects(&changed).await
    }
}
