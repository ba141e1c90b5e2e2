//! The facts of a read until it is complete: in bounded memory, then on disk.
//!
//! What a read speaks for is known only at its end, and no transaction is open while a source is being read. Facts are kept
//! as sorted runs; beyond a bound they are written to unnamed temporary files, which vanish with the process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use injixo_model::Timestamp;

use crate::error::{Error, ErrorKind, Result};
use crate::facts::Fact;

/// Facts by subject and start; of equal starts in the order in which they were pushed.
#[derive(Debug)]
pub(crate) struct Stage<F> {
    buffer: Vec<(u32, F)>,
    bound: usize,
    runs: Vec<File>,
}

/// Half of what is there while they are sorted.
const BYTES_IN_MEMORY: usize = 10 << 20;

impl<F: Fact> Stage<F> {
    pub(crate) fn new() -> Self {
        Self::bounded(BYTES_IN_MEMORY / size_of::<(u32, F)>())
    }

    fn bounded(bound: usize) -> Self {
        Self { buffer: Vec::new(), bound, runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, subject: u32, fact: F) -> Result<()> {
        if self.buffer.len() >= self.bound {
            self.spill()?;
        }
        if self.buffer.len() == self.buffer.capacity() {
            let room = (self.buffer.len() / 2).max(1_024).min(self.bound - self.buffer.len());
            self.buffer.reserve_exact(room);
        }
        self.buffer.push((subject, fact));
        Ok(())
    }

    /// The facts that are in memory, sorted.
    fn sorted(&mut self) -> Vec<(u32, F)> {
        let mut facts = std::mem::take(&mut self.buffer);
        // Facts are long: their keys are sorted, then each is moved once. Of equal keys the place decides.
        let mut order: Vec<(u32, Timestamp, u32)> =
            (0..).zip(&facts).map(|(place, (subject, fact))| (*subject, fact.start(), place)).collect();
        order.sort_unstable();
        let sorted = order.iter().map(|key| facts[key.2 as usize]).collect();
        facts.clear();
        self.buffer = facts;
        sorted
    }

    fn spill(&mut self) -> Result<()> {
        let mut file = BufWriter::with_capacity(1 << 16, tempfile::tempfile().map_err(staging)?);
        let mut bytes = Vec::new();
        for (subject, fact) in self.sorted() {
            bytes.clear();
            fact.write(1, &mut bytes);
            let length =
                u16::try_from(bytes.len()).map_err(|_| Error::new(ErrorKind::Unexpected, "a fact is too long"))?;
            file.write_all(&subject.to_le_bytes()).map_err(staging)?;
            file.write_all(&fact.start().millis().to_le_bytes()).map_err(staging)?;
            file.write_all(&length.to_le_bytes()).map_err(staging)?;
            file.write_all(&bytes).map_err(staging)?;
        }
        let mut file = file.into_inner().map_err(|error| staging(error.into_error()))?;
        file.rewind().map_err(staging)?;
        self.runs.push(file);
        Ok(())
    }

    /// The facts, sorted by subject and start.
    pub(crate) fn finish(mut self) -> Result<Sorted<F>> {
        let last = self.sorted();
        let mut runs: Vec<Run<F>> = self.runs.into_iter().map(Run::of_file).collect();
        runs.push(Run::Memory(last.into_iter()));
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some((subject, fact)) = run.next()? {
                heads.push(Reverse((subject, fact.start(), index, Head(fact))));
            }
        }
        Ok(Sorted { runs, heads })
    }
}

/// Facts in order of subject and start.
#[derive(Debug)]
pub(crate) struct Sorted<F> {
    runs: Vec<Run<F>>,
    heads: BinaryHeap<Reverse<Next<F>>>,
}

impl<F: Fact> Sorted<F> {
    pub(crate) fn next(&mut self) -> Result<Option<(u32, F)>> {
        let Some(mut first) = self.heads.peek_mut() else { return Ok(None) };
        let index = first.0.2;
        // Most often the next one is of the same run: putting it in place moves nothing then.
        let Reverse((subject, _, _, Head(fact))) = match self.runs[index].next()? {
            Some((subject, fact)) => {
                std::mem::replace(&mut *first, Reverse((subject, fact.start(), index, Head(fact))))
            }
            None => PeekMut::pop(first),
        };
        Ok(Some((subject, fact)))
    }

    /// The subject and start of the next fact.
    pub(crate) fn peek(&self) -> Option<(u32, Timestamp)> {
        self.heads.peek().map(|Reverse((subject, start, ..))| (*subject, *start))
    }
}

/// The next fact of a run: its subject, its start and the number of the run decide.
type Next<F> = (u32, Timestamp, usize, Head<F>);

/// A fact that takes no part in the order of the heads.
#[derive(Debug)]
struct Head<F>(F);

impl<F> PartialEq for Head<F> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<F> Eq for Head<F> {}

impl<F> PartialOrd for Head<F> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<F> Ord for Head<F> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

#[derive(Debug)]
enum Run<F> {
    File(BufReader<File>, Vec<u8>),
    Memory(std::vec::IntoIter<(u32, F)>),
}

impl<F: Fact> Run<F> {
    fn of_file(file: File) -> Self {
        Self::File(BufReader::with_capacity(1 << 16, file), Vec::new())
    }

    fn next(&mut self) -> Result<Option<(u32, F)>> {
        let (file, bytes) = match self {
            Self::Memory(facts) => return Ok(facts.next()),
            Self::File(file, bytes) => (file, bytes),
        };
        let mut head = [0; 14];
        match file.read_exact(&mut head) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read.map_err(staging)?,
        }
        let (subject, rest) = head.split_at(4);
        let (start, length) = rest.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        bytes.resize(usize::try_from(number(length)).unwrap_or(0), 0);
        file.read_exact(bytes).map_err(staging)?;
        let start = Timestamp::from_millis(number(start).cast_signed());
        let fact = F::read(start, 1, &mut bytes.as_slice())
            .map_err(|_| Error::new(ErrorKind::Unexpected, "a staged fact does not read back"))?;
        Ok(Some((u32::try_from(number(subject)).unwrap_or(u32::MAX), fact)))
    }
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
            bound in 1..64_usize,
        ) {
            let mut stage = Stage::bounded(bound);
            let mut expected = Vec::new();
            for (subject, start, status) in facts {
                let fact = Span { start: Timestamp::from_millis(start), status, end: None };
                stage.push(subject, fact).unwrap();
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
            prop_assert_eq!(found, expected);
        }
    }
}
