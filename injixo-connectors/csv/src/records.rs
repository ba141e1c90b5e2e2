//! Bytes to records: lines, quotes and separators, in bounded memory.
//!
//! Quotes follow RFC 4180: a field that begins with a quote may hold separators, line ends and doubled quotes. A quote that
//! is never closed, or closed by what is plainly the next row's opening quote, costs the line that opened it and no other.
//! Encodings are not looked at: in all of them separators, quotes and line ends are the bytes that they are in ASCII.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use memchr::{memchr, memchr_iter};

/// The longest record. A quote that is open for longer was not meant to be.
const LONGEST: usize = 1 << 20;
const BLOCK: usize = 256 << 10;

/// Splits what a reader delivers into records.
#[derive(Debug)]
pub(crate) struct Records<R> {
    input: R,
    separator: Vec<u8>,
    line_end: u8,
    /// What was read stands from `at` to before `filled`.
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    is_at_end: bool,
    line: u64,
    consumed: u64,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    from: u32,
    to: u32,
    is_quoted: bool,
}

/// One record, as long as the next is not read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'r> {
    /// All of it without its line end.
    pub(crate) raw: &'r [u8],
    /// The line on which it begins.
    pub(crate) line: u64,
    fields: &'r [Field],
}

/// What comes next in the input.
#[derive(Debug)]
pub(crate) enum Next<'r> {
    /// A record with its fields.
    Record(Record<'r>),
    /// A line without a byte.
    Blank,
    /// A line that opened a quote which was never closed.
    OpenQuote(Record<'r>),
    /// A line that is too long; only its beginning is there.
    TooLong(Record<'r>),
}

impl<R: Read + Seek> Records<R> {
    /// Reads on from the record that begins at a place of the input, whose line is the first one from here on.
    pub(crate) fn jump(&mut self, place: u64) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(place))?;
        (self.at, self.filled, self.is_at_end) = (0, 0, false);
        (self.line, self.consumed) = (1, place);
        self.fill()
    }
}

impl<R: Read> Records<R> {
    /// Reads from `input`; `separator` is in the encoding of the input.
    pub(crate) fn new(input: R, separator: &[u8]) -> io::Result<Self> {
        let mut records = Self {
            input,
            separator: separator.to_vec(),
            line_end: b'\n',
            buffer: Vec::new(),
            at: 0,
            filled: 0,
            is_at_end: false,
            line: 1,
            consumed: 0,
            fields: Vec::new(),
        };
        records.fill()?;
        if memchr(b'\n', records.peek()).is_none() && memchr(b'\r', records.peek()).is_some() {
            records.line_end = b'\r';
        }
        Ok(records)
    }

    /// What was read ahead: the beginning of the input before the first record is asked for.
    pub(crate) fn peek(&self) -> &[u8] {
        &self.buffer[self.at..self.filled]
    }

    /// Leaves out so many bytes that were [peeked](Self::peek) at.
    pub(crate) fn skip_bytes(&mut self, count: usize) {
        self.advance(count.min(self.filled - self.at), 0);
    }

    /// The byte that ends a line.
    pub(crate) fn line_end(&self) -> u8 {
        self.line_end
    }

    /// Leaves out so many bytes that were [peeked](Self::peek) at, and are so many whole lines.
    pub(crate) fn skip_lines(&mut self, bytes: usize, lines: u64) {
        self.advance(bytes.min(self.filled - self.at), lines);
    }

