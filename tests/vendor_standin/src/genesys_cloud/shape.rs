//! Objects of JSON, field by field in the order of the vendor's examples.

use std::fmt::Display;

use crate::json;
use crate::time::{Ms, iso_millis};

/// An object that is being written.
#[derive(Debug, Default)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A field whose value is written already.
    pub(super) fn raw(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&json::text(name));
        self.0.push(':');
        self.0.push_str(value.as_ref());
        self
    }

    pub(super) fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, json::text(value))
    }

    pub(super) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(super) fn number(self, name: &str, value: impl Display) -> Self {
        self.raw(name, format!("{value}"))
    }

    pub(super) fn date(self, name: &str, at: Ms) -> Self {
        self.text(name, &iso_millis(at))
    }

    pub(super) fn maybe_date(self, name: &str, at: Option<Ms>) -> Self {
        self.maybe(name, at.map(iso_millis).as_deref())
    }

    pub(super) fn list(self, name: &str, items: impl IntoIterator<Item = String>) -> Self {
        self.raw(name, json::array(items))
    }

    /// A list that is left out when it has no entries and `omits`.
    pub(super) fn list_or_nothing(self, name: &str, items: Vec<String>, omits: bool) -> Self {
        if omits && items.is_empty() { self } else { self.list(name, items) }
    }

    pub(super) fn done(self) -> String {
        format!("{{{}}}", self.0)
    }
}
