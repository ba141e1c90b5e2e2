//! How requests are refused: the vendor's `ErrorBody`.

use super::shape::Object;
use crate::json;
use crate::serve::Answer;

/// A refusal before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The permissions that are missing.
    pub(super) permissions: Vec<String>,
    /// The limit that was passed: its key and its value.
    pub(super) limit: Option<(&'static str, usize)>,
    /// After how many seconds to come again.
    pub(super) retry_after: Option<i64>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), permissions: Vec::new(), limit: None, retry_after: None }
    }

    pub(super) fn bad(message: String) -> Self {
        Self::new(400, "bad.request", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "not.found", "The requested resource was not found.")
    }

    pub(super) fn denied(permission: &str) -> Self {
        let message = format!(
            "Unable to perform the requested action. You are missing the following permission(s): {permission}"
        );
        Self { permissions: vec![permission.to_owned()], ..Self::new(403, "missing.permissions", message) }
    }

    pub(super) fn too_many(retry_after: i64) -> Self {
        let message = format!("Rate limit exceeded the maximum. Retry the request in [{retry_after}] seconds");
        Self { retry_after: Some(retry_after), ..Self::new(429, "too.many.requests.retry.after", message) }
    }

    /// The answer, whose correlation id is also the context.
    pub(super) fn answer(&self, context: &str) -> Answer {
        let mut body = Object::new()
            .text("message", &self.message)
            .text("code", self.code)
            .number("status", self.status)
            .text("contextId", context);
        if !self.permissions.is_empty() {
            let all = self.permissions.join(", ");
            let params = Object::new().text("permissions", &all).done();
            let pattern = "Unable to perform the requested action. You are missing the following permission(s): \
                           {permissions}";
            body = body.text("messageWithParams", pattern).raw("messageParams", params);
            body = body.list("missingPermissions", self.permissions.iter().map(|name| json::text(name)));
        }
        if let Some((key, value)) = self.limit {
            body = body.raw("limit", Object::new().text("key", key).number("value", value).done());
        }
        let body = body.list("details", []).list("errors", []).done();
        let mut answer = Answer::new(self.status, "application/json", body);
        if let Some(seconds) = self.retry_after {
            answer.headers.push(("retry-after", seconds.to_string()));
        }
        answer
    }
}
