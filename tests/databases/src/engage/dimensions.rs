//! The rows of the dimensions, and the keys by which facts name them.
//!
//! Names are German where a site may have them so; codes never are.

use crate::engage::rows::Out;
use crate::engage::tables::{
    INTERACTION_TYPE, MEDIA_TYPE, RESOURCE_, RESOURCE_STATE, RESOURCE_STATE_REASON, TECHNICAL_DESCRIPTOR,
};
use crate::ledger::Channel;
use crate::sql::{Value, row};

pub(crate) const ANSWERED: i64 = 1;
pub(crate) const ABANDONED_QUEUED: i64 = 2;
pub(crate) const ABANDONED_RINGING: i64 = 3;
pub(crate) const CLEARED: i64 = 4;
pub(crate) const REDIRECTED: i64 = 5;
pub(crate) const CONSULT_ANSWERED: i64 = 6;
pub(crate) const COMPLETED: i64 = 7;
pub(crate) const CONSULT_RECEIVED: i64 = 8;
pub(crate) const CONSULT_INITIATED: i64 = 9;
pub(crate) const INCOMPLETE: i64 = 10;
pub(crate) const TRANSFERRED: i64 = 11;

/// Key, result with its code, reason with its code, role with its code.
const DESCRIPTORS: [(i64, [&str; 6]); 11] = [
    (ANSWERED, ["Umgeleitet", "DIVERTED", "Von Agent angenommen", "ANSWEREDBYAGENT", "Empfangen", "RECEIVED"]),
    (ABANDONED_QUEUED, abandoned("Aufgelegt in der Warteschlange", "ABANDONEDWHILEQUEUED")),
    (ABANDONED_RINGING, abandoned("Aufgelegt beim Klingeln", "ABANDONEDWHILERINGING")),
    (CLEARED, ["Gelöscht", "CLEARED", "Nicht angegeben", "UNSPECIFIED", "Empfangen", "RECEIVED"]),
    (REDIRECTED, ["Weitergeleitet", "REDIRECTED", "Nicht angegeben", "UNSPECIFIED", "Empfangen", "RECEIVED"]),
    (
        CONSULT_ANSWERED,
        ["Umgeleitet", "DIVERTED", "Von Agent angenommen", "ANSWEREDBYAGENT", "Rückfrage", "RECEIVEDCONSULT"],
    ),
    (COMPLETED, ["Beendet", "COMPLETED", "Nicht angegeben", "UNSPECIFIED", "Empfangen", "RECEIVED"]),
    (CONSULT_RECEIVED, ["Beendet", "COMPLETED", "Nicht angegeben", "UNSPECIFIED", "Rückfrage", "RECEIVEDCONSULT"]),
    (CONSULT_INITIATED, ["Beendet", "COMPLETED", "Nicht angegeben", "UNSPECIFIED", "Rückfrage", "INITIATEDCONSULT"]),
    (INCOMPLETE, ["Unvollständig", "INCOMPLETE", "Nicht angegeben", "UNSPECIFIED", "Empfangen", "RECEIVED"]),
    (TRANSFERRED, ["Übergeben", "TRANSFERRED", "Nicht angegeben", "UNSPECIFIED", "Empfangen", "RECEIVED"]),
];

const fn abandoned(reason: &'static str, code: &'static str) -> [&'static str; 6] {
    ["Vom Kunden beendet", "CUSTOMERABANDONED", reason, code, "Empfangen", "RECEIVED"]
}

/// The states: the key is the place, counted from one.
pub(crate) const STATES: [(&str, &str); 6] = [
    ("Bereit", "READY"),
    ("Belegt", "BUSY"),
    ("Nachbearbeitung", "AFTERCALLWORK"),
    ("Nicht bereit", "NOTREADY"),
    ("Angemeldet", "LOGGEDONONLY"),
    ("Unbekannt", "UNKNOWN"),
];

/// The reasons: hardware reason, software key and value. The key is the place, counted from one.
pub(crate) const REASONS: [[Option<&str>; 3]; 5] = [
    [Some("4"), None, None],
    [None, Some("ReasonCode"), Some("Lunch")],
    [None, Some("ReasonCode"), Some("Meeting")],
    [None, Some("ReasonCode"), Some("Rückfrage")],
    [None, Some("Grund"), Some("Training")],
];

pub(crate) fn state_key(code: &str) -> i64 {
    1 + STATES.iter().position(|(_, known)| *known == code).expect("states are drawn from the list") as i64
}

