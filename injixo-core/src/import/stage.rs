//! The facts of a read until it is complete: packed, in bounded memory, then on disk.
//!
//! What a read speaks for is known only at its end, and no transaction is open while a source is being read. The facts of each subject
//! are packed one behind the other, as they come. Most come in time order, so that nothing has to be sorted. Beyond a bound they are
//! written to unnamed temporary files, which vanish with the process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::marker::PhantomData;

use injixo_model::Timestamp;

use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Corrupt, Fact, put_signed, take_signed};

/// Facts by subject and start; of equal starts in the order in which they were pushed.
#[derive(Debug)]
pub(crate) struct Stage<F> {
    /// By subject.
    piles: Vec<Pile>,
    bytes: usize,
    bound: usize,
    runs: Vec<File>,
    facts: PhantomData<F>,
}

/// How many packed bytes are kept in memory: about a million facts.
const BYTES_IN_MEMORY: usize = 8 << 20;

/// How long a block may get before a new one is begun.
const BLOCK: usize = 16 << 10;

/// The packed facts of one subject.
#[derive(Debug)]
struct Pile {
    blocks: Vec<Block>,
    last: i64,
    is_sorted: bool,
}

/// Facts one behind the other: of each the milliseconds since the one before, the first of them since 1970, and all else of it.
type Block = Vec<u8>;

impl Default for Pile {
    fn default() -> Self {
        Self { blocks: Vec::new(), last: i64::MIN, is_sorted: true }
    }
}

impl Pile {
    /// Adds a fact and says how many bytes it took.
    #[inline]
    fn push<F: Fact>(&mut self, fact: &F) -> usize {
        let start = fact.start().millis();
        self.is_sorted &= self.last <= start;
        let mut before = self.last;
        if self.blocks.last().is_none_or(|block| block.len() >= BLOCK) {
            self.blocks.push(Block::new());
            before = 0;
        }
        self.last = start;
        let Some(block) = self.blocks.last_mut() else { return 0 };
        let length = block.len();
        put_signed(start.wrapping_sub(before), block);
        fact.write(1, block);
        block.len() - length
    }

    /// The facts in the order of their starts.
    fn sorted<F: Fact>(self) -> Result<Vec<Block>> {
        if self.is_sorted {
            return Ok(self.blocks);
        }
        // Where each fact is: those of the same start stay in their order.
        let mut places: Vec<(i64, u32, u32)> = Vec::new();
        for (number, block) in (0..).zip(&self.blocks) {
            let mut reader = Reader::default();
            while let Some(fact) = reader.next::<F>(block)? {
                places.push((fact.start().millis(), number, u32::try_from(reader.fact).unwrap_or(0)));
            }
        }
        places.sort_unstable();
        let mut sorted = Self::default();
        for (start, number, at) in places {
            let block = &self.blocks[number as usize];
            sorted.push(&F::read(Timestamp::from_millis(start), 1, &mut &block[at as usize..]).map_err(unreadable)?);
        }
        Ok(sorted.blocks)
    }
}

/// How far a block was read.
#[derive(Debug, Default)]
struct Reader {
    at: usize,
    last: i64,
    /// Where the fact that was read last begins, behind its start.
    fact: usize,
}

impl Reader {
    #[inline]
    fn next<F: Fact>(&mut self, block: &[u8]) -> Result<Option<F>> {
        let mut rest = &block[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        self.last = self.last.wrapping_add(take_signed(&mut rest).map_err(unreadable)?);
        self.fact = block.len() - rest.len();
        let fact = F::read(Timestamp::from_millis(self.last), 1, &mut rest).map_err(unreadable)?;
        self.at = block.len() - rest.len();
        Ok(Some(fact))
    }
}

impl<F: Fact> Stage<F> {
    pub(crate) fn new() -> Self {
        Self::bounded(BYTES_IN_MEMORY)
    }

    fn bounded(bound: usize) -> Self {
        Self { piles: Vec::new(), bytes: 0, bound, runs: Vec::new(), facts: PhantomData }
    }

