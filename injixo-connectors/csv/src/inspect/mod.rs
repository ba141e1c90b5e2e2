//! A proposal for the schema of a file that nobody has described yet.
//!
//! Everything here is a guess from the beginning of the file, and said to be one. What is proposed is a schema that reads
//! the file as it stands; the zone cannot be guessed and is UTC.

mod columns;
mod formats;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use injixo_core::{Error, ErrorKind, Result};

use self::columns::{Guess, guess};
use crate::datetime::Role;
use crate::encoding::{Encoding, bom_len, not_csv};
use crate::plan::letters;
use crate::reader::unreadable;
use crate::records::{Next, Records};

/// How much of a file is looked at.
const SAMPLE: u64 = 1 << 20;
const ROWS: usize = 5_000;

/// A proposed schema.
#[derive(Debug, Clone)]
pub struct Proposal {
    toml: String,
    preview: String,
}

impl Proposal {
    /// The schema as TOML, with a comment wherever something was guessed. It reads the file as it stands.
    pub fn toml(&self) -> &str {
        &self.toml
    }

    /// What the proposal makes of the first rows, for people.
    pub fn preview(&self) -> &str {
        &self.preview
    }
}

/// Looks at a file and proposes a schema: encoding, separator, header, formats and likely columns.
///
/// # Errors
///
/// `DataInvalid` when the file cannot carry contact data or agent statuses, with the reason: no text, no columns, no time of
/// day.
pub fn inspect(path: impl AsRef<Path>) -> Result<Proposal> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(SAMPLE).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 == SAMPLE {
        // The last line is most likely cut.
        let whole = bytes.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes.len(), |last| last + 1);
        bytes.truncate(whole);
    }
    inspect_bytes(&bytes)
}

fn inspect_bytes(bytes: &[u8]) -> Result<Proposal> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refused("the file is empty: expected a header and rows"));
    }
    if let Some(what) = not_csv(bytes) {
        return Err(refused(format!("this is no CSV file but {what}")));
    }
    let encoding = if std::str::from_utf8(bytes).is_ok() { Encoding::Utf8 } else { Encoding::Windows1252 };
    let bytes = &bytes[bom_len(bytes)..];
    let sheet = Sheet::of(bytes, encoding)?;
    let guess = guess(&sheet)?;
    Ok(Proposal { toml: toml(&sheet, &guess), preview: preview(&sheet, &guess) })
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::DataInvalid, message)
}

/// The beginning of a file as text in columns.
struct Sheet {
    encoding: Encoding,
    separator: char,
    skip_first_rows: u64,
    has_header: bool,
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    fn of(bytes: &[u8], encoding: Encoding) -> Result<Self> {
        let candidates = [';', ',', '\t', '|'].map(|separator| (separator, split(bytes, separator, encoding)));
        let best = candidates.into_iter().max_by_key(|(_, rows)| agreement(rows));
        let Some((separator, rows)) = best.filter(|(_, rows)| agreement(rows).0 > 0) else {
            return Err(refused(
                "no separator was found: expected columns with ; , tab or | between them, in more than one row",
            ));
        };
        let usual = usual_count(&rows);
        // A title above the table has fewer fields; a header may lack the separator that ends each row.
        let first =
            rows.iter().position(|(_, row)| row.len() + 1 >= usual && row.iter().filter(|f| !f.is_empty()).count() > 1);
        let first = first.unwrap_or(0);
        let skip_first_rows = rows.get(first).map_or(0, |(line, _)| line - 1);
        let mut rows: Vec<Vec<String>> = rows.into_iter().skip(first).map(|(_, row)| row).collect();
        let has_header = !rows[0].iter().any(|field| is_value(field));
        let names = if has_header { rows.remove(0) } else { (0..usual).map(letters).collect() };
        if rows.is_empty() {
            return Err(refused("the file holds a header and no rows: nothing can be said about its columns"));
        }
        Ok(Self { encoding, separator, skip_first_rows, has_header, names, rows })
    }

