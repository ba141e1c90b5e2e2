//! What to import next: a pure function of coverage, policy and the time.
//!
//! No I/O, no clock. Whatever happened before (a pause, an outage, a crash, a truncated read), what is still to be done follows
//! from what is covered and when it was read. Tasks come in the order of their value: the newest import, what was asked for,
//! gaps, looking back, and in a lane of its own back-filling, newest first.

mod policy;

use std::cell::OnceCell;

use injixo_model::{Coverage, Millis, Timestamp, Window};

pub use self::policy::{LookBack, Policy};
use crate::store::Covered;
use crate::zone::Zone;

/// The grid of planned windows.
pub(crate) const QUARTER: Millis = Millis::from_mins(15);

/// How one stream is imported: the policy of its integration and what its source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamPolicy {
    /// The length of an import.
    pub(crate) every: Millis,
    /// How long after its end an interval is imported.
    pub(crate) offset: Millis,
    /// How late the source writes.
    pub(crate) late: Millis,
    /// What is read again, and how often.
    pub(crate) look_backs: Vec<LookBack>,
    /// The longest window of one read.
    pub(crate) longest: Millis,
    /// How far back the source keeps its data.
    pub(crate) keeps: Option<Millis>,
}

/// All that decides what one stream imports next.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) now: Timestamp,
    pub(crate) policy: &'a StreamPolicy,
    pub(crate) zone: &'a Zone,
    /// From when on data is wanted.
    pub(crate) from: Timestamp,
    /// Since when the stream is imported: what lies before is back-filled.
    pub(crate) since: Timestamp,
    /// What is covered for all subjects, sorted and without overlaps.
    pub(crate) covered: &'a [Covered],
    pub(crate) waived: &'a Coverage,
    pub(crate) blocked: &'a Coverage,
    /// What is to be read again unless it was read since, with the number of the request.
    pub(crate) asked: &'a [(u64, Window, Timestamp)],
    /// What the stream's other lane is reading.
    pub(crate) busy: &'a Coverage,
    /// The longest window that the source was lately able to answer.
    pub(crate) size: Millis,
    /// All of `covered`, put together when it is first needed.
    pub(crate) all: OnceCell<Coverage>,
}

/// Why a window is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It is the newest.
    Newest,
    /// It was asked for.
    Asked,
    /// It was missed: by a pause, an outage or an error.
    Gap,
    /// It may have changed since it was read.
    LookBack,
    /// It lies before the integration was added.
    BackFill,
}

/// A window to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) window: Window,
    pub(crate) why: Why,
}

/// What is to be done, and when to plan again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The most valuable task, if anything is due.
    pub(crate) task: Option<Task>,
    /// When something will be due if nothing is now; [`Timestamp::MAX`] for never.
    pub(crate) next: Timestamp,
    /// Requests that are fulfilled.
    pub(crate) done: Vec<u64>,
}

/// The longest task. One task may take several reads, but whether nothing is left of what is stored is judged over all of them.
const LONG_TASK: Millis = Millis::from_mins(31 * 1_440);

/// Requests that are longer than this are back-filled.
pub(crate) const LONG_REQUEST: Millis = Millis::from_mins(2 * 1_440);

