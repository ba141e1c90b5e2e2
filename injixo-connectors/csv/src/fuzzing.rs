//! What the fuzz targets call; compiled for them alone.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Cursor, Read};
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context as Task, Poll, Waker};

use injixo_core::connector::{Context, RowSink, RowWriter};
use injixo_core::model::{
    ContactBatch, ContactRow, IntervalBatch, IntervalRow, Millis, RejectedRow, Span, StatusBatch,
};
use injixo_core::zone::FoldPolicy;

use crate::datetime::{Format, Formats, LastSeen, Moment, Role};
use crate::encoding::Encoding;
use crate::reader::Way;
use crate::schema::{Data, Schema};
use crate::value::{DurationFormat, MAX_DURATION};

/// Reads `value` as a date, a time, a timestamp and a duration in `format`.
///
/// # Panics
///
/// If something read lies outside its range, which is what the fuzzer looks for.
pub fn datetime(format: &str, value: &[u8]) {
    for (role, encoding) in
        [(Role::Date, Encoding::Utf8), (Role::Time, Encoding::Windows1252), (Role::Timestamp, Encoding::Iso8859_9)]
    {
        let Ok(compiled) = Format::compile(format, role, encoding) else { continue };
        let parsed = compiled.parse(value);
        let formats = Formats::compile([format], role, encoding);
        let mut last_seen = LastSeen::new(formats.expect("it has compiled before"));
        assert_eq!(last_seen.parse(value), parsed);
        assert_eq!(last_seen.parse(value), parsed);
        let Ok(parsed) = parsed else { continue };
        assert_eq!(parsed.date.is_some(), role != Role::Time);
        assert_eq!(parsed.time.is_some(), role != Role::Date);
        assert!(parsed.date.is_none_or(|date| (0..47_482).contains(&date)), "{parsed:?}");
        assert!(parsed.time.is_none_or(|time| time <= 86_400_000), "{parsed:?}");
        assert!(parsed.offset.is_none_or(|offset| offset.abs() <= 18 * 3_600), "{parsed:?}");
        match parsed.moment() {
            Ok(Moment::Local(millis)) => assert!((0..4_102_444_800_000).contains(&millis), "{parsed:?}"),
            Ok(Moment::Instant(instant)) => assert!(instant.is_supported(), "{parsed:?}"),
            Err(_) => {}
        }
    }
    for compiled in
        [Ok(DurationFormat::default()), DurationFormat::compile(format, Encoding::Utf8)].into_iter().flatten()
    {
        if let Ok(duration) = compiled.parse(value) {
            assert!((Millis::ZERO..=MAX_DURATION).contains(&duration), "{duration:?}");
        }
    }
}

const SCHEMAS: [&str; 4] = [
    "data = 'contacts'\n[columns]\nqueue = 'Q'\ntimestamp = 'T'\noffered = { value = 1 }\nhandled = 'H'\nduration = 'D'\nchannel = { value = 'calls' }\n",
    "data = 'contacts'\nadd_header_row = true\n[columns]\nqueue = { columns = ['A', 'B'] }\ndate = { column = 'C', format = ['DD/MM/YYYY', 'YYYY-MM-DD'] }\ntime = { column = 'D', format = 'hh:mm' }\noffered = 'E'\nhandled = 'F'\nduration = 'G'\nchannel = 'H'\n",
    "data = 'contacts'\nlayout = 'interval-based'\ninterval = 30\nskip_empty_rows = true\n[columns]\nqueue = 'Q'\ntimestamp = 'T'\noffered = 'O'\nhandled = 'H'\naht = 'D'\nchannel = { value = 'calls' }\n",
    "data = 'agent-status'\nskip_first_rows = 1\nskip_rows_containing = ['Total']\n[columns]\nagent = 'Q'\nactivity = { column = 'H', trim = true }\nstart_timestamp = 'T'\nend_timestamp = 'D'\n",
];

/// What files by these schemas begin with; `;` stands for the separator.
const HEADS: [&str; 4] = [
    "Q;T;H;D\nA;2024-10-27 02:59:59;1;60\n",
    "A;B;31/03/2024;02:30;1;1;60;calls\nA;B;2024-03-31;03:30;0;1;0:01:00;chats\n",
    "Q;T;O;H;D\nA;2024-03-31 02:30;5;4;60\n",
    "x\nQ;H;T;D\nA;Ready;2024-10-27T02:30:00;2024-10-27 02:15:00\n",
];

