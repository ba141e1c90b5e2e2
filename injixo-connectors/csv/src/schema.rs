//! How a file is to be read: the schema of an integration, as a person writes it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use injixo_core::model::{Channel, IntervalLength};
use injixo_core::zone::{FoldPolicy, GapPolicy, Zone};
use injixo_core::{Error, ErrorKind, Fill, Result};
use toml::{Table, Value};

use crate::datetime::{Formats, Role};
use crate::encoding::Encoding;
use crate::value::DurationFormat;

/// How a file is to be read. Made from TOML; every key is explained in `sample.toml`.
///
/// ```
/// let schema: injixo_connector_csv::Schema = r#"
///     data = "contacts"
///     time_zone = "Europe/Berlin"
///     [columns]
///     queue = "Queue"
///     date = { column = "Date", format = "DD/MM/YYYY" }
///     time = { column = "Time", format = "hh:mm" }
///     offered = "Offered"
///     handled = "Answered"
///     duration = "Duration"
///     channel = { value = "calls" }
/// "#.parse()?;
/// assert_eq!(schema.zone().name(), "Europe/Berlin");
/// # Ok::<(), injixo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    pub(crate) data: Data,
    pub(crate) encoding: Encoding,
    pub(crate) separator: String,
    pub(crate) zone: Zone,
    pub(crate) gap: GapPolicy,
    pub(crate) fold: FoldPolicy,
    pub(crate) missing: Fill,
    pub(crate) add_header_row: bool,
    pub(crate) skip_empty_rows: bool,
    pub(crate) skip_first_rows: u64,
    pub(crate) skip_rows_containing: Vec<String>,
    pub(crate) logged_off: Vec<String>,
    pub(crate) sql: Option<String>,
    pub(crate) folder: Option<Folder>,
    pub(crate) columns: Vec<(Field, Source)>,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    Contacts,
    Intervals(IntervalLength),
    Statuses,
}

/// Where files arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) ending: String,
    pub(crate) quiet_secs: u64,
}

/// What a column is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Queue,
    Channel,
    Date,
    Time,
    Timestamp,
    Offered,
    Handled,
    Aht,
    Duration,
    Agent,
    Activity,
    StartDate,
    StartTime,
    StartTimestamp,
    EndDate,
    EndTime,
    EndTimestamp,
}

impl Field {
    const NAMES: [(Self, &'static str); 17] = [
        (Self::Queue, "queue"),
        (Self::Channel, "channel"),
        (Self::Date, "date"),
        (Self::Time, "time"),
        (Self::Timestamp, "timestamp"),
        (Self::Offered, "offered"),
        (Self::Handled, "handled"),
        (Self::Aht, "aht"),
        (Self::Duration, "duration"),
        (Self::Agent, "agent"),
        (Self::Activity, "activity"),
        (Self::StartDate, "start_date"),
        (Self::StartTime, "start_time"),
        (Self::StartTimestamp, "start_timestamp"),
        (Self::EndDate, "end_date"),
        (Self::EndTime, "end_time"),
        (Self::EndTimestamp, "end_timestamp"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(field, _)| *field == self).map_or("", |(_, name)| name)
    }

    /// What a column of dates or times is for.
    pub(crate) const fn role(self) -> Option<Role> {
        match self {
            Self::Date | Self::StartDate | Self::EndDate => Some(Role::Date),
            Self::Time | Self::StartTime | Self::EndTime => Some(Role::Time),
            Self::Timestamp | Self::StartTimestamp | Self::EndTimestamp => Some(Role::Timestamp),
            _ => None,
        }
    }

    const fn is_duration(self) -> bool {
        matches!(self, Self::Aht | Self::Duration)
    }
}

/// Where the value of a field comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Source {
    /// A value for all rows; then there are no columns.
    pub(crate) value: Option<String>,
    /// Column names; the values of several are joined, empty ones left out.
    pub(crate) columns: Vec<String>,
    pub(crate) join: String,
    pub(crate) trim: bool,
    pub(crate) formats: Vec<String>,
}

impl Source {
    /// The formats of a field of dates or times; without any, ISO 8601.
    pub(crate) fn date_formats(&self, role: Role, encoding: Encoding) -> Result<Formats, String> {
        let formats: Vec<&str> = match self.formats.as_slice() {
            [] => vec!["iso8601"],
            given => given.iter().map(String::as_str).collect(),
        };
        Formats::compile(formats, role, encoding).map_err(|error| error.to_string())
    }

