//! What integrations cost that do nothing: memory each, and the time of one tick in which all of them are due.
//!
//! Run with: `cargo bench -p injixo-benches --bench runtime_overhead`. Neither figure may grow faster than their number.

use std::alloc::System;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use injixo_connectors::core::connector::{
    CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, Outcome,
};
use injixo_connectors::core::model::{Millis, Timestamp, Window};
use injixo_connectors::core::{Clock, LookBack, MemoryStore, Policy, Result, Runtime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A system in which nothing happens.
#[derive(Debug, Clone)]
struct Idle;

#[async_trait]
impl Connector for Idle {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("idle", "Idle")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(Self))
    }
}

#[async_trait]
impl ContactSource for Idle {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, _: Window, _: &mut ContactWriter<'_>) -> Result<Outcome> {
        Ok(Outcome::complete())
    }
}

/// Time that passes as soon as nobody has anything to do.
#[derive(Debug, Clone, Copy)]
struct PausedClock {
    begun: tokio::time::Instant,
}

const BASE: i64 = 1_716_796_800_000;

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BASE + i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, at: Timestamp) {
        let after = u64::try_from(at.millis() - BASE).unwrap_or(0).min(366 * 86_400_000);
        tokio::time::sleep_until(self.begun + std::time::Duration::from_millis(after)).await;
    }
}

async fn measure(number: i64) -> Result<(i64, i64)> {
    let clock = PausedClock { begun: tokio::time::Instant::now() };
    let region = Region::new(ALLOCATOR);
    let runtime = Runtime::new(MemoryStore::new()).clock(clock).lease(Millis::from_mins(10));
    let policy = Policy::new().back_fill(Millis::ZERO);
    let policy = policy.look_back([LookBack::new(Millis::from_mins(15), Millis::from_mins(15))]);
    for index in 0..number {
        runtime.add_with(&format!("integration {index}"), Idle, policy.clone()).await?;
    }
    let service = runtime.start();
    let minutes = |minutes: i64| Timestamp::from_millis(BASE).after(Millis::from_mins(minutes));
    clock.sleep_until(minutes(10)).await;
    let change = region.change();
    let memory =
        i64::try_from(change.bytes_allocated).unwrap_or(0) - i64::try_from(change.bytes_deallocated).unwrap_or(0);
    let begun = Instant::now();
    let ticks = 4;
    clock.sleep_until(minutes(10 + 15 * ticks)).await;
    let tick = i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX) / ticks;
    service.shutdown().await;
    Ok((memory / number, tick / number))
}

fn main() -> Result<()> {
    println!("integrations | bytes each, idle | microseconds each in a tick");
    for number in [100, 1_000, 10_000] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let Ok(runtime) = runtime else { continue };
        let (memory, tick) = runtime.block_on(measure(number))?;
        println!("{number:>12} | {memory:>16} | {:>10.1}", tick as f64 / 1_000.0);
    }
    Ok(())
}
