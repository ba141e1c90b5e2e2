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
    pub async fn send<T>(
        &self,
        cx: &Context,
        request: &Request,
        judge: impl Fn(Reply) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let mut attempts = Attempts::default();
        loop {
            let (error, signed_in) = match self.exchange(cx, request).await {
                Ok((answer, signed_in)) => match self.whole(cx, request, answer).await.and_then(&judge) {
                    Ok(judged) => return Ok(judged),
                    Err(error) => (error, signed_in),
                },
                Err(error) => (error, None),
            };
            attempts.failed(self, cx, request, error, signed_in).await?;
        }
    }

    /// Sends `request` and hands out a good answer whose body is still to come, bounded in its size like any other. A body
    /// that breaks off is not asked for again.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send) with [`Reply::ok`].
    pub async fn open(&self, cx: &Context, request: &Request) -> Result<Answer> {
        let mut attempts = Attempts::default();
        loop {
            let (error, signed_in) = match self.exchange(cx, request).await {
                Ok((answer, _)) if (200..300).contains(&answer.status) => return Ok(bounded(answer, self.most_bytes)),
                Ok((answer, signed_in)) => match self.whole(cx, request, answer).await {
                    Ok(reply) => (reply.error(), signed_in),
                    Err(error) => (error, signed_in),
                },
                Err(error) => (error, None),
            };
            attempts.failed(self, cx, request, error, signed_in).await?;
        }
    }

    /// Opens a WebSocket: messages to and fro.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send); `Protocol` when the system opens none.
    pub async fn socket(&self, cx: &Context, url: &str) -> Result<Socket> {
        let (request, key) = socket::request(url)?;
        let (request, _) = self.permitted(cx, &request).await?;
        let opened = self.in_time(&request, self.transport.upgrade(&request)).await?;
        socket::open(opened, &key, self.most_bytes).await
    }

    /// Sends a request once, in time.
    async fn exchange(&self, cx: &Context, request: &Request) -> Result<(Answer, Option<SignedIn>)> {
        let (request, signed_in) = self.permitted(cx, request).await?;
        Ok((self.in_time(&request, self.transport.send(&request)).await?, signed_in))
    }

    /// The request signed in, once there is a permit for it.
    async fn permitted(&self, cx: &Context, request: &Request) -> Result<(Request, Option<SignedIn>)> {
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
        Ok((request, signed_in))
    }

    async fn in_time<T>(&self, request: &Request, answer: impl Future<Output = Result<T>> + Send) -> Result<T> {
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

/// How often a request was tried.
#[derive(Default)]
struct Attempts {
    number: u32,
    is_renewed: bool,
}

impl Attempts {
    /// Returns when the request is to be sent again, or why it is not.
    async fn failed(
        &mut self,
        client: &HttpClient,
        cx: &Context,
        request: &Request,
        error: Error,
        signed_in: Option<SignedIn>,
    ) -> Result<()> {
        if let (Some(sign_in), Some(signed_in), false) = (&client.sign_in, &signed_in, self.is_renewed)
            && error.kind() == ErrorKind::Unauthenticated
            && sign_in.refused(signed_in).await
        {
            self.is_renewed = true;
            return Ok(());
        }
        self.number += 1;
        if let (Some(budget), Some(asked), ErrorKind::RateLimited) = (&client.budget, error.retry_after(), error.kind())
            && error.permit_at().is_none()
        {
            cx.hold_off(budget, asked.into()).await?;
        }
        let Some(wait) = client.retry.wait(self.number, &error) else {
            let error = error.with("request", request.place());
            return Err(if self.number > 1 { error.with("attempts", self.number) } else { error });
        };
        tracing::debug!(%error, ?request, attempt = self.number, ?wait, "trying again");
        cx.sleep(cx.now().after(wait.into())).await;
        Ok(())
    }
}

fn bounded(answer: Answer, most: usize) -> Answer {
    let mut held = 0;
    let body = answer.body.map(move |piece| {
        let piece = piece?;
        held += piece.len();
        if held > most { Err(too_long(most)) } else { Ok(piece) }
    });
    Answer { body: body.boxed(), ..answer }
}

fn too_long(most: usize) -> Error {
    Error::new(ErrorKind::Protocol, format!("the answer is longer than {most} bytes"))
}
