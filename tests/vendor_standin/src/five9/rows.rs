//! The rows of the two reports, from the ledger, and what a correct import makes of them.
//!
//! A row of the call log is one segment of a call: an agent's part, or the whole of a stay that no agent took up. It is
//! written when the segment is over, after-call work included. A row of the agent states is written when the state has ended.
//! Lengths are cut to whole seconds, as the report shows them.

use std::collections::HashMap;

use super::{Grouping, Segments, SessionRows, Settings, StartsAt};
use crate::ledger::truth::{Counted, Told};
use crate::ledger::{Contact, Direction, Handling, Ledger, Pass, PassResult, Role, State};
use crate::time::{Ms, SECOND};

/// A segment of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct CallRow {
    pub(super) id: u64,
    pub(super) at: Ms,
    pub(super) campaign: String,
    pub(super) skill: Option<String>,
    pub(super) call_type: &'static str,
    /// User name and full name; none: no agent.
    pub(super) agent: Option<(String, String)>,
    pub(super) disposition: String,
    pub(super) caller: String,
    pub(super) customer: String,
    pub(super) called: String,
    pub(super) ivr: Ms,
    pub(super) wait: Ms,
    pub(super) ring: Ms,
    /// Without holds.
    pub(super) talk: Ms,
    pub(super) hold: Ms,
    pub(super) wrap: Ms,
    pub(super) transfers: usize,
    pub(super) conferences: usize,
    pub(super) is_abandoned: bool,
    pub(super) is_callback: bool,
}

impl CallRow {
    pub(super) fn call_time(&self) -> Ms {
        self.ivr + self.wait + self.ring + self.talk + self.hold + self.wrap
    }

    /// Talk, hold and after-call work.
    pub(super) fn handle_time(&self) -> Ms {
        self.talk + self.hold + self.wrap
    }
}

/// The stretch of an agent's day.
#[derive(Debug, Clone)]
pub(super) struct StateRow {
    pub(super) agent: usize,
    /// User name.
    pub(super) user: String,
    pub(super) state: &'static str,
    pub(super) reason: String,
    pub(super) at: Ms,
    pub(super) length: Ms,
    pub(super) call: Option<u64>,
}

fn cut(length: Ms) -> Ms {
    length / SECOND * SECOND
}

/// The rows of the call log that have been written by `now`, in order of time and call.
pub(super) fn calls(ledger: &Ledger, settings: &Settings, now: Ms) -> Vec<CallRow> {
    let mut rows = Vec::new();
    for contact in ledger.contacts_at(now).map(|on| on.value) {
        for place in 0..contact.passes.len() {
            segments(ledger, settings, contact, place, now, &mut rows);
        }
    }
    rows.sort_by_key(|row| (row.at, row.id));
    rows
}

fn segments(ledger: &Ledger, settings: &Settings, of: &Contact, place: usize, now: Ms, rows: &mut Vec<CallRow>) {
    let pass = &of.passes[place];
    let named =
        |name: &str| if settings.deleted.iter().any(|deleted| deleted == name) { "[Deleted]" } else { name }.to_owned();
    let base = CallRow {
        id: of.id,
        at: cut(if place == 0 { of.start } else { pass.entered }),
        campaign: named(&of.campaign),
        skill: pass.queue.map(|queue| named(&ledger.queues[queue].name)),
        call_type: call_type(of, pass),
        disposition: match pass.result {
            PassResult::Abandoned => "Abandon",
            PassResult::Outside => "Caller Disconnected",
            _ => "No Disposition",
        }
        .to_owned(),
        caller: of.caller.clone(),
        customer: of.customer.clone(),
        called: of.called.clone(),
        ivr: cut(if place == 0 && pass.queue.is_some() { pass.entered - of.start } else { 0 }),
        wait: cut(pass.wait),
        is_abandoned: pass.result == PassResult::Abandoned,
        is_callback: pass.is_callback,
        ..CallRow::default()
    };
    if pass.handlings.is_empty() {
        if pass.left() <= now {
            // Without a queue the time was spent in the menus.
            let (ivr, wait) = if pass.queue.is_none() { (base.wait, 0) } else { (base.ivr, base.wait) };
            rows.push(CallRow { ivr, wait, ..base });
        }
        return;
    }
    let is_last_pass = place + 1 == of.passes.len();
    let with = |role| pass.handlings.iter().filter(|handling| handling.role == role).count();
    for (turn, handling) in pass.handlings.iter().enumerate().filter(|(_, handling)| handling.end() <= now) {
        let is_first = turn == 0;
        let hands_on = usize::from(!is_last_pass && turn + 1 == pass.handlings.len());
        let row = CallRow {
            transfers: hands_on + if is_first { with(Role::Transfer) } else { 0 },
            conferences: if is_first { with(Role::Conference) } else { 0 },
            ..agent_part(ledger, &base, handling)
        };
        let is_apart = handling.role == Role::Consult;
        rows.push(match (is_first, is_apart) {
            (true, _) => row,
            (false, false) => CallRow { at: cut(handling.offered), ivr: 0, wait: 0, ..row },
            (false, true) => {
                CallRow { at: cut(handling.offered), ivr: 0, wait: 0, call_type: "Internal", skill: None, ..row }
            }
        });
    }
}

