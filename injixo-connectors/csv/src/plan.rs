//! A schema and a header become a plan: which field of a record is read as what.

use injixo_core::model::{Channel, Millis, Quantity, Rule};
use injixo_core::{Error, ErrorKind, Result};

use crate::datetime::{LastSeen, Moment, Role};
use crate::records::Record;
use crate::schema::{Field, Schema, Source};
use crate::value::{self, DurationFormat};

/// Why a field is refused: the rule, the name of the column and the value.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) rule: Rule,
    pub(crate) column: String,
    pub(crate) value: Vec<u8>,
}

/// Where the bytes of a field come from.
#[derive(Debug)]
pub(crate) struct Column {
    name: String,
    from: From,
    trim: bool,
}

#[derive(Debug)]
enum From {
    Fixed(Vec<u8>),
    One(usize),
    Joined(Vec<usize>, Vec<u8>),
}

/// The names of a file's columns.
#[derive(Debug)]
pub(crate) struct Header(Vec<String>);

impl Header {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// A, B, C, … Z, AA, … for a file without a header.
    pub(crate) fn letters(count: usize) -> Self {
        Self((0..count).map(letters).collect())
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of a column: by its exact name, else by its name but for blanks around it.
    fn find(&self, name: &str) -> Result<usize, String> {
        let by = |matches: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let found = self.0.iter().enumerate().filter(|(_, held)| matches(held));
            found.map(|(index, _)| index).collect()
        };
        let mut found = by(&|held| held == name);
        if found.is_empty() {
            found = by(&|held| held.trim() == name.trim());
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!("column {name:?} is missing")),
            _ => Err(format!("column {name:?} stands there {} times: rename one", found.len())),
        }
    }

    /// Whether every column that the schema names is there.
    pub(crate) fn has_all(&self, schema: &Schema) -> bool {
        let mut columns = schema.columns.iter().flat_map(|(_, source)| &source.columns);
        columns.all(|column| self.find(column).is_ok())
    }
}

/// `0` is A, `25` is Z, `26` is AA.
pub(crate) fn letters(index: usize) -> String {
    let mut rest = index + 1;
    let mut letters = Vec::new();
    while rest > 0 {
        letters.push(char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

impl Column {
    fn new(field: Field, source: &Source, header: &Header, schema: &Schema) -> Result<Self, String> {
        let encode = |text: &str| schema.encoding.encode(text).unwrap_or_default();
        let from = match (&source.value, source.columns.as_slice()) {
            (Some(value), _) => From::Fixed(encode(value)),
            (None, [one]) => From::One(header.find(one)?),
            (None, several) => {
                let places = several.iter().map(|column| header.find(column)).collect::<Result<_, _>>()?;
                From::Joined(places, encode(&source.join))
            }
        };
        let name = if source.columns.is_empty() { field.name().to_owned() } else { source.columns.join("+") };
        Ok(Self { name, from, trim: source.trim })
    }

    /// The value that all rows have.
    pub(crate) fn fixed(&self) -> Option<&[u8]> {
        if let From::Fixed(value) = &self.from {
            Some(if self.trim { value.trim_ascii() } else { value })
        } else {
            None
        }
    }

    /// The one column of the file that it is.
    pub(crate) const fn index(&self) -> Option<usize> {
        if let From::One(index) = self.from { Some(index) } else { None }
    }

    /// The bytes of the field in `record`; `None` where the record is too short.
    #[inline]
    pub(crate) fn bytes<'s>(&'s self, record: &Record<'s>, scratch: &'s mut Vec<u8>) -> Option<&'s [u8]> {
        let bytes = match &self.from {
            From::One(index) => record.field(*index, scratch)?,
            From::Fixed(value) => value,
            From::Joined(indexes, join) => {
                self.join(indexes, join, record, scratch)?;
                scratch
            }
        };
        Some(if self.trim { bytes.trim_ascii() } else { bytes })
    }

    fn join(&self, indexes: &[usize], join: &[u8], record: &Record<'_>, joined: &mut Vec<u8>) -> Option<()> {
        joined.clear();
        let mut unquoted = Vec::new();
        for index in indexes {
            let part = record.field(*index, &mut unquoted)?;
            let part = if self.trim { part.trim_ascii() } else { part };
            if !part.is_empty() && !joined.is_empty() {
                joined.extend_from_slice(join);
            }
            joined.extend_from_slice(part);
        }
        Some(())
    }

    pub(crate) fn refuse(&self, rule: Rule, value: &[u8]) -> Refused {
        Refused { rule, column: self.name.clone(), value: value.to_vec() }
    }

    /// The bytes of a field that must not be empty.
    #[inline]
    fn required<'s>(&'s self, record: &Record<'s>, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Refused> {
        match self.bytes(record, scratch) {
            None => Err(self.refuse(Rule::Columns, record.raw)),
            Some(bytes) if bytes.trim_ascii().is_empty() => Err(self.refuse(Rule::Required, b"")),
            Some(bytes) => Ok(bytes),
        }
    }
}

