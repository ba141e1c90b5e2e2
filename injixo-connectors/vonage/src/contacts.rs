//! Contacts: each time that an interaction was in a queue, with what agents then did of it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::Result;
use injixo_core::connector::{ContactSource, ContactWriter, Context, Limits, Outcome};
use injixo_core::model::{Contact, Millis, Quantity, RejectedRow, Rule, Timestamp, Window};
use serde_json::Value;

use crate::client::{Client, instant};
use crate::config::{EventOffsets, Grouping, VonageConfig};
use crate::wire::{Event, Interaction, QueueTime};

#[derive(Debug)]
pub(crate) struct Contacts {
    pub(crate) client: Client,
    pub(crate) config: Arc<VonageConfig>,
}

/// An answer is held whole, so that rows which move between its pages are noticed.
const LONGEST_WINDOW: Millis = Millis::from_mins(1_440);

#[async_trait]
impl ContactSource for Contacts {
    fn limits(&self) -> Limits {
        let late = Millis::from_secs(i64::from(self.config.longest_interaction_secs));
        Limits::new().longest_window(LONGEST_WINDOW).writes_late(late)
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let range = |path: &str, include: &str| {
            let request = self.client.request(path).query("start", instant(window.from()));
            request.query("end", instant(window.to())).query("include", include)
        };
        let queue_times = range("/stats/queue-times", "Started").query("queueType", self.config.queue_type.as_str());
        let queue_times = self.client.rows(cx, &queue_times).await?;
        let mut passes = Vec::with_capacity(queue_times.items.len());
        for (index, item) in queue_times.items.iter().enumerate() {
            match serde_json::from_value::<QueueTime>(item.clone()) {
                Ok(pass) if window.contains(pass.start) => passes.push((index, pass)),
                Ok(_) => {}
                Err(_) => out.reject(&rejected("/stats/queue-times", index, "", Rule::Columns, &named(item)))?,
            }
        }
        let mut up_to = queue_times.up_to;
        let mut interactions = HashMap::new();
        if !passes.is_empty() {
            let answer = self.client.rows(cx, &range("/stats/interactions", "StartedOrEnded")).await?;
            up_to = up_to.into_iter().chain(answer.up_to).min();
            interactions = self.interactions(cx, answer.items, &passes).await?;
        }
        for (index, pass) in &passes {
            self.write(*index, pass, &interactions, out)?;
        }
        out.flush().await?;
        Ok(up_to.filter(|up_to| *up_to < window.to()).map_or(Outcome::complete(), Outcome::complete_until))
    }
}

impl Contacts {
    /// The interactions of those passes by their guid. Those that lie around the window are in no answer about it, and are
    /// asked for one by one.
    async fn interactions(
        &self,
        cx: &Context,
        items: Vec<Value>,
        passes: &[(usize, QueueTime)],
    ) -> Result<HashMap<String, Interaction>> {
        let read = |item: Value| serde_json::from_value::<Interaction>(item).ok();
        let mut found: HashMap<String, Interaction> =
            items.into_iter().filter_map(read).map(|interaction| (interaction.guid.clone(), interaction)).collect();
        let missing: HashSet<&str> = passes
            .iter()
            .map(|pass| pass.1.interaction_guid.as_str())
            .filter(|guid| !found.contains_key(*guid))
            .collect();
        let mut missing: Vec<&str> = missing.into_iter().collect();
        missing.sort_unstable();
        let mut more = Vec::new();
        for guid in missing {
            let request = self.client.request(&format!("/stats/interactions/{}", in_path(guid)));
            more.extend(self.client.one::<Value>(cx, &request).await?.and_then(read));
        }
        found.extend(more.into_iter().map(|interaction| (interaction.guid.clone(), interaction)));
        Ok(found)
    }