    /// The formats of a duration; without any, seconds or h:mm:ss.
    pub(crate) fn duration_formats(&self, encoding: Encoding) -> Result<Vec<DurationFormat>, String> {
        if self.formats.is_empty() {
            return Ok(vec![DurationFormat::default()]);
        }
        let compiled = self.formats.iter().map(|format| DurationFormat::compile(format, encoding));
        compiled.collect::<Result<_, _>>().map_err(|error| error.to_string())
    }
}

impl Schema {
    /// Reads a schema from a file.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such file, `ConfigInvalid` with every mistake in it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let named = |error: Error| error.with("schema", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| named(Error::new(ErrorKind::NotFound, format!("the schema cannot be read: {error}"))))?;
        text.parse().map_err(named)
    }

    /// The zone in which the source records.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The length of the file's intervals, `None` unless the file is interval-based.
    pub fn interval_length(&self) -> Option<IntervalLength> {
        match self.data {
            Data::Intervals(length) => Some(length),
            Data::Contacts | Data::Statuses => None,
        }
    }

    /// Whether the file holds agent statuses; else it holds contact data.
    pub fn is_agent_status(&self) -> bool {
        self.data == Data::Statuses
    }

    /// What stands for an interval without a row.
    pub fn missing(&self) -> Fill {
        self.missing
    }

    /// The external statuses that mean logged off.
    pub fn logged_off(&self) -> &[String] {
        &self.logged_off
    }

    pub(crate) fn source(&self, field: Field) -> Option<&Source> {
        self.columns.iter().find(|(held, _)| *held == field).map(|(_, source)| source)
    }
}

impl std::str::FromStr for Schema {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            Error::new(ErrorKind::ConfigInvalid, format!("no TOML: line {line}: {}", error.message()))
        })?;
        let mut walk = Walk { mistakes: Vec::new() };
        let schema = walk.schema(&table);
        match schema {
            Some(schema) if walk.mistakes.is_empty() => Ok(schema),
            _ => Err(Error::new(ErrorKind::ConfigInvalid, walk.mistakes.join("; "))),
        }
    }
}

/// Reads keys and collects every mistake with its path.
struct Walk {
    mistakes: Vec<String>,
}

const KEYS: [&str; 17] = [
    "data",
    "layout",
    "interval",
    "encoding",
    "separator",
    "time_zone",
    "gap",
    "fold",
    "missing",
    "add_header_row",
    "skip_empty_rows",
    "skip_first_rows",
    "skip_rows_containing",
    "logged_off",
    "sql",
    "folder",
    "columns",
];

impl Walk {
    fn mistake(&mut self, path: &str, what: impl fmt::Display) {
        self.mistakes.push(format!("{path}: {what}"));
    }

