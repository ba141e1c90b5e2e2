//! A contact centre of any size, made from a seed: what its databases hold and what that tells.

use crate::dialect::{Dialect, Names};
use crate::engage::Part;
use crate::engage::agents::Shift;
use crate::engage::dimensions::{self, Resource, ResourceKind};
use crate::engage::rows::{AgentNames, Out, audit, write_call, write_session, write_state};
use crate::engage::tables::{CFG_PERSON, CTL_AUDIT_LOG, RESOURCE_};
use crate::ledger::{Channel, Contact, Ledger, Quarters, Queue, Rules, State, quarters};
use crate::size::{Size, person, subject};
use crate::sql::{Batches, Table, Value, row, statements};

/// How many calls, and days of agents, are made in one go.
const CALLS: u64 = 256;
const AGENTS: usize = 32;

/// A contact centre with Genesys Engage. The same seed and size make the same world, whatever the machine.
///
/// Contacts and states are drawn apart: an agent may be ready by the states while the contacts say that she talks. The
/// identifier of a contact is `MEDIATION_SEGMENT_ID`, that of a state or session the key of its fact.
///
/// Each quarter of an hour one load writes the mart, with a row in `CTL_AUDIT_LOG` that names the partitions of the rows
/// which it wrote. Work after a contact changes the row of the agent, in the partition of that row: the contact's own
/// may be an earlier one, for an e-mail by days.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) size: Size,
    pub(crate) queues: Vec<QueueFacts>,
    pub(crate) agents: Vec<AgentFacts>,
}

#[derive(Debug, Clone)]
pub(crate) struct QueueFacts {
    pub(crate) dbid: i64,
    pub(crate) channel: Channel,
    /// Names as they are stored, each with its key and the instant from which it held.
    pub(crate) names: Vec<(i64, i64, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct AgentFacts {
    pub(crate) dbid: i64,
    /// The external identifier.
    pub(crate) user: String,
    pub(crate) first: &'static str,
    pub(crate) last: &'static str,
    /// As for queues.
    pub(crate) names: Vec<(i64, i64, String)>,
    /// The user name as the configuration database has it; it has lost this person otherwise.
    pub(crate) configured: Option<String>,
    pub(crate) enabled: bool,
}

impl World {
    /// A queue that the switch keeps beside the virtual ones; what passes through it does not count.
    pub(crate) const ACD_QUEUE: i64 = 999;

    /// Makes a world.
    ///
    /// # Panics
    ///
    /// If there is not one day, queue and agent.
    pub fn new(seed: u64, size: Size) -> Self {
        let size = size.check();
        let middle = size.first_day + i64::from(size.days) * 43_200;
        let queues = (0..size.queues).map(|number| QueueFacts::new(number, size.first_day, middle)).collect();
        let agents = (0..size.agents).map(|number| AgentFacts::new(number, size.first_day, middle)).collect();
        Self { seed, size, queues, agents }
    }

    /// The first instant after the world, in seconds: the time of the load.
    pub fn end(&self) -> i64 {
        self.first_of(self.size.days)
    }

    /// The statements that fill the tables of all parts in one database, with many rows each. They are made one by
    /// one, so that a world of any size takes little memory.
    pub fn load<'a>(&'a self, dialect: Dialect, names: &Names) -> impl Iterator<Item = String> + use<'a> {
        self.rows(Batches::new(dialect, names, None))
    }

