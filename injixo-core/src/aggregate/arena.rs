//! Memory for lists that grow side by side.

use std::marker::PhantomData;
use std::sync::Arc;

/// What a list holds, as words of 64 bits.
pub(crate) trait Item: Copy {
    /// How many words an item takes.
    const WORDS: usize;

    /// Writes the item to so many words.
    fn write(&self, words: &mut [u64]);

    /// The item that was [written](Self::write) to them.
    fn read(words: &[u64]) -> Self;
}

impl Item for u64 {
    const WORDS: usize = 1;

    #[inline]
    fn write(&self, words: &mut [u64]) {
        words[0] = *self;
    }

    #[inline]
    fn read(words: &[u64]) -> Self {
        words[0]
    }
}

/// Two halves of a word.
#[inline]
pub(super) const fn two(upper: u32, lower: u32) -> u64 {
    (upper as u64) << 32 | lower as u64
}

/// The halves of a word, the upper one first.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
pub(super) const fn both(word: u64) -> [u32; 2] {
    [(word >> 32) as u32, word as u32]
}

/// Gives blocks of words to lists.
///
/// Fresh memory costs as much as the work that fills it: the first touch of a page of four kibibytes takes as long as adding up a
/// hundred facts. So lists do not grow each by itself. They take blocks of common slabs, which become large enough for the system's
/// large pages, and give them back for others to use.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    slabs: Vec<Slab>,
    /// How much of the newest slab was given away.
    used: usize,
    /// Blocks that were given back, by the binary logarithm of their length.
    free: Vec<Vec<Block>>,
    /// Room for what is being sorted.
    pub(super) keys: Vec<u64>,
    pub(super) sorted: Vec<u64>,
    pub(super) held: Vec<u64>,
}

/// So many words of a slab.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    slab: usize,
    from: usize,
    len: usize,
}

/// Words of 64 bits that are zero at first.
#[derive(Debug)]
enum Slab {
    Heap(Vec<u64>),
    #[cfg(target_os = "linux")]
    Pages(memmap2::MmapMut),
}

/// The length of the first slab in words; each next one is twice as long.
const SMALLEST_SLAB: usize = 128;
/// Behind one of this length come large ones.
const LARGE_AFTER: usize = 1 << 14;
/// The length of the first large slab, which is that of a large page, and of the largest.
const LARGE: usize = 1 << 18;
const LARGEST: usize = 1 << 19;
/// The length of the first and of the largest block of a list, in words.
const SMALLEST_BLOCK: usize = 32;
const LARGEST_BLOCK: usize = 2_048;

impl Slab {
    fn new(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len >= LARGE
            && let Ok(pages) = memmap2::MmapMut::map_anon(len * size_of::<u64>())
        {
            // A system without large pages does with small ones.
            let _ = pages.advise(memmap2::Advice::HugePage);
            return Self::Pages(pages);
        }
        Self::Heap(vec![0; len])
    }

    #[inline]
    fn words(&self) -> &[u64] {
        match self {
            Self::Heap(words) => words,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => bytemuck::try_cast_slice(pages).unwrap_or_default(),
        }
    }

    #[inline]
    fn words_mut(&mut self) -> &mut [u64] {
        match self {
            Self::Heap(words) => words,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => bytemuck::try_cast_slice_mut(pages).unwrap_or_default(),
        }
    }
}

impl Arena {
    /// A block of at least so many words; a power of two of them.
    fn block(&mut self, words: usize) -> Block {
        let len = words.next_power_of_two();
        if let Some(block) = self.free.get_mut(class(len)).and_then(Vec::pop) {
            return block;
        }
        let room = self.slabs.last().map_or(0, |slab| slab.words().len());
        if room - self.used < len {
            let next =
                if room < LARGE_AFTER { (room * 2).max(SMALLEST_SLAB) } else { (room * 2).clamp(LARGE, LARGEST) };
            self.slabs.push(Slab::new(next.max(len)));
            self.used = 0;
        }
        let block = Block { slab: self.slabs.len() - 1, from: self.used, len };
        self.used += len;
        block
    }

    /// How many words it takes.
    #[cfg(test)]
    pub(super) fn words(&self) -> usize {
        self.slabs.iter().map(|slab| slab.words().len()).sum()
    }

    fn give_back(&mut self, block: Block) {
        let class = class(block.len);
        if self.free.len() <= class {
            self.free.resize_with(class + 1, Vec::new);
        }
        self.free[class].push(block);
    }

    /// Gives nothing more.
    pub(crate) fn freeze(self) -> Frozen {
        Frozen { slabs: self.slabs.into_iter().map(Arc::new).collect() }
    }
}

