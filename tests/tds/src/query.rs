//! Queries: their parts, their limits, and queries within queries.

use crate::error::{Outcome, SqlError};
use crate::lexer::{Kind, Node, commas};
use crate::translate::{Translator, path_parts, quote};
use crate::types::Type;

/// The words that end the list of what a query selects.
const CLAUSES: [&str; 8] = ["FROM", "WHERE", "GROUP", "HAVING", "ORDER", "UNION", "EXCEPT", "INTERSECT"];

/// How a column is called that SQL Server gives no name.
pub(crate) const UNNAMED: &str = "tds_unnamed";

/// A SELECT without set operators, cut into its pieces.
pub(crate) struct Pieces<'n> {
    distinct: Option<&'n Node>,
    top: Option<&'n Node>,
    pub(crate) items: &'n [Node],
    /// From `FROM` on.
    pub(crate) rest: &'n [Node],
}

impl Translator<'_> {
    /// What is in parentheses: a query, in its place `of` where that has a name.
    pub(crate) fn inner(&mut self, nodes: &[Node], of: Option<&str>) -> Outcome<String> {
        let Some(first) = nodes.first() else {
            return Err(SqlError::near(")", 1));
        };
        if first.is("WITH") {
            return Err(SqlError::near("WITH", first.line()));
        }
        if let Some(option) = nodes.iter().find(|node| node.is("OPTION")) {
            return Err(option.unexpected());
        }
        let ordered = nodes.windows(2).find(|pair| pair[0].is("ORDER") && pair[1].is("BY"));
        let has_top = || pieces(nodes).is_ok_and(|pieces| pieces.top.is_some());
        if let Some(order) = ordered.filter(|_| !nodes.iter().any(|node| node.is("OFFSET")) && !has_top()) {
            let message = "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and \
                common table expressions, unless TOP, OFFSET or FOR XML is also specified.";
            return Err(SqlError::new(1033, 15, message, order[0].line()));
        }
        let sql = self.body(nodes)?;
        if let Some(of) = of {
            self.check_names(nodes, &sql, of)?;
        }
        Ok(sql)
    }

    /// Each column of a table must have a name of its own.
    fn check_names(&mut self, nodes: &[Node], sql: &str, of: &str) -> Outcome<()> {
        let line = nodes.first().map_or(1, Node::line);
        let mut names: Vec<String> = Vec::new();
        let items = if nodes[0].is("SELECT") { commas(pieces(nodes)?.items) } else { Vec::new() };
        for (index, item) in items.iter().enumerate() {
            match item_name(item) {
                Some(name) => names.push(name),
                None => {
                    let message = format!("No column name was specified for column {} of '{of}'.", index + 1);
                    return Err(SqlError::new(8155, 16, message, line));
                }
            }
        }
        let names = (self.world.columns)(sql).unwrap_or_else(|| {
            names.retain(|name| name != "*");
            names
        });
        for (index, name) in names.iter().enumerate() {
            if names[..index].iter().any(|other| other.eq_ignore_ascii_case(name)) {
                let message = format!("The column '{name}' was specified multiple times for '{of}'.");
                return Err(SqlError::new(8156, 16, message, line));
            }
        }
        Ok(())
    }

    /// A query without WITH: SELECTs between set operators, an order, a limit.
    pub(crate) fn body(&mut self, nodes: &[Node]) -> Outcome<String> {
        if let Some(with) = nodes.first().filter(|node| node.is("FOR")) {
            return Err(with.unexpected());
        }
        if let Some(at) = nodes.windows(2).position(|pair| pair[0].is("FOR") && pair[1].name().is_some()) {
            return Err(SqlError::beyond("FOR XML or FOR JSON", nodes[at].line()));
        }
        let order = nodes.windows(2).position(|pair| pair[0].is("ORDER") && pair[1].is("BY"));
        let (selects, order) = nodes.split_at(order.unwrap_or(nodes.len()));
        let mut parts = Vec::new();
        let mut start = 0;
        for (at, node) in selects.iter().enumerate() {
            if node.is_any(&["UNION", "EXCEPT", "INTERSECT"]) {
                parts.push((start, at));
                start = at;
            }
        }
        parts.push((start, selects.len()));
        let is_compound = parts.len() > 1;
        self.may_be_null |= is_compound;
        let mut sql = String::new();
        let mut limit = None;
        for (from, to) in parts {
            let mut part = &selects[from..to];
            if from > 0 {
                let all = part.get(1).is_some_and(|node| node.is("ALL"));
                sql.push_str(&format!(" {} ", part[0].word().unwrap_or_default()));
                sql.push_str(if all { "ALL " } else { "" });
                part = &part[1 + usize::from(all)..];
            }
            if let [Node::Group(inner, _)] = part {
                sql.push_str(&format!("SELECT * FROM ({})", self.body(inner)?));
                continue;
            }
            let (text, top) = self.select(part)?;
            match top {
                Some(top) if is_compound => sql.push_str(&format!("SELECT * FROM ({text} LIMIT {top})")),
                top => {
                    sql.push_str(&text);
                    limit = top;
                }
            }
        }
        sql.push_str(&self.order(order, limit)?);
        Ok(sql)
    }

    /// ORDER BY with OFFSET and FETCH, and the limit of TOP.
    fn order(&mut self, nodes: &[Node], top: Option<String>) -> Outcome<String> {
        let offset = nodes.iter().position(|node| node.is("OFFSET"));
        let (order, offset) = nodes.split_at(offset.unwrap_or(nodes.len()));
        let order = if order.is_empty() { String::new() } else { format!(" {}", self.emit(order)?) };
        let [keyword, count, rows, fetch @ ..] = offset else {
            if let Some(keyword) = offset.first() {
                return Err(keyword.unexpected());
            }
            return Ok(top.map_or(order.clone(), |top| format!("{order} LIMIT {top}")));
        };
        if top.is_some() {
            let message = "A TOP can not be used in the same query or sub-query as a OFFSET.";
            return Err(SqlError::new(10741, 15, message, keyword.line()));
        }
        if !rows.is_any(&["ROWS", "ROW"]) {
            return Err(rows.unexpected());
        }
        let skipped = self.emit(std::slice::from_ref(count))?;
        match fetch {
            [] => Ok(format!("{order} LIMIT -1 OFFSET {skipped}")),
            [fetch, next, count, rows, only]
                if fetch.is("FETCH")
                    && next.is_any(&["NEXT", "FIRST"])
                    && rows.is_any(&["ROWS", "ROW"])
                    && only.is("ONLY") =>
            {
                Ok(format!("{order} LIMIT {} OFFSET {skipped}", self.emit(std::slice::from_ref(count))?))
            }
            [other, ..] => Err(other.unexpected()),
        }
    }

    /// One SELECT and the limit of its TOP.
    fn select(&mut self, nodes: &[Node]) -> Outcome<(String, Option<String>)> {
        let pieces = pieces(nodes)?;
        let mut sql = "SELECT ".to_owned();
        if let Some(distinct) = pieces.distinct {
            sql.push_str(&format!("{} ", distinct.word().unwrap_or_default()));
        }
        let mut items = Vec::new();
        for item in commas(pieces.items) {
            items.push(self.item(item)?);
        }
        sql.push_str(&items.join(", "));
        if let Some(into) = pieces.items.iter().find(|node| node.is("INTO")) {
            return Err(into.unexpected());
        }
        if !pieces.rest.is_empty() {
            sql.push(' ');
            sql.push_str(&self.emit(pieces.rest)?);
        }
        let top = match pieces.top {
            None => None,
            Some(count) => Some(self.emit(std::slice::from_ref(count))?),
        };
        Ok((sql, top))
    }

    /// One of the things that a query selects.
    pub(crate) fn item(&mut self, nodes: &[Node]) -> Outcome<String> {
        if let [name, equals, value @ ..] = nodes
            && let (Some(name), true, false) = (name.name(), equals.is_symbol("="), value.is_empty())
        {
            return Ok(format!("{} AS {}", self.value(value)?, quote(name)));
        }
        let (value, alias) = split_alias(nodes);
        let sql = self.value(value)?;
        Ok(match alias {
            Some(alias) => format!("{sql} AS {}", quote(alias)),
            None if item_name(nodes).is_none() => format!("{sql} AS {UNNAMED}"),
            None => sql,
        })
    }

    /// An expression whose type the database is to tell, where the expression does: a query of one value whose last
    /// part, which has no rows, names a column of that type.
    fn value(&mut self, nodes: &[Node]) -> Outcome<String> {
        let sql = self.emit(nodes)?;
        let is_cast = nodes.first().is_some_and(|node| {
            node.is_any(&[
                "CAST",
                "CONVERT",
                "TRY_CAST",
                "TRY_CONVERT",
                "DATEDIFF",
                "DATEADD",
                "GETDATE",
                "SYSDATETIME",
            ])
        });
        let has_count = sql.to_ascii_uppercase().contains("COUNT");
        match self.type_of(nodes) {
            Some(kind) if is_cast && nodes.len() == 2 && !has_count && !self.plain_casts => {
                if !self.types.contains(&kind) {
                    self.types.push(kind);
                }
                Ok(format!("(SELECT {sql} UNION ALL SELECT v FROM {} WHERE 0)", type_table(kind)))
            }
            _ => Ok(sql),
        }
    }

    /// The types of what a query selects, as far as the expressions tell.
    pub(crate) fn column_types(&self, nodes: &[Node]) -> Vec<Option<Type>> {
        let Ok(pieces) = pieces(nodes) else {
            return Vec::new();
        };
        let items = commas(pieces.items);
        if items.iter().any(|item| item.last().is_some_and(|node| node.is_symbol("*"))) {
            return Vec::new();
        }
        let kind = |item: &&[Node]| match *item {
            [name, equals, value @ ..] if name.name().is_some() && equals.is_symbol("=") => self.type_of(value),
            _ => self.type_of(split_alias(item).0),
        };
        items.iter().map(kind).collect()
    }
}

