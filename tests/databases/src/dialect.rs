//! Which database the SQL text is for, and how its tables are called there.

/// A family of databases that reads the same SQL text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// Whether identifiers are written in upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// `START_TS`.
    Upper,
    /// `start_ts`.
    #[default]
    Lower,
}

/// How tables and columns are called.
///
/// Identifiers are never quoted, as in the SQL that is usual for these databases: PostgreSQL folds them to lower case
/// whatever is asked for here, SQLite keeps and reports the case, MySQL on Linux tells tables apart by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    schema: Option<String>,
    prefix: String,
    case: Case,
    later_columns: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self { schema: None, prefix: String::new(), case: Case::default(), later_columns: true }
    }
}

impl Names {
    /// Puts the tables into a schema, which the statements that make the tables make first (SQLite has none: attach a
    /// database of that name).
    pub fn in_schema(mut self, schema: &str) -> Self {
        self.schema = Some(schema.to_owned());
        self
    }

    /// Lets the name of each table begin with these letters.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Chooses the case of identifiers; lower case unless told.
    pub fn case(mut self, case: Case) -> Self {
        self.case = case;
        self
    }

    /// Whether tables have the columns that later releases added, as they do unless told: a reader must do without.
    pub fn later_columns(mut self, later_columns: bool) -> Self {
        self.later_columns = later_columns;
        self
    }

    /// The statement that makes the schema.
    pub(crate) fn create_schema(&self, dialect: Dialect) -> Option<String> {
        match dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres | Dialect::MySql => {
                self.schema.as_ref().map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {}", self.cased(schema)))
            }
        }
    }

    pub(crate) fn has_later_columns(&self) -> bool {
        self.later_columns
    }

    /// A table's name with everything that goes before it.
    pub(crate) fn table(&self, name: &str) -> String {
        let name = self.cased(&format!("{}{name}", self.prefix));
        match &self.schema {
            Some(schema) => format!("{}.{name}", self.cased(schema)),
            None => name,
        }
    }

    /// A table's name without its schema, for the names of indexes.
    pub(crate) fn bare(&self, name: &str) -> String {
        self.cased(&format!("{}{name}", self.prefix))
    }

    pub(crate) fn cased(&self, name: &str) -> String {
        match self.case {
            Case::Upper => name.to_uppercase(),
            Case::Lower => name.to_lowercase(),
        }
    }
}