impl Situation<'_> {
    /// What the lane of current data does next.
    pub(crate) fn current(&self) -> Plan {
        let edge = self.edge();
        let asked = |request: &&(u64, Window, Timestamp)| request.1.duration() <= LONG_REQUEST;
        let task = self
            .newest(edge)
            .or_else(|| self.asked(self.asked.iter().filter(asked)))
            .or_else(|| self.gap(edge))
            .or_else(|| self.look_back(edge));
        Plan { task, next: self.next(), done: self.fulfilled() }
    }

    /// What the lane of back-filling does next.
    pub(crate) fn back_fill(&self) -> Plan {
        let long = |request: &&(u64, Window, Timestamp)| request.1.duration() > LONG_REQUEST;
        let missing = self.missing(self.first(), self.since.min(self.edge()));
        let task = self.asked(self.asked.iter().filter(long)).or_else(|| {
            let window = *missing.without(self.busy).windows().last()?;
            Some(Task { window: self.last_piece(window, self.size.min(self.policy.longest)), why: Why::BackFill })
        });
        let is_left = !missing.is_empty() || self.asked.iter().any(|request| long(&request));
        let next = if is_left { self.now.after(self.policy.every) } else { Timestamp::MAX };
        Plan { task, next, done: self.fulfilled() }
    }

    /// How much of the time before [`since`](Self::since) is still to be read, and how much there is.
    pub(crate) fn back_fill_left(&self) -> (Millis, Millis) {
        let total = self.since.since(self.first());
        let missing = self.missing(self.first(), self.since);
        let left = missing.windows().iter().fold(Millis::ZERO, |sum, window| sum.plus(window.duration()));
        (left, total)
    }

    /// What is missing of the time since which the stream is imported.
    pub(crate) fn gaps(&self) -> Coverage {
        self.missing(self.since.max(self.first()), self.edge())
    }

    /// The instant up to which data can be had now: a whole number of imports, and no stretch of repeated local time cut.
    pub(crate) fn edge(&self) -> Timestamp {
        let edge = floor(self.now.before(self.policy.offset), self.policy.every);
        self.uncut(edge)
    }

    fn uncut(&self, edge: Timestamp) -> Timestamp {
        let instant = Millis::new(1);
        let Ok(last) = Window::new(edge.before(instant), edge) else { return edge };
        let whole = self.zone.widen(last);
        if whole.to() > edge { floor(whole.from(), QUARTER) } else { edge }
    }

    fn first(&self) -> Timestamp {
        let kept = self.policy.keeps.map_or(Timestamp::MIN, |keeps| ceil(self.now.before(keeps), QUARTER));
        self.from.max(kept)
    }

    /// The next instant at which an import is scheduled.
    fn next(&self) -> Timestamp {
        let every = self.policy.every;
        floor(self.now.before(self.policy.offset), every).after(every).after(self.policy.offset)
    }

    fn all_covered(&self) -> &Coverage {
        self.all.get_or_init(|| self.covered.iter().map(|held| held.window).collect())
    }

    /// What of `[from, to)` is neither covered nor given up.
    fn missing(&self, from: Timestamp, to: Timestamp) -> Coverage {
        let Ok(wanted) = Window::new(from, to) else { return Coverage::new() };
        self.all_covered().gaps(wanted).without(self.waived).without(self.blocked)
    }

    /// The newest import, with what is looked back to at each import where it lies right before.
    fn newest(&self, edge: Timestamp) -> Option<Task> {
        let from = edge.before(self.policy.every).max(self.first());
        let missing = self.missing(from.max(self.since.min(edge)).min(edge), edge).without(self.busy);
        let newest = missing.windows().last().filter(|window| window.to() == edge)?;
        let each_import = self.policy.look_backs.iter().filter(|look_back| look_back.every <= self.policy.every);
        let depth = each_import.map(|look_back| look_back.depth).max().unwrap_or(Millis::ZERO).min(LONG_REQUEST);
        let before = Window::new(edge.before(depth).max(self.first()).min(newest.from()), newest.from()).ok();
        let joined = before.map_or(newest.from(), |before| {
            let again = self.due_again(edge, before).without(self.busy).without(self.blocked);
            again.windows().last().filter(|window| window.to() == newest.from()).map_or(newest.from(), |w| w.from())
        });
        // A stretch that was read for another reason since is not worth a longer read.
        let from = if edge.since(joined) <= self.size.min(self.policy.longest) { joined } else { newest.from() };
        let window = Window::new(from, edge).ok()?;
        Some(Task { window: self.last_piece(window, LONG_TASK), why: Why::Newest })
    }

    fn asked<'r>(&self, requests: impl Iterator<Item = &'r (u64, Window, Timestamp)>) -> Option<Task> {
        let due: Coverage = requests.flat_map(|request| self.unanswered(request).windows().to_vec()).collect();
        let window = *due.without(self.busy).windows().last()?;
        Some(Task { window: self.last_piece(window, LONG_TASK), why: Why::Asked })
    }

    /// What of a request was not read since it was made.
    fn unanswered(&self, (_, window, at): &(u64, Window, Timestamp)) -> Coverage {
        let end = self.uncut(floor(self.now, QUARTER));
        let Ok(possible) = Window::new(window.from().max(self.first().min(window.from())), window.to().min(end)) else {
            return Coverage::new();
        };
        let answered: Coverage =
            self.covered.iter().filter(|held| held.read_at >= *at).map(|held| held.window).collect();
        answered.gaps(possible).without(self.blocked)
    }

    fn fulfilled(&self) -> Vec<u64> {
        let end = self.uncut(floor(self.now, QUARTER));
        let is_past = |window: Window| window.to() <= end;
        let done = self.asked.iter().filter(|request| is_past(request.1) && self.unanswered(request).is_empty());
        done.map(|request| request.0).collect()
    }

    fn gap(&self, edge: Timestamp) -> Option<Task> {
        let gaps = self.missing(self.since.max(self.first()).min(edge), edge).without(self.busy);
        let window = *gaps.windows().last()?;
        Some(Task { window: self.last_piece(window, LONG_TASK), why: Why::Gap })
    }

    fn look_back(&self, edge: Timestamp) -> Option<Task> {
        let covered = Window::new(self.first().min(edge), edge).ok()?;
        let due = self.due_again(edge, covered).without(self.busy).without(self.blocked).without(self.waived);
        let window = *due.windows().last()?;
        Some(Task { window: self.last_piece(window, LONG_TASK), why: Why::LookBack })
    }

    /// What of `within` was read, but is to be read again by now.
    fn due_again(&self, edge: Timestamp, within: Window) -> Coverage {
        let StreamPolicy { every, offset, late, look_backs, .. } = self.policy;
        let deepest = look_backs.iter().map(|look_back| look_back.depth).max().unwrap_or(Millis::ZERO);
        let reach = edge.before(deepest);
        let settled = (*late).max(*offset);
        let is_past = |held: &&Covered| held.window.to() <= reach && held.read_at >= held.window.to().after(settled);
        let mut due = Coverage::new();
        for held in self.covered.iter().filter(|held| !is_past(held)) {
            let Some(window) = held.window.intersection(within) else { continue };
            for look_back in look_backs {
                let last = floor(self.now.before(*offset), look_back.every.max(*every)).after(*offset);
                let reach = Window::new(edge.before(look_back.depth), edge).ok();
                if held.read_at < last {
                    due.extend(reach.and_then(|reach| reach.intersection(window)));
                }
            }
            // Read before the source had written all of it, and not read since.
            let settles = Window::new(held.read_at.before(*late), edge.before(*late));
            due.extend(settles.ok().and_then(|settles| settles.intersection(window)));
            // Asked for before its reference time.
            let early = Window::new(held.read_at.before(*offset), edge);
            due.extend(early.ok().and_then(|early| early.intersection(window)));
        }
        due
    }

    /// The last piece of a window, on the quarter-hour grid, no repeated local time cut.
    fn last_piece(&self, window: Window, size: Millis) -> Window {
        if window.duration() <= size { self.zone.widen(window) } else { last_piece(window, size, self.zone) }
    }
}

