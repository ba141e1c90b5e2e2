//! A few rows whose sums can be checked by hand.
//!
//! One queue and one agent on 1 March 2024. In the quarter from 08:00 UTC on two calls come: one waits 25 seconds,
//! rings 6, is spoken for 180 and held for 20, with 45 seconds of after-call work that came with a later transaction;
//! the other is given up. A third, in the next quarter, is cleared and does not count. So the queue 5001 has *offered 2,
//! handled 1, abandoned 1, 245 seconds of handle time* at 08:00, and nothing at 08:15. The agent is ready, busy, in
//! after-call work and then, without an end, not ready for lunch.

use std::collections::BTreeMap;

use crate::engage::dimensions::{self, Resource, ResourceKind};
use crate::engage::rows::Out;
use crate::engage::tables::{
    CFG_PERSON, CTL_AUDIT_LOG, INTERACTION_RESOURCE_FACT, MEDIATION_SEGMENT_FACT, RESOURCE_, SM_RES_SESSION_FACT,
    SM_RES_STATE_FACT, SM_RES_STATE_REASON_FACT,
};
use crate::ledger::{Channel, Contact, Ledger, Queue, Reason, Session, State};
use crate::sample::Sample;
use crate::sql::{Table, Value, row};

/// 1 March 2024, 08:00 UTC.
const EIGHT: i64 = 1_709_280_000;

impl Out for Sample {
    fn row(&mut self, table: &'static Table, row: Vec<Value>) {
        self.push(table, row);
    }

    fn touch(&mut self, _cycle: i64, _key: i64) {}
}

/// The rows that the module describes.
pub fn sample() -> Sample {
    let mut sample = Sample::new(ledger());
    dimensions::write(&mut sample);
    let out = &mut sample;
    resources(out);
    contacts(out);
    states(out);
    for (key, last) in [(5001, EIGHT), (5002, EIGHT + 900)] {
        let written = EIGHT + (key - 5000) * 900 + 120;
        let (wall, job) = (Value::Wall(written), format!("Job_TransformGIM_{key}"));
        let row = row![key, job, wall.clone(), wall, 4, EIGHT, last, written - 120, 1, 5, written];
        out.row(&CTL_AUDIT_LOG, row);
    }
    sample
}

fn resources(out: &mut Sample) {
    let agent =
        ResourceKind::Agent { first: "Anna".to_owned(), last: "Smith".to_owned(), employee: "E1007".to_owned() };
    let kinds = [(101, 5001, "VQ_Billing", ResourceKind::VirtualQueue), (201, 3001, "asmith", agent)];
    for (key, dbid, name, kind) in kinds {
        let (since, until) = (EIGHT - 86_400, None);
        let resource = Resource { key, dbid, name: name.to_owned(), kind, since, until, created: 5000, updated: 0 };
        out.row(&RESOURCE_, resource.row());
    }
    out.row(&CFG_PERSON, row![3001, "asmith", "E1007", "Anna", "Smith", 2, 1]);
}

fn contacts(out: &mut Sample) {
    // Identifier, interaction, target, descriptor, start, end and transaction.
    let passes = [
        (900_001, 800_001, Some(700_001), dimensions::ANSWERED, 60, 85, 5001),
        (900_002, 800_002, None, dimensions::ABANDONED_QUEUED, 120, 160, 5001),
        (900_003, 800_003, None, dimensions::CLEARED, 930, 933, 5002),
    ];
    for (id, interaction, target, descriptor, start, end, audit) in passes {
        let (key, end_key) = (EIGHT + start / 900 * 900, EIGHT + end / 900 * 900);
        let row = row![
            id,
            1,
            key,
            end_key,
            1,
            1,
            descriptor,
            101,
            interaction,
            target,
            end - start,
            0,
            0,
            EIGHT + start,
            EIGHT + end,
            audit,
            0,
            target.map(|_: i64| EIGHT),
            0
        ];
        out.row(&MEDIATION_SEGMENT_FACT, row);
    }
    let (ring, talk, hold, work) = (6, 180, 20, 45);
    let row = row![
        700_001,
        1,
        1,
        1,
        dimensions::COMPLETED,
        800_001,
        201,
        101,
        900_001,
        101,
        1,
        1,
        ring,
        talk,
        hold,
        work,
        talk,
        hold,
        work,
        0,
        5001,
        5002,
        EIGHT,
        EIGHT,
        EIGHT + 85,
        EIGHT + 85 + ring + talk + hold,
        0,
        0
    ];
    out.row(&INTERACTION_RESOURCE_FACT, row);
}

fn states(out: &mut Sample) {
    let row = row![600_001, EIGHT, EIGHT + 900, 1, 1, 201, 5001, 5002, EIGHT, EIGHT + 1800, 1800, 1, 0];
    out.row(&SM_RES_SESSION_FACT, row);
    for (place, (code, start, end)) in (1_i64..).zip(STATES) {
        let state = dimensions::state_key(code);
        // The last is active: its end is the time of the last load.
        let (written, updated) = (end.unwrap_or(1800), if end.is_none() { 5002 } else { 0 });
        let (start_ts, end_ts, end_key) = (EIGHT + start, EIGHT + written, EIGHT + written / 900 * 900);
        let (length, active) = (written - start, end.is_none());
        let row =
            row![place, EIGHT, end_key, 1, 1, 201, state, 5001, updated, 600_001, start_ts, end_ts, length, active, 0];
        out.row(&SM_RES_STATE_FACT, row);
        if active {
            let reason = dimensions::reason_key("Lunch");
            let row =
                row![1, 1, 5001, updated, EIGHT, end_key, state, reason, 1, 201, place, start_ts, end_ts, length, 1, 0];
            out.row(&SM_RES_STATE_REASON_FACT, row);
        }
    }
}

const STATES: [(&str, i64, Option<i64>); 4] =
    [("READY", 0, Some(85)), ("BUSY", 85, Some(291)), ("AFTERCALLWORK", 291, Some(336)), ("NOTREADY", 336, None)];

fn ledger() -> Ledger {
    let at = |second: i64| (EIGHT + second) * 1000;
    let call = Contact {
        id: 900_001,
        queue: 0,
        start: at(60),
        answered: Some(at(91)),
        ended: Some(at(291)),
        wrapped: Some(at(336)),
        abandoned: false,
        short: false,
    };
    let lost = Contact {
        id: 900_002,
        start: at(120),
        answered: None,
        ended: Some(at(160)),
        wrapped: None,
        abandoned: true,
        ..call
    };
    let states = (1_u64..).zip(STATES).map(|(id, (code, start, end))| {
        let ended = end.map(at);
        let lunch = Reason { name: "Lunch".to_owned(), start: at(start), end: None };
        let reason = Some(lunch).filter(|_| end.is_none());
        let channel = Some(Channel::Voice);
        let state =
            State { id, agent: 0, channel, status: code.into(), reason, start: at(start), ended, recorded: ended };
        (id, state)
    });
    let session = Session { id: 600_001, agent: 0, channel: Channel::Voice, start: at(0), end: None };
    let name = (at(-86_400), "VQ_Billing".to_owned());
    Ledger {
        queues: vec![Queue { id: "5001".to_owned(), channel: Channel::Voice, names: vec![name] }],
        users: vec!["asmith".to_owned()],
        statuses: dimensions::STATES.iter().map(|(name, code)| ((*code).into(), (*name).into())).collect(),
        contacts: BTreeMap::from([(call.id, call), (lost.id, lost)]),
        states: states.collect(),
        sessions: BTreeMap::from([(session.id, session)]),
    }
}
