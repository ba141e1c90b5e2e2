//! The bodies of requests: what they look like, and what is wrong with a row that cannot become a fact.

use injixo_core::Events;
use injixo_core::model::{Channel, Contact, Millis, Quantity, RejectedRow, Rule, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, Wrong};

/// What a resource takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    ContactEvents,
    AgentStatuses,
}

impl Resource {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ContactEvents => "contact-events",
            Self::AgentStatuses => "agent-statuses",
        }
    }
}

/// A body, understood.
#[derive(Debug)]
pub(crate) struct Body {
    /// The number under which the sender knows the integration.
    pub(crate) configuration: u64,
    /// What the sender calls its system.
    pub(crate) external_system: Option<String>,
    pub(crate) received: u64,
    pub(crate) events: Events,
    /// The first rows that cannot become facts.
    pub(crate) errors: Vec<RowError>,
}

/// Why a row cannot become a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowError {
    /// Its place in `data`; the first is 0.
    pub(crate) index: u64,
    /// The field at fault, empty where the row as a whole is.
    pub(crate) field: &'static str,
    pub(crate) rule: Rule,
    pub(crate) message: &'static str,
    pub(crate) excerpt: String,
}

/// Why a body as a whole is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    Malformed(String),
    TooManyRows,
}

/// How many errors an answer names.
pub(crate) const MOST_ERRORS: usize = 100;

/// The longest name that is taken.
const LONGEST_NAME: usize = 512;

/// The longest time that a contact may take: 366 days.
const LONGEST: i64 = 366 * 86_400_000;

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    meta: &'a RawValue,
}

/// Reads a body. Each row is judged for itself.
pub(crate) fn read(bytes: &[u8], resource: Resource, key: &str, most_rows: u64) -> Result<Body, BodyError> {
    let malformed = |message: &str| BodyError::Malformed(message.to_owned());
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed(&format!("the body is not UTF-8: see byte {}", error.valid_up_to() + 1)))?;
    if json::is_too_deep(text) {
        return Err(malformed("the JSON is nested too deep"));
    }
    // What serde says may repeat parts of the body.
    let whole: Whole<'_> = serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() {
            "expected an object with \"data\" and \"meta\", each once"
        } else {
            "the body is not JSON"
        };
        malformed(&format!("{what}: see line {}, column {}", error.line(), error.column()))
    })?;
    let [configuration, system] = json::object(whole.meta, ["integrationConfigurationId", "externalSystem"])
        .map_err(|_| malformed("meta: expected an object with each field once"))?;
    let configuration = configuration
        .and_then(|raw| json::number(raw).ok())
        .ok_or_else(|| malformed("meta.integrationConfigurationId: expected the number of the integration"))?;
    let external_system = match system.map(json::text) {
        None => None,
        Some(Ok(name)) if name.len() <= LONGEST_NAME => Some(name.into_owned()),
        Some(_) => return Err(malformed("meta.externalSystem: expected a text of at most 512 bytes")),
    };
    let events = match resource {
        Resource::ContactEvents => Events::contacts(key),
        Resource::AgentStatuses => Events::statuses(key),
    };
    let mut body = Body { configuration, external_system, received: 0, events, errors: Vec::new() };
    let mut index = 0;
    let received = json::each_element(whole.data, |row| {
        let read = match resource {
            Resource::ContactEvents => contact(row, &mut body.events),
            Resource::AgentStatuses => status(row, &mut body.events),
        };
        if let Err(fault) = read {
            body.reject(index, fault, row, resource);
        }
        index += 1;
        index < most_rows
    });
    body.received = received.map_err(|_| malformed("data: expected an array"))?;
    if has_more(whole.data, body.received, most_rows) {
        return Err(BodyError::TooManyRows);
    }
    Ok(body)
}

/// Whether there are rows behind those that were read.
fn has_more(data: &RawValue, read: u64, most: u64) -> bool {
    read >= most && json::each_element(data, |_| true).is_ok_and(|count| count > most)
}

impl Body {
    fn reject(&mut self, index: u64, (field, rule, message): Fault, row: &RawValue, resource: Resource) {
        let excerpt = RejectedRow::excerpt_of(row.get());
        self.events.reject(RejectedRow {
            source: resource.name().to_owned(),
            line: index + 1,
            column: field.to_owned(),
            rule,
            excerpt: excerpt.clone(),
        });
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(RowError { index, field, rule, message, excerpt });
        }
    }
}

/// The field, the rule that it breaks, and what to do.
type Fault = (&'static str, Rule, &'static str);

