//! How much may be asked of a system.

use injixo_model::Millis;

/// How much may be asked of a system under the same credentials, by all integrations and processes together.
///
/// Permits are counted over any stretch of the given length, not only over whole minutes or hours, so that a system which counts
/// by its own clock is never asked too much.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// What names the credentials without telling them: a hash.
    pub key: String,
    /// How many permits there are, by length of time.
    pub permits: Vec<Permits>,
    /// How many reads may go on at once.
    pub at_once: Option<u32>,
}

/// So many permits in any stretch of that length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permits {
    /// How many.
    pub number: u32,
    /// In how much time.
    pub per: Millis,
}

impl Budget {
    /// A budget of the credentials that `parts` (kind of system, account, user; no password) tell apart, without a bound yet.
    pub fn new<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self { key: hasher.finalize().to_hex().to_string(), permits: Vec::new(), at_once: None }
    }

    /// The same with at most `number` permits in any stretch of length `per`.
    #[must_use]
    pub fn permits(mut self, number: u32, per: Millis) -> Self {
        self.permits.push(Permits { number, per });
        self
    }

    /// The same with at most `number` reads at once.
    #[must_use]
    pub fn at_once(mut self, number: u32) -> Self {
        self.at_once = Some(number);
        self
    }
}
