//! What single values are read as.

use async_trait::async_trait;
use injixo_connectors::core::Result;
use injixo_connectors::sql::database::{Cell, Rows, Session, Statement};

use super::Db;

/// Takes rows as texts.
#[derive(Debug, Default)]
struct Shown(Vec<String>);

#[async_trait]
impl Rows for Shown {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.0.extend(cells.iter().map(|cell| format!("{cell:?}")));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A session with a database.
///
/// # Panics
///
/// If it cannot be opened.
pub async fn session(db: &Db) -> Session {
    let connection = (db.reach)(db.kind, &db.place);
    let connection = toml::from_str(&connection).unwrap_or_else(|error| panic!("{error}\n{connection}"));
    Session::open(&connection).await.unwrap_or_else(|error| panic!("{error:?}"))
}

/// The cells of a `SELECT`, row by row.
///
/// # Errors
///
/// Those of the database.
pub async fn cells(session: &mut Session, select: &str) -> Result<Vec<String>> {
    let mut statement = Statement::new(session.dialect());
    statement.push(select);
    let mut shown = Shown::default();
    session.read(&statement, &mut shown).await?;
    Ok(shown.0)
}

/// A number of 19 digits is read to the last, and what is larger is not taken for another.
const LARGEST: &str = "Int(9223372036854775807)";
const TOO_LARGE: &str = "Odd(\"a number that is too large\")";

/// Values of all kinds are what they are.
///
/// # Panics
///
/// If one is not.
pub async fn are_read_as_what_they_are(db: &Db) {
    let (setup, cases) = match db.kind {
        "postgres" => ("", POSTGRES),
        "mysql" => (MYSQL_TABLE, MYSQL),
        "mssql" => (SQL_SERVER_TABLE, SQL_SERVER),
        _ => ("", SQLITE),
    };
    if !setup.is_empty() {
        db.run(setup).await;
    }
    let mut session = session(db).await;
    for (value, expected) in cases {
        let from = if setup.is_empty() { "" } else { " FROM odd" };
        let select = format!("SELECT {value} AS v{from}");
        let found = cells(&mut session, &select).await.unwrap_or_else(|error| panic!("{select}: {error:?}"));
        assert_eq!(found, [*expected], "{}: {value}", db.kind);
    }
}

const POSTGRES: &[(&str, &str)] = &[
    ("CAST(7 AS smallint)", "Int(7)"),
    ("CAST(-9223372036854775808 AS bigint)", "Int(-9223372036854775808)"),
    ("CAST(4294967295 AS oid)", "Int(4294967295)"),
    ("CAST(9223372036854775807 AS numeric(19))", LARGEST),
    ("CAST(9223372036854775808 AS numeric(19))", TOO_LARGE),
    ("CAST(7.00 AS numeric(9,2))", "Int(7)"),
    ("CAST(-0.25 AS numeric)", "Micros(-250000)"),
    ("CAST(0.0000005 AS numeric)", "Micros(1)"),
    ("CAST('NaN' AS numeric)", "Odd(\"NaN or infinity\")"),
    ("CAST(0.1 AS double precision)", "Float(0.1)"),
    ("CAST(1711850400.123 AS double precision)", "Float(1711850400.123)"),
    ("CAST(0.5 AS real)", "Float(0.5)"),
    ("true", "Bool(true)"),
    ("1 = 2", "Bool(false)"),
    ("CAST(NULL AS integer)", "Null"),
    ("CAST('Zoë ☕ 🦀' AS text)", "Text(\"Zoë ☕ 🦀\")"),
    ("CAST('' AS text)", "Text(\"\")"),
    ("CAST('a' AS char(5))", "Text(\"a\")"),
    ("TIMESTAMP '2024-03-31 02:30:00.1239'", "Local(2024-03-31T02:30:00.123)"),
    ("DATE '2024-02-29'", "Local(2024-02-29T00:00:00)"),
    ("TIMESTAMPTZ '2024-03-31 02:30:00+05:30'", "Instant(2024-03-30T21:00:00Z)"),
    ("TIMESTAMP 'infinity'", "Odd(\"infinity\")"),
    ("TIMESTAMPTZ '-infinity'", "Odd(\"infinity\")"),
    ("TIME '01:02:03.5'", "Length(3723.5s)"),
    ("INTERVAL '-1.5 seconds'", "Length(-1.5s)"),
    ("INTERVAL '2 days 1 hour'", "Length(176400s)"),
    ("INTERVAL '1 month 2 days'", "Odd(\"an interval with months\")"),
    ("ARRAY[1,2]", "Text(\"{1,2}\")"),
    ("CAST('a0ee' AS xml)", "Text(\"a0ee\")"),
];

const MYSQL_TABLE: &str = "SET SESSION sql_mode = ''; SET SESSION time_zone = '+00:00'; CREATE TABLE odd (u BIGINT UNSIGNED, \
    ok BIGINT UNSIGNED, d DECIMAL(19), z DATETIME, zt TIMESTAMP NULL, dt DATETIME(6), ts TIMESTAMP(3) NULL, y YEAR, b BIT(1), \
    t TIME(1), f FLOAT, dbl DOUBLE, n DECIMAL(9,2), tiny TINYINT, yes BOOLEAN, nothing INT, day DATE); INSERT INTO odd VALUES \
    (18446744073709551615, 9223372036854775807, 9223372036854775807, '0000-00-00', 0, '2024-03-31 02:30:00.123999', \
    '2024-03-31 00:30:00.5', 2024, 1, '-100:00:00.5', 0.5, 1711850400.123, -0.25, -7, TRUE, NULL, '2024-02-29')";

const MYSQL: &[(&str, &str)] = &[
    ("u", TOO_LARGE),
    ("ok", LARGEST),
    ("d", LARGEST),
    // The zero date stands for none.
    ("z", "Null"),
    ("zt", "Null"),
    ("dt", "Local(2024-03-31T02:30:00.123)"),
    ("ts", "Instant(2024-03-31T00:30:00.500Z)"),
    ("day", "Local(2024-02-29T00:00:00)"),
    ("y", "Int(2024)"),
    ("b", "Int(1)"),
    ("t", "Length(-360000.5s)"),
    ("f", "Float(0.5)"),
    ("dbl", "Float(1711850400.123)"),
    ("n", "Micros(-250000)"),
    ("n * 4", "Int(-1)"),
    ("tiny", "Int(-7)"),
    ("yes", "Int(1)"),
    ("nothing", "Null"),
    ("'Zoë ☕ 🦀'", "Text(\"Zoë ☕ 🦀\")"),
    ("''", "Text(\"\")"),
];

const SQLITE: &[(&str, &str)] = &[
    ("9223372036854775807", LARGEST),
    ("-7", "Int(-7)"),
    ("0.5", "Float(0.5)"),
    ("1711850400.123", "Float(1711850400.123)"),
    ("'007'", "Text(\"007\")"),
    ("''", "Text(\"\")"),
    // Its driver of ODBC garbles such a character in a statement, not in a value.
    ("'Zoë ☕ ' || char(129408)", "Text(\"Zoë ☕ 🦀\")"),
    ("NULL", "Null"),
    ("x'00ff'", "Odd(\"a BLOB\")"),
    ("CAST(x'41ff' AS TEXT)", "Odd(\"a text that is not Unicode\")"),
];

const SQL_SERVER_TABLE: &str = "CREATE TABLE odd (t tinyint, s smallint, i int, big bigint, b bit, d decimal(19,0), n decimal(9,2), \
    m money, sm smallmoney, f float, r real, g uniqueidentifier, vb varbinary(10), da date, ti time(7), \
    dt datetime, sd smalldatetime, d2 datetime2(7), dto datetimeoffset(3), none int, nv nvarchar(20), vc varchar(20), \
    nmax nvarchar(max)); INSERT INTO odd VALUES (255, -32768, -7, 9223372036854775807, 1, 9223372036854775807, -0.25, \
    '922337203685477.5807', -1.5, 1711850400.123, 0.5, '6F9619FF-8B86-D011-B42D-00C04FC964FF', x'00FF10', \
    '2024-02-29', '01:02:03.5', '2024-03-31 02:30:00.123', '2024-03-31 02:30:00', '2024-03-31 02:30:00.1239999', \
    '2024-03-31 02:30:00.5 +05:30', NULL, 'Zoë ☕ 🦀', 'Zoë €', '')";

const SQL_SERVER: &[(&str, &str)] = &[
    ("t", "Int(255)"),
    ("s", "Int(-32768)"),
    ("i", "Int(-7)"),
    ("big", LARGEST),
    ("b", "Bool(true)"),
    ("d", LARGEST),
    ("n", "Micros(-250000)"),
    ("sm", "Micros(-1500000)"),
    ("f", "Float(1711850400.123)"),
    ("r", "Float(0.5)"),
    ("g", "Text(\"6F9619FF-8B86-D011-B42D-00C04FC964FF\")"),
    ("vb", "Text(\"00FF10\")"),
    ("da", "Local(2024-02-29T00:00:00)"),
    ("ti", "Length(3723.5s)"),
    ("dt", "Local(2024-03-31T02:30:00.123)"),
    ("sd", "Local(2024-03-31T02:30:00)"),
    ("d2", "Local(2024-03-31T02:30:00.123)"),
    ("dto", "Instant(2024-03-30T21:00:00.500Z)"),
    ("none", "Null"),
    ("nv", "Text(\"Zoë ☕ 🦀\")"),
    ("vc", "Text(\"Zoë €\")"),
    ("nmax", "Text(\"\")"),
];

/// What is longer than a name may be stays too long, and is not kept whole.
///
/// # Panics
///
/// If it is not.
pub async fn long_texts_are_cut(db: &Db) {
    let mut session = session(db).await;
    for (text, length) in [("a", 5_000), ("🦀", 5_000), ("🦀", 1_001), ("ä", 1_000)] {
        let repeated = match db.kind {
            "sqlite" => {
                let code = u32::from(text.chars().next().unwrap_or_default());
                format!("replace(hex(zeroblob({length})), '00', char({code}))")
            }
            "mssql" => format!("N'{}'", text.repeat(length)),
            _ => format!("repeat('{text}', {length})"),
        };
        let found = cells(&mut session, &format!("SELECT {repeated} AS v")).await;
        let found = found.unwrap_or_else(|error| panic!("{}: {error:?}", db.kind));
        assert_eq!(found, [format!("Text({:?})", text.repeat(length.min(1_001)))], "{}: {length}", db.kind);
    }
}
