//! Which column is what.

use std::collections::{BTreeSet, HashSet};

use injixo_core::Result;
use injixo_core::model::Quantity;

use super::{Sheet, formats, refused, text};
use crate::datetime::{Format, Role};
use crate::encoding::Encoding;
use crate::value::{self, DurationFormat};

/// What a file seems to hold.
pub(super) struct Guess {
    pub(super) data: &'static str,
    pub(super) interval: Option<u32>,
    /// Field, its TOML and a remark.
    pub(super) fields: Vec<(&'static str, String, String)>,
    pub(super) used: BTreeSet<usize>,
}

/// Words in column names that speak for a role, the stronger first.
const QUEUE: &[&str] =
    &["queue", "skill", "topic", "campaign", "service", "call type", "group", "team", "dnis", "line"];
const AGENT: &[&str] = &["agent id", "agentid", "agent_id", "user id", "userid", "login", "user", "agent", "employee"];
const ACTIVITY: &[&str] = &["activity", "agent state", "state", "status", "aux"];
const REASON: &[&str] = &["reason"];
const OFFERED: &[&str] = &["offered", "incoming", "received", "entered", "calls in", "contacts", "total calls"];
const HANDLED: &[&str] = &["handled", "answered", "accepted", "taken"];
const AHT: &[&str] =
    &["aht", "average handle", "avg handle", "averagehandle", "handle_time_seconds", "average handling"];
const DURATION: &[&str] = &["duration", "handle time", "handling", "talk", "length", "seconds"];
const CHANNEL: &[&str] = &["channel", "media"];
const START: &[&str] = &["start", "begin", "timestamp", "transition", "interval", "date", "time", "when"];
const END: &[&str] = &["end", "stop", "finish"];
/// Words that make a column of `h:mm:ss` a measure and no time of day.
const MEASURE: &[&str] = &[
    "login",
    "ready",
    "wait",
    "ring",
    "on call",
    "voicemail",
    "acw",
    "available",
    "talk",
    "hold",
    "handle",
    "occupancy",
    "utilization",
    "avg",
    "average",
    "total",
    "duration",
    "speed",
    "work",
    "idle",
    "aht",
];

pub(super) fn guess(sheet: &Sheet) -> Result<Guess> {
    Guesser { sheet, used: BTreeSet::new(), fields: Vec::new() }.guess()
}

struct Guesser<'s> {
    sheet: &'s Sheet,
    used: BTreeSet<usize>,
    fields: Vec<(&'static str, String, String)>,
}

impl Guesser<'_> {
    fn guess(self) -> Result<Guess> {
        let activity = self.named(ACTIVITY, |guesser, index| guesser.is_name(index));
        let agent = self.named(AGENT, |guesser, index| guesser.is_name(index));
        let has_counts = self.named(HANDLED, Self::is_count).or_else(|| self.named(OFFERED, Self::is_count)).is_some();
        match (agent, activity) {
            (Some(agent), Some(activity)) if !has_counts => self.statuses(agent, activity),
            _ => self.contacts(),
        }
    }

    fn statuses(mut self, agent: usize, activity: usize) -> Result<Guess> {
        self.take("agent", agent, "", "");
        let reason = self.named(REASON, |_, _| true).filter(|reason| *reason != activity);
        match reason {
            Some(reason) => {
                self.used.extend([activity, reason]);
                let (state, reason) = (&self.sheet.names[activity], &self.sheet.names[reason]);
                let columns =
                    format!("{{ columns = [{}, {}], join = \": \", trim = true }}", text(state), text(reason));
                self.fields.push(("activity", columns, "a guess: state and reason together".to_owned()));
            }
            None => self.take("activity", activity, if self.has_blanks(activity) { "trim = true" } else { "" }, ""),
        }
        self.start(["start_date", "start_time", "start_timestamp"])?;
        if let Some((end, format)) = self.timestamp(END, true) {
            self.take("end_timestamp", end, &format, "");
        } else if let Some((end, format)) = self.time_of_day(END, true) {
            let date = self.fields.iter().find(|field| field.0 == "start_date").map(|field| field.1.clone());
            let own = self.date(END, true);
            if let Some((index, format)) = own {
                self.take("end_date", index, &format, "");
            } else if let Some(date) = date {
                self.fields.push(("end_date", date, "a guess: that of the start".to_owned()));
            }
            self.take("end_time", end, &format, "");
        } else if let Some(duration) = self.named(DURATION, Self::is_duration) {
            self.timed("duration", duration, "");
        }
        Ok(Guess { data: "agent-status", interval: None, fields: self.fields, used: self.used })
    }

