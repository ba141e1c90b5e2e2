//! `/api/v2/analytics/users/details/query`: presences and routing statuses, page by page.
//!
//! Records are stored by user and [stretch of time](super::Settings::stored_by), by default a day in UTC. An entry of the answer is
//! what is stored for one user and one stretch, so users come on several pages, and a record that spans stretches comes once in each,
//! the same every time. Pages are short because such repetitions are counted before they are dropped: with
//! [`has_short_pages`](super::Settings::has_short_pages) the first of every three pages holds a row less than asked for, never none while
//! others follow, and `totalHits` counts those rows too.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Service;
use super::agents::{self, Line, Record};
use super::body::{self, USERS};
use super::refusal::Refusal;
use super::shape::Object;
use crate::ledger::AgentIx;
use crate::serve::{Answer, Request};
use crate::time::{Ms, iso_millis};

/// The filters that make longer intervals possible.
pub(super) const FILTERS: [&str; 3] = ["userFilters", "presenceFilters", "routingStatusFilters"];

/// What is stored for a user and a stretch of time.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) agent: AgentIx,
    pub(super) line: Line,
}

impl Service {
    pub(super) fn users_query(&self, request: &Request) -> Result<Answer, Refusal> {
        let body = body::read(&request.body, USERS)?;
        let interval = self.users_interval(&body)?;
        let (size, page) = body::paging(&body, self.settings.largest_page)?;
        let entries = self.user_details(&body, interval, self.seen(request.at))?;
        let has_ghost = |page: usize| self.settings.has_short_pages && size > 1 && page % 3 == 1;
        let (mut first, mut ghosts) = (0, 0);
        for number in 1..page {
            first += size - usize::from(has_ghost(number));
        }
        let count = size - usize::from(has_ghost(page));
        let (mut number, mut rest) = (1, entries.len());
        while rest > 0 {
            ghosts += usize::from(has_ghost(number));
            rest = rest.saturating_sub(size - usize::from(has_ghost(number)));
            number += 1;
        }
        let shown = entries.iter().skip(first).take(count).map(|entry| self.entry_json(entry)).collect();
        let answer = Object::new()
            .list_or_nothing("userDetails", shown, self.settings.omits_empty)
            .number("totalHits", entries.len() + ghosts);
        Ok(Answer::json(200, answer.done()))
    }

    pub(super) fn users_interval(&self, body: &Value) -> Result<(Ms, Ms), Refusal> {
        let interval = body::interval(body)?;
        let settings = &self.settings;
        let is_filtered = body::is_filtered(body, &FILTERS);
        body::pass_length(
            interval,
            if is_filtered { settings.longest_users_filtered } else { settings.longest_users },
        )?;
        Ok(interval)
    }

    /// What is stored about an interval, by stretch and user.
    pub(super) fn user_details(&self, body: &Value, (from, to): (Ms, Ms), seen: Ms) -> Result<Vec<Entry>, Refusal> {
        let ledger = self.world.ledger();
        let mut wanted = BTreeSet::new();
        for agent in 0..ledger.agents.len() {
            let id = agents::user_id(agent);
            if body::passes(&body["userFilters"], &["userId"], &|_| vec![id.as_str()])? {
                wanted.insert(agent);
            }
        }
        let lines = agents::lines(&ledger, &self.settings, seen, Some(&wanted));
        let presence = |place: &usize, name: &str| {
            let of = &self.settings.presences[*place];
            vec![if name == "systemPresence" { of.system } else { of.id.as_str() }]
        };
        let step = self.settings.stored_by;
        let mut entries = Vec::new();
        let mut stretch = from.div_euclid(step) * step;
        while stretch < to {
            let (begin, end) = (stretch.max(from), (stretch + step).min(to));
            for (agent, line) in &lines {
                let known = ["systemPresence", "organizationPresenceId"];
                let presences = chosen(&line.presences, begin, end, &body["presenceFilters"], &known, &presence)?;
                let status = |status: &&'static str, _: &str| vec![*status];
                let filters = &body["routingStatusFilters"];
                let routing = chosen(&line.routing, begin, end, filters, &["routingStatus"], &status)?;
                if !presences.is_empty() || !routing.is_empty() {
                    entries.push(Entry { agent: *agent, line: Line { presences, routing } });
                }
            }
            stretch += step;
        }
        if body["order"] == "desc" {
            entries.reverse();
        }
        Ok(entries)
    }

    pub(super) fn entry_json(&self, of: &Entry) -> String {
        let presences = of.line.presences.iter().map(|record| {
            let presence = &self.settings.presences[record.value];
            let object = Object::new().date("startTime", record.start).maybe_date("endTime", record.end);
            object.text("systemPresence", presence.system).text("organizationPresenceId", &presence.id).done()
        });
        let routing = of.line.routing.iter().map(|record| {
            let object = Object::new().date("startTime", record.start);
            object.maybe("endTime", record.end.map(iso_millis).as_deref()).text("routingStatus", record.value).done()
        });
        let omits = self.settings.omits_empty;
        Object::new()
            .text("userId", &agents::user_id(of.agent))
            .list_or_nothing("primaryPresence", presences.collect(), omits)
            .list_or_nothing("routingStatus", routing.collect(), omits)
            .done()
    }
}

fn chosen<'v, T: Copy>(
    records: &[Record<T>],
    from: Ms,
    to: Ms,
    filters: &Value,
    known: &[&str],
    dimension: &dyn Fn(&T, &str) -> Vec<&'v str>,
) -> Result<Vec<Record<T>>, Refusal> {
    body::passes(filters, known, &|_| Vec::new())?;
    let mut chosen = Vec::new();
    for record in records.iter().filter(|record| record.touches(from, to)) {
        if body::passes(filters, known, &|name| dimension(&record.value, name))? {
            chosen.push(*record);
        }
    }
    Ok(chosen)
}