fn agent_part(ledger: &Ledger, base: &CallRow, handling: &Handling) -> CallRow {
    let agent = &ledger.agents[handling.agent];
    let removed = || ("[Deleted]".to_owned(), String::new());
    CallRow {
        agent: Some(if agent.is_removed { removed() } else { (agent.user.clone(), agent.full_name()) }),
        disposition: handling.disposition.clone(),
        ring: cut(handling.ring),
        talk: cut(handling.talk),
        hold: cut(handling.hold),
        wrap: cut(handling.wrap),
        ..base.clone()
    }
}

fn call_type(contact: &Contact, pass: &Pass) -> &'static str {
    match contact.direction {
        Direction::Outbound => "Manual",
        Direction::Internal => "Internal",
        Direction::Inbound if pass.is_callback => "Queue Callback",
        Direction::Inbound => "Inbound",
    }
}

/// The rows of the agent states that have been written by `now`, by user name and time.
pub(super) fn states(ledger: &Ledger, settings: &Settings, now: Ms) -> Vec<StateRow> {
    let mut rows = Vec::new();
    for state in ledger.states_at(now).map(|on| on.value) {
        let agent = &ledger.agents[state.agent];
        let name = match state.state {
            State::Session => "Login",
            State::Ready => "Ready",
            State::NotReady => "Not Ready",
            State::Ringing => "Ringing",
            State::OnCall => "On Call",
            State::Hold => "On Hold",
            State::Wrap => "After Call Work",
            State::LoggedOut => "Logout",
        };
        let is_event = matches!(state.state, State::Session | State::LoggedOut);
        let end =
            if is_event && settings.session_rows == SessionRows::Instants { Some(state.start) } else { state.end };
        if let Some(end) = end.filter(|end| *end <= now) {
            rows.push(StateRow {
                agent: state.agent,
                user: if agent.is_removed { "[Deleted]".to_owned() } else { agent.user.clone() },
                state: name,
                reason: match state.state {
                    State::NotReady if state.reason.is_empty() => "No Reason".to_owned(),
                    _ => state.reason.clone(),
                },
                at: cut(state.start),
                length: cut(end) - cut(state.start),
                call: state.contact,
            });
        }
    }
    rows.sort_by(|one, other| (&one.user, one.agent, one.at).cmp(&(&other.user, other.agent, other.at)));
    rows
}

/// The contacts in rows of the call log.
///
/// - The key is the skill or the campaign, by the grouping; a row without it (`[None]`) counts nowhere.
/// - Calls that the centre makes and talk between agents are not offered to a queue. An agent's part in an offered call is a part
///   of it whatever its type.
/// - [`Segments::Joined`]: rows of one call that follow one another with the same key are one contact, which starts with the first.
/// - Handled is a row with an agent and `TALK TIME` above zero; handle time is talk, hold and after-call work of such rows.
pub(super) fn counted(rows: &[CallRow], settings: &Settings, grouping: Grouping) -> Vec<Counted> {
    let mut all: Vec<Counted> = Vec::new();
    // The place of each call's last contact.
    let mut last: HashMap<u64, usize> = HashMap::new();
    for row in rows {
        let key = match grouping {
            Grouping::Skill => row.skill.clone(),
            Grouping::Campaign => Some(row.campaign.clone()).filter(|campaign| !campaign.is_empty()),
        };
        let Some(key) = key else { continue };
        let talk = if settings.talk_contains_hold { row.talk + row.hold } else { row.talk };
        let is_handled = row.agent.is_some() && talk > 0;
        let time = if is_handled { row.handle_time() } else { 0 };
        let before = last.get(&row.id).map(|place| &mut all[*place]);
        match before {
            Some(before) if before.queue == key && settings.segments == Segments::Joined => {
                before.is_handled |= is_handled;
                before.handle_time = Some(before.handle_time.unwrap_or(0) + time);
            }
            _ if matches!(row.call_type, "Manual" | "Internal") => {}
            _ => {
                let start = row.at + if settings.starts_at == StartsAt::Queue { row.ivr } else { 0 };
                let handle_time = Some(time);
                last.insert(row.id, all.len());
                all.push(Counted { queue: key, channel: "calls", start, is_handled, handle_time });
            }
        }
    }
    all
}

/// The states in rows of the agent states.
pub(super) fn told(rows: &[StateRow], settings: &Settings) -> Vec<Told> {
    let told = |row: &StateRow| Told {
        agent: row.user.clone(),
        status: settings.naming.name(row.state, &row.reason),
        start: row.at,
        end: Some(row.at + row.length),
    };
    rows.iter().map(told).collect()
}
