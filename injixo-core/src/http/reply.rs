use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use injixo_model::Timestamp;
use serde::de::DeserializeOwned;

use super::retry::retry_after;
use crate::error::{Error, ErrorKind, Result};

/// What a system answered, whole.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    at: Timestamp,
}

impl Reply {
    /// A reply that came at `at`. Names of headers are compared without case.
    pub fn new(status: u16, headers: Vec<(String, String)>, body: impl Into<Bytes>, at: Timestamp) -> Self {
        Self { status, headers, body: body.into(), at }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0.eq_ignore_ascii_case(name)).map(|header| header.1.as_str())
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// When it came.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// How long the system asks to wait, by its `Retry-After`: in seconds or until a date.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after").and_then(|value| retry_after(value, self.at))
    }

    /// The reply, if its status says that all went well.
    ///
    /// # Errors
    ///
    /// What the status says: `Unauthenticated` for 401, `PermissionDenied` for 403, `NotFound` for 404, `RateLimited` for 429,
    /// `Unavailable` for a server in trouble, else `Protocol`; with what the system said about it.
    pub fn ok(self) -> Result<Self> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.error()) }
    }

    /// The body read as JSON, if all went well.
    ///
    /// # Errors
    ///
    /// As for [`ok`](Self::ok); `Unavailable` for JSON that ends early, `Protocol` for any other that does not fit.
    pub fn json<T: DeserializeOwned>(self) -> Result<T> {
        let reply = self.ok()?;
        serde_json::from_slice(&reply.body).map_err(|error| {
            let kind = if error.is_eof() { ErrorKind::Unavailable } else { ErrorKind::Protocol };
            let message = format!("the answer is not the JSON that was expected: {}", without_values(&error));
            Error::new(kind, message)
        })
    }

    /// The error that the status stands for, with the begin of the body.
    pub fn error(&self) -> Error {
        let (kind, what) = match self.status {
            401 => (ErrorKind::Unauthenticated, "sign-in refused"),
            403 => (ErrorKind::PermissionDenied, "not permitted"),
            404 => (ErrorKind::NotFound, "not found"),
            408 => (ErrorKind::Timeout, "timed out"),
            429 => (ErrorKind::RateLimited, "asked too often"),
            500 | 502..=504 => (ErrorKind::Unavailable, "the system is in trouble"),
            _ => (ErrorKind::Protocol, "unexpected status"),
        };
        let said = excerpt(&self.body);
        let separator = if said.is_empty() { "" } else { ": " };
        let error = Error::new(kind, format!("{what} (HTTP {}){separator}{said}", self.status));
        match self.retry_after() {
            Some(after) if error.is_retryable() => error.retry_in(after),
            _ => error,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}, {} bytes", self.status, self.body.len())
    }
}

/// Where JSON was wrong, without the values that it held.
fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends early",
        serde_json::error::Category::Data => "another type or a missing field",
        _ => "broken",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// The begin of what a system said about an error: one line of printable text.
fn excerpt(body: &[u8]) -> String {
    const MOST: usize = 300;
    let text = String::from_utf8_lossy(&body[..body.len().min(MOST * 4)]);
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &'static str) -> Reply {
        let headers = headers.iter().map(|header| (header.0.to_owned(), header.1.to_owned())).collect();
        Reply::new(status, headers, body, Timestamp::from_secs(784_111_770))
    }

    #[test]
    fn a_status_says_what_to_do() {
        for (status, kind, is_retryable) in [
            (401, ErrorKind::Unauthenticated, false),
            (403, ErrorKind::PermissionDenied, false),
            (404, ErrorKind::NotFound, false),
            (429, ErrorKind::RateLimited, true),
            (500, ErrorKind::Unavailable, true),
            (503, ErrorKind::Unavailable, true),
            (400, ErrorKind::Protocol, false),
            (302, ErrorKind::Protocol, false),
        ] {
            let error = reply(status, &[], "{\"message\":\n \"no\"}").ok().unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (kind, is_retryable), "{status}");
            assert!(error.message().ends_with(&format!("(HTTP {status}): {{\"message\": \"no\"}}")), "{error}");
        }
        assert!(reply(204, &[], "").ok().is_ok());
    }

    #[test]
    fn a_system_says_how_long_to_wait_in_seconds_or_until_a_date() {
        let wait = |value: &str| reply(429, &[("Retry-After", value)], "").error().retry_after();
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(wait("soon"), None);
        // Only what may be tried again waits.
        assert_eq!(reply(400, &[("Retry-After", "7")], "").error().retry_after(), None);
    }

    #[test]
    fn json_that_ends_early_is_asked_for_again_and_no_value_is_shown() {
        let cut = reply(200, &[], "{\"name\": \"hunt").json::<serde_json::Value>().unwrap_err();
        assert!(cut.is_retryable(), "{cut}");
        let wrong =
            reply(200, &[], "{\"name\": \"hunter2\"}").json::<std::collections::HashMap<String, u8>>().unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Protocol);
        assert!(!format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
    }
}
