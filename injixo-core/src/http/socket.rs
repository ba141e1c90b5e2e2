use std::fmt;
use std::pin::Pin;

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use super::transport::{Connection, ReadWrite};
use super::{Answer, Request};
use crate::error::{Error, ErrorKind, Result};

/// A WebSocket. Pings are answered while [`next`](Self::next) is waited for.
pub struct Socket(WebSocketStream<Pin<Box<dyn ReadWrite>>>);

impl Socket {
    /// Sends a text.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the connection is lost.
    pub async fn send(&mut self, text: impl Into<String>) -> Result<()> {
        self.0.send(Message::text(text.into())).await.map_err(lost)
    }

    /// The next text; nothing once the system has closed the connection.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the connection is lost, `Protocol` for what is no WebSocket.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            match self.0.next().await {
                None | Some(Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Text(text))) => return Ok(Some(text.as_str().to_owned())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(lost(error)),
            }
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

fn lost(error: tungstenite::Error) -> Error {
    let (kind, message) = match error {
        tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) | tungstenite::Error::Capacity(_) => {
            (ErrorKind::Protocol, "what came is no message of a WebSocket")
        }
        _ => (ErrorKind::Unavailable, "the connection was lost"),
    };
    Error::new(kind, message).caused_by(error)
}

/// The request for a WebSocket, and the key that its answer must know.
pub(super) fn request(url: &str) -> Result<(Request, String)> {
    let url = match url.split_once("://") {
        Some(("wss" | "https", rest)) => format!("https://{rest}"),
        Some(("ws" | "http", rest)) => format!("http://{rest}"),
        _ => return Err(Error::new(ErrorKind::Protocol, "not the address of a WebSocket")),
    };
    let key = generate_key();
    let request = Request::get(url)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", key.clone());
    Ok((request, key))
}

pub(super) async fn open((head, connection): (Answer, Connection), key: &str, most_bytes: usize) -> Result<Socket> {
    let accepted = head.headers.iter().find(|header| header.0.eq_ignore_ascii_case("sec-websocket-accept"));
    if accepted.is_none_or(|header| header.1 != derive_accept_key(key.as_bytes())) {
        return Err(Error::new(ErrorKind::Protocol, "the system does not speak WebSocket"));
    }
    let config = WebSocketConfig::default().max_message_size(Some(most_bytes)).max_frame_size(Some(most_bytes));
    Ok(Socket(WebSocketStream::from_raw_socket(connection.0, Role::Client, Some(config)).await))
}