    /// The statements that fill the tables of one part.
    pub fn load_of<'a>(
        &'a self,
        part: Part,
        dialect: Dialect,
        names: &Names,
    ) -> impl Iterator<Item = String> + use<'a> {
        self.rows(Batches::new(dialect, names, Some(part)))
    }

    /// The contacts, made one by one, in no particular order.
    pub fn contacts(&self) -> impl Iterator<Item = Contact> {
        self.calls().flat_map(|(day, index)| self.call(day, index).contacts(self.end()).collect::<Vec<_>>())
    }

    /// The sums of [`contacts`](Self::contacts), without keeping them.
    pub fn quarters(&self, rules: Rules) -> Quarters {
        quarters(&self.queue_list(), self.contacts(), rules)
    }

    /// The states, made one by one, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = State> {
        self.shifts().flat_map(|shift| shift.states)
    }

    /// All that the rows of [`load`](Self::load) tell, in memory.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger {
            queues: self.queue_list(),
            users: self.agents.iter().map(|agent| agent.user.clone()).collect(),
            statuses: dimensions::STATES.iter().map(|(name, code)| ((*code).into(), (*name).into())).collect(),
            contacts: self.contacts().map(|contact| (contact.id, contact)).collect(),
            ..Ledger::default()
        };
        for shift in self.shifts() {
            ledger.sessions.insert(shift.session.id, shift.session);
            ledger.states.extend(shift.states.into_iter().map(|state| (state.id, state)));
        }
        ledger
    }

    fn queue_list(&self) -> Vec<Queue> {
        let names = |queue: &QueueFacts| {
            queue.names.iter().map(|(_, since, name)| (since * 1000, name.trim().to_owned())).collect()
        };
        let list = self.queues.iter();
        list.map(|queue| Queue { id: queue.dbid.to_string(), channel: queue.channel, names: names(queue) }).collect()
    }

    fn calls(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..self.size.days).flat_map(|day| (0..self.size.contacts_per_day).map(move |index| (day, index)))
    }

    fn shifts(&self) -> impl Iterator<Item = Shift> {
        (0..self.size.days).flat_map(move |day| (0..self.agents.len()).flat_map(move |agent| self.day_of(day, agent)))
    }

    pub(crate) fn first_of(&self, day: u32) -> i64 {
        self.size.first_day + i64::from(day) * 86_400
    }

    /// How many quarters there are.
    pub(crate) fn cycles(&self) -> i64 {
        i64::from(self.size.days) * 96
    }

    /// The quarter of an instant, whose load writes what happens in it.
    pub(crate) fn cycle(&self, instant: i64) -> i64 {
        (instant - self.size.first_day).div_euclid(900)
    }

    pub(crate) fn queue_key(&self, queue: usize, at: i64) -> i64 {
        key_at(&self.queues[queue].names, at)
    }

    pub(crate) fn agent_key(&self, agent: usize, at: i64) -> i64 {
        key_at(&self.agents[agent].names, at)
    }

    pub(crate) fn agent_names(&self, agent: usize, at: i64) -> AgentNames {
        AgentNames { key: self.agent_key(agent, at), dbid: self.agents[agent].dbid }
    }

    /// Writes a shift as a load at the end of the world sees it.
    fn write_shift(&self, shift: &Shift, out: &mut impl Out) {
        let (first, end) = (self.size.first_day, self.end());
        let session = &shift.session;
        let names = self.agent_names(session.agent, session.start / 1000);
        write_session(session, &names, first, end, out);
        for state in &shift.states {
            let names = self.agent_names(state.agent, state.start / 1000);
            write_state(state, session.id, &names, first, end, out);
        }
    }

    fn rows(&self, batches: Batches) -> impl Iterator<Item = String> {
        let mut audits = vec![None; usize::try_from(self.cycles()).expect("there are few quarters")];
        let calls = self.size.contacts_per_day.div_ceil(CALLS);
        let pieces = calls + self.agents.len().div_ceil(AGENTS) as u64;
        let mut piece = 0;
        let mut day = None;
        statements(batches, move |batches| {
            let out = &mut Sink { batches, audits: &mut audits };
            let Some(today) = day else {
                self.write_dimensions(out);
                day = Some(0);
                return true;
            };
            if today == self.size.days {
                self.write_audits(out);
                return false;
            }
            if piece < calls {
                for index in piece * CALLS..((piece + 1) * CALLS).min(self.size.contacts_per_day) {
                    write_call(&self.call(today, index), self.end(), out);
                }
            } else {
                let from = usize::try_from(piece - calls).expect("there are few agents") * AGENTS;
                for agent in from..(from + AGENTS).min(self.agents.len()) {
                    for shift in self.day_of(today, agent) {
                        self.write_shift(&shift, out);
                    }
                }
            }
            piece += 1;
            if piece == pieces {
                piece = 0;
                day = Some(today + 1);
            }
            true
        })
    }

    fn write_dimensions(&self, out: &mut impl Out) {
        dimensions::write(out);
        dimensions::write_none(out);
        let acd = Resource {
            key: Self::ACD_QUEUE,
            dbid: 9999,
            name: "8000".to_owned(),
            kind: ResourceKind::AcdQueue,
            since: 0,
            until: None,
            created: -1,
            updated: 0,
        };
        out.row(&RESOURCE_, acd.row());
        for queue in &self.queues {
            self.write_names(queue.dbid, &queue.names, &ResourceKind::VirtualQueue, out);
        }
        for agent in &self.agents {
            self.write_names(agent.dbid, &agent.names, &agent.kind(), out);
            if let Some(user) = &agent.configured {
                let employee = format!("{:<12}", agent.employee());
                let state = if agent.enabled { 1 } else { 2 };
                out.row(&CFG_PERSON, row![agent.dbid, user.clone(), employee, agent.first, agent.last, 2, state]);
            }
        }
        out.row(&CFG_PERSON, row![29_999, "supervisor", "E0", "Sabine", "Kühn", 1, 1]);
    }

    /// A row for each name that a resource had.
    fn write_names(&self, dbid: i64, names: &[(i64, i64, String)], kind: &ResourceKind, out: &mut impl Out) {
        for (place, (key, since, name)) in names.iter().enumerate() {
            let until = names.get(place + 1).map(|(_, since, _)| *since);
            let resource = Resource {
                key: *key,
                dbid,
                name: name.clone(),
                kind: kind.clone(),
                since: *since,
                until,
                created: audit(self.cycle(*since)),
                updated: until.map_or(0, |until| audit(self.cycle(until))),
            };
            out.row(&RESOURCE_, resource.row());
        }
    }

    fn write_audits(&self, out: &mut Sink<'_>) {
        let audits = std::mem::take(out.audits);
        for (cycle, touched) in (0..).zip(audits) {
            if let Some(touched) = touched {
                out.row(&CTL_AUDIT_LOG, self.audit_row(cycle, touched));
            }
        }
    }

    /// The row of the transaction that wrote a quarter, two minutes after its end.
    pub(crate) fn audit_row(&self, cycle: i64, touched: Touched) -> Vec<Value> {
        let end = self.size.first_day + (cycle + 1) * 900;
        let written = Value::Wall(end + 120);
        row![
            audit(cycle),
            format!("Job_TransformGIM_{cycle}"),
            written.clone(),
            written,
            4,
            touched.first,
            touched.last,
            end,
            1,
            touched.rows,
            end + 120
        ]
    }
}

