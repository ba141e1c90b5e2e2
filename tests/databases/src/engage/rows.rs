//! Calls and states as rows.

use crate::civil::days_of;
use crate::engage::calls::{Call, End, Handling, How, Interaction, Pass, Phase};
use crate::engage::dimensions as keys;
use crate::engage::tables::{
    INTERACTION_RESOURCE_FACT, LOGIN, MEDIATION_SEGMENT_FACT, QINFO, SM_RES_SESSION_FACT, SM_RES_STATE_FACT,
    SM_RES_STATE_REASON_FACT, STATUS,
};
use crate::ledger::{Session, State};
use crate::sql::{Table, Value, row};

/// The transaction that wrote the first quarter of the first day; each quarter has one.
pub(crate) const FIRST_AUDIT: i64 = 10_000;

/// Where rows go.
pub(crate) trait Out {
    fn row(&mut self, table: &'static Table, row: Vec<Value>);
    /// Notes that the transaction of a quarter wrote a fact of this partition.
    fn touch(&mut self, cycle: i64, key: i64);
}

/// The partition of an instant: the start of its quarter.
pub(crate) fn partition(seconds: i64) -> i64 {
    seconds - seconds.rem_euclid(900)
}

pub(crate) fn audit(cycle: i64) -> i64 {
    FIRST_AUDIT + cycle
}

fn update_audit(updated: Option<i64>) -> i64 {
    updated.map_or(0, audit)
}

/// What `END_TS` holds in a row that is active. Nothing public says which, so that all are used: nothing, the time of the
/// load, and an instant that stands for the end.
pub(crate) fn open_end(id: u64, as_of: i64) -> Option<i64> {
    match id % 3 {
        0 => None,
        1 => Some(as_of),
        _ => Some(days_of(2025, 12, 31) * 86_400 + 85_500),
    }
}

/// The rows of a call as a load up to this instant sees it.
pub(crate) fn write_call(call: &Call, as_of: i64, out: &mut impl Out) {
    for pass in &call.passes {
        write_pass(call, pass, as_of, out);
        if let End::Left { how: How::Answered(handling), .. } = &pass.end {
            write_handling(call, pass, handling, as_of, out);
            if pass.consult {
                write_initiator(call, pass, handling, out);
            }
        }
    }
}

/// The rows of the agent who handles the first pass.
pub(crate) fn write_handling_of(call: &Call, as_of: i64, out: &mut impl Out) {
    let pass = &call.passes[0];
    if let Some(handling) = pass.handling() {
        write_handling(call, pass, handling, as_of, out);
    }
}

fn write_pass(call: &Call, pass: &Pass, as_of: i64, out: &mut impl Out) {
    let key = partition(pass.entered);
    out.touch(pass.created, key);
    if let Some(updated) = pass.updated {
        out.touch(updated, key);
    }
    let (left, descriptor) = match &pass.end {
        End::Waiting => (None, keys::INCOMPLETE),
        End::Left { at, how } => (Some(*at), pass.descriptor(how)),
    };
    let end = left.or_else(|| open_end(pass.id, as_of));
    let target = pass.handling();
    let short = matches!(pass.end, End::Left { how: How::Abandoned { short: true, .. }, .. });
    out.row(
        &MEDIATION_SEGMENT_FACT,
        row![
            pass.id,
            1,
            key,
            end.map(partition),
            call.kind as i64,
            keys::media_key(call.channel),
            descriptor,
            pass.key,
            call.id,
            target.map(|target| target.id),
            left.unwrap_or(as_of) - pass.entered,
            short,
            left.is_none(),
            pass.entered,
            end,
            audit(pass.created),
            update_audit(pass.updated),
            target.map(|target| partition(target.answered - target.ring)),
            0
        ],
    );
    if let (Some(left), Some(dbid)) = (left, pass.dbid) {
        out.row(&QINFO, row![dbid, call.id, 1, pass.entered, left - pass.entered, left]);
    }
}

fn write_handling(call: &Call, pass: &Pass, handling: &Handling, as_of: i64, out: &mut impl Out) {
    let start = handling.answered - handling.ring;
    let key = partition(start);
    out.touch(handling.created, key);
    if let Some(updated) = handling.updated {
        out.touch(updated, key);
    }
    let active = handling.phase != Phase::Done;
    let end = if active { open_end(handling.id, as_of) } else { Some(handling.talked_until()) };
    let talk = if handling.phase == Phase::Talking { as_of - handling.answered } else { handling.talk };
    let work = if active { 0 } else { handling.work };
    let descriptor = match (pass.consult, call.transferred(pass)) {
        (true, _) => keys::CONSULT_RECEIVED,
        (false, true) => keys::TRANSFERRED,
        (false, false) => keys::COMPLETED,
    };
    let customer = |seconds: i64| if pass.consult { 0 } else { seconds };
    out.row(
        &INTERACTION_RESOURCE_FACT,
        row![
            handling.id,
            1,
            call.kind as i64,
            keys::media_key(call.channel),
            descriptor,
            call.id,
            handling.agent_key,
            pass.key,
            pass.id,
            pass.key,
            1,
            customer(1),
            customer(handling.ring),
            customer(talk),
            customer(handling.hold),
            customer(work),
            talk,
            handling.hold,
            work,
            if pass.consult { talk } else { 0 },
            audit(handling.created),
            update_audit(handling.updated),
            key,
            end.map(partition),
            start,
            end,
            active,
            0
        ],
    );
}

/// The row of the agent who asked another one: it has talk time too, none of it with the customer.
fn write_initiator(call: &Call, pass: &Pass, handling: &Handling, out: &mut impl Out) {
    let Some(first) = call.passes[0].handling() else { return };
    let key = partition(pass.entered);
    out.touch(handling.created, key);
    out.row(
        &INTERACTION_RESOURCE_FACT,
        row![
            pass.id | 7,
            1,
            call.kind as i64,
            keys::media_key(call.channel),
            keys::CONSULT_INITIATED,
            call.id,
            first.agent_key,
            -2,
            Value::Null,
            -2,
            1,
            0,
            0,
            0,
            0,
            0,
            handling.talk,
            0,
            0,
            0,
            audit(handling.created),
            0,
            key,
            partition(handling.talked_until()),
            pass.entered,
            handling.talked_until(),
            0,
            0
        ],
    );
}

/// A login session and what it needs beside the ledger's.
pub(crate) fn write_session(session: &Session, names: &AgentNames, first: i64, as_of: i64, out: &mut impl Out) {
    let start = session.start / 1000;
    let end = session.end.map(|end| end / 1000);
    let (created, updated) = cycles(start, end, first);
    let key = partition(start);
    out.touch(created, key);
    if let Some(updated) = updated {
        out.touch(updated, key);
    }
    let written = end.or_else(|| open_end(session.id, as_of));
    out.row(
        &SM_RES_SESSION_FACT,
        row![
            session.id,
            key,
            written.map(partition),
            1,
            keys::media_key(session.channel),
            names.key,
            audit(created),
            update_audit(updated),
            start,
            written,
            end.unwrap_or(as_of) - start,
            end.is_none(),
            0
        ],
    );
    for (status, time) in [(1, Some(start)), (0, end)] {
        if let Some(time) = time {
            out.row(&LOGIN, login(names.dbid, status, time));
        }
    }
}

/// A login (1) or logout (0) as Stat Server writes it.
pub(crate) fn login(dbid: i64, status: i64, time: i64) -> Vec<Value> {
    row![101, 700, 0, dbid, 800, status, time, format!("{:<16}", dbid + 40_000)]
}

/// The keys of an agent at the time of a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AgentNames {
    pub(crate) key: i64,
    pub(crate) dbid: i64,
}