/// An arena that gives nothing more: its lists can be looked at without it.
#[derive(Debug)]
pub(crate) struct Frozen {
    slabs: Vec<Arc<Slab>>,
}

impl Frozen {
    /// A list of the arena.
    pub(crate) fn pieces<T: Item>(&self, list: &List<T>) -> Pieces<T> {
        let mut len = 0;
        let pieces = list.blocks().map(|block| {
            let (from, to) = (block.from, block.from + block.len);
            len += block.len / T::WORDS;
            Piece { slab: Arc::clone(&self.slabs[block.slab]), from, to, end: len }
        });
        Pieces { pieces: pieces.collect(), len, items: PhantomData }
    }
}

fn class(len: usize) -> usize {
    len.ilog2() as usize
}

/// A list in an [`Arena`], which it must be shown whenever it is looked at.
#[derive(Debug)]
pub(crate) struct List<T> {
    /// The blocks before the newest; they are full.
    full: Vec<Block>,
    newest: Block,
    /// Where the next item goes in the slab of the newest block, and where that ends.
    at: usize,
    end: usize,
    items: PhantomData<T>,
}

impl<T: Item> List<T> {
    pub(crate) fn new() -> Self {
        Self { full: Vec::new(), newest: Block { slab: 0, from: 0, len: 0 }, at: 0, end: 0, items: PhantomData }
    }

    /// Whether the next item needs another block.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.at == self.end
    }

    /// Takes another block.
    #[cold]
    pub(crate) fn grow(&mut self, arena: &mut Arena) {
        if self.newest.len > 0 {
            self.full.push(self.newest);
        }
        let least = SMALLEST_BLOCK.max(T::WORDS.next_power_of_two());
        let block = arena.block((self.newest.len * 2).clamp(least, LARGEST_BLOCK));
        (self.newest, self.at) = (block, block.from);
        self.end = block.from + block.len / T::WORDS * T::WORDS;
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T, arena: &mut Arena) {
        self.push_if(item, true, arena);
    }

    /// The same only if `is_kept`, without a branch on it.
    #[inline]
    pub(crate) fn push_if(&mut self, item: T, is_kept: bool, arena: &mut Arena) {
        if self.is_full() {
            self.grow(arena);
        }
        let words = arena.slabs[self.newest.slab].words_mut();
        item.write(&mut words[self.at..self.at + T::WORDS]);
        self.at += T::WORDS * usize::from(is_kept);
    }

    /// Adds items that were written as words.
    pub(crate) fn extend_from_words(&mut self, mut words: &[u64], arena: &mut Arena) {
        while !words.is_empty() {
            if self.is_full() {
                self.grow(arena);
            }
            let (now, later) = words.split_at(words.len().min(self.end - self.at));
            arena.slabs[self.newest.slab].words_mut()[self.at..self.at + now.len()].copy_from_slice(now);
            self.at += now.len();
            words = later;
        }
    }

    /// Takes the last item off.
    pub(crate) fn pop(&mut self, arena: &mut Arena) -> Option<T> {
        if self.at == self.newest.from && self.newest.len > 0 {
            arena.give_back(self.newest);
            self.newest = self.full.pop().unwrap_or_default();
            self.end = self.newest.from + self.newest.len / T::WORDS * T::WORDS;
            self.at = self.end;
        }
        if self.at == self.newest.from {
            return None;
        }
        self.at -= T::WORDS;
        Some(T::read(&arena.slabs[self.newest.slab].words()[self.at..self.at + T::WORDS]))
    }

    /// The newest items that lie together, `most` at most, as words.
    pub(crate) fn newest_mut<'a>(&self, most: usize, arena: &'a mut Arena) -> &'a mut [u64] {
        if self.newest.len == 0 {
            return &mut [];
        }
        let from = self.newest.from.max(self.at.saturating_sub(most * T::WORDS));
        &mut arena.slabs[self.newest.slab].words_mut()[from..self.at]
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.blocks().map(|block| block.len / T::WORDS).sum()
    }

    /// The items.
    pub(crate) fn iter<'a>(&self, arena: &'a Arena) -> impl Iterator<Item = T> + use<'a, '_, T> {
        self.words(arena).flat_map(|words| words.chunks_exact(T::WORDS).map(T::read))
    }

    /// The items as words, those that lie together together.
    pub(crate) fn words<'a>(&self, arena: &'a Arena) -> impl Iterator<Item = &'a [u64]> + use<'a, '_, T> {
        self.blocks().map(|block| &arena.slabs[block.slab].words()[block.from..block.from + block.len])
    }

    /// What is written to: whole items.
    fn blocks(&self) -> impl Iterator<Item = Block> {
        let newest = Block { len: self.at - self.newest.from, ..self.newest };
        let whole = |block: &Block| Block { len: block.len / T::WORDS * T::WORDS, ..*block };
        self.full.iter().map(whole).chain((newest.len > 0).then_some(newest))
    }

    /// Gives all blocks back.
    pub(crate) fn clear(&mut self, arena: &mut Arena) {
        if self.newest.len > 0 {
            self.full.push(self.newest);
        }
        self.full.drain(..).for_each(|block| arena.give_back(block));
        *self = Self::new();
    }

    /// Grows no more, and gives what was not written to to the next list.
    pub(crate) fn close(&mut self, arena: &mut Arena) {
        let Block { slab, from, len } = self.newest;
        if slab + 1 == arena.slabs.len() && from + len == arena.used {
            arena.used = self.at;
        }
        (self.newest.len, self.end) = (self.at - from, self.at);
    }
}

