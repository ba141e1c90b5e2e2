//! How fast a contact-based file becomes quarter hours, beside the bare loop of the csv crate over the same bytes, which
//! converts nothing; and how long the whole import into a synced SQLite store takes.
//!
//! Run with: `cargo bench -p injixo-benches`

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use injixo_connectors::core::{MemoryStore, Runtime, SqliteStore};
use injixo_connectors::csv::{Csv, Schema};

const ROWS: u64 = 100_000;

const SCHEMA: &str = "data = 'contacts'\ntime_zone = 'Europe/Berlin'\n[columns]\nqueue = 'Queue'
date = { column = 'Date', format = 'DD/MM/YYYY' }\ntime = { column = 'Time', format = 'hh:mm:ss' }
offered = 'Offered'\nhandled = 'Answered'\nduration = 'Duration'\nchannel = { value = 'calls' }\n";

/// Ninety days of fifty queues, in time order.
fn export() -> String {
    let mut text = String::from("Queue;Date;Time;Offered;Answered;Duration\n");
    for row in 0..ROWS {
        let second = row * 90 * 86_400 / ROWS;
        let (day, clock) = (second / 86_400, second % 86_400);
        let _ = writeln!(
            text,
            "Queue {:02};{:02}/{:02}/2024;{:02}:{:02}:{:02};1;{};{}",
            row * 7 % 50,
            day % 28 + 1,
            day / 28 + 1,
            clock / 3_600,
            clock / 60 % 60,
            clock % 60,
            u8::from(row % 9 > 0),
            row % 900
        );
    }
    text
}

fn csv_throughput(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = export();
    let file: PathBuf = folder.path().join("export.csv");
    std::fs::write(&file, &text).unwrap();
    let schema: Schema = SCHEMA.parse().unwrap();
    let mut group = criterion.benchmark_group("csv_throughput");
    group.throughput(Throughput::Elements(ROWS)).sample_size(20);
    group.bench_function("csv crate, nothing converted", |bencher| {
        bencher.iter(|| {
            let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes());
            let mut record = csv::ByteRecord::new();
            let mut fields = 0;
            while reader.read_byte_record(&mut record).unwrap() {
                fields += record.len();
            }
            black_box(fields)
        });
    });
    group.bench_function("file to quarter hours, in memory", |bencher| {
        bencher.iter(|| {
            tokio.block_on(async {
                let runtime = Runtime::new(MemoryStore::new());
                let calls = runtime.add("calls", Csv::new(schema.clone())).await.unwrap();
                calls.import_file(&file).await.unwrap();
                black_box(runtime.intervals("calls").await.unwrap().len())
            })
        });
    });
    let mut round = 0;
    group.bench_function("file to synced store", |bencher| {
        bencher.iter(|| {
            round += 1;
            let store = folder.path().join(format!("{round}.db"));
            tokio.block_on(async {
                let runtime = Runtime::new(SqliteStore::open(&store).await.unwrap());
                let calls = runtime.add("calls", Csv::new(schema.clone())).await.unwrap();
                black_box(calls.import_file(&file).await.unwrap().imported)
            })
        });
    });
}

criterion_group!(benches, csv_throughput);
criterion_main!(benches);
