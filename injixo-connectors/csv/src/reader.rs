//! One file to facts: bytes, records, plan, rows; bad rows are rejected by line, good rows next to them arrive.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use injixo_core::connector::{PartEnd, RowWriter};
use injixo_core::model::{
    Channel, Contact, IntervalRow, Measures, Quantity, RejectedRow, Rule, Span, Timed, Timestamp,
};
use injixo_core::zone::{FoldPolicy, Grid, LocalTime, Resolver};
use injixo_core::{Error, ErrorKind, Result};
use memchr::memmem::Finder;

use crate::datetime::Moment;
use crate::encoding::{bom_len, not_csv};
use crate::names::Names;
use crate::plain::{Known, Plain};
use crate::plan::{Header, Kind, Plan, Refused};
use crate::records::{Next, Record, Records};
use crate::schema::{Data, Schema};
use crate::spacing::Spacing;
use crate::value;

/// Reads a file whole and writes its rows; `expected` is the checksum of its content, or empty where nobody asks.
pub(crate) async fn read_file(
    schema: &Schema,
    name: &str,
    path: &Path,
    expected: &str,
    out: &mut RowWriter<'_>,
) -> Result<()> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    if metadata.is_dir() {
        return Err(is_folder());
    }
    let total = metadata.len();
    if expected.is_empty() {
        return read(schema, name, file, total, out).await;
    }
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
        return Err(is_folder());
    }
    let mut input = Hashing { input: file, hasher: blake3::Hasher::new() };
    let mut block = vec![0; 1 << 16];
    while input.read(&mut block).map_err(|error| unreadable(&error))? > 0 {}
    Ok(input.hasher.finalize().to_hex().to_string())
}

fn is_folder() -> Error {
    Error::new(ErrorKind::DataInvalid, "a folder and no file: name the file")
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
    read_by(schema, name, input, total, Way::Plain, out).await
}

/// How rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Plain rows straight from their bytes, all others in the general way.
    Plain,
    /// All rows in the general way, which says the same.
    #[cfg(any(test, fuzzing))]
    General,
}

pub(crate) async fn read_by(
    schema: &Schema,
    name: &str,
    input: impl Read + Send,
    total: u64,
    way: Way,
    out: &mut RowWriter<'_>,
) -> Result<()> {
    let skip = Skip::new(schema);
    let (records, header) = begin(schema, input, &skip)?;
    #[cfg(feature = "sql-mapping")]
    if let Some(query) = &schema.sql {
        let (mut records, reject) = (records, Reject { name, schema });
        return crate::mapped::read(schema, query, &header, &mut records, &skip, &reject, out).await;
    }
    let mut reading = Reading { name, schema, skip, header, way, total };
    reading.rows(records, 0..u64::MAX, out).await.map(drop)
}

/// Where a file may be cut for so many threads: behind ends of lines, which may be within quotes. Nowhere if its rows must be read in
/// order, or are few.
pub(crate) fn cuts(schema: &Schema, path: &Path, parts: usize) -> Result<Vec<u64>> {
    let needs_order = schema.fold == FoldPolicy::InOrder || matches!(schema.data, Data::Intervals(_));
    if needs_order || schema.sql.is_some() {
        return Ok(Vec::new());
    }
    let mut file = File::open(path).map_err(|error| unreadable(&error))?;
    let length = file.metadata().map_err(|error| unreadable(&error))?.len();
    let line_end = Records::new(&file, b";").map_err(|error| unreadable(&error))?.line_end();
    let mut cuts = Vec::new();
    let mut block = vec![0; CUT_WITHIN];
    let parts = (parts as u64).min(length / LEAST_PART);
    for part in 1..parts {
        let from = length / parts * part;
        file.seek(SeekFrom::Start(from)).map_err(|error| unreadable(&error))?;
        let count = file.read(&mut block).map_err(|error| unreadable(&error))?;
        if let Some(end) = memchr::memchr(line_end, &block[..count]) {
            cuts.push(from + end as u64 + 1);
        }
    }
    Ok(cuts)
}

/// Shorter parts are not worth a thread.
const LEAST_PART: u64 = if cfg!(test) { 16 } else { 1 << 19 };
/// The end of a line is looked for in so many bytes.
const CUT_WITHIN: usize = 64 << 10;

/// Reads the rows of a file that begin in a part of it.
pub(crate) async fn read_file_part(
    schema: &Schema,
    name: &str,
    path: &Path,
    part: Range<u64>,
    out: &mut RowWriter<'_>,
) -> Result<PartEnd> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let total = file.metadata().map_err(|error| unreadable(&error))?.len();
    read_part(schema, name, file, total, part, out).await
}

pub(crate) async fn read_part(
    schema: &Schema,
    name: &str,
    input: impl Read + Seek + Send,
    total: u64,
    part: Range<u64>,
    out: &mut RowWriter<'_>,
) -> Result<PartEnd> {
    let skip = Skip::new(schema);
    let (mut records, header) = begin(schema, input, &skip)?;
    if part.start > 0 {
        records.jump(part.start).map_err(|error| unreadable(&error))?;
    }
    Reading { name, schema, skip, header, way: Way::Plain, total }.rows(records, part, out).await
}

