//! What agents do now: everyone from the directory, then each change over [notification channels](super::channels).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{AgentNow, Context, LiveSource, LiveWriter};
use injixo_core::model::{Millis, Timestamp};

use super::channels::{Channels, Lines, user_of};
use super::client::Client;
use super::config::GenesysCloudConfig;
use super::directory::{Directory, Presences, name_of};
use super::statuses::detail;
use super::wire::{Activity, Notification, PresenceNow, RoutingNow, User, normal};

#[derive(Debug)]
pub(super) struct Live {
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) channels: Channels,
    pub(super) config: Arc<GenesysCloudConfig>,
}

/// How often it is looked whether there are other users, and everyone is asked for anew.
const ANEW: Millis = Millis::from_mins(30);

/// The same where the system does not tell of every user.
const ANEW_WHERE_REFUSED: Millis = Millis::from_mins(1);

/// What is known of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    agent: String,
    definition: String,
    system: String,
    since: Option<Timestamp>,
    routing: String,
    routed_since: Option<Timestamp>,
}

impl Known {
    /// Takes what is not older than what is known; returns whether something is new.
    fn take(&mut self, presence: Option<&PresenceNow>, routing: Option<&RoutingNow>) -> bool {
        let before = self.clone();
        if let Some(presence) = presence
            && let Some(definition) = &presence.presence_definition
            && presence.modified_date >= self.since
        {
            self.definition.clone_from(&definition.id);
            self.system.clone_from(&definition.system_presence);
            self.since = presence.modified_date;
        }
        if let Some(routing) = routing
            && routing.start_time >= self.routed_since
        {
            self.routing.clone_from(&routing.status);
            self.routed_since = routing.start_time;
        }
        *self != before
    }

    fn told(&self, names: &Presences, is_detailed: bool, now: Timestamp) -> AgentNow {
        let mut since = self.since.unwrap_or(now);
        let mut status = (!self.system.is_empty() || !self.definition.is_empty())
            .then(|| names.label(&self.definition, &self.system));
        if let (true, "ONQUEUE", Some(detail), Some(plain)) =
            (is_detailed, normal(&self.system).as_str(), detail(&self.routing), &status)
        {
            status = Some(format!("{plain} - {detail}"));
            since = since.max(self.routed_since.unwrap_or(since));
        }
        AgentNow { agent: self.agent.clone(), status, since }
    }
}

#[async_trait]
impl LiveSource for Live {
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()> {
        let mut lines = Lines::default();
        // What everyone does is told at once. Who is found is followed; then they are asked for again, so that nothing falls between
        // what everyone did and the first change.
        let mut known = self.everyone(cx, out).await?;
        loop {
            let followed: Vec<String> = known.keys().cloned().collect();
            lines.follow(cx, &self.client, &mut *self.channels.lock().await, &followed).await?;
            known = self.everyone(cx, out).await?;
            if known.keys().eq(&followed) {
                self.listen(cx, &mut lines, &mut known, out).await?;
            }
        }
    }
}

impl Live {
    /// Tells changes until everyone must be asked for anew.
    async fn listen(
        &self,
        cx: &Context,
        lines: &mut Lines,
        known: &mut BTreeMap<String, Known>,
        out: &mut LiveWriter,
    ) -> Result<()> {
        let names = self.directory.presences(&self.client, cx).await?;
        let anew = cx.now().after(if lines.are_refused { ANEW_WHERE_REFUSED } else { ANEW });
        let silent = Millis::from_secs(i64::from(self.config.silent_secs));
        while let Some(text) = lines.next(cx, anew, silent).await? {
            let Ok(notification) = serde_json::from_str::<Notification>(&text) else { continue };
            let Some(id) = user_of(&notification.topic_name) else { continue };
            let Ok(activity) = serde_json::from_value::<Activity>(notification.event_body) else { continue };
            let Some(user) = known.get_mut(id) else { continue };
            if user.take(activity.presence.as_ref(), activity.routing_status.as_ref()) {
                let told = user.told(&names, self.config.on_queue_detail, cx.now());
                out.change(&told.agent, told.status.as_deref(), told.since).await?;
            }
        }
        Ok(())
    }

    /// Asks for everyone and tells it.
    async fn everyone(&self, cx: &Context, out: &mut LiveWriter) -> Result<BTreeMap<String, Known>> {
        let asked = cx.now();
        let users: Vec<User> =
            self.client.list(cx, "/api/v2/users", &[("state", "active"), ("expand", "presence,routingStatus")]).await?;
        // What is expanded may be missing.
        let without = users.iter().filter(|user| user.presence.is_none()).map(|user| user.id.clone());
        let without: Vec<String> = without.collect();
        let more: Vec<PresenceNow> =
            if without.is_empty() { Vec::new() } else { self.client.presences(cx, &without).await? };
        let more: HashMap<&str, &PresenceNow> =
            more.iter().map(|presence| (presence.user_id.as_str(), presence)).collect();
        let names = self.directory.presences(&self.client, cx).await?;
        let mut known = BTreeMap::new();
        for user in users.iter().filter(|user| user.state != "deleted") {
            let agent = name_of(user, self.config.agent).unwrap_or_else(|| user.id.clone());
            let mut held = Known { agent, ..Known::default() };
            let presence = user.presence.as_ref().or_else(|| more.get(user.id.as_str()).copied());
            let mut routing = user.routing_status.clone();
            if self.config.on_queue_detail && routing.is_none() {
                routing = self.client.routing_status(cx, &user.id).await?;
            }
            held.take(presence, routing.as_ref());
            known.insert(user.id.clone(), held);
        }
        let told = known.values().map(|user| user.told(&names, self.config.on_queue_detail, asked)).collect();
        out.snapshot(asked, told).await?;
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(system: &str, since: &str, routing: &str, routed: &str) -> Activity {
        serde_json::from_str(&format!(
            r#"{{"id":"u-1","routingStatus":{{"status":"{routing}","startTime":"2024-03-01T{routed}Z"}},
                "presence":{{"presenceDefinition":{{"id":"","systemPresence":"{system}"}},"modifiedDate":"2024-03-01T{since}Z"}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn older_words_do_not_count_and_repeated_ones_are_no_news() {
        let mut known = Known { agent: "amy".to_owned(), ..Known::default() };
        let mut take = |activity: Activity| {
            let is_new = known.take(activity.presence.as_ref(), activity.routing_status.as_ref());
            let told = known.told(&Presences::default(), true, Timestamp::MIN);
            (is_new, told.status.unwrap(), told.since.to_string())
        };
        let told =
            |is_new: bool, status: &str, since: &str| (is_new, status.to_owned(), format!("2024-03-01T{since}Z"));
        assert_eq!(
            take(activity("ON_QUEUE", "07:58:00", "IDLE", "08:06:30")),
            told(true, "On Queue - Idle", "08:06:30")
        );
        assert_eq!(
            take(activity("ON_QUEUE", "07:58:00", "IDLE", "08:06:30")),
            told(false, "On Queue - Idle", "08:06:30")
        );
        assert_eq!(
            take(activity("AVAILABLE", "07:00:00", "INTERACTING", "08:01:00")),
            told(false, "On Queue - Idle", "08:06:30")
        );
        assert_eq!(take(activity("MEAL", "10:00:00", "OFF_QUEUE", "10:00:00")), told(true, "Meal", "10:00:00"));
    }
}
