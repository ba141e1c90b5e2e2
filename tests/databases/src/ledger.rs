//! What truly happened, apart from the rows that tell of it.
//!
//! A ledger holds queues, contacts, agents and their statuses, and says what a reader should make of them by the usual
//! rules. It is made from the same events as the rows, never from the rows; its only arithmetic is here. Steps change
//! it as they change the database.

use std::collections::BTreeMap;

/// The way in which a contact comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Calls.
    Voice,
    /// E-mails.
    Email,
    /// Chats.
    Chat,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The external identifier: the dbid of Genesys Engage, the `queue_id` of Sikom.
    pub id: String,
    /// The channel of its contacts.
    pub channel: Channel,
    /// Its names without padding, each with the instant from which the database gave it, in milliseconds; oldest first.
    pub names: Vec<(i64, String)>,
}

impl Queue {
    /// The latest name.
    pub fn name(&self) -> &str {
        self.names.last().map_or("", |(_, name)| name)
    }
}

/// One pass of a contact through one queue. Instants are milliseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The identifier of its row, see the `World` that made it.
    pub id: u64,
    /// The place of its queue in [`Ledger::queues`].
    pub queue: usize,
    /// When it arrived in the queue.
    pub start: i64,
    /// When an agent took it; none did otherwise.
    pub answered: Option<i64>,
    /// When the conversation ended or the customer gave up, as far as the database knows.
    pub ended: Option<i64>,
    /// When the work after it ended, as far as the database knows.
    pub wrapped: Option<i64>,
    /// Whether the customer gave up.
    pub abandoned: bool,
    /// Whether that was so soon that it may not count.
    pub short: bool,
}

impl Contact {
    /// Whether an agent took it.
    pub fn handled(&self) -> bool {
        self.answered.is_some()
    }

    /// From the answer to the end of the work after it: as much of it as the database knows, nothing without an end.
    pub fn handle_seconds(&self) -> Option<i64> {
        let (answered, ended) = (self.answered?, self.ended?);
        Some((self.wrapped.unwrap_or(ended) - answered) / 1000)
    }

    /// From the arrival to the answer, or to the end of a contact that nobody took.
    pub fn wait_seconds(&self) -> Option<i64> {
        Some((self.answered.or(self.ended)? - self.start) / 1000)
    }
}

/// A reason that an agent gave for a state, over all or part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What the reason is called.
    pub name: String,
    /// When it began, in milliseconds.
    pub start: i64,
    /// When it ended, as the database has it.
    pub end: Option<i64>,
}

/// A state of an agent on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The identifier of its row.
    pub id: u64,
    /// The place of its agent in [`Ledger::users`].
    pub agent: usize,
    /// The channel; none where states are those of the agent as a whole.
    pub channel: Option<Channel>,
    /// The code or number of the status.
    pub status: String,
    /// The reason given.
    pub reason: Option<Reason>,
    /// When it began, in milliseconds.
    pub start: i64,
    /// When it truly ended; it goes on otherwise.
    pub ended: Option<i64>,
    /// When it ended, as the database has it: cut short by the product, or never closed in spite of [`ended`](Self::ended).
    pub recorded: Option<i64>,
}

/// A stretch of time in one status, as a reader should find it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The user name, without padding.
    pub user: String,
    /// When it began, in milliseconds.
    pub start: i64,
    /// When it ended; it is open otherwise.
    pub end: Option<i64>,
    /// The status, `NOTREADY:Lunch` where there is a reason.
    pub status: String,
}

/// The time for which an agent was logged in on one channel; its end is the logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The identifier of its row.
    pub id: u64,
    /// The place of its agent in [`Ledger::users`].
    pub agent: usize,
    /// The channel.
    pub channel: Channel,
    /// The login, in milliseconds.
    pub start: i64,
    /// The logout, in milliseconds; the agent is logged in otherwise.
    pub end: Option<i64>,
}

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether contacts that were given up at once count as offered and abandoned.
    pub short_abandons: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { short_abandons: true }
    }
}

