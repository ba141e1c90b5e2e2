//! What a user's query may be: one statement that reads.
//!
//! The text is only looked through, not parsed: enough to know where texts, names and comments end, so that nothing in it can
//! close the parentheses that the connector puts around it. The database parses it as a derived table before anything is run, and
//! runs it in a session that may not write.

use injixo_core::{Error, ErrorKind, Result};

/// How a database writes texts, names and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lexis {
    /// `'a\'b'` is one text.
    pub(crate) backslash_escapes: bool,
    /// `$tag$ … $tag$` is a text.
    pub(crate) dollar_quotes: bool,
    /// `` `name` `` and `#` comments.
    pub(crate) backticks_and_hashes: bool,
    /// Whether `[name]` is a name.
    pub(crate) brackets: Brackets,
    /// `/* /* */ */` is one comment.
    pub(crate) nested_comments: bool,
    /// `q'[it's]'` is a text.
    pub(crate) q_quotes: bool,
    /// A `WITH` stands before the outermost `SELECT` only, and an order only where rows are counted.
    pub(crate) is_outermost_only: bool,
}

/// Names in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brackets {
    None,
    /// The first closing bracket ends the name.
    Plain,
    /// A closing bracket that is doubled stands for itself.
    Doubled,
}

/// A query that was looked through: one statement, without the semicolon and the comments behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    text: String,
    /// Where the part begins that can be a derived table: behind a `WITH` that cannot be in one.
    main: usize,
    /// What makes a derived table of it where one has no order of its own.
    ending: &'static str,
}

impl Query {
    /// Looks a query through.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when it is empty, no `SELECT`, more than one statement, or not whole.
    pub(crate) fn new(text: &str, lexis: Lexis) -> Result<Self> {
        let wrong = |message: &str| Err(Error::new(ErrorKind::ConfigInvalid, format!("the query {message}")));
        let (mut depth, mut end, mut first_word) = (0_u32, None, None);
        // What stands outside of all parentheses; each pair of them as its beginning.
        let mut outside = Vec::new();
        let mut rest = text;
        // Where the statement ends: behind its last token.
        let mut statement = 0;
        while let Some(token) = Token::next(rest, lexis) {
            let at = text.len() - rest.len();
            let (length, kind) = match token {
                Ok(token) => token,
                Err(Open(what)) => {
                    let line = text[..at].matches('\n').count() + 1;
                    return wrong(&format!("holds {what} that is not closed (it begins in line {line}): close it"));
                }
            };
            rest = &rest[length..];
            if kind == Kind::Space {
                continue;
            }
            if end.is_some() {
                return wrong("holds more than one statement: leave one SELECT, without a semicolon in it");
            }
            if depth == 0 && kind != Kind::Close {
                outside.push((at, &text[at..at + length]));
            }
            match kind {
                Kind::Semicolon => {
                    end = Some(at);
                    continue;
                }
                Kind::Open => depth += 1,
                Kind::Close if depth == 0 => return wrong("closes a parenthesis that was not opened: remove it"),
                Kind::Close => depth -= 1,
                Kind::Executable => {
                    return wrong("holds a comment that the database would run (/*! … */): write it as plain SQL");
                }
                Kind::Word if first_word.is_none() => first_word = Some(text[at..at + length].to_ascii_lowercase()),
                Kind::Word | Kind::Other | Kind::Space => {}
            }
            statement = at + length;
        }
        match first_word.as_deref() {
            None => return wrong("is empty: write a SELECT"),
            Some("select" | "with" | "values" | "table") => {}
            Some(word) => {
                let shown: String = word.chars().take(20).collect();
                return wrong(&format!("begins with {shown}: only a SELECT (or WITH … SELECT) is run"));
            }
        }
        if depth > 0 {
            return wrong("opens a parenthesis that is not closed: close it");
        }
        if text.contains('\0') {
            return wrong("holds a character that no database takes (U+0000): remove it");
        }
        let (mut main, mut ending) = (0, "");
        if lexis.is_outermost_only {
            if first_word.as_deref() == Some("with") {
                let Some(begin) = behind_with(&outside) else {
                    return wrong("is not WITH name AS (SELECT …), … SELECT …: write it in that form");
                };
                main = begin;
            }
            let has = |wanted: &str| outside.iter().any(|(_, token)| token.eq_ignore_ascii_case(wanted));
            if has("order") && !has("offset") && !has("top") {
                ending = "\nOFFSET 0 ROWS";
            }
        }
        Ok(Self { text: text[..statement].to_owned(), main, ending })
    }