fn contact(row: &RawValue, events: &mut Events) -> Result<(), Fault> {
    const FIELDS: [&str; 5] = ["properties", "queueName", "queueIdentifier", "timestamp", "channel"];
    const PROPERTIES: [&str; 3] = ["properties.offered", "properties.handled", "properties.duration"];
    let [properties, name, identifier, timestamp, channel] = fields(row, FIELDS)?;
    let properties = required(properties, "properties")?;
    let [offered, handled, duration] =
        json::object(properties, ["offered", "handled", "duration"]).map_err(|wrong| match wrong {
            Wrong::Type => ("properties", Rule::Type, "expected an object"),
            Wrong::Twice(index) => (PROPERTIES[index], Rule::Twice, "the field occurs twice"),
        })?;
    let mut flags = [offered, handled].into_iter().zip(PROPERTIES).map(|(raw, field)| {
        let is_true =
            json::boolean(required(raw, field)?).map_err(|_| (field, Rule::Type, "expected true or false"))?;
        Ok(if is_true { Quantity::ONE } else { Quantity::ZERO })
    });
    let (offered, handled) = (flags.next().unwrap_or(Ok(Quantity::ZERO))?, flags.next().unwrap_or(Ok(Quantity::ZERO))?);
    let duration = json::thousandths(required(duration, PROPERTIES[2])?)
        .map_err(|_| (PROPERTIES[2], Rule::Type, "expected a number of seconds"))?
        .filter(|millis| *millis <= LONGEST)
        .ok_or((PROPERTIES[2], Rule::Duration, "expected seconds, not below zero and at most 366 days"))?;
    let name = name.map(|raw| named(raw, "queueName")).transpose()?.filter(|name| !name.is_empty());
    let identifier =
        identifier.map(|raw| named(raw, "queueIdentifier")).transpose()?.filter(|identifier| !identifier.is_empty());
    // No identifier: the name is the identifier.
    let queue = identifier.as_deref().or(name.as_deref());
    let queue = queue.ok_or(("queueIdentifier", Rule::Required, "expected an identifier of the queue"))?;
    let start = instant(required(timestamp, "timestamp")?, "timestamp")?;
    let channel = named(required(channel, "channel")?, "channel")?;
    let channel: Channel = channel
        .parse()
        .map_err(|_| ("channel", Rule::Channel, "expected calls, chats, emails, social_media, documents or cases"))?;
    let contact = Contact { offered, handled, duration: Some(Millis::new(duration)), ..Contact::offered(start) };
    events.contact(queue, channel, name.as_deref(), contact);
    Ok(())
}

fn status(row: &RawValue, events: &mut Events) -> Result<(), Fault> {
    const FIELDS: [&str; 4] = ["agentIdentifier", "activityIdentifier", "startTime", "endTime"];
    let [agent, activity, start, end] = fields(row, FIELDS)?;
    let agent = filled(required(agent, FIELDS[0])?, FIELDS[0])?;
    let activity = filled(required(activity, FIELDS[1])?, FIELDS[1])?;
    let start = instant(required(start, FIELDS[2])?, FIELDS[2])?;
    let end = end.map(|raw| instant(raw, FIELDS[3])).transpose()?;
    if end.is_some_and(|end| end < start) {
        return Err((FIELDS[3], Rule::EndBeforeStart, "the end lies before the start"));
    }
    events.status(&agent, &activity, start, end);
    Ok(())
}

fn fields<'a, const N: usize>(row: &'a RawValue, names: [&'static str; N]) -> Result<[Option<&'a RawValue>; N], Fault> {
    json::object(row, names).map_err(|wrong| match wrong {
        Wrong::Type => ("", Rule::Type, "expected an object"),
        Wrong::Twice(index) => (names[index], Rule::Twice, "the field occurs twice"),
    })
}

fn required<'a>(raw: Option<&'a RawValue>, field: &'static str) -> Result<&'a RawValue, Fault> {
    raw.ok_or((field, Rule::Required, "the field is required"))
}

fn named<'a>(raw: &'a RawValue, field: &'static str) -> Result<std::borrow::Cow<'a, str>, Fault> {
    let name = json::text(raw).map_err(|_| (field, Rule::Type, "expected a text"))?;
    if name.len() > LONGEST_NAME {
        return Err((field, Rule::TooLong, "expected at most 512 bytes"));
    }
    Ok(name)
}

fn filled<'a>(raw: &'a RawValue, field: &'static str) -> Result<std::borrow::Cow<'a, str>, Fault> {
    let name = named(raw, field)?;
    if name.is_empty() { Err((field, Rule::Required, "the field is required")) } else { Ok(name) }
}

fn instant(raw: &RawValue, field: &'static str) -> Result<Timestamp, Fault> {
    let text = json::text(raw).map_err(|_| (field, Rule::Type, "expected a text"))?;
    let expected = "expected an instant like 2021-12-06T10:34:22Z";
    // Longer ones have more digits than anybody measures.
    let short = Some(&*text).filter(|text| text.len() <= 64).ok_or((field, Rule::Date, expected))?;
    let instant: Timestamp = short.parse().map_err(|_| (field, Rule::Date, expected))?;
    if instant.is_supported() {
        Ok(instant)
    } else {
        Err((field, Rule::DateRange, "expected a year from 1970 to 2099"))
    }
}
