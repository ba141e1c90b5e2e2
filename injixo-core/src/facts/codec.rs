//! Facts as bytes: variable-length integers, starts as differences, whole seconds where all times are whole seconds.

use injixo_model::{Contact, ContactId, IntervalRow, Measures, Millis, Quantity, Span, Timed, Timestamp};

/// The bytes of a chunk do not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// What a source said, at home at one instant.
pub(crate) trait Fact: Copy + std::fmt::Debug + Ord + Send + Sync + 'static {
    /// The first byte of a chunk of such facts.
    const KIND: u8;

    /// The instant to which it belongs.
    fn start(&self) -> Timestamp;

    /// Whether all its durations are whole seconds.
    fn is_whole_seconds(&self) -> bool;

    /// Appends everything but the start, with durations in units of `unit` milliseconds.
    fn write(&self, unit: i64, out: &mut Vec<u8>);

    /// Reads what [`write`](Self::write) wrote.
    fn read(start: Timestamp, unit: i64, bytes: &mut &[u8]) -> Result<Self, Corrupt>;

    /// Brings facts of one statement, sorted by start, into their canonical order and form.
    fn settle(facts: &mut Vec<Self>);

    /// What holds at one instant when `later` is stated beside `earlier` without replacing it: equal facts are one.
    fn meet(earlier: &[Self], later: &[Self]) -> Vec<Self>;

    /// What a replaced fact leaves to its successors of the same start.
    fn inherit(new: &mut [Self], old: &[Self]);
}

pub(crate) fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[inline]
pub(crate) fn take(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
    if let Some((&byte, rest)) = bytes.split_first()
        && byte < 0x80
    {
        *bytes = rest;
        return Ok(byte.into());
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Corrupt)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Corrupt)
}

pub(crate) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

