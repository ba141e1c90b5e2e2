//! Every statement that the connector can produce, for every kind of SQL.

use injixo_connector_sql::database::{Dialect, Family, Kind, Places, Rows, Session, Statement};
use injixo_connector_sql::testkit::{Asked, session};
use injixo_core::connector::Stream;
use injixo_core::model::{Timestamp, Window};
use injixo_test_statements::{HOSTILE_NAMES, Statements};

use super::changes::{settled_audit, touched};
use super::config::HandleTime;
use super::contacts::Select;
use super::mart::{Names, PASSES, ResourceKind, STATES, audits, columns, dimension, loaded, resources};
use super::people::people_of;
use super::stat_server::{STATUS, statuses_of};
use super::statuses::{reasons_of, states_of};

/// All kinds of SQL, with what the parser calls them.
const DIALECTS: [(&str, Dialect); 5] = [
    ("postgres", Dialect::POSTGRES),
    ("mysql", Dialect::MYSQL),
    ("sqlite", Dialect::SQLITE),
    ("tsql", Dialect { family: Family::SqlServer, places: Places::Numbers }),
    ("oracle", Dialect { family: Family::Oracle, places: Places::Marks }),
];

fn windows() -> [Window; 2] {
    [("2024-03-01T08:00:00Z", "2024-03-01T09:00:00Z"), ("1969-12-31T23:59:59.999Z", "2024-03-31T00:07:00.001Z")]
        .map(|(from, to)| Window::new(from.parse::<Timestamp>().unwrap(), to.parse::<Timestamp>().unwrap()).unwrap())
}

/// Every statement of the connector, for tables that are called so.
fn every(dialect: Dialect, names: &Names) -> Vec<Statement> {
    let mut all = vec![
        loaded(dialect, names),
        audits(dialect, names, None),
        audits(dialect, names, Some(0)),
        audits(dialect, names, Some(-1)),
        settled_audit(dialect, names),
        resources(dialect, names, ResourceKind::Queue),
        resources(dialect, names, ResourceKind::Agent),
        people_of(dialect, names),
    ];
    for (table, key, columns) in [
        ("MEDIA_TYPE", "MEDIA_TYPE_KEY", &["MEDIA_NAME_CODE"][..]),
        ("INTERACTION_TYPE", "INTERACTION_TYPE_KEY", &["INTERACTION_TYPE_CODE"]),
        (
            "TECHNICAL_DESCRIPTOR",
            "TECHNICAL_DESCRIPTOR_KEY",
            &["TECHNICAL_RESULT_CODE", "RESULT_REASON_CODE", "RESOURCE_ROLE_CODE"],
        ),
        ("RESOURCE_STATE", "RESOURCE_STATE_KEY", &["STATE_NAME_CODE"]),
        ("RESOURCE_STATE_REASON", "RESOURCE_STATE_REASON_KEY", &["HARDWARE_REASON", "SOFTWARE_REASON_VALUE"]),
    ] {
        all.push(dimension(dialect, names, table, key, columns));
    }
    for stream in [Stream::Contacts, Stream::Statuses] {
        for touched in touched(stream) {
            all.push(touched.statement(dialect, names, (1_709_280_000, 1_709_290_800), 42));
        }
    }
    for window in windows() {
        for (media, types) in [(&[1][..], &[2][..]), (&[1, 2, 30], &[4, -5])] {
            for handle_time in [HandleTime::Customer, HandleTime::All] {
                for has_target_partition in [false, true] {
                    let select = Select { names, has_target_partition, handle_time, media, types };
                    all.push(select.statement(dialect, window));
                }
            }
            all.push(states_of(dialect, names, window, 14_400, media));
            all.push(reasons_of(dialect, names, window, 14_400, media));
        }
        all.push(statuses_of(dialect, names, window, 14_400));
    }
    all
}

struct Nobody;

#[async_trait::async_trait]
impl Rows for Nobody {
    fn row(&mut self, _: &[injixo_connector_sql::database::Cell<'_>]) -> injixo_core::Result<()> {
        Ok(())
    }

    async fn flush(&mut self) -> injixo_core::Result<()> {
        Ok(())
    }
}

fn add(all: &mut Statements, name: &'static str, asked: &Asked) {
    let asked = asked.take();
    // What was asked for its columns, and what was run.
    assert!(asked.len() >= 2, "{name}: only {} were asked", asked.len());
    for statement in asked {
        all.add(name, statement.text(), statement.values().len());
    }
}

#[tokio::test]
async fn every_statement() {
    let mut all = Statements::new("genesys-engage");
    let spellings = [(None, ""), (Some("gim"), ""), (Some("INFOMART.dbo"), "X_"), (Some("g$m_1"), "x$")];
    // Databases say of which kind a column is; how it is asked for depends on that.
    let known = [
        [("RESOURCE_NAME", Kind::Text, "VARCHAR"), ("START_TS", Kind::Int, "INT8")],
        [("resource_name", Kind::Other, "nvarchar"), ("START_TS", Kind::Decimal, "NUMERIC")],
        [("ACTIVE_FLAG", Kind::Int, "BIT"), ("START_TS", Kind::Float, "DOUBLE")],
    ];
    let hostile = HOSTILE_NAMES.map(|name| (name, Kind::Text, "VARCHAR"));
    for (name, dialect) in DIALECTS {
        for (schema, prefix) in spellings {
            let upper = Names::new(schema, prefix);
            for names in [upper.clone(), upper.lower()] {
                for columns_of in [&known[0][..], &known[1], &known[2], &hostile] {
                    let (mut session, asked): (Session, Asked) = session(dialect, columns_of, "");
                    for statement in every(dialect, &names) {
                        session.read(&statement, &mut Nobody).await.unwrap();
                        add(&mut all, name, &asked);
                    }
                    for table in [PASSES, STATES, STATUS, "CFG_PERSON"] {
                        let found = columns(&mut session, &names.table(table)).await.unwrap().unwrap();
                        assert_eq!(found.len(), columns_of.len());
                        for statement in asked.take() {
                            all.add(name, statement.text(), statement.values().len());
                        }
                    }
                }
            }
        }
    }
    all.finish();
}
