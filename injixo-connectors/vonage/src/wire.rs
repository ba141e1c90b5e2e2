//! The shapes of the Insights Stats API.

use injixo_core::model::{Millis, Timestamp};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// One page. Its rows are read one by one, so that one that is odd does not spoil the others.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    pub(crate) items: Vec<Value>,
    pub(crate) meta: Meta,
    #[serde(default, rename = "upTo", deserialize_with = "maybe_instant")]
    pub(crate) up_to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    #[serde(default)]
    pub(crate) page_count: u64,
    #[serde(default)]
    pub(crate) total_count: u64,
}

/// A time that an interaction was in a queue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueTime {
    #[serde(deserialize_with = "instant")]
    pub(crate) start: Timestamp,
    pub(crate) interaction_guid: String,
    pub(crate) medium: String,
    #[serde(default)]
    pub(crate) interaction_plan: Option<String>,
    pub(crate) queue: String,
    #[serde(default)]
    pub(crate) presented_skills: Vec<String>,
    /// None while it waits.
    #[serde(default)]
    pub(crate) category: Option<String>,
    #[serde(default, deserialize_with = "maybe_length")]
    pub(crate) duration: Option<Millis>,
    #[serde(default)]
    pub(crate) targets: Option<Targets>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Targets {
    #[serde(default, deserialize_with = "maybe_length")]
    pub(crate) target_time_to_answer: Option<Millis>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Interaction {
    pub(crate) guid: String,
    #[serde(deserialize_with = "instant")]
    pub(crate) start: Timestamp,
    #[serde(default)]
    pub(crate) service_name: Option<String>,
    #[serde(default)]
    pub(crate) interaction_plan_mapping: Option<PlanMapping>,
    #[serde(default)]
    pub(crate) channels: Vec<Channel>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanMapping {
    #[serde(default)]
    pub(crate) reporting_group: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Channel {
    #[serde(default, deserialize_with = "length")]
    pub(crate) offset: Millis,
    #[serde(default)]
    pub(crate) party: Option<Party>,
    #[serde(default)]
    pub(crate) events: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Party {
    #[serde(default)]
    pub(crate) role: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "length")]
    pub(crate) offset: Millis,
    #[serde(default, deserialize_with = "maybe_length")]
    pub(crate) duration: Option<Millis>,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// A state of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentState {
    pub(crate) agent_id: String,
    #[serde(deserialize_with = "instant")]
    pub(crate) start: Timestamp,
    #[serde(default, deserialize_with = "maybe_length")]
    pub(crate) duration: Option<Millis>,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

impl AgentState {
    /// What the state is called: with its description where that says more.
    pub(crate) fn status(&self) -> String {
        status(&self.state, self.description.as_deref())
    }
}

/// What an agent does now.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentNow {
    pub(crate) agent_id: String,
    #[serde(default)]
    pub(crate) presence: Option<Presence>,
    #[serde(default)]
    pub(crate) interaction: Vec<Work>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Presence {
    #[serde(deserialize_with = "instant")]
    pub(crate) since: Timestamp,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Work {
    #[serde(deserialize_with = "instant")]
    pub(crate) since: Timestamp,
}

pub(crate) fn status(state: &str, description: Option<&str>) -> String {
    match description {
        Some(description) if !description.is_empty() && description != state => format!("{state}: {description}"),
        _ => state.to_owned(),
    }
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| de::Error::custom("not an instant"))
}

fn maybe_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(|_| de::Error::custom("not an instant"))).transpose()
}

fn maybe_length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.map(Millis::new))
}

fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
    Ok(maybe_length(deserializer)?.unwrap_or_default())
}
