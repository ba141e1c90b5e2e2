//! The bodies of requests: what fields there are, and what stands in them.
//!
//! A field that the vendor's documented model does not have is refused, and so is a value of the wrong kind.

use serde_json::Value;

use super::refusal::Refusal;
use crate::time::{MINUTE, Ms, parse};

/// What may stand in a place.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    Texts,
    Number,
    Flag,
    Object(&'static [(&'static str, Self)]),
    Objects(&'static [(&'static str, Self)]),
    /// A list that this stand-in does not look into; it must be empty.
    Unserved,
}

type Fields = &'static [(&'static str, Kind)];

const RANGE: Fields = &[("gt", Kind::Number), ("gte", Kind::Number), ("lt", Kind::Number), ("lte", Kind::Number)];

const PREDICATE: Fields = &[
    ("type", Kind::OneOf(&["dimension", "property", "metric"])),
    ("dimension", Kind::Text),
    ("metric", Kind::Text),
    ("propertyType", Kind::Text),
    ("property", Kind::Text),
    ("operator", Kind::OneOf(&["matches", "exists", "notExists"])),
    ("value", Kind::Text),
    ("range", Kind::Object(RANGE)),
];

const AND_OR: &[&str] = &["and", "or"];
const CLAUSE: Fields = &[("type", Kind::OneOf(AND_OR)), ("predicates", Kind::Objects(PREDICATE))];
const FILTER: Fields =
    &[("type", Kind::OneOf(AND_OR)), ("clauses", Kind::Objects(CLAUSE)), ("predicates", Kind::Objects(PREDICATE))];
const PAGING: Fields = &[("pageSize", Kind::Number), ("pageNumber", Kind::Number)];
const ORDER: Kind = Kind::OneOf(&["asc", "desc", "unordered"]);
const ORDER_BY: Kind = Kind::OneOf(&["conversationStart", "conversationEnd", "segmentStart", "segmentEnd"]);

pub(super) const AGGREGATES: Fields = &[
    ("interval", Kind::Text),
    ("granularity", Kind::Text),
    ("timeZone", Kind::Text),
    ("groupBy", Kind::Texts),
    ("filter", Kind::Object(FILTER)),
    ("metrics", Kind::Texts),
    ("flattenMultivaluedDimensions", Kind::Flag),
    ("views", Kind::Unserved),
    ("alternateTimeDimension", Kind::OneOf(&["eventTime"])),
    ("queryType", Kind::OneOf(&["groupBy"])),
    ("sortMetric", Kind::Unserved),
    ("limit", Kind::Number),
];

pub(super) const CONVERSATIONS: Fields = &[
    ("interval", Kind::Text),
    ("conversationFilters", Kind::Objects(FILTER)),
    ("segmentFilters", Kind::Objects(FILTER)),
    ("evaluationFilters", Kind::Unserved),
    ("surveyFilters", Kind::Unserved),
    ("resolutionFilters", Kind::Unserved),
    ("order", ORDER),
    ("orderBy", ORDER_BY),
    ("aggregations", Kind::Unserved),
    ("paging", Kind::Object(PAGING)),
];

pub(super) const CONVERSATIONS_JOB: Fields = &[
    ("interval", Kind::Text),
    ("conversationFilters", Kind::Objects(FILTER)),
    ("segmentFilters", Kind::Objects(FILTER)),
    ("evaluationFilters", Kind::Unserved),
    ("surveyFilters", Kind::Unserved),
    ("resolutionFilters", Kind::Unserved),
    ("order", ORDER),
    ("orderBy", ORDER_BY),
    ("limit", Kind::Number),
    ("startOfDayIntervalMatching", Kind::Flag),
];

pub(super) const USERS: Fields = &[
    ("interval", Kind::Text),
    ("userFilters", Kind::Objects(FILTER)),
    ("presenceFilters", Kind::Objects(FILTER)),
    ("routingStatusFilters", Kind::Objects(FILTER)),
    ("order", ORDER),
    ("presenceAggregations", Kind::Unserved),
    ("routingStatusAggregations", Kind::Unserved),
    ("paging", Kind::Object(PAGING)),
];

pub(super) const USERS_JOB: Fields = &[
    ("interval", Kind::Text),
    ("userFilters", Kind::Objects(FILTER)),
    ("presenceFilters", Kind::Objects(FILTER)),
    ("routingStatusFilters", Kind::Objects(FILTER)),
    ("order", ORDER),
    ("limit", Kind::Number),
];

pub(super) const TOPIC: Fields = &[
    ("id", Kind::Text),
    ("state", Kind::OneOf(&["Permitted", "Rejected"])),
    ("rejectionReason", Kind::Text),
    ("missingPermissions", Kind::Texts),
    ("selfUri", Kind::Text),
];

/// Reads a body and looks at every field.
pub(super) fn read(text: &str, fields: Fields) -> Result<Value, Refusal> {
    let value = parsed(text)?;
    check("body", &value, &Kind::Object(fields))?;
    Ok(value)
}

/// The same for a list of objects.
pub(super) fn read_list(text: &str, fields: Fields) -> Result<Vec<Value>, Refusal> {
    let value = parsed(text)?;
    check("body", &value, &Kind::Objects(fields))?;
    Ok(value.as_array().cloned().unwrap_or_default())
}

