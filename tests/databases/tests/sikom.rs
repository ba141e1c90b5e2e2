//! The SQL that reads the rows of Sikom gives what the ledger says: on the sample, on a generated world over both nights
//! in which clocks change, and after each step.
//!
//! Times are read with the zone database, which knows nothing of the rule by which they were made.

use std::collections::{BTreeMap, BTreeSet};

use injixo_test_databases::civil::{berlin_instants, berlin_wall};
use injixo_test_databases::ledger::{Ledger, Quarters, Rules, Span, Sums};
use injixo_test_databases::sikom::{self, by_wall_clock};
use injixo_test_databases::{Case, Dialect, Names, Size, StepKind};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::Connection;

/// As times are written; a date of 1900 stands for none.
const CONTACTS: &str = "
    SELECT c.call_id, c.leg_no, q.queue_id, q.queue_name,
           NULLIF(c.t_queue, '1900-01-01 00:00:00'), NULLIF(c.t_answer, '1900-01-01 00:00:00'),
           NULLIF(c.t_end, '1900-01-01 00:00:00'), NULLIF(c.t_wrap_end, '1900-01-01 00:00:00'), c.result
    FROM acd_call c JOIN acd_queue q ON q.queue_id = c.queue_id
    WHERE c.direction = 'in' AND c.t_queue >= ?1 AND c.t_queue < ?2
    ORDER BY c.t_queue, c.call_id, c.leg_no";

/// A status without a name has its row too.
const STATUSES: &str = "
    SELECT u.user_name, s.status_id, s.t_start, NULLIF(s.t_end, '1900-01-01 00:00:00')
    FROM acd_agent_status s
    JOIN acd_user u ON u.user_id = s.user_id
    LEFT JOIN acd_status st ON st.status_id = s.status_id
    WHERE s.group_id IS NULL AND s.t_start < ?2 AND (NULLIF(s.t_end, '1900-01-01 00:00:00') IS NULL OR s.t_end > ?1)
    ORDER BY s.user_id, s.t_start, s.rec_id";

fn names() -> Names {
    Names::default().case(Case::Upper)
}

fn database(rows: impl Iterator<Item = String>) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let transaction = connection.unchecked_transaction().unwrap();
    for statement in sikom::schema(Dialect::Sqlite, &names()).into_iter().chain(rows) {
        connection.execute(&statement, []).unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
    transaction.commit().unwrap();
    connection
}

/// The instant of a local time, in milliseconds: the earlier, unless that lies before another instant.
fn instant(text: &str, after: i64) -> i64 {
    let time: DateTime = text.replace(' ', "T").parse().unwrap();
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let earlier = zone.to_ambiguous_timestamp(time).earlier().unwrap().as_millisecond();
    let later = zone.to_ambiguous_timestamp(time).later().unwrap().as_millisecond();
    if earlier < after { later } else { earlier }
}

fn read_quarters(connection: &Connection, from: &str, to: &str) -> Quarters {
    let mut statement = connection.prepare(CONTACTS).unwrap();
    let mut rows = statement.query([from, to]).unwrap();
    let mut quarters = Quarters::new();
    while let Some(row) = rows.next().unwrap() {
        let text = |column: usize| row.get::<_, Option<String>>(column).unwrap();
        let start = instant(&text(4).unwrap(), i64::MIN);
        let answered = text(5).map(|text| instant(&text, start));
        let ended = text(6).map(|text| instant(&text, answered.unwrap_or(start)));
        let wrap = text(7).zip(ended).map_or(0, |(text, ended)| instant(&text, ended) - ended);
        let queue: i64 = row.get(2).unwrap();
        let sums: &mut Sums = quarters.entry((queue.to_string(), start - start % 900_000)).or_default();
        sums.offered += 1;
        sums.abandoned += i64::from(text(8).as_deref() == Some("abandoned"));
        if let Some(answered) = answered {
            sums.handled += 1;
            sums.wait_seconds += (answered - start) / 1000;
            if let Some(ended) = ended {
                sums.timed += 1;
                sums.handle_seconds += (ended - answered + wrap) / 1000;
            }
        }
    }
    quarters
}

fn read_spans(connection: &Connection) -> Vec<Span> {
    let mut statement = connection.prepare(STATUSES).unwrap();
    let rows = statement.query_map(["1000-01-01 00:00:00", "9999-12-31 00:00:00"], |row| {
        let start = instant(&row.get::<_, String>(2)?, i64::MIN);
        let end = row.get::<_, Option<String>>(3)?.map(|end| instant(&end, start));
        let user = row.get::<_, String>(0)?.trim_end().to_owned();
        Ok(Span { user, start, end, status: row.get::<_, i64>(1)?.to_string() })
    });
    let mut spans: Vec<Span> = rows.unwrap().map(Result::unwrap).collect();
    spans.retain(|span| span.end != Some(span.start));
    spans.sort();
    spans
}

