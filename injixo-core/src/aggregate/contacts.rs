//! Contacts and interval rows to intervals.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Attribution, ContactBatch, IntervalBatch, IntervalLength, Measures, QueueKey, Timestamp};

use super::arena::Arena;
use super::cells::{Cells, Sorted, Sums};
use crate::error::{Error, ErrorKind, Result};
use crate::zone::{Grid, GridCursor, Zone};

/// Adds up contacts or interval rows to intervals, without a store.
#[derive(Debug)]
pub struct Aggregator {
    grid: Grid,
    cursor: GridCursor,
    attribution: Attribution,
    index: HashMap<QueueKey, usize>,
    series: Vec<(QueueKey, Sums)>,
    arena: Arena,
}

/// The intervals of any number of queues, sorted by queue and start.
#[derive(Debug, Clone)]
pub struct IntervalTable {
    grid: Grid,
    attribution: Attribution,
    series: Vec<(QueueKey, Cells)>,
}

/// One interval of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The queue.
    pub queue: QueueKey,
    /// When the interval starts.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// What it carries.
    pub measures: Measures,
}

impl Aggregator {
    /// Adds up to intervals of `length` on the wall clock of `zone`; contacts count where they started.
    pub fn new(length: IntervalLength, zone: &Zone) -> Self {
        let grid = Grid::new(zone, length);
        Self {
            cursor: grid.cursor(),
            grid,
            attribution: Attribution::Started,
            index: HashMap::new(),
            series: Vec::new(),
            arena: Arena::default(),
        }
    }

    /// The same, with contacts counting as `attribution` says.
    #[must_use]
    pub fn attribution(mut self, attribution: Attribution) -> Self {
        self.attribution = attribution;
        self
    }

    /// The same with the contacts of `batches`.
    #[must_use]
    pub fn contacts<'a>(mut self, batches: impl IntoIterator<Item = &'a ContactBatch>) -> Self {
        for batch in batches {
            self.add_contacts(batch);
        }
        self
    }

    /// Adds the contacts of a batch.
    pub fn add_contacts(&mut self, batch: &ContactBatch) {
        let series = self.all_series_of(batch.queues());
        self.add_contacts_of(&series, batch);
    }

    /// The same, where it is known already where the queues of the batch stand.
    pub(crate) fn add_contacts_of(&mut self, series: &[usize], batch: &ContactBatch) {
        for (index, row) in batch.rows().iter().enumerate() {
            let series = &mut self.series[series[row.queue as usize]].1;
            if row.has_more() || self.attribution != Attribution::Started {
                series.add_contact(&batch.contact(index), self.attribution, &mut self.cursor, &mut self.arena);
            } else {
                series.add_row_of_batch(row, &mut self.cursor, &mut self.arena);
            }
        }
    }

    /// Adds ready-made rows; the result is *as delivered*.
    ///
    /// # Errors
    ///
    /// `DataInvalid` when a row does not fit into one interval: rows can be summed up, never split.
    pub fn add_interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
        self.attribution = Attribution::AsDelivered;
        let series = self.all_series_of(batch.queues());
        self.add_interval_rows_of(&series, batch)
    }

    /// The same, where it is known already where the queues of the batch stand.
    pub(crate) fn add_interval_rows_of(&mut self, series: &[usize], batch: &IntervalBatch) -> Result<()> {
        for (queue, row) in batch.rows() {
            let (key, series) = &mut self.series[series[*queue as usize]];
            let added = series.add_interval(row, &mut self.cursor, &mut self.arena);
            added.map_err(|error| error.with("queue", &*key))?;
        }
        Ok(())
    }

    /// The intervals, sorted.
    pub fn finish(self) -> IntervalTable {
        let Self { grid, attribution, series, mut arena, .. } = self;
        let mut series: Vec<_> = series.into_iter().map(|(queue, sums)| (queue, sums.finish(&mut arena))).collect();
        series.sort_by(|a, b| as_written(&a.0).cmp(&as_written(&b.0)));
        IntervalTable { grid, attribution, series: frozen(series, arena) }
    }

    fn all_series_of(&mut self, queues: &[QueueKey]) -> Vec<usize> {
        queues.iter().map(|queue| self.series_of(queue)).collect()
    }

    /// Where a queue stands.
    pub(crate) fn series_of(&mut self, queue: &QueueKey) -> usize {
        if let Some(&index) = self.index.get(queue) {
            return index;
        }
        let next = self.series.len();
        self.index.insert(queue.clone(), next);
        self.series.push((queue.clone(), Sums::new()));
        next
    }
}

