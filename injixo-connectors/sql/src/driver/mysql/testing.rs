//! A server that says what it is told to say.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::wire::Wire;
use crate::driver::stream::Stream;

/// A packet with its head; bodies that are too long are cut into several.
pub(super) fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = sequence;
    let mut rest = body;
    loop {
        let (piece, behind) = rest.split_at(rest.len().min(0xFF_FFFF));
        out.extend(&u32::try_from(piece.len()).unwrap().to_le_bytes()[..3]);
        out.push(sequence);
        out.extend(piece);
        sequence = sequence.wrapping_add(1);
        rest = behind;
        if piece.len() < 0xFF_FFFF {
            return out;
        }
    }
}

/// The end of definitions and rows.
pub(super) const END: &[u8] = &[0xFE, 0, 0, 2, 0];

/// Sends these bytes in such pieces, and then no more.
pub(super) async fn saying(sent: Vec<u8>, at_once: usize) -> Wire {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for piece in sent.chunks(at_once) {
            // Whoever reads may have seen enough.
            if stream.write_all(piece).await.is_err() {
                return;
            }
        }
        // What is not read would end the connection before all has come.
        let _ = stream.shutdown().await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    Wire::new(Stream::connect("127.0.0.1", port).await.unwrap())
}

/// Sends these bodies in turn and waits for a packet behind each; its port, and what was said to it.
pub(super) async fn talking(bodies: Vec<Vec<u8>>) -> (u16, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut heard, mut sequence) = (Vec::new(), 0);
        for body in bodies {
            if stream.write_all(&packet(sequence, &body)).await.is_err() {
                break;
            }
            let Some((number, body)) = next(&mut stream).await else { break };
            assert_eq!(number, sequence.wrapping_add(1), "the packets are numbered");
            sequence = number.wrapping_add(1);
            heard.push(body);
        }
        heard
    });
    (port, talk)
}

async fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.ok()?;
    let mut body = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]).try_into().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some((head[3], body))
}
