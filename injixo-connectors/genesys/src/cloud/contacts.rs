//! Contacts: sums of a queue and quarter of an hour, as the vendor delivers them. Where it keeps no sums any more they are added up
//! from the conversations, each metric where it was measured.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{ContactSource, ContactWriter, Context, Form, Limits, Outcome};
use injixo_core::model::{
    Attribution, IntervalLength, IntervalRow, Measures, Millis, Quantity, RejectedRow, Rule, Timed, Timestamp, Window,
};

use super::client::{About, Client};
use super::config::GenesysCloudConfig;
use super::directory::Directory;
use super::wire::{Aggregates, Bucket, Conversation, Conversations, Stats};

#[derive(Debug)]
pub(super) struct Contacts {
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) config: Arc<GenesysCloudConfig>,
}

const QUARTER: Millis = Millis::from_mins(15);

const DAY: Millis = Millis::from_mins(1_440);

/// Every measure is counted when it happens; the sums may be minutes behind.
const LATE: Millis = Millis::from_mins(60);

/// How long work after a conversation may last that a job, which asks for conversations, would miss.
const AFTERWARDS: Millis = Millis::from_mins(60);

#[async_trait]
impl ContactSource for Contacts {
    fn limits(&self) -> Limits {
        // How much one answer may ask for by quarters of an hour is not documented; a day is taken to be safe.
        Limits::new().longest_window(DAY).smallest_window(QUARTER).writes_late(LATE)
    }

    fn form(&self) -> Form {
        Form::IntervalRows { length: IntervalLength::MINUTES_15, attribution: Attribution::AsDelivered }
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let sums = if self.are_sums_gone(cx, window).await? {
            self.conversations(cx, window).await?
        } else {
            Sums::of(&self.client.aggregates(cx, window).await?, window)
        };
        let names = self.directory.queues(&self.client, cx).await?;
        for (index, ((queue, medium, start), sum)) in sums.0.iter().enumerate() {
            if sum.is_nothing() {
                continue;
            }
            let Some(channel) = self.config.channel(medium) else {
                // Work between colleagues is no contact.
                if sum.offered > 0 {
                    out.reject(&RejectedRow {
                        source: "conversations".to_owned(),
                        line: index as u64 + 1,
                        column: "mediaType".to_owned(),
                        rule: Rule::Channel,
                        excerpt: RejectedRow::excerpt_of(medium),
                    })?;
                }
                continue;
            };
            // A queue that was deleted has no name any more.
            let name = names.get(queue).filter(|name| !name.is_empty()).unwrap_or(queue);
            out.queue_name(queue, channel, name, *start)?;
            out.interval_row(queue, channel, IntervalRow { start: *start, length: QUARTER, measures: sum.measures() });
        }
        out.flush().await?;
        Ok(Outcome::complete())
    }
}

impl Contacts {
    /// Whether a window lies so far back that there are no sums of it, and a job has its conversations.
    async fn are_sums_gone(&self, cx: &Context, window: Window) -> Result<bool> {
        if window.from() > cx.now().before(Millis::from_mins(1_440 * i64::from(self.config.sums_days))) {
            return Ok(false);
        }
        let available = self.client.available(cx, About::Conversations).await?;
        Ok(available.is_some_and(|available| window.to() <= available))
    }

    async fn conversations(&self, cx: &Context, window: Window) -> Result<Sums> {
        let (mut sums, mut seen) = (Sums::default(), HashSet::new());
        let around = Window::new(window.from().before(AFTERWARDS), window.to())?;
        let take = |page: Conversations| {
            for conversation in page.conversations {
                if seen.insert(conversation.conversation_id.clone()) {
                    sums.add(&conversation, window);
                }
            }
            Ok(())
        };
        self.client.job(cx, around, take).await?;
        Ok(sums)
    }
}

/// What happened, by queue, medium and start of the quarter of an hour.
#[derive(Debug, Default, PartialEq)]
struct Sums(BTreeMap<(String, String, Timestamp), Sum>);

