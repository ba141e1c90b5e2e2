//! A contact of the ledger as a conversation: participants with sessions, their segments and metrics.
//!
//! The conversation is made whole, and what lies behind an instant is cut off: [`Service::conversation`], then [`Conversation::cut`]. The
//! aggregates are added up from the same metrics.
//!
//! - A pass in a queue is a participant `acd`; each handling a participant `agent`; the time before the first queue one `ivr`.
//! - Every metric has the instant at which it counts: `nOffered` the entry, `tAnswered`, `tAcd` and `tWait` the answer, `tAbandon` the
//!   abandon, `tHandle` and `tAcw` the end of after-call work.
//! - All agents of a pass, also those asked to join or for advice, work for its queue. What an agent dials has no queue, and its
//!   `tHandle` holds the ringing too.
//! - Calls are `voice`, those queued for a call back `callback`, cases `email`.

use super::Service;
use super::settings::Settings;
use crate::ledger::{Channel, Contact, Direction, Handling, Ledger, Pass, PassResult, QueueIx, Role};
use crate::time::Ms;

#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) id: String,
    pub(super) start: Ms,
    pub(super) end: Option<Ms>,
    pub(super) direction: &'static str,
    pub(super) participants: Vec<Participant>,
}

#[derive(Debug)]
pub(super) struct Participant {
    pub(super) id: String,
    pub(super) purpose: &'static str,
    pub(super) user: Option<String>,
    pub(super) session: Session,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) media: &'static str,
    pub(super) direction: &'static str,
    pub(super) metrics: Vec<Metric>,
    pub(super) segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) value: Ms,
    pub(super) at: Ms,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) start: Ms,
    pub(super) end: Option<Ms>,
    pub(super) kind: &'static str,
    pub(super) queue: Option<String>,
    pub(super) disconnect: Option<&'static str>,
    pub(super) wrap_up: Option<String>,
}

pub(super) fn queue_id(queue: QueueIx) -> String {
    format!("q-{}", queue + 1)
}

/// The kind of medium.
pub(super) fn media(settings: &Settings, channel: Channel, is_callback: bool) -> &'static str {
    match channel {
        Channel::Calls if is_callback => "callback",
        Channel::Calls => "voice",
        Channel::Chats if settings.chats_are_messages => "message",
        Channel::Chats => "chat",
        Channel::Emails | Channel::Cases => "email",
    }
}

pub(super) fn direction(contact: &Contact) -> &'static str {
    if contact.direction == Direction::Inbound { "inbound" } else { "outbound" }
}

impl Conversation {
    /// Cuts off what has not happened by an instant.
    pub(super) fn cut(mut self, seen: Ms) -> Self {
        self.end = self.end.filter(|end| *end <= seen);
        for participant in &mut self.participants {
            let session = &mut participant.session;
            session.metrics.retain(|metric| metric.at <= seen);
            session.segments.retain(|segment| segment.start <= seen);
            for segment in &mut session.segments {
                if segment.end.is_some_and(|end| end > seen) {
                    (segment.end, segment.disconnect, segment.wrap_up) = (None, None, None);
                }
            }
        }
        self.participants.retain(|participant| !participant.session.segments.is_empty());
        self
    }
}

impl Session {
    /// The queue that the session is about.
    pub(super) fn queue(&self) -> Option<&str> {
        self.segments.iter().find_map(|segment| segment.queue.as_deref())
    }

    fn segment(&mut self, kind: &'static str, start: Ms, end: Ms, queue: Option<&str>) {
        if start < end {
            self.push(kind, start, end, queue);
        }
    }

    /// Adds a segment of no length if there is none.
    fn at_least(&mut self, kind: &'static str, at: Ms, queue: Option<&str>) {
        if self.segments.is_empty() {
            self.push(kind, at, at, queue);
        }
    }

    fn push(&mut self, kind: &'static str, start: Ms, end: Ms, queue: Option<&str>) {
        let queue = queue.map(str::to_owned);
        self.segments.push(Segment { start, end: Some(end), kind, queue, disconnect: None, wrap_up: None });
    }

    fn metric(&mut self, name: &'static str, value: Ms, at: Ms) {
        self.metrics.push(Metric { name, value, at });
    }

    /// A metric that is not there when nothing was measured.
    fn length(&mut self, name: &'static str, value: Ms, at: Ms) {
        if value > 0 {
            self.metric(name, value, at);
        }
    }

    fn disconnect(&mut self, how: &'static str) {
        if let Some(segment) = self.segments.iter_mut().rev().find(|segment| segment.kind != "wrapup") {
            segment.disconnect = Some(how);
        }
    }
}

impl Service {
    /// The conversation of a contact, to its end.
    pub(super) fn conversation(&self, ledger: &Ledger, contact: &Contact) -> Conversation {
        let mut making = Making {
            settings: &self.settings,
            contact,
            whole: Conversation {
                id: contact.conversation.clone(),
                start: contact.start,
                end: Some(contact.end()),
                direction: direction(contact),
                participants: Vec::new(),
            },
        };
        making.customer();
        for (turn, pass) in contact.passes.iter().enumerate() {
            making.pass(ledger, turn, pass);
        }
        making.whole
    }
}

struct Making<'a> {
    settings: &'a Settings,
    contact: &'a Contact,
    whole: Conversation,
}

