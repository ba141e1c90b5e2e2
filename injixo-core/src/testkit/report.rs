//! The checks by name, and what came of them.

use std::fmt;

/// One check of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Its name, in reports and in `docs/connector-spec.md`.
    pub name: &'static str,
    /// What to do when it fails.
    pub advice: &'static str,
    suites: u8,
}

pub(super) const CONTACTS: u8 = 1;
pub(super) const STATUSES: u8 = 2;
pub(super) const DELIVERIES: u8 = 4;
const WINDOWS: u8 = CONTACTS | STATUSES;
const ALL: u8 = WINDOWS | DELIVERIES;

macro_rules! checks {
    ($($constant:ident = $name:literal, $suites:expr, $advice:literal;)*) => {
        $(pub(super) const $constant: Check = Check { name: $name, advice: $advice, suites: $suites };)*

        /// Every check, in the order of reports.
        pub const CHECKS: &[Check] = &[$($constant),*];
    };
}

checks! {
    HAS_SOURCE = "has-source", ALL, "return a source from `contacts`, `statuses` or `deliveries`, or call the function of the kit that fits";
    HANDS_OUT_THE_SAME = "hands-out-the-same", ALL, "compute info, limits, form and zone from the configuration alone";
    LIMITS_SANE = "limits-sane", WINDOWS, "give `Limits` a positive smallest window that is not longer than the longest, and no negative lateness";
    CHECK_PASSES = "check-passes", ALL, "let `check` report no problem where the system answers as it should";
    FINDS_DATA = "finds-data", ALL, "give the stand-in data, and name its time with `Suite::between`";
    TRUTH = "truth", ALL, "compare what the stand-in holds with what the source writes: paging, filters, conversion";
    HALF_OPEN = "half-open-windows", WINDOWS, "ask for `from <= start < to`; where the system's edges differ, ask for more and leave the rest out";
    ANY_SPLIT = "any-split", WINDOWS, "write what starts in the window, whatever the window; read as far around it as needed";
    REPEATED_READS = "repeated-reads", ALL, "keep no progress in the connector: every read begins from nothing";
    EMPTY_WINDOWS = "empty-windows", WINDOWS, "an answer without rows is complete, not an error";
    NOTHING_OUTSIDE = "nothing-outside", WINDOWS, "the engine leaves these rows out; ask the system for no more than is needed, or leave them out first";
    SPANS_WHOLE = "spans-whole", STATUSES, "write a span with its own start and end, not with the window's edge";
    LATE_ENDS = "late-ends", STATUSES, "write the end, or in the window that knows the end also the spans that began before it";
    LOCAL_DAYS = "local-days", WINDOWS, "do not take a day for 24 hours; convert both edges of a window on their own";
    UNTIL_IN_WINDOW = "until-in-window", WINDOWS, "cut `until` to the window's end, or say `Outcome::complete()`";
    CANCEL = "cancel", ALL, "keep what a read needs in the read's own variables, so that dropping it leaves nothing behind";
    CONCURRENT_READS = "concurrent-reads", WINDOWS, "share nothing between reads but the client and the sign-in";
    ROW_CAP = "row-cap", WINDOWS, "say `Outcome::truncated()` when an answer holds as many rows as the system's cap";
    REPEATED_PAGE = "repeated-page", WINDOWS, "remove repeats within one read by the system's identifier";
    MISSING_PAGE = "missing-page", WINDOWS, "compare with the number of rows or pages that the system names, and fail with `Protocol`";
    SHORT_PAGE = "short-page", WINDOWS, "do not take a short page for the last one: compare with the number that the system names";
    WRONG_CREDENTIALS = "wrong-credentials", ALL, "return `Unauthenticated` or `PermissionDenied`, not retryable";
    CHECK_CREDENTIALS = "check-credentials", ALL, "let `check` sign in, and report the refusal as a problem";
    UNREACHABLE = "unreachable", ALL, "return `Unavailable` or `Timeout`, retryable";
    CHECK_UNREACHABLE = "check-unreachable", ALL, "let `check` call the system, and report the failure as a problem";
    RATE_LIMITED = "rate-limited", ALL, "return `RateLimited`, with `retry_in` where the system says how long";
    BROKEN_ANSWER = "broken-answer", ALL, "return `Protocol` or `DataInvalid` for an answer that cannot be understood";
    HANGS = "hangs", ALL, "wait for the answer, or fail with `Timeout`; never end a read without it";
    OWN_KIND = "own-kind", ALL, "write the kind of rows that `form` announces";
    IDENTITY = "identity", ALL, "reject rows without a queue, agent or status";
    MEASURES = "measures", ALL, "reject rows with negative counts or times, off the grid, or ending before they start";
    SECRETS = "secrets", ALL, "keep credentials in `Secret`, and out of messages, addresses and events";
    SCAN_AGREES = "scan-agrees", DELIVERIES, "list what is there each time, known deliveries included";
    OLDEST_FIRST = "oldest-first", DELIVERIES, "sort the deliveries by the time of their last change";
    FILE_AS_LISTED = "file-as-listed", DELIVERIES, "let `file` and `scan` name a delivery in the same way";
    KEY_BY_CONTENT = "key-by-content", DELIVERIES, "make the key a checksum of the content alone";
    CHANGED_DELIVERY = "changed-delivery", DELIVERIES, "compare the content with the key while reading, and fail where they differ";
    WITHOUT_KEY = "without-key", DELIVERIES, "read a delivery without a key as it is: nobody will ask for it again";
    PARTS = "parts", DELIVERIES, "let the parts of a delivery, each from where the one before ended, hold the rows of the whole, or name no cuts";
}

