//! The wire of MySQL and MariaDB, protocol 4.1: packets, settings and prepared statements.
//!
//! A server sends one packet per row. They are looked at where they lie in the block that was read, so that a row costs no
//! allocation. Of what a server may offer nothing is taken that makes answers longer: neither several results nor several statements
//! at once, and no files of this machine.

use std::io;
use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime, Timelike};
use injixo_core::zone::LocalTime;
use tokio_rustls::rustls::ClientConfig;

use super::definition::Definition;
use crate::driver::stream::{BLOCK, Broken, Stream};
use crate::window::Edge;

/// Why the wire is of no more use.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection failed or ended.
    Io(io::Error),
    /// The server offers no encryption.
    NoEncryption,
    /// The exchange of keys failed.
    Encryption(io::Error),
    /// The server wants the password in a way in which it goes over no connection that is not encrypted.
    Bare,
    /// The server wants the password as it is, and who the server is was not checked.
    Unchecked,
    /// The server wants to know the user in a way that is not known here.
    SignIn(String),
    /// The server refused something.
    Refused(Refusal),
    /// What was sent is not what MySQL sends.
    Garbled,
}

/// What a server says when it refuses something.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) number: u16,
    pub(super) state: String,
    pub(super) message: String,
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

/// A connection.
pub(super) struct Wire {
    pub(super) stream: Stream,
    outbox: Vec<u8>,
    /// The number of the packet that is sent next.
    sequence: u8,
    /// Whether the answer to the last command has come to its end.
    is_answered: bool,
}

/// A statement that the server knows.
pub(super) struct Prepared {
    id: u32,
    places: u16,
    pub(super) columns: Vec<Definition>,
}

/// A packet of this length goes on in the next one.
pub(super) const PIECE: usize = 0xFF_FFFF;

/// Longer rows are not held whole.
pub(super) const LONGEST_ROW: usize = BLOCK;

/// Longer packets than this are no answers. Any text in the place of a packet's head would be longer.
const LONGEST: usize = 1 << 20;

/// More columns than this no table has.
const MOST_COLUMNS: usize = 4_096;

/// Another result follows.
const MORE_RESULTS: u16 = 8;

const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const CLOSE: u8 = 0x19;

/// The length of the first packet of a block, without its head.
#[inline]
pub(super) fn packet_length(block: &[u8]) -> Option<usize> {
    let [a, b, c, _] = block.first_chunk::<4>()?;
    Some(usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16)
}

/// The first packet of the block that is there whole, and its length with its head. One that goes on in another is never whole.
#[inline]
pub(super) fn first_packet(block: &[u8]) -> Option<(&[u8], usize)> {
    let whole = packet_length(block).filter(|length| *length < PIECE)? + 4;
    block.get(4..whole).map(|body| (body, whole))
}

/// What stands behind a number of a length of its own.
pub(super) fn lenenc(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let width = match first {
        0..=0xFA => return Some((usize::from(*first), rest)),
        0xFC => 2,
        0xFD => 3,
        0xFE => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(width)?;
    let number = number.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Some((usize::try_from(number).ok()?, rest))
}

/// Bytes behind their length.
#[inline]
pub(super) fn lenenc_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some((length @ 0..=0xFA, rest)) = bytes.split_first() {
        return rest.split_at_checked(usize::from(*length));
    }
    let (length, rest) = lenenc(bytes)?;
    rest.split_at_checked(length)
}

