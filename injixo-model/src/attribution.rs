use std::fmt;
use std::str::FromStr;

use crate::ModelError;

/// Which interval a contact counts in. Handle time is conserved under all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Attribution {
    /// Counts and handle time belong to the interval in which the contact started.
    #[default]
    Started,
    /// Counts and handle time belong to the interval in which the contact ended: start + wait + handle time.
    Ended,
    /// Counts belong where the contact started; handle time to the intervals that it really spanned, from the answer on.
    Spread,
    /// As the source summed it up. Such rows can be summed into longer intervals, never split or moved.
    AsDelivered,
    /// A sum over different attributions, made on purpose.
    Mixed,
}

impl Attribution {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Started, "started"),
        (Self::Ended, "ended"),
        (Self::Spread, "spread"),
        (Self::AsDelivered, "delivered"),
        (Self::Mixed, "mixed"),
    ];
}

impl fmt::Display for Attribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(attribution, _)| attribution == self);
        f.pad(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for Attribution {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        Self::NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(attribution, _)| *attribution)
            .ok_or_else(|| ModelError::Attribution(text.chars().take(40).collect()))
    }
}