fn parsed(text: &str) -> Result<Value, Refusal> {
    serde_json::from_str(text).map_err(|error| Refusal::bad(format!("The request body is not valid JSON: {error}")))
}

fn check(name: &str, value: &Value, kind: &Kind) -> Result<(), Refusal> {
    let fits = match kind {
        // What is null is not given.
        _ if value.is_null() => true,
        Kind::Text => value.is_string(),
        Kind::OneOf(known) => value.as_str().is_some_and(|text| known.contains(&text)),
        Kind::Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        Kind::Number => value.is_number(),
        Kind::Flag => value.is_boolean(),
        Kind::Unserved => value.as_array().is_some_and(Vec::is_empty),
        Kind::Object(fields) => {
            for (field, value) in value.as_object().into_iter().flatten() {
                let Some((_, kind)) = fields.iter().find(|(known, _)| known == field) else {
                    return Err(Refusal::bad(format!("Unrecognized field \"{field}\" in {name}")));
                };
                check(field, value, kind)?;
            }
            value.is_object()
        }
        Kind::Objects(fields) => {
            let list = value.as_array();
            for entry in list.into_iter().flatten() {
                check(name, entry, &Kind::Object(fields))?;
            }
            list.is_some_and(|list| list.iter().all(Value::is_object))
        }
    };
    if fits { Ok(()) } else { Err(Refusal::bad(format!("The value of {name} is not valid: {value}"))) }
}

/// The field `interval`: two instants with a slash between them.
pub(super) fn interval(body: &Value) -> Result<(Ms, Ms), Refusal> {
    let text = body["interval"].as_str().ok_or_else(|| Refusal::bad("interval is required".to_owned()))?;
    let both = text.split_once('/').and_then(|(from, to)| Some((parse(from)?, parse(to)?)));
    match both {
        Some((from, to)) if from < to => Ok((from, to)),
        _ => Err(Refusal::bad(format!("interval is not valid: {text}"))),
    }
}

/// Refuses an interval that is too long.
pub(super) fn pass_length((from, to): (Ms, Ms), longest: Ms) -> Result<(), Refusal> {
    if to - from <= longest {
        return Ok(());
    }
    let minutes = longest / MINUTE;
    let text = if minutes % 1_440 == 0 { format!("{} days", minutes / 1_440) } else { format!("{minutes} minutes") };
    let limit = Some(("interval", usize::try_from(longest).unwrap_or(usize::MAX)));
    Err(Refusal { limit, ..Refusal::bad(format!("The interval is longer than {text}")) })
}

/// Page size and number, from 1.
pub(super) fn paging(body: &Value, largest: usize) -> Result<(usize, usize), Refusal> {
    let number = |name: &str, usual: u64| body["paging"].get(name).map_or(Some(usual), Value::as_u64);
    let pair = number("pageSize", 25).zip(number("pageNumber", 1));
    let pair = pair.and_then(|(size, page)| Some((usize::try_from(size).ok()?, usize::try_from(page).ok()?)));
    match pair {
        Some((size, page)) if (1..=largest).contains(&size) && page > 0 => Ok((size, page)),
        _ => Err(Refusal::bad(format!("The page size must be from 1 to {largest}, the page number from 1 on"))),
    }
}

/// Whether a list of filters names anything.
pub(super) fn is_filtered(body: &Value, lists: &[&str]) -> bool {
    lists.iter().any(|name| body[*name].as_array().is_some_and(|list| !list.is_empty()))
}

/// Whether something passes a filter or a list of them. `dimension` gives the values of a dimension, `known` says which ones there are.
pub(super) fn passes<'v>(
    filters: &Value,
    known: &[&str],
    dimension: &dyn Fn(&str) -> Vec<&'v str>,
) -> Result<bool, Refusal> {
    let Some(all) = filters.as_array() else {
        return if filters.is_null() { Ok(true) } else { passes_one(filters, known, dimension) };
    };
    let mut passed = true;
    for filter in all {
        passed &= passes_one(filter, known, dimension)?;
    }
    Ok(passed)
}

fn passes_one<'v>(filter: &Value, known: &[&str], dimension: &dyn Fn(&str) -> Vec<&'v str>) -> Result<bool, Refusal> {
    let mut results = Vec::new();
    for clause in filter["clauses"].as_array().into_iter().flatten() {
        results.push(passes_one(clause, known, dimension)?);
    }
    for predicate in filter["predicates"].as_array().into_iter().flatten() {
        let name = predicate["dimension"].as_str().unwrap_or("");
        if !known.contains(&name) || predicate["type"].as_str().is_some_and(|kind| kind != "dimension") {
            return Err(Refusal::bad(format!("A predicate cannot be used here: {predicate}")));
        }
        let values = dimension(name);
        results.push(match predicate["operator"].as_str() {
            Some("exists") => !values.is_empty(),
            Some("notExists") => values.is_empty(),
            _ => predicate["value"].as_str().is_some_and(|wanted| values.contains(&wanted)),
        });
    }
    let is_any = match filter["type"].as_str() {
        Some(kind) => kind == "or",
        None => return Err(Refusal::bad("A filter needs a type".to_owned())),
    };
    Ok(if is_any { results.is_empty() || results.contains(&true) } else { !results.contains(&false) })
}