/// A date and time in one column or two.
#[derive(Debug)]
pub(crate) struct MomentPlan {
    date: (Column, LastSeen),
    time: Option<(Column, LastSeen)>,
}

impl MomentPlan {
    /// The columns with their formats: that of the date or of both, and that of the time.
    pub(crate) fn columns(&self) -> (&(Column, LastSeen), Option<&(Column, LastSeen)>) {
        (&self.date, self.time.as_ref())
    }

    /// The moment in `record`; `None` where its columns are empty.
    #[inline]
    pub(crate) fn read(&mut self, record: &Record<'_>, scratch: &mut Vec<u8>) -> Result<Option<Moment>, Refused> {
        let (column, formats) = &mut self.date;
        let Some(bytes) = column.bytes(record, scratch) else {
            return Err(column.refuse(Rule::Columns, record.raw));
        };
        if bytes.trim_ascii().is_empty() {
            return match &self.time {
                Some((time, _)) if time.bytes(record, scratch).is_some_and(|time| !time.trim_ascii().is_empty()) => {
                    Err(self.date.0.refuse(Rule::Required, b""))
                }
                _ => Ok(None),
            };
        }
        let date = formats.parse(bytes).map_err(|error| column.refuse(error.rule(), bytes))?;
        let Some((column, formats)) = &mut self.time else {
            return date.moment().map(Some).map_err(|error| column.refuse(error.rule(), bytes));
        };
        let bytes = column.required(record, scratch)?;
        let time = formats.parse(bytes).map_err(|error| column.refuse(error.rule(), bytes))?;
        date.at(time).map(Some).map_err(|error| column.refuse(error.rule(), bytes))
    }

    /// The moment in `record`, which must be there.
    #[inline]
    pub(crate) fn required(&mut self, record: &Record<'_>, scratch: &mut Vec<u8>) -> Result<Moment, Refused> {
        self.read(record, scratch)?.ok_or_else(|| self.date.0.refuse(Rule::Required, b""))
    }

    /// What the moment in `record` says, for a report.
    pub(crate) fn refuse(&self, rule: Rule, record: &Record<'_>) -> Refused {
        let (mut value, mut scratch) = (Vec::new(), Vec::new());
        let mut names = Vec::new();
        for column in [Some(&self.date.0), self.time.as_ref().map(|(column, _)| column)].into_iter().flatten() {
            if !value.is_empty() {
                value.push(b' ');
            }
            value.extend_from_slice(column.bytes(record, &mut scratch).unwrap_or_default());
            names.push(column.name.clone());
        }
        Refused { rule, column: names.join("+"), value }
    }
}

/// A duration by any of its formats.
#[derive(Debug)]
pub(crate) struct DurationPlan {
    column: Column,
    formats: Vec<DurationFormat>,
}

impl DurationPlan {
    pub(crate) const fn column(&self) -> &Column {
        &self.column
    }

    pub(crate) fn formats(&self) -> &[DurationFormat] {
        &self.formats
    }

    /// The duration in `record`, `None` where its column is empty.
    #[inline]
    pub(crate) fn read(&self, record: &Record<'_>, scratch: &mut Vec<u8>) -> Result<Option<Millis>, Refused> {
        let Some(bytes) = self.column.bytes(record, scratch) else {
            return Err(self.column.refuse(Rule::Columns, record.raw));
        };
        if bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        let mut last = None;
        for format in &self.formats {
            match format.parse(bytes) {
                Ok(duration) => return Ok(Some(duration)),
                Err(error) => last = Some(error.rule()),
            }
        }
        Err(self.column.refuse(last.unwrap_or(Rule::Duration), bytes))
    }

    pub(crate) fn refuse(&self, rule: Rule, record: &Record<'_>) -> Refused {
        let mut scratch = Vec::new();
        self.column.refuse(rule, self.column.bytes(record, &mut scratch).unwrap_or_default())
    }
}

/// A count.
#[derive(Debug)]
pub(crate) struct CountPlan(Column);

impl CountPlan {
    pub(crate) const fn column(&self) -> &Column {
        &self.0
    }

    #[inline]
    pub(crate) fn read(&self, record: &Record<'_>, scratch: &mut Vec<u8>) -> Result<Quantity, Refused> {
        let bytes = self.0.required(record, scratch)?;
        value::count(bytes).map_err(|error| self.0.refuse(error.rule(), bytes))
    }

    pub(crate) fn refuse(&self, rule: Rule, record: &Record<'_>) -> Refused {
        let mut scratch = Vec::new();
        self.0.refuse(rule, self.0.bytes(record, &mut scratch).unwrap_or_default())
    }
}

/// The channel: the same for all rows, or by a column.
#[derive(Debug)]
pub(crate) enum ChannelPlan {
    Fixed(Channel),
    Column(Column),
}

impl ChannelPlan {
    #[inline]
    pub(crate) fn read(&self, record: &Record<'_>, scratch: &mut Vec<u8>) -> Result<Channel, Refused> {
        match self {
            Self::Fixed(channel) => Ok(*channel),
            Self::Column(column) => {
                let bytes = column.required(record, scratch)?;
                value::channel(bytes).map_err(|error| column.refuse(error.rule(), bytes))
            }
        }
    }
}