/// Counts, and sums in whole milliseconds. What nothing was said of is zero, but for the service level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    offered: u64,
    answered: u64,
    wait: u64,
    abandoned: u64,
    handled: u64,
    handle: u64,
    /// How many were answered too late.
    over: u64,
    /// How many were answered in time, where that is counted apart.
    within: Option<u64>,
}

impl Sums {
    fn of(answer: &Aggregates, window: Window) -> Self {
        let mut sums = Self::default();
        for group in answer.results.iter().filter(|group| !group.group.queue_id.is_empty()) {
            for bucket in group.data.iter().filter(|bucket| window.contains(bucket.interval.from())) {
                let key = &group.group;
                let place = (key.queue_id.clone(), key.media_type.clone(), bucket.interval.from());
                sums.0.insert(place, Sum::of(bucket));
            }
        }
        sums
    }

    /// Adds what was measured in the window.
    fn add(&mut self, conversation: &Conversation, window: Window) {
        if !conversation.originating_direction.eq_ignore_ascii_case("inbound") {
            return;
        }
        for session in conversation.participants.iter().flat_map(|participant| &participant.sessions) {
            let queue = session.segments.iter().find_map(|segment| segment.queue_id.as_ref());
            let Some(queue) = queue.filter(|queue| !queue.is_empty()) else { continue };
            for event in &session.metrics {
                let Some(at) = event.emit_date.filter(|at| window.contains(*at)) else { continue };
                let start = Timestamp::from_millis(at.millis() - at.millis().rem_euclid(QUARTER.get()));
                let sum = self.0.entry((queue.clone(), session.media_type.clone(), start)).or_default();
                sum.add(&event.name, whole(event.value));
            }
        }
    }
}

impl Sum {
    fn of(bucket: &Bucket) -> Self {
        let of = |name: &str| {
            let metric = bucket.metrics.iter().find(|metric| metric.metric == name);
            metric.map_or(Stats::default(), |metric| metric.stats)
        };
        let count = |name: &str| whole(of(name).count.unwrap_or(0.0));
        let total = |name: &str| whole(of(name).sum.unwrap_or(0.0));
        Self {
            offered: count("nOffered"),
            answered: count("tAnswered"),
            wait: total("tAnswered"),
            abandoned: count("tAbandon"),
            handled: count("tHandle"),
            handle: total("tHandle"),
            over: count("nOverSla"),
            within: of("oServiceLevel").numerator.map(whole),
        }
    }

    fn add(&mut self, metric: &str, value: u64) {
        match metric {
            "nOffered" => self.offered += value,
            "tAnswered" => (self.answered, self.wait) = (self.answered + 1, self.wait.saturating_add(value)),
            "tAbandon" => self.abandoned += 1,
            "tHandle" => (self.handled, self.handle) = (self.handled + 1, self.handle.saturating_add(value)),
            "nOverSla" => self.over += value,
            "oServiceLevel" => self.within = Some(self.within.unwrap_or(0) + value),
            _ => {}
        }
    }

    fn is_nothing(&self) -> bool {
        let within = self.within.unwrap_or(0);
        [self.offered, self.answered, self.abandoned, self.handled, within].iter().all(|count| *count == 0)
    }

    fn measures(&self) -> Measures {
        let timed = |total, number| Timed { total: millis(total), number: quantity(number) };
        Measures {
            offered: quantity(self.offered),
            handled: quantity(self.answered),
            handle_time: timed(self.handle, self.handled),
            wait_time: timed(self.wait, self.answered),
            abandoned: Some(quantity(self.abandoned)),
            within_service_level: Some(quantity(self.within.unwrap_or(self.answered.saturating_sub(self.over)))),
        }
    }
}

fn whole(number: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let whole = number.round().clamp(0.0, 1e15) as u64;
    whole
}

