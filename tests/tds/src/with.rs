//! Named queries before a statement, also those that refer to themselves.

use crate::error::{Outcome, SqlError};
use crate::lexer::{Kind, Node, commas};
use crate::query::{item_name, pieces};
use crate::translate::{Translator, path_parts, quote};

impl Translator<'_> {
    /// WITH and its queries, and what follows.
    pub(crate) fn with<'n>(&mut self, nodes: &'n [Node]) -> Outcome<(String, &'n [Node])> {
        let mut rest = &nodes[1..];
        let mut queries = Vec::new();
        loop {
            let unexpected = |at: usize| Err(rest.get(at).map_or_else(|| SqlError::near("WITH", 1), Node::unexpected));
            let Some(name) = rest.first().and_then(Node::name) else {
                return unexpected(0);
            };
            let list = rest.get(1).and_then(Node::group);
            let at = 1 + usize::from(list.is_some());
            if !rest.get(at).is_some_and(|node| node.is("AS")) {
                return unexpected(at);
            }
            let Some(query) = rest.get(at + 1).and_then(Node::group) else {
                return unexpected(at + 1);
            };
            self.names.push(name.to_ascii_lowercase());
            queries.push(if mentions(query, name) {
                self.recursive(name, list, query)?
            } else {
                let sql = self.inner(query, list.is_none().then_some(name))?;
                let list = match list {
                    Some(list) => format!("({})", self.emit(list)?),
                    None => String::new(),
                };
                format!("{}{list} AS ({sql})", quote(name))
            });
            rest = &rest[at + 2..];
            match rest.first() {
                Some(comma) if comma.is_symbol(",") => rest = &rest[1..],
                Some(_) => return Ok((format!("WITH {}", queries.join(", ")), rest)),
                None => return Err(SqlError::near(")", nodes[0].line())),
            }
        }
    }

    /// A query that refers to itself: a column more counts how often.
    fn recursive(&mut self, name: &str, list: Option<&[Node]>, query: &[Node]) -> Outcome<String> {
        let cut = query.windows(2).position(|pair| pair[0].is("UNION") && pair[1].is("ALL"));
        let (Some(cut), true) = (cut, query[0].is("SELECT")) else {
            let message =
                format!("Recursive common table expression '{name}' does not contain a top-level UNION ALL operator.");
            return Err(SqlError::new(252, 16, message, query[0].line()));
        };
        let (anchor, step) = (&query[..cut], &query[cut + 2..]);
        let names: Vec<String> = match list {
            Some(list) => commas(list).iter().map(|part| path_parts(part).join(".")).collect(),
            None => commas(pieces(anchor)?.items).iter().map(|item| item_name(item).unwrap_or_default()).collect(),
        };
        if let Some(at) = names.iter().position(String::is_empty) {
            let message = format!("No column name was specified for column {} of '{name}'.", at + 1);
            return Err(SqlError::new(8155, 16, message, query[0].line()));
        }
        let count = match self.max_recursion {
            0 => "tds_depth + 1".to_owned(),
            limit => format!("tds_deeper(tds_depth, {limit})"),
        };
        let plain_casts = std::mem::replace(&mut self.plain_casts, true);
        let anchor = self.counted(anchor, "0")?;
        self.counted_queries.push(name.to_ascii_lowercase());
        let step = self.counted(step, &count);
        self.counted_queries.pop();
        self.plain_casts = plain_casts;
        let names = names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let own = counted_name(name);
        let name = quote(name);
        let query = format!("{own} ({names}, tds_depth) AS ({anchor} UNION ALL {})", step?);
        Ok(format!("{query}, {name} ({names}) AS (SELECT {names} FROM {own})"))
    }

    /// A SELECT with one value more.
    fn counted(&mut self, nodes: &[Node], count: &str) -> Outcome<String> {
        let pieces = pieces(nodes)?;
        let mut items = Vec::new();
        for item in commas(pieces.items) {
            items.push(self.item(item)?);
        }
        Ok(format!("SELECT {}, {count} {}", items.join(", "), self.emit(pieces.rest)?))
    }
}

/// The name of a query that refers to itself, with the column that counts.
pub(crate) fn counted_name(name: &str) -> String {
    quote(&format!("tds_counted_{name}"))
}

fn mentions(nodes: &[Node], name: &str) -> bool {
    nodes.iter().any(|node| match node {
        Node::Group(inner, _) => mentions(inner, name),
        Node::Token(token) => matches!(token.kind, Kind::Word | Kind::Quoted) && token.text.eq_ignore_ascii_case(name),
    })
}
