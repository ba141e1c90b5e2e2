//! Packets, attentions, faults and garbage.

use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::time::{Duration, Instant};

use injixo_test_tds::{Encryption, Options, TdsServer, User};

mod raw;

use raw::{ATTENTION, RPC, Raw, done, has, login, number, prelogin, wait_for, wide};

const ENDLESS: &str =
    "WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT MAX(n) AS n FROM r OPTION (MAXRECURSION 0)";
const MANY: &str = "WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5000000) \
    SELECT n, N'a text that fills the sockets on the way to the client' AS t FROM r OPTION (MAXRECURSION 0)";

fn server() -> TdsServer {
    let server = TdsServer::start(Options::default());
    server.execute("CREATE TABLE few (id int, name nvarchar(20)); INSERT INTO few VALUES (1, 'eins'), (2, NULL)");
    server
}

#[test]
fn requests_and_answers_come_in_any_pieces() {
    let server = server();
    let long = format!("SELECT id, N'{}' AS t FROM few", "ä".repeat(3000));
    let mut answers = Vec::new();
    for (size, segment, answer_segment) in
        [(4096, usize::MAX, 0), (512, 1, 0), (9, 100, 1), (512, 7, 3), (32_767, 5000, 100)]
    {
        server.segment(answer_segment);
        let mut client = Raw::new(&server);
        client.segment = segment;
        client.send(18, &prelogin());
        client.receive();
        client.size = size;
        client.send(16, &login("sa", "Secret-1", "contacts", u32::try_from(size).expect("small")));
        let answer = client.receive();
        assert_eq!(done(&answer), (0, 0, 0));
        assert!(has(&answer, &size.max(512).to_string()), "the size is agreed");
        answers.push(client.batch(&long));
        assert_eq!(done(answers.last().expect("one")), (0x10, 0xC1, 2));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "all pieces make the same answer");
    assert_eq!(server.statements().last(), Some(&long));
}

#[test]
fn logins_are_refused() {
    let server = server();
    for (user, password, database, numbers) in [
        ("sa", "secret-1", "contacts", &[18456][..]),
        ("nobody", "Secret-1", "contacts", &[18456]),
        ("sa", "Secret-1", "nowhere", &[4060, 18456]),
    ] {
        let mut client = Raw::new(&server);
        client.send(18, &prelogin());
        client.receive();
        client.send(16, &login(user, password, database, 4096));
        let answer = client.receive();
        assert_eq!(number(&answer), numbers[0]);
        assert_eq!(done(&answer).0, 2);
        assert_eq!(client.stream.read(&mut [0]).expect("the end"), 0, "the connection is closed");
    }
    let accepted: Vec<bool> = server.logins().iter().map(|login| login.accepted).collect();
    assert_eq!(accepted, [false; 3]);
    // A server that demands TLS says so and closes.
    let strict = TdsServer::start(Options::default().encryption(Encryption::Required));
    let mut client = Raw::new(&strict);
    client.send(18, &prelogin());
    let answer = client.receive();
    let at = usize::from(u16::from_be_bytes([answer[6], answer[7]]));
    assert_eq!((answer[5], answer[at]), (1, 3), "encryption is required");
    client.send(16, &login("sa", "Secret-1", "contacts", 4096));
    assert!(client.receive().is_empty());
    assert!(strict.logins().is_empty());
}

/// Reads answers until an attention is answered.
fn until_attention_is_answered(client: &mut Raw) {
    loop {
        let answer = client.receive();
        assert!(!answer.is_empty(), "the connection lives");
        if done(&answer).0 & 0x20 != 0 {
            return;
        }
    }
}

