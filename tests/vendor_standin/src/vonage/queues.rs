//! `/stats/queue-times`: one item for each time that an interaction was in a queue; and what a correct import counts.

use super::pages::Item;
use super::{Grouping, Service, Settings, date, length, medium, refused};
use crate::json::{array, object, or_null, text};
use crate::ledger::truth::Counted;
use crate::ledger::{Contact, Ledger, Pass, PassResult, Queue};
use crate::serve::{Answer, Request};
use crate::time::Ms;

impl Service {
    pub(super) fn queue_times(&self, request: &Request) -> Result<Answer, Answer> {
        let (range, seen) = (self.range(request)?, self.seen(request.at));
        let asked = request.query.get("queueType").map_or("ACD", String::as_str);
        if !["ACD", "Virtual", "All"].contains(&asked) {
            return Err(refused(400, "\"queueType\" must be one of [ACD, Virtual, All]"));
        }
        let names: Option<Vec<&str>> = request.query.get("queues").map(|names| names.split(',').collect());
        let ledger = self.world.ledger();
        let mut items = Vec::new();
        for on in ledger.contacts_at(seen) {
            for pass in on.value.passes.iter().filter(|pass| pass.entered <= seen) {
                let Some(queue) = pass.queue.map(|queue| &ledger.queues[queue]) else { continue };
                let is_named = names.as_ref().is_none_or(|names| names.contains(&queue.name.as_str()));
                if !is_named || (asked != "All" && asked != queue_type(&self.settings, pass)) {
                    continue;
                }
                items.push(Item {
                    start: pass.entered,
                    end: Some(pass.left()).filter(|left| *left <= seen),
                    changes: on.news([pass.entered, pass.left()], seen),
                    order: format!("{}\0{}", queue.name, on.value.guid),
                    json: Box::new(move || item(&self.settings, on.value, pass, queue, seen)),
                });
            }
        }
        self.ranged(request, &range, items)
    }
}

fn queue_type(settings: &Settings, pass: &Pass) -> &'static str {
    if pass.is_callback && settings.has_virtual_callbacks { "Virtual" } else { "ACD" }
}

fn item(settings: &Settings, contact: &Contact, pass: &Pass, queue: &Queue, seen: Ms) -> String {
    let (medium, manager) = medium(contact);
    let outcome = match &pass.result {
        PassResult::Answered => ("Answered", "Delivered"),
        PassResult::Abandoned | PassResult::Outside => ("Abandoned", "Abandoned"),
        PassResult::BrokeOut(reason) => ("Breakout", *reason),
    };
    let outcome = (pass.left() <= seen).then_some(outcome);
    object(&[
        ("start", date(pass.entered)),
        ("interactionGuid", text(&contact.guid)),
        ("medium", text(medium)),
        ("mediumManager", text(manager)),
        ("interactionPlan", text(&queue.plan)),
        ("queue", text(&queue.name)),
        ("type", text(queue_type(settings, pass))),
        ("presentedSkills", array(queue.skills.iter().map(|skill| text(skill)))),
        ("category", or_null(outcome, |(category, _)| text(category))),
        ("reason", or_null(outcome, |(_, reason)| text(reason))),
        ("duration", length(pass.entered, pass.left(), seen)),
        ("targets", object(&[("targetTimeToAnswer", queue.target.to_string())])),
        ("party", object(&[("role", text("External"))])),
    ])
}

/// The contacts known at an instant.
///
/// - A contact is an item of `/stats/queue-times`; it counts where the queue was entered, also while it waits. Items of virtual
///   queues and breakouts count by [`Settings::counts_virtual`] and [`Settings::counts_breakouts`].
/// - Handled is `Answered`. Handle time is connected, hold and wrap of the agents who followed, until the interaction ends or enters
///   another queue; of agents who are still at it nothing is known. A call back has none.
pub(super) fn counted(ledger: &Ledger, settings: &Settings, grouping: Grouping, seen: Ms) -> Vec<Counted> {
    let mut all = Vec::new();
    for contact in ledger.contacts_at(seen).map(|on| on.value) {
        // What was dialled, and what is reported with it, belongs to the interaction, wherever it is moved.
        let dialled = contact.passes.iter().find_map(|pass| pass.queue).map(|queue| &ledger.queues[queue]);
        for pass in contact.passes.iter().filter(|pass| pass.entered <= seen) {
            let Some(queue) = pass.queue.map(|queue| &ledger.queues[queue]) else { continue };
            let is_virtual = queue_type(settings, pass) == "Virtual";
            let is_breakout = matches!(pass.result, PassResult::BrokeOut(_)) && pass.left() <= seen;
            if (is_virtual && !settings.counts_virtual) || (is_breakout && !settings.counts_breakouts) {
                continue;
            }
            let done = || pass.handlings.iter().filter(|part| part.end() <= seen);
            let is_measured = !pass.is_callback && done().next().is_some();
            all.push(Counted {
                queue: match grouping {
                    Grouping::Queue => queue.name.clone(),
                    Grouping::Service => dialled.unwrap_or(queue).service.clone(),
                    Grouping::Plan => queue.plan.clone(),
                    Grouping::ReportingGroup => dialled.unwrap_or(queue).group.clone(),
                    Grouping::Skills => queue.skills.join(","),
                },
                channel: contact.channel.text(),
                start: pass.entered,
                is_handled: pass.result == PassResult::Answered && pass.left() <= seen,
                handle_time: is_measured.then(|| done().map(|part| part.handle_time()).sum()),
            });
        }
    }
    all
}