/// A list that grows no more; its pieces may come of several arenas.
#[derive(Debug, Clone)]
pub(crate) struct Pieces<T> {
    pieces: Vec<Piece>,
    len: usize,
    items: PhantomData<T>,
}

#[derive(Debug, Clone)]
struct Piece {
    slab: Arc<Slab>,
    /// Words of the slab.
    from: usize,
    to: usize,
    /// How many items there are up to its end.
    end: usize,
}

impl Piece {
    fn words(&self) -> &[u64] {
        &self.slab.words()[self.from..self.to]
    }
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0, items: PhantomData }
    }
}

impl<T: Item> Pieces<T> {
    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The items.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        Iter { pieces: self.pieces.iter(), words: &[], left: self.len, items: PhantomData }
    }

    /// The items from one on.
    pub(crate) fn iter_from(&self, first: usize) -> Iter<'_, T> {
        let place = self.pieces.partition_point(|piece| piece.end <= first);
        let Some(piece) = self.pieces.get(place) else {
            return Iter { pieces: [].iter(), words: &[], left: 0, items: PhantomData };
        };
        let words = piece.words();
        let words = &words[words.len() - (piece.end - first) * T::WORDS..];
        Iter { pieces: self.pieces[place + 1..].iter(), words, left: self.len - first, items: PhantomData }
    }

    /// The items as words, those that lie together together.
    pub(crate) fn words(&self) -> impl Iterator<Item = &[u64]> {
        self.pieces.iter().map(Piece::words)
    }

    pub(crate) fn first(&self) -> Option<T> {
        self.pieces.first().map(|piece| T::read(&piece.words()[..T::WORDS]))
    }

    pub(crate) fn last(&self) -> Option<T> {
        self.pieces.last().map(|piece| T::read(&piece.words()[piece.words().len() - T::WORDS..]))
    }

    /// Keeps so many items.
    pub(crate) fn truncate(&mut self, mut len: usize) {
        self.len = self.len.min(len);
        self.pieces.retain_mut(|piece| {
            let kept = len.min((piece.to - piece.from) / T::WORDS);
            piece.to = piece.from + kept * T::WORDS;
            piece.end = piece.end.min(self.len);
            len -= kept;
            kept > 0
        });
    }

    /// Leaves out the first item.
    pub(crate) fn leave_out_first(&mut self) {
        if let Some(first) = self.pieces.first_mut() {
            first.from += T::WORDS;
            self.len -= 1;
            self.pieces.iter_mut().for_each(|piece| piece.end -= 1);
        }
        self.pieces.retain(|piece| piece.from < piece.to);
    }

    /// The same with the items of another list behind its own, where they are.
    pub(crate) fn followed_by(mut self, other: Self) -> Self {
        self.pieces.extend(other.pieces.into_iter().map(|piece| Piece { end: self.len + piece.end, ..piece }));
        self.len += other.len;
        self
    }
}

/// The items of a list.
#[derive(Debug)]
pub(crate) struct Iter<'a, T> {
    pieces: std::slice::Iter<'a, Piece>,
    words: &'a [u64],
    left: usize,
    items: PhantomData<T>,
}

