//! The encodings of exports, and what is no text at all.
//!
//! Rows are split and compared as bytes; only names that are kept become text. So separators and strings to look for are
//! [encoded](Encoding::encode) once, and the fields that matter are [decoded](Encoding::decode). All four encodings hold
//! ASCII unchanged, which is what the splitting relies on.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// How the text of a file is written as bytes.
///
/// By the WHATWG labels, which browsers and this type follow, ISO-8859-1 *is* Windows-1252 and ISO-8859-9 *is*
/// Windows-1254: the bytes 0x80 to 0x9F are read as the letters and signs that real files mean by them (`€`, `–`, `Š`),
/// not as control characters. The few of them that stand for nothing become control characters, so that only UTF-8 can
/// be invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Encoding {
    /// `utf-8`, with or without a byte order mark.
    #[default]
    Utf8,
    /// `iso-8859-1`, Western European.
    Iso8859_1,
    /// `iso-8859-9`, Turkish.
    Iso8859_9,
    /// `windows-1252`, Western European as Windows writes it.
    Windows1252,
}

impl Encoding {
    /// Every encoding.
    pub(crate) const ALL: [Self; 4] = [Self::Utf8, Self::Iso8859_1, Self::Iso8859_9, Self::Windows1252];

    /// The name in configurations: `utf-8`, `iso-8859-1`, `iso-8859-9`, `windows-1252`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Iso8859_1 => "iso-8859-1",
            Self::Iso8859_9 => "iso-8859-9",
            Self::Windows1252 => "windows-1252",
        }
    }

    /// The text that `bytes` stand for, `None` where they are not valid. A byte order mark is not removed.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            _ => self.table().decode_without_bom_handling_and_without_replacement(bytes),
        }
    }

    /// The bytes that stand for `text`, `None` where it holds a character that the encoding lacks.
    pub(crate) fn encode(self, text: &str) -> Option<Vec<u8>> {
        let (bytes, _, unmappable) = self.table().encode(text);
        (!unmappable).then(|| bytes.into_owned())
    }

    fn table(self) -> &'static encoding_rs::Encoding {
        match self {
            Self::Utf8 => encoding_rs::UTF_8,
            Self::Iso8859_1 | Self::Windows1252 => encoding_rs::WINDOWS_1252,
            Self::Iso8859_9 => encoding_rs::WINDOWS_1254,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads the name back, in any case, and the names that other programs use for the same: `utf8`, `latin1`, `latin5`,
/// `cp1252`, `ansi`, ….
impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "utf_8" | "utf-8-sig" | "utf-8-bom" => Ok(Self::Utf8),
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "iso88591" | "latin1" | "latin-1" | "l1" => Ok(Self::Iso8859_1),
            "iso-8859-9" | "iso8859-9" | "iso_8859-9" | "iso88599" | "latin5" | "latin-5" | "l5" => Ok(Self::Iso8859_9),
            "windows-1252" | "windows1252" | "cp1252" | "cp-1252" | "1252" | "ansi" => Ok(Self::Windows1252),
            _ => {
                let names = Self::ALL.map(Self::as_str).join(", ");
                Err(format!("unknown encoding {text:?}, expected one of {names}"))
            }
        }
    }
}

/// How many bytes at the start of a file are a UTF-8 byte order mark: three or none.
pub(crate) fn bom_len(start: &[u8]) -> usize {
    if start.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }
}

/// What a file is that is no CSV file, judged by its first bytes, with what to do about it.
///
/// `None` for anything that may be text in one of the [encodings](Encoding), a damaged file with single NUL bytes
/// included: the reader rejects the rows that hold them. A few kilobytes are enough; the more, the surer.
pub(crate) fn not_csv(start: &[u8]) -> Option<&'static str> {
    let magic = |bytes: &[u8]| start.starts_with(bytes);
    if magic(b"PK\x03\x04") {
        return Some(zip(start));
    }
    if magic(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Some("an Excel workbook (xls): save it as CSV");
    }
    if magic(b"%PDF-") {
        return Some("a PDF document: export the data as CSV");
    }
    if magic(b"\x1F\x8B") {
        return Some("a gzip archive: unpack it");
    }
    if magic(b"7z\xBC\xAF\x27\x1C") || magic(b"\xFD7zXZ\0") || magic(b"\x28\xB5\x2F\xFD") || magic(b"PK\x05\x06") {
        return Some("an archive: unpack it");
    }
    if magic(b"SQLite format 3\0") {
        return Some("a SQLite database: export the data as CSV");
    }
    if magic(b"\xFF\xFE\0\0") || magic(b"\0\0\xFE\xFF") {
        return Some("text in UTF-32: save it as UTF-8");
    }
    if magic(b"\xFF\xFE") || magic(b"\xFE\xFF") || is_utf_16(start) {
        return Some("text in UTF-16 (also called Unicode): save it as UTF-8");
    }
    let text = start[bom_len(start)..].trim_ascii_start();
    let opens = |tag: &str| text.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()));
    if opens("<!doctype html") || opens("<html") {
        return Some("an HTML page: export the data as CSV");
    }
    if opens("<?xml") {
        return Some("an XML document: export the data as CSV");
    }
    is_binary(start).then_some("binary data, no text: export the data as CSV")
}