    fn schema(&mut self, table: &Table) -> Option<Schema> {
        self.known_keys("", table, &KEYS);
        let statuses = self.one_of(table, "data", &[("contacts", false), ("agent-status", true)], None);
        let layout = match statuses {
            Some(true) => None,
            _ => self.one_of(table, "layout", &[("contact-based", false), ("interval-based", true)], Some(false)),
        };
        let interval = self.interval(table, layout == Some(true));
        if statuses == Some(true) && table.contains_key("layout") {
            self.mistake("layout", "belongs to contact data; leave it out for agent-status");
        }
        let data = match (statuses, layout) {
            (Some(true), _) => Some(Data::Statuses),
            (Some(false), Some(true)) => interval.map(Data::Intervals),
            (Some(false), Some(false)) => Some(Data::Contacts),
            _ => None,
        };
        let encoding = match self.text(table, "encoding") {
            Some(name) => name.parse().map_err(|error: String| self.mistake("encoding", error)).ok(),
            None => Some(Encoding::default()),
        };
        let separator = self.separator(table, encoding.unwrap_or_default());
        let zone = match self.text(table, "time_zone") {
            Some(name) => Zone::new(&name).map_err(|error| self.mistake("time_zone", error.message())).ok(),
            None => {
                if !table.contains_key("time_zone") {
                    self.mistake(
                        "time_zone",
                        "missing: name the zone in which the source records, such as Europe/Berlin",
                    );
                }
                None
            }
        };
        let gaps = [("forward", GapPolicy::Forward), ("reject", GapPolicy::Reject)];
        let gap = self.one_of(table, "gap", &gaps, Some(GapPolicy::Forward));
        let folds = [
            ("auto", FoldPolicy::Auto),
            ("earlier", FoldPolicy::Earlier),
            ("later", FoldPolicy::Later),
            ("reject", FoldPolicy::Reject),
            ("in_order", FoldPolicy::InOrder),
        ];
        let fold = self.one_of(table, "fold", &folds, Some(FoldPolicy::Auto));
        let missing = self.one_of(table, "missing", &[("empty", Fill::Empty), ("zero", Fill::Zero)], Some(Fill::Empty));
        let sql = self.text(table, "sql");
        let schema = Schema {
            columns: self.columns(table, data, sql.is_some(), encoding.unwrap_or_default()),
            data: data.unwrap_or(Data::Contacts),
            encoding: encoding?,
            separator: separator?,
            add_header_row: self.flag(table, "add_header_row"),
            skip_empty_rows: self.flag(table, "skip_empty_rows"),
            skip_first_rows: self.number(table, "skip_first_rows").unwrap_or(0),
            skip_rows_containing: self.texts("skip_rows_containing", table.get("skip_rows_containing")),
            logged_off: self.texts("logged_off", table.get("logged_off")),
            folder: self.folder(table),
            zone: zone.unwrap_or_else(Zone::utc),
            gap: gap?,
            fold: fold?,
            missing: missing?,
            sql,
        };
        for text in &schema.skip_rows_containing {
            if text.is_empty() || schema.encoding.encode(text).is_none() {
                self.mistake("skip_rows_containing", format!("{text:?} cannot stand in a file of this encoding"));
            }
        }
        if schema.sql.is_some() && schema.data == Data::Statuses {
            self.mistake("sql", "belongs to contact data; map the columns of agent-status files under [columns]");
        }
        if cfg!(not(feature = "sql-mapping")) && schema.sql.is_some() {
            self.mistake("sql", "this program was built without the SQL mapping: enable the feature `sql-mapping`");
        }
        data.map(|_| schema)
    }

