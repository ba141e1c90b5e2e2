use std::fmt;
use std::str::FromStr;

use crate::ModelError;

/// The kind of contact that a queue takes. Wire spelling is the lower-case name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Channel {
    /// Telephone calls.
    #[default]
    Calls,
    /// Chats.
    Chats,
    /// E-mails.
    Emails,
    /// Messages in social media.
    SocialMedia,
    /// Documents to be worked on.
    Documents,
    /// Cases, also called tickets.
    Cases,
}

impl Channel {
    /// Every channel, in the order of the product's documentation.
    pub const ALL: [Self; 6] =
        [Self::Calls, Self::Chats, Self::Emails, Self::SocialMedia, Self::Documents, Self::Cases];

    /// The wire spelling: `calls`, `chats`, `emails`, `social_media`, `documents`, `cases`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Chats => "chats",
            Self::Emails => "emails",
            Self::SocialMedia => "social_media",
            Self::Documents => "documents",
            Self::Cases => "cases",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        Self::ALL
            .into_iter()
            .find(|channel| channel.as_str() == text)
            .ok_or_else(|| ModelError::UnknownChannel(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_spelling_is_exact() {
        for channel in Channel::ALL {
            assert_eq!(channel.to_string().parse(), Ok(channel));
        }
        assert!("Calls".parse::<Channel>().is_err());
    }
}
