use std::io::{self, Write};

/// Writes a field of a CSV file, quoted where RFC 4180 demands it.
///
/// # Errors
///
/// Those of the writer.
pub fn field(out: &mut impl Write, text: &str) -> io::Result<()> {
    if !text.contains(['"', ',', '\n', '\r']) {
        return out.write_all(text.as_bytes());
    }
    out.write_all(quoted(text).as_bytes())
}

/// A text in quotes, its own quotes doubled.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Whether the reader of our output has gone, which is his right.
pub fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
