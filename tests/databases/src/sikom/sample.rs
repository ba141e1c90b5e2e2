//! A few rows whose sums can be checked by hand.
//!
//! Two queues and one agent on 1 March 2024. Between 09:00 and 09:15 in Berlin, 08:00 UTC, two calls come into the queue
//! 10: one at 09:01:00, answered at 09:01:20, ended at 09:05:20 and worked on until 09:06:00; one given up. A third ends
//! in the voice menu and does not count. So there are *offered 2, handled 1, abandoned 1, 280 seconds of handle time*. The
//! agent is ready, in conversation, in after-call work and ready again, without an end.

use std::collections::BTreeMap;

use crate::ledger::{Channel, Contact, Ledger, Queue};
use crate::sample::Sample;
use crate::sikom::agents::state;
use crate::sikom::tables::{AGENT_STATUS, CALL, QUEUE, STATUS, USER};
use crate::sql::{Value, row};

/// 1 March 2024, 09:00 on the wall clock of Berlin, and the instant.
const NINE: i64 = 1_709_283_600;
const INSTANT: i64 = 1_709_280_000;

const STATUSES: [(i64, &str, i64); 5] =
    [(1, "Bereit", 0), (2, "Gespraech", 0), (3, "Nachbearbeitung", 0), (4, "Pause", 0), (9, "Abgemeldet", 1)];

/// Status, start and end in seconds after nine.
const STATES: [(i64, i64, Option<i64>); 4] =
    [(1, -120, Some(80)), (2, 80, Some(320)), (3, 320, Some(360)), (1, 360, None)];

/// The rows that the module describes.
pub fn sample() -> Sample {
    let mut sample = Sample::new(ledger());
    sample.push(&QUEUE, row![10, "Hotline", "voice"]);
    sample.push(&QUEUE, row![20, "Mail", "email"]);
    sample.push(&USER, row![1, "mmueller", "Maria", "Mueller", 1]);
    for (id, name, logout) in STATUSES {
        sample.push(&STATUS, row![id, name, logout]);
    }
    let at = |second: Option<i64>| second.map_or(Value::Null, |second| Value::Wall(NINE + second));
    let calls = [
        (5001, Some(10), [Some(55), Some(60), Some(80), Some(320), Some(360)], Some(1), "answered"),
        (5002, Some(10), [Some(120), Some(125), None, Some(170), None], None, "abandoned"),
        (5003, None, [Some(200), None, None, Some(230), None], None, "ivr"),
    ];
    for (id, queue, times, user, result) in calls {
        let [arrive, queued, answer, end, wrap] = times.map(at);
        sample.push(&CALL, row![id, 1, queue, "in", arrive, queued, answer, end, wrap, user, result]);
    }
    for (id, (status, start, end)) in (1_i64..).zip(STATES) {
        sample.push(&AGENT_STATUS, row![id, 1, status, at(Some(start)), at(end), Value::Null]);
    }
    sample
}

fn ledger() -> Ledger {
    let at = |second: i64| (INSTANT + second) * 1000;
    let call = Contact {
        id: 50_011,
        queue: 0,
        start: at(60),
        answered: Some(at(80)),
        ended: Some(at(320)),
        wrapped: Some(at(360)),
        abandoned: false,
        short: false,
    };
    let lost = Contact {
        id: 50_021,
        start: at(125),
        answered: None,
        ended: Some(at(170)),
        wrapped: None,
        abandoned: true,
        ..call
    };
    let queue = |id: &str, channel, name: &str| Queue { id: id.into(), channel, names: vec![(at(0), name.into())] };
    let states = (1_u64..).zip(STATES).map(|(id, (status, start, end))| {
        (id, state(id, 0, &status.to_string(), INSTANT + start, end.map(|end| INSTANT + end)))
    });
    Ledger {
        queues: vec![queue("10", Channel::Voice, "Hotline"), queue("20", Channel::Email, "Mail")],
        users: vec!["mmueller".to_owned()],
        statuses: STATUSES.iter().map(|(id, name, _)| (id.to_string(), (*name).to_owned())).collect(),
        contacts: BTreeMap::from([(call.id, call), (lost.id, lost)]),
        states: states.collect(),
        sessions: BTreeMap::new(),
    }
}
