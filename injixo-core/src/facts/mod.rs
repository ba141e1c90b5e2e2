//! Facts as the store keeps them, and what a new statement about them replaces.
//!
//! Pure: no I/O, no clock. The facts of one subject (a queue or an agent) that start on one UTC day form a [`Chunk`]; a
//! store keeps and returns chunks as bytes and knows nothing of their meaning. What a delivery or a window replaces is
//! decided here, once, for every store alike:
//!
//! - A **list** (a file of contacts or statuses) speaks for each subject on the local days on which it names it, from its
//!   first to its last row. In between it replaces. Its first and last instant may be cut, so each is kept as one *side*
//!   of that instant; a later list replaces its own side only. An instant that a list has reached across is complete, and
//!   lists that end or begin there leave it alone.
//! - A **window** replaces all facts that start in it.
//! - An **interval row** replaces the rows that it overlaps.
//!
//! A fact belongs to the instant at which it starts, whatever it reaches into: nothing is ever cut.

mod chunk;
mod codec;
mod replace;

pub(crate) use chunk::{Chunk, Side};
pub(crate) use codec::{Corrupt, Fact, put, put_measures, put_signed, take, take_measures, take_signed};
pub(crate) use replace::{Change, ListScope, apply_piece, apply_rows, apply_window, same_begin};

use injixo_model::{Timestamp, Window};

/// A UTC day, counted from 1970-01-01.
pub(crate) type Day = i32;

pub(crate) const DAY_MILLIS: i64 = 86_400_000;

/// The UTC day on which `instant` lies.
pub(crate) fn day_of(instant: Timestamp) -> Day {
    i32::try_from(instant.millis().div_euclid(DAY_MILLIS)).unwrap_or(if instant.millis() < 0 {
        Day::MIN
    } else {
        Day::MAX
    })
}

/// The first instant of a UTC day.
pub(crate) fn day_start(day: Day) -> Timestamp {
    Timestamp::from_millis(i64::from(day) * DAY_MILLIS)
}

/// `window` cut at UTC midnights.
pub(crate) fn cut_by_day(window: Window) -> impl Iterator<Item = (Day, Window)> {
    (day_of(window.from())..=day_of(window.to())).filter_map(move |day| {
        let whole = Window::new(day_start(day), day_start(day + 1)).ok()?;
        Some((day, whole.intersection(window)?))
    })
}
