//! What customers do: calls, e-mails and chats with a leg for each queue that they come into.
//!
//! Each call is a function of the seed, its day and its index alone. What lies after the end of the world is not known.

use crate::civil::{changes, date_of};
use crate::ledger::{Channel, Contact};
use crate::random::{Random, arrival};
use crate::sikom::tables::CALL;
use crate::sikom::wall::{stored, stored_or_none};
use crate::sikom::world::World;
use crate::sql::{Table, Value, row};

/// The first `call_id`; later calls have larger ones.
pub(crate) const FIRST_CALL: u64 = 100_000;

/// A leg of a call. Times are seconds since 1970 in UTC.
#[derive(Debug, Clone)]
pub(crate) struct Leg {
    pub(crate) call: u64,
    pub(crate) number: u64,
    pub(crate) inbound: bool,
    /// None for a call that ends in the voice menu.
    pub(crate) queue: Option<usize>,
    pub(crate) arrived: i64,
    pub(crate) queued: Option<i64>,
    pub(crate) answered: Option<i64>,
    pub(crate) ended: Option<i64>,
    pub(crate) wrapped: Option<i64>,
    pub(crate) user: Option<usize>,
    pub(crate) result: Option<&'static str>,
    /// Whether the work after it is known, or will be.
    pub(crate) wraps: bool,
    /// Whether its end will never be written.
    pub(crate) lost: bool,
}

impl Leg {
    pub(crate) fn id(&self) -> u64 {
        self.call * 10 + self.number
    }

    /// The contact that this is by the usual rules.
    pub(crate) fn contact(&self) -> Option<Contact> {
        let start = self.queued.filter(|_| self.inbound)? * 1000;
        Some(Contact {
            id: self.id(),
            queue: self.queue?,
            start,
            answered: self.answered.map(|answered| answered * 1000),
            ended: self.ended.map(|ended| ended * 1000),
            wrapped: self.wrapped.map(|wrapped| wrapped * 1000),
            abandoned: self.result == Some("abandoned"),
            short: false,
        })
    }

    /// The row, with the identifier of its queue.
    pub(crate) fn row(&self, world: &World) -> (&'static Table, Vec<Value>) {
        let id = self.call;
        let row = row![
            self.call,
            self.number,
            self.queue.map(|queue| world.queues[queue].id),
            if self.inbound { "in" } else { "out" },
            stored(self.arrived),
            stored_or_none(self.queued, id),
            stored_or_none(self.answered, id),
            stored_or_none(self.ended, id),
            stored_or_none(self.wrapped, id),
            self.user.map(|user| world.users[user].id),
            self.result
        ];
        (&CALL, row)
    }

    /// Forgets what happens from an instant on.
    fn known_by(mut self, now: i64) -> Self {
        for time in [&mut self.queued, &mut self.answered, &mut self.ended, &mut self.wrapped] {
            *time = time.filter(|time| *time < now);
        }
        if self.lost {
            (self.ended, self.wrapped) = (None, None);
        }
        self.result = self.result.filter(|_| self.ended.is_some());
        self.user = self.user.filter(|_| self.answered.is_some());
        self
    }
}

