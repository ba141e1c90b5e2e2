//! T-SQL text as tokens, groups in parentheses and statements.

use crate::error::{Outcome, SqlError};
use crate::words;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword as it is.
    Word,
    /// A name in brackets or double quotes; the text is without them.
    Quoted,
    /// A text; without its quotes.
    Text,
    Number,
    /// `@name` or `@@name`.
    Variable,
    Symbol,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Token(Token),
    /// What stands in parentheses, and the line of the closing one.
    Group(Vec<Self>, u32),
}

impl Node {
    pub(crate) fn line(&self) -> u32 {
        match self {
            Self::Token(token) => token.line,
            Self::Group(_, line) => *line,
        }
    }

    /// Whether it is this word, without quotes, in any case.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Token(token) if token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word))
    }

    pub(crate) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self, Self::Token(token) if token.kind == Kind::Symbol && token.text == symbol)
    }

    /// The name that it is, where it can be one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Token(Token { kind: Kind::Quoted, text, .. }) => Some(text),
            Self::Token(Token { kind: Kind::Word, text, .. }) if !words::is_keyword(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Token(Token { kind: Kind::Word, text, .. }) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn group(&self) -> Option<&[Self]> {
        match self {
            Self::Group(nodes, _) => Some(nodes),
            Self::Token(_) => None,
        }
    }

    pub(crate) fn is_query(&self) -> bool {
        self.group()
            .and_then(<[Self]>::first)
            .is_some_and(|first| first.is("SELECT") || first.is("WITH") || first.is_query())
    }

    /// The error that SQL Server finds here.
    pub(crate) fn unexpected(&self) -> SqlError {
        match self {
            Self::Token(token) => SqlError::near(&token.text, token.line),
            Self::Group(_, line) => SqlError::near("(", *line),
        }
    }
}

/// The tokens of a text.
pub(crate) fn tokens(sql: &str) -> Outcome<Vec<Token>> {
    let letters: Vec<char> = sql.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied().unwrap_or('\0');
        let start = at;
        let start_line = line;
        let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '@' | '#' | '$');
        let (kind, text) = if letter == '\n' {
            line += 1;
            at += 1;
            continue;
        } else if letter.is_whitespace() || letter == '\u{FEFF}' {
            at += 1;
            continue;
        } else if letter == '-' && next == '-' {
            while letters.get(at).is_some_and(|letter| *letter != '\n') {
                at += 1;
            }
            continue;
        } else if letter == '/' && next == '*' {
            at = skip_comment(&letters, at, &mut line)?;
            continue;
        } else if letter == '\'' || (matches!(letter, 'N' | 'n') && next == '\'') {
            at += usize::from(letter != '\'');
            (Kind::Text, quoted(&letters, &mut at, '\'', &mut line)?)
        } else if letter == '"' || letter == '[' {
            let close = if letter == '[' { ']' } else { '"' };
            (Kind::Quoted, quoted(&letters, &mut at, close, &mut line)?)
        } else if letter == '0' && matches!(next, 'x' | 'X') {
            at += 2;
            while letters.get(at).is_some_and(char::is_ascii_hexdigit) {
                at += 1;
            }
            (Kind::Number, letters[start..at].iter().collect())
        } else if letter.is_ascii_digit() || (letter == '.' && next.is_ascii_digit()) {
            at = skip_number(&letters, at);
            (Kind::Number, letters[start..at].iter().collect())
        } else if is_part(letter) && letter != '$' {
            while letters.get(at).copied().is_some_and(is_part) {
                at += 1;
            }
            (if letter == '@' { Kind::Variable } else { Kind::Word }, letters[start..at].iter().collect())
        } else if matches!((letter, next), ('<', '>' | '=') | ('>', '=') | ('!', '=')) {
            at += 2;
            (Kind::Symbol, letters[start..at].iter().collect())
        } else {
            at += 1;
            (Kind::Symbol, letter.to_string())
        };
        if kind == Kind::Symbol && !"()[],.;+-*/%=<>!&|^~:<>=<=!=".contains(&text) {
            return Err(SqlError::near(&text, start_line));
        }
        tokens.push(Token { kind, text, line: start_line });
    }
    Ok(tokens)
}

fn skip_number(letters: &[char], mut at: usize) -> usize {
    let digit = |at: usize| letters.get(at).is_some_and(char::is_ascii_digit);
    while digit(at) {
        at += 1;
    }
    if letters.get(at) == Some(&'.') {
        at += 1;
        while digit(at) {
            at += 1;
        }
    }
    if matches!(letters.get(at), Some('e' | 'E')) {
        let signed = usize::from(matches!(letters.get(at + 1), Some('+' | '-')));
        if digit(at + 1 + signed) {
            at += 1 + signed;
            while digit(at) {
                at += 1;
            }
        }
    }
    at
}

