//! Nothing that is logged shows a key, whatever is sent.

mod support;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{CONTACTS, Host, contact};

/// Everything that is logged, at any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(flavor = "current_thread")]
async fn no_log_shows_a_key() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let host = Host::new().await;
    assert_eq!(host.send(CONTACTS, &host.body(&[contact(), json!(1)])).await.status, 202);
    for wrong in [format!("Bearer {}x", host.key), host.key.clone(), format!("Basic {}", host.key)] {
        let request = Request::post(CONTACTS).header("authorization", wrong).body(Body::from("x")).unwrap();
        assert_eq!(host.ask(request).await.status, 401);
    }
    // In the wrong place it is data like any other, but for the answer.
    let request = Request::post(format!("/external-systems/{}", host.key)).body(Body::empty()).unwrap();
    assert_eq!(host.ask(request).await.status, 404);
    let logged = log.0.lock().unwrap().clone();
    assert!(logged.contains("accepted=1"), "it logs: {logged}");
    assert!(!logged.contains(&host.key[9..]), "{logged}");
}
