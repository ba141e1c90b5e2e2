//! Tokens by client credentials, and what is refused without one.

use std::collections::BTreeMap;

use super::{Service, lock, refused};
use crate::json;
use crate::serve::{Answer, Request, form};
use crate::time::{Ms, SECOND};

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    given: u64,
    live: BTreeMap<String, (Ms, Vec<String>)>,
}

impl Tokens {
    pub(super) fn clear(&mut self) {
        self.live.clear();
    }
}

const KNOWN_SCOPES: [&str; 10] = [
    "stats",
    "users:read",
    "users:write",
    "agents-availability:read",
    "interaction-content:read",
    "interaction-content:delete",
    "interactions:write",
    "admin:read",
    "admin:write",
    "globalpci",
];

impl Service {
    pub(super) fn token(&self, request: &Request) -> Answer {
        if request.method != "POST" {
            return refused(405, "Method Not Allowed");
        }
        if !request.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return error(400, "invalid_request", "The content type is not supported");
        }
        let asked = form(&request.body);
        let text = |name: &str| asked.get(name).map_or("", String::as_str);
        if text("grant_type") != "client_credentials" {
            return error(400, "unsupported_grant_type", "Invalid grant_type");
        }
        let in_form = (text("client_id").to_owned(), text("client_secret").to_owned());
        let (id, secret) = request.basic().unwrap_or(in_form);
        if id != self.settings.client_id || secret != self.settings.client_secret {
            return error(401, "invalid_client", "The client is not known");
        }
        let scopes: Vec<String> = text("scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() {
            return error(400, "invalid_scope", "You must specify a scope");
        }
        if let Some(unknown) = scopes.iter().find(|scope| !KNOWN_SCOPES.contains(&scope.as_str())) {
            return error(400, "invalid_scope", &format!("\"{unknown}\" is an invalid scope"));
        }
        let granted: Vec<String> = scopes.into_iter().filter(|scope| self.settings.scopes.contains(scope)).collect();
        let mut tokens = lock(&self.tokens);
        tokens.given += 1;
        let token = format!("eyJ0b2tlbiI6{:08}", tokens.given);
        tokens.live.insert(token.clone(), (request.at + self.settings.expires_in * SECOND, granted));
        let answer = [
            ("access_token", json::text(&token)),
            ("expires_in", self.settings.expires_in.to_string()),
            ("token_type", json::text(&self.settings.token_type)),
        ];
        Answer::json(200, json::object(&answer))
    }

    /// Refuses a request without a token, with a bad one, and with one that is not for this.
    pub(super) fn pass_token(&self, request: &Request, scope: &str) -> Result<(), Answer> {
        let given = request.header("authorization");
        let Some((_, token)) = given.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")) else {
            return Err(bad_token("The access token is missing", "invalid_request"));
        };
        let tokens = lock(&self.tokens);
        match tokens.live.get(token.trim()).filter(|(ends, _)| request.at < *ends) {
            None => Err(bad_token("The access token is invalid or has expired", "invalid_token")),
            Some((_, scopes)) if scopes.iter().any(|granted| granted == scope) => Ok(()),
            Some(_) => Err(refused(401, "Unauthorized")),
        }
    }
}

fn error(status: u16, error: &str, description: &str) -> Answer {
    let fields = [("error", json::text(error)), ("error_description", json::text(description))];
    Answer::json(status, json::object(&fields))
}

fn bad_token(description: &str, error: &str) -> Answer {
    let fields = [("error_description", json::text(description)), ("error", json::text(error))];
    Answer::json(401, json::object(&fields))
}