/// The records behind the header, and the header.
fn begin<R: Read>(schema: &Schema, input: R, skip: &Skip) -> Result<(Records<R>, Header)> {
    let mut records = Records::new(input, &separator(schema)).map_err(|error| unreadable(&error))?;
    check_text(records.peek())?;
    let bom = bom_len(records.peek());
    records.skip_bytes(bom);
    for _ in 0..schema.skip_first_rows {
        records.skip_line().map_err(|error| unreadable(&error))?;
    }
    let header = header(schema, &mut records, skip)?;
    if header.len() == 0 {
        return Err(Error::new(ErrorKind::DataInvalid, "the file is empty: expected a header and rows"));
    }
    Ok((records, header))
}

fn separator(schema: &Schema) -> Vec<u8> {
    schema.encoding.encode(&schema.separator).unwrap_or_else(|| b";".to_vec())
}

/// How the rows behind the header are read.
struct Reading<'a> {
    name: &'a str,
    schema: &'a Schema,
    skip: Skip,
    header: Header,
    way: Way,
    /// How many bytes the file has.
    total: u64,
}

impl Reading<'_> {
    /// Writes the rows that begin in `part`.
    async fn rows<R: Read + Send>(
        &mut self,
        mut records: Records<R>,
        part: Range<u64>,
        out: &mut RowWriter<'_>,
    ) -> Result<PartEnd> {
        let Self { name, schema, skip, header, way, total } = self;
        let reject = Reject { name, schema };
        let plan = Plan::new(schema, header)?;
        let plain = match way {
            Way::Plain => Plain::new(&plan, header.len(), &separator(schema), records.line_end()),
            #[cfg(any(test, fuzzing))]
            Way::General => None,
        };
        let mut rows = Rows::new(schema, plan, plain);
        let mut is_over = false;
        while !is_over {
            let mut left = ROWS_AT_ONCE;
            while left > 0 {
                let in_part = usize::try_from(part.end.saturating_sub(records.consumed())).unwrap_or(usize::MAX);
                let ahead = records.peek();
                let (bytes, lines) = rows.read_plain(&ahead[..ahead.len().min(in_part)], left, skip, out);
                records.skip_lines(bytes, u64::from(lines));
                left -= lines;
                if left == 0 {
                    break;
                }
                is_over = records.consumed() >= part.end;
                let next = if is_over { None } else { records.next().map_err(|error| unreadable(&error))? };
                let Some(next) = next else {
                    is_over = true;
                    break;
                };
                if let Some(record) = usable(next, header.len(), skip, &reject, out)?
                    && let Err(refused) = rows.read(&record, out)
                {
                    reject.refused(&refused, record.line, out)?;
                }
                left -= 1;
                is_over = records.consumed() >= part.end;
                if is_over {
                    break;
                }
            }
            out.progress(records.consumed().saturating_sub(part.start), *total);
            out.flush().await?;
        }
        rows.finish(out)?;
        Ok(PartEnd { next: records.consumed(), lines: records.lines() })
    }
}

const ROWS_AT_ONCE: u32 = 4_096;

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
        (self.empty && record.is_empty_from(0)) || self.holds_text(record.raw)
    }

    /// Whether a row holds one of the texts of rows that are left out.
    fn holds_text(&self, row: &[u8]) -> bool {
        self.containing.iter().any(|text| text.find(row).is_some())
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
    plain: Option<Plain>,
    encoding: crate::encoding::Encoding,
    resolver: Resolver,
    scratch: Vec<u8>,
    other_scratch: Vec<u8>,
    known: Known,
    /// By name, then by channel: the queue, or why its rows are rejected.
    queues: Vec<Queues>,
    spacing: Option<Spacing>,
}

impl Rows {
    fn new(schema: &Schema, plan: Plan, plain: Option<Plain>) -> Self {
        let spacing = match schema.data {
            Data::Intervals(length) => Some(Spacing::new(&Grid::new(&schema.zone, length))),
            Data::Contacts | Data::Statuses => None,
        };
        Self {
            plan,
            plain,
            encoding: schema.encoding,
            resolver: Resolver::new(&schema.zone, schema.gap, schema.fold),
            scratch: Vec::new(),
            other_scratch: Vec::new(),
            known: Known::default(),
            queues: Vec::new(),
            spacing,
        }
    }

    /// Reads plain rows at the beginning of `bytes`, `most` of them at most, up to the first row that is not plain; how many bytes and
    /// how many rows they were.
    fn read_plain(&mut self, bytes: &[u8], most: u32, skip: &Skip, out: &mut RowWriter<'_>) -> (usize, u32) {
        let (mut at, mut rows) = (0, 0);
        let is_status = matches!(self.plan.kind, Kind::Statuses { .. });
        while rows < most {
            let bytes = &bytes[at..];
            let length =
                if is_status { self.plain_status(bytes, skip, out) } else { self.plain_contact(bytes, skip, out) };
            let Some(length) = length else { break };
            at += length;
            rows += 1;
        }
        (at, rows)
    }

