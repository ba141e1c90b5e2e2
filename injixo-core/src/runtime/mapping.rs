//! Whom an external agent stands for, and what an external status means. Applied when reading: a later mapping shows in history at
//! once. Imports never touch it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use injixo_model::{Timestamp, Window};
use serde::{Deserialize, Serialize};

use super::{Runtime, query};
use crate::error::{Error, ErrorKind, Result};
use crate::import;
use crate::store::{MappedKind, MappingRecord, SubjectKind};

/// The number of an activity in the workforce management.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Activity(pub u64);

impl Activity {
    /// What every status counts as until somebody maps it.
    pub const PRESENT: Self = Self(1);
}

/// The number of a person in the workforce management.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub u64);

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doing {
    /// An activity.
    Activity(Activity),
    /// Nothing that anybody knows of: no external agent stands for this person.
    Offline,
}

/// A part of the time of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonStretch {
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends; `None` while that is not known.
    pub to: Option<Timestamp>,
    /// What the person does.
    pub doing: Doing,
}

/// An external agent or status that nobody has mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// The external identifier.
    pub external: String,
    /// The start of the last fact that names it.
    pub last_seen: Timestamp,
}

/// The mapping of one integration.
#[derive(Debug, Clone)]
pub struct Mapping {
    runtime: Runtime,
    integration: String,
}

/// A mapping as it is exported: which external agents stand for which persons, which statuses for which activities.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    agents: BTreeMap<String, PersonId>,
    statuses: BTreeMap<String, Activity>,
}

const CSV_HEADER: [&str; 3] = ["kind", "external", "id"];

impl Runtime {
    /// The mapping of an integration.
    pub fn mapping(&self, integration: &str) -> Mapping {
        Mapping { runtime: self.clone(), integration: integration.to_owned() }
    }
}

impl Mapping {
    /// An external agent stands for a person.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports. So for every method here.
    pub async fn person(&self, agent: &str, person: PersonId) -> Result<()> {
        self.put(vec![record(MappedKind::Agent, agent, person.0)]).await
    }

