//! Two clients that others wrote read from the stand-in what was put into it: FreeTDS, through its ODBC driver, and
//! python-tds. Expected values are written by hand.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use injixo_test_tds::{Encryption, Options, TdsServer, User, Version};

/// How long a client may take.
const LONGEST: Duration = Duration::from_secs(60);

const PASSWORD: &str = "Grün{;}=9";

fn options() -> Options {
    Options::default()
        .user(User::new("reader", PASSWORD).reads(&["every", "fixed", "few"]))
        .user(User::new("plain", "plain-1").reads(&["every", "fixed", "few"]))
}

/// Runs a client with an input and gives what it wrote.
fn output(mut command: Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("its input is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let (mut stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        bytes
    });
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    let bytes = receiver.recv_timeout(LONGEST);
    let _ = child.kill();
    let _ = child.wait();
    let _ = writer.join();
    let errors = String::from_utf8_lossy(&errors.join().expect("its errors are read")).into_owned();
    let bytes = bytes.unwrap_or_else(|_| panic!("{command:?} does not end: {errors}"));
    String::from_utf8_lossy(&bytes).into_owned() + &errors
}

/// python-tds with statements, one a line. `size` is that of packets.
fn python(server: &TdsServer, user: (&str, &str), size: u32, tls: &[&str], statements: &[&str]) -> Vec<String> {
    let python = std::env::var_os("INJIXO_TEST_PYTHON")
        .expect("set INJIXO_TEST_PYTHON to a Python that has the packages python-tds and pyopenssl");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients.py");
    let mut command = Command::new(python);
    command.arg(script).arg(server.port().to_string()).args([user.0, user.1, &size.to_string()]).args(tls);
    if tls.is_empty() {
        command.arg("-");
    }
    output(command, &(statements.join("\n") + "\n")).lines().map(str::to_owned).collect()
}

/// FreeTDS with statements, one a line.
fn freetds(server: &TdsServer, user: (&str, &str), more: &str, statements: &[&str]) -> Vec<String> {
    let drivers = ["/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so", "/usr/lib/aarch64-linux-gnu/odbc/libtdsodbc.so"];
    let driver = drivers.iter().find(|driver| Path::new(driver).exists());
    let driver = driver.expect("install the Debian packages tdsodbc and unixodbc");
    let mut command = Command::new("isql");
    let (port, name, password) = (server.port(), user.0, user.1);
    let string = format!(
        "DRIVER={driver};SERVER=127.0.0.1;PORT={port};DATABASE=contacts;ClientCharset=UTF-8;UID={name};PWD={password};{more}"
    );
    command.args(["-b", "-v", "-d|", "-k", &string]);
    output(command, &(statements.join("\n") + "\n")).lines().map(str::to_owned).collect()
}

