//! The wire of PostgreSQL, protocol 3: signing in, simple queries, and rows out of blocks of bytes.
//!
//! A server sends one message per row of a `COPY`. They are looked at where they lie in the block that was read, so that a row costs
//! neither an allocation nor a task.

use std::io;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

use crate::driver::stream::{BLOCK, Broken, Encryption, Stream};

/// Why the wire is of no more use.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection failed or ended.
    Io(io::Error),
    /// The server offers no encryption.
    NoEncryption,
    /// The exchange of keys failed.
    Encryption(io::Error),
    /// The server wants to know the user in a way that is not known here.
    SignIn,
    /// The server refused something.
    Refused(Refusal),
    /// What was sent is not what PostgreSQL sends.
    Garbled,
}

/// What a server says when it refuses something.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Io(error) => Self::Io(error),
            Broken::Encryption(error) => Self::Encryption(error),
            Broken::Garbled => Self::Garbled,
        }
    }
}

/// Whom to sign in, and to what.
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) database: &'a str,
    /// Settings of the session.
    pub(super) options: &'a str,
}

/// A connection that is signed in.
pub(super) struct Wire {
    stream: Stream,
    outbox: BytesMut,
}

/// A message, still in the inbox.
pub(super) struct Message<'b> {
    pub(super) tag: u8,
    pub(super) body: &'b [u8],
}

/// A column as the server describes it.
pub(super) struct Described {
    pub(super) name: String,
    pub(super) type_oid: u32,
}

/// Longer rows are not held whole.
const LONGEST_ROW: usize = BLOCK;

/// Longer answers to anything but a `COPY` there are not.
const LONGEST_MESSAGE: usize = 16 << 20;

/// More values no row has that is asked for.
const MOST_VALUES: i16 = 64;

/// So much is kept of each value of a row that is not held whole: more than the longest text of a thousand characters.
const KEPT: u32 = 8 << 10;

/// The first message of the block that is there whole, and its length.
#[inline]
pub(super) fn first_message(block: &[u8]) -> Result<Option<(Message<'_>, usize)>, Failure> {
    let Some(head) = block.first_chunk::<5>() else { return Ok(None) };
    let whole = message_length(head)?;
    Ok(block.get(5..whole).map(|body| (Message { tag: head[0], body }, whole)))
}

#[inline]
fn message_length(head: &[u8; 5]) -> Result<usize, Failure> {
    let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    usize::try_from(length).ok().filter(|length| *length >= 4).map(|length| length + 1).ok_or(Failure::Garbled)
}

impl Wire {
    /// Connects and signs in.
    pub(super) async fn open(
        host: &str,
        port: u16,
        encryption: Encryption,
        account: &Account<'_>,
    ) -> Result<Self, Failure> {
        let mut stream = Stream::connect(host, port).await?;
        stream = match encryption {
            Encryption::Off => stream,
            Encryption::IfOffered(tls) => {
                if is_encryption_offered(&mut stream).await? {
                    stream.encrypted(host, tls).await?
                } else {
                    stream
                }
            }
            Encryption::Demanded(tls) => {
                if !is_encryption_offered(&mut stream).await? {
                    return Err(Failure::NoEncryption);
                }
                stream.encrypted(host, tls).await?
            }
        };
        let mut wire = Self { stream, outbox: BytesMut::new() };
        wire.sign_in(account).await?;
        Ok(wire)
    }