#[test]
fn an_attention_stops_what_runs() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    for sql in [ENDLESS, MANY] {
        client.ask(sql);
        wait_for("a running statement", || server.running() == 1);
        client.send(ATTENTION, &[]);
        until_attention_is_answered(&mut client);
        assert_eq!(server.running(), 0);
        assert_eq!(done(&client.batch("SELECT * FROM few")).2, 2);
    }
    // Also one that comes when nothing runs.
    client.send(ATTENTION, &[]);
    assert_eq!(done(&client.receive()).0, 0x20);
    assert_eq!(done(&client.batch("SELECT * FROM few")).2, 2);
    // And one in a wait.
    server.delay(Duration::from_secs(3600));
    client.ask("SELECT * FROM few");
    client.send(ATTENTION, &[]);
    until_attention_is_answered(&mut client);
}

#[test]
fn rows_wait_for_the_client() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    client.ask(MANY);
    wait_for("a first row", || server.rows() > 0);
    // It stands still when the sockets are full: no row is made in a second.
    let end = Instant::now() + Duration::from_secs(60);
    let mut before = (server.rows(), Instant::now());
    while before.1.elapsed() < Duration::from_secs(1) {
        assert!(Instant::now() < end, "rows are made without end");
        if server.rows() != before.0 {
            before = (server.rows(), Instant::now());
        }
        std::thread::yield_now();
    }
    assert!(before.0 < 1_000_000, "{} rows were made for no one", before.0);
    assert_eq!(server.running(), 1);
    drop(client);
    wait_for("the end of the statement", || server.running() == 0 && server.connections() == 0);
}

#[test]
fn a_long_result_is_read_to_its_end() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    client.ask("WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 300000) SELECT n FROM r OPTION (MAXRECURSION 0)");
    assert_eq!(done(&client.receive()), (0x10, 0xC1, 300_000));
    assert_eq!(server.rows(), 300_000);
}

#[test]
fn a_server_has_the_faults_that_a_test_wants() {
    let server = server();
    let port = server.port();
    server.cut_after(Some(2000));
    let mut client = Raw::logged_in(&server);
    client.ask(MANY);
    let mut received = Vec::new();
    let _ = client.stream.read_to_end(&mut received);
    assert!(received.len() < 2000, "{}", received.len());
    server.cut_after(None);
    // A wait before each answer.
    server.delay(Duration::from_millis(300));
    let mut client = Raw::logged_in(&server);
    let start = Instant::now();
    client.batch("SELECT * FROM few");
    assert!(start.elapsed() >= Duration::from_millis(300));
    server.delay(Duration::ZERO);
    // An administrator ends long statements.
    server.max_query_time(Some(Duration::from_millis(100)));
    let answer = client.batch(ENDLESS);
    assert!(has(&answer, "the session is in the kill state"), "{answer:?}");
    assert_eq!(client.stream.read(&mut [0]).expect("the end"), 0);
    server.max_query_time(None);
    // All connections end, also one with a running statement.
    let mut client = Raw::logged_in(&server);
    client.ask(ENDLESS);
    wait_for("a running statement", || server.running() == 1);
    server.kill_connections();
    assert!(client.receive().is_empty());
    // The server goes and comes back where it was.
    server.stop();
    assert!(std::net::TcpStream::connect(server.address()).is_err());
    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(done(&Raw::logged_in(&server).batch("SELECT * FROM few")).2, 2);
}

#[test]
fn the_browser_tells_the_port() {
    let server = TdsServer::start(Options::default().instance("CONTACTS"));
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let expected =
        format!("ServerName;STANDIN;InstanceName;CONTACTS;IsClustered;No;Version;15.0.4205.1;tcp;{};;", server.port());
    for question in [&b"\x04contacts\0"[..], b"\x03", b"\x02"] {
        // What is no question, or one for another instance, is not answered.
        for other in [&b"\x04other\0"[..], b"", b"\x09", question] {
            socket.send_to(other, ("127.0.0.1", server.browser_port())).expect("sent");
        }
        let mut answer = [0; 1000];
        let length = socket.recv(&mut answer).expect("an answer");
        assert_eq!(answer[0], 5);
        assert_eq!(usize::from(u16::from_le_bytes([answer[1], answer[2]])), length - 3);
        assert_eq!(String::from_utf8_lossy(&answer[3..length]), expected);
    }
}

