//! Values that no log, error or debug output may show, and where they come from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

use crate::error::{Error, ErrorKind, Result};

/// A password, key or token. Prints as `[REDACTED]`.
///
/// A configuration that is kept in a store names its secrets: `env:NAME` for an environment variable, `file:PATH` for the first
/// line of a file, or whatever else the host's own [`Secrets`] know.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Keeps `value` from being shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into().into())
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(SecretText)?;
        let named = NAMED.with_borrow(|named| named.as_ref().map(|(named, kept)| (named.get(&text).cloned(), *kept)));
        match named {
            None | Some((None, false)) => Ok(Self::new(text)),
            Some((Some(value), _)) => Ok(value),
            Some((None, true)) => {
                let message = "a configuration that is kept must not hold a secret: name it, as env:NAME or file:PATH";
                Err(de::Error::custom(message))
            }
        }
    }
}

/// Takes a text or a number; whatever else it is, it is not shown.
struct SecretText;

impl de::Visitor<'_> for SecretText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<String, E> {
        Err(E::custom("a secret that looks like a number must be in quotes"))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<String, E> {
        Err(E::custom("a secret must be in quotes"))
    }
}

thread_local! {
    /// The secrets of the configuration that is being read, by the names that stand in it, and whether it will be kept.
    static NAMED: RefCell<Option<(HashMap<String, Secret>, bool)>> = const { RefCell::new(None) };
}

/// Reads a configuration whose secrets are `named`; in one that will be kept a secret that stands in it as it is is refused.
pub(crate) fn with_named<T>(named: HashMap<String, Secret>, is_kept: bool, read: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            NAMED.set(None);
        }
    }
    NAMED.set(Some((named, is_kept)));
    let _reset = Reset;
    read()
}

/// Where secrets that a configuration names come from.
#[async_trait]
pub trait Secrets: fmt::Debug + Send + Sync + 'static {
    /// The secret of that name, asked for whenever a connector is built.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when there is none of that name, `Unavailable` when it cannot be had for the moment.
    async fn secret(&self, name: &str) -> Result<Secret>;

    /// Whether a text in a configuration names a secret of this kind.
    fn is_name(&self, text: &str) -> bool;
}

/// Secrets from environment variables (`env:NAME`) and from the first line of files (`file:PATH`).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSecrets;

#[async_trait]
impl Secrets for SystemSecrets {
    async fn secret(&self, name: &str) -> Result<Secret> {
        let missing = |what: &str| Error::new(ErrorKind::ConfigInvalid, format!("the secret {name} {what}"));
        if let Some(variable) = name.strip_prefix("env:") {
            let value = std::env::var(variable);
            return value.map(Secret::new).map_err(|_| missing("is not set in the environment of this process"));
        }
        let Some(path) = name.strip_prefix("file:") else {
            return Err(missing("has no known place: expected env:NAME or file:PATH"));
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| missing("cannot be read from its file").caused_by(error))?;
        text.lines().next().map(Secret::new).ok_or_else(|| missing("is empty in its file"))
    }

    fn is_name(&self, text: &str) -> bool {
        text.starts_with("env:") || text.starts_with("file:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Config {
        user: String,
        key: Secret,
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "[REDACTED]");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn no_error_shows_a_secret_that_is_no_text() {
        let read = |key: &str| toml::from_str::<Config>(&format!("user = 'amy'\nkey = {key}"));
        assert_eq!(read("123456").unwrap().key.expose(), "123456");
        for key in ["1234.56", "true", "1979-05-27", "[1234]"] {
            // toml shows the line that is wrong; its message alone does not.
            let error = read(key).unwrap_err();
            assert!(!error.message().contains("1234") && !error.message().contains("1979"), "{}", error.message());
        }
    }

    #[test]
    fn a_kept_configuration_names_its_secrets() {
        let named = HashMap::from([("env:KEY".to_owned(), Secret::new("hunter2"))]);
        let read = |text: &str| with_named(named.clone(), true, || toml::from_str::<Config>(text));
        let config = read("user = 'env:KEY'\nkey = 'env:KEY'").unwrap();
        assert_eq!((config.user.as_str(), config.key.expose()), ("env:KEY", "hunter2"));
        let refused = read("user = 'amy'\nkey = 'hunter3'").unwrap_err().to_string();
        assert!(refused.contains("must not hold a secret"), "{refused}");
        // Outside, a configuration may hold what it likes.
        assert_eq!(toml::from_str::<Config>("user = 'amy'\nkey = 'hunter3'").unwrap().key.expose(), "hunter3");
    }
}
