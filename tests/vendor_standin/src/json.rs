//! JSON in the order in which it is written down.

use std::fmt::Write;

/// The text of a string.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for letter in value.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if letter < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// The text of what may be absent.
pub(crate) fn or_null<T>(value: Option<T>, written: impl FnOnce(T) -> String) -> String {
    value.map_or("null".to_owned(), written)
}

/// The text of an object with fields that are written already.
pub(crate) fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", text(name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// The text of a list of what is written already.
pub(crate) fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_escapes() {
        let list = array(["1".to_owned(), or_null(None::<&str>, text)]);
        assert_eq!(object(&[("b", text("ü \"\\\n")), ("a", list)]), "{\"b\":\"ü \\\"\\\\\\u000a\",\"a\":[1,null]}");
    }
}