pub(crate) fn take_signed(bytes: &mut &[u8]) -> Result<i64, Corrupt> {
    let coded = take(bytes)?;
    Ok((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed())
}

fn put_millis(value: Millis, unit: i64, out: &mut Vec<u8>) {
    put_signed(value.get() / unit, out);
}

fn take_millis(unit: i64, bytes: &mut &[u8]) -> Result<Millis, Corrupt> {
    take_signed(bytes)?.checked_mul(unit).map(Millis::new).ok_or(Corrupt)
}

fn take_quantity(bytes: &mut &[u8]) -> Result<Quantity, Corrupt> {
    take_signed(bytes).map(Quantity::from_micros)
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Corrupt> {
    let (&byte, rest) = bytes.split_first().ok_or(Corrupt)?;
    *bytes = rest;
    Ok(byte)
}

fn whole_seconds(value: Option<Millis>) -> bool {
    value.is_none_or(|value| value.get() % 1_000 == 0)
}

impl Fact for Contact {
    const KIND: u8 = 1;

    fn start(&self) -> Timestamp {
        self.start
    }

    fn is_whole_seconds(&self) -> bool {
        whole_seconds(self.duration) && whole_seconds(self.wait)
    }

    fn write(&self, unit: i64, out: &mut Vec<u8>) {
        let flags = u8::from(self.offered == Quantity::ONE)
            | u8::from(self.handled == Quantity::ONE) << 1
            | u8::from(self.handled == Quantity::ZERO) << 2
            | u8::from(self.duration.is_some()) << 3
            | u8::from(self.wait.is_some()) << 4
            | u8::from(self.abandoned.is_some()) << 5
            | u8::from(self.within_service_level.is_some()) << 6
            | u8::from(self.id.is_some()) << 7;
        out.push(flags);
        if flags & 1 == 0 {
            put_signed(self.offered.micros(), out);
        }
        if flags & 6 == 0 {
            put_signed(self.handled.micros(), out);
        }
        for time in [self.duration, self.wait].into_iter().flatten() {
            put_millis(time, unit, out);
        }
        for count in [self.abandoned, self.within_service_level].into_iter().flatten() {
            put_signed(count.micros(), out);
        }
        if let Some(ContactId(id)) = self.id {
            out.extend_from_slice(&id.to_le_bytes());
        }
    }

    fn read(start: Timestamp, unit: i64, bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let flags = take_byte(bytes)?;
        let has = |bit: u8| flags & (1 << bit) != 0;
        let mut contact = Self::offered(start);
        if !has(0) {
            contact.offered = take_quantity(bytes)?;
        }
        contact.handled = match (has(1), has(2)) {
            (true, _) => Quantity::ONE,
            (_, true) => Quantity::ZERO,
            _ => take_quantity(bytes)?,
        };
        if has(3) {
            contact.duration = Some(take_millis(unit, bytes)?);
        }
        if has(4) {
            contact.wait = Some(take_millis(unit, bytes)?);
        }
        if has(5) {
            contact.abandoned = Some(take_quantity(bytes)?);
        }
        if has(6) {
            contact.within_service_level = Some(take_quantity(bytes)?);
        }
        if has(7) {
            let (id, rest) = bytes.split_first_chunk::<8>().ok_or(Corrupt)?;
            *bytes = rest;
            contact.id = Some(ContactId(u64::from_le_bytes(*id)));
        }
        Ok(contact)
    }

    fn settle(facts: &mut Vec<Self>) {
        // Sorted by start, they are almost in order.
        for same in facts.chunk_by_mut(|a, b| a.start == b.start) {
            if same.len() > 1 {
                same.sort_unstable();
            }
        }
    }

    /// As many of each as the larger of the two holds.
    fn meet(earlier: &[Self], later: &[Self]) -> Vec<Self> {
        let mut merged = Vec::with_capacity(earlier.len().max(later.len()));
        let (mut a, mut b) = (earlier.to_vec(), later.to_vec());
        a.sort_unstable();
        b.sort_unstable();
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            let take_both = i < a.len() && j < b.len() && a[i] == b[j];
            let take_a = i < a.len() && (j == b.len() || a[i] <= b[j]);
            merged.push(if take_a { a[i] } else { b[j] });
            i += usize::from(take_a);
            j += usize::from(take_both || !take_a);
        }
        merged
    }

    fn inherit(_new: &mut [Self], _old: &[Self]) {}
}

/// Packs measures, with times in units of `unit` milliseconds.
pub(crate) fn put_measures(measures: &Measures, unit: i64, out: &mut Vec<u8>) {
    let flags = measured_flags(measures);
    out.push(flags);
    put_measured(flags, measures, unit, out);
}

/// What [`put_measures`] packed.
pub(crate) fn take_measures(unit: i64, bytes: &mut &[u8]) -> Result<Measures, Corrupt> {
    let flags = take_byte(bytes)?;
    take_measured(flags, unit, bytes)
}

/// Which measures are there, and which are packed in whole numbers. The last bit speaks for all counts but the first two; rows that were
/// written before it was used do not have it.
fn measured_flags(measures: &Measures) -> u8 {
    let is_whole = |count: Quantity| count.micros() % Quantity::ONE.micros() == 0;
    let Measures { offered, handled, handle_time, wait_time, abandoned, within_service_level } = *measures;
    let (has_time, is_for_handled) = (handle_time != Timed::default(), handle_time.number == handled);
    let handled_for = (has_time && !is_for_handled).then_some(handle_time.number);
    let waited_for = (wait_time != Timed::default()).then_some(wait_time.number);
    let rest = [handled_for, waited_for, abandoned, within_service_level];
    let has_whole_rest = rest.iter().any(Option::is_some) && rest.into_iter().flatten().all(is_whole);
    u8::from(is_whole(offered))
        | u8::from(is_whole(handled)) << 1
        | u8::from(has_time) << 2
        | u8::from(is_for_handled) << 3
        | u8::from(waited_for.is_some()) << 4
        | u8::from(abandoned.is_some()) << 5
        | u8::from(within_service_level.is_some()) << 6
        | u8::from(has_whole_rest) << 7
}

fn put_measured(flags: u8, measures: &Measures, unit: i64, out: &mut Vec<u8>) {
    let count = |bit: u8| if flags & bit == 0 { 1 } else { Quantity::ONE.micros() };
    put_signed(measures.offered.micros() / count(1), out);
    put_signed(measures.handled.micros() / count(2), out);
    let rest = count(128);
    if flags & 4 != 0 {
        put_millis(measures.handle_time.total, unit, out);
        if flags & 8 == 0 {
            put_signed(measures.handle_time.number.micros() / rest, out);
        }
    }
    if flags & 16 != 0 {
        put_millis(measures.wait_time.total, unit, out);
        put_signed(measures.wait_time.number.micros() / rest, out);
    }
    for count in [measures.abandoned, measures.within_service_level].into_iter().flatten() {
        put_signed(count.micros() / rest, out);
    }
}

#[inline]
fn take_measured(flags: u8, unit: i64, bytes: &mut &[u8]) -> Result<Measures, Corrupt> {
    let count = |bit: u8, bytes: &mut &[u8]| {
        let factor = if flags & bit == 0 { 1 } else { Quantity::ONE.micros() };
        take_signed(bytes)?.checked_mul(factor).map(Quantity::from_micros).ok_or(Corrupt)
    };
    let mut measures = Measures { offered: count(1, bytes)?, handled: count(2, bytes)?, ..Measures::default() };
    if flags & 4 != 0 {
        measures.handle_time.total = take_millis(unit, bytes)?;
        measures.handle_time.number = if flags & 8 != 0 { measures.handled } else { count(128, bytes)? };
    }
    if flags & 16 != 0 {
        measures.wait_time = Timed { total: take_millis(unit, bytes)?, number: count(128, bytes)? };
    }
    if flags & 32 != 0 {
        measures.abandoned = Some(count(128, bytes)?);
    }
    if flags & 64 != 0 {
        measures.within_service_level = Some(count(128, bytes)?);
    }
    Ok(measures)
}

impl Fact for IntervalRow {
    const KIND: u8 = 2;

    fn start(&self) -> Timestamp {
        self.start
    }

    fn is_whole_seconds(&self) -> bool {
        let Measures { handle_time, wait_time, .. } = self.measures;
        [self.length, handle_time.total, wait_time.total].into_iter().all(|time| whole_seconds(Some(time)))
    }

    fn write(&self, unit: i64, out: &mut Vec<u8>) {
        let flags = measured_flags(&self.measures);
        out.push(flags);
        put_millis(self.length, unit, out);
        put_measured(flags, &self.measures, unit, out);
    }

    fn read(start: Timestamp, unit: i64, bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let flags = take_byte(bytes)?;
        let length = take_millis(unit, bytes)?;
        Ok(Self { start, length, measures: take_measured(flags, unit, bytes)? })
    }

    /// Rows of one statement for the same interval add up.
    fn settle(facts: &mut Vec<Self>) {
        facts.sort_by_key(|row| (row.start, row.length));
        facts.dedup_by(|row, sum| {
            let same = (row.start, row.length) == (sum.start, sum.length);
            if same {
                sum.measures = sum.measures.plus(&row.measures);
            }
            same
        });
    }

    fn meet(_earlier: &[Self], later: &[Self]) -> Vec<Self> {
        later.to_vec()
    }

    fn inherit(_new: &mut [Self], _old: &[Self]) {}
}

impl Fact for Span {
    const KIND: u8 = 3;

    fn start(&self) -> Timestamp {
        self.start
    }

    fn is_whole_seconds(&self) -> bool {
        whole_seconds(self.end.map(|end| Millis::new(end.millis() - self.start.millis())))
    }

    fn write(&self, unit: i64, out: &mut Vec<u8>) {
        put(u64::from(self.status), out);
        put(self.end.map_or(0, |end| (end.since(self.start).get() / unit).unsigned_abs() + 1), out);
    }

    fn read(start: Timestamp, unit: i64, bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let status = u32::try_from(take(bytes)?).map_err(|_| Corrupt)?;
        let end = match take(bytes)? {
            0 => None,
            length => {
                let length =
                    i64::try_from(length - 1).ok().and_then(|length| length.checked_mul(unit)).ok_or(Corrupt)?;
                Some(start.after(Millis::new(length)))
            }
        };
        Ok(Self { start, status, end })
    }

    /// The same start and status is the same span: the later statement counts, but takes no end away.
    fn settle(facts: &mut Vec<Self>) {
        facts.sort_by_key(|span| span.start);
        if facts.windows(2).all(|pair| pair[0].start != pair[1].start) {
            return;
        }
        let mut settled: Vec<Self> = Vec::with_capacity(facts.len());
        for mut span in facts.drain(..) {
            let group = settled.partition_point(|held| held.start < span.start);
            if let Some(held) = settled[group..].iter().position(|held| held.status == span.status) {
                span.end = span.end.or(settled[group + held].end);
                settled.remove(group + held);
            }
            settled.push(span);
        }
        *facts = settled;
    }

    fn meet(earlier: &[Self], later: &[Self]) -> Vec<Self> {
        let mut merged = [earlier, later].concat();
        Self::settle(&mut merged);
        merged
    }

    fn inherit(new: &mut [Self], old: &[Self]) {
        for span in new.iter_mut().filter(|span| span.end.is_none()) {
            let from = old.partition_point(|held| held.start < span.start);
            let same = old[from..].iter().take_while(|held| held.start == span.start);
            span.end = same.filter(|held| held.status == span.status).find_map(|held| held.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The bytes are put together by hand.
    #[test]
    fn rows_with_waits_are_read_as_they_were_and_as_they_are_packed() {
        let one = Quantity::ONE;
        let row = IntervalRow {
            start: Timestamp::from_secs(900),
            length: Millis::from_mins(15),
            measures: Measures {
                offered: Quantity::whole(2),
                handled: one,
                wait_time: Timed { total: Millis::from_secs(5), number: one },
                ..Measures::default()
            },
        };
        let old: &[u8] = &[0b0001_0011, 0x88, 0x0E, 4, 2, 10, 0x80, 0x89, 0x7A];
        assert_eq!(IntervalRow::read(row.start, 1_000, &mut &*old), Ok(row));
        let mut new = Vec::new();
        row.write(1_000, &mut new);
        assert_eq!(new, [0b1001_0011, 0x88, 0x0E, 4, 2, 10, 2]);
        assert_eq!(IntervalRow::read(row.start, 1_000, &mut &*new), Ok(row));
    }

    fn round_trip<F: Fact>(fact: F) {
        for unit in [1, 1_000] {
            if unit == 1_000 && !fact.is_whole_seconds() {
                continue;
            }
            let mut bytes = Vec::new();
            fact.write(unit, &mut bytes);
            let mut rest = bytes.as_slice();
            assert_eq!(F::read(fact.start(), unit, &mut rest), Ok(fact));
            assert!(rest.is_empty());
            for cut in 0..bytes.len() {
                // A cut fact may read as another one, but never past its bytes.
                let _ = F::read(fact.start(), unit, &mut &bytes[..cut]);
            }
        }
    }

    fn quantity() -> impl Strategy<Value = Quantity> {
        prop_oneof![
            Just(Quantity::ZERO),
            Just(Quantity::ONE),
            (0..1_000_i64).prop_map(Quantity::whole),
            (0..Quantity::MAX.micros()).prop_map(Quantity::from_micros)
        ]
    }

    fn time() -> impl Strategy<Value = Millis> {
        prop_oneof![(0..100_000_i64).prop_map(Millis::from_secs), (0..40_000_000_000_i64).prop_map(Millis::new)]
    }

    proptest! {
        #[test]
        fn numbers_read_back(value: u64, signed: i64) {
            let mut bytes = Vec::new();
            put(value, &mut bytes);
            put_signed(signed, &mut bytes);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take(&mut rest), Ok(value));
            prop_assert_eq!(take_signed(&mut rest), Ok(signed));
        }

        #[test]
        fn contacts_read_back(
            counts in (quantity(), quantity(), prop::option::of(quantity()), prop::option::of(quantity())),
            times in (prop::option::of(time()), prop::option::of(time())),
            id: Option<u64>,
        ) {
            round_trip(Contact {
                start: Timestamp::from_secs(1_711_846_800),
                offered: counts.0,
                handled: counts.1,
                duration: times.0,
                wait: times.1,
                abandoned: counts.2,
                within_service_level: counts.3,
                id: id.map(ContactId),
            });
        }

        #[test]
        fn interval_rows_read_back(
            counts in (quantity(), quantity(), prop::option::of(quantity()), prop::option::of(quantity())),
            timed in ((time(), quantity()), (time(), quantity())),
            equal: bool,
        ) {
            let number = if equal { counts.1 } else { timed.0.1 };
            round_trip(IntervalRow {
                start: Timestamp::from_secs(1_711_846_800),
                length: Millis::from_mins(15),
                measures: Measures {
                    offered: counts.0,
                    handled: counts.1,
                    handle_time: Timed { total: timed.0.0, number },
                    wait_time: Timed { total: timed.1.0, number: timed.1.1 },
                    abandoned: counts.2,
                    within_service_level: counts.3,
                },
            });
        }

        #[test]
        fn spans_read_back(status: u32, length in prop::option::of(time())) {
            let start = Timestamp::from_secs(1_711_846_800);
            round_trip(Span { start, status, end: length.map(|length| start.after(length)) });
        }

        #[test]
        fn meeting_holds_the_larger_number_of_each(a in prop::collection::vec(0..4_i64, 0..8), b in prop::collection::vec(0..4_i64, 0..8)) {
            let contacts = |durations: &[i64]| -> Vec<Contact> {
                durations.iter().map(|&d| Contact::offered(Timestamp::MIN).handled(Millis::new(d))).collect()
            };
            let merged = Contact::meet(&contacts(&a), &contacts(&b));
            for value in 0..4 {
                let count = |of: &[i64]| of.iter().filter(|&&d| d == value).count();
                let held = merged.iter().filter(|c| c.duration == Some(Millis::new(value))).count();
                prop_assert_eq!(held, count(&a).max(count(&b)));
            }
        }
    }

    #[test]
    fn a_repeated_span_takes_the_later_end_and_loses_none() {
        let span = |secs, status, end: Option<i64>| Span {
            start: Timestamp::from_secs(secs),
            status,
            end: end.map(Timestamp::from_secs),
        };
        let mut spans =
            vec![span(5, 1, Some(9)), span(5, 2, None), span(5, 1, None), span(0, 1, None), span(5, 2, Some(7))];
        Span::settle(&mut spans);
        assert_eq!(spans, [span(0, 1, None), span(5, 1, Some(9)), span(5, 2, Some(7))]);
        let mut new = [span(5, 1, None), span(5, 2, Some(8)), span(6, 1, None)];
        Span::inherit(&mut new, &spans);
        assert_eq!(new, [span(5, 1, Some(9)), span(5, 2, Some(8)), span(6, 1, None)]);
    }
}
