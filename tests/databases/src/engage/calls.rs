//! What customers do: calls, e-mails and chats with their passes through queues.
//!
//! Each is a function of the seed, its day and its index alone. What lies after the end of the world is not known: an
//! e-mail that would leave its queue then is waiting.

use crate::engage::dimensions as keys;
use crate::engage::world::World;
use crate::ledger::{Channel, Contact};
use crate::random::{Random, arrival};

/// Real identifiers are about that large; more than a floating-point number holds.
pub(crate) const FIRST_ID: u64 = 230_000_000_000_000_000;

/// The key of the type of an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interaction {
    Inbound = 1,
    Outbound = 2,
    Internal = 3,
}

/// All that happens to one interaction.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) channel: Channel,
    pub(crate) kind: Interaction,
    /// The first is the one that the customer came for.
    pub(crate) passes: Vec<Pass>,
}

/// A pass through a queue.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) id: u64,
    /// The virtual queue; none for a queue of the switch.
    pub(crate) queue: Option<usize>,
    pub(crate) dbid: Option<i64>,
    /// The key that the queue had then.
    pub(crate) key: i64,
    pub(crate) consult: bool,
    pub(crate) entered: i64,
    pub(crate) end: End,
    /// The quarters whose loads wrote and changed the row.
    pub(crate) created: i64,
    pub(crate) updated: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) enum End {
    Waiting,
    Left { at: i64, how: How },
}

#[derive(Debug, Clone)]
pub(crate) enum How {
    Cleared,
    Abandoned { ringing: bool, short: bool },
    Redirected,
    Answered(Handling),
}

/// What an agent does for a contact.
#[derive(Debug, Clone)]
pub(crate) struct Handling {
    pub(crate) id: u64,
    pub(crate) agent_key: i64,
    pub(crate) answered: i64,
    pub(crate) ring: i64,
    pub(crate) talk: i64,
    pub(crate) hold: i64,
    /// After-call work.
    pub(crate) work: i64,
    pub(crate) phase: Phase,
    pub(crate) created: i64,
    pub(crate) updated: Option<i64>,
}

/// How much of the handling the database knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Talking,
    Wrapping,
    Done,
}

impl Handling {
    pub(crate) fn talked_until(&self) -> i64 {
        self.answered + self.talk + self.hold
    }
}

impl Pass {
    pub(crate) fn handling(&self) -> Option<&Handling> {
        match &self.end {
            End::Left { how: How::Answered(handling), .. } => Some(handling),
            End::Left { .. } | End::Waiting => None,
        }
    }

    pub(crate) fn descriptor(&self, how: &How) -> i64 {
        match how {
            How::Cleared => keys::CLEARED,
            How::Abandoned { ringing: true, .. } => keys::ABANDONED_RINGING,
            How::Abandoned { ringing: false, .. } => keys::ABANDONED_QUEUED,
            How::Redirected => keys::REDIRECTED,
            How::Answered(_) if self.consult => keys::CONSULT_ANSWERED,
            How::Answered(_) => keys::ANSWERED,
        }
    }

    /// The contact that this is by the usual rules, as known at an instant.
    pub(crate) fn contact(&self, kind: Interaction, as_of: i64) -> Option<Contact> {
        let End::Left { at, how } = &self.end else { return None };
        if !kind.is_inbound() || self.consult || matches!(how, How::Cleared) {
            return None;
        }
        let mut contact = Contact {
            id: self.id,
            queue: self.queue?,
            start: self.entered * 1000,
            answered: None,
            ended: Some(at * 1000),
            wrapped: None,
            abandoned: false,
            short: false,
        };
        match how {
            How::Abandoned { short, .. } => {
                contact.abandoned = true;
                contact.short = *short;
            }
            How::Answered(handling) => {
                let ended = if handling.phase == Phase::Talking { as_of } else { handling.talked_until() };
                contact.answered = Some(handling.answered * 1000);
                contact.ended = Some(ended * 1000);
                contact.wrapped = (handling.phase == Phase::Done).then_some((ended + handling.work) * 1000);
            }
            How::Cleared | How::Redirected => {}
        }
        Some(contact)
    }
}

