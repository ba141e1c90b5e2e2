//! `/stats/interactions`: contacts with the channels of their parties and what happened on these.

use super::pages::Item;
use super::{EventOffsets, Holds, Service, Settings, date, direction, length, medium, refused};
use crate::json::{array, object, or_null, text};
use crate::ledger::{Contact, Handling, Ledger, OnRecord, PassResult};
use crate::serve::{Answer, Request};
use crate::time::{Ms, SECOND};

/// How long after its end an interaction gets its outcome.
const CATEGORIZED: Ms = 2 * SECOND;

impl Service {
    pub(super) fn interactions(&self, request: &Request) -> Result<Answer, Answer> {
        let (range, seen) = (self.range(request)?, self.seen(request.at));
        let ledger = self.world.ledger();
        let known = ledger.contacts_at(seen).filter(|on| on.value.start <= seen);
        let items = known.map(|on| Item {
            start: on.value.start,
            end: Some(on.value.end()).filter(|end| *end <= seen),
            changes: changes(&on, seen),
            order: on.value.guid.clone(),
            json: Box::new(|| interaction(&ledger, &self.settings, on.value, seen)),
        });
        self.ranged(request, &range, items.collect())
    }

    pub(super) fn ongoing(&self, request: &Request) -> Result<Answer, Answer> {
        let seen = self.seen(request.at);
        let ledger = self.world.ledger();
        let mut all: Vec<&Contact> = ledger.contacts_at(seen).map(|on| on.value).collect();
        all.retain(|contact| (contact.start..contact.end()).contains(&seen));
        all.sort_by_key(|contact| contact.start);
        let all = all.into_iter().map(|contact| interaction(&ledger, &self.settings, contact, seen));
        super::pages::paged(request, "items", all.collect(), Some(seen))
    }

    pub(super) fn interaction(&self, request: &Request, guid: &str) -> Result<Answer, Answer> {
        let seen = self.seen(request.at);
        let ledger = self.world.ledger();
        let found = ledger.contacts_at(seen).find(|on| on.value.guid == guid && on.value.start <= seen);
        let contact = found.ok_or_else(|| refused(404, "Interaction not found"))?.value;
        Ok(Answer::json(200, interaction(&ledger, &self.settings, contact, seen)))
    }
}

/// When something happened to a contact, up to an instant.
fn changes(on: &OnRecord<'_, Contact>, seen: Ms) -> Vec<Ms> {
    let contact = on.value;
    let mut all = vec![contact.start, contact.end(), contact.end() + CATEGORIZED];
    for pass in &contact.passes {
        all.extend([pass.entered, pass.left()]);
        all.extend(pass.handlings.iter().flat_map(|part| [part.answered(), part.released(), part.end()]));
    }
    on.news(all, seen)
}

/// An interaction as it is known at an instant.
pub(super) fn interaction(ledger: &Ledger, settings: &Settings, contact: &Contact, seen: Ms) -> String {
    let end = contact.end();
    let (medium, manager) = medium(contact);
    let queue = contact.passes.iter().find_map(|pass| pass.queue).map(|queue| &ledger.queues[queue]);
    let is_handled = contact.passes.iter().any(|pass| pass.result == PassResult::Answered);
    let categorized = Some(end + CATEGORIZED).filter(|at| *at <= seen);
    let plan = or_null(queue, |queue| text(&queue.plan));
    let mapping = object(&[
        ("addressName", text("Main")),
        ("mappingName", text("Day")),
        ("interactionPlanName", plan),
        ("reportingGroup", or_null(queue, |queue| text(&queue.group))),
    ]);
    object(&[
        ("guid", text(&contact.guid)),
        ("conversationGuid", text(&contact.conversation)),
        ("status", text(if end <= seen { "Completed" } else { "Ongoing" })),
        ("medium", text(medium)),
        ("mediumManager", text(manager)),
        ("start", date(contact.start)),
        ("duration", length(contact.start, end, seen)),
        ("direction", text(direction(contact))),
        ("serviceName", or_null(queue, |queue| text(&queue.service))),
        ("connectTo", text(&contact.called)),
        ("connectFrom", text(&contact.caller)),
        ("categorizedAt", or_null(categorized, date)),
        ("outcome", or_null(categorized.filter(|_| is_handled), |_| text("Handled by agent"))),
        ("interactionPlanMapping", mapping),
        ("channels", channels(ledger, settings, contact, seen)),
    ])
}

