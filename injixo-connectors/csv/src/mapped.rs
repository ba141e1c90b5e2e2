//! Contact data by a user's query: the file becomes a table, the rows of the result become facts.

use std::io::Read;

use injixo_core::connector::RowWriter;
use injixo_core::model::{Channel, Contact, IntervalRow, Measures, Millis, Quantity, Rule, Timed, Timestamp};
use injixo_core::zone::{Grid, Resolver};
use injixo_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc;

use crate::datetime::{Formats, Role};
use crate::plan::{Header, Refused};
use crate::reader::{Reject, Skip, instant, unreadable, usable};
use crate::records::Records;
use crate::schema::{Data, Schema};
use crate::spacing::Spacing;
use crate::sql::{Mapping, SqlKind, SqlLimits, SqlRow, SqlValue};
use crate::value::{self, DurationFormat};

const ROWS_AT_ONCE: usize = 1_024;

pub(crate) async fn read<R: Read + Send>(
    schema: &Schema,
    query: &str,
    header: &Header,
    records: &mut Records<R>,
    skip: &Skip,
    reject: &Reject<'_>,
    out: &mut RowWriter<'_>,
) -> Result<()> {
    let mapping = load(schema, header, records, skip, reject, out)?;
    let kind = if schema.data == Data::Contacts { SqlKind::ContactBased } else { SqlKind::IntervalBased };
    // SQLite works in a thread of its own; dropping the receiver ends it.
    let (sender, mut receiver) = mpsc::channel::<Vec<Row>>(4);
    let query = query.to_owned();
    let running = tokio::task::spawn_blocking(move || {
        let mut batch = Vec::with_capacity(ROWS_AT_ONCE);
        let gone = |_| Error::new(ErrorKind::Cancelled, "nobody takes the rows of the query any more");
        let mut each = |_: u64, row: SqlRow<'_>| {
            batch.push(owned(&row));
            if batch.len() < ROWS_AT_ONCE {
                Ok(())
            } else {
                sender.blocking_send(std::mem::take(&mut batch)).map_err(gone)
            }
        };
        let ignored = mapping.run(&query, kind, &mut each)?;
        sender.blocking_send(batch).map_err(gone)?;
        Ok::<_, Error>(ignored)
    });
    let mut facts = Facts::new(schema)?;
    let mut number = 0;
    while let Some(rows) = receiver.recv().await {
        for row in rows {
            number += 1;
            if let Err(refused) = facts.write(&row, out) {
                reject.refused(&refused, number, out)?;
            }
        }
        out.flush().await?;
    }
    let ended = running
        .await
        .map_err(|error| Error::new(ErrorKind::Unexpected, "the SQL mapping broke off").caused_by(error))?;
    let ignored = ended?;
    if !ignored.is_empty() {
        out.warn(format!("columns of the result that mean nothing here: {}", ignored.join(", ")));
    }
    facts.spacing.map_or(Ok(()), |spacing| spacing.finish(out))
}

/// Loads the rows of the file. Rows that cannot be loaded are rejected with their line; later line numbers are those of the
/// result.
fn load<R: Read>(
    schema: &Schema,
    header: &Header,
    records: &mut Records<R>,
    skip: &Skip,
    reject: &Reject<'_>,
    out: &mut RowWriter<'_>,
) -> Result<Mapping> {
    let mut mapping = Mapping::new(header.names(), &SqlLimits::default())?;
    let (mut fields, mut scratch) = (Vec::<String>::new(), Vec::new());
    while let Some(next) = records.next().map_err(|error| unreadable(&error))? {
        let Some(record) = usable(next, header.len(), skip, reject, out)? else { continue };
        fields.clear();
        for index in 0..record.len().min(header.len()) {
            let bytes = record.field(index, &mut scratch).unwrap_or_default();
            match schema.encoding.decode(bytes) {
                Some(text) => fields.push(text.into_owned()),
                None => {
                    let column = header.names()[index].clone();
                    reject.refused(
                        &Refused { rule: Rule::Encoding, column, value: bytes.to_vec() },
                        record.line,
                        out,
                    )?;
                    break;
                }
            }
        }
        if fields.len() == record.len().min(header.len()) {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            mapping.insert(&fields)?;
        }
    }
    Ok(mapping)
}

/// Turns rows of the result into facts.
struct Facts {
    resolver: Resolver,
    formats: Formats,
    duration: DurationFormat,
    spacing: Option<Spacing>,
}

