//! Contacts from the call log: rows of one call that follow one another in the same queue are one.

use std::collections::HashMap;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{ContactSource, ContactWriter, Context, Limits, Outcome};
use injixo_core::model::{Channel, Contact, Millis, Quantity, RejectedRow, Timestamp, Window};

use crate::config::{CountsAt, Five9Config, Grouping};
use crate::report::{Part, Reports};
use crate::table::{Row, Wrong};

#[derive(Debug)]
pub(crate) struct Contacts(pub(crate) Reports);

/// The rows of a window are held together, since those of one call belong together.
const LONGEST_WINDOW: Millis = Millis::from_mins(1_440);

#[async_trait]
impl ContactSource for Contacts {
    fn limits(&self) -> Limits {
        Limits::new().longest_window(LONGEST_WINDOW).writes_late(self.margin())
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        // Earlier rows of a call that goes on in the window, and later ones of a call that begins in it.
        let to = window.to().after(self.margin()).min(cx.now().max(window.to()));
        let around = Window::new(window.from().before(self.margin()).max(Timestamp::MIN), to)?;
        let Some(parts) = self.0.read(cx, &self.0.config.calls_report(), around).await? else {
            return Ok(Outcome::truncated());
        };
        let mut segments = Vec::new();
        for part in &parts {
            self.segments(part, window, &mut segments, out)?;
        }
        for contact in joined(segments, self.0.config.counts_at) {
            if window.contains(contact.1.start) {
                let rows = out.rows();
                match rows.queue(&contact.0, Channel::Calls) {
                    Ok(queue) => rows.contact(queue, &contact.1),
                    Err(rule) => {
                        let (source, excerpt) =
                            (self.0.config.calls_report().name, RejectedRow::excerpt_of(&contact.0));
                        out.reject(&RejectedRow { source, line: 0, column: self.key().to_owned(), rule, excerpt })?;
                    }
                }
            }
        }
        out.flush().await?;
        Ok(Outcome::complete())
    }
}

impl Contacts {
    fn margin(&self) -> Millis {
        Millis::from_secs(i64::from(self.0.config.longest_call_secs))
    }

    fn key(&self) -> &'static str {
        match self.0.config.grouping {
            Grouping::Campaign => "CAMPAIGN",
            Grouping::Skill => "SKILL",
        }
    }

    /// Reads the rows of a part.
    fn segments(
        &self,
        part: &Part,
        window: Window,
        segments: &mut Vec<Segment>,
        out: &mut ContactWriter<'_>,
    ) -> Result<()> {
        let columns = part.table.columns([
            "CALL ID",
            "TIMESTAMP",
            self.key(),
            "CALL TYPE",
            "AGENT",
            "IVR TIME",
            "QUEUE WAIT TIME",
            "RING TIME",
            "TALK TIME",
            "HOLD TIME",
            "AFTER CALL WORK TIME",
            "ABANDONED",
        ])?;
        let (mut outside, mut inside) = (Vec::new(), 0);
        for row in part.table.rows() {
            let local = match row.timestamp(columns[1]) {
                Ok(local) => local,
                Err(wrong) => {
                    out.reject(&row.rejected(wrong))?;
                    continue;
                }
            };
            let Some(at) = self.0.instant(part, local) else {
                outside.push(local);
                continue;
            };
            inside += 1;
            match Segment::of(row, at, &columns, &self.0.config) {
                Ok(segment) => segments.extend(segment),
                // Whatever is wrong beside the window is told by the window that owns it.
                Err(_) if !window.contains(at) => {}
                Err(wrong) => out.reject(&row.rejected(wrong))?,
            }
        }
        self.0.check_range(part, &outside, inside)
    }
}

/// A row of the call log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    call: String,
    at: Timestamp,
    queue: String,
    is_offered: bool,
    /// From its start to the queue.
    before_queue: Millis,
    /// In the queue until answered.
    wait: Millis,
    /// What the agent did; `None` without one.
    handled: Option<Millis>,
    is_abandoned: Option<bool>,
}

/// Calls that nobody offered to a queue.
const NOT_OFFERED: [&str; 11] = [
    "OUTBOUND",
    "MANUAL",
    "AUTODIAL",
    "PREVIEW",
    "INTERNAL",
    "AGENT",
    "TEST",
    "OUTBOUND_PREVIEW",
    "OUTBOUND PREVIEW",
    "OUTBOUND_VOICEMAIL",
    "INTERNAL_VOICEMAIL",
];

impl Segment {
    /// A row without a queue is none.
    fn of(row: Row<'_>, at: Timestamp, columns: &[usize; 12], config: &Five9Config) -> Result<Option<Self>, Wrong> {
        let [call, _, key, call_type, agent, ivr, queued, ring, talk, hold, wrap, abandoned] = *columns;
        let Some(queue) = row.name(key) else { return Ok(None) };
        let [ivr, queued, ring, talk, hold, wrap] =
            [ivr, queued, ring, talk, hold, wrap].map(|column| row.length(column));
        let (ivr, queued, ring, talk, hold, wrap) = (ivr?, queued?, ring?, talk?, hold?, wrap?);
        let held = if config.talk_contains_hold { Millis::ZERO } else { hold };
        let is_handled = row.name(agent).is_some() && talk > Millis::ZERO;
        let call_type = row.text(call_type);
        Ok(Some(Self {
            call: row.text(call).to_owned(),
            at,
            queue: queue.to_owned(),
            is_offered: !NOT_OFFERED.iter().any(|kind| kind.eq_ignore_ascii_case(call_type)),
            before_queue: ivr,
            wait: queued.plus(ring),
            handled: is_handled.then(|| talk.plus(held).plus(wrap)),
            is_abandoned: match row.text(abandoned) {
                "1" => Some(true),
                "0" | "-" | "" => Some(false),
                _ => None,
            },
        }))
    }
}

