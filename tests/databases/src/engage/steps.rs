//! What happens after the load, quarter by quarter: each step is one load of the mart.

use std::collections::VecDeque;

use crate::engage::agents::{LONGEST, STATES_A_DAY, reason, state};
use crate::engage::calls::{Call, End, FIRST_ID, Handling, How, Interaction, Pass, Phase};
use crate::engage::dimensions::{self, Resource, ResourceKind};
use crate::engage::rows::{
    AgentNames, Out, audit, login, partition, write_call, write_handling_of, write_session, write_state, write_status,
};
use crate::engage::tables::{
    CTL_AUDIT_LOG, INTERACTION_RESOURCE_FACT, LOGIN, MEDIATION_SEGMENT_FACT, QINFO, RESOURCE_, SM_RES_SESSION_FACT,
    SM_RES_STATE_FACT, SM_RES_STATE_REASON_FACT,
};
use crate::engage::world::{Touched, World};
use crate::ledger::{Change, Channel, Session, State};
use crate::random::Random;
use crate::sql::{Fields, Statement, Table, Value, fields, row};
use crate::step::{Step, StepKind};

impl World {
    /// The first steps after the load, each a quarter of an hour later than the one before. More steps begin with the
    /// same.
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
    states: u64,
    queue_names: Vec<(i64, String)>,
    agent_keys: Vec<i64>,
    waiting: VecDeque<Call>,
    talking: VecDeque<Call>,
    wrapping: VecDeque<Call>,
    logins: VecDeque<Login>,
}

struct Login {
    session: Session,
    state: Option<State>,
}

/// The step that is being made.
struct Draft {
    /// Its first instant, in seconds.
    from: i64,
    cycle: i64,
    random: Random,
    statements: Vec<Statement>,
    changes: Vec<Change>,
    touched: Option<Touched>,
}

impl Draft {
    fn until(&self) -> i64 {
        self.from + 900
    }

    fn update(&mut self, table: &'static Table, mut changes: Fields, key: Fields) {
        changes.push(("UPDATE_AUDIT_KEY", audit(self.cycle).into()));
        self.statements.push(Statement::Update(table, changes, key));
    }
}

impl Out for Draft {
    fn row(&mut self, table: &'static Table, row: Vec<Value>) {
        self.statements.push(Statement::Insert(table, row));
    }

    fn touch(&mut self, cycle: i64, key: i64) {
        assert_eq!(cycle, self.cycle, "a step writes what happens in its quarter");
        Touched::add(&mut self.touched, key);
    }
}

impl<'a> Future<'a> {
    fn new(world: &'a World) -> Self {
        let latest = |names: &[(i64, i64, String)]| names.last().map(|name| (name.0, name.2.clone()));
        let mut future = Self {
            world,
            number: 0,
            calls: u64::from(world.size.days) * world.size.contacts_per_day,
            states: FIRST_ID + u64::from(world.size.days) * world.agents.len() as u64 * STATES_A_DAY,
            queue_names: world.queues.iter().filter_map(|queue| latest(&queue.names)).collect(),
            agent_keys: world.agents.iter().filter_map(|agent| Some(latest(&agent.names)?.0)).collect(),
            waiting: VecDeque::new(),
            talking: VecDeque::new(),
            wrapping: VecDeque::new(),
            logins: VecDeque::new(),
        };
        // Nothing stays open for a week.
        for day in world.size.days.saturating_sub(7)..world.size.days {
            for index in 0..world.size.contacts_per_day {
                future.keep(world.call(day, index));
            }
            for agent in 0..world.agents.len() {
                let open = world.day_of(day, agent).into_iter().filter(|shift| shift.session.end.is_none());
                future.logins.extend(open.map(|shift| Login {
                    session: shift.session,
                    state: shift.states.into_iter().last().filter(|state| state.recorded.is_none()),
                }));
            }
        }
        future
    }

    /// Keeps a call that is open.
    fn keep(&mut self, call: Call) {
        let open = match (&call.passes[0].end, call.passes[0].handling().map(|handling| handling.phase)) {
            (End::Waiting, _) => &mut self.waiting,
            (_, Some(Phase::Talking)) => &mut self.talking,
            (_, Some(Phase::Wrapping)) => &mut self.wrapping,
            _ => return,
        };
        open.push_back(call);
    }