/// A table with all types that may be NULL: values at their ends, usual ones, and none.
fn fill(server: &TdsServer) {
    let long = "Größe-".repeat(2000);
    server.execute(
        "CREATE TABLE every (id int NOT NULL PRIMARY KEY, b bit, t tinyint, s smallint, i int, l bigint, r real, f float, \
         d decimal(10,2), dd decimal text(38,10), n numeric(5,0), m money text, sm smallmoney, c char(5), v varchar(20), \
         vm varchar(max), nc nchar(5), nv nvarchar(50), nm nvarchar(max), da date, ti time(7), t3 time(3), dt datetime, \
         sd smalldatetime, d2 datetime2(7), d0 datetime2(0), dto datetimeoffset(3), g uniqueidentifier, vb varbinary(10), \
         vbm varbinary(max), tx text, ntx ntext)",
    );
    server.execute(
        "INSERT INTO every VALUES (1, 0, 0, -32768, -2147483648, -9223372036854775808, -3.4028235e38, \
         -1.7976931348623157e308, -99999999.99, '-9999999999999999999999999999.9999999999', -99999, \
         '-922337203685477.5808', -214748.3648, 'ab', 'vär €', 'max', 'n', '日本', 'x', '0001-01-01', '00:00:00', \
         '00:00:00', '1753-01-01 00:00:00', '1900-01-01 00:00:00', '0001-01-01 00:00:00', '0001-01-01 00:00:00', \
         '0001-01-02 00:00:00 +14:00', '00000000-0000-0000-0000-000000000000', x'', x'00', '', '')",
    );
    server.execute(
        "INSERT INTO every VALUES (2, 1, 255, 32767, 2147483647, 9223372036854775807, 1.5, 4.9406564584124654e-324, \
         99999999.99, '9999999999999999999999999999.9999999999', 99999, '922337203685477.5807', 214748.3647, 'abcde', \
         'ÿ', 'z', 'äöüßé', '😀', 'e', '9999-12-31', '23:59:59.9999999', '23:59:59.999', '9999-12-31 23:59:59.997', \
         '2079-06-06 23:59:00', '9999-12-31 23:59:59.9999999', '9999-12-31 23:59:59', \
         '2024-10-27 02:30:00.123 -03:30', '6F9619FF-8B86-D011-B42D-00C04FC964FF', x'00FF10', x'0102', 'té', '日')",
    );
    server.execute("INSERT INTO every (id) VALUES (3)");
    server.execute(&format!(
        "INSERT INTO every (id, nm, vm, ntx, tx, dt, d2) VALUES (4, '{long}', '{long}', '{long}', '{long}', \
         '2024-03-31 02:30:00.123', '2024-03-31 02:30:00.1234567')"
    ));
    server.execute(
        "CREATE TABLE fixed (b bit NOT NULL, t tinyint NOT NULL, s smallint NOT NULL, i int NOT NULL, l bigint NOT NULL, \
         r real NOT NULL, f float NOT NULL, d decimal(5,3) NOT NULL, m money NOT NULL, sm smallmoney NOT NULL, \
         v nvarchar(5) NOT NULL, da date NOT NULL, dt datetime NOT NULL, sd smalldatetime NOT NULL, \
         d2 datetime2(3) NOT NULL)",
    );
    server.execute(
        "INSERT INTO fixed VALUES (1, 7, -7, 70000, 7000000000, 0.25, 0.1, 12.345, 1.5, -1.5, 'fünf', '2024-02-29', \
         '2024-02-29 12:34:56.79', '2024-02-29 12:34:00', '2024-02-29 12:34:56.789')",
    );
    server.execute("CREATE TABLE few (id int, name nvarchar(20)); INSERT INTO few VALUES (1, 'eins'), (2, NULL)");
    server.execute("CREATE TABLE secret (id int)");
}

const NULLS: usize = 31;

fn expect(lines: &[String], expected: &[&str]) {
    for (index, line) in expected.iter().enumerate() {
        assert_eq!(lines.get(index).map(String::as_str), Some(*line), "line {index} of {lines:#?}");
    }
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
}