impl Call {
    /// The contacts that this is by the usual rules, as known at an instant.
    pub(crate) fn contacts(&self, as_of: i64) -> impl Iterator<Item = Contact> {
        self.passes.iter().filter_map(move |pass| pass.contact(self.kind, as_of))
    }

    /// Whether an agent passed it on to the queue of another pass.
    pub(crate) fn transferred(&self, pass: &Pass) -> bool {
        pass.id == self.passes[0].id && self.passes.iter().any(|other| other.id == pass.id + 5)
    }
}

impl World {
    /// The call of a day and an index below the number of calls a day.
    pub(crate) fn call(&self, day: u32, index: u64) -> Call {
        let number = u64::from(day) * self.size.contacts_per_day + index;
        let mut random = Random::new(self.seed, [1, day.into(), index]);
        let queue = random.index(self.queues.len());
        let channel = self.queues[queue].channel;
        let last = day + 1 == self.size.days;
        // Calls end before the world does, but for the after-call work of some.
        let tail = last && index + 2 + self.size.contacts_per_day / 16 >= self.size.contacts_per_day;
        let length = if last && channel != Channel::Email { 77_400 } else { 86_400 };
        let since = arrival(&mut random, index, self.size.contacts_per_day, length);
        let entered = if tail && channel != Channel::Email {
            self.end() - 1200 + random.between(0, 500)
        } else {
            self.first_of(day) + since
        };
        let kind = match random.below(14) {
            _ if tail => Interaction::Inbound,
            0 => Interaction::Outbound,
            1 => Interaction::Internal,
            _ => Interaction::Inbound,
        };
        let mut call = Call { id: FIRST_ID + number * 8, channel, kind, passes: Vec::new() };
        if channel == Channel::Email {
            self.mail(&mut call, queue, entered, last && index.is_multiple_of(2), &mut random);
        } else {
            self.conversation(&mut call, queue, entered, tail, &mut random);
        }
        call
    }

    pub(crate) fn pass(&self, id: u64, queue: usize, entered: i64, left: i64, how: How) -> Pass {
        Pass {
            id,
            queue: Some(queue),
            dbid: Some(self.queues[queue].dbid),
            key: self.queue_key(queue, entered),
            consult: false,
            entered,
            end: End::Left { at: left, how },
            created: self.cycle(left),
            updated: None,
        }
    }

    /// The work of an agent from an answer on, with what is known of it at the end of the world.
    pub(crate) fn handling(&self, id: u64, answered: i64, lengths: [i64; 4], random: &mut Random) -> Handling {
        let [ring, talk, hold, work] = lengths;
        let agent = random.index(self.agents.len());
        let created = self.cycle(answered + talk + hold);
        let late = if random.one_in(12) { 2 } else { 0 };
        let updated = Some(self.cycle(answered + talk + hold + work) + late).filter(|updated| *updated > created);
        let known = updated.is_none_or(|updated| updated < self.cycles());
        let agent_key = self.agent_key(agent, answered);
        let phase = if known { Phase::Done } else { Phase::Wrapping };
        Handling { id, agent_key, answered, ring, talk, hold, work, phase, created, updated: updated.filter(|_| known) }
    }

