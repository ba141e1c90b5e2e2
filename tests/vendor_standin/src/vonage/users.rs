//! `/useradmin/users`: who there is.

use super::pages::paged;
use super::{Service, refused};
use crate::json::{object, text};
use crate::ledger::Agent;
use crate::serve::{Answer, Request};

impl Service {
    pub(super) fn users(&self, request: &Request) -> Result<Answer, Answer> {
        let takes: fn(&Agent) -> bool = match request.query.get("include").map_or("Active", String::as_str) {
            "Active" => |agent| !agent.is_removed,
            "Archived" => |agent| agent.is_removed,
            "All" => |_| true,
            _ => return Err(refused(400, "\"include\" must be one of [Active, Archived, All]")),
        };
        let ledger = self.world.ledger();
        let users = ledger.agents.iter().filter(|agent| takes(agent)).map(user);
        paged(request, "users", users.collect(), None)
    }
}

fn user(agent: &Agent) -> String {
    let configuration = object(&[("agentDisplayId", text(&agent.number))]);
    let account = [("role", text("Agent")), ("actAsAgent", "true".to_owned()), ("agentConfiguration", configuration)];
    object(&[
        ("userId", text(&format!("u-{}", agent.number))),
        ("username", text(&agent.user)),
        ("name", text(&agent.full_name())),
        ("email", text(&agent.user)),
        ("active", (!agent.is_removed).to_string()),
        ("locked", "false".to_owned()),
        ("userAccountConfiguration", object(&account)),
    ])
}
