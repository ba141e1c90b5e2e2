//! The SQL that reads Info Mart gives what the ledger says: on the sample, on a generated world, and after each step.

use std::collections::{BTreeMap, BTreeSet};

use injixo_test_databases::ledger::{Channel, Ledger, Quarters, Rules, Span, Sums};
use injixo_test_databases::{Case, Dialect, Names, Size, StepKind, engage};
use rusqlite::Connection;

/// The sums by queue and quarter. A role is asked for, which the sample does without.
const QUARTERS: &str = "
    SELECT q.RESOURCE_CFG_DBID, m.START_DATE_TIME_KEY,
           SUM(CASE WHEN td.TECHNICAL_RESULT_CODE <> 'CLEARED' THEN 1 ELSE 0 END),
           SUM(CASE WHEN td.RESULT_REASON_CODE = 'ANSWEREDBYAGENT' THEN 1 ELSE 0 END),
           SUM(CASE WHEN td.RESULT_REASON_CODE IN ('ABANDONEDWHILEQUEUED','ABANDONEDWHILERINGING') THEN 1 ELSE 0 END),
           SUM(CASE WHEN td.RESULT_REASON_CODE = 'ANSWEREDBYAGENT'
                    THEN COALESCE(i.CUSTOMER_TALK_DURATION,0) + COALESCE(i.CUSTOMER_HOLD_DURATION,0)
                         + COALESCE(i.CUSTOMER_ACW_DURATION,0)
                    ELSE 0 END),
           SUM(CASE WHEN td.RESULT_REASON_CODE = 'ANSWEREDBYAGENT'
                    THEN m.MEDIATION_DURATION + COALESCE(i.CUSTOMER_RING_DURATION,0) ELSE 0 END)
    FROM MEDIATION_SEGMENT_FACT m
    JOIN RESOURCE_ q ON q.RESOURCE_KEY = m.RESOURCE_KEY
    JOIN INTERACTION_TYPE it ON it.INTERACTION_TYPE_KEY = m.INTERACTION_TYPE_KEY
    JOIN TECHNICAL_DESCRIPTOR td ON td.TECHNICAL_DESCRIPTOR_KEY = m.TECHNICAL_DESCRIPTOR_KEY
    LEFT JOIN INTERACTION_RESOURCE_FACT i ON i.INTERACTION_RESOURCE_ID = m.TARGET_IXN_RESOURCE_ID
    WHERE m.ACTIVE_FLAG = 0 AND q.RESOURCE_SUBTYPE = 'VirtualQueue' AND it.INTERACTION_TYPE_CODE = 'INBOUND'
      AND td.RESOURCE_ROLE_CODE = 'RECEIVED' AND (m.SHORT_ABANDONED_FLAG = 0 OR ?1)
    GROUP BY q.RESOURCE_CFG_DBID, m.START_DATE_TIME_KEY";

const STATES: &str = "
    SELECT s.SM_RES_STATE_FACT_KEY, COALESCE(p.USER_NAME, a.RESOURCE_NAME), rs.STATE_NAME_CODE, s.START_TS,
           CASE WHEN s.ACTIVE_FLAG = 1 THEN NULL ELSE s.END_TS END
    FROM SM_RES_STATE_FACT s
    JOIN RESOURCE_ a ON a.RESOURCE_KEY = s.RESOURCE_KEY AND a.RESOURCE_TYPE_CODE = 'AGENT'
    JOIN RESOURCE_STATE rs ON rs.RESOURCE_STATE_KEY = s.RESOURCE_STATE_KEY
    JOIN MEDIA_TYPE mt ON mt.MEDIA_TYPE_KEY = s.MEDIA_TYPE_KEY
    LEFT JOIN CFG_PERSON p ON p.DBID = a.RESOURCE_CFG_DBID AND p.IS_AGENT = 2
    WHERE mt.MEDIA_NAME_CODE = ?1
    ORDER BY s.RESOURCE_KEY, s.START_TS, s.SM_RES_STATE_FACT_KEY";

