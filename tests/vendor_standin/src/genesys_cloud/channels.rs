//! `/api/v2/notifications/channels`: channels and what they are subscribed to.
//!
//! A client has so many channels; one more evicts that which was used longest ago, unconnected ones first. A channel lives for a
//! day; subscribing prolongs it.

use std::collections::BTreeMap;

use super::agents;
use super::body::{self, TOPIC};
use super::refusal::Refusal;
use super::shape::Object;
use super::{Service, lock};
use crate::json;
use crate::ledger::AgentIx;
use crate::serve::{Answer, Request};
use crate::time::Ms;

#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) token: String,
    pub(super) expires: Ms,
    used: u64,
    pub(super) topics: Vec<String>,
    /// The number of the connection, if there is one.
    pub(super) connection: Option<u64>,
}

/// All channels, by id.
#[derive(Debug, Default)]
pub(super) struct Channels {
    given: u64,
    uses: u64,
    pub(super) all: BTreeMap<String, Channel>,
}

impl Channels {
    /// A number that no other use has.
    pub(super) fn use_of(&mut self, id: &str) -> u64 {
        self.uses += 1;
        if let Some(channel) = self.all.get_mut(id) {
            channel.used = self.uses;
        }
        self.uses
    }
}

/// What is told about an agent under a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Activity,
    Presence,
    RoutingStatus,
}

/// The user and the kind of a topic.
pub(super) fn parsed(topic: &str) -> Option<(&str, About)> {
    let (user, kind) = topic.strip_prefix("v2.users.")?.split_once('.')?;
    let kind = match kind {
        "activity" => About::Activity,
        "presence" => About::Presence,
        "routingStatus" => About::RoutingStatus,
        _ => return None,
    };
    Some((user, kind))
}

/// How topics are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Replace,
    Add,
    Remove,
}

impl Service {
    pub(super) fn notifications(&self, request: &Request, token: &str, rest: &[&str]) -> Result<Answer, Refusal> {
        let ignores = request.query.get("ignoreErrors").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        match (request.method.as_str(), rest) {
            ("POST", []) => self.create_channel(request, token),
            ("GET", []) => Ok(self.list_channels(request)),
            ("GET", [id, "subscriptions"]) => {
                let channel = self.channel(id, request.at)?;
                Ok(topics_json(channel.topics.iter().map(|topic| (topic.as_str(), None))))
            }
            (method @ ("PUT" | "POST"), [id, "subscriptions"]) => {
                let topics = body::read_list(&request.body, TOPIC)?;
                let topics: Vec<String> =
                    topics.iter().filter_map(|topic| topic["id"].as_str()).map(str::to_owned).collect();
                let set = if method == "PUT" { Set::Replace } else { Set::Add };
                let rejected = self.subscribe(id, &topics, set, ignores, request.at)?;
                let reasons = topics.iter().map(|topic| (topic.as_str(), rejected.get(topic).map(String::as_str)));
                Ok(topics_json(reasons))
            }
            ("DELETE", [id, "subscriptions"]) => {
                self.subscribe(id, &[], Set::Replace, true, request.at)?;
                Ok(Answer::new(204, "application/json", ""))
            }
            (_, [] | [_, "subscriptions"]) => Err(super::wrong_method()),
            _ => Err(Refusal::not_found()),
        }
    }