    #[inline]
    pub(crate) fn push(&mut self, subject: u32, fact: &F) -> Result<()> {
        let subject = subject as usize;
        if subject >= self.piles.len() {
            self.piles.resize_with(subject + 1, Pile::default);
        }
        self.bytes += self.piles[subject].push(fact);
        if self.bytes >= self.bound { self.spill() } else { Ok(()) }
    }

    /// The blocks that are in memory, sorted.
    fn sorted(&mut self) -> impl Iterator<Item = Result<(u32, Block)>> {
        self.bytes = 0;
        let piles = (0..).zip(std::mem::take(&mut self.piles));
        piles.flat_map(|(subject, pile)| {
            let (blocks, failed) =
                pile.sorted::<F>().map_or_else(|error| (Vec::new(), Some(error)), |blocks| (blocks, None));
            failed.into_iter().map(Err).chain(blocks.into_iter().map(move |block| Ok((subject, block))))
        })
    }

    fn spill(&mut self) -> Result<()> {
        let mut file = BufWriter::with_capacity(1 << 16, tempfile::tempfile().map_err(staging)?);
        for block in self.sorted() {
            let (subject, block) = block?;
            let length =
                u32::try_from(block.len()).map_err(|_| Error::new(ErrorKind::Unexpected, "a fact is too long"))?;
            file.write_all(&subject.to_le_bytes()).map_err(staging)?;
            file.write_all(&length.to_le_bytes()).map_err(staging)?;
            file.write_all(&block).map_err(staging)?;
        }
        let mut file = file.into_inner().map_err(|error| staging(error.into_error()))?;
        file.rewind().map_err(staging)?;
        self.runs.push(file);
        Ok(())
    }

    /// The facts, sorted by subject and start.
    pub(crate) fn finish(mut self) -> Result<Sorted<F>> {
        let last: Vec<(u32, Block)> = self.sorted().collect::<Result<_>>()?;
        let blocks = self.runs.into_iter().map(|file| Blocks::File(BufReader::with_capacity(1 << 16, file)));
        let mut runs = Vec::new();
        for blocks in blocks.chain([Blocks::Memory(last.into_iter())]) {
            runs.push(Run { blocks, subject: 0, block: Block::new(), reader: Reader::default(), next: None });
        }
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            run.advance()?;
            heads.extend(run.head().map(|(subject, start)| Reverse((subject, start, index))));
        }
        Ok(Sorted { runs, heads })
    }
}

/// Facts in order of subject and start.
#[derive(Debug)]
pub(crate) struct Sorted<F> {
    runs: Vec<Run<F>>,
    /// The subject and start of the next fact of each run, and its number.
    heads: BinaryHeap<Reverse<(u32, Timestamp, usize)>>,
}

impl<F: Fact> Sorted<F> {
    pub(crate) fn next(&mut self) -> Result<Option<(u32, F)>> {
        let Some(mut first) = self.heads.peek_mut() else { return Ok(None) };
        let index = first.0.2;
        let run = &mut self.runs[index];
        let subject = run.subject;
        let fact = run.next.take();
        run.advance()?;
        // Most often the next one is of the same run: putting it in place moves nothing then.
        match run.head() {
            Some((subject, start)) => *first = Reverse((subject, start, index)),
            None => _ = PeekMut::pop(first),
        }
        Ok(fact.map(|fact| (subject, fact)))
    }

    /// Takes the facts of the subject at hand that start before an instant.
    pub(crate) fn take(&mut self, subject: u32, end: Timestamp, out: &mut Vec<F>) -> Result<()> {
        let is_wanted = |head: (u32, Timestamp)| head.0 == subject && head.1 < end;
        while self.peek().is_some_and(is_wanted) {
            if self.runs.len() > 1 {
                out.extend(self.next()?.map(|(_, fact)| fact));
                continue;
            }
            // There is but one run: its head is put in place once.
            self.heads.clear();
            let Some(run) = self.runs.first_mut() else { break };
            while run.head().is_some_and(is_wanted) {
                out.extend(run.next.take());
                run.advance()?;
            }
            self.heads.extend(run.head().map(|(subject, start)| Reverse((subject, start, 0))));
        }
        Ok(())
    }

