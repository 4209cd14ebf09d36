//! The answer on one screen: the machine, one word in its colour, the checks behind it, what to change.
//!
//! The word is as large as the screen lets it, the rest in the largest typeface in which all of it has its place.
//! Nothing depends on colour alone: each check has its sign.

use core::fmt;

use crate::colour::Colour;
use crate::font::Typeface;
use crate::pen::Pen;
use crate::pixels::{PixelBuffer, Rect};

const BACKGROUND: Colour = Colour::new(0x0b, 0x14, 0x22);
const WHITE: Colour = Colour::new(0xff, 0xff, 0xff);
const TEXT: Colour = Colour::new(0xee, 0xf3, 0xf9);
const QUIET: Colour = Colour::new(0x9a, 0xad, 0xc4);

/// The longest word, in characters.
const LONGEST_WORD: usize = "NOT PROTECTED".len();

/// How something came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It holds: green, a tick.
    Holds,
    /// Nobody knows, or not all of it holds: amber, a question mark.
    Doubtful,
    /// It does not hold: red, a cross.
    Fails,
}

impl Sign {
    const fn character(self) -> char {
        match self {
            Self::Holds => '✔',
            Self::Doubtful => '?',
            Self::Fails => '✘',
        }
    }

    /// Bright enough to be read on the dark background.
    const fn ink(self) -> Colour {
        match self {
            Self::Holds => Colour::new(0x5c, 0xd6, 0x83),
            Self::Doubtful => Colour::new(0xff, 0xc1, 0x5e),
            Self::Fails => Colour::new(0xff, 0x7b, 0x72),
        }
    }

    /// Dark enough for white letters.
    const fn ground(self) -> Colour {
        match self {
            Self::Holds => Colour::new(0x1a, 0x7f, 0x3c),
            Self::Doubtful => Colour::new(0x9a, 0x5b, 0x00),
            Self::Fails => Colour::new(0xb3, 0x26, 0x1e),
        }
    }
}

/// A sign and what it is about.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// How it came out.
    pub sign: Sign,
    /// What, in a sentence.
    pub words: &'a dyn fmt::Display,
}

/// Everything that the screen says. Borrows all of it.
#[derive(Clone, Copy)]
pub struct VerdictText<'a> {
    /// What the machine is called.
    pub machine: &'a dyn fmt::Display,
    /// The answer in one word.
    pub word: &'a str,
    /// Its colour.
    pub sign: Sign,
    /// The checks, the most important first.
    pub checks: &'a [Line<'a>],
    /// What to change.
    pub advice: &'a [&'a dyn fmt::Display],
    /// How to go on.
    pub closing: &'a dyn fmt::Display,
}

/// Draws the answer over whatever the buffer shows.
pub fn draw_verdict_screen(pixels: &mut PixelBuffer<'_>, text: &VerdictText<'_>) {
    let area = pixels.area();
    let fits = |typeface: &Typeface| Page::new(None, area, *typeface).compose(text) <= area.height;
    let typeface = Typeface::ALL.into_iter().find(fits).unwrap_or(Typeface::SMALLEST);
    pixels.fill(area, BACKGROUND);
    Page::new(Some(pixels), area, typeface).compose(text);
}

/// A screen that is filled from the top down; without pixels it only measures.
struct Page<'p, 'a> {
    pixels: Option<&'p mut PixelBuffer<'a>>,
    area: Rect,
    typeface: Typeface,
    /// Where the next line starts.
    y: usize,
}

impl<'p, 'a> Page<'p, 'a> {
    const fn new(pixels: Option<&'p mut PixelBuffer<'a>>, area: Rect, typeface: Typeface) -> Self {
        Self { pixels, area, typeface, y: 0 }
    }

    /// Writes everything and returns where it ended.
    fn compose(&mut self, text: &VerdictText<'_>) -> usize {
        self.word(text);
        let half = self.typeface.height() / 2;
        for check in text.checks {
            self.y += half;
            self.item(&check.sign.character(), check.sign.ink(), check.words);
        }
        if !text.advice.is_empty() {
            self.y += self.typeface.height();
            self.paragraph(&"What to change", 0, Sign::Doubtful.ink());
            for advice in text.advice {
                self.item(&'-', Sign::Doubtful.ink(), *advice);
            }
        }
        self.y += self.typeface.height();
        self.paragraph(text.closing, 0, QUIET);
        self.y + half
    }

    /// The machine and the word, in a band of the word's colour.
    fn word(&mut self, text: &VerdictText<'_>) {
        let by_width = self.area.width * 2 / 3 / (LONGEST_WORD * Typeface::poster(1).width());
        let by_height = self.area.height / 6 / Typeface::poster(1).height();
        let word = Typeface::poster(by_width.min(by_height).max(1));
        let gap = self.typeface.height() / 2;
        let machine =
            Page::new(None, self.area, self.typeface).write(text.machine, 0, self.typeface, WHITE, WHITE);
        let band = Rect { height: 3 * gap + machine + word.height(), ..self.area };
        let ground = text.sign.ground();
        if let Some(pixels) = &mut self.pixels {
            pixels.fill(band, ground);
        }
        self.y = gap;
        self.write(text.machine, 0, self.typeface, WHITE, ground);
        self.y += gap + machine;
        self.write(&text.word, 0, word, WHITE, ground);
        self.y = band.height;
    }

    /// A mark, and beside it words that keep clear of its column.
    fn item(&mut self, mark: &dyn fmt::Display, colour: Colour, words: &dyn fmt::Display) {
        self.write(mark, 0, self.typeface, colour, BACKGROUND);
        self.paragraph(words, 2 * self.typeface.width(), TEXT);
    }

    fn paragraph(&mut self, words: &dyn fmt::Display, indent: usize, colour: Colour) {
        self.y += self.write(words, indent, self.typeface, colour, BACKGROUND);
    }

    /// Writes at the current height and returns the height it took.
    fn write(
        &mut self,
        words: &dyn fmt::Display,
        indent: usize,
        typeface: Typeface,
        colour: Colour,
        ground: Colour,
    ) -> usize {
        let margin = 2 * self.typeface.width();
        let area = Rect {
            x: self.area.x + margin + indent,
            y: self.area.y + self.y,
            width: self.area.width.saturating_sub(2 * margin + indent),
            height: self.area.height.saturating_sub(self.y),
        };
        Pen::new(self.pixels.as_deref_mut(), area, typeface, colour, ground).write(words)
    }
}

#[cfg(test)]
mod tests;
