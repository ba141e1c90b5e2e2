//! What a correct import must come to, added up the plain way.
//!
//! The texts are those of the tables that `csv_to_intervals` writes. What is offered, handled and how long is the business
//! of each vendor's module, which hands over [`Counted`] and [`Told`].

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::time::{MINUTE, Ms, rfc3339, seconds};

/// The length of the intervals.
pub const INTERVAL: Ms = 15 * MINUTE;

/// A contact of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The queue's key.
    pub queue: String,
    /// `calls`, …
    pub channel: &'static str,
    /// The instant at which it counts.
    pub start: Ms,
    /// Whether it was handled.
    pub is_handled: bool,
    /// How long it was handled, where that was measured.
    pub handle_time: Option<Ms>,
}

/// `queue,channel,start,offered,handled,handle_time`: what counts from `from` up to and without `to`.
pub fn contact_table(counted: &[Counted], from: Ms, to: Ms) -> String {
    // Offered, handled, handle time.
    type Sums = (u64, u64, Option<Ms>);
    let mut sums: BTreeMap<(&str, &str, Ms), Sums> = BTreeMap::new();
    for contact in counted {
        let interval = contact.start.div_euclid(INTERVAL) * INTERVAL;
        if (from..to).contains(&interval) {
            let sum = sums.entry((&contact.queue, contact.channel, interval)).or_default();
            sum.0 += 1;
            sum.1 += u64::from(contact.is_handled);
            if let Some(time) = contact.handle_time {
                sum.2 = Some(sum.2.unwrap_or(0) + time);
            }
        }
    }
    let mut text = "queue,channel,start,offered,handled,handle_time\n".to_owned();
    for ((queue, channel, start), (offered, handled, time)) in sums {
        let time = if handled == 0 { Some(time.unwrap_or(0)) } else { time };
        let time = time.map_or(String::new(), seconds);
        let _ = writeln!(text, "{},{channel},{},{offered},{handled},{time}", quoted(queue), rfc3339(start));
    }
    text
}

/// A state as a vendor tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The agent's key.
    pub agent: String,
    /// The name of the status.
    pub status: String,
    /// Since when.
    pub start: Ms,
    /// Until when; none: still.
    pub end: Option<Ms>,
}

/// How a state and its reason make the name of a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// The state alone.
    State,
    /// The reason where there is one, else the state.
    Reason,
    /// The state, and behind this text the reason where there is one that says something else.
    Joined(String),
}

impl Naming {
    /// The name of a status.
    pub fn name(&self, state: &str, reason: &str) -> String {
        match self {
            Self::State => state.to_owned(),
            Self::Reason => if reason.is_empty() { state } else { reason }.to_owned(),
            Self::Joined(_) if reason.is_empty() || reason == state => state.to_owned(),
            Self::Joined(between) => format!("{state}{between}{reason}"),
        }
    }
}

/// `agent,activity,start,end`: the timeline cut to `from..to`, on which at each instant the shortest state that covers it counts.
///
/// Of states of the same length the one that begins later counts, then the one told last. A state without an end lasts until the
/// agent's next later start, at most until `now`, and is the longest of all; its last piece is written without an end. Pieces of one
/// status that meet are one.
pub fn status_table(told: &[Told], from: Ms, to: Ms, now: Ms) -> String {
    let mut text = "agent,activity,start,end\n".to_owned();
    for piece in timeline(told, from, to, now) {
        let end = piece.end.map_or(String::new(), rfc3339);
        let (agent, status) = (quoted(&piece.agent), quoted(&piece.status));
        let _ = writeln!(text, "{agent},{status},{},{end}", rfc3339(piece.start));
    }
    text
}

/// `agent,activity,start,seconds`: the same timeline as time per interval.
pub fn status_time_table(told: &[Told], from: Ms, to: Ms, now: Ms) -> String {
    let mut sums: BTreeMap<(String, String, Ms), Ms> = BTreeMap::new();
    for piece in timeline(told, from, to, now) {
        let end = piece.end.unwrap_or(now.min(to));
        let mut start = piece.start;
        while start < end {
            let interval = start.div_euclid(INTERVAL) * INTERVAL;
            let until = end.min(interval + INTERVAL);
            *sums.entry((piece.agent.clone(), piece.status.clone(), interval)).or_default() += until - start;
            start = until;
        }
    }
    let mut text = "agent,activity,start,seconds\n".to_owned();
    for ((agent, status, start), time) in sums {
        let _ = writeln!(text, "{},{},{},{}", quoted(&agent), quoted(&status), rfc3339(start), seconds(time));
    }
    text
}

