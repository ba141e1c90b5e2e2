//! Who and what there is: skills, campaigns, users, reasons, the account.

use std::collections::BTreeSet;

use roxmltree::Node;

use super::Service;
use super::soap::{Children, Fault, element};
use crate::ledger::State;

impl Service {
    /// Answers an operation on the directory; none: it is not one.
    pub(super) fn directory(&self, operation: &str, wrapper: Node<'_, '_>) -> Result<Option<String>, Fault> {
        let ledger = self.world.ledger();
        let mut text = String::new();
        match operation {
            "getSkills" => {
                let asked = Children::of(wrapper, &["skillNamePattern"])?;
                let takes = pattern(asked.text("skillNamePattern"))?;
                for (place, queue) in ledger.queues.iter().enumerate().filter(|(_, queue)| takes(&queue.name)) {
                    object(&mut text, &[("id", &(11 + place).to_string()), ("name", &queue.name)]);
                }
            }
            "getCampaigns" => {
                let asked = Children::of(wrapper, &["campaignNamePattern", "campaignType"])?;
                let takes = pattern(asked.text("campaignNamePattern"))?;
                let names: BTreeSet<&str> = ledger.queues.iter().map(|queue| queue.campaign.as_str()).collect();
                let is_inbound = asked.text("campaignType").is_none_or(|kind| kind == "INBOUND");
                for name in names.into_iter().filter(|name| is_inbound && takes(name)) {
                    let fields = [("mode", "BASIC"), ("name", name), ("state", "RUNNING"), ("type", "INBOUND")];
                    object(&mut text, &fields);
                }
            }
            "getUsersGeneralInfo" => {
                let asked = Children::of(wrapper, &["userNamePattern"])?;
                let takes = pattern(asked.text("userNamePattern"))?;
                for agent in ledger.agents.iter().filter(|agent| !agent.is_removed && takes(&agent.user)) {
                    let fields = [
                        ("active", "true"),
                        ("EMail", agent.user.as_str()),
                        ("extension", &agent.extension),
                        ("firstName", &agent.first),
                        ("fullName", &agent.full_name()),
                        ("id", &agent.number),
                        ("lastName", &agent.last),
                        ("userName", &agent.user),
                    ];
                    object(&mut text, &fields);
                }
            }
            "getReasonCodeByType" => {
                let asked = Children::of(wrapper, &["reasonCodeName", "type"])?;
                let is_logout = asked.text("type") == Some("Logout");
                let reasons = ledger.states_at(self.now()).filter(|on| match on.value.state {
                    State::NotReady => !is_logout,
                    State::LoggedOut => is_logout,
                    _ => false,
                });
                let reasons: BTreeSet<&str> = reasons.map(|on| on.value.reason.as_str()).collect();
                let kind = if is_logout { "Logout" } else { "NotReady" };
                let wanted = asked.text("reasonCodeName").filter(|name| !name.is_empty());
                for reason in reasons.into_iter().filter(|reason| !reason.is_empty()) {
                    if wanted.is_none_or(|wanted| wanted == reason) {
                        object(&mut text, &[("enabled", "true"), ("name", reason), ("type", kind)]);
                    }
                }
            }
            "getVCCConfiguration" => {
                Children::of(wrapper, &[])?;
                object(&mut text, &[("domainId", "1234"), ("domainName", "Example & Söhne")]);
            }
            _ => return Ok(None),
        }
        self.count("Query")?;
        Ok(Some(text))
    }
}

fn object(text: &mut String, fields: &[(&str, &str)]) {
    text.push_str("<return>");
    for (name, value) in fields {
        element(text, name, value);
    }
    text.push_str("</return>");
}

/// A pattern that asks for everything, or for one name: the regular expressions that clients of this stand-in use.
fn pattern(text: Option<&str>) -> Result<impl Fn(&str) -> bool, Fault> {
    let text = text.unwrap_or("").to_owned();
    if text.contains('[') && !text.contains(']') {
        return Err(Fault::new("InvalidRegexpPatternFault", "the pattern is no regular expression"));
    }
    Ok(move |name: &str| text.is_empty() || text == ".*" || text == name)
}