    fn step(&mut self) -> Step {
        let cycle = self.world.cycles() + self.number as i64;
        let mut draft = Draft {
            from: self.world.end() + 900 * self.number as i64,
            cycle,
            random: Random::new(self.world.seed, [3, 0, self.number]),
            statements: Vec::new(),
            changes: Vec::new(),
            touched: None,
        };
        let kind = StepKind::of(self.number);
        match kind {
            StepKind::LateWork => self.late_work(&mut draft),
            StepKind::Closed => self.close(&mut draft),
            StepKind::NewNames => self.rename(&mut draft),
            StepKind::New => self.add(&mut draft),
        }
        if let Some(touched) = draft.touched {
            draft.row(&CTL_AUDIT_LOG, self.world.audit_row(cycle, touched));
        }
        self.number += 1;
        Step { kind, at: draft.until() * 1000, changes: draft.changes, statements: draft.statements }
    }

    /// The after-call work of contacts comes into their rows.
    fn late_work(&mut self, draft: &mut Draft) {
        for _ in 0..10 {
            let Some(mut call) = self.wrapping.pop_front() else { return };
            finish(&mut call, draft.until(), draft);
        }
    }

    /// E-mails leave their queue, agents finish others, states end.
    fn close(&mut self, draft: &mut Draft) {
        for number in 0..5 {
            if let Some(mut call) = self.talking.pop_front() {
                let until = draft.from + draft.random.between(1, 899);
                finish(&mut call, until, draft);
            }
            let Some(mut call) = self.waiting.pop_front() else { continue };
            let left = draft.from + draft.random.between(0, 600);
            let phase = if number % 2 == 0 { Phase::Done } else { Phase::Talking };
            let lengths = [0, draft.random.between(20, 200), 0, 0];
            let handling = self.handling(call.passes[0].id, left, lengths, phase, draft);
            leave(&mut call, left, handling, draft);
            self.keep(call);
        }
        for number in 0..3 {
            let Some(mut login) = self.logins.pop_front() else { return };
            let at = draft.from + draft.random.between(1, 800);
            self.end_state(&mut login, at, draft);
            if number == 0 {
                self.log_out(&login, at, draft);
            } else {
                self.next_state(&mut login, at, draft);
                self.logins.push_back(login);
            }
        }
    }

    /// A queue and an agent get other names, and a contact comes to the queue.
    fn rename(&mut self, draft: &mut Draft) {
        let round = usize::try_from(self.number / 4).expect("there are few steps");
        let queue = round % self.world.queues.len();
        let facts = &self.world.queues[queue];
        let (_, base) = &self.queue_names[queue];
        let base = base.trim().split(" Nr.").next().unwrap_or_default();
        let name = format!("{base} Nr. {}", self.number);
        let old = self.queue_names[queue].0;
        let key = 900_000 + 2 * self.number as i64;
        replace_resource(old, key, facts.dbid, &name, ResourceKind::VirtualQueue, draft);
        draft.changes.push(Change::Name { queue, from: draft.from * 1000, name: name.clone() });
        self.queue_names[queue] = (key, name);
        let agent = round % self.world.agents.len();
        let facts = &self.world.agents[agent];
        if facts.configured.is_some() {
            let name = format!("{}_{}", facts.names[0].2, self.number);
            replace_resource(self.agent_keys[agent], key + 1, facts.dbid, &name, facts.kind(), draft);
            self.agent_keys[agent] = key + 1;
        }
        let call = self.answered(queue, 10, Phase::Done, draft);
        record(&call, draft);
    }

    /// New contacts, some with their after-call work to come, and new states.
    fn add(&mut self, draft: &mut Draft) {
        let queues = self.world.queues.len();
        for number in 0..10 {
            let queue = draft.random.index(queues);
            let channel = self.world.queues[queue].channel;
            let offset = 10 + 20 * number;
            let call = if channel == Channel::Email {
                let mut call = self.call(queue);
                let mut pass = self.pass(call.id, queue, draft.from + offset, draft.from + offset, How::Cleared);
                pass.end = End::Waiting;
                call.passes.push(pass);
                call
            } else if number % 5 == 4 {
                let mut call = self.call(queue);
                let (entered, how) = (draft.from + offset, How::Abandoned { ringing: false, short: number == 4 });
                call.passes.push(self.pass(call.id, queue, entered, entered + 3, how));
                call
            } else {
                let phase = if number % 2 == 0 { Phase::Wrapping } else { Phase::Done };
                let mut call = self.answered(queue, offset, phase, draft);
                let rival = draft.random.index(queues);
                if rival != queue {
                    let entered = draft.from + offset;
                    call.passes.push(self.pass(call.id + 1, rival, entered, entered + 20, How::Cleared));
                }
                call
            };
            record(&call, draft);
            self.keep(call);
        }
        for _ in 0..3 {
            let Some(mut login) = self.logins.pop_front() else { break };
            let at = draft.from + draft.random.between(1, 800);
            self.end_state(&mut login, at, draft);
            self.next_state(&mut login, at, draft);
            self.logins.push_back(login);
        }
        for _ in 0..2 {
            let agent = draft.random.index(self.world.agents.len());
            let busy = |login: &Login| login.session.agent == agent && login.session.channel == Channel::Voice;
            if !self.logins.iter().any(busy) {
                self.log_in(agent, draft);
            }
        }
    }