/// How the rows of one file become facts.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: Column,
    pub(crate) start: MomentPlan,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Contacts { channel: ChannelPlan, offered: CountPlan, handled: CountPlan, duration: DurationPlan },
    Intervals { channel: ChannelPlan, offered: CountPlan, handled: CountPlan, aht: Option<DurationPlan> },
    Statuses { activity: Column, end: Option<MomentPlan>, duration: Option<DurationPlan> },
}

impl Plan {
    /// The plan for a file with that header.
    ///
    /// # Errors
    ///
    /// `DataInvalid` naming every column that is missing, and those that the file has.
    pub(crate) fn new(schema: &Schema, header: &Header) -> Result<Self> {
        let mut maker = Maker { schema, header, mistakes: Vec::new() };
        match maker.plan() {
            Some(plan) if maker.mistakes.is_empty() => Ok(plan),
            _ => Err(missing(&maker.mistakes, header)),
        }
    }
}

fn missing(mistakes: &[String], header: &Header) -> Error {
    let mut message = mistakes.join(", ");
    let shown: Vec<String> = header.names().iter().take(40).map(|name| format!("{name:?}")).collect();
    message.push_str(&format!("; the file has {} columns: {}", header.len(), shown.join(", ")));
    if header.len() == 1 {
        message.push_str("; check `separator`");
    }
    if !header.names().iter().any(|name| name.to_lowercase().contains("time") || name.contains(':')) {
        message.push_str(
            "; none of them looks like a time of day: totals by day cannot be read, export one row per contact, interval or status",
        );
    }
    Error::new(ErrorKind::DataInvalid, message)
}

struct Maker<'a> {
    schema: &'a Schema,
    header: &'a Header,
    mistakes: Vec<String>,
}

impl Maker<'_> {
    fn plan(&mut self) -> Option<Plan> {
        use crate::schema::Data;
        let (name, start, kind) = match self.schema.data {
            Data::Contacts => {
                let (channel, offered, handled) =
                    (self.channel(), self.count(Field::Offered), self.count(Field::Handled));
                let duration = self.duration(Field::Duration);
                let kind = || {
                    Some(Kind::Contacts {
                        channel: channel?,
                        offered: offered?,
                        handled: handled?,
                        duration: duration?,
                    })
                };
                (Field::Queue, [Field::Date, Field::Time, Field::Timestamp], kind())
            }
            Data::Intervals(_) => {
                let (channel, offered, handled) =
                    (self.channel(), self.count(Field::Offered), self.count(Field::Handled));
                let aht = self.duration(Field::Aht);
                let kind = || Some(Kind::Intervals { channel: channel?, offered: offered?, handled: handled?, aht });
                (Field::Queue, [Field::Date, Field::Time, Field::Timestamp], kind())
            }
            Data::Statuses => {
                let activity = self.column(Field::Activity);
                let end = self.moment([Field::EndDate, Field::EndTime, Field::EndTimestamp]);
                let duration = self.duration(Field::Duration);
                let kind = activity.map(|activity| Kind::Statuses { activity, end, duration });
                (Field::Agent, [Field::StartDate, Field::StartTime, Field::StartTimestamp], kind)
            }
        };
        let (name, start) = (self.column(name), self.moment(start));
        Some(Plan { name: name?, start: start?, kind: kind? })
    }

    fn column(&mut self, field: Field) -> Option<Column> {
        let source = self.schema.source(field)?;
        let column = Column::new(field, source, self.header, self.schema);
        column.map_err(|mistake| self.mistakes.push(format!("{mistake} (for {})", field.name()))).ok()
    }

    fn channel(&mut self) -> Option<ChannelPlan> {
        let fixed = self.schema.source(Field::Channel)?.value.as_ref();
        match fixed.and_then(|value| value.parse().ok()) {
            Some(channel) => Some(ChannelPlan::Fixed(channel)),
            None => self.column(Field::Channel).map(ChannelPlan::Column),
        }
    }

    fn count(&mut self, field: Field) -> Option<CountPlan> {
        self.column(field).map(CountPlan)
    }

    fn duration(&mut self, field: Field) -> Option<DurationPlan> {
        let formats = self.schema.source(field)?.duration_formats(self.schema.encoding).ok()?;
        Some(DurationPlan { column: self.column(field)?, formats })
    }

    fn moment(&mut self, [date, time, timestamp]: [Field; 3]) -> Option<MomentPlan> {
        let is_one = self.schema.source(timestamp).is_some();
        let date = self.dated(if is_one { timestamp } else { date }, if is_one { Role::Timestamp } else { Role::Date });
        let time = if is_one { None } else { Some(self.dated(time, Role::Time)?) };
        Some(MomentPlan { date: date?, time })
    }

    fn dated(&mut self, field: Field, role: Role) -> Option<(Column, LastSeen)> {
        let formats = self.schema.source(field)?.date_formats(role, self.schema.encoding).ok()?;
        Some((self.column(field)?, LastSeen::new(formats)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_names_are_letters() {
        for (index, name) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(letters(index), name);
        }
    }
}
