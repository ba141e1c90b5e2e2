//! The working days of one simulated agent, and the states that come of them.

use super::{AgentIx, AgentState, Handling, State};
use crate::time::{DAY, MINUTE, Ms};

/// When an agent works, and what was done so far.
pub(super) struct Desk {
    /// Stretches of work: from login to logout.
    pub(super) shifts: Vec<(Ms, Ms)>,
    /// Breaks within them, with the reason.
    pub(super) breaks: Vec<(Ms, Ms, &'static str)>,
    pub(super) free: Ms,
    pub(super) handled: Vec<(u64, Handling)>,
}

impl Desk {
    /// The first instant from `at` on at which the agent can take a contact.
    pub(super) fn earliest(&self, at: Ms) -> Option<Ms> {
        let mut at = at.max(self.free);
        let (from, to) = *self.shifts.iter().find(|(_, to)| at < *to)?;
        at = at.max(from);
        for (from, to, _) in &self.breaks {
            if (*from..*to).contains(&at) {
                at = *to;
            }
        }
        (at < to - MINUTE).then_some(at)
    }
}

/// The states of an agent, from what was handled.
pub(super) fn states(agent: AgentIx, mut desk: Desk, first: Ms) -> Vec<AgentState> {
    desk.handled.sort_by_key(|(_, handling)| handling.offered);
    let mut states = Vec::new();
    let mut put = |state, reason: &str, start: Ms, end: Ms, contact| {
        if start < end {
            states.push(AgentState { agent, state, reason: reason.to_owned(), start, end: Some(end), contact });
        }
    };
    // Signed out since long before.
    let mut cursor = first - 30 * DAY;
    let mut handled = desk.handled.iter().peekable();
    for (login, logout) in &desk.shifts {
        put(State::LoggedOut, "", cursor, *login, None);
        cursor = *login;
        let mut breaks = desk.breaks.iter().filter(|(from, _, _)| (login..logout).contains(&from)).peekable();
        loop {
            let pause = breaks.peek().map(|(from, _, _)| *from);
            let offer = handled.peek().map(|(_, handling)| handling.offered).filter(|at| at < logout);
            match (pause, offer) {
                (Some(pause), offer) if offer.is_none_or(|offer| pause <= offer) => {
                    let Some((from, to, reason)) = breaks.next() else { break };
                    let from = cursor.max(*from);
                    if from < *to {
                        put(State::Ready, "", cursor, from, None);
                        put(State::NotReady, reason, from, *to, None);
                        cursor = *to;
                    }
                }
                (_, Some(offer)) => {
                    let Some((id, handling)) = handled.next() else { break };
                    let id = Some(*id);
                    put(State::Ready, "", cursor, offer, None);
                    put(State::Ringing, "", offer, handling.answered(), id);
                    put(State::OnCall, "", handling.answered(), handling.released(), id);
                    put(State::Hold, "", handling.held(), handling.held() + handling.hold, id);
                    put(State::Wrap, "", handling.released(), handling.end(), id);
                    cursor = handling.end();
                }
                _ => break,
            }
        }
        let end = cursor.max(*logout);
        put(State::Ready, "", cursor, end, None);
        put(State::Session, "", *login, end, None);
        cursor = end;
    }
    states.push(AgentState {
        agent,
        state: State::LoggedOut,
        reason: String::new(),
        start: cursor,
        end: None,
        contact: None,
    });
    states.sort_by_key(|state| (state.start, state.state));
    states
}