/// The sums of one queue and quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Contacts that arrived.
    pub offered: i64,
    /// Those of them that an agent took.
    pub handled: i64,
    /// Those of them that were given up.
    pub abandoned: i64,
    /// The handle time of those taken, in seconds.
    pub handle_seconds: i64,
    /// How many of those taken have a handle time.
    pub timed: i64,
    /// The time until the answer of those taken, in seconds.
    pub wait_seconds: i64,
}

/// The sums by queue (its external identifier) and quarter (its first instant in milliseconds).
pub type Quarters = BTreeMap<(String, i64), Sums>;

/// The sums of contacts, in whatever order they come; quarters without contacts are absent.
pub fn quarters(queues: &[Queue], contacts: impl IntoIterator<Item = Contact>, rules: Rules) -> Quarters {
    let mut sums: BTreeMap<(usize, i64), Sums> = BTreeMap::new();
    for contact in contacts {
        if contact.short && !rules.short_abandons {
            continue;
        }
        let sum = sums.entry((contact.queue, contact.start - contact.start.rem_euclid(900_000))).or_default();
        sum.offered += 1;
        sum.abandoned += i64::from(contact.abandoned);
        if contact.handled() {
            sum.handled += 1;
            sum.wait_seconds += contact.wait_seconds().unwrap_or(0);
            sum.handle_seconds += contact.handle_seconds().unwrap_or(0);
            sum.timed += i64::from(contact.handle_seconds().is_some());
        }
    }
    sums.into_iter().map(|((queue, start), sums)| ((queues[queue].id.clone(), start), sums)).collect()
}

/// What truly happened, as far as the database can tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// The queues.
    pub queues: Vec<Queue>,
    /// The external identifiers of the agents: user names without padding.
    pub users: Vec<String>,
    /// What each status code or number is called; one that has no name is absent.
    pub statuses: BTreeMap<String, String>,
    /// The contacts by the identifier of their row.
    pub contacts: BTreeMap<u64, Contact>,
    /// The states by the identifier of their row.
    pub states: BTreeMap<u64, State>,
    /// The sessions by the identifier of their row.
    pub sessions: BTreeMap<u64, Session>,
}

impl Ledger {
    /// The sums by queue and quarter of an hour.
    pub fn quarters(&self, rules: Rules) -> Quarters {
        quarters(&self.queues, self.contacts.values().copied(), rules)
    }

    /// The spans by the default rule: voice where states have a channel, else the agent as a whole.
    ///
    /// They end where the database says so and are in the order of user and time. A state of no length has no span; a
    /// reason cuts its state into what is covered by it and what is not.
    pub fn spans(&self) -> Vec<Span> {
        self.spans_of(Channel::Voice)
    }

    /// The spans of another channel.
    pub fn spans_of(&self, channel: Channel) -> Vec<Span> {
        let states = self.states.values().filter(|state| state.channel.is_none_or(|known| known == channel));
        let mut spans: Vec<Span> = states.flat_map(|state| self.spans_in(state)).collect();
        spans.sort();
        spans
    }

    /// The states of all channels as spans with the ends that they truly had, without reasons.
    pub fn true_spans(&self) -> Vec<Span> {
        let span = |state: &State| Span {
            user: self.users[state.agent].clone(),
            start: state.start,
            end: state.ended,
            status: state.status.clone(),
        };
        let mut spans: Vec<Span> = self.states.values().map(span).collect();
        spans.sort();
        spans
    }

    fn spans_in(&self, state: &State) -> Vec<Span> {
        let mut pieces = Vec::new();
        match &state.reason {
            None => pieces.push((state.start, state.recorded, state.status.clone())),
            Some(reason) => {
                pieces.push((state.start, Some(reason.start), state.status.clone()));
                pieces.push((reason.start, reason.end, format!("{}:{}", state.status, reason.name)));
                if let Some(end) = reason.end {
                    pieces.push((end, state.recorded, state.status.clone()));
                }
            }
        }
        pieces.retain(|(start, end, _)| *end != Some(*start));
        let user = &self.users[state.agent];
        pieces.into_iter().map(|(start, end, status)| Span { user: user.clone(), start, end, status }).collect()
    }
}

