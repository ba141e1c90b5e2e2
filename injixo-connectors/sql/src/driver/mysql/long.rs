//! Rows that are too long to be held whole: the begin of each value is kept, the rest is read past.

use super::rows::{Layout, is_null};
use super::wire::{Failure, PIECE, packet_length, push_lenenc};
use crate::driver::stream::Stream;

/// So much is kept of each value: more than the longest text of a thousand characters.
const KEPT: usize = 8 << 10;

/// The packets of one row, as if they were one.
struct Pieces<'s> {
    stream: &'s mut Stream,
    /// What is left of this packet.
    left: usize,
    is_last: bool,
}

/// The next row, without its first byte, and with the begin of each of its values.
pub(super) async fn row(
    stream: &mut Stream,
    nulls: usize,
    layouts: impl Iterator<Item = Layout>,
) -> Result<Vec<u8>, Failure> {
    let mut pieces = Pieces { stream, left: 0, is_last: false };
    let mut row = Vec::new();
    pieces.keep(1 + nulls, &mut row).await?;
    if row.first() != Some(&0) {
        return Err(Failure::Garbled);
    }
    row.remove(0);
    for (at, layout) in layouts.enumerate() {
        if is_null(&row[..nulls], at) {
            continue;
        }
        match layout {
            Layout::Bytes(length) => pieces.keep(length, &mut row).await?,
            Layout::Short => {
                let length = pieces.byte().await?;
                row.push(length);
                pieces.keep(length.into(), &mut row).await?;
            }
            Layout::Long => {
                let value = pieces.begin().await?;
                push_lenenc(value.len(), &mut row);
                row.extend(value);
            }
        }
    }
    // A packet that is as long as one can be is not the last one.
    while pieces.left == 0 && !pieces.is_last {
        pieces.next().await?;
    }
    if pieces.left == 0 { Ok(row) } else { Err(Failure::Garbled) }
}

impl Pieces<'_> {
    /// The head of the next packet.
    async fn next(&mut self) -> Result<(), Failure> {
        if self.is_last {
            return Err(Failure::Garbled);
        }
        self.left = packet_length(self.stream.peek(4).await?).ok_or(Failure::Garbled)?;
        self.is_last = self.left < PIECE;
        self.stream.take(4);
        Ok(())
    }

    /// How many bytes are there of so many.
    async fn here(&mut self, most: usize) -> Result<usize, Failure> {
        while self.left == 0 {
            self.next().await?;
        }
        self.stream.peek(1).await?;
        Ok(most.min(self.left).min(self.stream.block().len()))
    }

    fn take(&mut self, length: usize) {
        self.stream.take(length);
        self.left -= length;
    }

    async fn keep(&mut self, mut length: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        while length > 0 {
            let here = self.here(length).await?;
            out.extend(&self.stream.block()[..here]);
            self.take(here);
            length -= here;
        }
        Ok(())
    }

    async fn byte(&mut self) -> Result<u8, Failure> {
        let mut byte = Vec::new();
        self.keep(1, &mut byte).await?;
        byte.first().copied().ok_or(Failure::Garbled)
    }

    /// The begin of a value that stands behind its length.
    async fn begin(&mut self) -> Result<Vec<u8>, Failure> {
        let width = match self.byte().await? {
            length @ 0..=0xFA => {
                let mut value = Vec::new();
                self.keep(length.into(), &mut value).await?;
                return Ok(value);
            }
            0xFC => 2,
            0xFD => 3,
            0xFE => 8,
            _ => return Err(Failure::Garbled),
        };
        let mut length = Vec::new();
        self.keep(width, &mut length).await?;
        let length = length.iter().rev().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        let length = usize::try_from(length).map_err(|_| Failure::Garbled)?;
        let mut value = Vec::new();
        self.keep(length.min(KEPT), &mut value).await?;
        let mut rest = length - value.len();
        while rest > 0 {
            let here = self.here(rest).await?;
            self.take(here);
            rest -= here;
        }
        // Not within a character.
        if let Err(error) = std::str::from_utf8(&value)
            && error.error_len().is_none()
            && length > KEPT
        {
            value.truncate(error.valid_up_to());
        }
        Ok(value)
    }
}
