//! Connectors that bring contact-centre data into workforce management.

pub use injixo_core as core;

#[cfg(feature = "csv")]
pub use injixo_connector_csv as csv;
