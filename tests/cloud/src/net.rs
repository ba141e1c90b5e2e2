//! The line to the outside as a customer's network makes it: an authority of its own, systems behind TLS, a proxy that wants a
//! password.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// An authority that no machine knows.
pub struct Authority {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// A new one of that name.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self { certificate: params.self_signed(&key).expect("a certificate"), key }
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn serves(&self, name: &str) -> TlsAcceptor {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.certificate, &self.key).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder().with_no_client_auth();
        let config =
            config.with_single_cert(vec![certificate.der().clone()], key.into()).expect("a certificate that fits");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A system that answers `hello from NAME`, and echoes what comes over a WebSocket.
#[derive(Debug)]
pub struct System {
    /// Where it listens.
    pub addr: SocketAddr,
}

impl System {
    /// Behind TLS, with a certificate for that name.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub async fn encrypted(authority: &Authority, name: &'static str) -> Self {
        Self::start(Some(authority.serves(name)), name).await
    }

    /// Without TLS.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub async fn plain(name: &'static str) -> Self {
        Self::start(None, name).await
    }

    async fn start(tls: Option<TlsAcceptor>, name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        // Whom it does not trust a client leaves.
                        Some(tls) => answer(tls.accept(stream).await?, name).await,
                        None => answer(stream, name).await,
                    }
                });
            }
        });
        Self { addr }
    }
}

/// The head of a request, up to the empty line.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.filter(|header| header.0.eq_ignore_ascii_case(name)).map(|header| header.1).next()
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, name: &str) -> io::Result<()> {
    let head = head(&mut stream).await?;
    if let Some(key) = header(&head, "sec-websocket-key") {
        let key = derive_accept_key(key.as_bytes());
        let switch =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept:";
        stream.write_all(format!("{switch} {key}\r\n\r\n").as_bytes()).await?;
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
        return Ok(());
    }
    let body = format!("hello from {name}");
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// The first line of a request, and as whom it was asked.
type Asked = (String, Option<String>);

/// A proxy that wants a user and a password, and knows where the systems are that have names.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Proxy {
    /// Lets `user:password` through, to wherever `leads` says that a host is.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub async fn start(credentials: &'static str, leads: Vec<(&'static str, SocketAddr)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Self { addr: listener.local_addr().expect("an address"), asked: Arc::default() };
        let (shared, leads) = (proxy.clone(), Arc::new(leads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (proxy, leads) = (shared.clone(), Arc::clone(&leads));
                tokio::spawn(async move { proxy.serve(stream, credentials, &leads).await });
            }
        });
        proxy
    }

    /// The first lines of what was asked, and as whom.
    pub fn asked(&self) -> Vec<(String, Option<String>)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Option<String>)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, mut stream: TcpStream, wanted: &str, leads: &[(&str, SocketAddr)]) -> io::Result<()> {
        let head = head(&mut stream).await?;
        let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        let given = header(&head, "proxy-authorization").and_then(|value| value.strip_prefix("Basic "));
        let given = given.and_then(|code| base64::prelude::BASE64_STANDARD.decode(code).ok());
        let given = given.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        self.lock().push((line.clone(), given.clone()));
        if given.as_deref() != Some(wanted) {
            let refusal =
                "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"office\"\r\n";
            stream.write_all(format!("{refusal}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await?;
            return stream.shutdown().await;
        }
        let (method, target) = line.split_once(' ').unwrap_or_default();
        let host = target.trim_start_matches("http://").split(['/', ':']).next().unwrap_or_default();
        let Some((_, system)) = leads.iter().find(|(name, _)| *name == host) else {
            stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
            return stream.shutdown().await;
        };
        let mut system = TcpStream::connect(system).await?;
        if method == "CONNECT" {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        } else {
            // What the system must not see goes no further.
            let lines = head.lines().filter(|line| !line.to_lowercase().starts_with("proxy-"));
            system.write_all((lines.collect::<Vec<_>>().join("\r\n") + "\r\n").as_bytes()).await?;
        }
        tokio::io::copy_bidirectional(&mut stream, &mut system).await.map(|_| ())
    }
}

/// Everything that was logged in this process, by whichever way.
#[derive(Debug, Clone, Default)]
pub struct Logged(Arc<Mutex<String>>);

impl Logged {
    /// What was logged.
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, text: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_str(text);
        all.push('\n');
    }
}

impl log::Log for Logged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.add(&record.args().to_string());
    }

    fn flush(&self) {}
}

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.add(&fields.0);
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.add(&fields.0);
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.add(&fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
