//! What the fuzz targets call; compiled for them alone.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Read;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context as Task, Poll, Waker};

use injixo_core::connector::{Context, RowSink, RowWriter};
use injixo_core::model::{ContactBatch, IntervalBatch, Millis, RejectedRow, StatusBatch};

use crate::datetime::{Format, Formats, LastSeen, Moment, Role};
use crate::encoding::Encoding;
use crate::schema::Schema;
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

/// Reads `file` by one of some schemas, whole and in small pieces.
///
/// # Panics
///
/// If the size of the pieces makes a difference, which is what the fuzzer looks for.
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
    let [whole, pieces] = [file.len().max(1), 7].map(|piece| {
        let mut seen = Seen::default();
        let mut out = RowWriter::new(&Context::default(), &mut seen);
        let read = crate::reader::read(&schema, "fuzz.csv", Pieces(file, piece), file.len() as u64, &mut out);
        let error = finished(read).err().map(|error| error.to_string());
        out.finish().expect("the sink takes everything");
        (error, seen.rejected)
    });
    assert_eq!(whole, pieces);
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
    rejected: Vec<RejectedRow>,
}

impl RowSink for Seen {
    fn contacts(&mut self, _: &ContactBatch) -> injixo_core::Result<()> {
        Ok(())
    }

    fn interval_rows(&mut self, _: &IntervalBatch) -> injixo_core::Result<()> {
        Ok(())
    }

    fn statuses(&mut self, _: &StatusBatch) -> injixo_core::Result<()> {
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
