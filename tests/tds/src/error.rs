//! What the server tells a client that asked for something it does not do.

use std::fmt;

/// An error as the server reports it: an ERROR token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlError {
    pub(crate) number: u32,
    pub(crate) state: u8,
    pub(crate) class: u8,
    pub(crate) message: String,
    pub(crate) line: u32,
}

pub(crate) type Outcome<T> = Result<T, SqlError>;

/// What begins the text of an error that a function of the database raises: `tds:530:16:message`.
const MARK: &str = "tds:";

impl SqlError {
    pub(crate) fn new(number: u32, class: u8, message: impl Into<String>, line: u32) -> Self {
        Self { number, state: 1, class, message: message.into(), line }
    }

    /// 102, or 156 where the text is a keyword.
    pub(crate) fn near(text: &str, line: u32) -> Self {
        if crate::words::is_keyword(text) {
            Self::new(156, 15, format!("Incorrect syntax near the keyword '{text}'."), line)
        } else {
            Self::new(102, 15, format!("Incorrect syntax near '{text}'."), line)
        }
    }

    /// Valid, but more than this server does.
    pub(crate) fn beyond(what: &str, line: u32) -> Self {
        Self::new(50_000, 16, format!("The stand-in does not support {what}."), line)
    }

    /// A request that does not follow the protocol.
    pub(crate) fn protocol(what: &str) -> Self {
        let message = format!("The incoming tabular data stream (TDS) protocol stream is incorrect. {what}");
        Self::new(8009, 16, message, 1)
    }

    /// As text that passes through the database.
    pub(crate) fn marked(&self) -> String {
        format!("{MARK}{}:{}:{}", self.number, self.class, self.message)
    }

    /// What `marked` wrote, wherever it is in a text.
    pub(crate) fn from_marked(text: &str, line: u32) -> Option<Self> {
        let mut parts = text[text.find(MARK)? + MARK.len()..].splitn(3, ':');
        let number = parts.next()?.parse().ok()?;
        let class = parts.next()?.parse().ok()?;
        Some(Self::new(number, class, parts.next()?, line))
    }

    /// Whether the whole batch ends with it, also where it is found while the batch runs.
    pub(crate) fn ends_batch(&self) -> bool {
        self.class >= 17 || matches!(self.number, 208 | 245 | 8114 | 241 | 50_000 | 0)
    }

    /// Whether it is found before anything of the batch runs.
    pub(crate) fn is_of_compilation(&self) -> bool {
        !matches!(self.number, 208 | 229 | 230 | 262 | 1222 | 2714 | 3701)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}): {}", self.number, self.line, self.message)
    }
}

impl std::error::Error for SqlError {}