/// A parameter: a name, and an int or a text.
fn int(name: &str, output: u8, value: Option<i32>) -> Vec<u8> {
    let mut bytes = named(name, output);
    bytes.extend([0x26, 4]);
    match value {
        None => bytes.push(0),
        Some(value) => {
            bytes.push(4);
            bytes.extend(value.to_le_bytes());
        }
    }
    bytes
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = named(name, 0);
    bytes.push(0xE7);
    bytes.extend(8000_u16.to_le_bytes());
    bytes.extend([9, 4, 0xD0, 0, 0x34]);
    bytes.extend(u16::try_from(value.len() * 2).expect("short").to_le_bytes());
    bytes.extend(wide(value));
    bytes
}

fn named(name: &str, output: u8) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(name.len()).expect("short")];
    bytes.extend(wide(name));
    bytes.push(output);
    bytes
}

fn call(client: &mut Raw, procedure: u16, parameters: &[Vec<u8>]) -> Vec<u8> {
    let mut data = raw::headers();
    data.extend([0xFF, 0xFF]);
    data.extend(procedure.to_le_bytes());
    data.extend([0, 0]);
    data.extend(parameters.concat());
    client.send(RPC, &data);
    client.receive()
}

#[test]
fn statements_are_prepared() {
    let server = server();
    let mut client = Raw::logged_in(&server);
    let sql = text("", "SELECT id FROM few WHERE id >= @P1");
    // sp_prepexec: the rows, a status, the handle.
    let answer = call(&mut client, 13, &[int("", 1, None), text("", "@P1 int"), sql.clone(), int("", 0, Some(1))]);
    let handle = [0x26, 4, 4, 1, 0, 0, 0, 0xFE];
    assert!(answer.windows(8).any(|window| window == handle), "{answer:?}");
    // sp_execute: columns, one row, a token with its count, the status, the end.
    let answer = call(&mut client, 12, &[int("", 0, Some(1)), int("", 0, Some(2))]);
    let row = [0xD1, 4, 2, 0, 0, 0, 0xFF, 0x11, 0, 0xC1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x79, 0, 0, 0, 0, 0xFE];
    assert!(answer.windows(row.len()).any(|window| window == row), "{answer:?}");
    // sp_unprepare.
    assert_eq!(done(&call(&mut client, 15, &[int("", 0, Some(1))])).0, 0);
    let answer = call(&mut client, 12, &[int("", 0, Some(1)), int("", 0, Some(2))]);
    assert_eq!((number(&answer), done(&answer).0), (8179, 2));
    // sp_executesql with parameters by name, missing and too many.
    let statement = text("@stmt", "SELECT id FROM few WHERE id = @b AND name = @a");
    let declared = text("@params", "@a nvarchar(10), @b int");
    let good = [statement.clone(), declared.clone(), int("@b", 0, Some(1)), text("@a", "eins")];
    let answer = call(&mut client, 10, &good);
    assert_eq!(number(&answer), 0);
    assert!(answer.windows(6).any(|window| window == [0xD1, 4, 1, 0, 0, 0]), "{answer:?}");
    assert_eq!(number(&call(&mut client, 10, &good[..3])), 8178);
    let more = [&good[..], &[int("@c", 0, Some(1))]].concat();
    assert_eq!(number(&call(&mut client, 10, &more)), 8145);
    assert_eq!(number(&call(&mut client, 99, &[])), 2812);
}

/// Numbers that only look like chance.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("small")).expect("small")
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

