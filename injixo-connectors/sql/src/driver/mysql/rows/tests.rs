use async_trait::async_trait;
use chrono::{NaiveDate, NaiveDateTime};
use injixo_core::model::Millis;
use proptest::prelude::*;

use super::*;
use crate::driver::mysql::definition;
use crate::driver::mysql::testing::{END, packet, saying};
use crate::driver::mysql::wire::push_lenenc;

/// The rows as texts.
#[derive(Default)]
struct Seen(Vec<String>);

#[async_trait]
impl Rows for Seen {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.0.push(format!("{cells:?}"));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

const UNSIGNED: u16 = 32;

/// Kinds, and the types in which they come: two bytes say which are NULL.
const COLUMNS: [(Kind, u8, u16); 10] = [
    (Kind::Int, 0x03, 0),
    (Kind::Text, 0xFD, 0),
    (Kind::Local, 0x0C, 0),
    (Kind::Int, 0x08, UNSIGNED),
    (Kind::Instant, 0x07, 0),
    (Kind::Int, 0x01, 0),
    (Kind::Decimal, 0xFD, 0),
    (Kind::Float, 0x05, 0),
    (Kind::Length, 0xFD, 0),
    (Kind::Int, 0x02, UNSIGNED),
];

fn fields(columns: &[(Kind, u8, u16)]) -> Fields {
    let definition =
        |(_, code, flags): &(Kind, u8, u16)| Definition::of(&definition::packet("c", *code, 0, *flags)).unwrap();
    let definitions: Vec<Definition> = columns.iter().map(definition).collect();
    Fields::of(columns.iter().map(|column| column.0), &definitions).unwrap()
}

#[derive(Debug, Clone)]
struct Row {
    int: Option<i32>,
    text: Option<String>,
    local: Option<NaiveDateTime>,
    large: u64,
    instant: Option<NaiveDateTime>,
    tiny: Option<i8>,
    decimal: Option<(i64, u8)>,
    float: f64,
    length: Option<u32>,
    short: Option<u16>,
}

fn times() -> impl Strategy<Value = NaiveDateTime> {
    // Whole days, whole seconds, and millionths.
    let unit = prop::sample::select(vec![86_400_000_000_i64, 1_000_000, 1]);
    (-60_000_000_000_000_000..250_000_000_000_000_000_i64, unit).prop_map(|(micros, unit)| {
        chrono::DateTime::from_timestamp_micros(micros.div_euclid(unit) * unit).unwrap().naive_utc()
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = prop::option::of(prop_oneof!["[a-zß€🙂]{0,12}", "[a-zß€🙂]{240,300}"]);
    let first = (any::<Option<i32>>(), text, prop::option::of(times()), any::<u64>(), prop::option::of(times()));
    let decimal = prop::option::of((any::<i64>(), 0..4_u8));
    let second = (any::<Option<i8>>(), decimal, -1e9..1e9, any::<Option<u32>>(), any::<Option<u16>>());
    let row =
        (first, second).prop_map(|((int, text, local, large, instant), (tiny, decimal, float, length, short))| {
            let length = length.map(|length| length % 3_020_400);
            Row { int, text, local, large, instant, tiny, decimal, float, length, short }
        });
    prop::collection::vec(row, 0..9)
}

/// What such rows look like, said in another way.
fn expected(rows: &[Row]) -> Vec<String> {
    let int = |value: Option<i64>| value.map_or(Cell::Null, Cell::Int);
    let cells = |row: &Row| {
        let large = i64::try_from(row.large).map_or(Cell::Odd("a number that is too large"), Cell::Int);
        let decimal = row.decimal.map(|(value, places)| {
            let scaled = i128::from(value) * 10_i128.pow(6 - u32::from(places));
            match (i64::try_from(scaled / 1_000_000), i64::try_from(scaled)) {
                (Ok(whole), _) if scaled % 1_000_000 == 0 => Cell::Int(whole),
                (_, Ok(micros)) if scaled % 1_000_000 != 0 => Cell::Micros(micros),
                _ => Cell::Odd("a number that is too large"),
            }
        });
        let instant = row.instant.map(|at| Timestamp::from_millis(at.and_utc().timestamp_millis()));
        [
            int(row.int.map(i64::from)),
            row.text.as_ref().map_or(Cell::Null, |text| Cell::Text(text)),
            row.local.map_or(Cell::Null, |at| Cell::Local(LocalTime::from(at))),
            large,
            instant.map_or(Cell::Null, Cell::Instant),
            int(row.tiny.map(i64::from)),
            decimal.unwrap_or(Cell::Null),
            Cell::Float(row.float),
            row.length.map_or(Cell::Null, |secs| Cell::Length(Millis::new(i64::from(secs) * 1_000))),
            int(row.short.map(i64::from)),
        ]
        .map(|cell| format!("{cell:?}"))
        .join(", ")
    };
    rows.iter().map(|row| format!("[{}]", cells(row))).collect()
}

/// A time as short as it can be written.
fn time(at: NaiveDateTime) -> Vec<u8> {
    use chrono::{Datelike, Timelike};
    let byte = |number: u32| u8::try_from(number).unwrap();
    let mut bytes = u16::try_from(at.year()).unwrap().to_le_bytes().to_vec();
    bytes.extend([byte(at.month()), byte(at.day())]);
    let micros = at.nanosecond() / 1_000;
    if at.num_seconds_from_midnight() > 0 || micros > 0 {
        bytes.extend([byte(at.hour()), byte(at.minute()), byte(at.second())]);
    }
    if micros > 0 {
        bytes.extend(micros.to_le_bytes());
    }
    [vec![byte(u32::try_from(bytes.len()).unwrap())], bytes].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_lenenc(text.len(), &mut bytes);
    bytes.extend(text.as_bytes());
    bytes
}

fn decimal_text((value, places): (i64, u8)) -> String {
    let power = 10_u64.pow(places.into());
    let (whole, rest) = (value.unsigned_abs() / power, value.unsigned_abs() % power);
    let sign = if value < 0 { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:0width$}", width = places.into()) }
}

/// A packet of these values.
fn body(values: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut nulls = vec![0; (values.len() + 2).div_ceil(8)];
    for (at, value) in values.iter().enumerate() {
        nulls[(at + 2) / 8] |= u8::from(value.is_none()) << ((at + 2) % 8);
    }
    [vec![0], nulls, values.iter().flatten().flatten().copied().collect()].concat()
}

fn sent(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        let length = row.length.map(|secs| format!("{:02}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60));
        let values = [
            row.int.map(|value| value.to_le_bytes().to_vec()),
            row.text.as_deref().map(text),
            row.local.map(time),
            Some(row.large.to_le_bytes().to_vec()),
            row.instant.map(time),
            row.tiny.map(|value| value.to_le_bytes().to_vec()),
            row.decimal.map(|decimal| text(&decimal_text(decimal))),
            Some(row.float.to_le_bytes().to_vec()),
            length.as_deref().map(text),
            row.short.map(|value| value.to_le_bytes().to_vec()),
        ];
        out.extend(packet(9, &body(&values)));
    }
    out.extend(packet(9, END));
    out
}

fn spoil(bytes: &mut [u8], spoilt: Vec<(prop::sample::Index, u8)>) {
    for (at, byte) in spoilt {
        bytes[at.index(bytes.len())] = byte;
    }
}

/// Reads all rows as a session does.
async fn read(fields: &Fields, sent: Vec<u8>, at_once: usize) -> std::result::Result<(Seen, usize), String> {
    let mut wire = saying(sent, at_once).await;
    let mut seen = Seen::default();
    loop {
        let taken = fields.take(wire.block(), &mut seen).map_err(|error| error.to_string())?;
        wire.take(taken.length);
        if let Some(end) = taken.end {
            return end.map(|()| (seen, wire.stream.held())).map_err(|refusal| refusal.message);
        }
        if wire.is_long_row() {
            let row = fields.long_row(&mut wire).await.map_err(|failure| format!("{failure:?}"))?;
            fields.take_long(&row, &mut seen).map_err(|error| error.to_string())?;
        } else {
            wire.fill().await.map_err(|failure| format!("{failure:?}"))?;
        }
    }
}

proptest! {
    #[test]
    fn rows_come_whole_however_they_are_cut(rows in rows(), blocks in prop::collection::vec(1..90_usize, 1..8)) {
        let sent = sent(&rows);
        let fields = fields(&COLUMNS);
        let (mut seen, mut held, mut count, mut is_last) = (Seen::default(), Vec::new(), 0, false);
        let mut rest = sent.as_slice();
        for length in blocks.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            prop_assert!(!is_last);
            let (block, behind) = rest.split_at((*length).min(rest.len()));
            rest = behind;
            held.extend_from_slice(block);
            let taken = fields.take(&held, &mut seen).unwrap();
            held.drain(..taken.length);
            count += taken.rows;
            is_last = taken.end.is_some_and(|end| end.is_ok());
        }
        prop_assert!(is_last && held.is_empty());
        prop_assert_eq!(count, rows.len());
        prop_assert_eq!(seen.0, expected(&rows));
    }

    #[test]
    fn data_that_ends_early_is_no_end(rows in rows(), end in any::<prop::sample::Index>()) {
        let sent = sent(&rows);
        let taken = fields(&COLUMNS).take(&sent[..end.index(sent.len())], &mut Seen::default());
        prop_assert!(taken.unwrap().end.is_none());
    }

    #[test]
    fn no_bytes_are_a_reason_to_panic(
        rows in rows(),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
    ) {
        let mut sent = sent(&rows);
        spoil(&mut sent, spoilt);
        let _ = fields(&COLUMNS).take(&sent, &mut Seen::default());
    }

    #[test]
    fn a_row_that_is_too_short_or_too_long_is_garbled(rows in rows(), cut in 1..9_usize) {
        let fields = fields(&COLUMNS);
        for row in &rows {
            let whole = sent(std::slice::from_ref(row));
            let (row, _) = first_packet(&whole).unwrap();
            for wrong in [&row[..row.len() - cut], &[row, &[0]].concat()] {
                prop_assert!(fields.take(&packet(0, wrong), &mut Seen::default()).is_err());
            }
        }
    }

    #[test]
    fn times_are_those_of_the_calendar(
        (year, month, day) in (0..=u16::MAX, 0..15_u8, 0..34_u8),
        (hour, minute, second) in (0..26_u8, 0..62_u8, 0..62_u8),
        micros in prop::option::of(0..1_100_000_u32),
    ) {
        let mut value = [&year.to_le_bytes()[..], &[month, day, hour, minute, second]].concat();
        value.extend(micros.iter().flat_map(|micros| micros.to_le_bytes()));
        let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
        let (hour, minute, second) = (hour.into(), minute.into(), second.into());
        let micros = micros.unwrap_or(0);
        // The calendar has seconds that are longer.
        let time = date.filter(|_| micros < 1_000_000).and_then(|date| date.and_hms_micro_opt(hour, minute, second, micros));
        let is_zero = (year, month, day) == (0, 0, 0);
        let expected = if is_zero { Some(None) } else { time.map(|time| Some(LocalTime::from(time).millis())) };
        prop_assert_eq!(millis(&value), expected);
    }
}

#[test]
fn times_of_every_length() {
    let text = |bytes: &[u8]| millis(bytes).map(|at| at.map(|at| LocalTime::from_millis(at).to_string()));
    let some = |text: &str| Some(Some(text.to_owned()));
    assert_eq!(text(&[0xE8, 7, 2, 29]), some("2024-02-29T00:00:00"));
    assert_eq!(text(&[0xE8, 7, 3, 31, 2, 30, 59]), some("2024-03-31T02:30:59"));
    assert_eq!(text(&[0xE8, 7, 3, 31, 2, 30, 59, 0x40, 0xE2, 1, 0]), some("2024-03-31T02:30:59.123"));
    assert_eq!((text(&[]), text(&[0, 0, 0, 0])), (Some(None), Some(None)));
    for odd in [&[0xE8, 7, 0, 1][..], &[0xE8, 7, 2, 30], &[0xE8, 7, 3, 31, 24, 0, 0], &[0xE8], &[0xE8, 7, 1, 1, 1]] {
        assert_eq!(text(odd), None, "{odd:?}");
    }
}

/// The first value, and what stands behind it.
fn first(field: Field, bytes: &[u8]) -> Option<(Cell<'_>, &[u8])> {
    let mut cell = Cell::Null;
    let rest = field.take(bytes, &mut cell)?;
    Some((cell, rest))
}

#[test]
fn whole_numbers_of_every_width() {
    for (code, bytes, with_sign, without) in [
        (0x01, &[0xFF][..], -1, 255),
        (0x02, &[0x00, 0x80], -32_768, 32_768),
        (0x0D, &[0xE8, 0x07], 2_024, 2_024),
        (0x03, &[0xFE, 0xFF, 0xFF, 0xFF], -2, 4_294_967_294),
        (0x09, &[0xFE, 0xFF, 0xFF, 0xFF], -2, 4_294_967_294),
        (0x08, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], i64::MAX, i64::MAX),
    ] {
        for (flags, value) in [(0, with_sign), (UNSIGNED, without)] {
            let field = fields(&[(Kind::Int, code, flags)]).fields[0];
            assert_eq!(first(field, bytes), Some((Cell::Int(value), &[][..])));
            assert_eq!(first(field, &bytes[1..]), None);
            assert_eq!(field.layout(), Layout::of(code).unwrap());
        }
    }
    assert_eq!(first(Field::U64, &[0xFF; 8]).unwrap().0, Cell::Odd("a number that is too large"));
}

#[test]
fn what_is_not_of_its_kind_is_told_and_passed_over() {
    for (kind, code, bytes) in [
        (Kind::Local, 0x03, &[1, 2, 3, 4][..]),
        (Kind::Text, 0x0C, &[2, 9, 9]),
        (Kind::Int, 0xFD, &[2, 9, 9]),
        (Kind::Int, 0x06, &[]),
        (Kind::Text, 0xFD, &[2, 0xC3, 0x28]),
        (Kind::Decimal, 0xFD, &[1, b'x']),
        (Kind::Length, 0xFD, &[1, b'x']),
    ] {
        let field = fields(&[(kind, code, 0)]).fields[0];
        assert_eq!(first(field, &[bytes, &[7]].concat()), Some((ODD, &[7][..])), "{kind:?} {code}");
    }
    assert!(Fields::of([Kind::Other].into_iter(), &[]).is_none());
    let unknown = Definition::of(&definition::packet("c", 0xF2, 0, 0)).unwrap();
    assert!(Fields::of([Kind::Other].into_iter(), &[unknown]).is_none());
}

#[test]
fn what_a_server_refuses_in_the_middle_is_told() {
    let late = packet(3, b"\xFF\xB1\x07#70100too slow");
    let taken = fields(&[]).take(&late, &mut Seen::default()).unwrap();
    let refusal = taken.end.unwrap().unwrap_err();
    assert_eq!((refusal.number, refusal.message.as_str()), (1969, "too slow"));
    for wrong in [&[0xFE][..], &[0xFE, 0, 0, 10, 0], &[0xFB], &[], &[1, 0]] {
        assert!(fields(&[]).take(&packet(3, wrong), &mut Seen::default()).is_err(), "{wrong:?}");
    }
}

const LONG: [(Kind, u8, u16); 5] =
    [(Kind::Int, 0x03, 0), (Kind::Text, 0xFB, 0), (Kind::Text, 0xFB, 0), (Kind::Local, 0x0C, 0), (Kind::Int, 0x03, 0)];

fn long(value: &str) -> Vec<u8> {
    let at = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap().and_hms_opt(1, 2, 3).unwrap();
    body(&[Some(vec![7, 0, 0, 0]), Some(text(value)), Some(text("")), Some(time(at)), None])
}

#[tokio::test]
async fn of_a_long_row_the_begin_of_each_value_is_kept() {
    // The last of them end where a packet can be no longer: an empty one follows.
    let most = 0xFF_FFFF - (long("").len() + 8);
    for (length, at_once) in
        [(200_000, 1_000), (300_000, 70_000), (most, 1 << 20), (most + 1, 1 << 20), (40_000_000, 1 << 20)]
    {
        for value in ["x".repeat(length), "€".repeat(length / 3)] {
            let sent = [packet(3, &long("short")), packet(4, &long(&value)), packet(7, &long("short")), packet(8, END)];
            let (seen, held) = read(&fields(&LONG), sent.concat(), at_once).await.unwrap();
            let row = |text: &str| format!("[Int(7), Text({text:?}), Text(\"\"), Local(2024-02-29T01:02:03), Null]");
            assert_eq!(seen.0, [row("short"), row(cut(&value)), row("short")]);
            assert!(held <= 4 * crate::driver::stream::BLOCK, "the row is not held: {held}");
        }
    }
}

#[tokio::test]
async fn a_long_row_whose_lengths_do_not_fit_is_garbled() {
    let whole = long(&"x".repeat(200_000));
    let mut longer = whole.clone();
    // The length of the value.
    longer[6..10].copy_from_slice(&[0xFE, 0xFF, 0xFF, 0xFF]);
    let mut no_length = whole.clone();
    no_length[6] = 0xFB;
    let mut no_row = whole.clone();
    no_row[0] = 1;
    for wrong in [longer, no_length, no_row, [&whole[..], &[0]].concat(), whole[..whole.len() - 1].to_vec()] {
        let failed = read(&fields(&LONG), [packet(3, &wrong), packet(4, END)].concat(), 1 << 20).await;
        assert!(failed.err().is_some_and(|failed| failed.contains("Garbled")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_long_row_is_a_reason_to_panic(spoilt in prop::collection::vec((0..30_usize, any::<u8>()), 1..6)) {
        let mut sent = packet(3, &long(&"€".repeat(50_000)));
        for (at, byte) in spoilt {
            sent[at] = byte;
        }
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        threads.block_on(async {
            let _ = read(&fields(&LONG), sent, 1 << 20).await;
        });
    }
}