    #[inline]
    fn plain_contact(&mut self, bytes: &[u8], skip: &Skip, out: &mut RowWriter<'_>) -> Option<usize> {
        let (row, length) = self.plain.as_mut()?.read(bytes, &self.known)?;
        if row.offered > Quantity::ONE || row.handled > Quantity::ONE || skip.holds_text(&bytes[..length]) {
            return None;
        }
        let queue = self.queues[row.name as usize][row.channel as usize]?.ok()?;
        let start = instant(&mut self.resolver, row.start()?).ok()?;
        let (offered, handled, duration) = (row.offered, row.handled, row.duration);
        out.contact(queue, &Contact { offered, handled, duration, ..Contact::offered(start) });
        Some(length)
    }

    #[inline]
    fn plain_status(&mut self, bytes: &[u8], skip: &Skip, out: &mut RowWriter<'_>) -> Option<usize> {
        let (row, length) = self.plain.as_mut()?.read(bytes, &self.known)?;
        if skip.holds_text(&bytes[..length]) {
            return None;
        }
        let (agent, status) = (row.name, row.activity);
        let (start, end) = span(&mut self.resolver, row.start()?, row.end()?).ok()?;
        out.span(agent, Span { start, status, end: end.or(row.duration.map(|lasted| start.after(lasted))) });
        Some(length)
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
                let (names, queues) = (&mut self.known.names, &mut self.queues);
                let queue = queue(&plan.name, record, scratch, (names, queues), *encoding, channel, out)?;
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
                let (names, queues) = (&mut self.known.names, &mut self.queues);
                let queue = queue(&plan.name, record, scratch, (names, queues), *encoding, channel, out)?;
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
                // A row that is rejected names nobody.
                let activity = readable(activity, record, scratch, &self.known.activities, *encoding)?;
                let name = readable(&plan.name, record, &mut self.other_scratch, &self.known.names, *encoding)?;
                let status = known(activity, &mut self.known.activities, *encoding, |name| out.status(name));
                let agent = known(name, &mut self.known.names, *encoding, |name| out.agent(name));
                let (Some(status), Some(agent)) = (status, agent) else { return Ok(()) };
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

/// The same of a name that is known or can be read.
fn readable<'s, V: Copy>(
    column: &'s crate::plan::Column,
    record: &Record<'s>,
    scratch: &'s mut Vec<u8>,
    names: &Names<V>,
    encoding: crate::encoding::Encoding,
) -> Result<&'s [u8], Refused> {
    let bytes = named(column, record, scratch)?;
    let is_readable = names.get(bytes).is_some() || encoding.decode(bytes).is_some();
    if is_readable { Ok(bytes) } else { Err(column.refuse(Rule::Encoding, bytes)) }
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
        return Some(known);
    }
    let value = add(&encoding.decode(bytes)?);
    names.insert(bytes, value);
    Some(value)
}

/// The queues of one name, by channel.
type Queues = [Option<Result<u32, Rule>>; Channel::ALL.len()];

