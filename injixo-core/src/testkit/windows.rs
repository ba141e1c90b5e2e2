//! The checks of sources that read windows.

use std::sync::Arc;

use injixo_model::{Millis, Timestamp, Window};

use super::fact::{Fact, difference, difference_from_truth, excuse_late_ends, with_ends, within};
use super::read::{Ending, Gathered, Kit, Reader, Source, Trouble};
use super::report::{self, Judgement, Report};
use super::{Suite, faults};
use crate::connector::{Connector, Context, Form, Limits};

const QUARTER: i64 = 900_000;
const DAY: i64 = 86_400_000;
/// More facts make a suite slow and prove no more.
const MANY: usize = 3_000;

/// The quarter hours from one instant to another, both included.
pub(super) fn quarters_around(first: i64, last: i64) -> Option<Window> {
    let from = first.div_euclid(QUARTER) * QUARTER;
    let to = (last.div_euclid(QUARTER) + 1) * QUARTER;
    Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).ok()
}

pub(super) async fn judge(suite: &Suite<'_>, kit: &Kit, connector: &Arc<dyn Connector>, report: &mut Report) {
    let is_statuses = suite.suite == report::STATUSES;
    let Some(source) = Source::of(&**connector, is_statuses) else {
        let name = if is_statuses { "statuses" } else { "contacts" };
        let expected = format!("a source from `{name}`");
        report.set(&report::HAS_SOURCE, Judgement::failed(expected, "none"));
        report.fill("there is no source");
        return;
    };
    report.set(&report::HAS_SOURCE, Judgement::Passed);
    kit.ear.hear_debug("Debug of the source", &source);
    let info = connector.info();
    let reader = Reader::new(kit, source);
    report.set(&report::LIMITS_SANE, limits_sane(&reader.limits));
    if reader.limits.longest_window.is_some_and(|longest| longest <= Millis::ZERO) {
        report.fill("no window can be asked for");
        return;
    }
    let data = match find(suite, &reader).await {
        Ok(data) => {
            report.set(&report::FINDS_DATA, Judgement::Passed);
            Some(data)
        }
        Err(found) => {
            report.set(&report::FINDS_DATA, Judgement::failed("facts in the time of the data", found));
            None
        }
    };
    if let Some(data) = &data {
        report.set(&report::TRUTH, truth(suite, data));
        report.set(&report::REPEATED_READS, data.repeated_reads().await);
        report.set(&report::HALF_OPEN, data.half_open().await);
        report.set(&report::ANY_SPLIT, data.any_split().await);
        report.set(&report::EMPTY_WINDOWS, data.empty_windows(&kit.cx).await);
        if is_statuses {
            let (whole, late) = data.spans().await;
            report.set(&report::SPANS_WHOLE, whole);
            report.set(&report::LATE_ENDS, late);
        }
        report.set(&report::LOCAL_DAYS, data.local_days(suite).await);
        report.set(&report::CONCURRENT_READS, data.concurrent_reads().await);
        report.set(&report::CANCEL, data.cancel().await);
    }
    faults::judge(suite, kit, data.as_ref(), report).await;

    let again = Source::of(&**connector, is_statuses).map(|source| (source.limits(), source.form()));
    let is_same = connector.info() == info
        && again == Some((reader.limits, reader.form))
        && (reader.source.limits(), reader.source.form()) == (reader.limits, reader.form);
    let found = (!is_same).then(|| format!("{:?}, then {again:?}", (reader.limits, reader.form)));
    report.set(&report::HANDS_OUT_THE_SAME, Judgement::of(found, "the same info, limits and form each time"));
    let seen = reader.seen();
    if seen.rows > 0 {
        let of = |found: &Option<String>, expected: &str| Judgement::of(found.clone(), expected);
        report.set(&report::OWN_KIND, of(&seen.kind, "only rows of the announced form"));
        report.set(&report::IDENTITY, of(&seen.identity, "a name for every queue, agent and status"));
        report.set(&report::MEASURES, of(&seen.measures, "counts and times that can be"));
        let outside = seen.outside.clone().map_or(Judgement::Passed, |found| Judgement::Warned { found });
        report.set(&report::NOTHING_OUTSIDE, outside);
        let contradiction = seen.contradiction.clone();
        if contradiction.is_some() {
            report.set(&report::SPANS_WHOLE, Judgement::of(contradiction, "one end for each span"));
        }
    }
    report.set(&report::UNTIL_IN_WINDOW, Judgement::of(seen.until.clone(), "an `until` not behind the window's end"));
}

