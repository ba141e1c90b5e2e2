use injixo_core::model::Timestamp;

/// How sending goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SendState {
    /// What it does.
    pub phase: SendPhase,
    /// Up to which revision of the change feed all facts were sent, where they are sent as commits.
    pub revision: Option<u64>,
    /// How many batches were sent since this sender was made.
    pub batches: u64,
    /// What went wrong last, until something goes well.
    pub error: Option<String>,
}

/// What a sender does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SendPhase {
    /// It does not run, or asks where the receiver is.
    #[default]
    Begins,
    /// It has something to send.
    Sends,
    /// Everything was sent.
    Current,
    /// It tries again then.
    Waits(Timestamp),
    /// Somebody has to look after it, see [`SendState::error`]; [`try_again`](crate::ApiSender::try_again) frees it.
    Blocked,
}
