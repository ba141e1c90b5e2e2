//! A bad line: it cuts requests and answers, is slow, and tells the other side twice what it was told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Random;

pub(crate) struct Line {
    /// Where it listens.
    pub(crate) port: u16,
    /// Where whoever it leads to listens.
    pub(crate) behind: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_calm: AtomicBool,
    passed: AtomicU64,
    bad: AtomicU64,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Good,
    /// Ends after so many bytes of requests.
    CutThere(usize),
    /// Ends after so many bytes of answers.
    CutBack(usize),
    Slow,
    /// Whatever is sent is sent on a second connection, too.
    Twice,
}

impl Line {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens there yet.
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let of_line = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut random = Random(port.into());
            while let Ok((client, _)) = listener.accept().await {
                let fate = if of_line.is_calm.load(Ordering::SeqCst) { Fate::Good } else { fate(&mut random) };
                of_line.bad.fetch_add(u64::from(fate != Fate::Good), Ordering::SeqCst);
                tokio::spawn(pass(client, behind, fate, Arc::clone(&of_line)));
            }
        });
        Self { port, behind, shared }
    }

    /// From now on the line is good.
    pub(crate) fn calm(&self) {
        self.shared.is_calm.store(true, Ordering::SeqCst);
    }

    /// How many pieces of requests were passed on.
    pub(crate) fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// How many connections something happened to.
    pub(crate) fn bad(&self) -> u64 {
        self.shared.bad.load(Ordering::SeqCst)
    }
}

fn fate(random: &mut Random) -> Fate {
    match random.below(6) {
        0 => Fate::CutThere(usize::try_from(random.below(6_000)).unwrap()),
        1 => Fate::CutBack(usize::try_from(random.below(1_500)).unwrap()),
        2 => Fate::Slow,
        3 => Fate::Twice,
        // In the end every connection is cut, so that there are others.
        _ => Fate::CutBack(4_000),
    }
}

async fn pass(mut client: TcpStream, behind: u16, fate: Fate, line: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
    let mut second = match fate {
        Fate::Twice => TcpStream::connect(("127.0.0.1", behind)).await.ok(),
        _ => None,
    };
    let (mut there, mut back) = (0, 0);
    let (mut request, mut answer, mut nobody) = ([0; 2_048], [0; 2_048], [0; 2_048]);
    loop {
        let heard = async {
            match &mut second {
                Some(second) => second.read(&mut nobody).await.unwrap_or(0),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                there += length;
                if matches!(fate, Fate::CutThere(most) if there > most) {
                    return;
                }
                if let Some(second) = &mut second {
                    // It may have been closed.
                    let _ = second.write_all(&request[..length]).await;
                }
                if server.write_all(&request[..length]).await.is_err() {
                    return;
                }
                line.passed.fetch_add(1, Ordering::SeqCst);
            }
            read = server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                back += length;
                if matches!(fate, Fate::CutBack(most) if back > most) || client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
            length = heard => if length == 0 {
                second = None;
            },
        }
        if fate == Fate::Slow {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}