impl Facts {
    fn new(schema: &Schema) -> Result<Self> {
        let formats = ["YYYY-MM-DD hh:mm:ss", "YYYY-MM-DD hh:mm", "iso8601"];
        let formats = Formats::compile(formats, Role::Timestamp, crate::encoding::Encoding::Utf8)
            .map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        let spacing = match schema.data {
            Data::Intervals(length) => Some(Spacing::new(&Grid::new(&schema.zone, length))),
            Data::Contacts | Data::Statuses => None,
        };
        let resolver = Resolver::new(&schema.zone, schema.gap, schema.fold);
        Ok(Self { resolver, formats, duration: DurationFormat::default(), spacing })
    }

    fn write(&mut self, row: &Row, out: &mut RowWriter<'_>) -> Result<(), Refused> {
        let start = self.start(row)?;
        let channel: Channel =
            value::channel(required(row, CHANNEL)?.as_bytes()).map_err(|error| refuse(row, CHANNEL, error.rule()))?;
        let (offered, handled) = (count(row, OFFERED)?, count(row, HANDLED)?);
        let name = required(row, QUEUE)?;
        match &mut self.spacing {
            None => {
                for (count, place) in [(offered, OFFERED), (handled, HANDLED)] {
                    if count > Quantity::ONE {
                        return Err(refuse(row, place, Rule::ContactCount));
                    }
                }
                let duration = duration(row, DURATION, &self.duration)?;
                let queue = out.queue(name, channel).map_err(|rule| refuse(row, QUEUE, rule))?;
                out.contact(queue, &Contact { offered, handled, duration, ..Contact::offered(start) });
            }
            Some(spacing) => {
                let handle_time = match duration(row, AHT, &self.duration)? {
                    Some(aht) if !handled.is_zero() => {
                        let total = value::total(aht, handled).ok_or_else(|| refuse(row, AHT, Rule::Duration))?;
                        Timed { total, number: handled }
                    }
                    _ => Timed::default(),
                };
                let queue = out.queue(name, channel).map_err(|rule| refuse(row, QUEUE, rule))?;
                let length = spacing.length_at(queue, start).ok_or_else(|| refuse(row, TIMESTAMP, Rule::OffGrid))?;
                let measures = Measures { offered, handled, handle_time, ..Measures::default() };
                out.interval_row(queue, IntervalRow { start, length, measures });
            }
        }
        Ok(())
    }

    fn start(&mut self, row: &Row) -> Result<Timestamp, Refused> {
        let text = required(row, TIMESTAMP)?;
        let moment = self.formats.parse(text.as_bytes()).and_then(|parsed| parsed.moment());
        let moment = moment.map_err(|error| refuse(row, TIMESTAMP, error.rule()))?;
        instant(&mut self.resolver, moment).map_err(|rule| refuse(row, TIMESTAMP, rule))
    }
}

const QUEUE: usize = 0;
const TIMESTAMP: usize = 1;
const OFFERED: usize = 2;
const HANDLED: usize = 3;
const CHANNEL: usize = 4;
const DURATION: usize = 5;
const AHT: usize = 6;

fn refuse(row: &Row, place: usize, rule: Rule) -> Refused {
    Refused { rule, column: COLUMNS[place].to_owned(), value: row[place].clone().into_bytes() }
}

/// The columns of a result, in the order of [`Row`].
const COLUMNS: [&str; 7] = ["queue", "timestamp", "offered", "handled", "channel", "duration", "aht"];

/// A row of the result as texts, nothing where there is no value.
type Row = [String; COLUMNS.len()];

fn owned(row: &SqlRow<'_>) -> Row {
    let text = |value: Option<&SqlValue<'_>>| match value {
        Some(SqlValue::Integer(number)) => number.to_string(),
        Some(SqlValue::Real(number)) => number.to_string(),
        Some(SqlValue::Text(text)) => (*text).to_owned(),
        Some(SqlValue::Blob(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(SqlValue::Null) | None => String::new(),
    };
    let SqlRow { queue, timestamp, offered, handled, channel, duration, aht } = row;
    let always = [queue, timestamp, offered, handled, channel].map(|value| text(Some(value)));
    let [queue, timestamp, offered, handled, channel] = always;
    [queue, timestamp, offered, handled, channel, text(duration.as_ref()), text(aht.as_ref())]
}

fn required(row: &Row, place: usize) -> Result<&str, Refused> {
    let text = &row[place];
    if text.trim().is_empty() { Err(refuse(row, place, Rule::Required)) } else { Ok(text) }
}

fn count(row: &Row, place: usize) -> Result<Quantity, Refused> {
    value::count(required(row, place)?.as_bytes()).map_err(|error| refuse(row, place, error.rule()))
}

fn duration(row: &Row, place: usize, format: &DurationFormat) -> Result<Option<Millis>, Refused> {
    let text = &row[place];
    if text.trim().is_empty() {
        return Ok(None);
    }
    format.parse(text.as_bytes()).map(Some).map_err(|error| refuse(row, place, error.rule()))
}