    /// The subject and start of the next fact.
    #[inline]
    pub(crate) fn peek(&self) -> Option<(u32, Timestamp)> {
        self.heads.peek().map(|Reverse((subject, start, _))| (*subject, *start))
    }
}

/// Sorted blocks, and the next fact of them.
#[derive(Debug)]
struct Run<F> {
    blocks: Blocks,
    subject: u32,
    block: Block,
    reader: Reader,
    next: Option<F>,
}

impl<F: Fact> Run<F> {
    #[inline]
    fn advance(&mut self) -> Result<()> {
        loop {
            self.next = self.reader.next(&self.block)?;
            if self.next.is_some() || !self.blocks.next(&mut self.subject, &mut self.block)? {
                return Ok(());
            }
            self.reader = Reader::default();
        }
    }

    fn head(&self) -> Option<(u32, Timestamp)> {
        self.next.as_ref().map(|fact| (self.subject, fact.start()))
    }
}

#[derive(Debug)]
enum Blocks {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<(u32, Block)>),
}

impl Blocks {
    /// Puts the next block in place; whether there was one.
    fn next(&mut self, subject: &mut u32, block: &mut Block) -> Result<bool> {
        let file = match self {
            Self::Memory(blocks) => {
                let Some(next) = blocks.next() else { return Ok(false) };
                (*subject, *block) = next;
                return Ok(true);
            }
            Self::File(file) => file,
        };
        let mut head = [0; 8];
        match file.read_exact(&mut head) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                block.clear();
                return Ok(false);
            }
            read => read.map_err(staging)?,
        }
        let [a, b, c, d, length @ ..] = head;
        *subject = u32::from_le_bytes([a, b, c, d]);
        block.resize(usize::try_from(u32::from_le_bytes(length)).unwrap_or(0), 0);
        file.read_exact(block).map_err(staging)?;
        Ok(true)
    }
}

fn unreadable(_: Corrupt) -> Error {
    Error::new(ErrorKind::Unexpected, "a staged fact does not read back")
}

fn staging(error: std::io::Error) -> Error {
    let message = "a temporary file failed: check the space in the folder for temporary files (TMPDIR)";
    Error::new(ErrorKind::Unavailable, message).with("cause", &error).caused_by(error)
}

#[cfg(test)]
mod tests {
    use injixo_model::Span;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_out_sorted_and_stable_however_small_the_memory(
            facts in prop::collection::vec((0..4_u32, 0..6_i64, any::<u32>()), 0..200),
            bound in 1..400_usize,
        ) {
            let (mut stage, mut again) = (Stage::bounded(bound), Stage::bounded(bound));
            let mut expected = Vec::new();
            for (subject, start, status) in facts {
                let fact = Span { start: Timestamp::from_millis(start), status, end: None };
                stage.push(subject, &fact).unwrap();
                again.push(subject, &fact).unwrap();
                expected.push((subject, fact));
            }
            expected.sort_by_key(|(subject, fact)| (*subject, fact.start));
            let mut sorted = stage.finish().unwrap();
            let mut found = Vec::new();
            while let Some(next) = sorted.peek() {
                let (subject, fact) = sorted.next().unwrap().unwrap();
                prop_assert_eq!(next, (subject, fact.start));
                found.push((subject, fact));
            }
            prop_assert!(sorted.next().unwrap().is_none());
            prop_assert_eq!(&found, &expected);
            // The same in parts, cut at an instant.
            let mut sorted = again.finish().unwrap();
            let mut found = Vec::new();
            for subject in 0..4 {
                for end in [2, 3, 9].map(Timestamp::from_millis) {
                    let mut facts = Vec::new();
                    sorted.take(subject, end, &mut facts).unwrap();
                    found.extend(facts.into_iter().map(|fact| (subject, fact)));
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
