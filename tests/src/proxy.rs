//! A connection that is cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Passes connections on to a server, and cuts them once it has answered so many bytes.
#[derive(Debug)]
pub struct Cutting {
    /// Where it listens, on this machine.
    pub port: u16,
    left: Arc<AtomicU64>,
}

impl Cutting {
    /// In front of the server at that port; cuts nothing yet.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub fn new(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let port = listener.local_addr().map_or(0, |address| address.port());
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let bytes = Arc::clone(&left);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else { return };
                let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { return };
                let bytes = Arc::clone(&bytes);
                std::thread::spawn(move || pass_on(from_client, server, &AtomicU64::new(u64::MAX)));
                std::thread::spawn(move || pass_on(from_server, client, &bytes));
            }
        });
        Self { port, left }
    }

    /// From now on only so many bytes of answers come through.
    pub fn cut_after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// How many bytes may still come through.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::SeqCst)
    }
}

/// Passes bytes on as long as some are left; then both sides are closed.
fn pass_on(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64) {
    let mut bytes = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let before = left.load(Ordering::SeqCst);
        let passed = before.min(length as u64);
        if before != u64::MAX {
            left.store(before - passed, Ordering::SeqCst);
        }
        let passed = usize::try_from(passed).unwrap_or(length);
        if to.write_all(&bytes[..passed]).is_err() || passed < length {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
