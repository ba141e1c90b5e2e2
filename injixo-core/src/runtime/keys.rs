//! Keys by which senders prove that they may send for an integration.
//!
//! A key is 256 random bits behind the number of its integration. The store holds a digest of it, beside what it remembers of
//! other credentials; the key itself is shown once, where it is made. Each commit of what was sent compares the digest again, so
//! that from the moment in which a new key is made nothing more comes in by the old one, whatever process knows of it.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use injixo_model::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Runtime;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::query;
use crate::secret::Secret;
use crate::store::{IntegrationState, Transaction};

type Digest = [u8; 32];

/// Somebody who may send for an integration.
#[derive(Clone, PartialEq, Eq)]
pub struct Sender {
    integration: u32,
    digest: Option<Digest>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("integration", &self.integration).finish_non_exhaustive()
    }
}

impl Sender {
    /// The number of the integration.
    pub const fn integration(&self) -> u32 {
        self.integration
    }

    /// The digest of the key that was shown, if one was.
    pub(crate) const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What is said to whoever shows a wrong key; nothing of it is repeated.
    pub(crate) fn refused() -> Error {
        Error::new(ErrorKind::Unauthenticated, "the key is not known: use the newest key of the integration")
    }
}

/// The digests that this process has read.
#[derive(Debug, Default)]
pub(crate) struct KnownKeys(Mutex<Known>);

#[derive(Default)]
struct Known {
    digests: HashMap<u32, (Option<Digest>, Timestamp)>,
    /// How often the store was asked since.
    asked: (Timestamp, u32),
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

/// How many digests are remembered.
const MOST_KNOWN: usize = 10_000;

/// For how long a key that is not the known one is taken for wrong without asking the store again.
const ASK_AGAIN: Millis = Millis::new(200);

/// How often the store is asked in a second on behalf of unknown keys.
const MOST_ASKED: u32 = 100;

impl KnownKeys {
    /// The known digest of an integration, unless the store is to be asked for it.
    fn known(&self, integration: u32, shown: &Digest, now: Timestamp) -> Option<Option<Digest>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known.digests.get(&integration).copied();
        if let Some((digest, read_at)) = held
            && (digest.as_ref() == Some(shown) || now.since(read_at) < ASK_AGAIN && read_at <= now)
        {
            return Some(digest);
        }
        if now.since(known.asked.0) >= Millis::from_secs(1) || now < known.asked.0 {
            known.asked = (now, 0);
        }
        known.asked.1 += 1;
        if known.asked.1 > MOST_ASKED { Some(held.and_then(|held| held.0)) } else { None }
    }

    fn learn(&self, integration: u32, digest: Option<Digest>, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.digests.len() >= MOST_KNOWN {
            known.digests.clear();
        }
        known.digests.insert(integration, (digest, now));
    }

    /// Has the store asked again.
    pub(crate) fn forget(&self, integration: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).digests.remove(&integration);
    }
}

/// What a store remembers of the key of an integration.
#[derive(Serialize, Deserialize)]
struct Kept {
    digest: String,
    made_at: i64,
}

const PREFIX: &str = "injixo";

fn credential(integration: u32) -> String {
    format!("key of integration {integration}")
}

fn digest(key: &str) -> Digest {
    *blake3::Hasher::new_derive_key("injixo 2024 key of a sender").update(key.as_bytes()).finalize().as_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The digest of the key of an integration, if it has one.
pub(crate) async fn digest_of(transaction: &mut dyn Transaction, integration: u32) -> Result<Option<Digest>> {
    let kept = transaction.lock_credential(&credential(integration)).await?;
    let kept = kept.and_then(|kept| serde_json::from_str::<Kept>(&kept).ok());
    Ok(kept.and_then(|kept| Some(*blake3::Hash::from_hex(kept.digest).ok()?.as_bytes())))
}

impl Runtime {
    /// Makes a new key for whoever sends to an integration. It is shown here only; the key before, if there was one, expires.
    ///
    /// # Errors
    ///
    /// `NotFound` for an integration that is unknown or deleted, `Unavailable` without randomness; whatever the store reports.
    pub async fn new_key(&self, integration: impl Into<query::IntegrationRef> + Send) -> Result<Secret> {
        let wanted = integration.into();
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system gives no random numbers").with("cause", error)
        })?;
        let mut transaction = self.store.write().await?;
        let id = query::meant(&mut *transaction, &wanted).await?.id;
        let held = transaction.lock_integration(id).await?;
        if held.is_none_or(|held| held.state == IntegrationState::Deleted) {
            return Err(Error::new(ErrorKind::NotFound, "the integration was deleted: it takes nothing any more"));
        }
        let now = transaction.now().await?.unwrap_or_else(|| self.clock.now());
        let key = format!("{PREFIX}_{id}_{}", hex(&random));
        let digest = digest(&key);
        transaction.lock_credential(&credential(id)).await?;
        let kept = Kept { digest: hex(&digest), made_at: now.millis() };
        transaction.put_credential(&credential(id), &serde_json::to_string(&kept).unwrap_or_default()).await?;
        transaction.commit().await?;
        self.shared.keys.learn(id, Some(digest), self.clock.now());
        Ok(Secret::new(key))
    }

    /// Who shows a key.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` for a key that is not, or no longer, that of an integration; whatever the store reports.
    pub async fn sender(&self, key: &str) -> Result<Sender> {
        let number = key.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_'));
        let number = number.and_then(|rest| rest.split_once('_')).and_then(|(number, _)| number.parse().ok());
        let integration: u32 = number.ok_or_else(Sender::refused)?;
        let shown = digest(key);
        let now = self.clock.now();
        let known = match self.shared.keys.known(integration, &shown, now) {
            Some(known) => known,
            None => {
                let known = digest_of(&mut *self.store.read().await?, integration).await?;
                self.shared.keys.learn(integration, known, now);
                known
            }
        };
        match known {
            Some(known) if bool::from(known.ct_eq(&shown)) => Ok(Sender { integration, digest: Some(shown) }),
            _ => Err(Sender::refused()),
        }
    }

    /// A sender that needs no key: the host itself.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn own_sender(&self, integration: impl Into<query::IntegrationRef> + Send) -> Result<Sender> {
        let wanted = integration.into();
        let integration = query::meant(&mut *self.store.read().await?, &wanted).await?.id;
        Ok(Sender { integration, digest: None })
    }
}