    /// What stands before the outermost `SELECT`, and what stands in parentheses behind its `FROM`. Both end on lines of their own
    /// or are empty, so that nothing behind them is a comment.
    pub(crate) fn parts(&self) -> (String, String) {
        let (before, main) = self.text.split_at(self.main);
        let before = if before.is_empty() { String::new() } else { format!("{before}\n") };
        (before, format!("{main}{}\n", self.ending))
    }
}

/// Where the `SELECT` begins behind `WITH name [(columns)] AS (…), …`; nothing else may stand there, since it would stand outside
/// of all parentheses.
fn behind_with(outside: &[(usize, &str)]) -> Option<usize> {
    let mut tokens = outside.iter().skip(1).peekable();
    loop {
        let (_, name) = tokens.next()?;
        if !name.starts_with(|c: char| is_word(c) || matches!(c, '"' | '[')) {
            return None;
        }
        tokens.next_if(|(_, token)| *token == "(");
        let (_, word) = tokens.next()?;
        if !word.eq_ignore_ascii_case("as") || tokens.next()?.1 != "(" {
            return None;
        }
        match tokens.next()? {
            (_, ",") => {}
            (at, word) if word.eq_ignore_ascii_case("select") => return Some(*at),
            _ => return None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Blanks and comments.
    Space,
    Semicolon,
    Open,
    Close,
    Word,
    /// A comment that MySQL runs.
    Executable,
    Other,
}

/// What was opened and not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open(&'static str);

struct Token;

impl Token {
    /// The length and the kind of the first token.
    fn next(text: &str, lexis: Lexis) -> Option<Result<(usize, Kind), Open>> {
        let first = text.chars().next()?;
        let until = |end: Option<usize>, kind, what| Some(end.map(|end| (end, kind)).ok_or(Open(what)));
        let line = || text.find('\n').unwrap_or(text.len());
        match first {
            '\'' => {
                // In PostgreSQL only texts that begin with E have escapes; a backslash before a quote is then told apart by
                // the word before it. To take it for the end of the text is safe: what follows is then outside.
                until(quoted(text, '\'', lexis.backslash_escapes), Kind::Other, "a text in quotes")
            }
            '"' => until(quoted(text, '"', lexis.backslash_escapes), Kind::Other, "a name in quotes"),
            '`' if lexis.backticks_and_hashes => until(quoted(text, '`', false), Kind::Other, "a name in quotes"),
            '[' if lexis.brackets == Brackets::Plain => {
                until(text.find(']').map(|at| at + 1), Kind::Other, "a name in brackets")
            }
            '[' if lexis.brackets == Brackets::Doubled => {
                until(quoted(text, ']', false), Kind::Other, "a name in brackets")
            }
            '#' if lexis.backticks_and_hashes => Some(Ok((line(), Kind::Space))),
            '-' if text.starts_with("--") => Some(Ok((line(), Kind::Space))),
            '/' if text.starts_with("/*") => {
                let runs = text.starts_with("/*!") || text.starts_with("/*M!");
                let kind = if runs && lexis.backticks_and_hashes { Kind::Executable } else { Kind::Space };
                until(comment(text, lexis.nested_comments), kind, "a comment")
            }
            '$' if lexis.dollar_quotes && dollar(text).is_some() => {
                let tag = dollar(text)?;
                let end = text[tag.len()..].find(tag).map(|at| at + 2 * tag.len());
                until(end, Kind::Other, "a text in dollar quotes")
            }
            ';' => Some(Ok((1, Kind::Semicolon))),
            '(' => Some(Ok((1, Kind::Open))),
            ')' => Some(Ok((1, Kind::Close))),
            first if first.is_whitespace() => Some(Ok((first.len_utf8(), Kind::Space))),
            first if is_word(first) => {
                let end = text.find(|c| !is_word(c) && c != '$').unwrap_or(text.len());
                // An escape text: E'…'.
                if lexis.dollar_quotes && matches!(&text[..end], "e" | "E") && text[end..].starts_with('\'') {
                    return until(quoted(&text[end..], '\'', true).map(|at| at + end), Kind::Other, "a text in quotes");
                }
                // A text with quotes of the user's choice: q'[…]'.
                let is_q = matches!(text[..end].to_ascii_lowercase().as_str(), "q" | "nq");
                if lexis.q_quotes && is_q && text[end..].starts_with('\'') {
                    return until(chosen(&text[end..]).map(|at| at + end), Kind::Other, "a text in quotes");
                }
                Some(Ok((end, Kind::Word)))
            }
            first => Some(Ok((first.len_utf8(), Kind::Other))),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where a text that begins with `quote` ends; the quote doubled stands for itself.
fn quoted(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote && chars.next_if(|next| next.1 == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// Where a text ends that begins with `'` and a quote of the user's choice.
fn chosen(text: &str) -> Option<usize> {
    let first = text.chars().nth(1)?;
    let last = match first {
        '[' => ']',
        '{' => '}',
        '(' => ')',
        '<' => '>',
        same => same,
    };
    let begin = 1 + first.len_utf8();
    let at = text[begin..].find(&format!("{last}'"))?;
    Some(begin + at + last.len_utf8() + 1)
}

fn comment(text: &str, nested: bool) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") && (nested || depth == 0) {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// `$tag$` at the beginning.
fn dollar(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[1..end - 1];
    let is_tag = tag.chars().all(is_word) && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then_some(&text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POSTGRES: Lexis = Lexis {
        backslash_escapes: false,
        dollar_quotes: true,
        backticks_and_hashes: false,
        brackets: Brackets::None,
        nested_comments: true,
        q_quotes: false,
        is_outermost_only: false,
    };
    const SQL_SERVER: Lexis =
        Lexis { dollar_quotes: false, brackets: Brackets::Doubled, is_outermost_only: true, ..POSTGRES };
    const ORACLE: Lexis = Lexis { dollar_quotes: false, nested_comments: false, q_quotes: true, ..POSTGRES };
    const MYSQL: Lexis = Lexis {
        backslash_escapes: true,
        dollar_quotes: false,
        backticks_and_hashes: true,
        brackets: Brackets::None,
        nested_comments: false,
        q_quotes: false,
        is_outermost_only: false,
    };

    macro_rules! queries {
        ($($name:ident, $lexis:expr, $text:literal => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                let found = Query::new($text, $lexis).map(|query| query.text).map_err(|error| error.to_string());
                let expected: std::result::Result<&str, &str> = $expected;
                match (&found, expected) {
                    (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                    (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                    _ => panic!("{found:?}"),
                }
            })*
        };
    }

    queries! {
        plain, POSTGRES, "SELECT 1" => Ok("SELECT 1");
        semicolon_at_the_end, POSTGRES, "SELECT 1 ; \n" => Ok("SELECT 1");
        comment_behind_the_semicolon, POSTGRES, "SELECT 1; -- that is all" => Ok("SELECT 1");
        comment_at_the_end, POSTGRES, "SELECT 1 -- one" => Ok("SELECT 1");
        comment_before, POSTGRES, "/* what */ -- it is\nSELECT 1" => Ok("/* what */ -- it is\nSELECT 1");
        cte, POSTGRES, "with a AS (SELECT 1) SELECT * FROM a" => Ok("with a AS (SELECT 1) SELECT * FROM a");
        in_parentheses, POSTGRES, "(SELECT 1)" => Ok("(SELECT 1)");
        two, POSTGRES, "SELECT 1; SELECT 2" => Err("more than one statement");
        two_behind_a_comment, POSTGRES, "SELECT 1 --\n; DROP TABLE t" => Err("more than one statement");
        in_a_text, POSTGRES, "SELECT ';--' AS a" => Ok("SELECT ';--' AS a");
        in_a_name, POSTGRES, "SELECT 1 AS \"a;b\"" => Ok("SELECT 1 AS \"a;b\"");
        in_dollars, POSTGRES, "SELECT $x$ ; ' $x$" => Ok("SELECT $x$ ; ' $x$");
        no_dollars, MYSQL, "SELECT $x$ ; SELECT 2" => Err("more than one statement");
        place_is_no_dollar_quote, POSTGRES, "SELECT $1 ; SELECT $1" => Err("more than one statement");
        doubled_quote, POSTGRES, "SELECT 'it''s; fine'" => Ok("SELECT 'it''s; fine'");
        backslash_is_a_letter, POSTGRES, "SELECT 'a\\' ; DELETE FROM t -- '" => Err("more than one statement");
        backslash_escapes, MYSQL, "SELECT 'a\\' ; DELETE FROM t -- '" => Ok("SELECT 'a\\' ; DELETE FROM t -- '");
        escape_text, POSTGRES, "SELECT E'a\\' ; b'" => Ok("SELECT E'a\\' ; b'");
        hash_comment, MYSQL, "SELECT 1 # ; SELECT 2" => Ok("SELECT 1");
        hash_is_an_operator, POSTGRES, "SELECT 1 # 2 ; SELECT 2" => Err("more than one statement");
        nested_comment, POSTGRES, "SELECT /* /* ; */ ; */ 1" => Ok("SELECT /* /* ; */ ; */ 1");
        comment_is_not_nested, MYSQL, "SELECT /* /* ; */ ; 1 */" => Err("more than one statement");
        executable_comment, MYSQL, "SELECT 1 /*! ; DROP TABLE t */" => Err("comment that the database would run");
        open_text, POSTGRES, "SELECT\n'a" => Err("a text in quotes that is not closed (it begins in line 2)");
        open_comment, POSTGRES, "SELECT 1 /* a" => Err("a comment that is not closed");
        open_parenthesis, POSTGRES, "SELECT (1" => Err("opens a parenthesis");
        closed_parenthesis, POSTGRES, "SELECT 1) TO STDOUT; DROP TABLE t; COPY (SELECT 1" => Err("closes a parenthesis");
        empty, POSTGRES, " -- nothing\n ; " => Err("is empty");
        name_in_brackets, SQL_SERVER, "SELECT 1 AS [a;b]" => Ok("SELECT 1 AS [a;b]");
        brackets_doubled, SQL_SERVER, "SELECT 1 AS [a]]'] ; DROP TABLE t --'" => Err("more than one statement");
        chosen_quotes, ORACLE, "SELECT q'[it's; (]' AS a FROM dual" => Ok("SELECT q'[it's; (]' AS a FROM dual");
        quotes_not_chosen, ORACLE, "SELECT aq'[it' FROM b ; SELECT '" => Err("more than one statement");
        with_that_writes, SQL_SERVER, "WITH a AS (SELECT 1 x) DELETE FROM a SELECT 1" => Err("write it in that form");
        with_a_word_behind, SQL_SERVER, "WITH a AS (SELECT 1 x) GRANT SELECT" => Err("write it in that form");
        writes, POSTGRES, "DELETE FROM t" => Err("begins with delete");
    }

    #[test]
    fn what_only_the_outermost_select_may_have_is_moved_there() {
        let parts = |text: &str| Query::new(text, SQL_SERVER).unwrap().parts();
        let with = parts("WITH a (x) AS (SELECT 1), [b c] AS (SELECT 2 AS y) -- two\nSELECT x FROM a ORDER BY x");
        assert_eq!(
            with,
            (
                "WITH a (x) AS (SELECT 1), [b c] AS (SELECT 2 AS y) -- two\n\n".to_owned(),
                "SELECT x FROM a ORDER BY x\nOFFSET 0 ROWS\n".to_owned()
            )
        );
        for kept in [
            "SELECT TOP 5 x FROM a ORDER BY x",
            "SELECT x FROM a ORDER BY x OFFSET 5 ROWS",
            "SELECT (SELECT 1 ORDER BY 1)",
        ] {
            assert_eq!(parts(kept), (String::new(), format!("{kept}\n")));
        }
    }

    proptest! {
        /// Whatever it is, it does not panic, and what is taken has balanced parentheses outside of texts, names and comments.
        #[test]
        fn never_panics(
            text in "(SELECT|WITH a AS|q'|[ ()';\"`$\\-/*#\\n\\\\xEe\\[\\]]){0,30}",
            lexis in prop::sample::select(vec![POSTGRES, MYSQL, SQL_SERVER, ORACLE]),
        ) {
            if let Ok(query) = Query::new(&text, lexis) {
                prop_assert_eq!(Query::new(&query.text, lexis).unwrap(), query.clone());
                // In its place it is one token stream that opens and closes once more.
                let (before, query) = query.parts();
                let derived = format!("{before}SELECT * FROM ({query}) q");
                prop_assert!(Query::new(&derived, lexis).is_ok(), "{}", derived);
            }
        }
    }
}
