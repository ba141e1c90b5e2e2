//! The truth about a simulated contact centre.
//!
//! A [`Ledger`] holds agents, queues, [contacts](Contact) and [agent states](AgentState), each with its whole life: what
//! lies in the future of an instant is in the ledger too, and it is for the vendor's stand-in to hide it.
//!
//! # Contract
//!
//! - A contact is a chain of [passes](Pass). A pass lies in a queue, or, while the caller is in menus or an agent dials out,
//!   in none. What agents do in a pass are its [handlings](Handling), the first answering one first. A transfer to another queue
//!   begins another pass; a transfer to an agent, a conference or a consultation is another handling of the same pass.
//! - Times are instants and lengths in milliseconds; [`simulate`] makes them whole seconds where the vendor has no better.
//! - [`Ledger::contacts_at`] and [`Ledger::states_at`] give every contact and state **as it is on record at an instant**: late rows
//!   are absent before they appear, and of the revisions the last one that has happened counts. They do *not* hide what has
//!   not happened yet; a vendor hides a contact until it would have written it.
//! - States of one agent overlap as vendors' states do: a login spans the session, a hold lies inside a call. The rest
//!   follow one another without a gap.
//! - The order of contacts is that of their start, the order of states that of agent and start, late rows last.

mod desk;
pub mod simulate;
pub mod truth;

pub use simulate::{Precision, Simulation};

use crate::time::Ms;

/// The place of an agent in [`Ledger::agents`].
pub type AgentIx = usize;
/// The place of a queue in [`Ledger::queues`].
pub type QueueIx = usize;

/// Somebody who takes contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The name at sign-in: `amy@example.test`.
    pub user: String,
    /// The number by which some vendors know the agent: `1001`.
    pub number: String,
    /// First name.
    pub first: String,
    /// Last name.
    pub last: String,
    /// The number that rings.
    pub extension: String,
    /// Whether the vendor's directory does not hold the agent any more.
    pub is_removed: bool,
}

impl Agent {
    /// An agent with a number and a name.
    pub fn new(number: &str, user: &str, first: &str, last: &str) -> Self {
        let [number, user, first, last] = [number, user, first, last].map(str::to_owned);
        Self { extension: format!("4420555{number}"), user, number, first, last, is_removed: false }
    }

    /// First and last name.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// How contacts arrive, by the words of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Telephone.
    Calls,
    /// Written talk.
    Chats,
    /// Electronic mail.
    Emails,
    /// Tickets.
    Cases,
}

impl Channel {
    /// `calls`, `chats`, …
    pub fn text(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Chats => "chats",
            Self::Emails => "emails",
            Self::Cases => "cases",
        }
    }
}

/// Where contacts wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The name, which is also that of the skill.
    pub name: String,
    /// What arrives in it.
    pub channel: Channel,
    /// The campaign whose contacts it serves.
    pub campaign: String,
    /// The service dialled.
    pub service: String,
    /// The plan that routes to it.
    pub plan: String,
    /// The group under which it is reported.
    pub group: String,
    /// Skills that are asked for.
    pub skills: Vec<String>,
    /// Within what time it should be answered.
    pub target: Ms,
}

impl Queue {
    /// A queue for calls; campaign, service and plan are made from its name.
    pub fn calls(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            channel: Channel::Calls,
            campaign: name.to_owned(),
            service: name.to_owned(),
            plan: format!("{name} plan"),
            group: name.to_owned(),
            skills: vec![name.to_lowercase()],
            target: 20_000,
        }
    }
}

/// From where to where a contact goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a customer.
    Inbound,
    /// To a customer.
    Outbound,
    /// Between agents.
    Internal,
}

/// An interaction with one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// A number: `4711`.
    pub id: u64,
    /// A text that names it: `015c0f2e-0001`.
    pub guid: String,
    /// What names the conversation it belongs to.
    pub conversation: String,
    /// Where it came from.
    pub direction: Direction,
    /// How it arrived.
    pub channel: Channel,
    /// The campaign.
    pub campaign: String,
    /// When it arrived. Until the first pass is entered, the caller is in menus.
    pub start: Ms,
    /// The customer's number or address.
    pub caller: String,
    /// The number or address dialled.
    pub called: String,
    /// The customer's name, often unknown.
    pub customer: String,
    /// Its way, in order.
    pub passes: Vec<Pass>,
}

