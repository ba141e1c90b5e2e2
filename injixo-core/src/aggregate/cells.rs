//! The sums of one queue, while they grow and when they are done.

use injixo_model::{Attribution, Contact, ContactRow, IntervalRow, Measures, Millis, Quantity, Timed, Timestamp};

use super::arena::{self, Arena, Frozen, Item, List, Pieces, both, two};
use super::runs::{Cell, Runs};
use crate::error::{Error, ErrorKind, Result};
use crate::zone::{GridCursor, Stretch};

/// The sums of one queue while they grow.
///
/// What most sources deliver, whole contacts that count where they started, stands in narrow cells. The first fact that is more than
/// that widens the cells of its queue.
#[derive(Debug)]
pub(crate) enum Sums {
    Plain(Runs<Plain>),
    Full(Box<Full>),
}

/// Whole contacts, without wait, abandoned and service level, in two words that sums are made of by one addition each. The topmost bit
/// of each number but the start is zero; where a sum sets one, it does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    /// Offered, handled, measured and facts in 16 bits each, from the lowest on.
    counts: u64,
    /// Handle time in milliseconds in the lower half, the start in the upper one.
    times: u64,
}

const COUNT_FULL: u64 = 0x8000_8000_8000_8000;
const TIME_FULL: u64 = 0x8000_0000;
/// The largest count, and the longest handle time.
const MOST: u32 = 0x7FFF;
const LONGEST: i64 = 0x7FFF_FFFF;

impl Item for Plain {
    const WORDS: usize = 2;

    #[inline]
    fn write(&self, words: &mut [u64]) {
        words.copy_from_slice(&[self.counts, self.times]);
    }

    #[inline]
    fn read(words: &[u64]) -> Self {
        Self { counts: words[0], times: words[1] }
    }
}

impl Cell for Plain {
    #[inline]
    fn start(&self) -> u32 {
        u32::try_from(self.times >> 32).unwrap_or(0)
    }

    #[inline]
    fn joined(&self, other: &Self, is_same: bool) -> Option<Self> {
        let sum = self.plus(*other, is_same);
        (sum.full() == 0).then_some(sum)
    }

    /// One fact of one contact at most: a bit each, and the time.
    #[inline]
    fn packed(&self) -> Option<u32> {
        let is_one = self.counts & !0x0001_0001_0001 == 0x0001_0000_0000_0000;
        let time = self.handle_time();
        let bits = u32::try_from((self.counts | self.counts >> 15 | self.counts >> 30) & 7).unwrap_or(0);
        (is_one && time < 1 << 29).then_some(time << 3 | bits)
    }

    #[inline]
    fn unpacked(start: u32, packed: u32) -> Option<Self> {
        Some(Self { counts: COUNTS[(packed & 7) as usize], times: two(start, packed >> 3) })
    }
}

/// The counts of a packed cell by its three bits.
const COUNTS: [u64; 8] = {
    const fn of(handled: u64, measured: u64) -> [u64; 2] {
        let zero = 1 << 48 | measured << 32 | handled << 16;
        [zero, zero | 1]
    }
    let [[a, b], [c, d], [e, f], [g, h]] = [of(0, 0), of(1, 0), of(0, 1), of(1, 1)];
    [a, b, c, d, e, f, g, h]
};

impl Plain {
    /// Of a start; offered, handled, measured and facts; and a handle time.
    #[inline]
    fn new(start: u32, [offered, handled, measured, facts]: [u32; 4], handle_time: u32) -> Self {
        let of = |number: u32, place: u32| u64::from(number) << place;
        Self {
            counts: of(offered, 0) | of(handled, 16) | of(measured, 32) | of(facts, 48),
            times: of(handle_time, 0) | of(start, 32),
        }
    }

    #[inline]
    fn of_row(row: &ContactRow, start: u32) -> Option<Self> {
        const ONE: u32 = 1_000_000;
        let is_whole = |part: u32| part == 0 || part == ONE;
        let (offered, handled) = (u32::from(row.offered == ONE), u32::from(row.handled == ONE));
        // What an unhandled contact took is no handle time.
        let is_measured = row.handled > 0 && row.duration >= 0;
        let handle_time = if is_measured { row.duration } else { 0 };
        let fits = is_whole(row.offered) & is_whole(row.handled) & (handle_time <= LONGEST);
        let handle_time = u32::try_from(handle_time).unwrap_or(0);
        fits.then_some(Self::new(start, [offered, handled, u32::from(is_measured), 1], handle_time))
    }

