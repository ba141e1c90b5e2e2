//! One file to facts: bytes, records, plan, rows; bad rows are rejected by line, good rows next to them arrive.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, Read};
use std::path::Path;

use injixo_core::connector::RowWriter;
use injixo_core::model::{
    Channel, Contact, IntervalLength, IntervalRow, Measures, Millis, Quantity, RejectedRow, Rule, Span, Timed,
    Timestamp,
};
use injixo_core::zone::{Grid, GridCursor, LocalTime, Resolver};
use injixo_core::{Error, ErrorKind, Result};
use memchr::memmem::Finder;

use crate::datetime::Moment;
use crate::encoding::{bom_len, not_csv};
use crate::plan::{Header, Kind, Plan, Refused};
use crate::records::{Next, Record, Records};
use crate::schema::{Data, Schema};
use crate::value;

/// Reads a file whole and writes its rows.
pub(crate) async fn read_file(
    schema: &Schema,
    name: &str,
    path: &Path,
    expected: &str,
    out: &mut RowWriter<'_>,
) -> Result<()> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let total = file.metadata().map_or(0, |metadata| metadata.len());
    let mut input = Hashing { input: file, hasher: blake3::Hasher::new() };
    read(schema, name, &mut input, total, out).await?;
    // Whatever the reader did not ask for belongs to the content too.
    io::copy(&mut input, &mut io::sink()).map_err(|error| unreadable(&error))?;
    if input.hasher.finalize().to_hex().as_str() != expected {
        let message = "the file changed while it was read: import it again once it is finished";
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    Ok(())
}

/// The checksum that names a file's content.
pub(crate) fn checksum(path: &Path) -> Result<String> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::new(ErrorKind::DataInvalid, "a folder and no file: name the file"));
    }
    let mut input = Hashing { input: file, hasher: blake3::Hasher::new() };
    let mut block = vec![0; 1 << 16];
    while input.read(&mut block).map_err(|error| unreadable(&error))? > 0 {}
    Ok(input.hasher.finalize().to_hex().to_string())
}

pub(crate) fn unreadable(error: &io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "there is no such file"),
        io::ErrorKind::PermissionDenied => (ErrorKind::PermissionDenied, "the file may not be read: grant the right"),
        io::ErrorKind::IsADirectory => (ErrorKind::DataInvalid, "a folder and no file: name the file"),
        _ => (ErrorKind::Unavailable, "the file cannot be read"),
    };
    Error::new(kind, advice).with("cause", error)
}