/// Reads `file` by one of some schemas, as it is and behind a head and rows that fit: whole, in small pieces, and every row in the general way.
///
/// # Panics
///
/// If the size of the pieces or the way makes a difference, which is what the fuzzer looks for.
pub fn reader(choice: u8, file: &[u8]) {
    let encoding = Encoding::ALL[usize::from(choice >> 2 & 3)];
    let separator = [";", ",", "|", "tab"][usize::from(choice >> 4 & 3)];
    let fold = ["auto", "earlier", "in_order", "reject"][usize::from(choice >> 6)];
    let head =
        format!("encoding = '{encoding}'\nseparator = '{separator}'\nfold = '{fold}'\ntime_zone = 'Europe/Berlin'\n");
    // A schema holds a zone, whose table takes longer to make than a file to read.
    static MADE: Mutex<BTreeMap<u8, Schema>> = Mutex::new(BTreeMap::new());
    let make = || format!("{head}{}", SCHEMAS[usize::from(choice & 3)]).parse().expect("the schemas are right");
    let schema = MADE.lock().expect("nobody panics with it").entry(choice).or_insert_with(make).clone();
    let sign = if separator == "tab" { "\t" } else { separator };
    let whole = [HEADS[usize::from(choice & 3)].replace(';', sign).as_bytes(), file].concat();
    [file, &whole].map(|file| same_in_all_ways(&schema, file));
}

fn same_in_all_ways(schema: &Schema, file: &[u8]) {
    let ways = [(file.len().max(1), Way::Plain), (7, Way::Plain), (file.len().max(1), Way::General)];
    let [whole, pieces, general] = ways.map(|(piece, way)| {
        let mut seen = Seen::default();
        let mut out = RowWriter::new(&Context::default(), &mut seen);
        let input = Pieces(file, piece);
        let read = crate::reader::read_by(schema, "fuzz.csv", input, file.len() as u64, way, &mut out);
        let error = finished(read).err().map(|error| error.to_string());
        let counts = out.finish().expect("the sink takes everything");
        (error, counts, seen.facts, seen.rejected)
    });
    assert_eq!(whole, pieces);
    assert_eq!(whole, general);
    let needs_order = schema.fold == FoldPolicy::InOrder || matches!(schema.data, Data::Intervals(_));
    if !needs_order && whole.0.is_none() {
        assert_eq!(in_two_parts(schema, file), (whole.2, whole.3));
    }
}

/// What two parts say of a file that is cut behind some end of a line.
fn in_two_parts(schema: &Schema, file: &[u8]) -> (Vec<String>, Vec<RejectedRow>) {
    let middle = file.len() / 2;
    let end = file[middle..].iter().position(|byte| *byte == b'\n').map_or(file.len(), |found| middle + found + 1);
    let mut whole = Seen::default();
    let (mut from, mut lines) = (0, 0);
    for to in [end as u64, u64::MAX] {
        let mut seen = Seen::default();
        let mut out = RowWriter::new(&Context::default(), &mut seen);
        let read =
            crate::reader::read_part(schema, "fuzz.csv", Cursor::new(file), file.len() as u64, from..to, &mut out);
        let end = finished(read).expect("what can be read whole can be read in parts");
        out.finish().expect("the sink takes everything");
        whole.facts.append(&mut seen.facts);
        whole.rejected.extend(seen.rejected.into_iter().map(|row| RejectedRow { line: row.line + lines, ..row }));
        (from, lines) = (end.next, lines + end.lines);
    }
    (whole.facts, whole.rejected)
}

struct Pieces<'f>(&'f [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

#[derive(Default)]
struct Seen {
    /// Everything that is told of each fact, in the order in which they came.
    facts: Vec<String>,
    rejected: Vec<RejectedRow>,
}

impl RowSink for Seen {
    fn contacts(&mut self, batch: &ContactBatch) -> injixo_core::Result<()> {
        let told = |(place, row): (usize, &ContactRow)| {
            format!("{} {:?}", batch.queues()[row.queue as usize], batch.contact(place))
        };
        self.facts.extend(batch.rows().iter().enumerate().map(told));
        Ok(())
    }

    fn interval_rows(&mut self, batch: &IntervalBatch) -> injixo_core::Result<()> {
        let told = |(queue, row): &(u32, IntervalRow)| format!("{} {row:?}", batch.queues()[*queue as usize]);
        self.facts.extend(batch.rows().iter().map(told));
        Ok(())
    }

    fn statuses(&mut self, batch: &StatusBatch) -> injixo_core::Result<()> {
        let told = |(agent, span): &(u32, Span)| {
            let (agent, status) = (&batch.agents()[*agent as usize], &batch.statuses()[span.status as usize]);
            format!("{agent} {status} {span:?}")
        };
        self.facts.extend(batch.rows().iter().map(told));
        Ok(())
    }

    fn rejected(&mut self, row: &RejectedRow) -> injixo_core::Result<()> {
        self.rejected.push(row.clone());
        Ok(())
    }
}

/// Runs a future that never really waits.
fn finished<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
            return value;
        }
    }
}
