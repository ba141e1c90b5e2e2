//! Users with their present states, queues, and the definitions of presences.

use std::collections::BTreeSet;

use super::Service;
use super::agents::{self, Line, Record};
use super::conversation::queue_id;
use super::details::DIVISION;
use super::refusal::Refusal;
use super::settings::Presence;
use super::shape::Object;
use crate::json;
use crate::ledger::{AgentIx, Ledger, QueueIx};
use crate::serve::{Answer, Request, form};
use crate::time::Ms;

/// The largest page of users and of queues.
const LARGEST_PAGE: usize = 500;

/// The ids in a query, be they repeated or with commas between them.
fn ids(request: &Request) -> Option<Vec<String>> {
    let pairs = request.query_text.split('&').map(form);
    let given: Vec<String> = pairs.filter_map(|pair| pair.get("id").cloned()).collect();
    let split = given.iter().flat_map(|text| text.split(',')).filter(|id| !id.is_empty()).map(str::to_owned);
    (!given.is_empty()).then(|| split.collect())
}

/// A page of what is written already.
fn listing(request: &Request, all: &[String]) -> Result<Answer, Refusal> {
    let number = |name: &str, usual: usize| request.query.get(name).map_or(Some(usual), |text| text.parse().ok());
    let pair = number("pageSize", 25).zip(number("pageNumber", 1));
    let Some((size, page)) = pair.filter(|(size, page)| (1..=LARGEST_PAGE).contains(size) && *page > 0) else {
        return Err(Refusal::bad(format!("The page size must be from 1 to {LARGEST_PAGE}, the page number from 1 on")));
    };
    let pages = all.len().div_ceil(size);
    let shown = all.iter().skip((page - 1) * size).take(size).cloned();
    let uri = |page: usize| format!("{}?pageSize={size}&pageNumber={page}", request.path);
    let answer = Object::new()
        .list("entities", shown)
        .number("pageSize", size)
        .number("pageNumber", page)
        .number("total", all.len())
        .text("firstUri", &uri(1))
        .text("lastUri", &uri(pages.max(1)))
        .maybe("nextUri", (page < pages).then(|| uri(page + 1)).as_deref())
        .maybe("previousUri", (page > 1).then(|| uri(page - 1)).as_deref())
        .text("selfUri", &uri(page))
        .number("pageCount", pages);
    Ok(Answer::json(200, answer.done()))
}

/// What an agent does at an instant, with those who never did anything being offline.
pub(super) fn present(line: Option<&Line>, offline: usize) -> (Record<usize>, Record<&'static str>) {
    let presence = line.and_then(|line| line.presences.last()).copied();
    let routing = line.and_then(|line| line.routing.last()).copied();
    (
        presence.unwrap_or(Record { start: 0, end: None, value: offline }),
        routing.unwrap_or(Record { start: 0, end: None, value: "OFF_QUEUE" }),
    )
}

impl Service {
    /// What agents do at an instant.
    fn presents(
        &self,
        ledger: &Ledger,
        wanted: &BTreeSet<AgentIx>,
        now: Ms,
    ) -> Vec<(AgentIx, Record<usize>, Record<&'static str>)> {
        let lines = agents::lines(ledger, &self.settings, now, Some(wanted));
        let offline = agents::system_presence(&self.settings, "OFFLINE");
        let all = wanted.iter().map(|agent| {
            let (presence, routing) = present(lines.get(agent), offline);
            (*agent, presence, routing)
        });
        all.collect()
    }

    pub(super) fn users(&self, request: &Request) -> Result<Answer, Refusal> {
        let ledger = self.world.ledger();
        let state = request.query.get("state").map_or("active", String::as_str);
        if !["active", "inactive", "deleted", "any"].contains(&state) {
            return Err(Refusal::bad(format!("state is not valid: {state}")));
        }
        let ids = ids(request);
        let is_wanted = |agent: &AgentIx| {
            let own = user_state(&ledger, *agent);
            let is_named = ids.as_ref().is_none_or(|ids| ids.contains(&agents::user_id(*agent)));
            (state == "any" || state == own) && is_named
        };
        let mut wanted: Vec<AgentIx> = (0..ledger.agents.len()).filter(is_wanted).collect();
        wanted.sort_by_key(|agent| (ledger.agents[*agent].full_name(), *agent));
        if request.query.get("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("desc")) {
            wanted.reverse();
        }
        let expand = request.query.get("expand").map_or("", String::as_str);
        let users = self.users_json(&ledger, &wanted, expand, request.at);
        listing(request, &users)
    }

