//! Statements that SQL Server takes, and those that it refuses.

use injixo_test_tds::{Options, TdsServer, User};

mod raw;

use raw::{Raw, done, has, number};

fn server() -> TdsServer {
    let server =
        TdsServer::start(Options::default().user(User::new("reader", "r").reads(&["few", "seen"])).schema("cc"));
    server.execute(
        "CREATE TABLE few (id int NOT NULL PRIMARY KEY, name nvarchar(20), at datetime2(3), amount decimal(10,2));
         INSERT INTO few VALUES (1, 'eins', '2024-03-31 00:59:59.5', 1.5), (2, 'zwei', '2024-03-31 01:00:00', 2),
             (3, NULL, NULL, NULL);
         CREATE TABLE other (id int NOT NULL, few_id int);
         INSERT INTO other VALUES (10, 1), (11, 1), (12, 2);
         CREATE TABLE cc.calls (id int NOT NULL);
         INSERT INTO cc.calls VALUES (5);",
    );
    server
}

#[test]
fn statements_give_rows() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    for (sql, rows) in [
        ("SELECT * FROM few", 3),
        ("SELECT * FROM contacts.dbo.few", 3),
        ("SELECT * FROM contacts..few AS f WHERE f.id > 1", 2),
        ("SELECT few.id FROM [dbo].[few]", 3),
        ("SELECT dbo.few.id FROM dbo.few", 3),
        ("SELECT \"id\" FROM \"few\"", 3),
        ("SELECT c.id FROM cc.calls c", 1),
        ("SELECT TOP 2 id FROM few", 2),
        ("SELECT DISTINCT TOP (1) id FROM few ORDER BY id DESC", 1),
        ("SELECT TOP (0) * FROM (SELECT id, name FROM few) AS q", 0),
        ("SELECT id FROM few ORDER BY id OFFSET 0 ROWS", 3),
        ("SELECT id FROM few ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", 1),
        ("SELECT q.id FROM (SELECT id FROM few ORDER BY id OFFSET 0 ROWS) AS q", 3),
        ("SELECT q.id FROM (SELECT TOP (2) id FROM few ORDER BY id) AS q", 2),
        ("SELECT id FROM few UNION ALL SELECT id FROM other", 6),
        ("SELECT id FROM few UNION ALL SELECT TOP (1) id FROM other", 4),
        ("SELECT id FROM few UNION SELECT few_id FROM other ORDER BY id", 3),
        (
            "SELECT f.id, COUNT(*) AS n FROM few f LEFT JOIN other o ON o.few_id = f.id GROUP BY f.id HAVING COUNT(*) > 0",
            3,
        ),
        ("SELECT f.id FROM few f INNER JOIN other AS o ON o.few_id = f.id, cc.calls", 3),
        ("SELECT f.id FROM few AS f WITH (NOLOCK) JOIN other o WITH (NOLOCK) ON o.few_id = f.id", 3),
        ("SELECT f.id FROM few f WHERE EXISTS (SELECT 1 FROM other o WHERE o.few_id = f.id)", 2),
        ("SELECT id FROM few WHERE id IN (SELECT few_id FROM other)", 2),
        ("SELECT id FROM few WHERE name IN (N'eins', N'drei')", 1),
        ("SELECT id FROM few WHERE LEFT(name, 2) = N'zw' AND LEN(name) = 4", 1),
        ("SELECT id FROM few WHERE at >= '2024-03-31T01:00:00' AND at < '2024-03-31T02:00:00.000'", 1),
        ("SELECT id FROM few WHERE at = '2024-03-31 00:59:59.500'", 1),
        ("SELECT id FROM few WHERE DATEDIFF(second, at, '2024-03-31T01:00:00') = 1", 1),
        ("SELECT id FROM few WHERE DATEADD(millisecond, 500, at) = '2024-03-31T01:00:00'", 1),
        ("SELECT id FROM few WHERE CAST(at AS date) = CAST('2024-03-31' AS date)", 2),
        ("SELECT id FROM few WHERE name + N'!' = N'eins!'", 1),
        ("SELECT id FROM few WHERE ISNULL(name, N'x') = N'x'", 1),
        ("SELECT CASE WHEN id = 1 THEN N'a' ELSE N'b' END AS c FROM few", 3),
        ("SELECT n = id, m = name + N' ' + name FROM few", 3),
        ("SELECT ROW_NUMBER() OVER (PARTITION BY name ORDER BY id) AS r FROM few", 3),
        ("SELECT SUM(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS r FROM few", 3),
        ("WITH x AS (SELECT id FROM few), y (a) AS (SELECT id FROM x) SELECT a FROM y", 3),
        ("WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 100) SELECT n FROM r", 100),
        ("WITH r (n) AS (SELECT 1 UNION ALL SELECT p.n + 1 FROM r AS p WHERE p.n < 5) SELECT * FROM r", 5),
        (
            "WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 500) SELECT n FROM r OPTION (MAXRECURSION 0)",
            500,
        ),
        ("SELECT @@VERSION", 1),
        ("SELECT id FROM few -- LIMIT 1\n", 3),
        ("SELECT /* a /* b */ c */ id FROM few;", 3),
        (
            "SELECT q.* FROM (SELECT f.id, o.id AS other FROM few f CROSS JOIN other o) q WHERE (q.id = 1 OR q.id = 2)",
            6,
        ),
        (
            "SELECT CONVERT(varchar(10), at, 23) AS d, CAST(id AS decimal(10, 2)) AS e, TRY_CAST(name AS int) AS f FROM few",
            3,
        ),
        ("SELECT 'it''s' AS [a]]b], 0xFF AS b, -1 AS c, 1e3 AS d, .5 AS e", 1),
        ("(SELECT id FROM few)", 3),
        ("SELECT id FROM ((few))", 3),
        ("SELECT * FROM (few f JOIN other o ON o.few_id = f.id)", 3),
        ("SELECT limit.id FROM few limit", 3),
        ("SELECT id FROM few ORDER BY CASE WHEN name IS NULL THEN 1 ELSE 0 END, id", 3),
        ("SELECT id FROM few WHERE NOT (id = 1) AND id BETWEEN 1 AND 3 AND name LIKE N'z%'", 1),
        ("SELECT MAX(at) AS m, MIN(id) AS i, COUNT_BIG(*) AS n, AVG(amount) AS a FROM few", 1),
        ("SELECT id FROM few WHERE at > DATEADD(day, -1, GETDATE())", 0),
        ("SELECT o.id FROM few f LEFT JOIN other o ON o.few_id = f.id", 4),
        (
            "SELECT q.s, q.d FROM (SELECT CAST(SUM(amount) AS float) AS s, CAST(at AS date) AS d FROM few GROUP BY CAST(at AS date)) q",
            2,
        ),
        ("SELECT DISTINCT CAST(at AS date) AS d FROM few", 2),
        (
            "SELECT q.d FROM (SELECT CAST(at AS datetime2(0)) AS d FROM few) q WHERE q.d >= '2024-03-31T01:00:00' ORDER BY q.d",
            2,
        ),
        ("SELECT COALESCE(name, N'-') AS n, IIF(id > 1, 1, 0) AS i, CONCAT(name, N'x') AS c FROM few", 3),
    ] {
        let answer = client.batch(sql);
        assert_eq!(number(&answer), 0, "{sql}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(done(&answer), (0x10, 0xC1, rows), "{sql}");
    }
}

