use std::fmt;

/// A row of a source that could not become a fact, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RejectedRow {
    /// The file or query that held the row.
    pub source: String,
    /// The line on which the row begins, or its number in the result of a query; the first is 1.
    pub line: u64,
    /// The column at fault, or empty where the row as a whole is.
    pub column: String,
    /// What was violated.
    pub rule: Rule,
    /// The offending value, cut short.
    pub excerpt: String,
}

impl RejectedRow {
    /// How many characters of the offending value are kept.
    pub const EXCERPT: usize = 60;

    /// The first characters of an offending value, with control characters made visible.
    pub fn excerpt_of(value: &str) -> String {
        let mut excerpt: String = value.chars().take(Self::EXCERPT).flat_map(visible).collect();
        if value.chars().nth(Self::EXCERPT).is_some() {
            excerpt.push('…');
        }
        excerpt
    }
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let shown: Vec<char> = if c.is_control() { c.escape_default().collect() } else { vec![c] };
    shown.into_iter()
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.source, self.line)?;
        if !self.column.is_empty() {
            write!(f, ", column {:?}", self.column)?;
        }
        write!(f, ": {}", self.rule.advice())?;
        if !self.excerpt.is_empty() {
            write!(f, " (found {:?})", self.excerpt)?;
        }
        Ok(())
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $advice:literal;)*) => {
        /// Why a row was rejected. The short name is stable and stands in reports and files.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable short name: `date`, `quantity`, …
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What is wrong and what to do, as a sentence without a full stop.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

rules! {
    /// A required field is empty.
    Required = "required", "the field is empty but required: fill it, or give a fixed value in the schema";
    /// The row has fewer fields than the mapping needs, or more than the header has.
    Columns = "columns", "the row has another number of fields than the header: check the separator and quotes in this line";
    /// A quote was opened and never closed.
    Quote = "quote", "a quote is opened and never closed: close it, or double quotes that belong to the text";
    /// The row is longer than any sensible row.
    TooLong = "too_long", "the row is too long: check for a missing line end";
    /// The row holds a NUL byte.
    Nul = "nul", "the row holds a NUL byte: the file is damaged or not a text file";
    /// A text is not valid in the declared encoding.
    Encoding = "encoding", "the text is not valid in the encoding of the schema: set `encoding` to that of the file";
    /// A date, time or timestamp does not have its format.
    Date = "date", "not a date or time in the format of the schema: correct the value or the format";
    /// A date is outside the years 1970 to 2099.
    DateRange = "date_range", "the date is out of range: expected a year from 1970 to 2099";
    /// A local time that the clock change skipped, and the policy rejects such times.
    Gap = "gap", "the local time does not exist, the clock was put forward over it: correct it, or set `gap`";
    /// A local time that the clock change repeated, and the policy rejects such times.
    Fold = "fold", "the local time occurs twice, the clock was put back over it: correct it, or set `fold`";
    /// A count is no number, is negative, too large or not allowed here.
    Quantity = "quantity", "not a count: expected a whole number or a decimal with a point, not below zero";
    /// Handled or offered of one contact above 1.
    ContactCount = "contact_count", "one contact counts at most 1: a row with more is interval-based data";
    /// A duration or AHT is no number, is negative or too large.
    Duration = "duration", "not a duration: expected seconds or hh:mm:ss, not below zero and at most 366 days";
    /// A channel that does not exist.
    Channel = "channel", "unknown channel: expected calls, chats, emails, social_media, documents or cases";
    /// A span ends before it starts.
    EndBeforeStart = "end_before_start", "the end lies before the start: correct the times, or set `fold` if the clock was put back";
    /// A row that is not on the grid of the interval length.
    OffGrid = "off_grid", "the time is not the start of an interval: check the interval length of the schema";
    /// The queue holds another kind of data.
    QueueKind = "queue_kind", "the queue holds the other kind of data (contacts or interval rows): use another queue or integration";
    /// A value is of another type than its field.
    Type = "type", "the value has the wrong type: see what the field takes";
    /// A field occurs more than once in a row.
    Twice = "twice", "the field occurs twice in the row: which of them counts cannot be told";
    /// The queue has shorter intervals than the row.
    QueueLength = "queue_length", "the queue has shorter intervals than this row: import rows of its length or shorter";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Rule {
    type Err = String;

    /// Reads the short name back.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|rule| rule.as_str() == text);
        found.ok_or_else(|| format!("unknown rule {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_visible() {
        assert_eq!(RejectedRow::excerpt_of("a\0b"), "a\\u{0}b");
        let long = RejectedRow::excerpt_of(&"x".repeat(500));
        assert_eq!(long.chars().count(), RejectedRow::EXCERPT + 1);
    }

    #[test]
    fn rules_have_distinct_names_that_read_back() {
        for rule in Rule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(*rule));
        }
    }
}
