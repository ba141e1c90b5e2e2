//! A connection to a server whose answers are looked at where they lie in the block that was read.
//!
//! What was sent before a connection was encrypted is never taken for what was sent after.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Whether and how a connection is encrypted.
pub(super) enum Encryption {
    Off,
    IfOffered(Arc<ClientConfig>),
    Demanded(Arc<ClientConfig>),
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub(super) enum Broken {
    /// It failed or ended.
    Io(io::Error),
    /// The exchange of keys failed.
    Encryption(io::Error),
    /// What was sent is no answer.
    Garbled,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection and the block that was read from it last.
pub(super) struct Stream {
    socket: Socket,
    inbox: Vec<u8>,
    /// What is not looked at yet of the inbox.
    from: usize,
    to: usize,
}

/// How much is read at once.
pub(super) const BLOCK: usize = 128 << 10;

/// No more than twice as much is ever held.
const MOST: usize = 16 << 20;

impl Stream {
    pub(super) async fn connect(host: &str, port: u16) -> Result<Self, Broken> {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { socket: Socket::Plain(tcp), inbox: vec![0; BLOCK], from: 0, to: 0 })
    }

    /// Encrypts what is said from here on.
    pub(super) async fn encrypted(self, host: &str, tls: Arc<ClientConfig>) -> Result<Self, Broken> {
        let (Socket::Plain(tcp), true) = (self.socket, self.from == self.to) else { return Err(Broken::Garbled) };
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| Broken::Encryption(io::Error::other(error)))?;
        let socket = TlsConnector::from(tls).connect(name, tcp).await.map_err(Broken::Encryption)?;
        Ok(Self { socket: Socket::Tls(Box::new(socket)), ..self })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match &mut self.socket {
            Socket::Plain(socket) => socket.write_all(bytes).await?,
            Socket::Tls(socket) => {
                socket.write_all(bytes).await?;
                socket.flush().await?;
            }
        }
        Ok(())
    }

    /// What has come and is not taken yet.
    pub(super) fn block(&self) -> &[u8] {
        &self.inbox[self.from..self.to]
    }

    /// So much of the block was taken.
    pub(super) fn take(&mut self, length: usize) {
        self.from = (self.from + length).min(self.to);
    }

    /// The bytes of the block that were taken last.
    pub(super) fn taken(&self, length: usize) -> &[u8] {
        &self.inbox[self.from.saturating_sub(length)..self.from]
    }

    /// The next bytes, which are not taken.
    pub(super) async fn peek(&mut self, length: usize) -> Result<&[u8], Broken> {
        while self.block().len() < length {
            self.fill().await?;
        }
        Ok(&self.inbox[self.from..self.from + length])
    }

    pub(super) async fn skip(&mut self, mut length: usize) -> Result<(), Broken> {
        loop {
            let here = length.min(self.block().len());
            self.take(here);
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// Reads more.
    pub(super) async fn fill(&mut self) -> Result<(), Broken> {
        if self.from > 0 {
            self.inbox.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to == self.inbox.len() {
            if self.to > MOST {
                return Err(Broken::Garbled);
            }
            self.inbox.resize(self.inbox.len() * 2, 0);
        }
        let room = &mut self.inbox[self.to..];
        let read = match &mut self.socket {
            Socket::Plain(socket) => socket.read(room).await?,
            Socket::Tls(socket) => socket.read(room).await?,
        };
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.to += read;
        Ok(())
    }

    /// How much is held of what was read.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.inbox.len()
    }
}