struct Hashing {
    input: File,
    hasher: blake3::Hasher,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Reads rows from `input` and writes them.
pub(crate) async fn read(
    schema: &Schema,
    name: &str,
    input: impl Read + Send,
    total: u64,
    out: &mut RowWriter<'_>,
) -> Result<()> {
    let separator = schema.encoding.encode(&schema.separator).unwrap_or_else(|| b";".to_vec());
    let mut records = Records::new(input, &separator).map_err(|error| unreadable(&error))?;
    check_text(records.peek())?;
    let bom = bom_len(records.peek());
    records.skip_bytes(bom);
    for _ in 0..schema.skip_first_rows {
        records.skip_line().map_err(|error| unreadable(&error))?;
    }
    let skip = Skip::new(schema);
    let reject = Reject { name, schema };
    let header = header(schema, &mut records, &skip)?;
    if header.len() == 0 {
        return Err(Error::new(ErrorKind::DataInvalid, "the file is empty: expected a header and rows"));
    }
    #[cfg(feature = "sql-mapping")]
    if let Some(query) = &schema.sql {
        return crate::mapped::read(schema, query, &header, &mut records, &skip, &reject, out).await;
    }
    let mut rows = Rows::new(schema, Plan::new(schema, &header)?);
    let mut since_flush = 0_u32;
    loop {
        let consumed = records.consumed();
        let Some(next) = records.next().map_err(|error| unreadable(&error))? else { break };
        if let Some(record) = usable(next, header.len(), &skip, &reject, out)?
            && let Err(refused) = rows.read(&record, out)
        {
            reject.refused(&refused, record.line, out)?;
        }
        since_flush += 1;
        if since_flush == 4_096 {
            since_flush = 0;
            out.progress(consumed, total);
            out.flush().await?;
        }
    }
    out.progress(records.consumed(), total);
    rows.finish(out)
}

/// Refuses what is no text, with the reason.
fn check_text(start: &[u8]) -> Result<()> {
    if start.is_empty() {
        return Err(Error::new(ErrorKind::DataInvalid, "the file is empty: expected a header and rows"));
    }
    match not_csv(start) {
        Some(what) => Err(Error::new(ErrorKind::DataInvalid, format!("this is no CSV file but {what}"))),
        None => Ok(()),
    }
}

/// The header: the first row that is not left out, or letters for a file without one.
fn header<R: Read>(schema: &Schema, records: &mut Records<R>, skip: &Skip) -> Result<Header> {
    if schema.add_header_row {
        // The first row says how many columns there are; it is read again as a row.
        let first = records.peek().split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty());
        let first = first.unwrap_or_default().to_vec();
        let separator = schema.encoding.encode(&schema.separator).unwrap_or_default();
        let mut probe = Records::new(first.as_slice(), &separator).map_err(|error| unreadable(&error))?;
        let count = match probe.next().map_err(|error| unreadable(&error))? {
            Some(Next::Record(record)) => record.len(),
            _ => 0,
        };
        // A trailing separator, or a longer row further down, is no further column that a schema could not name.
        return Ok(Header::letters(count.max(named_letters(schema))));
    }
    while let Some(next) = records.next().map_err(|error| unreadable(&error))? {
        let Next::Record(record) = next else {
            if matches!(next, Next::Blank) {
                continue;
            }
            let message = "the header cannot be read: a quote in it is never closed, or it is no header at all";
            return Err(Error::new(ErrorKind::DataInvalid, message));
        };
        let mut scratch = Vec::new();
        let decoded = (0..record.len()).map(|index| {
            let bytes = record.field(index, &mut scratch).unwrap_or_default();
            schema.encoding.decode(bytes).map(std::borrow::Cow::into_owned)
        });
        let Some(names) = decoded.collect::<Option<Vec<String>>>() else {
            let message = "the header is not valid in the encoding of the schema: set `encoding` to that of the file";
            return Err(Error::new(ErrorKind::DataInvalid, message).with("encoding", schema.encoding));
        };
        let header = Header::new(names);
        let is_skipped = skip.is_skipped(&record) && !(schema.sql.is_none() && header.has_all(schema));
        if !is_skipped {
            return Ok(header);
        }
    }
    Ok(Header::new(Vec::new()))
}

/// How many columns the schema names by letters, so that short first rows do not hide them.
fn named_letters(schema: &Schema) -> usize {
    let columns = schema.columns.iter().flat_map(|(_, source)| &source.columns);
    columns
        .filter_map(|column| (0..1_000).find(|index| crate::plan::letters(*index) == *column))
        .max()
        .map_or(0, |last| last + 1)
}

/// Which rows are left out on purpose.
pub(crate) struct Skip {
    empty: bool,
    containing: Vec<Finder<'static>>,
}

impl Skip {
    fn new(schema: &Schema) -> Self {
        let texts = schema.skip_rows_containing.iter().filter_map(|text| schema.encoding.encode(text));
        Self { empty: schema.skip_empty_rows, containing: texts.map(|text| Finder::new(&text).into_owned()).collect() }
    }

    fn is_skipped(&self, record: &Record<'_>) -> bool {
        (self.empty && record.is_empty_from(0)) || self.containing.iter().any(|text| text.find(record.raw).is_some())
    }
}

/// Reports rows that cannot become facts.
pub(crate) struct Reject<'a> {
    name: &'a str,
    schema: &'a Schema,
}

