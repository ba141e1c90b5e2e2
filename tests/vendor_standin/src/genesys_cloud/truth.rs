//! What a correct import comes to, added up from the ledger the plain way.
//!
//! Attribution is the vendor's: a contact is *offered* where it enters the queue, *handled* (with its wait, and within the service level or
//! not) where an agent answers, *abandoned* where it gives up, and its *handle time* lies where each agent's after-call work ends. A
//! handle time is counted per agent, so its number may differ from that of the handled.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::agents::{agent_name, shown, spelled, without_queue};
use super::settings::Settings;
use crate::ledger::truth::{INTERVAL, Told, quoted};
use crate::ledger::{Channel, Direction, Ledger, PassResult, State};
use crate::time::{Ms, rfc3339, seconds};

/// What happened in one queue in a quarter of an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// How many entered the queue.
    pub offered: u64,
    /// How many were answered.
    pub handled: u64,
    /// How long agents were busy with those whose after-call work ended.
    pub handle_time: Ms,
    /// How many these were, counted by agent.
    pub handle_number: u64,
    /// How many gave up.
    pub abandoned: u64,
    /// How long the answered had waited.
    pub wait_time: Ms,
    /// How many of the answered had not waited longer than they should.
    pub within: u64,
}

/// Queue, its name, channel and start of the interval.
pub type Place = (String, String, &'static str, Ms);

/// All queues and intervals in which something happened.
pub(super) fn measured(ledger: &Ledger, settings: &Settings, seen: Ms) -> BTreeMap<Place, Measured> {
    let mut all: BTreeMap<Place, Measured> = BTreeMap::new();
    for contact in ledger.contacts_at(seen).map(|on| on.value) {
        if contact.direction != Direction::Inbound && !settings.counts_outbound {
            continue;
        }
        let channel = if contact.channel == Channel::Cases { Channel::Emails } else { contact.channel };
        for pass in &contact.passes {
            let Some(queue) = pass.queue else { continue };
            let name = &ledger.queues[queue].name;
            let mut add = |at: Ms, add: &dyn Fn(&mut Measured)| {
                if at <= seen {
                    let start = at.div_euclid(INTERVAL) * INTERVAL;
                    let place = (format!("q-{}", queue + 1), name.clone(), channel.text(), start);
                    add(all.entry(place).or_default());
                }
            };
            add(pass.entered, &|sum| sum.offered += 1);
            if pass.result == PassResult::Abandoned {
                add(pass.left(), &|sum| sum.abandoned += 1);
            }
            if let Some(first) = pass.handlings.first().filter(|_| pass.result == PassResult::Answered) {
                let wait = first.answered() - pass.entered;
                add(first.answered(), &|sum| {
                    sum.handled += 1;
                    sum.wait_time += wait;
                    sum.within += u64::from(wait <= ledger.queues[queue].target);
                });
            }
            for handling in &pass.handlings {
                add(handling.end(), &|sum| {
                    sum.handle_time += handling.talk + handling.hold + handling.wrap;
                    sum.handle_number += 1;
                });
            }
        }
    }
    all
}

/// `queue,channel,start,offered,handled,handle_time`, as the other stand-ins' tables.
pub(super) fn contact_table(measured: &BTreeMap<Place, Measured>, from: Ms, to: Ms) -> String {
    let mut text = "queue,channel,start,offered,handled,handle_time\n".to_owned();
    for ((queue, _, channel, start), of) in measured.iter().filter(|((.., start), _)| (from..to).contains(start)) {
        // Handled, but none measured: unknown.
        let is_known = of.handled == 0 || of.handle_number > 0;
        let time = if is_known { seconds(of.handle_time) } else { String::new() };
        let (queue, start) = (quoted(queue), rfc3339(*start));
        let _ = writeln!(text, "{queue},{channel},{start},{},{},{time}", of.offered, of.handled);
    }
    text
}

/// `queue,name,channel,start` and every measure.
pub(super) fn measure_table(measured: &BTreeMap<Place, Measured>, from: Ms, to: Ms) -> String {
    let mut text =
        "queue,name,channel,start,offered,handled,handle_time,handle_number,abandoned,wait_time,wait_number,\
                    within_service_level\n"
            .to_owned();
    for ((queue, name, channel, start), of) in measured.iter().filter(|((.., start), _)| (from..to).contains(start)) {
        let _ = writeln!(
            text,
            "{},{},{channel},{},{},{},{},{},{},{},{},{}",
            quoted(queue),
            quoted(name),
            rfc3339(*start),
            of.offered,
            of.handled,
            seconds(of.handle_time),
            of.handle_number,
            of.abandoned,
            seconds(of.wait_time),
            of.handled,
            of.within
        );
    }
    text
}

/// The states by their names: the presence, or what the agent does on queue.
pub(super) fn told(ledger: &Ledger, settings: &Settings, seen: Ms) -> Vec<Told> {
    let without_queue = without_queue(ledger);
    let states = ledger.states_at(seen).map(|on| on.value);
    let states = states.filter(|state| !matches!(state.state, State::Session | State::Hold));
    let states = states.filter(|state| state.start <= seen && state.end != Some(state.start));
    let told = states.map(|state| {
        let (presence, routing) = shown(settings, &without_queue, state);
        let presence = &settings.presences[presence].label;
        let is_detailed = settings.is_detailed && routing != "OFF_QUEUE";
        Told {
            agent: agent_name(settings, ledger, state.agent),
            status: if is_detailed { format!("{presence} - {}", spelled(routing, " ")) } else { presence.clone() },
            start: state.start,
            end: state.end.filter(|end| *end <= seen),
        }
    });
    told.collect()
}
