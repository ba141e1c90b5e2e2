//! The shapes of the platform API. What is absent is empty.

use injixo_core::model::{Timestamp, Window};
use serde::{Deserialize, Deserializer, de};

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub(super) struct Listing<T> {
    #[serde(default = "Vec::new")]
    pub(super) entities: Vec<T>,
    #[serde(default)]
    pub(super) page_count: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Queue {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) email: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) presence: Option<PresenceNow>,
    #[serde(default)]
    pub(super) routing_status: Option<RoutingNow>,
}

/// The presence of a user as the directory and notifications have it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PresenceNow {
    #[serde(default)]
    pub(super) presence_definition: Option<DefinitionRef>,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) modified_date: Option<Timestamp>,
    /// In the bulk list only.
    #[serde(default)]
    pub(super) user_id: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DefinitionRef {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) system_presence: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoutingNow {
    #[serde(default)]
    pub(super) status: String,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) start_time: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Definition {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) language_labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub(super) system_presence: String,
}

/// Sums by queue and medium.
#[derive(Debug, Deserialize)]
pub(super) struct Aggregates {
    #[serde(default)]
    pub(super) results: Vec<Group>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Group {
    #[serde(default)]
    pub(super) group: Key,
    #[serde(default)]
    pub(super) data: Vec<Bucket>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    #[serde(default)]
    pub(super) queue_id: String,
    #[serde(default)]
    pub(super) media_type: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bucket {
    #[serde(deserialize_with = "interval")]
    pub(super) interval: Window,
    #[serde(default)]
    pub(super) metrics: Vec<Metric>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) metric: String,
    #[serde(default)]
    pub(super) stats: Stats,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Stats {
    #[serde(default)]
    pub(super) count: Option<f64>,
    #[serde(default)]
    pub(super) sum: Option<f64>,
    #[serde(default)]
    pub(super) numerator: Option<f64>,
}

/// Conversations as jobs give them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Conversations {
    #[serde(default)]
    pub(super) conversations: Vec<Conversation>,
    /// Where the next page begins.
    #[serde(default)]
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conversation {
    pub(super) conversation_id: String,
    #[serde(default)]
    pub(super) originating_direction: String,
    #[serde(default)]
    pub(super) participants: Vec<Participant>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Participant {
    #[serde(default)]
    pub(super) sessions: Vec<Session>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    #[serde(default)]
    pub(super) media_type: String,
    #[serde(default)]
    pub(super) metrics: Vec<Event>,
    #[serde(default)]
    pub(super) segments: Vec<Segment>,
}

/// What a session was measured at an instant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: f64,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) emit_date: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Segment {
    #[serde(default)]
    pub(super) queue_id: Option<String>,
}

/// Presences and routing statuses of users.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    #[serde(default)]
    pub(super) user_details: Vec<UserDetails>,
    /// Of jobs: where the next page begins.
    #[serde(default)]
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserDetails {
    pub(super) user_id: String,
    #[serde(default)]
    pub(super) primary_presence: Vec<Presence>,
    #[serde(default)]
    pub(super) routing_status: Vec<Routing>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Presence {
    #[serde(deserialize_with = "instant")]
    pub(super) start_time: Timestamp,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) end_time: Option<Timestamp>,
    #[serde(default)]
    pub(super) system_presence: String,
    #[serde(default)]
    pub(super) organization_presence_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Routing {
    #[serde(deserialize_with = "instant")]
    pub(super) start_time: Timestamp,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) end_time: Option<Timestamp>,
    #[serde(default)]
    pub(super) routing_status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    #[serde(default)]
    pub(super) job_id: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) error_message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Availability {
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) data_availability_date: Option<Timestamp>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotificationChannel {
    pub(super) connect_uri: String,
    pub(super) id: String,
}

impl std::fmt::Debug for NotificationChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever knows the address or the id can listen.
        f.write_str("NotificationChannel")
    }
}

/// A topic that a channel was to be subscribed to.
#[derive(Debug, Deserialize)]
pub(super) struct Subscription {
    #[serde(default)]
    pub(super) state: String,
}

/// What comes over a notification channel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification {
    #[serde(default)]
    pub(super) topic_name: String,
    #[serde(default)]
    pub(super) event_body: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Activity {
    #[serde(default)]
    pub(super) routing_status: Option<RoutingNow>,
    #[serde(default)]
    pub(super) presence: Option<PresenceNow>,
}

/// How presences are written differs by endpoint: `ON_QUEUE`, `OnQueue`, `On Queue`.
pub(super) fn normal(presence: &str) -> String {
    presence.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect()
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| de::Error::custom("not an instant"))
}

fn maybe_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.filter(|text| !text.is_empty())
        .map(|text| text.parse().map_err(|_| de::Error::custom("not an instant")))
        .transpose()
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Window, D::Error> {
    let text = String::deserialize(deserializer)?;
    let instant = |text: &str| text.parse::<Timestamp>().ok();
    let both = text.split_once('/').and_then(|(from, to)| Some((instant(from)?, instant(to)?)));
    let window = both.and_then(|(from, to)| Window::new(from, to).ok());
    window.ok_or_else(|| de::Error::custom("not an interval"))
}