fn quantity(number: u64) -> Quantity {
    Quantity::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn millis(number: u64) -> Millis {
    Millis::new(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str) -> Window {
        let at = |time: &str| format!("2024-03-01T{time}:00Z").parse::<Timestamp>().unwrap();
        Window::new(at(from), at(to)).unwrap()
    }

    fn number(number: u32) -> Quantity {
        Quantity::from(number)
    }

    /// The example of the reference.
    #[test]
    fn metrics_are_measures_and_what_is_absent_is_zero() {
        let text = r#"{"results":[{"group":{"queueId":"q-1","mediaType":"voice"},
          "data":[{"interval":"2024-03-01T08:00:00.000Z/2024-03-01T08:15:00.000Z",
            "metrics":[{"metric":"nOffered","stats":{"count":12}},
                       {"metric":"tAnswered","stats":{"count":10,"sum":85000,"min":2000,"max":21000}},
                       {"metric":"tHandle","stats":{"count":9,"sum":2430000}},
                       {"metric":"nOverSla","stats":{"count":1}},
                       {"metric":"oServiceLevel","stats":{"ratio":0.83,"numerator":10,"denominator":12,"target":0.8}}]}]}]}"#;
        let answer: Aggregates = serde_json::from_str(text).unwrap();
        let sums = Sums::of(&answer, window("08:00", "09:00"));
        let measures = sums.0.values().next().unwrap().measures();
        assert_eq!((measures.offered, measures.handled), (number(12), number(10)));
        assert_eq!(measures.aht(), Some(Millis::from_secs(270)));
        assert_eq!(measures.speed_of_answer(), Some(Millis::new(8_500)));
        assert_eq!((measures.abandoned, measures.within_service_level), (Some(number(0)), Some(number(10))));
        assert_eq!(Sums::of(&answer, window("08:15", "09:00")), Sums::default());
    }

    #[test]
    fn an_answer_may_be_empty() {
        assert!(serde_json::from_str::<Aggregates>("{}").unwrap().results.is_empty());
    }

    /// The example of the reference: offered and answered in one quarter of an hour, its work is over in that as well.
    #[test]
    fn conversations_add_up_where_each_metric_was_measured() {
        let text = r#"{"conversations":[{"conversationId":"c-1","conversationStart":"2024-03-01T08:01:00.000Z",
          "originatingDirection":"inbound","participants":[
          {"purpose":"customer","sessions":[{"mediaType":"voice","segments":[{"segmentType":"interact"}]}]},
          {"purpose":"acd","sessions":[{"sessionId":"s-2","mediaType":"voice","direction":"inbound",
             "metrics":[{"name":"nOffered","value":1,"emitDate":"2024-03-01T07:59:10.000Z"},
                        {"name":"tAcd","value":15000,"emitDate":"2024-03-01T08:01:25.000Z"}],
             "segments":[{"segmentType":"interact","queueId":"q-1"}]}]},
          {"purpose":"agent","userId":"u-1","sessions":[{"mediaType":"voice",
             "metrics":[{"name":"tAnswered","value":15000,"emitDate":"2024-03-01T08:01:25.000Z"},
                        {"name":"tHandle","value":305000,"emitDate":"2024-03-01T08:16:30.000Z"}],
             "segments":[{"segmentType":"interact","queueId":"q-1"},{"segmentType":"wrapup","queueId":"q-1"}]}]}]},
          {"conversationId":"c-2","originatingDirection":"outbound","participants":[{"sessions":[{"mediaType":"voice",
             "metrics":[{"name":"tHandle","value":1,"emitDate":"2024-03-01T08:01:25.000Z"}],
             "segments":[{"queueId":"q-1"}]}]}]}]}"#;
        let page: Conversations = serde_json::from_str(text).unwrap();
        let mut sums = Sums::default();
        page.conversations.iter().for_each(|conversation| sums.add(conversation, window("08:00", "09:00")));
        let sums: Vec<_> = sums.0.iter().map(|((.., start), sum)| (start.to_string(), *sum)).collect();
        let answered = Sum { answered: 1, wait: 15_000, ..Sum::default() };
        let handled = Sum { handled: 1, handle: 305_000, ..Sum::default() };
        let at = |time: &str| format!("2024-03-01T{time}:00Z");
        assert_eq!(sums, [(at("08:00"), answered), (at("08:15"), handled)]);
        assert_eq!(answered.measures().within_service_level, Some(number(1)));
    }
}