    fn contacts(mut self) -> Result<Guess> {
        match self.named(QUEUE, |guesser, index| !guesser.is_moment(index)) {
            Some(queue) => self.take("queue", queue, "", ""),
            None => match self.likely_queue() {
                Some(queue) => self.take("queue", queue, "", "a guess: a text that repeats itself"),
                None => self.fixed("queue", "\"Queue\"", "a guess: no column names a queue"),
            },
        }
        match self.named(CHANNEL, |guesser, index| {
            guesser.sheet.column(index).all(|value| value::channel(value.as_bytes()).is_ok())
        }) {
            Some(channel) => self.take("channel", channel, "", ""),
            None => self.fixed("channel", "\"calls\"", "a guess"),
        }
        let start = self.start(["date", "time", "timestamp"])?;
        let offered = self.named(OFFERED, Self::is_count);
        let handled = self.named(HANDLED, Self::is_count);
        let aht = self.named(AHT, Self::is_duration);
        let is_more_than_one = |column: Option<usize>| {
            column.is_some_and(|index| {
                self.sheet
                    .column(index)
                    .any(|text| value::count(text.as_bytes()).is_ok_and(|count| count > Quantity::ONE))
            })
        };
        let is_summed = is_more_than_one(offered) || is_more_than_one(handled) || (aht.is_some() && offered.is_some());
        match offered {
            Some(offered) => self.take("offered", offered, "", ""),
            None if is_summed && handled.is_some() => {
                let column = text(&self.sheet.names[handled.unwrap_or(0)]);
                self.fields.push(("offered", column, "a guess: as many as handled".to_owned()));
            }
            None => self.fixed("offered", "1", "each row is one contact"),
        }
        match handled {
            Some(handled) => self.take("handled", handled, "", ""),
            None => {
                self.fixed("handled", if is_summed { "0" } else { "1" }, "a guess: no column says what was handled")
            }
        }
        let interval = is_summed.then(|| self.interval(&start));
        if is_summed {
            if let Some(aht) = aht.or_else(|| self.named(DURATION, Self::is_duration)) {
                let note = if Some(aht) == self.named(AHT, Self::is_duration) { "" } else { "a guess" };
                self.timed("aht", aht, note);
            }
        } else {
            match self.named(DURATION, Self::is_duration) {
                Some(duration) => self.timed("duration", duration, ""),
                None => self.fixed("duration", "0", "a guess: no column says how long it took"),
            }
        }
        Ok(Guess { data: "contacts", interval, fields: self.fields, used: self.used })
    }