impl<T: Item> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.words.is_empty() {
            self.words = self.pieces.next()?.words();
        }
        let (item, rest) = self.words.split_at(T::WORDS);
        self.words = rest;
        self.left -= 1;
        Some(T::read(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Item> ExactSizeIterator for Iter<'_, T> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three words, which fill no block.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Three(u64);

    impl Item for Three {
        const WORDS: usize = 3;

        fn write(&self, words: &mut [u64]) {
            words.copy_from_slice(&[self.0, !self.0, 7]);
        }

        fn read(words: &[u64]) -> Self {
            assert_eq!(words[1..], [!words[0], 7]);
            Self(words[0])
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Push(usize, u16),
        Replace(usize),
        Pop(usize),
        Clear(usize),
        Words(usize, u16),
    }

    fn act() -> impl Strategy<Value = Act> {
        let list = || 0..4_usize;
        prop_oneof![
            6 => (list(), 1..900_u16).prop_map(|(list, count)| Act::Push(list, count)),
            2 => list().prop_map(Act::Replace),
            2 => list().prop_map(Act::Pop),
            1 => list().prop_map(Act::Clear),
            2 => (list(), 0..3_000_u16).prop_map(|(list, count)| Act::Words(list, count)),
        ]
    }

    fn of_vectors<T: Item + PartialEq + std::fmt::Debug>(
        acts: &[Act],
        cut: usize,
        item: impl Fn(u64) -> T,
    ) -> Result<(), TestCaseError> {
        let mut arena = Arena::default();
        let mut lists: Vec<List<T>> = (0..4).map(|_| List::new()).collect();
        let mut vectors: Vec<Vec<T>> = vec![Vec::new(); 4];
        let mut number = 0;
        let mut next = || {
            number += 1;
            item(number)
        };
        for act in acts {
            match *act {
                Act::Push(list, count) => (0..count).for_each(|_| {
                    let item = next();
                    lists[list].push(item, &mut arena);
                    vectors[list].push(item);
                }),
                Act::Replace(list) => {
                    // What is not kept is written over.
                    lists[list].push_if(next(), false, &mut arena);
                    let newest = lists[list].newest_mut(2, &mut arena);
                    if let Some(last) = newest.rchunks_exact_mut(T::WORDS).next() {
                        let item = next();
                        item.write(last);
                        *vectors[list].last_mut().unwrap() = item;
                    }
                }
                Act::Pop(list) => prop_assert_eq!(lists[list].pop(&mut arena), vectors[list].pop()),
                Act::Clear(list) => {
                    lists[list].clear(&mut arena);
                    vectors[list].clear();
                }
                Act::Words(list, count) => {
                    let items: Vec<T> = (0..count).map(|_| next()).collect();
                    let mut words = vec![0; items.len() * T::WORDS];
                    items.iter().zip(words.chunks_exact_mut(T::WORDS)).for_each(|(item, words)| item.write(words));
                    lists[list].extend_from_words(&words, &mut arena);
                    vectors[list].extend(items);
                }
            }
        }
        for (list, vector) in lists.iter_mut().zip(&vectors) {
            prop_assert_eq!(&list.iter(&arena).collect::<Vec<_>>(), vector);
            list.close(&mut arena);
        }
        // One that was closed may grow again all the same.
        for (list, vector) in lists.iter_mut().zip(&mut vectors) {
            let item = next();
            list.push(item, &mut arena);
            vector.push(item);
        }
        let frozen = arena.freeze();
        let frozen: Vec<Pieces<T>> = lists.iter().map(|list| frozen.pieces(list)).collect();
        let mut whole = frozen[0].clone();
        for (pieces, vector) in frozen.iter().zip(&vectors) {
            prop_assert_eq!(&pieces.iter().collect::<Vec<_>>(), vector);
            prop_assert_eq!((pieces.len(), pieces.iter().len()), (vector.len(), vector.len()));
            prop_assert_eq!((pieces.first(), pieces.last()), (vector.first().copied(), vector.last().copied()));
        }
        let mut expected = vectors[0].clone();
        for (pieces, vector) in frozen.into_iter().zip(vectors).skip(1) {
            whole.truncate(cut);
            whole.leave_out_first();
            whole = whole.followed_by(pieces);
            expected.truncate(cut);
            expected.drain(..expected.len().min(1));
            expected.extend(vector);
            prop_assert_eq!(&whole.iter().collect::<Vec<_>>(), &expected);
            prop_assert_eq!(whole.len(), expected.len());
            for first in [0, 1, 31, 32, cut, expected.len() / 2, expected.len()] {
                let first = first.min(expected.len());
                prop_assert_eq!(whole.iter_from(first).len(), expected.len() - first);
                prop_assert_eq!(whole.iter_from(first).collect::<Vec<_>>(), &expected[first..]);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn lists_are_vectors(acts in prop::collection::vec(act(), 0..60), cut in 0..9_000_usize) {
            of_vectors(&acts, cut, |number| number)?;
            of_vectors(&acts, cut, Three)?;
        }
    }

    #[test]
    fn blocks_are_used_again() {
        let (mut arena, mut list) = (Arena::default(), List::new());
        for _ in 0..50 {
            (0..100_000_u64).for_each(|number| list.push(number, &mut arena));
            list.clear(&mut arena);
        }
        assert!(arena.words() < 300_000, "{}", arena.words());
    }
}