const REASONS: &str = "
    SELECT f.SM_RES_STATE_FACT_KEY, COALESCE(r.HARDWARE_REASON, r.SOFTWARE_REASON_VALUE), f.START_TS,
           CASE WHEN f.ACTIVE_FLAG = 1 THEN NULL ELSE f.END_TS END
    FROM SM_RES_STATE_REASON_FACT f
    JOIN RESOURCE_STATE_REASON r ON r.RESOURCE_STATE_REASON_KEY = f.RESOURCE_STATE_REASON_KEY";

fn database(schema: Vec<String>, rows: impl Iterator<Item = String>) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let transaction = connection.unchecked_transaction().unwrap();
    for statement in schema.into_iter().chain(rows) {
        connection.execute(&statement, []).unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
    transaction.commit().unwrap();
    connection
}

fn names() -> Names {
    Names::default().case(Case::Upper)
}

fn load(world: &engage::World) -> Connection {
    database(engage::schema(Dialect::Sqlite, &names()), world.load(Dialect::Sqlite, &names()))
}

/// What the SQL says; quarters in which nothing is offered are left out.
fn read_quarters(connection: &Connection, rules: Rules) -> Quarters {
    let mut statement = connection.prepare(QUARTERS).unwrap();
    let rows = statement.query_map([rules.short_abandons], |row| {
        let sums = Sums {
            offered: row.get(2)?,
            handled: row.get(3)?,
            abandoned: row.get(4)?,
            handle_seconds: row.get(5)?,
            timed: row.get(3)?,
            wait_seconds: row.get(6)?,
        };
        Ok(((row.get::<_, i64>(0)?.to_string(), row.get::<_, i64>(1)? * 1000), sums))
    });
    rows.unwrap().map(Result::unwrap).filter(|(_, sums)| sums.offered > 0).collect()
}

/// States with reasons laid over them, read apart as the two queries give them.
fn read_spans(connection: &Connection, media: &str) -> Vec<Span> {
    type Reasons = BTreeMap<i64, (String, i64, Option<i64>)>;
    let mut statement = connection.prepare(REASONS).unwrap();
    let reasons = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))));
    let reasons: Reasons = reasons.unwrap().map(Result::unwrap).collect();
    let mut statement = connection.prepare(STATES).unwrap();
    let mut rows = statement.query([media]).unwrap();
    let mut spans = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let user: String = row.get(1).unwrap();
        let (code, start): (String, i64) = (row.get(2).unwrap(), row.get(3).unwrap());
        let end: Option<i64> = row.get(4).unwrap();
        let mut put = |status: String, start: i64, end: Option<i64>| {
            if end != Some(start) {
                let user = user.trim_end().to_owned();
                spans.push(Span { user, start: start * 1000, end: end.map(|end| end * 1000), status });
            }
        };
        match reasons.get(&row.get(0).unwrap()) {
            None => put(code, start, end),
            Some((reason, from, until)) => {
                put(code.clone(), start, Some(*from));
                put(format!("{code}:{reason}"), *from, *until);
                if until.is_some() {
                    put(code, until.unwrap(), end);
                }
            }
        }
    }
    spans.sort();
    spans
}

