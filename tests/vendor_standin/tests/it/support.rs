//! Small ledgers and a plain client.

use vendor_standin::ledger::{Agent, Channel, Contact, Direction, Handling, Ledger, Pass, PassResult, Queue, Role};
use vendor_standin::time::{Ms, SECOND, at};

/// An instant on 2024-03-05 by the clock on the wall in Los Angeles, where it is eight hours behind UTC.
pub(crate) fn pacific(time: &str) -> Ms {
    at(&format!("2024-03-05T{time}-08:00"))
}

/// An instant on 2024-03-05 in UTC.
pub(crate) fn on(time: &str) -> Ms {
    at(&format!("2024-03-05T{time}Z"))
}

pub(crate) fn agents() -> Vec<Agent> {
    let mut amy = Agent::new("1001", "amy@example.test", "Amy", "Ash");
    amy.extension = "44205550111".to_owned();
    vec![amy, Agent::new("1002", "bob@example.test", "Bob", "Bay")]
}

/// A contact of no pass yet.
pub(crate) fn contact(id: u64, start: Ms) -> Contact {
    Contact {
        id,
        guid: format!("015c0f2e-{id:04}"),
        conversation: format!("c-{id}"),
        direction: Direction::Inbound,
        channel: Channel::Calls,
        campaign: "Hotline".to_owned(),
        start,
        caller: format!("55{:05}", id + 1_000 - 711),
        called: "5550199".to_owned(),
        customer: String::new(),
        passes: Vec::new(),
    }
}

/// An answered pass: queue, wait, agent and ring, talk, hold and wrap in seconds.
pub(crate) fn answered(queue: usize, entered: Ms, wait: Ms, agent: usize, times: [Ms; 4]) -> Pass {
    let mut pass = Pass::new(Some(queue), entered, wait * SECOND, PassResult::Answered);
    pass.handlings.push(handling(agent, pass.left(), times));
    pass
}

pub(crate) fn handling(agent: usize, offered: Ms, [ring, talk, hold, wrap]: [Ms; 4]) -> Handling {
    let [ring, talk, hold, wrap] = [ring, talk, hold, wrap].map(|time| time * SECOND);
    Handling { agent, role: Role::First, offered, ring, talk, hold, wrap, disposition: "Solved".to_owned() }
}

/// The two calls of the worked example of the call log.
pub(crate) fn two_calls() -> Ledger {
    let mut ledger = Ledger::new(agents(), vec![Queue::calls("Hotline"), Queue::calls("Second")]);
    let mut first = contact(4711, pacific("09:46:10"));
    first.caller = "5550100".to_owned();
    first.passes.push(answered(0, pacific("09:46:30"), 35, 0, [5, 180, 10, 30]));
    first.passes.push(Pass { entered: pacific("09:50:20"), ..answered(1, pacific("09:50:20"), 10, 1, [4, 90, 0, 16]) });
    ledger.add_contact(first);
    let mut second = contact(4712, pacific("09:47:02"));
    second.caller = "5550101".to_owned();
    second.passes.push(Pass::new(Some(0), pacific("09:47:17"), 50 * SECOND, PassResult::Abandoned));
    ledger.add_contact(second);
    ledger
}