fn skip_comment(letters: &[char], mut at: usize, line: &mut u32) -> Outcome<usize> {
    let mut depth = 0_usize;
    let start = *line;
    loop {
        match (letters.get(at), letters.get(at + 1)) {
            (Some('/'), Some('*')) => {
                depth += 1;
                at += 2;
            }
            (Some('*'), Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Ok(at);
                }
            }
            (Some(letter), _) => {
                *line += u32::from(*letter == '\n');
                at += 1;
            }
            (None, _) => return Err(SqlError::new(113, 15, "Missing end comment mark '*/'.", start)),
        }
    }
}

/// What stands between quotes; a doubled closing quote is one.
fn quoted(letters: &[char], at: &mut usize, close: char, line: &mut u32) -> Outcome<String> {
    let mut text = String::new();
    let start = *line;
    *at += 1;
    while let Some(&letter) = letters.get(*at) {
        *at += 1;
        if letter == close {
            if letters.get(*at) != Some(&close) {
                return Ok(text);
            }
            *at += 1;
        }
        *line += u32::from(letter == '\n');
        text.push(letter);
    }
    let message = format!("Unclosed quotation mark after the character string '{text}'.");
    Err(SqlError::new(105, 15, message, start))
}

/// The tokens with their parentheses matched.
pub(crate) fn tree(tokens: Vec<Token>) -> Outcome<Vec<Node>> {
    const DEEPEST: usize = 200;
    let mut open: Vec<Vec<Node>> = vec![Vec::new()];
    let mut last: Option<(String, u32)> = None;
    for token in tokens {
        last = Some((token.text.clone(), token.line));
        let is_symbol = token.kind == Kind::Symbol;
        if is_symbol && token.text == "(" {
            if open.len() > DEEPEST {
                let message = "Some part of your SQL statement is nested too deeply. Rewrite the query.";
                return Err(SqlError::new(191, 15, message, token.line));
            }
            open.push(Vec::new());
        } else if is_symbol && token.text == ")" {
            match (open.pop(), open.last_mut()) {
                (Some(group), Some(outer)) => outer.push(Node::Group(group, token.line)),
                _ => return Err(SqlError::near(")", token.line)),
            }
        } else if let Some(list) = open.last_mut() {
            list.push(Node::Token(token));
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(list), true) => Ok(list),
        _ => {
            let (text, line) = last.unwrap_or_default();
            Err(SqlError::near(&text, line))
        }
    }
}

/// The statements of a batch: they need no semicolon between them.
pub(crate) fn statements(nodes: Vec<Node>) -> Outcome<Vec<Vec<Node>>> {
    let mut statements = Vec::new();
    let mut current: Vec<Node> = Vec::new();
    for node in nodes {
        if node.is_symbol(";") {
            statements.push(std::mem::take(&mut current));
            continue;
        }
        if begins_statement(&current, &node) {
            statements.push(std::mem::take(&mut current));
        }
        current.push(node);
    }
    statements.push(current);
    statements.retain(|statement| !statement.is_empty());
    Ok(statements)
}

fn begins_statement(current: &[Node], node: &Node) -> bool {
    let (Some(first), Some(last)) = (current.first(), current.last()) else {
        return false;
    };
    if !node.word().is_some_and(words::is_verb) {
        return false;
    }
    let has = |words: &[&str]| current.iter().any(|node| node.is_any(words));
    let waits = first.is("WITH") && !has(&["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"]);
    if node.is("SELECT") {
        let follows = last.is_any(&["UNION", "ALL", "EXCEPT", "INTERSECT", "AS"]);
        return !(follows || waits || (has(&["INSERT"]) && !has(&["SELECT", "VALUES"])));
    }
    if node.is("SET") {
        return (!has(&["UPDATE"]) || has(&["SET"])) && !first.is("ALTER");
    }
    if node.is_any(&["UPDATE", "DELETE", "INSERT", "MERGE"]) {
        return !(waits || last.is_any(&["ON", "FOR", "THEN"]));
    }
    if node.is_any(&["IF", "CREATE", "DROP", "ALTER"]) {
        return !last.is_any(&["TABLE", "VIEW", "INDEX", "PROCEDURE"]) && !first.is("ALTER");
    }
    !first.is_any(&["GRANT", "DENY", "REVOKE"])
}

/// The parts between commas.
pub(crate) fn commas(nodes: &[Node]) -> Vec<&[Node]> {
    nodes.split(|node| node.is_symbol(",")).collect()
}