#[test]
fn python_tds_reads_every_type() {
    let server = TdsServer::start(options());
    fill(&server);
    let mut nulls = "int 3".to_owned();
    for _ in 0..NULLS {
        nulls.push_str("|NULL");
    }
    let long = "Größe-".repeat(2000);
    let first = "int 1|bool False|int 0|int -32768|int -2147483648|int -9223372036854775808|float -3.4028234663852886e+38|\
        float -1.7976931348623157e+308|Decimal -99999999.99|Decimal -9999999999999999999999999999.9999999999|\
        Decimal -99999|Decimal -922337203685477.5808|Decimal -214748.3648|str ab   |str vär €|str max|str n    |\
        str 日本|str x|date 0001-01-01|time 00:00:00|time 00:00:00|datetime 1753-01-01 00:00:00|\
        datetime 1900-01-01 00:00:00|datetime 0001-01-01 00:00:00|datetime 0001-01-01 00:00:00|\
        datetime 0001-01-02 00:00:00+14:00|UUID 00000000-0000-0000-0000-000000000000|bytes |bytes 00|str |str ";
    let second = "int 2|bool True|int 255|int 32767|int 2147483647|int 9223372036854775807|float 1.5|float 5e-324|\
        Decimal 99999999.99|Decimal 9999999999999999999999999999.9999999999|Decimal 99999|\
        Decimal 922337203685477.5807|Decimal 214748.3647|str abcde|str ÿ|str z|str äöüßé|str 😀|str e|date 9999-12-31|\
        time 23:59:59.999999|time 23:59:59.999000|datetime 9999-12-31 23:59:59.997000|datetime 2079-06-06 23:59:00|\
        datetime 9999-12-31 23:59:59.999999|datetime 9999-12-31 23:59:59|datetime 2024-10-27 02:30:00.123000-03:30|\
        UUID 6f9619ff-8b86-d011-b42d-00c04fc964ff|bytes 00ff10|bytes 0102|str té|str 日";
    for size in [512, 4096, 32_767] {
        let statements = [
            "SELECT * FROM every WHERE id <= 3 ORDER BY id",
            "SELECT nm, vm, ntx, tx FROM every WHERE id = 4",
            "SELECT * FROM dbo.fixed",
        ];
        let lines = python(&server, ("reader", PASSWORD), size, &[], &statements);
        let columns = "columns: id|b|t|s|i|l|r|f|d|dd|n|m|sm|c|v|vm|nc|nv|nm|da|ti|t3|dt|sd|d2|d0|dto|g|vb|vbm|tx|ntx";
        let long = format!("str {long}|str {long}|str {long}|str {long}");
        let fixed = "bool True|int 7|int -7|int 70000|int 7000000000|float 0.25|float 0.1|Decimal 12.345|Decimal 1.5|\
            Decimal -1.5|str fünf|date 2024-02-29|datetime 2024-02-29 12:34:56.790000|datetime 2024-02-29 12:34:00|\
            datetime 2024-02-29 12:34:56.789000";
        let fixed_columns = "columns: b|t|s|i|l|r|f|d|m|sm|v|da|dt|sd|d2";
        let expected =
            [columns, first, second, &nulls, "end", "columns: nm|vm|ntx|tx", &long, "end", fixed_columns, fixed, "end"];
        expect(&lines, &expected);
    }
    let login = &server.logins()[0];
    assert_eq!((login.user.as_str(), login.application.as_str()), ("reader", "clients.py"));
    assert!(login.read_only && login.accepted && !login.tls && login.version == Version::V7_4, "{login:?}");
    assert_eq!((login.database.as_str(), login.packet_size), ("contacts", 512));
}

