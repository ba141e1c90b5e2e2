//! What is derived from facts, and how it differs when facts change: intervals, timelines.
//!
//! Pure: no I/O, no clock. The change feed and the tables for readers that use SQL hold nothing but these differences, so a
//! statement that changes no fact changes neither.

mod codec;
mod intervals;
mod timelines;

pub(crate) use codec::{
    FactDay, QueueState, decode_days, decode_intervals, decode_queue, decode_timeline, encode_days, encode_intervals,
    encode_queue, encode_timeline,
};
pub(crate) use intervals::{Counted, IntervalDiff, cells, difference};
pub(crate) use timelines::{NO_STATUS, TimelineDiff, cut, difference_of, layered};