    fn call(&mut self, queue: usize) -> Call {
        self.calls += 1;
        let channel = self.world.queues[queue].channel;
        Call { id: FIRST_ID + self.calls * 8, channel, kind: Interaction::Inbound, passes: Vec::new() }
    }

    fn pass(&self, id: u64, queue: usize, entered: i64, left: i64, how: How) -> Pass {
        Pass { key: self.queue_names[queue].0, ..self.world.pass(id, queue, entered, left, how) }
    }

    fn handling(&self, id: u64, answered: i64, lengths: [i64; 4], phase: Phase, draft: &mut Draft) -> Handling {
        let [ring, talk, hold, work] = lengths;
        let agent_key = self.agent_keys[draft.random.index(self.agent_keys.len())];
        let created = draft.cycle;
        Handling { id, agent_key, answered, ring, talk, hold, work, phase, created, updated: None }
    }

    fn answered(&mut self, queue: usize, offset: i64, phase: Phase, draft: &mut Draft) -> Call {
        let mut call = self.call(queue);
        let entered = draft.from + offset;
        let lengths = [5, draft.random.between(20, 300), draft.random.between(0, 30), draft.random.between(5, 90)];
        let handling = self.handling(call.id, entered + 25, lengths, phase, draft);
        call.passes.push(self.pass(call.id, queue, entered, entered + 20, How::Answered(handling)));
        call
    }

    fn names(&self, agent: usize) -> AgentNames {
        AgentNames { key: self.agent_keys[agent], dbid: self.world.agents[agent].dbid }
    }

    fn log_in(&mut self, agent: usize, draft: &mut Draft) {
        let at = draft.from + draft.random.between(1, 800);
        self.states += 1;
        let id = self.states;
        let session = Session { id, agent, channel: Channel::Voice, start: at * 1000, end: None };
        write_session(&session, &self.names(agent), self.world.size.first_day, draft.until(), draft);
        draft.changes.push(Change::Session(session));
        let mut login = Login { session, state: None };
        self.next_state(&mut login, at, draft);
        self.logins.push_back(login);
    }

    fn log_out(&self, login: &Login, at: i64, draft: &mut Draft) {
        let session = Session { end: Some(at * 1000), ..login.session };
        draft.changes.push(Change::Session(session));
        let start = session.start / 1000;
        draft.touch(draft.cycle, partition(start));
        draft.update(
            &SM_RES_SESSION_FACT,
            ended(start, at, "TOTAL_DURATION"),
            fields!["SM_RES_SESSION_FACT_KEY": session.id],
        );
        draft.row(&LOGIN, login_row(self.names(session.agent).dbid, at));
    }

    fn end_state(&self, login: &mut Login, at: i64, draft: &mut Draft) {
        let Some(mut state) = login.state.take() else { return };
        let start = state.start / 1000;
        let end = at.min(start + LONGEST);
        (state.ended, state.recorded) = (Some(at * 1000), Some(end * 1000));
        draft.touch(draft.cycle, partition(start));
        draft.update(
            &SM_RES_STATE_FACT,
            ended(start, end, "TOTAL_DURATION"),
            fields!["SM_RES_STATE_FACT_KEY": state.id],
        );
        if let Some(reason) = state.reason.as_mut().filter(|reason| reason.end.is_none()) {
            reason.end = Some(end * 1000);
            let start = reason.start / 1000;
            draft.touch(draft.cycle, partition(start));
            draft.update(
                &SM_RES_STATE_REASON_FACT,
                ended(start, end, "TOTAL_DURATION"),
                fields!["SM_RES_STATE_REASON_FACT_KEY": state.id],
            );
        }
        write_status(&state, self.names(state.agent).dbid, start, end, draft);
        draft.changes.push(Change::State(state));
    }

