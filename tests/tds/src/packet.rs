//! Packets: a header of eight bytes and a part of a message.

use std::io;

use crate::transport::{Inbound, Outbound};

pub(crate) const BATCH: u8 = 1;
pub(crate) const RPC: u8 = 3;
pub(crate) const REPLY: u8 = 4;
pub(crate) const ATTENTION: u8 = 6;
pub(crate) const TRANSACTION: u8 = 14;
pub(crate) const LOGIN7: u8 = 16;
pub(crate) const PRELOGIN: u8 = 18;

const HEADER: usize = 8;
const END: u8 = 0x01;
const IGNORE: u8 = 0x02;
const RESET: u8 = 0x08 | 0x10;

/// The longest request.
const LONGEST: usize = 64 << 20;

/// The packets of one request, joined.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    /// The client wants the session as it was after its login.
    pub(crate) reset: bool,
    /// The client took the request back.
    pub(crate) ignored: bool,
    pub(crate) data: Vec<u8>,
}

/// The next message. An attention may come between the packets of another message, which is then forgotten.
pub(crate) fn read(inbound: &mut Inbound) -> io::Result<Message> {
    let mut message = Message { kind: 0, reset: false, ignored: false, data: Vec::new() };
    let mut first = true;
    loop {
        let mut header = [0; HEADER];
        inbound.read_exact(&mut header)?;
        let [kind, status, high, low, ..] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let part = length.checked_sub(HEADER).ok_or_else(|| invalid("a packet is shorter than its header"))?;
        if !matches!(kind, BATCH | 2 | RPC | ATTENTION | 7 | 8 | TRANSACTION | LOGIN7 | 17 | PRELOGIN) {
            return Err(invalid("a packet of unknown kind"));
        }
        if first || kind == ATTENTION {
            message = Message { kind, reset: status & RESET != 0, ignored: false, data: Vec::new() };
        } else if kind != message.kind {
            return Err(invalid("a message changes its kind"));
        }
        first = false;
        let start = message.data.len();
        if start + part > LONGEST {
            return Err(invalid("a message is too long"));
        }
        message.data.resize(start + part, 0);
        inbound.read_exact(&mut message.data[start..])?;
        if status & END != 0 || kind == ATTENTION {
            message.ignored = status & IGNORE != 0;
            return Ok(message);
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The bytes of an answer, sent in packets as they come; no more than one packet is held.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    outbound: &'a mut Outbound,
    kind: u8,
    size: usize,
    number: u8,
    process: u16,
    pub(crate) buffer: Vec<u8>,
    ready: Vec<u8>,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(outbound: &'a mut Outbound, kind: u8, size: usize, process: u16) -> Self {
        Self { outbound, kind, size, number: 0, process, buffer: Vec::new(), ready: Vec::new() }
    }

    /// Sends what fills packets. At least a byte stays for the last packet.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        let room = self.size - HEADER;
        let mut start = 0;
        while self.buffer.len() - start > room {
            self.packet(start, start + room, 0);
            start += room;
        }
        if start > 0 {
            self.buffer.drain(..start);
            self.outbound.write(&self.ready)?;
            self.ready.clear();
        }
        Ok(())
    }

    /// Sends the rest.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.send()?;
        self.packet(0, self.buffer.len(), END);
        self.outbound.write(&self.ready)
    }

    fn packet(&mut self, from: usize, to: usize, status: u8) {
        let length = u16::try_from(HEADER + to - from).unwrap_or(u16::MAX);
        self.number = self.number.wrapping_add(1);
        self.ready.extend([self.kind, status]);
        self.ready.extend(length.to_be_bytes());
        self.ready.extend(self.process.to_be_bytes());
        self.ready.extend([self.number, 0]);
        self.ready.extend(&self.buffer[from..to]);
    }
}
