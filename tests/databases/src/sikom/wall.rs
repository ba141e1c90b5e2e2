//! The wall clock: how instants are written, and what can be read from them.

use crate::civil::{berlin_instants, berlin_wall, days_of};
use crate::ledger::{Contact, Ledger, State};
use crate::sql::Value;

/// What a ledger says to one who sees the times of the wall clock only.
///
/// In the night in October in which an hour comes twice, a time in it is taken for the earlier of its instants, unless
/// that lies before what came earlier in the same row: an answer before the arrival, an end before the answer or the
/// start. All other times are what they truly were.
pub fn by_wall_clock(ledger: &Ledger) -> Ledger {
    let mut read = ledger.clone();
    for contact in read.contacts.values_mut() {
        *contact = read_contact(contact);
    }
    for state in read.states.values_mut() {
        read_state(state);
    }
    read
}

fn read_contact(contact: &Contact) -> Contact {
    let start = reading(contact.start, i64::MIN);
    let answered = contact.answered.map(|answered| reading(answered, start));
    let ended = contact.ended.map(|ended| reading(ended, answered.unwrap_or(start)));
    let wrapped = contact.wrapped.map(|wrapped| reading(wrapped, ended.or(answered).unwrap_or(start)));
    Contact { start, answered, ended, wrapped, ..*contact }
}

fn read_state(state: &mut State) {
    state.start = reading(state.start, i64::MIN);
    state.ended = state.ended.map(|ended| reading(ended, state.start));
    state.recorded = state.recorded.map(|recorded| reading(recorded, state.start));
}

/// The reading of an instant after another, in milliseconds.
fn reading(instant: i64, after: i64) -> i64 {
    let (earlier, later) = berlin_instants(berlin_wall(instant / 1000));
    if earlier * 1000 < after { later * 1000 } else { earlier * 1000 }
}

/// An instant in seconds as it is stored.
pub(crate) fn stored(instant: i64) -> Value {
    Value::Wall(berlin_wall(instant))
}

/// An instant, or what some rows have in place of none.
pub(crate) fn stored_or_none(instant: Option<i64>, id: u64) -> Value {
    match instant {
        Some(instant) => stored(instant),
        None if id.is_multiple_of(5) => Value::Wall(days_of(1900, 1, 1) * 86_400),
        None => Value::Null,
    }
}