impl Making<'_> {
    fn session(&self, number: usize, is_callback: bool) -> Session {
        let short = format!("s-{number}");
        Session {
            id: if self.settings.has_short_ids { short } else { format!("{}-{short}", self.whole.id) },
            media: media(self.settings, self.contact.channel, is_callback),
            direction: self.whole.direction,
            metrics: Vec::new(),
            segments: Vec::new(),
        }
    }

    fn join(&mut self, number: usize, purpose: &'static str, user: Option<String>, session: Session) {
        let short = format!("p-{number}");
        let id = if self.settings.has_short_ids { short } else { format!("{}-{short}", self.whole.id) };
        self.whole.participants.push(Participant { id, purpose, user, session });
    }

    /// The next number of a participant; 1 is the customer, 0 the menus.
    fn next(&self) -> usize {
        2 + self.whole.participants.iter().filter(|participant| matches!(participant.purpose, "acd" | "agent")).count()
    }

    fn customer(&mut self) {
        let (contact, start) = (self.contact, self.contact.start);
        let over = contact.passes.iter().map(Pass::released).fold(start, Ms::max);
        let mut session = self.session(1, false);
        session.segment("interact", start, over, None);
        session.disconnect("peer");
        self.join(1, if self.whole.direction == "inbound" { "customer" } else { "external" }, None, session);
        let Some(first) = contact.passes.first() else { return };
        let is_lost = first.queue.is_none() && first.handlings.is_empty();
        let until = if is_lost { first.left() } else { first.entered };
        if start < until {
            let mut session = self.session(0, false);
            session.segment("ivr", start, until, None);
            session.disconnect(if is_lost { "peer" } else { "transfer" });
            session.length("tIvr", until - start, until);
            self.join(0, "ivr", None, session);
        }
    }

    fn pass(&mut self, ledger: &Ledger, turn: usize, pass: &Pass) {
        if let Some(queue) = pass.queue {
            self.waiting(pass, queue, ledger.queues[queue].target);
        }
        let goes_on = turn + 1 < self.contact.passes.len();
        for (place, handling) in pass.handlings.iter().enumerate() {
            let next = pass.handlings.get(place + 1);
            let is_transferred = next.map_or(goes_on, |next| next.role == Role::Transfer);
            let is_consulting = next.is_some_and(|next| next.role == Role::Consult);
            self.handling(pass, handling, place == 0, (is_transferred, is_consulting));
        }
    }

    fn waiting(&mut self, pass: &Pass, queue: QueueIx, target: Ms) {
        let number = self.next();
        let mut session = self.session(number, pass.is_callback);
        let answer = pass.handlings.first().filter(|_| pass.result == PassResult::Answered).map(Handling::answered);
        let left = answer.unwrap_or_else(|| pass.left());
        let wait = left - pass.entered;
        session.segment("interact", pass.entered, left, Some(&queue_id(queue)));
        session.at_least("interact", pass.entered, Some(&queue_id(queue)));
        session.metric("nOffered", 1, pass.entered);
        session.metric("tAcd", wait, left);
        session.metric("tWait", wait, left);
        let is_abandoned = pass.result == PassResult::Abandoned;
        session.disconnect(if is_abandoned { "peer" } else { "transfer" });
        if is_abandoned {
            session.metric("tAbandon", wait, left);
        } else if answer.is_none() {
            session.metric("tFlowOut", wait, left);
        }
        if is_abandoned || answer.is_some() {
            session.metric("oServiceLevel", Ms::from(answer.is_some() && wait <= target), left);
            if wait > target && (answer.is_some() || self.settings.counts_abandoned_over_sla) {
                session.metric("nOverSla", 1, left);
            }
        }
        self.join(number, "acd", None, session);
    }

    fn handling(&mut self, pass: &Pass, of: &Handling, is_first: bool, (transfers, consults): (bool, bool)) {
        let number = self.next();
        let mut session = self.session(number, pass.is_callback);
        let queue = pass.queue.map(queue_id);
        let queue = queue.as_deref();
        let [answered, held, released, end] = [of.answered(), of.held(), of.released(), of.end()];
        let is_dialled = pass.queue.is_none();
        session.segment(if is_dialled { "contacting" } else { "alert" }, of.offered, answered, queue);
        if of.hold > 0 {
            session.segment("interact", answered, held, queue);
            session.segment("hold", held, held + of.hold, queue);
            session.segment("interact", held + of.hold, released, queue);
        } else {
            session.segment("interact", answered, released, queue);
        }
        session.segment("wrapup", released, end, queue);
        session.at_least("interact", answered, queue);
        session.disconnect(if transfers { "transfer" } else { "peer" });
        if let Some(segment) = session.segments.last_mut().filter(|segment| segment.kind == "wrapup") {
            segment.wrap_up = Some(wrap_up_code(&of.disposition));
        }
        session.metric("nConnected", 1, answered);
        if is_dialled {
            session.metric("nOutbound", 1, of.offered);
            session.length("tContacting", of.ring, answered);
        } else {
            session.length("tAlert", of.ring, answered);
            if is_first && pass.result == PassResult::Answered {
                session.metric("tAnswered", answered - pass.entered, answered);
            }
        }
        if of.hold > 0 {
            session.length("tTalk", held - answered, held);
            session.metric("tHeld", of.hold, held + of.hold);
            session.length("tTalk", released - held - of.hold, released);
        } else {
            session.length("tTalk", of.talk, released);
        }
        session.length("tTalkComplete", of.talk, released);
        session.length("tHeldComplete", of.hold, released);
        session.length("tAcw", of.wrap, end);
        session.metric("tHandle", of.handle_time() + if is_dialled { of.ring } else { 0 }, end);
        if consults {
            session.metric("nConsult", 1, held);
        }
        if transfers {
            session.metric("nTransferred", 1, released);
            session.metric("nBlindTransferred", 1, released);
        }
        self.join(number, "agent", Some(super::agents::user_id(of.agent)), session);
    }
}

/// An id for what an agent noted as the outcome.
pub(super) fn wrap_up_code(disposition: &str) -> String {
    let plain = disposition.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase);
    format!("w-{}", plain.collect::<String>())
}