fn timeline(told: &[Told], from: Ms, to: Ms, now: Ms) -> Vec<Told> {
    let mut by_agent: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for state in told {
        by_agent.entry(&state.agent).or_default().push(state);
    }
    let mut pieces = Vec::new();
    for states in by_agent.values() {
        // (start, end, length, place)
        let spans: Vec<(Ms, Ms, Ms)> = states.iter().map(|state| span(state, states, now)).collect();
        let mut cuts: Vec<Ms> = spans.iter().flat_map(|(start, end, _)| [*start, *end]).chain([from, to]).collect();
        cuts.retain(|cut| (from..=to).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        let mut own: Vec<Told> = Vec::new();
        for cut in cuts.windows(2) {
            let covering = (0..spans.len()).filter(|at| spans[*at].0 <= cut[0] && spans[*at].1 >= cut[1]);
            let Some(best) = covering.min_by_key(|at| (spans[*at].2, -spans[*at].0, usize::MAX - at)) else { continue };
            let is_open = spans[best].2 == Ms::MAX && cut[1] == now && states[best].end.is_none();
            let end = (!is_open).then_some(cut[1]);
            match own.last_mut() {
                Some(last) if last.status == states[best].status && last.end == Some(cut[0]) => last.end = end,
                _ => own.push(Told { start: cut[0], end, ..states[best].clone() }),
            }
        }
        own.sort_by(|one, other| (&one.status, one.start).cmp(&(&other.status, other.start)));
        pieces.extend(own);
    }
    pieces
}

/// From when to when a state reaches, and the length by which it is ranked.
fn span(state: &Told, all: &[&Told], now: Ms) -> (Ms, Ms, Ms) {
    match state.end {
        Some(end) => (state.start, end, end - state.start),
        None => {
            let next = all.iter().map(|other| other.start).filter(|start| *start > state.start).min();
            (state.start, next.unwrap_or(now).min(now), Ms::MAX)
        }
    }
}

/// A field of a table, quoted where it must be.
pub fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::at;

    fn on(time: &str) -> Ms {
        at(&format!("2024-03-05T{time}Z"))
    }

    #[test]
    fn contacts_by_hand() {
        let counted = |queue: &str, time: &str, is_handled, handle_time: Option<Ms>| Counted {
            queue: queue.to_owned(),
            channel: "calls",
            start: on(time),
            is_handled,
            handle_time,
        };
        let all = [
            counted("Müller, \"A\" & B", "09:14:59.999", true, Some(100_500)),
            counted("Müller, \"A\" & B", "09:00:00", true, Some(60_000)),
            counted("Müller, \"A\" & B", "09:15:00", false, None),
            counted("Back", "09:20:00", true, None),
            counted("Back", "10:00:00", true, None),
        ];
        let expected = "queue,channel,start,offered,handled,handle_time\n\
            Back,calls,2024-03-05T09:15:00Z,1,1,\n\
            \"Müller, \"\"A\"\" & B\",calls,2024-03-05T09:00:00Z,2,2,160.5\n\
            \"Müller, \"\"A\"\" & B\",calls,2024-03-05T09:15:00Z,1,0,0\n";
        assert_eq!(contact_table(&all, on("09:00:00"), on("10:00:00")), expected);
    }

    fn told(status: &str, start: &str, end: &str) -> Told {
        let end = (!end.is_empty()).then(|| on(end));
        Told { agent: "amy".to_owned(), status: status.to_owned(), start: on(start), end }
    }

    #[test]
    fn the_shortest_state_counts() {
        let all = [
            told("Login", "08:00:00", "12:00:00"),
            told("Ready", "13:00:00", "13:00:05"),
            told("Inbound", "13:00:00", "13:03:00"),
            told("On Call", "09:00:00", "09:30:00"),
            told("Hold", "09:10:00", "09:11:00"),
            told("Away", "14:00:00", ""),
            told("Nothing", "08:30:00", "08:30:00"),
        ];
        let expected = "agent,activity,start,end\n\
            amy,Away,2024-03-05T14:00:00Z,\n\
            amy,Hold,2024-03-05T09:10:00Z,2024-03-05T09:11:00Z\n\
            amy,Inbound,2024-03-05T13:00:05Z,2024-03-05T13:03:00Z\n\
            amy,Login,2024-03-05T08:00:00Z,2024-03-05T09:00:00Z\n\
            amy,Login,2024-03-05T09:30:00Z,2024-03-05T12:00:00Z\n\
            amy,On Call,2024-03-05T09:00:00Z,2024-03-05T09:10:00Z\n\
            amy,On Call,2024-03-05T09:11:00Z,2024-03-05T09:30:00Z\n\
            amy,Ready,2024-03-05T13:00:00Z,2024-03-05T13:00:05Z\n";
        assert_eq!(status_table(&all, on("00:00:00"), on("20:00:00"), on("14:20:00")), expected);
        let times = status_time_table(&all, on("09:00:00"), on("09:15:00"), on("14:20:00"));
        let expected = "agent,activity,start,seconds\n\
            amy,Hold,2024-03-05T09:00:00Z,60\namy,On Call,2024-03-05T09:00:00Z,840\n";
        assert_eq!(times, expected);
    }

    #[test]
    fn an_open_state_ends_at_the_next_start() {
        let all = [told("Ready", "09:00:00", ""), told("Away", "09:10:00", ""), told("Ready", "08:00:00", "08:05:00")];
        let table = status_table(&all, on("09:05:00"), on("10:00:00"), on("09:20:00"));
        let expected = "agent,activity,start,end\n\
            amy,Away,2024-03-05T09:10:00Z,\namy,Ready,2024-03-05T09:05:00Z,2024-03-05T09:10:00Z\n";
        assert_eq!(table, expected);
    }
}