    /// An external status stands for an activity.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn activity(&self, status: &str, activity: Activity) -> Result<()> {
        self.put(vec![record(MappedKind::Status, status, activity.0)]).await
    }

    /// An external agent stands for nobody any more.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn remove_person(&self, agent: &str) -> Result<()> {
        self.remove(MappedKind::Agent, agent).await
    }

    /// An external status counts as present again.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn remove_activity(&self, status: &str) -> Result<()> {
        self.remove(MappedKind::Status, status).await
    }

    /// The external agents that stand for nobody, the one seen last first.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn unmapped_agents(&self) -> Result<Vec<Unmapped>> {
        self.unmapped(SubjectKind::Agent, MappedKind::Agent).await
    }

    /// The external statuses that count as present because nobody has mapped them, the one seen last first.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn unmapped_statuses(&self) -> Result<Vec<Unmapped>> {
        self.unmapped(SubjectKind::Status, MappedKind::Status).await
    }

    /// What a person does within `window`, cut at its edges; stretches that touch differ. Of several agents who stand for the
    /// person, the one first by name counts where their times overlap.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn timeline(&self, person: PersonId, window: Window) -> Result<Vec<PersonStretch>> {
        let mut transaction = self.runtime.store.read().await?;
        let integration = query::integration(&mut *transaction, &self.integration).await?.id;
        let mapped = transaction.mappings(integration).await?;
        let agents: BTreeSet<&str> = mapped
            .iter()
            .filter(|mapping| mapping.kind == MappedKind::Agent && mapping.target == person.0)
            .map(|mapping| mapping.external.as_str())
            .collect();
        if agents.is_empty() {
            let (from, to) = (window.from(), Some(window.to()));
            return Ok(vec![PersonStretch { from, to, doing: Doing::Offline }]);
        }
        let activities: HashMap<&str, Activity> = mapped
            .iter()
            .filter(|mapping| mapping.kind == MappedKind::Status)
            .map(|mapping| (mapping.external.as_str(), Activity(mapping.target)))
            .collect();
        let statuses = transaction.subjects(integration, SubjectKind::Status).await?;
        let of_status: HashMap<u32, Activity> = statuses
            .iter()
            .map(|status| {
                let activity = activities.get(status.external.as_str()).copied();
                (status.id, activity.unwrap_or(Activity::PRESENT))
            })
            .collect();
        let mut known = transaction.subjects(integration, SubjectKind::Agent).await?;
        known.retain(|agent| agents.contains(agent.external.as_str()));
        known.sort_by(|a, b| a.external.cmp(&b.external));
        let mut stretches: Vec<PersonStretch> = Vec::new();
        for agent in known {
            let pieces = import::timeline_within(&mut *transaction, &agent, window.from(), window.to()).await?;
            let mut taken = stretches.clone();
            taken.sort_by_key(|stretch| stretch.from);
            for piece in pieces {
                let doing = Doing::Activity(of_status.get(&piece.status).copied().unwrap_or(Activity::PRESENT));
                let mut from = piece.start;
                let end = piece.end.unwrap_or(window.to());
                for held in &taken {
                    let held_end = held.to.unwrap_or(window.to());
                    if held_end <= from || held.from >= end {
                        continue;
                    }
                    if from < held.from {
                        stretches.push(PersonStretch { from, to: Some(held.from), doing });
                    }
                    from = held_end;
                }
                if from < end {
                    stretches.push(PersonStretch { from, to: piece.end, doing });
                }
            }
        }
        stretches.sort_by_key(|stretch| stretch.from);
        let mut joined: Vec<PersonStretch> = Vec::new();
        for stretch in stretches {
            match joined.last_mut() {
                Some(last) if last.doing == stretch.doing && last.to == Some(stretch.from) => last.to = stretch.to,
                _ => joined.push(stretch),
            }
        }
        Ok(joined)
    }

    /// The whole mapping as JSON.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn export_json(&self) -> Result<String> {
        let mut exported = Exported::default();
        for mapping in self.all().await? {
            match mapping.kind {
                MappedKind::Agent => drop(exported.agents.insert(mapping.external, PersonId(mapping.target))),
                MappedKind::Status => drop(exported.statuses.insert(mapping.external, Activity(mapping.target))),
            }
        }
        let unexpected = |error| Error::new(ErrorKind::Unexpected, "the mapping cannot be written").caused_by(error);
        serde_json::to_string_pretty(&exported).map_err(unexpected)
    }

    /// Adds what [`export_json`](Self::export_json) wrote; all of it or, with a mistake in it, nothing.
    ///
    /// # Errors
    ///
    /// `DataInvalid` with line and column of the mistake; otherwise as for [`person`](Self::person).
    pub async fn import_json(&self, json: &str) -> Result<()> {
        let exported: Exported = serde_json::from_str(json)
            .map_err(|error| Error::new(ErrorKind::DataInvalid, format!("not a mapping: {error}")))?;
        let agents = exported.agents.iter().map(|(agent, person)| record(MappedKind::Agent, agent, person.0));
        let statuses =
            exported.statuses.iter().map(|(status, activity)| record(MappedKind::Status, status, activity.0));
        self.put(agents.chain(statuses).collect()).await
    }

    /// The whole mapping as CSV with the columns `kind` (`agent` or `status`), `external` and `id`.
    ///
    /// # Errors
    ///
    /// As for [`person`](Self::person).
    pub async fn export_csv(&self) -> Result<String> {
        let mut lines = vec![CSV_HEADER.join(",")];
        for mapping in self.all().await? {
            let kind = if mapping.kind == MappedKind::Agent { "agent" } else { "status" };
            lines.push(format!("{kind},{},{}", quoted(&mapping.external), mapping.target));
        }
        lines.push(String::new());
        Ok(lines.join("\r\n"))
    }

    /// Adds what [`export_csv`](Self::export_csv) wrote; all of it or, with a mistake in it, nothing.
    ///
    /// # Errors
    ///
    /// `DataInvalid` with the record at fault; otherwise as for [`person`](Self::person).
    pub async fn import_csv(&self, csv: &str) -> Result<()> {
        let wrong = |number: usize, what: &str| {
            Err(Error::new(ErrorKind::DataInvalid, format!("mapping, record {number}: {what}")))
        };
        let mut records = records(csv).into_iter().enumerate().map(|(index, fields)| (index + 1, fields));
        if records.next().is_none_or(|(_, fields)| fields != CSV_HEADER) {
            return wrong(1, "expected the columns kind,external,id");
        }
        let mut mappings = Vec::new();
        for (number, fields) in records {
            let [kind, external, id] = fields.as_slice() else {
                return wrong(number, "expected three fields: kind, external, id");
            };
            let kind = match kind.as_str() {
                "agent" => MappedKind::Agent,
                "status" => MappedKind::Status,
                _ => return wrong(number, "expected agent or status as the kind"),
            };
            let Ok(id) = id.parse() else { return wrong(number, "expected a whole number as the id") };
            mappings.push(record(kind, external, id));
        }
        self.put(mappings).await
    }

    async fn all(&self) -> Result<Vec<MappingRecord>> {
        let mut transaction = self.runtime.store.read().await?;
        let integration = query::integration(&mut *transaction, &self.integration).await?.id;
        transaction.mappings(integration).await
    }

    async fn put(&self, mappings: Vec<MappingRecord>) -> Result<()> {
        let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
        if let Some(mapping) = mappings.iter().find(|mapping| mapping.target > most) {
            let message = format!("the number {} is too large for a person or activity", mapping.target);
            return Err(Error::new(ErrorKind::DataInvalid, message).with("external", &mapping.external));
        }
        let mut transaction = self.runtime.store.write().await?;
        let integration = query::integration(&mut *transaction, &self.integration).await?.id;
        transaction.put_mappings(integration, &mappings).await?;
        transaction.commit().await
    }

    async fn remove(&self, kind: MappedKind, external: &str) -> Result<()> {
        let mut transaction = self.runtime.store.write().await?;
        let integration = query::integration(&mut *transaction, &self.integration).await?.id;
        transaction.remove_mapping(integration, kind, external).await?;
        transaction.commit().await
    }

    async fn unmapped(&self, kind: SubjectKind, mapped: MappedKind) -> Result<Vec<Unmapped>> {
        let mut transaction = self.runtime.store.read().await?;
        let integration = query::integration(&mut *transaction, &self.integration).await?.id;
        let mappings = transaction.mappings(integration).await?;
        let of_kind = mappings.iter().filter(|mapping| mapping.kind == mapped);
        let known: BTreeSet<&str> = of_kind.map(|mapping| mapping.external.as_str()).collect();
        let subjects = transaction.subjects(integration, kind).await?.into_iter();
        let mut unmapped: Vec<Unmapped> = subjects
            .filter(|subject| !known.contains(subject.external.as_str()))
            .map(|subject| Unmapped { external: subject.external, last_seen: subject.last })
            .collect();
        unmapped.sort_by(|a, b| (b.last_seen, &a.external).cmp(&(a.last_seen, &b.external)));
        Ok(unmapped)
    }
}

fn record(kind: MappedKind, external: &str, target: u64) -> MappingRecord {
    MappingRecord { kind, external: external.to_owned(), target }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The records of a small CSV text: commas, quotes doubled within quotes, line ends of either kind; empty lines are no records.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut rest = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if is_quoted && rest.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if is_quoted => is_quoted = false,
            '"' if field.is_empty() => (is_quoted, was_quoted) = (true, true),
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            '\r' | '\n' if !is_quoted => {
                if !(fields.is_empty() && field.is_empty() && !was_quoted) {
                    fields.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut fields));
                }
                was_quoted = false;
            }
            c => field.push(c),
        }
    }
    if !(fields.is_empty() && field.is_empty()) {
        fields.push(field);
        records.push(fields);
    }
    records
}
