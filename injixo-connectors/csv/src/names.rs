//! Finding names again by their bytes: once or more per row.

use std::hash::BuildHasher;

/// Values by the bytes of a name: open addressing on a hash that takes eight bytes at a time.
#[derive(Debug)]
pub(crate) struct Names<V> {
    /// The place of an entry plus one beside a part of its hash; zero where there is none.
    slots: Vec<(u32, u32)>,
    entries: Vec<(Box<[u8]>, V)>,
    /// Differs from process to process, so that no file can choose names that collide.
    seed: u64,
}

const FEWEST_SLOTS: usize = 64;

impl<V: Copy> Default for Names<V> {
    fn default() -> Self {
        let seed = std::hash::RandomState::new().hash_one(FEWEST_SLOTS);
        Self { slots: vec![(0, 0); FEWEST_SLOTS], entries: Vec::new(), seed }
    }
}

impl<V: Copy> Names<V> {
    /// What stands for a name.
    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<V> {
        let (mut at, part) = self.place(self.hash(name));
        loop {
            let (entry, held) = self.slots[at];
            if entry == 0 {
                return None;
            }
            if held == part {
                let (held, value) = &self.entries[entry as usize - 1];
                if **held == *name {
                    return Some(*value);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Notes a name that is not there.
    pub(crate) fn insert(&mut self, name: &[u8], value: V) {
        self.entries.push((name.into(), value));
        if self.entries.len() * 2 > self.slots.len() {
            self.slots = vec![(0, 0); self.slots.len() * 2];
            (0..self.entries.len()).for_each(|entry| self.put(entry));
        } else {
            self.put(self.entries.len() - 1);
        }
    }

    fn put(&mut self, entry: usize) {
        let (mut at, part) = self.place(self.hash(&self.entries[entry].0));
        while self.slots[at].0 > 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        // Four thousand million names do not fit into memory.
        self.slots[at] = (u32::try_from(entry + 1).unwrap_or(u32::MAX), part);
    }

    /// Where to begin, and which part of the hash is kept.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "parts of a hash")]
    fn place(&self, hash: u64) -> (usize, u32) {
        (hash as usize & (self.slots.len() - 1), (hash >> 32) as u32)
    }

    #[inline]
    fn hash(&self, name: &[u8]) -> u64 {
        let mut hash = self.seed ^ name.len() as u64;
        let mut rest = name;
        while let Some((word, behind)) = rest.split_first_chunk::<8>() {
            hash = mixed(hash ^ u64::from_le_bytes(*word));
            rest = behind;
        }
        if rest.is_empty() {
            return hash;
        }
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
        fn finds_what_a_map_finds(names in prop::collection::vec("[ab]{0,20}", 0..400)) {
            let (mut held, mut map) = (Names::default(), HashMap::new());
            for (number, name) in names.iter().enumerate() {
                let found = held.get(name.as_bytes());
                prop_assert_eq!(found, map.get(name).copied());
                if found.is_none() {
                    map.insert(name, number);
                    held.insert(name.as_bytes(), number);
                }
            }
        }
    }
}
