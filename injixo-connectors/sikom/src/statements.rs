//! Every statement that the connector can produce, for every kind of SQL.

use injixo_connector_sql::database::{
    Bound, Cell, Dialect, Family, Kind, Places, Reach, Rows, Session, Statement, Wanted,
};
use injixo_connector_sql::testkit::{Asked, session};
use injixo_core::Result;
use injixo_core::model::{Millis, Timestamp, Window};
use injixo_test_statements::Statements;

use crate::config::SikomConfig;
use crate::lists::{names, queues};
use crate::{contacts, query, statuses};

/// All kinds of SQL, with what the parser calls them.
const DIALECTS: [(&str, Dialect); 5] = [
    ("postgres", Dialect::POSTGRES),
    ("mysql", Dialect::MYSQL),
    ("sqlite", Dialect::SQLITE),
    ("tsql", Dialect { family: Family::SqlServer, places: Places::Numbers }),
    ("oracle", Dialect { family: Family::Oracle, places: Places::Marks }),
];

/// Kinds of time columns, what the database calls such a type, and the first text of one.
const TIMES: [(Kind, &str, &str); 7] = [
    (Kind::Local, "TIMESTAMP", ""),
    (Kind::Instant, "TIMESTAMPTZ", ""),
    (Kind::Int, "INT8", ""),
    (Kind::Decimal, "NUMERIC", ""),
    (Kind::Float, "FLOAT8", ""),
    (Kind::Text, "TEXT", "2024-03-31 02:30:00"),
    (Kind::Text, "TEXT", "2024-03-31T02:30:00Z"),
];

/// The sample as it is, in a schema with names that are words of SQL, and with only what must be there.
fn configs() -> Vec<SikomConfig> {
    let sample = include_str!("../sample.toml").replacen("\nconnector = \"sikom\"\n", "\n", 1);
    let odd = sample
        .replace("\"acd_", "\"select.order$1.acd_")
        .replace("\"t_queue\"", "\"from\"")
        .replace("\"queue_name\"", "\"group\"")
        .replace("span = \"start_end\"", "span = \"start_duration\"")
        .replace("\nend = \"t_end\"", "\nseconds = \"Table\"")
        .replace("wrap_ended = \"t_wrap_end\"", "wrap_seconds = \"where\"");
    let least = "time_zone = 'Europe/Berlin'\n[connection]\nadapter = 'sqlite'\nfile = 'a'\n\
        [contacts]\ntable = 'a'\nqueue_id = 'b'\narrived = 'c'\nanswered = 'd'\nended = 'e'\n\
        [queues]\ntable = 'f'\nid = 'g'\nname = 'h'\n\
        [agent_status]\nspan = 'start_only'\ntable = 'i'\nagent_id = 'j'\nstatus_id = 'k'\nstart = 'l'\n\
        [real_time]\ntable = 'now'\n";
    let config = |text: &str| {
        let config: SikomConfig = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        config.check().unwrap();
        config
    };
    vec![config(&sample), config(&odd), config(least)]
}

struct Nobody;

#[async_trait::async_trait]
impl Rows for Nobody {
    fn row(&mut self, _: &[Cell<'_>]) -> Result<()> {
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

struct All(Statements);

impl All {
    fn add(&mut self, name: &'static str, asked: &Asked, at_least: usize) {
        let asked = asked.take();
        assert!(asked.len() >= at_least, "{name}: only {} were asked", asked.len());
        for statement in asked {
            self.0.add(name, statement.text(), statement.values().len());
        }
    }
}

/// What is done with the query for contacts or statuses.
async fn of_query(
    all: &mut All,
    (name, dialect): (&'static str, Dialect),
    text: &str,
    (wanted, time, end): (&[Wanted], usize, Option<usize>),
    (kind, type_name, first): (Kind, &str, &str),
) {
    // Only what is mapped is there.
    let is_there = |wanted: &&Wanted| text.contains(&format!(" AS {}", wanted.name));
    let column = |wanted_column: &Wanted| {
        let is_time =
            wanted_column.name == wanted[time].name || end.is_some_and(|end| wanted_column.name == wanted[end].name);
        if is_time { (wanted_column.name, kind, type_name) } else { (wanted_column.name, Kind::Text, "VARCHAR") }
    };
    let columns: Vec<(&str, Kind, &str)> = wanted.iter().filter(is_there).map(column).collect();
    let (mut session, asked): (Session, Asked) = session(dialect, &columns, first);
    let bound = Bound::new(&mut session, text, wanted, time).await.unwrap();
    all.add(name, &asked, if kind == Kind::Text { 2 } else { 1 });
    let zone = injixo_core::zone::Zone::new("Europe/Berlin").unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    for (from, to) in
        [("2024-03-30T23:00:00.500Z", "2024-03-31T22:00:00.001Z"), ("2024-06-01T08:00:00Z", "2024-06-01T08:00:00.001Z")]
    {
        let window = Window::new(at(from), at(to)).unwrap();
        let early = Window::new(window.from().before(Millis::from_mins(1_440)), window.to()).unwrap();
        let reach = |end, has_null_dates| Some(Reach { window: early, end, has_null_dates });
        let reaches = [None, reach(end, false), reach(end, true), reach(None, false)];
        for reach in reaches {
            let statement = bound.statement(dialect, window, &zone, time, reach.as_ref());
            assert!(statement.text().contains(" < "), "{}", statement.text());
            session.looks_at_all(&statement).await.unwrap();
            bound.read(&mut session, &statement, &mut Nobody).await.unwrap();
            all.add(name, &asked, 2);
        }
    }
}

#[tokio::test]
async fn every_statement() {
    let mut all = All(Statements::new("sikom"));
    for (name, dialect) in DIALECTS {
        for config in configs() {
            for kind in [(Kind::Text, "VARCHAR"), (Kind::Int, "INT"), (Kind::Decimal, "DECIMAL"), (Kind::Other, "JSON")]
            {
                let columns = ["id", "name", "channel"].map(|column| (column, kind.0, kind.1));
                let (mut session, asked): (Session, Asked) = session(dialect, &columns, "");
                queues(&mut session, &config).await.unwrap();
                all.add(name, &asked, 2);
                for list in [&config.agents, &config.statuses] {
                    names(&mut session, list.as_ref()).await.unwrap();
                    all.add(name, &asked, if list.is_some() { 2 } else { 0 });
                }
            }
            let status = config.agent_status.as_ref().unwrap();
            let now = config.real_time.as_ref().and_then(|live| live.table.clone());
            for scale in TIMES {
                let text = query::contacts(dialect, config.contacts.as_ref().unwrap());
                of_query(&mut all, (name, dialect), &text, (&contacts::WANTED, contacts::ARRIVED, None), scale).await;
                for table in [Some(status.table.clone()), now.clone()].into_iter().flatten() {
                    let text = query::statuses(dialect, status, &table);
                    let wanted = (&statuses::WANTED[..], statuses::STARTED, Some(statuses::ENDED));
                    of_query(&mut all, (name, dialect), &text, wanted, scale).await;
                }
            }
        }
    }
    all.0.finish();
}

/// Names are in quotes, so that words of SQL can be names.
#[test]
fn words_of_sql_are_names() {
    let odd = &configs()[1];
    let text = query::contacts(DIALECTS[3].1, odd.contacts.as_ref().unwrap());
    let mut statement = Statement::new(DIALECTS[3].1);
    statement.push(&text);
    assert!(statement.text().contains("t.[from] AS arrived"), "{text}");
    assert!(statement.text().ends_with(" FROM [select].[order$1].[acd_call] t"), "{text}");
}
