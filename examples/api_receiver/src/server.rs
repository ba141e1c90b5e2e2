//! The server: connections bounded in number, each in the time that it may take to say what it wants.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How many connections there may be; others wait to be accepted.
const CONNECTIONS: usize = 2_048;

/// The longest head of a request.
const HEAD: usize = 32 << 10;

/// Serves until it is dropped. The agreement on encryption may take as long as `patience`, and then the head of each request, the
/// time between two requests included.
pub(crate) async fn serve(listener: TcpListener, security: Option<TlsAcceptor>, app: Router, patience: Duration) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(one(stream, security.clone(), app.clone(), patience, permit))),
            // The machine lacks something for the moment, or the other side has gone again.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn one(
    stream: TcpStream,
    security: Option<TlsAcceptor>,
    app: Router,
    patience: Duration,
    _permit: OwnedSemaphorePermit,
) {
    // Answers are short: they need not wait for more. Without it they only come later.
    let _ = stream.set_nodelay(true);
    let Some(security) = security else { return first_version(stream, app, patience).await };
    let Ok(Ok(stream)) = timeout(patience, security.accept(stream)).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.timer(TokioTimer::new()).keep_alive_interval(patience).keep_alive_timeout(patience);
        server.max_concurrent_streams(64).max_header_list_size(32 << 10);
        // A connection that breaks off is the sender's to repeat.
        let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await;
    } else {
        first_version(stream, app, patience).await;
    }
}

async fn first_version(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, app: Router, patience: Duration) {
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEAD);
    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await;
}
