//! One request after another over a line that may fail, and when to try again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use injixo_core::http::{Reply, Request};
use injixo_core::{Error, ErrorKind};
use serde_json::Value;

use super::{ApiSender, SendPhase};

/// What a request came to.
#[derive(Debug)]
pub(super) enum Said {
    /// The receiver took it.
    Done(Value),
    /// It does not follow on from where the receiver is.
    Elsewhere,
    /// It is too large.
    TooLarge(Error),
    /// The rows are bad, every one.
    BadRows(Value),
    /// It may be sent again, after that time if the receiver says so.
    Later(Error),
    /// Somebody has to look after it.
    Blocked(Error),
}

/// The line to a receiver.
pub(super) struct Line<'s> {
    pub(super) sender: &'s ApiSender,
    /// How often it failed since it went well.
    failures: u32,
}

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// However long a receiver wants to be left alone, it is asked again after that.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

impl<'s> Line<'s> {
    pub(super) const fn new(sender: &'s ApiSender) -> Self {
        Self { sender, failures: 0 }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/external-systems{path}", self.sender.target.url)
    }

    /// Sends a request once.
    pub(super) async fn ask(&mut self, request: &Request) -> Said {
        let said = match self.sender.client.send(&self.sender.cx, request, judged).await {
            Ok(said) => said,
            Err(error) if error.is_retryable() || error.kind() == ErrorKind::Protocol => Said::Later(error),
            Err(error) => Said::Blocked(error),
        };
        if !matches!(said, Said::Later(_)) {
            self.failures = 0;
        }
        if matches!(said, Said::Done(_)) {
            self.sender.shared.state.send_modify(|state| state.error = None);
        }
        said
    }

    /// Waits until something that failed is worth trying again.
    pub(super) async fn wait(&mut self, error: &Error) {
        let wait = match error.retry_after() {
            Some(asked) => {
                let asked = asked.min(LONGEST_ASKED);
                asked + random_part(asked / 10)
            }
            None => {
                let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
                wait / 2 + random_part(wait / 2)
            }
        };
        self.failures = self.failures.saturating_add(1);
        let until = self.sender.cx.now().after(wait.into());
        tracing::debug!(%error, %until, "sending again later");
        self.tell(SendPhase::Waits(until), Some(error));
        tokio::select! {
            () = self.sender.cx.sleep(until) => {}
            () = self.sender.shared.again.notified() => {}
        }
    }

    /// Waits until somebody has looked after it.
    pub(super) async fn block(&mut self, error: &Error) {
        tracing::error!(%error, "sending waits for somebody to look after it");
        let again = self.sender.shared.again.notified();
        self.tell(SendPhase::Blocked, Some(error));
        again.await;
        self.failures = 0;
        self.tell(SendPhase::Begins, None);
    }

    pub(super) fn tell(&self, phase: SendPhase, error: Option<&Error>) {
        self.sender.shared.state.send_if_modified(|state| {
            let error = error.map(ToString::to_string).or_else(|| state.error.clone());
            let is_changed = state.phase != phase || state.error != error;
            (state.phase, state.error) = (phase, error);
            is_changed
        });
    }

    /// Notes that something was sent.
    pub(super) fn sent(&self, revision: Option<u64>) {
        self.sender.shared.state.send_modify(|state| {
            state.revision = revision.or(state.revision);
            state.batches += 1;
        });
    }
}

/// A body, packed.
pub(super) fn packed(body: &[u8]) -> Bytes {
    let mut packed = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Memory takes all that is written.
    let done = packed.write_all(body).and_then(|()| packed.finish());
    done.unwrap_or_default().into()
}

/// What a reply means.
fn judged(reply: Reply) -> injixo_core::Result<Said> {
    let code = |reply: &Reply| {
        let said: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
        said["error"].as_str().unwrap_or_default().to_owned()
    };
    Ok(match reply.status() {
        200..300 => Said::Done(reply.json()?),
        409 if code(&reply) == "elsewhere" => Said::Elsewhere,
        413 => Said::TooLarge(reply.error()),
        422 if code(&reply) == "invalid_rows" => {
            Said::BadRows(serde_json::from_slice(reply.body()).unwrap_or_default())
        }
        // The body broke off on its way.
        400 if code(&reply) == "incomplete" => Said::Later(Error::new(ErrorKind::Unavailable, "the request broke off")),
        408 | 425 | 429 | 500..600 => {
            let error = reply.error();
            Said::Later(if error.is_retryable() { error } else { Error::new(ErrorKind::Unavailable, error.message()) })
        }
        _ => Said::Blocked(reply.error()),
    })
}

/// A random time up to `most`, so that many who failed together do not come again together.
fn random_part(most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() >> 32;
    most.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use injixo_core::model::Timestamp;

    use super::*;

    fn said(status: u16, body: &'static str) -> String {
        let reply = Reply::new(status, Vec::new(), body, Timestamp::MIN);
        let said = format!("{:?}", judged(reply));
        said.trim_start_matches("Ok(").split(['(', ')']).next().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_reply_says_what_to_do() {
        for (status, body, expected) in [
            (200, "{}", "Done"),
            (202, "{\"repeated\": true}", "Done"),
            (400, "{\"error\": \"invalid_body\"}", "Blocked"),
            (400, "{\"error\": \"incomplete\"}", "Later"),
            (401, "", "Blocked"),
            (403, "", "Blocked"),
            (404, "", "Blocked"),
            (408, "", "Later"),
            (409, "{\"error\": \"elsewhere\"}", "Elsewhere"),
            (409, "{\"error\": \"filled_by_commits\"}", "Blocked"),
            (413, "", "TooLarge"),
            (422, "{\"error\": \"invalid_rows\"}", "BadRows"),
            (422, "{\"error\": \"invalid_part\"}", "Blocked"),
            (429, "", "Later"),
            (500, "", "Later"),
            (501, "", "Later"),
            (503, "", "Later"),
            (302, "", "Blocked"),
        ] {
            assert_eq!(said(status, body), expected, "{status} {body}");
        }
        assert!(
            judged(Reply::new(200, Vec::new(), "{\"repea", Timestamp::MIN)).is_err_and(|error| error.is_retryable())
        );
    }

    #[test]
    fn a_body_unpacks_to_itself() {
        let body = "[1,2,3]".repeat(9_999);
        let packed = packed(body.as_bytes());
        assert!(packed.len() < body.len() / 10);
        let mut unpacked = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).unwrap();
        assert_eq!(unpacked, body);
    }
}
