//! The server: its listeners, its faults, what it has seen.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;

use crate::options::{Login, Options};
use crate::session;

/// A running stand-in. It ends with its connections when it is dropped.
#[derive(Debug)]
pub struct TdsServer {
    inner: Arc<Inner>,
    listener: Mutex<Option<(JoinHandle<()>, Arc<AtomicBool>)>>,
    browser: Option<(JoinHandle<()>, Arc<AtomicBool>, u16)>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) file: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) faults: Faults,
    pub(crate) tls: Option<(Arc<ServerConfig>, Vec<u8>)>,
    pub(crate) statements: Mutex<Vec<String>>,
    pub(crate) logins: Mutex<Vec<Login>>,
    pub(crate) rows: AtomicU64,
    pub(crate) running: AtomicU64,
    port: AtomicU16,
    accepts: AtomicBool,
    next: AtomicU64,
    connections: Mutex<HashMap<u64, Client>>,
    loader: Mutex<Option<rusqlite::Connection>>,
}

/// A connection as the server holds it.
#[derive(Debug)]
struct Client {
    control: Arc<Control>,
    socket: TcpStream,
    thread: Option<JoinHandle<()>>,
}

/// What a test can make go wrong.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) cut_after: AtomicU64,
    pub(crate) segment: AtomicUsize,
    pub(crate) delay: Mutex<Duration>,
    pub(crate) longest: Mutex<Option<Duration>>,
}

/// What others tell a connection.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The client wants its request stopped.
    pub(crate) cancel: AtomicBool,
    /// The client has gone, or the connection is to end.
    pub(crate) gone: AtomicBool,
    /// How many attentions came.
    pub(crate) attentions: AtomicU64,
    lock: Mutex<()>,
    bell: Condvar,
}

impl Control {
    pub(crate) fn is_stopped(&self) -> bool {
        self.cancel.load(Ordering::SeqCst) || self.gone.load(Ordering::SeqCst)
    }

    pub(crate) fn ring(&self) {
        let _guard = lock(&self.lock);
        self.bell.notify_all();
    }

    /// Waits so long, or until the request is stopped.
    pub(crate) fn wait(&self, time: Duration) {
        let guard = lock(&self.lock);
        let _ = self.bell.wait_timeout_while(guard, time, |()| !self.is_stopped());
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(crate) fn port(&self) -> u16 {
        self.port.load(Ordering::SeqCst)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.accepts.load(Ordering::SeqCst)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener, ends: &AtomicBool) {
        for stream in listener.incoming() {
            if ends.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let _ = stream.set_nodelay(true);
            let Ok(copy) = stream.try_clone() else { continue };
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let control = Arc::new(Control::default());
            lock(&self.connections)
                .insert(number, Client { control: Arc::clone(&control), socket: copy, thread: None });
            let inner = Arc::clone(self);
            // Statements may be nested deeply.
            let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(move || {
                session::serve(&stream, &inner, &control, number);
                let _ = stream.shutdown(Shutdown::Both);
                lock(&inner.connections).remove(&number);
            });
            if let (Ok(thread), Some(client)) = (thread, lock(&self.connections).get_mut(&number)) {
                client.thread = Some(thread);
            }
        }
    }

    fn kill(&self) {
        let mut threads = Vec::new();
        for client in lock(&self.connections).values_mut() {
            client.control.gone.store(true, Ordering::SeqCst);
            client.control.ring();
            let _ = client.socket.shutdown(Shutdown::Both);
            threads.extend(client.thread.take());
        }
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl TdsServer {
    /// Starts a server on the loopback.
    ///
    /// # Panics
    ///
    /// Where a port cannot be had or the tables cannot be made: a test can do nothing without.
    pub fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = options.file.clone().unwrap_or_else(|| folder.path().join("main.db"));
        let has_tls = options.encryption != crate::Encryption::NotSupported;
        let browser_port = options.browser_port;
        let port = options.port;
        let inner = Arc::new(Inner {
            file,
            folder,
            faults: Faults {
                cut_after: AtomicU64::new(u64::MAX),
                segment: AtomicUsize::new(0),
                delay: Mutex::new(Duration::ZERO),
                longest: Mutex::new(None),
            },
            tls: has_tls.then(crate::tls::certificate),
            statements: Mutex::new(Vec::new()),
            logins: Mutex::new(Vec::new()),
            rows: AtomicU64::new(0),
            running: AtomicU64::new(0),
            port: AtomicU16::new(port),
            accepts: AtomicBool::new(false),
            next: AtomicU64::new(51),
            connections: Mutex::new(HashMap::new()),
            loader: Mutex::new(None),
            options,
        });
        *lock(&inner.loader) = Some(crate::sqlite::open(&inner).expect("the tables can be opened"));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, browser_port)).expect("the browser's port is free");
        let browser_port = socket.local_addr().expect("a socket has an address").port();
        let ends = Arc::new(AtomicBool::new(false));
        let browser = {
            let (inner, ends) = (Arc::clone(&inner), Arc::clone(&ends));
            std::thread::spawn(move || crate::browser::serve(&socket, &inner, &ends))
        };
        let this = Self { inner, listener: Mutex::new(None), browser: Some((browser, ends, browser_port)) };
        this.begin();
        this
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.inner.port()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The UDP port on which it answers for its instance.
    pub fn browser_port(&self) -> u16 {
        self.browser.as_ref().map_or(0, |browser| browser.2)
    }

    /// The certificate for TLS, in DER; nothing where there is no TLS.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.inner.tls.as_ref().map(|(_, certificate)| certificate.as_slice())
    }