    fn of_measures(measures: &Measures, start: u32) -> Option<Self> {
        let Measures { offered, handled, handle_time, wait_time, abandoned, within_service_level } = *measures;
        if wait_time != Timed::default() || abandoned.is_some() || within_service_level.is_some() {
            return None;
        }
        let [offered, handled, measured] = [whole(offered)?, whole(handled)?, whole(handle_time.number)?];
        let handle_time = u32::try_from(Some(handle_time.total.get()).filter(|time| *time <= LONGEST)?).ok()?;
        Some(Self::new(start, [offered, handled, measured, 1], handle_time))
    }

    /// The sum of both where they are of one interval, else the `other`; it fits if none of its bits is [full](Self::full).
    #[inline]
    fn plus(self, other: Self, is_same: bool) -> Self {
        let mask = u64::from(is_same).wrapping_neg();
        Self {
            counts: (self.counts & mask).wrapping_add(other.counts),
            times: (self.times & 0xFFFF_FFFF & mask).wrapping_add(other.times),
        }
    }

    /// The bits that say that a sum does not fit.
    #[inline]
    const fn full(self) -> u64 {
        self.counts & COUNT_FULL | self.times & TIME_FULL
    }

    /// The same as the sum of an interval that starts at `start`.
    #[inline]
    fn starting(self, start: u32) -> Self {
        Self { times: self.times & 0xFFFF_FFFF | u64::from(start) << 32, ..self }
    }

    /// Offered, handled, measured and facts.
    fn counts(self) -> [u32; 4] {
        [0, 16, 32, 48].map(|place| u32::try_from(self.counts >> place & 0xFFFF).unwrap_or(0))
    }

    #[inline]
    fn handle_time(self) -> u32 {
        u32::try_from(self.times & 0xFFFF_FFFF).unwrap_or(0)
    }

    fn measures(self) -> Measures {
        let [offered, handled, measured, _] = self.counts().map(|count| Quantity::whole(i64::from(count)));
        let handle_time = Timed { total: Millis::new(i64::from(self.handle_time())), number: measured };
        Measures { offered, handled, handle_time, ..Measures::default() }
    }

    fn widened(self) -> Core {
        let Measures { offered, handled, handle_time, .. } = self.measures();
        let [.., facts] = self.counts();
        Core {
            start: self.start(),
            facts,
            offered: offered.micros(),
            handled: handled.micros(),
            handle_time: handle_time.total.get(),
            measured: handle_time.number.micros(),
        }
    }
}

/// A count of whole contacts that a narrow cell holds.
fn whole(count: Quantity) -> Option<u32> {
    let (one, micros) = (Quantity::ONE.micros(), count.micros());
    let whole = u32::try_from(micros / one).ok()?;
    (micros % one == 0 && whole <= MOST).then_some(whole)
}

/// Everything that facts may carry: wait, abandoned and service level in cells beside the others, since most sources deliver none of
/// them.
#[derive(Debug)]
pub(crate) struct Full {
    core: Runs<Core>,
    more: Runs<More>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Core {
    start: u32,
    facts: u32,
    offered: i64,
    handled: i64,
    handle_time: i64,
    measured: i64,
}

impl Item for Core {
    const WORDS: usize = 5;

    #[inline]
    fn write(&self, words: &mut [u64]) {
        let Self { start, facts, offered, handled, handle_time, measured } = *self;
        let numbers = [offered, handled, handle_time, measured].map(i64::cast_unsigned);
        words[0] = two(start, facts);
        words[1..].copy_from_slice(&numbers);
    }

    #[inline]
    fn read(words: &[u64]) -> Self {
        let [start, facts] = both(words[0]);
        let number = |place: usize| words[place].cast_signed();
        Self { start, facts, offered: number(1), handled: number(2), handle_time: number(3), measured: number(4) }
    }
}

impl Cell for Core {
    #[inline]
    fn start(&self) -> u32 {
        self.start
    }

