//! Connectors by the kind that configurations name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Connector;
use crate::error::{Error, ErrorKind, Result};

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