    pub(super) fn user(&self, request: &Request, id: &str) -> Result<Answer, Refusal> {
        let ledger = self.world.ledger();
        let agent = agents::agent_of(&ledger, id).ok_or_else(Refusal::not_found)?;
        let expand = request.query.get("expand").map_or("", String::as_str);
        let users = self.users_json(&ledger, &[agent], expand, request.at);
        Ok(Answer::json(200, users.concat()))
    }

    fn users_json(&self, ledger: &Ledger, wanted: &[AgentIx], expand: &str, now: Ms) -> Vec<String> {
        let set: BTreeSet<AgentIx> = if expand.is_empty() { BTreeSet::new() } else { wanted.iter().copied().collect() };
        let presents = self.presents(ledger, &set, now);
        let all = wanted.iter().zip(1..).map(|(agent, number)| {
            let (of, id) = (&ledger.agents[*agent], agents::user_id(*agent));
            let mut user = Object::new()
                .text("id", &id)
                .text("name", &of.full_name())
                .raw("division", Object::new().text("id", DIVISION).text("name", "Home").done())
                .text("email", &agents::email(of))
                .text("state", user_state(ledger, *agent))
                .text("username", &of.user)
                .number("version", 1);
            let is_skipped = self.settings.unexpanded.is_some_and(|each: usize| number % each.max(1) == 0);
            let present = presents.binary_search_by_key(agent, |(agent, ..)| *agent).ok().filter(|_| !is_skipped);
            if let Some((_, presence, routing)) = present.map(|place| &presents[place]) {
                if expand.split(',').any(|field| field == "routingStatus") {
                    user = user.raw("routingStatus", routing_json(&id, routing));
                }
                if expand.split(',').any(|field| field == "presence") {
                    user = user.raw("presence", self.presence_json(presence));
                }
            }
            user.text("selfUri", &format!("/api/v2/users/{id}")).done()
        });
        all.collect()
    }

    fn presence_json(&self, of: &Record<usize>) -> String {
        let presence = &self.settings.presences[of.value];
        Object::new()
            .text("source", "PURECLOUD")
            .raw("primary", "true")
            .raw("presenceDefinition", definition_of(presence, &agents::spelled(presence.system, " ")))
            .text("message", "")
            .date("modifiedDate", of.start)
            .done()
    }

    pub(super) fn user_presence(&self, request: &Request, id: &str) -> Result<Answer, Refusal> {
        let ledger = self.world.ledger();
        let agent = agents::agent_of(&ledger, id).ok_or_else(Refusal::not_found)?;
        let presents = self.presents(&ledger, &BTreeSet::from([agent]), request.at);
        Ok(Answer::json(200, presents.iter().map(|(_, presence, _)| self.presence_json(presence)).collect::<String>()))
    }

    pub(super) fn presences_bulk(&self, request: &Request) -> Result<Answer, Refusal> {
        let ids = ids(request).unwrap_or_default();
        if ids.len() > 50 {
            let refusal = Refusal::bad("No more than 50 ids can be asked for.".to_owned());
            return Err(Refusal { limit: Some(("ids of presences", 50)), ..refusal });
        }
        let ledger = self.world.ledger();
        let wanted = ids.iter().filter_map(|id| agents::agent_of(&ledger, id)).collect();
        let all = self.presents(&ledger, &wanted, request.at).into_iter().map(|(agent, presence, _)| {
            let (id, of) = (agents::user_id(agent), &self.settings.presences[presence.value]);
            Object::new()
                .text("id", &format!("{id}-PURECLOUD"))
                .text("userId", &id)
                .text("source", "PURECLOUD")
                .raw("presenceDefinition", definition_of(of, &agents::spelled(of.system, " ")))
                .text("message", "")
                .date("modifiedDate", presence.start)
                .done()
        });
        Ok(Answer::json(200, json::array(all)))
    }

    pub(super) fn routing_status(&self, request: &Request, id: &str) -> Result<Answer, Refusal> {
        let ledger = self.world.ledger();
        let agent = agents::agent_of(&ledger, id).ok_or_else(Refusal::not_found)?;
        let presents = self.presents(&ledger, &BTreeSet::from([agent]), request.at);
        let all: String = presents.iter().map(|(_, _, routing)| routing_json(id, routing)).collect();
        Ok(Answer::json(200, all))
    }