    fn column(&self, index: usize) -> impl Iterator<Item = &str> {
        let fields = self.rows.iter().filter_map(move |row| row.get(index));
        fields.map(|field| field.trim()).filter(|field| !field.is_empty())
    }
}

type Numbered = Vec<(u64, Vec<String>)>;

fn split(bytes: &[u8], separator: char, encoding: Encoding) -> Numbered {
    let mut rows = Vec::new();
    let mut scratch = Vec::new();
    let Ok(mut records) = Records::new(bytes, separator.to_string().as_bytes()) else { return rows };
    while let Ok(Some(next)) = records.next() {
        let Next::Record(record) = next else { continue };
        let field = |index| {
            let bytes = record.field(index, &mut scratch).unwrap_or_default();
            encoding.decode(bytes).unwrap_or_default().into_owned()
        };
        rows.push((record.line, (0..record.len()).map(field).collect()));
        if rows.len() == ROWS {
            break;
        }
    }
    rows
}

/// How many rows have the usual number of fields, and that number; none where the usual row has one field.
fn agreement(rows: &Numbered) -> (usize, usize) {
    let usual = usual_count(rows);
    let agreeing = rows.iter().filter(|(_, row)| row.len() == usual).count();
    if usual < 2 { (0, 0) } else { (agreeing, usual) }
}

fn usual_count(rows: &Numbered) -> usize {
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    rows.iter().for_each(|(_, row)| *counts.entry(row.len()).or_default() += 1);
    counts.into_iter().max_by_key(|(_, times)| *times).map_or(0, |(count, _)| count)
}

/// Whether a field is a number, a date or a time, which headers are not.
fn is_value(field: &str) -> bool {
    let field = field.trim();
    field.parse::<f64>().is_ok_and(f64::is_finite)
        || [Role::Date, Role::Time, Role::Timestamp]
            .into_iter()
            .any(|role| !formats::fitting(&[field], role).is_empty())
}

fn toml(sheet: &Sheet, guess: &Guess) -> String {
    let mut out = String::new();
    let separator = if sheet.separator == '\t' { "tab".to_owned() } else { sheet.separator.to_string() };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# Proposed from the beginning of the file. Check what is marked as a guess.");
    let _ = writeln!(out, "data = \"{}\"", guess.data);
    if let Some(minutes) = guess.interval {
        let _ = writeln!(out, "layout = \"interval-based\"\ninterval = {minutes}");
    }
    let _ = writeln!(out, "encoding = \"{}\"", sheet.encoding);
    let _ = writeln!(out, "separator = {}", text(&separator));
    let _ = writeln!(out, "time_zone = \"UTC\"    # a guess: name the zone in which the source records");
    if !sheet.has_header {
        let _ = writeln!(out, "add_header_row = true");
    }
    if sheet.skip_first_rows > 0 {
        let _ = writeln!(out, "skip_first_rows = {}", sheet.skip_first_rows);
    }
    let has_empty = sheet.rows.iter().any(|row| row.len() > 1 && row.iter().all(|field| field.trim().is_empty()));
    if has_empty {
        let _ = writeln!(out, "skip_empty_rows = true");
    }
    let _ = writeln!(out, "\n[columns]");
    for (field, value, note) in &guess.fields {
        let note = if note.is_empty() { String::new() } else { format!("    # {note}") };
        let _ = writeln!(out, "{field} = {value}{note}");
    }
    let unused: Vec<&str> = (0..sheet.names.len())
        .filter(|index| !guess.used.contains(index) && !sheet.names[*index].trim().is_empty())
        .map(|index| sheet.names[index].as_str())
        .collect();
    if !unused.is_empty() {
        let _ = writeln!(out, "# not used: {}", unused.iter().map(|name| text(name)).collect::<Vec<_>>().join(", "));
    }
    out
}