    fn joined(&self, other: &Self, is_same: bool) -> Option<Self> {
        let sum = Self {
            start: self.start,
            facts: self.facts.saturating_add(other.facts),
            offered: self.offered.saturating_add(other.offered),
            handled: self.handled.saturating_add(other.handled),
            handle_time: self.handle_time.saturating_add(other.handle_time),
            measured: self.measured.saturating_add(other.measured),
        };
        Some(if is_same { sum } else { *other })
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct More {
    start: u32,
    wait_time: Timed,
    abandoned: (u32, Quantity),
    within_service_level: (u32, Quantity),
}

impl Item for More {
    const WORDS: usize = 6;

    fn write(&self, words: &mut [u64]) {
        let Self { start, wait_time: Timed { total, number }, abandoned, within_service_level } = *self;
        words.copy_from_slice(&[
            u64::from(start),
            two(abandoned.0, within_service_level.0),
            total.get().cast_unsigned(),
            number.micros().cast_unsigned(),
            abandoned.1.micros().cast_unsigned(),
            within_service_level.1.micros().cast_unsigned(),
        ]);
    }

    fn read(words: &[u64]) -> Self {
        let [abandoned, within_service_level] = both(words[1]);
        let quantity = |place: usize| Quantity::from_micros(words[place].cast_signed());
        Self {
            start: both(words[0])[1],
            wait_time: Timed { total: Millis::new(words[2].cast_signed()), number: quantity(3) },
            abandoned: (abandoned, quantity(4)),
            within_service_level: (within_service_level, quantity(5)),
        }
    }
}

impl Cell for More {
    fn start(&self) -> u32 {
        self.start
    }

    fn joined(&self, other: &Self, is_same: bool) -> Option<Self> {
        let plus = |a: (u32, Quantity), b: (u32, Quantity)| (a.0.saturating_add(b.0), a.1.plus(b.1));
        let sum = Self {
            start: self.start,
            wait_time: self.wait_time.plus(other.wait_time),
            abandoned: plus(self.abandoned, other.abandoned),
            within_service_level: plus(self.within_service_level, other.within_service_level),
        };
        Some(if is_same { sum } else { *other })
    }
}

impl Full {
    fn of(cells: &[Plain], arena: &mut Arena) -> Self {
        let mut full = Self { core: Runs::new(), more: Runs::new() };
        cells.iter().for_each(|cell| full.add(&cell.widened(), arena));
        full
    }

    fn add(&mut self, core: &Core, arena: &mut Arena) {
        let fits = self.core.add(*core, arena);
        debug_assert!(fits, "wide cells hold any sum");
    }

    fn add_more(&mut self, more: &More, arena: &mut Arena) {
        let fits = self.more.add(*more, arena);
        debug_assert!(fits, "wide cells hold any sum");
    }

    fn finish(self, arena: &mut Arena) -> Vec<(Timestamp, Measures)> {
        // Wide cells hold any sum.
        let mut core = self.core.finish(arena).unwrap_or_else(|_| List::new());
        let mut more = self.more.finish(arena).unwrap_or_else(|_| List::new());
        let mut cells = Vec::with_capacity(core.len());
        let mut mores = more.iter(arena).peekable();
        for core in core.iter(arena) {
            let more = mores.next_if(|more| more.start == core.start).unwrap_or_default();
            // An interval in which no contact counts, only spread time, has none abandoned: that is known.
            let known = |(facts, count): (u32, Quantity)| (facts == core.facts).then_some(count);
            let measures = Measures {
                offered: Quantity::from_micros(core.offered),
                handled: Quantity::from_micros(core.handled),
                handle_time: Timed {
                    total: Millis::new(core.handle_time),
                    number: Quantity::from_micros(core.measured),
                },
                wait_time: more.wait_time,
                abandoned: known(more.abandoned),
                within_service_level: known(more.within_service_level),
            };
            cells.push((at(core.start), measures));
        }
        drop(mores);
        core.clear(arena);
        more.clear(arena);
        cells
    }
}

impl Sums {
    pub(super) fn new() -> Self {
        Self::Plain(Runs::new())
    }

    /// Adds a contact that carries no more than its row and counts where it started.
    #[inline]
    pub(super) fn add_row_of_batch(&mut self, row: &ContactRow, cursor: &mut GridCursor, arena: &mut Arena) {
        let start = cursor.floor_seconds(seconds(row.start));
        if let Self::Plain(runs) = self
            && let Some(cell) = Plain::of_row(row, start)
            && runs.add(cell, arena)
        {
            return;
        }
        self.add_wide_row(row, start, arena);
    }

    #[cold]
    fn add_wide_row(&mut self, row: &ContactRow, start: u32, arena: &mut Arena) {
        let is_measured = row.handled > 0 && row.duration >= 0;
        let core = Core {
            start,
            facts: 1,
            offered: i64::from(row.offered),
            handled: i64::from(row.handled),
            handle_time: if is_measured { row.duration } else { 0 },
            measured: if is_measured { i64::from(row.handled) } else { 0 },
        };
        self.full(arena).add(&core, arena);
    }

    fn full(&mut self, arena: &mut Arena) -> &mut Full {
        if let Self::Plain(runs) = self {
            let runs = std::mem::replace(runs, Runs::new());
            *self = Self::Full(Box::new(Full::of(&runs.into_cells(arena), arena)));
        }
        match self {
            Self::Full(full) => full,
            Self::Plain(_) => unreachable!("widened above"),
        }
    }

    pub(super) fn add_contact(
        &mut self,
        contact: &Contact,
        attribution: Attribution,
        cursor: &mut GridCursor,
        arena: &mut Arena,
    ) {
        let counted = if attribution == Attribution::Ended { contact.end() } else { contact.start };
        let start = seconds(cursor.floor(counted));
        let handle_time = contact.handle_time();
        let mut core = Core {
            start,
            facts: 1,
            offered: contact.offered.micros(),
            handled: contact.handled.micros(),
            handle_time: handle_time.unwrap_or_default().get(),
            measured: if handle_time.is_some() { contact.handled.micros() } else { 0 },
        };
        let full = self.full(arena);
        if attribution == Attribution::Spread {
            core.handle_time = 0;
            let (mut from, end) = (contact.answered(), contact.end());
            while from < end {
                let to = cursor.interval(from).to().min(end);
                let (start, handle_time) = (seconds(cursor.floor(from)), to.since(from).get());
                full.add(&Core { start, handle_time, ..Core::default() }, arena);
                from = to;
            }
        }
        full.add(&core, arena);
        let known = |count: Option<Quantity>| (u32::from(count.is_some()), count.unwrap_or_default());
        let wait_time = match contact.wait {
            Some(total) if !contact.handled.is_zero() => Timed { total, number: contact.handled },
            _ => Timed::default(),
        };
        if contact.wait.is_some() || contact.abandoned.is_some() || contact.within_service_level.is_some() {
            let more = More {
                start,
                wait_time,
                abandoned: known(contact.abandoned),
                within_service_level: known(contact.within_service_level),
            };
            full.add_more(&more, arena);
        }
    }

    /// Adds a ready-made row to the interval that holds it whole.
    pub(super) fn add_interval(&mut self, row: &IntervalRow, cursor: &mut GridCursor, arena: &mut Arena) -> Result<()> {
        let (start, next) = cursor.interval_seconds(seconds(row.start));
        if row.end() > at(next) {
            let minutes = row.length.get() / 60_000;
            let message = format!(
                "a ready-made row of {minutes} minutes cannot be split into the intervals asked for: ask for {minutes} minutes or more, in the zone of the source"
            );
            return Err(Error::new(ErrorKind::Unsupported, message).with("start", row.start));
        }
        self.add_measures(start, &row.measures, arena);
        Ok(())
    }

    fn add_measures(&mut self, start: u32, measures: &Measures, arena: &mut Arena) {
        if let Self::Plain(runs) = self
            && let Some(cell) = Plain::of_measures(measures, start)
            && runs.add(cell, arena)
        {
            return;
        }
        let full = self.full(arena);
        let core = Core {
            start,
            facts: 1,
            offered: measures.offered.micros(),
            handled: measures.handled.micros(),
            handle_time: measures.handle_time.total.get(),
            measured: measures.handle_time.number.micros(),
        };
        full.add(&core, arena);
        let known = |count: Option<Quantity>| (u32::from(count.is_some()), count.unwrap_or_default());
        let more = More {
            start,
            wait_time: measures.wait_time,
            abandoned: known(measures.abandoned),
            within_service_level: known(measures.within_service_level),
        };
        if more.wait_time != Timed::default() || more.abandoned.0 + more.within_service_level.0 > 0 {
            full.add_more(&more, arena);
        }
    }

    /// The sums, sorted by start.
    pub(super) fn finish(self, arena: &mut Arena) -> Sorted {
        match self {
            Self::Plain(runs) => match runs.finish(arena) {
                Ok(cells) => Sorted::Plain(cells),
                Err(cells) => Sorted::Full(Full::of(&cells, arena).finish(arena)),
            },
            Self::Full(full) => Sorted::Full(full.finish(arena)),
        }
    }
}

/// The sums of one queue that are done, in the arena in which they grew.
#[derive(Debug)]
pub(super) enum Sorted {
    Plain(List<Plain>),
    /// Between those of two tables.
    Joined(Pieces<Plain>, List<Plain>, Pieces<Plain>),
    Full(Vec<(Timestamp, Measures)>),
}

impl Sorted {
    /// The same without the arena, which was frozen.
    pub(super) fn frozen(self, arena: &Frozen) -> Cells {
        match self {
            Self::Plain(list) => Cells(Width::Plain(arena.pieces(&list))),
            Self::Joined(before, list, after) => {
                Cells(Width::Plain(before.followed_by(arena.pieces(&list)).followed_by(after)))
            }
            Self::Full(cells) => Cells(Width::Full(cells)),
        }
    }
}

/// The sums of one queue by itself.
#[derive(Debug)]
pub(crate) struct Series {
    sums: Sums,
    arena: Arena,
}

impl Series {
    pub(crate) fn new() -> Self {
        Self { sums: Sums::new(), arena: Arena::default() }
    }

    pub(crate) fn add_contact(&mut self, contact: &Contact, attribution: Attribution, cursor: &mut GridCursor) {
        self.sums.add_contact(contact, attribution, cursor, &mut self.arena);
    }

    /// Adds a ready-made row to the interval that holds it whole.
    pub(crate) fn add_interval(&mut self, row: &IntervalRow, cursor: &mut GridCursor) -> Result<()> {
        self.sums.add_interval(row, cursor, &mut self.arena)
    }

    /// The sums, sorted by start.
    pub(crate) fn finish(mut self) -> Vec<(Timestamp, Measures)> {
        match self.sums.finish(&mut self.arena) {
            Sorted::Plain(cells) => cells.iter(&self.arena).map(|cell| (at(cell.start()), cell.measures())).collect(),
            Sorted::Full(cells) => cells,
            Sorted::Joined(..) => unreachable!("sums of one table"),
        }
    }
}

/// The intervals of one queue, sorted by start.
#[derive(Debug, Clone)]
pub(crate) struct Cells(Width);

#[derive(Debug, Clone)]
enum Width {
    Plain(Pieces<Plain>),
    Full(Vec<(Timestamp, Measures)>),
}

impl Default for Cells {
    fn default() -> Self {
        Self(Width::Plain(Pieces::default()))
    }
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Width::Plain(cells) => cells.len(),
            Width::Full(cells) => cells.len(),
        }
    }

