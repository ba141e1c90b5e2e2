//! What an answer of Vonage means.

use injixo_core::http::Reply;
use injixo_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize, Default)]
struct Said {
    #[serde(default)]
    message: String,
}

/// The answer as JSON, or what is wrong and what to do about it.
pub(crate) fn judged<T: DeserializeOwned>(reply: Reply) -> Result<T> {
    let said: Said = match reply.status() {
        401 | 403 => serde_json::from_slice(reply.body()).unwrap_or_default(),
        _ => return reply.json(),
    };
    match (reply.status(), said.message.as_str()) {
        // The token is good: another one would lack the scope as well.
        (401, "Unauthorized") => {
            let message = "the client lacks the scope stats: grant it in the administration of Vonage";
            Err(Error::new(ErrorKind::PermissionDenied, message))
        }
        _ => reply.json(),
    }
}

#[cfg(test)]
mod tests {
    use injixo_core::model::Timestamp;

    use super::*;

    #[test]
    fn three_kinds_of_401() {
        let kind = |body: &'static str| {
            let reply = Reply::new(401, Vec::new(), body, Timestamp::MIN);
            judged::<serde_json::Value>(reply).unwrap_err().kind()
        };
        let missing = r#"{"error_description":"The access token is missing","error":"invalid_request"}"#;
        let ended = r#"{"error_description":"The access token is invalid or has expired","error":"invalid_token"}"#;
        assert_eq!(kind(missing), ErrorKind::Unauthenticated);
        assert_eq!(kind(ended), ErrorKind::Unauthenticated);
        assert_eq!(kind(r#"{"message":"Unauthorized"}"#), ErrorKind::PermissionDenied);
        assert_eq!(kind("<html>"), ErrorKind::Unauthenticated);
    }
}
