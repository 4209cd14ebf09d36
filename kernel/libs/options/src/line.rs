//! The characters of a line.

use core::fmt;

/// The longest line; further characters are not taken.
pub const MAX_LINE: usize = 256;

/// Printable ASCII, so that a byte is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    bytes: [u8; MAX_LINE],
    length: usize,
}

impl Line {
    pub(crate) const EMPTY: Self = Self { bytes: [0; MAX_LINE], length: 0 };

    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Puts a character before the one at `place`; tells whether it did.
    pub(crate) fn insert(&mut self, place: usize, character: char) -> bool {
        let is_printable = matches!(character, ' '..='~');
        if !is_printable || self.length == MAX_LINE || place > self.length {
            return false;
        }
        self.bytes.copy_within(place..self.length, place + 1);
        if let Some(slot) = self.bytes.get_mut(place) {
            *slot = character as u8;
        }
        self.length += 1;
        true
    }

    /// Puts a character at the end; tells whether it did.
    pub(crate) fn push(&mut self, character: char) -> bool {
        self.insert(self.length, character)
    }

    /// Takes characters out.
    pub(crate) fn remove(&mut self, from: usize, count: usize) {
        let from = from.min(self.length);
        let count = count.min(self.length - from);
        self.bytes.copy_within(from + count..self.length, from);
        self.truncate(self.length - count);
    }

    /// Keeps so many characters.
    pub(crate) fn truncate(&mut self, length: usize) {
        // Lines that read the same are equal.
        if let Some(rest) = self.bytes.get_mut(length..) {
            rest.fill(0);
        }
        self.length = self.length.min(length);
    }

    pub(crate) fn as_str(&self) -> &str {
        self.between(0, self.length)
    }

    /// The characters from one place to another; none where there are no such.
    pub(crate) fn between(&self, from: usize, to: usize) -> &str {
        str::from_utf8(self.bytes.get(from..to.min(self.length)).unwrap_or_default()).unwrap_or_default()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Fails where a character has no room or is none for a line.
impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.chars().all(|character| self.push(character)) { Ok(()) } else { Err(fmt::Error) }
    }
}
