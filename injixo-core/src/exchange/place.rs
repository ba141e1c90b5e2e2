//! How far a store was told: through all its chunks in their order once, then along its feed.

use injixo_model::Channel;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::facts::Day;
use crate::store::{FeedEntry, Subject, SubjectKind, Transaction};

/// A chunk by what it holds and not by numbers of a store; in the order of these keys everything is stated once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) channel: String,
    pub(super) live: bool,
    pub(super) day: Day,
}

/// What has facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Queue,
    Agent,
}

impl Key {
    pub(super) fn of(subject: &Subject, live: bool, day: Day) -> Self {
        let (kind, channel) = match subject.kind {
            SubjectKind::Queue => (Kind::Queue, subject.channel),
            SubjectKind::Agent | SubjectKind::Status => (Kind::Agent, Channel::Calls),
        };
        Self { kind, id: subject.external.clone(), channel: channel.as_str().to_owned(), live, day }
    }
}

/// How far a sender is. Its parts come in the order of these places, none of which comes twice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// Tells this run through everything from others.
    pub(super) run: String,
    /// The revision up to which the feed is known; while everything is stated once, the one at which that began.
    pub(super) revision: u64,
    /// What the entry with that revision comes to, to see whether the store is still the same.
    pub(super) check: String,
    /// The last chunk that was stated while everything is stated once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stating: Option<Option<Key>>,
    /// How many days of the next entry of the feed were stated.
    #[serde(default)]
    pub(super) days: usize,
    /// The last import whose coverage was told.
    pub(super) import: u64,
    /// How often coverage had been joined then.
    pub(super) joined: u64,
    /// How many parts told of coverage.
    pub(super) told: u64,
}

impl Place {
    /// The begin of everything, in a run of its own.
    pub(super) async fn begin(transaction: &mut dyn Transaction) -> Result<Self> {
        let revision = transaction.last_revision().await?;
        let check = check(transaction, revision).await?;
        Ok(Self { run: random()?[..16].to_owned(), revision, check, stating: Some(None), ..Self::default() })
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the store has been where this says that it was.
    pub(super) async fn is_in(&self, transaction: &mut dyn Transaction) -> Result<bool> {
        if self.revision > transaction.last_revision().await? {
            return Ok(false);
        }
        Ok(check(transaction, self.revision).await? == self.check)
    }
}

/// What the entry of the feed with that revision comes to.
pub(super) async fn check(transaction: &mut dyn Transaction, revision: u64) -> Result<String> {
    let Some(before) = revision.checked_sub(1) else { return Ok(String::new()) };
    Ok(transaction.feed(before, 1).await?.first().map(digest).unwrap_or_default())
}

pub(super) fn digest(entry: &FeedEntry) -> String {
    let mut hash = blake3::Hasher::new();
    for number in [entry.revision, entry.count.into(), entry.at.millis().cast_unsigned(), entry.subject.into()] {
        hash.update(&number.to_le_bytes());
    }
    hash.update(&entry.bytes);
    hash.finalize().to_hex()[..16].to_owned()
}

/// 128 random bits.
pub(super) fn random() -> Result<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the system gives no random numbers").with("cause", error)
    })?;
    Ok(format!("{:032x}", u128::from_le_bytes(random)))
}