    /// The starts and measures.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (Timestamp, Measures)> {
        match &self.0 {
            Width::Plain(cells) => Iter::Plain(cells.iter()),
            Width::Full(cells) => Iter::Full(cells.iter()),
        }
    }

    /// Leaves out the intervals that start at `end` or later.
    pub(super) fn truncate(&mut self, end: Timestamp) {
        let kept = self.iter().take_while(|(start, _)| *start < end).count();
        match &mut self.0 {
            Width::Plain(cells) => cells.truncate(kept),
            Width::Full(cells) => cells.truncate(kept),
        }
    }

    /// The same in the longer intervals of `cursor`, of which each holds some of these whole.
    pub(super) fn rolled_up(&self, cursor: &mut GridCursor, arena: &mut Arena) -> Sorted {
        match &self.0 {
            // Sums are as far as they may go only once; beyond that they are made from measures.
            Width::Plain(cells) => RollUp::of(cells, cursor, arena)
                .map_or_else(|| Sorted::Full(rolled_up(self.iter(), cursor)), Sorted::Plain),
            Width::Full(cells) => Sorted::Full(rolled_up(cells.iter().copied(), cursor)),
        }
    }

    /// The sum of both.
    pub(super) fn plus(&self, other: &Self, arena: &mut Arena) -> Sorted {
        if let (Width::Plain(a), Width::Plain(b)) = (&self.0, &other.0)
            && let Some(sum) = plain_plus(a, b, arena)
        {
            return sum;
        }
        let mut sums = Vec::with_capacity(self.len().max(other.len()));
        plus(self.iter(), other.iter(), |cell| cell.0, |a, b| Some((a.0, a.1.plus(&b.1))), |cell| sums.push(cell));
        Sorted::Full(sums)
    }
}

