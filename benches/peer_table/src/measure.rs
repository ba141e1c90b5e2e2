//! Time, memory and processors of this process and of others.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// What a task took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    /// Seconds on the wall.
    pub(crate) wall: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// The most memory that the process had, in MiB.
    pub(crate) peak: f64,
    /// The memory that it had before the task.
    pub(crate) base: f64,
}

impl Took {
    pub(crate) fn to_json(self, check: &Value) -> Value {
        let bytes = |mib: f64| mib * 1_048_576.0;
        json!({ "wall": self.wall, "cpu": self.cpu, "rss": bytes(self.peak), "base": bytes(self.base), "check": check })
    }

    pub(crate) fn of_json(value: &Value) -> Option<Self> {
        let number = |key: &str| value.get(key)?.as_f64();
        let mib = |key: &str| number(key).map(|bytes| bytes / 1_048_576.0);
        Some(Self { wall: number("wall")?, cpu: number("cpu")?, peak: mib("rss")?, base: mib("base")? })
    }
}

/// Keeps this process, and those that it starts, on the first processors that it may use, one for each thread.
pub(crate) fn pin(threads: usize) {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else { return };
    let mut wanted = CpuSet::new();
    let first = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).take(threads);
    first.for_each(|cpu| _ = wanted.set(cpu));
    // Elsewhere than on Linux there is nothing to be done; the figures are noisier then.
    let _ = sched_setaffinity(Pid::from_raw(0), &wanted);
}

fn seconds(usage: &nix::sys::resource::Usage) -> f64 {
    let of = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec().unsigned_abs(), u32::try_from(time.tv_usec()).unwrap_or(0) * 1_000)
    };
    (of(usage.user_time()) + of(usage.system_time())).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
fn mebibytes(usage: &nix::sys::resource::Usage) -> f64 {
    usage.max_rss() as f64 / 1_024.0
}

/// Times `task` alone, of all threads of this process or of the processes that it waited for.
pub(crate) fn time<T>(who: UsageWho, task: impl FnOnce() -> T) -> (Took, T) {
    let usage = || getrusage(who).unwrap_or_else(|error| panic!("no figures of processes: {error}"));
    let (before, start) = (usage(), Instant::now());
    let result = task();
    let (wall, after) = (start.elapsed().as_secs_f64(), usage());
    let cpu = seconds(&after) - seconds(&before);
    (Took { wall, cpu, peak: mebibytes(&after), base: mebibytes(&before) }, result)
}
