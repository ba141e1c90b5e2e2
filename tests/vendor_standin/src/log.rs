//! What was asked, and how often a limit was passed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::time::Ms;

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When it came.
    pub at: Ms,
    /// `GET`, `POST`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query as it stood.
    pub query: String,
    /// The operation where the path does not name it; empty: it does.
    pub operation: String,
    /// The status of the answer.
    pub status: u16,
    /// The fault that was played, if one was.
    pub fault: Option<String>,
}

/// All requests in the order of their answers, and the violations of limits.
#[derive(Debug, Default)]
pub struct Log(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    asked: Vec<Asked>,
    violations: BTreeMap<String, u64>,
}

impl Log {
    /// The requests answered so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.pages(|pages| pages.asked.clone())
    }

    /// How many requests there were with this path, or this operation.
    pub fn count(&self, what: &str) -> usize {
        self.pages(|pages| pages.asked.iter().filter(|asked| asked.path == what || asked.operation == what).count())
    }

    /// How many requests passed which limit; a client that keeps to the rules leaves it empty.
    pub fn violations(&self) -> BTreeMap<String, u64> {
        self.pages(|pages| pages.violations.clone())
    }

    pub(crate) fn answered(&self, asked: Asked) {
        self.pages(|pages| pages.asked.push(asked));
    }

    pub(crate) fn violated(&self, limit: &str) {
        self.pages(|pages| *pages.violations.entry(limit.to_owned()).or_default() += 1);
    }

    fn pages<T>(&self, with: impl FnOnce(&mut Pages) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