    pub(super) fn queues(&self, request: &Request) -> Result<Answer, Refusal> {
        let ledger = self.world.ledger();
        let (ids, pattern) = (ids(request), request.query.get("name"));
        let is_wanted = |queue: &QueueIx| {
            let is_named = ids.as_ref().is_none_or(|ids| ids.contains(&queue_id(*queue)));
            let fits = pattern.is_none_or(|pattern| fits(pattern, &ledger.queues[*queue].name));
            !self.settings.deleted_queues.contains(queue) && is_named && fits
        };
        let mut wanted: Vec<QueueIx> = (0..ledger.queues.len()).filter(is_wanted).collect();
        wanted.sort_by_key(|queue| &ledger.queues[*queue].name);
        let all: Vec<String> = wanted.into_iter().map(|queue| self.queue_json(&ledger, queue)).collect();
        listing(request, &all)
    }

    pub(super) fn queue(&self, id: &str) -> Result<Answer, Refusal> {
        let ledger = self.world.ledger();
        let known = |queue: &QueueIx| queue_id(*queue) == id && !self.settings.deleted_queues.contains(queue);
        let queue = (0..ledger.queues.len()).find(known).ok_or_else(Refusal::not_found)?;
        Ok(Answer::json(200, self.queue_json(&ledger, queue)))
    }

    fn queue_json(&self, ledger: &Ledger, queue: QueueIx) -> String {
        let (id, of) = (queue_id(queue), &ledger.queues[queue]);
        let level = Object::new()
            .raw(
                "serviceLevel",
                Object::new().number("percentage", self.settings.service_level).number("durationMs", of.target).done(),
            )
            .done();
        let media = ["call", "callback", "chat", "email", "message"];
        let media = media.iter().fold(Object::new(), |object, name| object.raw(name, &level));
        Object::new()
            .text("id", &id)
            .text("name", &of.name)
            .raw("division", Object::new().text("id", DIVISION).text("name", "Home").done())
            .raw("mediaSettings", media.done())
            .raw("acwSettings", Object::new().text("wrapupPrompt", "MANDATORY").done())
            .text("selfUri", &format!("/api/v2/routing/queues/{id}"))
            .done()
    }

    pub(super) fn presence_definitions(&self, request: &Request) -> Result<Answer, Refusal> {
        let wanted = match request.query.get("deactivated").map(|text| text.to_lowercase()).as_deref() {
            None | Some("false") => Some(false),
            Some("true") if self.settings.deactivated_lists_all => None,
            Some("true") => Some(true),
            Some(other) => return Err(Refusal::bad(format!("deactivated is not valid: {other}"))),
        };
        let locale = request.query.get("localeCode").map_or("en_US", String::as_str);
        let all = self.settings.presences.iter();
        let all = all.filter(|presence| wanted.is_none_or(|wanted| presence.is_deactivated == wanted));
        let all: Vec<String> = all.map(|presence| definition_json(presence, locale)).collect();
        let answer = Object::new().number("total", all.len()).list("entities", all);
        Ok(Answer::json(200, answer.text("selfUri", "/api/v2/presence/definitions").done()))
    }
}

fn user_state(ledger: &Ledger, agent: AgentIx) -> &'static str {
    if ledger.agents[agent].is_removed { "inactive" } else { "active" }
}

fn routing_json(user: &str, of: &Record<&'static str>) -> String {
    Object::new().text("userId", user).text("status", of.value).date("startTime", of.start).done()
}

/// The short form of a presence's definition.
pub(super) fn definition_of(presence: &Presence, system: &str) -> String {
    Object::new().text("id", &presence.id).text("systemPresence", system).done()
}

fn definition_json(of: &Presence, locale: &str) -> String {
    let english = [("en_US".to_owned(), of.label.clone())];
    let labels = of.labels.clone().into_iter().chain(english);
    let labels = labels.filter(|(own, _)| locale == "ALL" || own == locale);
    let labels = labels.fold(Object::new(), |object, (locale, label)| object.text(&locale, &label));
    Object::new()
        .text("id", &of.id)
        .text("type", if of.is_system { "System" } else { "User" })
        .raw("languageLabels", labels.done())
        .text("systemPresence", &agents::spelled(of.system, ""))
        .text("divisionId", "*")
        .raw("deactivated", of.is_deactivated.to_string())
        .text("selfUri", &format!("/api/v2/presence/definitions/{}", of.id))
        .done()
}

/// Whether a name is meant, with asterisks at the ends standing for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let middle = pattern.trim_matches('*');
    match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => name.contains(middle),
        (true, false) => name.ends_with(middle),
        (false, true) => name.starts_with(middle),
        (false, false) => name == middle,
    }
}