    /// Takes the column or the columns of the start; returns the places with their formats.
    fn start(&mut self, [date, time, timestamp]: [&'static str; 3]) -> Result<Vec<(usize, String, Role)>> {
        let found = self.timestamp(START, false);
        if let Some((index, format)) = found.or_else(|| self.timestamp(&[], false)) {
            self.take(timestamp, index, &format, &self.doubt(index, Role::Timestamp));
            return Ok(vec![(index, format, Role::Timestamp)]);
        }
        let days = self.date(START, false).or_else(|| self.date(&[], false));
        let times = self.time_of_day(START, false).or_else(|| self.time_of_day(&[], false));
        match (days, times) {
            (Some((day, day_format)), Some((clock, clock_format))) => {
                let doubt = self.doubt(day, Role::Date);
                self.take(date, day, &day_format, &doubt);
                self.take(time, clock, &clock_format, "");
                Ok(vec![(day, day_format, Role::Date), (clock, clock_format, Role::Time)])
            }
            (Some(_), None) => Err(refused(
                "the file has dates but no time of day: totals by day cannot be read, export one row per contact, interval or status",
            )),
            _ => Err(refused(
                "no column with dates was found: each row needs the date and the time of day at which it starts",
            )),
        }
    }

    fn timestamp(&self, words: &[&str], is_end: bool) -> Option<(usize, String)> {
        self.moment(Role::Timestamp, words, is_end)
    }

    fn date(&self, words: &[&str], is_end: bool) -> Option<(usize, String)> {
        self.moment(Role::Date, words, is_end)
    }

    fn time_of_day(&self, words: &[&str], is_end: bool) -> Option<(usize, String)> {
        self.moment(Role::Time, words, is_end)
    }

    /// The first free column of that role whose name holds one of the words, or any name where there are none.
    fn moment(&self, role: Role, words: &[&str], is_end: bool) -> Option<(usize, String)> {
        let candidates = (0..self.sheet.names.len()).filter(|index| !self.used.contains(index)).filter(|index| {
            let name = self.lower(*index);
            let is_measure =
                role == Role::Time && MEASURE.iter().any(|word| name.contains(word)) && !name.contains("start");
            let has_word = words.is_empty() || words.iter().any(|word| name.contains(word));
            let has_end = END.iter().any(|word| name.contains(word)) && !name.contains("calendar");
            has_word && !is_measure && (is_end || !has_end)
        });
        candidates
            .filter_map(|index| Some((index, self.formats(index, role).into_iter().next()?)))
            .next()
            .map(|(index, format)| (index, if format == "iso8601" { String::new() } else { format_of(&format) }))
    }

    fn formats(&self, index: usize, role: Role) -> Vec<String> {
        let values: Vec<&str> = self.sheet.column(index).collect();
        // A few damaged rows must not hide a format: a twentieth may be otherwise.
        if values.is_empty() { Vec::new() } else { self.mostly(&values, role) }
    }

    fn mostly(&self, values: &[&str], role: Role) -> Vec<String> {
        let found = formats::fitting(values, role);
        if !found.is_empty() || values.len() < 20 {
            return found;
        }
        let candidates = formats::fitting(&values[..5], role);
        let fits = |text: &String| {
            let Ok(format) = Format::compile(text, role, Encoding::Utf8) else { return false };
            values.iter().filter(|value| format.parse(value.as_bytes()).is_err()).count() * 20 <= values.len()
        };
        candidates.into_iter().filter(fits).collect()
    }

    /// A remark where days and months cannot be told apart.
    fn doubt(&self, index: usize, role: Role) -> String {
        let formats = self.formats(index, role);
        let starts =
            |letter: char| formats.iter().any(|format| format.starts_with(letter) && !format.starts_with("MMM"));
        let is_unsure = starts('D') && starts('M');
        if is_unsure { "a guess: day and month may be the other way round".to_owned() } else { String::new() }
    }

    fn is_moment(&self, index: usize) -> bool {
        [Role::Timestamp, Role::Date, Role::Time].into_iter().any(|role| !self.formats(index, role).is_empty())
    }

    /// The length of the intervals by the minutes at which they start.
    fn interval(&self, start: &[(usize, String, Role)]) -> u32 {
        let Some((index, format, role)) = start.last() else { return 15 };
        let format = if format.is_empty() { "iso8601".to_owned() } else { format_text(format) };
        let Ok(format) = Format::compile(&format, *role, Encoding::Utf8) else { return 15 };
        let times = self.sheet.column(*index).filter_map(|value| format.parse(value.as_bytes()).ok()?.time);
        let minutes: HashSet<u32> = times.map(|time| time / 60_000 % 60).collect();
        [60, 30].into_iter().find(|length| minutes.iter().all(|minute| minute % length == 0)).unwrap_or(15)
    }

    /// The first free column whose name holds one of the words, the stronger word first.
    fn named(&self, words: &[&str], fits: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let free = |index: &usize| !self.used.contains(index);
        words.iter().find_map(|word| {
            let has_word = |index: &usize| self.lower(*index).contains(word);
            (0..self.sheet.names.len()).filter(free).filter(has_word).find(|index| fits(self, *index))
        })
    }

    fn lower(&self, index: usize) -> String {
        self.sheet.names[index].to_lowercase()
    }

    fn is_name(&self, index: usize) -> bool {
        self.sheet.column(index).next().is_some() && !self.is_moment(index)
    }

    fn is_count(&self, index: usize) -> bool {
        let filled = self.sheet.column(index).count();
        // A column that is mostly empty holds remarks, such as a total beside the table.
        filled * 2 > self.sheet.rows.len()
            && self.sheet.column(index).all(|value| value::count(value.as_bytes()).is_ok())
    }

    fn is_duration(&self, index: usize) -> bool {
        !self.duration_formats(index).is_empty()
    }

    fn duration_formats(&self, index: usize) -> Vec<&'static str> {
        let values: Vec<&str> = self.sheet.column(index).collect();
        if values.is_empty() {
            return Vec::new();
        }
        let candidates = ["", "hh:mm:ss A", "h:mm:ss A", "mm:ss", "spreadsheet"].into_iter();
        let fits = |text: &&str| {
            let format = match *text {
                "" => DurationFormat::default(),
                text => match DurationFormat::compile(text, Encoding::Utf8) {
                    Ok(format) => format,
                    Err(_) => return false,
                },
            };
            values.iter().all(|value| format.parse(value.as_bytes()).is_ok())
        };
        candidates.filter(fits).collect()
    }

