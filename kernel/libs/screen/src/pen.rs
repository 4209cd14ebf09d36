//! Writes running text into a part of the screen.

use core::fmt;

use crate::colour::Colour;
use crate::font::{MAX_LEVEL, Typeface, place};
use crate::pixels::{EncodedPixel, PixelBuffer, Rect};

/// The longest word that is kept together; a longer one is taken as several.
const MAX_WORD: usize = 64;

/// The colours of text, from background (no ink) to foreground (full ink), as they stand in memory.
pub(crate) struct Ink([EncodedPixel; MAX_LEVEL as usize + 1]);

impl Ink {
    pub(crate) fn new(pixels: &PixelBuffer<'_>, foreground: Colour, background: Colour) -> Self {
        let mut shades = [[0; 4]; MAX_LEVEL as usize + 1];
        for (level, shade) in (0..=MAX_LEVEL).zip(&mut shades) {
            *shade = pixels.encode(background.towards(foreground, level, MAX_LEVEL));
        }
        Self(shades)
    }

    fn shade(&self, level: u8) -> EncodedPixel {
        // The mask proves to the compiler that no check is needed.
        self.0[usize::from(level & MAX_LEVEL)]
    }
}

/// Draws one character with its upper left corner at a pixel.
pub(crate) fn draw_character(
    pixels: &mut PixelBuffer<'_>,
    (x, y): (usize, usize),
    character: u8,
    typeface: Typeface,
    ink: &Ink,
) {
    let scale = typeface.scale();
    for (index, levels) in typeface.font().rows(character).enumerate() {
        for line in 0..scale {
            let y = y.saturating_add(index * scale + line);
            pixels.draw_row(x, y, scale, levels.iter().map(|&level| ink.shade(level)));
        }
    }
}

/// Writes text into an area, breaking lines between words; what passes the area's end is left out.
///
/// Without pixels it only measures.
pub struct Pen<'p, 'a> {
    canvas: Option<(&'p mut PixelBuffer<'a>, Ink)>,
    area: Rect,
    /// How far down, and how far to the right, lines are shorter.
    notch: (usize, usize),
    typeface: Typeface,
    row: usize,
    column: usize,
    word: [u8; MAX_WORD],
    word_length: usize,
}

impl<'p, 'a> Pen<'p, 'a> {
    /// Starts at the upper left corner of an area.
    pub fn new(
        pixels: Option<&'p mut PixelBuffer<'a>>,
        area: Rect,
        typeface: Typeface,
        foreground: Colour,
        background: Colour,
    ) -> Self {
        let canvas = pixels.map(|pixels| {
            let ink = Ink::new(pixels, foreground, background);
            (pixels, ink)
        });
        let notch = (0, area.width);
        Self { canvas, area, notch, typeface, row: 0, column: 0, word: [0; MAX_WORD], word_length: 0 }
    }

    /// Keeps the lines that begin in the area's first `height` pixels within `width`, so that text flows around
    /// something in the upper right corner.
    pub fn around(self, height: usize, width: usize) -> Self {
        Self { notch: (height, width.min(self.area.width)), ..self }
    }

    /// Writes a text and returns the height it took, in pixels, the last line included.
    pub fn write(mut self, text: &dyn fmt::Display) -> usize {
        // A value that fails to show itself has still shown what it could.
        let _ = fmt::write(&mut self, format_args!("{text}"));
        self.end_word();
        (self.row + 1).saturating_mul(self.typeface.height())
    }

    const fn columns(&self) -> usize {
        let (height, width) = self.notch;
        let beside = self.row * self.typeface.height() < height;
        let width = if beside { width } else { self.area.width };
        width / self.typeface.width()
    }

    fn new_line(&mut self) {
        self.row += 1;
        self.column = 0;
    }

    fn end_word(&mut self) {
        let (word, length) = (self.word, self.word_length);
        self.word_length = 0;
        if self.column > 0 && self.column + length > self.columns() {
            self.new_line();
        }
        let letters = word.get(..length).unwrap_or_default();
        letters.iter().for_each(|&letter| self.put(letter));
    }

    fn put(&mut self, character: u8) {
        if self.column >= self.columns() {
            // A blank at the margin is the line break itself.
            if character == b' ' {
                return;
            }
            self.new_line();
        }
        let x = self.area.x + self.column * self.typeface.width();
        let y = self.row * self.typeface.height();
        self.column += 1;
        let fits = y + self.typeface.height() <= self.area.height && self.columns() > 0;
        if let (Some((pixels, ink)), true) = (&mut self.canvas, fits) {
            draw_character(pixels, (x, self.area.y + y), character, self.typeface, ink);
        }
    }