    fn conversation(&self, call: &mut Call, queue: usize, entered: i64, tail: bool, random: &mut Random) {
        let outcome = if tail { 0 } else { random.below(100) };
        let wait = match outcome {
            91..93 => random.between(0, 4),
            _ if tail => random.between(1, 60),
            _ => random.between(1, 240),
        };
        let left = entered + wait;
        let lengths = [
            random.between(2, 12),
            random.between(20, if tail { 400 } else { 900 }),
            if random.one_in(3) { random.between(5, 120) } else { 0 },
            random.between(if tail { 1 } else { 0 }, 180),
        ];
        let how = match outcome {
            82..88 => How::Abandoned { ringing: false, short: false },
            88..91 => How::Abandoned { ringing: true, short: false },
            91..93 => How::Abandoned { ringing: false, short: true },
            93..96 => How::Redirected,
            _ => {
                let mut handling = self.handling(call.id, left + lengths[0], lengths, random);
                if tail {
                    handling.phase = Phase::Wrapping;
                    handling.updated = None;
                }
                How::Answered(handling)
            }
        };
        let answered = matches!(how, How::Answered(_));
        call.passes.push(self.pass(call.id, queue, entered, left, how));
        for other in 1..=2 {
            // A strategy queues the call in several queues at once; those that lose it are cleared.
            let rival = random.index(self.queues.len());
            let known = call.passes.iter().any(|pass| pass.queue == Some(rival));
            if random.one_in(6) && !known && self.queues[rival].channel == call.channel {
                call.passes.push(self.pass(call.id + other, rival, entered, left, How::Cleared));
            }
        }
        if random.one_in(6) {
            let mut pass = self.pass(call.id + 3, queue, entered - 1, entered, How::Redirected);
            (pass.queue, pass.dbid, pass.key) = (None, None, Self::ACD_QUEUE);
            call.passes.push(pass);
        }
        if !answered || tail {
            return;
        }
        let talked_until = left + lengths[0] + lengths[1] + lengths[2];
        if random.one_in(15) {
            let asked = random.index(self.queues.len());
            let entered = left + lengths[0] + lengths[1] / 2;
            let handling = self.handling(call.id + 4, entered + 3, [3, lengths[1] / 4, 0, 0], random);
            let mut pass = self.pass(call.id + 4, asked, entered, entered, How::Answered(handling));
            pass.consult = true;
            call.passes.push(pass);
        }
        if outcome >= 96 {
            // To another queue of the channel, or once more to its own.
            let next = random.index(self.queues.len());
            let next = if self.queues[next].channel == call.channel { next } else { queue };
            let wait = random.between(1, 90);
            let lengths = [random.between(2, 12), random.between(20, 600), 0, random.between(0, 120)];
            let left = talked_until + wait;
            let handling = self.handling(call.id + 5, left + lengths[0], lengths, random);
            call.passes.push(self.pass(call.id + 5, next, talked_until, left, How::Answered(handling)));
        }
    }

    fn mail(&self, call: &mut Call, queue: usize, entered: i64, stays: bool, random: &mut Random) {
        let wait = match random.below(100) {
            0..50 => random.between(600, 14_400),
            50..85 => random.between(14_400, 86_400),
            _ => random.between(86_400, 4 * 86_400),
        };
        let left = entered + if stays { 2 * 86_400 } else { wait };
        let created = self.cycle(entered);
        let mut pass = self.pass(call.id, queue, entered, left, How::Redirected);
        pass.created = created;
        if left >= self.end() {
            pass.end = End::Waiting;
        } else {
            pass.updated = Some(self.cycle(left)).filter(|updated| *updated > created);
            if !random.one_in(20) {
                let talk = if random.one_in(6) { random.between(3600, 2 * 86_400) } else { random.between(60, 1800) };
                let mut handling = self.handling(call.id, left, [0, talk, 0, 0], random);
                handling.created = self.cycle(left);
                handling.updated =
                    Some(self.cycle(handling.talked_until())).filter(|updated| *updated > handling.created);
                handling.phase = Phase::Done;
                if handling.talked_until() >= self.end() {
                    handling.phase = Phase::Talking;
                    handling.updated = None;
                }
                pass.end = End::Left { at: left, how: How::Answered(handling) };
            }
        }
        call.passes.push(pass);
    }
}
