//! Statements of T-SQL as statements of the database underneath.

use std::collections::HashMap;

use crate::ddl;
use crate::error::{Outcome, SqlError};
use crate::lexer::{Kind, Node, Token};
use crate::types::Type;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Select,
    Insert,
    Update,
    Delete,
    Define,
}

/// A statement that the database can run.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) verb: Verb,
    pub(crate) sql: String,
    /// The types of the columns of the result, as far as their expressions tell.
    pub(crate) columns: Vec<Option<Type>>,
    /// Types that the text refers to by tables.
    pub(crate) types: Vec<Type>,
    /// Tables as they were written, by their names.
    pub(crate) paths: HashMap<String, String>,
    /// Whether columns of tables may be NULL although they are declared not to be.
    pub(crate) may_be_null: bool,
    /// The words of the text before a point or as an alias: what may stand before a column.
    pub(crate) names: Vec<String>,
    pub(crate) line: u32,
}

/// What a translation needs to know.
pub(crate) struct World<'a> {
    /// The names of the columns of a query, where the database knows them.
    pub(crate) columns: &'a dyn Fn(&str) -> Option<Vec<String>>,
    pub(crate) databases: &'a [String],
    pub(crate) schemas: &'a [String],
    pub(crate) parameters: &'a HashMap<String, Type>,
    /// Values that are known before: `@@SPID` and the like, `DB_NAME()`.
    pub(crate) constants: &'a dyn Fn(&str) -> Option<String>,
}

/// One translation.
pub(crate) struct Translator<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) types: Vec<Type>,
    pub(crate) paths: HashMap<String, String>,
    pub(crate) names: Vec<String>,
    pub(crate) may_be_null: bool,
    /// How often a query may refer to itself; 0 is without end.
    pub(crate) max_recursion: u32,
    /// Whether a query that refers to itself is being written: its expressions keep their types.
    pub(crate) plain_casts: bool,
    /// The queries within whose second part the text is.
    pub(crate) counted_queries: Vec<String>,
}

/// A name as the database quotes it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as the database quotes it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl<'a> Translator<'a> {
    /// Translates one statement that reads or changes tables.
    pub(crate) fn statement(world: &'a World<'a>, nodes: &[Node]) -> Outcome<Translated> {
        let mut this = Self {
            world,
            types: Vec::new(),
            paths: HashMap::new(),
            names: Vec::new(),
            may_be_null: false,
            max_recursion: 100,
            plain_casts: false,
            counted_queries: Vec::new(),
        };
        let line = nodes.first().map_or(1, Node::line);
        let nodes = this.without_options(nodes)?;
        let head = nodes.iter().position(|node| node.is_any(&["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"]));
        let (verb, sql, columns) = match nodes.first() {
            Some(first) if first.is("WITH") => {
                let (with, rest) = this.with(nodes)?;
                match head.and_then(|head| nodes.get(head)) {
                    Some(verb) if verb.is("SELECT") => {
                        let columns = this.column_types(rest);
                        let query = this.body(rest)?;
                        (Verb::Select, format!("{with} {query}"), columns)
                    }
                    _ => {
                        let nodes = through(nodes, rest).unwrap_or_else(|| rest.to_vec());
                        let (verb, sql) = this.change(&nodes)?;
                        (verb, format!("{with} {sql}"), Vec::new())
                    }
                }
            }
            Some(first) if first.is("SELECT") || first.is_query() => {
                if let Some((table, query)) = ddl::select_into(nodes) {
                    let table = this.table_path(&table)?;
                    (Verb::Define, format!("CREATE TABLE {table} AS {}", this.body(&query)?), Vec::new())
                } else {
                    let columns = this.column_types(nodes);
                    (Verb::Select, this.body(nodes)?, columns)
                }
            }
            Some(first) if first.is_any(&["INSERT", "UPDATE", "DELETE"]) => {
                let (verb, sql) = this.change(nodes)?;
                (verb, sql, Vec::new())
            }
            Some(first) if first.is_any(&["CREATE", "DROP", "ALTER", "TRUNCATE"]) => {
                (Verb::Define, this.define(nodes)?, Vec::new())
            }
            Some(first) => return Err(first.unexpected()),
            None => return Err(SqlError::near("", line)),
        };
        Ok(Translated {
            verb,
            sql,
            columns,
            types: this.types,
            paths: this.paths,
            may_be_null: this.may_be_null,
            names: this.names,
            line,
        })
    }

    /// Takes `OPTION (…)` from the end.
    fn without_options<'n>(&mut self, nodes: &'n [Node]) -> Outcome<&'n [Node]> {
        let Some(at) = nodes.iter().position(|node| node.is("OPTION")) else {
            return Ok(nodes);
        };
        let hints = nodes.get(at + 1).and_then(Node::group).ok_or_else(|| nodes[at].unexpected())?;
        if let Some(more) = nodes.get(at + 2) {
            return Err(more.unexpected());
        }
        for pair in hints.windows(2) {
            if let (true, Node::Token(count)) = (pair[0].is("MAXRECURSION"), &pair[1]) {
                let limit = count.text.parse().ok().filter(|limit| *limit <= 32_767);
                self.max_recursion = limit.ok_or_else(|| pair[1].unexpected())?;
            }
        }
        Ok(&nodes[..at])
    }

    /// INSERT, UPDATE or DELETE.
    fn change(&mut self, nodes: &[Node]) -> Outcome<(Verb, String)> {
        let first = nodes.first().ok_or_else(|| SqlError::near("", 1))?;
        if let Some(top) = nodes.get(1).filter(|node| node.is("TOP")) {
            return Err(SqlError::beyond("TOP in a statement that changes rows", top.line()));
        }
        let skip = |word: &str| if nodes.get(1).is_some_and(|node| node.is(word)) { 2 } else { 1 };
        if first.is("INSERT") {
            let nodes = &nodes[skip("INTO")..];
            let (table, length) = self.leading_path(nodes)?;
            let mut rest = &nodes[length..];
            let mut sql = format!("INSERT INTO {table} ");
            if let Some(Node::Group(names, _)) = rest.first().filter(|node| !node.is_query()) {
                sql.push_str(&format!("({}) ", self.emit(names)?));
                rest = &rest[1..];
            }
            if rest.first().is_some_and(|node| node.is("SELECT") || node.is_query()) {
                sql.push_str(&self.body(rest)?);
            } else {
                sql.push_str(&self.emit(rest)?);
            }
            Ok((Verb::Insert, sql))
        } else if first.is("UPDATE") {
            let (table, length) = self.leading_path(&nodes[1..])?;
            Ok((Verb::Update, format!("UPDATE {table} {}", self.emit(&nodes[1 + length..])?)))
        } else if first.is("DELETE") {
            let nodes = &nodes[skip("FROM")..];
            let (table, length) = self.leading_path(nodes)?;
            Ok((Verb::Delete, format!("DELETE FROM {table} {}", self.emit(&nodes[length..])?)))
        } else {
            Err(SqlError::beyond("MERGE", first.line()))
        }
    }

    /// The table that a statement begins with, and how many tokens it is.
    pub(crate) fn leading_path(&mut self, nodes: &[Node]) -> Outcome<(String, usize)> {
        let length = path_length(nodes);
        if length == 0 {
            return Err(nodes.first().map_or_else(|| SqlError::near("", 1), Node::unexpected));
        }
        Ok((self.table_path(&nodes[..length])?, length))
    }

    /// A table's name with what stands before it.
    pub(crate) fn table_path(&mut self, nodes: &[Node]) -> Outcome<String> {
        let parts: Vec<&str> = path_parts(nodes);
        let written = parts.join(".");
        let line = nodes.first().map_or(1, Node::line);
        let unknown = || Err(SqlError::new(208, 16, format!("Invalid object name '{written}'."), line));
        let table = parts.last().copied().unwrap_or_default();
        let known = |list: &[String], name: &str| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        let schema = match &parts[..parts.len() - 1] {
            [] => "dbo",
            [schema] => schema,
            [database, schema] if known(self.world.databases, database) => schema,
            _ => return unknown(),
        };
        let lower = table.to_ascii_lowercase();
        if lower.starts_with("sqlite_") || lower.starts_with("tds_type_") || lower.starts_with("pragma_") {
            return unknown();
        }
        self.paths.insert(lower, written.clone());
        self.names.push(table.to_ascii_lowercase());
        if schema.is_empty() || schema.eq_ignore_ascii_case("dbo") {
            Ok(quote(table))
        } else if known(self.world.schemas, schema) {
            Ok(format!("{}.{}", quote(schema), quote(table)))
        } else {
            unknown()
        }
    }
}