/// The table whose only column has a type.
pub(crate) fn type_table(kind: Type) -> String {
    quote(&format!("tds_type_{}", kind.name()))
}

/// The pieces of a SELECT.
pub(crate) fn pieces(nodes: &[Node]) -> Outcome<Pieces<'_>> {
    let Some(first) = nodes.first() else {
        return Err(SqlError::near(")", 1));
    };
    if !first.is("SELECT") {
        return Err(first.unexpected());
    }
    let mut at = 1;
    let distinct = nodes.get(at).filter(|node| node.is_any(&["DISTINCT", "ALL"]));
    at += usize::from(distinct.is_some());
    let mut top = None;
    if nodes.get(at).is_some_and(|node| node.is("TOP")) {
        top = nodes.get(at + 1);
        at += 2;
        if let Some(more) = nodes.get(at).filter(|node| node.is_any(&["PERCENT", "WITH"])) {
            return Err(SqlError::beyond("PERCENT or WITH TIES after TOP", more.line()));
        }
    }
    let body = nodes.get(at..).unwrap_or_default();
    let end = body.iter().position(|node| node.is_any(&CLAUSES)).unwrap_or(body.len());
    let (items, rest) = body.split_at(end);
    if commas(items).iter().any(|item| item.is_empty()) {
        let next = rest.first().or(items.last()).unwrap_or(first);
        return Err(next.unexpected());
    }
    Ok(Pieces { distinct, top, items, rest })
}

