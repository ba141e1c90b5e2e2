//! `/stats/wfm/agent-states` and `/stats/agent-status`: what agents do.
//!
//! States of an agent follow one another without a gap. An agent is shown as busy [`Settings::rewrite_delay`] late: the
//! state before seems to go on until then, and is rewritten.

use std::collections::BTreeMap;

use super::interactions::channel_guid;
use super::pages::{Item, paged};
use super::{Service, Settings, date, direction, medium};
use crate::json::{array, object, or_null, text};
use crate::ledger::truth::Told;
use crate::ledger::{Agent, AgentIx, AgentState, Channel, Contact, Ledger, State};
use crate::serve::{Answer, Request};
use crate::time::Ms;

/// A state as it is told.
#[derive(Debug, Clone)]
struct Shown {
    agent: AgentIx,
    state: String,
    description: String,
    start: Ms,
    end: Option<Ms>,
    /// When it is first shown.
    appears: Ms,
    edited: Option<Ms>,
    contact: Option<u64>,
}

impl Service {
    pub(super) fn agent_states(&self, request: &Request) -> Result<Answer, Answer> {
        let (range, seen) = (self.range(request)?, self.seen(request.at));
        let ledger = self.world.ledger();
        let wanted = request.query.get("agentId");
        let shown = shown(&ledger, &self.settings, seen);
        let mut items = Vec::new();
        for all in shown.values() {
            let agent = &ledger.agents[all[0].agent].number;
            if wanted.is_some_and(|wanted| wanted != agent) {
                continue;
            }
            for (place, (shown, end)) in known(all, seen) {
                // Its end shows when the next one does, and before, for a while, when the one after that is shown first.
                let [next, after] = [1, 2].map(|more| all.get(place + more).map(|state| state.appears));
                let after = after.filter(|after| next.is_some_and(|next| *after < next));
                let next = [Some(shown.appears), next, after].into_iter().flatten();
                let last = all.len() == place + 1;
                let changes = next.chain(shown.edited).chain(shown.end.filter(|_| last));
                items.push(Item {
                    start: shown.start,
                    end,
                    changes: changes.filter(|at| *at <= seen).collect(),
                    order: agent.clone(),
                    json: Box::new(move || {
                        object(&[
                            ("agentId", text(agent)),
                            ("start", date(shown.start)),
                            ("duration", or_null(end, |end| (end - shown.start).to_string())),
                            ("state", text(&shown.state)),
                            ("description", text(&shown.description)),
                        ])
                    }),
                });
            }
        }
        self.ranged(request, &range, items)
    }

    pub(super) fn agent_status(&self, request: &Request) -> Result<Answer, Answer> {
        let seen = self.seen(request.at);
        let ledger = self.world.ledger();
        let mut now: BTreeMap<AgentIx, (Option<&AgentState>, Option<&AgentState>)> = BTreeMap::new();
        for state in ledger.states_at(seen).map(|on| on.value).filter(|state| state.start <= seen) {
            let entry = now.entry(state.agent).or_default();
            let is_latest = |old: Option<&AgentState>| old.is_none_or(|old| old.start <= state.start);
            match state.state {
                State::Ready | State::NotReady | State::LoggedOut if is_latest(entry.0) => entry.0 = Some(state),
                State::Ringing | State::OnCall | State::Wrap if state.end.is_none_or(|end| end > seen) => {
                    entry.1 = Some(state);
                }
                _ => {}
            }
        }
        let mut all: Vec<(&Agent, String)> = Vec::new();
        for (agent, (presence, work)) in now {
            let Some(presence) = presence else { continue };
            let agent = &ledger.agents[agent];
            if !agent.is_removed {
                all.push((agent, status(&ledger, &self.settings, agent, presence, work, seen)));
            }
        }
        all.sort_by_key(|(agent, _)| &agent.number);
        paged(request, "items", all.into_iter().map(|(_, json)| json).collect(), Some(seen))
    }
}

fn status(
    ledger: &Ledger,
    settings: &Settings,
    agent: &Agent,
    presence: &AgentState,
    work: Option<&AgentState>,
    seen: Ms,
) -> String {
    let (category, description) = category(settings, presence);
    let (name, description) = if settings.swaps_presence { (description, category) } else { (category, description) };
    let contact = work.and_then(|work| ledger.contacts_at(seen).find(|on| Some(on.value.id) == work.contact));
    let contact = contact.map(|on| on.value);
    let interaction = work.zip(contact).map(|(work, contact)| {
        let (medium, manager) = medium(contact);
        object(&[
            ("guid", text(&contact.guid)),
            ("channelGuid", text(&channel_guid(settings, contact, 2))),
            ("since", date(work.start)),
            ("medium", text(medium)),
            ("mediumManager", text(manager)),
            ("direction", text(direction(contact))),
            ("state", text(step(work.state))),
            ("reason", "null".to_owned()),
        ])
    });
    let has = |channels: &[Channel]| {
        usize::from(contact.is_some_and(|contact| channels.contains(&contact.channel))).to_string()
    };
    object(&[
        ("agentId", text(&agent.number)),
        (
            "presence",
            object(&[
                ("since", date(presence.start)),
                ("name", text(&name)),
                ("description", text(&description)),
                ("eligibleForRouting", (presence.state == State::Ready).to_string()),
            ]),
        ),
        (
            "workload",
            object(&[
                ("since", date(work.map_or(presence.start, |work| work.start))),
                ("calls", has(&[Channel::Calls])),
                ("semiLive", has(&[Channel::Chats])),
                ("nonLive", has(&[Channel::Emails, Channel::Cases])),
            ]),
        ),
        ("interaction", array(interaction)),
    ])
}

