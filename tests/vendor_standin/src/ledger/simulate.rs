//! A contact centre made up from a seed.
//!
//! Contacts arrive by the hour of the day, wait for the agent who is free first, and are abandoned when that takes too long. Agents'
//! states follow from what they handle. The same [`Simulation`] always gives the same ledger. Every so many contacts are
//! special: transfers to agents and queues, conferences, consultations, call backs, break-outs, calls without talk, calls that
//! never reach a queue, very long calls; each midnight and each change of the clock has a call across it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::desk::{Desk, states};
use super::{
    Agent, AgentIx, AgentState, Channel, Contact, Direction, Handling, Ledger, Pass, PassResult, Queue, QueueIx, Role,
    State,
};
use crate::rng::Rng;
use crate::time::{DAY, HOUR, MINUTE, Ms, SECOND};
use crate::zone::Zone;

/// To what times are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Whole seconds.
    Seconds,
    /// Whole milliseconds.
    Millis,
}

/// What to make up.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Where chance starts.
    pub seed: u64,
    /// Midnight of the first day, in the zone.
    pub first_day: Ms,
    /// How many days.
    pub days: u32,
    /// The zone in which people work.
    pub zone: Zone,
    /// How many agents.
    pub agents: usize,
    /// How many queues; those beyond the fourth repeat the names with a number.
    pub queues: usize,
    /// How many contacts arrive each day, about.
    pub contacts_a_day: u32,
    /// To what times are recorded.
    pub precision: Precision,
    /// Whether one queue takes e-mails and one takes chats.
    pub is_mixed: bool,
    /// How many contacts and states in a thousand are edited after the fact.
    pub edits_per_mille: u64,
}

impl Simulation {
    /// A small contact centre.
    pub fn new(seed: u64, first_day: Ms, days: u32) -> Self {
        Self {
            seed,
            first_day,
            days,
            zone: Zone::Pacific,
            agents: 16,
            queues: 4,
            contacts_a_day: 300,
            precision: Precision::Seconds,
            is_mixed: false,
            edits_per_mille: 10,
        }
    }

    /// Makes the ledger.
    pub fn ledger(&self) -> Ledger {
        let mut run = Run {
            of: self,
            rng: Rng::new(self.seed),
            agents: agents(self.agents),
            queues: queues(self.queues, self.is_mixed),
            desks: Vec::new(),
            contacts: Vec::new(),
            arrivals: BinaryHeap::new(),
        };
        run.open_desks();
        run.arrive();
        while let Some(Reverse((at, contact, queue))) = run.arrivals.pop() {
            run.serve(contact, queue, at);
        }
        run.finish()
    }
}

const NAMES: [(&str, &str, &str); 12] = [
    ("amy@example.test", "Amy", "Ash"),
    ("bob@example.test", "Bob", "Bay"),
    ("jürgen.müller@example.test", "Jürgen", "Müller-Lüdenscheidt"),
    ("o'neil@example.test", "Séan", "O'Neil"),
    ("smith,j@example.test", "John", "Smith, jr."),
    ("r&d@example.test", "Rosa & Dora", "<Team>"),
    ("quote\"d@example.test", "Al \"Ace\"", "Quint"),
    ("Zoë Ålund", "Zoë", "Ålund"),
    ("AMY@example.test", "Amy", "Other"),
    ("kim@example.test", "Kim", "지민"),
    ("straße@example.test", "Uwe", "Straße"),
    ("lee@example.test", "Lee", "Long"),
];

fn agents(count: usize) -> Vec<Agent> {
    let make = |at: usize| {
        let (user, first, last) = NAMES[at % NAMES.len()];
        let user = if at < NAMES.len() { user.to_owned() } else { format!("{at}.{user}") };
        Agent { is_removed: at == 11, ..Agent::new(&(1001 + at).to_string(), &user, first, last) }
    };
    (0..count).map(make).collect()
}

fn queues(count: usize, is_mixed: bool) -> Vec<Queue> {
    let names = ["Sales & Orders", "Billing, \"VIP\"", "Störung", "Support"];
    let make = |at: usize| {
        let name = names[at % names.len()];
        let name = if at < names.len() { name.to_owned() } else { format!("{name} {}", at + 1) };
        let campaign = ["Hotline", "Rück & Co, Nord"][at / 2 % 2];
        let channel = match at {
            2 if is_mixed => Channel::Emails,
            3 if is_mixed => Channel::Chats,
            _ => Channel::Calls,
        };
        Queue { channel, campaign: campaign.to_owned(), ..Queue::calls(&name) }
    };
    (0..count.max(1)).map(make).collect()
}