/// DELETE or UPDATE of a named query of one table, as one of the rows of that table: the server changes what is
/// underneath.
fn through(nodes: &[Node], change: &[Node]) -> Option<Vec<Node>> {
    let is_delete = change.first()?.is("DELETE");
    let at = 1 + usize::from(is_delete && change.get(1)?.is("FROM"));
    let target = change.get(at)?.name()?;
    let is_target = |node: &Node| node.name().is_some_and(|name| name.eq_ignore_ascii_case(target));
    let found = nodes.windows(3).find(|part| is_target(&part[0]) && part[1].is("AS") && part[2].is_query())?;
    let query = found[2].group()?;
    let from = query.iter().position(|node| node.is("FROM"))?;
    let length = path_length(&query[from + 1..]);
    let word = |text: &str| Node::Token(Token { kind: Kind::Word, text: text.to_owned(), line: nodes[0].line() });
    let mut rows = vec![word("SELECT"), word("rowid")];
    rows.extend_from_slice(&query[from..]);
    let mut result = change[..at].to_vec();
    result.extend_from_slice(&query[from + 1..=from + length]);
    let mut rest = change[at + 1..].to_vec();
    match rest.iter().position(|node| node.is("WHERE")) {
        Some(condition) => {
            rest.insert(condition + 1, word("AND"));
            rest.insert(condition + 1, Node::Group(rows, nodes[0].line()));
            rest.insert(condition + 1, word("IN"));
            rest.insert(condition + 1, word("rowid"));
        }
        None => rest.extend([word("WHERE"), word("rowid"), word("IN"), Node::Group(rows, nodes[0].line())]),
    }
    result.extend(rest);
    Some(result)
}

/// How many tokens a name with points is: `a`, `a.b`, `a..b`.
pub(crate) fn path_length(nodes: &[Node]) -> usize {
    if nodes.first().is_none_or(|node| node.name().is_none()) {
        return 0;
    }
    let mut length = 1;
    while nodes.get(length).is_some_and(|node| node.is_symbol(".")) {
        let mut next = length + 1;
        while nodes.get(next).is_some_and(|node| node.is_symbol(".")) {
            next += 1;
        }
        let is_part = |node: &Node| node.name().is_some() || node.word().is_some() || node.is_symbol("*");
        if !nodes.get(next).is_some_and(is_part) {
            break;
        }
        length = next + 1;
    }
    length
}

/// The names of a path; empty ones where points follow each other.
pub(crate) fn path_parts(nodes: &[Node]) -> Vec<&str> {
    let mut parts = vec![];
    let mut current = "";
    for node in nodes {
        if node.is_symbol(".") {
            parts.push(current);
            current = "";
        } else {
            current = node.name().or_else(|| node.word()).unwrap_or("*");
        }
    }
    parts.push(current);
    parts
}