impl Contact {
    /// When everything about it is over, after-call work too.
    pub fn end(&self) -> Ms {
        self.passes.iter().map(Pass::end).max().unwrap_or(self.start)
    }
}

/// One stay in a queue and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The queue; none while the caller never leaves the menus, and when an agent dials.
    pub queue: Option<QueueIx>,
    /// When it was entered.
    pub entered: Ms,
    /// How long the contact waited until it was offered to an agent or left.
    pub wait: Ms,
    /// How the stay ended.
    pub result: PassResult,
    /// Whether the customer hung up and kept the place (queued for a call back, a virtual queue).
    pub is_callback: bool,
    /// What agents did.
    pub handlings: Vec<Handling>,
}

impl Pass {
    /// A pass that nobody has taken up.
    pub fn new(queue: Option<QueueIx>, entered: Ms, wait: Ms, result: PassResult) -> Self {
        Self { queue, entered, wait, result, is_callback: false, handlings: Vec::new() }
    }

    /// When the contact left the queue.
    pub fn left(&self) -> Ms {
        self.entered + self.wait
    }

    /// When all is over, after-call work too.
    pub fn end(&self) -> Ms {
        self.handlings.iter().map(Handling::end).fold(self.left(), Ms::max)
    }

    /// When the last agent's conversation was over, before after-call work.
    pub fn released(&self) -> Ms {
        self.handlings.iter().map(Handling::released).fold(self.left(), Ms::max)
    }
}

/// How a stay in a queue ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassResult {
    /// An agent answered.
    Answered,
    /// The customer gave up.
    Abandoned,
    /// A rule moved the contact on; the text says which.
    BrokeOut(&'static str),
    /// There was no queue: the caller left in the menus, or an agent dialled.
    Outside,
}

/// What one agent did with a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handling {
    /// Who.
    pub agent: AgentIx,
    /// How the agent came to it.
    pub role: Role,
    /// When it was offered to the agent.
    pub offered: Ms,
    /// How long it rang.
    pub ring: Ms,
    /// How long they talked, without holds.
    pub talk: Ms,
    /// How long the customer was on hold, after the first half of the talk.
    pub hold: Ms,
    /// After-call work.
    pub wrap: Ms,
    /// What the agent noted as the outcome.
    pub disposition: String,
}

impl Handling {
    /// When the agent answered.
    pub fn answered(&self) -> Ms {
        self.offered + self.ring
    }

    /// When the conversation was over.
    pub fn released(&self) -> Ms {
        self.answered() + self.talk + self.hold
    }

    /// When the after-call work was over.
    pub fn end(&self) -> Ms {
        self.released() + self.wrap
    }

    /// Talk, hold and after-call work.
    pub fn handle_time(&self) -> Ms {
        self.talk + self.hold + self.wrap
    }

    /// When the hold began.
    pub fn held(&self) -> Ms {
        self.answered() + self.talk / 2 / 1_000 * 1_000
    }
}

/// How an agent came to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The contact was routed, or dialled by the agent.
    First,
    /// Another agent handed it over.
    Transfer,
    /// Another agent asked them to join.
    Conference,
    /// Another agent asked them for advice, the customer being on hold.
    Consult,
}

/// What an agent does over a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentState {
    /// Who.
    pub agent: AgentIx,
    /// What.
    pub state: State,
    /// The reason, for [`State::NotReady`] and sometimes [`State::LoggedOut`].
    pub reason: String,
    /// Since when.
    pub start: Ms,
    /// Until when; none: nobody knows yet.
    pub end: Option<Ms>,
    /// The [contact](Contact::id) it is about.
    pub contact: Option<u64>,
}

/// Kinds of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The whole session, from login to logout, beside the states in it.
    Session,
    /// Waiting for contacts.
    Ready,
    /// Not taking contacts, for a reason.
    NotReady,
    /// A contact is offered.
    Ringing,
    /// In conversation.
    OnCall,
    /// The customer is on hold: inside [`State::OnCall`].
    Hold,
    /// After-call work.
    Wrap,
    /// Not there.
    LoggedOut,
}

/// Something on record, with what became of it later.
#[derive(Debug, Clone)]
struct Entry<T> {
    appears: Option<Ms>,
    value: T,
    revisions: Vec<(Ms, Option<T>)>,
}

