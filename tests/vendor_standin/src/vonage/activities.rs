//! `/stats/agent-activities`: presence and interactions of agents beside one another.

use std::collections::BTreeMap;

use super::interactions::channel_guid;
use super::pages::Item;
use super::states::{category, step};
use super::{Service, date, direction, length, medium, refused};
use crate::json::{object, or_null, text};
use crate::ledger::{AgentState, Contact, Ledger, State};
use crate::serve::{Answer, Request};
use crate::time::Ms;

impl Service {
    pub(super) fn activities(&self, request: &Request, kind: Option<&str>) -> Result<Answer, Answer> {
        if kind.is_some_and(|kind| !["Presence", "Interaction", "Workload"].contains(&kind)) {
            return Err(refused(400, "\"type\" must be one of [Presence, Interaction, Workload]"));
        }
        let (range, seen) = (self.range(request)?, self.seen(request.at));
        let ledger = self.world.ledger();
        let wanted = request.query.get("agentId");
        let contacts = ledger.contacts_at(seen).map(|on| (on.value.id, on.value)).collect();
        let mut items = Vec::new();
        for agent in 0..ledger.agents.len() {
            if wanted.is_some_and(|wanted| *wanted != ledger.agents[agent].number) {
                continue;
            }
            let mut own: Vec<&AgentState> = ledger.states_at(seen).map(|on| on.value).collect();
            own.retain(|state| state.agent == agent && state.start <= seen);
            own.sort_by_key(|state| state.start);
            if kind.is_none_or(|kind| kind == "Presence") {
                let is_presence =
                    |state: &&&AgentState| matches!(state.state, State::Ready | State::NotReady | State::LoggedOut);
                // A presence goes on under the interactions, until another begins.
                let mut presences: Vec<&AgentState> = own.iter().filter(is_presence).copied().collect();
                presences.dedup_by(|next, last| next.state == last.state && next.reason == last.reason);
                for (place, presence) in presences.iter().enumerate() {
                    let end = presences.get(place + 1).map(|next| next.start);
                    items.push(self.activity((&ledger, &contacts), presence, end, seen));
                }
            }
            if kind.is_none_or(|kind| kind == "Interaction") {
                let work =
                    own.iter().filter(|state| matches!(state.state, State::Ringing | State::OnCall | State::Wrap));
                items.extend(work.map(|state| self.activity((&ledger, &contacts), state, state.end, seen)));
            }
        }
        self.ranged(request, &range, items)
    }

    fn activity(
        &self,
        (ledger, contacts): (&Ledger, &BTreeMap<u64, &Contact>),
        state: &AgentState,
        end: Option<Ms>,
        seen: Ms,
    ) -> Item<'static> {
        let number = &ledger.agents[state.agent].number;
        let end = end.filter(|end| *end <= seen);
        let contact = state.contact.and_then(|id| contacts.get(&id)).copied();
        let presence = contact.is_none().then(|| category(&self.settings, state));
        let kind = if presence.is_some() { "Presence" } else { "Interaction" };
        let interaction = or_null(contact, |contact| {
            let (medium, manager) = medium(contact);
            object(&[
                ("guid", text(&contact.guid)),
                ("medium", text(medium)),
                ("mediumManager", text(manager)),
                ("direction", text(direction(contact))),
            ])
        });
        let channel = or_null(contact, |contact| object(&[("guid", text(&channel_guid(&self.settings, contact, 2)))]));
        let json = object(&[
            ("agentId", text(number)),
            ("type", text(kind)),
            ("category", text(presence.as_ref().map_or(step(state.state), |(category, _)| category))),
            ("name", or_null(presence.as_ref(), |(_, name)| text(name))),
            ("eligibleForRouting", (state.state == State::Ready).to_string()),
            ("start", date(state.start)),
            ("status", text(if end.is_some() { "Completed" } else { "Ongoing" })),
            ("duration", or_null(end, |end| length(state.start, end, seen))),
            ("reason", "null".to_owned()),
            ("interaction", interaction),
            ("channel", channel),
            ("workload", "null".to_owned()),
        ]);
        let changes = [Some(state.start), end].into_iter().flatten().collect();
        Item { start: state.start, end, changes, order: format!("{number}\0{kind}"), json: Box::new(move || json) }
    }
}
