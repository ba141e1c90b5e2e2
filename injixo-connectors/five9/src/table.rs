//! The rows of a report, by the names of its columns.

use chrono::NaiveDateTime;
use csv::StringRecord;
use injixo_core::model::{Millis, RejectedRow, Rule};
use injixo_core::zone::LocalTime;
use injixo_core::{Error, ErrorKind, Result};

/// The rows of a report.
#[derive(Debug)]
pub(crate) struct Table {
    headers: Vec<String>,
    rows: Vec<StringRecord>,
    /// The folder and name of the report.
    source: String,
}

impl Table {
    /// Reads a report as text: a line of headers, then the rows; lines end in either way.
    pub(crate) fn read(source: String, text: &str) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let headers = reader.headers().map_err(|error| broken(&source, &error))?;
        let headers: Vec<String> = headers.iter().map(|name| name.trim().to_uppercase()).collect();
        let mut rows = Vec::new();
        for row in reader.into_records() {
            rows.push(row.map_err(|error| broken(&source, &error))?);
        }
        Ok(Self { headers, rows, source })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Where the columns of those names are.
    pub(crate) fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N]> {
        let missing: Vec<&str> = names.iter().copied().filter(|name| self.find(name).is_none()).collect();
        if !missing.is_empty() {
            let message = format!(
                "the report {:?} lacks the columns {}: save it again with them; it has {}",
                self.source,
                missing.join(", "),
                self.headers.join(", ")
            );
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        }
        Ok(names.map(|name| self.find(name).unwrap_or_default()))
    }

    /// Where the column of that name is.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|header| header == name)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().enumerate().map(|(index, record)| Row { index, record, table: self })
    }
}

fn broken(source: &str, error: &csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    Error::new(ErrorKind::Protocol, format!("the report {source:?} is no table: line {line}"))
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'t> {
    index: usize,
    record: &'t StringRecord,
    table: &'t Table,
}

/// A column whose value is wrong, and why.
pub(crate) type Wrong = (usize, Rule);

impl Row<'_> {
    pub(crate) fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default().trim()
    }

    /// The text, unless it stands for none.
    pub(crate) fn name(&self, column: usize) -> Option<&str> {
        Some(self.text(column)).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("[None]"))
    }

    /// `HH:MM:SS`, nothing meaning no time.
    pub(crate) fn length(&self, column: usize) -> Result<Millis, Wrong> {
        length(self.text(column)).ok_or((column, Rule::Duration))
    }

    /// A time such as `Tue, 05 Mar 2024 09:46:10`.
    pub(crate) fn timestamp(&self, column: usize) -> Result<LocalTime, Wrong> {
        let parsed = NaiveDateTime::parse_from_str(self.text(column), "%a, %d %b %Y %H:%M:%S");
        parsed.map(LocalTime::from).map_err(|_| (column, Rule::Date))
    }

    /// A time in two columns: `2024/03/05` and `09:46:10`.
    pub(crate) fn date_and_time(&self, date: usize, time: usize) -> Result<LocalTime, Wrong> {
        let both = format!("{} {}", self.text(date), self.text(time));
        NaiveDateTime::parse_from_str(&both, "%Y/%m/%d %H:%M:%S").map(LocalTime::from).map_err(|_| (date, Rule::Date))
    }

    pub(crate) fn rejected(&self, (column, rule): Wrong) -> RejectedRow {
        RejectedRow {
            source: self.table.source.clone(),
            // Behind the line of headers.
            line: self.index as u64 + 2,
            column: self.table.headers.get(column).cloned().unwrap_or_default(),
            rule,
            excerpt: RejectedRow::excerpt_of(self.text(column)),
        }
    }
}

fn length(text: &str) -> Option<Millis> {
    if text.is_empty() {
        return Some(Millis::ZERO);
    }
    let mut parts = text.split(':');
    let mut next = |most: i64| {
        let part = parts.next().filter(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        part.and_then(|part| part.parse::<i64>().ok()).filter(|part| *part < most)
    };
    let (hours, minutes, seconds) = (next(366 * 24)?, next(60)?, next(60)?);
    parts.next().is_none().then(|| Millis::from_secs(hours * 3_600 + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_hours_minutes_and_seconds() {
        for (text, secs) in [
            ("00:04:40", Some(280)),
            ("27:00:01", Some(97_201)),
            ("0:0:1", Some(1)),
            ("", Some(0)),
            ("04:40", None),
            ("00:60:00", None),
            ("00:00:00:00", None),
            ("-1:00:00", None),
            ("a", None),
        ] {
            assert_eq!(length(text), secs.map(Millis::from_secs), "{text}");
        }
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let text = "skill,Call ID,TIMESTAMP\r\n\"Sales, EU\",7,\"Tue, 05 Mar 2024 09:46:10\"\r\n[None],8,soon\r\n";
        let table = Table::read("Calls".to_owned(), text).unwrap();
        let [id, time] = table.columns(["CALL ID", "TIMESTAMP"]).unwrap();
        let rows: Vec<Row<'_>> = table.rows().collect();
        assert_eq!((rows[0].text(id), rows[0].name(0), rows[1].name(0)), ("7", Some("Sales, EU"), None));
        assert_eq!(rows[0].timestamp(time).unwrap(), "2024-03-05T09:46:10".parse().unwrap());
        let rejected = rows[1].rejected(rows[1].timestamp(time).unwrap_err());
        assert_eq!((rejected.line, rejected.column.as_str(), rejected.excerpt.as_str()), (3, "TIMESTAMP", "soon"));
        let error = table.columns(["TALK TIME", "CALL ID", "AGENT"]).unwrap_err().to_string();
        assert!(error.contains("lacks the columns TALK TIME, AGENT") && error.contains("SKILL, CALL ID"), "{error}");
    }
}
