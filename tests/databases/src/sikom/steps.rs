//! What happens after the end of the world, quarter by quarter.

use std::collections::VecDeque;

use crate::ledger::{Change, Channel, State};
use crate::random::Random;
use crate::sikom::agents::{LOGGED_OFF, ROWS_A_DAY, UNKNOWN, state};
use crate::sikom::calls::{FIRST_CALL, Leg};
use crate::sikom::tables::{AGENT_STATUS, CALL, QUEUE};
use crate::sikom::wall::stored;
use crate::sikom::world::World;
use crate::sql::{Statement, fields};
use crate::step::{Step, StepKind};

impl World {
    /// The first steps after the end of the world, each a quarter of an hour later than the one before. More steps begin
    /// with the same.
    pub fn steps(&self, count: usize) -> Vec<Step> {
        let mut future = Future::new(self);
        (0..count).map(|_| future.step()).collect()
    }
}

/// What is open, and what was added, since the end of the world.
struct Future<'a> {
    world: &'a World,
    number: u64,
    calls: u64,
    rows: u64,
    open: VecDeque<Leg>,
    wrapping: VecDeque<Leg>,
    states: VecDeque<State>,
}

/// The step that is being made.
struct Draft {
    /// Its first instant, in seconds.
    from: i64,
    random: Random,
    statements: Vec<Statement>,
    changes: Vec<Change>,
}

impl<'a> Future<'a> {
    fn new(world: &'a World) -> Self {
        let days = u64::from(world.size.days);
        let mut future = Self {
            world,
            number: 0,
            calls: FIRST_CALL + days * world.size.contacts_per_day,
            rows: 1 + days * world.users.len() as u64 * ROWS_A_DAY,
            open: VecDeque::new(),
            wrapping: VecDeque::new(),
            states: VecDeque::new(),
        };
        // No contact stays open for a week.
        for day in world.size.days.saturating_sub(7)..world.size.days {
            for index in 0..world.size.contacts_per_day {
                for leg in world.call(day, index) {
                    future.keep(leg);
                }
            }
        }
        // The first day has a shift of each agent, so that each has a state.
        for agent in 0..world.users.len() {
            let mut days = (0..world.size.days).rev().map(|day| world.day_of(day, agent));
            let last = days.find_map(|states| states.into_iter().next_back());
            future.states.extend(last.filter(|state| state.ended.is_none()));
        }
        future
    }

    fn keep(&mut self, leg: Leg) {
        if leg.ended.is_none() && !leg.lost {
            self.open.push_back(leg);
        } else if leg.wraps && leg.wrapped.is_none() && !leg.lost {
            self.wrapping.push_back(leg);
        }
    }

    fn step(&mut self) -> Step {
        let mut draft = Draft {
            from: self.world.end() + 900 * self.number as i64,
            random: Random::new(self.world.seed, [14, 0, self.number]),
            statements: Vec::new(),
            changes: Vec::new(),
        };
        let kind = StepKind::of(self.number);
        match kind {
            StepKind::LateWork => self.late_work(&mut draft),
            StepKind::Closed => self.close(&mut draft),
            StepKind::NewNames => self.rename(&mut draft),
            StepKind::New => self.add(&mut draft),
        }
        self.number += 1;
        Step { kind, at: (draft.from + 900) * 1000, changes: draft.changes, statements: draft.statements }
    }

    /// The end of the work after contacts comes into their rows.
    fn late_work(&mut self, draft: &mut Draft) {
        for _ in 0..10 {
            let Some(mut leg) = self.wrapping.pop_front() else { return };
            leg.wrapped = Some(draft.from + draft.random.between(1, 899));
            self.update(&leg, draft);
        }
    }

    /// Contacts end wherever they were, and states.
    fn close(&mut self, draft: &mut Draft) {
        for number in 0..8 {
            let Some(mut leg) = self.open.pop_front() else { break };
            let offset = draft.from + draft.random.between(1, 300);
            if leg.queue.is_none() {
                (leg.ended, leg.result) = (Some(offset), Some("ivr"));
                self.update(&leg, draft);
                continue;
            }
            let gives_up = leg.answered.is_none() && number % 4 == 3;
            if leg.inbound {
                leg.queued = leg.queued.or(Some(offset));
            }
            if !gives_up {
                leg.answered = leg.answered.or(Some(offset + 15));
                leg.user = leg.user.or_else(|| Some(draft.random.index(self.world.users.len())));
            }
            leg.ended = Some(offset + 400);
            leg.wraps = !gives_up && number % 2 == 0;
            leg.result = Some(if gives_up { "abandoned" } else { "answered" });
            self.update(&leg, draft);
            self.keep(leg);
        }
        self.change_states(3, draft);
    }

