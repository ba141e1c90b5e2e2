//! Genesys Cloud: notification channels and their sockets.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use vendor_standin::faults::{Effect, Rule, When};
use vendor_standin::genesys_cloud::Settings;
use vendor_standin::time::{DAY, HOUR, MINUTE, Ms, SECOND, iso_millis};

use crate::genesys_cloud::{Desk, contains, on, plain};
use crate::genesys_cloud_users::a_morning;

const CHANNELS: &str = "/api/v2/notifications/channels";

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(uri: &str) -> Self {
        Self(connect_async(uri).await.unwrap().0)
    }

    /// The next message; none once the server has closed the socket.
    async fn next(&mut self) -> Option<Value> {
        let message = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("a message");
        match message? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(text.as_str()).unwrap()),
            _ => None,
        }
    }

    async fn say(&mut self, message: &Value) -> Value {
        self.0.send(Message::text(message.to_string())).await.unwrap();
        self.next().await.unwrap()
    }

    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(150), self.0.next()).await.is_err()
    }
}

async fn morning(settings: Settings) -> Desk {
    Desk::new(settings, a_morning(), on("08:00:00")).await
}

/// A channel with those topics: its id and address.
async fn channel(desk: &Desk, topics: &[&str]) -> (String, String) {
    let (status, channel) = desk.post(CHANNELS, &json!({})).await;
    assert_eq!(status, 200, "{channel}");
    let text = |name: &str| channel[name].as_str().unwrap().to_owned();
    let topics: Vec<Value> = topics.iter().map(|topic| json!({"id": topic})).collect();
    let path = format!("{CHANNELS}/{}/subscriptions", text("id"));
    assert_eq!(desk.send(Method::PUT, &path, Some(&json!(topics))).await.status(), 200);
    (text("id"), text("connectUri"))
}