    fn known_keys(&mut self, path: &str, table: &Table, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            self.mistake(&format!("{path}{key}"), format!("unknown key, expected one of {}", known.join(", ")));
        }
    }

    fn interval(&mut self, table: &Table, is_needed: bool) -> Option<IntervalLength> {
        let given = table.get("interval");
        if !is_needed {
            if given.is_some() {
                self.mistake("interval", "belongs to the layout interval-based");
            }
            return None;
        }
        let Some(given) = given else {
            self.mistake("interval", "missing: the length of the file's intervals, 15, 30 or 60");
            return None;
        };
        match given.as_integer() {
            Some(15) => Some(IntervalLength::MINUTES_15),
            Some(30) => Some(IntervalLength::MINUTES_30),
            Some(60) => Some(IntervalLength::MINUTES_60),
            _ => {
                self.mistake("interval", format!("{given} is not possible, expected 15, 30 or 60"));
                None
            }
        }
    }

    fn separator(&mut self, table: &Table, encoding: Encoding) -> Option<String> {
        let separator = self.text(table, "separator").unwrap_or_else(|| ";".to_owned());
        let separator = if separator == "tab" || separator == "\\t" { "\t".to_owned() } else { separator };
        let is_one = separator.chars().count() == 1 && !matches!(separator.as_str(), "\"" | "\n" | "\r" | "\0");
        if is_one && encoding.encode(&separator).is_some() {
            return Some(separator);
        }
        self.mistake(
            "separator",
            format!("{separator:?} is not possible, expected one character such as ; , tab or |"),
        );
        None
    }

    fn folder(&mut self, table: &Table) -> Option<Folder> {
        let value = table.get("folder")?;
        let Some(table) = value.as_table() else {
            self.mistake("folder", "expected a table with the key path");
            return None;
        };
        self.known_keys("folder.", table, &["path", "ending", "quiet_secs"]);
        let Some(path) = self.text_at("folder.path", table.get("path")) else {
            self.mistake("folder.path", "missing: the folder in which files arrive");
            return None;
        };
        let ending = self.text_at("folder.ending", table.get("ending")).unwrap_or_else(|| ".csv".to_owned());
        let quiet_secs = match table.get("quiet_secs").map(Value::as_integer) {
            None => 10,
            Some(Some(secs)) if (0..=86_400).contains(&secs) => secs.unsigned_abs(),
            Some(_) => {
                self.mistake("folder.quiet_secs", "expected whole seconds from 0 to 86400");
                10
            }
        };
        Some(Folder { path: path.into(), ending, quiet_secs })
    }

    fn columns(
        &mut self,
        table: &Table,
        data: Option<Data>,
        has_sql: bool,
        encoding: Encoding,
    ) -> Vec<(Field, Source)> {
        let columns = match table.get("columns") {
            Some(Value::Table(columns)) => columns,
            Some(_) => {
                self.mistake("columns", "expected a table from fields to columns");
                return Vec::new();
            }
            None if has_sql => return Vec::new(),
            None => &Table::new(),
        };
        if has_sql {
            self.mistake("columns", "the sql query takes the place of the column mapping: leave out one of the two");
            return Vec::new();
        }
        let Some(data) = data else { return Vec::new() };
        let allowed = fields_of(data);
        let names: Vec<&str> = allowed.iter().map(|field| field.name()).collect();
        self.known_keys("columns.", columns, &names);
        let mut found = Vec::new();
        for &field in &allowed {
            if let Some(value) = columns.get(field.name())
                && let Some(source) = self.source(field, value, encoding)
            {
                found.push((field, source));
            }
        }
        let has: BTreeSet<Field> = allowed.iter().copied().filter(|field| columns.contains_key(field.name())).collect();
        self.required(data, &has);
        found
    }

    fn required(&mut self, data: Data, has: &BTreeSet<Field>) {
        let needed: &[Field] = match data {
            Data::Contacts => &[Field::Queue, Field::Offered, Field::Handled, Field::Duration, Field::Channel],
            Data::Intervals(_) => &[Field::Queue, Field::Offered, Field::Handled, Field::Channel],
            Data::Statuses => &[Field::Agent, Field::Activity],
        };
        for field in needed.iter().filter(|field| !has.contains(field)) {
            self.mistake(&format!("columns.{}", field.name()), "missing: name its column, or give a fixed value");
        }
        let start = [Field::StartDate, Field::StartTime, Field::StartTimestamp];
        let times = if data == Data::Statuses { start } else { [Field::Date, Field::Time, Field::Timestamp] };
        self.moment(times, has, true);
        if data == Data::Statuses {
            self.moment([Field::EndDate, Field::EndTime, Field::EndTimestamp], has, false);
            let has_end = [Field::EndTime, Field::EndTimestamp].iter().any(|field| has.contains(field));
            if has_end && has.contains(&Field::Duration) {
                self.mistake("columns.duration", "stands beside an end: leave out one of the two");
            }
        }
    }

    fn moment(&mut self, [date, time, timestamp]: [Field; 3], has: &BTreeSet<Field>, is_needed: bool) {
        let path = |field: Field| format!("columns.{}", field.name());
        match (has.contains(&date), has.contains(&time), has.contains(&timestamp)) {
            (true, true, false) | (false, false, true) => {}
            (false, false, false) if !is_needed => {}
            (_, _, true) => self.mistake(&path(timestamp), "stands beside a date or time: leave out one of the two"),
            (true, false, _) => self.mistake(
                &path(time),
                "missing: a date alone says no time of day; contact data and statuses need one in each row",
            ),
            (false, true, _) => self.mistake(&path(date), "missing: a time alone says no day"),
            (false, false, false) => self.mistake(
                &path(timestamp),
                format!("missing: name a column with date and time, or {} and {}", date.name(), time.name()),
            ),
        }
    }

    fn source(&mut self, field: Field, value: &Value, encoding: Encoding) -> Option<Source> {
        let path = format!("columns.{}", field.name());
        let mut source = Source { join: " ".to_owned(), ..Source::default() };
        match value {
            Value::String(column) => source.columns = vec![column.clone()],
            Value::Table(table) => {
                self.known_keys(&format!("{path}."), table, &["column", "columns", "value", "join", "trim", "format"]);
                source.value = match table.get("value") {
                    Some(Value::Integer(number)) => Some(number.to_string()),
                    Some(Value::Float(number)) => Some(number.to_string()),
                    Some(Value::Boolean(flag)) => Some(flag.to_string()),
                    given => self.text_at(&format!("{path}.value"), given),
                };
                source.columns.extend(self.text_at(&format!("{path}.column"), table.get("column")));
                source.columns.extend(self.texts(&format!("{path}.columns"), table.get("columns")));
                if let Some(join) = self.text_at(&format!("{path}.join"), table.get("join")) {
                    source.join = join;
                }
                source.trim = match table.get("trim") {
                    None => false,
                    Some(Value::Boolean(trim)) => *trim,
                    Some(_) => {
                        self.mistake(&format!("{path}.trim"), "expected true or false");
                        false
                    }
                };
                source.formats = match table.get("format") {
                    Some(Value::String(format)) => vec![format.clone()],
                    given => self.texts(&format!("{path}.format"), given),
                };
            }
            _ => {
                self.mistake(&path, "expected the name of a column, or a table");
                return None;
            }
        }
        self.check_source(field, &path, &source, encoding);
        Some(source)
    }

    fn check_source(&mut self, field: Field, path: &str, source: &Source, encoding: Encoding) {
        match (&source.value, source.columns.len()) {
            (Some(_), 0) | (None, 1) => {}
            (Some(_), _) => self.mistake(path, "has both a value and a column: leave out one of the two"),
            (None, 0) => self.mistake(path, "needs the key column or value"),
            (None, _) if matches!(field, Field::Queue | Field::Agent | Field::Activity) => {}
            (None, _) => self.mistake(path, "takes one column; only queue, agent and activity can be put together"),
        }
        if encoding.encode(&source.join).is_none() {
            self.mistake(&format!("{path}.join"), "cannot stand in a file of this encoding");
        }
        let formats = match field.role() {
            Some(role) => source.date_formats(role, encoding).map(drop),
            None if field.is_duration() => source.duration_formats(encoding).map(drop),
            None if source.formats.is_empty() => Ok(()),
            None => Err("formats belong to dates, times and durations".to_owned()),
        };
        if let Err(error) = formats {
            self.mistake(&format!("{path}.format"), error);
        }
        if field.role().is_some() && source.value.is_some() {
            self.mistake(path, "a date or time cannot be the same in all rows: name a column");
        }
        if let (Field::Channel, Some(value)) = (field, &source.value)
            && let Err(error) = value.parse::<Channel>()
        {
            self.mistake(&format!("{path}.value"), error);
        }
        if let (Field::Offered | Field::Handled, Some(value)) = (field, &source.value)
            && crate::value::count(value.as_bytes()).is_err()
        {
            self.mistake(&format!("{path}.value"), format!("{value:?} is no count"));
        }
        if let (Field::Aht | Field::Duration, Some(value)) = (field, &source.value)
            && let Ok(formats) = source.duration_formats(encoding)
            && formats.iter().all(|format| format.parse(value.as_bytes()).is_err())
        {
            self.mistake(&format!("{path}.value"), format!("{value:?} is no duration"));
        }
    }

    fn one_of<T: Copy>(&mut self, table: &Table, key: &str, known: &[(&str, T)], default: Option<T>) -> Option<T> {
        let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let Some(value) = table.get(key) else {
            if default.is_none() {
                self.mistake(key, format!("missing, expected one of {}", names()));
            }
            return default;
        };
        let found = known.iter().find(|(name, _)| value.as_str() == Some(name)).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.mistake(key, format!("{value} is not possible, expected one of {}", names()));
        }
        found
    }

    fn text(&mut self, table: &Table, key: &str) -> Option<String> {
        self.text_at(key, table.get(key))
    }

    fn text_at(&mut self, path: &str, value: Option<&Value>) -> Option<String> {
        let value = value?;
        if value.as_str().is_none() {
            self.mistake(path, format!("expected a text, found {}", value.type_str()));
        }
        value.as_str().map(str::to_owned)
    }

    fn texts(&mut self, path: &str, value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else { return Vec::new() };
        let texts: Option<Vec<String>> =
            value.as_array().and_then(|list| list.iter().map(|text| text.as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            self.mistake(path, "expected a list of texts");
        }
        texts.unwrap_or_default()
    }

    fn flag(&mut self, table: &Table, key: &str) -> bool {
        let value = table.get(key);
        if value.is_some_and(|value| value.as_bool().is_none()) {
            self.mistake(key, "expected true or false");
        }
        value.and_then(Value::as_bool).unwrap_or(false)
    }

    fn number(&mut self, table: &Table, key: &str) -> Option<u64> {
        let value = table.get(key)?;
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        if number.is_none() {
            self.mistake(key, "expected a whole number, not below zero");
        }
        number
    }
}