#[test]
fn garbage_ends_a_connection_and_no_more() {
    let options = Options::default().encryption(Encryption::Offered).user(User::new("reader", "r"));
    let server = TdsServer::start(options);
    server.execute("CREATE TABLE few (id int, name nvarchar(20)); INSERT INTO few VALUES (1, 'eins'), (2, NULL)");
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let rounds = number("INJIXO_TEST_ROUNDS", 600);
    let mut chance = Chance(number("INJIXO_TEST_SEED", 0x9E37_79B9_7F4A_7C15));
    let words = [
        "SELECT",
        "FROM",
        "few",
        "(",
        ")",
        ",",
        "'",
        "[",
        "]",
        "WITH",
        "AS",
        "x",
        "UNION",
        "ALL",
        "TOP",
        "ORDER",
        "BY",
        "1",
        "@P1",
        ".",
        "*",
        "+",
        "CASE",
        "END",
        "OVER",
        "CAST",
        "datetime2",
        "OFFSET",
        "ROWS",
        "INTO",
        "N'ä'",
        "=",
        ";",
        "EXEC",
        "sp_executesql",
        "DECLARE",
        "SET",
        "-",
        "/*",
        "--",
        "\n",
        "\"",
        "LEFT",
        "DATEADD",
        "second",
        "id",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "TABLE",
        "int",
        "OPTION",
        "MAXRECURSION",
        "0x",
        "1e",
        "$",
        "\u{0}",
    ];
    for round in 0..rounds {
        let mut client = if round % 3 == 0 { Raw::new(&server) } else { Raw::as_user(&server, "reader", "r") };
        let mut data = match round % 6 {
            // Chance alone, before and after a login.
            0 | 1 => {
                let count = chance.below(300);
                chance.bytes(count)
            }
            // Chance in packets.
            2 => {
                let kind = [1, 3, 14, 7, 18, 16][chance.below(6)];
                let count = chance.below(200);
                let bytes = chance.bytes(count);
                client.send(kind, &bytes);
                Vec::new()
            }
            // A login that is changed here and there.
            3 => {
                client.send(18, &prelogin());
                client.receive();
                let mut bytes = login("reader", "r", "contacts", 4096);
                for _ in 0..1 + chance.below(6) {
                    let at = chance.below(bytes.len());
                    bytes[at] = chance.bytes(1)[0];
                }
                client.send(16, &bytes);
                Vec::new()
            }
            // A call that is changed here and there.
            4 => {
                let mut bytes = raw::headers();
                bytes.extend([0xFF, 0xFF, 10, 0, 0, 0]);
                bytes.extend(text("", "SELECT id, @P1 AS p FROM few WHERE id = @P1"));
                bytes.extend(text("", "@P1 int"));
                let type_code = [0x26, 0x2A, 0x2B, 0x6A, 0xE7, 0x24, 0x6F, 0x29, 0x28][chance.below(9)];
                bytes.extend(named("", 0));
                bytes.push(type_code);
                bytes.extend([4, 4, 1, 0, 0, 0, 0, 0]);
                let from = bytes.len().saturating_sub(12);
                for _ in 0..chance.below(4) {
                    let at = if chance.below(2) == 0 { from + chance.below(12) } else { chance.below(bytes.len()) };
                    bytes[at] = chance.bytes(1)[0];
                }
                client.send(RPC, &bytes);
                Vec::new()
            }
            // Words in any order.
            _ => {
                let count = 1 + chance.below(25);
                let sql: Vec<&str> = (0..count).map(|_| words[chance.below(words.len())]).collect();
                client.ask(&sql.join(" "));
                Vec::new()
            }
        };
        if !data.is_empty() {
            // The first byte is that of a packet, so that more is looked at.
            data[0] = [1, 3, 18, 16][chance.below(4)];
            let _ = client.stream.write_all(&data);
        }
        let _ = client.stream.shutdown(Shutdown::Write);
        let _ = client.stream.read_to_end(&mut Vec::new());
    }
    // A thread that had panicked would have left its connection.
    wait_for("the end of the connections", || server.connections() == 0);
    assert_eq!(done(&Raw::as_user(&server, "reader", "r").batch("SELECT * FROM few")).2, 2);
}