/// Workbooks are zip archives; the names of their parts stand uncompressed in the first block.
fn zip(start: &[u8]) -> &'static str {
    let holds = |name: &[u8]| memchr::memmem::find(start, name).is_some();
    if holds(b"[Content_Types].xml") || holds(b"xl/") {
        "an Excel workbook (xlsx): save it as CSV"
    } else if holds(b"opendocument.spreadsheet") {
        "an OpenDocument spreadsheet (ods): save it as CSV"
    } else {
        "a zip archive: unpack it"
    }
}

/// Whether every second byte is a NUL, more or less: Latin text in UTF-16 without a byte order mark.
fn is_utf_16(start: &[u8]) -> bool {
    let nuls = |parity: usize| start.iter().skip(parity).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd, pairs) = (nuls(0), nuls(1), start.len() / 2);
    pairs >= 2 && even.min(odd) * 8 < pairs && even.max(odd) * 2 > pairs
}

/// Whether control characters that no text holds make up more than a twentieth.
fn is_binary(start: &[u8]) -> bool {
    let control = |byte: u8| matches!(byte, 0..=0x08 | 0x0E..=0x19 | 0x1C..=0x1F);
    let controls = start.iter().filter(|&&byte| control(byte)).count();
    controls >= 4 && controls * 20 > start.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes of an encoding, and the text that they are.
    macro_rules! decodes {
        ($($name:ident, $encoding:literal, $bytes:expr => $text:expr;)*) => {$(
            #[test]
            fn $name() {
                let (encoding, bytes, text): (Encoding, &[u8], &str) = ($encoding.parse().unwrap(), $bytes, $text);
                assert_eq!(encoding.decode(bytes).as_deref(), Some(text));
                assert_eq!(encoding.encode(text).as_deref(), Some(bytes));
            }
        )*};
    }

    decodes! {
        ascii_is_itself, "utf-8", b"Sales;1" => "Sales;1";
        umlaut_in_utf_8, "utf-8", b"B\xC3\xBCro" => "Büro";
        umlaut_in_iso_8859_1, "iso-8859-1", b"B\xFCro" => "Büro";
        euro_in_iso_8859_1_as_real_files_mean_it, "iso-8859-1", b"\x80 5" => "€ 5";
        turkish_letters_in_iso_8859_9, "iso-8859-9", b"\xD0\xDD\xDE\xF0\xFD\xFE" => "ĞİŞğış";
        dash_and_quotes_in_windows_1252, "windows-1252", b"\x93A\x94 \x96 \x80" => "“A” – €";
        accents_in_windows_1252, "windows-1252", b"Pe\xF1a, Jos\xE9" => "Peña, José";
        undefined_byte_stays_a_control_character, "windows-1252", b"\x81" => "\u{81}";
        nothing, "utf-8", b"" => "";
    }

    #[test]
    fn invalid_utf_8_is_refused_and_everything_else_has_a_meaning() {
        for bytes in [b"\xFC".as_slice(), b"B\xFCro", b"\xC3", b"\xC0\x80", b"\xED\xA0\x80", b"\xF5\x80\x80\x80"] {
            assert_eq!(Encoding::Utf8.decode(bytes), None, "{bytes:?}");
        }
        let all: Vec<u8> = (0..=255).collect();
        for encoding in [Encoding::Iso8859_1, Encoding::Iso8859_9, Encoding::Windows1252] {
            let text = encoding.decode(&all).unwrap();
            assert_eq!(text.chars().count(), 256, "{encoding}");
            assert_eq!(encoding.encode(&text).as_deref(), Some(all.as_slice()), "{encoding}");
        }
    }

    #[test]
    fn a_character_that_the_encoding_lacks_is_not_encoded() {
        assert_eq!(Encoding::Iso8859_1.encode("ğ"), None);
        assert_eq!(Encoding::Windows1252.encode("→"), None);
        assert_eq!(Encoding::Iso8859_9.encode("ð"), None);
        assert_eq!(Encoding::Utf8.encode("→"), Some("→".into()));
    }

    #[test]
    fn names_read_back_in_any_case_and_with_their_aliases() {
        for encoding in Encoding::ALL {
            assert_eq!(encoding.to_string().parse(), Ok(encoding));
            assert_eq!(encoding.to_string().to_uppercase().parse(), Ok(encoding));
        }
        for (alias, encoding) in [
            ("utf8", Encoding::Utf8),
            ("Latin1", Encoding::Iso8859_1),
            ("latin-1", Encoding::Iso8859_1),
            ("latin5", Encoding::Iso8859_9),
            ("CP1252", Encoding::Windows1252),
            ("ANSI", Encoding::Windows1252),
        ] {
            assert_eq!(alias.parse(), Ok(encoding), "{alias}");
        }
        let error = "koi8-r".parse::<Encoding>().unwrap_err();
        assert_eq!(error, "unknown encoding \"koi8-r\", expected one of utf-8, iso-8859-1, iso-8859-9, windows-1252");
    }

    #[test]
    fn byte_order_marks_are_counted() {
        assert_eq!(bom_len(b"\xEF\xBB\xBFQueue"), 3);
        assert_eq!(bom_len(b"\xEF\xBB"), 0);
        assert_eq!(bom_len(b"Queue"), 0);
    }

    #[test]
    fn files_of_another_kind_are_named() {
        let utf_16_without_mark: Vec<u8> =
            "Queue;Date\r\nSales;1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let noise: Vec<u8> = (0..=255).cycle().take(4_096).collect();
        for (start, found) in [
            (b"PK\x03\x04\x14\0\x06\0\x08\0...[Content_Types].xml ".as_slice(), "an Excel workbook (xlsx)"),
            (b"PK\x03\x04\x14\0...xl/workbook.xml", "an Excel workbook (xlsx)"),
            (
                b"PK\x03\x04\x14\0...mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                "an OpenDocument spreadsheet (ods)",
            ),
            (b"PK\x03\x04\x14\0...calls.csv", "a zip archive"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", "an Excel workbook (xls)"),
            (b"%PDF-1.7\n", "a PDF document"),
            (b"\x1F\x8B\x08\0", "a gzip archive"),
            (b"7z\xBC\xAF\x27\x1C\0\x04", "an archive"),
            (b"SQLite format 3\0", "a SQLite database"),
            (b"\xFF\xFE\0\0Q\0\0\0", "text in UTF-32"),
            (b"\xFF\xFEQ\0u\0", "text in UTF-16"),
            (b"\xFE\xFF\0Q\0u", "text in UTF-16"),
            (&utf_16_without_mark, "text in UTF-16"),
            (b"\xEF\xBB\xBF\r\n<!DOCTYPE HTML><title>Sign in", "an HTML page"),
            (b"<html><table>", "an HTML page"),
            (b"<?xml version=\"1.0\"?><Workbook>", "an XML document"),
            (b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3E\0", "binary data"),
            (&noise, "binary data"),
        ] {
            let answer = not_csv(start).unwrap_or("text");
            assert_eq!(
                answer.split([':', ',']).next().map(|kind| kind.replace(" (also called Unicode)", "")).as_deref(),
                Some(found)
            );
        }
    }

    #[test]
    fn text_is_left_alone() {
        for text in [
            b"".as_slice(),
            b"Q",
            b"\0",
            b"PK;Name\r\n1;Sales\r\n",
            b"\xEF\xBB\xBFQueue;Date\r\n",
            b"B\xFCro;25/05/2020\r\n",
            b"Queue;Date\nSales\0;25/05/2020\nSales;26/05/2020\n",
            b"Queue\tDate\tTime\r\n\x0C",
            b"<none>;25/05/2020\n",
        ] {
            assert_eq!(not_csv(text), None, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in ".*") {
            for encoding in Encoding::ALL {
                if let Some(bytes) = encoding.encode(&text) {
                    let decoded = encoding.decode(&bytes);
                    prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
                }
            }
        }

        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            not_csv(&bytes);
            for encoding in Encoding::ALL {
                encoding.decode(&bytes);
            }
        }
    }
}