fn frozen(series: Vec<(QueueKey, Sorted)>, arena: Arena) -> Vec<(QueueKey, Cells)> {
    let arena = arena.freeze();
    series.into_iter().map(|(queue, sums)| (queue, sums.frozen(&arena))).collect()
}

/// What queues are sorted by: their identifier, then their channel as it is written.
fn as_written(queue: &QueueKey) -> (&str, &'static str) {
    (&queue.id, queue.channel.as_str())
}

impl IntervalTable {
    /// The intervals, sorted by queue, channel and start.
    pub fn rows(&self) -> impl Iterator<Item = Interval> {
        self.queues().flat_map(move |(queue, cells)| {
            cells.map(move |(start, measures)| Interval {
                queue: queue.clone(),
                start,
                end: self.grid.interval(start).to(),
                measures,
            })
        })
    }

    /// The queues with the starts and measures of their intervals.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueKey, impl ExactSizeIterator<Item = (Timestamp, Measures)>)> {
        self.series.iter().map(|(queue, cells)| (queue, cells.iter()))
    }

    /// The same without the intervals that start at `end` or later.
    pub(crate) fn up_to(mut self, end: Timestamp) -> Self {
        self.series.iter_mut().for_each(|(_, cells)| cells.truncate(end));
        self.series.retain(|(_, cells)| cells.len() > 0);
        self
    }

    /// How many intervals there are.
    pub fn len(&self) -> usize {
        self.series.iter().map(|(_, cells)| cells.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where contacts count in it.
    pub fn attribution(&self) -> Attribution {
        self.attribution
    }

    /// The same in longer intervals.
    ///
    /// # Errors
    ///
    /// `Unsupported` when `length` is not a multiple of the present length.
    pub fn roll_up(&self, length: IntervalLength) -> Result<Self> {
        if !length.is_multiple_of(self.grid.length()) {
            let message = format!("intervals of {} cannot be put together from {}", length, self.grid.length());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let grid = Grid::new(self.grid.zone(), length);
        let mut cursor = grid.cursor();
        let mut arena = Arena::default();
        let mut longer = |cells: &Cells| cells.rolled_up(&mut cursor, &mut arena);
        let series = self.series.iter().map(|(queue, cells)| (queue.clone(), longer(cells))).collect();
        Ok(Self { grid, attribution: self.attribution, series: frozen(series, arena) })
    }

    /// The sum of two tables of one grid and one attribution.
    ///
    /// # Errors
    ///
    /// `Unsupported` when zone, length or attribution differ: such sums mean something else, see
    /// [`plus_mixed`](Self::plus_mixed).
    pub fn plus(&self, other: &Self) -> Result<Self> {
        if self.attribution != other.attribution {
            let message = format!(
                "one table counts contacts where they {}, the other where they {}: add them as mixed, or not at all",
                self.attribution, other.attribution
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        self.plus_mixed(other)
    }

    /// The sum of two tables of one grid, whatever their attribution; where it differs the result is
    /// [mixed](Attribution::Mixed).
    ///
    /// # Errors
    ///
    /// `Unsupported` when zone or length differ.
    pub fn plus_mixed(&self, other: &Self) -> Result<Self> {
        if self.grid != other.grid {
            let message = "the tables have different zones or interval lengths: roll them up first";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let attribution = if self.attribution == other.attribution { self.attribution } else { Attribution::Mixed };
        let nothing = Cells::default();
        let mut both: BTreeMap<_, (&QueueKey, [&Cells; 2])> = BTreeMap::new();
        for (side, table) in [self, other].into_iter().enumerate() {
            for (queue, cells) in &table.series {
                both.entry(as_written(queue)).or_insert((queue, [&nothing; 2])).1[side] = cells;
            }
        }
        let mut arena = Arena::default();
        let mut sum = |[a, b]: [&Cells; 2]| a.plus(b, &mut arena);
        let series = both.into_values().map(|(queue, cells)| (queue.clone(), sum(cells))).collect();
        Ok(Self { grid: self.grid.clone(), attribution, series: frozen(series, arena) })
    }
}

#[cfg(test)]
mod tests {
    use injixo_model::{Channel, Contact, IntervalRow, Millis, Quantity, Timed};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2024-05-01T{text}Z").parse().unwrap()
    }

    fn batch(contacts: &[Contact]) -> ContactBatch {
        let mut batch = ContactBatch::new();
        let queue = batch.add_queue(QueueKey::new("Hotline", Channel::Calls));
        contacts.iter().for_each(|contact| batch.push(queue, contact));
        batch
    }

    fn table(contacts: &[Contact], attribution: Attribution, length: IntervalLength) -> IntervalTable {
        Aggregator::new(length, &Zone::utc()).attribution(attribution).contacts([&batch(contacts)]).finish()
    }

    /// Start, offered, handled, seconds of handle time and the number that they were measured for.
    fn lines(table: &IntervalTable) -> Vec<String> {
        let line = |interval: Interval| {
            let Measures { offered, handled, handle_time, .. } = interval.measures;
            let clock = &interval.start.to_string()[11..16];
            format!("{clock} {offered} {handled} {} {}", handle_time.total, handle_time.number)
        };
        table.rows().map(line).collect()
    }

    /// Queued 09:14, answered 09:16, over at 09:32: two minutes of wait, sixteen of handling.
    #[test]
    fn a_call_of_sixteen_minutes_under_each_attribution() {
        let call = Contact::offered(at("09:14:00")).answered_after(Millis::from_mins(2)).handled(Millis::from_mins(16));
        for (attribution, expected) in [
            (Attribution::Started, &["09:00 1 1 960 1"][..]),
            (Attribution::Ended, &["09:30 1 1 960 1"]),
            (Attribution::Spread, &["09:00 1 1 0 1", "09:15 0 0 840 0", "09:30 0 0 120 0"]),
        ] {
            assert_eq!(lines(&table(&[call], attribution, IntervalLength::MINUTES_15)), expected, "{attribution}");
        }
        let hour = table(&[call], Attribution::Spread, IntervalLength::MINUTES_60);
        assert_eq!(lines(&hour), ["09:00 1 1 960 1"]);
    }

    #[test]
    fn what_an_unhandled_contact_took_is_no_handle_time() {
        let abandoned = Contact { duration: Some(Millis::from_secs(50)), ..Contact::offered(at("09:14:00")) };
        let unmeasured = Contact { handled: Quantity::ONE, ..Contact::offered(at("09:14:00")) };
        for attribution in [Attribution::Started, Attribution::Ended, Attribution::Spread] {
            let table = table(&[abandoned, unmeasured], attribution, IntervalLength::MINUTES_15);
            assert_eq!(lines(&table), ["09:00 2 1 0 0"]);
            assert_eq!(table.rows().next().unwrap().measures.aht(), None);
        }
    }

    #[test]
    fn the_end_of_an_interval_belongs_to_the_next() {
        let contacts = [Contact::offered(at("09:14:59.999")), Contact::offered(at("09:15:00"))];
        let table = table(&contacts, Attribution::Started, IntervalLength::MINUTES_15);
        assert_eq!(lines(&table), ["09:00 1 0 0 0", "09:15 1 0 0 0"]);
        assert_eq!((table.len(), table.is_empty()), (2, false));
        assert!(super::tests::table(&[], Attribution::Started, IntervalLength::MINUTES_15).is_empty());
    }

    #[test]
    fn wait_and_service_level_count_where_they_are_known() {
        let known = Contact {
            abandoned: Some(Quantity::ZERO),
            within_service_level: Some(Quantity::ONE),
            ..Contact::offered(at("09:00:00")).answered_after(Millis::from_secs(8)).handled(Millis::from_secs(60))
        };
        let gave_up = Contact {
            wait: Some(Millis::from_secs(99)),
            abandoned: Some(Quantity::ONE),
            within_service_level: Some(Quantity::ZERO),
            ..Contact::offered(at("09:01:00"))
        };
        let silent = Contact::offered(at("09:20:00"));
        let table = table(&[known, gave_up, known, silent, known], Attribution::Started, IntervalLength::MINUTES_60);
        let measures = table.rows().next().unwrap().measures;
        assert_eq!(measures.speed_of_answer(), Some(Millis::from_secs(8)), "who gave up was not answered");
        assert_eq!((measures.abandoned, measures.within_service_level), (None, None), "one contact says nothing");
        let sure = super::tests::table(&[known, gave_up, known], Attribution::Started, IntervalLength::MINUTES_60);
        let measures = sure.rows().next().unwrap().measures;
        assert_eq!(
            (measures.abandoned, measures.within_service_level),
            (Some(Quantity::ONE), Some(Quantity::whole(2)))
        );
    }

    fn row(clock: &str, minutes: i64, offered: i64) -> IntervalRow {
        let measures = Measures { offered: Quantity::whole(offered), ..Measures::default() };
        IntervalRow { start: at(clock), length: Millis::from_mins(minutes), measures }
    }

    /// Each of the three alone, in contacts and in ready-made rows.
    #[test]
    fn one_further_measure_is_enough_to_be_kept() {
        let plain = Contact::offered(at("09:00:00")).handled(Millis::from_secs(60));
        let wait = Timed { total: Millis::from_secs(8), number: Quantity::ONE };
        let empty = Measures {
            offered: Quantity::ONE,
            handled: Quantity::ONE,
            handle_time: Timed { total: Millis::from_secs(60), number: Quantity::ONE },
            ..Measures::default()
        };
        for (contact, expected) in [
            (plain, empty),
            (plain.answered_after(Millis::from_secs(8)), Measures { wait_time: wait, ..empty }),
            (Contact { abandoned: Some(Quantity::ONE), ..plain }, Measures { abandoned: Some(Quantity::ONE), ..empty }),
            (
                Contact { within_service_level: Some(Quantity::ZERO), ..plain },
                Measures { within_service_level: Some(Quantity::ZERO), ..empty },
            ),
        ] {
            let table = table(&[contact], Attribution::Started, IntervalLength::MINUTES_15);
            assert_eq!(table.rows().next().unwrap().measures, expected);
            let mut batch = IntervalBatch::new();
            let queue = batch.add_queue(QueueKey::new("Hotline", Channel::Calls));
            batch.push(queue, IntervalRow { start: at("09:00:00"), length: Millis::from_mins(15), measures: expected });
            let mut rows = Aggregator::new(IntervalLength::MINUTES_60, &Zone::utc());
            rows.add_interval_rows(&batch).unwrap();
            assert_eq!(rows.finish().rows().next().unwrap().measures, expected);
        }
    }

    #[test]
    fn rows_are_summed_up_and_never_split() {
        let mut batch = IntervalBatch::new();
        let queue = batch.add_queue(QueueKey::new("Hotline", Channel::Calls));
        for row in [row("08:00:00", 30, 5), row("08:30:00", 30, 6), row("09:00:00", 30, 7)] {
            batch.push(queue, row);
        }
        let mut hours = Aggregator::new(IntervalLength::MINUTES_60, &Zone::utc());
        hours.add_interval_rows(&batch).unwrap();
        let hours = hours.finish();
        assert_eq!(lines(&hours), ["08:00 11 0 0 0", "09:00 7 0 0 0"]);
        assert_eq!(hours.attribution(), Attribution::AsDelivered);
        let error = Aggregator::new(IntervalLength::MINUTES_15, &Zone::utc()).add_interval_rows(&batch).unwrap_err();
        assert!(error.to_string().contains("a ready-made row of 30 minutes cannot be split"), "{error}");
        // An hour of Kathmandu begins at a quarter past and fits into no hour of UTC.
        let mut batch = IntervalBatch::new();
        let queue = batch.add_queue(QueueKey::new("Hotline", Channel::Calls));
        batch.push(queue, row("08:15:00", 60, 5));
        assert!(Aggregator::new(IntervalLength::MINUTES_60, &Zone::utc()).add_interval_rows(&batch).is_err());
        let kathmandu = Zone::new("Asia/Kathmandu").unwrap();
        assert!(Aggregator::new(IntervalLength::MINUTES_60, &kathmandu).add_interval_rows(&batch).is_ok());
    }

    #[test]
    fn channels_are_sorted_as_they_are_written() {
        let table = |channels: &[Channel]| {
            let mut batch = ContactBatch::new();
            for channel in channels {
                let queue = batch.add_queue(QueueKey::new("Hotline", *channel));
                batch.push(queue, &Contact::offered(at("09:14:00")));
            }
            Aggregator::new(IntervalLength::MINUTES_15, &Zone::utc()).contacts([&batch]).finish()
        };
        let channels = |table: &IntervalTable| table.queues().map(|(queue, _)| queue.channel).collect::<Vec<_>>();
        let sorted = [Channel::Calls, Channel::Cases, Channel::Chats];
        assert_eq!(channels(&table(&[Channel::Chats, Channel::Cases, Channel::Calls])), sorted);
        let sum = table(&[Channel::Chats, Channel::Calls]).plus(&table(&[Channel::Cases])).unwrap();
        assert_eq!(channels(&sum), sorted);
    }

    #[test]
    fn tables_of_different_meaning_are_added_on_purpose_only() {
        let call = Contact::offered(at("09:14:00")).handled(Millis::from_mins(16));
        let started = table(&[call], Attribution::Started, IntervalLength::MINUTES_15);
        let ended = table(&[call], Attribution::Ended, IntervalLength::MINUTES_15);
        assert!(started.plus(&ended).is_err());
        let mixed = started.plus_mixed(&ended).unwrap();
        assert_eq!(mixed.attribution(), Attribution::Mixed);
        assert_eq!(lines(&mixed), ["09:00 1 1 960 1", "09:30 1 1 960 1"]);
        assert!(started.plus(&table(&[call], Attribution::Started, IntervalLength::MINUTES_30)).is_err());
        assert_eq!(started.plus(&started).unwrap().attribution(), Attribution::Started);
        assert!(
            table(&[call], Attribution::Started, IntervalLength::MINUTES_30)
                .roll_up(IntervalLength::MINUTES_15)
                .is_err()
        );
    }

    fn any_contact() -> impl Strategy<Value = Contact> {
        let quantity = || prop_oneof![Just(0), Just(1_000_000), 0..=1_000_000_i64].prop_map(Quantity::from_micros);
        let time = || prop::option::of((0..20_000_000_i64).prop_map(Millis::new));
        (0..400_000_000_i64, quantity(), quantity(), time(), time(), prop::option::of(quantity())).prop_map(
            |(start, offered, handled, duration, wait, abandoned)| Contact {
                start: Timestamp::from_millis(1_711_700_000_000 + start),
                offered,
                handled,
                duration,
                wait,
                abandoned,
                within_service_level: None,
                id: None,
            },
        )
    }

    fn attributions() -> impl Strategy<Value = Attribution> {
        prop_oneof![Just(Attribution::Started), Just(Attribution::Ended), Just(Attribution::Spread)]
    }

    fn zones() -> impl Strategy<Value = Zone> {
        prop_oneof![
            Just("Europe/Berlin"),
            Just("Australia/Lord_Howe"),
            Just("Asia/Kathmandu"),
            Just("America/St_Johns")
        ]
        .prop_map(|name| Zone::new(name).unwrap())
    }

    fn cells(table: &IntervalTable) -> Vec<(QueueKey, Vec<(Timestamp, Measures)>)> {
        table.queues().map(|(queue, cells)| (queue.clone(), cells.collect())).collect()
    }

    proptest! {
        #[test]
        fn sums_are_the_same_in_any_order_and_any_split(
            mut contacts in prop::collection::vec(any_contact(), 1..60),
            cut in any::<prop::sample::Index>(),
            seed: u64,
            attribution in attributions(),
            zone in zones(),
        ) {
            let sum = |contacts: &[Contact]| {
                Aggregator::new(IntervalLength::MINUTES_15, &zone).attribution(attribution).contacts([&batch(contacts)]).finish()
            };
            let whole = sum(&contacts);
            let cut = cut.index(contacts.len());
            let (a, b) = contacts.split_at(cut);
            prop_assert_eq!(cells(&sum(a).plus(&sum(b)).unwrap()), cells(&whole));
            prop_assert_eq!(cells(&sum(b).plus(&sum(a)).unwrap()), cells(&whole));
            let mut seed = seed;
            for index in (1..contacts.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                contacts.swap(index, usize::try_from(seed >> 33).unwrap() % (index + 1));
            }
            prop_assert_eq!(cells(&sum(&contacts)), cells(&whole));
        }

        #[test]
        fn longer_intervals_are_the_sums_of_shorter_ones(
            contacts in prop::collection::vec(any_contact(), 1..60),
            attribution in attributions(),
            zone in zones(),
        ) {
            let direct = |length| {
                Aggregator::new(length, &zone).attribution(attribution).contacts([&batch(&contacts)]).finish()
            };
            let quarters = direct(IntervalLength::MINUTES_15);
            let halves = quarters.roll_up(IntervalLength::MINUTES_30).unwrap();
            prop_assert_eq!(cells(&halves), cells(&direct(IntervalLength::MINUTES_30)));
            let hours = cells(&direct(IntervalLength::MINUTES_60));
            prop_assert_eq!(cells(&halves.roll_up(IntervalLength::MINUTES_60).unwrap()), hours.clone());
            prop_assert_eq!(cells(&quarters.roll_up(IntervalLength::MINUTES_60).unwrap()), hours);
        }

        /// Against sums by contact, and instant by instant for what is spread.
        #[test]
        fn everything_is_conserved(
            contacts in prop::collection::vec(any_contact(), 1..40),
            attribution in attributions(),
            zone in zones(),
        ) {
            let table = Aggregator::new(IntervalLength::MINUTES_15, &zone).attribution(attribution).contacts([&batch(&contacts)]).finish();
            let sum = |of: &dyn Fn(&Measures) -> i64| table.rows().map(|row| of(&row.measures)).sum::<i64>();
            let naive = |of: &dyn Fn(&Contact) -> i64| contacts.iter().map(of).sum::<i64>();
            prop_assert_eq!(sum(&|m| m.offered.micros()), naive(&|c| c.offered.micros()));
            prop_assert_eq!(sum(&|m| m.handled.micros()), naive(&|c| c.handled.micros()));
            prop_assert_eq!(sum(&|m| m.handle_time.total.get()), naive(&|c| c.handle_time().map_or(0, Millis::get)));
            prop_assert_eq!(sum(&|m| m.handle_time.number.micros()), naive(&|c| c.handle_time().map_or(0, |_| c.handled.micros())));
            let grid = Grid::new(&zone, IntervalLength::MINUTES_15);
            let mut times: BTreeMap<Timestamp, i64> = BTreeMap::new();
            for contact in &contacts {
                let Some(time) = contact.handle_time() else { continue };
                let answered = contact.start.millis() + contact.wait.map_or(0, Millis::get);
                match attribution {
                    Attribution::Spread => {
                        // Quarter hours of these zones begin at quarter hours of UTC.
                        let (mut from, to) = (answered, answered + time.get());
                        while from < to {
                            let next = ((from / 900_000 + 1) * 900_000).min(to);
                            *times.entry(grid.floor(Timestamp::from_millis(from))).or_default() += next - from;
                            from = next;
                        }
                    }
                    Attribution::Ended => {
                        *times.entry(grid.floor(Timestamp::from_millis(answered + time.get()))).or_default() += time.get();
                    }
                    _ => *times.entry(grid.floor(contact.start)).or_default() += time.get(),
                }
            }
            times.retain(|_, time| *time > 0);
            let found: BTreeMap<Timestamp, i64> = table
                .rows()
                .map(|row| (row.start, row.measures.handle_time.total.get()))
                .filter(|(_, time)| *time > 0)
                .collect();
            prop_assert_eq!(found, times);
        }
    }
}
