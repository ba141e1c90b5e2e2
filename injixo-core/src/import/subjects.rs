//! The queues, agents and statuses that an import names.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use injixo_model::{Channel, Millis, Timestamp};

use super::job::Derives;
use crate::connector::Form;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Subject, SubjectKind, Transaction};

/// The known subjects of one kind.
pub(crate) struct Subjects {
    kind: SubjectKind,
    known: HashMap<(String, Channel), u32>,
    by_id: BTreeMap<u32, (Subject, bool)>,
    added: Vec<u32>,
    renamed: Vec<u32>,
}

impl Subjects {
    pub(crate) async fn load(transaction: &mut dyn Transaction, integration: u32, kind: SubjectKind) -> Result<Self> {
        let subjects = transaction.subjects(integration, kind).await?;
        let known = subjects.iter().map(|subject| ((subject.external.clone(), subject.channel), subject.id)).collect();
        let by_id = subjects.into_iter().map(|subject| (subject.id, (subject, false))).collect();
        Ok(Self { kind, known, by_id, added: Vec::new(), renamed: Vec::new() })
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

    /// Takes what another store knows of subjects of this kind, which are added where they are new; returns their numbers.
    pub(crate) async fn take_over(
        &mut self,
        transaction: &mut dyn Transaction,
        integration: u32,
        told: Vec<Subject>,
    ) -> Result<Vec<u32>> {
        let is_new = |subject: &&Subject| !self.known.contains_key(&(subject.external.clone(), subject.channel));
        let new: Vec<Subject> = told.iter().filter(is_new).cloned().collect();
        let ids = transaction.add_subjects(integration, &new).await?;
        self.added.extend(&ids);
        for (id, subject) in ids.into_iter().zip(new) {
            self.known.insert((subject.external.clone(), subject.channel), id);
            self.by_id.insert(id, (Subject { id, ..subject }, false));
        }
        let mut numbers = Vec::with_capacity(told.len());
        for subject in told {
            let id = self.known.get(&(subject.external.clone(), subject.channel)).copied().unwrap_or(0);
            numbers.push(id);
            let Some((held, is_changed)) = self.by_id.get_mut(&id) else { continue };
            if held.row_minutes != subject.row_minutes {
                let message =
                    "the queue holds another kind of data here, or rows of another length: send to another integration";
                return Err(Error::new(ErrorKind::DataInvalid, message).with("queue", &subject.external));
            }
            let merged = Subject {
                id,
                first: held.first.min(subject.first),
                last: held.last.max(subject.last),
                longest: held.longest.max(subject.longest),
                ..subject
            };
            if merged != *held {
                if merged.names != held.names {
                    self.renamed.push(id);
                }
                (*held, *is_changed) = (merged, true);
            }
        }
        Ok(numbers)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Subject> {
        self.by_id.values().map(|(subject, _)| subject)
    }

    /// Whether a queue holds ready-made rows.
    pub(crate) fn holds_rows(&self, name: &(String, Channel)) -> bool {
        self.known.get(name).and_then(|id| self.get(*id)).is_some_and(|queue| queue.row_minutes > 0)
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

    /// Those whose names were changed by this import, now or in the past.
    pub(crate) fn renamed(&self) -> &[u32] {
        &self.renamed
    }

    /// What each is called now, where that is not its identifier.
    pub(crate) fn current_names(&self) -> BTreeMap<u32, Option<String>> {
        let name = |subject: &Subject| subject.names.last().map(|(_, name)| name.clone());
        self.by_id.iter().map(|(id, (subject, _))| (*id, name(subject))).collect()
    }

    /// Notes what subjects were called from the first to the last fact that says so.
    pub(crate) fn called(&mut self, called: impl IntoIterator<Item = (u32, String, Timestamp, Timestamp)>) {
        let mut by_id: BTreeMap<u32, Vec<Called>> = BTreeMap::new();
        for (id, name, first, last) in called {
            by_id.entry(id).or_default().push((first, last, name));
        }
        for (id, called) in by_id {
            if let Some((subject, is_changed)) = self.by_id.get_mut(&id) {
                let names = renamed(&subject.names, &subject.external, subject.last, called);
                if names != subject.names {
                    *is_changed = true;
                    subject.names = names;
                    self.renamed.push(id);
                }
            }
        }
    }

    /// Notes facts of a subject, sorted by start.
    pub(crate) fn saw_all<F: Derives>(&mut self, id: u32, facts: &[F]) {
        if let Some((first, last)) = facts.first().zip(facts.last()) {
            let longest = facts.iter().map(Derives::length).max().unwrap_or(Millis::ZERO);
            self.saw(id, first.start(), longest);
            self.saw(id, last.start(), longest);
        }
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

/// The first and the last fact that says so, and the name.
type Called = (Timestamp, Timestamp, String);

/// The history of names after facts have said what a subject was called in their time, which they replace there. The name at the
/// end is that of the latest fact (of which `last` was known before), whenever it was read.
fn renamed(
    held: &[(Timestamp, String)],
    external: &str,
    last: Timestamp,
    mut called: Vec<Called>,
) -> Vec<(Timestamp, String)> {
    called.sort();
    let Some(from) = called.first().map(|called| called.0) else { return held.to_vec() };
    let to = called.iter().map(|called| called.1).max().unwrap_or(from);
    let mut names: Vec<(Timestamp, String)> = held.iter().filter(|held| held.0 < from).cloned().collect();
    names.extend(called.into_iter().map(|(first, _, name)| (first, name)));
    let then = held.iter().rfind(|held| held.0 <= to).map(|held| &held.1);
    if let Some(then) = then
        && last > to
    {
        names.push((to.after(Millis::new(1)), then.clone()));
    }
    names.extend(held.iter().filter(|held| held.0 > to).cloned());
    let mut joined: Vec<(Timestamp, String)> = Vec::with_capacity(names.len());
    for (at, name) in names {
        match joined.last_mut() {
            Some(before) if before.1 == name => {}
            Some(before) if before.0 == at => before.1 = name,
            _ => joined.push((at, name)),
        }
    }
    if let [(_, only)] = &joined[..]
        && only == external
    {
        mem::take(&mut joined);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn names(names: &[(i64, &str)]) -> Vec<(Timestamp, String)> {
        names.iter().map(|(secs, name)| (at(*secs), (*name).to_owned())).collect()
    }

    fn after(held: &[(i64, &str)], last: i64, called: &[(i64, i64, &str)]) -> Vec<(Timestamp, String)> {
        let called = called.iter().map(|(first, last, name)| (at(*first), at(*last), (*name).to_owned())).collect();
        renamed(&names(held), "7", at(last), called)
    }

    #[test]
    fn the_name_is_that_of_the_latest_fact_not_of_the_latest_import() {
        assert_eq!(after(&[], 0, &[(10, 20, "Hotline")]), names(&[(10, "Hotline")]));
        // Newer facts with a new name, then older ones with the old name, as back-filling reads them.
        let new = after(&[(10, "Hotline")], 20, &[(30, 40, "Sales")]);
        assert_eq!(new, names(&[(10, "Hotline"), (30, "Sales")]));
        assert_eq!(after(&[(30, "Sales")], 40, &[(10, 20, "Hotline")]), names(&[(10, "Hotline"), (30, "Sales")]));
        // Read again, nothing changes.
        let both = [(10, "Hotline"), (30, "Sales")];
        assert_eq!(after(&both, 40, &[(10, 20, "Hotline")]), names(&both));
        assert_eq!(after(&both, 40, &[(10, 20, "Hotline"), (30, 40, "Sales")]), names(&both));
    }

    #[test]
    fn facts_in_the_middle_change_the_name_in_their_time_only() {
        let middle = after(&[(10, "Hotline")], 90, &[(40, 50, "Sales")]);
        assert_eq!(middle[..2], names(&[(10, "Hotline"), (40, "Sales")]));
        assert_eq!((middle[2].1.as_str(), middle[2].0 > at(50)), ("Hotline", true));
        // Names that take turns, in any order of the rows.
        let turns = [(10, 15, "A"), (16, 20, "B"), (21, 25, "A")];
        let mut backwards = turns;
        backwards.reverse();
        assert_eq!(after(&[], 0, &turns), names(&[(10, "A"), (16, "B"), (21, "A")]));
        assert_eq!(after(&[], 0, &backwards), after(&[], 0, &turns));
    }

    #[test]
    fn a_name_that_is_the_identifier_needs_no_history() {
        assert_eq!(after(&[], 0, &[(10, 20, "7")]), names(&[]));
        assert_eq!(after(&[(10, "Hotline")], 20, &[(30, 40, "7")]), names(&[(10, "Hotline"), (30, "7")]));
    }
}
