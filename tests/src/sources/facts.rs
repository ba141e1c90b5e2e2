//! Calls and statuses in a database, and what they are.

use injixo_connectors::core::model::{Channel, Contact, Millis, Timestamp};
use injixo_core::testkit::Fact;

use super::{Db, at};

/// What a clock in Berlin shows; the days on which it is put on and back in 2024 are known.
pub fn berlin(at: Timestamp) -> String {
    let (spring, autumn) = (1_711_846_800_000, 1_729_990_800_000);
    let summer = (spring..autumn).contains(&at.millis());
    let local = Timestamp::from_millis(at.millis() + if summer { 7_200_000 } else { 3_600_000 });
    local.to_string().trim_end_matches('Z').replace('T', " ")
}

/// Queue, start, whether it was answered, seconds.
pub type Call = (String, Timestamp, bool, i64);

/// Agent, status, start, end.
pub type State = (String, String, Timestamp, Timestamp);

/// Calls and statuses of a Saturday evening and the Sunday of 25 hours after it, but for the second pass of the repeated hour.
pub fn facts() -> (Vec<Call>, Vec<State>) {
    let begin = at("2024-10-26T20:00:00Z").millis();
    let repeated = at("2024-10-27T01:00:00Z").millis()..at("2024-10-27T02:00:00Z").millis();
    let calls = (0..160_i64).map(|number| {
        let start = Timestamp::from_millis(begin + number * 617_003);
        (
            ["1", "2", "3"][usize::try_from(number % 3).expect("small")].to_owned(),
            start,
            number % 4 > 0,
            40 + number % 300,
        )
    });
    let calls = calls.filter(|call| !repeated.contains(&call.1.millis()));
    let mut states = Vec::new();
    for (agent, shift) in [("amy", 0), ("Bob ", 420_000)] {
        let mut start = begin + shift;
        for number in 0..40_i64 {
            let mut end = start + (10 + number * 7 % 60) * 60_000;
            if repeated.contains(&end) {
                end = repeated.end;
            }
            let status = ["Ready", "On Call", "Pause ☕"][usize::try_from(number % 3).expect("small")];
            let span = (Timestamp::from_millis(start), Timestamp::from_millis(end));
            states.push((agent.to_owned(), status.to_owned(), span.0, span.1));
            start = if number % 5 == 4 { end + 180_000 } else { end };
        }
    }
    (calls.collect(), states)
}

/// Writes them down, by the clock of Berlin.
pub async fn fill(db: &Db) {
    let local = db.local();
    db.run(&format!(
        "CREATE TABLE calls (queue_id INTEGER, queue_name VARCHAR(40), started {local}, answered INTEGER, seconds INTEGER)"
    ))
    .await;
    db.run(&format!("CREATE TABLE states (agent VARCHAR(40), status VARCHAR(40), started {local}, ended {local})"))
        .await;
    let (calls, states) = facts();
    for (queue, start, answered, seconds) in calls {
        let seconds = if answered { seconds.to_string() } else { "NULL".to_owned() };
        let (answered, start) = (i32::from(answered), db.clock(start));
        db.run(&format!("INSERT INTO calls VALUES ({queue}, 'Queue {queue}', {start}, {answered}, {seconds})")).await;
    }
    for (agent, status, start, end) in states {
        let (start, end) = (db.clock(start), db.clock(end));
        db.run(&format!("INSERT INTO states VALUES ('{agent}', '{status}', {start}, {end})")).await;
    }
}

/// Reads the calls.
pub const CALLS: &str = "SELECT queue_id AS QueueIdentifier, queue_name AS queuename, started AS \"timestamp\", answered, \
    seconds AS duration FROM calls ORDER BY started;";
/// Reads the statuses.
pub const STATES: &str =
    "SELECT agent AS agentidentifier, status AS activity, started AS starttime, ended AS endtime FROM states -- all";

/// A query as that kind of database quotes names.
pub fn for_kind(query: &str, kind: &str) -> String {
    if kind == "mysql" { query.replace('"', "`") } else { query.to_owned() }
}

/// The calls as the engine is to find them.
pub fn true_contacts() -> Vec<Fact> {
    let contact = |(queue, start, answered, seconds): Call| {
        let contact = Contact::offered(start);
        let contact = if answered { contact.handled(Millis::from_secs(seconds)) } else { contact };
        Fact::contact(&queue, Channel::Calls, contact)
    };
    facts().0.into_iter().map(contact).collect()
}

/// The statuses as the engine is to find them.
pub fn true_statuses() -> Vec<Fact> {
    facts().1.iter().map(|(agent, status, start, end)| Fact::span(agent, status, *start, *end)).collect()
}

/// How a type writes an instant.
pub type Writes = fn(Timestamp) -> String;

/// As text, by the clock of Berlin.
pub fn quoted_local(at: Timestamp) -> String {
    format!("'{}'", berlin(at))
}

/// As text, in UTC.
pub fn quoted_utc(at: Timestamp) -> String {
    format!("'{at}'")
}

/// As whole seconds since 1970.
pub fn seconds(at: Timestamp) -> String {
    at.millis().div_euclid(1_000).to_string()
}

/// As seconds since 1970.
pub fn fractional(at: Timestamp) -> String {
    format!("{}.{:03}", at.millis() / 1_000, at.millis() % 1_000)
}

/// In MySQL, from seconds, whatever the zone of the session.
pub fn from_seconds(at: Timestamp) -> String {
    format!("FROM_UNIXTIME({})", fractional(at))
}

/// As the stand-in for SQL Server keeps them: without zeros at the end of a fraction.
fn moment(text: &str) -> String {
    let text = text.trim_end_matches('Z').replace('T', " ");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// In the stand-in for SQL Server, by the clock of Berlin.
pub fn local_moment(at: Timestamp) -> String {
    format!("'{}'", moment(&berlin(at)))
}

/// In the stand-in for SQL Server, as an instant.
pub fn utc_moment(at: Timestamp) -> String {
    format!("'{} +00:00'", moment(&at.to_string()))
}