    fn create_channel(&self, request: &Request, token: &str) -> Result<Answer, Refusal> {
        let mut channels = lock(&self.channels);
        channels.all.retain(|_, channel| request.at < channel.expires);
        if channels.all.len() >= self.settings.channels {
            self.world.log.violated("channels of a client");
            let oldest = channels.all.iter().min_by_key(|(_, channel)| (channel.connection.is_some(), channel.used));
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                channels.all.remove(&id);
            }
        }
        channels.given += 1;
        let id = format!("streaming-0-{:04}", channels.given);
        let expires = request.at + self.settings.channel_life;
        let channel = Channel { token: token.to_owned(), expires, used: 0, topics: Vec::new(), connection: None };
        channels.all.insert(id.clone(), channel);
        channels.use_of(&id);
        Ok(Answer::json(200, channel_json(&id, expires, request)))
    }

    fn list_channels(&self, request: &Request) -> Answer {
        let channels = lock(&self.channels);
        let live = channels.all.iter().filter(|(_, channel)| request.at < channel.expires);
        let all: Vec<String> = live.map(|(id, channel)| channel_json(id, channel.expires, request)).collect();
        Answer::json(200, Object::new().list("entities", all).done())
    }

    fn channel(&self, id: &str, now: Ms) -> Result<Channel, Refusal> {
        let channels = lock(&self.channels);
        channels.all.get(id).filter(|channel| now < channel.expires).cloned().ok_or_else(Refusal::not_found)
    }

    /// Sets the topics of a channel and prolongs its life; returns those that were rejected, with the reason.
    pub(super) fn subscribe(
        &self,
        id: &str,
        topics: &[String],
        set: Set,
        ignores: bool,
        now: Ms,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        self.channel(id, now)?;
        let mut rejected = BTreeMap::new();
        for topic in topics {
            if set != Set::Remove
                && let Err(reason) = self.pass_topic(topic)
            {
                rejected.insert(topic.clone(), reason);
            }
        }
        if let Some((topic, reason)) = rejected.iter().next().filter(|_| !ignores) {
            return Err(match parsed(topic) {
                Some(_) => Refusal { message: format!("{topic}: {reason}"), ..Refusal::denied(PERMISSION) },
                None => Refusal::bad(format!("{topic}: {reason}")),
            });
        }
        let mut channels = lock(&self.channels);
        let old = channels.all.get(id).ok_or_else(Refusal::not_found)?.topics.clone();
        let mut all = if set == Set::Replace { Vec::new() } else { old };
        if set == Set::Remove {
            all.retain(|topic| !topics.contains(topic));
        } else {
            all.extend(topics.iter().filter(|topic| !rejected.contains_key(*topic)).cloned());
            all.sort_unstable();
            all.dedup();
        }
        if all.len() > self.settings.topics {
            let message = format!("A channel cannot have more than {} topics.", self.settings.topics);
            let limit = Some(("topics of a channel", self.settings.topics));
            return Err(Refusal { limit, ..Refusal::bad(message) });
        }
        channels.use_of(id);
        if let Some(channel) = channels.all.get_mut(id) {
            (channel.topics, channel.expires) = (all, now + self.settings.channel_life);
        }
        Ok(rejected)
    }

    fn pass_topic(&self, topic: &str) -> Result<AgentIx, String> {
        let (user, _) = parsed(topic).ok_or("The topic is not known.")?;
        let agent = agents::agent_of(&self.world.ledger(), user).ok_or("The user is not known.")?;
        if self.settings.rejected_topics.contains(topic) || self.settings.denied.contains(PERMISSION) {
            return Err("The permission is missing.".to_owned());
        }
        Ok(agent)
    }
}

/// What a client needs to hear of users.
const PERMISSION: &str = "directory:user:view";

fn channel_json(id: &str, expires: Ms, request: &Request) -> String {
    let address = format!("ws://{}/channels/{id}", request.header("host"));
    Object::new().text("connectUri", &address).text("id", id).date("expires", expires).done()
}

fn topics_json<'t>(topics: impl Iterator<Item = (&'t str, Option<&'t str>)>) -> Answer {
    let topics = topics.map(|(topic, rejected)| {
        let object = Object::new().text("id", topic);
        match rejected {
            None => object.text("state", "Permitted").done(),
            Some(reason) => object
                .text("state", "Rejected")
                .text("rejectionReason", reason)
                .list("missingPermissions", [json::text(PERMISSION)])
                .done(),
        }
    });
    Answer::json(200, Object::new().list("entities", topics).done())
}
