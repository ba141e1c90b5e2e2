//! A line in process that loses requests and answers, repeats them at once or much later, and a receiver in trouble.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use futures::StreamExt;
use injixo_core::http::{Answer, Connection, Request, Transport};
use injixo_core::{Error, ErrorKind, Result};
use tower::ServiceExt;

use crate::clock::Random;

/// Called after each request that reached the receiver.
pub(crate) type Look = Arc<dyn Fn() -> futures::future::BoxFuture<'static, ()> + Send + Sync>;

pub(crate) struct Wire {
    pub(crate) app: Mutex<Router>,
    pub(crate) random: Mutex<Random>,
    pub(crate) look: Look,
    pub(crate) is_calm: AtomicBool,
    pub(crate) reached: AtomicU64,
    late: Mutex<Vec<Request>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(crate) fn new(app: Router, seed: u64, look: Look) -> Arc<Self> {
        Arc::new(Self {
            app: Mutex::new(app),
            random: Mutex::new(Random(seed)),
            look,
            is_calm: AtomicBool::new(false),
            reached: AtomicU64::new(0),
            late: Mutex::default(),
        })
    }

    async fn deliver(&self, request: &Request) -> Answer {
        let mut head = axum::http::Request::builder().method(request.method()).uri(request.url());
        for (name, value) in request.headers() {
            head = head.header(name, value);
        }
        let app = self.app.lock().unwrap().clone();
        let response = app.oneshot(head.body(Body::from(request.content().clone())).unwrap()).await.unwrap();
        self.reached.fetch_add(1, Ordering::SeqCst);
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        (self.look)().await;
        answer(
            head.status.as_u16(),
            head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned())),
            body,
        )
    }
}

fn answer(status: u16, headers: impl Iterator<Item = (String, String)>, body: impl Into<bytes::Bytes>) -> Answer {
    let body = body.into();
    Answer { status, headers: headers.collect(), body: futures::stream::once(async move { Ok(body) }).boxed() }
}

fn lost() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection was lost")
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: &Request) -> Result<Answer> {
        if self.is_calm.load(Ordering::SeqCst) {
            return Ok(self.deliver(request).await);
        }
        let dice = self.random.lock().unwrap().below(100);
        match dice {
            // Lost on the way there, and on the way back.
            0..10 => Err(lost()),
            10..20 => {
                self.deliver(request).await;
                Err(lost())
            }
            // Answered twice: the second answer is the one that arrives.
            20..28 => {
                self.deliver(request).await;
                Ok(self.deliver(request).await)
            }
            // Arrives again much later.
            28..36 => {
                self.late.lock().unwrap().push(request.clone());
                Ok(self.deliver(request).await)
            }
            36..46 => {
                let late = {
                    let mut late = self.late.lock().unwrap();
                    let chosen = self.random.lock().unwrap().below(i64::try_from(late.len()).unwrap().max(1));
                    let chosen = usize::try_from(chosen).unwrap();
                    if chosen < late.len() { Some(late.swap_remove(chosen)) } else { None }
                };
                if let Some(late) = late {
                    self.deliver(&late).await;
                }
                Ok(self.deliver(request).await)
            }
            46..50 => Ok(answer(500, std::iter::empty(), "oh")),
            50..54 => Ok(answer(502, std::iter::empty(), "<html>")),
            54..58 => Ok(answer(503, [("retry-after".to_owned(), "1".to_owned())].into_iter(), "{}")),
            58..62 => Ok(answer(429, [("Retry-After".to_owned(), "2".to_owned())].into_iter(), "{}")),
            _ => Ok(self.deliver(request).await),
        }
    }

    async fn upgrade(&self, _: &Request) -> Result<(Answer, Connection)> {
        Err(lost())
    }
}