/// The sum of two lists; `None` where one does not fit. What lies before or behind all of the other stays where it is.
fn plain_plus(a: &Pieces<Plain>, b: &Pieces<Plain>, arena: &mut Arena) -> Option<Sorted> {
    let (Some(last), Some(first)) = (a.last(), b.first()) else {
        return Some(Sorted::Joined(a.clone(), List::new(), b.clone()));
    };
    let mut list = List::new();
    if last.start() < first.start() {
        return Some(Sorted::Joined(a.clone(), list, b.clone()));
    }
    if last.start() == first.start() {
        list.push(last.joined(&first, true)?, arena);
        let (mut a, mut b) = (a.clone(), b.clone());
        a.truncate(a.len() - 1);
        b.leave_out_first();
        return Some(Sorted::Joined(a, list, b));
    }
    if b.last().is_some_and(|last| a.first().is_some_and(|first| last.start() <= first.start())) {
        return plain_plus(b, a, arena);
    }
    let is_whole = plus(a.iter(), b.iter(), Plain::start, |a, b| a.joined(b, true), |cell| list.push(cell, arena));
    list.close(arena);
    is_whole.then_some(Sorted::Plain(list))
}

/// The intervals of a table as they are asked for.
#[derive(Debug)]
enum Iter<'a> {
    Plain(arena::Iter<'a, Plain>),
    Full(std::slice::Iter<'a, (Timestamp, Measures)>),
}

impl Iterator for Iter<'_> {
    type Item = (Timestamp, Measures);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Plain(cells) => cells.next().map(|cell| (at(cell.start()), cell.measures())),
            Self::Full(cells) => cells.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Plain(cells) => cells.size_hint(),
            Self::Full(cells) => cells.size_hint(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Puts sorted cells together to longer intervals.
struct RollUp {
    /// The sum that is growing.
    sum: Plain,
    /// All bits that ever said that a sum does not fit.
    full: u64,
    /// The newest sums, the growing one last.
    some: [[u64; 2]; 256],
    at: usize,
}

impl RollUp {
    /// `None` where a sum does not fit.
    fn of(cells: &Pieces<Plain>, cursor: &mut GridCursor, arena: &mut Arena) -> Option<List<Plain>> {
        let Some(first) = cells.first() else { return Some(List::new()) };
        let start = cursor.stretch(first.start()).floor(first.start());
        let sum = Plain { counts: 0, times: 0 }.starting(start);
        let mut longer = List::new();
        let mut roll_up = Self { sum, full: 0, some: [[0; 2]; 256], at: 0 };
        for words in cells.words() {
            let mut rest = words.as_chunks::<2>().0;
            while let Some(first) = rest.first() {
                // No interval goes beyond a stretch.
                let stretch = cursor.stretch(Plain::read(first).start());
                let behind = rest.partition_point(|cell| Plain::read(cell).start() < stretch.to()).max(1);
                let (cells, behind) = rest.split_at(behind);
                roll_up.add(cells, stretch, &mut longer, arena);
                rest = behind;
            }
        }
        longer.extend_from_words(roll_up.some[..=roll_up.at].as_flattened(), arena);
        longer.close(arena);
        (roll_up.full == 0).then_some(longer)
    }

    #[inline(never)]
    fn add(&mut self, cells: &[[u64; 2]], stretch: Stretch, longer: &mut List<Plain>, arena: &mut Arena) {
        // Whether a cell belongs to the sum can hardly be foretold, so that nothing branches on it.
        let (mut sum, mut full, mut at) = (self.sum, self.full, self.at);
        let some = &mut self.some;
        for cell in cells {
            let cell = Plain::read(cell);
            let cell = cell.starting(stretch.floor(cell.start()));
            let is_same = sum.start() == cell.start();
            sum = sum.plus(cell, is_same);
            full |= sum.full();
            at += usize::from(!is_same);
            if at == some.len() {
                longer.extend_from_words(some.as_flattened(), arena);
                at = 0;
            }
            some[at % 256] = [sum.counts, sum.times];
        }
        (self.sum, self.full, self.at) = (sum, full, at);
    }
}

fn rolled_up(
    cells: impl Iterator<Item = (Timestamp, Measures)>,
    cursor: &mut GridCursor,
) -> Vec<(Timestamp, Measures)> {
    let mut longer: Vec<(Timestamp, Measures)> = Vec::new();
    for (start, measures) in cells {
        let start = cursor.floor(start);
        match longer.last_mut() {
            Some((last, sum)) if *last == start => *sum = sum.plus(&measures),
            _ => longer.push((start, measures)),
        }
    }
    longer
}

/// Gives the items of two sorted lists as one; `false` where a sum does not fit.
fn plus<T, K: Ord>(
    a: impl Iterator<Item = T>,
    b: impl Iterator<Item = T>,
    start: impl Fn(&T) -> K,
    add: impl Fn(&T, &T) -> Option<T>,
    mut give: impl FnMut(T),
) -> bool {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => start(a).cmp(&start(b)),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return true,
        };
        let next = if order.is_gt() { b.next() } else { a.next() };
        let Some(next) = next else { return true };
        let sum = if order.is_eq() { b.next().and_then(|same| add(&next, &same)) } else { Some(next) };
        let Some(sum) = sum else { return false };
        give(sum);
    }
}

