//! `/api/v2/analytics/conversations/aggregates/query`: sums of metrics by group and interval.
//!
//! What is added up are the metrics in the sessions of the [conversations](super::conversation), each where it counts. Groups,
//! intervals and metrics without data are absent.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Service;
use super::body::{self, AGGREGATES};
use super::conversation::{Conversation, Metric, Participant};
use super::names::{DIMENSIONS, METRICS};
use super::refusal::Refusal;
use super::shape::Object;
use crate::serve::{Answer, Request};
use crate::time::{DAY, HOUR, MINUTE, Ms, iso_millis};
use crate::zone::Zone;

/// What one metric adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    count: u64,
    sum: Ms,
    least: Ms,
    most: Ms,
}

type Key = Vec<Option<String>>;
type Sums = BTreeMap<Key, BTreeMap<(Ms, Ms), BTreeMap<&'static str, Sum>>>;

/// How the interval is cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    from: Ms,
    to: Ms,
    /// None: the interval is one piece.
    step: Option<Ms>,
    zone: Zone,
}

impl Cut {
    fn piece(self, at: Ms) -> (Ms, Ms) {
        let Some(step) = self.step else { return (self.from, self.to) };
        if step < DAY {
            let start = at - (at + self.zone.offset(at)).rem_euclid(step);
            return (start, start + step);
        }
        let day = self.zone.local(at).date();
        (self.zone.midnight(day), self.zone.midnight(day + chrono::Days::new(1)))
    }
}

impl Service {
    pub(super) fn aggregates_query(&self, request: &Request) -> Result<Answer, Refusal> {
        let body = body::read(&request.body, AGGREGATES)?;
        let cut = self.cut(&body)?;
        let texts = |name: &str| body[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        let metrics: Vec<&str> = texts("metrics").collect();
        let group_by: Vec<&str> = texts("groupBy").collect();
        let unknown = metrics.iter().find(|name| !METRICS.contains(name));
        if let Some(unknown) = unknown.or(group_by.iter().find(|name| !DIMENSIONS.contains(name))) {
            return Err(Refusal::bad(format!("The value is not valid: {unknown}")));
        }
        body::passes(&body["filter"], &DIMENSIONS, &|_| Vec::new())?;
        let mut results = Vec::new();
        for (key, pieces) in self.sums(&body, cut, &group_by, self.seen(request.at))? {
            let mut data = Vec::new();
            for ((from, to), sums) in pieces {
                let wanted: Vec<&str> =
                    if metrics.is_empty() { sums.keys().copied().collect() } else { metrics.clone() };
                let written: Vec<String> =
                    wanted.iter().filter_map(|name| Some(self.metric_json(name, sums.get(name)?))).collect();
                if !written.is_empty() {
                    let interval = format!("{}/{}", iso_millis(from), iso_millis(to));
                    data.push(Object::new().text("interval", &interval).list("metrics", written).done());
                }
            }
            if !data.is_empty() {
                let group = group_by
                    .iter()
                    .zip(&key)
                    .fold(Object::new(), |group, (name, value)| group.maybe(name, value.as_deref()));
                results.push(Object::new().raw("group", group.done()).list("data", data).done());
            }
        }
        let answer = Object::new().list_or_nothing("results", results, self.settings.omits_empty);
        Ok(Answer::json(200, answer.done()))
    }

    fn cut(&self, body: &Value) -> Result<Cut, Refusal> {
        let (from, to) = body::interval(body)?;
        let step = match body["granularity"].as_str() {
            None => None,
            Some("PT15M") => Some(15 * MINUTE),
            Some("PT30M") => Some(30 * MINUTE),
            Some("PT1H") => Some(HOUR),
            Some("P1D") => Some(DAY),
            Some(other) => return Err(Refusal::bad(format!("granularity is not valid: {other}"))),
        };
        let longest = self.settings.longest_aggregates.range(step.unwrap_or(to - from)..).next();
        body::pass_length((from, to), longest.map_or(Ms::MAX, |(_, longest)| *longest))?;
        let zone = body["timeZone"].as_str().unwrap_or("UTC");
        let zone = Zone::named(zone).ok_or_else(|| Refusal::bad(format!("timeZone is not valid: {zone}")))?;
        Ok(Cut { from, to, step, zone })
    }

    fn sums(&self, body: &Value, cut: Cut, group_by: &[&str], seen: Ms) -> Result<Sums, Refusal> {
        let ledger = self.world.ledger();
        let mut sums = Sums::new();
        for contact in ledger.contacts_at(seen).map(|on| on.value) {
            if contact.start >= cut.to || contact.end() < cut.from {
                continue;
            }
            let conversation = self.conversation(&ledger, contact);
            for participant in &conversation.participants {
                let own = |name: &str| dimension(&conversation, participant, name);
                let counts = |metric: &&Metric| (cut.from..cut.to).contains(&metric.at) && metric.at <= seen;
                let mut metrics = participant.session.metrics.iter().filter(counts).peekable();
                if metrics.peek().is_none() || !body::passes(&body["filter"], &DIMENSIONS, &own)? {
                    continue;
                }
                let key: Key = group_by.iter().map(|name| own(name).first().map(|text| (*text).to_owned())).collect();
                let pieces = sums.entry(key).or_default();
                for metric in metrics {
                    let all = pieces.entry(cut.piece(metric.at)).or_default();
                    let sum = all.entry(metric.name).or_insert(Sum { count: 0, sum: 0, least: Ms::MAX, most: 0 });
                    sum.count += 1;
                    sum.sum += metric.value;
                    sum.least = sum.least.min(metric.value);
                    sum.most = sum.most.max(metric.value);
                }
            }
        }
        Ok(sums)
    }

    fn metric_json(&self, name: &str, of: &Sum) -> String {
        let stats = match name.as_bytes().first() {
            Some(b't') => Object::new()
                .number("max", of.most)
                .number("min", of.least)
                .number("count", of.count)
                .number("sum", of.sum),
            Some(b'o') => {
                let within = u32::try_from(of.sum).unwrap_or(u32::MAX);
                let all = u32::try_from(of.count).unwrap_or(u32::MAX);
                Object::new()
                    .number("ratio", f64::from(within) / f64::from(all))
                    .number("numerator", within)
                    .number("denominator", all)
                    .number("target", self.settings.service_level)
            }
            _ => Object::new().number("count", of.sum),
        };
        Object::new().text("metric", name).raw("stats", stats.done()).done()
    }
}

/// The value of a dimension, where there is data for it.
fn dimension<'v>(conversation: &'v Conversation, participant: &'v Participant, name: &str) -> Vec<&'v str> {
    let session = &participant.session;
    let value = match name {
        "queueId" => session.queue(),
        "userId" => participant.user.as_deref(),
        "mediaType" => Some(session.media),
        "direction" => Some(session.direction),
        "originatingDirection" => Some(conversation.direction),
        "purpose" => Some(participant.purpose),
        "conversationId" => Some(conversation.id.as_str()),
        "divisionId" => Some(super::details::DIVISION),
        _ => None,
    };
    value.into_iter().collect()
}
