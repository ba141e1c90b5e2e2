//! Receiving: many requests at once, few commits.
//!
//! A request waits in the [`Inbox`]. One task takes all that wait and applies them in one transaction; what arrives meanwhile is
//! the next transaction's. So a request that is alone is committed at once, and the more there are, the more a commit holds. Each
//! is answered after the commit that holds it, and never before. The task goes on when whoever sent a request does not wait for
//! the answer any more: what was taken in is applied, and a repeat of it is told from its key.
//!
//! The inbox is bounded: beyond that, requests are turned away and asked to come again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Runtime;
use super::keys::Sender;
use crate::error::{Error, ErrorKind, Result};
use crate::import::{Events, Receipt, Request, receive};

/// How much memory the requests may take that wait or are being applied.
const MOST_BYTES: usize = 64 << 20;

/// How many requests may wait.
const MOST_REQUESTS: usize = 8_192;

/// How many rows a transaction holds, but for those of its last request.
const ROWS_AT_ONCE: usize = 32_768;

/// What waits to be applied.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Waits>,
    /// How much memory they take, those that are being applied included.
    bytes: usize,
    /// Whether a task is at work.
    is_tended: bool,
}

struct Waits {
    request: Request,
    answer: oneshot::Sender<Result<Receipt>>,
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.request.events.fmt(f)
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request in; whether somebody must be sent to tend the inbox.
    fn put(&self, waits: Waits) -> Result<bool> {
        let mut inbox = self.lock();
        let bytes = waits.request.events.bytes();
        // A request that is larger than the inbox is taken in when it is alone.
        let is_full = !inbox.requests.is_empty() && inbox.bytes.saturating_add(bytes) > MOST_BYTES;
        if is_full || inbox.requests.len() >= MOST_REQUESTS {
            let message = "more arrives than can be stored: try again later";
            return Err(Error::new(ErrorKind::RateLimited, message).retry_in(Duration::from_secs(1)));
        }
        inbox.bytes += bytes;
        inbox.requests.push_back(waits);
        Ok(!std::mem::replace(&mut inbox.is_tended, true))
    }

    /// The next requests to be applied together.
    fn take(&self) -> Vec<Waits> {
        let mut inbox = self.lock();
        let (mut taken, mut rows) = (Vec::new(), 0);
        while rows < ROWS_AT_ONCE
            && let Some(next) = inbox.requests.pop_front()
        {
            rows += next.request.events.len().max(1);
            taken.push(next);
        }
        inbox.is_tended = !taken.is_empty();
        taken
    }

    fn done(&self, bytes: usize) {
        let mut inbox = self.lock();
        inbox.bytes = inbox.bytes.saturating_sub(bytes);
    }
}

/// Lets another task tend the inbox if this one ends before it is empty.
struct Tends<'r>(&'r Runtime);

impl Drop for Tends<'_> {
    fn drop(&mut self) {
        let mut inbox = self.0.shared.inbox.lock();
        if std::mem::take(&mut inbox.is_tended) {
            // It ended in the middle: nobody is answered, everybody may come again.
            inbox.requests.clear();
            inbox.bytes = 0;
        }
    }
}

impl Runtime {
    /// Keeps what a sender states, and returns once it is in the store for good.
    ///
    /// It only adds: nothing is replaced and nothing is covered. A request with a known key is a repeat and is not applied again.
    /// Requests that arrive at about the same time share a commit. Dropping the future does not take a request back.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` when the sender's key has expired meanwhile, `NotFound` when the integration was deleted, `Unavailable`
    /// while it is paused, `RateLimited` when more arrives than can be stored, each of the latter two with when to try again;
    /// `DataInvalid` when not one row is good; whatever the store reports. Then nothing of the request was kept, but for an error
    /// of the store in its commit: send it again under the same key.
    pub async fn receive(&self, sender: &Sender, events: Events) -> Result<Receipt> {
        if events.is_empty() {
            return Err(Error::new(ErrorKind::DataInvalid, "not one row can be kept"));
        }
        let (answer, answered) = oneshot::channel();
        let waits = Waits { request: Request { sender: sender.clone(), events }, answer };
        if self.shared.inbox.put(waits)? {
            let runtime = self.clone();
            tokio::spawn(async move { runtime.tend_inbox().await });
        }
        let lost = || Error::new(ErrorKind::Unavailable, "the request was not answered: send it again");
        let answer = answered.await.unwrap_or_else(|_| Err(lost()));
        if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unauthenticated) {
            self.shared.keys.forget(sender.integration());
        }
        answer
    }

    async fn tend_inbox(&self) {
        let tends = Tends(self);
        loop {
            let taken = self.shared.inbox.take();
            if taken.is_empty() {
                break;
            }
            let (requests, waiting): (Vec<Request>, Vec<_>) =
                taken.into_iter().map(|waits| (waits.request, waits.answer)).unzip();
            let bytes = requests.iter().map(|request| request.events.bytes()).sum();
            let answers = match receive(&*self.store, self.clock.now(), &requests).await {
                Ok(answers) => answers,
                Err(error) => {
                    tracing::warn!(%error, "what was received could not be kept");
                    requests.iter().map(|_| Some(Err(same(&error)))).collect()
                }
            };
            let rows: u64 =
                answers.iter().flatten().flatten().filter(|kept| !kept.is_repeat).map(|kept| kept.accepted).sum();
            if rows > 0 {
                metrics::counter!("injixo_rows_received_total").increment(rows);
                metrics::counter!("injixo_receiving_commits_total").increment(1);
                self.committed();
            }
            drop(requests);
            self.shared.inbox.done(bytes);
            for (answer, waiting) in answers.into_iter().zip(waiting) {
                let unanswered = || Err(Error::new(ErrorKind::Unexpected, "the request was passed over"));
                // Whoever sent it may be gone.
                let _ = waiting.send(answer.unwrap_or_else(unanswered));
            }
        }
        // The inbox was empty, and somebody else may tend it by now.
        std::mem::forget(tends);
    }
}

/// The same error for another request.
fn same(error: &Error) -> Error {
    let again = Error::new(error.kind(), error.message());
    let again = error.context().fold(again, |again, (key, value)| again.with(key, value));
    match error.retry_after() {
        Some(delay) => again.retry_in(delay),
        None if error.is_retryable() => again,
        None => again.permanent(),
    }
}
