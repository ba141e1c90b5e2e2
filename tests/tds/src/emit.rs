//! Everything between the clauses: names, texts, functions, operators.

use crate::civil;
use crate::error::{Outcome, SqlError};
use crate::lexer::{Kind, Node, Token, commas};
use crate::translate::{Translator, literal, path_length, path_parts, quote};
use crate::types::Type;
use crate::with::counted_name;
use crate::words;

/// Functions of the server that the database has under another name.
const RENAMED: [(&str, &str); 15] = [
    ("LEFT", "tds_left"),
    ("RIGHT", "tds_right"),
    ("LEN", "tds_len"),
    ("ISNULL", "ifnull"),
    ("COUNT_BIG", "count"),
    ("CEILING", "ceil"),
    ("STRING_AGG", "group_concat"),
    ("YEAR", "tds_year"),
    ("MONTH", "tds_month"),
    ("DAY", "tds_day"),
    ("STDEV", "tds_none"),
    ("NEWID", "tds_newid"),
    ("SUBSTRING", "tds_substring"),
    ("DATALENGTH", "tds_datalength"),
    ("SWITCHOFFSET", "tds_switchoffset"),
];

/// Functions whose values are texts.
const TEXTS: [&str; 11] =
    ["LEFT", "RIGHT", "UPPER", "LOWER", "LTRIM", "RTRIM", "TRIM", "SUBSTRING", "REPLACE", "CONCAT", "DB_NAME"];

/// Functions of the server about itself.
const ABOUT: [&str; 9] = [
    "DB_NAME",
    "SUSER_SNAME",
    "SUSER_NAME",
    "USER_NAME",
    "ORIGINAL_LOGIN",
    "HOST_NAME",
    "APP_NAME",
    "SERVERPROPERTY",
    "DATABASEPROPERTYEX",
];

/// What stands before the node that is written.
struct Before<'n> {
    node: Option<&'n Node>,
    in_from: bool,
    /// The operator before was one that joins texts.
    joins: bool,
}