fn limits_sane(limits: &Limits) -> Judgement {
    let smallest = limits.smallest_window;
    let wrong = if smallest <= Millis::ZERO {
        Some(format!("a smallest window of {smallest} s"))
    } else if limits.longest_window.is_some_and(|longest| longest < smallest) {
        Some(format!("a longest window of {:?}, a smallest of {smallest:?}", limits.longest_window))
    } else if limits.writes_late < Millis::ZERO {
        Some(format!("written {} s late", limits.writes_late))
    } else {
        None
    };
    Judgement::of(wrong, "0 < smallest window <= longest window, and a lateness that is not negative")
}

/// The data that the good stand-in has, as one wide read tells it.
#[derive(Debug)]
pub(super) struct Data<'r> {
    pub(super) reader: &'r Reader<'r>,
    pub(super) window: Window,
    /// The facts that start in it, with ends.
    pub(super) facts: Vec<Fact>,
    starts: Vec<Timestamp>,
}

async fn find<'r>(suite: &Suite<'_>, reader: &'r Reader<'r>) -> Result<Data<'r>, String> {
    if let Some(window) = suite.data_window() {
        let gathered = reader.gather(window).await.map_err(|trouble| trouble.to_string())?;
        return Data::new(reader, window, &gathered).ok_or_else(|| format!("none in {window}"));
    }
    let now = reader.kit.cx.now().millis();
    let mut to = now.div_euclid(QUARTER) * QUARTER;
    let mut found = Gathered { facts: Vec::new(), statements: Vec::new(), until: None, truncated: 0 };
    let hours = [1, 6, 24, 7 * 24, 31 * 24, 366 * 24, 10 * 366 * 24, 60 * 366 * 24];
    for ago in hours.map(|hours| (now - hours * 3_600_000).max(0).div_euclid(QUARTER) * QUARTER) {
        let Ok(window) = Window::new(Timestamp::from_millis(ago), Timestamp::from_millis(to)) else { continue };
        let gathered = match reader.gather(window).await {
            Ok(gathered) => gathered,
            // Data from long ago may be out of reach.
            Err(Trouble::TooMany(_)) => break,
            Err(trouble) => return Err(trouble.to_string()),
        };
        found.until = gathered.until.or(found.until.filter(|_| gathered.facts.is_empty()));
        found.facts.extend(gathered.facts);
        to = ago;
        if found.facts.len() >= 30 || (!found.facts.is_empty() && now - ago > 31 * DAY) {
            break;
        }
    }
    let starts = found.facts.iter().map(|fact| fact.start().millis());
    let window = starts.clone().min().zip(starts.max()).and_then(|(first, last)| quarters_around(first, last));
    let Some(mut window) = window else { return Err(format!("none since {}", Timestamp::from_millis(to))) };
    if let Some(until) = found.until.filter(|until| *until < window.to()) {
        window = Window::new(window.from(), until).map_err(|error| error.to_string())?;
    }
    let window = focus(reader, window, &found.facts);
    // The stretches were read apart; what follows is compared with one read of the whole.
    let gathered = reader.gather(window).await.map_err(|trouble| trouble.to_string())?;
    Data::new(reader, window, &gathered).ok_or_else(|| format!("none in {window}, where there were some before"))
}

/// The part of `window` that holds most, where it is too much for a suite.
fn focus(reader: &Reader<'_>, window: Window, facts: &[Fact]) -> Window {
    let longest = reader.limits.longest_window.map_or(i64::MAX, Millis::get);
    let mut length = window.duration().get().min(35 * DAY).min(longest.saturating_mul(32)).max(QUARTER);
    let mut starts: Vec<i64> = facts.iter().map(|fact| fact.start().millis()).collect();
    starts.sort_unstable();
    loop {
        let mut best = (0, window.from().millis());
        let mut last = 0;
        for (first, start) in starts.iter().enumerate() {
            let from = start.div_euclid(QUARTER) * QUARTER;
            while last < starts.len() && starts[last] < from + length {
                last += 1;
            }
            if last - first > best.0 {
                best = (last - first, from);
            }
        }
        let (count, from) = best;
        if count <= MANY || length <= QUARTER {
            let to = (from + length).min(window.to().millis());
            let narrow = Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to));
            return narrow.unwrap_or(window);
        }
        length = ((length / 2).div_euclid(QUARTER) * QUARTER).max(QUARTER);
    }
}