impl Reject<'_> {
    pub(crate) fn refused(&self, refused: &Refused, line: u64, out: &mut RowWriter<'_>) -> Result<()> {
        let value = match self.schema.encoding.decode(&refused.value) {
            Some(text) => RejectedRow::excerpt_of(&text),
            None => RejectedRow::excerpt_of(&String::from_utf8_lossy(&refused.value)),
        };
        let row = RejectedRow {
            source: self.name.to_owned(),
            line,
            column: refused.column.clone(),
            rule: refused.rule,
            excerpt: value,
        };
        out.reject(&row)
    }

    fn row(&self, rule: Rule, record: &Record<'_>, out: &mut RowWriter<'_>) -> Result<()> {
        let value = record.raw[..record.raw.len().min(400)].to_vec();
        self.refused(&Refused { rule, column: String::new(), value }, record.line, out)
    }
}

/// The record, if its fields may be looked at; everything else is left out or rejected here.
#[expect(clippy::needless_pass_by_value, reason = "the record lives on in the answer")]
pub(crate) fn usable<'r>(
    next: Next<'r>,
    columns: usize,
    skip: &Skip,
    reject: &Reject<'_>,
    out: &mut RowWriter<'_>,
) -> Result<Option<Record<'r>>> {
    let record = match next {
        Next::Record(record) => record,
        Next::Blank => {
            out.skip(1);
            return Ok(None);
        }
        Next::OpenQuote(record) => {
            reject.row(Rule::Quote, &record, out)?;
            return Ok(None);
        }
        Next::TooLong(record) => {
            reject.row(Rule::TooLong, &record, out)?;
            return Ok(None);
        }
    };
    if skip.is_skipped(&record) {
        out.skip(1);
        return Ok(None);
    }
    let rule = if memchr::memchr(0, record.raw).is_some() {
        Rule::Nul
    } else if record.len() > columns && !record.is_empty_from(columns) {
        Rule::Columns
    } else {
        return Ok(Some(record));
    };
    reject.row(rule, &record, out)?;
    Ok(None)
}

/// Turns records into facts.
struct Rows {
    plan: Plan,
    encoding: crate::encoding::Encoding,
    resolver: Resolver,
    scratch: Vec<u8>,
    queues: [Names<Result<u32, Rule>>; 6],
    agents: Names<u32>,
    activities: Names<u32>,
    spacing: Option<Spacing>,
}

type Names<V> = HashMap<Vec<u8>, V, BuildHasherDefault<NameHasher>>;

impl Rows {
    fn new(schema: &Schema, plan: Plan) -> Self {
        let spacing = match schema.data {
            Data::Intervals(length) => Some(Spacing::new(&Grid::new(&schema.zone, length))),
            Data::Contacts | Data::Statuses => None,
        };
        Self {
            plan,
            encoding: schema.encoding,
            resolver: Resolver::new(&schema.zone, schema.gap, schema.fold),
            scratch: Vec::new(),
            queues: Default::default(),
            agents: Names::default(),
            activities: Names::default(),
            spacing,
        }
    }