    /// Leaves out a line, quotes or not. `false` at the end of the input.
    pub(crate) fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            if let Some(end) = memchr(self.line_end, self.peek()) {
                self.advance(end + 1, 1);
                return Ok(true);
            }
            if self.is_at_end {
                let rest = self.peek().len();
                self.advance(rest, 1);
                return Ok(rest > 0);
            }
            if self.peek().len() >= LONGEST {
                let rest = self.peek().len();
                self.advance(rest, 0);
            }
            self.fill()?;
        }
    }

    /// How many lines were handed out or left out.
    pub(crate) fn lines(&self) -> u64 {
        self.line - 1
    }

    /// How many bytes were handed out or left out, those before the place that was begun at included.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The next record, `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Next<'_>>> {
        loop {
            match self.scan() {
                Scan::Record { end, next, lines } => {
                    let (start, line) = (self.at, self.line);
                    self.advance(next, lines);
                    let raw = &self.buffer[start..start + end];
                    if raw.is_empty() {
                        return Ok(Some(Next::Blank));
                    }
                    return Ok(Some(Next::Record(Record { raw, line, fields: &self.fields })));
                }
                Scan::OpenQuote => {
                    let found = memchr(self.line_end, self.window().0);
                    if found.is_none() && !self.window().1 {
                        return self.too_long().map(Some);
                    }
                    let end = found.unwrap_or(self.peek().len());
                    let (start, line) = (self.at, self.line);
                    self.advance(end + usize::from(found.is_some()), 1);
                    self.fields.clear();
                    let record = Record { raw: &self.buffer[start..start + end], line, fields: &self.fields };
                    return Ok(Some(Next::OpenQuote(record)));
                }
                Scan::TooLong => return self.too_long().map(Some),
                Scan::More if self.is_at_end => return Ok(None),
                Scan::More => self.fill()?,
            }
        }
    }

    fn too_long(&mut self) -> io::Result<Next<'_>> {
        let line = self.line;
        let head = self.peek()[..256].to_vec();
        self.skip_line()?;
        // The beginning is put in front of what is to be read next, where the record can borrow it.
        self.buffer.truncate(self.filled);
        self.buffer.splice(..self.at, head);
        self.filled = self.buffer.len();
        self.at = 256;
        self.fields.clear();
        Ok(Next::TooLong(Record { raw: &self.buffer[..256], line, fields: &self.fields }))
    }

    fn advance(&mut self, bytes: usize, lines: u64) {
        self.at += bytes;
        self.line += lines;
        self.consumed += bytes as u64;
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
        let wanted = self.filled + BLOCK;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.filled < wanted && !self.is_at_end {
            match self.input.read(&mut self.buffer[self.filled..wanted]) {
                Ok(0) => self.is_at_end = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where the next record must lie, whatever else was read ahead, and whether the input ends there.
    fn window(&self) -> (&[u8], bool) {
        let bytes = self.peek();
        (&bytes[..bytes.len().min(LONGEST)], self.is_at_end && bytes.len() <= LONGEST)
    }

    /// Finds the fields of the record at the front of the buffer.
    fn scan(&mut self) -> Scan {
        self.fields.clear();
        // As `window` says, without borrowing all of `self`.
        let is_at_end = self.is_at_end && self.filled - self.at <= LONGEST;
        let bytes = &self.buffer[self.at..self.filled.min(self.at + LONGEST)];
        if bytes.is_empty() {
            return Scan::More;
        }
        let (first, rest) = (self.separator[0], &self.separator[1..]);
        let (mut from, mut at, mut lines) = (0, 0, 1);
        loop {
            let is_quoted = bytes.get(at) == Some(&b'"');
            if is_quoted {
                match closing_quote(bytes, at, &self.separator, self.line_end, is_at_end) {
                    Quote::Closed { after, breaks } => {
                        at = after;
                        lines += breaks;
                    }
                    Quote::More if is_at_end || bytes.len() >= LONGEST => return Scan::OpenQuote,
                    Quote::More => return Scan::More,
                    Quote::Broken => return Scan::OpenQuote,
                }
            }
            let end = memchr::memchr2(first, self.line_end, &bytes[at..]).map(|found| at + found);
            match end {
                Some(end) if bytes[end] == self.line_end && !(rest.is_empty() && first == self.line_end) => {
                    let has_return = self.line_end == b'\n' && end > from && bytes[end - 1] == b'\r';
                    let text_end = end - usize::from(has_return);
                    push(&mut self.fields, from..text_end, is_quoted);
                    return Scan::Record { end: text_end, next: end + 1, lines };
                }
                Some(end) if bytes[end + 1..].starts_with(rest) => {
                    push(&mut self.fields, from..end, is_quoted);
                    from = end + self.separator.len();
                    at = from;
                }
                Some(end) if bytes.len() - end <= rest.len() && !is_at_end => {
                    return if bytes.len() >= LONGEST { Scan::TooLong } else { Scan::More };
                }
                // The first byte of a separator of several bytes, but not the separator.
                Some(end) => at = end + 1,
                None if is_at_end => {
                    let has_return = self.line_end == b'\n' && bytes.len() > from && bytes.ends_with(b"\r");
                    let text_end = bytes.len() - usize::from(has_return);
                    push(&mut self.fields, from..text_end, is_quoted);
                    return Scan::Record { end: text_end, next: bytes.len(), lines };
                }
                None if bytes.len() >= LONGEST => return Scan::TooLong,
                None => return Scan::More,
            }
        }
    }
}

enum Scan {
    Record { end: usize, next: usize, lines: u64 },
    OpenQuote,
    TooLong,
    More,
}

enum Quote {
    /// The quote is closed, the field goes on at `after`, and `breaks` line ends stand between.
    Closed { after: usize, breaks: u64 },
    /// The end of what is there came first.
    More,
    /// Something else than a separator or line end follows a closing quote on a later line.
    Broken,
}

/// Finds the quote that closes the one at `open`.
fn closing_quote(bytes: &[u8], open: usize, separator: &[u8], line_end: u8, is_at_end: bool) -> Quote {
    let mut at = open + 1;
    loop {
        let Some(found) = memchr(b'"', &bytes[at..]) else { return Quote::More };
        let quote = at + found;
        match bytes.get(quote + 1) {
            Some(b'"') => at = quote + 2,
            None if !is_at_end => return Quote::More,
            next => {
                let breaks = memchr_iter(line_end, &bytes[open..quote]).count() as u64;
                let is_end = next.is_none_or(|byte| [line_end, b'\r', separator[0]].contains(byte));
                return if breaks > 0 && !is_end { Quote::Broken } else { Quote::Closed { after: quote + 1, breaks } };
            }
        }
    }
}

fn push(fields: &mut Vec<Field>, range: Range<usize>, is_quoted: bool) {
    // A record is at most a little over LONGEST bytes.
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    fields.push(Field { from: place(range.start), to: place(range.end), is_quoted });
}

impl<'r> Record<'r> {
    /// How many fields it has.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field without its quotes; `scratch` holds it where quotes had to be taken out of it.
    #[inline]
    pub(crate) fn field<'s>(&self, index: usize, scratch: &'s mut Vec<u8>) -> Option<&'s [u8]>
    where
        'r: 's,
    {
        let field = self.fields.get(index)?;
        let raw = &self.raw[field.from as usize..field.to as usize];
        if !field.is_quoted {
            return Some(raw);
        }
        if let [b'"', inner @ .., b'"'] = raw
            && memchr(b'"', inner).is_none()
        {
            return Some(inner);
        }
        unquote(raw, scratch);
        Some(scratch)
    }

    /// Whether the fields from `index` on are all empty.
    pub(crate) fn is_empty_from(&self, index: usize) -> bool {
        let is_empty = |field: &Field| {
            self.raw[field.from as usize..field.to as usize].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'"'))
        };
        self.fields.iter().skip(index).all(is_empty)
    }
}

