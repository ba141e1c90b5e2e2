//! A client of a few lines, for what other clients do not do.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use injixo_test_tds::TdsServer;

pub(crate) const BATCH: u8 = 1;
pub(crate) const RPC: u8 = 3;
pub(crate) const ATTENTION: u8 = 6;
pub(crate) const TRANSACTION: u8 = 14;

/// A connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// The size of packets that are sent.
    pub(crate) size: usize,
    /// How many bytes are written at once.
    pub(crate) segment: usize,
}

/// UTF-16 bytes.
pub(crate) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Waits for a condition.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what} does not come about");
        std::thread::yield_now();
    }
}

/// PRELOGIN of a client that has no TLS.
pub(crate) fn prelogin() -> Vec<u8> {
    vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 9, 0, 0, 0, 0, 0, 2]
}

/// LOGIN7 of version 7.4.
pub(crate) fn login(user: &str, password: &str, database: &str, packet_size: u32) -> Vec<u8> {
    let secret: Vec<u8> = wide(password).iter().map(|byte| byte.rotate_left(4) ^ 0xA5).collect();
    let fields =
        [wide("here"), wide(user), secret, wide("raw"), wide("there"), vec![], wide("test"), vec![], wide(database)];
    let mut data = vec![0; 4];
    data.extend(0x7400_0004_u32.to_le_bytes());
    data.extend(packet_size.to_le_bytes());
    data.extend([0; 12]);
    data.extend([0xE0, 0x03, 0x20, 0]);
    data.extend([0; 8]);
    let mut body: Vec<u8> = Vec::new();
    for field in &fields {
        data.extend(u16::try_from(94 + body.len()).expect("short").to_le_bytes());
        data.extend(u16::try_from(field.len() / 2).expect("short").to_le_bytes());
        body.extend(field);
    }
    data.extend([0; 6 + 4 * 3 + 4]);
    assert_eq!(data.len(), 94);
    data.extend(body);
    let length = u32::try_from(data.len()).expect("short").to_le_bytes();
    data[..4].copy_from_slice(&length);
    data
}

/// What stands before batches and calls.
pub(crate) fn headers() -> Vec<u8> {
    let mut headers = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0];
    headers.extend([0; 8]);
    headers.extend([1, 0, 0, 0]);
    headers
}

impl Raw {
    /// Connects and does no more.
    pub(crate) fn new(server: &TdsServer) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, size: 4096, segment: usize::MAX }
    }

    /// Connects and logs in as the administrator.
    pub(crate) fn logged_in(server: &TdsServer) -> Self {
        Self::as_user(server, "sa", "Secret-1")
    }

    pub(crate) fn as_user(server: &TdsServer, user: &str, password: &str) -> Self {
        let mut this = Self::new(server);
        this.send(18, &prelogin());
        this.receive();
        this.send(16, &login(user, password, "contacts", 4096));
        let answer = this.receive();
        assert_eq!(done(&answer), (0, 0, 0), "{answer:?}");
        this
    }

    /// Sends a message in packets.
    pub(crate) fn send(&mut self, kind: u8, data: &[u8]) {
        let mut bytes = Vec::new();
        let parts: Vec<&[u8]> = if data.is_empty() { vec![&[]] } else { data.chunks(self.size - 8).collect() };
        for (index, part) in parts.iter().enumerate() {
            let last = u8::from(index + 1 == parts.len());
            let length = u16::try_from(part.len() + 8).expect("a packet is short");
            bytes.extend([kind, last]);
            bytes.extend(length.to_be_bytes());
            bytes.extend([0, 0, u8::try_from(index % 256).expect("it is a byte"), 0]);
            bytes.extend(*part);
        }
        for piece in bytes.chunks(self.segment) {
            self.stream.write_all(piece).expect("the server reads");
        }
    }

    /// The next message; empty where the connection has ended.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        loop {
            let mut header = [0; 8];
            if self.stream.read_exact(&mut header).is_err() {
                return data;
            }
            assert_eq!(header[0], 4, "the server answers");
            let start = data.len();
            data.resize(start + usize::from(u16::from_be_bytes([header[2], header[3]])) - 8, 0);
            if self.stream.read_exact(&mut data[start..]).is_err() {
                data.truncate(start);
                return data;
            }
            if header[1] & 1 != 0 {
                return data;
            }
        }
    }

    pub(crate) fn ask(&mut self, sql: &str) {
        let mut data = headers();
        data.extend(wide(sql));
        self.send(BATCH, &data);
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Vec<u8> {
        self.ask(sql);
        self.receive()
    }

    /// The number of the error with which an answer begins; 0 where it begins with another token.
    pub(crate) fn error(&mut self, sql: &str) -> u32 {
        number(&self.batch(sql))
    }
}

/// The number of the error with which an answer begins.
pub(crate) fn number(answer: &[u8]) -> u32 {
    match answer {
        [0xAA, _, _, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// Status, command and rows of the token with which an answer ends.
pub(crate) fn done(answer: &[u8]) -> (u16, u16, u64) {
    let last = &answer[answer.len().checked_sub(13).expect("an answer ends")..];
    assert!(matches!(last[0], 0xFD | 0xFE), "{last:?}");
    let rows: [u8; 8] = last[5..].try_into().expect("eight bytes");
    (u16::from_le_bytes([last[1], last[2]]), u16::from_le_bytes([last[3], last[4]]), u64::from_le_bytes(rows))
}

/// Whether UTF-16 text is in an answer.
pub(crate) fn has(answer: &[u8], text: &str) -> bool {
    let text = wide(text);
    answer.windows(text.len()).any(|window| window == text)
}
