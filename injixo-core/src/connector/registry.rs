//! Connectors by the kind that configurations name.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Connector;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{Secrets, with_named};

/// The typed side of a connector: its configuration, and how to build it.
pub trait ConnectorFactory: Connector + Sized {
    /// The kind that configurations name: `five9`.
    const KIND: &'static str;
    /// The configuration, read from TOML.
    type Config: DeserializeOwned;

    /// Builds the connector.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with every mistake in the configuration.
    fn build(config: Self::Config) -> Result<Self>;
}

type Build = fn(&str) -> Result<Arc<dyn Connector>>;

/// The connectors that a host knows.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Build>,
}

impl Registry {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, knowing `C` as well.
    #[must_use]
    pub fn with<C: ConnectorFactory>(mut self) -> Self {
        self.kinds.insert(C::KIND, build::<C>);
        self
    }

    /// Every known kind, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }

    /// Builds a connector of `kind` from its configuration in TOML.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for an unknown kind, naming the known ones, and for a wrong configuration.
    pub fn build(&self, kind: &str, toml: &str) -> Result<Arc<dyn Connector>> {
        let Some(build) = self.kinds.get(kind) else {
            let known: Vec<&str> = self.kinds().collect();
            let message = format!("unknown connector {kind:?}, expected one of {}", known.join(", "));
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        };
        build(toml)
    }

    /// Builds a connector of `kind` from its configuration in TOML, in which secrets may stand by name.
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build); whatever `secrets` report.
    pub async fn build_with(&self, kind: &str, toml: &str, secrets: &dyn Secrets) -> Result<Arc<dyn Connector>> {
        self.build_by_name(kind, toml, secrets, false).await
    }

    /// Builds a connector from a configuration that names its secrets and holds none.
    pub(crate) async fn build_named(
        &self,
        kind: &str,
        toml: &str,
        secrets: &dyn Secrets,
    ) -> Result<Arc<dyn Connector>> {
        self.build_by_name(kind, toml, secrets, true).await
    }

    async fn build_by_name(
        &self,
        kind: &str,
        toml: &str,
        secrets: &dyn Secrets,
        is_kept: bool,
    ) -> Result<Arc<dyn Connector>> {
        let value: toml::Value = toml::from_str(toml)
            .map_err(|error| Error::new(ErrorKind::ConfigInvalid, format!("{kind}: {}", error.message())))?;
        let mut names = Vec::new();
        collect(&value, &mut names);
        let mut named = HashMap::new();
        for name in names.into_iter().filter(|name| secrets.is_name(name)) {
            named.insert(name.to_owned(), secrets.secret(name).await?);
        }
        with_named(named, is_kept, || self.build(kind, toml))
    }
}

/// Every text of a configuration.
fn collect<'v>(value: &'v toml::Value, texts: &mut Vec<&'v str>) {
    match value {
        toml::Value::String(text) => texts.push(text),
        toml::Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        toml::Value::Table(table) => table.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

fn build<C: ConnectorFactory>(toml: &str) -> Result<Arc<dyn Connector>> {
    let config: C::Config = toml::from_str(toml)
        .map_err(|error| Error::new(ErrorKind::ConfigInvalid, format!("{}: {}", C::KIND, error.message())))?;
    Ok(Arc::new(C::build(config)?))
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds.keys()).finish()
    }
}
