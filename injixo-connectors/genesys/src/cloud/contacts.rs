//! Contacts: sums of a queue and quarter of an hour, as the vendor delivers them.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{ContactSource, ContactWriter, Context, Form, Limits, Outcome};
use injixo_core::model::{
    Attribution, IntervalLength, IntervalRow, Measures, Millis, Quantity, RejectedRow, Rule, Timed, Window,
};

use super::client::Client;
use super::config::GenesysCloudConfig;
use super::directory::Directory;
use super::wire::{Bucket, Stats};

#[derive(Debug)]
pub(super) struct Contacts {
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) config: Arc<GenesysCloudConfig>,
}

const QUARTER: Millis = Millis::from_mins(15);

/// How much one answer may ask for by quarters of an hour is not documented; a day is taken to be safe.
const LONGEST_WINDOW: Millis = Millis::from_mins(1_440);

/// Every measure is counted when it happens; the sums may be minutes behind.
const LATE: Millis = Millis::from_mins(60);

#[async_trait]
impl ContactSource for Contacts {
    fn limits(&self) -> Limits {
        Limits::new().longest_window(LONGEST_WINDOW).smallest_window(QUARTER).writes_late(LATE)
    }

    fn form(&self) -> Form {
        Form::IntervalRows { length: IntervalLength::MINUTES_15, attribution: Attribution::AsDelivered }
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let answer = self.client.aggregates(cx, window).await?;
        let names = self.directory.queues(&self.client, cx).await?;
        for (index, group) in answer.results.iter().enumerate() {
            let key = &group.group;
            if key.queue_id.is_empty() {
                continue;
            }
            let Some(channel) = self.config.channel(&key.media_type) else {
                if group.data.iter().any(|bucket| !measures(bucket).offered.is_zero()) {
                    out.reject(&RejectedRow {
                        source: "conversations/aggregates".to_owned(),
                        line: index as u64 + 1,
                        column: "mediaType".to_owned(),
                        rule: Rule::Channel,
                        excerpt: RejectedRow::excerpt_of(&key.media_type),
                    })?;
                }
                continue;
            };
            for bucket in group.data.iter().filter(|bucket| window.contains(bucket.interval.from())) {
                let measures = measures(bucket);
                if is_nothing(&measures) {
                    continue;
                }
                let start = bucket.interval.from();
                // A queue that was deleted has no name any more.
                let name = names.get(&key.queue_id).filter(|name| !name.is_empty()).unwrap_or(&key.queue_id);
                out.queue_name(&key.queue_id, channel, name, start)?;
                out.interval_row(&key.queue_id, channel, IntervalRow { start, length: QUARTER, measures });
            }
        }
        out.flush().await?;
        Ok(Outcome::complete())
    }
}

/// What a quarter of an hour holds. A metric without data is left out: it is zero.
fn measures(bucket: &Bucket) -> Measures {
    let of = |name: &str| {
        let metric = bucket.metrics.iter().find(|metric| metric.metric == name);
        metric.map_or(Stats::default(), |metric| metric.stats)
    };
    let count = |stats: Stats| quantity(stats.count.unwrap_or(0.0));
    let timed = |stats: Stats| Timed { total: millis(stats.sum.unwrap_or(0.0)), number: count(stats) };
    let (answered, over, level) = (of("tAnswered"), of("nOverSla"), of("oServiceLevel"));
    let within = level.numerator.unwrap_or(answered.count.unwrap_or(0.0) - over.count.unwrap_or(0.0));
    Measures {
        offered: count(of("nOffered")),
        handled: count(answered),
        handle_time: timed(of("tHandle")),
        wait_time: timed(answered),
        abandoned: Some(count(of("tAbandon"))),
        within_service_level: Some(quantity(within.max(0.0))),
    }
}

fn is_nothing(measures: &Measures) -> bool {
    measures.offered.is_zero()
        && measures.handled.is_zero()
        && measures.handle_time.number.is_zero()
        && measures.abandoned.is_none_or(|abandoned| abandoned.is_zero())
        && measures.within_service_level.is_none_or(|within| within.is_zero())
}

fn quantity(number: f64) -> Quantity {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; counts are whole")]
    let whole = number.round().clamp(0.0, 1e9) as u32;
    Quantity::from(whole)
}

fn millis(number: f64) -> Millis {
    #[expect(clippy::cast_possible_truncation, reason = "clamped; sums are whole milliseconds")]
    let whole = number.round().clamp(0.0, 1e15) as i64;
    Millis::new(whole)
}

#[cfg(test)]
mod tests {
    use super::super::wire::Aggregates;
    use super::*;

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
        let measures = measures(&answer.results[0].data[0]);
        let number = |number: u32| Quantity::from(number);
        assert_eq!((measures.offered, measures.handled), (number(12), number(10)));
        assert_eq!(measures.aht(), Some(Millis::from_secs(270)));
        assert_eq!(measures.speed_of_answer(), Some(Millis::new(8_500)));
        assert_eq!((measures.abandoned, measures.within_service_level), (Some(number(0)), Some(number(10))));
    }

    #[test]
    fn an_answer_may_be_empty() {
        assert!(serde_json::from_str::<Aggregates>("{}").unwrap().results.is_empty());
    }
}
