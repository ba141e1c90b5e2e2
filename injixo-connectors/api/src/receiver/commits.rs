//! The resource by which another store tells all that it holds: commits, with what is gone and what is covered.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use injixo_core::exchange::Taken;
use injixo_core::{Error, ErrorKind};
use serde_json::json;

use super::{Shared, drain, is_packed, unpack};
use crate::answer::{Refusal, answer};

/// How many parts are applied at once: understood, one takes several times the memory of its body.
pub(super) const AT_ONCE: usize = 2;

/// The versions of this resource, as paths name them.
const VERSIONS: [&str; 1] = ["v1"];

pub(super) async fn commits(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let is_encrypted = shared.is_encrypted(&request);
    let (head, mut body) = request.into_parts();
    let taken = async {
        if !is_encrypted {
            return Err(Refusal::not_found());
        }
        match head.method {
            Method::GET => shared.position(&head.headers).await,
            Method::POST => shared.take_part(&head.headers, &mut body).await,
            _ => {
                let message = "only GET and POST are possible here";
                Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message))
            }
        }
    };
    let refusal = match taken.await {
        Ok(response) => return response,
        Err(refusal) => refusal,
    };
    if refusal.status != StatusCode::REQUEST_TIMEOUT {
        drain(body).await;
    }
    let mut response = refusal.into_response();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

/// Answers requests to other paths, those of other versions by naming the known ones.
pub(super) async fn elsewhere(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let version =
        request.uri().path().strip_prefix("/external-systems/v").and_then(|rest| rest.strip_suffix("/commits"));
    let is_version = version.is_some_and(|version| version.parse::<u32>().is_ok());
    if !is_version || !shared.is_encrypted(&request) {
        return Refusal::not_found().into_response();
    }
    drain(request.into_body()).await;
    let message = format!("this version is not known here, only {}", VERSIONS.join(", "));
    Refusal {
        details: Some(json!({ "versions": VERSIONS })),
        ..Refusal::new(StatusCode::NOT_FOUND, "unknown_version", message)
    }
    .into_response()
}

impl Shared {
    /// Where the sender is, and how large its parts may be.
    async fn position(&self, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
        let sender = self.let_in(headers).await?;
        let position = self.receiver.runtime.position(&sender).await?;
        Ok(answer(StatusCode::OK, &json!({ "position": position, "mostBytes": self.receiver.most_part_bytes })))
    }

    async fn take_part(&self, headers: &HeaderMap, body: &mut Body) -> Result<Response<Body>, Refusal> {
        let sender = self.let_in(headers).await?;
        let is_packed = is_packed(headers)?;
        let most = self.receiver.most_part_bytes;
        let (mut bytes, mut memory) = self.read(headers, body, most).await?;
        if is_packed {
            if !memory.more(most) {
                return Err(Refusal::busy());
            }
            let lost = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the body could not be read");
            bytes = tokio::task::spawn_blocking(move || unpack(&bytes, most)).await.map_err(lost)??;
        }
        let _turn = self.parts.acquire().await.map_err(|_| Refusal::busy())?;
        let taken = self.receiver.runtime.take_part(&sender, bytes).await.map_err(refusal)?;
        drop(memory);
        tracing::debug!(integration = sender.integration(), ?taken, "a part of another store");
        match taken {
            Taken::Applied => Ok(answer(StatusCode::ACCEPTED, &json!({ "repeated": false }))),
            Taken::Repeated => Ok(answer(StatusCode::ACCEPTED, &json!({ "repeated": true }))),
            Taken::Elsewhere(position) => Err(Refusal {
                details: Some(json!({ "position": position })),
                ..Refusal::new(StatusCode::CONFLICT, "elsewhere", "the part does not follow on from the position")
            }),
            _ => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the part could not be applied")),
        }
    }
}

fn refusal(error: Error) -> Refusal {
    match error.kind() {
        ErrorKind::DataInvalid => {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_part", format!("nothing was kept: {error}"))
        }
        ErrorKind::Unsupported => Refusal {
            details: Some(json!({ "versions": VERSIONS })),
            ..Refusal::new(StatusCode::BAD_REQUEST, "unknown_version", error.message())
        },
        ErrorKind::NotFound => Refusal::new(StatusCode::NOT_FOUND, "integration_deleted", error.message()),
        _ => error.into(),
    }
}
