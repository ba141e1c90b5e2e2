//! Statements that make and drop tables.

use std::fmt::Write as _;

use crate::emit::written_type;
use crate::error::{Outcome, SqlError};
use crate::lexer::{Node, commas};
use crate::translate::{Translator, path_length, quote};
use crate::types::Type;

/// The table of `SELECT … INTO table FROM …`, and the query without it.
pub(crate) fn select_into(nodes: &[Node]) -> Option<(Vec<Node>, Vec<Node>)> {
    let at = nodes.iter().position(|node| node.is("INTO"))?;
    let length = path_length(&nodes[at + 1..]);
    let mut query = nodes[..at].to_vec();
    query.extend_from_slice(&nodes[at + 1 + length..]);
    (length > 0).then(|| (nodes[at + 1..=at + length].to_vec(), query))
}

impl Translator<'_> {
    pub(crate) fn define(&mut self, nodes: &[Node]) -> Outcome<String> {
        let line = nodes[0].line();
        match nodes {
            [create, table, rest @ ..] if create.is("CREATE") && table.is("TABLE") => {
                let (name, length) = self.leading_path(rest)?;
                let columns = rest.get(length).and_then(Node::group).ok_or_else(|| SqlError::near("TABLE", line))?;
                let columns: Outcome<Vec<String>> = commas(columns).into_iter().map(|part| self.column(part)).collect();
                Ok(format!("CREATE TABLE {name} ({})", columns?.join(", ")))
            }
            [create, view, rest @ ..] if create.is("CREATE") && view.is("VIEW") => {
                let (name, length) = self.leading_path(rest)?;
                match rest.get(length) {
                    Some(word) if word.is("AS") => {
                        Ok(format!("CREATE VIEW {name} AS {}", self.inner(&rest[length + 1..], Some("view"))?))
                    }
                    _ => Err(SqlError::near("VIEW", line)),
                }
            }
            [drop, kind, rest @ ..] if drop.is("DROP") && kind.is_any(&["TABLE", "VIEW"]) => {
                let if_exists = rest.len() > 2 && rest[0].is("IF") && rest[1].is("EXISTS");
                let rest = if if_exists { &rest[2..] } else { rest };
                let (name, length) = self.leading_path(rest)?;
                if let Some(more) = rest.get(length) {
                    return Err(more.unexpected());
                }
                let condition = if if_exists { "IF EXISTS " } else { "" };
                Ok(format!("DROP {} {condition}{name}", kind.word().unwrap_or_default()))
            }
            [truncate, table, rest @ ..] if truncate.is("TRUNCATE") && table.is("TABLE") => {
                Ok(format!("DELETE FROM {}", self.leading_path(rest)?.0))
            }
            _ => Err(SqlError::beyond("this statement", line)),
        }
    }

    /// The definition of a column or a constraint.
    fn column(&mut self, nodes: &[Node]) -> Outcome<String> {
        let Some(name) = nodes.first().and_then(Node::name) else {
            return self.emit(nodes);
        };
        let mut length = 2;
        while nodes.get(length).is_some_and(|node| node.group().is_some()) {
            length += 1;
        }
        let written = written_type(nodes.get(1..length).unwrap_or_default());
        if Type::parse(&written).is_none() {
            let message = format!("Column, parameter, or variable #1: Cannot find data type {written}.");
            return Err(SqlError::new(2715, 16, message, nodes[0].line()));
        }
        let mut text = format!("{} {}", quote(name), stored_type(&written));
        let mut rest = nodes.get(length..).unwrap_or_default();
        while let Some(node) = rest.first() {
            if node.is("IDENTITY") {
                let skipped = 1 + usize::from(rest.get(1).is_some_and(|node| node.group().is_some()));
                rest = &rest[skipped..];
                continue;
            }
            let _ = write!(text, " {}", self.emit(std::slice::from_ref(node))?);
            rest = &rest[1..];
        }
        Ok(text)
    }
}

/// A type as the database takes it: quoted where `max` is in it.
fn stored_type(written: &str) -> String {
    if written.to_ascii_lowercase().contains("max") { quote(written) } else { written.to_owned() }
}

/// Lets the database take `nvarchar(max)` in statements of its own.
pub(crate) fn with_quoted_max(sql: &str) -> String {
    let lower = sql.to_ascii_lowercase();
    if !lower.contains("(max)") {
        return sql.to_owned();
    }
    let mut out = String::new();
    let mut done = 0;
    for (at, found) in lower.match_indices("(max)") {
        let start = lower[done..at]
            .rfind(|letter: char| !letter.is_ascii_alphanumeric())
            .map_or(done, |space| done + space + 1);
        if matches!(&lower[start..at], "nvarchar" | "varchar" | "varbinary") {
            let end = at + found.len();
            let _ = write!(out, "{}\"{}\"", &sql[done..start], &sql[start..end]);
            done = end;
        }
    }
    out.push_str(&sql[done..]);
    out
}
