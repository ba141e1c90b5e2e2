//! Rows on their way from the thread that reads the file.

use injixo_core::Result;
use rusqlite::types::ValueRef;

use crate::driver::Rows;
use crate::value::{Cell, cut};

/// Some rows, one value after the other.
#[derive(Debug, Default)]
pub(super) struct Block {
    values: Vec<Value>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Null,
    Int(i64),
    Real(f64),
    Blob,
    /// Where its text ends; it begins where the one before it ends.
    Text(usize),
}

/// Texts are kept up to here: more bytes than a thousand characters take.
const KEPT: usize = 8 << 10;

impl Block {
    pub(super) fn with_room(values: usize) -> Self {
        Self { values: Vec::with_capacity(values), bytes: Vec::with_capacity(values * 8) }
    }

    pub(super) fn push(&mut self, value: ValueRef<'_>) {
        let value = match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Real(value) => Value::Real(value),
            ValueRef::Blob(_) => Value::Blob,
            ValueRef::Text(text) => {
                self.bytes.extend_from_slice(shortened(text));
                Value::Text(self.bytes.len())
            }
        };
        self.values.push(value);
    }

    /// Hands the rows over, so many values each.
    pub(super) fn take(&self, columns: usize, rows: &mut dyn Rows) -> Result<()> {
        // All of it at once, since a look at each text costs more than the texts do.
        let all = std::str::from_utf8(&self.bytes).ok();
        let mut cells = vec![Cell::Null; columns];
        let mut from = 0;
        for values in self.values.chunks_exact(columns.max(1)) {
            for (cell, value) in cells.iter_mut().zip(values) {
                *cell = match *value {
                    Value::Null => Cell::Null,
                    Value::Int(value) => Cell::Int(value),
                    Value::Real(value) => Cell::Float(value),
                    Value::Blob => Cell::Odd("a BLOB"),
                    Value::Text(to) => {
                        let text = match all {
                            Some(all) => all.get(from..to),
                            None => std::str::from_utf8(&self.bytes[from..to]).ok(),
                        };
                        from = to;
                        text.map_or(Cell::Odd("a text that is not Unicode"), |text| Cell::Text(cut(text)))
                    }
                };
            }
            rows.row(&cells)?;
        }
        Ok(())
    }
}

/// The begin of a text, not within a character.
fn shortened(text: &[u8]) -> &[u8] {
    let mut end = text.len().min(KEPT);
    while end < text.len() && end > 0 && text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    struct Seen(Vec<String>);

    #[async_trait]
    impl Rows for Seen {
        fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
            self.0.extend(cells.iter().map(|cell| format!("{cell:?}")));
            Ok(())
        }

        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn seen(texts: &[&[u8]]) -> Vec<String> {
        let mut block = Block::default();
        texts.iter().for_each(|text| block.push(ValueRef::Text(text)));
        let mut seen = Seen(Vec::new());
        block.take(1, &mut seen).unwrap();
        seen.0
    }

    #[test]
    fn texts_that_are_not_unicode_do_not_spoil_their_neighbours() {
        let odd = "Odd(\"a text that is not Unicode\")";
        assert_eq!(seen(&[b"a", b"\xFF", b"b"]), ["Text(\"a\")", odd, "Text(\"b\")"]);
        // Two halves of a character: Unicode only side by side.
        assert_eq!(seen(&[b"a\xC3", b"\xA4b", b"c"]), [odd, odd, "Text(\"c\")"]);
    }

    #[test]
    fn long_texts_are_shortened_between_characters() {
        for before in 0..4 {
            let text = [&"x".repeat(before), "€".repeat(KEPT).as_str()].concat();
            let short = std::str::from_utf8(shortened(text.as_bytes())).unwrap();
            assert!(text.starts_with(short) && short.len() > KEPT - 3);
        }
    }
}
