//! The names of agents, from the configuration database.

use std::collections::HashMap;

use injixo_connector_sql::Adapter;
use injixo_connector_sql::database::{Dialect, Statement};
use injixo_core::{Error, Result};

use super::config::EngageConfig;
use super::mart::{Names, find};

/// The user names of agents by their numbers.
#[derive(Debug, Default)]
pub(crate) struct People {
    names: HashMap<i64, String>,
    /// Whether the configuration database has people at all.
    pub(crate) are_known: bool,
}

impl People {
    /// Reads them; none where the configuration database has no people or may not be read.
    pub(crate) async fn read(config: &EngageConfig) -> Result<Self> {
        let mut connection = config.connection.clone();
        // In the same database the tables are called as the others are.
        let (mut schema, mut prefix) = (config.schema.as_deref(), config.prefix.as_str());
        if let Some(database) = &config.configuration_database {
            (schema, prefix) = (None, "");
            if connection.adapter == Adapter::Sqlite {
                connection.file = Some(database.into());
            } else {
                connection.database.clone_from(database);
            }
        }
        let names = Names::new(config.configuration_schema.as_deref().or(schema), prefix);
        let found = find(&connection, &names, "CFG_PERSON").await;
        let found = found.map_err(|error| match &config.configuration_database {
            Some(_) => Error::new(error.kind(), format!("configuration_database: {error}")),
            None => error,
        });
        let Some((mut session, names, _)) = found? else {
            return Ok(Self::default());
        };
        let mut people = HashMap::new();
        let select = people_of(session.dialect(), &names);
        let each = |cells: &[injixo_connector_sql::database::Cell<'_>]| {
            if let [dbid, name] = cells
                && let (Some(dbid), Some(name)) = (dbid.whole(), name.text())
            {
                people.insert(dbid, name.to_owned());
            }
        };
        session.each(&select, each).await?;
        Ok(Self { names: people, are_known: true })
    }

    /// The user name of a number.
    pub(crate) fn name(&self, dbid: Option<i64>) -> Option<&str> {
        self.names.get(&dbid?).map(String::as_str)
    }
}

/// Everybody, also those who are no agents any more: history names them.
pub(crate) fn people_of(dialect: Dialect, names: &Names) -> Statement {
    let mut select = Statement::new(dialect);
    select.push(&format!("SELECT p.DBID, p.USER_NAME FROM {} p", names.table("CFG_PERSON")));
    select
}
