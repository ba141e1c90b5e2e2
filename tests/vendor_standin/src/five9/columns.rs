//! How rows become the cells of a report, and those CSV.

use super::Settings;
use super::rows::{CallRow, StateRow};
use crate::ledger::Agent;
use crate::time::{Ms, SECOND, hms};

/// The columns of the standard report `Call Log`, in order.
pub(super) const CALL_LOG: [&str; 25] = [
    "CALL ID",
    "TIMESTAMP",
    "CAMPAIGN",
    "CALL TYPE",
    "AGENT",
    "AGENT NAME",
    "DISPOSITION",
    "ANI",
    "CUSTOMER NAME",
    "DNIS",
    "CALL TIME",
    "BILL TIME (ROUNDED)",
    "COST",
    "IVR TIME",
    "QUEUE WAIT TIME",
    "RING TIME",
    "TALK TIME",
    "HOLD TIME",
    "PARK TIME",
    "AFTER CALL WORK TIME",
    "TRANSFERS",
    "CONFERENCES",
    "HOLDS",
    "ABANDONED",
    "RECORDINGS",
];

/// The columns of `Agent State Details` as public samples show them.
pub(super) const AGENT_STATES: [&str; 6] = ["AGENT", "DATE", "TIME", "STATE", "REASON CODE", "AGENT STATE TIME"];

/// A cell of the call log; a column that is not known is empty.
pub(super) fn call(row: &CallRow, column: &str, settings: &Settings) -> String {
    let length = |length: Ms| {
        if length == 0 && settings.blank_zero_durations { String::new() } else { hms(length) }
    };
    // In steps of half a minute, at two cents a minute.
    let bill = (row.call_time() + 30 * SECOND - 1) / (30 * SECOND) * 30;
    let local = settings.zone.local(row.at);
    match column {
        "CALL ID" => row.id.to_string(),
        "TIMESTAMP" => local.format("%a, %d %b %Y %H:%M:%S").to_string(),
        "DATE" => local.format("%Y/%m/%d").to_string(),
        "TIME" => local.format("%H:%M:%S").to_string(),
        "CAMPAIGN" => none(&row.campaign),
        "SKILL" => row.skill.clone().unwrap_or_else(|| settings.no_skill.clone()),
        "CALL TYPE" => row.call_type.to_owned(),
        "AGENT" => row.agent.as_ref().map_or("[None]", |(user, _)| user).to_owned(),
        "AGENT NAME" => row.agent.as_ref().map_or("", |(_, name)| name).to_owned(),
        "DISPOSITION" => row.disposition.clone(),
        "ANI" => row.caller.clone(),
        "CUSTOMER NAME" => row.customer.clone(),
        "DNIS" => row.called.clone(),
        "CALL TIME" => length(row.call_time()),
        "BILL TIME (ROUNDED)" => length(bill * SECOND),
        "COST" => format!("{}.{:02}", bill / 30 / 100, bill / 30 % 100),
        "IVR TIME" => length(row.ivr),
        "QUEUE WAIT TIME" => length(if row.is_callback { 0 } else { row.wait }),
        "QUEUE CALLBACK WAIT TIME" => length(if row.is_callback { row.wait } else { 0 }),
        "RING TIME" => length(row.ring),
        "TALK TIME" if settings.talk_contains_hold => length(row.talk + row.hold),
        "TALK TIME" => length(row.talk),
        "HOLD TIME" => length(row.hold),
        "PARK TIME" => length(0),
        "AFTER CALL WORK TIME" => length(row.wrap),
        "HANDLE TIME" => length(row.handle_time()),
        "TRANSFERS" => row.transfers.to_string(),
        "CONFERENCES" => row.conferences.to_string(),
        "HOLDS" => usize::from(row.hold > 0).to_string(),
        "ABANDONED" if row.is_abandoned => "1".to_owned(),
        "ABANDONED" => settings.not_abandoned.clone(),
        "CALLS" => "1".to_owned(),
        _ => String::new(),
    }
}

fn none(name: &str) -> String {
    if name.is_empty() { "[None]" } else { name }.to_owned()
}

/// A cell of the agent states; a column that is not known is empty.
pub(super) fn state(row: &StateRow, column: &str, agents: &[Agent], settings: &Settings) -> String {
    let local = settings.zone.local(row.at);
    let agent = &agents[row.agent];
    match column {
        "AGENT" => row.user.clone(),
        "AGENT ID" => agent.number.clone(),
        "AGENT NAME" => agent.full_name(),
        "AGENT FIRST NAME" => agent.first.clone(),
        "AGENT LAST NAME" => agent.last.clone(),
        "AGENT GROUP" => "Everybody".to_owned(),
        "TIMESTAMP" => local.format("%a, %d %b %Y %H:%M:%S").to_string(),
        "DATE" => local.format("%Y/%m/%d").to_string(),
        "TIME" => local.format("%H:%M:%S").to_string(),
        "STATE" => row.state.to_owned(),
        "REASON CODE" => row.reason.clone(),
        "AGENT STATE TIME" => hms(row.length),
        "SKILL AVAILABILITY" if row.state == "Login" => "Billing, Sales".to_owned(),
        "MEDIA AVAILABILITY" if row.state == "Login" => "Calls, Voicemails".to_owned(),
        "CALL ID" => row.call.map_or(String::new(), |id| id.to_string()),
        "CALL TYPE" if row.call.is_some() => "Inbound".to_owned(),
        _ => String::new(),
    }
}

/// The report as CSV: a line of headers, then the rows. Quoted is what must be, as is a time stamp for its comma.
pub(super) fn csv(header: &[String], rows: &[Vec<String>], line_end: &str) -> String {
    let mut text = String::new();
    for line in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
        for (place, cell) in line.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(&crate::ledger::truth::quoted(cell));
        }
        text.push_str(line_end);
    }
    text
}