#[test]
fn freetds_reads_every_type() {
    let server = TdsServer::start(options());
    fill(&server);
    let first = "1|0|0|-32768|-2147483648|-9223372036854775808|-3.40282347e+38|-1.7976931348623157e+308|-99999999.99|\
        -9999999999999999999999999999.9999999999|-99999|-922337203685477.5808|-214748.3648|ab   |vär €|max|n    |日本|x|\
        0001-01-01|00:00:00.0000000|00:00:00.000|1753-01-01 00:00:00.000|1900-01-01 00:00:00|\
        0001-01-01 00:00:00.0000000|0001-01-01 00:00:00|0001-01-02 00:00:00.000 +14:00|\
        00000000-0000-0000-0000-000000000000||00||";
    let second = "2|1|255|32767|2147483647|9223372036854775807|1.5|4.9406564584124654e-324|99999999.99|\
        9999999999999999999999999999.9999999999|99999|922337203685477.5807|214748.3647|abcde|ÿ|z|äöüßé|😀|e|9999-12-31|\
        23:59:59.9999999|23:59:59.999|9999-12-31 23:59:59.997|2079-06-06 23:59:00|9999-12-31 23:59:59.9999999|\
        9999-12-31 23:59:59|2024-10-27 02:30:00.123 -03:30|6F9619FF-8B86-D011-B42D-00C04FC964FF|00ff10|0102|té|日";
    let nulls = format!("3{}", "|".repeat(NULLS));
    for version in ["7.1", "7.2", "7.3", "7.4"] {
        let more = format!("TDS_Version={version}");
        // Older versions are sent texts in place of the newer types; FreeTDS itself writes a year without zeros.
        let first = if version < "7.3" { first.to_owned() } else { first.replace("0001-", "1-") };
        let statements = ["SELECT * FROM every WHERE id <= 3 ORDER BY id", "SELECT dt, d2 FROM every WHERE id = 4"];
        let lines = freetds(&server, ("plain", "plain-1"), &more, &statements);
        expect(&lines, &[&first, second, &nulls, "2024-03-31 02:30:00.123|2024-03-31 02:30:00.1234567"]);
    }
    let versions: Vec<Version> = server.logins().iter().map(|login| login.version).collect();
    assert_eq!(versions, [Version::V7_1, Version::V7_2, Version::V7_3, Version::V7_4]);
}

#[test]
fn both_clients_see_errors() {
    let server = TdsServer::start(options());
    fill(&server);
    let statements = [
        "SELECT * FROM nothing",
        "SELECT * FROM secret",
        "DELETE FROM few",
        "SELECT nothing FROM few",
        "SELECT FROM few",
        "SELECT id FROM few",
    ];
    let lines = python(&server, ("reader", PASSWORD), 4096, &[], &statements);
    expect(
        &lines,
        &[
            "error 208 Invalid object name 'nothing'.",
            "error 229 The SELECT permission was denied on the object 'secret', database 'contacts', schema 'dbo'.",
            "error 229 The DELETE permission was denied on the object 'few', database 'contacts', schema 'dbo'.",
            "error 207 Invalid column name 'nothing'.",
            "error 156 Incorrect syntax near the keyword 'FROM'.",
            "columns: id",
            "int 1",
            "int 2",
            "end",
        ],
    );
    let refused = python(&server, ("reader", "wrong"), 4096, &[], &statements);
    expect(&refused, &["refused: Login failed for user 'reader'."]);
    // The number as the driver tells it is not shown: its SQLSTATE and the text are.
    let lines = freetds(&server, ("plain", "plain-1"), "TDS_Version=7.4", &statements[..2]);
    let text = lines.join("\n");
    assert!(text.contains("[S0002][FreeTDS][SQL Server]Invalid object name 'nothing'."), "{text}");
    assert!(text.contains("The SELECT permission was denied on the object 'secret'"), "{text}");
    let text = freetds(&server, ("plain", "wrong"), "TDS_Version=7.4", &[]).join("\n");
    assert!(text.contains("Login failed for user 'plain'."), "{text}");
}

#[test]
fn tsql_tells_numbers_and_null() {
    let server = TdsServer::start(options());
    fill(&server);
    let mut command = Command::new("tsql");
    let port = server.port().to_string();
    command.args(["-H", "127.0.0.1", "-p", &port, "-U", "plain", "-P", "plain-1", "-D", "contacts", "-o", "hq"]);
    let text = output(command, "SELECT * FROM few\nGO\nSELECT * FROM nothing\nGO\nSELECT * FROM secret\nGO\nEXIT\n");
    assert!(text.contains("1\teins") && text.contains("2\tNULL"), "{text}");
    assert!(text.contains("Msg 208 (severity 16, state 1) from STANDIN Line 1:"), "{text}");
    assert!(text.contains("Msg 229 (severity 14, state 5) from STANDIN Line 1:"), "{text}");
    let mut command = Command::new("tsql");
    command.args(["-H", "127.0.0.1", "-p", &port, "-U", "plain", "-P", "wrong"]);
    let text = output(command, "");
    assert!(text.contains("Msg 18456 (severity 14, state 1) from STANDIN"), "{text}");
}

