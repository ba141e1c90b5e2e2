//! Memory and allocations do not grow with the number of rows.

use std::alloc::System;
use std::fmt::Write as _;

use injixo_connectors::core::aggregate::Aggregator;
use injixo_connectors::core::connector::{Connector, Context, RowSink, RowWriter};
use injixo_connectors::core::model::{ContactBatch, IntervalBatch, IntervalLength, RejectedRow, StatusBatch};
use injixo_connectors::core::zone::Zone;
use injixo_connectors::core::{Error, ErrorKind, Result};
use injixo_tests::{CONTACTS, csv, file, utc};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

struct Sums(Aggregator);

impl RowSink for Sums {
    fn contacts(&mut self, batch: &ContactBatch) -> Result<()> {
        self.0.add_contacts(batch);
        Ok(())
    }

    fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
        self.0.add_interval_rows(batch)
    }

    fn statuses(&mut self, _: &StatusBatch) -> Result<()> {
        Ok(())
    }

    fn rejected(&mut self, row: &RejectedRow) -> Result<()> {
        Err(Error::new(ErrorKind::Unexpected, row.to_string()))
    }
}

/// Allocations while so many rows are read and added up to the same few intervals.
async fn allocations(rows: i64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("Queue;When;Handled;Duration\n");
    for row in 0..rows {
        let _ = writeln!(text, "Queue {};{};1;{}", row % 50, utc(1_711_700_000 + row * 86_400 / rows), row % 700);
    }
    let path = file(folder.path(), "rows.csv", &text);
    let source = csv(CONTACTS).deliveries().unwrap();
    let delivery = source.file(&path).await.unwrap();
    let cx = Context::default();
    let mut sums = Sums(Aggregator::new(IntervalLength::MINUTES_15, &Zone::utc()));
    let region = Region::new(ALLOCATOR);
    let mut out = RowWriter::new(&cx, &mut sums);
    source.read(&cx, &delivery, &mut out).await.unwrap();
    out.finish().unwrap();
    let change = region.change();
    assert!(!sums.0.finish().is_empty());
    change.allocations + change.reallocations
}

#[tokio::test]
async fn rows_allocate_nothing() {
    let few = allocations(50_000).await;
    let many = allocations(400_000).await;
    println!("{few} allocations for 50,000 rows, {many} for 400,000");
    assert!(many < few + 350, "{few} allocations for 50,000 rows, {many} for 400,000");
}
