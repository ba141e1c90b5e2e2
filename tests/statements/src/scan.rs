//! What of a statement stands outside of texts, names in quotes and comments.

/// What a look at a statement shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Scan {
    /// What stands outside of texts, names in quotes and comments.
    pub plain: String,
    /// The numbers of the places of its values, in their order.
    pub places: Vec<usize>,
}

/// Looks at a statement.
///
/// # Errors
///
/// What in it is not closed.
pub fn scan(dialect: &str, sql: &str) -> Result<Scan, String> {
    let mut plain = String::new();
    let (mut rest, mut depth, mut marks) = (sql, 0_i32, 0);
    while let Some(first) = rest.chars().next() {
        if let Some((length, what)) = hidden(dialect, rest, &plain) {
            let length = length.ok_or_else(|| format!("{what} is not closed"))?;
            plain.push(' ');
            rest = &rest[length..];
            continue;
        }
        match first {
            '(' => depth += 1,
            ')' => depth -= 1,
            '?' => marks += 1,
            _ => {}
        }
        if depth < 0 {
            return Err("a parenthesis is closed that was not opened".to_owned());
        }
        plain.push(first);
        rest = &rest[first.len_utf8()..];
    }
    if depth != 0 {
        return Err("a parenthesis is not closed".to_owned());
    }
    let numbers = plain.split("@P").skip(1).map(|behind| {
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().map_err(|_| format!("@P{digits} is no place"))
    });
    let numbers: Vec<usize> = if dialect == "tsql" { numbers.collect::<Result<_, _>>()? } else { Vec::new() };
    // SQL Server has places with numbers, by ODBC those of all others.
    if !numbers.is_empty() && marks > 0 {
        return Err("places with numbers and without".to_owned());
    }
    let places = if numbers.is_empty() { (1..=marks).collect() } else { numbers };
    Ok(Scan { plain, places })
}

/// The length of a text, a name in quotes or a comment with which `rest` begins (none if it does not end), and what it is.
fn hidden(dialect: &str, rest: &str, before: &str) -> Option<(Option<usize>, &'static str)> {
    if rest.starts_with("--") || (dialect == "mysql" && rest.starts_with('#')) {
        return Some((Some(rest.find('\n').unwrap_or(rest.len())), "a comment"));
    }
    if rest.starts_with("/*") {
        return Some((rest.find("*/").map(|at| at + 2), "a comment"));
    }
    if dialect == "postgres" && rest.starts_with("$$") {
        return Some((rest[2..].find("$$").map(|at| at + 4), "a text"));
    }
    let mut word = before.chars().rev();
    let letter = word.next().filter(|_| word.next().is_none_or(|c| !c.is_alphanumeric()));
    if dialect == "oracle" && rest.starts_with("'[") && matches!(letter, Some('q' | 'Q')) {
        return Some((rest.find("]'").map(|at| at + 2), "a text"));
    }
    let escapes = dialect == "mysql" || (dialect == "postgres" && matches!(letter, Some('e' | 'E')));
    match rest.chars().next()? {
        '\'' => Some((end(rest, '\'', escapes), "a text")),
        '"' => Some((end(rest, '"', dialect == "mysql"), "a name or text")),
        '`' if matches!(dialect, "mysql" | "sqlite") => Some((end(rest, '`', false), "a name")),
        '[' if dialect == "tsql" => Some((end(rest, ']', false), "a name")),
        '[' if dialect == "sqlite" => Some((rest.find(']').map(|at| at + 1), "a name")),
        _ => None,
    }
}

/// Where it ends; the quote doubled stands for itself.
fn end(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 2;
        } else if char::from(bytes[at]) != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&bytes[at]) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HOSTILE_NAMES, HOSTILE_WORD};

    fn plain(dialect: &str, sql: &str) -> String {
        scan(dialect, sql).map_or_else(|why| why, |scan| format!("{} {:?}", scan.plain, scan.places))
    }

    #[test]
    fn what_is_quoted_is_left_out() {
        assert_eq!(plain("postgres", "a 'b''c' \"d\"\"e\" f"), "a     f []");
        assert_eq!(plain("postgres", "a 'b\\' c"), "a   c []");
        assert_eq!(plain("postgres", "E'b\\'' c"), "E  c []");
        assert_eq!(plain("mysql", "a 'b\\'' `d``\\` ? # f\n?"), "a     ?  \n? [1, 2]");
        assert_eq!(plain("tsql", "[a]]b] @P1 @P2 -- c"), "  @P1 @P2   [1, 2]");
        assert_eq!(plain("tsql", "[a]]b] ? ?"), "  ? ? [1, 2]");
        assert_eq!(plain("tsql", "@P1 ?"), "places with numbers and without");
        assert_eq!(plain("oracle", "q'[it's]' (?) /* ? */"), "q  (?)   [1]");
        assert_eq!(plain("sqlite", "'b\nc' (a"), "a parenthesis is not closed");
        assert_eq!(plain("sqlite", "a)"), "a parenthesis is closed that was not opened");
        assert_eq!(plain("sqlite", "'b''"), "a text is not closed");
        assert_eq!(plain("postgres", "/* b"), "a comment is not closed");
    }

    #[test]
    fn hostile_names_are_seen() {
        for dialect in crate::DIALECTS {
            let (open, close) = match dialect {
                "mysql" => ('`', '`'),
                "tsql" => ('[', ']'),
                _ => ('"', '"'),
            };
            let found = HOSTILE_NAMES.iter().filter(|name| {
                let pasted = format!("SELECT {open}{name}{close} FROM a");
                scan(dialect, &pasted).map_or(true, |scan| scan.plain.contains(HOSTILE_WORD))
            });
            assert!(found.count() >= 1, "{dialect}");
        }
    }
}
