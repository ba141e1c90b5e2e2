//! Every statement that the connector can produce, for every kind of SQL.

use injixo_core::connector::Form;
use injixo_core::model::{Attribution, IntervalLength, Timestamp, Window};
use injixo_core::zone::Zone;
use injixo_test_statements::{HOSTILE_NAMES, Statements};

use crate::contacts;
use crate::database::{Bound, Column, Dialect, Family, Kind, Places, Reach, Statement, Wanted};
use crate::statuses;
use crate::testkit::{Asked, session};

/// All kinds of SQL, with what the parser calls them.
const DIALECTS: [(&str, Dialect); 10] = [
    ("postgres", Dialect::POSTGRES),
    ("mysql", Dialect::MYSQL),
    ("sqlite", Dialect::SQLITE),
    ("tsql", Dialect { family: Family::SqlServer, places: Places::Numbers }),
    ("oracle", Dialect { family: Family::Oracle, places: Places::Marks }),
    // By ODBC.
    ("postgres", Dialect { family: Family::Postgres, places: Places::Casts }),
    ("mysql", Dialect { family: Family::MySql, places: Places::Casts }),
    ("sqlite", Dialect { family: Family::Sqlite, places: Places::Casts }),
    ("tsql", Dialect { family: Family::SqlServer, places: Places::Casts }),
    ("oracle", Dialect { family: Family::Oracle, places: Places::Casts }),
];

/// Queries of users, names in angle quotes in place of those of the database, and for which kinds of SQL they are.
const QUERIES: [(&[&str], &str); 17] = [
    (&[], "SELECT a AS x, b AS «timestamp», c FROM calls"),
    (&[], "SELECT a, b FROM calls ORDER BY b"),
    (&[], "SELECT a, b FROM calls ORDER BY b;"),
    (&[], "SELECT a, b FROM calls -- all of them"),
    (&[], "/* what */ SELECT a, b FROM calls /* ; */ ; -- ;"),
    (&[], "WITH recent AS (SELECT a, b FROM calls WHERE b > 5) SELECT a, b FROM recent"),
    (
        &[],
        "WITH recent (a, b) AS (SELECT a, b FROM calls), «more; )» AS (SELECT a FROM recent) -- two\nSELECT m.a, r.b FROM «more; )» m JOIN recent r ON r.a = m.a ORDER BY r.b",
    ),
    (&[], "SELECT a, b FROM calls UNION ALL SELECT c, d FROM old_calls"),
    (&[], "SELECT a, b FROM calls UNION SELECT c, d FROM old_calls ORDER BY 2;"),
    (
        &[],
        "SELECT a, (SELECT MAX(x.b) FROM calls x WHERE x.a = c.a) AS b FROM calls c WHERE EXISTS (SELECT 1 FROM q WHERE q.a = c.a)",
    ),
    (&[], "SELECT s.a, s.b FROM (SELECT a, b FROM calls) s LEFT JOIN queues q ON q.a = s.a"),
    (&[], "SELECT a AS «it is; a \"'name», ';--' AS b, 'it''s )' AS c FROM «odd table»"),
    (&["postgres", "mysql", "sqlite"], "SELECT a, b FROM calls ORDER BY b DESC LIMIT 100"),
    (&["postgres"], "SELECT $$ ; ) $$ AS a, E'\\'; )' AS b, c::text FROM calls"),
    (&["mysql"], "SELECT a, 'a\\'; )' AS b # all ; )\nFROM calls"),
    (&["tsql"], "SELECT TOP 5 a, [b]]c] FROM dbo.calls ORDER BY a"),
    (&["oracle"], "SELECT q'[it's; )]' AS a, TO_CHAR(b, 'YYYY') AS b FROM dual"),
];

/// Kinds of time columns, what the database calls such a type, and the first text of one.
const TIMES: [(Kind, &str, &str); 9] = [
    (Kind::Local, "TIMESTAMP", ""),
    (Kind::Instant, "TIMESTAMPTZ", ""),
    (Kind::Int, "INT8", ""),
    (Kind::Decimal, "NUMERIC", ""),
    (Kind::Float, "FLOAT8", ""),
    (Kind::Text, "TEXT", "2024-03-31 02:30:00"),
    (Kind::Text, "TEXT", "2024-03-31T02:30:00Z"),
    (Kind::Text, "TEXT", "2024-03-31T02:30:00+02:00"),
    (Kind::Text, "TEXT", "2024-03-31 02:30"),
];

/// All kinds of columns, with the types that are told apart.
const KINDS: [(Kind, &str); 12] = [
    (Kind::Int, "INT"),
    (Kind::Int, "BIT"),
    (Kind::Int, "YEAR"),
    (Kind::Decimal, "DECIMAL"),
    (Kind::Float, "DOUBLE"),
    (Kind::Text, "VARCHAR"),
    (Kind::Bool, "BOOL"),
    (Kind::Local, "DATETIME"),
    (Kind::Local, "DATE"),
    (Kind::Instant, "TIMESTAMP"),
    (Kind::Length, "TIME"),
    (Kind::Other, "JSON"),
];

fn windows() -> Vec<Window> {
    let of = |from: &str, to: &str| {
        Window::new(from.parse::<Timestamp>().unwrap(), to.parse::<Timestamp>().unwrap()).unwrap()
    };
    vec![
        of("2024-06-01T08:00:00Z", "2024-06-01T09:00:00Z"),
        of("2024-03-30T23:00:00.500Z", "2024-03-31T22:00:00.001Z"),
        of("1970-01-01T00:00:00Z", "2099-12-31T00:00:00Z"),
    ]
}

