use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::StreamExt;

use super::sign_in::SignedIn;
use super::transport::Network;
use super::{Answer, HttpSettings, Reply, Request, Retry, SignIn, Socket, Transport, socket};
use crate::connector::{Budget, Context};
use crate::error::{Error, ErrorKind, Result};

/// Asks one system. Cheap to clone; clones share connections and sign-in.
#[derive(Debug, Clone)]
pub struct HttpClient {
    transport: Arc<dyn Transport>,
    sign_in: Option<SignIn>,
    retry: Retry,
    budget: Option<Budget>,
    most_bytes: usize,
    request_time: Duration,
}

/// The longest reply unless set otherwise.
const MOST_BYTES: usize = 64 << 20;

impl HttpClient {
    /// A client over the network: TLS, with the authorities of the machine and those of the settings.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for settings that cannot work.
    pub fn new(settings: &HttpSettings) -> Result<Self> {
        if settings.request_secs == 0 {
            return Err(Error::new(ErrorKind::ConfigInvalid, "http.request_secs: expected a second at least"));
        }
        let client = Self::over(Arc::new(Network::new(settings)?));
        Ok(Self { request_time: Duration::from_secs(settings.request_secs), ..client })
    }

    /// A client over another transport.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        let request_time = Duration::from_secs(HttpSettings::default().request_secs);
        let retry = Retry::default();
        Self { transport, sign_in: None, retry, budget: None, most_bytes: MOST_BYTES, request_time }
    }

    /// The same, signing its requests in.
    #[must_use]
    pub fn sign_in(mut self, sign_in: SignIn) -> Self {
        self.sign_in = Some(sign_in);
        self
    }

    /// The same with requests that each take a permit of a budget.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The same, trying again in another way.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same for replies of at most so many bytes, decompressed; 64 MiB unless set.
    #[must_use]
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    pub(super) fn signed_out(mut self) -> Self {
        self.sign_in = None;
        self
    }

    /// Sends `request` and lets `judge` make something of the reply, such as [`Reply::ok`] or [`Reply::json`]. What it judges
    /// worth trying again is tried again.
    ///
    /// # Errors
    ///
    /// The last error of `judge`, or why there was no reply; see [`Context::permit`] for when the budget is used up.
    pub async fn send<T>(&self, cx: &Context, request: &Request, judge: impl Fn(Reply) -> Result<T>) -> Result<T> {
        let whole = async |answer: Answer| judge(self.whole(cx, request, answer).await?);
        self.attempts(cx, request, whole).await
    }

    /// Sends `request` and hands out a good answer whose body is still to come, bounded in its size like any other. A body
    /// that breaks off is not asked for again.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send) with [`Reply::ok`].
    pub async fn open(&self, cx: &Context, request: &Request) -> Result<Answer> {
        let head = async |answer: Answer| {
            if !(200..300).contains(&answer.status) {
                return Err(self.whole(cx, request, answer).await?.error());
            }
            let (most, mut held) = (self.most_bytes, 0);
            let bounded = answer.body.map(move |piece| {
                let piece = piece?;
                held += piece.len();
                if held > most { Err(too_long(most)) } else { Ok(piece) }
            });
            Ok(Answer { body: bounded.boxed(), ..answer })
        };
        self.attempts(cx, request, head).await
    }

    /// Opens a WebSocket: messages to and fro.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send); `Protocol` when the system opens none.
    pub async fn socket(&self, cx: &Context, url: &str) -> Result<Socket> {
        let (request, key) = socket::request(url)?;
        let transport = &self.transport;
        let opened = self.signed(cx, &request, async |request| transport.upgrade(request).await).await?;
        socket::open(opened.0, &key, self.most_bytes).await
    }

    async fn attempts<T>(
        &self,
        cx: &Context,
        request: &Request,
        judge: impl AsyncFn(Answer) -> Result<T>,
    ) -> Result<T> {
        let (mut attempt, mut is_renewed) = (0, false);
        loop {
            attempt += 1;
            let (error, signed_in) =
                match self.signed(cx, request, async |request| self.transport.send(request).await).await {
                    Ok((answer, signed_in)) => match judge(answer).await {
                        Ok(judged) => return Ok(judged),
                        Err(error) => (error, signed_in),
                    },
                    Err(error) => (error, None),
                };
            if let (Some(sign_in), Some(signed_in), false) = (&self.sign_in, &signed_in, is_renewed)
                && error.kind() == ErrorKind::Unauthenticated
                && sign_in.refused(signed_in).await
            {
                is_renewed = true;
                attempt -= 1;
                continue;
            }
            if let (Some(budget), Some(asked), ErrorKind::RateLimited) =
                (&self.budget, error.retry_after(), error.kind())
                && error.permit_at().is_none()
            {
                cx.hold_off(budget, asked.into()).await?;
            }
            let Some(wait) = self.retry.wait(attempt, &error) else {
                let error = error.with("request", request.place());
                return Err(if attempt > 1 { error.with("attempts", attempt) } else { error });
            };
            tracing::debug!(%error, ?request, attempt, ?wait, "trying again");
            cx.sleep(cx.now().after(wait.into())).await;
        }
    }

    /// Sends a request once: permitted, signed in, in time.
    async fn signed<T>(
        &self,
        cx: &Context,
        request: &Request,
        send: impl AsyncFn(&Request) -> Result<T>,
    ) -> Result<(T, Option<SignedIn>)> {
        let mut request = request.clone();
        let mut signed_in = None;
        if let Some(sign_in) = &self.sign_in {
            let with = sign_in.signed_in(self, cx).await?;
            request = request.header("authorization", with.header.expose());
            signed_in = Some(with);
        }
        if let Some(budget) = &self.budget {
            cx.permit(budget, 1).await?;
        }
        Ok((self.in_time(&request, send(&request)).await?, signed_in))
    }

    async fn in_time<T>(&self, request: &Request, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let time = self.request_time + request.waits;
        match tokio::time::timeout(time, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("no answer within {} s", time.as_secs()))),
        }
    }

    async fn whole(&self, cx: &Context, request: &Request, answer: Answer) -> Result<Reply> {
        let Answer { status, headers, mut body } = answer;
        let read = async {
            let mut bytes = BytesMut::new();
            while let Some(piece) = body.next().await {
                let piece = piece?;
                if bytes.len() + piece.len() > self.most_bytes {
                    return Err(too_long(self.most_bytes));
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes.freeze())
        };
        let body = self.in_time(request, read).await?;
        Ok(Reply::new(status, headers, body, cx.now()))
    }
}

fn too_long(most: usize) -> Error {
    Error::new(ErrorKind::Protocol, format!("the answer is longer than {most} bytes"))
}
