use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Request;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// Carries requests: over the network, or to whatever stands in for it in a test.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends a request once; redirects are not followed.
    ///
    /// # Errors
    ///
    /// `Unavailable` and `Timeout` when no answer came; an answer with any status is none.
    async fn send(&self, request: &Request) -> Result<Answer>;

    /// Sends a request that asks for another protocol on the same connection.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send); `Protocol` when the system does not change the protocol.
    async fn upgrade(&self, request: &Request) -> Result<(Answer, Connection)>;
}

/// An answer whose body is still to come.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body, piece by piece.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)
    }
}

/// A connection that speaks another protocol from now on.
pub struct Connection(pub(super) Pin<Box<dyn ReadWrite>>);

pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ReadWrite for T {}

impl Connection {
    /// Over whatever bytes go to and fro on.
    pub fn new(io: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self(Box::pin(io))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// How systems are reached. Part of the configuration of every connector that asks over HTTP, as `http`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpSettings {
    /// The proxy through which everything goes: `http://user:password@host:port`. Without it the environment decides:
    /// `https_proxy`, `no_proxy`.
    pub proxy: Option<Secret>,
    /// A file of certificates, in PEM, of authorities to trust besides those of the machine.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, in seconds; 60 unless set.
    pub request_secs: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { proxy: None, ca_file: None, request_secs: 60 }
    }
}

/// The network.
#[derive(Debug)]
pub(super) struct Network {
    client: reqwest::Client,
    /// Another protocol can only be asked for by HTTP/1.1.
    upgrading: reqwest::Client,
}

/// How long a connection may take, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(15);

impl Network {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self> {
        let build = |builder: reqwest::ClientBuilder| {
            let built = configured(builder, settings)?.build();
            let wrong = |error: reqwest::Error| wrong("http: no client can be made").caused_by(error.without_url());
            built.map_err(wrong)
        };
        Ok(Self {
            client: build(reqwest::Client::builder())?,
            upgrading: build(reqwest::Client::builder().http1_only())?,
        })
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, message)
}

fn configured(mut builder: reqwest::ClientBuilder, settings: &HttpSettings) -> Result<reqwest::ClientBuilder> {
    builder = builder
        .connect_timeout(CONNECT_TIME)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("injixo-sdk/", env!("CARGO_PKG_VERSION")))
        // Whatever is wrong with a request is judged above.
        .retry(reqwest::retry::never());
    if let Some(proxy) = &settings.proxy {
        let proxy = reqwest::Proxy::all(proxy.expose());
        // What is wrong with it may show its password.
        builder = builder.proxy(proxy.map_err(|_| wrong("http.proxy: expected http://host:port"))?);
    }
    if let Some(file) = &settings.ca_file {
        let named = |what: &str| format!("http.ca_file: {} {what}", file.display());
        let text = std::fs::read(file).map_err(|error| wrong(named("cannot be read")).caused_by(error))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&text);
        let certificates =
            certificates.map_err(|error| wrong(named("holds no certificates in PEM")).caused_by(error))?;
        if certificates.is_empty() {
            return Err(wrong(named("holds no certificates in PEM")));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: &Request) -> Result<Answer> {
        Ok(answer(exchange(&self.client, request).await?))
    }

    async fn upgrade(&self, request: &Request) -> Result<(Answer, Connection)> {
        let response = exchange(&self.upgrading, request).await?;
        let status = response.status().as_u16();
        if status != 101 {
            return Err(Error::new(ErrorKind::Protocol, format!("the system keeps to HTTP (HTTP {status})")));
        }
        let headers = headers(&response);
        let io = response.upgrade().await.map_err(failed)?;
        let head = Answer { status, headers, body: futures::stream::empty().boxed() };
        Ok((head, Connection::new(io)))
    }
}

async fn exchange(client: &reqwest::Client, request: &Request) -> Result<reqwest::Response> {
    let method = reqwest::Method::from_bytes(request.method().as_bytes());
    let method = method.map_err(|error| Error::new(ErrorKind::Unexpected, "no such method").caused_by(error))?;
    let mut sent = client.request(method, request.url());
    for (name, value) in request.headers() {
        let mut header = reqwest::header::HeaderValue::from_str(value)
            .map_err(|_| wrong(format!("the header {name} cannot hold its value")))?;
        header.set_sensitive(true);
        sent = sent.header(name, header);
    }
    sent.body(request.content().clone()).send().await.map_err(failed)
}

fn headers(response: &reqwest::Response) -> Vec<(String, String)> {
    let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    response.headers().iter().map(text).collect()
}

fn answer(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), headers(&response));
    Answer { status, headers, body: response.bytes_stream().map(|piece| piece.map_err(failed)).boxed() }
}

fn failed(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "no answer in time")
    } else if error.is_connect() {
        (ErrorKind::Unavailable, "the system cannot be reached")
    } else if error.is_builder() {
        (ErrorKind::ConfigInvalid, "not an address that can be asked")
    } else {
        (ErrorKind::Unavailable, "the connection was lost")
    };
    let cause = causes(&error);
    Error::new(kind, if cause.is_empty() { message.to_owned() } else { format!("{message}: {cause}") }).caused_by(error)
}

/// What lies at the bottom of an error, for people: "Connection refused", "certificate not trusted".
fn causes(error: &reqwest::Error) -> String {
    let mut last = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    last
}
