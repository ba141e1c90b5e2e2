//! Notification channels: who is followed on which, and which of them are still alive.
//!
//! A channel takes so many topics, of which each user needs one, and has one connection. An application has few channels, and one more
//! ends another: a channel is kept and connected to again for as long as the system knows it.

use std::sync::Arc;

use futures::future::select_all;
use injixo_core::connector::Context;
use injixo_core::http::Socket;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::client::Client;
use super::wire::{Notification, NotificationChannel};

/// The channels that the system has made for this connector and that nobody else uses.
pub(super) type Channels = Arc<Mutex<Vec<NotificationChannel>>>;

/// How many topics a channel takes.
const TOPICS: usize = 1_000;

/// A connection that ends sooner than this is not made again at once.
const SHORTEST: Millis = Millis::from_secs(10);

/// The connections to all channels.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// Whether the system does not tell of every user.
    pub(super) are_refused: bool,
}

#[derive(Debug, Default)]
struct Line {
    open: Option<Open>,
    /// Whether the system is about to end the channel.
    is_closing: bool,
}

#[derive(Debug)]
struct Open {
    socket: Socket,
    since: Timestamp,
    heard: Timestamp,
}

impl Lines {
    /// Sees to it that changes of exactly those users are heard. `channels` are known from before.
    pub(super) async fn follow(
        &mut self,
        cx: &Context,
        client: &Client,
        channels: &mut Vec<NotificationChannel>,
        users: &[String],
    ) -> Result<()> {
        self.lines.resize_with(users.len().div_ceil(TOPICS), Line::default);
        let mut refused = 0;
        for (index, users) in users.chunks(TOPICS).enumerate() {
            let line = &mut self.lines[index];
            let topics: Vec<String> = users.iter().map(|user| format!("v2.users.{user}.activity")).collect();
            let known = channels.get(index).filter(|_| !line.is_closing).cloned();
            refused += match known {
                Some(channel) => match line.open(cx, client, &channel, &topics).await {
                    // It does not exist any more, or does not take anybody.
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Protocol) => {
                        line.replace(cx, client, channels, index, &topics).await?
                    }
                    opened => opened?,
                },
                None => line.replace(cx, client, channels, index, &topics).await?,
            };
        }
        if refused > 0 {
            tracing::warn!(
                users = refused,
                "genesys-cloud: the system does not tell what these users do: grant directory:user:view for their divisions; \
                 they are asked for every minute"
            );
        }
        self.are_refused = refused > 0;
        Ok(())
    }

    /// The next notification about a user; none when everyone must be asked for anew: it is time, or a line went dead.
    pub(super) async fn next(&mut self, cx: &Context, anew: Timestamp, silent: Millis) -> Result<Option<String>> {
        loop {
            let quiet = self.lines.iter().filter_map(|line| Some(line.open.as_ref()?.heard.after(silent))).min();
            let wake = quiet.map_or(anew, |quiet| quiet.min(anew));
            let waits: Vec<_> = self
                .lines
                .iter_mut()
                .enumerate()
                .filter_map(|(index, line)| {
                    let socket = &mut line.open.as_mut()?.socket;
                    Some(Box::pin(async move { (index, socket.next().await) }))
                })
                .collect();
            if waits.is_empty() {
                cx.sleep(anew).await;
                return Ok(None);
            }
            let heard = tokio::select! {
                biased;
                ((index, heard), _, _) = select_all(waits) => Some((index, heard)),
                () = cx.sleep(wake) => None,
            };
            let Some((index, heard)) = heard else {
                self.end_silent(cx.now(), silent);
                return Ok(None);
            };
            let line = &mut self.lines[index];
            match heard {
                Ok(Some(text)) => {
                    if let Some(open) = &mut line.open {
                        open.heard = cx.now();
                    }
                    let topic = serde_json::from_str::<Notification>(&text).map(|told| told.topic_name);
                    match topic.as_deref() {
                        Ok("v2.system.socket_closing") => {
                            line.is_closing = true;
                            return Ok(None);
                        }
                        Ok(topic) if user_of(topic).is_some() => return Ok(Some(text)),
                        // Heartbeats, and what nobody asked for.
                        _ => {}
                    }
                }
                ended => {
                    let since = line.open.take().map_or(cx.now(), |open| open.since);
                    if cx.now().since(since) < SHORTEST {
                        let closed = || Error::new(ErrorKind::Unavailable, "the system closed the connection at once");
                        return Err(ended.err().unwrap_or_else(closed));
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Lets go of the connections on which nothing was heard for too long: they are dead, whatever the network says.
    fn end_silent(&mut self, now: Timestamp, silent: Millis) {
        for line in &mut self.lines {
            if line.open.as_ref().is_some_and(|open| now.since(open.heard) >= silent) {
                tracing::warn!(after = ?silent, "genesys-cloud: nothing was heard, connecting again");
                line.open = None;
            }
        }
    }
}

impl Line {
    /// Subscribes the channel, and connects to it if that was not done.
    async fn open(
        &mut self,
        cx: &Context,
        client: &Client,
        channel: &NotificationChannel,
        topics: &[String],
    ) -> Result<usize> {
        let refused = client.subscribe(cx, &channel.id, topics).await?;
        if self.open.is_none() {
            let socket = client.connect(cx, channel).await?;
            self.open = Some(Open { socket, since: cx.now(), heard: cx.now() });
        }
        Ok(refused)
    }

    /// Makes another channel and follows it from now on. The connection before it lasts until then.
    async fn replace(
        &mut self,
        cx: &Context,
        client: &Client,
        channels: &mut Vec<NotificationChannel>,
        index: usize,
        topics: &[String],
    ) -> Result<usize> {
        let channel = client.channel(cx).await?;
        // Known from now on, whatever fails next: there are few of them.
        match channels.get_mut(index) {
            Some(known) => *known = channel.clone(),
            None => channels.push(channel.clone()),
        }
        let mut line = Self::default();
        let refused = line.open(cx, client, &channel, topics).await?;
        *self = line;
        Ok(refused)
    }
}

/// The user that a topic is about: `v2.users.{id}.activity`.
pub(super) fn user_of(topic: &str) -> Option<&str> {
    topic.strip_prefix("v2.users.")?.strip_suffix(".activity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_its_user() {
        assert_eq!(user_of("v2.users.u-1.activity"), Some("u-1"));
        assert_eq!(user_of("channel.metadata"), None);
    }
}
