//! The WebSocket at `/channels/{id}`.
//!
//! Heartbeats, the end of a channel and agents' changes follow the stand-in's clock, which is looked at [ever so often](super::Settings::socket_look). A channel
//! has one connection: a new one ends the old. A connection ends with its channel and with the stand-in.
//!
//! The faults of a connection are played on the request for it, several with commas between them: `silent` (nothing is sent, nothing
//! answered), `duplicate` (each event twice), `out-of-order` (after each event that before it under the same topic), `socket_closing`
//! (announced at once); [`Effect::Cut`] breaks off after so many messages.

use std::collections::BTreeMap;
use std::sync::Weak;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::Response;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde_json::Value;

use super::channels::Set;
use super::shape::Object;
use super::{Service, lock};
use crate::faults::Effect;
use crate::json;
use crate::log::Asked;
use crate::time::{MINUTE, Ms, SECOND};

/// What goes wrong on a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Trouble {
    is_silent: bool,
    is_doubled: bool,
    is_disordered: bool,
    is_closing: bool,
    breaks_after: Option<usize>,
}

impl Trouble {
    fn of(effect: &Effect) -> Self {
        let mut trouble = Self::default();
        match effect {
            Effect::Fault(names) => {
                for name in names.split(',') {
                    match name.trim() {
                        "silent" => trouble.is_silent = true,
                        "duplicate" => trouble.is_doubled = true,
                        "out-of-order" => trouble.is_disordered = true,
                        "socket_closing" => trouble.is_closing = true,
                        _ => {}
                    }
                }
            }
            Effect::Cut(messages) => trouble.breaks_after = Some(*messages),
            _ => {}
        }
        trouble
    }
}

/// A connection.
#[derive(Debug)]
struct Connection {
    channel: String,
    number: u64,
    trouble: Trouble,
    /// Up to when changes were told.
    told: Ms,
    /// When to look for changes again.
    look: Ms,
    beat: Ms,
    /// When the server closes it.
    closes: Option<Ms>,
    announced: u64,
    /// The last event under each topic.
    last: BTreeMap<String, String>,
}

/// What to send, and whether that is the end.
#[derive(Debug, Default)]
struct Turn {
    texts: Vec<String>,
    ends: bool,
}

impl Service {
    pub(super) async fn open_socket(&self, parts: &mut Parts) -> Response<Body> {
        let (path, now) = (parts.uri.path().to_owned(), self.world.clock.now());
        let effect = self.world.faults.strike(&path, "socket");
        let response = self.upgraded(parts, &path, effect.as_ref(), now).await;
        self.world.log.answered(Asked {
            at: now,
            method: parts.method.to_string(),
            path,
            query: parts.uri.query().unwrap_or("").to_owned(),
            operation: "socket".to_owned(),
            status: response.status().as_u16(),
            fault: effect.map(|effect| format!("{effect:?}")),
        });
        response
    }

    async fn upgraded(&self, parts: &mut Parts, path: &str, effect: Option<&Effect>, now: Ms) -> Response<Body> {
        let refused = |status: u16| {
            let response = Response::builder().status(status).body(Body::empty());
            response.unwrap_or_default()
        };
        match effect {
            Some(Effect::Status { status, .. }) => return refused(*status),
            Some(Effect::Limit) => return refused(429),
            _ => {}
        }
        let id = path.trim_start_matches("/channels/").to_owned();
        let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        let number = {
            let mut channels = lock(&self.channels);
            let number = channels.use_of(&id);
            match channels.all.get_mut(&id).filter(|channel| now < channel.expires) {
                Some(channel) => channel.connection = Some(number),
                None => return refused(404),
            }
            number
        };
        let trouble = effect.map(Trouble::of).unwrap_or_default();
        let connection = Connection {
            channel: id,
            number,
            trouble,
            told: now,
            look: now,
            beat: now + self.settings.heartbeat,
            closes: None,
            announced: if trouble.is_closing { u64::MAX } else { self.announced() },
            last: BTreeMap::new(),
        };
        let service = self.me.clone();
        upgrade.on_upgrade(move |socket| run(service, socket, connection))
    }

