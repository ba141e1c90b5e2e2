//! Collects the SQL statements that a connector can produce, so that an independent parser can look at them, and looks at what can
//! be seen without one.
//!
//! `scripts/parse_statements.py` parses what is written into the folder that `INJIXO_STATEMENTS` names. Nothing here is shared with
//! a connector.

mod scan;

use std::collections::{BTreeMap, BTreeSet};

pub use scan::{Scan, scan};

/// The environment variable with the folder into which statements are written.
pub const VARIABLE: &str = "INJIXO_STATEMENTS";

/// The dialects, as the parser calls them.
pub const DIALECTS: [&str; 5] = ["postgres", "mysql", "sqlite", "tsql", "oracle"];

/// The word that is part of every hostile name, and must stand in quotes only.
pub const HOSTILE_WORD: &str = "hostile";

/// Names of columns that want to become more than names.
pub const HOSTILE_NAMES: [&str; 9] = [
    "a\" FROM hostile; DROP TABLE b; --",
    "a` FROM hostile; DROP TABLE b; --",
    "a] FROM hostile; DROP TABLE b; --",
    "a' FROM hostile; DROP TABLE b; --",
    "a\\\" FROM hostile --",
    "a\\` FROM hostile --",
    "-- hostile",
    "/* hostile */ [\"`']] ) hostile",
    "two\nhostile lines",
];

/// The statements of one connector.
#[derive(Debug)]
pub struct Statements {
    name: &'static str,
    /// By dialect, with how many values each has.
    all: BTreeMap<&'static str, BTreeSet<(String, usize)>>,
}

impl Statements {
    /// None yet, of the connector of that name.
    pub fn new(name: &'static str) -> Self {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name} is the name of a file");
        Self { name, all: BTreeMap::new() }
    }

    /// Takes a statement with the number of its values.
    ///
    /// # Panics
    ///
    /// If it is not whole, is more than one, has another number of places, or shows a hostile name outside of quotes.
    pub fn add(&mut self, dialect: &'static str, sql: &str, values: usize) {
        assert!(DIALECTS.contains(&dialect), "{dialect} is a dialect");
        let Scan { plain, places } = scan(dialect, sql).unwrap_or_else(|why| panic!("{dialect}: {why}: {sql}"));
        assert!(!plain.contains(';'), "{dialect}: more than one statement: {sql}");
        assert!(!plain.contains(HOSTILE_WORD), "{dialect}: a hostile name outside of quotes: {sql}");
        let expected: Vec<usize> = (1..=values).collect();
        assert_eq!(places, expected, "{dialect}: the places of the values: {sql}");
        self.all.entry(dialect).or_default().insert((sql.to_owned(), values));
    }

    /// Writes them where that is asked for.
    ///
    /// # Panics
    ///
    /// If a dialect has none, or they cannot be written.
    pub fn finish(self) {
        for dialect in DIALECTS {
            assert!(self.all.contains_key(dialect), "{}: no statements for {dialect}", self.name);
        }
        let Ok(folder) = std::env::var(VARIABLE) else { return };
        let mut lines = String::new();
        for (dialect, statements) in self.all {
            for (sql, values) in statements {
                let line = serde_json::json!({ "dialect": dialect, "sql": sql, "values": values });
                lines += &format!("{line}\n");
            }
        }
        let path = std::path::Path::new(&folder).join(format!("{}.jsonl", self.name));
        std::fs::write(&path, lines).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