/// What a reader calls a reason: the hardware reason, else the software value.
pub(crate) fn reason_name(reason: usize) -> &'static str {
    let [hardware, _, value] = REASONS[reason];
    hardware.or(value).expect("each has one")
}

pub(crate) fn reason_key(name: &str) -> i64 {
    let place = (0..REASONS.len()).position(|reason| reason_name(reason) == name);
    1 + place.expect("reasons are drawn from the list") as i64
}

pub(crate) fn media_key(channel: Channel) -> i64 {
    match channel {
        Channel::Voice => 1,
        Channel::Email => 2,
        Channel::Chat => 3,
    }
}

/// Writes all but the resources.
pub(crate) fn write(out: &mut impl Out) {
    for (key, name, code, online) in
        [(1, "Sprache", "VOICE", true), (2, "E-Mail", "EMAIL", false), (3, "Chat", "CHAT", true)]
    {
        out.row(&MEDIA_TYPE, row![key, name, code, online, -1, 0]);
    }
    for (key, name, code) in [(1, "Eingehend", "INBOUND"), (2, "Ausgehend", "OUTBOUND"), (3, "Intern", "INTERNAL")] {
        out.row(&INTERACTION_TYPE, row![key, name, code, name, code]);
    }
    for (key, [result, result_code, reason, reason_code, role, role_code]) in DESCRIPTORS {
        let none = ["Keine", "NONE"];
        out.row(
            &TECHNICAL_DESCRIPTOR,
            row![key, result, result_code, reason, reason_code, role, role_code, none[0], none[1], -1, 0],
        );
    }
    for (place, (name, code)) in (1_i64..).zip(STATES) {
        let kind = if code == "UNKNOWN" { ["Unbekannt", "UNKNOWN"] } else { ["Agent", "AGENT"] };
        out.row(&RESOURCE_STATE, row![place, kind[0], kind[1], name, code, -1, 0]);
    }
    for (place, [hardware, software, value]) in (1_i64..).zip(REASONS) {
        let kind = if hardware.is_some() { ["Hardware", "HARDWARE"] } else { ["Software", "SOFTWARE"] };
        out.row(
            &RESOURCE_STATE_REASON,
            row![place, 1, kind[0], kind[1], hardware, software, value, "Keiner", "NONE", -1, 0, 0],
        );
    }
}

/// A row of `RESOURCE_`: who, since and until when, and by which transactions.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) key: i64,
    pub(crate) dbid: i64,
    pub(crate) name: String,
    pub(crate) kind: ResourceKind,
    pub(crate) since: i64,
    pub(crate) until: Option<i64>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum ResourceKind {
    VirtualQueue,
    /// A queue that the switch keeps; the name of the subtype is not public.
    AcdQueue,
    Agent {
        first: String,
        last: String,
        employee: String,
    },
}

impl Resource {
    pub(crate) fn row(&self) -> Vec<Value> {
        let (kind, kind_code, subtype, object) = match &self.kind {
            ResourceKind::VirtualQueue => ("Warteschlange", "QUEUE", "VirtualQueue", 2),
            ResourceKind::AcdQueue => ("Warteschlange", "QUEUE", "ACDQueue", 2),
            ResourceKind::Agent { .. } => ("Agent", "AGENT", "Agent", 3),
        };
        let (first, last, employee) = match &self.kind {
            ResourceKind::Agent { first, last, employee } => {
                (Some(first.clone()), Some(last.clone()), Some(employee.clone()))
            }
            ResourceKind::VirtualQueue | ResourceKind::AcdQueue => (None, None, None),
        };
        row![
            self.key,
            1,
            self.created,
            self.updated,
            "Switch1",
            kind,
            kind_code,
            subtype,
            self.name.clone(),
            first,
            last,
            employee,
            self.dbid,
            object,
            self.name.trim().to_lowercase(),
            self.since,
            self.until,
            0
        ]
    }
}

/// The row that stands for no resource.
pub(crate) fn write_none(out: &mut impl Out) {
    out.row(
        &RESOURCE_,
        row![
            -2,
            1,
            -1,
            0,
            "NONE",
            "None",
            "NONE",
            "None",
            "NONE",
            Value::Null,
            Value::Null,
            Value::Null,
            0,
            0,
            "NONE",
            0,
            Value::Null,
            0
        ],
    );
}