/// The step of an interaction that an agent is at.
pub(super) fn step(state: State) -> &'static str {
    match state {
        State::Ringing => "Ringing",
        State::Wrap => "Wrap",
        _ => "Connected",
    }
}

/// The category of a presence and the customer's text for it.
pub(super) fn category(settings: &Settings, state: &AgentState) -> (String, String) {
    let (category, description) = match state.state {
        State::NotReady => {
            if let Some(odd) = settings.odd_states.get(&state.reason) {
                return odd.clone();
            }
            let is_long = ["Training", "Meeting"].iter().any(|word| state.reason.contains(word));
            (if is_long { "ExtendedAway" } else { "Away" }, state.reason.as_str())
        }
        State::LoggedOut => ("LoggedOut", "Logged Out"),
        _ => ("Ready", "Ready"),
    };
    (category.to_owned(), description.to_owned())
}

/// The states of each agent that have begun by an instant, ringing and talk as one.
fn shown(ledger: &Ledger, settings: &Settings, seen: Ms) -> BTreeMap<AgentIx, Vec<Shown>> {
    let contacts: BTreeMap<u64, &Contact> = ledger.contacts_at(seen).map(|on| (on.value.id, on.value)).collect();
    let mut all: BTreeMap<AgentIx, Vec<Shown>> = BTreeMap::new();
    for on in ledger.states_at(seen) {
        let state = on.value;
        if state.start > seen || matches!(state.state, State::Session | State::Hold) {
            continue;
        }
        let own = all.entry(state.agent).or_default();
        let live = match state.contact.and_then(|id| contacts.get(&id)).map(|contact| contact.channel) {
            None | Some(Channel::Calls) => "Live",
            Some(Channel::Chats) => "Semi-Live",
            Some(_) => "Non-Live",
        };
        let is_busy = matches!(state.state, State::Ringing | State::OnCall);
        let (name, description) = match state.state {
            State::Wrap => ("Wrap".to_owned(), live.to_owned()),
            _ if is_busy => ("Busy".to_owned(), live.to_owned()),
            _ => category(settings, state),
        };
        let goes_on = |last: &Shown| {
            last.state == "Busy" && is_busy && last.contact == state.contact && last.end == Some(state.start)
        };
        match own.last_mut() {
            Some(last) if goes_on(last) => {
                last.end = state.end;
                last.edited = last.edited.max(on.edited);
            }
            _ => own.push(Shown {
                agent: state.agent,
                state: name,
                description,
                start: state.start,
                end: state.end,
                appears: on
                    .appeared
                    .unwrap_or(Ms::MIN)
                    .max(state.start + if is_busy { settings.rewrite_delay } else { 0 }),
                edited: on.edited,
                contact: state.contact,
            }),
        }
    }
    for own in all.values_mut() {
        own.sort_by_key(|state| state.start);
    }
    all
}

/// The states of an agent that are shown at an instant, with their places and the ends that they seem to have.
fn known(all: &[Shown], seen: Ms) -> Vec<(usize, (&Shown, Option<Ms>))> {
    let visible: Vec<(usize, &Shown)> = all.iter().enumerate().filter(|(_, state)| state.appears <= seen).collect();
    let end = |turn: usize, (place, state): (usize, &Shown)| match visible.get(turn + 1) {
        Some((_, next)) => Some(next.start),
        None if all.len() > place + 1 => None,
        None => state.end.filter(|end| *end <= seen),
    };
    visible.iter().enumerate().map(|(turn, (place, state))| (*place, (*state, end(turn, (*place, state))))).collect()
}

/// The states known at an instant, by agent number.
pub(super) fn told(ledger: &Ledger, settings: &Settings, seen: Ms) -> Vec<Told> {
    let all = shown(ledger, settings, seen);
    let told = all.values().flat_map(|own| known(own, seen)).map(|(_, (state, end))| Told {
        agent: ledger.agents[state.agent].number.clone(),
        status: settings.naming.name(&state.state, &state.description),
        start: state.start,
        end,
    });
    told.collect()
}