#[test]
fn python_tds_passes_parameters() {
    let server = TdsServer::start(options());
    fill(&server);
    let statements = [
        "SELECT id FROM every WHERE d2 > %s\t(datetime.datetime(2024, 3, 31, 2, 30, 0, 123456),)",
        "SELECT id FROM every WHERE d2 > %s\t(datetime.datetime(2024, 3, 31, 2, 30, 0, 123457),)",
        "SELECT id, name FROM few WHERE id >= %s AND name = %s\t(1, 'eins')",
        "SELECT id FROM every WHERE nv IN (%s, %s) ORDER BY id\t('日本', '😀')",
        "SELECT id FROM every WHERE dt = %s\t(datetime.datetime(2024, 3, 31, 2, 30, 0, 123000),)",
        "SELECT TOP (%s) id FROM every ORDER BY id\t(2,)",
        "SELECT %s AS d, %s AS i, %s AS t, %s AS n, %s AS x, %s AS y, %s AS z\t\
         (datetime.date(2024, 2, 29), 9000000000, 'ä' * 5000, None, Decimal('-12.50'), b'ab', 1.5)",
    ];
    let lines = python(&server, ("reader", PASSWORD), 4096, &[], &statements);
    let mut last = "date 2024-02-29|int 9000000000|str ".to_owned();
    let _ = write!(last, "{}|NULL|Decimal -12.5|str ab|float 1.5", "ä".repeat(5000));
    expect(
        &lines,
        &[
            "columns: id",
            "int 2",
            "int 4",
            "end",
            "columns: id",
            "int 2",
            "end",
            "columns: id|name",
            "int 1|str eins",
            "end",
            "columns: id",
            "int 1",
            "int 2",
            "end",
            "columns: id",
            "int 4",
            "end",
            "columns: id",
            "int 1",
            "int 2",
            "end",
            "columns: d|i|t|n|x|y|z",
            &last,
            "end",
        ],
    );
    assert!(server.statements().iter().any(|text| text.contains("WHERE d2 > @P")), "{:?}", server.statements());
}

#[test]
fn both_clients_speak_in_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("certificate.der");
    let name = file.to_str().expect("a path");
    let long = format!("str {}", "Größe-".repeat(2000));
    for encryption in [Encryption::Offered, Encryption::Required] {
        let server = TdsServer::start(options().encryption(encryption));
        fill(&server);
        std::fs::write(&file, server.certificate().expect("it has one")).expect("the file is written");
        let statements = ["SELECT id, name FROM few WHERE id = %s\t(1,)", "SELECT nm FROM every WHERE id = 4"];
        let expected = ["columns: id|name", "int 1|str eins", "end", "columns: nm", &long, "end"];
        for tls in [&[name][..], &[name, "login"]] {
            expect(&python(&server, ("reader", PASSWORD), 4096, tls, &statements), &expected);
        }
        let more = "TDS_Version=7.4;Encryption=require";
        expect(&freetds(&server, ("plain", "plain-1"), more, &["SELECT * FROM few WHERE id = 1"]), &["1|eins"]);
        let extents: Vec<_> = server.logins().iter().map(|login| (login.tls, login.all_tls)).collect();
        assert!(extents.iter().all(|(login, _)| *login) && extents.contains(&(true, true)), "{extents:?}");
        // A client without TLS.
        let lines = python(&server, ("reader", PASSWORD), 4096, &[], &["SELECT id FROM few WHERE id = 1"]);
        if encryption == Encryption::Offered {
            assert!(extents.contains(&(true, false)), "{extents:?}");
            expect(&lines, &["columns: id", "int 1", "end"]);
        } else {
            assert!(!lines.contains(&"end".to_owned()), "{lines:?}");
        }
    }
}