/// Writes a number of a length of its own.
pub(super) fn push_lenenc(number: usize, out: &mut Vec<u8>) {
    let bytes = number.to_le_bytes();
    match number {
        0..=0xFA => out.push(bytes[0]),
        0xFB..=0xFFFF => out.extend([0xFC, bytes[0], bytes[1]]),
        _ => {
            out.push(0xFE);
            out.extend(u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
        }
    }
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, outbox: Vec::new(), sequence: 0, is_answered: true }
    }

    /// Encrypts what is said from here on.
    pub(super) async fn encrypted(self, host: &str, tls: Arc<ClientConfig>) -> Result<Self, Failure> {
        Ok(Self { stream: self.stream.encrypted(host, tls).await?, ..self })
    }

    /// Runs a statement that has no rows.
    pub(super) async fn set(&mut self, sql: &str) -> Result<(), Failure> {
        self.command(|out| {
            out.push(QUERY);
            out.extend(sql.as_bytes());
        })
        .await?;
        match self.answer().await?.first() {
            Some(0) => {}
            _ => return Err(Failure::Garbled),
        }
        self.is_answered = true;
        Ok(())
    }

    /// Has a statement prepared, which is not run. It is one statement, else it is refused.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Prepared, Failure> {
        self.command(|out| {
            out.push(PREPARE);
            out.extend(sql.as_bytes());
        })
        .await?;
        let &[0, a, b, c, d, columns, many_columns, places, many_places, ..] = self.answer().await? else {
            return Err(Failure::Garbled);
        };
        let (columns, places) =
            (u16::from_le_bytes([columns, many_columns]), u16::from_le_bytes([places, many_places]));
        if places > 0 {
            // What the server takes them for.
            self.definitions(places.into()).await?;
        }
        let columns = if columns > 0 { self.definitions(columns.into()).await? } else { Vec::new() };
        self.is_answered = true;
        Ok(Prepared { id: u32::from_le_bytes([a, b, c, d]), places, columns })
    }

    /// Runs a statement, whose rows follow; what they are made of.
    pub(super) async fn execute(&mut self, statement: &Prepared, values: &[Edge]) -> Result<Vec<Definition>, Failure> {
        if usize::from(statement.places) != values.len() {
            let message = format!("it has places for {} values, and there are {}", statement.places, values.len());
            return Err(unsendable(&message));
        }
        let mut bound = Vec::new();
        for value in values {
            push_value(value, &mut bound).ok_or_else(|| unsendable("a time that cannot be sent"))?;
        }
        self.command(|out| {
            out.push(EXECUTE);
            out.extend(statement.id.to_le_bytes());
            // All rows at once, and once.
            out.extend([0, 1, 0, 0, 0]);
            if !values.is_empty() {
                // None of them is NULL; their types follow.
                out.extend(std::iter::repeat_n(0, values.len().div_ceil(8)));
                out.push(1);
                values.iter().for_each(|value| out.extend([type_code(value), 0]));
                out.extend(bound);
            }
        })
        .await?;
        let answer = self.answer().await?;
        // A file of this machine has another sign there, a statement without rows none.
        let Some((columns @ 1..=MOST_COLUMNS, [])) = lenenc(answer) else { return Err(Failure::Garbled) };
        self.definitions(columns).await
    }

    /// Forgets a statement whose answer has come to its end. Nothing is answered to that: it is sent with the next command.
    pub(super) fn forget(&mut self, statement: &Prepared) {
        self.is_answered = true;
        let id = statement.id.to_le_bytes();
        self.outbox.extend([5, 0, 0, 0, CLOSE]);
        self.outbox.extend(id);
    }

    async fn definitions(&mut self, count: usize) -> Result<Vec<Definition>, Failure> {
        let mut definitions = Vec::new();
        for _ in 0..count {
            definitions.push(Definition::of(self.answer().await?).ok_or(Failure::Garbled)?);
        }
        match end(self.answer().await?) {
            Some(Ok(())) => Ok(definitions),
            _ => Err(Failure::Garbled),
        }
    }

    /// Sends a command.
    async fn command(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        if !self.is_answered {
            return Err(Failure::Garbled);
        }
        self.sequence = 0;
        self.packet(write)?;
        self.is_answered = false;
        self.send().await
    }

    /// Puts a packet into what is sent next.
    pub(super) fn packet(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        let from = self.outbox.len();
        self.outbox.extend([0; 4]);
        write(&mut self.outbox);
        let length = self.outbox.len() - from - 4;
        if length >= PIECE {
            self.outbox.truncate(from);
            return Err(unsendable("a text that is too long"));
        }
        let [a, b, c, ..] = length.to_le_bytes();
        self.outbox[from..from + 4].copy_from_slice(&[a, b, c, self.sequence]);
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    pub(super) async fn send(&mut self) -> Result<(), Failure> {
        self.stream.send(&self.outbox).await?;
        self.outbox.clear();
        Ok(())
    }

    /// The next packet, unless it is a refusal.
    async fn answer(&mut self) -> Result<&[u8], Failure> {
        let length = self.whole().await?;
        let is_refusal = self.stream.taken(length).get(4) == Some(&0xFF);
        // The connection goes on.
        self.is_answered |= is_refusal;
        let body = self.stream.taken(length).get(4..).ok_or(Failure::Garbled)?;
        if is_refusal { Err(Failure::Refused(refusal(body).ok_or(Failure::Garbled)?)) } else { Ok(body) }
    }

    /// The next packet.
    pub(super) async fn message(&mut self) -> Result<&[u8], Failure> {
        let length = self.whole().await?;
        self.stream.taken(length).get(4..).ok_or(Failure::Garbled)
    }

    /// Takes the next packet, whose length this is.
    async fn whole(&mut self) -> Result<usize, Failure> {
        let length = loop {
            if let Some((_, length)) = first_packet(self.block()) {
                break length;
            }
            if packet_length(self.block()).is_some_and(|length| length > LONGEST) {
                return Err(Failure::Garbled);
            }
            self.fill().await?;
        };
        self.sequence = self.block().get(3).map_or(0, |number| number.wrapping_add(1));
        self.take(length);
        Ok(length)
    }

    /// What has come and is not taken yet.
    pub(super) fn block(&self) -> &[u8] {
        self.stream.block()
    }

    /// So much of the block was taken.
    pub(super) fn take(&mut self, length: usize) {
        self.stream.take(length);
    }

    /// Whether the next packet is too long to be held whole.
    pub(super) fn is_long_row(&self) -> bool {
        packet_length(self.block()).is_some_and(|length| length > LONGEST_ROW)
    }

    /// Reads more.
    pub(super) async fn fill(&mut self) -> Result<(), Failure> {
        Ok(self.stream.fill().await?)
    }
}

