//! Connector contract, time zones, aggregation and stores for contact-centre data.

pub mod zone;

mod error;
mod facts;

pub use injixo_model as model;

pub use crate::error::{Error, ErrorKind, Result};