    fn read(&mut self, record: &Record<'_>, out: &mut RowWriter<'_>) -> Result<(), Refused> {
        let Self { plan, encoding, resolver, scratch, .. } = self;
        let start = plan.start.required(record, scratch)?;
        match &mut plan.kind {
            Kind::Contacts { channel, offered, handled, duration } => {
                let start = instant(resolver, start).map_err(|rule| plan.start.refuse(rule, record))?;
                let channel = channel.read(record, scratch)?;
                let is_one = |count: Quantity, plan: &crate::plan::CountPlan| match count <= Quantity::ONE {
                    true => Ok(count),
                    false => Err(plan.refuse(Rule::ContactCount, record)),
                };
                let contact = Contact {
                    offered: is_one(offered.read(record, scratch)?, offered)?,
                    handled: is_one(handled.read(record, scratch)?, handled)?,
                    duration: duration.read(record, scratch)?,
                    ..Contact::offered(start)
                };
                let names = &mut self.queues[channel as usize];
                let queue = queue(&plan.name, record, scratch, names, *encoding, channel, out)?;
                out.contact(queue, &contact);
            }
            Kind::Intervals { channel, offered, handled, aht } => {
                let start = instant(resolver, start).map_err(|rule| plan.start.refuse(rule, record))?;
                let channel = channel.read(record, scratch)?;
                let (offered, handled) = (offered.read(record, scratch)?, handled.read(record, scratch)?);
                let handle_time = match aht {
                    None => Timed::default(),
                    Some(plan) => match plan.read(record, scratch)? {
                        Some(aht) if !handled.is_zero() => {
                            let total = value::total(aht, handled);
                            let total = total.ok_or_else(|| plan.refuse(Rule::Duration, record))?;
                            Timed { total, number: handled }
                        }
                        _ => Timed::default(),
                    },
                };
                let measures = Measures { offered, handled, handle_time, ..Measures::default() };
                let names = &mut self.queues[channel as usize];
                let queue = queue(&plan.name, record, scratch, names, *encoding, channel, out)?;
                let Some(spacing) = &mut self.spacing else { return Ok(()) };
                let length = spacing.length_at(queue, start).ok_or_else(|| plan.start.refuse(Rule::OffGrid, record))?;
                out.interval_row(queue, IntervalRow { start, length, measures });
            }
            Kind::Statuses { activity, end, duration } => {
                let (start, end) = match end {
                    Some(plan_of_end) => {
                        let end = plan_of_end.read(record, scratch)?;
                        span(resolver, start, end).map_err(|rule| match rule {
                            Rule::EndBeforeStart => plan_of_end.refuse(rule, record),
                            rule => plan.start.refuse(rule, record),
                        })?
                    }
                    None => {
                        let start = instant(resolver, start).map_err(|rule| plan.start.refuse(rule, record))?;
                        let lasted = duration.as_ref().map(|plan| plan.read(record, scratch)).transpose()?.flatten();
                        (start, lasted.map(|lasted| start.after(lasted)))
                    }
                };
                let status = {
                    let bytes = named(activity, record, scratch)?;
                    known(bytes, &mut self.activities, *encoding, |name| out.status(name))
                        .ok_or_else(|| activity.refuse(Rule::Encoding, bytes))?
                };
                let bytes = named(&plan.name, record, scratch)?;
                let agent = known(bytes, &mut self.agents, *encoding, |name| out.agent(name))
                    .ok_or_else(|| plan.name.refuse(Rule::Encoding, bytes))?;
                out.span(agent, Span { start, status, end });
            }
        }
        Ok(())
    }

    fn finish(self, out: &mut RowWriter<'_>) -> Result<()> {
        self.spacing.map_or(Ok(()), |spacing| spacing.finish(out))
    }
}

pub(crate) fn instant(resolver: &mut Resolver, moment: Moment) -> Result<Timestamp, Rule> {
    match moment {
        Moment::Instant(instant) => Ok(instant),
        Moment::Local(local) => resolver.instant(LocalTime::from_millis(local)),
    }
}

fn span(resolver: &mut Resolver, start: Moment, end: Option<Moment>) -> Result<(Timestamp, Option<Timestamp>), Rule> {
    let (start, end) = match (start, end) {
        (start, None) => return Ok((instant(resolver, start)?, None)),
        (Moment::Local(start), Some(Moment::Local(end))) => {
            resolver.span(LocalTime::from_millis(start), LocalTime::from_millis(end))?
        }
        (Moment::Instant(start), Some(Moment::Local(end))) => {
            (start, resolver.end_of(start, LocalTime::from_millis(end))?)
        }
        (start, Some(Moment::Instant(end))) => (instant(resolver, start)?, end),
    };
    if end < start { Err(Rule::EndBeforeStart) } else { Ok((start, Some(end))) }
}

/// The bytes of a name, which must not be empty.
fn named<'s>(
    column: &'s crate::plan::Column,
    record: &Record<'s>,
    scratch: &'s mut Vec<u8>,
) -> Result<&'s [u8], Refused> {
    match column.bytes(record, scratch) {
        None => Err(column.refuse(Rule::Columns, record.raw)),
        Some(bytes) if bytes.trim_ascii().is_empty() => Err(column.refuse(Rule::Required, b"")),
        Some(bytes) => Ok(bytes),
    }
}