/// What the protocol cannot carry, as the server would say it.
pub(super) fn unsendable(message: &str) -> Failure {
    Failure::Refused(Refusal { number: 1064, message: message.to_owned(), ..Refusal::default() })
}

/// How a packet ends an answer, if it does.
pub(super) fn end(body: &[u8]) -> Option<Result<(), Refusal>> {
    match body {
        // Warnings, and the status.
        [0xFE, _, _, a, b] if u16::from_le_bytes([*a, *b]) & MORE_RESULTS == 0 => Some(Ok(())),
        [0xFF, ..] => refusal(body).map(Err),
        _ => None,
    }
}

/// A refusal: its number, a state behind a mark unless it comes early, and a text.
pub(super) fn refusal(body: &[u8]) -> Option<Refusal> {
    let (&[0xFF, a, b], rest) = body.split_first_chunk::<3>()? else { return None };
    let (state, message) = match rest {
        [b'#', rest @ ..] => rest.split_at_checked(5)?,
        _ => (&[][..], rest),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Refusal { number: u16::from_le_bytes([a, b]), state: text(state), message: text(message) })
}

fn type_code(value: &Edge) -> u8 {
    match value {
        Edge::Instant(_) => 0x07,
        Edge::Secs(_) => 0x08,
        Edge::Local(_) => 0x0C,
        Edge::Text(_) => 0xFD,
    }
}

fn push_value(value: &Edge, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Edge::Secs(secs) => out.extend(secs.to_le_bytes()),
        Edge::Text(text) => {
            push_lenenc(text.len(), out);
            out.extend(text.as_bytes());
        }
        Edge::Local(local) => push_time(*local, out)?,
        // The zone of the session is UTC.
        Edge::Instant(instant) => push_time(LocalTime::from_millis(instant.millis()), out)?,
    }
    Some(())
}

/// A date with a time behind its length.
fn push_time(time: LocalTime, out: &mut Vec<u8>) -> Option<()> {
    let time = NaiveDateTime::from(time);
    let byte = |number: u32| number.to_le_bytes()[0];
    let micros = time.nanosecond() / 1_000;
    out.push(if micros > 0 { 11 } else { 7 });
    out.extend(u16::try_from(time.year()).ok()?.to_le_bytes());
    out.extend([time.month(), time.day(), time.hour(), time.minute(), time.second()].map(byte));
    if micros > 0 {
        out.extend(micros.to_le_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests;
