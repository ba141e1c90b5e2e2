//! A delivery read without a store, by one thread or several.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use injixo_model::{ContactBatch, IntervalBatch, RejectedRow, StatusBatch};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::{Rejections, wrong_kind};
use crate::connector::{Context, Counts, Delivery, DeliverySource, PartEnd, Progress, RowSink, RowWriter};
use crate::error::{Error, ErrorKind, Result};

/// What rows come to.
pub(super) trait Collect: Send + 'static {
    /// What they came to.
    type Done: Send + 'static;

    fn contacts(&mut self, _batch: &ContactBatch) -> Result<()> {
        Err(wrong_kind())
    }

    fn interval_rows(&mut self, _batch: &IntervalBatch) -> Result<()> {
        Err(wrong_kind())
    }

    fn statuses(&mut self, _batch: &StatusBatch) -> Result<()> {
        Err(wrong_kind())
    }

    fn finish(self) -> Self::Done;

    /// The sum of both, `later` read after `done`.
    fn plus(done: Self::Done, later: Self::Done) -> Result<Self::Done>;
}

/// Collects rows, and shows or keeps what is rejected.
pub(super) struct Sink<'r, 'w, C> {
    pub(super) collected: C,
    rejected: Rejected<'r, 'w>,
}

enum Rejected<'r, 'w> {
    /// Shown at once, so many lines further down.
    Shown(&'r mut Rejections<'w>, u64),
    /// Kept, since it is not known yet how many lines come before; nothing more is taken once it says stop.
    Kept(Vec<RejectedRow>, Arc<AtomicBool>),
}

/// A part keeps so many rejected rows; one with more is read again when its turn has come.
const MOST_KEPT: usize = 10_000;

impl<'r, 'w, C> Sink<'r, 'w, C> {
    /// Shows rejected rows as they come.
    pub(super) fn shown(collected: C, rejections: &'r mut Rejections<'w>) -> Self {
        Self { collected, rejected: Rejected::Shown(rejections, 0) }
    }

    /// An error once nobody waits for the part any more.
    fn is_wanted(&self) -> Result<()> {
        match &self.rejected {
            Rejected::Kept(_, stop) if stop.load(Ordering::Relaxed) => Err(given_up()),
            _ => Ok(()),
        }
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::Unavailable, "the part is read otherwise")
}

impl Rejected<'_, '_> {
    fn take(&mut self, row: &RejectedRow) -> Result<()> {
        match self {
            Self::Shown(rejections, 0) => rejections.add(row),
            Self::Shown(rejections, lines) => rejections.add(&RejectedRow { line: row.line + *lines, ..row.clone() }),
            Self::Kept(kept, _) if kept.len() == MOST_KEPT => return Err(given_up()),
            Self::Kept(kept, _) => kept.push(row.clone()),
        }
        Ok(())
    }
}

impl<C: Collect> RowSink for Sink<'_, '_, C> {
    fn contacts(&mut self, batch: &ContactBatch) -> Result<()> {
        self.is_wanted()?;
        self.collected.contacts(batch)
    }

    fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
        self.is_wanted()?;
        self.collected.interval_rows(batch)
    }

    fn statuses(&mut self, batch: &StatusBatch) -> Result<()> {
        self.is_wanted()?;
        self.collected.statuses(batch)
    }

    fn rejected(&mut self, row: &RejectedRow) -> Result<()> {
        self.rejected.take(row)
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read<D> {
    pub(super) done: D,
    pub(super) counts: Counts,
    pub(super) warnings: Vec<String>,
}

/// Reads a delivery whole, by as many threads as the context and the source allow: what they give is what one gives.
pub(super) async fn read_delivery<C: Collect>(
    source: &Arc<dyn DeliverySource>,
    delivery: &Delivery,
    collect: impl Fn() -> C,
    rejections: &mut Rejections<'_>,
    cx: &Context,
) -> Result<Read<C::Done>> {
    let cuts = match Handle::try_current() {
        Ok(_) if cx.threads() > 1 => source.cuts(cx, delivery, cx.threads()).await?,
        _ => Vec::new(),
    };
    if cuts.is_empty() {
        let mut sink = Sink::shown(collect(), rejections);
        let mut writer = RowWriter::new(cx, &mut sink);
        source.read(cx, delivery, &mut writer).await?;
        let (counts, warnings) = writer.finish_with_warnings()?;
        return Ok(Read { done: sink.collected.finish(), counts, warnings });
    }
    let stop = Stop(Arc::default());
    let to = cuts.iter().copied().chain([u64::MAX]);
    let mut parts =
        [0].into_iter().chain(cuts.iter().copied()).zip(to).zip(cx.for_parts(cuts.len() + 1)).map(
            |((from, to), cx)| Part { source: Arc::clone(source), delivery: delivery.clone(), range: from..to, cx },
        );
    let first = parts.next();
    let later: Vec<_> = parts
        .map(|part| {
            let (begun, handle) = (part.clone(), Handle::current());
            let rejected = Rejected::Kept(Vec::new(), Arc::clone(&stop.0));
            let sink = Sink { collected: collect(), rejected };
            (part, spawn_blocking(move || handle.block_on(begun.read(sink))))
        })
        .collect();
    let Some(first) = first else { return Err(given_up()) };
    let (mut whole, mut end, _) = first.read(Sink::shown(collect(), rejections)).await?;
    let mut lines = end.lines;
    for (part, begun) in later {
        let begun = begun.await.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        if end.next >= part.range.end {
            // The last row before it goes beyond all of it: what was read is none of it.
            part.cx.report(&Progress::default());
            continue;
        }
        let mut shown = Rejected::Shown(rejections, lines);
        let read = match begun {
            // The guess was right: a row begins there.
            Ok((read, next, Rejected::Kept(kept, _))) if part.range.start == end.next => {
                kept.iter().try_for_each(|row| shown.take(row))?;
                end = next;
                read
            }
            _ => {
                let part = Part { range: end.next..part.range.end, ..part };
                let (read, next, _) = part.read(Sink { collected: collect(), rejected: shown }).await?;
                end = next;
                read
            }
        };
        lines += end.lines;
        whole = Read {
            done: C::plus(whole.done, read.done)?,
            counts: Counts {
                good: whole.counts.good + read.counts.good,
                rejected: whole.counts.rejected + read.counts.rejected,
                skipped: whole.counts.skipped + read.counts.skipped,
            },
            warnings: [whole.warnings, read.warnings].concat(),
        };
    }
    Ok(whole)
}

/// Stops what others read for a read that was given up.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Part {
    source: Arc<dyn DeliverySource>,
    delivery: Delivery,
    range: Range<u64>,
    cx: Context,
}

impl Part {
    async fn read<'r, 'w, C: Collect>(
        self,
        mut sink: Sink<'r, 'w, C>,
    ) -> Result<(Read<C::Done>, PartEnd, Rejected<'r, 'w>)> {
        let mut writer = RowWriter::new(&self.cx, &mut sink);
        let end = self.source.read_part(&self.cx, &self.delivery, self.range, &mut writer).await?;
        let (counts, warnings) = writer.finish_with_warnings()?;
        Ok((Read { done: sink.collected.finish(), counts, warnings }, end, sink.rejected))
    }
}