fn truth(suite: &Suite<'_>, data: &Data<'_>) -> Judgement {
    let Some(truth) = &suite.truth else {
        return Judgement::not_judged("say what the stand-in holds with `Suite::truth`");
    };
    let expected = within(&with_ends(truth), data.window);
    let found = excuse_late_ends(&expected, &data.facts, data.window.to());
    Judgement::of(difference_from_truth(&expected, &found), "what the stand-in holds")
}

impl<'r> Data<'r> {
    fn new(reader: &'r Reader<'r>, window: Window, gathered: &Gathered) -> Option<Self> {
        let window = match gathered.until {
            Some(until) => Window::new(window.from(), until).ok()?,
            None => window,
        };
        let facts = within(&with_ends(&gathered.facts), window);
        let mut starts: Vec<Timestamp> = facts.iter().map(Fact::start).collect();
        starts.sort();
        starts.dedup();
        (!facts.is_empty()).then_some(Self { reader, window, facts, starts })
    }

    /// Reads windows side by side and compares them with the wide read.
    pub(super) async fn compare_with(&self, reader: &Reader<'_>, windows: &[Window]) -> Option<String> {
        let gathered = match reader.gather_all(windows).await {
            Ok(gathered) => gathered,
            Err(trouble) => return Some(trouble.to_string()),
        };
        self.differs(windows, &gathered)
    }

    pub(super) fn differs(&self, windows: &[Window], gathered: &Gathered) -> Option<String> {
        let from = windows.iter().map(|window| window.from()).min()?;
        let to = windows.iter().map(|window| window.to()).max()?;
        let whole = Window::new(from, to).ok()?;
        if let Some(until) = gathered.until {
            return Some(format!("the answer to {whole} is complete only until {until}"));
        }
        let expected = within(&self.facts, whole);
        let found = excuse_late_ends(&expected, &with_ends(&gathered.facts), to);
        let reads = if windows.len() == 1 { "read at once".to_owned() } else { format!("in {} parts", windows.len()) };
        difference(&expected, &found).map(|found| format!("{whole}, {reads}: {found}"))
    }

    async fn compare(&self, windows: &[Window]) -> Option<String> {
        self.compare_with(self.reader, windows).await
    }

    /// A window that may be asked for, inside the data.
    fn window(&self, from: Timestamp, to: Timestamp) -> Option<Window> {
        let window = Window::new(from, to).ok()?;
        let longest = self.reader.limits.longest_window.map_or(i64::MAX, Millis::get);
        let length = window.duration().get();
        let is_possible = self.reader.smallest() <= length && length <= longest;
        let is_inside = self.window.from() <= from && to <= self.window.to();
        let fits =
            |edge: Timestamp| edge == self.window.from() || edge == self.window.to() || self.reader.kit.may_cut(edge);
        (is_possible && is_inside && fits(from) && fits(to)).then_some(window)
    }

    /// `whole`, cut at those instants where that may be done.
    fn pieces(&self, whole: Window, cuts: impl IntoIterator<Item = i64>) -> Vec<Window> {
        let smallest = self.reader.smallest();
        let mut cuts: Vec<i64> = cuts.into_iter().collect();
        cuts.sort_unstable();
        let mut from = whole.from();
        let mut pieces = Vec::new();
        for cut in cuts {
            // A source that works in quarter hours is asked for those.
            let cut = if smallest >= QUARTER { cut.div_euclid(QUARTER) * QUARTER } else { cut };
            let at = Timestamp::from_millis(cut);
            let is_wide = at.millis() - from.millis() >= smallest && whole.to().millis() - at.millis() >= smallest;
            if is_wide && self.reader.kit.may_cut(at) {
                pieces.extend(Window::new(from, at));
                from = at;
            }
        }
        pieces.extend(Window::new(from, whole.to()));
        pieces
    }

    /// The first window that one read may ask for and that holds facts.
    pub(super) fn busy(&self) -> Window {
        let longest = self.reader.limits.longest_window.map_or(i64::MAX, Millis::get);
        if self.window.duration().get() <= longest {
            return self.window;
        }
        let from = self.starts.first().copied().unwrap_or(self.window.from());
        Window::new(from, from.after(Millis::new(longest))).unwrap_or(self.window)
    }

    async fn repeated_reads(&self) -> Judgement {
        for time in 1..=3 {
            if let Some(found) = self.compare(&[self.window]).await {
                return Judgement::failed("the same answer each time", format!("at repetition {time}, {found}"));
            }
        }
        Judgement::Passed
    }

