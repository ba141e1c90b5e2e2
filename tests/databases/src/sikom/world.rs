//! A contact centre of any size, made from a seed: what its database holds and what that tells.

use std::collections::BTreeMap;

use crate::dialect::{Dialect, Names};
use crate::ledger::{Channel, Contact, Ledger, Quarters, Queue, Rules, State, quarters};
use crate::sikom::tables::{QUEUE, STATUS, USER};
use crate::size::{Size, person, subject};
use crate::sql::{Batches, row, statements};

/// How many calls, and days of agents, are made in one go.
const CALLS: u64 = 256;
const AGENTS: usize = 32;

/// The statuses that have a name: number, name and whether one is logged off.
pub(crate) const STATUSES: [(i64, &str, bool); 6] = [
    (1, "Bereit", false),
    (2, "Gespräch", false),
    (3, "Nachbearbeitung", false),
    (4, "Pause", false),
    (5, "Besprechung", false),
    (9, "Abgemeldet", true),
];

/// A contact centre with Sikom. The same seed and size make the same world, whatever the machine.
///
/// Contacts and states are drawn apart: an agent may be ready by the states while the contacts say that she talks. The
/// identifier of a contact is ten times `call_id` plus `leg_no`, that of a state `rec_id`. A state's status is its
/// number.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) size: Size,
    pub(crate) queues: Vec<QueueFacts>,
    pub(crate) users: Vec<UserFacts>,
}

#[derive(Debug, Clone)]
pub(crate) struct QueueFacts {
    pub(crate) id: i64,
    pub(crate) channel: Channel,
    /// As it is stored.
    pub(crate) name: String,
}

#[derive(Debug, Clone)]
pub(crate) struct UserFacts {
    pub(crate) id: i64,
    first: &'static str,
    last: &'static str,
    /// As it is stored.
    name: String,
    active: bool,
}

impl World {
    /// Makes a world.
    ///
    /// # Panics
    ///
    /// If there is not one day, queue and agent.
    pub fn new(seed: u64, size: Size) -> Self {
        let size = size.check();
        let queues = (0..size.queues).map(QueueFacts::new).collect();
        let users = (0..size.agents).map(UserFacts::new).collect();
        Self { seed, size, queues, users }
    }

    /// The first instant after the world, in seconds since 1970 in UTC: the time at which the rows are as they are.
    pub fn end(&self) -> i64 {
        self.first_of(self.size.days)
    }

    /// The statements that fill the tables, with many rows each. They are made one by one, so that a world of any size
    /// takes little memory.
    pub fn load<'a>(&'a self, dialect: Dialect, names: &Names) -> impl Iterator<Item = String> + use<'a> {
        let calls = self.size.contacts_per_day.div_ceil(CALLS);
        let pieces = calls + self.users.len().div_ceil(AGENTS) as u64;
        let mut piece = 0;
        let mut day = None;
        statements(Batches::new(dialect, names, None), move |batches| {
            let Some(today) = day else {
                self.write_names(batches);
                day = Some(0);
                return true;
            };
            if today == self.size.days {
                return false;
            }
            if piece < calls {
                self.write_calls(today, piece * CALLS, batches);
            } else {
                self.write_agents(
                    today,
                    usize::try_from(piece - calls).expect("there are few agents") * AGENTS,
                    batches,
                );
            }
            piece += 1;
            if piece == pieces {
                piece = 0;
                day = Some(today + 1);
            }
            true
        })
    }

    /// The contacts, made one by one, in no particular order.
    pub fn contacts(&self) -> impl Iterator<Item = Contact> {
        let calls = (0..self.size.days).flat_map(|day| (0..self.size.contacts_per_day).map(move |index| (day, index)));
        calls.flat_map(|(day, index)| self.call(day, index).into_iter().filter_map(|leg| leg.contact()))
    }

    /// The sums of [`contacts`](Self::contacts), without keeping them.
    pub fn quarters(&self, rules: Rules) -> Quarters {
        quarters(&self.queue_list(), self.contacts(), rules)
    }

    /// The states of agents as a whole, made one by one, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = State> {
        let days = (0..self.size.days).flat_map(|day| (0..self.users.len()).map(move |agent| (day, agent)));
        days.flat_map(|(day, agent)| self.day_of(day, agent))
    }

    /// All that the rows of [`load`](Self::load) tell, in memory and with the true instants.
    pub fn ledger(&self) -> Ledger {
        Ledger {
            queues: self.queue_list(),
            users: self.users.iter().map(|user| user.name.trim_end().to_owned()).collect(),
            statuses: STATUSES.iter().map(|(id, name, _)| (id.to_string(), (*name).to_owned())).collect(),
            contacts: self.contacts().map(|contact| (contact.id, contact)).collect(),
            states: self.states().map(|state| (state.id, state)).collect(),
            sessions: BTreeMap::new(),
        }
    }

    fn queue_list(&self) -> Vec<Queue> {
        let queues = self.queues.iter().map(|queue| Queue {
            id: queue.id.to_string(),
            channel: queue.channel,
            names: vec![(self.size.first_day * 1000, queue.name.trim_end().to_owned())],
        });
        queues.collect()
    }

    pub(crate) fn first_of(&self, day: u32) -> i64 {
        self.size.first_day + i64::from(day) * 86_400
    }

    fn write_names(&self, batches: &mut Batches) {
        for (id, name, logout) in STATUSES {
            let row = row![id, name, logout];
            batches.push(&STATUS, &row);
        }
        for queue in &self.queues {
            let media = match queue.channel {
                Channel::Voice => "voice",
                Channel::Email => "email",
                Channel::Chat => "chat",
            };
            let row = row![queue.id, queue.name.clone(), media];
            batches.push(&QUEUE, &row);
        }
        for user in &self.users {
            let row = row![user.id, user.name.clone(), user.first, user.last, user.active];
            batches.push(&USER, &row);
        }
    }

    fn write_calls(&self, day: u32, from: u64, batches: &mut Batches) {
        for index in from..(from + CALLS).min(self.size.contacts_per_day) {
            for leg in self.call(day, index) {
                let (table, row) = leg.row(self);
                batches.push(table, &row);
            }
        }
    }

    fn write_agents(&self, day: u32, from: usize, batches: &mut Batches) {
        for agent in from..(from + AGENTS).min(self.users.len()) {
            let states = self.day_of(day, agent);
            let groups = self.group_statuses(day, agent);
            let rows = states.iter().map(|state| self.state_row(state));
            for (table, row) in rows.chain(groups.iter().map(|status| self.group_row(status))) {
                batches.push(table, &row);
            }
        }
    }
}

impl QueueFacts {
    fn new(number: usize) -> Self {
        let channel = match (number % 4, number % 7) {
            (1, _) => Channel::Email,
            (_, 6) => Channel::Chat,
            _ => Channel::Voice,
        };
        let name = subject(number);
        let name = if number % 6 == 4 { format!("{name:<40}") } else { name };
        Self { id: 10 * (number as i64 + 1), channel, name }
    }
}

impl UserFacts {
    fn new(number: usize) -> Self {
        let (first, last, plain) = person(number);
        let name = match number {
            _ if number % 7 == 3 => format!("{}.{}{number}", first.to_lowercase(), last.to_lowercase()),
            _ if number % 5 == 2 => plain.to_uppercase(),
            _ => plain,
        };
        let name = if number % 4 == 1 { format!("{name:<32}") } else { name };
        Self { id: 1 + number as i64, first, last, name, active: number % 11 != 7 }
    }
}
