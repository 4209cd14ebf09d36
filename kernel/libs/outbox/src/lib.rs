//! Text on its way to a port that may be slow, or stand still: a bounded ring that never waits and never allocates.
//!
//! A text goes in whole or not at all. What did not go in is counted, so that its reader is told; [`Patience`] decides
//! how long somebody who could do other things waits for the port.
//!
//! # Example
//! ```
//! use outbox::{Full, Outbox};
//!
//! let mut waiting = Outbox::<16>::new();
//! waiting.push(b"0123456789")?;
//! // A text goes in whole or not at all, and the loss is counted.
//! assert_eq!(waiting.push(b"too long now"), Err(Full));
//! // The port takes four bytes of it.
//! waiting.sent(4);
//! assert_eq!((waiting.next(), waiting.lost()), (&b"456789"[..], 1));
//! # Ok::<(), Full>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod patience;
#[cfg(test)]
mod tests;

use core::fmt::{self, Write};

pub use patience::Patience;

/// There is no room for the text; nothing of it went in, and it counts as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too much waits for the port; a text was lost")
    }
}

impl core::error::Error for Full {}

/// What waits for a port, oldest first: at most `BYTES`.
#[derive(Debug)]
pub struct Outbox<const BYTES: usize> {
    bytes: [u8; BYTES],
    first: usize,
    length: usize,
    lost: u64,
}

impl<const BYTES: usize> Outbox<BYTES> {
    /// An empty one; all zeros.
    pub const fn new() -> Self {
        Self { bytes: [0; BYTES], first: 0, length: 0, lost: 0 }
    }

    /// Puts bytes behind what waits.
    ///
    /// # Errors
    /// [`Full`].
    pub fn push(&mut self, text: &[u8]) -> Result<(), Full> {
        let result = self.append(text);
        if result.is_err() {
            self.lost = self.lost.saturating_add(1);
        }
        result
    }

    /// Puts text behind what waits, with line ends as a terminal wants them.
    ///
    /// # Errors
    /// [`Full`].
    pub fn print(&mut self, text: fmt::Arguments<'_>) -> Result<(), Full> {
        let before = self.length;
        let result = Terminal(self).write_fmt(text);
        // A value that fails to show itself loses its text like one without room.
        result.map_err(|_| {
            self.length = before;
            self.lost = self.lost.saturating_add(1);
            Full
        })
    }

    /// The next bytes for the port, in one piece; empty only if nothing waits.
    pub fn next(&self) -> &[u8] {
        let end = self.first.saturating_add(self.length).min(BYTES);
        self.bytes.get(self.first..end).unwrap_or_default()
    }

    /// Takes note that the port has taken so many of the [`next`](Self::next) bytes.
    pub fn sent(&mut self, bytes: usize) {
        let bytes = bytes.min(self.length);
        self.length -= bytes;
        self.first = if self.length == 0 { 0 } else { (self.first + bytes) % BYTES };
    }

    /// Tells whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes for which there is room.
    pub const fn room(&self) -> usize {
        BYTES - self.length
    }

    /// Texts that were lost and of which the reader has not been told.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes note that the reader was told of so many.
    pub fn told_of_lost(&mut self, texts: u64) {
        self.lost = self.lost.saturating_sub(texts);
    }

    fn append(&mut self, text: &[u8]) -> Result<(), Full> {
        if text.len() > self.room() {
            return Err(Full);
        }
        let end = (self.first + self.length) % BYTES;
        let (before_wrap, rest) = text.split_at(text.len().min(BYTES - end));
        for (place, part) in [(end, before_wrap), (0, rest)] {
            if let Some(free) = self.bytes.get_mut(place..place + part.len()) {
                free.copy_from_slice(part);
            }
        }
        self.length += text.len();
        Ok(())
    }
}

impl<const BYTES: usize> Default for Outbox<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// Text for a terminal, which starts a line where the one before began unless it is told to go back.
struct Terminal<'o, const BYTES: usize>(&'o mut Outbox<BYTES>);

impl<const BYTES: usize> Write for Terminal<'_, BYTES> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\r\n"));
            for part in [line, end] {
                self.0.append(part.as_bytes()).map_err(|Full| fmt::Error)?;
            }
        }
        Ok(())
    }
}
