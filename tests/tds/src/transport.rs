//! The two directions of a connection, plain or in TLS, and its faults.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConnection;

use crate::server::Inner;

/// What both directions know of TLS; empty where a connection is plain.
type Tls = Option<Arc<Mutex<ServerConnection>>>;

/// What comes from the client.
#[derive(Debug)]
pub(crate) struct Inbound {
    socket: TcpStream,
    tls: Tls,
    buffer: Vec<u8>,
    start: usize,
}

/// What goes to the client.
#[derive(Debug)]
pub(crate) struct Outbound {
    socket: TcpStream,
    tls: Tls,
    inner: Arc<Inner>,
    sent: u64,
}

impl Inbound {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, tls: None, buffer: Vec::new(), start: 0 }
    }

    pub(crate) fn set_tls(&mut self, tls: Tls) {
        self.tls = tls;
    }

    /// Bytes as they come, in any number; an error where the client has gone.
    pub(crate) fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        while self.buffer.len() - self.start < bytes.len() {
            self.fill()?;
        }
        bytes.copy_from_slice(&self.buffer[self.start..self.start + bytes.len()]);
        self.start += bytes.len();
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 8192];
        let count = match self.socket.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(tls) = &self.tls else {
            self.buffer.extend(&chunk[..count]);
            return Ok(());
        };
        let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut raw = &chunk[..count];
        while !raw.is_empty() {
            tls.read_tls(&mut raw)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut plain)?;
            self.buffer.extend(plain);
            if state.peer_has_closed() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

impl Outbound {
    pub(crate) fn new(socket: TcpStream, inner: Arc<Inner>) -> Self {
        Self { socket, tls: None, inner, sent: 0 }
    }

    pub(crate) fn set_tls(&mut self, tls: Tls) {
        self.tls = tls;
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = self.tls.clone() else {
            return self.write_raw(bytes);
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut raw = Vec::new();
            {
                let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
                let taken = tls.writer().write(rest)?;
                rest = &rest[taken..];
                while tls.wants_write() {
                    tls.write_tls(&mut raw)?;
                }
            }
            self.write_raw(&raw)?;
        }
        Ok(())
    }

    /// Writes to the socket, no further than the connection is to live.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let allowed = self.inner.faults.cut_after.load(Ordering::SeqCst).saturating_sub(self.sent);
        let kept = usize::try_from(allowed).unwrap_or(usize::MAX).min(bytes.len());
        let segment = self.inner.faults.segment.load(Ordering::SeqCst);
        for part in bytes[..kept].chunks(if segment == 0 { usize::MAX } else { segment }) {
            self.socket.write_all(part)?;
        }
        self.sent += u64::try_from(kept).unwrap_or(u64::MAX);
        if kept < bytes.len() {
            let _ = self.socket.shutdown(Shutdown::Both);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