    fn take(&mut self, character: char) {
        match character {
            '\n' => {
                self.end_word();
                self.new_line();
            }
            ' ' => {
                self.end_word();
                self.put(b' ');
            }
            _ => {
                let letter = place(character);
                if self.word_length == MAX_WORD {
                    self.end_word();
                }
                if let Some(slot) = self.word.get_mut(self.word_length) {
                    *slot = letter;
                    self.word_length += 1;
                }
            }
        }
    }
}

impl fmt::Write for Pen<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().for_each(|character| self.take(character));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Geometry, PixelFormat};
    use proptest::prelude::*;
    use std::string::String;
    use std::vec;

    const WHITE: Colour = Colour::new(255, 255, 255);
    const BLACK: Colour = Colour::new(0, 0, 0);

    /// The lines that a text takes in an area of this many columns.
    fn lines(text: &str, columns: usize) -> usize {
        let typeface = Typeface::SMALLEST;
        let area = Rect { x: 0, y: 0, width: columns * typeface.width(), height: 0 };
        Pen::new(None, area, typeface, WHITE, BLACK).write(&text) / typeface.height()
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(lines("one two", 7), 1);
        assert_eq!(lines("one two", 6), 2);
        assert_eq!(lines("one two three", 7), 2);
        assert_eq!(lines("one two ", 7), 1);
        assert_eq!(lines("a\nb\n", 7), 3);
        assert_eq!(lines("abcdefghij", 4), 3);
        assert_eq!(lines("ab cdefghij", 4), 3);
        assert_eq!(lines(&"x".repeat(2 * MAX_WORD), 2 * MAX_WORD), 1);
        assert_eq!(lines(&"x".repeat(2 * MAX_WORD), 2 * MAX_WORD - 1), 2);
    }

    #[test]
    fn text_flows_around_a_corner() {
        let typeface = Typeface::SMALLEST;
        let area = Rect { x: 0, y: 0, width: 8 * typeface.width(), height: 0 };
        let lines = |text: &str, height: usize| {
            let pen = Pen::new(None, area, typeface, WHITE, BLACK).around(height, 4 * typeface.width());
            pen.write(&text) / typeface.height()
        };
        // Lines of four, four and eight characters, or of four and eight.
        assert_eq!((lines("one two four five", 17), lines("one two four five", 16)), (4, 3));
        assert_eq!(lines("one two four five", 0), 3);
        assert_eq!(lines("abcdefghijkl", 16), 2);
    }

    #[test]
    fn text_is_drawn_where_it_belongs() {
        let (width, height) = (40, 40);
        let geometry =
            Geometry { width, height, stride: width, bytes_per_pixel: 1, format: PixelFormat::Grey };
        let mut bytes = vec![0; width * height];
        let mut pixels = PixelBuffer::new(&mut bytes, geometry).unwrap();
        let area = Rect { x: 5, y: 3, width: 14, height: 33 };
        let used = Pen::new(Some(&mut pixels), area, Typeface::SMALLEST, WHITE, BLACK).write(&"MM MM MM");
        assert_eq!(used, 48);
        let lit = |x: usize, y: usize| bytes[y * width + x] != 0;
        let inside = |x: usize, y: usize| (5..19).contains(&x) && (3..35).contains(&y);
        for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
            assert!(inside(x, y) || !lit(x, y), "{x} {y}");
        }
        assert!((5..12).any(|x| lit(x, 10)) && (12..19).any(|x| lit(x, 26)), "both letters, both lines");
    }

    proptest! {
        #[test]
        fn no_text_and_no_area_panics(text: String, width in 0_usize..200, height in 0_usize..60) {
            let geometry = Geometry {
                width: 64, height: 48, stride: 64, bytes_per_pixel: 3, format: PixelFormat::Bgr,
            };
            let mut bytes = vec![0; 64 * 48 * 3];
            let mut pixels = PixelBuffer::new(&mut bytes, geometry).unwrap();
            for typeface in Typeface::ALL {
                let area = Rect { x: 30, y: 20, width, height };
                Pen::new(Some(&mut pixels), area, typeface, WHITE, BLACK).write(&text);
            }
        }
    }
}
