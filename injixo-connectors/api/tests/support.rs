//! A host with the receiver in its server, without a socket.
#![allow(dead_code, reason = "each test uses a part")]

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use injixo_connector_api::{Api, Arrives, Receiver};
use injixo_core::{MemoryStore, Runtime};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const CONTACTS: &str = "/external-systems/contact-events";
pub(crate) const STATUSES: &str = "/external-systems/agent-statuses";

pub(crate) struct Host {
    pub(crate) runtime: Runtime,
    pub(crate) id: u32,
    pub(crate) key: String,
    pub(crate) app: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn counts(&self) -> (u64, u64, u64, bool) {
        let (json, number) = (self.json(), |value: &Value| value.as_u64().unwrap());
        let repeated = json["repeated"].as_bool().unwrap_or_default();
        (number(&json["received"]), number(&json["accepted"]), number(&json["rejected"]), repeated)
    }
}

impl Host {
    pub(crate) async fn new() -> Self {
        Self::with(|receiver| receiver).await
    }

    pub(crate) async fn with(change: impl FnOnce(Receiver) -> Receiver) -> Self {
        let runtime = Runtime::new(MemoryStore::new());
        let id = runtime.add("API", Api::new()).await.unwrap().id();
        let key = runtime.new_key("API").await.unwrap().expose().to_owned();
        let app = change(Receiver::new(&runtime, Arrives::Encrypted)).router();
        Self { runtime, id, key, app }
    }

    /// A request as the host's server hands it over.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        // Nobody is ever told the key.
        assert!(!text.contains(&self.key) && !format!("{head:?}").contains(&self.key), "{text}");
        Answer { status: head.status, headers: head.headers, text }
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post(path).header("authorization", format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn send(&self, path: &str, body: &Value) -> Answer {
        self.post(path, &[], body.to_string()).await
    }

    /// A body with these rows.
    pub(crate) fn body(&self, rows: &[Value]) -> Value {
        json!({ "data": rows, "meta": { "integrationConfigurationId": self.id } })
    }

    /// How many contacts are kept.
    pub(crate) async fn kept(&self) -> i64 {
        let intervals = self.runtime.intervals("API").await.unwrap();
        intervals.iter().map(|row| row.measures.offered.micros() / 1_000_000).sum()
    }
}

pub(crate) fn contact() -> Value {
    json!({
        "properties": { "offered": true, "handled": false, "duration": 124.6 },
        "queueName": "Level 1 support", "queueIdentifier": "1337_99",
        "timestamp": "2021-12-06T10:34:22Z", "channel": "calls"
    })
}

pub(crate) fn status() -> Value {
    json!({
        "agentIdentifier": "bob@mycompany.com", "activityIdentifier": "Test",
        "startTime": "2021-12-06T10:00:00Z", "endTime": "2021-12-06T15:00:00Z"
    })
}