#[track_caller]
fn assert_equal(connection: &Connection, ledger: &Ledger) {
    for short_abandons in [true, false] {
        let rules = Rules { short_abandons };
        assert_eq!(read_quarters(connection, rules), ledger.quarters(rules));
    }
    assert_eq!(read_spans(connection, "VOICE"), ledger.spans());
    assert_eq!(read_spans(connection, "EMAIL"), ledger.spans_of(Channel::Email));
    let sql =
        "SELECT SM_RES_SESSION_FACT_KEY, CASE WHEN ACTIVE_FLAG = 0 THEN END_TS * 1000 END FROM SM_RES_SESSION_FACT";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))).unwrap();
    let sessions: BTreeMap<u64, Option<i64>> = rows.map(Result::unwrap).collect();
    assert_eq!(sessions, ledger.sessions.values().map(|session| (session.id, session.end)).collect());
    let sql = "SELECT DISTINCT RESOURCE_CFG_DBID, RESOURCE_NAME FROM RESOURCE_
               WHERE RESOURCE_SUBTYPE = 'VirtualQueue' AND GMT_END_TIME IS NULL";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?.to_string(), row.get::<_, String>(1)?)));
    let current: BTreeMap<String, String> = rows.unwrap().map(Result::unwrap).collect();
    let known = ledger.queues.iter().map(|queue| (queue.id.clone(), queue.name().to_owned()));
    assert_eq!(
        current.into_iter().map(|(id, name)| (id, name.trim_end().to_owned())).collect::<BTreeMap<_, _>>(),
        known.collect()
    );
}

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{error}: {sql}"))
}

fn world() -> engage::World {
    engage::World::new(7, Size { days: 8, contacts_per_day: 600, agents: 20, ..Size::default() })
}

#[test]
fn the_sample_gives_the_sums_of_its_description() {
    let sample = engage::sample();
    let connection = database(engage::schema(Dialect::Sqlite, &names()), sample.load(Dialect::Sqlite, &names()));
    let quarters = read_quarters(&connection, Rules::default());
    let eight = Sums { offered: 2, handled: 1, abandoned: 1, handle_seconds: 245, timed: 1, wait_seconds: 31 };
    assert_eq!(quarters, BTreeMap::from([(("5001".to_owned(), 1_709_280_000_000), eight)]));
    let span = |status: &str, start: i64, end: Option<i64>| Span {
        user: "asmith".to_owned(),
        start: (1_709_280_000 + start) * 1000,
        end: end.map(|end| (1_709_280_000 + end) * 1000),
        status: status.to_owned(),
    };
    let spans = vec![
        span("READY", 0, Some(85)),
        span("BUSY", 85, Some(291)),
        span("AFTERCALLWORK", 291, Some(336)),
        span("NOTREADY:Lunch", 336, None),
    ];
    assert_eq!(read_spans(&connection, "VOICE"), spans);
    assert_equal(&connection, sample.ledger());
    assert_eq!(sample.rows(Dialect::Sqlite, &names()).len(), sample.rows(Dialect::Postgres, &names()).len());
}

#[test]
fn a_world_reads_as_its_ledger_says() {
    let world = world();
    let ledger = world.ledger();
    assert_equal(&load(&world), &ledger);
    for short_abandons in [true, false] {
        assert_eq!(world.quarters(Rules { short_abandons }), ledger.quarters(Rules { short_abandons }));
    }
    assert!(ledger.contacts.len() > 3000, "{}", ledger.contacts.len());
}

#[test]
fn small_worlds_read_as_their_ledgers_say() {
    for (seed, days, queues, agents, contacts_per_day) in
        [(1, 1, 1, 1, 0), (2, 1, 1, 1, 1), (3, 1, 3, 2, 40), (4, 2, 30, 40, 300)]
    {
        let size = Size { days, queues, agents, contacts_per_day, ..Size::default() };
        let world = engage::World::new(seed, size);
        let connection = load(&world);
        let mut ledger = world.ledger();
        assert_equal(&connection, &ledger);
        for step in world.steps(9) {
            for statement in step.sql(Dialect::Sqlite, &names()) {
                connection.execute(&statement, []).unwrap_or_else(|error| panic!("{error}: {statement}"));
            }
            step.apply(&mut ledger);
            assert_equal(&connection, &ledger);
        }
    }
}

