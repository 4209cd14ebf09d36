//! Lines of characters that turn in a ring: the last ones are the screen's, the others are kept to go back to.

use core::fmt;

use super::{Emphasis, MAX_COLUMNS};
use crate::font::place;

/// A place of the screen that shows something else than any character.
const FORGOTTEN: u8 = 0;

/// A line of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLine {
    characters: [u8; MAX_COLUMNS],
    emphasis: Emphasis,
}

impl TextLine {
    /// A line with nothing on it.
    pub const EMPTY: Self = Self { characters: [b' '; MAX_COLUMNS], emphasis: Emphasis::Plain };

    pub(super) const fn emphasis(&self) -> Emphasis {
        self.emphasis
    }

    pub(super) const fn set_emphasis(&mut self, emphasis: Emphasis) {
        self.emphasis = emphasis;
    }

    pub(super) fn characters(&self) -> impl Iterator<Item = &u8> {
        self.characters.iter()
    }

    pub(super) fn characters_mut(&mut self) -> impl Iterator<Item = &mut u8> {
        self.characters.iter_mut()
    }

    pub(super) fn character(&self, column: usize) -> u8 {
        self.characters.get(column).copied().unwrap_or(b' ')
    }

    fn set(&mut self, column: usize, character: u8) {
        if let Some(cell) = self.characters.get_mut(column) {
            *cell = character;
        }
    }

    /// Notes that a place shows nothing that is known.
    pub(super) fn forget(&mut self, column: usize) {
        self.set(column, FORGOTTEN);
    }

    /// Notes that every place that is not blank shows nothing that is known.
    pub(super) fn forget_all(&mut self) {
        for cell in self.characters.iter_mut().filter(|cell| **cell != b' ') {
            *cell = FORGOTTEN;
        }
    }

    /// Writes from the line's beginning up to a column.
    pub(super) const fn writer(&mut self, columns: usize) -> LineWriter<'_> {
        LineWriter { line: self, column: 0, columns }
    }
}

/// Writes into a line, and leaves out what has no room.
pub(super) struct LineWriter<'l> {
    line: &'l mut TextLine,
    column: usize,
    columns: usize,
}

impl fmt::Write for LineWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.column < self.columns {
                self.line.set(self.column, place(character));
                self.column += 1;
            }
        }
        Ok(())
    }
}

/// Where a line may be broken that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    /// Between words, where there are some.
    Words,
    /// Anywhere.
    Anywhere,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Grid<'m> {
    lines: &'m mut [TextLine],
    /// The present line of the ring.
    present: usize,
    /// Lines before the present one that were written to.
    before: usize,
    columns: usize,
    rows: usize,
    row: usize,
    column: usize,
    emphasis: Emphasis,
    lines_written: u64,
}

impl<'m> Grid<'m> {
    pub(super) const fn new(lines: &'m mut [TextLine]) -> Self {
        Self {
            lines,
            present: 0,
            before: 0,
            columns: 0,
            rows: 0,
            row: 0,
            column: 0,
            emphasis: Emphasis::Plain,
            lines_written: 0,
        }
    }

    pub(super) fn resize(&mut self, columns: usize, rows: usize) {
        (self.columns, self.rows) = (columns, rows.min(self.lines.len()));
        (self.present, self.before, self.row, self.column) = (0, 0, 0, 0);
        self.lines.fill(TextLine::EMPTY);
    }

    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    pub(super) const fn lines_written(&self) -> u64 {
        self.lines_written
    }

    /// Lines above the screen that are kept.
    pub(super) const fn earlier(&self) -> usize {
        self.before.saturating_sub(self.row)
    }

    /// Row and column of the next character; behind a full line, its last.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.row, self.column.min(self.columns.saturating_sub(1)))
    }

    /// A line of the screen that ends so many lines before the last one.
    pub(super) fn line(&self, row: usize, back: usize) -> Option<&TextLine> {
        // The present line, less its row, is the first of the screen.
        let above = self.row.checked_add(back)?.checked_sub(row);
        let Some(above) = above else {
            return self.lines.get((self.present + (row - self.row - back)) % self.lines.len().max(1));
        };
        self.lines.get((self.present + self.lines.len()).checked_sub(above)? % self.lines.len().max(1))
    }

    fn present(&mut self) -> Option<&mut TextLine> {
        self.lines.get_mut(self.present)
    }

    pub(super) fn emphasize(&mut self, emphasis: Emphasis) {
        self.emphasis = emphasis;
        if let Some(line) = self.present() {
            line.emphasis = emphasis;
        }
    }

    pub(super) const fn go_to_column(&mut self, column: usize) {
        self.column = column;
    }

    /// Ends the present line; the next one begins.
    pub(super) fn end_line(&mut self) {
        let emphasis = self.emphasis;
        self.column = 0;
        self.lines_written += 1;
        self.before = (self.before + 1).min(self.lines.len().saturating_sub(1));
        self.present = (self.present + 1) % self.lines.len().max(1);
        self.row = (self.row + 1).min(self.rows.saturating_sub(1));
        if let Some(line) = self.present() {
            *line = TextLine { emphasis, ..TextLine::EMPTY };
        }
    }

    pub(super) fn put(&mut self, character: u8, wrap: Wrap) {
        if self.column >= self.columns {
            let word = if wrap == Wrap::Words { self.take_last_word(character) } else { None };
            self.end_line();
            if let Some((word, length)) = word {
                if let Some(line) = self.present() {
                    line.characters = word;
                }
                self.column = length;
            }
            // A blank at the margin is the line break itself.
            if wrap == Wrap::Words && character == b' ' {
                return;
            }
        }
        let column = self.column;
        if let Some(line) = self.present() {
            line.set(column, character);
        }
        self.column += 1;
    }

    pub(super) fn put_tab(&mut self) {
        for _ in self.column % 8..8 {
            self.put(b' ', Wrap::Anywhere);
        }
    }

    /// Takes the word out of the end of a full line that `next` goes on with, unless it is half the line or more.
    fn take_last_word(&mut self, next: u8) -> Option<([u8; MAX_COLUMNS], usize)> {
        let columns = self.columns;
        if next == b' ' {
            return None;
        }
        let line = self.present()?;
        let full = line.characters.get_mut(..columns)?;
        let start = full.iter().rposition(|&character| character == b' ')? + 1;
        let length = columns - start;
        if length == 0 || length >= columns / 2 {
            return None;
        }
        let mut word = TextLine::EMPTY.characters;
        word.get_mut(..length)?.copy_from_slice(full.get(start..)?);
        full.get_mut(start..)?.fill(b' ');
        Some((word, length))
    }

    /// Steps back one character, onto the line above where a long line was broken.
    pub(super) fn step_back(&mut self) {
        if self.column > 0 {
            self.column -= 1;
        } else if self.row > 0 {
            self.row -= 1;
            self.before = self.before.saturating_sub(1);
            self.present = self.present.checked_sub(1).unwrap_or(self.lines.len().saturating_sub(1));
            self.lines_written = self.lines_written.saturating_sub(1);
            self.column = self.columns.saturating_sub(1);
        }
    }
}
