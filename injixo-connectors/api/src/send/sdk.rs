//! Sending commits. Nothing is kept here: where the receiver is, it says itself.

use injixo_core::exchange::Outgoing;
use injixo_core::http::Request;
use injixo_core::{Error, ErrorKind, Result};

use super::line::{Line, Said, packed};
use super::{ApiSender, SendPhase};

const PATH: &str = "/v1/commits";

/// Smaller batches are not worth trying.
const FEWEST_BYTES: usize = 4 << 10;

impl ApiSender {
    pub(super) async fn run_commits(&self, line: &mut Line<'_>) -> ! {
        let mut most_bytes = self.most_bytes;
        loop {
            line.tell(SendPhase::Begins, None);
            let outgoing = match self.position(line).await {
                Ok((position, most)) => {
                    // What is estimated may come out larger.
                    most_bytes = most_bytes.min(most / 2);
                    self.runtime.outgoing(self.integration.as_str(), &position, self.anew).await
                }
                Err(said) => {
                    rest(line, said).await;
                    continue;
                }
            };
            match outgoing {
                Ok(outgoing) => self.follow(line, outgoing.most_bytes(most_bytes), &mut most_bytes).await,
                Err(error) if error.is_retryable() => line.wait(&error).await,
                Err(error) => line.block(&error).await,
            }
        }
    }

    /// Where the receiver is, and how large parts may be.
    async fn position(&self, line: &mut Line<'_>) -> std::result::Result<(String, usize), Said> {
        match line.ask(&Request::get(line.url(PATH))).await {
            Said::Done(said) => {
                let position = said["position"].as_str().map(ToOwned::to_owned);
                let most = said["mostBytes"].as_u64().and_then(|most| usize::try_from(most).ok());
                position.zip(Some(most.unwrap_or(usize::MAX))).ok_or_else(|| {
                    let message = "the receiver does not say where it is: it is of another kind";
                    Said::Blocked(Error::new(ErrorKind::Protocol, message))
                })
            }
            said => Err(said),
        }
    }

    /// Sends part after part until there is a doubt about where the receiver is.
    async fn follow(&self, line: &mut Line<'_>, mut outgoing: Outgoing, most_bytes: &mut usize) {
        // Whether anything was taken since the receiver was asked.
        let mut is_new = false;
        loop {
            let part = match self.next(line, &mut outgoing).await {
                Ok(part) => part,
                Err(error) if error.is_retryable() => {
                    line.wait(&error).await;
                    continue;
                }
                Err(error) => return line.block(&error).await,
            };
            let request = Request::post(line.url(PATH))
                .header("content-encoding", "gzip")
                .body("application/json", packed(&part.body));
            match line.ask(&request).await {
                Said::Done(_) => {
                    outgoing.taken();
                    line.sent(Some(part.revision));
                    is_new = true;
                }
                Said::TooLarge(error) => {
                    if *most_bytes <= FEWEST_BYTES {
                        return line.block(&error.with("bytes", part.body.len())).await;
                    }
                    *most_bytes /= 2;
                    return;
                }
                Said::Elsewhere if is_new => return,
                Said::Elsewhere => {
                    let message = "the receiver was told something else meanwhile: is there another sender?";
                    return line.wait(&Error::new(ErrorKind::Unavailable, message)).await;
                }
                // Whether it was taken is asked before anything else is sent.
                said => return rest(line, said).await,
            }
        }
    }

    async fn next(&self, line: &Line<'_>, outgoing: &mut Outgoing) -> Result<injixo_core::exchange::Part> {
        if let Some(part) = outgoing.try_next().await? {
            line.tell(SendPhase::Sends, None);
            return Ok(part);
        }
        line.tell(SendPhase::Current, None);
        let part = outgoing.next().await?;
        line.tell(SendPhase::Sends, None);
        Ok(part)
    }
}

/// Waits as what was said asks for.
async fn rest(line: &mut Line<'_>, said: Said) {
    match said {
        Said::Later(error) => line.wait(&error).await,
        Said::Blocked(error) | Said::TooLarge(error) => line.block(&error).await,
        Said::BadRows(_) | Said::Elsewhere | Said::Done(_) => {
            line.block(&Error::new(ErrorKind::Protocol, "the receiver answered something that does not fit")).await;
        }
    }
}
