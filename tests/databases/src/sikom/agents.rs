//! What agents do: shifts of statuses, logged off between them.
//!
//! Each day of an agent is a function of the seed, the day and the agent alone.

use crate::ledger::State;
use crate::random::Random;
use crate::sikom::tables::AGENT_STATUS;
use crate::sikom::wall::{stored, stored_or_none};
use crate::sikom::world::World;
use crate::sql::{Table, Value, row};

/// How many rows one agent may have on one day: the lower half for the agent as a whole, the rest for single queues.
pub(crate) const ROWS_A_DAY: u64 = 256;

/// The status of one who is logged off.
pub(crate) const LOGGED_OFF: &str = "9";

/// A status that has no name.
pub(crate) const UNKNOWN: &str = "77";

/// The status of an agent for one queue, which does not count.
#[derive(Debug, Clone)]
pub(crate) struct GroupStatus {
    pub(crate) id: u64,
    pub(crate) agent: usize,
    pub(crate) queue: usize,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl World {
    /// The shift of an agent that begins on a day.
    fn shift(&self, day: u32, agent: usize) -> Option<(i64, i64)> {
        let mut random = Random::new(self.seed, [12, day.into(), agent as u64]);
        if random.one_in(5) && day != 0 {
            return None;
        }
        let hour = if agent % 3 == 1 { 20 } else { random.between(5, 9) };
        let start = self.first_of(day) + hour * 3600 + random.between(0, 1800);
        Some((start, start + 8 * 3600 + random.between(-1800, 1800)))
    }

    /// The states of an agent whose shift begins on a day, as they are known at the end of the world.
    pub(crate) fn day_of(&self, day: u32, agent: usize) -> Vec<State> {
        let Some((start, end)) = self.shift(day, agent) else { return Vec::new() };
        let mut random = Random::new(self.seed, [13, day.into(), agent as u64]);
        let first_id = self.first_row(day, agent);
        let mut states: Vec<State> = Vec::new();
        let mut at = start;
        while at < end {
            let before = states.last().map_or("", |state| state.status.as_str());
            let (status, length) = match before {
                "2" => ("3", random.between(5, 240)),
                "1" if !random.one_in(6) => ("2", random.between(30, 1200)),
                "1" | "4" | "5" | UNKNOWN => ("1", random.between(5, 900)),
                _ => [("1", 600), ("4", 1800), ("5", 3600), (UNKNOWN, 300)][random.index(4)],
            };
            let full = states.len() as u64 == ROWS_A_DAY / 2 - 2;
            let until = if full { end } else { (at + length).min(end) };
            states.push(state(first_id + states.len() as u64, agent, status, at, Some(until)));
            at = until;
        }
        // Some rows are never closed, though the agent went on.
        for state in states.iter_mut().filter(|_| random.one_in(40)) {
            state.recorded = None;
        }
        let next = (day + 1..self.size.days).find_map(|day| self.shift(day, agent)).map(|(start, _)| start);
        states.push(state(first_id + states.len() as u64, agent, LOGGED_OFF, end, next));
        let now = self.end() * 1000;
        states.retain(|state| state.start < now);
        for state in &mut states {
            state.ended = state.ended.filter(|ended| *ended < now);
            state.recorded = state.recorded.filter(|recorded| *recorded < now);
        }
        states
    }

    /// The rows for single queues of an agent whose shift begins on a day.
    pub(crate) fn group_statuses(&self, day: u32, agent: usize) -> Vec<GroupStatus> {
        let Some((start, end)) = self.shift(day, agent).filter(|(_, end)| agent % 3 == 2 && *end < self.end()) else {
            return Vec::new();
        };
        let first_id = self.first_row(day, agent) + ROWS_A_DAY / 2;
        let queues = 0..self.queues.len().min(3);
        (first_id..).zip(queues).map(|(id, queue)| GroupStatus { id, agent, queue, start: start + 2, end }).collect()
    }

    fn first_row(&self, day: u32, agent: usize) -> u64 {
        1 + (u64::from(day) * self.users.len() as u64 + agent as u64) * ROWS_A_DAY
    }

    /// The row of a state.
    pub(crate) fn state_row(&self, state: &State) -> (&'static Table, Vec<Value>) {
        let status: i64 = state.status.parse().expect("statuses are numbers");
        let recorded = state.recorded.map(|recorded| recorded / 1000);
        let end = stored_or_none(recorded, state.id);
        let row = row![state.id, self.users[state.agent].id, status, stored(state.start / 1000), end, Value::Null];
        (&AGENT_STATUS, row)
    }

    pub(crate) fn group_row(&self, status: &GroupStatus) -> (&'static Table, Vec<Value>) {
        let (user, queue) = (self.users[status.agent].id, self.queues[status.queue].id);
        (&AGENT_STATUS, row![status.id, user, 1, stored(status.start), stored(status.end), queue])
    }
}

/// A state whose row is as it should be.
pub(crate) fn state(id: u64, agent: usize, status: &str, start: i64, end: Option<i64>) -> State {
    let ended = end.map(|end| end * 1000);
    let status = status.to_owned();
    State { id, agent, channel: None, status, reason: None, start: start * 1000, ended, recorded: ended }
}