#[track_caller]
fn assert_equal(connection: &Connection, ledger: &Ledger) {
    let read = by_wall_clock(ledger);
    assert_eq!(
        read_quarters(connection, "1901-01-01 00:00:00", "9999-12-31 00:00:00"),
        read.quarters(Rules::default())
    );
    assert_eq!(read_spans(connection), read.spans());
    let mut statement = connection.prepare("SELECT queue_id, queue_name FROM acd_queue").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?.to_string(), row.get::<_, String>(1)?)));
    let found: BTreeMap<String, String> =
        rows.unwrap().map(Result::unwrap).map(|(id, name)| (id, name.trim_end().to_owned())).collect();
    assert_eq!(found, ledger.queues.iter().map(|queue| (queue.id.clone(), queue.name().to_owned())).collect());
}

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{error}: {sql}"))
}

fn load(world: &sikom::World) -> Connection {
    database(world.load(Dialect::Sqlite, &names()))
}

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// Worlds around the nights of a year in which clocks change, the last of which end in them.
fn worlds() -> Vec<sikom::World> {
    let days = [
        ("2024-03-29T00:00:00Z", 4),
        ("2024-10-25T00:00:00Z", 4),
        ("2024-03-28T00:00:00Z", 3),
        ("2024-10-24T00:00:00Z", 3),
    ];
    let size = |(first, days)| Size { days, first_day: at(first), contacts_per_day: 500, ..Size::default() };
    (5..).zip(days).map(|(seed, days)| sikom::World::new(seed, size(days))).collect()
}

#[test]
fn the_wall_clock_is_that_of_the_zone_database() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    for instant in (at("1998-01-01T00:00:00Z")..at("2038-01-01T00:00:00Z")).step_by(1800) {
        let offset = zone.to_offset(jiff::Timestamp::from_second(instant).unwrap());
        assert_eq!(berlin_wall(instant), instant + i64::from(offset.seconds()), "{instant}");
        let (earlier, later) = berlin_instants(berlin_wall(instant));
        assert!([earlier, later].contains(&instant), "{instant}");
    }
}

#[test]
fn the_sample_gives_the_sums_of_its_description() {
    let sample = sikom::sample();
    let connection = database(sample.load(Dialect::Sqlite, &names()));
    let sums = Sums { offered: 2, handled: 1, abandoned: 1, handle_seconds: 280, timed: 1, wait_seconds: 20 };
    let expected = Quarters::from([(("10".to_owned(), 1_709_280_000_000), sums)]);
    assert_eq!(read_quarters(&connection, "2024-03-01 09:00:00", "2024-03-01 09:15:00"), expected);
    assert_equal(&connection, sample.ledger());
    assert_eq!(sample.ledger().quarters(Rules::default()), expected);
    let spans = read_spans(&connection);
    assert_eq!(spans.len(), 4);
    assert_eq!((spans[3].end, spans[3].status.as_str()), (None, "1"));
}

#[test]
fn worlds_read_as_their_ledgers_say() {
    for world in worlds() {
        let ledger = world.ledger();
        assert_equal(&load(&world), &ledger);
        assert_eq!(world.quarters(Rules::default()), ledger.quarters(Rules::default()));
        assert!(ledger.contacts.len() > 1000);
    }
}

#[test]
fn only_the_hour_that_comes_twice_is_misread() {
    let world = &worlds()[1];
    let (ledger, again) = (world.ledger(), at("2024-10-27T01:00:00Z") * 1000..at("2024-10-27T02:00:00Z") * 1000);
    let read = by_wall_clock(&ledger);
    let mut moved = 0;
    for (contact, read) in ledger.contacts.values().zip(read.contacts.values()) {
        if contact.start != read.start {
            moved += 1;
            assert!(again.contains(&contact.start), "{contact:?}");
            assert_eq!(contact.start - 3_600_000, read.start);
        }
    }
    assert!(moved > 10, "{moved}");
    let quiet = &worlds()[0].ledger();
    assert_eq!(&by_wall_clock(quiet), quiet, "no hour comes twice in March");
}

#[test]
fn the_database_and_the_ledger_change_alike() {
    for world in worlds() {
        let connection = load(&world);
        let mut ledger = world.ledger();
        let mut kinds = BTreeSet::new();
        for step in world.steps(20) {
            let before = ledger.clone();
            for statement in step.sql(Dialect::Sqlite, &names()) {
                let rows = connection.execute(&statement, []).unwrap_or_else(|error| panic!("{error}: {statement}"));
                assert_eq!(rows, 1, "{statement}");
            }
            step.apply(&mut ledger);
            assert_ne!(ledger, before, "a step changes something");
            assert_equal(&connection, &ledger);
            kinds.insert(format!("{:?}", step.kind()));
            if step.kind() == StepKind::LateWork {
                let grown = |id: &u64| ledger.contacts[id].handle_seconds() > before.contacts[id].handle_seconds();
                assert!(before.contacts.keys().any(grown));
            }
        }
        assert_eq!(kinds.len(), 4, "{kinds:?}");
    }
}