/// The quarters in which a row was made and, if later, closed.
fn cycles(start: i64, end: Option<i64>, first: i64) -> (i64, Option<i64>) {
    let created = (start - first).div_euclid(900);
    (created, end.map(|end| (end - first).div_euclid(900)).filter(|updated| *updated > created))
}

/// A state, its reason, and the status of Stat Server if it has ended.
pub(crate) fn write_state(state: &State, session: u64, names: &AgentNames, first: i64, as_of: i64, out: &mut impl Out) {
    let media = keys::media_key(state.channel.expect("states have a channel"));
    let code = keys::state_key(&state.status);
    let write = |start: i64, end: Option<i64>| {
        let (start, end) = (start / 1000, end.map(|end| end / 1000));
        let (created, updated) = cycles(start, end, first);
        (start, end, created, updated, end.or_else(|| open_end(state.id, as_of)))
    };
    let (start, end, created, updated, written) = write(state.start, state.recorded);
    out.touch(created, partition(start));
    if let Some(updated) = updated {
        out.touch(updated, partition(start));
    }
    out.row(
        &SM_RES_STATE_FACT,
        row![
            state.id,
            partition(start),
            written.map(partition),
            1,
            media,
            names.key,
            code,
            audit(created),
            update_audit(updated),
            session,
            start,
            written,
            end.unwrap_or(as_of) - start,
            end.is_none(),
            0
        ],
    );
    if let Some(end) = end {
        write_status(state, names.dbid, start, end, out);
    }
    let Some(reason) = &state.reason else { return };
    let (start, end, created, updated, written) = write(reason.start, reason.end);
    out.touch(created, partition(start));
    if let Some(updated) = updated {
        out.touch(updated, partition(start));
    }
    out.row(
        &SM_RES_STATE_REASON_FACT,
        row![
            state.id,
            1,
            audit(created),
            update_audit(updated),
            partition(start),
            written.map(partition),
            code,
            keys::reason_key(&reason.name),
            media,
            names.key,
            state.id,
            start,
            written,
            end.unwrap_or(as_of) - start,
            end.is_none(),
            0
        ],
    );
}

/// The status that Stat Server writes at the end of a state.
pub(crate) fn write_status(state: &State, dbid: i64, start: i64, end: i64, out: &mut impl Out) {
    let status = match state.status.as_str() {
        "READY" => 4,
        "BUSY" => 22,
        "AFTERCALLWORK" => 9,
        "NOTREADY" => 8,
        "LOGGEDONONLY" => 2,
        _ => 18,
    };
    out.row(&STATUS, row![state.id, dbid, 800, status, start, end - start, end, 0]);
}

impl Interaction {
    pub(crate) fn is_inbound(self) -> bool {
        self == Self::Inbound
    }
}
