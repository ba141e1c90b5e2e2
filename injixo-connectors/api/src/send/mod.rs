//! Sends what a store holds to another host: by commits of our own, or by the two resources of the public API.

mod events;
mod line;
mod sdk;
mod state;

use std::fmt;
use std::sync::Arc;

use injixo_core::connector::Context;
use injixo_core::http::{HttpClient, HttpSettings, Retry, SignIn, Transport};
use injixo_core::{Error, ErrorKind, Result, Runtime, Secret};
use tokio::sync::{Notify, watch};

use self::line::Line;
pub use self::state::{SendPhase, SendState};

/// To whom something is sent, and how.
#[derive(Clone)]
pub struct Target {
    url: String,
    key: Secret,
    by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Commits,
    Events(u64),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.url).field("by", &self.by).finish_non_exhaustive()
    }
}

impl Target {
    /// A host that mounts the [`Receiver`](crate::Receiver) of this crate, with the key of one of its integrations. The address
    /// is that of its server, such as `https://wfm.example.com`. Both stores end equal.
    pub fn sdk(url: impl Into<String>, key: Secret) -> Self {
        Self { url: url.into(), key, by: By::Commits }
    }

    /// injixo itself, or whoever else takes contact events and agent statuses as it does: `https://api.injixo.com`, with the key
    /// and the number (`integrationConfigurationId`) of an integration there.
    ///
    /// It can only be told single contacts and statuses. Interval rows, and what was sent and is corrected later, are held back:
    /// see [`ApiSender::held_back`]. Of a contact it learns whether it was offered and handled, and how long it took; waits,
    /// abandoned contacts and the service level have no place there.
    pub fn injixo(url: impl Into<String>, key: Secret, configuration: u64) -> Self {
        Self { url: url.into(), key, by: By::Events(configuration) }
    }
}

/// Sends one integration of a store to a [`Target`]: in order, in bounded batches, packed, and for as long as it takes.
///
/// ```no_run
/// # async fn example(runtime: injixo_core::Runtime, key: injixo_core::Secret) -> injixo_core::Result<()> {
/// use injixo_connector_api::{ApiSender, Target};
///
/// let sender = ApiSender::new(&runtime, "Our ACD", Target::sdk("https://wfm.example.com", key))?;
/// tokio::spawn({
///     let sender = sender.clone();
///     async move { sender.run().await } // until the task ends
/// });
/// println!("{:?}", sender.state());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ApiSender {
    runtime: Runtime,
    integration: String,
    target: Target,
    client: HttpClient,
    cx: Context,
    anew: bool,
    most_bytes: usize,
    most_rows: usize,
    shared: Arc<Shared>,
}

struct Shared {
    state: watch::Sender<SendState>,
    again: Notify,
}

impl fmt::Debug for ApiSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiSender")
            .field("integration", &self.integration)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl ApiSender {
    /// Sends that integration over the network.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for an address that cannot be sent to.
    pub fn new(runtime: &Runtime, integration: &str, target: Target) -> Result<Self> {
        Self::with_settings(runtime, integration, target, &HttpSettings::default())
    }

    /// The same through a proxy, or with authorities of one's own.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and for settings that cannot work.
    pub fn with_settings(
        runtime: &Runtime,
        integration: &str,
        target: Target,
        settings: &HttpSettings,
    ) -> Result<Self> {
        Self::over(runtime, integration, target, HttpClient::new(settings)?)
    }

    /// The same by another transport.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_transport(
        runtime: &Runtime,
        integration: &str,
        target: Target,
        transport: Arc<dyn Transport>,
    ) -> Result<Self> {
        Self::over(runtime, integration, target, HttpClient::over(transport))
    }

    fn over(runtime: &Runtime, integration: &str, mut target: Target, client: HttpClient) -> Result<Self> {
        let is_here = ["http://127.0.0.1", "http://[::1]", "http://localhost"].iter().any(|here| {
            target.url.strip_prefix(here).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        if !target.url.starts_with("https://") && !is_here {
            let message = "url: expected an address that begins with https://";
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        }
        target.url.truncate(target.url.trim_end_matches('/').len());
        // Whether and when something is sent again is decided here.
        let client = client.sign_in(SignIn::bearer(&target.key)).retry(Retry::never()).most_bytes(1 << 20);
        Ok(Self {
            runtime: runtime.clone(),
            integration: integration.to_owned(),
            target,
            client,
            cx: runtime.plain_context(),
            anew: false,
            most_bytes: 1 << 20,
            most_rows: 1_000,
            shared: Arc::new(Shared { state: watch::Sender::new(SendState::default()), again: Notify::new() }),
        })
    }

    /// The same, which overrules a receiver of commits that another store sent to, or that got more than this store knows of
    /// because it was restored from a backup: everything is stated again, and what the receiver's integration holds besides is gone.
    /// To a target of the public API everything is told again where another one was told before.
    #[must_use]
    pub fn begin_anew(mut self) -> Self {
        self.anew = true;
        self
    }

    /// The same with so many rows at once, where single events are sent; a thousand unless set.
    #[must_use]
    pub fn most_rows(mut self, rows: usize) -> Self {
        self.most_rows = rows;
        self
    }

    /// The same in batches of commits of about so many bytes, unpacked; a mebibyte unless set.
    #[must_use]
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// How it goes.
    pub fn state(&self) -> SendState {
        self.shared.state.borrow().clone()
    }

    /// Tells how it goes whenever that changes.
    pub fn watch(&self) -> watch::Receiver<SendState> {
        self.shared.state.subscribe()
    }

    /// Frees a sender that is blocked; one that waits does not wait any longer.
    pub fn try_again(&self) {
        self.shared.again.notify_waiters();
    }

    /// Sends until the future is dropped. Trouble of the line or of the receiver is waited for; what somebody has to look after
    /// blocks it until it is [told to try again](Self::try_again). It may be dropped at any time and begun again.
    ///
    /// It is not run twice at the same time for the same integration and target.
    pub async fn run(&self) {
        let mut line = Line::new(self);
        match self.target.by {
            By::Commits => self.run_commits(&mut line).await,
            By::Events(configuration) => self.run_events(&mut line, configuration).await,
        }
    }
}
