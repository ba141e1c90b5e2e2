//! Connection strings of ODBC: `Driver={PostgreSQL Unicode};Server=acd;PWD={a;b}`.

/// What names the user.
pub(crate) const USER: &[&str] = &["uid", "user", "user id", "username"];
/// What holds the password.
pub(crate) const PASSWORD: &[&str] = &["pwd", "password"];

/// The keys, in lower case, and their values, without the braces around them.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let (mut pairs, mut rest) = (Vec::new(), text);
    while let Some((key, behind)) = rest.split_once('=') {
        // What has no value is no pair.
        let key = key.rsplit(';').next().unwrap_or_default().trim().to_lowercase();
        let behind = behind.trim_start();
        let (value, length) = match behind.strip_prefix('{') {
            Some(braced) => in_braces(braced),
            None => {
                let end = behind.find(';').unwrap_or(behind.len());
                (behind[..end].trim_end().to_owned(), end)
            }
        };
        pairs.push((key, value));
        rest = &behind[length..];
    }
    pairs
}

/// A value up to its closing brace, which doubled stands for itself, and how long it is with its braces.
fn in_braces(text: &str) -> (String, usize) {
    let (mut value, mut chars) = (String::new(), text.char_indices().peekable());
    while let Some((at, c)) = chars.next() {
        if c == '}' && chars.next_if(|next| next.1 == '}').is_none() {
            return (value, at + 2);
        }
        value.push(c);
    }
    (value, text.len() + 1)
}

/// The first value of one of these keys.
pub(crate) fn value(text: &str, keys: &[&str]) -> Option<String> {
    pairs(text).into_iter().find(|(key, _)| keys.contains(&key.as_str())).map(|(_, value)| value)
}

/// Whether one of these keys is there.
pub(crate) fn has(text: &str, keys: &[&str]) -> bool {
    value(text, keys).is_some()
}

/// A value as it stands in a connection string: in braces where it would else mean something.
pub(crate) fn escaped(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '\\' | ':' | '~');
    if value.chars().all(is_plain) { value.to_owned() } else { format!("{{{}}}", value.replace('}', "}}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_braces_or_not() {
        let text = "Driver={PostgreSQL; {Unicode}}}; Server = acd ;PWD={a;b=}}c}; flag;Port=1;Open={x;y";
        let expected =
            [("driver", "PostgreSQL; {Unicode}"), ("server", "acd"), ("pwd", "a;b=}c"), ("port", "1"), ("open", "x;y")];
        assert_eq!(pairs(text), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(has(text, PASSWORD) && !has(text, USER));
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn what_is_escaped_is_read_again() {
        for value in ["", "plain", "ä", "a b", "a;b", "}", "{}", "a}}b", "50%+1", "x'\""] {
            let text = format!("A={};B=1", escaped(value));
            assert_eq!(pairs(&text), [("a".to_owned(), value.to_owned()), ("b".to_owned(), "1".to_owned())], "{text}");
        }
        assert_eq!(escaped("a;}b"), "{a;}}b}");
    }
}
