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
    /// The proxy through which everything goes, WebSockets too: `http://user:password@host:port`, with `%40` for an `@` in either.
    /// Without it the environment decides: `https_proxy`, `no_proxy`.
    pub proxy: Option<Secret>,
    /// A file of certificates, in PEM, of authorities to trust besides those of the machine: that of a proxy that looks into what is
    /// encrypted, say. Those of the machine are, on Linux, what `SSL_CERT_FILE` names if it is set.
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
    /// The proxy of the settings, without user and password.
    proxy: Option<String>,
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
            proxy: settings.proxy.as_ref().map(|proxy| without_user(proxy.expose())),
        })
    }

    async fn exchange(&self, client: &reqwest::Client, request: &Request) -> Result<reqwest::Response> {
        let response = exchange(client, request).await?.map_err(|error| self.failed(error, request.url()))?;
        // Where nothing is encrypted the proxy answers in the place of the system.
        if response.status() == reqwest::StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(self.refused(request.url()));
        }
        Ok(response)
    }

    fn failed(&self, error: reqwest::Error, url: &str) -> Error {
        match causes(&error).strip_prefix("tunnel error: ") {
            None => failed(error),
            Some("proxy authorization required") => self.refused(url),
            Some(why) => {
                let message = format!("the proxy {} does not connect to the system: {why}", self.proxy_of(url));
                Error::new(ErrorKind::Unavailable, message).caused_by(error.without_url())
            }
        }
    }

    /// Nobody but who runs the proxy can mend that, so it is not tried again.
    fn refused(&self, url: &str) -> Error {
        wrong(format!(
            "the proxy {} refuses to be used (HTTP 407): check user and password in http.proxy, or in https_proxy of the environment",
            self.proxy_of(url)
        ))
    }

    /// The proxy that leads to an address, as people name it.
    fn proxy_of(&self, url: &str) -> String {
        let names = if url.starts_with("https:") {
            ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        } else {
            ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        };
        let given = |name: &&str| std::env::var(name).is_ok_and(|proxy| !proxy.is_empty());
        let of_environment = || names.iter().find(|name| given(name)).and_then(|name| std::env::var(name).ok());
        self.proxy.clone().or_else(|| of_environment().map(|proxy| without_user(&proxy))).unwrap_or_default()
    }
}

/// The address of a proxy without user and password.
fn without_user(proxy: &str) -> String {
    let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
    let host = rest.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{}", host.split(['/', '?', '#']).next().unwrap_or_default())
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
        Ok(answer(self.exchange(&self.client, request).await?))
    }

    async fn upgrade(&self, request: &Request) -> Result<(Answer, Connection)> {
        let response = self.exchange(&self.upgrading, request).await?;
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

async fn exchange(client: &reqwest::Client, request: &Request) -> Result<reqwest::Result<reqwest::Response>> {
    let method = reqwest::Method::from_bytes(request.method().as_bytes());
    let method = method.map_err(|error| Error::new(ErrorKind::Unexpected, "no such method").caused_by(error))?;
    let mut sent = client.request(method, request.url());
    for (name, value) in request.headers() {
        let mut header = reqwest::header::HeaderValue::from_str(value)
            .map_err(|_| wrong(format!("the header {name} cannot hold its value")))?;
        header.set_sensitive(true);
        sent = sent.header(name, header);
    }
    Ok(sent.body(request.content().clone()).send().await)
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
    if cause.starts_with("invalid peer certificate") {
        let message = format!("the system is not who it should be: {cause}; http.ca_file names further authorities");
        return Error::new(kind, message).caused_by(error);
    }
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