fn key_at(names: &[(i64, i64, String)], at: i64) -> i64 {
    let name = names.iter().rev().find(|(_, since, _)| *since <= at).unwrap_or(&names[0]);
    name.0
}

impl QueueFacts {
    fn new(number: usize, first: i64, middle: i64) -> Self {
        let place = number as i64;
        let channel = match (number % 4, number % 7) {
            (2, _) => Channel::Email,
            (_, 5) => Channel::Chat,
            _ => Channel::Voice,
        };
        let name = format!("VQ_{}", subject(number));
        let mut names = vec![(1000 + 2 * place, first, name.clone())];
        if number % 5 == 1 {
            names.push((1001 + 2 * place, middle + 60 * place, format!("{name} neu")));
        }
        if number % 6 == 4 {
            names[0].2 = format!("{name:<40}");
        }
        Self { dbid: 10_001 + place, channel, names }
    }
}

impl AgentFacts {
    fn new(number: usize, first_day: i64, middle: i64) -> Self {
        let place = number as i64;
        let (first, last, plain) = person(number);
        let mut names = vec![(500_000 + 2 * place, first_day, plain.clone())];
        let renamed = number % 6 == 3;
        if renamed {
            names.push((500_001 + 2 * place, middle, format!("{plain}_neu")));
        }
        let user = if number % 5 == 2 { format!("{first}.{last}{number}@beispiel.invalid") } else { plain.clone() };
        let configured = match number {
            _ if number % 17 == 16 && !renamed => None,
            _ if number % 4 == 1 => Some(format!("{user:<48}")),
            _ => Some(user.clone()),
        };
        let user = if configured.is_some() { user } else { plain };
        Self { dbid: 30_001 + place, user, first, last, names, configured, enabled: number % 11 != 7 }
    }

    fn employee(&self) -> String {
        format!("E{}", self.dbid - 29_000)
    }

    pub(crate) fn kind(&self) -> ResourceKind {
        ResourceKind::Agent { first: self.first.to_owned(), last: self.last.to_owned(), employee: self.employee() }
    }
}

/// The partitions in which a transaction wrote, and how many rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) rows: i64,
}

impl Touched {
    pub(crate) fn add(touched: &mut Option<Self>, key: i64) {
        let known = touched.unwrap_or(Self { first: key, last: key, rows: 0 });
        *touched = Some(Self { first: known.first.min(key), last: known.last.max(key), rows: known.rows + 1 });
    }
}

struct Sink<'a> {
    batches: &'a mut Batches,
    audits: &'a mut Vec<Option<Touched>>,
}

impl Out for Sink<'_> {
    fn row(&mut self, table: &'static Table, row: Vec<Value>) {
        self.batches.push(table, &row);
    }

    fn touch(&mut self, cycle: i64, key: i64) {
        // A row of before the first quarter belongs to a load of before.
        if let Some(touched) = usize::try_from(cycle).ok().and_then(|cycle| self.audits.get_mut(cycle)) {
            Touched::add(touched, key);
        }
    }
}
