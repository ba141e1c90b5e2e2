//! What agents do: shifts with a login session on each channel and the states in it.
//!
//! Each day of an agent is a function of the seed, the day and the agent. What lies after the end of the world is not
//! known: a state that would end then is open.

use crate::engage::calls::FIRST_ID;
use crate::engage::dimensions::{REASONS, reason_name};
use crate::engage::world::World;
use crate::ledger::{Channel, Reason, Session, State};
use crate::random::Random;

/// How long a state lasts at most in the database, in seconds; what the agent does then is not known until the next.
pub(crate) const LONGEST: i64 = 14_400;

/// How many states one agent may have on one day, on both channels.
pub(crate) const STATES_A_DAY: u64 = 256;

/// A login session with its states in the order of time.
#[derive(Debug, Clone)]
pub(crate) struct Shift {
    pub(crate) session: Session,
    pub(crate) states: Vec<State>,
}

impl World {
    /// What an agent does on a day: nothing, or one shift on each of her channels.
    pub(crate) fn day_of(&self, day: u32, agent: usize) -> Vec<Shift> {
        let mut random = Random::new(self.seed, [2, day.into(), agent as u64]);
        let last = day + 1 == self.size.days;
        if !last && random.one_in(5) {
            return Vec::new();
        }
        let hour = match agent {
            _ if agent % 9 == 4 => 20,
            _ if last && agent.is_multiple_of(3) => 17,
            _ => random.between(5, 9),
        };
        let start = self.first_of(day) + hour * 3600 + random.between(0, 1800);
        let end = start + 8 * 3600 + random.between(-1800, 1800);
        let number = (u64::from(day) * self.agents.len() as u64 + agent as u64) * STATES_A_DAY;
        let voice = self.voice(FIRST_ID + number, agent, (start, end), day % 3 == 1, &mut random);
        let mut shifts = vec![self.as_known(agent, Channel::Voice, (start, end), voice)];
        if agent % 4 == 2 {
            let (start, end) = (start + 30, end - 60);
            let mail = mail(FIRST_ID + number + STATES_A_DAY / 2, agent, (start, end), &mut random);
            shifts.push(self.as_known(agent, Channel::Email, (start, end), mail));
        }
        shifts.retain(|shift| shift.session.start < self.end() * 1000);
        shifts
    }

    fn voice(
        &self,
        first_id: u64,
        agent: usize,
        (start, end): (i64, i64),
        long_day: bool,
        random: &mut Random,
    ) -> Vec<State> {
        let mut states: Vec<State> = Vec::new();
        let mut at = start;
        while at < end && (states.len() as u64) < STATES_A_DAY / 2 - 2 {
            let id = first_id + states.len() as u64;
            let before = states.last().map_or("", |state| state.status.as_str());
            let (status, length) = match before {
                "" => ("LOGGEDONONLY", random.between(5, 120)),
                // Two states in one second: the first takes no time.
                "BUSY" if random.one_in(16) => ("UNKNOWN", 0),
                "BUSY" if !random.one_in(8) => ("AFTERCALLWORK", random.between(5, 240)),
                "READY" if !random.one_in(6) => ("BUSY", random.between(30, 1200)),
                _ if states.len() == 3 && agent % 5 == 1 && long_day => ("NOTREADY", LONGEST + 3600),
                "NOTREADY" => ("READY", random.between(5, 900)),
                _ if random.one_in(5) => ("NOTREADY", random.between(60, 2700)),
                _ => ("READY", random.between(5, 900)),
            };
            let until = if length > LONGEST { at + length } else { (at + length).min(end) };
            let mut state = state(id, agent, Channel::Voice, status, (at, until));
            if status == "NOTREADY" && !random.one_in(4) {
                state.reason = Some(reason(&state, random));
            }
            at = until;
            states.push(state);
        }
        if let Some(state) = states.last_mut()
            && at < end
        {
            state.ended = Some(end * 1000);
        }
        states
    }

    /// A shift as the database knows it at the end of the world.
    fn as_known(&self, agent: usize, channel: Channel, (start, end): (i64, i64), mut states: Vec<State>) -> Shift {
        let now = self.end() * 1000;
        states.retain(|state| state.start < now);
        let end = states.last().and_then(|state| state.ended).map_or(end * 1000, |last| last.max(end * 1000));
        for state in &mut states {
            record(state, now);
        }
        let id = states.first().map_or(FIRST_ID, |state| state.id);
        let session = Session { id, agent, channel, start: start * 1000, end: Some(end).filter(|end| *end < now) };
        Shift { session, states }
    }
}

/// Sets what the database has of a state, and of its reason, by an instant.
pub(crate) fn record(state: &mut State, now: i64) {
    let cut = state.start + LONGEST * 1000;
    state.ended = state.ended.filter(|ended| *ended < now);
    state.recorded = state.ended.map(|ended| ended.min(cut)).or(Some(cut).filter(|cut| *cut < now));
    state.reason = state.reason.take().filter(|reason| reason.start < now);
    if let Some(reason) = &mut state.reason {
        reason.end = match (reason.end, state.recorded) {
            (Some(end), Some(recorded)) => Some(end.min(recorded)),
            (Some(end), None) => Some(end).filter(|end| *end < now),
            (None, recorded) => recorded,
        };
    }
}

/// A state of known length, not yet cut by what the database has of it.
pub(crate) fn state(id: u64, agent: usize, channel: Channel, status: &str, (start, end): (i64, i64)) -> State {
    State {
        id,
        agent,
        channel: Some(channel),
        status: status.to_owned(),
        reason: None,
        start: start * 1000,
        ended: Some(end * 1000),
        recorded: None,
    }
}

/// A reason for all of a state, or for a part of it.
pub(crate) fn reason(state: &State, random: &mut Random) -> Reason {
    let name = reason_name(random.index(REASONS.len())).to_owned();
    let long = state.ended.is_some_and(|ended| ended - state.start > 300_000);
    let part = if long { random.below(4) } else { 3 };
    let start = state.start + if part == 0 { random.between(20, 60) * 1000 } else { 0 };
    let end = if part == 1 { Some(state.start + random.between(90, 200) * 1000) } else { None };
    Reason { name, start, end }
}

/// Ready for e-mails all day but for two breaks.
fn mail(first_id: u64, agent: usize, (start, end): (i64, i64), random: &mut Random) -> Vec<State> {
    let breaks = [random.between(3600, 7200), random.between(14_400, 18_000)].map(|since| start + since);
    let times = [start, breaks[0], breaks[0] + 900, breaks[1], breaks[1] + 1800, end];
    let pieces = times.windows(2).zip(["READY", "NOTREADY", "READY", "NOTREADY", "READY"]);
    (first_id..)
        .zip(pieces)
        .map(|(id, (time, status))| state(id, agent, Channel::Email, status, (time[0], time[1])))
        .collect()
}
