//! `SET …`, and what the server knows of itself.

use std::time::Duration;

use crate::error::{Outcome, SqlError};
use crate::lexer::Node;
use crate::session::Session;
use crate::tokens::{BUILD_TEXT, NAME, PRODUCT};
use crate::translate::literal;

/// Options that are taken and change nothing here.
const TAKEN: &str = " ANSI_DEFAULTS ANSI_NULLS ANSI_NULL_DFLT_ON ANSI_NULL_DFLT_OFF ANSI_PADDING ANSI_WARNINGS ARITHABORT \
    ARITHIGNORE CONCAT_NULL_YIELDS_NULL CONTEXT_INFO CURSOR_CLOSE_ON_COMMIT DATEFIRST DATEFORMAT DEADLOCK_PRIORITY \
    FORCEPLAN IMPLICIT_TRANSACTIONS LANGUAGE NOCOUNT NUMERIC_ROUNDABORT QUERY_GOVERNOR_COST_LIMIT QUOTED_IDENTIFIER \
    ROWCOUNT STATISTICS TEXTSIZE XACT_ABORT ";

impl Session<'_> {
    /// Does `SET …`.
    pub(crate) fn set(&mut self, nodes: &[Node]) -> Outcome<()> {
        let line = nodes[0].line();
        let is_on = nodes.last().is_some_and(|node| node.is("ON"));
        let words: Vec<String> = nodes.iter().filter_map(Node::word).map(str::to_ascii_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["SET", "FMTONLY", "ON" | "OFF"] => self.only_describes = is_on,
            ["SET", "NOEXEC" | "PARSEONLY", "ON" | "OFF"] => self.only_compiles = is_on,
            ["SET", "SHOWPLAN_XML" | "SHOWPLAN_ALL" | "SHOWPLAN_TEXT", "OFF"] => {}
            ["SET", "SHOWPLAN_XML" | "SHOWPLAN_ALL" | "SHOWPLAN_TEXT", ..] => {
                let message = format!("SHOWPLAN permission denied in database '{}'.", self.database);
                return Err(SqlError { state: 4, ..SqlError::new(262, 14, message, line) });
            }
            ["SET", "LOCK_TIMEOUT"] => {
                let is_negative = nodes.iter().any(|node| node.is_symbol("-"));
                let number = match nodes.last() {
                    Some(Node::Token(token)) => {
                        token.text.parse::<u64>().map_err(|_| SqlError::near(&token.text, line))?
                    }
                    _ => return Err(SqlError::near("LOCK_TIMEOUT", line)),
                };
                let time = Duration::from_millis(if is_negative { 3_600_000 } else { number });
                self.connection.busy_timeout(time).map_err(|error| SqlError::beyond(&error.to_string(), line))?;
            }
            ["SET", "TRANSACTION", "ISOLATION", "LEVEL", level @ ..] => {
                let known = matches!(
                    level,
                    ["READ", "UNCOMMITTED" | "COMMITTED"] | ["REPEATABLE", "READ"] | ["SNAPSHOT" | "SERIALIZABLE"]
                );
                if !known {
                    return Err(SqlError::near(level.first().unwrap_or(&"LEVEL"), line));
                }
            }
            ["SET", option, ..] if TAKEN.contains(&format!(" {option} ")) => {}
            ["SET", option, ..] => {
                return Err(SqlError::new(195, 15, format!("'{option}' is not a recognized SET option."), line));
            }
            _ => return Err(SqlError::near("SET", line)),
        }
        Ok(())
    }

    /// The SQL text of a value that the server knows.
    pub(crate) fn constant(&self, name: &str) -> Option<String> {
        Some(match name.to_ascii_uppercase().as_str() {
            "@@VERSION" => literal(PRODUCT),
            "@@SPID" => self.process.to_string(),
            "@@TRANCOUNT" => self.depth.to_string(),
            "@@ROWCOUNT" => self.last_count.to_string(),
            "@@ERROR" => self.last_error.to_string(),
            "@@SERVERNAME" => literal(NAME),
            "@@LANGUAGE" => literal("us_english"),
            "@@MICROSOFTVERSION" => "251662445".into(),
            "@@MAX_PRECISION" => "38".into(),
            "@@LOCK_TIMEOUT" => "-1".into(),
            "@@OPTIONS" => "5496".into(),
            "DB_NAME" => literal(&self.database),
            "SUSER_SNAME" | "SUSER_NAME" | "ORIGINAL_LOGIN" => literal(&self.user.name),
            "USER_NAME" => literal("dbo"),
            "HOST_NAME" => literal(&self.host),
            "APP_NAME" => literal(&self.application),
            "SERVERPROPERTY" => literal(BUILD_TEXT),
            _ => return None,
        })
    }
}
