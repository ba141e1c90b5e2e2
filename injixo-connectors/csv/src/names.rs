//! Finding names again by their bytes: once or more per row.

use std::hash::BuildHasher;

use crate::fixed::{eight, first, word, zeros};

/// Values by the bytes of a name: open addressing on a hash that takes eight bytes at a time.
#[derive(Debug)]
pub(crate) struct Names<V> {
    /// The place of an entry plus one beside a part of its hash; zero where there is none.
    slots: Vec<(u32, u32)>,
    entries: Vec<Entry<V>>,
    /// Differs from process to process, so that no file can choose names that collide.
    seed: u64,
}

#[derive(Debug)]
struct Entry<V> {
    /// Eight bytes each, the last of them filled up with zeros.
    words: Box<[u64]>,
    length: usize,
    value: V,
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
    pub(crate) fn get(&self, name: &[u8]) -> Option<V> {
        let words = words_of(name);
        self.find(self.hash(&words), name.len(), |held| *held == *words)
    }

    /// What stands for the name from `at` on up to the first of two bytes, and where that is. `None` for a name that is not known, or
    /// one that does not end before the last bytes.
    #[inline]
    pub(crate) fn read(&self, bytes: &[u8], at: usize, a: u8, b: u8) -> Option<(V, usize)> {
        let (a, b) = (eight(a), eight(b));
        let (mut hash, mut last) = (self.seed, at);
        loop {
            let word = word(bytes, last)?;
            let marks = zeros(word ^ a) | zeros(word ^ b);
            if marks == 0 {
                hash = mixed(hash ^ word);
                last += 8;
                continue;
            }
            let count = first(marks);
            let rest = word & ((1 << (8 * count)) - 1);
            let is_it = |held: &[u64]| {
                let (held_last, held) = held.split_last().unwrap_or((&0, &[]));
                let words = bytes[at..last].as_chunks::<8>().0;
                *held_last == rest && held.iter().zip(words).all(|(held, word)| *held == u64::from_le_bytes(*word))
            };
            let end = last + count;
            return Some((self.find(mixed(hash ^ rest), end - at, is_it)?, end));
        }
    }

    fn hash(&self, words: &[u64]) -> u64 {
        words.iter().fold(self.seed, |hash, word| mixed(hash ^ word))
    }

    #[inline]
    fn find(&self, hash: u64, length: usize, is_it: impl Fn(&[u64]) -> bool) -> Option<V> {
        let (mut at, part) = self.place(hash);
        loop {
            let (entry, held) = self.slots[at];
            if entry == 0 {
                return None;
            }
            if held == part {
                let entry = &self.entries[entry as usize - 1];
                if entry.length == length && is_it(&entry.words) {
                    return Some(entry.value);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Notes a name that is not there.
    pub(crate) fn insert(&mut self, name: &[u8], value: V) {
        self.entries.push(Entry { words: words_of(name), length: name.len(), value });
        if self.entries.len() * 2 > self.slots.len() {
            self.slots = vec![(0, 0); self.slots.len() * 2];
            (0..self.entries.len()).for_each(|entry| self.put(entry));
        } else {
            self.put(self.entries.len() - 1);
        }
    }

    fn put(&mut self, entry: usize) {
        let (mut at, part) = self.place(self.hash(&self.entries[entry].words));
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
}

/// A name as words: one more than it fills, so that the last one is never full.
fn words_of(name: &[u8]) -> Box<[u64]> {
    let (words, rest) = name.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word)).collect()
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
                let padded = format!("+{name};\n        ");
                prop_assert_eq!(held.read(padded.as_bytes(), 1, b';', b'\n'), found.map(|found| (found, name.len() + 1)));
                prop_assert_eq!(found, map.get(name).copied());
                if found.is_none() {
                    map.insert(name, number);
                    held.insert(name.as_bytes(), number);
                }
            }
        }
    }
}