impl Check {
    pub(super) const fn is_in(&self, suite: u8) -> bool {
        self.suites & suite != 0
    }
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It holds.
    Passed,
    /// It holds because the engine makes up for the source.
    Warned {
        /// What was found.
        found: String,
    },
    /// It does not hold.
    Failed {
        /// What should have been.
        expected: String,
        /// What was.
        found: String,
    },
    /// The kit could not tell.
    NotJudged {
        /// Why, and what it needs.
        why: String,
    },
}

impl Judgement {
    pub(super) fn failed(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Failed { expected: expected.into(), found: found.into() }
    }

    pub(super) fn not_judged(why: impl Into<String>) -> Self {
        Self::NotJudged { why: why.into() }
    }

    /// Passed where nothing was found to be wrong.
    pub(super) fn of(wrong: Option<String>, expected: impl Into<String>) -> Self {
        wrong.map_or(Self::Passed, |found| Self::failed(expected, found))
    }

    /// Whether it failed.
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// A check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The check's name.
    pub name: &'static str,
    /// What came of it.
    pub result: Judgement,
}

/// What came of all checks of a suite. Prints as the suite prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The connector's kind and the source that was judged.
    pub title: String,
    /// One verdict per check of the suite, in a fixed order.
    pub checks: Vec<Verdict>,
}

impl Report {
    /// Every check of the suite, none judged yet.
    pub(super) fn new(title: String, suite: u8) -> Self {
        let verdict = |check: &Check| Verdict { name: check.name, result: Judgement::not_judged("") };
        Self { title, checks: CHECKS.iter().filter(|check| check.is_in(suite)).map(verdict).collect() }
    }

    pub(super) fn set(&mut self, check: &Check, result: Judgement) {
        if let Some(verdict) = self.checks.iter_mut().find(|verdict| verdict.name == check.name) {
            verdict.result = result;
        }
    }

    /// Says why the checks that nobody judged were not.
    pub(super) fn fill(&mut self, reason: &str) {
        for verdict in &mut self.checks {
            if verdict.result == Judgement::not_judged("") {
                verdict.result = Judgement::not_judged(reason);
            }
        }
    }

    /// What came of the check of that name, if it is one of this suite.
    pub fn result(&self, name: &str) -> Option<&Judgement> {
        self.checks.iter().find(|verdict| verdict.name == name).map(|verdict| &verdict.result)
    }

    /// The names of the failed checks.
    pub fn failed(&self) -> Vec<&'static str> {
        self.checks.iter().filter(|verdict| verdict.result.is_failed()).map(|verdict| verdict.name).collect()
    }

    /// The names of the checks that could not be judged.
    pub fn unjudged(&self) -> Vec<&'static str> {
        let is_unjudged = |verdict: &&Verdict| matches!(verdict.result, Judgement::NotJudged { .. });
        self.checks.iter().filter(is_unjudged).map(|verdict| verdict.name).collect()
    }

    /// Whether no check failed.
    pub fn is_passed(&self) -> bool {
        self.checks.iter().all(|verdict| !verdict.result.is_failed())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |wanted: fn(&Judgement) -> bool| self.checks.iter().filter(|check| wanted(&check.result)).count();
        let passed = count(|result| matches!(result, Judgement::Passed));
        let warned = count(|result| matches!(result, Judgement::Warned { .. }));
        let unjudged = count(|result| matches!(result, Judgement::NotJudged { .. }));
        let failed = self.failed().len();
        write!(f, "{}: {passed} passed, {failed} failed, {warned} warned, {unjudged} could not be judged", self.title)?;
        for verdict in &self.checks {
            let advice = CHECKS.iter().find(|check| check.name == verdict.name).map_or("", |check| check.advice);
            match &verdict.result {
                Judgement::Passed => write!(f, "\n  passed      {}", verdict.name)?,
                Judgement::Warned { found } => {
                    write!(f, "\n  warned      {}\n      found:    {found}\n      do:       {advice}", verdict.name)?;
                }
                Judgement::Failed { expected, found } => {
                    write!(f, "\n  FAILED      {}\n      expected: {expected}", verdict.name)?;
                    write!(f, "\n      found:    {found}\n      do:       {advice}")?;
                }
                Judgement::NotJudged { why } => write!(f, "\n  not judged  {}: {why}", verdict.name)?,
            }
        }
        Ok(())
    }
}
