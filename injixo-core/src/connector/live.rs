//! What agents do now.

use std::fmt;

use async_trait::async_trait;
use injixo_model::Timestamp;
use tokio::sync::mpsc;

use super::Context;
use crate::error::{Error, ErrorKind, Result};

/// Says what agents do now, and each change.
///
/// # Contract
///
/// `follow` first writes a snapshot, then changes, until its future is dropped; a source that must be polled waits with
/// [`Context::sleep`] in between and may write a snapshot each time. After a lost connection it returns an error and is called
/// again. It may repeat itself, and changes may come out of order.
#[async_trait]
pub trait LiveSource: fmt::Debug + Send + Sync + 'static {
    /// Follows the agents until the connection is lost.
    ///
    /// # Errors
    ///
    /// When the system cannot be followed (any more); the engine tries again later.
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()>;
}

/// Names what changed since a mark, for systems that can say so.
///
/// # Contract
///
/// The windows that it names hold every fact that was written or changed between the two marks. The engine keeps the mark and
/// reads the windows again whole.
#[async_trait]
pub trait ChangeSource: fmt::Debug + Send + Sync + 'static {
    /// What changed since `mark`; without one, from when on changes can be named.
    ///
    /// # Errors
    ///
    /// When the system could not be asked.
    async fn changes(&self, cx: &Context, mark: Option<&str>) -> Result<Changed>;
}

/// What a [`ChangeSource`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The windows that hold all that changed.
    pub windows: Vec<injixo_model::Window>,
    /// The mark to ask from next time.
    pub mark: String,
}

/// What one agent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentNow {
    /// The external agent.
    pub agent: String,
    /// The external status; `None` for an agent who has none (any more).
    pub status: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// What a live source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Everyone as of an instant; who is not in it has no status.
    Snapshot(Timestamp, Vec<AgentNow>),
    Change(AgentNow),
}

/// Takes what a live source says.
#[derive(Debug)]
pub struct LiveWriter {
    pub(crate) out: mpsc::Sender<Said>,
}

impl LiveWriter {
    /// Everyone as of `as_of`. Whoever is not in it has no status any more.
    ///
    /// # Errors
    ///
    /// When nobody listens any more; pass the error on.
    pub async fn snapshot(&mut self, as_of: Timestamp, agents: Vec<AgentNow>) -> Result<()> {
        self.say(Said::Snapshot(as_of, agents)).await
    }

    /// An agent's status since an instant; no status for one who logged off without one.
    ///
    /// # Errors
    ///
    /// When nobody listens any more; pass the error on.
    pub async fn change(&mut self, agent: &str, status: Option<&str>, since: Timestamp) -> Result<()> {
        let now = AgentNow { agent: agent.to_owned(), status: status.map(ToOwned::to_owned), since };
        self.say(Said::Change(now)).await
    }

    async fn say(&mut self, said: Said) -> Result<()> {
        let closed = |_| Error::new(ErrorKind::Cancelled, "nobody follows the agents any more");
        self.out.send(said).await.map_err(closed)
    }
}