/// The text of a field that begins with a quote: doubled quotes are one, what follows the closing quote is taken along.
fn unquote(raw: &[u8], text: &mut Vec<u8>) {
    text.clear();
    let mut rest = &raw[1..];
    while let Some(quote) = memchr(b'"', rest) {
        text.extend_from_slice(&rest[..quote]);
        if rest.get(quote + 1) != Some(&b'"') {
            text.extend_from_slice(&rest[quote + 1..]);
            return;
        }
        text.push(b'"');
        rest = &rest[quote + 2..];
    }
    text.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A reader that delivers a few bytes at a time.
    struct Dripping<'b>(&'b [u8], usize);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// Every record as its line and its fields; an unclosed quote as `?`.
    fn records(text: &[u8], separator: &str, drip: usize) -> Vec<(u64, Vec<String>)> {
        let mut records = Records::new(Dripping(text, drip), separator.as_bytes()).unwrap();
        let mut all = Vec::new();
        while let Some(next) = records.next().unwrap() {
            match next {
                Next::Record(record) => {
                    let mut scratch = Vec::new();
                    let fields = (0..record.len())
                        .map(|index| String::from_utf8_lossy(record.field(index, &mut scratch).unwrap()).into_owned());
                    all.push((record.line, fields.collect()));
                }
                Next::Blank => {}
                Next::OpenQuote(record) => all.push((record.line, vec!["?".to_owned()])),
                Next::TooLong(record) => all.push((record.line, vec!["!".to_owned()])),
            }
        }
        assert_eq!(records.consumed(), text.len() as u64);
        all
    }

    macro_rules! splits {
        ($($name:ident: $text:expr => $expected:expr;)*) => {
            $(#[test]
            fn $name() {
                let expected: &[(u64, &[&str])] = &$expected;
                let expected: Vec<(u64, Vec<String>)> = expected
                    .iter()
                    .map(|(line, fields)| (*line, fields.iter().map(|field| (*field).to_owned()).collect()))
                    .collect();
                assert_eq!(records($text.as_bytes(), ";", 7), expected);
            })*
        };
    }

    splits! {
        plain_lines: "a;b\nc;d\n" => [(1, &["a", "b"]), (2, &["c", "d"])];
        no_last_line_end: "a;b\nc;d" => [(1, &["a", "b"]), (2, &["c", "d"])];
        windows_line_ends: "a;b\r\nc;d\r\n" => [(1, &["a", "b"]), (2, &["c", "d"])];
        old_mac_line_ends: "a;b\rc;d\r" => [(1, &["a", "b"]), (2, &["c", "d"])];
        blank_lines_count: "a\n\n\r\nb\n" => [(1, &["a"]), (4, &["b"])];
        a_trailing_separator_is_a_field: "a;b;\n" => [(1, &["a", "b", ""])];
        quotes_hold_separators: "\"a;b\";c\n" => [(1, &["a;b", "c"])];
        quotes_hold_line_ends: "\"a\nb\";c\nd;e\n" => [(1, &["a\nb", "c"]), (3, &["d", "e"])];
        doubled_quotes_are_one: "\"a \"\"b\"\"\";c\n" => [(1, &["a \"b\"", "c"])];
        an_empty_quoted_field: "\"\";c\n" => [(1, &["", "c"])];
        a_quote_inside_a_field_is_text: "a\"b;c\n" => [(1, &["a\"b", "c"])];
        text_behind_a_closing_quote_is_kept: "\"a\"b;c\n" => [(1, &["ab", "c"])];
        an_open_quote_costs_its_line: "a;b\n\"c;d\ne;f\n" => [(1, &["a", "b"]), (2, &["?"]), (3, &["e", "f"])];
        an_open_quote_is_not_closed_by_the_next_opening_one:
            "\"a;b\n\"c\";d\ne;f\n" => [(1, &["?"]), (2, &["c", "d"]), (3, &["e", "f"])];
        an_open_quote_at_the_very_end: "a;b\nc;\"d" => [(1, &["a", "b"]), (2, &["?"])];
        nothing: "" => [];
    }

    #[test]
    fn separators_of_several_bytes() {
        let expected = vec![(1, vec!["a".to_owned(), "b\u{a6}".to_owned(), "c".to_owned()])];
        for drip in 1..8 {
            assert_eq!(records("a§b¦§c\n".as_bytes(), "§", drip), expected);
        }
    }

    #[test]
    fn a_line_without_end_is_too_long_and_the_next_goes_on() {
        let text = [b"a;b\n".as_slice(), &vec![b'x'; 3 * LONGEST], b"\nc;d\n"].concat();
        let found = records(&text, ";", 1 << 16);
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!((lines, found[1].1[0].as_str(), found[2].1[0].as_str()), (vec![1, 2, 3], "!", "c"));
    }

    proptest! {
        /// What the csv crate writes and reads, whatever the size of the pieces in which it arrives.
        #[test]
        fn agrees_with_an_independent_reader(
            rows in prop::collection::vec(prop::collection::vec("[a\"; \n]{0,4}", 2..4), 0..8),
            drip in 1..64_usize,
        ) {
            let mut writer = csv::WriterBuilder::new().delimiter(b';').flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = writer.into_inner().unwrap();
            let mut reader =
                csv::ReaderBuilder::new().delimiter(b';').flexible(true).has_headers(false).from_reader(text.as_slice());
            let expected: Vec<(u64, Vec<String>)> = reader
                .records()
                .map(|record| record.unwrap())
                .map(|record| (record.position().unwrap().line(), record.iter().map(str::to_owned).collect()))
                .collect();
            prop_assert_eq!(records(&text, ";", drip), expected);
        }

        #[test]
        fn any_bytes_are_split_without_loss(text in prop::collection::vec(prop_oneof![Just(b';'), Just(b'"'), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..80), drip in 1..20_usize) {
            records(&text, ";", drip);
        }
    }
}
