//! What a connector says about itself, searched for secrets.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::report::Judgement;
use crate::error::Error;

/// Collects every text that could hold a secret. Clones share what was heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Ear {
    secrets: Arc<Vec<String>>,
    /// Where a secret was heard, without the secret.
    leaks: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

impl Ear {
    pub(super) fn new(secrets: &[String]) -> Self {
        let mut wanted = Vec::new();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            wanted.push(secret.clone());
            wanted.push(format!("{secret:?}").trim_matches('"').to_owned());
            wanted.push(percent_encoded(secret));
        }
        wanted.sort();
        wanted.dedup();
        Self { secrets: Arc::new(wanted), ..Self::default() }
    }

    /// Hears `text`, which was said at `place`.
    pub(super) fn hear(&self, place: &str, text: &str) {
        if self.secrets.iter().any(|secret| text.contains(secret.as_str())) {
            let mut leaks = self.leaks.lock().unwrap_or_else(PoisonError::into_inner);
            if !leaks.iter().any(|leak| leak == place) {
                leaks.push(place.to_owned());
            }
        }
    }

    pub(super) fn hear_debug(&self, place: &str, value: &dyn fmt::Debug) {
        self.hear(place, &format!("{value:?} {value:#?}"));
    }

    pub(super) fn hear_error(&self, error: &Error) {
        self.hear("an error", &format!("{error} {error:?}"));
        let mut source = error.source();
        while let Some(cause) = source {
            self.hear("the cause of an error", &format!("{cause} {cause:?}"));
            source = cause.source();
        }
    }

    pub(super) fn judge(&self) -> Judgement {
        if self.secrets.is_empty() {
            return Judgement::not_judged("name the credentials of the stand-in with `Suite::secret`");
        }
        let leaks = self.leaks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = (!leaks.is_empty()).then(|| format!("a secret in {}", leaks.join(", in ")));
        Judgement::of(found, "no secret in Debug, reports, errors, rejected rows or events")
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

struct Fields(String);

impl Visit for Fields {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.push_str(value);
        self.0.push('\n');
    }

    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let _ = writeln!(self.0, "{value:?}");
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        self.hear(&format!("the span {:?}", span.metadata().name()), &fields.0);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.hear("a span", &fields.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.hear(&format!("an event of {}", event.metadata().target()), &fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
