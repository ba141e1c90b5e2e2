use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// What is asked of a system.
#[derive(Clone)]
pub struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// How long the system may take beyond the time that every request has.
    pub(super) waits: Duration,
}

impl Request {
    /// A request with that method; most are made by [`get`](Self::get) and [`post`](Self::post).
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Bytes::new(), waits: Duration::ZERO }
    }

    /// Reads `url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Posts to `url`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// The same with `name=value` added to the query of the address, encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        self.url.push(separator);
        encode(&mut self.url, name);
        self.url.push('=');
        encode(&mut self.url, &value.to_string());
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a body of that type.
    #[must_use]
    pub fn body(self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("content-type", content_type);
        request.body = body.into();
        request
    }

    /// The same with a body in JSON.
    ///
    /// # Errors
    ///
    /// `Unexpected` for a value that JSON cannot express.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let body = serde_json::to_vec(value);
        let body =
            body.map_err(|error| Error::new(ErrorKind::Unexpected, "not expressible in JSON").caused_by(error))?;
        Ok(self.body("application/json", body))
    }

    /// The same with the fields of a form as its body.
    #[must_use]
    pub fn form<'f>(self, fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        let mut body = String::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push('&');
            }
            encode(&mut body, name);
            body.push('=');
            encode(&mut body, value);
        }
        self.body("application/x-www-form-urlencoded", body)
    }

    /// The same for a request that the system may hold for so long before it answers.
    #[must_use]
    pub fn waits(mut self, length: Duration) -> Self {
        self.waits = length;
        self
    }

    /// The method.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The address, its query included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|header| (header.0, header.1.as_str()))
    }

    /// The body, empty if there is none.
    pub fn content(&self) -> &Bytes {
        &self.body
    }

    /// The address without its query and without a user, in which keys may stand.
    pub(super) fn place(&self) -> String {
        let place = self.url.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
        let host = rest.find('/').unwrap_or(rest.len());
        let from = rest[..host].rfind('@').map_or(0, |at| at + 1);
        format!("{scheme}://{}", &rest[from..])
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.place())
    }
}

/// Everything but what an address holds as it is, byte by byte.
fn encode(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_any_text() {
        let request = Request::get("https://example.com/a").query("queues", "Übung, a&b=c+d").query("page", 2);
        assert_eq!(request.url, "https://example.com/a?queues=%C3%9Cbung%2C%20a%26b%3Dc%2Bd&page=2");
        let request = Request::post("https://example.com/token").form([("id", "a b"), ("secret", "p%&")]);
        assert_eq!(&request.body[..], b"id=a%20b&secret=p%25%26");
    }

    #[test]
    fn nothing_prints_what_a_query_or_a_body_holds() {
        let request = Request::post("https://example.com/a?key=hunter2").header("authorization", "hunter2");
        let request = request.body("text/plain", "hunter2");
        assert_eq!(format!("{request:?}"), "POST https://example.com/a");
        let request = Request::get("https://amy:hunter2@example.com/@a#hunter2");
        assert_eq!(format!("{request:?}"), "GET https://example.com/@a");
    }
}