#[test]
fn small_worlds_read_as_their_ledgers_say() {
    for (seed, days, queues, agents, contacts_per_day) in [(1, 1, 1, 1, 0), (2, 1, 1, 1, 1), (3, 2, 30, 40, 300)] {
        let world = sikom::World::new(seed, Size { days, queues, agents, contacts_per_day, ..Size::default() });
        let connection = load(&world);
        let mut ledger = world.ledger();
        for step in world.steps(9) {
            assert_equal(&connection, &ledger);
            for statement in step.sql(Dialect::Sqlite, &names()) {
                connection.execute(&statement, []).unwrap_or_else(|error| panic!("{error}: {statement}"));
            }
            step.apply(&mut ledger);
        }
        assert_equal(&connection, &ledger);
    }
}

#[test]
fn a_world_has_every_trap() {
    let connection = load(&worlds()[1]);
    let traps = [
        (
            "calls in two queues",
            "SELECT COUNT(*) FROM acd_call a JOIN acd_call b USING (call_id) WHERE a.leg_no = 1 AND b.leg_no = 2 AND a.queue_id <> b.queue_id AND a.result = 'transferred'",
        ),
        (
            "ends of work to come",
            "SELECT COUNT(*) FROM acd_call WHERE result = 'answered' AND t_end > '2024-10-29' AND t_wrap_end IS NULL",
        ),
        (
            "calls never closed",
            "SELECT COUNT(*) FROM acd_call WHERE t_answer > '2000-01-01' AND t_answer < '2024-10-28' AND t_end IS NULL",
        ),
        (
            "statuses never closed",
            "SELECT COUNT(*) FROM acd_agent_status WHERE t_end IS NULL AND t_start < '2024-10-28'",
        ),
        ("dates in place of none", "SELECT COUNT(*) FROM acd_call WHERE t_queue = '1900-01-01 00:00:00'"),
        ("dates in place of no end", "SELECT COUNT(*) FROM acd_agent_status WHERE t_end = '1900-01-01 00:00:00'"),
        (
            "statuses without a name",
            "SELECT COUNT(*) FROM acd_agent_status LEFT JOIN acd_status s USING (status_id) WHERE s.status_id IS NULL",
        ),
        ("statuses for one queue", "SELECT COUNT(*) FROM acd_agent_status WHERE group_id IS NOT NULL"),
        ("logged off", "SELECT COUNT(*) FROM acd_agent_status WHERE status_id = 9"),
        (
            "calls that end in the menu",
            "SELECT COUNT(*) FROM acd_call WHERE result = 'ivr' AND queue_id IS NULL AND t_queue IS NULL",
        ),
        ("outbound calls", "SELECT COUNT(*) FROM acd_call WHERE direction = 'out'"),
        (
            "contacts in the hour that comes twice",
            "SELECT COUNT(*) > 20 FROM acd_call WHERE t_queue BETWEEN '2024-10-27 02:00:00' AND '2024-10-27 02:59:59'",
        ),
        (
            "ends that seem to lie before their start",
            "SELECT COUNT(*) FROM acd_agent_status WHERE t_end < t_start AND t_end > '2000-01-01'",
        ),
        ("padded user names", "SELECT COUNT(*) FROM acd_user WHERE user_name <> RTRIM(user_name)"),
        ("user names in upper case", "SELECT COUNT(*) FROM acd_user WHERE user_name = UPPER(user_name)"),
        ("umlauts", "SELECT COUNT(*) FROM acd_user WHERE user_name LIKE '%ö%'"),
    ];
    for (trap, sql) in traps {
        assert!(count(&connection, sql) > 0, "{trap}");
    }
    let spring = load(&worlds()[0]);
    let missing = "SELECT COUNT(*) FROM acd_call WHERE t_queue BETWEEN '2024-03-31 02:00:00' AND '2024-03-31 02:59:59'";
    assert_eq!(count(&spring, missing), 0);
    assert!(count(&spring, "SELECT COUNT(*) FROM acd_call WHERE t_queue LIKE '2024-03-31 03%'") > 20);
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let text = |seed: u64| {
        let world = sikom::World::new(seed, Size { days: 2, contacts_per_day: 100, ..Size::default() });
        let steps = world.steps(8);
        let steps = steps.iter().flat_map(|step| step.sql(Dialect::MySql, &Names::default()));
        world.load(Dialect::MySql, &Names::default()).chain(steps).collect::<Vec<_>>().join(";\n")
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}
