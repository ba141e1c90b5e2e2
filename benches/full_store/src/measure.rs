//! Processor time of this process.

use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Keeps this process on one processor, where its threads hand over to each other in a way that can be measured.
pub(crate) fn pin() {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else { return };
    let mut wanted = CpuSet::new();
    let last = (0..CpuSet::count()).rev().find(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    last.into_iter().for_each(|cpu| _ = wanted.set(cpu));
    // Elsewhere than on Linux there is nothing to be done; the figures are noisier then.
    let _ = sched_setaffinity(Pid::from_raw(0), &wanted);
}

/// Processor time of all threads since the process began, in milliseconds.
pub(crate) fn cpu() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(std::time::Duration::from);
    now.unwrap_or_else(|error| panic!("no processor time: {error}")).as_secs_f64() * 1e3
}

/// The processor time of a task in milliseconds, and what it gave.
pub(crate) async fn of<T>(task: impl IntoFuture<Output = T>) -> (f64, T) {
    let before = cpu();
    let result = task.await;
    (cpu() - before, result)
}

/// Processor and wall time of a long task in seconds.
pub(crate) async fn long<T>(task: impl Future<Output = T>) -> (f64, f64, T) {
    let (before, start) = (cpu(), Instant::now());
    let result = task.await;
    ((cpu() - before) / 1e3, start.elapsed().as_secs_f64(), result)
}

pub(crate) fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