    /// A queue gets another name in its row, and a contact comes to it.
    fn rename(&mut self, draft: &mut Draft) {
        let queue = usize::try_from(self.number / 4).expect("there are few steps") % self.world.queues.len();
        let facts = &self.world.queues[queue];
        let name = format!("{} Nr. {}", facts.name.trim_end(), self.number);
        let changes = fields!["queue_name": name.clone()];
        draft.statements.push(Statement::Update(&QUEUE, changes, fields!["queue_id": facts.id]));
        draft.changes.push(Change::Name { queue, from: draft.from * 1000, name });
        self.calls += 1;
        let mut leg = self.leg(draft.from + 5, queue, self.calls);
        (leg.answered, leg.ended, leg.wrapped) = (Some(leg.arrived + 30), Some(leg.arrived + 200), None);
        (leg.user, leg.result) = (Some(0), Some("answered"));
        self.insert(&leg, draft);
    }

    /// New contacts in whatever way they are by the end of the step, and new states.
    fn add(&mut self, draft: &mut Draft) {
        for number in 0..10 {
            let queue = draft.random.index(self.world.queues.len());
            self.calls += 1;
            let mut leg = self.leg(draft.from + 10 + 20 * number, queue, self.calls);
            let mail = self.world.queues[queue].channel == Channel::Email;
            if number % 5 == 0 && !mail {
                (leg.ended, leg.result) = (Some(leg.arrived + 60), Some("abandoned"));
            } else if number % 5 != 1 && !mail {
                leg.user = Some(draft.random.index(self.world.users.len()));
                leg.answered = Some(leg.arrived + draft.random.between(10, 100));
                if number % 5 != 2 {
                    leg.ended = Some(leg.arrived + draft.random.between(101, 400));
                    (leg.result, leg.wraps) = (Some("answered"), true);
                    leg.wrapped = leg.ended.filter(|_| number % 5 == 3).map(|ended| ended + 45);
                }
            }
            self.insert(&leg, draft);
            self.keep(leg);
        }
        self.change_states(4, draft);
    }

    fn leg(&self, arrived: i64, queue: usize, call: u64) -> Leg {
        Leg {
            call,
            number: 1,
            inbound: true,
            queue: Some(queue),
            arrived,
            queued: Some(arrived + 4),
            answered: None,
            ended: None,
            wrapped: None,
            user: None,
            result: None,
            wraps: false,
            lost: false,
        }
    }

    fn insert(&self, leg: &Leg, draft: &mut Draft) {
        let (table, row) = leg.row(self.world);
        draft.statements.push(Statement::Insert(table, row));
        draft.changes.extend(leg.contact().map(Change::Contact));
    }

    fn update(&self, leg: &Leg, draft: &mut Draft) {
        let mut changes = fields![
            "user_id": leg.user.map(|user| self.world.users[user].id),
            "result": leg.result,
        ];
        let times =
            [("t_queue", leg.queued), ("t_answer", leg.answered), ("t_end", leg.ended), ("t_wrap_end", leg.wrapped)];
        changes.extend(times.into_iter().filter_map(|(column, time)| Some((column, stored(time?)))));
        draft.statements.push(Statement::Update(&CALL, changes, fields!["call_id": leg.call, "leg_no": leg.number]));
        draft.changes.extend(leg.contact().map(Change::Contact));
    }

    /// The states of some agents end, and others begin; one agent in three comes or goes.
    fn change_states(&mut self, count: usize, draft: &mut Draft) {
        for number in 0..count {
            let Some(mut old) = self.states.pop_front() else { return };
            let at = draft.from + draft.random.between(1, 899);
            (old.ended, old.recorded) = (Some(at * 1000), Some(at * 1000));
            let changes = fields!["t_end": stored(at)];
            draft.statements.push(Statement::Update(&AGENT_STATUS, changes, fields!["rec_id": old.id]));
            let statuses = ["1", "2", "3", "4", UNKNOWN];
            let status = if number == 0 { LOGGED_OFF } else { statuses[draft.random.index(statuses.len())] };
            self.rows += 1;
            let next = state(self.rows, old.agent, status, at, None);
            let (table, row) = self.world.state_row(&next);
            draft.statements.push(Statement::Insert(table, row));
            draft.changes.extend([Change::State(old), Change::State(next.clone())]);
            self.states.push_back(next);
        }
    }
}