    fn next_state(&mut self, login: &mut Login, at: i64, draft: &mut Draft) {
        self.states += 1;
        let session = login.session;
        let status = ["READY", "BUSY", "NOTREADY"][draft.random.index(3)];
        let mut next = state(self.states, session.agent, session.channel, status, (at, at));
        next.ended = None;
        if status == "NOTREADY" {
            next.reason = Some(reason(&next, &mut draft.random));
        }
        let names = self.names(session.agent);
        write_state(&next, session.id, &names, self.world.size.first_day, draft.until(), draft);
        draft.changes.push(Change::State(next.clone()));
        login.state = Some(next);
    }
}

fn login_row(dbid: i64, at: i64) -> Vec<Value> {
    login(dbid, 0, at)
}

/// What a row gets that has been active.
fn ended(start: i64, end: i64, duration: &'static str) -> Fields {
    let mut changes = fields!["END_DATE_TIME_KEY": partition(end), "END_TS": end, "ACTIVE_FLAG": 0];
    changes.push((duration, (end - start).into()));
    changes
}

/// Writes a new call and its contacts.
fn record(call: &Call, draft: &mut Draft) {
    write_call(call, draft.until(), draft);
    draft.changes.extend(call.contacts(draft.until()).map(Change::Contact));
}

/// The first pass of a call ends: an agent takes it.
fn leave(call: &mut Call, left: i64, handling: Handling, draft: &mut Draft) {
    let as_of = draft.until();
    let (id, entered, dbid) = (call.passes[0].id, call.passes[0].entered, call.passes[0].dbid);
    let mut changes = ended(entered, left, "MEDIATION_DURATION");
    changes.extend(fields![
        "TARGET_IXN_RESOURCE_ID": handling.id,
        "TARGET_IXN_RESOURCE_SDT_KEY": partition(handling.answered - handling.ring),
        "TECHNICAL_DESCRIPTOR_KEY": dimensions::ANSWERED,
    ]);
    draft.touch(draft.cycle, partition(entered));
    draft.update(&MEDIATION_SEGMENT_FACT, changes, fields!["MEDIATION_SEGMENT_ID": id]);
    draft.row(&QINFO, row![dbid, call.id, 1, entered, left - entered, left]);
    call.passes[0].end = End::Left { at: left, how: How::Answered(handling) };
    write_handling_of(call, as_of, draft);
    draft.changes.extend(call.contacts(as_of).map(Change::Contact));
}

/// The handling of the first pass is over: with the talk up to an instant, or with after-call work that has come.
fn finish(call: &mut Call, until: i64, draft: &mut Draft) {
    if let End::Left { how: How::Answered(handling), .. } = &mut call.passes[0].end {
        if handling.phase == Phase::Talking {
            // One that was answered in this step may be over in it too, but not before.
            handling.talk = (until - handling.answered - handling.hold).max(1);
        }
        handling.phase = Phase::Done;
        let (start, end) = (handling.answered - handling.ring, handling.talked_until());
        draft.touch(draft.cycle, partition(start));
        let changes = fields![
            "CUSTOMER_TALK_DURATION": handling.talk,
            "TALK_DURATION": handling.talk,
            "CUSTOMER_ACW_DURATION": handling.work,
            "AFTER_CALL_WORK_DURATION": handling.work,
            "END_DATE_TIME_KEY": partition(end),
            "END_TS": end,
            "ACTIVE_FLAG": 0,
        ];
        draft.update(&INTERACTION_RESOURCE_FACT, changes, fields!["INTERACTION_RESOURCE_ID": handling.id]);
    }
    draft.changes.extend(call.contacts(until).map(Change::Contact));
}

/// A resource gets another name, and with it another key.
fn replace_resource(old: i64, key: i64, dbid: i64, name: &str, kind: ResourceKind, draft: &mut Draft) {
    let since = draft.from;
    draft.update(&RESOURCE_, fields!["GMT_END_TIME": since], fields!["RESOURCE_KEY": old]);
    let created = audit(draft.cycle);
    let name = name.to_owned();
    let resource = Resource { key, dbid, name, kind, since, until: None, created, updated: 0 };
    draft.row(&RESOURCE_, resource.row());
}