#[test]
fn the_database_and_the_ledger_change_alike() {
    let world = world();
    let connection = load(&world);
    let mut ledger = world.ledger();
    let mut kinds = BTreeSet::new();
    for step in world.steps(24) {
        let before = ledger.clone();
        let watermark = count(&connection, "SELECT MAX(AUDIT_KEY) FROM CTL_AUDIT_LOG");
        for statement in step.sql(Dialect::Sqlite, &names()) {
            let rows = connection.execute(&statement, []).unwrap_or_else(|error| panic!("{error}: {statement}"));
            assert_eq!(rows, 1, "{statement}");
        }
        step.apply(&mut ledger);
        assert_ne!(ledger, before, "a step changes something");
        assert_equal(&connection, &ledger);
        assert_eq!(count(&connection, "SELECT MAX(AUDIT_KEY) FROM CTL_AUDIT_LOG"), watermark + 1);
        kinds.insert(format!("{:?}", step.kind()));
        assert!(step.at() > world.end() * 1000);
        if step.kind() == StepKind::LateWork {
            let grown = |id: &u64| ledger.contacts[id].handle_seconds() > before.contacts[id].handle_seconds();
            assert!(before.contacts.keys().any(grown));
        }
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert_audits_cover(&connection);
}

#[test]
fn each_part_may_have_a_database_of_its_own() {
    let parts = [engage::Part::InfoMart, engage::Part::Configuration, engage::Part::StatServer];
    let world = engage::World::new(3, Size { days: 2, contacts_per_day: 100, ..Size::default() });
    let databases = parts.map(|part| {
        let rows = world.load_of(part, Dialect::Sqlite, &names());
        database(engage::schema_of(part, Dialect::Sqlite, &names()), rows)
    });
    for step in world.steps(8) {
        let mut statements = 0;
        for (part, connection) in parts.into_iter().zip(&databases) {
            for statement in step.sql_of(part, Dialect::Sqlite, &names()) {
                assert_eq!(connection.execute(&statement, []).unwrap(), 1, "{statement}");
                statements += 1;
            }
        }
        assert_eq!(statements, step.sql(Dialect::Sqlite, &names()).len());
    }
    assert_eq!(count(&databases[1], "SELECT COUNT(*) FROM CFG_PERSON WHERE IS_AGENT = 2"), 12);
    for table in ["LOGIN", "STATUS", "QINFO"] {
        assert!(count(&databases[2], &format!("SELECT COUNT(*) FROM {table}")) > 20, "{table}");
    }
}

#[test]
fn the_database_cuts_states_that_truly_go_on() {
    let ledger = world().ledger();
    let longest = |spans: &[Span]| spans.iter().filter_map(|span| Some(span.end? - span.start)).max();
    assert_eq!(longest(&ledger.spans()), Some(14_400_000));
    assert_eq!(longest(&ledger.true_spans()), Some(18_000_000));
    assert_eq!(world().states().count(), ledger.states.len());
}

/// Every fact that a transaction wrote lies in the partitions that the transaction names.
fn assert_audits_cover(connection: &Connection) {
    let facts = [
        "MEDIATION_SEGMENT_FACT",
        "INTERACTION_RESOURCE_FACT",
        "SM_RES_STATE_FACT",
        "SM_RES_STATE_REASON_FACT",
        "SM_RES_SESSION_FACT",
    ];
    for fact in facts {
        for key in ["CREATE_AUDIT_KEY", "UPDATE_AUDIT_KEY"] {
            let outside = format!(
                "SELECT COUNT(*) FROM {fact} f LEFT JOIN CTL_AUDIT_LOG a ON a.AUDIT_KEY = f.{key}
                 WHERE f.{key} <> 0 AND (a.AUDIT_KEY IS NULL
                    OR f.START_DATE_TIME_KEY NOT BETWEEN a.MIN_START_DATE_TIME_KEY AND a.MAX_START_DATE_TIME_KEY)"
            );
            assert_eq!(count(connection, &outside), 0, "{fact}.{key}");
            assert!(count(connection, &format!("SELECT COUNT(*) FROM {fact} WHERE {key} <> 0")) > 0, "{fact}.{key}");
        }
        let keys = format!("SELECT COUNT(*) FROM {fact} WHERE START_DATE_TIME_KEY <> START_TS - START_TS % 900");
        assert_eq!(count(connection, &keys), 0, "{fact}");
    }
}

#[test]
fn a_world_has_every_trap() {
    let world = world();
    let connection = load(&world);
    assert_audits_cover(&connection);
    let traps = [
        (
            "calls in several queues",
            "SELECT COUNT(*) FROM (SELECT 1 FROM MEDIATION_SEGMENT_FACT WHERE TECHNICAL_DESCRIPTOR_KEY IN (1, 4) GROUP BY INTERACTION_ID HAVING COUNT(*) > 1 AND MAX(TECHNICAL_DESCRIPTOR_KEY) = 4)",
        ),
        (
            "consults",
            "SELECT COUNT(*) FROM MEDIATION_SEGMENT_FACT m JOIN TECHNICAL_DESCRIPTOR t USING (TECHNICAL_DESCRIPTOR_KEY) WHERE RESOURCE_ROLE_CODE = 'RECEIVEDCONSULT' AND INTERACTION_TYPE_KEY = 1",
        ),
        ("other interactions", "SELECT COUNT(*) FROM MEDIATION_SEGMENT_FACT WHERE INTERACTION_TYPE_KEY <> 1"),
        ("queues of the switch", "SELECT COUNT(*) FROM MEDIATION_SEGMENT_FACT WHERE RESOURCE_KEY = 999"),
        ("short abandons", "SELECT COUNT(*) FROM MEDIATION_SEGMENT_FACT WHERE SHORT_ABANDONED_FLAG = 1"),
        ("e-mails that wait", "SELECT COUNT(*) FROM MEDIATION_SEGMENT_FACT WHERE ACTIVE_FLAG = 1"),
        (
            "e-mails of days ago",
            "SELECT COUNT(*) FROM MEDIATION_SEGMENT_FACT WHERE END_TS > START_TS + 86400 AND UPDATE_AUDIT_KEY > CREATE_AUDIT_KEY + 90",
        ),
        (
            "late after-call work",
            "SELECT COUNT(*) FROM INTERACTION_RESOURCE_FACT WHERE UPDATE_AUDIT_KEY > CREATE_AUDIT_KEY AND CUSTOMER_ACW_DURATION > 0",
        ),
        (
            "after-call work to come",
            "SELECT COUNT(*) FROM INTERACTION_RESOURCE_FACT WHERE ACTIVE_FLAG = 1 AND MEDIA_TYPE_KEY = 1",
        ),
        (
            "an update in another partition",
            "SELECT COUNT(*) FROM INTERACTION_RESOURCE_FACT i JOIN MEDIATION_SEGMENT_FACT m ON m.TARGET_IXN_RESOURCE_ID = i.INTERACTION_RESOURCE_ID WHERE i.START_DATE_TIME_KEY > m.START_DATE_TIME_KEY AND i.UPDATE_AUDIT_KEY > 0",
        ),
        ("states that were cut", "SELECT COUNT(*) FROM SM_RES_STATE_FACT WHERE TOTAL_DURATION = 14400"),
        (
            "states in one second",
            "SELECT COUNT(*) FROM (SELECT 1 FROM SM_RES_STATE_FACT GROUP BY RESOURCE_KEY, MEDIA_TYPE_KEY, START_TS HAVING COUNT(*) > 1)",
        ),
        (
            "states on two channels",
            "SELECT COUNT(*) FROM SM_RES_STATE_FACT a JOIN SM_RES_STATE_FACT b USING (RESOURCE_KEY) WHERE a.MEDIA_TYPE_KEY < b.MEDIA_TYPE_KEY AND a.START_TS < b.END_TS AND b.START_TS < a.END_TS",
        ),
        (
            "reasons for a part",
            "SELECT COUNT(*) FROM SM_RES_STATE_REASON_FACT r JOIN SM_RES_STATE_FACT s USING (SM_RES_STATE_FACT_KEY) WHERE r.START_TS > s.START_TS OR r.END_TS < s.END_TS",
        ),
        ("open without an end", "SELECT COUNT(*) FROM SM_RES_STATE_FACT WHERE ACTIVE_FLAG = 1 AND END_TS IS NULL"),
        (
            "open with an end to come",
            "SELECT COUNT(*) FROM SM_RES_STATE_FACT WHERE ACTIVE_FLAG = 1 AND END_TS = 1767224700",
        ),
        (
            "open with the time of the load",
            "SELECT COUNT(*) FROM SM_RES_STATE_FACT WHERE ACTIVE_FLAG = 1 AND END_TS = 1709942400",
        ),
        (
            "renamed queues",
            "SELECT COUNT(*) FROM (SELECT 1 FROM RESOURCE_ r JOIN MEDIATION_SEGMENT_FACT USING (RESOURCE_KEY) WHERE RESOURCE_SUBTYPE = 'VirtualQueue' GROUP BY RESOURCE_CFG_DBID HAVING COUNT(DISTINCT RESOURCE_KEY) = 2)",
        ),
        ("padded strings", "SELECT COUNT(*) FROM CFG_PERSON WHERE USER_NAME <> RTRIM(USER_NAME)"),
        ("umlauts", "SELECT COUNT(*) FROM RESOURCE_ WHERE RESOURCE_NAME LIKE '%ö%'"),
        (
            "other user names",
            "SELECT COUNT(*) FROM RESOURCE_ r JOIN CFG_PERSON p ON p.DBID = r.RESOURCE_CFG_DBID WHERE RTRIM(p.USER_NAME) <> r.RESOURCE_NAME",
        ),
        (
            "unknown people",
            "SELECT COUNT(*) FROM RESOURCE_ r LEFT JOIN CFG_PERSON p ON p.DBID = r.RESOURCE_CFG_DBID WHERE RESOURCE_TYPE_CODE = 'AGENT' AND p.DBID IS NULL",
        ),
        (
            "large identifiers",
            "SELECT COUNT(*) FROM MEDIATION_SEGMENT_FACT WHERE MEDIATION_SEGMENT_ID > 9007199254740992",
        ),
    ];
    for (trap, sql) in traps {
        assert!(count(&connection, sql) > 0, "{trap}");
    }
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let text = |seed: u64| {
        let size = Size { days: 2, contacts_per_day: 100, ..Size::default() };
        let world = engage::World::new(seed, size);
        let rows: Vec<String> = world.load(Dialect::Postgres, &Names::default()).collect();
        let steps = world.steps(8);
        let steps = steps.iter().flat_map(|step| step.sql(Dialect::Postgres, &Names::default()));
        (rows.join(";\n"), steps.collect::<Vec<_>>().join(";\n"))
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn names_are_as_asked_for() {
    let names = Names::default().in_schema("Mart").prefix("gim_").case(Case::Upper).later_columns(false);
    let part = engage::Part::InfoMart;
    let schema = engage::schema_of(part, Dialect::Postgres, &names);
    assert_eq!(schema[0], "CREATE SCHEMA IF NOT EXISTS MART");
    assert!(schema[1].starts_with("CREATE TABLE MART.GIM_RESOURCE_ (RESOURCE_KEY integer NOT NULL, "), "{}", schema[1]);
    assert!(!schema.join("\n").contains("TARGET_IXN_RESOURCE_SDT_KEY"));
    assert!(!schema.join("\n").contains("CFG_PERSON"));
    let world = engage::World::new(1, Size { days: 1, contacts_per_day: 20, ..Size::default() });
    let rows: Vec<String> = world.load_of(part, Dialect::Postgres, &names).collect();
    assert!(rows.iter().all(|row| row.starts_with("INSERT INTO MART.GIM_") && !row.contains("SDT_KEY")));
    let connection = Connection::open_in_memory().unwrap();
    connection.execute("ATTACH ':memory:' AS MART", []).unwrap();
    for statement in schema.into_iter().skip(1).filter(|statement| !statement.starts_with("CREATE INDEX")).chain(rows) {
        connection.execute(&statement, []).unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
}
