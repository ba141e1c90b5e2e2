//! Agent statuses: presences, and on request what agents do while on queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{Context, Limits, Outcome, StatusSource, StatusWriter};
use injixo_core::model::{Millis, Timestamp, Window};

use super::client::{About, Client};
use super::config::GenesysCloudConfig;
use super::directory::{Directory, Presences};
use super::wire::{Details, Presence, Routing, UserDetails, normal};

#[derive(Debug)]
pub(super) struct Statuses {
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) config: Arc<GenesysCloudConfig>,
}

/// An answer may reach over a week; one of a day is held at a time.
const LONGEST_WINDOW: Millis = Millis::from_mins(1_440);

const LATE: Millis = Millis::from_mins(60);

/// What is shorter when it is cut at the ends of a presence comes from records that do not quite meet.
const SHORTEST: Millis = Millis::from_secs(1);

#[async_trait]
impl StatusSource for Statuses {
    fn limits(&self) -> Limits {
        Limits::new().longest_window(LONGEST_WINDOW).writes_late(LATE)
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let details = if self.is_for_a_job(cx, window).await? {
            let mut details = Vec::new();
            let take = |page: Details| {
                details.extend(page.user_details);
                Ok(())
            };
            self.client.job(cx, window, take).await?;
            details
        } else {
            self.client.details(cx, window).await?
        };
        let users = merged(details);
        let presences = self.directory.presences(&self.client, cx).await?;
        let wanted = users.keys().map(String::as_str);
        let names = self.directory.users(&self.client, cx, self.config.agent, wanted).await?;
        for (id, (presence, routing)) in &users {
            let agent = names.get(id).unwrap_or(id);
            for span in spans(presence, routing, &presences, self.config.on_queue_detail) {
                if span.start < window.to() {
                    out.span(agent, &span.status, span.start, span.end);
                }
            }
            out.flush().await?;
        }
        Ok(Outcome::complete())
    }
}

impl Statuses {
    /// Whether a window lies so far back that a job holds all of it.
    async fn is_for_a_job(&self, cx: &Context, window: Window) -> Result<bool> {
        let age = Millis::from_mins(1_440 * i64::from(self.config.jobs_after_days));
        if window.to() > cx.now().before(age) {
            return Ok(false);
        }
        Ok(self.client.available(cx, About::Users).await?.is_some_and(|available| window.to() <= available))
    }
}

type Records = (Vec<Presence>, Vec<Routing>);

/// The records of each user, from all pages, each once.
fn merged(details: Vec<UserDetails>) -> BTreeMap<String, Records> {
    let mut users: BTreeMap<String, Records> = BTreeMap::new();
    for user in details {
        let (presence, routing) = users.entry(user.user_id).or_default();
        presence.extend(user.primary_presence);
        routing.extend(user.routing_status);
    }
    for (presence, routing) in users.values_mut() {
        // Of a record that is there twice the one with an end knows more.
        presence.sort_by_key(|record| (record.start_time, record.end_time.is_none(), record.end_time));
        presence.dedup_by_key(|record| record.start_time);
        routing.sort_by_key(|record| (record.start_time, record.end_time.is_none(), record.end_time));
        routing.dedup_by_key(|record| record.start_time);
    }
    users
}

#[derive(Debug, PartialEq, Eq)]
struct Status {
    status: String,
    start: Timestamp,
    end: Option<Timestamp>,
}

/// The spans of a user. Those of routing lie within that of being on queue: on the timeline the shorter one counts, and where none
/// is there the presence.
fn spans(presence: &[Presence], routing: &[Routing], names: &Presences, is_detailed: bool) -> Vec<Status> {
    let mut spans = Vec::new();
    for record in presence {
        let (start, end) = (record.start_time, record.end_time);
        let is_on_queue = normal(&record.system_presence) == "ONQUEUE";
        let status = names.label(&record.organization_presence_id, &record.system_presence);
        spans.push(Status { status: status.clone(), start, end });
        if !is_on_queue || !is_detailed {
            continue;
        }
        for piece in routing {
            let Some(detail) = detail(&piece.routing_status) else { continue };
            let from = piece.start_time.max(start);
            let to = match (piece.end_time, end) {
                (Some(piece), Some(end)) => Some(piece.min(end)),
                (piece, end) => piece.or(end),
            };
            let is_clipped = from != piece.start_time || to != piece.end_time;
            let least = if is_clipped { SHORTEST } else { Millis::new(1) };
            if to.is_none_or(|to| to.since(from) >= least) && end.is_none_or(|end| from < end) {
                spans.push(Status { status: format!("{status} - {detail}"), start: from, end: to });
            }
        }
    }
    spans
}

