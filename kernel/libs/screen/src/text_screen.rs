//! The console on the screen: characters first, pixels when there is time.
//!
//! Drawing a character costs about a thousand instructions, moving a screenful of pixels some millions.
//! So writing only fills a grid of characters, whose lines turn in a ring instead of being moved, and
//! drawing compares the grid with what the screen shows and touches the differences alone. Until the
//! machine is protected nothing is drawn but one line ([`draw_banner`]); afterwards whoever waits draws.

use core::fmt;

use crate::colour::Colour;
use crate::font::{Typeface, place};
use crate::pen::{Ink, Pen, draw_character};
use crate::pixels::{PixelBuffer, Rect};

/// The most characters of a line; what a wider screen has left stays empty.
const MAX_COLUMNS: usize = 192;
/// The most lines.
const MAX_ROWS: usize = 80;
/// The fewest characters of a line that a larger typeface must leave room for.
const COMFORTABLE_COLUMNS: usize = 130;

const FOREGROUND: Colour = Colour::new(0xd6, 0xde, 0xe8);
const BACKGROUND: Colour = Colour::new(0x0b, 0x14, 0x22);

type Line = [u8; MAX_COLUMNS];
const EMPTY_LINE: Line = [b' '; MAX_COLUMNS];

/// A text console that takes the place of a terminal.
///
/// Understands line end, carriage return, backspace and tabulator; shows anything else that is neither printable ASCII
/// nor one of the signs ✔ and ✘ as a question mark.
#[derive(Debug)]
pub struct TextScreen {
    /// What was written; the uppermost line of the screen is `first`.
    written: [Line; MAX_ROWS],
    /// What the screen shows, from its uppermost line.
    shown: [Line; MAX_ROWS],
    typeface: Typeface,
    columns: usize,
    rows: usize,
    first: usize,
    row: usize,
    column: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The screen shows something else.
    Covered,
    /// The screen shows `shown`.
    Shown,
}

/// How far drawing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The screen shows what was written.
    Done,
    /// The allowance was used up before.
    More,
}

impl TextScreen {
    /// A console without a screen: what is written to it is forgotten.
    pub const fn new() -> Self {
        Self {
            written: [EMPTY_LINE; MAX_ROWS],
            shown: [EMPTY_LINE; MAX_ROWS],
            typeface: Typeface::SMALLEST,
            columns: 0,
            rows: 0,
            first: 0,
            row: 0,
            column: 0,
            state: State::Covered,
        }
    }

    /// Fits the console to a screen of so many pixels and empties it.
    pub fn resize(&mut self, width: usize, height: usize) {
        let comfortable = |typeface: &Typeface| width / typeface.width() >= COMFORTABLE_COLUMNS;
        let typeface = Typeface::ALL.into_iter().find(comfortable).unwrap_or(Typeface::SMALLEST);
        self.typeface = typeface;
        self.columns = (width / typeface.width()).min(MAX_COLUMNS);
        self.rows = (height / typeface.height()).min(MAX_ROWS);
        self.written.fill(EMPTY_LINE);
        (self.first, self.row, self.column) = (0, 0, 0);
        self.state = State::Covered;
    }

    /// Notes that the screen shows something else; the next [`draw`](Self::draw) begins anew.
    pub const fn cover(&mut self) {
        self.state = State::Covered;
    }

    /// Draws what has changed, at most so many characters.
    ///
    /// The first call also clears the screen.
    pub fn draw(&mut self, pixels: &mut PixelBuffer<'_>, mut characters: usize) -> Progress {
        if self.state == State::Covered {
            pixels.fill(pixels.area(), BACKGROUND);
            self.shown.fill(EMPTY_LINE);
            self.state = State::Shown;
        }
        let ink = Ink::new(pixels, FOREGROUND, BACKGROUND);
        let (width, height) = (self.typeface.width(), self.typeface.height());
        for row in 0..self.rows {
            let index = self.index(row);
            let (Some(written), Some(shown)) = (self.written.get(index), self.shown.get_mut(row)) else {
                continue;
            };
            if written == shown {
                continue;
            }
            for (column, (shown, &character)) in shown.iter_mut().zip(written).enumerate() {
                if *shown == character {
                    continue;
                }
                if characters == 0 {
                    return Progress::More;
                }
                characters -= 1;
                draw_character(pixels, (column * width, row * height), character, self.typeface, &ink);
                *shown = character;
            }
        }
        Progress::Done
    }

    /// Where a line of the screen stands in the ring.
    const fn index(&self, row: usize) -> usize {
        let index = self.first + row;
        if index < self.rows { index } else { index - self.rows }
    }

    fn put(&mut self, character: u8) {
        if self.column >= self.columns {
            self.new_line();
        }
        let (index, column) = (self.index(self.row), self.column);
        if let Some(cell) = self.written.get_mut(index).and_then(|line| line.get_mut(column)) {
            *cell = character;
        }
        self.column += 1;
    }

    fn new_line(&mut self) {
        self.column = 0;
        if self.row + 1 < self.rows {
            self.row += 1;
            return;
        }
        // The uppermost line becomes the lowest.
        if let Some(line) = self.written.get_mut(self.first) {
            *line = EMPTY_LINE;
        }
        self.first = self.index(1);
    }

    /// Steps back one character, onto the line above where a long line was broken.
    fn back(&mut self) {
        if self.column > 0 {
            self.column -= 1;
        } else if self.row > 0 {
            self.row -= 1;
            self.column = self.columns.saturating_sub(1);
        }
    }

    fn take(&mut self, character: char) {
        match character {
            '\n' => self.new_line(),
            '\r' => self.column = 0,
            '\u{8}' => self.back(),
            '\t' => {
                for _ in self.column % 8..8 {
                    self.put(b' ');
                }
            }
            _ => self.put(place(character)),
        }
    }
}

impl Default for TextScreen {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for TextScreen {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.columns > 0 && self.rows > 0 {
            text.chars().for_each(|character| self.take(character));
        }
        Ok(())
    }
}

/// Draws one line at the top of a screen that otherwise stays as firmware and loader left it.
pub fn draw_banner(pixels: &mut PixelBuffer<'_>, text: &dyn fmt::Display) {
    let typeface = Typeface::SMALLEST;
    let strip = Rect { height: 2 * typeface.height(), ..pixels.area() };
    pixels.fill(strip, BACKGROUND);
    let area = Rect {
        x: typeface.width(),
        y: typeface.height() / 2,
        width: strip.width.saturating_sub(2 * typeface.width()),
        height: typeface.height(),
    };
    Pen::new(Some(pixels), area, typeface, FOREGROUND, BACKGROUND).write(text);
}

#[cfg(test)]
mod tests;