    /// What is due on a connection.
    fn turn(&self, connection: &mut Connection) -> Turn {
        let now = self.world.clock.now();
        let mut turn = Turn::default();
        let topics = {
            let channels = lock(&self.channels);
            let own = channels.all.get(&connection.channel).filter(|channel| now < channel.expires);
            match own.filter(|channel| channel.connection == Some(connection.number)) {
                Some(channel) => channel.topics.clone(),
                None => return Turn { ends: true, ..turn },
            }
        };
        if connection.closes.is_some_and(|at| at <= now) || self.has_ended() {
            return Turn { ends: true, ..turn };
        }
        if connection.trouble.is_silent || self.is_silent() {
            connection.told = now;
            return turn;
        }
        if connection.announced != self.announced() {
            connection.announced = self.announced();
            connection.closes = Some(now + MINUTE);
            let body = Object::new().text("message", "The socket will be closed in about a minute").done();
            turn.texts.push(Object::new().text("topicName", "v2.system.socket_closing").raw("eventBody", body).done());
        }
        if now > connection.told && (now >= connection.look || self.world.clock.is_simulated()) {
            for event in self.events(&topics, connection.told, now) {
                let copies = if connection.trouble.is_doubled { 2 } else { 1 };
                turn.texts.extend(std::iter::repeat_n(event.text.clone(), copies));
                let before = connection.last.insert(event.topic, event.text);
                turn.texts.extend(before.filter(|_| connection.trouble.is_disordered));
            }
            connection.told = now;
            // Not only at the next change, for the ledger may be edited.
            let next = self.world.ledger().next_state_change(now).unwrap_or(Ms::MAX);
            connection.look = next.min(now + SECOND);
        }
        if now >= connection.beat {
            connection.beat = now + self.settings.heartbeat;
            turn.texts.push(metadata("WebSocket Heartbeat"));
        }
        turn
    }

    /// The answer to what a client sends.
    fn reply(&self, connection: &Connection, text: &str) -> Option<String> {
        if connection.trouble.is_silent || self.is_silent() {
            return None;
        }
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let set = match message["message"].as_str() {
            Some("ping") => return Some(metadata("pong")),
            Some("subscribe") => Set::Add,
            Some("unsubscribe") => Set::Remove,
            _ => {
                let answer = Object::new().text("result", "400").text("status", "error");
                return Some(answer.text("message", "The message is not understood").done());
            }
        };
        let topics = message["topics"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let topics: Vec<String> = topics.map(str::to_owned).collect();
        let now = self.world.clock.now();
        let token = lock(&self.channels).all.get(&connection.channel).map(|channel| channel.token.clone());
        let is_live = token.is_some_and(|token| lock(&self.tokens).is_live(&token, now));
        let gone = || Object::new().text("result", "404").text("message", "The channel or its token has expired");
        let answer = match self.subscribe(&connection.channel, &topics, set, false, now) {
            _ if !is_live => gone(),
            Err(refusal) if refusal.status == 404 => gone(),
            Err(refusal) => {
                Object::new().text("result", "400").text("status", "failure").text("message", &refusal.message)
            }
            Ok(_) => {
                let status = if set == Set::Add { "subscribed" } else { "unsubscribed" };
                let answer = Object::new().text("result", "200").text("status", status);
                answer.list("topics", topics.iter().map(|topic| json::text(topic)))
            }
        };
        Some(answer.maybe("correlationId", message["correlationId"].as_str()).done())
    }

    fn disconnected(&self, connection: &Connection) {
        let mut channels = lock(&self.channels);
        if let Some(channel) = channels.all.get_mut(&connection.channel)
            && channel.connection == Some(connection.number)
        {
            channel.connection = None;
        }
    }
}

fn metadata(message: &str) -> String {
    let body = Object::new().text("message", message).done();
    Object::new().text("topicName", "channel.metadata").raw("eventBody", body).done()
}

async fn run(service: Weak<Service>, mut socket: WebSocket, mut connection: Connection) {
    let Some(pause) = service.upgrade().map(|service| service.settings.socket_look) else { return };
    let mut sent = 0;
    loop {
        let received = tokio::select! {
            received = socket.recv() => Some(received),
            () = tokio::time::sleep(pause) => None,
        };
        let Some(service) = service.upgrade() else { break };
        let mut turn = Turn::default();
        match received {
            None => turn = service.turn(&mut connection),
            Some(Some(Ok(Message::Text(text)))) => turn.texts.extend(service.reply(&connection, text.as_str())),
            Some(Some(Ok(Message::Close(_)) | Err(_)) | None) => turn.ends = true,
            Some(Some(Ok(_))) => {}
        }
        for text in turn.texts {
            if connection.trouble.breaks_after.is_some_and(|most| sent >= most) {
                service.disconnected(&connection);
                return;
            }
            sent += 1;
            turn.ends |= socket.send(Message::Text(text.into())).await.is_err();
        }
        if turn.ends {
            service.disconnected(&connection);
            break;
        }
    }
    let _ = socket.send(Message::Close(None)).await;
}