/// The query as that database writes it.
fn in_dialect(dialect: Dialect, text: &str) -> String {
    let mut parts = text.split('«');
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('»').unwrap();
        written += &dialect.quoted(name);
        written += rest;
    }
    written
}

struct All(Statements);

impl All {
    fn add(&mut self, name: &'static str, statement: &Statement) {
        self.0.add(name, statement.text(), statement.values().len());
    }

    fn add_asked(&mut self, name: &'static str, asked: &Asked, at_least: usize) {
        let asked = asked.take();
        assert!(asked.len() >= at_least, "{name}: only {} were asked", asked.len());
        asked.iter().for_each(|statement| self.add(name, statement));
    }
}

/// What all sources do with a query whose time column is of that kind.
async fn of_query(
    all: &mut All,
    (name, dialect): (&'static str, Dialect),
    query: &str,
    (wanted, time): (&[Wanted], usize),
    (kind, type_name, first): (Kind, &str, &str),
    end: Option<(usize, Kind)>,
) {
    let column = |(at, wanted): (usize, &Wanted)| match end {
        _ if at == time => (wanted.name, kind, type_name),
        Some((end, kind)) if at == end => (wanted.name, kind, "END"),
        _ => (wanted.name, Kind::Text, "VARCHAR"),
    };
    let columns: Vec<(&str, Kind, &str)> = wanted.iter().enumerate().map(column).collect();
    let (mut session, asked) = session(dialect, &columns, first);
    let bound = Bound::new(&mut session, query, wanted, time).await.unwrap();
    // Its columns, and of texts the first.
    all.add_asked(name, &asked, if kind == Kind::Text { 2 } else { 1 });
    let zone = Zone::new("Europe/Berlin").unwrap();
    // The text of a query and the edges of windows do not meet: all of them for one query.
    let windows = if query == in_dialect(dialect, QUERIES[0].1) { windows() } else { windows().split_off(2) };
    for window in windows {
        let early = Window::new(window.from().before(injixo_core::model::Millis::from_mins(1_440)), window.to());
        let mut reaches = vec![None];
        if let Some((end, _)) = end {
            for (end, has_null_dates) in [(Some(end), false), (Some(end), true), (None, false)] {
                reaches.push(Some(Reach { window: early.clone().unwrap(), end, has_null_dates }));
            }
        }
        for reach in reaches {
            let statement = bound.statement(dialect, window, &zone, time, reach.as_ref());
            let values = statement.values().len();
            let is_pasted = dialect.places == Places::Literals;
            assert!(if is_pasted { values == 0 } else { (2..=4).contains(&values) }, "{name}: {values}");
            session.looks_at_all(&statement).await.unwrap();
            let limited = statement.limited(3);
            session.run(&limited, &bound.columns, &mut Nobody).await.unwrap();
            all.add_asked(name, &asked, 2);
        }
    }
}

struct Nobody;

#[async_trait::async_trait]
impl crate::database::Rows for Nobody {
    fn row(&mut self, _: &[crate::database::Cell<'_>]) -> injixo_core::Result<()> {
        Ok(())
    }

    async fn flush(&mut self) -> injixo_core::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_statement() {
    let mut all = All(Statements::new("sql"));
    let length = IntervalLength::MINUTES_15;
    let forms = [Form::Contacts, Form::IntervalRows { length, attribution: Attribution::AsDelivered }];
    for (name, dialect) in DIALECTS {
        for (for_whom, query) in QUERIES {
            if !for_whom.is_empty() && !for_whom.contains(&name) {
                continue;
            }
            let query = in_dialect(dialect, query);
            for scale in TIMES {
                for form in forms {
                    let wanted = (contacts::wanted(form), contacts::TIME);
                    of_query(&mut all, (name, dialect), &query, wanted, scale, None).await;
                }
                // An end of the same type, and one that cannot be compared with the start.
                for end in [scale.0, Kind::Bool, Kind::Local] {
                    let wanted = (&statuses::WANTED[..], statuses::START);
                    of_query(&mut all, (name, dialect), &query, wanted, scale, Some((statuses::END, end))).await;
                }
            }
        }
        wrapped(&mut all, name, dialect);
    }
    all.0.finish();
}

/// Statements of connectors that know their tables, with columns of every kind and name.
fn wrapped(all: &mut All, name: &'static str, dialect: Dialect) {
    let plain = KINDS.map(|(kind, type_name)| ("a", kind, type_name));
    let hostile = HOSTILE_NAMES.map(|hostile| (hostile, Kind::Text, "VARCHAR"));
    let hostile_numbers = HOSTILE_NAMES.map(|hostile| (hostile, Kind::Decimal, "DECIMAL"));
    for columns in [&plain[..], &hostile, &hostile_numbers] {
        let column = |&(name, kind, type_name): &(&str, Kind, &str)| Column {
            name: name.to_owned(),
            kind,
            type_name: type_name.to_owned(),
        };
        let columns: Vec<Column> = columns.iter().map(column).collect();
        let mut statement = Statement::new(dialect);
        statement.push("SELECT t.a FROM b t WHERE t.a >= ");
        statement.push_value(crate::database::Edge::Secs(-5));
        let wrapped = statement.of(&columns);
        all.add(name, &wrapped);
        if name == "sqlite" {
            // Once a value is huge.
            all.add(name, &wrapped.clone().guarded(&columns));
        }
        all.add(name, &wrapped.limited(1));
    }
}