    fn write(
        &self,
        index: usize,
        pass: &QueueTime,
        interactions: &HashMap<String, Interaction>,
        out: &mut ContactWriter<'_>,
    ) -> Result<()> {
        let category = pass.category.as_deref().unwrap_or_default();
        let is = |name: &str| category.eq_ignore_ascii_case(name);
        if is("Breakout") && !self.config.count_breakouts {
            return Ok(());
        }
        let reject = |column: &str, rule, value: &str| rejected("/stats/queue-times", index, column, rule, value);
        let Some(channel) = self.config.channel(&pass.medium) else {
            return out.reject(&reject("medium", Rule::Channel, &pass.medium));
        };
        let interaction = interactions.get(&pass.interaction_guid);
        let Some(queue) = queue(self.config.grouping, pass, interaction) else {
            return out.reject(&reject(column(self.config.grouping), Rule::Required, ""));
        };
        let mut contact = Contact::offered(pass.start);
        let one = |yes: bool| if yes { Quantity::ONE } else { Quantity::ZERO };
        contact.abandoned = Some(one(is("Abandoned")));
        let target = pass.targets.as_ref().and_then(|targets| targets.target_time_to_answer);
        contact.within_service_level = target.map(|_| Quantity::ZERO);
        if is("Answered") {
            contact.handled = Quantity::ONE;
            contact.wait = pass.duration;
            if let (Some(target), Some(wait)) = (target, pass.duration) {
                contact.within_service_level = Some(one(wait <= target));
            }
            let worked = |interaction| handle_time(interaction, pass, self.config.event_offsets);
            contact.duration = interaction.and_then(worked);
        }
        let rows = out.rows();
        match rows.queue(&queue, channel) {
            Ok(number) => rows.contact(number, &contact),
            Err(rule) => return out.reject(&reject("queue", rule, &queue)),
        }
        Ok(())
    }
}

fn rejected(source: &str, index: usize, column: &str, rule: Rule, value: &str) -> RejectedRow {
    let excerpt = RejectedRow::excerpt_of(value);
    RejectedRow { source: source.to_owned(), line: index as u64 + 1, column: column.to_owned(), rule, excerpt }
}