    async fn sign_in(&mut self, account: &Account<'_>) -> Result<(), Failure> {
        let settings = [
            ("user", account.user),
            ("database", account.database),
            ("application_name", "injixo"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("options", account.options),
        ];
        frontend::startup_message(settings, &mut self.outbox)?;
        self.send().await?;
        let mut scram: Option<ScramSha256> = None;
        loop {
            let message = self.message().await?;
            match message.tag {
                b'R' => {
                    let Some((kind, rest)) = message.body.split_first_chunk::<4>() else {
                        return Err(Failure::Garbled);
                    };
                    match i32::from_be_bytes(*kind) {
                        0 => continue,
                        3 => frontend::password_message(account.password.as_bytes(), &mut self.outbox)?,
                        5 => {
                            let Ok(salt) = rest.try_into() else { return Err(Failure::Garbled) };
                            let hash = md5_hash(account.user.as_bytes(), account.password.as_bytes(), salt);
                            frontend::password_message(hash.as_bytes(), &mut self.outbox)?;
                        }
                        10 => {
                            if !rest.split(|byte| *byte == 0).any(|name| name == SCRAM_SHA_256.as_bytes()) {
                                return Err(Failure::SignIn);
                            }
                            let begun = ScramSha256::new(account.password.as_bytes(), ChannelBinding::unsupported());
                            frontend::sasl_initial_response(SCRAM_SHA_256, begun.message(), &mut self.outbox)?;
                            scram = Some(begun);
                        }
                        11 => {
                            let Some(scram) = &mut scram else { return Err(Failure::Garbled) };
                            scram.update(rest).map_err(|_| Failure::Garbled)?;
                            frontend::sasl_response(scram.message(), &mut self.outbox)?;
                        }
                        12 => {
                            let Some(scram) = &mut scram else { return Err(Failure::Garbled) };
                            // The server knows the password too.
                            scram.finish(rest).map_err(|_| Failure::Garbled)?;
                            continue;
                        }
                        _ => return Err(Failure::SignIn),
                    }
                    self.send().await?;
                }
                b'E' => return Err(Failure::Refused(refusal(message.body))),
                b'Z' => return Ok(()),
                // Settings, notices, and the key that would end a query.
                b'S' | b'N' | b'K' | b'v' => {}
                _ => return Err(Failure::Garbled),
            }
        }
    }

    /// The columns of a statement, which is not run. It is one statement, else it is refused.
    pub(super) async fn describe(&mut self, sql: &str) -> Result<Vec<Described>, Failure> {
        frontend::parse("", sql, [], &mut self.outbox).map_err(|_| unsendable())?;
        frontend::describe(b'S', "", &mut self.outbox)?;
        frontend::sync(&mut self.outbox);
        self.send().await?;
        let mut columns = Vec::new();
        let mut refused = None;
        loop {
            let message = self.message().await?;
            match message.tag {
                b'T' => columns = described(message.body).ok_or(Failure::Garbled)?,
                b'E' => refused = Some(refusal(message.body)),
                b'Z' => return refused.map_or(Ok(columns), |refused| Err(Failure::Refused(refused))),
                // Parsed, its parameters, no columns, settings, notices.
                b'1' | b't' | b'n' | b'S' | b'N' | b'A' => {}
                _ => return Err(Failure::Garbled),
            }
        }
    }

    /// The first column of the rows of a statement, as text.
    pub(super) async fn texts(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        self.ask(sql).await?;
        let (mut texts, mut refused) = (Vec::new(), None);
        loop {
            let message = self.message().await?;
            match message.tag {
                b'D' => texts.extend(first_text(message.body)),
                b'E' => refused = Some(refusal(message.body)),
                b'Z' => return refused.map_or(Ok(texts), |refused| Err(Failure::Refused(refused))),
                b'T' | b'C' | b'I' | b'S' | b'N' | b'A' => {}
                _ => return Err(Failure::Garbled),
            }
        }
    }

    /// Sends a statement.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<(), Failure> {
        frontend::query(sql, &mut self.outbox).map_err(|_| unsendable())?;
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Failure> {
        self.stream.send(&self.outbox).await?;
        self.outbox.clear();
        Ok(())
    }

    /// The next message.
    async fn message(&mut self) -> Result<Message<'_>, Failure> {
        let length = loop {
            if let Some((_, length)) = first_message(self.block())? {
                break length;
            }
            if let Some(head) = self.block().first_chunk()
                && message_length(head)? > LONGEST_MESSAGE
            {
                return Err(Failure::Garbled);
            }
            self.fill().await?;
        };
        self.take(length);
        first_message(self.stream.taken(length))?.map(|(message, _)| message).ok_or(Failure::Garbled)
    }

    /// What has come and is not taken yet.
    pub(super) fn block(&self) -> &[u8] {
        self.stream.block()
    }

