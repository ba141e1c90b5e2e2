//! What an answer of Genesys Cloud means.

use std::time::Duration;

use injixo_core::http::Reply;
use injixo_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ErrorBody {
    message: String,
    code: String,
    message_params: MessageParams,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct MessageParams {
    permissions: String,
}

/// The answer as JSON, or what is wrong and what to do about it.
pub(super) fn judged<T: DeserializeOwned>(reply: Reply) -> Result<T> {
    if (200..300).contains(&reply.status()) {
        return reply.json();
    }
    let body: ErrorBody = serde_json::from_slice(reply.body()).unwrap_or_default();
    let plain = reply.error();
    let (kind, advice) = match reply.status() {
        403 => (ErrorKind::PermissionDenied, "the OAuth client lacks a right: grant it to one of its roles"),
        _ => (plain.kind(), plain.message()),
    };
    let mut error = match kind {
        ErrorKind::PermissionDenied if !body.message_params.permissions.is_empty() => {
            Error::new(kind, format!("{advice}: {}", body.message_params.permissions))
        }
        ErrorKind::PermissionDenied => Error::new(kind, format!("{advice}: {}", body.message)),
        _ => Error::new(kind, advice),
    };
    // Some answers that say "too often" tell only when the count starts anew.
    let reset = reply.header("inin-ratelimit-reset").and_then(|secs| secs.trim().parse().ok()).map(Duration::from_secs);
    if let (true, Some(wait)) = (error.is_retryable(), reply.retry_after().or(reset)) {
        error = error.retry_in(wait);
    }
    if !body.code.is_empty() {
        error = error.with("code", body.code);
    }
    match reply.header("inin-correlation-id") {
        Some(id) => Err(error.with("correlation id", id)),
        None => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use injixo_core::model::Timestamp;

    use super::*;

    fn error(status: u16, headers: &[(&str, &str)], body: &'static str) -> Error {
        let headers = headers.iter().map(|header| (header.0.to_owned(), header.1.to_owned())).collect();
        judged::<serde_json::Value>(Reply::new(status, headers, body, Timestamp::MIN)).unwrap_err()
    }

    #[test]
    fn errors_say_what_to_do_and_how_to_find_them() {
        let lacking = error(
            403,
            &[("ININ-Correlation-Id", "abc-1")],
            r#"{"message":"Unable to perform","code":"missing.any.permissions","messageParams":{"permissions":"[analytics:userDetail:view]"}}"#,
        );
        assert_eq!(lacking.kind(), ErrorKind::PermissionDenied);
        let text = lacking.to_string();
        for part in ["analytics:userDetail:view", "missing.any.permissions", "correlation id: abc-1"] {
            assert!(text.contains(part), "{text}");
        }
        let limited = error(429, &[("inin-ratelimit-reset", "17")], r#"{"code":"too.many.requests.retry.after"}"#);
        assert_eq!((limited.kind(), limited.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(17))));
        let limited = error(429, &[("Retry-After", "3"), ("inin-ratelimit-reset", "17")], "");
        assert_eq!(limited.retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(error(401, &[], "{}").kind(), ErrorKind::Unauthenticated);
    }
}
