//! What an agent's timeline shows over a stretch of time, from the facts that decide it and no others.

use std::collections::{BTreeMap, BTreeSet};

use injixo_model::{Span, Timestamp};

use super::corrupt;
use crate::aggregate::{FOREVER, with_ends};
use crate::derive::{TimelineDiff, difference_of, layered};
use crate::error::Result;
use crate::facts::{Chunk, Corrupt, Day, day_of, same_begin};
use crate::store::{ChunkRange, Layer, Subject, Transaction};

/// Spans of one layer by the day on which they start.
type Days = BTreeMap<Day, Vec<Span>>;

/// The days of a layer that an import changes: what they held, and what they hold.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    old: Days,
    new: Days,
}

impl Touched {
    pub(crate) fn note(&mut self, day: Day, old: Vec<Span>, new: Vec<Span>) {
        self.old.entry(day).or_insert(old);
        self.new.insert(day, new);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.new.is_empty()
    }

    fn changed(&self) -> Vec<Span> {
        let mut changed = Vec::new();
        for (day, new) in &self.new {
            let old = self.old.get(day).map_or(&[][..], Vec::as_slice);
            let same = same_begin(old, new);
            let (old, new) = (&old[same..], &new[same..]);
            // Of equal starts the one stated last counts: another order is a change as well.
            let (before, after) = (by_start(old), by_start(new));
            for start in before.keys().chain(after.keys()) {
                let (before, after) = (before.get(start), after.get(start));
                if before != after {
                    changed.extend(before.into_iter().chain(after).flatten());
                }
            }
        }
        changed
    }
}

/// Spans by their start, in their order.
fn by_start(spans: &[Span]) -> BTreeMap<Timestamp, Vec<Span>> {
    let mut by_start: BTreeMap<Timestamp, Vec<Span>> = BTreeMap::new();
    spans.iter().for_each(|span| by_start.entry(span.start).or_default().push(*span));
    by_start
}

/// How the timeline of an agent differs once the days of `layer` that were touched hold what they hold now.
pub(crate) async fn timeline_changes(
    transaction: &mut dyn Transaction,
    agent: &Subject,
    layer: Layer,
    touched: &Touched,
    has_live: bool,
) -> Result<Vec<TimelineDiff>> {
    let changed = touched.changed();
    let Some(first) = changed.iter().map(|span| span.start).min() else { return Ok(Vec::new()) };
    let last = changed.iter().map(|span| span.start).max().unwrap_or(first);
    // A start that came or went moves the end of an open span before it, up to the next start.
    let mut loaded = Loaded::new(agent, layer, has_live);
    let beyond = loaded.next_start(transaction, layer, last, touched).await?;
    let to = changed.iter().filter_map(|span| span.end).fold(beyond, Timestamp::max);
    let Extent { from, to } = loaded.deciding(transaction, first, to, touched).await?;
    let before = loaded.timeline(&touched.old);
    let after = loaded.timeline(&touched.new);
    Ok(difference_of(&before, &after, from, to))
}

/// What the timeline of an agent shows within `[from, to)`, cut at its edges.
pub(crate) async fn timeline_within(
    transaction: &mut dyn Transaction,
    agent: &Subject,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Span>> {
    let mut loaded = Loaded::new(agent, Layer::History, true);
    let nothing = Touched::default();
    loaded.deciding(transaction, from, to, &nothing).await?;
    Ok(crate::derive::cut(&loaded.timeline(&nothing.old), from, to))
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    from: Timestamp,
    to: Timestamp,
}

/// What was loaded of an agent's two layers.
struct Loaded<'a> {
    agent: &'a Subject,
    layer: Layer,
    /// Whether a live source may have said anything.
    has_live: bool,
    days: BTreeMap<(Layer, Day), Vec<Span>>,
    /// What was loaded, days without a span included.
    known: BTreeSet<(Layer, Day)>,
}

impl<'a> Loaded<'a> {
    fn new(agent: &'a Subject, layer: Layer, has_live: bool) -> Self {
        Self { agent, layer, has_live, days: BTreeMap::new(), known: BTreeSet::new() }
    }

    /// Loads what decides about `[from, to)`; returns it grown to the live spans that reach into it, since each of them counts
    /// or gives way as a whole.
    async fn deciding(
        &mut self,
        transaction: &mut dyn Transaction,
        from: Timestamp,
        to: Timestamp,
        touched: &Touched,
    ) -> Result<Extent> {
        self.load(transaction, Layer::Live, from, to, touched).await?;
        let mut grown = Extent { from, to };
        let mut has_live = false;
        for version in [&touched.old, &touched.new] {
            for span in with_ends(&self.spans(Layer::Live, version)) {
                has_live = true;
                if span.end > from && span.span.start < to {
                    grown = Extent { from: grown.from.min(span.span.start), to: grown.to.max(span.end) };
                }
            }
        }
        self.load(transaction, Layer::History, grown.from, grown.to, touched).await?;
        if has_live {
            // An open span of history ends where the live source next says something else, however late that is.
            let last = self.days.range((Layer::History, Day::MIN)..(Layer::Live, Day::MIN)).next_back();
            let last = last.map_or(Day::MIN, |(key, _)| key.1);
            let is_last = transaction.neighbours(self.agent.id, Layer::History, last).await?.1.is_none();
            let is_open =
                |version: &Days| with_ends(&self.spans(Layer::History, version)).iter().any(|span| span.end == FOREVER);
            if is_last && (is_open(&touched.old) || is_open(&touched.new)) {
                grown.to = FOREVER;
                self.load(transaction, Layer::Live, from, FOREVER, touched).await?;
                self.load(transaction, Layer::History, grown.from, FOREVER, touched).await?;
            }
        }
        Ok(grown)
    }