#[test]
fn what_the_server_refuses_is_refused() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    let refused = [
        ("SELECT * FROM nothing", 208),
        ("SELECT * FROM dbo.nothing", 208),
        ("SELECT * FROM nowhere.few", 208),
        ("SELECT * FROM elsewhere.dbo.few", 208),
        ("SELECT * FROM sqlite_master", 208),
        ("SELECT nothing FROM few", 207),
        ("SELECT f.nothing FROM few f", 207),
        ("SELECT g.id FROM few f", 4104),
        ("SELECT \"a text\" FROM few", 207),
        ("SELECT id FROM few JOIN other ON few_id = few.id", 209),
        ("SELECT id FROM few LIMIT 1", 102),
        ("SELECT `id` FROM few", 102),
        ("SELECT name || N'x' FROM few", 102),
        ("SELECT id::int FROM few", 102),
        ("SELECT id FROM few WHERE id == 1", 102),
        ("SELECT id FROM few WHERE id = ?", 102),
        ("SELECT id FROM few WHERE id = :id", 102),
        ("SELECT id FROM few WHERE id = $1", 102),
        ("SELECT id FROM few WHERE id = @id", 137),
        ("SELECT id FROM", 102),
        ("SELECT FROM few", 156),
        ("SELECT id, FROM few", 156),
        ("SELECT (id FROM few", 102),
        ("SELECT id) FROM few", 102),
        ("SELECT 'open FROM few", 105),
        ("SELECT id FROM few /* open", 113),
        ("SELECT id FROM few WHERE", 102),
        ("SELECT q.id FROM (SELECT id FROM few ORDER BY id) AS q", 1033),
        ("SELECT q.id FROM (SELECT id FROM few ORDER BY id) q WHERE q.id = 1", 1033),
        ("SELECT q.id FROM (WITH x AS (SELECT id FROM few) SELECT id FROM x) AS q", 156),
        ("SELECT q.id FROM (SELECT id FROM few; SELECT 1) AS q", 102),
        ("SELECT id FROM (SELECT id FROM few)", 102),
        ("SELECT id FROM (SELECT id FROM few) WHERE id = 1", 156),
        ("SELECT * FROM (SELECT id, id + 1 FROM few) AS q", 8155),
        ("SELECT * FROM (SELECT COUNT(*) FROM few) AS q", 8155),
        ("SELECT * FROM (SELECT id, name AS id FROM few) AS q", 8156),
        ("SELECT * FROM (SELECT * FROM few JOIN other ON few_id = few.id) AS q", 8156),
        ("WITH x AS (SELECT id + 1 FROM few) SELECT * FROM x", 8155),
        ("WITH x AS (SELECT id FROM few ORDER BY id) SELECT * FROM x", 1033),
        ("SELECT id FROM few WHERE id IN (SELECT few_id FROM other ORDER BY 1)", 1033),
        ("WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 0) SELECT n, tds_depth FROM r", 207),
        ("WITH RECURSIVE r AS (SELECT 1 AS n) SELECT n FROM r", 102),
        ("SELECT id FROM few OFFSET 1 ROWS", 102),
        ("SELECT TOP (1) id FROM few ORDER BY id OFFSET 1 ROWS", 10741),
        ("SELECT id FROM few UNION SELECT id, few_id FROM other", 205),
        ("SELECT ifnull(name, 'x') FROM few", 195),
        ("SELECT strftime('%Y', at) FROM few", 195),
        ("SELECT nofunction(id) FROM few", 195),
        ("SELECT id FROM few WHERE true", 207),
        ("SELECT CAST(id AS text2) FROM few", 243),
        ("SELECT id FROM few USING (id)", 102),
        ("PRAGMA user_version", 102),
        ("VACUUM", 2812),
        ("no_procedure", 2812),
        ("EXEC no_procedure 1, 'x'", 2812),
        ("SET NOTHING ON", 195),
        ("SET SHOWPLAN_XML ON", 262),
        ("ATTACH 'x' AS y", 156),
        ("COMMIT", 3902),
        ("ROLLBACK TRANSACTION", 3903),
        ("USE nowhere", 911),
        ("IF 1 = 1 SELECT 1", 156),
    ];
    let mut wrong = Vec::new();
    for (sql, error) in refused {
        let answer = client.batch(sql);
        if (number(&answer), done(&answer).0) != (error, 2) {
            wrong.push((sql, error, number(&answer)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What is wrong while it runs comes after the columns.
    for (sql, text) in [
        (
            "WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 102) SELECT n FROM r",
            "The maximum recursion 100",
        ),
        ("SELECT CAST(name AS int) AS i FROM few", "Conversion failed when converting the nvarchar value 'eins'"),
    ] {
        let answer = client.batch(sql);
        assert!(has(&answer, text), "{sql}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(done(&answer).0 & 2, 2, "{sql}");
    }
    // What is nested deeply, or long, ends no more than its statement.
    let nested = (0..150).fold("SELECT id FROM few".to_owned(), |sql, _| format!("SELECT q.id FROM ({sql}) AS q"));
    let parentheses = format!("SELECT {}1{} AS a", "(".repeat(199), ")".repeat(199));
    let sum = format!("SELECT 1{} AS a", " + 1".repeat(20_000));
    for sql in [nested, parentheses, "(".repeat(100_000), sum] {
        client.batch(&sql);
        assert_eq!(done(&client.batch("SELECT id FROM few")).2, 3);
    }
    // A line is counted.
    let answer = client.batch("SELECT 1 AS a\nSELECT id,\n FROM few");
    assert!(answer.ends_with(&[3, 0, 0, 0, 0xFD, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "{answer:?}");
}

#[test]
fn a_batch_does_all_that_is_in_it() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    let count = |client: &mut Raw| done(&client.batch("SELECT * FROM other")).2;
    // No semicolon is needed between statements.
    client.batch("SELECT id FROM few DELETE FROM other WHERE id = 12");
    assert_eq!(count(&mut client), 2);
    client.batch("SELECT q.id FROM (SELECT id FROM few) AS q; DELETE other WHERE id = 11; --) AS q");
    assert_eq!(count(&mut client), 1);
    client.batch("WITH x AS (SELECT 10 AS a) DELETE FROM other WHERE id IN (SELECT a FROM x)");
    assert_eq!(count(&mut client), 0);
    client.batch("SELECT id, name INTO copied FROM few");
    assert_eq!(done(&client.batch("SELECT * FROM copied")).2, 3);
    client.batch("WITH x AS (SELECT * FROM copied WHERE id = 1) DELETE FROM x");
    assert_eq!(done(&client.batch("SELECT * FROM copied")).2, 2);
    assert_eq!(done(&client.batch("INSERT copied (id) VALUES (7), (8)")), (0x10, 0xC3, 2));
    assert_eq!(done(&client.batch("UPDATE copied SET name = N'x' WHERE id > 6")), (0x10, 0xC5, 2));
    client.batch("TRUNCATE TABLE copied");
    assert_eq!(done(&client.batch("SELECT * FROM copied")).2, 0);
    assert_eq!(client.error("DROP TABLE copied"), 0);
    assert_eq!(client.error("SELECT * FROM copied"), 208);
    // Nothing runs of a batch that is wrong at its end, but for a table that is not there.
    assert_eq!(client.error("INSERT INTO other VALUES (1, 1) SELECT nothing FROM few"), 207);
    assert_eq!(count(&mut client), 0);
    client.batch("INSERT INTO other VALUES (1, 1) SELECT * FROM nothing");
    assert_eq!(count(&mut client), 1);
    // One without the right does no harm.
    let mut reader = Raw::as_user(&server, "reader", "r");
    for sql in
        ["DELETE FROM few", "UPDATE few SET name = N'x'", "INSERT INTO few (id) VALUES (9)", "SELECT * FROM other"]
    {
        assert_eq!(reader.error(sql), 229, "{sql}");
    }
    assert_eq!(reader.error("DROP TABLE few"), 262);
    assert_eq!(reader.error("SELECT q.id FROM (SELECT id FROM other) AS q"), 229);
    assert_eq!(reader.error("SELECT COUNT(*) AS n FROM other"), 229);
    assert_eq!(done(&reader.batch("SELECT * FROM few")).2, 3);
    // A view is read with the right on it, whatever is underneath; what it joins may be NULL.
    client.batch("CREATE VIEW seen AS SELECT o.id FROM few f LEFT JOIN other o ON o.id = -f.id");
    assert_eq!(done(&reader.batch("SELECT * FROM dbo.seen")), (0x10, 0xC1, 3));
}

#[test]
fn transactions_are_kept_apart() {
    let server = server();
    let mut one = Raw::logged_in(&server);
    let mut two = Raw::logged_in(&server);
    let answer = one.batch("BEGIN TRAN");
    assert_eq!(&answer[..5], [0xE3, 11, 0, 8, 8], "the client learns of its transaction");
    one.batch("INSERT INTO other VALUES (1, 1)");
    assert_eq!(done(&two.batch("SELECT * FROM other")).2, 3);
    two.batch("SET LOCK_TIMEOUT 0");
    assert_eq!(two.error("INSERT INTO other VALUES (2, 2)"), 1222);
    let answer = one.batch("COMMIT TRANSACTION");
    assert_eq!(&answer[..5], [0xE3, 11, 0, 9, 0]);
    assert_eq!(done(&two.batch("SELECT * FROM other")).2, 4);
    // The transaction manager.
    let ask = |client: &mut Raw, request: &[u8]| {
        let mut data = raw::headers();
        data.extend(request);
        client.send(raw::TRANSACTION, &data);
        client.receive()
    };
    assert_eq!(ask(&mut one, &[5, 0, 2, 0])[3], 8);
    assert_eq!(done(&one.batch("SELECT @@TRANCOUNT AS n")).2, 1);
    one.batch("DELETE FROM other");
    assert_eq!(ask(&mut one, &[8, 0, 0, 0])[3], 10);
    assert_eq!(done(&one.batch("SELECT * FROM other")).2, 4);
    // What is open when a connection ends is undone.
    one.batch("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN; DELETE FROM other");
    drop(one);
    raw::wait_for("the end of the connection", || server.connections() == 1);
    assert_eq!(done(&two.batch("SELECT * FROM other")).2, 4);
}

#[test]
fn a_query_is_described_without_being_run() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    let sql = "EXEC sp_describe_first_result_set @tsql = N'SELECT id, name AS n, CAST(at AS datetime) AS t, COUNT(*) OVER () \
        AS c FROM few'";
    let answer = client.batch(sql);
    for text in ["column_ordinal", "system_type_name", "int", "nvarchar(20)", "datetime"] {
        assert!(has(&answer, text), "{text}");
    }
    assert_eq!(number(&client.batch("sp_describe_first_result_set N'SELECT nothing FROM few'")), 207);
    let endless = "sp_describe_first_result_set N'WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r \
        OPTION (MAXRECURSION 0)'";
    assert!(has(&client.batch(endless), "tds_collation_sort_id"));
    assert_eq!(number(&client.batch("sp_describe_first_result_set N'DELETE FROM few'")), 0);
    assert_eq!(done(&client.batch("SELECT * FROM few")).2, 3);
    client.batch("SET FMTONLY ON");
    assert_eq!(done(&client.batch("SELECT * FROM few")), (0x10, 0xC1, 0));
    client.batch("SET FMTONLY OFF");
    assert_eq!(done(&client.batch("SELECT * FROM few")).2, 3);
}
