//! Numbers that look random and are the same for the same seed, on every machine and in every release.
//!
//! Each thing that is drawn (a contact, the day of an agent) has a generator of its own, made of the seed and the
//! thing's number, so that it can be drawn alone and in any order.

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, key: [u64; 3]) -> Self {
        let mut random = Self(seed);
        for part in key {
            random.0 = random.next() ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero to just below the bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A number of the range, both ends included.
    pub(crate) fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below((last - first + 1).unsigned_abs()) as i64
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("it is below a length")
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// When the contact of this index arrives, in seconds since its day began: one tenth before seven o'clock, eight
/// tenths in the twelve hours after, and one tenth up to the end. Later indexes arrive later.
pub(crate) fn arrival(random: &mut Random, index: u64, contacts: u64, end: i64) -> i64 {
    const MORNING: i64 = 7 * 3600;
    const EVENING: i64 = 19 * 3600;
    const PARTS: u64 = 1_000_000;
    let share = ((index * PARTS + random.below(PARTS)) / contacts.max(1)) as i64;
    match share {
        ..100_000 => share * MORNING / 100_000,
        100_000..900_000 => MORNING + (share - 100_000) * (EVENING - MORNING) / 800_000,
        _ => EVENING + (share - 900_000) * (end - EVENING) / 100_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = Random(1_234_567);
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn later_contacts_arrive_later() {
        let times: Vec<i64> =
            (0..500).map(|index| arrival(&mut Random::new(1, [0, 0, index]), index, 500, 86_400)).collect();
        assert!(times.is_sorted());
        assert!(times[0] < 600 && times[499] > 85_000 && times[499] < 86_400, "{times:?}");
    }
}
