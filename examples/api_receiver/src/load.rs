//! A sender that knows no more than it must: for measuring, and for tests that kill the receiver.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection to a receiver.
pub struct Connection {
    stream: Box<dyn Stream>,
    host: String,
    key: String,
    read: Vec<u8>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What a receiver answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The number of the status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Connection {
    /// Connects to an address like `https://127.0.0.1:8443`, trusting that certificate, and shows that key from then on.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or somebody else.
    pub async fn open(address: &str, certificate: Option<&str>, key: &str) -> Result<Self> {
        let wrong = |what: &str| Error::new(ErrorKind::InvalidInput, what);
        let (scheme, host) = address.split_once("://").ok_or_else(|| wrong("the address has no scheme"))?;
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match (scheme, certificate) {
            ("https", Some(file)) => {
                let mut roots = RootCertStore::empty();
                let certificate = CertificateDer::from_pem_file(file).map_err(Error::other)?;
                roots.add(certificate).map_err(Error::other)?;
                let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
                let config = config.with_safe_default_protocol_versions().map_err(Error::other)?;
                let connector =
                    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
                let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
                Box::new(connector.connect(ServerName::try_from(name).map_err(Error::other)?, stream).await?)
            }
            ("http", None) => Box::new(stream),
            _ => return Err(wrong("https needs a certificate to trust, http has none")),
        };
        Ok(Self { stream, host: host.to_owned(), key: key.to_owned(), read: Vec::new() })
    }

    /// Sends a body under an `Idempotency-Key`, if there is one, and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks off: then it was kept or not.
    pub async fn post(&mut self, path: &str, name: Option<&str>, body: &str) -> Result<Answer> {
        let Self { host, key, .. } = self;
        let name = name.map_or(String::new(), |name| format!("Idempotency-Key: {name}\r\n"));
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             {name}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    /// Sends bytes as they are and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks off before.
    pub async fn raw(&mut self, bytes: &[u8]) -> Result<Answer> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Answer> {
        let broken = |what: &'static str| Error::new(ErrorKind::InvalidData, what);
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                break String::from_utf8(std::mem::replace(&mut self.read, rest)).map_err(Error::other)?;
            }
            self.more().await?;
        };
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken("no status"))?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.unwrap_or(0);
        while self.read.len() < length {
            self.more().await?;
        }
        let rest = self.read.split_off(length);
        let body = String::from_utf8(std::mem::replace(&mut self.read, rest)).map_err(Error::other)?;
        Ok(Answer { status, body })
    }

    async fn more(&mut self) -> Result<()> {
        let mut piece = [0; 4_096];
        match self.stream.read(&mut piece).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            length => {
                self.read.extend_from_slice(&piece[..length]);
                Ok(())
            }
        }
    }
}