/// What an agent does while on queue; nothing for one who is off.
pub(super) fn detail(routing: &str) -> Option<&'static str> {
    match normal(routing).as_str() {
        "IDLE" => Some("Idle"),
        "INTERACTING" => Some("Interacting"),
        "NOTRESPONDING" => Some("Not Responding"),
        "COMMUNICATING" => Some("Communicating"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2024-03-01T{time}Z").parse().unwrap()
    }

    /// The example of the reference, with what its answers do besides: a record on two pages, one that is there twice.
    fn example() -> BTreeMap<String, Records> {
        let text = r#"{"userDetails":[
          {"userId":"u-1",
           "primaryPresence":[{"startTime":"2024-03-01T07:58:00.000Z","systemPresence":"ON_QUEUE","organizationPresenceId":"op-1"}]},
          {"userId":"u-1",
           "primaryPresence":[{"startTime":"2024-03-01T07:58:00.000Z","endTime":"2024-03-01T10:00:00.000Z","systemPresence":"ON_QUEUE","organizationPresenceId":"op-1"},
                              {"startTime":"2024-03-01T10:00:00.000Z","systemPresence":"MEAL","organizationPresenceId":"op-7"}],
           "routingStatus":[{"startTime":"2024-03-01T07:57:59.990Z","endTime":"2024-03-01T08:01:12.000Z","routingStatus":"IDLE"},
                            {"startTime":"2024-03-01T08:01:12.000Z","endTime":"2024-03-01T08:06:30.000Z","routingStatus":"INTERACTING"},
                            {"startTime":"2024-03-01T08:06:30.000Z","endTime":"2024-03-01T08:06:30.400Z","routingStatus":"IDLE"},
                            {"startTime":"2024-03-01T09:59:00.000Z","endTime":"2024-03-01T09:59:59.900Z","routingStatus":"COMMUNICATING"},
                            {"startTime":"2024-03-01T09:59:59.900Z","endTime":"2024-03-01T10:00:00.020Z","routingStatus":"IDLE"},
                            {"startTime":"2024-03-01T10:00:00.020Z","routingStatus":"OFF_QUEUE"}]}],
         "totalHits":1}"#;
        merged(serde_json::from_str::<Details>(text).unwrap().user_details)
    }

    #[test]
    fn presences_and_what_agents_do_while_on_queue() {
        let users = example();
        let (presence, routing) = &users["u-1"];
        let of = |is_detailed| {
            let spans = spans(presence, routing, &Presences::default(), is_detailed);
            spans.into_iter().map(|span| (span.status, span.start, span.end)).collect::<Vec<_>>()
        };
        let on_queue = ("On Queue".to_owned(), at("07:58:00"), Some(at("10:00:00")));
        let meal = ("Meal".to_owned(), at("10:00:00"), None);
        assert_eq!(of(false), [on_queue.clone(), meal.clone()]);
        let detail = |name: &str, from: &str, to: &str| (format!("On Queue - {name}"), at(from), Some(at(to)));
        // Short pieces count as well, but not what the end of being on queue leaves of one.
        assert_eq!(
            of(true),
            [
                on_queue,
                detail("Idle", "07:58:00", "08:01:12"),
                detail("Interacting", "08:01:12", "08:06:30"),
                detail("Idle", "08:06:30", "08:06:30.4"),
                detail("Communicating", "09:59:00", "09:59:59.9"),
                meal,
            ]
        );
    }
}