/// A text as TOML writes it.
fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn preview(sheet: &Sheet, guess: &Guess) -> String {
    let mut out = format!("{} rows looked at; the first, in the columns that are used:\n", sheet.rows.len());
    let mut used: Vec<usize> = guess.used.iter().copied().collect();
    used.sort_unstable();
    let lines = std::iter::once(&sheet.names).chain(sheet.rows.iter().take(5));
    for row in lines {
        let cells = used.iter().map(|index| row.get(*index).map_or("", |cell| cell.trim()));
        let cells: Vec<String> =
            cells.map(|cell| format!("{:<24}", cell.chars().take(24).collect::<String>())).collect();
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    /// The proposal, which must be a schema.
    fn proposal(file: &str) -> String {
        let toml = inspect_bytes(file.as_bytes()).unwrap().toml;
        let schema = toml.parse::<Schema>();
        assert!(schema.is_ok(), "{schema:?}\n{toml}");
        toml
    }

    macro_rules! proposes {
        ($($name:ident: $file:expr => [$($part:expr),*];)*) => {
            $(#[test]
            fn $name() {
                let toml = proposal($file);
                for part in [$($part),*] {
                    assert!(toml.contains(part), "{part} is not in\n{toml}");
                }
            })*
        };
    }

    proposes! {
        interval_based_as_documented:
            "Queue;Date;Time;IncomingCalls;AnsweredCalls;AHT\nMy Inbound Queue;25/05/2020;08:00;15;14;230\nMy Inbound Queue;25/05/2020;08:15;16;15;210\n"
            => ["layout = \"interval-based\"", "interval = 15", "queue = \"Queue\"", "offered = \"IncomingCalls\"",
                "handled = \"AnsweredCalls\"", "aht = \"AHT\"", "format = \"DD/MM/YYYY\"", "format = \"hh:mm\""];
        contact_based_as_documented:
            "Queue;Date;Time;Offered;Answered;Duration\nMy Inbound Queue;25/05/2020;08:00;1;1;100\nMy Inbound Queue;25/05/2020;08:03;1;0;0\n"
            => ["data = \"contacts\"", "duration = \"Duration\"", "offered = \"Offered\"", "handled = \"Answered\""];
        agent_status_as_documented:
            "StartDate;StartTime;AgentID;AgentActivityID\n2022-04-22;08:34:29;816;1013;\n2022-04-22;08:34:42;816;1015;\n"
            => ["data = \"agent-status\"", "agent = \"AgentID\"", "activity = \"AgentActivityID\"", "start_date", "start_time"];
        month_first_where_the_day_says_so:
            "Queue,When,Answered,Duration\nA,5/13/2024 1:05 PM,Y,10\nA,5/14/2024 11:05 AM,N,10\n"
            => ["separator = \",\"", "format = \"M/D/YYYY h:mm A\"", "offered = { value = 1 }"];
        no_header:
            "Sales\t2024-03-31T02:30:00Z\t1\t0\t12\nSales\t2024-03-31T02:31:00Z\t1\t1\t13\n"
            => ["add_header_row = true", "separator = \"tab\"", "timestamp = "];
        a_title_above_the_table:
            "Report of May\n\nQueue;Start;Offered;Handled;Duration\nA;2024-05-01 10:00:00;1;1;5\nA;2024-05-01 10:01:00;1;1;5\n"
            => ["skip_first_rows = 2", "timestamp = \"Start\""];
    }

    #[test]
    fn totals_by_day_are_refused_with_the_reason() {
        let file =
            "AGENT,DATE,LOGIN TIME,TALK TIME\na@x,2025/01/23,07:06:04,01:00:00\nb@x,2025/01/23,06:06:04,02:00:00\n";
        let error = inspect_bytes(file.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("no time of day"), "{error}");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for file in ["", "\n\n", "hello\nworld\n", "PK\u{3}\u{4}rest", "a;b\n"] {
            assert!(inspect_bytes(file.as_bytes()).is_err(), "{file:?}");
        }
    }
}