fn queue(
    column: &crate::plan::Column,
    record: &Record<'_>,
    scratch: &mut Vec<u8>,
    (names, queues): (&mut Names<u32>, &mut Vec<Queues>),
    encoding: crate::encoding::Encoding,
    channel: Channel,
    out: &mut RowWriter<'_>,
) -> Result<u32, Refused> {
    let bytes = named(column, record, scratch)?;
    let name = known(bytes, names, encoding, |_| {
        queues.push([None; Channel::ALL.len()]);
        // Four thousand million names do not fit into memory.
        u32::try_from(queues.len() - 1).unwrap_or(u32::MAX)
    });
    let refused = |rule| column.refuse(rule, bytes);
    let slot = &mut queues[name.ok_or_else(|| refused(Rule::Encoding))? as usize][channel as usize];
    if slot.is_none() {
        let name = encoding.decode(bytes).ok_or_else(|| refused(Rule::Encoding))?;
        *slot = Some(out.queue(&name, channel));
    }
    slot.unwrap_or(Err(Rule::Encoding)).map_err(refused)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use injixo_core::aggregate::AgentSpans;
    use injixo_core::connector::{Context, Progress, RowSink};
    use injixo_core::model::{ContactBatch, IntervalBatch, StatusBatch};
    use proptest::prelude::*;

    use super::*;

    /// Everything that was read, a line each.
    #[derive(Default)]
    struct Lines {
        good: String,
        rejected: String,
    }

    impl RowSink for Lines {
        fn contacts(&mut self, batch: &ContactBatch) -> Result<()> {
            for (index, row) in batch.rows().iter().enumerate() {
                let contact = batch.contact(index);
                let queue = &batch.queues()[row.queue as usize];
                let _ = writeln!(
                    self.good,
                    "{queue} {} {}/{} {:?}",
                    contact.start, contact.handled, contact.offered, contact.duration
                );
            }
            Ok(())
        }

        fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
            for (queue, row) in batch.rows() {
                let (queue, measures) = (&batch.queues()[*queue as usize], row.measures);
                let _ = writeln!(
                    self.good,
                    "{queue} {}+{} {}/{} {}:{}",
                    row.start,
                    row.length,
                    measures.handled,
                    measures.offered,
                    measures.handle_time.total,
                    measures.handle_time.number
                );
            }
            Ok(())
        }

        fn statuses(&mut self, batch: &StatusBatch) -> Result<()> {
            for (agent, span) in batch.rows() {
                let (agent, status) = (&batch.agents()[*agent as usize], &batch.statuses()[span.status as usize]);
                let end = span.end.map_or("open".to_owned(), |end| end.to_string());
                let _ = writeln!(self.good, "{agent} {status} {} {end}", span.start);
            }
            Ok(())
        }

        fn rejected(&mut self, row: &RejectedRow) -> Result<()> {
            let _ = writeln!(self.rejected, "{} {} {} {}", row.line, row.column, row.rule, row.excerpt);
            Ok(())
        }
    }

    /// What became of the rows of `file`, in both ways: the good ones, the rejected ones, and how many were skipped; or the error.
    fn outcome(schema: &str, file: &[u8]) -> (String, String, u64) {
        let schema: Schema = schema.parse().unwrap_or_else(|error| panic!("{error}"));
        let [plain, general] = [Way::Plain, Way::General].map(|way| outcome_by(&schema, file, way));
        assert_eq!(plain, general);
        plain
    }

    fn outcome_by(schema: &Schema, file: &[u8], way: Way) -> (String, String, u64) {
        let mut lines = Lines::default();
        let cx = Context::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut out = RowWriter::new(&cx, &mut lines);
        let read = runtime.block_on(read_by(schema, "file.csv", file, file.len() as u64, way, &mut out));
        let skipped = out.finish().map(|counts| counts.skipped);
        match read.and(skipped) {
            Ok(skipped) => (lines.good, lines.rejected, skipped),
            Err(error) => (String::new(), format!("error: {error}\n"), 0),
        }
    }

    const HEAD: &str = "data = 'contacts'\ntime_zone = 'Europe/Berlin'\n";
    const COLUMNS: &str =
        "[columns]\nqueue = 'Queue'\ntimestamp = { column = 'When', format = ['YYYY-MM-DD hh:mm', 'iso8601'] }
        offered = { value = 1 }\nhandled = 'Handled'\nduration = 'Duration'\nchannel = { value = 'calls' }\n";

    macro_rules! reads {
        ($($name:ident: $settings:expr, $file:expr => $good:expr, $rejected:expr, $skipped:expr;)*) => {
            $(#[test]
            fn $name() {
                let file: &[u8] = $file.as_ref();
                let (good, rejected, skipped) = outcome(&format!("{HEAD}{}{COLUMNS}", $settings), file);
                assert_eq!((good.as_str(), rejected.as_str(), skipped), ($good, $rejected, $skipped));
            })*
        };
    }

    reads! {
        a_plain_file: "",
            "Queue;When;Handled;Duration\nSales;2024-05-01 10:00;1;5\nSales;2024-05-01 10:01;0;\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\nSales (calls) 2024-05-01T08:01:00Z 0/1 None\n", "", 0;
        other_columns_and_another_order: "",
            "Duration;x;Handled;When;y;Queue\n5;;Y;2024-05-01 10:00;;Sales\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 0;
        a_byte_order_mark: "",
            "\u{feff}Queue;When;Handled;Duration\nBüro;2024-05-01 10:00;1;5\n"
            => "Büro (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 0;
        turkish: "encoding = 'iso-8859-9'\n",
            b"Queue;When;Handled;Duration\n\xDDstanbul \xF0\xFD\xFE;2024-05-01 10:00;1;5\n"
            => "İstanbul ğış (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 0;
        western: "encoding = 'windows-1252'\n",
            b"Queue;When;Handled;Duration\n\x80uro B\xFCro;2024-05-01 10:00;1;5\n"
            => "€uro Büro (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 0;
        bytes_of_another_encoding: "",
            b"Queue;When;Handled;Duration\nB\xFCro;2024-05-01 10:00;1;5\nA;2024-05-01 10:00;1;5\n"
            => "A (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "2 Queue encoding B\u{fffd}ro\n", 0;
        a_separator_of_two_bytes: "separator = '§'\n",
            "Queue§When§Handled§Duration\nSales§2024-05-01 10:00§1§5\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 0;
        quoted_fields: "separator = ','\n",
            "Queue,When,Handled,Duration\r\n\"Sales, \"\"all\"\"\",\"2024-05-01 10:00\",\"1\",\"0:01:05\"\r\n"
            => "Sales, \"all\" (calls) 2024-05-01T08:00:00Z 1/1 Some(65s)\n", "", 0;
        first_rows_are_dropped: "skip_first_rows = 2\n",
            "Report\n\"open quote\nQueue;When;Handled;Duration\nSales;2024-05-01 10:00;1;x\nSales;2024-05-01 10:00;1;5\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "4 Duration duration x\n", 0;
        empty_rows_are_bad: "",
            "Queue;When;Handled;Duration\n;;;\n\nSales;2024-05-01 10:00;1;5\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "2 When required \n", 1;
        empty_rows_are_left_out: "skip_empty_rows = true\n",
            "Queue;When;Handled;Duration\n;;;\n\nSales;2024-05-01 10:00;1;5\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 2;
        rows_that_hold_a_text_are_left_out: "skip_rows_containing = ['Total', '# ']\n",
            "# made today\nQueue;When;Handled;Duration\nSales;2024-05-01 10:00;1;5\nTotal;;1;5\ntotal;2024-05-01 10:00;1;5\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\ntotal (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 1;
        a_header_that_holds_the_text_stays_the_header: "skip_rows_containing = ['Handled']\n",
            "Queue;When;Handled;Duration\nSales;2024-05-01 10:00;1;5\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 0;
        the_skipped_hour_moves_forward: "",
            "Queue;When;Handled;Duration\nSales;2024-03-31 02:30;1;5\n"
            => "Sales (calls) 2024-03-31T01:30:00Z 1/1 Some(5s)\n", "", 0;
        the_skipped_hour_is_rejected: "gap = 'reject'\n",
            "Queue;When;Handled;Duration\nSales;2024-03-31 02:30;1;5\nSales;2024-03-31 03:30;1;5\n"
            => "Sales (calls) 2024-03-31T01:30:00Z 1/1 Some(5s)\n", "2 When gap 2024-03-31 02:30\n", 0;
        the_repeated_hour_is_rejected: "fold = 'reject'\n",
            "Queue;When;Handled;Duration\nSales;2024-10-27 02:30;1;5\nSales;2024-10-27 03:30;1;5\n"
            => "Sales (calls) 2024-10-27T02:30:00Z 1/1 Some(5s)\n", "2 When fold 2024-10-27 02:30\n", 0;
        the_repeated_hour_in_order: "fold = 'in_order'\n",
            "Queue;When;Handled;Duration\nSales;2024-10-27 02:50;1;5\nSales;2024-10-27 02:10;1;5\n"
            => "Sales (calls) 2024-10-27T00:50:00Z 1/1 Some(5s)\nSales (calls) 2024-10-27T01:10:00Z 1/1 Some(5s)\n", "", 0;
        an_instant_needs_no_zone: "gap = 'reject'\n",
            "Queue;When;Handled;Duration\nSales;2024-03-31T02:30:00.250+01:00;1;5\n"
            => "Sales (calls) 2024-03-31T01:30:00.250Z 1/1 Some(5s)\n", "", 0;
        trailing_separators: "",
            "Queue;When;Handled;Duration\nSales;2024-05-01 10:00;1;5;\nSales;2024-05-01 10:00;1;5;;;\n"
            => "Sales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\nSales (calls) 2024-05-01T08:00:00Z 1/1 Some(5s)\n", "", 0;
        only_a_header: "", "Queue;When;Handled;Duration\n" => "", "", 0;
    }

    proptest::proptest! {
        /// Damaged lines included: each line of the file is one row, and each row is good, rejected or skipped.
        #[test]
        fn every_row_is_accounted_for(
            lines in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::strategy::Just("Sales;2024-05-01 10:00;1;5".to_owned()),
                    "[A-C ;0-9:\\-]{0,30}",
                    "[;é1]{0,6}",
                    "Sales;2024-0[0-9]-[0-3][0-9] [0-2][0-9]:[0-6][0-9];[0-2];[0-9]{0,12}",
                ],
                0..30,
            ),
        ) {
            let file = format!("Queue;When;Handled;Duration\n{}", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
            let (good, rejected, skipped) = outcome(&format!("{HEAD}skip_empty_rows = true\n{COLUMNS}"), file.as_bytes());
            let rows = good.lines().count() + rejected.lines().count() + usize::try_from(skipped).unwrap();
            proptest::prop_assert_eq!(rows, lines.len(), "{}{}", good, rejected);
        }
    }

    /// What so many threads say of a file: the table or the spans, what was rejected, and the report with the last word about the
    /// progress, or the error.
    fn by_threads(schema: &Schema, text: &[u8], threads: usize) -> (Vec<String>, Vec<RejectedRow>, String) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, text).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut rejected, mut read) = (Vec::new(), Vec::new());
        let progress = std::sync::Arc::new(std::sync::Mutex::new(None));
        let last = std::sync::Arc::clone(&progress);
        let watch = move |progress: &Progress| *last.lock().unwrap() = Some(*progress);
        let (csv, cx) = (crate::Csv::new(schema.clone()), Context::default().on_threads(threads).watched_by(watch));
        let reject = |row: &RejectedRow| rejected.push(row.clone());
        let report = if matches!(schema.data, Data::Statuses) {
            let told = runtime.block_on(injixo_core::read_file_statuses(&csv, file.path(), &cx, reject));
            told.map(|(spans, report)| {
                let (agents, statuses) = spans.finish();
                let named = |span: &Span| format!("{} {span:?}", statuses[span.status as usize]);
                let line = |agent: &AgentSpans| {
                    let spans: Vec<String> = agent.spans.iter().map(named).collect();
                    format!("{} {spans:?}", agent.agent)
                };
                read.extend(agents.iter().map(line));
                report
            })
        } else {
            let told = runtime.block_on(injixo_core::read_file_intervals(&csv, file.path(), &cx, reject));
            told.map(|(table, report)| {
                read.extend(table.rows().map(|row| format!("{row:?}")));
                report
            })
        };
        let name = file.path().file_name().unwrap().to_string_lossy().into_owned();
        let told = match report {
            Ok(mut report) => {
                report.elapsed = std::time::Duration::ZERO;
                format!("{report:?} {:?}", progress.lock().unwrap())
            }
            Err(error) => error.to_string(),
        };
        rejected.iter_mut().for_each(|row| row.source = row.source.replace(&name, "FILE"));
        (read, rejected, told.replace(&name, "FILE"))
    }

    /// Rows whose quoted queue holds what looks like rows, so that files are cut in the middle of a row.
    #[test]
    fn a_cut_within_quotes_is_taken_back() {
        let schema: Schema = format!("{HEAD}{COLUMNS}").parse().unwrap();
        let row = |minute: u32| format!("Sales;2024-05-01 10:{minute:02};1;5\n");
        for (before, inside, behind) in [(0, 40, 0), (3, 30, 9), (9, 9, 1), (1, 200, 1), (0, 0, 30)] {
            let many = |count: u32| (0..count).map(|at| row(at % 60)).collect::<String>();
            let text = format!(
                "Queue;When;Handled;Duration\n{}\"{}\";2024-05-01 11:00;1;7\n{}no;row\n{}",
                many(before),
                many(inside),
                many(behind),
                row(3)
            );
            let whole = by_threads(&schema, text.as_bytes(), 1);
            assert_eq!(whole.1.len(), 1 + usize::from(inside == 0), "{:?}", whole.1);
            for threads in 2..9 {
                assert_eq!(by_threads(&schema, text.as_bytes(), threads), whole, "{threads}");
            }
        }
    }

    #[test]
    fn more_rejected_rows_than_a_part_keeps_are_all_told() {
        let schema: Schema = format!("{HEAD}{COLUMNS}").parse().unwrap();
        let mut text = "Queue;When;Handled;Duration\nSales;2024-05-01 10:00;1;5\n".to_owned();
        (0..25_000).for_each(|at| {
            let _ = writeln!(text, "Sales;{at};1;5");
        });
        let (_, rejected, report) = by_threads(&schema, text.as_bytes(), 2);
        let lines: Vec<u64> = rejected.iter().map(|row| row.line).collect();
        assert_eq!(lines, (3..25_003).collect::<Vec<u64>>());
        assert!(report.contains("rejected: 25000"), "{report}");
    }

    #[test]
    fn a_file_without_header_has_letters() {
        let schema = "data = 'agent-status'\ntime_zone = 'UTC'\nadd_header_row = true\n[columns]\nagent = 'B'
            activity = { columns = ['C', 'D'], join = ': ', trim = true }\nstart_date = 'A'\nstart_time = 'E'\nduration = 'F'\n";
        let file = "2024-05-01;amy; Ready ;;10:00:00;60\n2024-05-01;amy;Not Ready;Lunch ;10:01:00;1:00:00\n";
        let expected = "amy Ready 2024-05-01T10:00:00Z 2024-05-01T10:01:00Z\namy Not Ready: Lunch 2024-05-01T10:01:00Z 2024-05-01T11:01:00Z\n";
        assert_eq!(outcome(schema, file.as_bytes()), (expected.to_owned(), String::new(), 0));
    }

    #[test]
    fn ends_take_the_other_reading_unless_strict() {
        let schema = |fold: &str| {
            format!(
                "data = 'agent-status'\ntime_zone = 'Europe/Berlin'\nfold = '{fold}'\n[columns]\nagent = 'A'\nactivity = 'S'\nstart_timestamp = 'F'\nend_timestamp = 'T'\n"
            )
        };
        let file = "A;S;F;T\namy;Ready;2024-10-27 02:50;2024-10-27 02:10\namy;Ready;2024-10-27 04:00;\n";
        let open = "amy Ready 2024-10-27T03:00:00Z open\n";
        let (good, rejected, _) = outcome(&schema("auto"), file.as_bytes());
        assert_eq!(
            (good, rejected),
            (format!("amy Ready 2024-10-27T00:50:00Z 2024-10-27T01:10:00Z\n{open}"), String::new())
        );
        let (good, rejected, _) = outcome(&schema("earlier"), file.as_bytes());
        assert_eq!((good, rejected), (open.to_owned(), "2 T end_before_start 2024-10-27 02:10\n".to_owned()));
    }

    const INTERVALS: &str =
        "data = 'contacts'\nlayout = 'interval-based'\ninterval = 30\ntime_zone = 'UTC'\n[columns]\nqueue = 'Q'
        timestamp = 'W'\noffered = 'O'\nhandled = 'H'\naht = 'T'\nchannel = 'C'\n";

    #[test]
    fn interval_rows_carry_handle_time_where_aht_is_known() {
        let file = "Q;W;O;H;T;C\nA;2024-05-01 08:00;15;14;230;calls\nA;2024-05-01 08:30;1.5;.5;0:03:50;chats\nA;2024-05-01 09:00;5;4;;calls\nA;2024-05-01 09:30;5;0;9;calls\nA;2024-05-01 10:00;5;0;9;phone\nA;2024-05-01 10:07;5;0;9;calls\n";
        let good = "A (calls) 2024-05-01T08:00:00Z+1800 14/15 3220:14\nA (chats) 2024-05-01T08:30:00Z+1800 0.5/1.5 115:0.5\nA (calls) 2024-05-01T09:00:00Z+1800 4/5 0:0\nA (calls) 2024-05-01T09:30:00Z+1800 0/5 0:0\n";
        let rejected = "6 C channel phone\n7 W off_grid 2024-05-01 10:07\n";
        assert_eq!(outcome(INTERVALS, file.as_bytes()), (good.to_owned(), rejected.to_owned(), 0));
    }

    #[test]
    fn shorter_rows_are_one_error_that_names_both_lengths() {
        for minute in [15, 45] {
            let file = format!(
                "Q;W;O;H;T;C\nA;2024-05-01 08:00;1;1;1;calls\nA;2024-05-01 08:30;1;1;1;calls\nA;2024-05-01 09:{minute};1;1;1;calls\n"
            );
            let (_, rejected, _) = outcome(INTERVALS, file.as_bytes());
            assert!(rejected.contains("error: the file has a row every 15 minutes, the schema says 30"), "{rejected}");
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let schema = format!("{HEAD}{COLUMNS}");
        for (file, part) in [
            ("", "the file is empty"),
            ("\n\n", "the file is empty"),
            ("Queue;When;Handled\n", "column \"Duration\" is missing (for duration); the file has 3 columns"),
            ("Queue;When;Handled;Duration;Queue\n", "column \"Queue\" stands there 2 times"),
            ("\"Queue;When\n", "the header cannot be read"),
        ] {
            let (_, rejected, _) = outcome(&schema, file.as_bytes());
            assert!(rejected.contains(part), "{part} is not in {rejected}");
        }
    }

    #[cfg(feature = "sql-mapping")]
    #[test]
    fn a_query_takes_the_place_of_columns() {
        let schema = r#"
            data = 'contacts'
            time_zone = 'Europe/Berlin'
            skip_rows_containing = ['Total']
            sql = """SELECT Queue || ' ' || Site AS queue, "Day" || ' ' || "Clock time" AS timestamp, 1 AS offered,
                Talk <> '' AS handled, CAST(Talk AS INTEGER) * 60 AS duration, 'calls' AS channel, 7 AS more FROM uploaded_file"""
        "#;
        let file = "Queue;Site;Day;Clock time;Talk\nSales;Bonn;2024-05-01;10:00:00;2\nTotal;;;;\nSales;Bonn;2024-05-01;10:01:00;\nSales;Bonn;yesterday;10:01:00;\nA;B;C;D;E;F\n";
        let good = "Sales Bonn (calls) 2024-05-01T08:00:00Z 1/1 Some(120s)\nSales Bonn (calls) 2024-05-01T08:01:00Z 0/1 Some(0s)\n";
        let rejected = "6  columns A;B;C;D;E;F\n3 timestamp date yesterday 10:01:00\n";
        assert_eq!(outcome(schema, file.as_bytes()), (good.to_owned(), rejected.to_owned(), 1));
        let spying = format!("{HEAD}sql = 'SELECT name AS queue FROM sqlite_master'\n");
        let (_, error, _) = outcome(&spying, file.as_bytes());
        assert!(error.starts_with("error: ") && error.contains("uploaded_file"), "{error}");
    }

    /// A field as exports write it, now and then spoilt.
    fn field(of: &'static str) -> impl Strategy<Value = String> {
        let plain = match of {
            "name" => "(Sales|Support|Büro 7|A|Queue number twelve)",
            "date" => "((0[1-9]|[12][0-9]|3[01])/(03|10)/2024|2024-(03|10)-(31|27|30|05))",
            "time" => "(0[0-4]|1[0-9]|2[0-4]):[0-5][0-9]:[0-5][0-9]",
            "stamp" => "2024-(03-31|10-27)[ T]0[0-4]:[0-5][0-9]:[0-5][0-9]",
            "end" => "(2024-(03-31|10-27)[ T]0[3-9]:[0-5][0-9]:[0-5][0-9]|)",
            "count" => "([01]|[01]|[01]|[YN]|0\\.5|10)",
            "duration" => "([0-9]{1,4}|[0-9]{1,9}|0?[0-9]:[0-5][0-9]:[0-5][0-9]|[0-9]{2}:00:00|)",
            "channel" => "(calls|chats|emails)",
            _ => "[a-z 0-9]{0,12}",
        };
        let spoilt = "[0-9a-zü;,:/\\\\. \"'\0\r-]{0,9}";
        prop_oneof![
            12 => plain.prop_map(|text: String| text),
            3 => plain.prop_map(|text: String| format!("\"{text}\"")),
            1 => plain.prop_map(|text: String| format!(" {text} ")),
            1 => spoilt.prop_map(|text: String| text),
            1 => Just("\"Sales \"\"all\"\"; day\"".to_owned()),
        ]
    }

    fn rows(of: &'static [&'static str]) -> impl Strategy<Value = Vec<Vec<String>>> {
        let row = of.iter().map(|of| field(of).boxed()).collect::<Vec<_>>();
        prop::collection::vec(row, 1..40)
    }

    const CONTACTS: [&str; 7] = ["name", "date", "time", "count", "count", "duration", "channel"];
    const STATUSES: [&str; 4] = ["name", "name", "stamp", "end"];

    /// Columns in some order, with others between them.
    fn file(mut rows: Vec<Vec<String>>, head: &[&str], order: &[usize], how: &str) -> String {
        let (separator, end) = how.split_at(1);
        let mut text = String::new();
        let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
        rows.insert(0, head);
        for (index, row) in rows.iter().enumerate() {
            for (place, column) in order.iter().enumerate() {
                if place > 0 {
                    text.push_str(separator);
                }
                match row.get(*column) {
                    Some(field) => text.push_str(field),
                    None if index == 0 => text.push_str(&format!("x{column}")),
                    None => text.push_str(["", "\"a;b,c\"", "free text", "\"open"][(index * 7 + column) % 29 % 4]),
                }
            }
            if index % 11 == 10 {
                text.push_str(separator);
            }
            text.push_str(if index % 13 == 12 { "\n" } else { end });
        }
        text
    }

    proptest! {
        /// The plain way and the general way say the same of every row: facts, rejected rows, line numbers and skipped rows.
        #[test]
        fn both_ways_say_the_same_of_contacts(
            rows in rows(&CONTACTS),
            order in Just((0..9_usize).collect::<Vec<_>>()).prop_shuffle(),
            how in prop::sample::select(vec![";\n", ",\r\n", "|\r", "\t\n"]),
            settings in prop::sample::select(vec![
                "", "fold = 'in_order'\ngap = 'reject'\n", "fold = 'reject'\nskip_empty_rows = true\n", "encoding = 'windows-1252'\n",
                "skip_rows_containing = ['10', 'A']\n", "skip_first_rows = 0\nfold = 'later'\n",
            ]),
            dates in prop::sample::select(vec!["'DD/MM/YYYY'", "['DD/MM/YYYY', 'YYYY-MM-DD']", "['D/M/YYYY', 'iso8601']"]),
            times in prop::sample::select(vec!["'hh:mm:ss'", "'h:mm:ss'", "['hh:mm', 'hh:mm:ss']", "'iso8601'"]),
            durations in prop::sample::select(vec!["'Duration'", "{ column = 'Duration', format = ['h:mm:ss', 'seconds'] }",
                "{ column = 'Duration', format = 'milliseconds' }", "{ column = 'Duration', trim = true }"]),
            trim: bool,
            is_fixed: bool,
            drip in prop::sample::select(vec![50_usize, 10_000]),
        ) {
            let separator = if how.starts_with('\t') { "tab" } else { &how[..1] };
            let channel = if is_fixed { "{ value = 'chats' }" } else { "'Channel'" };
            let schema: Schema = format!(
                "{HEAD}separator = '{separator}'\n{settings}[columns]\nqueue = {{ column = 'Queue', trim = {trim} }}
                date = {{ column = 'Date', format = {dates} }}\ntime = {{ column = 'Time', format = {times} }}
                offered = 'Offered'\nhandled = 'Handled'\nduration = {durations}\nchannel = {channel}\n",
            )
            .parse()
            .unwrap();
            let head = ["Queue", "Date", "Time", "Offered", "Handled", "Duration", "Channel"];
            let text = file(rows, &head, &order, how);
            let plain = outcome_by(&schema, text.as_bytes(), Way::Plain);
            prop_assert_eq!(&plain, &outcome_by(&schema, text.as_bytes(), Way::General));
            // Cut off anywhere, the rest still says the same.
            let cut = &text.as_bytes()[..text.len() - text.len().min(drip % 97)];
            prop_assert_eq!(outcome_by(&schema, cut, Way::Plain), outcome_by(&schema, cut, Way::General));
            let whole = by_threads(&schema, text.as_bytes(), 1);
            prop_assert_eq!(by_threads(&schema, text.as_bytes(), 2 + drip % 7), whole);
        }

        #[test]
        fn both_ways_say_the_same_of_statuses(
            rows in rows(&STATUSES),
            order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
            how in prop::sample::select(vec![";\n", ",\r\n", ":\n"]),
            fold in prop::sample::select(vec!["auto", "earlier", "later", "in_order", "reject"]),
            format in prop::sample::select(vec!["'iso8601'", "'YYYY-MM-DD hh:mm:ss'", "['YYYY-MM-DD hh:mm:ss', 'YYYY-MM-DDThh:mm:ss']"]),
            lasts: bool,
        ) {
            let end = if lasts { "duration = 'End'".to_owned() } else { format!("end_timestamp = {{ column = 'End', format = {format} }}") };
            let schema: Schema = format!(
                "data = 'agent-status'\ntime_zone = 'Europe/Berlin'\nseparator = '{}'\nfold = '{fold}'\n[columns]\nagent = 'Agent'
                activity = 'Activity'\nstart_timestamp = {{ column = 'Start', format = {format} }}\n{end}\n",
                &how[..1],
            )
            .parse()
            .unwrap();
            let text = file(rows, &["Agent", "Activity", "Start", "End"], &order, how);
            let plain = outcome_by(&schema, text.as_bytes(), Way::Plain);
            prop_assert_eq!(plain, outcome_by(&schema, text.as_bytes(), Way::General));
            let whole = by_threads(&schema, text.as_bytes(), 1);
            prop_assert_eq!(by_threads(&schema, text.as_bytes(), 2 + text.len() % 5), whole);
        }
    }
}