impl World {
    /// The legs of the call of a day and an index below the number of calls a day.
    pub(crate) fn call(&self, day: u32, index: u64) -> Vec<Leg> {
        let calls = self.size.contacts_per_day;
        let mut random = Random::new(self.seed, [11, day.into(), index]);
        let last = day + 1 == self.size.days;
        let first_of_tail = calls.saturating_sub(calls / 16 + 2);
        let tail = last && index >= first_of_tail;
        let arrived = if tail {
            self.end() - 1200 + ((index - first_of_tail) * 1100 / (calls - first_of_tail)) as i64
        } else {
            self.first_of(day) + self.since_midnight(day, index, if last { 84_000 } else { 86_400 }, &mut random)
        };
        let mut leg = Leg {
            call: FIRST_CALL + u64::from(day) * calls + index,
            number: 1,
            inbound: tail || !random.one_in(12),
            queue: Some(random.index(self.queues.len())),
            arrived,
            queued: None,
            answered: None,
            ended: None,
            wrapped: None,
            user: None,
            result: None,
            wraps: false,
            lost: false,
        };
        let mut legs = Vec::new();
        if !leg.inbound {
            leg.answered = Some(arrived + random.between(3, 30));
            leg.ended = leg.answered.map(|answered| answered + random.between(10, 600));
            (leg.user, leg.result) = (Some(random.index(self.users.len())), Some("answered"));
        } else if !tail && random.one_in(12) {
            leg.queue = leg.queue.filter(|_| random.one_in(3));
            leg.ended = Some(arrived + random.between(3, 90));
            leg.result = Some("ivr");
        } else if leg.queue.is_some_and(|queue| self.queues[queue].channel == Channel::Email) {
            self.mail(&mut leg, &mut random);
        } else {
            let waits = random.between(5, 40);
            self.converse(&mut leg, arrived + waits, tail, &mut random);
            if leg.result == Some("transferred") {
                let ended = leg.ended.unwrap_or(arrived);
                let mut next =
                    Leg { number: 2, arrived: ended, queue: self.another(leg.queue, &mut random), ..leg.clone() };
                self.converse(&mut next, ended, true, &mut random);
                legs.push(next);
            }
        }
        legs.insert(0, leg);
        legs.retain(|leg| leg.arrived < self.end());
        legs.into_iter().map(|leg| leg.known_by(self.end())).collect()
    }

    /// Half of the calls of a day on which clocks change come in its first three hours, the change in their midst.
    fn since_midnight(&self, day: u32, index: u64, end: i64, random: &mut Random) -> i64 {
        let first = self.first_of(day);
        let (forward, back) = changes(date_of(first / 86_400).0);
        if [forward, back].iter().all(|change| !(first..first + 86_400).contains(change)) {
            return arrival(random, index, self.size.contacts_per_day, end);
        }
        let share = ((index * 1000 + random.below(1000)) / self.size.contacts_per_day) as i64;
        if share < 500 { share * 10_800 / 500 } else { 10_800 + (share - 500) * (end - 10_800) / 500 }
    }

    /// Another queue of the same channel, or the same.
    fn another(&self, queue: Option<usize>, random: &mut Random) -> Option<usize> {
        let other = random.index(self.queues.len());
        let same = |queue: &usize| self.queues[*queue].channel == self.queues[other].channel;
        if queue.as_ref().is_some_and(same) { Some(other) } else { queue }
    }

    /// What happens in a queue to a customer who stays for the answer if asked to.
    fn converse(&self, leg: &mut Leg, queued: i64, stays: bool, random: &mut Random) {
        leg.queued = Some(queued);
        (leg.answered, leg.ended, leg.wrapped, leg.user) = (None, None, None, None);
        let wait = random.between(1, if stays { 60 } else { 240 });
        if !stays && random.one_in(10) {
            leg.ended = Some(queued + wait);
            leg.result = Some("abandoned");
            return;
        }
        let answered = queued + wait;
        let ended = answered + random.between(20, if stays { 400 } else { 900 });
        (leg.answered, leg.ended) = (Some(answered), Some(ended));
        leg.user = Some(random.index(self.users.len()));
        leg.result = Some(if !stays && random.one_in(14) { "transferred" } else { "answered" });
        leg.wraps = leg.result == Some("answered") && !random.one_in(5);
        let late = ended + 1200;
        let ends_late = leg.number == 1 && stays;
        leg.wrapped = leg.wraps.then(|| if ends_late { late } else { ended + random.between(1, 180) });
        leg.lost = leg.result == Some("answered") && !stays && random.one_in(150);
    }

    fn mail(&self, leg: &mut Leg, random: &mut Random) {
        let queued = leg.arrived + 1;
        let answered =
            queued + if random.one_in(3) { random.between(14_400, 172_800) } else { random.between(600, 14_400) };
        leg.queued = Some(queued);
        leg.answered = Some(answered);
        leg.ended = Some(answered + random.between(60, 1800));
        leg.user = Some(random.index(self.users.len()));
        leg.result = Some("answered");
    }
}
