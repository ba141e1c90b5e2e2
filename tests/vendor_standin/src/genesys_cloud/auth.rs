//! Tokens by client credentials, what is refused without one, and how many requests one is good for.
//!
//! Requests are counted per token, by minutes that begin with a token's first request.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use super::shape::Object;
use super::{Service, lock};
use crate::serve::{Answer, Request, form};
use crate::time::{MINUTE, Ms, SECOND};

#[derive(Debug)]
struct Token {
    ends: Ms,
    minute: Ms,
    count: usize,
}

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    given: u64,
    live: BTreeMap<String, Token>,
}

impl Tokens {
    pub(super) fn clear(&mut self) {
        self.live.clear();
    }

    pub(super) fn is_live(&self, token: &str, now: Ms) -> bool {
        self.live.get(token).is_some_and(|token| now < token.ends)
    }
}

/// How far a token's limit is used up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) count: usize,
    pub(super) allowed: usize,
    /// Seconds until the count begins again.
    pub(super) reset: i64,
}

impl Service {
    pub(super) fn token(&self, request: &Request) -> Answer {
        if request.method != "POST" {
            return error(405, "invalid_request", "method not allowed");
        }
        if !request.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return error(400, "invalid_request", "the content type is not supported");
        }
        if form(&request.body).get("grant_type").map(String::as_str) != Some("client_credentials") {
            return error(400, "unsupported_grant_type", "grant type is not supported");
        }
        match request.basic() {
            None => return error(400, "invalid_request", "client credentials are missing"),
            Some((id, _)) if id != self.settings.client_id => {
                return error(400, "invalid_client", "client not found or invalid client");
            }
            Some((_, secret)) if secret != self.settings.client_secret => {
                return error(self.settings.wrong_secret_status, "invalid_client", "authentication failed");
            }
            Some(_) => {}
        }
        let mut tokens = lock(&self.tokens);
        tokens.given += 1;
        let token = format!("{:08}-Xq3vT0kEn_{:x}", tokens.given, request.at);
        let ends = request.at + self.settings.expires_in * SECOND;
        tokens.live.insert(token.clone(), Token { ends, minute: Ms::MIN, count: 0 });
        let answer = Object::new().text("access_token", &token).text("token_type", "bearer");
        Answer::json(200, answer.number("expires_in", self.settings.expires_in).done())
    }

    /// The token of a request, if it is good, and counts the request.
    pub(super) fn pass_token(&self, request: &Request) -> Result<(String, Rate), Refusal> {
        let given = request.header("authorization").split_once(' ');
        let Some((_, token)) = given.filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")) else {
            let message = "No authentication bearer token specified in authorization header.";
            return Err(Refusal::new(401, "authentication.required", message));
        };
        let mut tokens = lock(&self.tokens);
        let known = tokens.live.get_mut(token.trim()).filter(|token| request.at < token.ends);
        let known = known.ok_or_else(|| Refusal::new(401, "bad.credentials", "Invalid login credentials."))?;
        if known.count == 0 || request.at >= known.minute + MINUTE {
            (known.minute, known.count) = (request.at, 0);
        }
        known.count += 1;
        let left = known.minute + MINUTE - request.at;
        let allowed = self.settings.requests_a_minute;
        let rate = Rate { count: known.count, allowed, reset: (left + SECOND - 1) / SECOND };
        Ok((token.trim().to_owned(), rate))
    }

    pub(super) fn pass_permission(&self, permission: &str) -> Result<(), Refusal> {
        if self.settings.denied.contains(permission) { Err(Refusal::denied(permission)) } else { Ok(()) }
    }
}

fn error(status: u16, error: &str, description: &str) -> Answer {
    let object = Object::new().text("error", error).text("description", description);
    Answer::json(status, object.text("error_description", description).done())
}