/// The contacts of segments: those of one call that follow one another in the same queue are one.
fn joined(mut segments: Vec<Segment>, counts_at: CountsAt) -> Vec<(String, Contact)> {
    segments.sort_by_key(|segment| segment.at);
    let mut contacts: Vec<(String, Contact)> = Vec::new();
    // The last contact of each call, and when it entered the queue.
    let mut last: HashMap<String, (usize, Timestamp)> = HashMap::new();
    for segment in segments {
        let entered = segment.at.after(segment.before_queue);
        let answered = entered.after(segment.wait);
        let (index, entered) = match last.get(&segment.call) {
            Some(&(index, entered)) if contacts[index].0 == segment.queue => (index, entered),
            _ if !segment.is_offered => continue,
            _ => {
                let start = if counts_at == CountsAt::Queue { entered } else { segment.at };
                let mut contact = Contact::offered(start);
                contact.abandoned = Some(Quantity::ZERO);
                contacts.push((segment.queue.clone(), contact));
                last.insert(segment.call.clone(), (contacts.len() - 1, entered));
                (contacts.len() - 1, entered)
            }
        };
        let contact = &mut contacts[index].1;
        if let Some(time) = segment.handled {
            if contact.handled.is_zero() {
                contact.handled = Quantity::ONE;
                contact.wait = Some(answered.since(entered));
            }
            contact.duration = Some(contact.duration.unwrap_or(Millis::ZERO).plus(time));
        }
        contact.abandoned = match (contact.abandoned, segment.is_abandoned) {
            (Some(_), Some(true)) => Some(Quantity::ONE),
            (known, Some(false)) => known,
            (_, None) | (None, _) => None,
        };
        if !contact.handled.is_zero() && contact.abandoned.is_some() {
            contact.abandoned = Some(Quantity::ZERO);
        }
    }
    contacts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2024-03-05T{text}Z").parse().unwrap()
    }

    fn segment(call: &str, start: &str, queue: &str, secs: [i64; 3], is_abandoned: bool) -> Segment {
        let [before, wait, worked] = secs.map(Millis::from_secs);
        Segment {
            call: call.to_owned(),
            at: at(start),
            queue: queue.to_owned(),
            is_offered: true,
            before_queue: before,
            wait,
            handled: (worked > Millis::ZERO).then_some(worked),
            is_abandoned: Some(is_abandoned),
        }
    }

    /// The rows of the vendor's example: 4711 is passed on by amy to bob.
    #[test]
    fn a_call_that_is_passed_on_in_its_queue_is_one_contact() {
        let rows = vec![
            segment("4711", "09:46:10", "Hotline", [20, 40, 220], false),
            segment("4712", "09:47:02", "Hotline", [15, 50, 0], true),
            segment("4711", "09:50:20", "Hotline", [0, 14, 106], false),
        ];
        let contacts = joined(rows.clone(), CountsAt::Queue);
        let expected: Vec<_> = contacts
            .iter()
            .map(|(_, contact)| (contact.start, contact.handled, contact.duration, contact.wait, contact.abandoned))
            .collect();
        let (one, none) = (Quantity::ONE, Quantity::ZERO);
        assert_eq!(
            expected,
            [
                (at("09:46:30"), one, Some(Millis::from_secs(326)), Some(Millis::from_secs(40)), Some(none)),
                (at("09:47:17"), none, None, None, Some(one)),
            ]
        );
        assert_eq!(joined(rows, CountsAt::Call)[0].1.start, at("09:46:10"));
    }

    #[test]
    fn another_queue_is_another_contact_and_back_again_a_third() {
        let rows = ["Billing", "Sales", "Billing"].iter().zip(["09:00:00", "09:05:00", "09:10:00"]);
        let rows = rows.map(|(queue, start)| segment("1", start, queue, [0, 10, 60], false)).collect();
        let queues: Vec<String> = joined(rows, CountsAt::Queue).into_iter().map(|contact| contact.0).collect();
        assert_eq!(queues, ["Billing", "Sales", "Billing"]);
    }

    #[test]
    fn who_was_called_is_not_offered_but_belongs_to_a_call_that_was() {
        let dialled = |start| Segment { is_offered: false, ..segment("1", start, "Sales", [0, 0, 30], false) };
        assert!(joined(vec![dialled("09:00:00")], CountsAt::Queue).is_empty());
        let rows = vec![segment("1", "08:55:00", "Sales", [0, 5, 60], false), dialled("09:00:00")];
        assert_eq!(joined(rows, CountsAt::Queue)[0].1.duration, Some(Millis::from_secs(90)));
    }

    #[test]
    fn who_is_answered_at_last_waited_from_the_first_queueing_on_and_gave_nothing_up() {
        let rows = vec![
            segment("1", "09:00:00", "Sales", [10, 30, 0], true),
            segment("1", "09:02:00", "Sales", [0, 15, 60], false),
        ];
        let contact = joined(rows, CountsAt::Queue)[0].1;
        assert_eq!((contact.wait, contact.abandoned), (Some(Millis::from_secs(125)), Some(Quantity::ZERO)));
    }
}