impl<T> Entry<T> {
    fn at(&self, now: Ms) -> Option<OnRecord<'_, T>> {
        if self.appears.is_some_and(|appears| appears > now) {
            return None;
        }
        match self.revisions.iter().rev().find(|(at, _)| *at <= now) {
            None => Some(OnRecord { value: &self.value, appeared: self.appears, edited: self.appears }),
            Some((at, value)) => {
                value.as_ref().map(|value| OnRecord { value, appeared: self.appears, edited: Some(*at) })
            }
        }
    }
}

/// What is on record at an instant.
#[derive(Debug)]
pub struct OnRecord<'a, T> {
    /// The contact or state.
    pub value: &'a T,
    /// When it was put on record, if that was too late.
    pub appeared: Option<Ms>,
    /// When it was last touched after the fact, be it that it appeared; none: never.
    pub edited: Option<Ms>,
}

impl<T> OnRecord<'_, T> {
    /// The instants up to `until` at which a vendor learns of it: those at which something happened, or its late appearance
    /// instead of those before, and the last edit.
    pub fn news(&self, happened: impl IntoIterator<Item = Ms>, until: Ms) -> Vec<Ms> {
        let happened = happened.into_iter().map(|at| self.appeared.map_or(at, |appeared| appeared.max(at)));
        happened.chain(self.edited).filter(|at| *at <= until).collect()
    }
}

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Everybody.
    pub agents: Vec<Agent>,
    /// All queues.
    pub queues: Vec<Queue>,
    contacts: Vec<Entry<Contact>>,
    states: Vec<Entry<AgentState>>,
}

impl Ledger {
    /// A ledger without contacts.
    pub fn new(agents: Vec<Agent>, queues: Vec<Queue>) -> Self {
        Self { agents, queues, contacts: Vec::new(), states: Vec::new() }
    }

    /// Adds a contact; returns its place, for [`Ledger::revise_contact`].
    pub fn add_contact(&mut self, contact: Contact) -> usize {
        self.contacts.push(Entry { appears: None, value: contact, revisions: Vec::new() });
        self.contacts.len() - 1
    }

    /// Adds a contact that is put on record only at an instant, too late.
    pub fn add_late_contact(&mut self, contact: Contact, appears: Ms) -> usize {
        self.contacts.push(Entry { appears: Some(appears), value: contact, revisions: Vec::new() });
        self.contacts.len() - 1
    }

    /// Has a contact changed at an instant, or removed. Revisions are given in the order of their instants.
    pub fn revise_contact(&mut self, place: usize, at: Ms, value: Option<Contact>) {
        self.contacts[place].revisions.push((at, value));
    }

    /// Adds a state; returns its place, for [`Ledger::revise_state`].
    pub fn add_state(&mut self, state: AgentState) -> usize {
        self.states.push(Entry { appears: None, value: state, revisions: Vec::new() });
        self.states.len() - 1
    }

    /// Adds a state that is put on record only at an instant, too late.
    pub fn add_late_state(&mut self, state: AgentState, appears: Ms) -> usize {
        self.states.push(Entry { appears: Some(appears), value: state, revisions: Vec::new() });
        self.states.len() - 1
    }

    /// Has a state changed at an instant, or removed. Revisions are given in the order of their instants.
    pub fn revise_state(&mut self, place: usize, at: Ms, value: Option<AgentState>) {
        self.states[place].revisions.push((at, value));
    }

    /// The contacts on record at an instant; see the [contract](self#contract).
    pub fn contacts_at(&self, now: Ms) -> impl Iterator<Item = OnRecord<'_, Contact>> {
        self.contacts.iter().filter_map(move |entry| entry.at(now))
    }

    /// The states on record at an instant; see the [contract](self#contract).
    pub fn states_at(&self, now: Ms) -> impl Iterator<Item = OnRecord<'_, AgentState>> {
        self.states.iter().filter_map(move |entry| entry.at(now))
    }

    /// The next instant after `now` at which an agent's state begins, ends or is edited.
    pub fn next_state_change(&self, now: Ms) -> Option<Ms> {
        let instants = self.states.iter().flat_map(|entry| {
            let edits = entry.revisions.iter().map(|(at, _)| *at);
            [Some(entry.value.start), entry.value.end, entry.appears].into_iter().flatten().chain(edits)
        });
        instants.filter(|at| *at > now).min()
    }
}
