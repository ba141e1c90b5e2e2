//! What all lists share: the range, what lies in it, and pages.

use super::{Pages, Service, date, refused};
use crate::json;
use crate::serve::{Answer, Request};
use crate::time::{self, DAY, Ms};

const LONGEST: Ms = 31 * DAY;
const DEFAULT_LIMIT: usize = 25;
const LARGEST_LIMIT: usize = 5_000;

/// Something in a list.
pub(super) struct Item<'a> {
    pub(super) start: Ms,
    /// Once it has ended.
    pub(super) end: Option<Ms>,
    /// What happened to it up to the instant as of which it is shown.
    pub(super) changes: Vec<Ms>,
    /// What orders it among those of the same start.
    pub(super) order: String,
    /// Written only for what is asked for.
    pub(super) json: Box<dyn FnOnce() -> String + 'a>,
}

/// From when to when, and in what sense.
#[derive(Debug)]
pub(super) struct Range {
    start: Ms,
    end: Ms,
    include: Include,
}

#[derive(Debug, Clone, Copy)]
enum Include {
    Started,
    StartedOrEnded,
    Processed,
}

impl Service {
    /// Reads and checks the range of a request.
    pub(super) fn range(&self, request: &Request) -> Result<Range, Answer> {
        let instant = |name: &str| match request.query.get(name) {
            None => Ok(None),
            Some(text) => match time::parse(text) {
                None => Err(refused(400, &format!("\"{name}\" must be a valid ISO 8601 date"))),
                at => Ok(at),
            },
        };
        let start = instant("start")?.ok_or_else(|| refused(400, "\"start\" is required"))?;
        let end = instant("end")?.unwrap_or(request.at);
        if end < start {
            return Err(refused(400, "\"end\" must not be before \"start\""));
        }
        if end - start > LONGEST {
            return Err(refused(400, "Request window size limit exceeded 31 days"));
        }
        let include = match request.query.get("include").map_or("Started", String::as_str) {
            "Started" => Include::Started,
            "StartedOrEnded" => Include::StartedOrEnded,
            "Processed" => Include::Processed,
            _ => return Err(refused(400, "\"include\" must be one of [Started, StartedOrEnded, Processed]")),
        };
        Ok(Range { start, end, include })
    }

    /// A page of the items that lie in a range.
    pub(super) fn ranged(&self, request: &Request, range: &Range, mut items: Vec<Item<'_>>) -> Result<Answer, Answer> {
        items.retain(|item| self.lies_in(item, range));
        items.sort_by(|one, other| (one.start, &one.order).cmp(&(other.start, &other.order)));
        let up_to = range.end.min(self.seen(request.at)).max(range.start.min(request.at));
        let items = items.into_iter().map(|item| (item.json)()).collect();
        paged_as(self.settings.pages, request, "items", items, Some(up_to))
    }

    fn lies_in(&self, item: &Item<'_>, range: &Range) -> bool {
        let window = range.start..range.end;
        match range.include {
            Include::Started => window.contains(&item.start),
            Include::StartedOrEnded => {
                window.contains(&item.start) || item.end.is_some_and(|end| window.contains(&end))
            }
            Include::Processed => {
                let processed = |change: &Ms| window.contains(&(change + self.settings.lag));
                if self.settings.processed_is_latest {
                    item.changes.iter().max().is_some_and(processed)
                } else {
                    item.changes.iter().any(processed)
                }
            }
        }
    }
}

/// A page of a list.
pub(super) fn paged(request: &Request, name: &str, all: Vec<String>, up_to: Option<Ms>) -> Result<Answer, Answer> {
    paged_as(Pages::Whole, request, name, all, up_to)
}

fn paged_as(
    pages: Pages,
    request: &Request,
    name: &str,
    mut all: Vec<String>,
    up_to: Option<Ms>,
) -> Result<Answer, Answer> {
    let number = |name: &str, default: usize, largest: usize| match request.query.get(name) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) if (1..=largest).contains(&number) => Ok(number),
            _ => Err(refused(400, &format!("\"{name}\" must be from 1 to {largest}"))),
        },
    };
    let page = number("page", 1, usize::MAX)?;
    let limit = number("limit", DEFAULT_LIMIT, LARGEST_LIMIT)?;
    let total = all.len();
    let mut shown = total;
    match pages {
        Pages::Repeated if total > 0 => {
            let first: Vec<String> = all.iter().take(limit).cloned().collect();
            all.splice(0..0, first);
            shown = all.len();
        }
        Pages::Missing if total > limit => {
            all.drain(limit..(2 * limit).min(total));
        }
        _ => {}
    }
    let mut items: Vec<String> = all.into_iter().skip((page - 1).saturating_mul(limit)).take(limit).collect();
    if pages == Pages::Short && page < total.div_ceil(limit) {
        items.pop();
    }
    let meta = [
        ("page", page.to_string()),
        ("count", items.len().to_string()),
        ("pageCount", shown.div_ceil(limit).to_string()),
        ("totalCount", total.to_string()),
    ];
    let mut fields = vec![(name, json::array(items)), ("meta", json::object(&meta))];
    if let Some(up_to) = up_to {
        fields.push(("upTo", date(up_to)));
    }
    Ok(Answer::json(200, json::object(&fields)))
}
