//! Queries that are mistaken, or mean harm.

use std::path::Path;

use injixo_connectors::core::connector::{Connector, Context};
use injixo_connectors::core::{MemoryStore, Runtime};

use super::facts::{fill, for_kind};
use super::{Db, window};

/// Mistakes in queries are named.
///
/// # Panics
///
/// If one is not.
pub async fn mistakes_in_queries_are_named(db: &Db) {
    fill(db).await;
    let cx = Context::default();
    let problem = async |query: &str| -> String {
        let query = for_kind(query, db.kind);
        match db.connector(&format!("contacts.query = '''{query}'''")) {
            Err(error) => error.to_string(),
            Ok(connector) => connector.check(&cx).await.expect("it is checked").problems.join("\n"),
        }
    };
    let cases = [
        (
            "SELECT 1 AS queueidentifier, 'a' AS queuename, started AS \"timestamp\", 1 AS handled FROM calls",
            "column \"answered\" missing in the result (it has: queueidentifier, queuename, timestamp, handled)",
        ),
        (
            "SELECT 1 AS queueidentifier, 'a' AS queuename, 'noon' AS \"timestamp\", 1 AS answered FROM calls",
            "is no time",
        ),
        ("SELECT * FROM missing", "names something that is not"),
        ("SELECT 1 AS queueidentifier; DELETE FROM calls", "more than one statement"),
        ("SELECT FROM WHERE", "does not understand the query"),
    ];
    for (query, expected) in cases {
        let found = problem(query).await;
        // SQLite has one error for both.
        let expected = if db.kind == "sqlite" && query.contains("missing") { "that is not there" } else { expected };
        assert!(found.contains(expected), "{}: {query}: {found}", db.kind);
    }
    // These are fine.
    for query in [
        "WITH recent AS (SELECT * FROM calls) SELECT queue_id AS queueidentifier, queue_name AS queuename, started AS \"timestamp\", answered FROM recent;",
        "/* calls */ SELECT queue_id AS queueidentifier, queue_name AS queuename, started AS \"TIMESTAMP\", answered FROM calls ORDER BY 3 -- newest last",
    ] {
        assert_eq!(problem(query).await, "", "{}: {query}", db.kind);
    }
}

/// Queries that can only do harm do none: nothing is written to the database, and no file `written`.
///
/// # Panics
///
/// If one does.
pub async fn queries_that_can_only_do_harm_do_none(db: &Db, written: &Path) {
    fill(db).await;
    let before = db.writer.count("SELECT count(*) FROM calls").await;
    let columns = "1 AS queueidentifier, 'a' AS queuename, '2024-10-26 22:10:00' AS \"timestamp\", 1 AS answered";
    let path = written.display();
    let mut queries = vec![
        "DELETE FROM calls".to_owned(),
        format!("SELECT {columns}; DELETE FROM calls"),
        format!("SELECT {columns} --\n; DELETE FROM calls"),
        format!("SELECT {columns}) AS q; DELETE FROM calls; SELECT * FROM (SELECT {columns}"),
    ];
    match db.kind {
        "postgres" => {
            db.run(
                "CREATE FUNCTION harm() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM calls; RETURN 1; END $$",
            )
            .await;
            queries.extend([
                format!("WITH gone AS (DELETE FROM calls RETURNING 1) SELECT {columns} FROM gone"),
                columns.replacen("1 AS answered", "harm() AS answered", 1).replacen("1 AS", "SELECT 1 AS", 1),
                format!("SELECT {columns}) TO PROGRAM 'touch {path}'; COPY (SELECT 1"),
                format!("COPY calls TO PROGRAM 'touch {path}'"),
                format!("SELECT {columns} FROM (SELECT set_config('transaction_read_only', 'off', true)) s, (SELECT harm()) t"),
                format!("SELECT {columns} INTO copied FROM calls"),
            ]);
        }
        "mysql" => {
            db.run("CREATE FUNCTION harm() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM calls; RETURN 1; END")
                .await;
            queries.extend([
                columns.replacen("1 AS answered", "harm() AS answered", 1).replacen("1 AS", "SELECT 1 AS", 1),
                format!("SELECT {columns} INTO OUTFILE '{path}' FROM calls"),
                format!("SELECT {columns} /*! INTO OUTFILE '{path}' */ FROM calls"),
                format!("SELECT {columns} FROM calls FOR UPDATE"),
            ]);
        }
        "mssql" => queries.extend([
            format!("WITH gone AS (SELECT * FROM calls) DELETE FROM gone SELECT {columns}"),
            format!("SELECT {columns} INTO copied FROM calls"),
            format!("SELECT {columns} FROM calls WHERE 1 = 1 DELETE FROM calls"),
            "EXEC ('DELETE FROM calls')".to_owned(),
        ]),
        _ => queries.extend([
            format!("WITH gone AS (DELETE FROM calls RETURNING 1) SELECT {columns} FROM gone"),
            format!("ATTACH '{path}' AS other"),
            format!("SELECT {columns} FROM (VACUUM INTO '{path}')"),
            format!("SELECT {columns}, writefile('{path}', 'x') AS w"),
            format!("SELECT {columns}, load_extension('{path}') AS w"),
        ]),
    }
    for query in queries {
        let query = for_kind(&query, db.kind);
        if let Ok(connector) = db.connector(&format!("contacts.query = '''{query}'''")) {
            let runtime = Runtime::new(MemoryStore::new());
            // Whether it is refused when it is added or when it is read.
            if let Ok(integration) = runtime.add("db", connector).await {
                let _ = integration.import_contacts(window("2024-10-26T20:00:00Z", "2024-10-26T21:00:00Z")).await;
            }
        }
        assert_eq!(db.writer.count("SELECT count(*) FROM calls").await, before, "{}: {query}", db.kind);
        assert!(!written.exists(), "{}: {query}", db.kind);
    }
}

/// A check tells when the database looks at all rows of a large table, and not when an index leads to them.
///
/// # Panics
///
/// If it does otherwise.
pub async fn a_query_that_looks_at_all_rows_is_told(db: &Db) {
    let digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 \
        UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let numbers = format!(
        "SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d FROM {digits} a, {digits} b, {digits} c, {digits} e, \
         {digits} f"
    );
    db.run("CREATE TABLE large (at BIGINT NOT NULL, filled CHAR(60))").await;
    db.run(&format!("INSERT INTO large (at) {numbers}")).await;
    let query = "SELECT 'a' AS queueidentifier, 'a' AS queuename, at AS \"timestamp\", 1 AS answered FROM large";
    let notes = async || {
        let report = db.contacts(&for_kind(query, db.kind)).check(&Context::default()).await.expect("it is checked");
        assert_eq!(report.problems, [""; 0], "{}", db.kind);
        report.notes.join("\n")
    };
    let analyze = if db.kind == "mysql" { "ANALYZE TABLE large" } else { "ANALYZE large" };
    db.run(analyze).await;
    let found = notes().await;
    assert!(found.contains("contacts: slow: the database looks at all rows"), "{}: {found}", db.kind);
    db.run("CREATE INDEX large_at ON large (at)").await;
    db.run(analyze).await;
    let found = notes().await;
    assert!(!found.contains("slow"), "{}: {found}", db.kind);
}
