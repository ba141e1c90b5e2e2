//! What is told over a channel when agents' states change.

use std::collections::{BTreeMap, BTreeSet};

use super::Service;
use super::agents::{self, Line, Record};
use super::channels::{About, parsed};
use super::directory::definition_of;
use super::shape::Object;
use crate::ledger::AgentIx;
use crate::time::Ms;

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) topic: String,
    pub(super) text: String,
}

impl Service {
    /// What happened after `from` and up to `to`, as far as topics are about it, in the order in which it happened.
    pub(super) fn events(&self, topics: &[String], from: Ms, to: Ms) -> Vec<Event> {
        let ledger = self.world.ledger();
        let mut by_agent: BTreeMap<AgentIx, Vec<(&str, &str, About)>> = BTreeMap::new();
        for topic in topics {
            let Some((user, about)) = parsed(topic) else { continue };
            if let Some(agent) = agents::agent_of(&ledger, user) {
                by_agent.entry(agent).or_default().push((topic, user, about));
            }
        }
        let wanted: BTreeSet<AgentIx> = by_agent.keys().copied().collect();
        let lines = agents::lines(&ledger, &self.settings, to, Some(&wanted));
        let mut found: Vec<(Ms, Event)> = Vec::new();
        for (agent, line) in &lines {
            let new = |at: &Ms| *at > from && *at <= to;
            let presences: BTreeSet<Ms> = line.presences.iter().map(|record| record.start).filter(new).collect();
            let routing: BTreeSet<Ms> = line.routing.iter().map(|record| record.start).filter(new).collect();
            for at in presences.union(&routing) {
                for (topic, user, about) in &by_agent[agent] {
                    let texts = match about {
                        About::Activity => vec![self.activity(topic, user, line, *at)],
                        About::Presence if presences.contains(at) => self.presence(topic, line, *at),
                        About::RoutingStatus if routing.contains(at) => vec![routing_status(topic, user, line, *at)],
                        _ => Vec::new(),
                    };
                    found.extend(texts.into_iter().map(|text| (*at, Event { topic: (*topic).to_owned(), text })));
                }
            }
        }
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, event)| event).collect()
    }

    fn activity(&self, topic: &str, user: &str, line: &Line, at: Ms) -> String {
        let mut body = Object::new().text("id", user);
        if let Some(routing) = current(&line.routing, at) {
            body = body.raw("routingStatus", status(&routing));
        }
        if let Some(presence) = current(&line.presences, at) {
            let of = &self.settings.presences[presence.value];
            let presence = Object::new()
                .raw("presenceDefinition", definition_of(of, of.system))
                .text("presenceMessage", "")
                .date("modifiedDate", presence.start);
            body = body.raw("presence", presence.done());
        }
        let body = body.raw("outOfOffice", Object::new().raw("active", "false").done()).list("activeQueueIds", []);
        envelope(topic, &body.done(), "correlationId", at)
    }

    /// The presence of the agent, and one of another source that is not the primary one.
    fn presence(&self, topic: &str, line: &Line, at: Ms) -> Vec<String> {
        let Some(record) = current(&line.presences, at) else { return Vec::new() };
        let of = &self.settings.presences[record.value];
        let body = |source: &str, is_primary: bool, definition: String| {
            let body = Object::new()
                .text("source", source)
                .raw("primary", is_primary.to_string())
                .text("message", "")
                .date("modifiedDate", record.start)
                .raw("presenceDefinition", definition)
                .done();
            envelope(topic, &body, "CorrelationId", at)
        };
        let mut texts = vec![body("PURECLOUD", true, definition_of(of, of.system))];
        if self.settings.has_foreign_presences {
            let busy = &self.settings.presences[agents::system_presence(&self.settings, "BUSY")];
            texts.push(body("MICROSOFTTEAMS", false, definition_of(busy, busy.system)));
        }
        texts
    }
}

fn routing_status(topic: &str, user: &str, line: &Line, at: Ms) -> String {
    let body = Object::new().text("id", user);
    let body = match current(&line.routing, at) {
        Some(routing) => body.raw("routingStatus", status(&routing)),
        None => body,
    };
    envelope(topic, &body.done(), "correlationId", at)
}

fn status(of: &Record<&'static str>) -> String {
    Object::new().text("status", of.value).date("startTime", of.start).done()
}

fn current<T: Copy>(records: &[Record<T>], at: Ms) -> Option<Record<T>> {
    records.iter().rev().find(|record| record.start <= at).copied()
}

fn envelope(topic: &str, body: &str, correlation: &str, at: Ms) -> String {
    Object::new()
        .text("topicName", topic)
        .text("version", "2")
        .raw("eventBody", body)
        .raw("metadata", Object::new().text(correlation, &format!("e-{at:x}")).done())
        .done()
}