/// The last piece of a window, at most `size` long where no repeated stretch of local time is longer, on the quarter-hour grid where
/// that is possible.
pub(crate) fn last_piece(window: Window, size: Millis, zone: &Zone) -> Window {
    let cut =
        ceil(window.to().before(size), QUARTER.min(size)).clamp(window.from(), window.to().before(Millis::new(1)));
    let Ok(piece) = Window::new(cut, window.to()) else { return window };
    let widened = zone.widen(piece);
    if widened.duration() <= size {
        return widened;
    }
    // The stretch that the cut lies in is left whole to the next piece.
    let behind = Window::new(cut.before(Millis::new(1)), cut).map_or(cut, |before| zone.widen(before).to());
    Window::new(behind, window.to()).map_or(widened, |shorter| zone.widen(shorter))
}

/// The last multiple of `step` that is not after `at`.
pub(crate) fn floor(at: Timestamp, step: Millis) -> Timestamp {
    Timestamp::from_millis(at.millis().div_euclid(step.get()) * step.get())
}

/// The first multiple of `step` that is not before `at`.
pub(crate) fn ceil(at: Timestamp, step: Millis) -> Timestamp {
    floor(at.after(Millis::new(step.get() - 1)), step)
}

/// Two parts of a window, cut on the quarter-hour grid where that is possible; `None` when a part would be too short.
pub(crate) fn halves(window: Window, smallest: Millis, zone: &Zone) -> Option<(Window, Window)> {
    let middle = window.from().after(Millis::new(window.duration().get() / 2));
    let on_grid = |step: Millis| {
        let cut = floor(middle, step);
        let parts = (Window::new(window.from(), cut).ok()?, Window::new(cut, window.to()).ok()?);
        (parts.0.duration() >= smallest && parts.1.duration() >= smallest).then_some(parts)
    };
    // A stretch of repeated local time is cut only if nothing else is left to cut.
    let uncut = |parts: &(Window, Window)| {
        let whole = zone.widen(parts.0).to();
        (whole == parts.0.to()).then_some(*parts).or_else(|| {
            let cut = if whole < window.to() { whole } else { zone.widen(parts.1).from() };
            Some((Window::new(window.from(), cut).ok()?, Window::new(cut, window.to()).ok()?))
        })
    };
    let parts = on_grid(QUARTER).or_else(|| on_grid(Millis::from_secs(1))).or_else(|| on_grid(Millis::new(1)))?;
    Some(uncut(&parts).unwrap_or(parts))
}

/// Coverage with fewer pieces: stretches that are settled and older than `before` are joined.
pub(crate) fn compacted(covered: &[Covered], late: Millis, before: Timestamp) -> Vec<Covered> {
    let is_old = |held: &Covered| held.window.to() <= before && held.read_at >= held.window.to().after(late);
    let mut joined: Vec<Covered> = Vec::with_capacity(covered.len());
    for held in covered {
        if let Some(last) = joined.last_mut()
            && last.window.to() == held.window.from()
            && (last.read_at == held.read_at || (is_old(last) && is_old(held)))
            && let Ok(window) = Window::new(last.window.from(), held.window.to())
        {
            *last = Covered { window, read_at: last.read_at.max(held.read_at), ..*held };
        } else {
            joined.push(*held);
        }
    }
    joined
}

trait Without {
    fn without(&self, other: &Coverage) -> Coverage;
}

impl Without for Coverage {
    fn without(&self, other: &Coverage) -> Coverage {
        if other.is_empty() { self.clone() } else { self.difference(other) }
    }
}

#[cfg(test)]
mod tests;
