use std::path::Path;
use std::sync::Arc;

use injixo_connectors::core::connector::{Connector, Registry};
use injixo_connectors::core::{Error, ErrorKind, SystemSecrets};

/// The connector that a file names by `connector = "KIND"`, built from its other keys; secrets may stand in it by name.
///
/// # Errors
///
/// `ConfigInvalid` when the file cannot be read, names no connector that this program knows, or configures it wrongly.
pub async fn connector_from_file(registry: &Registry, path: &str) -> Result<Arc<dyn Connector>, Error> {
    let wrong = |message: String| Error::new(ErrorKind::ConfigInvalid, message).with("file", Path::new(path).display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("the file cannot be read: {error}")))?;
    let mut table: toml::Table = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
    let Some(toml::Value::String(kind)) = table.remove("connector") else {
        let known: Vec<&str> = registry.kinds().collect();
        let message = format!("connector: missing: name the kind of connector, one of {}", known.join(", "));
        return Err(wrong(message));
    };
    registry.build_with(&kind, &table.to_string(), &SystemSecrets).await
}