impl Translator<'_> {
    /// Writes nodes in a row.
    pub(crate) fn emit(&mut self, nodes: &[Node]) -> Outcome<String> {
        let mut out: Vec<String> = Vec::new();
        let mut before = Before { node: None, in_from: false, joins: false };
        let mut at = 0;
        while let Some(node) = nodes.get(at) {
            let (text, length) = self.one(nodes, at, &mut before)?;
            if !text.is_empty() {
                out.push(text);
            }
            at += length;
            before.node = nodes.get(at - 1);
            if node.is_any(&["FROM", "UPDATE"]) {
                before.in_from = true;
            } else if node.is_any(&["WHERE", "GROUP", "ORDER", "HAVING", "SET", "SELECT", "VALUES"]) {
                before.in_from = false;
            }
        }
        Ok(out.join(" "))
    }

    /// Writes what begins at a node; how many nodes that was.
    fn one(&mut self, nodes: &[Node], at: usize, before: &mut Before<'_>) -> Outcome<(String, usize)> {
        let node = &nodes[at];
        let next = nodes.get(at + 1);
        let is_table = before.node.is_some_and(|last| {
            last.is_any(&["FROM", "JOIN", "APPLY", "INTO"]) || (before.in_from && last.is_symbol(","))
        });
        match node {
            Node::Group(inner, line) => {
                if node.is_query() {
                    return self.query_within(nodes, at, is_table);
                }
                if inner.is_empty() {
                    return Err(SqlError::near(")", *line));
                }
                if is_table {
                    // Joined tables in parentheses.
                    let mut all = vec![Node::Token(Token { kind: Kind::Word, text: "FROM".into(), line: *line })];
                    all.extend(inner.iter().cloned());
                    let text = self.emit(&all)?;
                    return Ok((format!("({})", text.trim_start_matches("FROM")), 1));
                }
                Ok((format!("({})", self.emit(inner)?), 1))
            }
            Node::Token(token) => match token.kind {
                Kind::Text => Ok((literal(&canonical(&token.text)), 1)),
                Kind::Number if token.text.starts_with("0x") || token.text.starts_with("0X") => {
                    let digits = &token.text[2..];
                    Ok((format!("x'{}{digits}'", if digits.len() % 2 == 1 { "0" } else { "" }), 1))
                }
                Kind::Number => Ok((token.text.clone(), 1)),
                Kind::Variable => self.variable(token).map(|text| (text, 1)),
                Kind::Symbol => self.symbol(nodes, at, before).map(|text| (text, 1)),
                Kind::Word
                    if next.is_some_and(|next| next.group().is_some())
                        && !is_table
                        && !node.is_any(&["FROM", "JOIN", "APPLY", "SELECT", "WHERE", "BY"]) =>
                {
                    before.joins &= TEXTS.iter().any(|name| node.is(name));
                    self.word_and_group(nodes, at)
                }
                Kind::Word if words::is_keyword(&token.text) => {
                    before.joins = false;
                    self.keyword(nodes, at)
                }
                Kind::Word | Kind::Quoted => self.path(nodes, at, is_table),
            },
        }
    }

    /// A query in parentheses; as a table it needs a name.
    fn query_within(&mut self, nodes: &[Node], at: usize, is_table: bool) -> Outcome<(String, usize)> {
        let inner = nodes[at].group().unwrap_or_default();
        if !is_table {
            self.may_be_null = true;
            return Ok((format!("({})", self.inner(inner, None)?), 1));
        }
        let named = 1 + usize::from(nodes.get(at + 1).is_some_and(|node| node.is("AS")));
        let Some(alias) = nodes.get(at + named) else {
            return Err(SqlError::near(")", nodes[at].line()));
        };
        // What is wrong within is found first.
        let starts_with_query = inner.first().is_some_and(Node::is_query);
        let Some(name) = alias.name() else {
            self.inner(inner, None)?;
            return Err(alias.unexpected());
        };
        self.names.push(name.to_ascii_lowercase());
        if nodes.get(at + named + 1).is_some_and(|node| node.group().is_some()) {
            return Err(SqlError::beyond("names of columns after that of a derived table", alias.line()));
        }
        let sql = if starts_with_query { self.body(inner)? } else { self.inner(inner, Some(name))? };
        Ok((format!("({sql}) AS {}", quote(name)), named + 1))
    }

    fn variable(&mut self, token: &Token) -> Outcome<String> {
        if token.text.starts_with("@@") {
            return (self.world.constants)(&token.text).ok_or_else(|| {
                SqlError::new(137, 15, format!("Must declare the scalar variable \"{}\".", token.text), token.line)
            });
        }
        if !self.world.parameters.contains_key(&token.text.to_ascii_lowercase()) {
            let message = format!("Must declare the scalar variable \"{}\".", token.text);
            return Err(SqlError::new(137, 15, message, token.line));
        }
        Ok(token.text.to_ascii_lowercase())
    }

    fn symbol(&mut self, nodes: &[Node], at: usize, before: &mut Before<'_>) -> Outcome<String> {
        let Node::Token(token) = &nodes[at] else { return Ok(String::new()) };
        match token.text.as_str() {
            "+" => {
                before.joins = before.joins
                    || at.checked_sub(1).is_some_and(|last| self.is_text(nodes, last, false))
                    || self.is_text(nodes, at + 1, true);
                Ok(if before.joins { "||".into() } else { "+".into() })
            }
            "." => Ok(".".into()),
            ":" | "~" | "^" | "]" => Err(SqlError::near(&token.text, token.line)),
            text => {
                before.joins = false;
                Ok(text.to_owned())
            }
        }
    }

    /// Whether a text stands at a node; for a function, its name is before its group.
    fn is_text(&self, nodes: &[Node], at: usize, forward: bool) -> bool {
        let is_text_type = |kind: Option<Type>| kind.is_some_and(Type::is_text);
        match nodes.get(at) {
            Some(Node::Token(token)) => match token.kind {
                Kind::Text => true,
                Kind::Variable => is_text_type(self.world.parameters.get(&token.text.to_ascii_lowercase()).copied()),
                Kind::Word if forward => nodes.get(at..at + 2).is_some_and(|call| is_text_type(self.type_of(call))),
                _ => false,
            },
            Some(Node::Group(..)) if !forward && at > 0 => is_text_type(self.type_of(&nodes[at - 1..=at])),
            Some(group @ Node::Group(..)) => is_text_type(self.type_of(std::slice::from_ref(group))),
            None => false,
        }
    }

    fn keyword(&mut self, nodes: &[Node], at: usize) -> Outcome<(String, usize)> {
        let node = &nodes[at];
        if node.is_any(&["LEFT", "RIGHT", "FULL"]) {
            self.may_be_null = true;
        }
        if node.is("APPLY") || node.is_any(&["PIVOT", "UNPIVOT", "TABLESAMPLE"]) {
            return Err(SqlError::beyond("APPLY, PIVOT or TABLESAMPLE", node.line()));
        }
        if node.is("CURRENT_TIMESTAMP") {
            return Ok((now(3), 1));
        }
        if node.is_any(&["CURRENT_USER", "SYSTEM_USER", "SESSION_USER", "USER"]) {
            return Ok(((self.world.constants)("SUSER_SNAME").unwrap_or_default(), 1));
        }
        if node.is_any(&["CURRENT_DATE", "CURRENT_TIME"]) {
            return Err(node.unexpected());
        }
        if node.is("COLLATE") {
            // There is one collation.
            return Ok((String::new(), 2));
        }
        Ok((node.word().unwrap_or_default().to_ascii_uppercase(), 1))
    }

    /// A name with what is before it.
    fn path(&mut self, nodes: &[Node], at: usize, is_table: bool) -> Outcome<(String, usize)> {
        let rest = &nodes[at..];
        let length = path_length(rest);
        let nodes = &rest[..length];
        let mut parts = path_parts(nodes);
        if is_table {
            if let [name] = parts[..]
                && self.counted_queries.contains(&name.to_ascii_lowercase())
            {
                let follows = rest.get(1).is_some_and(|next| next.is("AS") || next.name().is_some());
                let alias = if follows { String::new() } else { format!(" AS {}", quote(name)) };
                return Ok((format!("{}{alias}", counted_name(name)), 1));
            }
            return Ok((self.table_path(nodes)?, length));
        }
        if nodes.len() == 1 {
            if rest.get(1).is_some_and(|next| next.is("TIME")) && rest[0].is("AT") {
                return Err(SqlError::beyond("AT TIME ZONE", rest[0].line()));
            }
            self.names.push(parts[0].to_ascii_lowercase());
        }
        // A column after its table, database and schema.
        if parts.len() >= 4 {
            parts.remove(0);
        }
        if parts.len() == 3 && (parts[0].is_empty() || parts[0].eq_ignore_ascii_case("dbo")) {
            parts.remove(0);
        }
        let written: Vec<String> =
            parts.iter().map(|part| if *part == "*" { "*".into() } else { quote(part) }).collect();
        Ok((written.join("."), length))
    }

    /// A word before parentheses: a function most often.
    fn word_and_group(&mut self, nodes: &[Node], at: usize) -> Outcome<(String, usize)> {
        let word = nodes[at].word().unwrap_or_default();
        let upper = word.to_ascii_uppercase();
        let line = nodes[at].line();
        let inner = nodes[at + 1].group().unwrap_or_default();
        if upper == "USING" {
            return Err(SqlError::near("(", line));
        }
        if upper == "WITH" {
            // A hint on a table.
            return Ok((String::new(), 2));
        }
        if nodes[at + 1].is_query() {
            let is_word = words::is_keyword(word) || upper == "IN";
            if !is_word {
                return Err(SqlError::near("(", line));
            }
            return Ok((format!("{upper} ({})", self.inner(inner, None)?), 2));
        }
        let arguments = if inner.is_empty() { Vec::new() } else { commas(inner) };
        match (upper.as_str(), arguments.as_slice()) {
            ("OVER", _) => return Ok((format!("OVER ({})", self.window(inner)?), 2)),
            ("CAST" | "TRY_CAST", [argument]) => {
                let cut = argument.iter().rposition(|node| node.is("AS"));
                let cut = cut.ok_or_else(|| SqlError::near(")", line))?;
                let kind = self.cast_type(&argument[cut + 1..], line)?;
                return Ok((self.cast(&argument[..cut], kind, 0, upper.starts_with("TRY"))?, 2));
            }
            ("CONVERT" | "TRY_CONVERT", [kind, value]) => {
                let kind = self.cast_type(kind, line)?;
                return Ok((self.cast(value, kind, 0, upper.starts_with("TRY"))?, 2));
            }
            ("CONVERT" | "TRY_CONVERT", [kind, value, [Node::Token(style)]]) => {
                let kind = self.cast_type(kind, line)?;
                let style = style.text.parse().map_err(|_| SqlError::near(&style.text, line))?;
                return Ok((self.cast(value, kind, style, upper.starts_with("TRY"))?, 2));
            }
            ("DATEDIFF" | "DATEDIFF_BIG" | "DATEADD" | "DATEPART" | "DATENAME", [[part], rest @ ..]) => {
                let part = part.word().ok_or_else(|| SqlError::near(&upper, line))?.to_ascii_lowercase();
                let mut written = vec![literal(&part)];
                for argument in rest {
                    written.push(self.emit(argument)?);
                }
                let function = upper.trim_end_matches("_BIG").to_ascii_lowercase();
                return Ok((format!("tds_{function}({})", written.join(", ")), 2));
            }
            ("GETDATE" | "GETUTCDATE", []) => return Ok((now(3), 2)),
            ("SYSDATETIME" | "SYSUTCDATETIME", []) => return Ok((now(7), 2)),
            ("CHARINDEX", [sought, text]) => {
                return Ok((format!("instr({}, {})", self.emit(text)?, self.emit(sought)?), 2));
            }
            (name, _) if ABOUT.contains(&name) => {
                return Ok(((self.world.constants)(name).unwrap_or_else(|| "NULL".into()), 2));
            }
            _ => {}
        }
        if words::is_foreign(word) {
            let message = format!("'{word}' is not a recognized built-in function name.");
            return Err(SqlError::new(195, 15, message, line));
        }
        let name = RENAMED.iter().find(|(name, _)| *name == upper).map_or(upper.as_str(), |(_, renamed)| renamed);
        let inner = if inner.is_empty() { String::new() } else { self.emit(inner)? };
        let spaced = if matches!(upper.as_str(), "IN" | "AND" | "OR" | "ON" | "NOT" | "VALUES") { " " } else { "" };
        Ok((format!("{name}{spaced}({inner})"), 2))
    }

    /// What stands after OVER.
    fn window(&mut self, nodes: &[Node]) -> Outcome<String> {
        let frame = nodes.iter().position(|node| node.is_any(&["ROWS", "RANGE"])).unwrap_or(nodes.len());
        let partition = usize::from(nodes.first().is_some_and(|node| node.is("PARTITION")));
        let mut text = if partition == 1 { "PARTITION ".to_owned() } else { String::new() };
        text.push_str(&self.emit(&nodes[partition..frame])?);
        for node in &nodes[frame..] {
            if let Node::Token(token) = node {
                text.push(' ');
                text.push_str(&token.text);
            }
        }
        Ok(text)
    }

    pub(crate) fn cast_type(&self, nodes: &[Node], line: u32) -> Outcome<Type> {
        let written = written_type(nodes);
        Type::parse(&written)
            .map(|kind| match (kind, nodes.len()) {
                // Without a length, a cast has 30 letters.
                (Type::Char(1), 1) => Type::Char(30),
                (Type::VarChar(1), 1) => Type::VarChar(30),
                (Type::NVarChar(1), 1) => Type::NVarChar(30),
                (Type::NChar(1), 1) => Type::NChar(30),
                (Type::VarBinary(1), 1) => Type::VarBinary(30),
                (kind, _) => kind,
            })
            .ok_or_else(|| SqlError::new(243, 16, format!("Type {written} is not a defined system type."), line))
    }

    fn cast(&mut self, value: &[Node], kind: Type, style: u16, tries: bool) -> Outcome<String> {
        let name = literal(&kind.name());
        Ok(format!("tds_cast({}, {name}, {style}, {})", self.emit(value)?, u8::from(tries)))
    }
}

/// A type as it is written: `decimal(10,2)`.
pub(crate) fn written_type(nodes: &[Node]) -> String {
    let mut written = String::new();
    for node in nodes {
        match node {
            Node::Token(token) => written.push_str(&token.text),
            Node::Group(inner, _) => written.push_str(&format!("({})", written_type(inner))),
        }
    }
    written
}

/// The time now, to so many digits of a second.
fn now(digits: u8) -> String {
    format!("tds_cast(strftime('%Y-%m-%d %H:%M:%f', 'now'), 'datetime2({digits})', 0, 0)")
}

/// A text that names a moment with a `T` or with zeros at its end, as the database holds moments.
fn canonical(text: &str) -> String {
    let is_moment = text.len() >= 19 && text.is_ascii() && matches!(text.as_bytes()[10], b'T' | b' ');
    match civil::parse(text).filter(|_| is_moment) {
        Some(moment) => moment.text(),
        None => text.to_owned(),
    }
}
