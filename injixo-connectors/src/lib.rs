//! Connectors that bring contact-centre data into workforce management, one feature each, and the engine that runs them.
//!
//! **Hosts** depend on this crate alone: [`core`] holds the engine and its stores. **Partners** who write a connector
//! depend on `injixo-core` and `injixo-model` instead and register it beside these.
//!
//! # Features
//!
//! | name | description | default |
//! | --- | --- | --- |
//! | `api` | receiving by the injixo API | no |
//! | `api-send` | sending by the injixo API | no |
//! | `csv` | CSV files and folders | no |
//! | `csv-sql-mapping` | contact data from CSV files by a user's `SELECT` | no |
//! | `five9` | Five9 | no |
//! | `sql` | databases by a user's `SELECT`; needs at least one of the next five | no |
//! | `sql-postgres` | PostgreSQL databases | no |
//! | `sql-mysql` | MySQL and MariaDB databases | no |
//! | `sql-sqlite` | SQLite databases | no |
//! | `sql-mssql` | Microsoft SQL Server | no |
//! | `sql-odbc` | databases with a driver of ODBC; links `libodbc` | no |
//! | `genesys-cloud` | Genesys Cloud | no |
//! | `genesys-engage` | Genesys Engage from its databases; needs a database too | no |
//! | `sikom` | Sikom by a mapping of its tables; needs a database too | no |
//! | `vonage` | Vonage Contact Center | no |
//! | `sqlite` | the store in one SQLite file | no |
//! | `postgres` | the store in a PostgreSQL database | no |
//! | `full` | all of these but `sql-odbc` | no |

pub use injixo_core as core;

#[cfg(feature = "api")]
pub use injixo_connector_api as api;
#[cfg(feature = "csv")]
pub use injixo_connector_csv as csv;
#[cfg(feature = "five9")]
pub use injixo_connector_five9 as five9;
#[cfg(any(feature = "genesys-cloud", feature = "genesys-engage"))]
pub use injixo_connector_genesys as genesys;
#[cfg(feature = "sikom")]
pub use injixo_connector_sikom as sikom;
#[cfg(feature = "sql")]
pub use injixo_connector_sql as sql;
#[cfg(feature = "vonage")]
pub use injixo_connector_vonage as vonage;

/// Every connector of the enabled features.
///
/// ```
/// let kinds: Vec<&str> = injixo_connectors::all().kinds().collect();
/// # #[cfg(all(feature = "api", feature = "csv", feature = "five9", feature = "genesys-cloud", feature = "genesys-engage", feature = "sikom", feature = "vonage"))]
/// assert_eq!(kinds, ["api", "csv", "five9", "genesys-cloud", "genesys-engage", "sikom", "sql", "vonage"]);
/// ```
pub fn all() -> core::connector::Registry {
    let registry = core::connector::Registry::new();
    #[cfg(feature = "api")]
    let registry = registry.with::<api::Api>();
    #[cfg(feature = "csv")]
    let registry = registry.with::<csv::Csv>();
    #[cfg(feature = "five9")]
    let registry = registry.with::<five9::Five9>();
    #[cfg(feature = "genesys-cloud")]
    let registry = registry.with::<genesys::cloud::GenesysCloud>();
    #[cfg(feature = "genesys-engage")]
    let registry = registry.with::<genesys::engage::Engage>();
    #[cfg(feature = "sikom")]
    let registry = registry.with::<sikom::Sikom>();
    #[cfg(feature = "sql")]
    let registry = registry.with::<sql::Sql>();
    #[cfg(feature = "vonage")]
    let registry = registry.with::<vonage::Vonage>();
    registry
}

#[cfg(all(doctest, feature = "csv", feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
struct Readme;