/// An expression and the name after it.
fn split_alias(nodes: &[Node]) -> (&[Node], Option<&str>) {
    let alias = |node: &'_ Node| matches!(node, Node::Token(token) if token.kind == Kind::Text);
    match nodes {
        [value @ .., keyword, name] if keyword.is("AS") && !value.is_empty() => match name {
            Node::Token(token) if alias(name) || name.name().is_some() => (value, Some(&token.text)),
            _ => (nodes, None),
        },
        [value @ .., before, name] => {
            let ends = match before {
                Node::Group(..) => true,
                Node::Token(token) => match token.kind {
                    Kind::Symbol => false,
                    Kind::Word => before.name().is_some() || before.is_any(&["END", "NULL"]),
                    _ => true,
                },
            };
            match (ends, name.name()) {
                (true, Some(name)) => (&nodes[..=value.len()], Some(name)),
                _ => (nodes, None),
            }
        }
        _ => (nodes, None),
    }
}

/// The name of a column: `None` where it has none, `*` for all.
pub(crate) fn item_name(nodes: &[Node]) -> Option<String> {
    if let [name, equals, _, ..] = nodes
        && let (Some(name), true) = (name.name(), equals.is_symbol("="))
    {
        return Some(name.to_owned());
    }
    if let (_, Some(alias)) = split_alias(nodes) {
        return Some(alias.to_owned());
    }
    let is_path = nodes.iter().enumerate().all(|(index, node)| {
        if index % 2 == 1 { node.is_symbol(".") } else { node.name().is_some() || node.is_symbol("*") }
    });
    (is_path && nodes.len() % 2 == 1).then(|| path_parts(nodes).last().map(ToString::to_string)).flatten()
}