    /// Runs statements of SQLite on the tables, past all protocol and rights. `nvarchar(max)` may stand as it is.
    ///
    /// # Panics
    ///
    /// Where SQLite refuses.
    pub fn execute(&self, sql: &str) {
        let loader = lock(&self.inner.loader);
        let loader = loader.as_ref().expect("the tables are open");
        loader.execute_batch(&crate::ddl::with_quoted_max(sql)).unwrap_or_else(|error| panic!("{error} in {sql}"));
    }

    /// What clients asked for, in order: the texts of batches and of procedures that run a text, and the names of other
    /// procedures.
    pub fn statements(&self) -> Vec<String> {
        lock(&self.inner.statements).clone()
    }

    /// Who logged in or tried to, in order.
    pub fn logins(&self) -> Vec<Login> {
        lock(&self.inner.logins).clone()
    }

    /// How many rows were made for clients so far.
    pub fn rows(&self) -> u64 {
        self.inner.rows.load(Ordering::SeqCst)
    }

    /// How many requests run now.
    pub fn running(&self) -> u64 {
        self.inner.running.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        lock(&self.inner.connections).len()
    }

    /// Cuts each connection after it was sent so many bytes; `None` no more.
    pub fn cut_after(&self, bytes: Option<u64>) {
        self.inner.faults.cut_after.store(bytes.unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Writes to sockets in pieces of so many bytes; 0 in as large ones as there are.
    pub fn segment(&self, bytes: usize) {
        self.inner.faults.segment.store(bytes, Ordering::SeqCst);
    }

    /// Waits before each request is done.
    pub fn delay(&self, delay: Duration) {
        *lock(&self.inner.faults.delay) = delay;
    }

    /// Ends the connection of a statement that runs longer, as an administrator does.
    pub fn max_query_time(&self, longest: Option<Duration>) {
        *lock(&self.inner.faults.longest) = longest;
    }

    /// Ends all connections.
    pub fn kill_connections(&self) {
        self.inner.kill();
    }

    /// Listens no more and ends all connections.
    pub fn stop(&self) {
        self.inner.accepts.store(false, Ordering::SeqCst);
        if let Some((thread, ends)) = lock(&self.listener).take() {
            ends.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address());
            let _ = thread.join();
        }
        self.inner.kill();
    }

    /// Listens again on the same port, after `stop`.
    pub fn restart(&self) {
        self.stop();
        self.begin();
    }

    fn begin(&self) {
        let listener = TcpListener::bind(self.address()).expect("the port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        self.inner.port.store(port, Ordering::SeqCst);
        self.inner.accepts.store(true, Ordering::SeqCst);
        let ends = Arc::new(AtomicBool::new(false));
        let thread = {
            let (inner, ends) = (Arc::clone(&self.inner), Arc::clone(&ends));
            std::thread::spawn(move || inner.accept(&listener, &ends))
        };
        *lock(&self.listener) = Some((thread, ends));
    }
}

impl Drop for TdsServer {
    fn drop(&mut self) {
        self.stop();
        if let Some((thread, ends, port)) = self.browser.take() {
            ends.store(true, Ordering::SeqCst);
            if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
                let _ = socket.send_to(&[0], (Ipv4Addr::LOCALHOST, port));
            }
            let _ = thread.join();
        }
    }
}