struct Run<'a> {
    of: &'a Simulation,
    rng: Rng,
    agents: Vec<Agent>,
    queues: Vec<Queue>,
    desks: Vec<Desk>,
    contacts: Vec<Contact>,
    /// When which contact enters which queue, the earliest first.
    arrivals: BinaryHeap<Reverse<(Ms, usize, QueueIx)>>,
}

/// Every so many contacts one of a kind: the remainder that makes it so.
const EVERY: usize = 40;
mod special {
    pub(super) const LONG: usize = 3;
    pub(super) const TRANSFER_TO_AGENT: usize = 7;
    pub(super) const BREAK_OUT: usize = 11;
    pub(super) const TRANSFER_TO_QUEUE: usize = 13;
    pub(super) const OUTBOUND: usize = 17;
    pub(super) const CONSULT: usize = 19;
    pub(super) const CONFERENCE: usize = 23;
    pub(super) const NO_TALK: usize = 29;
    pub(super) const IN_MENUS: usize = 31;
    pub(super) const CALL_BACK: usize = 37;
}

impl Run<'_> {
    fn length(&mut self, from: Ms, to: Ms) -> Ms {
        let length = self.rng.between(from, to);
        match self.of.precision {
            Precision::Seconds => length / SECOND * SECOND,
            Precision::Millis => length,
        }
    }

    fn midnight(&self, day: u32) -> Ms {
        let first = self.of.zone.local(self.of.first_day).date();
        self.of.zone.midnight(first + chrono::Days::new(u64::from(day)))
    }

    fn open_desks(&mut self) {
        let starts = [7 * HOUR, 8 * HOUR, 11 * HOUR, 20 * HOUR];
        for agent in 0..self.agents.len() {
            let mut desk = Desk { shifts: Vec::new(), breaks: Vec::new(), free: Ms::MIN, handled: Vec::new() };
            for day in 0..self.of.days {
                // Two of seven days off, the night shift never.
                let start = starts[agent % starts.len()];
                if agent % 4 != 3 && (usize::try_from(day).unwrap_or(0) + agent) % 7 > 4 {
                    continue;
                }
                let login = self.midnight(day) + start + self.length(-5 * MINUTE, 5 * MINUTE);
                let logout = login + 8 * HOUR + 30 * MINUTE + self.length(0, 10 * MINUTE);
                let lunch = login + 4 * HOUR + self.length(0, 20 * MINUTE);
                desk.shifts.push((login, logout));
                desk.breaks.push((login, login + self.length(MINUTE, 15 * MINUTE), "Team Meeting"));
                desk.breaks.push((lunch, lunch + 30 * MINUTE, "Lunch"));
                let short = lunch + 2 * HOUR;
                desk.breaks.push((short, short + self.length(5 * MINUTE, 12 * MINUTE), "Pause, kurz & gut"));
            }
            self.desks.push(desk);
        }
    }

    fn arrive(&mut self) {
        let mut starts = Vec::new();
        for day in 0..self.of.days {
            let midnight = self.midnight(day);
            for _ in 0..self.of.contacts_a_day {
                let hour = if self.rng.chance(850) { self.rng.between(7, 20) } else { self.rng.between(0, 24) };
                starts.push(midnight + hour * HOUR + self.length(0, HOUR));
            }
            starts.push(self.midnight(day + 1) - 90 * SECOND);
            let year = chrono::Datelike::year(&self.of.zone.local(midnight));
            for change in self.of.zone.summer(year).map_or([0, 0], |(from, to)| [from, to]) {
                if (midnight..self.midnight(day + 1)).contains(&change) {
                    starts.extend([change - 100 * SECOND, change + 100 * SECOND]);
                }
            }
        }
        starts.sort_unstable();
        for (at, start) in starts.into_iter().enumerate() {
            self.arrive_one(at, start);
        }
    }

    fn arrive_one(&mut self, at: usize, start: Ms) {
        let queue = self.rng.index(self.queues.len());
        let number = u64::try_from(at).unwrap_or(0);
        let of = &self.queues[queue];
        let mut contact = Contact {
            id: 300_000_000 + number,
            guid: format!("{:08x}-{number:04}", self.of.seed.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF),
            conversation: format!("c-{number}"),
            direction: Direction::Inbound,
            channel: of.channel,
            campaign: of.campaign.clone(),
            start,
            caller: format!("555{:07}", number * 7919 % 10_000_000),
            called: "5550199".to_owned(),
            customer: if at.is_multiple_of(9) { "Maier, Änne".to_owned() } else { String::new() },
            passes: Vec::new(),
        };
        let menus = self.length(4 * SECOND, 45 * SECOND);
        match at % EVERY {
            special::IN_MENUS => {
                contact.passes.push(Pass::new(None, start, menus, PassResult::Outside));
            }
            special::OUTBOUND => {
                contact.direction = Direction::Outbound;
                self.dial(&mut contact);
            }
            _ => self.arrivals.push(Reverse((start + menus, at, queue))),
        }
        self.contacts.push(contact);
    }

    fn dial(&mut self, contact: &mut Contact) {
        let free =
            (0..self.agents.len()).find(|agent| self.desks[*agent].earliest(contact.start) == Some(contact.start));
        let mut pass = Pass::new(None, contact.start, 0, PassResult::Outside);
        if let Some(agent) = free {
            let handling = self.handling(agent, contact.start, Role::First);
            self.take(contact.id, &handling);
            pass.handlings.push(handling);
        }
        contact.passes.push(pass);
    }

    fn handling(&mut self, agent: AgentIx, offered: Ms, role: Role) -> Handling {
        let disposition = ["Solved", "Sold, twice", "Rückruf", "No Disposition"][self.rng.index(4)].to_owned();
        Handling {
            agent,
            role,
            offered,
            ring: self.length(SECOND, 12 * SECOND),
            talk: self.length(20 * SECOND, 6 * MINUTE),
            hold: if self.rng.chance(200) { self.length(5 * SECOND, 70 * SECOND) } else { 0 },
            wrap: self.length(0, 80 * SECOND),
            disposition,
        }
    }

    fn take(&mut self, contact: u64, handling: &Handling) {
        let desk = &mut self.desks[handling.agent];
        desk.free = handling.end();
        desk.handled.push((contact, handling.clone()));
    }

    /// The agent who can take a contact of a queue first, and when.
    fn first_free(&self, queue: QueueIx, at: Ms) -> Option<(Ms, AgentIx)> {
        let able = (0..self.agents.len()).filter(|agent| !(agent + queue).is_multiple_of(3));
        able.filter_map(|agent| Some((self.desks[agent].earliest(at)?, agent))).min()
    }

    fn other_free(&self, at: Ms) -> Option<AgentIx> {
        (0..self.agents.len()).find(|agent| self.desks[*agent].earliest(at) == Some(at))
    }

    fn serve(&mut self, place: usize, queue: QueueIx, entered: Ms) {
        let kind = if self.contacts[place].passes.is_empty() { place % EVERY } else { EVERY };
        let id = self.contacts[place].id;
        let patience = self.length(20 * SECOND, 4 * MINUTE);
        let found = self.first_free(queue, entered);
        if kind == special::BREAK_OUT && self.queues.len() > 1 {
            let wait = self.length(5 * SECOND, 30 * SECOND);
            let pass = Pass::new(Some(queue), entered, wait, PassResult::BrokeOut("NoAgentsBreakout"));
            self.arrivals.push(Reverse((pass.left(), place, (queue + 1) % self.queues.len())));
            self.contacts[place].passes.push(pass);
            return;
        }
        let is_written = matches!(self.queues[queue].channel, Channel::Emails | Channel::Cases);
        let limit = if is_written { 3 * DAY } else { patience };
        let Some((at, agent)) = found.filter(|(at, _)| *at - entered <= limit) else {
            self.contacts[place].passes.push(Pass::new(Some(queue), entered, patience, PassResult::Abandoned));
            return;
        };
        let mut pass = Pass::new(Some(queue), entered, at - entered, PassResult::Answered);
        pass.is_callback = kind == special::CALL_BACK;
        let mut first = self.handling(agent, at, Role::First);
        match kind {
            special::LONG => first.talk += 2 * HOUR,
            special::NO_TALK => (first.talk, first.hold, first.wrap) = (0, 0, 7 * SECOND),
            _ => {}
        }
        self.take(id, &first);
        let next = match kind {
            special::TRANSFER_TO_AGENT => Some((first.released(), Role::Transfer)),
            special::CONFERENCE => Some((first.held(), Role::Conference)),
            special::CONSULT => Some((first.held(), Role::Consult)),
            _ => None,
        };
        if let Some((at, role)) = next
            && let Some(other) = self.other_free(at)
        {
            let mut second = self.handling(other, at, role);
            if role == Role::Consult {
                (second.talk, second.hold) = (20 * SECOND, 0);
            }
            self.take(id, &second);
            pass.handlings.push(second);
        }
        if kind == special::TRANSFER_TO_QUEUE && self.queues.len() > 1 {
            self.arrivals.push(Reverse((first.released(), place, (queue + 1) % self.queues.len())));
        }
        pass.handlings.insert(0, first);
        self.contacts[place].passes.push(pass);
    }

    fn finish(mut self) -> Ledger {
        let mut ledger = Ledger::new(std::mem::take(&mut self.agents), std::mem::take(&mut self.queues));
        for contact in std::mem::take(&mut self.contacts) {
            self.record(&mut ledger, contact);
        }
        for (agent, desk) in std::mem::take(&mut self.desks).into_iter().enumerate() {
            self.record_states(&mut ledger, &states(agent, desk, self.of.first_day));
        }
        ledger
    }

    /// Puts the states of an agent on record, some with an edit.
    fn record_states(&mut self, ledger: &mut Ledger, all: &[AgentState]) {
        let mut earlier: Option<(Ms, AgentState)> = None;
        for (turn, state) in all.iter().enumerate() {
            let place = ledger.add_state(state.clone());
            if let Some((at, edited)) = earlier.take() {
                ledger.revise_state(place, at, Some(edited));
            }
            let (is_edited, delay) = (self.rng.chance(10 * self.of.edits_per_mille), self.rng.between(60, 300));
            let (State::NotReady, Some(end), true) = (state.state, state.end, is_edited) else { continue };
            let at = end + delay * SECOND;
            let mut edited = AgentState { reason: "Training (corrected)".to_owned(), ..state.clone() };
            // Half of them turn out to have been shorter: what came after began earlier.
            if let Some(next) = all.get(turn + 1)
                && next.state == State::Ready
                && delay % 2 == 0
                && end - state.start > MINUTE
            {
                edited.end = Some(end - 30 * SECOND);
                earlier = Some((at, AgentState { start: end - 30 * SECOND, ..next.clone() }));
            }
            ledger.revise_state(place, at, Some(edited));
        }
    }

    /// Puts a contact on record, some of them late or with an edit.
    fn record(&mut self, ledger: &mut Ledger, contact: Contact) {
        let delay = self.rng.between(10, 40 * 60) * MINUTE;
        let (is_late, is_edited) =
            (self.rng.chance(self.of.edits_per_mille / 2), self.rng.chance(self.of.edits_per_mille));
        if is_late {
            let appears = contact.end() + delay / 12;
            ledger.add_late_contact(contact, appears);
            return;
        }
        let mut edited = contact.clone();
        let at = contact.end() + delay;
        let place = ledger.add_contact(contact);
        if is_edited && let Some(last) = edited.passes.last_mut().and_then(|pass| pass.handlings.last_mut()) {
            last.wrap += 11 * SECOND;
            last.disposition = "Corrected".to_owned();
            ledger.revise_contact(place, at, Some(edited));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::at;

    #[test]
    fn a_seed_gives_one_ledger_with_every_kind_of_contact() {
        let simulation = Simulation::new(7, at("2024-03-07T08:00:00Z"), 6);
        let (one, other) = (simulation.ledger(), simulation.ledger());
        let end = at("2025-01-01T00:00:00Z");
        let all: Vec<&Contact> = one.contacts_at(end).map(|on| on.value).collect();
        assert!(all.iter().eq(other.contacts_at(end).map(|on| on.value).collect::<Vec<_>>().iter()));
        let passes = || all.iter().flat_map(|contact| &contact.passes);
        let roles = |role| passes().flat_map(|pass| &pass.handlings).filter(|handling| handling.role == role).count();
        let change = at("2024-03-10T10:00:00Z");
        let counts = [
            ("answered", passes().filter(|pass| pass.result == PassResult::Answered).count()),
            ("abandoned", passes().filter(|pass| pass.result == PassResult::Abandoned).count()),
            ("broke out", passes().filter(|pass| matches!(pass.result, PassResult::BrokeOut(_))).count()),
            ("outside", passes().filter(|pass| pass.result == PassResult::Outside).count()),
            ("call back", passes().filter(|pass| pass.is_callback).count()),
            ("transfer", roles(Role::Transfer)),
            ("conference", roles(Role::Conference)),
            ("consult", roles(Role::Consult)),
            ("two queues", all.iter().filter(|contact| contact.passes.len() > 1).count()),
            ("no talk", passes().flat_map(|pass| &pass.handlings).filter(|handling| handling.talk == 0).count()),
            ("over the change", all.iter().filter(|contact| (contact.start..contact.end()).contains(&change)).count()),
            ("edited", one.contacts_at(end).filter(|on| on.edited.is_some()).count()),
            ("state edited", one.states_at(end).filter(|on| on.edited.is_some()).count()),
        ];
        assert_eq!(counts.iter().filter(|(_, count)| *count == 0).collect::<Vec<_>>(), [] as [&(&str, usize); 0]);
    }

    #[test]
    fn states_follow_one_another_without_a_gap() {
        let ledger = Simulation::new(1, at("2024-03-07T08:00:00Z"), 3).ledger();
        for agent in 0..ledger.agents.len() {
            let own = ledger.states_at(0).map(|on| on.value).filter(|state| state.agent == agent);
            let own: Vec<_> = own.filter(|state| !matches!(state.state, State::Session | State::Hold)).collect();
            for pair in own.windows(2) {
                assert_eq!(pair[0].end, Some(pair[1].start), "{pair:?}");
            }
            assert_eq!(own.last().map(|state| state.end), Some(None));
        }
    }
}