fn at(start: u32) -> Timestamp {
    Timestamp::from_secs(i64::from(start))
}

fn seconds(start: Timestamp) -> u32 {
    // Supported instants end in 2100, intervals begin on whole seconds: both fit.
    u32::try_from(start.millis() / 1_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use injixo_model::{Channel, ContactBatch, IntervalLength, QueueKey};

    use super::*;
    use crate::zone::{Grid, Zone};

    fn row(offered: i64, handled: i64, total: i64, number: i64) -> IntervalRow {
        let micros = Quantity::from_micros;
        let measures = Measures {
            offered: micros(offered),
            handled: micros(handled),
            handle_time: Timed { total: Millis::new(total), number: micros(number) },
            ..Measures::default()
        };
        IntervalRow { start: at(900), length: Millis::from_mins(15), measures }
    }

    fn sum(rows: &[IntervalRow]) -> Vec<(Timestamp, Measures)> {
        let mut cursor = Grid::new(&Zone::utc(), IntervalLength::MINUTES_15).cursor();
        let mut series = Series::new();
        rows.iter().for_each(|row| series.add_interval(row, &mut cursor).unwrap());
        series.finish()
    }

    #[test]
    fn sums_beyond_narrow_cells_are_exact() {
        let large = row(70_000_000_000, 1_000_000, i64::MAX / 4, 1_000_000);
        let small = row(1_000_000, 0, 0, 0);
        let shared = row(500_000, 500_000, 7, 500_000);
        for rows in [[small, large, small, shared], [shared, large, small, small], [small, small, shared, large]] {
            let expected = row(70_002_500_000, 1_500_000, i64::MAX / 4 + 7, 1_500_000).measures;
            assert_eq!(sum(&rows), [(at(900), expected)]);
        }
        let most = 32_767_000_000;
        let many = vec![row(most, most, 0x7FFF_FFFF, most); 70_000];
        let expected = row(70_000 * most, 70_000 * most, 70_000 * 0x7FFF_FFFF, 70_000 * most);
        assert_eq!(sum(&many), [(at(900), expected.measures)]);
    }

    #[test]
    fn more_facts_than_a_narrow_cell_takes() {
        let mut batch = ContactBatch::new();
        let queue = batch.add_queue(QueueKey::new("Hotline", Channel::Calls));
        let call = |start: i64| Contact::offered(Timestamp::from_secs(start)).handled(Millis::from_secs(2));
        (0..200_000).for_each(|call_| batch.push(queue, &call(call_ % 1_800)));
        let mut cursor = Grid::new(&Zone::utc(), IntervalLength::MINUTES_15).cursor();
        let mut series = Series::new();
        batch.rows().iter().for_each(|row| series.sums.add_row_of_batch(row, &mut cursor, &mut series.arena));
        let cells = series.finish();
        let counts: Vec<i64> = cells.iter().map(|cell| cell.1.offered.micros() / 1_000_000).collect();
        // 200,000 = 111 rounds of 1,800 and 200 more.
        assert_eq!(counts, [111 * 900 + 200, 111 * 900]);
        assert_eq!(cells[0].1.handle_time.total, Millis::from_secs(2 * 100_100));
    }
}