fn heartbeat() -> Value {
    json!({"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}})
}

#[tokio::test]
async fn changes_heartbeats_and_pings() {
    let desk = morning(plain()).await;
    let topics = ["v2.users.u-1.activity"];
    let (id, uri) = channel(&desk, &topics).await;
    let mut socket = Socket::open(&uri).await;
    assert_eq!(desk.standin.connected()[&id], topics);
    let pong = json!({"topicName": "channel.metadata", "eventBody": {"message": "pong"}});
    assert_eq!(socket.say(&json!({"message": "ping"})).await, pong);
    assert!(socket.is_quiet().await);
    desk.clock.advance(30 * SECOND);
    assert_eq!(socket.next().await.unwrap(), heartbeat());
    // Three changes at once, in their order; that from ringing to talking is none.
    desk.clock.set(on("08:06:31"));
    let first = socket.next().await.unwrap();
    assert_eq!(first["eventBody"]["routingStatus"]["status"], "INTERACTING");
    let example = json!({"topicName": "v2.users.u-1.activity", "version": "2",
        "eventBody": {"id": "u-1", "routingStatus": {"status": "IDLE", "startTime": "2024-03-01T08:06:30.000Z"},
            "presence": {"presenceDefinition": {"id": "op-1", "systemPresence": "ON_QUEUE"}, "presenceMessage": "",
                         "modifiedDate": "2024-03-01T07:58:00.000Z"},
            "outOfOffice": {"active": false}}});
    let second = socket.next().await.unwrap();
    assert!(contains(&second, &example), "{second:#}");
    assert_eq!(socket.next().await.unwrap(), heartbeat());
    desk.clock.set(on("10:00:00"));
    let meal = socket.next().await.unwrap();
    assert_eq!(meal["eventBody"]["presence"]["presenceDefinition"], json!({"id": "op-7", "systemPresence": "MEAL"}));
    assert_eq!(meal["eventBody"]["routingStatus"]["status"], "OFF_QUEUE");
    assert_eq!(desk.standin.world().log.count("socket"), 1);
    drop(desk);
    assert_eq!(socket.next().await, Some(heartbeat()));
    assert_eq!(socket.next().await, None, "it ends with the stand-in");
}

#[tokio::test]
async fn presences_and_routing_statuses_apart() {
    let desk = morning(plain()).await;
    let (id, uri) = channel(&desk, &["v2.users.u-1.presence"]).await;
    let mut socket = Socket::open(&uri).await;
    let topics = json!({"message": "subscribe", "topics": ["v2.users.u-1.routingStatus"], "correlationId": "k1"});
    let answer = socket.say(&topics).await;
    assert!(contains(&answer, &json!({"result": "200", "status": "subscribed", "correlationId": "k1"})), "{answer}");
    desk.clock.set(on("08:01:12"));
    let changed = socket.next().await.unwrap();
    assert_eq!(changed["topicName"], "v2.users.u-1.routingStatus");
    let status = json!({"status": "INTERACTING", "startTime": "2024-03-01T08:01:12.000Z"});
    assert_eq!(changed["eventBody"], json!({"id": "u-1", "routingStatus": status}));
    assert_eq!(socket.next().await.unwrap(), heartbeat());
    desk.send(Method::PUT, &format!("{CHANNELS}/{id}/subscriptions"), Some(&json!([{"id": "v2.users.u-1.presence"}])))
        .await;
    desk.clock.set(on("10:00:00"));
    let (primary, foreign) = (socket.next().await.unwrap(), socket.next().await.unwrap());
    assert_eq!(
        (&primary["eventBody"]["source"], &primary["eventBody"]["primary"]),
        (&json!("PURECLOUD"), &json!(true))
    );
    assert_eq!(primary["eventBody"]["presenceDefinition"]["id"], "op-7");
    assert!(primary["eventBody"].get("id").is_none() && primary["metadata"].get("CorrelationId").is_some());
    assert_eq!(foreign["eventBody"]["primary"], false);
    for (message, result) in [
        (json!({"message": "subscribe", "topics": ["v2.nothing"]}), json!({"result": "400", "status": "failure"})),
        (json!({"message": "dance"}), json!({"result": "400", "status": "error"})),
    ] {
        let mut answer = socket.say(&message).await;
        if answer == heartbeat() {
            answer = socket.next().await.unwrap();
        }
        assert!(contains(&answer, &result), "{answer}");
    }
    desk.standin.end_tokens();
    assert_eq!(socket.say(&topics).await["result"], "404");
}

#[tokio::test]
async fn channels_and_subscriptions() {
    let desk = morning(Settings { rejected_topics: ["v2.users.u-2.activity".to_owned()].into(), ..plain() }).await;
    let (id, _) = channel(&desk, &["v2.users.u-1.activity"]).await;
    let path = format!("{CHANNELS}/{id}/subscriptions");
    let both = json!([{"id": "v2.users.u-1.presence"}, {"id": "v2.users.u-2.activity"}]);
    assert_eq!(desk.post(&path, &both).await.0, 403);
    let (_, answer) = desk.post(&format!("{path}?ignoreErrors=true"), &both).await;
    assert_eq!(answer["entities"][0], json!({"id": "v2.users.u-1.presence", "state": "Permitted"}));
    let rejected = &answer["entities"][1];
    assert_eq!((&rejected["state"], rejected["missingPermissions"].as_array().unwrap().len()), (&json!("Rejected"), 1));
    let held = |answer: &Value| {
        let all = answer["entities"].as_array().unwrap().iter();
        all.map(|topic| topic["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(held(&desk.get(&path).await.1), ["v2.users.u-1.activity", "v2.users.u-1.presence"]);
    let one = json!([{"id": "v2.users.u-1.routingStatus"}]);
    assert_eq!(desk.send(Method::PUT, &path, Some(&one)).await.status(), 200);
    assert_eq!(held(&desk.get(&path).await.1), ["v2.users.u-1.routingStatus"]);
    assert_eq!(desk.send(Method::PUT, &path, Some(&json!([{"topic": "x"}]))).await.status(), 400);
    assert_eq!(desk.send(Method::PUT, &format!("{CHANNELS}/none/subscriptions"), Some(&one)).await.status(), 404);
    // The twenty-first evicts that which was used longest ago.
    let mut ids = vec![id.clone()];
    for _ in 0..19 {
        ids.push(channel(&desk, &[]).await.0);
    }
    desk.send(Method::PUT, &path, Some(&one)).await;
    channel(&desk, &[]).await;
    assert_eq!(
        (desk.get(&path).await.0, desk.get(&format!("{CHANNELS}/{}/subscriptions", ids[1])).await.0),
        (200, 404)
    );
    assert_eq!(desk.standin.world().log.violations()["channels of a client"], 1);
}

#[tokio::test]
async fn a_channel_has_so_many_topics() {
    let mut ledger = a_morning();
    ledger.agents =
        (0..1_001).map(|number| vendor_standin::ledger::Agent::new(&number.to_string(), "a", "A", "B")).collect();
    let desk = Desk::new(plain(), ledger, on("08:00:00")).await;
    let topics: Vec<Value> = (1..=1_001).map(|number| json!({"id": format!("v2.users.u-{number}.activity")})).collect();
    let (id, _) = channel(&desk, &[]).await;
    let path = format!("{CHANNELS}/{id}/subscriptions");
    assert_eq!(desk.send(Method::PUT, &path, Some(&json!(topics[..1_000]))).await.status(), 200);
    assert_eq!(desk.send(Method::POST, &path, Some(&json!(topics[1_000..]))).await.status(), 400);
    assert_eq!(desk.standin.world().log.violations()["topics of a channel"], 1);
}

#[tokio::test]
async fn a_channel_lives_for_a_day() {
    let mut desk = morning(plain()).await;
    let (status, first) = desk.post(CHANNELS, &json!({})).await;
    let expires = |at: Ms| json!(iso_millis(at + DAY));
    assert_eq!((status, &first["expires"]), (200, &expires(on("08:00:00"))));
    let (id, uri) = channel(&desk, &["v2.users.u-1.activity"]).await;
    let mut socket = Socket::open(&uri).await;
    desk.clock.advance(HOUR);
    assert!(socket.next().await.is_some());
    let path = format!("{CHANNELS}/{id}/subscriptions");
    desk.send(Method::PUT, &path, Some(&json!([]))).await;
    let (_, all) = desk.get(CHANNELS).await;
    let prolonged = all["entities"].as_array().unwrap().iter().find(|channel| channel["id"] == id.as_str()).unwrap();
    assert_eq!(prolonged["expires"], expires(on("09:00:00")));
    desk.clock.set(on("09:00:00") + DAY);
    while socket.next().await.is_some() {}
    assert!(connect_async(&uri).await.is_err());
    desk.sign_in().await;
    assert_eq!(desk.get(&path).await.0, 404);
    // One connection: the newer ends the older.
    let (_, uri) = channel(&desk, &[]).await;
    let mut older = Socket::open(&uri).await;
    let mut newer = Socket::open(&uri).await;
    assert_eq!(older.next().await, None);
    desk.clock.advance(30 * SECOND);
    assert_eq!(newer.next().await, Some(heartbeat()));
}

#[tokio::test]
async fn sockets_in_trouble() {
    let desk = morning(Settings { has_foreign_presences: false, ..plain() }).await;
    let faults = &desk.standin.world().faults;
    let (_, uri) = channel(&desk, &["v2.users.u-1.activity"]).await;
    let with = async |effect: Effect| {
        faults.clear();
        faults.add(Rule::new("socket", When::Always, effect));
        Socket::open(&uri).await
    };
    let start = |event: &Value| event["eventBody"]["routingStatus"]["startTime"].as_str().unwrap_or("").to_owned();
    let mut socket = with(Effect::Fault("duplicate,out-of-order".to_owned())).await;
    desk.clock.set(on("08:06:31"));
    let mut starts = Vec::new();
    for _ in 0..5 {
        starts.push(start(&socket.next().await.unwrap())[11..19].to_owned());
    }
    assert_eq!(starts, ["08:01:12", "08:01:12", "08:06:30", "08:06:30", "08:01:12"]);
    let mut silent = with(Effect::Fault("silent".to_owned())).await;
    assert!(socket.next().await.is_none_or(|last| last == heartbeat()));
    desk.clock.set(on("10:00:00"));
    assert!(silent.is_quiet().await);
    let mut socket = with(Effect::Fault("socket_closing".to_owned())).await;
    assert_eq!(socket.next().await.unwrap()["topicName"], "v2.system.socket_closing");
    desk.clock.advance(MINUTE);
    while socket.next().await.is_some() {}
    let mut socket = with(Effect::Cut(1)).await;
    desk.clock.advance(30 * SECOND);
    assert_eq!(socket.next().await, Some(heartbeat()));
    desk.clock.advance(30 * SECOND);
    assert_eq!(socket.next().await, None);
    faults.clear();
    // All at once.
    let mut socket = Socket::open(&uri).await;
    desk.standin.announce_closing();
    assert_eq!(socket.next().await.unwrap()["topicName"], "v2.system.socket_closing");
    desk.standin.silence(true);
    desk.clock.advance(30 * SECOND);
    assert!(socket.is_quiet().await);
    desk.standin.silence(false);
    assert_eq!(socket.next().await, Some(heartbeat()));
}