    /// So much of the block was taken.
    pub(super) fn take(&mut self, length: usize) {
        self.stream.take(length);
    }

    /// Whether the next message is a row of a `COPY` that is too long to be held whole.
    pub(super) fn is_long_row(&self) -> Result<bool, Failure> {
        let Some(head) = self.block().first_chunk::<5>() else { return Ok(false) };
        Ok(head[0] == b'd' && message_length(head)? > LONGEST_ROW)
    }

    /// That row, with the begin of each of its values.
    pub(super) async fn long_row(&mut self) -> Result<Vec<u8>, Failure> {
        let mut row = Vec::new();
        let head = *self.stream.peek(7).await?.first_chunk::<7>().ok_or(Failure::Garbled)?;
        let mut left =
            message_length(head.first_chunk().ok_or(Failure::Garbled)?)?.checked_sub(7).ok_or(Failure::Garbled)?;
        let count = [head[5], head[6]];
        row.extend(count);
        self.take(7);
        let count = i16::from_be_bytes(count);
        if count > MOST_VALUES {
            return Err(Failure::Garbled);
        }
        for _ in 0..count {
            let length = *self.stream.peek(4).await?.first_chunk::<4>().ok_or(Failure::Garbled)?;
            self.take(4);
            left = left.checked_sub(4).ok_or(Failure::Garbled)?;
            let Ok(length) = u32::try_from(i32::from_be_bytes(length)) else {
                row.extend(length);
                continue;
            };
            left = left.checked_sub(length as usize).ok_or(Failure::Garbled)?;
            let mut kept = length.min(KEPT);
            let value = self.stream.peek(length.min(KEPT + 1) as usize).await?;
            // Not within a character.
            while kept < length && kept > 0 && value[kept as usize] & 0xC0 == 0x80 {
                kept -= 1;
            }
            row.extend(kept.to_be_bytes());
            row.extend(&value[..kept as usize]);
            self.stream.skip(length as usize).await?;
        }
        if left == 0 { Ok(row) } else { Err(Failure::Garbled) }
    }

    /// Reads more.
    pub(super) async fn fill(&mut self) -> Result<(), Failure> {
        Ok(self.stream.fill().await?)
    }
}

/// A text that the protocol cannot carry, as the server would say it.
fn unsendable() -> Failure {
    Failure::Refused(Refusal { code: "42601".to_owned(), message: "a text with a NUL in it".to_owned() })
}

async fn is_encryption_offered(stream: &mut Stream) -> Result<bool, Failure> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.send(&request).await?;
    let answer = stream.peek(1).await?.first().copied();
    stream.take(1);
    match answer {
        Some(b'S') => Ok(true),
        Some(b'N') => Ok(false),
        _ => Err(Failure::Garbled),
    }
}

/// The code and the message out of the fields of a refusal.
pub(super) fn refusal(body: &[u8]) -> Refusal {
    let mut refusal = Refusal::default();
    for field in body.split(|byte| *byte == 0) {
        let Some((tag, text)) = field.split_first() else { continue };
        let text = || String::from_utf8_lossy(text).into_owned();
        match tag {
            b'C' => refusal.code = text(),
            b'M' => refusal.message = text(),
            _ => {}
        }
    }
    refusal
}

fn described(body: &[u8]) -> Option<Vec<Described>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut columns = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        // Table, column in it, type, its length, its modifier, format.
        let (numbers, behind) = rest[end + 1..].split_first_chunk::<18>()?;
        columns
            .push(Described { name, type_oid: u32::from_be_bytes([numbers[6], numbers[7], numbers[8], numbers[9]]) });
        rest = behind;
    }
    Some(columns)
}

