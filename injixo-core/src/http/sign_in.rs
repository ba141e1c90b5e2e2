use std::fmt;
use std::sync::Arc;

use injixo_model::{Millis, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{HttpClient, Reply, Request};
use crate::connector::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// How a client signs in. Copies share what they have signed in with.
#[derive(Clone)]
pub struct SignIn(Arc<How>);

enum How {
    /// The same header with every request.
    Fixed(Secret),
    Tokens(Tokens),
}

/// Tokens for a client's id and secret, by the grant *client credentials* of OAuth 2.
struct Tokens {
    url: String,
    id: String,
    secret: Secret,
    scope: Option<String>,
    is_basic: bool,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// How many tokens there were: tells whether somebody else has renewed it meanwhile.
    number: u64,
}

#[derive(Clone)]
struct Token {
    header: Secret,
    renewed_from: Timestamp,
    ends: Timestamp,
}

/// With what a request was signed in.
pub(super) struct SignedIn {
    pub(super) header: Secret,
    number: u64,
}

impl SignIn {
    /// With a user's name and password.
    pub fn basic(user: &str, password: &Secret) -> Self {
        Self(Arc::new(How::Fixed(basic(user, password))))
    }

    /// With a key.
    pub fn bearer(key: &Secret) -> Self {
        Self(Arc::new(How::Fixed(Secret::new(format!("Bearer {}", key.expose())))))
    }

    /// With tokens from `url` for a client's id and secret, sent as a form. A token is renewed when nine tenths of its life are
    /// over, and once when the system refuses it; many waiting requests cause one renewal.
    pub fn client_credentials(url: impl Into<String>, id: impl Into<String>, secret: &Secret) -> Self {
        Self(Arc::new(How::Tokens(Tokens {
            url: url.into(),
            id: id.into(),
            secret: secret.clone(),
            scope: None,
            is_basic: false,
            held: Mutex::default(),
        })))
    }

    /// The same, asking for a scope.
    #[must_use]
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.changed(|tokens| tokens.scope = Some(scope.into()))
    }

    /// The same with id and secret in a header instead of the form.
    #[must_use]
    pub fn by_header(self) -> Self {
        self.changed(|tokens| tokens.is_basic = true)
    }

    fn changed(mut self, change: impl FnOnce(&mut Tokens)) -> Self {
        if let Some(How::Tokens(tokens)) = Arc::get_mut(&mut self.0) {
            change(tokens);
        }
        self
    }

    /// What to sign a request in with.
    pub(super) async fn signed_in(&self, client: &HttpClient, cx: &Context) -> Result<SignedIn> {
        let tokens = match &*self.0 {
            How::Fixed(header) => return Ok(SignedIn { header: header.clone(), number: 0 }),
            How::Tokens(tokens) => tokens,
        };
        // Whoever waits here finds the token that the first one fetches.
        let mut held = tokens.held.lock().await;
        let now = cx.now();
        if let Some(token) = &held.token
            && now < token.renewed_from
        {
            return Ok(SignedIn { header: token.header.clone(), number: held.number });
        }
        match tokens.fetch(client, cx).await {
            Ok(token) => {
                held.number += 1;
                held.token = Some(token.clone());
                Ok(SignedIn { header: token.header, number: held.number })
            }
            Err(error) => match &held.token {
                // Not renewed, but not over either.
                Some(token) if error.is_retryable() && now < token.ends => {
                    Ok(SignedIn { header: token.header.clone(), number: held.number })
                }
                _ => Err(error),
            },
        }
    }

    /// The system refused this; returns whether another may help.
    pub(super) async fn refused(&self, signed_in: &SignedIn) -> bool {
        let How::Tokens(tokens) = &*self.0 else { return false };
        let mut held = tokens.held.lock().await;
        if held.number == signed_in.number {
            held.token = None;
        }
        true
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            How::Fixed(_) => f.write_str("SignIn"),
            How::Tokens(tokens) => write!(f, "SignIn at {}", tokens.url),
        }
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<f64>,
}

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// How long a token is used that does not say how long it lives.
const UNKNOWN_LIFE: Millis = Millis::from_mins(5);

impl Tokens {
    async fn fetch(&self, client: &HttpClient, cx: &Context) -> Result<Token> {
        let mut fields = vec![("grant_type", "client_credentials")];
        if !self.is_basic {
            fields.extend([("client_id", self.id.as_str()), ("client_secret", self.secret.expose())]);
        }
        fields.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let mut request = Request::post(&self.url).form(fields);
        if self.is_basic {
            request = request.header("authorization", basic(&self.id, &self.secret).expose());
        }
        let asked = cx.now();
        let client = client.clone().signed_out();
        // A client signs in by means of itself.
        let granted = Box::pin(client.send(cx, &request, granted)).await?;
        #[expect(clippy::cast_possible_truncation, reason = "clamped")]
        let life = granted
            .expires_in
            .filter(|secs| *secs > 0.0)
            .map_or(UNKNOWN_LIFE, |secs| Millis::new((secs * 1_000.0).clamp(1.0, 1e11) as i64));
        let header = Secret::new(format!("Bearer {}", granted.access_token));
        let renewed_from = asked.after(Millis::new(life.get() / 10 * 9));
        Ok(Token { header, renewed_from, ends: asked.after(life) })
    }
}

fn granted(reply: Reply) -> Result<Granted> {
    if !matches!(reply.status(), 400 | 401 | 403) {
        return reply.json();
    }
    let said: Refused = serde_json::from_slice(reply.body()).unwrap_or_default();
    let (kind, what) = match said.error.as_str() {
        "invalid_scope" => (ErrorKind::PermissionDenied, "the client may not have the scope that is needed"),
        "unsupported_grant_type" => (ErrorKind::Protocol, "the system gives no tokens for client credentials"),
        _ => (ErrorKind::Unauthenticated, "sign-in refused: check the client's id and secret"),
    };
    let told = [&said.error, &said.error_description].map(String::as_str).join(" ");
    Err(Error::new(kind, format!("{what} (HTTP {}): {}", reply.status(), told.trim())))
}

fn basic(user: &str, password: &Secret) -> Secret {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let both = format!("{user}:{}", password.expose());
    let mut header = String::from("Basic ");
    for group in both.as_bytes().chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index)) as usize & 63];
            header.push(if index <= group.len() { char::from(letter) } else { '=' });
        }
    }
    Secret::new(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_encoded() {
        let header = |user: &str, password: &str| basic(user, &Secret::new(password)).expose().to_owned();
        // The example of RFC 7617, and two by Python's base64.
        assert_eq!(header("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(header("wfm", "secret"), "Basic d2ZtOnNlY3JldA==");
        assert_eq!(header("ü", "§"), "Basic w7w6wqc=");
        assert_eq!(header("a", "bcd"), "Basic YTpiY2Q=");
        assert_eq!(header("a", "b"), "Basic YTpi");
    }

    #[test]
    fn a_sign_in_prints_no_secret() {
        let sign_in = SignIn::client_credentials("https://example.com/token", "id", &Secret::new("hunter2"));
        assert_eq!(format!("{sign_in:?}"), "SignIn at https://example.com/token");
        assert_eq!(format!("{:?}", SignIn::bearer(&Secret::new("hunter2"))), "SignIn");
    }
}
