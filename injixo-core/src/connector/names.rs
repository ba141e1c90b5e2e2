//! Finding names again that were seen before: once or more per row.

use std::hash::BuildHasher;

/// Numbers by the names they stand for, which are held elsewhere: open addressing on a hash that takes eight bytes at a time.
#[derive(Debug)]
pub(crate) struct Names {
    /// The number of a name plus one beside a part of its hash; zero where there is none.
    slots: Vec<(u32, u32)>,
    count: usize,
    /// Differs from process to process, so that no source can choose names that collide.
    seed: u64,
}

const FEWEST_SLOTS: usize = 64;

impl Names {
    pub(crate) fn new() -> Self {
        let seed = std::hash::RandomState::new().hash_one(FEWEST_SLOTS);
        Self { slots: vec![(0, 0); FEWEST_SLOTS], count: 0, seed }
    }

    /// The hash of a name of some sort.
    #[inline]
    pub(crate) fn hash(&self, name: &str, sort: u8) -> u64 {
        let mut hash = self.seed ^ (name.len() as u64) << 8 ^ u64::from(sort);
        let mut rest = name.as_bytes();
        while let Some((word, behind)) = rest.split_first_chunk::<8>() {
            hash = mixed(hash ^ u64::from_le_bytes(*word));
            rest = behind;
        }
        if rest.is_empty() {
            return hash;
        }
        let name = name.as_bytes();
        // Some bytes twice.
        let last = if let Some(word) = name.last_chunk::<8>() {
            u64::from_le_bytes(*word)
        } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        } else {
            rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        mixed(hash ^ last)
    }

    /// The number of the name with that hash for which `is_it` says yes.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let (mut at, part) = self.place(hash);
        loop {
            let (number, held) = self.slots[at];
            if number == 0 {
                return None;
            }
            if held == part && is_it(number - 1) {
                return Some(number - 1);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Notes the number of a name that is not there; `hash_of` says the hash of the name that a number stands for.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(&Self, u32) -> u64) {
        if (self.count + 1) * 2 > self.slots.len() {
            let more = vec![(0, 0); self.slots.len() * 2];
            let held = std::mem::replace(&mut self.slots, more);
            for (number, _) in held.into_iter().filter(|(number, _)| *number > 0) {
                let hash = hash_of(self, number - 1);
                self.put(hash, number);
            }
        }
        self.put(hash, number + 1);
        self.count += 1;
    }

    fn put(&mut self, hash: u64, number: u32) {
        let (mut at, part) = self.place(hash);
        while self.slots[at].0 > 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = (number, part);
    }

    /// Where to begin, and which part of the hash is kept.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "parts of a hash")]
    fn place(&self, hash: u64) -> (usize, u32) {
        (hash as usize & (self.slots.len() - 1), (hash >> 32) as u32)
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn mixed(word: u64) -> u64 {
    let product = u128::from(word) * 0x9E37_79B9_7F4A_7C15_u128;
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_map_finds(names in prop::collection::vec(("[ab]{0,20}", 0..2_u8), 0..400)) {
            let (mut names_of, mut held, mut map) = (Names::new(), Vec::<(String, u8)>::new(), HashMap::new());
            for (name, sort) in names {
                let hash = names_of.hash(&name, sort);
                let found = names_of.find(hash, |number| held[number as usize] == (name.clone(), sort));
                prop_assert_eq!(found, map.get(&(name.clone(), sort)).copied());
                if found.is_none() {
                    let number = u32::try_from(held.len()).unwrap();
                    held.push((name.clone(), sort));
                    map.insert((name, sort), number);
                    names_of.insert(hash, number, |names, number| {
                        let (name, sort) = &held[number as usize];
                        names.hash(name, *sort)
                    });
                }
            }
        }
    }
}