fn channels(ledger: &Ledger, settings: &Settings, contact: &Contact, seen: Ms) -> String {
    let party = [("id", "null".to_owned()), ("role", text("External")), ("touchpoint", text(&contact.caller))];
    let mut all = vec![channel(
        settings,
        contact,
        1,
        (contact.start, contact.end()),
        &party,
        seen,
        queue_events(ledger, contact),
    )];
    let passes = contact.passes.iter().filter(|pass| !pass.is_callback);
    for handling in passes.flat_map(|pass| &pass.handlings).filter(|handling| handling.offered <= seen) {
        let agent = &ledger.agents[handling.agent];
        let party = [("id", text(&agent.number)), ("role", text("Agent")), ("touchpoint", text(&agent.extension))];
        let times = (handling.offered, handling.end());
        let number = all.len() + 1;
        all.push(channel(settings, contact, number, times, &party, seen, agent_events(settings, handling)));
    }
    array(all)
}

/// What happened on a channel: type, from when to when, name and properties.
type Event = (&'static str, Ms, Ms, Option<String>, Option<String>);

fn channel(
    settings: &Settings,
    contact: &Contact,
    number: usize,
    (start, end): (Ms, Ms),
    party: &[(&str, String)],
    seen: Ms,
    events: Vec<Event>,
) -> String {
    let base = match settings.event_offsets {
        EventOffsets::FromInteraction => contact.start,
        EventOffsets::FromChannel => start,
    };
    let events = events.into_iter().filter(|(_, from, ..)| *from <= seen).map(|(kind, from, to, name, properties)| {
        object(&[
            ("type", text(kind)),
            ("offset", (from - base).to_string()),
            ("name", or_null(name, |name| text(&name))),
            ("duration", length(from, to, seen)),
            ("properties", or_null(properties, |properties| properties)),
        ])
    });
    object(&[
        ("guid", text(&channel_guid(settings, contact, number))),
        ("offset", (start - contact.start).to_string()),
        ("duration", length(start, end, seen)),
        ("endReason", or_null((end <= seen).then_some("Released"), text)),
        ("integrationType", "null".to_owned()),
        ("party", object(party)),
        ("events", array(events)),
    ])
}

pub(super) fn channel_guid(settings: &Settings, contact: &Contact, number: usize) -> String {
    if settings.has_short_channel_ids { format!("ch-{number}") } else { format!("{}-ch-{number}", contact.guid) }
}

fn queue_events(ledger: &Ledger, contact: &Contact) -> Vec<Event> {
    let queued = contact.passes.iter().filter_map(|pass| Some((pass, &ledger.queues[pass.queue?])));
    let event = queued.map(|(pass, queue)| {
        let skills = array(queue.skills.iter().map(|skill| text(skill)));
        let properties = object(&[("interactionPlan", text(&queue.plan)), ("presentedSkills", skills)]);
        ("Queue", pass.entered, pass.left(), Some(queue.name.clone()), Some(properties))
    });
    event.collect()
}

fn agent_events(settings: &Settings, part: &Handling) -> Vec<Event> {
    let (held, resumed) = (part.held(), part.held() + part.hold);
    let mut events = vec![("Ringing", part.offered, part.answered())];
    match settings.holds {
        Holds::Between if part.hold > 0 => events.extend([
            ("Connected", part.answered(), held),
            ("Hold", held, resumed),
            ("Connected", resumed, part.released()),
        ]),
        Holds::Inside if part.hold > 0 => {
            events.extend([("Connected", part.answered(), part.released()), ("Hold", held, resumed)]);
        }
        _ => events.push(("Connected", part.answered(), part.released())),
    }
    if part.wrap > 0 {
        events.push(("Wrap", part.released(), part.end()));
    }
    events.into_iter().map(|(kind, from, to)| (kind, from, to, None, None)).collect()
}