/// What stands for a name; `None` where its bytes are not valid.
#[inline]
fn known<V: Copy>(
    bytes: &[u8],
    names: &mut Names<V>,
    encoding: crate::encoding::Encoding,
    add: impl FnOnce(&str) -> V,
) -> Option<V> {
    if let Some(known) = names.get(bytes) {
        return Some(*known);
    }
    let value = add(&encoding.decode(bytes)?);
    names.insert(bytes.to_vec(), value);
    Some(value)
}

#[inline]
fn queue(
    column: &crate::plan::Column,
    record: &Record<'_>,
    scratch: &mut Vec<u8>,
    names: &mut Names<Result<u32, Rule>>,
    encoding: crate::encoding::Encoding,
    channel: Channel,
    out: &mut RowWriter<'_>,
) -> Result<u32, Refused> {
    let bytes = named(column, record, scratch)?;
    let known = known(bytes, names, encoding, |name| out.queue(name, channel));
    known.unwrap_or(Err(Rule::Encoding)).map_err(|rule| column.refuse(rule, bytes))
}

/// A quick hash for short names that come again and again; whoever writes the file may slow down nobody but himself.
#[derive(Debug, Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, _: u8) {}

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

impl NameHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Watches how far the rows of an interval-based file are apart.
pub(crate) struct Spacing {
    length: IntervalLength,
    grid: GridCursor,
    quarters: GridCursor,
    last: Vec<Option<Timestamp>>,
    closest: Option<Millis>,
    rows: u64,
    off_grid: u64,
    off_grid_on_quarter: u64,
    shortest_step: i64,
}

impl Spacing {
    pub(crate) fn new(grid: &Grid) -> Self {
        Self {
            length: grid.length(),
            grid: grid.cursor(),
            quarters: Grid::new(grid.zone(), IntervalLength::MINUTES_15).cursor(),
            last: Vec::new(),
            closest: None,
            rows: 0,
            off_grid: 0,
            off_grid_on_quarter: 0,
            shortest_step: grid.length().millis().get(),
        }
    }

    /// How long the interval that starts at `start` really is; `None` where none starts there.
    pub(crate) fn length_at(&mut self, queue: u32, start: Timestamp) -> Option<Millis> {
        self.rows += 1;
        let interval = self.grid.interval(start);
        if interval.from() != start {
            self.off_grid += 1;
            self.off_grid_on_quarter += u64::from(self.quarters.is_start(start));
            self.shortest_step = common_divisor(self.shortest_step, start.since(interval.from()).get());
            return None;
        }
        let queue = queue as usize;
        if self.last.len() <= queue {
            self.last.resize(queue + 1, None);
        }
        if let Some(last) = self.last[queue].replace(start)
            && last < start
        {
            let apart = start.since(last);
            self.closest = Some(self.closest.map_or(apart, |closest| closest.min(apart)));
        }
        Some(interval.duration())
    }

    /// # Errors
    ///
    /// `DataInvalid` when the file's own intervals are shorter than the schema says.
    pub(crate) fn finish(self, out: &mut RowWriter<'_>) -> Result<()> {
        let minute = 60_000;
        let is_shorter = self.off_grid_on_quarter > 0 || self.off_grid * 4 >= self.rows.max(1);
        if self.off_grid > 0 && is_shorter && self.shortest_step >= minute {
            let message = format!(
                "the file has a row every {} minutes, the schema says {}: set `interval` to the length of the file's intervals",
                self.shortest_step / minute,
                self.length.minutes()
            );
            return Err(Error::new(ErrorKind::DataInvalid, message));
        }
        let nominal = self.length.millis();
        if let Some(closest) = self.closest.filter(|closest| *closest > nominal && self.rows > 2) {
            out.warn(format!(
                "the rows are {} minutes apart, the schema says {}: the intervals between them are missing; if each row stands for all of that time, set `interval` to it",
                closest.get() / minute,
                self.length.minutes()
            ));
        }
        Ok(())
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