    /// Loads the spans of a layer that may cover an instant of `[from, to)`, and the starts on both sides of them.
    async fn load(
        &mut self,
        transaction: &mut dyn Transaction,
        layer: Layer,
        from: Timestamp,
        to: Timestamp,
        touched: &Touched,
    ) -> Result<()> {
        if layer == Layer::Live && !self.has_live {
            return Ok(());
        }
        let first = day_of(from.before(self.agent.longest).max(self.agent.first)).min(day_of(from));
        let last = day_of(to.min(self.agent.last.max(from)));
        self.load_days(transaction, layer, first, last, touched).await?;
        let own = layer == self.layer;
        let is_touched = |day: Day| own && (touched.old.contains_key(&day) || touched.new.contains_key(&day));
        // Days that hold nothing in one of the two versions do not count as neighbours of that version.
        let mut day = first;
        loop {
            let touched_before = touched.old.range(..day).next_back().map(|(day, _)| *day).filter(|_| own);
            // The agent has no span before its first one, and none is nearer than that of the day before.
            let is_known = day <= day_of(self.agent.first) || touched_before == Some(day - 1);
            let before = if is_known { None } else { transaction.neighbours(self.agent.id, layer, day).await?.0 };
            let Some(before) = before.max(touched_before) else { break };
            self.load_days(transaction, layer, before, before, touched).await?;
            if !is_touched(before) {
                break;
            }
            day = before;
        }
        let mut day = last;
        loop {
            let touched_after = touched.old.range(day + 1..).next().map(|(day, _)| *day).filter(|_| own);
            let is_known = day >= day_of(self.agent.last) || touched_after == Some(day + 1);
            let after = if is_known { None } else { transaction.neighbours(self.agent.id, layer, day).await?.1 };
            let Some(after) = [after, touched_after].into_iter().flatten().min() else { break };
            self.load_days(transaction, layer, after, after, touched).await?;
            if !is_touched(after) {
                break;
            }
            day = after;
        }
        Ok(())
    }

    /// Loads days that were not loaded yet, but for those whose spans are known from what was touched.
    async fn load_days(
        &mut self,
        transaction: &mut dyn Transaction,
        layer: Layer,
        from: Day,
        to: Day,
        touched: &Touched,
    ) -> Result<()> {
        let (from, to) = (from.max(day_of(self.agent.first)), to.min(day_of(self.agent.last)));
        // Whether an open span of history is the last one is decided by what is loaded, where there is a live source.
        let is_touched = |day: &Day| {
            layer == self.layer && !self.has_live && touched.old.contains_key(day) && touched.new.contains_key(day)
        };
        let is_unknown = |day: &Day| !self.known.contains(&(layer, *day)) && !is_touched(day);
        let first = (from..=to).find(is_unknown);
        let Some((from, to)) = first.zip((from..=to).rev().find(is_unknown)) else { return Ok(()) };
        let range = ChunkRange { subject: self.agent.id, layer, from, to };
        for stored in transaction.chunks(&[range]).await? {
            let chunk = Chunk::<Span>::decode(stored.day, &stored.bytes)
                .map_err(|Corrupt| corrupt(stored.subject, stored.day))?;
            self.days.insert((layer, stored.day), chunk.facts());
        }
        self.known.extend((from..=to).map(|day| (layer, day)));
        Ok(())
    }

    /// The next start of either version after `at`.
    async fn next_start(
        &mut self,
        transaction: &mut dyn Transaction,
        layer: Layer,
        at: Timestamp,
        touched: &Touched,
    ) -> Result<Timestamp> {
        self.load(transaction, layer, at, at, touched).await?;
        let spans = [self.spans(layer, &touched.old), self.spans(layer, &touched.new)].concat();
        Ok(spans.into_iter().map(|span| span.start).filter(|start| *start > at).min().unwrap_or(FOREVER))
    }

    /// The loaded spans of a layer, with the days of `version` in place of what is stored if it is the touched layer.
    fn spans(&self, layer: Layer, version: &Days) -> Vec<Span> {
        let of_layer = (layer, Day::MIN)..=(layer, Day::MAX);
        let mut days: BTreeMap<Day, &[Span]> =
            self.days.range(of_layer).map(|(key, spans)| (key.1, spans.as_slice())).collect();
        if layer == self.layer {
            days.extend(version.iter().map(|(day, spans)| (*day, spans.as_slice())));
        }
        days.into_values().flatten().copied().collect()
    }

    fn timeline(&self, version: &Days) -> Vec<Span> {
        layered(&self.spans(Layer::History, version), &self.spans(Layer::Live, version))
    }
}