/// A change of a ledger: the thing as it is now, in place of what had its identifier.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Contact(Contact),
    State(State),
    Session(Session),
    Name { queue: usize, from: i64, name: String },
}

impl Change {
    pub(crate) fn apply(&self, ledger: &mut Ledger) {
        match self {
            Self::Contact(contact) => {
                ledger.contacts.insert(contact.id, *contact);
            }
            Self::State(state) => {
                ledger.states.insert(state.id, state.clone());
            }
            Self::Session(session) => {
                ledger.sessions.insert(session.id, *session);
            }
            Self::Name { queue, from, name } => ledger.queues[*queue].names.push((*from, name.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let names = vec![(0, "Old".to_owned()), (5, "New".to_owned())];
        Ledger {
            queues: vec![Queue { id: "7".to_owned(), channel: Channel::Voice, names }],
            users: vec!["anna".to_owned()],
            ..Ledger::default()
        }
    }

    fn contact(id: u64, start: i64, answered: Option<i64>, ended: Option<i64>, wrapped: Option<i64>) -> Contact {
        let [answered, ended, wrapped] = [answered, ended, wrapped].map(|second| second.map(|second| second * 1000));
        Contact { id, queue: 0, start: start * 1000, answered, ended, wrapped, abandoned: false, short: false }
    }

    #[test]
    fn a_contact_counts_in_the_quarter_of_its_arrival() {
        let mut ledger = ledger();
        assert_eq!(ledger.queues[0].name(), "New");
        let lost = Contact { abandoned: true, short: true, ..contact(4, 901, None, Some(903), None) };
        let contacts = [
            contact(1, 899, Some(910), Some(1000), Some(1030)),
            contact(2, 900, Some(905), None, None),
            contact(3, 950, Some(960), Some(961), None),
            lost,
        ];
        for contact in contacts {
            Change::Contact(contact).apply(&mut ledger);
        }
        let first = Sums { offered: 1, handled: 1, abandoned: 0, handle_seconds: 120, timed: 1, wait_seconds: 11 };
        let second = Sums { offered: 3, handled: 2, abandoned: 1, handle_seconds: 1, timed: 1, wait_seconds: 15 };
        let at = |start: i64| ("7".to_owned(), start);
        assert_eq!(ledger.quarters(Rules::default()), BTreeMap::from([(at(0), first), (at(900_000), second)]));
        let second = Sums { offered: 2, abandoned: 0, ..second };
        let rules = Rules { short_abandons: false };
        assert_eq!(ledger.quarters(rules), BTreeMap::from([(at(0), first), (at(900_000), second)]));
    }

    #[test]
    fn a_reason_cuts_its_state() {
        let mut ledger = ledger();
        let state = |id, channel, start: i64, recorded, reason| State {
            id,
            agent: 0,
            channel: Some(channel),
            status: "OUT".to_owned(),
            reason,
            start,
            ended: Some(90),
            recorded,
        };
        let reason = |start, end| Some(Reason { name: "Lunch".to_owned(), start, end });
        for state in [
            state(1, Channel::Voice, 10, Some(10), None),
            state(2, Channel::Voice, 10, Some(40), reason(20, Some(30))),
            state(3, Channel::Voice, 40, Some(50), reason(40, Some(50))),
            state(4, Channel::Voice, 60, None, reason(70, None)),
            state(5, Channel::Email, 10, None, None),
        ] {
            Change::State(state).apply(&mut ledger);
        }
        let spans = ledger.spans().into_iter().map(|span| (span.start, span.end, span.status));
        let (out, lunch) = ("OUT".to_owned(), "OUT:Lunch".to_owned());
        let expected = vec![
            (10, Some(20), out.clone()),
            (20, Some(30), lunch.clone()),
            (30, Some(40), out.clone()),
            (40, Some(50), lunch.clone()),
            (60, Some(70), out),
            (70, None, lunch),
        ];
        assert_eq!(spans.collect::<Vec<_>>(), expected);
        assert_eq!(ledger.spans_of(Channel::Email).len(), 1);
        assert_eq!(ledger.true_spans()[0].end, Some(90));
    }
}
