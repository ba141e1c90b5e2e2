//! What senders are answered.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use injixo_core::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::wire::RowError;

/// Why a request is not taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// Further fields of the answer.
    pub(crate) details: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, details: None }
    }

    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub(crate) fn busy() -> Self {
        let message = "more arrives than can be stored: try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(Duration::from_secs(1))
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut body = json!({ "error": self.code, "message": self.message });
        if let (Some(Value::Object(details)), Some(body)) = (self.details, body.as_object_mut()) {
            body.extend(details);
        }
        let mut response = answer(self.status, &body);
        let headers = response.headers_mut();
        if let Some(delay) = self.retry_after {
            // Whole seconds, rounded up: who comes as told is not told again.
            let secs = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs.max(1)));
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                _ = headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            StatusCode::METHOD_NOT_ALLOWED => _ = headers.insert(header::ALLOW, HeaderValue::from_static("POST")),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
            }
            StatusCode::REQUEST_TIMEOUT => _ = headers.insert(header::CONNECTION, HeaderValue::from_static("close")),
            _ => {}
        }
        response
    }
}

impl From<Error> for Refusal {
    /// What went wrong inside stays inside.
    fn from(error: Error) -> Self {
        let later = error.retry_after().unwrap_or(Duration::from_secs(5));
        match error.kind() {
            ErrorKind::Unauthenticated => Self::new(StatusCode::UNAUTHORIZED, "unauthorized", error.message()),
            ErrorKind::NotFound => Self::new(StatusCode::FORBIDDEN, "integration_deleted", error.message()),
            ErrorKind::Unsupported => Self::new(StatusCode::CONFLICT, "filled_by_commits", error.message()),
            ErrorKind::RateLimited => Self::busy().retry_after(later),
            ErrorKind::Unavailable if error.retry_after().is_some() => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "paused", error.message()).retry_after(later)
            }
            _ if error.is_retryable() => {
                let message = "the data could not be stored for the moment: send it again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after(later)
            }
            _ => {
                tracing::error!(%error, "a request could not be stored");
                let message = "the data could not be stored: the operator has to look after it";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            }
        }
    }
}

/// A JSON answer.
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The rows that are no facts, for an answer.
pub(crate) fn row_errors(errors: &[RowError]) -> Value {
    let row = |error: &RowError| json!({ "index": error.index, "field": error.field, "rule": error.rule.as_str(), "message": error.message });
    Value::Array(errors.iter().map(row).collect())
}
