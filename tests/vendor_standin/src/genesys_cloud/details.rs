//! `/api/v2/analytics/conversations/details/query`: conversations page by page.

use serde_json::Value;

use super::Service;
use super::body::{self, CONVERSATIONS};
use super::conversation::{Conversation, Participant, Session};
use super::refusal::Refusal;
use super::shape::Object;
use crate::serve::{Answer, Request};
use crate::time::{DAY, Ms};

/// The dimensions by which conversations can be chosen here.
const OF_CONVERSATIONS: [&str; 3] = ["conversationId", "originatingDirection", "divisionId"];
/// Those by which segments can.
const OF_SEGMENTS: [&str; 8] =
    ["queueId", "userId", "mediaType", "purpose", "direction", "segmentType", "disconnectType", "wrapUpCode"];

/// The one division.
pub(super) const DIVISION: &str = "d-1";

impl Service {
    pub(super) fn conversations_query(&self, request: &Request) -> Result<Answer, Refusal> {
        let body = body::read(&request.body, CONVERSATIONS)?;
        let interval = body::interval(&body)?;
        body::pass_length(interval, self.settings.longest_conversations)?;
        let (size, page) = body::paging(&body, self.settings.largest_page)?;
        let found = self.conversations(&body, interval, self.seen(request.at), true)?;
        let shown = found.iter().skip((page - 1) * size).take(size).map(|one| self.conversation_json(one, false));
        let answer = Object::new()
            .list_or_nothing("conversations", shown.collect(), self.settings.omits_empty)
            .number("totalHits", found.len());
        Ok(Answer::json(200, answer.done()))
    }

    /// The conversations that overlap an interval; with `by_day` those only that started on a UTC day which it touches.
    pub(super) fn conversations(
        &self,
        body: &Value,
        (from, to): (Ms, Ms),
        seen: Ms,
        by_day: bool,
    ) -> Result<Vec<Conversation>, Refusal> {
        let nothing = |_: &str| Vec::new();
        body::passes(&body["conversationFilters"], &OF_CONVERSATIONS, &nothing)?;
        body::passes(&body["segmentFilters"], &OF_SEGMENTS, &nothing)?;
        let ledger = self.world.ledger();
        let first = if by_day { from.div_euclid(DAY) * DAY } else { Ms::MIN };
        let mut found = Vec::new();
        for contact in ledger.contacts_at(seen).map(|on| on.value) {
            let overlaps = contact.start < to && (contact.end() > from || contact.start >= from);
            if !overlaps || contact.start < first || contact.start > seen {
                continue;
            }
            let conversation = self.conversation(&ledger, contact).cut(seen);
            if is_wanted(body, &conversation)? {
                found.push(conversation);
            }
        }
        let by_end = matches!(body["orderBy"].as_str(), Some("conversationEnd" | "segmentEnd"));
        found.sort_by_key(|one| if by_end { one.end.unwrap_or(Ms::MAX) } else { one.start });
        if body["order"] == "desc" {
            found.reverse();
        }
        Ok(found)
    }

    pub(super) fn conversation_json(&self, of: &Conversation, has_attributes: bool) -> String {
        let participants = of.participants.iter().map(|participant| self.participant_json(participant, has_attributes));
        Object::new()
            .text("conversationId", &of.id)
            .date("conversationStart", of.start)
            .maybe_date("conversationEnd", of.end)
            .text("originatingDirection", of.direction)
            .list("divisionIds", [crate::json::text(DIVISION)])
            .list("participants", participants)
            .done()
    }

    fn participant_json(&self, of: &Participant, has_attributes: bool) -> String {
        let mut object = Object::new()
            .text("participantId", &of.id)
            .text("purpose", of.purpose)
            .maybe("userId", of.user.as_deref())
            .list("sessions", [self.session_json(&of.session)]);
        if has_attributes && of.purpose == "customer" {
            // What is longer is cut.
            object = object.raw("attributes", Object::new().text("note", &"x".repeat(1_024)).done());
        }
        object.done()
    }

    fn session_json(&self, of: &Session) -> String {
        let metrics = of.metrics.iter().map(|metric| {
            let object = Object::new().text("name", metric.name).number("value", metric.value);
            object.date("emitDate", metric.at).done()
        });
        let segments = of.segments.iter().map(|segment| {
            Object::new()
                .date("segmentStart", segment.start)
                .maybe_date("segmentEnd", segment.end)
                .text("segmentType", segment.kind)
                .maybe("queueId", segment.queue.as_deref())
                .maybe("disconnectType", segment.disconnect)
                .maybe("wrapUpCode", segment.wrap_up.as_deref())
                .done()
        });
        Object::new()
            .text("sessionId", &of.id)
            .text("mediaType", of.media)
            .text("direction", of.direction)
            .list_or_nothing("metrics", metrics.collect(), self.settings.omits_empty)
            .list("segments", segments)
            .done()
    }
}

/// Whether a conversation passes the filters, one of its segments those for segments.
fn is_wanted(body: &Value, of: &Conversation) -> Result<bool, Refusal> {
    let of_conversation = |name: &str| match name {
        "conversationId" => vec![of.id.as_str()],
        "originatingDirection" => vec![of.direction],
        _ => vec![DIVISION],
    };
    if !body::passes(&body["conversationFilters"], &OF_CONVERSATIONS, &of_conversation)? {
        return Ok(false);
    }
    if !body::is_filtered(body, &["segmentFilters"]) {
        return Ok(true);
    }
    for participant in &of.participants {
        for segment in &participant.session.segments {
            let of_segment = |name: &str| {
                let value = match name {
                    "queueId" => segment.queue.as_deref(),
                    "userId" => participant.user.as_deref(),
                    "mediaType" => Some(participant.session.media),
                    "purpose" => Some(participant.purpose),
                    "direction" => Some(participant.session.direction),
                    "segmentType" => Some(segment.kind),
                    "disconnectType" => segment.disconnect,
                    _ => segment.wrap_up.as_deref(),
                };
                value.into_iter().collect()
            };
            if body::passes(&body["segmentFilters"], &OF_SEGMENTS, &of_segment)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