/// The first value of a row, unless it is NULL.
fn first_text(body: &[u8]) -> Option<String> {
    let (length, rest) = body.get(2..)?.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    Some(String::from_utf8_lossy(rest.get(..length)?).into_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn message(tag: u8, body: &[u8], out: &mut Vec<u8>) {
        out.push(tag);
        out.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
        out.extend(body);
    }

    /// What a server that sends these bytes after the sign-in leaves in the inbox.
    async fn signed_in(sent: Vec<u8>, at_once: usize) -> Result<Wire, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read_u32().await.unwrap();
            stream.read_exact(&mut vec![0; length as usize - 4]).await.unwrap();
            for piece in sent.chunks(at_once) {
                // Whoever reads may have seen enough.
                if stream.write_all(piece).await.is_err() {
                    break;
                }
            }
        });
        let account = Account { user: "wfm", password: "", database: "acd", options: "" };
        Wire::open("127.0.0.1", port, Encryption::Off, &account).await
    }

    fn welcome() -> Vec<u8> {
        let mut sent = Vec::new();
        message(b'R', &[0; 4], &mut sent);
        message(b'S', b"TimeZone\0UTC\0", &mut sent);
        message(b'Z', b"I", &mut sent);
        sent
    }

    #[tokio::test]
    async fn of_a_long_row_the_begin_of_each_value_is_kept() {
        for (before, at_once) in [(0, 1 << 20), (1, 1_000), (2, 70_000)] {
            let text = ["x".repeat(before).as_str(), &"€".repeat(100_000)].concat();
            let mut row = 4_i16.to_be_bytes().to_vec();
            for value in [None, Some(text.as_bytes()), Some(&[]), Some(&[0, 0, 0, 7])] {
                row.extend(value.map_or(-1, |value| i32::try_from(value.len()).unwrap()).to_be_bytes());
                row.extend(value.unwrap_or_default());
            }
            let mut sent = welcome();
            message(b'd', &row, &mut sent);
            message(b'Z', b"T", &mut sent);
            let mut wire = signed_in(sent, at_once).await.unwrap();
            while !wire.is_long_row().unwrap() {
                wire.fill().await.unwrap();
            }
            let short = wire.long_row().await.unwrap();
            let kept = u32::from_be_bytes(*short[6..].first_chunk::<4>().unwrap()) as usize;
            assert!(kept <= KEPT as usize && kept > KEPT as usize - 3);
            assert!(text.starts_with(std::str::from_utf8(&short[10..10 + kept]).unwrap()));
            assert_eq!(short[..6], [0, 4, 255, 255, 255, 255]);
            assert_eq!(short[10 + kept..], [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 7]);
            assert!(wire.stream.held() <= 2 * BLOCK, "the row is not held");
            assert_eq!(wire.message().await.unwrap().tag, b'Z');
        }
    }

    #[tokio::test]
    async fn a_long_row_whose_lengths_do_not_fit_is_garbled() {
        for (length, more) in [(1 << 18, 0), (1 << 17, 1 << 17), (i32::MAX, 0)] {
            let mut row = 1_i16.to_be_bytes().to_vec();
            row.extend(i32::to_be_bytes(length));
            row.resize((1 << 17) + 6 + more, b'x');
            let mut sent = welcome();
            message(b'd', &row, &mut sent);
            let mut wire = signed_in(sent, 1 << 20).await.unwrap();
            while !wire.is_long_row().unwrap() {
                wire.fill().await.unwrap();
            }
            assert!(matches!(wire.long_row().await, Err(Failure::Garbled)), "{length}");
        }
    }

    #[tokio::test]
    async fn what_is_no_postgresql_is_told() {
        for sent in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"R\0\0\0\x01", b"N\xFF\xFF\xFF\xFF", b"R\0\0\0\x05\0"] {
            let opened = signed_in(sent.to_vec(), 1_000).await.err().unwrap();
            assert!(matches!(opened, Failure::Garbled), "{opened:?}");
        }
        let mut kerberos = Vec::new();
        message(b'R', &[0, 0, 0, 7], &mut kerberos);
        assert!(matches!(signed_in(kerberos, 1_000).await, Err(Failure::SignIn)));
    }

    #[test]
    fn a_refusal_is_taken_apart() {
        let found = refusal(b"SERROR\0VERROR\0C28P01\0Mno\xFF entry\0Fauth.c\0\0");
        assert_eq!((found.code.as_str(), found.message.as_str()), ("28P01", "no\u{FFFD} entry"));
        assert!(refusal(b"").code.is_empty());
    }
}