/// The fields that a kind of data has.
fn fields_of(data: Data) -> Vec<Field> {
    use Field::{
        Activity, Agent, Aht, Channel, Date, Duration, EndDate, EndTime, EndTimestamp, Handled, Offered, Queue,
        StartDate, StartTime, StartTimestamp, Time, Timestamp,
    };
    let mut fields = match data {
        Data::Statuses => {
            return vec![
                Agent,
                Activity,
                StartDate,
                StartTime,
                StartTimestamp,
                EndDate,
                EndTime,
                EndTimestamp,
                Duration,
            ];
        }
        Data::Contacts | Data::Intervals(_) => vec![Queue, Channel, Date, Time, Timestamp, Offered, Handled],
    };
    fields.push(if data == Data::Contacts { Duration } else { Aht });
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTACTS: &str = r#"
        data = "contacts"
        time_zone = "Europe/Berlin"
        [columns]
        queue = "Queue"
        timestamp = "When"
        offered = { value = 1 }
        handled = "Answered"
        duration = "Duration"
        channel = { value = "calls" }
    "#;

    fn mistakes(text: &str) -> String {
        text.parse::<Schema>().unwrap_err().to_string()
    }

    #[test]
    fn the_sample_is_a_schema_and_names_every_key() {
        let sample = include_str!("../sample.toml");
        let schema: Schema = sample.parse().unwrap();
        assert_eq!(schema.data, Data::Contacts);
        for key in KEYS.into_iter().chain(Field::NAMES.iter().map(|(_, name)| *name)) {
            assert!(sample.contains(&format!("{key} = ")) || sample.contains(&format!("[{key}]")), "{key}");
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let text = CONTACTS
            .replace("Europe/Berlin", "Europe/Berlim")
            .replace("\"contacts\"", "\"contacts\"\nseperator = \",\"")
            .replace("value = \"calls\"", "value = \"phone\"")
            .replace("queue = \"Queue\"", "");
        let mistakes = mistakes(&text);
        for part in [
            "time_zone: unknown time zone \"Europe/Berlim\"",
            "seperator: unknown key",
            "columns.channel.value",
            "columns.queue: missing",
        ] {
            assert!(mistakes.contains(part), "{part} is not in {mistakes}");
        }
    }

    #[test]
    fn each_mistake_has_its_path_and_advice() {
        for (from, to, part) in [
            ("\"contacts\"", "\"calls\"", "data: \"calls\" is not possible, expected one of contacts, agent-status"),
            ("\"contacts\"", "\"contacts\"\nlayout = \"interval-based\"", "interval: missing"),
            ("\"contacts\"", "\"contacts\"\ninterval = 15", "interval: belongs to the layout interval-based"),
            ("\"contacts\"", "\"contacts\"\nseparator = \"::\"", "separator: \"::\" is not possible"),
            ("\"contacts\"", "\"contacts\"\nencoding = \"ebcdic\"", "encoding: unknown encoding"),
            ("\"contacts\"", "\"contacts\"\nfold = \"first\"", "fold: \"first\" is not possible"),
            ("\"contacts\"", "\"contacts\"\nskip_first_rows = -1", "skip_first_rows: expected a whole number"),
            ("timestamp = \"When\"", "date = \"Day\"", "columns.time: missing: a date alone says no time of day"),
            ("timestamp = \"When\"", "", "columns.timestamp: missing: name a column with date and time"),
            (
                "timestamp = \"When\"",
                "timestamp = { column = \"When\", format = \"hh:mm\" }",
                "columns.timestamp.format",
            ),
            ("handled = \"Answered\"", "handled = { columns = [\"a\", \"b\"] }", "columns.handled: takes one column"),
            ("handled = \"Answered\"", "handled = 1", "columns.handled: expected the name of a column"),
            ("value = 1", "value = \"many\"", "columns.offered.value"),
            ("duration = \"Duration\"", "aht = \"Duration\"", "columns.aht: unknown key"),
        ] {
            let text = CONTACTS.replace(from, to);
            assert_ne!(text, CONTACTS);
            let mistakes = mistakes(&text);
            assert!(mistakes.contains(part), "{part} is not in {mistakes}");
        }
        assert!(CONTACTS.parse::<Schema>().is_ok());
        assert!(mistakes("data = \n").starts_with("no TOML: line 1"));
    }
}
