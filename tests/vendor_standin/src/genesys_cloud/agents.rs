//! The states of agents as presences and routing statuses.
//!
//! | state of the ledger | presence | routing status |
//! | --- | --- | --- |
//! | ready | on queue | `IDLE` |
//! | ringing, on call, wrap | on queue | `INTERACTING`; `COMMUNICATING` for a contact that lies in no queue |
//! | not ready, for one of [`Settings::not_responding`] | on queue | `NOT_RESPONDING` |
//! | not ready, for a reason that is the label of a presence | that one | `OFF_QUEUE` |
//! | not ready, for no reason | available | `OFF_QUEUE` |
//! | not ready, for another reason | busy | `OFF_QUEUE` |
//! | logged out | offline | `OFF_QUEUE` |
//!
//! Sessions and holds lie beside these states and are not shown. Neighbours that are equal are one record. A record lasts until the
//! state ends, at most until the next one begins; what has not ended has no end.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{AgentField, Settings};
use crate::ledger::{Agent, AgentIx, AgentState, Ledger, State};
use crate::time::Ms;

/// A stretch of time in which an agent had a presence, by its place in the settings, or a routing status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<T> {
    pub(super) start: Ms,
    pub(super) end: Option<Ms>,
    pub(super) value: T,
}

impl<T> Record<T> {
    /// Whether it has a part in `from..to`.
    pub(super) fn touches(&self, from: Ms, to: Ms) -> bool {
        self.start < to && self.end.is_none_or(|end| end > from)
    }
}

/// What one agent did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) presences: Vec<Record<usize>>,
    pub(super) routing: Vec<Record<&'static str>>,
}

pub(super) fn user_id(agent: AgentIx) -> String {
    format!("u-{}", agent + 1)
}

/// The agent with an id.
pub(super) fn agent_of(ledger: &Ledger, id: &str) -> Option<AgentIx> {
    let number: usize = id.strip_prefix("u-")?.parse().ok()?;
    let agent = number.checked_sub(1).filter(|agent| *agent < ledger.agents.len())?;
    (user_id(agent) == id).then_some(agent)
}

pub(super) fn email(agent: &Agent) -> String {
    format!("{}@mail.example.test", agent.number)
}

/// What names an agent in the truth.
pub(super) fn agent_name(settings: &Settings, ledger: &Ledger, agent: AgentIx) -> String {
    let of = &ledger.agents[agent];
    match settings.agent_field {
        AgentField::Username => of.user.clone(),
        AgentField::Email => email(of),
        AgentField::Name => of.full_name(),
        AgentField::Id => user_id(agent),
    }
}

/// The place of the presence that stands for one of the system's.
pub(super) fn system_presence(settings: &Settings, system: &str) -> usize {
    settings.presences.iter().position(|presence| presence.system == system).unwrap_or(0)
}

/// `ON_QUEUE` without underlines, each word with a capital: with a blank between them, `On Queue`, or none.
pub(super) fn spelled(system: &str, between: &str) -> String {
    let words = system.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_lowercase())
    });
    words.collect::<Vec<_>>().join(between)
}

/// The contacts that lie in no queue.
pub(super) fn without_queue(ledger: &Ledger) -> BTreeSet<u64> {
    let all = ledger.contacts_at(Ms::MAX).map(|on| on.value);
    all.filter(|contact| contact.passes.iter().all(|pass| pass.queue.is_none())).map(|contact| contact.id).collect()
}

/// The presence and the routing status of a state.
pub(super) fn shown(settings: &Settings, without_queue: &BTreeSet<u64>, state: &AgentState) -> (usize, &'static str) {
    let on_queue = |status| (system_presence(settings, "ON_QUEUE"), status);
    let off_queue = |presence| (presence, "OFF_QUEUE");
    match state.state {
        State::Ready => on_queue("IDLE"),
        State::NotReady if settings.not_responding.contains(&state.reason) => on_queue("NOT_RESPONDING"),
        State::NotReady => off_queue(match state.reason.as_str() {
            "" => system_presence(settings, "AVAILABLE"),
            reason => {
                let own = settings.presences.iter().position(|presence| presence.label == reason);
                own.unwrap_or_else(|| system_presence(settings, "BUSY"))
            }
        }),
        State::LoggedOut => off_queue(system_presence(settings, "OFFLINE")),
        _ if state.contact.is_some_and(|contact| without_queue.contains(&contact)) => on_queue("COMMUNICATING"),
        _ => on_queue("INTERACTING"),
    }
}

/// The presences and routing statuses on record at an instant, of all agents or of some.
pub(super) fn lines(
    ledger: &Ledger,
    settings: &Settings,
    seen: Ms,
    wanted: Option<&BTreeSet<AgentIx>>,
) -> BTreeMap<AgentIx, Line> {
    let mut states: BTreeMap<AgentIx, Vec<&AgentState>> = BTreeMap::new();
    for state in ledger.states_at(seen).map(|on| on.value) {
        let is_shown = !matches!(state.state, State::Session | State::Hold);
        let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&state.agent));
        if is_shown && is_wanted && state.start <= seen && state.end != Some(state.start) {
            states.entry(state.agent).or_default().push(state);
        }
    }
    let without_queue = without_queue(ledger);
    let mut lines = BTreeMap::new();
    for (agent, mut own) in states {
        own.sort_by_key(|state| state.start);
        let mut line = Line::default();
        for (place, state) in own.iter().enumerate() {
            let next = own.get(place + 1).map(|next| next.start);
            let end = state.end.into_iter().chain(next).min().filter(|end| *end <= seen);
            let (presence, status) = shown(settings, &without_queue, state);
            append(&mut line.presences, Record { start: state.start, end, value: presence });
            append(&mut line.routing, Record { start: state.start, end, value: status });
        }
        skew(&mut line.routing, settings.routing_skew);
        lines.insert(agent, line);
    }
    lines
}

fn append<T: PartialEq>(records: &mut Vec<Record<T>>, record: Record<T>) {
    match records.last_mut() {
        Some(last) if last.value == record.value && last.end == Some(record.start) => last.end = record.end,
        _ => records.push(record),
    }
}

/// Has each stretch on queue begin earlier and end later.
fn skew(records: &mut [Record<&'static str>], by: Ms) {
    for place in 1..records.len() {
        let (before, after) = records.split_at_mut(place);
        let (Some(before), Some(after)) = (before.last_mut(), after.first_mut()) else { continue };
        let by = match (before.value, after.value) {
            ("OFF_QUEUE", _) => -by,
            (_, "OFF_QUEUE") => by,
            _ => 0,
        };
        if before.end == Some(after.start) && after.start + by > before.start {
            after.start += by;
            before.end = Some(after.start);
        }
    }
}
