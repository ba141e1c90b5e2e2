//! What ids stand for: queues, users and presences. Kept for an hour.

use std::collections::HashMap;
use std::sync::Arc;

use injixo_core::Result;
use injixo_core::connector::Context;
use injixo_core::model::{Millis, Timestamp};
use tokio::sync::Mutex;

use super::client::Client;
use super::config::AgentField;
use super::wire::{Definition, Queue, User, normal};

/// Copies share what they know.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    queues: Kept<HashMap<String, String>>,
    users: Kept<HashMap<String, String>>,
    presences: Kept<Presences>,
}

type Kept<T> = Arc<Mutex<Option<(Timestamp, Arc<T>)>>>;

/// How long what is known is good for.
const GOOD_FOR: Millis = Millis::from_mins(60);

/// The same when something is not known.
const GOOD_FOR_UNKNOWN: Millis = Millis::from_mins(10);

/// What presences are called.
#[derive(Debug, Default)]
pub(super) struct Presences {
    labels: HashMap<String, String>,
}

impl Presences {
    /// The label of a definition; without one, that of the system's presence.
    pub(super) fn label(&self, id: &str, system: &str) -> String {
        self.labels.get(id).cloned().unwrap_or_else(|| spaced(system))
    }
}

/// `ON_QUEUE` and `OnQueue` as people write them: `On Queue`.
pub(super) fn spaced(system: &str) -> String {
    const NAMES: [&str; 10] =
        ["Available", "Away", "Busy", "Offline", "Idle", "On Queue", "Meal", "Training", "Meeting", "Break"];
    let wanted = normal(system);
    NAMES.iter().find(|name| normal(name) == wanted).map_or_else(|| system.to_owned(), |name| (*name).to_owned())
}

impl Directory {
    pub(super) async fn queues(&self, client: &Client, cx: &Context) -> Result<Arc<HashMap<String, String>>> {
        let mut kept = self.queues.lock().await;
        if let Some(known) = fresh(&kept, cx.now(), GOOD_FOR) {
            return Ok(known);
        }
        let queues: Vec<Queue> = client.list(cx, "/api/v2/routing/queues", &[]).await?;
        Ok(keep(&mut kept, cx.now(), queues.into_iter().map(|queue| (queue.id, queue.name)).collect()))
    }

    /// What agents are called by their ids, so that `wanted` are known if the system knows them.
    pub(super) async fn users<'w>(
        &self,
        client: &Client,
        cx: &Context,
        field: AgentField,
        wanted: impl Iterator<Item = &'w str> + Send,
    ) -> Result<Arc<HashMap<String, String>>> {
        let mut kept = self.users.lock().await;
        if let Some(known) = fresh(&kept, cx.now(), GOOD_FOR) {
            let mut wanted = wanted;
            let is_known = wanted.all(|id| known.contains_key(id));
            if is_known || fresh(&kept, cx.now(), GOOD_FOR_UNKNOWN).is_some() {
                return Ok(known);
            }
        }
        let mut users: HashMap<String, String> = HashMap::new();
        // History names those who have left, too.
        for state in ["active", "inactive", "deleted"] {
            for user in client.list::<User>(cx, "/api/v2/users", &[("state", state)]).await? {
                if let Some(name) = name_of(&user, field) {
                    users.entry(user.id).or_insert(name);
                }
            }
        }
        Ok(keep(&mut kept, cx.now(), users))
    }

    pub(super) async fn presences(&self, client: &Client, cx: &Context) -> Result<Arc<Presences>> {
        let mut kept = self.presences.lock().await;
        if let Some(known) = fresh(&kept, cx.now(), GOOD_FOR) {
            return Ok(known);
        }
        let mut labels = HashMap::new();
        // History names those that are not in use any more, too.
        for deactivated in ["false", "true"] {
            let query = [("deactivated", deactivated), ("localeCode", "ALL")];
            for definition in client.whole::<Definition>(cx, "/api/v2/presence/definitions", &query).await? {
                labels.entry(definition.id.clone()).or_insert_with(|| label_of(&definition));
            }
        }
        Ok(keep(&mut kept, cx.now(), Presences { labels }))
    }
}

/// What names the agent, where the user has it.
pub(super) fn name_of(user: &User, field: AgentField) -> Option<String> {
    let name = match field {
        AgentField::Username => &user.username,
        AgentField::Email => &user.email,
        AgentField::Name => &user.name,
    };
    (!name.is_empty()).then(|| name.clone())
}

fn label_of(definition: &Definition) -> String {
    let labels = &definition.language_labels;
    let english = ["en_US", "en"].iter().find_map(|locale| labels.get(*locale));
    let label = english.or_else(|| labels.values().next()).unwrap_or(&definition.name);
    if label.is_empty() { spaced(&definition.system_presence) } else { label.clone() }
}

fn fresh<T>(kept: &Option<(Timestamp, Arc<T>)>, now: Timestamp, good_for: Millis) -> Option<Arc<T>> {
    kept.as_ref().filter(|kept| now.since(kept.0) < good_for).map(|kept| Arc::clone(&kept.1))
}

fn keep<T>(kept: &mut Option<(Timestamp, Arc<T>)>, now: Timestamp, known: T) -> Arc<T> {
    let known = Arc::new(known);
    *kept = Some((now, Arc::clone(&known)));
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presences_are_spelt_in_many_ways() {
        for spelling in ["ON_QUEUE", "OnQueue", "On Queue", "on_queue"] {
            assert_eq!(spaced(spelling), "On Queue");
        }
        assert_eq!(spaced("SOMETHING_NEW"), "SOMETHING_NEW");
    }

    #[test]
    fn labels_are_english_where_there_are_any() {
        let of = |text: &str| label_of(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"id":"1","languageLabels":{"de":"Pause","en_US":"Short break"}}"#), "Short break");
        assert_eq!(of(r#"{"id":"1","languageLabels":{"de":"Pause"}}"#), "Pause");
        assert_eq!(of(r#"{"id":"1","name":"Lunch"}"#), "Lunch");
        assert_eq!(of(r#"{"id":"1","systemPresence":"OnQueue"}"#), "On Queue");
    }
}