    async fn half_open(&self) -> Judgement {
        let short = Millis::new(self.reader.smallest());
        let step = self.starts.len().div_ceil(8).max(1);
        let chosen: Vec<Timestamp> = self.starts.iter().copied().step_by(step).collect();
        let mut windows = Vec::new();
        for (index, start) in chosen.iter().copied().enumerate() {
            windows.push((start, start.after(short)));
            windows.push((start.before(short), start));
            windows.extend(chosen.get(index + 1).map(|next| (start, *next)));
            windows.push((self.window.from(), start));
        }
        let windows: Vec<Window> = windows.iter().filter_map(|(from, to)| self.window(*from, *to)).collect();
        if windows.is_empty() {
            return Judgement::not_judged("no window with a fact at its edge can be asked for within the limits");
        }
        for window in windows {
            if let Some(found) = self.compare(&[window]).await {
                let expected = "a fact at the window's first instant, and none at its end";
                return Judgement::failed(expected, found);
            }
        }
        Judgement::Passed
    }

    async fn any_split(&self) -> Judgement {
        let (from, length) = (self.window.from().millis(), self.window.duration().get());
        let mut splits: Vec<Vec<Window>> = Vec::new();
        for parts in [2, 4, 8, 16] {
            splits.push(self.pieces(self.window, (1..parts).map(|part| from + length / parts * part)));
        }
        let mut seed: u64 = 0x5DEE_CE66;
        for parts in [7, 23] {
            let mut odd = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let part = i64::try_from(seed >> 44).unwrap_or_default();
                from + i64::try_from((i128::from(length) * i128::from(part)) >> 20).unwrap_or_default()
            };
            let cuts: Vec<i64> = (1..parts).map(|_| odd()).collect();
            splits.push(self.pieces(self.window, cuts));
        }
        // Quarter hours, and right behind single facts the smallest pieces.
        let middle = self.starts[self.starts.len() / 2].millis();
        let around =
            Window::new(Timestamp::from_millis(middle - 8 * QUARTER), Timestamp::from_millis(middle + 24 * QUARTER));
        if let Some(part) = around.ok().and_then(|around| self.window.intersection(around)) {
            let part = self.window(part.from(), part.to()).unwrap_or(self.window);
            let first = part.from().millis().div_euclid(QUARTER) + 1;
            splits.push(self.pieces(part, (first..first + 31).map(|quarter| quarter * QUARTER)));
        }
        let small = self.reader.smallest();
        let step = self.starts.len().div_ceil(6).max(1);
        let near = self.starts.iter().step_by(step).flat_map(|start| [-small, 0, small].map(|by| start.millis() + by));
        splits.push(self.pieces(self.window, near));
        splits.retain(|split| split.len() > 1);
        if splits.is_empty() {
            return Judgement::not_judged("the data's time cannot be split within the limits");
        }
        let expected = "what one read of the whole gives";
        for split in &mut splits {
            for order in ["in order", "in reversed order"] {
                if let Some(found) = self.compare(split).await {
                    return Judgement::failed(expected, format!("{order}, {found}"));
                }
                split.reverse();
            }
        }
        Judgement::Passed
    }

    async fn empty_windows(&self, cx: &Context) -> Judgement {
        let longest = self.reader.limits.longest_window.map_or(DAY, Millis::get).min(DAY).max(self.reader.smallest());
        let gap = |pair: &[Timestamp]| self.window(pair[0].after(Millis::new(1)), pair[1]);
        let gaps = self.starts.windows(2).filter_map(gap);
        let expected = "a complete answer without rows";
        let widest = gaps.max_by_key(|gap| gap.duration());
        if let Some(gap) = widest {
            match self.reader.read(gap).await {
                Ending::Done(answer) => {
                    let until = answer.outcome.until.filter(|until| *until < gap.to());
                    if let Some(fact) = answer.facts.iter().find(|fact| gap.contains(fact.start())) {
                        return Judgement::failed(expected, format!("{gap}: {fact}"));
                    }
                    if answer.outcome.is_truncated || until.is_some() {
                        return Judgement::failed(expected, format!("{gap}: {:?}", answer.outcome));
                    }
                }
                Ending::Failed(error) => return Judgement::failed(expected, format!("{gap}: {error:?}")),
                Ending::Stuck | Ending::Dropped => return Judgement::failed(expected, format!("{gap}: no answer")),
            }
        }
        let past = self.window.from().millis() - 10 * 366 * DAY;
        let past = Timestamp::from_millis(past.max(DAY).div_euclid(DAY) * DAY);
        let future = Timestamp::from_millis((cx.now().millis() + 400 * DAY).div_euclid(DAY) * DAY);
        for (from, is_past) in [(past, true), (future, false)] {
            let Ok(window) = Window::new(from, from.after(Millis::new(longest))) else { continue };
            let wrong = match self.reader.read(window).await {
                Ending::Done(answer) if answer.facts.is_empty() && answer.outcome.is_truncated => {
                    Some("truncated without a row".to_owned())
                }
                Ending::Failed(error) if is_past || !error.is_retryable() => Some(format!("{error:?}")),
                Ending::Stuck | Ending::Dropped => Some("no answer".to_owned()),
                Ending::Done(_) | Ending::Failed(_) => None,
            };
            if let Some(wrong) = wrong {
                let when = if is_past { "long ago" } else { "in the future" };
                return Judgement::failed(expected, format!("{window}, {when}: {wrong}"));
            }
        }
        match widest {
            Some(_) => Judgement::Passed,
            None => Judgement::not_judged(
                "no stretch between two facts is as long as the smallest window; the far past and the future are fine",
            ),
        }
    }

    /// Spans that an edge cuts through: whole on both sides, and with their end at last.
    async fn spans(&self) -> (Judgement, Judgement) {
        let smallest = self.reader.smallest();
        let mut judged = 0;
        let (mut whole, mut late) = (Judgement::Passed, Judgement::Passed);
        for span in &self.facts {
            let Fact::Span { agent, start, status, end: Some(end) } = span else { continue };
            let Some(edge) = edge_within(*start, *end) else { continue };
            let left_from = (*start).min(edge.before(Millis::new(smallest)));
            let right_to = end.after(Millis::new(1)).max(edge.after(Millis::new(smallest)));
            let (Some(left), Some(right)) = (self.window(left_from, edge), self.window(edge, right_to)) else {
                continue;
            };
            judged += 1;
            let answers = (self.reader.gather(left).await, self.reader.gather(right).await);
            let (before, after) = match answers {
                (Ok(before), Ok(after)) => (before, after),
                (Err(trouble), _) | (_, Err(trouble)) => return (Judgement::failed(SPAN, trouble.to_string()), late),
            };
            let is_it = |fact: &&Fact| matches!(fact, Fact::Span { agent: a, start: s, status: t, .. } if a == agent && s == start && t == status);
            let wrong = |fact: &&Fact| fact.end().is_some_and(|told| told != *end);
            let known = |fact: &Fact| self.facts.iter().any(|known| same_span(known, fact));
            // A piece of it that begins where the window does.
            let piece =
                after.statements.iter().find(|fact| fact.start() == edge && of_agent(fact, agent) && !known(fact));
            let told = || before.statements.iter().chain(&after.statements).filter(is_it);
            if before.statements.iter().find(is_it).is_none() && !whole.is_failed() {
                whole = Judgement::failed(SPAN, format!("{left} lacks {span}"));
            }
            if let Some(cut) = told().find(wrong).or(piece)
                && !whole.is_failed()
            {
                whole = Judgement::failed(SPAN, format!("with an edge at {edge}, {span} becomes {cut}"));
            }
            let next = |fact: &&Fact| of_agent(fact, agent) && fact.start() == *end;
            let has_end = told().any(|fact| fact.end().is_some()) || after.facts.iter().any(|fact| next(&fact));
            if !has_end && !late.is_failed() {
                late = Judgement::failed(
                    "the end of a span from a window that knows it",
                    format!("{right} gives no end to {span}"),
                );
            }
            if judged == 8 {
                break;
            }
        }
        if judged == 0 {
            let why = "no span with an end can be cut within the limits: give the stand-in a longer one";
            return (Judgement::not_judged(why), Judgement::not_judged(why));
        }
        (whole, late)
    }

    async fn local_days(&self, suite: &Suite<'_>) -> Judgement {
        let mut judged = 0;
        // Where the author named no time, the stand-in may have data on any day.
        let from = if suite.data_window().is_some() {
            self.window.from()
        } else {
            self.window.to().before(Millis::new(400 * DAY))
        };
        for zone in &self.reader.kit.zones {
            let last = zone.day(self.window.to());
            let first = zone.day(from).max(last - 800);
            let is_odd = |day: &Window| day.duration().get() != DAY;
            let days: Vec<Window> =
                (first..=last).rev().filter_map(|day| zone.day_window(day)).filter(is_odd).collect();
            for day in days.into_iter().take(4) {
                let whole = match self.reader.gather(day).await {
                    Ok(whole) if whole.facts.is_empty() => continue,
                    Ok(whole) => whole,
                    Err(trouble) => return Judgement::failed("an answer", trouble.to_string()),
                };
                judged += 1;
                let Some(data) = Data::new(self.reader, day, &whole) else { continue };
                let hour = 3_600_000;
                let hours = (1..day.duration().get().div_euclid(hour)).map(|hours| day.from().millis() + hours * hour);
                for pieces in [data.pieces(day, hours), data.pieces(day, [day.from().millis() + 12 * hour])] {
                    if let Some(found) = data.compare(&pieces).await {
                        let expected = format!(
                            "a day of {} hours in {} to be the sum of its parts",
                            day.duration().get() / hour,
                            zone.name()
                        );
                        return Judgement::failed(expected, found);
                    }
                }
            }
        }
        if judged == 0 {
            let names: Vec<&str> = self.reader.kit.zones.iter().map(crate::zone::Zone::name).collect();
            let why = format!(
                "no data on a day with a clock change in {}: give the stand-in some, and name the zone with `Suite::zone`",
                names.join(" or ")
            );
            return Judgement::not_judged(why);
        }
        Judgement::Passed
    }

    async fn concurrent_reads(&self) -> Judgement {
        let middle = self.starts[self.starts.len() / 2].millis();
        let half = self.window.from().millis() + self.window.duration().get() / 2;
        let expected = "the same as one after the other";
        let mut judged = false;
        for cut in [middle, half] {
            let pieces = self.pieces(self.window, [cut]);
            let [one, other] = pieces.as_slice() else { continue };
            judged = true;
            let both = futures::future::join(
                self.compare(std::slice::from_ref(one)),
                self.compare(std::slice::from_ref(other)),
            );
            let (one, other) = both.await;
            if let Some(found) = one.or(other) {
                return Judgement::failed(expected, format!("two reads at once: {found}"));
            }
        }
        if judged {
            Judgement::Passed
        } else {
            Judgement::not_judged("the data's time cannot be split within the limits")
        }
    }

    async fn cancel(&self) -> Judgement {
        let window = self.busy();
        let patience = self.reader.kit.patience;
        let mut polls = 1;
        while polls <= 1 << 12 {
            match self.reader.read_at_most(window, polls, patience).await {
                Ending::Dropped => {}
                Ending::Done(_) if polls == 1 => {
                    return Judgement::not_judged("the source never waits, so that a read cannot be dropped half-way");
                }
                Ending::Done(_) => break,
                Ending::Failed(error) => return Judgement::failed("an answer", format!("{window}: {error:?}")),
                Ending::Stuck => return Judgement::failed("an answer", format!("{window}: none")),
            }
            if let Some(found) = self.compare(&[self.window]).await {
                let expected = "the same answer after a dropped read";
                return Judgement::failed(expected, format!("dropped after {polls} polls; then {found}"));
            }
            polls *= 2;
        }
        Judgement::Passed
    }

    /// Whether the source writes spans.
    pub(super) fn is_statuses(&self) -> bool {
        self.reader.form == Form::Statuses
    }
}

const SPAN: &str = "the same start and end on both sides of a window's edge";

fn of_agent(fact: &Fact, wanted: &str) -> bool {
    matches!(fact, Fact::Span { agent, .. } if agent == wanted)
}

fn same_span(one: &Fact, other: &Fact) -> bool {
    match (one, other) {
        (Fact::Span { agent, start, status, .. }, Fact::Span { agent: a, start: s, status: t, .. }) => {
            (agent, start, status) == (a, s, t)
        }
        _ => false,
    }
}

/// An instant between two others, on a quarter hour where one lies there.
fn edge_within(start: Timestamp, end: Timestamp) -> Option<Timestamp> {
    let quarter = (start.millis().div_euclid(QUARTER) + 1) * QUARTER;
    let middle = start.millis() + end.since(start).get() / 2;
    let edge = if quarter < end.millis() { quarter } else { middle };
    (start.millis() < edge && edge < end.millis()).then(|| Timestamp::from_millis(edge))
}
