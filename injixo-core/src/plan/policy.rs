//! How an integration is run.

use injixo_model::Millis;
use serde::{Deserialize, Serialize};

use super::QUARTER;
use crate::error::{Error, ErrorKind, Result};

/// How often, how far back and how patiently an integration imports. All times in the serialised form are whole seconds.
///
/// ```
/// use injixo_core::{LookBack, Policy};
/// use injixo_core::model::Millis;
///
/// let policy = Policy::new().every(Millis::from_mins(30)).reference_time(Millis::from_mins(5));
/// assert!(policy.check().is_ok());
/// assert!(policy.every(Millis::from_mins(20)).check().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// The length of a scheduled import: 15 (default), 30 or 60 minutes.
    #[serde(rename = "every_secs", with = "secs")]
    pub every: Millis,
    /// How long after the end of an interval it is imported: the minutes that the source needs to finish writing it. Zero by
    /// default, less than a day.
    #[serde(rename = "reference_time_secs", with = "secs")]
    pub reference_time: Millis,
    /// How far back data is imported that was there before the integration was added: three years by default; zero for none.
    /// A source that keeps less is asked for what it keeps.
    #[serde(rename = "back_fill_secs", with = "secs")]
    pub back_fill: Millis,
    /// The longest window of one read: 31 days by default, at least an import. A source may allow less.
    #[serde(rename = "longest_window_secs", with = "secs")]
    pub longest_window: Millis,
    /// How late the source writes; without it, what the connector says.
    #[serde(rename = "late_secs", with = "optional_secs", skip_serializing_if = "Option::is_none")]
    pub late: Option<Millis>,
    /// What is read again of contacts: by default as far back as the source writes late, with each import, and three days once
    /// a day.
    pub contacts: Option<Vec<LookBack>>,
    /// Reconciliation, what is read again of agent statuses: by default 24 hours, every 15 minutes. Empty switches it off; the
    /// length of one import remains.
    pub statuses: Option<Vec<LookBack>>,
    /// How often a folder is looked through: every minute by default.
    #[serde(rename = "folder_secs", with = "secs")]
    pub folder: Millis,
    /// How long a read may take before it counts as hanging: ten minutes by default.
    #[serde(rename = "patience_secs", with = "secs")]
    pub patience: Millis,
    /// Whether a complete answer without a single fact removes what is stored: no by default.
    pub empty_removes: bool,
}

/// Look back so far, so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookBack {
    /// How far back from the newest import.
    #[serde(rename = "depth_secs", with = "secs")]
    pub depth: Millis,
    /// How often; less than the length of an import means with each import.
    #[serde(rename = "every_secs", with = "secs")]
    pub every: Millis,
}

impl LookBack {
    /// Looks back `depth` every `every`.
    pub const fn new(depth: Millis, every: Millis) -> Self {
        Self { depth, every }
    }
}

const DAY: Millis = Millis::from_mins(1_440);
/// The longest reach of any setting.
const MOST: Millis = Millis::from_mins(1_440 * 366 * 10);

impl Default for Policy {
    fn default() -> Self {
        Self {
            every: QUARTER,
            reference_time: Millis::ZERO,
            back_fill: Millis::from_mins(1_440 * 1_096),
            longest_window: Millis::from_mins(1_440 * 31),
            late: None,
            contacts: None,
            statuses: None,
            folder: Millis::from_secs(60),
            patience: Millis::from_mins(10),
            empty_removes: false,
        }
    }
}

impl Policy {
    /// Imports every 15 minutes, three years back.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with imports of another length.
    #[must_use]
    pub const fn every(mut self, every: Millis) -> Self {
        self.every = every;
        self
    }

    /// The same with imports so long after the end of an interval.
    #[must_use]
    pub const fn reference_time(mut self, offset: Millis) -> Self {
        self.reference_time = offset;
        self
    }

    /// The same with another depth of back-filling.
    #[must_use]
    pub const fn back_fill(mut self, depth: Millis) -> Self {
        self.back_fill = depth;
        self
    }

    /// The same with agent statuses looked back to in that way; nothing switches reconciliation off.
    #[must_use]
    pub fn reconcile(mut self, look_backs: impl IntoIterator<Item = LookBack>) -> Self {
        self.statuses = Some(look_backs.into_iter().collect());
        self
    }

    /// The same with contacts looked back to in that way.
    #[must_use]
    pub fn look_back(mut self, look_backs: impl IntoIterator<Item = LookBack>) -> Self {
        self.contacts = Some(look_backs.into_iter().collect());
        self
    }

    /// Whether it can be followed.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with everything in it that contradicts itself.
    pub fn check(&self) -> Result<()> {
        let mut mistakes = Vec::new();
        let mut must = |holds: bool, mistake: &str| {
            if !holds {
                mistakes.push(mistake.to_owned());
            }
        };
        let minutes = self.every.get() / 60_000;
        must(matches!(minutes, 15 | 30 | 60) && self.every.get() % 60_000 == 0, "every: expected 15, 30 or 60 minutes");
        must(
            (0..DAY.get()).contains(&self.reference_time.get()),
            "reference_time: expected less than a day, not below zero",
        );
        must((0..=MOST.get()).contains(&self.back_fill.get()), "back_fill: expected at most ten years, not below zero");
        must(
            self.longest_window >= self.every.max(QUARTER) && self.longest_window <= MOST,
            "longest_window: expected at least the length of an import",
        );
        must(
            self.late.is_none_or(|late| (Millis::ZERO..=MOST).contains(&late)),
            "late: expected at most ten years, not below zero",
        );
        must(self.folder >= Millis::from_secs(1), "folder: expected a second at least");
        must(self.patience >= Millis::from_secs(1), "patience: expected a second at least");
        for (name, look_backs) in [("contacts", &self.contacts), ("statuses", &self.statuses)] {
            for look_back in look_backs.iter().flatten() {
                let LookBack { depth, every } = *look_back;
                must(
                    depth >= self.every && depth <= MOST,
                    &format!("{name}: a look-back must reach at least the length of an import, and at most ten years"),
                );
                must(
                    every > Millis::ZERO && every.get() % QUARTER.get() == 0,
                    &format!("{name}: a look-back must be done every so many quarters of an hour"),
                );
                must(
                    every <= depth.max(self.every),
                    &format!(
                        "{name}: a look-back that is done less often than it reaches leaves gaps: look further back, or do it more often"
                    ),
                );
            }
        }
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ConfigInvalid, format!("the policy contradicts itself: {}", mistakes.join("; "))))
    }
}

mod secs {
    use injixo_model::Millis;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
        (value.get() / 1_000).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
        i64::deserialize(deserializer).map(Millis::from_secs)
    }
}

mod optional_secs {
    use injixo_model::Millis;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| value.get() / 1_000).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Millis::from_secs))
    }
}