/// What names an odd item: no caller's number.
fn named(item: &Value) -> String {
    item.get("interactionGuid").or(item.get("agentId")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A guid as part of a path: nothing in it can lead elsewhere.
fn in_path(guid: &str) -> String {
    guid.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn column(grouping: Grouping) -> &'static str {
    match grouping {
        Grouping::Queue => "queue",
        Grouping::Service => "serviceName",
        Grouping::InteractionPlan => "interactionPlan",
        Grouping::ReportingGroup => "reportingGroup",
        Grouping::Skill => "presentedSkills",
    }
}

fn queue<'a>(grouping: Grouping, pass: &'a QueueTime, interaction: Option<&'a Interaction>) -> Option<Cow<'a, str>> {
    let name = match grouping {
        Grouping::Queue => Some(pass.queue.as_str()),
        Grouping::InteractionPlan => pass.interaction_plan.as_deref(),
        Grouping::Skill => match pass.presented_skills.as_slice() {
            [skill] => Some(skill.as_str()),
            skills => return Some(Cow::from(skills.join(","))).filter(|name| !name.is_empty()),
        },
        Grouping::Service => interaction?.service_name.as_deref(),
        Grouping::ReportingGroup => interaction?.interaction_plan_mapping.as_ref()?.reporting_group.as_deref(),
    };
    name.filter(|name| !name.is_empty()).map(Cow::from)
}

/// The time for which agents worked on one pass of an interaction: connected, on hold and wrapping up. `None` where the
/// interaction says nothing of it, or it still goes on.
///
/// What an agent did belongs to the last pass that had ended when the agent was connected. Events of one agent may lie inside
/// each other (a hold inside a conversation) or side by side: time is counted once.
fn handle_time(interaction: &Interaction, pass: &QueueTime, offsets: EventOffsets) -> Option<Millis> {
    let passes = passes(interaction, offsets);
    // The two lists come from different answers; their instants may differ a little.
    let mine = passes.iter().enumerate().filter(|(_, other)| other.1 == pass.queue.as_str());
    let mine = mine.min_by_key(|(_, other)| other.0.millis().abs_diff(pass.start.millis())).map(|(index, _)| index);
    let mut total = None;
    for channel in interaction.channels.iter().filter(|channel| is_agent(channel.party.as_ref())) {
        let at = |event: &Event| start(interaction, channel.offset, event, offsets);
        let Some(connected) = channel.events.iter().filter(|event| is_work(event)).map(at).min() else { continue };
        let served = passes.iter().rposition(|other| other.2 <= connected.after(SLACK));
        let is_mine = match (served, mine) {
            (Some(served), Some(mine)) => served == mine,
            // Without an event for its queue the interaction had one pass.
            (None, None) => true,
            _ => false,
        };
        if !is_mine {
            continue;
        }
        let mut work = Vec::new();
        for event in channel.events.iter().filter(|event| is_work(event)) {
            work.push((at(event), at(event).after(event.duration?)));
        }
        total = Some(total.unwrap_or(Millis::ZERO).plus(covered(work)));
    }
    total
}

/// An agent may be connected so much before the queue has let go.
const SLACK: Millis = Millis::from_secs(1);

/// When the interaction entered which queue and left it, in order.
fn passes(interaction: &Interaction, offsets: EventOffsets) -> Vec<(Timestamp, &str, Timestamp)> {
    let mut passes: Vec<_> = interaction
        .channels
        .iter()
        .flat_map(|channel| channel.events.iter().map(move |event| (channel, event)))
        .filter(|(_, event)| event.kind.eq_ignore_ascii_case("Queue"))
        .map(|(channel, event)| {
            let entered = start(interaction, channel.offset, event, offsets);
            (entered, event.name.as_deref().unwrap_or_default(), entered.after(event.duration.unwrap_or(FOREVER)))
        })
        .collect();
    passes.sort_unstable();
    passes
}

const FOREVER: Millis = Millis::from_mins(1_440 * 366);

fn start(interaction: &Interaction, channel: Millis, event: &Event, offsets: EventOffsets) -> Timestamp {
    let base = match offsets {
        EventOffsets::Interaction => Millis::ZERO,
        EventOffsets::Channel => channel,
    };
    interaction.start.after(base).after(event.offset)
}

fn is_agent(party: Option<&crate::wire::Party>) -> bool {
    party.is_some_and(|party| party.role.eq_ignore_ascii_case("Agent"))
}

fn is_work(event: &Event) -> bool {
    ["Connected", "Hold", "Held", "Wrap"].iter().any(|kind| event.kind.eq_ignore_ascii_case(kind))
}

/// How much time the stretches cover together.
fn covered(mut stretches: Vec<(Timestamp, Timestamp)>) -> Millis {
    stretches.sort_unstable();
    let (mut total, mut reached) = (Millis::ZERO, Timestamp::from_millis(i64::MIN));
    for (from, to) in stretches {
        total = total.plus(to.since(from.max(reached)));
        reached = reached.max(to);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the vendor's documentation, shortened.
    const INTERACTION: &str = r#"{"guid":"015c0f2e-0001","start":"2024-03-05T09:46:10.000Z","duration":250000,
        "serviceName":"Hotline","interactionPlanMapping":{"interactionPlanName":"Hotline plan","reportingGroup":"Sales team"},
        "channels":[
          {"offset":0,"party":{"id":null,"role":"External"},"events":[
             {"type":"Queue","offset":20000,"name":"Sales","duration":35000}]},
          {"offset":55000,"party":{"id":"1001","role":"Agent"},"events":[
             {"type":"Ringing","offset":55000,"name":null,"duration":5000},
             {"type":"Connected","offset":60000,"name":null,"duration":160000},
             {"type":"Wrap","offset":220000,"name":null,"duration":30000}]}]}"#;

    const PASS: &str = r#"{"start":"2024-03-05T09:46:30.000Z","interactionGuid":"015c0f2e-0001","medium":"Phone",
        "interactionPlan":"Hotline plan","queue":"Sales","type":"ACD","presentedSkills":["sales"],"category":"Answered",
        "duration":35000,"targets":{"targetTimeToAnswer":20000}}"#;

    fn pass(start: &str, queue: &str) -> QueueTime {
        QueueTime { start: start.parse().unwrap(), queue: queue.to_owned(), ..serde_json::from_str(PASS).unwrap() }
    }

    #[test]
    fn handle_time_is_talk_and_wrap() {
        let interaction: Interaction = serde_json::from_str(INTERACTION).unwrap();
        let pass = pass("2024-03-05T09:46:30.000Z", "Sales");
        assert_eq!(handle_time(&interaction, &pass, EventOffsets::Interaction), Some(Millis::from_secs(190)));
        // The same with offsets that count from the channel.
        let from_channel = INTERACTION.replace("\"offset\":55000,\"name\"", "\"offset\":0,\"name\"");
        let from_channel = from_channel.replace("\"offset\":60000", "\"offset\":5000").replace("220000", "165000");
        let interaction: Interaction = serde_json::from_str(&from_channel).unwrap();
        assert_eq!(handle_time(&interaction, &pass, EventOffsets::Channel), Some(Millis::from_secs(190)));
    }

    /// Two queues, three agents; the first agent still wraps up while the second queue waits.
    #[test]
    fn what_agents_do_belongs_to_the_queue_that_they_served() {
        let event = |kind: &str, offset: i64, duration: i64, name: &str| {
            format!(r#"{{"type":"{kind}","offset":{offset},"duration":{duration},"name":"{name}"}}"#)
        };
        let agent = |events: &[String]| {
            format!(r#"{{"offset":0,"party":{{"id":"1","role":"Agent"}},"events":[{}]}}"#, events.join(","))
        };
        let text = format!(
            r#"{{"guid":"g","start":"2024-03-05T09:00:00Z","channels":[
              {{"offset":0,"party":{{"role":"External"}},"events":[{},{}]}},{},{},{}]}}"#,
            event("Queue", 10_000, 20_000, "Sales"),
            event("Queue", 130_000, 20_000, "Support"),
            // A hold inside the conversation is not counted twice.
            agent(&[
                event("Connected", 30_000, 100_000, ""),
                event("Hold", 60_000, 10_000, ""),
                event("Wrap", 130_000, 25_000, "")
            ]),
            // A hold beside it is counted too.
            agent(&[
                event("Connected", 150_000, 40_000, ""),
                event("Held", 190_000, 5_000, ""),
                event("Wrap", 195_000, 5_000, "")
            ]),
            agent(&[event("Connected", 180_000, 7_000, "")]),
        );
        let interaction: Interaction = serde_json::from_str(&text).unwrap();
        let of = |start: &str, queue: &str| handle_time(&interaction, &pass(start, queue), EventOffsets::Interaction);
        assert_eq!(of("2024-03-05T09:00:10Z", "Sales"), Some(Millis::from_secs(125)));
        assert_eq!(of("2024-03-05T09:02:10Z", "Support"), Some(Millis::from_secs(57)));
        // Still talking: nobody knows yet.
        let ongoing: Interaction = serde_json::from_str(&text.replace("7000", "null")).unwrap();
        assert_eq!(handle_time(&ongoing, &pass("2024-03-05T09:02:10Z", "Support"), EventOffsets::Interaction), None);
    }

    #[test]
    fn queues_are_made_of_what_is_set() {
        let interaction: Interaction = serde_json::from_str(INTERACTION).unwrap();
        let pass = pass("2024-03-05T09:46:30.000Z", "Sales");
        let of = |grouping| queue(grouping, &pass, Some(&interaction)).unwrap();
        assert_eq!(of(Grouping::Queue), "Sales");
        assert_eq!(of(Grouping::Service), "Hotline");
        assert_eq!(of(Grouping::InteractionPlan), "Hotline plan");
        assert_eq!(of(Grouping::ReportingGroup), "Sales team");
        assert_eq!(of(Grouping::Skill), "sales");
        assert_eq!(queue(Grouping::Service, &pass, None), None);
    }

    #[test]
    fn a_guid_leads_nowhere_else() {
        assert_eq!(in_path("../useradmin/users?x=1"), "useradminusersx1");
    }
}