    fn timed(&mut self, field: &'static str, index: usize, note: &str) {
        let format = self.duration_formats(index).first().copied().unwrap_or_default();
        self.take(field, index, &if format.is_empty() { String::new() } else { format_of(format) }, note);
    }

    fn has_blanks(&self, index: usize) -> bool {
        let fields = self.sheet.rows.iter().filter_map(|row| row.get(index));
        fields.into_iter().any(|field| field.trim() != field)
    }

    /// A text column with few different values.
    fn likely_queue(&self) -> Option<usize> {
        (0..self.sheet.names.len()).filter(|index| !self.used.contains(index)).find(|&index| {
            let values: Vec<&str> = self.sheet.column(index).collect();
            let different: HashSet<&str> = values.iter().copied().collect();
            let is_text = values.iter().all(|value| value.chars().any(char::is_alphabetic));
            let is_flag = values.iter().all(|value| value::count(value.as_bytes()).is_ok());
            let is_calendar =
                ["day", "month", "date", "holiday", "week"].iter().any(|word| self.lower(index).contains(word));
            values.len() > 1
                && is_text
                && !is_flag
                && !is_calendar
                && different.len() * 2 <= values.len()
                && !self.is_moment(index)
        })
    }

    fn take(&mut self, field: &'static str, index: usize, keys: &str, note: &str) {
        self.used.insert(index);
        let column = text(&self.sheet.names[index]);
        let value = if keys.is_empty() { column } else { format!("{{ column = {column}, {keys} }}") };
        self.fields.push((field, value, note.to_owned()));
    }

    fn fixed(&mut self, field: &'static str, value: &str, note: &str) {
        self.fields.push((field, format!("{{ value = {value} }}"), note.to_owned()));
    }
}

fn format_of(format: &str) -> String {
    format!("format = {}", text(format))
}

/// The format back from its key.
fn format_text(key: &str) -> String {
    key.trim_start_matches("format = ").trim_matches('"').to_owned()
}
